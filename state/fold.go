package state

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
)

// Folding turns closed log files into runs. What a fold writes is read only from the log and from older runs, so it needs nothing of the
// engine; it counts once the manifest names it, and until then is swept away by the next start.
//
// A fold goes up to the end of a segment, in steps that end at the versions on the way: each step gives every table that it finds in
// the log one run (several, if it finds much), and a version names the runs up to its own step. Then, table by table, the newest runs
// are merged while the next older one is less than twice as large as all of them, so that a row is written again about as often as
// the table doubles, and a table has few runs.

// pieceBytes is how much of a table's log becomes one run at a time.
const pieceBytes = 64 << 20

func (d *disk) wakeFolder() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// foldInBackground folds whenever enough of the log is closed.
func (d *disk) foldInBackground() {
	defer close(d.done)
	for {
		select {
		case <-d.stop:
			return
		case <-d.wake:
		}
		if !d.due() {
			continue
		}
		err := d.foldClosed()
		d.mu.Lock()
		if !d.closing {
			if d.foldErr = err; err != nil {
				d.log.Warn("the log cannot be folded; it is tried again", "dir", d.dir, "err", err)
			}
		}
		d.folded.Broadcast()
		d.mu.Unlock()
	}
}

// due reports whether folding is worth while: what is closed is a segment's worth and, so that large states are not merged all the
// time, a quarter of the runs, or it is in many segments.
func (d *disk) due() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	closed := d.man.Log[:len(d.man.Log)-1]
	n, held := int64(0), int64(0)
	for _, s := range closed {
		n += s.Bytes
	}
	for i := range d.man.Runs {
		held += d.man.Runs[i].bytes()
	}
	return d.err == nil && !d.closing && (n >= max(d.opts.SegmentBytes, held/4) || len(closed) >= maxUnfolded/2)
}

// fold folds all of the log.
func (d *disk) fold() error {
	d.write.Lock()
	if d.size > int64(logHeaderSize) {
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
	d.write.Unlock()
	return d.foldClosed()
}

// foldInput is what a fold works on. The index's slices are not changed in place, so they are shared.
type foldInput struct {
	man      *manifest
	closed   []segmentInfo
	upto     changelog.Epoch
	index    logIndex
	outboxes map[uint64][]place
	rejects  []place
	marks    []mark // up to upto
}

// foldClosed folds all closed segments.
func (d *disk) foldClosed() error {
	d.folding.Lock()
	defer d.folding.Unlock()
	d.mu.Lock()
	if d.err != nil {
		d.mu.Unlock()
		return d.err
	}
	in := foldInput{man: d.man, closed: d.man.Log[:len(d.man.Log)-1], index: d.index.cloneTables(), outboxes: maps.Clone(d.index.outboxes), rejects: d.index.rejects}
	if len(in.closed) == 0 {
		d.mu.Unlock()
		return nil
	}
	in.upto = d.index.last[in.closed[len(in.closed)-1].File]
	// Of the versions on the way those that are kept, and the last in any case: which later epochs are versions is told from it.
	for _, m := range d.index.marks {
		if m.Epoch <= in.upto {
			in.marks = append(in.marks, m)
		}
	}
	if kept := d.versions(); len(in.marks) > 0 {
		last := in.marks[len(in.marks)-1]
		in.marks = slices.DeleteFunc(in.marks, func(m mark) bool { return m.Epoch < kept[0].Epoch && m.Epoch != last.Epoch })
	}
	stale := maps.Clone(d.index.stale)
	var pinned []string
	for name := range d.man.files() {
		pinned = append(pinned, name)
	}
	d.pin(pinned)
	d.mu.Unlock()
	defer d.unpin(pinned)

	f := &folder{d: d, in: &in, runs: slices.Clone(in.man.Runs)}
	err := f.fold()
	var kept *keptFile
	if err == nil {
		kept, err = d.keep(&in, stale)
	}
	if err == nil {
		if err = d.fs.SyncDir(d.dir); err != nil {
			err = ioError("sync", d.dir, err)
		}
	}
	if err != nil {
		for _, name := range f.made {
			_ = d.fs.Remove(path.Join(d.dir, name)) // else the next start sweeps
		}
		return err
	}
	return d.change(func(now *manifest) *manifest {
		next := *now
		next.Log = slices.Clone(now.Log[len(in.closed):])
		next.Kept = kept.files
		next.Base = f.base
		next.Versions = append(slices.Clone(now.Versions), f.versions...)
		newer := 0
		for _, m := range d.index.marks {
			if m.Epoch > in.upto {
				newer++
			}
		}
		// The last one stays at least: which epochs of the log are versions is told from it.
		if over := min(len(next.Versions)+newer-d.opts.Versions, len(next.Versions)-1); over > 0 {
			next.Versions = next.Versions[over:]
		}
		next.setRuns(f.runs)
		return &next
	}, func() { d.install(&in, f, kept) })
}

// install brings the index to what a fold left of the log. d.mu is held.
func (d *disk) install(in *foldInput, f *folder, kept *keptFile) {
	named := d.man.files()
	for _, name := range f.made {
		if !named[name] { // merged in the same fold
			d.garbage[name] = true
		}
	}
	x := &d.index
	for id, places := range x.tables {
		if rest := between(places, in.upto, ^changelog.Epoch(0)); len(rest) == 0 {
			delete(x.tables, id)
		} else if len(rest) < len(places) {
			x.tables[id] = slices.Clone(rest)
		}
	}
	maps.DeleteFunc(x.drops, func(_ TableID, e changelog.Epoch) bool { return e <= in.upto })
	x.catalogs = append(slices.Clone(f.catalog), between(x.catalogs, in.upto, ^changelog.Epoch(0))...)
	x.marks = slices.DeleteFunc(slices.Clone(x.marks), func(m mark) bool { return m.Epoch <= in.upto })
	for _, s := range in.closed {
		delete(x.last, s.File)
	}
	move := func(places []place) []place {
		out := make([]place, 0, len(places))
		for _, p := range places {
			if moved, ok := kept.moved[p]; ok {
				p = moved
			}
			out = append(out, p)
		}
		return out
	}
	for sink, boxes := range x.outboxes {
		x.outboxes[sink] = move(boxes)
	}
	x.rejects = move(x.rejects[len(in.rejects)-len(kept.rejects):])
	for name := range x.stale {
		if !slices.ContainsFunc(kept.files, func(k keptInfo) bool { return k.File == name }) {
			delete(x.stale, name)
		}
	}
	// A sink that was dropped while the fold went on: its outboxes were kept for nothing.
	for p, moved := range kept.moved {
		if sink, ok := kept.sinks[p]; ok && x.outboxes[sink] == nil {
			x.stale[moved.segment] = true
		}
	}
}

// folder makes the runs of one fold.
type folder struct {
	d    *disk
	in   *foldInput
	runs []runInfo // all that are known
	made []string

	tables   map[TableID][]uint64
	base     *snapshot
	versions []*snapshot
	catalog  []place // of base
}

func (f *folder) fold() error {
	f.tables = map[TableID][]uint64{}
	from := changelog.Epoch(0)
	if b := f.in.man.Base; b != nil {
		from = b.Epoch
		maps.Copy(f.tables, b.Tables)
	}
	ids := slices.Sorted(maps.Keys(f.in.index.tables))
	for i, m := range append(slices.Clone(f.in.marks), mark{Version: Version{Epoch: f.in.upto}}) {
		if err := f.step(ids, from, m.Epoch); err != nil {
			return err
		}
		from = m.Epoch
		last := i == len(f.in.marks)
		if !last && m.Epoch < f.in.upto {
			head := Head{Epoch: m.Epoch, Clock: m.Clock, Meta: m.meta}
			s, _, err := f.snapshot(head)
			if err != nil {
				return err
			}
			f.versions = append(f.versions, s)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.tables)) {
		if err := f.mergeNewest(id); err != nil {
			return err
		}
	}
	head, err := f.head()
	if err != nil {
		return err
	}
	if f.base, f.catalog, err = f.snapshot(head); err != nil {
		return err
	}
	if n := len(f.in.marks); n > 0 && f.in.marks[n-1].Epoch == f.in.upto {
		f.versions = append(f.versions, f.base)
	}
	return nil
}

// head returns what the log says of the last folded epoch.
func (f *folder) head() (Head, error) {
	var head Head
	if b := f.in.man.Base; b != nil {
		var err error
		if head, _, err = f.d.readHead(b); err != nil {
			return head, err
		}
	}
	for _, s := range f.in.closed {
		full := path.Join(f.d.dir, s.File)
		if _, err := scanSegment(f.d.fs, full, s.File, f.in.man.Engine, s.Bytes, func(fr frame) error {
			head.Epoch, head.Clock = fr.epoch, fr.clock
			for _, e := range fr.sections {
				if e.kind == sectionMeta {
					head.Meta = fr.bodies[e.offset]
				}
			}
			return nil
		}); err != nil {
			return head, missing(full, "read", err)
		}
	}
	if head.Epoch != f.in.upto {
		return head, fmt.Errorf("internal error: the log ends at epoch %d, want %d", head.Epoch, f.in.upto)
	}
	return head, nil
}

// errClosing ends a fold in the background when the store is closed: the log has it all.
var errClosing = errors.New("the state directory is being closed")

func (d *disk) isClosing() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closing
}

// snapshot writes the head of a snapshot whose tables are those of now.
func (f *folder) snapshot(head Head) (*snapshot, []place, error) {
	w, err := f.d.newLogFile("head")
	if err != nil {
		return nil, nil, err
	}
	f.made = append(f.made, w.name)
	var catalog []place
	if all := between(f.in.index.catalogs, 0, head.Epoch); len(all) > 0 {
		newest := all[len(all)-1]
		body, err := f.d.read(newest)
		if err != nil {
			w.abort()
			return nil, nil, err
		}
		entries, err := w.add(newest.epoch, newest.clock, []section{newSection(sectionCatalog, 0, body)})
		if err != nil {
			return nil, nil, err
		}
		catalog = []place{entries[0].place}
	}
	var sections []section
	if head.Meta != nil {
		sections = append(sections, newSection(sectionMeta, 0, head.Meta))
	}
	if _, err := w.add(head.Epoch, head.Clock, sections); err != nil {
		return nil, nil, err
	}
	if err := w.finish(); err != nil {
		return nil, nil, err
	}
	return &snapshot{Epoch: head.Epoch, Clock: head.Clock, Head: w.name, HeadBytes: w.size, Tables: maps.Clone(f.tables)}, catalog, nil
}

// step adds the rows of the epochs after from, up to upto, to the tables.
func (f *folder) step(ids []TableID, from, upto changelog.Epoch) error {
	for id, dropped := range f.in.index.drops {
		if dropped <= upto {
			delete(f.tables, id)
		}
	}
	for _, id := range ids {
		if dropped, ok := f.in.index.drops[id]; ok && dropped <= upto {
			continue
		}
		for places := between(f.in.index.tables[id], from, upto); len(places) > 0; {
			n, size := 0, int64(0)
			for n < len(places) && (size == 0 || size+places[n].length <= pieceBytes || places[n].epoch == places[n-1].epoch) {
				size += places[n].length
				n++
			}
			if err := f.piece(id, places[:n]); err != nil {
				return err
			}
			places = places[n:]
		}
	}
	return nil
}

// piece makes runs of a table's rows in whole epochs; several only where the columns differ.
func (f *folder) piece(id TableID, places []place) error {
	recs := make([]arrow.Record, len(places))
	for i, p := range places {
		var err error
		if recs[i], err = f.d.rows(p); err != nil {
			return err
		}
		if i > 0 && places[i-1].epoch != p.epoch && !recs[i].Schema().Equal(recs[0].Schema()) {
			if err := f.piece(id, places[:i]); err != nil {
				return err
			}
			return f.piece(id, places[i:])
		}
	}
	sorted := sortRows(recs)
	schema := recs[0].Schema()
	for _, rec := range recs {
		if !rec.Schema().Equal(schema) {
			return fmt.Errorf("internal error: table %d has rows of two forms in epoch %d", id, places[0].epoch)
		}
	}
	oldest := len(f.tables[id]) == 0
	return f.writeRun(id, schema, len(f.tables[id]), func(out *rowCopier) error {
		sources := make([]uint32, len(recs))
		sizes := make([]func(uint32) int, len(recs))
		for i, rec := range recs {
			sources[i], sizes[i] = out.source(rec), rowSizes(rec)
		}
		if sorted.plain() {
			for i, rec := range recs {
				if err := out.whole(rec, sizes[i]); err != nil {
					return err
				}
			}
			return nil
		}
		keep := sorted.keep(places)
		for i, r := range sorted.rows {
			if !keep(i) || oldest && sorted.ops[r.rec][r.row] != opUpsert {
				continue
			}
			if out.add(sources[r.rec], r.row, sizes[r.rec](r.row)) {
				if err := out.flush(); err != nil {
					return err
				}
				for i, rec := range recs {
					sources[i] = out.source(rec)
				}
			}
		}
		return out.flush()
	})
}

// writeRun makes a run of what rows puts out, in the place of the runs of the table from the given one on. No rows make no run.
func (f *folder) writeRun(id TableID, schema *arrow.Schema, from int, rows func(out *rowCopier) error) error {
	var w *runWriter
	out := &rowCopier{schema: schema, out: func(rec arrow.Record) (err error) {
		if f.d.isClosing() {
			return errClosing
		}
		if w == nil {
			if w, err = newRunWriter(f.d.fs, f.d.dir, f.d.newFile(), schema); err != nil {
				return err
			}
			f.made = append(f.made, path.Base(w.name))
		}
		return w.add(rec)
	}}
	if err := rows(out); err != nil {
		if w != nil {
			w.abort()
		}
		return err
	}
	kept := slices.Clone(f.tables[id][:from])
	if w != nil {
		r, err := w.finish()
		if err != nil {
			return err
		}
		f.runs = append(f.runs, *r)
		kept = append(kept, r.File)
	}
	if len(kept) == 0 {
		delete(f.tables, id)
	} else {
		f.tables[id] = kept
	}
	return nil
}

// find returns a run that is known.
func (f *folder) find(file uint64) *runInfo {
	i := slices.IndexFunc(f.runs, func(r runInfo) bool { return r.File == file })
	return &f.runs[i]
}

// mergeNewest merges a table's newest runs as far as that is worth while.
func (f *folder) mergeNewest(id TableID) error {
	runs := f.tables[id]
	from := len(runs) - 1
	for size := f.find(runs[from]).bytes(); from > 0; from-- {
		older := f.find(runs[from-1]).bytes()
		if older >= 2*size {
			break
		}
		size += older
	}
	if from == len(runs)-1 {
		return nil
	}
	m := &runMerge{}
	defer func() {
		for _, r := range m.readers {
			r.close()
		}
	}()
	for _, file := range slices.Backward(runs[from:]) {
		r, err := openRun(f.d.fs, f.d.dir, f.find(file))
		if err != nil {
			return err
		}
		m.readers = append(m.readers, r)
	}
	schema, same, err := m.start()
	if err != nil || !same {
		return err // runs of different columns stay apart
	}
	return f.writeRun(id, schema, from, func(out *rowCopier) error { return m.merge(out, from == 0) })
}
