package changelog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// weightColumn is the name of the weights' column in a serialised changelog; it comes last.
const weightColumn = "_weight"

// AppendIPC appends the selected rows of the batches as one Arrow IPC stream and the stream's CRC32C in 4 bytes, little endian;
// weights, if any batch has them, are one more column named _weight.
func AppendIPC(dst []byte, schema types.Schema, batches []*Batch) ([]byte, error) {
	weighted := false
	for _, b := range batches {
		weighted = weighted || b.Weights != nil
	}
	as := schema.Arrow()
	if weighted {
		as = arrow.NewSchema(append(as.Fields(), arrow.Field{Name: weightColumn, Type: arrow.PrimitiveTypes.Int64}), nil)
	}
	recs := make([]arrow.Record, 0, len(batches))
	for _, b := range batches {
		if b.Rows() == 0 {
			continue
		}
		dense := Compact(b)
		cols := append(make([]arrow.Array, 0, len(dense.Cols)+1), dense.Cols...)
		if weighted {
			w := dense.Weights
			if w == nil {
				w = make([]int64, dense.N)
				for i := range w {
					w[i] = 1
				}
			}
			buf := memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(w))
			cols = append(cols, array.NewInt64Data(array.NewData(arrow.PrimitiveTypes.Int64, len(w), []*memory.Buffer{nil, buf}, nil, 0, 0)))
		}
		recs = append(recs, array.NewRecord(as, cols, int64(dense.N)))
	}
	from := len(dst)
	dst, err := AppendRecords(dst, as, recs...)
	if err != nil {
		return nil, err
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[from:], castagnoli)), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendRecords appends an Arrow IPC stream of records of one schema.
func AppendRecords(dst []byte, schema *arrow.Schema, recs ...arrow.Record) (_ []byte, err error) {
	buf := bytes.NewBuffer(dst)
	w := ipc.NewWriter(buf, ipc.WithSchema(schema))
	for _, rec := range recs {
		if err := w.Write(rec); err != nil {
			return nil, fmt.Errorf("write arrow stream: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write arrow stream: %w", err)
	}
	return buf.Bytes(), nil
}

// ReadIPC reads what AppendIPC wrote. The batches refer to data, which must stay as it is. Damaged input is an error.
func ReadIPC(data []byte, schema types.Schema) ([]*Batch, error) {
	body := len(data) - 4
	if body < 0 || binary.LittleEndian.Uint32(data[body:]) != crc32.Checksum(data[:body], castagnoli) {
		return nil, fmt.Errorf("read changelog: %d bytes with a wrong checksum", len(data))
	}
	recs, err := ReadRecords(data[:body])
	if err != nil {
		return nil, err
	}
	var out []*Batch
	for _, rec := range recs {
		n := len(schema)
		if int(rec.NumCols()) != n && (int(rec.NumCols()) != n+1 || rec.ColumnName(n) != weightColumn) {
			return nil, fmt.Errorf("read changelog: %d columns, want %d", rec.NumCols(), n)
		}
		if rec.NumRows() > math.MaxUint32 {
			return nil, fmt.Errorf("read changelog: a batch of %d rows", rec.NumRows())
		}
		b := &Batch{N: int(rec.NumRows()), Cols: rec.Columns()[:n:n]}
		for i, f := range schema {
			if want := f.Type.Arrow(); !arrow.TypeEqual(b.Cols[i].DataType(), want) {
				return nil, fmt.Errorf("read changelog: column %q is %s, want %s", f.Name, b.Cols[i].DataType(), want)
			}
		}
		if int(rec.NumCols()) > n {
			w, ok := rec.Column(n).(*array.Int64)
			if !ok {
				return nil, fmt.Errorf("read changelog: weights are %s, want int64", rec.Column(n).DataType())
			}
			b.Weights = w.Int64Values()
		}
		out = append(out, b)
	}
	return out, nil
}

// ReadRecords reads an Arrow IPC stream. The records refer to data, which must stay as it is. The caller has checked the bytes against
// a checksum: Arrow's reader allocates what damaged metadata says. Beyond that no panic leaves here, no buffer goes far
// beyond the input's size, and arrays hold the rows they claim.
func ReadRecords(data []byte) (recs []arrow.Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			recs, err = nil, fmt.Errorf("read arrow stream: damaged: %v", p)
		}
	}()
	if err := checkFraming(data); err != nil {
		return nil, err
	}
	r, err := ipc.NewReader(bytes.NewReader(data), ipc.WithAllocator(&cappedAllocator{left: 4*len(data) + 1<<16}))
	if err != nil {
		return nil, fmt.Errorf("read arrow stream: %w", err)
	}
	for r.Next() {
		rec := r.Record()
		rec.Retain()
		for i, col := range rec.Columns() {
			if err := validate(col.Data(), int(rec.NumRows())); err != nil {
				return nil, fmt.Errorf("read arrow stream: column %d: %w", i, err)
			}
		}
		recs = append(recs, rec)
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("read arrow stream: %w", err)
	}
	return recs, nil
}

// checkFraming refuses a first message (0xffffffff, length, metadata, body) whose metadata is longer than the input, since Arrow
// allocates what the length says. Bodies go through the capped allocator.
func checkFraming(data []byte) error {
	if len(data) < 8 {
		return fmt.Errorf("read arrow stream: %d bytes", len(data))
	}
	if n := int64(uint32(data[4]) | uint32(data[5])<<8 | uint32(data[6])<<16 | uint32(data[7])<<24); n > int64(len(data)) {
		return fmt.Errorf("read arrow stream: metadata of %d bytes in %d", n, len(data))
	}
	return nil
}

// cappedAllocator panics rather than allocate more than it was made for.
type cappedAllocator struct{ left int }

// Allocate implements memory.Allocator.
func (a *cappedAllocator) Allocate(size int) []byte {
	if size < 0 || size > a.left {
		panic(fmt.Sprintf("a buffer of %d bytes", size))
	}
	a.left -= size
	return memory.DefaultAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *cappedAllocator) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	bigger := a.Allocate(size)
	copy(bigger, b)
	return bigger
}

// Free implements memory.Allocator.
func (a *cappedAllocator) Free([]byte) {}

// validate checks that the buffers of an array hold n rows, so that typed loops over them stay inside.
func validate(d arrow.ArrayData, n int) error {
	if d.Len() != n || n < 0 || d.Offset() != 0 {
		return fmt.Errorf("%d rows at %d, want %d", d.Len(), d.Offset(), n)
	}
	buf := func(i, bytes int) ([]byte, error) {
		if i >= len(d.Buffers()) || d.Buffers()[i] == nil {
			if bytes == 0 {
				return nil, nil
			}
			return nil, fmt.Errorf("no buffer %d", i)
		}
		if b := d.Buffers()[i].Bytes(); len(b) >= bytes {
			return b, nil
		}
		return nil, fmt.Errorf("buffer %d has %d bytes, want %d", i, d.Buffers()[i].Len(), bytes)
	}
	if d.DataType().ID() == arrow.NULL {
		return nil
	}
	if len(d.Buffers()) > 0 && d.Buffers()[0] != nil && d.Buffers()[0].Len() > 0 {
		if _, err := buf(0, (n+7)/8); err != nil {
			return err
		}
	} else if d.NullN() > 0 {
		return fmt.Errorf("%d NULLs and no bitmap", d.NullN())
	}
	switch t := d.DataType().(type) {
	case *arrow.BooleanType:
		_, err := buf(1, (n+7)/8)
		return err
	case *arrow.StringType, *arrow.BinaryType, *arrow.ListType:
		if n == 0 {
			return nil
		}
		b, err := buf(1, 4*(n+1))
		if err != nil {
			return err
		}
		offs := arrow.Int32Traits.CastFromBytes(b)[:n+1]
		if offs[0] < 0 {
			return fmt.Errorf("offset %d", offs[0])
		}
		for i := range n {
			if offs[i+1] < offs[i] {
				return fmt.Errorf("offsets fall at row %d", i)
			}
		}
		if _, isList := t.(*arrow.ListType); isList {
			if len(d.Children()) != 1 || d.Children()[0].Len() < int(offs[n]) {
				return fmt.Errorf("offsets pass the elements")
			}
			return validate(d.Children()[0], d.Children()[0].Len())
		}
		_, err = buf(2, int(offs[n]))
		return err
	case arrow.FixedWidthDataType:
		_, err := buf(1, n*t.Bytes())
		return err
	}
	return fmt.Errorf("type %s", d.DataType())
}
