package exec

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// The interval join of the tests: left rows match right rows of equal keys that are up to 10 ticks older. A tick is 30 ms.
const (
	tick      = 30_000
	tickDelay = 5 * tick
)

var tickSchema = schemaOf("k", types.Int8Type, "ts", types.TimestampType, "v", types.Int8Type, "wm", types.TimestampType)

func timestampColumn(i int) expr.Expr {
	return &expr.Column{Base: expr.Base{T: types.TimestampType}, Index: i}
}

// within10 is l.ts >= r.ts AND l.ts - r.ts <= 10 ticks.
func within10() expr.Expr { return withinAt(1, 5, 10*tick) }

// withinAt is l >= r AND l <= r + micros over columns of a pair.
func withinAt(l, r int, micros int64) expr.Expr {
	compare := func(fn string, a, b expr.Expr) expr.Expr {
		return &expr.Call{Base: expr.Base{T: types.BoolType}, Fn: fn, Args: []expr.Expr{a, b}}
	}
	shifted := &expr.Call{Base: expr.Base{T: types.TimestampType}, Fn: "+(timestamp without time zone,interval)", Args: []expr.Expr{timestampColumn(r),
		&expr.Literal{Base: expr.Base{T: types.IntervalType}, Value: types.IntervalValue{Micros: micros}}}}
	return &expr.Logic{Base: expr.Base{T: types.BoolType}, Args: []expr.Expr{
		compare(">=(timestamp without time zone,timestamp without time zone)", timestampColumn(l), timestampColumn(r)), compare("<=(timestamp without time zone,timestamp without time zone)", timestampColumn(l), shifted)}}
}

func intervalJoin(kind planner.JoinKind, final bool) *planner.Join {
	return &planner.Join{Kind: kind, LeftKeys: []int{0}, RightKeys: []int{0}, On: within10(), Final: final,
		LeftExpiry: &planner.Expiry{Col: 1, Lag: 1}, RightExpiry: &planner.Expiry{Col: 1, Lag: 10*tick + 1},
		LeftLate: &planner.Expiry{Col: 1, Lag: 1}, RightLate: &planner.Expiry{Col: 1, Lag: 1}, LeftRowWatermark: 3, RightRowWatermark: 3}
}

// tickEpochs draws rows with some disorder, each with the watermark of its side before it.
func tickEpochs(t *rapid.T, epochs, perEpoch int) []sidedEpoch {
	wm := [2]int64{int64(changelog.MinWatermark), int64(changelog.MinWatermark)}
	now := int64(0)
	var out []sidedEpoch
	for e := range epochs {
		var ep sidedEpoch
		for range rapid.IntRange(0, perEpoch).Draw(t, "rows") {
			in := rapid.IntRange(0, 1).Draw(t, "side")
			now += int64(rapid.IntRange(0, 4).Draw(t, "step")) * tick / 2
			ts := now - int64(rapid.SampledFrom([]int{0, 1, 3, 7, 14, 30}).Draw(t, "behind"))*tick
			vals := []any{int64(rapid.IntRange(1, 2).Draw(t, "k")), ts, int64(rapid.IntRange(1, 3).Draw(t, "v")), wm[in]}
			if rapid.IntRange(0, 15).Draw(t, "null") == 0 {
				vals[rapid.IntRange(0, 1).Draw(t, "null col")] = nil
			}
			if vals[1] != nil {
				wm[in] = max(wm[in], ts-tickDelay)
			}
			ep.rows = append(ep.rows, sidedRow{in, ins(vals...)})
		}
		ep.wm = changelog.Watermark(min(wm[0], wm[1]))
		if e == epochs-1 {
			ep.wm = changelog.MaxWatermark
		}
		out = append(out, ep)
	}
	return out
}

// inTime leaves out the rows that are late by the expiries of a join.
func inTime(op *planner.Join, epochs []sidedEpoch) (sides [2][]testRow, late int64) {
	exp := [2]*planner.Expiry{op.LeftLate, op.RightLate}
	for _, r := range slices.Concat(rowsOfEpochs(epochs)) {
		if x := exp[r.in]; x != nil && r.vals[x.Col] != nil && r.vals[x.Col].(int64) <= subSat(r.vals[3].(int64), x.Lag) {
			late++
			continue
		}
		sides[r.in] = append(sides[r.in], r.testRow)
	}
	return sides, late
}

func rowsOfEpochs(epochs []sidedEpoch) (out []sidedRow) {
	for _, e := range epochs {
		out = append(out, e.rows...)
	}
	return out
}

// Interval joins of every kind forget rows and give the same as if they had not; final ones put out rows without a match when those
// have expired. Late rows are those of the input's order.
func TestIntervalJoinRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := intervalJoin(planner.JoinKind(rapid.IntRange(0, 4).Draw(t, "kind")), rapid.Bool().Draw(t, "final"))
		match := func(l, r []any) bool {
			return sameKeys(op, l, r) && l[1] != nil && r[1] != nil && l[1].(int64) >= r[1].(int64) && l[1].(int64)-r[1].(int64) <= 10*tick
		}
		windows := rapid.IntRange(0, 3).Draw(t, "window join") == 0
		if windows { // equal windows: no condition besides; 4 ticks is the window
			op.On, op.LeftKeys, op.RightKeys = nil, []int{0, 1}, []int{0, 1}
			op.LeftExpiry, op.RightExpiry = &planner.Expiry{Col: 1}, &planner.Expiry{Col: 1}
			op.LeftLate, op.RightLate = op.LeftExpiry, op.RightExpiry
			match = func(l, r []any) bool { return sameKeys(op, l, r) }
		}
		c := &sidedCase{node: joinNode(inputNode(tickSchema, true), inputNode(tickSchema, true), op)}
		c.epochs = tickEpochs(t, rapid.IntRange(1, 6).Draw(t, "epochs"), 12)
		if windows {
			for _, ep := range c.epochs {
				for i := range ep.rows {
					if ts, ok := ep.rows[i].vals[1].(int64); ok {
						ep.rows[i].vals[1] = floorDiv(ts, 4*tick)*4*tick + 4*tick
					}
				}
			}
		}
		_, late := inTime(op, c.epochs)
		alone := func(vals []any, x *planner.Expiry, wm changelog.Watermark) bool {
			if vals[0] == nil || windows && vals[1] == nil { // matches nothing
				return true
			}
			limit := lessLateness(wm, x.Lag)
			return limit == math.MaxInt64 || vals[1] != nil && vals[1].(int64) <= limit && wm != changelog.MinWatermark
		}
		checkSided(t, t, c, func(epochs []sidedEpoch) bag {
			sides, _ := inTime(op, epochs)
			if !op.Final {
				return refJoin(c.node, sides, match)
			}
			wm := epochs[len(epochs)-1].wm
			out := bag{}
			nulls := make([]any, len(tickSchema))
			matched := make([]bool, len(sides[1]))
			for _, l := range sides[0] {
				found := false
				for i, r := range sides[1] {
					if match(l.vals, r.vals) {
						found, matched[i] = true, true
						if op.Kind <= planner.FullJoin {
							out.add(rowText(c.node.Schema, slices.Concat(l.vals, r.vals)), 1)
						}
					}
				}
				switch {
				case op.Kind == planner.SemiJoin && found, op.Kind == planner.AntiJoin && !found && alone(l.vals, op.LeftExpiry, wm):
					out.add(rowText(c.node.Schema, l.vals), 1)
				case (op.Kind == planner.LeftJoin || op.Kind == planner.FullJoin) && !found && alone(l.vals, op.LeftExpiry, wm):
					out.add(rowText(c.node.Schema, slices.Concat(l.vals, nulls)), 1)
				}
			}
			for i, r := range sides[1] {
				if op.Kind == planner.FullJoin && !matched[i] && alone(r.vals, op.RightExpiry, wm) {
					out.add(rowText(c.node.Schema, slices.Concat(nulls, r.vals)), 1)
				}
			}
			return out
		}, late)
	})
}

// The state of an interval join stays small while the watermark moves on, in memory and in what a restart loads.
func TestIntervalJoinForgets(t *testing.T) {
	op := intervalJoin(planner.InnerJoin, false)
	n := joinNode(inputNode(tickSchema, true), inputNode(tickSchema, true), op)
	o, err := NewOperator(n, nil)
	require.NoError(t, err)
	tt := &testTables{}
	tables := &workerTables{of: tt, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
	ctx := &Context{}
	var peak int64
	for e := range int64(200) {
		for in := range 2 {
			var rows []testRow
			for i := range int64(50) {
				at := (e*50 + i) * tick / 5
				rows = append(rows, ins(i, at, i, at-tick))
			}
			require.NoError(t, o.Process(ctx, in, makeBatch(t, tickSchema, rows, false), func(*changelog.Batch) {}))
		}
		ctx.Watermark = changelog.Watermark(e * 50 * tick / 5)
		_, err := o.EndEpoch(ctx, func(*changelog.Batch) {})
		require.NoError(t, err)
		bytes := int64(0)
		for _, x := range tables.live {
			x.Delta()
			require.Less(t, x.Len(), 250)
			bytes += x.Bytes()
		}
		if e < 20 {
			peak = max(peak, bytes)
		}
		require.LessOrEqual(t, bytes, peak+peak/8)
	}
}
