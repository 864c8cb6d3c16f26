package types

import (
	"math/big"
	"math/bits"
)

// u128 is an unsigned 128-bit integer, the magnitude of a NUMERIC's coefficient.
type u128 struct{ hi, lo uint64 }

// pow10 holds 10^0 .. 10^38.
var pow10 = func() (table [39]u128) {
	table[0] = u128{0, 1}
	for i := 1; i < len(table); i++ {
		table[i], _ = table[i-1].mul64(10)
	}
	return table
}()

// pow10u64 holds 10^0 .. 10^19.
var pow10u64 = func() (table [20]uint64) {
	for i := range table {
		table[i] = pow10[i].lo
	}
	return table
}()

func (a u128) isZero() bool { return a.hi|a.lo == 0 }

func (a u128) cmp(b u128) int {
	switch {
	case a.hi != b.hi:
		if a.hi < b.hi {
			return -1
		}
		return 1
	case a.lo < b.lo:
		return -1
	case a.lo > b.lo:
		return 1
	}
	return 0
}

// add returns a+b; ok is false on overflow of 128 bits.
func (a u128) add(b u128) (sum u128, ok bool) {
	var carry uint64
	sum.lo, carry = bits.Add64(a.lo, b.lo, 0)
	sum.hi, carry = bits.Add64(a.hi, b.hi, carry)
	return sum, carry == 0
}

// sub returns a-b for a >= b.
func (a u128) sub(b u128) (diff u128) {
	var borrow uint64
	diff.lo, borrow = bits.Sub64(a.lo, b.lo, 0)
	diff.hi, _ = bits.Sub64(a.hi, b.hi, borrow)
	return diff
}

// mul64 returns a*b; ok is false on overflow of 128 bits.
func (a u128) mul64(b uint64) (product u128, ok bool) {
	hi, lo := bits.Mul64(a.lo, b)
	if a.hi == 0 {
		return u128{hi, lo}, true
	}
	over, mid := bits.Mul64(a.hi, b)
	mid, carry := bits.Add64(mid, hi, 0)
	return u128{mid, lo}, over == 0 && carry == 0
}

// mul returns a*b; ok is false on overflow of 128 bits.
func (a u128) mul(b u128) (product u128, ok bool) {
	switch {
	case b.hi == 0:
		return a.mul64(b.lo)
	case a.hi == 0:
		return b.mul64(a.lo)
	}
	return u128{}, false
}

// div64 returns the quotient and the remainder of a/b for b > 0.
func (a u128) div64(b uint64) (quotient u128, remainder uint64) {
	if a.hi == 0 {
		return u128{0, a.lo / b}, a.lo % b
	}
	quotient.hi, remainder = a.hi/b, a.hi%b
	quotient.lo, remainder = bits.Div64(remainder, a.lo, b)
	return quotient, remainder
}

// div returns the quotient and the remainder of a/b for b > 0.
func (a u128) div(b u128) (quotient, remainder u128) {
	if b.hi == 0 {
		q, r := a.div64(b.lo)
		return q, u128{0, r}
	}
	if a.cmp(b) < 0 {
		return u128{}, a
	}
	// The quotient fits in 64 bits. Estimate it from the leading 64 bits of b: at most one too large.
	n := uint(bits.LeadingZeros64(b.hi))
	v1 := b.shl(n).hi
	u1 := a.shr(1)
	tq, _ := bits.Div64(u1.hi, u1.lo, v1)
	tq >>= 63 - n
	if tq != 0 {
		tq--
	}
	quotient.lo = tq
	product, _ := b.mul64(tq)
	remainder = a.sub(product)
	if remainder.cmp(b) >= 0 {
		quotient.lo++
		remainder = remainder.sub(b)
	}
	return quotient, remainder
}

func (a u128) shl(n uint) u128 {
	if n >= 64 {
		return u128{a.lo << (n - 64), 0}
	}
	return u128{a.hi<<n | a.lo>>(64-n), a.lo << n}
}

func (a u128) shr(n uint) u128 {
	if n >= 64 {
		return u128{0, a.hi >> (n - 64)}
	}
	return u128{a.hi >> n, a.lo>>n | a.hi<<(64-n)}
}

// digits returns the number of decimal digits of a, 0 for zero.
func (a u128) digits() int {
	if a.hi == 0 {
		return digits64(a.lo)
	}
	// log10(2^k) ~ k*1233/4096; correct by one comparison.
	n := (bits.Len64(a.hi) + 64) * 1233 >> 12
	if n > 38 {
		n = 38
	}
	if a.cmp(pow10[n]) >= 0 {
		n++
	}
	return n
}

func digits64(x uint64) int {
	if x == 0 {
		return 0
	}
	n := bits.Len64(x) * 1233 >> 12
	if x >= pow10u64[n] {
		n++
	}
	return n
}

// scaleUp returns a*10^k; ok is false if the product has more than 38 digits.
func (a u128) scaleUp(k int) (product u128, ok bool) {
	switch {
	case k == 0 || a.isZero():
		return a, true
	case k > 38:
		return u128{}, false
	}
	product, ok = a.mul(pow10[k])
	return product, ok && product.cmp(pow10[38]) < 0
}

// scaleDown returns a/10^k rounded half up, or truncated.
func (a u128) scaleDown(k int, truncate bool) u128 {
	switch {
	case k == 0:
		return a
	case k > 38:
		return u128{} // a < 10^38, so a/10^39 < 1/2
	}
	q, r := a.div(pow10[k])
	if !truncate {
		half, _ := pow10[k].div64(2)
		if r.cmp(half) >= 0 {
			q.lo++
			if q.lo == 0 {
				q.hi++
			}
		}
	}
	return q
}

func (a u128) big() *big.Int {
	z := new(big.Int).SetUint64(a.hi)
	z.Lsh(z, 64)
	return z.Or(z, new(big.Int).SetUint64(a.lo))
}

// u128FromBig converts a non-negative integer; ok is false if it has more than 38 digits.
func u128FromBig(x *big.Int) (a u128, ok bool) {
	if x.BitLen() > 127 {
		return u128{}, false
	}
	var raw [16]byte
	x.FillBytes(raw[:])
	for _, b := range raw[:8] {
		a.hi = a.hi<<8 | uint64(b)
	}
	for _, b := range raw[8:] {
		a.lo = a.lo<<8 | uint64(b)
	}
	return a, a.cmp(pow10[38]) < 0
}

// appendDecimal appends the decimal digits of a, "0" for zero.
func (a u128) appendDecimal(dst []byte) []byte {
	var buf [40]byte
	i := len(buf)
	for a.hi != 0 {
		q, r := a.div64(pow10u64[19])
		for range 19 {
			i--
			buf[i] = byte('0' + r%10)
			r /= 10
		}
		a = q
	}
	lo := a.lo
	for lo >= 10 {
		i--
		buf[i] = byte('0' + lo%10)
		lo /= 10
	}
	if lo > 0 || i == len(buf) {
		i--
		buf[i] = byte('0' + lo)
	}
	return append(dst, buf[i:]...)
}
