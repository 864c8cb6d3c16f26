package streamsql

import (
	"context"
	"slices"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// insertOrElse is INSERT ... ON CONFLICT: rows whose key is there are left out, or change the row that is there.
func (d *change) insertOrElse(ctx context.Context, table *state.Snapshot, rows *changelog.Batch) error {
	keys := d.plan.Conflict.Keys
	texts := make([][]keyText, len(keys))
	meets := map[uint32]bool{}
	var existing *changelog.Batch
	var found []uint32
	for i, key := range keys {
		texts[i] = d.keyTexts(key, rows)
		var err error
		if existing, found, err = d.meeting(table, key, rows); err != nil {
			return err
		}
		for _, row := range found {
			meets[row] = true
		}
	}
	update := d.plan.Conflict.Update
	seen := map[string]bool{} // keys of rows before, with the key's name
	var fresh []uint32
	for i := range rows.N {
		again := false
		for j, key := range keys {
			if t := texts[j][i]; t.known {
				again = again || seen[key.Name+t.text]
			}
		}
		if again && update != nil {
			return types.Errorf(types.CodeCardinality, "ON CONFLICT DO UPDATE command cannot affect row a second time").
				WithHint("ensure that no rows proposed for insertion within the same command have duplicate constrained values")
		}
		if !again && !meets[uint32(i)] {
			fresh = append(fresh, uint32(i))
		} else if update == nil {
			continue
		}
		for j, key := range keys {
			seen[key.Name+texts[j][i].text] = true
		}
	}
	inserted := changelog.Take(rows, fresh)
	d.changes, d.rows, d.count = []*changelog.Batch{inserted}, inserted, int64(inserted.N)
	if update == nil || len(found) == 0 {
		return d.checkKeys(table, nil, inserted)
	}
	given := map[planner.ObjectID]*state.Snapshot{}
	var err error
	if given[planner.ConflictID], err = numbered(d.schema, existing, found); err != nil {
		return err
	}
	if given[planner.ExcludedID], err = numbered(d.schema, changelog.Take(rows, found), found); err != nil {
		return err
	}
	batches, err := d.s.runOnce(ctx, d.catalog, update, given)
	if err != nil {
		return err
	}
	values := changelog.Concat(update.Schema, batches)
	place := map[int64]uint32{} // of a row's number in existing
	for i, f := range found {
		place[int64(f)] = uint32(i)
	}
	numbers := values.Cols[0].(*array.Int64)
	order := make([]uint32, values.N)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int { return int(numbers.Value(int(a)) - numbers.Value(int(b))) })
	values = changelog.Take(values, order)
	numbers = values.Cols[0].(*array.Int64)
	take := make([]uint32, values.N)
	for i := range take {
		take[i] = place[numbers.Value(i)]
	}
	old := changelog.Take(existing, take)
	cols := slices.Clone(old.Cols)
	for i, col := range d.plan.Conflict.Set {
		cols[col] = values.Cols[1+i]
	}
	new, err := d.complete(old.With(cols))
	if err != nil {
		return err
	}
	if err := d.checkKeys(table, old, changelog.Concat(d.schema, []*changelog.Batch{inserted, new})); err != nil {
		return err
	}
	d.changes = append(d.changes, weights(old, -1), new)
	d.count += int64(new.N)
	d.rows = inOrder(d.schema, inserted, fresh, new, numbers)
	return nil
}

// inOrder merges inserted and updated rows by the place of what was to be inserted.
func inOrder(schema types.Schema, inserted *changelog.Batch, fresh []uint32, updated *changelog.Batch, numbers *array.Int64) *changelog.Batch {
	all := changelog.Concat(schema, []*changelog.Batch{inserted, updated})
	rows := make([]uint32, all.N)
	at := func(i uint32) int64 {
		if int(i) < len(fresh) {
			return int64(fresh[i])
		}
		return numbers.Value(int(i) - len(fresh))
	}
	for i := range rows {
		rows[i] = uint32(i)
	}
	slices.SortFunc(rows, func(a, b uint32) int { return int(at(a) - at(b)) })
	return changelog.Take(all, rows)
}
