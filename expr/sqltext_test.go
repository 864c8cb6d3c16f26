package expr

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// inColumns puts columns in place of e's constants: of four rows, in which row 1 holds NULLs.
func inColumns(e Expr) (Expr, []arrow.Array) {
	var cols []arrow.Array
	out := Rewrite(e, func(e Expr) Expr {
		lit, ok := e.(*Literal)
		if !ok || lit.T.Kind == types.Unknown {
			return e
		}
		cols = append(cols, arrayOf(lit.T, []any{lit.Value, nil, lit.Value, lit.Value}))
		return &Column{Base: lit.Base, Index: len(cols) - 1}
	})
	Walk(out, func(e Expr) { // the operator of ANY and ALL must be a constant
		if c, ok := e.(*Call); ok && len(c.Args) == 3 && (c.Fn[:4] == "any(" || c.Fn[:4] == "all(") {
			if col, ok := c.Args[2].(*Column); ok {
				c.Args[2] = &Literal{Base: col.Base, Value: types.ValueAt(col.T, cols[col.Index], 0)}
			}
		}
	})
	return out, cols
}

// requirePostgres compares expressions of constants with PostgreSQL: folded, and over columns with and without a selection.
func requirePostgres(t *testing.T, texts []string, excused map[string]string) {
	t.Helper()
	want := newOracle(t).answers(t, texts)
	for i, text := range texts {
		if why, ok := excused[text]; ok {
			require.NotEmpty(t, why)
			continue
		}
		e, err := bindText(text)
		got := answer(e, err)
		if got != want[i] {
			t.Errorf("%s\n  got  %s (%v)\n  want %s", text, got, err, want[i])
			continue
		}
		if err != nil {
			continue
		}
		require.Equal(t, want[i], answer(Fold(e), nil), "folded: %s", text)
		c, cols := inColumns(e)
		p, err := Compile([]Expr{c})
		require.NoError(t, err, text)
		for _, sel := range [][]uint32{nil, {0, 2}, {3}, {1}} {
			rows, err := evalSelected(p, &changelog.Batch{Cols: cols, N: 4, Sel: sel})
			require.NoError(t, err, text)
			check := sel
			if sel == nil {
				check = []uint32{0, 2, 3}
			}
			for _, k := range check {
				if k != 1 {
					require.Equal(t, want[i], rows[k], "row %d of columns under %v: %s", k, sel, text)
				}
			}
		}
		for _, k := range []any{c, e} { // printing works
			require.NotEmpty(t, fmt.Sprint(k))
		}
	}
}
