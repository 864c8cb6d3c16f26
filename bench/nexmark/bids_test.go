package nexmark

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/stretchr/testify/require"
)

// The proportions that decide how hard the benchmark is.
func TestDistribution(t *testing.T) {
	const rows = 200_000
	counts := map[int64]int{}
	hotBidders, hotChannel, last := 0, 0, int64(0)
	for i, bid := range (Config{Rows: rows}).Bids() {
		counts[bid.Auction]++
		if (bid.Bidder-firstPerson)%hotBidderEvery == 1 {
			hotBidders++
		}
		if bid.Channel == "Google" || bid.Channel == "Apple" || bid.Channel == "Baidu" || bid.Channel == "Facebook" {
			hotChannel++
		}
		require.GreaterOrEqual(t, bid.Price, int64(100))
		require.LessOrEqual(t, bid.Price, int64(100_000_000))
		require.GreaterOrEqual(t, bid.Micros, last)
		last = bid.Micros
		if i == 0 {
			require.Equal(t, Start.Add(400*time.Microsecond).UnixMicro(), bid.Micros, "four events come before the first bid")
		}
	}
	hot := 0
	for auction, n := range counts {
		if (auction-firstAuction)%hotAuctionEvery == 0 {
			hot += n
		}
	}
	// Half by choice, and a hundredth of the other half by chance.
	require.InDelta(t, 0.505, float64(hot)/rows, 0.01)
	require.InDelta(t, 0.7525, float64(hotBidders)/rows, 0.01)
	require.InDelta(t, 0.5, float64(hotChannel)/rows, 0.01)
	require.InDelta(t, rows/bidShare*auctionShare, len(counts), 200)
	require.InDelta(t, rows/bidShare*totalShare/10_000, time.UnixMicro(last).Sub(Start).Seconds(), 1)
}

func TestBatchesHoldTheBids(t *testing.T) {
	config := Config{Rows: 10_001, BatchRows: 1000, Seed: 7}
	batches, err := config.Batches()
	require.NoError(t, err)
	var all []Bid
	for batch := range batches {
		require.True(t, batch.Schema().Equal(Schema))
		for i := range int(batch.NumRows()) {
			all = append(all, Bid{
				Auction: batch.Column(0).(*array.Int64).Value(i), Bidder: batch.Column(1).(*array.Int64).Value(i),
				Price: batch.Column(2).(*array.Int64).Value(i), Channel: batch.Column(3).(*array.String).Value(i),
				URL: batch.Column(4).(*array.String).Value(i), Micros: int64(batch.Column(5).(*array.Timestamp).Value(i)),
			})
		}
		batch.Release()
	}
	require.Len(t, all, config.Rows)
	for i, bid := range config.Bids() {
		require.Equal(t, bid, all[i])
	}

	config.Columns = []string{"ts", "auction"}
	batches, err = config.Batches()
	require.NoError(t, err)
	for batch := range batches {
		require.EqualValues(t, 2, batch.NumCols())
		require.Equal(t, all[0].Auction, batch.Column(1).(*array.Int64).Value(0))
		batch.Release()
		break
	}
	config.Columns = []string{"nope"}
	_, err = config.Batches()
	require.ErrorContains(t, err, `no column "nope"`)
}

func TestFiles(t *testing.T) {
	config := Config{Rows: 1000}
	path := filepath.Join(t.TempDir(), "bids.ndjson")
	require.NoError(t, config.WriteNDJSON(path))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.InDelta(t, 170, len(text)/config.Rows, 10)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	require.Len(t, lines, config.Rows)
	for i, bid := range config.Bids() {
		var got struct {
			Auction, Bidder, Price int64
			Channel, URL, TS       string
		}
		require.NoError(t, json.Unmarshal(lines[i], &got))
		at, err := time.Parse("2006-01-02 15:04:05.000000", got.TS)
		require.NoError(t, err)
		require.Equal(t, bid, Bid{got.Auction, got.Bidder, got.Price, got.Channel, got.URL, at.UnixMicro()})
	}

	config.Columns = []string{"auction", "price", "ts"}
	path = filepath.Join(t.TempDir(), "bids.parquet")
	require.NoError(t, config.WriteParquet(path))
	reader, err := file.OpenParquetFile(path, false)
	require.NoError(t, err)
	require.EqualValues(t, config.Rows, reader.NumRows())
	require.Equal(t, 3, reader.MetaData().Schema.NumColumns())
	require.NoError(t, reader.Close())
}
