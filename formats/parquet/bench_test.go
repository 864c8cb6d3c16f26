package parquet

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

var benchSchema = types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type}, {Name: "ts", Type: types.TimestampType}}

const benchRows = 1 << 17

func benchBatch() *changelog.Batch {
	auctions, prices := array.NewInt64Builder(alloc), array.NewInt64Builder(alloc)
	times := array.NewTimestampBuilder(alloc, types.TimestampType.Arrow().(*arrow.TimestampType))
	seed := uint64(1)
	for i := range benchRows {
		seed = seed*6364136223846793005 + 1442695040888963407
		auctions.Append(1000 + int64(seed>>40)%5000)
		prices.Append(int64(seed >> 44))
		times.Append(arrow.Timestamp(1_436_918_400_000_000 + int64(i)*100))
	}
	return &changelog.Batch{N: benchRows, Cols: []arrow.Array{auctions.NewArray(), prices.NewArray(), times.NewArray()}}
}

func BenchmarkDecode(b *testing.B) {
	for _, codec := range []string{"zstd", "snappy", "none"} {
		b.Run(fmt.Sprintf("columns=3/codec=%s", codec), func(b *testing.B) {
			data := encode(b, benchSchema, EncoderOptions{Compression: codec}, benchBatch())
			f, err := New(Config{Schema: benchSchema, TimeColumn: 2}).OpenBlocks(bytes.NewReader(data), int64(len(data)))
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				batches, _, err := f.DecodeBlock(0)
				if err != nil || len(batches) != 2 {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*benchRows*3/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	batch := benchBatch()
	for _, codec := range []string{"zstd", "snappy", "none"} {
		b.Run(fmt.Sprintf("columns=3/codec=%s", codec), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = len(encode(b, benchSchema, EncoderOptions{Compression: codec}, batch))
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds()/1e6, "Mrows/s")
			b.ReportMetric(float64(size)/benchRows, "B/row")
		})
	}
}
