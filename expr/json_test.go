package expr

import (
	"testing"
)

var jsonTexts = []string{
	`'{"a": {"b": [1, 2]}, "c\"d": null}'::jsonb -> 'a'`, `'{"a": 1}'::jsonb -> 'x'`, `'{"c\"d": 7}'::jsonb -> 'c"d'`, `'[1, 2]'::jsonb -> 'a'`, `'[1, 2]'::jsonb -> 0`,
	`'[1, 2]'::jsonb -> -1`, `'[1, 2]'::jsonb -> 2`, `'[1, 2]'::jsonb -> -3`, `'{"0": 1}'::jsonb -> 0`, `'"x"'::jsonb -> 0`, `'"x"'::jsonb -> 1`, `'1'::jsonb ->> -1`, `'1'::jsonb #> '{0}'`, `'{"a": "x\ny"}'::jsonb ->> 'a'`, `'{"a": null}'::jsonb ->> 'a'`,
	`'{"a": null}'::jsonb -> 'a'`, `'{"a": [1, "b"]}'::jsonb ->> 'a'`, `'["a", 1.50, true]'::jsonb ->> 1`, `'["a", 1.50, true]'::jsonb ->> 2`, `NULL::jsonb -> 'a'`, `'{"a": 1}'::jsonb -> NULL`,
	`'{"a": {"b": [1, 2]}}'::jsonb #> '{a,b,1}'`, `'{"a": {"b": [1, 2]}}'::jsonb #> '{a,b,-1}'`, `'{"a": 1}'::jsonb #> '{}'`, `'{"a": 1}'::jsonb #> '{a,b}'`, `'{"a": 1}'::jsonb #> '{NULL}'`,
	`'{"a": ["x"]}'::jsonb #>> '{a,0}'`, `'[1, [2, 3]]'::jsonb #>> '{1,x}'`, `('{"a": [10, 20]}'::jsonb)['a']`, `('{"a": [10, 20]}'::jsonb)['a'][1]`, `('[1, 2]'::jsonb)[1]`, `('[1, 2]'::jsonb)[5]`,
	`jsonb_extract_path('{"a": {"b": [1, 2]}}', 'a', 'b')`, `jsonb_extract_path_text('{"a": {"b": [1, "x"]}}', 'a', 'b', '1')`, `jsonb_extract_path('{"a": 1}', NULL)`,
	`jsonb_typeof('{}')`, `jsonb_typeof('[]')`, `jsonb_typeof('"a"')`, `jsonb_typeof('-1.5')`, `jsonb_typeof('true')`, `jsonb_typeof('null')`, `jsonb_typeof(NULL)`,
	`jsonb_array_length('[1, [2, 3], {"a": 1}]')`, `jsonb_array_length('[]')`, `jsonb_array_length('{}')`, `jsonb_array_length('1')`,
	`jsonb_strip_nulls('{"a": null, "b": [null, {"c": null}], "d": {"e": null, "f": 1}}')`, `jsonb_strip_nulls('null')`,
	`jsonb_build_object('a', 1, 'b', NULL, 'c', ARRAY[1, 2], 'd', true, 'e', '{"x": 1}'::jsonb)`, `jsonb_build_object()`, `jsonb_build_object('a')`, `jsonb_build_object(NULL, 1)`,
	`jsonb_build_object('b', 1, 'a', 2, 'b', 3)`, `jsonb_build_object(1, 2, 1.5, 3)`, `jsonb_build_object(ARRAY[1], 2)`, `jsonb_build_object(true, 1)`, `jsonb_build_object(date '2024-01-01', timestamp '2024-01-01 12:00')`,
	`jsonb_build_object('a', timestamptz '2024-01-01 12:00:00.5+00')`, `jsonb_build_array()`, `jsonb_build_array(1, 'x', NULL, 1.50, true, date '2024-01-01', interval '1 day', time '12:00', bytea '\x01')`,
	`jsonb_build_array('1e3'::float8, 'NaN'::float8, '-Infinity'::float8, 0.1::real, '1e25'::float8, 'NaN'::numeric, '-0'::float8)`, `jsonb_build_array(timestamp '0044-03-15 12:00 BC', 'infinity'::timestamp)`,
	`to_jsonb(1)`, `to_jsonb('x'::text)`, `to_jsonb(ARRAY['a', NULL, 'b"c'])`, `to_jsonb(ARRAY[true, false])`, `to_jsonb(NULL::int)`, `to_jsonb(timestamp '2024-01-01 12:00')`, `to_jsonb('{"a":1}'::jsonb)`,
	`to_jsonb(ARRAY[date '2024-01-01'])`, `to_jsonb(ARRAY['{"a":1}'::jsonb])`, `jsonb_object('{a,1,b,NULL}')`, `jsonb_object('{a,1,b}')`, `jsonb_object('{a,b}', '{1,2}')`, `jsonb_object('{a,b}', '{1}')`,
	`jsonb_object('{NULL,1}')`, `jsonb_object('{}')`, `jsonb_pretty('{"b": [1, {"x": []}], "a": {}, "c": "d"}')`, `jsonb_pretty('1')`,
	`'{"a": 1, "b": {"c": [1, 2, {"d": 3}]}}'::jsonb @> '{"b": {"c": [{"d": 3}]}}'`, `'[1, 2, 3]'::jsonb @> '[3, 1, 1]'`, `'[1, 2]'::jsonb @> '1'`, `'1'::jsonb @> '[1]'`, `'1'::jsonb @> '1.0'`,
	`'[1, [2]]'::jsonb @> '[2]'`, `'[1, [2, 3]]'::jsonb @> '[[2]]'`, `'{"a": 1}'::jsonb @> '{}'`, `'[]'::jsonb @> '{}'`, `'{"a": [1]}'::jsonb @> '{"a": 1}'`, `'{"b": 2}'::jsonb <@ '{"a": 1, "b": 2}'`,
	`'["foo", "bar"]'::jsonb @> '"bar"'`, `'[{"a": 1, "b": 2}]'::jsonb @> '[{"a": 1}]'`, `'{"a": 1.0}'::jsonb @> '{"a": 1}'`, `'[]'::jsonb @> '[]'`, `'[null]'::jsonb @> 'null'`,
	`'{"a": 1}'::jsonb ? 'a'`, `'["a", "b"]'::jsonb ? 'b'`, `'"a"'::jsonb ? 'a'`, `'[1]'::jsonb ? '1'`, `'{"a": 1}'::jsonb ?| '{x,a}'`, `'{"a": 1}'::jsonb ?| '{}'`, `'{"a": 1, "b": 2}'::jsonb ?& '{a,b}'`,
	`'{"a": 1}'::jsonb ?& '{a,b}'`, `'{"a": 1}'::jsonb ?& '{}'`, `'{"a": 1}'::jsonb ?& '{a,NULL}'`, `'{"a": 1}'::jsonb ?| ARRAY['a', 'c']`,
	`'{"a": 1}'::jsonb || '{"a": 2, "b": 3}'`, `'[1]'::jsonb || '[2]'`, `'[1]'::jsonb || '2'`, `'1'::jsonb || '2'`, `'{"a": 1}'::jsonb || '[2]'`, `'{"a": 1}'::jsonb || '2'`, `'{}'::jsonb || '{}'`, `'[1]'::jsonb || '{"a": 1}'`,
	`'[]'::jsonb || 'null'`, `'{"a": 1, "b": 2}'::jsonb - 'a'`, `'["a", "b", "a", 1]'::jsonb - 'a'`, `'1'::jsonb - 'a'`, `'{"a": 1, "b": 2, "c": 3}'::jsonb - '{a,c}'::text[]`, `'[1, 2, 3]'::jsonb - 1`,
	`'[1, 2, 3]'::jsonb - -1`, `'[1, 2, 3]'::jsonb - 5`, `'{"a": 1}'::jsonb - 1`, `'1'::jsonb - 1`, `'["a", "b"]'::jsonb - ARRAY['a', NULL]`, `'{"a": [1, {"b": 2}]}'::jsonb #- '{a,1,b}'`, `'[1, 2]'::jsonb #- '{-1}'`,
	`'[1, 2]'::jsonb #- '{x}'`, `'1'::jsonb #- '{a}'`, `'{"a": 1}'::jsonb #- '{}'`, `'{"a": 1}'::jsonb #- '{b,c}'`, `'{"a": 1}'::jsonb #- '{NULL}'`,
	`jsonb_set('{"a": 1}', '{a}', '2')`, `jsonb_set('{"a": 1}', '{b}', '2')`, `jsonb_set('{"a": 1}', '{b}', '2', false)`, `jsonb_set('{"a": [1, 2]}', '{a,0}', '"x"')`, `jsonb_set('{"a": [1, 2]}', '{a,5}', '"x"')`,
	`jsonb_set('{"a": [1, 2]}', '{a,-5}', '"x"')`, `jsonb_set('{"a": [1, 2]}', '{a,5}', '"x"', false)`, `jsonb_set('{"a": {"b": 1}}', '{a,c,d}', '2')`, `jsonb_set('1', '{a}', '2')`, `jsonb_set('{"a": 1}', '{}', '2')`,
	`jsonb_set('{"a": 1}', '{a,b}', '2')`, `jsonb_set('[1, 2]', '{x}', '2')`, `jsonb_set('{"a": 1}', '{NULL}', '2')`, `jsonb_set('{"a": 1}', '{a}', NULL)`, `jsonb_set('[]', '{0}', '1')`,
	`jsonb_insert('[1, 2]', '{1}', '7')`, `jsonb_insert('[1, 2]', '{1}', '7', true)`, `jsonb_insert('{"a": 1}', '{b}', '7')`, `jsonb_insert('{"a": 1}', '{a}', '7')`, `jsonb_insert('[1]', '{-1}', '7', true)`,
	`jsonb_insert('[1]', '{5}', '7')`, `jsonb_insert('[1]', '{-5}', '7')`,
	`'1.0'::jsonb = '1'`, `'{"a": 1, "b": 2}'::jsonb = '{"b": 2, "a": 1}'`, `'[1, 2]'::jsonb <> '[2, 1]'`, `'[]'::jsonb < '1'`, `'[]'::jsonb < 'null'`, `'[1]'::jsonb > '1'`, `'{}'::jsonb > '[1, 2, 3]'`, `'"b"'::jsonb > '"a"'`,
	`'"a"'::jsonb < '1'`, `'true'::jsonb > '1'`, `'true'::jsonb > 'false'`, `'-2'::jsonb < '-1.5'`, `'10'::jsonb > '9'`, `'[1, 2]'::jsonb < '[1, 3]'`, `'[9]'::jsonb < '[1, 1]'`, `'{"a": 1}'::jsonb < '{"b": 1}'`,
	`'{"a": 1}'::jsonb < '{"a": 2}'`, `'{"aa": 1}'::jsonb > '{"b": 1}'`, `'null'::jsonb < '""'`, `'[[]]'::jsonb > '[1]'`, `'1'::jsonb IS DISTINCT FROM '1.00'`, `'1'::jsonb IN ('2', '1.0')`, `'[]'::jsonb < '{}'`,
	`'1.5'::jsonb::int`, `'1.5'::jsonb::numeric`, `'true'::jsonb::boolean`, `'"x"'::jsonb::int`, `'null'::jsonb::int`, `'[1]'::jsonb::boolean`, `'70000'::jsonb::smallint`, `'1.5'::jsonb::float8`, `'2'::jsonb::bigint`,
	`'1.5'::jsonb::real`, `'"x"'::jsonb::text`, `'{}'::jsonb::numeric`, `'1.25'::jsonb::numeric(4, 1)`, `'{"a": 1}'::jsonb::text`, `'1'::jsonb::date`, `('{"a": "5"}'::jsonb ->> 'a')::int + 1`,
	`('{"a": 5}'::jsonb -> 'a')::int + 1`, `'{"a": 1}'::jsonb -> 'a' = '1'`, `array_to_json(ARRAY[1, 2])`, `coalesce('{"a": 1}'::jsonb -> 'b', '0')`,
	`greatest('1'::jsonb, '2')`, `ARRAY['1'::jsonb] @> ARRAY['1.0'::jsonb]`,
}

var jsonExcuses = map[string]string{
	`array_to_json(ARRAY[1, 2])`: "json prints as jsonb, with a blank behind commas",
}

func TestPostgresJSON(t *testing.T) { requirePostgres(t, jsonTexts, jsonExcuses) }
