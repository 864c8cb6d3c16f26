package changelog

import (
	"bytes"

	"github.com/streamsql/streamsql/types"
)

// Consolidate sums the weights of identical rows and drops those that come to zero; the others keep the place of their first
// occurrence. Identical means the same text: 1.0 and 1.00 stay apart. Batches that are all append-only are returned as they are.
func Consolidate(schema types.Schema, batches []*Batch) []*Batch {
	rows, weighted := 0, false
	for _, b := range batches {
		rows += b.Rows()
		weighted = weighted || b.Weights != nil
	}
	if !weighted || rows == 0 {
		return batches
	}
	all := Concat(schema, batches)
	kept := consolidateRows(schema, all)
	if len(kept.sel) == 0 {
		return nil
	}
	out := all
	if len(kept.sel) < all.N {
		out = all.Select(kept.sel)
	}
	out = &Batch{Cols: out.Cols, N: out.N, Sel: out.Sel, Weights: kept.weights}
	for _, row := range kept.sel {
		if kept.weights[row] != 1 {
			return []*Batch{Compact(out)}
		}
	}
	out.Weights = nil
	return []*Batch{Compact(out)}
}

type consolidated struct {
	sel     []uint32 // first occurrences with a weight
	weights []int64  // by physical row
}

// consolidateRows finds equal rows by hash and compares their exact encodings, which are made only where hashes meet.
func consolidateRows(schema types.Schema, b *Batch) consolidated {
	ts, exact := make([]types.Type, len(schema)), make([]Order, len(schema))
	for i, f := range schema {
		ts[i], exact[i] = f.Type, Order{Exact: true}
	}
	hashes := make([]uint64, b.N)
	Hash(b.Cols, ts, b.N, nil, hashes)
	enc := NewEncoder(ts, exact)
	enc.Reset(b.Cols)

	size := 16
	for size < 2*b.N {
		size *= 2
	}
	index := make([]uint32, size) // row + 1
	mask := uint64(size - 1)
	weights := make([]int64, b.N)
	var x, y []byte
	for row, h := range hashes {
		w := b.Weight(row)
		at := h & mask
		y = y[:0]
		for {
			if index[at] == 0 {
				index[at] = uint32(row) + 1
				weights[row] = w
				break
			}
			first := int(index[at] - 1)
			if hashes[first] == h {
				if len(y) == 0 {
					y = enc.Append(y, row)
				}
				x = enc.Append(x[:0], first)
				if bytes.Equal(x, y) {
					weights[first] += w
					break
				}
			}
			at = (at + 1) & mask
		}
	}
	out := consolidated{weights: weights, sel: make([]uint32, 0, b.N)}
	for row, w := range weights {
		if w != 0 {
			out.sel = append(out.sel, uint32(row))
		}
	}
	return out
}
