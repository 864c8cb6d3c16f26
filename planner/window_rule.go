package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// recogniseWindows turns an aggregation whose keys determine the window of an assignment below into one WindowAggregate, which
// neither expands rows nor keeps them, and forgets a window when it closes.
//
//	Aggregate [k, window_start, window_end] aggs     WindowAggregate tumble [k] aggs
//	  Project, Filter ...                        =>    Project k, ts, arguments
//	    WindowExpand tumble                              Filter ...
//
// Filters on the window in between move above. It is left alone where
//   - the keys do not determine the window: window_start alone for CUMULATE, none of them, or for SESSION other keys than the session's;
//   - a filter on other columns than the session key stands above a session;
//   - an argument reads the window, or is volatile, or can fail and stands above a filter on the window;
//   - a watermark exists and says nothing about the time column: such windows never close, which an Aggregate can do.
func (r *rewriter) recogniseWindows(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		if a, ok := n.Op.(*Aggregate); ok {
			if w := r.windowAggregate(n, a); w != nil {
				return w
			}
		}
		return n
	})
}

// windowPath is what stands between an aggregation and the window assignment below it, as expressions over the latter's output.
type windowPath struct {
	assign *Node
	width  int         // of the assignment's input
	cols   []expr.Expr // of the aggregation's input
	below  []expr.Expr // filters that do not read the window
	above  []expr.Expr // filters that do
}

func (r *rewriter) windowPathOf(n *Node) *windowPath {
	var filters []expr.Expr // from the top
	cols := columnExprs(n.Schema)
	for {
		switch op := n.Op.(type) {
		case *Project:
			for i, e := range cols {
				cols[i] = substitute(e, op.Exprs)
			}
			for i, e := range filters {
				filters[i] = substitute(e, op.Exprs)
			}
			n = n.in()
			continue
		case *Filter:
			filters = append(filters, conjuncts(op.Pred)...)
			n = n.in()
			continue
		case *WindowExpand, *SessionExpand:
			p := &windowPath{assign: n, width: len(n.in().Schema), cols: cols}
			for _, f := range filters {
				if p.readsWindow(f) {
					p.above = append(p.above, f)
				} else {
					p.below = append(p.below, f)
				}
			}
			return p
		}
		return nil
	}
}

func (p *windowPath) readsWindow(e expr.Expr) bool {
	return !readsOnly(e, func(c int) bool { return c < p.width })
}

func (r *rewriter) windowAggregate(n *Node, a *Aggregate) *Node {
	p := r.windowPathOf(n.in())
	if p == nil || len(a.Keys) == 0 {
		return nil
	}
	var w Window
	var partition []int
	switch op := p.assign.Op.(type) {
	case *WindowExpand:
		w = op.Window
	case *SessionExpand:
		w, partition = op.Window, op.Partition
	}
	in := p.assign.in()
	if !w.ProcTime && !r.windowsClose(in, w.Time) {
		return nil
	}
	// Which keys are of the window (0 start, 1 end, 2 time), which are others.
	part := make([]int, len(a.Keys))
	var others []expr.Expr
	determined := false
	for i, k := range a.Keys {
		part[i] = -1
		e := p.cols[k]
		if c := columnOf(e); c >= p.width {
			part[i] = c - p.width
			determined = determined || part[i] > 0 || w.Kind != Cumulate
			continue
		}
		if p.readsWindow(e) || volatile(r.reg, e) {
			return nil
		}
		others = append(others, e)
	}
	if !determined {
		return nil
	}
	if w.Kind == Session && (!sameColumns(others, partition) || len(p.below) > 0) { // a filter below would change the sessions
		return nil
	}
	// What the aggregation reads, computed below it.
	var exprs []expr.Expr
	at := map[string]int{}
	add := func(e expr.Expr) int {
		key := exprKey(e)
		if i, ok := at[key]; ok {
			return i
		}
		at[key] = len(exprs)
		exprs = append(exprs, e)
		return len(exprs) - 1
	}
	agg := &WindowAggregate{Window: w, RowWatermark: -1, Emit: a.Emit, OnError: a.OnError}
	keyAt := map[int]int{} // of a.Keys: position in agg.Keys
	for i, k := range a.Keys {
		if part[i] < 0 {
			keyAt[i] = len(agg.Keys)
			agg.Keys = append(agg.Keys, add(p.cols[k]))
		}
	}
	usable := true
	arg := func(col int) int {
		e := p.cols[col]
		usable = usable && !p.readsWindow(e) && !volatile(r.reg, e) && (len(p.above) == 0 || !r.reg.Fallible(e))
		return add(e)
	}
	for _, c := range a.Aggs {
		d := c
		d.Args = make([]int, len(c.Args))
		for i, x := range c.Args {
			d.Args[i] = arg(x)
		}
		if c.Filter >= 0 {
			d.Filter = arg(c.Filter)
		}
		d.OrderBy = slices.Clone(c.OrderBy)
		for i, o := range c.OrderBy {
			d.OrderBy[i].Col = arg(o.Col)
		}
		agg.Aggs = append(agg.Aggs, d)
	}
	for _, f := range p.below {
		usable = usable && (len(p.above) == 0 || !r.reg.Fallible(f)) && !volatile(r.reg, f)
	}
	agg.Window.Time = add(column(w.Time, in.Schema[w.Time]))
	// Filters on the window, over the aggregation's output.
	windowColumn := func(i, keys int) expr.Expr { return windowPart(i, keys, in.Schema[w.Time].Type) }
	var above []expr.Expr
	for _, f := range p.above {
		ok := true
		moved := mapExpr(f, func(x expr.Expr) (expr.Expr, bool) {
			if c := columnOf(x); c >= p.width {
				return windowColumn(c-p.width, len(agg.Keys)), true
			}
			for i := range agg.Keys {
				if sameExpr(x, exprs[agg.Keys[i]]) {
					return &expr.Column{Base: expr.Base{T: x.Type(), Sp: x.Span()}, Index: i, Name: keyName(x)}, true
				}
			}
			if columnOf(x) >= 0 {
				ok = false
			}
			return nil, false
		})
		if !ok || r.reg.Fallible(f) || volatile(r.reg, f) {
			return nil
		}
		above = append(above, moved)
	}
	if !usable {
		return nil
	}
	node := in
	for _, pred := range reversed(p.below) { // in their order, so that none sees a row that one below keeps from it
		node = newFilter(node, pred, DeadLetter)
	}
	names := make([]string, len(exprs))
	for i, e := range exprs {
		names[i] = keyName(e)
	}
	node = newProject(node, exprs, names, DeadLetter)
	schema := windowAggregateSchema(node.Schema, agg)
	for i := range agg.Aggs {
		schema[len(agg.Keys)+2+i].Name = n.Schema[len(a.Keys)+i].Name
	}
	for i := range a.Keys {
		if at, ok := keyAt[i]; ok {
			schema[at].Name = n.Schema[i].Name
		}
	}
	node = newNode(agg, schema, node)
	if pred := conjunction(above); pred != nil {
		node = newFilter(node, pred, DeadLetter)
	}
	out := make([]expr.Expr, 0, len(n.Schema))
	for i := range a.Keys {
		if at, ok := keyAt[i]; ok {
			out = append(out, column(at, schema[at]))
		} else {
			out = append(out, windowColumn(part[i], len(agg.Keys)))
		}
	}
	for i := range a.Aggs {
		out = append(out, column(len(agg.Keys)+2+i, schema[len(agg.Keys)+2+i]))
	}
	return reproject(node, out, n.Schema, DeadLetter)
}

// windowPart is window_start, window_end or window_time over the output of a WindowAggregate with that many keys.
func windowPart(part, keys int, t types.Type) expr.Expr {
	t = t.Base()
	if part < 2 {
		return &expr.Column{Base: expr.Base{T: t}, Index: keys + part, Name: [...]string{windowStart, windowEnd}[part]}
	}
	end := &expr.Column{Base: expr.Base{T: t}, Index: keys + 1, Name: windowEnd}
	one := &expr.Literal{Base: expr.Base{T: types.IntervalType}, Value: types.MicrosOf(1)}
	fn := "-(" + t.String() + "," + types.IntervalType.String() + ")"
	return &expr.Call{Base: expr.Base{T: t}, Fn: fn, Args: []expr.Expr{end, one}}
}

// sameColumns reports whether the expressions are the columns of a set, each at least once.
func sameColumns(exprs []expr.Expr, set []int) bool {
	seen := map[int]bool{}
	for _, e := range exprs {
		c := columnOf(e)
		if c < 0 || !slices.Contains(set, c) {
			return false
		}
		seen[c] = true
	}
	for _, c := range set {
		if !seen[c] {
			return false
		}
	}
	return true
}

func reversed(list []expr.Expr) []expr.Expr {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}

// windowsClose reports whether windows over column col of n close rightly: the watermark bounds the column, or there is no watermark
// at all, so that the end of the input closes them.
func (r *rewriter) windowsClose(n *Node, col int) bool {
	if !hasWatermark(n, r.cat) && !changesByClock(n, r.cat) {
		return true
	}
	_, ok := r.lag(n, col)
	return ok
}

// changesByClock reports whether rows below come and go as time passes.
func changesByClock(n *Node, cat *Catalog) bool {
	found := false
	n.each(func(n *Node) {
		switch op := n.Op.(type) {
		case *TemporalFilter:
			found = true
		case *ViewScan:
			if o := cat.Object(op.Object); o != nil && o.View != nil && o.View.Physical.Root != nil {
				found = found || changesByClock(o.View.Physical.Root, cat)
			}
		}
	})
	return found
}

// hasWatermark reports whether anything below declares event time.
func hasWatermark(n *Node, cat *Catalog) bool {
	found := false
	n.each(func(n *Node) {
		switch op := n.Op.(type) {
		case *Watermark:
			found = true
		case *ViewScan:
			if o := cat.Object(op.Object); o != nil && o.Kept() != nil {
				found = found || hasWatermark(o.Kept(), cat)
			}
		}
	})
	return found
}
