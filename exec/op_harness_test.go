package exec

import (
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// testRow is a row of Go values (types.ValueAt) with a weight.
type testRow struct {
	vals []any
	w    int64
}

func ins(vals ...any) testRow { return testRow{vals, 1} }
func del(vals ...any) testRow { return testRow{vals, -1} }

// testEpoch is one epoch: rows, then the clock and the watermark at its end.
type testEpoch struct {
	rows  []testRow
	clock int64
	wm    changelog.Watermark
}

// opCase is an operator with its input.
type opCase struct {
	node   *planner.Node
	epochs []testEpoch
}

// opRun says how a case is run.
type opRun struct {
	name    string
	batch   int  // rows a batch
	workers int  // 0: NewOperator without an exchange
	restart bool // from state after each epoch
	sparse  bool // batches hold rows that are not selected
}

var opRuns = []opRun{
	{name: "full", batch: 1 << 20},
	{name: "one row", batch: 1},
	{name: "odd", batch: 7, sparse: true},
	{name: "restart", batch: 3, restart: true},
	{name: "3 workers", batch: 5, workers: 3},
	{name: "3 workers restart", batch: 64, workers: 3, restart: true, sparse: true},
}

func schemaOf(fields ...any) types.Schema {
	var s types.Schema
	for i := 0; i < len(fields); i += 2 {
		s = append(s, types.Field{Name: fields[i].(string), Type: fields[i+1].(types.Type)})
	}
	return s
}

// makeBatch builds a batch; sparse adds rows that are not selected.
func makeBatch(t require.TestingT, s types.Schema, rows []testRow, sparse bool) *changelog.Batch {
	b := &changelog.Batch{}
	var all []testRow
	weighted := false
	for i, r := range rows {
		if sparse {
			junk := testRow{vals: make([]any, len(s)), w: 1}
			if i > 0 {
				junk.vals = rows[i-1].vals
			}
			all = append(all, junk)
			b.Sel = append(b.Sel, uint32(len(all)))
		}
		all = append(all, r)
		weighted = weighted || r.w != 1
	}
	b.N = len(all)
	if weighted {
		for _, r := range all {
			b.Weights = append(b.Weights, r.w)
		}
	}
	for c, f := range s {
		builder := types.NewBuilder(f.Type)
		for _, r := range all {
			require.NoError(t, types.AppendValue(builder, f.Type, r.vals[c]))
		}
		b.Cols = append(b.Cols, builder.NewArray())
	}
	return b
}

// bag is a multiset of rows as text.
type bag map[string]int64

func (b bag) add(row string, w int64) {
	if b[row] += w; b[row] == 0 {
		delete(b, row)
	}
}

func (b bag) String() string {
	var lines []string
	for r, w := range b {
		lines = append(lines, fmt.Sprintf("%+d %s", w, r))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func textOf(t types.Type, v any) string {
	if v == nil {
		return "NULL"
	}
	return string(types.AppendValueText(nil, t, v))
}

// rowText prints a row. Key columns, which are named "n" in the tests' input, print their shortest form: of several equal
// values any may stand for the group.
func rowText(s types.Schema, vals []any) string {
	parts := make([]string, len(s))
	for i, f := range s {
		v := vals[i]
		if n, ok := v.(types.NumericValue); ok && f.Name == "n" {
			v = n.Normalize()
		}
		parts[i] = textOf(f.Type, v)
	}
	return strings.Join(parts, "|")
}

func (b bag) addBatch(t require.TestingT, s types.Schema, in *changelog.Batch) {
	require.Len(t, in.Cols, len(s))
	for i, c := range in.Cols {
		require.Equal(t, in.N, c.Len())
		require.True(t, arrow.TypeEqual(s[i].Type.Arrow(), c.DataType()), "column %s is %s", s[i].Name, c.DataType())
	}
	in.Each(func(row int) {
		vals := make([]any, len(s))
		for i, f := range s {
			vals[i] = types.ValueAt(f.Type, in.Cols[i], row)
		}
		b.add(rowText(s, vals), in.Weight(row))
	})
}

type stateTable = state.Table

// testTables keeps the logged deltas of an operator's tables, shared by its workers.
type testTables struct {
	logs map[string][]arrow.Record
}

// workerTables are the live tables of one worker.
type workerTables struct {
	of      *testTables
	worker  int
	workers int
	live    map[string]stateTable
}

func ownerOf(hash uint64, workers int) int {
	hi, _ := bits.Mul64(hash, uint64(workers))
	return int(hi)
}

func (w *workerTables) load(name string, t state.Table) error {
	w.live[name] = t
	for _, rec := range w.of.logs[name] {
		if err := t.Apply(rec, func(h uint64) bool { return ownerOf(h, w.workers) == w.worker }); err != nil {
			return err
		}
	}
	return nil
}

func (w *workerTables) Hash(name string, spec state.Spec) (*state.Hash, error) {
	t := state.NewHash(spec)
	return t, w.load(name, t)
}

func (w *workerTables) Windowed(name string, spec state.Spec) (*state.Windowed, error) {
	t := state.NewWindowed(spec)
	return t, w.load(name, t)
}

func (w *workerTables) Ordered(name string, spec state.Spec) (*state.Ordered, error) {
	t := state.NewOrdered(spec)
	return t, w.load(name, t)
}

func (w *workerTables) Multi(name string, spec state.MultiSpec) (*state.Multi, error) {
	t := state.NewMulti(spec)
	return t, w.load(name, t)
}

// collect takes the deltas of all workers; ranges go before rows, as in a record.
func (tt *testTables) collect(workers []*workerTables) {
	names := map[string]bool{}
	for _, w := range workers {
		for name := range w.live {
			names[name] = true
		}
	}
	for name := range names {
		for _, w := range workers {
			if t, ok := w.live[name]; ok {
				if d := t.Delta(); d.Rows != nil {
					tt.logs[name] = append(tt.logs[name], d.Rows)
				}
			}
		}
	}
}

// opResult is what an operator put out.
type opResult struct {
	sum      bag   // of all epochs
	perEpoch []bag // sum after each epoch
	rejected bag   // reason and error, with weights
	late     int64
}

// lane is one worker of a run.
type opLane struct {
	local  LocalOp
	global Operator
	tables *workerTables
}

func runOp(t require.TestingT, c *opCase, run opRun) *opResult {
	res := &opResult{sum: bag{}, rejected: bag{}}
	tt := &testTables{logs: map[string][]arrow.Record{}}
	n := max(run.workers, 1)
	var lanes []*opLane
	var dist Distribution
	var partial types.Schema
	var restored changelog.Watermark
	open := func(workers int) {
		lanes = nil
		for w := range workers {
			low, err := Lower(c.node, &Env{BatchRows: 1000})
			require.NoError(t, err)
			l := &opLane{local: low.Local, global: low.Global, tables: &workerTables{of: tt, worker: w, workers: workers, live: map[string]stateTable{}}}
			if run.workers == 0 {
				l.local, l.global = nil, Join(low)
			}
			dist, partial = low.Dists[0], low.Partial
			if low.Local == nil {
				partial = c.node.Inputs[0].Schema
			}
			require.NoError(t, l.global.Open(&OpenContext{Worker: w, Workers: workers, Tables: l.tables, Watermark: restored}))
			lanes = append(lanes, l)
		}
	}
	restored = changelog.MinWatermark
	open(n)
	in := c.node.Inputs[0].Schema
	emit := func(b *changelog.Batch) {
		require.Positive(t, b.Rows())
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
			return nil
		}
		// spread hands partial rows to their owners.
		spread := func(b *changelog.Batch) {
			to := make([][]uint32, n)
			var hashes []uint64
			if dist.Kind == ByHash {
				var cols []arrow.Array
				var ts []types.Type
				for _, k := range dist.Cols {
					cols, ts = append(cols, b.Cols[k]), append(ts, partial[k].Type)
				}
				hashes = make([]uint64, b.Rows())
				changelog.Hash(cols, ts, b.N, b.Sel, hashes)
			}
			i := 0
			b.Each(func(row int) {
				o := 0
				if hashes != nil {
					o = ownerOf(hashes[i], n)
				}
				to[o] = append(to[o], uint32(row))
				i++
			})
			for o, sel := range to {
				if len(sel) > 0 {
					require.NoError(t, lanes[o].global.Process(ctx, 0, changelog.Take(b, sel), emit))
				}
			}
		}
		for at, k := 0, 0; at < len(ep.rows); at, k = at+run.batch, k+1 {
			b := makeBatch(t, in, ep.rows[at:min(len(ep.rows), at+run.batch)], run.sparse)
			l := lanes[k%n]
			switch {
			case run.workers == 0:
				require.NoError(t, l.global.Process(ctx, 0, b, emit))
			case l.local != nil:
				require.NoError(t, l.local.Process(ctx, b, spread))
			default:
				spread(b)
			}
		}
		ctx.Watermark = ep.wm
		for _, l := range lanes {
			if l.local != nil {
				require.NoError(t, l.local.Flush(ctx, spread))
			}
		}
		for _, l := range lanes {
			wm, err := l.global.EndEpoch(ctx, emit)
			require.NoError(t, err)
			require.LessOrEqual(t, wm, ep.wm)
			restored = wm
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
				n = 1 + (e+run.workers)%4 // any number of workers opens any state
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

// checkRuns runs a case in all ways, or in one that is drawn, and compares the sum of the changes with what is wanted after
// each epoch. late < 0: not compared.
func checkRuns(t *testing.T, rt *rapid.T, c *opCase, want func(epochs []testEpoch) bag, late int64) {
	t.Helper()
	runs := opRuns
	var tt require.TestingT = t
	if rt != nil {
		tt = rt
		i := rapid.IntRange(0, len(opRuns)-1).Draw(rt, "run")
		runs = opRuns[i : i+1]
	}
	for _, run := range runs {
		res := runOp(tt, c, run)
		for e := range c.epochs {
			w := want(c.epochs[:e+1])
			require.Equal(tt, w.String(), res.perEpoch[e].String(), "%s: after epoch %d", run.name, e+1)
		}
		if late >= 0 {
			require.Equal(tt, late, res.late, "%s: late rows\n%s", run.name, res.rejected)
		}
	}
}

// inputNode is a node that stands for the input.
func inputNode(s types.Schema, appendOnly bool) *planner.Node {
	return &planner.Node{Op: &planner.ViewScan{}, Schema: s, Props: planner.Props{AppendOnly: appendOnly, RowWatermark: -1}}
}

// allRows are the rows of some epochs.
func allRows(epochs []testEpoch) (out []testRow) {
	for _, e := range epochs {
		out = append(out, e.rows...)
	}
	return out
}

// lastOf returns the last epoch.
func lastOf(epochs []testEpoch) testEpoch { return epochs[len(epochs)-1] }

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
