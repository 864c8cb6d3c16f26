package expr

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/streamsql/streamsql/types"
)

// The errors of arithmetic, shared: only their place differs.
var (
	errDivision   = types.Errorf(types.CodeDivisionByZero, "division by zero")
	errInt2Range  = types.Errorf(types.CodeNumericOutOfRange, "smallint out of range")
	errInt4Range  = types.Errorf(types.CodeNumericOutOfRange, "integer out of range")
	errInt8Range  = types.Errorf(types.CodeNumericOutOfRange, "bigint out of range")
	errOverflow   = types.Errorf(types.CodeNumericOutOfRange, "value out of range: overflow")
	errUnderflow  = types.Errorf(types.CodeNumericOutOfRange, "value out of range: underflow")
	errFloatRange = types.Errorf(types.CodeNumericOutOfRange, "input is out of range")
)

func intRangeError[T integer]() *types.Error {
	switch unsafe.Sizeof(T(0)) {
	case 2:
		return errInt2Range
	case 4:
		return errInt4Range
	}
	return errInt8Range
}

// The loops of integer arithmetic run over all rows and look at the sign of an accumulated overflow flag afterwards; only then
// are the rows that failed looked for, among those wanted.

func addInts[T integer](c *call) {
	a, am := view[T](c.args[0].buf), c.args[0].konst
	b, bm := view[T](c.args[1].buf), c.args[1].konst
	r := outFixed[T](c)
	if am {
		a, b, am, bm = b, a, bm, am
	}
	var bad T
	switch {
	case !c.dense():
		bad = -1 // the search below computes the rows
		for _, i := range c.list() {
			r[i] = a[i&mask(am)] + b[i&mask(bm)]
		}
	case am:
		r[0] = a[0] + b[0]
		bad = (a[0] ^ r[0]) & (b[0] ^ r[0])
	case bm:
		y := b[0]
		a = a[:len(r)]
		for i, x := range a {
			s := x + y
			r[i] = s
			bad |= (x ^ s) & (y ^ s)
		}
	default:
		a, b = a[:len(r)], b[:len(r)]
		for i, x := range a {
			y := b[i]
			s := x + y
			r[i] = s
			bad |= (x ^ s) & (y ^ s)
		}
	}
	if bad < 0 {
		search(c, intRangeError[T](), func(i uint32) bool {
			x, y := a[i&mask(am)], b[i&mask(bm)]
			return (x^r[i])&(y^r[i]) < 0
		})
	}
}

func subInts[T integer](c *call) {
	a, am := view[T](c.args[0].buf), c.args[0].konst
	b, bm := view[T](c.args[1].buf), c.args[1].konst
	r := outFixed[T](c)
	var bad T
	switch {
	case !c.dense() || c.konst:
		bad = -1
		if c.konst {
			r[0] = a[0] - b[0]
			break
		}
		for _, i := range c.list() {
			r[i] = a[i&mask(am)] - b[i&mask(bm)]
		}
	case am:
		x := a[0]
		b = b[:len(r)]
		for i, y := range b {
			s := x - y
			r[i] = s
			bad |= (x ^ y) & (x ^ s)
		}
	case bm:
		y := b[0]
		a = a[:len(r)]
		for i, x := range a {
			s := x - y
			r[i] = s
			bad |= (x ^ y) & (x ^ s)
		}
	default:
		a, b = a[:len(r)], b[:len(r)]
		for i, x := range a {
			y := b[i]
			s := x - y
			r[i] = s
			bad |= (x ^ y) & (x ^ s)
		}
	}
	if bad < 0 {
		search(c, intRangeError[T](), func(i uint32) bool {
			x, y := a[i&mask(am)], b[i&mask(bm)]
			return (x^y)&(x^r[i]) < 0
		})
	}
}

func mask(konst bool) uint32 {
	if konst {
		return 0
	}
	return ^uint32(0)
}

// search fails the wanted rows for which f holds.
func search(c *call, err *types.Error, f func(i uint32) bool) {
	rows := c.list()
	if rows == nil {
		for i := range uint32(c.n) {
			if f(i) {
				c.fail(int(i), err)
			}
		}
	}
	for _, i := range rows {
		if f(i) {
			c.fail(int(i), err)
		}
	}
}

// mulOverflow returns x*y wrapped and a word that is zero if it is exact.
func mulOverflow(x, y int64) (int64, uint64) {
	hi, lo := bits.Mul64(uint64(x), uint64(y))
	hi -= uint64(x>>63)&uint64(y) + uint64(y>>63)&uint64(x)
	return int64(lo), hi ^ uint64(int64(lo)>>63)
}

func mulInts[T integer](c *call) {
	a, am := view[T](c.args[0].buf), c.args[0].konst
	b, bm := view[T](c.args[1].buf), c.args[1].konst
	r := outFixed[T](c)
	if am {
		a, b, am, bm = b, a, bm, am
	}
	narrow := unsafe.Sizeof(T(0)) < 8
	var bad uint64
	switch {
	case !c.dense():
		bad = 1
		for _, i := range c.list() {
			r[i] = a[i&mask(am)] * b[i&mask(bm)]
		}
	case am:
		r[0] = a[0] * b[0]
		bad = 1
	case narrow:
		m := mask(bm)
		for i, x := range a[:len(r)] {
			p := int64(x) * int64(b[uint32(i)&m])
			r[i] = T(p)
			bad |= uint64(p ^ int64(T(p)))
		}
	case bm:
		y := int64(b[0])
		for i, x := range a[:len(r)] {
			p, over := mulOverflow(int64(x), y)
			r[i] = T(p)
			bad |= over
		}
	default:
		b = b[:len(r)]
		for i, x := range a[:len(r)] {
			p, over := mulOverflow(int64(x), int64(b[i]))
			r[i] = T(p)
			bad |= over
		}
	}
	if bad != 0 {
		search(c, intRangeError[T](), func(i uint32) bool {
			p, over := mulOverflow(int64(a[i&mask(am)]), int64(b[i&mask(bm)]))
			return over != 0 || p != int64(T(p))
		})
	}
}

// divInts truncates towards zero. The smallest value divided by -1 overflows.
func divInts[T integer](c *call) {
	a, am := view[T](c.args[0].buf), mask(c.args[0].konst)
	b, bm := view[T](c.args[1].buf), mask(c.args[1].konst)
	r := outFixed[T](c)
	rows := c.list()
	if bm == 0 && b[0] != 0 && b[0] != -1 && am != 0 {
		y := b[0]
		if c.dense() {
			for i, x := range a[:len(r)] {
				r[i] = x / y
			}
			return
		}
		for _, i := range rows {
			r[i] = a[i] / y
		}
		return
	}
	one := func(i uint32) {
		x, y := a[i&am], b[i&bm]
		switch {
		case y == 0:
			c.fail(int(i), errDivision)
		case y == -1:
			if r[i] = -x; x != 0 && r[i] == x {
				c.fail(int(i), intRangeError[T]())
			}
		default:
			r[i] = x / y
		}
	}
	if rows == nil {
		for i := range uint32(c.n) {
			one(i)
		}
	}
	for _, i := range rows {
		one(i)
	}
}

// modInts has the sign of the dividend.
func modInts[T integer](c *call) {
	a, am := view[T](c.args[0].buf), mask(c.args[0].konst)
	b, bm := view[T](c.args[1].buf), mask(c.args[1].konst)
	r := outFixed[T](c)
	rows := c.list()
	if bm == 0 && b[0] != 0 && b[0] != -1 && am != 0 {
		if c.dense() {
			modBy(a[:len(r)], b[0], r)
			return
		}
		y := b[0]
		for _, i := range rows {
			r[i] = a[i] % y
		}
		return
	}
	one := func(i uint32) {
		x, y := a[i&am], b[i&bm]
		switch y {
		case 0:
			c.fail(int(i), errDivision)
		case -1:
			r[i] = 0
		default:
			r[i] = x % y
		}
	}
	if rows == nil {
		for i := range uint32(c.n) {
			one(i)
		}
	}
	for _, i := range rows {
		one(i)
	}
}

// modBy computes the remainders by a constant other than 0 and -1. For values and constants of 32 bits it multiplies by the
// reciprocal instead of dividing.
// Source: Lemire, Kaser, Kurz, "Faster remainder by direct computation", 2019.
func modBy[T integer](a []T, y T, r []T) {
	d := int64(y)
	if d < 0 {
		d = -d // the sign of the divisor does not matter; d < 0 still for the smallest bigint
	}
	if d <= 0 || d >= 1<<31 {
		for i, x := range a {
			r[i] = x % y
		}
		return
	}
	magic := ^uint64(0)/uint64(d) + 1
	for i, x := range a {
		v := int64(x)
		if uint64(v) < 1<<32 {
			hi, _ := bits.Mul64(magic*uint64(v), uint64(d))
			r[i] = T(hi)
		} else {
			r[i] = x % y
		}
	}
}

func negInts[T integer](c *call) {
	a := view[T](c.args[0].buf)
	r := outFixed[T](c)
	var bad T
	for i, x := range a[:len(r)] {
		r[i] = -x
		bad |= x & -x // negative only for the smallest value
	}
	if bad < 0 {
		search(c, intRangeError[T](), func(i uint32) bool { return a[i] == r[i] && a[i] != 0 })
	}
}

func absInts[T integer](c *call) {
	a := view[T](c.args[0].buf)
	r := outFixed[T](c)
	var bad T
	for i, x := range a[:len(r)] {
		s := x >> (unsafe.Sizeof(x)*8 - 1)
		r[i] = (x ^ s) - s
		bad |= r[i]
	}
	if bad < 0 {
		search(c, intRangeError[T](), func(i uint32) bool { return r[i] < 0 })
	}
}

// The loops of float arithmetic: a result that is infinite though no operand is, or zero though no factor is, is an error; such
// rows are looked for only after the loop saw a candidate.

func addFloats[A, B, R float](c *call) {
	floatLoop[A, B, R](c, func(x, y R) R { return x + y }, func(a []A, b []B, r []R) bool {
		bad := false
		b = b[:len(a)]
		for i, x := range a {
			s := R(x) + R(b[i])
			r[i] = s
			bad = bad || s-s != 0
		}
		return bad
	}, overflows[R])
}

func subFloats[A, B, R float](c *call) {
	floatLoop[A, B, R](c, func(x, y R) R { return x - y }, func(a []A, b []B, r []R) bool {
		bad := false
		b = b[:len(a)]
		for i, x := range a {
			s := R(x) - R(b[i])
			r[i] = s
			bad = bad || s-s != 0
		}
		return bad
	}, overflows[R])
}

func mulFloats[A, B, R float](c *call) {
	floatLoop[A, B, R](c, func(x, y R) R { return x * y }, func(a []A, b []B, r []R) bool {
		bad := false
		b = b[:len(a)]
		for i, x := range a {
			s := R(x) * R(b[i])
			r[i] = s
			bad = bad || s-s != 0 || s == 0
		}
		return bad
	}, func(x, y, r R) *types.Error {
		if r == 0 && x != 0 && y != 0 {
			return errUnderflow
		}
		return overflows(x, y, r)
	})
}

func divFloats[A, B, R float](c *call) {
	floatLoop[A, B, R](c, func(x, y R) R { return x / y }, func(a []A, b []B, r []R) bool {
		bad := false
		b = b[:len(a)]
		for i, x := range a {
			s := R(x) / R(b[i])
			r[i] = s
			bad = bad || s-s != 0 || s == 0
		}
		return bad
	}, func(x, y, r R) *types.Error {
		switch {
		case y == 0 && x == x:
			return errDivision
		case r == 0 && x != 0 && !isInf(y):
			return errUnderflow
		case isInf(r) && !isInf(x):
			return errOverflow
		}
		return nil
	})
}

func isInf[T float](x T) bool {
	return math.IsInf(float64(x), 0)
}

func overflows[R float](x, y, r R) *types.Error {
	if isInf(r) && !isInf(x) && !isInf(y) {
		return errOverflow
	}
	return nil
}

// floatLoop runs the loop over two columns, or one row at a time if an argument is constant or few rows are wanted.
func floatLoop[A, B, R float](c *call, one func(x, y R) R, loop func(a []A, b []B, r []R) bool, check func(x, y, r R) *types.Error) {
	a, am := view[A](c.args[0].buf), mask(c.args[0].konst)
	b, bm := view[B](c.args[1].buf), mask(c.args[1].konst)
	r := outFixed[R](c)
	if c.dense() && am != 0 && bm != 0 {
		if !loop(a[:len(r)], b[:len(r)], r) {
			return
		}
	} else if c.dense() && am != 0 {
		y, bad := R(b[0]), false
		for i, x := range a[:len(r)] {
			s := one(R(x), y)
			r[i] = s
			bad = bad || s-s != 0 || s == 0
		}
		if !bad {
			return
		}
	} else {
		rows := c.list()
		if rows == nil {
			for i := range uint32(c.n) {
				r[i] = one(R(a[i&am]), R(b[i&bm]))
			}
		}
		for _, i := range rows {
			r[i] = one(R(a[i&am]), R(b[i&bm]))
		}
	}
	rows := c.list()
	test := func(i uint32) {
		if err := check(R(a[i&am]), R(b[i&bm]), r[i]); err != nil {
			c.fail(int(i), err)
		}
	}
	if rows == nil {
		for i := range uint32(c.n) {
			test(i)
		}
	}
	for _, i := range rows {
		test(i)
	}
}
