package expr

import (
	"math"

	"github.com/streamsql/streamsql/types"
)

var (
	errSqrtNegative = types.Errorf(types.CodeInvalidPower, "cannot take square root of a negative number")
	errLogNegative  = types.Errorf(types.CodeInvalidLog, "cannot take logarithm of a negative number")
	errLogZero      = types.Errorf(types.CodeInvalidLog, "cannot take logarithm of zero")
	errPowerZero    = types.Errorf(types.CodeInvalidPower, "zero raised to a negative power is undefined")
	errPowerComplex = types.Errorf(types.CodeInvalidPower, "a negative number raised to a non-integer power yields a complex result")
)

func (t *table) math() {
	t.cat = CatMath
	f8, num, i4, i8 := types.Float8Type, types.NumericType, types.Int4Type, types.Int8Type
	pure := func(f func(float64) float64) binder {
		return map1(func(x float64) (float64, error) { return f(x), nil })
	}
	for _, name := range []string{"ceil", "ceiling"} {
		t.group("the nearest integer that is not less", name+"(-42.8)", "-42")
		t.fn(name, sig(num), num, map1(types.NumericValue.Ceil), fallible)
		t.fn(name, sig(f8), f8, pure(math.Ceil))
	}
	t.group("the nearest integer that is not greater", "floor(-42.8)", "-43")
	t.fn("floor", sig(num), num, map1(types.NumericValue.Floor), fallible)
	t.fn("floor", sig(f8), f8, pure(math.Floor))
	round := func(x types.NumericValue, digits int32) (types.NumericValue, error) {
		return x.Round(clampDigits(digits))
	}
	trunc := func(x types.NumericValue, digits int32) (types.NumericValue, error) {
		return x.Trunc(clampDigits(digits))
	}
	t.group("rounds to an integer or to a number of digits after the point: numeric half away from zero, double precision half to even",
		"round(42.4382, 2)", "42.44")
	t.fn("round", sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) { return x.Round(0) }), fallible)
	t.fn("round", sig(num, i4), num, map2(round), fallible)
	t.fn("round", sig(f8), f8, pure(math.RoundToEven))
	t.group("cuts off towards zero, to an integer or to a number of digits after the point", "trunc(-42.4382, 2)", "-42.43")
	t.fn("trunc", sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) { return x.Trunc(0) }), fallible)
	t.fn("trunc", sig(num, i4), num, map2(trunc), fallible)
	t.fn("trunc", sig(f8), f8, pure(math.Trunc))
	t.group("-1, 0 or 1 for a negative number, zero and a positive number", "sign(-8.4)", "-1")
	t.fn("sign", sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) {
		if x.IsNaN() {
			return x, nil
		}
		return types.NumericFromInt64(int64(x.Sign())), nil
	}))
	t.fn("sign", sig(f8), f8, pure(func(x float64) float64 { return float64(b2u(x > 0)) - float64(b2u(x < 0)) }))
	t.group("the integer quotient, truncated towards zero", "div(9, 4)", "2")
	t.fn("div", sig(num, num), num, map2(types.NumericValue.DivTrunc), fallible)

	t.powers()
	t.trigonometry()
	t.integerMath()

	t.group("the number of digits after the point", "scale(8.4100)", "4")
	t.fn("scale", sig(num), i4, numericScale(func(x types.NumericValue) int { return int(x.Scale) }))
	t.group("the least number of digits after the point that loses nothing", "min_scale(8.4100)", "2")
	t.fn("min_scale", sig(num), i4, numericScale(types.NumericValue.MinScale))
	t.group("removes zeros at the end of the fraction", "trim_scale(8.4100)", "8.41")
	t.fn("trim_scale", sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) { return x.Normalize(), nil }))
	t.group("the number of the bucket, of count equal ones between low and high, that holds the operand",
		"width_bucket(5.35, 0.024, 10.06, 5)", "3")
	t.fn("width_bucket", sig(f8, f8, f8, i4), i4, map4(widthBucket), fallible)
	t.fn("width_bucket", sig(num, num, num, i4), i4, map4(widthBucketNumeric), fallible)
	t.group("the factorial", "factorial(5)", "120")
	t.fn("factorial", sig(i8), num, map1(factorial), fallible)
}

// clampDigits keeps a count of digits within what can matter.
func clampDigits(n int32) int { return int(max(min(n, 2000), -2000)) }

// numericScale is NULL for NaN and the infinities.
func numericScale(f func(types.NumericValue) int) binder {
	return simple(func(c *call) {
		a, m := column[types.NumericValue](c, 0)
		r := outFixed[int32](c)
		eachRow(c, func(i int) error {
			if a[i&m].IsSpecial() {
				c.setNull(i)
				return nil
			}
			r[i] = int32(f(a[i&m]))
			return nil
		})
	})
}

func (t *table) powers() {
	f8, num := types.Float8Type, types.NumericType
	for _, name := range []string{"power", "pow", "^"} {
		add := t.fn
		t.group("the first number to the power of the second", name+"(9, 3)", "729")
		if name == "^" {
			add = t.op
			t.group("the first number to the power of the second", "2 ^ 3", "8")
		}
		add(name, sig(f8, f8), f8, map2(power), fallible)
		add(name, sig(num, num), num, map2(types.NumericValue.Power), fallible)
	}
	t.group("the square root", "sqrt(2.0)", "1.414213562373095")
	t.fn("sqrt", sig(num), num, map1(types.NumericValue.Sqrt), fallible)
	t.fn("sqrt", sig(f8), f8, map1(sqrt), fallible)
	t.group("the square root", "|/ 25.0", "5")
	t.op("|/", sig(f8), f8, map1(sqrt), fallible)
	cbrt := map1(func(x float64) (float64, error) { return math.Cbrt(x), nil })
	t.group("the cube root", "cbrt(64)", "4")
	t.fn("cbrt", sig(f8), f8, cbrt)
	t.group("the cube root", "||/ 64.0", "4")
	t.op("||/", sig(f8), f8, cbrt)
	t.group("e to the power of the argument", "exp(1.0)", "2.7182818284590452")
	t.fn("exp", sig(num), num, map1(types.NumericValue.Exp), fallible)
	t.fn("exp", sig(f8), f8, map1(func(x float64) (float64, error) {
		r := preciseExp(x)
		switch {
		case isInf(r) && !isInf(x):
			return 0, errOverflow
		case r == 0 && !isInf(x):
			return 0, errUnderflow
		}
		return r, nil
	}), fallible)
	t.group("the natural logarithm", "ln(2.0)", "0.6931471805599453")
	t.fn("ln", sig(num), num, map1(types.NumericValue.Ln), fallible)
	t.fn("ln", sig(f8), f8, map1(func(x float64) (float64, error) { return logarithm(x, preciseLog) }), fallible)
	for _, name := range []string{"log", "log10"} {
		t.group("the logarithm to base 10", name+"(100)", "2")
		t.fn(name, sig(num), num, map1(types.NumericValue.Log10), fallible)
		t.fn(name, sig(f8), f8, map1(func(x float64) (float64, error) { return logarithm(x, preciseLog10) }), fallible)
	}
	t.group("the logarithm of the second argument to the base of the first", "log(2.0, 64.0)", "6.0000000000000000")
	t.fn("log", sig(num, num), num, map2(func(base, x types.NumericValue) (types.NumericValue, error) { return x.Log(base) }), fallible)
}

func sqrt(x float64) (float64, error) {
	if x < 0 {
		return 0, errSqrtNegative
	}
	return math.Sqrt(x), nil
}

func logarithm(x float64, f func(float64) float64) (float64, error) {
	switch {
	case x == 0:
		return 0, errLogZero
	case x < 0:
		return 0, errLogNegative
	}
	if x < 0x1p-1022 { // the library is wrong on denormals
		return f(x*0x1p54) - f(0x1p54), nil
	}
	return f(x), nil
}

func power(x, y float64) (float64, error) {
	switch {
	case math.IsNaN(x):
		if y == 0 {
			return 1, nil
		}
		return x, nil
	case math.IsNaN(y):
		if x == 1 {
			return 1, nil
		}
		return y, nil
	case x == 0 && y < 0:
		return 0, errPowerZero
	case x < 0 && math.Floor(y) != y:
		return 0, errPowerComplex
	}
	r := precisePow(x, y)
	if isInf(x) || isInf(y) {
		return r, nil
	}
	switch {
	case isInf(r):
		return 0, errOverflow
	case r == 0 && x != 0:
		return 0, errUnderflow
	}
	return r, nil
}

func (t *table) trigonometry() {
	f8 := types.Float8Type
	t.group("the ratio of a circle's circumference to its diameter", "pi()", "3.141592653589793")
	t.fn("pi", nil, f8, simple(func(c *call) {
		r := outFixed[float64](c)
		for i := range r {
			r[i] = math.Pi
		}
	}))
	for _, d := range []struct {
		name, doc, example, answer string
		f                          func(float64) float64
		ok                         func(float64) bool
	}{
		{"sin", "the sine of an angle in radians", "sin(0)", "0", math.Sin, anyFinite},
		{"cos", "the cosine of an angle in radians", "cos(0)", "1", math.Cos, anyFinite},
		{"tan", "the tangent of an angle in radians", "tan(0)", "0", math.Tan, anyFinite},
		{"cot", "the cotangent of an angle in radians", "cot(0.5)", "1.830487721712452",
			func(x float64) float64 { return 1 / math.Tan(x) }, anyFinite},
		{"asin", "the angle in radians of a sine", "asin(1)", "1.5707963267948966", math.Asin, unit},
		{"acos", "the angle in radians of a cosine", "acos(1)", "0", math.Acos, unit},
		{"atan", "the angle in radians of a tangent", "atan(1)", "0.7853981633974483", math.Atan, anyNumber},
		{"sinh", "the hyperbolic sine", "sinh(0)", "0", math.Sinh, anyNumber},
		{"cosh", "the hyperbolic cosine", "cosh(0)", "1", math.Cosh, anyNumber},
		{"tanh", "the hyperbolic tangent", "tanh(0)", "0", math.Tanh, anyNumber},
		{"asinh", "the inverse of the hyperbolic sine", "asinh(0)", "0", math.Asinh, anyNumber},
		{"acosh", "the inverse of the hyperbolic cosine", "acosh(1)", "0", math.Acosh,
			func(x float64) bool { return x >= 1 }},
		{"atanh", "the inverse of the hyperbolic tangent", "atanh(0)", "0", math.Atanh, unit},
		{"degrees", "radians as degrees", "degrees(0.5)", "28.64788975654116", toDegrees, anyNumber},
		{"radians", "degrees as radians", "radians(45)", "0.7853981633974483",
			func(x float64) float64 { return x * radiansPerDegree }, anyNumber},
	} {
		t.group(d.doc, d.example, d.answer)
		if d.name == "degrees" {
			t.fn(d.name, sig(f8), f8, map1(func(x float64) (float64, error) {
				r := toDegrees(x)
				if isInf(r) && !isInf(x) {
					return 0, errOverflow
				}
				return r, nil
			}), fallible)
			continue
		}
		t.fn(d.name, sig(f8), f8, checked(d.f, d.ok), fallible)
	}
	t.group("the angle in radians of the point (second argument, first argument)", "atan2(1, 0)", "1.5707963267948966")
	t.fn("atan2", sig(f8, f8), f8, map2(func(y, x float64) (float64, error) { return math.Atan2(y, x), nil }))
}

const radiansPerDegree = 0.0174532925199432957692

func toDegrees(x float64) float64 { return x / radiansPerDegree }

func (t *table) integerMath() {
	i4, i8, num := types.Int4Type, types.Int8Type, types.NumericType
	t.group("the greatest common divisor", "gcd(1071, 462)", "21")
	t.fn("gcd", sig(i4, i4), i4, map2(gcd[int32]), fallible)
	t.fn("gcd", sig(i8, i8), i8, map2(gcd[int64]), fallible)
	t.fn("gcd", sig(num, num), num, map2(gcdNumeric), fallible)
	t.group("the least common multiple", "lcm(1071, 462)", "23562")
	t.fn("lcm", sig(i4, i4), i4, map2(lcm[int32]), fallible)
	t.fn("lcm", sig(i8, i8), i8, map2(lcm[int64]), fallible)
	t.fn("lcm", sig(num, num), num, map2(lcmNumeric), fallible)
	t.group("the number in hexadecimal", "to_hex(2147483647)", "7fffffff")
	t.fn("to_hex", sig(i4), types.TextType, text1(func(dst []byte, x int32) ([]byte, error) {
		return appendHex(dst, uint64(uint32(x))), nil
	}))
	t.fn("to_hex", sig(i8), types.TextType, text1(func(dst []byte, x int64) ([]byte, error) {
		return appendHex(dst, uint64(x)), nil
	}))
}

func gcd[T integer](a, b T) (T, error) {
	for b != 0 {
		if b == -1 {
			a, b = b, 0 // avoids the overflow of the smallest value % -1
			break
		}
		a, b = b, a%b
	}
	if a < 0 {
		if a = -a; a < 0 {
			return 0, intRangeError[T]()
		}
	}
	return a, nil
}

func lcm[T integer](a, b T) (T, error) {
	if a == 0 || b == 0 {
		return 0, nil
	}
	g, err := gcd(a, b)
	if err != nil {
		return 0, err
	}
	p, over := mulOverflow(int64(a/g), int64(b))
	r := T(p)
	if over != 0 || int64(r) != p {
		return 0, intRangeError[T]()
	}
	if r < 0 {
		if r = -r; r < 0 {
			return 0, intRangeError[T]()
		}
	}
	return r, nil
}

func gcdNumeric(a, b types.NumericValue) (types.NumericValue, error) {
	if a.IsSpecial() || b.IsSpecial() {
		return types.NaN, nil
	}
	scale := max(a.Scale, b.Scale)
	var err error
	for b.Sign() != 0 {
		var rest types.NumericValue
		if rest, err = a.Mod(b); err != nil {
			return a, err
		}
		a, b = b, rest
	}
	return a.Abs().Round(int(scale))
}

func lcmNumeric(a, b types.NumericValue) (types.NumericValue, error) {
	if a.IsSpecial() || b.IsSpecial() {
		return types.NaN, nil
	}
	scale := int(max(a.Scale, b.Scale))
	if a.Sign() == 0 || b.Sign() == 0 {
		return types.NumericValue{}.Round(scale)
	}
	g, err := gcdNumeric(a, b)
	if err != nil {
		return g, err
	}
	q, err := a.DivTrunc(g)
	if err != nil {
		return q, err
	}
	p, err := q.Mul(b)
	if err != nil {
		return p, err
	}
	return p.Abs().Round(scale)
}

func factorial(n int64) (types.NumericValue, error) {
	if n < 0 {
		return types.NumericValue{}, types.Errorf(types.CodeNumericOutOfRange, "factorial of a negative number is undefined")
	}
	r := types.NumericFromInt64(1)
	for k := int64(2); k <= n; k++ {
		var err error
		if r, err = r.Mul(types.NumericFromInt64(k)); err != nil {
			return r, err
		}
	}
	return r, nil
}

// codeBucket is PostgreSQL's invalid_argument_for_width_bucket_function.
const codeBucket types.Code = "2201G"

var (
	errBucketCount  = types.Errorf(codeBucket, "count must be greater than zero")
	errBucketNaN    = types.Errorf(codeBucket, "operand, lower bound, and upper bound cannot be NaN")
	errBucketBounds = types.Errorf(codeBucket, "lower and upper bounds must be finite")
	errBucketEqual  = types.Errorf(codeBucket, "lower bound cannot equal upper bound")
)

func widthBucket(x, low, high float64, count int32) (int32, error) {
	switch {
	case count <= 0:
		return 0, errBucketCount
	case math.IsNaN(x) || math.IsNaN(low) || math.IsNaN(high):
		return 0, errBucketNaN
	case isInf(low) || isInf(high):
		return 0, errBucketBounds
	case low == high:
		return 0, errBucketEqual
	}
	last := func() (int32, error) {
		if count == math.MaxInt32 {
			return 0, errInt4Range
		}
		return count + 1, nil
	}
	share := 0.0
	if low < high {
		switch {
		case x < low:
			return 0, nil
		case x >= high:
			return last()
		}
		if share = (x - low) / (high - low); isInf(high - low) {
			share = (x/2 - low/2) / (high/2 - low/2)
		}
	} else {
		switch {
		case x > low:
			return 0, nil
		case x <= high:
			return last()
		}
		if share = (low - x) / (low - high); isInf(low - high) {
			share = (low/2 - x/2) / (low/2 - high/2)
		}
	}
	return int32(math.Floor(float64(count)*share)) + 1, nil
}

func widthBucketNumeric(x, low, high types.NumericValue, count int32) (int32, error) {
	switch {
	case count <= 0:
		return 0, errBucketCount
	case x.IsNaN() || low.IsNaN() || high.IsNaN():
		return 0, errBucketNaN
	case low.IsSpecial() || high.IsSpecial():
		return 0, errBucketBounds
	}
	order := low.Cmp(high)
	if order == 0 {
		return 0, errBucketEqual
	}
	if order > 0 {
		x, low, high = x.Neg(), low.Neg(), high.Neg()
	}
	switch {
	case x.Cmp(low) < 0:
		return 0, nil
	case x.Cmp(high) >= 0:
		if count == math.MaxInt32 {
			return 0, errInt4Range
		}
		return count + 1, nil
	}
	above, err := x.Sub(low)
	if err == nil {
		above, err = above.Mul(types.NumericFromInt64(int64(count)))
	}
	if err != nil {
		return 0, err
	}
	width, err := high.Sub(low)
	if err != nil {
		return 0, err
	}
	q, err := above.DivTrunc(width)
	if err != nil {
		return 0, err
	}
	n, err := q.ToInt(types.Int4)
	return int32(n) + 1, err
}

func appendHex(dst []byte, x uint64) []byte {
	const digits = "0123456789abcdef"
	started := false
	for shift := 60; shift >= 0; shift -= 4 {
		d := x >> uint(shift) & 15
		if started = started || d != 0 || shift == 0; started {
			dst = append(dst, digits[d])
		}
	}
	return dst
}

// checked is a function of floats that fails outside of its domain.
func checked(f func(float64) float64, ok func(x float64) bool) binder {
	return map1(func(x float64) (float64, error) {
		if math.IsNaN(x) {
			return x, nil
		}
		if !ok(x) {
			return 0, errFloatRange
		}
		r := f(x)
		if isInf(r) && !isInf(x) && !math.IsInf(f(x), 0) {
			return 0, errOverflow
		}
		return r, nil
	})
}

func anyFinite(x float64) bool { return !isInf(x) }
func anyNumber(float64) bool   { return true }
func unit(x float64) bool      { return x >= -1 && x <= 1 }
