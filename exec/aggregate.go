package exec

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// closing says how the groups of an aggregation come to their end.
type closing uint8

const (
	neverCloses closing = iota // one table for ever
	byKeyValue                 // Aggregate.Close: a key column is the group's last time; one table per second of it
	byWindow                   // TUMBLE: one table per window
	byWindows                  // HOP, CUMULATE: one table per window; a partial row goes to several
)

// Groups that close by the value of a key lie in one table per second of it; closeBucket is its length in microseconds. The groups
// whose closing key is NULL never close and lie in a table of their own, nullBucket, which no timestamp is in.
const (
	closeBucket = 1_000_000
	nullBucket  = -1 << 63
)

// aggShape is what the two parts of an aggregation agree on. A partial row is
//
//	[window [slice]] keys... lanes... values...
//
// window: by value the closing key's table, by window the number of the window's end (slicer), by windows the end
// of the first window that the row counts in; slice: the slice it lies in, which says the last. lanes: the contents for
// accumulators, lane 0 is the number of rows. values: the columns that aggregates need which keep values; if there are
// any, a partial row is one row, and the batch has its weight.
type aggShape struct {
	in         types.Schema
	appendOnly bool
	keys       []int // input columns
	routed     int   // how many of the keys, the first ones, decide the worker
	keyTypes   []types.Type
	closing    closing
	win        planner.Window
	slicer     *slicer
	closeKey   int // index in keys, for byKeyValue
	lateness   int64
	rowWM      int // input column or -1
	onLate     planner.Policy
	onError    planner.Policy
	ttl        int64

	uses    []aggUse
	local   int // lanes in a partial row
	lanes   int // lanes in state
	sides   bool
	partial types.Schema
}

// aggUse is one aggregate with its places.
type aggUse struct {
	call planner.AggCall
	acc  accumulator // for lanes; nil: values
	side valueAcc    // for values; nil: lanes
	at   int         // its first lane, in partial rows and in state
}

func (s *aggShape) ids() int {
	switch s.closing {
	case neverCloses:
		return 0
	case byWindows:
		return 2
	}
	return 1
}

// Columns of a partial row.
func (s *aggShape) keyAt() int  { return s.ids() }
func (s *aggShape) laneAt() int { return s.ids() + len(s.keys) }

// keyed returns the distribution of partial rows.
func (s *aggShape) dist() Distribution {
	cols := make([]int, len(s.keys))
	for i := range cols {
		cols[i] = s.keyAt() + i
	}
	return byKeys(cols)
}

// build makes the accumulators and the partial schema.
func (s *aggShape) build(calls []planner.AggCall, env *Env) error {
	for i := range s.ids() {
		s.partial = append(s.partial, types.Field{Name: [...]string{"window", "slice"}[i], Type: types.Int8Type, NotNull: true})
	}
	for _, k := range s.keys {
		s.keyTypes = append(s.keyTypes, s.in[k].Type)
		s.partial = append(s.partial, s.in[k])
	}
	s.lanes = 1
	for _, c := range calls {
		agg := env.functions().LookupAggregate(c.Fn)
		if agg == nil {
			return types.Errorf(types.CodeUndefinedFunction, "aggregate %s does not exist", c.Fn)
		}
		u := aggUse{call: c}
		if !keepsValues(&c, agg, s.in, s.appendOnly) {
			var err error
			if u.acc, err = newAccumulator(&c, agg, s.in, s.appendOnly); err != nil {
				return err
			}
		}
		s.uses = append(s.uses, u)
	}
	for i := range s.uses {
		u := &s.uses[i]
		if c, ok := u.acc.(*countAcc); ok && c.arg.filter < 0 && (c.arg.col < 0 || s.in[c.arg.col].NotNull) {
			u.acc, u.at = rowsAcc{}, 0
			continue
		}
		if u.acc != nil {
			u.at = s.lanes
			s.lanes += u.acc.lanes()
		}
	}
	s.local = s.lanes
	for i := range s.local {
		s.partial = append(s.partial, types.Field{Name: fmt.Sprintf("lane%d", i), Type: types.Int8Type, NotNull: true})
	}
	for i := range s.uses {
		u := &s.uses[i]
		if u.acc != nil {
			continue
		}
		s.sides = true
		call := s.carry(u.call)
		agg := env.functions().LookupAggregate(call.Fn)
		side, err := newValueAcc(&call, agg, s, s.lanes)
		if err != nil {
			return err
		}
		u.side, u.at = side, s.lanes
		s.lanes += side.lanes()
	}
	return nil
}

// carry appends the columns of a call to the partial rows and returns the call over them.
func (s *aggShape) carry(c planner.AggCall) planner.AggCall {
	take := func(col int) int {
		s.partial = append(s.partial, s.in[col])
		return len(s.partial) - 1
	}
	args := make([]int, len(c.Args))
	for i, a := range c.Args {
		args[i] = take(a)
	}
	order := make([]planner.SortKey, len(c.OrderBy))
	for i, k := range c.OrderBy {
		order[i] = k
		order[i].Col = take(k.Col)
	}
	c.Args, c.OrderBy = args, order
	if c.Filter >= 0 {
		c.Filter = take(c.Filter)
	}
	return c
}

// carried returns the input columns that carry took, in order.
func (s *aggShape) carried() []int {
	var cols []int
	for i := range s.uses {
		u := &s.uses[i]
		if u.side == nil {
			continue
		}
		cols = append(cols, u.call.Args...)
		for _, k := range u.call.OrderBy {
			cols = append(cols, k.Col)
		}
		if u.call.Filter >= 0 {
			cols = append(cols, u.call.Filter)
		}
	}
	return cols
}

// spec is the state table of the groups.
func (s *aggShape) spec() state.Spec {
	spec := state.Spec{Dist: s.routed}
	if s.closing != neverCloses {
		spec.Windowed = true
		spec.Key = append(spec.Key, types.Int8Type)
	}
	spec.Key = append(spec.Key, s.keyTypes...)
	for i := range s.lanes {
		spec.Value = append(spec.Value, state.ColumnSpec{Name: fmt.Sprintf("lane%d", i), Kind: state.Int64})
	}
	return spec
}

// rowsAcc is count(*) read from the number of rows that every group has anyway.
type rowsAcc struct{}

func (rowsAcc) lanes() int                                    { return 0 }
func (rowsAcc) explode(*rowSet, [][]int64)                    {}
func (rowsAcc) merge([]*state.I64Column, []uint32, [][]int64) {}
func (rowsAcc) finish(src [][]int64, n int, f func(int, *types.Error)) arrow.Array {
	return (*countAcc).finish(nil, src, n, f)
}

// lanesOf returns the lanes of use u among all.
func lanesOf[T any](u *aggUse, all []T) []T {
	if _, ok := u.acc.(rowsAcc); ok {
		return all[:1]
	}
	return all[u.at : u.at+u.acc.lanes()]
}

func lowerAggregate(n *planner.Node, op *planner.Aggregate, env *Env) (*Lowered, error) {
	return lowerRouted(n, op, len(op.Keys), env)
}

// lowerRouted lowers an Aggregate whose input lies by the first routed keys.
func lowerRouted(n *planner.Node, op *planner.Aggregate, routed int, env *Env) (*Lowered, error) {
	in := n.Inputs[0]
	s := &aggShape{in: in.Schema, appendOnly: in.Props.AppendOnly, keys: op.Keys, routed: routed, rowWM: -1, closeKey: op.Close,
		onLate: op.OnLate, onError: op.OnError}
	if op.Close >= 0 {
		if k := s.in[op.Keys[op.Close]].Type.Kind; k != types.Timestamp && k != types.TimestampTZ {
			return nil, types.NotSupported(types.Span{}, "dropping groups by a key of type %s", s.in[op.Keys[op.Close]].Type)
		}
		s.closing, s.lateness, s.rowWM = byKeyValue, op.CloseLag, op.RowWatermark
	}
	if op.Emit == planner.EmitOnClose && op.Close < 0 {
		return nil, types.Errorf(types.CodeInternal, "an aggregate that never closes cannot emit on close")
	}
	return lowerAgg(n, s, op.Aggs, op.Emit, op.TTL, env)
}

func lowerWindowAggregate(n *planner.Node, op *planner.WindowAggregate, env *Env) (*Lowered, error) {
	in := n.Inputs[0]
	s := &aggShape{in: in.Schema, appendOnly: in.Props.AppendOnly, keys: op.Keys, routed: len(op.Keys), rowWM: op.RowWatermark, closeKey: -1,
		win: op.Window, lateness: op.Lateness, onLate: op.OnLate, onError: op.OnError}
	if op.Window.Kind == planner.Session {
		return lowerSession(n, op, s, env)
	}
	var err error
	if s.slicer, err = newSlicer(op.Window); err != nil {
		return nil, err
	}
	s.closing = byWindow
	if op.Window.Kind != planner.Tumble {
		s.closing = byWindows
	}
	if op.Window.ProcTime {
		s.rowWM = -1
	}
	return lowerAgg(n, s, op.Aggs, op.Emit, 0, env)
}

// lowerAgg builds both parts. Each has its own accumulators, because those have scratch memory.
func lowerAgg(n *planner.Node, s *aggShape, calls []planner.AggCall, emit planner.Emission, ttl int64, env *Env) (*Lowered, error) {
	s.ttl = ttl
	global, err := newAggGlobal(n, *s, calls, emit, env)
	if err != nil {
		return nil, err
	}
	local, err := newAggLocal(*s, calls, env)
	if err != nil {
		return nil, err
	}
	return &Lowered{Local: local, Partial: local.partial, Global: global, Dists: []Distribution{local.dist()}}, nil
}

// lateError is the rejection of a late row.
func lateError(what string, end, wm int64) *types.Error {
	return types.Errorf(types.CodeDatetimeOverflow, "late: the watermark %s has passed %s, %s", formatTime(wm), what, formatTime(end))
}

// formatTime prints an event time for messages.
func formatTime(us int64) string { return string(types.AppendTimestamp(nil, us)) }
