package sql

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// TestLimits gives the reader texts that nest or chain without end: an error 54001, never a crash.
func TestLimits(t *testing.T) {
	const n = 22_000
	wrap := func(before, middle, after string) string {
		return strings.Repeat(before, n) + middle + strings.Repeat(after, n)
	}
	for name, text := range map[string]string{
		"parentheses":   "SELECT " + wrap("(", "1", ")"),
		"open":          "SELECT " + strings.Repeat("(", n),
		"not":           "SELECT " + wrap("NOT ", "true", ""),
		"minus":         "SELECT " + wrap("- ", "1", ""),
		"tilde":         "SELECT " + wrap("~ ", "1", ""),
		"case":          "SELECT " + wrap("CASE WHEN ", "true", " THEN 1 END"),
		"calls":         "SELECT " + wrap("f(", "1", ")"),
		"plus":          "SELECT " + wrap("1 + ", "1", ""),
		"casts":         "SELECT " + wrap("", "1", "::int"),
		"subscripts":    "SELECT a" + wrap("", "[1]", "[1]"),
		"nested index":  "SELECT " + wrap("a[", "1", "]"),
		"is null":       "SELECT " + wrap("", "a", " IS NULL"),
		"arrays":        "SELECT ARRAY" + wrap("[", "1", "]"),
		"rows":          "SELECT " + wrap("ROW(", "1", ")"),
		"subqueries":    wrap("SELECT (", "SELECT 1", ")"),
		"queries":       wrap("(", "SELECT 1", ")"),
		"derived":       wrap("SELECT * FROM (", "SELECT 1", ") t"),
		"union":         wrap("SELECT 1 UNION ", "SELECT 1", ""),
		"joins":         "SELECT * FROM a" + wrap("", "", " CROSS JOIN a"),
		"joins right":   "SELECT * FROM a" + wrap(" JOIN a", "", " ON true"),
		"joins nested":  "SELECT * FROM " + wrap("(a JOIN ", "a", " ON true)"),
		"in":            "SELECT " + wrap("1 IN (", "1", ")"),
		"exists":        "SELECT " + wrap("EXISTS (SELECT ", "1", ")"),
		"types":         "SELECT a::" + wrap("ARRAY<", "int", ">"),
		"ctes":          wrap("WITH a AS (", "SELECT 1", ") SELECT 1"),
		"grouping sets": "SELECT 1 GROUP BY " + wrap("GROUPING SETS (", "a", ")"),
		"explain":       wrap("EXPLAIN ", "SELECT 1", ""),
		"prepare":       wrap("PREPARE p AS ", "SELECT 1", ""),
		"at time zone":  "SELECT " + wrap("", "a", " AT TIME ZONE b"),
		"power":         "SELECT " + wrap("2 ^ ", "2", ""),
		"size":          "SELECT '" + strings.Repeat("x", MaxText) + "'",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(text)
			require.Error(t, err)
			require.Equal(t, types.CodeTooComplex, types.CodeOf(err), "%v", err)
			require.NotEmpty(t, Render(err, "x.sql", text))
			_, errs := ParseAll(text)
			require.NotEmpty(t, errs)
		})
	}
}

// TestLong reads what is long without being deep.
func TestLong(t *testing.T) {
	const n = 10_000
	for name, text := range map[string]string{
		"and":     "SELECT a" + strings.Repeat(" AND a = 1", n),
		"or":      "SELECT a" + strings.Repeat(" OR a", n),
		"values":  "INSERT INTO t VALUES (1, 'a')" + strings.Repeat(", (-1, 'b' || 'c' || 'd')", n),
		"in":      "SELECT a IN (1" + strings.Repeat(", 2", n) + ")",
		"columns": "SELECT a" + strings.Repeat(", a + b + c + d", n),
		"comment": strings.Repeat("/*", n) + strings.Repeat("*/", n) + "SELECT 1",
		"chain":   "SELECT 1" + strings.Repeat(" + 1", 5000),
		"union":   "SELECT 1" + strings.Repeat(" UNION ALL SELECT 1", 2000),
		"nested":  "SELECT " + strings.Repeat("(", 150) + "1" + strings.Repeat(")", 150),
		"many":    strings.Repeat("SELECT 1;", n),
	} {
		stmts, err := Parse(text)
		require.NoError(t, err, name)
		out := Format(stmts[0])
		again, err := Parse(out)
		require.NoError(t, err, name)
		require.True(t, Equal(stmts[0], again[0]), name)
	}
}

// TestMutations changes the statements of the corpus token by token: whatever still can be read must be printed
// so that it reads back as the same tree, and whatever cannot must give an error with a place in the text.
func TestMutations(t *testing.T) {
	texts := corpus(t)
	var pool []string
	var statements [][]string
	for _, text := range texts {
		var words []string
		for _, tok := range scan(text) {
			switch {
			case tok.kind == tokEOF || tok.is(";"):
				if len(words) > 1 {
					statements = append(statements, words)
					pool = append(pool, words...)
				}
				words = nil
			case tok.kind != tokBad:
				words = append(words, text[tok.start:tok.end])
			}
		}
	}
	rounds := 15_000
	if testing.Short() {
		rounds = 2_000
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	read := 0
	for range rounds {
		words := append([]string(nil), statements[rnd.IntN(len(statements))]...)
		for range 1 + rnd.IntN(2) {
			i := rnd.IntN(len(words))
			switch rnd.IntN(5) {
			case 0:
				words[i] = pool[rnd.IntN(len(pool))]
			case 1:
				words = append(words[:i:i], append([]string{pool[rnd.IntN(len(pool))]}, words[i:]...)...)
			case 2:
				if len(words) > 1 {
					words = append(words[:i:i], words[i+1:]...)
				}
			case 3:
				j := rnd.IntN(len(words))
				words[i], words[j] = words[j], words[i]
			case 4: // splice a piece of another statement
				other := statements[rnd.IntN(len(statements))]
				from := rnd.IntN(len(other))
				to := min(len(other), from+1+rnd.IntN(6))
				words = append(words[:i:i], append(append([]string(nil), other[from:to]...), words[i:]...)...)
			}
		}
		text := strings.Join(words, " ")
		stmts, errs := ParseAll(text)
		for _, e := range errs {
			require.True(t, e.Span.Start >= 0 && e.Span.Start <= e.Span.End && e.Span.End <= len(text), "%v in %s", e, text)
		}
		for _, s := range stmts {
			read++
			out := Format(s)
			again, err := Parse(out)
			require.NoError(t, err, "%s\nprinted as %s", text, out)
			require.Len(t, again, 1, "%s\nprinted as %s", text, out)
			require.True(t, Equal(s, again[0]), "%s\nprinted as %s\nread as    %s", text, out, Format(again[0]))
		}
	}
	require.Greater(t, read, rounds/30, "too few mutations can be read to show anything")
}

func TestPosition(t *testing.T) {
	src := "ab\nçd\r\ne\rf"
	for _, c := range []struct{ offset, line, col int }{
		{0, 1, 1}, {2, 1, 3}, {3, 2, 1}, {5, 2, 2}, {8, 3, 1}, {9, 3, 2}, {10, 4, 1}, {99, 4, 2}, {-1, 1, 1},
	} {
		line, col := Position(src, c.offset)
		require.Equal(t, [2]int{c.line, c.col}, [2]int{line, col}, "offset %d", c.offset)
	}
}

func TestRenderWithoutPlace(t *testing.T) {
	err := types.Errorf(types.CodeIO, "disk is full").WithHint("make room")
	require.Equal(t, "a.sql: disk is full\nhint: make room", Render(err, "a.sql", "SELECT 1"))
	require.Equal(t, "disk is full\nhint: make room", Render(err, "", ""))
	_, perr := Parse("SELECT * FORM t")
	require.Equal(t, "1:10: unexpected \"FORM\", expected end of statement\n  SELECT * FORM t\n           ~~~~\nhint: did you mean FROM?",
		Render(perr, "", "SELECT * FORM t"))
}

func TestKeepsStatementsBeforeTheError(t *testing.T) {
	stmts, err := Parse("SELECT 1; SELECT 2; SELECT FROM WHERE; SELECT 3")
	require.Error(t, err)
	require.Len(t, stmts, 2)
	stmts, errs := ParseAll("SELECT 1; SELECT (; SELECT ,; SELECT 3")
	require.Len(t, errs, 2)
	require.Len(t, stmts, 2)
}

func TestParseParts(t *testing.T) {
	x, err := ParseExpr("a + 1")
	require.NoError(t, err)
	require.Equal(t, types.Span{Start: 0, End: 5}, x.Span())
	_, err = ParseExpr("a + 1 b")
	require.Error(t, err)
	_, err = ParseExpr("")
	require.Error(t, err)
	q, err := ParseQuery("SELECT 1 ORDER BY 1")
	require.NoError(t, err)
	require.Len(t, q.OrderBy, 1)
	ty, err := ParseType("numeric(10, 2)[]")
	require.NoError(t, err)
	require.Equal(t, []int{10, 2}, ty.Mods)
	_, err = ParseType("1")
	require.Error(t, err)
}

// TestSpans checks the places of nodes by the text they cover.
func TestSpans(t *testing.T) {
	text := `SELECT a.b + 1 AS x, count(*) FILTER (WHERE c) FROM t AS u JOIN v ON (p = q) WHERE (d OR e) AND f::int > 1 ORDER BY g DESC`
	stmts, err := Parse(text)
	require.NoError(t, err)
	seen := map[string]bool{}
	Inspect(stmts[0], func(n Node) bool {
		seen[text[n.Span().Start:n.Span().End]] = true
		return true
	})
	for _, want := range []string{text, "a.b + 1 AS x", "a.b + 1", "a.b", "count(*) FILTER (WHERE c)", "t AS u", "t AS u JOIN v ON (p = q)",
		"p = q", "(d OR e) AND f::int > 1", "d OR e", "f::int", "f::int > 1", "g DESC", "int", "u"} {
		require.True(t, seen[want], "no node covers %q", want)
	}
}

func TestExpressions(t *testing.T) {
	stmts, err := Parse(`SELECT a + f(b) FROM t WHERE c IN (SELECT d FROM u)`)
	require.NoError(t, err)
	var names []string
	Expressions(stmts[0], func(x Expr) bool {
		if c, ok := x.(*ColumnRef); ok {
			names = append(names, c.Parts[0].Name)
		}
		_, in := x.(*InExpr)
		return !in
	})
	require.Equal(t, []string{"a", "b"}, names)
}

func TestEqual(t *testing.T) {
	eq := func(a, b string) bool {
		x, err := ParseExpr(a)
		require.NoError(t, err)
		y, err := ParseExpr(b)
		require.NoError(t, err)
		return Equal(x, y)
	}
	require.True(t, eq(`a+1`, `(  "a" + 1 )`))
	require.True(t, eq(`a::int`, `CAST(a AS int)`))
	require.False(t, eq(`a+1`, `a+2`))
	require.False(t, eq(`a`, `'a'`))
	require.False(t, eq(`a AND b AND c`, `a AND (b AND c)`))
	require.False(t, eq(`f(a)`, `f(DISTINCT a)`))
}

var smoke = []string{
	`SELECT 1`,
	`WITH RECURSIVE t(a) AS MATERIALIZED (SELECT 1 UNION ALL SELECT a+1 FROM t) SELECT * FROM t`,
	`SELECT a, b AS c, t.*, count(*) FILTER (WHERE a > 1) OVER (PARTITION BY x ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM t`,
	`SELECT window_start, max(price) FROM TUMBLE(bids, ts, INTERVAL '10' SECOND) GROUP BY window_start EMIT ON WINDOW CLOSE`,
	`SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND, offset => INTERVAL '1 s'))`,
	`SELECT * FROM TABLE(SESSION(DATA => TABLE bids PARTITION BY (a, b), TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '10' SECOND)) AS w`,
	`SELECT TUMBLE_START(ts, INTERVAL 10 SECONDS) FROM t GROUP BY TUMBLE(ts, INTERVAL '10' SECOND)`,
	`SELECT * FROM a NATURAL JOIN b LEFT JOIN c USING (x) CROSS JOIN d, LATERAL (SELECT 1) z, unnest(ARRAY[1,2]) WITH ORDINALITY u(x, n)`,
	`SELECT * FROM o LEFT JOIN r FOR SYSTEM_TIME AS OF o.proctime AS rr ON o.c = rr.c ASOF JOIN q ON q.ts <= o.ts`,
	`SELECT ((SELECT 1) + 1), ((SELECT 1) UNION SELECT 2) FROM ((SELECT 1) UNION (SELECT 2)) x, ((SELECT 1) y JOIN z ON true)`,
	`SELECT a::int[], CAST(b AS double precision), date '2020-01-01', timestamp with time zone '2020', x AT TIME ZONE 'UTC', (r).f, (r).*, a[1], a[1:2], a[:], 'x'::varchar(3)`,
	`SELECT extract(year FROM ts), substring(a FROM 1 FOR 2), position('a' IN b), overlay(a PLACING b FROM 1), trim(LEADING 'x' FROM y), a IS NOT DISTINCT FROM b, a NOT BETWEEN SYMMETRIC 1 AND 2, a NOT LIKE b ESCAPE 'x', a = ANY(ARRAY[1]), a IN (1,2), a IN (SELECT 1), a COLLATE "C", $1`,
	`SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x), string_agg(DISTINCT a, ',' ORDER BY b DESC NULLS LAST) FROM t GROUP BY GROUPING SETS ((a, b), (), ROLLUP (a, (b, c))), CUBE (x), y`,
	`CREATE SOURCE bids (auction BIGINT, price BIGINT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4 seconds') WITH (connector = 'kafka', topic = 'bids', 'brokers' = 'localhost:9092') FORMAT JSON`,
	`CREATE TABLE t (k INT PRIMARY KEY, v TEXT DEFAULT 'x' NOT NULL, p AS PROCTIME(), o BIGINT METADATA FROM 'offset' VIRTUAL, PRIMARY KEY (k) NOT ENFORCED) APPEND ONLY INCLUDE key AS kk INCLUDE header 'x' bytea AS h WITH (a = 1, b.c = foo) FORMAT UPSERT ENCODE AVRO (schema.registry = 'x') KEY ENCODE TEXT`,
	`CREATE SINK s FROM mv WITH (connector = 'file', path = 'out/', format = 'parquet')`,
	`CREATE SINK s AS SELECT * FROM t EMIT EVERY INTERVAL '1 s' WITH (x = 1) FORMAT JSON`,
	`INSERT INTO t (a, b) VALUES (1, DEFAULT) ON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.a > 1 RETURNING *`,
	`SELECT * FROM t AS OF EPOCH 5 EMIT CHANGES`, `SELECT key, value, timestamp, date, source, window_start, interval FROM t emit`,
	`EXPLAIN ANALYZE SELECT 1; EXPLAIN (logical, format json) SELECT 1; SHOW CREATE VIEW v; SHOW JOBS; SHOW timezone; SET dialect = mysql; SET trigger = '1 second'; SET x TO a, b`,
	`ALTER SOURCE s PAUSE; ALTER MATERIALIZED VIEW v AS SELECT 1; ALTER TABLE t ADD COLUMN x INT, DROP y; ALTER SINK s SET (a = 1)`,
	`FETCH FORWARD 5 FROM c; DECLARE c CURSOR FOR SUBSCRIBE t; PREPARE p (int) AS SELECT $1; EXECUTE p(1); COPY t FROM STDIN WITH (FORMAT csv)`,
	`SELECT a FROM t ORDER BY a DESC LIMIT 5 OFFSET 2; VALUES (1,2),(3,4); TABLE t; (SELECT 1) UNION (SELECT 2) ORDER BY 1 FETCH FIRST 3 ROWS WITH TIES`,
}
