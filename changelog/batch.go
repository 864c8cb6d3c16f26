// Package changelog holds the one thing that flows between sources, operators and sinks: Arrow columns with an integer
// weight per row (a Z-set). It is a leaf that every other package may import.
package changelog

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// Batch is a piece of a changelog: n physical rows in columns, of which a selection counts, each with a weight.
//
// A batch is immutable once it is handed over. Arrays inside are built with the Go allocator and are never retained or
// released inside the engine: who keeps a value past the call copies it, or keeps the whole batch alive.
//
// Invariants: every column has length N; Sel is strictly ascending and below N; len(Weights) is 0 or N; no selected
// row has weight zero.
type Batch struct {
	Cols    []arrow.Array
	N       int      // physical rows
	Sel     []uint32 // selected physical rows, ascending; nil: all
	Weights []int64  // by physical row; nil: all +1 (the fast path of append-only streams)

	// Origin tells where the physical rows came from, as long as the row numbers are still those of the source's
	// batch (filters and projections keep them; exchanges, aggregates and unnesting drop the origin).
	Origin Origin
}

// Origin finds the raw record behind a physical row, for rejected rows. It is called for few rows and may be slow.
type Origin interface {
	// Describe returns the source's name, the partition, the row's position in the partition in the source's own
	// text form, and the raw record.
	Describe(row int) (source, partition, position string, raw []byte)
}

// Rows returns the number of selected rows.
func (b *Batch) Rows() int {
	if b.Sel != nil {
		return len(b.Sel)
	}
	return b.N
}

// AppendOnly reports whether all weights are +1 because none are kept.
func (b *Batch) AppendOnly() bool { return b.Weights == nil }

// Weight returns the weight of a physical row.
func (b *Batch) Weight(row int) int64 {
	if b.Weights == nil {
		return 1
	}
	return b.Weights[row]
}

// With returns a batch over other columns of the same physical rows: selection, weights and origin stay.
func (b *Batch) With(cols []arrow.Array) *Batch {
	return &Batch{Cols: cols, N: b.N, Sel: b.Sel, Weights: b.Weights, Origin: b.Origin}
}

// Select returns the same rows under another selection.
func (b *Batch) Select(sel []uint32) *Batch {
	c := *b
	c.Sel = sel
	return &c
}

// Each calls f for every selected physical row in order.
func (b *Batch) Each(f func(row int)) {
	if b.Sel == nil {
		for i := range b.N {
			f(i)
		}
		return
	}
	for _, i := range b.Sel {
		f(int(i))
	}
}

// Epoch numbers a micro-batch of one data directory; the first is 1.
type Epoch uint64

// Watermark is an event time in microseconds since 1970 (the storage of TIMESTAMP): no row with an earlier event time is
// expected. MinWatermark means none was seen yet, MaxWatermark that the input has ended.
type Watermark int64

// The ends of the watermark's range.
const (
	MinWatermark = Watermark(types.TimestampNegInf)
	MaxWatermark = Watermark(types.TimestampPosInf)
)
