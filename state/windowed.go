package state

import "github.com/apache/arrow/go/v17/arrow"

// Windowed is one Hash per window: the first key column of its spec is the int64 window id, the others are the keys of the
// windows' tables. Closing a window frees a table and logs one range.
type Windowed struct{}

// NewWindowed makes a table without windows; spec.Windowed is set.
func NewWindowed(spec Spec) *Windowed { panic("unfinished") }

// Window returns the table of window w, made if missing.
func (t *Windowed) Window(w int64) *Hash { panic("unfinished") }

// Lookup returns the table of window w, or nil.
func (t *Windowed) Lookup(w int64) *Hash { panic("unfinished") }

// Windows returns the ids of all windows, ascending. The slice is good until a window is made or dropped.
func (t *Windowed) Windows() []int64 { panic("unfinished") }

// Drop forgets window w and all its rows at once. Every worker drops a window in the same epoch: the logged range
// covers the rows of all of them.
func (t *Windowed) Drop(w int64) { panic("unfinished") }

// Spec implements Table.
func (t *Windowed) Spec() *Spec { panic("unfinished") }

// Delta implements Table.
func (t *Windowed) Delta() TableDelta { panic("unfinished") }

// Discard implements Table.
func (t *Windowed) Discard() { panic("unfinished") }

// Apply implements Table.
func (t *Windowed) Apply(rows arrow.Record, accept func(hash uint64) bool) error { panic("unfinished") }

// Len implements Table: rows of all windows.
func (t *Windowed) Len() int { panic("unfinished") }

// Bytes implements Table.
func (t *Windowed) Bytes() int64 { panic("unfinished") }
