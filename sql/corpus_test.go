package sql

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// corpus returns the statements of testdata: the inputs of all golden scripts, and the smoke list.
func corpus(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	texts := append([]string(nil), smoke...)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, part := range strings.Split(string(b), "\n\n") {
			lines := strings.Split(part, "\n")
			for len(lines) > 0 && (strings.HasPrefix(lines[0], "#") || lines[0] == "") {
				lines = lines[1:]
			}
			if len(lines) < 2 {
				continue
			}
			body, _, _ := strings.Cut(strings.Join(lines[1:], "\n"), "\n----")
			texts = append(texts, body)
		}
	}
	return texts
}
