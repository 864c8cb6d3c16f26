package expr

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// timeReading is what a template found in a text. Fields that were not found are -1 where zero is a value.
type timeReading struct {
	year, month, day       int
	hour, minute, second   int
	micros                 int
	seconds                int // SSSS, or -1
	yearDay, julian        int
	week, monthWeek, wday  int
	isoYear, isoWeek       int
	isoDay, isoYearDay     int
	century, yearDigits    int
	bc, pm, am, hour12     bool
	hasYear, iso           bool
	zoneSign, zoneH, zoneM int
	quarter                int
}

func badTime(format string, args ...any) error {
	return types.Errorf(types.CodeInvalidDatetime, format, args...)
}

func timeRange(text string) error {
	return types.Errorf(types.CodeDatetimeOverflow, "date/time field value out of range: %q", text)
}

// isTimeSeparator reports whether c is a printable ASCII character that is no letter and no digit.
func isTimeSeparator(c byte) bool {
	return c > ' ' && c < 0x7f && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !isDigit(c)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// timeScanner reads a text by a template.
type timeScanner struct {
	whole, s string
	skipped  int // blanks and separators taken that the template did not ask for
	r        *timeReading
}

// read reads a text by the template: blanks may be more than written (unless FX), separators stand for each other.
// Errors: 22007, 22008, 0A000.
func (f *timeFormat) read(text string) (*timeReading, error) {
	sc := &timeScanner{whole: text, s: text, r: &timeReading{seconds: -1, hour: 0}}
	for k, n := range f.nodes {
		if sc.s == "" && n.word == "" && !f.fx {
			break
		}
		if n.word == "" {
			sc.literal(n, f.fx)
			continue
		}
		if !f.fx {
			for sc.s != "" && isBlank(sc.s[0]) {
				sc.s = sc.s[1:]
				sc.skipped++
			}
		}
		if sc.s == "" && !f.fx {
			break
		}
		if err := sc.field(n, f.separatedAfter(k)); err != nil {
			return nil, err
		}
		if !f.fx {
			sc.skipped = 0
			for sc.s != "" && isBlank(sc.s[0]) {
				sc.s = sc.s[1:]
				sc.skipped++
			}
		}
	}
	return sc.r, nil
}

func (sc *timeScanner) literal(n timeNode, fx bool) {
	c := n.literal[0]
	if !n.quoted && (isBlank(c) || isTimeSeparator(c)) {
		if fx {
			_, size := utf8.DecodeRuneInString(sc.s)
			sc.s = sc.s[size:]
			return
		}
		// It matches one blank or separator, or nothing if there is none.
		sc.skipped--
		if sc.s != "" && (isBlank(sc.s[0]) || isTimeSeparator(sc.s[0])) {
			sc.s = sc.s[1:]
			sc.skipped++
		}
		return
	}
	if !fx && sc.skipped > 0 {
		sc.skipped--
		return
	}
	_, size := utf8.DecodeRuneInString(sc.s)
	sc.s = sc.s[size:]
}

// separatedAfter reports whether the number of node k ends where the digits end, not at its width.
func (f *timeFormat) separatedAfter(k int) bool {
	n := f.nodes[k]
	if n.fm || n.th || n.TH || k+1 == len(f.nodes) {
		return true
	}
	next := f.nodes[k+1]
	if next.word != "" {
		switch next.word {
		case "CC", "DDD", "DD", "D", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY",
			"IYY", "IY", "I", "J", "MI", "MM", "MS", "Q", "SSSSS", "SSSS", "SS", "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y":
			return false
		}
		return true
	}
	return !isDigit(next.literal[0])
}

// number reads up to width digits, or all if separated.
func (sc *timeScanner) number(n timeNode, width int, separated bool) (x, digits int, err error) {
	for sc.s != "" && isBlank(sc.s[0]) {
		sc.s = sc.s[1:]
	}
	k, negative := 0, false
	if sc.s != "" && (sc.s[0] == '-' || sc.s[0] == '+') && (separated || width > 1) {
		negative = sc.s[0] == '-'
		k++
	}
	start := k
	for k < len(sc.s) && isDigit(sc.s[k]) && (separated || k < width) {
		if x > 1e8 {
			return 0, 0, types.Errorf(types.CodeDatetimeOverflow, "value for %q in source string is out of range", n.word)
		}
		x = x*10 + int(sc.s[k]-'0')
		k++
	}
	if k == start {
		return 0, 0, badTime("invalid value %q for %q", sc.s[:min(len(sc.s), width)], n.word).(*types.Error).
			WithHint("value must be an integer")
	}
	if !separated && len(sc.s) < width {
		return 0, 0, badTime("source string too short for %q formatting field", n.word).(*types.Error).
			WithHint("field requires %d characters, but only %d remain", width, len(sc.s))
	}
	if !separated && k < width {
		return 0, 0, badTime("invalid value %q for %q", sc.s[:width], n.word).(*types.Error).
			WithHint("field requires %d characters, but only %d could be parsed", width, k)
	}
	sc.s = sc.s[k:]
	if negative {
		x = -x
	}
	if n.th || n.TH {
		if len(sc.s) >= 2 {
			sc.s = sc.s[2:]
		}
	}
	return x, k - start, nil
}

// name finds which of the names (or of their first letters, if shortest is not 0) the text begins with, in any case.
func (sc *timeScanner) name(n timeNode, names []string, shortest int) (int, error) {
	for i, name := range names {
		if shortest > 0 {
			name = name[:shortest]
		}
		if len(sc.s) >= len(name) && strings.EqualFold(sc.s[:len(name)], name) {
			sc.s = sc.s[len(name):]
			return i, nil
		}
	}
	return 0, badTime("invalid value %q for %q", sc.s, n.word).(*types.Error).WithHint("the given value did not match any of the allowed values for this field")
}

var (
	monthNames = []string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}
	dayNames   = []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
	// romanFirst has the months so that no name hides a longer one that begins with it.
	romanFirst = []string{"XII", "XI", "X", "IX", "VIII", "VII", "VI", "V", "IV", "III", "II", "I"}
)

func (sc *timeScanner) field(n timeNode, separated bool) error {
	r := sc.r
	set := func(p *int, width int) error {
		x, _, err := sc.number(n, width, separated)
		*p = x
		return err
	}
	named := func(p *int, names []string, shortest, add int) error {
		i, err := sc.name(n, names, shortest)
		*p = i + add
		return err
	}
	switch n.word {
	case "A.M.", "P.M.", "a.m.", "p.m.", "AM", "PM", "am", "pm":
		names := []string{"am", "pm"}
		if strings.Contains(n.word, ".") {
			names = []string{"a.m.", "p.m."}
		}
		i, err := sc.name(n, names, 0)
		r.pm, r.am, r.hour12 = i == 1, i == 0, true
		return err
	case "A.D.", "B.C.", "a.d.", "b.c.", "AD", "BC", "ad", "bc":
		names := []string{"ad", "bc"}
		if strings.Contains(n.word, ".") {
			names = []string{"a.d.", "b.c."}
		}
		i, err := sc.name(n, names, 0)
		r.bc = i == 1
		return err
	case "HH", "HH12":
		r.hour12 = true
		return set(&r.hour, 2)
	case "HH24":
		return set(&r.hour, 2)
	case "MI":
		return set(&r.minute, 2)
	case "SS":
		return set(&r.second, 2)
	case "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		return sc.fraction(n, separated)
	case "SSSS", "SSSSS":
		return set(&r.seconds, 5)
	case "MONTH", "Month", "month":
		return named(&r.month, monthNames, 0, 1)
	case "MON", "Mon", "mon":
		return named(&r.month, monthNames, 3, 1)
	case "MM":
		return set(&r.month, 2)
	case "DAY", "Day", "day":
		return named(&r.wday, dayNames, 0, 1)
	case "DY", "Dy", "dy":
		return named(&r.wday, dayNames, 3, 1)
	case "DDD":
		return set(&r.yearDay, 3)
	case "DD":
		return set(&r.day, 2)
	case "D":
		return set(&r.wday, 1)
	case "IDDD":
		r.iso = true
		return set(&r.isoYearDay, 3)
	case "ID":
		r.iso = true
		err := set(&r.isoDay, 1)
		r.isoDay = min(r.isoDay, 7)
		return err
	case "IW":
		r.iso = true
		return set(&r.isoWeek, 2)
	case "WW":
		return set(&r.week, 2)
	case "W":
		return set(&r.monthWeek, 1)
	case "Q":
		return set(&r.quarter, 1) // read and not used, as in PostgreSQL
	case "CC":
		return set(&r.century, 2)
	case "J":
		return set(&r.julian, 9)
	case "RM", "rm":
		i, err := sc.name(n, romanFirst, 0)
		r.month = 12 - i
		return err
	case "TZH":
		r.zoneSign = 1
		if sc.s != "" && (sc.s[0] == '+' || sc.s[0] == '-' || sc.s[0] == ' ') {
			if sc.s[0] == '-' {
				r.zoneSign = -1
			}
			sc.s = sc.s[1:]
		}
		return set(&r.zoneH, 2)
	case "TZM":
		if r.zoneSign == 0 {
			r.zoneSign = 1
		}
		return set(&r.zoneM, 2)
	case "TZ", "tz", "OF":
		return types.NotSupported(types.Span{}, "formatting field %q is only supported in to_char", n.word)
	}
	return sc.year(n, separated)
}

// fraction reads the digits of a second: as many as there are count from the left.
func (sc *timeScanner) fraction(n timeNode, separated bool) error {
	width := map[string]int{"MS": 3, "US": 6}[n.word]
	if width == 0 {
		width = int(n.word[2] - '0')
	}
	x, digits, err := sc.number(n, width, separated)
	if err != nil {
		return err
	}
	for ; digits < 6; digits++ {
		x *= 10
	}
	for ; digits > 6; digits-- {
		x /= 10
	}
	if n.word == "MS" || n.word == "US" || strings.HasPrefix(n.word, "FF") {
		sc.r.micros = x
	}
	return nil
}

func (sc *timeScanner) year(n timeNode, separated bool) error {
	r := sc.r
	if n.word == "Y,YYY" {
		head, tail, ok := strings.Cut(sc.s, ",")
		if !ok || len(tail) < 3 {
			return badTime("invalid input string for \"Y,YYY\"")
		}
		sc.s = head
		a, _, err := sc.number(n, 9, true)
		if err != nil {
			return err
		}
		sc.s = tail[:3]
		b, _, err := sc.number(n, 3, true)
		sc.s = tail[3:]
		r.year, r.hasYear, r.yearDigits = a*1000+b, true, 4
		return err
	}
	word := strings.TrimPrefix(n.word, "I")
	iso := strings.HasPrefix(n.word, "I")
	width := len(n.word)
	if iso && word == "" {
		width = 1
	}
	x, digits, err := sc.number(n, width, separated)
	if err != nil {
		return err
	}
	if width < 4 && digits < 4 { // the year nearest to 2020
		switch {
		case x < 70:
			x += 2000
		case x < 100:
			x += 1900
		case x < 520:
			x += 2000
		case x < 1000:
			x += 1000
		}
	}
	if iso {
		r.iso, r.isoYear = true, x
	} else {
		r.year, r.hasYear, r.yearDigits = x, true, width
	}
	return nil
}

// civil returns the date, as days since 1970.
func (r *timeReading) civil(text string) (int64, error) {
	if r.julian != 0 {
		return int64(r.julian) - 2440588, nil
	}
	year, month, day := r.year, r.month, r.day
	if r.hasYear {
		if r.century != 0 && r.yearDigits <= 2 {
			year = year%100 + (r.century-1)*100
			if year%100 == 0 {
				year += 100
			}
		}
		if r.bc && year > 0 {
			year = -(year - 1)
		} else if year < 0 {
			year++
		}
	} else if r.century != 0 {
		year = (r.century-1)*100 + 1
	}
	if r.iso {
		if r.isoYearDay == 0 && r.isoWeek == 0 && r.isoYear == 0 {
			return 0, badTime("cannot calculate day of year without year information")
		}
		y := r.isoYear
		jan4 := time.Date(y, 1, 4, 0, 0, 0, 0, time.UTC)
		monday := jan4.Unix()/86400 - int64((int(jan4.Weekday())+6)%7)
		switch {
		case r.isoYearDay > 0:
			return monday + int64(r.isoYearDay-1), nil
		case r.isoWeek == 0:
			return daysOf(y, 1, 1), nil
		default:
			return monday + int64(max(r.isoWeek, 1)-1)*7 + int64(max(r.isoDay, 1)-1), nil
		}
	}
	if !r.hasYear && r.century == 0 {
		year = 0
	}
	if r.week > 0 {
		return daysOf(year, 1, 1) + int64(r.week-1)*7, nil
	}
	if r.monthWeek > 0 && day == 0 {
		day = (r.monthWeek-1)*7 + 1
	}
	if r.yearDay > 0 && r.month == 0 {
		if !r.hasYear && r.century == 0 {
			return 0, badTime("cannot calculate day of year without year information")
		}
		if r.yearDay > 366 {
			return 0, timeRange(text)
		}
		d := daysOf(year, 1, 1) + int64(r.yearDay-1)
		if time.Unix(d*86400, 0).UTC().Year() != year {
			return 0, timeRange(text)
		}
		return d, nil
	}
	month, day = defaultOne(month), defaultOne(day)
	if month < 1 || month > 12 || day < 1 || day > int(daysOf(year, month+1, 1)-daysOf(year, month, 1)) {
		return 0, timeRange(text)
	}
	if year > 5874897 || year < -4713 {
		return 0, timeRange(text)
	}
	return daysOf(year, month, day), nil
}

func defaultOne(x int) int {
	if x == 0 {
		return 1
	}
	return x
}

func daysOf(year, month, day int) int64 {
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Unix() / 86400
}

func (r *timeReading) date() (int32, error) {
	if _, err := r.clock(); err != nil {
		return 0, err
	}
	days, err := r.civil("")
	if err != nil {
		return 0, err
	}
	return types.DateAddDays(0, days)
}

// clock returns the microseconds of the day.
func (r *timeReading) clock() (int64, error) {
	hour, minute, second := r.hour, r.minute, r.second
	if r.seconds >= 0 {
		hour, minute, second = r.seconds/3600, r.seconds/60%60, r.seconds%60
	}
	if r.hour12 {
		if hour < 1 || hour > 12 {
			return 0, badTime("hour \"%d\" is invalid for the 12-hour clock", hour).(*types.Error).
				WithHint("use the 24-hour clock, or give an hour between 1 and 12")
		}
		switch {
		case r.pm && hour < 12:
			hour += 12
		case !r.pm && hour == 12:
			hour = 0
		}
	}
	if hour < 0 || hour > 24 || minute < 0 || minute > 59 || second < 0 || second > 59 ||
		hour == 24 && (minute > 0 || second > 0 || r.micros > 0) {
		return 0, timeRange("")
	}
	return (int64(hour)*3600+int64(minute)*60+int64(second))*1_000_000 + int64(r.micros), nil
}

func (r *timeReading) timestampTZ(zone *time.Location) (int64, error) {
	rest, err := r.clock()
	if err != nil {
		return 0, err
	}
	days, err := r.civil("")
	if err != nil {
		return 0, err
	}
	date, err := types.DateAddDays(0, days)
	if err != nil {
		return 0, err
	}
	us, err := types.DateAddTime(date, rest)
	if err != nil {
		return 0, err
	}
	if r.zoneSign != 0 {
		if r.zoneH > 15 || r.zoneM > 59 {
			return 0, timeRange("")
		}
		zone = time.FixedZone("", r.zoneSign*(r.zoneH*3600+r.zoneM*60))
	}
	return types.ToTimestampTZ(us, zone)
}
