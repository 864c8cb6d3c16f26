package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// disk is the durable part of a Store: the manifest, the log, and an index of the log's sections.
type disk struct {
	fs    vfs.FS
	dir   string
	opts  Options
	store *Store
	lock  io.Closer

	// The writer's own (Prepare).
	file vfs.File
	size int64

	mu  sync.Mutex // guards what follows
	man *manifest
	err error // final

	tables   map[TableID][]place // deltas in the log, in order
	outboxes map[uint64][]place  // by sink, not yet published
	rejects  []place
	catalogs []place
	logged   map[uint64]changelog.Epoch // what Published sections said
	readers  map[string]vfs.File        // open segments, by name
}

func openDisk(fsys vfs.FS, dir string, opts Options) (*Store, error) {
	if fsys == nil {
		fsys = vfs.OS
	}
	if opts.SegmentBytes <= 0 {
		opts.SegmentBytes = 64 << 20
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, ioError("make state directory", dir, err)
	}
	lock, err := fsys.Lock(path.Join(dir, "lock"))
	if err != nil {
		var locked *vfs.LockedError
		if errors.As(err, &locked) {
			return nil, types.Errorf(types.CodeObjectInUse, "state directory %q is in use by process %d", dir, locked.PID).
				WithHint("stop that process, or give this one a directory of its own")
		}
		return nil, ioError("lock state directory", dir, err)
	}
	s := &Store{published: map[uint64]changelog.Epoch{}}
	d := &disk{fs: fsys, dir: dir, opts: opts, store: s, lock: lock,
		tables: map[TableID][]place{}, outboxes: map[uint64][]place{}, logged: map[uint64]changelog.Epoch{}, readers: map[string]vfs.File{}}
	s.disk = d
	if err := d.recover(); err != nil {
		lock.Close()
		return nil, err
	}
	s.id = d.man.Engine
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
	}
	d.man = m
	for sink, epoch := range m.Published {
		d.store.published[sink] = epoch
	}
	for i := range m.Log {
		seg := &m.Log[i]
		end := seg.Bytes
		if end == 0 {
			end = -1
		}
		name := path.Join(d.dir, seg.File)
		n, err := scanSegment(d.fs, name, seg.File, m.Engine, end, d.index)
		if errors.Is(err, fs.ErrNotExist) {
			return &CorruptionError{File: name, Reason: "the log file is missing", WayOut: wayOutLog}
		}
		if err != nil {
			return err
		}
		seg.Bytes = n
	}
	m.Log = slices.DeleteFunc(m.Log, func(s segmentInfo) bool { return s.Bytes <= int64(logHeaderSize) })
	d.forgetPublished()
	m.Generation++
	if err := d.rotate(); err != nil {
		return err
	}
	return d.sweep()
}

// sweep removes log files that the manifest does not name: they were never, or are no longer, part of the state.
func (d *disk) sweep() error {
	names, err := d.fs.List(d.dir)
	if err != nil {
		return ioError("list state directory", d.dir, err)
	}
	for _, n := range names {
		named := slices.ContainsFunc(d.man.Log, func(s segmentInfo) bool { return s.File == n })
		if strings.HasSuffix(n, ".log") && !named {
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
		if n != "lock" && n != manifestName+".new" {
			return nil, &CorruptionError{File: path.Join(d.dir, n), Reason: "the directory has files but no manifest: it is not, or not only, streamsql's",
				WayOut: "choose another directory"}
		}
	}
	return &manifest{Format: formatVersion, Engine: newEngineID(), NextFile: 1}, nil
}

// index notes where the sections of a frame lie.
func (d *disk) index(epoch changelog.Epoch, clock int64, sections []entry, body func(entry) ([]byte, error)) error {
	if d.store.head.Epoch != 0 && epoch != d.store.head.Epoch+1 {
		return &CorruptionError{File: path.Join(d.dir, sections[0].segment), Offset: sections[0].offset,
			Reason: fmt.Sprintf("epoch %d follows epoch %d", epoch, d.store.head.Epoch), WayOut: wayOutLog}
	}
	head := Head{Epoch: epoch, Clock: clock, Meta: d.store.head.Meta}
	for _, e := range sections {
		b, err := body(e)
		if err != nil {
			return err
		}
		if e.kind == sectionMeta {
			head.Meta = b
		}
		if e.kind == sectionPublished {
			if len(b) != 8 {
				return &CorruptionError{File: path.Join(d.dir, e.segment), Offset: e.offset, Reason: "a section is too short", WayOut: wayOutLog}
			}
			published := changelog.Epoch(binary.LittleEndian.Uint64(b))
			d.logged[e.id] = published
			d.store.published[e.id] = max(d.store.published[e.id], published)
		}
		d.note(e)
	}
	d.store.head = head
	return nil
}

func (d *disk) note(e entry) {
	switch e.kind {
	case sectionTable:
		d.tables[TableID(e.id)] = append(d.tables[TableID(e.id)], e.place)
	case sectionDropTable:
		delete(d.tables, TableID(e.id))
	case sectionRejected:
		d.rejects = append(d.rejects, e.place)
	case sectionOutbox:
		d.outboxes[e.id] = append(d.outboxes[e.id], e.place)
	case sectionDropSink:
		delete(d.outboxes, e.id)
	case sectionCatalog:
		d.catalogs = append(d.catalogs, e.place)
	}
}

// forgetPublished drops outboxes that are visible in their sinks.
func (d *disk) forgetPublished() {
	for sink, boxes := range d.outboxes {
		upTo := d.store.published[sink]
		d.outboxes[sink] = slices.DeleteFunc(boxes, func(p place) bool { return p.epoch <= upTo })
	}
}

// rotate closes the open segment and begins a new one. The manifest names it before anything is written behind its header.
func (d *disk) rotate() error {
	name := fmt.Sprintf("%08d.log", d.man.NextFile)
	full := path.Join(d.dir, name)
	f, err := d.fs.Create(full)
	if err != nil {
		return ioError("make", full, err)
	}
	header := logHeader(d.man.Engine)
	_, err = f.Write(header)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.fs.SyncDir(d.dir)
	}
	if err != nil {
		f.Close()
		return ioError("write", full, err)
	}
	next := *d.man
	next.NextFile++
	next.Log = slices.Clone(d.man.Log)
	if d.file != nil {
		next.Log[len(next.Log)-1].Bytes = d.size
	}
	next.Log = append(next.Log, segmentInfo{File: name})
	next.Published = maps.Clone(d.store.published)
	if err := next.write(d.fs, d.dir); err != nil {
		f.Close()
		return ioError("write", path.Join(d.dir, manifestName), err)
	}
	if d.file != nil {
		d.file.Close()
	}
	d.man, d.file, d.size = &next, f, int64(len(header))
	return nil
}

// prepare appends a record and syncs it.
func (d *disk) prepare(rec *Record) error {
	d.mu.Lock()
	err := d.err
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if err := d.append(rec); err != nil {
		d.mu.Lock()
		d.err = ioError("write epoch "+fmt.Sprint(rec.Epoch)+" to", path.Join(d.dir, d.man.Log[len(d.man.Log)-1].File), err)
		err = d.err
		d.mu.Unlock()
		return err
	}
	return nil
}

func (d *disk) append(rec *Record) error {
	d.store.mu.Lock()
	if want := d.store.head.Epoch + 1; d.store.head.Epoch != 0 && rec.Epoch != want {
		d.store.mu.Unlock()
		return fmt.Errorf("epoch %d was expected", want)
	}
	published := map[uint64]changelog.Epoch{}
	for sink, epoch := range d.store.published {
		if d.logged[sink] != epoch {
			published[sink] = epoch
		}
	}
	d.store.mu.Unlock()

	sections, err := sectionsOf(rec, published)
	if err != nil {
		return err
	}
	buf := frameHead(rec.Epoch, rec.Clock, sections)
	at := d.size + int64(len(buf))
	segment := d.man.Log[len(d.man.Log)-1].File
	var entries []entry
	size := d.size
	for _, s := range sections {
		entries = append(entries, entry{kind: s.kind, id: s.id, place: place{segment: segment, offset: at, length: int64(len(s.body)),
			crc: checksum(s.body), epoch: rec.Epoch, clock: rec.Clock}})
		at += int64(len(s.body))
		if len(s.body) > 1<<20 { // not worth copying
			if _, err := d.file.Write(buf); err != nil {
				return err
			}
			size, buf = size+int64(len(buf)), nil
			if _, err := d.file.Write(s.body); err != nil {
				return err
			}
			size += int64(len(s.body))
			continue
		}
		buf = append(buf, s.body...)
	}
	if _, err := d.file.Write(buf); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	d.size = size + int64(len(buf))

	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		d.note(e)
	}
	maps.Copy(d.logged, published)
	d.store.mu.Lock()
	d.forgetPublished()
	d.store.mu.Unlock()
	if d.size >= d.opts.SegmentBytes {
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		return d.rotate()
	}
	return nil
}

// read returns a section's body, checked.
func (d *disk) read(p place) ([]byte, error) {
	d.mu.Lock()
	f := d.readers[p.segment]
	if f == nil {
		var err error
		if f, err = d.fs.OpenRead(path.Join(d.dir, p.segment)); err != nil {
			d.mu.Unlock()
			return nil, err
		}
		d.readers[p.segment] = f
	}
	d.mu.Unlock()
	body := make([]byte, p.length)
	if n, err := f.ReadAt(body, p.offset); err != nil && !(err == io.EOF && int64(n) == p.length) {
		return nil, ioError("read", path.Join(d.dir, p.segment), err)
	}
	if checksum(body) != p.crc {
		return nil, &CorruptionError{File: path.Join(d.dir, p.segment), Offset: p.offset, Reason: "a section does not match its checksum", WayOut: wayOutLog}
	}
	return body, nil
}

func (d *disk) places(of func() []place) []place {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(of())
}

func (d *disk) load(t Table, accept func(hash uint64) bool) error {
	spec := t.Spec()
	for _, p := range d.places(func() []place { return d.tables[spec.ID] }) {
		body, err := d.read(p)
		if err != nil {
			return err
		}
		rec, err := decodeRows(body)
		if err == nil {
			err = t.Apply(rec, accept)
		}
		if err != nil {
			return &CorruptionError{File: path.Join(d.dir, p.segment), Offset: p.offset, Reason: fmt.Sprintf("rows of table %q: %v", spec.Name, err), WayOut: wayOutLog}
		}
	}
	return nil
}

// each yields the bodies at places.
func each[T any](d *disk, places []place, make func(place, []byte) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, p := range places {
			body, err := d.read(p)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			if !yield(make(p, body), nil) {
				return
			}
		}
	}
}

func after(places []place, epoch changelog.Epoch) []place {
	i, _ := slices.BinarySearchFunc(places, epoch+1, func(p place, e changelog.Epoch) int { return int(int64(p.epoch) - int64(e)) })
	return places[i:]
}

func (d *disk) catalog() iter.Seq2[CatalogEntry, error] {
	return each(d, d.places(func() []place { return d.catalogs }), func(p place, b []byte) CatalogEntry { return CatalogEntry{p.epoch, b} })
}

func (d *disk) outbox(sink uint64, epoch changelog.Epoch) iter.Seq2[OutboxEntry, error] {
	return each(d, d.places(func() []place { return after(d.outboxes[sink], epoch) }), func(p place, b []byte) OutboxEntry {
		return OutboxEntry{p.epoch, p.clock, b}
	})
}

func (d *disk) rejected(epoch changelog.Epoch) iter.Seq2[RejectedEntry, error] {
	return each(d, d.places(func() []place { return after(d.rejects, epoch) }), func(p place, b []byte) RejectedEntry {
		return RejectedEntry{p.epoch, b}
	})
}

func (d *disk) generation() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.man.Generation
}

func (d *disk) fold() error { return nil }

func (d *disk) stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	var st Stats
	for _, s := range d.man.Log {
		st.LogBytes += s.Bytes
	}
	for _, boxes := range d.outboxes {
		for _, p := range boxes {
			st.OutboxBytes += p.length
		}
	}
	return st
}

// close writes down what was published, so that a clean end repeats nothing.
func (d *disk) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	d.store.mu.Lock()
	next := *d.man
	next.Log = slices.Clone(d.man.Log)
	if d.err == nil {
		next.Log[len(next.Log)-1].Bytes = d.size
	}
	next.Published = maps.Clone(d.store.published)
	d.store.mu.Unlock()
	var err error
	if d.err == nil {
		err = next.write(d.fs, d.dir)
	}
	for _, f := range d.readers {
		f.Close()
	}
	err = errors.Join(err, d.file.Close(), d.lock.Close())
	d.file = nil
	if d.err == nil {
		d.err = types.Errorf(types.CodeShutdown, "the state directory was closed")
	}
	return err
}

// ioError gives an error of the file system its operation and file, in PostgreSQL's codes.
func ioError(op, name string, err error) error {
	var corrupt *CorruptionError
	if errors.As(err, &corrupt) {
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
