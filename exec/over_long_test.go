package exec

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var longInput = schemaOf("k", types.Int4Type, "t", types.Int8Type, "v", types.Int8Type, "s", types.TextType)

func longBound(kind planner.BoundKind, n int64) planner.Bound {
	return planner.Bound{Kind: kind, Offset: &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: n}}
}

// longCalls are calls whose frames reach in all ways.
func longCalls() map[string][]planner.OverCall {
	framed := func(fn string, mode planner.FrameMode, start, end planner.Bound, args ...int) planner.OverCall {
		c := overFn(longInput, fn, args...)
		c.Frame = planner.Frame{Mode: mode, Start: start, End: end}
		return c
	}
	first, current := planner.Bound{Kind: planner.UnboundedPreceding}, planner.Bound{Kind: planner.CurrentRow}
	f := func(fn string, args ...int) planner.OverCall { return overFn(longInput, fn, args...) }
	return map[string][]planner.OverCall{
		"number":       {f("row_number")},
		"rank":         {f("rank"), f("dense_rank")},
		"lag":          {f("lag", 2), f("lead", 3)},
		"running":      {f("sum", 2), f("count"), f("avg", 2)},
		"running max":  {f("max", 2)},
		"running text": {f("max", 3)},
		"first":        {f("first_value", 3)},
		"aggregated":   {f("bit_or", 2), f("string_agg", 3, 3), framed("bit_and", planner.FrameRows, longBound(planner.Preceding, 40), longBound(planner.Following, 5), 2)},
		"rows":         {framed("sum", planner.FrameRows, longBound(planner.Preceding, 3), longBound(planner.Following, 2), 2)},
		"rows min":     {framed("min", planner.FrameRows, longBound(planner.Preceding, 9), current, 3), framed("min", planner.FrameRows, longBound(planner.Preceding, 2), current, 2)},
		"range":        {framed("sum", planner.FrameRange, longBound(planner.Preceding, 5), current, 2), framed("count", planner.FrameRange, longBound(planner.Preceding, 2), longBound(planner.Following, 3))},
		"groups":       {framed("array_agg", planner.FrameGroups, longBound(planner.Preceding, 1), longBound(planner.Following, 1), 2)},
		"behind":       {framed("sum", planner.FrameRows, first, longBound(planner.Preceding, 4), 2), framed("first_value", planner.FrameRows, first, longBound(planner.Preceding, 4), 2)},
		"behind range": {framed("sum", planner.FrameRange, first, longBound(planner.Preceding, 4), 2), framed("last_value", planner.FrameGroups, first, longBound(planner.Preceding, 2), 2)},
		"ahead":        {framed("sum", planner.FrameRange, first, longBound(planner.Following, 4), 2), framed("last_value", planner.FrameRows, first, longBound(planner.Following, 2), 2)},
		"mixed":        {f("rank"), f("lag", 2), framed("sum", planner.FrameRange, longBound(planner.Preceding, 5), current, 2), f("sum", 2)},
	}
}

// Long partitions that change a little give what a fresh computation gives.
func TestOverLongPartitions(t *testing.T) {
	for name, calls := range longCalls() {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			op := &planner.Over{Partition: []int{0}, Order: []planner.SortKey{{Col: 1}}, Calls: calls, Closing: noClosing}
			node := overNode(inputNode(longInput, false), op)
			row := func(at int64) testRow {
				var v any
				if r.IntN(9) > 0 {
					v = r.Int64N(20) - 5
				}
				return ins(int64(r.IntN(2)), at+r.Int64N(3), v, fmt.Sprint(r.IntN(50)))
			}
			c := &opCase{node: node}
			var live []testRow
			ep := testEpoch{}
			for i := range 300 {
				live = append(live, row(int64(i)))
			}
			ep.rows = append(ep.rows, live...)
			c.epochs = append(c.epochs, ep)
			for range 18 {
				ep := testEpoch{}
				for range 1 + r.IntN(3) {
					switch r.IntN(4) {
					case 0:
						i := r.IntN(len(live))
						ep.rows = append(ep.rows, testRow{live[i].vals, -1})
						live = append(live[:i:i], live[i+1:]...)
					case 1:
						x := row(r.Int64N(300))
						ep.rows, live = append(ep.rows, x), append(live, x)
					case 2: // another value in the same place
						i := r.IntN(len(live))
						x := ins(live[i].vals[0], live[i].vals[1], r.Int64N(3), live[i].vals[3])
						ep.rows = append(ep.rows, testRow{live[i].vals, -1}, x)
						live = append(live[:i:i], live[i+1:]...)
						live = append(live, x)
					default:
						x := row(300 + int64(len(c.epochs)))
						ep.rows, live = append(ep.rows, x), append(live, x)
					}
				}
				c.epochs = append(c.epochs, ep)
			}
			res := runOp(t, c, opRuns[3])
			for e := range c.epochs {
				if e%6 == 0 || e == len(c.epochs)-1 {
					var all []testRow
					for _, ep := range c.epochs[:e+1] {
						all = append(all, ep.rows...)
					}
					fresh := runOp(t, &opCase{node: node, epochs: []testEpoch{{rows: all}}}, opRuns[0])
					require.Equal(t, fresh.sum.String(), res.perEpoch[e].String(), "after epoch %d", e+1)
				}
			}
		})
	}
}

// A row at the end of a long partition costs no more than what it changes.
func TestOverComputesWhatChanged(t *testing.T) {

	for name, calls := range longCalls() {
		if name == "aggregated" {
			continue // all of the frames is read
		}
		op := &planner.Over{Partition: []int{0}, Order: []planner.SortKey{{Col: 1}}, Calls: calls, Closing: noClosing}
		o, err := NewOperator(overNode(inputNode(longInput, true), op), &Env{})
		require.NoError(t, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
		ctx := &Context{Watermark: changelog.MinWatermark}
		emit := func(*changelog.Batch) {}
		var rows []testRow
		for i := range int64(2000) {
			rows = append(rows, ins(int64(1), i, i, fmt.Sprint(i)))
		}
		for i, list := range [][]testRow{rows, {ins(int64(1), int64(2000), int64(7), "x")}, {ins(int64(1), int64(2001), int64(7), "y"), ins(int64(1), int64(2002), int64(7), "z")}} {
			require.NoError(t, o.Process(ctx, 0, makeBatch(t, longInput, list, false), emit))
			_, err = o.EndEpoch(ctx, emit)
			require.NoError(t, err)
			if i > 0 {
				require.LessOrEqual(t, o.(*over).work.computed, 40, "%s: %d rows", name, o.(*over).work.computed)
			}
			o.(*over).work.computed = 0
		}
	}
}
