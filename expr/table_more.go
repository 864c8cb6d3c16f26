package expr

import (
	"math"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// more adds rarer functions of PostgreSQL.
func (t *table) more() {
	f8, i4, i8, bin, text := types.Float8Type, types.Int4Type, types.Int8Type, types.ByteaType, types.TextType
	t.cat = CatMath
	for _, d := range []struct {
		name, doc, example, answer string
		f                          func(float64) float64
		ok                         func(float64) bool
	}{
		{"sind", "the sine of an angle in degrees", "sind(30)", "0.5", sinDegrees, anyFinite},
		{"cosd", "the cosine of an angle in degrees", "cosd(60)", "0.5", cosDegrees, anyFinite},
		{"tand", "the tangent of an angle in degrees", "tand(45)", "1", func(x float64) float64 { return sinDegrees(x) / cosDegrees(x) }, anyFinite},
		{"cotd", "the cotangent of an angle in degrees", "cotd(45)", "1", func(x float64) float64 { return cosDegrees(x) / sinDegrees(x) }, anyFinite},
		{"asind", "the angle in degrees of a sine", "asind(0.5)", "30", func(x float64) float64 { return quarter(math.Asin(x), math.Asin(0.5), 30) }, unit},
		{"acosd", "the angle in degrees of a cosine", "acosd(0.5)", "60", func(x float64) float64 { return quarter(math.Acos(x), math.Acos(0.5), 60) }, unit},
		{"atand", "the angle in degrees of a tangent", "atand(1)", "45", func(x float64) float64 { return quarter(math.Atan(x), math.Atan(1), 45) }, anyNumber},
	} {
		t.group(d.doc, d.example, d.answer)
		t.fn(d.name, sig(f8), f8, checked(d.f, d.ok), fallible)
	}
	t.group("the angle in degrees of the point (second argument, first argument)", "atan2d(1, 0)", "90")
	t.fn("atan2d", sig(f8, f8), f8, map2(func(y, x float64) (float64, error) { return quarter(math.Atan2(y, x), math.Atan(1), 45), nil }))

	t.cat = CatBytes
	index := func(s string, n int64, size int) error {
		if n < 0 || n >= int64(len(s)*size) {
			return types.Errorf("2202E", "index %d out of valid range, 0..%d", n, len(s)*size-1)
		}
		return nil
	}
	t.group("the bit at a place, from 0, beginning with the lowest of the first byte", `get_bit('\x1234567890'::bytea, 30)`, "1")
	t.fn("get_bit", sig(bin, i8), i4, map2(func(s string, n int64) (int32, error) {
		if err := index(s, n, 8); err != nil {
			return 0, err
		}
		return int32(s[n/8] >> (n % 8) & 1), nil
	}), fallible)
	t.group("with the bit at a place set to the third argument", `set_bit('\x1234567890'::bytea, 30, 0)`, `\x1234563890`)
	t.fn("set_bit", sig(bin, i8, i4), bin, text3(func(dst []byte, s string, n int64, bit int32) ([]byte, error) {
		if err := index(s, n, 8); err != nil {
			return dst, err
		}
		if bit != 0 && bit != 1 {
			return dst, types.Errorf(types.CodeInvalidParameter, "new bit must be 0 or 1")
		}
		at := len(dst) + int(n/8)
		dst = append(dst, s...)
		dst[at] = dst[at]&^(1<<(n%8)) | byte(bit)<<(n%8)
		return dst, nil
	}), fallible)
	t.group("with the byte at a place set to the third argument", `set_byte('\x1234567890'::bytea, 4, 64)`, `\x1234567840`)
	t.fn("set_byte", sig(bin, i4, i4), bin, text3(func(dst []byte, s string, n, x int32) ([]byte, error) {
		if err := index(s, int64(n), 1); err != nil {
			return dst, err
		}
		at := len(dst) + int(n)
		dst = append(dst, s...)
		dst[at] = byte(x)
		return dst, nil
	}), fallible)

	t.cat = CatComparison
	t.group("how many of the arguments are NULL", "num_nulls(1, NULL, 2)", "1")
	t.fn("num_nulls", sig(types.UnknownType), i4, countNulls(true), variadic, lax)
	t.group("how many of the arguments are not NULL", "num_nonnulls(1, NULL, 2)", "2")
	t.fn("num_nonnulls", sig(types.UnknownType), i4, countNulls(false), variadic, lax)

	t.cat = CatPattern
	t.group("where the n-th match of a regular expression begins, or with a fifth argument of 1 where it has ended; 0 without match",
		"regexp_instr('ABCDEF', 'c(.)(..)', 1, 1, 0, 'i', 2)", "5")
	for n, all := 2, sig(text, text, i4, i4, i4, text, i4); n <= len(all); n++ {
		t.fn("regexp_instr", all[:n:n], i4, regexInstr, fallible)
	}
}

// sinDegrees is exact for multiples of 30 degrees, as PostgreSQL's sind is.
func sinDegrees(x float64) float64 {
	x = math.Mod(x, 360)
	sign := 1.0
	if x < 0 {
		x, sign = -x, -1
	}
	if x > 180 {
		x, sign = 360-x, -sign
	}
	if x > 90 {
		x = 180 - x
	}
	return sign * firstQuadrant(x)
}

func cosDegrees(x float64) float64 {
	x = math.Abs(math.Mod(x, 360))
	sign := 1.0
	if x > 180 {
		x = 360 - x
	}
	if x > 90 {
		x, sign = 180-x, -1
	}
	return sign * firstQuadrant(90-x)
}

// firstQuadrant is the sine of 0 to 90 degrees: up to 30 by the sine, above by the cosine, both scaled so that 30 and 60 degrees are exact.
func firstQuadrant(x float64) float64 {
	if x <= 30 {
		return math.Sin(radians(x)) / math.Sin(radians(30)) / 2
	}
	return 1 - (1-math.Cos(radians(90-x)))/(1-math.Cos(radians(60)))/2
}

func radians(degrees float64) float64 { return degrees * radiansPerDegree }

// quarter scales radians to degrees so that one known angle is exact.
func quarter(x, known, degrees float64) float64 { return x / known * degrees }

func countNulls(null bool) binder {
	return simple(func(c *call) {
		out := outFixed[int32](c)
		eachList(c, false, func(i int) error {
			out[i] = 0
			for _, v := range c.args {
				if v.null(i) == null {
					out[i]++
				}
			}
			return nil
		})
	})
}

func regexInstr(*binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		a, am := column[string](c, 0)
		p, pm := column[string](c, 1)
		opt := regexArguments(c, 2, 3, 5, -1)
		end, em := []int32{0}, 0
		if len(c.args) > 4 {
			end, em = column[int32](c, 4)
		}
		group, gm := []int32{0}, 0
		if len(c.args) > 6 {
			group, gm = columnIn[int32](c, 6, 3)
		}
		r := outFixed[int32](c)
		eachRow(c, func(i int) error {
			s := a[i&am]
			from, err := opt.from(s, i)
			if err != nil {
				return err
			}
			n, g := opt.n[i&opt.nm], group[i&gm]
			switch e := end[i&em]; {
			case n <= 0:
				return types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"n\": %d", n)
			case e != 0 && e != 1:
				return types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"endoption\": %d", e)
			case g < 0:
				return types.Errorf(types.CodeInvalidParameter, "invalid value for parameter \"subexpr\": %d", g)
			}
			re, err := cache.get(p[i&pm], opt.flags[i&opt.fm], false, false)
			if err != nil {
				return err
			}
			r[i] = 0
			seen := int32(0)
			searchFrom(re.re, s, from, func(loc []int) bool {
				if seen++; seen < n {
					return true
				}
				if re.groups == 0 && g == 1 {
					g = 0
				}
				if k := int(g) * 2; k+1 < len(loc) && loc[k] >= 0 {
					at := loc[k+int(end[i&em])]
					r[i] = placeAt(s, at)
				}
				return false
			})
			return nil
		})
	}}
}

// placeAt is the number of the character at a byte offset, from 1.
func placeAt(s string, at int) int32 { return int32(utf8.RuneCountInString(s[:at])) + 1 }
