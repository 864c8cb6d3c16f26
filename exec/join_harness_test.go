package exec

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
)

// sidedRow is a row of one of two inputs.
type sidedRow struct {
	in int
	testRow
}

func onLeft(r testRow) sidedRow  { return sidedRow{0, r} }
func onRight(r testRow) sidedRow { return sidedRow{1, r} }

// sidedEpoch is one epoch of an operator with two inputs.
type sidedEpoch struct {
	rows  []sidedRow
	clock int64
	wm    changelog.Watermark
}

// sidedCase is an operator with two inputs and what comes in.
type sidedCase struct {
	node   *planner.Node
	epochs []sidedEpoch
}

// runSided runs a case. Batches hold rows of one side: as they come, or with large batches all of one side before the other.
func runSided(t require.TestingT, c *sidedCase, run opRun) *opResult {
	res := &opResult{sum: bag{}, rejected: bag{}}
	tt := &testTables{logs: map[string][]arrow.Record{}}
	n := max(run.workers, 1)
	var lanes []*opLane
	var dists []Distribution
	restored := changelog.MinWatermark
	open := func(workers int) {
		lanes = nil
		for w := range workers {
			low, err := Lower(c.node, &Env{BatchRows: 100})
			require.NoError(t, err)
			require.Equal(t, low.Dists, Distributions(c.node))
			l := &opLane{global: Join(low), tables: &workerTables{of: tt, worker: w, workers: workers, live: map[string]stateTable{}}}
			dists = low.Dists
			require.NoError(t, l.global.Open(&OpenContext{Worker: w, Workers: workers, Tables: l.tables, Watermark: restored}))
			lanes = append(lanes, l)
		}
	}
	open(n)
	emit := func(b *changelog.Batch) {
		require.Positive(t, b.Rows())
		if c.node.Props.AppendOnly {
			b.Each(func(row int) { require.Positive(t, b.Weight(row)) })
		}
		b.Each(func(row int) { require.NotZero(t, b.Weight(row)) })
		res.sum.addBatch(t, c.node.Schema, b)
	}
	for e, ep := range c.epochs {
		ctx := &Context{Epoch: changelog.Epoch(e + 1), Clock: ep.clock, Timer: func(int64) {}}
		ctx.Reject = func(r Rejection) error {
			if r.Reason == ReasonLate {
				res.late += r.Weight
			}
			res.rejected.add(string(r.Reason)+": "+r.Err.Msg, r.Weight)
			require.Less(t, r.Row, r.Batch.N)
			require.Len(t, r.Schema, len(r.Batch.Cols))
			for _, c := range r.Batch.Cols {
				require.Equal(t, r.Batch.N, c.Len())
			}
			return nil
		}
		process := func(in int, rows []testRow) {
			schema := c.node.Inputs[in].Schema
			b := makeBatch(t, schema, rows, run.sparse)
			if n == 1 {
				require.NoError(t, lanes[0].global.Process(ctx, in, b, emit))
				return
			}
			d := dists[in]
			var h hasher
			parts := make([][]uint32, n)
			if d.Kind == ByHash {
				parts = h.split(b, schema, d.Cols, n)
			} else {
				b.Each(func(row int) { parts[0] = append(parts[0], uint32(row)) })
			}
			for w, sel := range parts {
				if len(sel) > 0 {
					require.NoError(t, lanes[w].global.Process(ctx, in, b.Select(sel), emit))
				}
			}
		}
		rows := ep.rows
		if run.batch > 1000 { // all of one side, then all of the other
			var sides [2][]testRow
			for _, r := range rows {
				sides[r.in] = append(sides[r.in], r.testRow)
			}
			for i := range 2 {
				if in := (i + e) % 2; len(sides[in]) > 0 {
					process(in, sides[in])
				}
			}
			rows = nil
		}
		for len(rows) > 0 {
			var some []testRow
			in := rows[0].in
			for len(rows) > 0 && rows[0].in == in && len(some) < run.batch {
				some = append(some, rows[0].testRow)
				rows = rows[1:]
			}
			process(in, some)
		}
		ctx.Watermark = ep.wm
		for _, l := range lanes {
			wm, err := l.global.EndEpoch(ctx, emit)
			require.NoError(t, err)
			require.LessOrEqual(t, wm, ep.wm)
			restored = wm
		}
		for r, w := range res.sum {
			require.Positive(t, w, "after epoch %d: %s", e+1, r)
		}
		var ws []*workerTables
		for _, l := range lanes {
			ws = append(ws, l.tables)
		}
		tt.collect(ws)
		snapshot := bag{}
		for k, v := range res.sum {
			snapshot[k] = v
		}
		res.perEpoch = append(res.perEpoch, snapshot)
		if run.restart {
			for _, l := range lanes {
				require.NoError(t, l.global.Close())
			}
			if run.workers > 0 {
				n = 1 + (e+run.workers)%4
			}
			open(n)
		}
	}
	for _, l := range lanes {
		require.NoError(t, l.global.Close())
		require.NoError(t, l.global.Close())
	}
	return res
}

// checkSided runs a case in all ways, or in one that is drawn, and compares the sum of the changes after each epoch with what is
// wanted. late < 0: not compared.
func checkSided(t require.TestingT, rt *rapid.T, c *sidedCase, want func(epochs []sidedEpoch) bag, late int64) {
	runs := opRuns
	if rt != nil {
		i := rapid.IntRange(0, len(opRuns)-1).Draw(rt, "run")
		runs = opRuns[i : i+1]
	}
	for _, run := range runs {
		res := runSided(t, c, run)
		for e := range c.epochs {
			w := want(c.epochs[:e+1])
			require.Equal(t, w.String(), res.perEpoch[e].String(), "%s: after epoch %d", run.name, e+1)
		}
		if late >= 0 {
			require.Equal(t, late, res.late, "%s: late rows\n%s", run.name, res.rejected)
		}
	}
}

// sidesOf sums the rows of some epochs up: rows of each side with their weights, in the order in which they came first.
func sidesOf(epochs []sidedEpoch) (sides [2][]testRow) {
	at := [2]map[string]int{{}, {}}
	for _, e := range epochs {
		for _, r := range e.rows {
			key := fmt.Sprintf("%T%v", r.vals, r.vals)
			i, ok := at[r.in][key]
			if !ok {
				i = len(sides[r.in])
				at[r.in][key] = i
				sides[r.in] = append(sides[r.in], testRow{vals: r.vals})
			}
			sides[r.in][i].w += r.w
		}
	}
	for in := range sides {
		var live []testRow
		for _, r := range sides[in] {
			if r.w != 0 {
				live = append(live, r)
			}
		}
		sides[in] = live
	}
	return sides
}

// splitRow takes the text of a row apart.
func splitRow(row string) []string { return strings.Split(row, "|") }
