package changelog

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// validity is a column's NULL bitmap from its first row on; the zero validity has no NULLs.
type validity struct {
	bits []byte
	off  int
}

// validityOf returns the zero validity if the column holds no NULL, so that callers can choose the loop without tests.
func validityOf(col arrow.Array) validity {
	if col.NullN() == 0 {
		return validity{}
	}
	return validity{bits: col.NullBitmapBytes(), off: col.Data().Offset()}
}

func (v validity) null(row int) bool {
	i := v.off + row
	return v.bits[i>>3]>>(i&7)&1 == 0
}

// integers are the storages whose values are whole numbers.
type integers interface{ ~int16 | ~int32 | ~int64 }

// NewBuilder returns a builder of t's storage on the Go allocator.
func NewBuilder(t types.Type) array.Builder {
	return array.NewBuilder(memory.DefaultAllocator, t.Arrow())
}

// NewBuilders returns a builder for every type.
func NewBuilders(ts []types.Type) []array.Builder {
	bs := make([]array.Builder, len(ts))
	for i, t := range ts {
		bs[i] = NewBuilder(t)
	}
	return bs
}
