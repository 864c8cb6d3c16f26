package engine

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/nexmark"
	"github.com/streamsql/streamsql/sources"
)

// Reading on from any position gives the rest, whatever the budget.
func TestMemoryReadsOn(t *testing.T) {
	config := nexmark.Config{Rows: 10_500, BatchRows: 1000}
	m, err := Load(config, 2)
	require.NoError(t, err)
	names, err := m.Partitions(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"0", "1"}, names)

	var want []int64
	for _, bid := range config.Bids() {
		want = append(want, bid.Micros)
	}
	for _, budget := range []int{1, 300_000, 1 << 30} {
		got := make([][]int64, 2)
		for p, name := range names {
			var from sources.Position
			for status := sources.ReadMore; status != sources.ReadEnded; {
				reader, err := m.OpenPartition(t.Context(), name, from)
				require.NoError(t, err)
				var chunk sources.Chunk
				chunk, status, err = reader.Read(t.Context(), budget)
				require.NoError(t, err)
				require.NoError(t, reader.Close())
				require.NotNil(t, chunk)
				decoded, err := chunk.Decode()
				require.NoError(t, err)
				for _, d := range decoded {
					for _, ts := range d.Batch.Cols[5].(*array.Timestamp).TimestampValues() {
						got[p] = append(got[p], int64(ts))
					}
					from = d.To
				}
				require.Equal(t, chunk.To(), from)
			}
			reader, err := m.OpenPartition(t.Context(), name, from)
			require.NoError(t, err)
			chunk, status, err := reader.Read(t.Context(), budget)
			require.NoError(t, err)
			require.Nil(t, chunk)
			require.Equal(t, sources.ReadEnded, status)
		}
		require.Equal(t, config.Rows, len(got[0])+len(got[1]))
		require.Equal(t, want[:1000], got[0][:1000])
		require.Equal(t, want[1000:2000], got[1][:1000])
		require.IsNonDecreasing(t, got[0])
	}
	_, err = m.OpenPartition(t.Context(), "2", nil)
	require.Error(t, err)
	_, err = m.OpenPartition(t.Context(), "0", position(99))
	require.Error(t, err)
}
