package state

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// Runs of several chunks are sorted, merged and loaded; what is gone leaves the disk.
func TestFoldManyRows(t *testing.T) {
	s, err := Open(vfs.NewMem(), "d", Options{ManualFold: true})
	require.NoError(t, err)
	spec := Spec{ID: 16, Name: "t", Key: []types.Type{types.Int8Type}, Value: []ColumnSpec{{"n", Int64}}, Dist: 1}
	win := Spec{ID: 17, Name: "w", Key: []types.Type{types.Int8Type, types.TextType}, Value: []ColumnSpec{{"s", Bytes}}, Dist: 1, Windowed: true}
	h, w := NewHash(spec), NewWindowed(win)
	want, windows := map[int64]int64{}, map[int64]int{}
	rnd := rand.New(rand.NewPCG(5, 6))
	const keys = 50_000
	slots := make([]uint32, keys)
	for epoch := changelog.Epoch(1); epoch <= 8; epoch++ {
		var vals []int64
		for range keys * 2 / 3 {
			vals = append(vals, int64(rnd.IntN(keys)))
		}
		h.FindOrInsert(KeyBatch{Cols: columns(int64Array(vals)), N: len(vals)}, slots[:len(vals)], nil)
		for i, slot := range slots[:len(vals)] {
			*h.I64(0).At(slot) = int64(epoch)<<32 | int64(i)
			h.Touch(slot)
			want[vals[i]] = int64(epoch)<<32 | int64(i)
		}
		gone := h.Slots(nil)
		for i, k := range h.Keys(gone)[0].(*array.Int64).Int64Values() {
			if rnd.IntN(5) == 0 || epoch == 6 {
				h.Delete(gone[i])
				delete(want, k)
			}
		}
		w.Drop(int64(epoch) - 3)
		delete(windows, int64(epoch)-3)
		texts := changelog.NewBuilder(types.TextType).(*array.StringBuilder)
		for i := range 9 {
			texts.Append(fmt.Sprint(i))
		}
		part := w.Window(int64(epoch))
		part.FindOrInsert(KeyBatch{Cols: columns(texts.NewArray()), N: 9}, slots[:9], nil)
		for _, slot := range slots[:9] {
			part.Blob(0).Set(slot, []byte(strings.Repeat("x", 1<<19))) // so much that it fills more than a chunk
			part.Touch(slot)
		}
		windows[int64(epoch)] = 9
		require.NoError(t, s.Prepare(&Record{Epoch: epoch, Tables: []TableDelta{h.Delta(), w.Delta()}}))
		if epoch%2 != 0 {
			continue
		}
		require.NoError(t, s.Fold())
		loaded, parts := NewHash(spec), NewWindowed(win)
		require.NoError(t, s.Load(loaded, nil))
		require.NoError(t, s.Load(parts, nil))
		require.Equal(t, len(want), loaded.Len())
		all := loaded.Slots(nil)
		for i, k := range loaded.Keys(all)[0].(*array.Int64).Int64Values() {
			if want[k] != *loaded.I64(0).At(all[i]) {
				require.Equal(t, want[k], *loaded.I64(0).At(all[i]), "key %d", k)
			}
		}
		require.Equal(t, len(windows), len(parts.Windows()))
		require.Equal(t, 9*len(windows), parts.Len())
		for _, id := range parts.Windows() {
			require.Equal(t, windows[id], parts.Lookup(id).Len())
		}
	}
	require.Less(t, s.Stats().Tables[0].Rows, int64(3*keys))
	require.Less(t, s.Stats().Tables[1].Bytes, int64(80<<20))
	require.NoError(t, s.Close())
}

// Outboxes outlive the log until they are published, without being written again and again.
func TestKeptOutboxes(t *testing.T) {
	fs := vfs.NewMem()
	opts := Options{ManualFold: true}
	s, err := Open(fs, "d", opts)
	require.NoError(t, err)
	body := func(sink uint64, e changelog.Epoch) []byte {
		return []byte(strings.Repeat(fmt.Sprintf("%d/%d ", sink, e), 20_000))
	}
	epoch := changelog.Epoch(0)
	prepare := func(rec Record) {
		epoch++
		rec.Epoch = epoch
		require.NoError(t, s.Prepare(&rec))
	}
	check := func(sink uint64, from changelog.Epoch) {
		t.Helper()
		want := from
		for o, err := range s.Outbox(sink, from-1) {
			require.NoError(t, err)
			require.Equal(t, want, o.Epoch)
			require.Equal(t, string(body(sink, want)), string(o.Body))
			want++
		}
		require.Equal(t, changelog.Epoch(61), want)
	}
	for range 60 {
		prepare(Record{Outboxes: []Outbox{{1, body(1, epoch+1)}, {2, body(2, epoch+1)}}})
		if epoch%20 == 0 {
			require.NoError(t, s.Fold())
		}
	}
	kept := func() (n int, bytes int64) {
		for _, k := range s.disk.man.Kept {
			bytes += k.Bytes
		}
		return len(s.disk.man.Kept), bytes
	}
	n, size := kept()
	require.Equal(t, 3, n, "files of which all is needed stay as they are")
	check(1, 1)
	check(2, 1)
	s.Published(1, 30)
	s.Published(2, 25)
	prepare(Record{})
	require.NoError(t, s.Fold())
	check(1, 31)
	check(2, 26)
	_, less := kept()
	require.Less(t, less, size*3/4)
	prepare(Record{DropSink: []uint64{1}})
	require.NoError(t, s.Fold())
	check(2, 26)
	require.NoError(t, s.Close())
	s, err = Open(fs, "d", opts)
	require.NoError(t, err)
	check(2, 26)
	for range s.Outbox(1, 0) {
		require.Fail(t, "the sink was dropped")
	}
	s.Published(2, epoch)
	prepare(Record{})
	require.NoError(t, s.Fold())
	n, _ = kept()
	require.Zero(t, n)
	require.NoError(t, s.Close())
}

// Old rejected rows go at last.
func TestKeptRejects(t *testing.T) {
	s, err := Open(vfs.NewMem(), "d", Options{ManualFold: true})
	require.NoError(t, err)
	body := []byte(strings.Repeat("r", 1<<20))
	for e := changelog.Epoch(1); e <= 40; e++ {
		require.NoError(t, s.Prepare(&Record{Epoch: e, Rejected: body}))
		if e%4 == 0 {
			require.NoError(t, s.Fold())
		}
	}
	n, last := 0, changelog.Epoch(0)
	for r, err := range s.Rejected(0) {
		require.NoError(t, err)
		require.Len(t, r.Body, 1<<20)
		n, last = n+1, r.Epoch
	}
	require.Equal(t, 16, n)
	require.Equal(t, changelog.Epoch(40), last)
	require.Less(t, s.Stats().LogBytes, int64(36<<20))
	require.NoError(t, s.Close())
}

// If the log cannot be folded, it grows to its bound and no further; nothing is lost.
func TestFoldingThatFails(t *testing.T) {
	w := newWorld(t, 21, Options{Versions: 3, SegmentBytes: 2000})
	require.NoError(t, w.open())
	w.fs.Hook(func(op vfs.Op, name string) error {
		if op == vfs.OpCreate && strings.HasSuffix(name, ".arrow") {
			return syscall.ENOSPC
		}
		return nil
	})
	var err error
	for range 2000 {
		if _, err = w.epoch(); err != nil {
			break
		}
	}
	require.ErrorContains(t, err, "cannot be folded")
	require.Equal(t, types.CodeDiskFull, types.CodeOf(err))
	require.LessOrEqual(t, w.s.Stats().LogBytes, int64(3000*(maxUnfolded+2)))
	require.Equal(t, err, w.s.Close())
	w.fs.Hook(nil)
	require.NoError(t, w.open())
	w.check()
	for range 50 {
		_, err := w.epoch()
		require.NoError(t, err)
	}
	require.NoError(t, w.s.Fold())
	w.check()
	require.NoError(t, w.s.Close())
}

// Reading, versions and savepoints go on beside Prepare and folding.
func TestConcurrent(t *testing.T) {
	w := newWorld(t, 22, Options{Versions: 3, SegmentBytes: 3000})
	require.NoError(t, w.open())
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var states sync.Map // epoch to state
	beside := func(f func(i int)) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					f(i)
				}
			}
		})
	}
	beside(func(int) {
		_, _, _, _, err := loadWorld(w.s)
		if err != nil {
			t.Error(err)
		}
		for _, err := range w.s.Rejected(0) {
			if err != nil {
				t.Error(err)
			}
		}
		w.s.Stats()
	})
	beside(func(int) {
		versions := w.s.Versions()
		if len(versions) == 0 {
			return
		}
		r, err := w.s.OpenAt(versions[len(versions)-1].Epoch)
		if err != nil {
			return // it is too old by now
		}
		defer r.Close()
		if want, ok := states.Load(r.Head().Epoch); ok {
			if diff, err := want.(*worldState).differenceOfTables(r); diff != "" || err != nil {
				t.Error(diff, err)
			}
		}
	})
	beside(func(i int) {
		if i > 5 {
			<-stop
			return
		}
		if err := w.s.Savepoint(fmt.Sprintf("points/%d", i)); err != nil {
			t.Error(err)
		}
		if err := w.s.Fold(); err != nil {
			t.Error(err)
		}
	})
	for range 300 {
		next, err := w.epoch()
		require.NoError(t, err)
		states.Store(next.epoch, next)
	}
	close(stop)
	wg.Wait()
	w.check()
	w.checkVersions(w.s)
	require.NoError(t, w.s.Close())
	for i := range 6 { // not all need be there
		s, err := Open(w.fs, fmt.Sprintf("points/%d", i), w.opts)
		require.NoError(t, err)
		if want, ok := states.Load(s.Last().Epoch); ok {
			oneOf(t, s, []*worldState{want.(*worldState)})
		}
		require.NoError(t, s.Close())
	}
}
