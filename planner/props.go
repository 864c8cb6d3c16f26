package planner

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// withProps returns the plan with the properties of every node derived.
func (r *rewriter) withProps(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		c := *n
		c.Props = r.derive(n)
		return &c
	})
}

// props derives the properties of a node whose inputs may not have theirs yet.
func (r *rewriter) props(n *Node) Props { return r.withProps(n).Props }

// lag returns the lag of a column behind the watermark.
func (r *rewriter) lag(n *Node, col int) (int64, bool) { return r.props(n).lag(col) }

func (p Props) lag(col int) (int64, bool) {
	for _, w := range p.Watermarks {
		if w.Col == col {
			return w.Lag, true
		}
	}
	return 0, false
}

// HasKey reports whether some known unique key is within the columns.
func (p Props) HasKey(cols []int) bool {
	return slices.ContainsFunc(p.Keys, func(k []int) bool {
		return !slices.ContainsFunc(k, func(c int) bool { return !slices.Contains(cols, c) })
	})
}

// derive computes the properties of n from those of its inputs.
func (r *rewriter) derive(n *Node) Props {
	none := Props{RowWatermark: -1}
	var in Props
	if len(n.Inputs) > 0 {
		in = n.Inputs[0].Props
		in.Grows, in.GrowsHint = "", ""
	}
	switch op := n.Op.(type) {
	case *Scan:
		none.AppendOnly = true
		if o := r.cat.Object(op.Object); o != nil && o.Source != nil {
			none.Bounded = o.Source.Bounded
			none.Keys = sourceKeys(o.Source, op)
		}
		return none
	case *Watermark:
		in.Watermarks = append(slices.Clone(in.Watermarks), ColWatermark{Col: op.Time})
		if op.Emit {
			in.RowWatermark = len(n.Schema) - 1
		}
		return in
	case *Values:
		none.AppendOnly, none.Bounded = true, true
		for i, f := range n.Schema { // all rows come in the first epoch: nothing follows
			if f.Type.Kind == types.Timestamp || f.Type.Kind == types.TimestampTZ {
				none.Watermarks = append(none.Watermarks, ColWatermark{Col: i})
			}
		}
		if len(op.Rows) <= 1 {
			none.Keys = [][]int{{}}
		}
		return none
	case *ViewScan:
		return r.viewProps(n, op)
	case *TableInput:
		return tableProps(op)
	case *Filter, *EmitEvery, *Sink, *Output:
		return in
	case *Materialize:
		if op.Retention > 0 { // rows leave by the clock
			in.AppendOnly, in.Watermarks = false, nil
		} else if !in.Bounded && !growsBelow(n.in()) && !in.HasKey(nil) && !isTable(n.in()) && !fewRows(n.in()) {
			in.Grows = "it keeps every row of its query for ever"
			in.GrowsHint = "set retention in the view's WITH options"
		}
		return in
	case *Project:
		return r.projectProps(n, op, in)
	case *Union:
		return unionProps(n)
	case *WindowExpand:
		return expandProps(n, op, in)
	case *SessionExpand:
		return r.sessionProps(n, op, in)
	case *Aggregate:
		return r.aggregateProps(n, op, in)
	case *WindowAggregate:
		return windowAggregateProps(n, op, in)
	case *Over:
		return r.overProps(n, op, in)
	case *TopN:
		return r.topNProps(n, op, in)
	case *TableFunc:
		return tableFuncProps(n, op, in)
	case *TemporalFilter:
		return temporalFilterProps(op, in)
	case *Join:
		return r.joinProps(n, op)
	case *TemporalJoin:
		return r.temporalJoinProps(n, op)
	case *AsofJoin:
		return asofJoinProps(n, op)
	}
	return none
}

// growsBelow reports whether something below is known to grow already.
func growsBelow(n *Node) bool {
	found := false
	n.each(func(n *Node) { found = found || n.Props.Grows != "" })
	return found
}

func sourceKeys(s *Source, op *Scan) [][]int {
	if !s.KeyTrusted {
		return nil
	}
	var key []int
	for _, c := range s.PrimaryKey {
		i := slices.Index(op.Columns, s.Columns[c].Physical)
		if s.Columns[c].Physical < 0 || i < 0 {
			return nil
		}
		key = append(key, i)
	}
	return [][]int{key}
}

// viewProps are those of the plan that keeps the view. Rows that a new reader finds there are taken to come before its watermark.
func (r *rewriter) viewProps(n *Node, op *ViewScan) Props {
	p := Props{RowWatermark: -1}
	o := r.cat.Object(op.Object)
	switch {
	case o == nil:
	case o.System != nil:
		p.AppendOnly = o.System.AppendOnly
		if o.System.Key != nil {
			p.Keys = [][]int{o.System.Key}
		}
	case o.Kept() != nil:
		v := o.Kept().Props
		p.AppendOnly, p.Keys, p.Determines, p.Watermarks, p.Bounded = v.AppendOnly, v.Keys, v.Determines, v.Watermarks, v.Bounded
	}
	return p
}

func (r *rewriter) projectProps(n *Node, op *Project, in Props) Props {
	out := Props{AppendOnly: in.AppendOnly, Bounded: in.Bounded, RowWatermark: -1}
	at := map[int]int{} // input column: first output column that is it
	for i, e := range op.Exprs {
		c := columnOf(e)
		if c < 0 {
			continue
		}
		if _, ok := at[c]; !ok {
			at[c] = i
		}
		if c == in.RowWatermark {
			out.RowWatermark = i
		}
	}
	for _, k := range in.Keys {
		key := make([]int, 0, len(k))
		for _, c := range k {
			if i, ok := at[c]; ok {
				key = append(key, i)
			}
		}
		if len(key) == len(k) {
			out.Keys = append(out.Keys, key)
		}
	}
	for _, d := range in.Determines {
		from, ok := at[d.From]
		to, ok2 := at[d.To]
		if ok && ok2 {
			out.Determines = append(out.Determines, Dependency{from, to})
		}
	}
	for i, e := range op.Exprs {
		cols := expr.Columns(e)
		if len(cols) != 1 || readsClock(e) || volatile(r.reg, e) {
			continue
		}
		if from, ok := at[cols[0]]; ok && from != i && identical(n.in().Schema[cols[0]].Type) {
			out.Determines = append(out.Determines, Dependency{from, i})
		}
	}
	for i, e := range op.Exprs {
		if lag, ok := r.exprLag(e, in); ok {
			out.Watermarks = append(out.Watermarks, ColWatermark{Col: i, Lag: lag})
		}
	}
	return out
}

// identical reports whether equal values of a type are the same in every respect: not so -0 and 0, 1.0 and 1.00, '1 day' and '24 hours'.
func identical(t types.Type) bool {
	return !t.IsFloat() && t.Kind != types.Numeric && t.Kind != types.Interval && t.Kind != types.Array
}

// exprLag returns the lag of an expression that grows with a watermarked column: the column itself, shifted by a fixed
// interval, cut to a unit by date_trunc, rounded to fewer digits, or in UTC with and without its zone.
func (r *rewriter) exprLag(e expr.Expr, in Props) (int64, bool) {
	switch x := e.(type) {
	case *expr.Column:
		return in.lag(x.Index)
	case *expr.Call:
		o := r.reg.Lookup(x.Fn)
		t := x.T.Kind
		if o != nil && o.Category == expr.CatCast && len(x.Args) == 1 && x.Args[0].Type().Kind == t {
			lag, ok := r.exprLag(x.Args[0], in) // timestamp(3) rounds
			return lag + 1e6, ok
		}
		if o == nil || len(x.Args) != 2 {
			return 0, false
		}
		switch o.Name {
		case "timezone":
			if zone := constantText(x.Args[0]); zone == "" || !isUTC(zone) {
				return 0, false
			}
			return r.exprLag(x.Args[1], in)
		case "+", "-":
			lit, ok := x.Args[1].(*expr.Literal)
			if !ok || lit.T.Kind != types.Interval || t != types.Timestamp && t != types.TimestampTZ {
				return 0, false
			}
			v, ok := lit.Value.(types.IntervalValue)
			if !ok || v.Months != 0 || v.Days != 0 && t == types.TimestampTZ {
				return 0, false
			}
			lag, ok := r.exprLag(x.Args[0], in)
			us := int64(v.Days)*dayMicros + v.Micros
			if o.Name == "-" {
				us = -us
			}
			return lag - us, ok && lag > math.MinInt64/4 && lag < math.MaxInt64/4
		case "date_trunc":
			if t != types.Timestamp && t != types.TimestampTZ {
				return 0, false
			}
			lag, ok := r.exprLag(x.Args[1], in)
			length := truncUnits[strings.TrimSuffix(strings.ToLower(constantText(x.Args[0])), "s")]
			if t == types.TimestampTZ && length >= 3600e6 {
				length += dayMicros // a clock change inside of the unit
			}
			return lag + length, ok && length > 0
		}
	}
	return 0, false
}

// constantText returns the text that e is, or "".
func constantText(e expr.Expr) string {
	lit, ok := e.(*expr.Literal)
	if !ok {
		return ""
	}
	text, _ := lit.Value.(string)
	return text
}

// truncUnits are the longest lengths of date_trunc's units in microseconds.
var truncUnits = map[string]int64{
	"microsecond": 1, "millisecond": 1e3, "second": 1e6, "minute": 60e6, "hour": 3600e6, "day": dayMicros, "week": 7 * dayMicros,
	"month": 31 * dayMicros, "quarter": 92 * dayMicros, "year": 366 * dayMicros,
}

func unionProps(n *Node) Props {
	out := Props{AppendOnly: true, Bounded: true, RowWatermark: -1}
	for i, in := range n.Inputs {
		out.AppendOnly = out.AppendOnly && in.Props.AppendOnly
		out.Bounded = out.Bounded && in.Props.Bounded
		if in.Props.RowWatermark >= 0 {
			out.RowWatermark = in.Props.RowWatermark
		}
		if i == 0 {
			out.Watermarks = slices.Clone(in.Props.Watermarks)
			continue
		}
		var both []ColWatermark
		for _, w := range out.Watermarks {
			if lag, ok := in.Props.lag(w.Col); ok {
				both = append(both, ColWatermark{Col: w.Col, Lag: max(w.Lag, lag)})
			}
		}
		out.Watermarks = both
	}
	return out
}

// windowSpan bounds window_end - window_start, clock changes included.
func (w Window) windowSpan() int64 {
	if w.Zone != "" {
		return w.Size + dayMicros
	}
	return w.Size
}

// windowDependencies says which bound of a window tells the other; start is the column of window_start, before window_end. Sessions
// begin and end anywhere.
func windowDependencies(k WindowKind, start int) []Dependency {
	switch k {
	case Session:
		return nil
	case Cumulate: // several windows begin at one time
		return []Dependency{{start + 1, start}}
	}
	return []Dependency{{start + 1, start}, {start, start + 1}}
}

// reducedKeys returns the key and those that remain when columns that others determine are left out.
func reducedKeys(key []int, deps []Dependency) [][]int {
	keys := [][]int{key}
	for i := 0; i < len(keys) && len(keys) < 8; i++ {
		for _, d := range deps {
			k := keys[i]
			if d.From == d.To || !slices.Contains(k, d.From) || !slices.Contains(k, d.To) {
				continue
			}
			less := slices.DeleteFunc(slices.Clone(k), func(c int) bool { return c == d.To })
			if !slices.ContainsFunc(keys, func(have []int) bool { return slices.Equal(have, less) }) {
				keys = append(keys, less)
			}
		}
	}
	return keys
}

func expandProps(n *Node, op *WindowExpand, in Props) Props {
	width := len(n.in().Schema)
	out := in
	out.Watermarks = slices.Clone(in.Watermarks)
	if lag, ok := in.lag(op.Window.Time); ok && !op.Window.ProcTime {
		// time >= W - lag, so window_end > W - lag.
		out.Watermarks = append(out.Watermarks,
			ColWatermark{Col: width, Lag: lag + op.Window.windowSpan() - 1},
			ColWatermark{Col: width + 1, Lag: lag - 1},
			ColWatermark{Col: width + 2, Lag: lag})
	}
	out.Determines = append(slices.Clone(in.Determines), windowDependencies(op.Window.Kind, width)...)
	out.Determines = append(out.Determines, Dependency{width + 1, width + 2}, Dependency{width + 2, width + 1})
	if op.Window.Kind != Tumble {
		out.Keys = nil
		for _, k := range in.Keys {
			out.Keys = append(out.Keys, append(slices.Clone(k), width), append(slices.Clone(k), width+1))
		}
		if op.Window.Kind == Cumulate { // several windows begin at one time
			out.Keys = slices.DeleteFunc(out.Keys, func(k []int) bool { return k[len(k)-1] == width })
		}
	}
	return out
}

func (r *rewriter) sessionProps(n *Node, op *SessionExpand, in Props) Props {
	width := len(n.in().Schema)
	out := Props{AppendOnly: op.Emit == EmitOnClose, Keys: in.Keys, Determines: in.Determines, Bounded: in.Bounded, RowWatermark: -1}
	if lag, ok := in.lag(op.Window.Time); ok && !op.Window.ProcTime {
		late := op.Lateness
		out.Watermarks = []ColWatermark{{Col: width + 1, Lag: max(lag, late) - 1}, {Col: width + 2, Lag: max(lag, late)}}
	}
	return out
}

func (r *rewriter) aggregateProps(n *Node, op *Aggregate, in Props) Props {
	out := Props{RowWatermark: -1, Bounded: in.Bounded}
	key := make([]int, len(op.Keys))
	for i := range key {
		key[i] = i
	}
	for i, f := range op.Keys {
		for j, to := range op.Keys {
			if slices.Contains(in.Determines, Dependency{f, to}) {
				out.Determines = append(out.Determines, Dependency{i, j})
			}
		}
	}
	out.Keys = reducedKeys(key, out.Determines)
	// Final rows are put out once; DISTINCT of rows that stay only adds. A group that is forgotten takes its row back.
	out.AppendOnly = op.Emit == EmitOnClose && op.Close >= 0 || in.AppendOnly && len(op.Aggs) == 0 && len(op.Keys) > 0 && op.TTL == 0
	if op.Close >= 0 && op.Emit == EmitOnClose {
		out.Watermarks = []ColWatermark{{Col: op.Close, Lag: op.CloseLag - 1}}
	} else {
		for i, k := range op.Keys {
			if lag, ok := in.lag(k); ok {
				if i == op.Close {
					lag = max(lag, op.CloseLag-1)
				}
				out.Watermarks = append(out.Watermarks, ColWatermark{Col: i, Lag: lag})
			}
		}
	}
	if in.Bounded {
		return out
	}
	if len(op.Keys) > 0 && op.Close < 0 && op.TTL == 0 {
		out.Grows = "it keeps every group for ever"
		if len(op.Aggs) == 0 {
			out.Grows = "it keeps every distinct row for ever"
		}
		out.GrowsHint = r.boundHint(n.in())
		return out
	}
	if op.Close < 0 && op.TTL == 0 {
		out.Grows, out.GrowsHint = growingCall(op.Aggs, in.AppendOnly)
	}
	return out
}

// boundHint says what would bound an aggregation over n.
func (r *rewriter) boundHint(n *Node) string {
	if hasWatermark(n, r.cat) {
		return "group by a window (TUMBLE, HOP, CUMULATE, SESSION) over the event time, or set state_ttl"
	}
	return "declare WATERMARK FOR on the source and group by a window, or set state_ttl"
}

// growingCall finds an aggregate whose own state grows with the input.
func growingCall(aggs []AggCall, appendOnly bool) (why, hint string) {
	for _, c := range aggs {
		name, _, _ := strings.Cut(c.Fn, "(")
		switch {
		case c.Distinct:
			return fmt.Sprintf("%s(DISTINCT ...) keeps every distinct value for ever", name), "group by a window, or use approx_count_distinct"
		case name == "string_agg" || name == "array_agg":
			return name + " keeps every value for ever", "group by a window"
		case !appendOnly && (name == "min" || name == "max" || name == "first_value" || name == "last_value" || name == "any_value"):
			return name + " over rows that can be taken back keeps every value", "group by a window"
		}
	}
	return "", ""
}

func windowAggregateProps(n *Node, op *WindowAggregate, in Props) Props {
	out := Props{RowWatermark: -1, Bounded: in.Bounded, AppendOnly: op.Emit == EmitOnClose}
	k := len(op.Keys)
	key := make([]int, k)
	for i := range key {
		key[i] = i
	}
	out.Keys = [][]int{append(slices.Clone(key), k+1)}
	if op.Window.Kind != Cumulate {
		out.Keys = append(out.Keys, append(slices.Clone(key), k))
	}
	out.Determines = windowDependencies(op.Window.Kind, k)
	if _, ok := in.lag(op.Window.Time); ok && !op.Window.ProcTime {
		if op.Window.Kind != Session {
			out.Watermarks = append(out.Watermarks, ColWatermark{Col: k, Lag: op.Lateness + op.Window.windowSpan() - 1})
		}
		out.Watermarks = append(out.Watermarks, ColWatermark{Col: k + 1, Lag: op.Lateness - 1})
		return out
	}
	if !op.Window.ProcTime && !in.Bounded {
		out.Grows = "its windows close only when the input ends"
		out.GrowsHint = "declare WATERMARK FOR the time column on the source"
	}
	return out
}

// checkClock refuses expressions on the clock, or volatile ones, over rows that can be taken back: the row taken back would not be the
// one that was put out. And filters on the clock over sources: rows would have to leave the result as time passes.
func (r *rewriter) checkClock(root *Node) error {
	var failed error
	root.each(func(n *Node) {
		if failed != nil || len(n.Inputs) == 0 {
			return
		}
		if failed = r.joinClock(n); failed != nil {
			return
		}
		in := n.Inputs[0]
		mapNodeExprs(n, func(e expr.Expr) expr.Expr {
			if failed != nil {
				return e
			}
			_, isFilter := n.Op.(*Filter)
			clock := readsClock(e)
			switch {
			case clock && isFilter && !in.Props.Bounded:
				failed = types.NotSupported(clockSpan(e), "the current time in a filter of a continuous query: rows would have to leave the result as time passes")
			case (clock || volatile(r.reg, e)) && !in.Props.AppendOnly:
				failed = types.NotSupported(clockSpan(e), "the current time, or a function that is not deterministic, over rows that can be taken back")
			}
			return e
		})
	})
	return failed
}

func clockSpan(e expr.Expr) types.Span {
	sp := e.Span()
	expr.Walk(e, func(x expr.Expr) {
		if _, ok := x.(*expr.Now); ok && !x.Span().IsZero() {
			sp = x.Span()
		}
	})
	return sp
}
