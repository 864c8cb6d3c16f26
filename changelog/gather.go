package changelog

import (
	"fmt"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// Gather builds one dense array from chosen rows of many arrays of one type, in typed loops.
type Gather struct {
	dt    arrow.DataType
	width int // bytes a value of fixed width; 0: bits; -1: byte strings; -2: lists; -3: nulls
	n     int

	vals  []byte
	bits  []byte // validity of rows [0, n), once a NULL was seen
	nulls int
	offs  []int32
	elem  *Gather
}

const (
	widthBits  = 0
	widthBytes = -1
	widthList  = -2
	widthNull  = -3
)

// NewGather makes an empty gatherer of arrays of type dt, with room for n rows.
func NewGather(dt arrow.DataType, n int) *Gather {
	g := &Gather{dt: dt}
	switch t := dt.(type) {
	case *arrow.BooleanType:
		g.width = widthBits
	case *arrow.StringType, *arrow.BinaryType:
		g.width = widthBytes
		g.offs = append(make([]int32, 0, n+1), 0)
	case *arrow.ListType:
		g.width = widthList
		g.offs = append(make([]int32, 0, n+1), 0)
		g.elem = NewGather(t.Elem(), n)
	case *arrow.NullType:
		g.width = widthNull
	case arrow.FixedWidthDataType:
		g.width = t.Bytes()
		g.vals = make([]byte, 0, n*g.width)
	default:
		panic("changelog: gather " + dt.String())
	}
	return g
}

// Append takes rows of a, in that order; nil takes all.
func (g *Gather) Append(a arrow.Array, rows []uint32) {
	n := len(rows)
	if rows == nil {
		n = a.Len()
	}
	if n == 0 {
		return
	}
	g.appendValidity(a, rows, n)
	data := a.Data()
	off := data.Offset()
	switch g.width {
	case widthNull:
	case widthBits:
		src := data.Buffers()[1].Bytes()
		g.vals = growTo(g.vals, (g.n+n+7)/8)
		for i := range n {
			row := i
			if rows != nil {
				row = int(rows[i])
			}
			if src[(off+row)>>3]>>((off+row)&7)&1 != 0 {
				g.vals[(g.n+i)>>3] |= 1 << ((g.n + i) & 7)
			}
		}
	case widthBytes:
		g.appendStrings(data, rows, n)
	case widthList:
		g.appendLists(a.(*array.List), rows, n)
	case 8:
		g.vals = takeFixed[uint64](g.vals, data, rows, n)
	case 4:
		g.vals = takeFixed[uint32](g.vals, data, rows, n)
	case 2:
		g.vals = takeFixed[uint16](g.vals, data, rows, n)
	case 16:
		g.vals = takeFixed[[2]uint64](g.vals, data, rows, n)
	case types.NumericWidth:
		g.vals = takeFixed[[types.NumericWidth]byte](g.vals, data, rows, n)
	default:
		src := data.Buffers()[1].Bytes()[off*g.width:]
		for i := range n {
			row := i
			if rows != nil {
				row = int(rows[i])
			}
			g.vals = append(g.vals, src[row*g.width:(row+1)*g.width]...)
		}
	}
	g.n += n
}

// takeFixed appends rows of values of T's width. All rows are one copy.
func takeFixed[T any](dst []byte, data arrow.ArrayData, rows []uint32, n int) []byte {
	var zero T
	width := int(unsafe.Sizeof(zero))
	src := data.Buffers()[1].Bytes()[data.Offset()*width:]
	if rows == nil {
		return append(dst, src[:n*width]...)
	}
	at := len(dst)
	dst = growTo(dst, at+n*width)
	to := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(dst[at:]))), n)
	from := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(src))), len(src)/width)
	for i, row := range rows {
		to[i] = from[row]
	}
	return dst
}

func (g *Gather) appendStrings(data arrow.ArrayData, rows []uint32, n int) {
	if data.Buffers()[1] == nil || data.Buffers()[1].Len() == 0 {
		for range n {
			g.offs = append(g.offs, int32(len(g.vals)))
		}
		return
	}
	offs := arrow.Int32Traits.CastFromBytes(data.Buffers()[1].Bytes())[data.Offset():]
	var src []byte
	if b := data.Buffers()[2]; b != nil {
		src = b.Bytes()
	}
	if rows == nil {
		base, start := int32(len(g.vals)), offs[0]
		g.vals = append(g.vals, src[start:offs[n]]...)
		for _, o := range offs[1 : n+1] {
			g.offs = append(g.offs, base+o-start)
		}
	} else {
		total := len(g.vals)
		for _, row := range rows {
			total += int(offs[row+1] - offs[row])
		}
		if cap(g.vals) < total {
			g.vals = append(make([]byte, 0, max(total, 2*len(g.vals))), g.vals...)
		}
		for _, row := range rows {
			g.vals = append(g.vals, src[offs[row]:offs[row+1]]...)
			g.offs = append(g.offs, int32(len(g.vals)))
		}
	}
	if len(g.vals) > 1<<31-1 {
		panic(fmt.Sprintf("changelog: %d bytes of text in one batch, at most %d fit", len(g.vals), 1<<31-1))
	}
}

func (g *Gather) appendLists(a *array.List, rows []uint32, n int) {
	var elems []uint32
	total := g.offs[len(g.offs)-1]
	for i := range n {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		from, to := a.ValueOffsets(row)
		for j := from; j < to; j++ {
			elems = append(elems, uint32(j))
		}
		total += int32(to - from)
		g.offs = append(g.offs, total)
	}
	if len(elems) > 0 {
		g.elem.Append(a.ListValues(), elems)
	}
}

func (g *Gather) appendValidity(a arrow.Array, rows []uint32, n int) {
	if g.width == widthNull {
		g.nulls += n
		return
	}
	valid := validityOf(a)
	if valid.bits == nil && g.bits == nil {
		return
	}
	if g.bits == nil {
		g.bits = make([]byte, (g.n+7)/8)
		for i := range g.bits {
			g.bits[i] = 0xff
		}
		if g.n&7 != 0 {
			g.bits[len(g.bits)-1] = 1<<(g.n&7) - 1
		}
	}
	g.bits = growTo(g.bits, (g.n+n+7)/8)
	for i := range n {
		row := i
		if rows != nil {
			row = int(rows[i])
		}
		if valid.bits != nil && valid.null(row) {
			g.nulls++
		} else {
			g.bits[(g.n+i)>>3] |= 1 << ((g.n + i) & 7)
		}
	}
}

// growTo lengthens b to n bytes, new ones zero.
func growTo(b []byte, n int) []byte {
	if n <= cap(b) {
		at := len(b)
		b = b[:n]
		clear(b[at:])
		return b
	}
	bigger := make([]byte, n, max(n, 2*cap(b)))
	copy(bigger, b)
	return bigger
}

// Len returns the number of rows gathered.
func (g *Gather) Len() int { return g.n }

// Finish returns the array. The gatherer must not be used after.
func (g *Gather) Finish() arrow.Array {
	var valid *memory.Buffer
	if g.bits != nil {
		valid = memory.NewBufferBytes(g.bits)
	}
	buffers := []*memory.Buffer{valid}
	var children []arrow.ArrayData
	switch g.width {
	case widthNull:
	case widthBytes:
		buffers = append(buffers, offsetBuffer(g.offs), memory.NewBufferBytes(g.vals))
	case widthList:
		buffers = append(buffers, offsetBuffer(g.offs))
		children = []arrow.ArrayData{g.elem.Finish().Data()}
	default:
		buffers = append(buffers, memory.NewBufferBytes(g.vals))
	}
	return array.MakeFromData(array.NewData(g.dt, g.n, buffers, children, g.nulls, 0))
}

func offsetBuffer(offs []int32) *memory.Buffer {
	return memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offs))
}

// TakeArray returns the rows of a column, in that order, as a dense array of the same type.
func TakeArray(col arrow.Array, rows []uint32) arrow.Array {
	if rows == nil {
		rows = []uint32{}
	}
	g := NewGather(col.DataType(), len(rows))
	g.Append(col, rows)
	return g.Finish()
}

// Take returns the physical rows, in that order, as a dense batch; rows may repeat. The origin is dropped.
func Take(b *Batch, rows []uint32) *Batch {
	out := &Batch{N: len(rows), Cols: make([]arrow.Array, len(b.Cols))}
	for i, c := range b.Cols {
		out.Cols[i] = TakeArray(c, rows)
	}
	if b.Weights != nil {
		out.Weights = make([]int64, len(rows))
		for i, row := range rows {
			out.Weights[i] = b.Weights[row]
		}
	}
	return out
}

// Compact returns the selected rows as a dense batch; b itself if all are selected.
func Compact(b *Batch) *Batch {
	if b.Sel == nil {
		return b
	}
	return Take(b, b.Sel)
}

// Concat returns the selected rows of all batches as one dense batch of the schema.
func Concat(schema types.Schema, batches []*Batch) *Batch {
	if len(batches) == 1 {
		return Compact(batches[0])
	}
	out := &Batch{Cols: make([]arrow.Array, len(schema))}
	weighted := false
	for _, b := range batches {
		out.N += b.Rows()
		weighted = weighted || b.Weights != nil
	}
	for i, f := range schema {
		g := NewGather(f.Type.Arrow(), out.N)
		for _, b := range batches {
			if b.Rows() > 0 {
				g.Append(b.Cols[i], b.Sel)
			}
		}
		out.Cols[i] = g.Finish()
	}
	if weighted {
		out.Weights = make([]int64, 0, out.N)
		for _, b := range batches {
			b.Each(func(row int) { out.Weights = append(out.Weights, b.Weight(row)) })
		}
	}
	return out
}

// Slice returns the selected rows [from, to), counted in the selection, sharing the columns.
func Slice(b *Batch, from, to int) *Batch {
	if b.Sel != nil {
		return b.Select(b.Sel[from:to:to])
	}
	if from == 0 && to == b.N {
		return b
	}
	if b.Origin != nil { // row numbers must stay those of the source's batch
		sel := make([]uint32, to-from)
		for i := range sel {
			sel[i] = uint32(from + i)
		}
		return b.Select(sel)
	}
	out := &Batch{N: to - from, Cols: make([]arrow.Array, len(b.Cols))}
	for i, c := range b.Cols {
		out.Cols[i] = array.NewSlice(c, int64(from), int64(to))
	}
	if b.Weights != nil {
		out.Weights = b.Weights[from:to:to]
	}
	return out
}
