package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// keptTable makes a table that is kept here: CREATE TABLE without a connector.
func (p *Planner) keptTable(stmt *sql.CreateTable) (*Created, error) {
	c, err := p.begin(stmt, KindTable, stmt.Name, stmt.IfNotExists, stmt.OrReplace, stmt.Temporary, p.Settings)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	if err := keptTableOnly(stmt); err != nil {
		return nil, err
	}
	if stmt.Query != nil {
		return c.tableAs(stmt)
	}
	t := &Table{AppendOnly: stmt.AppendOnly}
	if err := c.tableColumns(t, &stmt.TableDef); err != nil {
		return nil, err
	}
	if err := c.tableConstraints(t, &stmt.TableDef); err != nil {
		return nil, err
	}
	return c.endTable(t)
}

// keptTableOnly refuses what only external tables can have.
func keptTableOnly(stmt *sql.CreateTable) error {
	switch {
	case len(stmt.Options) > 0:
		return types.Errorf(types.CodeInvalidParameter, "a table that is kept here has no option %q", stmt.Options[0].Key).At(stmt.Options[0].Span()).
			WithHint("an external one names its connector: WITH (connector = ...)")
	case stmt.Format != nil:
		return types.Errorf(types.CodeInvalidDefinition, "a table that is kept here has no format").At(stmt.Format.Span()).
			WithHint("an external one names its connector: WITH (connector = ...)")
	case len(stmt.Include) > 0:
		return types.Errorf(types.CodeInvalidDefinition, "a table that is kept here has no metadata to include").At(stmt.Include[0].Span())
	case len(stmt.Like) > 0:
		return types.NotSupported(stmt.Like[0].Span(), "LIKE")
	case len(stmt.Partition) > 0:
		return types.NotSupported(stmt.Partition[0].Span(), "PARTITIONED BY for a table that is kept here")
	case len(stmt.Watermarks) > 0:
		return types.NotSupported(stmt.Watermarks[0].Span(), "a watermark on a table that is kept here")
	}
	return nil
}

// tableAs makes a table of a query's columns; its rows are written as the table is made.
func (c *creation) tableAs(stmt *sql.CreateTable) (*Created, error) {
	if len(stmt.Columns) > 0 {
		return nil, types.Errorf(types.CodeSyntax, "CREATE TABLE ... AS takes the types of its columns from the query").At(stmt.Columns[0].Span()).
			WithHint("write the names alone, and casts in the query")
	}
	rel, err := c.outermost(stmt.Query)
	if err != nil {
		return nil, err
	}
	if rel.emit != nil {
		return nil, types.NotSupported(rel.emit.Span(), "EMIT of a query that is run once")
	}
	if len(stmt.Names) > rel.visible {
		return nil, types.Errorf(types.CodeSyntax, "too many column names were specified").At(stmt.Names[rel.visible].Span())
	}
	rel = rel.named(stmt.Names)
	t := &Table{AppendOnly: stmt.AppendOnly, KeyName: bareName(c.name) + "_pkey"}
	for _, f := range rel.node.Schema[:rel.visible] {
		t.Columns = append(t.Columns, TableColumn{Field: types.Field{Name: f.Name, Type: f.Type}})
	}
	if err := uniqueNames(t.Schema(), stmt.Query.Span()); err != nil {
		return nil, err
	}
	var fill *QueryPlan
	if !stmt.NoData {
		if fill, err = c.runOnce(rel); err != nil {
			return nil, at(err, stmt.Query.Span())
		}
	}
	c.deps = map[ObjectID]bool{} // what the rows came from does not matter any more
	out, err := c.endTable(t)
	if out != nil {
		out.Fill = fill
	}
	return out, err
}

// serialTypes are the types of columns that count by themselves.
var serialTypes = map[string]types.Type{
	"serial": types.Int4Type, "serial4": types.Int4Type, "bigserial": types.Int8Type, "serial8": types.Int8Type,
	"smallserial": types.Int2Type, "serial2": types.Int2Type,
}

// tableColumns binds the columns: first those with types of their own, then the computed ones over them.
func (c *creation) tableColumns(t *Table, def *sql.TableDef) error {
	for _, col := range def.Columns {
		if slices.ContainsFunc(t.Columns, func(x TableColumn) bool { return x.Name == col.Name.Name }) {
			return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", col.Name.Name).At(col.Name.Span())
		}
		tc, err := c.tableColumn(col)
		if err != nil {
			return err
		}
		t.Columns = append(t.Columns, tc)
	}
	for i, col := range def.Columns {
		if col.Generated != nil {
			if err := c.generatedColumn(t, i, col); err != nil {
				return err
			}
		}
	}
	return nil
}

// tableColumn binds one column but for its generated expression.
func (c *creation) tableColumn(col *sql.ColumnDef) (TableColumn, error) {
	tc := TableColumn{Field: types.Field{Name: col.Name.Name, NotNull: col.NotNull || col.PrimaryKey}}
	switch {
	case col.IsMetadata:
		return tc, types.Errorf(types.CodeInvalidDefinition, "a table that is kept here has no metadata columns").At(col.Span())
	case col.References != nil:
		return tc, types.NotSupported(col.References.Span(), "REFERENCES")
	case col.PrimaryKey && col.KeyNotEnforced:
		return tc, types.NotSupported(col.Span(), "PRIMARY KEY NOT ENFORCED on a table that is kept here").WithHint("its primary key is always enforced")
	case col.NotNull && col.Null:
		return tc, types.Errorf(types.CodeSyntax, "conflicting NULL/NOT NULL declarations for column %q", col.Name.Name).At(col.Span())
	case col.Generated != nil && col.Default != nil:
		return tc, types.Errorf(types.CodeSyntax, "both default and generation expression specified for column %q", col.Name.Name).At(col.Span())
	}
	if col.Type == nil {
		if col.Generated == nil {
			return tc, types.Errorf(types.CodeSyntax, "column %q has no type", col.Name.Name).At(col.Span())
		}
		return tc, nil // as the expression says
	}
	if col.Identity != sql.NotIdentity && col.Default != nil {
		return tc, types.Errorf(types.CodeSyntax, "both default and identity specified for column %q", col.Name.Name).At(col.Default.Span())
	}
	if t, ok := serialTypes[strings.ToLower(col.Type.Name.Last().Name)]; ok && len(col.Type.Name.Parts) == 1 {
		if col.Default != nil {
			return tc, types.Errorf(types.CodeSyntax, "multiple default values specified for column %q", col.Name.Name).At(col.Default.Span())
		}
		tc.Type, tc.NotNull, tc.Identity = t, true, IdentityByDefault
		return tc, nil
	}
	var err error
	if tc.Type, err = bindType(col.Type); err != nil {
		return tc, err
	}
	if col.Identity != sql.NotIdentity {
		if !tc.Type.IsInteger() {
			return tc, types.Errorf(types.CodeInvalidParameter, "identity column type must be smallint, integer, or bigint").At(col.Type.Span())
		}
		tc.NotNull, tc.Identity = true, IdentityByDefault
		if col.Identity == sql.IdentityAlways {
			tc.Identity = IdentityAlways
		}
	}
	if col.Default != nil {
		tc.Default, tc.DefaultText, err = c.columnDefault(col.Default, tc.Type)
	}
	return tc, err
}

// columnDefault binds DEFAULT: an expression without columns.
func (c *creation) columnDefault(x sql.Expr, t types.Type) (expr.Expr, string, error) {
	eb := &exprBinder{binder: c.binder, sc: &scope{}, clause: "DEFAULT"}
	if found := firstColumn(x); found != nil {
		return nil, "", types.Errorf(types.CodeNotSupported, "cannot use column reference in DEFAULT expression").At(found.Span())
	}
	if q := firstQuery(x); q != nil {
		return nil, "", types.Errorf(types.CodeNotSupported, "cannot use subquery in DEFAULT expression").At(q.Span())
	}
	e, err := eb.bindTo(x, t, expr.Assignment)
	if err != nil {
		return nil, "", err
	}
	return withoutSpans(c.reg.Fold(e)), sql.Format(x), nil
}

func firstColumn(x sql.Expr) (found *sql.ColumnRef) {
	sql.Inspect(x, func(n sql.Node) bool {
		if ref, ok := n.(*sql.ColumnRef); ok && found == nil {
			found = ref
		}
		return found == nil
	})
	return found
}

func firstQuery(x sql.Expr) (found *sql.Query) {
	sql.Inspect(x, func(n sql.Node) bool {
		if q, ok := n.(*sql.Query); ok && found == nil {
			found = q
		}
		return found == nil
	})
	return found
}

// generatedColumn binds GENERATED ALWAYS AS (expr) over the other columns, which are not computed themselves.
func (c *creation) generatedColumn(t *Table, i int, col *sql.ColumnDef) error {
	name := col.Name.Name
	eb := &exprBinder{binder: c.binder, sc: tableScope(bareName(c.name), t), clause: "a generated column"}
	if q := firstQuery(col.Generated); q != nil {
		return types.Errorf(types.CodeNotSupported, "cannot use subquery in column generation expression").At(q.Span())
	}
	var err error
	sql.Inspect(col.Generated, func(n sql.Node) bool {
		if ref, ok := n.(*sql.ColumnRef); ok && err == nil {
			last := ref.Parts[len(ref.Parts)-1].Name
			for j, other := range t.Columns {
				if other.Name == last && (j == i || other.Generated != nil || other.Type.Kind == types.Unknown) {
					err = types.Errorf(types.CodeInvalidDefinition, "cannot use generated column %q in column generation expression", last).At(ref.Span())
				}
			}
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	e, err := eb.bind(col.Generated)
	if err != nil {
		return err
	}
	if readsClock(e) || volatile(c.reg, e) {
		return types.Errorf(types.CodeInvalidDefinition, "generation expression is not immutable").At(col.Generated.Span())
	}
	tc := &t.Columns[i]
	if tc.Type.Kind == types.Unknown {
		if tc.Type = e.Type(); tc.Type.Kind == types.Unknown {
			tc.Type = types.TextType
		}
	}
	if e, err = expr.Cast(e, tc.Type, expr.Assignment); err != nil {
		e, ok := err.(*types.Error)
		if ok {
			return types.Errorf(e.Code, "column %q: %s", name, e.Msg).At(col.Generated.Span())
		}
		return err
	}
	tc.Generated, tc.GeneratedText = withoutSpans(c.reg.Fold(e)), sql.Format(col.Generated)
	return nil
}

func tableScope(name string, t *Table) *scope {
	sc := &scope{}
	sc.addRelation(name, t.Schema(), nil)
	return sc
}

// tableConstraints binds the primary key and the checks.
func (c *creation) tableConstraints(t *Table, def *sql.TableDef) error {
	for _, con := range def.Constraints {
		switch con.Kind {
		case sql.PrimaryKey, sql.Check, sql.Unique:
		default:
			return types.NotSupported(con.Span(), "%s", con.Kind)
		}
		if con.Kind == sql.PrimaryKey && con.NotEnforced {
			return types.NotSupported(con.Span(), "PRIMARY KEY NOT ENFORCED on a table that is kept here").WithHint("its primary key is always enforced")
		}
	}
	keys := 0
	for _, col := range def.Columns {
		if col.PrimaryKey {
			keys++
		}
	}
	for _, con := range def.Constraints {
		if con.Kind == sql.PrimaryKey {
			keys++
		}
		if keys > 1 {
			return types.Errorf(types.CodeInvalidTable, "multiple primary keys for table %q are not allowed", c.name).At(con.Span())
		}
	}
	if keys > 1 {
		return types.Errorf(types.CodeInvalidTable, "multiple primary keys for table %q are not allowed", c.name).At(c.stmt.Span())
	}
	withoutChecks := *def
	withoutChecks.Constraints = slices.DeleteFunc(slices.Clone(def.Constraints), func(x *sql.Constraint) bool { return x.Kind != sql.PrimaryKey })
	key, _, err := primaryKey(&withoutChecks, t.Schema())
	if err != nil {
		return err
	}
	t.PrimaryKey, t.KeyName = key, bareName(c.name)+"_pkey"
	for i, k := range key {
		if slices.Contains(key[:i], k) {
			return types.Errorf(types.CodeDuplicateColumn, "column %q appears twice in primary key constraint", t.Columns[k].Name).At(c.stmt.Span())
		}
		t.Columns[k].NotNull = true
	}
	for _, con := range withoutChecks.Constraints {
		if !con.Name.IsZero() {
			t.KeyName = con.Name.Name
		}
	}
	if err := c.uniques(t, def); err != nil {
		return err
	}
	for _, col := range def.Columns {
		for _, x := range col.Checks {
			if err := c.check(t, x, fmt.Sprintf("%s_%s_check", bareName(c.name), col.Name.Name)); err != nil {
				return err
			}
		}
	}
	for _, con := range def.Constraints {
		if con.Kind != sql.Check {
			continue
		}
		name := con.Name.Name
		if con.Name.IsZero() {
			name = bareName(c.name) + "_check"
			if refs := columnNamesIn(con.Check); len(refs) == 1 {
				name = fmt.Sprintf("%s_%s_check", bareName(c.name), refs[0])
			}
		} else if slices.ContainsFunc(t.Checks, func(x TableCheck) bool { return x.Name == name }) {
			return types.Errorf(types.CodeDuplicateObject, "check constraint %q already exists", name).At(con.Span())
		}
		if err := c.check(t, con.Check, name); err != nil {
			return err
		}
	}
	return nil
}

// uniques collects the UNIQUE constraints, which become indexes.
func (c *creation) uniques(t *Table, def *sql.TableDef) error {
	schema := t.Schema()
	add := func(names []sql.Ident, name string) error {
		x := &Index{Unique: true, Constraint: true}
		for _, id := range names {
			i := schema.Index(id.Name)
			if i < 0 {
				return types.Errorf(types.CodeUndefinedColumn, "column %q named in key does not exist", id.Name).At(id.Span())
			}
			x.Columns = append(x.Columns, i)
		}
		c.unique = append(c.unique, &Object{Name: name, Kind: KindIndex, Index: x})
		return nil
	}
	for _, col := range def.Columns {
		if col.Unique {
			if err := add([]sql.Ident{col.Name}, ""); err != nil {
				return err
			}
		}
	}
	for _, con := range def.Constraints {
		if con.Kind == sql.Unique {
			if err := add(con.Columns, con.Name.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// withUniques adds the indexes of a table's UNIQUE constraints to a catalog.
func (c *creation) withUniques(cat *Catalog, table *Object) (*Catalog, error) {
	for _, o := range c.unique {
		o.Index.Table, o.Deps = table.ID, []ObjectID{table.ID}
		if o.Name != "" {
			o.Name = CatalogName(schemaOf(table), o.Name)
		} else {
			o.Name = cat.freeName(indexName(table, o.Index.Columns, "key"))
		}
		var err error
		if cat, err = cat.Add(o); err != nil {
			return nil, err
		}
	}
	return cat, nil
}

// columnNamesIn lists the different columns that an expression names.
func columnNamesIn(x sql.Expr) []string {
	var names []string
	sql.Inspect(x, func(n sql.Node) bool {
		if ref, ok := n.(*sql.ColumnRef); ok {
			if name := ref.Parts[len(ref.Parts)-1].Name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

// check binds one CHECK constraint; a name that is taken gets a number, as in PostgreSQL.
func (c *creation) check(t *Table, x sql.Expr, name string) error {
	if q := firstQuery(x); q != nil {
		return types.Errorf(types.CodeNotSupported, "cannot use subquery in check constraint").At(q.Span())
	}
	eb := &exprBinder{binder: c.binder, sc: tableScope(bareName(c.name), t), clause: "CHECK"}
	e, err := eb.bindBool(x, "CHECK")
	if err != nil {
		return err
	}
	unique := name
	for n := 1; slices.ContainsFunc(t.Checks, func(x TableCheck) bool { return x.Name == unique }); n++ {
		unique = fmt.Sprintf("%s%d", name, n)
	}
	t.Checks = append(t.Checks, TableCheck{Name: unique, Expr: withoutSpans(c.reg.Fold(e)), Text: sql.Format(x)})
	return nil
}

// endTable plans how a table is kept and adds it to the catalog.
func (c *creation) endTable(t *Table) (*Created, error) {
	id := c.base.NextID()
	root, err := c.finish(tablePlan(id, c.name, t))
	if err != nil {
		return nil, err
	}
	t.Physical = Plan{root}
	out, err := c.end(&Object{Table: t})
	if err != nil {
		return nil, err
	}
	out.Plan, out.Logical = root, root
	out.Catalog, err = c.withUniques(out.Catalog, out.Object)
	return out, err
}

// tablePlan keeps a table: what statements write to it, by its primary key.
func tablePlan(id ObjectID, name string, t *Table) *Node {
	schema := t.Schema()
	input := newNode(&TableInput{Object: id, Name: name, Key: t.PrimaryKey, AppendOnly: t.AppendOnly}, schema)
	return newNode(&Materialize{Object: id, Name: name, Key: t.PrimaryKey}, schema, input)
}

// tableProps are those of what is written to a table.
func tableProps(op *TableInput) Props {
	p := Props{RowWatermark: -1, AppendOnly: op.AppendOnly}
	if op.Key != nil {
		p.Keys = [][]int{op.Key}
	}
	return p
}

func isTable(n *Node) bool {
	_, ok := n.Op.(*TableInput)
	return ok
}
