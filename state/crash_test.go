package state

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// play does a bit of everything to a store, always the same, and stops at the first error. could are the states that the store may then
// be in: one if nothing was under way, two if something was. done is called before each piece of work.
func play(w *world, done func(what string)) (could []*worldState, err error) {
	could = []*worldState{w.now}
	work := func(what string, f func() error) {
		if err == nil {
			done(what)
			if err = f(); err != nil {
				err = fmt.Errorf("%s: %w", what, err)
			}
		}
	}
	epochs := func(n int) {
		for range n {
			work("epoch", func() error {
				next, err := w.epoch()
				if err != nil {
					could = []*worldState{w.now, next}
				} else {
					could = []*worldState{next}
				}
				return err
			})
		}
	}
	fold := func() { work("fold", func() error { return w.s.Fold() }) }
	rollback := func(i int) {
		work("rollback", func() error {
			to := w.s.Versions()[i].Epoch
			could = []*worldState{w.now, w.history[to]}
			if err := w.rollback(to); err != nil {
				return err
			}
			could = []*worldState{w.now}
			return nil
		})
	}
	reopen := func() {
		work("close", w.s.Close)
		work("open", w.open)
	}

	work("open", w.open)
	epochs(3)
	fold()
	epochs(2)
	work("publish", func() error { w.publish(); return nil })
	reopen()
	epochs(2)
	work("savepoint", func() error { return w.s.Savepoint("point") })
	fold()
	rollback(0) // to a folded version
	epochs(5)
	rollback(len(w.kept) - 1) // to one in the log
	epochs(2)
	fold()
	reopen()
	epochs(1)
	work("close", w.s.Close)
	return could, err
}

// crashSeeds is how many random survivors of each crash are tried.
const crashSeeds = uint64(1)

func crashOptions() Options {
	return Options{ManualFold: true, Versions: 2, SegmentBytes: 2500, VersionInterval: 8 * time.Microsecond}
}

// oneOf checks that a store holds one of the states.
func oneOf(t *testing.T, s *Store, could []*worldState) *worldState {
	t.Helper()
	var why []string
	for _, want := range could {
		diff, err := want.difference(s)
		require.NoError(t, err)
		if diff == "" {
			return want
		}
		why = append(why, diff)
	}
	require.Fail(t, "the store holds no state that it may hold", "%q", why)
	return nil
}

// goOn uses a store that was recovered.
func goOn(t *testing.T, w *world, fs *vfs.Mem, could []*worldState) {
	w.fs = fs
	require.NoError(t, w.open())
	w.now = oneOf(t, w.s, could)
	for _, v := range w.s.Versions() {
		r, err := w.s.OpenAt(v.Epoch)
		require.NoError(t, err)
		if want := w.history[v.Epoch]; want != nil && v.Epoch < w.now.epoch {
			w.checkVersion(r, want)
		}
		require.NoError(t, r.Close())
	}
	_, err := w.epoch()
	require.NoError(t, err)
	require.NoError(t, w.s.Fold())
	oneOf(t, w.s, []*worldState{w.now})
	require.NoError(t, w.s.Close())
	require.NoError(t, w.open())
	oneOf(t, w.s, []*worldState{w.now})
	require.NoError(t, w.s.Close())
}

// Wherever the machine stops, the store holds all epochs that were prepared, and of the one under way all or nothing.
func TestAnyCrash(t *testing.T) {
	whole := newWorld(t, 11, crashOptions())
	_, err := play(whole, func(string) {})
	require.NoError(t, err)
	steps := whole.fs.Steps()
	require.Greater(t, steps, 150)
	for step := range steps {
		if testing.Short() && step%9 != 0 {
			continue
		}
		w := newWorld(t, 11, crashOptions())
		w.fs.CrashAt(step)
		what := ""
		could, _ := play(w, func(s string) { what = s })
		require.True(t, w.fs.Crashed())
		t.Run(fmt.Sprintf("%s/%d", what, step), func(t *testing.T) {
			w.t = t
			if w.s != nil {
				_ = w.s.Close()
			}
			was := *w
			// Nothing that was not synced survives, or some of it.
			strict := was
			strict.fs = w.fs.CrashClone()
			s, err := Open(strict.fs, worldDir, strict.opts)
			require.NoError(t, err)
			oneOf(t, s, could)
			require.NoError(t, s.Close())
			for seed := range crashSeeds {
				if step%2 == 1 && crashSeeds == 1 {
					break
				}
				fs := w.fs.CrashCloneRand(rand.New(rand.NewPCG(seed, uint64(step))))
				again := was
				again.rnd = rand.New(rand.NewPCG(1, 1))
				again.history = map[changelog.Epoch]*worldState{}
				for e, s := range was.history {
					again.history[e] = s
				}
				goOn(t, &again, fs, could)
				// A savepoint is whole or cannot be opened.
				if s, err := Open(fs, "point", Options{MustExist: true, ManualFold: true, VersionInterval: was.opts.VersionInterval}); err == nil {
					require.Equal(t, changelog.Epoch(7), s.Last().Epoch)
					_, _, _, _, err := loadWorld(s)
					require.NoError(t, err)
					require.NoError(t, s.Close())
				}
			}
		})
	}
}

// Where a step fails, it is reported, and what was prepared is there after the next start.
func TestAnyFailure(t *testing.T) {
	whole := newWorld(t, 12, crashOptions())
	_, err := play(whole, func(string) {})
	require.NoError(t, err)
	for step := range whole.fs.Steps() {
		if testing.Short() && step%9 != 0 {
			continue
		}
		w := newWorld(t, 12, crashOptions())
		var op vfs.Op
		w.fs.FailAt(step, syscall.EIO)
		count := 0
		w.fs.Hook(func(o vfs.Op, _ string) error {
			if o >= vfs.OpCreate {
				if count == step {
					op = o
				}
				count++
			}
			return nil
		})
		what := ""
		could, err := play(w, func(s string) { what = s })
		t.Run(fmt.Sprintf("%s/%s/%d", what, op, step), func(t *testing.T) {
			w.t = t
			if op != vfs.OpRemove { // what cannot be removed is removed later
				require.Error(t, err)
				require.NotEmpty(t, types.CodeOf(err))
			}
			if err != nil && w.s != nil {
				final := w.s.Prepare(&Record{Epoch: w.s.Last().Epoch + 1, Clock: 1 << 40})
				if what == "epoch" {
					require.Error(t, final, "the first error of writing is final")
					require.Equal(t, final, w.s.Prepare(&Record{Epoch: w.s.Last().Epoch + 1}))
				}
				if final == nil { // a fold or a savepoint failed: the log goes on
					next := w.now.clone()
					next.epoch, next.clock = w.s.Last().Epoch, 1<<40
					could = []*worldState{next}
				}
				_ = w.s.Close()
			}
			w.fs.Hook(nil)
			crashed := w.fs.CrashClone()
			again := *w
			again.history = map[changelog.Epoch]*worldState{}
			for e, s := range w.history {
				again.history[e] = s
			}
			switch step % 4 { // every file system is opened, some are used
			case 0:
				goOn(t, w, w.fs, could)
			case 2:
				goOn(t, &again, crashed, could)
			default:
				for _, fs := range []*vfs.Mem{w.fs, crashed} {
					s, err := Open(fs, worldDir, w.opts)
					require.NoError(t, err)
					oneOf(t, s, could)
					require.NoError(t, s.Close())
				}
			}
		})
	}
}

// A full disk is an error with its own code, and harms nothing.
func TestDiskFull(t *testing.T) {
	for free := int64(0); free < 12_000; free += 797 {
		w := newWorld(t, 13, crashOptions())
		w.fs.SetFree(free)
		could, err := play(w, func(string) {})
		require.Equal(t, types.CodeDiskFull, types.CodeOf(err), "%v", err)
		if w.s != nil {
			_ = w.s.Close()
		}
		w.fs.SetFree(-1)
		goOn(t, w, w.fs.CrashClone(), could)
	}
}

// A read that fails is an error of what needed it, and passes.
func TestReadsThatFail(t *testing.T) {
	w := newWorld(t, 14, crashOptions())
	require.NoError(t, w.open())
	for range 20 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	require.NoError(t, w.s.Fold())
	for range 5 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	for at := 0; ; at++ {
		n := 0
		w.fs.Hook(func(op vfs.Op, _ string) error {
			if op == vfs.OpRead {
				if n++; n == at+1 {
					return syscall.EIO
				}
			}
			return nil
		})
		_, err := w.now.difference(w.s)
		if n <= at {
			break
		}
		require.Equal(t, types.CodeIO, types.CodeOf(err), "%v", err)
	}
	w.fs.Hook(nil)
	w.check()
	require.NoError(t, w.s.Close())
}

// Where files cannot be linked a savepoint is a copy.
func TestSavepointOnAnotherDevice(t *testing.T) {
	w := newWorld(t, 15, crashOptions())
	require.NoError(t, w.open())
	for range 10 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	require.NoError(t, w.s.Fold())
	w.fs.Hook(func(op vfs.Op, _ string) error {
		if op == vfs.OpLink {
			return syscall.EXDEV
		}
		return nil
	})
	require.NoError(t, w.s.Savepoint("point"))
	require.Error(t, w.s.Savepoint("point"), "it is not empty")
	s, err := Open(w.fs.CrashClone(), "point", w.opts)
	require.NoError(t, err)
	oneOf(t, s, []*worldState{w.now})
	require.NoError(t, s.Close())
	require.NoError(t, w.s.Close())
}

// A flipped byte is found, or changes nothing.
func TestDamage(t *testing.T) {
	w := newWorld(t, 16, Options{ManualFold: true, Versions: 1, SegmentBytes: 1 << 20})
	require.NoError(t, w.open())
	for range 6 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	require.NoError(t, w.s.Fold())
	for range 3 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	require.NoError(t, w.s.Close())
	names, err := w.fs.List(worldDir)
	require.NoError(t, err)
	require.Greater(t, len(names), 6)
	found := 0
	for _, name := range names {
		if name == lockName {
			continue
		}
		name = path.Join(worldDir, name)
		f, err := w.fs.OpenRead(name)
		require.NoError(t, err)
		data, err := io.ReadAll(f)
		require.NoError(t, err)
		for at := 0; at < len(data); at += 1 + len(data)/60 {
			for _, cut := range []bool{false, true} {
				fs := w.fs.CrashClone()
				if cut {
					require.NoError(t, fs.Truncate(name, int64(at)))
				} else {
					damaged := append([]byte(nil), data...)
					damaged[at] ^= 1 << (at % 8)
					require.NoError(t, writeFile(fs, name, damaged))
				}
				s, err := Open(fs, worldDir, w.opts)
				if err == nil {
					diff, derr := w.now.difference(s)
					if err = derr; err == nil {
						require.Empty(t, diff, "%s byte %d", name, at)
					}
					require.NoError(t, s.Close())
				}
				if err != nil {
					var damage *CorruptionError
					require.True(t, errors.As(err, &damage), "%s byte %d: %v", name, at, err)
					require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
					found++
				}
			}
		}
		fs := w.fs.CrashClone()
		require.NoError(t, fs.Remove(name))
		if s, err := Open(fs, worldDir, w.opts); err == nil {
			_, err = w.now.difference(s)
			require.Error(t, err, name)
			require.NoError(t, s.Close())
		}
	}
	require.Greater(t, found, 500)
}
