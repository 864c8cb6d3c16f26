package slt_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/slt"
)

const script = `# A comment.

statement ok
CREATE SOURCE s (k TEXT, v INT)
WITH (connector = 'feed', feed = 's');

feed s
k, v
b, 1
a, NULL

query
SELECT k, v FROM s
----
a NULL
b 1
`

func run(t *testing.T, src string, cfg slt.Config) *slt.Outcome {
	t.Helper()
	out, err := slt.Run(context.Background(), "x.slt", src, cfg)
	require.NoError(t, err)
	return out
}

func TestScriptPasses(t *testing.T) {
	require.Empty(t, run(t, script, slt.Config{}).Failures)
}

// Whatever a script can expect wrongly is found, at the line of the expectation.
func TestWrongExpectationsFail(t *testing.T) {
	cases := []struct {
		name, src string
		line      int
		msg       string
	}{
		{"row", "query\nSELECT 1\n----\n2\n", 3, "rows differ (- expected, + got)\n  - 2\n  + 1"},
		{"missing row", "query\nSELECT 1\n----\n1\n1\n", 3, "rows differ (- expected, + got)\n  - 1"},
		{"order", "query nosort\nSELECT v FROM (VALUES (1), (2)) AS x(v) ORDER BY v\n----\n2\n1\n", 3, "rows differ (- expected, + got): another order"},
		{"success", "statement error\nSELECT 1\n", 1, "expected an error, and the statement succeeded"},
		{"code", "statement error 42601\nSELECT nothing\n", 1, `expected SQLSTATE 42601, got 42703: column "nothing" does not exist`},
		{"unexpected error", "statement ok\nSELECT 1 +\n", 1, ""},
		{"changes of nothing", "changes s\n----\n", 1, `no subscription "s"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			failures := run(t, c.src, slt.Config{}).Failures
			require.Len(t, failures, 1)
			require.Equal(t, c.line, failures[0].Line)
			require.Contains(t, failures[0].Msg, c.msg)
		})
	}
}

func TestRewrite(t *testing.T) {
	wrong := "# One.\n\nquery\nSELECT 1\n----\n2\n3\n\n# Two.\n\nstatement error\nSELECT nothing\n----\nwhat?\n"
	out := run(t, wrong, slt.Config{Rewrite: true})
	require.Equal(t, "# One.\n\nquery\nSELECT 1\n----\n1\n\n# Two.\n\nstatement error\nSELECT nothing\n----\n1:8: column \"nothing\" does not exist\n"+
		"  SELECT nothing\n         ~~~~~~~\n", out.Rewritten)
	require.Empty(t, run(t, out.Rewritten, slt.Config{}).Failures)
	require.Equal(t, script, run(t, script, slt.Config{Rewrite: true}).Rewritten)
}

func TestHaltEndsTheScript(t *testing.T) {
	require.Empty(t, run(t, "halt\n\nquery\nSELECT 1\n----\n2\n", slt.Config{}).Failures)
}

func TestParseErrors(t *testing.T) {
	for src, msg := range map[string]string{
		"querry\nSELECT 1\n":    `x.slt:1: unknown word "querry"`,
		"statement\nSELECT 1\n": `x.slt:1: expected "statement ok"`,
		"restart\nnow\n":        "x.slt:2: restart takes no text",
		"feed s\n1\n----\n1\n":  "x.slt:3: feed expects no rows",
		"clock\n":               "x.slt:1: expected \"clock TIMESTAMP\"",
		"end a b\n":             "x.slt:1: end needs one name",
	} {
		_, err := slt.Parse("x.slt", src)
		require.ErrorContains(t, err, msg)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	for _, name := range []string{"b.slt", "sub/a.slt", "c.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	files, err := slt.Files([]string{dir, filepath.Join(dir, "c.txt")})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "b.slt"), filepath.Join(dir, "sub/a.slt"), filepath.Join(dir, "c.txt")}, files)
	_, err = slt.Files([]string{filepath.Join(dir, "none")})
	require.Error(t, err)
}
