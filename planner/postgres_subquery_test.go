package planner

import (
	"testing"

	"github.com/streamsql/streamsql/internal/pgtest"
)

// comparedSubqueries are bound here and by PostgreSQL: both must give the same column names and types, or the same SQLSTATE.
var comparedSubqueries = []string{
	// Names of columns.
	"SELECT (SELECT max(x) FROM u), (SELECT x FROM u LIMIT 1), (SELECT 1), (SELECT 1 AS one), EXISTS (SELECT 1), a IN (SELECT x FROM u), ARRAY(SELECT x FROM u) FROM t",
	"SELECT (SELECT x FROM u)::text, coalesce((SELECT x FROM u), 1), (VALUES (1)), (SELECT 1 UNION SELECT 2 LIMIT 1), ((SELECT 5)) FROM t",
	// Types.
	"SELECT (SELECT NULL), (SELECT 'x'), (SELECT sum(x) FROM u), (SELECT y FROM u), a + (SELECT avg(x) FROM u), (SELECT 1.5) FROM t",
	"SELECT '5' IN (SELECT x FROM u), 5 = ANY (SELECT y FROM u), a < ALL (SELECT n FROM t), c LIKE ANY (SELECT z FROM u) FROM t",
	// Scopes.
	"SELECT a, (SELECT max(x) FROM u WHERE y = a) FROM t", "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE x = t.a)",
	"SELECT a FROM t WHERE EXISTS (SELECT 1 FROM t WHERE a = t.a)", "SELECT a FROM t o WHERE EXISTS (SELECT 1 FROM t WHERE t.a = o.a)",
	"SELECT (SELECT (SELECT t.a + u.x FROM v WHERE w = u.y) FROM u WHERE u.x = t.b) FROM t",
	"SELECT (SELECT a FROM (SELECT t.a) s) FROM t", "SELECT (WITH q AS (SELECT t.a AS z) SELECT (SELECT max(z) FROM q WHERE q.z = u.x) FROM u LIMIT 1) FROM t",
	"SELECT a FROM t WHERE a IN (SELECT a FROM u)", "SELECT a FROM t WHERE a IN (SELECT zz FROM u)", "SELECT a FROM t WHERE EXISTS (SELECT u.a FROM u)",
	"SELECT a FROM t WHERE EXISTS (SELECT t2.a FROM u)", "SELECT (SELECT t.zz FROM u) FROM t", "SELECT (SELECT x FROM u, v WHERE k = 1) FROM t",
	"SELECT a FROM t, (SELECT x FROM u WHERE x = t.a) s", "SELECT a FROM t, (SELECT x FROM u WHERE x = a) s", "SELECT (SELECT a FROM u, t AS t2, t AS t3) FROM t",
	// Grouping.
	"SELECT a, (SELECT max(x) FROM u WHERE y = a) FROM t GROUP BY a", "SELECT a, (SELECT max(x) FROM u WHERE y = b) FROM t GROUP BY a",
	"SELECT a + 1, (SELECT a + 1) FROM t GROUP BY a + 1", "SELECT count(*), (SELECT count(*)) FROM t", "SELECT count(*), (SELECT max(x) FROM u) FROM t",
	"SELECT max(a), (SELECT x FROM u WHERE y = max(t.b) LIMIT 1) FROM t", "SELECT max(a), (SELECT x FROM u WHERE y = max(max(t.b)) LIMIT 1) FROM t",
	"SELECT a, max((SELECT x FROM u WHERE y = b)) FROM t GROUP BY a", "SELECT (SELECT max(x) FROM u WHERE y = a), count(*) FROM t GROUP BY (SELECT max(x) FROM u WHERE y = a)",
	"SELECT a FROM t GROUP BY a HAVING EXISTS (SELECT 1 FROM u WHERE x = max(t.b))", "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE max(x) > 1)",
	"SELECT count(*) FROM t WHERE a = (SELECT max(t.b) FROM u)", "SELECT max(a), (SELECT max(t.a + u.x) FROM u) FROM t",
	"SELECT count(*) FROM t HAVING (SELECT count(*) FROM u WHERE x = a) > 1",
	// How many columns.
	"SELECT (SELECT x, y FROM u)", "SELECT 1 IN (SELECT x, y FROM u)", "SELECT (1, 2) IN (SELECT x FROM u)", "SELECT (1, 2) IN (SELECT x, y FROM u)",
	"SELECT (a, b) = (SELECT x, y FROM u LIMIT 1) FROM t", "SELECT (a, b) < ALL (SELECT x, y FROM u) FROM t", "SELECT (a, b) = (SELECT x FROM u) FROM t", "SELECT (a, b) = (SELECT x, y, z FROM u) FROM t",
	"SELECT ARRAY(SELECT x, y FROM u)", "SELECT EXISTS (SELECT x, y FROM u)", "SELECT EXISTS (SELECT * FROM u)", "SELECT EXISTS (SELECT FROM u)",
	// Types that do not fit.
	"SELECT a IN (SELECT z FROM u) FROM t", "SELECT a = ANY (SELECT z FROM u) FROM t", "SELECT (a, c) IN (SELECT x, y FROM u) FROM t", "SELECT 'x' IN (SELECT x FROM u)",
	"SELECT a + ANY (SELECT x FROM u) FROM t", "SELECT a FROM t WHERE (SELECT x FROM u)", "SELECT NOT (SELECT x FROM u)", "SELECT a FROM t WHERE a IN (SELECT NULL)",
	// LATERAL.
	"SELECT a, s.m FROM t, LATERAL (SELECT max(x) AS m FROM u WHERE y = a) s", "SELECT a, m FROM t CROSS JOIN LATERAL (SELECT x AS m FROM u WHERE y = t.a LIMIT 1) s",
	"SELECT a, m FROM t LEFT JOIN LATERAL (SELECT x AS m FROM u WHERE y = t.a) s ON m > b", "SELECT a, m FROM t LEFT JOIN LATERAL (SELECT x AS m FROM u) s USING (m)",
	"SELECT t.a, r.x, s.w FROM t, LATERAL (SELECT * FROM u WHERE y = a) r, LATERAL (SELECT * FROM v WHERE w = r.x) s",
	"SELECT a FROM t RIGHT JOIN LATERAL (SELECT x FROM u WHERE y = t.a) s ON true", "SELECT a FROM t FULL JOIN LATERAL (SELECT x FROM u WHERE y = t.a) s ON true",
	"SELECT a FROM LATERAL (SELECT x FROM u WHERE y = a) s, t", "SELECT a FROM t, LATERAL (SELECT count(t.a)) s", "SELECT a FROM t, LATERAL (SELECT max(x) FROM u) s(m) WHERE m > a",
	"SELECT a, g FROM t, generate_series(1, a) g", "SELECT a, g FROM t LEFT JOIN LATERAL generate_series(1, t.a) g ON true", "SELECT a, g FROM generate_series(1, a) g, t",
	// Without an alias PostgreSQL 15 wants one.
	"SELECT * FROM (SELECT x FROM u) AS s",
	// ORDER BY, ON, VALUES, CASE.
	"SELECT a FROM t ORDER BY (SELECT max(x) FROM u WHERE y = a)", "SELECT DISTINCT a FROM t ORDER BY (SELECT 1)", "SELECT t.a FROM t JOIN u ON a = x AND EXISTS (SELECT 1 FROM v WHERE k = y)",
	"VALUES ((SELECT max(x) FROM u), 1), (2, (SELECT 3))", "SELECT CASE WHEN EXISTS (SELECT 1 FROM u) THEN (SELECT x FROM u LIMIT 1) ELSE 0 END FROM t",
	"SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM u WHERE x = a)) FROM t", "SELECT sum(a) OVER (ORDER BY (SELECT max(x) FROM u)) FROM t",
	"SELECT (SELECT a FROM u ORDER BY zz) FROM t", "SELECT (SELECT count(*) OVER () FROM u LIMIT 1) FROM t", "SELECT a FROM t UNION SELECT x FROM u WHERE x = (SELECT max(b) FROM t WHERE b = u.y)",
}

// TestBindSubqueriesAsPostgreSQL compares names, types and errors of subqueries with PostgreSQL.
func TestBindSubqueriesAsPostgreSQL(t *testing.T) {
	db := pgtest.Open(t)
	s := newSession()
	for name, columns := range map[string]string{
		"t": "a INT, b BIGINT, c TEXT, n NUMERIC(10, 2)", "u": "x INT, y BIGINT, z TEXT", "v": "k INT, w BIGINT",
	} {
		db.MustExec(t, "CREATE TABLE "+name+" ("+columns+")")
		exec(t, s, "CREATE SOURCE "+name+" ("+columns+") WITH (connector = 'file', path = 'x', format = 'json')")
	}
	s.p.OrderBounded = true
	for _, text := range comparedSubqueries {
		compareBinding(t, db, s, text)
	}
}
