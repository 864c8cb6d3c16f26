package types

import (
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds the nesting of JSON values.
const maxJSONDepth = 1000

// maxJSONBytes bounds what numbers such as 1e100000 can grow to.
const maxJSONBytes = 1 << 28

// NormalizeJSONB returns PostgreSQL's jsonb text of a JSON text: keys in order of length, then bytes, the last of equal keys,
// one blank behind commas and colons, numbers as NUMERIC prints them. Errors: 22P02; 22P05 for \u0000; 54001 too deep.
func NormalizeJSONB(text []byte) ([]byte, error) {
	return AppendJSONB(make([]byte, 0, len(text)+len(text)/8), text)
}

// AppendJSONB appends NormalizeJSONB(text) to dst.
func AppendJSONB(dst, text []byte) ([]byte, error) {
	p := jsonParser{text: text}
	dst, err := p.value(dst, 0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at != len(text) {
		return nil, p.fail()
	}
	return dst, nil
}

type jsonParser struct {
	text []byte
	at   int
}

func (p *jsonParser) fail() error {
	return Errorf(CodeInvalidText, "invalid input syntax for type json: \"%s\"", clip(string(p.text))).
		WithHint("the text goes wrong at byte %d", p.at)
}

func (p *jsonParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte that is not blank, 0 at the end.
func (p *jsonParser) peek() byte {
	p.space()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *jsonParser) value(dst []byte, depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, Errorf(CodeTooComplex, "json value is nested more than %d deep", maxJSONDepth)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(dst, depth)
	case c == '[':
		p.at++
		dst = append(dst, '[')
		if p.peek() == ']' {
			p.at++
			return append(dst, ']'), nil
		}
		for {
			var err error
			if dst, err = p.value(dst, depth+1); err != nil {
				return nil, err
			}
			switch p.peek() {
			case ',':
				p.at++
				dst = append(dst, ", "...)
			case ']':
				p.at++
				return append(dst, ']'), nil
			default:
				return nil, p.fail()
			}
		}
	case c == '"':
		s, err := p.string()
		if err != nil {
			return nil, err
		}
		return AppendJSONString(dst, s), nil
	case c == '-' || isDigit(c):
		return p.number(dst)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if rest := p.text[p.at:]; len(rest) >= len(word) && string(rest[:len(word)]) == word {
			p.at += len(word)
			return append(dst, word...), nil
		}
	}
	return nil, p.fail()
}

func (p *jsonParser) object(dst []byte, depth int) ([]byte, error) {
	type member struct {
		key, value []byte
	}
	var members []member
	p.at++
	if p.peek() == '}' {
		p.at++
		return append(dst, "{}"...), nil
	}
	for {
		if p.peek() != '"' {
			return nil, p.fail()
		}
		key, err := p.string()
		if err != nil {
			return nil, err
		}
		if p.peek() != ':' {
			return nil, p.fail()
		}
		p.at++
		value, err := p.value(nil, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{key, value})
		c := p.peek()
		if c != ',' && c != '}' {
			return nil, p.fail()
		}
		p.at++
		if c == '}' {
			break
		}
	}
	slices.SortStableFunc(members, func(a, b member) int {
		if len(a.key) != len(b.key) {
			return len(a.key) - len(b.key)
		}
		return slices.Compare(a.key, b.key)
	})
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && string(members[i+1].key) == string(m.key) {
			continue // the last of equal keys wins
		}
		if !first {
			dst = append(dst, ", "...)
		}
		first = false
		dst = AppendJSONString(dst, m.key)
		dst = append(dst, ": "...)
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), nil
}

// string reads a string with its quotes and returns it without escapes.
func (p *jsonParser) string() ([]byte, error) {
	rest := p.text[p.at+1:]
	s, n, err := UnescapeJSON(nil, rest)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, p.fail()
	}
	p.at += n + 1
	return s, nil
}

// UnescapeJSON reads a JSON string whose opening quote was just before text, appends its content to dst and returns how many
// bytes it took with the closing quote, or -1 if it is malformed (bad escape, control character, no end, bad UTF-8).
// Errors: 22P05 for \u0000, which no text can hold.
func UnescapeJSON(dst, text []byte) (_ []byte, taken int, err error) {
	start := len(dst)
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"':
			if !utf8.Valid(dst[start:]) {
				return dst, -1, nil
			}
			return dst, i + 1, nil
		case c < ' ':
			return dst, -1, nil
		case c != '\\':
			dst = append(dst, c)
			i++
			continue
		}
		if i+1 >= len(text) {
			return dst, -1, nil
		}
		i += 2
		switch e := text[i-1]; e {
		case '"', '\\', '/':
			dst = append(dst, e)
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(text[i:])
			i += 4
			switch {
			case r < 0:
				return dst, -1, nil
			case r == 0:
				return dst, 0, Errorf("22P05", "\\u0000 cannot be converted to text")
			case utf16.IsSurrogate(r):
				if i+6 > len(text) || text[i] != '\\' || text[i+1] != 'u' {
					return dst, -1, nil
				}
				r = utf16.DecodeRune(r, hex4(text[i+2:]))
				if r == utf8.RuneError {
					return dst, -1, nil
				}
				i += 6
			}
			dst = utf8.AppendRune(dst, r)
		default:
			return dst, -1, nil
		}
	}
	return dst, -1, nil
}

// hex4 reads four hexadecimal digits, -1 if they are none.
func hex4(text []byte) rune {
	if len(text) < 4 {
		return -1
	}
	var r rune
	for _, c := range text[:4] {
		d, ok := fromHex(c)
		if !ok {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

func (p *jsonParser) number(dst []byte) ([]byte, error) {
	start := p.at
	n := ScanJSONNumber(p.text[p.at:])
	if n == 0 {
		return nil, p.fail()
	}
	p.at += n
	text := p.text[start:p.at]
	v, state := scanNumeric(text)
	if state == numericOK {
		return v.Append(dst), nil
	}
	return appendLongNumber(dst, text)
}

// ScanJSONNumber returns the length of the JSON number at the start of text, 0 if there is none.
func ScanJSONNumber(text []byte) int {
	i := 0
	digits := func() bool {
		start := i
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		return i > start
	}
	if i < len(text) && text[i] == '-' {
		i++
	}
	if i < len(text) && text[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(text) && text[i] == '.' {
		i++
		if !digits() {
			return 0
		}
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		i++
		if i < len(text) && (text[i] == '+' || text[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	if i < len(text) && (isDigit(text[i]) || isLetter(text[i]) || text[i] == '.' || text[i] == '_') {
		return 0
	}
	return i
}

// appendLongNumber writes out a number with more digits than NumericValue holds, within PostgreSQL's limits.
func appendLongNumber(dst, text []byte) ([]byte, error) {
	neg := text[0] == '-'
	if neg {
		text = text[1:]
	}
	var digits []byte
	point, exp := -1, 0
	for i, c := range text {
		if c == '.' {
			point = len(digits)
			continue
		}
		if c|0x20 == 'e' {
			e, err := strconv.Atoi(string(text[i+1:]))
			if err != nil || e > 140_000 || e < -20_000 {
				return nil, Errorf(CodeNumericOutOfRange, "value overflows numeric format")
			}
			exp = e
			break
		}
		digits = append(digits, c)
	}
	if point < 0 {
		point = len(digits)
	}
	point += exp
	for point < 1 {
		digits = slices.Insert(digits, 0, '0')
		point++
	}
	for len(digits) < point {
		digits = append(digits, '0')
	}
	for point > 1 && digits[0] == '0' {
		digits = digits[1:]
		point--
	}
	if len(dst)+len(digits) > maxJSONBytes {
		return nil, Errorf(CodeTooComplex, "json value is longer than %d bytes with its numbers written out", maxJSONBytes)
	}
	if point > 131072 || len(digits)-point > 16383 {
		return nil, Errorf(CodeNumericOutOfRange, "value overflows numeric format")
	}
	zero := !slices.ContainsFunc(digits, func(c byte) bool { return c != '0' })
	if neg && !zero {
		dst = append(dst, '-')
	}
	dst = append(dst, digits[:point]...)
	if len(digits) > point {
		dst = append(dst, '.')
		dst = append(dst, digits[point:]...)
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends text as a JSON string, escaped as PostgreSQL does: quotes, backslashes and control characters.
func AppendJSONString[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
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
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, text[from:]...)
	return append(dst, '"')
}
