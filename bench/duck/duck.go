//go:build !noduck

// Package duck answers the benchmark's queries by DuckDB, in batch: the same question over the same bids, once.
//
// It needs cgo and DuckDB's prebuilt libraries, a large download; the build tag noduck leaves it out.
package duck

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/duckdb/duckdb-go/v2" // the driver

	"github.com/streamsql/streamsql/bench/harness"
)

// Side is the contestant.
var Side = harness.Side{
	Name:    harness.SideDuckDB,
	Threads: 2,
	New:     func(threads int) (harness.Runner, error) { return &runner{threads: threads}, nil },
}

type runner struct {
	threads int
	db      *sql.DB
	query   string
}

// queries are written as a user of DuckDB would write them for speed; %s is where the bids are. Each sums its answer up,
// so that it is computed in full and nothing but a line leaves the engine.
var queries = map[harness.Query]string{
	harness.TumbleCount: `
		SELECT count(*), sum(n), sum(auction * n), sum(w * n) FROM (
			SELECT auction, epoch_us(ts) // 10000000 AS w, count(*) AS n FROM %s GROUP BY auction, w)`,
	// Counted per slice of 2 s first: faster than taking each bid five times.
	harness.HopHottest: `
		SELECT count(*), sum(most), sum(w * most), 0 FROM (
			SELECT w, max(n) AS most FROM (
				SELECT auction, slice - back AS w, sum(n) AS n FROM (
					SELECT auction, epoch_us(ts) // 2000000 AS slice, count(*) AS n FROM %s GROUP BY auction, slice),
					range(5) AS backs(back)
				GROUP BY auction, w)
			GROUP BY w)`,
	harness.FilterProject: `
		SELECT count(*), sum(auction), sum(bidder), sum(price) FROM (
			SELECT auction, bidder, price * 89 // 100 AS price, ts FROM %s WHERE price > 10000)`,
}

func (r *runner) Load(ctx context.Context, c harness.Case, d harness.Data) (err error) {
	if r.db, err = sql.Open("duckdb", ""); err != nil {
		return err
	}
	r.db.SetMaxOpenConns(1) // one connection: settings and temporary tables are its own
	if _, err := r.db.ExecContext(ctx, fmt.Sprintf("SET threads = %d", r.threads)); err != nil {
		return err
	}
	text, ok := queries[c.Query]
	if !ok {
		return fmt.Errorf("no query for %s", c.Query)
	}
	var from string
	switch c.Input {
	case harness.Arrow:
		from, err = "bids", r.fill(ctx, d)
	case harness.Parquet:
		from = fmt.Sprintf("read_parquet(%s)", quote(d.File))
	case harness.NDJSON:
		from = fmt.Sprintf(`read_json(%s, format = 'newline_delimited', columns = {auction: 'BIGINT', bidder: 'BIGINT',
			price: 'BIGINT', channel: 'VARCHAR', url: 'VARCHAR', ts: 'TIMESTAMP'})`, quote(d.File))
	default:
		err = fmt.Errorf("no input %q", c.Input)
	}
	r.query = fmt.Sprintf(text, from)
	return err
}

// fill makes the table bids in memory.
func (r *runner) fill(ctx context.Context, d harness.Data) (err error) {
	file := filepath.Join(d.Dir, "load.parquet")
	if err := d.Bids.WriteParquet(file); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file)) }()
	_, err = r.db.ExecContext(ctx, "CREATE TABLE bids AS FROM read_parquet("+quote(file)+")")
	return err
}

func (r *runner) Run(ctx context.Context) (check harness.Check, err error) {
	err = r.db.QueryRowContext(ctx, r.query).Scan(&check.Rows, &sum{&check.Sums[0]}, &sum{&check.Sums[1]}, &sum{&check.Sums[2]})
	return check, err
}

func (r *runner) Close() error {
	if r.db == nil {
		return nil
	}
	return r.db.Close()
}

// sum receives DuckDB's sum of bigints, a hugeint, which must fit.
type sum struct{ to *int64 }

func (s *sum) Scan(value any) error {
	if _, err := fmt.Sscan(fmt.Sprint(value), s.to); err != nil {
		return fmt.Errorf("sum %v: %w", value, err)
	}
	return nil
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
