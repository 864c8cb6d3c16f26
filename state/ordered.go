package state

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
)

// Ordered is a table sorted by its key, memcomparable bytes (changelog.Encoder): a B+tree over slots. A slot stays while its row
// lives. Keys are encoded as Spec.Key and Spec.Order say if the table has a Dist; else they may be any bytes.
type Ordered struct {
	rows
	tree   btree
	refs   [][]uint64 // pages of references into the arena of keys
	keys   arena
	schema *arrow.Schema
	enc    *changelog.Encoder // of the columns that decide the worker
}

// NewOrdered makes an empty table.
func NewOrdered(spec Spec) *Ordered {
	s := spec
	t := &Ordered{schema: deltaSchema(&s, false)}
	t.init(&s)
	t.tree.init()
	var order []changelog.Order
	if s.Order != nil {
		order = s.Order[:s.Dist]
	}
	t.enc = changelog.NewEncoder(s.Key[:s.Dist], order)
	return t
}

// Insert returns the slot of key, making a row (all zero) if there is none. New rows are not marked changed: see Touch.
func (t *Ordered) Insert(key []byte) (slot uint32, added bool) {
	leaf, at := t.descend(key)
	if n := t.tree.at(leaf); at < n.n && bytes.Equal(t.Key(n.slot[at]), key) {
		return n.slot[at], false
	}
	slot, grown := t.alloc()
	if grown {
		t.refs = growPages(t.refs, t.room)
	}
	t.refs[slot>>pageBits][slot&pageMask] = t.keys.add(key)
	t.tree.insertAt(leaf, at, slot, prefixOf(key))
	return slot, true
}

// Find returns the slot of key, or NoSlot.
func (t *Ordered) Find(key []byte) uint32 {
	leaf, at := t.descend(key)
	if n := t.tree.at(leaf); at < n.n && bytes.Equal(t.Key(n.slot[at]), key) {
		return n.slot[at]
	}
	return NoSlot
}

// Delete removes a live row and marks it changed. Its slot is not reused, and its columns can still be read, until Delta or
// Discard.
func (t *Ordered) Delete(slot uint32) {
	leaf, at := t.descend(t.Key(slot))
	if n := t.tree.at(leaf); at >= n.n || n.slot[at] != slot {
		panic("state: row is not in its tree")
	}
	t.tree.removeAt(leaf, at)
	t.kill(slot)
}

// Key returns the key of a slot, good until the next insertion or Delta.
func (t *Ordered) Key(slot uint32) []byte { return t.keys.get(t.refs[slot>>pageBits][slot&pageMask]) }

// First returns a cursor on the smallest row.
func (t *Ordered) First() Cursor {
	id := t.tree.root
	for range t.tree.height {
		id = t.tree.at(id).child[0]
	}
	return t.cursor(id, 0)
}

// Last returns a cursor on the largest row.
func (t *Ordered) Last() Cursor {
	id := t.tree.root
	for range t.tree.height {
		n := t.tree.at(id)
		id = n.child[n.n-1]
	}
	return t.cursor(id, t.tree.at(id).n-1)
}

func (t *Ordered) cursor(leaf uint32, at int) Cursor {
	if t.count == 0 {
		leaf = noNode
	}
	return Cursor{t: t, leaf: leaf, at: at}
}

// Seek returns a cursor on the first row whose key is at or after key.
func (t *Ordered) Seek(key []byte) Cursor {
	leaf, at := t.descend(key)
	c := t.cursor(leaf, at)
	if c.leaf != noNode && at == t.tree.at(leaf).n {
		c.leaf, c.at = t.tree.at(leaf).next, 0
	}
	return c
}

// SeekBefore returns a cursor on the last row whose key is before key.
func (t *Ordered) SeekBefore(key []byte) Cursor {
	leaf, at := t.descend(key)
	c := t.cursor(leaf, at)
	if c.leaf != noNode {
		c.Prev()
	}
	return c
}

// SeekPrefixLast returns a cursor on the last row whose key starts with prefix or, if there is none, before it.
func (t *Ordered) SeekPrefixLast(prefix []byte) Cursor {
	after := bytes.Clone(prefix)
	for i := len(after) - 1; i >= 0; i-- {
		if after[i]++; after[i] != 0 {
			return t.SeekBefore(after[:i+1])
		}
	}
	return t.Last()
}

// DeletePrefix removes all rows whose keys start with prefix and returns their number.
func (t *Ordered) DeletePrefix(prefix []byte) int {
	n := 0
	for c := t.Seek(prefix); c.HasPrefix(prefix); c = t.Seek(prefix) {
		t.Delete(c.Slot())
		n++
	}
	return n
}

// Bytes implements Table.
func (t *Ordered) Bytes() int64 {
	return t.bytes() + t.tree.bytes() + int64(t.room)*8 + t.keys.size
}

// Delta implements Table.
func (t *Ordered) Delta() TableDelta {
	b := newDeltaBuilder(t.spec, t.schema, false, len(t.changed)+len(t.deleted))
	keys := func(slots []uint32) {
		n := 0
		for _, slot := range slots {
			n += len(t.Key(slot))
		}
		b.keys.data = slices.Grow(b.keys.data, n)
		for _, slot := range slots {
			b.keys.data = append(b.keys.data, t.Key(slot)...)
			b.keys.end()
		}
	}
	keys(t.deleted)
	b.noValues(t.spec, len(t.deleted))
	b.op(opDelete, len(t.deleted))
	changed := t.Changed(make([]uint32, 0, len(t.changed)))
	keys(changed)
	b.values(&t.rows, changed)
	b.op(opUpsert, len(changed))
	t.Discard()
	return TableDelta{Table: t.spec.ID, Rows: b.record()}
}

// Discard implements Table.
func (t *Ordered) Discard() {
	for _, slot := range t.deleted {
		ref := &t.refs[slot>>pageBits][slot&pageMask]
		t.keys.drop(*ref)
		*ref = 0
	}
	if t.keys.wasteful() {
		t.keys.compact(t.refs, t.Live)
	}
	t.settle()
}

// Apply implements Table.
func (t *Ordered) Apply(rec arrow.Record, accept func(hash uint64) bool) error {
	l, err := readLogged(rec, t.schema, false)
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.spec.Name, err)
	}
	accepted, err := t.accepted(l, accept)
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.spec.Name, err)
	}
	for i := range l.n {
		key := l.keys.Value(i)
		switch l.ops[i] {
		case opPrefix:
			t.DeletePrefix(key)
		case opDelete:
			if slot := t.Find(key); slot != NoSlot {
				t.Delete(slot)
			}
		case opUpsert:
			if accepted == nil || accepted[i] {
				slot, _ := t.Insert(key)
				t.set(l, []uint32{uint32(i)}, []uint32{slot})
			}
		default:
			return fmt.Errorf("load table %s: operation %d", t.spec.Name, l.ops[i])
		}
	}
	t.Discard()
	return nil
}

// accepted tells for each upsert whether its routing hash is accepted; nil: all are.
func (t *Ordered) accepted(l *logged, accept func(hash uint64) bool) ([]bool, error) {
	if accept == nil {
		return nil, nil
	}
	ts := t.spec.Key[:t.spec.Dist]
	builders := changelog.NewBuilders(ts)
	var upserts []int
	for i := range l.n {
		if l.ops[i] == opUpsert {
			if _, err := t.enc.Decode(l.keys.Value(i), nil, builders); err != nil {
				return nil, fmt.Errorf("key %x: %w", l.keys.Value(i), errKey)
			}
			upserts = append(upserts, i)
		}
	}
	out := make([]bool, l.n)
	for _, j := range acceptRows(finish(builders), ts, len(upserts), accept) {
		out[upserts[j]] = true
	}
	return out, nil
}

// Cursor is a place in an Ordered table, good until the next insertion or deletion.
type Cursor struct {
	t    *Ordered
	leaf uint32
	at   int
}

// Valid reports whether the cursor stands on a row.
func (c *Cursor) Valid() bool { return c.leaf != noNode }

// Slot returns the row's slot.
func (c *Cursor) Slot() uint32 { return c.t.tree.at(c.leaf).slot[c.at] }

// Key returns the row's key.
func (c *Cursor) Key() []byte { return c.t.Key(c.Slot()) }

// HasPrefix reports whether the cursor stands on a row whose key starts with prefix.
func (c *Cursor) HasPrefix(prefix []byte) bool { return c.Valid() && bytes.HasPrefix(c.Key(), prefix) }

// Next moves to the following row.
func (c *Cursor) Next() {
	n := c.t.tree.at(c.leaf)
	if c.at++; c.at == n.n {
		c.leaf, c.at = n.next, 0
	}
}

// Prev moves to the row before.
func (c *Cursor) Prev() {
	if c.at--; c.at < 0 {
		c.leaf = c.t.tree.at(c.leaf).prev
		if c.leaf != noNode {
			c.at = c.t.tree.at(c.leaf).n - 1
		}
	}
}
