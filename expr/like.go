package expr

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

var errLikeEnd = types.Errorf(types.CodeInvalidEscape, "LIKE pattern must not end with escape character")

// likePattern is a compiled LIKE pattern: literal pieces, with any number of single characters and texts between them.
type likePattern struct {
	pieces []likePiece
	// A pattern without _ whose only % stand at its ends is compared as a whole.
	simple      bool
	open, close bool // % at the start, at the end
	literal     string
	bad         bool // ends in an escape character: an error once the match gets there
	bytes       bool // _ is one byte
}

// likePiece is one element of a pattern.
type likePiece struct {
	any, one bool // %, _
	literal  string
}

// compileLike reads a pattern in which \ escapes.
func compileLike(pattern string, bytewise bool) *likePattern {
	p := &likePattern{bytes: bytewise}
	var lit []byte
	flush := func() {
		if len(lit) > 0 {
			p.pieces = append(p.pieces, likePiece{literal: string(lit)})
			lit = nil
		}
	}
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			if i+1 == len(pattern) {
				p.bad = true
				break
			}
			i++
			lit = append(lit, pattern[i])
		case '%':
			flush()
			p.pieces = append(p.pieces, likePiece{any: true})
		case '_':
			flush()
			p.pieces = append(p.pieces, likePiece{one: true})
		default:
			lit = append(lit, pattern[i])
		}
	}
	flush()
	p.simplify()
	return p
}

func (p *likePattern) simplify() {
	pieces := p.pieces
	for len(pieces) > 0 && pieces[0].any {
		p.open, pieces = true, pieces[1:]
	}
	for len(pieces) > 0 && pieces[len(pieces)-1].any {
		p.close, pieces = true, pieces[:len(pieces)-1]
	}
	switch {
	case p.bad:
	case len(pieces) == 0:
		p.simple = true
		if p.open {
			p.close = true
		}
	case len(pieces) == 1 && pieces[0].literal != "":
		p.simple, p.literal = true, pieces[0].literal
	}
}

// match reports whether s matches; ok is false where the pattern turned out to end in its escape character.
func (p *likePattern) match(s string) (matched, ok bool) {
	if p.simple {
		return p.matchSimple(s), true
	}
	return matchPieces(p.pieces, s, p.bad, p.bytes)
}

func (p *likePattern) matchSimple(s string) bool {
	switch {
	case p.open && p.close:
		return strings.Contains(s, p.literal)
	case p.open:
		return strings.HasSuffix(s, p.literal)
	case p.close:
		return strings.HasPrefix(s, p.literal)
	}
	return s == p.literal
}

// matchPieces matches greedily from the left, going back only to the last %.
func matchPieces(pieces []likePiece, s string, bad, bytewise bool) (matched, ok bool) {
	k := 0
	backPiece, backAt := -1, 0
	at := 0
	for {
		if k < len(pieces) {
			switch pc := pieces[k]; {
			case pc.any:
				backPiece, backAt = k, at
				k++
				continue
			case pc.one:
				if at < len(s) {
					at += charSize(s[at:], bytewise)
					k++
					continue
				}
			case strings.HasPrefix(s[at:], pc.literal):
				at += len(pc.literal)
				k++
				continue
			}
		} else {
			if bad && at < len(s) {
				return false, false
			}
			if at == len(s) && !bad {
				return true, true
			}
			if k > 0 && pieces[k-1].any && !bad {
				return true, true
			}
		}
		if backPiece < 0 || backAt >= len(s) {
			return false, true
		}
		// The last % takes one character more.
		backAt += charSize(s[backAt:], bytewise)
		k, at = backPiece+1, backAt
	}
}

func charSize(s string, bytewise bool) int {
	if bytewise || s[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// likeBinder makes the kernels of LIKE and its relatives.
func likeBinder(fold, not, bytewise bool) binder {
	return func(b *binding) kernel {
		prepare := func(s string) string { return s }
		if fold {
			prepare = func(s string) string { return string(appendLower(nil, s)) }
		}
		if v, ok := b.constant(1); ok && v != nil {
			pattern, isText := v.(string)
			if !isText {
				pattern = string(v.([]byte))
			}
			p := compileLike(prepare(pattern), bytewise)
			if p.simple && !fold {
				return likeSimple(p, not)
			}
			return kernel{run: likeRows(func(string) *likePattern { return p }, fold, not)}
		}
		last, compiled := "", (*likePattern)(nil)
		return kernel{run: likeRows(func(pattern string) *likePattern {
			if compiled == nil || pattern != last {
				last = strings.Clone(pattern)
				compiled = compileLike(prepare(last), bytewise)
			}
			return compiled
		}, fold, not)}
	}
}

func likeRows(of func(pattern string) *likePattern, fold, not bool) func(c *call) {
	var lower []byte
	return func(c *call) {
		a, am := column[string](c, 0)
		b, bm := column[string](c, 1)
		out := c.outBits()
		eachRow(c, func(i int) error {
			s := a[i&am]
			if fold {
				lower = appendLower(lower[:0], s)
				s = unsafeString(lower)
			}
			hit, ok := of(b[i&bm]).match(s)
			if !ok {
				return errLikeEnd
			}
			out[i>>3] |= b2u(hit != not) << (i & 7)
			return nil
		})
	}
}

// likeSimple compares with a constant at the start, at the end, in full or anywhere.
func likeSimple(p *likePattern, not bool) kernel {
	literal := []byte(p.literal)
	test := func(s []byte) bool {
		switch {
		case p.open && p.close:
			return bytes.Contains(s, literal)
		case p.open:
			return len(s) >= len(literal) && string(s[len(s)-len(literal):]) == string(literal)
		case p.close:
			return len(s) >= len(literal) && string(s[:len(literal)]) == string(literal)
		}
		return string(s) == string(literal)
	}
	each := func(v *vec, rows []uint32, n int, f func(i uint32, hit byte)) {
		if rows == nil {
			from := v.offs[0]
			for i := range uint32(n) {
				to := v.offs[i+1]
				f(i, b2u(test(v.buf[from:to]) != not))
				from = to
			}
		}
		for _, i := range rows {
			f(i, b2u(test(v.buf[v.offs[i]:v.offs[i+1]]) != not))
		}
	}
	return kernel{
		run: func(c *call) {
			out := c.outBits()
			each(c.args[0], c.list(), c.n, func(i uint32, hit byte) { out[i>>3] |= hit << (i & 7) })
		},
		sel: func(c *call, rows, out []uint32) int {
			k := 0
			each(c.args[0], rows, c.n, func(i uint32, hit byte) {
				out[k] = i
				k += int(hit)
			})
			return k
		},
	}
}

// likeEscape rewrites a pattern with another escape character so that \ escapes.
func likeEscape(dst []byte, pattern, escape string) ([]byte, error) {
	if utf8.RuneCountInString(escape) > 1 {
		return dst, errEscapeLength
	}
	esc, _ := utf8.DecodeRuneInString(escape)
	escaped := false
	for _, r := range pattern {
		switch {
		case escape != "" && r == esc && !escaped && esc != '\\':
			dst = append(dst, '\\')
			escaped = true
			continue
		case r == '\\' && esc != '\\':
			if !escaped {
				dst = append(dst, '\\')
			}
			dst = append(dst, '\\')
		default:
			if r == '\\' && esc == '\\' {
				escaped = !escaped
				dst = append(dst, '\\')
				continue
			}
			dst = utf8.AppendRune(dst, r)
		}
		escaped = false
	}
	return dst, nil
}

var (
	errEscapeLength = types.Errorf(types.CodeInvalidEscape, "invalid escape string").WithHint("the escape string must be empty or one character")
	errTwoQuotes    = types.Errorf("2200C", "SQL regular expression may not contain more than two escape-double-quote separators")
)

// similarToEscape turns a pattern of SIMILAR TO into a regular expression.
// Source: the behaviour of similar_escape_internal in PostgreSQL's regexp.c.
func similarToEscape(dst []byte, pattern, escape string) ([]byte, error) {
	if utf8.RuneCountInString(escape) > 1 {
		return dst, errEscapeLength
	}
	esc, _ := utf8.DecodeRuneInString(escape)
	hasEscape := escape != ""
	dst = append(dst, "^(?:"...)
	afterEscape, inSet := false, false
	quotes := 0
	for _, r := range pattern {
		switch {
		case afterEscape:
			if r == '"' && !inSet {
				switch quotes {
				case 0:
					dst = append(dst, "){1,1}?("...)
				case 1:
					dst = append(dst, "){1,1}(?:"...)
				default:
					return dst, errTwoQuotes
				}
				quotes++
			} else {
				dst = append(dst, '\\')
				dst = utf8.AppendRune(dst, r)
			}
			afterEscape = false
		case hasEscape && r == esc:
			afterEscape = true
		case inSet:
			if r == '\\' {
				dst = append(dst, '\\')
			}
			dst = utf8.AppendRune(dst, r)
			if r == ']' {
				inSet = false
			}
		case r == '[':
			dst = append(dst, '[')
			inSet = true
		case r == '%':
			dst = append(dst, ".*"...)
		case r == '_':
			dst = append(dst, '.')
		case r == '(':
			dst = append(dst, "(?:"...)
		case r == '\\' || r == '.' || r == '^' || r == '$':
			dst = append(dst, '\\', byte(r))
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, ")$"...), nil
}
