package types

// The fast paths read the forms that machines write, without allocation, and decline (ok is false) everything else,
// errors included: the general parsers decide then.

// ParseTimestampBytes is ParseTimestamp without a conversion of the usual forms.
func ParseTimestampBytes(text []byte) (int64, error) {
	if us, ok := fastTimestamp(text, false); ok {
		return us, nil
	}
	return ParseTimestamp(string(text))
}

// ParseTimestampTZBytes is ParseTimestampTZ in UTC without a conversion of the usual forms.
func ParseTimestampTZBytes(text []byte) (int64, error) {
	if us, ok := fastTimestamp(text, true); ok {
		return us, nil
	}
	return ParseTimestampTZ(string(text), nil)
}

// ParseDateBytes is ParseDate without a conversion of the usual form.
func ParseDateBytes(text []byte) (int32, error) {
	if days, ok := fastDate(text); ok {
		return days, nil
	}
	return ParseDate(string(text))
}

// pair reads two digits at text[i:]; a value above 99 means that they are none.
func pair[T string | []byte](text T, i int) uint {
	a, b := uint(text[i]-'0'), uint(text[i+1]-'0')
	if a > 9 || b > 9 {
		return 255
	}
	return a*10 + b
}

// fastDays reads YYYY-MM-DD at the start of text, for years 1 to 9999.
func fastDays[T string | []byte](text T) (days int64, ok bool) {
	if len(text) < 10 || text[4] != '-' || text[7] != '-' {
		return 0, false
	}
	y1, y2, m, d := pair(text, 0), pair(text, 2), pair(text, 5), pair(text, 8)
	if y1 > 99 || y2 > 99 || m-1 > 11 || d-1 > 27 && (d > 31 || d == 0 || int(d) > daysInMonth(int(y1*100+y2), int(m))) {
		return 0, false
	}
	year := y1*100 + y2
	if year == 0 {
		return 0, false
	}
	// Days in the years from March, all positive.
	if m <= 2 {
		year--
		m += 12
	}
	return int64(year*365+year/4-year/100+year/400+(153*(m-3)+2)/5+d) - 719469, true
}

func fastDate[T string | []byte](text T) (int32, bool) {
	if len(text) != 10 {
		return 0, false
	}
	days, ok := fastDays(text)
	return int32(days), ok
}

// fastClock reads HH:MM:SS[.f...] at text[i:] and returns the index behind it.
func fastClock[T string | []byte](text T, i int) (us int64, end int, ok bool) {
	if len(text) < i+8 || text[i+2] != ':' || text[i+5] != ':' {
		return 0, 0, false
	}
	h, m, s := pair(text, i), pair(text, i+3), pair(text, i+6)
	if h > 23 || m > 59 || s > 59 {
		return 0, 0, false
	}
	us = int64(h*3600+m*60+s) * microsPerSecond
	i += 8
	if i < len(text) && text[i] == '.' {
		i++
		digits, micro := 0, int64(0)
		for ; i < len(text); i++ {
			d := text[i] - '0'
			if d > 9 {
				break
			}
			if digits == 6 {
				if d != 0 {
					return 0, 0, false // needs rounding
				}
				continue
			}
			micro = micro*10 + int64(d)
			digits++
		}
		if digits == 0 {
			return 0, 0, false
		}
		for ; digits < 6; digits++ {
			micro *= 10
		}
		us += micro
	}
	return us, i, true
}

func fastTime[T string | []byte](text T) (int64, bool) {
	us, end, ok := fastClock(text, 0)
	return us, ok && end == len(text)
}

// fastTimestamp reads YYYY-MM-DD{ |T}HH:MM:SS[.f...][Z|{+|-}hh[[:]mm]]. A zone is applied if zoned, else ignored.
func fastTimestamp[T string | []byte](text T, zoned bool) (int64, bool) {
	if len(text) < 19 || text[10] != ' ' && text[10] != 'T' && text[10] != 't' {
		return 0, false
	}
	days, ok := fastDays(text)
	if !ok {
		return 0, false
	}
	us, i, ok := fastClock(text, 11)
	if !ok {
		return 0, false
	}
	us += days * microsPerDay
	if i == len(text) {
		return us, true
	}
	rest := len(text) - i
	switch c := text[i]; {
	case (c == 'Z' || c == 'z') && rest == 1:
		return us, true
	case (c == '+' || c == '-') && (rest == 3 || rest == 5 || rest == 6 && text[i+3] == ':'):
		h, m := pair(text, i+1), uint(0)
		if rest > 3 {
			m = pair(text, len(text)-2)
		}
		if h > 15 || m > 59 {
			return 0, false
		}
		if !zoned {
			return us, true
		}
		offset := int64(h*3600+m*60) * microsPerSecond
		if c == '+' {
			offset = -offset
		}
		return us + offset, true
	}
	return 0, false
}
