package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// A run is a file with rows of one table, sorted by key: an Arrow IPC file whose record batches have the form of TableDelta.Rows. Of
// each key there is at most one row, and before it at most one range that is gone; the range takes away rows of older runs only.
//
// The file is read in chunks, each checked before Arrow sees it: the first holds magic, schema and the first batch, each that follows one
// batch, the last the footer. Chunks are at most runRows rows, and about runBytes bytes.
const (
	runRows  = 1 << 15
	runBytes = 8 << 20
)

// runInfo is a run as the manifest names it.
type runInfo struct {
	File uint64 `json:"file"`
	Rows int64  `json:"rows"`
	// Chunks are the lengths and CRC-32C of the chunks, 4 bytes each, little-endian.
	Chunks []byte `json:"chunks"`
}

func (r *runInfo) name() string { return runName(r.File) }

func runName(file uint64) string { return fmt.Sprintf("%08d.arrow", file) }

func (r *runInfo) chunks() int { return len(r.Chunks) / 8 }

func (r *runInfo) chunk(i int) (length int64, crc uint32) {
	return int64(binary.LittleEndian.Uint32(r.Chunks[8*i:])), binary.LittleEndian.Uint32(r.Chunks[8*i+4:])
}

// bytes is the length of the file.
func (r *runInfo) bytes() int64 {
	n := int64(0)
	for i := range r.chunks() {
		length, _ := r.chunk(i)
		n += length
	}
	return n
}

func (r *runInfo) check() error {
	if len(r.Chunks)%8 != 0 || r.chunks() < 2 || r.Rows < 1 {
		return fmt.Errorf("run %d has %d rows and %d bytes of chunks", r.File, r.Rows, len(r.Chunks))
	}
	return nil
}

// runWriter writes a run.
type runWriter struct {
	run  runInfo
	name string
	file vfs.File
	buf  []byte // of the chunk
	pos  int64
	ipc  *ipc.FileWriter
}

func newRunWriter(fsys vfs.FS, dir string, file uint64, schema *arrow.Schema) (*runWriter, error) {
	name := path.Join(dir, runName(file))
	f, err := fsys.Create(name)
	if err != nil {
		return nil, ioError("make", name, err)
	}
	w := &runWriter{run: runInfo{File: file}, name: name, file: f}
	w.ipc, err = ipc.NewFileWriter(w, ipc.WithSchema(schema))
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return w, nil
}

// Write implements io.Writer for Arrow.
func (w *runWriter) Write(b []byte) (int, error) {
	w.buf = append(w.buf, b...)
	w.pos += int64(len(b))
	return len(b), nil
}

// Seek implements io.Seeker as far as Arrow asks: where are we.
func (w *runWriter) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.New("runs are written in order")
	}
	return w.pos, nil
}

// add writes a batch.
func (w *runWriter) add(rec arrow.Record) error {
	if err := w.ipc.Write(rec); err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	w.run.Rows += rec.NumRows()
	return w.flush()
}

func (w *runWriter) flush() error {
	if len(w.buf) > 1<<32-1 {
		return fmt.Errorf("write %s: %d bytes in %d rows", w.name, len(w.buf), runRows)
	}
	if _, err := w.file.Write(w.buf); err != nil {
		return ioError("write", w.name, err)
	}
	w.run.Chunks = binary.LittleEndian.AppendUint32(w.run.Chunks, uint32(len(w.buf)))
	w.run.Chunks = binary.LittleEndian.AppendUint32(w.run.Chunks, checksum(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// finish makes the file's contents durable; its name is not synced yet.
func (w *runWriter) finish() (*runInfo, error) {
	err := w.ipc.Close()
	if err == nil {
		err = w.flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	if err = errors.Join(err, w.file.Close()); err != nil {
		return nil, ioError("write", w.name, err)
	}
	return &w.run, nil
}

func (w *runWriter) abort() { w.file.Close() }

// runReader reads a run's batches in order.
type runReader struct {
	name string
	run  *runInfo
	file vfs.File
	at   int   // next chunk
	pos  int64 // its place
	head []byte
}

func openRun(fsys vfs.FS, dir string, r *runInfo) (*runReader, error) {
	name := path.Join(dir, r.name())
	f, err := fsys.OpenRead(name)
	if err != nil {
		return nil, missing(name, "open", err)
	}
	rr := &runReader{name: name, run: r, file: f}
	stat, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, ioError("read", name, err)
	}
	if stat.Size() != r.bytes() {
		f.Close()
		return nil, rr.damaged("the file has %d bytes, want %d", stat.Size(), r.bytes())
	}
	return rr, nil
}

func (r *runReader) damaged(format string, args ...any) error {
	return &CorruptionError{File: r.name, Offset: r.pos, Reason: fmt.Sprintf(format, args...), WayOut: wayOutManifest}
}

// arrowMagic starts an Arrow IPC file; a stream follows it.
const arrowMagic = "ARROW1\x00\x00"

// next returns the next batch, nil at the end.
func (r *runReader) next() (arrow.Record, error) {
	if r.at >= r.run.chunks()-1 {
		return nil, nil
	}
	length, crc := r.run.chunk(r.at)
	b := make([]byte, int64(len(r.head))+length)
	body := b[copy(b, r.head):]
	if n, err := r.file.ReadAt(body, r.pos); err != nil && !(err == io.EOF && n == len(body)) {
		return nil, ioError("read", r.name, err)
	}
	if got := checksum(body); got != crc {
		return nil, r.damaged("a chunk of rows does not match its checksum")
	}
	if r.at == 0 {
		if !bytes.HasPrefix(body, []byte(arrowMagic)) || len(body) < len(arrowMagic)+8 {
			return nil, r.damaged("it is not an Arrow file")
		}
		b = body[len(arrowMagic):]
		// The schema's message: 0xffffffff, length, metadata.
		n := int64(binary.LittleEndian.Uint32(b[4:])) + 8
		if n > int64(len(b)) {
			return nil, r.damaged("a schema of %d bytes", n)
		}
		r.head = b[:n:n]
	}
	recs, err := changelog.ReadRecords(b)
	if err == nil && len(recs) != 1 {
		err = fmt.Errorf("%d batches, want 1", len(recs))
	}
	if err == nil {
		err = checkLogged(recs[0])
	}
	if err != nil {
		return nil, r.damaged("%v", err)
	}
	r.at++
	r.pos += length
	return recs[0], nil
}

func (r *runReader) close() error { return r.file.Close() }

// checkLogged checks what logged rows of all tables have in common.
func checkLogged(rec arrow.Record) error {
	if rec.NumCols() < firstValue || rec.NumRows() == 0 {
		return fmt.Errorf("logged rows have %d columns and %d rows", rec.NumCols(), rec.NumRows())
	}
	for i, want := range []arrow.DataType{arrow.PrimitiveTypes.Uint8, arrow.BinaryTypes.Binary} {
		if got := rec.Column(i).DataType(); !arrow.TypeEqual(got, want) {
			return fmt.Errorf("logged column %d is %s, want %s", i, got, want)
		}
	}
	for i, c := range rec.Columns() {
		switch c.(type) {
		case *array.Uint8, *array.Binary, *array.Int64, *array.Float64, *array.FixedSizeBinary:
		default:
			return fmt.Errorf("logged column %d is %s", i, c.DataType())
		}
		if c.NullN() > 0 {
			return fmt.Errorf("logged column %d has NULLs", i)
		}
	}
	return nil
}
