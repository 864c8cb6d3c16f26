package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// PlanCreateView makes a view or a materialized view.
func (p *Planner) PlanCreateView(stmt *sql.CreateView) (*Created, error) {
	kind := KindView
	if stmt.Materialized {
		kind = KindMaterializedView
	}
	switch {
	case stmt.Recursive:
		return nil, types.NotSupported(stmt.Span(), "recursive views")
	case stmt.NoData:
		return nil, types.NotSupported(stmt.Span(), "WITH NO DATA")
	}
	set, err := p.viewSettings(stmt)
	if err != nil {
		return nil, err
	}
	c, err := p.begin(stmt, kind, stmt.Name, stmt.IfNotExists, stmt.OrReplace, stmt.Temporary, set)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	c.kept = stmt.Materialized
	rel, err := c.outermost(stmt.Query)
	if err != nil {
		return nil, err
	}
	if err := c.unordered(rel, "a view"); err != nil {
		return nil, err
	}
	if len(stmt.Columns) > rel.visible {
		return nil, types.Errorf(types.CodeSyntax, "CREATE VIEW specifies more column names than columns").At(stmt.Columns[rel.visible].Span())
	}
	rel = rel.named(stmt.Columns)
	node := visibleOnly(rel)
	if err := uniqueNames(node.Schema, stmt.Query.Span()); err != nil {
		return nil, err
	}
	view := &View{Schema: node.Schema, Settings: set}
	if !stmt.Materialized {
		if err := c.innerEmit(rel); err != nil {
			return nil, err
		}
		view.Logical = Plan{stripSpans(visibleOnly(rel))}
		if _, err := c.planFor(view.Logical.Root, emission{}); err != nil { // errors of planning belong here
			return nil, err
		}
		return c.end(&Object{View: view})
	}
	em, err := c.emission(rel.emit)
	if err != nil {
		return nil, err
	}
	root, err := c.planFor(node, em)
	if err != nil {
		return nil, err
	}
	keep := &Materialize{Object: c.base.NextID(), Name: c.name, Key: shortest(root.Props.Keys), Retention: set.Retention}
	if root, err = c.finish(newNode(keep, node.Schema, root)); err != nil {
		return nil, err
	}
	view.Physical = Plan{root}
	out, err := c.end(&Object{View: view})
	if err != nil {
		return nil, err
	}
	out.Plan, out.Logical, out.Warnings = root, node, Warnings(root)
	return out, nil
}

func (p *Planner) viewSettings(stmt *sql.CreateView) (Settings, error) {
	given, places, err := optionMap(stmt.Options, nil)
	if err != nil {
		return p.Settings, err
	}
	if !stmt.Materialized && len(given) > 0 {
		return p.Settings, types.Errorf(types.CodeInvalidParameter, "a view has no options").At(stmt.Options[0].Span()).
			WithHint("they belong to CREATE MATERIALIZED VIEW")
	}
	o, err := types.ParseOptions("a materialized view", queryOptions, given)
	if err != nil {
		return p.Settings, optionError(err, places, stmt.Span())
	}
	return p.Settings.with(o), nil
}

// planFor optimises a query and derives its properties.
func (b *binder) planFor(node *Node, em emission) (*Node, error) {
	root, err := b.optimize(node, em)
	if err != nil {
		return nil, at(err, em.span)
	}
	return b.finish(root)
}

// unordered makes LIMIT a part of the plan, and says that an order is not kept.
func (b *binder) unordered(rel *relation, what string) error {
	if rel.ordered.IsZero() {
		return nil
	}
	if rel.isLimited() {
		typed, err := rel.resolved()
		if err != nil {
			return err
		}
		*rel = *typed.limited()
		return nil
	}
	b.notice(rel.ordered, "write ORDER BY where the rows are read", "the rows of %s have no order: ORDER BY is ignored", what)
	return nil
}

// visibleOnly drops the hidden columns of ORDER BY.
func visibleOnly(rel *relation) *Node {
	if rel.visible == len(rel.node.Schema) {
		return rel.node
	}
	visible := rel.node.Schema[:rel.visible]
	return reproject(rel.node, columnExprs(visible), visible, DeadLetter)
}

func uniqueNames(s types.Schema, sp types.Span) error {
	for i, f := range s {
		if s.Index(f.Name) != i {
			return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", f.Name).At(sp).
				WithHint("name the columns with AS")
		}
	}
	return nil
}

// stripSpans clears the places in a plan: the statement that uses it has another text.
func stripSpans(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node { return mapNodeExprs(n, withoutSpans) })
}

// shortest returns the key with the fewest columns; nil if there is none, or if there is at most one row, which needs none.
func shortest(keys [][]int) []int {
	var best []int
	for i, k := range keys {
		if i == 0 || len(k) < len(best) {
			best = k
		}
	}
	if len(best) == 0 {
		return nil
	}
	return best
}

// PlanCreateSink makes a sink.
func (p *Planner) PlanCreateSink(stmt *sql.CreateSink) (*Created, error) {
	if stmt.Into != nil {
		return nil, types.NotSupported(stmt.Into.Span(), "CREATE SINK ... INTO")
	}
	given, places, err := optionMap(stmt.Options, stmt.Format)
	if err != nil {
		return nil, err
	}
	r, err := resolveExternal(p.Connectors, AsSink, given)
	if err != nil {
		return nil, optionError(err, places, stmt.Span())
	}
	set := p.Settings.with(r.options)
	c, err := p.begin(stmt, KindSink, stmt.Name, stmt.IfNotExists, stmt.OrReplace, false, set)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	var rel *relation
	if stmt.From != nil {
		item, err := c.fromTable(&sql.TableName{At: stmt.From.At, Name: stmt.From})
		if err != nil {
			return nil, err
		}
		rel = c.allColumns(item)
	} else if rel, err = c.outermost(stmt.Query); err != nil {
		return nil, err
	}
	if err := c.unordered(rel, "a sink"); err != nil {
		return nil, err
	}
	node := visibleOnly(rel)
	sp := stmt.Span()
	if stmt.Query != nil {
		sp = stmt.Query.Span()
	} else if stmt.From != nil {
		sp = stmt.From.Span()
	}
	if err := uniqueNames(node.Schema, sp); err != nil {
		return nil, err
	}
	def := &SinkDef{External: r.External, Schema: node.Schema, Settings: set}
	if text := r.options.String("primary_key"); text != "" {
		for _, name := range strings.Split(text, ",") {
			i := node.Schema.Index(strings.TrimSpace(name))
			if i < 0 {
				return nil, unknownDefColumn(sql.Ident{At: sql.Spanned(places["primary_key"]), Name: strings.TrimSpace(name)}, node.Schema)
			}
			def.Key = append(def.Key, i)
		}
	}
	return c.sink(def, r, node, rel.emit, sp)
}

// sink plans the delivery of a query to an external sink.
func (c *creation) sink(def *SinkDef, r *resolved, node *Node, emit *sql.Emit, sp types.Span) (*Created, error) {
	em, err := c.emission(emit)
	if err != nil {
		return nil, err
	}
	root, err := c.planFor(node, em)
	if err != nil {
		return nil, err
	}
	modes := r.sinkModes()
	mode := modes[0]
	if text := r.options.String("type"); text != "" {
		i := slices.IndexFunc(modes, func(m SinkMode) bool { return m.String() == text })
		if i < 0 {
			return nil, types.Errorf(types.CodeInvalidParameter, "the sink does not take %s changes", text).At(sp).
				WithHint("it takes: %s", modeNames(modes))
		}
		mode = modes[i]
	} else if def.Key != nil && slices.Contains(modes, Upsert) {
		mode = Upsert
	} else if mode == Append && !root.Props.AppendOnly && len(modes) > 1 {
		mode = modes[1]
	}
	if mode == Append && !root.Props.AppendOnly {
		if root, err = c.appendOnly(root, node, emit, em, r, sp); err != nil {
			return nil, err
		}
	}
	if mode == Upsert {
		if def.Key, err = c.upsertKey(root, def.Key, sp); err != nil {
			return nil, err
		}
	}
	def.Mode = mode
	op := &Sink{Object: c.base.NextID(), Name: c.name, Mode: mode}
	if mode == Upsert {
		op.Key = def.Key
	}
	if root, err = c.finish(newNode(op, def.Schema, root)); err != nil {
		return nil, err
	}
	def.Plan = Plan{root}
	out, err := c.end(&Object{Sink: def})
	if err != nil {
		return nil, err
	}
	out.Plan, out.Logical, out.Warnings = root, node, Warnings(root)
	return out, nil
}

// sinkModes are what the sink accepts, the default first.
func (r *resolved) sinkModes() []SinkMode {
	switch {
	case r.format != nil && r.format.SinkMode != Append:
		return []SinkMode{r.format.SinkMode}
	case len(r.connector.SinkModes) == 0:
		return []SinkMode{Append}
	}
	return r.connector.SinkModes
}

func modeNames(modes []SinkMode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = m.String()
	}
	return strings.Join(names, ", ")
}

// appendOnly makes a query fit a sink that only appends: with final rows where it is windowed and nothing else was asked for.
func (c *creation) appendOnly(root, node *Node, emit *sql.Emit, em emission, r *resolved, sp types.Span) (*Node, error) {
	what := fmt.Sprintf("connector %q", r.Connector)
	if r.Format != "" {
		what += fmt.Sprintf(" with format %q", r.Format)
	}
	refused := types.Errorf(types.CodeInvalidDefinition, "a sink of %s only appends, and the query changes rows that it has put out", what).At(sp)
	if emit == nil {
		em.onClose = true
		final, err := c.planFor(node, em)
		if err == nil && final.Props.AppendOnly {
			c.notice(sp, "write EMIT ON WINDOW CLOSE to say so", "the sink only appends: the query puts out each window once, when it closes")
			return final, nil
		}
	}
	if em.onClose {
		return nil, refused.WithHint("its input changes: aggregate in windows over the source's event time, or use a format that can say what is taken back, such as debezium_json")
	}
	if windowed(root) {
		return nil, refused.WithHint("use EMIT ON WINDOW CLOSE, or a format that can say what is taken back, such as debezium_json")
	}
	return nil, refused.WithHint("aggregate in windows (TUMBLE, HOP, CUMULATE, SESSION), or use a format that can say what is taken back, such as debezium_json")
}

// windowed reports whether a plan has something that the watermark closes.
func windowed(root *Node) bool {
	found := false
	root.each(func(n *Node) {
		switch op := n.Op.(type) {
		case *Aggregate:
			found = found || op.Close >= 0
		case *WindowAggregate, *SessionExpand:
			found = true
		case *Over:
			found = found || op.Close >= 0
		case *TopN:
			found = found || op.Close >= 0
		}
	})
	return found
}

// upsertKey checks the key of an upsert sink against what is proved of the query, or takes the proved one.
func (c *creation) upsertKey(root *Node, key []int, sp types.Span) ([]int, error) {
	proved := shortest(root.Props.Keys)
	if key == nil {
		if len(proved) == 0 {
			return nil, types.Errorf(types.CodeInvalidDefinition, "an upsert sink needs a key, and the query has none").At(sp).
				WithHint("group by the columns that shall be the key, or name them with primary_key")
		}
		c.notice(sp, "", "the sink's key is %s", strings.Join(columnNames(proved, root.Schema), ", "))
		return proved, nil
	}
	if !root.Props.HasKey(key) {
		err := types.Errorf(types.CodeInvalidDefinition, "the query may give several rows for one value of the sink's key (%s)",
			strings.Join(columnNames(key, root.Schema), ", ")).At(sp)
		if len(proved) > 0 {
			return nil, err.WithHint("the query's key is (%s)", strings.Join(columnNames(proved, root.Schema), ", "))
		}
		return nil, err.WithHint("group by the columns of the key")
	}
	return key, nil
}

// PlanInsert plans INSERT INTO an external table, which delivers a query as CREATE SINK does. The sink's object is named after the
// table.
//
// Errors: CodeNotSupported for tables that are kept here.
func (p *Planner) PlanInsert(stmt *sql.Insert) (*Created, error) {
	table, err := p.Find(stmt.Table.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case table.Kind == KindView || table.Kind == KindMaterializedView:
		return nil, types.Errorf(types.CodeWrongObjectType, "cannot change %s %q", table.Kind, table.Name).At(stmt.Table.Span()).
			WithHint("change the tables that it reads")
	case table.Sink == nil || table.Kind != KindTable:
		return nil, types.Errorf(types.CodeWrongObjectType, "%s %q cannot be inserted into", table.Kind, table.Name).At(stmt.Table.Span()).
			WithHint("a table with a connector that is a sink can")
	case stmt.OnConflict != nil:
		return nil, types.NotSupported(stmt.OnConflict.Span(), "ON CONFLICT")
	case len(stmt.Returning) > 0:
		return nil, types.NotSupported(stmt.Returning[0].Span(), "RETURNING")
	case stmt.Query == nil:
		return nil, types.NotSupported(stmt.Span(), "DEFAULT VALUES")
	}
	for _, o := range p.Catalog.Objects() {
		if o.Sink != nil && o.Sink.From == table.ID {
			return nil, types.NotSupported(stmt.Table.Span(), "a second INSERT into %q", table.Name).
				WithHint("join the queries with UNION ALL")
		}
	}
	r, err := resolveExternal(p.Connectors, AsSink, table.Sink.Options)
	if err != nil {
		return nil, at(err, stmt.Table.Span())
	}
	schema, bare := SplitName(table.Name)
	name := CatalogName(schema, "insert_into_"+bare)
	set := p.Settings.with(r.options)
	c, err := p.begin(stmt, KindSink, &sql.Name{At: stmt.Table.At, Parts: nameOf(name).Parts}, false, false, false, set)
	if err != nil {
		return nil, err
	}
	c.deps[table.ID] = true
	q := stmt.Query
	if stmt.With != nil {
		if q.With != nil {
			return nil, types.NotSupported(q.With.Span(), "WITH both before INSERT and in its query")
		}
		copied := *q
		copied.With = stmt.With
		q = &copied
	}
	rel, err := c.query(q, true)
	if err != nil {
		return nil, err
	}
	if err := c.unordered(rel, "a sink"); err != nil {
		return nil, err
	}
	node, err := c.insertColumns(stmt, table.Sink.Schema, rel)
	if err != nil {
		return nil, err
	}
	def := &SinkDef{External: table.Sink.External, Schema: table.Sink.Schema, Key: table.Sink.Key, Settings: set,
		From: table.ID, PartitionBy: table.Sink.PartitionBy}
	return c.sink(def, r, node, rel.emit, q.Span())
}

// insertColumns casts a query's columns to those of a table, by position; columns that are not given are NULL.
func (c *creation) insertColumns(stmt *sql.Insert, schema types.Schema, rel *relation) (*Node, error) {
	targets := make([]int, 0, len(schema))
	if len(stmt.Columns) == 0 {
		for i := range schema {
			targets = append(targets, i)
		}
	}
	for _, id := range stmt.Columns {
		i := schema.Index(id.Name)
		switch {
		case i < 0:
			return nil, unknownDefColumn(id, schema)
		case slices.Contains(targets, i):
			return nil, types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", id.Name).At(id.Span())
		}
		targets = append(targets, i)
	}
	if rel.visible > len(targets) {
		return nil, types.Errorf(types.CodeSyntax, "INSERT has more expressions than target columns").At(stmt.Query.Span())
	}
	if rel.visible < len(targets) && len(stmt.Columns) > 0 {
		return nil, types.Errorf(types.CodeSyntax, "INSERT has more target columns than expressions").At(stmt.Query.Span())
	}
	want := make([]types.Type, rel.visible)
	from := map[int]int{}
	names := make([]sql.Ident, rel.visible)
	for i := range want {
		want[i] = schema[targets[i]].Type
		names[i].Name = schema[targets[i]].Name
		from[targets[i]] = i
	}
	node, err := coerceColumns(rel.named(names), want, expr.Assignment)
	if err != nil {
		return nil, at(err, stmt.Query.Span())
	}
	exprs := make([]expr.Expr, len(schema))
	for i, f := range schema {
		if at, ok := from[i]; ok {
			exprs[i] = column(at, node.Schema[at])
		} else {
			exprs[i] = &expr.Literal{Base: expr.Base{T: f.Type}}
		}
	}
	return reproject(node, exprs, schema, DeadLetter), nil
}
