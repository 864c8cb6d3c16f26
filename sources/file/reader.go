package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/records"
	"github.com/streamsql/streamsql/types"
)

// maxRecord bounds a record: what goes on longer without an end is rejected, and reading goes on behind the next line end.
const maxRecord = 32 << 20

// rawKept is how much of an oversized record is kept for streamsql.rejected.
const rawKept = 64 << 10

// reader reads the partition file by file. Used from one goroutine.
type reader struct {
	src       *Source
	partition string
	pos       *place
	queue     []string // files still to look at, in order
	watch     *watcher // nil: not watched

	// The current file.
	path   string
	in     *stream
	blocks *blockFile
	size   int64  // in bytes as it was opened
	offset int64  // decompressed offset behind what was handed out
	carry  []byte // read but not handed out: the beginning of a record
	tail   []byte // the last of what was handed out, at most markWindow bytes
	header bool   // the header was passed

	// stuck holds, for watched files left in the midst of a record, where that was so.
	stuck  map[string]stuckAt
	broken error // the current file could not be opened: it is rejected as a whole
	final  bool  // the current file is not expected to grow any more although it is watched
}

// stuckAt is what a file was when it could not be read on.
type stuckAt struct {
	size int64       // in bytes, as far as it was read
	info os.FileInfo // afterwards; nil if it could not be opened
}

// settled is how long a watched file must have been left alone before its damaged end counts as damage.
const settled = 5 * time.Second

// Read implements sources.Reader.
func (r *reader) Read(ctx context.Context, maxBytes int) (sources.Chunk, sources.ReadStatus, error) {
	if maxBytes == 0 {
		maxBytes = 64 << 10
	}
	maxBytes = max(maxBytes, 1<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, sources.ReadMore, err
		}
		if r.path == "" {
			more, err := r.nextFile()
			if err != nil {
				return nil, sources.ReadMore, err
			}
			if !more {
				if r.watch == nil {
					return nil, sources.ReadEnded, nil
				}
				return nil, sources.ReadAtEnd, nil
			}
		}
		var chunk sources.Chunk
		var err error
		if r.broken != nil {
			chunk = r.rejectFile()
		} else if r.blocks != nil {
			chunk, err = r.readBlock()
		} else {
			chunk, err = r.readRecords(maxBytes)
		}
		if chunk != nil || err != nil {
			return chunk, sources.ReadMore, err
		}
	}
}

// rejectFile makes one rejected record of a file that is not of its format.
func (r *reader) rejectFile() sources.Chunk {
	c := r.chunk(nil, 0)
	c.Bad = []sources.BadRecord{{Partition: r.partition, Position: describe(r.path, 0), Err: types.AsError(r.broken)}}
	r.broken = nil
	r.finish(c)
	return c
}

// readBlock returns the next block, or nil after closing the file at its end.
func (r *reader) readBlock() (sources.Chunk, error) {
	i := int(r.offset)
	if i >= r.blocks.Blocks() {
		r.closeFile()
		return nil, nil
	}
	c := &blockChunk{Chunk: r.chunk(nil, 1), path: r.path, file: r.blocks, block: i}
	r.blocks.refs.Add(1)
	return c, nil
}

// nextFile opens the next file with something unread; false means that there is none now.
func (r *reader) nextFile() (bool, error) {
	relisted := false
	for {
		if len(r.queue) == 0 {
			if r.watch == nil || relisted {
				return false, nil
			}
			var err error
			if r.queue, err = r.src.list(); err != nil {
				return false, err
			}
			r.followRenamed(r.queue)
			relisted = true
			continue
		}
		path := r.queue[0]
		r.queue = r.queue[1:]
		last, unread := r.progress(path)
		if !unread || r.isStuck(path) {
			continue
		}
		err := r.open(path, last)
		offset := last.offset
		if other := (*replacedError)(nil); r.watch != nil && errors.As(err, &other) {
			r.src.log.Warn("a watched file was cut or replaced: it is read from its beginning", "source", r.src.cfg.Name, "file", path,
				"read_before", last.offset)
			offset = 0
			r.pos.move(path, mark{})
			err = r.open(path, mark{})
		}
		switch code := types.CodeOf(err); {
		case err == nil:
			return true, nil
		case r.watch != nil && code == types.CodeUndefinedFile:
			r.path = "" // it vanished between listing and opening; nothing of it was promised
		case code == types.CodeDataCorrupted && offset == 0 && r.watch != nil && !r.final:
			r.giveUpForNow(r.size)
		case code == types.CodeDataCorrupted && offset == 0:
			r.broken = err
			return true, nil
		default:
			r.path = ""
			return false, err
		}
	}
}

// progress returns where to go on in path, and false when nothing can be unread.
func (r *reader) progress(path string) (mark, bool) {
	if !r.pos.seenAll {
		switch {
		case path < r.pos.File:
			return mark{}, false
		case path == r.pos.File:
			return r.pos.Offset, r.pos.Offset.offset != done
		}
		return mark{}, true
	}
	last, begun := r.pos.Seen[path]
	if last.offset == done {
		return mark{}, false
	}
	if begun && r.watch != nil && r.grows(path) {
		info, err := os.Stat(path)
		if err == nil && info.Size() == last.offset { // all was read, unless another file of this size has taken its place
			return last, !last.untouched(info) && !last.holds(path)
		}
		return last, err == nil
	}
	return last, true
}

// isStuck reports whether a watched file still ends where it could not be read on, and has not settled.
func (r *reader) isStuck(path string) bool {
	r.final = false
	at, stuck := r.stuck[path]
	if !stuck {
		return false
	}
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	same := info.Size() == at.size
	if same && r.grows(path) && at.info != nil { // written anew with the size it had?
		same = os.SameFile(info, at.info) && info.ModTime().Equal(at.info.ModTime())
	}
	if same {
		if r.grows(path) || time.Since(info.ModTime()) < settled {
			return true
		}
		r.final = true
	}
	delete(r.stuck, path)
	return false
}

// grows reports whether records may be appended to the file, when it is watched.
func (r *reader) grows(path string) bool {
	return r.src.cfg.Records != nil && kind(path, r.src.cfg.Compression) == "none"
}

// open opens path behind what was read of it. It returns a replacedError if that is not there any more.
func (r *reader) open(path string, last mark) error {
	offset := last.offset
	r.path, r.offset, r.carry, r.tail, r.header = path, offset, nil, nil, offset > 0
	info, err := os.Stat(path)
	if err != nil {
		return ioError("open", path, err)
	}
	r.size = info.Size()
	if r.src.cfg.Blocks != nil {
		b, err := openBlockFile(r.src.cfg.Blocks, path)
		r.blocks = b
		return err
	}
	in, err := openStream(path, r.src.cfg.Compression, offset)
	if err != nil {
		return err
	}
	if !last.fits(in.before) {
		in.Close()
		return replaced(path, offset)
	}
	if offset > 0 {
		if err := r.readHeader(path); err != nil {
			in.Close()
			return err
		}
	}
	r.in, r.tail = in, in.before
	return nil
}

// readHeader shows the format the header of a file that is read on from its middle: only the header tells which field is
// which column.
func (r *reader) readHeader(path string) error {
	in, err := openStream(path, r.src.cfg.Compression, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	for buf := make([]byte, 0, 4<<10); ; buf = append(make([]byte, 0, 4*cap(buf)), buf...) {
		n, err := io.ReadFull(in.r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		_, ok, headerErr := r.src.cfg.Records.HeaderBytes(buf, err != nil)
		switch {
		case headerErr != nil:
			return headerError(path, headerErr)
		case ok || err != nil || len(buf) >= maxRecord:
			return nil
		}
	}
}

// readRecords returns the next chunk of the current stream, or nil after closing it at its end.
func (r *reader) readRecords(maxBytes int) (sources.Chunk, error) {
	format := r.src.cfg.Records
	buf := append(make([]byte, 0, len(r.carry)+maxBytes), r.carry...)
	r.carry = nil
	start := 0 // of the records in buf
	for {
		eof, readErr := r.fill(&buf, maxBytes)
		if errors.Is(readErr, io.ErrUnexpectedEOF) && r.watch != nil && !r.final {
			r.giveUpForNow(r.size) // compressed and still being written
			return nil, nil
		}
		atEOF := eof && (r.watch == nil || r.in.compressed)
		if !r.header {
			n, ok, err := format.HeaderBytes(buf, atEOF)
			if err != nil {
				return nil, headerError(r.path, err)
			}
			if ok {
				start, r.header = n, true
			} else if !eof && readErr == nil && len(buf) < maxRecord {
				continue
			}
		}
		n := 0
		if r.header || atEOF {
			n = format.Split(buf[start:], atEOF)
		}
		switch {
		case readErr != nil: // what follows the last whole record belongs to the damage
			r.passed(buf[:start])
			c := r.chunk(buf[start:start+n:start+n], int64(start))
			c.Bad = r.damage(readErr, buf[start+n:])
			r.finish(c)
			return c, nil
		case n > 0:
			r.carry = append([]byte(nil), buf[start+n:]...)
			r.passed(buf[:start])
			return r.chunk(buf[start:start+n:start+n], int64(start)), nil
		case atEOF:
			r.closeFile()
			return nil, nil
		case eof: // what is missing of the record is still to come
			r.giveUpForNow(r.offset + int64(len(buf)))
			return nil, nil
		case len(buf)-start > maxRecord:
			return r.skipRecord(buf, start), nil
		}
	}
}

// fill reads up to maxBytes more; eof tells that the present end was reached.
func (r *reader) fill(buf *[]byte, maxBytes int) (eof bool, err error) {
	b := *buf
	if cap(b)-len(b) < maxBytes/2 {
		b = append(make([]byte, 0, 2*cap(b)+maxBytes), b...)
	}
	n, err := io.ReadFull(r.in.r, b[len(b):cap(b)])
	*buf = b[:len(b)+n]
	switch {
	case err == nil:
		return false, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && !r.in.compressed:
		return true, nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		// io.ReadFull's own "short" and a cut compressed stream look alike: ask again.
		var one [1]byte
		m, again := r.in.r.Read(one[:])
		*buf = append(*buf, one[:m]...)
		if again == io.EOF {
			return true, nil
		}
		if again == nil {
			return false, nil
		}
		return false, again
	}
	return false, err
}

// skipRecord rejects a record that is too long and goes on behind the next line end. It returns nil if the file grows and the line end is
// still to come.
func (r *reader) skipRecord(buf []byte, start int) sources.Chunk {
	raw := append([]byte(nil), buf[start:start+rawKept]...)
	skipped := int64(len(buf) - start)
	var rest []byte
	page := make([]byte, 1<<20)
	for rest == nil {
		n, err := r.in.r.Read(page)
		if i := bytes.IndexByte(page[:n], '\n'); i >= 0 {
			skipped += int64(i) + 1
			rest = append([]byte{}, page[i+1:n]...)
		} else {
			skipped += int64(n)
		}
		if err != nil {
			break
		}
	}
	if rest == nil && r.watch != nil && !r.in.compressed {
		r.giveUpForNow(r.offset + int64(start) + skipped)
		return nil
	}
	bad := sources.BadRecord{
		Partition: r.partition, Position: describe(r.path, r.offset+int64(start)), Raw: raw,
		Err: types.Errorf(types.CodeInvalidText, "record of %d bytes is longer than the limit of %d", skipped, maxRecord),
	}
	r.tail = nil // what was skipped is not at hand
	c := r.chunk(nil, int64(start)+skipped)
	r.carry = rest
	c.Bad = []sources.BadRecord{bad}
	return c
}

// chunk hands out data that stands behind skip bytes from the current offset, and moves on.
func (r *reader) chunk(data []byte, skip int64) *records.Chunk {
	path := r.path
	c := &records.Chunk{
		Decoders: &r.src.decoders, Source: r.src.cfg.Name, Partition: r.partition, Describe: func(n int64) string { return describe(path, n) },
		Start: r.offset + skip, Data: data, Begin: r.pos.at,
	}
	r.offset += skip + int64(len(data))
	r.passed(data)
	r.moveTo(r.offset)
	c.End = r.pos.at
	return c
}

// passed says that data was passed by, so that the file can be known again by it.
func (r *reader) passed(data []byte) {
	if len(data) >= markWindow {
		r.tail = append(r.tail[:0:0], data[len(data)-markWindow:]...)
		return
	}
	if keep := markWindow - len(data); len(r.tail) > keep {
		r.tail = r.tail[len(r.tail)-keep:]
	}
	r.tail = append(r.tail[:len(r.tail):len(r.tail)], data...)
}

func (r *reader) moveTo(offset int64) {
	tail := r.tail
	if offset == done {
		tail = nil
	}
	r.pos.move(r.path, newMark(offset, tail, r.info()))
}

// info describes the current file; nil if it is not open.
func (r *reader) info() os.FileInfo {
	f := (*os.File)(nil)
	switch {
	case r.in != nil:
		f = r.in.file
	case r.blocks != nil:
		f = r.blocks.file
	default:
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// finish makes c the last chunk of the current file.
func (r *reader) finish(c *records.Chunk) {
	r.moveTo(done)
	c.End = r.pos.at
	r.release()
}

// damage describes a stream that cannot be read further, with the record that it broke off in.
func (r *reader) damage(err error, raw []byte) []sources.BadRecord {
	return []sources.BadRecord{{Partition: r.partition, Position: describe(r.path, r.offset),
		Raw: bytes.Clone(raw[:min(len(raw), rawKept)]), Err: damaged(r.path, err)}}
}

// closeFile ends the current file, to which nothing can be appended.
func (r *reader) closeFile() {
	r.moveTo(done)
	r.release()
}

// giveUpForNow closes a file that may still be written to; it is looked at again when its size is another than the one that was read.
func (r *reader) giveUpForNow(size int64) {
	if r.stuck == nil {
		r.stuck = map[string]stuckAt{}
	}
	r.stuck[r.path] = stuckAt{size: size, info: r.info()}
	r.release()
}

func (r *reader) release() {
	if r.in != nil {
		r.in.Close()
	}
	if r.blocks != nil {
		r.blocks.release()
	}
	r.in, r.blocks, r.path, r.carry, r.tail = nil, nil, "", nil, nil
}

// Wait implements sources.Reader.
func (r *reader) Wait(ctx context.Context) error {
	if r.watch == nil {
		return nil
	}
	return r.watch.wait(ctx)
}

// Close implements sources.Reader.
func (r *reader) Close() error {
	r.release()
	return r.watch.close()
}

func headerError(path string, err error) error {
	var e *types.Error
	if errors.As(err, &e) {
		c := *e
		c.Msg = path + ": " + e.Msg
		return &c
	}
	return types.Errorf(types.CodeInvalidText, "%s: %v", path, err)
}
