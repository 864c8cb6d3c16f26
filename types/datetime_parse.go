package types

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// dtMask says which parts of a date and time were given.
type dtMask uint8

const (
	hasYear dtMask = 1 << iota
	hasMonth
	hasDay
	hasTime
	hasZone
	hasDOY
	hasAMPM
	hasEra

	hasDate = hasYear | hasMonth | hasDay
)

// dtFault is what is wrong with a text.
type dtFault uint8

const (
	dtFine    dtFault = iota
	dtBad             // no such form
	dtField_          // a field is out of its range
	dtOrder           // month or day out of range: perhaps the order
	dtZoneOut         // zone displacement out of range
	dtNoZone          // zone name unknown
	dtClock           // now, today, ...: depends on the clock
)

// datetime is a parsed text.
type datetime struct {
	civil
	mask      dtMask
	special   dtWord // wordEpoch, wordInf, wordNegInf
	twoDigits bool
	textMonth bool
	julian    bool
	doy       int
	bc        bool
	pm        int // -1 none, 0 am, 1 pm
	offset    int // seconds east, if zone is nil and hasZone
	zone      *time.Location
	badZone   string
}

// set marks parts as given; false if one of them was given before.
func (d *datetime) set(m dtMask) bool {
	if d.mask&m != 0 {
		return false
	}
	d.mask |= m
	return true
}

// parseDatetime reads any of PostgreSQL's input forms of a date and/or time, under DateStyle ISO, MDY.
func parseDatetime(text string) (datetime, dtFault) {
	d := datetime{pm: -1}
	var room [8]dtField
	fields, ok := lexDatetime(text, room[:0])
	if !ok || len(fields) == 0 {
		return d, dtBad
	}
	pending := wordNone // a word that says what the next field is: t, j
	for _, f := range fields {
		fault := dtFine
		switch f.kind {
		case dtDate:
			if d.mask&(hasMonth|hasDay) == hasMonth|hasDay || pending == wordTime {
				if isDigit(f.text[0]) { // hhmmss-zz
					at := strings.IndexByte(f.text, '-')
					if at < 0 || d.mask&(hasTime|hasZone) != 0 {
						return d, dtBad
					}
					pending = wordNone
					if fault = d.zoneOffset(f.text[at:]); fault == dtFine {
						fault = d.numberField(f.text[:at])
					}
				} else {
					fault = d.zoneName(f.raw)
				}
			} else if pending == wordJulian {
				return d, dtBad
			} else {
				fault = d.date(f.text)
				if fault == dtBad && !isDigit(f.text[0]) && d.mask&hasDate == 0 {
					if zoneByName(f.raw) != nil {
						fault = d.zoneName(f.raw)
					}
				}
			}
		case dtTime:
			if pending != wordNone && pending != wordTime {
				return d, dtBad
			}
			pending = wordNone
			fault = d.clock(f.text)
		case dtZone:
			fault = d.zoneOffset(f.text)
		case dtNumber:
			fault = d.number(f.text, pending)
			pending = wordNone
		case dtString, dtSpecial:
			fault = d.word(f, &pending)
		}
		if fault != dtFine {
			return d, fault
		}
	}
	if pending != wordNone {
		return d, dtBad
	}
	return d, d.finish()
}

// finish checks and completes the parts.
func (d *datetime) finish() dtFault {
	if d.special != wordNone {
		if d.mask != 0 {
			return dtBad
		}
		return dtFine
	}
	if d.mask&hasYear != 0 && !d.julian {
		switch {
		case d.bc:
			if d.year <= 0 {
				return dtField_
			}
			d.year = 1 - d.year
		case d.twoDigits && d.year < 70:
			d.year += 2000
		case d.twoDigits && d.year < 100:
			d.year += 1900
		case d.year <= 0:
			return dtField_
		}
	}
	if d.mask&hasDOY != 0 {
		d.year, d.month, d.day = civilFromDays(daysFromCivil(d.year, 1, 1) + int64(d.doy) - 1)
	}
	if d.mask&hasMonth != 0 && (d.month < 1 || d.month > 12) {
		return dtOrder
	}
	if d.mask&hasDay != 0 && (d.day < 1 || d.day > 31) {
		return dtOrder
	}
	if d.mask&hasDate == hasDate {
		if d.year > 5874897 || d.year < -4713 || d.day > daysInMonth(d.year, d.month) {
			return dtField_
		}
	}
	if d.pm >= 0 {
		if d.hour > 12 {
			return dtField_
		}
		if d.pm == 0 && d.hour == 12 {
			d.hour = 0
		} else if d.pm == 1 && d.hour != 12 {
			d.hour += 12
		}
	}
	return dtFine
}

// date reads a field with separators: 2001-01-02, 1/2/2001, 2-jan-2001, 2001.123.
func (d *datetime) date(text string) dtFault {
	var parts []string
	for i := 0; i < len(text); { // runs of digits and runs of letters
		is, start := isDigit, i
		if isLetter(text[i]) {
			is = isLetter
		} else if !isDigit(text[i]) {
			i++
			continue
		}
		for i < len(text) && is(text[i]) {
			i++
		}
		parts = append(parts, text[start:i])
		i++ // whatever ends a run is a separator
	}
	before := d.mask
	if before&(hasTime|hasAMPM|hasEra) != 0 {
		return dtBad // a date with separators comes first
	}
	// A month's name is unambiguous: take it first.
	for i, p := range parts {
		if !isLetter(p[0]) {
			continue
		}
		m, ok := datetimeWords[p]
		if !ok {
			return dtBad
		}
		switch m.word {
		case wordMonth:
			if !d.set(hasMonth) {
				return dtBad
			}
			d.month, d.textMonth = m.value, true
		case wordDay, wordIgnore:
		default:
			return dtBad
		}
		parts[i] = ""
	}
	for _, p := range parts {
		if p == "" {
			continue
		}
		for _, c := range []byte(p) {
			if !isDigit(c) {
				return dtBad
			}
		}
		if fault := d.dateNumber(p); fault != dtFine {
			return fault
		}
	}
	if (d.mask^before)&hasDOY != 0 {
		return dtFine
	}
	if (d.mask^before)&hasTime != 0 {
		return dtBad
	}
	if d.mask&hasDate != hasDate {
		return dtBad
	}
	return dtFine
}

// dateNumber gives a plain number its place among year, month and day, in the order MDY.
func (d *datetime) dateNumber(p string) dtFault {
	n, err := strconv.Atoi(p)
	if err != nil || n > math.MaxInt32 {
		return dtField_
	}
	if len(p) == 3 && d.mask&hasDate == hasYear && n >= 1 && n <= 366 {
		d.mask |= hasDOY | hasMonth | hasDay
		d.doy = n
		return dtFine
	}
	switch d.mask & hasDate {
	case 0:
		if len(p) >= 3 {
			return d.setYear(n, p)
		}
		d.month = n
		d.mask |= hasMonth
	case hasYear:
		d.month = n
		d.mask |= hasMonth
	case hasMonth:
		if d.textMonth && len(p) >= 3 {
			return d.setYear(n, p)
		}
		d.day = n
		d.mask |= hasDay
	case hasYear | hasMonth:
		if d.textMonth && len(p) >= 3 && d.twoDigits {
			d.day, d.year, d.twoDigits = d.year, n, false // DD-MON-YYYY
		} else {
			d.day = n
		}
		d.mask |= hasDay
	case hasDay:
		d.month = n
		d.mask |= hasMonth
	case hasMonth | hasDay:
		return d.setYear(n, p)
	default:
		return d.numberField(p)
	}
	return dtFine
}

func (d *datetime) setYear(n int, p string) dtFault {
	d.year, d.twoDigits = n, len(p) <= 2
	d.mask |= hasYear
	return dtFine
}

// numberField reads run-together dates and times: 20010102, 010102, 040506[.789], 0405.
func (d *datetime) numberField(p string) dtFault {
	whole, fraction, point := strings.Cut(p, ".")
	for _, c := range []byte(whole) {
		if !isDigit(c) {
			return dtBad
		}
	}
	if !point && d.mask&hasDate != hasDate && len(whole) >= 6 {
		n := len(whole)
		if !d.set(hasDate) {
			return dtBad
		}
		year, err := strconv.Atoi(whole[:n-4])
		if err != nil {
			return dtField_
		}
		d.year, d.twoDigits = year, n-4 == 2
		d.month, d.day = atoi2(whole[n-4:]), atoi2(whole[n-2:])
		return dtFine
	}
	if d.mask&hasTime == 0 && (len(whole) == 6 || len(whole) == 4) {
		d.mask |= hasTime
		d.hour, d.minute, d.sec = atoi2(whole), atoi2(whole[2:]), 0
		if len(whole) == 6 {
			d.sec = atoi2(whole[4:])
		}
		if point && !d.fraction(fraction) {
			return dtBad
		}
		return d.checkClock()
	}
	return dtBad
}

func atoi2(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// fraction reads digits after the point of seconds, rounded to microseconds.
func (d *datetime) fraction(digits string) bool {
	us, ok := fractionMicros(digits)
	d.micro = us
	return ok
}

// fractionMicros reads the digits of a fraction of a second and rounds them half to even, up to 1,000,000.
func fractionMicros(digits string) (us int, ok bool) {
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, false
		}
	}
	if len(digits) <= 6 {
		for i := range 6 {
			us *= 10
			if i < len(digits) {
				us += int(digits[i] - '0')
			}
		}
		return us, true
	}
	f, err := strconv.ParseFloat("0."+digits, 64)
	if err != nil {
		return 0, false
	}
	return int(math.RoundToEven(f * 1e6)), true
}

// number reads a field of digits with at most one point.
func (d *datetime) number(p string, pending dtWord) dtFault {
	whole, fraction, point := strings.Cut(p, ".")
	switch {
	case pending == wordJulian:
		n, err := strconv.ParseInt(whole, 10, 32)
		if err != nil {
			return dtField_
		}
		if !d.set(hasDate) {
			return dtBad
		}
		d.julian = true
		d.year, d.month, d.day = civilFromDays(n - unixJulian)
		if point {
			f, err := strconv.ParseFloat("0."+fraction, 64)
			if err != nil || !d.set(hasTime) {
				return dtBad
			}
			d.setTime(int64(math.RoundToEven(f * float64(microsPerDay))))
		}
		return dtFine
	case pending == wordTime:
		if d.mask&hasTime != 0 {
			return dtBad
		}
		return d.numberField(p)
	case point && d.mask&hasDate == 0:
		return d.date(p)
	case point && len(whole) > 2:
		return d.numberField(p)
	case !point && len(p) >= 6 && (d.mask&hasDate != hasDate || d.mask&hasTime == 0):
		return d.numberField(p)
	case point:
		return dtBad
	}
	return d.dateNumber(p)
}

// clock reads h:mm[:ss[.ffffff]] and mm:ss.f.
func (d *datetime) clock(text string) dtFault {
	if !d.set(hasTime) {
		return dtBad
	}
	c, fault := parseClock(text)
	if fault != dtFine {
		return fault
	}
	if c.hour > math.MaxInt16 {
		return dtField_
	}
	d.hour, d.minute, d.sec, d.micro = int(c.hour), c.minute, c.sec, c.micro
	return d.checkClock()
}

func (d *datetime) checkClock() dtFault {
	if d.minute > 59 || d.sec > 60 || d.hour > 24 || (d.hour == 24 && (d.minute > 0 || d.sec > 0 || d.micro > 0)) {
		return dtField_
	}
	return dtFine
}

type clockFields struct {
	hour        int64
	minute, sec int
	micro       int
}

// parseClock reads h:mm[:ss[.ffffff]] and, with a fraction and one colon, mm:ss.ffffff.
func parseClock(text string) (c clockFields, fault dtFault) {
	first, rest, _ := strings.Cut(text, ":")
	hour, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return c, dtField_
	}
	rest, fraction, point := strings.Cut(rest, ".")
	second, third, three := strings.Cut(rest, ":")
	number := func(s string) int {
		n := 0
		for i := range len(s) {
			if !isDigit(s[i]) {
				return -1
			}
			n = min(n*10+int(s[i]-'0'), math.MaxInt32)
		}
		return n
	}
	if second == "" || number(second) < 0 || number(third) < 0 || (three && third == "" && point) {
		return c, dtBad
	}
	c.hour, c.minute = hour, number(second)
	if three {
		c.sec = number(third)
	} else if point {
		if hour > 59 {
			return c, dtField_
		}
		c.hour, c.minute, c.sec = 0, int(hour), c.minute
	}
	if point {
		us, ok := fractionMicros(fraction)
		if !ok {
			return c, dtBad
		}
		c.micro = us
	}
	if c.minute > 59 || c.sec > 60 {
		return c, dtField_
	}
	return c, dtFine
}

func (d *datetime) zoneOffset(text string) dtFault {
	if !d.set(hasZone) {
		return dtBad
	}
	secs, ok := parseZoneOffset(text)
	if !ok {
		for _, c := range []byte(text[1:]) {
			if !isDigit(c) && c != ':' {
				return dtBad
			}
		}
		return dtZoneOut
	}
	d.offset = secs
	return dtFine
}

func (d *datetime) zoneName(name string) dtFault {
	if !d.set(hasZone) {
		return dtBad
	}
	if d.zone = zoneByName(name); d.zone == nil {
		d.badZone = name
		return dtNoZone
	}
	return dtFine
}

func (d *datetime) word(f dtField, pending *dtWord) dtFault {
	if offset, ok := zoneAbbreviations[f.text]; ok {
		if f.text == "z" && *pending != wordNone {
			return dtBad
		}
		if !d.set(hasZone) {
			return dtBad
		}
		d.offset = offset
		return dtFine
	}
	m, ok := datetimeWords[f.text]
	if !ok {
		if d.mask == 0 || f.kind == dtSpecial {
			return dtBad
		}
		if zoneByName(f.raw) == nil {
			return dtBad
		}
		return d.zoneName(f.raw)
	}
	switch m.word {
	case wordMonth:
		if d.mask&hasMonth != 0 && !d.textMonth && d.mask&hasDay == 0 && d.month >= 1 && d.month <= 31 {
			d.day = d.month // "7 april": the number was the day
			d.mask |= hasDay
			d.mask &^= hasMonth
		}
		if !d.set(hasMonth) {
			return dtBad
		}
		d.month, d.textMonth = m.value, true
	case wordDay, wordIgnore:
	case wordAMPM:
		if !d.set(hasAMPM) {
			return dtBad
		}
		d.pm = m.value
	case wordEra:
		if !d.set(hasEra) {
			return dtBad
		}
		d.bc = m.value == 1
	case wordTime:
		if d.mask&hasDate != hasDate {
			return dtBad
		}
		*pending = wordTime
	case wordJulian:
		*pending = wordJulian
	case wordNow:
		return dtClock
	case wordEpoch, wordInf, wordNegInf:
		if d.special != wordNone || d.mask != 0 {
			return dtBad
		}
		d.special = m.word
	case wordAllZero:
		if !d.set(hasTime | hasZone) {
			return dtBad
		}
	}
	return dtFine
}

// err makes the error of a fault in text.
func (d *datetime) err(fault dtFault, typ, text string) error {
	switch fault {
	case dtField_:
		return Errorf(CodeDatetimeOverflow, "date/time field value out of range: \"%s\"", clip(text))
	case dtOrder:
		return Errorf(CodeDatetimeOverflow, "date/time field value out of range: \"%s\"", clip(text)).
			WithHint("dates are read as year-month-day or month/day/year")
	case dtZoneOut:
		return Errorf("22009", "time zone displacement out of range: \"%s\"", clip(text))
	case dtNoZone:
		return Errorf(CodeInvalidParameter, "time zone \"%s\" not recognized", clip(d.badZone))
	case dtClock:
		return Errorf(CodeNotSupported, "not supported: \"%s\" as text, since it depends on the clock; use now() or current_date", clip(text))
	}
	return Errorf(CodeInvalidDatetime, "invalid input syntax for type %s: \"%s\"", typ, clip(text))
}

// ParseDate reads a date, as days since 1970. Errors: 22007, 22008; 0A000 for now, today and the like.
func ParseDate(text string) (int32, error) {
	if days, ok := fastDate(text); ok {
		return days, nil
	}
	d, fault := parseDatetime(text)
	if fault == dtFine && d.special == wordNone && d.mask&hasDate != hasDate {
		fault = dtBad
	}
	if fault != dtFine {
		return 0, d.err(fault, "date", text)
	}
	switch d.special {
	case wordInf:
		return DatePosInf, nil
	case wordNegInf:
		return DateNegInf, nil
	case wordEpoch:
		return 0, nil
	}
	days := daysFromCivil(d.year, d.month, d.day)
	if days < int64(minDate) || days > int64(maxDate) {
		return 0, Errorf(CodeDatetimeOverflow, "date out of range: \"%s\"", clip(text))
	}
	return int32(days), nil
}

// ParseTime reads a time of day in microseconds, 00:00:00 to 24:00:00. A date or zone beside it is ignored, as PostgreSQL
// does. Errors: 22007, 22008.
func ParseTime(text string) (int64, error) {
	if us, ok := fastTime(text); ok {
		return us, nil
	}
	d, fault := parseTimeOnly(text)
	if fault != dtFine {
		return 0, d.err(fault, "time", text)
	}
	return d.timeOfDay(), nil
}

// parseTimeOnly accepts in addition run-together times (040506) and Thh:mm.
func parseTimeOnly(text string) (datetime, dtFault) {
	var room [8]dtField
	fields, ok := lexDatetime(text, room[:0])
	if !ok || len(fields) == 0 {
		return datetime{}, dtBad
	}
	last := len(fields) - 1
	if fields[0].kind == dtDate && isDigit(fields[0].text[0]) {
		if last < 1 || fields[1].kind != dtTime && fields[last].kind != dtDate {
			return datetime{}, dtBad
		}
	} else {
		text = "2000-01-01 " + text // a date that does not matter makes digits a time
	}
	d, fault := parseDatetime(text)
	if fault == dtFine && (d.special != wordNone || d.mask&hasTime == 0) {
		fault = dtBad
	}
	return d, fault
}

// ParseTimestamp reads a timestamp in microseconds since 1970; a zone in the text is ignored, as PostgreSQL does.
// Errors: 22007, 22008; 0A000 for now, today and the like.
func ParseTimestamp(text string) (int64, error) {
	if us, ok := fastTimestamp(text, false); ok {
		return us, nil
	}
	return parseTimestamp(text, "timestamp", nil, false)
}

// ParseTimestampTZ reads a timestamp with zone in microseconds since 1970 UTC; a text without a zone is in loc (nil: UTC).
// Errors: 22007, 22008, 22009; 0A000 for now, today and the like.
func ParseTimestampTZ(text string, loc *time.Location) (int64, error) {
	if loc == nil {
		if us, ok := fastTimestamp(text, true); ok {
			return us, nil
		}
	}
	return parseTimestamp(text, "timestamp with time zone", loc, true)
}

func parseTimestamp(text, typ string, loc *time.Location, zoned bool) (int64, error) {
	d, fault := parseDatetime(text)
	if fault == dtFine && d.special == wordNone && d.mask&hasDate != hasDate {
		fault = dtBad
	}
	if fault != dtFine {
		return 0, d.err(fault, typ, text)
	}
	switch d.special {
	case wordInf:
		return TimestampPosInf, nil
	case wordNegInf:
		return TimestampNegInf, nil
	case wordEpoch:
		return 0, nil
	}
	days, rest := daysFromCivil(d.year, d.month, d.day), d.timeOfDay()
	if zoned {
		offset := d.offset
		if d.mask&hasZone == 0 {
			d.zone = loc
		}
		if d.zone != nil {
			if local, ok := timestampOf(days, rest); ok {
				offset = localOffset(local, d.zone)
			}
		}
		rest -= int64(offset) * microsPerSecond
	}
	more, rest := floorDiv(rest, microsPerDay)
	us, ok := timestampOf(days+more, rest)
	if !ok {
		return 0, Errorf(CodeDatetimeOverflow, "timestamp out of range: \"%s\"", clip(text))
	}
	return us, nil
}
