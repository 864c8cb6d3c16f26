package expr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// FuzzTexts gives arbitrary texts to the functions that interpret them: an error at most, and the same answer twice.
func FuzzTexts(f *testing.F) {
	for _, s := range append(append(timeInputs, timeTemplates...), append(numberTemplates, regexSamples[1]...)...) {
		f.Add(s, "2024-02-29 12:34:56")
	}
	for _, s := range likeSamples[1] {
		f.Add(s, "abc%")
	}
	ts := []types.Type{types.TextType, types.TextType}
	refs := benchCols(ts)
	var exprs []Expr
	for _, text := range []string{
		"$1 LIKE $2", "$1 ILIKE $2", "$1 SIMILAR TO $2", "$2 ~ $1", "regexp_replace($2, $1, $2)", "regexp_count($2, $1, 2)", "regexp_substr($2, $1)",
		"substring($2, $1)", "to_date($2, $1)", "to_timestamp($2, $1)", "to_char(TIMESTAMP '2024-02-29 12:34:56.789', $1)", "to_char(INTERVAL '-1 mon 2 days', $1)",
		"to_char(-1234.567, $1)", "to_char(1234.567::float8, $1)", "to_char(42, $1)", "format($1, $2, 3)", "decode($1, 'base64')", "decode($1, 'hex')", "decode($1, 'escape')",
		"split_part($1, $2, -1)", "translate($1, $2, $1)", "overlay($1 PLACING $2 FROM 2)", "initcap($1)", "quote_ident($1)", "quote_literal($1)", "like_escape($1, $2)",
		"lpad($1, 5, $2)", "btrim($1, $2)", "reverse($1)", "replace($1, $2, 'x')", "$1::int", "$1::float8", "$1::numeric", "$1::date", "$1::interval", "$1::timestamptz", "$1::jsonb", "$1::bytea",
		"timezone($1, TIMESTAMP '2024-02-29 12:34:56')", "date_trunc($1, TIMESTAMP '2024-02-29')", "date_part($1, DATE '2024-02-29')",
	} {
		e, err := bindWith(text, refs)
		require.NoError(f, err, text)
		exprs = append(exprs, e)
	}
	p, err := Compile(exprs)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a) > 200 || len(b) > 200 {
			return
		}
		cols, _ := columnsOfTexts(a, b)
		first, err := p.Eval(&Context{}, &batchOf{Cols: cols, N: 1})
		require.NoError(t, err)
		second, err := p.Clone().Eval(&Context{}, &batchOf{Cols: cols, N: 1})
		require.NoError(t, err)
		for i := range first {
			require.Equal(t, rowText(first[i], exprs[i].Type(), 0), rowText(second[i], exprs[i].Type(), 0), exprs[i].String())
		}
	})
}
