package streamsql

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var rewriteDocs = flag.Bool("rewrite-docs", false, "write the tables of options into docs/connectors.md")

// optionTable is what stands in docs/connectors.md between the markers of a list of options.
func optionTable(specs []types.OptionSpec) string {
	if len(specs) == 0 {
		return "None.\n"
	}
	var b strings.Builder
	b.WriteString("| option | value | default | |\n| --- | --- | --- | --- |\n")
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "*", `\*`)
	for _, s := range specs {
		value := [...]string{types.OptString: "text", types.OptInt: "whole number", types.OptFloat: "number", types.OptBool: "boolean",
			types.OptDuration: "duration", types.OptBytes: "size", types.OptEnum: strings.Join(s.Enum, ", ")}[s.Kind]
		byDefault := ""
		switch {
		case s.Required:
			byDefault = "required"
		case s.Default != "":
			byDefault = "`" + s.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Name, value, byDefault, cell.Replace(s.Doc))
	}
	return b.String()
}

// The reference page lists every connector and format with the options that are really checked. Run with -rewrite-docs after a change of options.
func TestConnectorPage(t *testing.T) {
	const page = "docs/connectors.md"
	data, err := os.ReadFile(page)
	require.NoError(t, err)
	text := string(data)

	want := map[string]string{"every source": optionTable(planner.EngineSourceOptions()), "every sink": optionTable(planner.EngineSinkOptions())}
	list := builtinFormats()
	for _, f := range list {
		require.Contains(t, text, "### "+f.spec.Name+"\n", "format %s has its section", f.spec.Name)
		if f.spec.Source {
			want["format "+f.spec.Name+" in a source"] = optionTable(f.spec.SourceOptions)
		}
		if f.spec.Sink {
			want["format "+f.spec.Name+" in a sink"] = optionTable(f.spec.SinkOptions)
		}
	}
	for _, c := range builtinConnectors(list) {
		require.Contains(t, text, "### "+c.spec.Name+"\n", "connector %s has its section", c.spec.Name)
		if c.spec.Source {
			want["connector "+c.spec.Name+" as a source"] = optionTable(c.spec.SourceOptions)
		}
		if c.spec.Sink {
			want["connector "+c.spec.Name+" as a sink"] = optionTable(c.spec.SinkOptions)
		}
	}
	marked := regexp.MustCompile(`(?s)<!-- options: ([^>]*?) -->\n(.*?)<!-- end -->\n`)
	found := map[string]string{}
	for _, m := range marked.FindAllStringSubmatch(text, -1) {
		require.NotContains(t, found, m[1], "twice")
		found[m[1]] = m[2]
	}
	for name := range want {
		require.Contains(t, found, name, "the page has no table for it")
	}
	for name := range found {
		require.Contains(t, want, name, "the page has a table for what does not exist")
	}
	if *rewriteDocs {
		text = marked.ReplaceAllStringFunc(text, func(whole string) string {
			name := marked.FindStringSubmatch(whole)[1]
			return "<!-- options: " + name + " -->\n" + want[name] + "<!-- end -->\n"
		})
		require.NoError(t, os.WriteFile(page, []byte(text), 0o644))
		return
	}
	for name := range want {
		require.Equal(t, want[name], found[name], "%s; run: go test -run TestConnectorPage . -rewrite-docs", name)
	}
}
