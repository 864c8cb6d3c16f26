package types

import (
	"strings"
	"time"
)

// DateField names a part of a date, time or interval, for extract and date_trunc.
type DateField uint8

// The fields. Up to FieldMillennium they are units and can be truncated to.
const (
	FieldNone DateField = iota
	FieldMicroseconds
	FieldMilliseconds
	FieldSecond
	FieldMinute
	FieldHour
	FieldDay
	FieldWeek
	FieldMonth
	FieldQuarter
	FieldYear
	FieldDecade
	FieldCentury
	FieldMillennium
	FieldDow
	FieldIsoDow
	FieldDoy
	FieldIsoYear
	FieldJulian
	FieldEpoch
	FieldTimezone
	FieldTimezoneHour
	FieldTimezoneMinute
)

var extraFields = map[string]DateField{
	"dow": FieldDow, "isodow": FieldIsoDow, "doy": FieldDoy, "isoyear": FieldIsoYear, "j": FieldJulian, "jd": FieldJulian,
	"julian": FieldJulian, "epoch": FieldEpoch, "timezone": FieldTimezone, "timezone_h": FieldTimezoneHour,
	"timezone_m": FieldTimezoneMinute,
}

// lookupField finds a field by name, in any case and PostgreSQL's abbreviations.
func lookupField(name string) DateField {
	name = strings.ToLower(name)
	if u := lookupUnit(name); u != unitNone && u != unitAgo {
		return DateField(u) // same order
	}
	if len(name) > 10 {
		name = name[:10]
	}
	return extraFields[name]
}

// ParseExtractField finds the field of extract(name FROM a value of kind). Errors: 22023 unknown; 0A000 the kind has no such field.
func ParseExtractField(name string, kind Kind) (DateField, error) {
	f := lookupField(name)
	if f == FieldNone {
		return f, unknownField(name, kind)
	}
	ok := true
	switch kind {
	case Date:
		ok = f >= FieldDay && f < FieldTimezone
	case Time:
		ok = f <= FieldHour || f == FieldEpoch
	case Timestamp:
		ok = f < FieldTimezone
	case Interval:
		ok = f <= FieldMillennium && f != FieldWeek || f == FieldEpoch
	}
	if !ok {
		return f, unsupportedField(name, kind)
	}
	return f, nil
}

// ParseTruncField finds the unit of date_trunc(name, a value of kind). Errors: 22023 unknown; 0A000 not to be truncated to.
func ParseTruncField(name string, kind Kind) (DateField, error) {
	f := lookupField(name)
	switch {
	case f == FieldNone, f > FieldMillennium && f < FieldTimezone:
		return f, unknownField(name, kind)
	case f > FieldMillennium, f == FieldWeek && kind == Interval:
		return f, unsupportedField(name, kind)
	}
	return f, nil
}

func unknownField(name string, kind Kind) error {
	return Errorf(CodeInvalidParameter, "unit \"%s\" not recognized for type %s", clip(name), kindNames[kind])
}

func unsupportedField(name string, kind Kind) error {
	return Errorf(CodeNotSupported, "unit \"%s\" not supported for type %s", clip(name), kindNames[kind])
}

// weekday returns 0 for Sunday to 6.
func weekday(days int64) int64 {
	_, r := floorDiv(days+4, 7)
	return r
}

// isoWeek returns the ISO 8601 year and week of a date; year 0 is 1 BC.
func isoWeek(days int64) (year, week int64) {
	_, back := floorDiv(days+3, 7) // days since Monday
	y, _, _ := civilFromDays(days - back + 3)
	first := daysFromCivil(y, 1, 1)
	return int64(y), (days-back+3-first)/7 + 1
}

// Truncate is date_trunc on a timestamp. Infinities stay. Errors: 22008 before the first timestamp.
func (f DateField) Truncate(us int64) (int64, error) {
	if !IsFiniteTimestamp(us) {
		return us, nil
	}
	width := int64(0)
	switch f {
	case FieldMicroseconds:
		return us, nil
	case FieldMilliseconds:
		width = 1000
	case FieldSecond:
		width = microsPerSecond
	case FieldMinute:
		width = microsPerMinute
	case FieldHour:
		width = microsPerHour
	case FieldDay:
		width = microsPerDay
	}
	if width > 0 {
		_, rest := floorDiv(us, width)
		return us - rest, nil
	}
	days, _ := floorDiv(us, microsPerDay)
	us, ok := timestampOf(f.truncateDays(days), 0)
	if !ok {
		return 0, timestampRange()
	}
	return us, nil
}

// truncateDays truncates a date to a week or more.
func (f DateField) truncateDays(days int64) int64 {
	if f == FieldWeek {
		_, back := floorDiv(days+3, 7)
		return days - back
	}
	y, m, _ := civilFromDays(days)
	switch f {
	case FieldMonth:
		return daysFromCivil(y, m, 1)
	case FieldQuarter:
		return daysFromCivil(y, (m-1)/3*3+1, 1)
	case FieldYear:
		return daysFromCivil(y, 1, 1)
	}
	return daysFromCivil(int(f.firstYear(int64(y))), 1, 1)
}

// firstYear returns the first year of the decade, century or millennium; year 0 is 1 BC, and there is no century 0.
func (f DateField) firstYear(y int64) int64 {
	switch f {
	case FieldDecade:
		_, r := floorDiv(y, 10)
		return y - r
	case FieldCentury:
		_, r := floorDiv(y-1, 100)
		return y - r
	default:
		_, r := floorDiv(y-1, 1000)
		return y - r
	}
}

// TruncateTZ is date_trunc on a timestamp with zone, by the local time in loc (nil: UTC). Errors: 22008.
func (f DateField) TruncateTZ(us int64, loc *time.Location) (int64, error) {
	if loc == nil || loc == time.UTC || !IsFiniteTimestamp(us) || f == FieldMicroseconds {
		return f.Truncate(us)
	}
	offset := zoneOffset(us, loc)
	local, err := shiftTimestamp(us, int64(offset))
	if err != nil {
		return 0, err
	}
	if local, err = f.Truncate(local); err != nil {
		return 0, err
	}
	if f >= FieldDay {
		return ToTimestampTZ(local, loc)
	}
	return shiftTimestamp(local, -int64(offset)) // within an hour the offset stays
}

// TruncateInterval is date_trunc on an interval.
func (f DateField) TruncateInterval(v IntervalValue) IntervalValue {
	months := func(n int32) { v = IntervalValue{Months: v.Months / n * n} }
	switch f {
	case FieldMilliseconds:
		v.Micros = v.Micros / 1000 * 1000
	case FieldSecond:
		v.Micros = v.Micros / microsPerSecond * microsPerSecond
	case FieldMinute:
		v.Micros = v.Micros / microsPerMinute * microsPerMinute
	case FieldHour:
		v.Micros = v.Micros / microsPerHour * microsPerHour
	case FieldDay:
		v.Micros = 0
	case FieldMonth:
		months(1)
	case FieldQuarter:
		months(3)
	case FieldYear:
		months(12)
	case FieldDecade:
		months(120)
	case FieldCentury:
		months(1200)
	case FieldMillennium:
		months(12000)
	}
	return v
}

// Extract is extract from a timestamp. ok is false where an infinity has no such field (NULL).
func (f DateField) Extract(us int64) (v NumericValue, ok bool) {
	if !IsFiniteTimestamp(us) {
		return f.infinite(us > 0)
	}
	days, rest := floorDiv(us, microsPerDay)
	switch f {
	case FieldEpoch:
		v := NumericFromInt64(us)
		v.Scale = 6
		return v, true
	case FieldJulian:
		day := NumericFromInt64(days + unixJulian)
		part, err := NumericFromInt64(rest).Div(NumericFromInt64(microsPerDay))
		if err != nil {
			return v, false
		}
		v, err = day.Add(part)
		return v, err == nil
	}
	if v, ok := f.fromTime(rest); ok {
		return v, true
	}
	return NumericFromInt64(f.fromDays(days)), true
}

// infinite gives the fields that grow with time an infinity.
func (f DateField) infinite(positive bool) (NumericValue, bool) {
	switch f {
	case FieldYear, FieldDecade, FieldCentury, FieldMillennium, FieldJulian, FieldIsoYear, FieldEpoch:
		if positive {
			return PositiveInfinity, true
		}
		return NegativeInfinity, true
	}
	return NumericValue{}, false
}

// fromTime reads a field of the time of day.
func (f DateField) fromTime(rest int64) (v NumericValue, ok bool) {
	minute := rest % microsPerMinute
	switch f {
	case FieldMicroseconds:
		return NumericFromInt64(minute), true
	case FieldMilliseconds:
		v = NumericFromInt64(minute)
		v.Scale = 3
	case FieldSecond:
		v = NumericFromInt64(minute)
		v.Scale = 6
	case FieldMinute:
		v = NumericFromInt64(rest / microsPerMinute % 60)
	case FieldHour:
		v = NumericFromInt64(rest / microsPerHour)
	default:
		return v, false
	}
	return v, true
}

// fromDays reads a field of a date.
func (f DateField) fromDays(days int64) int64 {
	year, month, day := civilFromDays(days)
	y := int64(year)
	switch f {
	case FieldDay:
		return int64(day)
	case FieldWeek:
		_, week := isoWeek(days)
		return week
	case FieldMonth:
		return int64(month)
	case FieldQuarter:
		return int64(month-1)/3 + 1
	case FieldYear:
		if y <= 0 {
			y--
		}
		return y
	case FieldDecade:
		q, _ := floorDiv(y, 10)
		return q
	case FieldCentury, FieldMillennium:
		width := int64(100)
		if f == FieldMillennium {
			width = 1000
		}
		if y > 0 {
			return (y + width - 1) / width
		}
		return -((width - y) / width)
	case FieldDow:
		return weekday(days)
	case FieldIsoDow:
		return (weekday(days)+6)%7 + 1
	case FieldDoy:
		return days - daysFromCivil(year, 1, 1) + 1
	case FieldIsoYear:
		iso, _ := isoWeek(days)
		if iso <= 0 {
			iso--
		}
		return iso
	case FieldJulian:
		return days + unixJulian
	case FieldEpoch:
		return days * 86400
	}
	return 0
}

// ExtractTZ is extract from a timestamp with zone, by the local time in loc (nil: UTC).
func (f DateField) ExtractTZ(us int64, loc *time.Location) (v NumericValue, ok bool) {
	if !IsFiniteTimestamp(us) {
		return f.infinite(us > 0)
	}
	offset := int64(zoneOffset(us, loc))
	switch f {
	case FieldEpoch:
		return f.Extract(us)
	case FieldTimezone:
		return NumericFromInt64(offset), true
	case FieldTimezoneHour:
		return NumericFromInt64(offset / 3600), true
	case FieldTimezoneMinute:
		return NumericFromInt64(offset / 60 % 60), true
	}
	local, err := shiftTimestamp(us, offset)
	if err != nil {
		return v, false
	}
	return f.Extract(local)
}

// ExtractDate is extract from a date. ok is false where an infinity has no such field (NULL).
func (f DateField) ExtractDate(date int32) (v NumericValue, ok bool) {
	if !IsFiniteDate(date) {
		return f.infinite(date > 0)
	}
	return NumericFromInt64(f.fromDays(int64(date))), true
}

// ExtractTime is extract from a time of day.
func (f DateField) ExtractTime(us int64) NumericValue {
	if f == FieldEpoch {
		v := NumericFromInt64(us)
		v.Scale = 6
		return v
	}
	v, _ := f.fromTime(us)
	return v
}

// ExtractInterval is extract from an interval.
func (f DateField) ExtractInterval(iv IntervalValue) NumericValue {
	switch f {
	case FieldDay:
		return NumericFromInt64(int64(iv.Days))
	case FieldMonth:
		return NumericFromInt64(int64(iv.Months % 12))
	case FieldQuarter:
		return NumericFromInt64(int64(iv.Months%12/3 + 1))
	case FieldYear:
		return NumericFromInt64(int64(iv.Months / 12))
	case FieldDecade:
		return NumericFromInt64(int64(iv.Months / 120))
	case FieldCentury:
		return NumericFromInt64(int64(iv.Months / 1200))
	case FieldMillennium:
		return NumericFromInt64(int64(iv.Months / 12000))
	case FieldEpoch: // a year counts 365.25 days, a month 30
		secs := (1461*int64(iv.Months/12) + 120*int64(iv.Months%12) + 4*int64(iv.Days)) * 21600
		v := NumericFromInt64(secs)
		v.Scale = 0
		sum, err := v.Add(NumericValue{Hi: iv.Micros >> 63, Lo: uint64(iv.Micros), Scale: 6})
		if err != nil {
			return NaN // not reached: both are far below 10^38
		}
		return sum
	}
	v, _ := f.fromTime(iv.Micros) // signs follow the interval
	return v
}
