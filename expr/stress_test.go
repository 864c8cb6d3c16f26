package expr

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// TestAnyBatching: programs of several random expressions that share parts give each row the same answer in a large batch, under
// any selection, as each expression alone gives it for the row alone.
func TestAnyBatching(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 42))
	ts := []types.Type{types.Int4Type, types.Int8Type, types.Float8Type, types.NumericType, types.TextType, types.BoolType, types.TimestampType}
	refs := benchCols(ts)
	const n = 300
	rows := make([][]string, n)
	for i := range rows {
		for _, typ := range ts {
			s := samples[typ.Kind]
			if typ.Kind == types.Timestamp {
				s = s[:4]
			}
			rows[i] = append(rows[i], s[rng.IntN(len(s))])
		}
	}
	cols, _ := columnsOf(t, ts, rows)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	kinds := []string{"bool", "int", "int8", "float", "num", "text", "ts"}
	for range rounds {
		var exprs []Expr
		shared := bindColumns(t, randomExpr(rng, "bool", 2), refs)
		for range 5 {
			e := bindColumns(t, randomExpr(rng, kinds[rng.IntN(len(kinds))], 3), refs)
			if rng.IntN(2) == 0 {
				c, err := NewCase(nil, []When{{Cond: shared, Then: e}}, nil, types.Span{})
				require.NoError(t, err)
				e = c
			}
			exprs = append(exprs, e)
		}
		p, err := Compile(exprs)
		require.NoError(t, err)
		// Each row alone, each expression alone.
		want := make([][]string, len(exprs))
		for k, e := range exprs {
			alone, err := Compile([]Expr{e})
			require.NoError(t, err)
			for i := range n {
				one := make([]arrow.Array, len(cols))
				for j, c := range cols {
					one[j] = sliceArray(c, int64(i), int64(i+1))
				}
				got, err := evalTexts(alone, one, 1)
				require.NoError(t, err)
				want[k] = append(want[k], got[0])
			}
		}
		for _, density := range []int{0, 2, 10, 90} { // a percentage; 0: no selection
			var sel []uint32
			for i := range uint32(n) {
				if density > 0 && rng.IntN(100) < density {
					sel = append(sel, i)
				}
			}
			if density > 0 && sel == nil {
				sel = []uint32{}
			}
			b := &changelog.Batch{Cols: cols, N: n, Sel: sel}
			out, err := p.Eval(&Context{}, b)
			require.NoError(t, err)
			for k, e := range exprs {
				b.Each(func(i int) {
					if got := rowText(out[k], e.Type(), i); got != want[k][i] {
						t.Fatalf("%s\nrow %d %v of %d rows selected: got %s, alone %s", e, i, rows[i], b.Rows(), got, want[k][i])
					}
				})
				if e.Type().Kind != types.Bool {
					continue
				}
				f, err := CompileFilter(e)
				require.NoError(t, err)
				passed, errs, err := f.EvalFilter(&Context{}, b)
				require.NoError(t, err)
				if passed == nil {
					for i := range uint32(n) {
						passed = append(passed, i)
					}
				}
				b.Each(func(i int) {
					require.Equal(t, want[k][i] == "true", containsRow(passed, uint32(i)), "%s row %d", e, i)
					if errs.At(uint32(i)) != nil {
						require.True(t, strings.HasPrefix(want[k][i], "ERROR"), "%s row %d", e, i)
					}
				})
			}
		}
	}
}
