package state

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/v1 anew: only while no release has written this format")

var fixtureOptions = Options{ManualFold: true, Versions: 3, VersionInterval: time.Second}

// writeFixture makes a directory with everything in it: runs, kept sections, versions folded and not, a log.
func writeFixture(t *testing.T, fs vfs.FS, dir string) {
	s, err := Open(fs, dir, fixtureOptions)
	require.NoError(t, err)
	h, w, o, v := NewHash(worldHash), NewWindowed(worldWindowed), NewOrdered(worldOrdered), NewView(19, "view", viewSchema, nil)
	slot := make([]uint32, 1)
	for e := changelog.Epoch(1); e <= 8; e++ {
		k := int64(e)
		h.FindOrInsert(one(k), slot, nil)
		*h.I64(0).At(slot[0]) = k * 10
		h.Blob(1).Set(slot[0], []byte(fmt.Sprintf("row %d", e)))
		h.Touch(slot[0])
		if e%3 == 0 {
			h.Find(one(k-2), slot)
			h.Delete(slot[0])
			w.Drop(k - 2)
		}
		part := w.Window(k)
		part.FindOrInsert(one(-k), slot, nil)
		*part.Wide(1).At(slot[0]) = [2]uint64{1, 2}
		part.Touch(slot[0])
		at, _ := o.Insert([]byte(fmt.Sprintf("key %d", e)))
		*o.F64(0).At(at) = float64(e) / 2
		o.Touch(at)
		if e == 5 {
			v.Clear()
		}
		require.NoError(t, v.Update(viewBatch([]viewRow{{k, "s", "1.50"}}, []int64{int64(e)})))
		rec := &Record{Epoch: e, Clock: int64(e) * 700_000, Meta: []byte(fmt.Sprintf("meta %d", e)),
			Tables:   []TableDelta{h.Delta(), w.Delta(), o.Delta(), v.Delta()},
			Outboxes: []Outbox{{Sink: 1, Body: []byte(fmt.Sprintf("box %d", e))}},
			Rejected: []byte(fmt.Sprintf("rejected %d", e))}
		if e%2 == 1 {
			rec.Catalog = []byte(fmt.Sprintf("catalog %d", e))
		}
		s.Published(1, e/3)
		require.NoError(t, s.Prepare(rec))
		if e == 3 || e == 5 {
			require.NoError(t, s.Fold())
		}
	}
	require.NoError(t, s.Close())
}

// describe is what a store holds, in text.
func describe(t *testing.T, s *Store) string {
	var b strings.Builder
	last := s.Last()
	fmt.Fprintf(&b, "epoch %d clock %d %s; published %d\n", last.Epoch, last.Clock, last.Meta, s.LastPublished(1))
	tables := func(l loader) {
		h, w, o, v := NewHash(worldHash), NewWindowed(worldWindowed), NewOrdered(worldOrdered), NewView(19, "view", viewSchema, nil)
		for _, t0 := range []Table{h, w, o, v} {
			require.NoError(t, l.Load(t0, nil))
		}
		slots := h.Slots(nil)
		var rows []string
		for i, slot := range slots {
			rows = append(rows, fmt.Sprintf("%s:%d:%s", h.Keys(slots)[0].ValueStr(i), *h.I64(0).At(slot), h.Blob(1).Get(slot)))
		}
		slices.Sort(rows)
		fmt.Fprintf(&b, "  hash %q\n  windows", rows)
		for _, id := range w.Windows() {
			part := w.Lookup(id)
			fmt.Fprintf(&b, " %d:%v:%v", id, part.Keys(part.Slots(nil))[0], *part.Wide(1).At(part.Slots(nil)[0]))
		}
		b.WriteString("\n  ordered")
		for c := o.First(); c.Valid(); c.Next() {
			fmt.Fprintf(&b, " %s:%v", c.Key(), *o.F64(0).At(c.Slot()))
		}
		rows = nil
		for row, weight := range scanRows(t, v.Pin()) {
			rows = append(rows, fmt.Sprintf("%v:%d", row, weight))
		}
		slices.Sort(rows)
		fmt.Fprintf(&b, "\n  view %q\n", rows)
	}
	tables(s)
	for e, err := range s.Catalog() {
		require.NoError(t, err)
		fmt.Fprintf(&b, "  %d %s\n", e.Epoch, e.Body)
	}
	for e, err := range s.Rejected(0) {
		require.NoError(t, err)
		fmt.Fprintf(&b, "  %d %s\n", e.Epoch, e.Body)
	}
	for e, err := range s.Outbox(1, 0) {
		require.NoError(t, err)
		fmt.Fprintf(&b, "  %d %d %s\n", e.Epoch, e.Clock, e.Body)
	}
	for _, v := range s.Versions() {
		r, err := s.OpenAt(v.Epoch)
		require.NoError(t, err)
		fmt.Fprintf(&b, "version %d clock %d %s\n", v.Epoch, v.Clock, r.Head().Meta)
		tables(r)
		require.NoError(t, r.Close())
	}
	return b.String()
}

// A directory of format 1 can be opened for ever; see DESIGN.md on formats. A change of the format adds a fixture, and leaves this one.
func TestFormat1(t *testing.T) {
	if *rewrite {
		require.NoError(t, os.RemoveAll("testdata/v1"))
		writeFixture(t, vfs.OS, "testdata/v1")
		require.NoError(t, os.Remove("testdata/v1/lock"))
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	s, err := Open(vfs.OS, dir, fixtureOptions)
	require.NoError(t, err)
	got := describe(t, s)
	if *rewrite {
		require.NoError(t, os.WriteFile("testdata/v1.txt", []byte(got), 0o644))
	}
	want, err := os.ReadFile("testdata/v1.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	require.Equal(t, uint64(2), s.Generation())
	require.NoError(t, s.Fold())
	require.NoError(t, s.Close())

	// What is written now reads the same.
	fs := vfs.NewMem()
	writeFixture(t, fs, "d")
	s, err = Open(fs, "d", fixtureOptions)
	require.NoError(t, err)
	require.Equal(t, string(want), describe(t, s))
	require.NoError(t, s.Close())
}

// A manifest of a later form says which program can read it.
func TestLaterFormat(t *testing.T) {
	fs := vfs.NewMem()
	require.NoError(t, fs.MkdirAll("d"))
	require.NoError(t, (&manifest{Format: formatVersion + 1, Engine: strings.Repeat("a", 32)}).write(fs, "d"))
	_, err := Open(fs, "d", Options{})
	require.ErrorContains(t, err, "it has the form 2, this program reads 1")
	require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))

	// Nor is a directory with other files taken.
	require.NoError(t, fs.MkdirAll("other"))
	require.NoError(t, writeFile(fs, "other/x.txt", []byte("mine")))
	_, err = Open(fs, "other", Options{})
	require.ErrorContains(t, err, "has files but no manifest")
}

// fixtureFiles gives fuzzing the files of the fixture with a suffix.
func fixtureFiles(f *testing.F, suffix string) {
	names, err := filepath.Glob("testdata/v1/*" + suffix)
	require.NoError(f, err)
	require.NotEmpty(f, names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
}

// Bytes that are no manifest are an error; a manifest can be written and read again.
func FuzzManifest(f *testing.F) {
	fixtureFiles(f, "MANIFEST")
	f.Fuzz(func(t *testing.T, data []byte) {
		line, _, _ := bytes.Cut(data, []byte("\n"))
		for _, data := range [][]byte{data, fmt.Appendf(nil, "%s\n%x\n", line, sumBytes(line))} {
			m, err := decodeManifest("M", data)
			if err != nil {
				continue
			}
			fs := vfs.NewMem()
			require.NoError(t, m.write(fs, "."))
			again, err := readManifest(fs, ".")
			require.NoError(t, err)
			require.Equal(t, m.files(), again.files())
			// No file of it is there.
			if len(m.files()) > 0 {
				_, err = Open(fs, ".", Options{ManualFold: true})
				require.Error(t, err)
			}
		}
	})
}

// Bytes that are no log are an error, or a log cut where a write was under way.
func FuzzLog(f *testing.F) {
	for _, suffix := range []string{".log", ".head", ".kept"} {
		fixtureFiles(f, suffix)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		engine := strings.Repeat("0", 32)
		if len(data) > logHeaderSize {
			copy(data, logHeader(engine))
		}
		fs := vfs.NewMem()
		require.NoError(t, writeFile(fs, "x", data))
		for _, end := range []int64{-1, int64(len(data))} {
			last := int64(logHeaderSize)
			n, err := scanSegment(fs, "x", "x", engine, end, func(f frame) error {
				require.Equal(t, last, f.at)
				last = f.end
				for _, e := range f.sections {
					require.LessOrEqual(t, e.offset+e.length, f.end)
				}
				return nil
			})
			if err == nil {
				require.True(t, n == last || n == 0 && len(data) <= logHeaderSize, "%d %d", n, last)
				require.LessOrEqual(t, n, int64(len(data)))
				require.True(t, end < 0 || n == end)
			}
		}
	})
}

// Runs of any rows are read, merged and applied without a panic, and a changed byte is found. (Arrow itself must never see bytes that
// were not checked: lengths in its metadata are believed.)
func FuzzRun(f *testing.F) {
	f.Add([]byte{0, 1, 0}, []byte("\x09\x01\x80\x00\x00\x00\x00\x00\x00\x05\x09\x01\x80\x00\x00\x00\x00\x00\x00\x05\x01\x02"), uint16(7), byte(1))
	f.Add([]byte{2, 0, 0}, []byte("\x00\x12\x01\x80\x00\x00\x00\x00\x00\x00\x05\x01\x80\x00\x00\x00\x00\x00\x00\x05\x04\x01a\x00\x01"), uint16(900), byte(128))
	f.Fuzz(func(t *testing.T, ops, keys []byte, at uint16, flip byte) {
		if len(ops) == 0 {
			return
		}
		spec := Spec{ID: 20, Value: modelColumns}
		schema := deltaSchema(&spec, false)
		rec := loggedRecord(schema, &spec, false, ops, keys)
		fs := vfs.NewMem()
		var runs []runInfo
		for file := range uint64(2) {
			w, err := newRunWriter(fs, ".", file, schema)
			require.NoError(t, err)
			require.NoError(t, w.add(rec))
			require.NoError(t, w.add(byOperation(rec)))
			run, err := w.finish()
			require.NoError(t, err)
			require.NoError(t, run.check())
			runs = append(runs, *run)
		}
		d := &disk{fs: fs, dir: "."}
		for _, table := range fuzzTables() {
			_ = d.applyRun(table, &runs[0], nil)
		}
		require.Len(t, sortRows([]arrow.Record{rec, rec}).rows, 2*len(ops))
		fold := &folder{d: d, runs: runs, tables: map[TableID][]uint64{20: {0, 1}}}
		d.nextFile = 2
		require.NoError(t, fold.mergeNewest(20))
		require.Len(t, fold.tables[20], min(len(fold.tables[20]), 1))

		name := runName(0)
		data, err := readFile(fs, name)
		require.NoError(t, err)
		if flip == 0 {
			return
		}
		data[int(at)%len(data)] ^= flip
		require.NoError(t, writeFile(fs, name, data))
		r, err := openRun(fs, ".", &runs[0])
		require.NoError(t, err)
		defer r.close()
		for n := 0; n < 2 && err == nil; n++ {
			_, err = r.next()
		}
		footer, _ := runs[0].chunk(2)
		require.Equal(t, int(at)%len(data) < len(data)-int(footer), err != nil)
	})
}
