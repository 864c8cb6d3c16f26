package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// selectItem is one output column of a SELECT, with * expanded.
type selectItem struct {
	x     sql.Expr     // nil for a column of *
	col   *expr.Column // of *
	name  string
	alias bool // the name was given with AS
}

// selectBody binds one SELECT.
func (b *binder) selectBody(sel *sql.Select, order []sql.OrderItem) (*relation, error) {
	var in *Node
	sc := &scope{}
	if len(sel.From) > 0 {
		item, err := b.from(sel.From)
		if err != nil {
			return nil, err
		}
		in, sc = item.node, item.scope()
	} else {
		in = newNode(&Values{Rows: [][]expr.Expr{{}}}, nil)
	}
	if sel.Where != nil {
		eb := &exprBinder{binder: b, sc: sc, clause: "WHERE"}
		pred, err := eb.bindBool(sel.Where, "WHERE")
		if err != nil {
			return nil, err
		}
		in = newFilter(in, pred, DeadLetter)
	}
	items, err := b.selectItems(sel, sc)
	if err != nil {
		return nil, err
	}
	s := &selectBinder{binder: b, sel: sel, items: items, sc: sc}
	if b.isGrouped(sel, order) {
		return s.grouped(in, order)
	}
	return s.plain(in, order)
}

// selectItems expands * and names the output columns.
func (b *binder) selectItems(sel *sql.Select, sc *scope) ([]selectItem, error) {
	var items []selectItem
	for _, it := range sel.Items {
		star, ok := it.X.(*sql.Star)
		if !ok {
			item := selectItem{x: it.X, name: it.Alias.Name, alias: !it.Alias.IsZero()}
			if !item.alias {
				item.name = outputName(it.X)
			}
			items = append(items, item)
			continue
		}
		rel := -1
		if len(star.Qualifier) > 0 {
			var err error
			if rel, err = sc.relation(star.Qualifier); err != nil {
				return nil, err
			}
		} else if len(sc.rels) == 0 {
			return nil, types.Errorf(types.CodeSyntax, "SELECT * with no tables specified is not valid").At(star.Span())
		}
		for _, c := range sc.star(rel) {
			items = append(items, selectItem{name: c.name, col: c.column(star.Span())})
		}
	}
	return items, nil
}

// isGrouped reports whether a SELECT aggregates: GROUP BY, HAVING or an aggregate anywhere it may stand.
func (b *binder) isGrouped(sel *sql.Select, order []sql.OrderItem) bool {
	if len(sel.GroupBy) > 0 || sel.Having != nil {
		return true
	}
	for _, it := range sel.Items {
		if b.hasAggregate(it.X) {
			return true
		}
	}
	for _, o := range order {
		if b.hasAggregate(o.X) {
			return true
		}
	}
	for _, e := range sel.DistinctOn {
		if b.hasAggregate(e) {
			return true
		}
	}
	for _, w := range sel.Windows {
		if b.hasAggregate(w.Spec) {
			return true
		}
	}
	return false
}

// hasAggregate reports whether e calls an aggregate, subqueries aside.
func (b *binder) hasAggregate(e sql.Node) bool {
	found := false
	sql.Inspect(e, func(n sql.Node) bool {
		switch x := n.(type) {
		case *sql.FuncCall:
			if x.Over == nil && len(x.Name.Parts) == 1 && b.reg.IsAggregate(strings.ToLower(x.Name.Parts[0].Name)) {
				found = true
			}
		case *sql.Query:
			return false
		}
		return !found
	})
	return found
}

// selectBinder binds the rest of a SELECT, behind FROM and WHERE.
type selectBinder struct {
	*binder
	sel   *sql.Select
	items []selectItem
	sc    *scope
}

// outputs is what a SELECT computes: its list, and behind it, hidden, what DISTINCT ON and ORDER BY need besides.
type outputs struct {
	exprs []expr.Expr
	names []string
	on    []int // columns of DISTINCT ON
	keys  []SortKey
}

// outputs binds the WINDOW clause, the select list, DISTINCT ON and ORDER BY.
func (s *selectBinder) outputs(eb *exprBinder, order []sql.OrderItem) (*outputs, error) {
	if err := eb.bindWindows(s.sel.Windows); err != nil {
		return nil, err
	}
	out := &outputs{}
	schema := make(types.Schema, len(s.items))
	for i, it := range s.items {
		var e expr.Expr = it.col
		var err error
		if it.col == nil {
			if e, err = eb.bind(it.x); err != nil {
				return nil, err
			}
		}
		out.exprs, out.names = append(out.exprs, e), append(out.names, it.name)
		schema[i] = types.Field{Name: it.name, Type: e.Type()}
	}
	// find returns the column of an expression, a hidden one if need be.
	find := func(x sql.Expr, clause string) (int, error) {
		col, err := s.namedColumn(x, schema, clause)
		if err != nil || col >= 0 {
			return col, err
		}
		ob := *eb
		ob.clause = clause
		e, err := ob.bind(x)
		if err != nil {
			return -1, err
		}
		col = slices.IndexFunc(out.exprs, func(have expr.Expr) bool { return sameExpr(have, e) })
		if col < 0 {
			if s.sel.Distinct {
				return -1, types.Errorf(types.CodeInvalidColumnRef, "for SELECT DISTINCT, ORDER BY expressions must appear in select list").At(x.Span())
			}
			col = len(out.exprs)
			out.exprs, out.names = append(out.exprs, e), append(out.names, "$order")
		}
		return col, nil
	}
	for _, x := range s.sel.DistinctOn {
		col, err := find(x, "DISTINCT ON")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out.on, col) {
			out.on = append(out.on, col)
		}
	}
	for _, o := range order {
		col, err := find(o.X, "ORDER BY")
		if err != nil {
			return nil, err
		}
		out.keys = append(out.keys, SortKey{Col: col, Desc: o.Desc, NullsFirst: nullsFirst(o)})
	}
	return out, s.checkDistinctOn(out, order)
}

// checkDistinctOn requires that ORDER BY begins with the expressions of DISTINCT ON, in any order.
func (s *selectBinder) checkDistinctOn(out *outputs, order []sql.OrderItem) error {
	if len(out.on) == 0 {
		return nil
	}
	left := slices.Clone(out.on)
	for i, k := range out.keys {
		switch at := slices.Index(left, k.Col); {
		case at >= 0:
			left = slices.Delete(left, at, at+1)
		case !slices.Contains(out.on, k.Col) && len(left) > 0:
			return types.Errorf(types.CodeInvalidColumnRef, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions").At(order[i].Span())
		}
	}
	return nil
}

// namedColumn finds the output column that ORDER BY or DISTINCT ON names. The same expression under one name twice is not ambiguous.
func (s *selectBinder) namedColumn(x sql.Expr, schema types.Schema, clause string) (int, error) {
	col, err := outputColumn(x, schema, clause)
	if err != nil && types.CodeOf(err) == types.CodeAmbiguousColumn {
		ref := x.(*sql.ColumnRef)
		first := -1
		for i, it := range s.items {
			if it.name != ref.Parts[0].Name {
				continue
			}
			if first >= 0 && (it.col == nil || s.items[first].col == nil || it.col.Index != s.items[first].col.Index) {
				return 0, err
			}
			if first < 0 {
				first = i
			}
		}
		return first, nil
	}
	return col, err
}

// finish computes the outputs over a node, and removes duplicates.
func (s *selectBinder) finish(node *Node, out *outputs) (*relation, error) {
	rel := &relation{node: newProject(node, out.exprs, out.names, DeadLetter), visible: len(s.items), order: out.keys}
	if !s.sel.Distinct && len(out.on) == 0 {
		return rel, nil
	}
	typed, err := rel.resolved()
	if err != nil {
		return nil, err
	}
	if s.sel.Distinct {
		typed.node = distinct(typed.node)
		return typed, nil
	}
	first := newTopNOp(1)
	first.Partition = out.on
	for _, k := range out.keys {
		if !slices.Contains(out.on, k.Col) {
			first.Order = append(first.Order, k)
		}
	}
	typed.node, typed.firsts = newTopN(typed.node, first), true
	return typed, nil
}

// compute puts window functions and then set-returning functions above a node, and moves the outputs onto the result.
func (s *selectBinder) compute(node *Node, eb *exprBinder, out *outputs) *Node {
	node, place := eb.over.build(node)
	for i, e := range out.exprs {
		out.exprs[i] = place(e)
	}
	node, placeSets := eb.srfs.build(node, out.exprs, func(call int) []expr.Expr {
		args := slices.Clone(eb.srfs.calls[call].args)
		for i, a := range args {
			args[i] = place(a)
		}
		return args
	})
	for i, e := range out.exprs {
		out.exprs[i] = placeSets(e)
	}
	return node
}

func (s *selectBinder) plain(in *Node, order []sql.OrderItem) (*relation, error) {
	eb := &exprBinder{binder: s.binder, sc: s.sc, clause: "SELECT", over: newWindowCalls(), srfs: newSetCalls()}
	out, err := s.outputs(eb, order)
	if err != nil {
		return nil, err
	}
	return s.finish(s.compute(in, eb, out), out)
}

// grouped binds a SELECT with an aggregation: window functions and set-returning functions are computed over its rows.
func (s *selectBinder) grouped(in *Node, order []sql.OrderItem) (*relation, error) {
	g := newGrouping(in, s.sc)
	if err := s.groupBy(s.sel, g, s.items); err != nil {
		return nil, err
	}
	eb := &exprBinder{binder: s.binder, sc: s.sc, clause: "SELECT", group: g, over: newWindowCalls(), srfs: g.srfs}
	out, err := s.outputs(eb, order)
	if err != nil {
		return nil, err
	}
	if len(s.sel.GroupBy) == 0 && s.sel.Having == nil && len(g.aggs) == 0 && len(g.calls) == 0 {
		return s.plain(in, order) // the aggregates are all of the queries around
	}
	var having expr.Expr
	if s.sel.Having != nil {
		hb := *eb
		hb.clause, hb.over, hb.srfs = "HAVING", nil, nil
		if having, err = hb.bindBool(s.sel.Having, "HAVING"); err != nil {
			return nil, err
		}
		if having, err = g.lift(having); err != nil {
			return nil, err
		}
	}
	for i := range out.exprs {
		if out.exprs[i], err = g.lift(out.exprs[i]); err != nil {
			return nil, err
		}
	}
	if err := eb.over.mapAll(g.lift); err != nil {
		return nil, err
	}
	above := &setCalls{calls: slices.Clone(g.srfs.calls)} // those of GROUP BY are below
	for _, i := range above.used(out.exprs) {
		c := &above.calls[i]
		c.args = slices.Clone(c.args)
		for j, a := range c.args {
			if c.args[j], err = g.lift(a); err != nil {
				return nil, err
			}
		}
	}
	node, place := g.build()
	if having != nil {
		node = newFilter(node, place(having), DeadLetter)
	}
	placed := func(e expr.Expr) (expr.Expr, error) { return place(e), nil }
	if err := eb.over.mapAll(placed); err != nil {
		return nil, err
	}
	for i := range out.exprs {
		out.exprs[i] = place(out.exprs[i])
	}
	for _, i := range above.used(out.exprs) {
		for j, a := range above.calls[i].args {
			above.calls[i].args[j] = place(a)
		}
	}
	eb.srfs = above
	return s.finish(s.compute(node, eb, out), out)
}

// outputName names an output column without alias, as PostgreSQL does.
func outputName(e sql.Expr) string {
	name, _ := figureName(e)
	if name == "" {
		return "?column?"
	}
	return name
}

// figureName returns the name that an expression suggests, and how strongly: 2 for names of columns and functions, 1 for those of
// types, 0 for none.
func figureName(e sql.Expr) (string, int) {
	switch x := e.(type) {
	case *sql.ColumnRef:
		return x.Parts[len(x.Parts)-1].Name, 2
	case *sql.FieldExpr:
		return x.Field.Name, 2
	case *sql.IndexExpr:
		return figureName(x.X)
	case *sql.SliceExpr:
		return figureName(x.X)
	case *sql.FuncCall:
		return strings.ToLower(x.Name.Last().Name), 2
	case *sql.KeywordFunc:
		return x.Name, 2
	case *sql.AtTimeZoneExpr:
		return "timezone", 2
	case *sql.CollateExpr:
		return figureName(x.X)
	case *sql.CastExpr:
		if name, strength := figureName(x.X); strength > 1 {
			return name, strength
		}
		return typeOutputName(x.Type), 1
	case *sql.TypedLit:
		return typeOutputName(x.Type), 1
	case *sql.IntervalLit:
		return "interval", 1
	case *sql.CaseExpr:
		if x.Else != nil {
			if name, strength := figureName(x.Else); strength > 1 {
				return name, strength
			}
		}
		return "case", 1
	case *sql.SubqueryExpr:
		return subqueryName(x.Query.Body), 2
	case *sql.ExistsExpr:
		return "exists", 2
	case *sql.ArrayExpr, *sql.ArrayQueryExpr:
		return "array", 2
	case *sql.RowExpr:
		return "row", 2
	}
	return "", 0
}

// internalTypeNames are PostgreSQL's own names of the types that SQL calls otherwise.
var internalTypeNames = map[string]string{
	"integer": "int4", "int": "int4", "bigint": "int8", "smallint": "int2", "boolean": "bool", "real": "float4",
	"double precision": "float8", "double": "float8", "float": "float8", "decimal": "numeric", "dec": "numeric", "string": "text",
}

func typeOutputName(t *sql.TypeName) string {
	name := strings.ToLower(t.Name.Last().Name)
	if internal, ok := internalTypeNames[name]; ok {
		return internal
	}
	if t.TimeZone == sql.WithTimeZone {
		return name + "tz"
	}
	return name
}
