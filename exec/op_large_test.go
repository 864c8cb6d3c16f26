package exec

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// Batches large enough to be grouped before the exchange, with keys close together, far apart, NULL and text, and so many that
// grouping is given up: the answer is the same.
func TestLargeBatches(t *testing.T) {
	in := schemaOf("k", types.Int8Type, "v", types.Int8Type, "s", types.TextType, "ts", types.TimestampType, "wm", types.TimestampType)
	runs := []opRun{{name: "full", batch: 1 << 20}, {name: "middle", batch: 700, sparse: true}, {name: "3 workers", batch: 900, workers: 3, restart: true}}
	keys := map[string]func(r *rand.Rand) any{
		"close":   func(r *rand.Rand) any { return 1_000_000 + r.Int64N(200) },
		"far":     func(r *rand.Rand) any { return (r.Int64N(200) - 100) * (1 << 55) },
		"nulls":   func(r *rand.Rand) any { return []any{nil, int64(1), int64(2)}[r.IntN(3)] },
		"many":    func(r *rand.Rand) any { return int64(r.Uint64()) },
		"extreme": func(r *rand.Rand) any { return []int64{-1 << 63, 1<<63 - 1, 0}[r.IntN(3)] },
	}
	window := planner.Window{Kind: planner.Hop, Time: 3, Size: 10 * second, Slide: 5 * second}
	sum := callOf(in, "sum", 1)
	for name, key := range keys {
		for _, changing := range []bool{false, true} {
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			var epochs []testEpoch
			var live []testRow
			wm := int64(changelog.MinWatermark)
			for e := range 2 {
				ep := testEpoch{clock: int64(e)}
				for i := range 1200 {
					if changing && i%5 == 4 {
						at := r.IntN(len(live))
						ep.rows = append(ep.rows, testRow{live[at].vals, -1})
						live[at] = live[len(live)-1]
						live = live[:len(live)-1]
						continue
					}
					ts := int64(e*1200+i) * second / 100
					row := ins(key(r), int64(r.IntN(1000)), fmt.Sprint(r.IntN(50)), ts-int64(r.IntN(2))*20*second, wm)
					if changing {
						row.vals[4] = nil
					}
					wm = max(wm, ts-second)
					ep.rows = append(ep.rows, row)
					live = append(live, row)
				}
				ep.wm = changelog.Watermark(wm)
				epochs = append(epochs, ep)
			}
			for what, c := range map[string]*opCase{
				"count":  {node: aggNode(inputNode(in, !changing), &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{callOf(in, "count")}, Close: -1, RowWatermark: -1})},
				"sum":    {node: aggNode(inputNode(in, !changing), &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{callOf(in, "count"), sum}, Close: -1, RowWatermark: -1})},
				"text":   {node: aggNode(inputNode(in, !changing), &planner.Aggregate{Keys: []int{2, 0}, Aggs: []planner.AggCall{sum}, Close: -1, RowWatermark: -1})},
				"window": {node: windowNode(inputNode(in, !changing), &planner.WindowAggregate{Window: window, Keys: []int{0}, Aggs: []planner.AggCall{callOf(in, "count"), sum}, RowWatermark: 4})},
				"close": {node: windowNode(inputNode(in, !changing), &planner.WindowAggregate{Window: window, Keys: []int{0}, Aggs: []planner.AggCall{callOf(in, "count")},
					Emit: planner.EmitOnClose, RowWatermark: 4})},
			} {
				c.epochs = epochs
				win, windowed := c.node.Op.(*planner.WindowAggregate)
				if windowed && changing {
					win.RowWatermark = -1
					if win.Emit == planner.EmitOnClose {
						continue // rows of closed windows would be taken back
					}
					c.epochs = []testEpoch{epochs[0], epochs[1]}
					for i := range c.epochs {
						c.epochs[i].wm = changelog.MinWatermark
					}
				}
				for _, run := range runs {
					res := runOp(t, c, run)
					for e := range c.epochs {
						var want bag
						if windowed {
							var closed func(int64) bool
							if win.Emit == planner.EmitOnClose {
								limit := int64(c.epochs[e].wm)
								closed = func(end int64) bool { return end <= limit }
							}
							want = refWindows(c.node, win, allRows(c.epochs[:e+1]), closed)
						} else {
							want = refAggregateNode(c.node, c.node.Op.(*planner.Aggregate), allRows(c.epochs[:e+1]))
						}
						require.Equal(t, len(want), len(res.perEpoch[e]), "%s %s changing %v %s epoch %d", name, what, changing, run.name, e)
						require.True(t, want.String() == res.perEpoch[e].String(), "%s %s changing %v %s epoch %d", name, what, changing, run.name, e)
					}
				}
			}
		}
	}
}
