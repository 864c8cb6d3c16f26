package exec

import (
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// emitEvery holds changes back and lets their sum out once an interval: when the epoch's clock has reached another multiple of it
// than at the last emission, or the input has ended.
//
// Output: the same changelog, consolidated; the watermark is that of the last emission.
// State:  the pending rows, each with its weight, and the interval of the last emission beside each of them.
type emitEvery struct {
	env      *Env
	in       types.Schema
	interval int64
	table    *state.Ordered
	weight   *state.I64Column
	since    *state.I64Column // the number of the interval in which the row was held back first
	enc      *changelog.Encoder
	key      []byte

	last  int64 // number of the interval of the last emission
	known bool
	mark  changelog.Watermark
}

func lowerEmitEvery(n *planner.Node, op *planner.EmitEvery, env *Env) (*Lowered, error) {
	if op.Interval <= 0 {
		return nil, types.Errorf(types.CodeInvalidParameter, "the interval of EMIT EVERY must be positive, found %s", formatDuration(op.Interval))
	}
	e := &emitEvery{env: env, in: n.Inputs[0].Schema, interval: op.Interval, mark: changelog.MinWatermark}
	return &Lowered{Global: e, Dists: Distributions(n)}, nil
}

func (e *emitEvery) Open(ctx *OpenContext) (err error) {
	var ts []types.Type
	orders := make([]changelog.Order, len(e.in))
	for i, f := range e.in {
		ts = append(ts, f.Type)
		orders[i].Exact = true
	}
	e.table, err = ctx.Tables.Ordered("pending", state.Spec{Key: ts, Order: orders, Dist: len(ts),
		Value: []state.ColumnSpec{{Name: "weight", Kind: state.Int64}, {Name: "since", Kind: state.Int64}}})
	if err != nil {
		return err
	}
	e.enc = changelog.NewEncoder(ts, orders)
	e.weight, e.since = e.table.I64(0), e.table.I64(1)
	for c := e.table.First(); c.Valid(); c.Next() {
		// Rows that are pending were held back after the last emission and before the next.
		e.last, e.known = *e.since.At(c.Slot()), true
		break
	}
	return nil
}

func (e *emitEvery) Process(ctx *Context, _ int, b *changelog.Batch, _ Emit) error {
	if !e.known {
		e.last, e.known = floorDiv(ctx.Clock, e.interval), true
	}
	e.enc.Reset(b.Cols)
	b.Each(func(row int) {
		e.key = e.enc.Append(e.key[:0], row)
		slot, added := e.table.Insert(e.key)
		e.table.Touch(slot)
		w := e.weight.At(slot)
		if added {
			*e.since.At(slot) = e.last
		}
		if *w += b.Weight(row); *w == 0 {
			e.table.Delete(slot)
		}
	})
	return nil
}

func (e *emitEvery) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	now := floorDiv(ctx.Clock, e.interval)
	if !e.known {
		e.last, e.known = now, true
	}
	if now == e.last && ctx.Watermark != changelog.MaxWatermark {
		if e.table.Len() > 0 {
			if ctx.Timer != nil {
				ctx.Timer((now + 1) * e.interval)
			}
		} else {
			e.mark = max(e.mark, ctx.Watermark)
		}
		return e.mark, nil
	}
	e.last, e.mark = now, ctx.Watermark
	return e.mark, e.release(emit)
}

// release emits all pending rows, deletions first.
func (e *emitEvery) release(emit Emit) error {
	var ts []types.Type
	for _, f := range e.in {
		ts = append(ts, f.Type)
	}
	var slots []uint32
	for _, insert := range []bool{false, true} {
		builders := changelog.NewBuilders(ts)
		var weights []int64
		flush := func() {
			if len(weights) == 0 {
				return
			}
			b := &changelog.Batch{N: len(weights), Weights: weights}
			for _, x := range builders {
				b.Cols = append(b.Cols, x.NewArray())
			}
			ones := true
			for _, w := range weights {
				ones = ones && w == 1
			}
			if ones {
				b.Weights = nil
			}
			weights = nil
			emit(b)
		}
		for c := e.table.First(); c.Valid(); c.Next() {
			w := *e.weight.At(c.Slot())
			if (w > 0) != insert {
				continue
			}
			slots = append(slots, c.Slot())
			mustDecode(e.enc, c.Key(), builders)
			if weights = append(weights, w); len(weights) == e.env.batchRows() {
				flush()
			}
		}
		flush()
	}
	for _, s := range slots {
		e.table.Delete(s)
	}
	return nil
}

func (e *emitEvery) Close() error { return nil }
