package expr

import (
	"github.com/streamsql/streamsql/types"
)

func (t *table) format() {
	t.cat = CatFormat
	txt := types.TextType
	t.group("a timestamp or interval by a template: YYYY, MM, DD, HH24, MI, SS, MS, US, Month, Day, IYYY, IW, TZ, FM, th and so on",
		"to_char(TIMESTAMP '2002-04-20 17:31:12.66', 'HH12:MI:SS')", "05:31:12")
	t.fn("to_char", sig(types.TimestampType, txt), txt, timeFormatter[int64](func(f *timeFormat, c *call, dst []byte, us int64) ([]byte, bool, error) {
		return f.appendTimestamp(dst, us)
	}))
	t.fn("to_char", sig(types.TimestampTZType, txt), txt, timeFormatter[int64](func(f *timeFormat, c *call, dst []byte, us int64) ([]byte, bool, error) {
		return f.appendTimestampTZ(dst, us, c.ctx.zone())
	}), stable, fallible)
	t.fn("to_char", sig(types.IntervalType, txt), txt, timeFormatter[types.IntervalValue](func(f *timeFormat, c *call, dst []byte, v types.IntervalValue) ([]byte, bool, error) {
		if len(f.nodes) == 0 {
			return dst, false, nil
		}
		parts := intervalClockTime(v)
		out, err := f.append(dst, &parts)
		return out, true, err
	}), fallible)
	t.group("a number by a template: 9 and 0 are digits, . or D the point, , or G the separator of thousands, S, MI, PL, PR the sign, FM no padding, RN roman, EEEE scientific",
		"to_char(-125.8, '999D99S')", "125.80-")
	t.fn("to_char", sig(types.Int4Type, txt), txt, numberFormatter(func(f *numberFormat, dst []byte, x int32) ([]byte, error) { return f.appendInt(dst, int64(x)) }), fallible)
	t.fn("to_char", sig(types.Int8Type, txt), txt, numberFormatter(func(f *numberFormat, dst []byte, x int64) ([]byte, error) { return f.appendInt(dst, x) }), fallible)
	t.fn("to_char", sig(types.NumericType, txt), txt, numberFormatter(func(f *numberFormat, dst []byte, x types.NumericValue) ([]byte, error) {
		return f.appendNumeric(dst, x)
	}), fallible)
	t.fn("to_char", sig(types.Float4Type, txt), txt, numberFormatter(func(f *numberFormat, dst []byte, x float32) ([]byte, error) {
		return f.appendFloat(dst, float64(x), 6)
	}), fallible)
	t.fn("to_char", sig(types.Float8Type, txt), txt, numberFormatter(func(f *numberFormat, dst []byte, x float64) ([]byte, error) {
		return f.appendFloat(dst, x, 15)
	}), fallible)
	t.group("a text read by a template as a number", "to_number('12,454.8-', '99G999D9S')", "-12454.8")
	t.fn("to_number", sig(txt, txt), types.NumericType, toNumber, fallible)
	t.group("a text read by a template as a date", "to_date('05 Dec 2000', 'DD Mon YYYY')", "2000-12-05")
	t.fn("to_date", sig(txt, txt), types.DateType, timeReader(func(r *timeReading, c *call) (int32, error) { return r.date() }), fallible)
	t.group("a text read by a template as a timestamp with time zone", "to_timestamp('05 Dec 2000 13:05', 'DD Mon YYYY HH24:MI')", "2000-12-05 13:05:00+00")
	t.fn("to_timestamp", sig(txt, txt), types.TimestampTZType, timeReader(func(r *timeReading, c *call) (int64, error) {
		return r.timestampTZ(c.ctx.zone())
	}), fallible, stable)
}

// templates remembers the compiled templates of a call.
type templates[F any] struct {
	known map[string]F
}

func (t *templates[F]) get(text string, compile func(text string) (F, error)) (F, error) {
	if f, ok := t.known[text]; ok {
		return f, nil
	}
	const most = 256
	if t.known == nil || len(t.known) >= most {
		t.known = map[string]F{}
	}
	text = string([]byte(text))
	f, err := compile(text)
	if err == nil {
		t.known[text] = f
	}
	return f, err
}

func compileTime(text string) (*timeFormat, error) { return parseTimeFormat(text), nil }

func timeFormatter[A any](write func(f *timeFormat, c *call, dst []byte, a A) ([]byte, bool, error)) binder {
	return func(*binding) kernel {
		cache := &templates[*timeFormat]{}
		return kernel{run: func(c *call) {
			a, am := column[A](c, 0)
			p, pm := column[string](c, 1)
			texted(c, func(dst []byte, i int) ([]byte, error) {
				f, err := cache.get(p[i&pm], compileTime)
				if err != nil {
					return dst, err
				}
				out, ok, err := write(f, c, dst, a[i&am])
				if err != nil {
					return dst, err
				}
				if !ok {
					c.setNull(i)
				}
				return out, nil
			})
		}}
	}
}

func numberFormatter[A any](write func(f *numberFormat, dst []byte, a A) ([]byte, error)) binder {
	return func(*binding) kernel {
		cache := &templates[*numberFormat]{}
		return kernel{run: func(c *call) {
			a, am := column[A](c, 0)
			p, pm := column[string](c, 1)
			texted(c, func(dst []byte, i int) ([]byte, error) {
				f, err := cache.get(p[i&pm], parseNumberFormat)
				if err != nil {
					return dst, err
				}
				return write(f, dst, a[i&am])
			})
		}}
	}
}

func timeReader[R any](read func(r *timeReading, c *call) (R, error)) binder {
	return func(*binding) kernel {
		cache := &templates[*timeFormat]{}
		return kernel{run: func(c *call) {
			a, am := column[string](c, 0)
			p, pm := column[string](c, 1)
			out := results[R](c)
			eachRow(c, func(i int) error {
				f, err := cache.get(p[i&pm], compileTime)
				if err != nil {
					return err
				}
				r, err := f.read(a[i&am])
				if err != nil {
					return err
				}
				out[i], err = read(r, c)
				return err
			})
			finish(c, out)
		}}
	}
}

func toNumber(*binding) kernel {
	cache := &templates[*numberFormat]{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		r := results[types.NumericValue](c)
		eachRow(c, func(i int) error {
			if p[i&pm] == "" {
				c.setNull(i)
				return nil
			}
			f, err := cache.get(p[i&pm], parseNumberFormat)
			if err == nil {
				r[i], err = f.read(a[i&am])
			}
			return err
		})
		finish(c, r)
	}}
}
