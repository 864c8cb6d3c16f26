package types

import (
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on every machine
)

// zoneOffset returns the seconds east of Greenwich that hold in loc at the instant us; nil is UTC.
func zoneOffset(us int64, loc *time.Location) int {
	if loc == nil || loc == time.UTC {
		return 0
	}
	secs, _ := floorDiv(us, microsPerSecond)
	_, offset := time.Unix(secs, 0).In(loc).Zone()
	return offset
}

// localOffset returns the offset to use for a local time in loc. A time that occurs twice is the later one, a time that is
// skipped is read with the offset before the change, as PostgreSQL does.
func localOffset(us int64, loc *time.Location) int {
	if loc == nil || loc == time.UTC {
		return 0
	}
	secs, _ := floorDiv(us, microsPerSecond)
	at := func(unix int64) int64 {
		_, offset := time.Unix(unix, 0).In(loc).Zone()
		return int64(offset)
	}
	before, after := at(secs-86400), at(secs+86400)
	if before == after {
		return int(before)
	}
	beforeHolds, afterHolds := at(secs-before) == before, at(secs-after) == after
	if afterHolds || !beforeHolds && before == after {
		return int(after)
	}
	return int(before)
}

// ToTimestampTZ reads a timestamp as a local time of loc (timestamp AT TIME ZONE). Errors: 22008 out of range.
func ToTimestampTZ(us int64, loc *time.Location) (int64, error) {
	if !IsFiniteTimestamp(us) {
		return us, nil
	}
	return shiftTimestamp(us, -int64(localOffset(us, loc)))
}

// ToTimestamp gives the local time in loc (timestamptz AT TIME ZONE). Errors: 22008 out of range.
func ToTimestamp(us int64, loc *time.Location) (int64, error) {
	if !IsFiniteTimestamp(us) {
		return us, nil
	}
	return shiftTimestamp(us, int64(zoneOffset(us, loc)))
}

func shiftTimestamp(us, secs int64) (int64, error) {
	sum, ok := addInt64(us, secs*microsPerSecond)
	if !ok || !validTimestamp(sum) {
		return 0, timestampRange()
	}
	return sum, nil
}

// zoneAbbreviations are those of PostgreSQL's default set that are in general use, in seconds east of Greenwich.
var zoneAbbreviations = map[string]int{
	"z": 0, "zulu": 0, "utc": 0, "ut": 0, "uct": 0, "gmt": 0, "wet": 0, "west": 3600, "bst": 3600, "cet": 3600,
	"cest": 7200, "met": 3600, "mest": 7200, "eet": 7200, "eest": 10800, "msk": 10800, "sast": 7200, "ist": 7200,
	"idt": 10800, "eat": 10800, "pkt": 18000, "uzt": 18000, "npt": 20700, "ict": 25200, "sgt": 28800, "hkt": 28800,
	"pht": 28800, "awst": 28800, "jst": 32400, "kst": 32400, "acst": 34200, "acdt": 37800, "aest": 36000,
	"aedt": 39600, "nzst": 43200, "nzdt": 46800, "nst": -12600, "ndt": -9000, "ast": -14400, "adt": -10800,
	"est": -18000, "edt": -14400, "cst": -21600, "cdt": -18000, "mst": -25200, "mdt": -21600, "pst": -28800,
	"pdt": -25200, "akst": -32400, "akdt": -28800, "hst": -36000, "brt": -10800, "art": -10800, "clt": -14400,
}

// ParseZone finds a time zone by name (America/New_York, any case), by abbreviation (CET) or in POSIX form (UTC+3, -08:00,
// where the sign counts west of Greenwich). Errors: 22023.
func ParseZone(name string) (*time.Location, error) {
	if loc := zoneByName(name); loc != nil {
		return loc, nil
	}
	return nil, Errorf(CodeInvalidParameter, "time zone \"%s\" not recognized", clip(name))
}

// FixedZone returns the zone at an interval east of Greenwich (AT TIME ZONE INTERVAL). Errors: 22023 with months or days.
func FixedZone(v IntervalValue) (*time.Location, error) {
	if v.Months != 0 || v.Days != 0 {
		return nil, Errorf(CodeInvalidParameter, "interval time zone \"%s\" must not include months or days", v.String())
	}
	return time.FixedZone("", int(v.Micros/microsPerSecond)), nil
}

func zoneByName(name string) *time.Location {
	lower := strings.ToLower(strings.TrimSpace(name))
	switch lower {
	case "", "local":
		return nil
	case "utc", "z", "gmt", "zulu":
		return time.UTC
	}
	if offset, ok := zoneAbbreviations[lower]; ok {
		return time.FixedZone(strings.ToUpper(lower), offset)
	}
	if strings.ContainsFunc(lower, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("/_+-:", r)
	}) {
		return nil
	}
	for _, try := range []string{strings.TrimSpace(name), titleZone(lower), strings.ToUpper(lower)} {
		if loc, err := time.LoadLocation(try); err == nil && try != "Local" {
			return loc
		}
	}
	at := strings.IndexAny(lower, "+-")
	if at < 0 || strings.ContainsFunc(lower[:at], func(r rune) bool { return r < 'a' || r > 'z' }) {
		return nil
	}
	west, ok := parseZoneOffset(lower[at:])
	if !ok {
		return nil
	}
	return time.FixedZone(name, -west)
}

// titleZone guesses the spelling of a zone's name: america/new_york is America/New_York.
func titleZone(lower string) string {
	b := []byte(lower)
	for i := range b {
		if b[i] >= 'a' && b[i] <= 'z' && (i == 0 || b[i-1] == '/' || b[i-1] == '_' || b[i-1] == '-') {
			b[i] -= 'a' - 'A'
		}
	}
	return strings.NewReplacer("_Es_", "_es_", "_Of_", "_of_", "-Au-", "-au-", "-In-", "-in-").Replace(string(b))
}

// parseZoneOffset reads +hh, +hhmm, +hh:mm and +hh:mm:ss as seconds.
func parseZoneOffset(s string) (secs int, ok bool) {
	if len(s) < 2 || (s[0] != '+' && s[0] != '-') {
		return 0, false
	}
	parts := strings.Split(s[1:], ":")
	if len(parts) > 3 {
		return 0, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, false
		}
		n[i] = int(v)
	}
	if len(parts) == 1 && len(parts[0]) > 2 {
		n[0], n[1] = n[0]/100, n[0]%100
	}
	if n[0] > 15 || n[1] > 59 || n[2] > 59 {
		return 0, false
	}
	secs = n[0]*3600 + n[1]*60 + n[2]
	if s[0] == '-' {
		secs = -secs
	}
	return secs, true
}

// addInt64 returns a+b; ok is false on overflow.
func addInt64(a, b int64) (sum int64, ok bool) {
	sum = a + b
	return sum, (a >= 0) != (b >= 0) || (sum >= 0) == (a >= 0)
}

// mulInt64 returns a*b; ok is false on overflow.
func mulInt64(a, b int64) (product int64, ok bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	product = a * b
	if product/b != a || (a == -1 && b == TimestampNegInf) || (b == -1 && a == TimestampNegInf) {
		return 0, false
	}
	return product, true
}
