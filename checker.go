package streamsql

import (
	"errors"
	"fmt"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Checker parses, binds and plans scripts without running them: the text of one Check sees the objects of those before.
type Checker struct {
	session *Session
	dialect string
	broken  map[string]bool // objects whose statement has an error: what follows from that is not reported
}

// NewChecker returns a checker of an empty catalog for a dialect ("native" or "mysql").
func NewChecker(dialect string) *Checker {
	db := &DB{connectors: newConnectorList(nil, nil), catalog: planner.NewCatalog()}
	var err error
	if db.registry, err = newRegistry(db, nil); err != nil {
		panic(err) // two of our own functions of one name
	}
	return &Checker{session: db.NewSession(), dialect: dialect, broken: map[string]bool{}}
}

// Diagnostic is an error, or a warning.
type Diagnostic struct {
	Warning bool
	Err     *types.Error // with its place in the text
}

// Check returns all errors of a text and its warnings of state that can grow for ever, in order of their places.
func (c *Checker) Check(text string) []Diagnostic {
	stmts, errs := ParseAll(text, c.dialect)
	var out []Diagnostic
	for _, e := range errs {
		out = append(out, Diagnostic{Err: e})
	}
	for _, stmt := range stmts {
		out = append(out, c.statement(stmt)...)
	}
	return out
}

func (c *Checker) statement(stmt sql.Statement) []Diagnostic {
	p, err := c.session.planner(nil)
	if err != nil {
		return []Diagnostic{{Err: types.AsError(err)}}
	}
	var warnings []planner.Warning
	name := ""
	switch x := stmt.(type) {
	case *sql.QueryStmt:
		var plan *planner.QueryPlan
		if plan, err = p.PlanQuery(x.Query); err == nil && !plan.Root.Props.Bounded {
			warnings = plan.Warnings
		}
	case *sql.Set:
		err = c.session.checkSet(x)
	case *sql.Update, *sql.Delete:
		_, err = p.PlanDML(stmt)
	case *sql.CreateSource, *sql.CreateTable, *sql.CreateView, *sql.CreateSink, *sql.CreateIndex, *sql.Insert:
		if insert, ok := stmt.(*sql.Insert); ok && p.IsKeptTable(insert.Table.Name) {
			_, err = p.PlanDML(stmt)
			break
		}
		if defs, err := definitions([]sql.Statement{stmt}, p); err == nil && len(defs) > 0 {
			name = defs[0].name
		}
		var created *planner.Created
		if created, err = planCreation(p, c.session.db.connectors, stmt); err == nil {
			warnings = created.Warnings
			c.session.db.setCatalog(created.Catalog)
		}
	case *sql.CreateSchema:
		var to *planner.Catalog
		if to, _, err = p.PlanCreateSchema(x); err == nil {
			c.session.db.setCatalog(to)
		}
	case *sql.Drop:
		var dropped *planner.Dropped
		if dropped, err = p.PlanDrop(x); err == nil {
			c.session.db.setCatalog(dropped.Catalog)
		}
	}
	if err != nil {
		var e *types.Error
		if !errors.As(located(err, stmt), &e) {
			e = types.AsError(err).At(stmt.Span())
		}
		if c.follows(e) {
			return nil
		}
		c.broken[name] = name != ""
		return []Diagnostic{{Err: e}}
	}
	var out []Diagnostic
	for _, w := range warnings {
		e := types.Errorf("", "state can grow for ever: %s: %s", w.Operator, w.Why).At(stmt.Span())
		if w.Hint != "" {
			e = e.WithHint("%s", w.Hint)
		}
		out = append(out, Diagnostic{Warning: true, Err: e})
	}
	return out
}

// follows reports whether an error only says that an object is missing whose own statement has an error.
func (c *Checker) follows(e *types.Error) bool {
	if e.Code != types.CodeUndefinedTable {
		return false
	}
	for name, broken := range c.broken {
		if broken && e.Msg == fmt.Sprintf("relation %q does not exist", name) || broken && e.Msg == fmt.Sprintf("%q does not exist", name) {
			return true
		}
	}
	return false
}

// ExplainOptions say what of a plan is printed.
type ExplainOptions struct {
	Logical  bool // before the rewrites
	Physical bool // with distribution and properties
	Verbose  bool // with properties, types and ids
}

// Explained is one plan of a script.
type Explained struct {
	Name string // of the object, or "query"
	Text string
}

// Explain plans statements and prints the plans of the queries, views and sinks among them.
func (c *Checker) Explain(stmts []sql.Statement, o ExplainOptions) ([]Explained, error) {
	var out []Explained
	show := func(name string, root, logical *planner.Node) {
		if o.Logical {
			root = logical
		}
		if root == nil {
			return
		}
		out = append(out, Explained{Name: name, Text: planner.Explain(root, planner.ExplainOptions{
			Distribution: o.Physical, Properties: o.Physical || o.Verbose, Types: o.Verbose, IDs: o.Verbose})})
	}
	for _, stmt := range stmts {
		p, err := c.session.planner(nil)
		if err != nil {
			return nil, err
		}
		switch x := stmt.(type) {
		case *sql.QueryStmt:
			plan, err := p.PlanQuery(x.Query)
			if err != nil {
				return nil, located(err, stmt)
			}
			show("query", plan.Root, plan.Logical)
		case *sql.Set:
			if err := c.session.checkSet(x); err != nil {
				return nil, located(err, stmt)
			}
		case *sql.CreateSource, *sql.CreateTable, *sql.CreateView, *sql.CreateSink, *sql.CreateIndex, *sql.Insert:
			if insert, ok := stmt.(*sql.Insert); ok && p.IsKeptTable(insert.Table.Name) {
				continue
			}
			created, err := planCreation(p, c.session.db.connectors, stmt)
			if err != nil {
				return nil, located(err, stmt)
			}
			c.session.db.setCatalog(created.Catalog)
			show(created.Object.Kind.String()+" "+created.Object.Name, created.Plan, created.Logical)
		}
	}
	return out, nil
}
