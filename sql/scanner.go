package sql

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokWord             // identifier or keyword; text is folded unless quoted
	tokNumber           // text without underscores
	tokString           // text is the value
	tokBits             // text is b or x, then the digits
	tokParam            // text is the digits
	tokOp               // operator symbols and punctuation
	tokBad              // text is the message, hint the way out
)

// token is one lexical element; [start, end) is its place.
type token struct {
	kind       tokenKind
	quoted     bool // of tokWord
	incomplete bool // of tokBad: the text ended inside it
	start, end int
	text       string
	flaw       *flaw // of tokBad
}

// flaw is what else there is to say about a tokBad.
type flaw struct {
	hint string
	code types.Code
}

// is reports whether t is the given keyword or symbol.
func (t *token) is(text string) bool {
	return t.text == text && (t.kind == tokWord && !t.quoted || t.kind == tokOp)
}

func (t *token) class() wordClass {
	if t.quoted {
		return wordPlain
	}
	return wordClasses[t.text]
}

// scanner cuts SQL into tokens by PostgreSQL's lexical rules, with `x` as another way to write "x".
//
// A part that cannot be read becomes a tokBad that carries the message; the scanner goes on behind it, so that later
// statements of a text can still be read.
type scanner struct {
	src string
	pos int
}

const operatorChars = "+-*/<>=~!@#%^&|?"

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isIdentStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}
func isIdentPart(c byte) bool { return isIdentStart(c) || isDigit(c) || c == '$' }

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (s *scanner) at(i int) byte {
	if i < len(s.src) {
		return s.src[i]
	}
	return 0
}

func (s *scanner) bad(start int, hint, format string, args ...any) token {
	if s.pos == start {
		s.pos++
	}
	return token{kind: tokBad, start: start, end: s.pos, text: fmt.Sprintf(format, args...), flaw: &flaw{hint, types.CodeSyntax}}
}

func (s *scanner) unterminated(start int, hint, what string) token {
	t := s.bad(start, hint, "unterminated %s", what)
	t.incomplete = true
	return t
}

// skipBlank passes white space and comments; it returns a tokBad for a comment without an end.
func (s *scanner) skipBlank() (bad token, ok bool) {
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch {
		case isSpace(c):
			s.pos++
		case c == '-' && s.at(s.pos+1) == '-':
			s.pos = lineEnd(s.src, s.pos)
		case c == '/' && s.at(s.pos+1) == '*':
			start := s.pos
			if !s.skipBlockComment() {
				t := s.unterminated(start, "close it with */ (comments nest)", "comment")
				t.end = start + 2
				return t, false
			}
		default:
			return token{}, true
		}
	}
	return token{}, true
}

func lineEnd(src string, from int) int {
	if i := strings.IndexAny(src[from:], "\r\n"); i >= 0 {
		return from + i
	}
	return len(src)
}

func (s *scanner) skipBlockComment() bool {
	depth := 0
	for s.pos < len(s.src) {
		switch {
		case s.src[s.pos] == '/' && s.at(s.pos+1) == '*':
			depth++
			s.pos += 2
		case s.src[s.pos] == '*' && s.at(s.pos+1) == '/':
			depth--
			s.pos += 2
			if depth == 0 {
				return true
			}
		default:
			s.pos++
		}
	}
	return false
}

// next returns the next token; at the end of the text it returns tokEOF, again and again.
func (s *scanner) next() token {
	if bad, ok := s.skipBlank(); !ok {
		return bad
	}
	start := s.pos
	if start >= len(s.src) {
		return token{kind: tokEOF, start: start, end: start}
	}
	c := s.src[start]
	switch {
	case c == '\'':
		return s.quotedString(start)
	case c == '"' || c == '`':
		return s.quotedIdent(start, c)
	case (c == 'e' || c == 'E') && s.at(start+1) == '\'':
		s.pos++
		return s.escapeString(start)
	case (c == 'n' || c == 'N') && s.at(start+1) == '\'':
		s.pos++
		return s.quotedString(start)
	case (c == 'b' || c == 'B' || c == 'x' || c == 'X') && s.at(start+1) == '\'':
		s.pos++
		return s.bitString(start, c|0x20)
	case (c == 'u' || c == 'U') && s.at(start+1) == '&' && (s.at(start+2) == '\'' || s.at(start+2) == '"'):
		s.pos += 2
		return s.unicodeEscaped(start)
	case isIdentStart(c):
		return s.word(start)
	case isDigit(c) || c == '.' && isDigit(s.at(start+1)):
		return s.number(start)
	case c == '$':
		return s.dollar(start)
	case strings.IndexByte("()[],;{}", c) >= 0:
		return s.op(start, 1)
	case c == '.':
		if s.at(start+1) == '.' {
			return s.op(start, 2)
		}
		return s.op(start, 1)
	case c == ':':
		if n := s.at(start + 1); n == ':' || n == '=' {
			return s.op(start, 2)
		}
		return s.op(start, 1)
	case strings.IndexByte(operatorChars, c) >= 0:
		return s.op(start, s.operatorLength())
	case c == '\\':
		return s.bad(start, "", `unexpected character "\"`)
	case c < ' ' || c == 0x7f:
		return s.bad(start, "", "unexpected control character %#02x", c)
	}
	return s.bad(start, "", "unexpected character %q", string(c))
}

func (s *scanner) op(start, n int) token {
	s.pos = start + n
	text := s.src[start:s.pos]
	if text == "!=" {
		text = "<>"
	}
	return token{kind: tokOp, start: start, end: s.pos, text: text}
}

// operatorLength applies PostgreSQL's rules: the longest run of operator characters, ended by a comment; an operator of
// several characters ends in + or - only if it holds one of ~ ! @ # % ^ & | ?.
func (s *scanner) operatorLength() int {
	rest := s.src[s.pos:]
	n := 0
	for n < len(rest) && strings.IndexByte(operatorChars, rest[n]) >= 0 {
		if n > 0 && (strings.HasPrefix(rest[n:], "--") || strings.HasPrefix(rest[n:], "/*")) {
			break
		}
		n++
	}
	if n > 1 && !strings.ContainsAny(rest[:n], "~!@#%^&|?") {
		for n > 1 && (rest[n-1] == '+' || rest[n-1] == '-') {
			n--
		}
	}
	return n
}

func (s *scanner) word(start int) token {
	fold := false
	for s.pos < len(s.src) && isIdentPart(s.src[s.pos]) {
		c := s.src[s.pos]
		if c < utf8.RuneSelf {
			fold = fold || 'A' <= c && c <= 'Z'
			s.pos++
			continue
		}
		r, size := utf8.DecodeRuneInString(s.src[s.pos:])
		if r == utf8.RuneError && size <= 1 || unicode.IsSpace(r) || isInvisible(r) || isCurlyQuote(r) {
			if s.pos > start {
				break
			}
			s.pos += size
			return s.strange(start, r, size)
		}
		s.pos += size
	}
	text := s.src[start:s.pos]
	if fold {
		text = foldASCII(text)
	}
	return token{kind: tokWord, start: start, end: s.pos, text: text}
}

func isInvisible(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2060 && r <= 0x2064 || r == 0xfeff
}
func isCurlyQuote(r rune) bool { return r >= 0x2018 && r <= 0x201f }

func (s *scanner) strange(start int, r rune, size int) token {
	switch {
	case r == utf8.RuneError && size <= 1:
		t := s.bad(start, "", "invalid byte sequence for encoding UTF8: 0x%02x", s.src[start])
		t.flaw.code = types.CodeInvalidEncoding
		return t
	case isCurlyQuote(r):
		return s.bad(start, `write straight quotes: ' for strings, " for names`, "unexpected character %q", string(r))
	}
	return s.bad(start, "replace it by a plain space", "unexpected character U+%04X", r)
}

// foldASCII lowers the letters A to Z, as PostgreSQL does in UTF-8 databases.
func foldASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func (s *scanner) quotedIdent(start int, quote byte) token {
	what := "quoted identifier"
	value, ok := s.untilQuote(quote)
	if !ok {
		return s.unterminated(start, fmt.Sprintf("close it with %c", quote), what)
	}
	return s.identToken(start, value)
}

func (s *scanner) identToken(start int, value string) token {
	if value == "" {
		return s.bad(start, "", "quoted identifier is empty")
	}
	if bad := s.checkText(start, value); bad != nil {
		return *bad
	}
	return token{kind: tokWord, quoted: true, start: start, end: s.pos, text: value}
}

// checkText refuses what no name or string may hold: NUL and broken UTF-8.
func (s *scanner) checkText(start int, value string) *token {
	var t token
	switch {
	case strings.IndexByte(value, 0) >= 0:
		t = s.bad(start, "", "a string or name cannot hold the zero character")
	case !utf8.ValidString(value):
		t = s.bad(start, "", "invalid byte sequence for encoding UTF8")
	default:
		return nil
	}
	t.flaw.code = types.CodeInvalidEncoding
	return &t
}

// untilQuote reads a quoted text from the quote at pos; a doubled quote stands for one.
func (s *scanner) untilQuote(quote byte) (string, bool) {
	s.pos++
	from := s.pos
	var b strings.Builder
	for {
		i := strings.IndexByte(s.src[s.pos:], quote)
		if i < 0 {
			s.pos = len(s.src)
			return "", false
		}
		s.pos += i + 1
		if s.at(s.pos) != quote || s.pos >= len(s.src) {
			if b.Len() == 0 {
				return s.src[from : s.pos-1], true
			}
			b.WriteString(s.src[from : s.pos-1])
			return b.String(), true
		}
		b.WriteString(s.src[from:s.pos])
		s.pos++
		from = s.pos
	}
}

const unterminatedHint = "close it with ' (a quote inside a string is written twice)"

func (s *scanner) quotedString(start int) token {
	value, ok := s.untilQuote('\'')
	if !ok {
		return s.unterminatedString(start)
	}
	for s.continues() {
		more, ok := s.untilQuote('\'')
		if !ok {
			return s.unterminatedString(start)
		}
		value += more
	}
	return s.stringToken(start, value)
}

// unterminatedString points at the string's first line only: all behind it was swallowed.
func (s *scanner) unterminatedString(start int) token {
	t := s.unterminated(start, unterminatedHint, "string")
	t.end = max(lineEnd(s.src, start), start+1)
	return t
}

func (s *scanner) stringToken(start int, value string) token {
	if bad := s.checkText(start, value); bad != nil {
		return *bad
	}
	return token{kind: tokString, start: start, end: s.pos, text: value}
}

// continues moves to the next part of a string that goes on after a line break: 'a' newline 'b' is 'ab'.
func (s *scanner) continues() bool {
	i, newline := s.pos, false
	for i < len(s.src) {
		switch {
		case isSpace(s.src[i]):
			newline = newline || s.src[i] == '\n' || s.src[i] == '\r'
			i++
		case newline && strings.HasPrefix(s.src[i:], "--"):
			i = lineEnd(s.src, i)
		default:
			if newline && s.src[i] == '\'' {
				s.pos = i
				return true
			}
			return false
		}
	}
	return false
}

func (s *scanner) escapeString(start int) token {
	var b strings.Builder
	for {
		if msg, at := s.escapedPart(&b); msg != "" {
			if at < 0 {
				return s.unterminatedString(start)
			}
			end := s.pos
			s.skipEscaped()
			return token{kind: tokBad, start: at, end: max(end, at+1), text: msg, flaw: &flaw{code: types.CodeSyntax}}
		}
		if !s.continues() {
			return s.stringToken(start, b.String())
		}
	}
}

// skipEscaped goes on to the end of an E” string after a bad escape.
func (s *scanner) skipEscaped() {
	for s.pos < len(s.src) && s.src[s.pos] != '\'' {
		if s.src[s.pos] == '\\' {
			s.pos++
		}
		s.pos++
	}
	s.pos = min(s.pos+1, len(s.src))
}

// escapedPart reads one quoted part of an E” string into b; it returns a message and the place of a bad escape, or -1
// as the place if the string has no end.
func (s *scanner) escapedPart(b *strings.Builder) (msg string, at int) {
	s.pos++
	for s.pos < len(s.src) {
		c := s.src[s.pos]
		switch c {
		case '\'':
			s.pos++
			if s.at(s.pos) != '\'' || s.pos >= len(s.src) {
				return "", 0
			}
			b.WriteByte('\'')
			s.pos++
		case '\\':
			if msg, at := s.escape(b); msg != "" {
				return msg, at
			}
		default:
			b.WriteByte(c)
			s.pos++
		}
	}
	return "unterminated", -1
}

func (s *scanner) escape(b *strings.Builder) (msg string, at int) {
	start := s.pos
	s.pos++
	if s.pos >= len(s.src) {
		return "unterminated", -1
	}
	c := s.src[s.pos]
	s.pos++
	switch c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '0', '1', '2', '3', '4', '5', '6', '7':
		v := int(c - '0')
		for n := 1; n < 3 && s.at(s.pos) >= '0' && s.at(s.pos) <= '7' && s.pos < len(s.src); n++ {
			v = v*8 + int(s.src[s.pos]-'0')
			s.pos++
		}
		b.WriteByte(byte(v))
	case 'x':
		v, n := s.hexDigits(2)
		if n == 0 {
			b.WriteByte('x')
			break
		}
		b.WriteByte(byte(v))
	case 'u', 'U':
		want := 4
		if c == 'U' {
			want = 8
		}
		v, n := s.hexDigits(want)
		if n < want {
			return fmt.Sprintf("invalid Unicode escape: expected %d hexadecimal digits", want), start
		}
		if v >= 0xd800 && v < 0xdc00 && s.at(s.pos) == '\\' && (s.at(s.pos+1) == 'u' || s.at(s.pos+1) == 'U') {
			long := s.at(s.pos+1) == 'U'
			s.pos += 2
			low, _ := s.hexDigits(map[bool]int{false: 4, true: 8}[long])
			if low < 0xdc00 || low > 0xdfff {
				return "invalid Unicode surrogate pair", start
			}
			v = 0x10000 + (v-0xd800)<<10 + (low - 0xdc00)
		}
		if v == 0 || v > unicode.MaxRune || v >= 0xd800 && v <= 0xdfff {
			return fmt.Sprintf("invalid Unicode escape value %x", v), start
		}
		b.WriteRune(rune(v))
	default:
		b.WriteByte(c)
	}
	return "", 0
}

// hexDigits reads at most n digits and returns their value and how many there were.
func (s *scanner) hexDigits(n int) (value, count int) {
	for count < n && s.pos < len(s.src) {
		d := hexValue(s.src[s.pos])
		if d < 0 {
			break
		}
		value = value<<4 | d
		s.pos++
		count++
	}
	return value, count
}

func (s *scanner) bitString(start int, kind byte) token {
	digits, ok := s.untilQuote('\'')
	if !ok {
		return s.unterminatedString(start)
	}
	for i := range len(digits) {
		d := hexValue(digits[i])
		if d < 0 || kind == 'b' && d > 1 {
			want := map[byte]string{'b': "binary", 'x': "hexadecimal"}[kind]
			return s.bad(start, "", "%q is not a %s digit", digits[i:i+1], want)
		}
	}
	return token{kind: tokBits, start: start, end: s.pos, text: string(kind) + digits}
}

// unicodeEscaped reads U&'...' or U&"..." and a UESCAPE clause behind it.
func (s *scanner) unicodeEscaped(start int) token {
	quote := s.src[s.pos]
	raw, ok := s.untilQuote(quote)
	if !ok {
		if quote == '\'' {
			return s.unterminatedString(start)
		}
		return s.unterminated(start, `close it with "`, "quoted identifier")
	}
	escape := byte('\\')
	after := *s
	if t := after.next(); t.is("uescape") {
		t = after.next()
		if t.kind != tokString || len(t.text) != 1 || hexValue(t.text[0]) >= 0 || strings.ContainsAny(t.text, `+'" `) {
			s.pos = after.pos
			return s.bad(start, "", "UESCAPE must be followed by a string of one character")
		}
		escape = t.text[0]
		s.pos = after.pos
	}
	value, msg := decodeUnicode(raw, escape)
	if msg != "" {
		return s.bad(start, "", "%s", msg)
	}
	if quote == '"' {
		return s.identToken(start, value)
	}
	return s.stringToken(start, value)
}

func decodeUnicode(raw string, escape byte) (value, msg string) {
	in := scanner{src: raw}
	var b strings.Builder
	high := 0
	for in.pos < len(raw) {
		c := raw[in.pos]
		in.pos++
		if c != escape || in.at(in.pos) == escape && in.pos < len(raw) {
			if c == escape {
				in.pos++
			}
			if high != 0 {
				return "", "invalid Unicode surrogate pair"
			}
			b.WriteByte(c)
			continue
		}
		want := 4
		if in.at(in.pos) == '+' {
			want = 6
			in.pos++
		}
		v, n := in.hexDigits(want)
		switch {
		case n < want:
			return "", fmt.Sprintf("invalid Unicode escape: expected %d hexadecimal digits", want)
		case high != 0:
			if v < 0xdc00 || v > 0xdfff {
				return "", "invalid Unicode surrogate pair"
			}
			b.WriteRune(rune(0x10000 + (high-0xd800)<<10 + (v - 0xdc00)))
			high = 0
		case v >= 0xd800 && v < 0xdc00:
			high = v
		case v == 0 || v > unicode.MaxRune || v >= 0xdc00 && v <= 0xdfff:
			return "", fmt.Sprintf("invalid Unicode escape value %x", v)
		default:
			b.WriteRune(rune(v))
		}
	}
	if high != 0 {
		return "", "invalid Unicode surrogate pair"
	}
	return b.String(), ""
}

// dollar reads $1, $$...$$ and $tag$...$tag$.
func (s *scanner) dollar(start int) token {
	i := start + 1
	if isDigit(s.at(i)) {
		for isDigit(s.at(i)) {
			i++
		}
		s.pos = i
		if s.junk() {
			return s.bad(start, "", "trailing junk after parameter %q", s.src[start:s.pos])
		}
		return token{kind: tokParam, start: start, end: i, text: s.src[start+1 : i]}
	}
	if isIdentStart(s.at(i)) {
		for i < len(s.src) && isIdentPart(s.src[i]) && s.src[i] != '$' {
			i++
		}
	}
	if s.at(i) != '$' {
		return s.bad(start, "a parameter is $1, a dollar-quoted string $$...$$", `unexpected character "$"`)
	}
	tag := s.src[start : i+1]
	n := strings.Index(s.src[i+1:], tag)
	if n < 0 {
		s.pos = len(s.src)
		t := s.unterminated(start, "close it with "+tag, "dollar-quoted string")
		t.end = i + 1
		return t
	}
	s.pos = i + 1 + n + len(tag)
	return s.stringToken(start, s.src[i+1:i+1+n])
}

// junk moves over identifier characters that stand right behind a number, and reports whether there were any.
func (s *scanner) junk() bool {
	from := s.pos
	for s.pos < len(s.src) && isIdentPart(s.src[s.pos]) {
		s.pos++
	}
	return s.pos > from
}

// digitRun reads digits with single underscores between them.
func (s *scanner) digitRun(ok func(byte) bool) {
	for s.pos < len(s.src) && (ok(s.src[s.pos]) || s.src[s.pos] == '_' && s.pos+1 < len(s.src) && ok(s.src[s.pos+1])) {
		s.pos++
	}
}

func (s *scanner) number(start int) token {
	if s.src[start] == '0' && start+2 < len(s.src) {
		var ok func(byte) bool
		switch s.src[start+1] | 0x20 {
		case 'x':
			ok = func(c byte) bool { return hexValue(c) >= 0 }
		case 'o':
			ok = func(c byte) bool { return '0' <= c && c <= '7' }
		case 'b':
			ok = func(c byte) bool { return c == '0' || c == '1' }
		}
		if ok != nil {
			s.pos = start + 2
			s.digitRun(ok)
			if s.pos > start+2 {
				return s.numberToken(start)
			}
			s.pos = start + 1
			return s.numberToken(start)
		}
	}
	s.digitRun(isDigit)
	if s.at(s.pos) == '.' && s.at(s.pos+1) != '.' {
		s.pos++
		if isDigit(s.at(s.pos)) {
			s.digitRun(isDigit)
		}
	}
	if c := s.at(s.pos); c == 'e' || c == 'E' {
		i := s.pos + 1
		if s.at(i) == '+' || s.at(i) == '-' {
			i++
		}
		if isDigit(s.at(i)) {
			s.pos = i
			s.digitRun(isDigit)
		}
	}
	return s.numberToken(start)
}

func (s *scanner) numberToken(start int) token {
	end := s.pos
	if s.junk() {
		return s.bad(start, "put a space after the number, or quote the name", "trailing junk after number %q", s.src[start:end])
	}
	return token{kind: tokNumber, start: start, end: end, text: strings.ReplaceAll(s.src[start:end], "_", "")}
}

// scan returns all tokens of src; the last one is tokEOF.
func scan(src string) []token {
	s := scanner{src: src}
	if strings.HasPrefix(src, "\ufeff") {
		s.pos = len("\ufeff")
	}
	toks := make([]token, 0, len(src)/5+2)
	for {
		t := s.next()
		toks = append(toks, t)
		if t.kind == tokEOF {
			return toks
		}
	}
}

// Complete reports whether text holds at least one statement and ends with a semicolon that is not inside a string, a
// comment or a dollar quote: what an interactive shell asks before it runs what was typed.
func Complete(text string) bool {
	s := scanner{src: text}
	last := token{kind: tokEOF}
	for {
		t := s.next()
		switch {
		case t.kind == tokEOF:
			return last.is(";")
		case t.incomplete:
			return false
		}
		last = t
	}
}

// SplitPoint returns the offset behind the first semicolon of text that ends a statement, or -1 if there is none yet.
func SplitPoint(text string) int {
	s := scanner{src: text}
	for {
		t := s.next()
		switch {
		case t.kind == tokEOF || t.incomplete:
			return -1
		case t.is(";"):
			return t.end
		}
	}
}
