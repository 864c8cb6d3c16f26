package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// AlteredTable is what one action of ALTER TABLE makes of a table that is kept here.
type AlteredTable struct {
	Object  *Object // the new version; the old one if nothing is to be done
	Catalog *Catalog
	// Rewrite: the rows change. Values gives a new row's columns over the old row.
	Rewrite bool
	Values  []expr.Expr
	// Check: the rows must be looked at, because a constraint is new.
	Check   bool
	From    []int // for each new column the old one that it is, or -1
	Notices []Notice
}

// PlanAlterTable plans one action of ALTER TABLE, of those that concern columns and constraints.
//
// Errors: CodeUndefinedColumn, CodeDuplicateColumn, CodeDependentObjects for what views read; CodeNotSupported.
func (p *Planner) PlanAlterTable(o *Object, action sql.AlterAction) (*AlteredTable, error) {
	t := *o.Table
	t.Columns, t.Checks = slices.Clone(t.Columns), slices.Clone(t.Checks)
	set := p.Settings
	a := &tableAlteration{creation: &creation{binder: p.newBinder(set), name: o.Name, kind: KindTable}, p: p, o: o, t: &t, out: &AlteredTable{Object: o, Catalog: p.Catalog}}
	for i, c := range t.Columns {
		a.out.Values = append(a.out.Values, column(i, c.Field))
		a.out.From = append(a.out.From, i)
	}
	var done bool
	var err error
	switch x := action.(type) {
	case *sql.AlterAddColumn:
		done, err = a.addColumn(x)
	case *sql.AlterDropColumn:
		done, err = a.dropColumn(x)
	case *sql.AlterRenameColumn:
		done, err = a.renameColumn(x)
	case *sql.AlterColumn:
		done, err = a.alterColumn(x)
	case *sql.AlterAddConstraint:
		done, err = a.addConstraint(x)
	case *sql.AlterDropConstraint:
		done, err = a.dropConstraint(x)
	default:
		err = types.NotSupported(action.Span(), "this form of ALTER TABLE")
	}
	if err != nil {
		return nil, at(err, action.Span())
	}
	a.out.Notices = a.notices
	if !done {
		return a.out, nil
	}
	return a.out, a.finished()
}

// tableAlteration is one action on its way.
type tableAlteration struct {
	*creation
	p   *Planner
	o   *Object
	t   *Table // the new version
	out *AlteredTable
}

// finished makes the new version of the object.
func (a *tableAlteration) finished() error {
	next := *a.o
	next.Table = a.t
	if next.Declared == "" {
		next.Declared = next.Text
	}
	root, err := a.finish(tablePlan(a.o.ID, a.o.Name, a.t))
	if err != nil {
		return err
	}
	a.t.Physical = Plan{root}
	if next.Text, err = a.tableText(); err != nil {
		return err
	}
	a.out.Object, a.out.Catalog = &next, a.out.Catalog.Replace(&next)
	if err := a.moveIndexes(); err != nil {
		return err
	}
	a.out.Catalog, err = a.withUniques(a.out.Catalog, &next)
	return err
}

// moveIndexes gives the table's indexes the new positions of their columns; those of a column that goes, go with it.
func (a *tableAlteration) moveIndexes() error {
	for _, o := range a.out.Catalog.Indexes(a.o.ID) {
		x := *o.Index
		x.Columns, x.Include = slices.Clone(x.Columns), nil
		gone := false
		for j, c := range x.Columns {
			x.Columns[j] = slices.Index(a.out.From, c)
			gone = gone || x.Columns[j] < 0
		}
		if gone {
			cat, _, err := a.out.Catalog.Drop(o.ID, false)
			if err != nil {
				return err
			}
			a.out.Catalog = cat
			continue
		}
		for _, c := range o.Index.Include {
			if to := slices.Index(a.out.From, c); to >= 0 {
				x.Include = append(x.Include, to)
			}
		}
		next := *o
		next.Index = &x
		a.out.Catalog = a.out.Catalog.Replace(&next)
	}
	return nil
}

// find returns the position of a column.
func (a *tableAlteration) find(id sql.Ident) (int, error) {
	if i := a.o.Schema().Index(id.Name); i >= 0 {
		return i, nil
	}
	return 0, unknownTableColumn(a.o, id)
}

// unused refuses what would change columns under views that read the table.
func (a *tableAlteration) unused(sp types.Span, what string) error {
	deps := slices.DeleteFunc(a.p.Catalog.Dependents(a.o.ID), func(d *Object) bool { return d.Index != nil })
	if len(deps) == 0 {
		return nil
	}
	return types.Errorf(types.CodeDependentObjects, "cannot %s of table %q because other objects depend on it", what, a.o.Name).At(sp).
		WithHint("%s %q reads the table: drop it first", deps[0].Kind, deps[0].Name)
}

func (a *tableAlteration) addColumn(x *sql.AlterAddColumn) (bool, error) {
	def := x.Column
	if a.o.Schema().Index(def.Name.Name) >= 0 {
		if x.IfNotExists {
			a.notice(def.Name.Span(), "", "column %q of relation %q already exists, skipping", def.Name.Name, a.o.Name)
			return false, nil
		}
		return false, types.Errorf(types.CodeDuplicateColumn, "column %q of relation %q already exists", def.Name.Name, a.o.Name).At(def.Name.Span())
	}
	if def.PrimaryKey {
		return false, types.NotSupported(def.Span(), "adding a primary key to a table")
	}
	tc, err := a.tableColumn(def)
	if err != nil {
		return false, err
	}
	if tc.Identity != NotIdentity {
		return false, types.NotSupported(def.Span(), "adding an identity column to a table")
	}
	a.t.Columns = append(a.t.Columns, tc)
	i := len(a.t.Columns) - 1
	if def.Generated != nil {
		if err := a.generatedColumn(a.t, i, def); err != nil {
			return false, err
		}
	}
	if err := a.uniques(a.t, &sql.TableDef{Columns: []*sql.ColumnDef{def}}); err != nil {
		return false, err
	}
	for _, c := range def.Checks {
		if err := a.check(a.t, c, bareName(a.o.Name)+"_"+def.Name.Name+"_check"); err != nil {
			return false, err
		}
	}
	a.out.Values = append(a.out.Values, defaultValue(a.t.Columns[i]))
	a.out.From = append(a.out.From, -1)
	a.out.Rewrite = true
	return true, nil
}

func (a *tableAlteration) dropColumn(x *sql.AlterDropColumn) (bool, error) {
	i := a.o.Schema().Index(x.Column.Name)
	if i < 0 {
		if x.IfExists {
			a.notice(x.Column.Span(), "", "column %q of relation %q does not exist, skipping", x.Column.Name, a.o.Name)
			return false, nil
		}
		return false, unknownTableColumn(a.o, x.Column)
	}
	if x.Behavior == sql.DropCascade {
		return false, types.NotSupported(x.Span(), "DROP COLUMN ... CASCADE").WithHint("drop what depends on the column first")
	}
	if err := a.unused(x.Span(), "drop column \""+x.Column.Name+"\""); err != nil {
		return false, err
	}
	if slices.Contains(a.t.PrimaryKey, i) {
		return false, types.NotSupported(x.Span(), "dropping a column of the primary key")
	}
	if len(a.t.Columns) == 1 {
		return false, types.NotSupported(x.Span(), "dropping the last column of a table")
	}
	reads := func(e expr.Expr) bool { return e != nil && !readsOnly(e, func(c int) bool { return c != i }) }
	for _, c := range a.t.Columns {
		if reads(c.Generated) {
			return false, types.Errorf(types.CodeDependentObjects, "cannot drop column %q of table %q because other objects depend on it", x.Column.Name, a.o.Name).
				WithHint("the generated column %q reads it: drop it first", c.Name)
		}
	}
	// As in PostgreSQL, constraints that name the column go with it.
	a.t.Checks = slices.DeleteFunc(a.t.Checks, func(c TableCheck) bool { return reads(c.Expr) })
	a.t.Columns = slices.Delete(a.t.Columns, i, i+1)
	to := make([]int, len(a.o.Table.Columns))
	for old := range to {
		to[old] = old
		if old > i {
			to[old]--
		}
	}
	for j := range a.t.Columns {
		if g := a.t.Columns[j].Generated; g != nil {
			a.t.Columns[j].Generated = remapColumns(g, to)
		}
	}
	for j := range a.t.Checks {
		a.t.Checks[j].Expr = remapColumns(a.t.Checks[j].Expr, to)
	}
	a.t.PrimaryKey = slices.Clone(a.t.PrimaryKey)
	for j, k := range a.t.PrimaryKey {
		a.t.PrimaryKey[j] = to[k]
	}
	a.out.Values, a.out.From = slices.Delete(a.out.Values, i, i+1), slices.Delete(a.out.From, i, i+1)
	a.out.Rewrite = true
	return true, nil
}

func (a *tableAlteration) renameColumn(x *sql.AlterRenameColumn) (bool, error) {
	i, err := a.find(x.From)
	if err != nil {
		return false, err
	}
	if a.o.Schema().Index(x.To.Name) >= 0 {
		return false, types.Errorf(types.CodeDuplicateColumn, "column %q of relation %q already exists", x.To.Name, a.o.Name).At(x.To.Span())
	}
	a.t.Columns[i].Name = x.To.Name
	for j := range a.t.Columns {
		c := &a.t.Columns[j]
		if c.GeneratedText, err = renamedText(c.GeneratedText, x.From.Name, x.To.Name); err != nil {
			return false, err
		}
	}
	for j := range a.t.Checks {
		c := &a.t.Checks[j]
		if c.Text, err = renamedText(c.Text, x.From.Name, x.To.Name); err != nil {
			return false, err
		}
	}
	return true, nil
}

// renamedText gives a column another name in the text of an expression.
func renamedText(text, from, to string) (string, error) {
	if text == "" {
		return "", nil
	}
	x, err := sql.ParseExpr(text)
	if err != nil {
		return "", err
	}
	sql.Inspect(x, func(n sql.Node) bool {
		if ref, ok := n.(*sql.ColumnRef); ok && ref.Parts[len(ref.Parts)-1].Name == from {
			ref.Parts[len(ref.Parts)-1].Name = to
		}
		return true
	})
	return sql.Format(x), nil
}

func (a *tableAlteration) alterColumn(x *sql.AlterColumn) (bool, error) {
	i, err := a.find(x.Column)
	if err != nil {
		return false, err
	}
	c := &a.t.Columns[i]
	switch {
	case x.SetDefault != nil:
		if c.Generated != nil || c.Identity != NotIdentity {
			return false, types.Errorf(types.CodeSyntax, "column %q of relation %q computes its own values", c.Name, a.o.Name)
		}
		c.Default, c.DefaultText, err = a.columnDefault(x.SetDefault, c.Type)
		return true, err
	case x.DropDefault:
		if c.Generated != nil || c.Identity != NotIdentity {
			return false, types.Errorf(types.CodeSyntax, "column %q of relation %q computes its own values", c.Name, a.o.Name)
		}
		c.Default, c.DefaultText = nil, ""
		return true, nil
	case x.SetNotNull:
		c.NotNull, a.out.Check = true, true
		return true, nil
	case x.DropNotNull:
		if slices.Contains(a.t.PrimaryKey, i) {
			return false, types.Errorf(types.CodeInvalidDefinition, "column %q is in a primary key", c.Name)
		}
		if c.Identity != NotIdentity {
			return false, types.Errorf(types.CodeSyntax, "column %q of relation %q is an identity column", c.Name, a.o.Name)
		}
		if err := a.unused(x.Span(), "let NULLs into column \""+c.Name+"\""); err != nil {
			return false, err
		}
		c.NotNull = false
		return true, nil
	case x.Type != nil:
		return true, a.alterType(i, x)
	}
	return false, types.NotSupported(x.Span(), "this form of ALTER COLUMN")
}

func (a *tableAlteration) alterType(i int, x *sql.AlterColumn) error {
	c := &a.t.Columns[i]
	t, err := bindType(x.Type)
	if err != nil {
		return err
	}
	if err := a.unused(x.Span(), "change the type of column \""+c.Name+"\""); err != nil {
		return err
	}
	if c.Generated != nil || c.Identity != NotIdentity {
		return types.NotSupported(x.Span(), "changing the type of a column that computes its own values")
	}
	for _, g := range a.t.Columns {
		if g.Generated != nil && !readsOnly(g.Generated, func(col int) bool { return col != i }) {
			return types.Errorf(types.CodeNotSupported, "cannot alter type of a column used by a generated column").At(x.Column.Span())
		}
	}
	value := a.out.Values[i]
	if x.Using != nil {
		eb := &exprBinder{binder: a.binder, sc: tableScope(bareName(a.o.Name), a.o.Table), clause: "USING"}
		if value, err = eb.bind(x.Using); err != nil {
			return err
		}
	}
	if a.out.Values[i], err = expr.Cast(value, t, expr.Assignment); err != nil {
		return types.Errorf(types.CodeDatatypeMismatch, "column %q cannot be cast automatically to type %s", c.Name, t).
			WithHint("you might need to specify \"USING %s::%s\"", c.Name, t)
	}
	if c.Default != nil {
		if c.Default, err = expr.Cast(c.Default, t, expr.Assignment); err != nil {
			return types.Errorf(types.CodeDatatypeMismatch, "default for column %q cannot be cast automatically to type %s", c.Name, t)
		}
	}
	c.Type = t
	checks := a.t.Checks
	a.t.Checks = nil
	for _, old := range checks { // over the new type
		text, err := sql.ParseExpr(old.Text)
		if err != nil {
			return err
		}
		if err := a.check(a.t, text, old.Name); err != nil {
			return err
		}
	}
	a.out.Rewrite = true
	return nil
}

func (a *tableAlteration) addConstraint(x *sql.AlterAddConstraint) (bool, error) {
	con := x.Constraint
	switch con.Kind {
	case sql.Check, sql.Unique:
	case sql.PrimaryKey:
		return false, types.NotSupported(con.Span(), "adding a primary key to a table")
	default:
		return false, types.NotSupported(con.Span(), "%s", con.Kind)
	}
	err := a.tableConstraints(a.t, &sql.TableDef{Constraints: []*sql.Constraint{con}})
	a.t.PrimaryKey, a.t.KeyName = a.o.Table.PrimaryKey, a.o.Table.KeyName
	a.out.Check = true
	return true, err
}

func (a *tableAlteration) dropConstraint(x *sql.AlterDropConstraint) (bool, error) {
	i := slices.IndexFunc(a.t.Checks, func(c TableCheck) bool { return c.Name == x.Name.Name })
	switch {
	case i >= 0:
		a.t.Checks = slices.Delete(a.t.Checks, i, i+1)
		return true, nil
	case a.constraintIndex(x.Name.Name) != nil:
		cat, _, err := a.out.Catalog.Drop(a.constraintIndex(x.Name.Name).ID, false)
		if err != nil {
			return false, err
		}
		a.out.Catalog = cat
		return true, nil
	case a.t.PrimaryKey != nil && x.Name.Name == a.t.KeyName:
		return false, types.NotSupported(x.Span(), "dropping the primary key of a table")
	case x.IfExists:
		a.notice(x.Name.Span(), "", "constraint %q of relation %q does not exist, skipping", x.Name.Name, a.o.Name)
		return false, nil
	}
	return false, types.Errorf(types.CodeUndefinedObject, "constraint %q of relation %q does not exist", x.Name.Name, a.o.Name).At(x.Name.Span())
}

// constraintIndex is the index of a UNIQUE constraint, or nil.
func (a *tableAlteration) constraintIndex(name string) *Object {
	for _, o := range a.out.Catalog.Indexes(a.o.ID) {
		if o.Index.Constraint && bareName(o.Name) == name {
			return o
		}
	}
	return nil
}

// tableText is the statement that makes a table as it is.
func (a *tableAlteration) tableText() (string, error) {
	name, t := a.o.Name, a.t
	stmt := &sql.CreateTable{Name: nameOf(name), TableDef: sql.TableDef{AppendOnly: t.AppendOnly}}
	parsed := func(text string) (sql.Expr, error) {
		if text == "" {
			return nil, nil
		}
		return sql.ParseExpr(text)
	}
	for i, c := range t.Columns {
		def := &sql.ColumnDef{Name: sql.Ident{Name: c.Name}, NotNull: c.NotNull}
		var err error
		if def.Type, err = sql.ParseType(c.Type.String()); err != nil {
			return "", err
		}
		if def.Default, err = parsed(c.DefaultText); err != nil {
			return "", err
		}
		if def.Generated, err = parsed(c.GeneratedText); err != nil {
			return "", err
		}
		def.Stored = c.Generated != nil
		switch c.Identity {
		case IdentityAlways:
			def.Identity = sql.IdentityAlways
		case IdentityByDefault:
			def.Identity = sql.IdentityByDefault
		}
		if len(t.PrimaryKey) == 1 && t.PrimaryKey[0] == i {
			def.PrimaryKey, def.NotNull = true, false
		}
		if c.Identity != NotIdentity {
			def.NotNull = false
		}
		stmt.Columns = append(stmt.Columns, def)
	}
	if len(t.PrimaryKey) > 1 {
		con := &sql.Constraint{Kind: sql.PrimaryKey}
		for _, k := range t.PrimaryKey {
			con.Columns = append(con.Columns, sql.Ident{Name: t.Columns[k].Name})
		}
		stmt.Constraints = append(stmt.Constraints, con)
	}
	unique := slices.Clone(a.unique)
	for _, o := range a.out.Catalog.Indexes(a.o.ID) {
		if o.Index.Constraint {
			x := &Index{}
			for _, c := range o.Index.Columns {
				if to := slices.Index(a.out.From, c); to >= 0 {
					x.Columns = append(x.Columns, to)
				}
			}
			if len(x.Columns) == len(o.Index.Columns) {
				unique = append(unique, &Object{Name: bareName(o.Name), Index: x})
			}
		}
	}
	for _, o := range unique {
		con := &sql.Constraint{Name: sql.Ident{Name: o.Name}, Kind: sql.Unique}
		for _, c := range o.Index.Columns {
			con.Columns = append(con.Columns, sql.Ident{Name: t.Columns[c].Name})
		}
		stmt.Constraints = append(stmt.Constraints, con)
	}
	for _, c := range t.Checks {
		x, err := parsed(c.Text)
		if err != nil {
			return "", err
		}
		stmt.Constraints = append(stmt.Constraints, &sql.Constraint{Name: sql.Ident{Name: c.Name}, Kind: sql.Check, Check: x})
	}
	return sql.Pretty(stmt), nil
}

// nameOf is a catalog name as syntax.
func nameOf(full string) *sql.Name {
	schema, name := SplitName(full)
	if schema == publicSchema {
		return &sql.Name{Parts: []sql.Ident{{Name: name}}}
	}
	return &sql.Name{Parts: []sql.Ident{{Name: schema}, {Name: name}}}
}
