package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// worldState is what a store must hold after an epoch, in Go maps. Tables' rows are by key.
type worldState struct {
	epoch    changelog.Epoch
	clock    int64
	meta     string
	catalog  string
	hash     map[int64]string
	windowed map[[2]int64]string
	ordered  map[string]string
	view     map[viewRow]int64
	dropped  bool // the ordered table
	outboxes map[uint64]map[changelog.Epoch]string
	rejects  map[changelog.Epoch]string
}

func (want *worldState) clone() *worldState {
	c := *want
	c.hash, c.windowed, c.ordered, c.view, c.rejects = maps.Clone(want.hash), maps.Clone(want.windowed), maps.Clone(want.ordered), maps.Clone(want.view), maps.Clone(want.rejects)
	c.outboxes = map[uint64]map[changelog.Epoch]string{}
	for sink, boxes := range want.outboxes {
		c.outboxes[sink] = maps.Clone(boxes)
	}
	return &c
}

// world is an engine in small: tables of all kinds, one of them split between two workers, over a store, and what they must hold.
type world struct {
	t    require.TestingT
	rnd  *rand.Rand
	fs   *vfs.Mem
	opts Options
	s    *Store

	hash     *Hash
	windowed [2]*Windowed
	ordered  *Ordered
	view     *View

	now       *worldState
	history   map[changelog.Epoch]*worldState
	versions  []Version // all
	kept      []Version // that the store must know; after a rollback it may know more
	published map[uint64]changelog.Epoch
}

const worldDir = "d/state"

var (
	worldHash     = Spec{ID: 16, Name: "hash", Key: []types.Type{types.Int8Type}, Value: []ColumnSpec{{"n", Int64}, {"s", Bytes}}, Dist: 1}
	worldWindowed = Spec{ID: 17, Name: "windowed", Key: []types.Type{types.Int8Type, types.Int8Type}, Value: []ColumnSpec{{"s", Bytes}, {"w", Wide}}, Dist: 1, Windowed: true}
	worldOrdered  = Spec{ID: 18, Name: "ordered", Key: []types.Type{types.TextType}, Value: []ColumnSpec{{"f", Float64}, {"s", Bytes}}}
)

func half(i int) func(uint64) bool { return func(h uint64) bool { return h>>63 == uint64(i) } }

func newWorld(t require.TestingT, seed uint64, opts Options) *world {
	if opts.VersionInterval == 0 {
		opts.VersionInterval = 10 * time.Microsecond
	}
	return &world{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), fs: vfs.NewMem(), opts: opts,
		now: &worldState{hash: map[int64]string{}, windowed: map[[2]int64]string{}, ordered: map[string]string{}, view: map[viewRow]int64{},
			outboxes: map[uint64]map[changelog.Epoch]string{1: {}, 2: {}}, rejects: map[changelog.Epoch]string{}},
		history: map[changelog.Epoch]*worldState{}, published: map[uint64]changelog.Epoch{}}
}

// open opens the store and loads the tables.
func (w *world) open() error {
	s, err := Open(w.fs, worldDir, w.opts)
	if err != nil {
		return err
	}
	w.s = s
	return w.load()
}

type loader interface {
	Load(Table, func(uint64) bool) error
}

func (w *world) load() (err error) {
	w.hash, w.windowed, w.ordered, w.view, err = loadWorld(w.s)
	return err
}

func loadWorld(l loader) (h *Hash, win [2]*Windowed, o *Ordered, v *View, err error) {
	h, o, v = NewHash(worldHash), NewOrdered(worldOrdered), NewView(19, "view", viewSchema, nil)
	win = [2]*Windowed{NewWindowed(worldWindowed), NewWindowed(worldWindowed)}
	for _, f := range []func() error{
		func() error { return l.Load(h, nil) }, func() error { return l.Load(o, nil) }, func() error { return l.Load(v, nil) },
		func() error { return l.Load(win[0], half(0)) }, func() error { return l.Load(win[1], half(1)) },
	} {
		if err = f(); err != nil {
			return
		}
	}
	return
}

func one(v int64) KeyBatch { return KeyBatch{Cols: columns(int64Array([]int64{v})), N: 1} }

// epoch changes the tables at random, and prepares that. It returns the state that the epoch leads to, also if preparing it failed.
func (w *world) epoch() (*worldState, error) {
	next := w.now.clone()
	next.epoch++
	next.clock += int64(w.rnd.IntN(9))
	rec := &Record{Epoch: next.epoch, Clock: next.clock}
	text := func() string { return fmt.Sprintf("%d.%d", next.epoch, w.rnd.IntN(1000)) }
	slot := make([]uint32, 1)
	for range w.rnd.IntN(12) {
		k := int64(w.rnd.IntN(30))
		if w.rnd.IntN(3) == 0 {
			w.hash.Find(one(k), slot)
			if slot[0] != NoSlot {
				w.hash.Delete(slot[0])
			}
			delete(next.hash, k)
			continue
		}
		w.hash.FindOrInsert(one(k), slot, nil)
		v := text()
		*w.hash.I64(0).At(slot[0]) = k
		w.hash.Blob(1).Set(slot[0], []byte(v))
		w.hash.Touch(slot[0])
		next.hash[k] = v
	}
	if w.rnd.IntN(3) == 0 { // all workers drop a window, and may begin it again in the same epoch
		win := int64(w.rnd.IntN(4))
		w.windowed[0].Drop(win)
		w.windowed[1].Drop(win)
		maps.DeleteFunc(next.windowed, func(k [2]int64, _ string) bool { return k[0] == win })
	}
	for range w.rnd.IntN(8) {
		win, k := int64(w.rnd.IntN(4)), int64(w.rnd.IntN(10))
		var h [1]uint64
		changelog.Hash(one(k).Cols, worldWindowed.Key[1:], 1, nil, h[:])
		t := w.windowed[h[0]>>63].Window(win)
		t.FindOrInsert(one(k), slot, nil)
		v := text()
		t.Blob(0).Set(slot[0], []byte(v))
		t.Touch(slot[0])
		next.windowed[[2]int64{win, k}] = v
	}
	for range w.rnd.IntN(6) {
		if next.dropped {
			break
		}
		k := fmt.Sprintf("%c%c", 'a'+rune(w.rnd.IntN(3)), 'a'+rune(w.rnd.IntN(5)))
		switch w.rnd.IntN(4) {
		case 0:
			w.ordered.DeletePrefix([]byte(k[:1]))
			maps.DeleteFunc(next.ordered, func(o, _ string) bool { return o[0] == k[0] })
		default:
			s, _ := w.ordered.Insert([]byte(k))
			v := text()
			w.ordered.Blob(1).Set(s, []byte(v))
			w.ordered.Touch(s)
			next.ordered[k] = v
		}
	}
	if w.rnd.IntN(10) == 0 {
		w.view.Clear()
		clear(next.view)
	}
	for range w.rnd.IntN(4) {
		row := viewRow{int64(w.rnd.IntN(6)), string(rune('a' + w.rnd.IntN(3))), fmt.Sprint(w.rnd.IntN(4))}
		weight := int64(1)
		if next.view[row] > 0 && w.rnd.IntN(2) == 0 {
			weight = -1
		}
		require.NoError(w.t, w.view.Update(viewBatch([]viewRow{row}, []int64{weight})))
		if next.view[row] += weight; next.view[row] == 0 {
			delete(next.view, row)
		}
	}
	for _, t := range []Table{w.hash, w.windowed[0], w.windowed[1], w.ordered, w.view} {
		d := t.Delta()
		if t == Table(w.ordered) && next.dropped {
			continue
		}
		rec.Tables = append(rec.Tables, d)
	}
	if !next.dropped && w.rnd.IntN(40) == 0 {
		next.dropped = true
		clear(next.ordered)
		rec.DropTable = []TableID{worldOrdered.ID}
	}
	if w.rnd.IntN(2) == 0 {
		next.meta = text()
		rec.Meta = []byte(next.meta)
	}
	if w.rnd.IntN(5) == 0 {
		next.catalog = text()
		rec.Catalog = []byte(next.catalog)
	}
	if w.rnd.IntN(4) == 0 {
		next.rejects[next.epoch] = text()
		rec.Rejected = []byte(next.rejects[next.epoch])
	}
	for sink := range uint64(2) {
		sink++
		if boxes := next.outboxes[sink]; w.rnd.IntN(3) == 0 {
			boxes[next.epoch] = text()
			rec.Outboxes = append(rec.Outboxes, Outbox{Sink: sink, Body: []byte(boxes[next.epoch])})
		}
	}
	if w.rnd.IntN(30) == 0 { // as engines do: once all is published
		w.published[2] = w.now.epoch
		w.s.Published(2, w.now.epoch)
		clear(next.outboxes[2])
		rec.Outboxes = slices.DeleteFunc(rec.Outboxes, func(o Outbox) bool { return o.Sink == 2 })
		rec.DropSink = []uint64{2}
	}
	if err := w.s.Prepare(rec); err != nil {
		return next, err
	}
	w.became(next)
	return next, nil
}

// became notes the state after an epoch.
func (w *world) became(next *worldState) {
	w.now = next
	w.history[next.epoch] = next
	if n := len(w.versions); n == 0 || next.clock >= w.versions[n-1].Clock+w.opts.VersionInterval.Microseconds() {
		w.versions = append(w.versions, Version{next.epoch, next.clock})
		w.kept = append(w.kept, Version{next.epoch, next.clock})
		w.kept = w.kept[max(0, len(w.kept)-w.opts.Versions):]
	}
}

// publish says that a sink has published some of what is prepared.
func (w *world) publish() {
	sink := uint64(1 + w.rnd.IntN(2))
	to := w.published[sink]
	if w.now.epoch > to {
		to += changelog.Epoch(w.rnd.IntN(int(w.now.epoch-to) + 1))
	}
	w.published[sink] = to
	w.s.Published(sink, to)
}

// checkKept compares a store's list of versions.
func (w *world) checkKept(s *Store) {
	got := s.Versions()
	require.LessOrEqual(w.t, len(got), w.opts.Versions)
	require.GreaterOrEqual(w.t, len(got), len(w.kept))
	require.Equal(w.t, w.versions[len(w.versions)-len(got):], got)
}

// rollback goes back to an epoch.
func (w *world) rollback(to changelog.Epoch) error {
	if err := w.s.RollbackTo(to); err != nil {
		return err
	}
	w.wentBack(to)
	return w.load()
}

func (w *world) wentBack(to changelog.Epoch) {
	w.now = w.history[to]
	maps.DeleteFunc(w.history, func(e changelog.Epoch, _ *worldState) bool { return e > to })
	gone := func(v Version) bool { return v.Epoch > to }
	w.versions, w.kept = slices.DeleteFunc(slices.Clone(w.versions), gone), slices.DeleteFunc(slices.Clone(w.kept), gone)
	for sink, e := range w.published {
		w.published[sink] = min(e, to)
	}
}

// difference says how what a store holds differs from a state; "" if it does not. Published is what is known to be published at least.
func (want *worldState) difference(s *Store) (string, error) {
	if got := s.Last(); got.Epoch != want.epoch || got.Clock != want.clock || string(got.Meta) != want.meta {
		return fmt.Sprintf("head %d %d %q, want %d %d %q", got.Epoch, got.Clock, got.Meta, want.epoch, want.clock, want.meta), nil
	}
	catalog := ""
	for e, err := range s.Catalog() {
		if err != nil {
			return "", err
		}
		catalog = string(e.Body)
	}
	rejects := map[changelog.Epoch]string{}
	last := changelog.Epoch(0)
	for e, err := range s.Rejected(0) {
		if err != nil {
			return "", err
		}
		if e.Epoch <= last {
			return fmt.Sprintf("rejected rows of epoch %d follow those of %d", e.Epoch, last), nil
		}
		last = e.Epoch
		rejects[e.Epoch] = string(e.Body)
	}
	if catalog != want.catalog || !maps.Equal(rejects, want.rejects) {
		return fmt.Sprintf("catalog %q, want %q; rejected %v, want %v", catalog, want.catalog, rejects, want.rejects), nil
	}
	for sink, boxes := range want.outboxes {
		got := map[changelog.Epoch]string{}
		published := s.LastPublished(sink)
		last := published
		for e, err := range s.Outbox(sink, published) {
			if err != nil {
				return "", err
			}
			if e.Epoch <= last {
				return fmt.Sprintf("outbox of epoch %d follows that of %d", e.Epoch, last), nil
			}
			last = e.Epoch
			got[e.Epoch] = string(e.Body)
		}
		left := maps.Clone(boxes)
		maps.DeleteFunc(left, func(e changelog.Epoch, _ string) bool { return e <= published })
		if !maps.Equal(got, left) {
			return fmt.Sprintf("outbox of sink %d: %v, want %v", sink, got, left), nil
		}
	}
	return want.differenceOfTables(s)
}

func (want *worldState) differenceOfTables(l loader) (string, error) {
	h, win, o, v, err := loadWorld(l)
	if err != nil {
		return "", err
	}
	hash := map[int64]string{}
	slots := h.Slots(nil)
	keys := h.Keys(slots)[0].(*array.Int64)
	for i, s := range slots {
		if *h.I64(0).At(s) != keys.Value(i) {
			return fmt.Sprintf("hash: row %d has the value %d", keys.Value(i), *h.I64(0).At(s)), nil
		}
		hash[keys.Value(i)] = string(h.Blob(1).Get(s))
	}
	windowed := map[[2]int64]string{}
	for _, part := range win {
		for _, id := range part.Windows() {
			t := part.Lookup(id)
			slots := t.Slots(nil)
			keys := t.Keys(slots)[0].(*array.Int64)
			for i, s := range slots {
				k := [2]int64{id, keys.Value(i)}
				if _, twice := windowed[k]; twice {
					return fmt.Sprintf("windowed: %v is on both workers", k), nil
				}
				windowed[k] = string(t.Blob(0).Get(s))
			}
		}
	}
	ordered := map[string]string{}
	for c := o.First(); c.Valid(); c.Next() {
		ordered[string(c.Key())] = string(o.Blob(1).Get(c.Slot()))
	}
	view := map[viewRow]int64{}
	err = v.Pin().Scan(100, func(b *changelog.Batch) error {
		b.Each(func(i int) { view[viewRowAt(b, i)] += b.Weight(i) })
		return nil
	})
	if err != nil {
		return "", err
	}
	switch {
	case !maps.Equal(hash, want.hash):
		return fmt.Sprintf("hash: %v, want %v", hash, want.hash), nil
	case !maps.Equal(windowed, want.windowed):
		return fmt.Sprintf("windowed: %v, want %v", windowed, want.windowed), nil
	case !maps.Equal(ordered, want.ordered):
		return fmt.Sprintf("ordered: %v, want %v", ordered, want.ordered), nil
	case !maps.Equal(view, want.view):
		return fmt.Sprintf("view: %v, want %v", view, want.view), nil
	}
	return "", nil
}

func viewRowAt(b *changelog.Batch, i int) viewRow {
	return viewRow{b.Cols[0].(*array.Int64).Value(i), b.Cols[1].(*array.String).Value(i), types.GetNumeric(b.Cols[2].(*array.FixedSizeBinary).Value(i)).String()}
}

// check compares the store with the model.
func (w *world) check() {
	diff, err := w.now.difference(w.s)
	require.NoError(w.t, err)
	require.Empty(w.t, diff)
	w.checkKept(w.s)
}

// checkVersions opens every version and compares it.
func (w *world) checkVersions(s *Store) {
	for _, v := range s.Versions() {
		r, err := s.OpenAt(v.Epoch)
		require.NoError(w.t, err)
		w.checkVersion(r, w.history[v.Epoch])
		require.NoError(w.t, r.Close())
	}
}

func (w *world) checkVersion(r *VersionReader, want *worldState) {
	diff, err := want.differenceOfTables(r)
	require.NoError(w.t, err)
	require.Empty(w.t, diff)
	require.Equal(w.t, Head{want.epoch, want.clock, r.Head().Meta}, r.Head())
	require.Equal(w.t, want.meta, string(r.Head().Meta))
	catalog := ""
	for e, err := range r.Catalog() {
		require.NoError(w.t, err)
		catalog = string(e.Body)
	}
	require.Equal(w.t, want.catalog, catalog)
}
