package streamsql_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// TestCancelQuery cancels queries that would run for hours inside of one epoch: joins, condition by condition, and functions that give rows.
func TestCancelQuery(t *testing.T) {
	db, err := streamsql.Open(streamsql.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec(context.Background(), "CREATE TABLE t AS SELECT i FROM generate_series(1, 200000) AS g(i)")
	require.NoError(t, err)
	for _, text := range []string{
		"SELECT count(*) FROM t a, t b WHERE a.i + b.i > 5",
		"SELECT count(*) FROM t a, t b WHERE a.i + b.i < 0",
		"SELECT count(*) FROM t a, t b, t c WHERE a.i % 2 = b.i % 2 AND c.i % 2 = b.i % 2",
		"SELECT count(*) FROM t a LEFT JOIN t b ON a.i + b.i = 0",
		"SELECT count(*) FROM t WHERE NOT EXISTS (SELECT 1 FROM t x WHERE x.i + t.i = 0)",
		"SELECT count(*) FROM generate_series(1, 1000000000000)",
		"SELECT count(*) FROM (SELECT generate_series(1, 1000000000000) FROM t)",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		rows, err := db.Query(ctx, text)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			require.NoError(t, rows.Close())
		}
		require.Error(t, err, text)
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded, "%s: %v", text, err)
		cancel()
	}
}
