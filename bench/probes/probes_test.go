package probes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/bench/harness"
)

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeKeys(filepath.Join(dir, "keys"), 300_000, 1000))
	names, err := os.ReadDir(filepath.Join(dir, "keys"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	reader, err := file.OpenParquetFile(filepath.Join(dir, "keys", "a.parquet"), false)
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()
	require.EqualValues(t, 300_000, reader.NumRows())
	require.Equal(t, 3, reader.NumRowGroups())
}

// The probe's own part: what it measures, and what it says when the command does not do as expected.
func TestRunTimesTheExpectedLine(t *testing.T) {
	dir := t.TempDir()
	command := func(body string) harness.Env {
		path := filepath.Join(dir, "command")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
		return harness.Env{Dir: dir, Binary: path, Quick: true}
	}
	u, err := run(t.Context(), command(`echo "$@"; echo the answer is 42`), "answer", "x.sql", "--memory")
	require.NoError(t, err)
	require.Positive(t, u.first)
	require.Positive(t, u.peak)

	_, err = run(t.Context(), command(`echo nothing; echo why >&2`), "answer")
	require.ErrorContains(t, err, `no "answer" but`)
	require.ErrorContains(t, err, "why")
	_, err = run(t.Context(), command(`echo broken >&2; exit 3`), "")
	require.ErrorContains(t, err, "broken")
	_, err = run(t.Context(), harness.Env{Binary: filepath.Join(dir, "none")}, "")
	require.ErrorContains(t, err, "make build")
}

func TestScript(t *testing.T) {
	dir := t.TempDir()
	path, err := writeScript(dir, keysScript)
	require.NoError(t, err)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), "'"+dir+"/keys/'")
	require.False(t, slices.ContainsFunc(strings.Fields(string(text)), func(w string) bool { return strings.Contains(w, "{") }))
}

func TestFileSync(t *testing.T) {
	figures, err := fileSync(t.Context(), harness.Env{Dir: t.TempDir()})
	require.NoError(t, err)
	require.Len(t, figures, 2)
}
