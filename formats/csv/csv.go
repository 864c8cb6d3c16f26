// Package csv reads and writes comma-separated values, with any delimiter, as PostgreSQL's COPY ... CSV does: fields may be quoted,
// a quote inside is doubled (or escaped), quoted fields may hold line ends, and an unquoted field that equals the NULL string is
// NULL. Fields beyond the known ones are ignored, missing ones are NULL; blank lines do not count unless there is but one field.
// A record that PostgreSQL's input of a column's type refuses is a bad record and does not touch the others.
package csv

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// Config are the choices of a reader or writer. The zero value is a comma, double quotes, no header and the empty NULL string.
type Config struct {
	Delimiter byte   // 0: comma
	Quote     byte   // 0: double quote
	Escape    byte   // 0: the quote, doubled
	NoQuotes  bool   // quotes mean nothing
	Header    bool   // the first record names the fields
	Null      string // an unquoted field with this text is NULL
	MaxRecord int    // the longest record in bytes; 0: 16 MiB. Longer records are bad
	// Fields are the names of a file's fields in order, for files without a header: all the declared columns, of which the
	// schema may want a part. nil: the schema's own.
	Fields []string
}

func (c Config) withDefaults() Config {
	if c.Delimiter == 0 {
		c.Delimiter = ','
	}
	if c.Quote == 0 {
		c.Quote = '"'
	}
	if c.Escape == 0 {
		c.Escape = c.Quote
	}
	if c.MaxRecord <= 0 {
		c.MaxRecord = 16 << 20
	}
	return c
}

var sharedOptions = []types.OptionSpec{
	{Name: "delimiter", Doc: "the character between fields; by default a comma, or a tab for tsv"},
	{Name: "quote", Default: `"`, Doc: "the character around fields; 'none' for no quoting"},
	{Name: "escape", Doc: "the character before a quote inside a quoted field; by default the quote itself"},
	{Name: "null", Default: "", Doc: "the unquoted text that stands for NULL"},
}

// SourceOptions are the options of the format in a source.
var SourceOptions = append(slices.Clip(sharedOptions),
	types.OptionSpec{Name: "header", Kind: types.OptBool, Default: "false", Doc: "the first record of a file names its fields; else fields are columns in order"},
	types.OptionSpec{Name: "max_record_bytes", Kind: types.OptBytes, Default: "16MiB", Doc: "a longer record is rejected"})

// SinkOptions are the options of the format in a sink.
var SinkOptions = append(slices.Clip(sharedOptions),
	types.OptionSpec{Name: "header", Kind: types.OptBool, Default: "true", Doc: "every file begins with the names of the columns"})

// ConfigOf reads the options of a source or sink; delimiter is the default one (a tab for tsv). Errors: 22023.
func ConfigOf(o types.Options, delimiter byte) (Config, error) {
	c := Config{Delimiter: delimiter, Null: o.String("null"), Header: o.Bool("header")}
	for _, opt := range []struct {
		name string
		to   *byte
	}{{"delimiter", &c.Delimiter}, {"quote", &c.Quote}, {"escape", &c.Escape}} {
		text := o.String(opt.name)
		switch {
		case text == `\t`:
			*opt.to = '\t'
		case opt.name == "quote" && (strings.EqualFold(text, "none") || text == "" && o.Has("quote")):
			c.NoQuotes = true
		case text == "":
		case len(text) == 1 && text[0] != '\n' && text[0] != '\r':
			*opt.to = text[0]
		default:
			return c, types.Errorf(types.CodeInvalidParameter, "option %q is %q, wanted one single-byte character", opt.name, text)
		}
	}
	if o.Has("max_record_bytes") {
		n, _ := types.ParseBytes(o.String("max_record_bytes"))
		c.MaxRecord = int(n)
	}
	d := c.withDefaults()
	if !d.NoQuotes && (d.Delimiter == d.Quote || d.Delimiter == d.Escape) {
		return c, types.Errorf(types.CodeInvalidParameter, "delimiter and quote must differ, both are %q", string(d.Delimiter))
	}
	return c, nil
}

// Format implements formats.RecordFormat. With a header, the fields of the first file hold for all: HeaderBytes must have seen a
// header before anything is decoded, and refuses one with the wanted columns at other places.
type Format struct {
	schema types.Schema
	cfg    Config
	fields atomic.Pointer[[]int] // by field: the column, or -1
}

// New returns the format that reads the columns of schema. Errors: 42703 where cfg.Fields lacks one of them.
func New(schema types.Schema, cfg Config) (*Format, error) {
	f := &Format{schema: schema, cfg: cfg.withDefaults()}
	if f.cfg.Header {
		return f, nil
	}
	names := f.cfg.Fields
	if names == nil {
		for _, field := range schema {
			names = append(names, field.Name)
		}
	}
	fields, err := f.mapping(names)
	if err != nil {
		return nil, err
	}
	f.fields.Store(&fields)
	return f, nil
}

// mapping finds the column of each named field: by the exact name, or else without regard to case.
func (f *Format) mapping(names []string) ([]int, error) {
	fields := make([]int, len(names))
	for i := range fields {
		fields[i] = -1
	}
	for col, want := range f.schema {
		at := slices.Index(names, want.Name)
		if at < 0 {
			at = slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, want.Name) })
		}
		if at < 0 {
			err := types.Errorf(types.CodeUndefinedColumn, "csv has no field for column \"%s\"", want.Name)
			if near := types.Nearest(want.Name, names); near != "" {
				return nil, err.WithHint("did you mean %q?", near)
			}
			return nil, err.WithHint("the fields are: %s", strings.Join(names, ", "))
		}
		fields[at] = col
	}
	return fields, nil
}

// Split implements formats.RecordFormat: records end at line feeds outside of quotes.
func (f *Format) Split(data []byte, atEOF bool) int {
	if atEOF {
		return len(data)
	}
	if f.cfg.NoQuotes || bytes.IndexByte(data, f.cfg.Quote) < 0 {
		return bytes.LastIndexByte(data, '\n') + 1
	}
	if f.cfg.Escape != f.cfg.Quote {
		return f.splitEscaped(data)
	}
	// A line feed ends a record if the quotes before it are even in number.
	odd := bytes.Count(data, []byte{f.cfg.Quote})%2 == 1
	for end := len(data); ; {
		at := bytes.LastIndexByte(data[:end], '\n')
		if at < 0 {
			return 0
		}
		if bytes.Count(data[at:end], []byte{f.cfg.Quote})%2 == 1 {
			odd = !odd
		}
		if !odd {
			return at + 1
		}
		end = at
	}
}

// splitEscaped looks at every byte, since an escaped quote does not count.
func (f *Format) splitEscaped(data []byte) int {
	last, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == f.cfg.Escape:
			i++
		case c == f.cfg.Quote:
			quoted = !quoted
		case c == '\n' && !quoted:
			last = i + 1
		}
	}
	return last
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// HeaderBytes implements formats.RecordFormat: a byte order mark is skipped, and a header is read and compared with the wanted
// columns. Errors: 42703 where a column is missing; 22P04 where the columns stand elsewhere than in the first file.
func (f *Format) HeaderBytes(data []byte, atEOF bool) (n int, ok bool, err error) {
	if len(data) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, data) && !atEOF {
		return 0, false, nil
	}
	mark := 0
	if bytes.HasPrefix(data, byteOrderMark) {
		mark = len(byteOrderMark)
	}
	if !f.cfg.Header {
		return mark, true, nil
	}
	data = data[mark:]
	s := scanner{cfg: &f.cfg, data: data}
	end, closed := s.recordEnd(0)
	if (end == len(data) || !closed) && !atEOF {
		return 0, false, nil
	}
	if len(data) == 0 {
		return mark, true, nil // an empty file has no header and needs none
	}
	var names []string
	s.data = data[:end]
	for s.next() {
		names = append(names, string(s.text()))
	}
	fields, err := f.mapping(names)
	if err != nil {
		return 0, false, err
	}
	if !f.fields.CompareAndSwap(nil, &fields) && !f.samePlaces(fields) {
		return 0, false, types.Errorf(types.CodeBadCopyFormat, "the csv header %q has columns at other places than the first file's", clip(data[:end])).
			WithHint("read files with different headers as sources of their own")
	}
	return mark + min(end+1, len(data)), true, nil
}

// samePlaces reports whether every wanted column stands where the known header has it.
func (f *Format) samePlaces(fields []int) bool {
	known := *f.fields.Load()
	for col := range f.schema {
		if slices.Index(known, col) != slices.Index(fields, col) {
			return false
		}
	}
	return true
}

// NewDecoder implements formats.RecordFormat.
func (f *Format) NewDecoder() formats.RecordDecoder { return newDecoder(f) }

func clip(b []byte) string {
	if len(b) > 100 {
		return strings.ToValidUTF8(string(b[:100]), "") + "..."
	}
	return string(b)
}
