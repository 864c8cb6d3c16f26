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

// BenchmarkDelta takes the 10 thousand rows that an epoch changed out of 10 million.
func BenchmarkDelta(b *testing.B) {
	const n, dirty = 10_000_000, 10_000
	h := filled(n)
	rnd := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		for range dirty {
			h.Touch(rnd.Uint32N(n))
		}
		d := h.Delta()
		if _, err := changelog.AppendRecords(nil, d.Rows.Schema(), d.Rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e3/float64(b.N), "ms/epoch")
}

// BenchmarkLoad applies logged rows of new keys: rows/s.
func BenchmarkLoad(b *testing.B) {
	const n, batch = 2_000_000, 1 << 15
	h := filled(n)
	slots := h.Slots(nil)
	var recs []arrow.Record
	for len(slots) > 0 {
		k := min(batch, len(slots))
		h.TouchAll(slots[:k], nil)
		recs = append(recs, h.Delta().Rows)
		slots = slots[k:]
	}
	b.ResetTimer()
	for range b.N {
		copied := NewHash(countSpec())
		for _, rec := range recs {
			if err := copied.Apply(rec, func(hash uint64) bool { return true }); err != nil {
				b.Fatal(err)
			}
		}
		require.Equal(b, n, copied.Len())
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds()/1e6, "Mrows/s")
}

func filled(n int) *Hash {
	const batch = 8192
	h := NewHash(countSpec())
	slots := make([]uint32, batch)
	for from := 0; from < n; from += batch {
		vals := make([]int64, min(batch, n-from))
		for i := range vals {
			vals[i] = int64(from + i)
		}
		h.FindOrInsert(KeyBatch{Cols: columns(int64Array(vals)), N: len(vals)}, slots, nil)
	}
	return h
}
