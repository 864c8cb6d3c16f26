package types

import (
	"strings"
)

// ParseNumeric reads PostgreSQL's text form of NUMERIC. Errors: 22P02; 22003 beyond 38 digits.
func ParseNumeric(text string) (NumericValue, error) { return parseNumeric(text) }

// ParseNumericBytes is ParseNumeric without a conversion of the text.
func ParseNumericBytes(text []byte) (NumericValue, error) { return parseNumeric(text) }

func parseNumeric[T string | []byte](text T) (NumericValue, error) {
	v, state := scanNumeric(text)
	switch state {
	case numericSyntax:
		return parseNumericSpecial(string(text))
	case numericRange:
		return NumericValue{}, numericOverflow()
	}
	return v, nil
}

type numericState uint8

const (
	numericOK numericState = iota
	numericSyntax
	numericRange
)

// scanNumeric reads [ws][sign]digits[.digits][e[sign]digits][ws].
func scanNumeric[T string | []byte](text T) (NumericValue, numericState) {
	i, n := 0, len(text)
	for i < n && isSpace(text[i]) {
		i++
	}
	for n > i && isSpace(text[n-1]) {
		n--
	}
	neg := false
	if i < n && (text[i] == '-' || text[i] == '+') {
		neg = text[i] == '-'
		i++
	}
	var (
		m       u128
		lo      uint64 // up to 18 digits, then m takes over
		digits  int    // significant digits read
		any     bool
		scale   int
		point   bool
		tooLong bool
	)
	for ; i < n; i++ {
		c := text[i]
		if c == '.' && !point {
			point = true
			continue
		}
		d := c - '0'
		if d > 9 {
			break
		}
		any = true
		if point {
			scale++
		}
		if digits == 0 && d == 0 {
			continue
		}
		digits++
		switch {
		case digits <= 18:
			lo = lo*10 + uint64(d)
		case digits <= 38:
			if digits == 19 {
				m = u128{0, lo}
			}
			m, _ = m.mul64(10)
			m, _ = m.add(u128{0, uint64(d)})
		default:
			tooLong = true
		}
	}
	if !any {
		return NumericValue{}, numericSyntax
	}
	if digits <= 18 {
		m = u128{0, lo}
	}
	if i < n && (text[i] == 'e' || text[i] == 'E') {
		i++
		expNeg := false
		if i < n && (text[i] == '-' || text[i] == '+') {
			expNeg = text[i] == '-'
			i++
		}
		if i == n {
			return NumericValue{}, numericSyntax
		}
		exp := 0
		for ; i < n; i++ {
			d := text[i] - '0'
			if d > 9 {
				return NumericValue{}, numericSyntax
			}
			if exp < 1<<20 {
				exp = exp*10 + int(d)
			}
		}
		if expNeg {
			exp = -exp
		}
		scale -= exp
	}
	if i != n {
		return NumericValue{}, numericSyntax
	}
	if tooLong {
		return NumericValue{}, numericRange
	}
	if scale < 0 {
		if !m.isZero() {
			var ok bool
			if m, ok = m.scaleUp(-scale); !ok {
				return NumericValue{}, numericRange
			}
		}
		scale = 0
	}
	if scale > MaxNumericScale {
		return NumericValue{}, numericRange
	}
	return signed(neg, m, uint8(scale)), numericOK
}

func parseNumericSpecial(text string) (NumericValue, error) {
	switch strings.ToLower(strings.TrimFunc(text, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })) {
	case "nan":
		return NaN, nil
	case "infinity", "inf", "+infinity", "+inf":
		return PositiveInfinity, nil
	case "-infinity", "-inf":
		return NegativeInfinity, nil
	}
	return NumericValue{}, invalidText("numeric", text)
}

// isSpace is C's isspace in the C locale, which PostgreSQL's input functions use.
func isSpace(c byte) bool { return c == ' ' || (c >= '\t' && c <= '\r') }

func invalidText(typ, text string) error {
	return Errorf(CodeInvalidText, "invalid input syntax for type %s: \"%s\"", typ, clip(text))
}

// clip shortens a text for an error message.
func clip(text string) string {
	if len(text) <= 200 {
		return text
	}
	return strings.ToValidUTF8(text[:200], "") + "..."
}

// Append appends PostgreSQL's text form.
func (v NumericValue) Append(dst []byte) []byte {
	switch v.Scale {
	case NumericNaN:
		return append(dst, "NaN"...)
	case NumericPosInf:
		return append(dst, "Infinity"...)
	case NumericNegInf:
		return append(dst, "-Infinity"...)
	}
	m, neg := v.magnitude()
	return appendDecimal(dst, neg, m, int(v.Scale))
}

// String returns PostgreSQL's text form.
func (v NumericValue) String() string {
	var buf [48]byte
	return string(v.Append(buf[:0]))
}

// appendDecimal appends m/10^scale with exactly scale digits after the point.
func appendDecimal(dst []byte, neg bool, m u128, scale int) []byte {
	if neg {
		dst = append(dst, '-')
	}
	var buf [40]byte
	digits := m.appendDecimal(buf[:0])
	whole := len(digits) - scale
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for range -whole {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
