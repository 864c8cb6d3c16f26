package exec

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
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

// frameCall computes any aggregate by aggregating every frame that differs from the one before, in the order of its rows.
type frameCall struct {
	frame *overFrame
	call  planner.AggCall
	node  *planner.Node
	agg   *expr.Aggregate
	env   *Env
	in    types.Schema
	cols  []int
	count bool
}

// maxExpanded is about how many rows of frames are aggregated at a time.
const maxExpanded = 1 << 18

func newFrameCall(call *planner.AggCall, agg *expr.Aggregate, f *overFrame, in types.Schema, env *Env) (overCall, error) {
	c := &frameCall{frame: f, call: *call, agg: agg, env: env, in: in}
	schema := types.Schema{{Name: "frame", Type: types.Int8Type, NotNull: true}, {Name: "row", Type: types.Int8Type, NotNull: true}}
	inner := planner.AggCall{Fn: call.Fn, Filter: -1, T: call.T, OrderBy: []planner.SortKey{{Col: 1}}}
	if agg.Kind == expr.ApproxCountDistinct {
		inner.OrderBy = nil
	}
	for _, a := range call.Args {
		inner.Args = append(inner.Args, len(schema))
		schema, c.cols = append(schema, in[a]), append(c.cols, a)
	}
	if call.Filter >= 0 {
		inner.Filter = len(schema)
		schema, c.cols = append(schema, in[call.Filter]), append(c.cols, call.Filter)
	}
	t := call.T
	if agg.Kind == expr.Min || agg.Kind == expr.Max || agg.Kind == expr.AnyValue || agg.Kind == expr.FirstValue || agg.Kind == expr.LastValue {
		t = in[call.Args[0]].Type
	}
	inner.T = t
	input := &planner.Node{Op: &planner.Values{}, Schema: schema, Props: planner.Props{AppendOnly: true, RowWatermark: -1}}
	c.node = &planner.Node{Op: &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{inner}, Close: -1, RowWatermark: -1},
		Inputs: []*planner.Node{input}, Schema: types.Schema{schema[0], {Name: "value", Type: t}}}
	c.count = agg.Kind == expr.Count || agg.Kind == expr.CountStar || agg.Kind == expr.ApproxCountDistinct
	_, err := NewOperator(c.node, env)
	return c, err
}

func (c *frameCall) reach() reach { return c.frame.reach() }
func (*frameCall) lanes() int     { return 0 }

func (c *frameCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	starts, ends := c.frame.bounds(w)
	at := make([]int, len(w.eval)) // by computed row: its frame's number
	var rows []uint32
	var ids []int64
	frames := 0
	var values []arrow.Array // of frames, by number
	place := map[int]frameValue{}
	fail := map[int]*types.Error{}
	flush := func() {
		if len(rows) == 0 {
			return
		}
		c.aggregate(w, rows, ids, fail, func(id int, value arrow.Array, row int) {
			place[id] = frameValue{len(values) - 1, row}
		}, &values)
		rows, ids = nil, nil
	}
	for k := range w.segs {
		s := &w.segs[k]
		last := [2]int{-1, -1}
		for i := s.a; i < s.b; i++ {
			a, b := int(starts[i]), int(ends[i])
			if now := [2]int{a, b}; now != last || c.frame.exclude != planner.ExcludeNoOthers {
				if len(rows) > maxExpanded {
					flush()
				}
				last = now
				frames++
				pieces, n := c.frame.pieces(w, s, i, a, b)
				for _, p := range pieces[:n] {
					for j := p[0]; j < p[1]; j++ {
						rows, ids = append(rows, uint32(j)), append(ids, int64(frames-1))
					}
				}
			}
			at[s.at+i-s.a] = frames - 1
		}
	}
	flush()
	none := c.none()
	p := &picker{g: changelog.NewGather(none.DataType(), len(w.eval)), dt: none.DataType()}
	for i, f := range at {
		if err := fail[f]; err != nil {
			w.fail(i, err)
			p.null()
		} else if v, ok := place[f]; ok {
			p.pick(values[v.array], v.row)
		} else {
			p.pick(none, 0)
		}
	}
	return p.finish()
}

// frameValue is where the value of a frame is.
type frameValue struct{ array, row int }

// none is the value of a frame without rows.
func (c *frameCall) none() arrow.Array {
	b := changelog.NewBuilder(c.node.Schema[1].Type)
	if c.count {
		return int64Array(types.Int8Type, []int64{0}, nil)
	}
	b.AppendNull()
	return b.NewArray()
}

// aggregate aggregates rows by the numbers of their frames.
func (c *frameCall) aggregate(w *overWork, rows []uint32, ids []int64, fail map[int]*types.Error, found func(id int, value arrow.Array, row int), values *[]arrow.Array) {
	op, err := NewOperator(c.node, c.env)
	if err == nil {
		err = op.Open(&OpenContext{Workers: 1, Tables: scratchTables{}, Watermark: changelog.MinWatermark})
	}
	order := make([]int64, len(rows))
	for i := range order {
		order[i] = int64(i)
	}
	b := &changelog.Batch{N: len(rows), Cols: []arrow.Array{int64Array(types.Int8Type, ids, nil), int64Array(types.Int8Type, order, nil)}}
	for _, col := range c.cols {
		b.Cols = append(b.Cols, changelog.TakeArray(w.cols[col], rows))
	}
	ctx := &Context{Watermark: changelog.MinWatermark, Timer: func(int64) {}, Reject: func(r Rejection) error {
		fail[int(words(r.Batch.Cols[0])[r.Row])] = r.Err
		return nil
	}}
	emit := func(b *changelog.Batch) {
		*values = append(*values, b.Cols[1])
		ids := words(b.Cols[0])
		b.Each(func(row int) { found(int(ids[row]), b.Cols[1], row) })
	}
	if err == nil {
		err = op.Process(ctx, 0, b, emit)
	}
	if err == nil {
		_, err = op.EndEpoch(ctx, emit)
	}
	if err != nil {
		panic(fmt.Sprintf("exec: aggregating frames: %v", err))
	}
}

// scratchTables gives tables that are forgotten.
type scratchTables struct{}

func (scratchTables) Hash(_ string, spec state.Spec) (*state.Hash, error) {
	return state.NewHash(spec), nil
}

func (scratchTables) Windowed(_ string, spec state.Spec) (*state.Windowed, error) {
	return state.NewWindowed(spec), nil
}

func (scratchTables) Ordered(_ string, spec state.Spec) (*state.Ordered, error) {
	return state.NewOrdered(spec), nil
}

func (scratchTables) Multi(_ string, spec state.MultiSpec) (*state.Multi, error) {
	return state.NewMulti(spec), nil
}
