package streamsql_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/types"
)

// TestForeignSettings sets what scripts for other systems begin with: what changes no answer is taken and shown, what would change one is refused.
func TestForeignSettings(t *testing.T) {
	ctx := context.Background()
	db, err := streamsql.Open(streamsql.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for _, text := range []string{
		"SET RW_IMPLICIT_FLUSH TO true", "SET query_mode TO local", "SET streaming_parallelism = 4", "SET cluster = 'quickstart'",
		"SET enable_hashjoin = off", "SET work_mem = '64MB'", "SET max_parallel_workers_per_gather = 0",
		"SET default_transaction_isolation = 'read committed'", "SET transaction_isolation TO 'READ UNCOMMITTED'", "SET default_transaction_read_only = false",
		"RESET enable_hashjoin",
	} {
		_, err := db.Exec(ctx, text)
		require.NoError(t, err, text)
	}
	shown := func(name string) (v string) {
		t.Helper()
		rows, err := db.Query(ctx, "SHOW "+name)
		require.NoError(t, err)
		defer rows.Close()
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&v))
		return v
	}
	require.Equal(t, "read committed", shown("TRANSACTION ISOLATION LEVEL"))
	require.Equal(t, "64MB", shown("work_mem"))
	require.Equal(t, "on", shown("enable_hashjoin"))
	for text, code := range map[string]types.Code{
		"SET default_transaction_isolation = 'serializable'": types.CodeInvalidParameter,
		"SET default_transaction_read_only = on":             types.CodeInvalidParameter,
		"SET enable_hashjion = off":                          types.CodeUndefinedObject,
	} {
		_, err := db.Exec(ctx, text)
		require.Equal(t, code, types.CodeOf(err), text)
	}
}
