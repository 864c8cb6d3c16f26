package types

import (
	"math/big"
	"math/bits"
)

// Neg returns -v.
func (v NumericValue) Neg() NumericValue {
	switch v.Scale {
	case NumericNaN:
		return v
	case NumericPosInf:
		return NegativeInfinity
	case NumericNegInf:
		return PositiveInfinity
	}
	m, neg := v.magnitude()
	return signed(!neg, m, v.Scale)
}

// Abs returns |v|.
func (v NumericValue) Abs() NumericValue {
	if v.Sign() < 0 {
		return v.Neg()
	}
	return v
}

// Add returns v+o with the larger scale. Errors: 22003 beyond 38 digits.
func (v NumericValue) Add(o NumericValue) (NumericValue, error) {
	if v.Scale == o.Scale && v.Scale <= MaxNumericScale {
		lo, carry := bits.Add64(v.Lo, o.Lo, 0)
		hi, _ := bits.Add64(uint64(v.Hi), uint64(o.Hi), carry) // magnitudes below 10^38 cannot overflow 127 bits twice
		sum := NumericValue{Hi: int64(hi), Lo: lo, Scale: v.Scale}
		if v.isInt64() && o.isInt64() {
			return sum, nil
		}
		// 2*10^38 exceeds 2^127, so a wrapped sum shows by its sign.
		if (v.Hi >= 0) == (o.Hi >= 0) && (sum.Hi >= 0) != (v.Hi >= 0) {
			return NumericValue{}, numericOverflow()
		}
		if m, _ := sum.magnitude(); m.cmp(pow10[38]) >= 0 {
			return NumericValue{}, numericOverflow()
		}
		return sum, nil
	}
	if v.IsSpecial() || o.IsSpecial() {
		switch {
		case v.IsNaN() || o.IsNaN():
			return NaN, nil
		case !o.IsSpecial() || v == o:
			return v, nil
		case !v.IsSpecial():
			return o, nil
		}
		return NaN, nil // Infinity - Infinity
	}
	scale := max(v.Scale, o.Scale)
	a, err := v.rescaleUp(scale)
	if err == nil {
		var b NumericValue
		if b, err = o.rescaleUp(scale); err == nil {
			return a.Add(b)
		}
	}
	// One side alone has too many digits at this scale; the sum may still fit.
	sum := v.bigAt(scale)
	sum.Add(sum, o.bigAt(scale))
	neg := sum.Sign() < 0
	m, ok := u128FromBig(sum.Abs(sum))
	if !ok {
		return NumericValue{}, numericOverflow()
	}
	return signed(neg, m, scale), nil
}

// bigAt returns the coefficient at a scale that is not smaller.
func (v NumericValue) bigAt(scale uint8) *big.Int {
	m, neg := v.magnitude()
	x := m.big()
	x.Mul(x, bigPow10(int(scale-v.Scale)))
	if neg {
		x.Neg(x)
	}
	return x
}

// rescaleUp gives v a scale that is not smaller.
func (v NumericValue) rescaleUp(scale uint8) (NumericValue, error) {
	m, neg := v.magnitude()
	m, ok := m.scaleUp(int(scale - v.Scale))
	if !ok {
		return NumericValue{}, numericOverflow()
	}
	return signed(neg, m, scale), nil
}

// Sub returns v-o with the larger scale. Errors: 22003 beyond 38 digits.
func (v NumericValue) Sub(o NumericValue) (NumericValue, error) { return v.Add(o.Neg()) }

// Mul returns v*o with the sum of the scales. Errors: 22003 beyond 38 digits.
func (v NumericValue) Mul(o NumericValue) (NumericValue, error) {
	if v.IsSpecial() || o.IsSpecial() {
		sign := v.Sign() * o.Sign()
		switch {
		case v.IsNaN() || o.IsNaN() || sign == 0:
			return NaN, nil
		case sign < 0:
			return NegativeInfinity, nil
		}
		return PositiveInfinity, nil
	}
	scale := int(v.Scale) + int(o.Scale)
	if x, y := int64(v.Lo), int64(o.Lo); v.isInt64() && o.isInt64() && scale <= MaxNumericScale {
		neg := (x < 0) != (y < 0)
		hi, lo := bits.Mul64(abs64(x), abs64(y))
		if hi < pow10[38].hi { // the usual case
			return signed(neg, u128{hi, lo}, uint8(scale)), nil
		}
		return newNumeric(neg, u128{hi, lo}, scale)
	}
	a, s := v.magnitude()
	b, t := o.magnitude()
	m, ok := a.mul(b)
	if !ok {
		x := a.big()
		return numericFromBig(s != t, x.Mul(x, b.big()), scale)
	}
	return newNumeric(s != t, m, scale)
}

func abs64(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// groups returns the weight of the leading base-10000 digit of m/10^scale and that digit: PostgreSQL stores NUMERIC in base
// 10000, and its rules for result scales speak of such digits. Zero has weight 0 and digit 0.
func groups(m u128, scale int) (weight, first int) {
	if m.isZero() {
		return 0, 0
	}
	n := m.digits()
	lead := n - 1 - scale // power of ten of the leading digit
	weight = lead >> 2    // floor
	want := lead - 4*weight + 1
	if n > want {
		return weight, int(m.scaleDown(n-want, true).lo)
	}
	up, _ := m.scaleUp(want - n)
	return weight, int(up.lo)
}

// DivScale returns the number of digits after the point that PostgreSQL gives to v/o: at least 16 significant digits, and not
// less than either scale. It is meaningful for numbers, o not zero.
// Source: select_div_scale in PostgreSQL's numeric.c, by behaviour.
func (v NumericValue) DivScale(o NumericValue) int {
	a, _ := v.magnitude()
	b, _ := o.magnitude()
	w1, f1 := groups(a, int(v.Scale))
	w2, f2 := groups(b, int(o.Scale))
	weight := w1 - w2
	if f1 <= f2 {
		weight--
	}
	return min(max(16-4*weight, int(v.Scale), int(o.Scale), 0), 1000)
}

// Div returns v/o with PostgreSQL's result scale, rounded half away from zero. Errors: 22012; 22003 beyond 38 digits.
func (v NumericValue) Div(o NumericValue) (NumericValue, error) {
	if v.IsNaN() || o.IsNaN() {
		return NaN, nil
	}
	if o.Sign() == 0 {
		return NumericValue{}, divisionByZero()
	}
	switch {
	case v.IsSpecial() && o.IsSpecial():
		return NaN, nil
	case v.IsSpecial():
		if o.Sign() < 0 {
			return v.Neg(), nil
		}
		return v, nil
	case o.IsSpecial():
		return NumericValue{}, nil
	}
	return v.divTo(o, v.DivScale(o), false)
}

// DivTrunc returns the integer quotient of v/o, truncated towards zero (PostgreSQL's div()). Errors: as Div.
func (v NumericValue) DivTrunc(o NumericValue) (NumericValue, error) {
	if v.IsSpecial() || o.IsSpecial() || o.Sign() == 0 {
		return v.Div(o)
	}
	return v.divTo(o, 0, true)
}

// divTo returns v/o with the given scale; o is a number other than zero, v a number.
func (v NumericValue) divTo(o NumericValue, scale int, truncate bool) (NumericValue, error) {
	a, s := v.magnitude()
	b, t := o.magnitude()
	neg := s != t
	up := scale + int(o.Scale) - int(v.Scale)
	if a.isZero() {
		return newNumeric(false, a, scale)
	}
	if up >= 0 && up <= 38 {
		if n, ok := a.mul(pow10[up]); ok {
			q, r := n.div(b)
			if !truncate && r.cmp(b.sub(r)) >= 0 { // r >= b-r: at least a half
				q, _ = q.add(u128{0, 1})
			}
			return newNumeric(neg, q, scale)
		}
	}
	n, d := a.big(), b.big()
	if up >= 0 {
		n.Mul(n, bigPow10(up))
	} else {
		d.Mul(d, bigPow10(-up))
	}
	q, r := n.QuoRem(n, d, new(big.Int))
	if !truncate && r.Lsh(r, 1).CmpAbs(d) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	return numericFromBig(neg, q, scale)
}

func bigPow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// Mod returns the remainder of v/o truncated towards zero, with the larger scale and v's sign. Errors: 22012; 22003.
func (v NumericValue) Mod(o NumericValue) (NumericValue, error) {
	if v.IsNaN() || o.IsNaN() {
		return NaN, nil
	}
	if o.Sign() == 0 {
		return NumericValue{}, divisionByZero()
	}
	switch {
	case v.IsSpecial():
		return NaN, nil
	case o.IsSpecial():
		return v, nil
	}
	scale := max(v.Scale, o.Scale)
	a, neg := v.magnitude()
	b, _ := o.magnitude()
	if x, ok := a.scaleUp(int(scale - v.Scale)); ok {
		if y, ok := b.scaleUp(int(scale - o.Scale)); ok {
			_, r := x.div(y)
			return signed(neg && !r.isZero(), r, scale), nil
		}
	}
	x := v.bigAt(scale)
	m, ok := u128FromBig(x.Abs(x.Rem(x, o.bigAt(scale))))
	if !ok {
		return NumericValue{}, numericOverflow()
	}
	return signed(neg, m, scale), nil
}

// Round rounds half away from zero to scale digits after the point (before it, if negative), and pads with zeros if v has
// fewer. Errors: 22003 beyond 38 digits.
func (v NumericValue) Round(scale int) (NumericValue, error) { return v.toScale(scale, false) }

// Trunc is Round, but towards zero.
func (v NumericValue) Trunc(scale int) (NumericValue, error) { return v.toScale(scale, true) }

func (v NumericValue) toScale(scale int, truncate bool) (NumericValue, error) {
	if v.IsSpecial() {
		return v, nil
	}
	m, neg := v.magnitude()
	if scale >= int(v.Scale) {
		scale = min(scale, 2000)
		m, ok := m.scaleUp(scale - int(v.Scale))
		if !ok {
			return NumericValue{}, numericOverflow()
		}
		return newNumeric(neg, m, scale)
	}
	scale = max(scale, -2000)
	m = m.scaleDown(int(v.Scale)-scale, truncate)
	if scale < 0 {
		var ok bool
		if m, ok = m.scaleUp(-scale); !ok {
			return NumericValue{}, numericOverflow()
		}
		scale = 0
	}
	return newNumeric(neg, m, scale)
}

// Ceil returns the smallest integer not below v. Errors: 22003 beyond 38 digits.
func (v NumericValue) Ceil() (NumericValue, error) {
	t, err := v.Trunc(0)
	if err != nil || v.IsSpecial() || t.Cmp(v) >= 0 {
		return t, err
	}
	return t.Add(NumericFromInt64(1))
}

// Floor returns the largest integer not above v. Errors: 22003 beyond 38 digits.
func (v NumericValue) Floor() (NumericValue, error) {
	t, err := v.Trunc(0)
	if err != nil || v.IsSpecial() || t.Cmp(v) <= 0 {
		return t, err
	}
	return t.Sub(NumericFromInt64(1))
}

// MinScale returns the least scale that shows v without loss (PostgreSQL's min_scale), for numbers.
func (v NumericValue) MinScale() int { return int(v.Normalize().Scale) }
