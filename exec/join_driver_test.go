package exec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
)

// selfInterval joins bids with bids of the same auction that are up to 5 seconds older; both sides are one stream.
func selfInterval(in *planner.Node, kind planner.JoinKind) *planner.Node {
	op := &planner.Join{Kind: kind, LeftKeys: []int{0}, RightKeys: []int{0}, On: withinAt(2, 7, 5*second), Final: kind == planner.LeftJoin,
		LeftExpiry: &planner.Expiry{Col: 2, Lag: 1}, RightExpiry: &planner.Expiry{Col: 2, Lag: 5*second + 1},
		LeftLate: &planner.Expiry{Col: 2, Lag: 1}, RightLate: &planner.Expiry{Col: 2, Lag: 1}, LeftRowWatermark: 4, RightRowWatermark: 4}
	return ident(joinNode(in, in, op))
}

// newJoinPipeline is joins over one source: with the counts of each auction, which change, and with itself within an interval.
func newJoinPipeline(t *testing.T, rows int, f *feed) *pipeline {
	w := newWorld()
	w.feeds[1] = f
	parts := testBids(rows)
	f.add("a", parts["a"]...)
	f.add("b", parts["b"]...)
	f.end()
	wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true, IdleTimeout: second})
	counts := countNode(t, scanNode(1))
	some := ident(&planner.Node{Op: &planner.Filter{Pred: lessThanConst(1, 2)}, Inputs: []*planner.Node{counts}, Schema: counts.Schema, Props: counts.Props})
	none := func(kind planner.JoinKind, right *planner.Node) *planner.Node {
		return ident(joinNode(scanNode(1), right, &planner.Join{Kind: kind, LeftKeys: []int{0}, RightKeys: []int{0}, LeftRowWatermark: -1, RightRowWatermark: -1}))
	}
	p := &pipeline{w: w, jobs: []JobSpec{
		{ID: 10, Name: "counts", Root: w.sinkNode(10, none(planner.LeftJoin, counts), planner.Changelog)},
		{ID: 11, Name: "rare", Root: w.sinkNode(11, none(planner.AntiJoin, some), planner.Changelog)},
		{ID: 12, Name: "interval", Root: w.sinkNode(12, selfInterval(wm, planner.InnerJoin), planner.Append)},
		{ID: 13, Name: "interval, final", Root: w.sinkNode(13, selfInterval(wm, planner.LeftJoin), planner.Append)},
	}}
	var with, all []string
	var alive []bid
	count, top := map[int64]int64{}, map[int64]int64{}
	for _, bids := range parts {
		last := int64(changelog.MinWatermark)
		for _, b := range bids {
			count[b.auction]++
			top[b.auction] = max(top[b.auction], b.price)
			if b.ts >= last {
				alive = append(alive, b)
			}
			last = max(last, b.ts-feedDelay)
		}
	}
	for _, bids := range parts {
		for _, b := range bids {
			all = append(all, fmt.Sprintf("(%d,%d,%s,%s)", b.auction, b.price, timeText(b.ts), timeText(b.ts-feedDelay)))
			with = append(with, fmt.Sprintf("(%d,%d,%s,%s,%d,%d,%d)", b.auction, b.price, timeText(b.ts), timeText(b.ts-feedDelay), b.auction, count[b.auction], top[b.auction]))
		}
	}
	pairs := 0
	for _, l := range alive {
		for _, r := range alive {
			if l.auction == r.auction && l.ts >= r.ts && l.ts-r.ts <= 5*second {
				pairs++
			}
		}
	}
	p.check = func(t *testing.T) {
		require.Equal(t, counted(with), w.media[10].text())
		require.Equal(t, counted(all), w.media[11].text(), "in the end no auction has fewer than two bids")
		require.Len(t, w.media[12].lines, pairs)
		require.Len(t, w.media[13].lines, pairs, "each bid matches itself")
		require.Equal(t, w.media[12].text(), w.media[13].text())
	}
	return p
}

// counted is what a medium prints of rows.
func counted(rows []string) (out []string) {
	n := map[string]int{}
	for _, r := range rows {
		n[r]++
	}
	for r, k := range n {
		out = append(out, fmt.Sprintf("%s x%d", r, k))
	}
	sort.Strings(out)
	return out
}

// Joins are exactly-once wherever the process is killed, and with any number of workers afterwards.
func TestJoinCrash(t *testing.T) {
	for at := 1; ; at += 5 {
		c := newCrash(at)
		p := newJoinPipeline(t, 26, newFeed(4, 2))
		disk := vfs.NewMem()
		done := p.runUnder(t, c, disk, 1+at%3)
		if !done {
			disk.Hook(nil)
			disk = disk.CrashCloneRand(rand.New(rand.NewPCG(uint64(at), 1)))
			require.True(t, p.runUnder(t, newCrash(0), disk, 1+(at+1)%3), "at step %d", at)
		}
		p.check(t)
		if done || t.Failed() {
			require.False(t, t.Failed(), "crashed at step %d", at)
			require.Greater(t, at, 30)
			return
		}
	}
}

// Joins go on where they were after each stop, with other numbers of workers, from the log as from snapshots.
func TestJoinRestarts(t *testing.T) {
	const rows = 90
	f := newFeed(3, 2)
	p := newJoinPipeline(t, rows, f)
	dir := filepath.Join(t.TempDir(), "state")
	for run := 0; ; run++ {
		st, err := state.Open(vfs.OS, dir, state.Options{SegmentBytes: 3000})
		require.NoError(t, err)
		cfg := p.w.config()
		cfg.Store, cfg.Workers = st, []int{3, 1, 2}[run%3]
		f.mu.Lock()
		f.limit += 13
		done := f.limit >= rows+13
		f.touch()
		f.mu.Unlock()
		e := startEngine(t, cfg, p.restored(run > 0)...)
		ctx, cancel := context.WithCancel(testContext(t))
		require.NoError(t, e.RunUntilIdle(ctx))
		if done {
			require.NoError(t, e.Wait(ctx))
		}
		require.NoError(t, e.Stop(ctx))
		require.NoError(t, e.Err())
		if run%2 == 0 {
			require.NoError(t, st.Fold())
		}
		require.NoError(t, st.Close())
		cancel()
		if done {
			break
		}
	}
	p.check(t)
}
