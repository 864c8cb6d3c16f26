package streamsql

import "github.com/streamsql/streamsql/expr"

// Function is a scalar function written in Go, by rows or by columns; see expr.Scalar. Functions are part of a data directory's queries: open
// it with the same ones.
type Function = expr.Scalar

// newRegistry layers user functions over the built-in ones.
func newRegistry(functions []Function) (*expr.Registry, error) {
	list := make([]*expr.Scalar, len(functions))
	for i := range functions {
		list[i] = &functions[i]
	}
	return expr.Builtin.With(list...)
}
