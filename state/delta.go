package state

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// The first columns of a logged row; the table's value columns follow.
const (
	opColumn = iota
	keyColumn
	firstValue
)

var wideType = &arrow.FixedSizeBinaryType{ByteWidth: 16}

func (k ColumnKind) arrow() arrow.DataType {
	switch k {
	case Int64:
		return arrow.PrimitiveTypes.Int64
	case Float64:
		return arrow.PrimitiveTypes.Float64
	case Wide:
		return wideType
	}
	return arrow.BinaryTypes.Binary
}

// deltaSchema is the form of a table's logged rows. Where repr is set, the keys' representations come first among the values.
func deltaSchema(spec *Spec, repr bool) *arrow.Schema {
	fields := []arrow.Field{
		{Name: "_op", Type: arrow.PrimitiveTypes.Uint8},
		{Name: "_key", Type: arrow.BinaryTypes.Binary},
	}
	if repr {
		fields = append(fields, arrow.Field{Name: "_repr", Type: arrow.BinaryTypes.Binary})
	}
	for _, c := range spec.Value {
		fields = append(fields, arrow.Field{Name: c.Name, Type: c.Kind.arrow()})
	}
	return arrow.NewSchema(fields, nil)
}

// deltaBuilder collects logged rows.
type deltaBuilder struct {
	schema *arrow.Schema
	ops    []uint8
	keys   byteStrings
	repr   *byteStrings
	fixed  [][]byte       // by value column
	blobs  []*byteStrings // by value column; nil for fixed ones
}

type byteStrings struct {
	offs []int32
	data []byte
}

func newDeltaBuilder(spec *Spec, schema *arrow.Schema, repr bool, rows int) *deltaBuilder {
	b := &deltaBuilder{schema: schema, ops: make([]uint8, 0, rows), fixed: make([][]byte, len(spec.Value)), blobs: make([]*byteStrings, len(spec.Value))}
	b.keys.offs = append(make([]int32, 0, rows+1), 0)
	if repr {
		b.repr = &byteStrings{offs: []int32{0}}
	}
	for i, c := range spec.Value {
		if c.Kind == Bytes {
			b.blobs[i] = &byteStrings{offs: append(make([]int32, 0, rows+1), 0)}
		}
	}
	return b
}

func (s *byteStrings) end() {
	if len(s.data) > 1<<31-1 {
		panic("state: more than 2 GiB of keys or values of one table in one epoch")
	}
	s.offs = append(s.offs, int32(len(s.data)))
}

// values appends the value columns of slots.
func (b *deltaBuilder) values(r *rows, slots []uint32) {
	for i := range r.cols {
		switch c := &r.cols[i]; c.kind {
		case Int64:
			b.fixed[i] = appendPages(b.fixed[i], c.i64.pages, slots)
		case Float64:
			b.fixed[i] = appendPages(b.fixed[i], c.f64.pages, slots)
		case Wide:
			b.fixed[i] = appendPages(b.fixed[i], c.wide.pages, slots)
		case Bytes:
			s := b.blobs[i]
			for _, slot := range slots {
				s.data = append(s.data, c.blob.Get(slot)...)
				s.end()
			}
		}
	}
}

// noValues appends zeros and empty strings for n rows that are gone.
func (b *deltaBuilder) noValues(spec *Spec, n int) {
	for i, c := range spec.Value {
		switch c.Kind {
		case Int64, Float64:
			b.fixed[i] = append(b.fixed[i], make([]byte, 8*n)...)
		case Wide:
			b.fixed[i] = append(b.fixed[i], make([]byte, 16*n)...)
		case Bytes:
			for range n {
				b.blobs[i].end()
			}
		}
	}
}

func appendPages[T any](dst []byte, pages [][]T, slots []uint32) []byte {
	var zero T
	width := int(unsafe.Sizeof(zero))
	at, n := len(dst), len(slots)
	if need := at + n*width; cap(dst) < need {
		bigger := make([]byte, at, need)
		copy(bigger, dst)
		dst = bigger
	}
	dst = dst[:at+n*width]
	if n > 0 {
		to := unsafe.Slice((*T)(unsafe.Pointer(&dst[at])), n)
		for i, s := range slots {
			to[i] = pages[s>>pageBits][s&pageMask]
		}
	}
	return dst
}

// op appends the operation of n rows.
func (b *deltaBuilder) op(op uint8, n int) {
	for range n {
		b.ops = append(b.ops, op)
	}
}

func (s *byteStrings) array() arrow.Array {
	offs := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(s.offs))
	return array.NewBinaryData(array.NewData(arrow.BinaryTypes.Binary, len(s.offs)-1, []*memory.Buffer{nil, offs, memory.NewBufferBytes(s.data)}, nil, 0, 0))
}

// record returns the rows, nil if there are none.
func (b *deltaBuilder) record() arrow.Record {
	n := len(b.ops)
	if n == 0 {
		return nil
	}
	fixed := func(dt arrow.DataType, data []byte) arrow.Array {
		return array.MakeFromData(array.NewData(dt, n, []*memory.Buffer{nil, memory.NewBufferBytes(data)}, nil, 0, 0))
	}
	cols := []arrow.Array{fixed(arrow.PrimitiveTypes.Uint8, b.ops), b.keys.array()}
	if b.repr != nil {
		cols = append(cols, b.repr.array())
	}
	for i := range b.fixed {
		if b.blobs[i] != nil {
			cols = append(cols, b.blobs[i].array())
		} else {
			cols = append(cols, fixed(b.schema.Field(len(cols)).Type, b.fixed[i]))
		}
	}
	return array.NewRecord(b.schema, cols, int64(n))
}

// logged is a record of logged rows taken apart.
type logged struct {
	n    int
	ops  []uint8
	keys *array.Binary
	repr *array.Binary // nil if there is none
	vals []arrow.Array
}

// readLogged checks that a record has the schema's columns.
func readLogged(rec arrow.Record, schema *arrow.Schema, repr bool) (*logged, error) {
	if int(rec.NumCols()) != schema.NumFields() {
		return nil, fmt.Errorf("logged rows have %d columns, want %d", rec.NumCols(), schema.NumFields())
	}
	for i, f := range schema.Fields() {
		if !arrow.TypeEqual(rec.Column(i).DataType(), f.Type) {
			return nil, fmt.Errorf("logged column %q is %s, want %s", f.Name, rec.Column(i).DataType(), f.Type)
		}
	}
	l := &logged{n: int(rec.NumRows()), ops: rec.Column(opColumn).(*array.Uint8).Uint8Values(), keys: rec.Column(keyColumn).(*array.Binary)}
	l.vals = rec.Columns()[firstValue:]
	if repr {
		l.repr = l.vals[0].(*array.Binary)
		l.vals = l.vals[1:]
	}
	return l, nil
}

// set stores the values of logged rows in slots.
func (r *rows) set(l *logged, from []uint32, slots []uint32) {
	for i := range r.cols {
		switch c := &r.cols[i]; c.kind {
		case Int64:
			setPages(c.i64.pages, l.vals[i].(*array.Int64).Int64Values(), from, slots)
		case Float64:
			setPages(c.f64.pages, l.vals[i].(*array.Float64).Float64Values(), from, slots)
		case Wide:
			a := l.vals[i].(*array.FixedSizeBinary)
			for j, slot := range slots {
				v := a.Value(int(from[j]))
				*c.wide.At(slot) = *(*[2]uint64)(unsafe.Pointer(&v[0]))
			}
		case Bytes:
			a := l.vals[i].(*array.Binary)
			for j, slot := range slots {
				c.blob.Set(slot, a.Value(int(from[j])))
			}
		}
	}
}

func setPages[T any](pages [][]T, vals []T, from, slots []uint32) {
	for j, s := range slots {
		pages[s>>pageBits][s&pageMask] = vals[from[j]]
	}
}
