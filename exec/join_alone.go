package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
)

// presence is whether a key had rows before the epoch, and whether it has some at its end.
type presence struct{ before, now bool }

func (j *join) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	for in := range j.sides {
		if s := &j.sides[in]; s.alone != aloneNothing && !j.waits(s) {
			o := j.loneRows(in, emit)
			if s.counted {
				j.countedChanges(s, o)
			} else {
				j.presenceChanges(s, &j.sides[1-in], o)
			}
			o.flush()
		}
	}
	for in := range j.sides {
		j.sides[in].table.Prune()
	}
	for in := range j.sides {
		j.expire(ctx, in, emit)
	}
	return ctx.Watermark, nil
}

// waits reports whether rows come out alone only when they expire.
func (j *join) waits(s *joinSide) bool {
	return j.op.Final && (s.alone == aloneNulls || s.alone == aloneAnti)
}

// countedChanges puts out what has changed of the rows alone, of which each counts its matches.
func (j *join) countedChanges(s *joinSide, o *loneOut) {
	slots, old := s.table.Changed()
	for i, slot := range slots {
		was := s.alone.weight(old[i].Weight, old[i].Count > 0)
		is := s.alone.weight(s.table.Weight(slot), *s.table.Count(slot) > 0)
		o.add(slot, is-was)
	}
}

// presenceChanges puts out what has changed of the rows alone where a row has a match if there is a row of its key.
func (j *join) presenceChanges(s, other *joinSide, o *loneOut) {
	clear(j.chains)
	slots, old := s.table.Changed()
	for i, slot := range slots {
		p := j.presence(other.table, other.table.Key(s.table, slot))
		was := s.alone.weight(old[i].Weight, p.before)
		is := s.alone.weight(s.table.Weight(slot), p.now)
		o.add(slot, is-was)
	}
	// Keys that came or went change the rows of this side that did not change themselves. A key that came has a first row that
	// came; one that went has rows that went.
	slots, _ = other.table.Changed()
	var done map[uint32]bool
	for _, slot := range slots {
		head := slot
		if !other.table.Fresh(slot) || !other.table.First(slot) {
			if other.table.Weight(slot) != 0 {
				continue
			}
			if head = other.table.Key(other.table, slot); done[head] || other.table.Fresh(head) {
				continue
			}
			if done == nil {
				done = map[uint32]bool{}
			}
			done[head] = true
		}
		p := j.presence(other.table, head)
		if p.before == p.now {
			continue
		}
		for row := s.table.Key(other.table, slot); row != state.NoSlot; row = s.table.Next(row) {
			if !s.table.Touched(row) {
				w := s.table.Weight(row)
				o.add(row, s.alone.weight(w, p.now)-s.alone.weight(w, p.before))
			}
		}
	}
}

// presence tells whether there were and are rows of a key, whose first row is head. Rows without weight are still there.
func (j *join) presence(t *state.Multi, head uint32) (p presence) {
	if head == state.NoSlot {
		return p
	}
	const long = 16
	n := 0
	for slot := head; slot != state.NoSlot && !(p.before && p.now); slot = t.Next(slot) {
		if n++; n == long {
			if known, ok := j.chains[head]; ok {
				return known
			}
		}
		p.before = p.before || !t.Fresh(slot)
		p.now = p.now || t.Weight(slot) > 0
	}
	if n >= long {
		j.chains[head] = p
	}
	return p
}

// expire forgets the rows that can find no further match.
func (j *join) expire(ctx *Context, in int, emit Emit) {
	s, other := &j.sides[in], &j.sides[1-in]
	ended := ctx.Watermark == changelog.MaxWatermark
	waits := j.waits(s)
	var gone []uint32
	switch {
	case s.expiry != nil && s.table.Timed():
		if ctx.Watermark == changelog.MinWatermark {
			return
		}
		gone = s.table.Expire(lessLateness(ctx.Watermark, s.expiry.Lag), !waits)
	case waits && ended:
		gone = s.table.Slots(nil)
		for _, slot := range gone {
			s.table.Delete(slot)
		}
	}
	if !waits || len(gone) == 0 {
		return
	}
	o := j.loneRows(in, emit)
	for _, slot := range gone {
		matched := false
		if s.counted {
			matched = *s.table.Count(slot) > 0
		} else {
			matched = other.table.Key(s.table, slot) != state.NoSlot
		}
		o.add(slot, s.alone.weight(s.table.Weight(slot), matched))
	}
	o.flush()
}

// loneOut puts out rows of one side alone.
type loneOut struct {
	j       *join
	in      int
	emit    Emit
	slots   []uint32
	weights []int64
	ones    bool
}

func (j *join) loneRows(in int, emit Emit) *loneOut {
	return &loneOut{j: j, in: in, emit: emit, ones: true}
}

func (o *loneOut) add(slot uint32, weight int64) {
	if weight == 0 {
		return
	}
	o.slots, o.weights = append(o.slots, slot), append(o.weights, weight)
	o.ones = o.ones && weight == 1
	if len(o.slots) >= o.j.env.batchRows() {
		o.flush()
	}
}

func (o *loneOut) flush() {
	if len(o.slots) == 0 {
		return
	}
	s := &o.j.sides[o.in]
	b := &changelog.Batch{N: len(o.slots), Cols: make([]arrow.Array, len(s.in))}
	for c := range b.Cols {
		b.Cols[c] = s.table.Gather(c, o.slots)
	}
	if s.alone == aloneNulls {
		b.Cols = o.j.withNulls(o.in, b.Cols, b.N)
	}
	if !o.ones {
		b.Weights = o.weights
	}
	o.slots, o.weights, o.ones = o.slots[:0], nil, true
	o.emit(b)
}
