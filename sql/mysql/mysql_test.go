package mysql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// common are texts that mean the same in both dialects: both readers must give the same tree.
var common = []string{
	"SELECT 1", "select a, b from t", "SELECT a AS x, b y, t.*, * FROM t AS u, v w", "SELECT DISTINCT a FROM s.t",
	"SELECT a FROM t WHERE a = 1 AND b <> 'x' OR NOT c > 2 AND d IS NULL",
	"SELECT a + b * c - d, -a, - 1, +b, (a + b) * c, a - (b - c), -(-a) FROM t",
	"SELECT a FROM t WHERE a BETWEEN 1 AND 2 AND b NOT BETWEEN c AND d + 1 AND e LIKE 'x%' AND f NOT LIKE g",
	"SELECT a FROM t WHERE a LIKE 'x!%' ESCAPE '!' AND b IN (1, 2, 3) AND c NOT IN (SELECT d FROM u) AND (a, b) IN ((1, 2), (3, 4))",
	"SELECT a FROM t WHERE a IS TRUE OR b IS NOT FALSE OR c IS NOT NULL OR NOT (d = e)",
	"SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a) AND NOT EXISTS (SELECT b FROM v)",
	"SELECT (SELECT max(a) FROM t) AS m, 1 + (SELECT 2)",
	"SELECT CASE WHEN a THEN 1 WHEN b = 2 THEN 2 ELSE 3 END, CASE a WHEN 1 THEN 'x' END FROM t",
	"SELECT count(*), count(DISTINCT a), sum(a), avg(b), min(c), max(d), coalesce(a, b, 0), nullif(a, 0), abs(a) FROM t",
	"SELECT a, count(*) FROM t GROUP BY a HAVING count(*) > 1", "SELECT a, b, sum(c) FROM t WHERE d GROUP BY a, b, 3",
	"SELECT count(*) FROM t HAVING count(*) > 1",
	"SELECT * FROM a JOIN b ON a.x = b.x LEFT JOIN c ON b.y = c.y RIGHT OUTER JOIN d USING (x, y)",
	"SELECT * FROM a INNER JOIN b ON a.x = b.x CROSS JOIN c", "SELECT * FROM a NATURAL JOIN b NATURAL LEFT JOIN c",
	"SELECT * FROM (a JOIN b ON a.x = b.x) LEFT JOIN (SELECT * FROM c) AS d ON true", "SELECT * FROM (SELECT 1 AS a) t, (SELECT 2) u",
	"SELECT * FROM a LEFT JOIN b JOIN c ON b.x = c.x ON a.x = b.x",
	"SELECT 1 UNION SELECT 2 UNION ALL SELECT 3", "(SELECT 1) UNION (SELECT 2)", "SELECT a FROM t UNION DISTINCT SELECT b FROM u LIMIT 3",
	"(SELECT a FROM t LIMIT 1) UNION ALL (SELECT b FROM u LIMIT 2 OFFSET 1)",
	"SELECT a FROM t LIMIT 10", "SELECT a FROM t LIMIT 10 OFFSET 5", "(SELECT 1)", "((SELECT a FROM t LIMIT 1))",
	"SELECT TUMBLE_START(ts, INTERVAL '10' SECOND), count(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)",
	"SELECT HOP_END(ts, INTERVAL '2' SECOND, INTERVAL 10 MINUTE) FROM bids GROUP BY HOP(ts, INTERVAL '2' SECOND, INTERVAL 10 MINUTE)",
	"SELECT ts - INTERVAL 5 SECOND, ts + INTERVAL '1' DAY, INTERVAL 1 WEEK + ts FROM t",
	"SELECT date '2020-01-01', timestamp '2020-01-01 00:00:00', time '10:00', a FROM t WHERE b > date '2020-01-01'",
	"SELECT substring(a, 1, 2), substring(a FROM 2 FOR 3), left(a, 3), right(b, 0), upper(a), lower(b), trim(a), replace(a, 'x', 'y') FROM t",
	"SELECT current_timestamp, current_date, now(), localtimestamp", "SELECT NULL, TRUE, false, 'it''s', '', 1.5, .5, 1e5, 12345678901234567890",
	"SELECT `order`, `Mixed Case`, `größe`, größe, t.`select` FROM `from` AS `t`", "SELECT a -- comment\n, b /* more */ FROM t",
	"SELECT round(a, 2), ceil(b), floor(c), power(a, 2), s.f(a, b) FROM t", "SELECT a = b, a < b, a >= b, NOT a FROM t",
	"CREATE SOURCE bids (auction BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH (connector = 'kafka') FORMAT JSON",
	"CREATE MATERIALIZED VIEW mv AS SELECT a, count(*) FROM t GROUP BY a EMIT CHANGES", "CREATE VIEW v (x) AS SELECT a FROM t WHERE b LIKE 'x'",
	"CREATE SINK s AS SELECT a FROM t WHERE b EMIT ON WINDOW CLOSE WITH (connector = 'file', path = 'out/') FORMAT JSON",
	"CREATE SINK s FROM mv WITH (connector = blackhole)", "INSERT INTO t (a, b) SELECT a, b FROM u", "INSERT INTO t SELECT * FROM u",
	"INSERT INTO t VALUES (1, 'x'), (-2, NULL)", "EXPLAIN SELECT a FROM t", "EXPLAIN ANALYZE SELECT a FROM t", "SET dialect = 'native'", "SHOW TABLES",
	"WITH a AS (SELECT x FROM t), b AS (SELECT y FROM u) SELECT * FROM a, b", "WITH a AS (SELECT x FROM t) INSERT INTO v SELECT x FROM a",
	"SELECT a FROM t EMIT EVERY INTERVAL 5 SECOND", "SELECT a FROM t LIMIT 5 EMIT CHANGES", "SELECT * FROM v AS OF EPOCH 3",
	"CREATE TABLE t AS SELECT a FROM u", "COPY (SELECT a FROM t) TO STDOUT", "SUBSCRIBE TO (SELECT a FROM t) WITH (snapshot = false)",
	"DESCRIBE SELECT a FROM t", "PREPARE p AS SELECT a FROM t WHERE b = 1", "SELECT 1; SELECT 2;; INSERT INTO t SELECT 3",
	"DROP TABLE t; UPDATE t SET a = a + 1 WHERE b = 2; DELETE FROM t WHERE a IS NULL; FLUSH",
}

func TestBothReadersAgree(t *testing.T) {
	for _, text := range common {
		want, err := sql.Parse(text)
		require.NoError(t, err, text)
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Len(t, got, len(want), text)
		for i := range want {
			require.True(t, sql.Equal(want[i], got[i]), "%s\nnative: %s\nmysql:  %s", text, sql.Format(want[i]), sql.Format(got[i]))
			requireSpans(t, text, got[i])
		}
	}
}

func requireSpans(t *testing.T, text string, s sql.Statement) {
	t.Helper()
	sql.Inspect(s, func(n sql.Node) bool {
		sp := n.Span()
		require.True(t, 0 <= sp.Start && sp.Start <= sp.End && sp.End <= len(text), "%T %v in %s", n, sp, text)
		return true
	})
}

// TestLeafSpans checks that names and literals are found at their places in the text.
func TestLeafSpans(t *testing.T) {
	text := "CREATE VIEW v AS SELECT a.x, f(y + 1) AS z FROM `T 1` AS a JOIN b ON a.k = b.k WHERE name = \"it's\" AND y > 1"
	stmts, err := Parse(text)
	require.NoError(t, err)
	seen := map[string]bool{}
	sql.Inspect(stmts[0], func(n sql.Node) bool {
		sp := n.Span()
		seen[text[sp.Start:sp.End]] = true
		return true
	})
	for _, want := range []string{"a.x", "f(y + 1)", "y + 1", "`T 1` AS a", "a.k = b.k", `"it's"`, "y > 1", `name = "it's" AND y > 1`} {
		require.True(t, seen[want], "no node covers %q", want)
	}
}

// TestGolden runs the scripts of testdata: MySQL in; native SQL, or the drawn error, out.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			t.Skip("no script")
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out []string
			for _, line := range strings.Split(d.Input, "\n") {
				stmts, err := Parse(line)
				if err != nil {
					out = append(out, fmt.Sprintf("%s %s", types.CodeOf(err), sql.Render(err, "", line)))
					continue
				}
				for _, s := range stmts {
					requireSpans(t, line, s)
					printed := sql.Format(s)
					again, err := sql.Parse(printed)
					require.NoError(t, err, printed)
					require.True(t, sql.Equal(s, again[0]), printed)
					out = append(out, printed)
				}
			}
			return strings.Join(out, "\n")
		})
	})
}

// TestLimits gives the reader what kills sqlparser: an error, in bounded time.
func TestLimits(t *testing.T) {
	const n = 20_000
	wrap := func(before, middle, after string) string {
		return "SELECT " + strings.Repeat(before, n) + middle + strings.Repeat(after, n)
	}
	for name, text := range map[string]string{
		"parentheses": wrap("(", "1", ")"), "case": wrap("CASE WHEN ", "1", " THEN 1 END"), "not": wrap("NOT ", "1", ""),
		"minus": wrap("- ", "a", ""), "bang": wrap("! ", "a", ""), "tilde": wrap("~", "a", ""), "binary": wrap("binary ", "a", ""),
		"calls": wrap("f(", "1", ")"), "subqueries": strings.Repeat("SELECT (", n) + "SELECT 1" + strings.Repeat(")", n),
		"size": "SELECT '" + strings.Repeat("x", maxText) + "'", "plus": wrap("a + ", "a", "") + strings.Repeat(" + a", n),
		"interval": wrap("interval ", "1", " day"), "mixed": wrap("NOT -(", "1", ")"),
	} {
		_, err := Parse(text)
		require.Error(t, err, name)
		require.Equal(t, types.CodeTooComplex, types.CodeOf(err), "%s: %v", name, err)
	}
	_, err := Parse("SELECT a" + strings.Repeat(" AND a = 1", 5000))
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	for _, s := range common {
		f.Add(s)
	}
	for _, s := range []string{"select/*!*/0", "SELECT a || b", "SELECT E'a\\nb'", "select a#b from t", "select a--1 from t", `select 'a\_b' from t`, "SELECT a <=> b, a DIV b, ? FROM t LIMIT 1, 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1000 {
			return
		}
		got, err := Parse(text)
		if err != nil {
			e := sql.AsError(err)
			if e.Code == types.CodeInternal || e.Span.Start < 0 || e.Span.End > len(text) || e.Span.Start > e.Span.End {
				t.Fatalf("bad error %+v for %q", e, text)
			}
			return
		}
		for _, s := range got {
			requireSpans(t, text, s)
			out := sql.Format(s)
			again, err := sql.Parse(out)
			if err != nil || len(again) != 1 || !sql.Equal(s, again[0]) {
				t.Fatalf("%q\nprinted as %q\n%v", text, out, err)
			}
		}
		if dialectsDiffer(text) {
			return
		}
		want, err := sql.Parse(text)
		if err != nil {
			return
		}
		if len(want) != len(got) {
			t.Fatalf("%q: %d and %d statements", text, len(want), len(got))
		}
		for i := range want {
			if !sql.Equal(want[i], got[i]) {
				t.Fatalf("%q\nnative %s\nmysql  %s", text, sql.Format(want[i]), sql.Format(got[i]))
			}
		}
	})
}

// dialectsDiffer reports whether a text that both readers accept may rightly give two trees.
func dialectsDiffer(text string) bool {
	toks, err := scan(text)
	if err != nil {
		return true
	}
	if strings.ContainsAny(text, `"\#%!?`) || strings.Contains(text, "/*") || strings.Contains(text, "--") {
		return true
	}
	for i, t := range toks {
		if t.kind == word && (differentFunction(t.text) || t.text == "order" || t.text == "dual" || t.text == "join" && !followedByCondition(toks[i:])) {
			return true
		}
		switch t.text {
		case "<=>", "localtime", "current_time", "utc_date", "asc", "desc", "straight_join", "div", "mod":
			return true
		}
	}
	return false
}

// followedByCondition reports whether some ON or USING follows: without it, JOIN is a cross join in MySQL only.
func followedByCondition(toks []token) bool {
	for _, t := range toks {
		if t.is("on") || t.is("using") {
			return true
		}
	}
	return false
}
