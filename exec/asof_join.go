package exec

import (
	"bytes"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// asofJoin gives each left row the one right row of its key that is nearest in order.
//
// Input:  0 the left rows, 1 the right rows, with any weights.
// Output: at an epoch's end the net changes of the left rows with what they match; for LEFT with NULLs where that is nothing. Of
//
//	right rows of one time the last in the total order of the encoded rows counts, and once whatever its weight.
//
// State:  the rows of both sides by key and time, for ever. Rows with a NULL in key or time match nothing and are not kept.
//
// Where a left row looks for the nearest row at or after its time, time is encoded descending, so that it is always the last
// row not behind that is looked for. Right rows that came or went change the left rows from their time on up to the next right
// row that stayed, so that both tables are gone through side by side from the one to the other.
type asofJoin struct {
	op     *planner.AsofJoin
	env    *Env
	strict bool // rows of the same time do not match
	sides  [2]asofSide
	nulls  []arrow.Array // one row of NULLs for the right side
	out    asofOut
	bound  []arrow.Array
	key    []byte
	seek   []byte
}

// asofSide is one input.
type asofSide struct {
	in      types.Schema
	keys    []int
	time    int
	types   []types.Type // of the encoded row: keys, time, all columns
	orders  []changelog.Order
	whole   *changelog.Encoder
	lead    *changelog.Encoder // keys and time
	row     *changelog.Encoder // the columns behind them
	table   *state.Ordered
	weight  *state.I64Column
	old     map[uint32]int64 // weights before the epoch of the rows that it touched
	touched []uint32
}

func lowerAsofJoin(n *planner.Node, op *planner.AsofJoin, env *Env) (*Lowered, error) {
	left, right := n.Inputs[0], n.Inputs[1]
	if len(n.Schema) != len(left.Schema)+len(right.Schema) || op.Kind != planner.InnerJoin && op.Kind != planner.LeftJoin {
		return nil, types.Errorf(types.CodeInternal, "an ASOF join of kind %d with %d output columns", op.Kind, len(n.Schema))
	}
	j := &asofJoin{op: op, env: env}
	var after bool
	switch op.Op {
	case ">=":
	case ">":
		j.strict = true
	case "<=":
		after = true
	case "<":
		after, j.strict = true, true
	default:
		return nil, types.Errorf(types.CodeInternal, "an ASOF join by %q", op.Op)
	}
	j.sides[0] = asofSide{in: left.Schema, keys: op.LeftKeys, time: op.LeftTime}
	j.sides[1] = asofSide{in: right.Schema, keys: op.RightKeys, time: op.RightTime}
	for i := range j.sides {
		s := &j.sides[i]
		if err := storable(s.in); err != nil {
			return nil, err
		}
		for _, k := range s.keys {
			s.types, s.orders = append(s.types, s.in[k].Type), append(s.orders, changelog.Order{})
		}
		s.types, s.orders = append(s.types, s.in[s.time].Type), append(s.orders, changelog.Order{Desc: after})
		for _, f := range s.in {
			s.types, s.orders = append(s.types, f.Type), append(s.orders, changelog.Order{Exact: true})
		}
		lead := len(s.keys) + 1
		s.whole = changelog.NewEncoder(s.types, s.orders)
		s.lead = changelog.NewEncoder(s.types[:lead], s.orders[:lead])
		s.row = changelog.NewEncoder(s.types[lead:], s.orders[lead:])
		s.old = map[uint32]int64{}
	}
	return &Lowered{Global: j, Dists: Distributions(n)}, nil
}

func (j *asofJoin) Open(ctx *OpenContext) (err error) {
	for i := range j.sides {
		s := &j.sides[i]
		spec := state.Spec{Key: s.types, Order: s.orders, Dist: len(s.keys), Value: []state.ColumnSpec{{Name: "weight", Kind: state.Int64}}}
		if s.table, err = ctx.Tables.Ordered([...]string{"left", "right"}[i], spec); err != nil {
			return err
		}
		s.weight = s.table.I64(0)
	}
	j.nulls = nullColumns(j.sides[1].in, 1)
	return nil
}

func (j *asofJoin) Process(_ *Context, in int, b *changelog.Batch, emit Emit) error {
	s := &j.sides[in]
	var nulls []validity
	j.bound = j.bound[:0]
	for _, k := range append(slices.Clone(s.keys), s.time) {
		j.bound = append(j.bound, b.Cols[k])
		if v := validityOf(b.Cols[k]); v.bits != nil {
			nulls = append(nulls, v)
		}
	}
	j.bound = append(j.bound, b.Cols...)
	s.whole.Reset(j.bound)
	var lone []uint32
	b.Each(func(row int) {
		for _, v := range nulls {
			if v.null(row) {
				lone = append(lone, uint32(row))
				return
			}
		}
		j.key = s.whole.Append(j.key[:0], row)
		slot, _ := s.table.Insert(j.key)
		w := s.weight.At(slot)
		if s.table.Touch(slot) {
			s.old[slot] = *w
			s.touched = append(s.touched, slot)
		}
		*w += b.Weight(row)
	})
	if len(lone) > 0 && in == 0 && j.op.Kind == planner.LeftJoin {
		out := &changelog.Batch{Cols: slices.Concat(b.Cols, nullColumns(j.sides[1].in, b.N)), N: b.N, Weights: b.Weights}
		emit(selected(out, lone))
	}
	return nil
}

func (j *asofJoin) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	left, right := &j.sides[0], &j.sides[1]
	j.out.start(j, emit)
	slices.SortFunc(right.touched, func(a, b uint32) int { return bytes.Compare(right.table.Key(a), right.table.Key(b)) })
	var done []byte // right rows up to this key have been gone through
	for _, slot := range right.touched {
		if key := right.table.Key(slot); done == nil || bytes.Compare(key, done) > 0 {
			done = j.sweep(slot, done)
		}
	}
	for _, slot := range left.touched {
		if old, ok := left.old[slot]; ok { // else it was gone through
			match := j.nearest(left.table.Key(slot))
			j.change(slot, old, match, match)
		}
	}
	j.out.flush()
	for i := range j.sides {
		s := &j.sides[i]
		for _, slot := range s.touched {
			if *s.weight.At(slot) == 0 {
				s.table.Delete(slot)
			}
		}
		s.touched = s.touched[:0]
		clear(s.old)
	}
	return ctx.Watermark, nil
}

// was returns the weight of a row before the epoch.
func (s *asofSide) was(slot uint32) int64 {
	if w, ok := s.old[slot]; ok {
		return w
	}
	return *s.weight.At(slot)
}

// leadLen returns how long the encoded keys, and keys and time, of a row are.
func (s *asofSide) leadLen(key []byte) (keys, time int) {
	return prefixLen(s.lead, key, len(s.keys)), prefixLen(s.lead, key, len(s.keys)+1)
}

// sweep goes through left and right rows from a right row that changed on up to the next that stayed, and returns the key of the
// last right row that it saw.
func (j *asofJoin) sweep(from uint32, done []byte) []byte {
	left, right := &j.sides[0], &j.sides[1]
	first := right.table.Key(from)
	nk, nt := right.leadLen(first)
	prefix := slices.Clone(first[:nk])
	start := slices.Clone(first[:nt])
	// The row before did not change, or the sweep from there would have come past here.
	was, is := state.NoSlot, state.NoSlot
	if c := right.table.SeekBefore(first); c.HasPrefix(prefix) {
		was, is = c.Slot(), c.Slot()
	}
	r, l := right.table.Seek(first), left.table.Seek(start)
	for j.strict && l.HasPrefix(start) { // these look behind
		l.Next()
	}
	for {
		haveLeft, haveRight := l.HasPrefix(prefix), r.HasPrefix(prefix)
		if !haveLeft && !haveRight {
			return done
		}
		takeRight := haveRight
		if haveLeft && haveRight {
			_, lt := left.leadLen(l.Key())
			_, rt := right.leadLen(r.Key())
			c := bytes.Compare(r.Key()[:rt], l.Key()[:lt])
			takeRight = c < 0 || c == 0 && !j.strict
		}
		if !takeRight {
			slot := l.Slot()
			l.Next()
			j.change(slot, left.was(slot), was, is)
			delete(left.old, slot)
			continue
		}
		slot := r.Slot()
		before, now := right.was(slot) > 0, *right.weight.At(slot) > 0
		if before && now {
			return done
		}
		done = append(done[:0], r.Key()...)
		if before {
			was = slot
		}
		if now {
			is = slot
		}
		r.Next()
	}
}

// nearest returns the right row that a left row matches, where the right rows around did not change.
func (j *asofJoin) nearest(key []byte) uint32 {
	right := &j.sides[1]
	nk, nt := j.sides[0].leadLen(key)
	j.seek = append(j.seek[:0], key[:nt]...)
	var c state.Cursor
	if j.strict {
		c = right.table.SeekBefore(j.seek)
	} else {
		c = right.table.SeekPrefixLast(j.seek)
	}
	for c.HasPrefix(key[:nk]) {
		if *right.weight.At(c.Slot()) > 0 {
			return c.Slot()
		}
		c.Prev()
	}
	return state.NoSlot
}

// change puts out the difference between a left row as it was and as it is.
func (j *asofJoin) change(slot uint32, old int64, was, is uint32) {
	now := *j.sides[0].weight.At(slot)
	if was == is {
		j.out.add(slot, is, now-old)
		return
	}
	j.out.add(slot, was, -old)
	j.out.add(slot, is, now)
}

func (j *asofJoin) Close() error { return nil }

// asofOut builds the output.
type asofOut struct {
	j       *asofJoin
	emit    Emit
	left    []array.Builder
	right   []array.Builder // of the distinct right rows
	at      []uint32        // for each output row its right row; 0 is the row of NULLs
	rows    uint32
	last    uint32 // the right row added last
	weights []int64
	ones    bool
}

func (o *asofOut) start(j *asofJoin, emit Emit) {
	*o = asofOut{j: j, emit: emit, at: o.at[:0]}
}

func (o *asofOut) add(slot, match uint32, weight int64) {
	if weight == 0 || match == state.NoSlot && o.j.op.Kind != planner.LeftJoin {
		return
	}
	left, right := &o.j.sides[0], &o.j.sides[1]
	if o.left == nil {
		o.left = changelog.NewBuilders(left.types[len(left.keys)+1:])
		o.right = changelog.NewBuilders(right.types[len(right.keys)+1:])
		for _, b := range o.right {
			b.AppendNull()
		}
		o.at, o.rows, o.last, o.weights, o.ones = o.at[:0], 1, state.NoSlot, nil, true
	}
	key := left.table.Key(slot)
	_, n := left.leadLen(key)
	mustDecode(left.row, key[n:], o.left)
	switch {
	case match == state.NoSlot:
		o.at = append(o.at, 0)
	default:
		if match != o.last {
			key := right.table.Key(match)
			_, n := right.leadLen(key)
			mustDecode(right.row, key[n:], o.right)
			o.last = match
			o.rows++
		}
		o.at = append(o.at, o.rows-1)
	}
	o.weights = append(o.weights, weight)
	o.ones = o.ones && weight == 1
	if len(o.weights) >= o.j.env.batchRows() {
		o.flush()
	}
}

func (o *asofOut) flush() {
	if o.left == nil {
		return
	}
	b := &changelog.Batch{N: len(o.weights)}
	for _, x := range o.left {
		b.Cols = append(b.Cols, x.NewArray())
	}
	for _, x := range o.right {
		b.Cols = append(b.Cols, changelog.TakeArray(x.NewArray(), o.at))
	}
	if !o.ones {
		b.Weights = o.weights
	}
	o.left, o.right = nil, nil
	o.emit(b)
}
