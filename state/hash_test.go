package state

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

func columns(cols ...arrow.Array) []arrow.Array { return cols }

func TestHashGrows(t *testing.T) {
	h := NewHash(countSpec())
	const n = 300_000
	vals := make([]int64, n)
	for i := range vals {
		vals[i] = int64(i) * 1_000_003
	}
	slots := make([]uint32, n)
	added := h.FindOrInsert(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, slots, nil)
	require.Len(t, added, n)
	again := make([]uint32, n)
	h.Find(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, again)
	require.Equal(t, slots, again)
	for i := range n {
		if i%3 == 0 {
			h.Delete(slots[i])
		}
	}
	h.Discard()
	require.Equal(t, 200_000, h.Len())
	h.Find(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, again)
	for i := range n {
		want := slots[i]
		if i%3 == 0 {
			want = NoSlot
		}
		if again[i] != want {
			t.Fatalf("key %d: slot %d, want %d", i, again[i], want)
		}
	}
}

// keyTypes are key columns of every mode.
var keyTypes = map[string][]types.Type{
	"none":     {},
	"bigint":   {types.Int8Type},
	"smallint": {types.Int2Type},
	"double":   {types.Float8Type},
	"words":    {types.Int4Type, types.BoolType, {Kind: types.Numeric, Precision: 10, Scale: 2}},
	"text":     {types.TextType},
	"mixed":    {types.Int8Type, types.NumericType, types.TextType},
}

// drawKey appends a random key out of few, and returns its model.
func drawKey(rnd *rand.Rand, ts []types.Type, bs []array.Builder) string {
	model := ""
	for i, typ := range ts {
		v := rnd.IntN(40) - 20
		if v == 7 {
			bs[i].AppendNull()
			model += "|null"
			continue
		}
		model += fmt.Sprintf("|%d", v)
		switch b := bs[i].(type) {
		case *array.Int64Builder:
			b.Append(int64(v))
		case *array.Int32Builder:
			b.Append(int32(v))
		case *array.Int16Builder:
			b.Append(int16(v))
		case *array.Float64Builder:
			b.Append(float64(v))
		case *array.BooleanBuilder:
			b.Append(v > 0)
			model = model[:len(model)-len(fmt.Sprint(v))] + fmt.Sprint(v > 0)
		case *array.Decimal128Builder:
			b.Append(decimal128.FromI64(int64(v)))
		case *array.StringBuilder:
			b.Append(fmt.Sprint(v))
		case *array.FixedSizeBinaryBuilder:
			n := types.NumericFromInt64(int64(v))
			if rnd.IntN(2) == 0 { // 1 and 1.0 are one key
				n = types.NumericFromInt64(int64(v) * 10)
				n.Scale = 1
			}
			var buf [types.NumericWidth]byte
			n.Put(buf[:])
			b.Append(buf[:])
		default:
			panic(typ.String())
		}
	}
	return model
}

type modelRow struct {
	n    int64
	f    float64
	w    [2]uint64
	text string
}

func (m modelRow) store(r *rows, slot uint32) {
	*r.I64(0).At(slot) = m.n
	*r.F64(1).At(slot) = m.f
	*r.Wide(2).At(slot) = m.w
	r.Blob(3).Set(slot, []byte(m.text))
}

func readRow(r *rows, slot uint32) modelRow {
	return modelRow{*r.I64(0).At(slot), *r.F64(1).At(slot), *r.Wide(2).At(slot), string(r.Blob(3).Get(slot))}
}

var modelColumns = []ColumnSpec{{Name: "n", Kind: Int64}, {Name: "f", Kind: Float64}, {Name: "w", Kind: Wide}, {Name: "t", Kind: Bytes}}

func drawRow(rnd *rand.Rand) modelRow {
	return modelRow{rnd.Int64(), rnd.Float64(), [2]uint64{rnd.Uint64(), 1}, fmt.Sprint(rnd.IntN(1 << rnd.IntN(30)))}
}

func TestHashModel(t *testing.T) {
	for name, ts := range keyTypes {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(3, 4))
			spec := Spec{ID: 20, Name: name, Key: ts, Value: modelColumns, Dist: len(ts)}
			h := NewHash(spec)
			parts := []*Hash{NewHash(spec), NewHash(spec), NewHash(spec)}
			model := map[string]modelRow{}
			for range 30 {
				for range 5 {
					n := rnd.IntN(60)
					bs := changelog.NewBuilders(ts)
					keys := make([]string, n)
					for i := range keys {
						keys[i] = drawKey(rnd, ts, bs)
					}
					kb := KeyBatch{Cols: finish(bs), N: n}
					if rnd.IntN(2) == 0 {
						kb.Sel = []uint32{}
						var kept []string
						for i, k := range keys {
							if rnd.IntN(3) > 0 {
								kb.Sel, kept = append(kb.Sel, uint32(i)), append(kept, k)
							}
						}
						keys = kept
					}
					slots := make([]uint32, len(keys))
					h.Find(kb, slots)
					for i, k := range keys {
						want, ok := model[k]
						require.Equal(t, ok, slots[i] != NoSlot, k)
						if ok {
							require.Equal(t, want, readRow(&h.rows, slots[i]))
						}
					}
					if rnd.IntN(3) == 0 {
						for i, k := range keys {
							if _, ok := model[k]; ok {
								h.Delete(slots[i])
								delete(model, k)
							}
						}
						continue
					}
					before := len(model)
					added := h.FindOrInsert(kb, slots, nil)
					for _, s := range added {
						require.Equal(t, modelRow{}, readRow(&h.rows, s), "new rows are zero")
					}
					for i, k := range keys {
						h.Touch(slots[i])
						model[k] = drawRow(rnd)
						model[k].store(&h.rows, slots[i])
					}
					require.Equal(t, len(model)-before, len(added))
					require.Equal(t, len(model), h.Len())
				}
				if d := h.Delta(); d.Rows != nil {
					for p, part := range parts {
						require.NoError(t, part.Apply(d.Rows, func(hash uint64) bool { return int(hash>>40)%len(parts) == p }))
					}
				}
				total := 0
				for _, part := range parts {
					total += part.Len()
				}
				require.Equal(t, len(model), total)
				// Keys read back find their rows, in the parts too.
				slots := h.Slots(nil)
				require.Len(t, slots, len(model))
				cols := h.Keys(slots)
				found := make([]uint32, len(slots))
				h.Find(KeyBatch{Cols: cols, N: len(slots)}, found)
				require.True(t, slices.Equal(slots, found))
				in := make([]int, len(slots))
				for _, part := range parts {
					part.Find(KeyBatch{Cols: cols, N: len(slots)}, found)
					for i, s := range found {
						if s != NoSlot {
							in[i]++
							require.Equal(t, readRow(&h.rows, slots[i]), readRow(&part.rows, s))
						}
					}
				}
				for _, n := range in {
					require.Equal(t, 1, n)
				}
				require.Empty(t, h.Changed(nil))
			}
			require.Positive(t, h.Bytes())
		})
	}
}

// A NUMERIC key reads back in the form of the row that came first.
func TestHashKeyKeepsItsForm(t *testing.T) {
	h := NewHash(Spec{ID: 20, Name: "n", Key: []types.Type{types.NumericType}})
	b := changelog.NewBuilder(types.NumericType).(*array.FixedSizeBinaryBuilder)
	for _, text := range []string{"1.50", "1.5", "1.500"} {
		v, err := types.ParseNumeric(text)
		require.NoError(t, err)
		var buf [types.NumericWidth]byte
		v.Put(buf[:])
		b.Append(buf[:])
	}
	slots := make([]uint32, 3)
	h.FindOrInsert(KeyBatch{Cols: columns(b.NewArray()), N: 3}, slots, nil)
	require.Equal(t, 1, h.Len())
	h.Touch(slots[0])
	again := NewHash(*h.Spec())
	require.NoError(t, again.Apply(h.Delta().Rows, nil))
	got := again.Keys(again.Slots(nil))[0].(*array.FixedSizeBinary).Value(0)
	require.Equal(t, "1.50", types.GetNumeric(got).String())
}

func TestTouch(t *testing.T) {
	h := NewHash(countSpec())
	slots := make([]uint32, 3)
	h.FindOrInsert(KeyBatch{Cols: columns(int64Array([]int64{5, 6, 5})), N: 3}, slots, nil)
	require.True(t, h.Touch(slots[0]))
	require.False(t, h.Touch(slots[0]))
	require.Equal(t, []uint32{slots[1]}, h.TouchAll(slots, nil))
	require.Equal(t, []uint32{slots[0], slots[1]}, h.Changed(nil))
	h.Delete(slots[0])
	require.Equal(t, []uint32{slots[1]}, h.Changed(nil))
	d := h.Delta()
	require.EqualValues(t, 2, d.Rows.NumRows())
	require.Nil(t, h.Delta().Rows)
	require.True(t, h.Touch(slots[1]))
}

func TestWindowedModel(t *testing.T) {
	for name, ts := range keyTypes {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(5, 6))
			spec := Spec{ID: 20, Name: name, Key: append([]types.Type{types.Int8Type}, ts...), Value: modelColumns, Dist: len(ts)}
			w, copied := NewWindowed(spec), NewWindowed(spec)
			model := map[int64]map[string]modelRow{}
			for range 30 {
				for range 6 {
					id := int64(rnd.IntN(6) - 2)
					if rnd.IntN(4) == 0 {
						w.Drop(id)
						delete(model, id)
						continue
					}
					bs := changelog.NewBuilders(ts)
					n := 1 + rnd.IntN(20)
					keys := make([]string, n)
					for i := range keys {
						keys[i] = drawKey(rnd, ts, bs)
					}
					kb := KeyBatch{Cols: finish(bs), N: n}
					slots := make([]uint32, n)
					h := w.Window(id)
					h.FindOrInsert(kb, slots, nil)
					if model[id] == nil {
						model[id] = map[string]modelRow{}
					}
					for i, k := range keys {
						h.Touch(slots[i])
						model[id][k] = drawRow(rnd)
						model[id][k].store(&h.rows, slots[i])
					}
				}
				if d := w.Delta(); d.Rows != nil {
					require.NoError(t, copied.Apply(d.Rows, nil))
				}
				require.Len(t, copied.Windows(), len(model))
				require.Equal(t, w.Windows(), copied.Windows())
				require.Equal(t, w.Len(), copied.Len())
				for _, id := range w.Windows() {
					h, c := w.Lookup(id), copied.Lookup(id)
					require.Equal(t, len(model[id]), h.Len())
					slots := h.Slots(nil)
					found := make([]uint32, len(slots))
					c.Find(KeyBatch{Cols: h.Keys(slots), N: len(slots)}, found)
					for i := range slots {
						require.Equal(t, readRow(&h.rows, slots[i]), readRow(&c.rows, found[i]))
					}
				}
			}
		})
	}
}

// A large table finds and makes the same rows as a small one, also where a batch names a new key twice.
func TestFindOrInsertInLargeTable(t *testing.T) {
	h := NewHash(countSpec())
	const n, batch = 3 * manyRows, 1000
	slots := make([]uint32, batch)
	want := map[int64]uint32{}
	for from := 0; from < 4*n; from += batch {
		vals := make([]int64, batch)
		for i := range vals {
			vals[i] = int64((from+i)/2%n) * 1_000_003
		}
		added := h.FindOrInsert(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: batch}, slots, nil)
		made := 0
		for i, v := range vals {
			slot, ok := want[v]
			if !ok {
				slot = slots[i]
				want[v] = slot
				require.Equal(t, slot, added[made])
				made++
			}
			require.Equal(t, slot, slots[i])
		}
		require.Len(t, added, made)
	}
	require.Equal(t, len(want), h.Len())
}
