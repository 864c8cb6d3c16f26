package types

import (
	"cmp"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
)

// IntervalValue is one value of INTERVAL: months, days and microseconds, each with its own sign, as PostgreSQL keeps them.
type IntervalValue struct {
	Months, Days int32
	Micros       int64
}

// MaxIntervalMicros bounds Micros in storage: Arrow's month_day_nano holds nanoseconds in an int64, about 292 years, where
// PostgreSQL reaches 292,000.
const MaxIntervalMicros = math.MaxInt64 / 1000

// MicrosOf returns an interval of microseconds alone.
func MicrosOf(us int64) IntervalValue { return IntervalValue{Micros: us} }

func intervalRange() error { return Errorf(CodeDatetimeOverflow, "interval out of range") }

// check refuses what the storage cannot hold.
func (v IntervalValue) check() (IntervalValue, error) {
	if v.Micros > MaxIntervalMicros || v.Micros < -MaxIntervalMicros {
		return IntervalValue{}, intervalRange()
	}
	return v, nil
}

// Arrow returns the storage form. Micros beyond MaxIntervalMicros, which no function here returns, are clamped.
func (v IntervalValue) Arrow() arrow.MonthDayNanoInterval {
	us := max(min(v.Micros, MaxIntervalMicros), -MaxIntervalMicros)
	return arrow.MonthDayNanoInterval{Months: v.Months, Days: v.Days, Nanoseconds: us * 1000}
}

// IntervalFromArrow reads the storage form; nanoseconds are rounded to microseconds.
func IntervalFromArrow(v arrow.MonthDayNanoInterval) IntervalValue {
	us := v.Nanoseconds / 1000
	switch r := v.Nanoseconds % 1000; {
	case r >= 500:
		us++
	case r <= -500:
		us--
	}
	return IntervalValue{Months: v.Months, Days: v.Days, Micros: us}
}

// span returns the interval's length in microseconds, with months of 30 days and days of 24 hours, in 128 bits.
func (v IntervalValue) span() (hi int64, lo uint64) {
	days, rest := floorDiv(v.Micros, microsPerDay)
	days += int64(v.Months)*30 + int64(v.Days)
	h, l := bits.Mul64(abs64(days), uint64(microsPerDay))
	if days < 0 {
		var borrow uint64
		l, borrow = bits.Sub64(0, l, 0)
		h, _ = bits.Sub64(0, h, borrow)
	}
	l, carry := bits.Add64(l, uint64(rest), 0)
	return int64(h + carry), l
}

// Cmp compares lengths, with months of 30 days and days of 24 hours: -1, 0 or 1.
func (v IntervalValue) Cmp(o IntervalValue) int {
	h1, l1 := v.span()
	h2, l2 := o.span()
	if h1 != h2 {
		return cmp.Compare(h1, h2)
	}
	return cmp.Compare(l1, l2)
}

// Sign returns -1, 0 or 1.
func (v IntervalValue) Sign() int { return v.Cmp(IntervalValue{}) }

// Normalize returns the one form that all intervals of equal length share, for hashing and encoding.
func (v IntervalValue) Normalize() IntervalValue {
	days, rest := floorDiv(v.Micros, microsPerDay)
	days += int64(v.Months)*30 + int64(v.Days)
	months, days := floorDiv(days, 30)
	return IntervalValue{Months: int32(months), Days: int32(days), Micros: rest} // |months| grows by at most 3.6 M
}

// Neg returns -v. Errors: 22008 out of range.
func (v IntervalValue) Neg() (IntervalValue, error) {
	if v.Months == math.MinInt32 || v.Days == math.MinInt32 || v.Micros == math.MinInt64 {
		return IntervalValue{}, intervalRange()
	}
	return IntervalValue{-v.Months, -v.Days, -v.Micros}, nil
}

// Add returns v+o, field by field. Errors: 22008 out of range.
func (v IntervalValue) Add(o IntervalValue) (IntervalValue, error) {
	us, ok := addInt64(v.Micros, o.Micros)
	return makeIntervalValue(int64(v.Months)+int64(o.Months), int64(v.Days)+int64(o.Days), us, ok)
}

// Sub returns v-o, field by field. Errors: 22008 out of range.
func (v IntervalValue) Sub(o IntervalValue) (IntervalValue, error) {
	if o.Micros == math.MinInt64 {
		return IntervalValue{}, intervalRange()
	}
	us, ok := addInt64(v.Micros, -o.Micros)
	return makeIntervalValue(int64(v.Months)-int64(o.Months), int64(v.Days)-int64(o.Days), us, ok)
}

func makeIntervalValue(months, days, us int64, ok bool) (IntervalValue, error) {
	if !ok || months != int64(int32(months)) || days != int64(int32(days)) {
		return IntervalValue{}, intervalRange()
	}
	return IntervalValue{int32(months), int32(days), us}.check()
}

// Mul returns v*f; fractions of months spill into days and of days into microseconds. Errors: 22008 out of range.
func (v IntervalValue) Mul(f float64) (IntervalValue, error) {
	return v.scaleBy(func(x float64) float64 { return x * f })
}

// Div returns v/f. Errors: 22012; 22008 out of range.
func (v IntervalValue) Div(f float64) (IntervalValue, error) {
	if f == 0 {
		return IntervalValue{}, divisionByZero()
	}
	return v.scaleBy(func(x float64) float64 { return x / f })
}

// scaleBy applies a linear function to each field and hands fractions down.
// Source: the behaviour of interval_mul and interval_div in PostgreSQL's timestamp.c.
func (v IntervalValue) scaleBy(f func(float64) float64) (IntervalValue, error) {
	months, days := f(float64(v.Months)), f(float64(v.Days))
	if !(math.Abs(months) <= math.MaxInt32) || !(math.Abs(days) <= math.MaxInt32) {
		return IntervalValue{}, intervalRange()
	}
	r := IntervalValue{Months: int32(months), Days: int32(days)}
	// Whole days of the month's fraction, the rest in seconds; rounding hides the noise of binary fractions.
	monthDays := roundMicro((months - float64(r.Months)) * 30)
	secs := (days - float64(r.Days) + monthDays - math.Trunc(monthDays)) * 86400
	secs = roundMicro(secs)
	if math.Abs(secs) >= 86400 {
		more := math.Trunc(secs / 86400)
		sum := int64(r.Days) + int64(more)
		if sum != int64(int32(sum)) {
			return IntervalValue{}, intervalRange()
		}
		r.Days = int32(sum)
		secs -= more * 86400
	}
	sum := int64(r.Days) + int64(monthDays)
	if sum != int64(int32(sum)) {
		return IntervalValue{}, intervalRange()
	}
	r.Days = int32(sum)
	us := math.RoundToEven(f(float64(v.Micros)) + secs*1e6)
	if !(math.Abs(us) <= MaxIntervalMicros) {
		return IntervalValue{}, intervalRange()
	}
	r.Micros = int64(us)
	return r, nil
}

// roundMicro rounds to six digits after the point, half to even.
func roundMicro(x float64) float64 { return math.RoundToEven(x*1e6) / 1e6 }

// JustifyHours turns each 24 hours into a day. Errors: 22008 out of range.
func (v IntervalValue) JustifyHours() (IntervalValue, error) {
	days := v.Micros / microsPerDay
	us := v.Micros - days*microsPerDay
	days += int64(v.Days)
	if days > 0 && us < 0 {
		us, days = us+microsPerDay, days-1
	} else if days < 0 && us > 0 {
		us, days = us-microsPerDay, days+1
	}
	return makeIntervalValue(int64(v.Months), days, us, true)
}

// JustifyDays turns each 30 days into a month. Errors: 22008 out of range.
func (v IntervalValue) JustifyDays() (IntervalValue, error) {
	more := v.Days / 30
	days := int64(v.Days - more*30)
	months := int64(v.Months) + int64(more)
	if months > 0 && days < 0 {
		days, months = days+30, months-1
	} else if months < 0 && days > 0 {
		days, months = days-30, months+1
	}
	return makeIntervalValue(months, days, v.Micros, true)
}

// Justify does both and makes all signs equal (justify_interval). Errors: 22008 out of range.
func (v IntervalValue) Justify() (IntervalValue, error) {
	days := int64(v.Days) + v.Micros/microsPerDay
	us := v.Micros % microsPerDay
	months := int64(v.Months) + days/30
	days %= 30
	if months > 0 && (days < 0 || days == 0 && us < 0) {
		days, months = days+30, months-1
	} else if months < 0 && (days > 0 || days == 0 && us > 0) {
		days, months = days-30, months+1
	}
	if days > 0 && us < 0 {
		us, days = us+microsPerDay, days-1
	} else if days < 0 && us > 0 {
		us, days = us-microsPerDay, days+1
	}
	return makeIntervalValue(months, days, us, true)
}

// MakeInterval is make_interval. Errors: 22008 out of range.
func MakeInterval(years, months, weeks, days, hours, mins int32, secs float64) (IntervalValue, error) {
	us := math.RoundToEven(secs * 1e6)
	if !(math.Abs(us) <= MaxIntervalMicros) {
		return IntervalValue{}, intervalRange()
	}
	micros, ok := addInt64(int64(us), int64(hours)*microsPerHour+int64(mins)*microsPerMinute)
	return makeIntervalValue(int64(years)*12+int64(months), int64(weeks)*7+int64(days), micros, ok)
}

// IntervalFields restricts an interval to the fields from high to low (INTERVAL DAY TO SECOND), and tells the unit of a
// bare number. The zero value restricts nothing.
type IntervalFields uint8

// The qualifiers of INTERVAL.
const (
	IntervalFull IntervalFields = iota
	IntervalYear
	IntervalMonth
	IntervalDay
	IntervalHour
	IntervalMinute
	IntervalSecond
	IntervalYearToMonth
	IntervalDayToHour
	IntervalDayToMinute
	IntervalDayToSecond
	IntervalHourToMinute
	IntervalHourToSecond
	IntervalMinuteToSecond
)

// Restrict cuts what is below the qualifier's last field, and rounds to precision digits of a second (below 0 or above 5:
// no rounding).
func (v IntervalValue) Restrict(fields IntervalFields, precision int) IntervalValue {
	switch fields {
	case IntervalYear:
		v.Months = v.Months / 12 * 12
		v.Days, v.Micros = 0, 0
	case IntervalMonth, IntervalYearToMonth:
		v.Days, v.Micros = 0, 0
	case IntervalDay:
		v.Micros = 0
	case IntervalHour, IntervalDayToHour:
		v.Micros = v.Micros / microsPerHour * microsPerHour
	case IntervalMinute, IntervalDayToMinute, IntervalHourToMinute:
		v.Micros = v.Micros / microsPerMinute * microsPerMinute
	}
	if precision >= 0 && precision < 6 {
		v.Micros = roundMicros(v.Micros, precision)
	}
	return v
}

// roundMicros rounds half away from zero to precision digits of a second.
func roundMicros(us int64, precision int) int64 {
	unit := int64(pow10u64[6-precision])
	if us < 0 {
		return -((-us + unit/2) / unit * unit)
	}
	return (us + unit/2) / unit * unit
}
