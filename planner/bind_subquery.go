package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// subplan is the plan behind an expr.Subquery.
type subplan struct {
	root *Node
	key  string // made by String
}

// String returns the id of the plan.
func (p *subplan) String() string {
	if p.key == "" {
		p.key = fmt.Sprintf("<%016x>", uint64(share(p.root).ID))
	}
	return p.key
}

// Apply evaluates its right input, which refers to the row of the left one by expr.Outer{i} = Args[i], for each left row, and pairs
// the two: LATERAL. It stands in logical plans until they are decorrelated. Output: left columns ++ right columns.
type Apply struct {
	Kind JoinKind    // InnerJoin or LeftJoin
	Args []expr.Expr // over the left columns
	On   expr.Expr   // over left ++ right columns, or nil
}

func (*Apply) op() {}

func canonicalApply(op *Apply) string {
	on := ""
	if op.On != nil {
		on = exprKey(op.On)
	}
	return fmt.Sprintf("apply %d [%s] on %s", op.Kind, canonicalExprs(op.Args), on)
}

// lambda is a subquery or LATERAL item while it is bound: names that are not found inside are looked up in the scope around it,
// then in the scopes around that, and become arguments.
type lambda struct {
	parent *lambda // the subquery that this one stands in
	sc     *scope
	// around binds the expression that the subquery stands in; nil for LATERAL.
	around *exprBinder
	args   []expr.Expr // over sc, or Outer of parent
	index  map[string]int
}

func newLambda(parent *lambda, sc *scope, around *exprBinder) *lambda {
	return &lambda{parent: parent, sc: sc, around: around, index: map[string]int{}}
}

// outer returns the reference to an argument, which is added if need be.
func (l *lambda) outer(arg expr.Expr, name string, sp types.Span) *expr.Outer {
	key := exprKey(arg)
	i, ok := l.index[key]
	if !ok {
		i = len(l.args)
		l.index[key] = i
		l.args = append(l.args, arg)
	}
	return &expr.Outer{Base: expr.Base{T: arg.Type(), Sp: sp}, Index: i, Name: name}
}

// lookup finds a column of the queries around a subquery.
//
// Errors: those of scope.lookup.
func (l *lambda) lookup(ref *sql.ColumnRef) (*expr.Outer, error) {
	c, err := l.sc.lookup(ref)
	if err == nil {
		return l.outer(c, c.Name, ref.Span()), nil
	}
	if l.parent == nil || !notInScope(err, ref) {
		return nil, err
	}
	o, outerErr := l.parent.lookup(ref)
	if outerErr != nil {
		if !notInScope(outerErr, ref) {
			err = outerErr
		}
		return nil, err
	}
	return l.outer(o, o.Name, ref.Span()), nil
}

// notInScope reports whether a name that was not found may be one of a query further out: not so a column of a relation that was
// found.
func notInScope(err error, ref *sql.ColumnRef) bool {
	switch types.CodeOf(err) {
	case types.CodeUndefinedTable:
		return true
	case types.CodeUndefinedColumn, types.CodeNotSupported: // not supported: the name of a relation as a value
		return len(ref.Parts) == 1
	}
	return false
}

// column binds the name of a column, here or around the subquery.
func (b *exprBinder) column(ref *sql.ColumnRef) (expr.Expr, error) {
	c, err := b.sc.lookup(ref)
	if err == nil {
		return c, nil
	}
	if b.lambda == nil || !notInScope(err, ref) {
		return nil, err
	}
	o, outerErr := b.lambda.lookup(ref)
	if outerErr != nil {
		if !notInScope(outerErr, ref) {
			err = outerErr
		}
		return nil, err
	}
	return o, nil
}

// noSubqueries are the clauses in which PostgreSQL has no subqueries, by what they are called there.
var noSubqueries = map[string]string{
	"DEFAULT": "DEFAULT expression", "CHECK": "check constraint", "a generated column": "column generation expression",
	"WATERMARK": "WATERMARK expression",
}

// boundSubquery is a bound query in an expression; the first columns of its plan are its result.
type boundSubquery struct {
	node   *Node
	schema types.Schema // of the result
	order  []SortKey
	args   []expr.Expr
}

// bindSubquery binds a query that stands in an expression. With ordered, the order of its rows is kept beside the plan.
func (b *exprBinder) bindSubquery(q *sql.Query, ordered bool) (*boundSubquery, error) {
	if what, ok := noSubqueries[b.clause]; ok {
		return nil, types.NotSupported(q.Span(), "a subquery in a %s", what)
	}
	l := newLambda(b.lambda, b.sc, b)
	rel, err := b.binder.inside(l, func() (*relation, error) {
		if !ordered {
			return b.subquery(q)
		}
		return b.orderedSubquery(q)
	})
	if err != nil {
		return nil, err
	}
	out := &boundSubquery{node: rel.node, schema: rel.node.Schema[:rel.visible], order: rel.order}
	out.node, out.args = usedArgs(rel.node, l.args)
	return out, nil
}

// inside binds something as a part of a subquery.
func (b *binder) inside(l *lambda, bind func() (*relation, error)) (*relation, error) {
	saved := b.lambda
	b.lambda = l
	defer func() { b.lambda = saved }()
	return bind()
}

// orderedSubquery is subquery, but that the relation keeps its order and the columns of that.
func (b *binder) orderedSubquery(q *sql.Query) (*relation, error) {
	rel, err := b.query(q, true)
	if err != nil {
		return nil, err
	}
	if err := b.innerEmit(rel); err != nil {
		return nil, err
	}
	if rel, err = rel.resolved(); err != nil {
		return nil, err
	}
	c := *rel
	c.node = rel.firstRows()
	c.limit, c.offset, c.ordered, c.ties = nil, nil, types.Span{}, false
	return &c, nil
}

// usedArgs drops the arguments that a plan does not use.
func usedArgs(n *Node, args []expr.Expr) (*Node, []expr.Expr) {
	used := outersOf(n)
	if len(used) == len(args) {
		return n, args
	}
	to := make([]int, len(args))
	var kept []expr.Expr
	for _, i := range used {
		to[i] = len(kept)
		kept = append(kept, args[i])
	}
	return mapOuters(n, func(o *expr.Outer) expr.Expr {
		c := *o
		c.Index = to[o.Index]
		return &c
	}), kept
}

// outersOf returns the indices of the outer references of a plan, ascending; those of subqueries and LATERAL items in it are
// their own.
func outersOf(n *Node) []int {
	seen := map[int]bool{}
	done := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if done[n] {
			return
		}
		done[n] = true
		for _, e := range nodeExprs(n) {
			expr.Walk(e, func(x expr.Expr) {
				if o, ok := x.(*expr.Outer); ok {
					seen[o.Index] = true
				}
			})
		}
		for i, in := range n.Inputs {
			if _, ok := n.Op.(*Apply); !ok || i == 0 {
				walk(in)
			}
		}
	}
	walk(n)
	var list []int
	for i := range seen {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// mapOuters replaces the outer references of a plan.
func mapOuters(root *Node, f func(*expr.Outer) expr.Expr) *Node {
	memo := map[*Node]*Node{}
	var walk func(n *Node) *Node
	walk = func(n *Node) *Node {
		if m, ok := memo[n]; ok {
			return m
		}
		inputs := slices.Clone(n.Inputs)
		for i, in := range n.Inputs {
			if _, ok := n.Op.(*Apply); ok && i == 1 {
				continue // its references are its own
			}
			inputs[i] = walk(in)
		}
		m := n.rebuild(inputs...)
		if slices.ContainsFunc(nodeExprs(n), hasOuter) {
			m = mapExprsOf(m, func(e expr.Expr) expr.Expr { return mapOuter(e, f) })
		}
		memo[n] = m
		return m
	}
	return walk(root)
}

func hasOuter(e expr.Expr) bool {
	return anyExpr(e, func(x expr.Expr) bool { _, ok := x.(*expr.Outer); return ok })
}

// mapOuter replaces the outer references in an expression.
func mapOuter(e expr.Expr, f func(*expr.Outer) expr.Expr) expr.Expr {
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		if o, ok := x.(*expr.Outer); ok {
			return f(o), true
		}
		return nil, false
	})
}

// fromInside makes a plan that was bound in the subquery def, or outside of all, one of the subquery that is bound now: a WITH query
// that is used further in.
func (b *binder) fromInside(n *Node, def *lambda) *Node {
	if def == nil || def == b.lambda || len(outersOf(n)) == 0 {
		return n
	}
	var path []*lambda // from the one inside of def to the one at hand
	for l := b.lambda; l != def; l = l.parent {
		if l == nil {
			return n
		}
		path = append([]*lambda{l}, path...)
	}
	return mapOuters(n, func(o *expr.Outer) expr.Expr {
		for _, l := range path {
			o = l.outer(o, o.Name, o.Sp)
		}
		return o
	})
}

// withSubquery binds what has a subquery as an operand; done is false for all other expressions.
func (b *exprBinder) withSubquery(e sql.Expr) (bound expr.Expr, done bool, err error) {
	isRow := func(e sql.Expr) bool { _, ok := e.(*sql.RowExpr); return ok }
	isQuery := func(e sql.Expr) bool { _, ok := e.(*sql.SubqueryExpr); return ok }
	rows := func(l, r sql.Expr) bool { return isRow(l) && isQuery(r) || isQuery(l) && isRow(r) }
	switch x := e.(type) {
	case *sql.SubqueryExpr:
		bound, err = b.scalarSubquery(x)
	case *sql.ExistsExpr:
		bound, err = b.exists(x)
	case *sql.ArrayQueryExpr:
		bound, err = b.arraySubquery(x)
	case *sql.QuantifiedExpr:
		if x.Query == nil {
			return nil, false, nil
		}
		bound, err = b.quantifiedQuery(x)
	case *sql.InExpr:
		if x.Query == nil {
			return nil, false, nil
		}
		bound, err = b.inQuery(x)
	case *sql.BinaryExpr:
		if !rows(x.L, x.R) {
			return nil, false, nil
		}
		bound, err = b.rowWithSubquery(x.Op, x.L, x.R, x.Span())
	case *sql.DistinctExpr:
		if !rows(x.L, x.R) {
			return nil, false, nil
		}
		op := "is distinct from"
		if x.Not {
			op = "is not distinct from"
		}
		bound, err = b.rowWithSubquery(op, x.L, x.R, x.Span())
	default:
		return nil, false, nil
	}
	return bound, true, err
}

func (s *boundSubquery) make(kind expr.SubqueryKind, t types.Type, sp types.Span) *expr.Subquery {
	return &expr.Subquery{Base: expr.Base{T: t, Sp: sp}, Kind: kind, Args: s.args, Plan: &subplan{root: s.node}}
}

// scalarSubquery binds (SELECT ...) as a value.
func (b *exprBinder) scalarSubquery(x *sql.SubqueryExpr) (expr.Expr, error) {
	s, err := b.bindSubquery(x.Query, false)
	if err != nil {
		return nil, err
	}
	if len(s.schema) != 1 {
		return nil, types.Errorf(types.CodeSyntax, "subquery must return only one column").At(x.Span())
	}
	return s.make(expr.ScalarSubquery, s.schema[0].Type, x.Span()), nil
}

func (b *exprBinder) exists(x *sql.ExistsExpr) (expr.Expr, error) {
	s, err := b.bindSubquery(x.Query, false)
	if err != nil {
		return nil, err
	}
	return s.make(expr.ExistsSubquery, types.BoolType, x.Span()), nil
}

func (b *exprBinder) arraySubquery(x *sql.ArrayQueryExpr) (expr.Expr, error) {
	s, err := b.bindSubquery(x.Query, true)
	if err != nil {
		return nil, err
	}
	if len(s.schema) != 1 {
		return nil, types.Errorf(types.CodeSyntax, "subquery must return only one column").At(x.Span())
	}
	elem := s.schema[0].Type
	if elem.Kind == types.Array {
		return nil, types.NotSupported(x.Span(), "ARRAY of a query of arrays: arrays of several dimensions")
	}
	out := s.make(expr.ArraySubquery, types.ArrayOf(elem), x.Span())
	for _, k := range s.order {
		out.Order = append(out.Order, expr.SubqueryOrder{Col: k.Col, Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	return out, nil
}

// rowElems returns the elements of a row value, or e itself.
func rowElems(e sql.Expr) ([]sql.Expr, bool) {
	if r, ok := e.(*sql.RowExpr); ok {
		return r.Elems, true
	}
	return []sql.Expr{e}, false
}

// inQuery binds x [NOT] IN (SELECT ...).
func (b *exprBinder) inQuery(x *sql.InExpr) (expr.Expr, error) {
	e, err := b.anySubquery(x.X, "=", x.Query, x.Span())
	if err != nil || !x.Not {
		return e, err
	}
	return b.not(e, x.Span())
}

// opposites are the comparisons that hold where another one does not.
var opposites = map[string]string{"=": "<>", "<>": "=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

// quantifiedQuery binds x op ANY (SELECT ...) and x op ALL (SELECT ...), which is NOT (x opposite ANY (SELECT ...)).
func (b *exprBinder) quantifiedQuery(x *sql.QuantifiedExpr) (expr.Expr, error) {
	if x.Quant != sql.All {
		return b.anySubquery(x.X, x.Op, x.Query, x.Span())
	}
	if opposite, ok := opposites[x.Op]; ok {
		e, err := b.anySubquery(x.X, opposite, x.Query, x.Span())
		if err != nil {
			return nil, err
		}
		return b.not(e, x.Span())
	}
	e, err := b.anySubquery(x.X, x.Op, x.Query, x.Span())
	if err != nil {
		return nil, err
	}
	s := *e.(*expr.Subquery)
	if s.Cond, err = b.not(s.Cond, x.Span()); err != nil {
		return nil, err
	}
	return b.not(&s, x.Span())
}

// anySubquery binds the comparison of a value, or of a row of values, with the rows of a query.
func (b *exprBinder) anySubquery(left sql.Expr, op string, q *sql.Query, sp types.Span) (expr.Expr, error) {
	elems, isRow := rowElems(left)
	tests, err := b.bindList(elems)
	if err != nil {
		return nil, err
	}
	s, err := b.bindSubquery(q, false)
	if err != nil {
		return nil, err
	}
	switch {
	case len(s.schema) > len(tests):
		return nil, types.Errorf(types.CodeSyntax, "subquery has too many columns").At(sp)
	case len(s.schema) < len(tests):
		return nil, types.Errorf(types.CodeSyntax, "subquery has too few columns").At(sp)
	}
	out := s.make(expr.AnySubquery, types.BoolType, sp)
	columns := make([]expr.Expr, len(tests))
	for i, f := range s.schema {
		columns[i] = column(len(tests)+i, f)
		if tests[i].Type().Kind != types.Unknown {
			continue
		}
		// An untyped literal takes the type that the comparison wants.
		if e, err := b.compareWith(op, tests[i], columns[i], sp); err != nil {
			return nil, at(err, sp)
		} else if call, ok := e.(*expr.Call); ok && len(call.Args) == 2 {
			tests[i] = call.Args[0]
		} else if tests[i], err = expr.Cast(tests[i], types.TextType, expr.Implicit); err != nil {
			return nil, at(err, sp)
		}
	}
	out.Test = tests
	values := make([]expr.Expr, len(tests))
	for i, e := range tests {
		values[i] = &expr.Column{Base: expr.Base{T: e.Type(), Sp: e.Span()}, Index: i}
	}
	if isRow {
		out.Cond, err = b.compareColumns(op, values, columns, sp)
	} else {
		out.Cond, err = b.compareWith(op, values[0], columns[0], sp)
	}
	if err != nil {
		return nil, at(err, sp)
	}
	if out.Cond.Type().Kind != types.Bool {
		return nil, types.Errorf(types.CodeDatatypeMismatch, "op ANY/ALL (array) requires operator to yield boolean").At(sp)
	}
	return out, nil
}

// compareWith applies an operator, or LIKE, to two values.
func (b *exprBinder) compareWith(op string, l, r expr.Expr, sp types.Span) (expr.Expr, error) {
	word := strings.TrimPrefix(op, "NOT ")
	kinds := map[string]expr.LikeKind{"LIKE": expr.Like, "ILIKE": expr.ILike}
	if kind, ok := kinds[word]; ok {
		return b.reg.NewLike(kind, l, r, nil, word != op, sp)
	}
	return b.operator(op, sp, l, r)
}

// rowWithSubquery binds the comparison of a row value with a subquery: (a, b) = (SELECT x, y ...).
func (b *exprBinder) rowWithSubquery(op string, l, r sql.Expr, sp types.Span) (expr.Expr, error) {
	sides := [2][]expr.Expr{}
	for i, e := range []sql.Expr{l, r} {
		var err error
		switch e := e.(type) {
		case *sql.RowExpr:
			sides[i], err = b.bindList(e.Elems)
		case *sql.SubqueryExpr:
			sides[i], err = b.rowSubquery(e)
		default:
			err = types.Errorf(types.CodeUndefinedFunction, "a row can be compared with a row or a subquery only").At(e.Span())
		}
		if err != nil {
			return nil, err
		}
	}
	switch _, right := r.(*sql.SubqueryExpr); {
	case len(sides[0]) == len(sides[1]):
	case !right:
		return nil, types.Errorf(types.CodeSyntax, "unequal number of entries in row expressions").At(sp)
	case len(sides[1]) < len(sides[0]):
		return nil, types.Errorf(types.CodeSyntax, "subquery has too few columns").At(r.Span())
	default:
		return nil, types.Errorf(types.CodeSyntax, "subquery has too many columns").At(r.Span())
	}
	return b.compareColumns(op, sides[0], sides[1], sp)
}

// rowSubquery binds a query that gives at most one row to one value per column.
func (b *exprBinder) rowSubquery(x *sql.SubqueryExpr) ([]expr.Expr, error) {
	s, err := b.bindSubquery(x.Query, false)
	if err != nil {
		return nil, err
	}
	out := make([]expr.Expr, len(s.schema))
	for i, f := range s.schema {
		one := *s
		one.node = newProject(s.node, []expr.Expr{column(i, f)}, []string{f.Name}, DeadLetter)
		out[i] = one.make(expr.ScalarSubquery, f.Type, x.Span())
	}
	return out, nil
}

// outerAggregate hands an aggregate whose arguments are all of one query around the subquery to that query, as the standard says:
// SELECT (SELECT max(u.x) FROM u WHERE u.y = sum(t.a)) FROM t. It returns nil if the aggregate is of the query at hand.
//
// Errors: CodeGrouping where that query cannot have aggregates; CodeNotSupported if nothing else in it aggregates.
func (b *exprBinder) outerAggregate(call *aggCall, sp types.Span) (expr.Expr, error) {
	return outerAggregate(b.lambda, call, sp)
}

// outerAggregate looks for the query of an aggregate whose expressions are over the subquery l.
func outerAggregate(l *lambda, call *aggCall, sp types.Span) (expr.Expr, error) {
	outer, local := false, false
	for _, e := range call.exprs() {
		expr.Walk(e, func(x expr.Expr) {
			switch x.(type) {
			case *expr.Outer:
				outer = true
			case *expr.Column:
				local = true
			}
		})
	}
	if l == nil || !outer || local {
		return nil, nil
	}
	moved := *call
	moved.mapExprs(func(e expr.Expr) expr.Expr {
		return mapOuter(e, func(o *expr.Outer) expr.Expr { return l.args[o.Index] })
	})
	e, err := outerAggregate(l.parent, &moved, sp)
	if err != nil {
		return nil, err
	}
	if e == nil {
		around := l.around
		switch {
		case around == nil:
			return nil, types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in FROM clause of their own query level").At(sp)
		case around.inAggregate:
			return nil, types.Errorf(types.CodeGrouping, "aggregate function calls cannot be nested").At(sp)
		case around.group == nil && around.clause != "SELECT" && around.clause != "ORDER BY":
			return nil, types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in %s", around.clause).At(sp)
		case around.group == nil:
			return nil, types.NotSupported(sp, "an aggregate in a subquery that belongs to the query around it, in which nothing else aggregates").
				WithHint("compute the aggregate in a subquery in FROM of the query around")
		}
		e = around.group.aggregateColumn(&moved, sp)
	}
	return l.outer(e, call.fn.Name, sp), nil
}

// exprs returns the expressions of the call.
func (a *aggCall) exprs() []expr.Expr {
	list := slices.Clone(a.args)
	if a.filter != nil {
		list = append(list, a.filter)
	}
	for _, o := range a.order {
		list = append(list, o.x)
	}
	return list
}

// mapExprs replaces the expressions of the call.
func (a *aggCall) mapExprs(f func(expr.Expr) expr.Expr) {
	args := make([]expr.Expr, len(a.args))
	for i, e := range a.args {
		args[i] = f(e)
	}
	a.args = args
	if a.filter != nil {
		a.filter = f(a.filter)
	}
	order := slices.Clone(a.order)
	for i := range order {
		order[i].x = f(order[i].x)
	}
	a.order = order
}

// isArgument reports whether a column is one that a subquery in e uses.
func isArgument(e expr.Expr, c *expr.Column) bool {
	return anyExpr(e, func(x expr.Expr) bool {
		s, ok := x.(*expr.Subquery)
		return ok && slices.ContainsFunc(s.Args, func(a expr.Expr) bool {
			return anyExpr(a, func(y expr.Expr) bool { return y == expr.Expr(c) })
		})
	})
}

// ungroupedOuter is the error for a column of a grouped query that a subquery in it uses although it is not grouped.
func ungroupedOuter(name string, sp types.Span) error {
	return types.Errorf(types.CodeGrouping, "subquery uses ungrouped column %q from outer query", name).At(sp)
}

// joinLateral joins an item of FROM that may read the columns of those before it. on binds the join's condition once the right item is
// known, and makes the item of FROM of the node over the columns of both.
func (b *binder) joinLateral(left *fromItem, kind JoinKind, t sql.TableExpr, on func(right *fromItem) (expr.Expr, func(*Node) *fromItem, error)) (*fromItem, error) {
	l := newLambda(b.lambda, left.scope(), nil)
	b.lambda = l
	right, err := b.fromOne(t)
	b.lambda = l.parent
	if err != nil {
		return nil, err
	}
	item := *right
	var args []expr.Expr
	item.node, args = usedArgs(right.node, l.args)
	cond, finish, err := on(&item)
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return finish(newJoin(kind, left.node, item.node, cond)), nil
	}
	op := &Apply{Kind: kind, Args: args, On: cond}
	return finish(newNode(op, joinSchema(kind, left.node.Schema, item.node.Schema), left.node, item.node)), nil
}

// refuseSideways gives the error for an item of a RIGHT or FULL JOIN that reads the items before it.
func (b *binder) refuseSideways(left *fromItem, t sql.TableExpr) error {
	l := newLambda(b.lambda, left.scope(), nil)
	saved := b.notices
	b.lambda = l
	right, err := b.fromOne(t)
	b.lambda, b.notices = l.parent, saved
	if err != nil {
		return nil // which is found again
	}
	_, args := usedArgs(right.node, l.args)
	for _, a := range args {
		if c, ok := a.(*expr.Column); ok {
			return types.Errorf(types.CodeInvalidColumnRef, "invalid reference to FROM-clause entry for column %q", l.sc.qualified(c)).At(c.Sp).
				WithHint("the combining JOIN type must be INNER or LEFT for a LATERAL reference")
		}
	}
	return nil
}

// subqueryName is the name of the only column of a query, as far as it is written there.
func subqueryName(body sql.QueryBody) string {
	switch x := body.(type) {
	case *sql.Select:
		if len(x.Items) == 0 {
			return ""
		}
		if it := x.Items[0]; !it.Alias.IsZero() {
			return it.Alias.Name
		}
		return outputName(x.Items[0].X)
	case *sql.SetOp:
		return subqueryName(x.L)
	case *sql.Query:
		return subqueryName(x.Body)
	case *sql.Values:
		return "column1"
	}
	return ""
}
