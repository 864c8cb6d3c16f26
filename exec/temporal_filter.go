package exec

import (
	"container/heap"
	"math"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// temporalFilter keeps each row while the epoch's clock is from its From on and before its Until.
//
// Input:  any changelog.
// Output: the rows that are within, at once; those that wait for their From come, and those that have reached their Until go, at the
// end of the first epoch whose clock is there, which a timer asks for. The watermark passes.
// State:  the rows that are to come or to go, ordered by Until (by From, if there is no Until), with the weight that waits and the
// weight that was put out. Rows whose From has come are forgotten if they never go.
type temporalFilter struct {
	plan   *planner.TemporalFilter
	env    *Env
	layout *rowLayout // the partition is the column that orders

	rows    *state.Ordered
	waiting *state.I64Column
	present *state.I64Column
	from    *state.I64Column // when what waits is to come, if Until orders
	coming  endHeap          // of it, in memory
	key     []byte
}

func lowerTemporalFilter(n *planner.Node, op *planner.TemporalFilter, env *Env) (*Lowered, error) {
	in := n.Inputs[0].Schema
	for _, c := range []int{op.From, op.Until} {
		if c >= 0 && in[c].Type.Kind != types.TimestampTZ && in[c].Type.Kind != types.Timestamp {
			return nil, types.NotSupported(types.Span{}, "a filter on the current time by a column of type %s", in[c].Type)
		}
	}
	if op.From < 0 && op.Until < 0 {
		return linear(union{}, nil)
	}
	f := &temporalFilter{plan: op, env: env}
	var err error
	f.layout, err = newRowLayout(in, []int{f.orders()}, nil, -1)
	if err != nil {
		return nil, err
	}
	return &Lowered{Global: f, Dists: []Distribution{temporalDist(op)}}, nil
}

// temporalKey returns the columns that divide the rows of a TemporalFilter among workers.
func temporalKey(op *planner.TemporalFilter) []int {
	switch {
	case op.Until >= 0:
		return []int{op.Until}
	case op.From >= 0:
		return []int{op.From}
	}
	return nil
}

// temporalDist says how the rows of a TemporalFilter must lie.
func temporalDist(op *planner.TemporalFilter) Distribution {
	if cols := temporalKey(op); cols != nil {
		return byKeys(cols)
	}
	return Distribution{Kind: Any}
}

// orders returns the column that orders the rows.
func (f *temporalFilter) orders() int { return temporalKey(f.plan)[0] }

func (f *temporalFilter) Open(ctx *OpenContext) (err error) {
	spec := state.Spec{Key: f.layout.ts, Order: f.layout.orders, Dist: 1}
	for _, name := range []string{"waiting", "present", "from"} {
		spec.Value = append(spec.Value, state.ColumnSpec{Name: name, Kind: state.Int64})
	}
	if f.rows, err = ctx.Tables.Ordered("rows", spec); err != nil {
		return err
	}
	f.waiting, f.present, f.from = f.rows.I64(0), f.rows.I64(1), f.rows.I64(2)
	if f.both() {
		for c := f.rows.First(); c.Valid(); c.Next() {
			if *f.waiting.At(c.Slot()) != 0 {
				f.coming = append(f.coming, sessionEnd{*f.from.At(c.Slot()), c.Slot()})
			}
		}
		heap.Init(&f.coming)
	}
	return nil
}

// both reports whether rows come and go.
func (f *temporalFilter) both() bool { return f.plan.From >= 0 && f.plan.Until >= 0 }

// never is a bound that the clock does not reach.
const never = math.MaxInt64

// bounds reads when rows come and go: a row is within while from <= clock < until.
type temporalBounds struct {
	from, until           []int64
	fromNull, untilNull   validity
	fromAfter, untilAfter int64
}

func (f *temporalFilter) bounds(b *changelog.Batch) (t temporalBounds) {
	if f.plan.From >= 0 {
		t.from, t.fromNull = words(b.Cols[f.plan.From]), validityOf(b.Cols[f.plan.From])
	}
	if f.plan.Until >= 0 {
		t.until, t.untilNull = words(b.Cols[f.plan.Until]), validityOf(b.Cols[f.plan.Until])
	}
	if f.plan.FromOpen {
		t.fromAfter = 1
	}
	if f.plan.UntilOpen {
		t.untilAfter = 1
	}
	return t
}

// at returns the bounds of a row; ok is false if it is never within.
func (t *temporalBounds) at(row int) (from, until int64, ok bool) {
	from, until = math.MinInt64, never
	if t.from != nil {
		if t.fromNull.null(row) || t.from[row] == types.TimestampPosInf {
			return 0, 0, false
		}
		from = addSat(t.from[row], t.fromAfter)
	}
	if t.until != nil {
		if t.untilNull.null(row) {
			return 0, 0, false
		}
		if until = t.until[row]; until != types.TimestampPosInf {
			until = addSat(until, t.untilAfter)
		}
	}
	return from, until, from < until
}

func (f *temporalFilter) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	f.layout.reset(b)
	t := f.bounds(b)
	sel := make([]uint32, 0, b.Rows())
	b.Each(func(row int) {
		from, until, ok := t.at(row)
		switch {
		case !ok || until <= ctx.Clock: // gone, if it was ever there
		case from > ctx.Clock:
			slot := f.row(row)
			w := f.waiting.At(slot)
			if *w == 0 && f.both() {
				*f.from.At(slot) = from
				heap.Push(&f.coming, sessionEnd{from, slot})
			}
			*w += b.Weight(row)
			f.settle(slot)
		default:
			sel = append(sel, uint32(row))
			if until != never {
				slot := f.row(row)
				*f.present.At(slot) += b.Weight(row)
				f.settle(slot)
			}
		}
	})
	switch {
	case len(sel) == b.Rows() && len(sel) > 0:
		emit(b)
	case len(sel) > 0:
		emit(b.Select(sel))
	}
	return nil
}

// row returns the slot of a row of the batch.
func (f *temporalFilter) row(row int) uint32 {
	f.key = f.layout.part.Append(f.key[:0], row)
	f.key = f.layout.rest.Append(f.key, row)
	slot, _ := f.rows.Insert(f.key)
	f.rows.Touch(slot)
	return slot
}

// settle deletes a row of which nothing is left.
func (f *temporalFilter) settle(slot uint32) {
	if *f.waiting.At(slot) == 0 && *f.present.At(slot) == 0 {
		f.rows.Delete(slot)
	}
}

func (f *temporalFilter) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	plus := newOrderedOut(f.layout, f.env.batchRows(), false, emit)
	minus := newOrderedOut(f.layout, f.env.batchRows(), false, emit)
	next := int64(never)
	if f.both() {
		next = f.come(ctx.Clock, plus)
	}
	for c := f.rows.First(); c.Valid(); c = f.rows.First() {
		slot := c.Slot()
		at := f.reached(c.Key())
		if at > ctx.Clock {
			next = min(next, at)
			break
		}
		if f.plan.Until < 0 {
			plus.add(c.Key(), 0, *f.waiting.At(slot))
		} else if n := *f.present.At(slot); n != 0 {
			minus.add(c.Key(), 0, -n)
		}
		f.rows.Delete(slot)
	}
	minus.flush()
	plus.flush()
	if next != never && ctx.Timer != nil {
		ctx.Timer(next)
	}
	return ctx.Watermark, nil
}

// reached returns the clock at which the column that orders the rows is reached.
func (f *temporalFilter) reached(key []byte) int64 {
	at := int64At(key)
	if f.plan.Until >= 0 && f.plan.UntilOpen || f.plan.Until < 0 && f.plan.FromOpen {
		return addSat(at, 1)
	}
	return at
}

// come puts out the rows that waited for the clock, unless it has reached their Until as well, and returns when the next one comes.
func (f *temporalFilter) come(clock int64, plus *orderedOut) int64 {
	for len(f.coming) > 0 {
		e := f.coming[0]
		live := f.rows.Live(e.slot) && *f.waiting.At(e.slot) != 0
		if live && *f.from.At(e.slot) == e.end && e.end > clock {
			return e.end
		}
		heap.Pop(&f.coming)
		switch {
		case !live:
		case *f.from.At(e.slot) > clock: // another row has the slot; it has an entry of its own
		default:
			w, key := f.waiting.At(e.slot), f.rows.Key(e.slot)
			if until := f.reached(key); until > clock {
				plus.add(key, 0, *w)
				if until != never {
					*f.present.At(e.slot) += *w
				}
			}
			*w = 0
			f.rows.Touch(e.slot)
			f.settle(e.slot)
		}
	}
	return never
}

func (f *temporalFilter) Close() error { return nil }
