package state

import (
	"iter"
	"log/slog"
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
	Logger          *slog.Logger  // nil: silent
}

// Store is the durable side of one engine: manifest, log and snapshots of one directory. Prepare is called by one goroutine; all
// else may be called by any. A first error of writing is final: it comes back from every later Prepare.
type Store struct{}

// Open opens the directory dir, making it if missing; its generation rises. An empty dir gives a store in memory that keeps
// nothing: same methods, nothing to load.
//
// Errors: *types.Error 55006 if another process has it, naming its pid; *CorruptionError if it is damaged or foreign.
func Open(fs vfs.FS, dir string, opts Options) (*Store, error) { panic("unfinished") }

// Close stops folding and gives the directory free. It loses nothing.
func (s *Store) Close() error { panic("unfinished") }

// Durable reports whether there is a directory behind the store; if not, deltas need not be built.
func (s *Store) Durable() bool { panic("unfinished") }

// EngineID is the random identity of the directory, 32 hex digits.
func (s *Store) EngineID() string { panic("unfinished") }

// Generation rises with every Open and RollbackTo; markers carry it.
func (s *Store) Generation() uint64 { panic("unfinished") }

// Last returns epoch, clock and meta of the last prepared record; the zero Head if there is none.
func (s *Store) Last() Head { panic("unfinished") }

// Prepare makes an epoch final: one record, one sync. rec.Epoch is the last epoch plus one.
func (s *Store) Prepare(rec *Record) error { panic("unfinished") }

// Load fills an empty table with what was prepared. accept chooses rows by their routing hash (nil: all).
func (s *Store) Load(t Table, accept func(hash uint64) bool) error { panic("unfinished") }

// Catalog yields all Record.Catalog bodies ever prepared, in order.
func (s *Store) Catalog() iter.Seq2[CatalogEntry, error] { panic("unfinished") }

// Outbox yields a sink's outbox bodies of epochs after the given one, in order, which are not yet published.
func (s *Store) Outbox(sink uint64, after changelog.Epoch) iter.Seq2[OutboxEntry, error] {
	panic("unfinished")
}

// Published notes that a sink has made all epochs up to this one visible. It is logged with the next record; what all sinks
// published is dropped from the log.
func (s *Store) Published(sink uint64, epoch changelog.Epoch) { panic("unfinished") }

// LastPublished returns what Published noted last for the sink, as far as it is known to this process or was logged.
func (s *Store) LastPublished(sink uint64) changelog.Epoch { panic("unfinished") }

// Rejected yields Record.Rejected of the epochs after the given one, as far back as the log reaches.
func (s *Store) Rejected(after changelog.Epoch) iter.Seq2[RejectedEntry, error] { panic("unfinished") }

// Fold folds all of the log into snapshots now, and returns when that is durable.
func (s *Store) Fold() error { panic("unfinished") }

// Stats says how much lies where.
func (s *Store) Stats() Stats { panic("unfinished") }

// Stats are sizes on disk.
type Stats struct {
	LogBytes      int64 // of all log files
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
