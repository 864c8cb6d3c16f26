package streamsql_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/slt"
)

// Every script gives the same results under every cut of its input, with one worker and several, and with restarts.
func TestQueries(t *testing.T) {
	files, err := slt.Files([]string{"testdata/queries"})
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name, err := filepath.Rel("testdata/queries", file)
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, cfg := range slt.EveryCut(slt.Config{}) {
				out, err := slt.Run(context.Background(), file, string(src), cfg)
				require.NoError(t, err)
				for _, f := range out.Failures {
					t.Errorf("%s (with %s)", f, cfg)
				}
			}
		})
	}
}
