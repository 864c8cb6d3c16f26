package exec

import (
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// watermarker runs a planner.Watermark. The costly half, computing each row's watermark, runs in parallel where the rows are
// (evaluate); the half that depends on order is one comparison a batch (assign, by the driver); the hidden column is
// again built in parallel.
type watermarker struct {
	op       *planner.Watermark
	in       types.Schema
	programs []*expr.Program // per worker
	sent     [][]*marks      // per worker, in order
	leaf     *vertex         // whose partitions the rows are of

	zone   *time.Location
	parts  map[string]*partMark
	source changelog.Watermark // of the whole source; never goes back
}

// partMark is the watermark of one partition.
type partMark struct {
	wm changelog.Watermark
	// apart: the partition does not hold the source's watermark (new, or idle), so what it brings next is judged by the source's
	// watermark too.
	apart bool
	// holds: the source's watermark stands at this partition's, while others are ahead; since is the clock at which that began.
	holds bool
	since int64
}

// marks is a batch with the watermark of each row.
type marks struct {
	ord   uint64
	part  string
	batch *changelog.Batch
	rows  []int64             // by physical row; meaningless where not selected or null
	nulls arrow.Array         // of rows; nil: none
	max   changelog.Watermark // over the selected rows
	start changelog.Watermark // of the partition before the first row
}

func newWatermarker(op *planner.Watermark, in types.Schema, workers int, leaf *vertex, env *Env) (*watermarker, error) {
	m := &watermarker{op: op, in: in, leaf: leaf, zone: env.zone(), sent: make([][]*marks, workers), parts: map[string]*partMark{}, source: changelog.MinWatermark}
	if k := in[op.Time].Type.Kind; k != types.Timestamp && k != types.TimestampTZ {
		return nil, fmt.Errorf("internal error: a watermark on column %d of type %s", op.Time, in[op.Time].Type)
	}
	p, err := env.functions().Compile([]expr.Expr{op.Expr})
	if err != nil {
		return nil, err
	}
	for i := range workers {
		if i > 0 {
			p = p.Clone()
		}
		m.programs = append(m.programs, p)
	}
	return m, nil
}

// evaluate computes the rows' watermarks and leaves out rows whose time is too far ahead.
func (m *watermarker) evaluate(ctx *Context, w *worker, b *changelog.Batch) (*marks, error) {
	out := &marks{ord: w.ord, batch: b, max: changelog.MinWatermark}
	if w.part != nil {
		out.part = w.part.name
	}
	b, err := m.ahead(ctx, b)
	if err != nil {
		return nil, err
	}
	vecs, err := m.programs[w.id].Eval(&expr.Context{Now: ctx.Clock, Zone: m.zone}, b)
	if err != nil {
		return nil, err
	}
	v := vecs[0]
	if v.Errs.Len() > 0 {
		for i, row := range v.Errs.Rows {
			if err := ctx.Reject(Rejection{Batch: b, Schema: m.in, Row: int(row), Reason: ReasonError, Err: v.Errs.Errs[i], Weight: b.Weight(int(row))}); err != nil {
				return nil, err
			}
		}
		b = without(b, func(row int) bool { return v.Errs.At(uint32(row)) != nil })
	}
	out.batch = b
	out.rows = micros(v.Arr)
	if v.Arr.NullN() > 0 {
		out.nulls = v.Arr
	}
	top := int64(math.MinInt64)
	switch {
	case out.nulls != nil:
		b.Each(func(row int) {
			if !out.nulls.IsNull(row) {
				top = max(top, out.rows[row])
			}
		})
	case b.Sel == nil:
		for _, x := range out.rows {
			top = max(top, x)
		}
	default:
		for _, row := range b.Sel {
			top = max(top, out.rows[row])
		}
	}
	out.max = min(changelog.Watermark(top), changelog.MaxWatermark-1)
	return out, nil
}

// ahead rejects the rows whose time is more than MaxAhead after the epoch's clock.
func (m *watermarker) ahead(ctx *Context, b *changelog.Batch) (*changelog.Batch, error) {
	if m.op.MaxAhead <= 0 {
		return b, nil
	}
	limit := addTime(ctx.Clock, m.op.MaxAhead)
	col := b.Cols[m.op.Time]
	times := micros(col)
	over := false
	for _, t := range times {
		over = over || t > limit
	}
	if !over {
		return b, nil
	}
	bad := func(row int) bool { return times[row] > limit && !col.IsNull(row) }
	var err error
	b.Each(func(row int) {
		if err != nil || !bad(row) {
			return
		}
		err = ctx.Reject(Rejection{
			Batch: b, Schema: m.in, Row: row, Reason: ReasonAhead, Weight: b.Weight(row), Policy: uint8(m.op.OnLate), Watermark: m.source,
			Err: types.Errorf(types.CodeDatetimeOverflow, "event time %s is more than %s ahead of the clock %s",
				timeText(times[row]), durationText(m.op.MaxAhead), timeText(ctx.Clock)),
		})
	})
	if err != nil {
		return nil, err
	}
	return without(b, bad), nil
}

// send keeps a batch for assign.
func (m *watermarker) send(w *worker, x *marks) { m.sent[w.id] = append(m.sent[w.id], x) }

// assign gives every batch the watermark of its partition before it, and moves the watermarks of the partitions and the source.
func (m *watermarker) assign(r *runner, v *vertex) []task {
	all := takeMarks(m.sent)
	skips := m.skips(r)
	var tasks []task
	for _, x := range all {
		for len(skips) > 0 && skips[0].ord <= x.ord {
			m.advance(skips[0].part, skips[0].wm)
			skips = skips[1:]
		}
		x.start = m.advance(x.part, x.max)
		tasks = append(tasks, task{v: v, run: func(w *worker) error {
			v.emits[w.id](m.mark(x))
			return nil
		}, item: item{ord: x.ord, part: m.partition(x.part)}})
	}
	for _, s := range skips {
		m.advance(s.part, s.wm)
	}
	m.source = max(m.source, m.candidate(r.clock))
	for _, p := range m.leaf.leaf.partitions() {
		mark := m.part(p.name)
		mark.apart = !p.ended && m.idle(p, r.clock)
		holds := !p.ended && !mark.apart && mark.wm == m.source
		if holds && !mark.holds {
			mark.since = r.clock
		}
		mark.holds = holds
	}
	v.nextTimer = m.nextTimer(r.clock)
	return tasks
}

type skip struct {
	ord  uint64
	part string
	wm   changelog.Watermark
}

// skips returns what pruning skipped in this epoch, in order.
func (m *watermarker) skips(r *runner) []skip {
	var out []skip
	for i := range r.sourceTasks {
		t := &r.sourceTasks[i]
		if t.v != m.leaf || t.skipped == 0 || t.skipped == changelog.MinWatermark {
			continue
		}
		if m.op.MaxAhead > 0 && int64(t.skipped) > addTime(r.clock, m.op.MaxAhead) {
			continue
		}
		if wm, ok := m.watermarkOf(int64(t.skipped), r.clock); ok {
			out = append(out, skip{ord: ordTask(0, i), part: t.item.part.name, wm: wm})
		}
	}
	return out
}

// watermarkOf computes the watermark of a row of which only the time is known.
func (m *watermarker) watermarkOf(t, clock int64) (changelog.Watermark, bool) {
	cols := make([]arrow.Array, len(m.in))
	for i, f := range m.in {
		b := types.NewBuilder(f.Type)
		if i == m.op.Time {
			b.(*array.TimestampBuilder).Append(arrow.Timestamp(t))
		} else {
			b.AppendNull()
		}
		cols[i] = b.NewArray()
	}
	vecs, err := m.programs[0].Eval(&expr.Context{Now: clock, Zone: m.zone}, &changelog.Batch{Cols: cols, N: 1})
	if err != nil || vecs[0].Errs.Len() > 0 || vecs[0].Arr.IsNull(0) {
		return 0, false
	}
	return changelog.Watermark(micros(vecs[0].Arr)[0]), true
}

// advance raises a partition's watermark and returns what it was before.
func (m *watermarker) advance(part string, to changelog.Watermark) changelog.Watermark {
	p := m.part(part)
	if p.apart {
		p.wm = max(p.wm, m.source)
		p.apart = false
	}
	before := p.wm
	p.wm = max(p.wm, min(to, changelog.MaxWatermark-1))
	return before
}

func (m *watermarker) part(name string) *partMark {
	p := m.parts[name]
	if p == nil {
		p = &partMark{wm: changelog.MinWatermark, apart: true}
		m.parts[name] = p
	}
	return p
}

func (m *watermarker) partition(name string) *partition {
	for _, p := range m.leaf.leaf.partitions() {
		if p.name == name {
			return p
		}
	}
	return nil
}

// mark appends the hidden column with the partition's watermark just before each row.
func (m *watermarker) mark(x *marks) *changelog.Batch {
	b := x.batch
	if !m.op.Emit {
		return b
	}
	col := make([]int64, b.N)
	at := int64(x.start)
	const limit = int64(changelog.MaxWatermark - 1)
	switch {
	case x.nulls == nil && b.Sel == nil:
		for row, t := range x.rows {
			col[row] = at
			at = max(at, min(t, limit))
		}
	default:
		b.Each(func(row int) {
			col[row] = at
			if x.nulls == nil || !x.nulls.IsNull(row) {
				at = max(at, min(x.rows[row], limit))
			}
		})
	}
	cols := make([]arrow.Array, len(b.Cols), len(b.Cols)+1)
	copy(cols, b.Cols)
	data := array.NewData(types.TimestampType.Arrow(), b.N, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(col))}, nil, 0, 0)
	return b.With(append(cols, array.MakeFromData(data)))
}

// idle reports whether the partition has stood at its end, confirmed by its reader, for the idle timeout.
func (m *watermarker) idle(p *partition, clock int64) bool {
	return m.op.IdleTimeout > 0 && p.quiet && p.confirmed-p.quietSince >= m.op.IdleTimeout
}

// candidate computes the source's watermark from where its partitions stand.
//
// It is the minimum over the partitions that neither ended nor are idle. If all others ended or are idle, it is the highest
// watermark seen plus the time since the last one fell quiet. If all have ended there is nothing more to come.
func (m *watermarker) candidate(clock int64) changelog.Watermark {
	parts := m.leaf.leaf.partitions()
	if _, scan := m.leaf.leaf.(*scanLeaf); !scan { // the rows of a view or of VALUES are one partition
		if m.leaf.leaf.watermark(m.leaf) == changelog.MaxWatermark {
			return changelog.MaxWatermark
		}
		if p := m.parts[""]; p != nil {
			return p.wm
		}
		return changelog.MinWatermark
	}
	if len(parts) == 0 {
		return changelog.MinWatermark
	}
	low, high := changelog.MaxWatermark, changelog.MinWatermark
	active, idle := 0, 0
	quietSince := int64(math.MinInt64)
	for _, p := range parts {
		wm := changelog.MinWatermark
		if mark := m.parts[p.name]; mark != nil {
			wm = mark.wm
		}
		high = max(high, wm)
		switch {
		case p.ended:
		case m.idle(p, clock):
			idle++
			quietSince = max(quietSince, p.quietSince)
		default:
			active++
			low = min(low, wm)
		}
	}
	switch {
	case active > 0:
		return low
	case idle == 0:
		return changelog.MaxWatermark
	case high == changelog.MinWatermark:
		return high
	}
	return min(changelog.Watermark(addTime(int64(high), max(0, clock-quietSince))), changelog.MaxWatermark-1)
}

// moves reports whether an epoch at this clock would move the watermark without input.
func (m *watermarker) moves(clock int64) bool { return m.candidate(clock) > m.source }

// nextTimer is when quiet partitions may become idle, or the watermark of an idle source moves on.
func (m *watermarker) nextTimer(clock int64) int64 {
	if m.op.IdleTimeout <= 0 || m.source == changelog.MaxWatermark {
		return noTimer
	}
	next := noTimer
	allIdle, seen := true, false
	for _, p := range m.leaf.leaf.partitions() {
		switch {
		case p.ended:
		case m.idle(p, clock):
			seen = true
		case p.quiet:
			allIdle = false
			next = min(next, addTime(p.quietSince, m.op.IdleTimeout))
		default:
			allIdle = false
		}
	}
	if allIdle && seen && m.source > changelog.MinWatermark {
		next = min(next, addTime(clock, min(max(m.op.IdleTimeout, 10_000), 1_000_000)))
	}
	return next
}

func takeMarks(lists [][]*marks) []*marks {
	var all []*marks
	for i, l := range lists {
		all = append(all, l...)
		lists[i] = nil
	}
	sortByOrd(all, func(x *marks) uint64 { return x.ord })
	return all
}

// micros returns the values of a timestamp column.
func micros(a arrow.Array) []int64 {
	if t, ok := a.(*array.Timestamp); ok {
		v := t.TimestampValues()
		return arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(v))
	}
	return nil
}

// addTime adds without leaving the range.
func addTime(t, d int64) int64 {
	s := t + d
	switch {
	case d > 0 && s < t:
		return math.MaxInt64
	case d < 0 && s > t:
		return math.MinInt64
	}
	return s
}

// without returns b less the selected rows for which drop holds.
func without(b *changelog.Batch, drop func(row int) bool) *changelog.Batch {
	sel := make([]uint32, 0, b.Rows())
	b.Each(func(row int) {
		if !drop(row) {
			sel = append(sel, uint32(row))
		}
	})
	return b.Select(sel)
}
