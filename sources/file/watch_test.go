package file

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatchDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/b.log", "b1\nhalf")
	write(t, dir+"/empty.log", "")
	cfg := Config{Path: dir, Watch: true, Records: lineFormat(t)}
	r := open(t, cfg, nil)
	defer r.Close()
	s := &seen{}
	s.await(t, r, 1)
	require.Equal(t, []string{"b1"}, s.rows, "a line counts once it is terminated")
	for range 3 { // an empty file and a half line are no reason to spin
		require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
	}
	appendTo(t, dir+"/b.log", " whole\nb3\n")
	s.await(t, r, 3)
	write(t, dir+"/a.log", "a1\n")
	s.await(t, r, 4)
	appendTo(t, dir+"/empty.log", "e1\n")
	s.await(t, r, 5)
	write(t, dir+"/z.log.gz", "z1\nz2\n")
	s.await(t, r, 7)
	require.NoError(t, os.Rename(tempFile(t, "m1\n"), dir+"/m.log"))
	s.await(t, r, 8)
	require.Equal(t, []string{"b1", "half whole", "b3", "a1", "e1", "z1", "z2", "m1"}, s.rows)

	for i, p := range s.positions { // in what order the files are found after a restart is another matter
		again := open(t, cfg, p)
		rest := &seen{}
		require.Equal(t, sources.ReadAtEnd, rest.drain(t, again, 0))
		require.ElementsMatch(t, s.rows[s.counts[i]:], rest.rows)
		require.NoError(t, again.Close())
	}
}

func tempFile(t *testing.T, content string) string {
	path := t.TempDir() + "/x"
	write(t, path, content)
	return path
}

func TestWatchGlobAndFile(t *testing.T) {
	dir := t.TempDir()
	glob := open(t, Config{Path: dir + "/*.log", Watch: true, Records: lineFormat(t)}, nil)
	defer glob.Close()
	file := open(t, Config{Path: dir + "/a.log", Watch: true, Records: lineFormat(t)}, nil)
	defer file.Close()
	g, f := &seen{}, &seen{}
	require.Equal(t, sources.ReadAtEnd, g.drain(t, glob, 0))
	require.Equal(t, sources.ReadAtEnd, f.drain(t, file, 0))
	write(t, dir+"/a.txt", "no\n")
	write(t, dir+"/a.log", "1\n")
	g.await(t, glob, 1)
	f.await(t, file, 1)
	appendTo(t, dir+"/a.log", "2\n")
	write(t, dir+"/b.log", "b\n")
	g.await(t, glob, 3)
	f.await(t, file, 2)
	require.Equal(t, []string{"1", "2"}, f.rows)
	require.ElementsMatch(t, []string{"1", "2", "b"}, g.rows)
}

// A compressed file is read when it is whole: a truncated one may still be written.
func TestWatchCompressedInTheMaking(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 30_000 {
		fmt.Fprintf(&lines, "line %d %d\n", i, i*7919%10007)
	}
	data := gzipped(t, lines.String())
	cfg := Config{Path: dir, Watch: true, Records: lineFormat(t)}
	r := open(t, cfg, nil)
	defer r.Close()
	s := &seen{}
	for _, n := range []int{0, 5, len(data) / 2, len(data) - 1} {
		require.NoError(t, os.WriteFile(dir+"/x.gz", data[:n], 0o644))
		require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
		require.Empty(t, s.bad)
	}
	require.NoError(t, os.WriteFile(dir+"/x.gz", data, 0o644))
	s.await(t, r, 30_000)
	require.Equal(t, strings.Split(strings.TrimSuffix(lines.String(), "\n"), "\n"), s.rows)
	require.Empty(t, s.bad)
}

// Left alone for a while, damage counts.
func TestWatchDamageThatStays(t *testing.T) {
	dir := t.TempDir()
	data := gzipped(t, "one\ntwo\n")
	require.NoError(t, os.WriteFile(dir+"/x.gz", data[:len(data)-4], 0o644))
	require.NoError(t, os.WriteFile(dir+"/y.gz", []byte("no gzip at all"), 0o644))
	r := open(t, Config{Path: dir, Watch: true, Records: lineFormat(t)}, nil)
	defer r.Close()
	s := &seen{}
	require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
	require.Empty(t, s.bad)
	for _, name := range []string{"x.gz", "y.gz"} {
		info, err := os.Stat(dir + "/" + name)
		require.NoError(t, err)
		old := info.ModTime().Add(-2 * settled)
		require.NoError(t, os.Chtimes(dir+"/"+name, old, old))
	}
	s.await(t, r, 4)
	require.Equal(t, []string{"one", "two"}, s.rows)
	require.Len(t, s.bad, 2)
	require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
	require.Len(t, s.bad, 2, "once")
}

// Appending in any pieces, reading at any moment and restarting at any position lose and repeat nothing.
func TestWatchAppends(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "watch")
		require.NoError(rt, err)
		defer os.RemoveAll(dir)
		cfg := Config{Path: dir, Watch: true, Records: lineFormat(rt)}
		r := open(rt, cfg, nil)
		defer func() { r.Close() }()
		s := &seen{}
		var content [2]string
		var at sources.Position
		for i := range rapid.IntRange(1, 15).Draw(rt, "steps") {
			f := rapid.IntRange(0, 1).Draw(rt, "file")
			content[f] += rapid.SampledFrom([]string{"", "\n", "a", "bc\n", "d\ne\nf", fmt.Sprint(i, "\n")}).Draw(rt, "piece")
			require.NoError(rt, os.WriteFile(fmt.Sprintf("%s/%d.log", dir, f), []byte(content[f]), 0o644))
			if rapid.Bool().Draw(rt, "read") {
				s.drain(rt, r, 0)
			}
			if len(s.positions) > 0 {
				at = s.positions[len(s.positions)-1]
			}
			if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
				require.NoError(rt, r.Close())
				r = open(rt, cfg, at)
			}
		}
		s.drain(rt, r, 0)
		var want []string
		for _, c := range content {
			if i := strings.LastIndexByte(c, '\n'); i >= 0 {
				want = append(want, strings.Split(c[:i], "\n")...)
			}
		}
		require.ElementsMatch(rt, want, s.rows)
	})
}

// A position made without watching is good with it, and the other way round.
func TestWatchSwitched(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.log", "a1\n")
	write(t, dir+"/b.log", "b1\nb2\n")
	cfg := Config{Path: dir, Records: lineFormat(t)}
	s := readAll(t, cfg, nil, 0)
	require.Len(t, s.rows, 3)
	write(t, dir+"/c.log", "c1\n")
	appendTo(t, dir+"/b.log", "b3\n")
	cfg.Watch = true
	w := open(t, cfg, s.positions[len(s.positions)-1])
	defer w.Close()
	rest := &seen{}
	require.Equal(t, sources.ReadAtEnd, rest.drain(t, w, 0))
	require.Equal(t, []string{"b3", "c1"}, rest.rows)
	write(t, dir+"/0.log", "01\n")
	cfg.Watch = false
	require.Equal(t, []string{"01"}, readAll(t, cfg, rest.positions[len(rest.positions)-1], 0).rows)
}
