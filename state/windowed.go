package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// Windowed is one Hash per window: the first key column of its spec is the int64 window id, the others are the keys of the
// windows' tables. Closing a window frees a table and logs one range.
type Windowed struct {
	spec    *Spec
	ids     []int64 // ascending
	tables  []*Hash // by place in ids
	dropped []int64 // in this epoch
	last    *Hash   // the table found last, and its window
	lastID  int64
}

// windowKeyLen is the length of an encoded window id.
const windowKeyLen = 9

func windowKey(dst []byte, w int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 1), uint64(w)^1<<63)
}

// NewWindowed makes a table without windows; spec.Windowed is set.
func NewWindowed(spec Spec) *Windowed {
	s := spec
	s.Windowed = true
	if len(s.Key) == 0 || s.Key[0].Kind != types.Int8 && s.Key[0].Kind != types.Timestamp && s.Key[0].Kind != types.TimestampTZ {
		panic("state: the first key column of windowed table " + s.Name + " is not 8 bytes wide")
	}
	return &Windowed{spec: &s}
}

// Window returns the table of window w, made if missing.
func (t *Windowed) Window(w int64) *Hash {
	if h := t.Lookup(w); h != nil {
		return h
	}
	i, _ := slices.BinarySearch(t.ids, w)
	h := newHash(t.spec, t.spec.Key[1:])
	t.ids = slices.Insert(t.ids, i, w)
	t.tables = slices.Insert(t.tables, i, h)
	t.last, t.lastID = h, w
	return h
}

// Lookup returns the table of window w, or nil.
func (t *Windowed) Lookup(w int64) *Hash {
	if t.last != nil && t.lastID == w {
		return t.last
	}
	if i, ok := slices.BinarySearch(t.ids, w); ok {
		t.last, t.lastID = t.tables[i], w
		return t.last
	}
	return nil
}

// Windows returns the ids of all windows, ascending. The slice is good until a window is made or dropped.
func (t *Windowed) Windows() []int64 { return t.ids }

// Drop forgets window w and all its rows at once. Every worker drops a window in the same epoch: the logged range
// covers the rows of all of them.
func (t *Windowed) Drop(w int64) {
	i, ok := slices.BinarySearch(t.ids, w)
	if !ok {
		return
	}
	t.ids = slices.Delete(t.ids, i, i+1)
	t.tables = slices.Delete(t.tables, i, i+1)
	t.last = nil
	if !slices.Contains(t.dropped, w) {
		t.dropped = append(t.dropped, w)
	}
}

// Spec implements Table.
func (t *Windowed) Spec() *Spec { return t.spec }

// Delta implements Table.
func (t *Windowed) Delta() TableDelta {
	d := TableDelta{Table: t.spec.ID}
	var b *deltaBuilder
	builder := func(h *Hash, rows int) *deltaBuilder {
		if b == nil {
			b = newDeltaBuilder(t.spec, h.schema, h.enc.HasRepr(), rows)
		}
		return b
	}
	if len(t.dropped) > 0 {
		h := newHash(t.spec, t.spec.Key[1:])
		b := builder(h, len(t.dropped))
		for _, w := range t.dropped {
			b.keys.data = windowKey(b.keys.data, w)
			b.keys.end()
			if b.repr != nil {
				b.repr.end()
			}
		}
		b.noValues(t.spec, len(t.dropped))
		b.op(opPrefix, len(t.dropped))
	}
	var prefix [windowKeyLen]byte
	for i, h := range t.tables {
		if n := len(h.changed) + len(h.deleted); n > 0 {
			h.appendDelta(builder(h, n), windowKey(prefix[:0], t.ids[i]))
		}
	}
	t.Discard()
	if b != nil {
		d.Rows = b.record()
	}
	return d
}

// Discard implements Table.
func (t *Windowed) Discard() {
	t.dropped = t.dropped[:0]
	for _, h := range t.tables {
		if len(h.changed)+len(h.deleted) > 0 {
			h.Discard()
		}
	}
}

// Apply implements Table.
func (t *Windowed) Apply(rec arrow.Record, accept func(hash uint64) bool) error {
	model := newHash(t.spec, t.spec.Key[1:])
	l, err := readLogged(rec, model.schema, model.enc.HasRepr())
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.spec.Name, err)
	}
	// Runs of rows of one window and operation go to that window's table together.
	for i := 0; i < l.n; {
		key := l.keys.Value(i)
		if l.ops[i] == opPrefix && len(key) == 0 {
			t.ids, t.tables, t.last = nil, nil, nil
			i++
			continue
		}
		if len(key) < windowKeyLen {
			return fmt.Errorf("load table %s: key %x: %w", t.spec.Name, key, errKey)
		}
		w, ok := encodedInt64(key[:windowKeyLen])
		if !ok {
			return fmt.Errorf("load table %s: key %x: %w", t.spec.Name, key, errKey)
		}
		from := []uint32{uint32(i)}
		for i++; i < l.n && l.ops[i] == l.ops[from[0]] && bytes.HasPrefix(l.keys.Value(i), key[:windowKeyLen]); i++ {
			from = append(from, uint32(i))
		}
		switch op := l.ops[from[0]]; op {
		case opPrefix:
			t.Drop(w)
		case opDelete:
			if h := t.Lookup(w); h != nil {
				err = h.applyRows(l, op, from, windowKeyLen, accept)
			}
		default:
			made := t.Lookup(w) == nil
			err = t.Window(w).applyRows(l, op, from, windowKeyLen, accept)
			if made && t.Window(w).Len() == 0 {
				t.Drop(w) // none of its rows is ours
			}
		}
		if err != nil {
			return err
		}
	}
	t.Discard()
	return nil
}

// Len implements Table: rows of all windows.
func (t *Windowed) Len() int {
	n := 0
	for _, h := range t.tables {
		n += h.Len()
	}
	return n
}

// Bytes implements Table.
func (t *Windowed) Bytes() int64 {
	n := int64(0)
	for _, h := range t.tables {
		n += h.Bytes() + 512
	}
	return n
}
