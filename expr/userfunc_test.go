package expr

import (
	"errors"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

func TestUserFunctions(t *testing.T) {
	row := &Scalar{
		Name: "shout", Args: []types.Type{types.TextType, types.Int4Type}, Result: types.TextType,
		Row: func(args []any) (any, error) {
			switch n := args[1].(int64); {
			case n < 0:
				return nil, errors.New("too quiet")
			case n == 99:
				panic("ouch")
			case n == 0:
				return nil, nil
			}
			return args[0].(string) + "!", nil
		},
	}
	columns := &Scalar{
		Name: "twice", Args: []types.Type{types.Int8Type}, Result: types.Int8Type,
		Columns: func(_ *Context, args []arrow.Array, n int) (arrow.Array, error) {
			b := array.NewInt64Builder(memory.DefaultAllocator)
			bad := &RowErrors{}
			for i := range n {
				x := args[0].(*array.Int64).Value(i)
				if x == 13 {
					bad.Rows, bad.Errs = append(bad.Rows, uint32(i)), append(bad.Errs, types.Errorf("P0001", "unlucky"))
				}
				b.Append(2 * x)
			}
			if bad.Len() > 0 {
				return b.NewArray(), bad
			}
			return b.NewArray(), nil
		},
	}
	reg, err := Builtin.With(row, columns)
	require.NoError(t, err)
	require.Nil(t, Lookup("twice(bigint)"), "the built-in table does not change")
	require.NotNil(t, reg.Lookup("twice(bigint)"))

	ts := []types.Type{types.TextType, types.Int4Type, types.Int8Type}
	cols, refs := columnsOf(t, ts, [][]string{{"a", "1", "5"}, {"b", "-1", "13"}, {"NULL", "1", "NULL"}, {"c", "99", "7"}, {"d", "0", "8"}})
	eval := func(name string, args ...Expr) []string {
		e, err := reg.Func(name, args, types.Span{})
		require.NoError(t, err)
		p, err := reg.Compile([]Expr{e})
		require.NoError(t, err)
		got, err := evalTexts(p.Clone(), cols, 5)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, []string{"a!", "ERROR 38000", "NULL", "ERROR 38000", "NULL"}, eval("shout", refs[0], refs[1]))
	require.Equal(t, []string{"10", "ERROR P0001", "NULL", "14", "16"}, eval("twice", refs[2]))
	require.Equal(t, []string{"2", "-2", "2", "198", "0"}, eval("TWICE", refs[1]), "the argument is cast")

	// A row that is not selected does not fail.
	e, err := reg.Func("shout", []Expr{refs[0], refs[1]}, types.Span{})
	require.NoError(t, err)
	p, err := reg.Compile([]Expr{e})
	require.NoError(t, err)
	got, err := evalSelected(p, &changelog.Batch{Cols: cols, N: 5, Sel: []uint32{0, 4}})
	require.NoError(t, err)
	require.Equal(t, []string{"a!", "", "", "", "NULL"}, got)

	// Constants fold, unless the function is volatile.
	lit, err := reg.Func("twice", []Expr{&Literal{Base: Base{T: types.Int8Type}, Value: int64(4)}}, types.Span{})
	require.NoError(t, err)
	require.Equal(t, "8::bigint", reg.Fold(lit).String())

	for _, bad := range []*Scalar{
		{Name: "Upper", Result: types.TextType, Row: row.Row},
		{Name: "nothing", Result: types.TextType},
		{Name: "lower", Args: []types.Type{types.TextType}, Result: types.TextType, Row: row.Row},
		{Name: "coalesce", Result: types.TextType, Row: row.Row},
		{Name: "sum", Args: []types.Type{types.Int4Type}, Result: types.TextType, Row: row.Row},
		{Name: "f", Args: []types.Type{{Kind: types.Numeric, Precision: 3}}, Result: types.TextType, Row: row.Row},
	} {
		_, err := Builtin.With(bad)
		require.Error(t, err, bad.Name)
	}
	wrong := &Scalar{Name: "wrong", Result: types.Int4Type, Columns: func(*Context, []arrow.Array, int) (arrow.Array, error) {
		return array.NewNull(1), nil
	}}
	reg, err = Builtin.With(wrong)
	require.NoError(t, err)
	e, err = reg.Func("wrong", nil, types.Span{})
	require.NoError(t, err)
	p, err = reg.Compile([]Expr{e})
	require.NoError(t, err)
	_, err = p.Eval(&Context{}, &changelog.Batch{N: 3})
	require.ErrorContains(t, err, "function wrong")
}
