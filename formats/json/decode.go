package json

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/formats/column"
	"github.com/streamsql/streamsql/types"
)

// decoder reads lines straight into column buffers. Records of one origin have their members in one order: the decoder
// remembers the last record's names with what they mean, and looks a name up only where it differs.
type decoder struct {
	cfg    Config
	rows   *column.Set
	exact  map[string]int // column by name
	folded map[string]int // column by lower-case name

	expected []member // of the last records, by place
	width    int      // bytes per record, estimated
	exactly  []int    // 1 + the row in which the column was last found by its exact name; nil if names cannot clash
	unescape []byte
}

// member is a name as it stands in the record, with its quotes and a colon, and the column it is (-1: not wanted).
type member struct {
	text  string
	col   int
	head  uint64 // the first eight bytes under mask
	mask  uint64
	tail  uint64 // the last eight bytes of a longer text
	exact bool
}

func newDecoder(schema types.Schema, cfg Config) *decoder {
	d := &decoder{cfg: cfg, rows: column.NewSet(schema), exact: map[string]int{}, folded: map[string]int{}, width: 128,
		exactly: make([]int, len(schema))}
	for i, f := range schema {
		d.exact[f.Name] = i
		if _, taken := d.folded[strings.ToLower(f.Name)]; !taken {
			d.folded[strings.ToLower(f.Name)] = i
		}
	}
	return d
}

// Decode implements formats.RecordDecoder.
func (d *decoder) Decode(chunk []byte) (*formats.Decoded, error) {
	if len(chunk) > math.MaxInt32 {
		return nil, types.Errorf(types.CodeInternal, "chunk of %d bytes is too long to decode", len(chunk))
	}
	d.rows.Begin(len(chunk)/d.width+len(chunk)/d.width/8+16, len(chunk))
	clear(d.exactly)
	out := &formats.Decoded{}
	allValid := utf8.Valid(chunk)
	lines := 0
	for at := 0; at < len(chunk); {
		end := len(chunk)
		if n := bytes.IndexByte(chunk[at:], '\n'); n >= 0 {
			end = at + n
		}
		line := chunk[at:end]
		start := at
		at = end + 1
		var err *types.Error
		switch {
		case len(line) > d.cfg.MaxRecord:
			err = types.Errorf(types.CodeInvalidText, "record of %d bytes is longer than the limit of %d", len(line), d.cfg.MaxRecord)
		case !allValid && !utf8.Valid(line):
			err = types.Errorf(types.CodeInvalidEncoding, "record is not valid UTF-8 at byte %d", invalidUTF8(line))
		default:
			if space(line, 0) == len(line) {
				continue
			}
			lines++
			if err = d.record(line); err == nil {
				err = d.rows.Commit(start)
			} else {
				d.rows.Drop()
			}
		}
		if err != nil {
			out.Bad = append(out.Bad, formats.BadRecord{Offset: start, Length: len(line), Err: err})
		}
	}
	if lines > 0 {
		d.width = max(len(chunk)/lines, 1)
	}
	var err error
	out.N = d.rows.Row()
	out.Cols, out.Offsets, err = d.rows.Finish()
	return out, err
}

func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// malformed says where and why a line is no JSON object.
func malformed(line []byte, at int, want string) *types.Error {
	if at >= len(line) {
		return types.Errorf(types.CodeInvalidJSON, "malformed json: the record ends where %s was wanted", want)
	}
	r, _ := utf8.DecodeRune(line[at:])
	return types.Errorf(types.CodeInvalidJSON, "malformed json at byte %d: found %q, wanted %s", at, r, want)
}

// record reads one object into the current row.
func (d *decoder) record(line []byte) *types.Error {
	i := 0
	if line[0] != '{' {
		if i = space(line, 0); line[i] != '{' {
			return malformed(line, i, "an object")
		}
	}
	i++
	if i < len(line) && line[i] <= ' ' {
		i = space(line, i)
	}
	if i < len(line) && line[i] == '}' {
		return trailing(line, i+1)
	}
	for place := 0; ; place++ {
		// The name.
		var m *member
		if place < len(d.expected) {
			if e := &d.expected[place]; e.matches(line, i) {
				m, i = e, i+len(e.text)
			}
		}
		if m == nil {
			var err *types.Error
			if m, i, err = d.name(line, i, place); err != nil {
				return err
			}
		}
		if i < len(line) && line[i] <= ' ' {
			i = space(line, i)
		}
		// The value.
		if m.col < 0 {
			next := skipValue(line, i)
			if next < 0 {
				return malformed(line, min(i, len(line)), "a value")
			}
			i = next
		} else {
			next, err := d.value(line, i, m)
			if err != nil {
				return err
			}
			i = next
		}
		// What follows.
		if i < len(line) && line[i] <= ' ' {
			i = space(line, i)
		}
		if i >= len(line) {
			return malformed(line, i, "\",\" or \"}\"")
		}
		switch line[i] {
		case ',':
			if i++; i < len(line) && line[i] <= ' ' {
				i = space(line, i)
			}
		case '}':
			if i+1 == len(line) {
				return nil
			}
			return trailing(line, i+1)
		default:
			return malformed(line, i, "\",\" or \"}\"")
		}
	}
}

func trailing(line []byte, i int) *types.Error {
	if i = space(line, i); i < len(line) {
		return malformed(line, i, "the end of the record")
	}
	return nil
}

func (m *member) matches(line []byte, i int) bool {
	n := len(m.text)
	if i+n > len(line) {
		return false
	}
	if i+8 <= len(line) {
		if load(line[i:])&m.mask != m.head {
			return false
		}
		if n <= 8 {
			return true
		}
		if n <= 16 {
			return load(line[i+n-8:]) == m.tail
		}
	}
	return string(line[i:i+n]) == m.text
}

func newMember(text string, col int, exact bool) member {
	m := member{text: text, col: col, exact: exact, mask: ^uint64(0)}
	var head [8]byte
	copy(head[:], text)
	if len(text) < 8 {
		m.mask >>= 64 - 8*uint(len(text))
	}
	m.head = load(head[:])
	if n := len(text); n > 8 {
		m.tail = load([]byte(text[n-8:]))
	}
	return m
}

// name reads a name and the colon behind it, finds its column, and expects it at this place from now on.
func (d *decoder) name(line []byte, i, place int) (*member, int, *types.Error) {
	if i >= len(line) || line[i] != '"' {
		return nil, i, malformed(line, i, "a name in quotes")
	}
	end, escaped := scanString(line, i)
	if end < 0 {
		return nil, i, malformed(line, i, "a name in quotes")
	}
	name := line[i+1 : end-1]
	if escaped {
		var taken int
		var err error
		d.unescape, taken, err = types.UnescapeJSON(d.unescape[:0], line[i+1:])
		if name = d.unescape; err != nil || taken < 0 {
			name = nil // no text, so no column has this name
		}
	}
	colon := end
	if colon < len(line) && line[colon] <= ' ' {
		colon = space(line, colon)
	}
	if colon >= len(line) || line[colon] != ':' {
		return nil, i, malformed(line, colon, "\":\"")
	}
	col, exact := d.exact[string(name)]
	if !exact {
		var ok bool
		if col, ok = d.folded[strings.ToLower(string(name))]; !ok {
			col = -1
		}
	}
	const maxPlaces = 1024
	if place >= maxPlaces {
		m := newMember("", col, exact)
		return &m, colon + 1, nil
	}
	if place < len(d.expected) && len(d.expected) < maxPlaces {
		// A member was left out or is new: look whether what comes is expected further on, and keep what was known.
		for next := place + 1; next < min(place+4, len(d.expected)); next++ {
			if d.expected[next].matches(line, i) {
				m := d.expected[next]
				return &m, colon + 1, nil
			}
		}
	}
	m := newMember(string(line[i:colon+1]), col, exact)
	if place < len(d.expected) {
		d.expected[place] = m
		return &d.expected[place], colon + 1, nil
	}
	d.expected = append(d.expected, m) // place == len(d.expected): every place before was passed
	return &d.expected[place], colon + 1, nil
}

// skipValue is scanValue with the usual values first.
func skipValue(b []byte, i int) int {
	if i < len(b) {
		switch c := b[i]; {
		case c == '"':
			end, _ := scanString(b, i)
			return end
		case c >= '1' && c <= '9':
			for i++; i < len(b) && b[i]-'0' <= 9; i++ {
			}
			if i < len(b) && (b[i] == ',' || b[i] == '}') {
				return i
			}
			for b[i-1]-'0' <= 9 { // a fraction or an exponent: from the start again
				if i--; i == 0 {
					break
				}
			}
			return scanNumber(b, i)
		}
	}
	return scanValue(b, i, 0)
}

// value reads the value at line[i:] into the column of m, and returns the index behind it.
func (d *decoder) value(line []byte, i int, m *member) (int, *types.Error) {
	c := &d.rows.Cols[m.col]
	row := d.rows.Row()
	if m.exact {
		d.exactly[m.col] = row + 1
	} else if d.exactly[m.col] == row+1 { // the exact name was there: this is another member
		next := scanValue(line, i, 0)
		if next < 0 {
			return 0, malformed(line, min(i, len(line)), "a value")
		}
		return next, nil
	}
	if i >= len(line) {
		return 0, malformed(line, i, "a value")
	}
	switch first := line[i]; {
	case first == '"':
		return d.text(line, i, c)
	case first-'0' <= 9 || first == '-':
		return d.number(line, i, c)
	case first == 'n':
		next := scanWord(line, i, "null")
		if next < 0 {
			return 0, malformed(line, i, "a value")
		}
		d.rows.SetNull(c)
		return next, nil
	}
	next := scanValue(line, i, 0)
	if next < 0 {
		return 0, malformed(line, i, "a value")
	}
	raw := line[i:next]
	switch kind := c.Field.Type.Kind; {
	case kind == types.Bool && (line[i] == 't' || line[i] == 'f'):
		d.rows.SetBool(c, line[i] == 't')
	case kind == types.Array && line[i] == '[':
		values, err := elements(c.Field.Type.ElemType(), raw)
		if err != nil {
			return 0, inColumn(c, raw, err)
		}
		if err := d.rows.SetValue(c, values); err != nil {
			return 0, inColumn(c, raw, err)
		}
	default: // TEXT takes the JSON text itself, JSONB its normal form; what no type's input accepts is an error
		if err := d.rows.FromText(c, raw); err != nil {
			return 0, inColumn(c, raw, err)
		}
	}
	return next, nil
}

// text reads a string.
func (d *decoder) text(line []byte, i int, c *column.Column) (int, *types.Error) {
	end, escaped := scanString(line, i)
	if end < 0 {
		return 0, malformed(line, i, "a string with an end and known escapes")
	}
	content := line[i+1 : end-1]
	t := &c.Field.Type
	if t.Kind == types.JSONB { // the string is itself a JSON value
		content = line[i:end]
	} else if escaped {
		var taken int
		var err error
		if d.unescape, taken, err = types.UnescapeJSON(d.unescape[:0], line[i+1:]); err != nil {
			return 0, inColumn(c, content, err)
		}
		if taken < 0 {
			return 0, malformed(line, i, "a string with pairs of surrogates")
		}
		content = d.unescape
	}
	switch {
	case t.Kind == types.Text && t.Precision == 0: // neither escapes nor raw bytes below a blank bring in a zero byte
		d.rows.SetText(c, content)
	case t.Kind == types.Timestamp && t.Precision == 0:
		us, err := types.ParseTimestampBytes(content)
		if err != nil {
			return 0, inColumn(c, content, err)
		}
		c.Int64[d.rows.Row()] = us
		d.rows.Mark(c)
	default:
		if err := d.rows.FromText(c, content); err != nil {
			return 0, inColumn(c, content, err)
		}
	}
	return end, nil
}

// number reads a number.
func (d *decoder) number(line []byte, i int, c *column.Column) (int, *types.Error) {
	kind := c.Field.Type.Kind
	if kind == types.Int8 || kind == types.Int4 || kind == types.Float8 {
		at := i
		negative := line[i] == '-'
		if negative {
			at++
		}
		if n, end, ok := column.ParseDigits(line, at); ok && (line[at] != '0' || end == at+1) &&
			(end >= len(line) || line[end] == ',' || line[end] == '}' || line[end] == ' ') {
			v := int64(n)
			if negative {
				v = -v
			}
			switch {
			case kind == types.Int8:
				c.Int64[d.rows.Row()] = v
				d.rows.Mark(c)
				return end, nil
			case kind == types.Int4 && v == int64(int32(v)):
				c.Int32[d.rows.Row()] = int32(v)
				d.rows.Mark(c)
				return end, nil
			case kind == types.Float8 && n < 1<<53 && v != 0:
				c.Float64[d.rows.Row()] = float64(v)
				d.rows.Mark(c)
				return end, nil
			}
		}
	}
	end := scanNumber(line, i)
	if end < 0 {
		return 0, malformed(line, i, "a number")
	}
	raw := line[i:end]
	var err error
	switch kind {
	case types.Float8, types.Float4:
		if f, ok := column.ShortFloat(raw); ok && kind == types.Float8 {
			c.Float64[d.rows.Row()] = f
			d.rows.Mark(c)
			return end, nil
		}
		size := 64
		if kind == types.Float4 {
			size = 32
		}
		var f float64
		f, err = strconv.ParseFloat(unsafe.String(&raw[0], len(raw)), size)
		if err != nil || f == 0 {
			f, err = types.ParseFloat(kind, string(raw)) // for its judgement and its error
		}
		if err == nil {
			err = d.rows.SetValue(c, f)
		}
	default:
		err = d.rows.FromText(c, raw)
	}
	if err != nil {
		e := inColumn(c, raw, err)
		if kind == types.Timestamp || kind == types.TimestampTZ {
			e = e.WithHint("a bare number is no timestamp: declare the column BIGINT and use to_timestamp()")
		}
		return 0, e
	}
	return end, nil
}

// elements reads a JSON array of elements of a type.
func elements(elem types.Type, raw []byte) ([]any, error) {
	values := []any{}
	i := space(raw, 1)
	for raw[i] != ']' { // raw is well formed
		end := scanValue(raw, i, 0)
		item := raw[i:end]
		switch {
		case item[0] == 'n':
			values = append(values, nil)
		case item[0] == '[' && elem.Kind != types.JSONB && elem.Kind != types.Text:
			return nil, types.NotSupported(types.Span{}, "arrays of more than one dimension")
		default:
			if item[0] == '"' && elem.Kind != types.JSONB {
				plain, taken, err := types.UnescapeJSON(nil, item[1:])
				if err != nil {
					return nil, err
				}
				if taken < 0 {
					return nil, types.Errorf(types.CodeInvalidJSON, "malformed string")
				}
				item = plain
			}
			v, err := types.ParseText(elem, string(item))
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if i = space(raw, end); raw[i] == ',' {
			i = space(raw, i+1)
		}
	}
	return values, nil
}

// inColumn names the column and, where the error does not, the value.
func inColumn(c *column.Column, value []byte, err error) *types.Error {
	e := types.AsError(err)
	out := *e
	out.Msg = "column \"" + c.Field.Name + "\": " + e.Msg
	if shown := clip(value); !strings.Contains(e.Msg, shown) {
		out.Msg += " in " + shown
	}
	return &out
}

func clip(value []byte) string {
	if len(value) > 100 {
		return strings.ToValidUTF8(string(value[:100]), "") + "..."
	}
	return string(value)
}
