package planner

import "slices"

// Index lets the rows of a table or materialized view be found by columns.
type Index struct {
	Table   ObjectID // the table or materialized view
	Columns []int    // its columns
	Include []int    // of INCLUDE; every index has all columns of its rows, so they change nothing
	// Unique: of a table; no two rows have equal values, NULLs aside.
	Unique bool
	// Constraint: the index belongs to a UNIQUE of the table, and goes with it alone.
	Constraint bool
}

// Indexes returns the indexes of a table or materialized view, oldest first.
func (c *Catalog) Indexes(id ObjectID) []*Object {
	var list []*Object
	for _, o := range c.byID {
		if o.Index != nil && o.Index.Table == id {
			list = append(list, o)
		}
	}
	slices.SortFunc(list, func(a, b *Object) int { return int(a.ID) - int(b.ID) })
	return list
}

// IndexedColumns returns the sets of columns that the indexes of a table or materialized view are over, each once.
func (c *Catalog) IndexedColumns(id ObjectID) [][]int {
	var sets [][]int
	for _, o := range c.Indexes(id) {
		if !slices.ContainsFunc(sets, func(have []int) bool { return slices.Equal(have, o.Index.Columns) }) {
			sets = append(sets, o.Index.Columns)
		}
	}
	return sets
}

// uniqueIndexes returns the unique indexes of a table.
func (c *Catalog) uniqueIndexes(id ObjectID) []*Object {
	return slices.DeleteFunc(c.Indexes(id), func(o *Object) bool { return !o.Index.Unique })
}

// UniqueKey is a set of columns of which a table has each value once, NULLs aside.
type UniqueKey struct {
	Name    string
	Columns []int
	Primary bool
}

// UniqueKeys returns what is unique of a table, the primary key first.
func (c *Catalog) UniqueKeys(table *Object) []UniqueKey {
	var keys []UniqueKey
	if t := table.Table; t.PrimaryKey != nil {
		keys = append(keys, UniqueKey{Name: t.KeyName, Columns: t.PrimaryKey, Primary: true})
	}
	for _, o := range c.uniqueIndexes(table.ID) {
		keys = append(keys, UniqueKey{Name: bareName(o.Name), Columns: o.Index.Columns})
	}
	return keys
}
