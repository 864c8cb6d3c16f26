package exec

import (
	"container/heap"
	"fmt"
	"math"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// A session of a key is rows of which each but the first lies less than the gap after another; its window is [first time,
// last time + gap). A row whose watermark has reached the end (plus the allowed lateness) of its own window [t, t+gap) is late. A
// session whose end the row's watermark has reached is sealed for the row: it does not join it, though it may lie within
// the gap, so that it does not matter whether the epoch that closes the session has ended yet. The times of rows that are
// not late are above those of all sessions that are sealed for them, so sessions never interleave.

// sessionSpec is what all parts of a session operator know.
type sessionSpec struct {
	in       types.Schema
	win      planner.Window
	keys     []int
	lateness int64
	rowWM    int
	emit     planner.Emission
	onLate   planner.Policy
	onError  planner.Policy
}

func (s *sessionSpec) check() error {
	if s.win.Size <= 0 || s.win.Size > math.MaxInt64/8 {
		return types.Errorf(types.CodeInvalidParameter, "session gap must be positive and not too long, found %s", formatDuration(s.win.Size))
	}
	if s.win.ProcTime {
		s.rowWM = -1
	}
	return nil
}

// end is the end of a session whose last row has that time.
func (s *sessionSpec) end(last int64) int64 { return addSat(last, s.win.Size) }

// limit returns the time at or before which sessions end that are to be closed.
func (s *sessionSpec) limit(ctx *Context) int64 {
	w := int64(ctx.Watermark)
	if s.win.ProcTime && ctx.Watermark != changelog.MaxWatermark {
		w = ctx.Clock
	}
	return lessLateness(changelog.Watermark(w), s.lateness)
}

func lowerSession(n *planner.Node, op *planner.WindowAggregate, s *aggShape, env *Env) (*Lowered, error) {
	spec := sessionSpec{in: s.in, win: op.Window, keys: op.Keys, lateness: op.Lateness, rowWM: op.RowWatermark, emit: op.Emit,
		onLate: op.OnLate, onError: op.OnError}
	if err := spec.check(); err != nil {
		return nil, err
	}
	shape := *s
	if err := shape.build(op.Aggs, env); err != nil {
		return nil, err
	}
	if s.appendOnly && !shape.sides {
		return lowerSessionAgg(n, op, spec, shape, env)
	}
	return lowerSessionRows(n, op, spec, env)
}

// lowerSessionRows aggregates sessions whose rows have to be kept: SessionExpand with an Aggregate behind it.
func lowerSessionRows(n *planner.Node, op *planner.WindowAggregate, spec sessionSpec, env *Env) (*Lowered, error) {
	width := len(spec.in)
	t := n.Schema[len(op.Keys)].Type
	expanded := &planner.Node{Op: &planner.SessionExpand{}, Inputs: n.Inputs}
	expanded.Schema = append(spec.in[:width:width], types.Field{Name: "window_start", Type: t}, types.Field{Name: "window_end", Type: t},
		types.Field{Name: "window_time", Type: t})
	expanded.Props = planner.Props{AppendOnly: op.Emit == planner.EmitOnClose && n.Inputs[0].Props.AppendOnly, RowWatermark: -1}
	keys := append(op.Keys[:len(op.Keys):len(op.Keys)], width, width+1)
	group := *n
	group.Inputs = []*planner.Node{expanded}
	group.Op = &planner.Aggregate{Keys: keys, Aggs: op.Aggs, Close: len(keys) - 1, CloseLag: op.Lateness, Emit: op.Emit, RowWatermark: -1,
		OnError: op.OnError}
	behind, err := lowerRouted(&group, group.Op.(*planner.Aggregate), len(op.Keys), env)
	if err != nil {
		return nil, err
	}
	low := newSessionRows(expanded.Schema, spec, env)
	low.Global = &chain{first: low.Global, second: Join(behind), procTime: spec.win.ProcTime}
	return low, nil
}

func lowerSessionExpand(n *planner.Node, op *planner.SessionExpand, env *Env) (*Lowered, error) {
	spec := sessionSpec{in: n.Inputs[0].Schema, win: op.Window, keys: op.Partition, lateness: op.Lateness, rowWM: op.RowWatermark,
		emit: op.Emit, onLate: op.OnLate, onError: op.OnError}
	if err := spec.check(); err != nil {
		return nil, err
	}
	return newSessionRows(n.Schema, spec, env), nil
}

// chain is two operators as one.
type chain struct {
	first, second Operator
	procTime      bool
}

func (c *chain) Open(ctx *OpenContext) error {
	if err := c.first.Open(ctx); err != nil {
		return err
	}
	return c.second.Open(ctx)
}

func (c *chain) Process(ctx *Context, in int, b *changelog.Batch, emit Emit) error {
	var inner error
	if err := c.first.Process(ctx, in, b, c.into(ctx, emit, &inner)); err != nil {
		return err
	}
	return inner
}

func (c *chain) into(ctx *Context, emit Emit, err *error) Emit {
	return func(b *changelog.Batch) {
		if *err == nil {
			*err = c.second.Process(ctx, 0, b, emit)
		}
	}
}

func (c *chain) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	var inner error
	w, err := c.first.EndEpoch(ctx, c.into(ctx, emit, &inner))
	if err != nil {
		return 0, err
	}
	if inner != nil {
		return 0, inner
	}
	below := *ctx
	below.Watermark = w
	if c.procTime && w != changelog.MaxWatermark {
		below.Watermark = changelog.Watermark(ctx.Clock) // sessions by processing time close by it
	}
	if _, err := c.second.EndEpoch(&below, emit); err != nil {
		return 0, err
	}
	return w, nil
}

func (c *chain) Close() error {
	err := c.first.Close()
	if e := c.second.Close(); err == nil {
		err = e
	}
	return err
}

// sessionLocal judges the rows of a batch before the exchange: it leaves out late ones and those without a time, and appends the
// time as a column of its own. build makes what goes on from the rows that stay.
type sessionLocal struct {
	sessionSpec
	build func(r *rowSet, times []int64) *changelog.Batch
	rows  []uint32
}

func (l *sessionLocal) Process(ctx *Context, b *changelog.Batch, emit Emit) error {
	t := newTimes(l.win, b, ctx.Clock)
	var wm []int64
	if l.rowWM >= 0 {
		wm = watermarks(b.Cols[l.rowWM])
	}
	l.rows = l.rows[:0]
	var at []int64
	var failed error
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		v, err := sessionTime(&t, l.win.Size, row)
		if err != nil {
			failed = reject(ctx, b, l.in, row, err, l.onError)
			return
		}
		if wm != nil && l.end(v) <= subSat(wm[row], l.lateness) {
			failed = ctx.Reject(Rejection{Batch: b, Schema: l.in, Row: row, Reason: ReasonLate,
				Err: lateError("the end of its session", l.end(v), wm[row]), Weight: b.Weight(row),
				Watermark: changelog.Watermark(wm[row]), Policy: uint8(l.onLate)})
			return
		}
		l.rows, at = append(l.rows, uint32(row)), append(at, v)
	})
	if failed != nil || len(l.rows) == 0 {
		return failed
	}
	r := &rowSet{b: b, rows: l.rows, n: len(l.rows)}
	if b.Weights != nil {
		r.w = gatherWords(nil, b.Weights, l.rows)
	}
	emit(l.build(r, at))
	return nil
}

func (l *sessionLocal) Flush(*Context, Emit) error { return nil }

// sessionTime returns the time of a row; its session must fit in the range of timestamps.
func sessionTime(t *times, gap int64, row int) (int64, *types.Error) {
	v := t.clock
	if t.values != nil {
		if t.valid.null(row) {
			return 0, types.Errorf(types.CodeNullNotAllowed, "the time of a window must not be null")
		}
		v = t.values[row]
	}
	switch {
	case v == types.TimestampPosInf || v == types.TimestampNegInf:
		return 0, types.Errorf(types.CodeDatetimeOverflow, "infinite timestamp is in no window")
	case v < minTimestamp || v > types.TimestampPosInf-1-2*gap:
		return 0, types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range: a session around it has no bounds")
	}
	return v, nil
}

// sessionTable is the sessions of all keys, ordered by key and start, with the place where each ends.
type sessionTable struct {
	table    *state.Ordered
	last     *state.I64Column
	gap      int64
	lateness int64
	group    *changelog.Encoder // the key columns
	whole    *changelog.Encoder // the key columns and the start
	ends     endHeap
	prefix   []byte
	key      []byte
}

// openSessions opens the table with its last time in value column 0 and further word columns.
func openSessions(tables Tables, name string, spec *sessionSpec, keyTypes []types.Type, more []string) (*sessionTable, error) {
	key := append(keyTypes[:len(keyTypes):len(keyTypes)], types.Int8Type)
	s := state.Spec{Key: key, Dist: len(keyTypes), Value: []state.ColumnSpec{{Name: "last", Kind: state.Int64}}}
	for _, m := range more {
		s.Value = append(s.Value, state.ColumnSpec{Name: m, Kind: state.Int64})
	}
	table, err := tables.Ordered(name, s)
	if err != nil {
		return nil, err
	}
	t := &sessionTable{table: table, last: table.I64(0), gap: spec.win.Size, lateness: spec.lateness,
		group: changelog.NewEncoder(keyTypes, nil), whole: changelog.NewEncoder(key, nil)}
	for c := table.First(); c.Valid(); c.Next() {
		t.ends = append(t.ends, sessionEnd{addSat(*t.last.At(c.Slot()), t.gap), c.Slot()})
	}
	heap.Init(&t.ends)
	return t, nil
}

// startKey returns the key of a session of the key in prefix.
func (t *sessionTable) startKey(start int64) []byte {
	t.key = append(t.key[:0], t.prefix...)
	t.key = appendInt64(t.key, start)
	return t.key
}

// appendInt64 appends an integer as changelog.Encoder does: a NOT NULL mark, then big-endian with the sign flipped.
func appendInt64(dst []byte, v int64) []byte {
	u := uint64(v) ^ 1<<63
	return append(dst, 1, byte(u>>56), byte(u>>48), byte(u>>40), byte(u>>32), byte(u>>24), byte(u>>16), byte(u>>8), byte(u))
}

// int64At reads what appendInt64 wrote.
func int64At(b []byte) int64 {
	_ = b[8]
	u := uint64(b[1])<<56 | uint64(b[2])<<48 | uint64(b[3])<<40 | uint64(b[4])<<32 | uint64(b[5])<<24 | uint64(b[6])<<16 | uint64(b[7])<<8 | uint64(b[8])
	return int64(u ^ 1<<63)
}

// start returns the start of a session.
func (t *sessionTable) start(slot uint32) int64 {
	key := t.table.Key(slot)
	return int64At(key[len(key)-9:])
}

// around returns the last session of the key in prefix that starts at or before the time, and the first that starts after it, or
// NoSlot.
func (t *sessionTable) around(at int64) (before, after uint32) {
	before, after = state.NoSlot, state.NoSlot
	c := t.table.SeekBefore(t.startKey(at + 1))
	if c.Valid() && c.HasPrefix(t.prefix) {
		before = c.Slot()
	}
	c = t.table.Seek(t.startKey(at + 1))
	if c.Valid() && c.HasPrefix(t.prefix) {
		after = c.Slot()
	}
	return before, after
}

// joins returns the sessions that a row at that time with that watermark joins.
func (t *sessionTable) joins(at, wm int64) (before, after uint32) {
	before, after = t.around(at)
	if before != state.NoSlot {
		last := *t.last.At(before)
		if at-last >= t.gap || addSat(last, t.gap) <= subSat(wm, t.lateness) {
			before = state.NoSlot
		}
	}
	if after != state.NoSlot && t.start(after)-at >= t.gap {
		after = state.NoSlot
	}
	return before, after
}

// insert makes a session of the key in prefix.
func (t *sessionTable) insert(start, last int64) uint32 {
	slot, _ := t.table.Insert(t.startKey(start))
	*t.last.At(slot) = last
	t.push(slot)
	return slot
}

// push notes the end of a session that is new or became shorter.
func (t *sessionTable) push(slot uint32) {
	heap.Push(&t.ends, sessionEnd{addSat(*t.last.At(slot), t.gap), slot})
}

// due removes from the heap, and returns, the sessions that end at or before limit, each once.
func (t *sessionTable) due(limit int64) (slots []uint32) {
	seen := map[uint32]bool{}
	for len(t.ends) > 0 && t.ends[0].end <= limit {
		e := heap.Pop(&t.ends).(sessionEnd)
		if !t.table.Live(e.slot) || seen[e.slot] {
			continue
		}
		if end := addSat(*t.last.At(e.slot), t.gap); end > limit {
			heap.Push(&t.ends, sessionEnd{end, e.slot}) // it grew, or another session has the slot
			continue
		}
		seen[e.slot] = true // a slot that was used before, or whose session became shorter, has several entries
		slots = append(slots, e.slot)
	}
	return slots
}

// next returns the earliest end of a session, or MaxInt64.
func (t *sessionTable) next() int64 {
	for len(t.ends) > 0 {
		e := t.ends[0]
		if t.table.Live(e.slot) {
			end := addSat(*t.last.At(e.slot), t.gap)
			if end == e.end {
				return end
			}
			heap.Pop(&t.ends)
			heap.Push(&t.ends, sessionEnd{end, e.slot})
			continue
		}
		heap.Pop(&t.ends)
	}
	return math.MaxInt64
}

// sessionEnd is an entry of the heap of ends: the session in the slot does not end before end.
type sessionEnd struct {
	end  int64
	slot uint32
}

type endHeap []sessionEnd

func (h endHeap) Len() int { return len(h) }
func (h endHeap) Less(i, j int) bool {
	return h[i].end < h[j].end || h[i].end == h[j].end && h[i].slot < h[j].slot
}
func (h endHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *endHeap) Push(x any)   { *h = append(*h, x.(sessionEnd)) }
func (h *endHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// keyTypesOf returns the types of columns.
func keyTypesOf(s types.Schema, cols []int) []types.Type {
	out := make([]types.Type, len(cols))
	for i, c := range cols {
		out[i] = s[c].Type
	}
	return out
}

// laneNames names n value columns.
func laneNames(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("lane%d", i)
	}
	return out
}

// takeCols returns columns at rows.
func takeCols(b *changelog.Batch, cols []int, rows []uint32) []arrow.Array {
	out := make([]arrow.Array, len(cols))
	for i, c := range cols {
		out[i] = changelog.TakeArray(b.Cols[c], rows)
	}
	return out
}
