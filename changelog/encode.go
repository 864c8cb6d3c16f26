package changelog

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// Order says how one column sorts in encoded rows. The zero value is ascending, NULLS LAST, by value.
type Order struct {
	Desc       bool
	NullsFirst bool

	// Exact keeps the form beside the value (1.0 and 1.00, '1 month' and '30 days' differ, in a fixed order); without it
	// they encode alike, and the form travels apart in the representation.
	Exact bool
}

// Encoder turns rows into bytes whose order under bytes.Compare is the rows' order in PostgreSQL, and back.
type Encoder struct{}

// NewEncoder makes an encoder of columns of these types; a nil order means ascending, NULLS LAST, by value.
func NewEncoder(ts []types.Type, order []Order) *Encoder { panic("unfinished") }

// Reset binds the encoder to the columns of a batch.
func (e *Encoder) Reset(cols []arrow.Array) { panic("unfinished") }

// Append appends the encoding of a physical row.
func (e *Encoder) Append(dst []byte, row int) []byte { panic("unfinished") }

// AppendRepr appends what Append leaves out of the row's form; nothing for most types.
func (e *Encoder) AppendRepr(dst []byte, row int) []byte { panic("unfinished") }

// HasRepr reports whether AppendRepr ever appends something.
func (e *Encoder) HasRepr() bool { panic("unfinished") }

// Decode appends one row to the builders (one per column) from the start of key and returns what follows it. Without a
// representation (nil) values come out in their shortest form.
func (e *Encoder) Decode(key, repr []byte, out []array.Builder) (rest []byte, err error) {
	panic("unfinished")
}

// NewBuilder returns a builder of t's storage on the Go allocator.
func NewBuilder(t types.Type) array.Builder { panic("unfinished") }

// NewBuilders returns a builder for every type.
func NewBuilders(ts []types.Type) []array.Builder { panic("unfinished") }
