package exec

import (
	"bytes"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// valueAcc computes one aggregate that has to keep its values: they lie in an ordered table of their own under the group's key.
// It may have lanes in the group's row too.
type valueAcc interface {
	lanes() int
	// open declares its table; i is the aggregate's number.
	open(t Tables, i int) error
	// update takes the values of partial rows in; cols are its lanes.
	update(r *sideRun, cols []*state.I64Column) error
	// finish returns the value of each group.
	finish(g *sideGroups, lanes [][]int64, fail func(i int, err *types.Error)) arrow.Array
	// drop forgets the values of groups; values of groups of a window may wait for dropWindow.
	drop(g *sideGroups)
	// dropWindow follows when all groups of a window were dropped.
	dropWindow(id int64)
}

// sideRun is partial rows of one window with the slots of their groups.
type sideRun struct {
	b      *changelog.Batch
	sel    []uint32
	n      int
	keys   state.KeyBatch
	window int64
	slots  []uint32
}

// sideGroups are groups of one window.
type sideGroups struct {
	keys   []arrow.Array
	n      int
	window int64
}

// keepsValues reports whether an aggregate cannot be computed from lanes.
func keepsValues(c *planner.AggCall, agg *expr.Aggregate, in types.Schema, appendOnly bool) bool {
	if distinctMatters(c, agg) {
		return true
	}
	switch agg.Kind {
	case expr.Sum, expr.Avg, expr.StddevSamp, expr.StddevPop, expr.VarSamp, expr.VarPop:
		return !appendOnly && in[c.Args[0]].Type == types.NumericType
	case expr.Min, expr.Max, expr.AnyValue:
		return !appendOnly || !inOneWord(in[c.Args[0]].Type)
	case expr.BitAnd, expr.BitOr, expr.BitXor:
		return !appendOnly
	case expr.StringAgg, expr.ArrayAgg, expr.FirstValue, expr.LastValue, expr.ApproxCountDistinct:
		return true
	}
	return readsValues(agg.Kind)
}

// distinctMatters reports whether DISTINCT changes the aggregate's value.
func distinctMatters(c *planner.AggCall, agg *expr.Aggregate) bool {
	if !c.Distinct {
		return false
	}
	switch agg.Kind {
	case expr.Min, expr.Max, expr.AnyValue, expr.BoolAnd, expr.BoolOr, expr.BitAnd, expr.BitOr, expr.FirstValue, expr.LastValue,
		expr.ApproxCountDistinct:
		return false
	}
	return true
}

// newValueAcc returns the accumulator of a call over partial rows. at is its first lane.
func newValueAcc(c *planner.AggCall, agg *expr.Aggregate, s *aggShape, _ int) (valueAcc, error) {
	m := newValueTable(c, s)
	switch agg.Kind {
	case expr.ApproxCountDistinct:
		return newApproxDistinct(c, s), nil
	case expr.Min, expr.Max, expr.AnyValue, expr.FirstValue, expr.LastValue:
		keepNulls := agg.Kind == expr.FirstValue || agg.Kind == expr.LastValue
		if agg.Kind == expr.Min || agg.Kind == expr.Max || agg.Kind == expr.AnyValue {
			m.order = nil
		}
		m.prepare(s, keepNulls)
		return &endValue{valueTable: m, last: agg.Kind == expr.Max || agg.Kind == expr.LastValue, only: s.appendOnly}, nil
	case expr.StringAgg, expr.ArrayAgg:
		m.prepare(s, agg.Kind == expr.ArrayAgg)
		return &listValue{valueTable: m, distinct: c.Distinct, array: agg.Kind == expr.ArrayAgg, out: c.T}, nil
	case expr.BitAnd, expr.BitOr, expr.BitXor:
		m.order = nil
		m.prepare(s, false)
		if !c.Distinct || agg.Kind != expr.BitXor {
			return &bitValue{valueTable: m, kind: agg.Kind, t: c.T}, nil
		}
		return &bitValue{valueTable: m, kind: agg.Kind, t: c.T, distinct: true}, nil
	}
	if readsValues(agg.Kind) {
		return newReadValues(m, c, agg, s), nil
	}
	if !distinctMatters(c, agg) {
		return newScaledSum(c, agg, s)
	}
	m.order = nil
	inner := *c
	inner.Filter = -1
	acc, err := newAccumulator(&inner, agg, s.partial, s.appendOnly)
	if err != nil {
		return nil, err
	}
	if acc == nil {
		return nil, types.NotSupported(types.Span{}, "DISTINCT in aggregate %s", c.Fn)
	}
	if t := s.partial[c.Args[0]].Type; agg.Kind != expr.Count && (t == types.NumericType || t.Kind == types.Interval) {
		m.prepare(s, false)
		return &distinctForms{valueTable: m, inner: acc}, nil
	}
	if s.ttl == 0 {
		return newDistinctHash(m, acc), nil
	}
	m.byValue = true
	m.prepare(s, false)
	return &distinctValue{valueTable: m, inner: acc}, nil
}

// valueTable is a multiset of values per group: rows (group keys, window, sort columns, value columns) -> how often.
type valueTable struct {
	call     planner.AggCall
	partial  types.Schema
	keyTypes []types.Type
	routed   int
	windowed bool
	order    []planner.SortKey
	byValue  bool     // values that are equal count as one whatever their form
	arg      argument // NULLs and FILTER

	spec   state.Spec
	cols   []int // of partial rows: sort columns, then arguments
	nSort  int
	table  *state.Ordered
	count  *state.I64Column
	enc    *changelog.Encoder // whole rows
	prefix *changelog.Encoder // the group
	values *changelog.Encoder // what follows the group
	key    []byte
	bound  []arrow.Array
	set    rowSet
	w      []int64
}

func newValueTable(c *planner.AggCall, s *aggShape) *valueTable {
	return &valueTable{call: *c, partial: s.partial, keyTypes: s.keyTypes, routed: s.routed, windowed: s.closing != neverCloses, order: c.OrderBy,
		arg: argument{col: -1, filter: c.Filter}}
}

// prepare fixes the table's form once order is settled.
func (m *valueTable) prepare(_ *aggShape, keepNulls bool) {
	if !keepNulls {
		m.arg.col = m.call.Args[0]
	}
	group := append([]types.Type(nil), m.keyTypes...)
	if m.windowed {
		group = append(group, types.Int8Type)
	}
	orders := make([]changelog.Order, len(group))
	m.prefix = changelog.NewEncoder(group, nil)
	var rest []types.Type
	for _, k := range m.order {
		rest = append(rest, m.partial[k.Col].Type)
		orders = append(orders, changelog.Order{Desc: k.Desc, NullsFirst: k.NullsFirst})
		m.cols = append(m.cols, k.Col)
	}
	m.nSort = len(m.cols)
	for _, a := range m.call.Args {
		rest = append(rest, m.partial[a].Type)
		orders = append(orders, changelog.Order{Exact: !m.byValue})
		m.cols = append(m.cols, a)
	}
	all := append(group[:len(group):len(group)], rest...)
	m.enc = changelog.NewEncoder(all, orders)
	m.values = changelog.NewEncoder(rest, orders[len(group):])
	m.spec = state.Spec{Key: all, Order: orders, Dist: m.routed, Value: []state.ColumnSpec{{Name: "count", Kind: state.Int64}}}
}

func (m *valueTable) lanes() int { return 0 }

func (m *valueTable) open(t Tables, i int) (err error) {
	if m.table, err = t.Ordered(fmt.Sprintf("values%d", i), m.spec); err != nil {
		return err
	}
	m.count = m.table.I64(0)
	return nil
}

// rows returns the rows of a run as an accumulator takes them.
func (m *valueTable) rows(r *sideRun) *rowSet {
	m.set = rowSet{b: r.b, rows: r.sel, n: r.n}
	if r.b.Weights != nil {
		m.w = gatherWords(m.w, r.b.Weights, r.sel)
		if r.sel == nil {
			m.set.w = r.b.Weights
			m.w = nil
		} else {
			m.set.w = m.w
		}
	}
	return &m.set
}

// each adds the values of a run to the multiset and calls f (if not nil) with the number before and after.
func (m *valueTable) each(r *sideRun, f func(i int, before, after int64)) {
	m.eachKey(r, func(i int, w int64, key []byte) {
		before, after := m.add(key, w)
		if f != nil {
			f(i, before, after)
		}
	})
}

// eachKey calls f with the encoded row and the weight of each value of a run.
func (m *valueTable) eachKey(r *sideRun, f func(i int, w int64, key []byte)) {
	set := m.rows(r)
	used := m.arg.used(set)
	m.bound = append(m.bound[:0], r.keys.Cols...)
	if m.windowed {
		m.bound = append(m.bound, int64Array(types.Int8Type, repeated(r.window, r.b.N), nil))
	}
	for _, c := range m.cols {
		m.bound = append(m.bound, r.b.Cols[c])
	}
	m.enc.Reset(m.bound)
	for i := range r.n {
		w := int64(1)
		if used != nil {
			if w = used[i]; w == 0 {
				continue
			}
		}
		m.key = m.enc.Append(m.key[:0], set.row(i))
		f(i, w, m.key)
	}
}

// add adds w to the count of a key.
func (m *valueTable) add(key []byte, w int64) (before, after int64) {
	slot, _ := m.table.Insert(key)
	m.table.Touch(slot)
	c := m.count.At(slot)
	before = *c
	*c += w
	after = *c
	if after == 0 {
		m.table.Delete(slot)
	}
	return before, after
}

// update takes values in; aggregates that need no more use it as it is.
func (m *valueTable) update(r *sideRun, _ []*state.I64Column) error {
	m.each(r, nil)
	return nil
}

// bindGroups prepares groupPrefix for groups.
func (m *valueTable) bindGroups(g *sideGroups) {
	m.bound = append(m.bound[:0], g.keys...)
	if m.windowed {
		m.bound = append(m.bound, int64Array(types.Int8Type, repeated(g.window, g.n), nil))
	}
	m.prefix.Reset(m.bound)
}

// groupPrefix returns the start of the keys of a group's values.
func (m *valueTable) groupPrefix(i int) []byte {
	m.key = m.prefix.Append(m.key[:0], i)
	return m.key
}

func (m *valueTable) drop(g *sideGroups) {
	m.bindGroups(g)
	var slots []uint32
	for i := range g.n {
		p := m.groupPrefix(i)
		slots = slots[:0]
		for c := m.table.Seek(p); c.Valid() && c.HasPrefix(p); c.Next() {
			slots = append(slots, c.Slot())
		}
		for _, s := range slots {
			m.table.Delete(s)
		}
	}
}

func (m *valueTable) dropWindow(int64) {}

// builders returns builders of the columns behind the group.
func (m *valueTable) builders() []array.Builder {
	out := make([]array.Builder, len(m.cols))
	for i, c := range m.cols {
		out[i] = types.NewBuilder(m.partial[c].Type)
	}
	return out
}

// endValue computes min, max, any_value, first_value and last_value: the first or last value of the group. Of input that only grows
// it keeps that value alone.
type endValue struct {
	*valueTable
	last bool
	only bool // the input is append-only

	group []byte
}

func (e *endValue) update(r *sideRun, cols []*state.I64Column) error {
	if !e.only {
		return e.valueTable.update(r, cols)
	}
	e.eachKey(r, func(i int, w int64, key []byte) {
		e.group = e.enc.AppendPrefix(e.group[:0], e.set.row(i), len(e.bound)-len(e.cols))
		var c state.Cursor
		if e.last {
			c = e.table.SeekPrefixLast(e.group)
		} else {
			c = e.table.Seek(e.group)
		}
		if c.Valid() && c.HasPrefix(e.group) {
			if o := bytes.Compare(key, c.Key()); o == 0 || (o > 0) != e.last {
				return
			}
			e.table.Delete(c.Slot())
		}
		e.add(key, w)
	})
	return nil
}

func (e *endValue) finish(g *sideGroups, _ [][]int64, _ func(int, *types.Error)) arrow.Array {
	e.bindGroups(g)
	out := e.builders()
	for i := range g.n {
		p := e.groupPrefix(i)
		var c state.Cursor
		if e.last {
			c = e.table.SeekPrefixLast(p)
			for c.Valid() && c.HasPrefix(p) && *e.count.At(c.Slot()) <= 0 {
				c.Prev()
			}
		} else {
			c = e.table.Seek(p)
			for c.Valid() && c.HasPrefix(p) && *e.count.At(c.Slot()) <= 0 {
				c.Next()
			}
		}
		if !c.Valid() || !c.HasPrefix(p) {
			for _, b := range out {
				b.AppendNull()
			}
			continue
		}
		mustDecode(e.values, c.Key()[len(p):], out)
	}
	return out[e.nSort].NewArray()
}

// mustDecode decodes a key that was encoded by us.
func mustDecode(enc *changelog.Encoder, key []byte, out []array.Builder) {
	if _, err := enc.Decode(key, nil, out); err != nil {
		panic(fmt.Sprintf("exec: state of an aggregate does not decode: %v", err))
	}
}

// listValue computes string_agg and array_agg.
type listValue struct {
	*valueTable
	distinct bool
	array    bool
	out      types.Type
}

// eachValue calls f for the values of a group in order, with how often they occur.
func (m *valueTable) eachValue(i int, f func(value []byte, n int64)) {
	p := m.groupPrefix(i)
	for c := m.table.Seek(p); c.Valid() && c.HasPrefix(p); c.Next() {
		if n := *m.count.At(c.Slot()); n > 0 {
			f(c.Key()[len(p):], n)
		}
	}
}

func (l *listValue) finish(g *sideGroups, _ [][]int64, _ func(int, *types.Error)) arrow.Array {
	l.bindGroups(g)
	if l.array {
		return l.arrays(g)
	}
	out := types.NewBuilder(l.out)
	var text []byte
	for i := range g.n {
		text = text[:0]
		found := false
		parts := l.builders()
		var counts []int64
		l.eachValue(i, func(v []byte, n int64) {
			mustDecode(l.values, v, parts)
			counts = append(counts, n)
		})
		values, seps := parts[l.nSort].NewArray(), parts[l.nSort+1].NewArray()
		for k, n := range counts {
			if l.distinct {
				if k > 0 && array.SliceEqual(values, int64(k-1), int64(k), values, int64(k), int64(k+1)) {
					continue // distinct values with different separators: the first counts
				}
				n = 1
			}
			for range n {
				if found {
					text = append(text, bytesAt(seps, k)...)
				}
				found = true
				text = append(text, bytesAt(values, k)...)
			}
		}
		switch b := out.(type) {
		case *array.StringBuilder:
			if !found {
				b.AppendNull()
			} else {
				b.Append(string(text))
			}
		case *array.BinaryBuilder:
			if !found {
				b.AppendNull()
			} else {
				b.Append(text)
			}
		}
	}
	return out.NewArray()
}

// bytesAt returns a text or bytea; nothing for NULL.
func bytesAt(a arrow.Array, i int) []byte {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.String:
		return []byte(a.Value(i))
	case *array.Binary:
		return a.Value(i)
	}
	return nil
}

func (l *listValue) arrays(g *sideGroups) arrow.Array {
	out := types.NewBuilder(l.out).(*array.ListBuilder)
	into := l.builders()
	into[l.nSort] = out.ValueBuilder()
	for i := range g.n {
		p := l.groupPrefix(i)
		if c := l.table.Seek(p); !c.Valid() || !c.HasPrefix(p) {
			out.AppendNull()
			continue
		}
		out.Append(true)
		if l.distinct {
			keys, first := l.distinctKeys(i)
			for k, key := range keys {
				if first[k] {
					mustDecode(l.values, key, into)
				}
			}
			continue
		}
		l.eachValue(i, func(v []byte, n int64) {
			for range n {
				mustDecode(l.values, v, into)
			}
		})
	}
	return out.NewArray()
}

// distinctKeys returns the encoded values of a group and which are the first of their equals.
func (m *valueTable) distinctKeys(i int) (keys [][]byte, first []bool) {
	parts := m.builders()
	m.eachValue(i, func(v []byte, _ int64) {
		keys = append(keys, append([]byte(nil), v...))
		mustDecode(m.values, v, parts)
	})
	return keys, firstForms(m.partial[m.cols[m.nSort]].Type, parts[m.nSort].NewArray())
}

// firstForms returns which of the values, in order with equal ones side by side, are the first of their equals.
func firstForms(t types.Type, a arrow.Array) []bool {
	enc := changelog.NewEncoder([]types.Type{t}, nil)
	enc.Reset([]arrow.Array{a})
	out := make([]bool, a.Len())
	var last, this []byte
	for i := range out {
		this = enc.Append(this[:0], i)
		out[i] = i == 0 || string(this) != string(last)
		last, this = this, last
	}
	return out
}

// bitValue computes bit_and, bit_or and bit_xor of changing input.
type bitValue struct {
	*valueTable
	kind     expr.AggKind
	t        types.Type
	distinct bool
}

func (v *bitValue) finish(g *sideGroups, _ [][]int64, _ func(int, *types.Error)) arrow.Array {
	v.bindGroups(g)
	values := make([]int64, g.n)
	valid := bitmap{n: g.n}
	for i := range g.n {
		into := v.builders()
		var counts []int64
		v.eachValue(i, func(key []byte, n int64) {
			mustDecode(v.values, key, into)
			counts = append(counts, n)
		})
		if len(counts) == 0 {
			valid.clear(i)
			continue
		}
		a := into[0].NewArray()
		words := readInts(a, nil, a.Len(), make([]int64, a.Len()))
		values[i] = words[0]
		if v.kind == expr.BitXor {
			values[i] = 0
		}
		for k, w := range words {
			switch v.kind {
			case expr.BitAnd:
				values[i] &= w
			case expr.BitOr:
				values[i] |= w
			default:
				if v.distinct || counts[k]&1 != 0 {
					values[i] ^= w
				}
			}
		}
	}
	return wordsToArray(v.t, values, valid.bits)
}

// distinctValue computes an aggregate over the distinct values: a value counts in its lanes while it occurs.
type distinctValue struct {
	*valueTable
	inner   accumulator
	changed distinctChanges
}

func (d *distinctValue) lanes() int { return d.inner.lanes() }

func (d *distinctValue) update(r *sideRun, cols []*state.I64Column) error {
	d.each(r, func(i int, before, after int64) { d.changed.note(d.set.row(i), r.slots[i], before, after) })
	d.changed.apply(d.inner, r.b, cols)
	return nil
}

func (d *distinctValue) finish(g *sideGroups, lanes [][]int64, fail func(int, *types.Error)) arrow.Array {
	return d.inner.finish(lanes, g.n, fail)
}

// distinctForms computes an aggregate over distinct values whose result depends on their form (how many digits a NUMERIC has):
// of equal values the shortest counts. It goes through all values of a group that changed.
type distinctForms struct {
	*valueTable
	inner accumulator
}

func (d *distinctForms) finish(g *sideGroups, _ [][]int64, fail func(int, *types.Error)) arrow.Array {
	d.bindGroups(g)
	parts := d.builders()
	var groups []uint32
	for i := range g.n {
		keys, first := d.distinctKeys(i)
		for k, key := range keys {
			if first[k] {
				mustDecode(d.values, key, parts)
				groups = append(groups, uint32(i))
			}
		}
	}
	values := parts[0].NewArray()
	b := &changelog.Batch{N: len(groups), Cols: make([]arrow.Array, len(d.partial))}
	b.Cols[d.cols[0]] = values
	src := make([][]int64, d.inner.lanes())
	for i := range src {
		src[i] = make([]int64, len(groups))
	}
	d.inner.explode(&rowSet{b: b, n: len(groups)}, src)
	return d.inner.finish(sumLanes(d.inner, src, groups, g.n), g.n, fail)
}

// sumLanes merges partial rows into n groups.
func sumLanes(acc accumulator, src [][]int64, groups []uint32, n int) [][]int64 {
	spec := state.Spec{Name: "scratch", Key: []types.Type{types.Int8Type}}
	for range acc.lanes() {
		spec.Value = append(spec.Value, state.ColumnSpec{Kind: state.Int64})
	}
	h := state.NewHash(spec)
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(i)
	}
	slots := make([]uint32, n)
	h.FindOrInsert(state.KeyBatch{Cols: []arrow.Array{int64Array(types.Int8Type, ids, nil)}, N: n}, slots, nil)
	cols := make([]*state.I64Column, acc.lanes())
	for i := range cols {
		cols[i] = h.I64(i)
	}
	at := make([]uint32, len(groups))
	for i, g := range groups {
		at[i] = slots[g]
	}
	acc.merge(cols, at, src)
	out := make([][]int64, acc.lanes())
	for i := range out {
		out[i] = gatherLane(make([]int64, n), cols[i], slots)
	}
	return out
}
