package state

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// few lowers rapid's default number of checks.
func few(t *testing.T, n int) {
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		require.NoError(t, checks.Value.Set(fmt.Sprint(n)))
		t.Cleanup(func() { _ = checks.Value.Set(checks.DefValue) })
	}
}

// Whatever is done to a store, it holds what Go maps hold, now and at every version.
func TestStoreModel(t *testing.T) {
	few(t, 25)
	rapid.Check(t, func(rt *rapid.T) {
		opts := Options{ManualFold: rapid.Bool().Draw(rt, "manual"), Versions: rapid.IntRange(1, 5).Draw(rt, "versions"),
			SegmentBytes: rapid.SampledFrom([]int64{1, 3000, 20000}).Draw(rt, "segment")}
		w := newWorld(rt, rapid.Uint64().Draw(rt, "seed"), opts)
		require.NoError(rt, w.open())
		points := 0
		epochs := func(rt *rapid.T) {
			for range rapid.IntRange(1, 12).Draw(rt, "n") {
				_, err := w.epoch()
				require.NoError(rt, err)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"epochs":  epochs,
			"epochs2": epochs,
			"publish": func(*rapid.T) { w.publish() },
			"fold": func(rt *rapid.T) {
				require.NoError(rt, w.s.Fold())
				require.Zero(rt, w.s.Stats().FoldLag)
			},
			"restart": func(rt *rapid.T) {
				generation := w.s.Generation()
				require.NoError(rt, w.s.Close())
				require.NoError(rt, w.open())
				require.Greater(rt, w.s.Generation(), generation)
				for sink, e := range w.published {
					require.Equal(rt, e, w.s.LastPublished(sink))
				}
			},
			"crash": func(rt *rapid.T) {
				old := w.s
				w.fs = w.fs.CrashCloneRand(rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "lost"), 0)))
				require.NoError(rt, w.open())
				require.NoError(rt, old.Close())
				for sink, e := range w.published { // what was not logged yet is forgotten
					require.LessOrEqual(rt, w.s.LastPublished(sink), e)
					w.published[sink] = w.s.LastPublished(sink)
				}
			},
			"versions": func(*rapid.T) { w.checkVersions(w.s) },
			"rollback": func(rt *rapid.T) {
				if v := w.s.Versions(); len(v) > 0 {
					generation := w.s.Generation()
					require.NoError(rt, w.rollback(rapid.SampledFrom(v).Draw(rt, "version").Epoch))
					require.Equal(rt, generation+1, w.s.Generation())
				}
			},
			"savepoint": func(rt *rapid.T) {
				points++
				dir := fmt.Sprintf("points/%d", points)
				require.NoError(rt, w.s.Savepoint(dir))
				s, err := Open(w.fs.CrashClone(), dir, w.opts)
				require.NoError(rt, err)
				diff, err := w.now.difference(s)
				require.NoError(rt, err)
				require.Empty(rt, diff)
				w.checkKept(s)
				require.Equal(rt, w.s.EngineID(), s.EngineID())
				w.checkVersions(s)
				require.NoError(rt, s.Close())
			},
			"check": func(*rapid.T) { w.check() },
			"":      func(rt *rapid.T) { require.Equal(rt, w.now.epoch, w.s.Last().Epoch) },
		})
		w.check()
		w.checkVersions(w.s)
		require.NoError(rt, w.s.Close())
	})
}

// A version that is open for reading stays as it is, whatever becomes of the store.
func TestVersionReaderStays(t *testing.T) {
	for _, folded := range []bool{false, true} {
		w := newWorld(t, 3, Options{ManualFold: true, Versions: 2, SegmentBytes: 2000})
		require.NoError(t, w.open())
		epochs := func(n int) {
			for range n {
				_, err := w.epoch()
				require.NoError(t, err)
			}
		}
		epochs(30)
		if folded {
			require.NoError(t, w.s.Fold())
		}
		at := w.s.Versions()[0].Epoch
		r, err := w.s.OpenAt(at)
		require.NoError(t, err)
		want := w.history[at]
		for range 5 {
			epochs(20)
			require.NoError(t, w.s.Fold())
		}
		w.checkVersion(r, want)
		_, err = w.s.OpenAt(at)
		require.Equal(t, types.CodeUndefinedObject, types.CodeOf(err))
		require.Equal(t, types.CodeUndefinedObject, types.CodeOf(w.s.RollbackTo(at)))
		require.NoError(t, w.rollback(w.s.Versions()[0].Epoch))
		epochs(20)
		require.NoError(t, w.s.Fold())
		w.checkVersion(r, want)

		// Its files go with it.
		before, err := w.fs.List(worldDir)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		after, err := w.fs.List(worldDir)
		require.NoError(t, err)
		require.Less(t, len(after), len(before))
		require.NoError(t, w.s.Close())
		require.NoError(t, w.open())
		w.check()
		require.NoError(t, w.s.Close())
	}
}

// The log does not grow with the number of epochs, nor does what a table leaves on disk, if what they hold does not.
func TestSizeIsBounded(t *testing.T) {
	w := newWorld(t, 5, Options{Versions: 2, SegmentBytes: 10_000})
	require.NoError(t, w.open())
	for range 1500 {
		_, err := w.epoch()
		require.NoError(t, err)
		w.now.rejects = map[changelog.Epoch]string{} // these are kept
		for sink := range w.now.outboxes {
			w.published[sink] = w.now.epoch
			w.s.Published(sink, w.now.epoch)
		}
		require.LessOrEqual(t, w.s.Stats().LogBytes, int64((maxUnfolded+2)*12_000+100_000))
	}
	require.NoError(t, w.s.Fold())
	st := w.s.Stats()
	require.Less(t, st.LogBytes, int64(100_000))
	require.Less(t, st.SnapshotBytes, int64(100_000))
	for _, table := range st.Tables {
		require.LessOrEqual(t, table.Runs, 8)
	}
	names, err := w.fs.List(worldDir)
	require.NoError(t, err)
	require.Less(t, len(names), 60, "%q", names)
	require.NoError(t, w.s.Close())
}

// A store in memory keeps nothing and says so.
func TestMemoryStore(t *testing.T) {
	s, err := Open(nil, "", Options{})
	require.NoError(t, err)
	require.False(t, s.Durable())
	require.NoError(t, s.Prepare(&Record{Epoch: 1, Clock: 5, Meta: []byte("m")}))
	require.Equal(t, Head{1, 5, []byte("m")}, s.Last())
	require.Empty(t, s.Versions())
	_, err = s.OpenAt(1)
	require.Equal(t, types.CodeNotSupported, types.CodeOf(err))
	require.Equal(t, types.CodeNotSupported, types.CodeOf(s.RollbackTo(1)))
	require.Equal(t, types.CodeNotSupported, types.CodeOf(s.Savepoint("x")))
	require.NoError(t, s.Load(NewHash(countSpec()), nil))
	require.NoError(t, s.Fold())
	require.NoError(t, s.Close())
}
