package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Created is what a CREATE statement, or an INSERT into an external table, makes.
type Created struct {
	Object  *Object
	Catalog *Catalog // with the object
	// Existed: IF NOT EXISTS found an object of that name, which is Object; nothing is made.
	Existed bool
	// Replaced is the object that CREATE OR REPLACE took the place of, or nil.
	Replaced *Object
	// Plan is what runs (of sinks and materialized views), Logical the query before the rewrites.
	Plan, Logical *Node
	Schema        types.Schema // of the query or relation
	// Fill gives the rows that a new table begins with: CREATE TABLE ... AS; nil: none.
	Fill     *QueryPlan
	Notices  []Notice
	Warnings []Warning
}

// creation is the common part of CREATE statements.
type creation struct {
	*binder
	name    string
	kind    ObjectKind
	stmt    sql.Statement
	base    *Catalog // without an object that is replaced
	old     *Object
	existed *Object
	unique  []*Object // indexes of a table's UNIQUE constraints; names that are empty are to be found
}

// begin checks the name of a new object.
//
// Errors: CodeDuplicateTable; CodeUndefinedObject for a schema; CodeNotSupported.
func (p *Planner) begin(stmt sql.Statement, kind ObjectKind, name *sql.Name, ifNotExists, orReplace, temporary bool, set Settings) (*creation, error) {
	if temporary {
		return nil, types.NotSupported(stmt.Span(), "temporary objects")
	}
	full, err := p.NewName(name)
	if err != nil {
		return nil, err
	}
	c := &creation{binder: p.newBinder(set), name: full, kind: kind, stmt: stmt, base: p.Catalog}
	have := p.Catalog.Lookup(c.name)
	switch {
	case have == nil:
	case ifNotExists:
		c.existed = have
		c.notice(name.Span(), "", "%s %q already exists, skipping", have.Kind, have.Name)
	case orReplace && have.Kind == kind:
		base, _, err := p.Catalog.Drop(have.ID, false)
		if err != nil {
			return nil, at(err, name.Span())
		}
		c.base, c.old = base, have
	case orReplace:
		return nil, types.Errorf(types.CodeWrongObjectType, "%q is a %s and cannot be replaced by a %s", c.name, have.Kind, kind).At(name.Span())
	default:
		return nil, duplicateObject(have).At(name.Span())
	}
	return c, nil
}

// end adds the object to the catalog.
func (c *creation) end(o *Object) (*Created, error) {
	o.ID, o.Name, o.Kind, o.Deps = c.base.NextID(), c.name, c.kind, c.dependencies()
	if o.Text == "" {
		o.Text = sql.Pretty(c.stmt)
	}
	cat, err := c.base.Add(o)
	if err != nil {
		return nil, err
	}
	out := &Created{Object: o, Catalog: cat, Replaced: c.old, Schema: o.Schema(), Notices: c.notices}
	return out, nil
}

func (c *creation) found() *Created {
	return &Created{Object: c.existed, Catalog: c.p.Catalog, Existed: true, Schema: c.existed.Schema(), Notices: c.notices}
}

// optionMap reads WITH options and those of FORMAT into one map of lower-case keys.
//
// Errors: CodeSyntax for a key that is given twice.
func optionMap(list []*sql.Option, f *sql.FormatSpec) (map[string]string, map[string]types.Span, error) {
	values, places := map[string]string{}, map[string]types.Span{}
	add := func(o *sql.Option) error {
		key := strings.ToLower(o.Key)
		if _, twice := values[key]; twice {
			return types.Errorf(types.CodeSyntax, "option %q is given twice", key).At(o.Span())
		}
		values[key], places[key] = o.Text(), o.Span()
		if o.Value == nil {
			values[key] = "true"
		}
		return nil
	}
	for _, o := range list {
		if err := add(o); err != nil {
			return nil, nil, err
		}
	}
	if f == nil {
		return values, places, nil
	}
	if f.KeyEncode != "" {
		return nil, nil, types.NotSupported(f.Span(), "KEY ENCODE")
	}
	format := f.Kind
	switch {
	case f.Encode == "" || f.Kind == "native":
	case f.Kind == "plain" || f.Kind == "append_only":
		format = f.Encode
	case f.Kind == "debezium" && f.Encode == "json":
		format = "debezium_json"
	default:
		return nil, nil, types.NotSupported(f.Span(), "FORMAT %s ENCODE %s", strings.ToUpper(f.Kind), strings.ToUpper(f.Encode))
	}
	if f.Encode != "" && f.Kind == "native" {
		format = f.Encode
	}
	if have, twice := values["format"]; twice && !strings.EqualFold(have, format) {
		return nil, nil, types.Errorf(types.CodeSyntax, "the format is given twice: %s and %s", have, format).At(f.Span())
	}
	values["format"], places["format"] = format, f.Span()
	for _, o := range f.Options {
		if err := add(o); err != nil {
			return nil, nil, err
		}
	}
	return values, places, nil
}

// optionError moves an error about options to the option that it names.
func optionError(err error, places map[string]types.Span, whole types.Span) error {
	e, ok := err.(*types.Error)
	if !ok || !e.Span.IsZero() {
		return err
	}
	for _, key := range sortedKeys(places) {
		if strings.Contains(e.Msg, "\""+key+"\"") && !places[key].IsZero() {
			return e.At(places[key])
		}
	}
	for _, key := range []string{"connector", "format"} {
		if strings.HasPrefix(e.Msg, key+" ") && !places[key].IsZero() {
			return e.At(places[key])
		}
	}
	return e.At(whole)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// PlanCreateSource makes a source.
func (p *Planner) PlanCreateSource(stmt *sql.CreateSource) (*Created, error) {
	c, err := p.begin(stmt, KindSource, stmt.Name, stmt.IfNotExists, stmt.OrReplace, stmt.Temporary, p.Settings)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	given, places, err := optionMap(stmt.Options, stmt.Format)
	if err != nil {
		return nil, err
	}
	src, err := c.source(&stmt.TableDef, given, places, stmt.Span())
	if err != nil {
		return nil, err
	}
	if src.PrimaryKey != nil && !src.KeyTrusted {
		c.notice(stmt.Name.Span(), "write PRIMARY KEY (...) NOT ENFORCED if you know that it holds", "the primary key of a source is not checked, so nothing is concluded from it")
	}
	return c.end(&Object{Source: src})
}

// PlanCreateTable makes a table: with a connector one that stands for an external source, sink or both, else one that is kept here.
func (p *Planner) PlanCreateTable(stmt *sql.CreateTable) (*Created, error) {
	given, places, err := optionMap(stmt.Options, stmt.Format)
	if err != nil {
		return nil, err
	}
	if given["connector"] == "" {
		return p.keptTable(stmt)
	}
	if stmt.Query != nil {
		return nil, types.NotSupported(stmt.Query.Span(), "CREATE TABLE ... AS with a connector").WithHint("use CREATE SINK ... AS")
	}
	c, err := p.begin(stmt, KindTable, stmt.Name, stmt.IfNotExists, stmt.OrReplace, stmt.Temporary, p.Settings)
	if err != nil {
		return nil, err
	}
	if c.existed != nil {
		return c.found(), nil
	}
	spec := (*ConnectorSpec)(nil)
	if p.Connectors != nil {
		spec = p.Connectors.Connector(strings.ToLower(given["connector"]))
	}
	o := &Object{}
	var sourceErr, sinkErr error
	if spec == nil || spec.Source {
		o.Source, sourceErr = c.source(&stmt.TableDef, given, places, stmt.Span())
	}
	if spec != nil && spec.Sink {
		o.Sink, sinkErr = c.tableSink(&stmt.TableDef, given, places, stmt.Span())
	}
	if o.Source == nil && o.Sink == nil {
		if sourceErr != nil {
			return nil, sourceErr
		}
		return nil, sinkErr
	}
	return c.end(o)
}

// tableSink makes the sink of a table: the physical columns, in their order.
func (c *creation) tableSink(def *sql.TableDef, given map[string]string, places map[string]types.Span, sp types.Span) (*SinkDef, error) {
	r, err := resolveExternal(c.p.Connectors, AsSink, given)
	if err != nil {
		return nil, optionError(err, places, sp)
	}
	if len(def.Columns) == 0 {
		return nil, types.Errorf(types.CodeInvalidDefinition, "a sink table needs columns").At(sp)
	}
	s := &SinkDef{External: r.External}
	for _, col := range def.Columns {
		if col.Generated != nil || col.IsMetadata {
			continue
		}
		t, err := columnType(col)
		if err != nil {
			return nil, err
		}
		s.Schema = append(s.Schema, types.Field{Name: col.Name.Name, Type: t})
	}
	if s.Key, _, err = primaryKey(def, s.Schema); err != nil {
		return nil, err
	}
	for _, id := range def.Partition {
		if s.Schema.Index(id.Name) < 0 {
			return nil, unknownDefColumn(id, s.Schema)
		}
		s.PartitionBy = append(s.PartitionBy, id.Name)
	}
	return s, nil
}

func columnType(col *sql.ColumnDef) (types.Type, error) {
	if col.Type == nil {
		return types.Type{}, types.Errorf(types.CodeSyntax, "column %q has no type", col.Name.Name).At(col.Span())
	}
	return bindType(col.Type)
}

// source binds the definition of a source.
func (c *creation) source(def *sql.TableDef, given map[string]string, places map[string]types.Span, sp types.Span) (*Source, error) {
	if len(def.Like) > 0 {
		return nil, types.NotSupported(def.Like[0].Span(), "LIKE")
	}
	r, err := resolveExternal(c.p.Connectors, AsSource, given)
	if err != nil {
		return nil, optionError(err, places, sp)
	}
	s := &Source{External: r.External, OnError: *policyOf(r.options.String("on_error"), false), OnLate: *policyOf(r.options.String("on_late"), false),
		AllowedLateness: r.options.Duration("allowed_lateness").Microseconds(), IdleTimeout: r.options.Duration("idle_timeout").Microseconds(),
		MaxAhead: r.options.Duration("max_ahead").Microseconds(), RateLimit: r.options.Int("rate_limit")}
	if r.connector.Bounded != nil {
		s.Bounded = r.connector.Bounded(r.options)
	}
	if err := c.physicalColumns(s, def, r, sp); err != nil {
		return nil, err
	}
	if err := c.computedColumns(s, def); err != nil {
		return nil, err
	}
	var enforced bool
	if s.PrimaryKey, enforced, err = primaryKey(def, s.Schema()); err != nil {
		return nil, err
	}
	s.KeyTrusted = s.PrimaryKey != nil && !enforced
	return s, c.watermark(s, def)
}

// physicalColumns binds the columns that the connector delivers: declared, or known to it, and those of INCLUDE.
func (c *creation) physicalColumns(s *Source, def *sql.TableDef, r *resolved, sp types.Span) error {
	seen := map[string]bool{}
	add := func(f types.Field, metadata string, at types.Span) error {
		if seen[f.Name] {
			return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", f.Name).At(at)
		}
		seen[f.Name] = true
		s.Columns = append(s.Columns, SourceColumn{Field: f, Physical: len(s.Physical)})
		s.Physical = append(s.Physical, f)
		s.Metadata = append(s.Metadata, metadata)
		return nil
	}
	physical := 0
	for _, col := range def.Columns {
		if col.Generated != nil {
			if seen[col.Name.Name] {
				return types.Errorf(types.CodeDuplicateColumn, "column %q specified more than once", col.Name.Name).At(col.Span())
			}
			seen[col.Name.Name] = true
			s.Columns = append(s.Columns, SourceColumn{Field: types.Field{Name: col.Name.Name}, Physical: -1})
			continue
		}
		if err := checkColumnDef(col); err != nil {
			return err
		}
		t, err := columnType(col)
		if err != nil {
			return err
		}
		key := ""
		if col.IsMetadata {
			if key, err = metadataKey(r, col.Metadata, col.Span()); err != nil {
				return err
			}
		} else {
			physical++
		}
		if err := add(types.Field{Name: col.Name.Name, Type: t, NotNull: col.NotNull || col.PrimaryKey}, key, col.Name.Span()); err != nil {
			return err
		}
	}
	if physical == 0 && r.connector.Schema != nil {
		known, err := r.connector.Schema(given(r))
		if err != nil {
			return at(err, sp)
		}
		own := s.Columns
		s.Columns = nil
		for _, f := range known {
			if err := add(f, "", sp); err != nil {
				return err
			}
		}
		s.Columns = append(s.Columns, own...)
		physical = len(known)
	}
	if physical == 0 {
		return types.Errorf(types.CodeInvalidDefinition, "a source of connector %q needs columns", s.Connector).At(sp).
			WithHint("write them in parentheses behind the name: (id BIGINT, ts TIMESTAMP)")
	}
	for _, inc := range def.Include {
		key, err := metadataKey(r, inc.What, inc.Span())
		if err != nil {
			return err
		}
		f := r.connector.Metadata[r.connector.Metadata.Index(key)]
		if inc.Type != nil {
			if f.Type, err = bindType(inc.Type); err != nil {
				return err
			}
		}
		if !inc.Alias.IsZero() {
			f.Name = inc.Alias.Name
		}
		if err := add(f, key, inc.Span()); err != nil {
			return err
		}
	}
	return nil
}

func given(r *resolved) map[string]string { return r.Options }

// checkColumnDef refuses what sources cannot have.
func checkColumnDef(col *sql.ColumnDef) error {
	switch {
	case col.Default != nil:
		return types.NotSupported(col.Default.Span(), "DEFAULT for a column of a source")
	case len(col.Checks) > 0:
		return types.NotSupported(col.Checks[0].Span(), "CHECK")
	case col.Unique:
		return types.NotSupported(col.Span(), "UNIQUE")
	case col.References != nil:
		return types.NotSupported(col.References.Span(), "REFERENCES")
	}
	return nil
}

func metadataKey(r *resolved, key string, sp types.Span) (string, error) {
	if r.connector.Metadata.Index(key) >= 0 {
		return key, nil
	}
	if len(r.connector.Metadata) == 0 {
		return "", types.Errorf(types.CodeInvalidDefinition, "connector %q has no metadata columns", r.Connector).At(sp)
	}
	return "", at(unknownName("metadata column", key, schemaNames(r.connector.Metadata)), sp)
}

// computedColumns binds name AS expr over the physical columns.
func (c *creation) computedColumns(s *Source, def *sql.TableDef) error {
	sc := &scope{}
	sc.addRelation(c.name, s.Physical, nil)
	eb := &exprBinder{binder: c.binder, sc: sc, clause: "a generated column"}
	for _, col := range def.Columns {
		if col.Generated == nil {
			continue
		}
		i := slices.IndexFunc(s.Columns, func(x SourceColumn) bool { return x.Name == col.Name.Name })
		e, err := eb.bind(col.Generated)
		if err != nil {
			return err
		}
		want := e.Type()
		if col.Type != nil {
			if want, err = bindType(col.Type); err != nil {
				return err
			}
		} else if want.Kind == types.Unknown {
			want = types.TextType
		}
		if e, err = expr.Cast(e, want, expr.Assignment); err != nil {
			return at(err, col.Generated.Span())
		}
		_, proc := e.(*expr.Now)
		e = c.reg.Fold(e)
		s.Columns[i] = SourceColumn{
			Field:    types.Field{Name: col.Name.Name, Type: want, NotNull: notNull(e, s.Physical)},
			Physical: -1, Expr: withoutSpans(e), Text: sql.Format(col.Generated), ProcTime: proc,
		}
	}
	return nil
}

// primaryKey collects the primary key of columns and constraints.
func primaryKey(def *sql.TableDef, schema types.Schema) (key []int, enforced bool, err error) {
	set := func(names []sql.Ident, notEnforced bool, sp types.Span) error {
		if key != nil {
			return types.Errorf(types.CodeInvalidDefinition, "multiple primary keys are not allowed").At(sp)
		}
		for _, n := range names {
			i := schema.Index(n.Name)
			if i < 0 {
				return unknownDefColumn(n, schema)
			}
			key = append(key, i)
		}
		enforced = !notEnforced
		return nil
	}
	for _, col := range def.Columns {
		if col.PrimaryKey {
			if err := set([]sql.Ident{col.Name}, col.KeyNotEnforced, col.Span()); err != nil {
				return nil, false, err
			}
		}
	}
	for _, con := range def.Constraints {
		if con.Kind != sql.PrimaryKey {
			return nil, false, types.NotSupported(con.Span(), "%s", con.Kind)
		}
		if err := set(con.Columns, con.NotEnforced, con.Span()); err != nil {
			return nil, false, err
		}
	}
	return key, enforced, nil
}

func unknownDefColumn(id sql.Ident, schema types.Schema) error {
	err := types.Errorf(types.CodeUndefinedColumn, "column %q does not exist", id.Name).At(id.Span())
	if near := types.Nearest(id.Name, schemaNames(schema)); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

// watermark binds WATERMARK FOR.
func (c *creation) watermark(s *Source, def *sql.TableDef) error {
	switch len(def.Watermarks) {
	case 0:
		return nil
	case 1:
	default:
		return types.NotSupported(def.Watermarks[1].Span(), "more than one watermark in a source")
	}
	w := def.Watermarks[0]
	schema := s.Schema()
	i := schema.Index(w.Column.Name)
	if i < 0 {
		return unknownDefColumn(w.Column, schema)
	}
	t := schema[i].Type
	if t.Kind != types.Timestamp && t.Kind != types.TimestampTZ {
		return types.Errorf(types.CodeDatatypeMismatch, "the watermark needs a column of type timestamp, %q is %s", w.Column.Name, t).At(w.Column.Span()).
			WithHint("add a column such as %s_ts TIMESTAMP AS CAST(%s AS TIMESTAMP) and declare the watermark for that", w.Column.Name, w.Column.Name)
	}
	if s.Columns[i].ProcTime {
		return types.Errorf(types.CodeInvalidDefinition, "%q is the processing time, which needs no watermark", w.Column.Name).At(w.Column.Span())
	}
	sc := &scope{}
	sc.addRelation(c.name, schema, nil)
	eb := &exprBinder{binder: c.binder, sc: sc, clause: "WATERMARK"}
	var e expr.Expr = column(i, schema[i])
	text := w.Column.Name
	if w.X != nil {
		var err error
		if e, err = eb.bindTo(w.X, t, expr.Assignment); err != nil {
			return err
		}
		text = sql.Format(w.X)
	}
	if readsClock(e) || volatile(c.reg, e) {
		return types.Errorf(types.CodeInvalidDefinition, "the watermark must be computed from the row's columns alone").At(w.Span())
	}
	if readsOnly(e, func(int) bool { return false }) {
		return types.Errorf(types.CodeInvalidDefinition, "the watermark does not read the column %q", w.Column.Name).At(w.Span())
	}
	s.Watermark = &SourceWatermark{Column: i, Expr: withoutSpans(c.reg.Fold(e)), Text: text}
	return nil
}
