package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
)

// pushFilters moves the conjuncts of filters towards the sources. A conjunct that can fail, or that differs from call to call, stays
// where it is: below, it would see rows that other filters keep from it.
//
//	Filter(p)(Project(..))       =>  Project(..)(Filter(p'))          p' reads what the projection computes
//	Filter(p)(Union(a, b))       =>  Union(Filter(p)(a), Filter(p)(b))
//	Filter(p)(Aggregate k ..)    =>  Aggregate k ..(Filter(p))        if p reads group keys only, and there are some
//	Filter(p)(WindowExpand)      =>  WindowExpand(Filter(p))          if p does not read the window
//	Filter(p)(SessionExpand k)   =>  SessionExpand k(Filter(p))       if p reads the session key only
//	Filter(p)(Over k), (TopN k)  =>  Over k(Filter(p))                if p reads the partition's columns only
//	Filter(p)(TableFunc)         =>  TableFunc(Filter(p))             if p does not read the function's columns
//
// A filter never passes a Watermark, which is computed from all rows; see pruneScans.
func (r *rewriter) pushFilters(root *Node) *Node {
	p := &filterPusher{r: r, done: map[*Node]*Node{}, users: map[*Node]int{}}
	root.each(func(n *Node) {
		for _, in := range n.Inputs {
			p.users[in]++
		}
	})
	return p.push(root, nil)
}

type filterPusher struct {
	r     *rewriter
	done  map[*Node]*Node // of nodes without filters above
	users map[*Node]int
}

// push returns n under the filters preds, which can move.
func (p *filterPusher) push(n *Node, preds []expr.Expr) *Node {
	if len(preds) == 0 {
		if d, ok := p.done[n]; ok {
			return d
		}
		d := p.step(n, nil)
		p.done[n] = d
		return d
	}
	if p.users[n] > 1 { // shared: filtered for one user, it would run twice
		return p.above(p.push(n, nil), preds)
	}
	return p.step(n, preds)
}

// above puts filters on top.
func (p *filterPusher) above(n *Node, preds []expr.Expr) *Node {
	if len(preds) == 0 {
		return n
	}
	return newFilter(n, conjunction(preds), DeadLetter)
}

func (p *filterPusher) movable(e expr.Expr) bool {
	return !p.r.reg.Fallible(e) && !volatile(p.r.reg, e) && !readsClock(e)
}

// timely reports whether e is a condition on the current time that may move through operators that keep nothing: what can fail in it is the
// same for all rows. An aggregation keeps less below it than its rows would take up there, so that it stays above.
func (p *filterPusher) timely(e expr.Expr) bool {
	return readsClock(e) && !volatile(p.r.reg, e) && !anyExpr(e, func(x expr.Expr) bool {
		c, ok := x.(*expr.Call)
		return ok && len(expr.Columns(c)) > 0 && p.r.reg.Fallible(&expr.Call{Base: c.Base, Fn: c.Fn})
	})
}

func (p *filterPusher) step(n *Node, preds []expr.Expr) *Node {
	// split keeps the preds for which translate gives an expression below, and leaves the others.
	split := func(translate func(expr.Expr) expr.Expr) (down, stay []expr.Expr) {
		for _, e := range preds {
			if d := translate(e); d != nil && p.movable(d) {
				down = append(down, d)
			} else {
				stay = append(stay, e)
			}
		}
		return down, stay
	}
	// pass is split for operators that keep nothing.
	pass := func(translate func(expr.Expr) expr.Expr) (down, stay []expr.Expr) {
		for _, e := range preds {
			if d := translate(e); d != nil && (p.movable(d) || p.timely(d)) {
				down = append(down, d)
			} else {
				stay = append(stay, e)
			}
		}
		return down, stay
	}
	onColumns := func(ok func(int) bool, to func(int) int) func(expr.Expr) expr.Expr {
		return func(e expr.Expr) expr.Expr {
			if !readsOnly(e, ok) {
				return nil
			}
			return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
				c, isCol := x.(*expr.Column)
				if !isCol {
					return nil, false
				}
				d := *c
				d.Index = to(c.Index)
				return &d, true
			})
		}
	}
	same := func(i int) int { return i }
	switch op := n.Op.(type) {
	case *Filter:
		var stay []expr.Expr
		down := slices.Clone(preds)
		var move []expr.Expr
		for _, c := range conjuncts(op.Pred) {
			if p.movable(c) || p.timely(c) {
				move = append(move, c)
			} else {
				stay = append(stay, c)
			}
		}
		in := p.push(n.in(), distinctExprs(append(move, down...)))
		if p.users[n.in()] <= 1 {
			in, stay = p.intoJoin(in, stay)
		}
		return p.above(in, stay)
	case *Project:
		down, stay := pass(func(e expr.Expr) expr.Expr { return p.r.reg.Fold(substitute(e, op.Exprs)) })
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	case *Union:
		inputs := make([]*Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i] = p.push(in, preds)
		}
		return n.rebuild(inputs...)
	case *Join:
		return p.join(n, op, preds)
	case *TemporalJoin, *AsofJoin:
		return p.leftOnly(n, preds)
	case *WindowExpand:
		width := len(n.in().Schema)
		down, stay := pass(onColumns(func(c int) bool { return c < width }, same))
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	case *SessionExpand:
		down, stay := split(onColumns(func(c int) bool { return slices.Contains(op.Partition, c) }, same))
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	case *Aggregate:
		down, stay := split(onColumns(func(c int) bool { return c < len(op.Keys) }, func(c int) int { return op.Keys[c] }))
		if len(op.Keys) == 0 {
			down, stay = nil, preds
		}
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	case *Over:
		return p.partitioned(n, preds, op.Partition)
	case *TopN:
		return p.partitioned(n, preds, op.Partition)
	case *TableFunc:
		width := len(n.in().Schema)
		down, stay := pass(onColumns(func(c int) bool { return c < width }, same))
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	case *TemporalFilter:
		down, stay := pass(func(e expr.Expr) expr.Expr { return e })
		return p.above(n.rebuild(p.push(n.in(), down)), stay)
	}
	inputs := make([]*Node, len(n.Inputs))
	for i, in := range n.Inputs {
		inputs[i] = p.push(in, nil)
	}
	return p.above(n.rebuild(inputs...), preds)
}

// pruneScans copies the simple conjuncts of the filters above a source into the Scan, so that the source can skip data that cannot
// match, such as a row group of a Parquet file. The filters stay.
//
//	Filter(price > 100 AND f(x))(Watermark(Scan))  =>  same with Scan.Prune = [price > 100]
func (r *rewriter) pruneScans(root *Node) *Node {
	users := map[*Node]int{}
	root.each(func(n *Node) {
		for _, in := range n.Inputs {
			users[in]++
		}
	})
	shared := map[*Node]*Node{}
	var walk, step func(n *Node, preds []expr.Expr) *Node
	walk = func(n *Node, preds []expr.Expr) *Node {
		if users[n] <= 1 {
			return step(n, preds)
		}
		if _, ok := shared[n]; !ok {
			shared[n] = step(n, nil)
		}
		return shared[n]
	}
	step = func(n *Node, preds []expr.Expr) *Node {
		switch op := n.Op.(type) {
		case *Filter:
			return n.rebuild(walk(n.in(), append(slices.Clone(preds), conjuncts(op.Pred)...)))
		case *Watermark:
			return n.rebuild(walk(n.in(), onlyColumnsBelow(preds, len(n.in().Schema))))
		case *Project:
			var below []expr.Expr
			for _, e := range preds {
				below = append(below, substitute(e, op.Exprs))
			}
			return n.rebuild(walk(n.in(), below))
		case *Scan:
			c := *op
			for _, e := range preds {
				if r.prunable(e) {
					c.Prune = append(c.Prune, e)
				}
			}
			if len(c.Prune) == 0 {
				return n
			}
			return n.withOp(&c, n.Schema)
		}
		inputs := make([]*Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i] = walk(in, nil)
		}
		return n.rebuild(inputs...)
	}
	return walk(root, nil)
}

func onlyColumnsBelow(preds []expr.Expr, width int) []expr.Expr {
	var out []expr.Expr
	for _, e := range preds {
		if readsOnly(e, func(c int) bool { return c < width }) {
			out = append(out, e)
		}
	}
	return out
}

// prunable reports whether a conjunct is one that sources understand: a comparison of a column with a constant, IN over
// constants, or IS [NOT] NULL.
func (r *rewriter) prunable(e expr.Expr) bool {
	switch x := e.(type) {
	case *expr.In:
		return columnOf(x.X) >= 0 && !x.Not
	case *expr.Call:
		o := r.reg.Lookup(x.Fn)
		if o == nil {
			return false
		}
		switch o.Name {
		case "is null", "is not null":
			return columnOf(x.Args[0]) >= 0
		case "=", "<", "<=", ">", ">=":
			_, left := x.Args[0].(*expr.Literal)
			_, right := x.Args[1].(*expr.Literal)
			return columnOf(x.Args[0]) >= 0 && right || left && columnOf(x.Args[1]) >= 0
		}
	}
	return false
}
