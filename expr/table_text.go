package expr

import (
	"crypto/md5"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// maxText bounds the texts that lpad, repeat and their like make, in bytes.
const maxText = 1 << 29

// codeLimit is PostgreSQL's program_limit_exceeded.
const codeLimit types.Code = "54000"

var (
	errTextTooLong = types.Errorf(codeLimit, "requested length too large")
	errNegativeLen = types.Errorf(types.CodeSubstring, "negative substring length not allowed")
	errFieldZero   = types.Errorf(types.CodeInvalidParameter, "field position must not be zero")
	errChrNull     = types.Errorf(codeLimit, "null character not permitted")
	errChrNegative = types.Errorf(types.CodeInvalidParameter, "character number must be positive")
	errChrInvalid  = types.Errorf(codeLimit, "requested character not valid for encoding")
)

func (t *table) text() {
	t.cat = CatText
	txt, i4 := types.TextType, types.Int4Type
	t.group("both texts, one after the other", "'Stream' || 'SQL'", "StreamSQL")
	t.op("||", sig(txt, txt), txt, simple(concatTexts))
	t.concatAny()

	for _, name := range []string{"length", "char_length", "character_length"} {
		t.group("the number of characters", name+"('jösé')", "4")
		t.fn(name, sig(txt), i4, map1(func(s string) (int32, error) { return int32(utf8.RuneCountInString(s)), nil }))
	}
	t.group("the number of bytes", "octet_length('jösé')", "6")
	t.fn("octet_length", sig(txt), i4, map1(func(s string) (int32, error) { return int32(len(s)), nil }))
	t.group("the number of bits", "bit_length('jösé')", "48")
	t.fn("bit_length", sig(txt), i4, map1(func(s string) (int32, error) { return int32(len(s)) * 8, nil }))

	t.group("in lower case", "lower('TOM')", "tom")
	t.fn("lower", sig(txt), txt, text1(func(dst []byte, s string) ([]byte, error) { return appendLower(dst, s), nil }))
	t.group("in upper case", "upper('tom')", "TOM")
	t.fn("upper", sig(txt), txt, text1(func(dst []byte, s string) ([]byte, error) { return appendUpper(dst, s), nil }))
	t.group("the first letter of each word in upper case, the rest in lower case", "initcap('hi THOMAS')", "Hi Thomas")
	t.fn("initcap", sig(txt), txt, text1(initcap))

	t.trims()
	t.substrings()

	t.group("the first n characters; a negative n means all but the last -n", "left('abcde', 2)", "ab")
	t.fn("left", sig(txt, i4), txt, text2(func(dst []byte, s string, n int32) ([]byte, error) {
		return append(dst, s[:charOffset(s, n)]...), nil
	}))
	t.group("the last n characters; a negative n means all but the first -n", "right('abcde', 2)", "de")
	t.fn("right", sig(txt, i4), txt, text2(func(dst []byte, s string, n int32) ([]byte, error) {
		if n < 0 {
			if n == -1<<31 {
				return dst, nil
			}
			return append(dst, s[charOffset(s, -n):]...), nil
		}
		return append(dst, s[charOffset(s, int32(max(utf8.RuneCountInString(s)-int(n), 0))):]...), nil
	}))
	for _, left := range []bool{true, false} {
		name := "rpad"
		t.group("filled up on the right to a length, or cut to it", "rpad('hi', 5, 'xy')", "hixyx")
		if left {
			name = "lpad"
			t.group("filled up on the left to a length, or cut to it", "lpad('hi', 5, 'xy')", "xyxhi")
		}
		t.fn(name, sig(txt, i4), txt, text2(func(dst []byte, s string, n int32) ([]byte, error) { return pad(dst, s, n, " ", left) }), fallible)
		t.fn(name, sig(txt, i4, txt), txt, text3(func(dst []byte, s string, n int32, fill string) ([]byte, error) {
			return pad(dst, s, n, fill, left)
		}), fallible)
	}
	t.group("the text n times", "repeat('Pg', 4)", "PgPgPgPg")
	t.fn("repeat", sig(txt, i4), txt, text2(func(dst []byte, s string, n int32) ([]byte, error) {
		if int64(n)*int64(len(s)) > maxText {
			return dst, errTextTooLong
		}
		for k := int32(0); k < n && s != ""; k++ {
			dst = append(dst, s...)
		}
		return dst, nil
	}), fallible)
	t.group("every occurrence of the second text replaced by the third", "replace('abcdefabcdef', 'cd', 'XX')", "abXXefabXXef")
	t.fn("replace", sig(txt, txt, txt), txt, text3(replace), fallible)
	t.group("in reverse order", "reverse('abcde')", "edcba")
	t.fn("reverse", sig(txt), txt, text1(reverse))
	for _, name := range []string{"strpos", "position"} {
		example := "position('om' IN 'Thomas')"
		if name == "strpos" {
			example = "strpos('high', 'ig')"
		}
		t.group("where the second text first occurs in the first, from 1; 0 if it does not", example,
			map[string]string{"strpos": "2", "position": "3"}[name])
		t.fn(name, sig(txt, txt), i4, map2(strpos))
	}
	t.group("the n-th of the parts between delimiters; a negative n counts from the end", "split_part('abc~@~def~@~ghi', '~@~', 2)", "def")
	t.fn("split_part", sig(txt, txt, i4), txt, text3(splitPart), fallible)
	t.group("true if the first text starts with the second", "starts_with('alphabet', 'alph')", "t")
	prefix := map2(func(s, p string) (bool, error) { return strings.HasPrefix(s, p), nil })
	t.fn("starts_with", sig(txt, txt), types.BoolType, prefix)
	t.group("true if the first text starts with the second", "'alphabet' ^@ 'alph'", "t")
	t.op("^@", sig(txt, txt), types.BoolType, prefix)
	t.group("the number of the first character", "ascii('x')", "120")
	t.fn("ascii", sig(txt), i4, map1(func(s string) (int32, error) {
		if s == "" {
			return 0, nil
		}
		r, _ := utf8.DecodeRuneInString(s)
		return r, nil
	}))
	t.group("the character with a number", "chr(65)", "A")
	t.fn("chr", sig(i4), txt, text1(func(dst []byte, n int32) ([]byte, error) {
		switch {
		case n < 0:
			return dst, errChrNegative
		case n == 0:
			return dst, errChrNull
		case !utf8.ValidRune(n):
			return dst, errChrInvalid
		}
		return utf8.AppendRune(dst, n), nil
	}), fallible)
	t.group("each character of the second text replaced by the one at the same place in the third, or dropped if there is none",
		"translate('12345', '143', 'ax')", "a2x5")
	t.fn("translate", sig(txt, txt, txt), txt, text3(translate))
	t.group("the characters from a place on, for a count, replaced by the second text", "overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4)", "Thomas")
	t.fn("overlay", sig(txt, txt, i4), txt, text3(func(dst []byte, s, with string, from int32) ([]byte, error) {
		return overlay(dst, s, with, from, int32(utf8.RuneCountInString(with)))
	}), fallible)
	t.fn("overlay", sig(txt, txt, i4, i4), txt, text4(overlay), fallible)
	t.group("the MD5 hash in hexadecimal", "md5('abc')", "900150983cd24fb0d6963f7d28e17f72")
	md5sum := text1(func(dst []byte, s string) ([]byte, error) {
		sum := md5.Sum([]byte(s))
		return hex.AppendEncode(dst, sum[:]), nil
	})
	t.fn("md5", sig(txt), txt, md5sum)
	t.fn("md5", sig(types.ByteaType), txt, md5sum)
	t.group("the text as an SQL literal", "quote_literal('O''Reilly')", "'O''Reilly'")
	t.fn("quote_literal", sig(txt), txt, text1(func(dst []byte, s string) ([]byte, error) { return appendLiteral(dst, s), nil }))
	t.group("the text as an SQL literal, or NULL", "quote_nullable(NULL)", "NULL")
	t.fn("quote_nullable", sig(txt), txt, simple(func(c *call) {
		v := c.args[0]
		a, m := column[string](c, 0)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			if v.null(i) {
				return append(dst, "NULL"...), nil
			}
			return appendLiteral(dst, a[i&m]), nil
		})
	}), lax)
	t.group("the text as an SQL identifier, quoted if need be", "quote_ident('Foo bar')", `"Foo bar"`)
	t.fn("quote_ident", sig(txt), txt, text1(func(dst []byte, s string) ([]byte, error) { return appendIdent(dst, s), nil }))
}

// concatTexts is || over texts.
func concatTexts(c *call) {
	a, am := column[string](c, 0)
	b, bm := column[string](c, 1)
	w := newTextWriter(c)
	rows := c.list()
	buf := w.buf
	if rows == nil {
		for i := range c.n {
			buf = append(append(buf, a[i&am]...), b[i&bm]...)
			w.offs[i+1] = int32(len(buf))
		}
		w.buf, w.next = buf, c.n
	}
	for _, i := range rows {
		buf = append(append(w.buf, a[int(i)&am]...), b[int(i)&bm]...)
		w.end(int(i), buf)
	}
	w.done()
}

// appendLower maps letters one by one, as towlower does.
func appendLower(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	high := byte(0)
	for i, c := range dst[start:] {
		high |= c
		if c-'A' < 26 {
			dst[start+i] = c + 'a' - 'A'
		}
	}
	if high >= utf8.RuneSelf {
		dst = dst[:start]
		for _, r := range s {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

func appendUpper(dst []byte, s string) []byte {
	start := len(dst)
	dst = append(dst, s...)
	high := byte(0)
	for i, c := range dst[start:] {
		high |= c
		if c-'a' < 26 {
			dst[start+i] = c - 'a' + 'A'
		}
	}
	if high >= utf8.RuneSelf {
		dst = dst[:start]
		for _, r := range s {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
	}
	return dst
}

func initcap(dst []byte, s string) ([]byte, error) {
	inWord := false
	for _, r := range s {
		if inWord {
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		} else {
			dst = utf8.AppendRune(dst, unicode.ToUpper(r))
		}
		inWord = unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return dst, nil
}

func (t *table) trims() {
	txt := types.TextType
	for _, d := range []struct {
		name, side, example, answer string
		left, right                 bool
	}{
		{"btrim", "both ends", "btrim('xyxtrimyyx', 'xyz')", "trim", true, true},
		{"ltrim", "the start", "ltrim('zzzytest', 'xyz')", "test", true, false},
		{"rtrim", "the end", "rtrim('testxxzx', 'xyz')", "test", false, true},
	} {
		t.group("without the characters of the second text (blanks) at "+d.side, d.example, d.answer)
		t.fn(d.name, sig(txt), txt, text1(func(dst []byte, s string) ([]byte, error) {
			return append(dst, trimSet(s, " ", d.left, d.right)...), nil
		}))
		t.fn(d.name, sig(txt, txt), txt, text2(func(dst []byte, s, set string) ([]byte, error) {
			return append(dst, trimSet(s, set, d.left, d.right)...), nil
		}))
		t.fn(d.name, sig(types.ByteaType, types.ByteaType), types.ByteaType, text2(func(dst []byte, s, set string) ([]byte, error) {
			for d.left && s != "" && strings.IndexByte(set, s[0]) >= 0 {
				s = s[1:]
			}
			for d.right && s != "" && strings.IndexByte(set, s[len(s)-1]) >= 0 {
				s = s[:len(s)-1]
			}
			return append(dst, s...), nil
		}))
	}
}

func trimSet(s, set string, left, right bool) string {
	in := func(r rune) bool { return strings.ContainsRune(set, r) }
	if left {
		s = strings.TrimLeftFunc(s, in)
	}
	if right {
		s = strings.TrimRightFunc(s, in)
	}
	return s
}

// charOffset returns the byte offset after n characters; for a negative n, before the last -n ones.
func charOffset(s string, n int32) int {
	if n < 0 {
		n = int32(max(int64(utf8.RuneCountInString(s))+int64(n), 0))
	}
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

func (t *table) substrings() {
	txt, bin, i4 := types.TextType, types.ByteaType, types.Int4Type
	for _, name := range []string{"substr", "substring"} {
		t.group("the characters from a place (1 is the first) on, for a count", name+"('Thomas', 2, 3)", "hom")
		t.fn(name, sig(txt, i4), txt, text2(func(dst []byte, s string, from int32) ([]byte, error) {
			return append(dst, s[charOffset(s, max(from, 1)-1):]...), nil
		}))
		t.fn(name, sig(txt, i4, i4), txt, text3(func(dst []byte, s string, from, count int32) ([]byte, error) {
			first, last, err := sliceBounds(from, count)
			if err != nil {
				return dst, err
			}
			s = s[charOffset(s, first):]
			return append(dst, s[:charOffset(s, last-first)]...), nil
		}), fallible)
		t.fn(name, sig(bin, i4), bin, text2(func(dst []byte, s string, from int32) ([]byte, error) {
			return append(dst, s[min(int(max(from, 1))-1, len(s)):]...), nil
		}))
		t.fn(name, sig(bin, i4, i4), bin, text3(func(dst []byte, s string, from, count int32) ([]byte, error) {
			first, last, err := sliceBounds(from, count)
			if err != nil {
				return dst, err
			}
			return append(dst, s[min(int(first), len(s)):min(int(last), len(s))]...), nil
		}), fallible)
	}
}

// sliceBounds turns SQL's start and count into offsets from zero.
func sliceBounds(from, count int32) (first, last int32, err error) {
	end := int64(from) + int64(count)
	if count < 0 {
		if end < int64(from) && int64(from)+int64(count) >= -1<<31 {
			return 0, 0, errNegativeLen
		}
		return 0, 0, errNegativeLen
	}
	end = min(end, 1<<31-1)
	first = max(from, 1) - 1
	return first, int32(max(end-1, int64(first))), nil
}

func pad(dst []byte, s string, n int32, fill string, left bool) ([]byte, error) {
	if fill == "" {
		n = min(n, int32(utf8.RuneCountInString(s)))
	}
	if int64(n)*4 > maxText {
		return dst, errTextTooLong
	}
	have := int32(utf8.RuneCountInString(s))
	missing := n - have
	if n <= 0 {
		return dst, nil
	}
	if missing <= 0 || fill == "" {
		return append(dst, s[:charOffset(s, n)]...), nil
	}
	if !left {
		dst = append(dst, s...)
	}
	for missing > 0 {
		for _, r := range fill {
			if missing == 0 {
				break
			}
			dst = utf8.AppendRune(dst, r)
			missing--
		}
	}
	if left {
		dst = append(dst, s...)
	}
	return dst, nil
}

func replace(dst []byte, s, old, with string) ([]byte, error) {
	if old == "" {
		return append(dst, s...), nil
	}
	size := len(dst)
	for {
		i := strings.Index(s, old)
		if i < 0 {
			return append(dst, s...), nil
		}
		dst = append(append(dst, s[:i]...), with...)
		s = s[i+len(old):]
		if len(dst)-size > maxText {
			return dst[:size], errTextTooLong
		}
	}
}

func reverse(dst []byte, s string) ([]byte, error) {
	for len(s) > 0 {
		_, size := utf8.DecodeLastRuneInString(s)
		dst = append(dst, s[len(s)-size:]...)
		s = s[:len(s)-size]
	}
	return dst, nil
}

func strpos(s, sub string) (int32, error) {
	i := strings.Index(s, sub)
	if i < 0 {
		return 0, nil
	}
	return int32(utf8.RuneCountInString(s[:i])) + 1, nil
}

func splitPart(dst []byte, s, sep string, n int32) ([]byte, error) {
	switch {
	case n == 0:
		return dst, errFieldZero
	case s == "":
		return dst, nil
	case sep == "":
		if n == 1 || n == -1 {
			return append(dst, s...), nil
		}
		return dst, nil
	}
	for ; n > 1; n-- {
		i := strings.Index(s, sep)
		if i < 0 {
			return dst, nil
		}
		s = s[i+len(sep):]
	}
	if n < 0 { // the parts are those found from the left
		parts := strings.Count(s, sep) + 1
		if int64(parts)+int64(n) < 0 {
			return dst, nil
		}
		return splitPart(dst, s, sep, int32(parts)+n+1)
	}
	if i := strings.Index(s, sep); i >= 0 {
		s = s[:i]
	}
	return append(dst, s...), nil
}

func translate(dst []byte, s, from, to string) ([]byte, error) {
	for _, r := range s {
		k := 0
		found := false
		for _, f := range from {
			if f == r {
				found = true
				break
			}
			k++
		}
		if !found {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		if rest := to[charOffset(to, int32(k)):]; rest != "" {
			with, _ := utf8.DecodeRuneInString(rest)
			dst = utf8.AppendRune(dst, with)
		}
	}
	return dst, nil
}

func overlay(dst []byte, s, with string, from, count int32) ([]byte, error) {
	if from <= 0 {
		return dst, errNegativeLen
	}
	end := int64(from) + int64(count)
	if end > 1<<31-1 || end < -1<<31 {
		return dst, errInt4Range
	}
	dst = append(dst, s[:charOffset(s, from-1)]...)
	dst = append(dst, with...)
	return append(dst, s[charOffset(s, max(int32(end), 1)-1):]...), nil
}

// appendLiteral quotes a text; with a backslash in it the form is E'...'.
func appendLiteral(dst []byte, s string) []byte {
	if strings.Contains(s, `\`) {
		dst = append(dst, 'E')
	}
	dst = append(dst, '\'')
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			dst = append(dst, s[i])
		}
		dst = append(dst, s[i])
	}
	return append(dst, '\'')
}

// reserved are the words that PostgreSQL quotes as identifiers (all keywords but the unreserved ones).
var reserved = strings.Fields(`all analyse analyze and any array as asc asymmetric authorization between bigint binary bit
boolean both case cast char character check coalesce collate collation column concurrently constraint create cross
current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal default
deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest
group grouping having ilike in initially inner inout int integer intersect interval into is isnull join lateral leading
least left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric
offset on only or order out outer overlaps overlay placing position precision primary real references returning right row
select session_user setof similar smallint some substring symmetric table tablesample then time timestamp to trailing
treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat
xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`)

func appendIdent(dst []byte, s string) []byte {
	safe := s != "" && (s[0] >= 'a' && s[0] <= 'z' || s[0] == '_')
	for i := range len(s) {
		c := s[i]
		safe = safe && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_')
	}
	for _, w := range reserved {
		safe = safe && s != w
	}
	if safe {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for i := range len(s) {
		if s[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, s[i])
	}
	return append(dst, '"')
}
