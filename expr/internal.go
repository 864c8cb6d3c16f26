package expr

import "github.com/streamsql/streamsql/types"

// SingleRow is the id of the internal function that is TRUE if its argument, a number of rows, is at most one, and fails with 21000
// if it is more: what a subquery as a value may give. No text can name it.
const SingleRow = "$single_row(bigint)"

var errSeveralRows = types.Errorf(types.CodeCardinality, "more than one row returned by a subquery used as an expression")

// internalOverloads are the functions that plans use and no text can name.
func internalOverloads() []*Overload {
	t := &table{cat: CatLogic}
	t.fn("$single_row", sig(types.Int8Type), types.BoolType, simple(func(c *call) {
		setAll(c.outBits(), c.n)
		rows, mask := view[int64](c.args[0].buf), mask(c.args[0].konst)
		search(c, errSeveralRows, func(i uint32) bool { return rows[i&mask] > 1 })
	}), fallible)
	return t.list
}
