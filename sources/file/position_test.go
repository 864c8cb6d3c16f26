package file

import (
	"fmt"
	"maps"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// The encoding that is kept up to date is the position, and does not grow with the number of moves.
func TestPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c"\\é]{1,3}`), 1, 4, rapid.ID[string]).Draw(t, "names")
		start := position{}
		want := map[string]mark{}
		if rapid.Bool().Draw(t, "begun") {
			want = map[string]mark{"x": {offset: 7}, names[0]: {offset: done}}
			start.Seen = maps.Clone(want)
		}
		p := newPlace(start, true)
		for range rapid.IntRange(1, 100).Draw(t, "moves") {
			name, offset := rapid.SampledFrom(names).Draw(t, "file"), mark{offset: rapid.Int64Range(-1, 5).Draw(t, "offset")}
			if rapid.Bool().Draw(t, "known") {
				offset.n, offset.sum, offset.node, offset.modified = 3, rapid.Uint64().Draw(t, "sum"), rapid.Uint64().Draw(t, "node"), -7
			}
			p.move(name, offset)
			want[name] = offset
			got, err := decodePosition(p.at)
			require.NoError(t, err)
			require.Equal(t, position{Seen: want}, got)
			require.Less(t, len(p.at), 5000)
		}
		last := newPlace(position{}, false)
		last.move("a", mark{offset: 5})
		last.move("b", mark{offset: 1, n: 1, sum: 1 << 63, node: 3})
		got, err := decodePosition(last.at)
		require.NoError(t, err)
		require.Equal(t, position{File: "b", Offset: mark{offset: 1, n: 1, sum: 1 << 63, node: 3}}, got)
	})
}

// A directory of many files takes no more than each of them.
func TestManyFiles(t *testing.T) {
	dir := t.TempDir()
	const n = 2000
	for i := range n {
		require.NoError(t, os.WriteFile(fmt.Sprintf("%s/%05d.log", dir, i), fmt.Appendf(nil, "%d\n", i), 0o644))
	}
	r := open(t, Config{Path: dir, Watch: true, Records: lineFormat(t)}, nil)
	defer r.Close()
	s := &seen{}
	require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
	require.Equal(t, numbers(0, n), s.rows)
	again := open(t, Config{Path: dir, Watch: true, Records: lineFormat(t)}, s.positions[n/2])
	defer again.Close()
	rest := &seen{}
	require.Equal(t, sources.ReadAtEnd, rest.drain(t, again, 0))
	require.Equal(t, numbers(n/2+1, n), rest.rows)
}

func TestNamesThatAreNoText(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/a\xff.log", nil, 0o644); err != nil {
		t.Skip("the file system takes no such names")
	}
	_, err := New(Config{Path: dir, Records: lineFormat(t)}).Partitions(t.Context())
	require.Equal(t, types.CodeInvalidEncoding, types.CodeOf(err))
}
