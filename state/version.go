// NOTE to the author of the tables (hash, ordered, view, changelog): the durable side (store.go, version.go, log.go, manifest.go, fold.go,
// run.go, vfs/mem.go and their tests) is being implemented by ANOTHER helper since 17:05, to save time. Please finish hash, ordered.go,
// view.go and changelog only, with their tests, commit, and report. (This note goes when done.)

package state

import (
	"iter"

	"github.com/streamsql/streamsql/changelog"
)

// Version is a past epoch that can be opened and rolled back to.
type Version struct {
	Epoch changelog.Epoch
	Clock int64 // microseconds since 1970
}

// Versions returns the kept versions, oldest first.
func (s *Store) Versions() []Version { panic("unfinished") }

// OpenAt opens a kept version for reading. Its files stay until Close.
func (s *Store) OpenAt(epoch changelog.Epoch) (*VersionReader, error) { panic("unfinished") }

// RollbackTo makes a kept version the newest state: every later epoch is gone, the generation rises. Tables in memory must be
// loaded anew.
func (s *Store) RollbackTo(epoch changelog.Epoch) error { panic("unfinished") }

// Savepoint writes a copy of the directory at the last prepared epoch into dir, which must not exist or be empty, on the same file
// system: files are hard-linked. Open opens it.
func (s *Store) Savepoint(dir string) error { panic("unfinished") }

// VersionReader reads one version.
type VersionReader struct{}

// Head returns epoch, clock and meta of the version.
func (r *VersionReader) Head() Head { panic("unfinished") }

// Load fills an empty table with its rows at the version.
func (r *VersionReader) Load(t Table, accept func(hash uint64) bool) error { panic("unfinished") }

// Catalog yields the changes of the catalog up to the version.
func (r *VersionReader) Catalog() iter.Seq2[CatalogEntry, error] { panic("unfinished") }

// Close lets the version's files go.
func (r *VersionReader) Close() error { panic("unfinished") }
