package mysql

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

type kind uint8

const (
	word   kind = iota // text in lower case
	quoted             // `name`; text without the quotes
	str                // text is the decoded value
	number
	op // operators and punctuation; also ?
)

// token is one lexical element of MySQL.
type token struct {
	kind       kind
	start, end int
	text       string
}

func (t token) span() types.Span { return types.Span{Start: t.start, End: t.end} }

// is reports whether t is the given keyword or symbol.
func (t token) is(text string) bool { return (t.kind == word || t.kind == op) && t.text == text }

func failure(code types.Code, span types.Span, hint, format string, args ...any) *types.Error {
	return &types.Error{Code: code, Msg: fmt.Sprintf(format, args...), Hint: hint, Span: span}
}

func syntaxError(span types.Span, hint, format string, args ...any) *types.Error {
	return failure(types.CodeSyntax, span, hint, format, args...)
}

const nativeHint = "SET dialect = native reads PostgreSQL's SQL"

// operators, the long ones first.
var operators = []string{"->>", "<=>", "->", "<<", ">>", "<=", ">=", "<>", "!=", "||", "&&", ":="}

// scan cuts text into tokens by MySQL's rules. Comments are left out: /* */ (not nested), -- with a blank behind it, and # at
// a line's beginning or behind a blank; a # elsewhere is refused, since PostgreSQL's operator may be meant.
func scan(text string) ([]token, *types.Error) {
	var toks []token
	for i := 0; i < len(text); {
		c := text[i]
		start := i
		switch {
		case isBlank(c):
			i++
			continue
		case c == '#':
			if i > 0 && !isBlank(text[i-1]) {
				return nil, syntaxError(types.Span{Start: i, End: i + 1}, "put a blank before a comment, or write -- comment", `"#" stands directly behind other text`)
			}
			i = lineEnd(text, i)
			continue
		case strings.HasPrefix(text[i:], "--") && (i+2 == len(text) || isBlank(text[i+2])):
			i = lineEnd(text, i)
			continue
		case strings.HasPrefix(text[i:], "/*"):
			if strings.HasPrefix(text[i:], "/*!") || strings.HasPrefix(text[i:], "/*+") {
				return nil, syntaxError(types.Span{Start: i, End: i + 3}, "write plain SQL", "comments that are executed (%s) are not read", text[i:i+3])
			}
			n := strings.Index(text[i+2:], "*/")
			if n < 0 {
				return nil, syntaxError(types.Span{Start: i, End: i + 2}, "close it with */", "unterminated comment")
			}
			i += n + 4
			continue
		}
		t, err := next(text, i)
		if err != nil {
			return nil, err
		}
		if n := len(toks); n > 0 && t.kind == str && toks[n-1].kind == word && toks[n-1].end == start {
			return nil, syntaxError(types.Span{Start: toks[n-1].start, End: t.end}, "put a blank before the string if it is an alias",
				"strings with a prefix (%s'...') are not read by the MySQL dialect", toks[n-1].text)
		}
		toks = append(toks, t)
		i = t.end
	}
	return toks, nil
}

func isBlank(c byte) bool { return c <= ' ' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isWordStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '$' || c >= utf8.RuneSelf
}

func lineEnd(text string, i int) int {
	if n := strings.IndexAny(text[i:], "\r\n"); n >= 0 {
		return i + n
	}
	return len(text)
}

func next(text string, i int) (token, *types.Error) {
	c := text[i]
	switch {
	case c == '\'' || c == '"':
		return scanString(text, i)
	case c == '`':
		return scanQuoted(text, i)
	case isDigit(c) || c == '.' && i+1 < len(text) && isDigit(text[i+1]):
		return scanNumber(text, i)
	case isWordStart(c):
		end := i
		for end < len(text) && (isWordStart(text[end]) || isDigit(text[end])) {
			end++
		}
		if !utf8.ValidString(text[i:end]) {
			return token{}, failure(types.CodeInvalidEncoding, types.Span{Start: i, End: end}, "", "invalid byte sequence for encoding UTF8")
		}
		return token{word, i, end, lower(text[i:end])}, nil
	}
	for _, o := range operators {
		if strings.HasPrefix(text[i:], o) {
			return token{op, i, i + len(o), o}, nil
		}
	}
	if strings.IndexByte("()[],;.+-*/%<>=!&|^~?", c) < 0 {
		return token{}, syntaxError(types.Span{Start: i, End: i + 1}, "", "unexpected character %q", string(c))
	}
	return token{op, i, i + 1, text[i : i+1]}, nil
}

func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func scanQuoted(text string, i int) (token, *types.Error) {
	var b strings.Builder
	for j := i + 1; j < len(text); j++ {
		if text[j] != '`' {
			b.WriteByte(text[j])
			continue
		}
		if j+1 < len(text) && text[j+1] == '`' {
			b.WriteByte('`')
			j++
			continue
		}
		if b.Len() == 0 || strings.IndexByte(b.String(), 0) >= 0 || !utf8.ValidString(b.String()) {
			return token{}, syntaxError(types.Span{Start: i, End: j + 1}, "", "the quoted name is empty or no valid text")
		}
		return token{quoted, i, j + 1, b.String()}, nil
	}
	return token{}, syntaxError(types.Span{Start: i, End: i + 1}, "close it with `", "unterminated quoted name")
}

func scanNumber(text string, i int) (token, *types.Error) {
	j := i
	digits := func() {
		for j < len(text) && isDigit(text[j]) {
			j++
		}
	}
	digits()
	if j < len(text) && text[j] == '.' {
		j++
		digits()
	}
	if j < len(text) && (text[j] == 'e' || text[j] == 'E') {
		k := j + 1
		if k < len(text) && (text[k] == '+' || text[k] == '-') {
			k++
		}
		if k < len(text) && isDigit(text[k]) {
			j = k
			digits()
		}
	}
	end := j
	for j < len(text) && (isWordStart(text[j]) || isDigit(text[j])) {
		j++
	}
	if j > end {
		return token{}, syntaxError(types.Span{Start: i, End: j}, "write numbers in decimal, and quote names that begin with a digit",
			"trailing junk after number %q", text[i:end])
	}
	return token{number, i, end, text[i:end]}, nil
}

// scanString reads '...' or "..." with MySQL's escapes. \% and \_ keep their backslash, for LIKE.
func scanString(text string, i int) (token, *types.Error) {
	quote := text[i]
	var b strings.Builder
	for j := i + 1; j < len(text); j++ {
		switch c := text[j]; {
		case c == quote && j+1 < len(text) && text[j+1] == quote:
			b.WriteByte(quote)
			j++
		case c == quote:
			v := b.String()
			if strings.IndexByte(v, 0) >= 0 || !utf8.ValidString(v) {
				return token{}, failure(types.CodeInvalidEncoding, types.Span{Start: i, End: j + 1}, "", "a string cannot hold the zero character or broken UTF-8")
			}
			return token{str, i, j + 1, v}, nil
		case c == '\\' && j+1 < len(text):
			j++
			unescape(&b, text[j])
		default:
			b.WriteByte(c)
		}
	}
	return token{}, syntaxError(types.Span{Start: i, End: max(i+1, lineEnd(text, i))}, fmt.Sprintf("close it with %c", quote), "unterminated string")
}

func unescape(b *strings.Builder, c byte) {
	switch c {
	case '0':
		b.WriteByte(0)
	case 'b':
		b.WriteByte('\b')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'Z':
		b.WriteByte(26)
	case '%', '_':
		b.WriteByte('\\')
		b.WriteByte(c)
	default:
		b.WriteByte(c)
	}
}
