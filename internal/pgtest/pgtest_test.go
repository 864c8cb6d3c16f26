package pgtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
)

func TestQueryReturnsTextForms(t *testing.T) {
	columns, rows, err := pgtest.Query(t, `SELECT 1.50 AS n, NULL::int AS nothing, timestamptz '2020-01-01 01:00+01' AS ts, ''`)
	require.NoError(t, err)
	require.Equal(t, []string{"n", "nothing", "ts", "?column?"}, columns)
	require.Len(t, rows, 1)
	require.Equal(t, "1.50", *rows[0][0])
	require.Nil(t, rows[0][1])
	require.Equal(t, "2020-01-01 00:00:00+00", *rows[0][2])
	require.Equal(t, "", *rows[0][3])
}

func TestErrorsCarrySQLState(t *testing.T) {
	db := pgtest.Open(t)
	_, err := db.Query("SELECT 1; SELECT 1/0; SELECT 2")
	require.Equal(t, "22012", pgtest.SQLState(err))
	require.ErrorContains(t, err, "division by zero")
	_, err = db.Query("SELECT nope")
	require.Equal(t, "42703", pgtest.SQLState(err))
	require.Empty(t, pgtest.SQLState(errors.New("not PostgreSQL's")))

	result := db.MustQuery(t, "SELECT 3 AS three")
	require.Equal(t, "3", *result.Rows[0][0], "the connection survives an error")
}

func TestLastStatementAnswersWithTypes(t *testing.T) {
	db := pgtest.Open(t)
	result := db.MustQuery(t, `CREATE TABLE t (a numeric(10,2), b text, c timestamp);
		INSERT INTO t VALUES (1, 'x', '2020-01-01'), (NULL, NULL, 'infinity');
		SELECT *, sum(1::bigint) OVER () AS s FROM t ORDER BY a`)
	require.Equal(t, []pgtest.Column{{"a", "numeric(10,2)"}, {"b", "text"}, {"c", "timestamp without time zone"}, {"s", "numeric"}},
		result.Columns)
	require.Equal(t, "SELECT 2", result.Tag)
	require.Len(t, result.Rows, 2)
	require.Equal(t, "infinity", *result.Rows[1][2])
}

func TestTestsDoNotMeet(t *testing.T) {
	a, b := pgtest.Open(t), pgtest.Open(t)
	a.MustExec(t, "CREATE TABLE t (x int); INSERT INTO t VALUES (1)")
	b.MustExec(t, "CREATE TABLE t (x int)")
	require.Empty(t, b.MustQuery(t, "SELECT * FROM t").Rows)
}

// The settings that decide answers: order and case of text by bytes, UTC, ISO dates.
func TestServerSettings(t *testing.T) {
	db := pgtest.Open(t)
	for name, want := range map[string]string{
		"lc_collate": "C.UTF-8", "lc_ctype": "C.UTF-8", "server_encoding": "UTF8", "TimeZone": "UTC",
		"DateStyle": "ISO, MDY", "IntervalStyle": "postgres",
	} {
		require.Equal(t, want, *db.MustQuery(t, "SHOW "+name).Rows[0][0], name)
	}
	require.Equal(t, "t", *db.MustQuery(t, `SELECT 'Z' < 'a' AND 'z' < 'é'`).Rows[0][0])
}

func TestStop(t *testing.T) {
	server := start(t)
	dir := directory(server.URL())
	require.DirExists(t, dir)
	require.NoError(t, server.Stop())
	require.NoError(t, server.Stop())
	require.NoDirExists(t, dir)
}

func TestStartEndsWithItsContext(t *testing.T) {
	start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := pgtest.Start(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// A process that dies without a word takes its server with it.
func TestServerEndsWithAKilledProcess(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		server, err := pgtest.Start(context.Background())
		require.NoError(t, err)
		_, err = os.Stdout.WriteString("url " + server.URL() + "\n")
		require.NoError(t, err)
		select {} // until it is killed
	}
	pgtest.URL(t) // skips where there is no PostgreSQL
	child := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithAKilledProcess$")
	child.Env = append(os.Environ(), "PGTEST_CHILD=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line := make([]byte, 4096)
	n, err := out.Read(line)
	require.NoError(t, err)
	url, ok := strings.CutPrefix(strings.TrimSpace(string(line[:n])), "url ")
	require.True(t, ok, "child said %q", line[:n])

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	require.Eventually(t, func() bool {
		_, err := os.Stat(directory(url))
		return errors.Is(err, os.ErrNotExist)
	}, time.Minute, 10*time.Millisecond)
	_, err = pgconn.Connect(t.Context(), url)
	require.Error(t, err)
}

func start(t *testing.T) *pgtest.Server {
	t.Helper()
	pgtest.URL(t) // skips where there is no PostgreSQL
	server, err := pgtest.Start(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	return server
}

func directory(url string) string {
	return strings.TrimPrefix(strings.Fields(url)[0], "host=")
}
