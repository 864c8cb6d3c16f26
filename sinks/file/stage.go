package file

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/types"
)

// stage appends the changes to the staged files, syncs them and returns the frame that commits them.
func (s *Sink) stage(changes []*changelog.Batch) (frame, error) {
	next := s.state
	next.Staged = slices.Clone(s.state.Staged)
	pending := map[string][]byte{} // bytes by partition
	var order []string
	// An encoder of changes has to see what takes a row back together with what replaces it, which may come in batches of their own.
	for _, b := range changelog.Consolidate(s.cfg.Schema, changes) {
		for partition, part := range s.split(b) {
			if err := checkPartition(partition); err != nil { // Check refused such rows
				return next, err
			}
			buf, seen := pending[partition]
			if !seen {
				order = append(order, partition)
			}
			buf, err := s.encode(buf, part)
			if err != nil {
				return next, err
			}
			pending[partition] = buf
		}
	}
	made := false
	for _, partition := range order {
		i := slices.IndexFunc(next.Staged, func(f staged) bool { return f.Partition == partition })
		if i < 0 {
			next.Files++
			next.Staged = append(next.Staged, staged{
				Name: fmt.Sprintf("%06d.staged", next.Files), Partition: partition, Since: time.Now().UnixMicro(),
			})
			i, made = len(next.Staged)-1, true
		}
		f := &next.Staged[i]
		data := pending[partition]
		if f.Bytes == 0 && s.encoder != nil {
			data = append(slices.Clip(s.encoder.Header()), data...)
		}
		if err := s.append(f.Name, data); err != nil {
			return next, ioError("write", s.hidden(f.Name), err)
		}
		f.Bytes += int64(len(data))
	}
	if made {
		if err := s.cfg.FS.SyncDir(s.hidden("")); err != nil {
			return next, ioError("sync", s.hidden(""), err)
		}
	}
	return next, nil
}

func (s *Sink) append(name string, data []byte) error {
	f, err := s.cfg.FS.OpenAppend(s.hidden(name))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// encode appends a batch of written columns in the form of the staged file: records, or, for formats that are whole files, frames of
//
//	length uint32 | crc32c uint32 | Arrow IPC stream
func (s *Sink) encode(dst []byte, b *changelog.Batch) ([]byte, error) {
	if s.encoder != nil {
		return s.encoder.Encode(dst, b)
	}
	at := len(dst)
	dst = append(dst, make([]byte, 8)...)
	dst, err := changelog.AppendIPC(dst, s.written, []*changelog.Batch{b})
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-8))
	binary.LittleEndian.PutUint32(dst[at+4:], crc32.Checksum(dst[at+8:], castagnoli))
	return dst, nil
}

// split yields the rows of each partition with the written columns, in order of first appearance.
func (s *Sink) split(b *changelog.Batch) iter.Seq2[string, *changelog.Batch] {
	return func(yield func(string, *changelog.Batch) bool) {
		if b.Rows() == 0 {
			return
		}
		written := s.columnsWritten(b)
		if len(s.cfg.PartitionBy) == 0 {
			yield("", written)
			return
		}
		rows := map[string][]uint32{}
		var order []string
		var name []byte
		b.Each(func(row int) {
			name = s.partition(name[:0], b, row)
			if _, seen := rows[string(name)]; !seen {
				order = append(order, string(name))
			}
			rows[string(name)] = append(rows[string(name)], uint32(row))
		})
		for _, p := range order {
			if !yield(p, written.Select(rows[p])) {
				return
			}
		}
	}
}

// columnsWritten returns the batch without the columns that directories are named by.
func (s *Sink) columnsWritten(b *changelog.Batch) *changelog.Batch {
	cols := make([]arrow.Array, len(s.columns))
	for i, c := range s.columns {
		cols[i] = b.Cols[c]
	}
	return b.With(cols)
}

// partition appends the directory of a row: column=value/..., NULL and unusual bytes as Hive writes them.
func (s *Sink) partition(dst []byte, b *changelog.Batch, row int) []byte {
	for i, c := range s.cfg.PartitionBy {
		if i > 0 {
			dst = append(dst, '/')
		}
		dst = append(escape(dst, s.cfg.Schema[c].Name), '=')
		if b.Cols[c].IsNull(row) {
			dst = append(dst, "__HIVE_DEFAULT_PARTITION__"...)
			continue
		}
		value := string(types.AppendText(nil, s.cfg.Schema[c].Type, b.Cols[c], row))
		if value == "" {
			value = "__HIVE_DEFAULT_PARTITION__"
		}
		dst = escape(dst, value)
	}
	return dst
}

// Check implements sinks.Checker: rows whose directory cannot exist, and those that the format cannot hold.
func (s *Sink) Check(b *changelog.Batch) []sinks.Refusal {
	var refused []sinks.Refusal
	if checker, ok := s.encoder.(formats.RecordChecker); ok {
		part := s.columnsWritten(b)
		part.Each(func(row int) {
			if err := checker.CheckRecord(part, row); err != nil {
				refused = append(refused, sinks.Refusal{Row: row, Err: err})
			}
		})
	}
	if len(s.cfg.PartitionBy) > 0 {
		var name []byte
		b.Each(func(row int) {
			name = s.partition(name[:0], b, row)
			if err := checkPartition(string(name)); err != nil {
				refused = append(refused, sinks.Refusal{Row: row, Err: err})
			}
		})
	}
	slices.SortStableFunc(refused, func(a, b sinks.Refusal) int { return a.Row - b.Row })
	return slices.CompactFunc(refused, func(a, b sinks.Refusal) bool { return a.Row == b.Row })
}

// maxName is how long a name may be on usual file systems.
const maxName = 255

// checkPartition refuses names that no directory can have, before anything is committed that could never be made visible.
func checkPartition(partition string) *types.Error {
	for _, name := range strings.Split(partition, "/") {
		if len(name) > maxName {
			return types.Errorf(types.CodeStringTruncation, "a directory name of %d bytes by partition_by is longer than %d: %.40s...", len(name), maxName, name).
				WithHint("partition by a shorter expression")
		}
	}
	return nil
}

func escape(dst []byte, text string) []byte {
	for _, c := range []byte(text) {
		if c < ' ' || c == 0x7f || strings.IndexByte(`"#%'*/:=?\{[]^`, c) >= 0 {
			dst = fmt.Appendf(dst, "%%%02X", c)
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// commit makes a frame the committed state.
func (s *Sink) commit(next frame) error {
	if err := s.journal.append(next); err != nil {
		s.unclean = true
		return ioError("write", s.hidden(journalName), err)
	}
	s.state = next
	return nil
}

// clean brings the directory to the committed state if something failed midway.
func (s *Sink) clean() error {
	if !s.unclean {
		return nil
	}
	if s.journal != nil {
		s.journal.close()
	}
	j, state, found, err := openJournal(s.cfg.FS, s.hidden(""))
	if err != nil {
		return err
	}
	s.journal, s.state, s.found = j, state, found
	if found {
		// The last frame may be one whose sync failed: what is read here need not survive, so it is written once more.
		if err := s.commit(state); err != nil {
			return err
		}
	}
	return s.recover()
}

// recover makes files and names what the committed state says.
func (s *Sink) recover() error {
	fsys := s.cfg.FS
	if len(s.state.Renames) > 0 {
		if err := s.finishRenames(); err != nil {
			return err
		}
	}
	keep := map[string]bool{journalName: true, "lock": true}
	for _, f := range s.state.Staged {
		keep[f.Name] = true
		info, err := fsys.Stat(s.hidden(f.Name))
		if err != nil || info.Size() < f.Bytes {
			return types.Errorf(types.CodeDataCorrupted, "staged file %q is missing or shorter than its %d committed bytes", s.hidden(f.Name), f.Bytes)
		}
		if info.Size() > f.Bytes {
			if err := fsys.Truncate(s.hidden(f.Name), f.Bytes); err != nil {
				return ioError("cut", s.hidden(f.Name), err)
			}
		}
	}
	names, err := fsys.List(s.hidden(""))
	if err != nil {
		return ioError("list", s.hidden(""), err)
	}
	for _, name := range names {
		if !keep[name] {
			if err := fsys.Remove(s.hidden(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return ioError("remove", s.hidden(name), err)
			}
		}
	}
	s.unclean = false
	return nil
}

// roll makes the staged files visible for which due holds.
func (s *Sink) roll(due func(staged) bool) error {
	next := s.state
	next.Staged, next.Renames = nil, nil
	for _, f := range s.state.Staged {
		if !due(f) {
			next.Staged = append(next.Staged, f)
			continue
		}
		r := rename{From: f.Name, To: path.Join(f.Partition, s.finalName(f))}
		if s.cfg.File != nil {
			r.From, r.Drop = strings.TrimSuffix(f.Name, ".staged")+".complete", f.Name
			if err := s.writeFile(f, r.From); err != nil {
				return ioError("write", s.hidden(r.From), err)
			}
		}
		next.Renames = append(next.Renames, r)
	}
	if len(next.Renames) == 0 {
		return nil
	}
	if s.cfg.File != nil {
		if err := s.cfg.FS.SyncDir(s.hidden("")); err != nil {
			return ioError("sync", s.hidden(""), err)
		}
	}
	if err := s.commit(next); err != nil {
		return err
	}
	s.unclean = true // until the renames are done
	if err := s.finishRenames(); err != nil {
		return err
	}
	s.unclean = false
	return nil
}

// finalName is unique in the directory: the engine and the number of the staged file are part of it.
func (s *Sink) finalName(f staged) string {
	id := s.state.Engine
	if len(id) > 8 {
		id = id[:8]
	}
	return "part-" + id + "-" + strings.TrimSuffix(f.Name, ".staged") + "." + s.cfg.Extension
}

// finishRenames does what the last frame says, as often as it takes. A file gets its final name before it loses the other one, since not every
// file system renames from one directory to another in one step.
func (s *Sink) finishRenames() error {
	fsys := s.cfg.FS
	var dirs []string
	for _, r := range s.state.Renames {
		from, to := s.hidden(r.From), path.Join(s.cfg.Path, r.To)
		if err := fsys.MkdirAll(path.Dir(to)); err != nil {
			return ioError("make directory", path.Dir(to), err)
		}
		if !slices.Contains(dirs, path.Dir(to)) {
			dirs = append(dirs, path.Dir(to))
		}
		err := fsys.Link(from, to)
		switch {
		case errors.Is(err, fs.ErrExist): // from an earlier try
		case errors.Is(err, fs.ErrNotExist): // it was complete before a crash, and a reader may have taken it away
		case err != nil: // there are no links here
			if err := fsys.Rename(from, to); err != nil {
				return ioError("make visible", to, err)
			}
		}
	}
	for _, dir := range dirs {
		if err := fsys.SyncDir(dir); err != nil {
			return ioError("sync", dir, err)
		}
	}
	for _, r := range s.state.Renames {
		if err := fsys.Remove(s.hidden(r.From)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ioError("remove", s.hidden(r.From), err)
		}
	}
	if err := fsys.SyncDir(s.hidden("")); err != nil {
		return ioError("sync", s.hidden(""), err)
	}
	next := s.state
	next.Renames = nil
	drops := s.state.Renames
	if err := s.commit(next); err != nil {
		return err
	}
	for _, r := range drops {
		if r.Drop != "" {
			if err := fsys.Remove(s.hidden(r.Drop)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return ioError("remove", s.hidden(r.Drop), err)
			}
		}
	}
	return nil
}

// writeFile turns the staged frames of f into a complete file.
func (s *Sink) writeFile(f staged, name string) error {
	data, err := readAll(s.cfg.FS, s.hidden(f.Name))
	if err != nil {
		return err
	}
	data = data[:min(int64(len(data)), f.Bytes)]
	out, err := s.cfg.FS.Create(s.hidden(name))
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(out, 256<<10)
	err = s.cfg.File.EncodeFile(buffered, func(yield func(*changelog.Batch, error) bool) {
		for len(data) > 0 {
			body, n := nextFrame(data)
			if n == 0 {
				yield(nil, types.Errorf(types.CodeDataCorrupted, "staged file %q is damaged", s.hidden(f.Name)))
				return
			}
			batches, err := changelog.ReadIPC(body, s.written)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, b := range batches {
				if !yield(b, nil) {
					return
				}
			}
			data = data[n:]
		}
	})
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
