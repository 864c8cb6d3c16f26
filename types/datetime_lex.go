package types

import "strings"

// dtKind says what a field of a date, time or interval text looks like.
type dtKind uint8

const (
	dtNumber  dtKind = iota // 12, 12.5, .5
	dtDate                  // 2001-01-02, 1-jan-2001, jan/1/2001, america/new_york
	dtTime                  // 10:20[:30[.5]]
	dtZone                  // a sign and digits: +02:30, -5.5
	dtString                // letters
	dtSpecial               // a sign and letters
)

// dtField is a lower-case piece of the text; raw has its original case.
type dtField struct {
	kind dtKind
	text string
	raw  string
}

const maxDatetimeFields = 25

func isDigit(c byte) bool { return c-'0' <= 9 }
func isLetter(c byte) bool {
	return c-'a' <= 25 || c-'A' <= 25
}

// lexDatetime cuts text into fields as PostgreSQL does; ok is false if a character has no place in any of them.
func lexDatetime(text string, fields []dtField) (_ []dtField, ok bool) {
	lower := strings.ToLower(text)
	if len(lower) != len(text) || len(text) > 256 {
		return nil, false
	}
	i := 0
	at := func(k int) byte {
		if k < len(lower) {
			return lower[k]
		}
		return 0
	}
	for i < len(lower) {
		start := i
		var kind dtKind
		c := lower[i]
		switch {
		case isSpace(c):
			i++
			continue
		case isDigit(c):
			for isDigit(at(i)) {
				i++
			}
			switch sep := at(i); sep {
			case ':':
				kind = dtTime
				for isDigit(at(i)) || at(i) == ':' || at(i) == '.' {
					i++
				}
			case '-', '/', '.':
				i++
				if isDigit(at(i)) {
					kind = dtDate
					if sep == '.' {
						kind = dtNumber
					}
					for isDigit(at(i)) {
						i++
					}
					if at(i) == sep {
						kind = dtDate
						for isDigit(at(i)) || at(i) == sep {
							i++
						}
					}
				} else {
					kind = dtDate
					for isDigit(at(i)) || isLetter(at(i)) || at(i) == sep {
						i++
					}
				}
			default:
				kind = dtNumber
			}
		case c == '.':
			kind = dtNumber
			i++
			for isDigit(at(i)) {
				i++
			}
		case isLetter(c):
			kind = dtString
			for isLetter(at(i)) {
				i++
			}
			next := at(i)
			if next == '-' || next == '/' || next == '.' ||
				((next == '+' || isDigit(next)) && !isDatetimeWord(lower[start:i])) {
				kind = dtDate
				for c := at(i); c == '+' || c == '-' || c == '/' || c == '_' || c == '.' || c == ':' || isDigit(c) || isLetter(c); c = at(i) {
					i++
				}
			}
		case c == '+' || c == '-':
			i++
			for isSpace(at(i)) {
				i++
			}
			switch {
			case isDigit(at(i)):
				kind = dtZone
				for isDigit(at(i)) || at(i) == ':' || at(i) == '.' || at(i) == '-' {
					i++
				}
			case isLetter(at(i)):
				kind = dtSpecial
				for isLetter(at(i)) {
					i++
				}
			default:
				return nil, false
			}
		case c > ' ' && c < 0x7f: // other punctuation separates
			i++
			continue
		default:
			return nil, false
		}
		f := dtField{kind: kind, text: lower[start:i], raw: text[start:i]}
		if kind == dtZone || kind == dtSpecial { // the sign may stand apart
			f.text = f.text[:1] + strings.TrimLeft(f.text[1:], " \t\n\v\f\r")
		}
		if len(fields) == maxDatetimeFields {
			return nil, false
		}
		fields = append(fields, f)
	}
	return fields, true
}

// dtWord is the meaning of a word in dates and times.
type dtWord uint8

const (
	wordNone    dtWord = iota
	wordMonth          // value: 1..12
	wordDay            // day of the week: ignored
	wordIgnore         // at, on
	wordAMPM           // value: 0 am, 1 pm
	wordEra            // value: 0 ad, 1 bc
	wordTime           // t: an ISO time follows
	wordJulian         // j: a Julian day follows
	wordNow            // now, today, tomorrow, yesterday: depends on the clock
	wordEpoch          // 1970-01-01
	wordInf            // infinity
	wordNegInf         // -infinity
	wordAllZero        // allballs: 00:00:00 UTC
)

type dtMeaning struct {
	word  dtWord
	value int
}

// datetimeWords are looked up in lower case.
var datetimeWords = map[string]dtMeaning{
	"jan": {wordMonth, 1}, "january": {wordMonth, 1}, "feb": {wordMonth, 2}, "february": {wordMonth, 2},
	"mar": {wordMonth, 3}, "march": {wordMonth, 3}, "apr": {wordMonth, 4}, "april": {wordMonth, 4},
	"may": {wordMonth, 5}, "jun": {wordMonth, 6}, "june": {wordMonth, 6}, "jul": {wordMonth, 7}, "july": {wordMonth, 7},
	"aug": {wordMonth, 8}, "august": {wordMonth, 8}, "sep": {wordMonth, 9}, "sept": {wordMonth, 9},
	"september": {wordMonth, 9}, "oct": {wordMonth, 10}, "october": {wordMonth, 10}, "nov": {wordMonth, 11},
	"november": {wordMonth, 11}, "dec": {wordMonth, 12}, "december": {wordMonth, 12},
	"sun": {wordDay, 0}, "sunday": {wordDay, 0}, "mon": {wordDay, 1}, "monday": {wordDay, 1}, "tue": {wordDay, 2},
	"tues": {wordDay, 2}, "tuesday": {wordDay, 2}, "wed": {wordDay, 3}, "weds": {wordDay, 3}, "wednesday": {wordDay, 3},
	"thu": {wordDay, 4}, "thur": {wordDay, 4}, "thurs": {wordDay, 4}, "thursday": {wordDay, 4}, "fri": {wordDay, 5},
	"friday": {wordDay, 5}, "sat": {wordDay, 6}, "saturday": {wordDay, 6},
	"at": {wordIgnore, 0}, "on": {wordIgnore, 0}, "am": {wordAMPM, 0}, "pm": {wordAMPM, 1},
	"ad": {wordEra, 0}, "bc": {wordEra, 1}, "t": {wordTime, 0}, "j": {wordJulian, 0}, "jd": {wordJulian, 0},
	"julian": {wordJulian, 0}, "now": {wordNow, 0}, "today": {wordNow, 1}, "tomorrow": {wordNow, 2},
	"yesterday": {wordNow, 3}, "epoch": {wordEpoch, 0}, "infinity": {wordInf, 0}, "+infinity": {wordInf, 0},
	"-infinity": {wordNegInf, 0}, "allballs": {wordAllZero, 0},
}

func isDatetimeWord(s string) bool {
	if _, ok := datetimeWords[s]; ok {
		return true
	}
	_, ok := intervalUnits[s]
	return ok
}
