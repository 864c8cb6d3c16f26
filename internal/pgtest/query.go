package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// URL returns the connection string of a PostgreSQL for this test process, which it starts if need be and if the
// environment names none. Where no PostgreSQL is installed the test is skipped, but in CI (CI is set) it fails.
func URL(t testing.TB) string {
	t.Helper()
	url, err := processURL()
	var missing *NotInstalledError
	switch {
	case err == nil:
		return url
	case errors.As(err, &missing) && os.Getenv("CI") == "":
		t.Skipf("not compared with PostgreSQL: %v", err)
	default:
		t.Fatalf("%v", err)
	}
	return ""
}

// processURL is a package variable on purpose: one server serves a test process, and Go has no other place whose
// lifetime is the process.
var processURL = sync.OnceValues(func() (string, error) {
	if url := os.Getenv(EnvServer); url != "" {
		return url, nil
	}
	server, err := Start(context.Background())
	if err != nil {
		return "", err
	}
	return server.URL(), nil // stopped when this process ends
})

// schemas numbers the schemas of this process.
var schemas atomic.Int64

// DB is one connection, in a schema of its own: tables made through it meet nobody else's. It is safe for concurrent
// use; statements run one after the other.
type DB struct {
	mu   sync.Mutex
	conn *pgconn.PgConn
	typs map[typeKey]string
}

type typeKey struct {
	oid uint32
	mod int32
}

// Open connects and makes the schema. Both end with the test.
func Open(t testing.TB) *DB {
	t.Helper()
	url := URL(t)
	ctx := context.Background()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	db := &DB{conn: conn, typs: map[typeKey]string{}}
	schema := fmt.Sprintf("test_%d_%d", os.Getpid(), schemas.Add(1))
	t.Cleanup(func() {
		_, dropErr := db.Query("ROLLBACK; DROP SCHEMA " + schema + " CASCADE")
		if err := errors.Join(dropErr, conn.Close(ctx)); err != nil {
			t.Errorf("close PostgreSQL: %v", err)
		}
	})
	db.MustExec(t, fmt.Sprintf("CREATE SCHEMA %s; SET search_path = %s; SET timezone = 'UTC'", schema, schema))
	return db
}

// Column is a column of an answer.
type Column struct {
	Name string
	Type string // as format_type prints it: "numeric(10,2)", "timestamp without time zone"
}

// Result is the answer to one statement.
type Result struct {
	Columns []Column
	Rows    [][]*string // PostgreSQL's text forms; nil is NULL
	Tag     string      // "SELECT 3", "INSERT 0 1"
}

// Query sends sql by the simple protocol and returns the answer of its last statement. sql may hold several
// statements, which PostgreSQL runs as one transaction.
//
// Errors: PostgreSQL's own are *pgconn.PgError; [SQLState] reads the code.
func (db *DB) Query(sql string) (*Result, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	result, fields, err := db.run(sql)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		name, err := db.typeName(typeKey{f.DataTypeOID, f.TypeModifier})
		if err != nil {
			return nil, err
		}
		result.Columns = append(result.Columns, Column{Name: f.Name, Type: name})
	}
	return result, nil
}

// run returns the last statement's rows, with the raw description of its columns.
func (db *DB) run(sql string) (*Result, []pgconn.FieldDescription, error) {
	result := &Result{}
	var fields []pgconn.FieldDescription
	reader := db.conn.Exec(context.Background(), sql)
	for reader.NextResult() {
		rows := reader.ResultReader()
		*result, fields = Result{}, append(fields[:0:0], rows.FieldDescriptions()...)
		for rows.NextRow() {
			row := make([]*string, len(rows.Values()))
			for i, value := range rows.Values() {
				if value != nil {
					text := string(value)
					row[i] = &text
				}
			}
			result.Rows = append(result.Rows, row)
		}
		tag, err := rows.Close()
		if err != nil {
			break // Close of the whole returns it as well
		}
		result.Tag = tag.String()
	}
	if err := reader.Close(); err != nil {
		return nil, nil, err
	}
	return result, fields, nil
}

func (db *DB) typeName(key typeKey) (string, error) {
	if name, ok := db.typs[key]; ok {
		return name, nil
	}
	result, _, err := db.run(fmt.Sprintf("SELECT pg_catalog.format_type(%d, %d)", key.oid, key.mod))
	if err != nil {
		return "", fmt.Errorf("name of type %d: %w", key.oid, err)
	}
	name := *result.Rows[0][0]
	db.typs[key] = name
	return name, nil
}

// MustQuery is Query; an error fails the test.
func (db *DB) MustQuery(t testing.TB, sql string) *Result {
	t.Helper()
	result, err := db.Query(sql)
	if err != nil {
		t.Fatalf("PostgreSQL: %v\n%s", err, sql)
	}
	return result
}

// MustExec runs statements whose answer does not matter; an error fails the test.
func (db *DB) MustExec(t testing.TB, sql string) {
	t.Helper()
	db.MustQuery(t, sql)
}

// Query runs sql on a connection of its own and returns the column names and the rows in PostgreSQL's text forms; nil
// is NULL. For more than a few statements in one test, [Open] a [DB].
//
// Errors: PostgreSQL's own are *pgconn.PgError; [SQLState] reads the code. That no server can be had ends the test.
func Query(t testing.TB, sql string) (columns []string, rows [][]*string, err error) {
	t.Helper()
	result, err := Open(t).Query(sql)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range result.Columns {
		columns = append(columns, c.Name)
	}
	return columns, result.Rows, nil
}

// SQLState returns the SQLSTATE of an error that PostgreSQL gave, and "" for any other.
func SQLState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
