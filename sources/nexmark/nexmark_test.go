package nexmark

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

func options(t require.TestingT, kv ...string) types.Options {
	given := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		given[kv[i]] = kv[i+1]
	}
	o, err := types.ParseOptions("connector 'nexmark'", Options, given)
	require.NoError(t, err)
	return o
}

// table reads all rows of a bounded generator from a position as text, by column.
func table(t require.TestingT, wanted types.Schema, from sources.Position, kv ...string) (cols [][]string, positions []sources.Position) {
	src, err := New("n", options(t, kv...), wanted)
	require.NoError(t, err)
	r, err := src.OpenPartition(context.Background(), "0", from)
	require.NoError(t, err)
	cols = make([][]string, len(wanted))
	for {
		c, status, err := r.Read(context.Background(), 1<<20)
		require.NoError(t, err)
		if status == sources.ReadEnded {
			return cols, positions
		}
		d, err := c.Decode()
		require.NoError(t, err)
		b := d[0].Batch
		for i, f := range wanted {
			require.Equal(t, b.N, b.Cols[i].Len())
			for row := range b.N {
				cols[i] = append(cols[i], string(types.AppendText(nil, f.Type, b.Cols[i], row)))
			}
		}
		positions = append(positions, c.To())
	}
}

func column(t require.TestingT, tab, name string, kv ...string) []string {
	s := Schema(tab)
	cols, _ := table(t, types.Schema{s[s.Index(name)]}, nil, append([]string{"table", tab}, kv...)...)
	return cols[0]
}

// Of 50 events one is a person, three are auctions and 46 are bids; ids count up.
func TestProportions(t *testing.T) {
	people, auctions := column(t, "person", "id", "events", "5000"), column(t, "auction", "id", "events", "5000")
	require.Len(t, people, 100)
	require.Len(t, auctions, 300)
	require.Len(t, column(t, "bid", "price", "events", "5000"), 4600)
	for i, id := range people {
		require.Equal(t, fmt.Sprint(1000+i), id)
	}
	for i, id := range auctions {
		require.Equal(t, fmt.Sprint(1000+i), id)
	}
	require.Empty(t, column(t, "bid", "price", "events", "4"), "the first four events are a person and three auctions")
	require.Len(t, column(t, "bid", "price", "events", "5"), 1)
}

// About half of the bids go to the hottest auction and three quarters come from the hottest bidder, at each moment.
func TestHotRatios(t *testing.T) {
	src, err := New("n", options(t, "table", "bid", "events", "200000"), Schema("bid")[:3])
	require.NoError(t, err)
	r, err := src.OpenPartition(t.Context(), "0", nil)
	require.NoError(t, err)
	hotAuction, hotBidder, hotSeller, n := 0, 0, 0, 0
	event := int64(0)
	for {
		c, status, err := r.Read(t.Context(), 1<<20)
		require.NoError(t, err)
		if status == sources.ReadEnded {
			break
		}
		d, err := c.Decode()
		require.NoError(t, err)
		b := d[0].Batch
		a, bidder, price := b.Cols[0].(*array.Int64).Int64Values(), b.Cols[1].(*array.Int64).Int64Values(), b.Cols[2].(*array.Int64).Int64Values()
		for i := range a {
			for kindOf(event) != "bid" {
				event++
			}
			lastA, lastP := 1000+lastAuction(event), 1000+lastPerson(event)
			require.True(t, a[i] >= 1000 && a[i] <= lastA+idLead, "auction %d of at most %d", a[i], lastA)
			require.True(t, bidder[i] >= 1000 && bidder[i] <= lastP+idLead)
			require.True(t, price[i] >= 100 && price[i] <= 100_000_000)
			if a[i] == 1000+lastAuction(event)/hotStep*hotStep {
				hotAuction++
			}
			if bidder[i] == 1000+lastPerson(event)/hotStep*hotStep+1 {
				hotBidder++
			}
			n++
			event++
		}
	}
	require.Equal(t, 184_000, n)
	require.InDelta(t, 0.5, float64(hotAuction)/float64(n), 0.02)
	require.InDelta(t, 0.75, float64(hotBidder)/float64(n), 0.02)
	sellers := column(t, "auction", "seller", "events", "200000")
	for i, s := range sellers {
		e := int64(i/3*50 + i%3 + 1)
		if s == fmt.Sprint(1000+lastPerson(e)/hotStep*hotStep) {
			hotSeller++
		}
	}
	require.InDelta(t, 0.75, float64(hotSeller)/float64(len(sellers)), 0.03)
}

func TestEventTime(t *testing.T) {
	times := column(t, "bid", "date_time", "events", "100")
	require.Equal(t, "2015-07-15 00:00:00.0004", times[0], "event 4 of 10,000 a second")
	require.Equal(t, "2015-07-15 00:00:00.0099", times[len(times)-1])
	times = column(t, "person", "date_time", "events", "100", "event_rate", "1", "start_time", "2020-02-29 23:59:59")
	require.Equal(t, []string{"2020-02-29 23:59:59", "2020-03-01 00:00:49"}, times)
	expires, begin := column(t, "auction", "expires", "events", "5000"), column(t, "auction", "date_time", "events", "5000")
	for i := range expires {
		require.Greater(t, expires[i], begin[i])
	}
}

// The same events are the same rows, however they are cut, whichever columns are read, and from wherever.
func TestDeterminism(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tab := rapid.SampledFrom([]string{"person", "auction", "bid"}).Draw(t, "table")
		seed := fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "seed"))
		events := rapid.Int64Range(1, 300).Draw(t, "events")
		all, _ := table(t, Schema(tab), nil, "table", tab, "seed", seed, "events", fmt.Sprint(events))
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(Schema(tab)), 1, 4, func(f types.Field) string { return f.Name }).Draw(t, "columns")
		g := &generator{table: tab, start: 1436918400000000, step: 100}
		fmt.Sscan(seed, &g.seed)
		for _, f := range some {
			g.cols = append(g.cols, f.Name)
		}
		got := make([][]string, len(some))
		for at := int64(0); at < events; {
			to := min(events, at+rapid.Int64Range(1, 100).Draw(t, "cut"))
			cols, rows, err := g.Generate(at, to)
			require.NoError(t, err)
			for i, f := range some {
				require.Equal(t, rows, cols[i].Len())
				for row := range rows {
					got[i] = append(got[i], string(types.AppendText(nil, f.Type, cols[i], row)))
				}
			}
			at = to
		}
		for i, f := range some {
			require.Equal(t, all[Schema(tab).Index(f.Name)], got[i], f.Name)
		}
	})
	require.NotEqual(t, column(t, "bid", "price", "events", "500"), column(t, "bid", "price", "events", "500", "seed", "1"))
	require.Equal(t, column(t, "bid", "date_time", "events", "500"), column(t, "bid", "date_time", "events", "500", "seed", "1"))
}

// A fixed row of each table: stored data of tests and benchmarks depends on the generator's staying as it is.
func TestGolden(t *testing.T) {
	for tab, want := range golden {
		cols, _ := table(t, Schema(tab), nil, "table", tab, "events", "60")
		var row []string
		for _, c := range cols {
			row = append(row, c[len(c)-1])
		}
		require.Equal(t, want, strings.Join(row, "|"), tab)
	}
}

func TestBidsAreWellFormed(t *testing.T) {
	channels, urls := column(t, "bid", "channel", "events", "2000"), column(t, "bid", "url", "events", "2000")
	extras := column(t, "bid", "extra", "events", "2000")
	hot := 0
	byChannel := map[string]string{}
	for i, c := range channels {
		require.Regexp(t, `^https://www\.nexmark\.com/([a-z]{5}/){3}item\.htm\?query=1(&channel_id=\d+)?$`, urls[i])
		require.Regexp(t, `^[a-z]{40,60}$`, extras[i])
		if !strings.HasPrefix(c, "channel-") {
			require.Contains(t, hotChannels, c)
			require.NotContains(t, urls[i], "channel_id", "only the urls of the other channels carry one")
			hot++
		}
		if before, ok := byChannel[c]; ok {
			require.Equal(t, before, urls[i], "a channel has one url")
		}
		byChannel[c] = urls[i]
	}
	require.InDelta(t, 0.5, float64(hot)/float64(len(channels)), 0.05)
}

func TestRefused(t *testing.T) {
	_, err := New("n", options(t, "table", "bid"), types.Schema{{Name: "prise", Type: types.Int8Type}})
	require.Equal(t, types.CodeUndefinedColumn, types.CodeOf(err))
	_, err = New("n", options(t, "table", "bid"), types.Schema{{Name: "price", Type: types.TextType}})
	require.EqualError(t, err, `nexmark's column "price" of bid is bigint, not text`)
	_, err = New("n", options(t, "table", "bid", "event_rate", "0"), nil)
	require.EqualError(t, err, `option "event_rate" is 0, wanted more than 0`)
	_, err = New("n", options(t, "table", "bid", "event_rate", "-1"), nil)
	require.Error(t, err)
	_, err = New("n", options(t, "table", "bid", "events", "-1"), nil)
	require.Error(t, err)
	_, err = New("n", options(t, "table", "bid", "rate", "-1"), nil)
	require.Error(t, err)
	_, err = New("n", options(t, "table", "bid", "start_time", "tomorrow-ish"), nil)
	require.Error(t, err)
	for _, f := range Schema("bid") {
		require.True(t, f.NotNull)
	}
}

func BenchmarkBids(b *testing.B) {
	g := &generator{table: "bid", start: 0, step: 100, cols: []string{"auction", "price", "date_time"}}
	for b.Loop() {
		if _, rows, err := g.Generate(0, 100_000); err != nil || rows != 92_000 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*92_000/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
