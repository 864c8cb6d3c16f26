package streamsql_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// Rows that a sink cannot hold are rejected rows; the others are written.
func TestRowsRefusedBySinks(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.json")
	long := strings.Repeat("x", 300)
	require.NoError(t, os.WriteFile(in, []byte(`{"k": "a", "v": "plain"}
{"k": "b", "v": "two\nlines"}
{"k": "`+long+`", "v": "no directory"}
{"k": "c", "v": "last"}
`), 0o644))
	ctx := context.Background()
	db, err := streamsql.Open(streamsql.Options{Dir: filepath.Join(dir, "state"), Check: true})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ctx, `
		CREATE SOURCE s (k TEXT, v TEXT) WITH (connector = 'file', path = '`+in+`', format = 'json');
		CREATE SINK lines FROM s WITH (connector = 'file', path = '`+filepath.Join(dir, "lines")+`', format = 'csv', quote = 'none');
		CREATE SINK parts FROM s WITH (connector = 'file', path = '`+filepath.Join(dir, "parts")+`', format = 'json', partition_by = 'k')`)
	require.NoError(t, err)
	require.NoError(t, db.Wait(ctx))

	rows, err := db.Query(ctx, "SELECT reason, message, raw, operator LIKE 'Sink%' FROM streamsql.rejected ORDER BY raw")
	require.NoError(t, err)
	defer rows.Close()
	var got []string
	for rows.Next() {
		var reason, message, raw, sink string
		require.NoError(t, rows.Scan(&reason, &message, &raw, &sink))
		require.Equal(t, "sink", reason)
		require.Equal(t, "t", sink)
		got = append(got, raw+": "+message)
	}
	require.NoError(t, rows.Err())
	require.Len(t, got, 2)
	require.Contains(t, got[0], "csv without quotes cannot hold")
	require.Contains(t, got[1], "a directory name of 302 bytes")
	require.NoError(t, db.Close())

	lines := readAll(t, filepath.Join(dir, "lines", "*.csv"))
	require.Equal(t, "k,v\na,plain\n"+long+",no directory\nc,last\n", lines)
	require.NotContains(t, readAll(t, filepath.Join(dir, "parts", "*", "*.json")), "no directory")
}

func readAll(t *testing.T, glob string) string {
	names, err := filepath.Glob(glob)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	var all strings.Builder
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all.Write(data)
	}
	return all.String()
}
