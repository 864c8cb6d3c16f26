package expr

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// vec is a column of values while it is computed: Arrow's buffers without Arrow's objects, from bit and row zero on.
type vec struct {
	t     types.Type
	n     int         // rows that it stands for
	konst bool        // one physical row stands for all n
	valid []byte      // bitmap over the physical rows; nil: no NULL
	buf   []byte      // fixed-width values, or the bitmap of booleans, or the bytes of texts
	offs  []int32     // of texts: physical rows + 1
	arr   arrow.Array // the array it was made from, if any; the only form of kinds without a kernel
	// errs are the failed rows, which are also NULL in valid. Rows outside the scope in which the vec was computed may occur.
	errs *RowErrors
}

// physical returns the number of rows held.
func (v *vec) physical() int {
	if v.konst {
		return 1
	}
	return v.n
}

// null reports whether row i is NULL (or failed).
func (v *vec) null(i int) bool {
	if v.valid == nil {
		return false
	}
	if v.konst {
		i = 0
	}
	return v.valid[i>>3]>>(i&7)&1 == 0
}

// bit returns the boolean of row i.
func (v *vec) bit(i int) bool {
	if v.konst {
		i = 0
	}
	return v.buf[i>>3]>>(i&7)&1 != 0
}

// width returns the bytes of one value of fixed width, 0 for text, -1 for booleans (bits), -2 for other kinds.
func width(t types.Type) int {
	switch t.Kind {
	case types.Bool:
		return -1
	case types.Int2:
		return 2
	case types.Int4, types.Float4, types.Date:
		return 4
	case types.Int8, types.Float8, types.Time, types.Timestamp, types.TimestampTZ:
		return 8
	case types.Numeric:
		if t.IsDecimal128() {
			return 16
		}
		return types.NumericWidth
	case types.Interval:
		return 16
	case types.Text, types.Bytea, types.JSONB:
		return 0
	}
	return -2
}

// view casts bytes to values of a fixed width.
func view[T any](b []byte) []T {
	var zero T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(zero)))
}

// bytesOf is the inverse of view.
func bytesOf[T any](s []T) []byte {
	var zero T
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(zero)))
}

// fromArrow wraps an array of t's storage.
func fromArrow(t types.Type, a arrow.Array) *vec {
	n := a.Len()
	v := &vec{t: t, n: n, arr: a}
	data := a.Data()
	off := data.Offset()
	bufs := data.Buffers()
	w := width(t)
	if w == -2 || len(bufs) < 2 {
		if a.NullN() > 0 || a.DataType().ID() == arrow.NULL {
			v.valid = make([]byte, (n+7)/8)
			for i := range n {
				if a.IsValid(i) {
					v.valid[i>>3] |= 1 << (i & 7)
				}
			}
		}
		return v
	}
	if a.NullN() > 0 && bufs[0] != nil {
		v.valid = bitsFrom(bufs[0].Bytes(), off, n)
	}
	switch {
	case n == 0 || bufs[1] == nil:
		if w == 0 {
			v.offs = make([]int32, n+1)
		}
	case w == -1:
		v.buf = bitsFrom(bufs[1].Bytes(), off, n)
	case w == 0:
		v.offs = view[int32](bufs[1].Bytes())[off : off+n+1]
		if bufs[2] != nil {
			v.buf = bufs[2].Bytes()
		}
	default:
		v.buf = bufs[1].Bytes()[off*w : (off+n)*w]
	}
	return v
}

// bitsFrom returns n bits from bit off on, shifted to bit zero (shared with b where it stands right).
func bitsFrom(b []byte, off, n int) []byte {
	b = b[off>>3:]
	size := (n + 7) / 8
	shift := uint(off & 7)
	if shift == 0 {
		return b[:size:size]
	}
	out := make([]byte, size)
	for i := range out {
		out[i] = b[i] >> shift
		if i+1 < len(b) {
			out[i] |= b[i+1] << (8 - shift)
		}
	}
	return out
}

// toArrow builds the array of v. A constant is repeated.
func (v *vec) toArrow() arrow.Array {
	if v.arr != nil && !v.konst {
		return v.arr
	}
	if v.t.Kind == types.Unknown {
		return array.NewNull(v.n)
	}
	if v.konst {
		v = v.repeat()
	}
	if v.arr != nil {
		return v.arr
	}
	nulls := 0
	var valid *memory.Buffer
	if v.valid != nil {
		nulls = v.n - countBits(v.valid, v.n)
		if nulls > 0 {
			valid = memory.NewBufferBytes(v.valid)
		}
	}
	bufs := []*memory.Buffer{valid, memory.NewBufferBytes(v.buf)}
	if width(v.t) == 0 {
		bufs = []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(v.offs)), memory.NewBufferBytes(v.buf)}
	}
	data := array.NewData(v.t.Arrow(), v.n, bufs, nil, nulls, 0)
	return array.MakeFromData(data)
}

// repeat writes a constant out n times.
func (v *vec) repeat() *vec {
	out := &vec{t: v.t, n: v.n}
	n, w := v.n, width(v.t)
	if v.valid != nil && v.null(0) {
		out.valid = make([]byte, (n+7)/8)
	}
	switch {
	case w == -2:
		out.arr = repeatAny(v, n)
	case w == -1:
		out.buf = make([]byte, (n+7)/8)
		if out.valid == nil && v.bit(0) {
			setAll(out.buf, n)
		}
	case w == 0:
		out.offs = make([]int32, n+1)
		if out.valid == nil {
			one := v.buf[v.offs[0]:v.offs[1]]
			out.buf = make([]byte, 0, len(one)*n)
			for i := range n {
				out.buf = append(out.buf, one...)
				out.offs[i+1] = int32(len(out.buf))
			}
		}
	default:
		out.buf = make([]byte, n*w)
		if out.valid == nil && n > 0 {
			copy(out.buf, v.buf[:w])
			for done := w; done < len(out.buf); done *= 2 {
				copy(out.buf[done:], out.buf[:done])
			}
		}
	}
	return out
}

// repeatAny repeats a constant of a kind that has no kernels.
func repeatAny(v *vec, n int) arrow.Array {
	b := types.NewBuilder(v.t)
	value := any(nil)
	if !v.null(0) {
		value = types.ValueAt(v.t, v.arr, 0)
	}
	for range n {
		appendValue(b, v.t, value)
	}
	return b.NewArray()
}

// appendValue appends a value that is known to be one of t.
func appendValue(b array.Builder, t types.Type, value any) {
	if err := types.AppendValue(b, t, value); err != nil {
		panic(fmt.Sprintf("expr: %v", err))
	}
}

// setAll sets the first n bits, and clears the rest of the last byte.
func setAll(b []byte, n int) {
	for i := range b {
		b[i] = 0xff
	}
	if n&7 != 0 {
		b[len(b)-1] = 1<<(n&7) - 1
	}
}

// countBits counts the set bits among the first n.
func countBits(b []byte, n int) int {
	count, i := 0, 0
	for ; i+64 <= n; i += 64 {
		count += bits.OnesCount64(binary.LittleEndian.Uint64(b[i>>3:]))
	}
	for ; i < n; i++ {
		count += int(b[i>>3] >> (i & 7) & 1)
	}
	return count
}

// combine computes a op b over bitmaps of n bits into a new bitmap.
func combine(a, b []byte, n int, op func(x, y uint64) uint64) []byte {
	size := (n + 7) / 8
	out := make([]byte, size)
	a, b = a[:size], b[:size]
	i := 0
	for ; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(out[i:], op(binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])))
	}
	for ; i < size; i++ {
		out[i] = byte(op(uint64(a[i]), uint64(b[i])))
	}
	return out
}

func bitAnd(x, y uint64) uint64 { return x & y }

// texts returns the texts of v as strings that share its bytes.
func texts(v *vec, dst []string) []string {
	n := v.physical()
	if cap(dst) < n {
		dst = make([]string, n)
	}
	dst = dst[:n]
	if len(v.buf) == 0 {
		clear(dst)
		return dst
	}
	all := unsafeString(v.buf) // sliced, so that an empty text at the end does not point behind the buffer, where another object may lie
	offs := v.offs[: n+1 : n+1]
	from := offs[0]
	for i := range dst {
		to := offs[i+1]
		dst[i] = all[from:to]
		from = to
	}
	return dst
}

// constVec is a constant for n rows; v == nil is NULL. The value has the form Literal.Value describes.
func constVec(t types.Type, value any, n int) *vec {
	v := &vec{t: t, n: n, konst: true}
	w := width(t)
	if w == -2 {
		if t.Kind == types.Unknown {
			v.valid = []byte{0}
			return v
		}
		b := types.NewBuilder(t)
		appendValue(b, t, value)
		v.arr = b.NewArray()
		if value == nil {
			v.valid = []byte{0}
		}
		return v
	}
	switch {
	case w == 0:
		v.offs = []int32{0, 0}
	case w == -1:
		v.buf = []byte{0}
	default:
		v.buf = make([]byte, w, 24)
	}
	switch x := value.(type) {
	case nil:
		v.valid = []byte{0}
	case bool:
		if x {
			v.buf[0] = 1
		}
	case int64:
		switch w {
		case 2:
			view[int16](v.buf)[0] = int16(x)
		case 4:
			view[int32](v.buf)[0] = int32(x)
		default:
			view[int64](v.buf)[0] = x
		}
	case float64:
		if w == 4 {
			view[float32](v.buf)[0] = float32(x)
		} else {
			view[float64](v.buf)[0] = x
		}
	case string:
		v.buf = []byte(x)
		v.offs[1] = int32(len(x))
	case []byte:
		v.buf = x
		v.offs[1] = int32(len(x))
	case types.NumericValue:
		if t.IsDecimal128() {
			putDecimal(v.buf, x, t)
		} else {
			x.Put(v.buf)
		}
	case types.IntervalValue:
		putInterval(v.buf, x)
	}
	return v
}

// putDecimal writes a value that fits t as decimal128.
func putDecimal(dst []byte, x types.NumericValue, t types.Type) {
	d, err := x.Decimal128(int(t.Precision), int(t.Scale))
	if err != nil {
		panic("expr: a literal of " + t.String() + " holds " + x.String())
	}
	binary.LittleEndian.PutUint64(dst, d.LowBits())
	binary.LittleEndian.PutUint64(dst[8:], uint64(d.HighBits()))
}

// valueAt returns row i in the form of Literal.Value.
func (v *vec) valueAt(i int) any {
	if v.null(i) {
		return nil
	}
	if v.konst {
		i = 0
	}
	switch v.t.Kind {
	case types.Bool:
		return v.bit(i)
	case types.Int2:
		return int64(view[int16](v.buf)[i])
	case types.Int4, types.Date:
		return int64(view[int32](v.buf)[i])
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		return view[int64](v.buf)[i]
	case types.Float4:
		return float64(view[float32](v.buf)[i])
	case types.Float8:
		return view[float64](v.buf)[i]
	case types.Text, types.JSONB:
		return string(v.buf[v.offs[i]:v.offs[i+1]])
	case types.Bytea:
		return append([]byte{}, v.buf[v.offs[i]:v.offs[i+1]]...)
	case types.Numeric:
		return v.numericAt(i)
	case types.Interval:
		return getInterval(v.buf[i*16:])
	}
	return types.ValueAt(v.t, v.arr, i)
}

// numericAt reads a NUMERIC of either storage.
func (v *vec) numericAt(i int) types.NumericValue {
	if v.t.IsDecimal128() {
		b := v.buf[i*16:]
		return types.NumericValue{
			Lo: binary.LittleEndian.Uint64(b), Hi: int64(binary.LittleEndian.Uint64(b[8:])), Scale: uint8(v.t.Scale),
		}
	}
	return types.GetNumeric(v.buf[i*types.NumericWidth:])
}

// getInterval reads Arrow's month_day_nano.
func getInterval(b []byte) types.IntervalValue {
	return types.IntervalFromArrow(view[arrow.MonthDayNanoInterval](b[:16])[0])
}

// putInterval writes Arrow's month_day_nano.
func putInterval(b []byte, v types.IntervalValue) {
	view[arrow.MonthDayNanoInterval](b[:16])[0] = v.Arrow()
}
