package exec

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// orderedInput is the input of the tests of operators that order rows: two partition columns, three that sort, all of which have
// equal values of different form, and a time by which partitions close, with the row's watermark.
var orderedInput = schemaOf("k", types.Int4Type, "p", types.NumericType, "o", types.NumericType, "f", types.Float8Type, "s", types.TextType,
	"ts", types.TimestampType, "wm", types.TimestampType)

func numericOf(text string) types.NumericValue {
	v, err := types.ParseNumeric(text)
	if err != nil {
		panic(err)
	}
	return v
}

func drawOrderedRow(rt *rapid.T) testRow {
	r := ins(
		orNull(rt, int64(rapid.IntRange(0, 1).Draw(rt, "k"))),
		numericOf(rapid.SampledFrom([]string{"1", "1", "1", "1.0", "2"}).Draw(rt, "p")),
		orNull(rt, numericOf(rapid.SampledFrom([]string{"1", "1.0", "1.00", "2.5", "2.50", "-3", "4", "5", "6"}).Draw(rt, "o"))),
		orNull(rt, rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.NaN()}).Draw(rt, "f")),
		orNull(rt, rapid.SampledFrom([]string{"", "a", "b", "a\x00"}).Draw(rt, "s")),
		int64(1), nil)
	return r
}

// drawChanges draws epochs whose rows come and go, within an epoch in any order.
func drawChanges(rt *rapid.T, changing bool, row func(rt *rapid.T) testRow) []testEpoch {
	var live []testRow
	var out []testEpoch
	for e := range rapid.IntRange(1, 5).Draw(rt, "epochs") {
		ep := testEpoch{clock: int64(e) * second, wm: changelog.MinWatermark}
		for range rapid.IntRange(0, 12).Draw(rt, "rows") {
			if changing && len(live) > 0 && rapid.IntRange(0, 2).Draw(rt, "del") == 0 {
				i := rapid.IntRange(0, len(live)-1).Draw(rt, "at")
				ep.rows = append(ep.rows, testRow{live[i].vals, -1})
				live = append(live[:i:i], live[i+1:]...)
				continue
			}
			r := row(rt)
			if len(live) > 0 && rapid.IntRange(0, 4).Draw(rt, "again") == 0 {
				r = live[rapid.IntRange(0, len(live)-1).Draw(rt, "which")]
			}
			ep.rows = append(ep.rows, r)
			live = append(live, r)
		}
		if changing {
			ep.rows = rapid.Permutation(ep.rows).Draw(rt, "order")
		}
		out = append(out, ep)
	}
	return out
}

// refPartition is the rows of a partition in order, each copy apart.
type refPartition struct{ rows []testRow }

// refPartitions divides rows and sorts them; ties are decided by the encoded rows.
func refPartitions(in types.Schema, partition []int, order []planner.SortKey, rows []testRow) []refPartition {
	rows = integrate(in, rows)
	var ts, pts, ots []types.Type
	var exact, sorted []changelog.Order
	for _, f := range in {
		ts, exact = append(ts, f.Type), append(exact, changelog.Order{Exact: true})
	}
	for _, c := range partition {
		pts = append(pts, in[c].Type)
	}
	for _, k := range order {
		ots, sorted = append(ots, in[k.Col].Type), append(sorted, changelog.Order{Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	if len(rows) == 0 {
		return nil
	}
	b := makeBatch(panicker{}, in, rows, false)
	whole, part, ord := changelog.NewEncoder(ts, exact), changelog.NewEncoder(pts, nil), changelog.NewEncoder(ots, sorted)
	whole.Reset(b.Cols)
	part.Reset(takeColumns(b, partition))
	var sortCols []int
	for _, k := range order {
		sortCols = append(sortCols, k.Col)
	}
	ord.Reset(takeColumns(b, sortCols))
	type entry struct {
		part, key []byte
		row       testRow
	}
	var all []entry
	for i, r := range rows {
		e := entry{part: part.Append(nil, i), row: testRow{r.vals, 1}}
		e.key = whole.Append(ord.Append(nil, i), i)
		for range r.w {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int {
		if c := bytes.Compare(a.part, b.part); c != 0 {
			return c
		}
		return bytes.Compare(a.key, b.key)
	})
	var out []refPartition
	for i, e := range all {
		if i == 0 || !bytes.Equal(e.part, all[i-1].part) {
			out = append(out, refPartition{})
		}
		p := &out[len(out)-1]
		p.rows = append(p.rows, e.row)
	}
	return out
}

// takeColumns are some columns of a batch.
func takeColumns(b *changelog.Batch, cols []int) (out []arrow.Array) {
	for _, c := range cols {
		out = append(out, b.Cols[c])
	}
	return out
}

// panicker fails by a panic, where a test has no place for an error.
type panicker struct{}

func (panicker) Errorf(format string, args ...any) { panic(format) }
func (panicker) FailNow()                          { panic("failed") }

// refPeers reports whether two rows sort equal.
func refPeers(order []planner.SortKey, a, b testRow) bool {
	for _, k := range order {
		if compareValues(a.vals[k.Col], b.vals[k.Col]) != 0 {
			return false
		}
	}
	return true
}

// refTopN is a TopN over all rows at once.
func refTopN(n *planner.Node, op *planner.TopN, rows []testRow) bag {
	out := bag{}
	for _, p := range refPartitions(n.Inputs[0].Schema, op.Partition, op.Order, rows) {
		rank, dense := int64(0), int64(0)
		for i, r := range p.rows {
			if i == 0 || !refPeers(op.Order, p.rows[i-1], r) {
				rank, dense = int64(i+1), dense+1
			}
			number, at := int64(i+1), int64(i+1)
			switch op.Rank {
			case planner.ByRank:
				number = rank
			case planner.ByDenseRank:
				number = dense
			}
			if at <= op.Offset || op.Limit >= 0 && number > op.Offset+op.Limit {
				continue
			}
			vals := slices.Clone(r.vals)
			if op.Number {
				vals = append(vals, number)
			}
			out.add(rowText(n.Schema, vals), 1)
		}
	}
	return out
}

func topNode(in *planner.Node, op *planner.TopN) *planner.Node {
	n := &planner.Node{Op: op, Inputs: []*planner.Node{in}, Schema: slices.Clone(in.Schema), Props: planner.Props{RowWatermark: -1}}
	if op.Number {
		n.Schema = append(n.Schema, types.Field{Name: "number", Type: types.Int8Type})
	}
	return n
}

var noClosing = planner.Closing{Close: -1, RowWatermark: -1}

func drawSort(rt *rapid.T) []planner.SortKey {
	var out []planner.SortKey
	for _, c := range rapid.SampledFrom([][]int{{2}, {2, 3}, {3}, {4, 2}, {}}).Draw(rt, "order by") {
		out = append(out, planner.SortKey{Col: c, Desc: rapid.Bool().Draw(rt, "desc"), NullsFirst: rapid.Bool().Draw(rt, "nulls first")})
	}
	return out
}

func TestTopNAgainstReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		changing := rapid.Bool().Draw(rt, "changing")
		op := &planner.TopN{
			Partition: rapid.SampledFrom([][]int{{0, 1}, {1}, {}, {4}}).Draw(rt, "partition"),
			Order:     drawSort(rt),
			Limit:     rapid.SampledFrom([]int64{0, 1, 1, 2, 3, 5, -1}).Draw(rt, "limit"),
			Offset:    rapid.SampledFrom([]int64{0, 0, 0, 1, 2}).Draw(rt, "offset"),
			Rank:      rapid.SampledFrom([]planner.RankKind{planner.ByRowNumber, planner.ByRank, planner.ByDenseRank}).Draw(rt, "rank"),
			Number:    rapid.Bool().Draw(rt, "number"),
			Closing:   noClosing,
		}
		if op.Rank == planner.ByDenseRank {
			op.Offset = 0
		}
		c := &opCase{node: topNode(inputNode(orderedInput, !changing), op), epochs: drawChanges(rt, changing, drawOrderedRow)}
		checkRuns(t, rt, c, func(epochs []testEpoch) bag { return refTopN(c.node, op, allRows(epochs)) }, 0)
	})
}

// Partitions that the watermark has passed leave once, or stay as they are, and their state is dropped; late rows change nothing.
func TestTopNCloses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.TopN{
			Partition: []int{0, 5}, Order: []planner.SortKey{{Col: 2, Desc: true}}, Limit: 2,
			Rank:   rapid.SampledFrom([]planner.RankKind{planner.ByRowNumber, planner.ByRank, planner.ByDenseRank}).Draw(rt, "rank"),
			Number: rapid.Bool().Draw(rt, "number"),
		}
		c, kept, late := drawClosing(rt, &op.Closing)
		c.node = topNode(inputNode(orderedInput, true), op)
		checkRuns(t, rt, c, func(epochs []testEpoch) bag {
			return refTopN(c.node, op, closedRows(&op.Closing, epochs, kept))
		}, late)
	})
}

// drawClosing draws a closing by column ts and rows for it. kept are the rows in order, those that are late of weight 0.
func drawClosing(rt *rapid.T, closing *planner.Closing) (c *opCase, kept []testRow, late int64) {
	*closing = planner.Closing{Close: 5, CloseLag: rapid.SampledFrom([]int64{0, 2 * second, -1}).Draw(rt, "lag"),
		Emit: rapid.SampledFrom([]planner.Emission{planner.EmitChanges, planner.EmitOnClose}).Draw(rt, "emit"), RowWatermark: 6}
	c = &opCase{}
	wm := int64(-1000 * second)
	for e := range rapid.IntRange(1, 5).Draw(rt, "epochs") {
		ep := testEpoch{clock: int64(e)}
		for range rapid.IntRange(0, 8).Draw(rt, "rows") {
			r := drawOrderedRow(rt)
			at := rapid.Int64Range(-6, 6).Draw(rt, "ts") * second
			r.vals[5], r.vals[6] = orNull(rt, at), wm
			ep.rows = append(ep.rows, r)
			if r.vals[5] != nil && at <= wm-closing.CloseLag {
				late++
				r.w = 0
			}
			kept = append(kept, r)
			wm = max(wm, at-3*second)
		}
		ep.wm = changelog.Watermark(wm)
		c.epochs = append(c.epochs, ep)
	}
	if rapid.Bool().Draw(rt, "ends") {
		c.epochs = append(c.epochs, testEpoch{wm: changelog.MaxWatermark})
	}
	return c, kept, late
}

// closedRows are the rows that count after some epochs: with EMIT ON WINDOW CLOSE those of closed partitions.
func closedRows(closing *planner.Closing, epochs []testEpoch, kept []testRow) (rows []testRow) {
	limit := lessLateness(lastOf(epochs).wm, closing.CloseLag)
	for _, r := range kept[:len(allRows(epochs))] {
		end, ok := r.vals[closing.Close].(int64)
		if r.w != 0 && (closing.Emit == planner.EmitChanges || ok && end <= limit || !ok && limit == math.MaxInt64) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Rows that are their partition are the first of it once.
func TestTopNOfWholeRows(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "s", types.TextType)
	op := &planner.TopN{Partition: []int{0, 1}, Limit: 1, Closing: noClosing}
	c := &opCase{node: topNode(inputNode(in, true), op), epochs: []testEpoch{{rows: []testRow{ins(int64(1), "a"), ins(int64(1), "a")}},
		{rows: []testRow{ins(int64(1), "a"), ins(int64(1), "b")}}}}
	checkRuns(t, nil, c, func(epochs []testEpoch) bag { return refTopN(c.node, op, allRows(epochs)) }, 0)
}

// Of an append-only input only the rows that are among the first are kept, however many come.
func TestTopNStateIsBounded(t *testing.T) {
	in := schemaOf("k", types.Int4Type, "v", types.Int8Type)
	op := &planner.TopN{Partition: []int{0}, Order: []planner.SortKey{{Col: 1, Desc: true}}, Limit: 3, Closing: noClosing}
	o, err := NewOperator(topNode(inputNode(in, true), op), &Env{})
	require.NoError(t, err)
	tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
	out := bag{}
	emit := func(b *changelog.Batch) { out.addBatch(t, in, b) }
	ctx := &Context{Watermark: changelog.MinWatermark}
	for e := range int64(4) {
		var rows []testRow
		for i := range int64(50_000) {
			rows = append(rows, ins(i%2, e*1000+i%1999))
		}
		require.NoError(t, o.Process(ctx, 0, makeBatch(t, in, rows, false), emit))
		require.Less(t, len(o.(*topN).set.list), 2*manyChanges)
		_, err = o.EndEpoch(ctx, emit)
		require.NoError(t, err)
		require.Equal(t, 2, tables.live["rows"].Len(), "epoch %d", e)
	}
	require.Equal(t, int64(3), out["0|4998"])
	require.Len(t, out, 2)
}
