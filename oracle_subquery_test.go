package streamsql_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// subqueryMaker writes random queries with subqueries, correlated ones above all, over the relations t, u and v, all with the
// columns a and b (integer), n (numeric) and s (text), in words that streamsql and PostgreSQL share.
type subqueryMaker struct {
	*rand.Rand
	aliases int
	scope   []string // aliases in scope, the innermost query's last
	own     int      // how many of scope are of the innermost query
	with    bool     // there is a WITH query w
}

func (q *subqueryMaker) pick(list ...string) string { return list[q.IntN(len(list))] }

func (q *subqueryMaker) chance(oneIn int) bool { return q.IntN(oneIn) == 0 }

// alias names a new relation.
func (q *subqueryMaker) alias() string {
	q.aliases++
	return fmt.Sprint("r", q.aliases)
}

// column is a column of a relation in scope: mostly of the query at hand, else of one around.
func (q *subqueryMaker) column(name string) string {
	if q.own > 0 && !q.chance(3) {
		return q.scope[len(q.scope)-1-q.IntN(q.own)] + "." + name
	}
	return q.scope[q.IntN(len(q.scope))] + "." + name
}

func (q *subqueryMaker) integer(depth int) string {
	if depth <= 0 || q.chance(2) {
		if len(q.scope) == 0 || q.chance(6) {
			return q.pick("0", "1", "2", "NULL::int")
		}
		return q.column(q.pick("a", "b"))
	}
	switch q.IntN(5) {
	case 0:
		return "(" + q.integer(depth-1) + " + " + q.pick("1", q.integer(depth-1)) + ")"
	case 1:
		return "coalesce(" + q.integer(depth-1) + ", " + q.integer(depth-1) + ")"
	case 2:
		return "CASE WHEN " + q.condition(depth-1) + " THEN " + q.integer(depth-1) + " ELSE " + q.integer(depth-1) + " END"
	}
	return q.scalar(depth - 1)
}

// nested runs f for a query inside of the one at hand.
func (q *subqueryMaker) nested(f func() string) string {
	scope, own := q.scope, q.own
	q.own = 0
	defer func() { q.scope, q.own = scope, own }()
	return f()
}

// scalar is a subquery as a value.
func (q *subqueryMaker) scalar(depth int) string {
	return "(" + q.nested(func() string {
		from := q.from(depth)
		switch q.IntN(6) {
		case 0:
			return "SELECT " + q.integer(depth-1) + from + q.where(depth) + " ORDER BY 1 LIMIT 1"
		case 1:
			return "SELECT " + q.integer(depth-1) + from + q.where(depth) // more than one row is an error
		case 2:
			return "SELECT count(*)::int + " + q.pick("0", "1") + from + q.where(depth)
		case 3:
			return "SELECT max(" + q.integer(depth-1) + ")" + from + q.where(depth) + " HAVING count(*) " + q.pick("> 1", "< 3", "= 0")
		}
		return "SELECT " + q.pick("max", "min", "sum", "count") + "(" + q.integer(depth-1) + ")::int" + from + q.where(depth)
	}) + ")"
}

// rows is a query of one integer column.
func (q *subqueryMaker) rows(depth int) string {
	return q.nested(func() string {
		if depth > 0 && q.chance(6) {
			return q.rows(depth-1) + q.pick(" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT ", " EXCEPT ALL ") + q.rows(depth-1)
		}
		if q.chance(12) {
			return "SELECT " + q.integer(depth-1)
		}
		if q.chance(12) && len(q.scope) > 0 {
			return "SELECT " + q.pick("g", "max(g)") + " FROM generate_series(" + q.integer(0) + ", 3) g" + q.pick("", " WHERE g > "+q.integer(0))
		}
		if q.chance(12) {
			return "VALUES (" + q.integer(depth-1) + "), (" + q.integer(0) + ")"
		}
		from := q.from(depth)
		switch q.IntN(7) {
		case 0:
			return "SELECT DISTINCT " + q.integer(0) + from + q.where(depth)
		case 1:
			c := q.scope[len(q.scope)-1] + "." + q.pick("a", "b")
			return "SELECT " + q.pick(c, "count(*)::int", "max("+q.integer(depth-1)+")") + from + q.where(depth) + " GROUP BY " + q.pick(c, c, "ROLLUP ("+c+")") + q.pick("", " HAVING count(*) > 1", " HAVING max("+q.integer(0)+") > 1")
		case 2:
			return "(SELECT " + q.integer(0) + from + q.where(depth) + " ORDER BY 1" + q.pick(" DESC", "") + " LIMIT " + q.pick("1", "2", "3 OFFSET 1") + ")"
		case 3:
			return "SELECT " + q.pick("max", "min", "count") + "(" + q.integer(0) + ")::int" + from + q.where(depth)
		case 4:
			c := q.scope[len(q.scope)-1] + "."
			return "SELECT rank() OVER (PARTITION BY " + c + "a ORDER BY " + c + "b)::int" + from + q.where(depth)
		}
		return "SELECT " + q.integer(depth-1) + from + q.where(depth)
	})
}

// from puts one or two relations into scope.
func (q *subqueryMaker) from(depth int) string {
	one := func(lateral bool) string {
		alias := q.alias()
		text := q.pick("t", "u", "v", "g") + " " + alias
		if q.with && q.chance(2) {
			text = "w " + alias
		}
		switch {
		case depth > 0 && q.chance(5):
			text = "(SELECT a, b, n, s FROM " + q.pick("t", "u", "v") + q.pick("", " WHERE a > 0", " UNION ALL SELECT a, b, n, s FROM u") + ") " + alias
		case lateral && depth > 0 && q.chance(2):
			text = "LATERAL (" + q.nested(func() string {
				inner := q.from(depth - 1)
				c := q.scope[len(q.scope)-1] + "."
				switch q.IntN(4) {
				case 3:
					return "SELECT g AS a, g + " + q.integer(0) + " AS b, " + c + "n, " + c + "s" + inner + ", generate_series(" + q.pick("0", "1") + ", " + q.integer(0) + ") g" + q.where(depth-1)
				case 0:
					return "SELECT " + q.integer(depth-1) + " AS a, " + q.integer(0) + " AS b, " + c + "n, " + c + "s" + inner + q.where(depth-1)
				case 1:
					return "SELECT max(" + c + "a) AS a, count(*)::int AS b, sum(" + c + "n) AS n, min(" + c + "s) AS s" + inner + q.where(depth-1)
				}
				return "SELECT " + c + "a, " + c + "b, " + c + "n, " + c + "s" + inner + q.where(depth-1) + " ORDER BY 1, 2, 3, 4 LIMIT 2"
			}) + ") " + alias
		}
		q.scope = append(q.scope[:len(q.scope):len(q.scope)], alias)
		q.own++
		return text
	}
	text := " FROM " + one(false)
	if q.chance(3) {
		switch q.IntN(4) {
		case 0:
			text += ", " + one(true)
		case 1:
			text += " JOIN " + one(true) + " ON " + q.condition(depth-1)
		case 2:
			text += " LEFT JOIN " + one(true) + " ON " + q.pick(q.comparison(0), q.condition(depth-1))
		case 3:
			l := q.scope[len(q.scope)-1]
			text += " FULL JOIN " + one(false) + " ON " + l + ".a = " + q.scope[len(q.scope)-1] + "." + q.pick("a", "b")
		}
	}
	return text
}

func (q *subqueryMaker) where(depth int) string {
	if q.chance(5) {
		return ""
	}
	return " WHERE " + q.condition(depth)
}

func (q *subqueryMaker) comparison(depth int) string {
	switch q.IntN(6) {
	case 0:
		return q.column("s") + q.pick(" = ", " <> ", " < ") + q.column("s")
	case 1:
		return q.column("n") + q.pick(" = ", " > ") + q.column("n")
	case 2, 3:
		return q.column(q.pick("a", "b")) + " = " + q.column(q.pick("a", "b"))
	}
	return q.integer(depth) + q.pick(" = ", " <> ", " < ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + q.integer(depth)
}

func (q *subqueryMaker) condition(depth int) string {
	if depth <= 0 {
		return q.comparison(0)
	}
	switch q.IntN(11) {
	case 0, 1:
		return "(" + q.condition(depth-1) + q.pick(" AND ", " AND ", " OR ") + q.condition(depth-1) + ")"
	case 2:
		return "NOT (" + q.condition(depth-1) + ")"
	case 3, 4:
		return q.pick("", "NOT ") + "EXISTS (" + q.rows(depth-1) + ")"
	case 5, 6:
		return q.integer(depth-1) + q.pick(" IN (", " NOT IN (") + q.rows(depth-1) + ")"
	case 7:
		return q.integer(0) + q.pick(" = ", " <> ", " < ", " >= ") + q.pick("ANY", "ALL") + " (" + q.rows(depth-1) + ")"
	case 8:
		return "(" + q.integer(0) + ", " + q.column("s") + ")" + q.pick(" IN (", " NOT IN (") + q.nested(func() string {
			from := q.from(depth - 1)
			return "SELECT " + q.integer(0) + ", " + q.column("s") + from + q.where(depth-1)
		}) + ")"
	case 9:
		return "(" + q.condition(depth-1) + ") IS " + q.pick("TRUE", "NOT TRUE", "UNKNOWN", "NOT FALSE")
	}
	return q.comparison(depth)
}

// query is a whole query.
func (q *subqueryMaker) query() string {
	q.aliases, q.scope, q.own = 0, nil, 0
	depth := 1 + q.IntN(2)
	from := q.from(depth)
	switch q.IntN(10) {
	case 9:
		with := "WITH w AS (SELECT " + q.column("a") + " AS a, " + q.column("b") + " AS b, " + q.column("n") + " AS n, " + q.column("s") + " AS s" + from + q.where(depth) + ") "
		q.scope, q.own, q.with = nil, 0, true
		defer func() { q.with = false }()
		from = q.from(depth)
		return with + "SELECT " + q.column("a") + " AS c1, " + q.integer(depth) + " AS c2" + from + q.where(depth)
	case 8:
		key := q.integer(depth)
		return "SELECT " + key + " AS c1, count(*) AS c2" + from + q.where(0) + " GROUP BY 1"
	case 7:
		return "SELECT " + q.column("a") + " AS c1, " + q.pick("sum", "count", "max") + "(" + q.integer(depth) + ") OVER (PARTITION BY " + q.column("b") + q.pick("", " ORDER BY "+q.integer(1)) + ") AS c2" + from + q.where(0)
	case 6:
		return "SELECT count(*) FILTER (WHERE " + q.condition(depth) + ") AS c1, sum(" + q.integer(depth) + ") AS c2" + from + q.where(0)
	case 0:
		c := q.scope[0] + "." + q.pick("a", "b")
		return "SELECT " + c + " AS c1, count(*) AS c2, max(" + q.integer(depth) + ") AS c3" + from + q.where(depth) + " GROUP BY " + c +
			q.pick("", " HAVING max("+q.integer(0)+") "+q.pick("> ", "= ")+q.nested(func() string { return q.scalar(depth - 1) }))
	case 1:
		cond := q.condition(depth)
		return "SELECT " + q.column("a") + " AS c1, " + cond + " AS c2" + from + q.where(0)
	case 2:
		return "SELECT " + q.column("a") + " AS c1, ARRAY(SELECT x FROM (" + q.rows(depth-1) + ") q(x) ORDER BY x)::text AS c2" + from + q.where(0)
	}
	return "SELECT " + q.column("a") + " AS c1, " + q.column("s") + " AS c2, " + q.integer(depth) + " AS c3, (" + q.scalar(depth-1) + ") AS c4" + from + q.where(depth)
}

// TestRandomSubqueries keeps random queries with subqueries as materialized views, changes their tables, and compares them with
// PostgreSQL's answers after each step. SEEDS and SEED are as for TestRandomQueries.
func TestRandomSubqueries(t *testing.T) {
	first, last, until := int64(1), int64(math.MaxInt64), time.Now().Add(5*time.Second)
	if s := os.Getenv("SEEDS"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		last, until = n, time.Now().Add(24*time.Hour)
	}
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		first, last = n, n
	}
	if testing.Short() {
		until = time.Now().Add(time.Second)
	}
	pg := pgtest.Open(t)
	stats := &oracleStats{refused: map[string]int{}}
	for seed := first; seed <= last && time.Now().Before(until); seed++ {
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runSubqueries(t, pg, seed, stats) })
		if !ok && os.Getenv("KEEP_GOING") == "" {
			t.Fatalf("run it again with SEED=%d", seed)
		}
	}
	t.Logf("%d queries compared %d times; PostgreSQL failed on %d queries; streamsql refused %v", stats.queries, stats.compared, stats.failed, stats.refused)
}

// subqueryRow is a random row of t, u or v.
func subqueryRow(rnd *rand.Rand) string {
	cell := func(list ...string) string {
		if rnd.IntN(6) == 0 {
			return "NULL"
		}
		return list[rnd.IntN(len(list))]
	}
	return fmt.Sprintf("(%s, %s, %s, %s)", cell("0", "1", "2", "3"), cell("0", "1", "2"), cell("1.0", "1.00", "2.5", "0"), cell("'x'", "'y'", "''"))
}

// subqueryChange is a random statement that changes one of the tables.
func subqueryChange(rnd *rand.Rand, inserts bool) string {
	pick := func(list ...string) string { return list[rnd.IntN(len(list))] }
	table := pick("t", "u", "v")
	if inserts || rnd.IntN(2) == 0 {
		rows := make([]string, 1+rnd.IntN(6))
		for i := range rows {
			rows[i] = subqueryRow(rnd)
		}
		return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
	}
	which := pick("a = 0", "a = 1", "b = 2", "a IS NULL", "s = 'x'", "n > 1", "a = b")
	switch rnd.IntN(5) {
	case 0:
		return "DELETE FROM " + table + " WHERE " + which
	case 1:
		return "DELETE FROM " + table + " WHERE a IN (SELECT b FROM " + pick("t", "u", "v") + " WHERE " + which + ")"
	case 2:
		return "UPDATE " + table + " SET a = (SELECT max(b) FROM " + pick("t", "u", "v") + " x WHERE x.a = " + table + ".b) WHERE " + which
	case 3:
		return "UPDATE " + table + " SET n = coalesce(n, 0) + 0.5, b = a WHERE EXISTS (SELECT 1 FROM u x WHERE x.b = " + table + ".a)"
	}
	return "UPDATE " + table + " SET " + pick("a = b", "b = a", "a = 1", "s = 'y'", "b = NULL") + " WHERE " + which
}

func runSubqueries(t *testing.T, pg *pgtest.DB, seed int64, stats *oracleStats) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(uint64(seed), 3))
	o := &oracleDB{opts: streamsql.Options{Dir: t.TempDir(), Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true}}
	o.open(t)
	defer func() { o.db.Close() }()
	pg.MustExec(t, "DROP VIEW IF EXISTS g; DROP TABLE IF EXISTS t, u, v")
	both := func(text string) {
		pg.MustExec(t, text)
		_, err := o.db.Exec(ctx, text)
		require.NoError(t, err, text)
	}
	for _, name := range []string{"t", "u", "v"} {
		both("CREATE TABLE " + name + " (a int, b int, n numeric, s text)")
	}
	both("CREATE VIEW g AS SELECT a, max(b) AS b, max(n) AS n, min(s) AS s FROM t GROUP BY a")
	before := []string{subqueryChange(rnd, true), subqueryChange(rnd, true)}
	var changes []string
	for range 8 {
		changes = append(changes, subqueryChange(rnd, false))
	}
	for _, text := range append(before, changes...) {
		pg.MustExec(t, text)
	}
	for _, text := range before { // the views find rows when they are made
		_, err := o.db.Exec(ctx, text)
		require.NoError(t, err, text)
	}
	var kept []*pending
	maker := &subqueryMaker{Rand: rnd}
	for len(kept) < 5 {
		text := maker.query()
		stats.queries++
		if _, err := pg.Query(text); err != nil {
			stats.failed++
			require.NotContains(t, []string{"42601", "42703", "42804", "42725", "42P01", "42883"}, pgtest.SQLState(err), "the generator is wrong: %v\n%s", err, text)
			continue
		}
		q := &pending{query: query{ours: text, pg: text}, view: fmt.Sprint("v", len(kept))}
		if _, err := o.db.Exec(ctx, "CREATE MATERIALIZED VIEW "+q.view+" AS "+text); err != nil {
			var e *types.Error
			if errors.As(err, &e) && strings.HasPrefix(e.Msg, "not supported yet") {
				stats.refused[e.Msg]++
				continue
			}
			t.Fatalf("streamsql: %v\n%s", err, text)
		}
		kept = append(kept, q)
	}
	pg.MustExec(t, "TRUNCATE t, u, v")
	for _, text := range before {
		pg.MustExec(t, text)
	}
	for _, text := range changes {
		both(text)
		if err := o.db.WaitIdle(ctx); err != nil {
			t.Fatalf("streamsql: %v\n%s", err, describe(kept))
		}
		if rnd.IntN(8) == 0 {
			require.NoError(t, o.db.Close())
			o.open(t)
		}
		// PostgreSQL need not compute the left side of IN over no rows, and then does not find that it has several rows.
		several, err := ours(o.db, "SELECT 1 FROM streamsql.rejected WHERE message LIKE 'more than one row%'")
		require.NoError(t, err)
		for _, q := range kept {
			if len(several) > 0 && strings.Contains(q.ours, " IN (") {
				stats.refused["more than one row"]++
				continue
			}
			compare(t, pg, o, q, stats)
		}
		if t.Failed() {
			return
		}
	}
}
