package exec

import (
	"bytes"

	"github.com/streamsql/streamsql/state"
)

// reach says how far results and rows depend on each other in a partition, as distances from a row.
type reach struct {
	// before and behind a changed row lie the rows whose results it may change.
	before, behind distance
	// back and ahead of a computed row lie the rows that its result is computed from.
	back, ahead distance
	// runs: all rows behind a change are reached, as long as what they carry from row to row is not what it was.
	runs bool
	// head: results also depend on the first row of the partition.
	head bool
}

// distance is how far from a row: the farthest of all that are set. Zero is the row itself.
type distance struct {
	all    bool
	rows   int64
	peers  bool // the whole group of peers, and groups more
	groups int64
	values []*rangeOffset // while the value is within
}

func (r reach) join(s reach) reach {
	return reach{before: r.before.join(s.before), behind: r.behind.join(s.behind), back: r.back.join(s.back), ahead: r.ahead.join(s.ahead),
		runs: r.runs || s.runs, head: r.head || s.head}
}

func (s distance) join(t distance) distance {
	return distance{all: s.all || t.all, rows: max(s.rows, t.rows), peers: s.peers || t.peers, groups: max(s.groups, t.groups),
		values: append(s.values[:len(s.values):len(s.values)], t.values...)}
}

// overPart is a partition with the changes of an epoch, in order, and how far they have been dealt with.
type overPart struct {
	prefix  []byte
	changes []rowChange

	running bool         // rows from here on are to be computed, because what they carry may have changed
	from    state.Cursor // the next row
	chunk   int          // how many rows to go on by
}

// next returns the next rows of a partition that are to be computed: from a up to before b, which is not valid, or is of another
// partition, when they go up to the end. ok is false when there are none.
func (o *over) next(p *overPart) (a, b state.Cursor, ok bool) {
	if p.running {
		a, b = p.from, p.from
		for range p.chunk {
			if !b.HasPrefix(p.prefix) {
				break
			}
			b.Next()
		}
		p.chunk = min(2*p.chunk, o.env.batchRows()/4)
	} else {
		if len(p.changes) == 0 {
			return a, b, false
		}
		a, b = o.reached(p, o.set.key(&p.changes[0]))
		p.changes = p.changes[1:]
		p.chunk = max(o.env.batchRows()/512, 1)
	}
	for len(p.changes) > 0 {
		key := o.set.key(&p.changes[0])
		if b.HasPrefix(p.prefix) && bytes.Compare(key, b.Key()) > 0 { // else it surely is reached
			c, d := o.reached(p, key)
			if c.HasPrefix(p.prefix) && bytes.Compare(c.Key(), b.Key()) > 0 {
				break
			}
			b = later(p, b, d)
		} else if b.HasPrefix(p.prefix) {
			_, d := o.reached(p, key)
			b = later(p, b, d)
		}
		p.changes = p.changes[1:]
	}
	p.running = false
	return a, b, true
}

// later returns the farther of two ends.
func later(p *overPart, b, d state.Cursor) state.Cursor {
	if !d.HasPrefix(p.prefix) || b.HasPrefix(p.prefix) && bytes.Compare(d.Key(), b.Key()) > 0 {
		return d
	}
	return b
}

// reached returns the rows that a change of the row with that key (without the number of a copy) may reach.
func (o *over) reached(p *overPart, key []byte) (a, b state.Cursor) {
	a = o.rows.Seek(key)
	first := o.rows.Seek(p.prefix)
	b = o.behindKey(key)
	if o.reach.behind.all || o.reach.head && (!first.HasPrefix(p.prefix) || bytes.Compare(key, first.Key()) < 0) {
		for b.HasPrefix(p.prefix) {
			b = o.behindKey(p.prefix)
		}
	} else {
		b = o.walkBehind(p, key, b)
	}
	if o.reach.before.all {
		return first, b
	}
	return o.walkBefore(p, key, a), b
}

// behindKey returns a cursor on the first row behind all whose keys start with key.
func (o *over) behindKey(key []byte) state.Cursor {
	if after := prefixEnd(o.key, key); after != nil {
		o.key = after
		return o.rows.Seek(after)
	}
	c := o.rows.Last()
	if c.Valid() {
		c.Next()
	}
	return c
}

// walkBehind moves b, the first row behind a changed one, on over those that the change reaches.
func (o *over) walkBehind(p *overPart, key []byte, b state.Cursor) state.Cursor {
	s := &o.reach.behind
	end := b
	for n := s.rows; n >= 0 && end.HasPrefix(p.prefix); n-- { // one more, for a row that is gone
		end.Next()
	}
	if s.peers {
		c := o.behindKey(key[:o.layout.groupLen(key)])
		end = later(p, end, o.groupsOn(p, c, s.groups))
	}
	if len(s.values) > 0 {
		v, ok := o.ranges.value(key)
		c := o.behindKey(key[:o.layout.groupLen(key)])
		for ok && c.HasPrefix(p.prefix) {
			base, ok := o.ranges.value(c.Key())
			if !ok || !o.ranges.anyWithin(s.values, base, v, 1) {
				break
			}
			c.Next()
		}
		if o.reach.runs { // the first row with what was changed behind the end of its frame
			c = o.groupsOn(p, c, 1)
		}
		end = later(p, end, c)
	}
	return end
}

// groupsOn moves a cursor on the first row of a group on by n groups.
func (o *over) groupsOn(p *overPart, c state.Cursor, n int64) state.Cursor {
	for ; n > 0 && c.HasPrefix(p.prefix); n-- {
		key := c.Key()
		c = o.behindKey(key[:o.layout.groupLen(key)])
	}
	return c
}

// walkBefore moves a, the first row at or behind a changed one, back over those that the change reaches.
func (o *over) walkBefore(p *overPart, key []byte, a state.Cursor) state.Cursor {
	s := &o.reach.before
	start := o.rowsBack(p, key, a, s.rows)
	if s.peers {
		group := key[:o.layout.groupLen(key)]
		start = o.earlier(p, start, o.groupsBack(p, group, s.groups))
	}
	if len(s.values) > 0 {
		v, ok := o.ranges.value(key)
		last := o.rows.Seek(key[:o.layout.groupLen(key)])
		c := o.rows.SeekBefore(key[:o.layout.groupLen(key)])
		for ok && c.HasPrefix(p.prefix) {
			base, ok := o.ranges.value(c.Key())
			if !ok || !o.ranges.anyWithin(s.values, base, v, -1) {
				break
			}
			last = c
			c.Prev()
		}
		start = o.earlier(p, start, last)
	}
	return start
}

// rowsBack moves a cursor on the first row at or behind key back by n rows.
func (o *over) rowsBack(p *overPart, key []byte, a state.Cursor, n int64) state.Cursor {
	if n == 0 {
		return a
	}
	for c := o.rows.SeekBefore(key); n > 0 && c.HasPrefix(p.prefix); n-- {
		a = c
		c.Prev()
	}
	return a
}

// groupsBack returns a cursor on the first row of the group n groups before one.
func (o *over) groupsBack(p *overPart, group []byte, n int64) state.Cursor {
	start := o.rows.Seek(group)
	for c := o.rows.SeekBefore(group); n > 0 && c.HasPrefix(p.prefix); n-- {
		key := c.Key()
		group = key[:o.layout.groupLen(key)]
		start = o.rows.Seek(group)
		c = o.rows.SeekBefore(group)
	}
	return start
}

// earlier returns the nearer to the start of two cursors.
func (o *over) earlier(p *overPart, a, c state.Cursor) state.Cursor {
	if !a.HasPrefix(p.prefix) || c.HasPrefix(p.prefix) && bytes.Compare(c.Key(), a.Key()) < 0 {
		return c
	}
	return a
}

// stepBack returns the row before, or the same if it is the partition's first.
func stepBack(p *overPart, c state.Cursor) state.Cursor {
	d := c
	if d.Prev(); d.HasPrefix(p.prefix) {
		return d
	}
	return c
}

// contextBack returns the first row that is needed to compute the rows from a on.
func (o *over) contextBack(p *overPart, a state.Cursor) state.Cursor {
	s := &o.reach.back
	if s.all {
		return o.rows.Seek(p.prefix)
	}
	start := a
	if o.reach.runs { // the row before carries on
		start = stepBack(p, a)
	}
	base := start
	for n := s.rows; n > 0; n-- {
		start = stepBack(p, start)
	}
	if s.peers {
		key := base.Key()
		start = o.earlier(p, start, o.groupsBack(p, key[:o.layout.groupLen(key)], s.groups))
	}
	if len(s.values) > 0 {
		v, ok := o.ranges.value(base.Key())
		last := base
		for c := base; ok && c.HasPrefix(p.prefix); c.Prev() {
			other, ok := o.ranges.value(c.Key())
			if !ok || !o.ranges.anyWithin(s.values, v, other, 1) {
				break
			}
			last = c
		}
		start = o.earlier(p, start, last)
	}
	return start
}

// contextAhead returns the first row behind those that are needed to compute the rows up to before b, the last of which is last.
func (o *over) contextAhead(p *overPart, last, b state.Cursor) state.Cursor {
	s := &o.reach.ahead
	if s.all {
		for b.HasPrefix(p.prefix) {
			b = o.behindKey(p.prefix)
		}
		return b
	}
	end := b
	for n := s.rows; n > 0 && end.HasPrefix(p.prefix); n-- {
		end.Next()
	}
	if s.peers {
		key := last.Key()
		c := o.behindKey(key[:o.layout.groupLen(key)])
		end = later(p, end, o.groupsOn(p, c, s.groups))
	}
	if len(s.values) > 0 {
		v, ok := o.ranges.value(last.Key())
		c := b
		for ok && c.HasPrefix(p.prefix) {
			other, ok := o.ranges.value(c.Key())
			if !ok || !o.ranges.anyWithin(s.values, v, other, -1) {
				break
			}
			c.Next()
		}
		end = later(p, end, c)
	}
	return end
}
