package types

import (
	"encoding/hex"
	"math"
	"math/big"
	"strconv"
	"strings"
)

func trimSpace[T string | []byte](s T) T {
	for len(s) > 0 && isSpace(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// ParseInt reads an integer of kind Int2, Int4 or Int8. Errors: 22P02, 22003.
func ParseInt(kind Kind, text string) (int64, error) { return parseInt(kind, text) }

// ParseIntBytes is ParseInt without a conversion of the text.
func ParseIntBytes(kind Kind, text []byte) (int64, error) { return parseInt(kind, text) }

func parseInt[T string | []byte](kind Kind, text T) (int64, error) {
	s := trimSpace(text)
	i, neg := 0, false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		neg = s[0] == '-'
		i = 1
	}
	if i == len(s) {
		return 0, invalidText(kindNames[kind], string(text))
	}
	limit := uint64(math.MaxInt64)
	switch kind {
	case Int2:
		limit = math.MaxInt16
	case Int4:
		limit = math.MaxInt32
	}
	if neg {
		limit++
	}
	var n uint64
	over := false
	for ; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, invalidText(kindNames[kind], string(text))
		}
		if n > limit/10 {
			over = true
			continue
		}
		n = n*10 + uint64(d)
	}
	if over || n > limit {
		return 0, Errorf(CodeNumericOutOfRange, "value \"%s\" is out of range for type %s", clip(string(text)), kindNames[kind])
	}
	if neg {
		return int64(-n), nil
	}
	return int64(n), nil
}

// ParseFloat reads a float of kind Float4 or Float8. Errors: 22P02; 22003 where the value overflows or vanishes.
func ParseFloat(kind Kind, text string) (float64, error) {
	size := 64
	if kind == Float4 {
		size = 32
	}
	s := trimSpace(text)
	if s == "" || strings.ContainsRune(s, '_') {
		return 0, invalidText(kindNames[kind], text)
	}
	f, err := strconv.ParseFloat(s, size)
	if err != nil {
		if e, ok := err.(*strconv.NumError); ok && e.Err == strconv.ErrRange {
			return 0, Errorf(CodeNumericOutOfRange, "\"%s\" is out of range for type %s", clip(text), kindNames[kind])
		}
		return 0, invalidText(kindNames[kind], text)
	}
	if f == 0 && hasNonZeroDigit(s) {
		return 0, Errorf(CodeNumericOutOfRange, "\"%s\" is out of range for type %s", clip(text), kindNames[kind])
	}
	return f, nil
}

// hasNonZeroDigit looks at the mantissa of a float's text.
func hasNonZeroDigit(s string) bool {
	if strings.HasPrefix(strings.TrimLeft(s, "+-"), "0x") || strings.HasPrefix(strings.TrimLeft(s, "+-"), "0X") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '1' && c <= '9':
			return true
		case c == 'e' || c == 'E':
			return false
		}
	}
	return false
}

// AppendFloat appends PostgreSQL's text form of a float of 32 or 64 bits: the shortest digits that read back as the same value.
func AppendFloat(dst []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		if math.Signbit(f) {
			return append(dst, "-0"...)
		}
		return append(dst, '0')
	}
	limit := 15
	if size == 32 {
		limit = 6
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, size)
	if a := math.Abs(f); a >= 1<<24 && (size == 32 && a < 1e20 || size == 64 && a >= 1<<53 && a < 1e42) {
		e = insideDigits(e, f, size)
	}
	at := len(e) - 1
	for e[at] != 'e' {
		at--
	}
	exp := 0
	for _, c := range e[at+2:] {
		exp = exp*10 + int(c-'0')
	}
	if e[at+1] == '-' {
		exp = -exp
	}
	if exp < -4 || exp >= limit {
		return append(dst, e...) // Go, too, writes a sign and at least two digits of exponent
	}
	return strconv.AppendFloat(dst, f, 'f', -1, size)
}

// insideDigits replaces the shortest digits e of the integer f where they lie exactly half way to a neighbour: they read
// back as f, but PostgreSQL does not count the ends of the interval in. Only large integers have such ends.
func insideDigits(e []byte, f float64, size int) []byte {
	var down, up float64
	if size == 32 {
		down, up = float64(math.Nextafter32(float32(f), float32(math.Inf(-1)))), float64(math.Nextafter32(float32(f), float32(math.Inf(1))))
	} else {
		down, up = math.Nextafter(f, math.Inf(-1)), math.Nextafter(f, math.Inf(1))
	}
	twice := func(a, b float64) *big.Int {
		x, _ := big.NewFloat(a).Int(nil)
		y, _ := big.NewFloat(b).Int(nil)
		return x.Add(x, y)
	}
	low, high := twice(f, down), twice(f, up)
	for digits := len(e); ; digits++ {
		x, _, err := big.ParseFloat(string(e), 10, 300, big.ToNearestEven)
		if err != nil {
			return e
		}
		n, _ := x.Int(nil)
		if n.Lsh(n, 1); n.Cmp(low) > 0 && n.Cmp(high) < 0 || digits > 40 {
			return e
		}
		precision := 0 // one digit more than e has
		for _, c := range e {
			if c == 'e' {
				break
			}
			if isDigit(c) {
				precision++
			}
		}
		e = strconv.AppendFloat(nil, f, 'e', precision, size)
	}
}

// ParseBool reads a boolean: t, true, y, yes, on, 1 and their opposites, in any case, shortened where that is clear. Errors: 22P02.
func ParseBool(text string) (bool, error) { return parseBool(text) }

func parseBool[T string | []byte](text T) (bool, error) {
	s := trimSpace(text)
	if len(s) > 0 && len(s) <= 5 {
		var buf [5]byte
		for i := range len(s) {
			c := s[i]
			if c-'A' <= 25 {
				c += 'a' - 'A'
			}
			buf[i] = c
		}
		switch string(buf[:len(s)]) {
		case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1":
			return true, nil
		case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0":
			return false, nil
		}
	}
	return false, invalidText("boolean", string(text))
}

// ParseBytea reads the hex form (\x0a0b) and the escape form. Errors: 22P02; 22023 for bad hex digits.
func ParseBytea(text string) ([]byte, error) {
	if strings.HasPrefix(text, `\x`) {
		return parseHex(text)
	}
	dst := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' {
			dst = append(dst, c)
			continue
		}
		rest := text[i+1:]
		switch {
		case len(rest) >= 1 && rest[0] == '\\':
			dst = append(dst, '\\')
			i++
		case len(rest) >= 3 && rest[0] >= '0' && rest[0] <= '3' && rest[1]-'0' <= 7 && rest[2]-'0' <= 7:
			dst = append(dst, (rest[0]-'0')<<6|(rest[1]-'0')<<3|rest[2]-'0')
			i += 3
		default:
			return nil, invalidText("bytea", text)
		}
	}
	return dst, nil
}

func parseHex(text string) ([]byte, error) {
	dst := make([]byte, 0, len(text)/2)
	for i := 2; i < len(text); {
		if c := text[i]; c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			i++
			continue
		}
		hi, ok := fromHex(text[i])
		if !ok {
			return nil, Errorf(CodeInvalidParameter, "invalid hexadecimal digit: %q", text[i:i+1])
		}
		if i+1 == len(text) {
			return nil, Errorf(CodeInvalidParameter, "invalid hexadecimal data: odd number of digits")
		}
		lo, ok := fromHex(text[i+1])
		if !ok {
			return nil, Errorf(CodeInvalidParameter, "invalid hexadecimal digit: %q", text[i+1:i+2])
		}
		dst = append(dst, hi<<4|lo)
		i += 2
	}
	return dst, nil
}

func fromHex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// AppendBytea appends the hex form.
func AppendBytea(dst, value []byte) []byte {
	dst = append(dst, '\\', 'x')
	return hex.AppendEncode(dst, value)
}
