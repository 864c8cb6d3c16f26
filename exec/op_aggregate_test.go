package exec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// The input of the tests: k, v, b, f, n, s, ts, wm.
var (
	testInput = schemaOf("k", types.Int4Type, "v", types.Int8Type, "b", types.BoolType, "f", types.Float8Type, "n", types.NumericType,
		"s", types.TextType, "i", types.Int4Type, "d", types.Type{Kind: types.Numeric, Precision: 10, Scale: 2}, "ts", types.TimestampType,
		"wm", types.TimestampType)
)

const (
	colK = iota
	colV
	colB
	colF
	colN
	colS
	colI
	colD
	colTS
	colWM
)

func orNull(t *rapid.T, v any) any {
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		return nil
	}
	return v
}

// drawRow draws a row with few different values, and the time.
func drawRow(t *rapid.T, ts int64) testRow {
	scale := rapid.IntRange(0, 2).Draw(t, "scale")
	num, _ := types.NumericFromCoefficient(int64(-1*rapid.IntRange(0, 1).Draw(t, "neg")), uint64(rapid.IntRange(0, 50).Draw(t, "n")), scale)
	if num.Hi < 0 {
		num = types.NumericValue{Hi: -1, Lo: ^uint64(rapid.IntRange(0, 50).Draw(t, "m")), Scale: uint8(scale)}
	}
	d := types.NumericValue{Lo: uint64(rapid.IntRange(0, 30).Draw(t, "d")), Scale: 2}
	return ins(
		orNull(t, int64(rapid.IntRange(0, 3).Draw(t, "k"))),
		orNull(t, rapid.SampledFrom([]int64{0, 1, -1, 5, 1 << 62, -1 << 63}).Draw(t, "v")),
		orNull(t, rapid.Bool().Draw(t, "b")),
		orNull(t, float64(rapid.IntRange(-8, 8).Draw(t, "f"))/4),
		orNull(t, num),
		orNull(t, rapid.SampledFrom([]string{"", "a", "b", "ab", "ä"}).Draw(t, "s")),
		orNull(t, int64(rapid.IntRange(-3, 3).Draw(t, "i"))),
		orNull(t, d),
		ts, nil)
}

// drawEpochs draws epochs of rows, with retractions of rows that are there if the input changes.
func drawEpochs(t *rapid.T, changing bool) []testEpoch {
	var epochs []testEpoch
	var live []testRow
	for e := range rapid.IntRange(1, 4).Draw(t, "epochs") {
		ep := testEpoch{clock: int64(e) * second, wm: changelog.MinWatermark}
		for range rapid.IntRange(0, 12).Draw(t, "rows") {
			if changing && len(live) > 0 && rapid.IntRange(0, 2).Draw(t, "retract") == 0 {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				ep.rows = append(ep.rows, testRow{live[i].vals, -1})
				live = append(live[:i:i], live[i+1:]...)
				continue
			}
			r := drawRow(t, rapid.Int64Range(-30, 30).Draw(t, "ts")*second)
			ep.rows = append(ep.rows, r)
			live = append(live, r)
		}
		epochs = append(epochs, ep)
	}
	return epochs
}

// laneCalls are the aggregates that are kept in lanes, whatever the input.
func laneCalls() []planner.AggCall {
	filtered := callOf(testInput, "sum", colV)
	filtered.Filter = colB
	counted := callOf(testInput, "count")
	counted.Filter = colB
	return []planner.AggCall{
		callOf(testInput, "count"), callOf(testInput, "count", colV), counted, callOf(testInput, "sum", colV), filtered,
		callOf(testInput, "avg", colI), callOf(testInput, "sum", colI), callOf(testInput, "sum", colF), callOf(testInput, "avg", colF),
		callOf(testInput, "bool_and", colB), callOf(testInput, "bool_or", colB), callOf(testInput, "sum", colD), callOf(testInput, "avg", colD),
		callOf(testInput, "var_samp", colF), callOf(testInput, "stddev_pop", colF),
	}
}

// extremeCalls are min and max of types that fit in lanes over append-only input.
func extremeCalls() []planner.AggCall {
	var out []planner.AggCall
	for _, c := range []int{colV, colF, colI, colD, colTS, colS, colN} {
		call := callOf(testInput, "min", c)
		call.T = testInput[c].Type
		out = append(out, call)
		call = callOf(testInput, "max", c)
		call.T = testInput[c].Type
		out = append(out, call)
	}
	return out
}

// valueCalls are the aggregates that keep values.
func valueCalls() []planner.AggCall {
	distinct := func(name string, args ...int) planner.AggCall {
		c := callOf(testInput, name, args...)
		c.Distinct = true
		return c
	}
	ordered := func(c planner.AggCall, keys ...planner.SortKey) planner.AggCall {
		c.OrderBy = keys
		return c
	}
	filtered := distinct("count", colS)
	filtered.Filter = colB
	return []planner.AggCall{
		distinct("count", colV), filtered, distinct("sum", colI), distinct("avg", colN), distinct("array_agg", colI),
		ordered(callOf(testInput, "array_agg", colS), planner.SortKey{Col: colI, Desc: true}, planner.SortKey{Col: colF, NullsFirst: true}),
		ordered(callOf(testInput, "first_value", colV), planner.SortKey{Col: colI}),
		ordered(callOf(testInput, "last_value", colV), planner.SortKey{Col: colI, Desc: true, NullsFirst: true}),
		callOf(testInput, "string_agg", colS, colS),
		callOf(testInput, "sum", colN), callOf(testInput, "avg", colN),
		callOf(testInput, "bit_and", colI), callOf(testInput, "bit_or", colI), callOf(testInput, "bit_xor", colI), distinct("bit_xor", colI),
	}
}

func testAggregate(t *testing.T, calls []planner.AggCall, changing bool) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.Aggregate{Aggs: calls, Close: -1, RowWatermark: -1,
			Keys: rapid.SampledFrom([][]int{{}, {colK}, {colS, colK}, {colN}}).Draw(rt, "keys")}
		c := &opCase{node: aggNode(inputNode(testInput, !changing), op), epochs: drawEpochs(rt, changing)}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag { return refAggregateNode(c.node, op, allRows(epochs)) }, 0)
	})
}

func TestAggregateLanes(t *testing.T)         { testAggregate(t, laneCalls(), false) }
func TestAggregateLanesChanging(t *testing.T) { testAggregate(t, laneCalls(), true) }
func TestAggregateExtremes(t *testing.T)      { testAggregate(t, extremeCalls(), false) }
func TestAggregateExtremesChanging(t *testing.T) {
	testAggregate(t, extremeCalls(), true)
}
func TestAggregateValues(t *testing.T)         { testAggregate(t, valueCalls(), false) }
func TestAggregateValuesChanging(t *testing.T) { testAggregate(t, valueCalls(), true) }
func TestAggregateNone(t *testing.T)           { testAggregate(t, nil, true) }

func TestAggregateBeforeAnyInput(t *testing.T) {
	op := &planner.Aggregate{Aggs: []planner.AggCall{callOf(testInput, "count"), callOf(testInput, "sum", colV)}, Close: -1, RowWatermark: -1}
	c := &opCase{node: aggNode(inputNode(testInput, true), op), epochs: []testEpoch{{}, {}}}
	checkRuns(t, nil, c, func([]testEpoch) bag { return bag{"0|NULL": 1} }, 0)
}

func windowCases() map[string]planner.Window {
	return map[string]planner.Window{
		"tumble":   {Kind: planner.Tumble, Time: colTS, Size: 10 * second, Offset: 3 * second},
		"hop":      {Kind: planner.Hop, Time: colTS, Size: 10 * second, Slide: 4 * second},
		"gaps":     {Kind: planner.Hop, Time: colTS, Size: 2 * second, Slide: 5 * second, Offset: -1 * second},
		"cumulate": {Kind: planner.Cumulate, Time: colTS, Size: 12 * second, Slide: 4 * second},
	}
}

// drawStream draws epochs of one partition: rows out of order, each with the watermark before it, which is what the epoch's
// watermark is at its end.
func drawStream(t *rapid.T) []testEpoch {
	var epochs []testEpoch
	wm := int64(changelog.MinWatermark)
	at := rapid.Int64Range(-50, 0).Draw(t, "start")
	for e := range rapid.IntRange(1, 5).Draw(t, "epochs") {
		ep := testEpoch{clock: int64(e) * second}
		for range rapid.IntRange(0, 8).Draw(t, "rows") {
			at += rapid.Int64Range(0, 4).Draw(t, "step")
			r := drawRow(t, (at-rapid.Int64Range(0, 12).Draw(t, "behind"))*second)
			r.vals[colWM] = wm
			ep.rows = append(ep.rows, r)
			wm = max(wm, r.vals[colTS].(int64)-3*second)
		}
		ep.wm = changelog.Watermark(wm)
		epochs = append(epochs, ep)
	}
	if rapid.Bool().Draw(t, "ends") {
		epochs = append(epochs, testEpoch{clock: 1000 * second, wm: changelog.MaxWatermark})
	}
	return epochs
}

// lateRows counts the rows that are late for some window.
func lateRows(op *planner.WindowAggregate, rows []testRow) (n int64) {
	for _, r := range rows {
		for _, w := range windowsOf(op.Window, r.vals[colTS].(int64)) {
			if w[1]+op.Lateness <= r.vals[colWM].(int64) {
				n++
				break
			}
		}
	}
	return n
}

func testWindows(t *testing.T, calls []planner.AggCall) {
	for name, w := range windowCases() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				op := &planner.WindowAggregate{Window: w, Aggs: calls, RowWatermark: colWM,
					Keys:     rapid.SampledFrom([][]int{{}, {colK}, {colS, colI}}).Draw(rt, "keys"),
					Emit:     rapid.SampledFrom([]planner.Emission{planner.EmitChanges, planner.EmitOnClose}).Draw(rt, "emit"),
					Lateness: rapid.SampledFrom([]int64{0, 0, 5 * second}).Draw(rt, "lateness")}
				c := &opCase{node: windowNode(inputNode(testInput, true), op), epochs: drawStream(rt)}
				checkRuns(t, rt, c, func(epochs []testEpoch) bag {
					if op.Emit == planner.EmitChanges {
						return refWindows(c.node, op, allRows(epochs), nil)
					}
					wm := int64(lastOf(epochs).wm)
					return refWindows(c.node, op, allRows(epochs), func(end int64) bool {
						return end <= subSat(wm, op.Lateness) || wm == int64(changelog.MaxWatermark)
					})
				}, lateRows(op, allRows(c.epochs)))
			})
		})
	}
}

func TestWindowAggregateValues(t *testing.T) { testWindows(t, append(valueCalls(), extremeCalls()...)) }
func TestWindowAggregateLanes(t *testing.T)  { testWindows(t, laneCalls()) }

func TestWindowAggregateChanging(t *testing.T) {
	for name, w := range windowCases() {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				op := &planner.WindowAggregate{Window: w, Keys: []int{colK}, Aggs: laneCalls(), RowWatermark: -1}
				c := &opCase{node: windowNode(inputNode(testInput, false), op), epochs: drawEpochs(rt, true)}
				checkRuns(t, rt, c, func(epochs []testEpoch) bag { return refWindows(c.node, op, allRows(epochs), nil) }, 0)
			})
		})
	}
}

func TestWindowRejectsTimes(t *testing.T) {
	op := &planner.WindowAggregate{Window: windowCases()["hop"], Aggs: []planner.AggCall{callOf(testInput, "count")}, RowWatermark: -1}
	row := func(ts any) testRow { return ins(nil, nil, nil, nil, nil, nil, nil, nil, ts, nil) }
	c := &opCase{node: windowNode(inputNode(testInput, true), op), epochs: []testEpoch{{rows: []testRow{
		row(nil), row(types.TimestampPosInf), row(types.TimestampNegInf), row(types.TimestampPosInf - 5), row(int64(0)),
	}, wm: changelog.MaxWatermark}}}
	for _, run := range opRuns {
		res := runOp(t, c, run)
		require.Len(t, res.rejected, 3)
		require.Equal(t, int64(1), res.rejected["error: the time of a window must not be null"])
		require.Equal(t, int64(2), res.rejected["error: infinite timestamp is in no window"])
		require.Len(t, res.sum, 3)
	}
}
