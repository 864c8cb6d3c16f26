package sql

import (
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// primary reads an operand without prefix and postfix operators.
func (p *parser) primary() Expr {
	t := p.tok()
	switch t.kind {
	case tokNumber:
		p.skip(1)
		return &NumberLit{At: tokenAt(t), Text: t.text}
	case tokString:
		p.skip(1)
		return &StringLit{At: tokenAt(t), Value: t.text}
	case tokBits:
		p.skip(1)
		return &BitLit{At: tokenAt(t), Hex: t.text[0] == 'x', Digits: t.text[1:]}
	case tokParam:
		return p.param()
	case tokWord:
		return p.wordExpr()
	case tokOp:
		if t.text == "(" {
			return p.parenExpr()
		}
	}
	p.unexpected("an expression")
	return &NullLit{}
}

func (p *parser) param() Expr {
	t := p.advance()
	n, err := strconv.ParseInt(t.text, 10, 32)
	if err != nil || n < 1 || n > 65535 {
		p.fail(&types.Error{Code: types.CodeUndefinedParameter, Msg: "there is no parameter $" + t.text, Span: tokenAt(t).Place,
			Hint: "parameters are $1 to $65535"})
	}
	return &Param{At: tokenAt(t), Number: int(n)}
}

// startsQuery reports whether the next token, after any opening parentheses, begins a query.
func (p *parser) startsQuery() bool {
	for n := range maxDepth + 1 {
		if !p.peek(n).is("(") {
			return p.beginsQuery(n)
		}
	}
	p.tooComplex("nested more than %d levels deep", maxDepth)
	return false
}

// beginsQuery reports whether the token n places ahead is the first word of a query.
func (p *parser) beginsQuery(n int) bool {
	t := p.peek(n)
	switch {
	case t.is("select"), t.is("with"), t.is("table"):
		return true
	case t.is("values"):
		return p.peek(n + 1).is("(")
	}
	return false
}

// parenExpr reads an expression, a row or a query in parentheses.
func (p *parser) parenExpr() Expr {
	start := p.start()
	q, e := p.parenthesized()
	switch x := e.(type) {
	case nil:
		return &SubqueryExpr{At: p.from(start), Query: q}
	case *RowExpr:
		if x.Place.Start == start {
			x.At = p.from(start)
		}
	}
	return e
}

// parenthesized reads (query), or (expression), or (a, b) as a row.
func (p *parser) parenthesized() (*Query, Expr) {
	start := p.start()
	q, items := p.parenItems()
	switch {
	case q != nil:
		return q, nil
	case len(items) == 1:
		return nil, items[0]
	}
	return nil, &RowExpr{At: p.from(start), Elems: items}
}

// parenItems reads the content of parentheses: a query, or expressions.
func (p *parser) parenItems() (*Query, []Expr) {
	p.enter()
	defer p.leave()
	p.expect("(")
	if p.beginsQuery(0) {
		q := p.query()
		p.expect(")")
		return q, nil
	}
	var items []Expr
	if p.is("(") && p.startsQuery() {
		start := p.start()
		q, inner := p.parenItems()
		var left Expr
		switch {
		case q != nil && p.accept(")"):
			return q, nil
		case q != nil && p.continuesQuery():
			q = p.queryAfter(q, start)
			p.expect(")")
			return q, nil
		case q != nil:
			left = &SubqueryExpr{At: p.from(start), Query: q}
		case len(inner) == 1:
			left = inner[0]
		default:
			left = &RowExpr{At: p.from(start), Elems: inner}
		}
		items = []Expr{p.infix(p.postfix(left, start), start, precNone)}
	} else {
		items = []Expr{p.expr()}
	}
	for p.accept(",") {
		items = append(items, p.expr())
	}
	p.expect(")")
	return nil, items
}

// wordExpr reads an operand that begins with a word: a keyword construct, a typed literal, a call or a column.
func (p *parser) wordExpr() Expr {
	t := p.tok()
	if t.quoted || t.class() == wordPlain {
		if x := p.softKeyword(t); x != nil {
			return x
		}
		return p.nameExpr()
	}
	at, next := tokenAt(t), p.peek(1)
	switch t.text {
	case "null":
		p.skip(1)
		return &NullLit{At: at}
	case "true", "false":
		p.skip(1)
		return &BoolLit{At: at, Value: t.text == "true"}
	case "default":
		p.skip(1)
		return &DefaultExpr{At: at}
	case "case":
		return p.caseExpr()
	case "cast":
		return p.cast(false)
	case "array":
		return p.array()
	case "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user",
		"session_user", "user", "current_role", "current_catalog":
		return p.keywordFunc()
	case "current_schema":
		if !next.is("(") {
			return p.keywordFunc()
		}
	case "exists":
		if next.is("(") {
			start := p.start()
			p.skip(1)
			return &ExistsExpr{Query: p.parenQuery(), At: p.from(start)}
		}
	case "row":
		if next.is("(") {
			return p.row()
		}
	case "interval":
		if next.kind == tokString || next.kind == tokNumber || next.is("(") ||
			next.kind == tokOp && (next.text == "-" || next.text == "+") && p.peek(2).kind == tokNumber && unitWords[p.peek(3).text] != "" {
			return p.interval()
		}
	case "extract", "substring", "position", "overlay", "trim":
		if next.is("(") {
			return p.specialCall(t.text)
		}
	case "coalesce", "nullif", "greatest", "least", "grouping":
		if next.is("(") {
			return p.call(p.name("a function"))
		}
	case "treat", "none", "setof", "inout", "out":
		if next.is("(") {
			p.notSupported(at, "%s(...)", strings.ToUpper(t.text))
		}
	case "unique":
		if next.is("(") {
			p.notSupported(at, "the UNIQUE predicate")
		}
	default:
		if p.startsTypedLiteral() {
			return p.typedLiteral()
		}
	}
	if t.class() == wordReserved {
		p.unexpected("an expression")
		return &NullLit{}
	}
	return p.nameExpr()
}

// softKeyword reads the constructs whose word is no keyword of PostgreSQL.
func (p *parser) softKeyword(t *token) Expr {
	if t.quoted {
		return nil
	}
	switch t.text {
	case "try_cast":
		if p.peek(1).is("(") {
			return p.cast(true)
		}
	case "match_recognize":
		if p.peek(1).is("(") {
			p.notSupported(tokenAt(t), "MATCH_RECOGNIZE")
			return &NullLit{}
		}
	}
	return nil
}

// typeWords are the keywords that begin a type in front of a literal.
var typeWords = makeWordSet(`bigint bit boolean char character dec decimal double float int integer national nchar numeric
	real smallint time timestamp varchar`)

// startsTypedLiteral reports whether a built-in type and then a string come next: timestamp '...', numeric(10, 2) '...'.
func (p *parser) startsTypedLiteral() bool {
	t := p.tok()
	if !typeWords[t.text] {
		return false
	}
	n := 1
	switch {
	case t.text == "double":
		if !p.peek(1).is("precision") {
			return false
		}
		n = 2
	case t.text == "national":
		n = 2
	}
	if p.peek(n).is("varying") {
		n++
	}
	if p.peek(n).is("(") {
		for p.peek(n).is("(") || p.peek(n).is(",") || p.peek(n).is("-") || p.peek(n).kind == tokNumber {
			n++
		}
		if !p.peek(n).is(")") {
			return false
		}
		n++
	}
	if (p.peek(n).is("with") || p.peek(n).is("without")) && p.peek(n+1).is("time") && p.peek(n+2).is("zone") {
		n += 3
	}
	return p.peek(n).kind == tokString
}

func (p *parser) typedLiteral() Expr {
	start := p.start()
	t := p.simpleType()
	v := p.string("a string after the type")
	return &TypedLit{At: p.from(start), Type: t, Value: v}
}

// nameExpr reads a column, a call, t.*, or a literal of a named type: date '2020-01-01'.
func (p *parser) nameExpr() Expr {
	start := p.start()
	first := p.tok()
	if next := p.peek(1); first.class() == wordFunction && !next.is("(") && next.kind != tokString {
		p.unexpectedHint("an expression", keywordHint(first.text))
		return &NullLit{}
	}
	n := &Name{Parts: []Ident{p.word("an expression", func(c wordClass) bool { return c <= wordFunction })}}
	for p.accept(".") {
		if p.accept("*") {
			return &Star{At: p.from(start), Qualifier: n.Parts}
		}
		n.Parts = append(n.Parts, p.label("a name after the dot"))
	}
	n.At = p.from(start)
	next := p.tok()
	switch {
	case p.err != nil:
		return &NullLit{}
	case next.kind == tokString && (first.quoted || first.class() != wordColumn):
		p.skip(1)
		return &TypedLit{At: p.from(start), Type: &TypeName{At: n.At, Name: n}, Value: next.text}
	case next.is("("):
		if len(n.Parts) == 1 && !first.quoted && first.class() == wordColumn {
			p.errorAt(tokenAt(first), `to convert a value, write CAST(x AS `+first.text+`); to call a function of that name, quote it`,
				"%s is a type, not a function", strings.ToUpper(first.text))
			return &NullLit{}
		}
		x := p.call(n)
		if f, ok := x.(*FuncCall); ok && p.tok().kind == tokString {
			return p.typedByCall(f, start)
		}
		return x
	}
	return &ColumnRef{At: n.At, Parts: n.Parts}
}

// typedByCall turns what was read as a call into a type with modifiers in front of a literal: mytype(3) 'x'.
func (p *parser) typedByCall(f *FuncCall, start int) Expr {
	t := &TypeName{At: f.At, Name: f.Name}
	plain := !f.Star && !f.Distinct && !f.Variadic && f.OrderBy == nil && f.WithinGroup == nil && f.Filter == nil &&
		f.Nulls == "" && f.Over == nil && len(f.Args) > 0
	for _, a := range f.Args {
		n, ok := a.(*NumberLit)
		v, err := 0, error(nil)
		if ok {
			v, err = strconv.Atoi(n.Text)
		}
		if plain = plain && ok && err == nil; plain {
			t.Mods = append(t.Mods, v)
		}
	}
	if !plain {
		p.unexpected("an operator or the end of the expression")
		return f
	}
	value := p.advance().text
	return &TypedLit{At: p.from(start), Type: t, Value: value}
}

func (p *parser) caseExpr() Expr {
	start := p.start()
	p.expect("case")
	x := &CaseExpr{}
	if !p.is("when") {
		x.Operand = p.expr()
	}
	for {
		from := p.start()
		p.expect("when")
		w := When{Cond: p.expr()}
		p.expect("then")
		w.Result = p.expr()
		w.At = p.from(from)
		x.Whens = append(x.Whens, w)
		if !p.is("when") {
			break
		}
	}
	if p.accept("else") {
		x.Else = p.expr()
	}
	if !p.accept("end") {
		p.unexpected("WHEN, ELSE or END")
	}
	x.At = p.from(start)
	return x
}

func (p *parser) cast(try bool) Expr {
	start := p.start()
	p.advance()
	p.expect("(")
	x := &CastExpr{X: p.expr(), Try: try}
	p.expect("as")
	x.Type = p.typeName()
	p.expect(")")
	x.At = p.from(start)
	return x
}

func (p *parser) array() Expr {
	start := p.start()
	p.expect("array")
	switch {
	case p.is("["):
		return p.arrayElems(start)
	case p.is("("):
		return &ArrayQueryExpr{Query: p.parenQuery(), At: p.from(start)}
	}
	p.unexpected(`"[" or "(" after ARRAY`)
	return &NullLit{}
}

func (p *parser) arrayElems(start int) Expr {
	p.enter()
	defer p.leave()
	p.expect("[")
	x := &ArrayExpr{}
	if !p.is("]") {
		x.Elems = list(p, func() Expr {
			if p.is("[") {
				return p.arrayElems(p.start())
			}
			return p.expr()
		})
	}
	p.expect("]")
	x.At = p.from(start)
	return x
}

func (p *parser) row() Expr {
	start := p.start()
	p.expect("row", "(")
	x := &RowExpr{}
	if !p.is(")") {
		x.Elems = list(p, p.expr)
	}
	p.expect(")")
	x.At = p.from(start)
	return x
}

func (p *parser) keywordFunc() Expr {
	t := p.advance()
	x := &KeywordFunc{Name: t.text, Precision: -1}
	switch t.text {
	case "current_time", "current_timestamp", "localtime", "localtimestamp":
		if p.is("(") && p.peek(1).is(")") {
			p.skip(1)
			p.unexpectedHint("the precision", "write "+t.text+" without parentheses")
		}
		if p.accept("(") {
			x.Precision = p.int("the precision")
			p.expect(")")
		}
	}
	x.At = p.from(t.start)
	return x
}

// interval reads INTERVAL '10 seconds', INTERVAL '10' SECOND, INTERVAL(3) '...' and INTERVAL 10 SECOND.
func (p *parser) interval() Expr {
	start := p.start()
	p.expect("interval")
	x := &IntervalLit{Precision: -1}
	if p.accept("(") {
		x.Precision = p.int("the precision of the interval")
		p.expect(")")
	}
	if p.tok().kind == tokString {
		x.Value = p.advance().text
		x.Fields = p.intervalFields(true)
		x.At = p.from(start)
		return x
	}
	if p.accept("-") {
		x.Value = "-"
	} else {
		p.accept("+")
	}
	if t := p.tok(); t.kind == tokNumber && x.Precision < 0 {
		p.skip(1)
		x.Value += t.text
		if x.Fields = p.intervalFields(true); x.Fields == nil {
			p.unexpectedHint("a unit such as SECOND", "write INTERVAL '10' SECOND or INTERVAL '10 seconds'")
		}
	} else {
		p.unexpected("a string such as '10 seconds'")
	}
	x.At = p.from(start)
	return x
}
