package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// pulled is a plan that depends on a row around it, with the dependence pulled to its top as far as it goes: its rows are cols, over
// the columns of core and expr.Outer, of the rows of core for which preds are true.
type pulled struct {
	core  *Node
	cols  []expr.Expr
	preds []expr.Expr
}

// dependent reports whether a plan without Apply refers to a row around it.
func (d *decorrelator) dependent(n *Node) bool {
	found, ok := d.deps[n]
	if !ok {
		found = slices.ContainsFunc(nodeExprs(n), hasOuter) || slices.ContainsFunc(n.Inputs, d.dependent)
		d.deps[n] = found
	}
	return found
}

// pull pulls projections and filters that depend on the row around the plan to its top; with joins also through joins.
//
//	Filter(a = outer$0)(Project(x + outer$1 AS b)(r))  =>  core r, cols x + outer$1, preds a = outer$0
func (d *decorrelator) pull(n *Node, joins bool) *pulled {
	if !d.dependent(n) {
		return &pulled{core: n, cols: columnExprs(n.Schema)}
	}
	switch op := n.Op.(type) {
	case *Project:
		p := d.pull(n.in(), joins)
		cols := make([]expr.Expr, len(op.Exprs))
		for i, e := range op.Exprs {
			cols[i] = p.computed(d, substitute(e, p.cols))
		}
		p.cols = cols
		return p
	case *Filter:
		p := d.pull(n.in(), joins)
		for _, c := range conjuncts(op.Pred) {
			p.filter(d, substitute(c, p.cols))
		}
		return p
	case *Join:
		if joins {
			if p := d.pullJoin(n, op); p != nil {
				return p
			}
		}
	}
	return &pulled{core: n, cols: columnExprs(n.Schema)}
}

// computed lets the core compute an expression that needs no outer reference, where that cannot fail.
func (p *pulled) computed(d *decorrelator, e expr.Expr) expr.Expr {
	switch e.(type) {
	case *expr.Column, *expr.Literal, *expr.Now, *expr.Outer:
		return e
	}
	if hasOuter(e) || d.r.reg.Fallible(e) {
		return e
	}
	width := len(p.core.Schema)
	p.core = newProject(p.core, append(columnExprs(p.core.Schema), e), append(schemaNames(p.core.Schema), ""), DeadLetter)
	return column(width, p.core.Schema[width])
}

// filter adds a condition that is applied after the others.
func (p *pulled) filter(d *decorrelator, c expr.Expr) {
	fallible := d.r.reg.Fallible(c)
	switch {
	case !hasOuter(c) && (!fallible || len(p.preds) == 0):
		p.core = newFilter(p.core, c, DeadLetter)
		return
	case fallible: // it must not see rows that the others keep from it, not even those for which they are NULL
		for i, e := range p.preds {
			if name, _, _, ok := d.comparison(e); !ok || name != "=" {
				p.preds[i] = d.op("is true", e)
			}
		}
	}
	p.preds = append(p.preds, c)
}

// pullJoin pulls the dependence of the sides of an inner join above it, and that of the left side of other joins.
func (d *decorrelator) pullJoin(n *Node, op *Join) *pulled {
	if op.Kind == FullJoin || len(op.LeftKeys) > 0 {
		return nil
	}
	if op.Kind != InnerJoin && (d.dependent(n.Inputs[1]) || op.On != nil && hasOuter(op.On)) {
		return nil
	}
	l, r := d.pull(n.Inputs[0], true), d.pull(n.Inputs[1], true)
	width := len(l.core.Schema)
	shift := func(list []expr.Expr) []expr.Expr {
		out := make([]expr.Expr, len(list))
		for i, e := range list {
			out[i] = shifted(e, width)
		}
		return out
	}
	cols := append(slices.Clone(l.cols), shift(r.cols)...)
	var on, later []expr.Expr
	if op.On != nil {
		for _, c := range conjuncts(op.On) {
			if c = substitute(c, cols); hasOuter(c) || op.Kind == InnerJoin && d.r.reg.Fallible(c) {
				later = append(later, c)
			} else {
				on = append(on, c)
			}
		}
	}
	if op.Kind != InnerJoin && len(later) > 0 {
		return nil
	}
	c := *op
	c.On = conjunction(on)
	p := &pulled{core: newNode(&c, joinSchema(op.Kind, l.core.Schema, r.core.Schema), l.core, r.core), cols: cols}
	p.preds = append(slices.Clone(l.preds), shift(r.preds)...)
	for _, e := range later {
		p.filter(d, e)
	}
	switch op.Kind {
	case SemiJoin, AntiJoin:
		p.cols = p.cols[:len(l.cols)]
	case LeftJoin: // the columns of the right side can be NULL now
		for i, e := range p.cols[len(l.cols):] {
			if c, ok := e.(*expr.Column); ok {
				p.cols[len(l.cols)+i] = column(c.Index, p.core.Schema[c.Index])
			}
		}
	}
	return p
}

// shifted moves the columns that e reads by an offset.
func shifted(e expr.Expr, offset int) expr.Expr {
	if offset == 0 {
		return e
	}
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		if !ok {
			return nil, false
		}
		moved := *c
		moved.Index += offset
		return &moved, true
	})
}

// withArgs replaces outer references by the arguments.
func withArgs(e expr.Expr, args []expr.Expr) expr.Expr {
	return mapOuter(e, func(o *expr.Outer) expr.Expr { return args[o.Index] })
}

// apply joins the rows of left with those that right has for each of them; on is over left ++ right columns, or nil. Output: the left
// columns and then, but for SemiJoin and AntiJoin, the right ones.
func (d *decorrelator) apply(kind JoinKind, left, right *Node, args []expr.Expr, on expr.Expr) *Node {
	width := len(left.Schema)
	p := d.pull(right, true)
	global := isGlobal(p.core)
	if !global && d.dependent(p.core) {
		p = d.pull(right, false)
		global = isGlobal(p.core)
	}
	switch {
	case isUnit(p.core):
		return d.single(kind, width, left, right, p, args, on)
	case global:
		return d.single(kind, width, d.withGlobal(left, p.core, args), right, p, args, on)
	}
	if node := d.applyFunction(kind, left, right, p, args, on); node != nil {
		return node
	}
	var keys []expr.Expr
	if d.dependent(p.core) {
		u := d.unnest(left, args, p)
		core := p.core
		if len(p.preds) > 0 {
			core = newFilter(core, conjunction(p.preds), DeadLetter)
		}
		dep := u.push(core)
		args = u.args
		p = &pulled{core: dep.node, cols: p.cols}
		keys = u.joined(dep, width)
	}
	cond := keys
	for _, e := range p.preds {
		cond = append(cond, withArgs(shifted(e, width), args))
	}
	// The right columns over left ++ core; those that a left join must make NULL tell so by a marker.
	plain := true
	for _, e := range p.cols {
		plain = plain && columnOf(e) >= 0
	}
	core := p.core
	if kind == LeftJoin && !plain {
		core = newProject(core, append(columnExprs(core.Schema), boolLiteral(true)), append(schemaNames(core.Schema), "$matched"), DeadLetter)
	}
	cols := make([]expr.Expr, len(p.cols))
	for i, e := range p.cols {
		cols[i] = withArgs(shifted(e, width), args)
	}
	if on != nil {
		for _, c := range conjuncts(on) {
			cond = append(cond, substitute(c, append(columnExprs(left.Schema), cols...)))
		}
	}
	if node := d.existence(kind, left, core, cond); node != nil {
		return node
	}
	join := newJoin(kind, left, core, conjunction(cond))
	if kind == SemiJoin || kind == AntiJoin {
		return join
	}
	exprs := columnExprs(join.Schema[:width])
	for i, e := range cols {
		if columnOf(p.cols[i]) >= 0 {
			e = column(columnOf(e), join.Schema[columnOf(e)])
		} else if kind == LeftJoin {
			e = when(column(len(join.Schema)-1, join.Schema[len(join.Schema)-1]), e)
		}
		exprs = append(exprs, e)
	}
	return newProject(join, exprs, append(schemaNames(left.Schema), schemaNames(right.Schema)...), DeadLetter)
}

// existence is a SemiJoin or AntiJoin of which the condition does not tell the right rows apart: only whether there are any matters,
// which is one row of its own. It returns nil for other joins.
//
//	SemiJoin(l, r, p(l))  =>  Filter(p)(l) x Filter(n > 0)(Aggregate count(*) AS n(r))
//	AntiJoin(l, r, p(l))  =>  Filter((p AND n > 0) IS NOT TRUE)(l x Aggregate count(*) AS n(r))
func (d *decorrelator) existence(kind JoinKind, left, right *Node, cond []expr.Expr) *Node {
	width := len(left.Schema)
	if kind != SemiJoin && kind != AntiJoin {
		return nil
	}
	for _, e := range cond {
		if !readsOnly(e, func(c int) bool { return c < width }) {
			return nil
		}
	}
	zero := &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: int64(0)}
	count := d.aggregated(onlyRows(right), countRows())
	if kind == SemiJoin {
		if len(cond) > 0 {
			left = newFilter(left, conjunction(cond), DeadLetter)
		}
		found := newFilter(count, d.op(">", column(0, count.Schema[0]), zero), DeadLetter)
		return newJoin(InnerJoin, left, newProject(found, nil, nil, DeadLetter), nil)
	}
	join := newJoin(InnerJoin, left, count, nil)
	cond = append(slices.Clone(cond), d.op(">", column(width, join.Schema[width]), zero))
	return firstColumns(newFilter(join, d.op("is not true", conjunction(cond)), DeadLetter), left.Schema)
}

// when is CASE WHEN cond THEN e END.
func when(cond, e expr.Expr) expr.Expr {
	return &expr.Case{Base: expr.Base{T: e.Type(), Sp: e.Span()}, Whens: []expr.When{{Cond: cond, Then: e}}}
}

// isGlobal reports whether a node is an aggregation of all rows: one row, whatever it reads.
func isGlobal(n *Node) bool {
	a, ok := n.Op.(*Aggregate)
	return ok && len(a.Keys) == 0
}

// single finishes apply where each left row has one row of the core: joined has the columns of both.
func (d *decorrelator) single(kind JoinKind, width int, joined, right *Node, p *pulled, args []expr.Expr, on expr.Expr) *Node {
	cols := make([]expr.Expr, len(p.cols))
	for i, e := range p.cols {
		cols[i] = withArgs(shifted(e, width), args)
	}
	var list []expr.Expr
	for _, e := range p.preds {
		list = append(list, withArgs(shifted(e, width), args))
	}
	left := columnExprs(joined.Schema[:width])
	if on != nil {
		list = append(list, substitute(on, append(slices.Clone(left), cols...)))
	}
	cond := conjunction(list)
	node := joined
	switch kind {
	case AntiJoin:
		if cond == nil {
			cond = boolLiteral(true)
		}
		return firstColumns(newFilter(node, d.op("is not true", cond), DeadLetter), joined.Schema[:width])
	case LeftJoin:
		if cond != nil {
			for i, e := range cols {
				cols[i] = when(cond, e)
			}
		}
	default:
		if cond != nil {
			node = newFilter(node, cond, DeadLetter)
		}
	}
	if kind == SemiJoin {
		return firstColumns(node, joined.Schema[:width])
	}
	return newProject(node, append(left, cols...), append(schemaNames(joined.Schema[:width]), schemaNames(right.Schema)...), DeadLetter)
}

// withGlobal adds to each row the one row of an aggregation without keys.
//
//	Aggregate aggs(q)  =>  LeftJoin(left, Aggregate by d aggs(q')), counts that find no group being 0
func (d *decorrelator) withGlobal(left, agg *Node, args []expr.Expr) *Node {
	if !d.dependent(agg) {
		return newJoin(InnerJoin, left, agg, nil)
	}
	u := d.unnest(left, args, &pulled{core: agg})
	width := len(left.Schema)
	node, orig, at := u.groups(agg, u.push(agg.in()))
	join := newJoin(LeftJoin, left, node, conjunction(u.joined(&dependence{node: node, at: at}, width)))
	exprs := columnExprs(join.Schema[:width])
	return newProject(join, append(exprs, d.filled(agg, join, width+len(node.Schema)-len(orig))...), append(schemaNames(left.Schema), schemaNames(agg.Schema)...), DeadLetter)
}

// filled returns the aggregates of agg, which are columns of join from an offset on, or NULL where there is no group: then they have
// the value that they have over no rows.
func (d *decorrelator) filled(agg, join *Node, offset int) []expr.Expr {
	var exprs []expr.Expr
	for i, c := range agg.Op.(*Aggregate).Aggs {
		var e expr.Expr = column(offset+i, join.Schema[offset+i])
		if isCount(c.Fn) || len(c.Fn) > 22 && c.Fn[:22] == "approx_count_distinct(" {
			zero := &expr.Literal{Base: expr.Base{T: c.T}, Value: int64(0)}
			e = &expr.Case{Base: expr.Base{T: c.T}, Whens: []expr.When{{Cond: d.op("is not null", e), Then: e}}, Else: zero}
		}
		exprs = append(exprs, e)
	}
	return exprs
}

// applyFunction finishes apply for set-returning functions of the left row: they are put on the left rows themselves.
//
//	Apply(x, TableFunc f(outer$0)(Values ()))  =>  TableFunc f(a)(x)
func (d *decorrelator) applyFunction(kind JoinKind, left, right *Node, p *pulled, args []expr.Expr, on expr.Expr) *Node {
	if _, ok := p.core.Op.(*TableFunc); !ok || !isUnit(p.core.in()) || kind != InnerJoin && kind != LeftJoin {
		return nil
	}
	width := len(left.Schema)
	plain := true
	for _, e := range p.cols {
		plain = plain && columnOf(e) >= 0
	}
	if kind == LeftJoin && (len(p.preds) > 0 || on != nil && !literalTrue(d.r.reg.Fold(on)) || !plain) {
		return nil
	}
	c := *mapExprsOf(p.core, func(e expr.Expr) expr.Expr { return withArgs(e, args) }).Op.(*TableFunc)
	c.Outer = c.Outer || kind == LeftJoin
	schema := slices.Clone(left.Schema)
	for _, f := range p.core.Schema {
		f.NotNull = f.NotNull && !c.Outer
		schema = append(schema, f)
	}
	if kind == LeftJoin {
		on = nil
	}
	return d.single(InnerJoin, width, newNode(&c, schema, left), right, p, args, on)
}
