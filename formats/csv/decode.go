package csv

import (
	"bytes"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/formats/column"
	"github.com/streamsql/streamsql/types"
)

// decoder reads records straight into column buffers. Lines without a quote, which is most of them, are cut at delimiters alone.
type decoder struct {
	format  *Format
	rows    *column.Set
	scan    scanner
	width   int // bytes per record, estimated
	pattern uint64
}

func newDecoder(f *Format) *decoder {
	return &decoder{format: f, rows: column.NewSet(f.schema), scan: scanner{cfg: &f.cfg}, width: 64, pattern: ones * uint64(f.cfg.Delimiter)}
}

// Decode implements formats.RecordDecoder.
func (d *decoder) Decode(chunk []byte) (*formats.Decoded, error) {
	if len(chunk) > math.MaxInt32 {
		return nil, types.Errorf(types.CodeInternal, "chunk of %d bytes is too long to decode", len(chunk))
	}
	known := d.format.fields.Load()
	if known == nil {
		return nil, types.Errorf(types.CodeInternal, "csv records came before their header")
	}
	fields := *known
	last := len(fields) // the fields behind the last wanted one do not matter
	for last > 0 && fields[last-1] < 0 {
		last--
	}
	wanted := fields[:last]
	cfg := &d.format.cfg
	d.rows.Begin(len(chunk)/d.width+len(chunk)/d.width/8+16, len(chunk))
	out := &formats.Decoded{}
	allValid := utf8.Valid(chunk)
	noQuotes := cfg.NoQuotes || bytes.IndexByte(chunk, cfg.Quote) < 0
	records := 0
	for at := 0; at < len(chunk); {
		start, end := at, len(chunk)
		if n := bytes.IndexByte(chunk[at:], '\n'); n >= 0 {
			end = at + n
		}
		plain, closed := noQuotes || bytes.IndexByte(chunk[at:end], cfg.Quote) < 0, true
		if !plain {
			d.scan.data = chunk
			end, closed = d.scan.recordEnd(at)
		}
		record := chunk[start:end]
		at = end + 1
		if plain && len(fields) != 1 && (len(record) == 0 || len(record) == 1 && record[0] == '\r') {
			continue
		}
		records++
		var err *types.Error
		switch {
		case len(record) > cfg.MaxRecord:
			err = types.Errorf(types.CodeInvalidText, "record of %d bytes is longer than the limit of %d", len(record), cfg.MaxRecord)
		case !closed:
			err = types.Errorf(types.CodeBadCopyFormat, "unterminated CSV quoted field")
		case !allValid && !utf8.Valid(record):
			err = types.Errorf(types.CodeInvalidEncoding, "record is not valid UTF-8")
		case plain:
			err = d.plain(record, wanted)
		default:
			err = d.quoted(record, wanted)
		}
		if err == nil {
			err = d.rows.Commit(start)
		} else {
			d.rows.Drop()
		}
		if err != nil {
			out.Bad = append(out.Bad, formats.BadRecord{Offset: start, Length: len(record), Err: err})
		}
	}
	if records > 0 {
		d.width = max(len(chunk)/records, 1)
	}
	var err error
	out.N = d.rows.Row()
	out.Cols, out.Offsets, err = d.rows.Finish()
	return out, err
}

// plain reads a record without quotes.
func (d *decoder) plain(b []byte, wanted []int) *types.Error {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	i := 0
	for _, col := range wanted {
		if i > len(b) {
			return nil // the rest is missing
		}
		end := indexDelimiter(b, i, d.pattern)
		if col >= 0 {
			if err := d.field(&d.rows.Cols[col], b[i:end], false); err != nil {
				return err
			}
		}
		i = end + 1
	}
	return nil
}

// quoted reads a record in which there is a quote.
func (d *decoder) quoted(b []byte, wanted []int) *types.Error {
	s := &d.scan
	s.data, s.at, s.ended = b, 0, false
	for _, col := range wanted {
		if !s.next() {
			return nil
		}
		if col < 0 {
			continue
		}
		if err := d.field(&d.rows.Cols[col], s.text(), s.quoted); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) field(c *column.Column, text []byte, quoted bool) *types.Error {
	if !quoted && string(text) == d.format.cfg.Null {
		d.rows.SetNull(c)
		return nil
	}
	if err := d.rows.FromText(c, text); err != nil {
		e := *types.AsError(err)
		shown := clip(text)
		if !strings.Contains(e.Msg, shown) {
			e.Msg += " in " + shown
		}
		e.Msg = "column \"" + c.Field.Name + "\": " + e.Msg
		return &e
	}
	return nil
}
