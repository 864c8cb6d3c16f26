package state

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
)

func TestHashGrows(t *testing.T) {
	h := NewHash(countSpec())
	const n = 300_000
	vals := make([]int64, n)
	for i := range vals {
		vals[i] = int64(i) * 1_000_003
	}
	slots := make([]uint32, n)
	added := h.FindOrInsert(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, slots, nil)
	require.Len(t, added, n)
	again := make([]uint32, n)
	h.Find(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, again)
	require.Equal(t, slots, again)
	for i := range n {
		if i%3 == 0 {
			h.Delete(slots[i])
		}
	}
	h.Discard()
	h.Find(KeyBatch{Cols: []arrow.Array{int64Array(vals)}, N: n}, again)
	for i := range n {
		want := slots[i]
		if i%3 == 0 {
			want = NoSlot
		}
		if again[i] != want {
			t.Fatalf("key %d: slot %d, want %d", i, again[i], want)
		}
	}
}
