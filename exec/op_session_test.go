package exec

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

func sessionWindow() planner.Window {
	return planner.Window{Kind: planner.Session, Time: colTS, Size: 4 * second}
}

// closedBy is the windows that are closed after the last of the epochs.
func closedBy(epochs []testEpoch, emit planner.Emission, lateness int64) func(int64) bool {
	if emit == planner.EmitChanges {
		return nil
	}
	wm := int64(lastOf(epochs).wm)
	return func(end int64) bool {
		return wm == int64(changelog.MaxWatermark) || end <= subSat(wm, lateness)
	}
}

func testSessions(t *testing.T, calls []planner.AggCall) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.WindowAggregate{Window: sessionWindow(), Aggs: calls, RowWatermark: colWM,
			Keys:     rapid.SampledFrom([][]int{{}, {colK}, {colS, colI}}).Draw(rt, "keys"),
			Emit:     rapid.SampledFrom([]planner.Emission{planner.EmitChanges, planner.EmitOnClose}).Draw(rt, "emit"),
			Lateness: rapid.SampledFrom([]int64{0, 0, 5 * second}).Draw(rt, "lateness")}
		c := &opCase{node: windowNode(inputNode(testInput, true), op), epochs: drawStream(rt)}
		_, late := refSessionAggregate(c.node, op, allRows(c.epochs), nil)
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			out, _ := refSessionAggregate(c.node, op, allRows(epochs), closedBy(epochs, op.Emit, op.Lateness))
			return out
		}, late)
	})
}

func TestSessionLanes(t *testing.T)  { testSessions(t, laneCalls()) }
func TestSessionValues(t *testing.T) { testSessions(t, valueCalls()) }

func TestSessionChanging(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.WindowAggregate{Window: sessionWindow(), Aggs: laneCalls(), RowWatermark: -1,
			Keys: rapid.SampledFrom([][]int{{}, {colK}}).Draw(rt, "keys")}
		c := &opCase{node: windowNode(inputNode(testInput, false), op), epochs: drawEpochs(rt, true)}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			out, _ := refSessionAggregate(c.node, op, allRows(epochs), nil)
			return out
		}, 0)
	})
}

func TestSessionExpand(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		changing := rapid.Bool().Draw(rt, "changing")
		op := &planner.SessionExpand{Window: sessionWindow(), RowWatermark: -1,
			Partition: rapid.SampledFrom([][]int{{}, {colK}}).Draw(rt, "keys")}
		in := inputNode(testInput, !changing)
		n := &planner.Node{Op: op, Inputs: []*planner.Node{in}}
		n.Schema = append(testInput[:len(testInput):len(testInput)], schemaOf("window_start", types.TimestampType, "window_end", types.TimestampType,
			"window_time", types.TimestampType)...)
		c := &opCase{node: n}
		if changing {
			c.epochs = drawEpochs(rt, true)
		} else {
			op.RowWatermark = colWM
			op.Emit = rapid.SampledFrom([]planner.Emission{planner.EmitChanges, planner.EmitOnClose}).Draw(rt, "emit")
			c.epochs = drawStream(rt)
		}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			return refSessionExpand(n, op, allRows(epochs), closedBy(epochs, op.Emit, 0))
		}, -1)
	})
}
