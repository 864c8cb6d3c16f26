package mysql

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
)

// TestMutations changes the common texts token by token. What both readers still accept, and where the dialects agree, must
// give the same tree: so each reader checks the other on texts that nobody wrote.
func TestMutations(t *testing.T) {
	var pool []string
	var texts [][]string
	for _, text := range common {
		toks, err := scan(text)
		require.Nil(t, err)
		var words []string
		for _, tok := range toks {
			words = append(words, text[tok.start:tok.end])
		}
		texts, pool = append(texts, words), append(pool, words...)
	}
	rounds := 15_000
	rnd := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range rounds {
		words := append([]string(nil), texts[rnd.IntN(len(texts))]...)
		for range 1 + rnd.IntN(2) {
			i := rnd.IntN(len(words))
			switch rnd.IntN(4) {
			case 0:
				words[i] = pool[rnd.IntN(len(pool))]
			case 1:
				words = append(words[:i:i], append([]string{pool[rnd.IntN(len(pool))]}, words[i:]...)...)
			case 2:
				if len(words) > 1 {
					words = append(words[:i:i], words[i+1:]...)
				}
			case 3:
				other := texts[rnd.IntN(len(texts))]
				from := rnd.IntN(len(other))
				to := min(len(other), from+1+rnd.IntN(8))
				words = append(words[:i:i], append(append([]string(nil), other[from:to]...), words[i:]...)...)
			}
		}
		text := strings.Join(words, " ")
		got, err := Parse(text)
		if err != nil {
			e := sql.AsError(err)
			require.True(t, e.Span.Start >= 0 && e.Span.Start <= e.Span.End && e.Span.End <= len(text), "%v in %s", e, text)
			continue
		}
		if dialectsDiffer(text) {
			continue
		}
		want, err := sql.Parse(text)
		if err != nil {
			continue
		}
		compared++
		require.Len(t, got, len(want), text)
		for i := range want {
			require.True(t, sql.Equal(want[i], got[i]), "%s\nnative: %s\nmysql:  %s", text, sql.Format(want[i]), sql.Format(got[i]))
		}
	}
	require.Greater(t, compared, rounds/50, "too little was compared to show anything")
}
