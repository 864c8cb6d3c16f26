package streamsql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

func TestExpandVariables(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": ""}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for text, want := range map[string]string{
		"path = '${A}'":      "path = 'x'",
		"${B:-d e}":          "d e",
		"${EMPTY:-d}|${A}":   "d|x",
		"[${EMPTY}]":         "[]",
		"a $${A} $ {A} $1":   "a ${A} $ {A} $1",
		"${B:-}":             "",
		"no variables at $$": "no variables at $$",
		"a -- '${B}'\n${A}":  "a -- '${B}'\nx",
	} {
		got, err := ExpandVariables(text, lookup)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, want := range map[string]types.Error{
		"a ${B}":  {Code: types.CodeUndefinedParameter, Msg: `variable "B" is not set`, Span: types.Span{Start: 2, End: 6}},
		"a ${A":   {Code: types.CodeSyntax, Msg: "${ without its }", Span: types.Span{Start: 2, End: 4}},
		"a ${ A}": {Code: types.CodeSyntax, Msg: `" A" is no name of a variable`, Span: types.Span{Start: 2, End: 7}},
	} {
		_, err := ExpandVariables(text, lookup)
		got := *types.AsError(err)
		got.Hint = ""
		require.Equal(t, want, got, text)
	}
}
