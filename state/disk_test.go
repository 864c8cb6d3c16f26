package state

import (
	"os"
	"path/filepath"
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

	s = openStore(t, dir)
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

	_, err := Open(vfs.OS, dir, Options{})
	require.Equal(t, types.CodeObjectInUse, types.CodeOf(err))
}

// Only what a write under way leaves behind is cut; anything else is damage.
func TestDiskTornTail(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	write := func(n changelog.Epoch) string {
		require.NoError(t, os.RemoveAll(dir))
		s := openStore(t, dir)
		for e := changelog.Epoch(1); e <= n; e++ {
			require.NoError(t, s.Prepare(&Record{Epoch: e, Meta: []byte("some meta that is long enough to be seen")}))
		}
		s.disk.file.Close() // as a crash would
		s.disk.lock.Close()
		return filepath.Join(dir, s.disk.man.Log[0].File)
	}
	log := write(3)
	whole, err := os.ReadFile(log)
	require.NoError(t, err)
	for cut := len(whole) - 1; cut > len(whole)-100; cut-- {
		log = write(3)
		require.NoError(t, os.Truncate(log, int64(cut)))
		s := openStore(t, dir)
		require.Less(t, s.Last().Epoch, changelog.Epoch(3))
		require.NoError(t, s.Close())
	}
	for at := 0; at < len(whole); at += 7 {
		log = write(3)
		data, err := os.ReadFile(log)
		require.NoError(t, err)
		data[at] ^= 0x20
		require.NoError(t, os.WriteFile(log, data, 0o644))
		_, err = Open(vfs.OS, dir, Options{})
		var damage *CorruptionError
		require.ErrorAs(t, err, &damage, "byte %d", at)
	}
}
