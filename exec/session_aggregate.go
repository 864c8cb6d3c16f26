package exec

import (
	"math"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// sessionAgg aggregates sessions of append-only input by aggregates that are kept in lanes. Sessions that a row joins are merged.
//
// Input:  partial rows: keys, time, watermark of the row, lanes.
// Output: keys, window_start, window_end, one column per aggregate; EMIT CHANGES takes back sessions that grew or merged.
// State:  one row of lanes per open session.
type sessionAgg struct {
	sessionSpec
	aggShape aggShape
	env      *Env
	out      types.Schema
	changes  bool

	sessions *sessionTable
	cols     []*state.I64Column // lanes
	closed   int64
	old      oldSessions
	header   [][]int64
	one      []uint32
	single   [][]int64
}

// oldSessions are sessions as they were put out, which an epoch changed.
type oldSessions struct {
	keys  []byte // session keys one after the other
	ends  []int  // of each in keys
	last  []int64
	lanes [][]int64
}

func lowerSessionAgg(n *planner.Node, op *planner.WindowAggregate, spec sessionSpec, shape aggShape, env *Env) (*Lowered, error) {
	own := shape
	own.uses, own.partial, own.keyTypes = nil, nil, nil
	if err := own.build(op.Aggs, env); err != nil { // accumulators of its own for the local part
		return nil, err
	}
	g := &sessionAgg{sessionSpec: spec, aggShape: shape, env: env, out: n.Schema, changes: op.Emit == planner.EmitChanges, closed: math.MinInt64}
	g.header, g.single = make([][]int64, shape.lanes), make([][]int64, shape.lanes)
	g.one = []uint32{0}
	g.old.lanes = make([][]int64, shape.lanes)
	partial := types.Schema{}
	cols := make([]int, len(op.Keys))
	for i, k := range op.Keys {
		partial = append(partial, spec.in[k])
		cols[i] = i
	}
	partial = append(partial, types.Field{Name: "time", Type: types.Int8Type, NotNull: true}, types.Field{Name: "watermark", Type: types.Int8Type, NotNull: true})
	for _, name := range laneNames(shape.lanes) {
		partial = append(partial, types.Field{Name: name, Type: types.Int8Type, NotNull: true})
	}
	local := &sessionLocal{sessionSpec: spec}
	local.build = func(r *rowSet, times []int64) *changelog.Batch {
		lanes := make([][]int64, own.lanes)
		for i := range lanes {
			lanes[i] = make([]int64, r.n)
		}
		fillWeights(lanes[0], r.w)
		for i := range own.uses {
			own.uses[i].acc.explode(r, lanesOf(&own.uses[i], lanes))
		}
		wm := repeated(math.MinInt64, r.n)
		if spec.rowWM >= 0 {
			wm = gatherWords(nil, watermarks(r.b.Cols[spec.rowWM]), r.rows)
		}
		out := &changelog.Batch{N: r.n, Cols: takeCols(r.b, op.Keys, r.rows)}
		for _, lane := range append([][]int64{times, wm}, lanes...) {
			out.Cols = append(out.Cols, int64Array(types.Int8Type, lane, nil))
		}
		return out
	}
	return &Lowered{Local: local, Partial: partial, Global: g, Dists: []Distribution{byKeys(cols)}}, nil
}

func (g *sessionAgg) Open(ctx *OpenContext) (err error) {
	if !g.win.ProcTime {
		g.closed = lessLateness(ctx.Watermark, g.lateness)
	}
	g.sessions, err = openSessions(ctx.Tables, "sessions", &g.sessionSpec, g.aggShape.keyTypes, laneNames(g.aggShape.lanes))
	if err != nil {
		return err
	}
	g.cols = make([]*state.I64Column, g.aggShape.lanes)
	for i := range g.cols {
		g.cols[i] = g.sessions.table.I64(i + 1)
	}
	return nil
}

func (g *sessionAgg) Process(ctx *Context, _ int, b *changelog.Batch, _ Emit) error {
	nk := len(g.keys)
	times, wms := words(b.Cols[nk]), words(b.Cols[nk+1])
	lanes := make([][]int64, g.aggShape.lanes)
	for i := range lanes {
		lanes[i] = words(b.Cols[nk+2+i])
	}
	s := g.sessions
	s.group.Reset(b.Cols[:nk])
	var failed error
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		if g.end(times[row]) <= g.closed {
			failed = ctx.Reject(Rejection{Batch: b, Schema: g.localSchema(), Row: row, Reason: ReasonLate,
				Err: lateError("the end of its session", g.end(times[row]), addSat(g.closed, g.lateness)), Weight: 1,
				Watermark: changelog.Watermark(addSat(g.closed, g.lateness)), Policy: uint8(g.onLate)})
			return
		}
		s.prefix = s.group.Append(s.prefix[:0], row)
		g.add(times[row], wms[row], lanes, row)
	})
	return failed
}

func (g *sessionAgg) localSchema() types.Schema {
	s := g.out[:len(g.keys):len(g.keys)]
	s = append(s, types.Field{Name: "time", Type: types.Int8Type}, types.Field{Name: "watermark", Type: types.Int8Type})
	for _, name := range laneNames(g.aggShape.lanes) {
		s = append(s, types.Field{Name: name, Type: types.Int8Type})
	}
	return s
}

// add takes one partial row into the session it makes, joins or merges. The key is in sessions.prefix.
func (g *sessionAgg) add(at, wm int64, lanes [][]int64, row int) {
	s := g.sessions
	before, after := s.joins(at, wm)
	target := before
	switch {
	case before != state.NoSlot && after != state.NoSlot:
		g.touch(before)
		g.touch(after)
		last := *s.last.At(after)
		g.mergeSlot(before, after)
		s.table.Delete(after)
		*s.last.At(before) = max(*s.last.At(before), last)
	case before != state.NoSlot:
		g.touch(before)
		*s.last.At(before) = max(*s.last.At(before), at)
	case after != state.NoSlot:
		// The start is part of the key: the session moves.
		g.touch(after)
		last := *s.last.At(after)
		for i, c := range g.cols {
			g.header[i] = append(g.header[i][:0], *c.At(after))
		}
		s.table.Delete(after)
		target = s.insert(at, last)
		s.table.Touch(target)
		for i, c := range g.cols {
			*c.At(target) = g.header[i][0]
		}
	default:
		target = s.insert(at, at)
		s.table.Touch(target)
		for _, c := range g.cols {
			*c.At(target) = 0
		}
	}
	for i := range lanes {
		g.single[i] = lanes[i][row : row+1]
	}
	g.mergeLanes(target, g.single)
}

func (g *sessionAgg) mergeSlot(into, from uint32) {
	for i, c := range g.cols {
		g.header[i] = append(g.header[i][:0], *c.At(from))
	}
	g.mergeLanes(into, g.header)
}

func (g *sessionAgg) mergeLanes(slot uint32, src [][]int64) {
	g.one[0] = slot
	addLane(g.cols[0], g.one, src[0])
	for i := range g.aggShape.uses {
		u := &g.aggShape.uses[i]
		u.acc.merge(lanesOf(u, g.cols), g.one, lanesOf(u, src))
	}
}

// touch marks a session changed and keeps what was put out of it.
func (g *sessionAgg) touch(slot uint32) {
	s := g.sessions
	if !s.table.Touch(slot) || !g.changes {
		return
	}
	g.old.keys = append(g.old.keys, s.table.Key(slot)...)
	g.old.ends = append(g.old.ends, len(g.old.keys))
	g.old.last = append(g.old.last, *s.last.At(slot))
	for i, c := range g.cols {
		g.old.lanes[i] = append(g.old.lanes[i], *c.At(slot))
	}
}

func (g *sessionAgg) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	s := g.sessions
	if g.changes {
		if err := g.difference(ctx, emit); err != nil {
			return 0, err
		}
	}
	limit := g.limit(ctx)
	g.closed = max(g.closed, limit)
	done := s.due(limit)
	if !g.changes {
		for from := 0; from < len(done); from += g.env.batchRows() {
			b, err := g.batch(ctx, done[from:min(len(done), from+g.env.batchRows())], 1)
			if err != nil {
				return 0, err
			}
			if b.Rows() > 0 {
				emit(b)
			}
		}
	}
	for _, slot := range done {
		s.table.Delete(slot)
	}
	if g.win.ProcTime && ctx.Timer != nil {
		if next := s.next(); next != math.MaxInt64 {
			ctx.Timer(addSat(next, g.lateness))
		}
	}
	return ctx.Watermark, nil
}

// difference emits the old rows of changed sessions with weight -1 and their new rows, consolidated.
func (g *sessionAgg) difference(ctx *Context, emit Emit) error {
	var parts []*changelog.Batch
	if n := len(g.old.last); n > 0 {
		b, err := g.rows(ctx, n, func(i int) []byte {
			from := 0
			if i > 0 {
				from = g.old.ends[i-1]
			}
			return g.old.keys[from:g.old.ends[i]]
		}, g.old.last, g.old.lanes, -1)
		if err != nil {
			return err
		}
		parts = append(parts, b)
		g.old.keys, g.old.ends, g.old.last = g.old.keys[:0], g.old.ends[:0], g.old.last[:0]
		for i := range g.old.lanes {
			g.old.lanes[i] = g.old.lanes[i][:0]
		}
	}
	if changed := g.sessions.table.Changed(nil); len(changed) > 0 {
		b, err := g.batch(ctx, changed, 1)
		if err != nil {
			return err
		}
		parts = append(parts, b)
	}
	for _, b := range changelog.Consolidate(g.out, parts) {
		if b.Rows() > 0 {
			emit(b)
		}
	}
	return nil
}

// batch returns the rows of sessions.
func (g *sessionAgg) batch(ctx *Context, slots []uint32, weight int64) (*changelog.Batch, error) {
	last := make([]int64, len(slots))
	gatherLane(last, g.sessions.last, slots)
	lanes := make([][]int64, len(g.cols))
	for i, c := range g.cols {
		lanes[i] = gatherLane(make([]int64, len(slots)), c, slots)
	}
	return g.rows(ctx, len(slots), func(i int) []byte { return g.sessions.table.Key(slots[i]) }, last, lanes, weight)
}

// rows returns the output of n sessions; those whose aggregate fails are not selected but rejected.
func (g *sessionAgg) rows(ctx *Context, n int, key func(i int) []byte, last []int64, lanes [][]int64, weight int64) (*changelog.Batch, error) {
	nk := len(g.keys)
	builders := changelog.NewBuilders(append(g.aggShape.keyTypes[:nk:nk], types.Int8Type))
	ends := make([]int64, n)
	for i := range n {
		mustDecode(g.sessions.whole, key(i), builders)
		ends[i] = g.end(last[i])
	}
	b := &changelog.Batch{N: n}
	for _, k := range builders[:nk] {
		b.Cols = append(b.Cols, k.NewArray())
	}
	starts := words(builders[nk].NewArray())
	b.Cols = append(b.Cols, int64Array(g.out[nk].Type, starts, nil), int64Array(g.out[nk+1].Type, ends, nil))
	lead := b.Cols
	failed := map[int]*types.Error{}
	fail := func(i int, err *types.Error) { failed[i] = err }
	for i := range g.aggShape.uses {
		u := &g.aggShape.uses[i]
		b.Cols = append(b.Cols, u.acc.finish(lanesOf(u, lanes), n, fail))
	}
	if weight != 1 {
		b.Weights = repeated(weight, n)
	}
	if len(failed) == 0 {
		return b, nil
	}
	keys := &changelog.Batch{Cols: lead[: nk+2 : nk+2], N: n}
	sel := make([]uint32, 0, n)
	for i := range n {
		if failed[i] == nil {
			sel = append(sel, uint32(i))
			continue
		}
		err := ctx.Reject(Rejection{Batch: keys, Schema: g.out[:nk+2], Row: i, Reason: ReasonError, Err: failed[i], Weight: weight, Policy: uint8(g.onError)})
		if err != nil {
			return nil, err
		}
	}
	return b.Select(sel), nil
}

func (g *sessionAgg) Close() error { return nil }
