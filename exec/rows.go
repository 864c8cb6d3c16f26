package exec

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/bitutil"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// fixedArray makes an array of a fixed-width type over its storage. valid is a bitmap, nil: no NULLs.
func fixedArray(dt arrow.DataType, n int, storage, valid []byte) arrow.Array {
	var bitmap *memory.Buffer
	nulls := 0
	if valid != nil {
		bitmap = memory.NewBufferBytes(valid)
		nulls = n - bitutil.CountSetBits(valid, 0, n)
	}
	data := array.NewData(dt, n, []*memory.Buffer{bitmap, memory.NewBufferBytes(storage)}, nil, nulls, 0)
	return array.MakeFromData(data)
}

// int64Array makes a column of a type that is stored in 8 bytes over the values.
func int64Array(t types.Type, values []int64, valid []byte) arrow.Array {
	return fixedArray(t.Arrow(), len(values), arrow.Int64Traits.CastToBytes(values), valid)
}

// words returns the values of a column stored in 8 bytes.
func words(a arrow.Array) []int64 {
	d := a.Data()
	buf := d.Buffers()[1]
	if buf == nil || d.Len() == 0 {
		return nil
	}
	return arrow.Int64Traits.CastFromBytes(buf.Bytes())[d.Offset() : d.Offset()+d.Len()]
}

// watermarks returns the column of the watermarks that rows are judged by: those without one are never late.
func watermarks(a arrow.Array) []int64 {
	values, valid := words(a), validityOf(a)
	if valid.bits == nil {
		return values
	}
	out := slices.Clone(values)
	for row := range out {
		if valid.null(row) {
			out[row] = math.MinInt64
		}
	}
	return out
}

// validity is the NULL bitmap of a column.
type validity struct {
	bits   []byte // nil: no NULLs
	offset int
}

func validityOf(a arrow.Array) validity {
	if a.NullN() == 0 {
		return validity{}
	}
	if a.DataType().ID() == arrow.NULL {
		return validity{bits: make([]byte, bitutil.BytesForBits(int64(a.Len())))}
	}
	return validity{bits: a.NullBitmapBytes(), offset: a.Data().Offset()}
}

func (v validity) null(row int) bool {
	return v.bits != nil && !bitutil.BitIsSet(v.bits, v.offset+row)
}

// times reads a window's time column.
type times struct {
	values []int64 // nil: all rows have the clock
	valid  validity
	clock  int64
}

func newTimes(w planner.Window, b *changelog.Batch, clock int64) times {
	if w.Time < 0 {
		return times{clock: clock}
	}
	c := b.Cols[w.Time]
	return times{values: words(c), valid: validityOf(c)}
}

// slice returns the slice of a row. The error is a *types.Error.
func (t *times) slice(s *slicer, row int) (int64, error) {
	if t.values == nil {
		return s.slice(t.clock)
	}
	if t.valid.null(row) {
		return 0, types.Errorf(types.CodeNullNotAllowed, "the time of a window must not be null")
	}
	return s.slice(t.values[row])
}

// repeated returns n times the value.
func repeated(v int64, n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// gatherWords sets dst to values at rows; values itself is returned when rows is nil.
func gatherWords(dst, values []int64, rows []uint32) []int64 {
	if rows == nil {
		return values
	}
	dst = resize(dst, len(rows))
	for i, r := range rows {
		dst[i] = values[r]
	}
	return dst
}

// resize returns a slice of n elements with any content, s itself if it is large enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// bitmap collects the validity of n results; it stays nil as long as all are valid.
type bitmap struct {
	n    int
	bits []byte
}

func (b *bitmap) clear(i int) {
	if b.bits == nil {
		b.bits = make([]byte, bitutil.BytesForBits(int64(b.n)))
		bitutil.SetBitsTo(b.bits, 0, int64(b.n), true)
	}
	bitutil.ClearBit(b.bits, i)
}

func putWord(dst []byte, v int64) { binary.LittleEndian.PutUint64(dst, uint64(v)) }
