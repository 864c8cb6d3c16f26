package changelog

import "math/bits"

// u128 is a magnitude of 128 bits.
type u128 struct{ hi, lo uint64 }

func (x u128) isZero() bool { return x.hi|x.lo == 0 }

// divSmall returns x / d and x mod d.
func (x u128) divSmall(d uint64) (u128, uint64) {
	if x.hi == 0 {
		return u128{0, x.lo / d}, x.lo % d
	}
	hi, rem := x.hi/d, x.hi%d
	lo, rem := bits.Div64(rem, x.lo, d)
	return u128{hi, lo}, rem
}

// mulSmall returns x * m without its overflow.
func (x u128) mulSmall(m uint64) u128 {
	hi, lo := bits.Mul64(x.lo, m)
	return u128{x.hi*m + hi, lo}
}

// scaleUp returns x * 10^n, which must fit.
func (x u128) scaleUp(n int) u128 {
	for ; n >= 19; n -= 19 {
		x = x.mulSmall(pow10[19])
	}
	return x.mulSmall(pow10[n])
}

// digits returns the number of decimal digits of x; 0 for zero.
func (x u128) digits() int {
	n := 0
	for x.hi != 0 {
		x, _ = x.divSmall(pow10[19])
		n += 19
	}
	if x.lo >= pow10[19] {
		return n + 20
	}
	for k := 0; k <= 19; k++ {
		if x.lo < pow10[k] {
			return n + k
		}
	}
	return n
}

// stripZeros divides x by the powers of ten that it holds and returns their number. x is not zero.
func (x u128) stripZeros() (u128, int) {
	n := 0
	for x.hi != 0 {
		q, r := x.divSmall(10)
		if r != 0 {
			return x, n
		}
		x, n = q, n+1
	}
	for {
		q := x.lo / 10
		if q*10 != x.lo {
			return x, n
		}
		x.lo, n = q, n+1
	}
}

// pow10 are the powers of ten that fit a word.
var pow10 = [20]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}
