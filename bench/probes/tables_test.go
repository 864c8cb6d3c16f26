package probes

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
)

// The probes over tables and Nexmark run, quickly, and give their figures.
func TestQuickProbes(t *testing.T) {
	t.Chdir("..") // where make bench runs
	for name, probe := range map[string]func(context.Context, harness.Env) ([]harness.Figure, error){
		"one changed row": oneChange, "big join": bigJoin, "Nexmark": nexmarkQueries,
	} {
		figures, err := probe(t.Context(), harness.Env{Dir: t.TempDir(), Quick: true})
		require.NoError(t, err, name)
		require.NotEmpty(t, figures)
		for _, f := range figures {
			t.Logf("%s: %s: %s", name, f.Name, f.Value)
			require.NotContains(t, f.Value, "NaN")
		}
	}
}
