package exec

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// overInput is the input of the tests of Over: two partition columns, three that sort, arguments, and a time by which partitions close
// with the row's watermark.
var overInput = append(orderedInput[:len(orderedInput):len(orderedInput)], schemaOf("i", types.Int4Type, "b", types.BoolType, "m", types.Int4Type,
	"two", types.Int4Type)...)

const (
	overI   = 7
	overB   = 8
	overM   = 9
	overTwo = 10
)

func drawOverRow(rt *rapid.T) testRow {
	r := drawOrderedRow(rt)
	r.vals = append(r.vals, orNull(rt, rapid.Int64Range(-3, 9).Draw(rt, "i")), orNull(rt, rapid.Bool().Draw(rt, "b")),
		orNull(rt, rapid.Int64Range(-1, 2).Draw(rt, "m")), int64(2))
	return r
}

// refOverCall computes a call for row i of a partition.
func refOverCall(c *planner.OverCall, in types.Schema, order []planner.SortKey, rows []testRow, i int) any {
	peers := func(a, b int) bool { return refPeers(order, rows[a], rows[b]) }
	n := len(rows)
	first, last, dense := i, i, int64(0)
	for first > 0 && peers(first-1, i) {
		first--
	}
	for last+1 < n && peers(last+1, i) {
		last++
	}
	for j := 0; j <= i; j++ {
		if j == 0 || !peers(j-1, j) {
			dense++
		}
	}
	arg := func(k, row int) any { return rows[row].vals[c.Args[k]] }
	switch c.Fn {
	case "row_number":
		return int64(i + 1)
	case "rank":
		return int64(first + 1)
	case "dense_rank":
		return dense
	case "percent_rank":
		if n == 1 {
			return 0.0
		}
		return float64(first) / float64(n-1)
	case "cume_dist":
		return float64(last+1) / float64(n)
	case "ntile":
		tiles, ok := arg(0, 0).(int64)
		switch {
		case !ok:
			return nil
		case tiles <= 0:
			return types.Errorf(codeInvalidNtile, "argument of ntile must be greater than zero")
		}
		// As PostgreSQL counts: bucket sizes differ by one, the larger ones first.
		at := 0
		for t := int64(1); ; t++ {
			size := n / int(tiles)
			if t <= int64(n%int(tiles)) {
				size++
			}
			if at += size; i < at {
				return t
			}
		}
	case "lag", "lead":
		d := int64(1)
		if len(c.Args) > 1 {
			v, ok := arg(1, i).(int64)
			if !ok {
				return nil
			}
			d = v
		}
		if c.Fn == "lag" {
			d = -d
		}
		at := i
		if !c.IgnoreNulls || d == 0 {
			at += int(d)
		}
		for c.IgnoreNulls && d != 0 && at >= 0 && at < n {
			step := 1
			if d < 0 {
				step = -1
			}
			if at += step; at >= 0 && at < n && arg(0, at) != nil {
				d -= int64(step)
			}
		}
		if at >= 0 && at < n {
			return arg(0, at)
		}
		if len(c.Args) > 2 {
			return arg(2, i)
		}
		return nil
	}
	var frame []int
	for j := range n {
		if refInFrame(c, in, order, rows, i, j) {
			frame = append(frame, j)
		}
	}
	if c.IgnoreNulls {
		frame = slices.DeleteFunc(frame, func(j int) bool { return arg(0, j) == nil })
	}
	switch c.Fn {
	case "first_value", "last_value", "nth_value":
		k := int64(1)
		if c.Fn == "nth_value" {
			v, ok := arg(1, i).(int64)
			switch {
			case !ok:
				return nil
			case v <= 0:
				return types.Errorf(codeInvalidNthValue, "argument of nth_value must be greater than zero")
			}
			k = v
		}
		if int(k) > len(frame) {
			return nil
		}
		if c.Fn == "last_value" {
			return arg(0, frame[len(frame)-1])
		}
		return arg(0, frame[k-1])
	}
	// The rows' places decide the order in an aggregate that has one.
	call := planner.AggCall{Fn: c.Fn, Args: c.Args, Filter: c.Filter, T: c.T}
	if expr.LookupAggregate(c.Fn).Ordered {
		call.OrderBy = []planner.SortKey{{Col: len(in)}}
	}
	var agg []testRow
	for place, j := range frame {
		agg = append(agg, testRow{append(slices.Clone(rows[j].vals), int64(place)), 1})
	}
	return refAggregate(call, in, agg)
}

// refInFrame reports whether row j is in the frame of row i, as PostgreSQL's manual says.
func refInFrame(c *planner.OverCall, in types.Schema, order []planner.SortKey, rows []testRow, i, j int) bool {
	f := c.Frame
	peers := refPeers(order, rows[i], rows[j])
	group := func(k int) (g int) {
		for x := 1; x <= k; x++ {
			if !refPeers(order, rows[x-1], rows[x]) {
				g++
			}
		}
		return g
	}
	// beyond compares row j with a bound: below zero it lies before, above it lies behind.
	beyond := func(b planner.Bound) int {
		n := int64(0)
		if b.Offset != nil {
			n, _ = b.Offset.Value.(int64)
		}
		if b.Kind == planner.Preceding {
			n = -n
		}
		switch {
		case b.Kind == planner.UnboundedPreceding:
			return 1
		case b.Kind == planner.UnboundedFollowing:
			return -1
		case f.Mode == planner.FrameRows:
			return compareValues(int64(j), int64(i)+n)
		case f.Mode == planner.FrameGroups || b.Kind == planner.CurrentRow:
			return compareValues(int64(group(j)), int64(group(i))+n)
		}
		vi, vj := rows[i].vals[order[0].Col], rows[j].vals[order[0].Col]
		if vi == nil || vj == nil {
			return compareValues(int64(group(j)), int64(group(i))) // NULLs are in the frame of NULLs only
		}
		plus := (b.Kind == planner.Following) != order[0].Desc
		var sum any
		var err error
		switch v := vi.(type) {
		case int64:
			d, isInt := b.Offset.Value.(int64)
			switch {
			case isInt && plus:
				sum = v + d
			case isInt:
				sum = v - d
			case plus:
				sum, err = types.AddInterval(v, b.Offset.Value.(types.IntervalValue))
			default:
				sum, err = types.SubInterval(v, b.Offset.Value.(types.IntervalValue))
			}
		case float64:
			if sum = v + b.Offset.Value.(float64); !plus {
				sum = v - b.Offset.Value.(float64)
			}
		case types.NumericValue:
			if sum, err = v.Add(b.Offset.Value.(types.NumericValue)); !plus {
				sum, err = v.Sub(b.Offset.Value.(types.NumericValue))
			}
		}
		if err != nil {
			panic(err)
		}
		if order[0].Desc {
			return compareValues(sum, vj)
		}
		return compareValues(vj, sum)
	}
	if beyond(f.Start) < 0 || beyond(f.End) > 0 {
		return false
	}
	switch f.Exclude {
	case planner.ExcludeCurrentRow:
		return i != j
	case planner.ExcludeGroup:
		return !peers
	case planner.ExcludeTies:
		return i == j || !peers
	}
	return true
}

// refOver is an Over over all rows at once.
func refOver(n *planner.Node, op *planner.Over, rows []testRow) (out, rejected bag) {
	out, rejected = bag{}, bag{}
	in := n.Inputs[0].Schema
	for _, p := range refPartitions(in, op.Partition, op.Order, rows) {
		for i, r := range p.rows {
			vals := slices.Clone(r.vals)
			var failed error
			for k := range op.Calls {
				v := refOverCall(&op.Calls[k], in, op.Order, p.rows, i)
				if err, ok := v.(error); ok && failed == nil {
					failed = err
				}
				vals = append(vals, v)
			}
			if failed != nil {
				rejected.add("error: "+failed.(*types.Error).Msg, 1)
				continue
			}
			out.add(rowText(n.Schema, vals), 1)
		}
	}
	return out, rejected
}

func overNode(in *planner.Node, op *planner.Over) *planner.Node {
	n := &planner.Node{Op: op, Inputs: []*planner.Node{in}, Schema: slices.Clone(in.Schema), Props: planner.Props{RowWatermark: -1}}
	for i, c := range op.Calls {
		n.Schema = append(n.Schema, types.Field{Name: fmt.Sprintf("w%d", i), Type: c.T})
	}
	return n
}

// overFn makes a call of a window function.
func overFn(in types.Schema, fn string, args ...int) planner.OverCall {
	c := planner.OverCall{Fn: fn, Args: args, Filter: -1, Frame: planner.Frame{Start: planner.Bound{Kind: planner.UnboundedPreceding},
		End: planner.Bound{Kind: planner.CurrentRow}}}
	switch fn {
	case "row_number", "rank", "dense_rank":
		c.T = types.Int8Type
	case "percent_rank", "cume_dist":
		c.T = types.Float8Type
	case "ntile":
		c.T = types.Int4Type
	case "lag", "lead", "first_value", "last_value", "nth_value":
		c.T = in[args[0]].Type
	default:
		a := callOf(in, fn, args...)
		c.Fn, c.T = a.Fn, a.T
	}
	return c
}

// overCalls are the calls of the tests; those after the first ones have a frame.
func overCalls() (calls []planner.OverCall, framed int) {
	f := func(fn string, args ...int) { calls = append(calls, overFn(overInput, fn, args...)) }
	f("row_number")
	f("rank")
	f("dense_rank")
	f("percent_rank")
	f("cume_dist")
	f("ntile", overTwo)
	f("ntile", overM)
	f("lag", 4)
	f("lead", overI)
	f("lag", overI, overTwo)
	f("lead", overI, overM, 0)
	f("lag", 4, overTwo, 4)
	for _, fn := range []string{"lag", "lead"} {
		f(fn, overI)
		calls[len(calls)-1].IgnoreNulls = true
	}
	framed = len(calls)
	for _, fn := range []string{"first_value", "last_value"} {
		f(fn, 4)
		f(fn, overI)
		calls[len(calls)-1].IgnoreNulls = true
	}
	f("nth_value", 4, overTwo)
	f("nth_value", overI, overM)
	f("count")
	f("count", overI)
	f("sum", overI)
	calls[len(calls)-1].Filter = overB
	f("sum", overI)
	f("sum", 2)
	f("avg", overI)
	f("min", overI)
	f("max", 2)
	f("min", 4)
	f("max", 4)
	calls[len(calls)-1].Filter = overB
	f("bool_or", overB)
	f("bit_or", overI)
	f("string_agg", 4, 4)
	f("array_agg", overI)
	return calls, framed
}

var overNullsCalls, overFramed = overCalls()

func drawFrame(rt *rapid.T, order []planner.SortKey) planner.Frame {
	f := planner.Frame{Mode: rapid.SampledFrom([]planner.FrameMode{planner.FrameRange, planner.FrameRows, planner.FrameGroups}).Draw(rt, "mode")}
	if f.Mode == planner.FrameGroups && len(order) == 0 {
		f.Mode = planner.FrameRows
	}
	offsets := f.Mode != planner.FrameRange || len(order) == 1 && (order[0].Col == 2 || order[0].Col == 3 || order[0].Col == overI)
	bound := func(name string, least planner.BoundKind, most planner.BoundKind) planner.Bound {
		b := planner.Bound{Kind: planner.BoundKind(rapid.IntRange(int(least), int(most)).Draw(rt, name))}
		if b.Kind != planner.Preceding && b.Kind != planner.Following {
			return b
		}
		if !offsets {
			return planner.Bound{Kind: planner.CurrentRow}
		}
		n := rapid.Int64Range(0, 3).Draw(rt, name+" offset")
		b.Offset = &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: n}
		if f.Mode == planner.FrameRange {
			switch overInput[order[0].Col].Type.Kind {
			case types.Numeric:
				b.Offset = &expr.Literal{Base: expr.Base{T: types.NumericType}, Value: types.NumericFromInt64(n)}
			case types.Float8:
				b.Offset = &expr.Literal{Base: expr.Base{T: types.Float8Type}, Value: float64(n)}
			}
		}
		return b
	}
	f.Start = bound("start", planner.UnboundedPreceding, planner.Following)
	f.End = bound("end", max(f.Start.Kind, planner.Preceding), planner.UnboundedFollowing)
	if f.Start.Kind == f.End.Kind && f.Start.Offset != nil && f.End.Offset != nil { // the start is not behind the end
		f.End.Offset = f.Start.Offset
	}
	f.Exclude = rapid.SampledFrom([]planner.FrameExclusion{planner.ExcludeNoOthers, planner.ExcludeNoOthers, planner.ExcludeCurrentRow, planner.ExcludeGroup,
		planner.ExcludeTies}).Draw(rt, "exclude")
	return f
}

// checkOver runs a case in one way and compares output and rejected rows.
func checkOver(rt *rapid.T, c *opCase, want func(epochs []testEpoch) (out, rejected bag), late int64) {
	run := opRuns[rapid.IntRange(0, len(opRuns)-1).Draw(rt, "run")]
	res := runOp(rt, c, run)
	var rejected bag
	for e := range c.epochs {
		var w bag
		w, rejected = want(c.epochs[:e+1])
		require.Equal(rt, w.String(), res.perEpoch[e].String(), "%s: after epoch %d", run.name, e+1)
	}
	require.Equal(rt, late, res.late)
	for k := range res.rejected {
		if k[:5] == "late:" {
			delete(res.rejected, k)
		}
	}
	require.Equal(rt, rejected.String(), res.rejected.String(), run.name)
}

func TestOverAgainstReference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		changing := rapid.Bool().Draw(rt, "changing")
		op := &planner.Over{Partition: rapid.SampledFrom([][]int{{0, 1}, {1}, {}, {1}}).Draw(rt, "partition"), Order: drawSort(rt), Closing: noClosing}
		if rapid.IntRange(0, 3).Draw(rt, "by integer") == 0 {
			op.Order = []planner.SortKey{{Col: overI, Desc: rapid.Bool().Draw(rt, "desc")}}
		}
		for range rapid.IntRange(1, 3).Draw(rt, "calls") {
			i := rapid.IntRange(0, len(overNullsCalls)-1).Draw(rt, "call")
			c := overNullsCalls[i]
			if i >= overFramed {
				c.Frame = drawFrame(rt, op.Order)
			}
			op.Calls = append(op.Calls, c)
		}
		// The constant column is seen to be one behind a projection.
		in := inputNode(overInput, !changing)
		if rapid.Bool().Draw(rt, "constant") {
			p := &planner.Project{}
			for i := range overInput {
				p.Exprs = append(p.Exprs, colExpr(overInput, i))
			}
			p.Exprs[overTwo] = &expr.Literal{Base: expr.Base{T: types.Int4Type}, Value: int64(2)}
			in = &planner.Node{Op: p, Inputs: []*planner.Node{in}, Schema: overInput, Props: in.Props}
		}
		c := &opCase{node: overNode(in, op), epochs: drawChanges(rt, changing, drawOverRow)}
		checkOver(rt, c, func(epochs []testEpoch) (bag, bag) { return refOver(c.node, op, allRows(epochs)) }, 0)
	})
}

// Partitions that the watermark has passed leave once, or stay as they are, and their state is dropped; late rows change nothing.
func TestOverCloses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		op := &planner.Over{Partition: []int{0, 5}, Order: []planner.SortKey{{Col: 2, Desc: true}}, Calls: []planner.OverCall{
			overFn(orderedInput, "rank"), overFn(orderedInput, "sum", 2), overFn(orderedInput, "lead", 4)}}
		c, kept, late := drawClosing(rt, &op.Closing)
		c.node = overNode(inputNode(orderedInput, true), op)
		checkOver(rt, c, func(epochs []testEpoch) (bag, bag) { return refOver(c.node, op, closedRows(&op.Closing, epochs, kept)) }, late)
	})
}
