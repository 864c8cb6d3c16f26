package exec

import (
	"bytes"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
)

// topBound is where the first so many rows of a partition end. By row number it lies in a row, of whose equal copies the first
// ones are within; by rank and dense rank behind a group of peers.
//
// Invariants: slot holds a live row, or is NoSlot when there are none; units is what lies before the end: rows, and groups by dense
// rank; last is what of it the last row, or group, gives.
type topBound struct {
	slot        uint32
	units, last int64
}

// topBoundColumns keep a bound per partition.
type topBoundColumns struct{ slot, units, last *state.I64Column }

func (c *topBoundColumns) get(part uint32) topBound {
	return topBound{uint32(*c.slot.At(part) - 1), *c.units.At(part), *c.last.At(part)}
}

func (c *topBoundColumns) set(part uint32, b topBound) {
	*c.slot.At(part), *c.units.At(part), *c.last.At(part) = int64(b.slot+1), b.units, b.last
}

// boundKey sets dst to the key of the bound's row, or what its group has in common; empty without a row.
func (t *topN) boundKey(dst []byte, b topBound, kind planner.RankKind) []byte {
	if b.slot == state.NoSlot {
		return dst[:0]
	}
	key := t.rows.Key(b.slot)
	if kind != planner.ByRowNumber {
		key = key[:t.layout.groupLen(key)]
	}
	return append(dst[:0], key...)
}

// compareBound compares a key with that of a bound that has a row: 0 says that it is this row, or in its group.
func compareBound(key, bound []byte) int {
	if bytes.HasPrefix(key, bound) {
		return 0
	}
	return bytes.Compare(key, bound)
}

// within returns how many of n equal rows lie before the bound with that key.
func (b topBound) within(key []byte, n int64, bound []byte, kind planner.RankKind) int64 {
	if b.slot == state.NoSlot {
		return 0
	}
	switch o := compareBound(key, bound); {
	case o < 0:
		return n
	case o > 0:
		return 0
	case kind == planner.ByRowNumber:
		return min(b.last, n)
	}
	return n
}

// boundMover moves a bound to where target units are before it: the first target rows; the groups that begin within the first
// target rows; the first target groups.
type boundMover struct {
	t      *topN
	kind   planner.RankKind
	target int64
	b      topBound
	key    []byte
}

// move returns the bound after the touched rows, in their order, have changed.
func (m *boundMover) move(b topBound, touched []touchedRow) topBound {
	m.b = b
	m.key = m.t.boundKey(m.t.seek, b, m.kind)
	defer func() { m.t.seek = m.key }()
	if m.b.slot != state.NoSlot {
		m.count(touched)
		if m.b.last == 0 {
			m.back()
		}
		m.shrink()
	}
	m.grow()
	m.settle()
	return m.b
}

// count brings units and last up to date.
func (m *boundMover) count(touched []touchedRow) {
	if m.kind == planner.ByDenseRank {
		m.countGroups(touched)
		return
	}
	for _, r := range touched {
		o := compareBound(m.t.rows.Key(r.slot), m.key)
		if o > 0 {
			return
		}
		d := r.new - r.old
		if o == 0 {
			if m.kind == planner.ByRowNumber {
				d = min(m.b.last, r.new) - m.b.last
			}
			m.b.last += d
		}
		m.b.units += d
	}
}

// countGroups does so in groups: each that was or is there without rows before or now.
func (m *boundMover) countGroups(touched []touchedRow) {
	var group []byte
	for i := 0; i < len(touched); {
		key := m.t.rows.Key(touched[i].slot)
		o := compareBound(key, m.key)
		if o > 0 {
			return
		}
		group = append(group[:0], key[:m.t.layout.groupLen(key)]...)
		was, is := false, false
		from := i
		for ; i < len(touched) && bytes.HasPrefix(m.t.rows.Key(touched[i].slot), group); i++ {
			was, is = was || touched[i].old > 0, is || touched[i].new > 0
		}
		if was != is && m.untouched(group, touched[from:i]) {
			was, is = true, true
		}
		d := int64(0)
		switch {
		case is && !was:
			d = 1
		case was && !is:
			d = -1
		}
		m.b.units += d
		if o == 0 {
			m.b.last += d
		}
	}
}

// untouched reports whether a group has a row besides the touched ones.
func (m *boundMover) untouched(group []byte, touched []touchedRow) bool {
	for c := m.t.rows.Seek(group); c.HasPrefix(group); c.Next() {
		switch {
		case len(touched) > 0 && touched[0].slot == c.Slot():
			touched = touched[1:]
		case *m.t.count.At(c.Slot()) > 0:
			return true
		}
	}
	return false
}

// shrink moves the bound to the front while there is too much before it.
func (m *boundMover) shrink() {
	for m.b.slot != state.NoSlot {
		switch m.kind {
		case planner.ByRowNumber:
			over := m.b.units - m.target
			if over <= 0 {
				return
			}
			if m.b.last > over {
				m.b.last -= over
				m.b.units -= over
				return
			}
		case planner.ByRank:
			if m.b.units-m.b.last < m.target {
				return
			}
		default:
			if m.b.units <= m.target {
				return
			}
		}
		m.b.units -= m.b.last
		m.back()
	}
}

// grow moves it on while there is too little.
func (m *boundMover) grow() {
	if m.kind == planner.ByRowNumber && m.b.slot != state.NoSlot && m.b.units < m.target {
		more := min(m.count1(m.b.slot)-m.b.last, m.target-m.b.units)
		m.b.last += more
		m.b.units += more
	}
	for m.b.units < m.target && m.forward() {
		m.b.units += m.b.last
	}
}

func (m *boundMover) count1(slot uint32) int64 { return max(*m.t.count.At(slot), 0) }

// back moves the bound to the row or group before.
func (m *boundMover) back() {
	c := m.t.rows.SeekBefore(m.key)
	for ; c.HasPrefix(m.t.prefix); c.Prev() {
		if m.count1(c.Slot()) > 0 {
			m.at(c)
			return
		}
	}
	m.b = topBound{slot: state.NoSlot}
	m.key = m.key[:0]
}

// forward moves the bound to the row or group behind, if there is one.
func (m *boundMover) forward() bool {
	var c state.Cursor
	switch {
	case m.b.slot == state.NoSlot:
		c = m.t.rows.Seek(m.t.prefix)
	case m.kind == planner.ByRowNumber:
		if c = m.t.rows.Seek(m.key); c.Valid() && c.Slot() == m.b.slot {
			c.Next()
		}
	default:
		after := prefixEnd(m.t.walk, m.key)
		if after == nil {
			return false
		}
		m.t.walk = after
		c = m.t.rows.Seek(after)
	}
	for ; c.HasPrefix(m.t.prefix); c.Next() {
		if m.count1(c.Slot()) > 0 {
			m.at(c)
			if m.kind == planner.ByRowNumber {
				m.b.last = min(m.b.last, m.target-m.b.units)
			}
			return true
		}
	}
	return false
}

// at sets the bound to the row of the cursor, or its group; units stay.
func (m *boundMover) at(c state.Cursor) {
	m.b.slot = c.Slot()
	m.key = m.t.boundKey(m.key, m.b, m.kind)
	switch m.kind {
	case planner.ByRowNumber:
		m.b.last = m.count1(m.b.slot)
	case planner.ByRank:
		m.b.last = 0
		for c := m.t.rows.Seek(m.key); c.HasPrefix(m.key); c.Next() {
			m.b.last += m.count1(c.Slot())
		}
	default:
		m.b.last = 1
	}
}

// settle makes sure that the bound's row stays: one without copies is going to be deleted, its group need not be.
func (m *boundMover) settle() {
	if m.kind == planner.ByRowNumber || m.b.slot == state.NoSlot || m.count1(m.b.slot) > 0 {
		return
	}
	for c := m.t.rows.Seek(m.key); c.HasPrefix(m.key); c.Next() {
		if m.count1(c.Slot()) > 0 {
			m.b.slot = c.Slot()
			return
		}
	}
}
