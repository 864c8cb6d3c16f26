// Package raw reads every line as one value and writes one value a line: for logs, and for text that a query takes apart itself.
package raw

import (
	"bytes"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// Format implements formats.RecordFormat. A record is a line without its line feed and a carriage return before it; empty lines are
// records; no byte stands for something else.
type Format struct{ schema types.Schema }

// New returns the format that reads the only column of schema, a TEXT or BYTEA, or none. In a TEXT column lines that are not UTF-8, or
// longer than a VARCHAR(n), are bad records.
func New(schema types.Schema) (*Format, error) {
	if len(schema) > 1 {
		return nil, types.Errorf(types.CodeInvalidDefinition, "format raw has one column, found %d", len(schema)).
			WithHint("declare one column of type text or bytea")
	}
	for _, f := range schema {
		if f.Type.Kind != types.Text && f.Type.Kind != types.Bytea {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "column %q of format raw is %s, wanted text or bytea", f.Name, f.Type).
				WithHint("read it as text and convert it in the query")
		}
	}
	return &Format{schema: schema}, nil
}

// Split implements formats.RecordFormat.
func (f *Format) Split(data []byte, atEOF bool) int {
	if atEOF {
		return len(data)
	}
	return bytes.LastIndexByte(data, '\n') + 1
}

// HeaderBytes implements formats.RecordFormat: there is no header.
func (f *Format) HeaderBytes([]byte, bool) (n int, ok bool, err error) { return 0, true, nil }

// NewDecoder implements formats.RecordFormat.
func (f *Format) NewDecoder() formats.RecordDecoder { return &decoder{schema: f.schema} }

type decoder struct {
	schema types.Schema
	rows   int // of the chunk before, as a guess
}

// Decode implements formats.RecordDecoder.
func (d *decoder) Decode(chunk []byte) (*formats.Decoded, error) {
	if len(chunk) > math.MaxInt32 {
		return nil, types.Errorf(types.CodeInternal, "a chunk of %d bytes", len(chunk))
	}
	out := &formats.Decoded{Offsets: make([]uint32, 0, d.rows)}
	data := make([]byte, 0, len(chunk))
	ends := append(make([]int32, 0, d.rows+1), 0)
	text := len(d.schema) == 1 && d.schema[0].Type.Kind == types.Text
	width := 0
	if text {
		width = int(d.schema[0].Type.Precision)
	}
	clean := !text || width == 0 && utf8.Valid(chunk) && bytes.IndexByte(chunk, 0) < 0
	for at := 0; at < len(chunk); {
		line, next := chunk[at:], len(chunk)
		if i := bytes.IndexByte(line, '\n'); i >= 0 {
			line, next = line[:i], at+i+1
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if !clean {
			v, err := types.ParseText(d.schema[0].Type, string(line))
			if err != nil {
				out.Bad = append(out.Bad, formats.BadRecord{Offset: at, Length: next - at, Err: types.AsError(err)})
				at = next
				continue
			}
			line = []byte(v.(string))
		}
		if len(d.schema) == 1 {
			data = append(data, line...)
			ends = append(ends, int32(len(data)))
		}
		out.Offsets = append(out.Offsets, uint32(at))
		at = next
	}
	out.N = len(out.Offsets)
	d.rows = out.N + out.N/8 + 1
	if len(d.schema) == 1 {
		buffers := []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(ends)), memory.NewBufferBytes(data)}
		out.Cols = []arrow.Array{array.MakeFromData(array.NewData(d.schema[0].Type.Arrow(), out.N, buffers, nil, 0, 0))}
	}
	return out, nil
}

// Encoder implements formats.RecordEncoder: the text form of the only column, BYTEA as its bytes, NULL as an empty line.
type Encoder struct{ typ types.Type }

// NewEncoder returns an encoder of batches with the only column of schema.
func NewEncoder(schema types.Schema) (*Encoder, error) {
	if len(schema) != 1 {
		return nil, types.Errorf(types.CodeInvalidDefinition, "format raw writes one column, found %d", len(schema))
	}
	return &Encoder{typ: schema[0].Type}, nil
}

// Header implements formats.RecordEncoder: there is none.
func (e *Encoder) Header() []byte { return nil }

// Encode implements formats.RecordEncoder. A row of weight n is written n times. Errors: 0A000 for a row that is taken back, 22P04 for a value with a
// line feed, which would be read as two.
func (e *Encoder) Encode(dst []byte, b *changelog.Batch) ([]byte, error) {
	var err error
	bin, _ := b.Cols[0].(*array.Binary)
	b.Each(func(row int) {
		weight := b.Weight(row)
		if weight < 0 {
			err = types.Errorf(types.CodeNotSupported, "format raw cannot express that a row is deleted").WithHint("use the format debezium_json")
			return
		}
		for range weight {
			start := len(dst)
			if bin != nil && bin.IsValid(row) {
				dst = append(dst, bin.Value(row)...)
			} else {
				dst = types.AppendText(dst, e.typ, b.Cols[0], row)
			}
			if bytes.IndexByte(dst[start:], '\n') >= 0 {
				err = types.Errorf(types.CodeBadCopyFormat, "a value of format raw has a line feed in it").WithHint("use the format json")
				return
			}
			dst = append(dst, '\n')
		}
	})
	if err != nil {
		return nil, err
	}
	return dst, nil
}
