package state

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
)

// loggedRows makes a record of logged rows without values.
func loggedRows(keys [][]byte, ops []uint8) arrow.Record {
	spec := &Spec{}
	b := newDeltaBuilder(spec, deltaSchema(spec, false), false, len(keys))
	for i, k := range keys {
		b.op(ops[i], 1)
		b.keys.data = append(b.keys.data, k...)
		b.keys.end()
	}
	return b.record()
}

// Sorted rows are in the order of their keys; of one key ranges come first, then newer rows before older ones, and what is kept of them is what
// rowOrder keeps.
func TestSortRows(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		recs := make([]arrow.Record, 1+rnd.IntN(4))
		places := make([]place, len(recs))
		prefix := make([]byte, rnd.IntN(4))
		for i := range recs {
			places[i].epoch = changelog.Epoch(i + 1)
			keys := make([][]byte, 1+rnd.IntN(400))
			ops := make([]uint8, len(keys))
			for j := range keys {
				keys[j] = slices.Clone(prefix)
				for range rnd.IntN(12) {
					keys[j] = append(keys[j], byte(rnd.IntN(2+round%3*100)))
				}
				if ops[j] = opUpsert; rnd.IntN(4) == 0 {
					ops[j] = opDelete
				}
				if round%2 == 1 && rnd.IntN(20) == 0 {
					ops[j] = opPrefix
				}
			}
			recs[i] = loggedRows(keys, ops)
		}
		got := sortRows(recs)
		type row struct{ rec, row int }
		var want []row
		for i, rec := range recs {
			for j := range int(rec.NumRows()) {
				want = append(want, row{i, j})
			}
		}
		key := func(r row) []byte { return got.keys[r.rec].Value(r.row) }
		slices.SortFunc(want, func(a, b row) int {
			if c := bytes.Compare(key(a), key(b)); c != 0 {
				return c
			}
			pa, pb := got.ops[a.rec][a.row] == opPrefix, got.ops[b.rec][b.row] == opPrefix
			switch {
			case pa && !pb:
				return -1
			case pb && !pa:
				return 1
			case a.rec != b.rec:
				return b.rec - a.rec
			}
			return b.row - a.row
		})
		var order rowOrder
		keep := got.keep(places)
		require.Len(t, got.rows, len(want))
		for i, r := range got.rows {
			require.Equal(t, want[i], row{int(r.rec), int(r.row)})
			require.Equal(t, order.keep(key(want[i]), got.ops[r.rec][r.row], uint64(places[r.rec].epoch)), keep(i))
		}
	}
}
