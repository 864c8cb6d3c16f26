package expr

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// other adds functions that PostgreSQL has not and users of Flink, Spark, MySQL and RisingWave know.
func (t *table) other() {
	t.cat = CatOther
	text, i4, i8, ts, tz := types.TextType, types.Int4Type, types.Int8Type, types.TimestampType, types.TimestampTZType
	t.group("a timestamp by a pattern: Flink's and Spark's (yyyy-MM-dd HH:mm:ss.SSS), or with percent signs MySQL's (%Y-%m-%d %H:%i:%s)",
		"date_format(TIMESTAMP '2024-02-29 17:31:12', 'yyyy-MM-dd HH:mm')", "2024-02-29 17:31")
	t.fn("date_format", sig(ts, text), text, patternFormatter(func(f *timeFormat, c *call, dst []byte, us int64) ([]byte, bool, error) {
		return f.appendTimestamp(dst, us)
	}), fallible)
	t.fn("date_format", sig(tz, text), text, patternFormatter(func(f *timeFormat, c *call, dst []byte, us int64) ([]byte, bool, error) {
		return f.appendTimestampTZ(dst, us, c.ctx.zone())
	}), fallible, stable)

	for _, d := range []struct {
		name, field, doc, answer string
		sunday                   int64
	}{
		{"year", "year", "the year", "2024", 0}, {"quarter", "quarter", "the quarter", "1", 0}, {"month", "month", "the month", "2", 0},
		{"week", "week", "the ISO week", "9", 0}, {"day", "day", "the day of the month", "29", 0}, {"dayofmonth", "day", "the day of the month", "29", 0},
		{"dayofyear", "doy", "the day of the year", "60", 0}, {"dayofweek", "dow", "the day of the week, 1 for Sunday", "5", 1},
		{"hour", "hour", "the hour", "0", 0}, {"minute", "minute", "the minute", "0", 0}, {"second", "second", "the whole seconds", "0", 0},
	} {
		field, err := types.ParseExtractField(d.field, types.Timestamp)
		if err != nil {
			panic("expr: " + err.Error())
		}
		t.group(d.doc+" of a timestamp", d.name+"(TIMESTAMP '2024-02-29 00:00:00')", d.answer)
		part := func(v types.NumericValue, ok bool) (int32, bool) {
			v, err := v.Trunc(0)
			n, err2 := v.ToInt(types.Int4)
			return int32(n + d.sunday), ok && err == nil && err2 == nil && !v.IsSpecial()
		}
		one := func(extract func(us int64, c *call) (types.NumericValue, bool)) binder {
			return simple(func(c *call) {
				a, m := column[int64](c, 0)
				out := outFixed[int32](c)
				eachRow(c, func(i int) error {
					v, ok := extract(a[i&m], c)
					if ok {
						out[i], ok = part(v, ok)
					}
					if !ok {
						c.setNull(i)
					}
					return nil
				})
			})
		}
		t.fn(d.name, sig(ts), i4, one(func(us int64, _ *call) (types.NumericValue, bool) { return field.Extract(us) }))
		t.fn(d.name, sig(tz), i4, one(func(us int64, c *call) (types.NumericValue, bool) { return field.ExtractTZ(us, c.ctx.zone()) }), stable)
	}
	t.group("the days from the second date to the first", "datediff(DATE '2024-03-01', DATE '2024-02-28')", "2")
	t.fn("datediff", sig(types.DateType, types.DateType), i4, map2(types.DateSub), fallible)
	t.group("the whole seconds since 1970-01-01 00:00:00 UTC", "unix_timestamp(TIMESTAMP '1970-01-02 00:00:00')", "86400")
	t.fn("unix_timestamp", sig(ts), i8, map1(unixSeconds), fallible)
	t.fn("unix_timestamp", sig(tz), i8, map1(unixSeconds), fallible)
	t.group("the timestamp of so many seconds since 1970-01-01 00:00:00 UTC, in the session's time zone, by a pattern of date_format",
		"from_unixtime(86400, 'yyyy-MM-dd')", "1970-01-02")
	t.fn("from_unixtime", sig(i8), text, fromUnixTime, fallible, stable)
	t.fn("from_unixtime", sig(i8, text), text, fromUnixTime, fallible, stable)
	t.group("the timestamp of so many seconds (precision 0) or milliseconds (3) since 1970-01-01 00:00:00 UTC",
		"to_timestamp_ltz(1500, 3)", "1970-01-01 00:00:01.5+00")
	t.fn("to_timestamp_ltz", sig(i8, i4), tz, map2(toTimestampLTZ), fallible)

	t.otherTexts()
	t.otherArrays()
}

func (t *table) otherTexts() {
	text, i4, b := types.TextType, types.Int4Type, types.BoolType
	t.group("the part of a text between delimiters, counted from 0; NULL if there are not so many", "split_index('a/b/c', '/', 1)", "b")
	t.fn("split_index", sig(text, text, i4), text, simple(func(c *call) {
		a, am := column[string](c, 0)
		d, dm := columnIn[string](c, 1, 1)
		n, nm := column[int32](c, 2)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			part, ok := splitIndex(a[i&am], d[i&dm], int(n[i&nm]))
			if !ok {
				c.setNull(i)
			}
			return append(dst, part...), nil
		})
	}))
	t.group("a group of a regular expression's first match (0: the whole match); NULL without match",
		`regexp_extract('channel_id=42&x', '(&|^)channel_id=([^&]*)', 2)`, "42")
	t.fn("regexp_extract", sig(text, text, i4), text, func(*binding) kernel {
		cache := &regexCache{}
		return kernel{run: func(c *call) {
			a, am := column[string](c, 0)
			p, pm := column[string](c, 1)
			g, gm := column[int32](c, 2)
			texted(c, func(dst []byte, i int) ([]byte, error) {
				re, err := cache.get(p[i&pm], "", false, false)
				if err != nil {
					return dst, err
				}
				group := int(g[i&gm])
				if group < 0 || group > re.groups {
					return dst, types.Errorf(types.CodeInvalidParameter, "the regular expression has %d groups, there is none with the number %d", re.groups, group)
				}
				loc := re.re.FindStringSubmatchIndex(a[i&am])
				if loc == nil || loc[2*group] < 0 {
					c.setNull(i)
					return dst, nil
				}
				return append(dst, a[i&am][loc[2*group]:loc[2*group+1]]...), nil
			})
		}}
	}, fallible)
	t.group("the text before so many delimiters, or for a negative number behind so many from the end", "substring_index('a.b.c', '.', 2)", "a.b")
	t.fn("substring_index", sig(text, text, i4), text, text3(func(dst []byte, s, d string, n int32) ([]byte, error) {
		return append(dst, substringIndex(s, d, int(n))...), nil
	}))
	t.group("where the second text stands in the first, from 1; 0 if it does not", "instr('abc', 'c')", "3")
	t.fn("instr", sig(text, text), i4, map2(func(s, x string) (int32, error) { return placeOf(s, x), nil }))
	t.group("where the first text stands in the second, from 1; 0 if it does not", "locate('c', 'abc')", "3")
	t.fn("locate", sig(text, text), i4, map2(func(x, s string) (int32, error) { return placeOf(s, x), nil }))
	t.group("in upper case", "ucase('a')", "A")
	t.fn("ucase", sig(text), text, text1(func(dst []byte, s string) ([]byte, error) { return append(dst, strings.ToUpper(s)...), nil }))
	t.group("in lower case", "lcase('A')", "a")
	t.fn("lcase", sig(text), text, text1(func(dst []byte, s string) ([]byte, error) { return append(dst, strings.ToLower(s)...), nil }))
	for _, d := range []struct {
		name, doc string
		f         func(s, x string) bool
	}{
		{"startswith", "the first text begins with the second", strings.HasPrefix},
		{"endswith", "the first text ends with the second", strings.HasSuffix},
		{"contains", "the second text occurs in the first", strings.Contains},
	} {
		t.group(d.doc, d.name+"('abab', 'ab')", "t")
		t.fn(d.name, sig(text, text), b, map2(func(s, x string) (bool, error) { return d.f(s, x), nil }))
	}
}

func (t *table) otherArrays() {
	arr, elem := types.AnyArray, types.AnyElement
	t.group("an element of the array equals the second argument", "array_contains(ARRAY[1, 2], 2)", "t")
	t.fn("array_contains", sig(arr, elem), types.BoolType, arrayHas, compatible)
	t.group("the elements, each once, in the order of their first occurrences", "array_distinct(ARRAY[2, 1, 2])", "{2,1}")
	t.fn("array_distinct", sig(arr), arr, arrayRearrange(distinctElements), matching)
	t.group("the elements in ascending order, NULLs last", "array_sort(ARRAY[2, NULL, 1])", "{1,2,NULL}")
	t.fn("array_sort", sig(arr), arr, arrayRearrange(sortedElements), matching)
	t.group("the smallest element that is not NULL", "array_min(ARRAY[2, 1])", "1")
	t.fn("array_min", sig(arr), elem, arrayExtreme(false), matching)
	t.group("the largest element that is not NULL", "array_max(ARRAY[2, 1])", "2")
	t.fn("array_max", sig(arr), elem, arrayExtreme(true), matching)
}

func unixSeconds(us int64) (int64, error) {
	if !types.IsFiniteTimestamp(us) {
		return 0, types.Errorf(types.CodeDatetimeOverflow, "an infinite timestamp has no number of seconds")
	}
	s := us / 1_000_000
	if us%1_000_000 < 0 {
		s--
	}
	return s, nil
}

func toTimestampLTZ(n int64, precision int32) (int64, error) {
	unit := int64(1_000_000)
	switch precision {
	case 0:
	case 3:
		unit = 1000
	default:
		return 0, types.Errorf(types.CodeInvalidParameter, "the precision of to_timestamp_ltz must be 0 or 3, not %d", precision)
	}
	const most = 1 << 43 // seconds, the year 280,000
	if n/(1_000_000/unit) > most || n/(1_000_000/unit) < -most {
		return 0, types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range")
	}
	return n * unit, nil
}

func fromUnixTime(*binding) kernel {
	cache := &templates[*timeFormat]{}
	return kernel{run: func(c *call) {
		a, m := column[int64](c, 0)
		p, pm := []string{"yyyy-MM-dd HH:mm:ss"}, 0
		if len(c.args) == 2 {
			p, pm = column[string](c, 1)
		}
		zone := c.ctx.zone()
		texted(c, func(dst []byte, i int) ([]byte, error) {
			us, err := toTimestampLTZ(a[i&m], 0)
			if err != nil {
				return dst, err
			}
			f, err := cache.get(p[i&pm], compilePattern)
			if err != nil {
				return dst, err
			}
			dst, _, err = f.appendTimestampTZ(dst, us, zone)
			return dst, err
		})
	}}
}

func patternFormatter(write func(f *timeFormat, c *call, dst []byte, us int64) ([]byte, bool, error)) binder {
	return func(*binding) kernel {
		cache := &templates[*timeFormat]{}
		return kernel{run: func(c *call) {
			a, am := column[int64](c, 0)
			p, pm := column[string](c, 1)
			texted(c, func(dst []byte, i int) ([]byte, error) {
				f, err := cache.get(p[i&pm], compilePattern)
				if err != nil {
					return dst, err
				}
				out, ok, err := write(f, c, dst, a[i&am])
				if err == nil && !ok && len(f.nodes) > 0 {
					c.setNull(i)
				}
				return out, err
			})
		}}
	}
}

// javaFields are the runs of letters of Java's patterns, as to_char's words.
var javaFields = map[string]string{
	"yyyy": "YYYY", "yyy": "YYYY", "yy": "YY", "y": "FMYYYY", "uuuu": "YYYY", "MMMM": "FMMonth", "MMM": "Mon", "MM": "MM", "M": "FMMM", "dd": "DD", "d": "FMDD",
	"HH": "HH24", "H": "FMHH24", "hh": "HH12", "h": "FMHH12", "mm": "MI", "m": "FMMI", "ss": "SS", "s": "FMSS", "SSS": "MS", "SS": "FF2", "S": "FF1",
	"SSSSSS": "US", "a": "AM", "EEEE": "FMDay", "EEE": "Dy", "EE": "Dy", "E": "Dy", "D": "FMDDD", "DDD": "DDD", "Q": "Q", "q": "Q",
}

// mysqlFields are the letters behind a percent sign.
var mysqlFields = map[byte]string{
	'Y': "YYYY", 'y': "YY", 'm': "MM", 'c': "FMMM", 'M': "FMMonth", 'b': "Mon", 'd': "DD", 'e': "FMDD", 'j': "DDD", 'a': "Dy", 'W': "FMDay",
	'H': "HH24", 'k': "FMHH24", 'h': "HH12", 'I': "HH12", 'l': "FMHH12", 'i': "MI", 's': "SS", 'S': "SS", 'f': "US", 'p': "AM",
	'T': "HH24:MI:SS", 'r': "HH12:MI:SS AM",
}

// compilePattern translates a pattern of date_format into a template of to_char.
func compilePattern(pattern string) (*timeFormat, error) {
	f := &timeFormat{}
	literal := func(s string) {
		for _, r := range s {
			f.nodes = append(f.nodes, timeNode{literal: string(r), quoted: true})
		}
	}
	field := func(words string) { f.nodes = append(f.nodes, parseTimeFormat(words).nodes...) }
	bad := func(what string) error {
		return types.Errorf(types.CodeInvalidParameter, "the pattern %q of a time holds %q, which has no meaning here", pattern, what).
			WithHint("texts stand between single quotes, as in 'yyyy-MM-dd''T''HH:mm:ss'")
	}
	if strings.Contains(pattern, "%") {
		for i := 0; i < len(pattern); {
			if pattern[i] != '%' || i+1 == len(pattern) {
				_, size := utf8.DecodeRuneInString(pattern[i:])
				literal(pattern[i : i+size])
				i += size
				continue
			}
			words, ok := mysqlFields[pattern[i+1]]
			switch {
			case ok:
				field(words)
			case pattern[i+1] == '%':
				literal("%")
			default:
				return nil, bad(pattern[i : i+2])
			}
			i += 2
		}
		return f, nil
	}
	for i := 0; i < len(pattern); {
		c := pattern[i]
		switch {
		case c == '\'':
			if strings.HasPrefix(pattern[i:], "''") {
				literal("'")
				i += 2
				continue
			}
			end := strings.IndexByte(pattern[i+1:], '\'')
			if end < 0 {
				return nil, bad("'")
			}
			literal(pattern[i+1 : i+1+end])
			i += end + 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			end := i + 1
			for end < len(pattern) && pattern[end] == c {
				end++
			}
			words, ok := javaFields[pattern[i:end]]
			if !ok {
				return nil, bad(pattern[i:end])
			}
			field(words)
			i = end
		default:
			_, size := utf8.DecodeRuneInString(pattern[i:])
			literal(pattern[i : i+size])
			i += size
		}
	}
	return f, nil
}

func splitIndex(s, delim string, n int) (string, bool) {
	if n < 0 || delim == "" {
		return "", false
	}
	for ; ; n-- {
		part, rest, found := strings.Cut(s, delim)
		if n == 0 {
			return part, true
		}
		if !found {
			return "", false
		}
		s = rest
	}
}

func substringIndex(s, delim string, n int) string {
	if delim == "" || n == 0 {
		return ""
	}
	at := 0
	if n > 0 {
		for ; n > 0; n-- {
			i := strings.Index(s[at:], delim)
			if i < 0 {
				return s
			}
			at += i + len(delim)
		}
		return s[:at-len(delim)]
	}
	at = len(s)
	for ; n < 0; n++ {
		if at = strings.LastIndex(s[:at], delim); at < 0 {
			return s
		}
	}
	return s[at+len(delim):]
}

func placeOf(s, x string) int32 {
	i := strings.Index(s, x)
	if i < 0 {
		return 0
	}
	return int32(utf8.RuneCountInString(s[:i])) + 1
}

func arrayHas(*binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		less := orderOf(c.args[1].t)
		out := c.outBits()
		eachRow(c, func(i int) error {
			from, to := a.row(i)
			for e := from; e < to; e++ {
				if sameElement(less, a, e, c.args[1], i) {
					out[i>>3] |= 1 << (i & 7)
					break
				}
			}
			return nil
		})
	}}
}

// arrayRearrange makes arrays of chosen elements.
func arrayRearrange(choose func(less order, a *lists, elems []int) []int) binder {
	return simple(func(c *call) {
		a := listArg(c, 0)
		less := orderOf(a.elems.t)
		one := elementCopier(a.arr.ListValues())
		var elems []int
		w := newListWriter(c)
		eachRow(c, func(i int) error {
			elems = elems[:0]
			from, to := a.row(i)
			for e := from; e < to; e++ {
				elems = append(elems, e)
			}
			out := w.begin(i)
			for _, e := range choose(less, a, elems) {
				one(out, e)
			}
			return nil
		})
		w.done()
	})
}

// compareElements orders elements of one array, NULLs last.
func compareElements(less order, a *lists, x, y int) int {
	xn, yn := a.elems.null(x), a.elems.null(y)
	switch {
	case xn && yn:
		return 0
	case xn:
		return 1
	case yn:
		return -1
	}
	return less(a.elems, x, a.elems, y)
}

func sortedElements(less order, a *lists, elems []int) []int {
	slices.SortStableFunc(elems, func(x, y int) int { return compareElements(less, a, x, y) })
	return elems
}

func distinctElements(less order, a *lists, elems []int) []int {
	sorted := sortedElements(less, a, slices.Clone(elems))
	var first []int
	for k, e := range sorted {
		if k == 0 || compareElements(less, a, sorted[k-1], e) != 0 {
			first = append(first, e) // of equal ones the sort keeps the first one first
		}
	}
	slices.Sort(first)
	return first
}

func arrayExtreme(largest bool) binder {
	return simple(func(c *call) {
		a := listArg(c, 0)
		less := orderOf(a.elems.t)
		one := elementCopier(a.arr.ListValues())
		out := types.NewBuilder(c.node.t)
		next := 0
		eachRow(c, func(i int) error {
			for ; next < i; next++ {
				out.AppendNull()
			}
			next++
			best := -1
			from, to := a.row(i)
			for e := from; e < to; e++ {
				if a.elems.null(e) {
					continue
				}
				if best < 0 {
					best = e
				} else if o := less(a.elems, e, a.elems, best); o > 0 && largest || o < 0 && !largest {
					best = e
				}
			}
			if best < 0 {
				out.AppendNull()
			} else {
				one(out, best)
			}
			return nil
		})
		for ; next < c.n; next++ {
			out.AppendNull()
		}
		c.take(fromArrow(c.node.t, out.NewArray()))
	})
}
