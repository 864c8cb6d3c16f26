package sql

import "strings"

// showKinds are the plural words of SHOW, with the longest first where one begins another.
var showKinds = []string{"materialized views", "sources", "tables", "views", "sinks", "indexes", "schemas", "functions",
	"types", "jobs", "watermarks", "versions", "savepoints", "connectors", "formats", "parameters", "cursors", "rejected",
	"state", "epochs"}

func (p *parser) show() Statement {
	start := p.start()
	p.expect("show")
	s := &Show{}
	switch {
	case p.accept("create"):
		s.What = "create"
		s.Kind = p.objectKind(false)
		s.Name = p.name("the name of an object")
	case p.is("columns") && (p.peek(1).is("from") || p.peek(1).is("in")):
		p.skip(2)
		s.What, s.Name = "columns", p.name("a table, view or source")
	case p.accept("all"):
		s.What = "all"
	case p.accept("time", "zone"):
		s.What, s.Parameter = "parameter", "timezone"
	case p.accept("transaction", "isolation", "level"):
		s.What, s.Parameter = "parameter", "transaction_isolation"
	case p.accept("session", "authorization"):
		s.What, s.Parameter = "parameter", "session_authorization"
	default:
		for _, kind := range showKinds {
			words := strings.Fields(kind)
			if n := p.peek(len(words)); p.is(words...) && !n.is(".") {
				p.skip(len(words))
				s.What = kind
				p.showFilter(s)
				s.At = p.from(start)
				return s
			}
		}
		s.What, s.Parameter = "parameter", p.parameterName()
		if p.err == nil && p.tok().kind == tokWord {
			p.unexpectedHint("the end of SHOW", p.showHint(s.Parameter))
		}
	}
	s.At = p.from(start)
	return s
}

func (p *parser) showHint(word string) string {
	for _, kind := range showKinds {
		if editDistance(word, kind, 3) < 3 {
			return "did you mean SHOW " + strings.ToUpper(kind) + "?"
		}
	}
	return "SHOW knows ALL, CREATE, COLUMNS FROM, " + strings.ToUpper(strings.Join(showKinds, ", ")) + " and parameters"
}

func (p *parser) showFilter(s *Show) {
	if p.accept("from") || p.accept("in") || p.accept("for") {
		s.In = p.name("a name")
	}
	if p.accept("like") {
		at := tokenAt(p.tok())
		s.Like = &StringLit{At: at, Value: p.string("a pattern in single quotes")}
	}
}

// parameterName reads the name of a session parameter: a, a.b, or 'a.b' as Flink writes it.
func (p *parser) parameterName() string {
	if t := p.tok(); t.kind == tokString && p.err == nil {
		p.skip(1)
		return strings.ToLower(t.text)
	}
	n := p.label("the name of a parameter").Name
	for p.accept(".") {
		n += "." + p.label("a name after the dot").Name
	}
	return strings.ToLower(n)
}

func (p *parser) describeStmt() Statement {
	start := p.start()
	p.advance()
	s := &Describe{}
	if p.beginsQuery(0) && !p.is("table") || p.is("(") {
		s.Query = p.query()
	} else {
		p.objectKind(false)
		s.Name = p.name("a table, view, source or query")
	}
	s.At = p.from(start)
	return s
}

// setOrReset reads SET and RESET.
func (p *parser) setOrReset() Statement {
	start := p.start()
	if p.accept("reset") {
		s := &Reset{}
		switch {
		case p.accept("all"):
			s.Name = "all"
		case p.accept("time", "zone"):
			s.Name = "timezone"
		default:
			s.Name = p.parameterName()
		}
		s.At = p.from(start)
		return s
	}
	p.expect("set")
	if p.accept("session", "characteristics", "as", "transaction") {
		return &SetTransaction{Session: true, Modes: p.txModes(), At: p.from(start)}
	}
	if p.is("transaction") && !p.peek(1).is("=") && !p.peek(1).is("to") {
		p.skip(1)
		if p.is("snapshot") {
			p.notSupported(tokenAt(p.tok()), "SET TRANSACTION SNAPSHOT")
		}
		return &SetTransaction{Modes: p.txModes(), At: p.from(start)}
	}
	s := &Set{}
	if n := p.peek(1); !n.is("=") && !n.is("to") && !n.is(".") {
		switch {
		case p.accept("local"):
			s.Local = true
		case p.accept("session"):
		}
	}
	p.setValue(s)
	s.At = p.from(start)
	return s
}

func (p *parser) setValue(s *Set) {
	switch {
	case p.accept("time", "zone"):
		s.Name = "timezone"
	case p.is("schema") && p.peek(1).kind == tokString:
		p.skip(1)
		s.Name = "search_path"
	case p.is("names") && p.peek(1).kind == tokString:
		p.skip(1)
		s.Name = "client_encoding"
	default:
		s.Name = p.parameterName()
		if !p.accept("=") && !p.accept("to") {
			p.unexpected(`"=" or TO`)
		}
	}
	if p.accept("default") || s.Name == "timezone" && p.accept("local") {
		return
	}
	s.Values = list(p, func() Expr {
		if t := p.tok(); t.kind == tokWord && t.quoted { // SET search_path = "a", "b"
			p.skip(1)
			return &StringLit{At: tokenAt(t), Value: t.text}
		}
		return p.optionValue()
	})
}
