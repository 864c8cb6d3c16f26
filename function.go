package streamsql

import "github.com/streamsql/streamsql/expr"

// Function is a scalar function written in Go, by rows or by columns; see expr.Scalar. Functions are part of a data directory's queries: open
// it with the same ones.
type Function = expr.Scalar

// newRegistry layers user functions, and those of pg_catalog that look at db's catalog, over the built-in ones.
func newRegistry(db *DB, functions []Function) (*expr.Registry, error) {
	list := systemFunctions(db)
	for i := range functions {
		list = append(list, &functions[i])
	}
	return expr.Builtin.With(list...)
}
