package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// joinClause is how an item of FROM is joined to those before it: JOIN with its condition, or a comma.
type joinClause struct {
	kind       sql.JoinKind // CrossJoin: also a comma
	asof       bool
	natural    bool
	on         sql.Expr
	using      []sql.Ident
	usingAlias sql.Ident
	at         types.Span
}

// fromJoin binds a join in FROM.
func (b *binder) fromJoin(x *sql.Join) (*fromItem, error) {
	left, err := b.fromOne(x.L)
	if err != nil {
		return nil, err
	}
	item, err := b.joinWith(left, x.R, &joinClause{
		kind: x.Kind, asof: x.AsOf, natural: x.Natural, on: x.On, using: x.Using, usingAlias: x.UsingAlias, at: x.Span(),
	})
	if err != nil {
		return nil, err
	}
	return b.aliased(item, x.Alias)
}

// joinWith joins the item t to what stands before it.
func (b *binder) joinWith(left *fromItem, t sql.TableExpr, c *joinClause) (*fromItem, error) {
	if name, ok := t.(*sql.TableName); ok && name.AsOf != nil {
		return b.temporalJoin(left, name, c)
	}
	outward := c.kind == sql.RightJoin || c.kind == sql.FullJoin
	if readsSideways(t) && !outward && !c.asof {
		kind := InnerJoin
		if c.kind == sql.LeftJoin {
			kind = LeftJoin
		}
		return b.joinLateral(left, kind, t, func(right *fromItem) (expr.Expr, func(*Node) *fromItem, error) {
			return b.bindJoin(c, left, right)
		})
	}
	if readsSideways(t) && outward {
		if err := b.refuseSideways(left, t); err != nil {
			return nil, err
		}
	}
	saved := b.apart
	b.apart = append(slices.Clone(b.apart), left.names()...)
	right, err := b.fromOne(t)
	b.apart = saved
	if err != nil {
		return nil, err
	}
	if c.asof {
		return b.asofJoin(left, right, c)
	}
	on, finish, err := b.bindJoin(c, left, right)
	if err != nil {
		return nil, err
	}
	return finish(joinOf(c.kind, left.node, right.node, on)), nil
}

// readsSideways reports whether an item of FROM may read the items before it: LATERAL, and functions, are in it.
func readsSideways(t sql.TableExpr) bool {
	switch x := t.(type) {
	case *sql.DerivedTable:
		return x.Lateral
	case *sql.TableFunc:
		return !(isWindowFunction(x.Call.Name.Last().Name) && len(x.Call.Name.Parts) == 1)
	case *sql.Join:
		return readsSideways(x.L) || readsSideways(x.R)
	}
	return false
}

// joinOf makes the node of a join. Its columns are those of the left side, then those of the right one.
//
//	RightJoin(l, r)  =>  Project r.., l.. (LeftJoin(r, l))
func joinOf(kind sql.JoinKind, l, r *Node, on expr.Expr) *Node {
	switch kind {
	case sql.LeftJoin:
		return newJoin(LeftJoin, l, r, on)
	case sql.FullJoin:
		return newJoin(FullJoin, l, r, on)
	case sql.RightJoin:
		return swapped(LeftJoin, l, r, on)
	}
	return newJoin(InnerJoin, l, r, on)
}

// swapped joins r with l and gives the columns of l before those of r. on is over the columns of l, then those of r.
func swapped(kind JoinKind, l, r *Node, on expr.Expr) *Node {
	nl, nr := len(l.Schema), len(r.Schema)
	to := make([]int, nl+nr)
	for i := range to {
		to[i] = i + nr
		if i >= nl {
			to[i] = i - nl
		}
	}
	if on != nil {
		on = remapColumns(on, to)
	}
	join := newJoin(kind, r, l, on)
	exprs := make([]expr.Expr, len(to))
	names := make([]string, len(to))
	for i, c := range to {
		exprs[i], names[i] = column(c, join.Schema[c]), join.Schema[c].Name
	}
	return newProject(join, exprs, names, DeadLetter)
}

// newJoin makes a Join with the whole condition in On, which may be nil. Its columns are those of left, then, but for SemiJoin and
// AntiJoin, those of right; the columns of a side that outer joins fill with NULLs can be NULL.
func newJoin(kind JoinKind, left, right *Node, on expr.Expr) *Node {
	return newNode(&Join{Kind: kind, On: on, LeftRowWatermark: -1, RightRowWatermark: -1}, joinSchema(kind, left.Schema, right.Schema), left, right)
}

func joinSchema(kind JoinKind, left, right types.Schema) types.Schema {
	schema := slices.Clone(left)
	if kind == FullJoin {
		schema = nullable(schema)
	}
	switch kind {
	case SemiJoin, AntiJoin:
		return schema
	case LeftJoin, FullJoin:
		right = nullable(right)
	}
	return append(schema, right...)
}

// nullable returns the schema of rows that may be filled with NULLs.
func nullable(s types.Schema) types.Schema {
	out := slices.Clone(s)
	for i := range out {
		out[i].NotNull = false
	}
	return out
}

// names returns the names of the relations in an item of FROM.
func (f *fromItem) names() []string {
	var names []string
	for _, r := range f.scope().rels {
		names = append(names, r.name)
	}
	return names
}

// bindJoin binds the condition of a join over the columns of left, then those of right; nil: there is none. finish makes the item of FROM
// of the node that joins them, which has these columns.
func (b *binder) bindJoin(c *joinClause, left, right *fromItem) (on expr.Expr, finish func(*Node) *fromItem, err error) {
	sc, err := left.scope().beside(right.scope(), len(left.node.Schema), c.at)
	if err != nil {
		return nil, nil, err
	}
	using, err := usedNames(c, left.scope(), right.scope())
	if err != nil {
		return nil, nil, err
	}
	if c.on != nil {
		visible := *sc
		visible.apart = b.apart
		eb := &exprBinder{binder: b, sc: &visible, clause: "JOIN/ON"}
		if on, err = eb.bindBool(c.on, "JOIN/ON"); err != nil {
			return nil, nil, err
		}
	}
	if len(using) == 0 {
		return on, func(n *Node) *fromItem { return joinedItem(n, sc) }, nil
	}
	width := len(left.node.Schema)
	var merged []mergedColumn
	var equal []expr.Expr
	for _, id := range using {
		m, eq, err := b.mergeColumns(c, id, left.scope(), right.scope(), width)
		if err != nil {
			return nil, nil, err
		}
		merged, equal = append(merged, m), append(equal, eq)
	}
	return conjunction(equal), func(n *Node) *fromItem { return mergedItem(c, n, sc, merged) }, nil
}

// usedNames returns the names of USING, or the common ones of NATURAL in the order of the left side.
func usedNames(c *joinClause, left, right *scope) ([]sql.Ident, error) {
	if !c.natural {
		for i, id := range c.using {
			if slices.ContainsFunc(c.using[:i], func(x sql.Ident) bool { return x.Name == id.Name }) {
				return nil, types.Errorf(types.CodeDuplicateColumn, "column name %q appears more than once in USING clause", id.Name).At(id.Span())
			}
		}
		return c.using, nil
	}
	var names []sql.Ident
	for _, l := range left.star(-1) {
		if slices.ContainsFunc(right.star(-1), func(r scopeColumn) bool { return r.name == l.name }) &&
			!slices.ContainsFunc(names, func(x sql.Ident) bool { return x.Name == l.name }) {
			names = append(names, sql.Ident{At: sql.Spanned(c.at), Name: l.name})
		}
	}
	return names, nil
}

// mergedColumn is a column that USING makes of two.
type mergedColumn struct {
	name string
	x    expr.Expr // over the join's columns
}

// mergeColumns finds a name of USING on both sides, and compares and merges the two columns: into the one that cannot be filled with
// NULLs, of a FULL JOIN into the first that is not NULL.
func (b *binder) mergeColumns(c *joinClause, id sql.Ident, left, right *scope, width int) (m mergedColumn, equal expr.Expr, err error) {
	find := func(s *scope, side string) (*expr.Column, error) {
		var found *expr.Column
		for _, col := range s.star(-1) {
			if col.name != id.Name {
				continue
			}
			if found != nil {
				return nil, types.Errorf(types.CodeAmbiguousColumn, "common column name %q appears more than once in %s table", id.Name, side).At(id.Span())
			}
			found = col.column(id.Span())
		}
		if found == nil {
			return nil, types.Errorf(types.CodeUndefinedColumn, "column %q specified in USING clause does not exist in %s table", id.Name, side).At(id.Span())
		}
		return found, nil
	}
	l, err := find(left, "left")
	if err != nil {
		return m, nil, err
	}
	r, err := find(right, "right")
	if err != nil {
		return m, nil, err
	}
	r.Index += width
	common, err := expr.CommonType([]types.Type{l.T, r.T})
	if err != nil {
		return m, nil, types.Errorf(types.CodeDatatypeMismatch, "JOIN/USING types %s and %s cannot be matched", l.T, r.T).At(id.Span())
	}
	if equal, err = b.reg.Op("=", []expr.Expr{l, r}, id.Span()); err != nil {
		return m, nil, err
	}
	lx, err := expr.Cast(l, common, expr.Implicit)
	if err != nil {
		return m, nil, at(err, id.Span())
	}
	rx, err := expr.Cast(r, common, expr.Implicit)
	if err != nil {
		return m, nil, at(err, id.Span())
	}
	m = mergedColumn{name: id.Name, x: lx}
	switch c.kind {
	case sql.RightJoin:
		m.x = rx
	case sql.FullJoin:
		if m.x, err = b.reg.Func("coalesce", []expr.Expr{lx, rx}, id.Span()); err != nil {
			return m, nil, err
		}
	default:
		if columnOf(lx) < 0 && columnOf(rx) >= 0 && c.kind != sql.LeftJoin {
			m.x = rx
		}
	}
	return m, equal, nil
}

// joinedItem is a join in FROM: its columns are those of its items.
func joinedItem(n *Node, sc *scope) *fromItem {
	item := &fromItem{node: n, joined: sc}
	for _, c := range sc.star(-1) {
		item.cols = append(item.cols, fromColumn{name: c.name, index: c.index})
	}
	return item
}

// mergedItem is a join with USING: the merged columns come first, and those that they are made of have qualified names only.
func mergedItem(c *joinClause, n *Node, sc *scope, merged []mergedColumn) *fromItem {
	exprs := columnExprs(n.Schema)
	names := schemaNames(n.Schema)
	out := &scope{rels: sc.rels}
	if !c.usingAlias.IsZero() {
		out.rels = append(slices.Clone(out.rels), scopeRel{name: c.usingAlias.Name})
	}
	for _, m := range merged {
		i := columnOf(m.x)
		if i < 0 {
			i = len(exprs)
			exprs, names = append(exprs, m.x), append(names, m.name)
		}
		out.cols = append(out.cols, scopeColumn{rel: -1, name: m.name, typ: m.x.Type(), index: i})
		if !c.usingAlias.IsZero() {
			out.cols = append(out.cols, scopeColumn{rel: len(out.rels) - 1, name: m.name, typ: m.x.Type(), index: i, qualified: true})
		}
	}
	for _, col := range sc.cols {
		if !col.qualified && slices.ContainsFunc(merged, func(m mergedColumn) bool { return m.name == col.name }) {
			if col.rel < 0 {
				continue
			}
			col.qualified = true
		}
		out.cols = append(out.cols, col)
	}
	if len(exprs) > len(n.Schema) {
		n = newProject(n, exprs, names, DeadLetter)
	}
	return joinedItem(n, out)
}
