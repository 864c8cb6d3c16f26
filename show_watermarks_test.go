package streamsql

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/exec"
)

// Two readers of a partition that stand at the same place are one row, which holds back if one of them does.
func TestWatermarksOfEqualReaders(t *testing.T) {
	a := exec.PartitionStats{Source: "s", Partition: "p", Watermark: 5, SourceWM: 5}
	held, older, other := a, a, a
	held.Holds, held.Since = true, 9
	older.Holds, older.Since = true, 7
	other.Watermark = 6
	rows := watermarkTable(exec.Stats{Watermarks: []exec.PartitionStats{a, held, other, older, a}}).rows
	require.Len(t, rows, 2)
	require.Equal(t, []any{true, time.UnixMicro(7)}, rows[0][5:])
	require.Equal(t, []any{false, nil}, rows[1][5:])
}
