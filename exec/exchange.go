package exec

import (
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// item is a batch that waits at an exchange. Items are taken in the order of ord, so that neither the number of workers nor their
// speed changes what an operator sees of one sender.
type item struct {
	ord   uint64
	batch *changelog.Batch
	part  *partition // the source partition, as long as rows are still in its order; else nil
}

// ord orders what is sent in an epoch: by level, then what tasks sent by the number of the task, then what came at the end by worker.
func ordTask(level, task int) uint64  { return uint64(level)<<48 | uint64(task) }
func ordEnd(level, worker int) uint64 { return uint64(level)<<48 | 1<<47 | uint64(worker) }

// exchange holds what was sent along an edge in this epoch: lists by sender and, if rows are spread, by receiver. A list
// belongs to its sender during a level and to its receiver after it: no locks.
type exchange struct {
	receivers int
	lists     [][]item // [sender*receivers+receiver]
	hashers   []hasher // per sender
}

func (x *exchange) open(workers int, spread bool) {
	x.receivers = 1
	if spread {
		x.receivers = workers
		x.hashers = make([]hasher, workers)
	}
	x.lists = make([][]item, workers*x.receivers)
}

// send puts a batch into the lists of its receivers.
func (x *exchange) send(w *worker, b *changelog.Batch, schema types.Schema, cols []int) {
	base := w.id * x.receivers
	if x.receivers == 1 || len(cols) == 0 {
		x.lists[base] = append(x.lists[base], item{ord: w.ord, batch: b, part: w.part})
		return
	}
	for to, sel := range x.hashers[w.id].split(b, schema, cols, x.receivers) {
		if len(sel) > 0 {
			out := *b
			out.Sel = sel
			out.Origin = nil
			x.lists[base+to] = append(x.lists[base+to], item{ord: w.ord, batch: &out})
		}
	}
}

// take returns all that was sent to a receiver, in order, and empties the lists.
func (x *exchange) take(receiver int) []item {
	var out []item
	sorted := true
	for i := receiver; i < len(x.lists); i += x.receivers {
		if len(x.lists[i]) == 0 {
			continue
		}
		sorted = sorted && out == nil
		out = append(out, x.lists[i]...)
		clear(x.lists[i])
		x.lists[i] = x.lists[i][:0]
	}
	if !sorted {
		slices.SortStableFunc(out, func(a, b item) int {
			switch {
			case a.ord < b.ord:
				return -1
			case a.ord > b.ord:
				return 1
			}
			return 0
		})
	}
	return out
}

// drop empties all lists.
func (x *exchange) drop() {
	for i := range x.lists {
		clear(x.lists[i])
		x.lists[i] = x.lists[i][:0]
	}
}

// owner returns the worker that owns a hash: worker i of n has the i-th of n equal ranges of the hashes.
func owner(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(n))
	return int(hi)
}

// hasher splits batches by key hash; one per sender, for its buffers.
type hasher struct {
	cols   []arrow.Array
	types  []types.Type
	hashes []uint64
	counts []int
	parts  [][]uint32
}

// split returns the selected rows of each of n owners, ascending. The rows lists are new for each call, the outer slice is not.
func (h *hasher) split(b *changelog.Batch, schema types.Schema, cols []int, n int) [][]uint32 {
	h.cols, h.types = h.cols[:0], h.types[:0]
	for _, c := range cols {
		h.cols = append(h.cols, b.Cols[c])
		h.types = append(h.types, schema[c].Type)
	}
	rows := b.Rows()
	h.hashes = slices.Grow(h.hashes[:0], rows)[:rows]
	changelog.Hash(h.cols, h.types, b.N, b.Sel, h.hashes)
	clear(h.cols)

	h.counts = slices.Grow(h.counts[:0], n)[:n]
	clear(h.counts)
	for _, x := range h.hashes {
		h.counts[owner(x, n)]++
	}
	back := make([]uint32, rows)
	h.parts = slices.Grow(h.parts[:0], n)[:n]
	for i, at := 0, 0; i < n; i++ {
		h.parts[i] = back[at : at : at+h.counts[i]]
		at += h.counts[i]
	}
	if b.Sel == nil {
		for i, x := range h.hashes {
			o := owner(x, n)
			h.parts[o] = append(h.parts[o], uint32(i))
		}
		return h.parts
	}
	for i, x := range h.hashes {
		o := owner(x, n)
		h.parts[o] = append(h.parts[o], b.Sel[i])
	}
	return h.parts
}
