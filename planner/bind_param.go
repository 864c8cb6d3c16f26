package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Param is the value of a query parameter, in the form of expr.Literal. Unknown types are untyped literals.
type Param struct {
	T     types.Type
	Value any
}

// MaxParams is how many parameters a statement can have: the wire protocol counts them in 16 bits.
const MaxParams = 65535

// ParamTypes collects the types that the parameters of a statement must have, while the statement is bound without their values. A
// parameter takes the type that its first place wants of an untyped literal: that of the other side of an operator, of the column that it
// is assigned to, of a function's argument, of a cast; text at the end of a query. It is not safe for concurrent use.
type ParamTypes struct {
	types []types.Type
}

// NewParamTypes begins with types that are known before; types.UnknownType stands for one that is not.
func NewParamTypes(declared []types.Type) *ParamTypes {
	return &ParamTypes{types: append([]types.Type(nil), declared...)}
}

// Resolved returns the types of $1, $2 and so on.
//
// Errors: CodeIndeterminateType for a parameter that no place gave a type, also for one that does not occur below one that does.
func (p *ParamTypes) Resolved() ([]types.Type, error) {
	for i, t := range p.types {
		if t.Kind == types.Unknown {
			return nil, types.Errorf(types.CodeIndeterminateType, "could not determine data type of parameter $%d", i+1)
		}
	}
	return p.types, nil
}

// literal returns a NULL that stands for parameter n, from 1.
func (p *ParamTypes) literal(n int, sp types.Span) *expr.Literal {
	for len(p.types) < n {
		p.types = append(p.types, types.UnknownType)
	}
	t := p.types[n-1]
	lit := &expr.Literal{Base: expr.Base{T: t, Sp: sp}}
	if t.Kind == types.Unknown {
		lit.Typed = func(t types.Type) {
			if p.types[n-1].Kind == types.Unknown {
				p.types[n-1] = t.Base()
			}
		}
	}
	return lit
}

// param binds $n: to its value, or while types are collected to a NULL.
//
// Errors: CodeUndefinedParameter.
func (b *exprBinder) param(x *sql.Param) (expr.Expr, error) {
	if infer := b.p.Infer; infer != nil && x.Number >= 1 && x.Number <= MaxParams {
		return infer.literal(x.Number, x.Span()), nil
	}
	if x.Number < 1 || x.Number > len(b.p.Params) {
		return nil, types.Errorf(types.CodeUndefinedParameter, "there is no parameter $%d", x.Number).At(x.Span())
	}
	p := b.p.Params[x.Number-1]
	return &expr.Literal{Base: expr.Base{T: p.T, Sp: x.Span()}, Value: p.Value}, nil
}

// TypeOf returns the type of that name.
//
// Errors: CodeUndefinedObject, CodeNotSupported, CodeInvalidParameter, positioned.
func TypeOf(t *sql.TypeName) (types.Type, error) { return bindType(t) }

// Constant computes an expression without columns as a value of type want: an argument of EXECUTE.
//
// Errors: those of binding; CodeNotSupported if it is not constant; what computing it gives.
func (p *Planner) Constant(x sql.Expr, want types.Type, ctx *expr.Context) (Param, error) {
	b := p.newBinder(p.Settings)
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "EXECUTE parameter"}
	e, err := eb.bindTo(x, want, expr.Assignment)
	if err != nil {
		return Param{}, err
	}
	if !expr.IsConst(e) {
		return Param{}, types.NotSupported(x.Span(), "an argument that is not constant")
	}
	v, err := b.reg.Const(e, ctx)
	if err != nil {
		return Param{}, at(err, x.Span())
	}
	return Param{T: want, Value: v}, nil
}
