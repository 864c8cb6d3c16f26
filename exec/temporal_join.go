package exec

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// temporalJoin looks rows of the left input up in the right one as of a time.
//
// Input:  0 the left rows, inserts only; 1 the right rows, with any weights.
// Output: left rows with the right rows they met, or for LEFT with NULLs. Nothing is taken back.
//
//	By processing time a left row meets all right rows of its key at the end of its epoch. By event time it waits until the
//	watermark has passed its time, and meets the version that was valid then: of the right rows of its key with a time
//	at or before its own the last (of several at one time any, but always the same).
//
// State:  the right rows; by event time those versions that a left row to come may meet, and the waiting left rows. Where the keys are
//
//	unique on the right, a row that is replaced by one of a later time was valid until then and is kept as a version; a row
//	that is deleted takes its versions along.
//
// Errors: those of join. A left row is late when its time lies behind its watermark.
type temporalJoin struct {
	join
	op       *planner.TemporalJoin
	waiting  []*changelog.Batch // by processing time: the left rows of this epoch
	leftLag  int64
	rightLag int64
	unique   bool // the right rows have one version each that is current

	passed   []uint32
	versions map[uint32][]version // by first row of the key
	lone     []uint32
}

// version is a right row with the time from which it is valid.
type version struct {
	time int64
	slot uint32
}

func lowerTemporalJoin(n *planner.Node, op *planner.TemporalJoin, env *Env) (*Lowered, error) {
	left, right := n.Inputs[0], n.Inputs[1]
	t := &temporalJoin{op: op, join: join{env: env, out: n.Schema, pairs: true}, versions: map[uint32][]version{}}
	if len(n.Schema) != len(left.Schema)+len(right.Schema) || op.Kind != planner.InnerJoin && op.Kind != planner.LeftJoin {
		return nil, types.Errorf(types.CodeInternal, "a temporal join of kind %d with %d output columns", op.Kind, len(n.Schema))
	}
	if op.On != nil {
		var err error
		if t.on, err = newPairFilter(op.On, left.Schema, right.Schema, op.OnError, env); err != nil {
			return nil, err
		}
	}
	// What join reads of its plan.
	t.join.op = &planner.Join{Kind: op.Kind, On: op.On, OnError: op.OnError, OnLate: op.OnLate}
	t.sides[0] = joinSide{keys: op.LeftKeys, rowWM: op.LeftRowWatermark, once: true}
	t.sides[1] = joinSide{keys: op.RightKeys, rowWM: -1}
	if op.Kind == planner.LeftJoin {
		t.sides[0].alone, t.sides[0].counted = aloneNulls, true
	}
	for i := range t.sides {
		if err := t.sides[i].init(n.Inputs[i], nil); err != nil {
			return nil, err
		}
	}
	if op.LeftTime >= 0 {
		lag := func(n *planner.Node, col int) int64 {
			for _, w := range n.Props.Watermarks {
				if w.Col == col {
					return w.Lag
				}
			}
			return 0
		}
		t.leftLag, t.rightLag = lag(left, op.LeftTime), lag(right, op.RightTime)
		t.unique = !right.Props.AppendOnly && right.Props.HasKey(op.RightKeys)
		t.once = true
		t.sides[0].late = &planner.Expiry{Col: op.LeftTime, Lag: addSat(t.leftLag, 1)}
	}
	return &Lowered{Global: t, Dists: Distributions(n)}, nil
}

func (t *temporalJoin) Open(ctx *OpenContext) (err error) {
	for i := range t.sides {
		s := &t.sides[i]
		spec := state.MultiSpec{Keys: s.keys, Time: -1}
		for _, f := range s.in {
			spec.Cols = append(spec.Cols, f.Type)
		}
		switch {
		case i == 1:
			spec.Identity = !s.plain
			if t.op.LeftTime >= 0 {
				spec.Time = t.op.RightTime
			}
			s.table, err = ctx.Tables.Multi("right", spec)
		case t.op.LeftTime >= 0:
			spec.Time = t.op.LeftTime
			s.table, err = ctx.Tables.Multi("left", spec)
		default: // it only says how keys look
			spec.Cols, spec.Keys = s.types, make([]int, len(s.keys))
			for k := range spec.Keys {
				spec.Keys[k] = k
			}
			s.table = state.NewMulti(spec)
		}
		if err != nil {
			return err
		}
		s.pairWith(&t.sides[1-i])
	}
	return nil
}

func (t *temporalJoin) Process(ctx *Context, in int, b *changelog.Batch, emit Emit) error {
	s := &t.sides[in]
	if in == 0 && t.op.LeftTime < 0 {
		t.waiting = append(t.waiting, b)
		return nil
	}
	rows, err := t.onTime(ctx, s, b)
	if err != nil {
		return err
	}
	if t.op.LeftTime >= 0 {
		rows = t.timed(in, b, rows, emit)
	}
	if rows = t.withoutNulls(s, in, b, rows, emit); len(rows) == 0 {
		return nil
	}
	t.hashKeys(s, b, rows)
	for from := 0; from < len(rows); from += joinChunk {
		to := min(len(rows), from+joinChunk)
		s.table.Encode(&t.img, b.Cols, rows[from:to], t.hashes[from:to])
		t.slots = resize(t.slots, to-from)
		var w []int64
		if b.Weights != nil {
			t.w = gatherWords(t.w, b.Weights, rows[from:to])
			w = t.w
		}
		s.table.Add(&t.img, w, t.slots)
	}
	return nil
}

// timed returns the rows whose time is not NULL. Others meet no version, and are none.
func (t *temporalJoin) timed(in int, b *changelog.Batch, rows []uint32, emit Emit) []uint32 {
	valid := validityOf(b.Cols[[...]int{t.op.LeftTime, t.op.RightTime}[in]])
	if valid.bits == nil {
		return rows
	}
	var kept, lone []uint32
	for _, row := range rows {
		if valid.null(int(row)) {
			lone = append(lone, row)
		} else {
			kept = append(kept, row)
		}
	}
	if in == 0 {
		t.emitLone(b, lone, emit)
	}
	return kept
}

// emitLone puts left rows out that have met nothing.
func (t *temporalJoin) emitLone(b *changelog.Batch, lone []uint32, emit Emit) {
	if len(lone) == 0 || t.op.Kind != planner.LeftJoin {
		return
	}
	out := &changelog.Batch{Cols: t.withNulls(0, b.Cols, b.N), N: b.N, Weights: b.Weights}
	emit(selected(out, slices.Clone(lone)))
}

func (t *temporalJoin) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	right := t.sides[1].table
	if t.unique && t.op.LeftTime >= 0 {
		t.keepVersions()
	}
	right.Prune()
	if t.op.LeftTime < 0 {
		for _, b := range t.waiting {
			if err := t.meet(ctx, b, emit); err != nil {
				return 0, err
			}
		}
		clear(t.waiting)
		t.waiting = t.waiting[:0]
		return ctx.Watermark, nil
	}
	if ctx.Watermark == changelog.MinWatermark {
		return ctx.Watermark, nil
	}
	// No version comes any more at or below the watermark less one.
	due := t.sides[0].table.Expire(lessLateness(ctx.Watermark, addSat(t.rightLag, 1)), false)
	for len(due) > 0 {
		n := min(len(due), t.env.batchRows())
		if err := t.meetVersions(ctx, due[:n], emit); err != nil {
			return 0, err
		}
		due = due[n:]
	}
	clear(t.versions)
	t.forget(lessLateness(ctx.Watermark, max(t.leftLag, t.rightLag)))
	return ctx.Watermark, nil
}

// meet looks up all rows of a batch as the right side is now.
func (t *temporalJoin) meet(ctx *Context, b *changelog.Batch, emit Emit) error {
	s, right := &t.sides[0], t.sides[1].table
	rows := b.Sel
	if rows == nil {
		rows = t.all(b.N)
	}
	if rows = t.withoutNulls(s, 0, b, rows, emit); len(rows) == 0 {
		return nil
	}
	t.hashKeys(s, b, rows)
	t.lone = t.lone[:0]
	for from := 0; from < len(rows); from += joinChunk {
		to := min(len(rows), from+joinChunk)
		s.table.Encode(&t.img, t.key, rows[from:to], t.hashes[from:to])
		t.heads = resize(t.heads, to-from)
		right.Find(s.table, &t.img, t.heads)
		t.counts = resize(t.counts, to-from)
		clear(t.counts)
		if err := t.match(ctx, 0, b, rows[from:to], emit); err != nil {
			return err
		}
		if s.counted {
			if err := t.flush(ctx, 0, b, emit); err != nil {
				return err
			}
			t.unmet(rows[from:to])
		}
	}
	if err := t.flush(ctx, 0, b, emit); err != nil {
		return err
	}
	t.emitLone(b, t.lone, emit)
	return nil
}

// unmet notes the rows of a chunk without a match.
func (t *temporalJoin) unmet(rows []uint32) {
	for i, row := range rows {
		if t.counts[i] == 0 {
			t.lone = append(t.lone, row)
		}
	}
}

// meetVersions puts waiting rows out with the versions that were valid at their times.
func (t *temporalJoin) meetVersions(ctx *Context, due []uint32, emit Emit) error {
	s, right := &t.sides[0], t.sides[1].table
	b := &changelog.Batch{N: len(due), Cols: make([]arrow.Array, len(s.in))}
	for c := range b.Cols {
		b.Cols[c] = s.table.Gather(c, due)
	}
	if !s.table.AllOnes() || slices.ContainsFunc(due, func(slot uint32) bool { return s.table.Weight(slot) != 1 }) {
		b.Weights = make([]int64, len(due))
		for i, slot := range due {
			b.Weights[i] = s.table.Weight(slot)
		}
	}
	t.lone = t.lone[:0]
	t.counts = resize(t.counts, len(due))
	clear(t.counts)
	times := words(b.Cols[t.op.LeftTime])
	for i, slot := range due {
		if v := t.versionAt(right.Key(s.table, slot), times[i]); v != state.NoSlot {
			t.p.row, t.p.slot = append(t.p.row, uint32(i)), append(t.p.slot, v)
			if s.counted {
				t.p.place = append(t.p.place, uint32(i))
			}
		}
	}
	if err := t.flush(ctx, 0, b, emit); err != nil {
		return err
	}
	if s.counted {
		t.unmet(t.all(len(due)))
	}
	t.emitLone(b, t.lone, emit)
	return nil
}

// versionAt returns the version of a key, whose first row is head, that was valid at a time, or NoSlot.
func (t *temporalJoin) versionAt(head uint32, at int64) uint32 {
	right := t.sides[1].table
	const few = 8
	list, known := t.versions[head]
	if !known {
		best := version{math.MinInt64, state.NoSlot}
		n := 0
		for slot := head; slot != state.NoSlot; slot = right.Next(slot) {
			if n++; n > few {
				break
			}
			if v, _ := right.Time(slot); v <= at && right.Weight(slot) > 0 {
				if x := (version{v, slot}); best.slot == state.NoSlot || t.later(x, best) > 0 {
					best = x
				}
			}
		}
		if n <= few {
			return best.slot
		}
		for slot := head; slot != state.NoSlot; slot = right.Next(slot) {
			if v, _ := right.Time(slot); right.Weight(slot) > 0 {
				list = append(list, version{v, slot})
			}
		}
		slices.SortFunc(list, t.later)
		t.versions[head] = list
	}
	i, _ := slices.BinarySearchFunc(list, at, func(v version, at int64) int {
		if v.time <= at {
			return -1
		}
		return 1
	})
	if i == 0 {
		return state.NoSlot
	}
	return list[i-1].slot
}

// later orders versions by time; of one time in an order of their own.
func (t *temporalJoin) later(a, b version) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	return t.sides[1].table.Compare(a.slot, b.slot)
}

// forget drops the versions that were replaced at or before limit.
func (t *temporalJoin) forget(limit int64) {
	right := t.sides[1].table
	t.passed = right.Pass(limit, t.passed[:0])
	seen := map[uint32]bool{}
	for _, slot := range t.passed {
		if !right.Live(slot) {
			continue
		}
		head := right.Key(right, slot)
		if seen[head] {
			continue
		}
		last := version{math.MinInt64, state.NoSlot}
		for at := head; at != state.NoSlot; at = right.Next(at) {
			if v, _ := right.Time(at); v <= limit {
				if x := (version{v, at}); last.slot == state.NoSlot || t.later(x, last) > 0 {
					last = x
				}
			}
		}
		for at := head; at != state.NoSlot; {
			next := right.Next(at)
			if v, _ := right.Time(at); v <= limit && at != last.slot {
				right.Delete(at)
			}
			at = next
		}
		seen[right.Key(right, last.slot)] = true
	}
}

// keepVersions brings the rows back that this epoch replaced by ones of a later time. Rows that it deleted without take
// their older versions along.
func (t *temporalJoin) keepVersions() {
	right := t.sides[1].table
	slots, old := right.Changed()
	for i, n := 0, len(slots); i < n; i++ {
		slot := slots[i]
		if right.Weight(slot) > 0 || old[i].Weight <= 0 {
			continue
		}
		at, _ := right.Time(slot)
		head := right.Key(right, slot)
		replaced, current := false, false
		for x := head; x != state.NoSlot; x = right.Next(x) {
			if v, _ := right.Time(x); right.Weight(x) > 0 && (v >= at || right.Fresh(x)) {
				current = true
				replaced = replaced || v > at
			}
		}
		switch {
		case replaced:
			right.SetWeight(slot, old[i].Weight)
		case !current:
			for x := head; x != state.NoSlot; x = right.Next(x) {
				right.Touch(x)
				right.SetWeight(x, 0)
			}
		}
	}
}
