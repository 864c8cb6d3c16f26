package expr

import (
	"strings"
	"time"

	"github.com/streamsql/streamsql/types"
)

func (t *table) datetime() {
	t.cat = CatDateTime
	t.dateArithmetic()
	t.timestampArithmetic()
	t.intervalArithmetic()
	t.extracts()
	t.truncations()
	t.makers()
	t.zones()
	t.overlaps()
}

func (t *table) dateArithmetic() {
	date, clock, ts, iv, i4 := types.DateType, types.TimeType, types.TimestampType, types.IntervalType, types.Int4Type
	addDays := func(d int32, n int32) (int32, error) { return types.DateAddDays(d, int64(n)) }
	addInterval := func(d int32, v types.IntervalValue) (int64, error) {
		us, err := types.DateToTimestamp(d)
		if err != nil {
			return 0, err
		}
		return types.AddInterval(us, v)
	}
	t.group("a date, a number of days or a time later", "DATE '2024-02-28' + 2", "2024-03-01")
	t.op("+", sig(date, i4), date, map2(addDays), fallible)
	t.op("+", sig(i4, date), date, map2(func(n, d int32) (int32, error) { return addDays(d, n) }), fallible)
	t.op("+", sig(date, clock), ts, map2(types.DateAddTime), fallible)
	t.op("+", sig(clock, date), ts, map2(func(us int64, d int32) (int64, error) { return types.DateAddTime(d, us) }), fallible)
	t.op("+", sig(date, iv), ts, map2(addInterval), fallible)
	t.op("+", sig(iv, date), ts, map2(func(v types.IntervalValue, d int32) (int64, error) { return addInterval(d, v) }), fallible)
	t.group("a date a number of days earlier, or the days between two dates", "DATE '2024-03-01' - DATE '2024-02-28'", "2")
	t.op("-", sig(date, i4), date, map2(func(d, n int32) (int32, error) { return types.DateAddDays(d, -int64(n)) }), fallible)
	t.op("-", sig(date, date), i4, map2(types.DateSub), fallible)
	t.op("-", sig(date, iv), ts, map2(func(d int32, v types.IntervalValue) (int64, error) {
		us, err := types.DateToTimestamp(d)
		if err != nil {
			return 0, err
		}
		return types.SubInterval(us, v)
	}), fallible)

	t.group("a time of day an interval later, around the clock", "TIME '23:00' + INTERVAL '2 hours'", "01:00:00")
	t.op("+", sig(clock, iv), clock, map2(func(us int64, v types.IntervalValue) (int64, error) { return types.TimeAddInterval(us, v), nil }))
	t.op("+", sig(iv, clock), clock, map2(func(v types.IntervalValue, us int64) (int64, error) { return types.TimeAddInterval(us, v), nil }))
	t.group("a time of day an interval earlier, or the interval between two times of day", "TIME '05:00' - TIME '03:00'", "02:00:00")
	t.op("-", sig(clock, iv), clock, map2(func(us int64, v types.IntervalValue) (int64, error) { return types.TimeSubInterval(us, v), nil }))
	t.op("-", sig(clock, clock), iv, map2(func(a, b int64) (types.IntervalValue, error) { return types.MicrosOf(a - b), nil }))
}

func (t *table) timestampArithmetic() {
	ts, tz, iv := types.TimestampType, types.TimestampTZType, types.IntervalType
	t.group("a timestamp an interval later: months first, then days, then the rest", "TIMESTAMP '2024-01-31 10:00' + INTERVAL '1 month'", "2024-02-29 10:00:00")
	t.op("+", sig(ts, iv), ts, shiftBy(0, 1, false, false), fallible)
	t.op("+", sig(iv, ts), ts, shiftBy(1, 0, false, false), fallible)
	t.op("+", sig(tz, iv), tz, shiftBy(0, 1, false, true), fallible, stable)
	t.op("+", sig(iv, tz), tz, shiftBy(1, 0, false, true), fallible, stable)
	t.group("a timestamp an interval earlier, or the days and time between two timestamps", "TIMESTAMP '2024-03-01 12:00' - TIMESTAMP '2024-02-28 06:00'", "2 days 06:00:00")
	t.op("-", sig(ts, iv), ts, shiftBy(0, 1, true, false), fallible)
	t.op("-", sig(tz, iv), tz, shiftBy(0, 1, true, true), fallible, stable)
	t.op("-", sig(ts, ts), iv, map2(types.SubTimestamp), fallible)
	t.op("-", sig(tz, tz), iv, map2(types.SubTimestamp), fallible)
	t.group("the time between two timestamps (or since a timestamp until today's midnight) in years, months, days and a time",
		"age(TIMESTAMP '2001-04-10', TIMESTAMP '1957-06-13')", "43 years 9 mons 27 days")
	t.fn("age", sig(ts, ts), iv, map2(types.Age), fallible)
	t.fn("age", sig(tz, tz), iv, zoned2(ageTZ), fallible, stable)
	t.fn("age", sig(ts), iv, simple(func(c *call) {
		today := midnight(c.ctx)
		run1(func(us int64) (types.IntervalValue, error) { return types.Age(today, us) })(c)
	}), fallible, stable)
	t.fn("age", sig(tz), iv, simple(func(c *call) {
		today, zone := midnight(c.ctx), c.ctx.zone()
		run1(func(us int64) (types.IntervalValue, error) {
			local, err := types.ToTimestamp(us, zone)
			if err != nil {
				return types.IntervalValue{}, err
			}
			return types.Age(today, local)
		})(c)
	}), fallible, stable)
}

// midnight returns the start of the epoch's day as a local timestamp.
func midnight(ctx *Context) int64 {
	local, err := types.ToTimestamp(ctx.Now, ctx.zone())
	if err == nil {
		local, err = types.FieldDay.Truncate(local)
	}
	if err != nil {
		return ctx.Now
	}
	return local
}

func ageTZ(a, b int64, zone *time.Location) (types.IntervalValue, error) {
	x, err := types.ToTimestamp(a, zone)
	if err != nil {
		return types.IntervalValue{}, err
	}
	y, err := types.ToTimestamp(b, zone)
	if err != nil {
		return types.IntervalValue{}, err
	}
	return types.Age(x, y)
}

// shiftBy adds (or subtracts) an interval. A constant interval without months is a number of microseconds, of which days
// are 24 hours where there is no time zone.
func shiftBy(at, by int, minus, inZone bool) binder {
	return func(b *binding) kernel {
		general := func(c *call) {
			zone := c.ctx.zone()
			ts, tm := column[int64](c, at)
			iv, im := column[types.IntervalValue](c, by)
			r := outFixed[int64](c)
			eachRow(c, func(i int) (err error) {
				r[i], err = shift(ts[i&tm], iv[i&im], minus, inZone, zone)
				return err
			})
		}
		value, ok := b.constant(by)
		v, isInterval := value.(types.IntervalValue)
		if !ok || !isInterval || v.Months != 0 || inZone && v.Days != 0 || v.Days > 1e5 || v.Days < -1e5 ||
			v.Micros > 1e16 || v.Micros < -1e16 {
			return kernel{run: general}
		}
		delta := int64(v.Days)*86_400_000_000 + v.Micros
		if minus {
			delta = -delta
		}
		return kernel{run: func(c *call) {
			const far = 2e17 // both ends of the range are further away from 1970 than this
			vals, m := view[int64](c.args[at].buf), mask(c.args[at].konst)
			r := outFixed[int64](c)
			if m == 0 || !c.dense() {
				general(c)
				return
			}
			strange := false
			for i, x := range vals[:len(r)] {
				s := x + delta
				r[i] = s
				strange = strange || x < -far || x > far || s < -far || s > far
			}
			if strange {
				zone := c.ctx.zone()
				eachRow(c, func(i int) (err error) {
					r[i], err = shift(vals[i], v, minus, inZone, zone)
					return err
				})
			}
		}}
	}
}

func shift(us int64, v types.IntervalValue, minus, inZone bool, zone *time.Location) (int64, error) {
	switch {
	case minus && inZone:
		return types.SubIntervalTZ(us, v, zone)
	case minus:
		return types.SubInterval(us, v)
	case inZone:
		return types.AddIntervalTZ(us, v, zone)
	}
	return types.AddInterval(us, v)
}

func (t *table) intervalArithmetic() {
	iv, f8 := types.IntervalType, types.Float8Type
	t.group("the sum, field by field", "INTERVAL '1 day' + INTERVAL '1 hour'", "1 day 01:00:00")
	t.op("+", sig(iv, iv), iv, map2(types.IntervalValue.Add), fallible)
	t.group("the difference, field by field, or the opposite", "- INTERVAL '23 hours'", "-23:00:00")
	t.op("-", sig(iv, iv), iv, map2(types.IntervalValue.Sub), fallible)
	t.op("-", sig(iv), iv, map1(types.IntervalValue.Neg), fallible)
	t.group("a multiple", "INTERVAL '1 hour' * 3.5", "03:30:00")
	t.op("*", sig(iv, f8), iv, map2(types.IntervalValue.Mul), fallible)
	t.op("*", sig(f8, iv), iv, map2(func(f float64, v types.IntervalValue) (types.IntervalValue, error) { return v.Mul(f) }), fallible)
	t.group("a fraction", "INTERVAL '1 hour' / 1.5", "00:40:00")
	t.op("/", sig(iv, f8), iv, map2(types.IntervalValue.Div), fallible)
	t.group("with each 24 hours turned into a day", "justify_hours(INTERVAL '27 hours')", "1 day 03:00:00")
	t.fn("justify_hours", sig(iv), iv, map1(types.IntervalValue.JustifyHours), fallible)
	t.group("with each 30 days turned into a month", "justify_days(INTERVAL '35 days')", "1 mon 5 days")
	t.fn("justify_days", sig(iv), iv, map1(types.IntervalValue.JustifyDays), fallible)
	t.group("with days and months made up, and all signs equal", "justify_interval(INTERVAL '1 mon -1 hour')", "29 days 23:00:00")
	t.fn("justify_interval", sig(iv), iv, map1(types.IntervalValue.Justify), fallible)
}

// fieldOf returns how to find the field of a call: once, if its name is constant.
func fieldOf(b *binding, parse func(name string, kind types.Kind) (types.DateField, error), kind types.Kind) func(name string) (types.DateField, error) {
	if name, ok := b.constText(0); ok {
		f, err := parse(name, kind)
		return func(string) (types.DateField, error) { return f, err }
	}
	last, known := "", false
	var f types.DateField
	var err error
	return func(name string) (types.DateField, error) {
		if !known || name != last {
			last, known = string([]byte(name)), true
			f, err = parse(last, kind)
		}
		return f, err
	}
}

func (t *table) extracts() {
	t.group("a field of a date, time, timestamp or interval, such as year, dow, hour, second, epoch",
		"EXTRACT(day FROM TIMESTAMP '2001-02-16 20:38:40')", "16")
	both := func(kind types.Kind, typ types.Type, b func(part bool) binder, props ...property) {
		t.group("a field of a date, time, timestamp or interval, such as year, dow, hour, second, epoch",
			"EXTRACT(day FROM TIMESTAMP '2001-02-16 20:38:40')", "16")
		t.fn("extract", sig(types.TextType, typ), types.NumericType, b(false), append(props, fallible)...)
		t.group("a field of a date, time, timestamp or interval as double precision", "date_part('hour', TIMESTAMP '2001-02-16 20:38:40')", "20")
		t.fn("date_part", sig(types.TextType, typ), types.Float8Type, b(true), append(props, fallible)...)
	}
	both(types.Date, types.DateType, func(part bool) binder {
		if part { // date_part casts a date to timestamp
			return extractOf(types.Timestamp, true, func(f types.DateField, d int32, _ *time.Location) (types.NumericValue, bool) {
				us, err := types.DateToTimestamp(d)
				if err != nil {
					return f.ExtractDate(d)
				}
				return f.Extract(us)
			})
		}
		return extractOf(types.Date, false, func(f types.DateField, d int32, _ *time.Location) (types.NumericValue, bool) { return f.ExtractDate(d) })
	})
	both(types.Time, types.TimeType, func(part bool) binder {
		return extractOf(types.Time, part, func(f types.DateField, us int64, _ *time.Location) (types.NumericValue, bool) {
			return f.ExtractTime(us), true
		})
	})
	both(types.Timestamp, types.TimestampType, func(part bool) binder {
		return extractOf(types.Timestamp, part, func(f types.DateField, us int64, _ *time.Location) (types.NumericValue, bool) { return f.Extract(us) })
	})
	both(types.TimestampTZ, types.TimestampTZType, func(part bool) binder {
		return extractOf(types.TimestampTZ, part, func(f types.DateField, us int64, zone *time.Location) (types.NumericValue, bool) {
			return f.ExtractTZ(us, zone)
		})
	}, stable)
	both(types.Interval, types.IntervalType, func(part bool) binder {
		return extractOf(types.Interval, part, func(f types.DateField, v types.IntervalValue, _ *time.Location) (types.NumericValue, bool) {
			return f.ExtractInterval(v), true
		})
	})
}

// extractOf makes the kernel of extract or, with part, of date_part; no value gives NULL.
func extractOf[T any](kind types.Kind, part bool, get func(f types.DateField, x T, zone *time.Location) (types.NumericValue, bool)) binder {
	return func(b *binding) kernel {
		field := fieldOf(b, types.ParseExtractField, kind)
		return kernel{run: func(c *call) {
			names, nm := column[string](c, 0)
			vals, vm := column[T](c, 1)
			zone := c.ctx.zone()
			var floats []float64
			var numbers []types.NumericValue
			if part {
				floats = results[float64](c)
			} else {
				numbers = results[types.NumericValue](c)
			}
			eachRow(c, func(i int) error {
				f, err := field(names[i&nm])
				if err != nil {
					return err
				}
				v, ok := get(f, vals[i&vm], zone)
				switch {
				case !ok:
					c.setNull(i)
				case part:
					floats[i] = v.Float64()
				default:
					numbers[i] = v
				}
				return nil
			})
			if !part {
				finish(c, numbers)
			}
		}}
	}
}

func (t *table) truncations() {
	txt, ts, tz, iv := types.TextType, types.TimestampType, types.TimestampTZType, types.IntervalType
	t.group("cut to a unit, such as minute, hour, day, week, month, quarter, year (of a timestamp with time zone by the session's or a given zone)",
		"date_trunc('hour', TIMESTAMP '2001-02-16 20:38:40')", "2001-02-16 20:00:00")
	t.fn("date_trunc", sig(txt, ts), ts, dateTrunc, fallible)
	t.fn("date_trunc", sig(txt, tz), tz, truncOf(types.TimestampTZ, func(f types.DateField, us int64, zone *time.Location) (int64, error) {
		return f.TruncateTZ(us, zone)
	}), fallible, stable)
	t.fn("date_trunc", sig(txt, iv), iv, truncOf(types.Interval, func(f types.DateField, v types.IntervalValue, _ *time.Location) (types.IntervalValue, error) {
		return f.TruncateInterval(v), nil
	}), fallible)
	t.fn("date_trunc", sig(txt, tz, txt), tz, func(b *binding) kernel {
		field, zoneOf := fieldOf(b, types.ParseTruncField, types.TimestampTZ), zoneFinder()
		return map3(func(name string, us int64, zone string) (int64, error) {
			if !types.IsFiniteTimestamp(us) {
				return us, nil
			}
			loc, err := zoneOf(zone)
			if err != nil {
				return 0, err
			}
			f, err := field(name)
			if err != nil {
				return 0, err
			}
			return f.TruncateTZ(us, loc)
		})(b)
	}, fallible)
	t.group("the start of the interval, of those counted from an origin, that holds the timestamp",
		"date_bin(INTERVAL '15 minutes', TIMESTAMP '2020-02-11 15:44:17', TIMESTAMP '2001-01-01')", "2020-02-11 15:30:00")
	t.fn("date_bin", sig(iv, ts, ts), ts, map3(types.DateBin), fallible)
	t.fn("date_bin", sig(iv, tz, tz), tz, map3(types.DateBin), fallible)
}

func truncOf[T any](kind types.Kind, trunc func(f types.DateField, x T, zone *time.Location) (T, error)) binder {
	return func(b *binding) kernel {
		field := fieldOf(b, types.ParseTruncField, kind)
		return kernel{run: func(c *call) {
			names, nm := column[string](c, 0)
			vals, vm := column[T](c, 1)
			zone := c.ctx.zone()
			r := results[T](c)
			eachRow(c, func(i int) error {
				if us, ok := any(vals[i&vm]).(int64); ok && !types.IsFiniteTimestamp(us) {
					r[i] = vals[i&vm]
					return nil
				}
				f, err := field(names[i&nm])
				if err != nil {
					return err
				}
				r[i], err = trunc(f, vals[i&vm], zone)
				return err
			})
			finish(c, r)
		}}
	}
}

// dateTrunc on timestamps has loops for the constant units of fixed width.
func dateTrunc(b *binding) kernel {
	general := truncOf(types.Timestamp, func(f types.DateField, us int64, _ *time.Location) (int64, error) { return f.Truncate(us) })(b)
	name, ok := b.constText(0)
	if !ok {
		return general
	}
	f, err := types.ParseTruncField(name, types.Timestamp)
	if err != nil || f < types.FieldSecond || f > types.FieldDay {
		return general
	}
	return kernel{run: func(c *call) {
		if c.args[1].konst || !c.dense() {
			general.run(c)
			return
		}
		r := outFixed[int64](c)
		vals := view[int64](c.args[1].buf)[:len(r)]
		// Division by a constant is a multiplication.
		switch f {
		case types.FieldSecond:
			for i, x := range vals {
				r[i] = x - floorMod(x%1_000_000, 1_000_000)
			}
		case types.FieldMinute:
			for i, x := range vals {
				r[i] = x - floorMod(x%60_000_000, 60_000_000)
			}
		case types.FieldHour:
			for i, x := range vals {
				r[i] = x - floorMod(x%3_600_000_000, 3_600_000_000)
			}
		case types.FieldDay:
			for i, x := range vals {
				r[i] = x - floorMod(x%86_400_000_000, 86_400_000_000)
			}
		}
		for i, x := range vals {
			if x == types.TimestampPosInf || x == types.TimestampNegInf {
				r[i] = x
			}
		}
	}}
}

// floorMod makes a remainder non-negative.
func floorMod(rest, width int64) int64 { return rest + rest>>63&width }

func (t *table) makers() {
	i4, f8, date, clock := types.Int4Type, types.Float8Type, types.DateType, types.TimeType
	ts, tz, iv, txt, b := types.TimestampType, types.TimestampTZType, types.IntervalType, types.TextType, types.BoolType
	t.group("a date from year, month and day", "make_date(2013, 7, 15)", "2013-07-15")
	t.fn("make_date", sig(i4, i4, i4), date, map3(func(y, m, d int32) (int32, error) { return types.MakeDate(int(y), int(m), int(d)) }), fallible)
	t.group("a time of day from hour, minute and seconds", "make_time(8, 15, 23.5)", "08:15:23.5")
	t.fn("make_time", sig(i4, i4, f8), clock, map3(func(h, m int32, s float64) (int64, error) { return types.MakeTime(int(h), int(m), s) }), fallible)
	t.group("a timestamp from year, month, day, hour, minute and seconds", "make_timestamp(2013, 7, 15, 8, 15, 23.5)", "2013-07-15 08:15:23.5")
	t.fn("make_timestamp", sig(i4, i4, i4, i4, i4, f8), ts, makeTimestamp(func(us int64, _ *time.Location, _ string) (int64, error) { return us, nil }), fallible)
	t.group("a timestamp with time zone from year, month, day, hour, minute and seconds in the session's or a given zone",
		"make_timestamptz(2013, 7, 15, 8, 15, 23.5, 'Europe/Paris')", "2013-07-15 06:15:23.5+00")
	t.fn("make_timestamptz", sig(i4, i4, i4, i4, i4, f8), tz, makeTimestamp(func(us int64, zone *time.Location, _ string) (int64, error) {
		return types.ToTimestampTZ(us, zone)
	}), fallible, stable)
	t.fn("make_timestamptz", sig(i4, i4, i4, i4, i4, f8, txt), tz, func(b *binding) kernel {
		zoneOf := zoneFinder()
		return makeTimestamp(func(us int64, _ *time.Location, name string) (int64, error) {
			// Here the sign of an offset counts east of Greenwich, as in a timestamp.
			switch {
			case strings.HasPrefix(name, "+"):
				name = "-" + name[1:]
			case strings.HasPrefix(name, "-"):
				name = "+" + name[1:]
			}
			zone, err := zoneOf(name)
			if err != nil {
				return 0, err
			}
			return types.ToTimestampTZ(us, zone)
		})(b)
	}, fallible)
	t.group("an interval from years, months, weeks, days, hours, minutes and seconds, of which the last may be left out", "make_interval(0, 0, 0, 10)", "10 days")
	args := sig(i4, i4, i4, i4, i4, i4, f8)
	for n := range len(args) + 1 {
		t.fn("make_interval", args[:n:n], iv, simple(makeInterval), fallible)
	}
	t.group("the timestamp of seconds since 1970-01-01 00:00:00 UTC", "to_timestamp(1284352323)", "2010-09-13 04:32:03+00")
	t.fn("to_timestamp", sig(f8), tz, map1(types.TimestampFromEpoch), fallible)
	t.group("true unless the argument is an infinity", "isfinite(DATE 'infinity')", "f")
	t.fn("isfinite", sig(date), b, map1(func(d int32) (bool, error) { return types.IsFiniteDate(d), nil }))
	t.fn("isfinite", sig(ts), b, map1(func(us int64) (bool, error) { return types.IsFiniteTimestamp(us), nil }))
	t.fn("isfinite", sig(tz), b, map1(func(us int64) (bool, error) { return types.IsFiniteTimestamp(us), nil }))
	t.fn("isfinite", sig(iv), b, map1(func(types.IntervalValue) (bool, error) { return true, nil }))
}

func makeTimestamp(place func(us int64, zone *time.Location, name string) (int64, error)) binder {
	return simple(func(c *call) {
		var ints [5][]int32
		var masks [5]int
		for k := range ints {
			v := c.args[k]
			ints[k], masks[k] = view[int32](v.buf), int(int32(mask(v.konst)))
		}
		secs, sm := column[float64](c, 5)
		names, nm := []string{""}, 0
		if len(c.args) > 6 {
			names, nm = columnIn[string](c, 6, 0)
		}
		r := outFixed[int64](c)
		zone := c.ctx.zone()
		eachRow(c, func(i int) error {
			at := func(k int) int { return int(ints[k][i&masks[k]]) }
			us, err := types.MakeTimestamp(at(0), at(1), at(2), at(3), at(4), secs[i&sm])
			if err != nil {
				return err
			}
			r[i], err = place(us, zone, names[i&nm])
			return err
		})
	})
}

func makeInterval(c *call) {
	r := results[types.IntervalValue](c)
	eachRow(c, func(i int) (err error) {
		var n [6]int32
		secs := 0.0
		for k, v := range c.args {
			at := i
			if v.konst {
				at = 0
			}
			if k < len(n) {
				n[k] = view[int32](v.buf)[at]
			} else {
				secs = view[float64](v.buf)[at]
			}
		}
		r[i], err = types.MakeInterval(n[0], n[1], n[2], n[3], n[4], n[5], secs)
		return err
	})
	finish(c, r)
}

// zoneFinder returns a finder of zones by name that remembers the last ones.
func zoneFinder() func(name string) (*time.Location, error) {
	type entry struct {
		zone *time.Location
		err  error
	}
	known := map[string]entry{}
	return func(name string) (*time.Location, error) {
		e, ok := known[name]
		if !ok {
			const most = 1000
			if len(known) > most {
				clear(known)
			}
			e.zone, e.err = types.ParseZone(name)
			known[string([]byte(name))] = e
		}
		return e.zone, e.err
	}
}

func (t *table) zones() {
	ts, tz, iv, txt := types.TimestampType, types.TimestampTZType, types.IntervalType, types.TextType
	t.group("AT TIME ZONE: a timestamp as the local time of a zone, or a timestamp with time zone shown as the local time of a zone",
		"TIMESTAMP '2001-02-16 20:38:40' AT TIME ZONE 'America/Denver'", "2001-02-17 03:38:40+00")
	byName := func(move func(us int64, zone *time.Location) (int64, error)) binder {
		return func(b *binding) kernel {
			zoneOf := zoneFinder()
			return map2(func(name string, us int64) (int64, error) {
				if !types.IsFiniteTimestamp(us) {
					return us, nil
				}
				zone, err := zoneOf(name)
				if err != nil {
					return 0, err
				}
				return move(us, zone)
			})(b)
		}
	}
	byOffset := func(move func(us int64, zone *time.Location) (int64, error)) binder {
		return map2(func(v types.IntervalValue, us int64) (int64, error) {
			if !types.IsFiniteTimestamp(us) {
				return us, nil
			}
			zone, err := types.FixedZone(v)
			if err != nil {
				return 0, err
			}
			return move(us, zone)
		})
	}
	t.fn("timezone", sig(txt, ts), tz, byName(types.ToTimestampTZ), fallible)
	t.fn("timezone", sig(txt, tz), ts, byName(types.ToTimestamp), fallible)
	t.fn("timezone", sig(iv, ts), tz, byOffset(types.ToTimestampTZ), fallible)
	t.fn("timezone", sig(iv, tz), ts, byOffset(types.ToTimestamp), fallible)
}

// overlaps adds OVERLAPS over two pairs of ends; the ends of a pair may stand in either order.
func (t *table) overlaps() {
	t.group("true if two periods, each given by its ends, have time in common",
		"overlaps(DATE '2001-02-16', DATE '2001-12-21', DATE '2001-10-30', DATE '2002-10-30')", "t")
	for _, typ := range []types.Type{types.TimeType, types.TimestampType, types.TimestampTZType} {
		t.fn("overlaps", sig(typ, typ, typ, typ), types.BoolType, simple(func(c *call) {
			out := c.outBits()
			valid := make([]byte, (c.n+7)/8)
			eachSelected(c, func(i int) {
				var ends [4]*int64
				for k, v := range c.args {
					if v.null(i) {
						continue
					}
					at := i
					if v.konst {
						at = 0
					}
					ends[k] = &view[int64](v.buf)[at]
				}
				if hit, known := overlap(ends[0], ends[1], ends[2], ends[3]); known {
					valid[i>>3] |= 1 << (i & 7)
					out[i>>3] |= b2u(hit) << (i & 7)
				}
			})
			c.valid, c.ownValid = valid, true
		}), lax)
	}
}

// overlap compares [s1, e1) with [s2, e2); nil is NULL.
func overlap(s1, e1, s2, e2 *int64) (hit, known bool) {
	order := func(s, e *int64) (*int64, *int64) {
		if s == nil || e != nil && *s > *e {
			return e, s
		}
		return s, e
	}
	s1, e1 = order(s1, e1)
	s2, e2 = order(s2, e2)
	switch {
	case s1 == nil || s2 == nil:
		return false, false
	case *s1 == *s2:
		return true, e1 != nil && e2 != nil
	case *s1 > *s2:
		s1, e1, s2, e2 = s2, e2, s1, e1
	}
	switch {
	case e1 == nil:
		return false, false
	case *s2 < *e1:
		return true, true
	}
	return false, e2 != nil
}
