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
		a, b = o.reached(p, &p.changes[0])
		p.changes = p.changes[1:]
		p.chunk = max(o.env.batchRows()/512, 1)
	}
	for ; len(p.changes) > 0 && b.HasPrefix(p.prefix); p.changes = p.changes[1:] {
		c := &p.changes[0]
		key := o.set.key(c)
		switch {
		case bytes.HasPrefix(b.Key(), key): // the very next row
			b = o.reachedEnd(p, c, b)
		case bytes.Compare(key, b.Key()) < 0:
			b = later(p, b, o.reachedEnd(p, c, o.rows.Seek(key)))
		default:
			first, end := o.reached(p, c)
			if first.HasPrefix(p.prefix) && bytes.Compare(first.Key(), b.Key()) > 0 {
				p.running = false
				return a, b, true
			}
			b = later(p, b, end)
		}
	}
	if !b.HasPrefix(p.prefix) { // up to the end all is computed
		p.changes = nil
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

// earlier returns the nearer to the start of two cursors.
func earlier(p *overPart, a, c state.Cursor) state.Cursor {
	if !a.HasPrefix(p.prefix) || c.HasPrefix(p.prefix) && bytes.Compare(c.Key(), a.Key()) < 0 {
		return c
	}
	return a
}

// reached returns the rows that a change may reach.
func (o *over) reached(p *overPart, c *rowChange) (a, b state.Cursor) {
	a = o.rows.Seek(o.set.key(c))
	return o.walkBefore(p, c, a), o.reachedEnd(p, c, a)
}

// reachedEnd returns the row behind those that a change may reach. a is the first row at or behind the changed one.
func (o *over) reachedEnd(p *overPart, c *rowChange, a state.Cursor) state.Cursor {
	key := o.set.key(c)
	b := past(a, key)
	all := o.reach.behind.all
	if o.reach.head && !all {
		first := o.rows.Seek(p.prefix)
		all = !first.HasPrefix(p.prefix) || bytes.Compare(key, first.Key()) < 0
	}
	if all {
		return o.partEnd(p, b)
	}
	return o.walkBehind(p, c, b)
}

// past moves a cursor on over all rows whose keys start with prefix.
func past(c state.Cursor, prefix []byte) state.Cursor {
	for c.HasPrefix(prefix) {
		c.Next()
	}
	return c
}

// partEnd returns a cursor behind the partition's last row, in which c stands.
func (o *over) partEnd(p *overPart, c state.Cursor) state.Cursor {
	if !c.HasPrefix(p.prefix) {
		return c
	}
	if after := prefixEnd(o.key, p.prefix); after != nil {
		o.key = after
		return o.rows.Seek(after)
	}
	c = o.rows.Last()
	c.Next()
	return c
}

// before returns the row before a cursor, which may stand behind the last row.
func (o *over) before(c state.Cursor) state.Cursor {
	if !c.Valid() {
		return o.rows.Last()
	}
	c.Prev()
	return c
}

// walkBehind moves b, the first row behind a changed one, on over those that the change reaches.
func (o *over) walkBehind(p *overPart, c *rowChange, b state.Cursor) state.Cursor {
	s := &o.reach.behind
	key := o.set.key(c)
	end, n := b, s.rows
	if c.w < 0 { // one more, in the place of the row that is gone
		n++
	}
	for ; n > 0 && end.HasPrefix(p.prefix); n-- {
		end.Next()
	}
	if !s.peers {
		return end
	}
	group := past(b, key[:o.layout.groupLen(key)])
	end = later(p, end, o.groupsOn(p, group, s.groups))
	if len(s.values) > 0 {
		v, ok := o.ranges.value(key)
		c := group
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
		c = past(c, key[:o.layout.groupLen(key)])
	}
	return c
}

// walkBefore moves a, the first row at or behind a changed one, back over those that the change reaches.
func (o *over) walkBefore(p *overPart, c *rowChange, a state.Cursor) state.Cursor {
	s := &o.reach.before
	if s.all {
		return o.rows.Seek(p.prefix)
	}
	key := o.set.key(c)
	start := a
	for n := s.rows; n > 0; n-- {
		d := o.before(start)
		if !d.HasPrefix(p.prefix) {
			break
		}
		start = d
	}
	if !s.peers {
		return start
	}
	group := o.groupsBack(p, a, key[:o.layout.groupLen(key)], s.groups)
	start = earlier(p, start, group)
	if len(s.values) > 0 {
		v, ok := o.ranges.value(key)
		last := o.groupsBack(p, a, key[:o.layout.groupLen(key)], 0)
		c := o.before(last)
		for ok && c.HasPrefix(p.prefix) {
			base, ok := o.ranges.value(c.Key())
			if !ok || !o.ranges.anyWithin(s.values, base, v, -1) {
				break
			}
			last = c
			c.Prev()
		}
		start = earlier(p, start, last)
	}
	return start
}

// groupsBack moves a cursor, on a row of a group or behind its last one, to the first row of the group n groups before.
func (o *over) groupsBack(p *overPart, c state.Cursor, group []byte, n int64) state.Cursor {
	for ; ; n-- {
		d := o.before(c)
		for d.HasPrefix(group) {
			c = d
			d.Prev()
		}
		if n <= 0 || !d.HasPrefix(p.prefix) {
			return c
		}
		key := d.Key()
		c, group = d, key[:o.layout.groupLen(key)]
	}
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
	if !s.peers {
		return start
	}
	key := base.Key()
	start = earlier(p, start, o.groupsBack(p, base, key[:o.layout.groupLen(key)], s.groups))
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
		start = earlier(p, start, last)
	}
	return start
}

// contextAhead returns the first row behind those that are needed to compute the rows up to before b, the last of which is last.
func (o *over) contextAhead(p *overPart, last, b state.Cursor) state.Cursor {
	s := &o.reach.ahead
	if s.all {
		return o.partEnd(p, b)
	}
	end := b
	for n := s.rows; n > 0 && end.HasPrefix(p.prefix); n-- {
		end.Next()
	}
	if !s.peers {
		return end
	}
	key := last.Key()
	end = later(p, end, o.groupsOn(p, past(b, key[:o.layout.groupLen(key)]), s.groups))
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
