package engine

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"golang.org/x/sys/unix"
)

// arena holds columns outside Go's heap, for ever. Gigabytes of bids in the heap would let the garbage collector, which allows the heap to grow by
// its own size, leave gigabytes of garbage beside them: always new memory, which the kernel must clear first. No program that reads its input from
// elsewhere meets that.
type arena struct{ free []byte }

const arenaBlock = 64 << 20

// column copies an array without children.
func (a *arena) column(c arrow.Array) (arrow.Array, error) {
	data := c.Data()
	buffers := make([]*memory.Buffer, len(data.Buffers()))
	for i, b := range data.Buffers() {
		if b == nil {
			continue
		}
		copied, err := a.alloc(b.Len())
		if err != nil {
			return nil, err
		}
		copy(copied, b.Bytes())
		buffers[i] = memory.NewBufferBytes(copied)
	}
	return array.MakeFromData(array.NewData(data.DataType(), data.Len(), buffers, nil, data.NullN(), data.Offset())), nil
}

func (a *arena) alloc(size int) ([]byte, error) {
	rounded := (size + 63) &^ 63
	if rounded > len(a.free) {
		block, err := unix.Mmap(-1, 0, max(arenaBlock, rounded), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			return nil, fmt.Errorf("memory for the bids: %w", err)
		}
		a.free = block
	}
	b := a.free[:size:size]
	a.free = a.free[rounded:]
	return b, nil
}
