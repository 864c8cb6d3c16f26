package exec

import (
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// readInts returns the values of an integer column at the rows, in dst or, where they lie in the batch as they are wanted, there.
// NULLs give any value.
func readInts(c arrow.Array, rows []uint32, n int, dst []int64) []int64 {
	switch c := c.(type) {
	case *array.Int64:
		values := c.Int64Values()
		if rows == nil {
			return values[:n]
		}
		for i, r := range rows {
			dst[i] = values[r]
		}
	case *array.Int32:
		widen(dst, c.Int32Values(), rows)
	case *array.Int16:
		widen(dst, c.Int16Values(), rows)
	default: // arrow.NULL
		clear(dst)
	}
	return dst
}

func widen[T int16 | int32](dst []int64, values []T, rows []uint32) {
	if rows == nil {
		for i := range dst {
			dst[i] = int64(values[i])
		}
		return
	}
	for i, r := range rows {
		dst[i] = int64(values[r])
	}
}

// sumIntAcc computes sum and avg of integers exactly. Lanes: the number of values, the sum's low and high word.
type sumIntAcc struct {
	arg     argument
	in, out types.Type
	avg     bool
}

func (*sumIntAcc) lanes() int { return 3 }

func (a *sumIntAcc) explode(r *rowSet, out [][]int64) {
	vals := readInts(r.b.Cols[a.arg.col], r.rows, r.n, out[1])
	w := a.arg.used(r)
	fillWeights(out[0], w)
	lo, hi := out[1], out[2]
	if w == nil {
		out[1] = vals
		for i, v := range vals {
			hi[i] = v >> 63
		}
	} else {
		for i, v := range vals {
			h, l := mulSigned(v, w[i])
			lo[i], hi[i] = int64(l), h
		}
	}
}

// mulSigned returns the 128-bit product.
func mulSigned(a, b int64) (hi int64, lo uint64) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	return int64(h) - (a>>63)&b - (b>>63)&a, l
}

func (*sumIntAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	addLane(dst[0], slots, src[0])
	add128(dst[1], dst[2], slots, src[1], src[2])
}

// add128 adds words with their carry.
func add128(dlo, dhi *state.I64Column, slots []uint32, lo, hi []int64) {
	for i, s := range slots {
		p := dlo.At(s)
		sum, carry := bits.Add64(uint64(*p), uint64(lo[i]), 0)
		*p = int64(sum)
		*dhi.At(s) += hi[i] + int64(carry)
	}
}

func (a *sumIntAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	valid := bitmap{n: n}
	if !a.avg && a.out.Kind == types.Int8 {
		values := make([]int64, n)
		for i := range n {
			switch lo, hi := src[1][i], src[2][i]; {
			case src[0][i] == 0:
				valid.clear(i)
			case hi != lo>>63:
				fail(i, types.Errorf(types.CodeNumericOutOfRange, "bigint out of range"))
				valid.clear(i)
			default:
				values[i] = lo
			}
		}
		return int64Array(types.Int8Type, values, valid.bits)
	}
	out := newNumericOut(n)
	for i := range n {
		count := src[0][i]
		if count == 0 {
			out.null(i)
			continue
		}
		sum, err := types.NumericFromCoefficient(src[2][i], uint64(src[1][i]), 0)
		if err == nil && a.avg {
			sum, err = sum.Div(types.NumericFromInt64(count))
		}
		out.set(i, sum, err, fail)
	}
	return out.array()
}

// numericOut builds a NUMERIC column.
type numericOut struct {
	buf   []byte
	valid bitmap
}

func newNumericOut(n int) *numericOut {
	return &numericOut{buf: make([]byte, n*types.NumericWidth), valid: bitmap{n: n}}
}

func (o *numericOut) null(i int) { o.valid.clear(i) }

func (o *numericOut) set(i int, v types.NumericValue, err error, fail func(int, *types.Error)) {
	if err != nil {
		fail(i, asError(err))
		o.null(i)
		return
	}
	v.Put(o.buf[i*types.NumericWidth:])
}

func (o *numericOut) array() arrow.Array {
	return fixedArray(types.NumericType.Arrow(), o.valid.n, o.buf, o.valid.bits)
}

func asError(err error) *types.Error {
	if e, ok := err.(*types.Error); ok {
		return e
	}
	return types.Errorf(types.CodeOf(err), "%v", err)
}

// readFloats sets dst to the bits of a float column's values, as doubles.
func readFloats(c arrow.Array, rows []uint32, n int, dst []float64) []float64 {
	dst = resize(dst, n)
	switch c := c.(type) {
	case *array.Float64:
		values := c.Float64Values()
		if rows == nil {
			copy(dst, values)
		}
		for i, r := range rows {
			dst[i] = values[r]
		}
	case *array.Float32:
		values := c.Float32Values()
		if rows == nil {
			for i, v := range values {
				dst[i] = float64(v)
			}
		}
		for i, r := range rows {
			dst[i] = float64(values[r])
		}
	default:
		clear(dst)
	}
	return dst
}

// sumFloatAcc computes sum and avg of floats. Lanes: the number of values, of NaN, of Infinity, of -Infinity, and the sum of the
// others as a double-double; that of very large values apart and scaled down, so that it does not overflow before it has to.
// Kept apart, NaN and infinities can be taken back, and the sum does not drift when values are.
//
// Source: the error-free addition of Knuth, TAOCP vol. 2, 4.2.2.
type sumFloatAcc struct {
	arg     argument
	in, out types.Type
	avg     bool
	vals    []float64
}

func (*sumFloatAcc) lanes() int { return 8 }

// Values from largeFloat on are summed in units of largeUnit.
const (
	largeFloat = 0x1p900
	largeUnit  = 0x1p200
)

func (a *sumFloatAcc) explode(r *rowSet, out [][]int64) {
	a.vals = readFloats(r.b.Cols[a.arg.col], r.rows, r.n, a.vals)
	w := a.arg.used(r)
	fillWeights(out[0], w)
	for _, lane := range out[1:] {
		clear(lane)
	}
	for i, v := range a.vals {
		one := int64(1)
		if w != nil {
			if one = w[i]; one == 0 {
				continue
			}
		}
		switch {
		case v-v == 0:
			if math.Abs(v) >= largeFloat {
				hi, lo := twoProduct(v/largeUnit, float64(one))
				out[6][i], out[7][i] = word(hi), word(lo)
				continue
			}
			if one == 1 {
				out[4][i] = word(v)
				continue
			}
			hi, lo := twoProduct(v, float64(one))
			out[4][i], out[5][i] = word(hi), word(lo)
		case v != v:
			out[1][i] = one
		case v > 0:
			out[2][i] = one
		default:
			out[3][i] = one
		}
	}
}

func word(f float64) int64 { return int64(math.Float64bits(f)) }

func float(w int64) float64 { return math.Float64frombits(uint64(w)) }

// twoProduct returns a*b as a sum of two doubles.
func twoProduct(a, b float64) (hi, lo float64) {
	hi = a * b
	return hi, math.FMA(a, b, -hi)
}

// twoSum returns a+b as a sum of two doubles.
func twoSum(a, b float64) (hi, lo float64) {
	hi = a + b
	t := hi - a
	return hi, (a - (hi - t)) + (b - t)
}

// addDouble adds double-doubles.
func addDouble(dhi, dlo *state.I64Column, slots []uint32, hi, lo []int64) {
	for i, s := range slots {
		ph, pl := dhi.At(s), dlo.At(s)
		h, l := addDD(float(*ph), float(*pl), float(hi[i]), float(lo[i]))
		*ph, *pl = word(h), word(l)
	}
}

func addDD(ahi, alo, bhi, blo float64) (hi, lo float64) {
	s, e := twoSum(ahi, bhi)
	t, f := twoSum(alo, blo)
	s, e = twoSum(s, e+t)
	hi, lo = twoSum(s, e+f)
	return hi, lo
}

func (*sumFloatAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	for i := range 4 {
		addLane(dst[i], slots, src[i])
	}
	addDouble(dst[4], dst[5], slots, src[4], src[5])
	addDouble(dst[6], dst[7], slots, src[6], src[7])
}

func (a *sumFloatAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	return floatResults(a.out, n, fail, func(i int) (float64, bool) {
		count := src[0][i]
		if count == 0 {
			return 0, false
		}
		if special, ok := specialSum(src[1][i], src[2][i], src[3][i]); ok {
			return special, true
		}
		sum := float(src[4][i]) + float(src[5][i])
		if large := float(src[6][i]) + float(src[7][i]); large != 0 {
			sum += large * largeUnit
		}
		if sum-sum != 0 {
			return math.Inf(1), true // overflow, told apart from specials by floatResults
		}
		if a.avg {
			sum /= float64(count)
		}
		return sum, true
	}, func(i int) bool { return src[1][i] != 0 || src[2][i] != 0 || src[3][i] != 0 })
}

// specialSum returns the sum that NaN and infinities decide.
func specialSum(nans, infs, negInfs int64) (float64, bool) {
	switch {
	case nans != 0 || infs != 0 && negInfs != 0:
		return math.NaN(), true
	case infs != 0:
		return math.Inf(1), true
	case negInfs != 0:
		return math.Inf(-1), true
	}
	return 0, false
}

// floatResults builds a float column; an infinite or NaN value of a group that has no special input is an overflow.
func floatResults(t types.Type, n int, fail func(int, *types.Error), value func(i int) (float64, bool), special func(i int) bool) arrow.Array {
	valid := bitmap{n: n}
	narrow := t.Kind == types.Float4
	wide := make([]float64, n)
	var short []float32
	if narrow {
		short = make([]float32, n)
	}
	for i := range n {
		v, ok := value(i)
		if ok && narrow {
			short[i] = float32(v)
			v = float64(short[i])
		}
		if ok && v-v != 0 && !special(i) {
			fail(i, types.Errorf(types.CodeNumericOutOfRange, "value out of range: overflow"))
			ok = false
		}
		if !ok {
			valid.clear(i)
			continue
		}
		wide[i] = v
	}
	if narrow {
		return fixedArray(t.Arrow(), n, arrow.Float32Traits.CastToBytes(short), valid.bits)
	}
	return fixedArray(t.Arrow(), n, arrow.Float64Traits.CastToBytes(wide), valid.bits)
}
