package file

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// A watched file that another has taken the place of, whatever its size, is read from its beginning, with a warning; while the reader runs
// and after a restart.
func TestWatchReplaced(t *testing.T) {
	long := strings.Repeat("a line of a long file\n", 200)
	for _, c := range []struct{ name, before, after string }{
		{"same size", "one\ntwo\n", "six\nten\n"},
		{"longer", "one\ntwo\n", "eleven\ntwelve\n"},
		{"shorter", "one\ntwo\n", "z\n"},
		{"with a part of a record", "one\ntw", "six\nel"},
		{"long", long, strings.ReplaceAll(long, "long", "LONG")},
		{"empty, later more", "one\ntwo\n", ""},
	} {
		for _, how := range []string{"written", "renamed"} {
			for _, restart := range []bool{false, true} {
				t.Run(c.name+" "+how, func(t *testing.T) {
					dir := t.TempDir()
					var log bytes.Buffer
					cfg := Config{Path: dir, Watch: true, Records: lineFormat(t), Logger: slog.New(slog.NewTextHandler(&log, nil))}
					write(t, dir+"/a.log", c.before)
					r := open(t, cfg, nil)
					s := &seen{}
					s.drain(t, r, 0)
					require.Equal(t, whole(c.before), s.rows)
					require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 0))
					if how == "written" {
						write(t, dir+"/a.log", c.after)
					} else {
						require.NoError(t, os.Rename(tempFile(t, c.after), dir+"/a.log"))
					}
					if restart {
						require.NoError(t, r.Close())
						r = open(t, cfg, s.positions[len(s.positions)-1])
					}
					defer r.Close()
					fresh := &seen{}
					require.Equal(t, sources.ReadAtEnd, fresh.drain(t, r, 0))
					require.Equal(t, whole(c.after), fresh.rows)
					require.Equal(t, 1, strings.Count(log.String(), "level=WARN"), log.String())
					require.Contains(t, log.String(), "read from its beginning")
					appendTo(t, dir+"/a.log", "more\n")
					fresh.drain(t, r, 0)
					require.Equal(t, whole(c.after+"more\n"), fresh.rows)
				})
			}
		}
	}
}

func whole(text string) []string {
	i := strings.LastIndexByte(text, '\n')
	if i < 0 {
		return nil
	}
	return strings.Split(text[:i], "\n")
}

// Touched, a file is still the same.
func TestWatchTouched(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Path: dir, Watch: true, Records: lineFormat(t)}
	write(t, dir+"/a.log", "one\n")
	r := open(t, cfg, nil)
	defer r.Close()
	s := &seen{}
	s.drain(t, r, 0)
	write(t, dir+"/a.log", "one\n")
	s.drain(t, r, 0)
	require.Equal(t, []string{"one"}, s.rows)
}

// Not watched, going on in a file that was replaced is an error.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Path: dir + "/a.log", Records: lineFormat(t)}
	write(t, dir+"/a.log", "one\ntwo\n")
	r := open(t, cfg, nil)
	c, _, err := r.Read(t.Context(), 0)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	write(t, dir+"/a.log", "six\nten\nmore\n")
	again := open(t, cfg, c.To())
	defer again.Close()
	_, _, err = again.Read(t.Context(), 0)
	require.ErrorContains(t, err, `a.log" is another than the one of which 8 bytes were read before`)
	require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
}

// Positions that were stored as plain offsets are read on from there, and get marks as it goes on.
func TestOldPositions(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/a.log"
	write(t, path, "one\ntwo\n")
	for watch, old := range map[bool]string{false: `{"file":"` + path + `","offset":4}`, true: `{"seen":{"` + path + `":4}}`} {
		cfg := Config{Path: path, Watch: watch, Records: lineFormat(t)}
		r := open(t, cfg, sources.Position(old))
		s := &seen{}
		s.drain(t, r, 0)
		require.NoError(t, r.Close())
		require.Equal(t, []string{"two"}, s.rows)
		require.NotEmpty(t, s.positions)
		pos, err := decodePosition(s.positions[0])
		require.NoError(t, err)
		if watch {
			pos.Offset = pos.Seen[path]
		}
		require.Equal(t, int64(8), pos.Offset.offset)
		require.Equal(t, int64(8), pos.Offset.n)
	}
	_, err := decodePosition(sources.Position(`{"seen":{"a":[1,2]}}`))
	require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
}

// Logs that are rotated in a chain are read once, what was not read of them before as well; a file that happens to have the same text as one
// that went is another.
func TestWatchRotated(t *testing.T) {
	for _, restart := range []bool{false, true} {
		dir := t.TempDir()
		cfg := Config{Path: dir, Watch: true, Records: lineFormat(t)}
		write(t, dir+"/a.log", "1\n2\n")
		write(t, dir+"/a.log.1", "0\n")
		write(t, dir+"/z.log.gz", "z\n")
		r := open(t, cfg, nil)
		s := &seen{}
		s.drain(t, r, 0)
		require.ElementsMatch(t, []string{"0", "1", "2", "z"}, s.rows)
		appendTo(t, dir+"/a.log", "3\n")
		require.NoError(t, os.Rename(dir+"/a.log.1", dir+"/a.log.2"))
		require.NoError(t, os.Rename(dir+"/a.log", dir+"/a.log.1"))
		require.NoError(t, os.Rename(dir+"/z.log.gz", dir+"/y.log.gz"))
		write(t, dir+"/a.log", "4\n5\n6\n")
		if restart {
			require.NoError(t, r.Close())
			r = open(t, cfg, s.positions[len(s.positions)-1])
		}
		rest := &seen{}
		rest.drain(t, r, 0)
		require.ElementsMatch(t, []string{"3", "4", "5", "6"}, rest.rows)
		require.NoError(t, os.Remove(dir+"/a.log.2"))
		require.NoError(t, os.Rename(tempFile(t, "0\n"), dir+"/b.log"))
		rest.drain(t, r, 0)
		require.Equal(t, "0", rest.rows[len(rest.rows)-1])
		require.Len(t, rest.rows, 5)
		again := open(t, cfg, rest.positions[len(rest.positions)-1])
		last := &seen{}
		last.drain(t, again, 0)
		require.Empty(t, last.rows)
		require.NoError(t, again.Close())
		require.NoError(t, r.Close())
	}
}
