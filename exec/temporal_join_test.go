package exec

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var versionSchema = schemaOf("k", types.Int8Type, "ts", types.TimestampType, "v", types.Int8Type)

func temporalNode(left, right *planner.Node, op *planner.TemporalJoin) *planner.Node {
	return &planner.Node{Op: op, Inputs: []*planner.Node{left, right}, Schema: slices.Concat(left.Schema, right.Schema),
		Props: planner.Props{AppendOnly: true, RowWatermark: -1}}
}

// By processing time a left row meets the right rows as of the end of its epoch.
func TestTemporalJoinByProcessingTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := &planner.TemporalJoin{Kind: planner.JoinKind(rapid.IntRange(0, 1).Draw(t, "kind")), LeftKeys: []int{0}, RightKeys: []int{0},
			LeftTime: -1, RightTime: -1, LeftRowWatermark: -1}
		if rapid.Bool().Draw(t, "condition") {
			op.On = lessThan(versionSchema, 2, 2)
		}
		grows := rapid.Bool().Draw(t, "right grows")
		c := &sidedCase{node: temporalNode(inputNode(versionSchema, true), inputNode(versionSchema, grows), op)}
		row := func() []any {
			k := any(int64(rapid.IntRange(1, 3).Draw(t, "k")))
			if k == int64(3) {
				k = nil
			}
			return []any{k, nil, int64(rapid.IntRange(5, 8).Draw(t, "v"))}
		}
		var live []testRow
		for range rapid.IntRange(1, 4).Draw(t, "epochs") {
			var ep sidedEpoch
			for range rapid.IntRange(0, 8).Draw(t, "rows") {
				switch {
				case rapid.Bool().Draw(t, "left"):
					ep.rows = append(ep.rows, onLeft(ins(row()...)))
				case !grows && len(live) > 0 && rapid.Bool().Draw(t, "back"):
					i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
					ep.rows = append(ep.rows, onRight(testRow{live[i].vals, -1}))
					live = slices.Delete(live, i, i+1)
				default:
					live = append(live, ins(row()...))
					ep.rows = append(ep.rows, onRight(live[len(live)-1]))
				}
			}
			c.epochs = append(c.epochs, ep)
		}
		like := &planner.Node{Op: &planner.Join{Kind: op.Kind}, Inputs: c.node.Inputs, Schema: c.node.Schema}
		match := func(l, r []any) bool {
			return l[0] != nil && l[0] == r[0] && (op.On == nil || l[2].(int64) != 7 && l[2].(int64) < r[2].(int64))
		}
		checkSided(t, t, c, func(epochs []sidedEpoch) bag {
			out := bag{}
			for e := range epochs {
				sides := sidesOf(epochs[:e+1])
				sides[0] = nil
				for _, r := range epochs[e].rows {
					if r.in == 0 {
						sides[0] = append(sides[0], r.testRow)
					}
				}
				for row, w := range refJoin(like, sides, match) {
					out.add(row, w)
				}
			}
			return out
		}, 0)
	})
}

// By event time a left row meets the version that was valid at its time, once the watermark has passed that; what no row can meet any
// more is forgotten.
func TestTemporalJoinByEventTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := &planner.TemporalJoin{Kind: planner.JoinKind(rapid.IntRange(0, 1).Draw(t, "kind")), LeftKeys: []int{0}, RightKeys: []int{0},
			LeftTime: 1, RightTime: 1, LeftRowWatermark: 3}
		if rapid.Bool().Draw(t, "condition") {
			op.On = lessThan(tickSchema, 2, 2)
		}
		c := &sidedCase{node: temporalNode(inputNode(tickSchema, true), inputNode(versionSchema, true), op)}
		c.epochs = tickEpochs(t, rapid.IntRange(1, 6).Draw(t, "epochs"), 14)
		late := int64(0)
		var left, right []testRow
		due := make([]int, len(c.epochs)) // the rows known after each epoch
		dueRight := make([]int, len(c.epochs))
		for e := range c.epochs {
			var rows []sidedRow
			for _, r := range c.epochs[e].rows {
				behind := r.vals[1] != nil && r.vals[1].(int64) < r.vals[3].(int64)
				switch {
				case r.in == 1 && behind: // versions are in time
				case r.in == 1:
					r.vals = r.vals[:3]
					rows, right = append(rows, r), append(right, r.testRow)
				case behind:
					late++
					rows = append(rows, r)
				default:
					rows, left = append(rows, r), append(left, r.testRow)
				}
			}
			c.epochs[e].rows = rows
			due[e], dueRight[e] = len(left), len(right)
		}
		checkSided(t, t, c, func(epochs []sidedEpoch) bag {
			out := bag{}
			e := len(epochs) - 1
			for _, l := range left[:due[e]] {
				var best []any
				if l.vals[1] != nil {
					at := l.vals[1].(int64)
					if epochs[e].wm != changelog.MaxWatermark && at >= int64(epochs[e].wm) && l.vals[0] != nil {
						continue
					}
					for _, r := range right[:dueRight[e]] {
						if l.vals[0] == nil || r.vals[0] != l.vals[0] || r.vals[1] == nil || r.vals[1].(int64) > at {
							continue
						}
						if best == nil || r.vals[1].(int64) > best[1].(int64) || r.vals[1] == best[1] && r.vals[2].(int64) > best[2].(int64) {
							best = r.vals
						}
					}
				}
				if best != nil && op.On != nil && l.vals[2].(int64) >= best[2].(int64) {
					best = nil
				}
				if best == nil && op.Kind == planner.LeftJoin {
					best = make([]any, 3)
				}
				if best != nil {
					out.add(rowText(c.node.Schema, slices.Concat(l.vals, best)), 1)
				}
			}
			return out
		}, late)
	})
}

// A table that keeps one row a key has versions by the times of its updates: a row that was replaced was valid until then.
func TestTemporalJoinWithUpdatedTable(t *testing.T) {
	right := inputNode(versionSchema, false)
	right.Props.Keys = [][]int{{0}}
	op := &planner.TemporalJoin{Kind: planner.LeftJoin, LeftKeys: []int{0}, RightKeys: []int{0}, LeftTime: 1, RightTime: 1, LeftRowWatermark: -1}
	const s = 1_000_000
	left := func(at int64) sidedRow { return onLeft(ins(int64(1), at*s, at)) }
	is := func(at, v int64) sidedRow { return onRight(ins(int64(1), at*s, v)) }
	was := func(at, v int64) sidedRow { return onRight(del(int64(1), at*s, v)) }
	c := &sidedCase{node: temporalNode(inputNode(versionSchema, true), right, op), epochs: []sidedEpoch{
		{rows: []sidedRow{is(10, 100), left(5), left(12)}, wm: 0},
		{rows: []sidedRow{was(10, 100), is(20, 200), left(15), left(25)}, wm: 11 * s},
		{rows: []sidedRow{was(20, 200), is(20, 201), left(19)}, wm: 22 * s}, // a correction
		{rows: []sidedRow{was(20, 201), left(30)}, wm: 40 * s},              // deleted
		{rows: []sidedRow{is(50, 500), left(45), left(55)}, wm: changelog.MaxWatermark},
	}}
	for _, run := range opRuns {
		res := runSided(t, c, run)
		met := map[string]string{}
		for row := range res.sum {
			parts := splitRow(row)
			met[parts[2]] = parts[5]
		}
		require.Equal(t, map[string]string{"5": "NULL", "12": "100", "15": "100", "19": "100", "25": "NULL", "30": "NULL", "45": "NULL", "55": "500"}, met, run.name)
		require.Len(t, res.perEpoch[1], 1)
	}
}

// Versions that were replaced before the watermark are forgotten.
func TestTemporalJoinForgets(t *testing.T) {
	op := &planner.TemporalJoin{LeftKeys: []int{0}, RightKeys: []int{0}, LeftTime: 1, RightTime: 1, LeftRowWatermark: 3}
	o, err := NewOperator(temporalNode(inputNode(tickSchema, true), inputNode(versionSchema, true), op), nil)
	require.NoError(t, err)
	tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
	ctx := &Context{}
	met := 0
	emit := func(b *changelog.Batch) { met += b.Rows() }
	for e := range int64(100) {
		var versions, rows []testRow
		for i := range int64(50) {
			at := (e*50 + i) * tick
			versions = append(versions, ins(i%5, at, i))
			rows = append(rows, ins(i%5, at, i, at-tick))
		}
		require.NoError(t, o.Process(ctx, 0, makeBatch(t, tickSchema, rows, false), emit))
		require.NoError(t, o.Process(ctx, 1, makeBatch(t, versionSchema, versions, false), emit))
		ctx.Watermark = changelog.Watermark(e * 50 * tick)
		_, err := o.EndEpoch(ctx, emit)
		require.NoError(t, err)
		for _, x := range tables.live {
			x.Delta()
			require.LessOrEqual(t, x.Len(), 60)
		}
	}
	require.Equal(t, 99*50, met)
}
