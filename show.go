package streamsql

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// table is a small result made by hand: cells are nil, string, int64, bool or time.Time.
type table struct {
	names []string
	rows  [][]any
	// typed are the columns that are not text, by name: their types do not depend on whether there are rows.
	typed map[string]types.Type
}

// result turns t into Rows whose columns are text, or bigint where all cells are numbers.
func (t *table) result(tag string) Result {
	var schema types.Schema
	for i, name := range t.names {
		typ, given := t.typed[name]
		if !given {
			typ = types.TextType
		}
		if !given && len(t.rows) > 0 {
			switch t.rows[0][i].(type) {
			case int64:
				typ = types.Int8Type
			case bool:
				typ = types.BoolType
			}
		}
		schema = append(schema, types.Field{Name: name, Type: typ})
	}
	batch := &changelog.Batch{N: len(t.rows)}
	for i, f := range schema {
		b := types.NewBuilder(f.Type)
		for _, row := range t.rows {
			switch v := row[i].(type) {
			case nil:
				b.AppendNull()
			case int64:
				if n, ok := b.(*array.Int64Builder); ok {
					n.Append(v)
				} else {
					b.(*array.StringBuilder).Append(strconv.FormatInt(v, 10))
				}
			case bool:
				b.(*array.BooleanBuilder).Append(v)
			case time.Time:
				b.(*array.StringBuilder).Append(v.UTC().Format("2006-01-02 15:04:05.999999"))
			default:
				b.(*array.StringBuilder).Append(fmt.Sprint(v))
			}
		}
		batch.Cols = append(batch.Cols, b.NewArray())
	}
	given := len(t.rows) == 0
	return Result{Tag: tag, Rows: &Rows{columns: columnsOf(schema), ctx: context.Background(), next: func(context.Context) (Changes, error) {
		if given {
			return Changes{}, io.EOF
		}
		given = true
		return Changes{Batches: []*changelog.Batch{batch}}, nil
	}}}
}

// show answers SHOW.
func (s *Session) show(p *planner.Planner, stmt *sql.Show) (Result, error) {
	t, err := s.showTable(p, stmt)
	if err != nil {
		return Result{}, err
	}
	if stmt.Like != nil {
		pattern := likePattern(stmt.Like.Value)
		t.rows = slices.DeleteFunc(t.rows, func(row []any) bool { name, _ := row[0].(string); return !pattern.MatchString(name) })
	}
	return t.result("SHOW"), nil
}

// likePattern turns a LIKE pattern over names into a regular expression.
func likePattern(like string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(like)
	return regexp.MustCompile("^" + strings.NewReplacer("%", ".*", "_", ".").Replace(quoted) + "$")
}

var showKinds = map[string][]planner.ObjectKind{
	"sources": {planner.KindSource}, "tables": {planner.KindTable}, "views": {planner.KindView},
	"materialized views": {planner.KindMaterializedView}, "sinks": {planner.KindSink},
}

func (s *Session) showTable(p *planner.Planner, stmt *sql.Show) (*table, error) {
	if kinds, ok := showKinds[stmt.What]; ok {
		t := &table{names: []string{"name"}}
		for _, o := range p.Catalog.Objects() {
			if slices.Contains(kinds, o.Kind) {
				t.rows = append(t.rows, []any{o.Name})
			}
		}
		return t, nil
	}
	stats := s.db.engine.Stats
	switch stmt.What {
	case "parameter":
		return s.showParameter(stmt)
	case "all", "parameters":
		return s.showAll(), nil
	case "create":
		o, err := p.Find(stmt.Name)
		if err != nil {
			return nil, err
		}
		return &table{names: []string{"name", "create_statement"}, rows: [][]any{{o.Name, o.Text}}}, nil
	case "columns":
		return s.columnTable(p, stmt.Name)
	case "functions":
		return s.functionTable(), nil
	case "connectors":
		return s.connectorTable(), nil
	case "formats":
		t := &table{names: []string{"name", "source", "sink", "description"}, typed: map[string]types.Type{"source": types.BoolType, "sink": types.BoolType}}
		for _, f := range s.db.connectors.formats {
			t.rows = append(t.rows, []any{f.spec.Name, f.spec.Source, f.spec.Sink, f.spec.Doc})
		}
		return t, nil
	case "watermarks":
		return watermarkTable(stats()), nil
	case "jobs":
		return jobTable(stats()), nil
	case "rejected":
		t := &table{names: []string{"source", "reason", "rows"}, typed: map[string]types.Type{"rows": types.Int8Type}}
		for _, r := range stats().Rejected {
			t.rows = append(t.rows, []any{r.Source, string(r.Reason), r.Rows})
		}
		return t, nil
	case "state":
		t := &table{names: []string{"operator", "table", "rows", "bytes"}, typed: map[string]types.Type{"rows": types.Int8Type, "bytes": types.Int8Type}}
		for _, x := range stats().Tables {
			t.rows = append(t.rows, []any{x.Operator, x.Name, x.Rows, x.Bytes})
		}
		return t, nil
	case "versions":
		t := &table{names: []string{"epoch", "time"}, typed: map[string]types.Type{"epoch": types.Int8Type}}
		for _, v := range s.db.store.Versions() {
			t.rows = append(t.rows, []any{int64(v.Epoch), time.UnixMicro(v.Clock)})
		}
		return t, nil
	case "schemas":
		t := &table{names: []string{"name"}}
		for _, name := range append(p.Catalog.Schemas(), "streamsql") {
			t.rows = append(t.rows, []any{name})
		}
		return t, nil
	case "indexes":
		return indexTable(p, stmt.In)
	case "savepoints", "cursors":
		return &table{names: []string{"name"}}, nil
	}
	return nil, types.NotSupported(stmt.Span(), "SHOW %s", strings.ToUpper(stmt.What))
}

// indexTable lists indexes, of one table or view if on is given.
func indexTable(p *planner.Planner, on *sql.Name) (*table, error) {
	t := &table{names: []string{"name", "on", "columns", "unique"}, typed: map[string]types.Type{"unique": types.BoolType}}
	var only *planner.Object
	if on != nil {
		var err error
		if only, err = p.Find(on); err != nil {
			return nil, err
		}
	}
	for _, o := range p.Catalog.Objects() {
		if o.Index == nil || only != nil && o.Index.Table != only.ID {
			continue
		}
		of := p.Catalog.Object(o.Index.Table)
		var names []string
		for _, c := range o.Index.Columns {
			names = append(names, of.Schema()[c].Name)
		}
		t.rows = append(t.rows, []any{o.Name, of.Name, strings.Join(names, ", "), o.Index.Unique})
	}
	return t, nil
}

func (s *Session) showParameter(stmt *sql.Show) (*table, error) {
	for _, row := range s.showAll().rows {
		if row[0] == stmt.Parameter {
			return &table{names: []string{stmt.Parameter}, rows: [][]any{{row[1]}}}, nil
		}
	}
	err := types.Errorf(types.CodeUndefinedObject, "unrecognized configuration parameter %q", stmt.Parameter)
	var names []string
	for _, row := range s.showAll().rows {
		names = append(names, row[0].(string))
	}
	for kind := range showKinds {
		names = append(names, kind)
	}
	names = append(names, "watermarks", "jobs", "functions", "connectors", "formats", "rejected", "state", "versions", "columns")
	if near := types.Nearest(stmt.Parameter, names); near != "" {
		return nil, err.WithHint("did you mean %q?", near)
	}
	return nil, err
}

func (s *Session) showAll() *table {
	t := &table{names: []string{"name", "setting", "description"}}
	specs := append(planner.QueryOptions(), sessionSettings...)
	specs = append(specs, types.OptionSpec{Name: "timezone", Default: "UTC", Doc: "the time zone of timestamptz without a zone"})
	for _, o := range specs {
		value := o.Default
		if v := s.setting(o.Name); v != "" {
			value = v
		}
		t.rows = append(t.rows, []any{o.Name, value, o.Doc})
	}
	for _, o := range clientSettings {
		t.rows = append(t.rows, []any{o.name, s.clientSetting(o), o.doc})
	}
	for _, o := range inertSettings {
		t.rows = append(t.rows, []any{o.name, s.clientSetting(clientSettingOf(o.name)), o.doc})
	}
	slices.SortFunc(t.rows, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return t
}

func (s *Session) columnTable(p *planner.Planner, name *sql.Name) (*table, error) {
	o, err := p.Find(name)
	if err != nil {
		return nil, err
	}
	return describeTable(o.Describe()), nil
}

func describeTable(list []planner.ColumnInfo) *table {
	t := &table{names: []string{"column", "type", "nullable", "key", "extra"},
		typed: map[string]types.Type{"nullable": types.BoolType, "key": types.BoolType}}
	for _, c := range list {
		t.rows = append(t.rows, []any{c.Name, c.Type, c.Nullable, c.Key, c.Extra})
	}
	return t
}

func (s *Session) describe(p *planner.Planner, stmt *sql.Describe) (Result, error) {
	if stmt.Query != nil {
		plan, err := p.PlanQuery(stmt.Query)
		if err != nil {
			return Result{}, err
		}
		return describeTable(planner.DescribeSchema(plan.Schema)).result("DESCRIBE"), nil
	}
	t, err := s.columnTable(p, stmt.Name)
	if err != nil {
		return Result{}, err
	}
	return t.result("DESCRIBE"), nil
}

func (s *Session) functionTable() *table {
	t := &table{names: []string{"name", "arguments", "result", "kind", "description"}}
	list := func(args []types.Type, variadic bool) string {
		var names []string
		for _, a := range args {
			name := a.String()
			if a.Kind == types.Unknown {
				name = "any"
			}
			names = append(names, name)
		}
		if variadic {
			names = append(names, "...")
		}
		return strings.Join(names, ", ")
	}
	for _, f := range s.db.registry.Functions() {
		kind := "function"
		switch {
		case f.Operator:
			kind = "operator"
		case strings.HasPrefix(f.ID, "cast(") || strings.HasPrefix(f.ID, "assign("):
			continue
		}
		t.rows = append(t.rows, []any{f.Name, list(f.Args, f.Variadic), f.Result.String(), kind, f.Doc})
	}
	for _, a := range s.db.registry.Aggregates() {
		t.rows = append(t.rows, []any{a.Name, list(a.Args, false), a.Result.String(), "aggregate", a.Doc})
	}
	return t
}

func (s *Session) connectorTable() *table {
	t := &table{names: []string{"name", "use", "option", "type", "default", "description"}}
	kinds := map[types.OptionKind]string{types.OptString: "text", types.OptInt: "integer", types.OptFloat: "number", types.OptBool: "boolean",
		types.OptDuration: "duration", types.OptBytes: "size"}
	for _, c := range s.db.connectors.connectors {
		for _, use := range []planner.Use{planner.AsSource, planner.AsSink} {
			options, can := c.spec.SourceOptions, c.spec.Source
			if use == planner.AsSink {
				options, can = c.spec.SinkOptions, c.spec.Sink
			}
			if !can {
				continue
			}
			t.rows = append(t.rows, []any{c.spec.Name, use.String(), nil, nil, nil, c.spec.Doc})
			for _, o := range options {
				kind := kinds[o.Kind]
				if o.Kind == types.OptEnum {
					kind = strings.Join(o.Enum, " | ")
				}
				t.rows = append(t.rows, []any{c.spec.Name, use.String(), o.Name, kind, o.Default, o.Doc})
			}
		}
	}
	return t
}

func watermarkText(w changelog.Watermark) any {
	switch w {
	case changelog.MinWatermark:
		return nil
	case changelog.MaxWatermark:
		return "infinity"
	}
	return time.UnixMicro(int64(w))
}

// watermarkTable says per partition where event time stands, who holds it back and since when.
func watermarkTable(st exec.Stats) *table {
	t := &table{names: []string{"source", "partition", "watermark", "source_watermark", "state", "holds_back", "since"},
		typed: map[string]types.Type{"holds_back": types.BoolType}}
	type place struct {
		source, partition string
		wm, sourceWM      changelog.Watermark
		status            string
	}
	at := map[place]int{} // several readers of a partition that stand equal are one row
	for _, w := range st.Watermarks {
		status := "active"
		switch {
		case w.Ended:
			status = "ended"
		case w.Idle:
			status = "idle"
		}
		same := place{w.Source, w.Partition, w.Watermark, w.SourceWM, status}
		if i, ok := at[same]; ok {
			if row := t.rows[i]; w.Holds && (!row[5].(bool) || time.UnixMicro(w.Since).Before(row[6].(time.Time))) {
				row[5], row[6] = true, time.UnixMicro(w.Since)
			}
			continue
		}
		at[same] = len(t.rows)
		var since any
		if w.Holds {
			since = time.UnixMicro(w.Since)
		}
		t.rows = append(t.rows, []any{w.Source, w.Partition, watermarkText(w.Watermark), watermarkText(w.SourceWM), status, w.Holds, since})
	}
	return t
}

func jobTable(st exec.Stats) *table {
	t := &table{names: []string{"id", "name", "state", "error"}, typed: map[string]types.Type{"id": types.Int8Type}}
	for _, j := range st.Jobs {
		var text any
		if j.Err != nil {
			text = j.Err.Error()
		}
		t.rows = append(t.rows, []any{int64(j.ID), j.Name, j.State.String(), text})
	}
	return t
}
