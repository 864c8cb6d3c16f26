package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// lifting replaces the subqueries in expressions over a node by columns that are added to it, behind its own; rows stay one for one,
// but for those that conjunct leaves out.
type lifting struct {
	*decorrelator
	node  *Node
	known map[string]expr.Expr // what stands for a subquery, by exprKey
}

func (d *decorrelator) lift(in *Node) *lifting {
	return &lifting{decorrelator: d, node: in, known: map[string]expr.Expr{}}
}

// expr returns e without subqueries. In a condition of which only matters whether it is true, truth, FALSE may stand for NULL.
func (l *lifting) expr(e expr.Expr, truth bool) expr.Expr {
	if x, ok := e.(*expr.Logic); ok && truth {
		c := *x
		c.Args = make([]expr.Expr, len(x.Args))
		for i, a := range x.Args {
			c.Args[i] = l.expr(a, true)
		}
		return &c
	}
	if s, ok := e.(*expr.Subquery); ok {
		return l.value(s, truth)
	}
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		if s, ok := x.(*expr.Subquery); ok {
			return l.value(s, false), true
		}
		return nil, false
	})
}

// parts returns the plan of a subquery and its arguments and tests, all without subqueries.
func (l *lifting) parts(s *expr.Subquery) (plan *Node, args, tests []expr.Expr) {
	each := func(list []expr.Expr) []expr.Expr {
		out := make([]expr.Expr, len(list))
		for i, e := range list {
			out[i] = l.expr(e, false)
		}
		return out
	}
	return l.decorrelator.node(s.Plan.(*subplan).root), each(s.Args), each(s.Test)
}

// value returns the expression for a subquery.
func (l *lifting) value(s *expr.Subquery, truth bool) expr.Expr {
	key := exprKey(s)
	if truth {
		key += " is true"
	}
	if e, ok := l.known[key]; ok {
		return e
	}
	plan, args, tests := l.parts(s)
	var e expr.Expr
	switch s.Kind {
	case expr.ScalarSubquery:
		e = l.scalar(plan, args, s.Sp)
	case expr.ExistsSubquery:
		e = l.exists(plan, args, s.Sp)
	case expr.ArraySubquery:
		e = l.array(s, plan, args)
	default:
		e = l.any(s, plan, args, tests, truth)
	}
	l.known[key] = e
	return e
}

// add pairs each row with the one row, or none, that a plan gives for it, and returns the columns of that.
func (l *lifting) add(plan *Node, args []expr.Expr) []expr.Expr {
	width := len(l.node.Schema)
	l.node = l.apply(LeftJoin, l.node, plan, args, nil)
	out := make([]expr.Expr, len(plan.Schema))
	for i := range out {
		out[i] = column(width+i, l.node.Schema[width+i])
	}
	return out
}

// scalar is the value of the only row. A plan that may give several is counted: the error is that of whoever uses the value.
//
//	CASE WHEN $single_row(count(*)) THEN any_value(c) END
func (l *lifting) scalar(plan *Node, args []expr.Expr, sp types.Span) expr.Expr {
	if l.atMostOne(plan) {
		return l.add(plan, args)[0]
	}
	plan = l.aggregated(plan, l.call("any_value", 0, plan), countRows())
	cols := l.add(plan, args)
	single := &expr.Call{Base: expr.Base{T: types.BoolType, Sp: sp}, Fn: expr.SingleRow, Args: []expr.Expr{cols[1]}}
	return &expr.Case{Base: expr.Base{T: cols[0].Type(), Sp: sp}, Whens: []expr.When{{Cond: single, Then: cols[0]}}}
}

func countRows() AggCall { return AggCall{Fn: "count(*)", Filter: -1, T: types.Int8Type} }

// call is an aggregate over a column of a plan.
func (d *decorrelator) call(name string, col int, plan *Node) AggCall {
	fn, err := d.r.reg.ResolveAggregate(name, []types.Type{plan.Schema[col].Type.Base()})
	if err != nil {
		d.fail(err)
		return countRows()
	}
	return AggCall{Fn: fn.ID, Args: []int{col}, Filter: -1, T: fn.Result}
}

// aggregated aggregates all rows of a plan.
func (d *decorrelator) aggregated(plan *Node, calls ...AggCall) *Node {
	names := make([]string, len(calls))
	for i, c := range calls {
		names[i], _, _ = strings.Cut(c.Fn, "(")
	}
	return newAggregate(plan, newAggregateOp(nil, calls), names)
}

// exists counts the rows.
func (l *lifting) exists(plan *Node, args []expr.Expr, sp types.Span) expr.Expr {
	plan = onlyRows(plan)
	if exactlyOne(plan) {
		return boolLiteral(true)
	}
	n := l.add(l.aggregated(plan, countRows()), args)[0]
	zero := &expr.Literal{Base: expr.Base{T: types.Int8Type, Sp: sp}, Value: int64(0)}
	return l.op(">", n, zero)
}

// onlyRows leaves out what does not matter to whether a plan has rows.
func onlyRows(n *Node) *Node {
	for {
		switch op := n.Op.(type) {
		case *Project, *Over:
		case *Aggregate:
			if len(op.Keys) == 0 {
				return n
			}
		case *TopN:
			if op.Offset != 0 || op.Limit == 0 {
				return n
			}
		default:
			return n
		}
		n = n.in()
	}
}

// exactlyOne reports whether a plan gives one row, whatever it reads.
func exactlyOne(n *Node) bool {
	switch op := n.Op.(type) {
	case *Project:
		return exactlyOne(n.in())
	case *Aggregate:
		return len(op.Keys) == 0
	case *Values:
		return len(op.Rows) == 1
	case *Join:
		return (op.Kind == InnerJoin || op.Kind == LeftJoin) && op.On == nil && exactlyOne(n.Inputs[0]) && exactlyOne(n.Inputs[1])
	}
	return false
}

// atMostOne reports whether a plan is proved to give at most one row for each row around it.
func (d *decorrelator) atMostOne(n *Node) bool {
	switch op := n.Op.(type) {
	case *Values:
		return len(op.Rows) <= 1
	case *Aggregate:
		if len(op.Keys) == 0 {
			return true
		}
	case *TopN:
		if op.Limit >= 0 && op.Limit <= 1 && len(op.Partition) == 0 && op.Rank == ByRowNumber {
			return true
		}
	case *Project:
		if d.atMostOne(n.in()) {
			return true
		}
	case *Filter:
		if d.atMostOne(n.in()) {
			return true
		}
	case *Join:
		if (op.Kind == InnerJoin || op.Kind == LeftJoin) && d.atMostOne(n.Inputs[0]) && d.atMostOne(n.Inputs[1]) {
			return true
		}
	}
	p := d.pull(n, false)
	// The columns that equal something from outside.
	var fixed []int
	for _, e := range p.preds {
		fixed = append(fixed, d.fixedColumns(e)...)
	}
	core := p.core
	for {
		f, ok := core.Op.(*Filter)
		if !ok {
			break
		}
		for _, e := range conjuncts(f.Pred) {
			fixed = append(fixed, d.fixedColumns(e)...)
		}
		core = core.in()
	}
	return len(fixed) > 0 && d.r.props(core).HasKey(fixed)
}

// fixedColumns returns the column that a condition sets equal to what reads no column.
func (d *decorrelator) fixedColumns(e expr.Expr) []int {
	name, l, r, ok := d.comparison(e)
	if !ok || name != "=" {
		return nil
	}
	for range 2 {
		if c := columnOf(l); c >= 0 && len(expr.Columns(r)) == 0 && !volatile(d.r.reg, r) {
			return []int{c}
		}
		l, r = r, l
	}
	return nil
}

// comparison returns the name and the sides of a comparison.
func (d *decorrelator) comparison(e expr.Expr) (name string, l, r expr.Expr, ok bool) {
	c, isCall := e.(*expr.Call)
	if !isCall || len(c.Args) != 2 {
		return "", nil, nil, false
	}
	o := d.r.reg.Lookup(c.Fn)
	if o == nil {
		return "", nil, nil, false
	}
	switch o.Name {
	case "=", "<>", "<", "<=", ">", ">=", "is not distinct from", "is distinct from":
		return o.Name, c.Args[0], c.Args[1], true
	}
	return "", nil, nil, false
}

// array collects the values; no row gives the empty array.
func (l *lifting) array(s *expr.Subquery, plan *Node, args []expr.Expr) expr.Expr {
	call := l.call("array_agg", 0, plan)
	for _, o := range s.Order {
		call.OrderBy = append(call.OrderBy, SortKey{Col: o.Col, Desc: o.Desc, NullsFirst: o.NullsFirst})
	}
	value := l.add(l.aggregated(plan, call), args)[0]
	empty := &expr.Literal{Base: expr.Base{T: s.T, Sp: s.Sp}, Value: []any{}}
	e, err := l.r.reg.Func("coalesce", []expr.Expr{value, empty}, s.Sp)
	if err != nil {
		l.fail(err)
		return empty
	}
	return e
}

// compared is the condition of an AnySubquery between one value and one column.
type compared struct {
	name string
	x    expr.Expr // over the tests
	y    expr.Expr // over the plan's columns
}

// simple takes the condition x op y apart.
func (l *lifting) simple(s *expr.Subquery) (compared, bool) {
	name, x, y, ok := l.comparison(s.Cond)
	n := len(s.Test)
	if !ok || n != 1 || strings.HasPrefix(name, "is ") || !readsOnly(x, func(c int) bool { return c < n }) || !readsOnly(y, func(c int) bool { return c >= n }) {
		return compared{}, false
	}
	return compared{name: name, x: x, y: mapExpr(y, func(e expr.Expr) (expr.Expr, bool) {
		c, ok := e.(*expr.Column)
		if !ok {
			return nil, false
		}
		moved := *c
		moved.Index -= n
		return &moved, true
	})}, true
}

// condition returns the condition of an AnySubquery over the columns of its plan, the tests being the arguments behind args.
func (l *lifting) condition(s *expr.Subquery, args int) expr.Expr {
	n := len(s.Test)
	return mapExpr(s.Cond, func(e expr.Expr) (expr.Expr, bool) {
		c, ok := e.(*expr.Column)
		switch {
		case !ok:
			return nil, false
		case c.Index < n:
			return &expr.Outer{Base: c.Base, Index: args + c.Index, Name: c.Name}, true
		}
		moved := *c
		moved.Index -= n
		return &moved, true
	})
}

// pairCondition returns the condition of an AnySubquery over the columns of the node and, behind them, those of the plan.
func (l *lifting) pairCondition(s *expr.Subquery, tests []expr.Expr) expr.Expr {
	width := len(l.node.Schema)
	return mapExpr(s.Cond, func(e expr.Expr) (expr.Expr, bool) {
		c, ok := e.(*expr.Column)
		switch {
		case !ok:
			return nil, false
		case c.Index < len(tests):
			return tests[c.Index], true
		}
		moved := *c
		moved.Index += width - len(tests)
		return &moved, true
	})
}

// nullable reports whether the comparison of the tests with the plan's columns may be NULL.
func (l *lifting) nullable(plan *Node, tests []expr.Expr) bool {
	for _, e := range tests {
		if !notNull(e, l.node.Schema) {
			return true
		}
	}
	for i := range tests {
		if !plan.Schema[i].NotNull {
			return true
		}
	}
	return false
}

// any is the value of x op ANY (plan): TRUE if a row matches, else NULL if the comparison with some row is NULL, else FALSE.
//
//	x = ANY        CASE WHEN (count of rows with y = x) > 0 THEN TRUE
//	                    WHEN nulls THEN NULL ELSE FALSE END
//	x < ANY        the same with x < max(y) as the first condition; x <> ANY with x <> min(y) OR x <> max(y)
//
// where nulls is count(*) > count(y) OR (x IS NULL AND count(*) > 0) over all rows: the plan is paired with the values of x only
// where they are equal.
func (l *lifting) any(s *expr.Subquery, plan *Node, args, tests []expr.Expr, truth bool) expr.Expr {
	c, simple := l.simple(s)
	nullable := l.nullable(plan, tests)
	outcome := func(matched, null expr.Expr) expr.Expr {
		whens := []expr.When{{Cond: matched, Then: boolLiteral(true)}}
		if null != nil {
			whens = append(whens, expr.When{Cond: null, Then: &expr.Literal{Base: expr.Base{T: types.BoolType, Sp: s.Sp}}})
		}
		return &expr.Case{Base: expr.Base{T: types.BoolType, Sp: s.Sp}, Whens: whens, Else: boolLiteral(false)}
	}
	if simple && c.name != "=" && l.hasExtremes(c) {
		x := substitute(c.x, tests)
		values := newProject(plan, []expr.Expr{c.y}, []string{"y"}, DeadLetter)
		all := l.add(l.aggregated(values, l.call("min", 0, values), l.call("max", 0, values), countRows(), l.call("count", 0, values)), args)
		var matched expr.Expr
		switch c.name {
		case "<>":
			matched = logic(true, s.Sp, l.op("<>", x, all[0]), l.op("<>", x, all[1]))
		case "<", "<=":
			matched = l.op(c.name, x, all[1])
		default:
			matched = l.op(c.name, x, all[0])
		}
		if truth {
			return matched
		}
		if !nullable {
			return outcome(matched, nil)
		}
		return outcome(matched, l.nulls(x, all[2], all[3], s.Sp))
	}
	pairArgs := append(slices.Clone(args), tests...)
	cond := l.condition(s, len(args))
	matched := l.exists(newFilter(plan, cond, DeadLetter), pairArgs, s.Sp)
	switch {
	case truth || !nullable:
		return matched
	case simple && c.name == "=":
		x := substitute(c.x, tests)
		total, known := l.counts(plan, c.y, args)
		return outcome(matched, l.nulls(x, total, known, s.Sp))
	}
	null := l.exists(newFilter(plan, l.op("is null", cond), DeadLetter), pairArgs, s.Sp)
	return outcome(matched, null)
}

// hasExtremes reports whether min and max decide a comparison.
func (l *lifting) hasExtremes(c compared) bool {
	if c.x.Type().Base() != c.y.Type().Base() {
		return false
	}
	fn, err := l.r.reg.ResolveAggregate("min", []types.Type{c.y.Type().Base()})
	return err == nil && fn.Result.Base() == c.y.Type().Base()
}

// counts adds how many rows a plan has, and how many of them have a y.
func (l *lifting) counts(plan *Node, y expr.Expr, args []expr.Expr) (total, known expr.Expr) {
	values := newProject(plan, []expr.Expr{y}, []string{"y"}, DeadLetter)
	all := l.add(l.aggregated(values, countRows(), l.call("count", 0, values)), args)
	return all[0], all[1]
}

// nulls reports whether x compared with some row is NULL.
func (l *lifting) nulls(x, total, known expr.Expr, sp types.Span) expr.Expr {
	zero := &expr.Literal{Base: expr.Base{T: types.Int8Type, Sp: sp}, Value: int64(0)}
	some := l.op(">", total, known)
	if notNull(x, l.node.Schema) {
		return some
	}
	none := logic(false, sp, l.op("is null", x), l.op(">", total, zero))
	return logic(true, sp, some, none)
}

// conjunct keeps the rows of the node for which a condition is true, if the condition is a subquery that a semi or anti join
// decides.
func (l *lifting) conjunct(c expr.Expr) bool {
	negated := false
	for {
		call, ok := c.(*expr.Call)
		if !ok || call.Fn != "not(boolean)" {
			break
		}
		c, negated = call.Args[0], !negated
	}
	s, ok := c.(*expr.Subquery)
	if !ok || s.Kind != expr.ExistsSubquery && s.Kind != expr.AnySubquery {
		return false
	}
	kind := SemiJoin
	if negated {
		kind = AntiJoin
	}
	if s.Kind == expr.ExistsSubquery {
		plan, args, _ := l.parts(s)
		l.node = l.apply(kind, l.node, onlyRows(plan), args, nil)
		return true
	}
	c2, simple := l.simple(s)
	if simple && c2.name != "=" && l.hasExtremes(c2) {
		return false
	}
	plan, args, tests := l.parts(s)
	cond := l.pairCondition(s, tests)
	switch {
	case !negated || !l.nullable(plan, tests):
		l.node = l.apply(kind, l.node, plan, args, cond)
	case simple && c2.name == "=":
		// No row is equal, and the comparison with none is NULL.
		l.node = l.apply(AntiJoin, l.node, plan, args, cond)
		x := substitute(c2.x, tests)
		total, known := l.counts(plan, c2.y, args)
		null := l.nulls(x, total, known, s.Sp)
		l.node = newFilter(l.node, l.op("is not true", null), DeadLetter)
	default:
		l.node = l.apply(AntiJoin, l.node, plan, args, l.op("is not false", cond))
	}
	return true
}
