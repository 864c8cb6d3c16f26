package expr

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

func TestModBy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	vals := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1<<32 - 1, 1 << 32, -1 << 32, 1<<31 - 1}
	for range 500 {
		vals = append(vals, int64(rng.Uint64()>>rng.IntN(64)), -int64(rng.Uint64()>>(1+rng.IntN(63))))
	}
	r := make([]int64, len(vals))
	for _, d := range []int64{1, 2, 3, 7, 10, 123, 1000, 65536, 1<<31 - 1, 1 << 31, 1 << 40, math.MaxInt64, math.MinInt64, -2, -7, -1000} {
		modBy(vals, d, r)
		for i, v := range vals {
			require.Equal(t, v%d, r[i], "%d %% %d", v, d)
		}
	}
}

// Comparisons with constants, at the ends of the ranges too, by bitmap, by selection and over another selection.
func TestCompareWithConstants(t *testing.T) {
	edge := []string{"0", "1", "-1", "32767", "-32768", "2147483647", "-2147483648", "9223372036854775807", "-9223372036854775808", "100"}
	for _, typ := range []types.Type{types.Int2Type, types.Int4Type, types.Int8Type} {
		var values []int64
		for _, s := range edge {
			if v, err := types.ParseInt(typ.Kind, s); err == nil {
				values = append(values, v)
			}
		}
		var rows [][]string
		for k := range 100 {
			rows = append(rows, []string{fmt.Sprint(values[k%len(values)])})
		}
		cols, refs := columnsOf(t, []types.Type{typ}, rows)
		var half []uint32
		for i := uint32(0); i < 100; i += 3 {
			half = append(half, i)
		}
		for _, c := range values {
			for op, name := range map[comparison]string{eq: "=", ne: "<>", lt: "<", le: "<=", gt: ">", ge: ">="} {
				for _, flip := range []bool{false, true} {
					args := []Expr{refs[0], &Literal{Base: Base{T: typ}, Value: c}}
					if flip {
						args[0], args[1] = args[1], args[0]
					}
					e, err := Op(name, args, types.Span{})
					require.NoError(t, err)
					holds := func(i int) bool {
						x, y := values[i%len(values)], c
						if flip {
							x, y = y, x
						}
						order := 0
						if x < y {
							order = -1
						} else if x > y {
							order = 1
						}
						return op.holds(order)
					}
					p, err := Compile([]Expr{e})
					require.NoError(t, err)
					got, err := evalTexts(p, cols, 100)
					require.NoError(t, err)
					f, err := CompileFilter(e)
					require.NoError(t, err)
					for _, sel := range [][]uint32{nil, half} {
						passed, _, err := f.EvalFilter(&Context{}, &changelog.Batch{Cols: cols, N: 100, Sel: sel})
						require.NoError(t, err)
						for i := range 100 {
							require.Equal(t, fmt.Sprint(holds(i)), got[i], "%s row %d", e, i)
							wanted := holds(i) && (sel == nil || i%3 == 0)
							in := passed == nil || containsRow(passed, uint32(i))
							require.Equal(t, wanted, in, "%s row %d", e, i)
						}
					}
				}
			}
		}
	}
}

func TestFinders(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, spread := range []int64{10, 1000, 1 << 20, math.MaxInt64} { // a bitmap, then comparing or a hash set
		for _, size := range []int{1, 5, 50} {
			set := map[int64]bool{}
			var list []any
			for range size {
				x := rng.Int64N(spread) - spread/2
				set[x] = true
				list = append(list, x)
			}
			var values []any
			for range 200 {
				x := rng.Int64N(spread) - spread/2
				if rng.IntN(2) == 0 {
					x = list[rng.IntN(size)].(int64)
				}
				values = append(values, x)
			}
			v := fromArrow(types.Int8Type, arrayOf(types.Int8Type, values))
			out := make([]byte, 25)
			finder(types.Int8Type, list)(v, nil, out)
			for i, x := range values {
				require.Equal(t, set[x.(int64)], out[i>>3]>>(i&7)&1 == 1)
			}
		}
	}
}

func TestBitmaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	b := make([]byte, 40)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for _, off := range []int{0, 1, 7, 8, 9, 65} {
		for _, n := range []int{0, 1, 7, 8, 63, 64, 65, 200} {
			got := bitsFrom(b, off, n)
			count := 0
			var rows []uint32
			for i := range n {
				bit := b[(off+i)>>3] >> ((off + i) & 7) & 1
				require.Equal(t, bit, got[i>>3]>>(i&7)&1)
				count += int(bit)
				if bit == 1 {
					rows = append(rows, uint32(i))
				}
			}
			require.Equal(t, count, countBits(got, n))
			require.ElementsMatch(t, rows, bitsToRows(got, n, make([]uint32, n+1)))
		}
	}
}

func TestRowErrors(t *testing.T) {
	a := &RowErrors{Rows: []uint32{1, 5}, Errs: []*types.Error{errDivision, errOverflow}}
	b := &RowErrors{Rows: []uint32{0, 5, 9}, Errs: []*types.Error{errUnderflow, errUnderflow, errUnderflow}}
	m := a.Merge(b)
	require.Equal(t, []uint32{0, 1, 5, 9}, m.Rows)
	require.Equal(t, errOverflow, m.At(5))
	require.Nil(t, m.At(2))
	require.Nil(t, (*RowErrors)(nil).At(1))
	require.Equal(t, b, (*RowErrors)(nil).Merge(b))
	require.Zero(t, (*RowErrors)(nil).Len())
	u := &RowErrors{Rows: []uint32{5, 1, 5}, Errs: []*types.Error{errDivision, errOverflow, errUnderflow}}
	u.sort()
	require.Equal(t, []uint32{1, 5}, u.Rows)
	require.Equal(t, errDivision, u.At(5), "the first error of a row stays")
}
