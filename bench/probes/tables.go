package probes

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/measure"
)

// oneChange changes a row of a table of many rows under a view with a join, an aggregate and a Top-N, and takes the time from the
// UPDATE to the end of a SELECT of the view.
func oneChange(ctx context.Context, env harness.Env) (figures []harness.Figure, err error) {
	rows, changes := 1_000_000, 500
	if env.Quick {
		rows, changes = 10_000, 20
	}
	db, err := streamsql.Open(streamsql.Options{Dir: filepath.Join(env.Dir, "state")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec(ctx, fmt.Sprintf(`
		CREATE TABLE sales (id INT PRIMARY KEY, shop INT, amount BIGINT);
		CREATE TABLE shops (id INT PRIMARY KEY, name TEXT);
		INSERT INTO shops SELECT k, 'shop ' || k FROM generate_series(0, 999) AS k;
		INSERT INTO sales SELECT k, k %% 1000, k %% 97 FROM generate_series(1, %d) AS k;
		CREATE MATERIALIZED VIEW best AS
			SELECT name, sum(amount) AS total FROM sales JOIN shops ON shop = shops.id GROUP BY name ORDER BY total DESC LIMIT 10`, rows)); err != nil {
		return nil, err
	}
	var took, reads []time.Duration
	for i := range changes {
		start := time.Now()
		if _, err := db.Exec(ctx, "UPDATE sales SET amount = amount + 1000000 WHERE id = $1", i*(rows/changes)+1); err != nil {
			return nil, err
		}
		written := time.Now()
		answer, err := db.Query(ctx, "SELECT * FROM best")
		if err != nil {
			return nil, err
		}
		n := 0
		for answer.Next() {
			n++
		}
		if err := errors.Join(answer.Err(), answer.Close()); err != nil || n != 10 {
			return nil, fmt.Errorf("the view has %d rows, wanted 10 (%w)", n, err)
		}
		took, reads = append(took, time.Since(start)), append(reads, time.Since(written))
	}
	slices.Sort(took)
	slices.Sort(reads)
	return []harness.Figure{
		{Name: fmt.Sprintf("from UPDATE to the view's rows, %d rows below: median", rows), Value: milliseconds(measure.Quantile(took, 0.5))},
		{Name: "p99", Value: milliseconds(measure.Quantile(took, 0.99))},
		{Name: "of it the SELECT: median", Value: milliseconds(measure.Quantile(reads, 0.5))},
	}, nil
}

// bigJoin joins two streams of keys, each key once a side, and compares memory and speed with a join over few rows.
func bigJoin(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	many, few := 10_000_000, 100_000
	if env.Quick {
		many, few = 100_000, 10_000
	}
	join := func(name string, rows int) (used, error) {
		source := func(name string, seed int) string {
			return fmt.Sprintf(`CREATE SOURCE %s (k BIGINT, v BIGINT) WITH (connector = 'datagen', events = '%d',
				'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '%d', 'seed' = '%d');`, name, rows, rows, seed)
		}
		open := func() (*streamsql.DB, error) {
			return streamsql.Open(streamsql.Options{Dir: filepath.Join(env.Dir, name)})
		}
		return spend(open, func(*streamsql.DB) error { return nil }, func(db *streamsql.DB) error {
			if _, err := db.Exec(ctx, source("l", 1)+source("r", 2)+`
				CREATE SINK answer WITH (connector = 'blackhole') AS SELECT l.k, l.v, r.v AS w FROM l JOIN r ON l.k = r.k`); err != nil {
				return err
			}
			return db.WaitIdle(ctx)
		})
	}
	empty, err := join("empty", 1)
	if err != nil {
		return nil, err
	}
	big, err := join("many", many)
	if err != nil {
		return nil, err
	}
	small, err := join("few", few)
	if err != nil {
		return nil, err
	}
	const data = 16 // bytes of a row
	speed := func(rows int, u used) float64 { return 2 * float64(rows) / (u.cpu - empty.cpu).Seconds() / 1e6 }
	return []harness.Figure{
		{Name: fmt.Sprintf("%d rows a side: tables beyond the rows' %d bytes", many, data), Value: fmt.Sprintf("%.0f bytes a row", float64(big.left)/float64(2*many)-data)},
		{Name: "peak of resident memory beyond the empty engine's and the rows", Value: fmt.Sprintf("%.0f bytes a row", float64(big.peak-empty.peak)/float64(2*many)-data)},
		{Name: "rows per CPU second", Value: fmt.Sprintf("%.2f M with %d rows a side, %.2f M with %d (%.2f of it)", speed(few, small), few, speed(many, big), many, speed(many, big)/speed(few, small))},
	}, nil
}
