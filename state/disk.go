package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// disk is the durable part of a Store: the manifest, the log, an index of the log's sections, and the snapshots that the log is folded into.
//
// Locks are taken in the order of the fields: write, folding, changing, mu, store.mu. The goroutine that folds takes all but write, so
// that Prepare may wait for it.
type disk struct {
	fs    vfs.FS
	dir   string
	opts  Options
	store *Store
	lock  io.Closer
	log   *slog.Logger

	engine string // the manifest's; it never changes

	write sync.Mutex // the open segment
	file  vfs.File
	size  int64

	folding  sync.Mutex // one fold at a time
	changing sync.Mutex // one change of the manifest at a time
	mu       sync.Mutex // guards what follows
	folded   *sync.Cond // on mu: a fold ended, or the store is closing
	man      *manifest
	nextFile uint64
	err      error // final
	foldErr  error // of the last fold; nil once one succeeds
	closing  bool
	index    logIndex
	pins     map[string]int      // files that somebody reads
	garbage  map[string]bool     // files to be removed when nobody reads them
	readers  map[string]vfs.File // open files in the log's form, by name

	wake chan struct{} // the folder's
	stop chan struct{} // closed to end the folder
	done chan struct{} // closed when it ended
}

// logIndex says where in the log, and in what outlives it, things lie.
type logIndex struct {
	tables   map[TableID][]place // deltas in the log, in order
	drops    map[TableID]changelog.Epoch
	outboxes map[uint64][]place // by sink, not yet published
	rejects  []place
	catalogs []place                    // the newest folded one first
	logged   map[uint64]changelog.Epoch // what Published sections said
	last     map[string]changelog.Epoch // the last epoch of each segment
	marks    []mark                     // versions that are only in the log, oldest first; those that are not kept any more too
	stale    map[string]bool            // kept files with outboxes of dropped sinks
}

// mark is a version in the log.
type mark struct {
	Version
	meta    []byte
	segment string
	end     int64 // of its frame
}

func newLogIndex() logIndex {
	return logIndex{tables: map[TableID][]place{}, drops: map[TableID]changelog.Epoch{}, outboxes: map[uint64][]place{},
		logged: map[uint64]changelog.Epoch{}, last: map[string]changelog.Epoch{}, stale: map[string]bool{}}
}

func openDisk(fsys vfs.FS, dir string, opts Options) (*Store, error) {
	if fsys == nil {
		fsys = vfs.OS
	}
	if opts.SegmentBytes <= 0 {
		opts.SegmentBytes = 64 << 20
	}
	if opts.Versions <= 0 {
		opts.Versions = 10
	}
	if opts.VersionInterval <= 0 {
		opts.VersionInterval = time.Minute
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.MustExist {
		name := path.Join(dir, manifestName)
		if _, err := fsys.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return nil, types.Errorf(types.CodeUndefinedFile, "there is no state directory at %q", dir)
		} else if err != nil {
			return nil, ioError("read", name, err)
		}
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, ioError("make state directory", dir, err)
	}
	lock, err := fsys.Lock(path.Join(dir, lockName))
	if err != nil {
		var locked *vfs.LockedError
		if errors.As(err, &locked) {
			return nil, types.Errorf(types.CodeObjectInUse, "state directory %q is in use by process %d", dir, locked.PID).
				WithHint("stop that process, or give this one a directory of its own")
		}
		return nil, ioError("lock state directory", dir, err)
	}
	s := &Store{published: map[uint64]changelog.Epoch{}}
	d := &disk{fs: fsys, dir: dir, opts: opts, store: s, lock: lock, log: opts.Logger, index: newLogIndex(),
		pins: map[string]int{}, garbage: map[string]bool{}, readers: map[string]vfs.File{}, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	d.folded = sync.NewCond(&d.mu)
	s.disk = d
	if err := d.recover(); err != nil {
		if d.file != nil {
			d.file.Close()
		}
		return nil, errors.Join(err, lock.Close())
	}
	s.id = d.engine
	if opts.ManualFold {
		close(d.done)
	} else {
		go d.foldInBackground()
		d.wakeFolder()
	}
	return s, nil
}

// recover reads manifest and log, and begins a new generation with a segment of its own.
func (d *disk) recover() error {
	m, err := readManifest(d.fs, d.dir)
	if err != nil {
		return err
	}
	if m == nil {
		if m, err = d.create(); err != nil {
			return err
		}
	} else if err := d.sweep(m); err != nil {
		return err
	}
	if m, err = d.scan(m); err != nil {
		return err
	}
	m.Generation++
	d.man, d.nextFile = m, m.NextFile
	if err := d.rotate(); err != nil {
		return err
	}
	return d.sweep(d.man) // segments that were empty
}

// scan builds head, published and index from the files that m names, and returns m with the lengths of all segments, but without those
// that are empty.
func (d *disk) scan(m *manifest) (*manifest, error) {
	next := *m
	d.index = newLogIndex()
	d.store.head = Head{}
	d.store.published = maps.Clone(m.Published)
	if d.store.published == nil {
		d.store.published = map[uint64]changelog.Epoch{}
	}
	d.index.logged = maps.Clone(d.store.published)
	d.man, d.engine = &next, m.Engine // versions are told from it
	read := func(name string, end int64, f func(frame) error) (int64, error) {
		full := path.Join(d.dir, name)
		n, err := scanSegment(d.fs, full, name, m.Engine, end, f)
		return n, missing(full, "read", err)
	}
	for i := range m.Runs { // their contents are checked when they are read
		r := &m.Runs[i]
		full := path.Join(d.dir, r.name())
		info, err := d.fs.Stat(full)
		if err != nil {
			return nil, missing(full, "read", err)
		}
		if info.Size() != r.bytes() {
			return nil, &CorruptionError{File: full, Reason: fmt.Sprintf("the file has %d bytes, want %d", info.Size(), r.bytes()), WayOut: wayOutManifest}
		}
	}
	if b := m.Base; b != nil {
		head, catalog, err := d.readHead(b)
		if err != nil {
			return nil, err
		}
		d.store.head, d.index.catalogs = head, catalog
	}
	for _, k := range m.Kept {
		_, err := read(k.File, k.Bytes, func(f frame) error {
			if f.epoch <= k.Upto {
				for _, e := range f.sections {
					d.note(e)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	byEpoch := func(a, b place) int { return compareEpochs(a.epoch, b.epoch) }
	slices.SortStableFunc(d.index.rejects, byEpoch)
	for _, boxes := range d.index.outboxes {
		slices.SortStableFunc(boxes, byEpoch)
	}
	next.Log = nil
	for i, seg := range m.Log {
		end := seg.Bytes
		if end == 0 {
			end = -1
			if i < len(m.Log)-1 {
				return nil, &CorruptionError{File: path.Join(d.dir, manifestName), Reason: "an older log file is open", WayOut: wayOutManifest}
			}
		}
		n, err := read(seg.File, end, d.take)
		if err != nil {
			return nil, err
		}
		if n > int64(logHeaderSize) {
			next.Log = append(next.Log, segmentInfo{File: seg.File, Bytes: n})
		}
	}
	d.forgetPublished()
	return &next, nil
}

// missing gives an error of reading a file that the manifest names its form.
func missing(name, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return &CorruptionError{File: name, Reason: "the file is missing", WayOut: wayOutManifest}
	}
	return ioError(op, name, err)
}

func compareEpochs(a, b changelog.Epoch) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ours reports whether a file's name is one that this package gives.
func ours(name string) bool {
	digits, suffix, _ := strings.Cut(name, ".")
	return len(digits) >= 8 && strings.Trim(digits, "0123456789") == "" && slices.Contains([]string{"log", "arrow", "head", "kept"}, suffix)
}

// sweep removes files that the manifest does not name: they were never, or are no longer, part of the state.
func (d *disk) sweep(m *manifest) error {
	names, err := d.fs.List(d.dir)
	if err != nil {
		return ioError("list state directory", d.dir, err)
	}
	named := m.files()
	for _, n := range names {
		if ours(n) && !named[n] {
			if err := d.fs.Remove(path.Join(d.dir, n)); err != nil {
				return ioError("remove", path.Join(d.dir, n), err)
			}
		}
	}
	return nil
}

// create makes the manifest of an empty directory.
func (d *disk) create() (*manifest, error) {
	names, err := d.fs.List(d.dir)
	if err != nil {
		return nil, ioError("list state directory", d.dir, err)
	}
	for _, n := range names {
		name := path.Join(d.dir, n)
		if n == "00000001.log" { // all that was made when making the directory was interrupted?
			info, err := d.fs.Stat(name)
			if err != nil {
				return nil, ioError("read", name, err)
			}
			if info.Size() <= int64(logHeaderSize) {
				continue
			}
		}
		if n != lockName && n != manifestName+".new" {
			return nil, &CorruptionError{File: name, Reason: "the directory has files but no manifest: it is not, or not only, streamsql's, or a savepoint that was not finished",
				WayOut: "choose another directory"}
		}
	}
	return &manifest{Format: formatVersion, Engine: newEngineID(), NextFile: 1}, nil
}

// take takes in a frame of the log.
func (d *disk) take(f frame) error {
	damaged := func(at int64, format string, args ...any) error {
		return &CorruptionError{File: path.Join(d.dir, f.segment), Offset: at, Reason: fmt.Sprintf(format, args...), WayOut: wayOutLog}
	}
	head := d.store.head
	if f.epoch == 0 || head.Epoch != 0 && f.epoch != head.Epoch+1 {
		return damaged(f.at, "epoch %d follows epoch %d", f.epoch, head.Epoch)
	}
	head.Epoch, head.Clock = f.epoch, f.clock
	for _, e := range f.sections {
		b := f.bodies[e.offset]
		switch e.kind {
		case sectionMeta:
			head.Meta = b
		case sectionPublished:
			if len(b) != 8 {
				return damaged(e.offset, "a section is too short")
			}
			published := changelog.Epoch(binary.LittleEndian.Uint64(b))
			d.index.logged[e.id] = max(d.index.logged[e.id], published)
			d.store.published[e.id] = max(d.store.published[e.id], published)
		}
		d.note(e)
	}
	d.store.head = head
	d.noteFrame(head, f.segment, f.end)
	return nil
}

// noteFrame notes where an epoch ends, and whether it is a version. d.mu is held.
func (d *disk) noteFrame(head Head, segment string, end int64) {
	d.index.last[segment] = head.Epoch
	last, ok := Version{}, false
	if n := len(d.index.marks); n > 0 {
		last, ok = d.index.marks[n-1].Version, true
	} else if n := len(d.man.Versions); n > 0 {
		last, ok = Version{d.man.Versions[n-1].Epoch, d.man.Versions[n-1].Clock}, true
	}
	if ok && head.Clock < last.Clock+d.opts.VersionInterval.Microseconds() {
		return
	}
	d.index.marks = append(d.index.marks, mark{Version: Version{head.Epoch, head.Clock}, meta: head.Meta, segment: segment, end: end})
}

// note takes a section into the index. d.mu is held.
func (d *disk) note(e entry) {
	x := &d.index
	switch e.kind {
	case sectionTable:
		x.tables[TableID(e.id)] = append(x.tables[TableID(e.id)], e.place)
	case sectionDropTable:
		x.drops[TableID(e.id)] = e.epoch
	case sectionRejected:
		x.rejects = append(x.rejects, e.place)
	case sectionOutbox:
		x.outboxes[e.id] = append(x.outboxes[e.id], e.place)
	case sectionDropSink:
		for _, p := range x.outboxes[e.id] {
			x.stale[p.segment] = true
		}
		delete(x.outboxes, e.id)
	case sectionCatalog:
		x.catalogs = append(x.catalogs, e.place)
	}
}

// forgetPublished drops outboxes that are visible in their sinks. d.mu and d.store.mu are held.
func (d *disk) forgetPublished() {
	for sink, boxes := range d.index.outboxes {
		upTo := d.store.published[sink]
		if len(boxes) > 0 && boxes[0].epoch <= upTo {
			d.index.outboxes[sink] = slices.DeleteFunc(slices.Clone(boxes), func(p place) bool { return p.epoch <= upTo })
		}
	}
}

// newFile returns the name of a file that was never used.
func (d *disk) newFile() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.nextFile
	d.nextFile++
	return n
}

// rotate closes the open segment, if there is one, and begins a new one. The manifest names it before anything is written behind its
// header. d.write is held.
func (d *disk) rotate() error { return d.rotateWith(nil) }

// rotateWith also makes another change of the manifest, one that leaves no segment open, at the same time.
func (d *disk) rotateWith(also func(next *manifest)) error {
	d.mu.Lock()
	err := d.err
	d.mu.Unlock()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%08d.log", d.newFile())
	full := path.Join(d.dir, name)
	f, err := d.fs.Create(full)
	if err != nil {
		return ioError("make", full, err)
	}
	header := logHeader(d.engine)
	if _, err = f.Write(header); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.fs.SyncDir(d.dir)
	}
	if err != nil {
		f.Close()
		return ioError("write", full, err)
	}
	err = d.change(func(now *manifest) *manifest {
		next := *now
		next.Log = slices.Clone(next.Log)
		if d.file != nil {
			next.Log[len(next.Log)-1].Bytes = d.size
		}
		if also != nil {
			also(&next)
		}
		next.Log = append(next.Log, segmentInfo{File: name})
		return &next
	}, nil)
	if err != nil {
		f.Close()
		return err
	}
	if d.file != nil {
		d.file.Close()
	}
	d.file, d.size = f, int64(len(header))
	return nil
}

// change replaces the manifest by what f makes of it, and the index as install says. What the new one does not name is removed. A failure
// is final: nobody knows which of the two manifests counts.
func (d *disk) change(f func(now *manifest) *manifest, install func()) error {
	d.changing.Lock()
	defer d.changing.Unlock()
	d.mu.Lock()
	if d.err != nil {
		d.mu.Unlock()
		return d.err
	}
	now := d.man
	next := f(now)
	next.NextFile = d.nextFile
	d.store.mu.Lock()
	next.Published = maps.Clone(d.store.published)
	d.store.mu.Unlock()
	d.mu.Unlock()

	err := next.write(d.fs, d.dir)

	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if d.err == nil {
			d.err = ioError("write", path.Join(d.dir, manifestName), err)
		}
		return d.err
	}
	d.man = next
	if install != nil {
		install()
	}
	named := next.files()
	for name := range now.files() {
		if !named[name] {
			d.garbage[name] = true
		}
	}
	d.removeGarbage()
	return nil
}

// removeGarbage removes what nobody needs. d.mu is held.
func (d *disk) removeGarbage() {
	for name := range d.garbage {
		if d.pins[name] > 0 {
			continue
		}
		if f := d.readers[name]; f != nil {
			f.Close()
			delete(d.readers, name)
		}
		if err := d.fs.Remove(path.Join(d.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("a file of no more use cannot be removed; it is tried again at the next start", "file", path.Join(d.dir, name), "err", err)
		}
		delete(d.garbage, name)
	}
}

// pin keeps files from being removed until unpin. d.mu is held.
func (d *disk) pin(names []string) {
	for _, n := range names {
		d.pins[n]++
	}
}

func (d *disk) unpin(names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range names {
		if d.pins[n]--; d.pins[n] == 0 {
			delete(d.pins, n)
		}
	}
	d.removeGarbage()
}

// maxUnfolded is how many closed segments may wait to be folded before Prepare waits too.
const maxUnfolded = 16

// prepare appends a record and syncs it.
func (d *disk) prepare(rec *Record) error {
	d.write.Lock()
	defer d.write.Unlock()
	d.mu.Lock()
	for d.err == nil && !d.opts.ManualFold && len(d.man.Log) > maxUnfolded {
		if d.foldErr != nil {
			d.err = fmt.Errorf("the log cannot be folded: %w", d.foldErr)
			break
		}
		d.wakeFolder()
		d.folded.Wait()
	}
	err := d.err
	d.mu.Unlock()
	if err != nil {
		return err
	}
	d.store.mu.Lock()
	want := d.store.head.Epoch + 1
	d.store.mu.Unlock()
	if rec.Epoch != want && (want > 1 || rec.Epoch == 0) {
		return types.Errorf(types.CodeInternal, "internal error: epoch %d was to be prepared, want %d", rec.Epoch, want)
	}
	if err := d.append(rec); err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err == nil {
			d.err = ioError(fmt.Sprintf("write epoch %d to", rec.Epoch), path.Join(d.dir, d.man.Log[len(d.man.Log)-1].File), err)
		}
		return d.err
	}
	if d.size < d.opts.SegmentBytes {
		return nil
	}
	// The epoch is prepared, whatever becomes of the next segment: its failure is the next epoch's.
	if err := d.rotate(); err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err == nil {
			d.err = err
		}
		return nil
	}
	d.wakeFolder()
	return nil
}

func (d *disk) append(rec *Record) error {
	d.mu.Lock()
	segment := d.man.Log[len(d.man.Log)-1].File
	d.store.mu.Lock()
	published := map[uint64]changelog.Epoch{}
	for sink, epoch := range d.store.published {
		if d.index.logged[sink] != epoch {
			published[sink] = epoch
		}
	}
	meta := rec.Meta
	if meta == nil {
		meta = d.store.head.Meta
	}
	d.store.mu.Unlock()
	d.mu.Unlock()

	sections, err := sectionsOf(rec, published)
	if err != nil {
		return err
	}
	buf := frameHead(rec.Epoch, rec.Clock, sections)
	at := d.size + int64(len(buf))
	var entries []entry
	for _, s := range sections {
		entries = append(entries, entry{kind: s.kind, id: s.id, place: place{segment: segment, offset: at, length: int64(len(s.body)),
			crc: s.crc, epoch: rec.Epoch, clock: rec.Clock}})
		at += int64(len(s.body))
		if len(s.body) > 1<<20 { // not worth copying
			if _, err := d.file.Write(buf); err != nil {
				return err
			}
			if _, err := d.file.Write(s.body); err != nil {
				return err
			}
			buf = buf[:0]
			continue
		}
		buf = append(buf, s.body...)
	}
	buf = append(buf, frameEnd...)
	if _, err := d.file.Write(buf); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.size = at + int64(len(frameEnd))

	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		d.note(e)
	}
	d.noteFrame(Head{Epoch: rec.Epoch, Clock: rec.Clock, Meta: meta}, segment, d.size)
	maps.Copy(d.index.logged, published)
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.forgetPublished()
	d.store.head = Head{Epoch: rec.Epoch, Clock: rec.Clock, Meta: meta}
	return nil
}

func (d *disk) generation() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.man.Generation
}

func (d *disk) stats() Stats {
	d.write.Lock()
	size := d.size
	d.write.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	st := Stats{LogBytes: size, FoldLag: int(d.store.Last().Epoch)}
	for _, s := range d.man.Log {
		st.LogBytes += s.Bytes
	}
	for _, k := range d.man.Kept {
		st.LogBytes += k.Bytes
	}
	for _, boxes := range d.index.outboxes {
		for _, p := range boxes {
			st.OutboxBytes += p.length
		}
	}
	for i := range d.man.Runs {
		st.SnapshotBytes += d.man.Runs[i].bytes()
	}
	base := d.man.Base
	if base == nil {
		return st
	}
	st.FoldLag -= int(base.Epoch)
	for _, id := range slices.Sorted(maps.Keys(base.Tables)) {
		t := TableStats{ID: id, Runs: len(base.Tables[id])}
		for _, file := range base.Tables[id] {
			r := d.man.run(file)
			t.Rows += r.Rows
			t.Bytes += r.bytes()
		}
		st.Tables = append(st.Tables, t)
	}
	return st
}

// close ends folding and writes down what was published, so that a clean end repeats nothing. It returns the error that ended writing, if
// one did.
func (d *disk) close() error {
	d.write.Lock()
	defer d.write.Unlock()
	if d.file == nil {
		return nil
	}
	d.mu.Lock()
	d.closing = true
	d.folded.Broadcast()
	d.mu.Unlock()
	close(d.stop)
	<-d.done
	d.folding.Lock() // a Fold that somebody else called
	defer d.folding.Unlock()
	d.mu.Lock()
	failed := d.err
	d.mu.Unlock()
	err := failed
	if failed == nil {
		err = d.change(func(now *manifest) *manifest {
			next := *now
			next.Log = slices.Clone(now.Log)
			next.Log[len(next.Log)-1].Bytes = d.size
			return &next
		}, nil)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.readers {
		f.Close()
	}
	if cerr := errors.Join(d.file.Close(), d.lock.Close()); err == nil {
		err = cerr
	}
	d.file = nil
	if d.err == nil {
		d.err = types.Errorf(types.CodeShutdown, "the state directory was closed")
	}
	return err
}

// ioError gives an error of the file system its operation and file, in PostgreSQL's codes.
func ioError(op, name string, err error) error {
	var corrupt *CorruptionError
	var coded *types.Error
	if errors.As(err, &corrupt) || errors.As(err, &coded) {
		return err
	}
	code := types.CodeIO
	switch {
	case errors.Is(err, syscall.ENOSPC):
		code = types.CodeDiskFull
	case errors.Is(err, fs.ErrPermission):
		code = types.CodeInsufficientRights
	}
	return types.Errorf(code, "%s %q: %v", op, name, err)
}
