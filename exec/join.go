package exec

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// join pairs the rows of two inputs that may both change.
//
// Input:  0 the left rows, 1 the right rows, with any weights.
// Output: the pairs, as soon as the second of both comes: a batch of one side meets the rows that are known of the other, and is
//
//	then known itself (dA x B, then A + dA). What depends on whether a row has a match at all, the rows with NULLs of
//	LEFT and FULL and those of SEMI and ANTI, is put out at the epoch's end, as the difference to the epoch before; with
//	Final when the row expires.
//
// State:  the rows of both sides by key. Whether a row has a match is seen from the other side's rows where a pair needs
//
//	nothing but equal keys and none of them is forgotten; else each row counts its matches. Of the right side of SEMI
//	and ANTI only the keys are kept if that is enough. Rows with a NULL in their key, which matches nothing, are not kept.
//
// Errors: a pair for which the condition fails is rejected, and the rejection taken back with the pair. Late rows are rejected.
type join struct {
	op    *planner.Join
	env   *Env
	out   types.Schema
	sides [2]joinSide
	on    *pairFilter
	pairs bool // pairs are put out
	keyed bool // of the right side only the keys are kept
	once  bool // a right row that matches counts once, whatever its weight

	img    state.RowImages
	rows   []uint32 // of a batch that are joined
	dense  []uint32 // 0, 1, 2 ...
	hashes []uint64
	heads  []uint32
	slots  []uint32
	w      []int64
	counts []int64 // matches of the rows of a chunk
	front  []joinFront
	p      pairList
	key    []arrow.Array
	chains map[uint32]presence
}

// joinSide is one input.
type joinSide struct {
	in      types.Schema
	keys    []int
	strict  []int // keys that match nothing if they are NULL
	types   []types.Type
	stored  []int // the columns that are kept
	table   *state.Multi
	expiry  *planner.Expiry
	rowWM   int
	late    *planner.Expiry
	alone   alone
	counted bool  // alone is told by counts
	once    bool  // a count is 0 or 1: the other side only grows
	plain   bool  // rows are only added
	same    []int // for each column of the other side: the column of this one that is equal in each pair and prints alike; -1
}

// alone is what comes of a row besides its pairs.
type alone uint8

const (
	aloneNothing alone = iota
	aloneNulls         // without a match, with NULLs for the other side
	aloneAnti          // without a match
	aloneSemi          // with a match
)

// weight is how often a row comes out alone.
func (a alone) weight(w int64, matched bool) int64 {
	if matched == (a == aloneSemi) {
		return w
	}
	return 0
}

// joinChunk is how many rows are taken at a time, so that their images stay in the processor's caches.
const joinChunk = 1024

// joinBytes is about how much text a batch of pairs may have: one long row may have very many matches.
const joinBytes = 64 << 20

func lowerJoin(n *planner.Node, op *planner.Join, env *Env) (*Lowered, error) {
	j := &join{op: op, env: env, out: n.Schema, chains: map[uint32]presence{}}
	left, right := n.Inputs[0], n.Inputs[1]
	want := len(left.Schema) + len(right.Schema)
	if op.Kind == planner.SemiJoin || op.Kind == planner.AntiJoin {
		want = len(left.Schema)
	} else {
		j.pairs = true
	}
	if len(n.Schema) != want || len(op.LeftKeys) != len(op.RightKeys) {
		return nil, types.Errorf(types.CodeInternal, "a join of %d and %d columns by %d and %d keys has %d output columns, wanted %d",
			len(left.Schema), len(right.Schema), len(op.LeftKeys), len(op.RightKeys), len(n.Schema), want)
	}
	if op.On != nil {
		var err error
		if j.on, err = newPairFilter(op.On, left.Schema, right.Schema, op.OnError, env); err != nil {
			return nil, err
		}
	}
	j.sides[0] = joinSide{keys: op.LeftKeys, expiry: op.LeftExpiry, rowWM: op.LeftRowWatermark, late: op.LeftLate}
	j.sides[1] = joinSide{keys: op.RightKeys, expiry: op.RightExpiry, rowWM: op.RightRowWatermark, late: op.RightLate}
	switch op.Kind {
	case planner.LeftJoin:
		j.sides[0].alone = aloneNulls
	case planner.FullJoin:
		j.sides[0].alone, j.sides[1].alone = aloneNulls, aloneNulls
	case planner.SemiJoin:
		j.sides[0].alone = aloneSemi
	case planner.AntiJoin:
		j.sides[0].alone = aloneAnti
	}
	for i := range j.sides {
		s, other := &j.sides[i], &j.sides[1-i]
		if err := s.init(n.Inputs[i], op.NullSafe); err != nil {
			return nil, err
		}
		s.counted = s.alone != aloneNothing && (op.On != nil || other.expiry != nil)
		s.once = n.Inputs[1-i].Props.AppendOnly
	}
	if j.keyed = !j.pairs && !j.sides[0].counted; j.keyed {
		j.sides[1].stored = j.sides[1].keys
	}
	return &Lowered{Global: j, Dists: Distributions(n)}, nil
}

// init takes what both sides have in common from the input.
func (s *joinSide) init(n *planner.Node, nullSafe []bool) error {
	s.in, s.plain = n.Schema, n.Props.AppendOnly
	s.stored = allColumns(s.in)
	for i, k := range s.keys {
		s.types = append(s.types, s.in[k].Type)
		if nullSafe == nil || !nullSafe[i] {
			s.strict = append(s.strict, k)
		}
	}
	return storable(s.in)
}

// storable reports columns that a row store does not take.
func storable(in types.Schema) error {
	for _, f := range in {
		if f.Type.Kind == types.Record {
			return types.NotSupported(types.Span{}, "a join of rows with the column %q of type %s", f.Name, f.Type)
		}
	}
	return nil
}

func (j *join) Open(ctx *OpenContext) (err error) {
	for i := range j.sides {
		s := &j.sides[i]
		spec := state.MultiSpec{Counted: s.counted, Identity: !s.plain, Time: -1, NullSafe: len(s.strict) < len(s.keys)}
		for _, c := range s.stored {
			spec.Cols = append(spec.Cols, s.in[c].Type)
		}
		spec.Keys = s.keys
		if s.expiry != nil {
			spec.Time = s.expiry.Col
		}
		if i == 1 && j.keyed {
			spec.Identity, spec.OnePerKey, spec.Sticky = false, true, s.plain
			spec.Keys = make([]int, len(s.keys))
			for k := range spec.Keys {
				spec.Keys[k] = k
			}
		}
		if s.table, err = ctx.Tables.Multi([...]string{"left", "right"}[i], spec); err != nil {
			return err
		}
		s.pairWith(&j.sides[1-i])
	}
	return nil
}

// pairWith notes which columns of the other side need not be fetched.
func (s *joinSide) pairWith(other *joinSide) {
	s.same = make([]int, len(other.in))
	for c := range s.same {
		s.same[c] = -1
	}
	for k, c := range other.keys {
		if onlyOneForm(s.types[k : k+1]) {
			s.same[c] = s.keys[k]
		}
	}
}

func (j *join) Process(ctx *Context, in int, b *changelog.Batch, emit Emit) error {
	s, other := &j.sides[in], &j.sides[1-in]
	rows, err := j.onTime(ctx, s, b)
	if err != nil {
		return err
	}
	if rows = j.withoutNulls(s, in, b, rows, emit); len(rows) == 0 {
		return nil
	}
	j.hashKeys(s, b, rows)
	cols := b.Cols
	if in == 1 && j.keyed {
		cols = make([]arrow.Array, len(s.stored))
		for i, c := range s.stored {
			cols[i] = b.Cols[c]
		}
	}
	look := (j.pairs || j.sides[0].counted) && other.table.Len() > 0
	for from := 0; from < len(rows); from += joinChunk {
		to := min(len(rows), from+joinChunk)
		chunk := rows[from:to]
		s.table.Encode(&j.img, cols, chunk, j.hashes[from:to])
		if s.counted {
			j.counts = resize(j.counts, len(chunk))
			clear(j.counts)
		}
		if look {
			j.heads = resize(j.heads, len(chunk))
			other.table.Find(s.table, &j.img, j.heads)
			if err := j.match(ctx, in, b, chunk, emit); err != nil {
				return err
			}
			if s.counted {
				if err := j.flush(ctx, in, b, emit); err != nil {
					return err
				}
			}
		}
		j.add(s, b, chunk)
	}
	return j.flush(ctx, in, b, emit)
}

// hashKeys makes the hashes of the keys of rows.
func (j *join) hashKeys(s *joinSide, b *changelog.Batch, rows []uint32) {
	j.key = j.key[:0]
	for _, k := range s.keys {
		j.key = append(j.key, b.Cols[k])
	}
	j.hashes = resize(j.hashes, len(rows))
	changelog.Hash(j.key, s.types, b.N, rows, j.hashes)
}

// onTime returns the selected rows less those that are late, which it rejects.
func (j *join) onTime(ctx *Context, s *joinSide, b *changelog.Batch) ([]uint32, error) {
	rows := b.Sel
	if rows == nil {
		rows = j.all(b.N)
	}
	if s.late == nil || s.rowWM < 0 {
		return rows, nil
	}
	c := b.Cols[s.late.Col]
	values, valid, wm := words(c), validityOf(c), watermarks(b.Cols[s.rowWM])
	late := func(row uint32) bool {
		return values[row] <= subSat(wm[row], s.late.Lag) && !valid.null(int(row))
	}
	if !slices.ContainsFunc(rows, late) {
		return rows, nil
	}
	j.rows = j.rows[:0]
	for _, row := range rows {
		if !late(row) {
			j.rows = append(j.rows, row)
			continue
		}
		err := ctx.Reject(Rejection{Batch: b, Schema: s.in, Row: int(row), Reason: ReasonLate,
			Err: lateError("the time until which all that it matches is kept", addSat(values[row], s.late.Lag), wm[row]), Weight: b.Weight(int(row)),
			Watermark: changelog.Watermark(wm[row]), Policy: uint8(j.op.OnLate)})
		if err != nil {
			return nil, err
		}
	}
	return j.rows, nil
}

// all returns the rows 0 to n-1.
func (j *join) all(n int) []uint32 {
	for i := len(j.dense); i < n; i++ {
		j.dense = append(j.dense, uint32(i))
	}
	return j.dense[:n]
}

// withoutNulls returns the rows that can match. Those with a NULL in their key come out at once if they come out alone.
func (j *join) withoutNulls(s *joinSide, in int, b *changelog.Batch, rows []uint32, emit Emit) []uint32 {
	var nulls []validity
	for _, k := range s.strict {
		if v := validityOf(b.Cols[k]); v.bits != nil {
			nulls = append(nulls, v)
		}
	}
	if nulls == nil {
		return rows
	}
	var kept, lone []uint32
	for _, row := range rows {
		null := false
		for _, v := range nulls {
			null = null || v.null(int(row))
		}
		if null {
			lone = append(lone, row)
		} else {
			kept = append(kept, row)
		}
	}
	if len(lone) == 0 || s.alone != aloneNulls && s.alone != aloneAnti {
		return kept
	}
	out := &changelog.Batch{Cols: b.Cols, N: b.N, Weights: b.Weights}
	if s.alone == aloneNulls {
		out.Cols = j.withNulls(in, b.Cols, b.N)
	}
	emit(selected(out, lone))
	return kept
}

// withNulls returns the columns of one side with NULLs in place of the other's.
func (j *join) withNulls(in int, cols []arrow.Array, n int) []arrow.Array {
	nulls := nullColumns(j.sides[1-in].in, n)
	if in == 0 {
		return slices.Concat(cols, nulls)
	}
	return slices.Concat(nulls, cols)
}

// nullColumns returns n rows of NULLs.
func nullColumns(s types.Schema, n int) []arrow.Array {
	zeros := make([]uint32, n)
	out := make([]arrow.Array, len(s))
	for i, f := range s {
		b := changelog.NewBuilder(f.Type)
		b.AppendNull()
		out[i] = changelog.TakeArray(b.NewArray(), zeros)
	}
	return out
}

// pairList is pairs of a row of a batch and a row of the other side.
type pairList struct {
	row   []uint32
	slot  []uint32
	place []uint32 // of row in its chunk
}

// weigh leaves out the pairs with rows of the weight zero.
func (p *pairList) weigh(other *state.Multi) {
	n := 0
	for i, slot := range p.slot {
		if other.Weight(slot) != 0 {
			p.row[n], p.slot[n] = p.row[i], slot
			n++
		}
	}
	p.row, p.slot = p.row[:n], p.slot[:n]
}

// match collects the pairs of a chunk whose first rows of the other side are in j.heads.
func (j *join) match(ctx *Context, in int, b *changelog.Batch, chunk []uint32, emit Emit) error {
	other := j.sides[1-in].table
	// Rows that have come to the weight zero pair with nothing, but may come back before the epoch ends, and then have counted.
	all := other.AllOnes() || j.sides[1-in].counted
	most := max(1, min(j.env.batchRows(), joinBytes/max(1, other.RowBytes()+j.img.MostBytes())))
	counted := j.sides[in].counted
	// All rows go one step along their chains before one goes the next, so that the processor fetches many at a time.
	j.front = j.front[:0]
	for i, slot := range j.heads {
		if slot != state.NoSlot {
			j.front = append(j.front, joinFront{uint32(i), slot})
		}
	}
	for len(j.front) > 0 {
		n := 0
		for _, f := range j.front {
			if len(j.p.row) >= most {
				if err := j.flush(ctx, in, b, emit); err != nil {
					return err
				}
			}
			if all || other.Weight(f.slot) != 0 {
				j.p.row, j.p.slot = append(j.p.row, chunk[f.at]), append(j.p.slot, f.slot)
				if counted {
					j.p.place = append(j.p.place, f.at)
				}
			}
			if next := other.Next(f.slot); next != state.NoSlot {
				j.front[n] = joinFront{f.at, next}
				n++
			}
		}
		j.front = j.front[:n]
	}
	return nil
}

// joinFront is how far the row at a place of a chunk has come along its chain.
type joinFront struct{ at, slot uint32 }

// flush puts the pairs out that the condition accepts, and counts them.
func (j *join) flush(ctx *Context, in int, b *changelog.Batch, emit Emit) error {
	p := &j.p
	if len(p.row) == 0 {
		return nil
	}
	if err := ctx.Stopped(); err != nil {
		return err
	}
	s, other := &j.sides[in], &j.sides[1-in]
	if j.on != nil {
		if err := j.on.filter(ctx, in, b, other.table, p); err != nil {
			return err
		}
	}
	if s.counted {
		for i, at := range p.place {
			if s.once {
				j.counts[at] = 1
			} else {
				j.counts[at] += other.table.Weight(p.slot[i])
			}
		}
	}
	if other.counted {
		for i, slot := range p.slot {
			if !other.once {
				other.table.Touch(slot)
				*other.table.Count(slot) += b.Weight(int(p.row[i]))
			} else if *other.table.Count(slot) == 0 {
				other.table.Touch(slot)
				*other.table.Count(slot) = 1
			}
		}
	}
	if j.pairs {
		if other.counted && !other.table.AllOnes() {
			p.weigh(other.table)
		}
		if len(p.row) > 0 {
			j.emitPairs(in, b, emit)
		}
	}
	p.row, p.slot, p.place = p.row[:0], p.slot[:0], p.place[:0]
	return nil
}

// emitPairs puts the pairs out.
func (j *join) emitPairs(in int, b *changelog.Batch, emit Emit) {
	s, other := &j.sides[in], &j.sides[1-in]
	p := &j.p
	n := len(p.row)
	out := &changelog.Batch{N: n}
	own := make([]arrow.Array, len(s.in))
	slots := p.slot
	// Where most rows of the batch have just one match, its columns go on as they are.
	if 2*n > b.N && ascending(p.row) {
		out.N = b.N
		copy(own, b.Cols)
		if n < b.N {
			out.Sel = slices.Clone(p.row)
			j.slots = resize(j.slots, b.N)
			for i := range j.slots {
				j.slots[i] = p.slot[0]
			}
			for i, row := range p.row {
				j.slots[row] = p.slot[i]
			}
			slots = j.slots
		}
		out.Weights = j.pairWeights(b, other.table, p.row, out.N)
	} else {
		for c := range own {
			own[c] = changelog.TakeArray(b.Cols[c], p.row)
		}
		out.Weights = j.pairWeights(b, other.table, nil, n)
	}
	theirs := make([]arrow.Array, len(other.in))
	for c := range theirs {
		if same := s.same[c]; same >= 0 {
			theirs[c] = own[same]
		} else {
			theirs[c] = other.table.Gather(c, slots)
		}
	}
	if in == 0 {
		out.Cols = append(own, theirs...)
	} else {
		out.Cols = append(theirs, own...)
	}
	emit(out)
}

func ascending(rows []uint32) bool {
	for i := 1; i < len(rows); i++ {
		if rows[i] <= rows[i-1] {
			return false
		}
	}
	return true
}

// pairWeights multiplies the weights of pairs; the i-th goes to at[i], or to i. nil: all are one.
func (j *join) pairWeights(b *changelog.Batch, other *state.Multi, at []uint32, n int) []int64 {
	if b.Weights == nil && (j.once || other.AllOnes()) {
		return nil
	}
	out := make([]int64, n)
	ones := true
	for i, row := range j.p.row {
		w := b.Weight(int(row))
		if !j.once {
			w *= other.Weight(j.p.slot[i])
		}
		ones = ones && w == 1
		if at != nil {
			out[at[i]] = w
		} else {
			out[i] = w
		}
	}
	if ones {
		return nil
	}
	return out
}

// add takes the rows of a chunk, whose images are in j.img, into the state.
func (j *join) add(s *joinSide, b *changelog.Batch, chunk []uint32) {
	j.slots = resize(j.slots, max(len(chunk), len(j.slots)))
	var w []int64
	if b.Weights != nil {
		j.w = gatherWords(j.w, b.Weights, chunk)
		w = j.w
	}
	s.table.Add(&j.img, w, j.slots)
	if s.counted {
		for i, slot := range j.slots[:len(chunk)] {
			// A row that was there has its count, which is the same.
			if c := j.counts[i]; c != 0 && *s.table.Count(slot) == 0 && s.table.Fresh(slot) {
				*s.table.Count(slot) = c
			}
		}
	}
}

func (j *join) Close() error { return nil }
