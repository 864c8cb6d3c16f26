package types_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// datetimeTexts are input forms of dates, times and both, good and bad.
var datetimeTexts = []string{
	"2001-01-01", "2001-1-1", "01/02/2001", "1/2/01", "13/02/2001", "2001/02/03", "20010203", "010203", "2001-02-30", "2000-02-29", "1900-02-29",
	"Jan 2, 2001", "January 2 2001", "2 Jan 2001", "2-Jan-2001", "Jan-2-2001", "2001-Jan-02", "jan 2001", "Monday, Jan 2 2001", "2001.123", "2001.366", "2000.366",
	"99-01-02", "02-Jan-99", "0001-01-01", "0000-01-01", "0001-01-01 BC", "4714-11-24 BC", "4714-11-23 BC", "5874897-12-31", "5874898-01-01", "10000-01-01",
	"infinity", "-infinity", "epoch", "INFINITY", "2001-01-01 BC AD", "", " ", "abc", "2001", "2001-13-01", "2001-00-01", "2001-01-00", "J2451187", "j 2451187",
	"2001-01-01 00:47:00", "2001-01-01T00:47:00", "2001-01-01t00:47:00Z", "2001-01-01 00:47", "2001-01-01 0:47", "2001-01-01 24:00:00", "2001-01-01 24:00:01",
	"2001-01-01 23:59:60", "2001-01-01 23:59:61", "2001-01-01 23:60:00", "2001-01-01 25:00:00", "2001-01-01 00:00:00.1", "2001-01-01 00:00:00.1234565",
	"2001-01-01 00:00:00.1234575", "2001-01-01 00:00:00.9999999", "2001-01-01 23:59:59.9999999", "2001-01-01 00:00:00.", "2001-01-01 00:00.5",
	"2001-01-01 12:00 AM", "2001-01-01 12:30 pm", "2001-01-01 13:00 pm", "2001-01-01 1:00pm", "2001-01-01 040506", "2001-01-01 0405", "20010101T040506", "20010101 040506.789",
	"2001-01-01 00:00:00+05", "2001-01-01 00:00:00-0530", "2001-01-01 00:00:00 +05:30", "2001-01-01 00:00:00+05:30:15", "2001-01-01 00:00:00+16", "2001-01-01 00:00:00 UTC",
	"2001-01-01 00:00:00 America/New_York", "2001-07-01 00:00:00 america/new_york", "2001-01-01 00:00:00 EST", "2001-07-01 00:00:00 PDT", "2001-01-01 00:00:00 nowhere",
	"2001-04-01 02:30:00 America/New_York", "2001-10-28 01:30:00 America/New_York", "2001-03-25 02:30 Europe/Berlin", "2001-10-28 02:30 Europe/Berlin",
	"2001-01-01 00:00:00+05 BC", "0044-03-15 12:00:00 BC", "2001-01-01 00:00:00 z", "2001-01-01T00:00:00.123456789Z", "2001-01-01T00:00:00+0130", "  2001-01-01   00:00:00  ",
	"2001-01-01 00:00:00 2002-01-01", "2001-01-01 10:00 11:00", "2001-01-01 +05 +06", "2001-01-01 00:00:00 foo/bar", "12:00", "12:00:00.5", "T12:00", "040506", "0405", "12", "12:00 PST",
	"Thu Jan 01 00:00:00 2015", "Sat Feb 16 17:32:01 1997 PST", "Feb 16 17:32:01.5 97", "2001-01-01 allballs", "allballs", "2001-01-01,00:00:00", "2001-01-01 at 10:00", "2001-W01-1",
	"9999-12-31 23:59:59.999999", "99999-12-31 23:59:59", "294246-12-31 23:59:59", "300000-01-01", "4713-01-01 BC", "5000-01-01 BC", "2001-01-01 1e5", "2001-01-01\x0000:00",
	"2001-06-31", "2001-02-29 10:00", "1999-1-8 4:05:06 -8", "January 8, 99", "08-Jan-1999", "99-Jan-08", "Jan-08-99", "7 april 2001", "April 7 2001 10:00", "2001 april 7",
	"1-2", "1-2-3", "1/2/3", "20010101000000", "2001010100", "200101", "20011301", "2001-01-01Z", "2001-01-01+02", "2001-01-01 -8:30", "0:0:0", "1:2:3", "100:00:00",
	"2001-01-01 00:00:00+24:00", "2001-01-01 00:00:00+ 5", "２００１-01-01", "2001–01–01", "10:00 2001-01-01", "10:00 jan 1 2001", "2001-01-01 00:00:00 utc+3", "2001-01-01 00:00:00 EST5EDT",
}

func showTimestamp(us int64) string   { return string(types.AppendTimestamp(nil, us)) }
func showTimestampTZ(us int64) string { return string(types.AppendTimestampTZ(nil, us, nil)) }
func showDate(days int32) string      { return string(types.AppendDate(nil, days)) }
func showTime(us int64) string        { return string(types.AppendTime(nil, us)) }

func TestDatetimeTextLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	for _, text := range datetimeTexts {
		if strings.Contains(text, "\x00") {
			continue
		}
		days, err := types.ParseDate(text)
		o.add(quote(text)+"::date", showDate(days), err)
		us, err := types.ParseTimestamp(text)
		o.add(quote(text)+"::timestamp", showTimestamp(us), err)
		us, err = types.ParseTimestampTZ(text, nil)
		o.add(quote(text)+"::timestamptz", showTimestampTZ(us), err)
		us, err = types.ParseTime(text)
		o.add(quote(text)+"::time", showTime(us), err)
	}
	o.flush()
	// PostgreSQL takes a few texts that are hardly meant as times ("E8rope/Berlin" is a POSIX zone, "1:00m" has a unit to no
	// effect); being stricter is no harm, but what is read must be the same.
	o.allow = func(_, ours, _ string) bool { return strings.HasPrefix(ours, "ERR ") }
	// Mutations of good texts: errors must be errors there, too, and the reverse.
	r := rand.New(rand.NewPCG(9, 9))
	for range 2000 {
		b := []byte(datetimeTexts[r.IntN(len(datetimeTexts))])
		for range r.IntN(2) + 1 {
			if len(b) == 0 {
				break
			}
			const alphabet = "0123456789:-/. T+zam"
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] = alphabet[r.IntN(len(alphabet))]
			case 1:
				b = append(b[:i], b[i+1:]...)
			default:
				b = append(b[:i], append([]byte{alphabet[r.IntN(len(alphabet))]}, b[i:]...)...)
			}
		}
		text := strings.ToValidUTF8(strings.ReplaceAll(string(b), "\x00", ""), "")
		us, err := types.ParseTimestampTZ(text, nil)
		o.add(quote(text)+"::timestamptz", showTimestampTZ(us), err)
	}
	o.flush()
}

// randomTimestamp favours the present, the ends of months and days, and the extremes.
func randomTimestamp(r *rand.Rand) int64 {
	switch r.IntN(12) {
	case 0:
		return types.TimestampPosInf
	case 1:
		return types.TimestampNegInf
	case 2:
		return r.Int64N(400_000_000_000_000_000) - 200_000_000_000_000_000
	case 3:
		d := time.Date(1890+r.IntN(200), time.Month(r.IntN(12)+1), 1, 0, 0, 0, 0, time.UTC)
		return d.UnixMicro() - int64(r.IntN(2))
	case 4:
		return r.Int64N(9_000_000_000_000_000_000)
	}
	us := r.Int64N(4_000_000_000_000_000) - 1_500_000_000_000_000
	switch r.IntN(4) {
	case 0:
		us -= us % 1_000_000
	case 1:
		us -= us % 3_600_000_000
	}
	return us
}

func randomInterval(r *rand.Rand) types.IntervalValue {
	var v types.IntervalValue
	if r.IntN(2) == 0 {
		v.Months = int32(r.IntN(100) - 50)
	}
	if r.IntN(2) == 0 {
		v.Days = int32(r.IntN(200) - 100)
	}
	if r.IntN(2) == 0 {
		v.Micros = r.Int64N(400_000_000_000) - 200_000_000_000
		if r.IntN(2) == 0 {
			v.Micros -= v.Micros % 1_000_000
		}
	}
	switch r.IntN(40) {
	case 0:
		v.Months = int32(r.Uint32())
	case 1:
		v.Days = int32(r.Uint32())
	case 2:
		v.Micros = r.Int64N(8_000_000_000_000_000) - 4_000_000_000_000_000
	}
	return v
}

// beyondStorage excuses an overflow of ours where PostgreSQL's longer range holds the value.
func beyondStorage(_, ours, theirs string) bool {
	if ours == "ERR 22008" && (strings.HasPrefix(theirs, "29424") || strings.HasPrefix(theirs, "29425") || strings.HasPrefix(theirs, "29426") || strings.HasPrefix(theirs, "29427")) {
		return true
	}
	// An interval of more than 292 years in hours.
	hours := 0
	for _, field := range strings.Fields(theirs) {
		if at := strings.IndexByte(field, ':'); at > 0 {
			_, _ = fmt.Sscanf(strings.TrimLeft(field[:at], "+-"), "%d", &hours)
		}
	}
	return strings.HasPrefix(ours, "ERR 22") && hours >= 2562047
}

func TestDatetimeArithmeticLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	o.allow = beyondStorage
	o.db.MustExec(t, "SET timezone = 'America/New_York'")
	zone, err := types.ParseZone("America/New_York")
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(11, 12))
	units := []string{"microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century", "millennium",
		"dow", "isodow", "doy", "isoyear", "julian", "epoch", "timezone", "timezone_hour", "timezone_minute", "fortnight"}
	tz := func(us int64) string { return string(types.AppendTimestampTZ(nil, us, zone)) }
	for range 500 {
		a, b, v := randomTimestamp(r), randomTimestamp(r), randomInterval(r)
		as, bs := quote(showTimestamp(a))+"::timestamp", quote(showTimestamp(b))+"::timestamp"
		az := quote(showTimestampTZ(a)) + "::timestamptz"
		iv := quote(v.String()) + "::interval"
		o.add(az, tz(a), nil)
		us, err := types.AddInterval(a, v)
		o.add(as+" + "+iv, showTimestamp(us), err)
		us, err = types.SubInterval(a, v)
		o.add(as+" - "+iv, showTimestamp(us), err)
		us, err = types.AddIntervalTZ(a, v, zone)
		o.add(az+" + "+iv, tz(us), err)
		us, err = types.ToTimestampTZ(a, zone)
		o.add(as+" AT TIME ZONE 'America/New_York'", tz(us), err)
		us, err = types.ToTimestamp(a, zone)
		o.add(az+" AT TIME ZONE 'America/New_York'", showTimestamp(us), err)
		diff, err := types.SubTimestamp(a, b)
		o.add(as+" - "+bs, diff.String(), err)
		if types.IsFiniteTimestamp(a) && types.IsFiniteTimestamp(b) { // before 17, PostgreSQL counts infinities as dates
			diff, err = types.Age(a, b)
			o.add("age("+as+", "+bs+")", diff.String(), err)
		}
		stride := types.IntervalValue{Days: int32(r.IntN(3)), Micros: r.Int64N(10_000_000_000)}
		if r.IntN(30) == 0 {
			stride = v
		}
		us, err = types.DateBin(stride, a, b)
		if b <= a || err != nil { // an older PostgreSQL 15 errs for an origin in the future
			o.add("date_bin("+quote(stride.String())+", "+as+", "+bs+")", showTimestamp(us), err)
		}
		date := types.TimestampToDate(a)
		ds := quote(showDate(date)) + "::date"
		o.add(as+"::date", showDate(date), nil)
		rest, ok := types.TimestampToTime(a)
		o.add(as+"::time", orNull(showTime(rest), ok), nil)
		if ok {
			o.add(quote(showTime(rest))+"::time + "+iv, showTime(types.TimeAddInterval(rest, v)), nil)
			o.add(quote(showTime(rest))+"::time - "+iv, showTime(types.TimeSubInterval(rest, v)), nil)
		}
		days := r.IntN(1000) - 500
		if r.IntN(20) == 0 {
			days = int(int32(r.Uint32()))
		}
		moved, err := types.DateAddDays(date, int64(days))
		o.add(fmt.Sprintf("%s + (%d)", ds, days), showDate(moved), err)
		us, err = types.DateToTimestampTZ(date, zone)
		o.add(ds+"::timestamptz", tz(us), err)

		unit := units[r.IntN(len(units))]
		f, err := types.ParseTruncField(unit, types.Timestamp)
		if err == nil {
			us, err = f.Truncate(a)
		}
		if err == nil || types.IsFiniteTimestamp(a) {
			o.add("date_trunc("+quote(unit)+", "+as+")", showTimestamp(us), err)
		}
		f, err = types.ParseTruncField(unit, types.TimestampTZ)
		if err == nil {
			us, err = f.TruncateTZ(a, zone)
		}
		if err == nil || types.IsFiniteTimestamp(a) {
			o.add("date_trunc("+quote(unit)+", "+az+")", tz(us), err)
		}
		f, err = types.ParseTruncField(unit, types.Interval)
		o.add("date_trunc("+quote(unit)+", "+iv+")", f.TruncateInterval(v).String(), err)

		extract := func(kind types.Kind, value string, get func(types.DateField) (types.NumericValue, bool)) {
			f, err := types.ParseExtractField(unit, kind)
			var n types.NumericValue
			ok := true
			if err == nil {
				n, ok = get(f)
			}
			o.add("extract("+unit+" from "+value+")", orNull(n.String(), ok), err)
		}
		if !types.IsFiniteTimestamp(a) && strings.HasPrefix(unit, "timezone") {
			continue
		}
		extract(types.Timestamp, as, func(f types.DateField) (types.NumericValue, bool) { return f.Extract(a) })
		extract(types.TimestampTZ, az, func(f types.DateField) (types.NumericValue, bool) { return f.ExtractTZ(a, zone) })
		extract(types.Date, ds, func(f types.DateField) (types.NumericValue, bool) { return f.ExtractDate(date) })
		extract(types.Interval, iv, func(f types.DateField) (types.NumericValue, bool) { return f.ExtractInterval(v), true })
		if ok {
			extract(types.Time, quote(showTime(rest))+"::time", func(f types.DateField) (types.NumericValue, bool) { return f.ExtractTime(rest), true })
		}
	}
	for range 300 {
		y, m, d := r.IntN(6000)-3000, r.IntN(14), r.IntN(33)
		h, mi, s := r.IntN(26), r.IntN(62), float64(r.IntN(6_100_000_0))/1e6
		date, err := types.MakeDate(y, m, d)
		o.add(fmt.Sprintf("make_date(%d, %d, %d)", y, m, d), showDate(date), err)
		us, err := types.MakeTime(h, mi, s)
		o.add(fmt.Sprintf("make_time(%d, %d, %v)", h, mi, s), showTime(us), err)
		us, err = types.MakeTimestamp(y, m, d, h, mi, s)
		o.add(fmt.Sprintf("make_timestamp(%d, %d, %d, %d, %d, %v)", y, m, d, h, mi, s), showTimestamp(us), err)
		epoch := (r.Float64() - 0.3) * 3e9
		us, err = types.TimestampFromEpoch(epoch)
		o.add(fmt.Sprintf("to_timestamp(%v)", epoch), tz(us), err)
	}
	o.flush()
}

func orNull(text string, ok bool) string {
	if !ok {
		return "NULL"
	}
	return text
}

func TestIntervalsLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	o.allow = beyondStorage
	texts := []string{"1 day", "1 day 2 hours", "1-2", "-1-2", "1-12", "1-2 3 4:05:06", "10", "1.5", "1.5 days", "1.5 months", "1.5 years", "0.1 mons", "1 2:03", "1 2:03:04", "2:03", "2:03.5",
		"-1 day +02:03:04.5", "-02:03", "- 1 day", "+1 day", "3 days ago", "1 year -2 mons ago", "@ 1 minute", "1 week", "1.5 weeks", "2 decades", "1 century", "1 millennium", "1.25 c",
		"1 us", "1.6 us", "1500 ms", "1.0005 ms", "1 sec 500 ms", "1.5 sec 500 ms", "1 day 1 day", "P1Y2M", "P1Y2M3DT4H5M6.5S", "PT1H", "P1W", "P1.5Y", "P-1Y", "P1Y-2M", "P0001-02-03T04:05:06",
		"P00010203T040506", "P", "PT", "P1", "p1y", "P1YT", "", " ", "abc", "1 abc", "1 day abc", "day", "1 quarter", "2147483647 months", "2147483648 months", "999999999999 years",
		"9223372036854775807 us", "9223372036854775808 us", "100000:00:00", "1:60", "1:59:60", "1:59:61", "1d2h3m4s", "1y 2mon 3w", "1 hour 2", "2 1 hour", "1:2:3:4", "1 month ago 2 days",
		"00:00:00.1234567", "1e3 days", "1 . 5 days", ".5 day", "5. days", "1,day", "infinity", "1 day 24:00:00", "-1:30", "1 -1:30", "1 +1:30", "12 months", "-13 months", "1 mon -1 days", "0", "0 days",
		"1 fortnight", "1 day - 2 hours", "1 day -2 hours 3 minutes", "P2Y-3DT-4H", "P1DT", "1 y 2 y", "1.999999 months", "0.0000005 s", "0.00000051 s", "-0.5 months", "-1.5 weeks ago", "2562047788 hours",
		"P1,5Y", "PT0.1234567S", "T1H", "P1H", "PT1D", "P12", "P12-1", "P2001-02", "PT10:20", "PT102030", "1 milliseconds", "1 microseconds", "3 centuries 2 decades", "1 timezone"}
	for _, text := range texts {
		v, err := types.ParseInterval(text)
		o.add(quote(text)+"::interval", v.String(), err)
	}
	qualifiers := map[types.IntervalFields]string{types.IntervalYear: "year", types.IntervalMonth: "month", types.IntervalDay: "day", types.IntervalHour: "hour", types.IntervalMinute: "minute",
		types.IntervalSecond: "second", types.IntervalYearToMonth: "year to month", types.IntervalDayToHour: "day to hour", types.IntervalDayToMinute: "day to minute",
		types.IntervalDayToSecond: "day to second", types.IntervalHourToMinute: "hour to minute", types.IntervalHourToSecond: "hour to second", types.IntervalMinuteToSecond: "minute to second"}
	for fields, name := range qualifiers {
		for _, text := range []string{"10", "1-2", "10:20", "10:20:30", "1 10:20", "1 10", "-5", "1.5", "1 year 2 mons 3 days 04:05:06.789", "1 10:20:30.5", "100"} {
			v, err := types.ParseIntervalFields(text, fields, -1)
			o.add("interval "+quote(text)+" "+name, v.String(), err)
		}
	}
	r := rand.New(rand.NewPCG(13, 14))
	show := func(sql string, v types.IntervalValue, err error) { o.add(sql, v.String(), err) }
	for range 700 {
		a, b := randomInterval(r), randomInterval(r)
		as, bs := quote(a.String())+"::interval", quote(b.String())+"::interval"
		back, err := types.ParseInterval(a.String())
		require.NoError(t, err)
		require.Equal(t, a, back)
		require.Equal(t, a, types.IntervalFromArrow(a.Arrow()))
		o.add(as, a.String(), nil)
		v, err := a.Add(b)
		show(as+" + "+bs, v, err)
		v, err = a.Sub(b)
		show(as+" - "+bs, v, err)
		v, err = a.Neg()
		show("-"+as, v, err)
		f := []float64{0, 2, -1, 0.5, 1.5, 0.1, 1.0 / 3, r.Float64() * 10, -r.Float64()}[r.IntN(9)]
		v, err = a.Mul(f)
		show(fmt.Sprintf("%s * %v::float8", as, f), v, err)
		v, err = a.Div(f)
		show(fmt.Sprintf("%s / %v::float8", as, f), v, err)
		v, err = a.JustifyHours()
		show("justify_hours("+as+")", v, err)
		v, err = a.JustifyDays()
		show("justify_days("+as+")", v, err)
		v, err = a.Justify()
		show("justify_interval("+as+")", v, err)
		o.add(fmt.Sprintf("CASE WHEN %[1]s < %[2]s THEN -1 WHEN %[1]s > %[2]s THEN 1 ELSE 0 END", as, bs), fmt.Sprint(a.Cmp(b)), nil)
		n := a.Normalize()
		require.Zero(t, n.Cmp(a), "%v %v", a, n)
		require.Equal(t, a.Cmp(b) == 0, n == b.Normalize())
	}
	o.flush()
}

// The fast paths say the same as the general parser, or nothing.
func TestFastTimestamps(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 20000 {
		us := randomTimestamp(r)
		text := showTimestamp(us)
		got, err := types.ParseTimestamp(text)
		require.NoError(t, err, text)
		require.Equal(t, us, got, text)
		iso := strings.Replace(text, " ", "T", 1)
		if types.IsFiniteTimestamp(us) && !strings.HasSuffix(text, "BC") {
			got, err = types.ParseTimestampTZ(iso+"Z", nil)
			require.NoError(t, err, iso)
			require.Equal(t, us, got, iso)
			got, err = types.ParseTimestampTZBytes([]byte(text + "+02:30"))
			require.NoError(t, err)
			require.Equal(t, us-9000e6, got)
		}
	}
}

func BenchmarkParseTimestamp(b *testing.B) {
	text := []byte("2001-01-01 00:47:00.123")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := types.ParseTimestampBytes(text); err != nil {
			b.Fatal(err)
		}
	}
}
