package loops

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/nexmark"
)

// slow answers a query by maps, bid by bid.
func slow(query harness.Query, bids nexmark.Config) harness.Check {
	type key struct{ window, auction int64 }
	counts := map[key]int64{}
	var check harness.Check
	for _, bid := range bids.Bids() {
		switch query {
		case harness.TumbleCount:
			counts[key{bid.Micros / 10_000_000, bid.Auction}]++
		case harness.HopHottest:
			for window := bid.Micros/2_000_000 - 4; window*2_000_000 <= bid.Micros; window++ {
				counts[key{window, bid.Auction}]++
			}
		case harness.FilterProject:
			if bid.Price > 10_000 {
				check.Rows++
				check.Sums[0] += bid.Auction
				check.Sums[1] += bid.Bidder
				check.Sums[2] += bid.Price * 89 / 100
			}
		}
	}
	if query == harness.HopHottest {
		most := map[int64]int64{}
		for k, n := range counts {
			most[k.window] = max(most[k.window], n)
		}
		for window, n := range most {
			check.Rows++
			check.Sums[0] += n
			check.Sums[1] += n * window
		}
		return check
	}
	for k, n := range counts {
		check.Rows++
		check.Sums[0] += n
		check.Sums[1] += n * k.auction
		check.Sums[2] += n * k.window
	}
	return check
}

func TestLoopsAgreeWithMaps(t *testing.T) {
	bids := nexmark.Config{Rows: 50_000, EventsRate: 1000, Seed: 3}
	file := filepath.Join(t.TempDir(), "bids.ndjson")
	require.NoError(t, bids.WriteNDJSON(file))
	for _, c := range harness.Cases {
		if Side.Skips(c) {
			continue
		}
		data := harness.Data{Bids: bids}
		if c.Input == harness.NDJSON {
			data.File = file
		}
		runner, err := Side.New(1)
		require.NoError(t, err)
		require.NoError(t, runner.Load(context.Background(), c, data))
		for range 2 {
			got, err := runner.Run(context.Background())
			require.NoError(t, err)
			require.Equal(t, slow(c.Query, bids), got, c.Name)
			require.Greater(t, got.Rows, int64(10))
		}
		require.NoError(t, runner.Close())
	}
}

func TestScanBid(t *testing.T) {
	auction, micros, ok := scanBid([]byte(`{ "x\"y":"a\\", "ts" : "2024-02-29 23:59:58.5", "n":-3 ,"auction":42 } `))
	require.True(t, ok)
	require.EqualValues(t, 42, auction)
	require.Equal(t, time.Date(2024, 2, 29, 23, 59, 58, 500_000_000, time.UTC).UnixMicro(), micros)
	for _, bad := range []string{
		``, `{`, `{}`, `[1]`, `{"auction":1}`, `{"auction":1,"ts":"2024"}`, `{"auction":1,"ts":"2024-02-29 23:59:58"`,
		`{"auction":1,"ts":"2024-02-29 23:59:58"} x`, `{"auction":"1`, `{"auction":12345678901234567890,"ts":"2024-02-29 23:59:58"}`,
		`{"auction":1,"ts":"2024-02-29 23:x9:58"}`, `{"auction":1,"ts":"2024-02-29 23:59:58,1"}`,
	} {
		_, _, ok := scanBid([]byte(bad))
		require.False(t, ok, bad)
	}
}

func TestDaysSince1970(t *testing.T) {
	for day := time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2110; day = day.AddDate(0, 0, 17) {
		require.Equal(t, day.Unix()/86400, daysSince1970(int64(day.Year()), int64(day.Month()), int64(day.Day())), day.String())
	}
}
