package types

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow/decimal128"
)

// NumericValue is one value of NUMERIC: a coefficient of at most 38 decimal digits in 128-bit two's complement
// (Hi, Lo), divided by 10^Scale; or NaN or an infinity, told by Scale. Two values that are equal in SQL (1.0 and 1.00)
// may differ in Scale: compare with Cmp, or compare normalised values with ==.
//
// Invariant: the coefficient's magnitude is below 10^38; a special value has a zero coefficient.
type NumericValue struct {
	Hi    int64
	Lo    uint64
	Scale uint8 // digits after the point, 0..MaxNumericScale, or NumericNaN, NumericPosInf, NumericNegInf
}

// MaxNumericScale is the most digits after the decimal point of a NUMERIC without modifiers.
const MaxNumericScale = 252

// The scales that mark special values.
const (
	NumericNegInf uint8 = 253
	NumericPosInf uint8 = 254
	NumericNaN    uint8 = 255
)

// MaxNumericDigits is the most decimal digits of a coefficient.
const MaxNumericDigits = 38

// The special values.
var (
	NaN              = NumericValue{Scale: NumericNaN}
	PositiveInfinity = NumericValue{Scale: NumericPosInf}
	NegativeInfinity = NumericValue{Scale: NumericNegInf}
)

func numericOverflow() error {
	return Errorf(CodeNumericOutOfRange, "numeric value out of range: more than %d digits", MaxNumericDigits)
}

func divisionByZero() error { return Errorf(CodeDivisionByZero, "division by zero") }

// NumericFromInt64 returns x with scale 0.
func NumericFromInt64(x int64) NumericValue { return NumericValue{Hi: x >> 63, Lo: uint64(x)} }

// NumericFromUint64 returns x with scale 0.
func NumericFromUint64(x uint64) NumericValue { return NumericValue{Lo: x} }

// NumericFromCoefficient returns hi:lo (two's complement) / 10^scale. Errors: 22003 beyond 38 digits or 252 digits of scale.
func NumericFromCoefficient(hi int64, lo uint64, scale int) (NumericValue, error) {
	v := NumericValue{Hi: hi, Lo: lo}
	m, neg := v.magnitude()
	return newNumeric(neg, m, scale)
}

// GetNumeric reads the storage form of NumericWidth bytes.
func GetNumeric(src []byte) NumericValue {
	_ = src[NumericWidth-1]
	return NumericValue{
		Lo:    binary.LittleEndian.Uint64(src),
		Hi:    int64(binary.LittleEndian.Uint64(src[8:])),
		Scale: src[16],
	}
}

// Put writes the storage form of NumericWidth bytes.
func (v NumericValue) Put(dst []byte) {
	_ = dst[NumericWidth-1]
	binary.LittleEndian.PutUint64(dst, v.Lo)
	binary.LittleEndian.PutUint64(dst[8:], uint64(v.Hi))
	dst[16] = v.Scale
}

// IsNaN reports whether v is NaN.
func (v NumericValue) IsNaN() bool { return v.Scale == NumericNaN }

// IsSpecial reports whether v is NaN or an infinity.
func (v NumericValue) IsSpecial() bool { return v.Scale > MaxNumericScale }

// magnitude returns the absolute coefficient and whether v is negative.
func (v NumericValue) magnitude() (u128, bool) {
	if v.Hi >= 0 {
		return u128{uint64(v.Hi), v.Lo}, false
	}
	lo, borrow := bits.Sub64(0, v.Lo, 0)
	hi, _ := bits.Sub64(0, uint64(v.Hi), borrow)
	return u128{hi, lo}, true
}

// signed makes a value without checks.
func signed(neg bool, m u128, scale uint8) NumericValue {
	if neg {
		lo, borrow := bits.Sub64(0, m.lo, 0)
		hi, _ := bits.Sub64(0, m.hi, borrow)
		return NumericValue{Hi: int64(hi), Lo: lo, Scale: scale}
	}
	return NumericValue{Hi: int64(m.hi), Lo: m.lo, Scale: scale}
}

// newNumeric makes a value. Where only zeros at its end are too many, it has fewer of them. Errors: 22003 beyond 38 digits or 252 digits of
// scale.
func newNumeric(neg bool, m u128, scale int) (NumericValue, error) {
	for scale > MaxNumericScale || m.cmp(pow10[38]) >= 0 {
		q, r := m.div(u128{0, 10})
		if scale <= 0 || !r.isZero() {
			return NumericValue{}, numericOverflow()
		}
		m, scale = q, scale-1
	}
	return signed(neg, m, uint8(scale)), nil
}

// numericFromBig is newNumeric for a magnitude of any size. It changes m.
func numericFromBig(neg bool, m *big.Int, scale int) (NumericValue, error) {
	ten, limit, r := big.NewInt(10), bigPow10(MaxNumericDigits), new(big.Int)
	for m.Cmp(limit) >= 0 && scale > 0 {
		if m.QuoRem(m, ten, r); r.Sign() != 0 {
			return NumericValue{}, numericOverflow()
		}
		scale--
	}
	if small, ok := u128FromBig(m); ok {
		return newNumeric(neg, small, scale)
	}
	return NumericValue{}, numericOverflow()
}

// isInt64 reports whether the coefficient fits in an int64.
func (v NumericValue) isInt64() bool { return v.Hi == int64(v.Lo)>>63 }

// Sign returns -1, 0 or 1; NaN counts as 1.
func (v NumericValue) Sign() int {
	switch {
	case v.Scale == NumericNegInf || v.Hi < 0:
		return -1
	case v.IsSpecial() || v.Hi > 0 || v.Lo > 0:
		return 1
	}
	return 0
}

// Normalize strips trailing zeros of the fraction, so that values equal in SQL are equal with == and have one hash.
func (v NumericValue) Normalize() NumericValue {
	if v.IsSpecial() || v.Scale == 0 {
		return v
	}
	if v.Hi == 0 && v.Lo == 0 {
		return NumericValue{}
	}
	m, neg := v.magnitude()
	scale := v.Scale
	for scale > 0 {
		if m.lo&1 != 0 {
			break
		}
		q, r := m.div64(10)
		if r != 0 {
			break
		}
		m, scale = q, scale-1
	}
	return signed(neg, m, scale)
}

// Cmp compares by value: -1, 0 or 1. NaN equals NaN and is above everything, the infinities lie between it and the numbers.
func (v NumericValue) Cmp(o NumericValue) int {
	if v.Scale == o.Scale && v.Scale <= MaxNumericScale {
		if v.Hi != o.Hi {
			return cmp.Compare(v.Hi, o.Hi)
		}
		return cmp.Compare(v.Lo, o.Lo)
	}
	if v.IsSpecial() || o.IsSpecial() {
		return cmp.Compare(v.rank(), o.rank())
	}
	if s, t := v.Sign(), o.Sign(); s != t || s == 0 {
		return cmp.Compare(s, t)
	}
	a, neg := v.magnitude()
	b, _ := o.magnitude()
	// Same power of ten of the leading digit: then aligning never exceeds 38 digits.
	order := cmp.Compare(a.digits()-int(v.Scale), b.digits()-int(o.Scale))
	if order == 0 {
		if v.Scale < o.Scale {
			a, _ = a.scaleUp(int(o.Scale - v.Scale))
		} else {
			b, _ = b.scaleUp(int(v.Scale - o.Scale))
		}
		order = a.cmp(b)
	}
	if neg {
		return -order
	}
	return order
}

// rank orders special values around the finite ones.
func (v NumericValue) rank() int {
	switch v.Scale {
	case NumericNegInf:
		return -1
	case NumericPosInf:
		return 1
	case NumericNaN:
		return 2
	}
	return 0
}

// ToInt rounds half away from zero to an integer of kind Int2, Int4 or Int8. Errors: 22003 out of range; 0A000 for NaN and
// infinities, as in PostgreSQL.
func (v NumericValue) ToInt(kind Kind) (int64, error) {
	name := kindNames[kind]
	if v.IsSpecial() {
		what := "infinity"
		if v.IsNaN() {
			what = "NaN"
		}
		return 0, Errorf(CodeNotSupported, "cannot convert %s to %s", what, name)
	}
	m, neg := v.magnitude()
	m = m.scaleDown(int(v.Scale), false)
	limit := uint64(math.MaxInt64)
	switch kind {
	case Int2:
		limit = math.MaxInt16
	case Int4:
		limit = math.MaxInt32
	}
	if neg {
		limit++
	}
	if m.hi != 0 || m.lo > limit {
		return 0, Errorf(CodeNumericOutOfRange, "%s out of range", name)
	}
	if neg {
		return int64(-m.lo), nil
	}
	return int64(m.lo), nil
}

// Int64 is ToInt(Int8).
func (v NumericValue) Int64() (int64, error) { return v.ToInt(Int8) }

// Float64 returns the nearest float64.
func (v NumericValue) Float64() float64 {
	switch v.Scale {
	case NumericNaN:
		return math.NaN()
	case NumericPosInf:
		return math.Inf(1)
	case NumericNegInf:
		return math.Inf(-1)
	}
	const exact = 1 << 53
	if x := int64(v.Lo); v.isInt64() && x < exact && x > -exact && v.Scale <= 22 {
		return float64(x) / pow10f[v.Scale] // both exact, so the quotient is rounded correctly
	}
	var buf [300]byte
	f, _ := strconv.ParseFloat(string(v.Append(buf[:0])), 64)
	return f
}

// pow10f holds 10^0 .. 10^22, which are exact.
var pow10f = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// Float32 returns the nearest float32. Errors: 22003 out of range.
func (v NumericValue) Float32() (float32, error) {
	if v.IsSpecial() {
		return float32(v.Float64()), nil
	}
	var buf [300]byte
	f, err := strconv.ParseFloat(string(v.Append(buf[:0])), 32)
	if err != nil || (f == 0 && v.Sign() != 0) {
		return 0, Errorf(CodeNumericOutOfRange, "%q is out of range for type real", v.String())
	}
	return float32(f), nil
}

// NumericFromFloat64 converts as PostgreSQL does: 15 significant digits. Errors: 22003 beyond 38 digits.
func NumericFromFloat64(f float64) (NumericValue, error) { return numericFromFloat(f, 15, 64) }

// NumericFromFloat32 converts as PostgreSQL does: 6 significant digits. Errors: 22003 beyond 38 digits.
func NumericFromFloat32(f float32) (NumericValue, error) { return numericFromFloat(float64(f), 6, 32) }

func numericFromFloat(f float64, digits, size int) (NumericValue, error) {
	switch {
	case math.IsNaN(f):
		return NaN, nil
	case math.IsInf(f, 1):
		return PositiveInfinity, nil
	case math.IsInf(f, -1):
		return NegativeInfinity, nil
	case f == 0:
		return NumericValue{}, nil
	}
	var buf [40]byte
	text := strconv.AppendFloat(buf[:0], f, 'e', digits-1, size) // d.ddde+xx
	neg := text[0] == '-'
	if neg {
		text = text[1:]
	}
	var m uint64
	i, shift := 0, 0
	for ; text[i] != 'e'; i++ {
		if text[i] == '.' {
			continue
		}
		m = m*10 + uint64(text[i]-'0')
		shift++
	}
	exp, err := strconv.Atoi(string(text[i+1:]))
	if err != nil {
		return NumericValue{}, Errorf(CodeInternal, "cannot read the exponent of %q", text)
	}
	for m%10 == 0 {
		m /= 10
		shift--
	}
	return scaled(neg, u128{0, m}, shift-1-exp)
}

// scaled returns m / 10^scale, where scale may be negative or large.
func scaled(neg bool, m u128, scale int) (NumericValue, error) {
	if scale < 0 {
		up, ok := m.scaleUp(-scale)
		if !ok {
			return NumericValue{}, numericOverflow()
		}
		return newNumeric(neg, up, 0)
	}
	return newNumeric(neg, m, scale)
}

// NumericFromDecimal128 returns n / 10^scale. A scale below zero (Arrow allows it) is expanded; a coefficient beyond 38
// digits, which no valid decimal128 has, is an error 22003.
func NumericFromDecimal128(n decimal128.Num, scale int32) (NumericValue, error) {
	v := NumericValue{Hi: n.HighBits(), Lo: n.LowBits()}
	m, neg := v.magnitude()
	return scaled(neg, m, int(scale))
}

// Decimal128 rounds half away from zero to scale s and checks precision p. Errors: 22003 on overflow, and for NaN and infinities,
// which NUMERIC(p,s) cannot hold here.
func (v NumericValue) Decimal128(p, s int) (decimal128.Num, error) {
	if v.IsSpecial() {
		return decimal128.Num{}, Errorf(CodeNumericOutOfRange, "numeric field overflow: a field with precision %d, scale %d cannot hold %s", p, s, v.String())
	}
	m, neg := v.magnitude()
	ok := true
	if d := s - int(v.Scale); d >= 0 {
		m, ok = m.scaleUp(d)
	} else {
		m = m.scaleDown(-d, false)
	}
	if !ok || m.cmp(pow10[min(max(p, 0), 38)]) >= 0 {
		return decimal128.Num{}, Errorf(CodeNumericOutOfRange, "numeric field overflow: a field with precision %d, scale %d must round to an absolute value less than 10^%d", p, s, p-s)
	}
	w := signed(neg, m, 0)
	return decimal128.New(w.Hi, w.Lo), nil
}

// WithModifier applies the modifier of NUMERIC(p,s) and keeps the unconstrained form. Errors: as Decimal128.
func (v NumericValue) WithModifier(p, s int) (NumericValue, error) {
	n, err := v.Decimal128(p, s)
	if err != nil {
		return NumericValue{}, err
	}
	return NumericFromDecimal128(n, int32(s))
}
