package streamsql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// ChangedError says that a script is not the one that the data directory was made with.
type ChangedError struct {
	// Diff lists the objects that differ, and for queries what becomes of the state of each operator.
	Diff string
}

// Error says what to do.
func (e *ChangedError) Error() string {
	return "the script has changed since the state was written; run it with --migrate to change what differs, or with another data directory"
}

// StatementError is an error of one statement among several.
type StatementError struct {
	Stmt sql.Statement
	Err  error
}

// Error is the error's text.
func (e *StatementError) Error() string { return e.Err.Error() }

// Unwrap returns the error.
func (e *StatementError) Unwrap() error { return e.Err }

// definition is a CREATE statement of a script.
type definition struct {
	stmt sql.Statement
	name string
	text string // canonical
}

// Apply brings the catalog to what the CREATE statements of a script say: on an empty directory it makes all objects, on one that the same
// script was applied to it changes nothing and everything goes on. The statements are those that Parse returned for text; others than CREATE
// and INSERT are not looked at.
//
// Errors: *ChangedError if the directory holds other objects and migrate is false; with migrate, objects that differ, and what depends
// on them, are dropped and made anew, all at one boundary of epochs.
func (s *Session) Apply(ctx context.Context, stmts []sql.Statement, migrate bool) ([]Notice, error) {
	return s.apply(ctx, stmts, migrate, false)
}

// ApplyBeside is Apply that leaves objects alone which the script does not name: those that clients of a server have made.
func (s *Session) ApplyBeside(ctx context.Context, stmts []sql.Statement, migrate bool) ([]Notice, error) {
	return s.apply(ctx, stmts, migrate, true)
}

func (s *Session) apply(ctx context.Context, stmts []sql.Statement, migrate, beside bool) ([]Notice, error) {
	db := s.db
	db.ddl.Lock()
	defer db.ddl.Unlock()
	before := db.Catalog()
	p, err := s.planner(nil)
	if err != nil {
		return nil, err
	}
	for _, stmt := range stmts { // schemas first, as the names of objects need them
		if x, ok := stmt.(*sql.CreateSchema); ok && !p.Catalog.HasSchema(x.Name.String()) {
			if p.Catalog, _, err = p.PlanCreateSchema(x); err != nil {
				return nil, &StatementError{Stmt: stmt, Err: located(err, stmt)}
			}
		}
	}
	defs, err := definitions(stmts, p)
	if err != nil {
		return nil, err
	}
	stale := differing(before, defs, beside)
	catalog := p.Catalog
	var drop []*planner.Object
	for len(stale) > 0 {
		next, dropped, err := catalog.Drop(stale[0].ID, true)
		if err != nil {
			return nil, err
		}
		for _, o := range dropped {
			stale = slices.DeleteFunc(stale, func(x *planner.Object) bool { return x.ID == o.ID })
			drop = append(drop, o)
		}
		catalog = next
	}
	without := catalog
	var said []Notice
	var change exec.Alteration
	continued := map[string]bool{} // sinks that go on behind what they delivered
	var diff strings.Builder
	for _, name := range catalog.Schemas() {
		if !before.HasSchema(name) {
			fmt.Fprintf(&diff, "create schema %s\n", name)
		}
	}
	for _, d := range defs {
		if catalog.Lookup(d.name) != nil {
			continue
		}
		p.Catalog = catalog
		created, err := planCreation(p, db.connectors, d.stmt)
		if err != nil {
			return nil, &StatementError{Stmt: d.stmt, Err: located(err, d.stmt)}
		}
		for _, n := range notices(created.Notices) { // of many statements: which one is meant?
			n.Msg = d.name + ": " + n.Msg
			said = append(said, n)
		}
		catalog = created.Catalog
		if spec, runs := jobOf(created.Object); runs {
			limits(catalog, &spec, created.Object)
			change.Add = append(change.Add, spec)
		}
		continued[d.name] = goesOn(before.Lookup(d.name), created.Object)
		describeChange(&diff, before.Lookup(d.name), created)
	}
	if catalog == before {
		return said, nil
	}
	additive := len(userObjects(before)) == 0 || beside && len(drop) == 0
	if !additive && !migrate {
		for _, o := range userObjects(before) {
			if catalog.Lookup(o.Name) == nil {
				fmt.Fprintf(&diff, "drop %s %s\n", o.Kind, o.Name)
			}
		}
		return nil, &ChangedError{Diff: diff.String()}
	}
	// What is dropped for good goes first, by itself, so that what takes its place begins with the whole answer. A sink that stays what it is
	// to the outside, and has another query, goes on with the operators that both queries share.
	var first exec.Alteration
	for _, o := range drop {
		if _, runs := jobOf(o); !runs {
			continue
		}
		if continued[o.Name] {
			change.Drop = append(change.Drop, exec.JobID(o.ID))
		} else {
			first.Drop = append(first.Drop, exec.JobID(o.ID))
		}
	}
	if len(first.Drop) > 0 {
		middle := without
		if len(change.Drop) > 0 {
			middle = before // the catalog that goes with what still runs; a crash here is mended by the next --migrate
		}
		if err := db.changeCatalog(ctx, middle, first); err != nil {
			return nil, err
		}
	}
	return said, db.changeCatalog(ctx, catalog, change)
}

// goesOn reports whether a sink of a changed script is the old one with another query: same name, same target.
func goesOn(old, new *planner.Object) bool {
	return old != nil && old.Kind == planner.KindSink && new.Kind == planner.KindSink && old.Name == new.Name &&
		old.Sink.Connector == new.Sink.Connector && old.Sink.Format == new.Sink.Format && maps.Equal(old.Sink.Options, new.Sink.Options)
}

func userObjects(c *planner.Catalog) []*planner.Object {
	return slices.DeleteFunc(c.Objects(), func(o *planner.Object) bool { return o.Kind == planner.KindSystem })
}

// definitions returns the CREATE statements, and the INSERTs, which are sinks.
func definitions(stmts []sql.Statement, p *planner.Planner) ([]definition, error) {
	var defs []definition
	kept := map[string]bool{} // tables that INSERT writes to at once
	for _, o := range p.Catalog.Objects() {
		kept[o.Name] = o.Table != nil
	}
	called := func(n *sql.Name) string { // a wrong schema is found when the object is made
		if full, err := p.NewName(n); err == nil {
			return full
		}
		return n.String()
	}
	for _, stmt := range stmts {
		if x, ok := stmt.(*sql.CreateTable); ok {
			kept[called(x.Name)] = !external(x)
		}
	}
	for _, stmt := range stmts {
		d := definition{stmt: stmt, text: sql.Format(stmt)}
		switch x := stmt.(type) {
		case *sql.CreateSource:
			d.name = called(x.Name)
		case *sql.CreateTable:
			d.name = called(x.Name)
		case *sql.CreateView:
			d.name = called(x.Name)
		case *sql.CreateSink:
			d.name = called(x.Name)
		case *sql.CreateIndex:
			d.name = called(indexNameOf(x))
		case *sql.Insert:
			if kept[called(x.Table.Name)] {
				continue
			}
			schema, bare := planner.SplitName(called(x.Table.Name))
			d.name = planner.CatalogName(schema, "insert_into_"+bare) // as the planner names it
		default:
			continue
		}
		for _, other := range defs {
			if other.name == d.name {
				err := types.Errorf(types.CodeDuplicateTable, "%q is created twice in the script", d.name).At(stmt.Span())
				return nil, &StatementError{Stmt: stmt, Err: err}
			}
		}
		defs = append(defs, d)
	}
	return defs, nil
}

// indexNameOf is the name of an index, in the schema of its table: what CREATE INDEX gives it, else what PostgreSQL would.
func indexNameOf(x *sql.CreateIndex) *sql.Name {
	if x.Name != nil && len(x.Name.Parts) > 1 {
		return x.Name
	}
	name := *x.Table
	name.Parts = slices.Clone(name.Parts)
	last := &name.Parts[len(name.Parts)-1]
	if x.Name != nil {
		last.Name = x.Name.Last().Name
		return &name
	}
	for _, k := range x.Keys {
		if ref, ok := k.X.(*sql.ColumnRef); ok {
			last.Name += "_" + ref.Parts[len(ref.Parts)-1].Name
		}
	}
	last.Name += "_idx"
	return &name
}

// differing returns the objects of the catalog that a script does not define as they are; beside: of those that it names.
func differing(c *planner.Catalog, defs []definition, beside bool) []*planner.Object {
	var stale []*planner.Object
	for _, o := range userObjects(c) {
		if o.Index != nil && o.Index.Constraint { // comes and goes with its table
			continue
		}
		i := slices.IndexFunc(defs, func(d definition) bool { return d.name == o.Name })
		if i < 0 && beside {
			continue
		}
		text := o.Text
		if o.Declared != "" {
			text = o.Declared
		}
		if i < 0 || defs[i].text != canonical(text) {
			stale = append(stale, o)
		}
	}
	return stale
}

// canonical prints a stored statement as sql.Format does, whatever release stored it.
func canonical(text string) string {
	stmts, err := sql.Parse(text)
	if err != nil || len(stmts) != 1 {
		return text
	}
	return sql.Format(stmts[0])
}

// describeChange says what becomes of an object, and of the state of its query.
func describeChange(out *strings.Builder, old *planner.Object, created *planner.Created) {
	o := created.Object
	if old == nil {
		fmt.Fprintf(out, "create %s %s\n", o.Kind, o.Name)
		return
	}
	fmt.Fprintf(out, "change %s %s\n", o.Kind, o.Name)
	spec, runs := jobOf(old)
	if !runs || created.Plan == nil {
		return
	}
	for _, c := range planner.Diff(spec.Root, created.Plan) {
		fmt.Fprintf(out, "  %-4s %s%s\n", c.Change, strings.Repeat("  ", c.Depth), c.Operator)
	}
}
