package pgwire

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
)

// TestCopyLikePostgreSQL copies odd values in and out, here and in PostgreSQL: the bytes must be equal in all formats.
func TestCopyLikePostgreSQL(t *testing.T) {
	ctx := context.Background()
	pg, err := pgconn.Connect(ctx, pgtest.URL(t))
	require.NoError(t, err)
	defer pg.Close(ctx)
	us := start(t, Options{}).plain(t)
	both := func(f func(c *pgconn.PgConn) (string, error)) {
		t.Helper()
		want, wantErr := f(pg)
		have, haveErr := f(us)
		if wantErr != nil {
			require.Equal(t, sqlState(t, wantErr).Code, sqlState(t, haveErr).Code, "PostgreSQL: %v, we: %v", wantErr, haveErr)
			return
		}
		require.NoError(t, haveErr)
		require.Equal(t, want, have)
	}
	run := func(text string) {
		t.Helper()
		both(func(c *pgconn.PgConn) (string, error) { _, err := c.Exec(ctx, text).ReadAll(); return "", err })
	}
	copyOut := func(c *pgconn.PgConn, text string) (string, error) {
		var out bytes.Buffer
		tag, err := c.CopyTo(ctx, &out, text)
		return tag.String() + "\n" + out.String(), err
	}
	run("DROP TABLE IF EXISTS copied")
	run("CREATE TABLE copied (k INT PRIMARY KEY, t TEXT, n NUMERIC(10,2), at TIMESTAMP, d TEXT DEFAULT 'x')")
	for _, x := range []struct{ text, data string }{
		{"COPY copied FROM STDIN", "1\ta\\tb\\\\\\n\t1.5\t2020-01-01 00:00:00\ty\n2\t\\N\t\\N\t\\N\t\\N\n"},
		{"COPY copied (k, t) FROM STDIN", "3\t\\x41\\101\\q\n\\.\nnot read\n"},
		{"COPY copied FROM STDIN WITH (FORMAT csv)", "4,\"a,\"\"b\"\"\n\",1,2020-01-02,\"\"\n5,,,,\n"},
		{"COPY copied FROM STDIN WITH (FORMAT csv, HEADER, DELIMITER ';', NULL 'nil')", "k;t;n;at;d\n6;nil;7;2021-01-01 10:00;\"nil\"\n"},
		{"COPY copied (t, k) FROM STDIN CSV QUOTE '''' ESCAPE '\\'", "'it\\'s',7\r\n\"x\",8\r\n"},
		{"COPY copied FROM STDIN WHERE k > 100", "9\ta\t1\t2020-01-01\ty\n101\tb\t1\t2020-01-01\ty\n"},
		{"COPY copied (k) FROM STDIN", ""},
		// Errors.
		{"COPY copied FROM STDIN", "1\ta\n"},
		{"COPY copied FROM STDIN", "20\ta\t1\t2020-01-01\ty\tz\n"},
		{"COPY copied FROM STDIN", "x\ta\t1\t2020-01-01\ty\n"},
		{"COPY copied (k) FROM STDIN", "21\n1\n"},
		{"COPY copied FROM STDIN CSV", "22,\"a\n"},
		{"COPY copied (k, t) FROM STDIN WITH (FORMAT csv, HEADER match)", "k,x\n1,2\n"},
		{"COPY copied (nope) FROM STDIN", ""},
		{"COPY nope FROM STDIN", ""},
		{"COPY copied FROM STDIN WITH (FORMAT xml)", ""},
		{"COPY copied FROM STDIN WITH (DELIMITER 'ab')", ""},
		{"COPY copied FROM STDIN WITH (FORMAT csv, FORMAT text)", ""},
	} {
		both(func(c *pgconn.PgConn) (string, error) {
			tag, err := c.CopyFrom(ctx, strings.NewReader(x.data), x.text)
			return tag.String(), err
		})
		run("SELECT 1") // in step
	}
	for _, text := range []string{
		"COPY (SELECT * FROM copied ORDER BY k) TO STDOUT",
		"COPY (SELECT * FROM copied ORDER BY k) TO STDOUT CSV HEADER",
		"COPY (SELECT * FROM copied ORDER BY k) TO STDOUT WITH (FORMAT csv, DELIMITER '|', NULL 'N', QUOTE '''')",
		"COPY (SELECT * FROM copied ORDER BY k) TO STDOUT WITH (DELIMITER 'X', NULL '')",
		"COPY (SELECT * FROM copied ORDER BY k) TO STDOUT WITH (FORMAT binary)",
		"COPY (SELECT E'\\\\.', '\\.' FROM copied WHERE k = 1) TO STDOUT CSV",
		"COPY (SELECT E'\\\\.' FROM copied WHERE k = 1) TO STDOUT CSV",
		"COPY (SELECT E'\\b\\f\\r\\t\\v\\n' AS x WHERE 1 = 1) TO STDOUT",
		"COPY copied (k) TO STDOUT WITH (FORMAT nope)",
	} {
		both(func(c *pgconn.PgConn) (string, error) { return copyOut(c, text) })
	}
	run("DROP TABLE copied")
}

// TestCopyByPgx copies in the binary format, as pgx does.
func TestCopyByPgx(t *testing.T) {
	s := start(t, Options{})
	c := s.connect(t, "")
	ctx := context.Background()
	_, err := c.Exec(ctx, "CREATE TABLE t (k INT PRIMARY KEY, v TEXT, n NUMERIC, a INT[])")
	require.NoError(t, err)
	n, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"k", "v", "n", "a"}, pgx.CopyFromSlice(1000, func(i int) ([]any, error) {
		if i%10 == 0 {
			return []any{i, nil, nil, nil}, nil
		}
		return []any{i, "value", float64(i) / 4, []int32{int32(i)}}, nil
	}))
	require.NoError(t, err)
	require.Equal(t, int64(1000), n)
	var sum float64
	var rows, nulls int
	require.NoError(t, c.QueryRow(ctx, "SELECT count(*), sum(n)::float8, count(*) FILTER (WHERE a IS NULL) FROM t").Scan(&rows, &sum, &nulls))
	require.Equal(t, 1000, rows)
	require.Equal(t, 112500.0, sum)
	require.Equal(t, 100, nulls)

	for _, data := range []string{"", "PGCOPY", "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02",
		"PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff"} {
		_, err := c.PgConn().CopyFrom(ctx, strings.NewReader(data), "COPY t (k) FROM STDIN WITH (FORMAT binary)")
		require.Equal(t, "22P04", sqlState(t, err).Code)
	}
	require.NoError(t, c.Ping(ctx))
}
