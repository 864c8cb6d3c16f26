package exec

import (
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// retention takes rows out of a materialized view when they have not changed for a time of the epochs' clock. A row that is
// taken back after it has left is ignored.
//
// State: per row of the view, encoded exactly, its weight and the clock of its last change.
type retention struct {
	keep   int64 // microseconds
	schema types.Schema
	enc    *changelog.Encoder
	rows   *state.Ordered
	weight *state.I64Column
	since  *state.I64Column
	queue  []leaving // by since; an entry whose row has changed later is stale
	buf    []byte
}

type leaving struct {
	since int64
	key   string
}

func newRetention(keep int64, schema types.Schema, tables Tables) (*retention, error) {
	ts := typesOf(schema)
	order := exact(len(ts))
	rows, err := tables.Ordered("retention", state.Spec{Key: ts, Order: order, Value: []state.ColumnSpec{
		{Name: "weight", Kind: state.Int64}, {Name: "since", Kind: state.Int64},
	}})
	if err != nil {
		return nil, err
	}
	r := &retention{keep: keep, schema: schema, enc: changelog.NewEncoder(ts, order), rows: rows, weight: rows.I64(0), since: rows.I64(1)}
	for c := rows.First(); c.Valid(); c.Next() {
		r.queue = append(r.queue, leaving{*r.since.At(c.Slot()), string(c.Key())})
	}
	slices.SortStableFunc(r.queue, func(a, b leaving) int {
		switch {
		case a.since < b.since:
			return -1
		case a.since > b.since:
			return 1
		}
		return 0
	})
	return r, nil
}

// update takes an epoch's consolidated changes in, and returns what the view is to change: them, less what takes back rows
// that have left, and the rows that leave now.
func (r *retention) update(batches []*changelog.Batch, clock int64) ([]*changelog.Batch, error) {
	var out []*changelog.Batch
	for _, b := range batches {
		r.enc.Reset(b.Cols)
		c := *b
		c.Sel = make([]uint32, 0, b.Rows())
		if b.Weights != nil {
			c.Weights = slices.Clone(b.Weights)
		}
		b.Each(func(row int) {
			w := b.Weight(row)
			r.buf = r.enc.Append(r.buf[:0], row)
			if w > 0 {
				slot, added := r.rows.Insert(r.buf)
				if added {
					*r.weight.At(slot) = 0
				}
				r.rows.Touch(slot)
				*r.weight.At(slot) += w
				*r.since.At(slot) = clock
				r.queue = append(r.queue, leaving{clock, string(r.buf)})
				c.Sel = append(c.Sel, uint32(row))
				return
			}
			slot := r.rows.Find(r.buf)
			if slot == state.NoSlot {
				return
			}
			have := r.weight.At(slot)
			if -w >= *have {
				c.Weights[row] = -*have
				r.rows.Delete(slot)
			} else {
				r.rows.Touch(slot)
				*have += w
				*r.since.At(slot) = clock
				r.queue = append(r.queue, leaving{clock, string(r.buf)})
			}
			c.Sel = append(c.Sel, uint32(row))
		})
		if len(c.Sel) > 0 {
			out = append(out, &c)
		}
	}
	if len(r.queue) > 2*r.rows.Len()+1024 { // mostly stale
		r.queue = slices.DeleteFunc(r.queue, func(l leaving) bool {
			slot := r.rows.Find([]byte(l.key))
			return slot == state.NoSlot || *r.since.At(slot) != l.since
		})
	}
	gone, err := r.expire(clock)
	if gone != nil {
		out = changelog.Consolidate(r.schema, append(out, gone))
	}
	return out, err
}

// expire takes the rows out whose time is over.
func (r *retention) expire(clock int64) (*changelog.Batch, error) {
	builders := changelog.NewBuilders(typesOf(r.schema))
	b := &changelog.Batch{}
	n := 0
	for ; n < len(r.queue) && addTime(r.queue[n].since, r.keep) <= clock; n++ {
		l := r.queue[n]
		slot := r.rows.Find([]byte(l.key))
		if slot == state.NoSlot || *r.since.At(slot) != l.since {
			continue
		}
		if _, err := r.enc.Decode([]byte(l.key), nil, builders); err != nil {
			return nil, err
		}
		b.Weights = append(b.Weights, -*r.weight.At(slot))
		b.N++
		r.rows.Delete(slot)
	}
	r.queue = r.queue[n:]
	if b.N == 0 {
		return nil, nil
	}
	for _, bu := range builders {
		b.Cols = append(b.Cols, bu.NewArray())
	}
	return b, nil
}

// next is the clock at which the next row may leave.
func (r *retention) next() int64 {
	if len(r.queue) == 0 {
		return noTimer
	}
	return addTime(r.queue[0].since, r.keep)
}

func typesOf(s types.Schema) []types.Type {
	ts := make([]types.Type, len(s))
	for i, f := range s {
		ts[i] = f.Type
	}
	return ts
}
