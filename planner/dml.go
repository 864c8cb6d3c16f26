package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// The plans of RETURNING and ON CONFLICT read rows that the statement has made, under these ids.
const (
	// RowsID are the rows that a statement inserted, changed or deleted: the table's columns, then DML.Extra.
	RowsID ObjectID = 2
	// ConflictID are the rows of the table that those to be inserted meet, with the number of the row that meets them behind.
	ConflictID ObjectID = 3
	// ExcludedID are the rows to be inserted that meet others, with their number behind.
	ExcludedID ObjectID = 4
)

// DMLKind is what a DML does to the rows that its query gives.
type DMLKind uint8

// The kinds of DML.
const (
	InsertRows DMLKind = iota
	UpdateRows
	DeleteRows
)

// DML is INSERT, UPDATE or DELETE on a table that is kept here. Its query is run once; what it gives becomes changes of the table.
type DML struct {
	Kind  DMLKind
	Table *Object
	// Query gives the rows. Its visible columns are
	//
	//	InsertRows  the table's columns; those of Auto and the generated ones are NULL and yet to be filled in
	//	UpdateRows  the old row, then the new values of Set, then Extra
	//	DeleteRows  the old row, then Extra
	Query *QueryPlan
	Auto  []int // identity columns that a counter fills
	Set   []int // columns that UPDATE changes, in the order of their values
	// Extra are the columns of FROM or USING that RETURNING can name.
	Extra types.Schema
	// Joined: FROM or USING may give a row of the table several times, of which one counts.
	Joined bool
	// Reads: the query, or the check of the primary key, depends on what tables hold.
	Reads bool
	// Conflict is ON CONFLICT, or nil.
	Conflict *Conflict
	// Returning computes the rows of RETURNING from those of RowsID; nil: none.
	Returning *QueryPlan
	Notices   []Notice
}

// Conflict is what INSERT does with rows whose key is there.
type Conflict struct {
	// Keys are what a row is not to meet: the target, or all there are.
	Keys []UniqueKey
	// Update gives the number of the row (bigint) and the new values of Set for the pairs of ConflictID and ExcludedID that
	// are to be changed; nil: DO NOTHING.
	Update *QueryPlan
	Set    []int
}

// ordinalColumn numbers the rows that are handed to the plans of RETURNING and ON CONFLICT.
const ordinalColumn = "$ordinal"

// PlanDML plans INSERT, UPDATE and DELETE on a table that is kept here.
//
// Errors: all of binding, positioned; CodeWrongObjectType for what is no table; CodeNotSupported.
func (p *Planner) PlanDML(stmt sql.Statement) (*DML, error) {
	b := p.newBinder(p.Settings)
	var d *DML
	var err error
	switch x := stmt.(type) {
	case *sql.Insert:
		d, err = b.insertRows(x)
	case *sql.Update:
		d, err = b.updateRows(x)
	case *sql.Delete:
		d, err = b.deleteRows(x)
	default:
		return nil, types.NotSupported(stmt.Span(), "this statement")
	}
	if err != nil {
		return nil, at(err, stmt.Span())
	}
	d.Notices = b.notices
	return d, nil
}

// IsKeptTable reports whether a name is that of a table that is kept here.
func (p *Planner) IsKeptTable(name *sql.Name) bool {
	o, err := p.Find(name)
	return err == nil && o.Table != nil
}

// target finds the table that a statement changes.
func (b *binder) target(t *sql.TableName, verb string) (*Object, error) {
	o, err := b.lookup(t.Name)
	switch {
	case err != nil:
		return nil, err
	case o.Table != nil:
		return o, nil
	case o.Kind == KindMaterializedView || o.Kind == KindView:
		return nil, types.Errorf(types.CodeWrongObjectType, "cannot change %s %q", o.Kind, o.Name).At(t.Span()).
			WithHint("change the tables that it reads")
	}
	return nil, types.Errorf(types.CodeWrongObjectType, "cannot %s %s %q", verb, o.Kind, o.Name).At(t.Span()).
		WithHint("only tables without a connector can be changed")
}

// runOnce plans a bound relation to be run once. The first visible columns are the result.
func (b *binder) runOnce(rel *relation) (*QueryPlan, error) {
	plan := &QueryPlan{Logical: rel.node, Schema: rel.node.Schema[:rel.visible], Deps: b.dependencies(), Snapshot: true}
	plan.Order, plan.Limit, plan.Offset = rel.order, rel.limit, rel.offset
	if !isSnapshot(rel.node) {
		plan.Snapshot = false
		r := &rewriter{reg: b.reg, cat: b.p.Catalog}
		if !r.props(rel.node).Bounded {
			return nil, types.NotSupported(types.Span{}, "changing a table from a source that goes on").
				WithHint("CREATE MATERIALIZED VIEW keeps what a source gives")
		}
	}
	saved := b.snapshot
	b.snapshot = true
	defer func() { b.snapshot = saved }()
	root, err := b.optimize(rel.node, emission{})
	if err != nil {
		return nil, err
	}
	plan.Root, err = b.finish(newNode(&Output{}, root.Schema, root))
	return plan, err
}

// withQuery returns a query with a statement's WITH before it.
func withQuery(w *sql.With, q *sql.Query) (*sql.Query, error) {
	if w == nil {
		return q, nil
	}
	if q.With != nil {
		return nil, types.NotSupported(q.With.Span(), "WITH both before INSERT and in its query")
	}
	c := *q
	c.With = w
	return &c, nil
}

// ---- UPDATE and DELETE

// targetName is how a statement's own clauses call the table.
func targetName(t *sql.TableName, o *Object) sql.Ident {
	if !t.Alias.IsZero() {
		return t.Alias.Name
	}
	return sql.Ident{At: t.At, Name: bareName(o.Name)}
}

// affected binds the rows that UPDATE and DELETE find, and the columns of the others that RETURNING can name:
//
//	SELECT t.*, values, others.* FROM t, others WHERE ...
func (b *binder) affected(with *sql.With, table *sql.TableName, o *Object, values []sql.Expr, from []sql.TableExpr, where sql.Expr, returning []sql.SelectItem) (*relation, *scope, error) {
	for _, v := range values {
		if b.hasAggregate(v) {
			return nil, nil, types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in UPDATE").At(v.Span())
		}
		if err := refuseRows(v, "UPDATE"); err != nil {
			return nil, nil, err
		}
	}
	star := &sql.Star{At: table.At, Qualifier: []sql.Ident{targetName(table, o)}}
	sel := &sql.Select{At: table.At, From: append([]sql.TableExpr{table}, from...), Where: where}
	sel.Items = append(sel.Items, sql.SelectItem{At: table.At, X: star})
	for _, v := range values {
		sel.Items = append(sel.Items, sql.SelectItem{At: sql.Spanned(v.Span()), X: v})
	}
	var others *scope
	if len(from) > 0 && len(returning) > 0 {
		sel.Items = append(sel.Items, sql.SelectItem{At: table.At, X: &sql.Star{At: table.At}})
		var err error
		if others, err = b.namesOf(with, sel.From); err != nil {
			return nil, nil, err
		}
	}
	rel, err := b.query(&sql.Query{At: table.At, With: with, Body: sel}, true)
	return rel, others, err
}

// namesOf binds items of FROM for their names alone.
func (b *binder) namesOf(with *sql.With, from []sql.TableExpr) (*scope, error) {
	mark := len(b.ctes)
	defer func() { b.ctes = b.ctes[:mark] }()
	if with != nil {
		if err := b.with(with); err != nil {
			return nil, err
		}
	}
	item, err := b.from(from)
	if err != nil {
		return nil, err
	}
	return item.scope(), nil
}

func (b *binder) updateRows(stmt *sql.Update) (*DML, error) {
	o, err := b.target(stmt.Table, "update")
	if err != nil {
		return nil, err
	}
	if o.Table.AppendOnly {
		return nil, appendOnlyError(o, "updated").At(stmt.Table.Span())
	}
	set, values, err := assignments(o, stmt.Set)
	if err != nil {
		return nil, err
	}
	d := &DML{Kind: UpdateRows, Table: o, Reads: true, Joined: len(stmt.From) > 0, Set: set}
	rel, others, err := b.affected(stmt.With, stmt.Table, o, values, stmt.From, stmt.Where, stmt.Returning)
	if err != nil {
		return nil, err
	}
	n, k := len(o.Table.Columns), len(set)
	exprs, in := rel.outputs()
	names := schemaNames(rel.node.Schema)
	for i, col := range set {
		if exprs[n+i], err = assigned(o.Table, col, values[i], exprs[n+i]); err != nil {
			return nil, err
		}
	}
	if others != nil { // the table's own columns among them are the old ones
		exprs, names = slices.Delete(exprs, n+k, n+k+n), slices.Delete(names, n+k, n+k+n)
	}
	return d, b.changing(d, &relation{node: newProject(in, exprs, names, Fail), visible: len(exprs)}, n+k, stmt.Returning, stmt.Table, others)
}

// changing plans the query of an UPDATE or DELETE and its RETURNING; from is where the columns of the others begin.
func (b *binder) changing(d *DML, rel *relation, from int, returning []sql.SelectItem, table *sql.TableName, others *scope) error {
	rel, err := rel.resolved()
	if err != nil {
		return err
	}
	if d.Query, err = b.runOnce(rel); err != nil {
		return err
	}
	if others != nil {
		d.Extra = d.Query.Schema[from:]
	}
	d.Returning, err = b.returning(returning, table, d.Table, d.Extra, others)
	return err
}

// outputs returns a relation's columns as expressions over the node below its projection.
func (r *relation) outputs() ([]expr.Expr, *Node) {
	if p, ok := r.node.Op.(*Project); ok {
		return slices.Clone(p.Exprs), r.node.in()
	}
	return columnExprs(r.node.Schema), r.node
}

// assigned casts a value to its column; DEFAULT is the column's own.
func assigned(t *Table, col int, x sql.Expr, e expr.Expr) (expr.Expr, error) {
	c := t.Columns[col]
	if isDefault(x) {
		return defaultValue(c), nil
	}
	v, err := expr.Cast(e, c.Type, expr.Assignment)
	if err != nil {
		return nil, at(assignError(err, c, e), x.Span())
	}
	return v, nil
}

// assignError says which column a value does not fit, as PostgreSQL does.
func assignError(err error, c TableColumn, e expr.Expr) error {
	te, ok := err.(*types.Error)
	if !ok || te.Code != types.CodeDatatypeMismatch && te.Code != types.CodeCannotCoerce {
		return err
	}
	return types.Errorf(types.CodeDatatypeMismatch, "column %q is of type %s but expression is of type %s", c.Name, c.Type, e.Type()).
		WithHint("you will need to rewrite or cast the expression")
}

// defaultValue is what stands in a column when nothing is given.
func defaultValue(c TableColumn) expr.Expr {
	if c.Default != nil {
		return c.Default
	}
	return &expr.Literal{Base: expr.Base{T: c.Type}}
}

// defaultMark stands for DEFAULT in a synthesized query: a NULL at a place that no text has.
var defaultMark = &sql.NullLit{At: sql.Spanned(types.Span{Start: -1, End: -1})}

func isDefault(x sql.Expr) bool { return x == sql.Expr(defaultMark) }

// assignments resolves SET: the columns and their values, DEFAULT as defaultMark.
func assignments(o *Object, list []sql.Assignment) (set []int, values []sql.Expr, err error) {
	schema := o.Schema()
	add := func(id sql.Ident, v sql.Expr) error {
		i := schema.Index(id.Name)
		switch {
		case i < 0:
			return unknownTableColumn(o, id)
		case slices.Contains(set, i):
			return types.Errorf(types.CodeSyntax, "multiple assignments to same column %q", id.Name).At(id.Span())
		}
		_, reset := v.(*sql.DefaultExpr)
		c := o.Table.Columns[i]
		switch {
		case c.Generated != nil && reset:
			return nil
		case c.Generated != nil:
			return types.Errorf(types.CodeGeneratedAlways, "column %q can only be updated to DEFAULT", id.Name).At(v.Span()).
				WithDetail("Column %q is a generated column.", id.Name)
		case c.Identity == IdentityAlways && !reset:
			return types.Errorf(types.CodeGeneratedAlways, "column %q can only be updated to DEFAULT", id.Name).At(v.Span()).
				WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", id.Name)
		case c.Identity != NotIdentity && reset:
			return types.NotSupported(v.Span(), "SET of an identity column to DEFAULT")
		case reset:
			v = defaultMark
		}
		set, values = append(set, i), append(values, v)
		return nil
	}
	for _, a := range list {
		if !a.Multi {
			if err := add(a.Columns[0], a.Value); err != nil {
				return nil, nil, err
			}
			continue
		}
		var row []sql.Expr
		switch x := a.Value.(type) {
		case *sql.RowExpr:
			row = x.Elems
		default:
			if len(a.Columns) != 1 {
				return nil, nil, types.NotSupported(a.Value.Span(), "a subquery that gives several columns of SET")
			}
			row = []sql.Expr{x}
		}
		if len(row) != len(a.Columns) {
			return nil, nil, types.Errorf(types.CodeSyntax, "number of columns does not match number of values").At(a.Value.Span())
		}
		for i, id := range a.Columns {
			if err := add(id, row[i]); err != nil {
				return nil, nil, err
			}
		}
	}
	return set, values, nil
}

func unknownTableColumn(o *Object, id sql.Ident) error {
	err := types.Errorf(types.CodeUndefinedColumn, "column %q of relation %q does not exist", id.Name, o.Name).At(id.Span())
	if near := types.Nearest(id.Name, schemaNames(o.Schema())); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

func appendOnlyError(o *Object, what string) *types.Error {
	return types.Errorf(types.CodeWrongObjectType, "rows of %q cannot be %s: the table is APPEND ONLY", o.Name, what)
}

func (b *binder) deleteRows(stmt *sql.Delete) (*DML, error) {
	o, err := b.target(stmt.Table, "delete from")
	if err != nil {
		return nil, err
	}
	if o.Table.AppendOnly {
		return nil, appendOnlyError(o, "deleted").At(stmt.Table.Span())
	}
	d := &DML{Kind: DeleteRows, Table: o, Reads: true, Joined: len(stmt.Using) > 0}
	rel, others, err := b.affected(stmt.With, stmt.Table, o, nil, stmt.Using, stmt.Where, stmt.Returning)
	if err != nil {
		return nil, err
	}
	n := len(o.Table.Columns)
	if others != nil {
		exprs, in := rel.outputs()
		names := schemaNames(rel.node.Schema)
		exprs, names = slices.Delete(exprs, n, n+n), slices.Delete(names, n, n+n)
		rel = &relation{node: newProject(in, exprs, names, Fail), visible: len(exprs)}
	}
	return d, b.changing(d, rel, n, stmt.Returning, stmt.Table, others)
}

// returning plans RETURNING over the rows of RowsID. others are the names of the extra columns, after those of the table; nil: none.
func (b *binder) returning(items []sql.SelectItem, table *sql.TableName, o *Object, extra types.Schema, others *scope) (*QueryPlan, error) {
	if len(items) == 0 {
		return nil, nil
	}
	for _, it := range items {
		if b.hasAggregate(it.X) {
			return nil, types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in RETURNING").At(it.Span())
		}
		if err := refuseRows(it.X, "RETURNING"); err != nil {
			return nil, err
		}
	}
	n := len(o.Table.Columns)
	schema := append(append(slices.Clone(o.Schema()), extra...), types.Field{Name: ordinalColumn, Type: types.Int8Type, NotNull: true})
	item := newFromItem(targetName(table, o).Name, newNode(&ViewScan{Object: RowsID, Name: o.Name}, schema), n+len(extra))
	if others != nil {
		item.joined = renumbered(others)
	}
	const hidden = "$rows"
	mark := len(b.ctes)
	b.ctes = append(b.ctes, &boundCTE{name: hidden, item: item})
	defer func() { b.ctes = b.ctes[:mark] }()
	from := &sql.TableName{Name: &sql.Name{Parts: []sql.Ident{{Name: hidden}}}}
	rel, err := b.query(&sql.Query{Body: &sql.Select{Items: items, From: []sql.TableExpr{from}}}, true)
	if err != nil {
		return nil, err
	}
	if rel, err = rel.resolved(); err != nil {
		return nil, err
	}
	return b.runOnce(rel)
}

// renumbered is the scope of rows whose columns are those that * gives of a scope, in that order.
func renumbered(s *scope) *scope {
	out := &scope{rels: s.rels}
	for _, c := range s.cols {
		if !c.qualified {
			c.index = len(out.cols)
			out.cols = append(out.cols, c)
		}
	}
	return out
}
