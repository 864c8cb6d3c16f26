package state

import (
	"crypto/rand"
	"encoding/hex"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state/vfs"
)

// Options of a store. The zero value is good.
type Options struct {
	SegmentBytes    int64         // a log file is closed and folded at this size; 0: 64 MiB
	Versions        int           // versions kept; 0: 10
	VersionInterval time.Duration // least distance of two versions by the epochs' clocks; 0: one minute
	ManualFold      bool          // no background folding: only Fold folds
	MustExist       bool          // a directory that is missing or empty is an error (58P01) instead of being made
	Logger          *slog.Logger  // nil: silent
}

// Store is the durable side of one engine: manifest, log and snapshots of one directory. Prepare is called by one goroutine; all
// else may be called by any, but nothing during or after Close, nor Load during RollbackTo. A first error of writing the log is final: it
// comes back from every later Prepare. An error of folding in the background is logged and folding is tried again with every log
// file that fills; if it still fails when 16 are waiting, Prepare returns it. While 16 are waiting Prepare waits too, so that the log is
// bounded.
type Store struct {
	disk *disk // nil: in memory, nothing is kept
	id   string

	mu        sync.Mutex
	head      Head
	published map[uint64]changelog.Epoch // by sink
}

// Open opens the directory dir, making it if missing; its generation rises. An empty dir gives a store in memory that keeps
// nothing: same methods, nothing to load.
//
// Errors: *types.Error 55006 if another process has it, naming its pid; 58P01 see Options.MustExist; *CorruptionError if it is damaged
// or foreign.
func Open(fs vfs.FS, dir string, opts Options) (*Store, error) {
	if dir == "" {
		return &Store{id: newEngineID(), published: map[uint64]changelog.Epoch{}}, nil
	}
	return openDisk(fs, dir, opts)
}

func newEngineID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// Close stops folding and gives the directory free. It loses nothing. It returns the error of writing that was final, if there was one.
func (s *Store) Close() error {
	if s.disk == nil {
		return nil
	}
	return s.disk.close()
}

// Durable reports whether there is a directory behind the store; if not, deltas need not be built.
func (s *Store) Durable() bool { return s.disk != nil }

// EngineID is the random identity of the directory, 32 hex digits.
func (s *Store) EngineID() string { return s.id }

// Generation rises with every Open and RollbackTo; markers carry it.
func (s *Store) Generation() uint64 {
	if s.disk == nil {
		return 1
	}
	return s.disk.generation()
}

// Last returns epoch, clock and meta of the last prepared record; the zero Head if there is none.
func (s *Store) Last() Head {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Prepare makes an epoch final: one record, one sync. rec.Epoch is the last epoch plus one.
func (s *Store) Prepare(rec *Record) error {
	if s.disk != nil {
		return s.disk.prepare(rec)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head = Head{Epoch: rec.Epoch, Clock: rec.Clock, Meta: rec.Meta}
	return nil
}

// Load fills an empty table with what was prepared. accept chooses rows by their routing hash (nil: all).
func (s *Store) Load(t Table, accept func(hash uint64) bool) error {
	if s.disk == nil {
		return nil
	}
	return s.disk.load(t, accept)
}

// Catalog yields the newest Record.Catalog body and, before it, as many as the log still has, in order: each body must be the whole
// catalog, of which only the last counts.
func (s *Store) Catalog() iter.Seq2[CatalogEntry, error] {
	if s.disk == nil {
		return func(func(CatalogEntry, error) bool) {}
	}
	return s.disk.catalog()
}

// Outbox yields a sink's outbox bodies of epochs after the given one, in order, which are not yet published.
func (s *Store) Outbox(sink uint64, after changelog.Epoch) iter.Seq2[OutboxEntry, error] {
	if s.disk == nil {
		return func(func(OutboxEntry, error) bool) {}
	}
	return s.disk.outbox(sink, after)
}

// Published notes that a sink has made all epochs up to this one visible. It is logged with the next record; what all sinks
// published is dropped from the log.
func (s *Store) Published(sink uint64, epoch changelog.Epoch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.published[sink] = max(s.published[sink], epoch)
}

// LastPublished returns what Published noted last for the sink, as far as it is known to this process or was logged.
func (s *Store) LastPublished(sink uint64) changelog.Epoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published[sink]
}

// Rejected yields Record.Rejected of the epochs after the given one, in order: all that the log has, and before it the newest 16 MiB.
func (s *Store) Rejected(after changelog.Epoch) iter.Seq2[RejectedEntry, error] {
	if s.disk == nil {
		return func(func(RejectedEntry, error) bool) {}
	}
	return s.disk.rejected(after)
}

// Fold folds all of the log into snapshots now, and returns when that is durable.
func (s *Store) Fold() error {
	if s.disk == nil {
		return nil
	}
	return s.disk.fold()
}

// Stats says how much lies where.
func (s *Store) Stats() Stats {
	if s.disk == nil {
		return Stats{}
	}
	return s.disk.stats()
}

// Stats are sizes on disk.
type Stats struct {
	LogBytes      int64 // of all log files, and of what outlives them
	FoldLag       int   // prepared epochs that are only in the log
	OutboxBytes   int64 // not yet published
	SnapshotBytes int64 // of all runs, those of kept versions included
	Tables        []TableStats
}

// TableStats is what the newest snapshot holds of one table, before the log is added.
type TableStats struct {
	ID    TableID
	Rows  int64 // entries, overwritten ones and tombstones included
	Bytes int64
	Runs  int
}
