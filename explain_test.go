package streamsql

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func planLines(t *testing.T, db *DB, text string) string {
	t.Helper()
	rows, err := db.Query(context.Background(), text)
	require.NoError(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		line, _ := rows.Text(0)
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}

// EXPLAIN STATE shows what the operators of a running query keep, and why that is bounded or not.
func TestExplainState(t *testing.T) {
	ctx := context.Background()
	db, err := Open(Options{Workers: 1})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ctx, `CREATE TABLE t (k INT PRIMARY KEY, v INT); CREATE TABLE u (k INT, w INT);
		CREATE MATERIALIZED VIEW mv AS SELECT t.k, sum(w) AS s FROM t JOIN u ON t.k = u.k GROUP BY t.k;
		INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1, 10), (1, 20), (3, 30)`)
	require.NoError(t, err)
	text := planLines(t, db, "EXPLAIN STATE SELECT * FROM mv")
	require.Contains(t, text, "Materialize mv")
	require.Regexp(t, `Aggregate by k: sum\(w\)\n +state: 1 rows, \d+ (bytes|kB); rows in 2, out 1`, text)
	require.Regexp(t, `Join .*\n +state: \d+ rows, \d+ (bytes|kB); rows in 5, out 2\n`, text)
	require.Contains(t, text, "as large as its input")

	_, err = db.Exec(ctx, `CREATE SOURCE e (k INT, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'datagen', events = '100')`)
	require.NoError(t, err)
	require.Contains(t, planLines(t, db, "EXPLAIN STATE SELECT k, count(*) FROM e GROUP BY k"), "bounded: its input ends")
	require.Contains(t, planLines(t, db, "EXPLAIN STATE SELECT window_start, count(*) FROM TUMBLE(e, ts, INTERVAL '1 minute') GROUP BY window_start, window_end"),
		"bounded: a window is dropped when the watermark has passed its end")
}

// EXPLAIN ANALYZE runs the query and says what its operators did.
func TestExplainAnalyze(t *testing.T) {
	ctx := context.Background()
	db, err := Open(Options{Workers: 1})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ctx, "CREATE TABLE t (k INT PRIMARY KEY, v INT); INSERT INTO t SELECT k, k % 3 FROM generate_series(1, 100) AS k")
	require.NoError(t, err)
	text := planLines(t, db, "EXPLAIN ANALYZE SELECT v, count(*) FROM t WHERE k > 10 GROUP BY v ORDER BY v LIMIT 2")
	require.Regexp(t, `Filter .*\n +actual: rows in 100, out 90`, text)
	require.Contains(t, text, "\nRows: 2\nExecution Time: ")
	_, err = db.Query(ctx, "EXPLAIN ANALYZE CREATE MATERIALIZED VIEW m AS SELECT 1")
	require.ErrorContains(t, err, "EXPLAIN ANALYZE of a statement that does not end")
}
