package state

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// View holds the rows of a view or table as SELECT reads them. With a key there is one row per key; without one equal rows
// are kept once with their number. Snapshots may be read by any goroutine, everything else by the owner alone.
type View struct{}

// NewView makes an empty view; key are the columns of its unique key, nil if it has none.
func NewView(id TableID, name string, schema types.Schema, key []int) *View { panic("unfinished") }

// Update adds the consolidated changes of an epoch, in any order of rows. A deletion of a row that is not there, or a key
// that would come to hold two rows, is an error, after which the view must not be used.
func (v *View) Update(batches ...*changelog.Batch) error { panic("unfinished") }

// Clear removes all rows.
func (v *View) Clear() { panic("unfinished") }

// Pin returns the rows as they are now. It costs a few bytes per page; the writer copies pages that it changes later.
func (v *View) Pin() *Snapshot { panic("unfinished") }

// Schema returns the columns.
func (v *View) Schema() types.Schema { panic("unfinished") }

// Spec implements Table.
func (v *View) Spec() *Spec { panic("unfinished") }

// Delta implements Table.
func (v *View) Delta() TableDelta { panic("unfinished") }

// Discard implements Table.
func (v *View) Discard() { panic("unfinished") }

// Apply implements Table.
func (v *View) Apply(rows arrow.Record, accept func(hash uint64) bool) error { panic("unfinished") }

// Len implements Table: different rows.
func (v *View) Len() int { panic("unfinished") }

// Bytes implements Table.
func (v *View) Bytes() int64 { panic("unfinished") }

// Snapshot is a view's rows at one moment. It needs no release.
type Snapshot struct{}

// Rows returns the number of rows, counting duplicates.
func (s *Snapshot) Rows() int64 { panic("unfinished") }

// Scan calls f with the rows in batches of at most max rows; a row held n times has weight n. The batches belong to f.
func (s *Snapshot) Scan(max int, f func(*changelog.Batch) error) error { panic("unfinished") }
