package sql

import (
	"strconv"
	"strings"
)

// statement reads one statement of any kind.
func (p *parser) statement() Statement {
	p.enter()
	defer p.leave()
	start := p.start()
	t := p.tok()
	if t.is("(") {
		return &QueryStmt{Query: p.query(), At: p.from(start)}
	}
	if t.kind != tokWord || t.quoted {
		p.unexpected("a statement")
		return &Flush{}
	}
	switch t.text {
	case "select", "values", "table":
		return &QueryStmt{Query: p.query(), At: p.from(start)}
	case "with":
		return p.withStatement()
	case "create":
		return p.create()
	case "drop":
		return p.drop()
	case "alter":
		return p.alter()
	case "insert":
		return p.insert(nil, start)
	case "update":
		return p.update(nil, start)
	case "delete":
		return p.delete(nil, start)
	case "truncate":
		return p.truncate()
	case "copy":
		return p.copy()
	case "explain":
		return p.explain()
	case "show":
		return p.show()
	case "describe", "desc":
		return p.describeStmt()
	case "set", "reset":
		return p.setOrReset()
	case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
		return p.transaction()
	case "flush":
		p.skip(1)
		return &Flush{At: p.from(start)}
	case "prepare", "execute", "deallocate":
		return p.prepared()
	case "declare", "fetch", "move", "close":
		return p.cursor()
	case "subscribe":
		return p.subscribe()
	case "use":
		p.skip(1)
		return &Use{Name: p.name("a schema"), At: p.from(start)}
	case "discard":
		return p.discard()
	case "merge", "grant", "revoke", "comment", "vacuum", "analyze", "lock", "call", "do", "listen", "notify", "unlisten",
		"refresh", "reindex", "cluster", "checkpoint", "load", "security", "import", "reassign", "cancel", "kill", "attach",
		"detach", "pragma", "optimize":
		p.notSupported(tokenAt(t), "%s", strings.ToUpper(t.text))
		return &Flush{}
	}
	p.unexpectedHint("a statement", statementHint(t))
	return &Flush{}
}

// statementHint guesses what the first word of an unknown statement was meant to be.
func statementHint(t *token) string {
	best, dist := "", 3
	for _, w := range strings.Fields(`select insert update delete create drop alter show describe explain set reset begin
		commit rollback with values truncate copy subscribe prepare execute flush`) {
		if d := editDistance(t.text, w, dist); d < dist && d < len(w)/2 {
			best, dist = w, d
		}
	}
	if best != "" {
		return "did you mean " + strings.ToUpper(best) + "?"
	}
	switch t.text {
	case "from":
		return "begin with SELECT: SELECT * FROM ..."
	case "quit", "exit", "help":
		return `in the shell write \` + t.text[:1]
	}
	return ""
}

func (p *parser) withStatement() Statement {
	start := p.start()
	// WITH is read twice if a query follows: once to look behind it.
	n, depth := 1, 0
	for ; p.peek(n).kind != tokEOF; n++ {
		t := p.peek(n)
		switch {
		case t.is("("):
			depth++
			continue
		case t.is(")"):
			depth--
			continue
		}
		if depth == 0 && (p.isDML(n) || p.beginsQuery(n) || t.is("values")) {
			break
		}
	}
	if !p.isDML(n) {
		return &QueryStmt{Query: p.query(), At: p.from(start)}
	}
	w := p.with()
	switch {
	case p.is("insert"):
		return p.insert(w, start)
	case p.is("update"):
		return p.update(w, start)
	case p.is("delete"):
		return p.delete(w, start)
	case p.is("merge"):
		p.notSupported(tokenAt(p.tok()), "MERGE")
	default:
		p.unexpected("SELECT, INSERT, UPDATE or DELETE")
	}
	return &Flush{}
}

func (p *parser) insert(w *With, start int) Statement {
	s := &Insert{With: w}
	p.expect("insert")
	if p.is("overwrite") {
		p.notSupported(tokenAt(p.tok()), "INSERT OVERWRITE")
	}
	p.expect("into")
	from := p.start()
	p.accept("table")
	s.Table = &TableName{Name: p.name("a table")}
	if p.accept("as") {
		s.Table.Alias = Alias{Name: p.ident("an alias")}
		s.Table.Alias.At = s.Table.Alias.Name.At
	}
	s.Table.At = p.from(from)
	if p.is("(") && !p.startsQueryInside() {
		s.Columns = p.idents("a column name")
	}
	if p.accept("overriding") {
		p.notSupported(tokenAt(p.tok()), "OVERRIDING")
	}
	if p.is("default", "values") {
		p.skip(2)
	} else {
		if !p.is("(") && !p.beginsQuery(0) {
			p.unexpected("VALUES, SELECT or a list of columns")
		}
		s.Query = p.query()
	}
	if p.is("on", "conflict") {
		s.OnConflict = p.onConflict()
	}
	s.Returning = p.returning()
	s.At = p.from(start)
	return s
}

// startsQueryInside reports whether the parenthesis that is next holds a query.
func (p *parser) startsQueryInside() bool { return p.is("(") && p.startsQuery() }

func (p *parser) onConflict() *OnConflict {
	start := p.start()
	p.expect("on", "conflict")
	c := &OnConflict{}
	if p.is("(") {
		c.Target = parenList(p, p.expr)
		if p.accept("where") {
			c.TargetWhere = p.expr()
		}
	} else if p.accept("on", "constraint") {
		c.Constraint = p.ident("a constraint")
	}
	p.expect("do")
	switch {
	case p.accept("nothing"):
	case p.accept("update"):
		p.expect("set")
		c.Set = list(p, p.assignment)
		if p.accept("where") {
			c.Where = p.expr()
		}
	default:
		p.unexpected("NOTHING or UPDATE")
	}
	c.At = p.from(start)
	return c
}

func (p *parser) returning() []SelectItem {
	if !p.accept("returning") {
		return nil
	}
	return p.selectItems()
}

func (p *parser) assignment() Assignment {
	start := p.start()
	a := Assignment{}
	if p.is("(") {
		a.Multi = true
		a.Columns = p.idents("a column name")
	} else {
		a.Columns = []Ident{p.ident("a column name")}
		if p.is(".") || p.is("[") {
			p.notSupported(tokenAt(p.tok()), "assignment to a field or an element of a column")
		}
	}
	if p.is("==") {
		p.unexpectedHint(`"="`, `write "=" to assign`)
	}
	p.expect("=")
	a.Value = p.expr()
	a.At = p.from(start)
	return a
}

// targetTable reads the table of UPDATE and DELETE with its alias.
func (p *parser) targetTable() *TableName {
	start := p.start()
	p.accept("only")
	t := &TableName{Name: p.name("a table")}
	if p.accept("as") || p.aliasAhead() && !p.is("set") {
		at := tokenAt(p.tok())
		t.Alias = Alias{At: at, Name: p.ident("an alias")}
	}
	t.At = p.from(start)
	return t
}

func (p *parser) update(w *With, start int) Statement {
	s := &Update{With: w}
	p.expect("update")
	s.Table = p.targetTable()
	p.expect("set")
	s.Set = list(p, p.assignment)
	if p.accept("from") {
		s.From = p.fromList()
	}
	s.Where = p.dmlWhere()
	s.Returning = p.returning()
	s.At = p.from(start)
	return s
}

func (p *parser) delete(w *With, start int) Statement {
	s := &Delete{With: w}
	p.expect("delete", "from")
	s.Table = p.targetTable()
	if p.accept("using") {
		s.Using = p.fromList()
	}
	s.Where = p.dmlWhere()
	s.Returning = p.returning()
	s.At = p.from(start)
	return s
}

func (p *parser) dmlWhere() Expr {
	if !p.accept("where") {
		return nil
	}
	if p.is("current", "of") {
		p.notSupported(tokenAt(p.tok()), "WHERE CURRENT OF")
	}
	return p.expr()
}

func (p *parser) truncate() Statement {
	start := p.start()
	p.expect("truncate")
	p.accept("table")
	p.accept("only")
	s := &Truncate{Tables: p.names("a table")}
	if p.accept("restart", "identity") {
		s.RestartIdentity = true
	} else {
		p.accept("continue", "identity")
	}
	if p.accept("cascade") {
		s.Cascade = true
	} else {
		p.accept("restrict")
	}
	s.At = p.from(start)
	return s
}

func (p *parser) copy() Statement {
	start := p.start()
	p.expect("copy")
	s := &Copy{}
	if p.is("(") {
		s.Query = p.parenQuery()
		if p.is("from") {
			p.unexpectedHint("TO", "a query can only be copied out")
		}
	} else {
		s.Table = p.name("a table or a query in parentheses")
		if p.is("(") {
			s.Columns = p.idents("a column name")
		}
	}
	switch {
	case p.accept("from"):
		s.From = true
	case p.accept("to"):
	default:
		p.unexpected("FROM or TO")
	}
	switch {
	case p.is("program"):
		p.notSupported(tokenAt(p.tok()), "COPY with PROGRAM")
	case s.From && p.accept("stdin"), !s.From && p.accept("stdout"):
		s.Stdio = true
	case s.From:
		s.Path = p.string("STDIN or a file name in single quotes")
	default:
		s.Path = p.string("STDOUT or a file name in single quotes")
	}
	with := p.accept("with")
	if with || p.is("(") {
		if p.is("(") {
			s.Options = p.looseOptions()
		} else {
			s.Options = p.bareCopyOptions()
		}
	} else {
		s.Options = p.bareCopyOptions()
	}
	if p.is("where") && s.From {
		p.skip(1)
		s.Where = p.expr()
	}
	s.At = p.from(start)
	return s
}

// bareCopyOptions reads the old form of COPY's options: CSV HEADER DELIMITER ','.
func (p *parser) bareCopyOptions() []*Option {
	var options []*Option
	for p.tok().kind == tokWord && !p.is("where") {
		t := p.advance()
		o := &Option{Key: t.text, KeySpan: tokenAt(t).Place}
		switch t.text {
		case "csv", "binary", "text":
			o.Key, o.Value = "format", &StringLit{At: tokenAt(t), Value: t.text}
		case "header", "freeze":
		case "delimiter", "null", "quote", "escape", "encoding":
			p.accept("as")
			at := tokenAt(p.tok())
			o.Value = &StringLit{At: at, Value: p.string("a string")}
		default:
			p.back(1)
			p.unexpectedHint("an option of COPY", "write the options as WITH (format csv, header true)")
		}
		o.At = p.from(t.start)
		options = append(options, o)
	}
	return options
}

func (p *parser) explain() Statement {
	start := p.start()
	p.expect("explain")
	s := &Explain{}
	if p.is("(") && !p.startsQuery() {
		for _, o := range p.looseOptions() {
			p.explainOption(s, o)
		}
	}
	for p.err == nil {
		switch {
		case p.accept("analyze"), p.accept("analyse"):
			s.Analyze = true
		case p.accept("verbose"):
			s.Verbose = true
		case s.Mode == "" && p.isAny("logical", "physical", "state"):
			s.Mode = ExplainMode(strings.ToUpper(p.advance().text))
		case s.Mode != "" && p.accept("plan"), p.accept("plan", "for"):
			p.accept("for")
		default:
			s.Stmt = p.statement()
			s.At = p.from(start)
			return s
		}
	}
	return s
}

func (p *parser) explainOption(s *Explain, o *Option) {
	on := o.Value == nil || o.Text() == "true" || strings.EqualFold(o.Text(), "on") || o.Text() == "1"
	switch o.Key {
	case "analyze", "analyse":
		s.Analyze = on
	case "verbose":
		s.Verbose = on
	case "logical", "physical", "state":
		if on {
			s.Mode = ExplainMode(strings.ToUpper(o.Key))
		}
	default:
		s.Options = append(s.Options, o)
	}
}

// transaction reads BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT and RELEASE.
func (p *parser) transaction() Statement {
	start := p.start()
	word := p.advance().text
	block := func() {
		if !p.accept("work") {
			p.accept("transaction")
		}
	}
	switch word {
	case "begin", "start":
		if word == "start" {
			p.expect("transaction")
		} else {
			block()
		}
		return &Begin{Start: word == "start", Modes: p.txModes(), At: p.from(start)}
	case "commit", "end":
		if p.is("prepared") {
			p.notSupported(tokenAt(p.tok()), "COMMIT PREPARED")
		}
		block()
		p.accept("and", "no", "chain")
		return &Commit{At: p.from(start)}
	case "savepoint":
		return &Savepoint{Name: p.ident("a savepoint"), At: p.from(start)}
	case "release":
		p.accept("savepoint")
		return &Release{Name: p.ident("a savepoint"), At: p.from(start)}
	}
	if p.is("prepared") {
		p.notSupported(tokenAt(p.tok()), "ROLLBACK PREPARED")
	}
	block()
	s := &Rollback{}
	if p.accept("to") {
		p.accept("savepoint")
		s.To = p.ident("a savepoint")
	} else {
		p.accept("and", "no", "chain")
	}
	s.At = p.from(start)
	return s
}

func (p *parser) txModes() TxModes {
	var m TxModes
	for p.err == nil {
		switch {
		case p.accept("isolation", "level"):
			switch {
			case p.accept("serializable"):
				m.Isolation = "SERIALIZABLE"
			case p.accept("repeatable", "read"):
				m.Isolation = "REPEATABLE READ"
			case p.accept("read", "committed"):
				m.Isolation = "READ COMMITTED"
			case p.accept("read", "uncommitted"):
				m.Isolation = "READ UNCOMMITTED"
			default:
				p.unexpected("SERIALIZABLE, REPEATABLE READ, READ COMMITTED or READ UNCOMMITTED")
			}
		case p.accept("read", "only"):
			m.Access = "READ ONLY"
		case p.accept("read", "write"):
			m.Access = "READ WRITE"
		case p.accept("deferrable"):
			m.Deferrable = "DEFERRABLE"
		case p.accept("not", "deferrable"):
			m.Deferrable = "NOT DEFERRABLE"
		default:
			return m
		}
		p.accept(",")
	}
	return m
}

// prepared reads PREPARE, EXECUTE and DEALLOCATE.
func (p *parser) prepared() Statement {
	start := p.start()
	switch p.advance().text {
	case "prepare":
		s := &Prepare{Name: p.ident("a name for the statement")}
		if p.is("(") {
			s.Types = parenList(p, p.typeName)
		}
		p.expect("as")
		s.Stmt = p.statement()
		s.At = p.from(start)
		return s
	case "execute":
		s := &Execute{Name: p.ident("a prepared statement")}
		if p.is("(") && p.peek(1).is(")") {
			p.skip(2)
		} else if p.is("(") {
			s.Args = parenList(p, p.expr)
		}
		s.At = p.from(start)
		return s
	}
	p.accept("prepare")
	s := &Deallocate{}
	if !p.accept("all") {
		s.Name = p.ident("a prepared statement or ALL")
	}
	s.At = p.from(start)
	return s
}

// cursor reads DECLARE, FETCH, MOVE and CLOSE.
func (p *parser) cursor() Statement {
	start := p.start()
	switch p.tok().text {
	case "declare":
		p.skip(1)
		s := &Declare{Name: p.ident("a cursor")}
		for p.err == nil && !p.is("cursor") {
			switch {
			case p.accept("binary"):
				s.Binary = true
			case p.accept("no", "scroll"):
				s.NoScroll = true
			case p.accept("scroll"):
				s.Scroll = true
			case p.accept("insensitive"), p.accept("asensitive"):
			default:
				p.unexpected("CURSOR")
			}
		}
		p.expect("cursor")
		if p.accept("with", "hold") {
			s.Hold = true
		} else {
			p.accept("without", "hold")
		}
		p.expect("for")
		if p.is("subscribe") {
			s.Stmt = p.subscribe()
		} else {
			from := p.start()
			s.Stmt = &QueryStmt{Query: p.query(), At: p.from(from)}
		}
		s.At = p.from(start)
		return s
	case "close":
		p.skip(1)
		s := &Close{}
		if !p.accept("all") {
			s.Cursor = p.ident("a cursor or ALL")
		}
		s.At = p.from(start)
		return s
	}
	return p.fetch()
}

func (p *parser) fetch() Statement {
	start := p.start()
	s := &Fetch{Move: p.advance().text == "move", Direction: FetchForward, Count: 1}
	count := func() {
		switch {
		case p.accept("all"):
			s.All, s.Count = true, 0
		case p.tok().kind == tokNumber || p.isAny("-", "+"):
			s.Count = p.signed()
		}
	}
	named := p.peek(1).is("from") || p.peek(1).is("in")
	switch {
	case p.accept("next"):
	case p.accept("prior"):
		s.Direction = FetchBackward
	case p.is("first") && named:
		p.skip(1)
		s.Direction, s.Count = FetchFirst, 0
	case p.is("last") && named:
		p.skip(1)
		s.Direction, s.Count = FetchLast, 0
	case p.accept("absolute"):
		s.Direction, s.Count = FetchAbsolute, p.signed()
	case p.accept("relative"):
		s.Direction, s.Count = FetchRelative, p.signed()
	case p.accept("forward"):
		count()
	case p.accept("backward"):
		s.Direction = FetchBackward
		count()
	default:
		count()
	}
	if !p.accept("from") {
		p.accept("in")
	}
	s.Cursor = p.ident("a cursor")
	s.At = p.from(start)
	return s
}

func (p *parser) signed() int64 {
	sign := ""
	if p.accept("-") {
		sign = "-"
	} else {
		p.accept("+")
	}
	t := p.tok()
	n, err := strconv.ParseInt(sign+t.text, 10, 64)
	if t.kind != tokNumber || err != nil {
		p.unexpected("a whole number")
		return 0
	}
	p.skip(1)
	return n
}

func (p *parser) subscribe() Statement {
	start := p.start()
	p.expect("subscribe")
	p.accept("to")
	s := &Subscribe{}
	switch {
	case p.is("("):
		s.Query = p.parenQuery()
	case p.beginsQuery(0):
		s.Query = p.query()
	default:
		s.Name = p.name("a view, table, source or query")
	}
	for p.err == nil {
		if p.is("with") && s.Options == nil {
			p.skip(1)
			s.Options = p.looseOptions()
			continue
		}
		if p.isAsOfEpoch() && s.AsOf == nil {
			p.skip(3)
			s.AsOf = p.expr()
			continue
		}
		break
	}
	s.At = p.from(start)
	return s
}

func (p *parser) discard() Statement {
	start := p.start()
	p.expect("discard")
	s := &Discard{}
	switch {
	case p.isAny("all", "plans", "sequences", "temp"):
		s.What = strings.ToUpper(p.advance().text)
	case p.accept("temporary"):
		s.What = "TEMP"
	default:
		p.unexpected("ALL, PLANS, SEQUENCES or TEMP")
	}
	s.At = p.from(start)
	return s
}
