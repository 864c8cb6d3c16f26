package file

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/formats/csv"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// A restart in the middle of a file still knows from the file's header which field is which column.
func TestHeaderIsReadAgainAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	text := []byte("b,a\n")
	const n = 20000
	for range n {
		text = append(text, "first,second\n"...)
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	read := func(from sources.Position) (rows int, to sources.Position) {
		format, err := csv.New(types.Schema{{Name: "a", Type: types.TextType}}, csv.Config{Header: true})
		require.NoError(t, err)
		src := New(Config{Name: "s", Path: path, Records: format})
		r, err := src.OpenPartition(context.Background(), path, from)
		require.NoError(t, err)
		chunk, _, err := r.Read(context.Background(), 64<<10)
		require.NoError(t, err)
		require.NotNil(t, chunk)
		decoded, err := chunk.Decode()
		require.NoError(t, err)
		for _, d := range decoded {
			require.Empty(t, d.Bad)
			for row := range d.Batch.N {
				require.Equal(t, "second", types.ValueAt(types.TextType, d.Batch.Cols[0], row))
			}
			rows += d.Batch.N
		}
		require.NoError(t, r.Close())
		return rows, chunk.To()
	}
	first, at := read(nil)
	require.Positive(t, first)
	require.Less(t, first, n)
	second, _ := read(at)
	require.Positive(t, second)
}
