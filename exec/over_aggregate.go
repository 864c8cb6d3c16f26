package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// newOverAggregate chooses how an aggregate is computed over frames: from lanes that go from frame to frame, by the extreme of a
// sliding frame, or else by aggregating every frame.
func newOverAggregate(c *planner.OverCall, f *overFrame, in types.Schema, env *Env) (overCall, error) {
	agg := env.functions().LookupAggregate(c.Fn)
	if agg == nil {
		return nil, types.Errorf(types.CodeUndefinedFunction, "aggregate %s does not exist", c.Fn)
	}
	call := planner.AggCall{Fn: c.Fn, Args: c.Args, Filter: c.Filter, T: c.T}
	for _, appendOnly := range []bool{false, true} {
		if keepsValues(&call, agg, in, appendOnly) {
			continue
		}
		acc, err := newAccumulator(&call, agg, in, appendOnly)
		if err != nil {
			return nil, err
		}
		if acc != nil {
			return &laneCall{frame: f, acc: acc, inverts: !appendOnly}, nil
		}
	}
	if (agg.Kind == expr.Min || agg.Kind == expr.Max) && f.exclude == planner.ExcludeNoOthers {
		return newExtremeCall(c, agg, f, in), nil
	}
	return newFrameCall(&call, agg, f, in, env)
}

// laneCall computes aggregates that an accumulator has in lanes. Lanes: those of the frame, where frames run from the partition's
// start.
type laneCall struct {
	frame   *overFrame
	acc     accumulator
	inverts bool // rows can be taken out again

	plus, minus [][]int64
	one         [][]int64
	sum         []*state.I64Column // in slot 0
	zeros       []uint32
	found       [][]int64
}

func (c *laneCall) reach() reach {
	if c.frame.runs() {
		return c.frame.running()
	}
	return c.frame.reach()
}

func (c *laneCall) lanes() int {
	if c.frame.runs() {
		return c.acc.lanes()
	}
	return 0
}

func (c *laneCall) eval(w *overWork, carried []*state.I64Column, lanes [][]int64) arrow.Array {
	n := c.acc.lanes()
	c.begin(n)
	rows := rowSet{b: w.batch, n: len(w.slots)}
	c.explode(&c.plus, &rows)
	slides := c.inverts && !c.frame.runs() && c.frame.exclude == planner.ExcludeNoOthers
	if slides {
		rows.w = repeated(-1, rows.n)
		c.explode(&c.minus, &rows)
	}
	for k := range n {
		c.found[k] = resize(c.found[k], len(w.eval))
	}
	out := c.found
	if c.frame.runs() {
		out = lanes
	}
	starts, ends := c.frame.bounds(w)
	for k := range w.segs {
		s := &w.segs[k]
		c.clear()
		from, to := s.lo, s.lo
		if at := s.carry(); c.frame.runs() && at >= 0 && carried != nil {
			for l, col := range c.sum {
				*col.At(0) = *carried[l].At(w.slots[at])
			}
			to = int(ends[at])
		}
		for i := s.a; i < s.b; i++ {
			a, b := int(starts[i]), int(ends[i])
			switch {
			case c.frame.runs():
				c.merge(c.plus, to, b)
			case slides && a < to: // frames that overlap
				c.merge(c.plus, to, b)
				c.merge(c.minus, from, a)
			case !slides && a == from && c.frame.exclude == planner.ExcludeNoOthers && i > s.a:
				c.merge(c.plus, to, b)
			default:
				c.clear()
				pieces, n := c.frame.pieces(w, s, i, a, b)
				for _, p := range pieces[:n] {
					c.merge(c.plus, p[0], p[1])
				}
			}
			from, to = a, b
			at := s.at + i - s.a
			for l, col := range c.sum {
				out[l][at] = *col.At(0)
			}
		}
	}
	return c.acc.finish(out, len(w.eval), w.fail)
}

// begin makes the memory that eval works in.
func (c *laneCall) begin(n int) {
	if c.sum != nil {
		return
	}
	spec := state.Spec{Name: "frame"}
	for range n {
		spec.Value = append(spec.Value, state.ColumnSpec{Kind: state.Int64})
	}
	h := state.NewHash(spec)
	h.FindOrInsert(state.KeyBatch{N: 1}, make([]uint32, 1), nil)
	for l := range n {
		c.sum = append(c.sum, h.I64(l))
	}
	c.one, c.found = make([][]int64, n), make([][]int64, n)
}

func (c *laneCall) clear() {
	for _, col := range c.sum {
		*col.At(0) = 0
	}
}

func (c *laneCall) explode(into *[][]int64, r *rowSet) {
	n := c.acc.lanes()
	if *into == nil {
		*into = make([][]int64, n)
	}
	for l := range n {
		(*into)[l] = make([]int64, r.n) // the accumulator may put other memory in its place
	}
	c.acc.explode(r, *into)
}

// merge adds rows to the frame.
func (c *laneCall) merge(src [][]int64, from, to int) {
	if from >= to {
		return
	}
	for len(c.zeros) < to-from {
		c.zeros = append(c.zeros, 0)
	}
	for l := range src {
		c.one[l] = src[l][from:to]
	}
	c.acc.merge(c.sum, c.zeros[:to-from], c.one)
}
