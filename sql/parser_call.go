package sql

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// call reads the arguments of a function and the clauses behind them; the next token is the opening parenthesis.
func (p *parser) call(name *Name) Expr {
	p.enter()
	defer p.leave()
	f := &FuncCall{Name: name}
	p.expect("(")
	switch {
	case p.accept("*"):
		f.Star = true
	case !p.is(")"):
		if p.accept("distinct") {
			f.Distinct = true
		} else {
			p.accept("all")
		}
		f.Args = list(p, func() Expr { return p.argument(f) })
		if p.is("order", "by") {
			f.OrderBy = p.orderBy()
		}
		if p.isAny("ignore", "respect") && p.peek(1).is("nulls") {
			f.Nulls = p.nullTreatment()
		}
		if p.isAny("separator", "limit", "returning") && !p.tok().quoted {
			p.notSupported(tokenAt(p.tok()), "%s in the arguments of a function", strings.ToUpper(p.tok().text))
		}
	}
	p.expect(")")
	p.callClauses(f)
	f.At = p.from(name.Place.Start)
	return f
}

// callClauses reads WITHIN GROUP, FILTER, IGNORE NULLS and OVER.
func (p *parser) callClauses(f *FuncCall) {
	if p.accept("within", "group") {
		p.expect("(")
		if !p.is("order", "by") {
			p.unexpected("ORDER BY")
		}
		f.WithinGroup = p.orderBy()
		p.expect(")")
	}
	if p.is("filter") && p.peek(1).is("(") {
		p.skip(2)
		p.expect("where")
		f.Filter = p.expr()
		p.expect(")")
	}
	if p.isAny("ignore", "respect") && p.peek(1).is("nulls") {
		f.Nulls = p.nullTreatment()
	}
	if p.is("over") && (p.peek(1).is("(") || p.peek(1).kind == tokWord && isName(p.peek(1).class())) {
		start := p.start()
		p.skip(1)
		if p.is("(") {
			f.Over = p.windowSpec()
		} else {
			f.Over = &WindowSpec{Ref: p.ident("a window name")}
		}
		f.Over.At = p.from(start)
	}
}

func (p *parser) nullTreatment() NullTreatment {
	t := p.advance()
	p.expect("nulls")
	if t.text == "ignore" {
		return IgnoreNulls
	}
	return RespectNulls
}

// argument reads one argument of a call: an expression, name => value, TABLE t, or VARIADIC array.
func (p *parser) argument(f *FuncCall) Expr {
	t, next := p.tok(), p.peek(1)
	switch {
	case t.is("variadic"):
		p.skip(1)
		f.Variadic = true
	case t.kind == tokWord && (next.is("=>") || next.is(":=")):
		start := p.start()
		name := p.label("an argument's name")
		p.skip(1)
		value := p.argumentValue()
		return &NamedArg{At: p.from(start), Name: name, Value: value}
	}
	return p.argumentValue()
}

func (p *parser) argumentValue() Expr {
	if p.is("table") {
		return p.tableArg()
	}
	if p.isAny("select", "with") {
		p.unexpectedHint("an expression", "put the query in parentheses of its own")
	}
	start := p.start()
	x := p.expr()
	if ref, ok := x.(*ColumnRef); ok && p.is("partition", "by") { // the word TABLE is left out
		return p.tableArgKeys(start, &TableArg{Name: &Name{At: ref.At, Parts: ref.Parts}})
	}
	return x
}

// tableArg reads TABLE t or TABLE (query), with PARTITION BY and ORDER BY.
func (p *parser) tableArg() Expr {
	start := p.start()
	p.expect("table")
	x := &TableArg{}
	if p.is("(") {
		if p.startsQuery() {
			x.Query = p.parenQuery()
		} else {
			p.expect("(")
			x.Name = p.name("a table or a query")
			p.expect(")")
		}
	} else {
		x.Name = p.name("a table")
	}
	return p.tableArgKeys(start, x)
}

// tableArgKeys reads what may follow the table.
func (p *parser) tableArgKeys(start int, x *TableArg) Expr {
	if p.accept("partition", "by") {
		if p.is("(") {
			x.PartitionBy = parenList(p, p.expr)
		} else {
			// A comma is the end of the argument: several keys need parentheses.
			x.PartitionBy = []Expr{p.expr()}
		}
	}
	if p.accept("order", "by") {
		if p.is("(") {
			x.OrderBy = parenList(p, p.orderItem)
		} else {
			x.OrderBy = []OrderItem{p.orderItem()}
		}
	}
	x.At = p.from(start)
	return x
}

// specialCall reads the calls with a syntax of their own; see FuncCall for what they become.
func (p *parser) specialCall(word string) Expr {
	p.enter()
	defer p.leave()
	name := p.name("a function")
	f := &FuncCall{Name: name}
	switch word {
	case "extract":
		p.extract(f)
	case "position":
		p.expect("(")
		what := p.exprAbove(precLike)
		if p.is(",") {
			p.unexpectedHint("IN", "write POSITION(part IN text), or strpos(text, part)")
		}
		p.expect("in")
		f.Args = []Expr{p.exprAbove(precLike), what}
		p.expect(")")
	case "substring":
		p.substring(f)
	case "overlay":
		p.expect("(")
		f.Args = []Expr{p.expr()}
		if p.accept("placing") {
			f.Args = append(f.Args, p.expr())
			p.expect("from")
			f.Args = append(f.Args, p.expr())
			if p.accept("for") {
				f.Args = append(f.Args, p.expr())
			}
		} else {
			p.moreArgs(f)
		}
		p.expect(")")
	case "trim":
		p.trim(f)
	}
	f.At = p.from(name.Place.Start)
	return f
}

func (p *parser) moreArgs(f *FuncCall) {
	for p.accept(",") {
		f.Args = append(f.Args, p.argument(f))
	}
}

func (p *parser) extract(f *FuncCall) {
	p.expect("(")
	t := p.tok()
	if t.kind != tokWord && t.kind != tokString {
		p.unexpected("a field such as YEAR")
		return
	}
	p.skip(1)
	f.Args = []Expr{&StringLit{At: tokenAt(t), Value: strings.ToLower(t.text)}}
	if p.is(",") && t.kind == tokString {
		p.skip(1)
	} else {
		p.expect("from")
	}
	f.Args = append(f.Args, p.expr())
	p.expect(")")
}

func (p *parser) substring(f *FuncCall) {
	p.expect("(")
	f.Args = []Expr{p.expr()}
	switch {
	case p.accept("from"):
		f.Args = append(f.Args, p.expr())
		if p.accept("for") {
			f.Args = append(f.Args, p.expr())
		}
	case p.accept("for"):
		n := p.expr()
		if p.accept("from") {
			f.Args = append(f.Args, p.expr(), n)
		} else {
			f.Args = append(f.Args, &NumberLit{Text: "1"}, n)
		}
	case p.accept("similar"):
		f.Args = append(f.Args, p.expr())
		p.expect("escape")
		f.Args = append(f.Args, p.expr())
	default:
		p.moreArgs(f)
	}
	p.expect(")")
}

// trim reads TRIM([LEADING|TRAILING|BOTH] [characters] [FROM] text).
func (p *parser) trim(f *FuncCall) {
	p.expect("(")
	name := "btrim"
	switch {
	case p.accept("leading"):
		name = "ltrim"
	case p.accept("trailing"):
		name = "rtrim"
	default:
		p.accept("both")
	}
	f.Name.Parts[0].Name = name
	if p.accept("from") {
		f.Args = []Expr{p.expr()}
		p.moreArgs(f)
	} else {
		first := p.expr()
		if p.accept("from") {
			f.Args = []Expr{p.expr(), first}
		} else {
			f.Args = []Expr{first}
			p.moreArgs(f)
		}
	}
	p.expect(")")
}

// windowSpec reads (base PARTITION BY ... ORDER BY ... frame).
func (p *parser) windowSpec() *WindowSpec {
	start := p.start()
	w := &WindowSpec{}
	p.expect("(")
	if t := p.tok(); t.kind == tokWord && isName(t.class()) && !p.is("partition", "by") && !p.isFrame() {
		w.Base = p.ident("a window name")
	}
	if p.accept("partition", "by") {
		w.PartitionBy = list(p, p.expr)
	}
	if p.is("order", "by") {
		w.OrderBy = p.orderBy()
	}
	if p.isFrame() {
		w.Frame = p.frame()
	}
	p.expect(")")
	w.At = p.from(start)
	return w
}

// isFrame reports whether ROWS, RANGE or GROUPS begins a frame here, rather than being a window's name.
func (p *parser) isFrame() bool {
	if !p.isAny("rows", "range", "groups") {
		return false
	}
	n := p.peek(1)
	return !n.is(")") && !n.is("partition") && !n.is("order")
}

func (p *parser) frame() *Frame {
	start := p.start()
	f := &Frame{Unit: FrameUnit(strings.ToUpper(p.advance().text))}
	if p.accept("between") {
		f.Start = p.frameBound()
		p.expect("and")
		end := p.frameBound()
		f.End = &end
	} else {
		f.Start = p.frameBound()
	}
	f.At = p.from(start)
	if p.err == nil {
		p.checkFrame(f)
	}
	if p.accept("exclude") {
		switch {
		case p.accept("current", "row"):
			f.Exclude = ExcludeCurrent
		case p.accept("group"):
			f.Exclude = ExcludeGroup
		case p.accept("ties"):
			f.Exclude = ExcludeTies
		case p.accept("no", "others"):
		default:
			p.unexpected("CURRENT ROW, GROUP, TIES or NO OTHERS after EXCLUDE")
		}
	}
	f.At = p.from(start)
	return f
}

// checkFrame refuses frames that begin behind their end, as PostgreSQL's grammar does: CodeWindowing.
func (p *parser) checkFrame(f *Frame) {
	end := CurrentRow
	if f.End != nil {
		end = f.End.Kind
	}
	fail := func(at At, format string, args ...any) {
		p.fail(types.Errorf(types.CodeWindowing, format, args...).At(at.Place))
	}
	order := map[BoundKind]int{UnboundedPreceding: 0, Preceding: 1, CurrentRow: 2, Following: 3, UnboundedFollowing: 4}
	switch {
	case f.Start.Kind == UnboundedFollowing:
		fail(f.Start.At, "a frame cannot start at UNBOUNDED FOLLOWING")
	case end == UnboundedPreceding:
		fail(f.End.At, "a frame cannot end at UNBOUNDED PRECEDING")
	case order[f.Start.Kind] > order[end]:
		fail(f.At, "a frame that starts at %s cannot end at %s", f.Start.Kind, end)
	}
}

func (p *parser) frameBound() FrameBound {
	start := p.start()
	b := FrameBound{}
	switch {
	case p.accept("unbounded", "preceding"):
		b.Kind = UnboundedPreceding
	case p.accept("unbounded", "following"):
		b.Kind = UnboundedFollowing
	case p.accept("current", "row"):
		b.Kind = CurrentRow
	default:
		b.Offset = p.expr()
		switch {
		case p.accept("preceding"):
			b.Kind = Preceding
		case p.accept("following"):
			b.Kind = Following
		default:
			p.unexpected("PRECEDING or FOLLOWING")
		}
	}
	b.At = p.from(start)
	return b
}
