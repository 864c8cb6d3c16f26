package exec

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
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// benchSide makes batches of (k bigint, v bigint, ts timestamp, wm timestamp, s text): the key of each row is what key says.
func benchSide(batches, rows int, key func(i int) int64) []*changelog.Batch {
	var out []*changelog.Batch
	at := 0
	for range batches {
		k, v, ts, wm := make([]int64, rows), make([]int64, rows), make([]int64, rows), make([]int64, rows)
		sb := array.NewStringBuilder(memory.DefaultAllocator)
		for i := range rows {
			k[i], v[i], ts[i] = key(at), int64(at%1000), int64(at)*100
			wm[i] = ts[i] - 4*second
			sb.Append("channel-17")
			at++
		}
		out = append(out, &changelog.Batch{N: rows, Cols: []arrow.Array{int64Array(types.Int8Type, k, nil), int64Array(types.Int8Type, v, nil),
			int64Array(types.TimestampType, ts, nil), int64Array(types.TimestampType, wm, nil), sb.NewArray()}})
	}
	return out
}

var benchSideSchema = schemaOf("k", types.Int8Type, "v", types.Int8Type, "ts", types.TimestampType, "wm", types.TimestampType, "s", types.TextType)

// benchJoin feeds the right side, then in epochs of a few batches what feed gives, and reports the rows of feed a second.
func benchJoin(b *testing.B, n *planner.Node, load, feed []*changelog.Batch, feedIn func(i int) int, dataBytes int) {
	rows := 0
	for _, x := range feed {
		rows += x.Rows()
	}
	b.ReportAllocs()
	var cpu float64
	var out int
	for range b.N {
		b.StopTimer()
		op, err := NewOperator(n, &Env{})
		require.NoError(b, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(b, op.Open(&OpenContext{Workers: 1, Tables: tables}))
		emit := func(x *changelog.Batch) { out += x.Rows() }
		ctx := &Context{Watermark: changelog.MinWatermark, Reject: func(Rejection) error { return nil }}
		end := func() {
			_, err := op.EndEpoch(ctx, emit)
			require.NoError(b, err)
			for _, t := range tables.live {
				t.Delta()
			}
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		loaded := 0
		for i, x := range load {
			require.NoError(b, op.Process(ctx, i%2, x, emit))
			loaded += x.Rows()
			if i%4 == 3 {
				end()
			}
		}
		end()
		if loaded > 0 {
			runtime.GC()
			runtime.ReadMemStats(&after)
			bytes := int64(0)
			for _, t := range tables.live {
				bytes += t.Bytes()
			}
			b.ReportMetric(float64(bytes)/float64(loaded)-float64(dataBytes), "overheadB/row")
			b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/float64(loaded)-float64(dataBytes), "heapB/row")
		}
		b.StartTimer()
		from := cpuSeconds()
		for i, x := range feed {
			if err := op.Process(ctx, feedIn(i), x, emit); err != nil {
				b.Fatal(err)
			}
			if i%4 == 3 {
				if n.Op.(*planner.Join).LeftExpiry != nil {
					w := words(x.Cols[3])
					ctx.Watermark = changelog.Watermark(w[len(w)-1])
				}
				end()
			}
		}
		end()
		cpu += cpuSeconds() - from
	}
	require.Positive(b, out)
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	b.ReportMetric(float64(rows)*float64(b.N)/cpu/1e6, "Mrows/cpu-s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkJoin is joins with state of two sizes a side: unique keys on both sides, each row of the feed finding one match and
// becoming state itself.
func BenchmarkJoin(b *testing.B) {
	const rows = 16 << 10
	for _, state := range []int{100_000, 5_000_000} {
		for _, growing := range []bool{true, false} {
			b.Run(fmt.Sprintf("inner/state=%d/growing=%v", state, growing), func(b *testing.B) {
				op := &planner.Join{LeftKeys: []int{0}, RightKeys: []int{0}, LeftRowWatermark: -1, RightRowWatermark: -1}
				n := joinNode(inputNode(benchSideSchema, growing), inputNode(benchSideSchema, growing), op)
				per := state / rows
				var load []*changelog.Batch
				for in, side := range [][]*changelog.Batch{
					benchSide(per, rows, func(i int) int64 { return int64(i) * 2 * 0x9e3779b9 }),
					benchSide(per, rows, func(i int) int64 { return int64(i*2+1) * 0x9e3779b9 }),
				} {
					for i, x := range side {
						if in == 0 {
							load = append(load, x, nil)
						} else {
							load[2*i+1] = x
						}
					}
				}
				r := rand.New(rand.NewPCG(1, 2))
				feed := benchSide(32, rows, func(int) int64 { return (r.Int64N(int64(per*rows))*2 + 1) * 0x9e3779b9 })
				benchJoin(b, n, load, feed, func(int) int { return 0 }, 5*8+10-8+4)
			})
		}
	}
}

// BenchmarkJoinKinds is what a stream meets of a few thousand keys.
func BenchmarkJoinKinds(b *testing.B) {
	const rows = 16 << 10
	for kind, name := range []string{"inner", "left", "full", "semi", "anti"} {
		b.Run(name, func(b *testing.B) {
			op := &planner.Join{Kind: planner.JoinKind(kind), LeftKeys: []int{0}, RightKeys: []int{0}, LeftRowWatermark: -1, RightRowWatermark: -1}
			n := joinNode(inputNode(benchSideSchema, true), inputNode(benchSideSchema, true), op)
			load := []*changelog.Batch{benchSide(1, 1, func(int) int64 { return -1 })[0], benchSide(1, rows, func(i int) int64 { return int64(i) })[0]}
			r := rand.New(rand.NewPCG(1, 2))
			feed := benchSide(64, rows, func(int) int64 { return r.Int64N(2 * rows) })
			benchJoin(b, n, load, feed, func(int) int { return 0 }, 0)
		})
	}
}

// BenchmarkJoinInterval joins two streams within some seconds.
func BenchmarkJoinInterval(b *testing.B) {
	const rows = 16 << 10
	for _, kind := range []planner.JoinKind{planner.InnerJoin, planner.LeftJoin} {
		b.Run(fmt.Sprint(kind), func(b *testing.B) {
			op := &planner.Join{Kind: kind, LeftKeys: []int{0}, RightKeys: []int{0}, Final: kind != planner.InnerJoin, On: withinAt(2, 7, 10*tick),
				LeftExpiry: &planner.Expiry{Col: 2, Lag: 1}, RightExpiry: &planner.Expiry{Col: 2, Lag: 10*tick + 1}, LeftRowWatermark: 3, RightRowWatermark: 3}
			n := joinNode(inputNode(benchSideSchema, true), inputNode(benchSideSchema, true), op)
			r := rand.New(rand.NewPCG(1, 2))
			key := func(int) int64 { return r.Int64N(5000) }
			l, m := benchSide(32, rows, key), benchSide(32, rows, key)
			var feed []*changelog.Batch
			for i := range l {
				feed = append(feed, l[i], m[i])
			}
			benchJoin(b, n, nil, feed, func(i int) int { return i % 2 }, 0)
		})
	}
}
