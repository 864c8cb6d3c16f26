package expr

import (
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// json adds the functions and operators of jsonb. The type json is the same type, so functions of json are here as well.
func (t *table) json() {
	t.cat = CatJSON
	j, text, integer, boolean := types.JSONBType, types.TextType, types.Int4Type, types.BoolType
	texts := types.ArrayOf(text)

	t.group("the member with that key, NULL if there is none", `'{"a": {"b": 1}}'::jsonb -> 'a'`, `{"b": 1}`)
	t.op("->", sig(j, text), j, jsonGet(jsonField, false))
	t.group("the element at that place from 0, negative ones from the end; NULL if there is none", `'[1, 2, 3]'::jsonb -> -1`, "3")
	t.op("->", sig(j, integer), j, jsonGet(jsonElement, false))
	t.group("the member with that key as text", `'{"a": "x"}'::jsonb ->> 'a'`, "x")
	t.op("->>", sig(j, text), text, jsonGet(jsonField, true))
	t.group("the element at that place as text", `'["x", "y"]'::jsonb ->> 1`, "y")
	t.op("->>", sig(j, integer), text, jsonGet(jsonElement, true))
	t.group("the value at a path of keys and places", `'{"a": [1, {"b": 2}]}'::jsonb #> '{a,1,b}'`, "2")
	t.op("#>", sig(j, texts), j, jsonGet(jsonPath, false))
	t.group("the value at a path of keys and places as text", `'{"a": ["x"]}'::jsonb #>> '{a,0}'`, "x")
	t.op("#>>", sig(j, texts), text, jsonGet(jsonPath, true))
	for _, prefix := range []string{"jsonb", "json"} {
		t.group("the value at a path of keys and places", prefix+`_extract_path('{"a": [1, 2]}', 'a', '1')`, "2")
		t.fn(prefix+"_extract_path", sig(j, text), j, jsonGet(jsonPath, false), variadic)
		t.group("the value at a path of keys and places as text", prefix+`_extract_path_text('{"a": ["x"]}', 'a', '0')`, "x")
		t.fn(prefix+"_extract_path_text", sig(j, text), text, jsonGet(jsonPath, true), variadic)
		t.group("the kind of a JSON value: object, array, string, number, boolean or null", prefix+`_typeof('[1]')`, "array")
		t.fn(prefix+"_typeof", sig(j), text, text1(func(dst []byte, s string) ([]byte, error) {
			return append(dst, types.JSONBKindOf(s).String()...), nil
		}))
		t.group("the number of elements of a JSON array", prefix+`_array_length('[1, 2]')`, "2")
		t.fn(prefix+"_array_length", sig(j), integer, map1(jsonArrayLength), fallible)
		t.group("the value without members that are null", prefix+`_strip_nulls('{"a": null, "b": [null]}')`, `{"b": [null]}`)
		t.fn(prefix+"_strip_nulls", sig(j), j, text1(func(dst []byte, s string) ([]byte, error) { return types.AppendJSONBWithoutNulls(dst, s), nil }))
		t.group("an object of keys and values in turns", prefix+`_build_object('a', 1, 'b', NULL)`, `{"a": 1, "b": null}`)
		t.fn(prefix+"_build_object", sig(), j, jsonBuildObject)
		t.fn(prefix+"_build_object", sig(types.UnknownType), j, jsonBuildObject, variadic, lax, stable, fallible)
		t.group("an array of the arguments", prefix+`_build_array(1, 'x', NULL)`, `[1, "x", null]`)
		t.fn(prefix+"_build_array", sig(), j, jsonBuildArray)
		t.fn(prefix+"_build_array", sig(types.UnknownType), j, jsonBuildArray, variadic, lax, stable, fallible)
		t.group("an object of texts, from one array of keys and values in turns or from two arrays", prefix+`_object('{a,1,b,2}')`, `{"a": "1", "b": "2"}`)
		t.fn(prefix+"_object", sig(texts), j, jsonObject, fallible)
		t.fn(prefix+"_object", sig(texts, texts), j, jsonObject, fallible)
	}
	t.group("the value as JSON", `to_jsonb(ARRAY[1, NULL])`, `[1, null]`)
	for _, name := range []string{"to_jsonb", "to_json"} {
		t.fn(name, sig(types.UnknownType), j, toJSON, stable, fallible)
	}
	t.group("the array as JSON", `array_to_json(ARRAY[1, NULL])`, `[1, null]`)
	t.fn("array_to_json", sig(types.AnyArray), j, toJSON, stable, fallible, matching)
	t.group("the JSON value with line breaks and indents", `jsonb_pretty('[1]')`, "[\n    1\n]")
	t.fn("jsonb_pretty", sig(j), text, text1(func(dst []byte, s string) ([]byte, error) { return types.AppendJSONBPretty(dst, s), nil }))

	t.group("the second value is contained in the first: all its members or elements occur there", `'{"a": 1, "b": 2}'::jsonb @> '{"b": 2}'`, "t")
	t.op("@>", sig(j, j), boolean, map2(func(a, b string) (bool, error) { return types.JSONBContains(a, b), nil }))
	t.group("the first value is contained in the second", `'[1]'::jsonb <@ '[1, 2]'`, "t")
	t.op("<@", sig(j, j), boolean, map2(func(a, b string) (bool, error) { return types.JSONBContains(b, a), nil }))
	t.group("the text is a key of the object, or a string in the array", `'{"a": 1}'::jsonb ? 'a'`, "t")
	t.op("?", sig(j, text), boolean, map2(func(a, k string) (bool, error) { return types.JSONBHasKey(a, k), nil }))
	t.group("any of the texts is a key of the object, or a string in the array", `'{"a": 1}'::jsonb ?| '{x,a}'`, "t")
	t.op("?|", sig(j, texts), boolean, jsonHasKeys(true))
	t.group("all of the texts are keys of the object, or strings in the array", `'["a", "b"]'::jsonb ?& '{a,b}'`, "t")
	t.op("?&", sig(j, texts), boolean, jsonHasKeys(false))

	t.group("both objects together, the second one's members winning; else the elements of both", `'{"a": 1}'::jsonb || '{"b": 2}'`, `{"a": 1, "b": 2}`)
	t.op("||", sig(j, j), j, text2(func(dst []byte, a, b string) ([]byte, error) { return types.AppendJSONBConcat(dst, a, b), nil }))
	t.group("without that key, or those strings in an array", `'{"a": 1, "b": 2}'::jsonb - 'a'`, `{"b": 2}`)
	t.op("-", sig(j, text), j, text2(func(dst []byte, a, k string) ([]byte, error) {
		return types.AppendJSONBWithoutKeys(dst, a, []string{k})
	}), fallible)
	t.group("without those keys, or those strings in an array", `'{"a": 1, "b": 2}'::jsonb - '{a,b}'::text[]`, `{}`)
	t.op("-", sig(j, texts), j, jsonEach(func(dst []byte, a string, keys []string, _ int) ([]byte, error) {
		return types.AppendJSONBWithoutKeys(dst, a, keys)
	}, true), fallible)
	t.group("the array without the element at that place, negative ones from the end", `'[1, 2, 3]'::jsonb - 1`, `[1, 3]`)
	t.op("-", sig(j, integer), j, text2(func(dst []byte, a string, i int32) ([]byte, error) {
		return types.AppendJSONBWithoutElement(dst, a, int(i))
	}), fallible)
	t.group("without the value at that path", `'{"a": [1, 2]}'::jsonb #- '{a,0}'`, `{"a": [2]}`)
	t.op("#-", sig(j, texts), j, jsonEach(func(dst []byte, a string, path []string, null int) ([]byte, error) {
		return editJSON(dst, a, path, null, "", types.JSONBDelete)
	}, false), fallible)
	t.group("with the value at a path replaced, or added unless the fourth argument is false", `jsonb_set('{"a": 1}', '{b}', '2')`, `{"a": 1, "b": 2}`)
	t.fn("jsonb_set", sig(j, texts, j), j, jsonEdit(types.JSONBReplace, types.JSONBSet, true), fallible)
	t.fn("jsonb_set", sig(j, texts, j, boolean), j, jsonEdit(types.JSONBReplace, types.JSONBSet, true), fallible)
	t.group("with a value inserted at a path, before an array's element or behind it", `jsonb_insert('[1, 2]', '{1}', '7')`, `[1, 7, 2]`)
	t.fn("jsonb_insert", sig(j, texts, j), j, jsonEdit(types.JSONBInsertBefore, types.JSONBInsertAfter, false), fallible)
	t.fn("jsonb_insert", sig(j, texts, j, boolean), j, jsonEdit(types.JSONBInsertBefore, types.JSONBInsertAfter, false), fallible)
}

// jsonGet takes a part of a value, as JSON or as text; NULL if it is not there.
func jsonGet(part func(c *call) func(s string, i int) (string, bool), asText bool) binder {
	return simple(func(c *call) {
		a, m := column[string](c, 0)
		of := part(c)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			v, ok := of(a[i&m], i)
			if ok && asText {
				v, ok = types.JSONBText(v)
			}
			if !ok {
				c.setNull(i)
			}
			return append(dst, v...), nil
		})
	})
}

func jsonField(c *call) func(s string, i int) (string, bool) {
	k, m := column[string](c, 1)
	return func(s string, i int) (string, bool) { return types.JSONBField(s, k[i&m]) }
}

func jsonElement(c *call) func(s string, i int) (string, bool) {
	k, m := column[int32](c, 1)
	return func(s string, i int) (string, bool) {
		at := int(k[i&m])
		if types.JSONBKindOf(s) < types.JSONArray { // in PostgreSQL a scalar is stored as an array of one element
			return s, at == 0 || at == -1
		}
		return types.JSONBElement(s, at)
	}
}

// jsonPath follows a path that is an array, or all further arguments.
func jsonPath(c *call) func(s string, i int) (string, bool) {
	var path []string
	if c.args[1].t.Kind == types.Array {
		l := listArg(c, 1)
		return func(s string, i int) (string, bool) {
			var null int
			if path, null = textsOf(l, i, path[:0]); null >= 0 {
				return "", false
			}
			return types.JSONBPath(s, path)
		}
	}
	return func(s string, i int) (string, bool) {
		path = path[:0]
		for _, v := range c.args[1:] {
			path = append(path, textAt(v, v.at(i)))
		}
		return types.JSONBPath(s, path)
	}
}

// textsOf returns the texts of an array; null is the place of the first NULL, or -1.
func textsOf(l *lists, i int, dst []string) (texts []string, null int) {
	null = -1
	from, to := l.row(i)
	for e := from; e < to; e++ {
		if l.elems.null(e) {
			if null < 0 {
				null = e - from
			}
			continue
		}
		dst = append(dst, textAt(l.elems, e))
	}
	return dst, null
}

func jsonArrayLength(s string) (int32, error) {
	switch types.JSONBKindOf(s) {
	case types.JSONArray:
		return int32(types.JSONBSize(s)), nil
	case types.JSONObject:
		return 0, types.Errorf(types.CodeInvalidParameter, "cannot get array length of a non-array")
	}
	return 0, types.Errorf(types.CodeInvalidParameter, "cannot get array length of a scalar")
}

func jsonHasKeys(anyOf bool) binder {
	return simple(func(c *call) {
		a, m := column[string](c, 0)
		l := listArg(c, 1)
		out := c.outBits()
		var keys []string
		eachRow(c, func(i int) error {
			keys, _ = textsOf(l, i, keys[:0])
			holds := !anyOf
			for _, k := range keys {
				if types.JSONBHasKey(a[i&m], k) == anyOf {
					holds = anyOf
					break
				}
			}
			if holds {
				out[i>>3] |= 1 << (i & 7)
			}
			return nil
		})
	})
}

// jsonEach computes a value from a value and an array of texts, of which NULLs are left out or (skip) have no effect.
func jsonEach(f func(dst []byte, a string, texts []string, null int) ([]byte, error), skip bool) binder {
	return simple(func(c *call) {
		a, m := column[string](c, 0)
		l := listArg(c, 1)
		var list []string
		texted(c, func(dst []byte, i int) ([]byte, error) {
			var null int
			list, null = textsOf(l, i, list[:0])
			if skip {
				null = -1
			}
			return f(dst, a[i&m], list, null)
		})
	})
}

func editJSON(dst []byte, a string, path []string, null int, value string, edit types.JSONBEdit) ([]byte, error) {
	if null >= 0 && types.JSONBKindOf(a) >= types.JSONArray {
		return dst, types.Errorf(types.CodeNullNotAllowed, "path element at position %d is null", null+1)
	}
	out, err := types.EditJSONB(a, path, value, edit)
	return append(dst, out...), err
}

// jsonEdit changes a value at a path; the fourth argument chooses between two edits.
func jsonEdit(off, on types.JSONBEdit, preset bool) binder {
	return simple(func(c *call) {
		a, m := column[string](c, 0)
		l := listArg(c, 1)
		v, vm := columnIn[string](c, 2, 2)
		var path []string
		texted(c, func(dst []byte, i int) ([]byte, error) {
			var null int
			path, null = textsOf(l, i, path[:0])
			flag := preset
			if len(c.args) == 4 {
				flag = c.args[3].bit(i)
			}
			edit := off
			if flag {
				edit = on
			}
			return editJSON(dst, a[i&m], path, null, v[i&vm], edit)
		})
	})
}

// argArray returns the values of an argument as an array, and its row for a row of the call.
func argArray(v *vec) (arrow.Array, func(i int) int) {
	one := *v
	one.konst, one.n = false, v.physical()
	arr := one.arr
	if arr == nil || v.konst && arr.Len() != 1 {
		one.arr = nil
		arr = one.toArrow()
	}
	return arr, v.at
}

// jsonArgs are all arguments as JSON values.
type jsonArgs struct {
	c    *call
	arrs []arrow.Array
}

func newJSONArgs(c *call) *jsonArgs {
	a := &jsonArgs{c: c}
	for _, v := range c.args {
		arr, _ := argArray(v)
		a.arrs = append(a.arrs, arr)
	}
	return a
}

func (a *jsonArgs) append(dst []byte, k, i int) ([]byte, error) {
	v := a.c.args[k]
	return types.AppendJSONBOf(dst, v.t, a.arrs[k], v.at(i), a.c.ctx.zone())
}

func (a *jsonArgs) key(k, i int) (string, error) {
	v := a.c.args[k]
	key, err := types.AppendJSONBKey(nil, v.t, a.arrs[k], v.at(i), a.c.ctx.zone())
	if err != nil {
		if e, ok := err.(*types.Error); ok {
			err = types.Errorf(e.Code, "argument %d: %s", k+1, e.Msg)
		}
	}
	return string(key), err
}

// laxTexts is texted for functions that see NULLs.
func laxTexts(c *call, f func(dst []byte, i int) ([]byte, error)) {
	w := newTextWriter(c)
	eachList(c, false, func(i int) error {
		out, err := f(w.buf, i)
		if err != nil {
			out = w.buf
		}
		w.end(i, out)
		return err
	})
	w.done()
}

func jsonBuildObject(*binding) kernel {
	return kernel{run: func(c *call) {
		args := newJSONArgs(c)
		var members []types.JSONBMember
		laxTexts(c, func(dst []byte, i int) ([]byte, error) {
			if len(c.args)%2 != 0 {
				return dst, types.Errorf(types.CodeInvalidParameter, "argument list must have even number of elements").
					WithHint("the arguments of jsonb_build_object() must consist of alternating keys and values")
			}
			members = members[:0]
			for k := 0; k < len(c.args); k += 2 {
				key, err := args.key(k, i)
				if err != nil {
					return dst, err
				}
				value, err := args.append(nil, k+1, i)
				if err != nil {
					return dst, err
				}
				members = append(members, types.JSONBMember{Key: key, Value: string(value)})
			}
			return types.AppendJSONBObject(dst, members), nil
		})
	}}
}

func jsonBuildArray(*binding) kernel {
	return kernel{run: func(c *call) {
		args := newJSONArgs(c)
		laxTexts(c, func(dst []byte, i int) ([]byte, error) {
			dst = append(dst, '[')
			for k := range c.args {
				if k > 0 {
					dst = append(dst, ", "...)
				}
				var err error
				if dst, err = args.append(dst, k, i); err != nil {
					return dst, err
				}
			}
			return append(dst, ']'), nil
		})
	}}
}

func toJSON(*binding) kernel {
	return kernel{run: func(c *call) {
		args := newJSONArgs(c)
		texted(c, func(dst []byte, i int) ([]byte, error) { return args.append(dst, 0, i) })
	}}
}

func jsonObject(*binding) kernel {
	return kernel{run: func(c *call) {
		keys, values := listArg(c, 0), listArg(c, len(c.args)-1)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			from, to := keys.row(i)
			at, end := values.row(i)
			step, size := 1, to-from
			if len(c.args) == 1 {
				if size%2 != 0 {
					return dst, types.Errorf("2202E", "array must have even number of elements")
				}
				step, at = 2, from+1
			} else if end-at != size {
				return dst, types.Errorf("2202E", "mismatched array dimensions")
			}
			var members []types.JSONBMember
			for e := from; e < to; e, at = e+step, at+step {
				if keys.elems.null(e) {
					return dst, types.Errorf(types.CodeNullNotAllowed, "null value not allowed for object key")
				}
				value := "null"
				if !values.elems.null(at) {
					value = string(types.AppendJSONString(nil, textAt(values.elems, at)))
				}
				members = append(members, types.JSONBMember{Key: strings.Clone(textAt(keys.elems, e)), Value: value})
			}
			return types.AppendJSONBObject(dst, members), nil
		})
	}}
}

// jsonScalar reads the number that a jsonb value is.
func jsonScalar(to types.Type, s string) (types.NumericValue, error) {
	if k := types.JSONBKindOf(s); k != types.JSONNumber {
		return types.NumericValue{}, jsonCastError(k, to)
	}
	return types.ParseNumeric(s)
}

func jsonCastError(k types.JSONBKind, to types.Type) error {
	return types.Errorf(types.CodeInvalidParameter, "cannot cast jsonb %s to type %s", k, to)
}

func castFromJSON(to types.Kind) binder {
	t := types.Type{Kind: to}
	switch to {
	case types.Bool:
		return map1(func(s string) (bool, error) {
			if k := types.JSONBKindOf(s); k != types.JSONBool {
				return false, jsonCastError(k, t)
			}
			return s == "true", nil
		})
	case types.Int2:
		return map1(func(s string) (int16, error) {
			v, err := jsonScalar(t, s)
			if err != nil {
				return 0, err
			}
			n, err := v.ToInt(to)
			return int16(n), err
		})
	case types.Int4:
		return map1(func(s string) (int32, error) {
			v, err := jsonScalar(t, s)
			if err != nil {
				return 0, err
			}
			n, err := v.ToInt(to)
			return int32(n), err
		})
	case types.Int8:
		return map1(func(s string) (int64, error) {
			v, err := jsonScalar(t, s)
			if err != nil {
				return 0, err
			}
			return v.Int64()
		})
	case types.Float4:
		return map1(func(s string) (float32, error) {
			if k := types.JSONBKindOf(s); k != types.JSONNumber {
				return 0, jsonCastError(k, t)
			}
			f, err := types.ParseFloat(to, s)
			return float32(f), err
		})
	case types.Float8:
		return map1(func(s string) (float64, error) {
			if k := types.JSONBKindOf(s); k != types.JSONNumber {
				return 0, jsonCastError(k, t)
			}
			return types.ParseFloat(to, s)
		})
	}
	return map1(func(s string) (types.NumericValue, error) { return jsonScalar(t, s) })
}
