package streamsql

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// apply runs a script as the command does and waits until what is there is delivered.
func apply(t *testing.T, dir, script string, migrate bool) error {
	t.Helper()
	db, err := Open(Options{Dir: filepath.Join(dir, "state"), Check: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	stmts, err := sql.Parse(script)
	require.NoError(t, err)
	if _, err := db.NewSession().Apply(context.Background(), stmts, migrate); err != nil {
		return err
	}
	return db.WaitIdle(context.Background())
}

// A sink with a new name or target begins with the whole answer; one that has only another query goes on behind what it delivered.
func TestApplyChangedScripts(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.json")
	require.NoError(t, os.WriteFile(in, []byte("{\"a\":1}\n{\"a\":2}\n"), 0o644))
	script := func(sink, out, query string) string {
		return `CREATE SOURCE e (a INT) WITH (connector = 'file', path = '` + in + `', format = 'json', watch = true);
			CREATE SINK ` + sink + ` WITH (connector = 'file', path = '` + filepath.Join(dir, out) + `', format = 'json') AS ` + query
	}
	first := script("s", "one", "SELECT a FROM e")
	require.NoError(t, apply(t, dir, first, false))
	require.NoError(t, apply(t, dir, first, false))
	require.Equal(t, []string{`{"a":1}`, `{"a":2}`}, lines(t, filepath.Join(dir, "one")))

	renamed := script("s2", "two", "SELECT a FROM e")
	var changed *ChangedError
	require.ErrorAs(t, apply(t, dir, renamed, false), &changed)
	require.Equal(t, "create sink s2\ndrop sink s\n", changed.Diff)
	require.NoError(t, apply(t, dir, renamed, true))
	require.Equal(t, []string{`{"a":1}`, `{"a":2}`}, lines(t, filepath.Join(dir, "two")))

	require.NoError(t, apply(t, dir, script("s2", "two", "SELECT a * 10 AS a FROM e"), true))
	f, err := os.OpenFile(in, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("{\"a\":3}\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, apply(t, dir, script("s2", "two", "SELECT a * 10 AS a FROM e"), false))
	require.Equal(t, []string{`{"a":1}`, `{"a":2}`, `{"a":30}`}, lines(t, filepath.Join(dir, "two")))
}

// What cannot work is an error before anything runs.
func TestSinksAreChecked(t *testing.T) {
	dir := t.TempDir() // goes after the database
	db := open(t, Options{})
	exec := func(text string) error { _, err := db.Exec(context.Background(), text); return err }
	require.NoError(t, exec(`CREATE SOURCE g (n INT, m INT) WITH (connector = 'datagen', events = 1)`))
	sink := func(name, path, more string) error {
		return exec(`CREATE SINK ` + name + ` WITH (connector = 'file', path = '` + path + `', format = 'csv'` + more + `) AS SELECT n, m FROM g`)
	}
	require.NoError(t, sink("a", dir+"/o", ""))
	require.Equal(t, types.CodeObjectInUse, types.CodeOf(sink("b", dir+"/x/../o/", "")))
	require.Equal(t, types.CodeObjectInUse, types.CodeOf(sink("b", dir+"/o/below", "")))
	require.Equal(t, types.CodeUndefinedColumn, types.CodeOf(sink("c", dir+"/p", ", partition_by = 'k'")))
	require.Equal(t, types.CodeInvalidParameter, types.CodeOf(sink("c", dir+"/p", ", partition_by = 'n,m'")))
	require.Equal(t, types.CodeDuplicateColumn, types.CodeOf(sink("c", dir+"/p", ", partition_by = 'n,n'")))
	require.NoError(t, sink("c", dir+"/p", ", partition_by = 'n'"))
}
