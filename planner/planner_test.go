package planner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// testConnectors are a file connector, a generator with fixed columns, a console and a keyed store.
type testConnectors struct{}

func (testConnectors) Names() (connectors, formats []string) {
	return []string{"bids", "blackhole", "console", "file", "store"}, []string{"csv", "debezium_json", "json"}
}

func (testConnectors) Connector(name string) *ConnectorSpec {
	switch name {
	case "file":
		return &ConnectorSpec{Name: "file", Source: true, Sink: true,
			SourceOptions: []types.OptionSpec{{Name: "path", Required: true}, {Name: "watch", Kind: types.OptBool}},
			SinkOptions:   []types.OptionSpec{{Name: "path", Required: true}, {Name: "roll_size", Kind: types.OptBytes}},
			SourceFormats: []string{"json", "csv"}, SinkFormats: []string{"json", "csv", "debezium_json"},
			DefaultFormat: func(o map[string]string) string {
				if strings.HasSuffix(o["path"], ".csv") {
					return "csv"
				}
				return ""
			},
			Metadata: types.Schema{{Name: "file", Type: types.TextType}, {Name: "position", Type: types.Int8Type}},
			Bounded:  func(o types.Options) bool { return !o.Bool("watch") },
		}
	case "bids":
		return &ConnectorSpec{Name: "bids", Source: true, Schema: func(map[string]string) (types.Schema, error) {
			return types.Schema{
				{Name: "auction", Type: types.Int8Type, NotNull: true}, {Name: "bidder", Type: types.Int8Type, NotNull: true},
				{Name: "price", Type: types.Int8Type, NotNull: true}, {Name: "channel", Type: types.TextType},
				{Name: "ts", Type: types.TimestampType, NotNull: true},
			}, nil
		}}
	case "console", "blackhole":
		return &ConnectorSpec{Name: name, Sink: true, SinkModes: []SinkMode{Changelog}}
	case "store":
		return &ConnectorSpec{Name: "store", Sink: true, SinkModes: []SinkMode{Upsert, Append}}
	}
	return nil
}

func (testConnectors) Format(name string) *FormatSpec {
	switch name {
	case "json", "csv":
		return &FormatSpec{Name: name, Source: true, Sink: true}
	case "debezium_json":
		return &FormatSpec{Name: name, Sink: true, SinkMode: Changelog}
	}
	return nil
}

// session runs statements one after the other against a growing catalog, and prints what they plan.
type session struct {
	p    Planner
	last *Node
}

func newSession() *session {
	return &session{p: Planner{Catalog: NewCatalog(), Connectors: testConnectors{}}}
}

type output struct {
	strings.Builder
}

func (o *output) notices(list []Notice) {
	for _, n := range list {
		fmt.Fprintf(o, "notice: %s\n", n.Msg)
		if n.Hint != "" {
			fmt.Fprintf(o, "hint: %s\n", n.Hint)
		}
	}
}

// run runs one statement and returns what it prints: the plan, notices, warnings.
func (s *session) run(stmt sql.Statement, opts ExplainOptions, logical bool) (string, error) {
	var o output
	created := func(c *Created, err error) error {
		if err != nil {
			return err
		}
		o.notices(c.Notices)
		s.p.Catalog = c.Catalog
		if c.Plan != nil {
			s.last = c.Plan
			if logical {
				o.WriteString(Explain(c.Logical, opts))
			} else {
				o.WriteString(Explain(c.Plan, opts))
			}
		}
		for _, w := range c.Warnings {
			fmt.Fprintf(&o, "warning: %s\n", w)
		}
		return nil
	}
	var err error
	switch x := stmt.(type) {
	case *sql.CreateSource:
		err = created(s.p.PlanCreateSource(x))
	case *sql.CreateTable:
		err = created(s.p.PlanCreateTable(x))
	case *sql.CreateView:
		err = created(s.p.PlanCreateView(x))
	case *sql.CreateSink:
		err = created(s.p.PlanCreateSink(x))
	case *sql.Insert:
		err = created(s.p.PlanInsert(x))
	case *sql.Drop:
		var d *Dropped
		if d, err = s.p.PlanDrop(x); err == nil {
			o.notices(d.Notices)
			for _, obj := range d.Objects {
				fmt.Fprintf(&o, "dropped %s %s\n", obj.Kind, obj.Name)
			}
			s.p.Catalog = d.Catalog
		}
	case *sql.Set:
		value := ""
		for _, v := range x.Values {
			value = (&sql.Option{Value: v}).Text()
		}
		err = s.p.Settings.Set(x.Name, value)
	case *sql.Describe:
		if x.Query != nil {
			var q *QueryPlan
			if q, err = s.p.PlanQuery(x.Query); err == nil {
				s.last = q.Root
			}
			break
		}
		obj := s.p.Catalog.Lookup(x.Name.String())
		if obj == nil {
			return "no such object\n", nil
		}
		for _, c := range obj.Describe() {
			fmt.Fprintf(&o, "%s | %s | null=%t key=%t | %s\n", c.Name, c.Type, c.Nullable, c.Key, c.Extra)
		}
	case *sql.QueryStmt:
		var q *QueryPlan
		if q, err = s.p.PlanQuery(x.Query); err == nil {
			o.notices(q.Notices)
			s.last = q.Root
			if logical {
				o.WriteString(Explain(q.Logical, opts))
			} else {
				o.WriteString(Explain(q.Root, opts))
			}
			if q.Snapshot && (q.Order != nil || q.Limit != nil || q.Offset != nil) {
				fmt.Fprintf(&o, "order %v", q.Order)
				if q.Limit != nil {
					fmt.Fprintf(&o, " limit %d", *q.Limit)
				}
				if q.Offset != nil {
					fmt.Fprintf(&o, " offset %d", *q.Offset)
				}
				o.WriteByte('\n')
			}
			for _, w := range q.Warnings {
				fmt.Fprintf(&o, "warning: %s\n", w)
			}
		}
	default:
		err = types.NotSupported(stmt.Span(), "%T", stmt)
	}
	return o.String(), err
}

// TestPlans runs the scripts in testdata. Each file is one session. A command holds statements:
//
//	exec    runs them and prints notices and errors
//	plan    prints the physical plan of the last one; with the arguments props, types, dist, ids more of it
//	logical prints the plan before the rewrites
//	schema  prints the columns of the last query
//	diff    prints what becomes of the operators of the plan before, when the statement's plan takes its place
func TestPlans(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := newSession()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			opts := ExplainOptions{Properties: d.HasArg("props"), Types: d.HasArg("types"), Distribution: d.HasArg("dist"), IDs: d.HasArg("ids")}
			before := s.last
			stmts, err := sql.Parse(d.Input)
			if err != nil {
				return sql.Render(err, "", d.Input)
			}
			out := ""
			for _, stmt := range stmts {
				text, err := s.run(stmt, opts, d.Cmd == "logical")
				if err != nil {
					return out + sql.Render(err, "", d.Input)
				}
				if d.Cmd == "exec" && s.last != nil {
					text = onlyNotices(text)
				}
				out += text
				if s.last != nil {
					checkPlan(t, s.last)
				}
			}
			switch d.Cmd {
			case "schema":
				out = ""
				for _, c := range DescribeSchema(s.last.Schema) {
					out += c.Name + " " + c.Type + "\n"
				}
			case "diff":
				out = FormatDiff(Diff(before, s.last))
			}
			return out
		})
	})
}

func onlyNotices(text string) string {
	var keep []string
	for _, line := range strings.SplitAfter(text, "\n") {
		if strings.HasPrefix(line, "notice:") || strings.HasPrefix(line, "hint:") || strings.HasPrefix(line, "dropped ") || strings.Contains(line, " | ") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}

// checkPlan checks what holds for every physical plan.
func checkPlan(t *testing.T, root *Node) {
	t.Helper()
	require.NoError(t, Validate(root))
	data, err := EncodePlan(root)
	require.NoError(t, err)
	back, err := DecodePlan(data)
	require.NoError(t, err)
	require.Equal(t, Explain(root, ExplainOptions{IDs: true, Types: true, Properties: true, Distribution: true}),
		Explain(back, ExplainOptions{IDs: true, Types: true, Properties: true, Distribution: true}))
	require.NoError(t, Validate(back))
}
