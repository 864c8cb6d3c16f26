package expr

import (
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// system adds the set-returning functions of pg_catalog that clients call.
func (t *tableFunctionTable) system() {
	t.group("the names and values of options written as name=value", "pg_options_to_table(ARRAY['a=1', 'b'])", "a|1\nb|NULL")
	t.add("pg_options_to_table", sig(types.ArrayOf(types.TextType)),
		types.Schema{{Name: "option_name", Type: types.TextType}, {Name: "option_value", Type: types.TextType}}, optionsToTable)
}

func optionsToTable(_ *Context, args []arrow.Array) Generator {
	list, ok := args[0].(*array.List)
	if !ok { // all NULL
		return &generator{start: func(int) (bool, error) { return true, nil }}
	}
	var at, end int64
	return &generator{
		start: func(row int) (bool, error) {
			if anyNull(args, row) {
				return true, nil
			}
			at, end = list.ValueOffsets(row)
			return at == end, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			options := list.ListValues().(*array.String)
			for ; n < most && at < end; at++ {
				name, value, given := strings.Cut(options.Value(int(at)), "=")
				out[0].(*array.StringBuilder).Append(name)
				if given {
					out[1].(*array.StringBuilder).Append(value)
				} else {
					out[1].AppendNull()
				}
				n++
			}
			return n, at == end
		},
	}
}
