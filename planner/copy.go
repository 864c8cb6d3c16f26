package planner

import (
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// CopiedID are the rows that COPY FROM brings, under the name CopiedName, which no user's relation can have without quotes.
const CopiedID ObjectID = 5

// CopiedName is the name under which CopyInsert reads the rows of COPY FROM.
const CopiedName = "$copy"

// CopyTarget returns the columns that COPY FROM fills, in the order of its data: those named, or all that are not computed.
//
// Errors: CodeUndefinedTable, CodeUndefinedColumn, CodeWrongObjectType for what is no table.
func (p *Planner) CopyTarget(stmt *sql.Copy) (types.Schema, error) {
	b := p.newBinder(p.Settings)
	o, err := b.target(&sql.TableName{At: sql.Spanned(stmt.Table.Span()), Name: stmt.Table}, "copy into")
	if err != nil {
		return nil, err
	}
	var schema types.Schema
	if len(stmt.Columns) > 0 {
		targets, err := insertTargets(&sql.Insert{Columns: stmt.Columns}, o)
		for _, i := range targets {
			schema = append(schema, o.Table.Columns[i].Field)
		}
		return schema, err
	}
	for _, c := range o.Table.Columns {
		if c.Generated == nil {
			schema = append(schema, c.Field)
		}
	}
	return schema, nil
}

// CopyInsert is the INSERT that COPY FROM comes to: its rows are those of CopiedID, which have the columns of the target and, last, their
// number. Planner.Copied must be their columns.
func CopyInsert(stmt *sql.Copy, target types.Schema) *sql.Insert {
	ident := func(name string) sql.Ident { return sql.Ident{Name: name, Quoted: true} }
	sel := &sql.Select{From: []sql.TableExpr{&sql.TableName{Name: &sql.Name{Parts: []sql.Ident{ident(CopiedName)}}}}, Where: stmt.Where}
	insert := &sql.Insert{At: sql.Spanned(stmt.Span()), Table: &sql.TableName{At: sql.Spanned(stmt.Table.Span()), Name: stmt.Table}}
	for _, f := range target {
		sel.Items = append(sel.Items, sql.SelectItem{X: &sql.ColumnRef{Parts: []sql.Ident{ident(f.Name)}}})
		insert.Columns = append(insert.Columns, ident(f.Name))
	}
	insert.Query = &sql.Query{Body: sel, OrderBy: []sql.OrderItem{{X: &sql.ColumnRef{Parts: []sql.Ident{ident(ordinalColumn)}}}}}
	return insert
}

// copied is the relation of CopiedID, while COPY FROM is planned.
func (p *Planner) copied(name *sql.Name) *Object {
	if p.Copied == nil || len(name.Parts) != 1 || name.Parts[0].Name != CopiedName {
		return nil
	}
	return &Object{ID: CopiedID, Name: CopiedName, Kind: KindSystem, System: &System{Schema: p.Copied, Key: []int{len(p.Copied) - 1}}}
}
