package streamsql

import (
	"context"
	"time"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// SQLSTATEs of prepared statements.
const (
	codeNoStatement        types.Code = "26000"
	codeDuplicateStatement types.Code = "42P05"
)

// PrepareNamed is Prepare for a statement that the session keeps under a name, as PREPARE does; the name "" can be given again.
//
// Errors: 42P05 if the name is taken.
func (s *Session) PrepareNamed(ctx context.Context, name, text string, declared ...types.Type) (*Prepared, error) {
	s.mu.Lock()
	taken := name != "" && s.statements[name] != nil
	s.mu.Unlock()
	if taken {
		return nil, duplicateStatement(name)
	}
	x, err := s.Prepare(ctx, text, declared...)
	if err != nil {
		return nil, err
	}
	s.keepStatement(name, x)
	return x, nil
}

func duplicateStatement(name string) error {
	return types.Errorf(codeDuplicateStatement, "prepared statement %q already exists", name)
}

func (s *Session) keepStatement(name string, x *Prepared) {
	s.mu.Lock()
	old := s.statements[name]
	if s.statements == nil {
		s.statements = map[string]*Prepared{}
	}
	x.name, x.at = name, s.db.opts.Clock()
	s.statements[name] = x
	s.mu.Unlock()
	if old != nil {
		s.forgetPlan(old)
	}
}

// Prepared returns the statement that is kept under a name.
//
// Errors: 26000.
func (s *Session) Prepared(name string) (*Prepared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.statements[name]; x != nil {
		return x, nil
	}
	if name == "" {
		return nil, types.Errorf(codeNoStatement, "unnamed prepared statement does not exist")
	}
	return nil, types.Errorf(codeNoStatement, "prepared statement %q does not exist", name)
}

// Deallocate forgets the statement that is kept under a name; that there is none is no error.
func (s *Session) Deallocate(name string) {
	s.mu.Lock()
	x := s.statements[name]
	delete(s.statements, name)
	s.mu.Unlock()
	if x != nil {
		s.forgetPlan(x)
	}
}

// forgetPlan drops what is kept for a statement.
func (s *Session) forgetPlan(x *Prepared) {
	if q, ok := x.stmt.(*sql.QueryStmt); ok {
		s.plans.drop(q.Query)
	}
}

// prepare is PREPARE name (types) AS statement.
func (s *Session) prepare(stmt *sql.Prepare) (Result, error) {
	r := Result{Tag: "PREPARE"}
	name := stmt.Name.Name
	if x, _ := s.Prepared(name); x != nil {
		return r, duplicateStatement(name)
	}
	declared := make([]types.Type, len(stmt.Types))
	for i, t := range stmt.Types {
		var err error
		if declared[i], err = planner.TypeOf(t); err != nil {
			return r, err
		}
	}
	switch stmt.Stmt.(type) {
	case *sql.QueryStmt, *sql.Insert, *sql.Update, *sql.Delete:
	default:
		return r, types.Errorf(types.CodeSyntax, "only SELECT, INSERT, UPDATE and DELETE can be prepared").At(stmt.Stmt.Span())
	}
	x, err := s.prepareLocked(stmt.Stmt, "", declared)
	if err != nil {
		return r, err
	}
	s.keepStatement(name, x)
	return r, nil
}

// executePrepared is EXECUTE name (arguments).
func (s *Session) executePrepared(ctx context.Context, p *planner.Planner, stmt *sql.Execute) (Result, error) {
	x, err := s.Prepared(stmt.Name.Name)
	if err != nil {
		return Result{}, err
	}
	if len(stmt.Args) != len(x.params) {
		return Result{}, types.Errorf(types.CodeSyntax, "wrong number of parameters for prepared statement %q", stmt.Name.Name).At(stmt.Span()).
			WithDetail("Expected %d parameters but got %d.", len(x.params), len(stmt.Args))
	}
	args := make([]any, len(stmt.Args))
	for i, a := range stmt.Args {
		v, err := p.Constant(a, x.params[i], &expr.Context{Now: s.clock().UnixMicro(), Zone: s.zone()})
		if err != nil {
			return Result{}, err
		}
		args[i] = Arg{Type: v.T, Value: v.Value}
	}
	r, err := s.execute(ctx, x.stmt, args)
	if err != nil {
		return r, withoutPlace(err) // the place is one of another text
	}
	return x.checked(r)
}

// clock is what now() is in the session's next statement.
func (s *Session) clock() time.Time {
	if tx := s.tx; tx != nil {
		return time.UnixMicro(tx.clock)
	}
	return s.db.opts.Clock()
}

func withoutPlace(err error) error {
	if e, ok := err.(*types.Error); ok {
		c := *e
		c.Span = types.Span{}
		return &c
	}
	return err
}

// deallocate is DEALLOCATE name | ALL.
func (s *Session) deallocate(stmt *sql.Deallocate) (Result, error) {
	if stmt.Name.IsZero() {
		s.mu.Lock()
		s.statements = nil
		s.mu.Unlock()
		s.plans.clear()
		return Result{Tag: "DEALLOCATE ALL"}, nil
	}
	if _, err := s.Prepared(stmt.Name.Name); err != nil {
		return Result{}, err
	}
	s.Deallocate(stmt.Name.Name)
	return Result{Tag: "DEALLOCATE"}, nil
}

// discard is DISCARD ALL | PLANS | SEQUENCES | TEMP.
func (s *Session) discard(ctx context.Context, stmt *sql.Discard) (Result, error) {
	r := Result{Tag: "DISCARD " + stmt.What}
	if stmt.What != "ALL" {
		return r, nil
	}
	if s.tx != nil {
		return r, types.Errorf(types.CodeActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
	}
	s.closeCursors()
	if _, err := s.deallocate(&sql.Deallocate{}); err != nil {
		return r, err
	}
	return r, s.reset(ctx, &sql.Reset{Name: "all"})
}
