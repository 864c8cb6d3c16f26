package planner

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// FuzzPlan gives any text that parses to the planner: an error or a valid plan, never a panic.
func FuzzPlan(f *testing.F) {
	for _, text := range []string{
		"SELECT window_start, a, count(*) FROM TUMBLE(t, ts, INTERVAL '10' SECOND) WHERE b > 1 GROUP BY window_start, a HAVING max(b) > 2",
		"SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE), sum(d) FILTER (WHERE a = 1) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), ROLLUP (a, b) EMIT ON WINDOW CLOSE",
		"WITH c AS (SELECT a, string_agg(DISTINCT c, ',' ORDER BY c) AS s FROM t GROUP BY 1) SELECT * FROM c WHERE a IN (1, 2) UNION SELECT 1, NULL",
		"SELECT CASE a WHEN 1 THEN 2.5 ELSE b END, coalesce(c, 'x') LIKE '%x', (ts + INTERVAL '1 day') AT TIME ZONE 'UTC' FROM t EXCEPT VALUES (1, true, now())",
		"CREATE SINK s AS SELECT window_end, b FROM SESSION(TABLE t PARTITION BY b + 1, DESCRIPTOR(ts), INTERVAL '5 minutes') WITH (connector = 'console')",
		"INSERT INTO o (a) SELECT n FROM mv ORDER BY n LIMIT 5",
	} {
		f.Add(text)
	}
	base := newSession()
	setup, err := sql.Parse(`
		CREATE SOURCE t (a INT, b BIGINT, c TEXT, d NUMERIC(10, 2), ts TIMESTAMPTZ, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
		WITH (connector = 'file', path = 'x.json', format = 'json', watch = true);
		CREATE TABLE o (a BIGINT) WITH (connector = 'console');
		CREATE MATERIALIZED VIEW mv AS SELECT a, count(*) AS n FROM t GROUP BY a`)
	require.NoError(f, err)
	for _, stmt := range setup {
		_, err := base.run(stmt, ExplainOptions{}, false)
		require.NoError(f, err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		stmts, err := sql.Parse(text)
		if err != nil {
			return
		}
		for _, stmt := range stmts {
			s := &session{p: base.p}
			_, err := s.run(stmt, ExplainOptions{Properties: true}, false)
			if err == nil && s.last != nil {
				require.NoError(t, Validate(s.last), "%s", text)
			}
			if err != nil {
				require.NotEqual(t, types.CodeInternal, types.CodeOf(err), "%s: %v", text, err)
			}
		}
	})
}

// TestSharedDeep plans a chain of queries each of which uses the one before twice: the work is linear, not 2^40.
func TestSharedDeep(t *testing.T) {
	s := newSession()
	exec(t, s, `CREATE SOURCE t (a INT, ts TIMESTAMP, WATERMARK FOR ts) WITH (connector = 'file', path = 'x', format = 'json', watch = true)`)
	text := "WITH c0 AS (SELECT a, ts FROM t)"
	for i := 1; i <= 40; i++ {
		text += fmt.Sprintf(", c%d AS (SELECT a, ts FROM c%d WHERE a > %d UNION ALL SELECT a, ts FROM c%d)", i, i-1, i, i-1)
	}
	require.NotEmpty(t, exec(t, s, text+" SELECT window_end, count(*) FROM TUMBLE(c40, ts, INTERVAL '1 minute') WHERE a < 9 GROUP BY window_end EMIT ON WINDOW CLOSE"))
}

// TestAnyStatement plans every statement in the scripts of this package and of the parser, over a catalog in which some names
// exist. Each must give a valid plan or a positioned error, and never panic.
func TestAnyStatement(t *testing.T) {
	s := newSession()
	setup, err := sql.Parse(`
		CREATE SOURCE bids (auction BIGINT, bidder BIGINT, price BIGINT, channel TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
		WITH (connector = 'file', path = 'x.json', format = 'json', watch = true);
		CREATE SOURCE t (a INT, b INT, c TEXT, d NUMERIC(10, 2), ts TIMESTAMPTZ, k INT, v TEXT, x INT, y INT, WATERMARK FOR ts)
		WITH (connector = 'file', path = 'x.json', format = 'json');
		CREATE MATERIALIZED VIEW mv AS SELECT a, count(*) AS n FROM t GROUP BY a`)
	require.NoError(t, err)
	for _, stmt := range setup {
		_, err := s.run(stmt, ExplainOptions{}, false)
		require.NoError(t, err)
	}
	var files []string
	for _, dir := range []string{"testdata", "../sql/testdata"} {
		require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				files = append(files, path)
			}
			return err
		}))
	}
	planned, refused := 0, 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, block := range append(strings.Split(string(data), "\n\n"), strings.Split(string(data), "\n")...) {
			block, _, _ = strings.Cut(block, "\n----")
			stmts, _ := sql.ParseAll(block)
			if _, rest, ok := strings.Cut(block, "\n"); ok && len(stmts) == 0 {
				stmts, _ = sql.ParseAll(rest)
			}
			for _, stmt := range stmts {
				one := &session{p: s.p}
				_, err := one.run(stmt, ExplainOptions{Properties: true, Types: true, Distribution: true, IDs: true}, false)
				if err != nil {
					refused++
					var e *types.Error
					require.ErrorAs(t, err, &e, "%s", block)
					require.NotEqual(t, types.CodeInternal, e.Code, "%s: %v", block, err)
					continue
				}
				planned++
				if one.last != nil {
					require.NoError(t, Validate(one.last), "%s", block)
				}
			}
		}
	}
	require.Greater(t, planned, 100)
	require.Greater(t, refused, 100)
}
