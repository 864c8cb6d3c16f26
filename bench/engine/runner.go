package engine

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Sides are streamsql with two workers and with one. State, log and exactly-once are on, as they always are.
var Sides = []harness.Side{
	{Name: harness.SideStreamsql, Threads: 2, New: newRunner},
	{Name: harness.SideOneWorker, Threads: 1, New: newRunner},
}

func newRunner(threads int) (harness.Runner, error) { return &runner{threads: threads}, nil }

// runner opens a new data directory for each repetition: a measurement is of the whole way from an empty directory to the last
// published row.
type runner struct {
	threads int
	memory  *Memory
	c       harness.Case
	d       harness.Data
	check   harness.Check
	rows    int64
	runs    int
}

const columns = "auction BIGINT NOT NULL, bidder BIGINT NOT NULL, price BIGINT NOT NULL, channel TEXT, url TEXT, ts TIMESTAMP NOT NULL"

// queries put out one row per group, window or bid.
var queries = map[harness.Query]string{
	harness.TumbleCount: `SELECT auction, window_start, count(*) AS n FROM TUMBLE(bids, ts, INTERVAL '10 seconds')
		GROUP BY auction, window_start, window_end`,
	harness.HopHottest: `SELECT window_start, max(n) AS most FROM (
			SELECT auction, window_start, window_end, count(*) AS n FROM HOP(bids, ts, INTERVAL '2 seconds', INTERVAL '10 seconds')
			GROUP BY auction, window_start, window_end)
		GROUP BY window_start, window_end`,
	harness.FilterProject: `SELECT auction, bidder, price * 89 / 100 AS price, ts FROM bids WHERE price > 10000`,
}

// Load makes the bids and checks the answer once with a sink that sums it up; what is measured then delivers to a blackhole.
func (r *runner) Load(ctx context.Context, c harness.Case, d harness.Data) (err error) {
	r.c, r.d = c, d
	if c.Input == harness.Arrow {
		if r.memory, err = Load(d.Bids, 1); err != nil {
			return err
		}
	}
	sink := &sumSink{query: c.Query}
	if _, err := r.run(ctx, "sums", sink); err != nil {
		return err
	}
	r.check = sink.check
	return nil
}

// Run answers the query once.
func (r *runner) Run(ctx context.Context) (harness.Check, error) {
	rows, err := r.run(ctx, "blackhole", nil)
	if err == nil && rows != r.check.Rows {
		err = fmt.Errorf("%d rows were delivered, %d were checked", rows, r.check.Rows)
	}
	return r.check, err
}

// Close has nothing to end.
func (r *runner) Close() error { return nil }

func (r *runner) run(ctx context.Context, sink string, sums *sumSink) (int64, error) {
	r.runs++
	db, err := streamsql.Open(streamsql.Options{
		Dir: filepath.Join(r.d.Dir, fmt.Sprintf("state%d", r.runs)), Workers: r.threads,
		Sources: map[string]streamsql.SourceFactory{"memory": func(_ map[string]string, wanted types.Schema) (sources.Source, error) {
			return r.memory.Project(r.d.Bids, wanted)
		}},
		Sinks: map[string]streamsql.SinkFactory{"sums": func(_ map[string]string, schema types.Schema) (sinks.Sink, error) {
			return sums, nil
		}},
	})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	with := "connector = 'memory'"
	if r.c.Input != harness.Arrow {
		with = "connector = 'file', path = '" + r.d.File + "', format = '" + map[harness.Input]string{harness.Parquet: "parquet", harness.NDJSON: "json"}[r.c.Input] + "'"
	}
	cols := columns
	if r.c.Input == harness.Parquet {
		cols = "auction BIGINT NOT NULL, price BIGINT NOT NULL, ts TIMESTAMP NOT NULL"
	}
	_, err = db.Exec(ctx, `CREATE SOURCE bids (`+cols+`, WATERMARK FOR ts AS ts - INTERVAL '4 seconds') WITH (`+with+`);
		CREATE SINK answer WITH (connector = '`+sink+`') AS `+queries[r.c.Query]+onClose(r.c.Query))
	if err != nil {
		return 0, err
	}
	if err := db.Wait(ctx); err != nil {
		return 0, err
	}
	stats := db.Stats()
	return stats.RowsOut, db.Close()
}

func onClose(q harness.Query) string {
	if q == harness.FilterProject {
		return ""
	}
	return " EMIT ON WINDOW CLOSE"
}

// sumSink sums an answer up.
type sumSink struct {
	query harness.Query
	mu    sync.Mutex
	check harness.Check
}

func (s *sumSink) Open(context.Context, sinks.Marker) (sinks.Marker, bool, error) {
	return sinks.Marker{}, false, nil
}

func (s *sumSink) Publish(_ context.Context, _ sinks.Marker, changes []*changelog.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range changes {
		value := func(col, row int) int64 {
			switch a := b.Cols[col].(type) {
			case *array.Int64:
				return a.Value(row)
			case *array.Timestamp:
				return int64(a.Value(row))
			}
			panic(fmt.Sprintf("column of type %s", b.Cols[col].DataType()))
		}
		b.Each(func(row int) {
			w := b.Weight(row)
			s.check.Rows += w
			switch s.query {
			case harness.TumbleCount:
				n := value(2, row) * w
				s.check.Sums[0] += n
				s.check.Sums[1] += value(0, row) * n
				s.check.Sums[2] += value(1, row) / 10_000_000 * n
			case harness.HopHottest:
				n := value(1, row) * w
				s.check.Sums[0] += n
				s.check.Sums[1] += value(0, row) / 2_000_000 * n
			case harness.FilterProject:
				for i := range 3 {
					s.check.Sums[i] += value(i, row) * w
				}
			}
		})
	}
	return nil
}

func (s *sumSink) Finish(context.Context) error { return nil }
func (s *sumSink) Close() error                 { return nil }
