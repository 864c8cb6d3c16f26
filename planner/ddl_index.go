package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// PlanCreateIndex makes an index on a table that is kept here or a materialized view.
//
// Errors: CodeWrongObjectType for what keeps no rows; CodeUndefinedColumn; CodeNotSupported for expressions and conditions. That rows are
// not unique is for the caller to find.
func (p *Planner) PlanCreateIndex(stmt *sql.CreateIndex) (*Created, error) {
	table, err := p.Find(stmt.Table)
	switch {
	case err != nil:
		return nil, err
	case table.Kept() == nil:
		return nil, types.Errorf(types.CodeWrongObjectType, "%s %q keeps no rows that could be indexed", table.Kind, table.Name).At(stmt.Table.Span()).
			WithHint("tables without a connector and materialized views can be")
	case stmt.Where != nil:
		return nil, types.NotSupported(stmt.Where.Span(), "indexes with a condition")
	case stmt.Unique && table.Table == nil:
		return nil, types.Errorf(types.CodeWrongObjectType, "the rows of a %s cannot be made unique", table.Kind).At(stmt.Span())
	}
	x := &Index{Table: table.ID, Unique: stmt.Unique}
	schema := table.Schema()
	column := func(id sql.Ident) (int, error) {
		i := schema.Index(id.Name)
		if i < 0 {
			return 0, unknownDefColumn(id, schema)
		}
		return i, nil
	}
	for _, k := range stmt.Keys {
		ref, ok := k.X.(*sql.ColumnRef)
		if !ok || len(ref.Parts) != 1 {
			return nil, types.NotSupported(k.Span(), "indexes on expressions")
		}
		i, err := column(ref.Parts[0])
		if err != nil {
			return nil, err
		}
		if !slices.Contains(x.Columns, i) {
			x.Columns = append(x.Columns, i)
		}
	}
	for _, id := range stmt.Include {
		i, err := column(id)
		if err != nil {
			return nil, err
		}
		x.Include = append(x.Include, i)
	}
	name := stmt.Name
	if name == nil {
		name = nameOf(p.Catalog.freeName(indexName(table, x.Columns, "idx")))
		name.At = stmt.Table.At
	} else if len(name.Parts) == 1 { // it is in the schema of its table
		name = nameOf(CatalogName(schemaOf(table), name.Last().Name))
		name.At = stmt.Name.At
	}
	c, err := p.begin(stmt, KindIndex, name, stmt.IfNotExists, false, false, p.Settings)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	if stmt.Name == nil {
		c.notice(stmt.Table.Span(), "", "the index is called %q", name.Last().Name)
	}
	c.deps[table.ID] = true
	return c.end(&Object{Index: x})
}

func schemaOf(o *Object) string {
	schema, _ := SplitName(o.Name)
	return schema
}

// indexName is what PostgreSQL calls an index that is given no name.
func indexName(table *Object, cols []int, suffix string) string {
	schema, name := SplitName(table.Name)
	return CatalogName(schema, fmt.Sprintf("%s_%s_%s", name, strings.Join(columnNames(cols, table.Schema()), "_"), suffix))
}

// freeName returns a name, with a number behind it if it is taken.
func (c *Catalog) freeName(name string) string {
	free := name
	for n := 1; c.Lookup(free) != nil; n++ {
		free = fmt.Sprintf("%s%d", name, n)
	}
	return free
}
