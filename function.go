package streamsql

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// Function is a scalar function written in Go.
type Function struct {
	Name   string
	Args   []types.Type
	Result types.Type
	// Call computes one row. Arguments and result are nil (NULL), bool, int64 (all integers, dates in days, times in microseconds),
	// float64, string, []byte, types.NumericValue or types.IntervalValue. It must be pure and safe for concurrent use; an error
	// rejects the row.
	Call func(args []any) (any, error)
	// Strict: the result is NULL if an argument is, without a call.
	Strict bool
	Doc    string
}

// newRegistry layers user functions over the built-in ones.
func newRegistry(functions []Function) (*expr.Registry, error) {
	if len(functions) > 0 {
		return nil, types.NotSupported(types.Span{}, "functions in Go")
	}
	return builtinRegistry(), nil
}

func builtinRegistry() *expr.Registry { return expr.Builtin }
