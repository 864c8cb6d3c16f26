package pgwire

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
)

// TestLikePostgreSQL sends the same messages to PostgreSQL and to us: types of parameters and columns, with their sizes and modifiers, and
// the bytes of the answers in both formats.
func TestLikePostgreSQL(t *testing.T) {
	ctx := context.Background()
	pg, err := pgconn.Connect(ctx, pgtest.URL(t))
	require.NoError(t, err)
	defer pg.Close(ctx)
	us := start(t, Options{}).plain(t)
	for i, x := range []struct {
		text string
		args []string // in their text form
	}{
		{"SELECT $1::bool, $1::bool AS b", []string{"yes"}},
		{"SELECT $1::int2, $2::int4, $3::int8", []string{"1", "-2", "3"}},
		{"SELECT $1::float4, $2::float8", []string{"0.1", "1e300"}},
		{"SELECT $1::numeric, $2::numeric(10,2), $3::numeric, $4::numeric", []string{"-12345.6789", "1.005", "0", "0.00001"}},
		{"SELECT $1::numeric, $2::numeric, $3::numeric", []string{"NaN", "100000000.0001", "99999999999999999999999999999999999999"}},
		{"SELECT $1::numeric, $2::numeric", []string{"0.0000", "10000"}},
		{"SELECT $1::text, $2::text::varchar(3) AS v", []string{"ä", "abcdef"}},
		{"SELECT $1::bytea", []string{`\x0001ff`}},
		{"SELECT $1::date, $2::date, $3::date", []string{"2020-02-29", "infinity", "0044-03-15 BC"}},
		{"SELECT $1::time, $2::time(2)", []string{"23:59:59.999999", "01:02:03.456"}},
		{"SELECT $1::timestamp, $2::timestamptz, $3::timestamp(3)", []string{"1999-12-31 23:59:59.123456", "2020-01-01 00:00:00+03", "2020-01-01"}},
		{"SELECT $1::interval, $2::interval", []string{"1 year 2 mons -3 days 04:05:06.5", "-1 day"}},
		{"SELECT $1::int4[], $2::text[], $3::numeric[]", []string{"{1,NULL,3}", `{"a b",""}`, "{}"}},
		{"SELECT $1::jsonb", []string{`{"b": 1, "a": [1,2]}`}},
		{"SELECT $1 + 1, $2 || 'x', upper($3)", []string{"1", "y", "z"}},
		{"SELECT $1 + 1.5, 1::bigint * $2, 2.0::float8 / $3", []string{"1", "2", "4"}},
		{"SELECT coalesce($1, 5), nullif($2, 'a'), greatest($3, 1.5)", []string{"1", "b", "2"}},
		{"SELECT CASE WHEN $1 THEN $2 ELSE 3 END", []string{"t", "7"}},
		{"SELECT a FROM (VALUES (1), (2), (3)) v(a) WHERE a BETWEEN $1 AND $2 ORDER BY a LIMIT $3", []string{"1", "2", "10"}},
		{"SELECT 1 WHERE 5 IN ($1, $2)", []string{"5", "6"}},
		{"SELECT 'abc' LIKE $1, 'abc' ~ $2", []string{"a%", "^b"}},
		{"SELECT timestamp '2020-01-02' - $1, date '2020-01-02' > $2", []string{"2020-01-01", "2020-01-01"}},
		{"SELECT $1", []string{"just text"}},
		{"SELECT $1::int, $1", []string{"1"}},
		{"SELECT 1 AS a, 'x' AS b, NULL AS c, 1.5 AS d, true AS e, 12345678901 AS f", nil},
		{"SELECT sum(a), count(*), avg(a), max(a), string_agg(b, ',') FROM (VALUES (1, 'x'), (2, 'y')) v(a, b)", nil},
		{"SELECT a FROM (VALUES (1), (2)) v(a) WHERE a > $1 UNION ALL SELECT $2", []string{"1", "5"}},
		{"SELECT extract(year FROM $1::date), date_trunc($2, timestamp '2020-05-05')", []string{"2020-05-05", "month"}},
		{"SELECT substring($1 from 2 for $2), round($3, 1), abs($4::int)", []string{"hello", "3", "1.25", "-4"}},
		{"SELECT NOT $1, $2 AND true, $3 > 1 AND $3 IS NOT NULL", []string{"t", "f", "2"}},
		{"VALUES ($1::int, 'a'), (2, $2)", []string{"1", "b"}},
	} {
		t.Run(x.text, func(t *testing.T) {
			name := fmt.Sprint("s", i)
			want, err := pg.Prepare(ctx, name, x.text, nil)
			require.NoError(t, err, "PostgreSQL")
			have, err := us.Prepare(ctx, name, x.text, nil)
			require.NoError(t, err)
			require.Equal(t, want.ParamOIDs, have.ParamOIDs)
			requireFields(t, want.Fields, have.Fields)
			args := make([][]byte, len(x.args))
			for i, a := range x.args {
				args[i] = []byte(a)
			}
			for format := range int16(2) {
				want := pg.ExecPrepared(ctx, name, args, nil, []int16{format}).Read()
				require.NoError(t, want.Err, "PostgreSQL")
				have := us.ExecPrepared(ctx, name, args, nil, []int16{format}).Read()
				require.NoError(t, have.Err)
				require.Equal(t, want.Rows, have.Rows)
				require.Equal(t, want.CommandTag.String(), have.CommandTag.String())
				requireFields(t, want.FieldDescriptions, have.FieldDescriptions)
			}
		})
	}
}

func requireFields(t *testing.T, want, have []pgconn.FieldDescription) {
	t.Helper()
	require.Len(t, have, len(want))
	for i, w := range want {
		w.TableOID, w.TableAttributeNumber = 0, 0
		require.Equal(t, w, have[i])
	}
}
