package expr

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

func (t *table) pattern() {
	t.cat = CatPattern
	txt, b, i4 := types.TextType, types.BoolType, types.Int4Type
	for _, d := range []struct {
		name, doc, example, answer string
		fold, not                  bool
	}{
		{"~~", "LIKE: % stands for any text, _ for one character", "'abc' LIKE 'a%'", "t", false, false},
		{"!~~", "NOT LIKE", "'abc' NOT LIKE '_b_'", "f", false, true},
		{"~~*", "ILIKE: LIKE whatever the case of letters", "'ABC' ILIKE 'a%'", "t", true, false},
		{"!~~*", "NOT ILIKE", "'ABC' NOT ILIKE 'a%'", "f", true, true},
	} {
		t.group(d.doc, d.example, d.answer)
		t.op(d.name, sig(txt, txt), b, likeBinder(d.fold, d.not, false), fallible)
		if !d.fold {
			t.op(d.name, sig(types.ByteaType, types.ByteaType), b, likeBinder(false, d.not, true), fallible)
		}
	}
	t.group("a pattern of LIKE with another escape character as one in which \\ escapes", "like_escape('10#%', '#')", `10\%`)
	t.fn("like_escape", sig(txt, txt), txt, text2(likeEscape), fallible)
	t.group("a pattern of SIMILAR TO as a regular expression", "similar_to_escape('a(b|c)%')", "^(?:a(?:b|c).*)$")
	t.fn("similar_to_escape", sig(txt), txt, text1(func(dst []byte, p string) ([]byte, error) { return similarToEscape(dst, p, `\`) }), fallible)
	t.fn("similar_to_escape", sig(txt, txt), txt, text2(similarToEscape), fallible)
	for _, d := range []struct {
		name, doc, example, answer string
		fold, not                  bool
	}{
		{"~", "true if the regular expression matches somewhere", "'thomas' ~ 't.*ma'", "t", false, false},
		{"~*", "true if the regular expression matches somewhere, whatever the case of letters", "'thomas' ~* 'T.*ma'", "t", true, false},
		{"!~", "true if the regular expression matches nowhere", "'thomas' !~ 't.*max'", "t", false, true},
		{"!~*", "true if the regular expression matches nowhere, whatever the case of letters", "'thomas' !~* 'T.*ma'", "f", true, true},
	} {
		t.group(d.doc, d.example, d.answer)
		t.op(d.name, sig(txt, txt), b, regexMatch(d.fold, d.not), fallible)
	}
	t.group("true if the regular expression matches somewhere", "regexp_like('Hello World', 'world$', 'i')", "t")
	t.fn("regexp_like", sig(txt, txt), b, regexMatch(false, false), fallible)
	t.fn("regexp_like", sig(txt, txt, txt), b, regexMatch(false, false), fallible)

	t.group("how often the regular expression matches, from a character on, with flags", "regexp_count('123456789012', '\\d\\d\\d', 2)", "3")
	t.fn("regexp_count", sig(txt, txt), i4, regexCount, fallible)
	t.fn("regexp_count", sig(txt, txt, i4), i4, regexCount, fallible)
	t.fn("regexp_count", sig(txt, txt, i4, txt), i4, regexCount, fallible)

	t.group("the first match (or with flag g each match) of a regular expression replaced; \\1 is the first group, \\& the match",
		"regexp_replace('Thomas', '.[mN]a.', 'M')", "ThM")
	t.fn("regexp_replace", sig(txt, txt, txt), txt, regexReplace, fallible)
	t.fn("regexp_replace", sig(txt, txt, txt, txt), txt, regexReplace, fallible)
	t.fn("regexp_replace", sig(txt, txt, txt, i4), txt, regexReplaceFrom, fallible)
	t.fn("regexp_replace", sig(txt, txt, txt, i4, i4), txt, regexReplaceFrom, fallible)
	t.fn("regexp_replace", sig(txt, txt, txt, i4, i4, txt), txt, regexReplaceFrom, fallible)

	t.group("the n-th match of a regular expression from a character on, with flags, or its group; NULL if there is none",
		"regexp_substr('ABCDEF', 'c(.)(..)', 1, 1, 'i', 2)", "EF")
	t.fn("regexp_substr", sig(txt, txt), txt, regexSubstr, fallible)
	t.fn("regexp_substr", sig(txt, txt, i4), txt, regexSubstr, fallible)
	t.fn("regexp_substr", sig(txt, txt, i4, i4), txt, regexSubstr, fallible)
	t.fn("regexp_substr", sig(txt, txt, i4, i4, txt), txt, regexSubstr, fallible)
	t.fn("regexp_substr", sig(txt, txt, i4, i4, txt, i4), txt, regexSubstr, fallible)

	t.cat = CatText
	t.group("the first match of a regular expression, or of its first group; NULL if there is none", "substring('Thomas', '...$')", "mas")
	t.fn("substring", sig(txt, txt), txt, regexSubstring, fallible)
	t.group("the part of the text between the escape-double-quotes of an SQL regular expression", `substring('Thomas' SIMILAR '%#"o_a#"_' ESCAPE '#')`, "oma")
	t.fn("substring", sig(txt, txt, txt), txt, similarSubstring, fallible)
}

func regexMatch(fold, not bool) binder {
	return func(b *binding) kernel {
		cache := &regexCache{}
		return kernel{run: func(c *call) {
			a, am := column[string](c, 0)
			p, pm := column[string](c, 1)
			flags, fm := []string{""}, 0
			if len(c.args) > 2 {
				flags, fm = column[string](c, 2)
			}
			out := c.outBits()
			eachRow(c, func(i int) error {
				re, err := cache.get(p[i&pm], flags[i&fm], false, fold)
				if err != nil {
					return err
				}
				out[i>>3] |= b2u(re.re.MatchString(a[i&am]) != not) << (i & 7)
				return nil
			})
		}}
	}
}

// regexArgs reads the optional arguments of the regexp functions for a row.
type regexArgs struct {
	start, n, group []int32
	flags           []string
	sm, nm, gm, fm  int
}

// column positions; -1: not given.
func regexArguments(c *call, start, n, flags, group int) *regexArgs {
	r := &regexArgs{start: []int32{1}, n: []int32{1}, group: []int32{0}, flags: []string{""}}
	given := func(i int) bool { return i >= 0 && i < len(c.args) }
	if given(start) {
		r.start, r.sm = column[int32](c, start)
	}
	if given(n) {
		r.n, r.nm = column[int32](c, n)
	}
	if given(flags) {
		r.flags, r.fm = column[string](c, flags)
	}
	if given(group) {
		r.group, r.gm = column[int32](c, group)
	}
	return r
}

// from returns the byte offset of the start argument; -1 if it is beyond the text.
func (r *regexArgs) from(s string, i int) (int, error) {
	start := r.start[i&r.sm]
	if start <= 0 {
		return 0, types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"start\": %d", start)
	}
	if int(start-1) > utf8.RuneCountInString(s) {
		return -1, nil
	}
	return charOffset(s, start-1), nil
}

func regexCount(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		opt := regexArguments(c, 2, -1, 3, -1)
		r := outFixed[int32](c)
		eachRow(c, func(i int) error {
			s := a[i&am]
			from, err := opt.from(s, i)
			if err != nil {
				return err
			}
			re, err := cache.get(p[i&pm], opt.flags[i&opt.fm], false, false)
			if err != nil {
				return err
			}
			n := int32(0)
			searchFrom(re.re, s, from, func([]int) bool { n++; return true })
			r[i] = n
			return nil
		})
	}}
}

// searchFrom calls f with the submatch offsets of every match from a byte offset on, until it returns false. Assertions see the
// text before the offset.
func searchFrom(re *regexp.Regexp, s string, from int, f func(loc []int) bool) {
	if from < 0 {
		return
	}
	skip := 0
	if from > 0 && !looksBack(re.String()) {
		skip, s, from = from, s[from:], 0
	}
	for _, loc := range re.FindAllStringSubmatchIndex(s, -1) {
		if loc[0] < from {
			continue
		}
		for k := range loc {
			if loc[k] >= 0 {
				loc[k] += skip
			}
		}
		if !f(loc) {
			return
		}
	}
}

// looksBack reports whether a pattern has assertions about what stands before.
func looksBack(pattern string) bool {
	pattern = strings.ReplaceAll(pattern, "[^", "[")
	return strings.Contains(pattern, "^") || strings.Contains(pattern, `\A`) || strings.Contains(pattern, `\b`) ||
		strings.Contains(pattern, `\B`)
}

// appendReplacement expands \1 to \9, \& and \\.
func appendReplacement(dst []byte, with, s string, loc []int) []byte {
	for i := 0; i < len(with); i++ {
		c := with[i]
		if c != '\\' || i+1 == len(with) {
			dst = append(dst, c)
			continue
		}
		i++
		switch c := with[i]; {
		case c >= '1' && c <= '9':
			g := int(c-'0') * 2
			if g+1 < len(loc) && loc[g] >= 0 {
				dst = append(dst, s[loc[g]:loc[g+1]]...)
			}
		case c == '&':
			dst = append(dst, s[loc[0]:loc[1]]...)
		case c == '\\':
			dst = append(dst, '\\')
		default:
			dst = append(dst, '\\', c)
		}
	}
	return dst
}

// replaceMatches replaces the n-th match from a byte offset on, or all for n = 0.
func replaceMatches(dst []byte, re *regexp.Regexp, s, with string, from, n int) []byte {
	at, seen := 0, 0
	searchFrom(re, s, from, func(loc []int) bool {
		seen++
		if n > 0 && seen < n {
			return true
		}
		dst = append(dst, s[at:loc[0]]...)
		dst = appendReplacement(dst, with, s, loc)
		at = loc[1]
		return n == 0
	})
	return append(dst, s[at:]...)
}

func regexReplace(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		w, wm := column[string](c, 2)
		opt := regexArguments(c, -1, -1, 3, -1)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			flags := opt.flags[i&opt.fm]
			if flags != "" && flags[0] >= '0' && flags[0] <= '9' {
				return dst, types.Errorf(types.CodeInvalidParameter, "invalid regular expression option: %q", flags[:1]).
					WithHint("cast the fourth argument to integer to give a start")
			}
			re, err := cache.get(p[i&pm], flags, true, false)
			if err != nil {
				return dst, err
			}
			n := 1
			if re.global {
				n = 0
			}
			return replaceMatches(dst, re.re, a[i&am], w[i&wm], 0, n), nil
		})
	}}
}

func regexReplaceFrom(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		w, wm := column[string](c, 2)
		opt := regexArguments(c, 3, 4, 5, -1)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			s := a[i&am]
			from, err := opt.from(s, i)
			if err != nil {
				return dst, err
			}
			n := opt.n[i&opt.nm]
			if n < 0 {
				return dst, types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"n\": %d", n)
			}
			re, err := cache.get(p[i&pm], opt.flags[i&opt.fm], true, false)
			if err != nil {
				return dst, err
			}
			return replaceMatches(dst, re.re, s, w[i&wm], from, int(n)), nil
		})
	}}
}

func regexSubstr(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		opt := regexArguments(c, 2, 3, 4, 5)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			s := a[i&am]
			from, err := opt.from(s, i)
			if err != nil {
				return dst, err
			}
			n, group := opt.n[i&opt.nm], opt.group[i&opt.gm]
			if n <= 0 {
				return dst, types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"n\": %d", n)
			}
			if group < 0 {
				return dst, types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"subexpr\": %d", group)
			}
			re, err := cache.get(p[i&pm], opt.flags[i&opt.fm], false, false)
			if err != nil {
				return dst, err
			}
			found := false
			seen := int32(0)
			searchFrom(re.re, s, from, func(loc []int) bool {
				if seen++; seen < n {
					return true
				}
				if re.groups == 0 && group == 1 { // without groups the match counts as one
					group = 0
				}
				if g := int(group) * 2; g+1 < len(loc) && loc[g] >= 0 {
					dst, found = append(dst, s[loc[g]:loc[g+1]]...), true
				}
				return false
			})
			if !found {
				c.setNull(i)
			}
			return dst, nil
		})
	}}
}

func regexSubstring(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			re, err := cache.get(p[i&pm], "", false, false)
			if err != nil {
				return dst, err
			}
			return appendFirst(c, dst, re, a[i&am], i), nil
		})
	}}
}

// appendFirst appends the first match, or its first group if there is one; NULL if there is no match.
func appendFirst(c *call, dst []byte, re *regex, s string, i int) []byte {
	loc := re.re.FindStringSubmatchIndex(s)
	g := 0
	if re.groups > 0 {
		g = 2
	}
	if loc == nil || loc[g] < 0 {
		c.setNull(i)
		return dst
	}
	return append(dst, s[loc[g]:loc[g+1]]...)
}

func similarSubstring(b *binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		e, em := column[string](c, 2)
		var pattern []byte
		texted(c, func(dst []byte, i int) ([]byte, error) {
			var err error
			if pattern, err = similarToEscape(pattern[:0], p[i&pm], e[i&em]); err != nil {
				return dst, err
			}
			re, err := cache.get(strings.Clone(string(pattern)), "", false, false)
			if err != nil {
				return dst, err
			}
			return appendFirst(c, dst, re, a[i&am], i), nil
		})
	}}
}
