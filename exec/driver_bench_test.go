package exec

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks/blackhole"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
)

// loopSource gives batches from memory.
type loopSource struct {
	batches []*changelog.Batch
	rows    int
}

func (s *loopSource) Partitions(context.Context) ([]string, error) { return []string{"0"}, nil }
func (s *loopSource) OpenPartition(context.Context, string, Position) (Reader, error) {
	return &loopReader{s: s}, nil
}
func (s *loopSource) Close() error { return nil }

type loopReader struct {
	s  *loopSource
	at int
}

func (r *loopReader) Read(context.Context, int) (Chunk, sources.ReadStatus, error) {
	if r.at*r.s.batches[0].N >= r.s.rows {
		return nil, ReadEnded, nil
	}
	b := r.s.batches[r.at%len(r.s.batches)]
	r.at++
	return &loopChunk{b: b, at: r.at}, ReadMore, nil
}
func (r *loopReader) Wait(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (r *loopReader) Close() error                   { return nil }

type loopChunk struct {
	b  *changelog.Batch
	at int
}

func (c *loopChunk) From() Position { return feedPos(c.at - 1) }
func (c *loopChunk) To() Position   { return feedPos(c.at) }
func (c *loopChunk) Bytes() int     { return 32 * c.b.N }
func (c *loopChunk) Decode() ([]Decoded, error) {
	b := *c.b
	return []Decoded{{Batch: &b}}, nil
}

// BenchmarkDriver runs bids from memory through nothing, a window aggregation, and an aggregation of a million groups, with the log
// on.
func BenchmarkDriver(b *testing.B) {
	const rows, batch = 8 << 20, 32 << 10
	f := newFeed(batch, 1)
	var batches, many []*changelog.Batch
	for i := range rows / batch {
		var bids, spread []bid
		for j := range batch {
			n := int64(i*batch + j)
			bids = append(bids, bid{auction: n * 7919 % 1000, price: n % 10007, ts: n * 50})
			spread = append(spread, bid{auction: n * 7919 % (1 << 20), price: n % 10007, ts: n * 50})
		}
		d, err := (&feedChunk{f: f, rows: bids}).Decode()
		require.NoError(b, err)
		batches = append(batches, d[0].Batch)
		d, err = (&feedChunk{f: f, rows: spread}).Decode()
		require.NoError(b, err)
		many = append(many, d[0].Batch)
	}
	for _, q := range []string{"copy", "window", "groups"} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", q, workers), func(b *testing.B) {
				cpu := processorSeconds()
				for range b.N {
					st, err := state.Open(vfs.OS, filepath.Join(b.TempDir(), "state"), state.Options{})
					require.NoError(b, err)
					w := newWorld()
					cfg := w.config()
					cfg.Store, cfg.Workers, cfg.Check = st, workers, false
					cfg.OpenSource = func(context.Context, *planner.Scan) (Source, error) {
						if q == "groups" {
							return &loopSource{batches: many, rows: rows}, nil
						}
						return &loopSource{batches: batches, rows: rows}, nil
					}
					cfg.OpenSink = func(context.Context, *planner.Sink) (Sink, error) { return blackhole.Sink{}, nil }
					root, mode := scanNode(1), planner.Append
					if q == "groups" {
						root, mode = countNode(b, root), planner.Upsert
					}
					if q == "window" {
						root = winNode(b, watermarkNode(root, planner.Watermark{Emit: true}), planner.EmitOnClose)
					}
					e, err := Open(cfg)
					require.NoError(b, err)
					require.NoError(b, e.AddJob(context.Background(), JobSpec{ID: 10, Root: w.sinkNode(10, root, mode, 0)}))
					e.Start()
					require.NoError(b, e.Wait(context.Background()))
					s := e.Stats()
					require.EqualValues(b, rows, s.RowsIn)
					require.NoError(b, e.Stop(context.Background()))
					require.NoError(b, st.Close())
					b.ReportMetric(float64(s.Epochs), "epochs")
					b.ReportMetric(float64(s.Durations.PrepareTotal.Milliseconds()), "prepare-ms")
				}
				b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
				b.ReportMetric(float64(rows)*float64(b.N)/(processorSeconds()-cpu)/1e6, "Mrows/cpu-s")
			})
		}
	}
}

// processorSeconds is the processor time of this process so far.
func processorSeconds() float64 {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// BenchmarkRunOnce reads a small view, as a client does that asks for one row.
func BenchmarkRunOnce(b *testing.B) {
	schema := countNode(b, scanNode(1)).Schema
	view := state.NewView(20, "v", schema, []int{0})
	batch := &changelog.Batch{N: 1000}
	v := make([]int64, 1000)
	for i := range v {
		v[i] = int64(i)
	}
	for _, f := range schema {
		batch.Cols = append(batch.Cols, feedColumn(f.Type, v))
	}
	require.NoError(b, view.Update(batch))
	pinned := map[planner.ObjectID]*state.Snapshot{9: view.Pin()}
	root := outputNode(viewScanNode(9, schema))
	for b.Loop() {
		out, err := RunOnce(context.Background(), Config{}, root, pinned)
		require.NoError(b, err)
		require.Equal(b, 1000, out[0].N)
	}
}
