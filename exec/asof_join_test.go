package exec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

func asofNode(left, right *planner.Node, op *planner.AsofJoin) *planner.Node {
	return &planner.Node{Op: op, Inputs: []*planner.Node{left, right}, Schema: slices.Concat(left.Schema, right.Schema), Props: planner.Props{RowWatermark: -1}}
}

// refAsof looks for the nearest right row the slow way.
func refAsof(n *planner.Node, sides [2][]testRow, sameKey func(l, r []any) bool) bag {
	op := n.Op.(*planner.AsofJoin)
	out := bag{}
	for _, l := range sides[0] {
		var best []any
		for _, r := range sides[1] {
			x, y := l.vals[op.LeftTime], r.vals[op.RightTime]
			if !sameKey(l.vals, r.vals) || x == nil || y == nil {
				continue
			}
			c := compareValues(x, y)
			switch op.Op {
			case ">=":
				c = c + 1
			case "<=":
				c = 1 - c
			case "<":
				c = -c
			}
			if c <= 0 {
				continue
			}
			if best == nil {
				best = r.vals
				continue
			}
			nearer := compareValues(y, best[op.RightTime])
			if op.Op[0] == '<' {
				nearer = -nearer
			}
			if nearer > 0 || nearer == 0 && compareRows(r.vals, best) > 0 {
				best = r.vals
			}
		}
		if best == nil && op.Kind == planner.LeftJoin {
			best = make([]any, len(n.Inputs[1].Schema))
		}
		if best != nil {
			out.add(rowText(n.Schema, slices.Concat(l.vals, best)), l.w)
		}
	}
	return out
}

// compareRows is the order of encoded rows.
func compareRows(a, b []any) int {
	for i := range a {
		if c := compareValues(a[i], b[i]); c != 0 {
			return c
		}
		if x, ok := a[i].(types.NumericValue); ok {
			y := b[i].(types.NumericValue)
			if c := len(x.String()) - len(y.String()); c != 0 {
				return c
			}
		}
	}
	return 0
}

// Whatever comes and goes on either side, each left row has its nearest right row after each epoch.
func TestAsofJoinRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numeric := rapid.Bool().Draw(t, "numeric time")
		at := func() any {
			if rapid.IntRange(0, 12).Draw(t, "null time") == 0 {
				return nil
			}
			v := int64(rapid.IntRange(-4, 8).Draw(t, "time"))
			if numeric {
				return rapid.SampledFrom([]types.NumericValue{num(fmt.Sprint(v)), num(fmt.Sprintf("%d.0", v))}).Draw(t, "form")
			}
			return v
		}
		timeType := types.Int8Type
		if numeric {
			timeType = types.NumericType
		}
		s := schemaOf("k", types.TextType, "at", timeType, "v", types.Int8Type)
		op := &planner.AsofJoin{Kind: planner.JoinKind(rapid.IntRange(0, 1).Draw(t, "kind")), LeftKeys: []int{0}, RightKeys: []int{0}, LeftTime: 1, RightTime: 1,
			Op: rapid.SampledFrom([]string{">=", ">", "<=", "<"}).Draw(t, "op")}
		match := func(l, r []any) bool { return l[0] != nil && l[0] == r[0] }
		if rapid.IntRange(0, 4).Draw(t, "no keys") == 0 {
			op.LeftKeys, op.RightKeys = nil, nil
			match = func(l, r []any) bool { return true }
		}
		c := &sidedCase{node: asofNode(inputNode(s, false), inputNode(s, false), op)}
		live := [2][]testRow{}
		for range rapid.IntRange(1, 5).Draw(t, "epochs") {
			var ep sidedEpoch
			for range rapid.IntRange(0, 14).Draw(t, "rows") {
				in := rapid.IntRange(0, 1).Draw(t, "side")
				if len(live[in]) > 0 && rapid.IntRange(0, 2).Draw(t, "back") == 0 {
					i := rapid.IntRange(0, len(live[in])-1).Draw(t, "which")
					ep.rows = append(ep.rows, sidedRow{in, testRow{live[in][i].vals, -live[in][i].w}})
					live[in] = slices.Delete(live[in], i, i+1)
					continue
				}
				r := testRow{[]any{rapid.SampledFrom([]any{"a", "b\x00", nil}).Draw(t, "k"), at(), int64(rapid.IntRange(1, 2).Draw(t, "v"))},
					int64(rapid.IntRange(1, 2).Draw(t, "weight"))}
				live[in] = append(live[in], r)
				ep.rows = append(ep.rows, sidedRow{in, r})
			}
			c.epochs = append(c.epochs, ep)
		}
		checkSided(t, t, c, func(epochs []sidedEpoch) bag { return refAsof(c.node, sidesOf(epochs), match) }, 0)
	})
}

// One right row more in the midst of many changes only the left rows up to the next.
func TestAsofJoinChangesLittle(t *testing.T) {
	s := schemaOf("at", types.Int8Type)
	op := &planner.AsofJoin{LeftTime: 0, RightTime: 0, Op: ">="}
	var first sidedEpoch
	for i := range int64(2000) {
		first.rows = append(first.rows, onLeft(ins(10*i+5)), onRight(ins(10*i)))
	}
	c := &sidedCase{node: asofNode(inputNode(s, true), inputNode(s, true), op), epochs: []sidedEpoch{first, {rows: []sidedRow{onRight(ins(int64(7003)))}}}}
	res := runSided(t, c, opRuns[0])
	out := int64(0)
	require.EqualValues(t, 1, res.sum["7005|7003"])
	require.NotContains(t, res.sum, "7005|7000")
	require.EqualValues(t, 1, res.sum["7015|7010"])
	require.Len(t, res.sum, 2000)

	o, err := NewOperator(c.node, nil)
	require.NoError(t, err)
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}}))
	for _, ep := range c.epochs {
		out = 0
		emit := func(b *changelog.Batch) { out += int64(b.Rows()) }
		for _, r := range ep.rows {
			require.NoError(t, o.Process(&Context{}, r.in, makeBatch(t, s, []testRow{r.testRow}, false), emit))
		}
		_, err := o.EndEpoch(&Context{}, emit)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, out)
}

func BenchmarkAsofJoin(b *testing.B) {
	s := schemaOf("k", types.Int8Type, "at", types.Int8Type, "v", types.Int8Type)
	op := &planner.AsofJoin{LeftKeys: []int{0}, RightKeys: []int{0}, LeftTime: 1, RightTime: 1, Op: ">="}
	n := asofNode(inputNode(s, true), inputNode(s, true), op)
	r := rand.New(rand.NewPCG(1, 2))
	const rows, batches = 4096, 32
	for range b.N {
		o, err := NewOperator(n, &Env{})
		require.NoError(b, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(b, o.Open(&OpenContext{Workers: 1, Tables: tables}))
		ctx := &Context{Watermark: math.MinInt64}
		out := 0
		for i := range batches {
			var in []testRow
			for k := range int64(rows) {
				in = append(in, ins(r.Int64N(100), int64(i/2*rows)+k, k))
			}
			x := makeBatch(b, s, in, false)
			b.StartTimer()
			emit := func(*changelog.Batch) { out++ }
			require.NoError(b, o.Process(ctx, i%2, x, emit))
			if i%2 == 1 {
				_, err := o.EndEpoch(ctx, emit)
				require.NoError(b, err)
				for _, t := range tables.live {
					t.Delta()
				}
			}
			b.StopTimer()
		}
		require.Positive(b, out)
	}
	b.ReportMetric(float64(rows*batches*b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
