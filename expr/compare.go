package expr

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/streamsql/streamsql/types"
)

// comparison is one of the six operators.
type comparison uint8

const (
	eq comparison = iota
	ne
	lt
	le
	gt
	ge
)

// flipped is the operator with its sides exchanged.
func (o comparison) flipped() comparison {
	return [...]comparison{eq: eq, ne: ne, lt: gt, le: ge, gt: lt, ge: le}[o]
}

// holds tells the answer from an order (-1, 0, 1).
func (o comparison) holds(order int) bool {
	switch o {
	case eq:
		return order == 0
	case ne:
		return order != 0
	case lt:
		return order < 0
	case le:
		return order <= 0
	case gt:
		return order > 0
	}
	return order >= 0
}

type integer interface{ int16 | int32 | int64 }
type float interface{ float32 | float64 }

// compareInts compares integers (dates and times too).
func compareInts[T integer](o comparison) binder {
	return func(b *binding) kernel {
		k := kernel{run: func(c *call) { runCompareInts[T](c, o) }}
		for i := range 2 {
			if v, ok := b.constant(i); ok && v != nil {
				op := o
				if i == 0 {
					op = o.flipped()
				}
				if lo, span, not, ok := intRange(op, T(v.(int64))); ok {
					k.sel = func(c *call, rows, out []uint32) int {
						return selectRange(view[T](c.args[1-i].buf), uint64(lo), span, not, rows, out)
					}
				}
			}
		}
		return k
	}
}

// intRange says for which x "x op c" holds: uint64(x)-uint64(lo) <= span, or the opposite of it. ok is false where it
// holds for no x.
func intRange[T integer](o comparison, c T) (lo T, span uint64, not, ok bool) {
	bits := uint(unsafe.Sizeof(c)) * 8
	smallest := T(-1) << (bits - 1)
	largest := ^smallest
	hi := c
	lo = c
	switch o {
	case ne:
		not = true
	case lt, le:
		lo = smallest
		if o == lt {
			if c == smallest {
				return 0, 0, false, false
			}
			hi--
		}
	case gt, ge:
		hi = largest
		if o == gt {
			if c == largest {
				return 0, 0, false, false
			}
			lo++
		}
	}
	return lo, uint64(hi) - uint64(lo), not, true
}

// selectRange writes the rows whose value lies in a range (or does not) without a branch per row.
func selectRange[T integer](vals []T, lo, span uint64, not bool, rows, out []uint32) int {
	k := 0
	if rows == nil {
		out = out[:len(vals)]
		if not {
			for i, x := range vals {
				out[k] = uint32(i)
				k += int(b2u(uint64(x)-lo > span))
			}
			return k
		}
		for i, x := range vals {
			out[k] = uint32(i)
			k += int(b2u(uint64(x)-lo <= span))
		}
		return k
	}
	flip := int(b2u(not))
	for _, i := range rows {
		out[k] = i
		k += int(b2u(uint64(vals[i])-lo <= span)) ^ flip
	}
	return k
}

func runCompareInts[T integer](c *call, o comparison) {
	a, am := view[T](c.args[0].buf), c.args[0].konst
	b, bm := view[T](c.args[1].buf), c.args[1].konst
	out := c.outBits()
	if c.konst {
		out[0] = b2u(o.holds(cmp.Compare(a[0], b[0])))
		return
	}
	if am || bm {
		vals, with, op := a, b, o
		if am {
			vals, with, op = b, a, o.flipped()
		}
		if lo, span, not, ok := intRange(op, with[0]); ok {
			rangeBits(vals, uint64(lo), span, out)
			if not {
				negate(out)
			}
		}
		return
	}
	switch o {
	case eq, ne:
		equalBits(a, b, out)
	case lt, ge:
		lessBits(a, b, out)
	case gt, le:
		lessBits(b, a, out)
	}
	if o == ne || o == ge || o == le {
		negate(out)
	}
}

func negate(b []byte) {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], ^binary.LittleEndian.Uint64(b[i:]))
	}
	for ; i < len(b); i++ {
		b[i] = ^b[i]
	}
}

func rangeBits[T integer](vals []T, lo, span uint64, out []byte) {
	i := 0
	for ; i+8 <= len(vals); i += 8 {
		x := vals[i : i+8 : i+8]
		out[i>>3] = b2u(uint64(x[0])-lo <= span) | b2u(uint64(x[1])-lo <= span)<<1 |
			b2u(uint64(x[2])-lo <= span)<<2 | b2u(uint64(x[3])-lo <= span)<<3 |
			b2u(uint64(x[4])-lo <= span)<<4 | b2u(uint64(x[5])-lo <= span)<<5 |
			b2u(uint64(x[6])-lo <= span)<<6 | b2u(uint64(x[7])-lo <= span)<<7
	}
	for ; i < len(vals); i++ {
		out[i>>3] |= b2u(uint64(vals[i])-lo <= span) << (i & 7)
	}
}

func equalBits[T integer](a, b []T, out []byte) {
	b = b[:len(a)]
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		out[i>>3] = b2u(x[0] == y[0]) | b2u(x[1] == y[1])<<1 | b2u(x[2] == y[2])<<2 | b2u(x[3] == y[3])<<3 |
			b2u(x[4] == y[4])<<4 | b2u(x[5] == y[5])<<5 | b2u(x[6] == y[6])<<6 | b2u(x[7] == y[7])<<7
	}
	for ; i < len(a); i++ {
		out[i>>3] |= b2u(a[i] == b[i]) << (i & 7)
	}
}

func lessBits[T integer](a, b []T, out []byte) {
	b = b[:len(a)]
	i := 0
	for ; i+8 <= len(a); i += 8 {
		x, y := a[i:i+8:i+8], b[i:i+8:i+8]
		out[i>>3] = b2u(x[0] < y[0]) | b2u(x[1] < y[1])<<1 | b2u(x[2] < y[2])<<2 | b2u(x[3] < y[3])<<3 |
			b2u(x[4] < y[4])<<4 | b2u(x[5] < y[5])<<5 | b2u(x[6] < y[6])<<6 | b2u(x[7] < y[7])<<7
	}
	for ; i < len(a); i++ {
		out[i>>3] |= b2u(a[i] < b[i]) << (i & 7)
	}
}

// compareFloats compares floats of one or both sizes: NaN equals NaN and is the largest.
func compareFloats[A, B float](o comparison) binder {
	return simple(func(c *call) {
		a, am := view[A](c.args[0].buf), c.args[0].konst
		b, bm := view[B](c.args[1].buf), c.args[1].konst
		out := c.outBits()
		switch {
		case c.konst:
			out[0] = b2u(o.holds(compareFloat(float64(a[0]), float64(b[0]))))
		case am:
			floatBits(b, float64(a[0]), o.flipped(), out)
		case bm:
			floatBits(a, float64(b[0]), o, out)
		default:
			for i, x := range a {
				out[i>>3] |= b2u(o.holds(compareFloat(float64(x), float64(b[i])))) << (i & 7)
			}
		}
	})
}

// compareFloat orders floats as PostgreSQL does.
func compareFloat(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	case x == y:
		return 0
	case x != x && y != y:
		return 0
	case x != x:
		return 1
	}
	return -1
}

// floatBits compares with a constant. As NaN is the largest, > and >= are the opposites of <= and <, which no NaN fulfils.
func floatBits[T float](vals []T, with float64, o comparison, out []byte) {
	if math.IsNaN(with) {
		for i, x := range vals {
			out[i>>3] |= b2u(o.holds(compareFloat(float64(x), with))) << (i & 7)
		}
		return
	}
	switch o {
	case eq, ne:
		for i, x := range vals {
			out[i>>3] |= b2u(float64(x) == with) << (i & 7)
		}
	case lt, ge:
		for i, x := range vals {
			out[i>>3] |= b2u(float64(x) < with) << (i & 7)
		}
	case le, gt:
		for i, x := range vals {
			out[i>>3] |= b2u(float64(x) <= with) << (i & 7)
		}
	}
	if o == ne || o == ge || o == gt {
		negate(out)
	}
}

// compareTexts compares by bytes.
func compareTexts(o comparison) binder {
	return func(b *binding) kernel {
		k := kernel{run: func(c *call) { runCompareTexts(c, o) }}
		if o != eq && o != ne {
			return k
		}
		for i := range 2 {
			v, ok := b.constant(i)
			if !ok || v == nil {
				continue
			}
			var with []byte
			switch v := v.(type) {
			case string:
				with = []byte(v)
			case []byte:
				with = v
			}
			k.sel = func(c *call, rows, out []uint32) int {
				return selectEqualText(c.args[1-i], with, o == ne, rows, out)
			}
		}
		return k
	}
}

func selectEqualText(v *vec, with []byte, not bool, rows, out []uint32) int {
	k, flip := 0, b2u(not)
	size := int32(len(with))
	if rows == nil {
		from := v.offs[0]
		for i, to := range v.offs[1:] {
			out[k] = uint32(i)
			hit := byte(0)
			if to-from == size && string(v.buf[from:to]) == string(with) {
				hit = 1
			}
			k += int(hit ^ flip)
			from = to
		}
		return k
	}
	for _, i := range rows {
		out[k] = i
		from, to := v.offs[i], v.offs[i+1]
		hit := byte(0)
		if to-from == size && string(v.buf[from:to]) == string(with) {
			hit = 1
		}
		k += int(hit ^ flip)
	}
	return k
}

func runCompareTexts(c *call, o comparison) {
	out := c.outBits()
	a, b := c.args[0], c.args[1]
	text := func(v *vec, i int) []byte {
		if v.konst {
			i = 0
		}
		return v.buf[v.offs[i]:v.offs[i+1]]
	}
	rows := c.list()
	one := func(i int) {
		hit := false
		switch x, y := text(a, i), text(b, i); o {
		case eq:
			hit = string(x) == string(y)
		case ne:
			hit = string(x) != string(y)
		default:
			hit = o.holds(bytes.Compare(x, y))
		}
		out[i>>3] |= b2u(hit) << (i & 7)
	}
	if rows == nil {
		for i := range c.n {
			one(i)
		}
	}
	for _, i := range rows {
		one(int(i))
	}
}

// compareBy compares by an order.
func compareBy[T any](order func(a, b T) int) func(o comparison) binder {
	return func(o comparison) binder {
		return map2(func(a, b T) (bool, error) { return o.holds(order(a, b)), nil })
	}
}

func compareBools(a, b bool) int { return int(b2u(a)) - int(b2u(b)) }

// comparer returns the comparisons of a type.
func comparer(t types.Type) func(o comparison) binder {
	switch t.Kind {
	case types.Bool:
		return compareBy(compareBools)
	case types.Int2:
		return compareInts[int16]
	case types.Int4, types.Date:
		return compareInts[int32]
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		return compareInts[int64]
	case types.Float4:
		return compareFloats[float32, float32]
	case types.Float8:
		return compareFloats[float64, float64]
	case types.Numeric:
		return compareNumerics
	case types.Interval:
		return compareBy(types.IntervalValue.Cmp)
	case types.JSONB:
		return compareBy(types.CompareJSONB)
	}
	return compareTexts
}
