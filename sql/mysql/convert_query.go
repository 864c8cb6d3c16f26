package mysql

import (
	"slices"
	"strings"

	"github.com/xwb1989/sqlparser"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// converter turns a tree of sqlparser into ours. sqlparser keeps no positions: the converter walks the tree in the order of
// the text and finds each leaf among the tokens, from where it found the last one.
//
// The first error is final; after it, what is returned does not matter.
type converter struct {
	toks   []token
	pos    int
	whole  types.Span
	params *int
	err    *types.Error
}

func (c *converter) fail(err *types.Error) {
	if c.err == nil {
		c.err = err
	}
}

// refuse fails because what stands at at is not read in this dialect.
func (c *converter) refuse(at sql.At, format string, args ...any) {
	if at.Place.IsZero() {
		at.Place = c.whole
	}
	c.fail(types.NotSupported(at.Place, format+" in the MySQL dialect", args...).WithHint(nativeHint))
}

// take finds the next token with the text of a leaf, or one of several; if there is none ahead, the whole query is the
// place.
func (c *converter) take(texts ...string) sql.At {
	for i := c.pos; i < len(c.toks); i++ {
		if slices.Contains(texts, c.toks[i].text) {
			c.pos = i + 1
			return sql.Spanned(c.toks[i].span())
		}
	}
	return sql.Spanned(c.whole)
}

// ident finds a name among the tokens.
func (c *converter) ident(name string) sql.Ident {
	if name == "" {
		return sql.Ident{}
	}
	from := c.pos
	at := c.take(name)
	isQuoted := c.pos > from && c.toks[c.pos-1].kind == quoted
	return sql.Ident{At: at, Name: name, Quoted: isQuoted}
}

// cover makes the place of a node from those of its parts.
func cover(nodes ...sql.Node) sql.At {
	var s types.Span
	for _, n := range nodes {
		if n != nil {
			s = s.Cover(n.Span())
		}
	}
	return sql.Spanned(s)
}

func (c *converter) statement(s sqlparser.SelectStatement) *sql.Query {
	q := &sql.Query{}
	switch s := s.(type) {
	case *sqlparser.Select:
		q.Body = c.selectBody(s)
		c.clauses(q, s.OrderBy, s.Limit, s.Lock)
	case *sqlparser.Union:
		l := c.unionArm(s.Left)
		r := c.unionArm(s.Right)
		q.Body = &sql.SetOp{At: cover(l, r), Op: sql.Union, All: s.Type == sqlparser.UnionAllStr, L: l, R: r}
		c.clauses(q, s.OrderBy, s.Limit, s.Lock)
	case *sqlparser.ParenSelect:
		return c.statement(s.Select)
	default:
		c.refuse(sql.At{}, "this kind of query")
		q.Body = &sql.Select{}
	}
	q.At = cover(q.Body)
	if q.Limit != nil {
		q.At = cover(q, q.Limit)
	}
	return q
}

func (c *converter) unionArm(s sqlparser.SelectStatement) sql.QueryBody {
	var order sqlparser.OrderBy
	var limit *sqlparser.Limit
	switch s := s.(type) {
	case *sqlparser.Select:
		order, limit = s.OrderBy, s.Limit
	case *sqlparser.Union:
		order, limit = s.OrderBy, s.Limit
	}
	if order != nil || limit != nil {
		c.fail(syntaxError(c.whole, "put the part of the UNION in parentheses", "ORDER BY or LIMIT stands before UNION"))
	}
	q := c.statement(s)
	if q.OrderBy == nil && q.Limit == nil && q.Offset == nil {
		return q.Body
	}
	return q
}

func (c *converter) clauses(q *sql.Query, order sqlparser.OrderBy, limit *sqlparser.Limit, lock string) {
	q.OrderBy = c.orderBy(order)
	if limit != nil {
		q.Offset, q.Limit = c.optional(limit.Offset), c.optional(limit.Rowcount)
	}
	if lock != "" {
		c.refuse(sql.At{}, "%s", strings.ToUpper(strings.TrimSpace(lock)))
	}
}

// orderBy makes MySQL's place of NULL explicit: it is the smallest value there.
func (c *converter) orderBy(order sqlparser.OrderBy) []sql.OrderItem {
	var items []sql.OrderItem
	for _, o := range order {
		x := c.expr(o.Expr)
		item := sql.OrderItem{At: cover(x), X: x, Nulls: sql.NullsFirst}
		if o.Direction == sqlparser.DescScr {
			item.Desc, item.Nulls = true, sql.NullsLast
		}
		items = append(items, item)
	}
	return items
}

func (c *converter) selectBody(s *sqlparser.Select) *sql.Select {
	out := &sql.Select{At: c.take("select"), Distinct: s.Distinct != ""}
	if s.Cache != "" || s.Hints != "" {
		c.refuse(out.At, "%s", strings.ToUpper(strings.TrimSpace(s.Cache+s.Hints)))
	}
	for _, e := range s.SelectExprs {
		out.Items = append(out.Items, c.selectItem(e))
	}
	if !isDual(s.From) {
		for _, t := range s.From {
			out.From = append(out.From, c.table(t))
		}
	}
	if s.Where != nil {
		out.Where = c.expr(s.Where.Expr)
	}
	for _, g := range s.GroupBy {
		x := c.expr(g)
		out.GroupBy = append(out.GroupBy, sql.GroupItem{At: cover(x), Exprs: []sql.Expr{x}})
	}
	if s.Having != nil {
		out.Having = c.expr(s.Having.Expr)
		if s.GroupBy == nil && !c.aggregates(s.SelectExprs) {
			c.refuse(cover(out.Having), "HAVING without GROUP BY")
		}
	}
	out.At = sql.Spanned(types.Span{Start: out.Place.Start, End: c.lastEnd(out.Place.End)})
	return out
}

// lastEnd returns the end of the last token that was found, with the closing parentheses of calls left out.
func (c *converter) lastEnd(least int) int {
	if c.pos > 0 {
		return max(least, c.toks[c.pos-1].end)
	}
	return least
}

func (c *converter) aggregates(items sqlparser.SelectExprs) bool {
	for _, e := range items {
		if a, ok := e.(*sqlparser.AliasedExpr); ok {
			if f, ok := a.Expr.(*sqlparser.FuncExpr); ok && f.IsAggregate() {
				return true
			}
		}
	}
	return false
}

// isDual reports whether FROM is missing, or FROM dual.
func isDual(from sqlparser.TableExprs) bool {
	if len(from) != 1 {
		return false
	}
	a, ok := from[0].(*sqlparser.AliasedTableExpr)
	if !ok {
		return false
	}
	n, ok := a.Expr.(sqlparser.TableName)
	return ok && n.Qualifier.IsEmpty() && n.Name.String() == "dual"
}

func (c *converter) selectItem(e sqlparser.SelectExpr) sql.SelectItem {
	switch e := e.(type) {
	case *sqlparser.StarExpr:
		x := c.star(e)
		return sql.SelectItem{At: cover(x), X: x}
	case *sqlparser.AliasedExpr:
		x := c.expr(e.Expr)
		item := sql.SelectItem{X: x, Alias: c.ident(e.As.String())}
		item.At = cover(x, item.Alias)
		return item
	}
	c.refuse(sql.At{}, "NEXT VALUE")
	return sql.SelectItem{X: &sql.NullLit{}}
}

func (c *converter) star(e *sqlparser.StarExpr) sql.Expr {
	x := &sql.Star{}
	if !e.TableName.IsEmpty() {
		x.Qualifier = c.tableName(e.TableName).Parts
	}
	x.At = c.take("*")
	if len(x.Qualifier) > 0 {
		x.At = cover(x.Qualifier[0], x)
	}
	return x
}

func (c *converter) tableName(n sqlparser.TableName) *sql.Name {
	out := &sql.Name{}
	if !n.Qualifier.IsEmpty() {
		out.Parts = append(out.Parts, c.ident(n.Qualifier.String()))
	}
	out.Parts = append(out.Parts, c.ident(n.Name.String()))
	out.At = cover(out.Parts[0], out.Last())
	return out
}

func (c *converter) table(t sqlparser.TableExpr) sql.TableExpr {
	switch t := t.(type) {
	case *sqlparser.AliasedTableExpr:
		return c.aliasedTable(t)
	case *sqlparser.ParenTableExpr:
		var left sql.TableExpr
		for _, e := range t.Exprs {
			right := c.table(e)
			if left == nil {
				left = right
				continue
			}
			left = &sql.Join{At: cover(left, right), Kind: sql.CrossJoin, L: left, R: right}
		}
		return left
	case *sqlparser.JoinTableExpr:
		return c.join(t)
	}
	c.refuse(sql.At{}, "this item of FROM")
	return &sql.TableName{Name: &sql.Name{Parts: []sql.Ident{{Name: "?"}}}}
}

func (c *converter) aliasedTable(t *sqlparser.AliasedTableExpr) sql.TableExpr {
	if t.Partitions != nil {
		c.refuse(sql.At{}, "PARTITION of a table")
	}
	var out sql.TableExpr
	alias := func(x sql.Node) sql.Alias {
		if t.As.IsEmpty() {
			return sql.Alias{}
		}
		n := c.ident(t.As.String())
		return sql.Alias{At: n.At, Name: n}
	}
	switch e := t.Expr.(type) {
	case sqlparser.TableName:
		n := &sql.TableName{Name: c.tableName(e)}
		n.Alias = alias(n.Name)
		n.At = cover(n.Name, n.Alias)
		out = n
	case *sqlparser.Subquery:
		d := &sql.DerivedTable{Query: c.statement(e.Select)}
		d.Alias = alias(d.Query)
		d.At = cover(d.Query, d.Alias)
		out = d
	default:
		c.refuse(sql.At{}, "this item of FROM")
		return &sql.TableName{Name: &sql.Name{Parts: []sql.Ident{{Name: "?"}}}}
	}
	if t.Hints != nil {
		c.refuse(sql.Spanned(out.Span()), "an index hint")
	}
	return out
}

var joinKinds = map[string]sql.JoinKind{
	sqlparser.JoinStr: sql.InnerJoin, sqlparser.StraightJoinStr: sql.InnerJoin, sqlparser.LeftJoinStr: sql.LeftJoin,
	sqlparser.RightJoinStr: sql.RightJoin, sqlparser.NaturalJoinStr: sql.InnerJoin, sqlparser.NaturalLeftJoinStr: sql.LeftJoin,
	sqlparser.NaturalRightJoinStr: sql.RightJoin,
}

func (c *converter) join(t *sqlparser.JoinTableExpr) sql.TableExpr {
	j := &sql.Join{L: c.table(t.LeftExpr), R: c.table(t.RightExpr)}
	kind, ok := joinKinds[t.Join]
	if !ok {
		c.refuse(cover(j.L, j.R), "%s", strings.ToUpper(t.Join))
	}
	j.Kind, j.Natural = kind, strings.HasPrefix(t.Join, "natural")
	switch {
	case t.Condition.On != nil:
		j.On = c.expr(t.Condition.On)
		j.At = cover(j.L, j.R, j.On)
		return j
	case t.Condition.Using != nil:
		for _, u := range t.Condition.Using {
			j.Using = append(j.Using, c.ident(u.String()))
		}
		j.At = cover(j.L, j.R, j.Using[len(j.Using)-1])
		return j
	case !j.Natural:
		j.Kind = sql.CrossJoin
	}
	j.At = cover(j.L, j.R)
	return j
}
