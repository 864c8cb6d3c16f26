package sql

import (
	"strconv"
	"strings"
)

// exprPrec returns how tightly the outermost operator of x binds.
func exprPrec(x Expr) int {
	switch x := x.(type) {
	case *LogicalExpr:
		if x.Op == Or {
			return precOr
		}
		return precAnd
	case *NotExpr:
		return precNot
	case *IsExpr, *DistinctExpr:
		return precIs
	case *BetweenExpr, *LikeExpr, *InExpr:
		return precLike
	case *BinaryExpr:
		return operatorPrec(x.Op)
	case *QuantifiedExpr:
		if p := operatorPrec(x.Op); p != precNone {
			return p
		}
		return precLike
	case *UnaryExpr:
		if x.Op == "+" || x.Op == "-" {
			return precUnary
		}
		return precOp
	case *AtTimeZoneExpr:
		return precAt
	case *CollateExpr:
		return precCollate
	case *IndexExpr, *SliceExpr, *FieldExpr:
		return precPostfix
	}
	return precPrimary
}

// above writes x, in parentheses unless it binds tighter than prec.
func (w *writer) above(x Expr, prec int) {
	if exprPrec(x) > prec {
		w.expr(x)
		return
	}
	w.parens(func() { w.expr(x) })
}

func (w *writer) exprs(list []Expr) { commas(w, list, w.expr) }

func (w *writer) expr(x Expr) {
	switch x := x.(type) {
	case *ColumnRef:
		w.dotted(x.Parts)
	case *Star:
		for _, q := range x.Qualifier {
			w.ident(q)
			w.put(".")
		}
		w.put("*")
	case *NumberLit:
		w.put(x.Text)
	case *StringLit:
		w.put(QuoteString(x.Value))
	case *BitLit:
		w.put(map[bool]string{false: "B'", true: "X'"}[x.Hex], x.Digits, "'")
	case *BoolLit:
		w.put(strings.ToUpper(strconv.FormatBool(x.Value)))
	case *NullLit:
		w.put("NULL")
	case *TypedLit:
		w.typedLit(x)
	case *IntervalLit:
		w.put("INTERVAL")
		if x.Precision >= 0 {
			w.put("(", strconv.Itoa(x.Precision), ")")
		}
		w.put(" ", QuoteString(x.Value))
		w.intervalFields(x.Fields)
	case *Param:
		w.put("$", strconv.Itoa(x.Number))
	case *DefaultExpr:
		w.put("DEFAULT")
	case *KeywordFunc:
		w.put(strings.ToUpper(x.Name))
		if x.Precision >= 0 {
			w.put("(", strconv.Itoa(x.Precision), ")")
		}
	case *UnaryExpr, *NotExpr, *LogicalExpr, *BinaryExpr, *IsExpr, *DistinctExpr, *BetweenExpr, *LikeExpr, *InExpr,
		*QuantifiedExpr, *AtTimeZoneExpr, *CollateExpr:
		w.operator(x)
	default:
		w.construct(x)
	}
}

func (w *writer) typedLit(x *TypedLit) {
	if t := x.Type; t.Dims != nil || t.Interval != nil || t.Fields != nil || t.Args != nil {
		w.put("CAST(", QuoteString(x.Value), " AS ")
		w.typeName(t)
		w.put(")")
		return
	}
	w.typeName(x.Type)
	w.put(" ", QuoteString(x.Value))
}

// operator writes the expressions that have a binding strength.
func (w *writer) operator(x Expr) {
	switch x := x.(type) {
	case *UnaryExpr:
		w.unary(x)
	case *NotExpr:
		w.put("NOT ")
		w.above(x.X, precNot-1)
	case *LogicalExpr:
		prec := exprPrec(x)
		for i, a := range x.Args {
			if i > 0 {
				w.put(" ", string(x.Op), " ")
			}
			w.above(a, prec)
		}
	case *BinaryExpr:
		w.leftOperand(x.L, operatorPrec(x.Op))
		w.put(" ", x.Op, " ")
		w.above(x.R, operatorPrec(x.Op))
	case *IsExpr:
		w.above(x.X, precIs)
		w.put(" IS ")
		w.flag(x.Not, "NOT ")
		w.put(string(x.Test))
	case *DistinctExpr:
		w.above(x.L, precIs)
		w.put(" IS ")
		w.flag(x.Not, "NOT ")
		w.put("DISTINCT FROM ")
		w.above(x.R, precIs)
	case *BetweenExpr:
		w.above(x.X, precLike)
		w.flag(x.Not, " NOT")
		w.put(" BETWEEN ")
		w.flag(x.Symmetric, "SYMMETRIC ")
		w.above(x.Low, precLike)
		w.put(" AND ")
		w.above(x.High, precLike)
	case *LikeExpr:
		w.above(x.X, precLike)
		w.flag(x.Not, " NOT")
		w.put(" ", string(x.Kind), " ")
		w.above(x.Pattern, precLike)
		if x.Escape != nil {
			w.put(" ESCAPE ")
			w.above(x.Escape, precLike)
		}
	case *InExpr:
		w.above(x.X, precLike)
		w.flag(x.Not, " NOT")
		w.put(" IN ")
		if x.Query != nil {
			w.subquery(x.Query)
		} else {
			w.parens(func() { w.exprs(x.List) })
		}
	case *QuantifiedExpr:
		w.leftOperand(x.X, exprPrec(x))
		w.put(" ", x.Op, " ", string(x.Quant), " ")
		if x.Query != nil {
			w.subquery(x.Query)
		} else {
			w.parens(func() { w.expr(x.Array) })
		}
	case *AtTimeZoneExpr:
		w.above(x.X, precAt-1)
		if x.Zone == nil {
			w.put(" AT LOCAL")
			return
		}
		w.put(" AT TIME ZONE ")
		w.above(x.Zone, precAt)
	case *CollateExpr:
		w.above(x.X, precCollate-1)
		w.put(" COLLATE ")
		w.name(x.Collation)
	}
}

// leftOperand writes the left side of an infix operator: all but comparisons and LIKE associate to the left.
func (w *writer) leftOperand(x Expr, prec int) {
	if prec != precCompare && prec != precLike {
		prec--
	}
	w.above(x, prec)
}

// unary keeps prefix operators apart: -- would begin a comment, @- would be one operator.
func (w *writer) unary(x *UnaryExpr) {
	inner := &writer{inner: 1}
	if exprPrec(x) == precUnary {
		inner.above(x.X, precUnary-1)
	} else {
		inner.above(x.X, precOp)
	}
	text := inner.b.String()
	w.put(x.Op)
	if len(x.Op) > 1 || x.Op != "-" && x.Op != "+" || strings.IndexByte(operatorChars, text[0]) >= 0 {
		w.put(" ")
	}
	w.put(text)
}

// construct writes the expressions with brackets or words of their own.
func (w *writer) construct(x Expr) {
	switch x := x.(type) {
	case *ExistsExpr:
		w.put("EXISTS ")
		w.subquery(x.Query)
	case *SubqueryExpr:
		w.subquery(x.Query)
	case *ArrayExpr:
		w.put("ARRAY")
		w.arrayElems(x)
	case *ArrayQueryExpr:
		w.put("ARRAY ")
		w.subquery(x.Query)
	case *RowExpr:
		w.flag(len(x.Elems) < 2, "ROW")
		w.parens(func() { w.exprs(x.Elems) })
	case *IndexExpr:
		w.base(x.X, false)
		w.put("[")
		w.expr(x.Index)
		w.put("]")
	case *SliceExpr:
		w.base(x.X, false)
		w.put("[")
		if x.Low != nil {
			w.expr(x.Low)
		}
		w.put(":")
		if x.High != nil {
			w.expr(x.High)
		}
		w.put("]")
	case *FieldExpr:
		w.base(x.X, true)
		if x.Field.IsZero() {
			w.put(".*")
		} else {
			w.put(".")
			w.ident(x.Field)
		}
	case *CastExpr:
		w.flag(x.Try, "TRY_")
		w.put("CAST")
		w.parens(func() {
			w.expr(x.X)
			w.put(" AS ")
			w.typeName(x.Type)
		})
	case *CaseExpr:
		w.caseExpr(x)
	case *FuncCall:
		w.call(x)
	case *NamedArg:
		w.ident(x.Name)
		w.put(" => ")
		w.expr(x.Value)
	case *TableArg:
		w.tableArg(x)
	}
}

// arrayElems writes [a, b]; arrays inside are brackets only.
func (w *writer) arrayElems(x *ArrayExpr) {
	w.put("[")
	w.inner++
	commas(w, x.Elems, func(e Expr) {
		if a, ok := e.(*ArrayExpr); ok {
			w.arrayElems(a)
			return
		}
		w.expr(e)
	})
	w.inner--
	w.put("]")
}

// base writes what a subscript or field is taken of. A column before a field needs parentheses: (c).f is not c.f.
func (w *writer) base(x Expr, field bool) {
	bare := false
	switch x := x.(type) {
	case *ColumnRef:
		bare = !field
	case *FieldExpr:
		bare = !x.Field.IsZero()
	case *Param, *IndexExpr, *SliceExpr, *SubqueryExpr:
		bare = true
	}
	if bare {
		w.expr(x)
		return
	}
	w.parens(func() { w.expr(x) })
}

func (w *writer) caseExpr(x *CaseExpr) {
	w.put("CASE")
	w.inner++
	if x.Operand != nil {
		w.put(" ")
		w.expr(x.Operand)
	}
	for _, a := range x.Whens {
		w.put(" WHEN ")
		w.expr(a.Cond)
		w.put(" THEN ")
		w.expr(a.Result)
	}
	if x.Else != nil {
		w.put(" ELSE ")
		w.expr(x.Else)
	}
	w.inner--
	w.put(" END")
}

func (w *writer) call(f *FuncCall) {
	if w.specialCall(f) {
		return
	}
	w.plainCall(f, w.funcName)
}

// plainCall writes name(arguments) and the clauses behind.
func (w *writer) plainCall(f *FuncCall, name func(*Name)) {
	name(f.Name)
	w.parens(func() {
		w.flag(f.Star, "*")
		w.flag(f.Distinct, "DISTINCT ")
		for i, a := range f.Args {
			if i > 0 {
				w.put(", ")
			}
			w.flag(f.Variadic && i == len(f.Args)-1, "VARIADIC ")
			w.expr(a)
		}
		if f.OrderBy != nil {
			w.put(" ORDER BY ")
			commas(w, f.OrderBy, w.orderItem)
		}
	})
	w.callClauses(f)
}

func (w *writer) callClauses(f *FuncCall) {
	if f.WithinGroup != nil {
		w.put(" WITHIN GROUP ")
		w.parens(func() {
			w.put("ORDER BY ")
			commas(w, f.WithinGroup, w.orderItem)
		})
	}
	if f.Filter != nil {
		w.put(" FILTER ")
		w.parens(func() {
			w.put("WHERE ")
			w.expr(f.Filter)
		})
	}
	if f.Nulls != DefaultNulls {
		w.put(" ", string(f.Nulls))
	}
	if f.Over != nil {
		w.put(" OVER ")
		w.window(f.Over)
	}
}

// specialCall writes the calls that are read by rules of their own; false if f is none of them.
func (w *writer) specialCall(f *FuncCall) bool {
	if len(f.Name.Parts) != 1 || f.Distinct || f.Variadic || f.OrderBy != nil || len(f.Args) == 0 || hasClauses(f) {
		return false
	}
	for _, a := range f.Args {
		switch a.(type) {
		case *NamedArg, *TableArg:
			return false
		}
	}
	switch f.Name.Parts[0].Name {
	case "extract":
		field, ok := f.Args[0].(*StringLit)
		if !ok || len(f.Args) != 2 || field.Value != foldASCII(field.Value) || field.Value != strings.ToLower(field.Value) {
			return false
		}
		name := QuoteString(field.Value)
		if isBareWord(field.Value) {
			name = strings.ToUpper(field.Value)
		}
		w.put("EXTRACT")
		w.parens(func() {
			w.put(name, " FROM ")
			w.expr(f.Args[1])
		})
	case "position":
		if len(f.Args) != 2 {
			return false
		}
		w.put("POSITION")
		w.parens(func() {
			w.above(f.Args[1], precLike)
			w.put(" IN ")
			w.above(f.Args[0], precLike)
		})
	case "substring", "overlay":
		w.put(f.Name.Parts[0].Name)
		w.parens(func() { w.exprs(f.Args) })
	default:
		return false
	}
	return true
}

// hasClauses reports whether clauses follow the call, which the special forms do not take.
func hasClauses(f *FuncCall) bool {
	return f.WithinGroup != nil || f.Filter != nil || f.Nulls != DefaultNulls || f.Over != nil
}

func (w *writer) tableArg(x *TableArg) {
	w.put("TABLE ")
	if x.Query != nil {
		w.subquery(x.Query)
	} else {
		w.name(x.Name)
	}
	if x.PartitionBy != nil {
		w.put(" PARTITION BY ")
		w.parens(func() { w.exprs(x.PartitionBy) })
	}
	if x.OrderBy != nil {
		w.put(" ORDER BY ")
		w.parens(func() { commas(w, x.OrderBy, w.orderItem) })
	}
}

// window writes what follows OVER or the AS of WINDOW.
func (w *writer) window(s *WindowSpec) {
	if !s.Ref.IsZero() {
		w.ident(s.Ref)
		return
	}
	w.parens(func() {
		sep := ""
		part := func() {
			w.put(sep)
			sep = " "
		}
		if !s.Base.IsZero() {
			part()
			w.ident(s.Base)
		}
		if s.PartitionBy != nil {
			part()
			w.put("PARTITION BY ")
			w.exprs(s.PartitionBy)
		}
		if s.OrderBy != nil {
			part()
			w.put("ORDER BY ")
			commas(w, s.OrderBy, w.orderItem)
		}
		if s.Frame != nil {
			part()
			w.frame(s.Frame)
		}
	})
}

func (w *writer) frame(f *Frame) {
	w.put(string(f.Unit), " ")
	if f.End != nil {
		w.put("BETWEEN ")
		w.bound(f.Start)
		w.put(" AND ")
		w.bound(*f.End)
	} else {
		w.bound(f.Start)
	}
	if f.Exclude != ExcludeNone {
		w.put(" EXCLUDE ", string(f.Exclude))
	}
}

func (w *writer) bound(b FrameBound) {
	if b.Offset != nil {
		w.above(b.Offset, precAnd)
		w.put(" ")
	}
	w.put(string(b.Kind))
}
