package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// joinKeys splits the conditions of joins: equalities of what one side gives with what the other gives become keys, the rest stays in
// On. What is not a column is computed by a Project below; types are made equal.
//
//	Join On(a.x = b.y AND a.p < b.q)    =>  Join keys x = y On(a.p < b.q)
//	Join On(lower(a.x) = b.y)           =>  Project(..)(Join keys k = y (Project(.., lower(x) AS k)(a), b))
//
// A side that can fail is computed for pairs only that agree in the other keys, so it stays in On while there is another key. Without
// one it is computed for each row of its side for which the other conditions on that side hold; a row for which it fails is rejected.
func (r *rewriter) joinKeys(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		if op, ok := n.Op.(*Join); ok && op.On != nil {
			return r.splitCondition(n, op)
		}
		return n
	})
}

// keyPair is an equality between the sides of a join: left is over the columns of the left input, right over those of the right one.
type keyPair struct {
	conjunct    expr.Expr
	left, right expr.Expr
	nullSafe    bool
	fallible    bool
}

// equality reads a conjunct over width left columns and the right ones as an equality between the sides.
func (r *rewriter) equality(e expr.Expr, width int) (keyPair, bool) {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return keyPair{}, false
	}
	o := r.reg.Lookup(call.Fn)
	if o == nil || o.Name != "=" && o.Name != "is not distinct from" {
		return keyPair{}, false
	}
	a, b := call.Args[0], call.Args[1]
	if side(b, width) == onLeft {
		a, b = b, a
	}
	if side(a, width) != onLeft || side(b, width) != onRight || volatile(r.reg, e) || readsClock(e) || !hashable(a.Type()) {
		return keyPair{}, false
	}
	b = shiftExpr(b, -width)
	if a.Type() != b.Type() {
		if a.Type().Base() != b.Type().Base() {
			return keyPair{}, false
		}
		var err, err2 error
		a, err = expr.Cast(a, a.Type().Base(), expr.Explicit)
		b, err2 = expr.Cast(b, b.Type().Base(), expr.Explicit)
		if err != nil || err2 != nil || a.Type() != b.Type() {
			return keyPair{}, false
		}
	}
	return keyPair{conjunct: e, left: a, right: b, nullSafe: o.Name != "=", fallible: r.reg.Fallible(a) || r.reg.Fallible(b)}, true
}

// sideOf says which columns an expression over pairs reads.
type sideOf uint8

const (
	onNone sideOf = iota
	onLeft
	onRight
	onBoth
)

// side returns which sides of a join with width left columns e reads.
func side(e expr.Expr, width int) sideOf {
	s := onNone
	eachColumn(e, func(c *expr.Column) {
		if c.Index < width {
			s |= onLeft
		} else {
			s |= onRight
		}
	})
	return s
}

// shiftExpr moves the columns that e reads.
func shiftExpr(e expr.Expr, by int) expr.Expr {
	if by == 0 {
		return e
	}
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		if !ok {
			return nil, false
		}
		d := *c
		d.Index += by
		return &d, true
	})
}

func (r *rewriter) splitCondition(n *Node, op *Join) *Node {
	left, right := n.Inputs[0], n.Inputs[1]
	width := len(left.Schema)
	var keys, failing []keyPair
	var rest []expr.Expr
	seen := map[string]int{} // position in keys
	for _, c := range conjuncts(op.On) {
		k, ok := r.equality(c, width)
		switch {
		case ok && k.fallible:
			failing = append(failing, k)
		case ok:
			text := exprKey(k.left) + " " + exprKey(k.right)
			if i, twice := seen[text]; twice { // = says more than IS NOT DISTINCT FROM
				keys[i].nullSafe = keys[i].nullSafe && k.nullSafe
				break
			}
			seen[text] = len(keys)
			keys = append(keys, k)
		default:
			rest = append(rest, c)
		}
	}
	if len(keys) == 0 && len(op.LeftKeys) == 0 {
		for _, k := range failing {
			k.left = guarded(k.left, rest, width, onLeft)
			k.right = guarded(k.right, rest, width, onRight)
			keys = append(keys, k)
		}
	} else {
		for _, k := range failing {
			rest = append(rest, k.conjunct)
		}
	}
	if len(keys) == 0 {
		return n
	}
	j := *op
	var lx, rx []expr.Expr
	for _, k := range keys {
		lx, rx = append(lx, k.left), append(rx, k.right)
	}
	l, lcols := withColumns(left, lx)
	rn, rcols := withColumns(right, rx)
	// The columns of the join before, in the one with more columns.
	to := make([]int, width+len(right.Schema))
	for i := range to {
		to[i] = i
		if i >= width {
			to[i] += len(l.Schema) - width
		}
	}
	j.NullSafe = nullSafe(op, keys)
	j.LeftKeys = append(append([]int{}, op.LeftKeys...), lcols...)
	j.RightKeys = append(append([]int{}, op.RightKeys...), rcols...)
	j.On = conjunction(rest)
	if j.On != nil {
		j.On = remapColumns(j.On, to)
	}
	join := newNode(&j, joinSchema(op.Kind, l.Schema, rn.Schema), l, rn)
	if len(join.Schema) == len(n.Schema) {
		return join
	}
	exprs := make([]expr.Expr, len(n.Schema))
	for i := range exprs {
		exprs[i] = column(to[i], join.Schema[to[i]])
	}
	return reproject(join, exprs, n.Schema, DeadLetter)
}

func nullSafe(op *Join, keys []keyPair) []bool {
	out := make([]bool, len(op.LeftKeys))
	copy(out, op.NullSafe)
	any := false
	for _, k := range keys {
		out = append(out, k.nullSafe)
	}
	for _, x := range out {
		any = any || x
	}
	if !any {
		return nil
	}
	return out
}

// guarded computes e only for rows for which the conditions hold that read its side only; else it is NULL, which equals nothing.
func guarded(e expr.Expr, conds []expr.Expr, width int, on sideOf) expr.Expr {
	var guards []expr.Expr
	for _, c := range conds {
		if side(c, width) != on {
			continue
		}
		if on == onRight {
			c = shiftExpr(c, -width)
		}
		guards = append(guards, c)
	}
	if len(guards) == 0 {
		return e
	}
	return &expr.Case{Base: expr.Base{T: e.Type(), Sp: e.Span()}, Whens: []expr.When{{Cond: conjunction(guards), Then: e}}}
}

// withColumns makes expressions available as columns behind those of n, in a Project where one is not a column already.
func withColumns(n *Node, list []expr.Expr) (*Node, []int) {
	exprs := columnExprs(n.Schema)
	names := schemaNames(n.Schema)
	cols := make([]int, len(list))
	at := map[string]int{}
	for i, e := range list {
		if c := columnOf(e); c >= 0 && e.Type() == n.Schema[c].Type {
			cols[i] = c
			continue
		}
		key := exprKey(e)
		c, ok := at[key]
		if !ok {
			c = len(exprs)
			at[key] = c
			exprs, names = append(exprs, e), append(names, "$key")
		}
		cols[i] = c
	}
	if len(exprs) == len(n.Schema) {
		return n, cols
	}
	return newProject(n, exprs, names, DeadLetter), cols
}

// foldJoin drops a condition that is always true, and a join of which nothing can be left.
//
//	Join On(TRUE)         =>  Join
//	inner Join On(FALSE)  =>  Values()         anti Join On(FALSE)  =>  the left side
func foldJoin(n *Node, op *Join) *Node {
	if op.On == nil {
		return n
	}
	switch {
	case literalTrue(op.On):
		c := *op
		c.On = nil
		return n.withOp(&c, n.Schema)
	case literalFalse(op.On) && (op.Kind == InnerJoin || op.Kind == SemiJoin):
		return newNode(&Values{}, n.Schema)
	case literalFalse(op.On) && op.Kind == AntiJoin:
		return n.Inputs[0]
	case literalFalse(op.On) && op.Kind == LeftJoin:
		exprs := columnExprs(n.Inputs[0].Schema)
		for _, f := range n.Inputs[1].Schema {
			exprs = append(exprs, &expr.Literal{Base: expr.Base{T: f.Type}})
		}
		return reproject(n.Inputs[0], exprs, n.Schema, DeadLetter)
	}
	return n
}

// hashable reports whether keys of a type are equal when = says so. JSON's are when their texts are, so that 1.0 is not 1.
func hashable(t types.Type) bool {
	return t.Kind != types.JSONB && t.Kind != types.Record && !(t.Kind == types.Array && (t.Elem == types.JSONB || t.Elem == types.Record))
}
