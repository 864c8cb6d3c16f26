package types

import (
	"strings"
	"time"
)

// parseArray reads an array literal of one dimension, {1,2,NULL,"a,b"}. Errors: 22P02; 0A000 for more dimensions; those of
// the elements.
func parseArray(t Type, text string, zone *time.Location) ([]any, error) {
	elem := t.ElemType()
	malformed := func(detail string) error {
		return Errorf(CodeInvalidText, "malformed array literal: \"%s\"", clip(text)).WithHint("%s", detail)
	}
	s := trimSpace(text)
	if s == "" || s[0] != '{' {
		return nil, malformed("array value must start with \"{\"")
	}
	i := 1
	space := func() {
		for i < len(s) && isSpace(s[i]) {
			i++
		}
	}
	space()
	values := []any{}
	if i < len(s) && s[i] == '}' {
		if i+1 != len(s) {
			return nil, malformed("junk after closing right brace")
		}
		return values, nil
	}
	var piece strings.Builder
	for {
		space()
		if i >= len(s) {
			return nil, malformed("unexpected end of input")
		}
		piece.Reset()
		quoted := s[i] == '"'
		switch {
		case s[i] == '{':
			return nil, NotSupported(Span{}, "arrays of more than one dimension")
		case quoted:
			i++
			for i < len(s) && s[i] != '"' {
				if s[i] == '\\' {
					i++
				}
				if i < len(s) {
					piece.WriteByte(s[i])
					i++
				}
			}
			if i >= len(s) {
				return nil, malformed("unexpected end of input")
			}
			i++
			space()
		default:
			keep := 0 // trailing blanks do not count, unless escaped
			for i < len(s) && s[i] != ',' && s[i] != '}' {
				if s[i] == '{' || s[i] == '"' {
					return nil, malformed("unexpected character in an element")
				}
				escaped := s[i] == '\\'
				if escaped {
					quoted = true
					if i++; i == len(s) {
						return nil, malformed("unexpected end of input")
					}
				}
				piece.WriteByte(s[i])
				if escaped || !isSpace(s[i]) {
					keep = piece.Len()
				}
				i++
			}
			if keep == 0 {
				return nil, malformed("unexpected \",\" or \"}\"")
			}
			trimmed := piece.String()[:keep]
			piece.Reset()
			piece.WriteString(trimmed)
		}
		if !quoted && strings.EqualFold(piece.String(), "null") {
			values = append(values, nil)
		} else {
			v, err := ParseTextIn(elem, piece.String(), zone)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if i >= len(s) {
			return nil, malformed("unexpected end of input")
		}
		switch s[i] {
		case ',':
			i++
		case '}':
			if i+1 != len(s) {
				return nil, malformed("junk after closing right brace")
			}
			return values, nil
		default:
			return nil, malformed("unexpected array element")
		}
	}
}

// quoteElement quotes an array element's text, which starts at dst[at:], where it must be.
func quoteElement(dst []byte, at int) []byte {
	text := dst[at:]
	if !elementNeedsQuotes(text) {
		return dst
	}
	plain := string(text)
	dst = append(dst[:at], '"')
	for i := range len(plain) {
		if plain[i] == '"' || plain[i] == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, plain[i])
	}
	return append(dst, '"')
}

func elementNeedsQuotes(text []byte) bool {
	if len(text) == 0 || len(text) == 4 && strings.EqualFold(string(text), "null") {
		return true
	}
	for _, c := range text {
		switch c {
		case '"', '\\', '{', '}', ',':
			return true
		}
		if isSpace(c) {
			return true
		}
	}
	return false
}
