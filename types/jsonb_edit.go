package types

import (
	"slices"
	"strconv"
	"strings"
)

// JSONBMember is one member of an object: the key without quotes and a normalised value.
type JSONBMember struct{ Key, Value string }

// AppendJSONBObject appends the normalised object of members: keys in jsonb's order, the last of equal ones. It sorts members.
func AppendJSONBObject(dst []byte, members []JSONBMember) []byte {
	slices.SortStableFunc(members, func(a, b JSONBMember) int {
		if len(a.Key) != len(b.Key) {
			return len(a.Key) - len(b.Key)
		}
		return strings.Compare(a.Key, b.Key)
	})
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && members[i+1].Key == m.Key {
			continue
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = append(AppendJSONString(dst, m.Key), ": "...)
		dst = append(dst, m.Value...)
	}
	return append(dst, '}')
}

// AppendJSONBArray appends the array of normalised elements.
func AppendJSONBArray(dst []byte, elems []string) []byte {
	dst = append(dst, '[')
	for i, e := range elems {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, e...)
	}
	return append(dst, ']')
}

// JSONBElements returns the elements of a normalised array; of another value that value alone.
func JSONBElements(text string) []string {
	if JSONBKindOf(text) != JSONArray {
		return []string{text}
	}
	elems := []string{}
	r := ReadJSONB(text)
	for {
		_, v, ok := r.Next()
		if !ok {
			return elems
		}
		elems = append(elems, v)
	}
}

// JSONBMembers returns the members of a normalised object, none of another value.
func JSONBMembers(text string) []JSONBMember {
	var members []JSONBMember
	if JSONBKindOf(text) != JSONObject {
		return nil
	}
	r := ReadJSONB(text)
	for {
		k, v, ok := r.Next()
		if !ok {
			return members
		}
		members = append(members, JSONBMember{JSONBUnquote(k), v})
	}
}

// JSONBField returns the member of a normalised object with that key.
func JSONBField(text, key string) (value string, ok bool) {
	if JSONBKindOf(text) != JSONObject {
		return "", false
	}
	r := ReadJSONB(text)
	for {
		k, v, more := r.Next()
		if !more {
			return "", false
		}
		if k[1:len(k)-1] == key || strings.IndexByte(k, '\\') >= 0 && JSONBUnquote(k) == key {
			return v, true
		}
	}
}

// JSONBElement returns element i of a normalised array, from 0, negative ones from the end.
func JSONBElement(text string, i int) (value string, ok bool) {
	if JSONBKindOf(text) != JSONArray {
		return "", false
	}
	if i < 0 {
		if i += JSONBSize(text); i < 0 {
			return "", false
		}
	}
	r := ReadJSONB(text)
	for ; ; i-- {
		_, v, more := r.Next()
		if !more {
			return "", false
		}
		if i == 0 {
			return v, true
		}
	}
}

// jsonIndex reads a path's step as the subscript of an array.
func jsonIndex(step string) (int, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(step, " \t\n\r\v\f"), 10, 32)
	return int(n), err == nil
}

// JSONBPath follows a path of keys and subscripts.
func JSONBPath(text string, path []string) (value string, ok bool) {
	for _, step := range path {
		switch JSONBKindOf(text) {
		case JSONObject:
			text, ok = JSONBField(text, step)
		case JSONArray:
			var i int
			if i, ok = jsonIndex(step); ok {
				text, ok = JSONBElement(text, i)
			}
		default:
			ok = false
		}
		if !ok {
			return "", false
		}
	}
	return text, true
}

// JSONBContains reports whether jsonb a @> b.
func JSONBContains(a, b string) bool {
	ka, kb := JSONBKindOf(a), JSONBKindOf(b)
	if ka == JSONArray && kb < JSONArray { // on the outermost level an array contains its elements
		return containsScalar(a, b)
	}
	return jsonContains(a, b)
}

func containsScalar(array, x string) bool {
	r := ReadJSONB(array)
	for {
		_, v, ok := r.Next()
		if !ok {
			return false
		}
		if JSONBKindOf(v) == JSONBKindOf(x) && compareJSON(v, x) == 0 {
			return true
		}
	}
}

func jsonContains(a, b string) bool {
	ka, kb := JSONBKindOf(a), JSONBKindOf(b)
	if ka != kb {
		return false
	}
	switch ka {
	case JSONObject:
		r := ReadJSONB(b)
		for {
			k, want, ok := r.Next()
			if !ok {
				return true
			}
			have, ok := JSONBField(a, JSONBUnquote(k))
			if !ok || !jsonContains(have, want) {
				return false
			}
		}
	case JSONArray:
		r := ReadJSONB(b)
		for {
			_, want, ok := r.Next()
			if !ok {
				return true
			}
			if JSONBKindOf(want) < JSONArray {
				if !containsScalar(a, want) {
					return false
				}
				continue
			}
			found := false
			in := ReadJSONB(a)
			for !found {
				_, have, more := in.Next()
				if !more {
					break
				}
				found = jsonContains(have, want)
			}
			if !found {
				return false
			}
		}
	}
	return compareJSON(a, b) == 0
}

// JSONBHasKey reports whether jsonb ? key: a member's key, an array's element or the string itself.
func JSONBHasKey(text, key string) bool {
	switch JSONBKindOf(text) {
	case JSONObject:
		_, ok := JSONBField(text, key)
		return ok
	case JSONArray:
		r := ReadJSONB(text)
		for {
			_, v, ok := r.Next()
			if !ok {
				return false
			}
			if JSONBKindOf(v) == JSONString && JSONBUnquote(v) == key {
				return true
			}
		}
	case JSONString:
		return JSONBUnquote(text) == key
	}
	return false
}

// AppendJSONBConcat appends a || b: objects are merged, everything else is joined as arrays.
func AppendJSONBConcat(dst []byte, a, b string) []byte {
	ka, kb := JSONBKindOf(a), JSONBKindOf(b)
	if ka == JSONObject && kb == JSONObject {
		return AppendJSONBObject(dst, append(JSONBMembers(a), JSONBMembers(b)...))
	}
	return AppendJSONBArray(dst, append(JSONBElements(a), JSONBElements(b)...))
}

// AppendJSONBWithoutKeys appends a value without the members of those keys, or the strings among an array's elements. Errors: 22023 for
// scalars.
func AppendJSONBWithoutKeys(dst []byte, text string, keys []string) ([]byte, error) {
	switch JSONBKindOf(text) {
	case JSONObject:
		members := slices.DeleteFunc(JSONBMembers(text), func(m JSONBMember) bool { return slices.Contains(keys, m.Key) })
		return AppendJSONBObject(dst, members), nil
	case JSONArray:
		elems := slices.DeleteFunc(JSONBElements(text), func(e string) bool {
			return JSONBKindOf(e) == JSONString && slices.Contains(keys, JSONBUnquote(e))
		})
		return AppendJSONBArray(dst, elems), nil
	}
	return dst, Errorf(CodeInvalidParameter, "cannot delete from scalar")
}

// AppendJSONBWithoutElement appends an array without element i, negative ones counted from the end. Errors: 22023 for others.
func AppendJSONBWithoutElement(dst []byte, text string, i int) ([]byte, error) {
	switch JSONBKindOf(text) {
	case JSONObject:
		return dst, Errorf(CodeInvalidParameter, "cannot delete from object using integer index")
	case JSONArray:
	default:
		return dst, Errorf(CodeInvalidParameter, "cannot delete from scalar")
	}
	elems := JSONBElements(text)
	if i < 0 {
		i += len(elems)
	}
	if i >= 0 && i < len(elems) {
		elems = slices.Delete(elems, i, i+1)
	}
	return AppendJSONBArray(dst, elems), nil
}

// JSONBEdit is what EditJSONB does at the end of a path.
type JSONBEdit uint8

// The edits.
const (
	JSONBReplace      JSONBEdit = iota // jsonb_set with create_if_missing false
	JSONBSet                           // jsonb_set
	JSONBDelete                        // #-
	JSONBInsertBefore                  // jsonb_insert
	JSONBInsertAfter
)

// EditJSONB returns a value changed at a path. Errors: 22023 for scalars and existing keys, 22P02 where an array's subscript is none.
func EditJSONB(text string, path []string, value string, edit JSONBEdit) (string, error) {
	if k := JSONBKindOf(text); k < JSONArray {
		if edit == JSONBDelete {
			return "", Errorf(CodeInvalidParameter, "cannot delete path in scalar")
		}
		return "", Errorf(CodeInvalidParameter, "cannot set path in scalar")
	}
	if len(path) == 0 {
		return text, nil
	}
	return editJSON(text, path, 0, value, edit)
}

func editJSON(text string, path []string, level int, value string, edit JSONBEdit) (string, error) {
	last := level == len(path)-1
	switch JSONBKindOf(text) {
	case JSONObject:
		members := JSONBMembers(text)
		at := slices.IndexFunc(members, func(m JSONBMember) bool { return m.Key == path[level] })
		switch {
		case at < 0 && (!last || edit == JSONBDelete || edit == JSONBReplace):
			return text, nil
		case at < 0:
			members = append(members, JSONBMember{path[level], value})
		case !last:
			inner, err := editJSON(members[at].Value, path, level+1, value, edit)
			if err != nil {
				return "", err
			}
			members[at].Value = inner
		case edit == JSONBDelete:
			members = slices.Delete(members, at, at+1)
		case edit == JSONBSet || edit == JSONBReplace:
			members[at].Value = value
		default:
			return "", Errorf(CodeInvalidParameter, "cannot replace existing key").
				WithHint("try using the function jsonb_set to replace key value")
		}
		return string(AppendJSONBObject(nil, members)), nil
	case JSONArray:
		elems := JSONBElements(text)
		at, ok := jsonIndex(path[level])
		if !ok {
			return "", Errorf(CodeInvalidText, "path element at position %d is not an integer: \"%s\"", level+1, clip(path[level]))
		}
		before := false // in front of all
		if at < 0 {
			if at += len(elems); at < 0 {
				before = true
			}
		}
		beyond := before || at >= len(elems)
		switch {
		case !last && beyond:
			return text, nil
		case !last:
			inner, err := editJSON(elems[at], path, level+1, value, edit)
			if err != nil {
				return "", err
			}
			elems[at] = inner
		case edit == JSONBDelete || edit == JSONBReplace:
			if beyond {
				return text, nil
			}
			if edit == JSONBDelete {
				elems = slices.Delete(elems, at, at+1)
			} else {
				elems[at] = value
			}
		case before:
			elems = slices.Insert(elems, 0, value)
		case beyond:
			elems = append(elems, value)
		case edit == JSONBSet:
			elems[at] = value
		case edit == JSONBInsertBefore:
			elems = slices.Insert(elems, at, value)
		default:
			elems = slices.Insert(elems, at+1, value)
		}
		return string(AppendJSONBArray(nil, elems)), nil
	}
	return text, nil
}

// AppendJSONBWithoutNulls appends a value without the members that are null, on all levels.
func AppendJSONBWithoutNulls(dst []byte, text string) []byte {
	switch JSONBKindOf(text) {
	case JSONObject:
		var members []JSONBMember
		for _, m := range JSONBMembers(text) {
			if m.Value != "null" {
				members = append(members, JSONBMember{m.Key, string(AppendJSONBWithoutNulls(nil, m.Value))})
			}
		}
		return AppendJSONBObject(dst, members)
	case JSONArray:
		elems := JSONBElements(text)
		for i, e := range elems {
			elems[i] = string(AppendJSONBWithoutNulls(nil, e))
		}
		return AppendJSONBArray(dst, elems)
	}
	return append(dst, text...)
}

// AppendJSONBPretty appends a value with line breaks and indents of four blanks.
func AppendJSONBPretty(dst []byte, text string) []byte { return appendPretty(dst, text, 0) }

func appendPretty(dst []byte, text string, depth int) []byte {
	kind := JSONBKindOf(text)
	if kind < JSONArray {
		return append(dst, text...)
	}
	indent := func(depth int) {
		dst = append(dst, '\n')
		for range depth {
			dst = append(dst, "    "...)
		}
	}
	dst = append(dst, text[0])
	r := ReadJSONB(text)
	first := true
	for {
		k, v, ok := r.Next()
		if !ok {
			break
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		indent(depth + 1)
		if kind == JSONObject {
			dst = append(append(dst, k...), ": "...)
		}
		dst = appendPretty(dst, v, depth+1)
	}
	indent(depth)
	return append(dst, text[len(text)-1])
}
