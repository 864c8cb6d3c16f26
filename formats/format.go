// Package formats holds the contract between connectors and data formats: bytes in, Arrow columns out, and back. Each format is
// a package below. They know nothing of SQL, plans or connectors.
package formats

import (
	"bytes"
	"io"
	"iter"
	"sort"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Decoded is what one chunk of records became: N rows in columns of the wanted schema, and the records that are none.
type Decoded struct {
	Cols []arrow.Array
	N    int
	// Offsets are the byte offsets in the chunk where each row's record begins, ascending, of length N; a row's record ends where
	// the format's Split says.
	Offsets []uint32
	Bad     []BadRecord
}

// BadRecord is a record that could not be decoded: chunk[Offset:Offset+Length].
type BadRecord struct {
	Offset, Length int
	Err            *types.Error
}

// rawKept bounds the bytes kept of one record for the rejected rows.
const rawKept = 64 << 10

// Record returns a copy of the record that begins at offset in the chunk that d was decoded from, without its line end and cut
// at 64 KiB.
func Record(chunk []byte, d *Decoded, offset int) []byte {
	end := len(chunk)
	if i := sort.Search(len(d.Offsets), func(i int) bool { return int(d.Offsets[i]) > offset }); i < len(d.Offsets) {
		end = int(d.Offsets[i])
	}
	if i := sort.Search(len(d.Bad), func(i int) bool { return d.Bad[i].Offset > offset }); i < len(d.Bad) {
		end = min(end, d.Bad[i].Offset)
	}
	return bytes.Clone(bytes.TrimRight(chunk[offset:min(end, offset+rawKept)], "\r\n"))
}

// RecordFormat reads and cuts formats that are a sequence of records in a byte stream (NDJSON, CSV, raw lines).
type RecordFormat interface {
	// Split returns the length of the longest prefix of data that is a whole number of records (0: none yet). atEOF:
	// no more bytes follow, so that an unterminated last record counts. data begins at a record boundary behind the header.
	Split(data []byte, atEOF bool) int
	// NewDecoder returns a decoder for one goroutine.
	NewDecoder() RecordDecoder
	// HeaderBytes returns how many bytes at the beginning of a stream are no records (a CSV header, a byte order mark), after
	// checking them against the schema; ok is false while data is too short to tell (and not atEOF).
	HeaderBytes(data []byte, atEOF bool) (n int, ok bool, err error)
}

// RecordDecoder decodes chunks of whole records; not safe for concurrent use.
type RecordDecoder interface {
	Decode(chunk []byte) (*Decoded, error)
}

// RecordEncoder appends the selected rows of a batch as records; not safe for concurrent use.
type RecordEncoder interface {
	// Header returns the bytes that begin every file (a CSV header line), or nil.
	Header() []byte
	Encode(dst []byte, b *changelog.Batch) ([]byte, error)
}

// RecordChecker is implemented by encoders that cannot hold every row.
type RecordChecker interface {
	// CheckRecord says why Encode could not write a row, nil if it could. It is safe for concurrent use with Encode.
	CheckRecord(b *changelog.Batch, row int) *types.Error
}

// BlockFormat reads formats that need random access (Parquet).
type BlockFormat interface {
	OpenBlocks(r io.ReaderAt, size int64) (BlockFile, error)
}

// BlockFile is one opened file: blocks in order, each decoded apart and in any goroutine.
type BlockFile interface {
	Blocks() int
	// BlockBytes is the size of the wanted columns of block i in memory, roughly.
	BlockBytes(i int) int
	// DecodeBlock returns batches of at most about 64k rows; Decoded.Offsets hold row numbers within the file's block. A pruned block
	// returns no batches and the largest value of the time column in it (types.TimestampNegInf when unknown or none).
	DecodeBlock(i int) (batches []*Decoded, skippedMax int64, err error)
}

// FileEncoder writes formats that are only whole files (Parquet).
type FileEncoder interface {
	EncodeFile(w io.Writer, batches iter.Seq2[*changelog.Batch, error]) error
}
