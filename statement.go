package streamsql

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// ExecStatement runs one parsed statement; text is what it was parsed from.
func (s *Session) ExecStatement(ctx context.Context, stmt sql.Statement, text string, args ...any) (Result, error) {
	s.run.Lock()
	defer s.run.Unlock()
	r, err := s.execute(ctx, stmt, args)
	if err != nil {
		s.failTransaction()
		return Result{}, located(err, stmt)
	}
	if r.Rows != nil {
		r.Rows.zone = s.zone()
	}
	return r, nil
}

// execute runs one statement, in the session's transaction if there is one.
func (s *Session) execute(ctx context.Context, stmt sql.Statement, args []any) (Result, error) {
	if err := s.allowed(stmt); err != nil {
		return Result{}, err
	}
	p, err := s.planner(args)
	if err != nil {
		return Result{}, err
	}
	var r Result
	switch x := stmt.(type) {
	case *sql.Insert:
		if p.IsKeptTable(x.Table.Name) {
			return s.dml(ctx, p, x)
		}
		if s.tx != nil {
			return r, types.Errorf(types.CodeActiveTransaction, "INSERT into a sink cannot run inside a transaction block")
		}
		return s.create(ctx, p, stmt)
	case *sql.Update, *sql.Delete:
		return s.dml(ctx, p, stmt)
	case *sql.Truncate:
		return s.truncate(ctx, p, x)
	case *sql.Begin:
		return s.begin(x)
	case *sql.Commit:
		return s.commit(ctx)
	case *sql.Rollback:
		return s.rollback(x)
	case *sql.Prepare:
		return s.prepare(x)
	case *sql.Execute:
		return s.executePrepared(ctx, p, x)
	case *sql.Deallocate:
		return s.deallocate(x)
	case *sql.Discard:
		return s.discard(ctx, x)
	case *sql.Declare:
		return s.declare(ctx, p, x)
	case *sql.Fetch:
		return s.fetch(ctx, x)
	case *sql.Close:
		return s.closeStatement(x)
	case *sql.Savepoint:
		return r, types.NotSupported(x.Span(), "savepoints")
	case *sql.Release:
		return r, types.NotSupported(x.Span(), "savepoints")
	case *sql.SetTransaction:
		r.Tag = "SET"
		return r, checkModes(x.Modes, x.Span())
	case *sql.QueryStmt:
		r, err = s.query(ctx, p, x.Query)
	case *sql.Subscribe:
		r, err = s.subscribe(ctx, p, x)
	case *sql.CreateSource, *sql.CreateTable, *sql.CreateView, *sql.CreateSink, *sql.CreateIndex:
		r, err = s.create(ctx, p, stmt)
	case *sql.CreateSchema:
		r, err = s.createSchema(ctx, p, x)
	case *sql.Drop:
		r, err = s.drop(ctx, p, x)
	case *sql.Alter:
		if as, ok := x.Actions[0].(*sql.AlterAs); ok && len(x.Actions) == 1 {
			r, err = s.alterQuery(ctx, p, x, as)
		} else {
			r, err = s.alter(ctx, p, x)
		}
	case *sql.Explain:
		r, err = s.explain(ctx, p, x)
	case *sql.Show:
		r, err = s.show(p, x)
	case *sql.Describe:
		r, err = s.describe(p, x)
	case *sql.Set:
		r.Tag, err = "SET", s.setStatement(ctx, x)
	case *sql.Reset:
		r.Tag, err = "RESET", s.reset(ctx, x)
	case *sql.Flush:
		r.Tag, err = "FLUSH", s.db.WaitIdle(ctx)
	default:
		err = types.NotSupported(stmt.Span(), "%s", statementName(stmt))
	}
	return r, err
}

// located gives an error without a place that of the whole statement.
func located(err error, stmt sql.Statement) error {
	if e, ok := err.(*types.Error); ok {
		return e.At(stmt.Span())
	}
	return err
}

func notices(list []planner.Notice) []Notice {
	var out []Notice
	for _, n := range list {
		out = append(out, Notice{Msg: n.Msg, Hint: n.Hint})
	}
	return out
}

// planCreation makes what a statement creates, and checks what can be checked before it runs.
func planCreation(p *planner.Planner, l *connectorList, stmt sql.Statement) (*planner.Created, error) {
	p.SessionValue = nil
	var created *planner.Created
	var err error
	switch x := stmt.(type) {
	case *sql.CreateSource:
		created, err = p.PlanCreateSource(x)
	case *sql.CreateTable:
		created, err = p.PlanCreateTable(x)
	case *sql.CreateView:
		created, err = p.PlanCreateView(x)
	case *sql.CreateSink:
		created, err = p.PlanCreateSink(x)
	case *sql.CreateIndex:
		created, err = p.PlanCreateIndex(x)
	case *sql.Insert:
		created, err = p.PlanInsert(x)
	default:
		err = types.NotSupported(stmt.Span(), "%s", statementName(stmt))
	}
	if err != nil || created.Existed {
		return created, err
	}
	if created.Plan != nil && created.Object.Kind != planner.KindView && planner.ReadsVirtual(created.Plan) {
		return nil, types.NotSupported(stmt.Span(), "a continuous query over pg_catalog or information_schema")
	}
	return created, l.checkSink(created.Catalog, created.Object)
}

// create plans an object and starts what keeps it up to date; both take effect at the boundary of an epoch.
func (s *Session) create(ctx context.Context, p *planner.Planner, stmt sql.Statement) (Result, error) {
	db := s.db
	db.ddl.Lock()
	defer db.ddl.Unlock()
	p.Catalog = db.Catalog()
	created, err := planCreation(p, db.connectors, stmt)
	if err != nil {
		return Result{}, err
	}
	r := Result{Tag: createTag(stmt), Notices: notices(created.Notices)}
	if created.Existed {
		return r, nil
	}
	change := exec.Alteration{}
	if created.Replaced != nil {
		if _, runs := jobOf(created.Replaced); runs {
			change.Drop = append(change.Drop, exec.JobID(created.Replaced.ID))
		}
	}
	if spec, runs := jobOf(created.Object); runs {
		if !isUTC(s.zone()) && planner.DependsOnZone(spec.Root, db.registry) {
			return r, types.NotSupported(stmt.Span(), "a continuous query that depends on a time zone other than UTC").
				WithHint("RESET timezone, or write AT TIME ZONE where the query needs a zone")
		}
		limits(created.Catalog, &spec, created.Object)
		change.Add = append(change.Add, spec)
	}
	if x := created.Object.Index; x != nil && x.Unique {
		unlock, err := s.lockWriter(ctx)
		if err != nil {
			return r, err
		}
		defer unlock()
		db.blind.Lock()
		defer db.blind.Unlock()
		if err := s.checkUnique(ctx, created.Catalog, created.Object); err != nil {
			return r, err
		}
	}
	if created.Fill != nil {
		unlock, err := s.lockWriter(ctx)
		if err != nil {
			return r, err
		}
		defer unlock()
		var rows int64
		if change.Writes, rows, err = s.fill(ctx, p.Catalog, created); err != nil {
			return r, err
		}
		r.Tag = fmt.Sprintf("SELECT %d", rows)
	}
	return r, db.changeCatalog(ctx, created.Catalog, change)
}

// limits takes the rate limit of an object's options over to its job.
func limits(c *planner.Catalog, spec *exec.JobSpec, o *planner.Object) {
	for _, id := range o.Deps {
		if d := c.Object(id); d != nil && d.Source != nil && d.Source.RateLimit > 0 {
			if spec.RateLimit == 0 || float64(d.Source.RateLimit) < spec.RateLimit {
				spec.RateLimit = float64(d.Source.RateLimit)
			}
		}
	}
}

// changeCatalog makes an alteration and the catalog that goes with it take effect together. The caller holds db.ddl.
func (db *DB) changeCatalog(ctx context.Context, to *planner.Catalog, change exec.Alteration) error {
	body, err := to.Encode()
	if err != nil {
		return err
	}
	change.Catalog = body
	from := db.Catalog()
	change.Indexes = changedIndexes(from, to)
	db.setCatalog(to) // connectors are opened by looking their objects up
	if err := db.engine.Alter(ctx, change); err != nil {
		db.setCatalog(from)
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, id := range change.Drop {
		delete(db.jobs, id)
	}
	for _, spec := range change.Add {
		db.jobs[spec.ID] = jobInfo{name: spec.Name}
	}
	return nil
}

// changedIndexes are the sets of indexed columns of what keeps rows, where they differ between two catalogs.
func changedIndexes(from, to *planner.Catalog) map[planner.ObjectID][][]int {
	changed := map[planner.ObjectID][][]int{}
	for _, o := range to.Objects() {
		if o.Kept() == nil {
			continue
		}
		now := to.IndexedColumns(o.ID)
		if !slices.EqualFunc(now, from.IndexedColumns(o.ID), func(a, b []int) bool { return slices.Equal(a, b) }) {
			changed[o.ID] = now
		}
	}
	return changed
}

func (db *DB) setCatalog(c *planner.Catalog) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.catalog = c
}

// createSchema makes a schema.
func (s *Session) createSchema(ctx context.Context, p *planner.Planner, stmt *sql.CreateSchema) (Result, error) {
	db := s.db
	db.ddl.Lock()
	defer db.ddl.Unlock()
	p.Catalog = db.Catalog()
	to, said, err := p.PlanCreateSchema(stmt)
	r := Result{Tag: "CREATE SCHEMA", Notices: notices(said)}
	if err != nil || to == p.Catalog {
		return r, err
	}
	return r, db.changeCatalog(ctx, to, exec.Alteration{})
}

func (s *Session) drop(ctx context.Context, p *planner.Planner, stmt *sql.Drop) (Result, error) {
	db := s.db
	db.ddl.Lock()
	defer db.ddl.Unlock()
	p.Catalog = db.Catalog()
	dropped, err := p.PlanDrop(stmt)
	if err != nil {
		return Result{}, err
	}
	r := Result{Tag: "DROP " + string(stmt.Kind), Notices: notices(dropped.Notices)}
	if dropped.Catalog == p.Catalog {
		return r, nil
	}
	var change exec.Alteration
	for _, o := range dropped.Objects {
		if _, runs := jobOf(o); runs {
			change.Drop = append(change.Drop, exec.JobID(o.ID))
		}
	}
	return r, db.changeCatalog(ctx, dropped.Catalog, change)
}

// alter runs ALTER ... PAUSE, RESUME, RENAME TO and SET (rate_limit = n).
func (s *Session) alter(ctx context.Context, p *planner.Planner, stmt *sql.Alter) (Result, error) {
	db := s.db
	db.ddl.Lock()
	defer db.ddl.Unlock()
	r := Result{Tag: "ALTER " + string(stmt.Kind)}
	catalog := db.Catalog()
	p.Catalog = catalog
	o, err := p.Find(stmt.Name)
	if err != nil {
		if stmt.IfExists {
			r.Notices = append(r.Notices, Notice{Msg: types.AsError(err).Msg + ", skipping"})
			return r, nil
		}
		return r, err
	}
	for _, action := range stmt.Actions {
		o := db.Catalog().Object(o.ID) // as the action before left it
		if o.Table != nil && altersTable(action) {
			said, err := s.alterTable(ctx, o, action)
			r.Notices = append(r.Notices, said...)
			if err != nil {
				return r, err
			}
			continue
		}
		if err := s.alterAction(ctx, o, action); err != nil {
			if e, ok := err.(*types.Error); ok {
				return r, e.At(action.Span())
			}
			return r, err
		}
	}
	return r, nil
}

func (s *Session) alterAction(ctx context.Context, o *planner.Object, action sql.AlterAction) error {
	db := s.db
	jobs := db.jobsOf(o)
	switch a := action.(type) {
	case *sql.AlterPause, *sql.AlterResume:
		if err := noPause(o); err != nil {
			return err
		}
		if len(jobs) == 0 {
			return types.Errorf(types.CodeWrongObjectType, "%s %q has no query that could be paused", o.Kind, o.Name)
		}
		_, pause := a.(*sql.AlterPause)
		change := exec.Alteration{Resume: jobs}
		if pause {
			change = exec.Alteration{Pause: jobs}
		}
		ids := make([]planner.ObjectID, len(jobs))
		for i, id := range jobs {
			ids[i] = planner.ObjectID(id)
		}
		return db.changeCatalog(ctx, db.Catalog().SetPaused(ids, pause), change)
	case *sql.AlterRename:
		schema, _ := planner.SplitName(o.Name)
		to, err := db.Catalog().Rename(o.ID, planner.CatalogName(schema, a.To.Name))
		if err != nil {
			return err
		}
		return db.changeCatalog(ctx, to, exec.Alteration{})
	case *sql.AlterSetSchema:
		if !db.Catalog().HasSchema(a.Schema.Name) {
			return types.Errorf("3F000", "schema %q does not exist", a.Schema.Name)
		}
		_, name := planner.SplitName(o.Name)
		to, err := db.Catalog().Rename(o.ID, planner.CatalogName(a.Schema.Name, name))
		if err != nil {
			return err
		}
		return db.changeCatalog(ctx, to, exec.Alteration{})
	case *sql.AlterSet:
		for _, opt := range a.Options {
			if opt.Key != "rate_limit" {
				return types.NotSupported(opt.Span(), "ALTER ... SET (%s)", opt.Key)
			}
			given, err := types.ParseOptions("ALTER", []types.OptionSpec{{Name: "rate_limit", Kind: types.OptFloat}}, map[string]string{"rate_limit": opt.Text()})
			if err != nil {
				return err
			}
			if len(jobs) == 0 {
				return types.Errorf(types.CodeWrongObjectType, "no query reads %s %q", o.Kind, o.Name)
			}
			for _, id := range jobs {
				if err := db.engine.SetRateLimit(ctx, id, given.Float("rate_limit")); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return types.NotSupported(action.Span(), "this form of ALTER")
}

// jobsOf returns the job of an object, or those of all queries that read a source.
func (db *DB) jobsOf(o *planner.Object) []exec.JobID {
	if _, runs := jobOf(o); runs {
		return []exec.JobID{exec.JobID(o.ID)}
	}
	var jobs []exec.JobID
	for _, d := range db.Catalog().Dependents(o.ID) {
		jobs = append(jobs, db.jobsOf(d)...)
	}
	return jobs
}

func (s *Session) setStatement(ctx context.Context, stmt *sql.Set) error {
	if stmt.System {
		return types.NotSupported(stmt.Span(), "ALTER SYSTEM SET")
	}
	return s.setTo(ctx, stmt.Name, setValue(stmt))
}

func setValue(stmt *sql.Set) string {
	var values []string
	for _, v := range stmt.Values {
		values = append(values, (&sql.Option{Value: v}).Text())
	}
	return strings.Join(values, ", ")
}

// checkSet is SET for a checker, which has no engine.
func (s *Session) checkSet(stmt *sql.Set) error {
	if strings.EqualFold(stmt.Name, "trigger") {
		_, err := s.triggerOf(setValue(stmt))
		return err
	}
	return s.setStatement(context.Background(), stmt)
}

func (s *Session) reset(ctx context.Context, stmt *sql.Reset) error {
	if stmt.Name != "all" {
		return s.setTo(ctx, stmt.Name, "")
	}
	s.mu.Lock()
	var names []string
	for name := range s.set {
		names = append(names, name)
	}
	s.mu.Unlock()
	for _, name := range names {
		if err := s.setTo(ctx, name, ""); err != nil {
			return err
		}
	}
	return nil
}

func createTag(stmt sql.Statement) string {
	switch x := stmt.(type) {
	case *sql.CreateSource:
		return "CREATE SOURCE"
	case *sql.CreateTable:
		if x.Query != nil {
			return "CREATE TABLE AS"
		}
		return "CREATE TABLE"
	case *sql.CreateSink:
		return "CREATE SINK"
	case *sql.CreateIndex:
		return "CREATE INDEX"
	case *sql.CreateView:
		if x.Materialized {
			return "CREATE MATERIALIZED VIEW"
		}
		return "CREATE VIEW"
	case *sql.Insert:
		return "INSERT"
	}
	return ""
}

// statementName is what a statement is called in messages: its first words.
func statementName(stmt sql.Statement) string {
	switch stmt.(type) {
	case *sql.Update:
		return "UPDATE"
	case *sql.Delete:
		return "DELETE"
	case *sql.Truncate:
		return "TRUNCATE"
	case *sql.Copy:
		return "COPY"
	case *sql.CreateIndex:
		return "CREATE INDEX"
	case *sql.CreateSchema:
		return "CREATE SCHEMA"
	case *sql.Begin, *sql.Commit, *sql.Rollback, *sql.Savepoint, *sql.Release, *sql.SetTransaction:
		return "transactions"
	case *sql.Prepare, *sql.Execute, *sql.Deallocate:
		return "prepared statements"
	case *sql.Declare, *sql.Fetch, *sql.Close:
		return "cursors"
	case *sql.Use:
		return "USE"
	case *sql.Discard:
		return "DISCARD"
	}
	return "this statement"
}
