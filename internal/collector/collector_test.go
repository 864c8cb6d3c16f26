package collector

import (
	"context"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPercent(t *testing.T) {
	require.Equal(t, 6400, percent(0))
	require.Equal(t, 6400, percent(4<<20))
	require.Equal(t, 100, percent(256<<20))
	require.Equal(t, 50, percent(512<<20))
	require.Equal(t, 50, percent(8<<30))
}

func TestTune(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, set := range []string{"", "100"} {
		before := debug.SetGCPercent(100)
		t.Setenv("GOMEMLIMIT", "")
		t.Setenv("GOGC", set)
		Tune(ctx)
		now := debug.SetGCPercent(before)
		if set == "" {
			require.GreaterOrEqual(t, now, 50)
			require.NotEqual(t, 100, now)
		} else {
			require.Equal(t, 100, now)
		}
	}
}
