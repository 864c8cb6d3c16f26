package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// selectItem is one output column of a SELECT, with * expanded.
type selectItem struct {
	x     sql.Expr     // nil for a column of *
	col   *expr.Column // of *
	name  string
	alias bool // the name was given with AS
}

// selectBody binds one SELECT.
func (b *binder) selectBody(sel *sql.Select, order []sql.OrderItem) (*relation, error) {
	if len(sel.DistinctOn) > 0 {
		return nil, types.NotSupported(sel.DistinctOn[0].Span(), "DISTINCT ON")
	}
	if len(sel.Windows) > 0 {
		return nil, types.NotSupported(sel.Windows[0].Span(), "the WINDOW clause")
	}
	var in *Node
	sc := &scope{}
	if len(sel.From) > 0 {
		item, err := b.from(sel.From)
		if err != nil {
			return nil, err
		}
		in, sc = item.node, item.scope()
	} else {
		in = newNode(&Values{Rows: [][]expr.Expr{{}}}, nil)
	}
	if sel.Where != nil {
		eb := &exprBinder{binder: b, sc: sc, clause: "WHERE"}
		pred, err := eb.bindBool(sel.Where, "WHERE")
		if err != nil {
			return nil, err
		}
		in = newFilter(in, pred, DeadLetter)
	}
	items, err := b.selectItems(sel, sc)
	if err != nil {
		return nil, err
	}
	s := &selectBinder{binder: b, sel: sel, items: items, sc: sc}
	if b.isGrouped(sel, order) {
		return s.grouped(in, order)
	}
	return s.plain(in, order)
}

// selectItems expands * and names the output columns.
func (b *binder) selectItems(sel *sql.Select, sc *scope) ([]selectItem, error) {
	var items []selectItem
	for _, it := range sel.Items {
		star, ok := it.X.(*sql.Star)
		if !ok {
			item := selectItem{x: it.X, name: it.Alias.Name, alias: !it.Alias.IsZero()}
			if !item.alias {
				item.name = outputName(it.X)
			}
			items = append(items, item)
			continue
		}
		rel := -1
		if len(star.Qualifier) > 0 {
			var err error
			if rel, err = sc.relation(star.Qualifier); err != nil {
				return nil, err
			}
		} else if len(sc.rels) == 0 {
			return nil, types.Errorf(types.CodeSyntax, "SELECT * with no tables specified is not valid").At(star.Span())
		}
		for _, c := range sc.cols {
			if rel < 0 || c.rel == rel {
				items = append(items, selectItem{name: c.name, col: &expr.Column{
					Base: expr.Base{T: c.typ, Sp: star.Span()}, Index: c.index, Name: c.name,
				}})
			}
		}
	}
	return items, nil
}

// isGrouped reports whether a SELECT aggregates: GROUP BY, HAVING or an aggregate anywhere it may stand.
func (b *binder) isGrouped(sel *sql.Select, order []sql.OrderItem) bool {
	if len(sel.GroupBy) > 0 || sel.Having != nil {
		return true
	}
	for _, it := range sel.Items {
		if b.hasAggregate(it.X) {
			return true
		}
	}
	for _, o := range order {
		if b.hasAggregate(o.X) {
			return true
		}
	}
	return false
}

// hasAggregate reports whether e calls an aggregate, subqueries aside.
func (b *binder) hasAggregate(e sql.Expr) bool {
	found := false
	sql.Inspect(e, func(n sql.Node) bool {
		switch x := n.(type) {
		case *sql.FuncCall:
			if x.Over == nil && len(x.Name.Parts) == 1 && b.reg.IsAggregate(strings.ToLower(x.Name.Parts[0].Name)) {
				found = true
			}
		case *sql.Query:
			return false
		}
		return !found
	})
	return found
}

// selectBinder binds the rest of a SELECT, behind FROM and WHERE.
type selectBinder struct {
	*binder
	sel   *sql.Select
	items []selectItem
	sc    *scope
}

// outputs binds the select list and ORDER BY. Sort keys that are not in the list come behind it as hidden columns.
func (s *selectBinder) outputs(eb *exprBinder, order []sql.OrderItem) (exprs []expr.Expr, names []string, keys []SortKey, err error) {
	schema := make(types.Schema, len(s.items))
	for i, it := range s.items {
		var e expr.Expr = it.col
		if it.col == nil {
			if e, err = eb.bind(it.x); err != nil {
				return nil, nil, nil, err
			}
		}
		exprs, names = append(exprs, e), append(names, it.name)
		schema[i] = types.Field{Name: it.name, Type: e.Type()}
	}
	ob := *eb
	ob.clause = "ORDER BY"
	for _, o := range order {
		col, err := s.orderColumn(o, schema)
		if err != nil {
			return nil, nil, nil, err
		}
		if col < 0 {
			e, err := ob.bind(o.X)
			if err != nil {
				return nil, nil, nil, err
			}
			col = slices.IndexFunc(exprs, func(x expr.Expr) bool { return sameExpr(x, e) })
			if col < 0 {
				if s.sel.Distinct {
					return nil, nil, nil, types.Errorf(types.CodeInvalidColumnRef, "for SELECT DISTINCT, ORDER BY expressions must appear in select list").At(o.Span())
				}
				col = len(exprs)
				exprs, names = append(exprs, e), append(names, "$order")
			}
		}
		keys = append(keys, SortKey{Col: col, Desc: o.Desc, NullsFirst: nullsFirst(o)})
	}
	return exprs, names, keys, nil
}

// orderColumn finds the output column that ORDER BY names. The same expression under one name twice is not ambiguous.
func (s *selectBinder) orderColumn(o sql.OrderItem, schema types.Schema) (int, error) {
	col, err := outputColumn(o.X, schema, "ORDER BY")
	if err != nil && types.CodeOf(err) == types.CodeAmbiguousColumn {
		ref := o.X.(*sql.ColumnRef)
		first := -1
		for i, it := range s.items {
			if it.name != ref.Parts[0].Name {
				continue
			}
			if first >= 0 && (it.col == nil || s.items[first].col == nil || it.col.Index != s.items[first].col.Index) {
				return 0, err
			}
			if first < 0 {
				first = i
			}
		}
		return first, nil
	}
	return col, err
}

func (s *selectBinder) finish(node *Node, exprs []expr.Expr, names []string, keys []SortKey) (*relation, error) {
	rel := &relation{node: newProject(node, exprs, names, DeadLetter), visible: len(s.items), order: keys}
	if s.sel.Distinct {
		typed, err := rel.resolved()
		if err != nil {
			return nil, err
		}
		rel = typed
		rel.node = distinct(rel.node)
	}
	return rel, nil
}

func (s *selectBinder) plain(in *Node, order []sql.OrderItem) (*relation, error) {
	eb := &exprBinder{binder: s.binder, sc: s.sc, clause: "SELECT"}
	exprs, names, keys, err := s.outputs(eb, order)
	if err != nil {
		return nil, err
	}
	return s.finish(in, exprs, names, keys)
}

func (s *selectBinder) grouped(in *Node, order []sql.OrderItem) (*relation, error) {
	g := newGrouping(in, s.sc)
	if err := s.groupBy(s.sel, g, s.items); err != nil {
		return nil, err
	}
	eb := &exprBinder{binder: s.binder, sc: s.sc, clause: "SELECT", group: g}
	exprs, names, keys, err := s.outputs(eb, order)
	if err != nil {
		return nil, err
	}
	var having expr.Expr
	if s.sel.Having != nil {
		hb := *eb
		hb.clause = "HAVING"
		if having, err = hb.bindBool(s.sel.Having, "HAVING"); err != nil {
			return nil, err
		}
		if having, err = g.lift(having); err != nil {
			return nil, err
		}
	}
	for i := range exprs {
		if exprs[i], err = g.lift(exprs[i]); err != nil {
			return nil, err
		}
	}
	node, place := g.build()
	if having != nil {
		node = newFilter(node, place(having), DeadLetter)
	}
	for i := range exprs {
		exprs[i] = place(exprs[i])
	}
	return s.finish(node, exprs, names, keys)
}

// outputName names an output column without alias, as PostgreSQL does.
func outputName(e sql.Expr) string {
	name, _ := figureName(e)
	if name == "" {
		return "?column?"
	}
	return name
}

// figureName returns the name that an expression suggests, and how strongly: 2 for names of columns and functions, 1 for those of
// types, 0 for none.
func figureName(e sql.Expr) (string, int) {
	switch x := e.(type) {
	case *sql.ColumnRef:
		return x.Parts[len(x.Parts)-1].Name, 2
	case *sql.FieldExpr:
		return x.Field.Name, 2
	case *sql.IndexExpr:
		return figureName(x.X)
	case *sql.SliceExpr:
		return figureName(x.X)
	case *sql.FuncCall:
		return strings.ToLower(x.Name.Last().Name), 2
	case *sql.KeywordFunc:
		return x.Name, 2
	case *sql.AtTimeZoneExpr:
		return "timezone", 2
	case *sql.CollateExpr:
		return figureName(x.X)
	case *sql.CastExpr:
		if name, strength := figureName(x.X); strength > 0 {
			return name, strength
		}
		return typeOutputName(x.Type), 1
	case *sql.TypedLit:
		return typeOutputName(x.Type), 1
	case *sql.IntervalLit:
		return "interval", 1
	case *sql.CaseExpr:
		if x.Else != nil {
			if name, strength := figureName(x.Else); strength > 1 {
				return name, strength
			}
		}
		return "case", 1
	case *sql.ExistsExpr:
		return "exists", 2
	case *sql.ArrayExpr, *sql.ArrayQueryExpr:
		return "array", 2
	case *sql.RowExpr:
		return "row", 2
	}
	return "", 0
}

// internalTypeNames are PostgreSQL's own names of the types that SQL calls otherwise.
var internalTypeNames = map[string]string{
	"integer": "int4", "int": "int4", "bigint": "int8", "smallint": "int2", "boolean": "bool", "real": "float4",
	"double precision": "float8", "double": "float8", "float": "float8", "decimal": "numeric", "dec": "numeric", "string": "text",
}

func typeOutputName(t *sql.TypeName) string {
	name := strings.ToLower(t.Name.Last().Name)
	if internal, ok := internalTypeNames[name]; ok {
		return internal
	}
	if t.TimeZone == sql.WithTimeZone {
		return name + "tz"
	}
	return name
}
