package state

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// multiRow is a row of the model.
type multiRow struct{ weight, count int64 }

var multiCols = []types.Type{types.Int8Type, types.TextType, types.NumericType, types.TimestampType, types.Float8Type, types.ArrayOf(types.Int4Type),
	types.BoolType, types.ByteaType, {Kind: types.Numeric, Precision: 10, Scale: 2}, types.IntervalType}

// multiRows builds columns of rows of Go values.
func multiRows(t require.TestingT, rows [][]any) []arrow.Array {
	var cols []arrow.Array
	for c, ty := range multiCols {
		b := types.NewBuilder(ty)
		for _, r := range rows {
			require.NoError(t, types.AppendValue(b, ty, r[c]))
		}
		cols = append(cols, b.NewArray())
	}
	return cols
}

// multiText prints the rows of a table as the model knows them: text, then weights and counts added up.
func multiText(t require.TestingT, m *Multi) map[string]multiRow {
	slots := m.Slots(nil)
	require.Len(t, slots, m.Len())
	cols := make([]arrow.Array, len(multiCols))
	for c := range cols {
		cols[c] = m.Gather(c, slots)
		require.True(t, arrow.TypeEqual(cols[c].DataType(), multiCols[c].Arrow()))
	}
	out := map[string]multiRow{}
	for i, s := range slots {
		text := ""
		for c, ty := range multiCols {
			if cols[c].IsNull(i) {
				text += "NULL|"
			} else {
				text += string(types.AppendText(nil, ty, cols[c], i)) + "|"
			}
		}
		r := out[text]
		r.weight += m.Weight(s)
		r.count += *m.Count(s)
		out[text] = r
	}
	return out
}

func multiDraw(t *rapid.T) []any {
	pick := func(name string, vals ...any) any { return rapid.SampledFrom(vals).Draw(t, name) }
	num := func(s string) types.NumericValue { v, _ := types.ParseNumeric(s); return v }
	return []any{pick("k", int64(1), int64(2), nil), pick("s", "", "a", "a longer text", nil), pick("n", num("1.0"), num("1.00"), num("NaN"), nil),
		pick("ts", int64(0), int64(65535), int64(65536), int64(-1), int64(1_000_000), int64(math.MaxInt64), nil), pick("f", 0.0, math.Copysign(0, -1), math.NaN(), nil),
		pick("a", []any{}, []any{int64(1), nil}, nil), pick("b", true, false, nil), pick("y", []byte("x"), nil), pick("d", num("1.25"), nil),
		pick("i", types.IntervalValue{Months: 1}, types.IntervalValue{Days: 30}, nil)}
}

// A Multi holds what was added, by key and by time, and what it logs makes the same table again, divided among any workers.
func TestMultiModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := MultiSpec{Name: "m", Cols: multiCols, Keys: rapid.SampledFrom([][]int{{0}, {1}, {2, 9}, {4, 5, 0}, nil}).Draw(t, "keys"), NullSafe: true,
			Identity: rapid.Bool().Draw(t, "identity"), Counted: true, Time: rapid.SampledFrom([]int{-1, 3}).Draw(t, "time")}
		alike := rapid.IntRange(0, 3).Draw(t, "alike") == 0
		m := NewMulti(spec)
		if alike {
			m.exact = false
		}
		model := map[string]multiRow{}
		times := map[string]any{}
		var log []arrow.Record
		var img RowImages
		for range rapid.IntRange(1, 6).Draw(t, "epochs") {
			for range rapid.IntRange(0, 3).Draw(t, "batches") {
				n := rapid.IntRange(1, 6).Draw(t, "rows")
				var rows [][]any
				weights := make([]int64, n)
				for i := range n {
					rows = append(rows, multiDraw(t))
					weights[i] = rapid.SampledFrom([]int64{1, 1, 2, -1}).Draw(t, "w")
				}
				cols := multiRows(t, rows)
				sel := make([]uint32, n)
				hashes := make([]uint64, n)
				for i := range sel {
					sel[i] = uint32(i)
				}
				var keys []arrow.Array
				for _, k := range spec.Keys {
					keys = append(keys, cols[k])
				}
				changelog.Hash(keys, nil, n, nil, hashes)
				if alike { // hashes that collide
					for i := range hashes {
						hashes[i] &= 1 << 63
					}
				}
				m.Encode(&img, cols, sel, hashes)
				slots := make([]uint32, n)
				m.Add(&img, weights, slots)
				for i, slot := range slots {
					text := ""
					for c, ty := range multiCols {
						if cols[c].IsNull(i) {
							text += "NULL|"
						} else {
							text += string(types.AppendText(nil, ty, cols[c], i)) + "|"
						}
					}
					r := model[text]
					r.weight += weights[i]
					if rapid.Bool().Draw(t, "count") {
						m.Touch(slot)
						*m.Count(slot) += 5
						r.count += 5
					}
					model[text], times[text] = r, rows[i][3]
				}
				heads := make([]uint32, n)
				m.Find(m, &img, heads)
				for i, s := range slots { // each row is in the chain of its key
					at := heads[i]
					for at != NoSlot && at != s {
						at = m.Next(at)
					}
					require.Equal(t, s, at)
				}
			}
			if spec.Identity { // rows that were added apart are pruned apart
				m.Prune()
				for k, r := range model {
					if r.weight == 0 {
						delete(model, k)
					}
				}
			}
			if spec.Time >= 0 && rapid.Bool().Draw(t, "expire") {
				limit := rapid.SampledFrom([]int64{-1, 0, 10, 65535, 70_000, 2_000_000, math.MaxInt64}).Draw(t, "limit")
				gone := m.Expire(limit, false)
				for _, s := range gone {
					v, ok := m.Time(s)
					require.True(t, limit == math.MaxInt64 || ok && v <= limit)
				}
				for k := range model {
					if v, ok := times[k].(int64); limit == math.MaxInt64 || ok && v <= limit {
						delete(model, k)
					}
				}
			}
			if rec := m.Delta().Rows; rec != nil {
				log = append(log, rec)
			}
			require.Empty(t, m.changed)
			require.Equal(t, model, multiText(t, m))

			all := map[string]multiRow{}
			workers := uint64(rapid.IntRange(1, 3).Draw(t, "workers"))
			for w := range workers {
				part := NewMulti(spec)
				part.exact = m.exact
				for _, rec := range log {
					require.NoError(t, part.Apply(rec, func(h uint64) bool { return h%workers == w }))
				}
				require.Nil(t, part.Delta().Rows)
				for k, r := range multiText(t, part) {
					all[k] = multiRow{all[k].weight + r.weight, all[k].count + r.count}
				}
				if workers == 1 && rapid.Bool().Draw(t, "go on") {
					m = part
				}
			}
			require.Equal(t, model, all)
		}
	})
}

// A key with very many rows costs no more than many keys: adding, taking back in any order and loading are linear.
func TestMultiHotKey(t *testing.T) {
	const n = 100_000
	spec := MultiSpec{Name: "m", Cols: []types.Type{types.Int8Type, types.Int8Type}, Keys: []int{0}, Identity: true, Time: -1}
	m := NewMulti(spec)
	var log []arrow.Record
	var img RowImages
	add := func(w int64, order func(i int) int64) {
		ids, keys, rows, weights := make([]int64, n), make([]int64, n), make([]uint32, n), make([]int64, n)
		for i := range n {
			ids[i], rows[i], weights[i] = order(i), uint32(i), w
		}
		cols := []arrow.Array{int64Array(keys), int64Array(ids)}
		hashes := make([]uint64, n)
		changelog.Hash(cols[:1], nil, n, nil, hashes)
		m.Encode(&img, cols, rows, hashes)
		m.Add(&img, weights, make([]uint32, n))
		m.Prune()
		log = append(log, m.Delta().Rows)
	}
	add(1, func(i int) int64 { return int64(i) })
	add(1, func(i int) int64 { return int64(i * 7 % n) })
	load := func() *Multi {
		x := NewMulti(spec)
		for _, rec := range log {
			require.NoError(t, x.Apply(rec, nil))
		}
		return x
	}
	x := load()
	require.Equal(t, n, x.Len())
	for _, s := range x.Slots(nil) {
		require.EqualValues(t, 2, x.Weight(s))
	}
	m = x
	add(-2, func(i int) int64 { return int64(i * 13 % n) })
	require.Zero(t, m.Len())
	require.Zero(t, load().Len())
}

// Text of rows that are gone does not stay in memory, whether rows go in the order in which they came or not.
func TestMultiLetsTextGo(t *testing.T) {
	for _, mixed := range []bool{false, true} {
		m := NewMulti(MultiSpec{Name: "m", Cols: []types.Type{types.Int8Type, types.TextType}, Keys: []int{0}, Time: -1})
		var img RowImages
		var live []uint32
		peak := int64(0)
		for e := range 300 {
			const n = 100
			b := types.NewBuilder(types.TextType)
			ids, rows := make([]int64, n), make([]uint32, n)
			for i := range n {
				ids[i], rows[i] = int64(e*n+i), uint32(i)
				require.NoError(t, types.AppendValue(b, types.TextType, fmt.Sprintf("%0500d", i)))
			}
			cols := []arrow.Array{int64Array(ids), b.NewArray()}
			hashes, slots := make([]uint64, n), make([]uint32, n)
			changelog.Hash(cols[:1], nil, n, nil, hashes)
			m.Encode(&img, cols, rows, hashes)
			m.Add(&img, nil, slots)
			live = append(live, slots...)
			if mixed {
				slices.SortFunc(live, func(a, b uint32) int { return int(a*2654435761%1000) - int(b*2654435761%1000) })
			}
			for len(live) > 1000 {
				m.Delete(live[0])
				live = live[1:]
			}
			m.Discard()
			if e == 50 {
				peak = m.Bytes()
			}
		}
		require.LessOrEqual(t, m.Bytes(), 2*peak)
	}
}
