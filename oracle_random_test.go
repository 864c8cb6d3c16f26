package streamsql_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"
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

// TestRandomQueries feeds random rows to random queries, kept as materialized views, and compares them with PostgreSQL's answers to the same
// queries over the rows so far, after every few rows and when the input has ended.
//
// SEEDS=n runs n seeds (default: as many as fit into about ten seconds), SEED=n runs one of them again.
func TestRandomQueries(t *testing.T) {
	first, last, until := int64(1), int64(math.MaxInt64), time.Now().Add(8*time.Second)
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
		until = time.Now().Add(2 * time.Second)
	}
	pg := pgtest.Open(t)
	stats := &oracleStats{refused: map[string]int{}}
	for seed := first; seed <= last && time.Now().Before(until); seed++ {
		ok := t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runSeed(t, pg, seed, stats) })
		if !ok && os.Getenv("KEEP_GOING") == "" {
			t.Fatalf("run it again with SEED=%d", seed)
		}
	}
	t.Logf("%d queries compared %d times; PostgreSQL failed on %d queries; streamsql refused %v", stats.queries, stats.compared, stats.failed, stats.refused)
}

type oracleStats struct {
	queries, compared, failed int
	refused                   map[string]int
}

// oracleDB is a streamsql with the random sources t and u.
type oracleDB struct {
	db     *streamsql.DB
	opts   streamsql.Options
	inputs map[string]*slt.Input
}

func (o *oracleDB) open(t *testing.T) {
	var err error
	o.db, err = streamsql.Open(o.opts)
	require.NoError(t, err)
}

func newOracleDB(t *testing.T, rnd *rand.Rand) *oracleDB {
	o := &oracleDB{inputs: map[string]*slt.Input{"t": slt.NewInput(), "u": slt.NewInput()}}
	batch := []int{0, 1, 3, 10}[rnd.IntN(4)]
	o.opts = streamsql.Options{
		Dir: t.TempDir(), Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true,
		Sources: map[string]streamsql.SourceFactory{"random": func(options map[string]string, wanted types.Schema) (sources.Source, error) {
			return o.inputs[options["of"]].Source(options["of"], wanted, batch), nil
		}},
	}
	o.open(t)
	return o
}

// pending is a query under comparison.
type pending struct {
	query
	view    string
	onClose bool
}

func runSeed(t *testing.T, pg *pgtest.DB, seed int64, stats *oracleStats) {
	ctx := context.Background()
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	o := newOracleDB(t, rnd)
	defer func() { o.db.Close() }()
	pg.MustExec(t, "DROP TABLE IF EXISTS t, u; CREATE TABLE t ("+columnList()+"); CREATE TABLE u ("+columnList()+")")
	for _, name := range []string{"t", "u"} {
		_, err := o.db.Exec(ctx, fmt.Sprintf("CREATE SOURCE %s (%s, WATERMARK FOR ts AS ts - INTERVAL '%d seconds') WITH (connector = 'random', of = '%s')",
			name, columnList(), int(disorder/time.Second), name))
		require.NoError(t, err)
	}
	makers := map[string]*rowMaker{"t": {rnd: rnd, now: eventStart}, "u": {rnd: rnd, now: eventStart}}

	// The rows are made first, so that a query on which PostgreSQL fails (an overflow, say) is known before it is kept.
	type part struct {
		source, partition string
		rows              []row
	}
	var parts []part
	for range 4 {
		for _, name := range []string{"t", "u"} {
			p := part{source: name, partition: fmt.Sprint(rnd.IntN(2))}
			for range rnd.IntN(15) {
				p.rows = append(p.rows, makers[name].row())
			}
			parts = append(parts, p)
		}
	}
	load := func(p part) {
		if len(p.rows) == 0 {
			return
		}
		var values []string
		for _, r := range p.rows {
			values = append(values, r.values())
		}
		pg.MustExec(t, "INSERT INTO "+p.source+" VALUES "+strings.Join(values, ", "))
	}
	for _, p := range parts {
		load(p)
	}
	var kept []*pending
	for len(kept) < 8 {
		g := &generator{rnd: rnd}
		q := &pending{query: g.queryOf(rnd.IntN(3), true), view: fmt.Sprint("v", len(kept))}
		stats.queries++
		if _, err := pg.Query(q.pg); err != nil {
			stats.failed++
			require.NotContains(t, []string{"42601", "42703", "42883", "42804", "42725"}, pgtest.SQLState(err), "the generator is wrong: %v\n%s", err, q.pg)
			continue
		}
		emit := ""
		if q.windowed && rnd.IntN(3) == 0 {
			q.onClose, emit = true, " EMIT ON WINDOW CLOSE"
		}
		if _, err := o.db.Exec(ctx, "CREATE MATERIALIZED VIEW "+q.view+" AS "+q.ours+emit); err != nil {
			var e *types.Error
			if errors.As(err, &e) && (strings.HasPrefix(e.Msg, "not supported yet") || strings.HasPrefix(e.Msg, "EMIT ON WINDOW CLOSE")) {
				stats.refused[e.Msg]++
				continue
			}
			t.Errorf("streamsql: %v\n%s", err, q.ours)
			continue
		}
		kept = append(kept, q)
	}
	pg.MustExec(t, "TRUNCATE t, u")
	for i, p := range parts {
		load(p)
		var records []string
		for _, r := range p.rows {
			records = append(records, r.json())
		}
		o.inputs[p.source].Add(p.partition, records)
		if err := o.db.WaitIdle(ctx); err != nil {
			t.Fatalf("streamsql: %v\n%s", err, describe(kept))
		}
		if rnd.IntN(8) == 0 {
			require.NoError(t, o.db.Close())
			o.open(t)
		}
		if i%2 == 0 && i+1 < len(parts) {
			continue
		}
		for _, q := range kept {
			if !q.onClose {
				compare(t, pg, o, q, stats)
			}
		}
		if t.Failed() {
			return
		}
	}
	o.inputs["t"].End()
	o.inputs["u"].End()
	if err := o.db.WaitIdle(ctx); err != nil {
		t.Fatalf("streamsql: %v\n%s", err, describe(kept))
	}
	for _, q := range kept {
		compare(t, pg, o, q, stats)
	}
	if t.Failed() {
		return
	}
	rejected, err := ours(o.db, "SELECT * FROM streamsql.rejected")
	require.NoError(t, err)
	require.Empty(t, rejected, "rows that PostgreSQL accepts were rejected: %s", describe(kept))
}

func describe(kept []*pending) string {
	var b strings.Builder
	for _, q := range kept {
		fmt.Fprintf(&b, "%s: %s\n", q.view, q.ours)
	}
	return b.String()
}

// ours reads an answer from streamsql as text.
func ours(db *streamsql.DB, query string) ([][]*string, error) {
	rows, err := db.Query(context.Background(), query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]*string
	for rows.Next() {
		r := make([]*string, len(rows.Columns()))
		for i := range r {
			if text, ok := rows.Text(i); ok {
				r[i] = &text
			}
		}
		for range rows.Weight() {
			out = append(out, r)
		}
	}
	return out, rows.Err()
}

func compare(t *testing.T, pg *pgtest.DB, o *oracleDB, q *pending, stats *oracleStats) {
	t.Helper()
	want, err := pg.Query(q.pg)
	if err != nil {
		return // an intermediate state on which PostgreSQL fails
	}
	got, err := ours(o.db, "SELECT * FROM "+q.view)
	require.NoError(t, err)
	stats.compared++
	floats := make([]bool, len(want.Columns))
	for i, c := range want.Columns {
		floats[i] = c.Type == "double precision" || c.Type == "real"
	}
	if diff := differ(want.Rows, got, floats); diff != "" {
		t.Errorf("%s (with %d workers, epochs of %d rows, on close: %v)\nstreamsql:  %s\nPostgreSQL: %s\n", diff, o.opts.Workers, o.opts.EpochRows, q.onClose, q.ours, q.pg)
	}
}

// differ compares two answers as bags of rows, floats up to the last digits, and describes the first difference.
func differ(want, got [][]*string, floats []bool) string {
	order := func(rows [][]*string) []string {
		keys := make([]string, len(rows))
		for i, r := range rows {
			exact, rough := rowKey(r, floats)
			keys[i] = exact + "\x00" + rough
		}
		sort.Strings(keys)
		return keys
	}
	a, b := order(want), order(got)
	if slices.Equal(a, b) {
		return ""
	}
	count := func(list []string) map[string]int {
		m := map[string]int{}
		for _, x := range list {
			m[x]++
		}
		return m
	}
	ca, cb := count(a), count(b)
	var out strings.Builder
	fmt.Fprintf(&out, "answers differ: %d rows expected, %d found", len(a), len(b))
	n := 0
	for _, x := range a {
		if ca[x] > cb[x] && n < 6 {
			out.WriteString("\n  - " + strings.ReplaceAll(x, "\x00", " "))
			n++
		}
	}
	for _, x := range b {
		if cb[x] > ca[x] && n < 12 {
			out.WriteString("\n  + " + strings.ReplaceAll(x, "\x00", " "))
			n++
		}
	}
	return out.String()
}

// rowKey is a row as text: the exact columns, and floats to ten digits.
func rowKey(r []*string, floats []bool) (exact, rough string) {
	var e, f []string
	for i, v := range r {
		switch {
		case v == nil:
			e = append(e, "NULL")
		case floats[i]:
			x, err := strconv.ParseFloat(*v, 64)
			if err != nil {
				f = append(f, *v)
				continue
			}
			if math.Abs(x) < 1e-9 {
				x = 0
			}
			f = append(f, strconv.FormatFloat(x, 'g', 10, 64))
		default:
			e = append(e, strconv.Quote(*v))
		}
	}
	return strings.Join(e, " | "), strings.Join(f, " | ")
}
