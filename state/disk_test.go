package state

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(vfs.OS, dir, Options{SegmentBytes: 4096})
	require.NoError(t, err)
	return s
}

// A directory gives back, after being closed or not, what was prepared and not published.
func TestDiskReopens(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, dir)
	require.Equal(t, uint64(1), s.Generation())
	for e := changelog.Epoch(1); e <= 100; e++ {
		rec := &Record{Epoch: e, Clock: int64(e) * 10, Meta: []byte{byte(e)}, Outboxes: []Outbox{{Sink: 7, Body: []byte{byte(e), 1}}}}
		if e%10 == 0 {
			rec.Catalog = []byte{byte(e)}
			s.Published(7, e-5)
		}
		require.NoError(t, s.Prepare(rec))
	}
	id := s.EngineID()
	require.NoError(t, s.Close())

	// The directory is there, and is no other.
	_, err := Open(vfs.OS, dir+"2", Options{MustExist: true})
	require.Equal(t, types.CodeUndefinedFile, types.CodeOf(err))
	s, err = Open(vfs.OS, dir, Options{MustExist: true})
	require.NoError(t, err)
	defer s.Close()
	require.Equal(t, id, s.EngineID())
	require.Equal(t, uint64(2), s.Generation())
	require.Equal(t, Head{Epoch: 100, Clock: 1000, Meta: []byte{100}}, s.Last())
	require.Equal(t, changelog.Epoch(95), s.LastPublished(7))
	var epochs []changelog.Epoch
	for o, err := range s.Outbox(7, 97) {
		require.NoError(t, err)
		require.Equal(t, []byte{byte(o.Epoch), 1}, o.Body)
		epochs = append(epochs, o.Epoch)
	}
	require.Equal(t, []changelog.Epoch{98, 99, 100}, epochs)
	var last CatalogEntry
	for c, err := range s.Catalog() {
		require.NoError(t, err)
		require.Greater(t, c.Epoch, last.Epoch)
		last = c
	}
	require.Equal(t, CatalogEntry{Epoch: 100, Body: []byte{100}}, last)

	_, err = Open(vfs.OS, dir, Options{})
	require.Equal(t, types.CodeObjectInUse, types.CodeOf(err))
}

// Only what a write under way leaves behind is cut; anything else is damage.
func TestDiskTornTail(t *testing.T) {
	const dir = "d/state"
	var log string
	write := func(n changelog.Epoch) *vfs.Mem {
		fs := vfs.NewMem()
		s, err := Open(fs, dir, Options{})
		require.NoError(t, err)
		for e := changelog.Epoch(1); e <= n; e++ {
			require.NoError(t, s.Prepare(&Record{Epoch: e, Meta: []byte("some meta that is long enough to be seen, with a sector of zeros" + strings.Repeat("\x00", 1100))}))
		}
		log = filepath.Join(dir, s.disk.man.Log[0].File)
		crashed := fs.CrashClone()
		require.NoError(t, s.Close())
		return crashed
	}
	fs := write(3)
	whole, err := readFile(fs, log)
	require.NoError(t, err)
	frame := (len(whole) - logHeaderSize) / 3
	for cut := len(whole) - 1; cut > len(whole)-frame; cut -= 11 {
		fs := fs.CrashClone()
		require.NoError(t, fs.Truncate(log, int64(cut)))
		s, err := Open(fs, dir, Options{})
		require.NoError(t, err)
		require.Equal(t, changelog.Epoch(2), s.Last().Epoch)
		require.NoError(t, s.Close())
	}
	damaged := func(epochs changelog.Epoch, data []byte, what string, at int) {
		fs := fs.CrashClone()
		require.NoError(t, writeFile(fs, log, data))
		s, err := Open(fs, dir, Options{})
		if epochs > 0 {
			require.NoError(t, err, "%s %d", what, at)
			require.Equal(t, epochs, s.Last().Epoch)
			require.NoError(t, s.Close())
			return
		}
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage, "%s %d", what, at)
	}
	// A flipped bit is damage wherever no other frame says that the write was over, or no sector of zeros is there to say that it was not.
	for at := 0; at < len(whole)-frame; at += 7 {
		data := bytes.Clone(whole)
		data[at] ^= 0x20
		damaged(0, data, "flipped", at)
	}
	// Sectors of the last write that are not there.
	for at := len(whole) - frame; at < len(whole); at = at - at%sectorSize + sectorSize {
		data := bytes.Clone(whole)
		clear(data[at:min(at-at%sectorSize+sectorSize, len(data))])
		if bytes.Equal(data, whole) {
			continue // it was zeros
		}
		damaged(2, data, "not written", at)
	}
	// Sectors of older writes that are gone.
	for at := logHeaderSize; at < len(whole)-frame-sectorSize; at = at - at%sectorSize + sectorSize {
		data := bytes.Clone(whole)
		clear(data[at : at-at%sectorSize+sectorSize])
		if !bytes.Equal(data, whole) {
			damaged(0, data, "lost", at)
		}
	}
}

// A savepoint shares files with a directory that goes on, and is not touched by it.
func TestSavepointOnDisk(t *testing.T) {
	root := t.TempDir()
	s := openStore(t, filepath.Join(root, "state"))
	h := NewHash(countSpec())
	slot := make([]uint32, 1)
	epoch := func(k int64) {
		h.FindOrInsert(one(k), slot, nil)
		*h.I64(0).At(slot[0])++
		h.Touch(slot[0])
		require.NoError(t, s.Prepare(&Record{Epoch: s.Last().Epoch + 1, Tables: []TableDelta{h.Delta()}}))
	}
	for k := range int64(50) {
		epoch(k)
	}
	require.NoError(t, s.Fold())
	epoch(50)
	point := filepath.Join(root, "point")
	require.NoError(t, s.Savepoint(point))
	for k := range int64(100) {
		epoch(k)
	}
	require.NoError(t, s.Fold())
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(root, "state")))

	s = openStore(t, point)
	loaded := NewHash(countSpec())
	require.NoError(t, s.Load(loaded, nil))
	require.Equal(t, 51, loaded.Len())
	for _, slot := range loaded.Slots(nil) {
		require.Equal(t, int64(1), *loaded.I64(0).At(slot))
	}
	require.NoError(t, s.Close())
}
