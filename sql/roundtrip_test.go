package sql

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// requireRoundTrip checks that printing a statement and reading it again gives the same tree and the same text.
func requireRoundTrip(t *testing.T, text string) {
	t.Helper()
	stmts, err := Parse(text)
	require.NoError(t, err, text)
	for _, s := range stmts {
		for _, print := range []func(Node) string{Format, Pretty} {
			out := print(s)
			again, err := Parse(out)
			require.NoError(t, err, "%s\nprinted as %s", text, out)
			require.Len(t, again, 1, out)
			require.True(t, Equal(s, again[0]), "%s\nprinted as %s\nread as    %s", text, out, Format(again[0]))
			require.Equal(t, out, print(again[0]))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, s := range smoke {
		requireRoundTrip(t, s)
	}
}
