// Package parquet reads and writes Parquet files: the one place that knows Arrow's Parquet packages.
//
// Arrow v17's high-level readers decode in goroutines of their own, where damage kills the process, and its low-level ones can loop for ever. So here
// Arrow only reads the footer and cuts column chunks into decompressed pages, in the caller's goroutine under recover and with an allocator that
// refuses more than the chunk claims to hold; levels, dictionaries and values are decoded by this package.
//
// Read are top-level columns without nesting: all integers, floats, decimals, booleans, dates, times and timestamps of every unit, INT96, strings,
// JSON, enums, binary, UUID and intervals, in all encodings but BIT_PACKED levels, in the codecs none, snappy, gzip, zstd, brotli and
// LZ4_RAW. Timestamps are instants in UTC whether or not they are marked so; nanoseconds are rounded down to microseconds.
package parquet

import (
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// Config says what is read.
type Config struct {
	Schema types.Schema // the wanted columns, by name
	// TimeColumn is the place in Schema of the event time (a TIMESTAMP or TIMESTAMPTZ), or -1: the watermark must know its maximum in row groups
	// that are pruned, so a row group whose statistics do not tell it is read.
	TimeColumn int
	// Prune reports whether no row of a row group with these statistics is wanted; nil: all row groups are read. It must be safe in any
	// goroutine. Row groups in which a value might not fit its wanted type are never pruned, so that it is rejected.
	Prune func(Stats) bool
}

// Stats is what a row group's footer tells.
type Stats struct {
	Rows    int64
	Columns []ColumnStats // as Config.Schema
}

// ColumnStats are bounds of a column in a row group, as the Go values of package types. A bound is nil if it is not known; it need not be
// reached. The maximum of floats is never known, since NaN is the largest and statistics leave it out.
type ColumnStats struct {
	Min, Max any
	Nulls    int64 // -1: not known
}

// maxBatch bounds the rows of a batch, batchBytes roughly its bytes, and maxFixed the length of fixed-length values.
const (
	maxBatch   = 64 << 10
	batchBytes = 64 << 20
	maxFixed   = 1 << 20
)

// Format implements formats.BlockFormat. A block is a row group.
type Format struct{ cfg Config }

// New returns the format.
func New(cfg Config) *Format { return &Format{cfg: cfg} }

// Schema reads the columns of a file with their own types.
//
// Errors: CodeDataCorrupted for a file that is no Parquet or damaged, CodeIO, CodeNotSupported for nested columns.
func Schema(r io.ReaderAt, size int64) (types.Schema, error) {
	m, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	return guarded(func() (types.Schema, error) { return inferred(m.Schema) })
}

// OpenBlocks implements formats.BlockFormat.
//
// Errors: as Schema; CodeUndefinedColumn for a wanted column that the file lacks, CodeDatatypeMismatch for one of a type that does not become the
// wanted one.
func (f *Format) OpenBlocks(r io.ReaderAt, size int64) (formats.BlockFile, error) {
	m, err := readFooter(r, size)
	if err != nil {
		return nil, err
	}
	return guarded(func() (formats.BlockFile, error) {
		b := &blockFile{cfg: f.cfg, in: r, size: size, meta: m}
		all := leaves(m.Schema)
		for _, field := range f.cfg.Schema {
			i, err := find(m.Schema, all, field.Name)
			if err != nil {
				return nil, err
			}
			l := all[i]
			if l.column == nil || l.storage == storedNothing {
				return nil, l.mismatch(field)
			}
			if l.column.TypeLength() > maxFixed {
				return nil, types.NotSupported(types.Span{}, "column %q with values of %d bytes each", field.Name, l.column.TypeLength())
			}
			convert := l.converterFor(field.Type)
			if convert == nil {
				return nil, l.mismatch(field)
			}
			b.columns = append(b.columns, column{leaf: l, field: field, convert: convert})
		}
		for i := range m.RowGroups {
			if err := b.checkRowGroup(i); err != nil {
				return nil, err
			}
		}
		return b, nil
	})
}

// guarded runs f and turns its panics and plain errors into errors about damaged files.
func guarded[T any](f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = asError(fmt.Errorf("%v", p))
		}
	}()
	if v, err = f(); err != nil {
		err = asError(err)
	}
	return v, err
}

// asError gives errors of Arrow and of this package their code.
func asError(err error) error {
	if e, ok := err.(*types.Error); ok {
		return e
	}
	return types.Errorf(types.CodeDataCorrupted, "damaged parquet file: %v", err)
}

// input remembers the first error of the file itself, as opposed to of its contents.
type input struct {
	r   io.ReaderAt
	err error
}

// ReadAt implements io.ReaderAt.
func (in *input) ReadAt(p []byte, off int64) (int, error) {
	n, err := in.r.ReadAt(p, off)
	if err != nil && err != io.EOF && in.err == nil {
		in.err = types.Errorf(types.CodeIO, "read: %v", err)
	}
	return n, err
}

// readFooter reads and checks what is needed to read anything else.
func readFooter(r io.ReaderAt, size int64) (*metadata.FileMetaData, error) {
	in := &input{r: r}
	m, err := guarded(func() (*metadata.FileMetaData, error) {
		var begin, end [4]byte
		if size < 12 {
			return nil, notParquet(size)
		}
		if _, err := in.ReadAt(begin[:], 0); err != nil {
			return nil, err
		}
		if _, err := in.ReadAt(end[:], size-4); err != nil && err != io.EOF {
			return nil, err
		}
		if string(begin[:]) == "PARE" && string(end[:]) == "PARE" {
			return nil, types.NotSupported(types.Span{}, "encrypted parquet files")
		}
		if string(begin[:]) != "PAR1" || string(end[:]) != "PAR1" {
			return nil, notParquet(size)
		}
		registerCodecs()
		f, err := file.NewParquetReader(io.NewSectionReader(in, 0, size))
		if err != nil {
			return nil, err
		}
		f.WriterVersion() // kept from here on: what follows only reads
		return f.MetaData(), nil
	})
	if in.err != nil {
		return nil, in.err
	}
	return m, err
}

func notParquet(size int64) error {
	return types.Errorf(types.CodeDataCorrupted, "not a parquet file, or cut short (%d bytes)", size)
}

// column is one wanted column.
type column struct {
	leaf
	field   types.Field
	convert converter
}

// blockFile implements formats.BlockFile. It is read-only and so safe in any goroutine.
type blockFile struct {
	cfg     Config
	in      io.ReaderAt
	size    int64
	meta    *metadata.FileMetaData
	columns []column
}

// Blocks implements formats.BlockFile.
func (b *blockFile) Blocks() int { return len(b.meta.RowGroups) }

func (b *blockFile) rowGroup(i int) *metadata.RowGroupMetaData { return b.meta.RowGroup(i) }

// checkRowGroup refuses footers that would make reading run astray.
func (b *blockFile) checkRowGroup(i int) error {
	rg := b.rowGroup(i)
	if rg.NumRows() < 0 || rg.NumRows() > math.MaxInt32 {
		return fmt.Errorf("row group %d has %d rows", i, rg.NumRows())
	}
	if rg.NumColumns() != b.meta.Schema.NumColumns() {
		return fmt.Errorf("row group %d has %d columns, the schema %d", i, rg.NumColumns(), b.meta.Schema.NumColumns())
	}
	check := make([]*leaf, len(b.columns))
	for c := range b.columns {
		check[c] = &b.columns[c].leaf
	}
	if len(check) == 0 { // the number of rows is all that is read: hear a second witness
		for _, l := range leaves(b.meta.Schema) {
			if l.column != nil {
				check = append(check, &l)
				break
			}
		}
	}
	for _, l := range check {
		chunk, err := rg.ColumnChunk(l.index)
		if err != nil {
			return err
		}
		if chunk.NumValues() != rg.NumRows() {
			return fmt.Errorf("row group %d has %d rows, its column %q has %d values", i, rg.NumRows(), l.column.Name(), chunk.NumValues())
		}
		if chunk.Type() != l.column.PhysicalType() {
			return fmt.Errorf("column %q is %s in row group %d, %s in the schema", l.column.Name(), chunk.Type(), i, l.column.PhysicalType())
		}
		if _, err := compress.GetCodec(chunk.Compression()); err != nil {
			return types.NotSupported(types.Span{}, "parquet compressed with %s", chunk.Compression()).WithHint("write the file with zstd, snappy or gzip")
		}
		start, length := chunk.DataPageOffset(), chunk.TotalCompressedSize()
		if d := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && d > 0 {
			start = min(start, d)
		}
		if start < 4 || length < 0 || start > b.size || length > b.size-start || chunk.FilePath() != "" || chunk.CryptoMetadata() != nil {
			return fmt.Errorf("column %q of row group %d lies outside of the file", l.column.Name(), i)
		}
	}
	return nil
}

// BlockBytes implements formats.BlockFile.
func (b *blockFile) BlockBytes(i int) int {
	n, err := guarded(func() (int, error) {
		rg, total := b.rowGroup(i), int64(0)
		for _, c := range b.columns {
			chunk, err := rg.ColumnChunk(c.index)
			if err != nil {
				return 0, err
			}
			total += max(chunk.TotalUncompressedSize(), 8*rg.NumRows())
		}
		return int(total), nil
	})
	if err != nil {
		return 0
	}
	return n
}

// DecodeBlock implements formats.BlockFile.
func (b *blockFile) DecodeBlock(i int) ([]*formats.Decoded, int64, error) {
	skippedMax := types.TimestampNegInf
	in := &input{r: b.in}
	batches, err := guarded(func() ([]*formats.Decoded, error) {
		if i < 0 || i >= b.Blocks() {
			return nil, fmt.Errorf("row group %d of %d", i, b.Blocks())
		}
		if b.cfg.Prune != nil {
			if skip, m := b.prune(b.rowGroup(i)); skip {
				skippedMax = m
				return nil, nil
			}
		}
		return b.decode(i, in)
	})
	if in.err != nil {
		return nil, types.TimestampNegInf, in.err
	}
	return batches, skippedMax, err
}

func (b *blockFile) decode(i int, in *input) ([]*formats.Decoded, error) {
	rows := int(b.rowGroup(i).NumRows())
	perBatch := maxBatch
	readers := make([]*chunkReader, len(b.columns))
	for c := range b.columns {
		col := &b.columns[c]
		chunk, err := b.rowGroup(i).ColumnChunk(col.index)
		if err != nil {
			return nil, err
		}
		alloc := &cappedAllocator{most: int(min(chunk.TotalUncompressedSize()+1<<16, 1<<31))}
		f, err := file.NewParquetReader(io.NewSectionReader(in, 0, b.size), file.WithMetadata(b.meta), file.WithReadProps(parquet.NewReaderProperties(alloc)))
		if err != nil {
			return nil, err
		}
		pages, err := f.RowGroup(i).GetColumnPageReader(col.index)
		if err != nil {
			return nil, err
		}
		if readers[c], err = newChunkReader(pages, col.column, rows); err != nil {
			return nil, fmt.Errorf("column %q: %w", col.field.Name, err)
		}
		if rows > 0 {
			perBatch = min(perBatch, max(1, int(batchBytes/max(chunk.TotalUncompressedSize()/int64(rows), int64(readers[c].width), 1))))
		}
	}
	var out []*formats.Decoded
	for at := 0; at < rows; {
		n := min(perBatch, rows-at)
		d := &formats.Decoded{N: n, Cols: make([]arrow.Array, len(b.columns)), Offsets: make([]uint32, n)}
		for row := range d.Offsets {
			d.Offsets[row] = uint32(at + row)
		}
		bad := badRows{}
		for c := range b.columns {
			col := &b.columns[c]
			if err := b.decodeColumn(col, readers[c], n, &d.Cols[c], bad); err != nil {
				return nil, fmt.Errorf("column %q: %w", col.field.Name, err)
			}
		}
		if len(bad) > 0 {
			reject(d, bad)
		}
		out = append(out, d)
		at += n
	}
	return out, nil
}

func (b *blockFile) decodeColumn(col *column, rd *chunkReader, n int, into *arrow.Array, bad badRows) error {
	r, err := rd.read(n)
	if err != nil {
		return err
	}
	mine := badRows{}
	*into = col.convert(r, mine)
	if col.field.NotNull && r.nulls > 0 {
		for row := range n {
			if !r.valid(row) {
				mine.add(row, types.Errorf(types.CodeNotNullViolation, "NULL where NOT NULL is declared"))
			}
		}
	}
	for row, err := range mine {
		e := *err
		e.Msg = fmt.Sprintf("column %q: %s", col.field.Name, err.Msg)
		bad.add(row, &e)
	}
	return nil
}

// reject takes the bad rows out of a batch.
func reject(d *formats.Decoded, bad badRows) {
	kept := make([]uint32, 0, d.N)
	offsets := make([]uint32, 0, d.N)
	for row, offset := range d.Offsets {
		if bad[row] == nil {
			kept = append(kept, uint32(row))
			offsets = append(offsets, offset)
		}
	}
	for row, err := range bad {
		d.Bad = append(d.Bad, formats.BadRecord{Offset: int(d.Offsets[row]), Err: err})
	}
	sort.Slice(d.Bad, func(i, j int) bool { return d.Bad[i].Offset < d.Bad[j].Offset })
	for c, col := range d.Cols {
		d.Cols[c] = changelog.TakeArray(col, kept)
	}
	d.N, d.Offsets = len(kept), offsets
}

// cappedAllocator refuses single buffers of more than most bytes, so that a damaged page header cannot ask for all memory. Memory is Go's: what a
// page held stays valid after the page was released.
type cappedAllocator struct{ most int }

// Allocate implements memory.Allocator.
func (a *cappedAllocator) Allocate(size int) []byte {
	if size < 0 || size > a.most {
		panic(fmt.Sprintf("a page of %d bytes in a column of at most %d", size, a.most))
	}
	return memory.DefaultAllocator.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (a *cappedAllocator) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	bigger := a.Allocate(size)
	copy(bigger, b)
	return bigger
}

// Free implements memory.Allocator.
func (a *cappedAllocator) Free([]byte) {}
