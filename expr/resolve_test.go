package expr

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// resolutionCases are expressions whose overload or type is not obvious; PostgreSQL says what is right.
var resolutionCases = []string{
	"1 + 1", "1 + 1.5", "1::smallint + 1", "1::bigint + 1::smallint", "1 + 1::real", "1::bigint + 1::real", "1::real + 1::double precision",
	"1.5 + 1::double precision", "1 + '2'", "1.5 + '2'", "'1' || 2", "'a' || 'b'", "1 || 'a'", "'x' || NULL", "1::smallint = '1'", "1.0 = 1",
	"1::real = 1.1", "1::real < 1.1::double precision", "'a' = 'a'", "'a' < 'B'", "NULL = 1", "NULL + 1", "NULL || 'a'",
	"DATE '2024-01-01' + 1", "DATE '2024-01-01' + INTERVAL '1 day'", "DATE '2024-01-02' - DATE '2024-01-01'", "DATE '2024-01-02' - '2024-01-01'",
	"TIMESTAMP '2024-01-01' - TIMESTAMP '2023-01-01'", "TIMESTAMP '2024-01-01' + '1 day'", "DATE '2024-01-01' < TIMESTAMP '2024-01-01 10:00'",
	"DATE '2024-01-01' = '2024-01-01'", "INTERVAL '1 day' * 2", "2 * INTERVAL '1 day'", "INTERVAL '1 day' / 2", "INTERVAL '1 day' * '2'",
	"TIME '10:00' + INTERVAL '1 hour'", "TIME '10:00' - TIME '09:00'", "DATE '2024-01-01' + TIME '10:00'", "- '1'", "+ '1'", "@ '-5'", "abs('-5')",
	"abs(-5::smallint)", "abs(-5.5)", "length('abc')", "length(123::text)", "upper('abc')", "round(2.5)", "round(2.5::double precision)", "round(3)",
	"round(2.567, 2)", "ceil(2)", "floor(2.5)", "sqrt(4)", "sqrt(4.0)", "power(2, 3)", "power(2.0, 3)", "2 ^ 3", "2.0 ^ 3", "mod(5, 3)", "mod(5, 3.5)",
	"mod(5::bigint, 3)", "5 % 3.5", "5::smallint % 3::smallint", "log(100)", "log(2.0, 8)", "ln(2)", "exp(1)", "sign(-5)", "trunc(5.55)", "trunc(5.55, 1)", "div(7, 2)",
	"coalesce(1, 2.5)", "coalesce(NULL, 1)", "coalesce(NULL, 'a')", "coalesce('1', 2)", "nullif(1, 2)", "nullif(1, 2.5)", "nullif('a', 'b')", "nullif(NULL, 1)",
	"greatest(1, 2.5)", "greatest('a', 'b')", "greatest(1, '2')", "least(1::smallint, 2::bigint)", "least(DATE '2024-01-01', TIMESTAMP '2023-01-01')",
	"CASE WHEN true THEN 1 ELSE 2.5 END", "CASE WHEN true THEN NULL ELSE 'a' END", "CASE WHEN true THEN '1' ELSE 2 END", "CASE 1 WHEN 1 THEN 'a' END",
	"CASE WHEN false THEN 1::real ELSE 1::double precision END", "CASE WHEN true THEN DATE '2024-01-01' ELSE TIMESTAMP '2024-01-01' END",
	"1 IN (1, 2)", "1 IN (1.0, 2)", "1 IN ('1', '2')", "'a' IN ('a', NULL)", "NULL IN (1, 2)", "1 NOT IN (2, NULL)", "1.5 IN (1, 2)",
	"5 BETWEEN 1 AND 10", "'b' BETWEEN 'a' AND 'c'", "5 NOT BETWEEN 1 AND 2.5", "1 IS DISTINCT FROM 1.0", "NULL IS DISTINCT FROM NULL", "1 IS NOT DISTINCT FROM NULL",
	"true IS TRUE", "NULL IS UNKNOWN", "'t' IS TRUE", "NOT 'f'", "true AND 'f'", "NULL OR true", "NULL IS NULL", "1 = 1 AND NULL",
	"extract(year FROM DATE '2024-01-01')", "extract(epoch FROM INTERVAL '1 day')", "extract(hour FROM TIMESTAMP '2024-01-01 10:00')", "date_part('year', DATE '2024-01-01')",
	"date_trunc('day', TIMESTAMP '2024-01-01 10:00')", "date_trunc('day', DATE '2024-01-01')", "date_trunc('hour', INTERVAL '90 minutes')",
	"'2024-01-01'::timestamp AT TIME ZONE 'UTC'", "'2024-01-01'::timestamptz AT TIME ZONE 'Asia/Tokyo'", "'2024-01-01' AT TIME ZONE 'UTC'", "DATE '2024-01-01' AT TIME ZONE 'UTC'",
	"substring('Thomas' FROM 2 FOR 3)", "substring('Thomas' FROM '...$')", "substr('abc', 2)", "position('b' IN 'abc')", "trim('  a ')", "trim(both 'x' FROM 'xax')",
	"overlay('abcdef' PLACING 'X' FROM 2 FOR 3)", "concat('a', 1, NULL, true, 1.5)", "concat_ws('-', 'a', 1, NULL)", "format('%s-%s', 1, 'a')", "repeat('a', 3)", "lpad('1', 3, '0')",
	"to_char(1234.5, '9,999.99')", "to_char(DATE '2024-01-01', 'YYYY')", "to_char(5, '999')", "to_char(INTERVAL '90 minutes', 'HH24:MI')", "md5('a')", "age(DATE '2024-01-01', DATE '2023-01-01')",
	"make_date(2024, 1, 1)", "to_timestamp(0)", "width_bucket(5, 0, 10, 5)", "width_bucket(5.0, 0, 10, 5)", "gcd(12, 18)", "lcm(4, 6::bigint)", "pg_typeof(1)", "pg_typeof('a'::text || 'b')",
	"1::text", "'12'::int", "12.7::int", "'abc'::int", "1::boolean", "2.5::float8::int", "'1 day'::interval", "'2024-02-30'::date", "1e10::int", "'t'::boolean", "1.5::text", "true::int",
	"1::bigint::boolean", "DATE '2024-01-01'::int", "'abc'::varchar(2)", "12345.678::numeric(7,2)", "12345.678::numeric(6,2)", "1::numeric(3,2)", "'2024-01-01 10:00:00.123456'::timestamp(3)",
	"'\\x61'::bytea || '\\x62'", "'a' LIKE 'A'", "'abc' LIKE 'a#_c' ESCAPE '#'", "'abc' NOT ILIKE 'A%'", "'abc' SIMILAR TO '(a|b)%'", "'abc' ~ '^a'", "'a%c' LIKE 'a\\%c'", "'a' LIKE 'a\\'",
	"5 & 3", "5::smallint | 3", "5 # 3::bigint", "~5", "1 << 3", "8::bigint >> 1", "|/ 16", "||/ 27", "foo(1)", "lower(1)", "length(1)", "abs('x')", "1 + true", "1 = true", "'a' + 'b'",
	"1 - 'x'", "now() - now()", "upper(NULL)", "abs(NULL)", "sum_(1)", "DATE '2024-01-01' + DATE '2024-01-01'", "CASE WHEN 1 THEN 2 END", "coalesce(1, 'x')", "coalesce(1, true)", "nullif(1, 'x')",
	"greatest(1, true)", "1 IN (true)", "1 / 0", "1.0 / 0", "5 / 2", "5.0 / 2", "-5 / 2", "-5 % 2", "2147483647 + 1", "9223372036854775807 + 1", "1e308::float8 * 10", "0.1 + 0.2", "0.1::float8 + 0.2::float8",
	"10 / 3.0", "1.10 * 2.200", "'NaN'::float8 = 'NaN'::float8", "'NaN'::numeric > 1", "- 0.0", "'infinity'::timestamp > now()", "lower('A') || upper('b') || 1", "'1' + '2'", "isfinite('2024-01-01')",
	"justify_hours('30 hours')", "date_bin('15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01')", "regexp_replace('abc', 'b', 'X')", "starts_with('abc', 'a')", "split_part('a,b', ',', 2)",
	"1 <> 2", "1 != 2", "bit_length('abc')", "octet_length('abc'::bytea)", "sha256('abc')", "encode('abc', 'hex')", "TIME '10:00' = '10:00'", "INTERVAL '1 month' = INTERVAL '30 days'",
}

// TestResolutionAgainstPostgres compares value and type of expressions whose operators and functions must be resolved.
func TestResolutionAgainstPostgres(t *testing.T) {
	pg := newOracle(t)
	var typed []string
	for _, e := range resolutionCases {
		typed = append(typed, "pg_typeof("+e+")")
	}
	values, kinds := pg.answers(t, resolutionCases), pg.answers(t, typed)
	// Errors that are known only when the row is computed do not stop pg_typeof; that is not compared.
	for i, text := range resolutionCases {
		e, err := bindText(text)
		got := answer(e, err)
		if strings.Contains(text, "now()") {
			got, values[i] = "", ""
		}
		if got == "ERROR 42P18" || (strings.HasPrefix(got, "ERROR 42") && strings.HasPrefix(values[i], "ERROR 42")) {
			continue // the kinds of errors at binding are told apart in TestUndefined
		}
		if text == "sum_(1)" {
			continue
		}
		if got != values[i] && !(err == nil && e.Type() == types.Float8Type && nearly(got, values[i])) {
			t.Errorf("%s\n  got  %s (%v)\n  want %s", text, got, err, values[i])
		}
		if err == nil && !strings.HasPrefix(kinds[i], "ERROR") {
			if have := e.Type().Base().String(); have != kinds[i] && !(have == "unknown" || kinds[i] == "character varying" || kinds[i] == "regtype") {
				t.Errorf("%s\n  got type  %s\n  want type %s", text, have, kinds[i])
			}
		}
	}
}

func TestUndefined(t *testing.T) {
	for _, c := range []struct {
		text, message, hint string
		code                types.Code
	}{
		{"lenght('abc')", "function lenght(unknown) does not exist", `did you mean "length"?`, types.CodeUndefinedFunction},
		{"uper(1)", "function uper(integer) does not exist", `did you mean "upper"?`, types.CodeUndefinedFunction},
		{"zzzzzz(1)", "function zzzzzz(integer) does not exist", "", types.CodeUndefinedFunction},
		{"upper(1)", "function upper(integer) does not exist", "no function of that name takes these arguments; there is upper(text) -> text", types.CodeUndefinedFunction},
		{"1 + true", "operator does not exist: integer + boolean", "no operator matches the argument types; you might need to add casts", types.CodeUndefinedFunction},
		{"'a' + 'b'", "operator is not unique: unknown + unknown", "add casts, to say which of the operators is meant", types.CodeAmbiguousFunction},
		{"CASE WHEN 1 THEN 2 END", "condition of CASE must be boolean, this one is integer", "", types.CodeDatatypeMismatch},
		{"coalesce(1, true)", "COALESCE types integer and boolean cannot be matched", "", types.CodeDatatypeMismatch},
		{"DATE '2024-01-01'::int", "cannot cast type date to integer", "", types.CodeCannotCoerce},
		{"'x'::int", `invalid input syntax for type integer: "x"`, "", types.CodeInvalidText},
		{"1 AND true", "argument of AND must be boolean, this one is integer", "", types.CodeDatatypeMismatch},
	} {
		_, err := bindText(c.text)
		require.Error(t, err, c.text)
		e, ok := err.(*types.Error)
		require.True(t, ok, "%s: %T", c.text, err)
		require.Equal(t, c.message, e.Msg, c.text)
		require.Equal(t, c.hint, e.Hint, c.text)
		require.Equal(t, c.code, e.Code, c.text)
	}
}

func TestResolveAggregate(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []types.Type
		id     string
		result types.Type
	}{
		{"count", nil, "count(*)", types.Int8Type},
		{"COUNT", sig(types.TextType), "count(text)", types.Int8Type},
		{"sum", sig(types.Int4Type), "sum(integer)", types.Int8Type},
		{"sum", sig(types.Int8Type), "sum(bigint)", types.NumericType},
		{"sum", sig(types.Float4Type), "sum(real)", types.Float4Type},
		{"sum", sig(types.Type{Kind: types.Numeric, Precision: 10, Scale: 2}), "sum(numeric)", types.NumericType},
		{"avg", sig(types.Int4Type), "avg(integer)", types.NumericType},
		{"avg", sig(types.Float4Type), "avg(real)", types.Float8Type},
		{"sum", sig(types.TimeType), "sum(interval)", types.IntervalType},
		{"max", sig(types.TextType), "max(text)", types.TextType},
		{"max", sig(types.UnknownType), "max(text)", types.TextType},
		{"stddev", sig(types.Int4Type), "stddev(integer)", types.NumericType},
		{"var_pop", sig(types.Float8Type), "var_pop(double precision)", types.Float8Type},
		{"every", sig(types.BoolType), "every(boolean)", types.BoolType},
		{"string_agg", sig(types.TextType, types.UnknownType), "string_agg(text,text)", types.TextType},
		{"first_value", sig(types.DateType), "first_value(date)", types.DateType},
		{"array_agg", sig(types.Int4Type), "array_agg(integer)", types.ArrayOf(types.Int4Type)},
		{"approx_count_distinct", sig(types.Int8Type), "approx_count_distinct(bigint)", types.Int8Type},
	} {
		a, err := ResolveAggregate(c.name, baseTypes(c.args))
		require.NoError(t, err, c.id)
		require.Equal(t, c.id, a.ID)
		require.Equal(t, c.result, a.Result, c.id)
		require.Equal(t, a, LookupAggregate(a.ID), c.id)
	}
	_, err := ResolveAggregate("sum", sig(types.TextType))
	require.ErrorContains(t, err, "function sum(text) does not exist")
	_, err = ResolveAggregate("summ", sig(types.Int4Type))
	require.ErrorContains(t, err, `did you mean "sum"?`)
}
