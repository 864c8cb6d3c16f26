package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// decorrelate replaces subqueries and Apply by joins: the plan that it returns has no expr.Subquery, expr.Outer or Apply.
//
//	Filter(EXISTS q)(x)          =>  SemiJoin(x, q)             also IN and ANY; NOT EXISTS and NOT IN are AntiJoins
//	Project(.., (q), ..)(x)      =>  Project(.., $i, ..)(Apply(x, q))
//	Apply(x, q)                  =>  Join(x, q')                where q' is q for all rows of x at once: see unnester
//
// Errors: CodeNotSupported for what cannot be taken apart.
func (r *rewriter) decorrelate(root *Node) (*Node, error) {
	if !hasSubqueries(root) {
		return root, nil
	}
	d := &decorrelator{r: r, done: map[*Node]*Node{}, deps: map[*Node]bool{}}
	out := d.node(root)
	return out, d.err
}

// hasSubqueries reports whether a plan has something to decorrelate.
func hasSubqueries(root *Node) bool {
	found := false
	root.each(func(n *Node) {
		_, isApply := n.Op.(*Apply)
		found = found || isApply || slices.ContainsFunc(nodeExprs(n), hasSubquery)
	})
	return found
}

func hasSubquery(e expr.Expr) bool {
	return anyExpr(e, func(x expr.Expr) bool { _, ok := x.(*expr.Subquery); return ok })
}

// nodeExprs returns the expressions of a node over its inputs.
func nodeExprs(n *Node) []expr.Expr {
	switch op := n.Op.(type) {
	case *Filter:
		return []expr.Expr{op.Pred}
	case *Project:
		return op.Exprs
	case *Values:
		var all []expr.Expr
		for _, row := range op.Rows {
			all = append(all, row...)
		}
		return all
	case *Join:
		if op.On != nil {
			return []expr.Expr{op.On}
		}
	case *TemporalJoin:
		if op.On != nil {
			return []expr.Expr{op.On}
		}
	case *Apply:
		if op.On != nil {
			return append(slices.Clone(op.Args), op.On)
		}
		return op.Args
	case *TableFunc:
		var all []expr.Expr
		for _, c := range op.Calls {
			all = append(all, c.Args...)
		}
		return all
	}
	return nil
}

// mapExprsOf applies f to the expressions of nodeExprs.
func mapExprsOf(n *Node, f func(expr.Expr) expr.Expr) *Node {
	on := func(e expr.Expr) expr.Expr {
		if e == nil {
			return nil
		}
		return f(e)
	}
	all := func(list []expr.Expr) []expr.Expr {
		out := make([]expr.Expr, len(list))
		for i, e := range list {
			out[i] = f(e)
		}
		return out
	}
	switch op := n.Op.(type) {
	case *Join:
		c := *op
		c.On = on(op.On)
		return n.withOp(&c, n.Schema)
	case *TemporalJoin:
		c := *op
		c.On = on(op.On)
		return n.withOp(&c, n.Schema)
	case *Apply:
		return n.withOp(&Apply{Kind: op.Kind, Args: all(op.Args), On: on(op.On)}, n.Schema)
	case *TableFunc:
		c := *op
		c.Calls = slices.Clone(op.Calls)
		for i := range c.Calls {
			c.Calls[i].Args = all(c.Calls[i].Args)
		}
		return n.withOp(&c, n.Schema)
	}
	return mapNodeExprs(n, f)
}

// decorrelator works bottom up: what it takes apart has no subqueries or Apply below, but may refer to a query further out.
type decorrelator struct {
	r    *rewriter
	done map[*Node]*Node
	deps map[*Node]bool // what dependent found
	err  error          // the first
}

func (d *decorrelator) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// op applies an operator whose arguments fit it.
func (d *decorrelator) op(name string, args ...expr.Expr) expr.Expr {
	e, err := d.r.reg.Op(name, args, args[0].Span())
	if err != nil {
		d.fail(err)
		return boolLiteral(false)
	}
	return e
}

// node returns the plan without subqueries.
func (d *decorrelator) node(n *Node) *Node {
	if m, ok := d.done[n]; ok {
		return m
	}
	inputs := make([]*Node, len(n.Inputs))
	for i, in := range n.Inputs {
		inputs[i] = d.node(in)
	}
	m := d.one(n.rebuild(inputs...))
	d.done[n] = m
	return m
}

// one takes the operator of n apart.
func (d *decorrelator) one(n *Node) *Node {
	if op, ok := n.Op.(*Apply); ok {
		return d.lateral(n, op)
	}
	if !slices.ContainsFunc(nodeExprs(n), hasSubquery) {
		return n
	}
	switch op := n.Op.(type) {
	case *Filter:
		return d.filter(n, op)
	case *Project:
		l := d.lift(n.in())
		exprs := make([]expr.Expr, len(op.Exprs))
		for i, e := range op.Exprs {
			exprs[i] = l.expr(e, false)
		}
		return reproject(l.node, exprs, n.Schema, op.OnError)
	case *Values:
		return d.one(valuesAsUnion(n, op))
	case *Union:
		return n
	case *Join:
		return d.joinOn(n, op)
	case *TableFunc:
		l := d.lift(n.in())
		m := mapExprsOf(n, func(e expr.Expr) expr.Expr { return l.expr(e, false) })
		return appended(m.Op, n, l.node, len(l.node.Schema))
	}
	d.fail(types.NotSupported(spanOfSubquery(n), "a subquery here"))
	return n
}

// spanOfSubquery is where the first subquery of a node stands.
func spanOfSubquery(n *Node) types.Span {
	var sp types.Span
	for _, e := range nodeExprs(n) {
		expr.Walk(e, func(x expr.Expr) {
			if _, ok := x.(*expr.Subquery); ok && sp.IsZero() {
				sp = x.Span()
			}
		})
	}
	return sp
}

// unit is the relation of one row without columns.
func unit() *Node { return newNode(&Values{Rows: [][]expr.Expr{{}}}, nil) }

func isUnit(n *Node) bool {
	v, ok := n.Op.(*Values)
	return ok && len(v.Rows) == 1 && len(n.Schema) == 0
}

// valuesAsUnion computes each row of VALUES from nothing.
//
//	Values (a), (b)  =>  Union(Project a(Values ()), Project b(Values ()))
func valuesAsUnion(n *Node, op *Values) *Node {
	branches := make([]*Node, len(op.Rows))
	for i, row := range op.Rows {
		branches[i] = reproject(unit(), row, n.Schema, DeadLetter)
	}
	return newUnion(branches)
}

// appended puts an operator that appends columns to those of old's input on a node that has these and others behind them, and
// leaves those others out: the columns of old.
func appended(op Op, old, in *Node, width int) *Node {
	base := len(old.in().Schema)
	schema := append(slices.Clone(in.Schema), old.Schema[base:]...)
	node := newNode(op, schema, in)
	if width == base {
		return node
	}
	var exprs []expr.Expr
	for i := range old.Schema {
		if i >= base {
			i += width - base
		}
		exprs = append(exprs, column(i, schema[i]))
	}
	return reproject(node, exprs, old.Schema, DeadLetter)
}

// filter takes the subqueries of a condition apart. Conjuncts without subqueries that cannot fail go first.
func (d *decorrelator) filter(n *Node, op *Filter) *Node {
	width := len(n.Schema)
	var first, rest, other []expr.Expr
	for _, c := range conjuncts(d.r.reg.Fold(op.Pred)) {
		switch {
		case hasSubquery(c):
			other = append(other, c)
		case d.r.reg.Fallible(c):
			rest = append(rest, c)
		default:
			first = append(first, c)
		}
	}
	in := n.in()
	if len(first) > 0 {
		in = newFilter(in, conjunction(first), op.OnError)
	}
	l := d.lift(in)
	for _, c := range other {
		if !l.conjunct(c) {
			rest = append(rest, l.expr(c, true))
		}
	}
	node := l.node
	if len(rest) > 0 {
		node = newFilter(node, conjunction(rest), op.OnError)
	}
	return firstColumns(node, n.Schema[:width])
}

// firstColumns leaves out the columns behind those of a schema.
func firstColumns(n *Node, like types.Schema) *Node {
	if len(n.Schema) == len(like) {
		return n
	}
	return reproject(n, columnExprs(n.Schema[:len(like)]), like, DeadLetter)
}

// lateral takes an Apply apart.
func (d *decorrelator) lateral(n *Node, op *Apply) *Node {
	left, right := n.Inputs[0], n.Inputs[1]
	if op.On == nil || !hasSubquery(op.On) {
		return renamed(d.apply(op.Kind, left, right, op.Args, op.On), n.Schema)
	}
	if op.Kind != InnerJoin {
		matching, args := d.matching(left, right, op.On, op.Args)
		return renamed(d.apply(op.Kind, left, matching, args, nil), n.Schema)
	}
	pairs := renamed(d.apply(InnerJoin, left, right, op.Args, nil), n.Schema)
	return d.one(newFilter(pairs, op.On, DeadLetter))
}

// matching filters the right side of a join by the join's condition, for a row of the left side around it: the left columns become
// outer references behind those of args.
func (d *decorrelator) matching(left, right *Node, on expr.Expr, args []expr.Expr) (*Node, []expr.Expr) {
	width := len(left.Schema)
	args = slices.Clone(args)
	pred := mapExpr(on, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		if !ok {
			return nil, false
		}
		if c.Index >= width {
			return shifted(c, -width), true
		}
		i := slices.IndexFunc(args, func(a expr.Expr) bool { return sameExpr(a, c) })
		if i < 0 {
			i = len(args)
			args = append(args, c)
		}
		return &expr.Outer{Base: c.Base, Index: i, Name: c.Name}, true
	})
	return d.one(newFilter(right, pred, DeadLetter)), args
}

// mixedSubquery returns a subquery in a join's condition that refers to both sides, or nil.
func mixedSubquery(on expr.Expr, width int) expr.Expr {
	var found expr.Expr
	expr.Walk(on, func(x expr.Expr) {
		if _, ok := x.(*expr.Subquery); ok && !readsOnly(x, func(c int) bool { return c < width }) && !readsOnly(x, func(c int) bool { return c >= width }) {
			found = x
		}
	})
	return found
}

// joinOn takes the subqueries of a join's condition apart: of an inner join they stand above it; of others each becomes a column of
// the side that it refers to. What refers to both sides makes the right side depend on the left one, as by LATERAL.
func (d *decorrelator) joinOn(n *Node, op *Join) *Node {
	width := len(n.Inputs[0].Schema)
	if op.Kind == InnerJoin {
		var on, above []expr.Expr
		for _, c := range conjuncts(op.On) {
			if hasSubquery(c) {
				above = append(above, c)
			} else {
				on = append(on, c)
			}
		}
		c := *op
		c.On = conjunction(on)
		return d.one(newFilter(n.withOp(&c, n.Schema), conjunction(above), op.OnError))
	}
	if mixed := mixedSubquery(op.On, width); mixed != nil {
		if op.Kind == FullJoin {
			d.fail(types.NotSupported(mixed.Span(), "a subquery in ON of a FULL JOIN that refers to both sides"))
			return n
		}
		matching, args := d.matching(n.Inputs[0], n.Inputs[1], op.On, nil)
		return renamed(d.apply(op.Kind, n.Inputs[0], matching, args, nil), n.Schema)
	}
	const apart = 1 << 22 // where the columns of the right side begin while both sides grow
	sides := [2]*lifting{d.lift(n.Inputs[0]), d.lift(n.Inputs[1])}
	on := mapExpr(op.On, func(x expr.Expr) (expr.Expr, bool) {
		switch x := x.(type) {
		case *expr.Column:
			if x.Index >= width {
				return shifted(x, apart-width), true
			}
			return x, true
		case *expr.Subquery:
			if readsOnly(x, func(c int) bool { return c >= width }) {
				return shifted(sides[1].expr(shifted(x, -width), false), apart), true
			}
			return sides[0].expr(x, false), true
		}
		return nil, false
	})
	left, right := sides[0].node, sides[1].node
	on = mapExpr(on, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		if !ok || c.Index < apart {
			return nil, false
		}
		moved := *c
		moved.Index += len(left.Schema) - apart
		return &moved, true
	})
	join := newJoin(op.Kind, left, right, on)
	exprs := make([]expr.Expr, len(n.Schema))
	for i := range exprs {
		at := i
		if i >= width {
			at += len(left.Schema) - width
		}
		exprs[i] = column(at, join.Schema[at])
	}
	return reproject(join, exprs, n.Schema, op.OnError)
}
