package engine

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/nexmark"
)

// BenchmarkQuery is for profiles of one case: go test ./engine -run - -bench Query/arrow/filter -cpuprofile cpu.out.
func BenchmarkQuery(b *testing.B) {
	const rows = 4_000_000
	for _, c := range harness.Cases {
		b.Run(string(c.Input)+"/"+string(c.Query), func(b *testing.B) {
			d := harness.Data{Bids: nexmark.Config{Rows: rows, Seed: 1}, Dir: b.TempDir()}
			switch c.Input {
			case harness.Parquet:
				d.Bids.Columns, d.File = []string{"auction", "price", "ts"}, filepath.Join(d.Dir, "bids.parquet")
				require.NoError(b, d.Bids.WriteParquet(d.File))
			case harness.NDJSON:
				d.Bids.Rows, d.File = rows/4, filepath.Join(d.Dir, "bids.ndjson")
				require.NoError(b, d.Bids.WriteNDJSON(d.File))
			}
			r, err := newRunner(1)
			require.NoError(b, err)
			require.NoError(b, r.Load(context.Background(), c, d))
			b.ResetTimer()
			for b.Loop() {
				_, err := r.Run(context.Background())
				require.NoError(b, err)
			}
			b.ReportMetric(float64(d.Bids.Rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
