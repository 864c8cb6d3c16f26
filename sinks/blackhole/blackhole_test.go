package blackhole

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
)

func TestBlackhole(t *testing.T) {
	var s sinks.Sink = Sink{}
	_, ok, err := s.Open(t.Context(), sinks.Marker{Engine: "e", Generation: 1, Epoch: 7})
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, s.Publish(t.Context(), sinks.Marker{Epoch: 8}, []*changelog.Batch{{N: 1}}))
	require.NoError(t, s.Finish(t.Context()))
	require.NoError(t, s.Close())
	_, unlogged := s.(sinks.Unlogged)
	require.True(t, unlogged, "what it is given need not be kept before")
}
