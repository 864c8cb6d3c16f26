package planner

import (
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// exprBinder turns syntax into typed expressions over the columns of one scope.
type exprBinder struct {
	*binder
	sc     *scope
	clause string // in which clause the expression stands, for errors: WHERE, GROUP BY ...
	// group collects aggregates and knows the window of GROUP BY; nil where aggregates are not allowed.
	group *grouping
	// over collects window functions; nil where they are not allowed.
	over *windowCalls
	// srfs collects set-returning functions; nil where they are not allowed.
	srfs *setCalls
	// inAggregate: inside the arguments of an aggregate; inWindow: of a window function.
	inAggregate, inWindow bool
	depth                 int
}

// maxExprDepth bounds the nesting of expressions, so that no text can exhaust the stack.
const maxExprDepth = 2000

// bind binds one expression. Untyped literals stay untyped.
func (b *exprBinder) bind(e sql.Expr) (expr.Expr, error) {
	b.depth++
	defer func() { b.depth-- }()
	if b.depth > maxExprDepth {
		return nil, types.Errorf(types.CodeTooComplex, "the expression is nested deeper than %d levels", maxExprDepth).At(e.Span())
	}
	x, err := b.bindAny(e)
	if err != nil {
		return nil, at(err, e.Span())
	}
	return x, nil
}

// at gives an error a place, if it has none.
func at(err error, sp types.Span) error {
	if e, ok := err.(*types.Error); ok {
		return e.At(sp)
	}
	return err
}

// bindTo binds an expression and casts it.
func (b *exprBinder) bindTo(e sql.Expr, t types.Type, ctx expr.CastContext) (expr.Expr, error) {
	x, err := b.bind(e)
	if err != nil {
		return nil, err
	}
	x, err = expr.Cast(x, t, ctx)
	if err != nil {
		return nil, at(err, e.Span())
	}
	return x, nil
}

// bindBool binds a condition: "argument of WHERE must be type boolean".
func (b *exprBinder) bindBool(e sql.Expr, what string) (expr.Expr, error) {
	x, err := b.bind(e)
	if err != nil {
		return nil, err
	}
	if k := x.Type().Kind; k != types.Bool && k != types.Unknown {
		return nil, types.Errorf(types.CodeDatatypeMismatch, "argument of %s must be type boolean, not type %s", what, x.Type()).At(e.Span())
	}
	x, err = expr.Cast(x, types.BoolType, expr.Implicit)
	return x, at(err, e.Span())
}

func (b *exprBinder) bindList(list []sql.Expr) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		var err error
		if out[i], err = b.bind(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *exprBinder) bindAny(e sql.Expr) (expr.Expr, error) {
	if x, done, err := b.withSubquery(e); done {
		return x, err
	}
	if x, done, err := b.collection(e); done {
		return x, err
	}
	switch x := e.(type) {
	case *sql.ColumnRef:
		return b.column(x)
	case *sql.NumberLit:
		return numberLiteral(x.Text, x.Span())
	case *sql.StringLit:
		return &expr.Literal{Base: expr.Base{T: types.UnknownType, Sp: x.Span()}, Value: x.Value}, nil
	case *sql.BoolLit:
		return &expr.Literal{Base: expr.Base{T: types.BoolType, Sp: x.Span()}, Value: x.Value}, nil
	case *sql.NullLit:
		return &expr.Literal{Base: expr.Base{T: types.UnknownType, Sp: x.Span()}}, nil
	case *sql.BitLit:
		return nil, types.NotSupported(x.Span(), "bit strings")
	case *sql.TypedLit:
		return typedLiteral(x)
	case *sql.IntervalLit:
		return intervalLiteral(x)
	case *sql.Param:
		return b.param(x)
	case *sql.UnaryExpr:
		return b.unary(x)
	case *sql.BinaryExpr:
		return b.binary(x)
	case *sql.NotExpr:
		arg, err := b.bindBool(x.X, "NOT")
		if err != nil {
			return nil, err
		}
		return b.not(arg, x.Span())
	case *sql.LogicalExpr:
		args := make([]expr.Expr, len(x.Args))
		for i, a := range x.Args {
			var err error
			if args[i], err = b.bindBool(a, string(x.Op)); err != nil {
				return nil, err
			}
		}
		return &expr.Logic{Base: expr.Base{T: types.BoolType, Sp: x.Span()}, Or: x.Op == sql.Or, Args: args}, nil
	case *sql.IsExpr:
		return b.is(x)
	case *sql.DistinctExpr:
		l, r, err := b.pair(x.L, x.R)
		if err != nil {
			return nil, err
		}
		op := "is distinct from"
		if x.Not {
			op = "is not distinct from"
		}
		return b.operator(op, x.Span(), l, r)
	case *sql.BetweenExpr:
		return b.between(x)
	case *sql.LikeExpr:
		return b.like(x)
	case *sql.InExpr:
		return b.in(x)
	case *sql.CaseExpr:
		e, err := b.caseExpr(x)
		if err == nil && hasSet(e) {
			err = types.Errorf(types.CodeNotSupported, "set-returning functions are not allowed in CASE").At(x.Span())
		}
		return e, err
	case *sql.CastExpr:
		return b.cast(x)
	case *sql.FuncCall:
		return b.call(x)
	case *sql.KeywordFunc:
		return b.keyword(x)
	case *sql.AtTimeZoneExpr:
		return b.atTimeZone(x)
	case *sql.CollateExpr:
		name := x.Collation.String()
		if name != "C" && name != "POSIX" && name != "default" && name != "ucs_basic" && name != "pg_catalog.default" && name != "C.UTF-8" {
			return nil, types.NotSupported(x.Span(), "the collation %q: text is compared by bytes, as with \"C\"", name)
		}
		return b.bind(x.X)
	}
	return nil, b.unsupported(e)
}

// unsupported names what cannot be run yet.
func (b *exprBinder) unsupported(e sql.Expr) error {
	switch x := e.(type) {
	case *sql.QuantifiedExpr:
		return types.NotSupported(x.Span(), "%s", x.Quant)
	case *sql.ArrayExpr:
		return types.NotSupported(x.Span(), "ARRAY")
	case *sql.IndexExpr, *sql.SliceExpr:
		return types.NotSupported(x.Span(), "subscripts")
	case *sql.RowExpr:
		return types.NotSupported(x.Span(), "a row value here: rows can be compared, and tested with IN and IS NULL")
	case *sql.FieldExpr:
		return types.NotSupported(x.Span(), "fields of composite values")
	case *sql.Star:
		return types.Errorf(types.CodeSyntax, "* is not allowed here").At(x.Span())
	case *sql.DefaultExpr:
		return types.Errorf(types.CodeSyntax, "DEFAULT is not allowed in this context").At(x.Span())
	case *sql.NamedArg:
		return types.NotSupported(x.Span(), "named arguments of this function")
	case *sql.TableArg:
		return types.Errorf(types.CodeSyntax, "a TABLE argument is allowed in table functions only").At(x.Span())
	}
	return types.NotSupported(e.Span(), "this expression")
}

// operator applies the operator that PostgreSQL would find.
func (b *exprBinder) operator(op string, sp types.Span, args ...expr.Expr) (expr.Expr, error) {
	return b.reg.Op(op, args, sp)
}

func (b *exprBinder) pair(l, r sql.Expr) (expr.Expr, expr.Expr, error) {
	x, err := b.bind(l)
	if err != nil {
		return nil, nil, err
	}
	y, err := b.bind(r)
	return x, y, err
}

func (b *exprBinder) unary(x *sql.UnaryExpr) (expr.Expr, error) {
	if n, ok := x.X.(*sql.NumberLit); ok && x.Op == "-" {
		return numberLiteral("-"+n.Text, x.Span())
	}
	arg, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	return b.operator(x.Op, x.Span(), arg)
}

func (b *exprBinder) binary(x *sql.BinaryExpr) (expr.Expr, error) {
	if _, ok := x.L.(*sql.RowExpr); ok {
		return nil, types.NotSupported(x.Span(), "row values")
	}
	l, r, err := b.pair(x.L, x.R)
	if err != nil {
		return nil, err
	}
	y, err := b.operator(x.Op, x.Span(), l, r)
	if err != nil {
		sp := x.OpSpan.Span()
		if sp.IsZero() {
			sp = x.Span()
		}
		return nil, relocate(err, sp, x.Span())
	}
	return y, nil
}

// relocate moves an error that stands at the whole expression to the operator.
func relocate(err error, to, whole types.Span) error {
	if e, ok := err.(*types.Error); ok && e.Span == whole {
		c := *e
		c.Span = to
		return &c
	}
	return err
}

func (b *exprBinder) not(x expr.Expr, sp types.Span) (expr.Expr, error) {
	return b.reg.Func("not", []expr.Expr{x}, sp)
}

func (b *exprBinder) is(x *sql.IsExpr) (expr.Expr, error) {
	var arg expr.Expr
	var err error
	if x.Test == sql.IsNull {
		if arg, err = b.bind(x.X); err != nil {
			return nil, err
		}
		if arg.Type().Kind == types.Unknown {
			if arg, err = expr.Cast(arg, types.TextType, expr.Implicit); err != nil {
				return nil, err
			}
		}
	} else {
		not := ""
		if x.Not {
			not = "NOT "
		}
		if arg, err = b.bindBool(x.X, "IS "+not+string(x.Test)); err != nil {
			return nil, err
		}
	}
	test := strings.ToLower(string(x.Test))
	if x.Not {
		return b.operator("is not "+test, x.Span(), arg)
	}
	return b.operator("is "+test, x.Span(), arg)
}

func (b *exprBinder) between(x *sql.BetweenExpr) (expr.Expr, error) {
	v, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	low, high, err := b.pair(x.Low, x.High)
	if err != nil {
		return nil, err
	}
	within := func(low, high expr.Expr) (expr.Expr, error) {
		ops := [2]string{">=", "<="}
		if x.Not {
			ops = [2]string{"<", ">"}
		}
		l, err := b.operator(ops[0], x.Span(), v, low)
		if err != nil {
			return nil, err
		}
		h, err := b.operator(ops[1], x.Span(), v, high)
		if err != nil {
			return nil, err
		}
		return &expr.Logic{Base: expr.Base{T: types.BoolType, Sp: x.Span()}, Or: x.Not, Args: []expr.Expr{l, h}}, nil
	}
	one, err := within(low, high)
	if err != nil || !x.Symmetric {
		return one, err
	}
	two, err := within(high, low)
	if err != nil {
		return nil, err
	}
	return &expr.Logic{Base: expr.Base{T: types.BoolType, Sp: x.Span()}, Or: !x.Not, Args: []expr.Expr{one, two}}, nil
}

func (b *exprBinder) in(x *sql.InExpr) (expr.Expr, error) {
	v, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	list, err := b.bindList(x.List)
	if err != nil {
		return nil, err
	}
	return b.reg.NewIn(v, list, x.Not, x.Span())
}

func (b *exprBinder) caseExpr(x *sql.CaseExpr) (expr.Expr, error) {
	var operand, otherwise expr.Expr
	var err error
	if x.Operand != nil {
		if operand, err = b.bind(x.Operand); err != nil {
			return nil, err
		}
	}
	whens := make([]expr.When, len(x.Whens))
	for i, w := range x.Whens {
		if operand == nil {
			whens[i].Cond, err = b.bindBool(w.Cond, "CASE/WHEN")
		} else {
			whens[i].Cond, err = b.bind(w.Cond)
		}
		if err != nil {
			return nil, err
		}
		if whens[i].Then, err = b.bind(w.Result); err != nil {
			return nil, err
		}
	}
	if x.Else != nil {
		if otherwise, err = b.bind(x.Else); err != nil {
			return nil, err
		}
	}
	return b.reg.NewCase(operand, whens, otherwise, x.Span())
}

// toCommonType casts all to the type that they have in common.
//
// Errors: CodeDatatypeMismatch at the first one that does not fit.
func toCommonType(what string, list []expr.Expr) ([]expr.Expr, types.Type, error) {
	var ts []types.Type
	for _, e := range list {
		ts = append(ts, e.Type())
	}
	common, err := expr.CommonType(ts)
	if err != nil {
		for i := range ts {
			if _, err := expr.CommonType(ts[:i+1]); err != nil {
				e := err.(*types.Error)
				return nil, common, types.Errorf(e.Code, "%s %s", what, e.Msg).At(list[i].Span())
			}
		}
		return nil, common, err
	}
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		if out[i], err = expr.Cast(e, common, expr.Implicit); err != nil {
			return nil, common, at(err, e.Span())
		}
	}
	return out, common, nil
}

func (b *exprBinder) cast(x *sql.CastExpr) (expr.Expr, error) {
	if e, ok, err := b.systemCast(x); ok {
		return e, err
	}
	t, err := bindType(x.Type)
	if err != nil {
		return nil, err
	}
	arg, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	if x.Try {
		if arg.Type().Kind == types.Unknown { // a literal that cannot be read is NULL too
			if arg, err = expr.Cast(arg, types.TextType, expr.Implicit); err != nil {
				return nil, err
			}
		}
		e, err := expr.Cast(arg, t, expr.Explicit)
		if err != nil {
			return nil, err
		}
		return &expr.Try{Base: expr.Base{T: t, Sp: x.Span()}, X: e}, nil
	}
	return expr.Cast(arg, t, expr.Explicit)
}

// fold evaluates what is constant in e.
func (b *binder) fold(e expr.Expr) expr.Expr { return b.reg.Fold(e) }
