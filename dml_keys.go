package streamsql

import (
	"context"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// encoded are the rows of columns as texts that are equal where the rows are.
func encoded(ts []types.Type, cols []arrow.Array, n int, exact bool) []string {
	order := make([]changelog.Order, len(ts))
	for i := range order {
		order[i].Exact = exact
	}
	enc := changelog.NewEncoder(ts, order)
	enc.Reset(cols)
	out := make([]string, n)
	var buf []byte
	for i := range n {
		buf = enc.Append(buf[:0], i)
		out[i] = string(buf)
	}
	return out
}

// keyText is the encoded value of a unique key; equal values have equal texts. It is not known if a column is NULL: NULLs are never equal.
type keyText struct {
	text  string
	known bool
}

// keyTexts encodes the values that rows have in a unique key.
func (d *change) keyTexts(key planner.UniqueKey, rows *changelog.Batch) []keyText {
	ts, cols := make([]types.Type, len(key.Columns)), uniqueColumns(key, rows)
	for i, k := range key.Columns {
		ts[i] = d.schema[k].Type
	}
	out := make([]keyText, rows.N)
	for i, text := range encoded(ts, cols, rows.N, false) {
		out[i] = keyText{text: text, known: true}
		for _, c := range cols {
			out[i].known = out[i].known && !c.IsNull(i)
		}
	}
	return out
}

func uniqueColumns(key planner.UniqueKey, rows *changelog.Batch) []arrow.Array {
	cols := make([]arrow.Array, len(key.Columns))
	for i, k := range key.Columns {
		cols[i] = rows.Cols[k]
	}
	return cols
}

// meeting finds the rows of a table that have the same value in a unique key as one of rows has: at most one for each, with the index of
// the row that it meets.
func (d *change) meeting(table *state.Snapshot, key planner.UniqueKey, rows *changelog.Batch) (existing *changelog.Batch, found []uint32, err error) {
	if key.Primary {
		return table.Get(uniqueColumns(key, rows), rows.N)
	}
	texts := d.keyTexts(key, rows)
	var known []uint32
	for i, t := range texts {
		if t.known {
			known = append(known, uint32(i))
		}
	}
	asked := uniqueColumns(key, changelog.Take(rows, known))
	candidates, err := table.Find(key.Columns, asked, len(known))
	if err != nil {
		return nil, nil, err
	}
	there := map[string]uint32{}
	for i, t := range d.keyTexts(key, candidates) {
		there[t.text] = uint32(i)
	}
	var take []uint32
	for _, row := range known {
		if at, ok := there[texts[row].text]; ok {
			take, found = append(take, at), append(found, row)
		}
	}
	return changelog.Take(candidates, take), found, nil
}

// checkKeys refuses rows of which another one has the same value in a unique key: another new row, or one of the table but for the old
// ones that go.
func (d *change) checkKeys(table *state.Snapshot, old, new *changelog.Batch) error {
	for _, key := range d.unique {
		if err := d.checkKey(table, key, old, new); err != nil {
			return err
		}
	}
	return nil
}

func (d *change) checkKey(table *state.Snapshot, key planner.UniqueKey, old, new *changelog.Batch) error {
	going := map[string]bool{}
	if old != nil {
		for _, t := range d.keyTexts(key, old) {
			going[t.text] = true
		}
	}
	texts := d.keyTexts(key, new)
	seen := make(map[string]bool, len(texts))
	for i, t := range texts {
		if t.known && (seen[t.text] || new.Weight(i) > 1) {
			return d.duplicate(key, new, i)
		}
		seen[t.text] = seen[t.text] || t.known
	}
	_, found, err := d.meeting(table, key, new)
	if err != nil {
		return err
	}
	for _, i := range found {
		if !going[texts[i].text] {
			return d.duplicate(key, new, int(i))
		}
	}
	return nil
}

func (d *change) duplicate(key planner.UniqueKey, rows *changelog.Batch, row int) error {
	return types.Errorf(types.CodeUniqueViolation, "duplicate key value violates unique constraint %q", key.Name).
		WithDetail("Key %s already exists.", d.keyPicture(key, rows, row)).Of("", key.Name)
}

// keyPicture prints a key's value as PostgreSQL does: (a, b)=(1, 2).
func (d *change) keyPicture(key planner.UniqueKey, rows *changelog.Batch, row int) string {
	names, values := "", ""
	for i, k := range key.Columns {
		if i > 0 {
			names, values = names+", ", values+", "
		}
		names += d.schema[k].Name
		values += string(types.AppendText(nil, d.schema[k].Type, rows.Cols[k], row))
	}
	return "(" + names + ")=(" + values + ")"
}

// checkUnique refuses a unique index on a table whose rows are not.
func (s *Session) checkUnique(ctx context.Context, c *planner.Catalog, index *planner.Object) error {
	table := c.Object(index.Index.Table)
	d := &change{s: s, object: table, table: table.Table, schema: table.Schema()}
	views, err := s.snapshots(ctx, []planner.ObjectID{table.ID})
	if err != nil {
		return err
	}
	key := planner.UniqueKey{Name: index.Name, Columns: index.Index.Columns}
	seen := map[string]bool{}
	return views[table.ID].Scan(32<<10, func(b *changelog.Batch) error {
		for i, t := range d.keyTexts(key, b) {
			if t.known && (seen[t.text] || b.Weight(i) > 1) {
				return types.Errorf(types.CodeUniqueViolation, "could not create unique index %q", index.Name).
					WithDetail("Key %s is duplicated.", d.keyPicture(key, b, i)).Of("", index.Name)
			}
			seen[t.text] = seen[t.text] || t.known
		}
		return nil
	})
}
