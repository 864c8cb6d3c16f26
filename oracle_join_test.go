package streamsql_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// joinMaker writes random queries with joins over the tables t, u, v and w, all with the columns id (a primary key), a, b (integer), c
// (bigint), n (numeric) and s (text), in words that streamsql and PostgreSQL share.
type joinMaker struct {
	*rand.Rand
	aliases int
}

func (q *joinMaker) pick(list ...string) string { return list[q.IntN(len(list))] }

func (q *joinMaker) chance(oneIn int) bool { return q.IntN(oneIn) == 0 }

// column is a column of one of the relations.
func (q *joinMaker) column(rels []string, names ...string) string {
	return rels[q.IntN(len(rels))] + "." + q.pick(names...)
}

// integer is an expression that is not nested; some can fail.
func (q *joinMaker) integer(rels []string) string {
	x := q.column(rels, "id", "a", "b", "c", "a")
	switch q.IntN(8) {
	case 0:
		return "(" + x + " + 1)"
	case 1:
		return "coalesce(" + x + ", " + q.column(rels, "id", "a") + ")"
	case 2:
		return "length(" + q.column(rels, "s") + ")"
	}
	return x
}

func (q *joinMaker) comparison(l, r []string) string {
	switch q.IntN(9) {
	case 0:
		return q.column(l, "s") + q.pick(" = ", " <> ", " < ") + q.column(r, "s")
	case 1:
		return q.column(l, "n") + q.pick(" = ", " > ") + q.column(r, "n", "c")
	case 2:
		return q.integer(l) + q.pick(" <> ", " < ", " >= ") + q.integer(r)
	case 3:
		return q.integer(l) + " IS NOT DISTINCT FROM " + q.integer(r)
	}
	return q.integer(l) + " = " + q.integer(r)
}

// alone is a condition on one relation.
func (q *joinMaker) alone(rels []string) string {
	switch q.IntN(7) {
	case 0:
		return q.column(rels, "a", "b", "s", "n", "id") + q.pick(" IS NULL", " IS NOT NULL")
	case 1:
		return q.column(rels, "a", "id") + " IN (1, 2)"
	case 2:
		return q.column(rels, "s") + " LIKE 'x%'"
	case 3:
		return "coalesce(" + q.column(rels, "a") + ", 1) = 1"
	}
	return q.integer(rels) + q.pick(" = ", " > ", " <> ") + q.pick("0", "1", "2")
}

func (q *joinMaker) on(l, r []string) string {
	both := append(slices.Clone(l), r...)
	text := q.comparison(l, r)
	for q.chance(2) {
		switch q.IntN(4) {
		case 0:
			text += " AND " + q.alone(l)
		case 1:
			text += " AND " + q.alone(r)
		case 2:
			text += " AND " + q.comparison(l, r)
		case 3:
			text = "(" + text + " OR " + q.alone(both) + ") AND " + q.comparison(l, r)
		}
	}
	return text
}

// relation is one item of FROM.
func (q *joinMaker) relation() (text string, rels []string) {
	q.aliases++
	alias := fmt.Sprint("r", q.aliases)
	table := q.pick("t", "u", "v", "w")
	switch q.IntN(8) {
	case 0:
		return "(SELECT id, max(a) AS a, min(b) AS b, sum(c)::bigint AS c, max(n) AS n, max(s) AS s FROM " + table + " GROUP BY id) " + alias, []string{alias}
	case 1:
		return "(SELECT id, a, b, c, n, s FROM " + table + " WHERE " + q.alone([]string{table}) + ") " + alias, []string{alias}
	case 2:
		return "(SELECT id, a, b, c, n, s FROM " + table + " UNION ALL SELECT id, b, a, c, n, s FROM u) " + alias, []string{alias}
	case 3:
		return "(SELECT DISTINCT a AS id, a, b, c, n, s FROM " + table + ") " + alias, []string{alias}
	}
	return table + " AS " + alias, []string{alias}
}

// from is a tree of n relations.
func (q *joinMaker) from(n int) (text string, rels []string) {
	if n == 1 {
		return q.relation()
	}
	k := 1 + q.IntN(n-1)
	if q.chance(2) {
		k = n - 1
	}
	l, lr := q.from(k)
	r, rr := q.from(n - k)
	if n-k > 1 {
		r = "(" + r + ")"
	}
	rels = append(slices.Clone(lr), rr...)
	switch q.IntN(9) {
	case 0:
		return l + " CROSS JOIN " + r, rels
	case 1, 2:
		return l + " LEFT JOIN " + r + " ON " + q.on(lr, rr), rels
	case 3:
		return l + " RIGHT JOIN " + r + " ON " + q.on(lr, rr), rels
	case 4: // PostgreSQL's FULL JOIN needs a condition of equal keys
		return l + " FULL JOIN " + r + " ON " + q.column(lr, "a", "b", "id") + " = " + q.column(rr, "a", "id") + q.pick("", " AND "+q.column(lr, "b")+" = "+q.column(rr, "b")), rels
	case 5:
		if len(lr) == 1 && len(rr) == 1 {
			return l + q.pick(" JOIN ", " LEFT JOIN ", " FULL JOIN ", " RIGHT JOIN ") + r + " USING (" + q.pick("id", "a, b", "s") + ")", rels
		}
	}
	return l + " JOIN " + r + " ON " + q.on(lr, rr), rels
}

// query is a whole query.
func (q *joinMaker) query() string {
	q.aliases = 0
	n := 2 + q.IntN(3)
	text, rels := q.from(n)
	var conds []string
	for m := q.IntN(2); m > 0; m-- { // relations joined by WHERE
		t, r := q.from(1 + q.IntN(2))
		text += ", " + t
		conds = append(conds, q.comparison(rels, r), q.column(rels, "a", "id")+" = "+q.column(r, "a", "id"))
		rels = append(rels, r...)
	}
	for q.chance(2) {
		conds = append(conds, q.alone(rels))
	}
	where := ""
	if len(conds) > 0 {
		q.Shuffle(len(conds), func(i, j int) { conds[i], conds[j] = conds[j], conds[i] })
		where = " WHERE " + strings.Join(conds, " AND ")
	}
	if q.chance(4) {
		c := q.column(rels, "a", "id", "s")
		return "SELECT " + c + " AS k, count(*) AS n, sum(" + q.column(rels, "b", "c") + ") AS x, count(" + q.column(rels, "a") + ") AS y FROM " + text + where + " GROUP BY " + c
	}
	var cols []string
	for i := range 1 + q.IntN(4) {
		cols = append(cols, q.column(rels, "id", "a", "b", "c", "n", "s")+fmt.Sprint(" AS c", i))
	}
	distinct := ""
	if q.chance(5) {
		distinct = "DISTINCT "
	}
	return "SELECT " + distinct + strings.Join(cols, ", ") + " FROM " + text + where
}

// change is a statement that changes a table.
func (q *joinMaker) change() string {
	table := q.pick("t", "u", "v", "w")
	cell := func(list ...string) string {
		if q.chance(6) {
			return "NULL"
		}
		return q.pick(list...)
	}
	switch q.IntN(6) {
	case 0:
		return "DELETE FROM " + table + " WHERE " + q.pick("id < 3", "a = 1", "b IS NULL", "s = 'x'")
	case 1:
		return "UPDATE " + table + " SET " + q.pick("a = b", "b = 2", "a = NULL", "s = 'xy', a = 1", "n = n + 1") + " WHERE " + q.pick("id < 4", "a = 2", "b = 1")
	case 2:
		return "UPDATE " + table + " SET c = " + cell("1", "2") + ", a = " + cell("0", "1", "2")
	}
	var rows []string
	for range 1 + q.IntN(3) {
		rows = append(rows, fmt.Sprintf("(%d, %s, %s, %s, %s, %s)", q.IntN(9), cell("0", "1", "2"), cell("0", "1", "2"), cell("0", "1", "2"),
			cell("1.0", "1.00", "2", "0.5"), cell("'x'", "'y'", "'xy'", "''")))
	}
	return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ") + " ON CONFLICT (id) DO NOTHING"
}

// TestRandomJoins keeps random queries with joins as materialized views, changes their tables, and compares them with PostgreSQL's
// answers after each change. SEEDS and SEED are as for TestRandomQueries.
func TestRandomJoins(t *testing.T) {
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
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runJoins(t, pg, seed, stats) })
		if !ok && os.Getenv("KEEP_GOING") == "" {
			t.Fatalf("run it again with SEED=%d", seed)
		}
	}
	t.Logf("%d queries compared %d times; PostgreSQL failed on %d queries; streamsql refused %v", stats.queries, stats.compared, stats.failed, stats.refused)
}

func runJoins(t *testing.T, pg *pgtest.DB, seed int64, stats *oracleStats) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(uint64(seed), 4))
	maker := &joinMaker{Rand: rnd}
	o := &oracleDB{opts: streamsql.Options{Dir: t.TempDir(), Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true}}
	o.open(t)
	defer func() { o.db.Close() }()
	pg.MustExec(t, "DROP TABLE IF EXISTS t, u, v, w")
	for _, name := range []string{"t", "u", "v", "w"} {
		def := "CREATE TABLE " + name + " (id int PRIMARY KEY, a int, b int, c bigint, n numeric, s text)"
		pg.MustExec(t, def)
		_, err := o.db.Exec(ctx, def)
		require.NoError(t, err)
	}
	change := func() {
		text := maker.change()
		pg.MustExec(t, text)
		_, err := o.db.Exec(ctx, text)
		require.NoError(t, err, text)
	}
	for range 4 {
		change()
	}
	var kept []*pending
	for len(kept) < 5 {
		text := maker.query()
		stats.queries++
		if _, err := pg.Query(text); err != nil {
			stats.failed++
			require.Contains(t, []string{"22003", "22012", "22P02"}, pgtest.SQLState(err), "the generator is wrong: %v\n%s", err, text)
			continue
		}
		q := &pending{query: query{ours: text, pg: text}, view: fmt.Sprint("m", len(kept))}
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
	for i := range 10 {
		if i > 0 {
			change()
		}
		if rnd.IntN(12) == 0 {
			require.NoError(t, o.db.Close())
			o.open(t)
		}
		if err := o.db.WaitIdle(ctx); err != nil {
			t.Fatalf("streamsql: %v", err)
		}
		for _, q := range kept {
			compare(t, pg, o, q, stats)
		}
		if t.Failed() {
			return
		}
	}
}
