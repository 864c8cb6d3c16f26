package streamsql

import (
	"context"

	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
)

// ExecOnce runs a statement of a script that changes tables, unless an earlier run of the script on the same directory did: INSERT, UPDATE,
// DELETE, TRUNCATE, ALTER TABLE of columns, and the rows of CREATE TABLE ... AS, whose table Apply has made. That it ran is kept with its changes,
// so that a kill at any moment neither loses nor repeats it. A statement that occurs several times in a script runs as often. BEGIN and COMMIT
// around such statements go here too.
//
// done reports that an earlier run has done it.
func (s *Session) ExecOnce(ctx context.Context, stmt sql.Statement, text string) (r Result, done bool, err error) {
	s.run.Lock()
	defer s.run.Unlock()
	if r, done, err = s.once(ctx, stmt); err != nil {
		s.failTransaction()
		return Result{}, false, located(err, stmt)
	}
	return r, done, nil
}

// OnceOnly reports whether a statement of a script is for ExecOnce.
func (s *Session) OnceOnly(stmt sql.Statement) bool {
	switch x := stmt.(type) {
	case *sql.Insert:
		p, err := s.planner(nil)
		return err == nil && p.IsKeptTable(x.Table.Name)
	case *sql.CreateTable:
		return x.Query != nil && !external(x)
	case *sql.Alter:
		for _, a := range x.Actions {
			if !altersTable(a) {
				return false
			}
		}
		return x.Kind == sql.ObjTable
	case *sql.Update, *sql.Delete, *sql.Truncate, *sql.Begin, *sql.Commit, *sql.Rollback:
		return true
	}
	return false
}

// external reports whether CREATE TABLE names a connector.
func external(stmt *sql.CreateTable) bool {
	for _, o := range stmt.Options {
		if o.Key == "connector" {
			return true
		}
	}
	return false
}

func (s *Session) once(ctx context.Context, stmt sql.Statement) (r Result, done bool, err error) {
	switch x := stmt.(type) {
	case *sql.Begin, *sql.Rollback:
		r, err = s.execute(ctx, stmt, nil)
		return r, false, err
	case *sql.Commit:
		s.db.ddl.Lock()
		defer s.db.ddl.Unlock()
		r, err = s.execute(ctx, stmt, nil)
		return r, false, err
	case *sql.CreateTable:
		stmt = &sql.Insert{At: x.At, Table: &sql.TableName{At: x.Name.At, Name: x.Name}, Query: x.Query}
		if x.NoData {
			return r, true, nil
		}
	}
	text := sql.Format(stmt)
	if s.ran == nil {
		s.ran = map[string]int{}
	}
	s.ran[text]++
	if s.db.Catalog().TimesDone(text) >= s.ran[text] {
		return r, true, nil
	}
	_, alter := stmt.(*sql.Alter)
	if s.tx == nil && !alter { // which take the lock themselves
		s.db.ddl.Lock()
		defer s.db.ddl.Unlock()
	}
	s.doing = text
	defer func() { s.doing = "" }()
	r, err = s.execute(ctx, stmt, nil)
	return r, false, err
}

// writeTables makes changes of tables durable, in one epoch, with the marks of the script's statements that made them.
func (s *Session) writeTables(ctx context.Context, writes []exec.TableWrite, done ...planner.DoneStatement) error {
	if len(done) > 0 {
		return s.db.changeCatalog(ctx, s.db.Catalog().WithDone(done...), exec.Alteration{Writes: writes})
	}
	if len(writes) == 0 {
		return nil
	}
	_, err := s.db.engine.Write(ctx, writes)
	return err
}
