package exec

import (
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// stateless is the part of Operator of which operators without state need nothing.
type stateless struct{}

func (stateless) Open(*OpenContext) error { return nil }
func (stateless) Close() error            { return nil }
func (stateless) EndEpoch(ctx *Context, _ Emit) (changelog.Watermark, error) {
	return ctx.Watermark, nil
}

// filter keeps the rows for which a predicate is true. Rows for which it fails are rejected. The columns are shared, only the
// selection changes.
type filter struct {
	stateless
	prog   *expr.Program
	ectx   expr.Context
	in     types.Schema
	policy planner.Policy
}

func newFilter(n *planner.Node, op *planner.Filter, env *Env) (Operator, error) {
	prog, err := env.functions().CompileFilter(op.Pred)
	if err != nil {
		return nil, err
	}
	return &filter{prog: prog, ectx: expr.Context{Zone: env.zone()}, in: n.Inputs[0].Schema, policy: op.OnError}, nil
}

func (f *filter) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	f.ectx.Now = ctx.Clock
	sel, errs, err := f.prog.EvalFilter(&f.ectx, b)
	if err != nil {
		return err
	}
	if err := rejectErrors(ctx, b, f.in, errs, f.policy); err != nil {
		return err
	}
	switch {
	case sel == nil && b.N > 0:
		emit(b)
	case len(sel) > 0:
		emit(b.Select(sel))
	}
	return nil
}

// rejectErrors rejects the rows that failed, each with its own error.
func rejectErrors(ctx *Context, b *changelog.Batch, in types.Schema, errs *expr.RowErrors, policy planner.Policy) error {
	for i := range errs.Len() {
		row := int(errs.Rows[i])
		if err := reject(ctx, b, in, row, errs.Errs[i], policy); err != nil {
			return err
		}
	}
	return nil
}

func reject(ctx *Context, b *changelog.Batch, in types.Schema, row int, cause *types.Error, policy planner.Policy) error {
	return ctx.Reject(Rejection{Batch: b, Schema: in, Row: row, Reason: ReasonError, Err: cause, Weight: b.Weight(row), Policy: uint8(policy)})
}

// union passes all its inputs on.
type union struct{ stateless }

func (union) Process(_ *Context, _ int, b *changelog.Batch, emit Emit) error {
	emit(b)
	return nil
}
