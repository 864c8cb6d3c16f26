package expr

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// String prints $i.
func (e *Column) String() string { return "$" + strconv.Itoa(e.Index) }

// String prints the constant with a cast where its text alone would be of another type.
func (e *Literal) String() string {
	if e.Value == nil {
		if e.T.Kind == types.Unknown {
			return "NULL"
		}
		return "NULL::" + e.T.String()
	}
	switch x := e.Value.(type) {
	case bool:
		if x {
			return "TRUE"
		}
		return "FALSE"
	case int64:
		if e.T.Kind == types.Int4 {
			return strconv.FormatInt(x, 10)
		}
		if e.T.IsInteger() {
			return strconv.FormatInt(x, 10) + "::" + e.T.String()
		}
	case string:
		if e.T == types.TextType || e.T.Kind == types.Unknown {
			return quote(x)
		}
	case []byte:
		return quote(`\x`+hex.EncodeToString(x)) + "::bytea"
	case types.NumericValue:
		text := x.String()
		if e.T == types.NumericType && strings.Contains(text, ".") && !x.IsSpecial() {
			return text
		}
	}
	return quote(literalText(e)) + "::" + e.T.String()
}

func literalText(e *Literal) string {
	v := constVec(e.T, e.Value, 1)
	return string(types.AppendText(nil, e.T, v.toArrow(), 0))
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// String prints operators between their arguments and casts as CAST.
func (e *Call) String() string {
	name, _, _ := strings.Cut(e.Fn, "(")
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = a.String()
	}
	switch {
	case (name == "cast" || name == "assign") && len(args) == 1:
		return strings.ToUpper(name) + "(" + args[0] + " AS " + e.T.String() + ")"
	case strings.HasPrefix(name, "is ") && len(args) == 1:
		return "(" + args[0] + " " + strings.ToUpper(name) + ")"
	case strings.HasPrefix(name, "is ") && len(args) == 2:
		return "(" + args[0] + " " + strings.ToUpper(name) + " " + args[1] + ")"
	case isSymbol(name) && len(args) == 1:
		return "(" + name + " " + args[0] + ")"
	case isSymbol(name) && len(args) == 2:
		return "(" + args[0] + " " + name + " " + args[1] + ")"
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

func isSymbol(name string) bool {
	return name != "" && strings.Trim(name, "+-*/<>=~!@#%^&|`?") == ""
}

func (e *Case) String() string {
	var b strings.Builder
	b.WriteString("CASE")
	for _, w := range e.Whens {
		b.WriteString(" WHEN " + w.Cond.String() + " THEN " + w.Then.String())
	}
	if e.Else != nil {
		b.WriteString(" ELSE " + e.Else.String())
	}
	b.WriteString(" END")
	return b.String()
}

func (e *Logic) String() string {
	word := " AND "
	if e.Or {
		word = " OR "
	}
	return "(" + joinExprs(e.Args, word) + ")"
}

func (e *In) String() string {
	word := " IN ("
	if e.Not {
		word = " NOT IN ("
	}
	return "(" + e.X.String() + word + joinExprs(e.List, ", ") + "))"
}

func (e *Now) String() string { return "now()" }

func (e *Try) String() string { return "TRY(" + e.X.String() + ")" }

func joinExprs(exprs []Expr, sep string) string {
	texts := make([]string, len(exprs))
	for i, e := range exprs {
		texts[i] = e.String()
	}
	return strings.Join(texts, sep)
}
