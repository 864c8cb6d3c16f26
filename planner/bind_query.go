package planner

import (
	"slices"
	"strconv"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// binder resolves the names and types of one statement against the catalog.
type binder struct {
	p       *Planner
	reg     *expr.Registry
	set     Settings
	ctes    []*boundCTE // innermost last
	deps    map[ObjectID]bool
	notices []Notice
	level   int // nesting of queries
	// apart are the names of the items of FROM before the one being bound.
	apart []string
	// snapshot: the plan is run once over what views hold.
	snapshot bool
	// kept: the plan is kept up to date in a view, whether its input ends or not.
	kept   bool
	lambda *lambda // the subquery that is bound; nil: none
}

// Notice tells the user what was assumed.
type Notice struct {
	Msg  string
	Hint string
	Span types.Span
}

func (b *binder) notice(sp types.Span, hint, format string, args ...any) {
	e := types.Errorf("", format, args...)
	b.notices = append(b.notices, Notice{Msg: e.Msg, Hint: hint, Span: sp})
}

// boundCTE is one WITH query in scope; rel is nil while its own body is bound under RECURSIVE.
type boundCTE struct {
	name string
	rel  *relation
	// lambda is the subquery that it stands in.
	lambda *lambda
	item   *fromItem // instead of rel: rows that a statement has made, with the names inside
}

func (b *binder) findCTE(name string) *boundCTE {
	for i := len(b.ctes) - 1; i >= 0; i-- {
		if b.ctes[i].name == name {
			return b.ctes[i]
		}
	}
	return nil
}

// relation is a bound query: the first visible columns of the node are its result, by the names of the node's schema.
type relation struct {
	node    *Node
	visible int
	// order, limit and offset are those of the outermost query; order is over the node's columns, hidden ones included.
	order         []SortKey
	limit, offset *int64
	ties          bool       // WITH TIES
	firsts        bool       // the order has chosen the rows of DISTINCT ON
	ordered       types.Span // where ORDER BY, LIMIT or OFFSET stands; zero if there is none
	emit          *sql.Emit
}

// maxQueryDepth bounds the nesting of queries.
const maxQueryDepth = 200

// subquery binds a query in FROM, WITH or a view: its order matters for its LIMIT only, its EMIT holds for what is inside.
func (b *binder) subquery(q *sql.Query) (*relation, error) {
	return b.query(q, false)
}

// inner makes the clauses around a query that is part of another one a part of the plan.
func (b *binder) inner(rel *relation) (*relation, error) {
	if err := b.innerEmit(rel); err != nil {
		return nil, err
	}
	typed, err := rel.resolved()
	if err != nil {
		return nil, err
	}
	return typed.limited(), nil
}

// innerEmit applies the EMIT of a query that is part of another one.
func (b *binder) innerEmit(rel *relation) error {
	if rel.emit == nil {
		return nil
	}
	switch rel.emit.Mode {
	case sql.EmitEvery:
		return types.NotSupported(rel.emit.Span(), "EMIT EVERY inside of a query")
	case sql.EmitOnWindowClose:
		rel.node = emitOnClose(rel.node)
	}
	rel.emit = nil
	return nil
}

// query binds a query with its clauses. Those of the outermost one are left to the caller.
func (b *binder) query(q *sql.Query, outermost bool) (*relation, error) {
	b.level++
	defer func() { b.level-- }()
	if b.level > maxQueryDepth {
		return nil, types.Errorf(types.CodeTooComplex, "queries are nested deeper than %d levels", maxQueryDepth).At(q.Span())
	}
	mark := len(b.ctes)
	defer func() { b.ctes = b.ctes[:mark] }()
	if q.With != nil {
		if err := b.with(q.With); err != nil {
			return nil, err
		}
	}
	rel, err := b.body(q.Body, q.OrderBy)
	if err != nil {
		return nil, err
	}
	if q.AsOf != nil {
		return nil, types.NotSupported(q.AsOf.Span(), "AS OF EPOCH")
	}
	for _, o := range q.OrderBy {
		rel.ordered = rel.ordered.Cover(o.Span())
	}
	if rel.limit, err = b.rowCount(q.Limit, "LIMIT", rel); err != nil {
		return nil, err
	}
	if rel.offset, err = b.rowCount(q.Offset, "OFFSET", rel); err != nil {
		return nil, err
	}
	if q.WithTies {
		switch {
		case len(q.OrderBy) == 0:
			return nil, types.Errorf(types.CodeSyntax, "WITH TIES cannot be specified without ORDER BY clause").At(q.Limit.Span())
		case rel.limit == nil:
			return nil, types.Errorf(codeRowCount, "row count cannot be null in FETCH FIRST ... WITH TIES clause").At(q.Limit.Span())
		}
		rel.ties = true
	}
	if q.Emit != nil {
		rel.emit = q.Emit
	}
	if !outermost {
		rel, err = b.inner(rel)
	}
	if err == nil && b.level == 1 && b.lambda == nil {
		r := &rewriter{reg: b.reg, cat: b.p.Catalog}
		rel.node, err = r.decorrelate(rel.node)
	}
	return rel, err
}

// PostgreSQL's SQLSTATEs of a LIMIT and of an OFFSET that cannot be.
const (
	codeRowCount  types.Code = "2201W"
	codeRowOffset types.Code = "2201X"
)

// rowCount binds LIMIT or OFFSET: a constant that is not negative.
func (b *binder) rowCount(e sql.Expr, what string, rel *relation) (*int64, error) {
	if e == nil {
		return nil, nil
	}
	rel.ordered = rel.ordered.Cover(e.Span())
	eb := &exprBinder{binder: b, sc: &scope{}, clause: what}
	x, err := eb.bindTo(e, types.Int8Type, expr.Assignment)
	if err != nil {
		return nil, err
	}
	lit, ok := b.fold(x).(*expr.Literal)
	if !ok {
		return nil, types.NotSupported(e.Span(), "%s that is not a constant", what)
	}
	n, ok := lit.Value.(int64)
	switch {
	case !ok: // NULL is no limit
		return nil, nil
	case n < 0:
		code := codeRowCount
		if what == "OFFSET" {
			code = codeRowOffset
		}
		return nil, types.Errorf(code, "%s must not be negative", what).At(e.Span())
	}
	return &n, nil
}

// with binds the queries of a WITH clause and puts them into scope.
func (b *binder) with(w *sql.With) error {
	first := len(b.ctes)
	for _, c := range w.CTEs {
		for _, have := range b.ctes[first:] {
			if have.name == c.Name.Name {
				return types.Errorf(types.CodeDuplicateAlias, "WITH query name %q specified more than once", c.Name.Name).At(c.Name.Span())
			}
		}
		stmt, ok := c.Stmt.(*sql.QueryStmt)
		if !ok {
			return types.NotSupported(c.Stmt.Span(), "data-modifying statements in WITH")
		}
		bound := &boundCTE{name: c.Name.Name, lambda: b.lambda}
		if w.Recursive {
			b.ctes = append(b.ctes, bound)
		}
		rel, err := b.subquery(stmt.Query)
		if err != nil {
			return err
		}
		if len(c.Columns) > rel.visible {
			return types.Errorf(types.CodeInvalidColumnRef, "WITH query %q has %d columns available but %d columns specified",
				c.Name.Name, rel.visible, len(c.Columns)).At(c.Span())
		}
		bound.rel = rel.named(c.Columns)
		if !w.Recursive {
			b.ctes = append(b.ctes, bound)
		}
	}
	return nil
}

// named returns the relation with other names for its first columns.
func (r *relation) named(names []sql.Ident) *relation {
	if len(names) == 0 {
		return r
	}
	c := *r
	schema := slices.Clone(r.node.Schema)
	for i, n := range names {
		schema[i].Name = n.Name
	}
	c.node = r.node.withOp(r.node.Op, schema)
	return &c
}

// body binds the body of a query. order is bound with it, because ORDER BY may use input columns.
func (b *binder) body(body sql.QueryBody, order []sql.OrderItem) (*relation, error) {
	var rel *relation
	var err error
	switch x := body.(type) {
	case *sql.Select:
		return b.selectBody(x, order)
	case *sql.Values:
		rel, err = b.values(x)
	case *sql.TableBody:
		item, ferr := b.fromTable(x.Table)
		if ferr != nil {
			return nil, ferr
		}
		rel = b.allColumns(item)
	case *sql.SetOp:
		rel, err = b.setOp(x)
	case *sql.Query:
		rel, err = b.subquery(x)
	default:
		return nil, types.NotSupported(body.Span(), "this form of query")
	}
	if err != nil {
		return nil, err
	}
	return rel, b.orderByOutput(rel, order, body)
}

// allColumns selects the named columns of an item.
func (b *binder) allColumns(item *fromItem) *relation {
	exprs := make([]expr.Expr, len(item.cols))
	names := make([]string, len(item.cols))
	for i, c := range item.cols {
		exprs[i], names[i] = column(c.index, item.node.Schema[c.index]), c.name
	}
	return &relation{node: newProject(item.node, exprs, names, DeadLetter), visible: len(exprs)}
}

// orderByOutput binds ORDER BY over the result of VALUES, TABLE or a set operation: the last by name or position only. Sort keys of
// others that are no columns come behind these, hidden.
func (b *binder) orderByOutput(rel *relation, order []sql.OrderItem, body sql.QueryBody) error {
	if len(order) == 0 {
		return nil
	}
	sc := &scope{}
	name := ""
	if t, ok := body.(*sql.TableBody); ok {
		name = t.Table.Name.Last().Name
	}
	sc.addRelation(name, rel.node.Schema[:rel.visible], nil)
	eb := &exprBinder{binder: b, sc: sc, clause: "ORDER BY"}
	exprs, names := columnExprs(rel.node.Schema), schemaNames(rel.node.Schema)
	for _, o := range order {
		col, err := outputColumn(o.X, rel.node.Schema[:rel.visible], "ORDER BY")
		if err != nil {
			return err
		}
		if ref, ok := o.X.(*sql.ColumnRef); ok && col < 0 && name == "" {
			if _, err := sc.lookup(ref); err != nil {
				return err
			}
		}
		if col < 0 {
			switch body.(type) {
			case *sql.Values, *sql.TableBody:
			default:
				return types.Errorf(types.CodeNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").At(o.Span()).
					WithHint("order by the name or the position of an output column, or put the query into FROM")
			}
			e, err := eb.bindTyped(o.X)
			if err != nil {
				return err
			}
			if col = columnOf(e); col < 0 {
				col = len(exprs)
				exprs, names = append(exprs, e), append(names, "$order")
			}
		}
		rel.order = append(rel.order, SortKey{Col: col, Desc: o.Desc, NullsFirst: nullsFirst(o)})
	}
	if len(exprs) > len(rel.node.Schema) {
		rel.node = newProject(rel.node, exprs, names, DeadLetter)
	}
	return nil
}

// outputColumn finds the output column that e names or counts, or -1.
//
// Errors: CodeInvalidColumnRef for a wrong position, CodeAmbiguousColumn, CodeSyntax for other constants.
func outputColumn(e sql.Expr, schema types.Schema, clause string) (int, error) {
	switch x := e.(type) {
	case *sql.NumberLit:
		n, ok := ordinal(x)
		if !ok {
			return 0, types.Errorf(types.CodeSyntax, "non-integer constant in %s", clause).At(x.Span())
		}
		if n < 1 || n > len(schema) {
			return 0, types.Errorf(types.CodeInvalidColumnRef, "%s position %d is not in select list", clause, n).At(x.Span())
		}
		return n - 1, nil
	case *sql.StringLit, *sql.BoolLit:
		return 0, types.Errorf(types.CodeSyntax, "non-integer constant in %s", clause).At(e.Span())
	case *sql.ColumnRef:
		if len(x.Parts) != 1 {
			return -1, nil
		}
		found := -1
		for i, f := range schema {
			if f.Name == x.Parts[0].Name {
				if found >= 0 {
					return 0, types.Errorf(types.CodeAmbiguousColumn, "%s %q is ambiguous", clause, f.Name).At(x.Span())
				}
				found = i
			}
		}
		return found, nil
	}
	return -1, nil
}

func ordinal(x *sql.NumberLit) (int, bool) {
	n, err := strconv.Atoi(x.Text)
	return n, err == nil
}

// values binds VALUES (...), (...).
func (b *binder) values(v *sql.Values) (*relation, error) {
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "VALUES"}
	rows := make([][]expr.Expr, len(v.Rows))
	for i, r := range v.Rows {
		if len(r) != len(v.Rows[0]) {
			return nil, types.Errorf(types.CodeSyntax, "VALUES lists must all be the same length").At(v.Span())
		}
		var err error
		if rows[i], err = eb.bindList(r); err != nil {
			return nil, err
		}
	}
	schema := make(types.Schema, len(rows[0]))
	for c := range schema {
		list := make([]expr.Expr, len(rows))
		for i := range rows {
			list[i] = rows[i][c]
		}
		t := types.UnknownType
		if slices.ContainsFunc(list, func(e expr.Expr) bool { return e.Type().Kind != types.Unknown }) {
			var err error
			if list, t, err = toCommonType("VALUES", list); err != nil {
				return nil, err
			}
		}
		schema[c] = types.Field{Name: "column" + strconv.Itoa(c+1), Type: t, NotNull: true}
		for i, e := range list {
			rows[i][c] = e
			schema[c].NotNull = schema[c].NotNull && notNull(e, nil)
		}
	}
	return &relation{node: newNode(&Values{Rows: rows}, schema), visible: len(schema)}, nil
}

// setOp binds UNION, INTERSECT and EXCEPT.
func (b *binder) setOp(x *sql.SetOp) (*relation, error) {
	l, err := b.operand(x.L)
	if err != nil {
		return nil, err
	}
	r, err := b.operand(x.R)
	if err != nil {
		return nil, err
	}
	if l.visible != r.visible {
		return nil, types.Errorf(types.CodeSyntax, "each %s query must have the same number of columns", x.Op).At(x.R.Span())
	}
	common := make([]types.Type, l.visible)
	for i := range common {
		lt, rt := l.node.Schema[i].Type, r.node.Schema[i].Type
		if lt.Kind == types.Unknown && rt.Kind == types.Unknown {
			common[i] = types.TextType
			continue
		}
		if common[i], err = expr.CommonType([]types.Type{lt, rt}); err != nil {
			e := err.(*types.Error)
			return nil, types.Errorf(e.Code, "%s %s", x.Op, e.Msg).At(x.R.Span())
		}
	}
	left, err := coerceColumns(l, common, expr.Implicit)
	if err != nil {
		return nil, at(err, x.L.Span())
	}
	right, err := coerceColumns(r, common, expr.Implicit)
	if err != nil {
		return nil, at(err, x.R.Span())
	}
	var node *Node
	switch {
	case x.Op == sql.Union:
		node = newUnion([]*Node{left, right})
		if !x.All {
			node = distinct(node)
		}
	default:
		if node, err = b.intersect(left, right, x.Op == sql.Except, x.All, x.Span()); err != nil {
			return nil, err
		}
	}
	return &relation{node: node, visible: len(node.Schema)}, nil
}

// operand binds one side of a set operation.
func (b *binder) operand(body sql.QueryBody) (*relation, error) {
	rel, err := b.body(body, nil)
	if err != nil {
		return nil, err
	}
	return rel, b.innerEmit(rel)
}

// intersect counts each row on both sides:
//
//	INTERSECT: both counts are above zero            EXCEPT: only the left one is
//	INTERSECT ALL: the lesser of both counts times   EXCEPT ALL: the left one less the right one times
func (b *binder) intersect(l, r *Node, except, all bool, sp types.Span) (*Node, error) {
	n := len(l.Schema)
	tagged := func(in *Node, left bool) *Node {
		exprs := append(columnExprs(in.Schema), boolLiteral(left), boolLiteral(!left))
		return reproject(in, exprs, append(append(types.Schema{}, l.Schema...), types.Field{Name: "$left"}, types.Field{Name: "$right"}), DeadLetter)
	}
	keys := make([]int, n)
	for i := range keys {
		keys[i] = i
	}
	both := newUnion([]*Node{tagged(l, true), tagged(r, false)})
	count := func(filter int) AggCall { return AggCall{Fn: "count(*)", Filter: filter, T: types.Int8Type} }
	agg := newAggregate(both, newAggregateOp(keys, []AggCall{count(n), count(n + 1)}), append(schemaNames(l.Schema), "$left", "$right"))
	if all {
		return b.repeated(agg, l.Schema, except, sp)
	}
	zero := &expr.Literal{Base: expr.Base{T: types.Int8Type, Sp: sp}, Value: int64(0)}
	inLeft, err := b.reg.Op(">", []expr.Expr{column(n, agg.Schema[n]), zero}, sp)
	if err != nil {
		return nil, err
	}
	op := ">"
	if except {
		op = "="
	}
	inRight, err := b.reg.Op(op, []expr.Expr{column(n+1, agg.Schema[n+1]), zero}, sp)
	if err != nil {
		return nil, err
	}
	kept := newFilter(agg, conjunction([]expr.Expr{inLeft, inRight}), DeadLetter)
	return reproject(kept, columnExprs(l.Schema), l.Schema, DeadLetter), nil
}

// repeated gives each row of an aggregation, which counts it on both sides, as often as INTERSECT ALL or EXCEPT ALL want it.
func (b *binder) repeated(agg *Node, like types.Schema, except bool, sp types.Span) (*Node, error) {
	n := len(like)
	counts := []expr.Expr{column(n, agg.Schema[n]), column(n+1, agg.Schema[n+1])}
	var times expr.Expr
	var err error
	if except {
		times, err = b.reg.Op("-", counts, sp)
	} else {
		times, err = b.reg.Func("least", counts, sp)
	}
	if err != nil {
		return nil, err
	}
	one := &expr.Literal{Base: expr.Base{T: types.Int8Type, Sp: sp}, Value: int64(1)}
	fn, args, err := resolveTableFunction("generate_series", []expr.Expr{one, times}, sp)
	if err != nil {
		return nil, err
	}
	rows := newTableFunc(agg, &TableFunc{Calls: []TableCall{{Fn: fn.ID, Args: args, Columns: fn.Columns}}})
	return reproject(rows, columnExprs(like), like, DeadLetter), nil
}

func boolLiteral(v bool) *expr.Literal {
	return &expr.Literal{Base: expr.Base{T: types.BoolType}, Value: v}
}

func schemaNames(s types.Schema) []string {
	names := make([]string, len(s))
	for i, f := range s {
		names[i] = f.Name
	}
	return names
}

// distinct removes duplicates: an aggregation without aggregates.
func distinct(in *Node) *Node {
	keys := make([]int, len(in.Schema))
	for i := range keys {
		keys[i] = i
	}
	return newAggregate(in, newAggregateOp(keys, nil), schemaNames(in.Schema))
}

// coerceColumns casts the visible columns of a relation and drops the others. Untyped literals at the top are read as the type
// wanted.
func coerceColumns(rel *relation, want []types.Type, ctx expr.CastContext) (*Node, error) {
	n := rel.node
	same := len(n.Schema) == len(want)
	for i, t := range want {
		same = same && n.Schema[i].Type == t
	}
	if same {
		return n, nil
	}
	if op, ok := n.Op.(*Values); ok && len(n.Schema) == len(want) {
		return coerceValues(n, op, want, ctx)
	}
	exprs := columnExprs(n.Schema[:len(want)])
	in := n
	if op, ok := n.Op.(*Project); ok {
		exprs, in = op.Exprs[:len(want)], n.in()
	}
	cast := make([]expr.Expr, len(want))
	for i, e := range exprs {
		var err error
		if cast[i], err = expr.Cast(e, want[i], ctx); err != nil {
			return nil, columnError(err, n.Schema[i].Name)
		}
	}
	return reproject(in, cast, n.Schema[:len(want)], DeadLetter), nil
}

func coerceValues(n *Node, op *Values, want []types.Type, ctx expr.CastContext) (*Node, error) {
	schema := slices.Clone(n.Schema)
	rows := make([][]expr.Expr, len(op.Rows))
	for i, row := range op.Rows {
		rows[i] = make([]expr.Expr, len(row))
		for c, e := range row {
			var err error
			if rows[i][c], err = expr.Cast(e, want[c], ctx); err != nil {
				return nil, columnError(err, schema[c].Name)
			}
		}
	}
	for c := range schema {
		schema[c].Type = want[c]
	}
	return newNode(&Values{Rows: rows}, schema), nil
}

// columnError names the column in what Cast says about a type.
func columnError(err error, name string) error {
	e, ok := err.(*types.Error)
	if !ok || e.Code != types.CodeDatatypeMismatch && e.Code != types.CodeCannotCoerce {
		return err
	}
	c := *e
	c.Msg = "column \"" + name + "\": " + e.Msg
	return &c
}

// resolved gives untyped columns the type text, as PostgreSQL does at the end of a query.
func (r *relation) resolved() (*relation, error) {
	want := make([]types.Type, len(r.node.Schema))
	found := false
	for i, f := range r.node.Schema {
		want[i] = f.Type
		if f.Type.Kind == types.Unknown {
			want[i] = types.TextType
			found = true
		}
	}
	if !found {
		return r, nil
	}
	c := *r
	all := relation{node: r.node, visible: len(want)}
	var err error
	c.node, err = coerceColumns(&all, want, expr.Implicit)
	return &c, err
}
