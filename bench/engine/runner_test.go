package engine

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/nexmark"
)

// BenchmarkQuery is for profiles of one case: go test ./engine -run - -bench Query/filter -cpuprofile cpu.out.
func BenchmarkQuery(b *testing.B) {
	const rows = 4_000_000
	for _, c := range harness.Cases {
		if c.Input != harness.Arrow {
			continue
		}
		b.Run(string(c.Query), func(b *testing.B) {
			r, err := newRunner(1)
			require.NoError(b, err)
			require.NoError(b, r.Load(context.Background(), c, harness.Data{Bids: nexmark.Config{Rows: rows, Seed: 1}, Dir: b.TempDir()}))
			b.ResetTimer()
			for b.Loop() {
				_, err := r.Run(context.Background())
				require.NoError(b, err)
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
