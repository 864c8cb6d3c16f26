package changelog

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// TakeArray returns the rows of a column, in that order, as a dense array of the same type.
func TakeArray(col arrow.Array, rows []uint32) arrow.Array { panic("unfinished") }

// Take returns the physical rows, in that order, as a dense batch; rows may repeat. The origin is dropped.
func Take(b *Batch, rows []uint32) *Batch { panic("unfinished") }

// Compact returns the selected rows as a dense batch; b itself if all are selected.
func Compact(b *Batch) *Batch { panic("unfinished") }

// Concat returns the selected rows of all batches as one dense batch of the schema.
func Concat(schema types.Schema, batches []*Batch) *Batch { panic("unfinished") }

// Slice returns the selected rows [from, to), counted in the selection, sharing the columns.
func Slice(b *Batch, from, to int) *Batch { panic("unfinished") }
