package expr

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Category groups functions for the reference page.
type Category string

// The categories, in the order of the reference page.
const (
	CatComparison  Category = "comparison"
	CatLogic       Category = "logic"
	CatConditional Category = "conditional"
	CatArithmetic  Category = "arithmetic"
	CatMath        Category = "mathematics"
	CatText        Category = "text"
	CatPattern     Category = "pattern matching"
	CatBytes       Category = "bytes"
	CatDateTime    Category = "date and time"
	CatFormat      Category = "formatting"
	CatArray       Category = "arrays"
	CatJSON        Category = "JSON"
	CatCast        Category = "conversion"
	CatInfo        Category = "information"
	CatOther       Category = "functions of other systems"
	CatUser        Category = "user-defined"
)

// Overload is one signature of a scalar function, operator or cast, and how to compute it. The built-in ones are
// immutable and shared.
type Overload struct {
	ID       string // unique: "lower(text)", "+(integer,integer)", "-(bigint)", "cast(integer as bigint)"
	Name     string // as written: "lower", "+"; of casts "cast" (explicit), "assign" (for assignment, where it differs)
	Operator bool   // Name is an operator symbol
	Category Category
	Args     []types.Type // types.UnknownType accepts an argument of any type
	Variadic bool         // the last of Args may occur once or more
	Result   types.Type
	// Strict: NULL if any argument is NULL. A failed argument does not matter where another one is NULL.
	Strict bool
	// Stable: constant within an epoch (depends on the session's time zone); Volatile: may differ row by row. Neither:
	// immutable, and folded when all arguments are constant.
	Stable, Volatile bool
	Fallible         bool // some arguments give an error
	// Doc says in one sentence what it does, Example is an SQL expression and Answer its text form.
	Doc, Example, Answer string

	poly poly
	bind binder
}

// Signature returns the overload as a user would write it: "lower(text) -> text", "integer + integer -> integer".
func (o *Overload) Signature() string {
	args := make([]string, len(o.Args))
	for i, a := range o.Args {
		args[i] = argName(a)
	}
	result := " -> " + o.Result.String()
	switch {
	case o.Name == "[]":
		return args[0] + "[" + args[1] + "]" + result
	case o.Name == "[:]":
		return args[0] + "[" + args[1] + ":" + args[2] + "]" + result
	case o.Name == "any" || o.Name == "all":
		return args[0] + " operator " + strings.ToUpper(o.Name) + " (" + args[1] + ")" + result
	case o.Operator && len(args) == 1:
		return o.Name + " " + args[0] + result
	case o.Operator && len(args) == 2:
		return args[0] + " " + o.Name + " " + args[1] + result
	case o.Category == CatCast:
		return "CAST(" + args[0] + " AS " + o.Result.String() + ")"
	}
	if o.Variadic {
		args[len(args)-1] += " ..."
	}
	return o.Name + "(" + strings.Join(args, ", ") + ")" + result
}

func argName(t types.Type) string {
	if t == types.UnknownType {
		return "any"
	}
	return t.String()
}

func overloadID(name string, args []types.Type, variadic bool) string {
	var b strings.Builder
	b.WriteString(name)
	b.WriteByte('(')
	for i, a := range args {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(argName(a))
	}
	if variadic {
		b.WriteString("...")
	}
	b.WriteByte(')')
	return b.String()
}

// argType returns the declared type of argument i of a call with n arguments.
func (o *Overload) argType(i int) types.Type {
	return o.Args[min(i, len(o.Args)-1)]
}

// accepts reports whether a call may have n arguments.
func (o *Overload) accepts(n int) bool {
	return n == len(o.Args) || o.Variadic && n >= len(o.Args)
}
