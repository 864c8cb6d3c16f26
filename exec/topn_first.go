package exec

import (
	"bytes"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
)

// topFirst keeps the one first row of each partition of an append-only input: deduplication. It is a topN that needs no order
// among rows.
//
// Input:  inserts only.
// Output: where the first row of a partition changed in an epoch, the old one taken back and the new one.
// State:  one row per partition: what follows the partition in its key.
type topFirst struct {
	plan   *planner.TopN
	env    *Env
	layout *rowLayout

	rows  *state.Hash
	first *state.BytesColumn

	slots   []uint32
	touched []uint32
	arena   []byte // old rows of the touched partitions
	ends    []int
	key     []byte
	prefix  []byte
}

// isFirst reports whether a TopN of an append-only input can be a topFirst.
func isFirst(op *planner.TopN, layout *rowLayout) bool {
	return op.Offset == 0 && op.Limit == 1 && op.Rank == planner.ByRowNumber && op.Close < 0 && len(layout.partition) > 0 &&
		len(layout.ts) > len(layout.partition) // else there is nothing to keep
}

func (t *topFirst) Open(ctx *OpenContext) (err error) {
	n := len(t.layout.partition)
	t.rows, err = ctx.Tables.Hash("first", state.Spec{Key: t.layout.ts[:n], Dist: n, Value: []state.ColumnSpec{{Name: "row", Kind: state.Bytes}}})
	if err != nil {
		return err
	}
	t.first = t.rows.Blob(0)
	return nil
}

func (t *topFirst) Process(_ *Context, _ int, b *changelog.Batch, _ Emit) error {
	n := b.Rows()
	t.slots = resize(t.slots, n)
	var cols []arrow.Array
	for _, c := range t.layout.partition {
		cols = append(cols, b.Cols[c])
	}
	t.rows.FindOrInsert(state.KeyBatch{Cols: cols, N: b.N, Sel: b.Sel}, t.slots, nil)
	t.layout.reset(b)
	i := 0
	b.Each(func(row int) {
		slot := t.slots[i]
		i++
		t.key = t.layout.rest.Append(t.key[:0], row)
		old := t.first.Get(slot)
		if len(old) > 0 && bytes.Compare(t.key, old) >= 0 {
			return
		}
		if t.rows.Touch(slot) {
			t.touched = append(t.touched, slot)
			t.arena = append(t.arena, old...)
			t.ends = append(t.ends, len(t.arena))
		}
		t.first.Set(slot, t.key)
	})
	return nil
}

func (t *topFirst) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	size := t.env.batchRows()
	minus := newOrderedOut(t.layout, size, t.plan.Number, emit)
	plus := newOrderedOut(t.layout, size, t.plan.Number, emit)
	at := 0
	for from := 0; from < len(t.touched); from += size {
		slots := t.touched[from:min(from+size, len(t.touched))]
		t.layout.part.Reset(t.rows.Keys(slots))
		for i, slot := range slots {
			t.prefix = t.layout.part.Append(t.prefix[:0], i)
			old := t.arena[at:t.ends[from+i]]
			at = t.ends[from+i]
			if len(old) > 0 {
				minus.add(t.whole(old), 1, -1)
			}
			plus.add(t.whole(t.first.Get(slot)), 1, 1)
		}
	}
	minus.flush()
	plus.flush()
	t.touched, t.arena, t.ends = t.touched[:0], t.arena[:0], t.ends[:0]
	return ctx.Watermark, nil
}

// whole returns the key of a row of the partition in prefix.
func (t *topFirst) whole(rest []byte) []byte {
	t.key = append(append(t.key[:0], t.prefix...), rest...)
	return t.key
}

func (t *topFirst) Close() error { return nil }
