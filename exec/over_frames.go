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

// frameCall computes any aggregate with an Aggregate operator, in the order of the frame's rows: every frame as a group of its own, or,
// where frames are long and overlap, one group that rows enter and leave from frame to frame.
type frameCall struct {
	frame *overFrame
	env   *Env
	cols  []int // input columns of the operator's rows, behind the number of the frame and that of the row
	count bool  // the value of no rows is 0
	t     types.Type
	node  *planner.Node // groups by frame
	slide *planner.Node // groups that change
}

// maxExpanded is about how many rows of frames are aggregated at a time.
const maxExpanded = 1 << 18

func newFrameCall(call *planner.AggCall, agg *expr.Aggregate, f *overFrame, in types.Schema, env *Env) (overCall, error) {
	c := &frameCall{frame: f, env: env, t: call.T}
	schema := types.Schema{{Name: "frame", Type: types.Int8Type, NotNull: true}, {Name: "row", Type: types.Int8Type, NotNull: true}}
	inner := planner.AggCall{Fn: call.Fn, Filter: -1, OrderBy: []planner.SortKey{{Col: 1}}}
	if !agg.Ordered {
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
	switch agg.Kind {
	case expr.Min, expr.Max, expr.AnyValue, expr.FirstValue, expr.LastValue:
		c.t = in[call.Args[0]].Type // in the argument's storage
	case expr.Count, expr.CountStar, expr.ApproxCountDistinct, expr.RegrCount:
		c.count = true
	}
	inner.T = c.t
	node := func(appendOnly bool) *planner.Node {
		input := &planner.Node{Op: &planner.Values{}, Schema: schema, Props: planner.Props{AppendOnly: appendOnly, RowWatermark: -1}}
		return &planner.Node{Op: &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{inner}, Close: -1, RowWatermark: -1},
			Inputs: []*planner.Node{input}, Schema: types.Schema{schema[0], {Name: "value", Type: c.t}}}
	}
	c.node, c.slide = node(true), node(false)
	_, err := NewOperator(c.node, env)
	return c, err
}

func (c *frameCall) reach() reach { return c.frame.reach() }
func (*frameCall) lanes() int     { return 0 }

func (c *frameCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	starts, ends := c.frame.bounds(w)
	f := &frameWork{c: c, w: w, of: make([]int, len(w.eval))}
	for k := range w.segs {
		s := &w.segs[k]
		total, n := 0, 0
		for i := s.a; i < s.b; i++ {
			total, n = total+int(ends[i]-starts[i]), n+1
		}
		if c.frame.exclude == planner.ExcludeNoOthers && total > n*max(c.env.batchRows()/1024, 2) { // from 32 rows a frame on
			f.slide(s, starts, ends)
		} else {
			f.expand(s, starts, ends)
		}
	}
	f.flush()
	none := c.none()
	p := &picker{g: changelog.NewGather(none.DataType(), len(w.eval)), dt: none.DataType()}
	for i, id := range f.of {
		switch v := &f.values[id]; {
		case v.err != nil:
			w.fail(i, v.err)
			p.null()
		case v.from != nil:
			p.pick(v.from, v.row)
		default:
			p.pick(none, 0)
		}
	}
	return p.finish()
}

// none is the value of a frame without rows.
func (c *frameCall) none() arrow.Array {
	if c.count {
		return int64Array(types.Int8Type, []int64{0}, nil)
	}
	b := changelog.NewBuilder(c.t)
	b.AppendNull()
	return b.NewArray()
}

// frameWork is the frames of a work.
type frameWork struct {
	c      *frameCall
	w      *overWork
	of     []int        // by computed row: its frame
	values []frameValue // by frame

	rows []uint32 // of frames that are to be aggregated
	ids  []int64
}

// frameValue is what a frame gives: a place in a column, an error, or nothing if it has no rows.
type frameValue struct {
	from arrow.Array
	row  int
	err  *types.Error
}

// expand notes the rows of every frame of a stretch that differs from the one before.
func (f *frameWork) expand(s *overSegment, starts, ends []int32) {
	last := [2]int{-1, -1}
	for i := s.a; i < s.b; i++ {
		a, b := int(starts[i]), int(ends[i])
		if now := [2]int{a, b}; now != last || f.c.frame.exclude != planner.ExcludeNoOthers {
			if len(f.rows) > maxExpanded {
				f.flush()
			}
			last = now
			pieces, n := f.c.frame.pieces(f.w, s, i, a, b)
			for _, p := range pieces[:n] {
				for j := p[0]; j < p[1]; j++ {
					f.rows, f.ids = append(f.rows, uint32(j)), append(f.ids, int64(len(f.values)))
				}
			}
			f.values = append(f.values, frameValue{})
		}
		f.of[s.at+i-s.a] = len(f.values) - 1
	}
}

// flush aggregates the rows that were noted.
func (f *frameWork) flush() {
	if len(f.rows) == 0 {
		return
	}
	op, _ := f.c.open(f.c.node)
	emit := func(b *changelog.Batch) {
		ids := words(b.Cols[0])
		b.Each(func(row int) { f.values[ids[row]] = frameValue{from: b.Cols[1], row: row} })
	}
	reject := func(r Rejection) error {
		f.values[words(r.Batch.Cols[0])[r.Row]].err = r.Err
		return nil
	}
	f.c.step(op, f.batch(f.rows, f.ids), emit, reject)
	f.rows, f.ids = f.rows[:0], f.ids[:0]
}

// slide computes the frames of a stretch by what enters and leaves from one to the next.
func (f *frameWork) slide(s *overSegment, starts, ends []int32) {
	op, tables := f.c.open(f.c.slide)
	from, to := s.lo, s.lo
	var now frameValue
	emit := func(b *changelog.Batch) {
		b.Each(func(row int) {
			if b.Weight(row) > 0 {
				now = frameValue{from: b.Cols[1], row: row}
			} else if now.err == nil {
				now = frameValue{} // a new value follows, if there is one
			}
		})
	}
	reject := func(r Rejection) error {
		if now.err = nil; r.Weight > 0 {
			now = frameValue{err: r.Err}
		}
		return nil
	}
	var rows []uint32
	var weights []int64
	for i := s.a; i < s.b; i++ {
		a, b := int(starts[i]), int(ends[i])
		rows, weights = rows[:0], nil
		note := func(x, y int, w int64) {
			for ; x < y; x++ {
				rows, weights = append(rows, uint32(x)), append(weights, w)
			}
		}
		note(from, min(a, to), -1)
		note(max(a, to), b, 1)
		from, to = a, max(b, to)
		if len(rows) > 0 {
			x := f.batch(rows, make([]int64, len(rows)))
			x.Weights = weights
			f.c.step(op, x, emit, reject)
			for _, t := range tables.list {
				t.Discard()
			}
			f.values = append(f.values, now)
		} else if i == s.a {
			f.values = append(f.values, now)
		}
		f.of[s.at+i-s.a] = len(f.values) - 1
	}
}

// batch makes a batch of the operator's rows.
func (f *frameWork) batch(rows []uint32, ids []int64) *changelog.Batch {
	order := make([]int64, len(rows))
	for i, row := range rows {
		order[i] = int64(row)
	}
	b := &changelog.Batch{N: len(rows), Cols: []arrow.Array{int64Array(types.Int8Type, ids, nil), int64Array(types.Int8Type, order, nil)}}
	for _, col := range f.c.cols {
		b.Cols = append(b.Cols, changelog.TakeArray(f.w.cols[col], rows))
	}
	return b
}

// open makes an operator whose state is forgotten.
func (c *frameCall) open(n *planner.Node) (Operator, *scratchTables) {
	tables := &scratchTables{}
	op, err := NewOperator(n, c.env)
	if err == nil {
		err = op.Open(&OpenContext{Workers: 1, Tables: tables, Watermark: changelog.MinWatermark})
	}
	if err != nil {
		panic(fmt.Sprintf("exec: aggregating frames: %v", err))
	}
	return op, tables
}

// step gives an operator an epoch with one batch.
func (c *frameCall) step(op Operator, b *changelog.Batch, emit Emit, reject func(Rejection) error) {
	ctx := &Context{Watermark: changelog.MinWatermark, Timer: func(int64) {}, Reject: reject}
	err := op.Process(ctx, 0, b, emit)
	if err == nil {
		_, err = op.EndEpoch(ctx, emit)
	}
	if err != nil {
		panic(fmt.Sprintf("exec: aggregating frames: %v", err))
	}
}

// scratchTables gives tables that are forgotten.
type scratchTables struct{ list []state.Table }

func scratch[T state.Table](s *scratchTables, t T) (T, error) {
	s.list = append(s.list, t)
	return t, nil
}

func (s *scratchTables) Hash(_ string, spec state.Spec) (*state.Hash, error) {
	return scratch(s, state.NewHash(spec))
}

func (s *scratchTables) Windowed(_ string, spec state.Spec) (*state.Windowed, error) {
	return scratch(s, state.NewWindowed(spec))
}

func (s *scratchTables) Ordered(_ string, spec state.Spec) (*state.Ordered, error) {
	return scratch(s, state.NewOrdered(spec))
}

func (s *scratchTables) Multi(_ string, spec state.MultiSpec) (*state.Multi, error) {
	return scratch(s, state.NewMulti(spec))
}
