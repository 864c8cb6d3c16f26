package exec

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// BenchmarkTopN keeps the first rows of auctions' bids: the last one (deduplication), the ten highest with and without their number,
// also while bids are taken back, and of all bids the 1000 highest.
func BenchmarkTopN(b *testing.B) {
	batches := benchBids(32, 32<<10, 0)
	few := benchBids(32, 32<<10, 100_000)
	byPrice := []planner.SortKey{{Col: 1, Desc: true}}
	byTime := []planner.SortKey{{Col: 2, Desc: true}}
	for _, c := range []struct {
		name    string
		op      planner.TopN
		batches []*changelog.Batch
		changes bool
	}{
		{"last", planner.TopN{Partition: []int{0}, Order: byTime, Limit: 1}, batches, false},
		{"last/keys=100000", planner.TopN{Partition: []int{0}, Order: byTime, Limit: 1}, few, false},
		{"first/keys=100000", planner.TopN{Partition: []int{0}, Order: []planner.SortKey{{Col: 2}}, Limit: 1}, few, false},
		{"ten", planner.TopN{Partition: []int{0}, Order: byPrice, Limit: 10}, batches, false},
		{"ten/number", planner.TopN{Partition: []int{0}, Order: byPrice, Limit: 10, Number: true}, batches, false},
		{"ten/rank", planner.TopN{Partition: []int{0}, Order: byPrice, Limit: 10, Rank: planner.ByRank}, batches, false},
		{"ten/changing", planner.TopN{Partition: []int{0}, Order: byPrice, Limit: 10}, retracting(batches), true},
		{"all1000", planner.TopN{Order: byPrice, Limit: 1000}, batches, false},
		{"all1000/changing", planner.TopN{Order: byPrice, Limit: 1000}, retracting(batches), true},
	} {
		b.Run(c.name, func(b *testing.B) {
			op := c.op
			op.Closing = noClosing
			benchOp(b, topNode(inputNode(benchInput, !c.changes), &op), c.batches, 4)
		})
	}
}

// retracting makes batches of which half the rows take back rows of the batch before.
func retracting(batches []*changelog.Batch) (out []*changelog.Batch) {
	var last *changelog.Batch
	for _, x := range batches {
		half := changelog.Slice(x, 0, x.N/2)
		if last == nil {
			out, last = append(out, half), half
			continue
		}
		y := changelog.Concat(benchInput, []*changelog.Batch{half, {Cols: last.Cols, N: last.N, Weights: repeated(-1, last.N)}})
		out, last = append(out, y), half
	}
	return out
}

// BenchmarkOver computes window functions over bids that come in order: per auction, and over a few long partitions.
func BenchmarkOver(b *testing.B) {
	bids := map[string][]*changelog.Batch{"auctions": benchBids(16, 32<<10, 0), "keys=100": benchBids(16, 32<<10, 100), "keys=100000": benchBids(16, 32<<10, 100_000)}
	byTime := []planner.SortKey{{Col: 2}}
	rows := planner.Frame{Mode: planner.FrameRows, Start: longBound(planner.Preceding, 10), End: planner.Bound{Kind: planner.CurrentRow}}
	framed := func(fn string, f planner.Frame, args ...int) planner.OverCall {
		c := overFn(benchInput, fn, args...)
		c.Frame = f
		return c
	}
	for _, c := range []struct {
		name  string
		calls []planner.OverCall
	}{
		{"row_number", []planner.OverCall{overFn(benchInput, "row_number")}},
		{"lag", []planner.OverCall{overFn(benchInput, "lag", 1)}},
		{"sum", []planner.OverCall{overFn(benchInput, "sum", 1)}},
		{"avg of 10 rows", []planner.OverCall{framed("avg", rows, 1)}},
		{"max of 10 rows", []planner.OverCall{framed("max", rows, 1)}},
	} {
		for _, keys := range []string{"auctions", "keys=100", "keys=100000"} {
			b.Run(c.name+"/"+keys, func(b *testing.B) {
				op := &planner.Over{Partition: []int{0}, Order: byTime, Calls: c.calls, Closing: noClosing}
				benchOp(b, overNode(inputNode(benchInput, true), op), bids[keys], 4)
			})
		}
	}
}

// BenchmarkSmallChange changes one row in a million, in each epoch.
func BenchmarkSmallChange(b *testing.B) {
	const n = 1_000_000
	r := rand.New(rand.NewPCG(1, 2))
	key, price := make([]int64, n), make([]int64, n)
	for i := range n {
		key[i], price[i] = int64(i%1000), r.Int64N(1_000_000)
	}
	in := benchInput[:2]
	all := &changelog.Batch{N: n, Cols: []arrow.Array{int64Array(types.Int8Type, key, nil), int64Array(types.Int8Type, price, nil)}}
	by := []planner.SortKey{{Col: 1, Desc: true}}
	for name, node := range map[string]*planner.Node{
		"top 10":         topNode(inputNode(in, false), &planner.TopN{Order: by, Limit: 10, Closing: noClosing}),
		"top 10000":      topNode(inputNode(in, false), &planner.TopN{Order: by, Limit: 10_000, Closing: noClosing}),
		"lag":            overNode(inputNode(in, false), &planner.Over{Order: by, Calls: []planner.OverCall{overFn(in, "lag", 0)}, Closing: noClosing}),
		"sum, 1000 rows": overNode(inputNode(in, false), &planner.Over{Partition: []int{0}, Order: by, Calls: []planner.OverCall{overFn(in, "sum", 1)}, Closing: noClosing}),
	} {
		b.Run(name, func(b *testing.B) {
			o, err := NewOperator(node, &Env{})
			if err != nil {
				b.Fatal(err)
			}
			tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
			if err := o.Open(&OpenContext{Workers: 1, Tables: tables}); err != nil {
				b.Fatal(err)
			}
			ctx := &Context{Watermark: changelog.MinWatermark}
			epoch := func(x *changelog.Batch) {
				if err := o.Process(ctx, 0, x, func(*changelog.Batch) {}); err != nil {
					b.Fatal(err)
				}
				if _, err := o.EndEpoch(ctx, func(*changelog.Batch) {}); err != nil {
					b.Fatal(fmt.Errorf("end of the epoch: %w", err))
				}
				for _, t := range tables.live {
					t.Delta()
				}
			}
			epoch(all)
			b.ResetTimer()
			for i := range b.N {
				row := changelog.Slice(all, i%n, i%n+1)
				epoch(&changelog.Batch{Cols: row.Cols, N: 1, Weights: []int64{-1}})
				epoch(row)
			}
		})
	}
}
