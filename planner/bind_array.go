package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// collection binds what concerns arrays and row values; done is false for all other expressions.
func (b *exprBinder) collection(e sql.Expr) (bound expr.Expr, done bool, err error) {
	switch x := e.(type) {
	case *sql.ArrayExpr:
		bound, err = b.array(x)
	case *sql.IndexExpr:
		bound, err = b.index(x)
	case *sql.SliceExpr:
		bound, err = b.slice(x)
	case *sql.QuantifiedExpr:
		if x.Array == nil {
			return nil, false, nil
		}
		bound, err = b.quantified(x)
	case *sql.CastExpr:
		a, ok := x.X.(*sql.ArrayExpr)
		if !ok || x.Try {
			return nil, false, nil
		}
		t, err := bindType(x.Type)
		if err != nil {
			return nil, true, err
		}
		if t.Kind != types.Array {
			return nil, false, nil
		}
		elems, err := b.bindList(a.Elems) // PostgreSQL casts the elements, not the array
		if err != nil {
			return nil, true, err
		}
		bound, err = b.reg.NewArrayOf(t.ElemType(), elems, x.Span())
		return bound, true, err
	case *sql.BinaryExpr:
		l, lok := x.L.(*sql.RowExpr)
		r, rok := x.R.(*sql.RowExpr)
		if !lok || !rok {
			return nil, false, nil
		}
		bound, err = b.compareRowExprs(x.Op, l, r, x.Span())
	case *sql.DistinctExpr:
		l, lok := x.L.(*sql.RowExpr)
		r, rok := x.R.(*sql.RowExpr)
		if !lok || !rok {
			return nil, false, nil
		}
		op := "is distinct from"
		if x.Not {
			op = "is not distinct from"
		}
		bound, err = b.compareRowExprs(op, l, r, x.Span())
	case *sql.BetweenExpr:
		v, ok := x.X.(*sql.RowExpr)
		low, lok := x.Low.(*sql.RowExpr)
		high, hok := x.High.(*sql.RowExpr)
		if !ok || !lok || !hok {
			return nil, false, nil
		}
		bound, err = b.rowBetween(x, v, low, high)
	case *sql.InExpr:
		row, ok := x.X.(*sql.RowExpr)
		if !ok || x.Query != nil {
			return nil, false, nil
		}
		bound, err = b.rowIn(x, row)
	case *sql.IsExpr:
		row, ok := x.X.(*sql.RowExpr)
		if !ok || x.Test != sql.IsNull {
			return nil, false, nil
		}
		bound, err = b.rowIsNull(x, row)
	default:
		return nil, false, nil
	}
	return bound, true, err
}

func (b *exprBinder) array(x *sql.ArrayExpr) (expr.Expr, error) {
	elems, err := b.bindList(x.Elems)
	if err != nil {
		return nil, err
	}
	return b.reg.NewArray(elems, x.Span())
}

func (b *exprBinder) index(x *sql.IndexExpr) (expr.Expr, error) {
	v, i, err := b.pair(x.X, x.Index)
	if err != nil {
		return nil, err
	}
	return b.reg.NewIndex(v, i, x.Span())
}

func (b *exprBinder) slice(x *sql.SliceExpr) (expr.Expr, error) {
	var bound [3]expr.Expr
	for i, e := range []sql.Expr{x.X, x.Low, x.High} {
		if e == nil {
			continue
		}
		var err error
		if bound[i], err = b.bind(e); err != nil {
			return nil, err
		}
	}
	return b.reg.NewSlice(bound[0], bound[1], bound[2], x.Span())
}

// quantified binds x op ANY (array) and x op ALL (array).
func (b *exprBinder) quantified(x *sql.QuantifiedExpr) (expr.Expr, error) {
	v, array, err := b.pair(x.X, x.Array)
	if err != nil {
		return nil, err
	}
	return b.reg.NewQuantified(x.Op, x.Quant != sql.All, v, array, x.Span())
}

// compareRowExprs expands a comparison of row values into comparisons of their columns: = and <> column by column, < and its kin
// by the first columns that differ.
func (b *exprBinder) compareRowExprs(op string, l, r *sql.RowExpr, sp types.Span) (expr.Expr, error) {
	if len(l.Elems) != len(r.Elems) {
		return nil, types.Errorf(types.CodeSyntax, "unequal number of entries in row expressions: %d and %d", len(l.Elems), len(r.Elems)).At(sp)
	}
	if len(l.Elems) == 0 {
		return nil, types.NotSupported(sp, "comparing rows of no columns")
	}
	ls, err := b.bindList(l.Elems)
	if err != nil {
		return nil, err
	}
	rs, err := b.bindList(r.Elems)
	if err != nil {
		return nil, err
	}
	return b.compareColumns(op, ls, rs, sp)
}

func (b *exprBinder) compareColumns(op string, ls, rs []expr.Expr, sp types.Span) (expr.Expr, error) {
	switch op {
	case "=", "is not distinct from":
		return b.eachColumn(op, false, ls, rs, sp)
	case "<>", "!=", "is distinct from":
		return b.eachColumn(op, true, ls, rs, sp)
	case "<", ">", "<=", ">=":
	default:
		return nil, types.NotSupported(sp, "the operator %s between row values", op)
	}
	last := len(ls) - 1
	out, err := b.operator(op, sp, ls[last], rs[last])
	if err != nil {
		return nil, err
	}
	for i := last - 1; i >= 0; i-- { // a < c OR a = c AND (the rest)
		strict, err := b.operator(op[:1], sp, ls[i], rs[i])
		if err != nil {
			return nil, err
		}
		equal, err := b.operator("=", sp, ls[i], rs[i])
		if err != nil {
			return nil, err
		}
		out = logic(true, sp, strict, logic(false, sp, equal, out))
	}
	return out, nil
}

func logic(or bool, sp types.Span, args ...expr.Expr) expr.Expr {
	if len(args) == 1 {
		return args[0]
	}
	return &expr.Logic{Base: expr.Base{T: types.BoolType, Sp: sp}, Or: or, Args: args}
}

func (b *exprBinder) eachColumn(op string, or bool, ls, rs []expr.Expr, sp types.Span) (expr.Expr, error) {
	args := make([]expr.Expr, len(ls))
	for i := range ls {
		var err error
		if args[i], err = b.operator(op, sp, ls[i], rs[i]); err != nil {
			return nil, err
		}
	}
	return logic(or, sp, args...), nil
}

func (b *exprBinder) rowBetween(x *sql.BetweenExpr, v, low, high *sql.RowExpr) (expr.Expr, error) {
	ops := [2]string{">=", "<="}
	if x.Not {
		ops = [2]string{"<", ">"}
	}
	within := func(low, high *sql.RowExpr) (expr.Expr, error) {
		l, err := b.compareRowExprs(ops[0], v, low, x.Span())
		if err != nil {
			return nil, err
		}
		h, err := b.compareRowExprs(ops[1], v, high, x.Span())
		if err != nil {
			return nil, err
		}
		return logic(x.Not, x.Span(), l, h), nil
	}
	one, err := within(low, high)
	if err != nil || !x.Symmetric {
		return one, err
	}
	two, err := within(high, low)
	if err != nil {
		return nil, err
	}
	return logic(!x.Not, x.Span(), one, two), nil
}

func (b *exprBinder) rowIn(x *sql.InExpr, row *sql.RowExpr) (expr.Expr, error) {
	op := "="
	if x.Not {
		op = "<>"
	}
	var args []expr.Expr
	for _, e := range x.List {
		r, ok := e.(*sql.RowExpr)
		if !ok {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "the list of IN holds a value that is no row of %d columns", len(row.Elems)).At(e.Span())
		}
		c, err := b.compareRowExprs(op, row, r, e.Span())
		if err != nil {
			return nil, err
		}
		args = append(args, c)
	}
	return logic(!x.Not, x.Span(), args...), nil
}

// rowIsNull: a row IS NULL if all its columns are, and IS NOT NULL if none is.
func (b *exprBinder) rowIsNull(x *sql.IsExpr, row *sql.RowExpr) (expr.Expr, error) {
	if len(row.Elems) == 0 {
		return nil, types.NotSupported(x.Span(), "a row of no columns")
	}
	args := make([]expr.Expr, len(row.Elems))
	for i, e := range row.Elems {
		var err error
		if args[i], err = b.is(&sql.IsExpr{At: x.At, X: e, Test: x.Test, Not: x.Not}); err != nil {
			return nil, err
		}
	}
	return logic(false, x.Span(), args...), nil
}
