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

const countKeys = `CREATE SOURCE keys (k BIGINT NOT NULL) WITH (connector = 'keys');
	CREATE SINK counts WITH (connector = 'blackhole') AS SELECT k, count(*) AS n FROM keys GROUP BY k`

// manyKeys counts rows by few keys and by as many keys as half the rows, so that every key is made once and changed once, and compares memory
// and speed. State is durable; the memory of the empty engine is that of the same engine after one row.
func manyKeys(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	many, few := 10_000_000, 100_000
	if env.Quick {
		many, few = 200_000, 10_000
	}
	rows := 2 * many
	count := func(name string, rows, keys int) (used, error) {
		s := newKeySource(keys)
		open := func() (*streamsql.DB, error) { return s.open(streamsql.Options{Dir: filepath.Join(env.Dir, name)}) }
		return spend(open, func(db *streamsql.DB) error {
			_, err := db.Exec(ctx, countKeys)
			return err
		}, func(db *streamsql.DB) error {
			s.more(rows)
			return db.WaitIdle(ctx)
		})
	}
	empty, err := count("empty", 1, 1)
	if err != nil {
		return nil, err
	}
	big, err := count("many", rows, many)
	if err != nil {
		return nil, err
	}
	small, err := count("few", rows, few)
	if err != nil {
		return nil, err
	}
	mega := func(d time.Duration) float64 { return float64(rows) / d.Seconds() / 1e6 }
	return []harness.Figure{
		{Name: "peak of resident memory beyond the empty engine's", Value: fmt.Sprintf("%.0f bytes a key (its tables: %.0f)",
			float64(big.peak-empty.peak)/float64(many), float64(big.left)/float64(many))},
		{Name: "rows per CPU second", Value: fmt.Sprintf("%.2f M with %d keys, %.2f M with %d (%.2f of it)",
			mega(small.cpu), few, mega(big.cpu), many, small.cpu.Seconds()/big.cpu.Seconds())},
		{Name: "per second", Value: fmt.Sprintf("%.2f M and %.2f M (%.2f of it)", mega(small.wall), mega(big.wall), small.wall.Seconds()/big.wall.Seconds())},
	}, nil
}

// smallEpochs fills a state with keys and then changes few of them in each of many epochs.
func smallEpochs(ctx context.Context, env harness.Env) (figures []harness.Figure, err error) {
	keys, dirty, epochs := 10_000_000, 10_000, 200
	if env.Quick {
		keys, epochs = 200_000, 20
	}
	s := newKeySource(keys)
	db, err := s.open(streamsql.Options{Dir: filepath.Join(env.Dir, "state")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec(ctx, countKeys); err != nil {
		return nil, err
	}
	s.more(keys)
	if err := db.WaitIdle(ctx); err != nil {
		return nil, err
	}
	var prepare, whole []time.Duration
	for range epochs {
		before := db.Stats()
		s.more(dirty)
		if err := db.WaitIdle(ctx); err != nil {
			return nil, err
		}
		after := db.Stats()
		if after.RowsIn-before.RowsIn != int64(dirty) {
			return nil, fmt.Errorf("%d rows came in, wanted %d", after.RowsIn-before.RowsIn, dirty)
		}
		p := after.Durations.PrepareTotal - before.Durations.PrepareTotal
		prepare = append(prepare, p)
		whole = append(whole, p+after.Durations.RunTotal-before.Durations.RunTotal)
	}
	sync, err := measure.Sync(env.Dir, 16*dirty, 200)
	if err != nil {
		return nil, err
	}
	slices.Sort(prepare)
	slices.Sort(whole)
	return []harness.Figure{
		{Name: "prepare: median", Value: milliseconds(measure.Quantile(prepare, 0.5))},
		{Name: "p99", Value: milliseconds(measure.Quantile(prepare, 0.99))},
		{Name: "with the run of the epoch: median", Value: milliseconds(measure.Quantile(whole, 0.5))},
		{Name: "append of as many bytes and fdatasync: median", Value: milliseconds(measure.Quantile(sync, 0.5))},
	}, nil
}
