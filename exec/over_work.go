package exec

import (
	"bytes"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// overWork is rows that are computed together: stretches of partitions, each with the rows around it that are needed.
type overWork struct {
	o     *over
	slots []uint32
	segs  []overSegment
	eval  []uint32 // the rows that are computed, as numbers in slots

	cols     []arrow.Array // by input column; nil: not read
	newGroup []bool        // the row's peers do not lie before it; of the first row of a stretch it is not known
	group    []int32       // number of the row's group; only if peers matter
	starts   []int32       // the first row of each group, and one more at the end
	batch    *changelog.Batch

	lanes [][]int64      // what the computed rows carry on
	texts [][][]byte     // by call, likewise
	moved []bool         // that is not what they carried before, or they are new
	errs  []*types.Error // of the computed rows; nil: none
	gone  []goneRow

	computed int // how many rows were looked at since the operator was opened
	now      []byte
	peer     []byte
}

// overSegment is a stretch of one partition: rows lo to hi are loaded, of which those from a up to before b are computed.
type overSegment struct {
	part         *overPart
	lo, a, b, hi int
	at           int  // place of row a among the computed ones
	first        bool // row lo is the partition's first
	head         int  // the partition's first row, or -1 if it is not wanted
	end          bool // row b-1 is the partition's last
	next         state.Cursor
}

// reset empties the work.
func (w *overWork) reset(o *over) {
	w.o = o
	w.slots, w.segs, w.eval, w.errs = w.slots[:0], w.segs[:0], w.eval[:0], nil
	if w.lanes == nil {
		n := 0
		for _, c := range o.calls {
			n += c.lanes()
		}
		w.lanes, w.texts = make([][]int64, n), make([][][]byte, len(o.calls))
	}
}

// load takes a whole partition.
func (w *overWork) load(c state.Cursor, prefix []byte) {
	s := overSegment{lo: len(w.slots), first: true, end: true, head: len(w.slots)}
	for ; c.HasPrefix(prefix); c.Next() {
		w.slots = append(w.slots, c.Slot())
	}
	s.a, s.b, s.hi = s.lo, len(w.slots), len(w.slots)
	w.segment(s)
}

func (w *overWork) segment(s overSegment) {
	s.at = len(w.eval)
	for i := s.a; i < s.b; i++ {
		w.eval = append(w.eval, uint32(i))
	}
	w.segs = append(w.segs, s)
}

// take loads the rows from a up to before b, which are to be computed, and what they need.
func (w *overWork) take(p *overPart, a, b state.Cursor) {
	o := w.o
	s := overSegment{part: p, head: -1, next: b}
	c := o.contextBack(p, a)
	before := c
	before.Prev()
	s.first = !before.HasPrefix(p.prefix)
	if o.reach.head && !s.first {
		s.head = len(w.slots)
		first := o.rows.Seek(p.prefix)
		w.slots = append(w.slots, first.Slot())
	}
	s.lo = len(w.slots)
	if s.first {
		s.head = s.lo
	}
	for c.Slot() != a.Slot() {
		w.slots = append(w.slots, c.Slot())
		c.Next()
	}
	s.a = len(w.slots)
	last := c
	for ; c.HasPrefix(p.prefix) && !(b.Valid() && c.Slot() == b.Slot()); c.Next() {
		w.slots = append(w.slots, c.Slot())
		last = c
	}
	s.b = len(w.slots)
	s.end = !c.HasPrefix(p.prefix)
	end := o.contextAhead(p, last, c)
	for c.HasPrefix(p.prefix) && !(end.Valid() && c.Slot() == end.Slot()) {
		w.slots = append(w.slots, c.Slot())
		c.Next()
	}
	s.hi = len(w.slots)
	w.segment(s)
}

// ready reads the columns and finds the groups of peers.
func (w *overWork) ready() {
	o := w.o
	w.computed += len(w.slots)
	l := o.layout
	w.cols = make([]arrow.Array, len(l.in))
	into := make([]array.Builder, len(l.out))
	var builders []array.Builder
	var at []int
	for i, c := range l.out {
		if c >= 0 && o.inputs[c] {
			into[i] = changelog.NewBuilder(l.in[c].Type)
			into[i].Reserve(len(w.slots))
			builders, at = append(builders, into[i]), append(at, c)
		}
	}
	if len(builders) > 0 {
		for _, slot := range w.slots {
			mustDecode(l.whole, o.rows.Key(slot), into)
		}
	}
	for i, b := range builders {
		w.cols[at[i]] = b.NewArray()
	}
	w.batch = &changelog.Batch{Cols: w.cols, N: len(w.slots)}
	w.findGroups()
	if o.ranges != nil {
		o.ranges.read(w)
	}
}

// findGroups sets newGroup, group and starts.
func (w *overWork) findGroups() {
	o := w.o
	w.newGroup, w.group, w.starts = resize(w.newGroup, len(w.slots)), resize(w.group, len(w.slots)), w.starts[:0]
	if len(o.plan.Order) == 0 { // all rows of a partition are peers
		clear(w.newGroup)
	}
	g := int32(-1)
	for _, s := range w.segs {
		if s.head >= 0 && s.head < s.lo {
			g = w.open(g, s.head)
		}
		for i := s.lo; i < s.hi; i++ {
			isNew := i == s.lo
			if !isNew && len(o.plan.Order) > 0 {
				isNew = !bytes.HasPrefix(o.rows.Key(w.slots[i]), w.peer)
			}
			if isNew {
				if len(o.plan.Order) > 0 {
					key := o.rows.Key(w.slots[i])
					w.peer = append(w.peer[:0], key[:o.layout.groupLen(key)]...)
				}
				g = w.open(g, i)
			}
			w.newGroup[i], w.group[i] = isNew, g
		}
	}
	w.starts = append(w.starts, int32(len(w.slots)))
}

// open begins a group behind group g.
func (w *overWork) open(g int32, row int) int32 {
	w.starts = append(w.starts, int32(row))
	w.group[row] = g + 1
	return g + 1
}

// fail notes that a computed row has no result.
func (w *overWork) fail(i int, err *types.Error) {
	if w.errs == nil {
		w.errs = make([]*types.Error, len(w.eval))
	}
	if w.errs[i] == nil {
		w.errs[i] = err
	}
}

// carry returns the row that a stretch goes on from, or -1 if it begins with the partition's first row.
func (s *overSegment) carry() int {
	if s.a > s.lo {
		return s.a - 1
	}
	return -1
}

// compute computes all rows that the changes of the partitions reach, about half a batch at a time.
func (o *over) compute(ctx *Context, parts []overPart) error {
	queue := make([]*overPart, len(parts))
	for i := range parts {
		queue[i] = &parts[i]
	}
	w := &o.work
	w.reset(o)
	for _, g := range w.gone {
		if err := o.out1.reject(ctx, g.key, g.result, -1); err != nil {
			return err
		}
	}
	w.gone = w.gone[:0]
	for len(queue) > 0 {
		var again []*overPart
		for _, p := range queue {
			for {
				a, b, ok := o.next(p)
				if !ok {
					break
				}
				if !a.HasPrefix(p.prefix) {
					continue
				}
				w.take(p, a, b)
				if len(w.slots) >= o.env.batchRows()/2 {
					var err error
					if again, err = o.flush(ctx, again); err != nil {
						return err
					}
				}
				if o.reach.runs {
					break // how far it goes on is seen when these rows are computed
				}
			}
		}
		var err error
		if again, err = o.flush(ctx, again); err != nil {
			return err
		}
		queue = again
	}
	return nil
}

// flush computes the work and appends the partitions that are not done to again.
func (o *over) flush(ctx *Context, again []*overPart) ([]*overPart, error) {
	w := &o.work
	if len(w.segs) == 0 {
		return again, nil
	}
	if err := o.eval(ctx); err != nil {
		return nil, err
	}
	if o.reach.runs {
		for _, s := range w.segs {
			if !s.end && w.moved[s.at+s.b-s.a-1] {
				s.part.running, s.part.from = true, s.next
			}
			if s.part.running || len(s.part.changes) > 0 {
				again = append(again, s.part)
			}
		}
	}
	w.reset(o)
	return again, nil
}
