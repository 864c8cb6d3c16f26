package expr

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// tableRows calls a set-returning function as it is written, in pieces of at most max rows.
func tableRows(text string, most int) ([]string, error) {
	e, err := sql.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	call := e.(*sql.FuncCall)
	args, err := (&testBinder{}).bindAll(call.Args)
	if err != nil {
		return nil, err
	}
	f, err := ResolveTableFunction(call.Name.Last().Name, typesOf(args))
	if err != nil {
		return nil, err
	}
	for i, want := range f.Args {
		if args[i], err = Cast(args[i], want, Implicit); err != nil {
			return nil, err
		}
	}
	p, err := Compile(args)
	if err != nil {
		return nil, err
	}
	// The call stands in row 1 of three, of which the others are NULL.
	vs, err := p.Eval(&Context{}, &changelog.Batch{N: 1})
	if err != nil {
		return nil, err
	}
	var cols []arrow.Array
	for i, v := range vs {
		if v.Errs.Len() > 0 {
			return nil, v.Errs.Errs[0]
		}
		g := changelog.NewGather(args[i].Type().Arrow(), 3)
		nulls := constVec(args[i].Type(), nil, 1).toArrow()
		g.Append(nulls, nil)
		g.Append(v.Arr, nil)
		g.Append(nulls, nil)
		cols = append(cols, g.Finish())
	}
	gen := LookupTableFunction(f.ID).Open(&Context{}, cols)
	var rows []string
	for _, row := range []int{0, 1, 2, 1} {
		rows = nil
		for range 10000 {
			out := make([]array.Builder, len(f.Columns))
			for i, c := range f.Columns {
				out[i] = types.NewBuilder(c.Type)
			}
			n, done, err := gen.Next(row, most, out)
			if err != nil {
				return nil, err
			}
			if n > most {
				return nil, fmt.Errorf("%d rows, at most %d were wanted", n, most)
			}
			arrs := make([]arrow.Array, len(out))
			for i := range out {
				if arrs[i] = out[i].NewArray(); arrs[i].Len() != n {
					return nil, fmt.Errorf("column %d holds %d rows, %d were given", i, arrs[i].Len(), n)
				}
			}
			for i := range n {
				var texts []string
				for k, c := range f.Columns {
					s := "NULL"
					if !arrs[k].IsNull(i) {
						s = string(types.AppendText(nil, c.Type, arrs[k], i))
					}
					texts = append(texts, s)
				}
				rows = append(rows, strings.Join(texts, "|"))
			}
			if done {
				break
			}
		}
		if row != 1 && len(rows) > 0 {
			return nil, fmt.Errorf("rows for NULL arguments: %q", rows)
		}
	}
	return rows, nil
}

var tableCalls = []string{
	"generate_series(1, 5)", "generate_series(5, 1)", "generate_series(5, 1, -2)", "generate_series(1, 5, 0)",
	"generate_series(2147483645, 2147483647)", "generate_series(-2147483647, -2147483648, -5)", "generate_series(1, NULL)",
	"generate_series(9223372036854775800, 9223372036854775807, 3)", "generate_series(1, 3000000000::bigint, 1000000000)",
	"generate_series(1, 3, 0.5)", "generate_series(1.10, 1.3, 0.1)", "generate_series(1.5, 4)", "generate_series('NaN'::numeric, 4)",
	"generate_series(1, 'Infinity'::numeric)", "generate_series(1.0, 2.0, 0.0)", "generate_series(1.0, 2.0, 'NaN')",
	"generate_series(timestamp '2024-01-31', timestamp '2024-06-30', interval '1 month')",
	"generate_series(timestamp '2024-01-31', timestamp '2024-01-01', interval '-6 days')",
	"generate_series(timestamp '2024-01-31', timestamp '2024-02-01', interval '0')",
	"generate_series(timestamptz '2024-01-31 00:00+00', timestamptz '2024-01-31 02:00+00', '30 minutes')",
	"generate_series(date '2024-01-31', date '2024-02-02', interval '1 day')",
	"generate_series('2024-01-31'::timestamp, '2024-02-02', '12:00')",
	"string_to_table('a,b,,c', ',')", "string_to_table('a,b,,c', ',', '')", "string_to_table('äbc', NULL)", "string_to_table('abc', '')",
	"string_to_table('', ',')", "string_to_table(NULL, ',')", "string_to_table('axxbxx', 'xx')", "string_to_table('ab', NULL, 'b')",
	"regexp_split_to_table('a1b22c', '[0-9]+')", "regexp_split_to_table('the quick  fox', '\\s*')", "regexp_split_to_table('', 'x')",
	"regexp_split_to_table('xaxbx', 'x')", "regexp_split_to_table('aXbxc', 'x', 'i')", "regexp_split_to_table('abc', '')",
	"regexp_split_to_table('abc', '(')", "regexp_split_to_table('abc', 'b', 'g')",
	"regexp_matches('foobarbequebaz', 'ba.')", "regexp_matches('foobarbequebaz', 'ba.', 'g')",
	"regexp_matches('foobarbequebaz', '(b)(.)?(q)?', 'g')", "regexp_matches('foo', 'x')",
	`jsonb_array_elements('[1, "a,]\"", null, {"b": [1, 2]}, [3, {}]]')`, "jsonb_array_elements('[]')", "jsonb_array_elements('{}')",
	"jsonb_array_elements('1')", `jsonb_array_elements_text('[1, "a\"b", null, {"b": [1, 2]}]')`, `jsonb_each('{"b": 1, "a": {"x": "}"}, "ccc": null}')`,
	`jsonb_each_text('{"b": 1, "a": {"x": "}"}, "ccc": null, "d\"": "\u00e4"}')`, "jsonb_each('[1]')", "jsonb_each('{}')", "jsonb_each('null')",
	`jsonb_object_keys('{"b": 1, "aa": 2, "a": 3}')`, "jsonb_object_keys('[1]')", "jsonb_object_keys('1')",
	"unnest(ARRAY[1, NULL, 3])", "unnest('{a,NULL,\"b c\"}'::text[])", "unnest('{}'::int[])", "unnest(NULL::int[])", "unnest(NULL)",
	"unnest('{1.5,2}'::numeric[])", "unnest('{t,f}'::boolean[])", "unnest('{1 day,1 mon}'::interval[])", "unnest('{2024-01-01}'::date[])",
	"generate_subscripts(ARRAY['a', 'b', 'c'], 1)", "generate_subscripts(ARRAY['a', 'b', 'c'], 1, true)", "generate_subscripts(ARRAY[1], 2)",
	"generate_subscripts('{}'::int[], 1)", "generate_series('a', 'b')", "no_such(1)", "unnest(1)",
}

func TestPostgresTableFunctions(t *testing.T) {
	db := pgtest.Open(t)
	for _, text := range tableCalls {
		res, err := db.Query("SELECT * FROM " + text)
		var want []string
		if err != nil {
			want = []string{"ERROR"}
		} else {
			for _, r := range res.Rows {
				var row []string
				for _, c := range r {
					s := "NULL"
					if c != nil {
						s = *c
					}
					row = append(row, s)
				}
				want = append(want, strings.Join(row, "|"))
			}
		}
		for _, most := range []int{1, 2, 1000} {
			got, err := tableRows(text, most)
			if err != nil {
				require.NotEqual(t, types.CodeInternal, types.CodeOf(err), "%s: %v", text, err)
				got = []string{"ERROR"}
			}
			require.Equal(t, want, got, "%s by %d", text, most)
		}
	}
}

// The examples of the reference are what the functions give.
func TestTableFunctionExamples(t *testing.T) {
	for _, f := range TableFunctions() {
		require.NotEmpty(t, f.Doc, f.ID)
		got, err := tableRows(f.Example, 100)
		require.NoError(t, err, f.Example)
		require.Equal(t, f.Answer, strings.Join(got, "\n"), f.Example)
	}
}

// A long series is given in pieces.
func TestLongSeries(t *testing.T) {
	f, err := ResolveTableFunction("generate_series", []types.Type{types.Int4Type, types.Int4Type})
	require.NoError(t, err)
	cols := []arrow.Array{textColumn(t, types.Int4Type, []string{"1"}), textColumn(t, types.Int4Type, []string{"10000000"})}
	g := f.Open(&Context{}, cols)
	b := types.NewBuilder(types.Int4Type)
	total, sum := 0, int64(0)
	for done := false; !done; {
		var n int
		n, done, err = g.Next(0, 4096, []array.Builder{b})
		require.NoError(t, err)
		total += n
		arr := b.NewArray().(*array.Int32)
		for _, x := range arr.Int32Values() {
			sum += int64(x)
		}
	}
	require.Equal(t, 10_000_000, total)
	require.Equal(t, int64(10_000_000)*10_000_001/2, sum)
}
