package streamsql

import (
	"context"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
)

// Fail tells the session of an error in a statement that it did not come to run, such as one of syntax: a transaction fails with it.
func (s *Session) Fail() {
	s.run.Lock()
	defer s.run.Unlock()
	s.failTransaction()
}

// Writes reports whether a statement changes tables that are kept here and nothing else, so that a transaction can hold it.
func (s *Session) Writes(stmt sql.Statement) bool {
	switch x := stmt.(type) {
	case *sql.Insert:
		p := planner.Planner{Catalog: s.db.Catalog()}
		return p.IsKeptTable(x.Table.Name)
	case *sql.Copy:
		return x.From
	case *sql.Update, *sql.Delete, *sql.Truncate:
		return true
	case *sql.Execute:
		inner, err := s.Prepared(x.Name.Name)
		return err == nil && inner.stmt != nil && s.Writes(inner.stmt)
	}
	return false
}

// Atomic reports whether statements that were sent together become one transaction, as PostgreSQL has it: several, all of which change tables
// or read, outside of a transaction. What defines objects takes effect by itself.
func (s *Session) Atomic(stmts []sql.Statement) bool {
	writes := 0
	for _, stmt := range stmts {
		switch stmt.(type) {
		case *sql.QueryStmt, *sql.Show, *sql.Set:
			continue
		}
		if !s.Writes(stmt) {
			return false
		}
		writes++
	}
	return writes > 0 && len(stmts) > 1 && s.Status() == 'I'
}

// Begin opens a transaction.
func (s *Session) Begin(ctx context.Context) error {
	_, err := s.ExecStatement(ctx, &sql.Begin{}, "")
	return err
}

// Commit writes what the session's transaction has changed.
func (s *Session) Commit(ctx context.Context) error {
	_, err := s.ExecStatement(ctx, &sql.Commit{}, "")
	return err
}

// Rollback discards what the session's transaction has changed.
func (s *Session) Rollback(ctx context.Context) error {
	_, err := s.ExecStatement(ctx, &sql.Rollback{}, "")
	return err
}
