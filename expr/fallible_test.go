package expr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// Calls that their constants keep from failing can be moved past filters and joins.
func TestConstantsMakeCallsHarmless(t *testing.T) {
	text := &Column{Base: Base{T: types.TextType}}
	number := &Column{Base: Base{T: types.Int4Type}, Index: 1}
	str := func(s string) Expr { return &Literal{Base: Base{T: types.TextType}, Value: s} }
	num := func(n int64) Expr { return &Literal{Base: Base{T: types.Int4Type}, Value: n} }
	bind := func(e Expr, err error) Expr {
		require.NoError(t, err)
		return e
	}
	for _, c := range []struct {
		e        Expr
		fallible bool
	}{
		{bind(Op("~~", []Expr{text, str("a%")}, types.Span{})), false},
		{bind(Op("~~", []Expr{text, str(`a\`)}, types.Span{})), true},
		{bind(Op("~~", []Expr{text, text}, types.Span{})), true},
		{bind(Op("/", []Expr{number, num(2)}, types.Span{})), false},
		{bind(Op("/", []Expr{number, num(0)}, types.Span{})), true},
		{bind(Op("/", []Expr{number, num(-1)}, types.Span{})), true},
		{bind(Op("%", []Expr{number, number}, types.Span{})), true},
		{bind(Op("+", []Expr{number, num(2)}, types.Span{})), true},
		{bind(Func("substring", []Expr{text, num(1), num(2)}, types.Span{})), false},
		{bind(Func("substring", []Expr{text, num(1), num(-2)}, types.Span{})), true},
		{bind(Func("substring", []Expr{text, num(1), number}, types.Span{})), true},
	} {
		require.Equal(t, c.fallible, Fallible(c.e), c.e.String())
	}
}
