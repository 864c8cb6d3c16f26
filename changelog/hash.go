package changelog

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// Hash sets out[i] to the stable 64-bit hash of the i-th selected row (sel nil: all n rows) over the columns; out is dense. The
// result may be persisted: it never changes between versions, machines or numbers of workers.
//
// Rows that SQL holds equal hash alike: -0 = 0, NaN = NaN, 1.0 = 1.00, '1 month' = '30 days', NULL = NULL, and an integer hashes
// alike in every width. Zero columns hash to a constant.
func Hash(cols []arrow.Array, ts []types.Type, n int, sel []uint32, out []uint64) {
	panic("unfinished")
}

// HashBytes is the stable hash of a byte string.
func HashBytes(b []byte) uint64 { panic("unfinished") }
