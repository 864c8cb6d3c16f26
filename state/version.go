package state

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Version is a past epoch that can be opened and rolled back to. The first epoch of a directory is one, and then each first epoch whose
// clock is Options.VersionInterval or more behind that of the version before. The newest Options.Versions are kept.
type Version struct {
	Epoch changelog.Epoch
	Clock int64 // microseconds since 1970
}

// Versions returns the kept versions, oldest first.
func (s *Store) Versions() []Version {
	if s.disk == nil {
		return nil
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	return s.disk.versions()
}

// versions are those of snapshots and those in the log. d.mu is held.
func (d *disk) versions() []Version {
	var out []Version
	for _, v := range d.man.Versions {
		out = append(out, Version{v.Epoch, v.Clock})
	}
	for _, m := range d.index.marks {
		out = append(out, m.Version)
	}
	return out[max(0, len(out)-d.opts.Versions):]
}

// find says where a kept version is: its snapshot, or its mark in the log. d.mu is held.
func (d *disk) find(epoch changelog.Epoch) (*snapshot, *mark, error) {
	kept := d.versions()
	if !slices.ContainsFunc(kept, func(v Version) bool { return v.Epoch == epoch }) {
		var have []string
		for _, v := range kept {
			have = append(have, fmt.Sprint(v.Epoch))
		}
		return nil, nil, types.Errorf(types.CodeUndefinedObject, "version %d is not kept", epoch).WithHint("kept are: %s", strings.Join(have, ", "))
	}
	for _, v := range d.man.Versions {
		if v.Epoch == epoch {
			return v, nil, nil
		}
	}
	i := slices.IndexFunc(d.index.marks, func(m mark) bool { return m.Epoch == epoch })
	return nil, &d.index.marks[i], nil
}

// VersionReader reads one version.
type VersionReader struct {
	d      *disk
	head   Head
	man    *manifest
	base   *snapshot
	index  logIndex
	pinned []string
}

func errNothingKept(what string) error {
	return types.Errorf(types.CodeNotSupported, "%s: the engine keeps its state in memory only", what).WithHint("give it a data directory")
}

// OpenAt opens a kept version for reading. Its files stay until Close.
//
// Errors: *types.Error 42704 if it is not kept.
func (s *Store) OpenAt(epoch changelog.Epoch) (*VersionReader, error) {
	if s.disk == nil {
		return nil, errNothingKept("open a version")
	}
	return s.disk.openAt(epoch)
}

func (d *disk) openAt(epoch changelog.Epoch) (*VersionReader, error) {
	d.mu.Lock()
	snap, m, err := d.find(epoch)
	if err != nil {
		d.mu.Unlock()
		return nil, err
	}
	r := &VersionReader{d: d, man: d.man}
	if m != nil {
		r.head, r.base = Head{Epoch: m.Epoch, Clock: m.Clock, Meta: m.meta}, d.man.Base
		r.index = d.index.cloneTables()
		for _, s := range d.man.Log {
			r.pinned = append(r.pinned, s.File)
		}
	} else {
		r.base = snap
	}
	if r.base != nil {
		r.pinned = append(r.pinned, r.base.Head)
		for _, runs := range r.base.Tables {
			for _, file := range runs {
				r.pinned = append(r.pinned, runName(file))
			}
		}
	}
	d.pin(r.pinned)
	d.mu.Unlock()
	if m != nil {
		return r, nil
	}
	if r.head, r.index.catalogs, err = d.readHead(snap); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Head returns epoch, clock and meta of the version.
func (r *VersionReader) Head() Head { return r.head }

// Load fills an empty table with its rows at the version. accept is as Store.Load has it.
func (r *VersionReader) Load(t Table, accept func(hash uint64) bool) error {
	files := tableAt(&r.index, r.man, r.base, t.Spec().ID, r.head.Epoch)
	return r.d.apply(t, &files, accept)
}

// Catalog yields the newest body at the version and perhaps older ones, as Store.Catalog does.
func (r *VersionReader) Catalog() iter.Seq2[CatalogEntry, error] {
	return each(r.d, func() []place { return between(r.index.catalogs, 0, r.head.Epoch) },
		func(p place, b []byte) CatalogEntry { return CatalogEntry{p.epoch, b} })
}

// Close lets the version's files go. The Store stays open.
func (r *VersionReader) Close() error {
	r.d.unpin(r.pinned)
	r.pinned = nil
	return nil
}

// RollbackTo makes a kept version the newest state: every later epoch is gone, with its outboxes, rejected rows and versions; the
// generation rises; what sinks published later counts as not published. Tables in memory must be loaded anew.
//
// Errors: *types.Error 42704 if it is not kept; nothing has changed then.
func (s *Store) RollbackTo(epoch changelog.Epoch) error {
	if s.disk == nil {
		return errNothingKept("roll back")
	}
	return s.disk.rollback(epoch)
}

func (d *disk) rollback(epoch changelog.Epoch) error {
	d.write.Lock()
	defer d.write.Unlock()
	d.folding.Lock()
	defer d.folding.Unlock()
	d.mu.Lock()
	snap, m, err := d.find(epoch)
	if err == nil {
		err = d.err
	}
	if err != nil {
		d.mu.Unlock()
		return err
	}
	var at mark
	if m != nil {
		at = *m
	}
	d.store.mu.Lock()
	published := d.store.published
	d.store.published = map[uint64]changelog.Epoch{}
	for sink, e := range published {
		d.store.published[sink] = min(e, epoch)
	}
	d.store.mu.Unlock()
	d.mu.Unlock()

	err = d.rotateWith(func(next *manifest) {
		next.Generation++
		if snap != nil {
			next.Base, next.Log = snap, nil
		} else {
			i := slices.IndexFunc(next.Log, func(s segmentInfo) bool { return s.File == at.segment })
			next.Log = slices.Clone(next.Log[:i+1])
			next.Log[i].Bytes = at.end
		}
		next.Kept = slices.Clone(next.Kept)
		for i := range next.Kept {
			next.Kept[i].Upto = min(next.Kept[i].Upto, epoch)
		}
		next.Versions = slices.DeleteFunc(slices.Clone(next.Versions), func(v *snapshot) bool { return v.Epoch > epoch })
		next.setRuns(next.Runs)
	})
	if err == nil {
		// Read the log again, all but the segment that has just begun.
		d.mu.Lock()
		now := d.man
		d.mu.Unlock()
		old := *now
		old.Log = now.Log[:len(now.Log)-1]
		err = d.rescan(&old, now)
	}
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.err == nil {
			d.err = err
		}
		return d.err
	}
	return nil
}

// rescan builds the index anew from the files of a manifest, and makes now the manifest again.
func (d *disk) rescan(m, now *manifest) error {
	fresh := &disk{fs: d.fs, dir: d.dir, opts: d.opts, store: &Store{}}
	if _, err := fresh.scan(m); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.man, d.index = now, fresh.index
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	d.store.head, d.store.published = fresh.store.head, fresh.store.published
	return nil
}

// Savepoint writes a copy of the directory at the last prepared epoch, with its versions, into dir, which must not exist or be empty.
// Files are hard-linked, on another device copied. Open opens it, under the same engine id: a copy stands for the original, and one of the two
// should publish to a sink. Until the savepoint is finished its directory cannot be opened.
//
// Errors: *types.Error 58P02 if dir is not empty.
func (s *Store) Savepoint(dir string) error {
	if s.disk == nil {
		return errNothingKept("make a savepoint")
	}
	return s.disk.savepoint(dir)
}

func (d *disk) savepoint(dir string) error {
	if err := d.fs.MkdirAll(dir); err != nil {
		return ioError("make savepoint", dir, err)
	}
	names, err := d.fs.List(dir)
	if err != nil {
		return ioError("list", dir, err)
	}
	if len(names) > 0 {
		return types.Errorf(codeDuplicateFile, "savepoint directory %q is not empty: it has %q", dir, names[0])
	}
	d.write.Lock()
	if d.file == nil || d.size > int64(logHeaderSize) {
		if err := d.rotate(); err != nil {
			d.mu.Lock()
			if d.err == nil {
				d.err = err
			}
			d.mu.Unlock()
			d.write.Unlock()
			return err
		}
	}
	d.mu.Lock()
	if d.err != nil {
		defer d.write.Unlock()
		defer d.mu.Unlock()
		return d.err
	}
	m := *d.man
	m.Log = m.Log[:len(m.Log)-1]
	m.NextFile = d.nextFile
	pinned := slices.Collect(func(yield func(string) bool) {
		for name := range m.files() {
			if !yield(name) {
				return
			}
		}
	})
	slices.Sort(pinned)
	d.pin(pinned)
	d.store.mu.Lock()
	m.Published = make(map[uint64]changelog.Epoch, len(d.store.published))
	for sink, e := range d.store.published {
		m.Published[sink] = e
	}
	d.store.mu.Unlock()
	d.mu.Unlock()
	d.write.Unlock()
	defer d.unpin(pinned)

	for _, name := range pinned {
		if err := d.linkOrCopy(path.Join(d.dir, name), path.Join(dir, name)); err != nil {
			return ioError("write savepoint", path.Join(dir, name), err)
		}
	}
	if err := d.fs.SyncDir(dir); err != nil {
		return ioError("sync", dir, err)
	}
	if err := m.write(d.fs, dir); err != nil {
		return ioError("write", path.Join(dir, manifestName), err)
	}
	return nil
}

// codeDuplicateFile is PostgreSQL's duplicate_file.
const codeDuplicateFile types.Code = "58P02"

// linkOrCopy gives a file a second name or, where the file system cannot, copies it.
func (d *disk) linkOrCopy(from, to string) error {
	err := d.fs.Link(from, to)
	if err == nil || !cannotLink(err) {
		return err
	}
	src, err := d.fs.OpenRead(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := d.fs.Create(to)
	if err != nil {
		return err
	}
	return copySynced(dst, src)
}
