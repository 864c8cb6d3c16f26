package types

import (
	"time"
)

// AppendDate appends a date in PostgreSQL's ISO form.
func AppendDate(dst []byte, days int32) []byte {
	switch days {
	case DatePosInf:
		return append(dst, "infinity"...)
	case DateNegInf:
		return append(dst, "-infinity"...)
	}
	y, m, d := civilFromDays(int64(days))
	dst = appendYMD(dst, y, m, d)
	return appendEra(dst, y)
}

// AppendTime appends a time of day, 00:00:00 to 24:00:00, in microseconds.
func AppendTime(dst []byte, us int64) []byte {
	var c civil
	c.setTime(us)
	return appendClock(dst, c)
}

// AppendTimestamp appends a timestamp in PostgreSQL's ISO form.
func AppendTimestamp(dst []byte, us int64) []byte {
	if !IsFiniteTimestamp(us) {
		return appendInfinite(dst, us)
	}
	c := civilFromMicros(us)
	dst = appendYMD(dst, c.year, c.month, c.day)
	dst = append(dst, ' ')
	dst = appendClock(dst, c)
	return appendEra(dst, c.year)
}

// AppendTimestampTZ appends a timestamp with zone as it reads in loc; nil is UTC.
func AppendTimestampTZ(dst []byte, us int64, loc *time.Location) []byte {
	if !IsFiniteTimestamp(us) {
		return appendInfinite(dst, us)
	}
	offset := zoneOffset(us, loc)
	days, rest := floorDiv(us, microsPerDay)
	rest += int64(offset) * microsPerSecond
	more, rest := floorDiv(rest, microsPerDay)
	var c civil
	c.year, c.month, c.day = civilFromDays(days + more)
	c.setTime(rest)
	dst = appendYMD(dst, c.year, c.month, c.day)
	dst = append(dst, ' ')
	dst = appendClock(dst, c)
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append2(append(dst, sign), offset/3600)
	if offset%3600 != 0 {
		dst = append2(append(dst, ':'), offset/60%60)
		if offset%60 != 0 {
			dst = append2(append(dst, ':'), offset%60)
		}
	}
	return appendEra(dst, c.year)
}

func appendInfinite(dst []byte, us int64) []byte {
	if us == TimestampPosInf {
		return append(dst, "infinity"...)
	}
	return append(dst, "-infinity"...)
}

func append2(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

func appendYMD(dst []byte, y, m, d int) []byte {
	if y <= 0 {
		y = 1 - y
	}
	if y < 10000 {
		dst = append2(dst, y/100)
		dst = append2(dst, y%100)
	} else {
		dst = u128{0, uint64(y)}.appendDecimal(dst)
	}
	dst = append2(append(dst, '-'), m)
	return append2(append(dst, '-'), d)
}

func appendEra(dst []byte, y int) []byte {
	if y <= 0 {
		return append(dst, " BC"...)
	}
	return dst
}

func appendClock(dst []byte, c civil) []byte {
	dst = append2(dst, c.hour)
	dst = append2(append(dst, ':'), c.minute)
	dst = append2(append(dst, ':'), c.sec)
	return appendMicros(dst, c.micro)
}

// appendMicros appends the fraction without trailing zeros, nothing for 0.
func appendMicros(dst []byte, micro int) []byte {
	if micro == 0 {
		return dst
	}
	dst = append(dst, '.')
	for div := 100_000; micro > 0; div /= 10 {
		dst = append(dst, byte('0'+micro/div))
		micro %= div
	}
	return dst
}
