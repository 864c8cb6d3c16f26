// Package sources holds the contract between the engine and its inputs. Each connector is a package below. They know bytes,
// positions and Arrow, and nothing of SQL or plans.
package sources

import (
	"context"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Position is a place in a partition: opaque to the engine, ordered only by its connector, stored in the log.
// nil is the source's declared start.
type Position []byte

// Source is an external input, opened for one scan with the columns that the scan wants.
//
// Partitions and OpenPartition are called from one goroutine; each Reader is used from one goroutine of its own; Chunk.Decode
// is called from any goroutine, several at a time. Reading again from a position gives the same records in the
// same order.
type Source interface {
	// Partitions returns the partitions known now, in a stable order; later calls may return more, never fewer.
	Partitions(ctx context.Context) ([]string, error)
	// OpenPartition starts reading after the position.
	OpenPartition(ctx context.Context, partition string, from Position) (Reader, error)
	Close() error
}

// ReadStatus says where a reader stands after Read.
type ReadStatus uint8

// The statuses.
const (
	ReadMore  ReadStatus = iota // there may be more at once
	ReadAtEnd                   // confirmed: the reader stands at the present end of its partition; Wait before reading again
	ReadEnded                   // the partition is bounded and has ended; no further call
)

// Reader reads one partition in order.
type Reader interface {
	// Read returns the next chunk of about maxBytes (0: as is best), or nil when there is none now, and where it stands.
	Read(ctx context.Context, maxBytes int) (Chunk, ReadStatus, error)
	// Wait returns when there may be more, or when ctx is done (with ctx's error).
	Wait(ctx context.Context) error
	Close() error
}

// Chunk is a piece of a partition: a whole number of records.
type Chunk interface {
	// From and To are the positions before and after the chunk.
	From() Position
	To() Position
	Bytes() int // its size in memory, for budgets
	// Decode turns it into batches of at most about 64k rows. It is safe in any goroutine and called once.
	Decode() ([]Decoded, error)
}

// Decoded is one batch of a chunk with the records that could not be decoded.
type Decoded struct {
	Batch *changelog.Batch // Origin set
	Bad   []BadRecord
	// To is the position after this batch; nil: only the chunk's end is a position.
	To Position
	// SkippedMax is the largest value of the time column in data skipped by pruning before this batch, for the watermark.
	SkippedMax changelog.Watermark
}

// BadRecord is a record that could not be decoded.
type BadRecord struct {
	Partition, Position string
	Raw                 []byte
	Err                 *types.Error
}
