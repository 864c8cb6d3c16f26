package state

import (
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// fill puts n rows into a table of a store, in epochs of at most a million.
func fill(b *testing.B, s *Store, h *Hash, n int) {
	const batch = 1 << 20
	vals := make([]int64, 0, batch)
	slots := make([]uint32, batch)
	for at := 0; at < n; at += batch {
		vals = vals[:0]
		for i := at; i < min(at+batch, n); i++ {
			vals = append(vals, int64(i)*7_368_787)
		}
		h.FindOrInsert(KeyBatch{Cols: columns(int64Array(vals)), N: len(vals)}, slots, nil)
		for _, slot := range slots[:len(vals)] {
			*h.I64(0).At(slot) = int64(slot)
			h.Touch(slot)
		}
		require.NoError(b, s.Prepare(&Record{Epoch: s.Last().Epoch + 1, Tables: []TableDelta{h.Delta()}}))
	}
}

// BenchmarkPrepare is 10 thousand dirty rows of a table of n: delta, record and sync. p50 and p99 are its own times, in milliseconds.
func BenchmarkPrepare(b *testing.B) {
	for name, n := range map[string]int{"rows=1M": 1_000_000, "rows=10M": 10_000_000} {
		b.Run(name, func(b *testing.B) {
			s, err := Open(vfs.OS, filepath.Join(b.TempDir(), "state"), Options{})
			require.NoError(b, err)
			h := NewHash(countSpec())
			fill(b, s, h, n)
			require.NoError(b, s.Fold())
			rnd := rand.New(rand.NewPCG(1, 2))
			var times []time.Duration
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				for range 10_000 {
					slot := uint32(rnd.IntN(n))
					*h.I64(0).At(slot)++
					h.Touch(slot)
				}
				b.StartTimer()
				start := time.Now()
				d := h.Delta()
				require.NoError(b, s.Prepare(&Record{Epoch: s.Last().Epoch + 1, Tables: []TableDelta{d}}))
				times = append(times, time.Since(start))
			}
			b.StopTimer()
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
			require.NoError(b, s.Close())
		})
	}
}

// BenchmarkFoldLoad is folding a log of 10 million rows, and opening and loading a folded store by as many workers as there are cores.
func BenchmarkFoldLoad(b *testing.B) {
	const n = 10_000_000
	for range b.N {
		dir := filepath.Join(b.TempDir(), "state")
		s, err := Open(vfs.OS, dir, Options{ManualFold: true})
		require.NoError(b, err)
		fill(b, s, NewHash(countSpec()), n)
		start := time.Now()
		require.NoError(b, s.Fold())
		b.ReportMetric(time.Since(start).Seconds(), "fold-s")
		b.ReportMetric(float64(s.Stats().SnapshotBytes)/n, "disk-B/row")
		require.NoError(b, s.Close())
		runtime.GC()

		start = time.Now()
		s, err = Open(vfs.OS, dir, Options{ManualFold: true})
		require.NoError(b, err)
		workers := runtime.GOMAXPROCS(0)
		tables := make([]*Hash, workers)
		var wg sync.WaitGroup
		for w := range tables {
			wg.Go(func() {
				tables[w] = NewHash(countSpec())
				if err := s.Load(tables[w], func(h uint64) bool { return int(h>>32*uint64(workers)>>32) == w }); err != nil {
					panic(err)
				}
			})
		}
		wg.Wait()
		b.ReportMetric(time.Since(start).Seconds(), "load-s")
		rows := 0
		for _, t := range tables {
			rows += t.Len()
		}
		require.Equal(b, n, rows)
		require.Equal(b, changelog.Epoch(10), s.Last().Epoch)
		require.NoError(b, s.Close())
	}
}
