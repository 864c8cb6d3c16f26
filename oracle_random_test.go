package streamsql_test

import (
	"cmp"
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
	t.Logf("%d queries compared %d times; PostgreSQL failed on %d queries; %d answers needed longer numerics, %d had other trailing zeros; streamsql refused %v", stats.queries, stats.compared, stats.failed, stats.tooLong, stats.scale, stats.refused)
}

type oracleStats struct {
	queries, compared, failed, tooLong, scale int
	refused                                   map[string]int
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
	batch := []int{0, 1, 3, 10}[rnd.IntN(4)] // records per read
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
	most := []int{6, 15, 15, 60}[rnd.IntN(4)] // rows fed at once
	for range 4 {
		for _, name := range []string{"t", "u"} {
			p := part{source: name, partition: fmt.Sprint(rnd.IntN(2))}
			for range rnd.IntN(most) {
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
	rejected, err := ours(o.db, "SELECT * FROM streamsql.rejected WHERE message NOT LIKE '%"+numericLimit+"%'")
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
		if differ(unscaled(want.Rows, want.Columns), unscaled(got, want.Columns), floats) == "" {
			stats.scale++ // 1.5 and 1.500 in one group: either stands for it
			return
		}
		if tooLong(t, o.db) {
			stats.tooLong++
			return
		}
		t.Errorf("%s (with %d workers, epochs of %d rows, on close: %v)\nstreamsql:  %s\nPostgreSQL: %s\n%s", diff, o.opts.Workers, o.opts.EpochRows, q.onClose, q.ours, q.pg, rejectedRows(o.db))
	}
}

// numericLimit is what the errors of values say that have more digits than our NUMERIC, and that PostgreSQL computes.
const numericLimit = "38 digits"

// tooLong reports whether a row was rejected for the limit of NUMERIC.
func tooLong(t *testing.T, db *streamsql.DB) bool {
	rows, err := ours(db, "SELECT * FROM streamsql.rejected WHERE message LIKE '%"+numericLimit+"%'")
	require.NoError(t, err)
	return len(rows) > 0
}

// rejectedRows describes the rows that were rejected.
func rejectedRows(db *streamsql.DB) string {
	rows, err := ours(db, "SELECT reason, operator, message, raw FROM streamsql.rejected")
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, r := range rows[:min(len(rows), 8)] {
		for _, v := range r {
			if v != nil {
				b.WriteString(*v + " | ")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// unscaled removes the zeros at the end of numerics: which of two equal values of different scale stands for a group is open.
func unscaled(rows [][]*string, columns []pgtest.Column) [][]*string {
	out := make([][]*string, len(rows))
	for i, r := range rows {
		out[i] = slices.Clone(r)
		for c, v := range r {
			if v != nil && strings.HasPrefix(columns[c].Type, "numeric") && strings.Contains(*v, ".") {
				short := strings.TrimRight(strings.TrimRight(*v, "0"), ".")
				out[i][c] = &short
			}
		}
	}
	return out
}

// bagRow is a row of an answer: its exact columns as one key, and its floats.
type bagRow struct {
	key    string
	floats []float64
}

// bag sorts an answer by exact columns and then floats.
func bag(rows [][]*string, floats []bool) []bagRow {
	out := make([]bagRow, len(rows))
	for i, r := range rows {
		var e []string
		for c, v := range r {
			x, err := 0.0, error(nil)
			if v != nil && floats[c] {
				x, err = strconv.ParseFloat(*v, 64)
			}
			switch {
			case v == nil:
				e = append(e, "NULL")
			case !floats[c] || err != nil || math.IsNaN(x) || math.IsInf(x, 0):
				e = append(e, strconv.Quote(*v))
			default:
				out[i].floats = append(out[i].floats, x)
			}
		}
		out[i].key = strings.Join(e, " | ")
	}
	slices.SortFunc(out, func(a, b bagRow) int { return cmp.Or(cmp.Compare(a.key, b.key), slices.Compare(a.floats, b.floats)) })
	return out
}

// same compares two rows, floats up to the last digits.
func (a bagRow) same(b bagRow) bool {
	return a.key == b.key && slices.EqualFunc(a.floats, b.floats, func(x, y float64) bool {
		return math.Abs(x-y) <= 1e-9*max(1, math.Abs(x), math.Abs(y))
	})
}

// differ compares two answers as bags of rows and describes the first differences.
func differ(want, got [][]*string, floats []bool) string {
	a, b := bag(want, floats), bag(got, floats)
	if slices.EqualFunc(a, b, bagRow.same) {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "answers differ: %d rows expected, %d found", len(a), len(b))
	missing := func(sign string, of, in []bagRow) {
		n := 0
		for _, x := range of {
			if count(of, x) > count(in, x) && n < 5 {
				fmt.Fprintf(&out, "\n  %s %s %v", sign, x.key, x.floats)
				n++
			}
		}
	}
	missing("-", a, b)
	missing("+", b, a)
	return out.String()
}

func count(list []bagRow, x bagRow) int {
	n := 0
	for _, y := range list {
		if x.same(y) {
			n++
		}
	}
	return n
}
