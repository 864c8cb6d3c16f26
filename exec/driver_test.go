package exec

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/streamsql/streamsql/planner"
)

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func startEngine(t *testing.T, cfg Config, jobs ...JobSpec) *Engine {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	e, err := Open(cfg)
	require.NoError(t, err)
	if err := e.Alter(context.Background(), Alteration{Add: jobs}); err != nil {
		require.NoError(t, e.Stop(context.Background()))
		require.NoError(t, err)
	}
	e.Start()
	return e
}

// batchings are the ways in which the same input is cut.
var batchings = []struct {
	name               string
	workers, size, per int
	rows               int // an epoch's limit
	nothing            bool
}{
	{"one epoch", 1, 10_000, 1, 1 << 30, false},
	{"one row at a time", 1, 1, 1, 1, false},
	{"one row batches, 3 workers", 3, 1, 5, 10, false},
	{"odd, 3 workers", 3, 7, 3, 50, false},
	{"odd, positions between chunks only", 3, 7, 3, 1, true},
	{"3 workers, one epoch", 3, 64, 4, 1 << 30, false},
}

// Whatever the batches, epochs and workers, the sink holds the same windows in the end: lateness is judged in the order of each
// partition alone.
func TestDriverAnyBatching(t *testing.T) {
	parts := testBids(300)
	want, late := windowAnswer(parts)
	require.NotZero(t, late)
	wantCount := countAnswer(parts)
	for _, c := range batchings {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			f := newFeed(c.size, c.per)
			f.nothing = c.nothing
			w.feeds[1] = f
			for _, p := range []string{"a", "b"} {
				f.add(p, parts[p]...)
			}
			f.end()
			cfg := w.config()
			cfg.Workers, cfg.EpochRows = c.workers, c.rows
			wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true})
			e := startEngine(t, cfg,
				JobSpec{ID: 10, Name: "windows", Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)},
				JobSpec{ID: 11, Name: "counts", Root: w.sinkNode(11, countNode(t, scanNode(1)), planner.Upsert, 0)},
				JobSpec{ID: 12, Name: "changes", Root: w.sinkNode(12, winNode(t, wm, planner.EmitChanges), planner.Changelog)},
			)
			require.NoError(t, e.Wait(testContext(t)))
			s := e.Stats()
			require.NoError(t, e.Stop(testContext(t)))
			got := w.media[10].text()
			require.Equal(t, want, got, diffText(want, got))
			require.Equal(t, wantCount, w.media[11].text())
			require.Equal(t, want, w.media[12].text())
			require.Equal(t, 1, w.media[10].ended)
			require.EqualValues(t, 600, s.RowsIn, "jobs share the reader")
			n := int64(0)
			for _, r := range s.Rejected {
				require.Equal(t, ReasonLate, r.Reason)
				n += r.Rows
			}
			require.EqualValues(t, 2*late, n)
			require.True(t, w.made[0].closed)
		})
	}
}

// A linear query keeps each partition's order to the sink.
func TestDriverKeepsOrder(t *testing.T) {
	w := newWorld()
	f := newFeed(3, 2)
	w.feeds[1] = f
	for i := range int64(500) {
		f.add("a", bid{auction: 1, price: i, ts: i})
		f.add("b", bid{auction: 2, price: i, ts: i})
	}
	f.end()
	cfg := w.config()
	cfg.Workers, cfg.EpochRows = 3, 100
	e := startEngine(t, cfg, JobSpec{ID: 10, Root: w.sinkNode(10, scanNode(1), planner.Append)})
	require.NoError(t, e.Wait(testContext(t)))
	require.NoError(t, e.Stop(testContext(t)))
	next := map[int64]int64{}
	for _, l := range w.media[10].lines {
		var auction, price int64
		_, err := fmt.Sscanf(l, "+1 (%d,%d,", &auction, &price)
		require.NoError(t, err)
		require.Equal(t, next[auction], price, l)
		next[auction]++
	}
	require.Equal(t, map[int64]int64{1: 500, 2: 500}, next)
}
