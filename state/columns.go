package state

import "encoding/binary"

// Pages hold 4096 rows; the first page of a table grows by doubling up to that, so that small tables stay small and
// nothing large is ever copied.
const (
	pageBits = 12
	pageSize = 1 << pageBits
	pageMask = pageSize - 1
	minPage  = 16
)

// growPages makes room for slots below n, which is minPage, 2*minPage, ... pageSize, or a multiple of pageSize.
func growPages[T any](pages [][]T, n uint32) [][]T {
	if n <= pageSize {
		page := make([]T, n)
		if len(pages) > 0 {
			copy(page, pages[0])
			pages[0] = page
			return pages
		}
		return append(pages, page)
	}
	for uint32(len(pages)) < n>>pageBits {
		pages = append(pages, make([]T, pageSize))
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
func (c *BytesColumn) Get(slot uint32) []byte {
	return c.arena.get(c.refs[slot>>pageBits][slot&pageMask])
}

// Set replaces the bytes of a live slot with a copy of b.
func (c *BytesColumn) Set(slot uint32, b []byte) {
	ref := &c.refs[slot>>pageBits][slot&pageMask]
	*ref = c.arena.replace(*ref, b)
}

// arena holds byte strings in large pages. A reference is (page + 1) << 32 | offset of the length; 0 is the empty string.
type arena struct {
	pages   [][]byte
	size    int64 // capacity of all pages
	garbage int64 // bytes of strings that were let go
}

const (
	minArenaPage = 256
	maxArenaPage = 1 << 18
)

func (a *arena) get(ref uint64) []byte {
	if ref == 0 {
		return nil
	}
	b := a.pages[ref>>32-1][uint32(ref):]
	n, k := binary.Uvarint(b)
	return b[k : k+int(n) : k+int(n)]
}

func uvarintLen(n int) int {
	k := 1
	for n >= 0x80 {
		n >>= 7
		k++
	}
	return k
}

// add copies b in. Two parts make one string.
func (a *arena) add(b []byte, more ...byte) uint64 {
	n := len(b) + len(more)
	if n == 0 {
		return 0
	}
	need := uvarintLen(n) + n
	last := len(a.pages) - 1
	if last < 0 || cap(a.pages[last])-len(a.pages[last]) < need {
		size := minArenaPage
		if last >= 0 {
			size = min(2*cap(a.pages[last]), maxArenaPage)
			a.garbage += int64(cap(a.pages[last]) - len(a.pages[last]))
		}
		size = max(size, need)
		a.pages = append(a.pages, make([]byte, 0, size))
		a.size += int64(size)
		last++
	}
	p := a.pages[last]
	ref := uint64(last+1)<<32 | uint64(len(p))
	p = binary.AppendUvarint(p, uint64(n))
	p = append(p, b...)
	a.pages[last] = append(p, more...)
	return ref
}

func (a *arena) drop(ref uint64) {
	if ref != 0 {
		n := len(a.get(ref))
		a.garbage += int64(uvarintLen(n) + n)
	}
}

// replace stores b in place of ref, where it lies if it fits.
func (a *arena) replace(ref uint64, b []byte) uint64 {
	if ref != 0 && len(b) > 0 {
		old := a.get(ref)
		if k := uvarintLen(len(old)); len(b) <= len(old) && uvarintLen(len(b)) == k {
			a.garbage += int64(len(old) - len(b))
			binary.PutUvarint(a.pages[ref>>32-1][uint32(ref):], uint64(len(b)))
			copy(old, b)
			return ref
		}
	}
	a.drop(ref)
	return a.add(b)
}

// wasteful reports whether copying the living strings to a new arena would pay.
func (a *arena) wasteful() bool { return a.garbage > 1<<16 && a.garbage > a.size/2 }

// compact moves the strings of slots to a new arena; references of other slots are cleared.
func (a *arena) compact(refs [][]uint64, live func(slot uint32) bool) {
	old := *a
	*a = arena{}
	for p, page := range refs {
		for i, ref := range page {
			if ref == 0 {
				continue
			}
			page[i] = 0
			if live(uint32(p<<pageBits | i)) {
				page[i] = a.add(old.get(ref))
			}
		}
	}
}
