package streamsql_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
)

// TestNexmark keeps the queries q0 to q22 of Nexmark as materialized views over the built-in generator and compares them with PostgreSQL's
// answers over the same events. A query that PostgreSQL has to be asked in other words (windows, clocks) has them in qNN.postgres.sql.
func TestNexmark(t *testing.T) {
	ctx := context.Background()
	pg := pgtest.Open(t)
	clock := time.Date(2024, 5, 1, 12, 0, 5, 0, time.UTC)
	db, err := streamsql.Open(streamsql.Options{Dir: t.TempDir(), Workers: 2, EpochRows: 3000, Check: true, Clock: func() time.Time { return clock }})
	require.NoError(t, err)
	defer db.Close()
	events := "20000"
	if testing.Short() {
		events = "4000"
	}
	_, err = db.Exec(ctx, strings.ReplaceAll(readFile(t, "sources.sql"), "${EVENTS:-20000}", events))
	require.NoError(t, err)

	pg.MustExec(t, `DROP TABLE IF EXISTS person, auction, bid, side_input CASCADE;
		CREATE TABLE person (id bigint, name text, email_address text, credit_card text, city text, state text, date_time timestamp, extra text);
		CREATE TABLE auction (id bigint, item_name text, description text, initial_bid bigint, reserve bigint, date_time timestamp, expires timestamp, seller bigint, category bigint, extra text);
		CREATE TABLE bid (auction bigint, bidder bigint, price bigint, channel text, url text, date_time timestamp, extra text);
		CREATE TABLE side_input (key bigint, value text)`)
	for _, name := range []string{"person", "auction", "bid", "side_input"} {
		rows, err := ours(db, "SELECT * FROM "+name)
		require.NoError(t, err)
		require.NotEmpty(t, rows)
		for len(rows) > 0 {
			n := min(len(rows), 1000)
			var values []string
			for _, r := range rows[:n] {
				var row []string
				for _, v := range r {
					row = append(row, quote(*v))
				}
				values = append(values, "("+strings.Join(row, ", ")+")")
			}
			pg.MustExec(t, insert(name, values))
			rows = rows[n:]
		}
	}
	pg.MustExec(t, "CREATE INDEX ON bid (auction); CREATE INDEX ON auction (id); ANALYZE")

	files, err := filepath.Glob("testdata/queries/nexmark/q??.sql")
	require.NoError(t, err)
	require.Len(t, files, 23)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".sql")
		_, err := db.Exec(ctx, "CREATE MATERIALIZED VIEW "+name+" AS "+readFile(t, name+".sql"))
		require.NoError(t, err, name)
	}
	require.NoError(t, db.WaitIdle(ctx))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".sql")
		query := readFile(t, name+".sql")
		if _, err := os.Stat(strings.TrimSuffix(f, ".sql") + ".postgres.sql"); err == nil {
			query = readFile(t, name+".postgres.sql")
		}
		want := pg.MustQuery(t, query)
		require.NotEmpty(t, want.Rows, name)
		got, err := ours(db, "SELECT * FROM "+name)
		require.NoError(t, err, name)
		require.Empty(t, differ(unscaled(want.Rows, want.Columns), unscaled(got, want.Columns), make([]bool, len(want.Columns))), name)
	}
	rejected, err := ours(db, "SELECT reason, message FROM streamsql.rejected")
	require.NoError(t, err)
	require.Empty(t, rejected)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata/queries/nexmark", name))
	require.NoError(t, err)
	return strings.TrimSpace(string(text))
}
