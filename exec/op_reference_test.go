package exec

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// compareValues orders Go values of one type as PostgreSQL does, NULLs last; exact breaks ties of equal values by their form.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	switch x := a.(type) {
	case bool:
		y := b.(bool)
		switch {
		case x == y:
			return 0
		case y:
			return -1
		}
		return 1
	case int64:
		return cmp.Compare(x, b.(int64))
	case float64:
		y := b.(float64)
		switch {
		case math.IsNaN(x) && math.IsNaN(y):
			return 0
		case math.IsNaN(x):
			return 1
		case math.IsNaN(y):
			return -1
		}
		return cmp.Compare(x, y)
	case string:
		return cmp.Compare(x, b.(string))
	case types.NumericValue:
		return x.Cmp(b.(types.NumericValue))
	case types.IntervalValue:
		return x.Cmp(b.(types.IntervalValue))
	}
	panic(fmt.Sprintf("no order of %T", a))
}

// refAggregate computes one aggregate over rows the slow way: nil is NULL. Rows with weights above one count as often.
func refAggregate(c planner.AggCall, in types.Schema, rows []testRow) any {
	agg := expr.LookupAggregate(c.Fn)
	type item struct {
		v    any
		sep  any
		sort []any
	}
	var items []item
	for _, r := range rows {
		if c.Filter >= 0 && r.vals[c.Filter] != true {
			continue
		}
		it := item{}
		if len(c.Args) > 0 {
			it.v = r.vals[c.Args[0]]
			keepNull := agg.Kind == expr.ArrayAgg || agg.Kind == expr.FirstValue || agg.Kind == expr.LastValue
			if it.v == nil && !keepNull {
				continue
			}
		}
		if len(c.Args) > 1 {
			it.sep = r.vals[c.Args[1]]
		}
		for _, k := range c.OrderBy {
			it.sort = append(it.sort, r.vals[k.Col])
		}
		for range r.w {
			items = append(items, it)
		}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		for i, k := range c.OrderBy {
			x, y := a.sort[i], b.sort[i]
			var o int
			switch {
			case x == nil || y == nil:
				o = compareValues(x, y)
				if k.NullsFirst {
					o = -o
				}
			case k.Desc:
				o = compareValues(y, x)
			default:
				o = compareValues(x, y)
			}
			if o != 0 {
				return o
			}
		}
		return cmp.Or(compareValues(a.v, b.v), cmp.Compare(fmt.Sprint(a.v), fmt.Sprint(b.v)), compareValues(a.sep, b.sep))
	})
	if c.Distinct {
		items = slices.CompactFunc(items, func(a, b item) bool { return compareValues(a.v, b.v) == 0 })
	}
	switch agg.Kind {
	case expr.CountStar, expr.Count:
		return int64(len(items))
	}
	if len(items) == 0 {
		return nil
	}
	first, last := items[0].v, items[len(items)-1].v
	switch agg.Kind {
	case expr.Min, expr.Max, expr.AnyValue:
		slices.SortStableFunc(items, func(a, b item) int { return compareValues(a.v, b.v) })
		if agg.Kind == expr.Max {
			return items[len(items)-1].v
		}
		return items[0].v
	case expr.FirstValue:
		return first
	case expr.LastValue:
		return last
	case expr.BoolAnd, expr.BoolOr:
		for _, it := range items {
			if it.v.(bool) == (agg.Kind == expr.BoolOr) {
				return agg.Kind == expr.BoolOr
			}
		}
		return agg.Kind == expr.BoolAnd
	case expr.StringAgg:
		text := ""
		for i, it := range items {
			if i > 0 && it.sep != nil {
				text += it.sep.(string)
			}
			text += it.v.(string)
		}
		return text
	case expr.ArrayAgg:
		var out []any
		for _, it := range items {
			out = append(out, it.v)
		}
		return out
	case expr.BitAnd, expr.BitOr, expr.BitXor:
		acc := first.(int64)
		for _, it := range items[1:] {
			switch agg.Kind {
			case expr.BitAnd:
				acc &= it.v.(int64)
			case expr.BitOr:
				acc |= it.v.(int64)
			default:
				acc ^= it.v.(int64)
			}
		}
		return acc
	case expr.Sum, expr.Avg:
		switch first.(type) {
		case int64, types.NumericValue:
			sum := types.NumericValue{}
			for _, it := range items {
				v, ok := it.v.(types.NumericValue)
				if !ok {
					v = types.NumericFromInt64(it.v.(int64))
				}
				var err error
				if sum, err = sum.Add(v); err != nil {
					panic(err)
				}
			}
			if agg.Kind == expr.Avg {
				sum, err := sum.Div(types.NumericFromInt64(int64(len(items))))
				if err != nil {
					panic(err)
				}
				return sum
			}
			if c.T.Kind == types.Int8 {
				v, err := sum.Int64()
				if err != nil {
					return err
				}
				return v
			}
			return sum
		case float64:
			sum := 0.0 // the tests' floats are small multiples of 1/4: exact
			for _, it := range items {
				sum += it.v.(float64)
			}
			if agg.Kind == expr.Avg {
				sum /= float64(len(items))
			}
			if c.T.Kind == types.Float4 {
				sum = float64(float32(sum))
			}
			return sum
		}
	case expr.StddevSamp, expr.StddevPop, expr.VarSamp, expr.VarPop:
		n := float64(len(items))
		sample := agg.Kind == expr.StddevSamp || agg.Kind == expr.VarSamp
		if sample && n == 1 {
			return nil
		}
		sum, squares := new(big.Rat), new(big.Rat)
		for _, it := range items {
			f := new(big.Rat).SetFloat64(it.v.(float64))
			sum.Add(sum, f)
			squares.Add(squares, f.Mul(f, f))
		}
		sum.Mul(sum, sum)
		v, _ := squares.Sub(squares, sum.Quo(sum, new(big.Rat).SetFloat64(n))).Float64()
		if sample {
			v /= n - 1
		} else {
			v /= n
		}
		if agg.Kind == expr.StddevSamp || agg.Kind == expr.StddevPop {
			v = math.Sqrt(v)
		}
		return v
	}
	panic("no reference for " + c.Fn)
}

// integrate sums weights of equal rows and returns those that are there, with their weights.
func integrate(in types.Schema, rows []testRow) []testRow {
	at := map[string]int{}
	var out []testRow
	for _, r := range rows {
		k := fmt.Sprint(r.vals...)
		if i, ok := at[k]; ok {
			out[i].w += r.w
			continue
		}
		at[k] = len(out)
		out = append(out, r)
	}
	return slices.DeleteFunc(out, func(r testRow) bool { return r.w == 0 })
}

// refGroups divides rows by the text of key columns.
func refGroups(in types.Schema, keys []int, rows []testRow) (names []string, groups map[string][]testRow) {
	groups = map[string][]testRow{}
	for _, r := range rows {
		k := ""
		for _, c := range keys {
			k += rowText(in[c:c+1], r.vals[c:c+1]) + "|"
		}
		groups[k] = append(groups[k], r)
	}
	return sortedKeys(groups), groups
}

// refRow computes the output row of one group; ok is false when an aggregate fails.
func refRow(n *planner.Node, lead []any, calls []planner.AggCall, rows []testRow) (string, bool) {
	vals := slices.Clone(lead)
	for _, c := range calls {
		v := refAggregate(c, n.Inputs[0].Schema, rows)
		if _, failed := v.(error); failed {
			return "", false
		}
		vals = append(vals, v)
	}
	return rowText(n.Schema, vals), true
}

// refWindows is a WindowAggregate over all rows at once: with a closed bound only windows that end at or before it.
func refWindows(n *planner.Node, op *planner.WindowAggregate, rows []testRow, closed func(end int64) bool) bag {
	in := n.Inputs[0].Schema
	out := bag{}
	type window struct {
		lead []any
		rows []testRow
	}
	all := map[string]*window{}
	for _, r := range integrate(in, rows) {
		at, ok := r.vals[op.Window.Time].(int64)
		if !ok {
			continue
		}
		for _, w := range windowsOf(op.Window, at) {
			if op.RowWatermark >= 0 {
				if wm, ok := r.vals[op.RowWatermark].(int64); ok && w[1]+op.Lateness <= wm {
					continue
				}
			}
			var lead []any
			for _, k := range op.Keys {
				lead = append(lead, r.vals[k])
			}
			lead = append(lead, w[0], w[1])
			name := rowText(n.Schema[:len(lead)], lead)
			if all[name] == nil {
				all[name] = &window{lead: lead}
			}
			all[name].rows = append(all[name].rows, r)
		}
	}
	for _, w := range all {
		if closed != nil && !closed(w.lead[len(w.lead)-1].(int64)) {
			continue
		}
		if text, ok := refRow(n, w.lead, op.Aggs, w.rows); ok {
			out.add(text, 1)
		}
	}
	return out
}

// refAggregateNode is an Aggregate over all rows at once.
func refAggregateNode(n *planner.Node, op *planner.Aggregate, rows []testRow) bag {
	in := n.Inputs[0].Schema
	rows = integrate(in, rows)
	out := bag{}
	if len(op.Keys) == 0 {
		if text, ok := refRow(n, nil, op.Aggs, rows); ok {
			out.add(text, 1)
		}
		return out
	}
	names, groups := refGroups(in, op.Keys, rows)
	for _, name := range names {
		g := groups[name]
		var lead []any
		for _, k := range op.Keys {
			lead = append(lead, g[0].vals[k])
		}
		if text, ok := refRow(n, lead, op.Aggs, g); ok {
			out.add(text, 1)
		}
	}
	return out
}

// callOf resolves an aggregate over input columns.
func callOf(in types.Schema, name string, args ...int) planner.AggCall {
	var ts []types.Type
	for _, a := range args {
		ts = append(ts, in[a].Type.Base())
	}
	agg, err := expr.ResolveAggregate(name, ts)
	if err != nil {
		panic(err)
	}
	return planner.AggCall{Fn: agg.ID, Args: args, Filter: -1, T: agg.Result}
}

// aggNode makes an Aggregate over in.
func aggNode(in *planner.Node, op *planner.Aggregate) *planner.Node {
	n := &planner.Node{Op: op, Inputs: []*planner.Node{in}}
	for _, k := range op.Keys {
		n.Schema = append(n.Schema, in.Schema[k])
	}
	for i, c := range op.Aggs {
		n.Schema = append(n.Schema, types.Field{Name: fmt.Sprintf("a%d", i), Type: c.T})
	}
	return n
}

// windowNode makes a WindowAggregate over in.
func windowNode(in *planner.Node, op *planner.WindowAggregate) *planner.Node {
	n := &planner.Node{Op: op, Inputs: []*planner.Node{in}}
	for _, k := range op.Keys {
		n.Schema = append(n.Schema, in.Schema[k])
	}
	t := types.TimestampType
	if op.Window.Time >= 0 {
		t = in.Schema[op.Window.Time].Type
	}
	n.Schema = append(n.Schema, types.Field{Name: "window_start", Type: t}, types.Field{Name: "window_end", Type: t})
	for i, c := range op.Aggs {
		n.Schema = append(n.Schema, types.Field{Name: fmt.Sprintf("a%d", i), Type: c.T})
	}
	return n
}

// refSessions assigns rows to sessions one after the other, as the rule says, and returns for each row that is not late its session's
// start and end. With changing input (no watermarks) only the integrated rows matter.
func refSessions(in types.Schema, keys []int, timeCol, wmCol int, gap, lateness int64, rows []testRow) (kept []testRow, bounds [][2]int64, late int64) {
	type session struct {
		start, last int64
		rows        []int
	}
	open := map[string][]*session{}
	if wmCol < 0 {
		rows = integrate(in, rows)
	}
	for _, r := range rows {
		at := r.vals[timeCol].(int64)
		wm := int64(math.MinInt64)
		if wmCol >= 0 {
			wm = r.vals[wmCol].(int64)
		}
		if at+gap <= subSat(wm, lateness) {
			late++
			continue
		}
		k := ""
		for _, c := range keys {
			k += rowText(in[c:c+1], r.vals[c:c+1]) + "|"
		}
		kept = append(kept, r)
		mine := &session{start: at, last: at, rows: []int{len(kept) - 1}}
		var rest []*session
		for _, s := range open[k] {
			if s.last+gap > subSat(wm, lateness) && at < s.last+gap && s.start < at+gap {
				mine.start, mine.last = min(mine.start, s.start), max(mine.last, s.last)
				mine.rows = append(mine.rows, s.rows...)
			} else {
				rest = append(rest, s)
			}
		}
		open[k] = append(rest, mine)
	}
	bounds = make([][2]int64, len(kept))
	for _, ss := range open {
		for _, s := range ss {
			for _, i := range s.rows {
				bounds[i] = [2]int64{s.start, s.last + gap}
			}
		}
	}
	return kept, bounds, late
}

// refSessionAggregate is a WindowAggregate over sessions.
func refSessionAggregate(n *planner.Node, op *planner.WindowAggregate, rows []testRow, closed func(end int64) bool) (bag, int64) {
	in := n.Inputs[0].Schema
	kept, bounds, late := refSessions(in, op.Keys, op.Window.Time, op.RowWatermark, op.Window.Size, op.Lateness, rows)
	groups := map[string][]testRow{}
	leads := map[string][]any{}
	for i, r := range kept {
		var lead []any
		for _, k := range op.Keys {
			lead = append(lead, r.vals[k])
		}
		lead = append(lead, bounds[i][0], bounds[i][1])
		name := rowText(n.Schema[:len(lead)], lead)
		groups[name] = append(groups[name], r)
		leads[name] = lead
	}
	out := bag{}
	for name, g := range groups {
		lead := leads[name]
		if closed != nil && !closed(lead[len(lead)-1].(int64)) {
			continue
		}
		if text, ok := refRow(n, lead, op.Aggs, g); ok {
			out.add(text, 1)
		}
	}
	return out, late
}

// refSessionExpand is a SessionExpand.
func refSessionExpand(n *planner.Node, op *planner.SessionExpand, rows []testRow, closed func(end int64) bool) bag {
	kept, bounds, _ := refSessions(n.Inputs[0].Schema, op.Partition, op.Window.Time, op.RowWatermark, op.Window.Size, op.Lateness, rows)
	out := bag{}
	for i, r := range kept {
		if closed == nil || closed(bounds[i][1]) {
			out.add(rowText(n.Schema, append(slices.Clone(r.vals), bounds[i][0], bounds[i][1], bounds[i][1]-1)), r.w)
		}
	}
	return out
}
