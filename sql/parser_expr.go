package sql

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Binding strengths, PostgreSQL's, from loose to tight.
const (
	precNone = iota
	precOr
	precAnd
	precNot
	precIs      // not associative after IS DISTINCT FROM
	precCompare // < > = <= >= <>, not associative
	precLike    // BETWEEN IN LIKE ILIKE SIMILAR, not associative
	precOp      // all other operators
	precAdd
	precMul
	precPower
	precAt // AT TIME ZONE
	precCollate
	precUnary
	precPostfix // [ ] :: .
	precPrimary
)

// operatorPrec returns the strength of an infix operator symbol, or precNone if text is not one.
func operatorPrec(text string) int {
	switch text {
	case "<", ">", "=", "<=", ">=", "<>":
		return precCompare
	case "+", "-":
		return precAdd
	case "*", "/", "%":
		return precMul
	case "^":
		return precPower
	case "=>", ":=":
		return precNone
	}
	if text != "" && strings.IndexByte(operatorChars, text[0]) >= 0 {
		return precOp
	}
	return precNone
}

// expr reads an expression.
func (p *parser) expr() Expr { return p.exprAbove(precNone) }

// exprAbove reads an expression whose operators bind tighter than prec.
func (p *parser) exprAbove(prec int) Expr {
	p.enter()
	defer p.leave()
	start := p.start()
	return p.infix(p.prefix(), start, prec)
}

// prefix reads an operand with its prefix operators.
func (p *parser) prefix() Expr {
	t := p.tok()
	start := t.start
	if t.kind == tokOp && p.err == nil {
		switch {
		case t.text == "+" || t.text == "-":
			p.skip(1)
			return p.unary(t, start, precUnary-1)
		case operatorPrec(t.text) == precOp && t.text != "==":
			p.skip(1)
			return p.unary(t, start, precOp)
		case t.text == "=" || t.text == "<>" || t.text == "==":
			p.unexpectedHint("an expression", "there is nothing to compare on the left")
			return &NullLit{}
		}
	}
	if t.is("not") {
		p.skip(1)
		x := p.exprAbove(precNot - 1)
		return &NotExpr{At: p.from(start), X: x}
	}
	return p.postfix(p.primary(), start)
}

func (p *parser) unary(op *token, start, above int) Expr {
	x := p.exprAbove(above)
	return &UnaryExpr{At: p.from(start), Op: op.text, OpSpan: tokenAt(op), X: x}
}

// infix reads the operators behind left that bind tighter than above.
func (p *parser) infix(left Expr, start, above int) Expr {
	// banned is the strength of the non-associative operator whose right side was just read.
	banned := precNone
	for n := 1; p.err == nil; n++ {
		t := p.tok()
		if t.kind != tokWord && t.kind != tokOp || t.quoted {
			if t.kind == tokBad {
				p.unexpected("an operator")
			}
			break
		}
		p.link(n)
		prec := p.infixPrec(t)
		if prec == precNone || prec <= above || p.err != nil {
			break
		}
		if prec == banned {
			p.notAssociative(t)
			break
		}
		var open bool
		left, open = p.infixOperator(left, start, t, prec)
		banned = precNone
		if open && (prec == precIs || prec == precCompare || prec == precLike) {
			banned = prec
		}
	}
	return left
}

func (p *parser) notAssociative(t *token) {
	hint := "combine the conditions with AND, or put one of them in parentheses"
	p.errorAt(tokenAt(t), hint, "operator %s cannot be chained", show(strings.ToLower(t.text)))
}

// infixPrec returns the strength of the infix operator that t begins, or precNone.
func (p *parser) infixPrec(t *token) int {
	if t.kind == tokOp {
		if t.text == "==" {
			p.fail((&types.Error{Code: types.CodeSyntax, Msg: `unexpected "==", expected an operator`, Span: tokenAt(t).Place}).
				WithHint(`write "=" to compare`))
			return precNone
		}
		return operatorPrec(t.text)
	}
	switch t.text {
	case "or":
		return precOr
	case "and":
		return precAnd
	case "is", "isnull", "notnull":
		return precIs
	case "between", "in", "like", "ilike":
		return precLike
	case "similar":
		if p.peek(1).is("to") {
			return precLike
		}
	case "not":
		if n := p.peek(1); n.is("between") || n.is("in") || n.is("like") || n.is("ilike") || n.is("similar") {
			return precLike
		}
	case "rlike", "regexp":
		if n := p.peek(1); n.kind == tokString {
			p.errorAt(tokenAt(t), "write ~ to match a regular expression", "unexpected %q, expected an operator", t.text)
		}
	case "at":
		if p.is("at", "time", "zone") || p.is("at", "local") {
			return precAt
		}
	case "collate":
		return precCollate
	case "overlaps":
		return precOp
	case "operator":
		if p.peek(1).is("(") {
			return precOp
		}
	}
	return precNone
}

// infixOperator reads one infix or postfix operator and its right side. open says that the right side is an expression
// without a closing mark, so that another operator of the same strength would be ambiguous.
func (p *parser) infixOperator(left Expr, start int, t *token, prec int) (x Expr, open bool) {
	if t.kind == tokOp {
		p.skip(1)
		return p.binary(left, start, t.text, tokenAt(t), prec)
	}
	switch t.text {
	case "or":
		return p.logical(left, start, Or, precOr), true
	case "and":
		return p.logical(left, start, And, precAnd), true
	case "is":
		x := p.isTest(left, start)
		_, distinct := x.(*DistinctExpr)
		return x, distinct
	case "isnull", "notnull":
		p.skip(1)
		return &IsExpr{At: p.from(start), X: left, Not: t.text == "notnull", Test: IsNull}, false
	case "at":
		p.skip(1)
		if p.accept("local") {
			return &AtTimeZoneExpr{At: p.from(start), X: left}, false
		}
		p.expect("time", "zone")
		zone := p.exprAbove(precAt)
		return &AtTimeZoneExpr{At: p.from(start), X: left, Zone: zone}, true
	case "collate":
		p.skip(1)
		name := p.name("a collation")
		return &CollateExpr{At: p.from(start), X: left, Collation: name}, false
	case "overlaps":
		return p.overlaps(left, start), true
	case "operator":
		opAt := tokenAt(t)
		op := p.qualifiedOperator()
		return p.binary(left, start, op, opAt, precOp)
	}
	not := p.accept("not")
	switch {
	case p.accept("between"):
		b := &BetweenExpr{X: left, Not: not, Symmetric: p.accept("symmetric")}
		if !b.Symmetric {
			p.accept("asymmetric")
		}
		b.Low = p.exprAbove(precLike)
		p.expect("and")
		b.High = p.exprAbove(precLike)
		b.At = p.from(start)
		return b, true
	case p.accept("in"):
		return p.in(left, start, not), false
	case p.accept("similar", "to"):
		return p.like(left, start, SimilarTo, not)
	case p.accept("like"):
		return p.like(left, start, Like, not)
	case p.accept("ilike"):
		return p.like(left, start, ILike, not)
	}
	p.unexpected("TO after SIMILAR")
	return left, false
}

func (p *parser) binary(left Expr, start int, op string, opAt At, prec int) (Expr, bool) {
	if q := p.quantifier(); q != "" {
		return p.quantified(left, start, op, q), false
	}
	right := p.exprAbove(prec)
	return &BinaryExpr{At: p.from(start), Op: op, OpSpan: opAt, L: left, R: right}, true
}

// logical reads the rest of a chain of AND or of OR into one node.
func (p *parser) logical(left Expr, start int, op LogicalOp, prec int) Expr {
	x := &LogicalExpr{Op: op, Args: []Expr{left}}
	for word := strings.ToLower(string(op)); p.accept(word); {
		x.Args = append(x.Args, p.exprAbove(prec))
	}
	x.At = p.from(start)
	return x
}

func (p *parser) isTest(left Expr, start int) Expr {
	p.expect("is")
	not := p.accept("not")
	var test IsTest
	switch {
	case p.accept("distinct", "from"):
		right := p.exprAbove(precIs)
		return &DistinctExpr{At: p.from(start), L: left, R: right, Not: not}
	case p.accept("null"):
		test = IsNull
	case p.accept("true"):
		test = IsTrue
	case p.accept("false"):
		test = IsFalse
	case p.accept("unknown"):
		test = IsUnknown
	case p.isAny("json", "document", "normalized", "nfc", "nfd", "nfkc", "nfkd", "of"):
		p.notSupported(tokenAt(p.tok()), "IS %s", strings.ToUpper(p.tok().text))
	default:
		p.unexpectedHint("NULL, TRUE, FALSE, UNKNOWN or DISTINCT FROM after IS", "to compare with a value, use = or IS NOT DISTINCT FROM")
	}
	return &IsExpr{At: p.from(start), X: left, Not: not, Test: test}
}

func (p *parser) in(left Expr, start int, not bool) Expr {
	x := &InExpr{X: left, Not: not}
	open := p.tok()
	p.expect("(")
	if p.startsQuery() {
		p.back(1) // back to the parenthesis: (SELECT 1) + 1 is an expression, (SELECT 1) alone a query
		x.Query, x.List = p.parenItems()
		x.At = p.from(start)
		return x
	}
	if p.is(")") {
		p.errorAt(At{types.Span{Start: open.start, End: p.tok().end}}, "", "the list of IN is empty, expected at least one value")
	}
	x.List = list(p, p.expr)
	p.expect(")")
	x.At = p.from(start)
	return x
}

func (p *parser) like(left Expr, start int, kind LikeKind, not bool) (Expr, bool) {
	if q := p.quantifier(); q != "" && kind != SimilarTo {
		op := string(kind)
		if not {
			op = "NOT " + op
		}
		return p.quantified(left, start, op, q), false
	}
	x := &LikeExpr{Kind: kind, X: left, Not: not, Pattern: p.exprAbove(precLike)}
	if p.accept("escape") {
		x.Escape = p.exprAbove(precLike)
	}
	x.At = p.from(start)
	return x, true
}

// quantifier reads ANY, SOME or ALL in front of a parenthesis.
func (p *parser) quantifier() Quantifier {
	if !p.peek(1).is("(") {
		return ""
	}
	switch {
	case p.accept("any") || p.accept("some"):
		return Any
	case p.accept("all"):
		return All
	}
	return ""
}

func (p *parser) quantified(left Expr, start int, op string, quant Quantifier) Expr {
	x := &QuantifiedExpr{X: left, Op: op, Quant: quant}
	open := p.start()
	q, items := p.parenItems()
	switch {
	case q != nil:
		x.Query = q
	case len(items) == 1:
		x.Array = items[0]
	default:
		p.errorAt(p.from(open), "compare with a list by IN (...), or write "+string(quant)+" (ARRAY[...])",
			"unexpected list, expected one array or a query after %s", quant)
		x.Array = &NullLit{}
	}
	x.At = p.from(start)
	return x
}

// overlaps reads (a, b) OVERLAPS (c, d) as the call overlaps(a, b, c, d).
func (p *parser) overlaps(left Expr, start int) Expr {
	at := tokenAt(p.tok())
	p.expect("overlaps")
	right := p.exprAbove(precOp)
	l, ok1 := left.(*RowExpr)
	r, ok2 := right.(*RowExpr)
	if p.err == nil && (!ok1 || !ok2 || len(l.Elems) != 2 || len(r.Elems) != 2) {
		p.errorAt(p.from(start), "write (start, end) OVERLAPS (start, end)", "wrong number of values on a side of OVERLAPS, expected 2")
	}
	if p.err != nil {
		return left
	}
	return &FuncCall{At: p.from(start), Name: &Name{At: at, Parts: []Ident{{At: at, Name: "overlaps"}}},
		Args: []Expr{l.Elems[0], l.Elems[1], r.Elems[0], r.Elems[1]}}
}

// qualifiedOperator reads OPERATOR(pg_catalog.+).
func (p *parser) qualifiedOperator() string {
	p.expect("operator", "(")
	for p.tok().kind == tokWord {
		if s := p.advance(); s.text != "pg_catalog" {
			p.notSupported(tokenAt(s), "operators of a schema other than pg_catalog")
		}
		p.expect(".")
	}
	t := p.tok()
	if operatorPrec(t.text) == precNone {
		p.unexpected("an operator")
		return "="
	}
	p.advance()
	p.expect(")")
	return t.text
}

// postfix reads subscripts, fields and casts behind an operand.
func (p *parser) postfix(x Expr, start int) Expr {
	for n := 1; p.err == nil; n++ {
		p.link(n)
		switch {
		case p.accept("::"):
			t := p.typeName()
			x = &CastExpr{At: p.from(start), X: x, Type: t}
		case p.is("[") && canSubscript(x):
			x = p.subscript(x, start)
		case p.is(".") && canSelectField(x):
			p.skip(1)
			if p.accept("*") {
				return &FieldExpr{At: p.from(start), X: x}
			}
			f := p.label("a field name after the dot")
			x = &FieldExpr{At: p.from(start), X: x, Field: f}
		default:
			return x
		}
	}
	return x
}

func canSubscript(x Expr) bool {
	switch x.(type) {
	case *NumberLit, *StringLit, *BoolLit, *NullLit, *Star:
		return false
	}
	return true
}

func canSelectField(x Expr) bool {
	switch x.(type) {
	case *NumberLit, *StringLit, *BoolLit, *NullLit, *Star, *TypedLit, *IntervalLit, *BitLit:
		return false
	}
	return true
}

func (p *parser) subscript(x Expr, start int) Expr {
	p.expect("[")
	var low, high Expr
	if !p.is(":") {
		low = p.expr()
		if p.accept("]") {
			return &IndexExpr{At: p.from(start), X: x, Index: low}
		}
	}
	p.expect(":")
	if !p.is("]") {
		high = p.expr()
	}
	p.expect("]")
	return &SliceExpr{At: p.from(start), X: x, Low: low, High: high}
}
