package state

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// keptRejects is how many bytes of rejected rows outlive the log.
const keptRejects = 16 << 20

// keptSmall is the size below which a file of kept sections is always written anew.
const keptSmall = 1 << 20

// logFile is a file in the log's form that is written at once.
type logFile struct {
	name string
	full string
	fs   vfs.FS
	file vfs.File
	size int64
}

// abort closes and removes what cannot be finished.
func (w *logFile) abort() {
	w.file.Close()
	_ = w.fs.Remove(w.full) // else the next start sweeps
}

func (d *disk) newLogFile(suffix string) (*logFile, error) {
	w := &logFile{name: fmt.Sprintf("%08d.%s", d.newFile(), suffix)}
	w.full = path.Join(d.dir, w.name)
	f, err := d.fs.Create(w.full)
	if err != nil {
		return nil, ioError("make", w.full, err)
	}
	w.fs, w.file = d.fs, f
	return w, w.write(logHeader(d.engine))
}

func (w *logFile) write(b []byte) error {
	n, err := w.file.Write(b)
	w.size += int64(n)
	if err != nil {
		w.abort()
		return ioError("write", w.full, err)
	}
	return nil
}

// add writes a frame and returns where its sections lie. After an error the file is gone.
func (w *logFile) add(epoch changelog.Epoch, clock int64, sections []section) ([]entry, error) {
	if err := w.write(frameHead(epoch, clock, sections)); err != nil {
		return nil, err
	}
	var entries []entry
	for _, s := range sections {
		entries = append(entries, entry{s.kind, s.id, place{segment: w.name, offset: w.size, length: int64(len(s.body)), crc: s.crc, epoch: epoch, clock: clock}})
		if err := w.write(s.body); err != nil {
			return nil, err
		}
	}
	return entries, w.write([]byte(frameEnd))
}

// finish makes the contents durable, not the name.
func (w *logFile) finish() error {
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		_ = w.fs.Remove(w.full)
		return ioError("write", w.full, err)
	}
	return nil
}

// keptFile is what a fold keeps of the log that is no table: outboxes that are not published yet and the newest rejected rows.
type keptFile struct {
	files   []keptInfo
	moved   map[place]place  // from what is going
	sinks   map[place]uint64 // of the outboxes that moved
	rejects []place          // that are kept, in their old places
}

// keep writes what is kept of closed segments, and of older kept files of which little is still needed, into a new file.
func (d *disk) keep(in *foldInput, stale map[string]bool) (*keptFile, error) {
	k := &keptFile{moved: map[place]place{}, sinks: map[place]uint64{}}
	var all []entry
	live := map[string]int64{}
	size := int64(0)
	for i := len(in.rejects); i > 0 && size < keptRejects; i-- {
		size += in.rejects[i-1].length
		k.rejects = in.rejects[i-1:]
	}
	for _, p := range k.rejects {
		all = append(all, entry{sectionRejected, 0, p})
	}
	for sink, boxes := range in.outboxes {
		for _, p := range boxes {
			all = append(all, entry{sectionOutbox, sink, p})
		}
	}
	all = slices.DeleteFunc(all, func(e entry) bool { return e.epoch > in.upto })
	for _, e := range all {
		live[e.segment] += e.length
	}
	stays := map[string]bool{}
	for _, f := range in.man.Kept {
		if !stale[f.File] && f.Bytes >= keptSmall && 2*live[f.File] >= f.Bytes {
			stays[f.File] = true
			k.files = append(k.files, f)
		}
	}
	all = slices.DeleteFunc(all, func(e entry) bool { return stays[e.segment] })
	if len(all) == 0 {
		return k, nil
	}
	slices.SortStableFunc(all, func(a, b entry) int { return compareEpochs(a.epoch, b.epoch) })
	w, err := d.newLogFile("kept")
	if err != nil {
		return nil, err
	}
	for len(all) > 0 {
		n := 0
		var sections []section
		for n < len(all) && all[n].epoch == all[0].epoch {
			body, err := d.read(all[n].place)
			if err != nil {
				w.abort()
				return nil, err
			}
			sections = append(sections, section{all[n].kind, all[n].id, body, all[n].crc})
			n++
		}
		entries, err := w.add(all[0].epoch, all[0].clock, sections)
		if err != nil {
			return nil, err
		}
		for i, e := range entries {
			k.moved[all[i].place] = e.place
			if e.kind == sectionOutbox {
				k.sinks[all[i].place] = e.id
			}
		}
		all = all[n:]
	}
	if err := w.finish(); err != nil {
		return nil, err
	}
	k.files = append(k.files, keptInfo{File: w.name, Bytes: w.size, Upto: in.upto})
	return k, nil
}
