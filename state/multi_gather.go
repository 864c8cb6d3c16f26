package state

import (
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Gather returns a column of rows, live or deleted in this epoch, as an array.
func (t *Multi) Gather(col int, slots []uint32) arrow.Array {
	c := &t.layout.cols[col]
	n := len(slots)
	valid, nulls := t.validity(col, slots)
	var buffers []*memory.Buffer
	switch c.kind {
	case layoutNothing:
		return array.NewNull(n)
	case layoutArray:
		return t.gatherArrays(c, col, slots)
	case layoutBytes:
		offs, data := t.gatherBytes(c, slots)
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offs)), memory.NewBufferBytes(data)}
	case layoutBool:
		bits := make([]byte, (n+7)/8)
		at := t.rowAt + c.at
		for i, s := range slots {
			bits[i>>3] |= *(*byte)(unsafe.Add(t.mem(s), at)) & 1 << (i & 7)
		}
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(bits)}
	default:
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(t.gatherFixed(c, slots))}
	}
	return array.MakeFromData(array.NewData(c.dt, n, buffers, nil, nulls, 0))
}

func (t *Multi) gatherFixed(c *layoutColumn, slots []uint32) []byte {
	at := uintptr(t.rowAt + c.at)
	switch c.width {
	case 8:
		return gatherPages[uint64](t, at, slots)
	case 4:
		return gatherPages[uint32](t, at, slots)
	case 2:
		return gatherPages[uint16](t, at, slots)
	case 16:
		return gatherPages[[2]uint64](t, at, slots)
	}
	return gatherPages[[types.NumericWidth]byte](t, at, slots)
}

func gatherPages[T any](t *Multi, at uintptr, slots []uint32) []byte {
	out := make([]T, len(slots))
	pages, stride := t.pages, uintptr(t.stride)
	for i, s := range slots {
		p := unsafe.Pointer(unsafe.SliceData(pages[s>>pageBits]))
		out[i] = *(*T)(unsafe.Add(p, uintptr(s&pageMask)*stride+at))
	}
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(out))), len(out)*int(unsafe.Sizeof(zero)))
}

// validity returns the bitmap of a column, nil if no row has a NULL there.
func (t *Multi) validity(col int, slots []uint32) (*memory.Buffer, int) {
	if !t.seenNull[col] {
		return nil, 0
	}
	at, bit := t.rowAt+t.layout.nulls+col>>3, byte(1)<<(col&7)
	bits := make([]byte, (len(slots)+7)/8)
	nulls := 0
	for i, s := range slots {
		if *(*byte)(unsafe.Add(t.mem(s), at))&bit != 0 {
			nulls++
		} else {
			bits[i>>3] |= 1 << (i & 7)
		}
	}
	if nulls == 0 {
		return nil, 0
	}
	return memory.NewBufferBytes(bits), nulls
}

func (t *Multi) gatherBytes(c *layoutColumn, slots []uint32) ([]int32, []byte) {
	offs := make([]int32, len(slots)+1)
	total := 0
	for i, s := range slots {
		p := unsafe.Add(t.mem(s), t.rowAt)
		from, to := uint32(0), *u32At(p, c.at)
		if c.start >= 0 {
			from = *u32At(p, c.start)
		}
		if total += int(to - from); total > 1<<31-1 {
			panic("state: more than 2 GiB of text in one batch")
		}
		offs[i+1] = int32(total)
	}
	data := make([]byte, total)
	for i, s := range slots {
		n := int(offs[i+1] - offs[i])
		if n == 0 {
			continue
		}
		p := t.mem(s)
		from := 0
		if c.start >= 0 {
			from = int(*u32At(p, t.rowAt+c.start))
		}
		place := *u64At(p, t.blobAt)
		page := t.blobs.pages[place>>32]
		copy(data[offs[i]:], page[int(uint32(place))+from:int(uint32(place))+from+n])
	}
	return offs, data
}

func (t *Multi) gatherArrays(c *layoutColumn, col int, slots []uint32) arrow.Array {
	b := changelog.NewBuilder(c.t)
	into := []array.Builder{b}
	for _, s := range slots {
		fixed := t.fixedOf(s)
		if t.layout.null(fixed, col) {
			b.AppendNull()
			continue
		}
		from, to := c.part(fixed)
		if _, err := c.enc.Decode(t.blobOf(s)[from:to], nil, into); err != nil {
			panic("state: array in memory: " + err.Error())
		}
	}
	return b.NewArray()
}
