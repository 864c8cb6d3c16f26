package json

import (
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Encoder implements formats.RecordEncoder: one object a line with the columns in order. Numbers are bare (NUMERIC with all its
// digits; NaN and infinities as strings), dates, times, intervals and BYTEA are strings in PostgreSQL's text form, JSONB stands as
// it is, arrays are arrays.
type Encoder struct {
	schema types.Schema
	names  []string // what precedes each value: the brace or comma, the name and the colon
}

// NewEncoder returns an encoder of batches with the columns of schema.
func NewEncoder(schema types.Schema) *Encoder {
	e := &Encoder{schema: schema, names: make([]string, len(schema))}
	for i, f := range schema {
		open := []byte{','}
		if i == 0 {
			open[0] = '{'
		}
		e.names[i] = string(append(types.AppendJSONString(open, f.Name), ':'))
	}
	return e
}

// Header implements formats.RecordEncoder: there is none.
func (e *Encoder) Header() []byte { return nil }

// Encode implements formats.RecordEncoder. A row of weight n is written n times. Errors: 0A000 for a row that is taken back.
func (e *Encoder) Encode(dst []byte, b *changelog.Batch) ([]byte, error) {
	var err error
	b.Each(func(row int) {
		weight := b.Weight(row)
		if weight < 0 {
			err = types.Errorf(types.CodeNotSupported, "plain json cannot express that a row is deleted").WithHint("use the format debezium_json")
			return
		}
		start := len(dst)
		dst = e.row(dst, b, row)
		end := len(dst)
		for ; weight > 1; weight-- {
			dst = append(dst, dst[start:end]...)
		}
	})
	if err != nil {
		return nil, err
	}
	return dst, nil
}

func (e *Encoder) row(dst []byte, b *changelog.Batch, row int) []byte {
	for i := range e.schema {
		dst = append(dst, e.names[i]...)
		dst = types.AppendJSON(dst, e.schema[i].Type, b.Cols[i], row)
	}
	if len(e.schema) == 0 {
		dst = append(dst, '{')
	}
	return append(dst, '}', '\n')
}
