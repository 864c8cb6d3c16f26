package types

// Calendar limits, as PostgreSQL's where the storage allows it. A timestamp is microseconds since 1970 in an int64, so the
// last one is in January 294247, where PostgreSQL, which counts from 2000, reaches December 294276.
const (
	microsPerSecond int64 = 1_000_000
	microsPerMinute       = 60 * microsPerSecond
	microsPerHour         = 60 * microsPerMinute
	microsPerDay          = 24 * microsPerHour

	unixJulian = 2440588 // Julian day of 1970-01-01

	minTimestamp       = -unixJulian * microsPerDay // 4714-11-24 00:00:00 BC
	maxTimestamp int64 = TimestampPosInf - 1        // 294247-01-10 04:00:54.775806
	minDate      int32 = -unixJulian                // 4714-11-24 BC
	maxDate      int32 = 2147483493 - unixJulian    // 5874897-12-31
)

// daysFromCivil returns the days from 1970-01-01 to a date of the proleptic Gregorian calendar; year 0 is 1 BC. day may lie
// outside of the month.
// Source: the era arithmetic of H. Hinnant, "chrono-Compatible Low-Level Date Algorithms".
func daysFromCivil(year, month, day int) int64 {
	y := int64(year)
	if month <= 2 {
		y--
	}
	era := y
	if y < 0 {
		era -= 399
	}
	era /= 400
	yoe := y - era*400
	mp := int64(month+9) % 12
	doy := (153*mp+2)/5 + int64(day) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// civilFromDays is the inverse of daysFromCivil.
func civilFromDays(days int64) (year, month, day int) {
	z := days + 719468
	era := z
	if z < 0 {
		era -= 146096
	}
	era /= 146097
	doe := uint64(z - era*146097)
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = int(doy - (153*mp+2)/5 + 1)
	month = int(mp) + 3
	year = int(int64(yoe) + era*400)
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

var monthDays = [13]uint8{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func isLeap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysInMonth(year, month int) int {
	if month == 2 && isLeap(year) {
		return 29
	}
	return int(monthDays[month])
}

// floorDiv returns the quotient rounded down and the remainder in [0, b).
func floorDiv(a, b int64) (quotient, remainder int64) {
	quotient, remainder = a/b, a%b
	if remainder < 0 {
		quotient--
		remainder += b
	}
	return quotient, remainder
}

// civil is a broken-down local time; year 0 is 1 BC.
type civil struct {
	year, month, day  int
	hour, minute, sec int
	micro             int
}

func civilFromMicros(us int64) civil {
	days, rest := floorDiv(us, microsPerDay)
	var c civil
	c.year, c.month, c.day = civilFromDays(days)
	c.setTime(rest)
	return c
}

func (c *civil) setTime(rest int64) {
	secs := rest / microsPerSecond
	c.micro = int(rest % microsPerSecond)
	c.hour = int(secs / 3600)
	c.minute = int(secs / 60 % 60)
	c.sec = int(secs % 60)
}

func (c civil) timeOfDay() int64 {
	return int64(c.hour)*microsPerHour + int64(c.minute)*microsPerMinute + int64(c.sec)*microsPerSecond + int64(c.micro)
}

// timestampOf joins days since 1970 and microseconds; ok is false out of range.
func timestampOf(days, rest int64) (us int64, ok bool) {
	const far = maxTimestamp/microsPerDay + 1
	if days > far || days < -far {
		return 0, false
	}
	// days*microsPerDay can exceed the range by at most a day: saturate by splitting.
	high, low := days*(microsPerDay/2), days*(microsPerDay/2)+rest
	us = high + low
	if (high > 0 && low > 0 && us < 0) || us < minTimestamp || us > maxTimestamp || (days > 0 && us < 0) {
		return 0, false
	}
	return us, true
}

func validTimestamp(us int64) bool { return us >= minTimestamp && us <= maxTimestamp }

// IsFiniteTimestamp reports whether us is neither infinity.
func IsFiniteTimestamp(us int64) bool { return us != TimestampPosInf && us != TimestampNegInf }

// IsFiniteDate reports whether days is neither infinity.
func IsFiniteDate(days int32) bool { return days != DatePosInf && days != DateNegInf }

func timestampRange() error { return Errorf(CodeDatetimeOverflow, "timestamp out of range") }

func dateRange() error { return Errorf(CodeDatetimeOverflow, "date out of range") }
