// Package state keeps what queries remember: keyed columnar tables in memory, and on disk one log of epochs with
// snapshots folded from it. It knows bytes and Arrow and nothing of SQL.
//
// Tables (Hash, Windowed, Ordered, View) belong to one goroutine at a time. They note what an epoch changed; Delta takes
// those changes, Store.Prepare logs them, and Store.Load brings a table back.
package state

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// TableID names a table of state for the life of a directory; ids are never reused. Ids below 16 belong to the store.
type TableID uint64

// ColumnKind is the storage of a value column.
type ColumnKind uint8

// The kinds of value columns. Append only: the numbers are stored.
const (
	Int64   ColumnKind = iota // 8 bytes, see I64Column
	Float64                   // 8 bytes, see F64Column
	Wide                      // 16 bytes as two words, see WideColumn
	Bytes                     // any bytes, replaceable, see BytesColumn
)

// ColumnSpec describes one value column. New rows hold zeros and empty bytes; NULL is the operators' business.
type ColumnSpec struct {
	Name string // for dumps; need not be unique
	Kind ColumnKind
}

// Spec describes a table.
type Spec struct {
	ID    TableID
	Name  string // for people: statistics and errors
	Key   []types.Type
	Value []ColumnSpec

	// Order says how an Ordered table's key columns are encoded; nil: ascending, NULLS LAST. Unused by others.
	Order []changelog.Order

	// Dist is how many leading key columns (the window id of a windowed table not counted) decide the worker: their
	// changelog.Hash. 0: the table lives on one worker only, and its rows have the hash 0.
	Dist int

	// Windowed says that the first key column is the int64 window id, and that rows lie in one Hash per window.
	Windowed bool
}

// Table is what the store needs of a table.
type Table interface {
	Spec() *Spec
	// Delta returns what changed since the last call and forgets it; Rows is nil if nothing did. Slots freed
	// in the epoch may be reused afterwards.
	Delta() TableDelta
	// Discard forgets what changed, as Delta does, without building it: for engines that keep nothing.
	Discard()
	// Apply takes logged rows in, keeping those whose routing hash is accepted (nil: all), without marking them changed.
	Apply(rows arrow.Record, accept func(hash uint64) bool) error
	Len() int     // live rows
	Bytes() int64 // memory held, without what an epoch's delta takes
}

// TableDelta is what one epoch changed in one table, or in one worker's part of it.
//
// Rows has the columns _op (uint8: 2 = every older row whose key starts with _key is gone, 1 = the row is gone, 0 = the
// row is now this; ranges first, and of one key 1 before 0), _key (binary, memcomparable), where keys have several forms _repr (binary), and the
// value columns. A range that is gone (2) takes away rows of earlier epochs, never one of the same epoch: who applies the deltas of
// several workers applies the ranges of all of them first.
type TableDelta struct {
	Table TableID
	Rows  arrow.Record
}

// The operations in the _op column of a delta.
const (
	opUpsert uint8 = 0
	opDelete uint8 = 1
	opPrefix uint8 = 2
)

// NoSlot is the slot of a row that is not there.
const NoSlot = ^uint32(0)

// KeyBatch is a batch of keys. Slots in and out are dense: the i-th belongs to the i-th selected row.
type KeyBatch struct {
	Cols   []arrow.Array // one per key column
	N      int           // physical rows
	Sel    []uint32      // selected rows; nil: all N
	Hashes []uint64      // changelog.Hash of Cols under Sel, dense; nil: computed
}

// Rows returns the number of selected rows.
func (k *KeyBatch) Rows() int {
	if k.Sel != nil {
		return len(k.Sel)
	}
	return k.N
}
