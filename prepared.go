package streamsql

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Arg is a parameter's value of a given type, in the forms of the type's Go values: nil (NULL), bool, int64 (integers; dates in days, times and
// timestamps in microseconds), float64, string, []byte, types.NumericValue, types.IntervalValue, or []any of such.
type Arg struct {
	Type  types.Type
	Value any
}

// Prepared is a statement that was parsed and typed, to be run any number of times in its session. What can be planned without the values of
// its parameters is planned once, and again when the catalog or the settings have changed.
type Prepared struct {
	session *Session
	stmt    sql.Statement // nil: the text holds none
	text    string
	params  []types.Type
	columns []Column
	live    bool
	name    string    // that the session keeps it under
	at      time.Time // when it was prepared
}

// Prepare parses a text of at most one statement and finds the types of its parameters and columns. declared are the types of the first
// parameters as far as they are known; types.UnknownType stands for one that is not.
//
// Errors: CodeSyntax for several statements; CodeIndeterminateType for a parameter whose type nothing tells; those of binding.
func (s *Session) Prepare(ctx context.Context, text string, declared ...types.Type) (*Prepared, error) {
	stmts, err := s.Parse(text)
	if err != nil {
		return nil, err
	}
	switch len(stmts) {
	case 0:
		return &Prepared{session: s, text: text}, nil
	case 1:
		return s.PrepareStatement(ctx, stmts[0], text, declared...)
	}
	return nil, types.Errorf(types.CodeSyntax, "cannot insert multiple commands into a prepared statement")
}

// PrepareStatement is Prepare for a statement that was parsed from text.
func (s *Session) PrepareStatement(ctx context.Context, stmt sql.Statement, text string, declared ...types.Type) (*Prepared, error) {
	s.run.Lock()
	defer s.run.Unlock()
	return s.prepareLocked(stmt, text, declared)
}

func (s *Session) prepareLocked(stmt sql.Statement, text string, declared []types.Type) (*Prepared, error) {
	infer := planner.NewParamTypes(declared)
	p, err := s.planner(nil)
	if err != nil {
		return nil, err
	}
	p.Infer = infer
	x := &Prepared{session: s, stmt: stmt, text: text}
	if x.columns, x.live, err = s.shape(p, stmt); err == nil {
		x.params, err = infer.Resolved()
	}
	if err != nil {
		return nil, located(err, stmt)
	}
	if q, ok := stmt.(*sql.QueryStmt); ok && len(x.params) == 0 {
		s.plans.keep(q.Query)
	}
	return x, nil
}

// Statement returns what was parsed; nil if the text held no statement.
func (x *Prepared) Statement() sql.Statement { return x.stmt }

// Text returns the text that errors' places refer to.
func (x *Prepared) Text() string { return x.text }

// Params returns the types of the parameters.
func (x *Prepared) Params() []types.Type { return x.params }

// Columns describes the rows of the answer; nil if the statement returns none.
func (x *Prepared) Columns() []Column { return x.columns }

// Live reports whether the rows are changes of an answer that goes on.
func (x *Prepared) Live() bool { return x.live }

// Exec runs the statement with the values of its parameters.
//
// Errors: as Session.Exec; CodeNotSupported if the catalog has changed so that the columns are others than those that were described.
func (x *Prepared) Exec(ctx context.Context, args ...any) (Result, error) {
	if x.stmt == nil {
		return Result{}, nil
	}
	if len(args) != len(x.params) {
		return Result{}, types.Errorf("08P01", "the statement has %d parameters, found %d values", len(x.params), len(args))
	}
	r, err := x.session.ExecStatement(ctx, x.stmt, x.text, args...)
	if err != nil {
		return r, err
	}
	return x.checked(r)
}

// checked refuses an answer with other columns than those that were described.
func (x *Prepared) checked(r Result) (Result, error) {
	if r.Rows != nil && !slices.Equal(r.Rows.Columns(), x.columns) {
		r.Rows.Close()
		return Result{}, types.NotSupported(x.stmt.Span(), "a prepared statement whose columns have changed (cached plan must not change result type)").
			WithHint("prepare the statement anew")
	}
	return r, nil
}

// Close forgets what was kept for the statement.
func (x *Prepared) Close() {
	x.session.forgetPlan(x)
}

// shape finds the columns of what a statement answers, without running it.
func (s *Session) shape(p *planner.Planner, stmt sql.Statement) (columns []Column, live bool, err error) {
	switch x := stmt.(type) {
	case *sql.QueryStmt:
		q := *x.Query
		q.AsOf = nil
		p.OrderBounded = q.Emit == nil
		plan, err := p.PlanQuery(&q)
		if err != nil {
			return nil, false, err
		}
		return columnsOf(plan.Schema), !plan.Snapshot && (q.Emit != nil || !plan.Root.Props.Bounded), nil
	case *sql.Subscribe:
		q, err := subscribedQuery(x)
		if err != nil {
			return nil, false, err
		}
		p.Live = true
		plan, err := p.PlanQuery(q)
		if err != nil {
			return nil, false, err
		}
		return columnsOf(plan.Schema), true, nil
	case *sql.Insert:
		if !p.IsKeptTable(x.Table.Name) {
			return nil, false, nil
		}
		return dmlShape(p, stmt)
	case *sql.Update, *sql.Delete:
		return dmlShape(p, stmt)
	case *sql.Execute:
		inner, err := s.Prepared(x.Name.Name)
		if err != nil {
			return nil, false, err
		}
		return inner.columns, inner.live, nil
	case *sql.Fetch:
		c, err := s.cursor(x.Cursor)
		if err != nil || x.Move {
			return nil, false, err
		}
		return c.rows.columns, c.rows.live, nil
	case *sql.Show, *sql.Describe, *sql.Explain:
		r, err := s.answerStatement(p, stmt)
		if err != nil {
			return nil, false, err
		}
		defer r.Rows.Close()
		return r.Rows.Columns(), false, nil
	}
	return nil, false, nil
}

func dmlShape(p *planner.Planner, stmt sql.Statement) ([]Column, bool, error) {
	d, err := p.PlanDML(stmt)
	if err != nil || d.Returning == nil {
		return nil, false, err
	}
	return columnsOf(d.Returning.Schema), false, nil
}

// answerStatement runs a statement that only looks.
func (s *Session) answerStatement(p *planner.Planner, stmt sql.Statement) (Result, error) {
	switch x := stmt.(type) {
	case *sql.Explain: // not run: ANALYZE would do the work twice
		return (&table{names: []string{"plan"}}).result("EXPLAIN"), nil
	case *sql.Describe:
		return s.describe(p, x)
	}
	return s.show(p, stmt.(*sql.Show))
}

// plans keeps the plans of queries without parameters that were planned before, by their trees.
type plans struct {
	mu      sync.Mutex
	byQuery map[*sql.Query]keptPlan
}

type keptPlan struct {
	plan     *planner.QueryPlan
	catalog  *planner.Catalog
	settings planner.Settings
}

// query plans a query, or returns the plan of the last time if it still holds.
func (k *plans) query(p *planner.Planner, q *sql.Query) (*planner.QueryPlan, error) {
	k.mu.Lock()
	kept, ok := k.byQuery[q]
	k.mu.Unlock()
	if ok && kept.catalog == p.Catalog && kept.settings == p.Settings && len(p.Params) == 0 {
		return kept.plan, nil
	}
	plan, err := p.PlanQuery(q)
	if err == nil && ok {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.byQuery[q] = keptPlan{plan: plan, catalog: p.Catalog, settings: p.Settings}
	}
	return plan, err
}

// keep makes the plan of a query be kept.
func (k *plans) keep(q *sql.Query) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byQuery == nil {
		k.byQuery = map[*sql.Query]keptPlan{}
	}
	k.byQuery[q] = keptPlan{}
}

func (k *plans) drop(q *sql.Query) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byQuery, q)
}

func (k *plans) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byQuery = nil
}
