package expr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

var arrayTexts = []string{
	"ARRAY[1, 2, 3]", "ARRAY[1, NULL, 2.5]", "ARRAY[1, 'x']", "ARRAY['a', NULL, 'b c', '', 'NULL', 'q\"\\']", "ARRAY[]", "ARRAY[]::int[]",
	"ARRAY[NULL, NULL]", "ARRAY['1', '2']::int[]", "ARRAY[1, 2]::bigint[]", "ARRAY[1.5, 2.5]::int[]", "ARRAY[1, 2]::text[]", "ARRAY['a']::int[]",
	"ARRAY[true, false]", "ARRAY[date '2024-01-01', NULL]", "ARRAY[1, 2.5::double precision]", "ARRAY[interval '1 day', '2 hours']",
	"ARRAY[timestamp '2024-01-01 12:00', '2024-02-01']", "ARRAY['2024-01-01 12:00+02'::timestamptz]", "ARRAY['{\"a\": [1, 2]}'::jsonb]",
	"ARRAY[bytea '\\x01', bytea '\\x']", "ARRAY[1, 100000000000]", "ARRAY[1::smallint, 2::smallint]", "ARRAY[1.10, 2]", "ARRAY['NaN'::real, 1]",
	// Literals and casts.
	"'{1,2,NULL}'::int[]", "'{}'::text[]", "'{\"a b\",c, d }'::text[]", "'{1,2'::int[]", "'1,2'::int[]", "'{1,x}'::int[]", "'{1,2}'::int[]::text",
	"'{1,2}'::text::int[]", "('{1,2}'::text || '')::int[]", "'{1.5,2}'::numeric[]::int[]", "'{1,2}'::int[]::numeric[]", "'{300,70000}'::int[]::smallint[]",
	"'{a,b}'::text[]::int[]", "'{t,f}'::boolean[]::text[]", "'{2024-01-01}'::date[]::timestamp[]", "'{\"2024-01-01 12:00\"}'::timestamptz[]",
	"'{1,NULL}'::int[]::bigint[]", "NULL::int[]::text[]", "'{1,,2}'::int[]", "'{1} x'::int[]", "'{NULL,\"NULL\",null}'::text[]", "'{\"a\\\"b\"}'::text[]",
	"'{1,2}'::int[]::int[]", "'{\"1 day\"}'::interval[]::text[]", "1::int[]", "'{1}'::int[]::date[]", "(ARRAY[1, 2])::text || 'x'",
	// Subscripts and slices.
	"(ARRAY[1, 2, 3])[2]", "(ARRAY[1, 2, 3])[0]", "(ARRAY[1, 2, 3])[4]", "(ARRAY[1, 2, 3])[-1]", "(ARRAY[1, NULL])[2]", "(ARRAY['a', 'b'])[1]",
	"(ARRAY[1, 2, 3])[NULL]", "(NULL::int[])[1]", "('{a,b}'::text[])[2]", "(ARRAY[1.5, 2])[2::bigint]", "(ARRAY[1])['x']", "(ARRAY[1])['1']", "(5)[1]",
	"(ARRAY[1, 2, 3])[2:3]", "(ARRAY[1, 2, 3])[2:]", "(ARRAY[1, 2, 3])[:2]", "(ARRAY[1, 2, 3])[:]", "(ARRAY[1, 2, 3])[3:2]", "(ARRAY[1, 2, 3])[0:1]",
	"(ARRAY[1, 2, 3])[5:9]", "(ARRAY[1, 2, 3])[NULL:2]", "(ARRAY[true])[1]", "(ARRAY[interval '1 day'])[1]", "(ARRAY[numeric '1.50'])[1] + 1",
	// Measures.
	"array_length(ARRAY[1, 2, 3], 1)", "array_length(ARRAY[1, 2, 3], 2)", "array_length('{}'::int[], 1)", "array_length(NULL::int[], 1)", "array_length(NULL, 1)",
	"cardinality(ARRAY[1, 2])", "cardinality('{}'::int[])", "cardinality(NULL::int[])", "array_upper(ARRAY[4, 5], 1)", "array_lower(ARRAY[4, 5], 1)",
	"array_upper('{}'::int[], 1)", "array_lower('{}'::int[], 1)", "array_ndims(ARRAY[1])", "array_ndims('{}'::int[])", "array_dims(ARRAY[1, 2])", "array_dims('{}'::int[])",
	// Concatenation.
	"ARRAY[1, 2] || ARRAY[3]", "ARRAY[1, 2] || 3", "1 || ARRAY[2, 3]", "ARRAY[1] || NULL", "NULL || ARRAY[1]", "ARRAY[1] || '{2,3}'", "ARRAY[1] || '2'",
	"ARRAY['a'] || 'b'::text", "'a'::text || ARRAY['b']", "ARRAY[1] || 2.5", "ARRAY[1] || ARRAY[2.5]", "ARRAY[1, 2]::bigint[] || 3", "ARRAY[1] || 'x'::text",
	"ARRAY[1] || NULL::int", "NULL::int[] || ARRAY[1]", "NULL::int[] || NULL::int[]", "NULL::int[] || 1", "'{}'::int[] || '{}'::int[]",
	"array_append(ARRAY[1], 2)", "array_append(ARRAY[1], NULL)", "array_append(NULL, 1)", "array_prepend(1, ARRAY[2])", "array_prepend(1, NULL)",
	"array_cat(ARRAY[1], ARRAY[2, 3])", "array_cat(ARRAY[1], NULL)", "array_append(ARRAY['a'], 'b')", "array_append(ARRAY[1], 2.5)", "array_append(ARRAY[1], true)",
	// Searching.
	"array_remove(ARRAY[1, 2, 1, NULL], 1)", "array_remove(ARRAY[1, 2, NULL], NULL)", "array_remove(NULL::int[], 1)", "array_remove(ARRAY['a', 'b'], 'a')",
	"array_replace(ARRAY[1, 2, 1], 1, 9)", "array_replace(ARRAY[1, NULL], NULL, 9)", "array_replace(ARRAY[1, 2], 2, NULL)", "array_replace(ARRAY[1.0, 2], 1, 3)",
	"array_position(ARRAY['a', 'b', 'a'], 'a')", "array_position(ARRAY['a', 'b', 'a'], 'a', 2)", "array_position(ARRAY['a'], 'x')", "array_position(ARRAY[1, NULL], NULL)",
	"array_position(ARRAY[1, 2], 2, NULL)", "array_position(NULL::int[], 2)", "array_positions(ARRAY[1, 2, 1], 1)", "array_positions(ARRAY[1, 2, 1], 7)",
	"array_positions(NULL::int[], 7)", "array_positions(ARRAY[1, NULL], NULL)", "array_position(ARRAY[1, 2, 3], 2.0)", "array_position(ARRAY[1, 2], 1, -5)",
	"trim_array(ARRAY[1, 2, 3], 2)", "trim_array(ARRAY[1, 2, 3], 4)", "trim_array(ARRAY[1, 2, 3], -1)", "trim_array(ARRAY[1, 2, 3], 0)",
	"array_fill(7, ARRAY[3])", "array_fill(7, ARRAY[0])", "array_fill(NULL::int, ARRAY[2])", "array_fill(7, NULL)", "array_fill(7, ARRAY[-1])", "array_fill('x'::text, ARRAY[2])",
	"array_fill(7, ARRAY[NULL]::int[])", "array_fill(7, '{}'::int[])",
	// Texts.
	"array_to_string(ARRAY[1, NULL, 3], ',')", "array_to_string(ARRAY[1, NULL, 3], ',', '*')", "array_to_string(ARRAY['a', 'b,c'], ', ')", "array_to_string('{}'::int[], ',')",
	"array_to_string(NULL::int[], ',')", "array_to_string(ARRAY[1], NULL)", "array_to_string(ARRAY[NULL, 1], ',')", "array_to_string(ARRAY[true, false], '')",
	"array_to_string(ARRAY[1.50, 2], '|')", "array_to_string(ARRAY[1, NULL], ',', NULL)", "array_to_string(ARRAY['2024-01-01 00:00+00'::timestamptz], ',')",
	"string_to_array('a,b,,c', ',')", "string_to_array('a,b,,c', ',', '')", "string_to_array('abc', NULL)", "string_to_array('abc', '')", "string_to_array('', ',')",
	"string_to_array(NULL, ',')", "string_to_array('axxb', 'xx')", "string_to_array('a,NULL', ',', 'NULL')", "string_to_array('äö', NULL)", "(string_to_array('a-b-c', '-'))[2]",
	"regexp_match('foobarbequebaz', '(bar)(beque)')", "regexp_match('foobarbequebaz', 'bar.*que')", "regexp_match('foo', 'x')", "regexp_match('fOO', 'foo', 'i')",
	"regexp_match('ab', '(a)|(x)')", "regexp_match('ab', '(')", "regexp_match('ab', 'a', 'g')", "regexp_match(NULL, 'a')", "(regexp_match('k=v', '(\\w)=(\\w)'))[2]",
	"regexp_split_to_array('a1b22c', '[0-9]+')", "regexp_split_to_array('the fox', '\\s*')", "regexp_split_to_array('', 'x')", "regexp_split_to_array('aXb', 'x', 'i')",
	"concat('a', ARRAY[1, 2])", "concat_ws(',', ARRAY[1, 2], 'x')", "format('%s', ARRAY['a', 'b c'])",
	// Comparison.
	"ARRAY[1, 2] = ARRAY[1, 2]", "ARRAY[1, 2] = ARRAY[2, 1]", "ARRAY[1, NULL] = ARRAY[1, NULL]", "ARRAY[1, NULL] < ARRAY[1, 2]", "ARRAY[1, 2] < ARRAY[1, NULL]",
	"ARRAY[1] < ARRAY[1, 0]", "ARRAY[2] > ARRAY[1, 5]", "'{}'::int[] < ARRAY[NULL::int]", "ARRAY[1] <> ARRAY[1]", "ARRAY[1] != ARRAY[2]", "ARRAY[1] >= ARRAY[1]", "ARRAY[1] <= '{0}'",
	"ARRAY['a'] < ARRAY['b']", "ARRAY[1] = '{1}'", "'{1}' = ARRAY[1]", "ARRAY[1] = ARRAY[1]::bigint[]", "ARRAY[1] = NULL", "NULL::int[] = ARRAY[1]", "ARRAY[1.0] = ARRAY[1.00]",
	"ARRAY['NaN'::float8] = ARRAY['NaN'::float8]", "ARRAY[0::float8] = ARRAY['-0'::float8]", "ARRAY[interval '1 month'] = ARRAY[interval '30 days']",
	"ARRAY['1.0'::jsonb] = ARRAY['1'::jsonb]", "ARRAY[true] > ARRAY[false]", "ARRAY[bytea '\\x01'] < ARRAY[bytea '\\x02']", "ARRAY[1] IS DISTINCT FROM NULL",
	"ARRAY[1] IS NOT DISTINCT FROM ARRAY[1]", "NULL::int[] IS DISTINCT FROM NULL::int[]", "ARRAY[1] IS NULL", "NULL::int[] IS NULL", "ARRAY[NULL::int] IS NOT NULL",
	"ARRAY[1, 2] BETWEEN ARRAY[1] AND ARRAY[2]", "ARRAY[1] IN (ARRAY[1], ARRAY[2])", "coalesce(NULL, ARRAY[1])", "CASE WHEN true THEN ARRAY[1] ELSE NULL END",
	"CASE WHEN 1 = 2 THEN ARRAY[1] ELSE '{2}' END", "nullif(ARRAY[1], ARRAY[1])", "nullif(ARRAY[1], ARRAY[2])", "greatest(ARRAY[1], ARRAY[2])", "least(ARRAY[1], NULL, ARRAY[0, 5])",
	// Containment.
	"ARRAY[1, 4, 3] @> ARRAY[3, 1, 3]", "ARRAY[1] @> ARRAY[1, 2]", "ARRAY[1] @> '{}'", "ARRAY[1, NULL] @> ARRAY[NULL::int]", "ARRAY[1] <@ ARRAY[1, 2]", "ARRAY[1, 2] && ARRAY[2, 3]",
	"ARRAY[1] && ARRAY[2]", "ARRAY[1] && '{}'", "ARRAY[1, NULL] && ARRAY[NULL::int]", "ARRAY['a'] @> ARRAY['a']", "NULL::int[] @> ARRAY[1]", "ARRAY[1] @> ARRAY[1.5]",
	// ANY and ALL.
	"2 = ANY (ARRAY[1, 2])", "3 = ANY (ARRAY[1, 2])", "3 = ANY (ARRAY[1, NULL])", "1 = ANY (ARRAY[1, NULL])", "NULL = ANY (ARRAY[1])", "1 = ANY ('{}'::int[])", "NULL::int = ANY ('{}'::int[])",
	"1 = ANY (NULL::int[])", "2 > ALL (ARRAY[0, 1])", "2 > ALL (ARRAY[0, 2])", "2 > ALL (ARRAY[0, NULL])", "1 > ALL (ARRAY[2, NULL])", "1 > ALL ('{}'::int[])", "2 <> ALL (ARRAY[1, 3])",
	"2 <> ALL (ARRAY[1, 2])", "2 <> ALL (ARRAY[1, NULL])", "1 <> ALL ('{}'::int[])", "'a' = ANY ('{a,b}')", "1 = ANY ('{1,2}')", "'abc' LIKE ANY (ARRAY['x%', 'a%'])", "'abc' ~ ANY (ARRAY['x', 'b'])",
	"1 = ANY (ARRAY[1.0, 2.5])", "1.0 = ANY (ARRAY[1, 2])", "1::bigint = ANY (ARRAY[1, 2])", "date '2024-01-01' = ANY (ARRAY['2024-01-01'::timestamp])", "1 < ANY (ARRAY[0, 2])",
	"1 + ANY (ARRAY[0, 2])", "1 = ANY (2)", "1 = ANY (ARRAY['a'])", "0 = ANY (ARRAY[1, 2]) OR NULL", "1 = SOME (ARRAY[1])", "2 = ALL (ARRAY[2, 2])",
	"width_bucket(35, ARRAY[10, 20, 30, 40])", "width_bucket(5, ARRAY[10, 20])", "width_bucket(2.5, ARRAY[1, 2, 3])", "width_bucket(2, ARRAY[1, NULL])",
	"width_bucket(now(), ARRAY['yesterday', 'today', 'tomorrow']::timestamptz[])",
}

var arrayExcuses = map[string]string{
	"(5)[1]": "a syntax error here",
	"width_bucket(now(), ARRAY['yesterday', 'today', 'tomorrow']::timestamptz[])": "relative dates are refused",
}

func TestPostgresArrays(t *testing.T) { requirePostgres(t, arrayTexts, arrayExcuses) }

// Errors in elements concern the rows that hold them.
func TestArrayErrorsOfRows(t *testing.T) {
	texts := []string{"{1,2}", "{3,x}", "NULL", "{}", "{40000}"}
	cols, refs := columnsOf(t, []types.Type{types.TextType}, [][]string{{texts[0]}, {texts[1]}, {texts[2]}, {texts[3]}, {texts[4]}})
	for _, c := range []struct {
		text string
		want []string
	}{
		{"$1::int[]", []string{"{1,2}", "ERROR 22P02", "NULL", "{}", "{40000}"}},
		{"$1::int[]::smallint[]", []string{"{1,2}", "ERROR 22P02", "NULL", "{}", "ERROR 22003"}},
		{"$1::text[]::int[]", []string{"{1,2}", "ERROR 22P02", "NULL", "{}", "{40000}"}},
		{"ARRAY[cardinality($1::int[]::smallint[])]", []string{"{2}", "ERROR 22P02", "{NULL}", "{0}", "ERROR 22003"}},
		{"1 = ANY ($1::int[]::smallint[])", []string{"true", "ERROR 22P02", "NULL", "false", "ERROR 22003"}},
		{"10 / 0 = ANY ($1::int[])", []string{"ERROR 22012", "ERROR 22012", "ERROR 22012", "ERROR 22012", "ERROR 22012"}},
		{"coalesce($1::int[], '{7}')", []string{"{1,2}", "ERROR 22P02", "{7}", "{}", "{40000}"}},
	} {
		p, err := Compile([]Expr{bindColumns(t, c.text, refs)})
		require.NoError(t, err)
		got, err := evalTexts(p, cols, len(texts))
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.text)
	}
	// TRY gives NULL.
	e := bindColumns(t, "$1::int[]", refs)
	p, err := Compile([]Expr{&Try{Base: Base{T: e.Type()}, X: e}})
	require.NoError(t, err)
	got, err := evalTexts(p, cols, len(texts))
	require.NoError(t, err)
	require.Equal(t, []string{"{1,2}", "NULL", "NULL", "{}", "{40000}"}, got)
}
