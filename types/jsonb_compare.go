package types

import (
	"strings"
)

// CompareJSONB compares two normalised jsonb texts in PostgreSQL's order: null < strings < numbers < booleans < arrays < objects,
// but that an empty array on the outermost level is below all; arrays and objects first by their size, then by their elements or
// members in order; strings and keys by bytes; numbers by value (1.0 equals 1).
func CompareJSONB(a, b string) int {
	ka, kb := JSONBKindOf(a), JSONBKindOf(b)
	if ka != kb {
		switch {
		case a == "[]" && kb != JSONObject:
			return -1
		case b == "[]" && ka != JSONObject:
			return 1
		}
	}
	return compareJSON(a, b)
}

func compareJSON(a, b string) int {
	ka, kb := JSONBKindOf(a), JSONBKindOf(b)
	if ka != kb {
		if ka < kb {
			return -1
		}
		return 1
	}
	switch ka {
	case JSONString:
		return strings.Compare(JSONBUnquote(a), JSONBUnquote(b))
	case JSONNumber:
		return compareDecimal(a, b)
	case JSONBool:
		return strings.Compare(a, b) // false, true
	case JSONArray, JSONObject:
		if c := JSONBSize(a) - JSONBSize(b); c != 0 {
			return c
		}
		ra, rb := ReadJSONB(a), ReadJSONB(b)
		for {
			keyA, va, ok := ra.Next()
			keyB, vb, _ := rb.Next()
			if !ok {
				return 0
			}
			if c := strings.Compare(JSONBUnquote(keyA), JSONBUnquote(keyB)); c != 0 {
				return c
			}
			if c := compareJSON(va, vb); c != 0 {
				return c
			}
		}
	}
	return 0
}

// JSONBSize returns how many elements or members a normalised array or object has, 0 of other values.
func JSONBSize(text string) int {
	n := 0
	r := ReadJSONB(text)
	for {
		if _, _, ok := r.Next(); !ok {
			return n
		}
		n++
	}
}

// compareDecimal compares numbers written out without exponent and without leading zeros, of any length.
func compareDecimal(a, b string) int {
	if a == b {
		return 0
	}
	a, negA := strings.CutPrefix(a, "-")
	b, negB := strings.CutPrefix(b, "-")
	wholeA, fracA, _ := strings.Cut(a, ".")
	wholeB, fracB, _ := strings.Cut(b, ".")
	fracA, fracB = strings.TrimRight(fracA, "0"), strings.TrimRight(fracB, "0")
	zeroA, zeroB := wholeA == "0" && fracA == "", wholeB == "0" && fracB == ""
	negA, negB = negA && !zeroA, negB && !zeroB
	c := 0
	switch {
	case negA != negB:
		if negA {
			return -1
		}
		return 1
	case len(wholeA) != len(wholeB):
		c = len(wholeA) - len(wholeB)
	default:
		if c = strings.Compare(wholeA, wholeB); c == 0 {
			c = strings.Compare(fracA, fracB)
		}
	}
	if negA {
		return -c
	}
	return c
}
