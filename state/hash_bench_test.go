package state

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

func int64Array(vals []int64) arrow.Array {
	buf := memory.NewBufferBytes(arrow.Int64Traits.CastToBytes(vals))
	return array.NewInt64Data(array.NewData(arrow.PrimitiveTypes.Int64, len(vals), []*memory.Buffer{nil, buf}, nil, 0, 0))
}

func countSpec() Spec {
	return Spec{ID: 16, Name: "counts", Key: []types.Type{types.Int8Type}, Value: []ColumnSpec{{Name: "n", Kind: Int64}}, Dist: 1}
}

// BenchmarkFindOrInsert counts random keys of a table that holds them all: rows/s, and bytes a key.
func BenchmarkFindOrInsert(b *testing.B) {
	const batch = 8192
	for _, n := range []int{1_000, 100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			h := NewHash(countSpec())
			slots := make([]uint32, batch)
			hashes := make([]uint64, batch)
			vals := make([]int64, batch)
			ts := []types.Type{types.Int8Type}
			count := h.I64(0)
			run := func() {
				col := int64Array(vals)
				changelog.Hash([]arrow.Array{col}, ts, len(vals), nil, hashes)
				h.FindOrInsert(KeyBatch{Cols: []arrow.Array{col}, N: len(vals), Hashes: hashes[:len(vals)]}, slots[:len(vals)], nil)
				for _, s := range slots[:len(vals)] {
					*count.At(s)++
				}
			}
			all := vals
			for from := 0; from < n; from += batch {
				vals = all[:min(batch, n-from)]
				for i := range vals {
					vals[i] = int64(from + i)
				}
				run()
			}
			vals = all
			require.Equal(b, n, h.Len())
			rnd := rand.New(rand.NewPCG(1, 2))
			input := make([][]int64, 64)
			for i := range input {
				input[i] = make([]int64, batch)
				for j := range input[i] {
					input[i][j] = rnd.Int64N(int64(n))
				}
			}
			b.ResetTimer()
			for i := range b.N {
				vals = input[i%len(input)]
				run()
			}
			b.ReportMetric(float64(b.N)*batch/b.Elapsed().Seconds()/1e6, "Mrows/s")
			b.ReportMetric(float64(h.Bytes())/float64(n), "bytes/key")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkInsert fills a table with new keys: rows/s, and peak heap a key.
func BenchmarkInsert(b *testing.B) {
	const batch, n = 8192, 10_000_000
	for range b.N {
		h := NewHash(countSpec())
		slots := make([]uint32, batch)
		vals := make([]int64, batch)
		var peak uint64
		var ms runtime.MemStats
		for from := 0; from < n; from += batch {
			for i := range vals {
				vals[i] = int64(from+i) * 7
			}
			h.FindOrInsert(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: batch}, slots, nil)
			if from%(1<<20) == 0 {
				runtime.ReadMemStats(&ms)
				peak = max(peak, ms.HeapInuse)
			}
		}
		b.ReportMetric(float64(peak)/float64(h.Len()), "peakB/key")
		b.ReportMetric(float64(h.Len())*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	}
}
