package exec

import (
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// partitionClosing ends the partitions of a TopN or Over when the watermark has passed the value of one of their columns, and judges
// which rows are late for their partition.
type partitionClosing struct {
	plan  *planner.Closing
	limit int64 // partitions with this value or less are closed
}

func newPartitionClosing(plan *planner.Closing, in types.Schema, partition []int) (*partitionClosing, error) {
	c := &partitionClosing{plan: plan, limit: math.MinInt64}
	if plan.Close < 0 {
		if plan.Emit == planner.EmitOnClose {
			return nil, types.Errorf(types.CodeInternal, "partitions that never close cannot be emitted on close")
		}
		return c, nil
	}
	if !slices.Contains(partition, plan.Close) {
		return nil, types.Errorf(types.CodeInternal, "column %q closes partitions, but does not belong to them", in[plan.Close].Name)
	}
	if k := in[plan.Close].Type.Kind; k != types.Timestamp && k != types.TimestampTZ {
		return nil, types.NotSupported(types.Span{}, "dropping partitions by a column of type %s", in[plan.Close].Type)
	}
	return c, nil
}

// lower makes both parts of the operator: where rows have a watermark of their own, late ones are left out before the exchange.
func (c *partitionClosing) lower(global Operator, n *planner.Node, partition []int) *Lowered {
	l := &Lowered{Global: global, Dists: []Distribution{byKeys(partition)}}
	if c.plan.Close >= 0 && c.plan.RowWatermark >= 0 {
		in := n.Inputs[0].Schema
		l.Local, l.Partial = &closingLocal{plan: c.plan, in: in}, in
	}
	return l
}

func (c *partitionClosing) open(ctx *OpenContext) {
	if c.plan.Close >= 0 {
		c.limit = lessLateness(ctx.Watermark, c.plan.CloseLag)
	}
}

// admit leaves out the rows of partitions that are closed.
func (c *partitionClosing) admit(ctx *Context, b *changelog.Batch, in types.Schema) (*changelog.Batch, error) {
	if c.plan.Close < 0 || c.limit == math.MinInt64 {
		return b, nil
	}
	at := addSat(c.limit, c.plan.CloseLag)
	return leaveLate(ctx, b, in, c.plan, func(int) int64 { return at })
}

// passes reports whether a watermark closes further partitions; then each goes through them.
func (c *partitionClosing) passes(w changelog.Watermark) bool {
	if c.plan.Close < 0 {
		return false
	}
	limit := lessLateness(w, c.plan.CloseLag)
	if limit <= c.limit {
		return false
	}
	c.limit = limit
	return true
}

// each calls f with the start of the keys of each partition that is closed now; f deletes its rows. Those whose value is NULL close
// when the input has ended. The entries of the partitions in ends, a table by partition, are deleted.
func (c *partitionClosing) each(rows *state.Ordered, l *rowLayout, ends *state.Hash, f func(prefix []byte)) {
	nk := len(l.partition)
	builders := changelog.NewBuilders(l.ts[:nk])
	n := 0
	var prefix []byte
	for {
		cur := rows.First()
		if !cur.Valid() {
			break
		}
		if at, ok := closesAt(cur.Key()); ok && at > c.limit || !ok && c.limit != math.MaxInt64 {
			break
		}
		prefix = append(prefix[:0], cur.Key()[:l.partLen(cur.Key())]...)
		if _, err := l.part.Decode(prefix, nil, builders); err != nil {
			panic("exec: state of a partition does not decode: " + err.Error())
		}
		n++
		f(prefix)
	}
	if n == 0 || ends == nil {
		return
	}
	slots := make([]uint32, n)
	ends.Find(state.KeyBatch{Cols: builtArrays(builders), N: n}, slots)
	for _, s := range slots {
		if s != state.NoSlot {
			ends.Delete(s)
		}
	}
}

func builtArrays(builders []array.Builder) []arrow.Array {
	out := make([]arrow.Array, len(builders))
	for i, b := range builders {
		out[i] = b.NewArray()
	}
	return out
}

// leaveLate rejects the rows whose partition their watermark has passed.
func leaveLate(ctx *Context, b *changelog.Batch, in types.Schema, plan *planner.Closing, wm func(row int) int64) (*changelog.Batch, error) {
	col := b.Cols[plan.Close]
	values, valid := words(col), validityOf(col)
	var sel []uint32
	kept := 0
	var failed error
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		if !valid.null(row) {
			if w := wm(row); w != math.MinInt64 && values[row] <= subSat(w, plan.CloseLag) {
				if sel == nil {
					sel = selectedRows(b)[:kept:kept]
				}
				failed = ctx.Reject(Rejection{Batch: b, Schema: in, Row: row, Reason: ReasonLate,
					Err: lateError("the end of its partition", values[row], w), Weight: b.Weight(row),
					Watermark: changelog.Watermark(w), Policy: uint8(plan.OnLate)})
				return
			}
		}
		kept++
		if sel != nil {
			sel = append(sel, uint32(row))
		}
	})
	if failed != nil || sel == nil {
		return b, failed
	}
	return b.Select(sel), nil
}

// selectedRows returns the physical rows of a batch.
func selectedRows(b *changelog.Batch) []uint32 {
	if b.Sel != nil {
		return b.Sel
	}
	out := make([]uint32, b.N)
	for i := range out {
		out[i] = uint32(i)
	}
	return out
}

// closingLocal judges rows by their own watermark.
type closingLocal struct {
	plan *planner.Closing
	in   types.Schema
}

func (l *closingLocal) Process(ctx *Context, b *changelog.Batch, emit Emit) error {
	wms := watermarks(b.Cols[l.plan.RowWatermark])
	b, err := leaveLate(ctx, b, l.in, l.plan, func(row int) int64 { return wms[row] })
	if err != nil || b.Rows() == 0 {
		return err
	}
	out := *b
	out.Origin = nil
	emit(&out)
	return nil
}

func (*closingLocal) Flush(*Context, Emit) error { return nil }
