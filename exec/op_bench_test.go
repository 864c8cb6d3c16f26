package exec

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var benchInput = schemaOf("auction", types.Int8Type, "price", types.Int8Type, "ts", types.TimestampType, "wm", types.TimestampType)

// benchBids makes batches of bids: keys near a moving front, as in Nexmark, 10,000 bids per second of event time.
func benchBids(batches, rows, keys int) []*changelog.Batch {
	r := rand.New(rand.NewPCG(1, 2))
	var out []*changelog.Batch
	at := 0
	for range batches {
		auction, price, ts, wm := make([]int64, rows), make([]int64, rows), make([]int64, rows), make([]int64, rows)
		for i := range rows {
			front := at * 3 / 46
			if keys > 0 {
				auction[i] = r.Int64N(int64(keys))
			} else if r.IntN(2) == 0 {
				auction[i] = int64(front / 100 * 100)
			} else {
				auction[i] = int64(max(0, front-r.IntN(100)))
			}
			price[i] = r.Int64N(10000)
			ts[i] = int64(at) * 100
			wm[i] = ts[i] - 4*second
			at++
		}
		out = append(out, &changelog.Batch{N: rows, Cols: []arrow.Array{
			int64Array(types.Int8Type, auction, nil), int64Array(types.Int8Type, price, nil), int64Array(types.TimestampType, ts, nil),
			int64Array(types.TimestampType, wm, nil)}})
	}
	return out
}

// benchOp runs an operator over batches, an epoch of some batches each, with the work that keeping the state durable needs.
func benchOp(b *testing.B, n *planner.Node, batches []*changelog.Batch, perEpoch int) {
	rows, out := 0, 0
	for _, x := range batches {
		rows += x.Rows()
	}
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuSeconds()
	for range b.N {
		op, err := NewOperator(n, &Env{})
		require.NoError(b, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(b, op.Open(&OpenContext{Workers: 1, Tables: tables}))
		emit := func(x *changelog.Batch) { out += x.Rows() }
		ctx := &Context{Reject: func(Rejection) error { return nil }, Timer: func(int64) {}}
		for i, x := range batches {
			if err := op.Process(ctx, 0, x, emit); err != nil {
				b.Fatal(err)
			}
			if (i+1)%perEpoch == 0 || i == len(batches)-1 {
				if len(x.Cols) > 3 {
					w := words(x.Cols[3])
					ctx.Watermark = changelog.Watermark(w[len(w)-1])
				}
				if i == len(batches)-1 {
					ctx.Watermark = changelog.MaxWatermark
				}
				if _, err := op.EndEpoch(ctx, emit); err != nil {
					b.Fatal(err)
				}
				for _, t := range tables.live {
					t.Delta()
				}
			}
		}
		require.NoError(b, op.Close())
	}
	require.Positive(b, out)
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	b.ReportMetric(float64(rows)*float64(b.N)/(cpuSeconds()-cpu)/1e6, "Mrows/cpu-s")
	b.ReportMetric(0, "ns/op")
}

// cpuSeconds is the processor time that the process has used, which other processes do not change.
func cpuSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func BenchmarkWindowCount(b *testing.B) {
	batches := benchBids(64, 32<<10, 0)
	for name, w := range map[string]planner.Window{
		"tumble10s": {Kind: planner.Tumble, Time: 2, Size: 10 * second},
		"hop10s2s":  {Kind: planner.Hop, Time: 2, Size: 10 * second, Slide: 2 * second},
	} {
		for _, emit := range []planner.Emission{planner.EmitChanges, planner.EmitOnClose} {
			for _, wm := range []int{-1, 3} {
				b.Run(fmt.Sprintf("%s/emit=%d/wm=%d", name, emit, wm), func(b *testing.B) {
					op := &planner.WindowAggregate{Window: w, Keys: []int{0}, Aggs: []planner.AggCall{callOf(benchInput, "count")}, Emit: emit, RowWatermark: wm}
					benchOp(b, windowNode(inputNode(benchInput, true), op), batches, 4)
				})
			}
		}
	}
}

func BenchmarkAggregate(b *testing.B) {
	for _, keys := range []int{100_000, 10_000_000} {
		batches := benchBids(max(64, keys*2/(32<<10)), 32<<10, keys)
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			op := &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{callOf(benchInput, "count")}, Close: -1, RowWatermark: -1}
			benchOp(b, aggNode(inputNode(benchInput, true), op), batches, 4)
		})
	}
}

func BenchmarkAggregates(b *testing.B) {
	batches := benchBids(64, 32<<10, 0)
	op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, Aggs: []planner.AggCall{callOf(benchInput, "count"),
		callOf(benchInput, "sum", 1), callOf(benchInput, "min", 1), callOf(benchInput, "max", 1), callOf(benchInput, "avg", 1)}}
	benchOp(b, aggNode(inputNode(benchInput, true), op), batches, 4)
}

func BenchmarkLinear(b *testing.B) {
	batches := benchBids(64, 32<<10, 0)
	col := func(i int) expr.Expr {
		return &expr.Column{Base: expr.Base{T: benchInput[i].Type}, Index: i}
	}
	lit := func(v int64) expr.Expr { return &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v} }
	in := inputNode(benchInput, true)
	filter := &planner.Node{Op: &planner.Filter{Pred: &expr.Call{Base: expr.Base{T: types.BoolType}, Fn: "=(bigint,bigint)",
		Args: []expr.Expr{&expr.Call{Base: expr.Base{T: types.Int8Type}, Fn: "%(bigint,bigint)", Args: []expr.Expr{col(0), lit(123)}}, lit(0)}}},
		Inputs: []*planner.Node{in}, Schema: benchInput}
	project := &planner.Node{Op: &planner.Project{Exprs: []expr.Expr{col(0), &expr.Call{Base: expr.Base{T: types.Int8Type}, Fn: "*(bigint,bigint)",
		Args: []expr.Expr{col(1), lit(89)}}}}, Inputs: []*planner.Node{in}, Schema: benchInput[:2]}
	b.Run("filter", func(b *testing.B) { benchOp(b, filter, batches, 4) })
	b.Run("project", func(b *testing.B) { benchOp(b, project, batches, 4) })
}

// BenchmarkAggregateMemory reports the peak resident memory a key of an unbounded count by ten million bigint keys, less that of
// the process before.
func BenchmarkAggregateMemory(b *testing.B) {
	const keys = 10_000_000
	resident := func() float64 {
		var u unix.Rusage
		require.NoError(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
		return float64(u.Maxrss) * 1024
	}
	op := &planner.Aggregate{Keys: []int{0}, Aggs: []planner.AggCall{callOf(benchInput, "count")}, Close: -1, RowWatermark: -1}
	n := aggNode(inputNode(benchInput, true), op)
	for range b.N {
		before := resident()
		o, err := NewOperator(n, &Env{})
		require.NoError(b, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(b, o.Open(&OpenContext{Workers: 1, Tables: tables}))
		emit := func(*changelog.Batch) {}
		ctx := &Context{Watermark: changelog.MinWatermark}
		const rows = 32 << 10
		key := uint64(0)
		for at := 0; at < keys; at += rows {
			auction := make([]int64, rows)
			for i := range auction {
				key++
				auction[i] = int64(key * 0x9e3779b97f4a7c15)
			}
			c := int64Array(types.Int8Type, auction, nil)
			require.NoError(b, o.Process(ctx, 0, &changelog.Batch{N: rows, Cols: []arrow.Array{c, c, c, c}}, emit))
			if at/rows%4 == 3 {
				_, err := o.EndEpoch(ctx, emit)
				require.NoError(b, err)
				for _, t := range tables.live {
					t.Delta()
				}
			}
		}
		b.ReportMetric((resident()-before)/keys, "B/key")
	}
}

func BenchmarkSession(b *testing.B) {
	batches := benchBids(16, 32<<10, 0)
	for _, emit := range []planner.Emission{planner.EmitChanges, planner.EmitOnClose} {
		b.Run(fmt.Sprintf("emit=%d", emit), func(b *testing.B) {
			op := &planner.WindowAggregate{Window: planner.Window{Kind: planner.Session, Time: 2, Size: second}, Keys: []int{0},
				Aggs: []planner.AggCall{callOf(benchInput, "count")}, Emit: emit, RowWatermark: 3}
			benchOp(b, windowNode(inputNode(benchInput, true), op), batches, 4)
		})
	}
}

func BenchmarkNoKeys(b *testing.B) {
	batches := benchBids(32, 32<<10, 0)
	op := &planner.WindowAggregate{Window: planner.Window{Kind: planner.Tumble, Time: 2, Size: 10 * second}, RowWatermark: 3,
		Aggs: []planner.AggCall{callOf(benchInput, "count"), callOf(benchInput, "max", 1)}}
	benchOp(b, windowNode(inputNode(benchInput, true), op), batches, 4)
}

func BenchmarkDistinct(b *testing.B) {
	batches := benchBids(32, 32<<10, 0)
	c := callOf(benchInput, "count", 1)
	c.Distinct = true
	op := &planner.WindowAggregate{Window: planner.Window{Kind: planner.Tumble, Time: 2, Size: 10 * second}, Keys: []int{0},
		Aggs: []planner.AggCall{c}, Emit: planner.EmitOnClose, RowWatermark: 3}
	benchOp(b, windowNode(inputNode(benchInput, true), op), batches, 4)
}

// BenchmarkTextKeys counts by two text keys.
func BenchmarkTextKeys(b *testing.B) {
	in := schemaOf("a", types.TextType, "b", types.TextType)
	r := rand.New(rand.NewPCG(1, 2))
	var batches []*changelog.Batch
	for range 16 {
		var rows []testRow
		for range 32 << 10 {
			rows = append(rows, ins(fmt.Sprintf("key number %d", r.IntN(1000)), fmt.Sprintf("%d", r.IntN(3))))
		}
		batches = append(batches, makeBatch(b, in, rows, false))
	}
	op := &planner.Aggregate{Keys: []int{0, 1}, Aggs: []planner.AggCall{callOf(in, "count")}, Close: -1, RowWatermark: -1}
	benchOp(b, aggNode(inputNode(in, true), op), batches, 4)
}
