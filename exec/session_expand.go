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

// sessionRows puts each row out with the window of its session. Where a session grows, merges or, when rows are taken back, shrinks
// or splits, its rows are taken back and put out again.
//
// Input:  the rows and their time as one more column; any weights.
// Output: the input's columns, window_start, window_end, window_time. EMIT ON WINDOW CLOSE: each row once.
// State:  the rows of open sessions, each with how it was put out last; the sessions.
type sessionRows struct {
	sessionSpec
	env     *Env
	out     types.Schema
	changes bool

	sessions *sessionTable
	outStart *state.I64Column // bounds with which the session's rows were put out last
	outLast  *state.I64Column
	isOut    *state.I64Column // 1: they were

	rows     *state.Ordered // (keys, time, all columns)
	count    *state.I64Column
	outCount *state.I64Column // the weight with which the row was put out last, and its bounds
	rowStart *state.I64Column
	rowLast  *state.I64Column
	whole    *changelog.Encoder
	values   *changelog.Encoder // the columns behind keys and time
	group    *changelog.Encoder
	all      []types.Type
	closed   int64
	key      []byte
	bound    []arrow.Array

	minus, plus *expandedOut
}

// newSessionRows makes the two parts of the operator.
func newSessionRows(out types.Schema, spec sessionSpec, env *Env) *Lowered {
	g := &sessionRows{sessionSpec: spec, env: env, out: out, changes: spec.emit == planner.EmitChanges, closed: math.MinInt64}
	partial := append(spec.in[:len(spec.in):len(spec.in)], types.Field{Name: "time", Type: types.Int8Type, NotNull: true})
	local := &sessionLocal{sessionSpec: spec}
	local.build = func(r *rowSet, times []int64) *changelog.Batch {
		b := &changelog.Batch{N: r.n, Weights: r.w, Cols: takeCols(r.b, allColumns(spec.in), r.rows)}
		b.Cols = append(b.Cols, int64Array(types.Int8Type, times, nil))
		return b
	}
	return &Lowered{Local: local, Partial: partial, Global: g, Dists: []Distribution{byKeys(spec.keys)}}
}

func (g *sessionRows) Open(ctx *OpenContext) (err error) {
	if !g.win.ProcTime {
		g.closed = lessLateness(ctx.Watermark, g.lateness)
	}
	keyTypes := keyTypesOf(g.in, g.keys)
	g.sessions, err = openSessions(ctx.Tables, "sessions", &g.sessionSpec, keyTypes, []string{"out start", "out last", "is out"})
	if err != nil {
		return err
	}
	s := g.sessions.table
	g.outStart, g.outLast, g.isOut = s.I64(1), s.I64(2), s.I64(3)
	nk := len(keyTypes)
	g.all = append(keyTypes[:nk:nk], types.Int8Type)
	orders := make([]changelog.Order, nk+1)
	for _, f := range g.in {
		g.all = append(g.all, f.Type)
		orders = append(orders, changelog.Order{Exact: true})
	}
	g.whole = changelog.NewEncoder(g.all, orders)
	g.values = changelog.NewEncoder(g.all[nk+1:], orders[nk+1:])
	g.group = changelog.NewEncoder(keyTypes, nil)
	spec := state.Spec{Key: g.all, Order: orders, Dist: nk}
	for _, name := range []string{"count", "out count", "out start", "out last"} {
		spec.Value = append(spec.Value, state.ColumnSpec{Name: name, Kind: state.Int64})
	}
	if g.rows, err = ctx.Tables.Ordered("rows", spec); err != nil {
		return err
	}
	g.count, g.outCount, g.rowStart, g.rowLast = g.rows.I64(0), g.rows.I64(1), g.rows.I64(2), g.rows.I64(3)
	return nil
}

func (g *sessionRows) Process(ctx *Context, _ int, b *changelog.Batch, _ Emit) error {
	times := words(b.Cols[len(g.in)])
	var wms []int64
	if g.rowWM >= 0 {
		wms = watermarks(b.Cols[g.rowWM])
	}
	g.bound = g.bound[:0]
	for _, k := range g.keys {
		g.bound = append(g.bound, b.Cols[k])
	}
	g.group.Reset(g.bound)
	g.bound = append(g.bound, b.Cols[len(g.in)])
	g.bound = append(g.bound, b.Cols[:len(g.in)]...)
	g.whole.Reset(g.bound)
	var failed error
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		at, wm := times[row], int64(math.MinInt64)
		if wms != nil {
			wm = wms[row]
		}
		if g.end(at) <= g.closed {
			failed = ctx.Reject(Rejection{Batch: b.With(b.Cols[:len(g.in)]), Schema: g.in, Row: row, Reason: ReasonLate,
				Err: lateError("the end of its session", g.end(at), addSat(g.closed, g.lateness)), Weight: b.Weight(row),
				Watermark: changelog.Watermark(addSat(g.closed, g.lateness)), Policy: uint8(g.onLate)})
			return
		}
		g.sessions.prefix = g.group.Append(g.sessions.prefix[:0], row)
		g.key = g.whole.Append(g.key[:0], row)
		slot, added := g.rows.Insert(g.key)
		if added {
			*g.count.At(slot), *g.outCount.At(slot) = 0, 0
		}
		g.rows.Touch(slot)
		count := g.count.At(slot)
		before := *count
		*count += b.Weight(row)
		switch {
		case before <= 0 && *count > 0:
			g.appear(at, wm)
		case before > 0 && *count <= 0:
			g.vanish(at)
		}
	})
	return failed
}

// appear takes a time into the sessions of the key in sessions.prefix.
func (g *sessionRows) appear(at, wm int64) {
	s := g.sessions
	before, after := s.joins(at, wm)
	switch {
	case before != state.NoSlot && after != state.NoSlot:
		last := *s.last.At(after)
		s.table.Delete(after)
		s.table.Touch(before)
		*s.last.At(before) = max(*s.last.At(before), last)
	case before != state.NoSlot:
		if last := s.last.At(before); at > *last {
			s.table.Touch(before)
			*last = at
		}
	case after != state.NoSlot:
		last := *s.last.At(after)
		s.table.Delete(after)
		g.newSession(at, last)
	default:
		g.newSession(at, at)
	}
}

func (g *sessionRows) newSession(start, last int64) {
	slot := g.sessions.insert(start, last)
	g.sessions.table.Touch(slot)
	*g.isOut.At(slot) = 0
}

// vanish takes a time out of the sessions of the key in sessions.prefix, if no row has it any more.
func (g *sessionRows) vanish(at int64) {
	s := g.sessions
	key := appendInt64(append([]byte(nil), s.prefix...), at)
	if c := g.present(g.rows.Seek(key), true); c.Valid() && c.HasPrefix(key) {
		return
	}
	slot, _ := s.around(at)
	if slot == state.NoSlot {
		return
	}
	start, last := s.start(slot), *s.last.At(slot)
	if at > last {
		return
	}
	prev, next := int64(math.MinInt64), int64(math.MaxInt64)
	if c := g.present(g.rows.SeekBefore(key), false); c.Valid() && c.HasPrefix(s.prefix) {
		if t := int64At(c.Key()[len(s.prefix):]); t >= start {
			prev = t
		}
	}
	if c := g.present(g.rows.Seek(key), true); c.Valid() && c.HasPrefix(s.prefix) {
		if t := int64At(c.Key()[len(s.prefix):]); t <= last {
			next = t
		}
	}
	switch {
	case prev == math.MinInt64 && next == math.MaxInt64:
		s.table.Delete(slot)
	case prev == math.MinInt64:
		s.table.Delete(slot)
		g.newSession(next, last)
	case next == math.MaxInt64:
		g.shrink(slot, prev)
	case next-prev >= s.gap:
		g.shrink(slot, prev)
		g.newSession(next, last)
	}
}

func (g *sessionRows) shrink(slot uint32, last int64) {
	s := g.sessions
	s.table.Touch(slot)
	*s.last.At(slot) = last
	s.push(slot)
}

// present moves a cursor on to a row that is there.
func (g *sessionRows) present(c state.Cursor, forward bool) state.Cursor {
	for c.Valid() && *g.count.At(c.Slot()) <= 0 {
		if forward {
			c.Next()
		} else {
			c.Prev()
		}
	}
	return c
}

func (g *sessionRows) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	s := g.sessions
	g.minus, g.plus = g.newOut(emit), g.newOut(emit)
	nk := len(g.keys)
	if g.changes {
		for _, slot := range s.table.Changed(nil) {
			start, last := s.start(slot), *s.last.At(slot)
			if *g.isOut.At(slot) != 0 && *g.outStart.At(slot) == start && *g.outLast.At(slot) == last {
				continue
			}
			*g.isOut.At(slot), *g.outStart.At(slot), *g.outLast.At(slot) = 1, start, last
			g.eachRow(slot, func(row uint32) { g.refresh(row, start, last) })
		}
	}
	for _, row := range g.rows.Changed(nil) {
		count := *g.count.At(row)
		if g.changes {
			start, last := int64(0), int64(0)
			if count > 0 {
				key := g.rows.Key(row)
				n := prefixLen(g.group, key, nk)
				s.prefix = append(s.prefix[:0], key[:n]...)
				slot, _ := s.around(int64At(key[n:]))
				start, last = s.start(slot), *s.last.At(slot)
			}
			g.refresh(row, start, last)
		}
		if count == 0 {
			g.rows.Delete(row)
		}
	}
	g.minus.flush()
	g.plus.flush()

	limit := g.limit(ctx)
	g.closed = max(g.closed, limit)
	var gone []uint32
	for _, slot := range s.due(limit) {
		start, last := s.start(slot), *s.last.At(slot)
		gone = gone[:0]
		g.eachRow(slot, func(row uint32) {
			if !g.changes {
				g.plus.add(g.rows.Key(row), start, last, *g.count.At(row))
			}
			gone = append(gone, row)
		})
		for _, row := range gone {
			g.rows.Delete(row)
		}
		s.table.Delete(slot)
	}
	g.plus.flush()
	if g.win.ProcTime && ctx.Timer != nil {
		if next := s.next(); next != math.MaxInt64 {
			ctx.Timer(addSat(next, g.lateness))
		}
	}
	return ctx.Watermark, nil
}

// eachRow calls f for the rows of a session that are there.
func (g *sessionRows) eachRow(slot uint32, f func(row uint32)) {
	s := g.sessions
	last := *s.last.At(slot)
	from := s.table.Key(slot)
	prefix := append([]byte(nil), from[:len(from)-9]...)
	for c := g.rows.Seek(append([]byte(nil), from...)); c.Valid() && c.HasPrefix(prefix); c.Next() {
		if int64At(c.Key()[len(prefix):]) > last {
			return
		}
		if *g.count.At(c.Slot()) > 0 {
			f(c.Slot())
		}
	}
}

// refresh puts out the difference between a row as it was put out last and as it is.
func (g *sessionRows) refresh(row uint32, start, last int64) {
	count := max(*g.count.At(row), 0)
	was, wasStart, wasLast := *g.outCount.At(row), *g.rowStart.At(row), *g.rowLast.At(row)
	if was == count && (count == 0 || wasStart == start && wasLast == last) {
		return
	}
	g.rows.Touch(row)
	key := g.rows.Key(row)
	if was > 0 {
		g.minus.add(key, wasStart, wasLast, -was)
	}
	if count > 0 {
		g.plus.add(key, start, last, count)
	}
	*g.outCount.At(row), *g.rowStart.At(row), *g.rowLast.At(row) = count, start, last
}

func (g *sessionRows) Close() error { return nil }

// prefixLen returns how long the first n columns of an encoded row are.
func prefixLen(enc *changelog.Encoder, key []byte, n int) int {
	rest, err := enc.Skip(key, n)
	if err != nil {
		panic("exec: state of a session does not decode: " + err.Error())
	}
	return len(key) - len(rest)
}

// expandedOut builds batches of rows with their window.
type expandedOut struct {
	g        *sessionRows
	emit     Emit
	builders []array.Builder
	start    []int64
	end      []int64
	weights  []int64
	ones     bool
}

func (g *sessionRows) newOut(emit Emit) *expandedOut {
	return &expandedOut{g: g, emit: emit}
}

func (o *expandedOut) add(key []byte, start, last, weight int64) {
	if o.builders == nil {
		o.builders = changelog.NewBuilders(o.g.all[len(o.g.keys)+1:])
		o.start, o.end, o.weights, o.ones = nil, nil, nil, true
	}
	n := prefixLen(o.g.group, key, len(o.g.keys)) + 9
	mustDecode(o.g.values, key[n:], o.builders)
	o.start, o.end, o.weights = append(o.start, start), append(o.end, o.g.end(last)), append(o.weights, weight)
	o.ones = o.ones && weight == 1
	if len(o.weights) >= o.g.env.batchRows() {
		o.flush()
	}
}

func (o *expandedOut) flush() {
	if len(o.weights) == 0 {
		return
	}
	b := &changelog.Batch{N: len(o.weights)}
	if !o.ones {
		b.Weights = o.weights
	}
	for _, x := range o.builders {
		b.Cols = append(b.Cols, x.NewArray())
	}
	times := make([]int64, len(o.end))
	for i, e := range o.end {
		times[i] = e - 1
	}
	t := o.g.out[len(o.g.out)-1].Type
	b.Cols = append(b.Cols, int64Array(t, o.start, nil), int64Array(t, o.end, nil), int64Array(t, times, nil))
	o.builders, o.weights = nil, nil
	o.emit(b)
}
