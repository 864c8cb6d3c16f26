package streamsql_test

import (
	"context"
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
)

// windowMaker writes random queries with window functions of all kinds and frames, Top-N of all forms, and set-returning functions,
// over the tables t and u (id int primary key, k int, v int, s text, z numeric, ts timestamp). Their answers do not depend on how
// ties are decided.
type windowMaker struct{ *rand.Rand }

func (w windowMaker) pick(list ...string) string { return list[w.IntN(len(list))] }

func (w windowMaker) partition() string {
	return w.pick("", "PARTITION BY k ", "PARTITION BY s ", "PARTITION BY k, s ", "PARTITION BY v % 2 ")
}

// keys are one or two sort keys, a total order if total.
func (w windowMaker) keys(total bool) string {
	cols := []string{"k", "v", "s", "z", "ts"}
	w.Shuffle(len(cols), func(i, j int) { cols[i], cols[j] = cols[j], cols[i] })
	list := cols[:1+w.IntN(2)]
	for i := range list {
		list[i] += w.pick("", " DESC", " NULLS FIRST", " DESC NULLS LAST")
	}
	if total {
		list = append(list, "id"+w.pick("", " DESC"))
	}
	return strings.Join(list, ", ")
}

func (w windowMaker) window(total bool) string {
	return w.partition() + "ORDER BY " + w.keys(total)
}

// bounds are BETWEEN ... AND ... with offsets, the first not behind the second.
func (w windowMaker) bounds(offset func() string) string {
	from := w.IntN(4)
	to := max(1, from) + w.IntN(5-max(1, from))
	bound := func(i int) string {
		switch i {
		case 0:
			return "UNBOUNDED PRECEDING"
		case 1:
			return offset() + " PRECEDING"
		case 2:
			return "CURRENT ROW"
		case 3:
			return offset() + " FOLLOWING"
		}
		return "UNBOUNDED FOLLOWING"
	}
	return "BETWEEN " + bound(from) + " AND " + bound(to) + w.pick("", "", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES")
}

func (w windowMaker) frame() string {
	return " " + w.pick("ROWS ", "GROUPS ") + w.bounds(func() string { return strconv.Itoa(w.IntN(4)) })
}

func (w windowMaker) rangeWindow() string {
	list := [][2]string{{"v", "2"}, {"v", "1"}, {"z", "0.75"}, {"ts", "INTERVAL '4 minutes'"}, {"id", "3"}}[w.IntN(5):]
	return w.partition() + "ORDER BY " + list[0][0] + w.pick("", " DESC", " NULLS FIRST", " DESC NULLS LAST") + " RANGE " + w.bounds(func() string { return list[0][1] })
}

func (w windowMaker) aggregate() string {
	return w.pick("sum(v)", "count(*)", "count(v)", "min(v)", "max(s)", "avg(v)", "sum(z)", "min(ts)", "max(z)", "bool_or(v > 3)",
		"count(*) FILTER (WHERE v > 2)", "sum(v) FILTER (WHERE k = 1)")
}

func (w windowMaker) call() string {
	switch w.IntN(8) {
	case 0:
		return "row_number() OVER (" + w.window(true) + ")"
	case 1:
		return w.pick("rank()", "dense_rank()", "percent_rank()", "cume_dist()") + " OVER (" + w.window(false) + ")"
	case 2:
		return w.pick("lag(v)", "lead(s)", "lag(v, 2, -1)", "lead(z, 1)", "lag(v, k)", "ntile(3)", "lag(s, 0)", "lead(v, -1)") + " OVER (" + w.window(true) + ")"
	case 3:
		return w.pick("first_value(v)", "last_value(s)", "nth_value(v, 2)", "first_value(s)", "nth_value(s, 3)") + " OVER (" + w.window(true) + w.pick("", w.frame()) + ")"
	case 4:
		return w.aggregate() + " OVER (" + w.window(true) + w.frame() + ")"
	case 5:
		return w.aggregate() + " OVER (" + w.window(false) + ")"
	case 6:
		return w.aggregate() + " OVER (" + w.rangeWindow() + ")"
	}
	return w.aggregate() + " OVER (" + strings.TrimSpace(w.partition()) + ")"
}

func (w windowMaker) query() string {
	from := w.pick("t", "t", "(SELECT * FROM t WHERE v IS NOT NULL) t", "(SELECT * FROM t WHERE k > 1 OR s = 'a') t")
	switch w.IntN(10) {
	case 0:
		cond := w.pick("n <= 2", "n < 4", "n = 1", "n BETWEEN 2 AND 3", "n <= 3 AND r <= 2", "r <= 2", "r = 2", "d <= 2", "d < 3 AND v > 1", "n IN (1, 3)",
			"n <= 3 AND k = 1", "n > 1 AND n <= 4 AND s IS NOT NULL", "n <= 2 OR d = 1")
		ranks := w.window(false)
		return "SELECT id, v" + w.pick("", ", n", ", r", ", d") + " FROM (SELECT *, row_number() OVER (" + w.window(true) + ") AS n, rank() OVER (" + ranks +
			") AS r, dense_rank() OVER (" + w.pick(ranks, w.window(false)) + ") AS d FROM " + from + ") x WHERE " + cond
	case 1:
		return fmt.Sprintf("SELECT id, v FROM (SELECT * FROM %s ORDER BY %s LIMIT %d OFFSET %d) x", from, w.keys(true), w.IntN(7), w.IntN(4))
	case 2:
		return fmt.Sprintf("SELECT id, v FROM (SELECT * FROM %s ORDER BY %s FETCH FIRST %d ROWS WITH TIES) x", from, w.keys(false), 1+w.IntN(4))
	case 3:
		on := w.pick("k", "s", "k, s", "v")
		return "SELECT DISTINCT ON (" + on + ") id, z FROM " + from + " ORDER BY " + on + ", " + w.keys(true)
	case 4:
		return "SELECT k, sum(v) AS a, rank() OVER (ORDER BY sum(v) DESC) AS b, sum(count(*)) OVER (PARTITION BY k % 2 ORDER BY k) AS c FROM " + from + " GROUP BY k"
	case 5:
		return w.pick("SELECT k, v FROM t "+w.pick("INTERSECT", "EXCEPT")+" ALL SELECT k, v FROM u", "SELECT id, generate_series(1, v) AS i, unnest(ARRAY[k, v, 9]) AS x FROM t WHERE v < 4",
			"SELECT unnest(ARRAY[k, v]) AS x, count(*) FROM t GROUP BY x", "SELECT v, generate_series(1, count(*)) AS i FROM t GROUP BY v",
			"SELECT id, max(id) OVER (PARTITION BY x) AS m, x FROM (SELECT id, generate_series(1, k) AS x FROM t) y",
			"SELECT t.id, x, i FROM t, unnest(ARRAY[k, v]) WITH ORDINALITY AS e(x, i)")
	}
	list := []string{"id"}
	for i := range 1 + w.IntN(4) {
		list = append(list, fmt.Sprintf("%s AS c%d", w.call(), i))
	}
	return "SELECT " + strings.Join(list, ", ") + " FROM " + from
}

// change is a random statement that changes t or u, of which ids up to last have been given.
func (w windowMaker) change(last *int, inserts bool) string {
	table := w.pick("t", "t", "u")
	if inserts || w.IntN(3) == 0 {
		rows := make([]string, 1+w.IntN(6))
		for i := range rows {
			*last++
			rows[i] = fmt.Sprintf("(%d, %s, %s, %s, %s, %s)", *last, w.pick("NULL", "1", "2", "3"), w.pick("NULL", "0", "1", "2", "3", "4", "5", "6", "7"),
				w.pick("NULL", "'a'", "'b'", "'c'"), w.pick("NULL", "0.5", "1", "1.5", "2.25", "-1"), w.pick("NULL", "'2020-01-01 00:00'", "'2020-01-01 00:03'", "'2020-01-01 00:07'", "'2020-01-01 00:11'"))
		}
		return "INSERT INTO " + table + " VALUES " + strings.Join(rows, ", ")
	}
	which := fmt.Sprintf(" WHERE id %% %d = %d", 2+w.IntN(4), w.IntN(2))
	if w.IntN(2) == 0 {
		return "DELETE FROM " + table + which
	}
	return "UPDATE " + table + " SET " + w.pick("k = 2", "v = v + 1", "v = NULL", "s = 'b'", "z = z * 2", "k = v") + which
}

// TestRandomWindows keeps random queries with window functions, Top-N and set-returning functions as materialized views, changes their tables,
// and compares them with PostgreSQL's answers after each step. SEEDS and SEED are as for TestRandomQueries.
func TestRandomWindows(t *testing.T) {
	first, last, until := int64(1), int64(math.MaxInt64), time.Now().Add(4*time.Second)
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
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runWindows(t, pg, seed, stats) })
		if !ok && os.Getenv("KEEP_GOING") == "" {
			t.Fatalf("run it again with SEED=%d", seed)
		}
	}
	t.Logf("%d queries compared %d times", stats.queries, stats.compared)
}

func runWindows(t *testing.T, pg *pgtest.DB, seed int64, stats *oracleStats) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(uint64(seed), 4))
	o := &oracleDB{opts: streamsql.Options{Dir: t.TempDir(), Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true}}
	o.open(t)
	defer func() { o.db.Close() }()
	pg.MustExec(t, "DROP TABLE IF EXISTS t, u")
	both := func(text string) {
		pg.MustExec(t, text)
		_, err := o.db.Exec(ctx, text)
		require.NoError(t, err, text)
	}
	for _, name := range []string{"t", "u"} {
		both("CREATE TABLE " + name + " (id int PRIMARY KEY, k int, v int, s text, z numeric, ts timestamp)")
	}
	maker := windowMaker{rnd}
	ids := 0
	both(maker.change(&ids, true)) // the views find rows when they are made
	var kept []*pending
	for i := range 6 {
		text := maker.query()
		stats.queries++
		q := &pending{query: query{ours: text, pg: text}, view: fmt.Sprint("v", i)}
		_, err := o.db.Exec(ctx, "CREATE MATERIALIZED VIEW "+q.view+" AS "+text)
		require.NoError(t, err, text)
		kept = append(kept, q)
	}
	for step := range 8 {
		both(maker.change(&ids, step < 2))
		if err := o.db.WaitIdle(ctx); err != nil {
			t.Fatalf("streamsql: %v\n%s", err, describe(kept))
		}
		if rnd.IntN(8) == 0 {
			require.NoError(t, o.db.Close())
			o.open(t)
		}
		for _, q := range kept {
			compare(t, pg, o, q, stats)
		}
		if t.Failed() {
			return
		}
	}
}
