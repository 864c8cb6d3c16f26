package planner

import (
	"testing"

	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// comparedQueries are bound here and by PostgreSQL: both must give the same column names and types, or the same SQLSTATE.
var comparedQueries = []string{
	// Names.
	"SELECT a, t.b, t.*, 1, 'x', NULL, TRUE FROM t",
	"SELECT a + 1, -a, a::text, CAST(b AS numeric(8, 1)), (a + 1)::int8, '5'::int, DATE '2020-01-01', INTERVAL '1 day' FROM t",
	"SELECT CASE WHEN ok THEN a END, CASE WHEN ok THEN 1 ELSE a END, coalesce(a, 1), nullif(a, 1), greatest(a, 2), least(a, b) FROM t",
	"SELECT count(*), sum(a), sum(b), sum(n), sum(f), avg(a), avg(f), min(c), max(ts), bool_and(ok), string_agg(c, ','), stddev(a) FROM t",
	"SELECT extract(year FROM ts), date_trunc('day', ts), ts AT TIME ZONE 'UTC', now(), current_date, localtimestamp FROM t",
	"SELECT lower(c), substring(c FROM 1 FOR 2), trim(c), c || 'x', c LIKE 'a%', a BETWEEN 1 AND 2, a IN (1, 2), a IS NULL, NOT ok FROM t",
	"SELECT a AS x, a y FROM t", "SELECT x.a FROM t AS x", "SELECT x.p, q, x.c FROM t AS x(p, q)",
	"VALUES (1, 'a', 2.5), (2, NULL, 3)", "SELECT * FROM (VALUES (1, 'a')) v(n, s)", "TABLE t",
	// Types.
	"SELECT 1, 2147483648, -2147483648, 9223372036854775808, 1.5, 1e3",
	"SELECT a + b, a + n, n + n, f + 1, a / 2, a % 2, s + 1, s + s, r + 1, r * f, n / 3, a * 1.5, b + s FROM t",
	"SELECT ts + INTERVAL '1 day', ts - ts, d + 1, d - d, tz - INTERVAL '1 h', ts - d, d + INTERVAL '1 h', INTERVAL '1 h' * 2, INTERVAL '1 h' / 2 FROM t",
	"SELECT abs(a), abs(n), round(n, 1), round(f), ceil(n), floor(f), sqrt(a), power(a, 2), mod(a, 3), length(c), upper(c) FROM t",
	"SELECT 1 UNION SELECT 2.5", "SELECT 1 UNION ALL SELECT NULL", "SELECT NULL UNION SELECT NULL", "SELECT 'a' UNION SELECT c FROM t",
	"SELECT a FROM t UNION SELECT b FROM t", "SELECT ts FROM t UNION SELECT tz FROM t", "SELECT s FROM t UNION SELECT f FROM t",
	"SELECT d FROM t UNION SELECT ts FROM t", "SELECT v FROM t UNION SELECT c FROM t", "SELECT 1 INTERSECT SELECT 2", "SELECT 1 EXCEPT SELECT 2.0",
	"SELECT CASE WHEN ok THEN 1 ELSE 2.5 END, CASE a WHEN 1 THEN 'x' END, CASE WHEN ok THEN NULL ELSE d END FROM t",
	"SELECT coalesce(a, n), coalesce(NULL, 'x'), coalesce(d, ts), greatest(a, 2.5) FROM t",
	"SELECT sum(s), sum(r), avg(s), avg(r), sum(INTERVAL '1 h'), max(v), min(d), count(c), bit_and(s), var_pop(n) FROM t",
	"SELECT 'a' || 1, 1 || 'a', a || c, a::varchar(3), v FROM t",
	"SELECT x FROM (SELECT 'lit' AS x) q", "WITH q AS (SELECT NULL AS x) SELECT x FROM q",
	// Grouping.
	"SELECT a, count(*) FROM t GROUP BY a", "SELECT a + 1, count(*) FROM t GROUP BY a + 1", "SELECT a + 1 + 1 FROM t GROUP BY a + 1",
	"SELECT a AS x, count(*) FROM t GROUP BY x", "SELECT a AS b FROM t GROUP BY b", "SELECT count(*), c FROM t GROUP BY 2", "SELECT count(*) FROM t HAVING count(*) > 1",
	"SELECT a, b, grouping(a, b), count(*) FROM t GROUP BY ROLLUP (a, b)", "SELECT lower(c), max(a) FROM t GROUP BY lower(c) HAVING min(a) > 1",
	"SELECT count(*) FILTER (WHERE a > 1), count(DISTINCT a) FROM t", "SELECT 1 FROM t GROUP BY ()", "SELECT DISTINCT a, b FROM t",
	"SELECT a::text::int, '1'::int::text, DATE '2020-01-01'::text, CASE WHEN ok THEN 1 END::text, lower(c)::varchar::text FROM t",
	// Window functions.
	"SELECT row_number() OVER (), rank() OVER (ORDER BY a), percent_rank() OVER (ORDER BY a), cume_dist() OVER w, ntile(3) OVER w, ntile('3') OVER w FROM t WINDOW w AS (ORDER BY b)",
	"SELECT lag(a) OVER w, lag(n, 2) OVER w, lead(s, 1, 5) OVER w, lag(a, 1, 2.5) OVER w, lead(c, 1, 'x') OVER w, lag('x'::text) OVER w FROM t WINDOW w AS (ORDER BY b)",
	"SELECT first_value(ts) OVER w, last_value(c) OVER w, nth_value(d, 2) OVER w, sum(s) OVER w, avg(a) OVER w, count(*) OVER w, max(c) OVER w FROM t WINDOW w AS (PARTITION BY a ORDER BY b)",
	"SELECT sum(a) OVER (ORDER BY ts RANGE '1 day' PRECEDING), sum(a) OVER (ORDER BY d RANGE INTERVAL '1 day' PRECEDING), sum(a) OVER (ORDER BY n RANGE 1 PRECEDING), sum(a) OVER (ORDER BY f RANGE 1.5 PRECEDING), sum(a) OVER (ORDER BY s RANGE 1 PRECEDING) FROM t",
	"SELECT a, sum(count(*)) OVER (ORDER BY a) FROM t GROUP BY a", "SELECT rank() OVER (ORDER BY count(*)) FROM t", "SELECT 1 FROM t ORDER BY rank() OVER (ORDER BY a) LIMIT 1",
	"SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b DESC", "SELECT DISTINCT ON (a + 1, 2) c, b FROM t", "SELECT DISTINCT ON (a, b) c FROM t ORDER BY b, a, c",
	"SELECT a FROM t ORDER BY b LIMIT 3 OFFSET 1", "SELECT a FROM t LIMIT ALL", "SELECT a FROM t LIMIT NULL OFFSET NULL", "SELECT a FROM t FETCH FIRST ROW ONLY", "SELECT a FROM t LIMIT '3'",
	"SELECT a FROM t LIMIT 1.5", "SELECT a FROM t INTERSECT ALL SELECT b FROM t", "SELECT a FROM t EXCEPT ALL SELECT n FROM t", "(SELECT a FROM t ORDER BY b LIMIT 1) UNION SELECT 2",
	"SELECT sum(a) OVER (ORDER BY b) FROM t WHERE rank() OVER () > 1", "SELECT a FROM t GROUP BY rank() OVER ()", "SELECT a FROM t LIMIT rank() OVER ()",
	"SELECT lag() OVER () FROM t", "SELECT lag(a, 'x') OVER () FROM t", "SELECT lag(a, 1, 'x') OVER () FROM t", "SELECT lag(a, 1, c) OVER () FROM t", "SELECT first_value('x') OVER () FROM t",
	"SELECT ntile(1.5) OVER () FROM t", "SELECT sum(c) OVER () FROM t", "SELECT a, sum(b) OVER () FROM t GROUP BY a", "SELECT rank() OVER (ORDER BY b) FROM t GROUP BY a",
	"SELECT sum(a) OVER (ORDER BY 'x') FROM t", "SELECT sum(a) OVER (ORDER BY 1) FROM t", "SELECT sum(a) OVER (ORDER BY zz) FROM t", "SELECT a AS x, sum(a) OVER (ORDER BY x) FROM t",
	"SELECT sum(a) OVER (ORDER BY ok RANGE 1 PRECEDING) FROM t", "SELECT sum(a) OVER (ORDER BY ts RANGE 1 PRECEDING) FROM t", "SELECT sum(a) OVER (ROWS 1.5 PRECEDING) FROM t",
	"SELECT sum(a) OVER (ORDER BY a RANGE UNBOUNDED FOLLOWING) FROM t", "SELECT sum(DISTINCT a) OVER () FROM t",
	"SELECT array_agg(a ORDER BY b) OVER () FROM t", "SELECT a FROM t ORDER BY b FETCH FIRST 2 ROWS WITH TIES", "SELECT a FROM t FETCH FIRST 2 ROWS WITH TIES",
	"SELECT DISTINCT ON (a) b FROM t ORDER BY b", "SELECT DISTINCT ON (zz) b FROM t", "SELECT DISTINCT ON (5) b FROM t", "SELECT DISTINCT ON (a) b FROM t ORDER BY a, c, b",
	"VALUES (1, 'a'), (2, 'b') ORDER BY column1 * -1, column2 || 'x' LIMIT 1", "TABLE t ORDER BY a + b, t.c LIMIT 1", "SELECT a FROM t UNION SELECT b FROM t ORDER BY a + 1 LIMIT 1",
	"(SELECT a FROM t LIMIT 2) UNION ALL SELECT 1 ORDER BY 1 LIMIT 1", "TABLE t ORDER BY zz",
	// Set-returning functions.
	"SELECT generate_series(1, 3), generate_series(1, b), generate_series(1, n, 0.5), generate_series(ts, ts, '1 day'), generate_series(tz, tz, '1 day'), unnest(ARRAY[1, 2]), unnest('{a,b}'::text[]) FROM t",
	"SELECT * FROM generate_series(1, 3)", "SELECT g, * FROM generate_series(1, 3) g", "SELECT * FROM generate_series(1, 3) WITH ORDINALITY", "SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS g(x)",
	"SELECT * FROM unnest(ARRAY[1], ARRAY['a'])", "SELECT * FROM unnest(ARRAY[1], ARRAY['a']) AS u", "SELECT * FROM unnest(ARRAY[1]) AS u",
	"SELECT * FROM jsonb_each('{}')", "SELECT * FROM jsonb_each('{}') AS j", "SELECT * FROM jsonb_array_elements_text('[]') AS j", "SELECT * FROM lower('X')", "SELECT * FROM lower('X') AS l",
	"SELECT generate_series(1, 2) + a AS x FROM t ORDER BY x LIMIT 1", "SELECT unnest(ARRAY[a, b]) AS x, count(*) FROM t GROUP BY x", "SELECT generate_series(1, count(*)) FROM t",
	"SELECT a FROM t WHERE generate_series(1, 2) > 1", "SELECT sum(generate_series(1, a)) FROM t", "SELECT rank() OVER (ORDER BY sum(generate_series(1, 2))) FROM t", "SELECT count(*) FROM t HAVING generate_series(1, 2) > 1",
	"SELECT CASE WHEN ok THEN generate_series(1, 2) END FROM t", "SELECT coalesce(generate_series(1, 2), 3) FROM t", "SELECT lag(generate_series(1, 2)) OVER () FROM t", "VALUES (generate_series(1, 2))",
	"SELECT a FROM t LIMIT generate_series(1, 2)", "SELECT generate_series(1)", "SELECT * FROM generate_series(1)", "SELECT * FROM nosuch(1)", "SELECT * FROM generate_series(1, 'x')",
	"SELECT * FROM generate_series(1, 2) AS g(a, b)", "SELECT * FROM sum(1)", "SELECT * FROM rank()", "SELECT unnest(a) FROM t", "SELECT a FROM t GROUP BY generate_series(1, a)",
	"SELECT unnest(ARRAY[1], ARRAY[2])",
	// Errors.
	"SELECT zz FROM t", "SELECT x.a FROM t", "SELECT t.zz FROM t", "SELECT a FROM zz", "SELECT zz(a) FROM t", "SELECT lower(a) FROM t", "SELECT a + c FROM t",
	"SELECT a FROM t WHERE a", "SELECT a FROM t WHERE count(*) > 1", "SELECT a, count(*) FROM t", "SELECT a FROM t GROUP BY b", "SELECT a + 1 FROM t GROUP BY a + 2",
	"SELECT count(count(*)) FROM t", "SELECT a FROM t GROUP BY count(*)", "SELECT count(*) AS n FROM t GROUP BY n", "SELECT a FROM t GROUP BY 3", "SELECT a FROM t GROUP BY 'x'",
	"SELECT 1 UNION SELECT 1, 2", "SELECT 1 UNION SELECT TRUE", "SELECT 1 UNION SELECT 'x'", "SELECT d FROM t UNION SELECT 1", "SELECT CASE WHEN ok THEN 1 ELSE c END FROM t",
	"SELECT coalesce(a, c) FROM t", "SELECT CAST(ok AS date) FROM t", "SELECT 'x'::int", "SELECT '2020-13-01'::date", "SELECT a::nosuch FROM t", "SELECT n::numeric(0, 1) FROM t",
	"SELECT *", "SELECT a FROM t, t", "SELECT p FROM t AS x(p, p)", "SELECT * FROM t AS x(a, b, c, d, e, f, g, h, i, j, k, l)", "SELECT a FROM (SELECT a, b AS a FROM t) q",
	"SELECT lower(DISTINCT c) FROM t", "SELECT sum(*) FROM t", "SELECT lower(*) FROM t", "SELECT lower(c) FILTER (WHERE ok) FROM t",
	"SELECT string_agg(DISTINCT c, ',' ORDER BY a) FROM t", "WITH q AS (SELECT 1), q AS (SELECT 2) SELECT 1", "WITH q(x, y) AS (SELECT 1) SELECT 1 FROM q",
	"SELECT $1", "SELECT a = c FROM t", "SELECT a IN (1, 'x') FROM t", "SELECT ok + 1 FROM t", "SELECT a AND ok FROM t", "SELECT NOT a FROM t", "SELECT ts > 5 FROM t",
	"SELECT sum(c) FROM t", "SELECT sum(ok) FROM t", "SELECT max(ok) FROM t", "SELECT abs(c) FROM t", "SELECT substring(a FROM 1) FROM t", "SELECT c LIKE 5 FROM t",
	"SELECT grouping(b) FROM t GROUP BY a", "SELECT DISTINCT a FROM t ORDER BY b", "SELECT a FROM t UNION SELECT b FROM t ORDER BY zz",
	"SELECT ts + 1 FROM t", "SELECT d + d FROM t", "SELECT v FROM t UNION SELECT v FROM t ORDER BY t.v", "VALUES (1) ORDER BY zz", "SELECT a FROM t ORDER BY zz", "SELECT a FROM t ORDER BY 2", "SELECT pg_catalog.lower(c) FROM t", "SELECT nosuch.lower(c) FROM t", "SELECT '1'::int + '2'", "SELECT '1' + '2'",
}

// TestBindAsPostgreSQL compares names, types and errors with PostgreSQL.
func TestBindAsPostgreSQL(t *testing.T) {
	db := pgtest.Open(t)
	const columns = "a INT, b BIGINT, c TEXT, n NUMERIC(10, 2), f DOUBLE PRECISION, r REAL, s SMALLINT, d DATE, ts TIMESTAMP, tz TIMESTAMPTZ, ok BOOLEAN, v VARCHAR(5)"
	db.MustExec(t, "CREATE TABLE t ("+columns+")")
	s := newSession()
	exec(t, s, "CREATE SOURCE t ("+columns+") WITH (connector = 'file', path = 'x', format = 'json')")
	// Where we go another way, and why.
	differs := map[string]string{
		"SELECT a FROM t, t":                    "joins come later",
		"SELECT v FROM t UNION SELECT c FROM t": "varchar without a length is text",
	}
	for _, text := range comparedQueries {
		if differs[text] == "" {
			compareBinding(t, db, s, text)
		}
	}
}

// compareBinding compares the columns, or the error, of one query with PostgreSQL's.
func compareBinding(t *testing.T, db *pgtest.DB, s *session, text string) {
	t.Helper()
	want, wantErr := db.Query(text)
	q, err := sql.ParseQuery(text)
	var plan *QueryPlan
	if err == nil {
		plan, err = s.p.PlanQuery(q)
	}
	if wantErr != nil {
		if err == nil {
			t.Errorf("%s: PostgreSQL refuses it: %v", text, wantErr)
		} else if have := types.CodeOf(err); string(have) != pgtest.SQLState(wantErr) {
			t.Errorf("%s: error %s (%v), PostgreSQL's is %s (%v)", text, have, err, pgtest.SQLState(wantErr), wantErr)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	if len(want.Columns) != len(plan.Schema) {
		t.Errorf("%s: %d columns, PostgreSQL's has %d", text, len(plan.Schema), len(want.Columns))
		return
	}
	for i, f := range plan.Schema {
		if w := want.Columns[i]; w.Name != f.Name || w.Type != f.Type.String() {
			t.Errorf("%s: column %d is %s %s, PostgreSQL's is %s %s", text, i+1, f.Name, f.Type, w.Name, w.Type)
		}
	}
}
