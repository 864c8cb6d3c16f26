package expr

import (
	"encoding/binary"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/streamsql/streamsql/types"
)

// castKinds are the kinds that have casts, in the order of the table.
var castKinds = []types.Type{
	types.BoolType, types.Int2Type, types.Int4Type, types.Int8Type, types.NumericType, types.Float4Type, types.Float8Type,
	types.TextType, types.ByteaType, types.DateType, types.TimeType, types.TimestampType, types.TimestampTZType,
	types.IntervalType, types.JSONBType,
}

// castExamples show one cast to each type.
var castExamples = map[types.Kind][2]string{
	types.Bool:        {"CAST('yes' AS boolean)", "t"},
	types.Int2:        {"CAST(12.5 AS smallint)", "13"},
	types.Int4:        {"CAST(2.5::double precision AS integer)", "2"},
	types.Int8:        {"CAST('42' AS bigint)", "42"},
	types.Numeric:     {"CAST(1.005 AS numeric(4, 2))", "1.01"},
	types.Float4:      {"CAST(0.1 AS real)", "0.1"},
	types.Float8:      {"CAST('1e3' AS double precision)", "1000"},
	types.Text:        {"CAST(true AS text)", "true"},
	types.Bytea:       {`CAST('\x6869' AS bytea)`, `\x6869`},
	types.Date:        {"CAST(TIMESTAMP '2024-02-29 12:00:00' AS date)", "2024-02-29"},
	types.Time:        {"CAST('04:05:06' AS time)", "04:05:06"},
	types.Timestamp:   {"CAST(DATE '2024-02-29' AS timestamp)", "2024-02-29 00:00:00"},
	types.TimestampTZ: {"CAST('2024-02-29 12:00:00+02' AS timestamptz)", "2024-02-29 10:00:00+00"},
	types.Interval:    {"CAST('90 minutes' AS interval)", "01:30:00"},
	types.Array:       {"CAST('{1,NULL}' AS bigint[])", "{1,NULL}"},
	types.JSONB:       {`CAST('{"b":1, "a":[true]}' AS jsonb)`, `{"a": [true], "b": 1}`},
}

func (t *table) casts() {
	t.cat = CatCast
	for _, from := range castKinds {
		for _, to := range castKinds {
			if from != to && !CanCast(from, to, Explicit) {
				continue
			}
			k, props := castKernel(from.Kind, to.Kind)
			t.group("converts "+from.String()+" to "+to.String(), castExamples[to.Kind][0], castExamples[to.Kind][1])
			t.cast("cast", from, to, castModifiers(from, to, k, false), props)
			if to.Kind == types.Text {
				t.group("converts "+from.String()+" to "+to.String()+" for a column: a text that is too long is an error",
					castExamples[to.Kind][0], castExamples[to.Kind][1])
				t.cast("assign", from, to, castModifiers(from, to, k, true), append(props, fallible))
			}
		}
	}
	for _, elem := range castKinds {
		from := types.ArrayOf(elem)
		t.group("converts "+from.String()+" to text", castExamples[types.Text][0], castExamples[types.Text][1])
		var props []property
		if elem.Kind == types.TimestampTZ {
			props = append(props, stable)
		}
		t.cast("cast", from, types.TextType, textOfAny, props)
		t.cast("assign", from, types.TextType, textOfAny, props)
	}
	t.arrayCasts()
}

func (t *table) cast(name string, from, to types.Type, b binder, props []property) {
	o := &Overload{
		ID: name + "(" + from.String() + " as " + to.String() + ")", Name: name, Category: t.cat, Args: sig(from), Result: to,
		Strict: true, Doc: t.doc, Example: t.example, Answer: t.answer, bind: b,
	}
	for _, p := range props {
		p(o)
	}
	t.list = append(t.list, o)
}

// textOfAny gives the text form of any type.
func textOfAny(*binding) kernel {
	return kernel{run: func(c *call) {
		v := c.args[0]
		arr := v.arr
		if arr == nil || v.konst && v.arr.Len() == 0 {
			one := *v
			one.konst, one.n = false, v.physical()
			arr = one.toArrow()
		}
		texted(c, func(dst []byte, i int) ([]byte, error) {
			if v.konst {
				i = 0
			}
			return types.AppendTextIn(dst, v.t, arr, i, c.ctx.zone()), nil
		})
	}}
}

// castModifiers wraps a cast so that the modifiers of the result are applied too.
func castModifiers(from, to types.Type, plain binder, assign bool) binder {
	return func(b *binding) kernel {
		switch {
		case to.Kind == types.Numeric:
			return castNumeric(b, plain)
		case b.t.Precision == 0:
			return plain(b)
		case to.Kind == types.Text:
			return castVarchar(b, plain(b), assign)
		case to.Kind == types.Time || to.Kind == types.Timestamp || to.Kind == types.TimestampTZ:
			return castRounded(b, plain(b))
		}
		return plain(b)
	}
}

// castNumeric converts between the storages of NUMERIC; other casts to NUMERIC give decimal128 by themselves.
func castNumeric(b *binding, plain binder) kernel {
	if len(b.args) == 0 || b.args[0].Type().Kind != types.Numeric {
		return plain(b)
	}
	from := b.args[0].Type()
	switch {
	case from == b.t:
		return kernel{alias: true}
	case from.IsDecimal128() && b.t.IsDecimal128() && from.Scale == b.t.Scale && from.Precision <= b.t.Precision:
		return kernel{run: func(c *call) {
			n := c.args[0].physical() * 16
			c.buf = c.alloc(n)
			copy(c.buf, c.args[0].buf[:n])
		}}
	}
	return kernel{run: run1(func(x types.NumericValue) (types.NumericValue, error) { return x, nil })}
}

// storeDecimal writes results as decimal128 of the node's type.
func storeDecimal(c *call, s []types.NumericValue) {
	t := c.node.t
	p, scale := int(t.Precision), int(t.Scale)
	c.buf = c.alloc(c.n * 16)
	one := func(i int) {
		var d decimal128.Num
		if x := s[i]; int(x.Scale) != scale || p != 38 {
			var err error
			if d, err = x.Decimal128(p, scale); err != nil {
				if !c.failed(i) {
					c.fail(i, err)
				}
				return
			}
		} else {
			d = decimal128.New(x.Hi, x.Lo)
		}
		binary.LittleEndian.PutUint64(c.buf[i*16:], d.LowBits())
		binary.LittleEndian.PutUint64(c.buf[i*16+8:], uint64(d.HighBits()))
	}
	rows := c.list()
	if rows == nil {
		for i := range c.n {
			one(i)
		}
	}
	for _, i := range rows {
		one(int(i))
	}
}

// castVarchar cuts to the length of VARCHAR(n), or refuses a longer text unless blanks alone are cut.
func castVarchar(b *binding, inner kernel, assign bool) kernel {
	most := int(b.t.Precision)
	long := types.Errorf(types.CodeStringTruncation, "value too long for type %s", b.t)
	return kernel{run: func(c *call) {
		arg := c.args[0]
		if !inner.alias {
			inner.run(c)
			whole := &vec{t: types.TextType, n: c.n, buf: c.buf, offs: c.offs, valid: c.valid}
			// The texts are cut into memory of their own.
			whole.buf, whole.offs = append([]byte{}, c.buf...), append([]int32{}, c.offs...)
			c.args[0], c.listed = whole, false
		}
		a, m := column[string](c, 0)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			s := a[i&m]
			if len(s) > most {
				if cut := truncateText(s, most); len(cut) < len(s) {
					if assign && !blank(s[len(cut):]) {
						return dst, long
					}
					s = cut
				}
			}
			return append(dst, s...), nil
		})
		c.args[0] = arg
	}}
}

func blank(s string) bool {
	for i := range len(s) {
		if s[i] != ' ' {
			return false
		}
	}
	return true
}

// castRounded rounds to the digits of TIME(p), TIMESTAMP(p) and TIMESTAMPTZ(p).
func castRounded(b *binding, inner kernel) kernel {
	return kernel{run: func(c *call) {
		var from []int64
		if inner.alias {
			from = view[int64](c.args[0].buf)
			outFixed[int64](c)
		} else {
			inner.run(c)
			from = view[int64](c.buf)
		}
		r := view[int64](c.buf)
		for i, x := range from[:len(r)] {
			r[i] = types.RoundTime(b.t, x)
		}
	}}
}

// castKernel returns how to convert between two kinds without modifiers.
func castKernel(from, to types.Kind) (binder, []property) {
	if from == to {
		if from == types.Numeric {
			return identity, []property{fallible}
		}
		return identity, nil
	}
	if from == types.JSONB && to != types.Text {
		return castFromJSON(to), []property{fallible}
	}
	switch to {
	case types.Text:
		return castToText(from)
	case types.Bool:
		if from == types.Int4 {
			return map1(func(x int32) (bool, error) { return x != 0, nil }), nil
		}
		return map1(types.ParseBool), []property{fallible}
	case types.Int2:
		return castToInt[int16](from, types.Int2)
	case types.Int4:
		return castToInt[int32](from, types.Int4)
	case types.Int8:
		return castToInt[int64](from, types.Int8)
	case types.Numeric:
		return castToNumeric(from), []property{fallible}
	case types.Float4:
		return castToFloat4(from)
	case types.Float8:
		return castToFloat8(from)
	case types.Bytea:
		return text1(func(dst []byte, s string) ([]byte, error) {
			b, err := types.ParseBytea(s)
			return append(dst, b...), err
		}), []property{fallible}
	case types.JSONB:
		return text1(func(dst []byte, s string) ([]byte, error) { return types.AppendJSONB(dst, []byte(s)) }), []property{fallible}
	case types.Interval:
		if from == types.Time {
			return map1(func(us int64) (types.IntervalValue, error) { return types.MicrosOf(us), nil }), nil
		}
		return map1(types.ParseInterval), []property{fallible}
	}
	return castToDateTime(from, to)
}

func castToText(from types.Kind) (binder, []property) {
	switch from {
	case types.Bool:
		return text1(func(dst []byte, x bool) ([]byte, error) { return strconv.AppendBool(dst, x), nil }), nil
	case types.Int2:
		return text1(appendInt[int16]), nil
	case types.Int4:
		return text1(appendInt[int32]), nil
	case types.Int8:
		return text1(appendInt[int64]), nil
	case types.Float4:
		return text1(func(dst []byte, x float32) ([]byte, error) { return types.AppendFloat(dst, float64(x), 32), nil }), nil
	case types.Float8:
		return text1(func(dst []byte, x float64) ([]byte, error) { return types.AppendFloat(dst, x, 64), nil }), nil
	case types.Numeric:
		return text1(func(dst []byte, x types.NumericValue) ([]byte, error) { return x.Append(dst), nil }), nil
	case types.Bytea:
		return text1(func(dst []byte, x string) ([]byte, error) { return types.AppendBytea(dst, []byte(x)), nil }), nil
	case types.Date:
		return text1(func(dst []byte, x int32) ([]byte, error) { return types.AppendDate(dst, x), nil }), nil
	case types.Time:
		return text1(func(dst []byte, x int64) ([]byte, error) { return types.AppendTime(dst, x), nil }), nil
	case types.Timestamp:
		return text1(func(dst []byte, x int64) ([]byte, error) { return types.AppendTimestamp(dst, x), nil }), nil
	case types.TimestampTZ:
		return simple(func(c *call) {
			a, m := column[int64](c, 0)
			zone := c.ctx.zone()
			texted(c, func(dst []byte, i int) ([]byte, error) { return types.AppendTimestampTZ(dst, a[i&m], zone), nil })
		}), []property{stable}
	case types.Interval:
		return text1(func(dst []byte, x types.IntervalValue) ([]byte, error) { return x.Append(dst), nil }), nil
	}
	return identity, nil // jsonb
}

func appendInt[T integer](dst []byte, x T) ([]byte, error) {
	return strconv.AppendInt(dst, int64(x), 10), nil
}

func castToInt[T integer](from, to types.Kind) (binder, []property) {
	rangeErr := intRangeError[T]()
	fail := []property{fallible}
	narrow := func(x int64) (T, error) {
		if int64(T(x)) != x {
			return 0, rangeErr
		}
		return T(x), nil
	}
	switch from {
	case types.Bool:
		return map1(func(x bool) (T, error) { return T(b2u(x)), nil }), nil
	case types.Int2:
		return simple(widen[int16, T]), nil
	case types.Int4:
		if to == types.Int8 {
			return simple(widen[int32, T]), nil
		}
		return map1(func(x int32) (T, error) { return narrow(int64(x)) }), fail
	case types.Int8:
		return map1(narrow), fail
	case types.Float4:
		return map1(func(x float32) (T, error) { return roundFloat[T](float64(x), rangeErr) }), fail
	case types.Float8:
		return map1(func(x float64) (T, error) { return roundFloat[T](x, rangeErr) }), fail
	case types.Numeric:
		return map1(func(x types.NumericValue) (T, error) {
			n, err := x.ToInt(to)
			return T(n), err
		}), fail
	}
	return map1(func(s string) (T, error) {
		n, err := types.ParseInt(to, s)
		return T(n), err
	}), fail
}

// widen converts an integer without loss.
func widen[A, R integer](c *call) {
	r := outFixed[R](c)
	for i, x := range view[A](c.args[0].buf)[:len(r)] {
		r[i] = R(x)
	}
}

// roundFloat rounds half to even.
func roundFloat[T integer](x float64, rangeErr *types.Error) (T, error) {
	x = math.RoundToEven(x)
	smallest := float64(T(-1) << (sizeOf(T(0))*8 - 1))
	if !(x >= smallest && x < -smallest) {
		return 0, rangeErr
	}
	return T(x), nil
}

func castToNumeric(from types.Kind) binder {
	switch from {
	case types.Int2:
		return map1(func(x int16) (types.NumericValue, error) { return types.NumericFromInt64(int64(x)), nil })
	case types.Int4:
		return map1(func(x int32) (types.NumericValue, error) { return types.NumericFromInt64(int64(x)), nil })
	case types.Int8:
		return map1(func(x int64) (types.NumericValue, error) { return types.NumericFromInt64(x), nil })
	case types.Float4:
		return map1(types.NumericFromFloat32)
	case types.Float8:
		return map1(types.NumericFromFloat64)
	}
	return map1(types.ParseNumeric)
}

func castToFloat4(from types.Kind) (binder, []property) {
	switch from {
	case types.Int2:
		return map1(func(x int16) (float32, error) { return float32(x), nil }), nil
	case types.Int4:
		return map1(func(x int32) (float32, error) { return float32(x), nil }), nil
	case types.Int8:
		return map1(func(x int64) (float32, error) { return float32(x), nil }), nil
	case types.Float8:
		return map1(func(x float64) (float32, error) {
			r := float32(x)
			switch {
			case isInf(r) && !isInf(x):
				return 0, errOverflow
			case r == 0 && x != 0:
				return 0, errUnderflow
			}
			return r, nil
		}), []property{fallible}
	case types.Numeric:
		return map1(types.NumericValue.Float32), []property{fallible}
	}
	return map1(func(s string) (float32, error) {
		f, err := types.ParseFloat(types.Float4, s)
		return float32(f), err
	}), []property{fallible}
}

func castToFloat8(from types.Kind) (binder, []property) {
	switch from {
	case types.Int2:
		return map1(func(x int16) (float64, error) { return float64(x), nil }), nil
	case types.Int4:
		return map1(func(x int32) (float64, error) { return float64(x), nil }), nil
	case types.Int8:
		return map1(func(x int64) (float64, error) { return float64(x), nil }), nil
	case types.Float4:
		return map1(func(x float32) (float64, error) { return float64(x), nil }), nil
	case types.Numeric:
		return map1(func(x types.NumericValue) (float64, error) { return x.Float64(), nil }), nil
	}
	return map1(func(s string) (float64, error) { return types.ParseFloat(types.Float8, s) }), []property{fallible}
}

// zoned1 is map1 for functions that depend on the session's time zone.
func zoned1[A, R any](f func(A, *time.Location) (R, error)) binder {
	return simple(func(c *call) {
		zone := c.ctx.zone()
		run1(func(a A) (R, error) { return f(a, zone) })(c)
	})
}

// zoned2 is map2 for functions that depend on the session's time zone.
func zoned2[A, B, R any](f func(A, B, *time.Location) (R, error)) binder {
	return simple(func(c *call) {
		zone := c.ctx.zone()
		run2(func(a A, b B) (R, error) { return f(a, b, zone) })(c)
	})
}

func castToDateTime(from, to types.Kind) (binder, []property) {
	fail := []property{fallible}
	both := []property{stable, fallible}
	switch to {
	case types.Date:
		switch from {
		case types.Timestamp:
			return map1(func(us int64) (int32, error) { return types.TimestampToDate(us), nil }), nil
		case types.TimestampTZ:
			return zoned1(func(us int64, zone *time.Location) (int32, error) {
				local, err := types.ToTimestamp(us, zone)
				return types.TimestampToDate(local), err
			}), both
		}
		return map1(types.ParseDate), fail
	case types.Time:
		switch from {
		case types.Timestamp:
			return timeOfDay(false), nil
		case types.TimestampTZ:
			return timeOfDay(true), both
		case types.Interval:
			return map1(func(v types.IntervalValue) (int64, error) { return types.TimeAddInterval(0, v), nil }), nil
		}
		return map1(types.ParseTime), fail
	case types.Timestamp:
		switch from {
		case types.Date:
			return map1(types.DateToTimestamp), fail
		case types.TimestampTZ:
			return zoned1(types.ToTimestamp), both
		}
		return map1(types.ParseTimestamp), fail
	}
	switch from {
	case types.Date:
		return zoned1(types.DateToTimestampTZ), both
	case types.Timestamp:
		return zoned1(types.ToTimestampTZ), both
	}
	return zoned1(types.ParseTimestampTZ), both
}

// timeOfDay cuts the date off; infinities give NULL.
func timeOfDay(inZone bool) binder {
	return simple(func(c *call) {
		a, m := column[int64](c, 0)
		r := outFixed[int64](c)
		zone := c.ctx.zone()
		eachRow(c, func(i int) error {
			us := a[i&m]
			if inZone {
				var err error
				if us, err = types.ToTimestamp(us, zone); err != nil {
					return err
				}
			}
			rest, ok := types.TimestampToTime(us)
			if !ok {
				c.setNull(i)
			}
			r[i] = rest
			return nil
		})
	})
}

// parseLiteral reads an untyped literal as a value of type to; nil without an error means that the value depends on the
// session's time zone.
func parseLiteral(to types.Type, text string, ctx CastContext) (any, error) {
	switch to.Kind {
	case types.TimestampTZ:
		utc, err := types.ParseTimestampTZ(text, time.UTC)
		if err != nil {
			return nil, err
		}
		if other, err := types.ParseTimestampTZ(text, time.FixedZone("", 3600)); err != nil || other != utc {
			return nil, nil
		}
		return types.RoundTime(to, utc), nil
	case types.Array:
		utc, err := types.ParseTextIn(to, text, time.UTC)
		if err != nil || to.Elem != types.TimestampTZ {
			return utc, err
		}
		other, err := types.ParseTextIn(to, text, time.FixedZone("", 3600))
		if err != nil || !reflect.DeepEqual(utc, other) {
			return nil, nil
		}
		return utc, nil
	case types.Text:
		if to.Precision > 0 && ctx == Explicit {
			return truncateText(text, int(to.Precision)), nil
		}
	}
	return types.ParseText(to, text)
}

// truncateText cuts a text to n characters.
func truncateText(s string, n int) string {
	for i := 0; i < len(s); n-- {
		if n == 0 {
			return s[:i]
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		i += size
	}
	return s
}
