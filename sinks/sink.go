// Package sinks holds the contract between the engine and its outputs. Each connector is a package below. They know epochs,
// markers and Arrow, and nothing of SQL or plans.
package sinks

import (
	"context"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Marker says which epoch a sink has made visible, in the sink's own medium.
type Marker struct {
	Engine     string // engine id
	Generation uint64
	Epoch      changelog.Epoch
}

// Sink makes epochs visible in an external medium, each exactly once.
type Sink interface {
	// Open recovers the medium (completing or undoing what a crash left) and returns the last published marker; ok is false if
	// the medium holds none. It fences writers of older generations where the medium allows it.
	Open(ctx context.Context, self Marker) (m Marker, ok bool, err error)
	// Publish makes the epochs up to m visible (or safely staged, behind its own roll policy) together with m, atomically:
	// after a crash either all of it is there with the marker or nothing. changes are consolidated, in epoch order.
	Publish(ctx context.Context, m Marker, changes []*changelog.Batch) error
	// Finish makes everything staged visible: the query has ended or the engine stops cleanly.
	Finish(ctx context.Context) error
	Close() error
}

// Unlogged is implemented by sinks that have no medium to hold a marker (a terminal, nothing at all). What they are given is not
// kept in the log before, and is not given again after a crash.
type Unlogged interface{ Unlogged() }

// Unmarked is implemented by sinks whose medium cannot hold a marker (a webhook): what was not confirmed before a crash is given
// again, with the same epochs.
type Unmarked interface{ Unmarked() }

// Resetter is implemented by sinks that can remove everything they hold, the marker too.
type Resetter interface {
	Reset(ctx context.Context) error
}

// Checker is implemented by sinks that cannot hold every row. A row that is refused is left out of the epoch before that is prepared, and
// becomes a rejected row (streamsql.rejected, reason "sink").
type Checker interface {
	// Check returns the selected rows of a batch that Publish could not take, in order. The answer depends on the row's values alone, so
	// that a row that was left out is left out again when it is taken back. It may be called before Open, and while Publish runs.
	Check(b *changelog.Batch) []Refusal
}

// Refusal says why a sink cannot take a row.
type Refusal struct {
	Row int // physical row of the batch
	Err *types.Error
}
