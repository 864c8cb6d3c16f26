//go:build !noduck

package duck

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/loops"
	"github.com/streamsql/streamsql/bench/nexmark"
)

func TestAnswersAsTheLoops(t *testing.T) {
	bids := nexmark.Config{Rows: 50_000, EventsRate: 1000}
	dir := t.TempDir()
	files := map[harness.Input]string{
		harness.Parquet: filepath.Join(dir, "bids.parquet"),
		harness.NDJSON:  filepath.Join(dir, "bids.ndjson"),
	}
	require.NoError(t, bids.WriteParquet(files[harness.Parquet]))
	require.NoError(t, bids.WriteNDJSON(files[harness.NDJSON]))
	for _, c := range harness.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got := answer(t, Side, c, harness.Data{Bids: bids, File: files[c.Input], Dir: t.TempDir()})
			c.Input = harness.Arrow // the loops answer each query over this
			require.Equal(t, answer(t, loops.Side, c, harness.Data{Bids: bids}), got)
		})
	}
}

func answer(t *testing.T, side harness.Side, c harness.Case, d harness.Data) harness.Check {
	t.Helper()
	runner, err := side.New(side.Threads)
	require.NoError(t, err)
	require.NoError(t, runner.Load(context.Background(), c, d))
	check, err := runner.Run(context.Background())
	require.NoError(t, err)
	require.NoError(t, runner.Close())
	require.NotZero(t, check.Rows)
	return check
}
