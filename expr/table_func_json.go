package expr

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// json adds the set-returning functions over jsonb; those of json are the same, as both types are one here.
func (t *tableFunctionTable) json() {
	text, jsonb := types.TextType, types.JSONBType
	for _, prefix := range []string{"jsonb", "json"} {
		name := prefix + "_array_elements"
		t.group("the elements of a JSON array", prefix+`_array_elements('[1, "a"]')`, "1\n\"a\"")
		t.add(name, sig(jsonb), oneColumn("value", jsonb), jsonElements(name, false))
		t.group("the elements of a JSON array as text", prefix+`_array_elements_text('[1, "a", null]')`, "1\na\nNULL")
		t.add(name+"_text", sig(jsonb), oneColumn("value", text), jsonElements(name+"_text", true))

		name = prefix + "_each"
		t.group("the members of a JSON object", prefix+`_each('{"a": 1, "b": "x"}')`, "a|1\nb|\"x\"")
		t.add(name, sig(jsonb), types.Schema{{Name: "key", Type: text}, {Name: "value", Type: jsonb}}, jsonMembers(name, false))
		t.group("the members of a JSON object with their values as text", prefix+`_each_text('{"a": 1, "b": "x"}')`, "a|1\nb|x")
		t.add(name+"_text", sig(jsonb), types.Schema{{Name: "key", Type: text}, {Name: "value", Type: text}}, jsonMembers(name+"_text", true))

		name = prefix + "_object_keys"
		t.group("the keys of a JSON object", prefix+`_object_keys('{"a": 1, "b": 2}')`, "a\nb")
		t.add(name, sig(jsonb), oneColumn(name, text), jsonMembers(name, true))
	}
}

// jsonReader walks over what is left of a row's value.
type jsonReader struct {
	types.JSONBReader
	key, value string
	ended      bool
}

func (r *jsonReader) start(text string) (none bool) {
	r.JSONBReader = types.ReadJSONB(text)
	r.advance()
	return r.ended
}

func (r *jsonReader) advance() {
	var ok bool
	r.key, r.value, ok = r.Next()
	r.ended = !ok
}

func appendJSONValue(b *array.StringBuilder, value string, asText bool) {
	if asText {
		var ok bool
		if value, ok = types.JSONBText(value); !ok {
			b.AppendNull()
			return
		}
	}
	b.Append(value)
}

func jsonElements(name string, asText bool) func(*Context, []arrow.Array) Generator {
	return func(_ *Context, args []arrow.Array) Generator {
		var r jsonReader
		return &generator{
			start: func(row int) (bool, error) {
				text, ok := textArg(args, 0, row)
				if !ok {
					return true, nil
				}
				switch types.JSONBKindOf(text) {
				case types.JSONArray:
				case types.JSONObject:
					return true, types.Errorf(types.CodeInvalidParameter, "cannot extract elements from an object")
				default:
					return true, types.Errorf(types.CodeInvalidParameter, "cannot extract elements from a scalar")
				}
				return r.start(text), nil
			},
			next: func(most int, out []array.Builder) (n int, done bool) {
				b := out[0].(*array.StringBuilder)
				for ; n < most && !r.ended; n++ {
					appendJSONValue(b, r.value, asText)
					r.advance()
				}
				return n, r.ended
			},
		}
	}
}

// jsonMembers gives the keys, and the values where there are two columns.
func jsonMembers(name string, asText bool) func(*Context, []arrow.Array) Generator {
	return func(_ *Context, args []arrow.Array) Generator {
		var r jsonReader
		return &generator{
			start: func(row int) (bool, error) {
				text, ok := textArg(args, 0, row)
				if !ok {
					return true, nil
				}
				if kind := types.JSONBKindOf(text); kind != types.JSONObject {
					what := "a non-object"
					switch {
					case name[len(name)-4:] != "keys":
					case kind == types.JSONArray:
						what = "an array"
					default:
						what = "a scalar"
					}
					return true, types.Errorf(types.CodeInvalidParameter, "cannot call %s on %s", name, what)
				}
				return r.start(text), nil
			},
			next: func(most int, out []array.Builder) (n int, done bool) {
				keys := out[0].(*array.StringBuilder)
				for ; n < most && !r.ended; n++ {
					keys.Append(types.JSONBUnquote(r.key))
					if len(out) == 2 {
						appendJSONValue(out[1].(*array.StringBuilder), r.value, asText)
					}
					r.advance()
				}
				return n, r.ended
			},
		}
	}
}
