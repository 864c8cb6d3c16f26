package exec

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// aggGlobal is an aggregation behind the exchange: it merges partial rows into the groups it owns and puts out their changes.
//
// Input:  aggShape's partial rows.
// Output: keys, window bounds (by windows), one column per aggregate. EMIT CHANGES: at an epoch's end the old row with weight -1
//
//	and the new with +1 for each group whose row changed. EMIT ON WINDOW CLOSE: each row once.
//
// State:  one row of lanes per group (and window); the values of aggregates that keep them. A closed window is dropped.
// Errors: an aggregate that overflows rejects its group's row as long as it does.
type aggGlobal struct {
	aggShape
	env     *Env
	out     types.Schema
	changes bool
	worker  int
	// sliced: windows overlap and rows are put out when they close, so there is one table per slice, merged then.
	sliced    bool
	nextClose int64 // no window ends before that is still to be closed
	// plainKeys: equal keys print alike, so those of the input will do for the output.
	plainKeys bool

	plain   *aggTable
	windows *state.Windowed
	tables  map[int64]*aggTable
	closed  int64 // windows whose last time is at or before are closed
	chunks  []aggChunk
	stale   staleGroups

	slots  []uint32
	first  []uint32
	added  []uint32
	src    [][]int64
	lane   [][]int64
	header [][]int64
	byID   map[[2]int64]int
	runs   []aggRun
	failed []failedGroup
}

// aggTable is the groups of one window, or all.
type aggTable struct {
	id   int64
	hash *state.Hash
	cols []*state.I64Column
}

// aggChunk is groups that an epoch touched, with their rows as they were before.
type aggChunk struct {
	t     *aggTable
	slots []uint32
	old   *aggRows      // nil: none had a row
	keys  []arrow.Array // the groups' keys lie in these columns, at rows; nil: only in the table
	rows  []uint32      // nil: all
}

// aggRows are the results of some groups.
type aggRows struct {
	cols []arrow.Array
	has  []bool         // the group has a row
	errs []*types.Error // of groups that have none because an aggregate failed; nil: none failed
}

type failedGroup struct {
	i   int
	err *types.Error
}

// aggRun is the partial rows of one window (and slice) in a batch.
type aggRun struct {
	window, slice int64
	sel           []uint32
}

func newAggGlobal(n *planner.Node, s aggShape, calls []planner.AggCall, emit planner.Emission, env *Env) (*aggGlobal, error) {
	if err := s.build(calls, env); err != nil {
		return nil, err
	}
	if s.slicer != nil {
		own := *s.slicer
		s.slicer = &own
	}
	g := &aggGlobal{aggShape: s, env: env, out: n.Schema, changes: emit == planner.EmitChanges,
		tables: map[int64]*aggTable{}, closed: math.MinInt64, byID: map[[2]int64]int{}}
	g.sliced, g.nextClose = !g.changes && s.closing == byWindows && !s.sides && !s.win.ProcTime && s.slicer.idsFit(), math.MinInt64
	g.plainKeys = len(s.keys) > 0 && onlyOneForm(s.keyTypes)
	if s.ttl > 0 {
		g.lanes++ // the clock of the last change
	}
	g.src, g.lane, g.header = make([][]int64, s.local), make([][]int64, g.lanes), make([][]int64, g.lanes)
	want := len(s.keys) + len(calls)
	if s.slicer != nil {
		want += 2
	}
	if len(n.Schema) != want {
		return nil, types.Errorf(types.CodeInternal, "an aggregation of %d keys and %d aggregates has %d output columns, wanted %d",
			len(s.keys), len(calls), len(n.Schema), want)
	}
	return g, nil
}

func (g *aggGlobal) Open(ctx *OpenContext) error {
	g.worker = ctx.Worker
	if g.closing != neverCloses && !g.win.ProcTime {
		g.closed = lessLateness(ctx.Watermark, g.lateness)
	}
	spec := g.spec()
	var err error
	if spec.Windowed {
		if g.windows, err = ctx.Tables.Windowed("groups", spec); err != nil {
			return err
		}
	} else {
		h, err := ctx.Tables.Hash("groups", spec)
		if err != nil {
			return err
		}
		g.plain = g.newTable(0, h)
	}
	for i := range g.uses {
		if s := g.uses[i].side; s != nil {
			if err := s.open(ctx.Tables, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *aggGlobal) newTable(id int64, h *state.Hash) *aggTable {
	t := &aggTable{id: id, hash: h, cols: make([]*state.I64Column, g.lanes)}
	for i := range t.cols {
		t.cols[i] = h.I64(i)
	}
	return t
}

// table returns the table of a window, made if missing.
func (g *aggGlobal) table(id int64) *aggTable {
	t := g.tables[id]
	if t == nil {
		t = g.newTable(id, g.windows.Window(id))
		g.tables[id] = t
	}
	return t
}

// end is the last time of a window: it closes when the watermark less the lateness reaches it.
func (g *aggGlobal) end(id int64) int64 {
	switch {
	case g.slicer != nil:
		return g.slicer.bound(id)
	case id == nullBucket || id >= math.MaxInt64/closeBucket:
		return math.MaxInt64
	}
	return id*closeBucket + closeBucket - 1
}

func (g *aggGlobal) Process(ctx *Context, _ int, b *changelog.Batch, _ Emit) error {
	if b.Rows() == 0 {
		return nil
	}
	if g.closing == neverCloses {
		return g.merge(b, b.Sel, g.plain)
	}
	for _, r := range g.split(b) {
		if g.sliced {
			if err := g.processSlice(ctx, b, r); err != nil {
				return err
			}
			continue
		}
		last := r.window
		if g.closing == byWindows {
			last = g.slicer.lastEnd(r.slice)
		}
		step := int64(1)
		if g.slicer != nil {
			step = g.slicer.step
		}
		for id := r.window; id <= last; id += step {
			if g.end(id) <= g.closed && id != nullBucket {
				if err := g.tooLate(ctx, b, r.sel, g.end(id)); err != nil {
					return err
				}
				continue
			}
			sel := r.sel
			if g.closing == byKeyValue && id != nullBucket && id <= g.closed/closeBucket {
				var err error
				if sel, err = g.inTime(ctx, b, sel); err != nil {
					return err
				}
				if sel != nil && len(sel) == 0 {
					continue
				}
			}
			if err := g.merge(b, sel, g.table(id)); err != nil {
				return err
			}
		}
	}
	return nil
}

// split divides a batch by window and slice.
func (g *aggGlobal) split(b *changelog.Batch) []aggRun {
	window := words(b.Cols[0])
	slice := window
	if g.ids() > 1 {
		slice = words(b.Cols[1])
	}
	g.runs = g.runs[:0]
	w, s, one := window[0], slice[0], true
	for i := range window {
		if window[i] != w || slice[i] != s {
			one = false
			break
		}
	}
	if one {
		g.runs = append(g.runs, aggRun{w, s, b.Sel})
		return g.runs
	}
	clear(g.byID)
	at := -1
	b.Each(func(row int) {
		if at < 0 || g.runs[at].window != window[row] || g.runs[at].slice != slice[row] {
			key := [2]int64{window[row], slice[row]}
			found, ok := g.byID[key]
			if !ok {
				found = len(g.runs)
				g.byID[key] = found
				g.runs = append(g.runs, aggRun{window: key[0], slice: key[1]})
			}
			at = found
		}
		g.runs[at].sel = append(g.runs[at].sel, uint32(row))
	})
	return g.runs
}

// tooLate rejects partial rows of a window that is closed. The local part has judged all rows that can be late; what comes
// here nevertheless must not bring a window to life again.
func (g *aggGlobal) tooLate(ctx *Context, b *changelog.Batch, sel []uint32, end int64) error {
	sub := b.Select(sel)
	var failed error
	sub.Each(func(row int) {
		if failed != nil {
			return
		}
		failed = ctx.Reject(Rejection{Batch: b, Schema: g.partial, Row: row, Reason: ReasonLate,
			Err: lateError("the end of its window", end, addSat(g.closed, g.lateness)), Weight: b.Weight(row),
			Watermark: changelog.Watermark(addSat(g.closed, g.lateness)), Policy: uint8(g.onLate)})
	})
	return failed
}

// inTime rejects the rows whose closing key is closed already, and returns the others.
func (g *aggGlobal) inTime(ctx *Context, b *changelog.Batch, sel []uint32) ([]uint32, error) {
	values := words(b.Cols[g.keyAt()+g.closeKey])
	var late []uint32
	kept := []uint32{}
	b.Select(sel).Each(func(row int) {
		if values[row] <= g.closed {
			late = append(late, uint32(row))
		} else {
			kept = append(kept, uint32(row))
		}
	})
	if len(late) == 0 {
		return sel, nil
	}
	return kept, g.tooLate(ctx, b, late, g.closed)
}

// merge adds partial rows to a table.
func (g *aggGlobal) merge(b *changelog.Batch, sel []uint32, t *aggTable) error {
	keys := state.KeyBatch{Cols: b.Cols[g.keyAt():g.laneAt()], N: b.N, Sel: sel}
	n := keys.Rows()
	g.slots = resize(g.slots, n)
	g.added = t.hash.FindOrInsert(keys, g.slots, g.added[:0])
	g.first = t.hash.TouchAll(g.slots, g.first[:0])
	if len(g.first) > 0 && (g.changes || !g.appendOnly || g.ttl > 0) {
		c := aggChunk{t: t, slots: append([]uint32(nil), g.first...)}
		if g.changes {
			if len(g.added) < len(g.first) {
				c.old = g.results(t, c.slots)
			}
			if g.plainKeys {
				c.keys, c.rows = keys.Cols, firstRows(g.slots, c.slots, sel)
			}
		}
		g.chunks = append(g.chunks, c)
	}
	for i := range g.src { // after results, which uses the same scratch
		lane := words(b.Cols[g.laneAt()+i])
		if sel != nil {
			g.lane[i] = gatherWords(g.lane[i], lane, sel)
			lane = g.lane[i]
		}
		g.src[i] = lane
	}
	addLane(t.cols[0], g.slots, g.src[0])
	for i := range g.uses {
		u := &g.uses[i]
		if u.acc != nil {
			u.acc.merge(lanesOf(u, t.cols), g.slots, lanesOf(u, g.src))
			continue
		}
		r := sideRun{b: b, sel: sel, n: n, keys: keys, window: t.id, slots: g.slots}
		if err := u.side.update(&r, t.cols[u.at:u.at+u.side.lanes()]); err != nil {
			return err
		}
	}
	return nil
}

// firstRows returns the rows at which each of the slots in first, which are in order, occurs for the first time; nil: all rows.
func firstRows(slots, first, sel []uint32) []uint32 {
	if len(first) == len(slots) {
		return sel
	}
	rows := make([]uint32, 0, len(first))
	for i, s := range slots {
		if len(rows) < len(first) && s == first[len(rows)] {
			row := uint32(i)
			if sel != nil {
				row = sel[i]
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// onlyOneForm reports whether values of the types that are equal print alike.
func onlyOneForm(ts []types.Type) bool {
	for _, t := range ts {
		switch t.Kind {
		case types.Bool, types.Int2, types.Int4, types.Int8, types.Text, types.Bytea, types.Date, types.Time, types.Timestamp, types.TimestampTZ:
		default:
			return false
		}
	}
	return true
}

// results computes the rows of groups.
func (g *aggGlobal) results(t *aggTable, slots []uint32) *aggRows {
	n := len(slots)
	for i := range g.lane {
		g.lane[i] = resize(g.lane[i], n)
		g.header[i] = gatherLane(g.lane[i], t.cols[i], slots)
	}
	out := &aggRows{has: make([]bool, n), cols: make([]arrow.Array, len(g.uses))}
	for i, rows := range g.header[0] {
		out.has[i] = rows > 0 || len(g.keys) == 0 && g.closing == neverCloses
	}
	g.failed = g.failed[:0]
	fail := func(i int, err *types.Error) { g.failed = append(g.failed, failedGroup{i, err}) }
	var groups sideGroups
	for i := range g.uses {
		u := &g.uses[i]
		if u.acc != nil {
			out.cols[i] = u.acc.finish(lanesOf(u, g.header), n, fail)
			continue
		}
		if groups.keys == nil {
			groups = sideGroups{keys: t.hash.Keys(slots), n: n, window: t.id}
			if groups.keys == nil {
				groups.keys = []arrow.Array{}
			}
		}
		out.cols[i] = u.side.finish(&groups, g.header[u.at:u.at+u.side.lanes()], fail)
	}
	for _, f := range g.failed {
		if !out.has[f.i] {
			continue
		}
		if out.errs == nil {
			out.errs = make([]*types.Error, n)
		}
		out.errs[f.i] = f.err
		out.has[f.i] = false
	}
	return out
}

func (g *aggGlobal) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	if len(g.keys) == 0 && g.closing == neverCloses && g.worker == 0 && g.plain.hash.Len() == 0 {
		g.slots = resize(g.slots, 1)
		g.plain.hash.FindOrInsert(state.KeyBatch{N: 1}, g.slots, nil)
		g.plain.hash.Touch(g.slots[0])
		g.chunks = append(g.chunks, aggChunk{t: g.plain, slots: append([]uint32(nil), g.slots...)})
	}
	for i := range g.chunks {
		if err := g.endChunk(ctx, &g.chunks[i], emit); err != nil {
			return 0, err
		}
	}
	clear(g.chunks)
	g.chunks = g.chunks[:0]
	if g.ttl > 0 {
		if err := g.expire(ctx, emit); err != nil {
			return 0, err
		}
	}
	if g.closing != neverCloses {
		if err := g.close(ctx, emit); err != nil {
			return 0, err
		}
	}
	return ctx.Watermark, nil
}

// endChunk puts out what changed, and drops groups that have no rows any more.
func (g *aggGlobal) endChunk(ctx *Context, c *aggChunk, emit Emit) error {
	if g.changes {
		now := g.results(c.t, c.slots)
		if err := g.difference(ctx, c, now, emit); err != nil {
			return err
		}
	}
	if g.ttl > 0 {
		clock := c.t.cols[g.lanes-1]
		for _, s := range c.slots {
			*clock.At(s) = ctx.Clock
		}
	}
	if g.appendOnly || len(g.keys) == 0 && g.closing == neverCloses {
		return nil
	}
	for _, s := range c.slots {
		if *c.t.cols[0].At(s) == 0 {
			c.t.hash.Delete(s)
		}
	}
	return nil
}

// difference emits old rows with weight -1 and new rows with +1 where they differ.
func (g *aggGlobal) difference(ctx *Context, c *aggChunk, now *aggRows, emit Emit) error {
	n := len(c.slots)
	var minus, plus []uint32
	old := c.old
	for i := range n {
		was := old != nil && old.has[i]
		if was && now.has[i] && sameRow(old.cols, now.cols, i) {
			continue
		}
		if was {
			minus = append(minus, uint32(i))
		}
		if now.has[i] {
			plus = append(plus, uint32(i))
		}
	}
	if err := g.rejectGroups(ctx, c, old, now); err != nil {
		return err
	}
	if len(minus)+len(plus) == 0 {
		return nil
	}
	lead := g.lead(c)
	if len(minus) > 0 {
		b := &changelog.Batch{Cols: append(lead[:len(lead):len(lead)], old.cols...), N: n, Weights: repeated(-1, n)}
		emit(selected(b, minus))
	}
	if len(plus) > 0 {
		b := &changelog.Batch{Cols: append(lead[:len(lead):len(lead)], now.cols...), N: n}
		emit(selected(b, plus))
	}
	return nil
}

// selected selects rows, all of them by no selection.
func selected(b *changelog.Batch, sel []uint32) *changelog.Batch {
	if len(sel) == b.N {
		return b
	}
	return b.Select(sel)
}

// rejectGroups notes groups that began to fail or ceased to.
func (g *aggGlobal) rejectGroups(ctx *Context, c *aggChunk, old, now *aggRows) error {
	wasFailing := func(i int) *types.Error {
		if old == nil || old.errs == nil {
			return nil
		}
		return old.errs[i]
	}
	if now.errs == nil && (old == nil || old.errs == nil) {
		return nil
	}
	keys := &changelog.Batch{Cols: g.lead(c), N: len(c.slots)}
	for i := range c.slots {
		was := wasFailing(i)
		var is *types.Error
		if now.errs != nil {
			is = now.errs[i]
		}
		if (was == nil) == (is == nil) {
			continue
		}
		r := Rejection{Batch: keys, Schema: g.keySchema(), Row: i, Reason: ReasonError, Err: is, Weight: 1, Policy: uint8(g.onError)}
		if was != nil {
			r.Err, r.Weight = was, -1
		}
		if err := ctx.Reject(r); err != nil {
			return err
		}
	}
	return nil
}

func (g *aggGlobal) keySchema() types.Schema { return g.out[:len(g.out)-len(g.uses)] }

// lead returns the output columns before the aggregates.
func (g *aggGlobal) lead(c *aggChunk) []arrow.Array {
	t, slots := c.t, c.slots
	var cols []arrow.Array
	switch {
	case c.keys == nil:
		cols = t.hash.Keys(slots)
	case c.rows == nil:
		cols = c.keys
	default:
		for _, k := range c.keys {
			cols = append(cols, changelog.TakeArray(k, c.rows))
		}
	}
	if g.slicer == nil {
		return cols
	}
	start, end := g.slicer.bound(g.slicer.first(t.id)), g.slicer.bound(t.id)
	at := len(g.keys)
	return append(cols[:len(cols):len(cols)],
		int64Array(g.out[at].Type, repeated(start, len(slots)), nil),
		int64Array(g.out[at+1].Type, repeated(end, len(slots)), nil))
}

// limit returns the last time of the windows that are to be closed.
func (g *aggGlobal) limit(ctx *Context) int64 {
	w := int64(ctx.Watermark)
	if g.win.ProcTime && ctx.Watermark != changelog.MaxWatermark {
		w = ctx.Clock
	}
	return lessLateness(changelog.Watermark(w), g.lateness)
}

// lessLateness is the last time of the windows that a watermark closes.
func lessLateness(w changelog.Watermark, lateness int64) int64 {
	if w == changelog.MaxWatermark || w == changelog.MinWatermark {
		return int64(w)
	}
	return subSat(int64(w), lateness)
}

// close drops the windows that the watermark has passed, after putting out their rows if they are wanted then.
func (g *aggGlobal) close(ctx *Context, emit Emit) error {
	limit := g.limit(ctx)
	if g.sliced {
		return g.closeSliced(ctx, limit, emit)
	}
	g.closed = max(g.closed, limit)
	var done []int64
	for _, id := range g.windows.Windows() {
		if id == nullBucket {
			continue
		}
		if g.end(id) > limit {
			break // the order of the ids is that of the ends
		}
		done = append(done, id)
	}
	for _, id := range done {
		if t := g.table(id); !g.changes || g.sides {
			if err := g.closeTable(ctx, t, t.hash.Slots(nil), emit); err != nil {
				return err
			}
		}
		g.dropWindow(id)
	}
	if err := g.closePart(ctx, limit, emit); err != nil {
		return err
	}
	if limit == int64(changelog.MaxWatermark) && g.closing == byKeyValue && !g.changes {
		if h := g.windows.Lookup(nullBucket); h != nil {
			if err := g.closeTable(ctx, g.table(nullBucket), h.Slots(nil), emit); err != nil {
				return err
			}
			g.dropWindow(nullBucket)
		}
	}
	if g.win.ProcTime && g.slicer != nil && ctx.Timer != nil {
		next := int64(math.MaxInt64)
		for _, id := range g.windows.Windows() {
			next = min(next, g.end(id))
		}
		if next != math.MaxInt64 {
			ctx.Timer(addSat(next, g.lateness))
		}
	}
	return nil
}

func (g *aggGlobal) dropWindow(id int64) {
	for i := range g.uses {
		if s := g.uses[i].side; s != nil {
			s.dropWindow(id)
		}
	}
	g.windows.Drop(id)
	delete(g.tables, id)
}

// closePart puts out and drops the groups that the limit has passed of the one table it has passed in part. With EMIT CHANGES there
// is nothing to put out, and they wait for the rest of the table.
func (g *aggGlobal) closePart(ctx *Context, limit int64, emit Emit) error {
	if g.closing != byKeyValue || g.changes || limit == math.MinInt64 {
		return nil
	}
	h := g.windows.Lookup(floorDiv(limit, closeBucket))
	if h == nil || floorDiv(limit, closeBucket) == nullBucket {
		return nil
	}
	slots := h.Slots(nil)
	if len(slots) == 0 {
		return nil
	}
	ends := words(h.Keys(slots)[g.closeKey])
	done := slots[:0]
	for i, s := range slots {
		if ends[i] <= limit {
			done = append(done, s)
		}
	}
	if err := g.closeTable(ctx, g.table(floorDiv(limit, closeBucket)), done, emit); err != nil {
		return err
	}
	for _, s := range done {
		h.Delete(s)
	}
	return nil
}

func (g *aggGlobal) closeTable(ctx *Context, t *aggTable, slots []uint32, emit Emit) error {
	for from := 0; from < len(slots); from += g.env.batchRows() {
		part := slots[from:min(len(slots), from+g.env.batchRows())]
		if !g.changes {
			now := g.results(t, part)
			if err := g.difference(ctx, &aggChunk{t: t, slots: part}, now, emit); err != nil {
				return err
			}
		}
		if g.sides {
			groups := sideGroups{keys: t.hash.Keys(part), n: len(part), window: t.id}
			for i := range g.uses {
				if s := g.uses[i].side; s != nil {
					s.drop(&groups)
				}
			}
		}
	}
	return nil
}

func (g *aggGlobal) Close() error { return nil }

// sameRow reports whether row i of both results prints alike.
func sameRow(a, b []arrow.Array, i int) bool {
	for c := range a {
		if !sameValue(a[c], b[c], i) {
			return false
		}
	}
	return true
}

func sameValue(a, b arrow.Array, i int) bool {
	if an, bn := a.IsNull(i), b.IsNull(i); an || bn {
		return an == bn
	}
	switch x := a.(type) {
	case *array.Int64:
		return x.Value(i) == b.(*array.Int64).Value(i)
	case *array.Float64:
		return math.Float64bits(x.Value(i)) == math.Float64bits(b.(*array.Float64).Value(i))
	case *array.Float32:
		return math.Float32bits(x.Value(i)) == math.Float32bits(b.(*array.Float32).Value(i))
	}
	return array.SliceEqual(a, int64(i), int64(i+1), b, int64(i), int64(i+1))
}
