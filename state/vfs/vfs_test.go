package vfs

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, f FS, name, text string, sync bool) {
	t.Helper()
	w, err := f.Create(name)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	if sync {
		require.NoError(t, w.Sync())
	}
	require.NoError(t, w.Close())
}

func read(t *testing.T, f FS, name string) string {
	t.Helper()
	r, err := f.OpenRead(name)
	require.NoError(t, err)
	defer r.Close()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

// Both file systems do the same.
func TestFileSystemsAgree(t *testing.T) {
	for name, f := range map[string]FS{"os": OS, "mem": NewMem()} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.ToSlash(t.TempDir()) + "/a/b"
			at := func(n string) string { return path.Join(dir, n) }
			require.NoError(t, f.MkdirAll(dir))
			require.NoError(t, f.MkdirAll(dir))

			write(t, f, at("x"), "hello", true)
			require.Equal(t, "hello", read(t, f, at("x")))
			w, err := f.OpenAppend(at("x"))
			require.NoError(t, err)
			_, err = io.WriteString(w, " world")
			require.NoError(t, err)
			b := make([]byte, 5)
			_, err = w.ReadAt(b, 6)
			require.NoError(t, err)
			require.Equal(t, "world", string(b))
			n, err := w.ReadAt(b, 8)
			require.Equal(t, 3, n)
			require.Equal(t, io.EOF, err)
			info, err := w.Stat()
			require.NoError(t, err)
			require.Equal(t, int64(11), info.Size())
			require.NoError(t, w.Close())
			require.Error(t, w.Close())

			require.NoError(t, f.Link(at("x"), at("y")))
			require.ErrorIs(t, f.Link(at("x"), at("y")), fs.ErrExist)
			require.NoError(t, f.Truncate(at("x"), 4))
			require.Equal(t, "hell", read(t, f, at("y")))
			write(t, f, at("z"), "other", false)
			require.NoError(t, f.Rename(at("z"), at("y")))
			require.Equal(t, "other", read(t, f, at("y")))
			require.Equal(t, "hell", read(t, f, at("x")))
			names, err := f.List(dir)
			require.NoError(t, err)
			require.Equal(t, []string{"x", "y"}, names)
			require.NoError(t, f.SyncDir(dir))

			for _, err := range []error{
				f.Rename(at("z"), at("y")), f.Remove(at("z")), f.Link(at("z"), at("w")), f.Truncate(at("z"), 0),
				func() error { _, err := f.OpenRead(at("z")); return err }(),
				func() error { _, err := f.Stat(at("z")); return err }(),
				func() error { _, err := f.List(at("z")); return err }(),
				func() error { _, err := f.Create(at("z/z")); return err }(),
			} {
				require.ErrorIs(t, err, fs.ErrNotExist)
			}

			require.Error(t, f.Remove(dir))
			require.NoError(t, f.Remove(at("x")))
			require.NoError(t, f.Remove(at("y")))
			require.NoError(t, f.Remove(dir))

			lock, err := f.Lock(path.Join(path.Dir(dir), "lock"))
			require.NoError(t, err)
			_, err = f.Lock(path.Join(path.Dir(dir), "lock"))
			var locked *LockedError
			require.ErrorAs(t, err, &locked)
			require.Positive(t, locked.PID)
			require.NoError(t, lock.Close())
			lock, err = f.Lock(path.Join(path.Dir(dir), "lock"))
			require.NoError(t, err)
			require.NoError(t, lock.Close())
		})
	}
}

// Contents survive as of their Sync, names as of their directory's.
func TestMemForgets(t *testing.T) {
	m := NewMem()
	require.NoError(t, m.MkdirAll("d"))
	write(t, m, "d/synced", "one", true)
	write(t, m, "d/unsynced", "two", false)
	require.NoError(t, m.SyncDir("d"))
	write(t, m, "d/late", "three", true)
	w, err := m.OpenAppend("d/synced")
	require.NoError(t, err)
	_, err = io.WriteString(w, "+more")
	require.NoError(t, err)

	c := m.CrashClone()
	names, err := c.List("d")
	require.NoError(t, err)
	require.Equal(t, []string{"synced", "unsynced"}, names)
	require.Equal(t, "one", read(t, c, "d/synced"))
	require.Empty(t, read(t, c, "d/unsynced"))

	require.NoError(t, w.Sync())
	require.Equal(t, "one+more", read(t, m.CrashClone(), "d/synced"))
	require.NoError(t, m.Truncate("d/synced", 2))
	require.Equal(t, "one+more", read(t, m.CrashClone(), "d/synced"))
	require.Equal(t, "on", read(t, m, "d/synced"))

	// A rename that was not synced: the old name, whole, or with luck the new one; never neither.
	require.NoError(t, m.SyncDir("d"))
	require.NoError(t, m.Rename("d/late", "d/unsynced"))
	seen := map[int]bool{}
	for seed := range uint64(20) {
		c := m.CrashCloneRand(rand.New(rand.NewPCG(seed, 0)))
		names, err := c.List("d")
		require.NoError(t, err)
		seen[len(names)] = true
		if len(names) == 2 {
			require.Equal(t, "three", read(t, c, "d/unsynced"))
		} else {
			require.Equal(t, "three", read(t, c, "d/late"))
		}
	}
	require.Len(t, seen, 2)
	require.NoError(t, m.SyncDir("d"))
	require.Equal(t, "three", read(t, m.CrashClone(), "d/unsynced"))
	_, err = m.CrashClone().Stat("d/late")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// The clone is another machine: nothing done to one is seen in the other.
func TestMemCloneIsApart(t *testing.T) {
	m := NewMem()
	write(t, m, "f", "one", true)
	require.NoError(t, m.SyncDir("."))
	lock, err := m.Lock("lock")
	require.NoError(t, err)
	defer lock.Close()
	c := m.CrashClone()
	_, err = c.Lock("lock")
	require.NoError(t, err)
	write(t, c, "f", "two", true)
	require.Equal(t, "one", read(t, m, "f"))
	w, err := m.OpenAppend("f")
	require.NoError(t, err)
	_, err = io.WriteString(w, "!")
	require.NoError(t, err)
	require.Equal(t, "two", read(t, c, "f"))
}

// Every step can be made to fail or to be the last.
func TestMemFailsAndCrashes(t *testing.T) {
	work := func(m *Mem) error {
		f, err := m.Create("a")
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, "abcd"); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		if err := m.Rename("a", "b"); err != nil {
			return err
		}
		return m.SyncDir(".")
	}
	whole := NewMem()
	require.NoError(t, work(whole))
	require.Equal(t, 5, whole.Steps())
	failure := errors.New("broken")
	for i := range whole.Steps() {
		m := NewMem()
		m.CrashAt(i)
		require.ErrorIs(t, work(m), ErrCrashed)
		require.True(t, m.Crashed())
		_, err := m.List(".")
		require.ErrorIs(t, err, ErrCrashed)
		_, err = m.CrashClone().Stat("b")
		require.ErrorIs(t, err, fs.ErrNotExist)

		m = NewMem()
		m.FailAt(i, failure)
		require.ErrorIs(t, work(m), failure)
		require.False(t, m.Crashed())
		require.NoError(t, work(m))
		require.Equal(t, "abcd", read(t, m.CrashClone(), "b"))
	}

	m := NewMem()
	m.Hook(func(op Op, name string) error {
		if op == OpRead && name == "b" {
			return failure
		}
		return nil
	})
	require.NoError(t, work(m))
	r, err := m.OpenRead("b")
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, failure)
}

// A full disk takes what still fits.
func TestMemFull(t *testing.T) {
	m := NewMem()
	m.SetFree(6)
	f, err := m.Create("a")
	require.NoError(t, err)
	_, err = io.WriteString(f, "abcd")
	require.NoError(t, err)
	n, err := io.WriteString(f, "efgh")
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
	m.SetFree(-1)
	_, err = io.WriteString(f, "gh")
	require.NoError(t, err)
	require.Equal(t, "abcdefgh", read(t, m, "a"))
}

// Of a torn write any sectors survive, never other bytes.
func TestMemTornWrites(t *testing.T) {
	m := NewMem()
	write(t, m, "a", "sync", true)
	require.NoError(t, m.SyncDir("."))
	f, err := m.OpenAppend("a")
	require.NoError(t, err)
	data := make([]byte, 3000)
	for i := range data {
		data[i] = byte(i%250) + 1
	}
	_, err = f.Write(data)
	require.NoError(t, err)
	lengths := map[int]bool{}
	for seed := range uint64(50) {
		got := read(t, m.CrashCloneRand(rand.New(rand.NewPCG(seed, 1))), "a")
		require.Equal(t, "sync", got[:4])
		lengths[len(got)] = true
		for i, b := range []byte(got[4:]) {
			require.True(t, b == 0 || b == data[i], "byte %d", i)
		}
	}
	require.Greater(t, len(lengths), 10)
}
