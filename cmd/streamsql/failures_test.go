package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The failure of a query is told once, with its name.
func TestFailedQueryOnce(t *testing.T) {
	t.Parallel()
	b := newBox(t, "f.sql", `CREATE SOURCE s (a INT) WITH (connector = 'file', path = 'in.ndjson', format = 'json', on_error = 'fail');
CREATE SINK broken AS SELECT a FROM s WITH (connector = 'file', path = 'out', format = 'csv');
`, "in.ndjson", "{\"a\":1}\nnonsense\n")
	o := b.run("", "run", "f.sql", "--memory", "--quiet")
	require.Equal(t, 1, o.code)
	require.Equal(t, 1, strings.Count(o.errors, "malformed json"), o.errors)
	require.Contains(t, o.errors, `streamsql: query "broken" failed: `)
	require.NotContains(t, o.errors, "level=ERROR")
}

// A query typed into the shell says what it left out, and why.
func TestFirstRejected(t *testing.T) {
	t.Parallel()
	b := newBox(t, "in.ndjson", "{\"a\":1}\nnonsense\n{\"a\":\"x\"}\n{\"a\":2}\n")
	o := b.run("CREATE SOURCE s (a INT) WITH (connector = 'file', path = 'in.ndjson', format = 'json');\nSELECT sum(a) FROM s;\nSELECT sum(a) FROM s WHERE 1 / (a - 1) >= 0;\n", "shell", "--memory")
	require.Zero(t, o.code, o.errors)
	require.Contains(t, o.errors, "notice: 2 rows of s were rejected (decode); the first: in.ndjson@8: ")
	require.Contains(t, o.errors, "notice: 1 row of s was rejected (error); the first: in.ndjson@0: ")
	require.Contains(t, o.errors, "division by zero")
}
