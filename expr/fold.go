package expr

import (
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Fold computes what is constant: immutable functions of literals, AND and OR with a deciding or neutral literal, CASE
// with constant conditions, IN over a literal; and it flattens AND inside AND. What fails stays as it is, so that the rows that need it
// fail, positioned. The result means the same for every row, but that errors that no longer count are gone.
func Fold(e Expr) Expr { return Builtin.Fold(e) }

// Fold is the function of that name over this registry.
func (r *Registry) Fold(e Expr) Expr {
	return Rewrite(e, func(e Expr) Expr {
		switch e := e.(type) {
		case *Logic:
			return foldLogic(e)
		case *Case:
			return foldCase(e)
		case *Call, *In, *Try:
			if r.foldable(e) {
				if v, err := r.Const(e, &Context{}); err == nil {
					return &Literal{Base: Base{T: e.Type(), Sp: e.Span()}, Value: v}
				}
			}
		}
		return e
	})
}

// foldable reports whether the arguments are literals and the function is immutable.
func (r *Registry) foldable(e Expr) bool {
	for _, k := range Children(e) {
		if _, ok := k.(*Literal); !ok {
			return false
		}
	}
	if c, ok := e.(*Call); ok {
		o := r.Lookup(c.Fn)
		return o != nil && !o.Stable && !o.Volatile
	}
	return true
}

// Const computes an expression that reads no column, in the form of Literal.Value.
//
// Errors: the expression's own, positioned.
func Const(e Expr, ctx *Context) (any, error) { return Builtin.Const(e, ctx) }

// Const is the function of that name over this registry.
func (r *Registry) Const(e Expr, ctx *Context) (any, error) {
	p, err := r.Compile([]Expr{e})
	if err != nil {
		return nil, err
	}
	p.start(ctx, &changelog.Batch{N: 1})
	v := p.roots[0].eval(p, &p.root)
	switch {
	case p.fatal != nil:
		return nil, p.fatal
	case v.errs.Len() > 0:
		return nil, v.errs.Errs[0]
	}
	return v.valueAt(0), nil
}

func boolLiteral(e Expr, value bool) Expr {
	return &Literal{Base: Base{T: types.BoolType, Sp: e.Span()}, Value: value}
}

func foldLogic(e *Logic) Expr {
	var args []Expr
	changed := false
	for _, a := range e.Args {
		if lit, ok := a.(*Literal); ok {
			if v, ok := lit.Value.(bool); ok {
				if v == e.Or {
					return boolLiteral(e, e.Or)
				}
				changed = true
				continue
			}
		}
		if inner, ok := a.(*Logic); ok && inner.Or == e.Or {
			args = append(args, inner.Args...)
			changed = true
			continue
		}
		args = append(args, a)
	}
	switch {
	case len(args) == 0:
		return boolLiteral(e, !e.Or)
	case len(args) == 1:
		return args[0]
	case !changed:
		return e
	}
	return &Logic{Base: e.Base, Or: e.Or, Args: args}
}

func foldCase(e *Case) Expr {
	out := &Case{Base: e.Base, Else: e.Else}
	for _, w := range e.Whens {
		if lit, ok := w.Cond.(*Literal); ok {
			if v, _ := lit.Value.(bool); !v {
				continue
			}
			out.Else = w.Then
			break
		}
		out.Whens = append(out.Whens, w)
	}
	switch {
	case len(out.Whens) == len(e.Whens):
		return e
	case len(out.Whens) > 0:
		return out
	case out.Else == nil:
		return &Literal{Base: e.Base}
	}
	return out.Else
}
