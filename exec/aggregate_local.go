package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// aggLocal is an aggregation before the exchange: it puts rows into their windows, judges late ones, and adds up what it can
// group by group over an epoch, so that few partial rows go on. Where that does not pay (most groups are new), or where
// aggregates need the values themselves, each row becomes a partial row of its own.
//
// Input:  the node's. Rows whose time is NULL or out of range are rejected; rows that are late for all their windows too, rows
//
//	late for some are recorded as late and count in the others.
//
// Output: aggShape's partial rows, one window (and slice) per batch.
type aggLocal struct {
	aggShape
	env     *Env
	groups  map[[2]int64]*localGroups // by window and slice
	order   []*localGroups            // those of this epoch, in order of their first row
	touched []*localGroups            // those of this batch
	free    []*localGroups
	last    *localGroups
	held    int // groups not sent yet
	carries []int

	dense   denseGroups
	mixed   mixedRows
	slots   []uint32
	added   []uint32
	lane    [][]int64 // scratch
	header  [][]int64
	w       []int64
	rowset  rowSet
	through int // rows still to be passed through before grouping is tried again
}

// localGroups are the groups of one window (and slice) in an epoch.
type localGroups struct {
	window, slice int64
	from, to      int64 // the slice's bounds
	limit         int64 // a row whose watermark is at or above it needs a closer look
	hash          *state.Hash
	cols          []*state.I64Column
	rows          int64 // taken in
	sel           []uint32
	selAll        bool
}

const (
	maxLocalGroups = 1 << 16 // groups held before they are sent on in the middle of an epoch
	minLocalRows   = 64      // of one window in a batch, to be worth grouping
	tryAgainRows   = 1 << 19
)

func newAggLocal(s aggShape, calls []planner.AggCall, env *Env) (*aggLocal, error) {
	if err := s.build(calls, env); err != nil {
		return nil, err
	}
	if s.slicer != nil {
		own := *s.slicer
		s.slicer = &own
	}
	l := &aggLocal{aggShape: s, env: env, groups: map[[2]int64]*localGroups{}, carries: s.carried()}
	l.lane, l.header = make([][]int64, s.local), make([][]int64, s.local)
	return l, nil
}

func (l *aggLocal) Process(ctx *Context, b *changelog.Batch, emit Emit) error {
	if b.Rows() == 0 {
		return nil
	}
	l.touched = l.touched[:0]
	if err := l.assign(ctx, b); err != nil {
		return err
	}
	l.mixed.reset()
	for _, g := range l.touched {
		if !g.selAll && g.hash == nil && len(g.sel) < minLocalRows {
			// Few rows of many windows go on in one batch.
			l.mixed.add(g)
			g.sel = g.sel[:0]
			continue
		}
		sel := g.sel
		if g.selAll {
			sel = b.Sel
		}
		l.take(b, g, sel, emit)
		g.sel, g.selAll = g.sel[:0], false
	}
	if n := len(l.mixed.rows); n > 0 {
		r := rowSet{b: b, rows: l.mixed.rows, n: n}
		if b.Weights != nil {
			r.w = gatherWords(nil, b.Weights, r.rows)
		}
		l.passRows(&r, append([]int64(nil), l.mixed.windows...), append([]int64(nil), l.mixed.slices...), emit)
	}
	return nil
}

// mixedRows are rows of several windows.
type mixedRows struct {
	rows            []uint32
	windows, slices []int64
}

func (m *mixedRows) reset() { m.rows, m.windows, m.slices = m.rows[:0], m.windows[:0], m.slices[:0] }

func (m *mixedRows) add(g *localGroups) {
	m.rows = append(m.rows, g.sel...)
	for range g.sel {
		m.windows, m.slices = append(m.windows, g.window), append(m.slices, g.slice)
	}
}

func (l *aggLocal) takeAll(g *localGroups) {
	g.selAll = true
	l.touched = append(l.touched, g)
}

func (l *aggLocal) takeRow(g *localGroups, row int) {
	if len(g.sel) == 0 {
		l.touched = append(l.touched, g)
	}
	g.sel = append(g.sel, uint32(row))
}

// at returns the groups of a window and slice.
func (l *aggLocal) at(window, slice int64) *localGroups {
	key := [2]int64{window, slice}
	if g, ok := l.groups[key]; ok {
		return g
	}
	var g *localGroups
	if n := len(l.free); n > 0 {
		g, l.free = l.free[n-1], l.free[:n-1]
		*g = localGroups{sel: g.sel[:0]}
	} else {
		g = &localGroups{}
	}
	g.window, g.slice = window, slice
	l.groups[key] = g
	l.order = append(l.order, g)
	return g
}

// assign puts each selected row into the selection of its window.
func (l *aggLocal) assign(ctx *Context, b *changelog.Batch) error {
	switch l.closing {
	case neverCloses:
		l.takeAll(l.at(0, 0))
		return nil
	case byKeyValue:
		return l.assignKey(ctx, b)
	}
	if l.win.Time < 0 {
		k, err := l.slicer.slice(ctx.Clock)
		if err != nil {
			return err
		}
		if e, ok := l.slicer.firstEnd(k); ok {
			l.takeAll(l.at(e, l.sliceID(k)))
		}
		return nil
	}
	t := newTimes(l.win, b, ctx.Clock)
	var wm []int64
	if l.rowWM >= 0 {
		wm = watermarks(b.Cols[l.rowWM])
	}
	if t.valid.bits == nil && b.Sel == nil && l.allInOne(t.values, wm) {
		l.takeAll(l.last)
		return nil
	}
	g := l.last
	if g == nil {
		g = &localGroups{from: 1}
	}
	var failed error
	step := func(row int) {
		v := t.values[row]
		if v >= g.from && v < g.to && (wm == nil || wm[row] < g.limit) && !t.valid.null(row) {
			l.takeRow(g, row)
			return
		}
		if failed != nil {
			return
		}
		h, err := l.place(ctx, b, &t, wm, row)
		if err != nil {
			failed = err
		} else if h != nil {
			g = h
			l.takeRow(g, row)
		}
	}
	if b.Sel == nil {
		for row := range b.N {
			step(row)
		}
	} else {
		for _, row := range b.Sel {
			step(int(row))
		}
	}
	return failed
}

func (l *aggLocal) sliceID(k int64) int64 {
	if l.closing == byWindows {
		return k
	}
	return 0
}

// allInOne reports whether all times lie in the window found last and none is late.
func (l *aggLocal) allInOne(values, wm []int64) bool {
	g := l.last
	if g == nil || len(values) == 0 {
		return false
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	if lo < g.from || hi >= g.to {
		return false
	}
	for _, w := range wm {
		if w >= g.limit {
			return false
		}
	}
	return true
}

// place finds the window of a row that is not in the one found last: nil if the row is left out.
func (l *aggLocal) place(ctx *Context, b *changelog.Batch, t *times, wm []int64, row int) (*localGroups, error) {
	k, err := t.slice(l.slicer, row)
	if err != nil {
		return nil, reject(ctx, b, l.in, row, asError(err), l.onError)
	}
	e, ok := l.slicer.firstEnd(k)
	if !ok {
		return nil, nil
	}
	late := false
	if wm != nil {
		limit := subSat(wm[row], l.lateness)
		if bound := l.slicer.bound(e); bound <= limit {
			late = true
			var some bool
			first := e
			if e, some = l.slicer.firstEndAfter(k, limit); !some {
				e = l.slicer.lastEnd(k)
			}
			n, all := (e-first)/l.slicer.step, (l.slicer.lastEnd(k)-first)/l.slicer.step+1
			if !some {
				n = all
			}
			cause := lateError("the end of its window", bound, wm[row])
			if all > 1 {
				cause = types.Errorf(types.CodeDatetimeOverflow, "late for %d of %d windows: the watermark %s has passed the end of the first, %s",
					n, all, formatTime(wm[row]), formatTime(bound))
			}
			if err := ctx.Reject(Rejection{Batch: b, Schema: l.in, Row: row, Reason: ReasonLate, Err: cause, Weight: b.Weight(row),
				Watermark: changelog.Watermark(wm[row]), Policy: uint8(l.onLate)}); err != nil || !some {
				return nil, err
			}
		}
	}
	g := l.at(e, l.sliceID(k))
	if !late {
		g.from, g.to = l.slicer.bound(k), l.slicer.bound(k+1)
		g.limit = addSat(l.slicer.bound(e), l.lateness)
		l.last = g
		return g, nil
	}
	return g, nil
}

// assignKey puts rows into groups by the value of the closing key.
func (l *aggLocal) assignKey(ctx *Context, b *changelog.Batch) error {
	c := b.Cols[l.keys[l.closeKey]]
	values, valid := words(c), validityOf(c)
	var wm []int64
	if l.rowWM >= 0 {
		wm = watermarks(b.Cols[l.rowWM])
	}
	var g *localGroups
	var failed error
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		bucket := int64(nullBucket)
		if !valid.null(row) {
			v := values[row]
			bucket = floorDiv(v, closeBucket)
			if wm != nil && v <= subSat(wm[row], l.lateness) {
				failed = ctx.Reject(Rejection{Batch: b, Schema: l.in, Row: row, Reason: ReasonLate,
					Err: lateError("the end of its group", v, wm[row]), Weight: b.Weight(row),
					Watermark: changelog.Watermark(wm[row]), Policy: uint8(l.onLate)})
				return
			}
		}
		if g == nil || g.window != bucket {
			g = l.at(bucket, 0)
		}
		l.takeRow(g, row)
	})
	return failed
}

// take adds the rows of a batch that are in one window.
func (l *aggLocal) take(b *changelog.Batch, g *localGroups, sel []uint32, emit Emit) {
	r := &l.rowset
	*r = rowSet{b: b, rows: sel, n: b.N}
	if sel != nil {
		r.n = len(sel)
	}
	if b.Weights != nil {
		r.w = b.Weights
		if sel != nil {
			l.w = gatherWords(l.w, b.Weights, sel)
			r.w = l.w
		}
	}
	if l.sides || l.through > 0 {
		l.through = max(0, l.through-r.n)
		l.pass(g, r, emit)
		return
	}
	l.open(g)
	before := g.hash.Len()
	dense := l.denseKeys(b)
	lo, width, ok := int64(0), 0, false
	if dense != nil {
		lo, width, ok = span(dense, r)
	}
	switch {
	case len(l.keys) == 0:
		l.onlyGroup(g, r)
	case ok && l.local == 1:
		l.countDense(g, r, dense, lo, width)
	case ok:
		l.slotsDense(g, r, dense, lo, width)
	default:
		l.slots = resize(l.slots, r.n)
		l.added = g.hash.FindOrInsert(state.KeyBatch{Cols: l.keyCols(b), N: b.N, Sel: sel}, l.slots, l.added[:0])
	}
	if l.local > 1 || !ok {
		l.accumulate(g, r)
	}
	fresh := g.hash.Len() - before
	g.rows += int64(r.n)
	if fresh > r.n/2 && r.n >= 1024 {
		l.through = tryAgainRows
	}
	if l.held += fresh; l.held >= maxLocalGroups {
		for _, g := range l.order {
			l.send(g, emit)
		}
		l.held = 0
	}
}

// onlyGroup puts all rows into the one group that there is without keys.
func (l *aggLocal) onlyGroup(g *localGroups, r *rowSet) {
	var slot [1]uint32
	g.hash.FindOrInsert(state.KeyBatch{N: 1}, slot[:], nil)
	l.slots = resize(l.slots, r.n)
	for i := range l.slots {
		l.slots[i] = slot[0]
	}
}

// accumulate adds the rows to the groups in l.slots.
func (l *aggLocal) accumulate(g *localGroups, r *rowSet) {
	if r.w == nil {
		col := g.cols[0]
		for _, s := range l.slots {
			*col.At(s)++
		}
	} else {
		addLane(g.cols[0], l.slots, r.w)
	}
	for i := range l.lane {
		l.lane[i] = resize(l.lane[i], r.n)
		l.header[i] = l.lane[i]
	}
	l.explode(r, l.header)
	for i := range l.uses {
		u := &l.uses[i]
		u.acc.merge(lanesOf(u, g.cols), l.slots, lanesOf(u, l.header))
	}
}

func (l *aggLocal) keyCols(b *changelog.Batch) []arrow.Array {
	cols := make([]arrow.Array, len(l.keys))
	for i, k := range l.keys {
		cols[i] = b.Cols[k]
	}
	return cols
}

// explode fills the lanes after the first.
func (l *aggLocal) explode(r *rowSet, lanes [][]int64) {
	for i := range l.uses {
		if u := &l.uses[i]; u.acc != nil {
			u.acc.explode(r, lanesOf(u, lanes))
		}
	}
}

func (l *aggLocal) open(g *localGroups) {
	if g.hash != nil {
		return
	}
	spec := l.spec()
	if spec.Windowed {
		spec.Windowed, spec.Key = false, spec.Key[1:]
	}
	g.hash = state.NewHash(spec)
	g.cols = make([]*state.I64Column, l.local)
	for i := range g.cols {
		g.cols[i] = g.hash.I64(i)
	}
}

// pass sends each row as a partial row.
func (l *aggLocal) pass(g *localGroups, r *rowSet, emit Emit) {
	l.passRows(r, repeated(g.window, r.n), repeated(g.slice, r.n), emit)
}

// passRows sends each row as a partial row of its window.
func (l *aggLocal) passRows(r *rowSet, windows, slices []int64, emit Emit) {
	lanes := make([][]int64, l.local)
	block := make([]int64, l.local*r.n)
	for i := range lanes {
		lanes[i] = block[i*r.n : (i+1)*r.n : (i+1)*r.n]
	}
	fillWeights(lanes[0], r.w)
	l.explode(r, lanes)
	take := func(c arrow.Array) arrow.Array {
		if r.rows == nil {
			return c
		}
		return changelog.TakeArray(c, r.rows)
	}
	keys := make([]arrow.Array, len(l.keys))
	for i, k := range l.keys {
		keys[i] = take(r.b.Cols[k])
	}
	out := l.partialBatch(windows, slices, keys, lanes, r.n)
	for _, c := range l.carries {
		out.Cols = append(out.Cols, take(r.b.Cols[c]))
	}
	if l.sides && r.w != nil {
		out.Weights = append([]int64(nil), r.w...)
	}
	emit(out)
}

func (l *aggLocal) partialBatch(windows, slices []int64, keys []arrow.Array, lanes [][]int64, n int) *changelog.Batch {
	out := &changelog.Batch{N: n, Cols: make([]arrow.Array, 0, len(l.partial))}
	for i := range l.ids() {
		out.Cols = append(out.Cols, int64Array(types.Int8Type, [...][]int64{windows, slices}[i], nil))
	}
	out.Cols = append(out.Cols, keys...)
	for _, lane := range lanes {
		out.Cols = append(out.Cols, int64Array(types.Int8Type, lane, nil))
	}
	return out
}

// send emits the groups of a window as partial rows and forgets them.
func (l *aggLocal) send(g *localGroups, emit Emit) {
	if g.hash == nil || g.hash.Len() == 0 {
		return
	}
	slots := g.hash.Slots(l.slots[:0])
	l.slots = slots
	for from := 0; from < len(slots); from += l.env.batchRows() {
		part := slots[from:min(len(slots), from+l.env.batchRows())]
		lanes := make([][]int64, l.local)
		for i := range lanes {
			lanes[i] = gatherLane(make([]int64, len(part)), g.cols[i], part)
		}
		n := len(part)
		emit(l.partialBatch(repeated(g.window, n), repeated(g.slice, n), g.hash.Keys(part), lanes, n))
	}
	g.hash, g.cols = nil, nil
}

// gatherLane reads a lane of slots.
func gatherLane(dst []int64, col *state.I64Column, slots []uint32) []int64 {
	for i, s := range slots {
		dst[i] = *col.At(s)
	}
	return dst
}

func (l *aggLocal) Flush(_ *Context, emit Emit) error {
	for _, g := range l.order {
		l.send(g, emit)
	}
	l.free = append(l.free, l.order...)
	l.order, l.last, l.held = l.order[:0], nil, 0
	clear(l.groups)
	return nil
}
