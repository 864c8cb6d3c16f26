// Package formats holds the contract between connectors and data formats: bytes in, Arrow columns out, and back. Each format is
// a package below. They know nothing of SQL, plans or connectors.
package formats

import (
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
