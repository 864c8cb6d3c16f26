package streamsql

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// copyFormat is how COPY writes rows: PostgreSQL's text format or CSV.
type copyFormat struct {
	csv    bool
	binary bool // the caller has the forms of values
	delim  byte
	null   string
	header bool
	match  bool // HEADER MATCH: the names must be those of the columns
	quote  byte
	escape byte
}

// parseCopyFormat reads the options of COPY.
//
// Errors: CodeInvalidParameter, CodeNotSupported, CodeSyntax, positioned.
func parseCopyFormat(stmt *sql.Copy) (copyFormat, error) {
	f := copyFormat{delim: '\t', null: `\N`, quote: '"', escape: '"'}
	given := map[string]bool{}
	one := func(o *sql.Option) (byte, error) {
		text := o.Text()
		if len(text) != 1 || text == "\n" || text == "\r" {
			return 0, types.Errorf(types.CodeNotSupported, "COPY %s must be a single one-byte character", o.Key).At(o.Span())
		}
		return text[0], nil
	}
	for _, o := range stmt.Options { // the format decides the defaults of the others
		if o.Key != "format" {
			continue
		}
		switch strings.ToLower(o.Text()) {
		case "text":
		case "csv":
			f.csv, f.delim, f.null = true, ',', ""
		case "binary":
			f.binary = true
		default:
			return f, types.Errorf(types.CodeInvalidParameter, "COPY format %q not recognized", o.Text()).At(o.Span())
		}
	}
	for _, o := range stmt.Options {
		if given[o.Key] {
			return f, types.Errorf(types.CodeSyntax, "conflicting or redundant options").At(o.Span())
		}
		given[o.Key] = true
		var err error
		switch o.Key {
		case "format", "freeze":
		case "delimiter":
			f.delim, err = one(o)
		case "null":
			f.null = o.Text()
			if strings.ContainsAny(f.null, "\n\r") {
				err = types.Errorf(types.CodeInvalidParameter, "COPY null representation cannot use newline or carriage return").At(o.Span())
			}
		case "header":
			switch strings.ToLower(o.Text()) {
			case "", "true", "on", "1", "t", "yes":
				f.header = true
			case "match":
				f.header, f.match = true, true
			case "false", "off", "0", "f", "no":
			default:
				err = types.Errorf(types.CodeSyntax, "header requires a Boolean value or \"match\"").At(o.Span())
			}
		case "quote":
			f.quote, err = one(o)
			if !given["escape"] {
				f.escape = f.quote
			}
		case "escape":
			f.escape, err = one(o)
		case "encoding":
			if e := strings.ToLower(strings.ReplaceAll(o.Text(), "-", "")); e != "utf8" && e != "unicode" {
				err = types.NotSupported(o.Span(), "COPY in the encoding %q", o.Text())
			}
		case "force_quote", "force_not_null", "force_null":
			err = types.NotSupported(o.Span(), "COPY with %s", strings.ToUpper(o.Key))
		default:
			err = types.Errorf(types.CodeSyntax, "option %q not recognized", o.Key).At(o.Span())
		}
		if err != nil {
			return f, err
		}
	}
	switch {
	case f.binary && len(given) > 1:
		return f, types.Errorf(types.CodeSyntax, "COPY in the binary format has no other options").At(stmt.Span())
	case !f.csv && (given["quote"] || given["escape"]):
		return f, types.Errorf(types.CodeNotSupported, "COPY quote and escape are available only in CSV mode").At(stmt.Span())
	case f.csv && f.delim == f.quote:
		return f, types.Errorf(types.CodeInvalidParameter, "COPY delimiter and quote must be different").At(stmt.Span())
	case strings.IndexByte(f.null, f.delim) >= 0:
		return f, types.Errorf(types.CodeInvalidParameter, "COPY delimiter must not appear in the NULL specification").At(stmt.Span())
	case !f.csv && strings.IndexByte("\\.abcdefghijklmnopqrstuvwxyz0123456789", f.delim) >= 0:
		return f, types.Errorf(types.CodeInvalidParameter, "COPY delimiter cannot be %q", string(f.delim)).At(stmt.Span())
	}
	return f, nil
}

// appendField appends a value's text; first says that it begins a row, alone that it is the whole row.
func (f *copyFormat) appendField(dst []byte, text []byte, null, first, alone bool) []byte {
	if !first {
		dst = append(dst, f.delim)
	}
	switch {
	case null:
		return append(dst, f.null...)
	case f.csv:
		return f.appendCSV(dst, text, alone)
	}
	for _, c := range text {
		switch c {
		case '\\':
			dst = append(dst, '\\', '\\')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\v':
			dst = append(dst, '\\', 'v')
		case f.delim:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func (f *copyFormat) appendCSV(dst, text []byte, alone bool) []byte {
	if string(text) != f.null && !(alone && string(text) == `\.`) && !bytes.ContainsFunc(text, func(r rune) bool {
		return r == rune(f.delim) || r == rune(f.quote) || r == '\n' || r == '\r'
	}) {
		return append(dst, text...)
	}
	dst = append(dst, f.quote)
	for _, c := range text {
		if c == f.quote || c == f.escape {
			dst = append(dst, f.escape)
		}
		dst = append(dst, c)
	}
	return append(dst, f.quote)
}

// copyReader cuts what COPY FROM gets into rows of fields.
type copyReader struct {
	f     copyFormat
	in    *bufio.Reader
	line  int // of the last row's first line, from 1
	lines int // read
	raw   []byte
	// fields and nulls are those of the last row; the fields are valid until the next row.
	fields [][]byte
	nulls  []bool
	buf    []byte
}

// maxCopyLine is the longest row in bytes.
const maxCopyLine = 64 << 20

func badCopy(format string, args ...any) *types.Error {
	return types.Errorf(types.CodeBadCopyFormat, format, args...)
}

// readLine returns the next line without its end.
func (r *copyReader) readLine() ([]byte, error) {
	r.raw = r.raw[:0]
	for {
		piece, err := r.in.ReadSlice('\n')
		r.raw = append(r.raw, piece...)
		switch {
		case len(r.raw) > maxCopyLine:
			return nil, badCopy("a row is longer than %d bytes", maxCopyLine)
		case err == nil:
			r.lines++
			line := r.raw[:len(r.raw)-1]
			return bytes.TrimSuffix(line, []byte("\r")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case err == io.EOF && len(r.raw) > 0:
			r.lines++
			return r.raw, nil
		default:
			return nil, err
		}
	}
}

// next reads a row. It returns io.EOF behind the last.
func (r *copyReader) next() error {
	line, err := r.readLine()
	if err != nil {
		return err
	}
	r.line = r.lines
	r.fields, r.nulls, r.buf = r.fields[:0], r.nulls[:0], r.buf[:0]
	if string(line) == `\.` {
		_, err := io.Copy(io.Discard, r.in) // what follows the mark of the end does not count
		if err != nil {
			return err
		}
		return io.EOF
	}
	if r.f.csv {
		err = r.csvRow(line)
	} else {
		err = r.textRow(line)
	}
	if err != nil {
		return err
	}
	for i, field := range r.fields {
		if !r.nulls[i] && !utf8.Valid(field) {
			return types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\"")
		}
		if bytes.IndexByte(field, 0) >= 0 {
			return types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
	}
	return nil
}

func (r *copyReader) textRow(line []byte) error {
	if cap(r.buf) < len(line) {
		r.buf = make([]byte, 0, 2*len(line))
	}
	start, from := 0, 0 // of the field, in buf and in line
	end := func(to int) {
		r.nulls = append(r.nulls, string(line[from:to]) == r.f.null)
		r.fields = append(r.fields, r.buf[start:len(r.buf):len(r.buf)])
		start, from = len(r.buf), to+1
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == r.f.delim:
			end(i)
			continue
		case c != '\\':
			r.buf = append(r.buf, c)
			continue
		case i+1 == len(line):
			r.buf = append(r.buf, '\\')
			continue
		}
		i++
		switch c := line[i]; {
		case c == 'b':
			r.buf = append(r.buf, '\b')
		case c == 'f':
			r.buf = append(r.buf, '\f')
		case c == 'n':
			r.buf = append(r.buf, '\n')
		case c == 'r':
			r.buf = append(r.buf, '\r')
		case c == 't':
			r.buf = append(r.buf, '\t')
		case c == 'v':
			r.buf = append(r.buf, '\v')
		case c >= '0' && c <= '7':
			v := 0
			n := 0
			for ; n < 3 && i+n < len(line) && line[i+n] >= '0' && line[i+n] <= '7'; n++ {
				v = v<<3 | int(line[i+n]-'0')
			}
			i += n - 1
			r.buf = append(r.buf, byte(v))
		case c == 'x' && i+1 < len(line) && hexDigit(line[i+1]) >= 0:
			v := hexDigit(line[i+1])
			i++
			if i+1 < len(line) && hexDigit(line[i+1]) >= 0 {
				v = v<<4 | hexDigit(line[i+1])
				i++
			}
			r.buf = append(r.buf, byte(v))
		default:
			r.buf = append(r.buf, c)
		}
	}
	end(len(line))
	return nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// csvRow reads a row whose quoted fields may go on over several lines.
func (r *copyReader) csvRow(line []byte) error {
	var starts []int // fields are cut at the end: buf may move
	start, quoted, inside := 0, false, false
	ends := func() {
		starts = append(starts, start)
		r.nulls = append(r.nulls, !quoted && string(r.buf[start:]) == r.f.null)
		start, quoted = len(r.buf), false
	}
	for {
		for i := 0; i < len(line); i++ {
			c := line[i]
			switch {
			case inside && c == r.f.escape && i+1 < len(line) && (line[i+1] == r.f.quote || line[i+1] == r.f.escape):
				i++
				r.buf = append(r.buf, line[i])
			case inside && c == r.f.quote:
				inside = false
			case inside:
				r.buf = append(r.buf, c)
			case c == r.f.quote:
				inside, quoted = true, true
			case c == r.f.delim:
				ends()
			default:
				r.buf = append(r.buf, c)
			}
		}
		if !inside {
			break
		}
		r.buf = append(r.buf, '\n')
		if len(r.buf) > maxCopyLine {
			return badCopy("a row is longer than %d bytes", maxCopyLine)
		}
		var err error
		if line, err = r.readLine(); err == io.EOF {
			return badCopy("unterminated CSV quoted field")
		} else if err != nil {
			return err
		}
	}
	ends()
	for i, s := range starts {
		end := len(r.buf)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		r.fields = append(r.fields, r.buf[s:end:end])
	}
	return nil
}
