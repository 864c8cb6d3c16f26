package slt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Config says how a script is run. Its results must not depend on it.
type Config struct {
	Workers      int
	BatchRows    int  // records per read; 0: all
	EpochRows    int  // rows per epoch; 0: many
	RestartEvery bool // restart after every feed
	Rewrite      bool // replace expectations by what came out, instead of comparing
	Dialect      string
}

// Outcome is what running a script gave.
type Outcome struct {
	Failures  []Failure
	Rewritten string // the script with new expectations, if Config.Rewrite
	Steps     int
}

// Failure is an expectation that was not met.
type Failure struct {
	File string
	Line int
	Msg  string
}

// String prints the failure with its place.
func (f Failure) String() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Msg) }

// startClock is processing time in scripts until the word clock moves it.
var startClock = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// runner runs one script.
type runner struct {
	cfg     Config
	name    string
	feeds   map[string]*Input
	dir     string // of the state; a crash goes on in a copy
	db      *streamsql.DB
	subs    map[string]*subscription
	clock   atomic.Int64
	views   int
	crashes int

	failures []Failure
	got      map[int][]string // by the index of a record
}

type subscription struct {
	sub  *streamsql.Subscription
	text string
}

// Run runs the script src, which came from the file name.
func Run(ctx context.Context, name, src string, cfg Config) (*Outcome, error) {
	recs, err := Parse(name, src)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "streamsql-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &runner{cfg: cfg, name: name, dir: filepath.Join(dir, "0"), feeds: map[string]*Input{}, subs: map[string]*subscription{}, got: map[int][]string{}}
	r.clock.Store(startClock.UnixMicro())
	if err := r.open(); err != nil {
		return nil, err
	}
	defer func() { r.db.Close() }()
	steps := 0
	for i, rec := range recs {
		if rec.Kind == Halt {
			break
		}
		if err := r.step(ctx, i, rec); err != nil {
			r.fail(rec.Line, "%s", strings.TrimRight(r.draw(err, rec), "\n"))
			if rec.Kind != Query && rec.Kind != Statement && rec.Kind != Explain {
				break
			}
		}
		steps++
	}
	out := &Outcome{Failures: r.failures, Steps: steps}
	if cfg.Rewrite {
		out.Rewritten = r.rewrite(src, recs)
	}
	return out, nil
}

// draw shows an error at its place in the record's SQL.
func (r *runner) draw(err error, rec Record) string {
	var e *types.Error
	if errors.As(err, &e) && !e.Span.IsZero() && e.Span.Start <= len(rec.Text) {
		return sql.Render(e, fmt.Sprintf("%s (line %d)", filepath.Base(r.name), rec.Line+1), rec.Text)
	}
	return err.Error()
}

func (r *runner) fail(line int, format string, args ...any) {
	r.failures = append(r.failures, Failure{File: r.name, Line: line, Msg: fmt.Sprintf(format, args...)})
}

func (r *runner) open() error {
	var err error
	r.db, err = streamsql.Open(streamsql.Options{
		Dir: r.dir, Workers: r.cfg.Workers, EpochRows: r.cfg.EpochRows, Check: true,
		Clock:   func() time.Time { return time.UnixMicro(r.clock.Load()) },
		Sources: map[string]streamsql.SourceFactory{"feed": r.source},
	})
	if err != nil {
		return err
	}
	if r.cfg.Dialect != "" {
		_, err = r.db.Exec(context.Background(), "SET dialect = "+r.cfg.Dialect)
	}
	return err
}

// source opens the feed that a CREATE SOURCE names by its option feed.
func (r *runner) source(options map[string]string, wanted types.Schema) (sources.Source, error) {
	name := options["feed"]
	if name == "" {
		return nil, types.Errorf(types.CodeInvalidParameter, `connector "feed" needs the option "feed": the name in the script's feed lines`)
	}
	return r.feed(name).Source(name, wanted, r.cfg.BatchRows), nil
}

func (r *runner) feed(name string) *Input {
	if r.feeds[name] == nil {
		r.feeds[name] = NewInput()
	}
	return r.feeds[name]
}

func (r *runner) step(ctx context.Context, i int, rec Record) error {
	switch rec.Kind {
	case Statement:
		return r.statement(ctx, i, rec)
	case Query:
		return r.query(ctx, i, rec)
	case Explain:
		return r.explain(ctx, i, rec)
	case Subscribe:
		sub, err := r.db.Subscribe(ctx, rec.Text)
		if err != nil {
			return err
		}
		r.subs[rec.Args[0]] = &subscription{sub: sub, text: rec.Text}
		return nil
	case Changes:
		return r.changes(ctx, i, rec)
	case Feed:
		lines, err := records(rec.Text)
		if err != nil {
			return err
		}
		partition := "0"
		if len(rec.Args) == 2 {
			partition = rec.Args[1]
		}
		r.feed(rec.Args[0]).Add(partition, lines)
		if err := r.db.WaitIdle(ctx); err != nil {
			return err
		}
		if r.cfg.RestartEvery && len(r.subs) == 0 {
			return r.restart(ctx)
		}
		return nil
	case End:
		r.feed(rec.Args[0]).End()
		return r.db.WaitIdle(ctx)
	case Clock:
		v, err := types.ParseText(types.TimestampType, strings.Join(rec.Args, " "))
		if err != nil {
			return err
		}
		r.clock.Store(v.(int64))
		r.db.Wake()
		return r.db.WaitIdle(ctx)
	case Restart:
		return r.restart(ctx)
	case Crash:
		return r.crash(ctx)
	}
	return fmt.Errorf("unknown word %q", rec.Kind)
}

func (r *runner) restart(ctx context.Context) error {
	if err := r.db.Close(); err != nil {
		return err
	}
	return r.reopen(ctx)
}

// reopen opens the directory again and waits until the sources are open, so that processing time goes on for them before the next step.
func (r *runner) reopen(ctx context.Context) error {
	if err := r.open(); err != nil {
		return err
	}
	return r.db.WaitIdle(ctx)
}

// crash goes on from the files as they are now, as after kill -9: the copy knows nothing of the end of the engine that made them.
func (r *runner) crash(ctx context.Context) error {
	r.crashes++
	left := filepath.Join(filepath.Dir(r.dir), fmt.Sprint(r.crashes))
	if err := os.CopyFS(left, os.DirFS(r.dir)); err != nil {
		return err
	}
	if err := r.db.Close(); err != nil {
		return err
	}
	r.dir = left
	return r.reopen(ctx)
}

func (r *runner) statement(ctx context.Context, i int, rec Record) error {
	results, err := r.db.Exec(ctx, rec.Text)
	for _, res := range results {
		if res.Rows != nil {
			for !res.Rows.Live() && res.Rows.Next() {
			}
			if err == nil && !res.Rows.Live() {
				err = res.Rows.Err()
			}
			res.Rows.Close()
		}
	}
	if rec.Args[0] == "ok" {
		if err == nil && r.cfg.RestartEvery && len(r.subs) == 0 && changesTables(rec.Text) {
			return r.restart(ctx)
		}
		return err
	}
	if err == nil {
		r.fail(rec.Line, "expected an error, and the statement succeeded")
		return nil
	}
	r.expectError(i, rec, err)
	return nil
}

// changesTables reports whether a record is statements that change tables, outside of a transaction.
func changesTables(text string) bool {
	stmts, err := sql.Parse(text)
	if err != nil {
		return false
	}
	for _, stmt := range stmts {
		switch stmt.(type) {
		case *sql.Insert, *sql.Update, *sql.Delete, *sql.Truncate:
		default:
			return false
		}
	}
	return true
}

func (r *runner) expectError(i int, rec Record, err error) {
	if len(rec.Args) == 2 && string(types.CodeOf(err)) != rec.Args[1] {
		r.fail(rec.Line, "expected SQLSTATE %s, got %s: %v", rec.Args[1], types.CodeOf(err), err)
	}
	got := strings.Split(strings.TrimRight(sql.Render(err, "", rec.Text), "\n"), "\n")
	if !r.keep(i, got) && rec.HasWant && !slices.Equal(trimmed(got), trimmed(rec.Want)) {
		r.fail(rec.WantLine, "expected the error\n%s\ngot\n%s", strings.Join(rec.Want, "\n"), strings.Join(got, "\n"))
	}
}

func trimmed(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.TrimRight(l, " ")
	}
	return out
}

// keep notes what came out for a rewrite; then nothing is compared.
func (r *runner) keep(i int, got []string) bool {
	if r.cfg.Rewrite {
		r.got[i] = got
	}
	return r.cfg.Rewrite
}

// query compares the answer to a query with the expectation. A query over inputs that go on is answered as far as its input goes, through a
// materialized view that is dropped again.
func (r *runner) query(ctx context.Context, i int, rec Record) error {
	if err := r.db.WaitIdle(ctx); err != nil {
		return err
	}
	rows, err := r.db.Query(ctx, rec.Text)
	if err != nil {
		return err
	}
	if rows.Live() {
		rows.Close()
		r.views++
		view := fmt.Sprintf("answer_%d", r.views)
		if _, err := r.db.Exec(ctx, "CREATE MATERIALIZED VIEW "+view+" AS "+strings.TrimRight(strings.TrimSpace(rec.Text), ";")); err != nil {
			return err
		}
		defer r.db.Exec(ctx, "DROP MATERIALIZED VIEW "+view)
		if err := r.db.WaitIdle(ctx); err != nil {
			return err
		}
		if rows, err = r.db.Query(ctx, "SELECT * FROM "+view); err != nil {
			return err
		}
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		got = append(got, cells(rows))
	}
	if err := rows.Err(); err != nil {
		return err
	}
	want := slices.Clone(rec.Want)
	for j := range want {
		want[j] = normal(want[j])
	}
	if !slices.Contains(rec.Args, "nosort") {
		slices.Sort(got)
		slices.Sort(want)
	}
	if !r.keep(i, got) && !slices.Equal(got, want) {
		r.fail(rec.WantLine, "%s", difference(want, got))
	}
	return nil
}

// cells prints the current row: values with a space between, NULL, and (empty).
func cells(rows *streamsql.Rows) string {
	var out []string
	for i := range rows.Columns() {
		text, ok := rows.Text(i)
		switch {
		case !ok:
			text = "NULL"
		case text == "":
			text = "(empty)"
		}
		out = append(out, text)
	}
	return normal(strings.Join(out, " "))
}

// normal folds white space.
func normal(line string) string { return strings.Join(strings.Fields(line), " ") }

func difference(want, got []string) string {
	var b strings.Builder
	b.WriteString("rows differ (- expected, + got)")
	for _, w := range want {
		if count(want, w) > count(got, w) {
			b.WriteString("\n  - " + w)
		}
	}
	for _, g := range got {
		if count(got, g) > count(want, g) {
			b.WriteString("\n  + " + g)
		}
	}
	if b.Len() < 40 {
		b.WriteString(": another order")
	}
	return b.String()
}

func count(list []string, s string) int {
	n := 0
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

func (r *runner) explain(ctx context.Context, i int, rec Record) error {
	rows, err := r.db.Query(ctx, "EXPLAIN "+strings.ToUpper(strings.Join(rec.Args, " "))+" "+rec.Text)
	if err != nil {
		return err
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		text, _ := rows.Text(0)
		got = append(got, text)
	}
	if !r.keep(i, got) && !slices.Equal(got, rec.Want) {
		r.fail(rec.WantLine, "expected the plan\n%s\ngot\n%s", strings.Join(rec.Want, "\n"), strings.Join(got, "\n"))
	}
	return rows.Err()
}

// changes compares the sum of a subscription's changes since the last time: how they were cut into epochs does not count.
func (r *runner) changes(ctx context.Context, i int, rec Record) error {
	s := r.subs[rec.Args[0]]
	if s == nil {
		return fmt.Errorf("no subscription %q", rec.Args[0])
	}
	if err := r.db.WaitIdle(ctx); err != nil {
		return err
	}
	net := map[string]int64{}
	if err := r.drain(ctx, s, net); err != nil {
		return err
	}
	var got []string
	for row, n := range net {
		sign := "+ "
		if n < 0 {
			sign, n = "- ", -n
		}
		for range n {
			got = append(got, sign+row)
		}
	}
	slices.Sort(got)
	want := slices.Clone(rec.Want)
	for j := range want {
		want[j] = normal(want[j])
	}
	slices.Sort(want)
	if !r.keep(i, got) && !slices.Equal(got, want) {
		r.fail(rec.WantLine, "%s", difference(want, got))
	}
	return nil
}

// drain sums up the changes that a subscription has now.
func (r *runner) drain(ctx context.Context, s *subscription, net map[string]int64) error {
	if err := s.sub.Idle(ctx); err != nil {
		return err
	}
	taken, cancel := context.WithCancel(ctx)
	cancel() // take what is there and do not wait
	for {
		c, err := s.sub.Next(taken)
		if errors.Is(err, context.Canceled) || err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		rows := streamsql.RowsOf(s.sub.Columns(), c)
		for rows.Next() {
			net[cells(rows)] += rows.Weight()
		}
	}
}

// rewrite returns the script with what came out in place of the expectations.
func (r *runner) rewrite(src string, recs []Record) string {
	lines := strings.Split(strings.TrimSuffix(src, "\n"), "\n")
	var out []string
	at := 0
	for i, rec := range recs {
		got, ran := r.got[i]
		if !ran || !rec.HasWant && rec.Kind == Statement {
			continue
		}
		end := rec.EndLine
		if rec.HasWant {
			end = rec.WantLine - 1
		}
		out = append(out, lines[at:end]...)
		out = append(append(out, "----"), got...)
		at = rec.EndLine
	}
	return strings.Join(append(out, lines[at:]...), "\n") + "\n"
}

// Files returns the scripts that names stand for: files, or all *.slt below directories.
func Files(names []string) ([]string, error) {
	var files []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, name)
			continue
		}
		err = filepath.WalkDir(name, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && filepath.Ext(path) == ".slt" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// EveryCut returns the configurations under which a script must give the same results: one worker and three, records one by one and in odd
// numbers, small epochs, and a restart after every feed.
func EveryCut(base Config) []Config {
	var list []Config
	for _, c := range []Config{
		{Workers: 1}, {Workers: 3}, {Workers: 1, BatchRows: 1, EpochRows: 1}, {Workers: 3, BatchRows: 3, EpochRows: 7}, {Workers: 2, BatchRows: 2, RestartEvery: true},
	} {
		c.Dialect = base.Dialect
		list = append(list, c)
	}
	return list
}

// String describes the configuration.
func (c Config) String() string {
	s := fmt.Sprintf("%d workers, batches of %d records, epochs of %d rows", c.Workers, c.BatchRows, c.EpochRows)
	if c.RestartEvery {
		s += ", a restart after every feed"
	}
	return s
}
