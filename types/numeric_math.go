package types

import (
	"errors"
	"math"
	"math/big"

	"github.com/cockroachdb/apd/v3"
)

// The functions here give PostgreSQL's number of digits after the point and round the exact result half away from zero.
// Source of the scales: the behaviour of numeric.c (sqrt_var, exp_var, ln_var, log_var, power_var).

const (
	minSigDigits = 16   // NUMERIC_MIN_SIG_DIGITS
	maxNumericRS = 1000 // NUMERIC_MAX_DISPLAY_SCALE
	log10e       = 0.434294481903252
)

func clampScale(scale int, atLeast ...int) int {
	for _, s := range atLeast {
		scale = max(scale, s)
	}
	return min(max(scale, 0), maxNumericRS)
}

// Sqrt returns the square root. Errors: 2201F for negative numbers; 22003.
func (v NumericValue) Sqrt() (NumericValue, error) {
	if v.Sign() < 0 {
		return NumericValue{}, Errorf(CodeInvalidPower, "cannot take square root of a negative number")
	}
	if v.IsSpecial() {
		return v, nil
	}
	m, _ := v.magnitude()
	weight, _ := groups(m, int(v.Scale))
	scale := clampScale(minSigDigits-(weight*2+1), int(v.Scale))
	// isqrt(m * 10^(2*scale - v.Scale)) is the root in units of 10^-scale, rounded down.
	x := m.big()
	x.Mul(x, bigPow10(2*scale-int(v.Scale)))
	root := new(big.Int).Sqrt(x)
	if x.Sub(x, new(big.Int).Mul(root, root)).Cmp(root) > 0 { // at least (root + 1/2)^2
		root.Add(root, big.NewInt(1))
	}
	q, ok := u128FromBig(root)
	if !ok {
		return NumericValue{}, numericOverflow()
	}
	return newNumeric(false, q, scale)
}

func (v NumericValue) apd() *apd.Decimal {
	m, neg := v.magnitude()
	d := apd.NewWithBigInt(new(apd.BigInt).SetMathBigInt(m.big()), -int32(v.Scale))
	d.Negative = neg
	return d
}

// fromAPD rounds to scale digits, half away from zero.
func fromAPD(d *apd.Decimal, scale int) (NumericValue, error) {
	if d.Form != apd.Finite {
		return NumericValue{}, numericOverflow()
	}
	coeff := d.Coeff.MathBigInt()
	shift := int(d.Exponent) + scale
	if shift > 100 && coeff.Sign() != 0 {
		return NumericValue{}, numericOverflow()
	}
	if shift >= 0 {
		coeff.Mul(coeff, bigPow10(min(shift, 100)))
	} else {
		divisor := bigPow10(-shift)
		q, r := coeff.QuoRem(coeff, divisor, new(big.Int))
		if r.Lsh(r, 1).Cmp(divisor) >= 0 {
			q.Add(q, big.NewInt(1))
		}
		coeff = q
	}
	m, ok := u128FromBig(coeff)
	if !ok {
		return NumericValue{}, numericOverflow()
	}
	return newNumeric(d.Negative && !m.isZero(), m, scale)
}

// mathContext has digits to spare beyond what any result holds.
func mathContext(digits int) *apd.Context {
	c := apd.BaseContext.WithPrecision(uint32(min(max(digits, 20), 2000)))
	c.Rounding = apd.RoundHalfUp
	c.MaxExponent, c.MinExponent = 100_000, -100_000
	c.Traps = apd.InvalidOperation | apd.DivisionByZero | apd.DivisionUndefined | apd.Overflow
	return c
}

// mathResult turns the outcome of an apd operation into a value.
func mathResult(d *apd.Decimal, scale int, err error) (NumericValue, error) {
	if err != nil {
		return NumericValue{}, numericOverflow()
	}
	return fromAPD(d, scale)
}

// Exp returns e^v. Errors: 22003.
func (v NumericValue) Exp() (NumericValue, error) {
	switch v.Scale {
	case NumericNaN, NumericPosInf:
		return v, nil
	case NumericNegInf:
		return NumericValue{}, nil
	}
	f := v.Float64()
	weight := max(min(f*log10e, maxNumericRS*2), -maxNumericRS*2)
	scale := clampScale(minSigDigits-int(weight), int(v.Scale))
	if weight > 40 {
		return NumericValue{}, numericOverflow()
	}
	if weight < -maxNumericRS-2 {
		return newNumeric(false, u128{}, scale)
	}
	d := new(apd.Decimal)
	_, err := mathContext(scale+int(math.Abs(weight))+12).Exp(d, v.apd())
	return mathResult(d, scale, err)
}

// lnWeight estimates the power of ten of ln(v) for v > 0, as estimate_ln_dweight does.
func (v NumericValue) lnWeight() int {
	m, neg := v.magnitude()
	if neg || m.isZero() {
		return 0
	}
	if v.Cmp(NumericValue{Lo: 9, Scale: 1}) >= 0 && v.Cmp(NumericValue{Lo: 11, Scale: 1}) <= 0 {
		x, err := v.Sub(NumericFromInt64(1))
		if err != nil || x.Sign() == 0 {
			return 0
		}
		xm, _ := x.magnitude()
		weight, first := groups(xm, int(x.Scale))
		return weight*4 + int(math.Log10(float64(first)))
	}
	weight, first := groups(m, int(v.Scale))
	digits, exp := float64(first), weight*4
	if second, ok := secondGroup(m, int(v.Scale), weight); ok {
		digits = digits*10000 + float64(second)
		exp -= 4
	}
	return int(math.Log10(math.Abs(math.Log(digits) + float64(exp)*math.Ln10)))
}

// secondGroup returns the base-10000 digit after the leading one; ok is false if all digits from there on are zero.
func secondGroup(m u128, scale, weight int) (digit int, ok bool) {
	shift := scale + 4*(weight-1) // power of ten of the digit's unit, in units of m
	if shift <= 0 {
		up, fits := m.scaleUp(-shift)
		if !fits { // fewer than four digits follow the leading group
			return int(new(big.Int).Mod(new(big.Int).Mul(m.big(), bigPow10(-shift)), big.NewInt(10000)).Int64()), true
		}
		_, r := up.div64(10000)
		return int(r), r != 0
	}
	q := m.scaleDown(shift, true)
	_, r := q.div64(10000)
	if r != 0 {
		return int(r), true
	}
	rest := q
	rest, fits := rest.scaleUp(shift)
	return 0, fits && rest.cmp(m) != 0
}

func (v NumericValue) checkLog() error {
	if v.Sign() < 0 {
		return Errorf(CodeInvalidLog, "cannot take logarithm of a negative number")
	}
	if v.Sign() == 0 {
		return Errorf(CodeInvalidLog, "cannot take logarithm of zero")
	}
	return nil
}

// Ln returns the natural logarithm. Errors: 2201E for numbers that are not positive.
func (v NumericValue) Ln() (NumericValue, error) {
	if v.IsNaN() {
		return v, nil
	}
	if err := v.checkLog(); err != nil || v.IsSpecial() {
		return v, err
	}
	scale := clampScale(minSigDigits-v.lnWeight(), int(v.Scale))
	d, err := v.ln(scale + 10)
	return mathResult(d, scale, err)
}

// ln computes the natural logarithm to about the given digits after the point.
func (v NumericValue) ln(digits int) (*apd.Decimal, error) {
	d := new(apd.Decimal)
	_, err := mathContext(max(digits, 30)+40).Ln(d, v.apd())
	return d, err
}

// Log returns the logarithm of v to a base. Errors: 2201E for numbers that are not positive; 22012 for base 1.
func (v NumericValue) Log(base NumericValue) (NumericValue, error) {
	if v.IsNaN() || base.IsNaN() {
		return NaN, nil
	}
	if err := base.checkLog(); err != nil {
		return NumericValue{}, err
	}
	if err := v.checkLog(); err != nil {
		return NumericValue{}, err
	}
	switch {
	case v.IsSpecial() && base.IsSpecial():
		return NaN, nil
	case base.IsSpecial():
		return NumericValue{}, nil
	case v.IsSpecial():
		return v, nil
	}
	scale := clampScale(minSigDigits-(v.lnWeight()-base.lnWeight()), int(base.Scale), int(v.Scale))
	x, err := v.ln(scale + 20)
	if err != nil {
		return NumericValue{}, numericOverflow()
	}
	y, err := base.ln(scale + 20)
	if err != nil {
		return NumericValue{}, numericOverflow()
	}
	if y.IsZero() {
		return NumericValue{}, divisionByZero()
	}
	d := new(apd.Decimal)
	_, err = mathContext(scale+60).Quo(d, x, y)
	return mathResult(d, scale, err)
}

// Log10 returns the logarithm to base 10. Errors: as Log.
func (v NumericValue) Log10() (NumericValue, error) { return v.Log(NumericFromInt64(10)) }

// Power returns v^o. Errors: 2201F for zero to a negative power and a negative number to a fractional one; 22003 beyond 38
// digits.
func (v NumericValue) Power(o NumericValue) (NumericValue, error) {
	if v.IsSpecial() || o.IsSpecial() {
		return v.powerSpecial(o)
	}
	if v.Sign() == 0 && o.Sign() < 0 {
		return NumericValue{}, Errorf(CodeInvalidPower, "zero raised to a negative power is undefined")
	}
	n := o.Normalize()
	if n.Scale == 0 && n.isInt64() && int64(n.Lo) == int64(int32(n.Lo)) {
		return v.powerInt(int64(n.Lo))
	}
	if v.Sign() < 0 && n.Scale > 0 {
		return NumericValue{}, Errorf(CodeInvalidPower, "a negative number raised to a non-integer power yields a complex result")
	}
	if v.Sign() == 0 {
		return newNumeric(false, u128{}, minSigDigits)
	}
	base := v.Abs() // a negative base has an integer exponent here, too large for an int32
	ln, err := base.ln(40)
	if err != nil {
		return NumericValue{}, numericOverflow()
	}
	c := mathContext(80)
	exp := new(apd.Decimal)
	if _, err := c.Mul(exp, ln, o.apd()); err != nil {
		return NumericValue{}, numericOverflow()
	}
	f, err := exp.Float64()
	if err != nil || f > 3010 {
		return NumericValue{}, numericOverflow()
	}
	if f < -3010 {
		return NumericValue{}, numericOverflow() // PostgreSQL answers 0 with 1000 digits, more than fit
	}
	scale := clampScale(minSigDigits-int(f*log10e), int(v.Scale), int(o.Scale))
	digits := scale + int(math.Abs(f*log10e)) + 20
	if ln, err = base.ln(digits + 20); err != nil {
		return NumericValue{}, numericOverflow()
	}
	if _, err := mathContext(digits+80).Mul(exp, ln, o.apd()); err != nil {
		return NumericValue{}, numericOverflow()
	}
	d := new(apd.Decimal)
	_, err = mathContext(digits).Exp(d, exp)
	r, err := mathResult(d, scale, err)
	if err == nil && v.Sign() < 0 && n.Lo&1 == 1 {
		r = r.Neg()
	}
	return r, err
}

// powerInt is Power for an integer exponent, with at least 16 digits after the point.
func (v NumericValue) powerInt(n int64) (NumericValue, error) {
	scale := clampScale(minSigDigits, int(v.Scale))
	c := mathContext(scale + 60)
	d := new(apd.Decimal)
	if v.Sign() == 0 {
		if n == 0 {
			d.SetInt64(1)
		}
		return fromAPD(d, scale)
	}
	weight := math.Log10(math.Abs(v.Float64())) * float64(n)
	if weight > 40 {
		return NumericValue{}, numericOverflow()
	}
	if weight < -float64(scale)-2 {
		return newNumeric(false, u128{}, scale)
	}
	var err error
	d, err = powerBySquares(c, v.apd(), n)
	return mathResult(d, scale, err)
}

func powerBySquares(c *apd.Context, base *apd.Decimal, n int64) (*apd.Decimal, error) {
	result := apd.New(1, 0)
	square := new(apd.Decimal).Set(base)
	var errs error
	for k := abs64(n); k > 0 && errs == nil; k >>= 1 {
		if k&1 == 1 {
			_, err := c.Mul(result, result, square)
			errs = errors.Join(errs, err)
		}
		if k > 1 {
			_, err := c.Mul(square, square, square)
			errs = errors.Join(errs, err)
		}
	}
	if n < 0 && errs == nil {
		_, errs = c.Quo(result, apd.New(1, 0), result)
	}
	return result, errs
}

// powerSpecial follows the C standard's pow for NaN and infinities.
func (v NumericValue) powerSpecial(o NumericValue) (NumericValue, error) {
	one := NumericFromInt64(1)
	switch {
	case v.IsNaN():
		if o.Sign() == 0 && !o.IsNaN() {
			return one, nil
		}
		return NaN, nil
	case o.IsNaN():
		if v.Cmp(one) == 0 {
			return one, nil
		}
		return NaN, nil
	case v.Sign() == 0 && o.Sign() < 0:
		return NumericValue{}, Errorf(CodeInvalidPower, "zero raised to a negative power is undefined")
	case v.Cmp(one) == 0, o.Sign() == 0:
		return one, nil
	case v.Sign() < 0 && !o.IsSpecial() && o.Normalize().Scale > 0:
		return NumericValue{}, Errorf(CodeInvalidPower, "a negative number raised to a non-integer power yields a complex result")
	case o.IsSpecial():
		switch order := v.Abs().Cmp(one); {
		case order == 0:
			return one, nil
		case (order > 0) == (o.Sign() > 0):
			return PositiveInfinity, nil
		}
		return NumericValue{}, nil
	case o.Sign() < 0:
		return NumericValue{}, nil
	case v.Sign() > 0:
		return v, nil
	}
	odd, err := o.Mod(NumericFromInt64(2))
	if err == nil && odd.Sign() != 0 {
		return v, nil
	}
	return PositiveInfinity, nil
}
