package pgwire

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// BenchmarkReads reads rows of a table by key on one connection. 2,000 a second are 500 µs each.
func BenchmarkReads(b *testing.B) {
	ctx := context.Background()
	db, err := streamsql.Open(streamsql.Options{Workers: 1})
	require.NoError(b, err)
	defer db.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s := New(db, Options{})
	go s.Serve(l) //nolint:errcheck // it ends with Shutdown
	defer s.Shutdown(ctx)
	c, err := pgx.Connect(ctx, "postgres://tester@"+l.Addr().String()+"/db")
	require.NoError(b, err)
	defer c.Close(ctx)
	var rows strings.Builder
	for k := range 50_000 {
		fmt.Fprintf(&rows, ",(%d,'value %d')", k, k)
	}
	_, err = c.Exec(ctx, "CREATE TABLE t (k INT PRIMARY KEY, v TEXT); INSERT INTO t VALUES "+rows.String()[1:]+`;
		CREATE MATERIALIZED VIEW v AS SELECT k % 1000 AS g, count(*) AS n FROM t GROUP BY k % 1000`, pgx.QueryExecModeSimpleProtocol)
	require.NoError(b, err)
	for _, x := range []struct {
		name string
		mode pgx.QueryExecMode
		text string
	}{
		{"simple/constant", pgx.QueryExecModeSimpleProtocol, "SELECT $1::int"},
		{"simple/key", pgx.QueryExecModeSimpleProtocol, "SELECT length(v) FROM t WHERE k = $1"},
		{"prepared/constant", pgx.QueryExecModeCacheStatement, "SELECT $1::int"},
		{"prepared/key", pgx.QueryExecModeCacheStatement, "SELECT length(v) FROM t WHERE k = $1"},
		{"prepared/kept", pgx.QueryExecModeCacheStatement, "SELECT length(v) FROM t WHERE k = 77"}, // its plan is kept
		{"prepared/view", pgx.QueryExecModeCacheStatement, "SELECT n FROM v WHERE g = $1"},
	} {
		b.Run(x.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				var n int
				args := []any{x.mode, i % 1000}
				if !strings.Contains(x.text, "$") {
					args = args[:1]
				}
				if err := c.QueryRow(ctx, x.text, args...).Scan(&n); err != nil && err != pgx.ErrNoRows {
					b.Fatal(err)
				}
			}
		})
	}
}
