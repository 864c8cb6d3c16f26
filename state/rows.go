package state

import "math/bits"

// rows are what Hash and Ordered share: value columns by slot, and what an epoch changed.
//
// Invariants: slots [0, n) were given out once; each of them is live, deleted in this epoch, or free.
type rows struct {
	spec  *Spec
	cols  []valueColumn
	n     uint32 // slots given out so far
	room  uint32 // slots that the pages hold
	count int    // live rows

	live    []uint64 // bit per slot
	dirty   []uint64 // bit per slot: touched in this epoch
	changed []uint32 // touched in this epoch, in order; deleted ones included
	deleted []uint32 // deleted in this epoch
	free    []uint32 // deleted in earlier epochs
}

// valueColumn is one of the four kinds.
type valueColumn struct {
	kind ColumnKind
	i64  I64Column
	f64  F64Column
	wide WideColumn
	blob BytesColumn
}

func (r *rows) init(spec *Spec) {
	r.spec = spec
	r.cols = make([]valueColumn, len(spec.Value))
	for i, c := range spec.Value {
		r.cols[i].kind = c.Kind
	}
}

// Spec implements Table.
func (r *rows) Spec() *Spec { return r.spec }

// I64 returns value column col, which must be of kind Int64. The pointer is good for the life of the table.
func (r *rows) I64(col int) *I64Column { r.must(col, Int64); return &r.cols[col].i64 }

// F64 returns value column col, which must be of kind Float64.
func (r *rows) F64(col int) *F64Column { r.must(col, Float64); return &r.cols[col].f64 }

// Wide returns value column col, which must be of kind Wide.
func (r *rows) Wide(col int) *WideColumn { r.must(col, Wide); return &r.cols[col].wide }

// Blob returns value column col, which must be of kind Bytes.
func (r *rows) Blob(col int) *BytesColumn { r.must(col, Bytes); return &r.cols[col].blob }

func (r *rows) must(col int, kind ColumnKind) {
	if r.cols[col].kind != kind {
		panic("state: column " + r.spec.Value[col].Name + " of table " + r.spec.Name + " is of another kind")
	}
}

// alloc returns a slot whose columns are zero and whether pages grew for it: then the key's pages must grow too.
func (r *rows) alloc() (slot uint32, grown bool) {
	if last := len(r.free) - 1; last >= 0 {
		slot = r.free[last]
		r.free = r.free[:last]
		for i := range r.cols {
			c := &r.cols[i]
			switch c.kind {
			case Int64:
				*c.i64.At(slot) = 0
			case Float64:
				*c.f64.At(slot) = 0
			case Wide:
				*c.wide.At(slot) = [2]uint64{}
			}
		}
	} else {
		if r.n == r.room {
			r.growRoom()
			grown = true
		}
		slot = r.n
		r.n++
	}
	r.live[slot>>6] |= 1 << (slot & 63)
	r.count++
	return slot, grown
}

func (r *rows) growRoom() {
	switch {
	case r.room == 0:
		r.room = minPage
	case r.room < pageSize:
		r.room *= 2
	default:
		r.room += pageSize
	}
	for i := range r.cols {
		c := &r.cols[i]
		switch c.kind {
		case Int64:
			c.i64.pages = growPages(c.i64.pages, r.room)
		case Float64:
			c.f64.pages = growPages(c.f64.pages, r.room)
		case Wide:
			c.wide.pages = growPages(c.wide.pages, r.room)
		case Bytes:
			c.blob.refs = growPages(c.blob.refs, r.room)
		}
	}
	for len(r.live) < int(r.room+63)>>6 {
		r.live = append(r.live, 0)
		r.dirty = append(r.dirty, 0)
	}
}

// kill makes a live row a deleted one.
func (r *rows) kill(slot uint32) {
	r.live[slot>>6] &^= 1 << (slot & 63)
	r.deleted = append(r.deleted, slot)
	r.count--
}

// Touch marks a live row changed in this epoch and reports whether it was not so before: the moment to save the old row.
func (r *rows) Touch(slot uint32) (first bool) {
	w, m := &r.dirty[slot>>6], uint64(1)<<(slot&63)
	if *w&m != 0 {
		return false
	}
	*w |= m
	r.changed = append(r.changed, slot)
	return true
}

// TouchAll touches all slots and returns first with those appended that were not changed before in this epoch.
func (r *rows) TouchAll(slots []uint32, first []uint32) []uint32 {
	from := len(r.changed)
	for _, slot := range slots {
		w, m := &r.dirty[slot>>6], uint64(1)<<(slot&63)
		if *w&m == 0 {
			*w |= m
			r.changed = append(r.changed, slot)
		}
	}
	return append(first, r.changed[from:]...)
}

// Changed appends the slots touched in this epoch, in order of their first touch, without deleted ones.
func (r *rows) Changed(dst []uint32) []uint32 {
	for _, slot := range r.changed {
		if r.Live(slot) {
			dst = append(dst, slot)
		}
	}
	return dst
}

// Slots appends all live slots in ascending order.
func (r *rows) Slots(dst []uint32) []uint32 {
	for i, w := range r.live {
		for w != 0 {
			dst = append(dst, uint32(i<<6|bits.TrailingZeros64(w)))
			w &= w - 1
		}
	}
	return dst
}

// Live reports whether the slot holds a row.
func (r *rows) Live(slot uint32) bool { return r.live[slot>>6]>>(slot&63)&1 != 0 }

// Len returns the number of live rows.
func (r *rows) Len() int { return r.count }

// settle ends the epoch: nothing is changed any more, and deleted slots and their strings are free.
func (r *rows) settle() {
	for _, slot := range r.changed {
		r.dirty[slot>>6] &^= 1 << (slot & 63)
	}
	r.changed = shrink(r.changed)
	for i := range r.cols {
		if c := &r.cols[i].blob; r.cols[i].kind == Bytes {
			for _, slot := range r.deleted {
				c.Set(slot, nil)
			}
			if c.arena.wasteful() {
				c.arena.compact(c.refs, r.Live)
			}
		}
	}
	r.free = append(r.free, r.deleted...)
	r.deleted = shrink(r.deleted)
}

// shrink empties a list and lets a very large one go.
func shrink(list []uint32) []uint32 {
	if cap(list) > 1<<18 {
		return nil
	}
	return list[:0]
}

// bytes returns the memory held.
func (r *rows) bytes() int64 {
	n := int64(cap(r.live)+cap(r.dirty))*8 + int64(cap(r.free)+cap(r.changed)+cap(r.deleted))*4
	for i := range r.cols {
		switch c := &r.cols[i]; c.kind {
		case Int64, Float64:
			n += int64(r.room) * 8
		case Wide:
			n += int64(r.room) * 16
		case Bytes:
			n += int64(r.room)*8 + c.blob.arena.size
		}
	}
	return n
}
