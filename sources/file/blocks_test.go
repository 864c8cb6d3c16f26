package file

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats/parquet"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

var blockSchema = types.Schema{{Name: "n", Type: types.Int8Type}, {Name: "ts", Type: types.TimestampType}}

// parquetFile holds the numbers from..to-1 in row groups of ten rows; ts is n seconds.
func parquetFile(t *testing.T, from, to int) []byte {
	ns := array.NewInt64Builder(memory.DefaultAllocator)
	ts := array.NewTimestampBuilder(memory.DefaultAllocator, types.TimestampType.Arrow().(*arrow.TimestampType))
	for n := from; n < to; n++ {
		ns.Append(int64(n))
		ts.Append(arrow.Timestamp(n * 1_000_000))
	}
	b := &changelog.Batch{N: to - from, Cols: []arrow.Array{ns.NewArray(), ts.NewArray()}}
	e, err := parquet.NewEncoder(blockSchema, parquet.EncoderOptions{RowGroupRows: 10})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, e.EncodeFile(&out, func(yield func(*changelog.Batch, error) bool) { yield(b, nil) }))
	return out.Bytes()
}

func numbers(from, to int) (out []string) {
	for n := from; n < to; n++ {
		out = append(out, fmt.Sprint(n))
	}
	return out
}

func TestBlocks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/a.parquet", parquetFile(t, 0, 35), 0o644))
	require.NoError(t, os.WriteFile(dir+"/b.parquet", parquetFile(t, 35, 40), 0o644))
	require.NoError(t, os.WriteFile(dir+"/c.parquet", parquetFile(t, 40, 40), 0o644))
	cfg := Config{Path: dir + "/*.parquet", Blocks: parquet.New(parquet.Config{Schema: blockSchema[:1], TimeColumn: -1})}
	s := readAll(t, cfg, nil, 0)
	require.Equal(t, numbers(0, 40), s.rows)
	require.Len(t, s.positions, 5)
	require.Equal(t, dir+"/a.parquet@0:0", s.places[0])
	for i, p := range s.positions {
		rest := readAll(t, cfg, p, 0)
		require.Equal(t, append([]string{}, s.rows[s.counts[i]:]...), append([]string{}, rest.rows...))
	}

	// A block that is decoded late keeps its file.
	r := open(t, cfg, nil)
	c, _, err := r.Read(t.Context(), 0)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	late := &seen{}
	late.add(t, c)
	require.Len(t, late.rows, 10)
}

func TestPrunedBlocks(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(dir+"/a.parquet", parquetFile(t, 0, 30), 0o644))
	format := parquet.New(parquet.Config{Schema: blockSchema, TimeColumn: 1, Prune: func(s parquet.Stats) bool { return s.Columns[0].Max.(int64) < 20 }})
	s := readAll(t, Config{Path: dir, Blocks: format}, nil, 0)
	require.Len(t, s.rows, 10)
	require.Len(t, s.positions, 3, "a pruned block moves the position")
	require.Equal(t, []changelog.Watermark{9_000_000, 19_000_000}, s.skipped[:2])
	require.Equal(t, changelog.MinWatermark, s.skipped[2])
}

func TestDamagedBlocks(t *testing.T) {
	dir := t.TempDir()
	format := parquet.New(parquet.Config{Schema: blockSchema, TimeColumn: -1})
	good := parquetFile(t, 0, 20)
	require.NoError(t, os.WriteFile(dir+"/1.parquet", []byte("this is no parquet file"), 0o644))
	require.NoError(t, os.WriteFile(dir+"/2.parquet", good, 0o644))
	bad := bytes.Clone(good)
	copy(bad[4:], bytes.Repeat([]byte{0xff}, 20)) // the first page header
	require.NoError(t, os.WriteFile(dir+"/3.parquet", bad, 0o644))
	s := readAll(t, Config{Path: dir, Blocks: format}, nil, 0)
	require.Len(t, s.rows, 30)
	require.Len(t, s.bad, 2)
	require.Equal(t, dir+"/1.parquet@0", s.bad[0].Position)
	require.Contains(t, s.bad[0].Err.Error(), "not a parquet file")
	require.Equal(t, dir+"/3.parquet@0", s.bad[1].Position)
	for i, p := range s.positions {
		rest := readAll(t, Config{Path: dir, Blocks: format}, p, 0)
		require.Len(t, rest.rows, len(s.rows)-s.counts[i])
		require.Len(t, rest.bad, len(s.bad)-s.badCounts[i])
	}

	other := parquet.New(parquet.Config{Schema: types.Schema{{Name: "m", Type: types.Int8Type}}, TimeColumn: -1})
	_, _, err := open(t, Config{Path: dir + "/2.parquet", Blocks: other}, nil).Read(t.Context(), 0)
	require.EqualError(t, err, dir+`/2.parquet: the file has no column "m"; did you mean "n"?`)
}

func TestWatchedBlocks(t *testing.T) {
	dir := t.TempDir()
	r := open(t, Config{Path: dir, Watch: true, Blocks: parquet.New(parquet.Config{Schema: blockSchema[:1], TimeColumn: -1})}, nil)
	defer r.Close()
	s := &seen{}
	whole := parquetFile(t, 0, 20)
	require.NoError(t, os.WriteFile(dir+"/a.parquet", whole[:len(whole)/2], 0o644))
	require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
	require.Empty(t, s.bad, "it may still be written")
	require.NoError(t, os.WriteFile(dir+"/a.parquet", whole, 0o644))
	s.await(t, r, 20)
	require.NoError(t, os.WriteFile(dir+"/b.parquet", parquetFile(t, 20, 25), 0o644))
	s.await(t, r, 25)
	require.Equal(t, numbers(0, 25), s.rows)
	require.Empty(t, s.bad)
}
