package state

import (
	"encoding/binary"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// fuzzTables are tables of every kind and key mode.
func fuzzTables() []Table {
	tables := []Table{NewView(21, "v", viewSchema, nil), NewView(22, "k", viewSchema, []int{2})}
	for name, ts := range keyTypes {
		spec := Spec{ID: 20, Name: name, Key: ts, Value: modelColumns, Dist: len(ts)}
		tables = append(tables, NewHash(spec), NewOrdered(spec))
		spec.Key = append([]types.Type{types.Int8Type}, ts...)
		tables = append(tables, NewWindowed(spec))
	}
	row := []types.Type{types.Int8Type, types.TextType, types.ArrayOf(types.NumericType), types.BoolType}
	tables = append(tables, NewMulti(MultiSpec{ID: 23, Name: "m", Cols: row, Keys: []int{0, 1}, Identity: true, NullSafe: true, Time: -1}),
		NewMulti(MultiSpec{ID: 24, Name: "t", Cols: row[:1], Keys: []int{0}, Counted: true, Time: 0}))
	return tables
}

// loggedRecord makes logged rows of a table's form out of any bytes.
func loggedRecord(schema *arrow.Schema, spec *Spec, repr bool, ops, keys []byte) arrow.Record {
	b := newDeltaBuilder(spec, schema, repr, len(ops))
	for _, op := range ops {
		n := 0
		if len(keys) > 0 {
			n = min(int(keys[0])%24, len(keys)-1)
			b.keys.data = append(b.keys.data, keys[1:1+n]...)
			keys = keys[1+n:]
		}
		b.keys.end()
		if repr {
			b.repr.data = append(b.repr.data, b.keys.data[len(b.keys.data)-n/3:]...)
			b.repr.end()
		}
		for i, c := range spec.Value {
			switch c.Kind {
			case Int64, Float64:
				b.fixed[i] = binary.LittleEndian.AppendUint64(b.fixed[i], uint64(op))
			case Wide:
				b.fixed[i] = append(b.fixed[i], make([]byte, 16)...)
			case Bytes:
				b.blobs[i].data = append(b.blobs[i].data, keys[:min(5, len(keys))]...)
				b.blobs[i].end()
			}
		}
		b.op(op%4, 1)
	}
	return b.record()
}

// Rows that no table logged are an error or rows, never a panic, and what was taken in can be read and logged again.
func FuzzApply(f *testing.F) {
	f.Add([]byte{0, 1, 0}, []byte("\x09\x01\x80\x00\x00\x00\x00\x00\x00\x05\x09\x01\x80\x00\x00\x00\x00\x00\x00\x05\x01\x02"))
	f.Add([]byte{2, 0, 0}, []byte("\x00\x12\x01\x80\x00\x00\x00\x00\x00\x00\x05\x01\x80\x00\x00\x00\x00\x00\x00\x05\x04\x01a\x00\x01"))
	f.Add([]byte{0}, []byte("\x10\x01\x80\x00\x00\x00\x00\x00\x00\x05\x01\x03\x01b\x00\x01"))
	f.Fuzz(func(t *testing.T, ops, keys []byte) {
		if len(ops) == 0 {
			return
		}
		for _, table := range fuzzTables() {
			spec := table.Spec()
			repr := false
			var schema *arrow.Schema
			switch x := table.(type) {
			case *Hash:
				schema, repr = x.schema, x.enc.HasRepr()
			case *Windowed:
				h := newHash(spec, spec.Key[1:])
				schema, repr = h.schema, h.enc.HasRepr()
			case *Ordered:
				schema = x.schema
			case *View:
				schema = x.deltas
			case *Multi:
				schema = x.schema
			}
			rec := loggedRecord(schema, spec, repr, ops, keys)
			if table.Apply(rec, func(hash uint64) bool { return hash%2 == 0 }) != nil {
				continue
			}
			require.Nil(t, table.Delta().Rows)
			switch x := table.(type) {
			case *Hash:
				x.Keys(x.Slots(nil))
			case *View:
				scanRows(t, x.Pin())
			case *Multi:
				for c := range x.layout.cols {
					x.Gather(c, x.Slots(nil))
				}
				if x.Timed() {
					x.Expire(1<<63-1, true)
				}
			}
		}
	})
}

// A record of another table's form is refused.
func TestApplyRefusesOtherForms(t *testing.T) {
	h := NewHash(countSpec())
	slots := make([]uint32, 1)
	h.FindOrInsert(KeyBatch{Cols: columns(int64Array([]int64{1})), N: 1}, slots, nil)
	h.Touch(slots[0])
	rec := h.Delta().Rows
	for _, table := range fuzzTables() {
		require.Error(t, table.Apply(rec, nil))
	}
	require.NoError(t, NewHash(countSpec()).Apply(rec, nil))
}
