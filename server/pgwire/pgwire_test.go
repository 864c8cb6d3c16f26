package pgwire

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
)

// started is a server with a database in memory, for one test.
type started struct {
	*Server
	db   *streamsql.DB
	addr string
}

func start(t *testing.T, opts Options) *started {
	t.Helper()
	db, err := streamsql.Open(streamsql.Options{Workers: 1})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := New(db, opts)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		require.NoError(t, <-ended)
		require.NoError(t, db.Close())
	})
	return &started{Server: s, db: db, addr: l.Addr().String()}
}

func (s *started) dsn(more string) string { return "postgres://tester@" + s.addr + "/db?" + more }

func (s *started) connect(t *testing.T, more string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), s.dsn(more))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// plain returns a connection below pgx's types.
func (s *started) plain(t *testing.T) *pgconn.PgConn {
	t.Helper()
	c, err := pgconn.Connect(context.Background(), s.dsn(""))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func sqlState(t *testing.T, err error) *pgconn.PgError {
	t.Helper()
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e)
	return e
}

func TestSimpleProtocol(t *testing.T) {
	s := start(t, Options{})
	c := s.plain(t)
	ctx := context.Background()

	results, err := c.Exec(ctx, "SELECT 1 AS a, 'ä' AS b, NULL AS c, 1.50 AS d; ; SELECT true WHERE false; SET timezone = 'Europe/Berlin'").ReadAll()
	require.NoError(t, err)
	require.Len(t, results, 3)
	require.Equal(t, [][][]byte{{[]byte("1"), []byte("ä"), nil, []byte("1.50")}}, results[0].Rows)
	require.Equal(t, "SELECT 1", results[0].CommandTag.String())
	require.Equal(t, []uint32{23, 25, 25, 1700}, oidsOf(results[0].FieldDescriptions))
	require.Empty(t, results[1].Rows)
	require.Equal(t, "SELECT 0", results[1].CommandTag.String())
	require.Equal(t, "SET", results[2].CommandTag.String())
	require.Equal(t, "Europe/Berlin", c.ParameterStatus("TimeZone"))

	results, err = c.Exec(ctx, "SELECT timestamptz '2020-07-01 12:00+00', timestamp '2020-07-01 12:00'").ReadAll()
	require.NoError(t, err)
	require.Equal(t, "2020-07-01 14:00:00+02", string(results[0].Rows[0][0]))
	require.Equal(t, "2020-07-01 12:00:00", string(results[0].Rows[0][1]))

	_, err = c.Exec(ctx, "").ReadAll()
	require.NoError(t, err)
	_, err = c.Exec(ctx, " -- nothing\n").ReadAll()
	require.NoError(t, err)
}

func oidsOf(fields []pgconn.FieldDescription) []uint32 {
	var list []uint32
	for _, f := range fields {
		list = append(list, f.DataTypeOID)
	}
	return list
}

func TestErrors(t *testing.T) {
	s := start(t, Options{})
	c := s.plain(t)
	for _, x := range []struct {
		text, code string
		position   int32 // in characters
		hint       string
	}{
		{"SELECT 'ä', pricee FROM (SELECT 1 AS price) x", "42703", 13, `did you mean "price"?`},
		{"SELECT 1;\nSELEC 2", "42601", 11, ""},
		{"SELECT 1/0", "22012", 8, ""},
		{"SELECT 'x'::int", "22P02", 8, ""},
		{"SELECT * FROM nowhere", "42P01", 15, ""},
		{"SET nonsense = 1", "42704", 0, ""},
		{"SET datestyle = 'SQL, DMY'", "22023", 0, "datestyle: always ISO, MDY"},
	} {
		_, err := c.Exec(context.Background(), x.text).ReadAll()
		e := sqlState(t, err)
		require.Equal(t, x.code, e.Code, x.text)
		require.Equal(t, "ERROR", e.Severity)
		require.Equal(t, x.position, e.Position, x.text)
		if x.hint != "" {
			require.Equal(t, x.hint, e.Hint)
		}
	}
	// What follows an error in the same message is not run; what is before it was.
	results, err := c.Exec(context.Background(), "SELECT 1; SELECT nope; SELECT 3").ReadAll()
	require.Equal(t, "42703", sqlState(t, err).Code)
	require.Equal(t, "1", string(results[0].Rows[0][0]))
	require.Less(t, len(results), 3)
}

func TestExtendedProtocol(t *testing.T) {
	s := start(t, Options{})
	c := s.connect(t, "")
	ctx := context.Background()

	var n int32
	var text string
	require.NoError(t, c.QueryRow(ctx, "SELECT $1 + 1, upper($2)", 41, "abc").Scan(&n, &text))
	require.Equal(t, int32(42), n)
	require.Equal(t, "ABC", text)
	// The same text again is a statement that is prepared already.
	require.NoError(t, c.QueryRow(ctx, "SELECT $1 + 1, upper($2)", 1, "x").Scan(&n, &text))
	require.Equal(t, int32(2), n)

	d, err := c.Prepare(ctx, "s", "SELECT a, b || $3 FROM (VALUES (1, 'x')) t(a, b) WHERE a > $1 AND b IN ($2, 'y') LIMIT $4")
	require.NoError(t, err)
	require.Equal(t, []uint32{23, 25, 25, 20}, d.ParamOIDs)
	require.Equal(t, []uint32{23, 25}, oidsOf(d.Fields))

	for text, code := range map[string]string{
		"SELECT $1 + $2":               "42725", // operator is not unique
		"SELECT $2::int":               "42P18",
		"SELECT 1; SELECT 2":           "42601",
		"SELECT $0":                    "42P02",
		"SELECT * FROM nowhere":        "42P01",
		"SELECT 1 WHERE $1 = nosuch.a": "42P01",
	} {
		_, err := c.Prepare(ctx, "", text)
		require.Equal(t, code, sqlState(t, err).Code, text)
	}
	require.NoError(t, c.QueryRow(ctx, "SELECT 1").Scan(&n), "the connection is in step after errors")
}

// TestTypes sends values of every type there and back, in both formats.
func TestTypes(t *testing.T) {
	s := start(t, Options{})
	ctx := context.Background()
	for _, x := range []struct{ typ, text string }{
		{"bool", "t"}, {"bool", "f"}, {"int2", "-32768"}, {"int4", "2147483647"}, {"int8", "-9223372036854775808"},
		{"float4", "1.5"}, {"float4", "NaN"}, {"float8", "-Infinity"}, {"float8", "0.1"},
		{"numeric", "0"}, {"numeric", "-1.50"}, {"numeric", "12345678901234567890.123456789"}, {"numeric", "0.00001"}, {"numeric", "10000"}, {"numeric", "NaN"},
		{"numeric", "Infinity"}, {"numeric", "99999999999999999999999999999999999999"}, {"numeric", "100000000.0001"},
		{"text", "ä\n'\"\\"}, {"text", ""}, {"bytea", `\x00ff`},
		{"date", "2020-02-29"}, {"date", "infinity"}, {"date", "0001-01-01"}, {"time", "23:59:59.999999"},
		{"timestamp", "1999-12-31 23:59:59.5"}, {"timestamp", "-infinity"}, {"timestamptz", "2020-01-01 00:00:00+00"},
		{"interval", "1 year 2 mons -3 days +04:05:06.5"}, {"jsonb", `{"a": [1, null]}`},
		{"int4[]", "{1,NULL,-3}"}, {"text[]", `{"a b",NULL,"",x}`}, {"numeric[]", "{1.5,2}"}, {"int8[]", "{}"},
	} {
		t.Run(x.typ+" "+x.text, func(t *testing.T) {
			c := s.plain(t)
			query := "SELECT $1::" + x.typ
			_, err := c.Prepare(ctx, "s", query, nil)
			require.NoError(t, err)
			asText := c.ExecPrepared(ctx, "s", [][]byte{[]byte(x.text)}, []int16{0}, []int16{0}).Read()
			require.NoError(t, asText.Err)
			require.Equal(t, x.text, string(asText.Rows[0][0]))
			binary := c.ExecPrepared(ctx, "s", [][]byte{[]byte(x.text)}, []int16{0}, []int16{1}).Read()
			require.NoError(t, binary.Err)
			back := c.ExecPrepared(ctx, "s", [][]byte{binary.Rows[0][0]}, []int16{1}, []int16{0}).Read()
			require.NoError(t, back.Err)
			require.Equal(t, x.text, string(back.Rows[0][0]))
		})
	}
}
