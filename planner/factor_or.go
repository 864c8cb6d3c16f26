package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
)

// factorConditions takes what all alternatives of a condition have in common out of them, so that it can move by itself, and become the
// key of a join.
//
//	Filter((k = j AND a = 1) OR (k = j AND a = 2))  =>  Filter(k = j AND (a = 1 OR a = 2))
func (r *rewriter) factorConditions(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		switch n.Op.(type) {
		case *Filter, *Join, *TemporalJoin:
			return mapNodeExprs(n, r.factor)
		}
		return n
	})
}

// factor factors the disjunctions among the conjuncts of a condition. In three-valued logic (a AND b) OR (a AND c) is a AND (b OR c), and
// it fails for the same rows.
func (r *rewriter) factor(e expr.Expr) expr.Expr {
	var out []expr.Expr
	changed := false
	for _, c := range conjuncts(e) {
		or, ok := c.(*expr.Logic)
		if !ok || !or.Or || volatile(r.reg, c) {
			out = append(out, c)
			continue
		}
		parts := alternatives(or)
		common := slices.DeleteFunc(slices.Clone(parts[0]), func(x expr.Expr) bool {
			return slices.ContainsFunc(parts[1:], func(p []expr.Expr) bool { return !containsExpr(p, x) })
		})
		if len(common) == 0 {
			out = append(out, c)
			continue
		}
		changed = true
		out = append(out, distinctExprs(common)...)
		var rest []expr.Expr
		for _, p := range parts {
			left := slices.DeleteFunc(p, func(x expr.Expr) bool { return containsExpr(common, x) })
			if len(left) == 0 { // this alternative is what all have in common
				rest = nil
				break
			}
			rest = append(rest, conjunction(left))
		}
		if len(rest) > 0 {
			out = append(out, disjunction(rest, or))
		}
	}
	if !changed {
		return e
	}
	return conjunction(out)
}

// alternatives returns the arguments of an OR, and of those right inside, each as its conjuncts.
func alternatives(or *expr.Logic) [][]expr.Expr {
	var parts [][]expr.Expr
	for _, a := range or.Args {
		if inner, ok := a.(*expr.Logic); ok && inner.Or {
			parts = append(parts, alternatives(inner)...)
		} else {
			parts = append(parts, conjuncts(a))
		}
	}
	return parts
}

func disjunction(list []expr.Expr, like *expr.Logic) expr.Expr {
	if len(list) == 1 {
		return list[0]
	}
	return &expr.Logic{Base: like.Base, Or: true, Args: list}
}

func containsExpr(list []expr.Expr, e expr.Expr) bool {
	return slices.ContainsFunc(list, func(x expr.Expr) bool { return sameExpr(x, e) })
}

// impliedBySides returns the conditions on one side of a join alone that follow from alternatives that read both: what each of them says
// of that side. They only spare the join rows, and are given if they can be moved.
//
//	(l.a = 1 AND r.b = 2) OR (l.a = 3 AND r.b = 4)  implies  l.a = 1 OR l.a = 3  and  r.b = 2 OR r.b = 4
func (p *filterPusher) impliedBySides(conds []expr.Expr, width int, on sideOf) []expr.Expr {
	var out []expr.Expr
	for _, c := range conds {
		or, ok := c.(*expr.Logic)
		if !ok || !or.Or || side(c, width) != onBoth {
			continue
		}
		var all []expr.Expr
		for _, part := range alternatives(or) {
			mine := slices.DeleteFunc(slices.Clone(part), func(x expr.Expr) bool { return side(x, width) != on || !p.movable(x) })
			if len(mine) == 0 {
				all = nil
				break
			}
			all = append(all, conjunction(mine))
		}
		if len(all) > 0 {
			out = append(out, disjunction(distinctExprs(all), or))
		}
	}
	return out
}
