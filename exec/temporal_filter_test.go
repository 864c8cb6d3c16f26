package exec

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var temporalInput = schemaOf("k", types.Int4Type, "p", types.NumericType, "a", types.TimestampTZType, "z", types.TimestampTZType)

// refTemporal is a TemporalFilter over all rows at a clock.
func refTemporal(op *planner.TemporalFilter, rows []testRow, clock int64) bag {
	out := bag{}
	for _, r := range rows {
		within := true
		if op.From >= 0 {
			at, ok := r.vals[op.From].(int64)
			within = ok && (at < clock || at == clock && !op.FromOpen)
		}
		if op.Until >= 0 {
			at, ok := r.vals[op.Until].(int64)
			within = within && ok && (clock < at || at == clock && op.UntilOpen)
		}
		if within {
			out.add(rowText(temporalInput, r.vals), r.w)
		}
	}
	return out
}

func TestTemporalFilterAgainstReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.TemporalFilter{From: rapid.SampledFrom([]int{-1, 2}).Draw(rt, "from"), Until: rapid.SampledFrom([]int{-1, 3}).Draw(rt, "until"),
			FromOpen: rapid.Bool().Draw(rt, "from open"), UntilOpen: rapid.Bool().Draw(rt, "until open")}
		times := rapid.OneOf(rapid.Int64Range(-1, 12), rapid.SampledFrom([]int64{types.TimestampPosInf, types.TimestampNegInf, 3}))
		n := &planner.Node{Op: op, Inputs: []*planner.Node{inputNode(temporalInput, false)}, Schema: temporalInput, Props: planner.Props{RowWatermark: -1}}
		c := &opCase{node: n, epochs: drawChanges(rt, rapid.Bool().Draw(rt, "changing"), func(rt *rapid.T) testRow {
			return ins(int64(rapid.IntRange(0, 1).Draw(rt, "k")), numericOf(rapid.SampledFrom([]string{"1", "1.0"}).Draw(rt, "p")),
				orNull(rt, times.Draw(rt, "a")), orNull(rt, times.Draw(rt, "z")))
		})}
		clock := int64(0)
		for i := range c.epochs {
			clock += rapid.Int64Range(0, 4).Draw(rt, "clock")
			c.epochs[i].clock = clock
		}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag { return refTemporal(op, allRows(epochs), lastOf(epochs).clock) }, 0)
	})
}

// A timer asks for the epoch in which the next row comes or goes, and nothing is left of rows that are gone.
func TestTemporalFilterTimer(t *testing.T) {
	for _, open := range []bool{false, true} {
		op := &planner.TemporalFilter{From: 2, Until: 3, FromOpen: open, UntilOpen: open}
		n := &planner.Node{Op: op, Inputs: []*planner.Node{inputNode(temporalInput, true)}, Schema: temporalInput}
		o, err := NewOperator(n, &Env{})
		require.NoError(t, err)
		tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
		require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
		one := numericOf("1")
		rows := []testRow{ins(int64(1), one, int64(10), int64(20)), ins(int64(2), one, int64(15), int64(17)), ins(int64(3), one, int64(16), types.TimestampPosInf),
			ins(int64(4), one, int64(50), int64(40))}
		late := int64(0)
		if open {
			late = 1
		}
		var want []int64
		for _, c := range []int64{10, 15, 16, 17, 20} {
			want = append(want, c+late)
		}
		want = append(want, math.MaxInt64)
		for clock, i := int64(0), 0; ; i++ {
			next := int64(math.MaxInt64)
			ctx := &Context{Clock: clock, Watermark: changelog.MinWatermark, Timer: func(c int64) { next = min(next, c) }}
			if i == 0 {
				require.NoError(t, o.Process(ctx, 0, makeBatch(t, temporalInput, rows, false), func(*changelog.Batch) {}))
			}
			_, err = o.EndEpoch(ctx, func(*changelog.Batch) {})
			require.NoError(t, err)
			require.Equal(t, want[i], next, "after %d", clock)
			if clock = next; next == math.MaxInt64 {
				break
			}
		}
		require.Zero(t, tables.live["rows"].Len())
	}
}
