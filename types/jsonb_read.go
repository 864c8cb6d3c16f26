package types

import (
	"strings"
)

// JSONBKind is the kind of a JSON value.
type JSONBKind uint8

// The kinds of JSON values, in the order in which jsonb compares them (objects are the largest).
const (
	JSONNull JSONBKind = iota
	JSONString
	JSONNumber
	JSONBool
	JSONArray
	JSONObject
)

// String returns the name that jsonb_typeof gives.
func (k JSONBKind) String() string {
	return [...]string{"null", "string", "number", "boolean", "array", "object"}[k]
}

// JSONBKindOf returns the kind of a normalised jsonb text (see NormalizeJSONB).
func JSONBKindOf(text string) JSONBKind {
	if text == "" {
		return JSONNull
	}
	switch text[0] {
	case '{':
		return JSONObject
	case '[':
		return JSONArray
	case '"':
		return JSONString
	case 't', 'f':
		return JSONBool
	case 'n':
		return JSONNull
	}
	return JSONNumber
}

// JSONBReader walks over the elements of a normalised jsonb array or the members of an object, without copies.
type JSONBReader struct {
	text   string
	at     int
	object bool
}

// ReadJSONB returns a reader of an array's elements or an object's members; of other values it gives none.
func ReadJSONB(text string) JSONBReader {
	r := JSONBReader{text: text, at: len(text)}
	if k := JSONBKindOf(text); k == JSONArray || k == JSONObject {
		r.at, r.object = 1, k == JSONObject
	}
	return r
}

// Next returns the next value in its normalised text, with the member's key as it is quoted in the text (see
// JSONBUnquote); ok is false at the end.
func (r *JSONBReader) Next() (key, value string, ok bool) {
	if r.at >= len(r.text)-1 { // at the closing bracket
		return "", "", false
	}
	if r.object {
		end := skipJSON(r.text, r.at)
		key = r.text[r.at:end]
		r.at = end + len(": ")
	}
	end := skipJSON(r.text, r.at)
	if end == r.at || end >= len(r.text) { // no normalised text
		r.at = len(r.text)
		return "", "", false
	}
	value = r.text[r.at:end]
	r.at = end + len(", ")
	return key, value, true
}

// skipJSON returns where the value that begins at text[at] ends.
func skipJSON(text string, at int) int {
	if at >= len(text) {
		return at
	}
	switch text[at] {
	case '"':
		return skipJSONString(text, at)
	case '{', '[':
		depth := 0
		for at < len(text) {
			switch text[at] {
			case '"':
				at = skipJSONString(text, at)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return at
	}
	for at < len(text) && text[at] != ',' && text[at] != ']' && text[at] != '}' {
		at++
	}
	return at
}

func skipJSONString(text string, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return at
}

// JSONBUnquote returns the content of a JSON string with its quotes, as it occurs in normalised jsonb.
func JSONBUnquote(quoted string) string {
	if len(quoted) < 2 {
		return ""
	}
	inner := quoted[1 : len(quoted)-1]
	if strings.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, _, err := UnescapeJSON(nil, []byte(quoted[1:]))
	if err != nil {
		return ""
	}
	return string(out)
}

// JSONBText returns a normalised jsonb value as ->> gives it: strings without quotes, everything else as its text. ok is
// false for null, which is NULL.
func JSONBText(value string) (text string, ok bool) {
	switch JSONBKindOf(value) {
	case JSONNull:
		return "", false
	case JSONString:
		return JSONBUnquote(value), true
	}
	return value, true
}
