package file

import (
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
	"github.com/streamsql/streamsql/types"
)

// stage appends the changes to the staged files, syncs them and returns the frame that commits them.
func (s *Sink) stage(changes []*changelog.Batch) (frame, error) {
	next := s.state
	next.Staged = slices.Clone(s.state.Staged)
	pending := map[string][]byte{} // bytes by partition
	var order []string
	for _, b := range changes {
		for partition, part := range s.split(b) {
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
		cols := make([]arrow.Array, len(s.columns))
		for i, c := range s.columns {
			cols[i] = b.Cols[c]
		}
		written := b.With(cols)
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

// recover brings the directory to the committed state: after opening, and after a publish that failed midway.
func (s *Sink) recover() error {
	fsys := s.cfg.FS
	if s.unclean { // the last frame may or may not be in the journal: what is there counts
		s.journal.close()
		j, state, _, err := openJournal(fsys, s.hidden(""))
		if err != nil {
			return err
		}
		s.journal, s.state = j, state
	}
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

// finishRenames does what the last frame says, as often as it takes.
func (s *Sink) finishRenames() error {
	fsys := s.cfg.FS
	dirs := map[string]bool{s.hidden(""): true}
	for _, r := range s.state.Renames {
		to := path.Join(s.cfg.Path, r.To)
		if err := fsys.MkdirAll(path.Dir(to)); err != nil {
			return ioError("make directory", path.Dir(to), err)
		}
		dirs[path.Dir(to)] = true
		err := fsys.Rename(s.hidden(r.From), to)
		if errors.Is(err, fs.ErrNotExist) {
			_, err = fsys.Stat(to) // it was renamed before the crash
		}
		if err != nil {
			return ioError("make visible", to, err)
		}
	}
	for dir := range dirs {
		if err := fsys.SyncDir(dir); err != nil {
			return ioError("sync", dir, err)
		}
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
	err = s.cfg.File.EncodeFile(out, func(yield func(*changelog.Batch, error) bool) {
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
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
