package streamsql

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

func open(t *testing.T, o Options) *DB {
	t.Helper()
	o.Check = true
	db, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// all returns a query's rows as text, sorted, NULL as "NULL".
func all(t *testing.T, db *DB, query string) []string {
	t.Helper()
	rows, err := db.Query(context.Background(), query)
	require.NoError(t, err, query)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var cells []string
		for i := range rows.Columns() {
			text, ok := rows.Text(i)
			if !ok {
				text = "NULL"
			}
			cells = append(cells, text)
		}
		out = append(out, strings.Join(cells, " "))
	}
	require.NoError(t, rows.Err(), query)
	slices.Sort(out)
	return out
}

func TestConstants(t *testing.T) {
	db := open(t, Options{})
	require.Equal(t, []string{"2 x"}, all(t, db, "SELECT 1 + 1, 'x'"))
}

const flights = `{"ts":"2001-01-01 00:00:01","k":"a","v":1}
{"ts":"2001-01-01 00:00:02","k":"b","v":2}
{"ts":"2001-01-01 00:00:03","k":"a","v":3}
{"ts":"2001-01-01 00:00:11","k":"a","v":4}
nonsense
{"ts":"2001-01-01 00:00:31","k":"b","v":5}
{"ts":"2001-01-01 00:00:04","k":"b","v":6}
`

func TestFileToFileAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(in, []byte(flights), 0o644))
	script := `CREATE SOURCE s (ts TIMESTAMP, k TEXT, v INT, WATERMARK FOR ts AS ts - INTERVAL '5 seconds')
		WITH (connector = 'file', path = '` + in + `', format = 'json');
		CREATE SINK o WITH (connector = 'file', path = '` + out + `', format = 'json') AS
		SELECT window_start, k, count(*) AS n, sum(v) AS total FROM TUMBLE(s, ts, INTERVAL '10 seconds') GROUP BY window_start, window_end, k;
		CREATE MATERIALIZED VIEW mv AS SELECT k, sum(v) AS total FROM s GROUP BY k;`
	db := open(t, Options{Dir: filepath.Join(dir, "state")})
	_, err := db.Exec(context.Background(), script)
	require.NoError(t, err)
	require.NoError(t, db.Wait(context.Background()))
	require.Equal(t, []string{"a 8", "b 13"}, all(t, db, "SELECT * FROM mv"))
	require.Equal(t, []string{"decode", "late"}, all(t, db, "SELECT DISTINCT reason FROM streamsql.rejected"))
	require.NoError(t, db.Close())
	want := []string{
		`{"window_start":"2001-01-01 00:00:00","k":"a","n":2,"total":4}`,
		`{"window_start":"2001-01-01 00:00:00","k":"b","n":1,"total":2}`,
		`{"window_start":"2001-01-01 00:00:10","k":"a","n":1,"total":4}`,
		`{"window_start":"2001-01-01 00:00:30","k":"b","n":1,"total":5}`,
	}
	require.Equal(t, want, lines(t, out))

	db = open(t, Options{Dir: filepath.Join(dir, "state")})
	require.NoError(t, db.Wait(context.Background()))
	require.Equal(t, []string{"a 8", "b 13"}, all(t, db, "SELECT * FROM mv"))
	require.NoError(t, db.Close())
	require.Equal(t, want, lines(t, out))
}

// lines returns the lines of all visible files of a directory, sorted.
func lines(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "part-*"))
	require.NoError(t, err)
	var out []string
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		out = append(out, strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")...)
	}
	slices.Sort(out)
	return out
}

// A kept version is read while the database goes on.
func TestAsOfEpoch(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.json")
	require.NoError(t, os.WriteFile(in, []byte("{\"v\":1}\n{\"v\":2}\n"), 0o644))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	script := `CREATE SOURCE s (v INT) WITH (connector = 'file', path = '` + in + `', format = 'json', watch = true);
		CREATE MATERIALIZED VIEW mv AS SELECT sum(v) AS total FROM s`
	db := open(t, Options{Dir: filepath.Join(dir, "state"), Clock: clock})
	_, err := db.Exec(context.Background(), script)
	require.NoError(t, err)
	require.NoError(t, db.WaitIdle(context.Background()))
	require.NoError(t, db.Close())
	now = now.Add(time.Hour) // so that the next epoch is a version of its own

	db = open(t, Options{Dir: filepath.Join(dir, "state"), Clock: clock})
	for range 2 {
		f, err := os.OpenFile(in, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("{\"v\":10}\n")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NoError(t, db.WaitIdle(context.Background()))
	}
	require.Equal(t, []string{"23"}, all(t, db, "SELECT total FROM mv"))
	versions := all(t, db, "SHOW VERSIONS")
	require.NotEmpty(t, versions)
	seen := map[string]bool{}
	for _, v := range versions {
		epoch, _, _ := strings.Cut(v, " ")
		rows, err := db.Query(context.Background(), "SELECT total FROM mv AS OF EPOCH "+epoch)
		if types.CodeOf(err) == types.CodeUndefinedTable {
			continue // the first version is from before the view
		}
		require.NoError(t, err)
		for rows.Next() {
			text, _ := rows.Text(0)
			seen[text] = true
		}
	}
	require.True(t, seen["3"], "the first epoch after the hour is a version: %v of %v", seen, versions)
	_, err = db.Query(context.Background(), "SELECT total FROM mv AS OF EPOCH 99999")
	require.Equal(t, types.CodeInvalidParameter, types.CodeOf(err))
}
