package loops

import (
	"bytes"
	"time"
)

// scanBid reads the members auction and ts of a flat JSON object: {"name": value, ...} with numbers and strings for
// values. Strings may hold escapes, which only ts may not. It reports whether the line was such an object with both.
func scanBid(line []byte) (auction, micros int64, ok bool) {
	found := 0
	at := skipSpace(line, 0)
	if at >= len(line) || line[at] != '{' {
		return 0, 0, false
	}
	for at++; ; at++ {
		name, next, ok := scanString(line, skipSpace(line, at))
		if !ok {
			return 0, 0, false
		}
		if at = skipSpace(line, next); at >= len(line) || line[at] != ':' {
			return 0, 0, false
		}
		at = skipSpace(line, at+1)
		var text []byte // of a string
		var number int64
		if at < len(line) && line[at] == '"' {
			text, at, ok = scanString(line, at)
		} else {
			number, at, ok = scanInt(line, at)
		}
		if !ok {
			return 0, 0, false
		}
		switch string(name) {
		case "auction":
			auction = number
			found |= 1
		case "ts":
			if micros, ok = parseTimestamp(text); !ok {
				return 0, 0, false
			}
			found |= 2
		}
		at = skipSpace(line, at)
		if at >= len(line) {
			return 0, 0, false
		}
		if line[at] == '}' {
			return auction, micros, found == 3 && skipSpace(line, at+1) == len(line)
		}
		if line[at] != ',' {
			return 0, 0, false
		}
	}
}

func skipSpace(line []byte, at int) int {
	for at < len(line) && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r') {
		at++
	}
	return at
}

// scanString returns what stands between the quote at line[at] and its end, and the place after that.
func scanString(line []byte, at int) (text []byte, next int, ok bool) {
	if at >= len(line) || line[at] != '"' {
		return nil, 0, false
	}
	for end := at + 1; ; end++ {
		quote := bytes.IndexByte(line[end:], '"')
		if quote < 0 {
			return nil, 0, false
		}
		end += quote
		backslashes := 0
		for line[end-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return line[at+1 : end], end + 1, true
		}
	}
}

func scanInt(line []byte, at int) (value int64, next int, ok bool) {
	negative := at < len(line) && line[at] == '-'
	if negative {
		at++
	}
	start := at
	for ; at < len(line) && line[at]-'0' < 10; at++ {
		value = value*10 + int64(line[at]-'0')
	}
	if negative {
		value = -value
	}
	return value, at, at > start && at-start < 19
}

// parseTimestamp reads "2026-01-01 00:00:00.000000", with any number of digits after the point or none.
func parseTimestamp(text []byte) (micros int64, ok bool) {
	if len(text) < 19 || text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' || text[16] != ':' {
		return 0, false
	}
	two := func(at int) int64 {
		tens, ones := text[at]-'0', text[at+1]-'0'
		ok = ok && tens < 10 && ones < 10
		return int64(tens)*10 + int64(ones)
	}
	ok = true
	year, month, day := two(0)*100+two(2), two(5), two(8)
	seconds := two(11)*3600 + two(14)*60 + two(17)
	micros = (daysSince1970(year, month, day)*86400 + seconds) * int64(time.Second/time.Microsecond)
	if len(text) > 19 {
		if text[19] != '.' {
			return 0, false
		}
		unit := int64(100_000)
		for _, digit := range text[20:] {
			if digit-'0' > 9 {
				return 0, false
			}
			micros += int64(digit-'0') * unit
			unit /= 10
		}
	}
	return micros, ok
}

// daysSince1970 counts days of the Gregorian calendar, with years beginning in March so that the leap day is the last.
func daysSince1970(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	days := 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1
	return days - 719468
}
