package exec

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// denseGroups finds the groups of a batch when its only key is an integer whose values lie close together, as ids that count up do:
// an array over their range replaces the hash table for all but the first row of each key.
type denseGroups struct {
	at     []uint32 // by key less the smallest: the place in keys plus one
	counts []int64  // by key less the smallest
	keys   []int64  // the different keys, in order of their first row
	slots  []uint32
}

const (
	minDenseRows  = 256
	maxDenseRange = 1 << 20
)

// denseKeys returns the values of the rows' only key if it is a bigint without NULLs.
func (l *aggLocal) denseKeys(b *changelog.Batch) []int64 {
	if len(l.keys) != 1 || l.keyTypes[0].Kind != types.Int8 {
		return nil
	}
	c, ok := b.Cols[l.keys[0]].(*array.Int64)
	if !ok || c.NullN() > 0 {
		return nil
	}
	return c.Int64Values()
}

// span returns the smallest key at the rows and how many values there are up to the largest; ok is false if that is not worth
// an array.
func span(keys []int64, r *rowSet) (lo int64, n int, ok bool) {
	if r.n < minDenseRows {
		return 0, 0, false
	}
	var hi int64
	if r.rows == nil {
		lo, hi = keys[0], keys[0]
		for _, k := range keys {
			lo, hi = min(lo, k), max(hi, k)
		}
	} else {
		lo, hi = keys[r.rows[0]], keys[r.rows[0]]
		for _, row := range r.rows {
			lo, hi = min(lo, keys[row]), max(hi, keys[row])
		}
	}
	width := uint64(hi) - uint64(lo)
	if width >= maxDenseRange || width >= uint64(2*r.n) {
		return 0, 0, false
	}
	return lo, int(width) + 1, true
}

// countDense counts rows by key into the groups; it is for aggregations that keep nothing but the number of rows.
func (l *aggLocal) countDense(g *localGroups, r *rowSet, keys []int64, lo int64, n int) {
	d := &l.dense
	d.counts = resize(d.counts, n)
	counts := d.counts
	clear(counts)
	switch {
	case r.rows == nil && r.w == nil:
		for _, k := range keys {
			counts[k-lo]++
		}
	case r.w == nil:
		for _, row := range r.rows {
			counts[keys[row]-lo]++
		}
	default:
		// Weights may cancel, and a group that was touched stays touched: all keys are noted.
		l.slotsDense(g, r, keys, lo, n)
		addLane(g.cols[0], l.slots, r.w)
		return
	}
	d.keys = d.keys[:0]
	sums := counts[:0]
	for i, c := range counts {
		if c != 0 {
			d.keys = append(d.keys, lo+int64(i))
			sums = append(sums, c)
		}
	}
	d.find(g.hash)
	addLane(g.cols[0], d.slots, sums)
}

// slotsDense sets l.slots to the groups of the rows.
func (l *aggLocal) slotsDense(g *localGroups, r *rowSet, keys []int64, lo int64, n int) {
	d := &l.dense
	d.at = resize(d.at, n)
	clear(d.at)
	d.keys = d.keys[:0]
	l.slots = resize(l.slots, r.n)
	note := func(i int, k int64) {
		p := d.at[k-lo]
		if p == 0 {
			d.keys = append(d.keys, k)
			p = uint32(len(d.keys))
			d.at[k-lo] = p
		}
		l.slots[i] = p - 1
	}
	if r.rows == nil {
		for i, k := range keys {
			note(i, k)
		}
	} else {
		for i, row := range r.rows {
			note(i, keys[row])
		}
	}
	d.find(g.hash)
	for i, p := range l.slots {
		l.slots[i] = d.slots[p]
	}
}

// find sets slots to those of keys.
func (d *denseGroups) find(h *state.Hash) {
	d.slots = resize(d.slots, len(d.keys))
	h.FindOrInsert(state.KeyBatch{Cols: []arrow.Array{int64Array(types.Int8Type, d.keys, nil)}, N: len(d.keys)}, d.slots, nil)
}
