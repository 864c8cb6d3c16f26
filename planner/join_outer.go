package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
)

// simplifyOuterJoins turns outer joins into narrower ones where a condition above, true for no row in which a certain column is NULL,
// drops the rows that they fill with NULLs.
//
//	Filter(b.x > 1)(LeftJoin(a, b))             =>  Filter(b.x > 1)(Join(a, b))
//	Filter(a.x > 1)(FullJoin(a, b))             =>  Filter(a.x > 1)(LeftJoin(a, b))
//	Join On(b.x = c.x)(LeftJoin(a, b), c)       =>  Join On(b.x = c.x)(Join(a, b), c)
//	Filter(b.k IS NULL)(LeftJoin On(a.k = b.k)) =>  Project a.., NULL..(AntiJoin On(a.k = b.k))
func (r *rewriter) simplifyOuterJoins(root *Node) *Node {
	s := &outerSimplifier{r: r, users: map[*Node]int{}, done: map[*Node]*Node{}}
	root.each(func(n *Node) {
		for _, in := range n.Inputs {
			s.users[in]++
		}
	})
	return s.walk(root, make([]bool, len(root.Schema)))
}

type outerSimplifier struct {
	r     *rewriter
	users map[*Node]int
	done  map[*Node]*Node // of nodes that several use
}

// walk returns n, of whose rows those are of no use that have a NULL in one of the columns in useless.
func (s *outerSimplifier) walk(n *Node, useless []bool) *Node {
	if s.users[n] <= 1 {
		return s.step(n, useless)
	}
	if _, ok := s.done[n]; !ok {
		s.done[n] = s.step(n, make([]bool, len(n.Schema)))
	}
	return s.done[n]
}

func (s *outerSimplifier) step(n *Node, useless []bool) *Node {
	inputs := make([]*Node, len(n.Inputs))
	switch op := n.Op.(type) {
	case *Filter:
		in := slices.Clone(useless)
		s.notTrue(op.Pred, in)
		if anti := s.antiJoin(n, op); anti != nil {
			return s.walk(anti, useless)
		}
		inputs[0] = s.walk(n.in(), in)
	case *Project:
		in := make([]bool, len(n.in().Schema))
		for i, e := range op.Exprs {
			if useless[i] {
				s.null(e, in)
			}
		}
		inputs[0] = s.walk(n.in(), in)
	case *Union:
		for i, in := range n.Inputs {
			inputs[i] = s.walk(in, useless)
		}
	case *Join:
		return s.join(n, op, useless)
	default:
		for i, in := range n.Inputs {
			inputs[i] = s.walk(in, make([]bool, len(in.Schema)))
		}
	}
	return n.rebuild(inputs...)
}

func (s *outerSimplifier) join(n *Node, op *Join, useless []bool) *Node {
	width := len(n.Inputs[0].Schema)
	both := make([]bool, width+len(n.Inputs[1].Schema))
	copy(both, useless)
	anyOf := func(list []bool) bool { return slices.Contains(list, true) }
	kind := op.Kind
	switch {
	case kind == LeftJoin && anyOf(both[width:]):
		kind = InnerJoin
	case kind == FullJoin && anyOf(both[:width]) && anyOf(both[width:]):
		kind = InnerJoin
	case kind == FullJoin && anyOf(both[:width]):
		kind = LeftJoin
	case kind == FullJoin && anyOf(both[width:]) && len(op.LeftKeys) == 0:
		turned := swapped(LeftJoin, n.Inputs[0], n.Inputs[1], op.On)
		turned.in().Op.(*Join).Final = op.Final
		return s.step(turned, useless)
	}
	matched := make([]bool, len(both)) // NULL there: the row matches nothing
	if op.On != nil {
		s.notTrue(op.On, matched)
	}
	for i := range op.LeftKeys {
		if op.NullSafe == nil || !op.NullSafe[i] {
			matched[op.LeftKeys[i]], matched[width+op.RightKeys[i]] = true, true
		}
	}
	for i, m := range matched {
		inner := kind == InnerJoin || kind == SemiJoin
		if i < width {
			both[i] = both[i] && kind != FullJoin || m && inner
		} else {
			both[i] = both[i] && kind == InnerJoin || m && kind != FullJoin
		}
	}
	l, r := s.walk(n.Inputs[0], both[:width]), s.walk(n.Inputs[1], both[width:])
	if kind == op.Kind {
		return n.rebuild(l, r)
	}
	c := *op
	c.Kind = kind
	c.Final = op.Final && c.waits()
	return newNode(&c, joinSchema(kind, l.Schema, r.Schema), l, r)
}

// antiJoin finds a left join of which a filter keeps the rows without a match only: a column of the right side IS NULL that no match has
// NULL.
func (s *outerSimplifier) antiJoin(n *Node, op *Filter) *Node {
	join := n.in()
	j, ok := join.Op.(*Join)
	if !ok || j.Kind != LeftJoin || s.users[join] > 1 {
		return nil
	}
	width := len(join.Inputs[0].Schema)
	matched := make([]bool, len(join.Schema))
	if j.On != nil {
		s.notTrue(j.On, matched)
	}
	for i, f := range join.Inputs[1].Schema {
		matched[width+i] = matched[width+i] || f.NotNull
	}
	var rest []expr.Expr
	found := false
	for _, c := range conjuncts(op.Pred) {
		call, ok := c.(*expr.Call)
		if ok && !found {
			o := s.r.reg.Lookup(call.Fn)
			col := columnOf(call.Args[0])
			if o != nil && o.Name == "is null" && col >= width && matched[col] {
				found = true
				continue
			}
		}
		rest = append(rest, c)
	}
	if !found {
		return nil
	}
	a := *j
	a.Kind = AntiJoin
	anti := newNode(&a, joinSchema(AntiJoin, join.Inputs[0].Schema, nil), join.Inputs...)
	exprs := columnExprs(anti.Schema)
	for _, f := range join.Inputs[1].Schema {
		exprs = append(exprs, &expr.Literal{Base: expr.Base{T: f.Type}})
	}
	out := reproject(anti, exprs, n.Schema, DeadLetter)
	if len(rest) > 0 {
		out = newFilter(out, conjunction(rest), op.OnError)
	}
	return out
}

// notTrue marks columns that make a condition FALSE or NULL when they are NULL.
func (s *outerSimplifier) notTrue(e expr.Expr, marks []bool) {
	switch x := e.(type) {
	case *expr.Logic:
		s.logic(x, !x.Or, marks, s.notTrue)
		return
	case *expr.Call:
		if o := s.r.reg.Lookup(x.Fn); o != nil {
			switch o.Name {
			case "is not null", "is true", "is false":
				s.null(x.Args[0], marks)
				return
			}
		}
	}
	s.null(e, marks)
}

// null marks columns that make e NULL when they are.
func (s *outerSimplifier) null(e expr.Expr, marks []bool) {
	switch x := e.(type) {
	case *expr.Column:
		marks[x.Index] = true
	case *expr.In:
		s.null(x.X, marks)
	case *expr.Logic:
		s.logic(x, false, marks, s.null)
	case *expr.Call:
		if o := s.r.reg.Lookup(x.Fn); o != nil && o.Strict {
			for _, a := range x.Args {
				s.null(a, marks)
			}
		}
	}
}

// logic marks the columns that of any argument, or of all, would be marked.
func (s *outerSimplifier) logic(x *expr.Logic, any bool, marks []bool, mark func(expr.Expr, []bool)) {
	var all []bool
	for _, a := range x.Args {
		m := make([]bool, len(marks))
		mark(a, m)
		if all == nil {
			all = m
			continue
		}
		for i := range all {
			all[i] = any && (all[i] || m[i]) || !any && all[i] && m[i]
		}
	}
	for i, m := range all {
		marks[i] = marks[i] || m
	}
}
