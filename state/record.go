package state

import "github.com/streamsql/streamsql/changelog"

// Record is one epoch, as Prepare logs it.
type Record struct {
	Epoch changelog.Epoch
	Clock int64  // the epoch's clock, microseconds since 1970
	Meta  []byte // the driver's own: positions, watermarks; Last returns the newest

	Tables    []TableDelta // deltas without rows are left out
	DropTable []TableID    // tables that are gone from this epoch on
	Rejected  []byte       // rejected rows in the driver's own form, for Rejected
	Outboxes  []Outbox     // what sinks are to publish
	DropSink  []uint64     // sinks whose outboxes are of no more use, not even after a rollback to before this epoch
	Catalog   []byte       // a change of the catalog in the driver's own form, for Catalog
}

// Outbox is one sink's part of an epoch: rows in the sink's own form, or the names of files it staged and synced.
type Outbox struct {
	Sink uint64
	Body []byte
}

// Head is what is known of the newest record.
type Head struct {
	Epoch changelog.Epoch
	Clock int64
	Meta  []byte
}

// OutboxEntry is an outbox of a prepared epoch.
type OutboxEntry struct {
	Epoch changelog.Epoch
	Clock int64
	Body  []byte
}

// CatalogEntry is a change of the catalog.
type CatalogEntry struct {
	Epoch changelog.Epoch
	Body  []byte
}

// RejectedEntry is the rejected rows of an epoch.
type RejectedEntry struct {
	Epoch changelog.Epoch
	Body  []byte
}
