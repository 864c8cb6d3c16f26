package csv

import (
	"bytes"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Encoder implements formats.RecordEncoder: PostgreSQL's text forms with quotes where they are needed.
type Encoder struct {
	schema types.Schema
	cfg    Config
}

// NewEncoder returns an encoder of batches with the columns of schema. Errors: 22023 where a NULL string or a missing quote would
// make the output ambiguous.
func NewEncoder(schema types.Schema, cfg Config) (*Encoder, error) {
	cfg = cfg.withDefaults()
	if bytes.ContainsAny([]byte(cfg.Null), "\r\n"+string(rune(cfg.Delimiter))+string(rune(cfg.Quote))) {
		return nil, types.Errorf(types.CodeInvalidParameter, "the null string %q holds a delimiter, a quote or a line end", cfg.Null)
	}
	return &Encoder{schema: schema, cfg: cfg}, nil
}

// Header implements formats.RecordEncoder: the names of the columns, if wanted.
func (e *Encoder) Header() []byte {
	if !e.cfg.Header {
		return nil
	}
	var dst []byte
	for i, f := range e.schema {
		if i > 0 {
			dst = append(dst, e.cfg.Delimiter)
		}
		at := len(dst)
		dst, _ = e.quote(append(dst, f.Name...), at)
	}
	return append(dst, '\n')
}

// Encode implements formats.RecordEncoder. A row of weight n is written n times. Errors: 0A000 for a row that is taken back, and
// for a text that needs quotes where there are none.
func (e *Encoder) Encode(dst []byte, b *changelog.Batch) ([]byte, error) {
	var err error
	b.Each(func(row int) {
		weight := b.Weight(row)
		if weight < 0 {
			err = types.Errorf(types.CodeNotSupported, "csv cannot express that a row is deleted").WithHint("use the format debezium_json")
		}
		if err != nil {
			return
		}
		start := len(dst)
		for i := range e.schema {
			if i > 0 {
				dst = append(dst, e.cfg.Delimiter)
			}
			if b.Cols[i].IsNull(row) {
				dst = append(dst, e.cfg.Null...)
				continue
			}
			at := len(dst)
			if dst, err = e.quote(types.AppendText(dst, e.schema[i].Type, b.Cols[i], row), at); err != nil {
				return
			}
		}
		dst = append(dst, '\n')
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

// CheckRecord implements formats.RecordChecker: without quotes not every text can be written.
func (e *Encoder) CheckRecord(b *changelog.Batch, row int) *types.Error {
	if !e.cfg.NoQuotes {
		return nil
	}
	for i, f := range e.schema {
		if b.Cols[i].IsNull(row) {
			continue
		}
		if _, err := e.quote(types.AppendText(nil, f.Type, b.Cols[i], row), 0); err != nil {
			return types.AsError(err)
		}
	}
	return nil
}

// quote puts quotes around the field at dst[at:] where it could be misread.
func (e *Encoder) quote(dst []byte, at int) ([]byte, error) {
	text := dst[at:]
	must := string(text) == e.cfg.Null || len(e.schema) == 1 && len(text) == 0
	for _, c := range text {
		if c == e.cfg.Delimiter || c == '\n' || c == '\r' || (c == e.cfg.Quote || c == e.cfg.Escape) && !e.cfg.NoQuotes {
			must = true
			break
		}
	}
	if e.cfg.NoQuotes {
		if must {
			return nil, types.Errorf(types.CodeNotSupported, "csv without quotes cannot hold the text %q", clip(text))
		}
		return dst, nil
	}
	// Blanks at the ends are safe here, but other readers cut them.
	if n := len(text); !must && (n == 0 || text[0] > ' ' && text[n-1] > ' ') {
		return dst, nil
	}
	plain := string(text)
	dst = append(dst[:at], e.cfg.Quote)
	for i := range len(plain) {
		if c := plain[i]; c == e.cfg.Quote || c == e.cfg.Escape {
			dst = append(dst, e.cfg.Escape)
		}
		dst = append(dst, plain[i])
	}
	return append(dst, e.cfg.Quote), nil
}
