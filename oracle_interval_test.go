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
	"github.com/streamsql/streamsql/internal/slt"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// intervalMaker writes random joins over the event times of the streams l, r and x, all with the columns k, v (integer) and ts.
type intervalMaker struct{ *rand.Rand }

func (q *intervalMaker) pick(list ...string) string { return list[q.IntN(len(list))] }

func (q *intervalMaker) interval() string {
	return fmt.Sprintf("INTERVAL '%d seconds'", q.IntN(8))
}

// between bounds the time between two rows on both sides, or on one.
func (q *intervalMaker) between(a, b string) string {
	a, b = a+".ts", b+".ts"
	if q.IntN(2) == 0 {
		a, b = b, a
	}
	switch q.IntN(8) {
	case 0:
		return a + " = " + b
	case 1:
		return fmt.Sprintf("%s BETWEEN %s - %s AND %s + %s", a, b, q.interval(), b, q.interval())
	case 2:
		return fmt.Sprintf("%s > %s - %s AND %s - %s < %s", a, b, q.interval(), a, b, q.interval())
	case 3:
		return fmt.Sprintf("%s + %s >= %s AND %s <= %s + %s", a, q.interval(), b, a, b, q.interval())
	case 4:
		return fmt.Sprintf("%s BETWEEN %s + %s AND %s + %s", a, b, q.interval(), b, q.interval())
	case 5:
		return fmt.Sprintf("%s < %s + %s", a, b, q.interval())
	case 6:
		return fmt.Sprintf("%s >= %s - %s AND %s < %s", a, b, q.interval(), a, b)
	}
	return fmt.Sprintf("date_trunc('minute', %s) = date_trunc('minute', %s) AND %s <= %s + %s", a, b, a, b, q.interval())
}

func (q *intervalMaker) condition(a, b string) string {
	text := q.between(a, b)
	if q.IntN(3) > 0 {
		text = a + ".k = " + b + ".k AND " + text
	}
	if q.IntN(4) == 0 {
		text += " AND " + a + ".v " + q.pick("<", "<>") + " " + b + ".v"
	}
	return text
}

// tumble is a window of ten seconds, in our words and in PostgreSQL's.
func tumble(table, alias string) (string, string) {
	const from = "SELECT k, %s AS ts, count(*) AS v FROM %s GROUP BY k, %s"
	return fmt.Sprintf("("+from+") %s", "window_end", "TUMBLE("+table+", ts, INTERVAL '10 seconds')", "window_start, window_end", alias),
		fmt.Sprintf("("+from+") %s", "date_bin('10 seconds', ts, '2001-01-01') + INTERVAL '10 seconds'", table, "date_bin('10 seconds', ts, '2001-01-01')", alias)
}

func (q *intervalMaker) query() (ours, pg string) {
	kind := q.pick("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN")
	switch q.IntN(6) {
	case 0: // three streams
		on, on2 := q.condition("a", "b"), q.condition(q.pick("a", "b"), "c")
		text := fmt.Sprintf("SELECT a.k, b.v AS bv, c.ts FROM l a JOIN r b ON %s %s x c ON %s", on, q.pick("JOIN", "LEFT JOIN"), on2)
		return text, text
	case 1: // windows of both
		lo, lp := tumble("l", "a")
		ro, rp := tumble("r", "b")
		text := "SELECT a.k, a.ts, a.v, b.v AS bv FROM %s " + kind + " %s ON a.k = b.k AND a.ts = b.ts"
		return fmt.Sprintf(text, lo, ro), fmt.Sprintf(text, lp, rp)
	case 2: // a window of what a join gives
		text := fmt.Sprintf("SELECT a.k, a.ts FROM l a JOIN r b ON %s", q.condition("a", "b"))
		return "SELECT k, window_end AS ts, count(*) AS v FROM TUMBLE((" + text + "), ts, INTERVAL '10 seconds') GROUP BY k, window_start, window_end",
			"SELECT k, date_bin('10 seconds', ts, '2001-01-01') + INTERVAL '10 seconds' AS ts, count(*) AS v FROM (" + text + ") j GROUP BY k, date_bin('10 seconds', ts, '2001-01-01')"
	case 3:
		text := fmt.Sprintf("SELECT a.k, a.v, a.ts FROM l a WHERE %s EXISTS (SELECT 1 FROM r b WHERE %s)", q.pick("", "NOT"), q.condition("a", "b"))
		return text, text
	}
	on := q.condition("a", "b")
	if kind == "FULL JOIN" { // PostgreSQL's needs a condition of equal keys alone
		on = "a.k = b.k AND a.ts = b.ts"
	}
	text := fmt.Sprintf("SELECT a.k, a.v, b.k AS bk, b.v AS bv, a.ts, b.ts AS bts FROM l a %s r b ON %s", kind, on)
	return text, text
}

// TestRandomIntervalJoins keeps random joins over event time as materialized views, feeds their streams with rows that are out of order but
// not late, and compares them with PostgreSQL's answers after each step: what was forgotten was not needed. SEEDS and SEED are as for
// TestRandomQueries.
func TestRandomIntervalJoins(t *testing.T) {
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
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runIntervalJoins(t, pg, seed, stats) })
		if !ok && os.Getenv("KEEP_GOING") == "" {
			t.Fatalf("run it again with SEED=%d", seed)
		}
	}
	t.Logf("%d queries compared %d times", stats.queries, stats.compared)
}

func runIntervalJoins(t *testing.T, pg *pgtest.DB, seed int64, stats *oracleStats) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(uint64(seed), 5))
	maker := &intervalMaker{rnd}
	names := []string{"l", "r", "x"}
	o := &oracleDB{inputs: map[string]*slt.Input{}}
	batch := []int{0, 1, 3}[rnd.IntN(3)]
	o.opts = streamsql.Options{
		Dir: t.TempDir(), Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true,
		Sources: map[string]streamsql.SourceFactory{"random": func(options map[string]string, wanted types.Schema) (sources.Source, error) {
			return o.inputs[options["of"]].Source(options["of"], wanted, batch), nil
		}},
	}
	o.open(t)
	defer func() { o.db.Close() }()
	delay := map[string]int{}
	pg.MustExec(t, "DROP TABLE IF EXISTS l, r, x")
	for _, name := range names {
		o.inputs[name] = slt.NewInput()
		delay[name] = rnd.IntN(6)
		pg.MustExec(t, "CREATE TABLE "+name+" (k int, v int, ts timestamp)")
		_, err := o.db.Exec(ctx, fmt.Sprintf("CREATE SOURCE %s (k INT, v INT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '%d seconds') WITH (connector = 'random', of = '%s')", name, delay[name], name))
		require.NoError(t, err)
	}
	var kept []*pending
	for range 5 {
		ours, theirs := maker.query()
		stats.queries++
		q := &pending{query: query{ours: ours, pg: theirs}, view: fmt.Sprint("m", len(kept))}
		_, err := pg.Query(theirs)
		require.NoError(t, err, theirs)
		_, err = o.db.Exec(ctx, "CREATE MATERIALIZED VIEW "+q.view+" AS "+ours)
		require.NoError(t, err, ours)
		kept = append(kept, q)
	}
	start := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := 0
	for step := range 10 {
		for range rnd.IntN(10) {
			name := names[rnd.IntN(3)]
			clock += rnd.IntN(3) // of all streams, so that their watermarks move on together
			at := start.Add(time.Duration(clock-rnd.IntN(delay[name]+1)) * time.Second).Format("2006-01-02 15:04:05")
			k, v := strconv.Itoa(rnd.IntN(2)), strconv.Itoa(rnd.IntN(3))
			if rnd.IntN(8) == 0 {
				k = "NULL"
			}
			o.inputs[name].Add("0", []string{strings.ToLower(fmt.Sprintf(`{"k": %s, "v": %s, "ts": "%s"}`, k, v, at))})
			pg.MustExec(t, fmt.Sprintf("INSERT INTO %s VALUES (%s, %s, '%s')", name, k, v, at))
			if rnd.IntN(2) == 0 {
				require.NoError(t, o.db.WaitIdle(ctx))
			}
		}
		if step == 9 {
			for _, name := range names {
				o.inputs[name].End()
			}
		}
		require.NoError(t, o.db.WaitIdle(ctx))
		if rnd.IntN(10) == 0 {
			require.NoError(t, o.db.Close())
			o.open(t)
		}
		for _, q := range kept {
			compare(t, pg, o, q, stats)
		}
		rejected, err := ours(o.db, "SELECT reason FROM streamsql.rejected")
		require.NoError(t, err)
		require.Empty(t, rejected, "rows were taken for late")
		if t.Failed() {
			return
		}
	}
}
