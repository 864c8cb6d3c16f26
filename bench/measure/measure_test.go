package measure

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCPUCountsWork(t *testing.T) {
	before, err := CPU()
	require.NoError(t, err)
	sum := 0
	for after := before; after < before+20*time.Millisecond; {
		for i := range 100_000 {
			sum += i
		}
		after, err = CPU()
		require.NoError(t, err)
	}
	require.NotZero(t, sum)
}

func TestPeakForgetsAndSees(t *testing.T) {
	touch := func(size int) int {
		block := make([]byte, size)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		return len(block)
	}
	require.NoError(t, ResetPeak())
	now, before, err := Memory()
	require.NoError(t, err)
	require.LessOrEqual(t, now, before)
	const size = 64 << 20
	require.Equal(t, size, touch(size))
	_, after, err := Memory()
	require.NoError(t, err)
	require.Greater(t, after, before+size/2)
	_, other, err := MemoryOf(os.Getpid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, other, after)
}

func TestSync(t *testing.T) {
	dir := t.TempDir()
	took, err := Sync(dir, 4096, 10)
	require.NoError(t, err)
	require.Len(t, took, 10)
	require.Positive(t, took[0])
	require.True(t, slices.IsSorted(took))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = Sync("/does/not/exist", 1, 1)
	require.Error(t, err)
}

func TestQuantile(t *testing.T) {
	require.Zero(t, Quantile(nil, 0.5))
	require.EqualValues(t, 3, Quantile([]time.Duration{1, 2, 3, 4, 5}, 0.5))
	require.EqualValues(t, 5, Quantile([]time.Duration{1, 2, 3, 4, 5}, 1))
}
