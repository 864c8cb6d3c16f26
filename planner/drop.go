package planner

import (
	"slices"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Dropped is what DROP does.
type Dropped struct {
	Catalog *Catalog
	Objects []*Object // dependents before what they depend on
	Notices []Notice
}

// dropKinds are the objects that DROP kind removes.
var dropKinds = map[sql.ObjectKind][]ObjectKind{
	sql.ObjSource: {KindSource}, sql.ObjTable: {KindTable}, sql.ObjView: {KindView}, sql.ObjMaterializedView: {KindMaterializedView},
	sql.ObjSink: {KindSink}, sql.ObjIndex: {KindIndex},
}

// PlanDrop removes objects from the catalog.
//
// Errors: CodeUndefinedTable, CodeWrongObjectType with the right statement as a hint, CodeDependentObjects.
func (p *Planner) PlanDrop(stmt *sql.Drop) (*Dropped, error) {
	if stmt.Kind == sql.ObjSchema {
		return p.dropSchemas(stmt)
	}
	kinds, ok := dropKinds[stmt.Kind]
	if !ok {
		return nil, types.NotSupported(stmt.Span(), "DROP %s", stmt.Kind)
	}
	out := &Dropped{Catalog: p.Catalog}
	for _, name := range stmt.Names {
		o, err := p.find(out.Catalog, name)
		if err != nil {
			if stmt.IfExists {
				out.Notices = append(out.Notices, Notice{Msg: types.Errorf("", "%q does not exist, skipping", name).Msg, Span: name.Span()})
				continue
			}
			if e, ok := err.(*types.Error); ok {
				c := *e
				c.Msg = types.Errorf("", "%s %q does not exist", kinds[0], name).Msg
				if kinds[0] == KindIndex {
					c.Code = types.CodeUndefinedObject
				}
				return nil, &c
			}
			return nil, err
		}
		if o.Kind != kinds[0] {
			return nil, types.Errorf(types.CodeWrongObjectType, "%q is not a %s", o.Name, kinds[0]).At(name.Span()).
				WithHint("it is a %s", o.Kind)
		}
		if o.Index != nil && o.Index.Constraint {
			return nil, types.Errorf(types.CodeDependentObjects, "cannot drop index %q because constraint %q of a table requires it", o.Name, o.Name).At(name.Span()).
				WithHint("ALTER TABLE ... DROP CONSTRAINT drops both")
		}
		cat, dropped, err := out.Catalog.Drop(o.ID, stmt.Behavior == sql.DropCascade)
		if err != nil {
			return nil, at(err, name.Span())
		}
		out.Catalog, out.Objects = cat, append(out.Objects, dropped...)
	}
	return out, nil
}

// ColumnInfo describes one column for DESCRIBE and SHOW COLUMNS.
type ColumnInfo struct {
	Name, Type string // PostgreSQL's name of the type
	Nullable   bool
	Key        bool   // part of the primary key
	Extra      string // "generated as ...", "metadata ...", "watermark: ...", "processing time"; "" for plain columns
}

// Describe returns the columns of an object.
func (o *Object) Describe() []ColumnInfo {
	var list []ColumnInfo
	for i, f := range o.Schema() {
		c := ColumnInfo{Name: f.Name, Type: f.Type.String(), Nullable: !f.NotNull}
		if s := o.Source; s != nil {
			col := s.Columns[i]
			for _, k := range s.PrimaryKey {
				c.Key = c.Key || k == i
			}
			switch {
			case col.ProcTime:
				c.Extra = "processing time"
			case col.Expr != nil:
				c.Extra = "generated as " + col.Text
			case col.Physical >= 0 && s.Metadata[col.Physical] != "":
				c.Extra = "metadata " + s.Metadata[col.Physical]
			}
			if s.Watermark != nil && s.Watermark.Column == i {
				if c.Extra != "" {
					c.Extra += "; "
				}
				c.Extra += "watermark: " + s.Watermark.Text
			}
		} else if t := o.Table; t != nil {
			c.Key, c.Extra = slices.Contains(t.PrimaryKey, i), t.Columns[i].extra()
		} else if s := o.Sink; s != nil {
			for _, k := range s.Key {
				c.Key = c.Key || k == i
			}
		}
		list = append(list, c)
	}
	return list
}

// DescribeSchema returns the columns of a query.
func DescribeSchema(s types.Schema) []ColumnInfo {
	list := make([]ColumnInfo, len(s))
	for i, f := range s {
		list[i] = ColumnInfo{Name: f.Name, Type: f.Type.String(), Nullable: !f.NotNull}
	}
	return list
}
