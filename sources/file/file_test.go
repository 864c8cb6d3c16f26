package file

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/formats/csv"
	"github.com/streamsql/streamsql/formats/raw"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

var lineSchema = types.Schema{{Name: "line", Type: types.TextType}}

func lineFormat(t require.TestingT) formats.RecordFormat {
	f, err := raw.New(lineSchema)
	require.NoError(t, err)
	return f
}

// seen is what reading gave: one text a row, the bad records, and after each batch the position and how many rows came before it.
type seen struct {
	rows      []string
	places    []string // of the rows, as Describe names them
	bad       []sources.BadRecord
	positions []sources.Position
	counts    []int
	badCounts []int
	skipped   []changelog.Watermark
}

// add decodes a chunk.
func (s *seen) add(t require.TestingT, c sources.Chunk) {
	require.Positive(t, c.Bytes()+1)
	parts, err := c.Decode()
	require.NoError(t, err)
	for i, d := range parts {
		if d.Batch != nil {
			require.LessOrEqual(t, d.Batch.Rows(), 80<<10)
			d.Batch.Each(func(row int) {
				var line []byte
				for c, col := range d.Batch.Cols {
					if c > 0 {
						line = append(line, '|')
					}
					typ, _ := types.FromArrow(col.DataType())
					line = types.AppendText(line, typ, col, row)
				}
				s.rows = append(s.rows, string(line))
				if len(s.rows)%50 == 1 {
					_, _, place, _ := d.Batch.Origin.Describe(row)
					s.places = append(s.places, place)
				}
			})
		}
		s.skipped = append(s.skipped, d.SkippedMax)
		s.bad = append(s.bad, d.Bad...)
		require.Equal(t, i == len(parts)-1, d.To != nil, "the chunk's end, and nothing else, is a position")
		if d.To != nil {
			require.Equal(t, c.To(), d.To)
			s.positions, s.counts, s.badCounts = append(s.positions, d.To), append(s.counts, len(s.rows)), append(s.badCounts, len(s.bad))
		}
	}
}

// drain reads until the reader stands at its end or has ended.
func (s *seen) drain(t require.TestingT, r sources.Reader, maxBytes int) sources.ReadStatus {
	for {
		c, status, err := r.Read(context.Background(), maxBytes)
		require.NoError(t, err)
		if c != nil {
			s.add(t, c)
		}
		if status != sources.ReadMore {
			require.Nil(t, c)
			return status
		}
	}
}

// await drains until there are n rows and bad records in all.
func (s *seen) await(t *testing.T, r sources.Reader, n int) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 1<<20))
		if len(s.rows)+len(s.bad) >= n {
			return
		}
		require.NoError(t, r.Wait(ctx), "%d of %d rows", len(s.rows), n)
	}
}

func open(t require.TestingT, cfg Config, from sources.Position) sources.Reader {
	src := New(cfg)
	parts, err := src.Partitions(context.Background())
	require.NoError(t, err)
	require.Len(t, parts, 1)
	r, err := src.OpenPartition(context.Background(), parts[0], from)
	require.NoError(t, err)
	return r
}

// readAll reads a bounded source from a position.
func readAll(t require.TestingT, cfg Config, from sources.Position, maxBytes int) *seen {
	r := open(t, cfg, from)
	s := &seen{}
	require.Equal(t, sources.ReadEnded, s.drain(t, r, maxBytes))
	require.NoError(t, r.Close())
	require.NoError(t, r.Close(), "closing twice is nothing")
	return s
}

func write(t require.TestingT, path, content string) {
	data := []byte(content)
	switch filepath.Ext(path) {
	case ".gz":
		data = gzipped(t, content)
	case ".zst":
		data = zstded(t, content)
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

func gzipped(t require.TestingT, content string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func zstded(t require.TestingT, content string) []byte {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	return e.EncodeAll([]byte(content), nil)
}

func appendTo(t *testing.T, path, content string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestOrderAndCompression(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/b.log", "b1\nb2") // without its last line end
	write(t, dir+"/a.log.gz", "a1\na2\n")
	write(t, dir+"/c.log.zst", "c1\r\nc2\n")
	write(t, dir+"/d.log", "")
	write(t, dir+"/.hidden.log", "no\n")
	write(t, dir+"/_temporary.log", "no\n")
	write(t, dir+"/sub/e.log", "e1\n")
	write(t, dir+"/.streamsql/000001.log", "no\n")
	for path, want := range map[string]string{
		dir:                     "a1 a2 b1 b2 c1 c2",
		dir + "/b.log":          "b1 b2",
		dir + "/[ab]*":          "a1 a2 b1 b2",
		dir + "/{c,b}.log*":     "b1 b2 c1 c2",
		dir + "/**/*.log*":      "a1 a2 b1 b2 c1 c2 e1",
		dir + "/.hidden.log":    "no",
		dir + "/sub/../?.log":   "b1 b2",
		dir + "/**":             "a1 a2 b1 b2 c1 c2 e1",
		dir + "/s*/*.{log,txt}": "e1",
	} {
		got := readAll(t, Config{Path: path, Records: lineFormat(t)}, nil, 0).rows
		if path == dir+"/**" || path == dir+"/**/*.log*" { // files that begin with an underscore are only left out of directories
			got = without(got, "no")
		}
		require.Equal(t, want, strings.Join(got, " "), path)
	}
	s := readAll(t, Config{Path: dir + "/b.log", Name: "src", Records: lineFormat(t)}, nil, 0)
	require.Equal(t, dir+"/b.log@0", s.places[0])
	write(t, dir+"/plain.gz.txt", "text\n")
	require.Equal(t, []string{"text"}, readAll(t, Config{Path: dir + "/plain.gz.txt", Records: lineFormat(t)}, nil, 0).rows)
	require.NoError(t, os.WriteFile(dir+"/noext", gzipped(t, "z\n"), 0o644))
	require.Equal(t, []string{"z"}, readAll(t, Config{Path: dir + "/noext", Compression: "gzip", Records: lineFormat(t)}, nil, 0).rows)
}

func without(rows []string, not string) (out []string) {
	for _, r := range rows {
		if r != not {
			out = append(out, r)
		}
	}
	return out
}

// Whatever the sizes of files, lines and chunks: all lines in order, and from every position exactly the rest.
func TestResume(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "resume")
		require.NoError(rt, err)
		defer os.RemoveAll(dir)
		var want []string
		for f := range rapid.IntRange(1, 2).Draw(rt, "files") {
			var content strings.Builder
			for i := range rapid.IntRange(0, 15).Draw(rt, "lines") {
				line := fmt.Sprintf("%d.%d.%s", f, i, strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 100, 9_000, 70_000}).Draw(rt, "length")))
				want = append(want, line)
				content.WriteString(line + "\n")
			}
			write(rt, fmt.Sprintf("%s/%d.log%s", dir, f, rapid.SampledFrom([]string{"", ".gz", ".zst"}).Draw(rt, "compression")), content.String())
		}
		cfg := Config{Path: dir, Records: lineFormat(rt)}
		maxBytes := func() int { return rapid.SampledFrom([]int{0, 100_000, 1 << 20}).Draw(rt, "chunk") }
		all := readAll(rt, cfg, nil, maxBytes())
		require.Equal(rt, want, all.rows)
		for i, p := range all.positions {
			rest := readAll(rt, cfg, p, maxBytes())
			require.Equal(rt, len(want)-all.counts[i], len(rest.rows))
			require.Equal(rt, want[all.counts[i]:], append([]string{}, rest.rows...)[:len(rest.rows):len(rest.rows)])
		}
	})
}

func TestManySmallRecords(t *testing.T) {
	dir := t.TempDir()
	n := 300_000
	write(t, dir+"/n.log", strings.Repeat("1\n", n))
	require.Len(t, readAll(t, Config{Path: dir, Records: lineFormat(t)}, nil, 1<<20).rows, n)
}

func TestMissing(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/no.json":  fmt.Sprintf("open %q: no such file or directory", dir+"/no.json"),
		dir + "/*.json":   fmt.Sprintf("no file matches %q; set watch = true to wait for files", dir+"/*.json"),
		dir + "/[.json":   fmt.Sprintf("path %q is not a glob: syntax error in pattern", dir+"/[.json"),
		dir + "/no/*.gz":  fmt.Sprintf("no file matches %q; set watch = true to wait for files", dir+"/no/*.gz"),
		"":                "the path of a file source is empty",
		dir + "/no/x.log": fmt.Sprintf("open %q: no such file or directory", dir+"/no/x.log"),
	} {
		_, err := New(Config{Path: path, Records: lineFormat(t)}).Partitions(t.Context())
		require.EqualError(t, err, want)
	}
	_, err := New(Config{Path: dir + "/no/x.log", Watch: true, Records: lineFormat(t)}).Partitions(t.Context())
	require.Equal(t, types.CodeUndefinedFile, types.CodeOf(err), "there is nothing that could be watched")
	require.True(t, WatchByDefault(dir))
	require.False(t, WatchByDefault(dir+"/no.json"))
}

func TestNoRights(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	write(t, dir+"/x.log", "x\n")
	require.NoError(t, os.Chmod(dir+"/x.log", 0))
	r := open(t, Config{Path: dir, Records: lineFormat(t)}, nil)
	_, _, err := r.Read(t.Context(), 0)
	require.Equal(t, types.CodeInsufficientRights, types.CodeOf(err))
}

// A file that vanishes before it was opened is an error, unless files may come and go.
func TestVanished(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.log", "a\n")
	write(t, dir+"/b.log", "b\n")
	r := open(t, Config{Path: dir, Records: lineFormat(t)}, nil)
	require.NoError(t, os.Remove(dir+"/b.log"))
	c, _, err := r.Read(t.Context(), 0)
	require.NoError(t, err)
	require.NotNil(t, c)
	_, _, err = r.Read(t.Context(), 0)
	require.Equal(t, types.CodeUndefinedFile, types.CodeOf(err))

	w := open(t, Config{Path: dir, Watch: true, Records: lineFormat(t)}, nil)
	defer w.Close()
	require.NoError(t, os.Remove(dir+"/a.log"))
	s := &seen{}
	require.Equal(t, sources.ReadAtEnd, s.drain(t, w, 0))
	require.Empty(t, s.rows)
}

// A file that was cut or replaced by a shorter one since is an error, not silence; watched, it is read from its beginning.
func TestCutShort(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.log", "one\ntwo\n")
	for _, watch := range []bool{false, true} {
		write(t, dir+"/a.log", "one\ntwo\n")
		cfg := Config{Path: dir + "/a.log", Watch: watch, Records: lineFormat(t)}
		r := open(t, cfg, nil)
		c, _, err := r.Read(t.Context(), 0)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(dir+"/a.log", 4))
		again := open(t, cfg, c.To())
		if watch {
			s := &seen{}
			require.Equal(t, sources.ReadAtEnd, s.drain(t, again, 0))
			require.Equal(t, []string{"one"}, s.rows)
		} else {
			_, _, err = again.Read(t.Context(), 0)
			require.ErrorContains(t, err, `a.log" has 4 bytes, but 8 were read from it before`)
			require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
		}
		require.NoError(t, again.Close())
		require.NoError(t, r.Close())
	}
	_, err := New(Config{Path: dir, Records: lineFormat(t)}).OpenPartition(t.Context(), dir, sources.Position("{"))
	require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
}

// What a truncated or damaged compressed file holds up to the damage is read, whole records only; the rest is one rejected record.
func TestDamagedCompression(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "line %d %d\n", i, i*7919%10007)
	}
	for ext, data := range map[string][]byte{".gz": gzipped(t, lines.String()), ".zst": zstded(t, lines.String())} {
		for name, cut := range map[string][]byte{"half": data[:len(data)/2], "one": data[:len(data)-1], "garbage": append(bytes.Clone(data[:len(data)/2]), bytes.Repeat([]byte{0xa5}, 5000)...)} {
			path := dir + "/x-" + name + ext
			require.NoError(t, os.WriteFile(path, cut, 0o644))
			write(t, dir+"/y.log", "next\n")
			s := readAll(t, Config{Path: dir, Records: lineFormat(t)}, nil, 0)
			require.Len(t, s.bad, 1, path)
			require.Equal(t, types.CodeDataCorrupted, s.bad[0].Err.Code)
			require.Contains(t, s.bad[0].Position, path+"@")
			require.Equal(t, "next", s.rows[len(s.rows)-1])
			for i, row := range s.rows[:len(s.rows)-1] {
				if name == "garbage" {
					break // gzip notices at its end
				}
				require.Equal(t, fmt.Sprintf("line %d %d", i, i*7919%10007), row, "%s: no half line counts", path)
			}
			if name != "garbage" && ext == ".gz" {
				require.Greater(t, len(s.rows), 5000)
			}
			for i, p := range s.positions {
				rest := readAll(t, Config{Path: dir, Records: lineFormat(t)}, p, 0)
				require.Len(t, rest.rows, len(s.rows)-s.counts[i])
				require.Len(t, rest.bad, len(s.bad)-s.badCounts[i])
			}
			require.NoError(t, os.Remove(path))
		}
	}
	write(t, dir+"/no.txt", "this is text\n")
	s := readAll(t, Config{Path: dir + "/no.txt", Compression: "gzip", Records: lineFormat(t)}, nil, 0)
	require.Len(t, s.bad, 1)
	require.ErrorContains(t, s.bad[0].Err, `no.txt" is not gzip; set compression = 'none' if it is plain`)
}

// A line of 100 MB is one rejected record; what stands around it is read.
func TestOversizedRecord(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/big.log"
	write(t, path, "before\n")
	require.NoError(t, os.Truncate(path, 100<<20)) // a hole of zeros
	appendTo(t, path, "\nafter\nlast\n")
	s := readAll(t, Config{Path: path, Records: lineFormat(t)}, nil, 1<<20)
	require.Equal(t, []string{"before", "after", "last"}, s.rows)
	require.Len(t, s.bad, 1)
	require.ErrorContains(t, s.bad[0].Err, fmt.Sprintf("record of %d bytes is longer than the limit of %d", 100<<20-7+1, maxRecord))
	require.Equal(t, path+"@7", s.bad[0].Position)
	require.Len(t, s.bad[0].Raw, rawKept)
	for i, p := range s.positions {
		rest := readAll(t, Config{Path: path, Records: lineFormat(t)}, p, 0)
		require.Equal(t, append([]string{}, s.rows[s.counts[i]:]...), append([]string{}, rest.rows...))
	}
	// Not terminated, it is waited for where the file may grow, and rejected where not.
	write(t, path, "before\n")
	require.NoError(t, os.Truncate(path, maxRecord*2))
	s = readAll(t, Config{Path: path, Records: lineFormat(t)}, nil, 1<<20)
	require.Equal(t, []string{"before"}, s.rows)
	require.Len(t, s.bad, 1)
	r := open(t, Config{Path: path, Watch: true, Records: lineFormat(t)}, nil)
	defer r.Close()
	s = &seen{}
	require.Equal(t, sources.ReadAtEnd, s.drain(t, r, 1<<20))
	require.Empty(t, s.bad)
	appendTo(t, path, "\nafter\n")
	s.await(t, r, 3)
	require.Equal(t, []string{"before", "after"}, s.rows)
}

func csvFormat(t require.TestingT) formats.RecordFormat {
	f, err := csv.New(types.Schema{{Name: "a", Type: types.Int8Type}, {Name: "b", Type: types.TextType}}, csv.Config{Delimiter: ',', Header: true})
	require.NoError(t, err)
	return f
}

// Every file begins with its header, also one whose first record is longer than what is read at once, also when watched.
func TestHeaders(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("x", 200_000)
	write(t, dir+"/1.csv", "a,b\n1,"+long+"\n2,z\n")
	write(t, dir+"/2.csv.gz", "a,b\n3,\"q,\n\"\n")
	write(t, dir+"/3.csv", "a,b\n")
	want := []string{"1|" + long, "2|z", "3|q,\n"}
	cfg := Config{Path: dir, Records: csvFormat(t)}
	s := readAll(t, cfg, nil, 0)
	require.Empty(t, s.bad)
	require.Equal(t, want, s.rows)
	for i, p := range s.positions {
		require.Equal(t, append([]string{}, want[s.counts[i]:]...), append([]string{}, readAll(t, cfg, p, 0).rows...))
	}
	cfg.Watch = true
	r := open(t, cfg, nil)
	defer r.Close()
	w := &seen{}
	w.await(t, r, 3)
	require.Equal(t, want, w.rows)
	appendTo(t, dir+"/3.csv", "4,")
	require.Equal(t, sources.ReadAtEnd, w.drain(t, r, 0))
	require.Len(t, w.rows, 3)
	appendTo(t, dir+"/3.csv", "four\n")
	w.await(t, r, 4)
	require.Equal(t, "4|four", w.rows[3])

	write(t, dir+"/wrong.csv", "x,y\n1,2\n")
	_, _, err := open(t, Config{Path: dir + "/wrong.csv", Records: csvFormat(t)}, nil).Read(t.Context(), 0)
	require.ErrorContains(t, err, dir+"/wrong.csv: ")
}

func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.log", "a\n")
	r := open(t, Config{Path: dir, Watch: true, Records: lineFormat(t)}, nil)
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := r.Read(ctx, 0)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, r.Wait(ctx), context.Canceled)
}
