package exec

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// pairFilter judges pairs by a condition over the columns of both sides. Only the columns that the condition reads are made for it.
type pairFilter struct {
	prog   *expr.Program
	ectx   expr.Context
	schema types.Schema // left ++ right
	left   int          // columns of the left side
	reads  []int
	policy planner.Policy
	cols   []arrow.Array
}

func newPairFilter(on expr.Expr, left, right types.Schema, policy planner.Policy, env *Env) (*pairFilter, error) {
	prog, err := env.functions().CompileFilter(on)
	if err != nil {
		return nil, err
	}
	f := &pairFilter{prog: prog, ectx: expr.Context{Zone: env.zone()}, schema: slices.Concat(left, right), left: len(left), reads: expr.Columns(on), policy: policy}
	f.cols = make([]arrow.Array, len(f.schema))
	return f, nil
}

// column makes a column of the pairs.
func (f *pairFilter) column(c, in int, b *changelog.Batch, other *state.Multi, p *pairList) arrow.Array {
	at, side := c, 0
	if c >= f.left {
		at, side = c-f.left, 1
	}
	if side == in {
		return changelog.TakeArray(b.Cols[at], p.row)
	}
	return other.Gather(at, p.slot)
}

// filter leaves the pairs of a batch of side in that are accepted.
func (f *pairFilter) filter(ctx *Context, in int, b *changelog.Batch, other *state.Multi, p *pairList) error {
	for _, c := range f.reads {
		f.cols[c] = f.column(c, in, b, other, p)
	}
	f.ectx.Now = ctx.Clock
	sel, errs, err := f.prog.EvalFilter(&f.ectx, &changelog.Batch{Cols: f.cols, N: len(p.row)})
	clear(f.cols)
	if err != nil {
		return err
	}
	if errs.Len() > 0 {
		if err := f.reject(ctx, in, b, other, p, errs); err != nil {
			return err
		}
	}
	if sel == nil {
		return nil
	}
	for i, at := range sel {
		p.row[i], p.slot[i] = p.row[at], p.slot[at]
	}
	if len(p.place) > 0 {
		for i, at := range sel {
			p.place[i] = p.place[at]
		}
		p.place = p.place[:len(sel)]
	}
	p.row, p.slot = p.row[:len(sel)], p.slot[:len(sel)]
	return nil
}

// reject records the pairs that failed, with their weight: pairs that go away are taken back.
func (f *pairFilter) reject(ctx *Context, in int, b *changelog.Batch, other *state.Multi, p *pairList, errs *expr.RowErrors) error {
	bad := &pairList{}
	for _, at := range errs.Rows {
		bad.row, bad.slot = append(bad.row, p.row[at]), append(bad.slot, p.slot[at])
	}
	pairs := &changelog.Batch{N: len(bad.row), Cols: make([]arrow.Array, len(f.schema))}
	for c := range f.schema {
		pairs.Cols[c] = f.column(c, in, b, other, bad)
	}
	for i, cause := range errs.Errs {
		w := b.Weight(int(bad.row[i])) * other.Weight(bad.slot[i])
		if w == 0 {
			continue
		}
		err := ctx.Reject(Rejection{Batch: pairs, Schema: f.schema, Row: i, Reason: ReasonError, Err: cause, Weight: w, Policy: uint8(f.policy)})
		if err != nil {
			return err
		}
	}
	return nil
}
