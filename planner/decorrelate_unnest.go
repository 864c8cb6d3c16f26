package planner

import (
	"fmt"
	"maps"
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// unnester computes a plan that depends on the row around it for all those rows at once. The result of push(n) holds the rows of n for
// every value of the outer references, beside that value; joined with the rows around on it, each finds its own.
//
// The values come from the domain, the distinct arguments of the rows around, joined to where they are needed; or, where the plan
// asks for rows whose column equals an outer reference, from that column, so that the domain is not needed at all.
//
// Source: Neumann, Kemper, "Unnesting Arbitrary Queries", BTW 2015.
type unnester struct {
	*decorrelator
	left *Node
	args []expr.Expr // over left; grows by what is computed from others alone
	// exposed are the arguments whose value is used otherwise than in comparisons.
	exposed map[int]bool
	// twin is an argument of type text by which the values of another are told apart that are equal but not the same: 1.0 and 1.00.
	twin    map[int]int
	domains map[string]*Node
	memo    map[*Node]*dependence
}

// dependence is a plan for all values of the outer references at once. The first columns of node are those of the plan.
type dependence struct {
	node *Node
	at   map[int]binding // the outer references that the plan depends on
}

// binding is the column of the value of an outer reference. A strict one equals it by =, so that rows with NULL belong to none;
// else NULL is a value like others.
type binding struct {
	col    int
	strict bool
}

func (d *dependence) bound() []int { return slices.Sorted(maps.Keys(d.at)) }

func (d *decorrelator) unnest(left *Node, args []expr.Expr, p *pulled) *unnester {
	u := &unnester{decorrelator: d, left: left, args: slices.Clone(args), exposed: map[int]bool{}, twin: map[int]int{},
		domains: map[string]*Node{}, memo: map[*Node]*dependence{}}
	var look func(e expr.Expr)
	look = func(e expr.Expr) {
		if o, ok := e.(*expr.Outer); ok {
			u.exposed[o.Index] = true
			return
		}
		_, _, _, compares := d.comparison(e)
		for _, k := range expr.Children(e) {
			if _, ok := k.(*expr.Outer); !ok || !compares {
				look(k)
			}
		}
	}
	p.core.each(func(n *Node) {
		for _, e := range nodeExprs(n) {
			look(e)
		}
	})
	for _, e := range p.preds {
		look(e)
	}
	for _, i := range slices.Sorted(maps.Keys(u.exposed)) {
		if identical(args[i].Type()) {
			continue
		}
		if text, err := expr.Cast(args[i], types.TextType, expr.Explicit); err == nil {
			u.twin[i] = len(u.args)
			u.args = append(u.args, text)
		}
	}
	return u
}

// joined returns the conditions that give each row around, in the columns before offset, its rows of dep.
func (u *unnester) joined(dep *dependence, offset int) []expr.Expr {
	var list []expr.Expr
	strict := map[string]bool{}
	for _, want := range []bool{true, false} { // = says more than IS NOT DISTINCT FROM
		for _, i := range dep.bound() {
			b := dep.at[i]
			key := fmt.Sprint(exprKey(u.args[i]), b.col)
			if b.strict != want || strict[key] {
				continue
			}
			strict[key] = want
			list = append(list, u.equal(u.args[i], column(offset+b.col, dep.node.Schema[b.col]), b.strict))
		}
	}
	return list
}

func (u *unnester) equal(l, r expr.Expr, strict bool) expr.Expr {
	if strict {
		return u.op("=", l, r)
	}
	return u.op("is not distinct from", l, r)
}

// domain returns the distinct values of some arguments.
func (u *unnester) domain(set []int) *Node {
	key := fmt.Sprint(set)
	if n, ok := u.domains[key]; ok {
		return n
	}
	exprs := make([]expr.Expr, len(set))
	names := make([]string, len(set))
	for i, a := range set {
		exprs[i], names[i] = u.args[a], keyName(u.args[a])
	}
	n := distinct(newProject(u.left, exprs, names, DeadLetter))
	u.domains[key] = n
	return n
}

// arg returns the index of an argument that is computed from outer references alone.
func (u *unnester) arg(e expr.Expr) int {
	if o, ok := e.(*expr.Outer); ok {
		return o.Index
	}
	e = withArgs(e, u.args)
	for i, have := range u.args {
		if sameExpr(have, e) {
			return i
		}
	}
	u.args = append(u.args, e)
	return len(u.args) - 1
}

// replaced returns e with the outer references that are bound by columns, moved by an offset.
func (d *dependence) replaced(e expr.Expr) expr.Expr {
	return mapOuter(e, func(o *expr.Outer) expr.Expr {
		if b, ok := d.at[o.Index]; ok {
			return column(b.col, d.node.Schema[b.col])
		}
		return o
	})
}

func outersIn(list ...expr.Expr) []int {
	seen := map[int]bool{}
	for _, e := range list {
		expr.Walk(e, func(x expr.Expr) {
			if o, ok := x.(*expr.Outer); ok {
				seen[o.Index] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(seen))
}

// bind joins the domain of the outer references in need that are not bound, and keeps the rows for which preds hold.
func (u *unnester) bind(d *dependence, need []int, preds ...expr.Expr) *dependence {
	need = append(slices.Clone(need), outersIn(preds...)...)
	set := map[int]bool{}
	for _, i := range need {
		if _, ok := d.at[i]; !ok {
			set[i] = true
			if t, ok := u.twin[i]; ok {
				set[t] = true
			}
		}
	}
	if len(set) == 0 {
		if len(preds) == 0 {
			return d
		}
		conds := make([]expr.Expr, len(preds))
		for i, e := range preds {
			conds[i] = d.replaced(e)
		}
		return &dependence{node: newFilter(d.node, conjunction(conds), DeadLetter), at: d.at}
	}
	for i := range d.at { // joined by those that are bound
		set[i] = true
	}
	list := slices.Sorted(maps.Keys(set))
	domain := u.domain(list)
	width := len(d.node.Schema)
	at := maps.Clone(d.at)
	var on []expr.Expr
	for pos, i := range list {
		value := column(width+pos, domain.Schema[pos])
		if b, ok := d.at[i]; ok {
			on = append(on, u.equal(column(b.col, d.node.Schema[b.col]), value, b.strict))
		} else {
			at[i] = binding{col: width + pos}
		}
	}
	if isUnit(d.node) {
		out := &dependence{node: domain, at: at}
		return u.bind(out, nil, preds...)
	}
	join := newJoin(InnerJoin, d.node, domain, nil)
	out := &dependence{node: join, at: at}
	for _, e := range preds {
		on = append(on, out.replaced(e))
	}
	out.node = newJoin(InnerJoin, d.node, domain, conjunction(on))
	return out
}

// arranged projects a node to the columns of the plan, in orig, and those of the bindings behind them.
func arranged(node *Node, orig []int, at map[int]binding, like types.Schema) *dependence {
	same := true
	for i, c := range orig {
		same = same && c == i
	}
	if same {
		return &dependence{node: node, at: at}
	}
	exprs := make([]expr.Expr, 0, len(orig)+len(at))
	names := schemaNames(like)
	where := map[int]int{}
	for i, c := range orig {
		exprs = append(exprs, column(c, node.Schema[c]))
		if _, ok := where[c]; !ok {
			where[c] = i
		}
	}
	out := map[int]binding{}
	for _, i := range slices.Sorted(maps.Keys(at)) {
		b := at[i]
		if _, ok := where[b.col]; !ok {
			where[b.col] = len(exprs)
			exprs, names = append(exprs, column(b.col, node.Schema[b.col])), append(names, node.Schema[b.col].Name)
		}
		out[i] = binding{col: where[b.col], strict: b.strict}
	}
	return &dependence{node: newProject(node, exprs, names, DeadLetter), at: out}
}

func countUp(from, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = from + i
	}
	return out
}

// push returns n for all values of the outer references.
func (u *unnester) push(n *Node) *dependence {
	if d, ok := u.memo[n]; ok {
		return d
	}
	d := u.step(n)
	u.memo[n] = d
	return d
}

func (u *unnester) step(n *Node) *dependence {
	if !u.dependent(n) {
		return &dependence{node: n, at: map[int]binding{}}
	}
	switch op := n.Op.(type) {
	case *Filter:
		return u.filter(u.push(n.in()), conjuncts(op.Pred))
	case *Project:
		return u.project(n, op)
	case *Aggregate:
		if len(op.Keys) == 0 {
			return u.globalGroups(n)
		}
		return u.grouped(n, u.push(n.in()))
	case *Join:
		return u.join(n, op)
	case *Union:
		return u.union(n)
	case *Values:
		return u.push(valuesAsUnion(n, op))
	case *WindowExpand:
		c := *op
		return u.appending(n, &c, u.push(n.in()))
	case *SessionExpand:
		in := u.push(n.in())
		c := *op
		c.Partition = in.partition(op.Partition)
		return u.appending(n, &c, in)
	case *TopN:
		in := u.push(n.in())
		c := *op
		c.Partition = in.partition(op.Partition)
		return u.appending(n, &c, in)
	case *Over:
		in := u.push(n.in())
		c := *op
		c.Partition = in.partition(op.Partition)
		return u.appending(n, &c, in)
	case *TemporalFilter:
		in := u.push(n.in())
		return &dependence{node: newNode(op, in.node.Schema, in.node), at: in.at}
	case *TableFunc:
		in := u.bind(u.push(n.in()), outersIn(nodeExprs(n)...))
		m := mapExprsOf(n, in.replaced)
		return u.appending(n, m.Op, in)
	case *TemporalJoin, *AsofJoin:
		if !u.dependent(n.Inputs[1]) && len(outersIn(nodeExprs(n)...)) == 0 {
			return u.lookup(n)
		}
	}
	u.fail(types.NotSupported(outerSpan(n), "a reference to an outer query below %s", operatorName(n.Op)))
	return &dependence{node: n, at: map[int]binding{}}
}

// operatorName is how messages name an operator.
func operatorName(op Op) string {
	switch op.(type) {
	case *TemporalJoin:
		return "FOR SYSTEM_TIME AS OF"
	case *AsofJoin:
		return "the right side of ASOF JOIN"
	}
	return fmt.Sprintf("%T", op)[len("*planner."):]
}

// outerSpan is where some outer reference of a plan stands.
func outerSpan(n *Node) types.Span {
	var sp types.Span
	n.each(func(n *Node) {
		for _, e := range nodeExprs(n) {
			expr.Walk(e, func(x expr.Expr) {
				if o, ok := x.(*expr.Outer); ok && sp.IsZero() {
					sp = o.Sp
				}
			})
		}
	})
	return sp
}

// partition returns the columns of a partition and those of the bindings.
func (d *dependence) partition(cols []int) []int {
	out := slices.Clone(cols)
	for _, i := range d.bound() {
		if c := d.at[i].col; !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// appending puts an operator that appends columns, or none, on a dependence.
func (u *unnester) appending(n *Node, op Op, in *dependence) *dependence {
	base, width := len(n.in().Schema), len(in.node.Schema)
	node := newNode(op, append(slices.Clone(in.node.Schema), n.Schema[base:]...), in.node)
	return arranged(node, append(countUp(0, base), countUp(width, len(n.Schema)-base)...), in.at, n.Schema)
}

// filter binds outer references by the columns that the condition sets equal to them.
//
//	Filter(a = outer$0 AND b > outer$1)(x)  =>  bound 0 by a; Join(x, domain [1], b > d1)
func (u *unnester) filter(in *dependence, conjs []expr.Expr) *dependence {
	var free, rest []expr.Expr
	for _, c := range conjs {
		if !hasOuter(c) && !u.r.reg.Fallible(c) {
			free = append(free, c)
		}
	}
	if len(free) > 0 {
		in = &dependence{node: newFilter(in.node, conjunction(free), DeadLetter), at: in.at}
	}
	for _, c := range conjs {
		if !hasOuter(c) && !u.r.reg.Fallible(c) {
			continue
		}
		if bound := u.bindEqual(in, c); bound != nil {
			in = bound
			continue
		}
		rest = append(rest, c)
	}
	return u.bind(in, nil, rest...)
}

// bindEqual binds an outer reference by a condition that sets it equal to what the node has; nil if the condition does not.
func (u *unnester) bindEqual(in *dependence, c expr.Expr) *dependence {
	name, l, r, ok := u.comparison(c)
	if !ok || name != "=" && name != "is not distinct from" {
		return nil
	}
	if hasOuter(l) {
		l, r = r, l
	}
	if hasOuter(l) || len(expr.Columns(l)) == 0 || !hasOuter(r) || len(expr.Columns(r)) > 0 || volatile(u.r.reg, c) || readsClock(c) {
		return nil
	}
	if l.Type().Base() != r.Type().Base() {
		return nil
	}
	i := u.arg(r)
	if _, bound := in.at[i]; bound || u.exposed[i] && !identical(r.Type()) {
		return nil
	}
	at := maps.Clone(in.at)
	node := in.node
	col := columnOf(l)
	if col < 0 {
		col = len(node.Schema)
		node = newProject(node, append(columnExprs(node.Schema), l), append(schemaNames(node.Schema), ""), DeadLetter)
	}
	at[i] = binding{col: col, strict: name == "="}
	return &dependence{node: node, at: at}
}

func (u *unnester) project(n *Node, op *Project) *dependence {
	in := u.bind(u.push(n.in()), outersIn(op.Exprs...))
	exprs := make([]expr.Expr, len(op.Exprs))
	names := schemaNames(n.Schema)
	where := map[int]int{}
	for i, e := range op.Exprs {
		exprs[i] = in.replaced(e)
		if c := columnOf(exprs[i]); c >= 0 {
			if _, ok := where[c]; !ok {
				where[c] = i
			}
		}
	}
	at := map[int]binding{}
	for _, i := range in.bound() {
		b := in.at[i]
		if _, ok := where[b.col]; !ok {
			where[b.col] = len(exprs)
			f := in.node.Schema[b.col]
			exprs, names = append(exprs, column(b.col, f)), append(names, f.Name)
		}
		at[i] = binding{col: where[b.col], strict: b.strict}
	}
	return &dependence{node: newProject(in.node, exprs, names, op.OnError), at: at}
}

// grouped adds the bindings to the keys of an aggregation.
func (u *unnester) grouped(n *Node, in *dependence) *dependence {
	node, orig, at := u.groups(n, in)
	return arranged(node, orig, at, n.Schema)
}

// groups adds the bindings to the keys of an aggregation; orig are its own columns. Of one without keys, the values without rows have
// no group.
func (u *unnester) groups(n *Node, in *dependence) (node *Node, orig []int, at map[int]binding) {
	op := *n.Op.(*Aggregate)
	keys := len(op.Keys)
	op.Keys = slices.Clone(op.Keys)
	at = map[int]binding{}
	for _, i := range in.bound() {
		b := in.at[i]
		pos := slices.Index(op.Keys, b.col)
		if pos < 0 {
			pos = len(op.Keys)
			op.Keys = append(op.Keys, b.col)
		}
		at[i] = binding{col: pos, strict: b.strict}
	}
	names := append([]string{}, schemaNames(n.Schema[:keys])...)
	for _, k := range op.Keys[keys:] {
		names = append(names, in.node.Schema[k].Name)
	}
	names = append(names, schemaNames(n.Schema[keys:])...)
	return newAggregate(in.node, &op, names), append(countUp(0, keys), countUp(len(op.Keys), len(op.Aggs))...), at
}

// globalGroups is an aggregation without keys: every value of the domain has a row.
func (u *unnester) globalGroups(n *Node) *dependence {
	node, orig, bound := u.groups(n, u.push(n.in()))
	groups := &dependence{node: node, at: bound}
	set := groups.bound()
	domain := u.domain(set)
	var on []expr.Expr
	at := map[int]binding{}
	for pos, i := range set {
		b := groups.at[i]
		on = append(on, u.equal(column(pos, domain.Schema[pos]), column(len(set)+b.col, groups.node.Schema[b.col]), b.strict))
		at[i] = binding{col: len(n.Schema) + pos}
	}
	join := newJoin(LeftJoin, domain, groups.node, conjunction(on))
	exprs := append(u.filled(n, join, len(set)+len(node.Schema)-len(orig)), columnExprs(join.Schema[:len(set)])...)
	names := append(schemaNames(n.Schema), schemaNames(domain.Schema)...)
	return &dependence{node: newProject(join, exprs, names, DeadLetter), at: at}
}

func (u *unnester) join(n *Node, op *Join) *dependence {
	l, r := u.push(n.Inputs[0]), u.push(n.Inputs[1])
	wl, wr := len(n.Inputs[0].Schema), len(n.Inputs[1].Schema)
	var conds []expr.Expr
	if op.On != nil {
		conds = conjuncts(op.On)
	}
	if op.Kind != InnerJoin {
		need := append(r.bound(), outersIn(conds...)...)
		if op.Kind == FullJoin {
			return u.fullJoin(n, op, u.bind(l, append(need, l.bound()...)), u.bind(r, append(need, l.bound()...)))
		}
		l = u.bind(l, need)
	}
	left := len(l.node.Schema)
	to := append(countUp(0, wl), countUp(left, wr)...) // columns of the plan in the join
	value := func(i int) (expr.Expr, bool) {
		if b, ok := l.at[i]; ok {
			return column(b.col, l.node.Schema[b.col]), true
		}
		if b, ok := r.at[i]; ok {
			return column(left+b.col, r.node.Schema[b.col]), true
		}
		return nil, false
	}
	moved := func(e expr.Expr) expr.Expr {
		return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			switch x := x.(type) {
			case *expr.Column:
				c := *x
				c.Index = to[x.Index]
				return &c, true
			case *expr.Outer:
				if v, ok := value(x.Index); ok {
					return v, true
				}
				return x, true
			}
			return nil, false
		})
	}
	var on, later []expr.Expr
	for _, c := range conds {
		if c = moved(c); hasOuter(c) {
			later = append(later, c)
		} else {
			on = append(on, c)
		}
	}
	at := map[int]binding{}
	for _, i := range l.bound() {
		at[i] = l.at[i]
	}
	for _, i := range r.bound() {
		b := r.at[i]
		have, both := l.at[i]
		if !both {
			at[i] = binding{col: left + b.col, strict: b.strict}
			continue
		}
		strict := have.strict || b.strict
		on = append(on, u.equal(column(have.col, l.node.Schema[have.col]), column(left+b.col, r.node.Schema[b.col]), strict))
		if op.Kind == InnerJoin {
			at[i] = binding{col: have.col, strict: strict}
		}
	}
	node := newJoin(op.Kind, l.node, r.node, conjunction(on))
	if op.Kind == SemiJoin || op.Kind == AntiJoin {
		return &dependence{node: node, at: at}
	}
	out := &dependence{node: node, at: at}
	if len(later) > 0 {
		out = u.bind(out, nil, later...)
	}
	return arranged(out.node, to, out.at, n.Schema)
}

// fullJoin joins two sides that are bound alike; the value of a row comes from the side that has it.
func (u *unnester) fullJoin(n *Node, op *Join, l, r *dependence) *dependence {
	l, r = u.nullSafe(l), u.nullSafe(r)
	left, wl := len(l.node.Schema), len(n.Inputs[0].Schema)
	var on []expr.Expr
	if op.On != nil {
		on = append(on, l.replaced(mapExpr(op.On, func(x expr.Expr) (expr.Expr, bool) {
			c, ok := x.(*expr.Column)
			if !ok || c.Index < wl {
				return nil, false
			}
			moved := *c
			moved.Index += left - wl
			return &moved, true
		})))
	}
	side := func(d *dependence, i, offset int) expr.Expr {
		return column(offset+d.at[i].col, d.node.Schema[d.at[i].col])
	}
	// A row of one side only has NULL for the other's columns: a marker tells that from a value that is NULL.
	marked := newProject(l.node, append(columnExprs(l.node.Schema), boolLiteral(true)), append(schemaNames(l.node.Schema), "$left"), DeadLetter)
	for i, e := range on {
		on[i] = mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			c, ok := x.(*expr.Column)
			if !ok || c.Index < left {
				return nil, false
			}
			moved := *c
			moved.Index++
			return &moved, true
		})
	}
	for _, i := range l.bound() {
		on = append(on, u.equal(side(l, i, 0), side(r, i, left+1), false))
	}
	join := newJoin(FullJoin, marked, r.node, conjunction(on))
	var exprs []expr.Expr
	names := schemaNames(n.Schema)
	for i := range n.Schema {
		if i >= wl {
			i += left + 1 - wl
		}
		exprs = append(exprs, column(i, join.Schema[i]))
	}
	at := map[int]binding{}
	for _, i := range l.bound() {
		at[i] = binding{col: len(exprs)}
		a, b := side(l, i, 0), side(r, i, left+1)
		exprs = append(exprs, &expr.Case{Base: expr.Base{T: a.Type()}, Whens: []expr.When{{Cond: column(left, join.Schema[left]), Then: a}}, Else: b})
		names = append(names, "")
	}
	return &dependence{node: newProject(join, exprs, names, op.OnError), at: at}
}

// nullSafe drops the rows whose strict bindings are NULL: they belong to no value.
func (u *unnester) nullSafe(d *dependence) *dependence {
	var preds []expr.Expr
	at := map[int]binding{}
	for _, i := range d.bound() {
		b := d.at[i]
		at[i] = binding{col: b.col}
		if b.strict && !d.node.Schema[b.col].NotNull {
			preds = append(preds, u.op("is not null", column(b.col, d.node.Schema[b.col])))
		}
	}
	node := d.node
	if len(preds) > 0 {
		node = newFilter(node, conjunction(preds), DeadLetter)
	}
	return &dependence{node: node, at: at}
}

// union binds the same references in all inputs.
func (u *unnester) union(n *Node) *dependence {
	deps := make([]*dependence, len(n.Inputs))
	all := map[int]bool{}
	for i, in := range n.Inputs {
		deps[i] = u.push(in)
		for _, o := range deps[i].bound() {
			all[o] = true
		}
	}
	set := slices.Sorted(maps.Keys(all))
	strict := map[int]bool{}
	for _, i := range set {
		strict[i] = true
	}
	for i := range deps {
		deps[i] = u.bind(deps[i], set)
		for o, b := range deps[i].at {
			strict[o] = strict[o] && b.strict
		}
	}
	at := map[int]binding{}
	branches := make([]*Node, len(deps))
	for i, d := range deps {
		if slices.ContainsFunc(set, func(o int) bool { return d.at[o].strict && !strict[o] }) {
			d = u.nullSafe(d)
		}
		exprs := columnExprs(d.node.Schema[:len(n.Schema)])
		names := schemaNames(n.Schema)
		for _, o := range set {
			at[o] = binding{col: len(exprs), strict: strict[o]}
			f := d.node.Schema[d.at[o].col]
			// Branches may bind by columns whose types differ in their modifiers.
			f.Type = u.args[o].Type().Base()
			e := expr.Expr(column(d.at[o].col, d.node.Schema[d.at[o].col]))
			if e.Type() != f.Type {
				var err error
				if e, err = expr.Cast(e, f.Type, expr.Explicit); err != nil {
					u.fail(err)
				}
			}
			exprs, names = append(exprs, e), append(names, f.Name)
		}
		branches[i] = newProject(d.node, exprs, names, DeadLetter)
	}
	return &dependence{node: newUnion(branches), at: at}
}

// lookup pushes through a join that looks the rows of its left side up in an independent right one.
func (u *unnester) lookup(n *Node) *dependence {
	l := u.push(n.Inputs[0])
	wl, wr := len(n.Inputs[0].Schema), len(n.Inputs[1].Schema)
	left := len(l.node.Schema)
	to := append(countUp(0, wl), countUp(left, wr)...)
	m := mapExprsOf(n, func(e expr.Expr) expr.Expr { return remapColumns(e, to) })
	schema := append(slices.Clone(l.node.Schema), n.Schema[wl:]...)
	return arranged(newNode(m.Op, schema, l.node, n.Inputs[1]), to, l.at, n.Schema)
}
