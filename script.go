package streamsql

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// ExpandVariables replaces ${NAME} and ${NAME:-default} in a script by the values that lookup finds; the default also replaces an empty
// value. $${ stands for a plain ${. Strings are expanded like all else; in a comment a variable may be unset.
//
// Errors: CodeUndefinedParameter for a variable without value and default, CodeSyntax for a ${ without its end, both with their place
// in text.
func ExpandVariables(text string, lookup func(name string) (string, bool)) (string, error) {
	var out strings.Builder
	for i := 0; ; {
		at := strings.Index(text[i:], "${")
		if at < 0 {
			out.WriteString(text[i:])
			return out.String(), nil
		}
		at += i
		if at > 0 && text[at-1] == '$' {
			out.WriteString(text[i : at-1])
			out.WriteString("${")
			i = at + 2
			continue
		}
		out.WriteString(text[i:at])
		length := strings.IndexByte(text[at:], '}')
		if length < 0 {
			return "", types.Errorf(types.CodeSyntax, "${ without its }").At(types.Span{Start: at, End: at + 2})
		}
		span := types.Span{Start: at, End: at + length + 1}
		name, otherwise, hasDefault := strings.Cut(text[at+2:at+length], ":-")
		if !isVariableName(name) {
			return "", types.Errorf(types.CodeSyntax, "%q is no name of a variable", name).At(span).WithHint("write $${ for a plain ${")
		}
		value, ok := lookup(name)
		switch {
		case ok && (value != "" || !hasDefault):
			out.WriteString(value)
		case hasDefault:
			out.WriteString(otherwise)
		case inComment(text, at):
			out.WriteString(text[at : at+length+1])
		default:
			return "", types.Errorf(types.CodeUndefinedParameter, "variable %q is not set", name).At(span).
				WithHint("set it in the environment, or write ${%s:-default}", name)
		}
		i = at + length + 1
	}
}

// inComment reports whether a place stands behind -- in its line, outside of a string.
func inComment(text string, at int) bool {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	quoted := false
	for i := range len(line) {
		switch {
		case line[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(line[i:], "--"):
			return true
		}
	}
	return false
}

func isVariableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
