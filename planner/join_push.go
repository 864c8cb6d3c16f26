package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
)

// join pushes filters into a join, and the one-sided parts of its condition into its inputs, where they cannot fail.
//
//	Filter(p(a), q(b), r(a, b))(Join On c)   =>  Join On(c AND r)(Filter(p)(a), Filter(q)(b))
//	Filter(p(a))(LeftJoin On(c AND q(b)))    =>  LeftJoin On(c)(Filter(p)(a), Filter(q)(b))
//	Filter(a.x = 5)(Join On(a.x = b.y))      =>  Join On(a.x = b.y)(Filter(x = 5)(a), Filter(y = 5)(b))
//
// What is above a left join and reads its right side stays above; what its condition says of its left side stays in the condition, as
// do all parts of a FULL JOIN's.
func (p *filterPusher) join(n *Node, op *Join, preds []expr.Expr) *Node {
	width := len(n.Inputs[0].Schema)
	var left, right, on, above []expr.Expr
	if op.On != nil {
		on = conjuncts(op.On)
	}
	for _, e := range preds {
		switch {
		case readsClock(e) && side(e, width) == onBoth: // a join does not change as time passes; a filter above does
			above = append(above, e)
		case op.Kind == InnerJoin:
			on = append(on, e)
		case op.Kind != FullJoin && (op.Kind.leftOnly() || side(e, width)&onRight == 0):
			left = append(left, e)
		default:
			above = append(above, e)
		}
	}
	symmetric := op.Kind == InnerJoin || op.Kind == SemiJoin
	var stay []expr.Expr
	for _, e := range on {
		s := side(e, width)
		switch {
		case op.Kind != InnerJoin && op.Kind != FullJoin && s == onRight && readsClock(e) && !volatile(p.r.reg, e):
			right = append(right, e) // there it follows the clock; for all rows, also where it can fail
		case !p.movable(e) && !(p.timely(e) && s != onBoth):
			stay = append(stay, e)
		case symmetric && s&onRight == 0:
			left = append(left, e)
		case op.Kind != FullJoin && s == onRight:
			right = append(right, e)
		default:
			stay = append(stay, e)
		}
	}
	if op.Kind != FullJoin {
		pairs := p.equalPairs(n, op, stay)
		fromLeft := p.implied(left, pairs, width, true)
		if symmetric {
			left = append(left, p.implied(right, pairs, width, false)...)
		}
		right = append(right, fromLeft...)
		right = append(right, p.impliedBySides(stay, width, onRight)...)
		if symmetric {
			left = append(left, p.impliedBySides(stay, width, onLeft)...)
		}
	}
	for i, e := range right {
		right[i] = shiftExpr(e, -width)
	}
	l, r := p.push(n.Inputs[0], distinctExprs(left)), p.push(n.Inputs[1], distinctExprs(right))
	c := *op
	c.On = conjunction(distinctExprs(stay))
	return p.above(newNode(&c, joinSchema(op.Kind, l.Schema, r.Schema), l, r), above)
}

// equalPairs returns pairs of columns, over left ++ right columns, that are equal in what a join matches, by its condition, its keys and its
// inputs.
func (p *filterPusher) equalPairs(n *Node, op *Join, on []expr.Expr) [][2]int {
	width := len(n.Inputs[0].Schema)
	pairs := equalColumns(p.r.reg, n.Inputs[0], 0)
	for _, q := range equalColumns(p.r.reg, n.Inputs[1], 0) {
		pairs = append(pairs, [2]int{q[0] + width, q[1] + width})
	}
	for i, lk := range op.LeftKeys {
		pairs = append(pairs, [2]int{lk, op.RightKeys[i] + width})
	}
	return append(pairs, comparedColumns(p.r.reg, on)...)
}

// comparedColumns returns the pairs of columns of one type that conditions say are equal.
func comparedColumns(reg *expr.Registry, conds []expr.Expr) [][2]int {
	var pairs [][2]int
	for _, e := range conds {
		call, ok := e.(*expr.Call)
		if !ok || len(call.Args) != 2 {
			continue
		}
		a, b := columnOf(call.Args[0]), columnOf(call.Args[1])
		o := reg.Lookup(call.Fn)
		if o != nil && o.Name == "=" && a >= 0 && b >= 0 && call.Args[0].Type().Base() == call.Args[1].Type().Base() {
			pairs = append(pairs, [2]int{a, b})
		}
	}
	return pairs
}

// maxEqualDepth bounds how deep equalColumns looks.
const maxEqualDepth = 64

// equalColumns returns pairs of columns that are equal in all rows of n.
func equalColumns(reg *expr.Registry, n *Node, depth int) [][2]int {
	if depth > maxEqualDepth {
		return nil
	}
	switch op := n.Op.(type) {
	case *Filter:
		return append(equalColumns(reg, n.in(), depth+1), comparedColumns(reg, conjuncts(op.Pred))...)
	case *Project:
		var pairs [][2]int
		for _, q := range equalColumns(reg, n.in(), depth+1) {
			a := slices.IndexFunc(op.Exprs, func(e expr.Expr) bool { return columnOf(e) == q[0] })
			b := slices.IndexFunc(op.Exprs, func(e expr.Expr) bool { return columnOf(e) == q[1] })
			if a >= 0 && b >= 0 {
				pairs = append(pairs, [2]int{a, b})
			}
		}
		return pairs
	case *Join:
		pairs := [][2]int{}
		if op.Kind != FullJoin {
			pairs = equalColumns(reg, n.Inputs[0], depth+1)
		}
		if op.Kind != InnerJoin {
			return pairs
		}
		width := len(n.Inputs[0].Schema)
		for _, q := range equalColumns(reg, n.Inputs[1], depth+1) {
			pairs = append(pairs, [2]int{q[0] + width, q[1] + width})
		}
		for i, lk := range op.LeftKeys {
			if op.NullSafe == nil || !op.NullSafe[i] {
				pairs = append(pairs, [2]int{lk, op.RightKeys[i] + width})
			}
		}
		if op.On != nil {
			pairs = append(pairs, comparedColumns(reg, conjuncts(op.On))...)
		}
		return pairs
	}
	return nil
}

// implied returns the comparisons with constants that follow, by equal columns, for columns of the other side of a join.
func (p *filterPusher) implied(preds []expr.Expr, pairs [][2]int, width int, toRight bool) []expr.Expr {
	var out []expr.Expr
	for _, e := range preds {
		col := p.comparedColumn(e)
		if col < 0 {
			continue
		}
		equal := []int{col}
		for i := 0; i < len(equal); i++ {
			for _, q := range pairs {
				for k := range 2 {
					if q[k] == equal[i] && !slices.Contains(equal, q[1-k]) {
						equal = append(equal, q[1-k])
					}
				}
			}
		}
		for _, to := range equal[1:] {
			if (to >= width) != toRight {
				continue
			}
			out = append(out, mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
				c, ok := x.(*expr.Column)
				if !ok {
					return nil, false
				}
				d := *c
				d.Index = to
				return &d, true
			}))
		}
	}
	return out
}

// comparedColumn returns the column that e compares with constants in a way that is the same for equal values, or -1.
func (p *filterPusher) comparedColumn(e expr.Expr) int {
	if !p.r.prunable(e) {
		return -1
	}
	if c, ok := e.(*expr.Call); ok {
		if o := p.r.reg.Lookup(c.Fn); o == nil || len(c.Args) != 2 {
			return -1
		}
	}
	cols := expr.Columns(e)
	if len(cols) != 1 {
		return -1
	}
	return cols[0]
}

// distinctExprs leaves out repeated expressions.
func distinctExprs(list []expr.Expr) []expr.Expr {
	var out []expr.Expr
	seen := map[string]bool{}
	for _, e := range list {
		if k := exprKey(e); !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return out
}

// intoJoin makes conditions on an inner join that cannot be moved further part of its own: it is computed for the same pairs. It returns the
// conditions that stay above.
//
//	Filter(p)(Join On c)  =>  Join On(c AND p)
func (p *filterPusher) intoJoin(n *Node, preds []expr.Expr) (*Node, []expr.Expr) {
	j, ok := n.Op.(*Join)
	if !ok || j.Kind != InnerJoin {
		return n, preds
	}
	var on, above []expr.Expr
	if j.On != nil {
		on = conjuncts(j.On)
	}
	for _, e := range preds {
		if readsClock(e) || volatile(p.r.reg, e) {
			above = append(above, e)
		} else {
			on = append(on, e)
		}
	}
	c := *j
	c.On = conjunction(on)
	return n.withOp(&c, n.Schema), above
}
