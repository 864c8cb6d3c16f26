package state

import "slices"

// index finds slots by hash: open addressing with linear probing, in segments that split one at a time (extendible
// hashing), so that growth neither stops the world nor doubles the memory.
//
// It uses the low 32 bits of a hash, the tag: the high bits of the tag choose the segment, the low ones the place in it. (The high bits
// of the hash choose the worker, so inside one worker they are all alike.) An entry is tag << 32 | slot + 1; 0 is empty.
type index struct {
	dir   []*segment
	shift uint32 // dir[tag >> shift]; 32 while there is one segment
	most  uint32 // entries of a segment at which it splits instead of growing
}

type segment struct {
	entries []uint64
	mask    uint32
	n       uint32
	limit   uint32 // entries at which it grows
	depth   uint32 // leading bits of the tag that all entries share
	pin     uint64 // of View: a segment with a pin below View.pins is not changed, snapshots look into it
}

const (
	minSegment = 16
	maxSegment = 1 << 15
)

func newSegment(size, depth uint32) *segment {
	return &segment{entries: make([]uint64, size), mask: size - 1, limit: size / 4 * 3, depth: depth}
}

func newIndex() index {
	return index{dir: []*segment{newSegment(minSegment, 0)}, shift: 32, most: maxSegment}
}

func (x *index) segment(tag uint32) *segment { return x.dir[uint64(tag)>>x.shift] }

// put enters a slot that is not there.
func (s *segment) put(tag uint32, entry uint64) {
	at := tag & s.mask
	for s.entries[at] != 0 {
		at = (at + 1) & s.mask
	}
	s.entries[at] = entry
	s.n++
}

// insert enters a slot whose key is not there.
func (x *index) insert(tag, slot uint32) {
	s := x.segment(tag)
	for s.n >= s.limit {
		x.grow(s, tag)
		s = x.segment(tag)
	}
	s.put(tag, uint64(tag)<<32|uint64(slot+1))
}

// grow doubles a small segment and splits a full one.
func (x *index) grow(s *segment, tag uint32) {
	if size := uint32(len(s.entries)); size < x.most || s.depth >= 24 {
		bigger := newSegment(2*size, s.depth)
		bigger.pin = s.pin
		for _, e := range s.entries {
			if e != 0 {
				bigger.put(uint32(e>>32), e)
			}
		}
		*s = *bigger
		return
	}
	if s.depth == 32-x.shift {
		dir := make([]*segment, 2*len(x.dir))
		for i, s := range x.dir {
			dir[2*i], dir[2*i+1] = s, s
		}
		x.dir = dir
		x.shift--
	}
	size := uint32(len(s.entries))
	halves := [2]*segment{newSegment(size, s.depth+1), newSegment(size, s.depth+1)}
	halves[0].pin, halves[1].pin = s.pin, s.pin
	bit := 31 - s.depth
	for _, e := range s.entries {
		if e != 0 {
			tag := uint32(e >> 32)
			halves[tag>>bit&1].put(tag, e)
		}
	}
	// The directory's entries of s are neighbours; the first half of them has the bit clear.
	from, span := x.entriesOf(s, tag)
	for i := range span {
		x.dir[from+i] = halves[i*2/span]
	}
}

// entriesOf returns where the directory names the segment of a tag, and how often.
func (x *index) entriesOf(s *segment, tag uint32) (from, span uint64) {
	span = uint64(1) << (32 - x.shift - s.depth)
	return uint64(tag) >> x.shift &^ (span - 1), span
}

// own makes the segment of a tag one that no snapshot of a pin before this one looks into.
func (x *index) own(tag uint32, pin uint64) {
	s := x.segment(tag)
	if s.pin >= pin {
		return
	}
	c := *s
	c.entries, c.pin = slices.Clone(s.entries), pin
	from, span := x.entriesOf(s, tag)
	for i := range span {
		x.dir[from+i] = &c
	}
}

// remove takes a slot out, moving later entries up so that no probe ends early.
func (x *index) remove(tag, slot uint32) {
	s := x.segment(tag)
	at := tag & s.mask
	for s.entries[at] != uint64(tag)<<32|uint64(slot+1) {
		if s.entries[at] == 0 {
			panic("state: row is not in its index")
		}
		at = (at + 1) & s.mask
	}
	s.n--
	hole := at
	for {
		at = (at + 1) & s.mask
		e := s.entries[at]
		if e == 0 {
			break
		}
		home := uint32(e>>32) & s.mask
		if (at-home)&s.mask >= (at-hole)&s.mask {
			s.entries[hole] = e
			hole = at
		}
	}
	s.entries[hole] = 0
}

func (x *index) bytes() int64 {
	n := int64(cap(x.dir)) * 8
	for i, s := range x.dir {
		if i == 0 || x.dir[i-1] != s {
			n += int64(len(s.entries))*8 + 64
		}
	}
	return n
}

// replace puts another slot of the same tag in the place of one that is there.
func (x *index) replace(tag, slot, by uint32) {
	s := x.segment(tag)
	at := tag & s.mask
	for s.entries[at] != uint64(tag)<<32|uint64(slot+1) {
		if s.entries[at] == 0 {
			panic("state: row is not in its index")
		}
		at = (at + 1) & s.mask
	}
	s.entries[at] = uint64(tag)<<32 | uint64(by+1)
}
