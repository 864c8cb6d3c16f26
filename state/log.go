package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// A log file ("segment") is a header and frames, one frame per epoch. Integers are little-endian, crc is CRC-32C.
//
//	header   magic "ssqllog\x01" 8 bytes | engine id 32 hex digits | crc uint32 of the 40 bytes before
//	frame    magic uint32 | sections uint32 | epoch uint64 | clock int64 | crc uint32 of the 24 bytes before | crc uint32 of the table
//	         table: sections times { kind uint8 | id uint64 | length uint64 | crc uint32 of the body }
//	         the sections' bodies, in order | end 8 bytes, none of them zero
//
// A frame counts when it is whole. What lies behind the last whole frame of the newest segment is the torn tail of a write that was never
// acknowledged, and is cut. It is told from damage by what torn writes look like: no frame follows, and the file ends early, or sectors
// were never written and read as zeros (frames begin and end with bytes that are not zero, so that their first and last sectors cannot be taken for
// that). Anything else that does not check is damage.
const (
	logMagic       = "ssqllog\x01"
	logHeaderSize  = len(logMagic) + 32 + 4
	frameMagic     = 0x31657373 // "sse1"
	frameHeadSize  = 4 + 4 + 8 + 8 + 4 + 4
	frameEnd       = "\xffend\xfe\x0d\x0a\xff"
	sectionEntry   = 1 + 8 + 8 + 4
	maxSections    = 1 << 20
	maxSectionSize = 1 << 40
	sectorSize     = 512
)

// sectionKind is what a section of a frame holds. The numbers are stored: append only.
type sectionKind uint8

const (
	sectionMeta      sectionKind = 1 // Record.Meta
	sectionTable     sectionKind = 2 // id: table; an Arrow IPC stream of one batch
	sectionDropTable sectionKind = 3 // id: table
	sectionRejected  sectionKind = 4
	sectionOutbox    sectionKind = 5 // id: sink
	sectionDropSink  sectionKind = 6 // id: sink
	sectionCatalog   sectionKind = 7
	sectionPublished sectionKind = 8 // id: sink; body: epoch uint64
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func logHeader(engine string) []byte {
	b := append([]byte(logMagic), engine...)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

// section is one part of a frame.
type section struct {
	kind sectionKind
	id   uint64
	body []byte
	crc  uint32
}

func newSection(kind sectionKind, id uint64, body []byte) section {
	return section{kind, id, body, checksum(body)}
}

// sectionsOf turns a record into sections.
func sectionsOf(rec *Record, published map[uint64]changelog.Epoch) ([]section, error) {
	var s []section
	if rec.Meta != nil {
		s = append(s, newSection(sectionMeta, 0, rec.Meta))
	}
	for _, t := range rec.Tables {
		if t.Rows == nil || t.Rows.NumRows() == 0 {
			continue
		}
		body, err := encodeRows(t.Rows)
		if err != nil {
			return nil, fmt.Errorf("encode the rows of table %d: %w", t.Table, err)
		}
		s = append(s, newSection(sectionTable, uint64(t.Table), body))
	}
	for _, id := range rec.DropTable {
		s = append(s, newSection(sectionDropTable, uint64(id), nil))
	}
	if len(rec.Rejected) > 0 {
		s = append(s, newSection(sectionRejected, 0, rec.Rejected))
	}
	for _, o := range rec.Outboxes {
		s = append(s, newSection(sectionOutbox, o.Sink, o.Body))
	}
	for _, id := range rec.DropSink {
		s = append(s, newSection(sectionDropSink, id, nil))
	}
	if len(rec.Catalog) > 0 {
		s = append(s, newSection(sectionCatalog, 0, rec.Catalog))
	}
	for sink, epoch := range published {
		s = append(s, newSection(sectionPublished, sink, binary.LittleEndian.AppendUint64(nil, uint64(epoch))))
	}
	return s, nil
}

// frameHead returns the frame up to the bodies.
func frameHead(epoch changelog.Epoch, clock int64, sections []section) []byte {
	b := make([]byte, 0, frameHeadSize+len(sections)*sectionEntry)
	b = binary.LittleEndian.AppendUint32(b, frameMagic)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(sections)))
	b = binary.LittleEndian.AppendUint64(b, uint64(epoch))
	b = binary.LittleEndian.AppendUint64(b, uint64(clock))
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	b = append(b, 0, 0, 0, 0)
	for _, s := range sections {
		b = append(b, byte(s.kind))
		b = binary.LittleEndian.AppendUint64(b, s.id)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s.body)))
		b = binary.LittleEndian.AppendUint32(b, s.crc)
	}
	binary.LittleEndian.PutUint32(b[28:], checksum(b[frameHeadSize:]))
	return b
}

func encodeRows(rec arrow.Record) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(encodedSize(rec))
	w := ipc.NewWriter(&buf, ipc.WithSchema(rec.Schema()))
	if err := w.Write(rec); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// encodedSize is about how many bytes encodeRows makes, so that they need not be copied as they grow.
func encodedSize(rec arrow.Record) int {
	n := 1024
	for _, c := range rec.Columns() {
		n += 256
		for _, b := range c.Data().Buffers() {
			if b != nil {
				n += b.Len() + 64
			}
		}
	}
	return n
}

// decodeRows reads what encodeRows wrote; body was checked against its checksum.
func decodeRows(body []byte) (arrow.Record, error) {
	recs, err := changelog.ReadRecords(body)
	if err == nil && len(recs) != 1 {
		err = fmt.Errorf("%d batches, want 1", len(recs))
	}
	if err == nil {
		err = checkLogged(recs[0])
	}
	if err != nil {
		return nil, err
	}
	return recs[0], nil
}

// place is where a section's body lies.
type place struct {
	segment string
	offset  int64
	length  int64
	crc     uint32
	epoch   changelog.Epoch
	clock   int64
}

// entry is a section as the scan finds it.
type entry struct {
	kind sectionKind
	id   uint64
	place
}

// frame is a whole frame as the scan finds it.
type frame struct {
	segment  string
	at, end  int64
	epoch    changelog.Epoch
	clock    int64
	sections []entry
	bodies   map[int64][]byte // by offset; of all but tables and outboxes
}

// scanSegment calls f for every whole frame, in order, and returns the length up to which the segment counts. end is its
// logged length, or -1 for the newest segment, whose torn tail is left out.
func scanSegment(fs vfs.FS, path, name, engine string, end int64, f func(frame) error) (int64, error) {
	file, err := fs.OpenRead(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	damaged := func(at int64, format string, args ...any) error {
		return &CorruptionError{File: path, Offset: at, Reason: fmt.Sprintf(format, args...), WayOut: wayOutLog}
	}
	size := info.Size()
	if end >= 0 {
		if size < end {
			return 0, damaged(size, "the file ends before its logged length of %d bytes", end)
		}
		size = end
	}
	s := &segmentReader{file: file, size: size}
	head, err := s.at(0, int64(logHeaderSize))
	switch {
	case err == io.ErrUnexpectedEOF && end < 0 || err == nil && end < 0 && len(bytes.Trim(head, "\x00")) == 0:
		return 0, nil // made and never written
	case err == io.ErrUnexpectedEOF:
		return 0, damaged(0, "the header is cut short")
	case err != nil:
		return 0, err
	}
	if !bytes.Equal(head, logHeader(engine)) {
		if string(head[:len(logMagic)]) == logMagic && checksum(head[:logHeaderSize-4]) == binary.LittleEndian.Uint32(head[logHeaderSize-4:]) {
			return 0, damaged(0, "the log belongs to another engine, %s", head[len(logMagic):logHeaderSize-4])
		}
		return 0, damaged(0, "the header is damaged")
	}
	at := int64(logHeaderSize)
	for at < size {
		next, why, err := s.frame(at, name, f)
		if err != nil {
			return 0, err
		}
		if why == "" {
			at = next
			continue
		}
		torn, err := s.torn(at, next)
		if err != nil {
			return 0, err
		}
		if end < 0 && torn {
			return at, nil
		}
		return 0, damaged(at, "%s", why)
	}
	return at, nil
}

const wayOutLog = "restore the directory from a savepoint, or remove it to start from nothing"

// segmentReader reads ranges of a segment.
type segmentReader struct {
	file vfs.File
	size int64
}

func (s *segmentReader) at(off, n int64) ([]byte, error) {
	if n < 0 || off+n > s.size {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, n)
	if _, err := s.file.ReadAt(b, off); err != nil && !(err == io.EOF && off+n == s.size) {
		return nil, err
	}
	return b, nil
}

// cutShort stands for the end of a frame that goes on behind the end of the file.
const cutShort = -1

// frame reads the frame at off. why says what is wrong with it; next is then the end as far as it is known, or cutShort.
func (s *segmentReader) frame(off int64, name string, f func(frame) error) (next int64, why string, err error) {
	head, err := s.at(off, frameHeadSize)
	if err == io.ErrUnexpectedEOF {
		return cutShort, "a frame's head is cut short", nil
	} else if err != nil {
		return 0, "", err
	}
	n := binary.LittleEndian.Uint32(head[4:])
	if binary.LittleEndian.Uint32(head) != frameMagic || n > maxSections {
		return off + frameHeadSize, "no frame begins here", nil
	}
	if checksum(head[:24]) != binary.LittleEndian.Uint32(head[24:]) {
		return off + frameHeadSize, "a frame's head does not match its checksum", nil
	}
	next = off + frameHeadSize + int64(n)*sectionEntry
	head, err = s.at(off, next-off)
	if err == io.ErrUnexpectedEOF {
		return cutShort, "a frame's table is cut short", nil
	} else if err != nil {
		return 0, "", err
	}
	if checksum(head[frameHeadSize:]) != binary.LittleEndian.Uint32(head[28:]) {
		return next, "a frame's table does not match its checksum", nil
	}
	epoch, clock := changelog.Epoch(binary.LittleEndian.Uint64(head[8:])), int64(binary.LittleEndian.Uint64(head[16:]))
	sections := make([]entry, n)
	for i := range sections {
		e := head[frameHeadSize+i*sectionEntry:]
		length := binary.LittleEndian.Uint64(e[9:])
		if length > maxSectionSize {
			return next, "a section is too long", nil
		}
		sections[i] = entry{kind: sectionKind(e[0]), id: binary.LittleEndian.Uint64(e[1:]),
			place: place{segment: name, offset: next, length: int64(length), crc: binary.LittleEndian.Uint32(e[17:]), epoch: epoch, clock: clock}}
		next += int64(length)
	}
	ends := next
	if next += int64(len(frameEnd)); next > s.size {
		return cutShort, "a frame is cut short", nil
	}
	end, err := s.at(ends, int64(len(frameEnd)))
	if err != nil {
		return 0, "", err
	}
	if string(end) != frameEnd {
		return next, "a frame does not end where it should", nil
	}
	bodies := make(map[int64][]byte, len(sections))
	for _, e := range sections {
		body, err := s.at(e.offset, e.length)
		if err != nil {
			return 0, "", err
		}
		if checksum(body) != e.crc {
			return next, "a section does not match its checksum", nil
		}
		if e.kind != sectionTable && e.kind != sectionOutbox {
			bodies[e.offset] = body
		}
	}
	return next, "", f(frame{segment: name, at: off, end: next, epoch: epoch, clock: clock, sections: sections, bodies: bodies})
}

// torn reports whether what is wrong between from and to is what a write looks like that was under way: no frame follows, and the file ends
// there, or a sector of it was never written.
func (s *segmentReader) torn(from, to int64) (bool, error) {
	followed, err := s.frameBehind(from + 1)
	if err != nil || followed || to == cutShort {
		return !followed, err
	}
	for at := from; at < to; {
		end := min(at-at%sectorSize+sectorSize, s.size)
		b, err := s.at(at, end-at)
		if err != nil {
			return false, err
		}
		if len(bytes.Trim(b, "\x00")) == 0 {
			return true, nil
		}
		at = end
	}
	return false, nil
}

// frameBehind reports whether the head of a frame lies anywhere from an offset on: then the write of what is before it was over.
func (s *segmentReader) frameBehind(from int64) (bool, error) {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	for from < s.size {
		b, err := s.at(from, min(s.size-from, 1<<20))
		if err != nil {
			return false, err
		}
		for i := 0; ; i++ {
			at := bytes.Index(b[i:], magic)
			if at < 0 {
				break
			}
			i += at
			head, err := s.at(from+int64(i), frameHeadSize)
			if err == nil && checksum(head[:24]) == binary.LittleEndian.Uint32(head[24:]) {
				return true, nil
			} else if err != nil && err != io.ErrUnexpectedEOF {
				return false, err
			}
		}
		from += max(int64(len(b))-3, 1)
	}
	return false, nil
}
