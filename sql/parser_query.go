package sql

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// query reads a query with all its clauses.
func (p *parser) query() *Query {
	p.enter()
	defer p.leave()
	start := p.start()
	q := &Query{}
	if p.is("with") {
		q.With = p.with()
	}
	q.Body = p.setOps(start, 0)
	p.queryClauses(q)
	q.At = p.from(start)
	if inner, ok := q.Body.(*Query); ok && bodyOf(q) == inner {
		return inner // nothing but parentheses around it
	}
	return q
}

// parenQuery reads (query); parentheses around parentheses collapse.
func (p *parser) parenQuery() *Query {
	if !p.is("(") || !p.startsQuery() {
		p.accept("(")
		p.unexpected("a query")
		return &Query{Body: &Values{}}
	}
	q, x := p.parenItems()
	if q != nil {
		return q
	}
	if p.err == nil {
		at := At{}
		if len(x) > 0 {
			at = Spanned(x[0].Span())
		}
		p.errorAt(at, "", "unexpected expression, expected a query")
	}
	return &Query{Body: &Values{}}
}

// continuesQuery reports whether a query in parentheses, just read, is part of a larger one.
func (p *parser) continuesQuery() bool {
	return p.isAny("union", "intersect", "except", "order", "limit", "offset", "fetch", "for") || p.isEmit() || p.isAsOfEpoch()
}

// queryAfter reads on behind a query in parentheses that began at start.
func (p *parser) queryAfter(first *Query, start int) *Query {
	p.enter()
	defer p.leave()
	q := &Query{Body: p.setOpsAfter(bodyOf(first), start, 0)}
	p.queryClauses(q)
	q.At = p.from(start)
	return q
}

// bodyOf returns the query's body if nothing is around it, else the query.
func bodyOf(q *Query) QueryBody {
	if q.With == nil && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && q.AsOf == nil && q.Emit == nil {
		return q.Body
	}
	return q
}

const (
	precUnion     = 1 // UNION, EXCEPT
	precIntersect = 2
)

func (p *parser) setOps(start, above int) QueryBody {
	return p.setOpsAfter(p.queryPrimary(), start, above)
}

func (p *parser) setOpsAfter(left QueryBody, start, above int) QueryBody {
	for n := 1; p.err == nil; n++ {
		p.link(n)
		op, prec := Union, precUnion
		switch {
		case p.is("union"):
		case p.is("except"):
			op = Except
		case p.is("intersect"):
			op, prec = Intersect, precIntersect
		default:
			return left
		}
		if prec <= above {
			return left
		}
		p.skip(1)
		s := &SetOp{Op: op, L: left, All: p.accept("all")}
		if !s.All {
			p.accept("distinct")
		}
		if p.is("by", "name") || p.is("corresponding") {
			p.notSupported(tokenAt(p.tok()), "%s BY NAME", op)
		}
		s.R = p.setOps(p.start(), prec)
		s.At = p.from(start)
		left = s
	}
	return left
}

func (p *parser) queryPrimary() QueryBody {
	p.enter()
	defer p.leave()
	start := p.start()
	switch {
	case p.is("select"):
		return p.selectBody()
	case p.is("values"):
		return p.values()
	case p.is("("):
		return bodyOf(p.parenQuery())
	case p.accept("table"):
		p.accept("only")
		t := &TableName{Name: p.name("a table")}
		t.At = t.Name.At
		return &TableBody{At: p.from(start), Table: t}
	}
	p.unexpected("a query (SELECT, VALUES, TABLE or WITH)")
	return &Values{}
}

func (p *parser) values() QueryBody {
	start := p.start()
	p.expect("values")
	v := &Values{Rows: list(p, func() []Expr { return parenList(p, p.expr) })}
	v.At = p.from(start)
	if p.err != nil {
		return v
	}
	for _, row := range v.Rows[1:] {
		if want := len(v.Rows[0]); len(row) != want {
			p.errorAt(Spanned(row[0].Span().Cover(row[len(row)-1].Span())), "",
				"this row of VALUES has %d values, expected %d as in the first row", len(row), want)
		}
	}
	return v
}

func (p *parser) with() *With {
	start := p.start()
	p.expect("with")
	w := &With{Recursive: p.accept("recursive")}
	w.CTEs = list(p, p.cte)
	w.At = p.from(start)
	return w
}

func (p *parser) cte() *CTE {
	start := p.start()
	c := &CTE{Name: p.ident("a name for the query")}
	if p.is("(") {
		c.Columns = p.idents("a column name")
	}
	p.expect("as")
	switch {
	case p.accept("not", "materialized"):
		c.Materialization = MaterializeNever
	case p.accept("materialized"):
		c.Materialization = MaterializeAlways
	}
	from := p.start()
	if p.is("(") && p.isDML(1) {
		p.skip(1)
		c.Stmt = p.statement()
		p.expect(")")
	} else {
		c.Stmt = &QueryStmt{Query: p.parenQuery(), At: p.from(from)}
	}
	if p.isAny("search", "cycle") {
		p.notSupported(tokenAt(p.tok()), "%s in WITH", strings.ToUpper(p.tok().text))
	}
	c.At = p.from(start)
	return c
}

// isDML reports whether the token n places ahead begins INSERT, UPDATE or DELETE.
func (p *parser) isDML(n int) bool {
	t := p.peek(n)
	return t.is("insert") || t.is("update") || t.is("delete") || t.is("merge")
}

// queryClauses reads ORDER BY, LIMIT, OFFSET, FETCH, AS OF EPOCH and EMIT.
func (p *parser) queryClauses(q *Query) {
	if p.is("order", "by") {
		q.OrderBy = p.orderBy()
	}
	limited := false
	for p.err == nil {
		at := tokenAt(p.tok())
		switch {
		case p.isAny("limit", "fetch") && limited, p.is("offset") && q.Offset != nil:
			p.errorAt(at, "", "%s is written twice", strings.ToUpper(p.tok().text))
		case p.accept("limit"):
			limited = true
			if p.accept("all") {
				continue
			}
			q.Limit = p.expr()
			if p.is(",") {
				p.unexpectedHint("the end of LIMIT", "write LIMIT count OFFSET start")
			}
		case p.accept("offset"):
			q.Offset = p.expr()
			if !p.accept("row") {
				p.accept("rows")
			}
		case p.accept("fetch"):
			limited = true
			p.fetchFirst(q)
		case p.is("for"):
			p.notSupported(at, "FOR %s: rows are never locked", strings.ToUpper(p.peek(1).text))
		case p.isAsOfEpoch():
			if q.AsOf != nil {
				p.errorAt(at, "", "AS OF EPOCH is written twice")
			}
			p.skip(3)
			q.AsOf = p.expr()
		case p.isEmit():
			if q.Emit != nil {
				p.errorAt(at, "", "EMIT is written twice")
			}
			q.Emit = p.emit()
		case p.is("window") && p.peek(2).is("as"), p.is("where"), p.is("having"), p.is("group", "by"), p.is("order", "by"):
			p.clauseOrder()
			return
		default:
			return
		}
	}
}

// clauseOrder fails because a clause of SELECT stands behind one that it must precede.
func (p *parser) clauseOrder() {
	word := strings.ToUpper(p.tok().text)
	p.errorAt(tokenAt(p.tok()), "the order is FROM, WHERE, GROUP BY, HAVING, WINDOW, UNION, ORDER BY, LIMIT, OFFSET, EMIT",
		"%s stands in the wrong place", word)
}

func (p *parser) fetchFirst(q *Query) {
	if !p.accept("first") && !p.accept("next") {
		p.unexpected("FIRST or NEXT after FETCH")
	}
	at := p.from(p.start())
	if p.isAny("row", "rows") {
		q.Limit = &NumberLit{At: at, Text: "1"}
	} else {
		start := p.start()
		q.Limit = p.infix(p.prefix(), start, precOp)
	}
	if !p.accept("row") && !p.accept("rows") {
		p.unexpected("ROWS")
	}
	if p.accept("with", "ties") {
		q.WithTies = true
	} else {
		p.expect("only")
	}
}

func (p *parser) isAsOfEpoch() bool { return p.is("as", "of", "epoch") }

// isEmit reports whether EMIT begins an emission clause here, rather than being a name.
func (p *parser) isEmit() bool {
	if !p.is("emit") {
		return false
	}
	n := p.peek(1)
	return n.is("changes") || n.is("every") || n.is("final") || n.is("after") || n.is("on") && p.peek(2).is("window")
}

func (p *parser) emit() *Emit {
	start := p.start()
	p.expect("emit")
	e := &Emit{}
	switch {
	case p.accept("changes"):
		e.Mode = EmitChanges
	case p.accept("on", "window", "close"):
		e.Mode = EmitOnWindowClose
	case p.accept("every"):
		e.Mode = EmitEvery
		e.Every = p.expr()
	case p.isAny("final", "after"):
		p.unexpectedHint("CHANGES, ON WINDOW CLOSE or EVERY", "for final results write EMIT ON WINDOW CLOSE")
	default:
		p.unexpected("CHANGES, ON WINDOW CLOSE or EVERY")
	}
	e.At = p.from(start)
	return e
}

func (p *parser) orderBy() []OrderItem {
	p.expect("order", "by")
	return list(p, p.orderItem)
}

func (p *parser) orderItem() OrderItem {
	start := p.start()
	o := OrderItem{X: p.expr()}
	switch {
	case p.accept("desc"):
		o.Desc = true
	case p.accept("using"):
		switch {
		case p.accept(">"):
			o.Desc = true
		case p.accept("<"):
		default:
			p.notSupported(tokenAt(p.tok()), "ORDER BY USING with an operator other than < and >")
		}
	default:
		p.accept("asc")
	}
	switch {
	case p.accept("nulls", "first"):
		o.Nulls = NullsFirst
	case p.accept("nulls", "last"):
		o.Nulls = NullsLast
	}
	o.At = p.from(start)
	return o
}

func (p *parser) selectBody() QueryBody {
	start := p.start()
	p.expect("select")
	s := &Select{}
	switch {
	case p.accept("distinct", "on"):
		s.DistinctOn = parenList(p, p.expr)
	case p.accept("distinct"):
		s.Distinct = true
	default:
		p.accept("all")
	}
	if !p.is("from") || p.peek(1).kind == tokEOF || s.Distinct || s.DistinctOn != nil {
		s.Items = p.selectItems()
	}
	if p.is("into") {
		p.notSupported(tokenAt(p.tok()), "SELECT INTO (write CREATE TABLE t AS SELECT ...)")
	}
	if p.accept("from") {
		s.From = p.fromList()
	}
	if p.accept("where") {
		s.Where = p.expr()
	}
	if p.accept("group", "by") {
		s.GroupDistinct = p.accept("distinct")
		if !s.GroupDistinct {
			p.accept("all")
		}
		s.GroupBy = list(p, p.groupItem)
	}
	if p.accept("having") {
		s.Having = p.expr()
	}
	if p.is("window") && p.peek(2).is("as") {
		p.skip(1)
		s.Windows = list(p, p.namedWindow)
	}
	if p.is("qualify") {
		p.notSupported(tokenAt(p.tok()), "QUALIFY (filter in an outer SELECT)")
	}
	s.At = p.from(start)
	if p.isAny("where", "having") || p.is("group", "by") || p.is("from") {
		p.misplaced(s)
	}
	return s
}

// misplaced fails because a clause follows one that it must precede, or is written twice.
func (p *parser) misplaced(s *Select) {
	t := p.tok()
	word := strings.ToUpper(t.text)
	twice := t.is("where") && s.Where != nil || t.is("having") && s.Having != nil || t.is("group") && s.GroupBy != nil ||
		t.is("from") && s.From != nil
	if !twice {
		p.clauseOrder()
		return
	}
	hint := ""
	if t.is("where") {
		hint = "combine the conditions with AND"
	}
	p.errorAt(tokenAt(t), hint, "%s is written twice", word)
}

func (p *parser) namedWindow() NamedWindow {
	start := p.start()
	w := NamedWindow{Name: p.ident("a window name")}
	p.expect("as")
	w.Spec = p.windowSpec()
	w.At = p.from(start)
	return w
}

func (p *parser) selectItems() []SelectItem {
	return list(p, p.selectItem)
}

func (p *parser) selectItem() SelectItem {
	start := p.start()
	if p.accept("*") {
		at := p.from(start)
		if p.isAny("exclude", "replace", "rename") && p.peek(1).is("(") {
			p.notSupported(tokenAt(p.tok()), "* %s (...)", strings.ToUpper(p.tok().text))
		}
		return SelectItem{At: at, X: &Star{At: at}}
	}
	item := SelectItem{X: p.expr()}
	switch t := p.tok(); {
	case p.isAsOfEpoch() || p.isEmit():
	case p.accept("as"):
		if p.tok().kind == tokString {
			p.unexpectedHint("a name after AS", "write names in double quotes; single quotes make a string")
		}
		item.Alias = p.label("a name after AS")
	case t.kind == tokWord && (t.quoted || !needAS[t.text] && t.text != "from"):
		item.Alias = p.label("a name")
	}
	item.At = p.from(start)
	return item
}

func (p *parser) groupItem() GroupItem {
	p.enter()
	defer p.leave()
	start := p.start()
	g := GroupItem{}
	switch {
	case p.is("rollup") && p.peek(1).is("("):
		p.skip(1)
		g.Kind, g.Items = Rollup, parenList(p, p.groupSet)
	case p.is("cube") && p.peek(1).is("("):
		p.skip(1)
		g.Kind, g.Items = Cube, parenList(p, p.groupSet)
	case p.is("grouping", "sets") && p.peek(2).is("("):
		p.skip(2)
		g.Kind, g.Items = GroupSets, parenList(p, p.groupItem)
	default:
		return p.groupSet()
	}
	g.At = p.from(start)
	return g
}

// groupSet reads one expression, (a, b) or ().
func (p *parser) groupSet() GroupItem {
	start := p.start()
	g := GroupItem{}
	if p.accept("(", ")") {
		g.At = p.from(start)
		return g
	}
	paren := p.is("(")
	x := p.expr()
	if row, ok := x.(*RowExpr); ok && paren && p.err == nil && row.Place.Start == start && len(row.Elems) > 1 {
		g.Exprs = row.Elems
	} else {
		g.Exprs = []Expr{x}
	}
	g.At = p.from(start)
	return g
}

func (p *parser) fromList() []TableExpr {
	return list(p, p.tableExpr)
}

// tableExpr reads one item of FROM with its joins.
func (p *parser) tableExpr() TableExpr {
	p.enter()
	defer p.leave()
	start := p.start()
	return p.joins(p.tableFactor(), start, false)
}

// joinWord reports whether a join begins at the next token.
func (p *parser) joinWord() bool {
	return p.isAny("join", "inner", "left", "right", "full", "cross", "natural") || p.isAsOfJoin()
}

func (p *parser) isAsOfJoin() bool {
	n := p.peek(1)
	return p.is("asof") && (n.is("join") || n.is("left") || n.is("inner"))
}

// joins reads the joins behind left; with one, only the next of them.
func (p *parser) joins(left TableExpr, start int, one bool) TableExpr {
	for n := 1; p.err == nil && p.joinWord(); n++ {
		p.link(n)
		j := &Join{Kind: InnerJoin, L: left}
		j.AsOf = p.accept("asof")
		j.Natural = p.accept("natural")
		switch {
		case p.accept("left"):
			j.Kind = LeftJoin
			p.accept("outer")
		case p.accept("right"):
			j.Kind = RightJoin
			p.accept("outer")
		case p.accept("full"):
			j.Kind = FullJoin
			p.accept("outer")
		case p.accept("cross"):
			j.Kind = CrossJoin
		default:
			p.accept("inner")
		}
		if p.isAny("semi", "anti") {
			p.notSupported(tokenAt(p.tok()), "%s JOIN (write WHERE [NOT] EXISTS)", strings.ToUpper(p.tok().text))
		}
		p.expect("join")
		rightStart := p.start()
		j.R = p.tableFactor()
		if j.Kind != CrossJoin && !j.Natural {
			for p.err == nil && p.joinWord() {
				p.enter()
				j.R = p.joins(j.R, rightStart, true)
				p.leave()
			}
			p.joinCondition(j)
		}
		j.At = p.from(start)
		left = j
		if one {
			break
		}
	}
	return left
}

func (p *parser) joinCondition(j *Join) {
	switch {
	case p.accept("on"):
		j.On = p.expr()
	case p.accept("using"):
		j.Using = p.idents("a column name")
		if p.accept("as") {
			j.UsingAlias = p.ident("an alias")
		}
	default:
		p.unexpectedHint("ON or USING after the joined table", p.missingJoinHint())
	}
}

func (p *parser) missingJoinHint() string {
	if p.tok().kind == tokEOF || p.tok().class() == wordReserved {
		return "for all combinations of rows write CROSS JOIN"
	}
	return ""
}

// tableFactor reads one item of FROM without joins, with its alias.
func (p *parser) tableFactor() TableExpr {
	p.enter()
	defer p.leave()
	start := p.start()
	lateral := p.accept("lateral")
	switch {
	case p.is("("):
		return p.tableParen(start, lateral)
	case p.is("rows", "from") && p.peek(2).is("("):
		p.notSupported(tokenAt(p.tok()), "ROWS FROM")
		return &TableName{}
	case p.is("table") && p.peek(1).is("("):
		p.skip(2)
		from := p.start()
		name := p.functionName()
		t := p.tableFunc(name, from, lateral, func() { p.expect(")") })
		t.Place.Start = start
		return t
	case p.tok().kind == tokString:
		p.unexpectedHint("a table", "to read a file, declare it with CREATE SOURCE ... WITH (connector = 'file', path = "+p.src[p.tok().start:p.tok().end]+")")
		return &TableName{}
	case p.isAny("values", "select"):
		p.unexpectedHint("a table", "put the query in parentheses")
		return &TableName{}
	}
	only := p.accept("only")
	if only && p.accept("(") {
		t := &TableName{Name: p.name("a table")}
		p.expect(")")
		p.tableClauses(t, start)
		return t
	}
	if n := p.callAhead(); n && !only {
		name := p.functionName()
		return p.tableFunc(name, start, lateral, nil)
	}
	if lateral {
		p.unexpected("a query in parentheses or a function after LATERAL")
		return &TableName{}
	}
	t := &TableName{Name: p.name("a table")}
	p.accept("*")
	p.tableClauses(t, start)
	return t
}

// callAhead reports whether a name and then an opening parenthesis come next.
func (p *parser) callAhead() bool {
	n := 0
	for p.peek(n).kind == tokWord {
		if p.peek(n + 1).is("(") {
			return n > 0 || isFunctionName(p.tok().class()) || p.isAny("coalesce", "grouping")
		}
		if !p.peek(n + 1).is(".") {
			return false
		}
		n += 2
	}
	return false
}

func (p *parser) functionName() *Name {
	start := p.start()
	n := &Name{Parts: []Ident{p.word("a function", isFunctionName)}}
	for p.accept(".") {
		n.Parts = append(n.Parts, p.label("a name after the dot"))
	}
	n.At = p.from(start)
	return n
}

func (p *parser) tableFunc(name *Name, start int, lateral bool, closing func()) *TableFunc {
	t := &TableFunc{Lateral: lateral}
	if f, ok := p.call(name).(*FuncCall); ok {
		t.Call = f
	}
	if closing != nil {
		closing()
	}
	t.Ordinality = p.accept("with", "ordinality")
	if p.is("as", "(") || p.accept("as") || p.aliasAhead() {
		p.funcAlias(t)
	}
	t.At = p.from(start)
	return t
}

// funcAlias reads the alias of a table function: name, name (columns) or [name] (columns with types).
func (p *parser) funcAlias(t *TableFunc) {
	start := p.start()
	p.accept("as")
	if !p.is("(") {
		t.Alias.Name = p.ident("an alias")
	}
	if p.is("(") {
		if n := p.peek(2); !t.Alias.Name.IsZero() && (n.is(",") || n.is(")")) {
			t.Alias.Columns = p.idents("a column name")
		} else {
			t.ColumnDefs = parenList(p, func() *ColumnDef {
				from := p.start()
				c := &ColumnDef{Name: p.ident("a column name")}
				c.Type = p.typeName()
				c.At = p.from(from)
				return c
			})
		}
	}
	t.Alias.At = p.from(start)
}

// tableClauses reads what may follow a table's name: FOR SYSTEM_TIME AS OF, an alias.
func (p *parser) tableClauses(t *TableName, start int) {
	p.systemTime(t)
	t.Alias = p.alias()
	if t.AsOf == nil {
		p.systemTime(t)
	}
	switch {
	case p.is("tablesample"):
		p.notSupported(tokenAt(p.tok()), "TABLESAMPLE")
	case p.is("match_recognize") || t.Alias.Name.Name == "match_recognize" && p.is("("):
		p.notSupported(tokenAt(p.tok()), "MATCH_RECOGNIZE")
	}
	t.At = p.from(start)
}

func (p *parser) systemTime(t *TableName) {
	if p.accept("for", "system_time", "as", "of") {
		t.AsOf = p.exprAbove(precNone)
	}
}

// aliasAhead reports whether the next word is an alias without AS.
func (p *parser) aliasAhead() bool {
	t := p.tok()
	if t.kind != tokWord || !isName(t.class()) || p.isEmit() || p.isAsOfJoin() {
		return false
	}
	return t.quoted || !(t.text == "match_recognize" && p.peek(1).is("(") || t.text == "qualify" && p.peek(1).kind == tokWord ||
		t.text == "window" || t.text == "set" && p.peek(2).is("=") || t.text == "semi" && p.peek(1).is("join") ||
		t.text == "anti" && p.peek(1).is("join"))
}

// alias reads [AS] name [(columns)], if it is there.
func (p *parser) alias() Alias {
	start := p.start()
	if p.isAsOfEpoch() || !p.accept("as") && !p.aliasAhead() {
		return Alias{}
	}
	a := Alias{Name: p.ident("an alias")}
	if p.is("(") && a.Name.Name != "match_recognize" {
		a.Columns = p.idents("a column name")
	}
	a.At = p.from(start)
	return a
}

// tableParen reads (query) alias, or a join in parentheses.
func (p *parser) tableParen(start int, lateral bool) TableExpr {
	q, t := p.tableParenItem()
	if q != nil {
		d := &DerivedTable{Lateral: lateral, Query: q, Alias: p.alias()}
		d.At = p.from(start)
		return d
	}
	if lateral && p.err == nil {
		p.fail(&types.Error{Code: types.CodeSyntax, Msg: "LATERAL needs a query or a function, found a join", Span: t.Span()})
	}
	if j, ok := t.(*Join); ok {
		if a := p.alias(); !a.IsZero() {
			if !j.Alias.IsZero() {
				p.errorAt(a.At, "", "the join has two aliases")
			}
			j.Alias = a
			j.At = p.from(start)
		}
	}
	return t
}

// tableParenItem reads the parentheses in FROM: a query, or a table with its joins.
func (p *parser) tableParenItem() (*Query, TableExpr) {
	p.enter()
	defer p.leave()
	p.expect("(")
	if p.beginsQuery(0) && !(p.is("table") && p.peek(1).is("(")) {
		q := p.query()
		p.expect(")")
		return q, nil
	}
	if !p.is("(") {
		t := p.tableExpr()
		p.expect(")")
		return nil, t
	}
	start := p.start()
	q, t := p.tableParenItem()
	switch {
	case q != nil && p.accept(")"):
		return q, nil
	case q != nil && p.continuesQuery():
		q = p.queryAfter(q, start)
		p.expect(")")
		return q, nil
	case q != nil:
		d := &DerivedTable{Query: q, Alias: p.alias()}
		d.At = p.from(start)
		t = d
	default:
		if j, ok := t.(*Join); ok && j.Alias.IsZero() {
			j.Alias = p.alias()
		}
	}
	t = p.joins(t, start, false)
	p.expect(")")
	return nil, t
}
