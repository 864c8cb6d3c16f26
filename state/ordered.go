package state

import "github.com/apache/arrow/go/v17/arrow"

// Ordered is a table sorted by its key, memcomparable bytes (changelog.Encoder): a B+tree over slots. A slot stays while its row
// lives.
type Ordered struct {
	rows
}

// NewOrdered makes an empty table.
func NewOrdered(spec Spec) *Ordered { panic("unfinished") }

// Insert returns the slot of key, making a row (all zero) if there is none. New rows are not marked changed: see Touch.
func (t *Ordered) Insert(key []byte) (slot uint32, added bool) { panic("unfinished") }

// Find returns the slot of key, or NoSlot.
func (t *Ordered) Find(key []byte) uint32 { panic("unfinished") }

// Delete removes a live row and marks it changed. Its slot is not reused, and its columns can still be read, until Delta or
// Discard.
func (t *Ordered) Delete(slot uint32) { panic("unfinished") }

// Key returns the key of a slot, good until the next insertion or Delta.
func (t *Ordered) Key(slot uint32) []byte { panic("unfinished") }

// First returns a cursor on the smallest row.
func (t *Ordered) First() Cursor { panic("unfinished") }

// Last returns a cursor on the largest row.
func (t *Ordered) Last() Cursor { panic("unfinished") }

// Seek returns a cursor on the first row whose key is at or after key.
func (t *Ordered) Seek(key []byte) Cursor { panic("unfinished") }

// SeekBefore returns a cursor on the last row whose key is before key.
func (t *Ordered) SeekBefore(key []byte) Cursor { panic("unfinished") }

// SeekPrefixLast returns a cursor on the last row whose key starts with prefix or, if there is none, before it.
func (t *Ordered) SeekPrefixLast(prefix []byte) Cursor { panic("unfinished") }

// Delta implements Table.
func (t *Ordered) Delta() TableDelta { panic("unfinished") }

// Discard implements Table.
func (t *Ordered) Discard() { panic("unfinished") }

// Apply implements Table.
func (t *Ordered) Apply(rows arrow.Record, accept func(hash uint64) bool) error { panic("unfinished") }

// Cursor is a place in an Ordered table, good until the next insertion or deletion.
type Cursor struct {
	t    *Ordered
	leaf uint32
	at   int
}

// Valid reports whether the cursor stands on a row.
func (c *Cursor) Valid() bool { panic("unfinished") }

// Slot returns the row's slot.
func (c *Cursor) Slot() uint32 { panic("unfinished") }

// Key returns the row's key.
func (c *Cursor) Key() []byte { panic("unfinished") }

// HasPrefix reports whether the cursor stands on a row whose key starts with prefix.
func (c *Cursor) HasPrefix(prefix []byte) bool { panic("unfinished") }

// Next moves to the following row.
func (c *Cursor) Next() { panic("unfinished") }

// Prev moves to the row before.
func (c *Cursor) Prev() { panic("unfinished") }
