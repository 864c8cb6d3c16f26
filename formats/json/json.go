// Package json reads and writes NDJSON: one JSON object a line, whose members are columns by name.
//
// A line that is no object, a member that PostgreSQL's input of the column's type refuses, invalid UTF-8 and a NULL where
// none may be are bad records; the rest of the chunk is not touched by them. A missing member is NULL, one that is not
// wanted is checked for syntax alone, and of equal names the last wins. Names match exactly, or else without regard to case.
// Blank lines do not count.
package json

import (
	"bytes"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// Config are the choices of a reader.
type Config struct {
	MaxRecord int // the longest line in bytes; 0: 16 MiB. Longer lines are bad records
}

const defaultMaxRecord = 16 << 20

// SourceOptions are the options of the format in a source.
var SourceOptions = []types.OptionSpec{
	{Name: "max_record_bytes", Kind: types.OptBytes, Default: "16MiB", Doc: "a longer line is a rejected record"},
}

// ConfigOf reads the options.
func ConfigOf(o types.Options) Config {
	if !o.Has("max_record_bytes") {
		return Config{}
	}
	n, _ := types.ParseBytes(o.String("max_record_bytes"))
	return Config{MaxRecord: int(n)}
}

// Format implements formats.RecordFormat.
type Format struct {
	schema types.Schema
	cfg    Config
}

// New returns the format that reads the columns of schema, which may be fewer than the records have.
func New(schema types.Schema, cfg Config) *Format {
	if cfg.MaxRecord <= 0 {
		cfg.MaxRecord = defaultMaxRecord
	}
	return &Format{schema: schema, cfg: cfg}
}

// Split implements formats.RecordFormat: records end at line feeds.
func (f *Format) Split(data []byte, atEOF bool) int {
	if atEOF {
		return len(data)
	}
	return bytes.LastIndexByte(data, '\n') + 1
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// HeaderBytes implements formats.RecordFormat: a byte order mark is skipped.
func (f *Format) HeaderBytes(data []byte, atEOF bool) (n int, ok bool, err error) {
	if bytes.HasPrefix(data, byteOrderMark) {
		return len(byteOrderMark), true, nil
	}
	return 0, atEOF || !bytes.HasPrefix(byteOrderMark, data), nil
}

// NewDecoder implements formats.RecordFormat.
func (f *Format) NewDecoder() formats.RecordDecoder { return newDecoder(f.schema, f.cfg) }
