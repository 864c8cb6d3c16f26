package state

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"path"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
)

// read returns a section's body, checked. Its file is pinned.
func (d *disk) read(p place) ([]byte, error) {
	name := path.Join(d.dir, p.segment)
	d.mu.Lock()
	f := d.readers[p.segment]
	if f == nil {
		var err error
		if f, err = d.fs.OpenRead(name); err != nil {
			d.mu.Unlock()
			return nil, missing(name, "open", err)
		}
		d.readers[p.segment] = f
	}
	d.mu.Unlock()
	body := make([]byte, p.length)
	if n, err := f.ReadAt(body, p.offset); err != nil && !(err == io.EOF && int64(n) == p.length) {
		return nil, ioError("read", name, err)
	}
	if checksum(body) != p.crc {
		return nil, &CorruptionError{File: name, Offset: p.offset, Reason: "a section does not match its checksum", WayOut: wayOutLog}
	}
	return body, nil
}

// rows returns the logged rows at a place.
func (d *disk) rows(p place) (arrow.Record, error) {
	body, err := d.read(p)
	if err != nil {
		return nil, err
	}
	rec, err := decodeRows(body)
	if err != nil {
		return nil, &CorruptionError{File: path.Join(d.dir, p.segment), Offset: p.offset, Reason: err.Error(), WayOut: wayOutLog}
	}
	return rec, nil
}

// segmentsOf returns the files in which places lie, each once.
func segmentsOf(places []place) []string {
	var names []string
	for _, p := range places {
		if len(names) == 0 || names[len(names)-1] != p.segment {
			names = append(names, p.segment)
		}
	}
	return names
}

// tableFiles is where a table's rows lie: runs, oldest first, then the log.
type tableFiles struct {
	runs   []runInfo
	places []place
}

// tableAt finds a table's rows as of an epoch, in the snapshot before it and in the log. d.mu is held.
func tableAt(x *logIndex, man *manifest, base *snapshot, id TableID, upto changelog.Epoch) tableFiles {
	var t tableFiles
	if dropped, ok := x.drops[id]; ok && dropped <= upto {
		return t
	}
	from := changelog.Epoch(0)
	if base != nil {
		from = base.Epoch
		for _, file := range base.Tables[id] {
			t.runs = append(t.runs, *man.run(file))
		}
	}
	t.places = between(x.tables[id], from, upto)
	return t
}

// between returns the places of epochs after from up to upto.
func between(places []place, from, upto changelog.Epoch) []place {
	find := func(e changelog.Epoch) int {
		i, _ := slices.BinarySearchFunc(places, e, func(p place, e changelog.Epoch) int {
			if p.epoch <= e {
				return -1
			}
			return 1
		})
		return i
	}
	lo, hi := find(from), find(upto)
	return places[lo:max(lo, hi)]
}

func (t *tableFiles) names() []string {
	names := segmentsOf(t.places)
	for i := range t.runs {
		names = append(names, t.runs[i].name())
	}
	return names
}

func (d *disk) load(t Table, accept func(hash uint64) bool) error {
	d.mu.Lock()
	files := tableAt(&d.index, d.man, d.man.Base, t.Spec().ID, ^changelog.Epoch(0))
	names := files.names()
	d.pin(names)
	d.mu.Unlock()
	defer d.unpin(names)
	return d.apply(t, &files, accept)
}

// apply fills a table from files, which are pinned.
func (d *disk) apply(t Table, files *tableFiles, accept func(hash uint64) bool) error {
	for i := range files.runs {
		if err := d.applyRun(t, &files.runs[i], accept); err != nil {
			return err
		}
	}
	for places := files.places; len(places) > 0; {
		n := 1
		for n < len(places) && places[n].epoch == places[0].epoch {
			n++
		}
		if err := d.applyEpoch(t, places[:n], accept); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// applyEpoch applies the deltas of several workers in one epoch: the ranges that are gone first, as they take away rows of earlier
// epochs only.
func (d *disk) applyEpoch(t Table, places []place, accept func(hash uint64) bool) error {
	recs := make([]arrow.Record, len(places))
	for i, p := range places {
		var err error
		if recs[i], err = d.rows(p); err != nil {
			return err
		}
	}
	part := func(i int, from, to int64) error {
		if from == to {
			return nil
		}
		rec := recs[i]
		if from > 0 || to < rec.NumRows() {
			rec = sliceRecord(rec, int(from), int(to))
		}
		if err := t.Apply(rec, accept); err != nil {
			return &CorruptionError{File: path.Join(d.dir, places[i].segment), Offset: places[i].offset,
				Reason: fmt.Sprintf("rows of table %q: %v", t.Spec().Name, err), WayOut: wayOutLog}
		}
		return nil
	}
	if len(recs) == 1 {
		return part(0, 0, recs[0].NumRows())
	}
	ranges := make([]int64, len(recs))
	for i, rec := range recs {
		for _, op := range rec.Column(opColumn).(*array.Uint8).Uint8Values() {
			if op != opPrefix {
				break
			}
			ranges[i]++
		}
		if err := part(i, 0, ranges[i]); err != nil {
			return err
		}
	}
	for i, rec := range recs {
		if err := part(i, ranges[i], rec.NumRows()); err != nil {
			return err
		}
	}
	return nil
}

// sliceRecord copies rows: tables read columns from their first row.
func sliceRecord(rec arrow.Record, from, to int) arrow.Record {
	rows := make([]uint32, to-from)
	for i := range rows {
		rows[i] = uint32(from + i)
	}
	return takeRecord(rec, rows)
}

func takeRecord(rec arrow.Record, rows []uint32) arrow.Record {
	cols := make([]arrow.Array, rec.NumCols())
	for i, c := range rec.Columns() {
		cols[i] = changelog.TakeArray(c, rows)
	}
	return array.NewRecord(rec.Schema(), cols, int64(len(rows)))
}

// byOperation brings the ranges of a run's batch to its beginning, then the rows that are gone, so that tables take many rows at once. A
// range takes away rows of older runs only, and of each key there is one row: the order within a run says nothing.
func byOperation(rec arrow.Record) arrow.Record {
	ops := rec.Column(opColumn).(*array.Uint8).Uint8Values()
	changes := 0
	for i := 1; i < len(ops); i++ {
		if ops[i] != ops[i-1] {
			changes++
		}
	}
	if changes == 0 {
		return rec
	}
	rows := make([]uint32, 0, len(ops))
	for _, op := range []uint8{opPrefix, opDelete, opUpsert} {
		for i, o := range ops {
			if o == op {
				rows = append(rows, uint32(i))
			}
		}
	}
	return takeRecord(rec, rows)
}

// applyRun applies a run; the next chunk is read and checked while one is applied.
func (d *disk) applyRun(t Table, run *runInfo, accept func(hash uint64) bool) error {
	r, err := openRun(d.fs, d.dir, run)
	if err != nil {
		return err
	}
	type chunk struct {
		rec arrow.Record
		err error
	}
	chunks := make(chan chunk, 1)
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(chunks)
		defer r.close()
		for {
			rec, err := r.next()
			if rec == nil && err == nil {
				return
			}
			if rec != nil {
				rec = byOperation(rec)
			}
			select {
			case chunks <- chunk{rec, err}:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() { close(stop); <-ended }()
	for c := range chunks {
		if c.err != nil {
			return c.err
		}
		if err := t.Apply(c.rec, accept); err != nil {
			return &CorruptionError{File: r.name, Reason: fmt.Sprintf("rows of table %q: %v", t.Spec().Name, err), WayOut: wayOutManifest}
		}
	}
	return nil
}

// each yields the bodies at the places that of finds, whose files stay meanwhile.
func each[T any](d *disk, of func() []place, make func(place, []byte) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		d.mu.Lock()
		places := slices.Clone(of())
		names := segmentsOf(places)
		d.pin(names)
		d.mu.Unlock()
		defer d.unpin(names)
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

func (d *disk) catalog() iter.Seq2[CatalogEntry, error] {
	return each(d, func() []place { return d.index.catalogs }, func(p place, b []byte) CatalogEntry { return CatalogEntry{p.epoch, b} })
}

func (d *disk) outbox(sink uint64, epoch changelog.Epoch) iter.Seq2[OutboxEntry, error] {
	return each(d, func() []place { return between(d.index.outboxes[sink], epoch, ^changelog.Epoch(0)) }, func(p place, b []byte) OutboxEntry {
		return OutboxEntry{p.epoch, p.clock, b}
	})
}

func (d *disk) rejected(epoch changelog.Epoch) iter.Seq2[RejectedEntry, error] {
	return each(d, func() []place { return between(d.index.rejects, epoch, ^changelog.Epoch(0)) }, func(p place, b []byte) RejectedEntry {
		return RejectedEntry{p.epoch, b}
	})
}

// readHead reads the head of a snapshot and where its catalog lies.
func (d *disk) readHead(s *snapshot) (Head, []place, error) {
	var head Head
	var catalogs []place
	full := path.Join(d.dir, s.Head)
	_, err := scanSegment(d.fs, full, s.Head, d.engine, s.HeadBytes, func(f frame) error {
		for _, e := range f.sections {
			switch e.kind {
			case sectionMeta:
				head.Meta = f.bodies[e.offset]
			case sectionCatalog:
				catalogs = []place{e.place}
			}
		}
		head.Epoch, head.Clock = f.epoch, f.clock
		return nil
	})
	if err == nil && (head.Epoch != s.Epoch || head.Clock != s.Clock) {
		err = &CorruptionError{File: full, Reason: fmt.Sprintf("it is of epoch %d, want %d", head.Epoch, s.Epoch), WayOut: wayOutManifest}
	}
	return head, catalogs, missing(full, "read", err)
}

// cloneTables copies an index as far as reading tables needs it. d.mu is held.
func (x *logIndex) cloneTables() logIndex {
	return logIndex{tables: maps.Clone(x.tables), drops: maps.Clone(x.drops), catalogs: slices.Clone(x.catalogs)}
}
