package expr

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// notCompared are names that PostgreSQL (15) has not, or has as something else.
var notCompared = map[string]string{
	"least": "compared below by text: NULL arguments",
}

// ownSamples are arguments that suit a function better than any value of the type.
var ownSamples = map[string]map[int][]string{}

// excused reports whether a difference is one that we want, with the reason.
func excused(o *Overload, sql, got, want string) bool {
	switch {
	case got == "ERROR "+string(types.CodeNumericOutOfRange) && o.Result.Kind == types.Numeric && moreThan38Digits(want):
		return true // NUMERIC holds 38 digits here
	case strings.Contains(sql, "178000000 years") && strings.HasPrefix(got, "ERROR"):
		return true // INTERVAL's time part is nanoseconds in an int64 here
	}
	return false
}

func moreThan38Digits(s string) bool {
	n := 0
	for _, c := range s {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n > 38
}
