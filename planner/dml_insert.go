package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// insertRows plans INSERT: the query's columns cast to those of the table, the others with their defaults.
func (b *binder) insertRows(stmt *sql.Insert) (*DML, error) {
	o, err := b.target(stmt.Table, "insert into")
	if err != nil {
		return nil, err
	}
	d := &DML{Kind: InsertRows, Table: o, Reads: o.Table.PrimaryKey != nil || len(b.p.Catalog.uniqueIndexes(o.ID)) > 0}
	targets, err := insertTargets(stmt, o)
	if err != nil {
		return nil, err
	}
	var rel *relation
	if stmt.Query == nil {
		rel = &relation{node: newNode(&Values{Rows: [][]expr.Expr{{}}}, nil)}
	} else if rel, err = b.insertQuery(d, stmt, targets); err != nil {
		return nil, err
	}
	if rel, err = b.wholeRows(d, rel, targets[:rel.visible]); err != nil {
		return nil, err
	}
	if d.Query, err = b.runOnce(rel); err != nil {
		return nil, err
	}
	d.Reads = d.Reads || !d.Query.Snapshot || len(d.Query.Deps) > 0
	if stmt.OnConflict != nil {
		if d.Conflict, err = b.onConflict(stmt, o); err != nil {
			return nil, err
		}
	}
	d.Returning, err = b.returning(stmt.Returning, stmt.Table, o, nil, nil)
	return d, err
}

// insertTargets returns the columns that INSERT names, or all.
func insertTargets(stmt *sql.Insert, o *Object) ([]int, error) {
	schema := o.Schema()
	var targets []int
	if len(stmt.Columns) == 0 && stmt.Query != nil {
		for i := range schema {
			targets = append(targets, i)
		}
	}
	for _, id := range stmt.Columns {
		i := schema.Index(id.Name)
		switch {
		case i < 0:
			return nil, unknownTableColumn(o, id)
		case slices.Contains(targets, i):
			return nil, types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", id.Name).At(id.Span())
		}
		targets = append(targets, i)
	}
	return targets, nil
}

// insertQuery binds what INSERT takes its rows from; the visible columns are typed as their targets.
func (b *binder) insertQuery(d *DML, stmt *sql.Insert, targets []int) (*relation, error) {
	q, err := withQuery(stmt.With, stmt.Query)
	if err != nil {
		return nil, err
	}
	t := d.Table.Table
	width := func(n int, sp types.Span) error {
		if n > len(targets) {
			return types.Errorf(types.CodeSyntax, "INSERT has more expressions than target columns").At(sp)
		}
		if n < len(targets) && len(stmt.Columns) > 0 {
			return types.Errorf(types.CodeSyntax, "INSERT has more target columns than expressions").At(stmt.Columns[n].Span())
		}
		return nil
	}
	if v, ok := q.Body.(*sql.Values); ok && q.With == nil && q.OrderBy == nil && q.Limit == nil && q.Offset == nil && firstSubquery(v) == nil {
		if err := width(len(v.Rows[0]), v.Span()); err != nil {
			return nil, err
		}
		return b.insertValues(d, v, targets)
	}
	rel, err := b.query(q, true)
	if err != nil {
		return nil, err
	}
	if rel.emit != nil {
		return nil, types.NotSupported(rel.emit.Span(), "EMIT of a query that is run once")
	}
	if err := width(rel.visible, q.Span()); err != nil {
		return nil, err
	}
	for _, i := range targets[:rel.visible] {
		if err := givenValue(t.Columns[i], q.Span()); err != nil {
			return nil, err
		}
	}
	exprs, in := rel.outputs()
	for i := range rel.visible {
		c := t.Columns[targets[i]]
		v, err := expr.Cast(exprs[i], c.Type, expr.Assignment)
		if err != nil {
			return nil, at(assignError(err, c, exprs[i]), q.Span())
		}
		exprs[i] = v
	}
	c := *rel
	c.node = newProject(in, exprs, schemaNames(rel.node.Schema), Fail)
	return &c, nil
}

func firstSubquery(v *sql.Values) (found *sql.Query) {
	for _, row := range v.Rows {
		for _, x := range row {
			if q := firstQuery(x); q != nil {
				return q
			}
		}
	}
	return nil
}

// givenValue refuses a value for a column that computes its own.
func givenValue(c TableColumn, sp types.Span) error {
	switch {
	case c.Generated != nil:
		return types.Errorf(types.CodeGeneratedAlways, "cannot insert a non-DEFAULT value into column %q", c.Name).At(sp).
			WithDetail("Column %q is a generated column.", c.Name)
	case c.Identity == IdentityAlways:
		return types.Errorf(types.CodeGeneratedAlways, "cannot insert a non-DEFAULT value into column %q", c.Name).At(sp).
			WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", c.Name)
	}
	return nil
}

// insertValues binds INSERT ... VALUES: each value is cast to its column by itself, and may be DEFAULT.
func (b *binder) insertValues(d *DML, v *sql.Values, targets []int) (*relation, error) {
	t := d.Table.Table
	n := len(v.Rows[0])
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "VALUES"}
	rows := make([][]expr.Expr, len(v.Rows))
	counted := make([]int, n) // rows in which an identity column is DEFAULT
	for i, r := range v.Rows {
		if len(r) != n {
			return nil, types.Errorf(types.CodeSyntax, "VALUES lists must all be the same length").At(v.Span())
		}
		rows[i] = make([]expr.Expr, n)
		for j, x := range r {
			c := t.Columns[targets[j]]
			if _, ok := x.(*sql.DefaultExpr); ok {
				rows[i][j] = defaultValue(c)
				if c.Identity != NotIdentity {
					counted[j]++
				}
				continue
			}
			if err := givenValue(c, x.Span()); err != nil {
				return nil, err
			}
			e, err := eb.bind(x)
			if err != nil {
				return nil, err
			}
			if rows[i][j], err = expr.Cast(e, c.Type, expr.Assignment); err != nil {
				return nil, at(assignError(err, c, e), x.Span())
			}
		}
	}
	schema := make(types.Schema, n)
	for j := range schema {
		c := t.Columns[targets[j]]
		schema[j] = types.Field{Name: c.Name, Type: c.Type}
		switch counted[j] {
		case 0:
		case len(rows):
			d.Auto = append(d.Auto, targets[j])
		default:
			return nil, types.NotSupported(v.Span(), "DEFAULT for the identity column %q in some rows only", c.Name)
		}
	}
	return &relation{node: newNode(&Values{Rows: rows}, schema), visible: n}, nil
}

// wholeRows completes the rows: columns that are not among the targets get their defaults. Columns that ORDER BY needs follow hidden.
func (b *binder) wholeRows(d *DML, rel *relation, targets []int) (*relation, error) {
	t := d.Table.Table
	exprs := make([]expr.Expr, len(t.Columns))
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
		if at := slices.Index(targets, i); at >= 0 {
			exprs[i] = column(at, rel.node.Schema[at])
			continue
		}
		exprs[i] = defaultValue(c)
		if c.Identity != NotIdentity {
			d.Auto = append(d.Auto, i)
		}
	}
	out := &relation{visible: len(exprs), limit: rel.limit, offset: rel.offset, ordered: rel.ordered}
	for _, k := range rel.order {
		out.order = append(out.order, SortKey{Col: len(exprs), Desc: k.Desc, NullsFirst: k.NullsFirst})
		exprs, names = append(exprs, column(k.Col, rel.node.Schema[k.Col])), append(names, "$order")
	}
	out.node = newProject(rel.node, exprs, names, Fail)
	return out, nil
}

// onConflict plans ON CONFLICT, whose target can only be the primary key.
func (b *binder) onConflict(stmt *sql.Insert, o *Object) (*Conflict, error) {
	c := stmt.OnConflict
	t := o.Table
	nothing := len(c.Set) == 0
	named := len(c.Target) > 0 || !c.Constraint.IsZero()
	switch {
	case !named && !nothing:
		return nil, types.Errorf(types.CodeSyntax, "ON CONFLICT DO UPDATE requires inference specification or constraint name").At(c.Span()).
			WithHint("for example, ON CONFLICT (column_name)")
	case c.TargetWhere != nil:
		return nil, types.NotSupported(c.TargetWhere.Span(), "WHERE in the target of ON CONFLICT")
	}
	keys := b.p.Catalog.UniqueKeys(o)
	out := &Conflict{Keys: keys}
	if !c.Constraint.IsZero() {
		i := slices.IndexFunc(keys, func(k UniqueKey) bool { return k.Name == c.Constraint.Name })
		if i < 0 {
			return nil, types.Errorf(types.CodeUndefinedObject, "constraint %q for table %q does not exist", c.Constraint.Name, o.Name).At(c.Constraint.Span())
		}
		out.Keys = keys[i : i+1]
	}
	if len(c.Target) > 0 {
		var cols []int
		for _, x := range c.Target {
			ref, ok := x.(*sql.ColumnRef)
			if !ok || len(ref.Parts) != 1 {
				return nil, types.NotSupported(x.Span(), "expressions in the target of ON CONFLICT")
			}
			i := o.Schema().Index(ref.Parts[0].Name)
			if i < 0 {
				return nil, unknownTableColumn(o, ref.Parts[0])
			}
			cols = append(cols, i)
		}
		slices.Sort(cols)
		i := slices.IndexFunc(keys, func(k UniqueKey) bool {
			return slices.Equal(slices.Sorted(slices.Values(k.Columns)), slices.Compact(cols))
		})
		if i < 0 {
			return nil, types.Errorf(types.CodeInvalidColumnRef, "there is no unique or exclusion constraint matching the ON CONFLICT specification").At(c.Span())
		}
		out.Keys = keys[i : i+1]
	}
	if nothing {
		return out, nil
	}
	if t.AppendOnly {
		return nil, appendOnlyError(o, "updated").At(c.Span())
	}
	return out, b.conflictUpdate(out, stmt, o)
}

// conflictUpdate plans DO UPDATE as a query over the pairs of rows that meet:
//
//	SELECT number, values FROM <rows that are there> AS t JOIN <rows to be inserted> AS excluded USING (number) WHERE ...
func (b *binder) conflictUpdate(out *Conflict, stmt *sql.Insert, o *Object) error {
	c := stmt.OnConflict
	set, values, err := assignments(o, c.Set)
	if err != nil {
		return err
	}
	for _, v := range values {
		if b.hasAggregate(v) {
			return types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in UPDATE").At(v.Span())
		}
	}
	schema := append(slices.Clone(o.Schema()), types.Field{Name: ordinalColumn, Type: types.Int8Type, NotNull: true})
	mark := len(b.ctes)
	defer func() { b.ctes = b.ctes[:mark] }()
	from := func(id ObjectID, hidden string, name sql.Ident) *sql.TableName {
		node := newNode(&ViewScan{Object: id, Name: name.Name}, schema)
		b.ctes = append(b.ctes, &boundCTE{name: hidden, rel: &relation{node: node, visible: len(schema)}})
		return &sql.TableName{Name: &sql.Name{Parts: []sql.Ident{{Name: hidden}}}, Alias: sql.Alias{Name: name}}
	}
	name := targetName(stmt.Table, o)
	excluded := sql.Ident{Name: "excluded"}
	ordinal := func(of sql.Ident) *sql.ColumnRef {
		return &sql.ColumnRef{Parts: []sql.Ident{of, {Name: ordinalColumn}}}
	}
	sel := &sql.Select{Items: []sql.SelectItem{{X: ordinal(excluded)}}, Where: c.Where}
	sel.From = []sql.TableExpr{&sql.Join{
		Kind: sql.InnerJoin, L: from(ConflictID, "$conflict", name), R: from(ExcludedID, "$excluded", excluded),
		On: &sql.BinaryExpr{Op: "=", L: ordinal(name), R: ordinal(excluded)},
	}}
	for _, v := range values {
		sel.Items = append(sel.Items, sql.SelectItem{At: sql.Spanned(v.Span()), X: v})
	}
	rel, err := b.query(&sql.Query{Body: sel}, true)
	if err != nil {
		return err
	}
	exprs, in := rel.outputs()
	for i, col := range set {
		if exprs[1+i], err = assigned(o.Table, col, values[i], exprs[1+i]); err != nil {
			return err
		}
	}
	rel = &relation{node: newProject(in, exprs, schemaNames(rel.node.Schema), Fail), visible: len(exprs)}
	out.Set = set
	out.Update, err = b.runOnce(rel)
	return err
}
