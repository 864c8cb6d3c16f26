package mysql

import (
	"strconv"
	"strings"

	"github.com/xwb1989/sqlparser"

	"github.com/streamsql/streamsql/sql"
)

// optional converts an expression that may be missing.
func (c *converter) optional(e sqlparser.Expr) sql.Expr {
	if e == nil {
		return nil
	}
	return c.expr(e)
}

func (c *converter) expr(e sqlparser.Expr) sql.Expr {
	if c.err != nil {
		return &sql.NullLit{}
	}
	switch e := e.(type) {
	case *sqlparser.SQLVal:
		return c.value(e)
	case *sqlparser.NullVal:
		return &sql.NullLit{At: c.take("null")}
	case sqlparser.BoolVal:
		return &sql.BoolLit{At: c.take(strconv.FormatBool(bool(e))), Value: bool(e)}
	case *sqlparser.ColName:
		return c.column(e)
	case *sqlparser.ParenExpr:
		return c.expr(e.Expr)
	case sqlparser.ValTuple:
		r := &sql.RowExpr{Elems: c.exprs(e)}
		r.At = cover(r.Elems[0], r.Elems[len(r.Elems)-1])
		return r
	case *sqlparser.Subquery:
		q := c.statement(e.Select)
		return &sql.SubqueryExpr{At: q.At, Query: q}
	case *sqlparser.ExistsExpr:
		at := c.take("exists")
		q := c.statement(e.Subquery.Select)
		return &sql.ExistsExpr{At: cover(at, q), Query: q}
	case *sqlparser.AndExpr:
		return c.logical(sql.And, e)
	case *sqlparser.OrExpr:
		return c.logical(sql.Or, e)
	case *sqlparser.NotExpr:
		at := c.take("not")
		x := c.expr(e.Expr)
		return &sql.NotExpr{At: cover(at, x), X: x}
	case *sqlparser.ComparisonExpr:
		return c.comparison(e)
	case *sqlparser.RangeCond:
		x, low, high := c.expr(e.Left), c.expr(e.From), c.expr(e.To)
		return &sql.BetweenExpr{At: cover(x, high), X: x, Low: low, High: high, Not: e.Operator == sqlparser.NotBetweenStr}
	case *sqlparser.IsExpr:
		return c.is(e)
	case *sqlparser.BinaryExpr:
		return c.binary(e)
	case *sqlparser.UnaryExpr:
		return c.unary(e)
	case *sqlparser.IntervalExpr:
		return c.interval(e)
	case *sqlparser.CaseExpr:
		return c.caseExpr(e)
	case *sqlparser.ConvertExpr:
		return c.convert(e)
	case *sqlparser.FuncExpr:
		return c.call(e)
	case *sqlparser.SubstrExpr:
		return c.substr(e)
	case *sqlparser.GroupConcatExpr:
		return c.groupConcat(e)
	case *sqlparser.CollateExpr:
		c.refuse(cover(c.expr(e.Expr)), "COLLATE")
	case *sqlparser.MatchExpr:
		c.refuse(c.take("match"), "MATCH ... AGAINST")
	case *sqlparser.ConvertUsingExpr:
		c.refuse(c.take("convert"), "CONVERT ... USING")
	case *sqlparser.ValuesFuncExpr:
		c.refuse(c.take("values"), "VALUES(column)")
	case *sqlparser.Default:
		c.refuse(c.take("default"), "DEFAULT as a value")
	default:
		c.refuse(c.here(), "this expression")
	}
	return &sql.NullLit{}
}

// here is the place of the next token that was not found yet.
func (c *converter) here() sql.At {
	if c.pos < len(c.toks) {
		return sql.Spanned(c.toks[c.pos].span())
	}
	return sql.Spanned(c.whole)
}

func (c *converter) exprs(list sqlparser.ValTuple) []sql.Expr {
	var out []sql.Expr
	for _, e := range list {
		out = append(out, c.expr(e))
	}
	return out
}

func (c *converter) value(v *sqlparser.SQLVal) sql.Expr {
	text := string(v.Val)
	switch v.Type {
	case sqlparser.StrVal:
		return &sql.StringLit{At: c.take(text), Value: text}
	case sqlparser.IntVal, sqlparser.FloatVal:
		if digits, ok := strings.CutPrefix(text, "-"); ok {
			op := c.take("-")
			n := &sql.NumberLit{At: c.take(digits), Text: digits}
			return &sql.UnaryExpr{At: cover(op, n), Op: "-", OpSpan: op, X: n}
		}
		return &sql.NumberLit{At: c.take(text), Text: text}
	case sqlparser.ValArg:
		if text != ":v"+strings.TrimPrefix(text, ":v") {
			break
		}
		*c.params++
		return &sql.Param{At: c.take("?"), Number: *c.params}
	}
	c.refuse(c.here(), "hexadecimal and bit literals, which are binary strings,")
	return &sql.NullLit{}
}

func (c *converter) column(e *sqlparser.ColName) sql.Expr {
	x := &sql.ColumnRef{}
	if !e.Qualifier.IsEmpty() {
		x.Parts = append(x.Parts, c.tableName(e.Qualifier).Parts...)
	}
	x.Parts = append(x.Parts, c.ident(e.Name.String()))
	x.At = cover(x.Parts[0], x.Parts[len(x.Parts)-1])
	return x
}

// logical flattens a chain of AND or OR, which sqlparser nests to the left.
func (c *converter) logical(op sql.LogicalOp, e sqlparser.Expr) sql.Expr {
	var rights []sqlparser.Expr
	for {
		if a, ok := e.(*sqlparser.AndExpr); ok && op == sql.And {
			rights, e = append(rights, a.Right), a.Left
			continue
		}
		if o, ok := e.(*sqlparser.OrExpr); ok && op == sql.Or {
			rights, e = append(rights, o.Right), o.Left
			continue
		}
		break
	}
	x := &sql.LogicalExpr{Op: op, Args: []sql.Expr{c.expr(e)}}
	for i := len(rights) - 1; i >= 0; i-- {
		x.Args = append(x.Args, c.expr(rights[i]))
	}
	x.At = cover(x.Args[0], x.Args[len(x.Args)-1])
	return x
}

func (c *converter) comparison(e *sqlparser.ComparisonExpr) sql.Expr {
	x := c.expr(e.Left)
	switch e.Operator {
	case sqlparser.InStr, sqlparser.NotInStr:
		in := &sql.InExpr{X: x, Not: e.Operator == sqlparser.NotInStr}
		switch r := e.Right.(type) {
		case sqlparser.ValTuple:
			in.List = c.exprs(r)
			in.At = cover(x, in.List[len(in.List)-1])
		case *sqlparser.Subquery:
			in.Query = c.statement(r.Select)
			in.At = cover(x, in.Query)
		default:
			c.refuse(cover(x), "IN with a list variable")
		}
		return in
	case sqlparser.LikeStr, sqlparser.NotLikeStr:
		l := &sql.LikeExpr{Kind: sql.Like, X: x, Not: e.Operator == sqlparser.NotLikeStr, Pattern: c.expr(e.Right)}
		l.At = cover(x, l.Pattern)
		if l.Escape = c.optional(e.Escape); l.Escape != nil {
			l.At = cover(l, l.Escape)
		}
		return l
	case sqlparser.RegexpStr, sqlparser.NotRegexpStr:
		c.refuse(cover(x), "REGEXP, whose expressions are not PostgreSQL's,")
		return x
	case sqlparser.NullSafeEqualStr:
		r := c.expr(e.Right)
		return &sql.DistinctExpr{At: cover(x, r), L: x, R: r, Not: true}
	case sqlparser.EqualStr, sqlparser.LessThanStr, sqlparser.GreaterThanStr, sqlparser.LessEqualStr, sqlparser.GreaterEqualStr, sqlparser.NotEqualStr:
		op, at := e.Operator, sql.At{}
		if op == sqlparser.NotEqualStr {
			op, at = "<>", c.take("<>", "!=")
		} else {
			at = c.take(op)
		}
		r := c.expr(e.Right)
		return &sql.BinaryExpr{At: cover(x, r), Op: op, OpSpan: at, L: x, R: r}
	}
	c.refuse(cover(x), "the operator %s", e.Operator)
	return x
}

func (c *converter) is(e *sqlparser.IsExpr) sql.Expr {
	x := c.expr(e.Expr)
	out := &sql.IsExpr{X: x}
	var words string
	switch e.Operator {
	case sqlparser.IsNullStr, sqlparser.IsNotNullStr:
		out.Test, words = sql.IsNull, "null"
	case sqlparser.IsTrueStr, sqlparser.IsNotTrueStr:
		out.Test, words = sql.IsTrue, "true"
	default:
		out.Test, words = sql.IsFalse, "false"
	}
	out.Not = strings.HasPrefix(e.Operator, "is not")
	out.At = cover(x, c.take(words))
	return out
}

func function(at sql.At, name string, args ...sql.Expr) *sql.FuncCall {
	return &sql.FuncCall{At: at, Name: &sql.Name{At: at, Parts: []sql.Ident{{At: at, Name: name}}}, Args: args}
}

func (c *converter) binary(e *sqlparser.BinaryExpr) sql.Expr {
	l := c.expr(e.Left)
	op := e.Operator
	switch op {
	case sqlparser.PlusStr, sqlparser.MinusStr, sqlparser.MultStr:
		at := c.take(op)
		r := c.expr(e.Right)
		return &sql.BinaryExpr{At: cover(l, r), Op: op, OpSpan: at, L: l, R: r}
	case sqlparser.ModStr, sqlparser.IntDivStr:
		at := c.take(map[string][]string{sqlparser.ModStr: {"%", "mod"}, sqlparser.IntDivStr: {"div"}}[op]...)
		r := c.expr(e.Right)
		zero := &sql.NumberLit{At: sql.Spanned(r.Span()), Text: "0"}
		divisor := function(sql.Spanned(r.Span()), "nullif", r, zero)
		if op == sqlparser.IntDivStr {
			f := function(at, "div", l, divisor)
			f.At = cover(l, r)
			return f
		}
		return &sql.BinaryExpr{At: cover(l, r), Op: "%", OpSpan: at, L: l, R: divisor}
	case sqlparser.DivStr:
		c.refuse(c.take("/"), "the operator /, whose digits depend on the types of both sides (DIV divides whole numbers),")
	case sqlparser.JSONExtractOp, sqlparser.JSONUnquoteExtractOp:
		c.refuse(c.take(op), "the operator %s with a JSON path", op)
	default:
		c.refuse(c.take(op), "the operator %s on bits", op)
	}
	return l
}

func (c *converter) unary(e *sqlparser.UnaryExpr) sql.Expr {
	switch e.Operator {
	case sqlparser.UMinusStr, sqlparser.UPlusStr:
		at := c.take(e.Operator)
		x := c.expr(e.Expr)
		return &sql.UnaryExpr{At: cover(at, x), Op: e.Operator, OpSpan: at, X: x}
	case sqlparser.BangStr:
		at := c.take("!")
		x := c.expr(e.Expr)
		return &sql.NotExpr{At: cover(at, x), X: x}
	}
	c.refuse(c.take(strings.TrimSpace(e.Operator)), "the operator %s", strings.TrimSpace(e.Operator))
	return &sql.NullLit{}
}

// units are the units of intervals that both dialects have.
var units = map[string]bool{"microsecond": true, "second": true, "minute": true, "hour": true, "day": true, "week": true,
	"month": true, "year": true}

// interval converts INTERVAL 5 DAY and INTERVAL '5' DAY. Only whole numbers (of seconds, also fractions) mean the same.
func (c *converter) interval(e *sqlparser.IntervalExpr) sql.Expr {
	at := c.take("interval")
	unit := strings.ToLower(e.Unit)
	v, ok := e.Expr.(*sqlparser.SQLVal)
	if !ok || v.Type != sqlparser.IntVal && v.Type != sqlparser.FloatVal && v.Type != sqlparser.StrVal {
		c.refuse(at, "an interval that is no literal")
		return &sql.NullLit{}
	}
	text := string(v.Val)
	if !units[unit] || !isIntervalNumber(text, unit == "second") {
		c.refuse(at, "the interval %s %s", text, strings.ToUpper(unit))
		return &sql.NullLit{}
	}
	c.take(strings.TrimPrefix(text, "-"))
	end := c.take(unit)
	return &sql.IntervalLit{At: cover(at, end), Value: text, Precision: -1,
		Fields: &sql.IntervalFields{At: end, From: unit, Precision: -1}}
}

func isIntervalNumber(text string, fraction bool) bool {
	digits := strings.TrimPrefix(text, "-")
	whole, frac, dot := strings.Cut(digits, ".")
	only := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return only(whole) && (!dot || fraction && only(frac))
}

func (c *converter) caseExpr(e *sqlparser.CaseExpr) sql.Expr {
	at := c.take("case")
	x := &sql.CaseExpr{Operand: c.optional(e.Expr)}
	for _, w := range e.Whens {
		cond, result := c.expr(w.Cond), c.expr(w.Val)
		x.Whens = append(x.Whens, sql.When{At: cover(cond, result), Cond: cond, Result: result})
	}
	x.Else = c.optional(e.Else)
	x.At = cover(at, c.take("end"))
	return x
}
