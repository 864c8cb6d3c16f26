package state

// Pages hold 4096 rows; the first page of a table grows by doubling up to that, so that small tables stay small and
// nothing large is ever copied.
const (
	pageBits = 12
	pageSize = 1 << pageBits
	pageMask = pageSize - 1
	minPage  = 16
)

// grow makes room for the row after the last of n rows.
func grow[T any](pages [][]T, n uint32) [][]T {
	p, at := n>>pageBits, n&pageMask
	if int(p) == len(pages) {
		size := uint32(pageSize)
		if p == 0 {
			size = minPage
		}
		return append(pages, make([]T, size))
	}
	if at == uint32(len(pages[p])) {
		bigger := make([]T, 2*len(pages[p]))
		copy(bigger, pages[p])
		pages[p] = bigger
	}
	return pages
}

// I64Column is a value column of 8-byte integers.
type I64Column struct{ pages [][]int64 }

// At returns the value of a live slot. The pointer is good until the next insertion into the table.
func (c *I64Column) At(slot uint32) *int64 { return &c.pages[slot>>pageBits][slot&pageMask] }

// F64Column is a value column of floats.
type F64Column struct{ pages [][]float64 }

// At returns the value of a live slot. The pointer is good until the next insertion into the table.
func (c *F64Column) At(slot uint32) *float64 { return &c.pages[slot>>pageBits][slot&pageMask] }

// WideColumn is a value column of 16 bytes as two words, low word first by convention.
type WideColumn struct{ pages [][][2]uint64 }

// At returns the value of a live slot. The pointer is good until the next insertion into the table.
func (c *WideColumn) At(slot uint32) *[2]uint64 { return &c.pages[slot>>pageBits][slot&pageMask] }

// BytesColumn is a value column of byte strings.
type BytesColumn struct {
	refs  [][]uint64
	arena arena
}

// Get returns the bytes of a live slot, good until the next Set, insertion or Delta.
func (c *BytesColumn) Get(slot uint32) []byte { panic("unfinished") }

// Set replaces the bytes of a live slot with a copy of b.
func (c *BytesColumn) Set(slot uint32, b []byte) { panic("unfinished") }

type arena struct{}
