package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// fromItem is what stands in FROM: a node and the columns of it that have names.
type fromItem struct {
	name   string
	object string // the catalog name of an object without alias
	hidden string // the name that the alias hides
	node   *Node
	cols   []fromColumn // those of *
	key    []int        // columns of the node that are a key the user vouches for
	// primary are the columns of the declared primary key: of a source its rows may be versions of one another.
	primary []int
	// joined are the names inside of a join without alias; nil of all else.
	joined *scope
}

type fromColumn struct {
	name  string
	index int // column of the node
}

func newFromItem(name string, node *Node, visible int) *fromItem {
	item := &fromItem{name: name, node: node}
	for i, f := range node.Schema[:visible] {
		item.cols = append(item.cols, fromColumn{name: f.Name, index: i})
	}
	return item
}

func (f *fromItem) scope() *scope {
	if f.joined != nil {
		return f.joined
	}
	s := &scope{rels: []scopeRel{{name: f.name, object: f.object, hidden: f.hidden, key: f.key}}}
	for _, c := range f.cols {
		s.cols = append(s.cols, scopeColumn{name: c.name, typ: f.node.Schema[c.index].Type, index: c.index})
	}
	return s
}

// aliased gives the item another name and its first columns other names.
func (b *binder) aliased(f *fromItem, alias sql.Alias) (*fromItem, error) {
	if alias.IsZero() {
		return f, nil
	}
	g := *f
	g.name, g.object, g.joined = alias.Name.Name, "", nil
	if f.object != "" && g.name != f.object {
		g.hidden = f.object
	}
	if f.joined != nil {
		g.key = nil
	}
	if len(alias.Columns) > len(f.cols) {
		return nil, types.Errorf(types.CodeInvalidColumnRef, "table %q has %d columns available but %d columns specified",
			g.name, len(f.cols), len(alias.Columns)).At(alias.Span())
	}
	g.cols = slices.Clone(f.cols)
	for i, c := range alias.Columns {
		g.cols[i].name = c.Name
	}
	return &g, nil
}

// from binds the FROM clause: its items, joined as they come.
func (b *binder) from(list []sql.TableExpr) (*fromItem, error) {
	item, err := b.fromOne(list[0])
	if err != nil {
		return nil, err
	}
	for _, t := range list[1:] {
		if item, err = b.joinWith(item, t, &joinClause{kind: sql.CrossJoin, at: t.Span()}); err != nil {
			return nil, err
		}
	}
	return item, nil
}

func (b *binder) fromOne(t sql.TableExpr) (*fromItem, error) {
	switch x := t.(type) {
	case *sql.TableName:
		return b.fromTable(x)
	case *sql.DerivedTable:
		return b.fromQuery(x.Query, x.Alias)
	case *sql.TableFunc:
		name := strings.ToLower(x.Call.Name.Last().Name)
		if !isWindowFunction(name) || len(x.Call.Name.Parts) > 1 {
			return b.tableFunction(x)
		}
		if x.Ordinality || len(x.ColumnDefs) > 0 {
			return nil, types.NotSupported(x.Span(), "WITH ORDINALITY and column definitions of windows")
		}
		return b.fromWindow(x)
	case *sql.Join:
		return b.fromJoin(x)
	}
	return nil, types.NotSupported(t.Span(), "this kind of table expression")
}

// fromQuery binds a derived table.
func (b *binder) fromQuery(q *sql.Query, alias sql.Alias) (*fromItem, error) {
	rel, err := b.subquery(q)
	if err != nil {
		return nil, err
	}
	return b.aliased(newFromItem("", rel.node, rel.visible), alias)
}

// fromTable binds a name in FROM: a CTE, a source, a table, a view or a system relation.
func (b *binder) fromTable(t *sql.TableName) (*fromItem, error) {
	if t.AsOf != nil {
		return nil, types.NotSupported(t.AsOf.Span(), "FOR SYSTEM_TIME AS OF outside of a join").
			WithHint("it stands behind the table on the right side of a JOIN: FROM l JOIN t FOR SYSTEM_TIME AS OF PROCTIME() ON ...")
	}
	if len(t.Name.Parts) == 1 {
		if c := b.findCTE(t.Name.Parts[0].Name); c != nil {
			if c.item != nil {
				return c.item, nil
			}
			if c.rel == nil {
				return nil, types.NotSupported(t.Span(), "WITH RECURSIVE")
			}
			return b.aliased(newFromItem(c.name, b.fromInside(c.rel.node, c.lambda), c.rel.visible), t.Alias)
		}
	}
	o, err := b.lookup(t.Name)
	if err != nil {
		return nil, err
	}
	item, err := b.scanObject(o, t.Span())
	if err != nil {
		return nil, err
	}
	item.name, item.object = t.Name.Last().Name, o.Name
	return b.aliased(item, t.Alias)
}

// lookup finds an object by its name.
//
// Errors: CodeUndefinedTable with the nearest name.
func (b *binder) lookup(name *sql.Name) (*Object, error) {
	if o := b.p.copied(name); o != nil {
		return o, nil
	}
	return b.p.Find(name)
}

// scanObject makes the plan that reads an object.
func (b *binder) scanObject(o *Object, sp types.Span) (*fromItem, error) {
	b.deps[o.ID] = true
	switch {
	case o.Source != nil:
		node := scanSource(o)
		item := newFromItem(o.Name, node, len(o.Source.Columns))
		item.primary = o.Source.PrimaryKey
		if o.Source.KeyTrusted {
			item.key = o.Source.PrimaryKey
		}
		return item, nil
	case o.Kind == KindView:
		for _, d := range o.Deps {
			b.deps[d] = true
		}
		return newFromItem(o.Name, o.View.Logical.Root, len(o.View.Schema)), nil
	case o.Kind == KindMaterializedView || o.Table != nil:
		schema := o.Schema()
		return newFromItem(o.Name, newNode(&ViewScan{Object: o.ID, Name: o.Name}, schema), len(schema)), nil
	case o.System != nil:
		return newFromItem(o.Name, newNode(&ViewScan{Object: o.ID, Name: o.Name}, o.System.Schema), len(o.System.Schema)), nil
	}
	return nil, types.Errorf(types.CodeWrongObjectType, "%s %q cannot be read", o.Kind, o.Name).At(sp)
}

// scanSource reads a source: its physical columns, then the computed ones, then the watermark.
func scanSource(o *Object) *Node {
	s := o.Source
	all := make([]int, len(s.Physical))
	identity := len(s.Columns) == len(s.Physical)
	for i := range all {
		all[i] = i
		identity = identity && s.Columns[i].Physical == i
	}
	node := newNode(&Scan{Object: o.ID, Name: o.Name, Columns: all}, s.Physical)
	if !identity {
		exprs := make([]expr.Expr, len(s.Columns))
		names := make([]string, len(s.Columns))
		for i, c := range s.Columns {
			names[i] = c.Name
			if c.Physical >= 0 {
				exprs[i] = column(c.Physical, s.Physical[c.Physical])
			} else {
				exprs[i] = c.Expr
			}
		}
		node = newProject(node, exprs, names, s.OnError)
	}
	if w := s.Watermark; w != nil {
		node = newNode(&Watermark{
			Time: w.Column, Expr: w.Expr, MaxAhead: s.MaxAhead, IdleTimeout: s.IdleTimeout, OnLate: s.OnLate,
		}, node.Schema, node)
	}
	return node
}
