package streamsql_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/internal/slt"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// fence is a block of code of a Markdown page.
type fence struct {
	lang string // the words behind the backticks
	text string
	line int // of the first line in it, from 1
}

func fences(t *testing.T, file string) []fence {
	page, err := os.ReadFile(file)
	require.NoError(t, err)
	var list []fence
	open := false
	for i, line := range strings.Split(string(page), "\n") {
		mark, is := strings.CutPrefix(line, "```")
		switch {
		case is && open:
			open = false
		case is:
			open = true
			list = append(list, fence{lang: mark, line: i + 2})
		case open:
			list[len(list)-1].text += line + "\n"
		}
	}
	require.False(t, open, "%s: a block of code has no end", file)
	return list
}

// Every example in docs/sql.md runs: the page is one session in a directory with the two small files that it names. Blocks of "sql error" fail.
func TestLanguageReference(t *testing.T) {
	page, err := filepath.Abs("docs/sql.md")
	require.NoError(t, err)
	blocks := fences(t, page)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("bids.json", []byte(`{"auction":1,"bidder":7,"price":10,"channel":"web","ts":"2024-06-01 12:00:01"}
{"auction":2,"bidder":8,"price":30,"channel":"app","ts":"2024-06-01 12:00:04"}
{"auction":1,"bidder":8,"price":25,"channel":null,"ts":"2024-06-01 12:00:12"}
{"auction":1,"bidder":7,"price":0,"channel":"web","ts":"2024-06-01 12:01:30"}
`), 0o644))
	require.NoError(t, os.WriteFile("people.csv", []byte("id,name,city\n7,Ann,Oslo\n8,Bob,Rome\n"), 0o644))
	db, err := streamsql.Open(streamsql.Options{Dir: "state", Stdout: &strings.Builder{}})
	require.NoError(t, err)
	defer db.Close()
	ran := 0
	for _, b := range blocks {
		if b.lang != "sql" && b.lang != "sql error" {
			continue
		}
		results, err := db.Exec(context.Background(), b.text)
		for _, r := range results {
			if r.Rows == nil {
				continue
			}
			for !r.Rows.Live() && r.Rows.Next() {
			}
			if err == nil && !r.Rows.Live() {
				err = r.Rows.Err()
			}
			require.NoError(t, r.Rows.Close())
		}
		if b.lang == "sql" {
			require.NoError(t, err, "docs/sql.md:%d\n%s", b.line, rendered(err, b.text))
		} else {
			require.Error(t, err, "docs/sql.md:%d", b.line)
		}
		ran++
	}
	require.Greater(t, ran, 20)
	require.NoError(t, db.WaitIdle(context.Background()))
}

func rendered(err error, text string) string {
	if err == nil {
		return ""
	}
	return sql.Render(err, "", text)
}

// Every script in docs/testing.md runs and passes.
func TestTestingReference(t *testing.T) {
	ran := 0
	for _, b := range fences(t, "docs/testing.md") {
		if b.lang != "slt" {
			continue
		}
		for _, cfg := range slt.EveryCut(slt.Config{}) {
			out, err := slt.Run(context.Background(), fmt.Sprintf("docs/testing.md:%d", b.line), b.text, cfg)
			require.NoError(t, err)
			require.Empty(t, out.Failures, "with %s", cfg)
		}
		ran++
	}
	require.Positive(t, ran)
}

// docs/functions.md is generated from the table of functions: UPDATE_DOCS=1 go test . -run TestFunctionReference
func TestFunctionReference(t *testing.T) {
	const file = "docs/functions.md"
	page := functionPage()
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(file, []byte(page), 0o644))
		return
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, page == string(have), "%s is not what the table of functions says; run UPDATE_DOCS=1 go test . -run TestFunctionReference", file)
}

// specialForms are the calls that have no fixed signature and thus no entry in the table.
var specialForms = []entry{
	{"coalesce(any, ...) → any", "the first argument that is not NULL; the others are not computed", "coalesce(NULL, 2)", "2"},
	{"nullif(any, any) → any", "NULL if both are equal, else the first", "nullif(1, 1)", ""},
	{"now() → timestamptz", "the time at which the epoch began: one value for all its rows; also current_timestamp, transaction_timestamp, statement_timestamp and clock_timestamp, and localtimestamp, current_date, current_time, localtime", "", ""},
	{"if(boolean, any, any) → any", "the second argument if the first is true, else the third", "if(1 < 2, 'a', 'b')", "a"},
	{"ifnull(any, any) → any", "the first argument unless it is NULL, else the second; also nvl", "ifnull(NULL, 2)", "2"},
	{"pg_typeof(any) → text", "the name of the argument's type", "pg_typeof(1.5)", "numeric"},
}

// entry is one line of the page.
type entry struct{ signature, doc, example, answer string }

// group is the overloads of one function with one meaning.
type group struct {
	category expr.Category
	entry
	forms []form
}

// form is a signature in which T stands for one of several types.
type form struct {
	text  string
	types []string
}

// add collects a signature. A call whose arguments are all of one type is written with T for it.
func (g *group) add(name string, operator bool, args []types.Type, result types.Type, variadic bool) {
	same := len(args) > 0 && args[0].Kind != types.Unknown
	for _, a := range args {
		same = same && a == args[0]
	}
	var names []string
	for _, a := range args {
		if same {
			names = append(names, "T")
		} else {
			names = append(names, typeName(a))
		}
	}
	to, over := typeName(result), ""
	if same {
		over = typeName(args[0])
		if to == over && (result.Kind != types.Bool || !operator) {
			to = "T"
		}
	}
	text := callText(name, operator, names, variadic) + " → " + to
	for i := range g.forms {
		if g.forms[i].text == text {
			g.forms[i].types = append(g.forms[i].types, over)
			return
		}
	}
	g.forms = append(g.forms, form{text: text, types: []string{over}})
}

// callText writes a call of a function or operator.
func callText(name string, operator bool, args []string, variadic bool) string {
	switch {
	case name == "[]":
		return args[0] + "[" + args[1] + "]"
	case name == "[:]":
		return args[0] + "[" + args[1] + ":" + args[2] + "]"
	case operator && (name == "any" || name == "all"):
		return args[0] + " operator " + strings.ToUpper(name) + " (" + args[1] + ")"
	case operator && len(args) == 1 && strings.HasPrefix(name, "is "):
		return args[0] + " " + strings.ToUpper(name)
	case operator && len(args) == 1:
		return name + " " + args[0]
	case operator && len(args) == 2:
		return args[0] + " " + strings.ToUpper(name) + " " + args[1]
	case variadic:
		args = append(args, "...")
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// signatures writes the forms of a group, those of one type with its name.
func (g *group) signatures() string {
	var list []string
	for _, f := range g.forms {
		switch {
		case f.types[0] == "":
			list = append(list, escaped(f.text))
		case len(f.types) == 1:
			list = append(list, escaped(oneType(f.text, f.types[0])))
		default:
			list = append(list, escaped(f.text)+" of "+strings.Join(f.types, ", "))
		}
	}
	return strings.Join(list, "<br>")
}

// oneType puts a type's name in place of T.
func oneType(text, name string) string {
	var b strings.Builder
	letter := func(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	for i := range len(text) {
		if text[i] == 'T' && (i == 0 || !letter(text[i-1])) && (i+1 == len(text) || !letter(text[i+1])) {
			b.WriteString(name)
		} else {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func functionPage() string {
	var b strings.Builder
	b.WriteString("# Functions, operators and aggregates\n\nThis page is generated from the table from which calls are bound (`SHOW FUNCTIONS` reads the same one). Names, types and results are\n" +
		"PostgreSQL's. Unless said otherwise the result is NULL if an argument is. *Can fail*: a row for which it does is rejected.\n" +
		"`T` is one of the types named behind it.\n")
	var groups []*group
	index := map[string]*group{}
	find := func(category expr.Category, name string, e entry) *group {
		key := string(category) + "\x00" + name + "\x00" + e.doc
		if index[key] == nil {
			index[key] = &group{category: category, entry: e}
			groups = append(groups, index[key])
		}
		return index[key]
	}
	for _, o := range expr.Functions() {
		if o.Category == expr.CatCast {
			continue
		}
		e := entry{doc: o.Doc, example: o.Example, answer: o.Answer}
		if o.Fallible {
			e.doc += " (can fail)"
		}
		if !o.Operator && !strings.Contains(strings.ToLower(e.example), strings.ToLower(o.Name)) {
			e.example = "" // written for another name of the same function
		}
		find(o.Category, o.Name, e).add(o.Name, o.Operator, o.Args, o.Result, o.Variadic)
	}
	const aggregates = expr.Category("aggregates")
	for _, e := range specialForms {
		g := find("forms of any type", e.signature, e)
		g.forms = []form{{text: e.signature, types: []string{""}}}
	}
	for _, a := range expr.Aggregates() {
		g := find(aggregates, a.Name, entry{doc: a.Doc, example: a.Example, answer: a.Answer})
		if a.Kind == expr.CountStar {
			g.forms = []form{{text: "count(*) → bigint", types: []string{""}}}
			continue
		}
		if a.WithinGroup {
			var direct []string
			for _, t := range a.Args[1:] {
				direct = append(direct, typeName(t))
			}
			text := a.Name + "(" + strings.Join(direct, ", ") + ") WITHIN GROUP (ORDER BY " + typeName(a.Args[0]) + ") → " + typeName(a.Result)
			g.forms = append(g.forms, form{text: text, types: []string{""}})
			continue
		}
		g.add(a.Name, false, a.Args, a.Result, false)
	}
	for _, f := range expr.TableFunctions() {
		g := find("set-returning functions", f.Name, entry{doc: f.Doc, example: f.Example, answer: strings.ReplaceAll(f.Answer, "\n", ", ")})
		g.forms = append(g.forms, form{text: f.Signature(), types: []string{""}})
	}
	category := expr.Category("")
	for _, g := range groups {
		if g.category != category {
			category = g.category
			fmt.Fprintf(&b, "\n## %s%s\n\n", strings.ToUpper(string(category[:1])), category[1:])
			if category == aggregates {
				b.WriteString("All take `DISTINCT`, `ORDER BY` and `FILTER (WHERE ...)`.\n\n")
			}
			b.WriteString("| | | example | |\n| --- | --- | --- | --- |\n")
		}
		g.signature = g.signatures()
		writeEntry(&b, g.entry)
	}
	return b.String()
}

func typeName(t types.Type) string {
	switch t.Kind {
	case types.Unknown:
		if t == types.AnyElement {
			return "element"
		}
		return "any"
	case types.Array:
		if t.Elem == types.Unknown {
			return "any[]"
		}
	case types.Timestamp:
		return "timestamp"
	case types.TimestampTZ:
		return "timestamptz"
	case types.Time:
		return "time"
	}
	return t.String()
}

// escaped is code in a cell of a table.
func escaped(text string) string { return "`" + strings.ReplaceAll(text, "|", "\\|") + "`" }

func writeEntry(b *strings.Builder, e entry) {
	example, answer := "", ""
	if e.example != "" {
		example, answer = escaped(e.example), cmp.Or(e.answer, "NULL or empty")
		answer = strings.ReplaceAll(strings.Join(strings.Fields(answer), " "), "|", "\\|")
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s |\n", e.signature, strings.ReplaceAll(e.doc, "|", "\\|"), example, answer)
}

// Every link of a page to another file leads somewhere.
func TestDocumentLinks(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	pages = append(pages, "README.md")
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, part := range strings.Split(string(text), "](")[1:] {
			to, _, _ := strings.Cut(part, ")")
			to, _, _ = strings.Cut(to, "#")
			if to == "" || strings.Contains(to, "://") || slices.Contains([]string{"..."}, to) {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(page), to))
			require.NoError(t, err, "%s links to %s", page, to)
		}
	}
}
