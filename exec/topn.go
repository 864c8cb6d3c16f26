package exec

import (
	"bytes"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// topN keeps the first rows of each partition.
//
// Input:  any changelog.
// Output: per epoch the net changes of the rows that are among the first; see planner.TopN. EMIT ON WINDOW CLOSE: inserts only.
// State:  all rows in order, with their weights; of an append-only input only those that are among the first, or before Offset.
//
// Per partition it remembers, in memory, where the first rows end (see topBound). An epoch's rows are sorted and summed up at its
// end; then the ends move from where they were, so that the cost is that of the rows that changed or crossed an end. With
// Number the partition is numbered anew from its start up to where old and new numbers agree again.
type topN struct {
	plan       *planner.TopN
	env        *Env
	layout     *rowLayout
	appendOnly bool
	end        int64 // Offset + Limit, or -1
	closing    *partitionClosing

	rows  *state.Ordered
	count *state.I64Column
	ends  *state.Hash // by partition: never logged, made again when a partition is touched
	known *state.I64Column
	first topBoundColumns // where Offset ends
	last  topBoundColumns // where the rows end
	keyed []types.Type

	set     changeSet
	slots   []uint32
	added   []uint32
	touched []touchedRow
	near    []uint32
	prefix  []byte
	oldKeys [2][]byte
	newKeys [2][]byte
	walk    []byte
	seek    []byte
	minus   *orderedOut
	plus    *orderedOut
}

// touchedRow is a row that an epoch changed, with its weight before and after.
type touchedRow struct {
	slot     uint32
	old, new int64
}

// manyChanges is how many rows of an append-only input wait for the epoch's end.
const manyChanges = 64 << 10

func lowerTopN(n *planner.Node, op *planner.TopN, env *Env) (*Lowered, error) {
	in := n.Inputs[0]
	layout, err := newRowLayout(in.Schema, op.Partition, op.Order, op.Close)
	if err != nil {
		return nil, err
	}
	if op.Offset < 0 || op.Limit < -1 || op.Limit > math.MaxInt64-op.Offset {
		return nil, types.Errorf(types.CodeInternal, "a Top-N with limit %d and offset %d", op.Limit, op.Offset)
	}
	closing, err := newPartitionClosing(&op.Closing, in.Schema, op.Partition)
	if err != nil {
		return nil, err
	}
	if in.Props.AppendOnly && isFirst(op, layout) {
		return closing.lower(&topFirst{plan: op, env: env, layout: layout}, n, layout.partition), nil
	}
	t := &topN{plan: op, env: env, layout: layout, appendOnly: in.Props.AppendOnly, end: -1, closing: closing}
	if op.Limit >= 0 {
		t.end = op.Offset + op.Limit
	}
	return closing.lower(t, n, layout.partition), nil
}

func (t *topN) Open(ctx *OpenContext) (err error) {
	l := t.layout
	t.rows, err = ctx.Tables.Ordered("rows", state.Spec{Key: l.ts, Order: l.orders, Dist: len(l.partition),
		Value: []state.ColumnSpec{{Name: "count", Kind: state.Int64}}})
	if err != nil {
		return err
	}
	t.count = t.rows.I64(0)
	t.keyed = l.ts[:len(l.partition)]
	spec := state.Spec{Key: t.keyed, Dist: len(l.partition)}
	for _, name := range []string{"known", "first slot", "first units", "first last", "last slot", "last units", "last last"} {
		spec.Value = append(spec.Value, state.ColumnSpec{Name: name, Kind: state.Int64})
	}
	if t.ends, err = ctx.Tables.Hash("ends", spec); err != nil {
		return err
	}
	t.known = t.ends.I64(0)
	t.first = topBoundColumns{t.ends.I64(1), t.ends.I64(2), t.ends.I64(3)}
	t.last = topBoundColumns{t.ends.I64(4), t.ends.I64(5), t.ends.I64(6)}
	t.closing.open(ctx)
	return nil
}

func (t *topN) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	b, err := t.closing.admit(ctx, b, t.layout.in)
	if err != nil || b.Rows() == 0 {
		return err
	}
	t.layout.reset(b)
	n := b.Rows()
	t.slots = resize(t.slots, n)
	var cols []arrow.Array
	for _, c := range t.layout.partition {
		cols = append(cols, b.Cols[c])
	}
	t.added = t.ends.FindOrInsert(state.KeyBatch{Cols: cols, N: b.N, Sel: b.Sel}, t.slots, t.added)
	i := 0
	b.Each(func(row int) {
		t.set.add(t.layout, row, t.slots[i], b.Weight(row))
		if t.appendOnly && t.beyond(t.slots[i]) {
			t.set.drop()
		}
		i++
	})
	if t.appendOnly && len(t.set.list) >= manyChanges {
		t.apply(emit)
	}
	return nil
}

// beyond reports whether the row added last can never be among the first rows of its partition.
func (t *topN) beyond(part uint32) bool {
	if t.end < 0 || *t.known.At(part) == 0 {
		return false
	}
	b := t.last.get(part)
	if b.units < t.end || b.slot == state.NoSlot {
		return t.end == 0
	}
	key := t.set.key(&t.set.list[len(t.set.list)-1])
	bound := t.rows.Key(b.slot)
	if bytes.Compare(key, bound) <= 0 {
		return t.plan.Rank == planner.ByRowNumber && bytes.Equal(key, bound)
	}
	return t.plan.Rank == planner.ByRowNumber || !bytes.HasPrefix(key, bound[:t.layout.groupLen(bound)])
}

func (t *topN) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	t.apply(emit)
	for _, part := range t.added { // those whose rows came and went
		if t.ends.Live(part) && *t.known.At(part) == 0 {
			t.ends.Delete(part)
		}
	}
	t.added = t.added[:0]
	t.close(ctx, emit)
	return ctx.Watermark, nil
}

// apply takes the collected rows in and emits what they change.
func (t *topN) apply(emit Emit) {
	if len(t.set.list) == 0 {
		return
	}
	t.outputs(emit)
	list := t.set.settle()
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[j].part == list[i].part {
			j++
		}
		t.partition(list[i:j])
		i = j
	}
	t.set.reset()
	t.minus.flush()
	t.plus.flush()
}

func (t *topN) outputs(emit Emit) {
	t.minus = newOrderedOut(t.layout, t.env.batchRows(), t.plan.Number, emit)
	t.plus = newOrderedOut(t.layout, t.env.batchRows(), t.plan.Number, emit)
}

// partition takes in the changes of one partition, which are in the order of its rows.
func (t *topN) partition(list []rowChange) {
	part := list[0].part
	t.prefix = append(t.prefix[:0], t.set.key(&list[0])[:list[0].plen]...)
	var oldFirst, oldLast topBound
	if *t.known.At(part) == 0 {
		*t.known.At(part) = 1
		oldFirst, oldLast = t.bounds(topBound{slot: state.NoSlot}, topBound{slot: state.NoSlot}, nil)
	} else {
		oldFirst, oldLast = t.first.get(part), t.last.get(part)
	}
	t.oldKeys[0] = t.boundKey(t.oldKeys[0], oldFirst, planner.ByRowNumber)
	t.oldKeys[1] = t.boundKey(t.oldKeys[1], oldLast, t.plan.Rank)

	t.touched = t.touched[:0]
	sum := int64(0)
	for i := range list {
		c := &list[i]
		if t.appendOnly && t.plan.Rank == planner.ByRowNumber && t.end >= 0 && sum >= t.end {
			break // these rows alone fill the partition
		}
		sum += c.w
		slot, _ := t.rows.Insert(t.set.key(c))
		t.rows.Touch(slot)
		n := t.count.At(slot)
		old := *n
		*n += c.w
		t.touched = append(t.touched, touchedRow{slot, max(old, 0), max(*n, 0)})
	}

	first, last := t.bounds(oldFirst, oldLast, t.touched)
	t.newKeys[0] = t.boundKey(t.newKeys[0], first, planner.ByRowNumber)
	t.newKeys[1] = t.boundKey(t.newKeys[1], last, t.plan.Rank)
	t.nearBounds(oldFirst, oldLast, first, last)
	switch {
	case t.plan.Emit == planner.EmitOnClose:
	case t.plan.Number:
		t.number(false)
	default:
		t.difference(oldFirst, oldLast, first, last)
	}
	t.trim(last)
	t.first.set(part, first)
	t.last.set(part, last)
	if last.slot == state.NoSlot {
		if c := t.rows.Seek(t.prefix); !c.HasPrefix(t.prefix) {
			t.ends.Delete(part)
		}
	}
}

// bounds moves the ends of a partition from where they were before the touched rows changed.
func (t *topN) bounds(first, last topBound, touched []touchedRow) (newFirst, newLast topBound) {
	if t.plan.Offset > 0 {
		m := boundMover{t: t, kind: planner.ByRowNumber, target: t.plan.Offset}
		first = m.move(first, touched)
	}
	if t.end >= 0 {
		m := boundMover{t: t, kind: t.plan.Rank, target: t.end}
		last = m.move(last, touched)
	}
	return first, last
}

// nearBounds sets near to the rows whose place may have changed: those that were touched, and those between old and new ends.
func (t *topN) nearBounds(oldFirst, oldLast, first, last topBound) {
	t.near = t.near[:0]
	for _, r := range t.touched {
		t.near = append(t.near, r.slot)
	}
	if t.plan.Offset > 0 {
		t.between(0, oldFirst.last == first.last)
	}
	if t.end >= 0 {
		t.between(1, t.plan.Rank != planner.ByRowNumber || oldLast.last == last.last)
	}
	slices.Sort(t.near)
	t.near = slices.Compact(t.near)
}

// between appends the rows from the old end to the new one, or from the new one to the old.
func (t *topN) between(i int, same bool) {
	from, to := t.oldKeys[i], t.newKeys[i]
	if bytes.Equal(from, to) && (same || len(from) == 0) {
		return
	}
	if bytes.Compare(from, to) > 0 {
		from, to = to, from
	}
	if len(from) == 0 {
		from = t.prefix
	}
	for c := t.rows.Seek(from); c.HasPrefix(t.prefix); c.Next() {
		if compareBound(c.Key(), to) > 0 {
			break
		}
		t.near = append(t.near, c.Slot())
	}
}

// difference emits by how much the weight of the rows in near differs in the output.
func (t *topN) difference(oldFirst, oldLast, first, last topBound) {
	slices.SortFunc(t.touched, func(a, b touchedRow) int { return int(int64(a.slot) - int64(b.slot)) })
	at := 0
	for _, slot := range t.near {
		is := max(*t.count.At(slot), 0)
		was := is
		if at < len(t.touched) && t.touched[at].slot == slot {
			was = t.touched[at].old
			at++
		}
		key := t.rows.Key(slot)
		w := t.within(key, is, t.newKeys, first, last) - t.within(key, was, t.oldKeys, oldFirst, oldLast)
		switch {
		case w < 0:
			t.minus.add(key, 0, w)
		case w > 0:
			t.plus.add(key, 0, w)
		}
	}
}

// within returns how many of n equal rows lie between the ends.
func (t *topN) within(key []byte, n int64, keys [2][]byte, first, last topBound) int64 {
	out := n
	if t.end >= 0 {
		out = last.within(key, n, keys[1], t.plan.Rank)
	}
	if t.plan.Offset > 0 {
		out -= first.within(key, n, keys[0], planner.ByRowNumber)
	}
	return out
}

// trim deletes rows that are not there any more and, of an append-only input, those that fell out for ever.
func (t *topN) trim(last topBound) {
	for _, slot := range t.near {
		n := t.count.At(slot)
		if t.appendOnly && t.end >= 0 && *n > 0 {
			left := last.within(t.rows.Key(slot), *n, t.newKeys[1], t.plan.Rank)
			if left == *n {
				continue
			}
			t.rows.Touch(slot)
			*n = left
		}
		if *n == 0 {
			t.rows.Delete(slot)
		}
	}
}

// number goes through a partition from its start and emits the rows with numbers where these, or the rows, changed; fresh: all of
// them, as if nothing had been put out yet.
func (t *topN) number(fresh bool) {
	touched := t.touched
	if fresh {
		touched = nil
	}
	was, is := topCounter{t: t, none: fresh}, topCounter{t: t}
	group, started := t.walk[:0], false
	at := 0
	for c := t.rows.Seek(t.prefix); c.HasPrefix(t.prefix); c.Next() {
		slot, key := c.Slot(), c.Key()
		n := max(*t.count.At(slot), 0)
		old := n
		if at < len(touched) && touched[at].slot == slot {
			old = touched[at].old
			at++
		} else if at == len(touched) && was == is {
			break
		}
		if t.plan.Rank != planner.ByRowNumber && !(started && bytes.HasPrefix(key, group)) {
			group, started = append(group[:0], key[:t.layout.groupLen(key)]...), true
			was.newGroup()
			is.newGroup()
		}
		if was.past() && is.past() {
			break
		}
		a, b := was.take(old), is.take(n)
		t.emitNumbers(key, a, b)
	}
	t.walk = group
}

// emitNumbers emits a row that had the numbers in a and has those in b.
func (t *topN) emitNumbers(key []byte, a, b numbered) {
	if !t.plan.Number {
		if b.n > 0 {
			t.plus.add(key, 0, b.n)
		}
		return
	}
	if t.plan.Rank != planner.ByRowNumber {
		if a.n > 0 && b.n > 0 && a.from == b.from {
			switch {
			case a.n > b.n:
				t.minus.add(key, a.from, b.n-a.n)
			case a.n < b.n:
				t.plus.add(key, b.from, b.n-a.n)
			}
			return
		}
		if a.n > 0 {
			t.minus.add(key, a.from, -a.n)
		}
		if b.n > 0 {
			t.plus.add(key, b.from, b.n)
		}
		return
	}
	for i := a.from; i < a.from+a.n; i++ {
		if i < b.from || i >= b.from+b.n {
			t.minus.add(key, i, -1)
		}
	}
	for i := b.from; i < b.from+b.n; i++ {
		if i < a.from || i >= a.from+a.n {
			t.plus.add(key, i, 1)
		}
	}
}

// numbered is n copies of a row with the numbers from, from+1, ..., or the one rank from.
type numbered struct{ from, n int64 }

// topCounter numbers rows.
type topCounter struct {
	t     *topN
	none  bool
	rows  int64 // before this row
	rank  int64 // rows before its group
	dense int64 // groups before and with this one that have rows
	some  bool  // the group has rows
}

func (c *topCounter) newGroup() { c.rank, c.some = c.rows, false }

// past reports whether no further row is among the first.
func (c *topCounter) past() bool {
	switch end := c.t.end; {
	case c.none:
		return true
	case end < 0:
		return false
	case c.t.plan.Rank == planner.ByRank:
		return c.rank >= end
	case c.t.plan.Rank == planner.ByDenseRank:
		return c.dense > end || c.dense == end && !c.some
	default:
		return c.rows >= end
	}
}

// take counts n copies of a row and returns the numbers of those that are among the first.
func (c *topCounter) take(n int64) numbered {
	if c.none || n <= 0 {
		return numbered{}
	}
	if !c.some {
		c.some = true
		c.dense++
	}
	from := c.rows
	c.rows += n
	skip := min(max(c.t.plan.Offset-from, 0), n)
	end := c.t.end
	switch c.t.plan.Rank {
	case planner.ByRank:
		if end >= 0 && c.rank >= end {
			return numbered{}
		}
		return numbered{c.rank + 1, n - skip}
	case planner.ByDenseRank:
		if end >= 0 && c.dense > end {
			return numbered{}
		}
		return numbered{c.dense, n - skip}
	}
	if end >= 0 {
		n = max(min(n, end-from), skip)
	}
	return numbered{from + skip + 1, n - skip}
}

// close drops the partitions that the watermark has passed, after putting out their rows if they are wanted then.
func (t *topN) close(ctx *Context, emit Emit) {
	if !t.closing.passes(ctx.Watermark) {
		return
	}
	onClose := t.plan.Emit == planner.EmitOnClose
	if onClose {
		t.outputs(emit)
	}
	t.closing.each(t.rows, t.layout, t.ends, func(prefix []byte) {
		t.prefix = append(t.prefix[:0], prefix...)
		if onClose {
			t.number(true)
		}
		t.rows.DeletePrefix(t.prefix)
	})
	if onClose {
		t.plus.flush()
	}
}

func (t *topN) Close() error { return nil }
