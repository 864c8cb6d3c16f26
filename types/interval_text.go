package types

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Append appends PostgreSQL's text form with IntervalStyle postgres: "1 year 2 mons -3 days +04:05:06.5".
func (v IntervalValue) Append(dst []byte) []byte {
	start := len(dst)
	negative := false // the field before was negative, so a positive one shows its sign
	part := func(n int32, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
			if negative && n > 0 {
				dst = append(dst, '+')
			}
		}
		dst = strconv.AppendInt(dst, int64(n), 10)
		dst = append(dst, ' ')
		dst = append(dst, unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		negative = n < 0
	}
	part(v.Months/12, "year")
	part(v.Months%12, "mon")
	part(v.Days, "day")
	if v.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	if v.Micros < 0 {
		dst = append(dst, '-')
	} else if negative {
		dst = append(dst, '+')
	}
	us := abs64(v.Micros)
	hours := us / uint64(microsPerHour)
	if hours < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendUint(dst, hours, 10)
	us %= uint64(microsPerHour)
	dst = append2(append(dst, ':'), int(us/uint64(microsPerMinute)))
	us %= uint64(microsPerMinute)
	dst = append2(append(dst, ':'), int(us/uint64(microsPerSecond)))
	return appendMicros(dst, int(us%uint64(microsPerSecond)))
}

// String returns PostgreSQL's text form.
func (v IntervalValue) String() string { return string(v.Append(nil)) }

// intervalUnit is a unit of time in interval texts, and of date_trunc and extract.
type intervalUnit uint8

const (
	unitNone intervalUnit = iota
	unitMicrosecond
	unitMillisecond
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitQuarter
	unitYear
	unitDecade
	unitCentury
	unitMillennium
	unitAgo
)

// intervalUnits are looked up in lower case, cut to their first ten letters as PostgreSQL cuts them.
var intervalUnits = map[string]intervalUnit{
	"us": unitMicrosecond, "usec": unitMicrosecond, "usecs": unitMicrosecond, "usecond": unitMicrosecond,
	"useconds": unitMicrosecond, "microsecon": unitMicrosecond,
	"ms": unitMillisecond, "msec": unitMillisecond, "msecs": unitMillisecond, "msecond": unitMillisecond,
	"mseconds": unitMillisecond, "millisecon": unitMillisecond,
	"s": unitSecond, "sec": unitSecond, "secs": unitSecond, "second": unitSecond, "seconds": unitSecond,
	"m": unitMinute, "min": unitMinute, "mins": unitMinute, "minute": unitMinute, "minutes": unitMinute,
	"h": unitHour, "hr": unitHour, "hrs": unitHour, "hour": unitHour, "hours": unitHour,
	"d": unitDay, "day": unitDay, "days": unitDay, "w": unitWeek, "week": unitWeek, "weeks": unitWeek,
	"mon": unitMonth, "mons": unitMonth, "month": unitMonth, "months": unitMonth,
	"qtr": unitQuarter, "quarter": unitQuarter,
	"y": unitYear, "yr": unitYear, "yrs": unitYear, "year": unitYear, "years": unitYear,
	"dec": unitDecade, "decs": unitDecade, "decade": unitDecade, "decades": unitDecade,
	"c": unitCentury, "cent": unitCentury, "century": unitCentury, "centuries": unitCentury,
	"mil": unitMillennium, "mils": unitMillennium, "millennia": unitMillennium, "millennium": unitMillennium,
	"ago": unitAgo,
}

func lookupUnit(word string) intervalUnit {
	if len(word) > 10 {
		word = word[:10]
	}
	return intervalUnits[word]
}

var (
	errIntervalForm  = errors.New("no interval")
	errIntervalField = errors.New("a field of the interval is out of range")
)

// ParseInterval reads any of PostgreSQL's input forms: "1 day 2 hours", "1-2", "P1Y2M", "-1 day +02:03:04.5", "3 days ago".
// Errors: 22007; 22015 and 22008 out of range.
func ParseInterval(text string) (IntervalValue, error) {
	return ParseIntervalFields(text, IntervalFull, -1)
}

// ParseIntervalFields is ParseInterval under a qualifier, which gives a bare last number its unit and cuts what is below
// its last field, and with a precision of the seconds (-1: none).
func ParseIntervalFields(text string, fields IntervalFields, precision int) (IntervalValue, error) {
	b := intervalBuilder{fields: fields}
	err := b.verbose(text)
	if errors.Is(err, errIntervalForm) {
		if t := strings.TrimSpace(text); strings.HasPrefix(t, "P") {
			b = intervalBuilder{}
			err = b.iso(t[1:])
		}
	}
	switch {
	case errors.Is(err, errIntervalForm):
		return IntervalValue{}, Errorf(CodeInvalidDatetime, "invalid input syntax for type interval: \"%s\"", clip(text))
	case err != nil:
		return IntervalValue{}, Errorf(CodeIntervalOverflow, "interval field value out of range: \"%s\"", clip(text))
	}
	v := IntervalValue{int32(b.months), int32(b.days), b.micros}.Restrict(fields, precision)
	return v.check()
}

// intervalBuilder collects fields.
type intervalBuilder struct {
	fields       IntervalFields
	months, days int64 // within int32
	micros       int64
	seen         uint32 // bit per unit
}

// once marks a unit as given.
func (b *intervalBuilder) once(u intervalUnit) bool {
	if b.seen&(1<<u) != 0 {
		return false
	}
	b.seen |= 1 << u
	return true
}

func (b *intervalBuilder) addMonths(n, factor int64) error {
	n, ok := mulInt64(n, factor)
	sum, ok2 := addInt64(b.months, n)
	if !ok || !ok2 || sum != int64(int32(sum)) {
		return errIntervalField
	}
	b.months = sum
	return nil
}

func (b *intervalBuilder) addDays(n, factor int64) error {
	n, ok := mulInt64(n, factor)
	sum, ok2 := addInt64(b.days, n)
	if !ok || !ok2 || sum != int64(int32(sum)) {
		return errIntervalField
	}
	b.days = sum
	return nil
}

func (b *intervalBuilder) addMicros(n int64, fraction float64, factor int64) error {
	n, ok := mulInt64(n, factor)
	if !ok {
		return errIntervalField
	}
	if b.micros, ok = addInt64(b.micros, n); !ok {
		return errIntervalField
	}
	return b.addFractionMicros(fraction, factor)
}

// addFractionMicros adds fraction*factor microseconds, rounded.
func (b *intervalBuilder) addFractionMicros(fraction float64, factor int64) error {
	if fraction == 0 {
		return nil
	}
	f := fraction * float64(factor)
	us := int64(f)
	f -= float64(us)
	if f > 0.5 {
		us++
	} else if f < -0.5 {
		us--
	}
	var ok bool
	if b.micros, ok = addInt64(b.micros, us); !ok {
		return errIntervalField
	}
	return nil
}

// addFractionDays adds fraction*factor days, whose own fraction becomes microseconds.
func (b *intervalBuilder) addFractionDays(fraction float64, factor int64) error {
	if fraction == 0 {
		return nil
	}
	f := fraction * float64(factor)
	days := int64(f)
	if err := b.addDays(days, 1); err != nil {
		return err
	}
	return b.addFractionMicros(f-float64(days), microsPerDay)
}

// add adds n+fraction units.
func (b *intervalBuilder) add(u intervalUnit, n int64, fraction float64) error {
	switch u {
	case unitMicrosecond:
		return b.addMicros(n, fraction, 1)
	case unitMillisecond:
		return b.addMicros(n, fraction, 1000)
	case unitSecond:
		return b.addMicros(n, fraction, microsPerSecond)
	case unitMinute:
		return b.addMicros(n, fraction, microsPerMinute)
	case unitHour:
		return b.addMicros(n, fraction, microsPerHour)
	case unitDay:
		if err := b.addDays(n, 1); err != nil {
			return err
		}
		return b.addFractionMicros(fraction, microsPerDay)
	case unitWeek:
		if err := b.addDays(n, 7); err != nil {
			return err
		}
		return b.addFractionDays(fraction, 7)
	case unitMonth:
		if err := b.addMonths(n, 1); err != nil {
			return err
		}
		return b.addFractionDays(fraction, 30)
	}
	years := int64(1)
	switch u {
	case unitYear:
	case unitDecade:
		years = 10
	case unitCentury:
		years = 100
	case unitMillennium:
		years = 1000
	default:
		return errIntervalForm
	}
	if err := b.addMonths(n, 12*years); err != nil {
		return err
	}
	return b.addMonths(int64(math.RoundToEven(fraction*float64(years)*12)), 1)
}

// verbose reads PostgreSQL's and the SQL standard's forms, from right to left so that units precede their numbers.
func (b *intervalBuilder) verbose(text string) error {
	var room [8]dtField
	fields, ok := lexDatetime(text, room[:0])
	if !ok {
		return errIntervalForm
	}
	unit, ago, any := unitNone, false, false
	for i := len(fields) - 1; i >= 0; i-- {
		f := fields[i]
		switch f.kind {
		case dtString, dtSpecial:
			if unit = lookupUnit(f.text); unit == unitNone || unit == unitQuarter {
				return errIntervalForm
			}
			if unit == unitAgo {
				ago = true
			}
			continue
		case dtTime:
			if err := b.clock(f.text, 1); err != nil {
				return err
			}
			unit, any = unitDay, true
			continue
		case dtZone:
			if strings.IndexByte(f.text, ':') > 0 {
				sign := int64(1)
				if f.text[0] == '-' {
					sign = -1
				}
				if err := b.clock(f.text[1:], sign); err != nil {
					return err
				}
				unit, any = unitDay, true
				continue
			}
		}
		if unit == unitNone {
			unit = b.fields.lastUnit()
		}
		n, fraction, months, err := intervalNumber(f.text)
		if err != nil {
			return err
		}
		if months {
			unit = unitMonth
		}
		if !b.onceNumber(unit, fraction != 0) {
			return errIntervalForm
		}
		if err := b.add(unit, n, fraction); err != nil {
			return err
		}
		any = true
		if unit == unitHour {
			unit = unitDay // "1 10 hours" is a day and 10 hours
		}
	}
	if !any {
		return errIntervalForm
	}
	if ago {
		if b.micros == math.MinInt64 || b.months == math.MinInt32 || b.days == math.MinInt32 {
			return errIntervalField
		}
		b.months, b.days, b.micros = -b.months, -b.days, -b.micros
	}
	return nil
}

// onceNumber refuses a unit given twice; seconds with a fraction exclude milli- and microseconds.
func (b *intervalBuilder) onceNumber(u intervalUnit, fraction bool) bool {
	if u == unitSecond && fraction {
		return b.once(unitSecond) && b.once(unitMillisecond) && b.once(unitMicrosecond)
	}
	return b.once(u)
}

// lastUnit is the unit of a bare number.
func (f IntervalFields) lastUnit() intervalUnit {
	switch f {
	case IntervalYear:
		return unitYear
	case IntervalMonth, IntervalYearToMonth:
		return unitMonth
	case IntervalDay:
		return unitDay
	case IntervalHour, IntervalDayToHour:
		return unitHour
	case IntervalMinute, IntervalDayToMinute, IntervalHourToMinute:
		return unitMinute
	}
	return unitSecond
}

// intervalNumber reads [sign]digits[.digits], or years-months as months.
func intervalNumber(text string) (n int64, fraction float64, months bool, err error) {
	body, negative := text, false
	if body[0] == '-' || body[0] == '+' {
		negative, body = body[0] == '-', body[1:]
	}
	end := 0
	for end < len(body) && isDigit(body[end]) {
		end++
	}
	if end > 0 {
		if n, err = strconv.ParseInt(body[:end], 10, 64); err != nil {
			return 0, 0, false, errIntervalField
		}
	}
	switch rest := body[end:]; {
	case rest == "":
		if end == 0 {
			return 0, 0, false, errIntervalForm
		}
	case rest[0] == '-' && end > 0:
		m, err := strconv.ParseUint(rest[1:], 10, 31)
		if err != nil {
			return 0, 0, false, errIntervalForm
		}
		if m >= 12 || n > math.MaxInt32 {
			return 0, 0, false, errIntervalField
		}
		n, months = n*12+int64(m), true
	case rest[0] == '.' && len(rest) > 1:
		if fraction, err = strconv.ParseFloat(rest, 64); err != nil {
			return 0, 0, false, errIntervalForm
		}
	case rest == "." && end > 0:
	default:
		return 0, 0, false, errIntervalForm
	}
	if negative {
		n, fraction = -n, -fraction
	}
	return n, fraction, months, nil
}

// clock reads h:mm[:ss[.f]]; with a qualifier of MINUTE TO SECOND one colon parts minutes from seconds.
func (b *intervalBuilder) clock(text string, sign int64) error {
	if !b.once(unitHour) || !b.once(unitMinute) || !b.once(unitSecond) {
		return errIntervalForm
	}
	c, fault := parseClock(text)
	if b.fields == IntervalMinuteToSecond && strings.Count(text, ":") == 1 && !strings.Contains(text, ".") && fault == dtFine {
		if c.hour > 59 {
			return errIntervalField
		}
		c = clockFields{minute: int(c.hour), sec: c.minute}
	}
	switch fault {
	case dtFine:
	case dtBad:
		return errIntervalForm
	default:
		return errIntervalField
	}
	hours, ok := mulInt64(c.hour, microsPerHour)
	if !ok {
		return errIntervalField
	}
	us, ok := addInt64(hours, int64(c.minute)*microsPerMinute+int64(c.sec)*microsPerSecond+int64(c.micro))
	if !ok {
		return errIntervalField
	}
	if b.micros, ok = addInt64(b.micros, sign*us); !ok {
		return errIntervalField
	}
	return nil
}

// iso reads what follows P in ISO 8601: 1Y2M3DT4H5M6S, 1W, and the alternative form 0001-02-03T04:05:06.
func (b *intervalBuilder) iso(s string) error {
	if s == "" {
		return errIntervalForm
	}
	inTime, any := false, false
	for s != "" {
		if s[0] == 'T' {
			inTime, s, any = true, s[1:], false
			continue
		}
		end := 0
		if s[0] == '-' || s[0] == '+' {
			end++
		}
		for end < len(s) && (isDigit(s[end]) || s[end] == '.') {
			end++
		}
		n, fraction, err := isoNumber(s[:end])
		if err != nil {
			return err
		}
		var letter byte
		if end < len(s) {
			letter = s[end]
		}
		rest := s[min(end+1, len(s)):]
		var unit intervalUnit
		switch {
		case !inTime && letter == 'Y':
			unit = unitYear
		case !inTime && letter == 'M':
			unit = unitMonth
		case !inTime && letter == 'W':
			unit = unitWeek
		case !inTime && letter == 'D':
			unit = unitDay
		case inTime && letter == 'H':
			unit = unitHour
		case inTime && letter == 'M':
			unit = unitMinute
		case inTime && letter == 'S':
			unit = unitSecond
		case any:
			return errIntervalForm // the forms do not mix
		case inTime:
			return b.isoTime(s)
		default:
			return b.isoDate(s)
		}
		if err := b.add(unit, n, fraction); err != nil {
			return err
		}
		s, any = rest, true
	}
	return nil
}

func isoNumber(s string) (n int64, fraction float64, err error) {
	if s == "" || s == "-" || s == "+" {
		return 0, 0, errIntervalForm
	}
	n, fraction, _, err = intervalNumber(s)
	return n, fraction, err
}

// isoDate reads yyyymmdd or yyyy-mm[-dd], each with an optional T part.
func (b *intervalBuilder) isoDate(s string) error {
	date, clock, hasClock := strings.Cut(s, "T")
	sign := ""
	if date != "" && (date[0] == '-' || date[0] == '+') {
		sign, date = date[:1], date[1:]
	}
	parts := strings.Split(date, "-")
	if len(parts) == 1 && len(date) == 8 {
		parts = []string{date[:4], date[4:6], date[6:]}
	}
	if len(parts) > 3 {
		return errIntervalForm
	}
	for i, p := range parts {
		if i == 0 {
			p = sign + p
		}
		n, fraction, err := isoNumber(p)
		if err != nil {
			return err
		}
		if err := b.add([]intervalUnit{unitYear, unitMonth, unitDay}[i], n, fraction); err != nil {
			return err
		}
	}
	if hasClock {
		return b.isoTime(clock)
	}
	return nil
}

// isoTime reads hhmmss or hh:mm[:ss].
func (b *intervalBuilder) isoTime(s string) error {
	parts := strings.Split(s, ":")
	if len(parts) == 1 && len(s) >= 6 && !strings.Contains(s[:6], ".") {
		parts = []string{s[:2], s[2:4], s[4:]}
	}
	if len(parts) > 3 {
		return errIntervalForm
	}
	for i, p := range parts {
		n, fraction, err := isoNumber(p)
		if err != nil {
			return err
		}
		if err := b.add([]intervalUnit{unitHour, unitMinute, unitSecond}[i], n, fraction); err != nil {
			return err
		}
	}
	return nil
}
