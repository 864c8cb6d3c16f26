package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// project computes one column per expression. A row in which one fails is rejected. Columns that are only passed on are shared.
type project struct {
	stateless
	prog   *expr.Program // nil: columns are passed on
	cols   []int
	ectx   expr.Context
	in     types.Schema
	policy planner.Policy
}

func newProject(n *planner.Node, op *planner.Project, env *Env) (Operator, error) {
	p := &project{ectx: expr.Context{Zone: env.zone()}, in: n.Inputs[0].Schema, policy: op.OnError}
	for _, e := range op.Exprs {
		if c, ok := e.(*expr.Column); ok && c.Index < len(p.in) && c.T.Arrow().ID() == p.in[c.Index].Type.Arrow().ID() {
			p.cols = append(p.cols, c.Index)
		}
	}
	if len(p.cols) == len(op.Exprs) {
		return p, nil
	}
	var err error
	p.prog, err = env.functions().Compile(op.Exprs)
	return p, err
}

func (p *project) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	if p.prog == nil {
		cols := make([]arrow.Array, len(p.cols))
		for i, c := range p.cols {
			cols[i] = b.Cols[c]
		}
		emit(b.With(cols))
		return nil
	}
	p.ectx.Now = ctx.Clock
	vs, err := p.prog.Eval(&p.ectx, b)
	if err != nil {
		return err
	}
	cols := make([]arrow.Array, len(vs))
	var errs *expr.RowErrors
	for i, v := range vs {
		cols[i] = v.Arr
		errs = errs.Merge(v.Errs)
	}
	out := b.With(cols)
	if errs.Len() > 0 {
		if err := rejectErrors(ctx, b, p.in, errs, p.policy); err != nil {
			return err
		}
		sel := make([]uint32, 0, b.Rows()-errs.Len())
		next := 0
		b.Each(func(row int) {
			for next < len(errs.Rows) && int(errs.Rows[next]) < row {
				next++
			}
			if next == len(errs.Rows) || int(errs.Rows[next]) != row {
				sel = append(sel, uint32(row))
			}
		})
		if len(sel) == 0 {
			return nil
		}
		out = out.Select(sel)
	}
	emit(out)
	return nil
}
