package exec

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// Groups whose closing key the watermark has passed are dropped; a late row brings none back, and NULL never closes.
func TestAggregateCloses(t *testing.T) {
	in := schemaOf("w", types.TimestampType, "k", types.Int4Type, "s", types.TextType, "wm", types.TimestampType)
	distinct := callOf(in, "count", 2)
	distinct.Distinct = true
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.Aggregate{Keys: []int{1, 0}, Close: 1, CloseLag: rapid.SampledFrom([]int64{0, 2 * second, -1, second / 3}).Draw(rt, "lag"),
			Emit: rapid.SampledFrom([]planner.Emission{planner.EmitChanges, planner.EmitOnClose}).Draw(rt, "emit"), RowWatermark: 3,
			Aggs: []planner.AggCall{callOf(in, "count"), distinct}}
		c := &opCase{node: aggNode(inputNode(in, true), op)}
		wm, late := int64(-1000*second), int64(0)
		var kept []testRow
		for e := range rapid.IntRange(1, 4).Draw(rt, "epochs") {
			ep := testEpoch{clock: int64(e)}
			for range rapid.IntRange(0, 8).Draw(rt, "rows") {
				w := rapid.Int64Range(-20, 20).Draw(rt, "w") * second / 2
				r := ins(orNull(rt, w), int64(rapid.IntRange(0, 2).Draw(rt, "k")), orNull(rt, rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "s")), wm)
				ep.rows = append(ep.rows, r)
				if r.vals[0] != nil && w <= wm-op.CloseLag {
					late++
					r.w = 0
				}
				kept = append(kept, r)
				wm = max(wm, w-4*second)
			}
			ep.wm = changelog.Watermark(wm)
			c.epochs = append(c.epochs, ep)
		}
		if rapid.Bool().Draw(rt, "ends") {
			c.epochs = append(c.epochs, testEpoch{wm: changelog.MaxWatermark})
		}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			var rows []testRow
			for _, r := range kept[:len(allRows(epochs))] {
				end, ok := r.vals[0].(int64)
				limit := int64(lastOf(epochs).wm)
				if limit != math.MaxInt64 {
					limit = subSat(limit, op.CloseLag)
				}
				if r.w != 0 && (op.Emit == planner.EmitChanges || ok && end <= limit || !ok && limit == math.MaxInt64) {
					rows = append(rows, r)
				}
			}
			// The hidden watermark tells rows apart that are otherwise equal: nothing is to be integrated.
			return refAggregateNode(c.node, op, rows)
		}, late)
	})
}

// Groups that do not change for the time to live are taken back; what comes later starts anew.
func TestAggregateTTL(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "s", types.TextType)
	distinct := callOf(in, "count", 1)
	distinct.Distinct = true
	op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, TTL: 10 * second, Aggs: []planner.AggCall{callOf(in, "count"), distinct}}
	c := &opCase{node: aggNode(inputNode(in, true), op), epochs: []testEpoch{
		{clock: 0, rows: []testRow{ins(int64(1), "a"), ins(int64(1), "b"), ins(int64(2), "a")}},
		{clock: 6 * second, rows: []testRow{ins(int64(2), "a")}},
		{clock: 10 * second},
		{clock: 12 * second, rows: []testRow{ins(int64(1), "a")}},
		{clock: 40 * second},
	}}
	for _, run := range opRuns {
		res := runOp(t, c, run)
		require.Equal(t, []string{"+1 1|2|2\n+1 2|1|1", "+1 1|2|2\n+1 2|2|1", "+1 2|2|1", "+1 1|1|1\n+1 2|2|1", ""}, bagTexts(res.perEpoch), run.name)
	}
}

func bagTexts(bags []bag) (out []string) {
	for _, b := range bags {
		out = append(out, b.String())
	}
	return out
}

// Windows of processing time close by the epoch's clock, and ask for an epoch then.
func TestProcessingTimeWindows(t *testing.T) {
	in := schemaOf("k", types.Int4Type)
	for _, kind := range []planner.WindowKind{planner.Tumble, planner.Session} {
		op := &planner.WindowAggregate{Window: planner.Window{Kind: kind, Time: -1, Size: 10 * second, ProcTime: true}, Keys: []int{0},
			Aggs: []planner.AggCall{callOf(in, "count")}, Emit: planner.EmitOnClose, RowWatermark: -1}
		c := &opCase{node: windowNode(inputNode(in, true), op), epochs: []testEpoch{
			{clock: 1 * second, rows: []testRow{ins(int64(1)), ins(int64(2))}},
			{clock: 9 * second, rows: []testRow{ins(int64(1))}},
			{clock: 10 * second},
			{clock: 21 * second, rows: []testRow{ins(int64(1))}},
			{clock: 22 * second, wm: changelog.MaxWatermark},
		}}
		for i := range c.epochs[:4] {
			c.epochs[i].wm = changelog.MinWatermark
		}
		const day = "1970-01-01 00:00:"
		want := []string{"", "", "+1 1|" + day + "00|" + day + "10|2\n+1 2|" + day + "00|" + day + "10|1", "", "+1 1|" + day + "20|" + day + "30|1"}
		if kind == planner.Session {
			want = []string{"", "", "", "+1 1|" + day + "01|" + day + "19|2\n+1 2|" + day + "01|" + day + "11|1", "+1 1|" + day + "21|" + day + "31|1"}
		}
		for _, run := range opRuns {
			var sum bag = bag{}
			for i, b := range runOp(t, c, run).perEpoch {
				var lines bag = bag{}
				for k, w := range b {
					lines.add(k, w-sum[k])
				}
				sum = b
				require.Equal(t, want[i], lines.String(), "%s kind %d epoch %d", run.name, kind, i)
			}
		}
	}
}

func TestProcessingTimeTimer(t *testing.T) {
	in := schemaOf("k", types.Int4Type)
	op := &planner.WindowAggregate{Window: planner.Window{Kind: planner.Tumble, Time: -1, Size: 10 * second, ProcTime: true},
		Aggs: []planner.AggCall{callOf(in, "count")}, RowWatermark: -1}
	o, err := NewOperator(windowNode(inputNode(in, true), op), &Env{})
	require.NoError(t, err)
	tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
	var timer int64
	ctx := &Context{Clock: 3 * second, Watermark: changelog.MinWatermark, Timer: func(c int64) { timer = c }}
	require.NoError(t, o.Process(ctx, 0, makeBatch(t, in, []testRow{ins(int64(1))}, false), func(*changelog.Batch) {}))
	_, err = o.EndEpoch(ctx, func(*changelog.Batch) {})
	require.NoError(t, err)
	require.Equal(t, 10*second, timer)
}

// EMIT EVERY puts out the sum of the changes once an interval, and what is left at the end; over a restart it forgets none.
func TestEmitEvery(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "n", types.TextType)
	n := &planner.Node{Op: &planner.EmitEvery{Interval: 10 * second}, Inputs: []*planner.Node{inputNode(in, false)}, Schema: in}
	c := &opCase{node: n, epochs: []testEpoch{
		{clock: 3 * second, rows: []testRow{ins(int64(1), "a"), ins(nil, nil)}},
		{clock: 9 * second, rows: []testRow{del(int64(1), "a"), ins(int64(1), "b")}},
		{clock: 10 * second, rows: []testRow{ins(int64(2), "c"), ins(int64(2), "c")}},
		{clock: 15 * second, rows: []testRow{del(int64(1), "b")}},
		{clock: 16 * second, wm: changelog.MaxWatermark},
	}}
	for i := range c.epochs[:4] {
		c.epochs[i].wm = changelog.Watermark(i)
	}
	for _, run := range opRuns {
		res := runOp(t, c, run)
		require.Equal(t, []string{"", "", "+1 1|b\n+1 NULL|NULL\n+2 2|c", "+1 1|b\n+1 NULL|NULL\n+2 2|c", "+1 NULL|NULL\n+2 2|c"}, bagTexts(res.perEpoch), run.name)
	}
}

func call(t types.Type, fn string, args ...expr.Expr) expr.Expr {
	return &expr.Call{Base: expr.Base{T: t}, Fn: fn, Args: args}
}

func colExpr(s types.Schema, i int) expr.Expr {
	return &expr.Column{Base: expr.Base{T: s[i].Type}, Index: i}
}

func intLiteral(v int64) expr.Expr {
	return &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v}
}

// A failing row is rejected, also when it is taken back, and the others go on.
func TestFilterAndProjectReject(t *testing.T) {
	in := schemaOf("a", types.Int8Type, "b", types.Int8Type)
	quotient := call(types.Int8Type, "/(bigint,bigint)", colExpr(in, 0), colExpr(in, 1))
	input := inputNode(in, false)
	filter := &planner.Node{Op: &planner.Filter{Pred: call(types.BoolType, ">(bigint,bigint)", quotient, intLiteral(1))}, Inputs: []*planner.Node{input}, Schema: in}
	project := &planner.Node{Op: &planner.Project{Exprs: []expr.Expr{quotient, colExpr(in, 0)}}, Inputs: []*planner.Node{input},
		Schema: schemaOf("q", types.Int8Type, "a", types.Int8Type)}
	move := &planner.Node{Op: &planner.Project{Exprs: []expr.Expr{colExpr(in, 1), colExpr(in, 0), colExpr(in, 1)}}, Inputs: []*planner.Node{input},
		Schema: schemaOf("b", types.Int8Type, "a", types.Int8Type, "b2", types.Int8Type)}
	row := func(a, b int64) testRow { return ins(a, b) }
	epochs := []testEpoch{
		{rows: []testRow{row(6, 2), row(1, 0), row(1, 1), row(8, 2), row(5, 0)}},
		{rows: []testRow{del(int64(1), int64(0)), del(int64(6), int64(2)), ins(nil, int64(0))}},
	}
	for _, run := range opRuns {
		res := runOp(t, &opCase{node: filter, epochs: epochs}, run)
		require.Equal(t, []string{"+1 6|2\n+1 8|2", "+1 8|2"}, bagTexts(res.perEpoch), run.name)
		require.Equal(t, "+1 error: division by zero", res.rejected.String())
		res = runOp(t, &opCase{node: project, epochs: epochs}, run)
		require.Equal(t, []string{"+1 1|1\n+1 3|6\n+1 4|8", "+1 1|1\n+1 4|8\n+1 NULL|NULL"}, bagTexts(res.perEpoch), run.name)
		require.Equal(t, "+1 error: division by zero", res.rejected.String())
		res = runOp(t, &opCase{node: move, epochs: epochs[:1]}, run)
		require.Equal(t, "+1 0|1|0\n+1 0|5|0\n+1 1|1|1\n+1 2|6|2\n+1 2|8|2", res.sum.String(), run.name)
	}
}

func TestWindowExpandAgainstList(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := sortedKeys(windowCases())
		op := &planner.WindowExpand{Window: windowCases()[rapid.SampledFrom(names).Draw(rt, "window")]}
		n := &planner.Node{Op: op, Inputs: []*planner.Node{inputNode(testInput, false)}}
		n.Schema = append(testInput[:len(testInput):len(testInput)], schemaOf("window_start", types.TimestampType, "window_end", types.TimestampType,
			"window_time", types.TimestampType)...)
		c := &opCase{node: n, epochs: drawEpochs(rt, true)}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			out := bag{}
			for _, r := range allRows(epochs) {
				for _, w := range windowsOf(op.Window, r.vals[colTS].(int64)) {
					out.add(rowText(n.Schema, append(append([]any(nil), r.vals...), w[0], w[1], w[1]-1)), r.w)
				}
			}
			return out
		}, -1)
	})
}

type testOrigin struct{}

func (testOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	return "s", "p", fmt.Sprint(row), nil
}

// The raw record of a row is found behind the windows it was put into.
func TestWindowExpandKeepsOrigin(t *testing.T) {
	in := schemaOf("ts", types.TimestampType)
	n := &planner.Node{Op: &planner.WindowExpand{Window: planner.Window{Kind: planner.Hop, Size: 4, Slide: 2}}, Inputs: []*planner.Node{inputNode(in, true)},
		Schema: append(in[:1:1], schemaOf("window_start", types.TimestampType, "window_end", types.TimestampType, "window_time", types.TimestampType)...)}
	op, err := NewOperator(n, nil)
	require.NoError(t, err)
	b := makeBatch(t, in, []testRow{ins(int64(1)), ins(int64(9))}, false)
	b.Origin = testOrigin{}
	require.NoError(t, op.Process(&Context{}, 0, b, func(o *changelog.Batch) {
		require.Equal(t, 4, o.N)
		for i, want := range []string{"0", "0", "1", "1"} {
			_, _, at, _ := o.Origin.Describe(i)
			require.Equal(t, want, at)
		}
	}))
}

// The estimate is within a few standard errors, the same under any cuts, and follows retractions exactly.
func TestApproxCountDistinct(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "v", types.Int8Type)
	for _, changing := range []bool{false, true} {
		op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, Aggs: []planner.AggCall{callOf(in, "approx_count_distinct", 1)}}
		var all, odd []testRow
		for i := range int64(3000) {
			all = append(all, ins(i%2, i/4), ins(i%2, nil))
			if i%2 == 1 {
				odd = append(odd, del(i%2, i/4), del(i%2, nil))
			}
		}
		c := &opCase{node: aggNode(inputNode(in, !changing), op), epochs: []testEpoch{{rows: all}}}
		if changing {
			c.epochs = append(c.epochs, testEpoch{rows: odd}, testEpoch{rows: []testRow{ins(int64(1), int64(5))}})
		}
		for _, run := range []opRun{opRuns[0], opRuns[5]} {
			res := runOp(t, c, run)
			require.Len(t, res.perEpoch[0], 2)
			for k := range res.perEpoch[0] {
				var key, n int64
				_, err := fmt.Sscanf(k, "%d|%d", &key, &n)
				require.NoError(t, err)
				require.InDelta(t, 750, n, 20)
			}
			if changing {
				require.Len(t, res.perEpoch[1], 1)
				require.Equal(t, int64(1), res.sum["1|1"])
			}
		}
	}
	for _, n := range []int{1, 10, 1000, 20_000, 200_000} {
		regs := make([]int64, approxSize)
		h := make([]uint64, 1)
		for i := range n {
			changelog.Hash(makeBatch(t, in[1:], []testRow{ins(int64(i))}, false).Cols, []types.Type{types.Int8Type}, 1, nil, h)
			r := h[0] >> (64 - approxBits)
			regs[r] = max(regs[r], approxRank(h[0]))
			if i > 20_000 {
				break
			}
		}
		if n > 20_000 {
			continue
		}
		used, sum := int64(0), uint64(0)
		for _, r := range regs {
			if r > 0 {
				used++
				sum += uint64(share(r))
			}
		}
		require.InEpsilon(t, n, approxEstimate(used, sum), 0.03, "%d", n)
	}
}

// NaN and infinities are counted apart, so that they can be taken back; a finite overflow is an error.
func TestFloatSpecials(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "f", types.Float8Type)
	op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, Aggs: []planner.AggCall{callOf(in, "sum", 1), callOf(in, "avg", 1),
		callOf(in, "var_pop", 1), callOf(in, "min", 1), callOf(in, "max", 1)}}
	k := int64(1)
	c := &opCase{node: aggNode(inputNode(in, false), op), epochs: []testEpoch{
		{rows: []testRow{ins(k, 1.5), ins(k, 0.1)}},
		{rows: []testRow{ins(k, math.Inf(1))}},
		{rows: []testRow{ins(k, math.Inf(-1))}},
		{rows: []testRow{ins(k, math.NaN()), del(k, math.Inf(-1))}},
		{rows: []testRow{del(k, math.NaN()), del(k, math.Inf(1))}},
	}}
	for _, run := range opRuns {
		res := runOp(t, c, run)
		require.Equal(t, []string{"+1 1|1.6|0.8|0.49|0.1|1.5", "+1 1|Infinity|Infinity|NaN|0.1|Infinity",
			"+1 1|NaN|NaN|NaN|-Infinity|Infinity", "+1 1|NaN|NaN|NaN|0.1|NaN", "+1 1|1.6|0.8|0.49|0.1|1.5"}, bagTexts(res.perEpoch), run.name)
	}
}

// Sums of floats that overflow are rejected while they do, and exact again afterwards.
func TestFloatOverflowIsRepaired(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "f", types.Float8Type)
	op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, Aggs: []planner.AggCall{callOf(in, "sum", 1), callOf(in, "avg", 1)}}
	k := int64(1)
	c := &opCase{node: aggNode(inputNode(in, false), op), epochs: []testEpoch{
		{rows: []testRow{ins(k, 1.5), ins(k, 1.7e308), ins(k, -1.7e308)}},
		{rows: []testRow{ins(k, 1.7e308), ins(k, 1.7e308)}},
		{rows: []testRow{del(k, 1.7e308), ins(k, -1.7e308)}},
	}}
	for _, run := range opRuns {
		res := runOp(t, c, run)
		require.Equal(t, []string{"+1 1|1.5|0.5", "", "+1 1|1.5|0.3"}, bagTexts(res.perEpoch), run.name)
		require.Empty(t, res.rejected)
	}
	op.Aggs = []planner.AggCall{callOf(in, "var_pop", 1)}
	c.node = aggNode(inputNode(in, false), op)
	c.epochs = []testEpoch{{rows: []testRow{ins(k, 1.5)}}, {rows: []testRow{ins(k, 1e200)}}, {rows: []testRow{del(k, 1e200)}}}
	for _, run := range opRuns {
		require.Equal(t, []string{"+1 1|0", "", "+1 1|0"}, bagTexts(runOp(t, c, run).perEpoch), run.name)
	}
}

// Sums of integers that leave bigint are rejected while they do.
func TestSumOverflowIsRepaired(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "n", types.NumericType, "v", types.Int8Type)
	huge, err := types.ParseNumeric("99999999999999999999999999999999999999")
	require.NoError(t, err)
	k, one := int64(7), types.NumericFromInt64(1)
	op := &planner.Aggregate{Keys: []int{0}, Close: -1, RowWatermark: -1, Aggs: []planner.AggCall{callOf(in, "sum", 1)}}
	c := &opCase{node: aggNode(inputNode(in, false), op), epochs: []testEpoch{
		{rows: []testRow{ins(k, huge, nil)}},
		{rows: []testRow{ins(k, one, nil)}},
		{rows: []testRow{ins(k, one, nil)}},
		{rows: []testRow{del(k, huge, nil)}},
	}}
	for _, run := range opRuns {
		c.epochs = c.epochs[:3]
		res := runOp(t, c, run)
		require.Equal(t, []string{"+1 7|" + huge.String(), "", ""}, bagTexts(res.perEpoch), run.name)
		require.Equal(t, "+1 error: numeric value out of range: more than 38 digits", res.rejected.String())
		c.epochs = c.epochs[:4]
		res = runOp(t, c, run)
		require.Equal(t, "+1 7|2", res.sum.String(), run.name)
		require.Empty(t, res.rejected)
	}
}
