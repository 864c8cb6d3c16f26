package streamsql

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// A view gets another query; what its operators share with the old one stays, and a dry run says so and changes nothing.
func TestAlterQuery(t *testing.T) {
	ctx := context.Background()
	db, err := Open(Options{Workers: 1, Dir: t.TempDir()})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ctx, `CREATE TABLE t (k INT, v INT); INSERT INTO t VALUES (1, 1), (1, 2), (2, 5);
		CREATE MATERIALIZED VIEW mv AS SELECT k, sum(v) AS s FROM t GROUP BY k`)
	require.NoError(t, err)
	plan := planLines(t, db, "ALTER MATERIALIZED VIEW mv DRY RUN AS SELECT k, sum(v) AS s FROM t GROUP BY k HAVING sum(v) > 3")
	require.Regexp(t, `new +Materialize mv .*\(state\)\nnew +Filter .*\nkeep +Aggregate by k: sum\(v\)  \(state\)\n.*\ndrop +Materialize mv .*\(state\)`, plan)
	require.Equal(t, "1\n2", planLines(t, db, "SELECT k FROM mv ORDER BY k"))
	_, err = db.Exec(ctx, "ALTER MATERIALIZED VIEW mv AS SELECT k, sum(v) AS s FROM t GROUP BY k HAVING sum(v) > 3; INSERT INTO t VALUES (1, 1)")
	require.NoError(t, err)
	require.Equal(t, "1 4\n2 5", planLines(t, db, "SELECT k || ' ' || s FROM mv ORDER BY k"))

	_, err = db.Exec(ctx, "CREATE MATERIALIZED VIEW above AS SELECT * FROM mv; ALTER MATERIALIZED VIEW mv AS SELECT 1 AS k")
	require.ErrorContains(t, err, "other objects depend on it")
	_, err = db.Exec(ctx, "ALTER TABLE t AS SELECT 1 AS k")
	require.ErrorContains(t, err, "another query for a table")
}
