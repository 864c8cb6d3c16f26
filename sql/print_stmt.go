package sql

import (
	"strconv"
	"strings"
)

func (w *writer) statement(s Statement) {
	switch s := s.(type) {
	case *QueryStmt:
		w.query(s.Query)
	case *Insert:
		w.insert(s)
	case *Update:
		w.update(s)
	case *Delete:
		w.delete(s)
	case *Truncate:
		w.put("TRUNCATE TABLE ")
		commas(w, s.Tables, w.name)
		w.flag(s.RestartIdentity, " RESTART IDENTITY")
		w.flag(s.Cascade, " CASCADE")
	case *Copy:
		w.copy(s)
	case *Explain:
		w.explain(s)
	case *Show:
		w.show(s)
	case *Describe:
		w.put("DESCRIBE ")
		if s.Query != nil {
			w.subquery(s.Query)
		} else {
			w.name(s.Name)
		}
	case *Set, *Reset, *SetTransaction, *Begin, *Commit, *Rollback, *Savepoint, *Release, *Flush, *Use, *Discard:
		w.session(s)
	case *Prepare, *Execute, *Deallocate, *Declare, *Fetch, *Close, *Subscribe:
		w.prepared(s)
	default:
		w.ddl(s)
	}
}

func (w *writer) insert(s *Insert) {
	if s.With != nil {
		w.with(s.With)
		w.brk()
	}
	w.put("INSERT INTO ")
	w.table(s.Table)
	if s.Columns != nil {
		w.put(" ")
		w.idents(s.Columns)
	}
	w.brk()
	if s.Query == nil {
		w.put("DEFAULT VALUES")
	} else {
		w.query(s.Query)
	}
	if s.OnConflict != nil {
		w.brk()
		w.onConflict(s.OnConflict)
	}
	w.returning(s.Returning)
}

func (w *writer) onConflict(c *OnConflict) {
	w.put("ON CONFLICT")
	if c.Target != nil {
		w.put(" ")
		w.parens(func() { w.exprs(c.Target) })
		if c.TargetWhere != nil {
			w.put(" WHERE ")
			w.expr(c.TargetWhere)
		}
	}
	if !c.Constraint.IsZero() {
		w.put(" ON CONSTRAINT ")
		w.ident(c.Constraint)
	}
	if c.Set == nil {
		w.put(" DO NOTHING")
		return
	}
	w.put(" DO UPDATE SET ")
	w.assignments(c.Set)
	if c.Where != nil {
		w.put(" WHERE ")
		w.expr(c.Where)
	}
}

func (w *writer) returning(items []SelectItem) {
	if items != nil {
		w.brk()
		w.put("RETURNING ")
		w.selectItems(items)
	}
}

func (w *writer) assignments(list []Assignment) {
	commas(w, list, func(a Assignment) {
		if a.Multi || len(a.Columns) > 1 {
			w.idents(a.Columns)
		} else {
			w.ident(a.Columns[0])
		}
		w.put(" = ")
		w.expr(a.Value)
	})
}

func (w *writer) update(s *Update) {
	if s.With != nil {
		w.with(s.With)
		w.brk()
	}
	w.put("UPDATE ")
	w.table(s.Table)
	w.brk()
	w.put("SET ")
	w.assignments(s.Set)
	if s.From != nil {
		w.brk()
		w.put("FROM ")
		commas(w, s.From, w.table)
	}
	w.clause("WHERE ", s.Where)
	w.returning(s.Returning)
}

func (w *writer) delete(s *Delete) {
	if s.With != nil {
		w.with(s.With)
		w.brk()
	}
	w.put("DELETE FROM ")
	w.table(s.Table)
	if s.Using != nil {
		w.brk()
		w.put("USING ")
		commas(w, s.Using, w.table)
	}
	w.clause("WHERE ", s.Where)
	w.returning(s.Returning)
}

func (w *writer) copy(s *Copy) {
	w.put("COPY ")
	if s.Query != nil {
		w.subquery(s.Query)
	} else {
		w.name(s.Table)
		if s.Columns != nil {
			w.put(" ")
			w.idents(s.Columns)
		}
	}
	switch {
	case s.From && s.Stdio:
		w.put(" FROM STDIN")
	case s.From:
		w.put(" FROM ", QuoteString(s.Path))
	case s.Stdio:
		w.put(" TO STDOUT")
	default:
		w.put(" TO ", QuoteString(s.Path))
	}
	w.withOptions(s.Options)
	w.clause("WHERE ", s.Where)
}

func (w *writer) explain(s *Explain) {
	w.put("EXPLAIN ")
	if s.Options != nil {
		w.parens(func() { commas(w, s.Options, w.option) })
		w.put(" ")
	}
	if s.Mode != ExplainDefault {
		w.put(string(s.Mode), " ")
	}
	w.flag(s.Analyze, "ANALYZE ")
	w.flag(s.Verbose, "VERBOSE ")
	w.statement(s.Stmt)
}

func (w *writer) show(s *Show) {
	w.put("SHOW ")
	switch s.What {
	case "parameter":
		w.parameter(s.Parameter)
	case "create":
		w.put("CREATE ")
		if s.Kind != ObjAny {
			w.put(string(s.Kind), " ")
		}
		w.name(s.Name)
	case "columns":
		w.put("COLUMNS FROM ")
		w.name(s.Name)
	default:
		w.put(strings.ToUpper(s.What))
		if s.In != nil {
			w.put(" FROM ")
			w.name(s.In)
		}
		if s.Like != nil {
			w.put(" LIKE ", QuoteString(s.Like.Value))
		}
	}
}

// parameter writes the name of a session parameter; one that could be read as something else becomes a string.
func (w *writer) parameter(name string) {
	first, _, _ := strings.Cut(name, ".")
	for _, part := range strings.Split(name, ".") {
		if !isBareWord(part) || wordClasses[first] != wordPlain || ambiguousParameter[first] {
			w.put(QuoteString(name))
			return
		}
	}
	w.put(name)
}

var ambiguousParameter = makeWordSet(`names transaction parameters connectors versions rejected functions types schemas formats
	epochs cursors indexes tables state savepoints time`)

func (w *writer) values(values []Expr) {
	if len(values) == 0 {
		w.put("DEFAULT")
		return
	}
	w.exprs(values)
}

// session writes the statements that change the session or the transaction.
func (w *writer) session(s Statement) {
	switch s := s.(type) {
	case *Set:
		if s.System {
			w.put("ALTER SYSTEM ")
		}
		w.put("SET ")
		w.flag(s.Local, "LOCAL ")
		w.parameter(s.Name)
		w.put(" = ")
		w.values(s.Values)
	case *Reset:
		w.put("RESET ")
		if s.Name == "all" {
			w.put("ALL")
		} else {
			w.parameter(s.Name)
		}
	case *SetTransaction:
		if s.Session {
			w.put("SET SESSION CHARACTERISTICS AS TRANSACTION")
		} else {
			w.put("SET TRANSACTION")
		}
		w.txModes(s.Modes)
	case *Begin:
		if s.Start {
			w.put("START TRANSACTION")
		} else {
			w.put("BEGIN")
		}
		w.txModes(s.Modes)
	case *Commit:
		w.put("COMMIT")
	case *Rollback:
		w.put("ROLLBACK")
		if !s.To.IsZero() {
			w.put(" TO SAVEPOINT ")
			w.ident(s.To)
		}
	case *Savepoint:
		w.put("SAVEPOINT ")
		w.ident(s.Name)
	case *Release:
		w.put("RELEASE SAVEPOINT ")
		w.ident(s.Name)
	case *Flush:
		w.put("FLUSH")
	case *Use:
		w.put("USE ")
		w.name(s.Name)
	case *Discard:
		w.put("DISCARD ", s.What)
	}
}

func (w *writer) txModes(m TxModes) {
	if m.Isolation != "" {
		w.put(" ISOLATION LEVEL ", m.Isolation)
	}
	if m.Access != "" {
		w.put(" ", m.Access)
	}
	if m.Deferrable != "" {
		w.put(" ", m.Deferrable)
	}
}

// prepared writes the statements on prepared statements, cursors and subscriptions.
func (w *writer) prepared(s Statement) {
	switch s := s.(type) {
	case *Prepare:
		w.put("PREPARE ")
		w.ident(s.Name)
		if s.Types != nil {
			w.put(" ")
			w.parens(func() { commas(w, s.Types, w.typeName) })
		}
		w.put(" AS ")
		w.statement(s.Stmt)
	case *Execute:
		w.put("EXECUTE ")
		w.ident(s.Name)
		if s.Args != nil {
			w.parens(func() { w.exprs(s.Args) })
		}
	case *Deallocate:
		w.put("DEALLOCATE ")
		w.identOrAll(s.Name)
	case *Declare:
		w.put("DECLARE ")
		w.ident(s.Name)
		w.flag(s.Binary, " BINARY")
		w.flag(s.NoScroll, " NO SCROLL")
		w.flag(s.Scroll, " SCROLL")
		w.put(" CURSOR ")
		w.flag(s.Hold, "WITH HOLD ")
		w.put("FOR ")
		w.statement(s.Stmt)
	case *Fetch:
		w.fetch(s)
	case *Close:
		w.put("CLOSE ")
		w.identOrAll(s.Cursor)
	case *Subscribe:
		w.put("SUBSCRIBE TO ")
		if s.Query != nil {
			w.subquery(s.Query)
		} else {
			w.name(s.Name)
		}
		w.withOptions(s.Options)
		if s.AsOf != nil {
			w.put(" AS OF EPOCH ")
			w.expr(s.AsOf)
		}
	}
}

func (w *writer) identOrAll(i Ident) {
	if i.IsZero() {
		w.put("ALL")
		return
	}
	w.ident(i)
}

func (w *writer) fetch(s *Fetch) {
	w.put(map[bool]string{false: "FETCH ", true: "MOVE "}[s.Move], string(s.Direction))
	switch {
	case s.All:
		w.put(" ALL")
	case s.Direction != FetchFirst && s.Direction != FetchLast:
		w.put(" ", strconv.FormatInt(s.Count, 10))
	}
	w.put(" FROM ")
	w.ident(s.Cursor)
}
