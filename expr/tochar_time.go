package expr

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// timeNode is one element of a template of to_char and to_date for dates and times.
type timeNode struct {
	word    string // the keyword in the case in which the table has it; empty: a literal
	fm, tm  bool   // FM, TM before it
	th, TH  bool   // th, TH after it
	literal string // one character
	quoted  bool
}

// timeWords are the keywords; where one begins like another, the longer stands first. Those in lower case mean the same
// unless they stand here themselves.
var timeWords = []string{
	"A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3", "FF4",
	"FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM", "MONTH", "MON",
	"MS", "Month", "Mon", "OF", "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY",
	"YYYY", "YYY", "YY", "Y", "a.d.", "a.m.", "ad", "am", "b.c.", "bc", "day", "dy", "month", "mon", "p.m.", "pm", "rm", "tz",
}

// timeFormat is a compiled template.
type timeFormat struct {
	nodes []timeNode
	fx    bool
}

func parseTimeFormat(text string) *timeFormat {
	f := &timeFormat{}
	for text != "" {
		fm, tm := false, false
		for prefixed := true; prefixed; {
			prefixed = false
			if strings.HasPrefix(text, "FM") || strings.HasPrefix(text, "fm") {
				text, fm, prefixed = text[2:], true, true
			} else if strings.HasPrefix(text, "TM") || strings.HasPrefix(text, "tm") {
				text, tm, prefixed = text[2:], true, true // names are English
			}
		}
		if text == "" {
			break
		}
		if word, size := timeWord(text); word != "" {
			text = text[size:]
			if word == "FX" {
				f.fx = true
				continue
			}
			n := timeNode{word: word, fm: fm, tm: tm}
			switch {
			case strings.HasPrefix(text, "TH"):
				n.TH, text = true, text[2:]
			case strings.HasPrefix(text, "th"):
				n.th, text = true, text[2:]
			case strings.HasPrefix(text, "SP"):
				text = text[2:]
			}
			f.nodes = append(f.nodes, n)
			continue
		}
		if text[0] == '"' {
			text = text[1:]
			for text != "" && text[0] != '"' {
				if text[0] == '\\' && len(text) > 1 {
					text = text[1:]
				}
				_, size := utf8.DecodeRuneInString(text)
				f.nodes = append(f.nodes, timeNode{literal: text[:size], quoted: true})
				text = text[size:]
			}
			text = strings.TrimPrefix(text, `"`)
			continue
		}
		if strings.HasPrefix(text, `\"`) {
			text = text[1:]
		}
		_, size := utf8.DecodeRuneInString(text)
		f.nodes = append(f.nodes, timeNode{literal: text[:size]})
		text = text[size:]
	}
	return f
}

// timeWord finds the keyword that text begins with.
func timeWord(text string) (word string, size int) {
	for _, w := range timeWords {
		if strings.HasPrefix(text, w) {
			return w, len(w)
		}
	}
	for _, w := range timeWords {
		if lower := strings.ToLower(w); strings.HasPrefix(text, lower) {
			return w, len(w)
		}
	}
	return "", 0
}

// clockTime is a timestamp or interval taken apart.
type clockTime struct {
	year, month, day     int // year 0 is 1 BC; of an interval as they are
	hour, minute, second int
	micros               int
	days                 int64 // since 1970
	yearDay              int   // from 1
	interval             bool
	zone                 string // abbreviation
	offset               int    // seconds east
}

const microsPerDay = 86_400_000_000

// newClockTime takes a local timestamp apart.
func newClockTime(local int64) clockTime {
	days := local / microsPerDay
	rest := local % microsPerDay
	if rest < 0 {
		days, rest = days-1, rest+microsPerDay
	}
	d := time.Unix(days*86400, 0).UTC()
	c := clockTime{days: days, year: d.Year(), month: int(d.Month()), day: d.Day(), yearDay: d.YearDay()}
	c.setTime(rest)
	return c
}

func (c *clockTime) setTime(us int64) {
	c.micros = int(us % 1_000_000)
	secs := us / 1_000_000
	c.hour, c.minute, c.second = int(secs/3600), int(secs/60%60), int(secs%60)
}

func intervalClockTime(v types.IntervalValue) clockTime {
	c := clockTime{interval: true, year: int(v.Months / 12), month: int(v.Months % 12), day: int(v.Days)}
	c.yearDay = (c.year*12+c.month)*30 + c.day
	c.setTime(v.Micros)
	return c
}

func (c *clockTime) weekday() int { return int(((c.days+4)%7 + 7) % 7) }

// isoDate returns the ISO year, week and day of the year.
func (c *clockTime) isoDate() (year, week, day int) {
	year, week = time.Unix(c.days*86400, 0).UTC().ISOWeek()
	monday := (c.weekday() + 6) % 7
	return year, week, (week-1)*7 + monday + 1
}

// shownYear is the year without its era.
func (c *clockTime) shownYear() int {
	if !c.interval && c.year <= 0 {
		return 1 - c.year
	}
	return c.year
}

var (
	romanMonths    = []string{"I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"}
	errForInterval = types.Errorf(types.CodeInvalidDatetime, "invalid format specification for an interval value").
			WithHint("intervals are not tied to specific calendar dates")
)

// append writes a time by the template.
func (f *timeFormat) append(dst []byte, c *clockTime) ([]byte, error) {
	for _, n := range f.nodes {
		if n.word == "" {
			dst = append(dst, n.literal...)
			continue
		}
		at := len(dst)
		var err error
		if dst, err = appendTimeField(dst, n, c); err != nil {
			return dst, err
		}
		if n.th || n.TH {
			dst = appendOrdinal(dst, string(dst[at:]), n.th)
		}
	}
	return dst, nil
}

func appendTimeField(dst []byte, n timeNode, c *clockTime) ([]byte, error) {
	number := func(x, width int) []byte {
		if n.fm {
			width = 0
		} else if x < 0 {
			width++
		}
		return appendPadded(dst, x, width)
	}
	word := func(s string, width int) []byte {
		dst = append(dst, s...)
		if !n.fm && !n.tm {
			for k := utf8.RuneCountInString(s); k < width; k++ {
				dst = append(dst, ' ')
			}
		}
		return dst
	}
	cased := func(s string) string {
		switch {
		case n.word == strings.ToUpper(n.word):
			return strings.ToUpper(s)
		case n.word == strings.ToLower(n.word):
			return strings.ToLower(s)
		}
		return s
	}
	if c.interval {
		switch n.word {
		case "A.D.", "AD", "B.C.", "BC", "a.d.", "ad", "b.c.", "bc", "MONTH", "Month", "month", "MON", "Mon", "mon", "DAY", "Day",
			"day", "DY", "Dy", "dy", "IYYY", "IYY", "IY", "I", "IW", "TZ", "tz", "TZH", "TZM", "OF", "D", "ID", "IDDD":
			return dst, errForInterval
		}
	}
	switch n.word {
	case "A.M.", "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm":
		s := "am"
		if c.hour%24 >= 12 {
			s = "pm"
		}
		if strings.Contains(n.word, ".") {
			s = s[:1] + "." + s[1:] + "."
		}
		return append(dst, cased(s)...), nil
	case "HH", "HH12":
		h := c.hour % 12
		if h == 0 {
			h = 12
		}
		return number(h, 2), nil
	case "HH24":
		return number(c.hour, 2), nil
	case "MI":
		return number(c.minute, 2), nil
	case "SS":
		return number(c.second, 2), nil
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "MS", "US":
		digits := 6
		switch n.word {
		case "MS":
			digits = 3
		case "US":
		default:
			digits = int(n.word[2] - '0')
		}
		x := c.micros
		for range 6 - digits {
			x /= 10
		}
		return appendPadded(dst, x, digits), nil
	case "SSSS", "SSSSS":
		return strconv.AppendInt(dst, int64(c.hour*3600+c.minute*60+c.second), 10), nil
	case "A.D.", "B.C.", "a.d.", "b.c.", "AD", "BC", "ad", "bc":
		s := "ad"
		if c.year <= 0 {
			s = "bc"
		}
		if strings.Contains(n.word, ".") {
			s = s[:1] + "." + s[1:] + "."
		}
		return append(dst, cased(s)...), nil
	case "MONTH", "Month", "month":
		return word(cased(time.Month(c.month).String()), 9), nil
	case "MON", "Mon", "mon":
		return word(cased(time.Month(c.month).String()[:3]), 0), nil
	case "MM":
		return number(c.month, 2), nil
	case "DAY", "Day", "day":
		return word(cased(time.Weekday(c.weekday()).String()), 9), nil
	case "DY", "Dy", "dy":
		return word(cased(time.Weekday(c.weekday()).String()[:3]), 0), nil
	case "DDD":
		return number(c.yearDay, 3), nil
	case "IDDD":
		_, _, d := c.isoDate()
		return number(d, 3), nil
	case "DD":
		if n.fm {
			return number(c.day, 0), nil
		}
		return appendPadded(dst, c.day, 2), nil
	case "D":
		return strconv.AppendInt(dst, int64(c.weekday()+1), 10), nil
	case "ID":
		return strconv.AppendInt(dst, int64((c.weekday()+6)%7+1), 10), nil
	case "WW":
		return number((c.yearDay-1)/7+1, 2), nil
	case "W":
		return strconv.AppendInt(dst, int64((c.day-1)/7+1), 10), nil
	case "IW":
		_, w, _ := c.isoDate()
		return number(w, 2), nil
	case "Q":
		if c.month == 0 {
			return dst, nil
		}
		return strconv.AppendInt(dst, int64((c.month-1)/3+1), 10), nil
	case "CC":
		century := c.year/100 - 1
		switch {
		case c.interval:
			century = c.year / 100
		case c.year > 0:
			century = (c.year-1)/100 + 1
		}
		if century <= 99 && century >= -99 {
			return number(century, 2), nil
		}
		return number(century, 4), nil
	case "J":
		if c.interval {
			return strconv.AppendInt(dst, julianDay(c.year, c.month, c.day), 10), nil
		}
		return strconv.AppendInt(dst, c.days+2440588, 10), nil
	case "RM", "rm":
		m := c.month
		switch { // of an interval too
		case m == 0 && c.year == 0:
			return dst, nil
		case m == 0 && c.year > 0:
			m = 12
		case m == 0:
			m = 1
		case m < 0:
			m += 13
		}
		return word(cased(romanMonths[m-1]), 4), nil
	case "TZ", "tz":
		return append(dst, cased(c.zone)...), nil
	case "TZH":
		return appendPadded(append(dst, signOf(c.offset)), abs(c.offset)/3600, 2), nil
	case "TZM":
		return appendPadded(dst, abs(c.offset)/60%60, 2), nil
	case "OF":
		width := 2
		if n.fm {
			width = 0
		}
		dst = appendPadded(append(dst, signOf(c.offset)), abs(c.offset)/3600, width)
		if m := abs(c.offset) / 60 % 60; m != 0 {
			dst = appendPadded(append(dst, ':'), m, 2)
		}
		return dst, nil
	}
	return appendYear(dst, n, c, number), nil
}

func appendYear(dst []byte, n timeNode, c *clockTime, number func(x, width int) []byte) []byte {
	y := c.shownYear()
	if n.word[0] == 'I' {
		year, _, _ := c.isoDate()
		y = year
		if y <= 0 {
			y = 1 - y
		}
	}
	switch n.word {
	case "Y,YYY":
		return appendPadded(append(appendPadded(dst, y/1000, 1), ','), y%1000, 3)
	case "YYYY", "IYYY":
		return number(y, 4)
	case "YYY", "IYY":
		return number(y%1000, 3)
	case "YY", "IY":
		return number(y%100, 2)
	}
	return number(y%10, 1)
}

// appendPadded writes x with zeros to a width, in which a sign counts.
func appendPadded(dst []byte, x, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(abs(x)), 10)
	if x < 0 {
		dst = append(dst, '-')
		width--
	}
	for k := len(text); k < width; k++ {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// julianDay counts from 4714 BC, for any fields.
func julianDay(year, month, day int) int64 {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix()/86400 + 2440588
}

func signOf(x int) byte {
	if x < 0 {
		return '-'
	}
	return '+'
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}

// appendTimestamp is to_char of a local timestamp; ok is false where the answer is NULL.
func (f *timeFormat) appendTimestamp(dst []byte, us int64) (out []byte, ok bool, err error) {
	if !types.IsFiniteTimestamp(us) || len(f.nodes) == 0 {
		return dst, false, nil
	}
	c := newClockTime(us)
	out, err = f.append(dst, &c)
	return out, true, err
}

// appendTimestampTZ is to_char of a timestamp with time zone.
func (f *timeFormat) appendTimestampTZ(dst []byte, us int64, zone *time.Location) (out []byte, ok bool, err error) {
	if !types.IsFiniteTimestamp(us) || len(f.nodes) == 0 {
		return dst, false, nil
	}
	local, err := types.ToTimestamp(us, zone)
	if err != nil {
		return dst, false, err
	}
	c := newClockTime(local)
	c.zone, _ = time.UnixMicro(us).In(zone).Zone()
	c.offset = int((local - us) / 1_000_000)
	out, err = f.append(dst, &c)
	return out, true, err
}
