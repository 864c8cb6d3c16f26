package state

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// Hash is a keyed table: rows are found by key through open addressing and addressed by slot from then on. A slot stays
// while its row lives. NULL equals NULL in a key.
type Hash struct {
	rows
}

// NewHash makes an empty table.
func NewHash(spec Spec) *Hash { panic("unfinished") }

// FindOrInsert sets slots[i] to the slot of the i-th selected key, making rows (all zero) for keys that are new, and returns
// added with the slots of the rows it made appended. New rows are not marked changed: see Touch.
func (h *Hash) FindOrInsert(keys KeyBatch, slots []uint32, added []uint32) []uint32 {
	panic("unfinished")
}

// Find sets slots[i] to the slot of the i-th selected key, or NoSlot.
func (h *Hash) Find(keys KeyBatch, slots []uint32) { panic("unfinished") }

// Delete removes a live row and marks it changed. Its slot is not reused, and its columns can still be read, until Delta or
// Discard.
func (h *Hash) Delete(slot uint32) { panic("unfinished") }

// AppendKeys appends the keys of rows to builders, one per key column (Spec.Key; for a window's Hash without the window id).
func (h *Hash) AppendKeys(slots []uint32, out []array.Builder) { panic("unfinished") }

// Keys returns the keys of rows as arrays, one per key column.
func (h *Hash) Keys(slots []uint32) []arrow.Array { panic("unfinished") }

// Delta implements Table.
func (h *Hash) Delta() TableDelta { panic("unfinished") }

// Discard implements Table.
func (h *Hash) Discard() { panic("unfinished") }

// Apply implements Table.
func (h *Hash) Apply(rows arrow.Record, accept func(hash uint64) bool) error { panic("unfinished") }
