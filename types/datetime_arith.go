package types

import (
	"math"
	"time"
)

// AddInterval returns timestamp + interval: months first (the day is cut to the month's last), then days, then the rest.
// Infinities stay. Errors: 22008 out of range.
func AddInterval(us int64, v IntervalValue) (int64, error) {
	if !IsFiniteTimestamp(us) {
		return us, nil
	}
	if v.Months != 0 || v.Days != 0 {
		days, rest := floorDiv(us, microsPerDay)
		days = addMonths(days, v.Months) + int64(v.Days)
		var ok bool
		if us, ok = timestampOf(days, rest); !ok {
			return 0, timestampRange()
		}
	}
	sum, ok := addInt64(us, v.Micros)
	if !ok || !validTimestamp(sum) {
		return 0, timestampRange()
	}
	return sum, nil
}

// addMonths moves a date by months; the day is cut to the month's last.
func addMonths(days int64, months int32) int64 {
	if months == 0 {
		return days
	}
	y, m, d := civilFromDays(days)
	year, month := floorDiv(int64(y)*12+int64(m)-1+int64(months), 12)
	return daysFromCivil(int(year), int(month)+1, min(d, daysInMonth(int(year), int(month)+1)))
}

// SubInterval returns timestamp - interval. Errors: 22008 out of range.
func SubInterval(us int64, v IntervalValue) (int64, error) {
	v, err := v.Neg()
	if err != nil {
		return 0, err
	}
	return AddInterval(us, v)
}

// AddIntervalTZ returns timestamptz + interval, where months and days move the local time in loc (nil: UTC).
// Errors: 22008 out of range.
func AddIntervalTZ(us int64, v IntervalValue, loc *time.Location) (int64, error) {
	if loc == nil || loc == time.UTC || !IsFiniteTimestamp(us) || (v.Months == 0 && v.Days == 0) {
		return AddInterval(us, v)
	}
	local, err := ToTimestamp(us, loc)
	if err != nil {
		return 0, err
	}
	for _, step := range [...]IntervalValue{{Months: v.Months}, {Days: v.Days}} {
		if step == (IntervalValue{}) {
			continue
		}
		if local, err = AddInterval(local, step); err != nil {
			return 0, err
		}
		if us, err = ToTimestampTZ(local, loc); err != nil {
			return 0, err
		}
		if local, err = ToTimestamp(us, loc); err != nil {
			return 0, err
		}
	}
	return AddInterval(us, IntervalValue{Micros: v.Micros})
}

// SubIntervalTZ returns timestamptz - interval. Errors: 22008 out of range.
func SubIntervalTZ(us int64, v IntervalValue, loc *time.Location) (int64, error) {
	v, err := v.Neg()
	if err != nil {
		return 0, err
	}
	return AddIntervalTZ(us, v, loc)
}

// SubTimestamp returns a-b as days and microseconds. Errors: 22008 for infinities and out of range.
func SubTimestamp(a, b int64) (IntervalValue, error) {
	if !IsFiniteTimestamp(a) || !IsFiniteTimestamp(b) {
		return IntervalValue{}, Errorf(CodeDatetimeOverflow, "cannot subtract infinite timestamps")
	}
	us, ok := addInt64(a, -b)
	if !ok {
		return IntervalValue{}, intervalRange()
	}
	return IntervalValue{Days: int32(us / microsPerDay), Micros: us % microsPerDay}, nil
}

// Age returns a-b as years, months, days and a time of less than a day (age). For TIMESTAMPTZ pass local times.
// Errors: 22008 for infinities.
func Age(a, b int64) (IntervalValue, error) {
	if !IsFiniteTimestamp(a) || !IsFiniteTimestamp(b) {
		return IntervalValue{}, intervalRange()
	}
	x, y, negative := civilFromMicros(a), civilFromMicros(b), a < b
	if negative {
		x, y = y, x
	}
	rest := x.timeOfDay() - y.timeOfDay()
	days := x.day - y.day
	months := (x.year-y.year)*12 + x.month - y.month
	if rest < 0 {
		rest += microsPerDay
		days--
	}
	for days < 0 { // borrow the length of the earlier timestamp's month
		days += daysInMonth(y.year, y.month)
		months--
	}
	v := IntervalValue{Months: int32(months), Days: int32(days), Micros: rest}
	if negative {
		return v.Neg()
	}
	return v, nil
}

// DateAddDays returns date + days. Infinities stay. Errors: 22008 out of range.
func DateAddDays(date int32, days int64) (int32, error) {
	if !IsFiniteDate(date) {
		return date, nil
	}
	sum, ok := addInt64(int64(date), days)
	if !ok || sum < int64(minDate) || sum > int64(maxDate) {
		return 0, dateRange()
	}
	return int32(sum), nil
}

// DateSub returns the days from b to a. Errors: 22008 for infinities.
func DateSub(a, b int32) (int32, error) {
	if !IsFiniteDate(a) || !IsFiniteDate(b) {
		return 0, Errorf(CodeDatetimeOverflow, "cannot subtract infinite dates")
	}
	return a - b, nil
}

// DateToTimestamp returns midnight of a date. Errors: 22008 beyond the last timestamp.
func DateToTimestamp(date int32) (int64, error) {
	switch date {
	case DatePosInf:
		return TimestampPosInf, nil
	case DateNegInf:
		return TimestampNegInf, nil
	}
	us, ok := timestampOf(int64(date), 0)
	if !ok {
		return 0, Errorf(CodeDatetimeOverflow, "date out of range for timestamp")
	}
	return us, nil
}

// DateToTimestampTZ returns midnight of a date in loc. Errors: 22008 beyond the last timestamp.
func DateToTimestampTZ(date int32, loc *time.Location) (int64, error) {
	us, err := DateToTimestamp(date)
	if err != nil {
		return 0, err
	}
	return ToTimestampTZ(us, loc)
}

// TimestampToDate returns the date of a timestamp.
func TimestampToDate(us int64) int32 {
	switch us {
	case TimestampPosInf:
		return DatePosInf
	case TimestampNegInf:
		return DateNegInf
	}
	days, _ := floorDiv(us, microsPerDay)
	return int32(days)
}

// TimestampToTime returns the time of day; ok is false for infinities, which have none (NULL).
func TimestampToTime(us int64) (rest int64, ok bool) {
	if !IsFiniteTimestamp(us) {
		return 0, false
	}
	_, rest = floorDiv(us, microsPerDay)
	return rest, true
}

// DateAddTime returns date + time of day. Errors: 22008 beyond the last timestamp.
func DateAddTime(date int32, us int64) (int64, error) {
	midnight, err := DateToTimestamp(date)
	if err != nil || !IsFiniteTimestamp(midnight) {
		return midnight, err
	}
	return AddInterval(midnight, IntervalValue{Micros: us})
}

// TimeAddInterval returns time + interval, around the clock; months and days do not count.
func TimeAddInterval(us int64, v IntervalValue) int64 {
	_, rest := floorDiv(us+v.Micros%microsPerDay, microsPerDay)
	return rest
}

// TimeSubInterval returns time - interval, around the clock.
func TimeSubInterval(us int64, v IntervalValue) int64 {
	_, rest := floorDiv(us-v.Micros%microsPerDay, microsPerDay)
	return rest
}

// MakeDate is make_date; a negative year is BC. Errors: 22008.
func MakeDate(year, month, day int) (int32, error) {
	y := year
	if y < 0 {
		y++
	}
	if year == 0 || year > 5874897 || year < -4714 || month < 1 || month > 12 || day < 1 || day > daysInMonth(y, month) {
		return 0, Errorf(CodeDatetimeOverflow, "date field value out of range: %d-%02d-%02d", year, month, day)
	}
	days := daysFromCivil(y, month, day)
	if days < int64(minDate) || days > int64(maxDate) {
		return 0, Errorf(CodeDatetimeOverflow, "date out of range: %d-%02d-%02d", year, month, day)
	}
	return int32(days), nil
}

// MakeTime is make_time. Errors: 22008.
func MakeTime(hour, minute int, sec float64) (int64, error) {
	us := math.RoundToEven(sec * 1e6)
	ok := hour >= 0 && hour <= 24 && minute >= 0 && minute <= 59 && us >= 0 && us <= 60e6
	if !ok || hour == 24 && (minute > 0 || us > 0) {
		return 0, Errorf(CodeDatetimeOverflow, "time field value out of range: %d:%02d:%02g", hour, minute, sec)
	}
	return int64(hour)*microsPerHour + int64(minute)*microsPerMinute + int64(us), nil
}

// MakeTimestamp is make_timestamp. Errors: 22008.
func MakeTimestamp(year, month, day, hour, minute int, sec float64) (int64, error) {
	date, err := MakeDate(year, month, day)
	if err != nil {
		return 0, err
	}
	us, err := MakeTime(hour, minute, sec)
	if err != nil {
		return 0, err
	}
	return DateAddTime(date, us)
}

// TimestampFromEpoch is to_timestamp(double precision). Errors: 22008.
func TimestampFromEpoch(secs float64) (int64, error) {
	switch {
	case math.IsNaN(secs):
		return 0, Errorf(CodeDatetimeOverflow, "timestamp cannot be NaN")
	case math.IsInf(secs, 1):
		return TimestampPosInf, nil
	case math.IsInf(secs, -1):
		return TimestampNegInf, nil
	}
	// PostgreSQL rounds the seconds since 2000, which decides the last bits.
	const epoch2000 = 946_684_800
	us := math.RoundToEven((secs - epoch2000) * 1e6)
	if us < float64(minTimestamp)-epoch2000*1e6 || us >= float64(math.MaxInt64)-epoch2000*1e6 {
		return 0, Errorf(CodeDatetimeOverflow, "timestamp out of range: \"%g\"", secs)
	}
	return int64(us) + epoch2000*microsPerSecond, nil
}

// DateBin is date_bin: the start of the bin of width stride, counted from origin, that holds us. Errors: 0A000 for months;
// 22008 for a stride that is not positive, infinities and out of range.
func DateBin(stride IntervalValue, us, origin int64) (int64, error) {
	if !IsFiniteTimestamp(us) {
		return us, nil
	}
	if !IsFiniteTimestamp(origin) {
		return 0, Errorf(CodeDatetimeOverflow, "origin out of range")
	}
	if stride.Months != 0 {
		return 0, Errorf(CodeNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	width, ok := addInt64(int64(stride.Days)*microsPerDay, stride.Micros)
	if !ok {
		return 0, intervalRange()
	}
	if width <= 0 {
		return 0, Errorf(CodeDatetimeOverflow, "stride must be greater than zero")
	}
	diff, ok := addInt64(us, -origin)
	if !ok {
		return 0, intervalRange()
	}
	_, rest := floorDiv(diff, width)
	start, ok := addInt64(us, -rest)
	if !ok || !validTimestamp(start) {
		return 0, timestampRange()
	}
	return start, nil
}
