package expr

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// harmless reports whether a call of a fallible function cannot fail because of the constants among its arguments: LIKE with a good
// pattern, a division by a constant that is neither 0 nor -1, a substring of a constant length.
func harmless(e *Call) bool {
	name, _, _ := strings.Cut(e.Fn, "(")
	constant := func(i int) any {
		if i < len(e.Args) {
			if lit, ok := e.Args[i].(*Literal); ok {
				return lit.Value
			}
		}
		return nil
	}
	switch name {
	case "~~", "!~~", "~~*", "!~~*":
		pattern, ok := constant(1).(string)
		return ok && e.Args[0].Type().Kind == types.Text && !compileLike(pattern, false).bad
	case "/", "%", "mod":
		n, ok := constant(1).(int64)
		return ok && n != 0 && n != -1 && e.T.IsInteger()
	case "substring", "substr":
		n, ok := constant(2).(int64)
		return ok && n >= 0 && len(e.Args) == 3
	}
	return false
}
