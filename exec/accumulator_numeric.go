package exec

import (
	"math/big"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// Sums of NUMERIC are exact: integers of many words (two's complement, low word first) over 10^scale, where scale is the largest
// that was seen. A sum that outgrows its words is lost: an error from then on, never a wrong value.

const (
	sumWords    = 4 // 77 digits
	squareWords = 6 // 115 digits
)

// numericLanes is where an accumulator of NUMERIC keeps what: lane 0 counts values, 1 NaN, 2 Infinity, 3 -Infinity, 4 lost sums,
// 5 is the scale, then the words of the sum and, for variances, of the sum of squares at twice the scale.
const (
	laneNaN = iota + 1
	lanePosInf
	laneNegInf
	laneLost
	laneScale
	laneSum
	laneSquares = laneSum + sumWords
)

// readNumeric returns the value of a row of either storage of NUMERIC.
func readNumeric(c arrow.Array, scale uint8, row int) types.NumericValue {
	switch c := c.(type) {
	case *array.FixedSizeBinary:
		return types.GetNumeric(c.Value(row))
	case *array.Decimal128:
		v := c.Value(row)
		return types.NumericValue{Hi: v.HighBits(), Lo: v.LowBits(), Scale: scale}
	}
	return types.NumericValue{}
}

// numericAcc is what sums and variances of NUMERIC share.
type numericAcc struct {
	arg     argument
	in      types.Type
	squares bool
}

func (a *numericAcc) lanes() int {
	if a.squares {
		return laneSquares + squareWords
	}
	return laneSquares
}

func (a *numericAcc) explode(r *rowSet, out [][]int64) {
	w := a.arg.used(r)
	fillWeights(out[0], w)
	for _, lane := range out[1:] {
		clear(lane)
	}
	c := r.b.Cols[a.arg.col]
	var sum [sumWords]uint64
	var square [squareWords]uint64
	for i := range r.n {
		one := int64(1)
		if w != nil {
			if one = w[i]; one == 0 {
				continue
			}
		}
		v := readNumeric(c, uint8(a.in.Scale), r.row(i))
		switch v.Scale {
		case types.NumericNaN:
			out[laneNaN][i] = one
			continue
		case types.NumericPosInf:
			out[lanePosInf][i] = one
			continue
		case types.NumericNegInf:
			out[laneNegInf][i] = one
			continue
		}
		out[laneScale][i] = int64(v.Scale)
		sum = [sumWords]uint64{v.Lo, uint64(v.Hi), uint64(v.Hi >> 63), uint64(v.Hi >> 63)}
		negative := v.Hi < 0
		if a.squares {
			lo, hi := v.Lo, uint64(v.Hi)
			if negative {
				var borrow uint64
				lo, borrow = bits.Sub64(0, lo, 0)
				hi, _ = bits.Sub64(0, hi, borrow)
			}
			square = [squareWords]uint64{}
			square256(square[:4], lo, hi)
			if one != 1 {
				mulWords(square[:], one)
			}
			for k, word := range square {
				out[laneSquares+k][i] = int64(word)
			}
		}
		if one != 1 {
			mulWords(sum[:], one)
		}
		for k, word := range sum {
			out[laneSum+k][i] = int64(word)
		}
	}
}

// square256 sets dst to (hi:lo)^2.
func square256(dst []uint64, lo, hi uint64) {
	h0, l0 := bits.Mul64(lo, lo)
	h1, l1 := bits.Mul64(lo, hi)
	h2, l2 := bits.Mul64(hi, hi)
	var c uint64
	dst[0] = l0
	dst[1], c = bits.Add64(h0, l1, 0)
	dst[2], c = bits.Add64(l2, h1, c)
	dst[3] = h2 + c
	dst[1], c = bits.Add64(dst[1], l1, 0)
	dst[2], c = bits.Add64(dst[2], h1, c)
	dst[3] += c
}

// mulWords multiplies a signed integer by f and reports whether the product fits.
func mulWords(words []uint64, f int64) bool {
	negative := int64(words[len(words)-1]) < 0
	if negative {
		negWords(words)
	}
	m := uint64(f)
	if f < 0 {
		negative = !negative
		m = -m
	}
	var carry uint64
	for i, w := range words {
		hi, lo := bits.Mul64(w, m)
		var c uint64
		words[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
	ok := carry == 0 && int64(words[len(words)-1]) >= 0
	if negative {
		negWords(words)
	}
	return ok
}

func negWords(words []uint64) {
	carry := uint64(1)
	for i, w := range words {
		words[i], carry = bits.Add64(^w, 0, carry)
	}
}

// scaleWords multiplies a signed integer by 10^k and reports whether the product fits.
func scaleWords(words []uint64, k int64) bool {
	for ; k >= 18; k -= 18 {
		if !mulWords(words, 1e18) {
			return false
		}
	}
	f := int64(1)
	for ; k > 0; k-- {
		f *= 10
	}
	return mulWords(words, f)
}

func (a *numericAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	for i := range laneScale {
		addLane(dst[i], slots, src[i])
	}
	var x [squareWords]uint64
	for i, s := range slots {
		scale := dst[laneScale].At(s)
		up := src[laneScale][i] - *scale
		add := func(at, words int, up int64) {
			own := x[:words]
			for k := range own {
				own[k] = uint64(src[at+k][i])
			}
			if up < 0 && !scaleWords(own, -up) {
				*dst[laneLost].At(s)++
			}
			if up > 0 {
				var held [squareWords]uint64
				for k := range words {
					held[k] = uint64(*dst[at+k].At(s))
				}
				if !scaleWords(held[:words], up) {
					*dst[laneLost].At(s)++
				}
				for k := range words {
					*dst[at+k].At(s) = int64(held[k])
				}
			}
			var carry, sum uint64
			before := *dst[at+words-1].At(s)
			for k, w := range own {
				p := dst[at+k].At(s)
				sum, carry = bits.Add64(uint64(*p), w, carry)
				*p = int64(sum)
			}
			top := int64(own[words-1])
			if after := int64(sum); (before < 0) == (top < 0) && (after < 0) != (before < 0) {
				*dst[laneLost].At(s)++
			}
		}
		add(laneSum, sumWords, up)
		if a.squares {
			add(laneSquares, squareWords, 2*up)
		}
		if up > 0 {
			*scale = src[laneScale][i]
		}
	}
}

// bigLane returns a sum as an integer.
func bigLane(src [][]int64, at, words, i int) *big.Int {
	buf := make([]uint64, words)
	for k := range buf {
		buf[k] = uint64(src[at+k][i])
	}
	negative := int64(buf[words-1]) < 0
	if negative {
		negWords(buf)
	}
	raw := make([]byte, 8*words)
	for k, w := range buf {
		for b := range 8 {
			raw[8*(words-1-k)+7-b] = byte(w >> (8 * b))
		}
	}
	z := new(big.Int).SetBytes(raw)
	if negative {
		z.Neg(z)
	}
	return z
}

// numericOfBig returns x / 10^scale. Errors: 22003.
func numericOfBig(x *big.Int, scale int) (types.NumericValue, error) {
	if x.BitLen() > 127 {
		return types.NumericValue{}, types.Errorf(types.CodeNumericOutOfRange, "numeric value out of range: more than %d digits", types.MaxNumericDigits)
	}
	m := new(big.Int).Abs(x)
	var raw [16]byte
	m.FillBytes(raw[:])
	var hi, lo uint64
	for k := range 8 {
		hi, lo = hi<<8|uint64(raw[k]), lo<<8|uint64(raw[8+k])
	}
	if x.Sign() < 0 {
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
	}
	return types.NumericFromCoefficient(int64(hi), lo, scale)
}

// total returns the sum of a group at the scale; ok is false if there are no values.
func (a *numericAcc) total(src [][]int64, i, scale int) (v types.NumericValue, ok bool, err error) {
	if src[0][i] == 0 {
		return v, false, nil
	}
	nan, inf, neg := src[laneNaN][i] != 0, src[lanePosInf][i] != 0, src[laneNegInf][i] != 0
	switch {
	case nan || inf && neg:
		return types.NaN, true, nil
	case inf:
		return types.PositiveInfinity, true, nil
	case neg:
		return types.NegativeInfinity, true, nil
	case src[laneLost][i] != 0:
		return v, true, types.Errorf(types.CodeNumericOutOfRange, "numeric value out of range: more than %d digits", types.MaxNumericDigits)
	}
	sum := bigLane(src, laneSum, sumWords, i)
	if held := int(src[laneScale][i]); scale < held {
		sum.Quo(sum, pow10Big(held-scale)) // exact: what is cut off belongs to values that were taken back
	}
	v, err = numericOfBig(sum, scale)
	return v, true, err
}

func pow10Big(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// sumNumericAcc computes sum and avg of NUMERIC.
type sumNumericAcc struct {
	numericAcc
	avg bool
}

func newSumNumeric(arg argument, in, _ types.Type, avg, _ bool) accumulator {
	return &sumNumericAcc{numericAcc: numericAcc{arg: arg, in: in}, avg: avg}
}

func (a *sumNumericAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	return a.finishAt(src, n, fail, src[laneScale][:n])
}

func (a *sumNumericAcc) finishAt(src [][]int64, n int, fail func(int, *types.Error), scales []int64) arrow.Array {
	out := newNumericOut(n)
	for i := range n {
		v, ok, err := a.total(src, i, int(scales[i]))
		if !ok {
			out.null(i)
			continue
		}
		if err == nil && a.avg {
			v, err = v.Div(types.NumericFromInt64(src[0][i]))
		}
		out.set(i, v, err, fail)
	}
	return out.array()
}

// sumIntervalAcc computes sum and avg of intervals. Lanes: the number of values, months, days, and microseconds in two words.
type sumIntervalAcc struct {
	arg argument
	avg bool
}

func (*sumIntervalAcc) lanes() int { return 5 }

func (a *sumIntervalAcc) explode(r *rowSet, out [][]int64) {
	w := a.arg.used(r)
	fillWeights(out[0], w)
	for _, lane := range out[1:] {
		clear(lane)
	}
	c, ok := r.b.Cols[a.arg.col].(*array.MonthDayNanoInterval)
	if !ok {
		return
	}
	for i := range r.n {
		one := int64(1)
		if w != nil {
			if one = w[i]; one == 0 {
				continue
			}
		}
		v := types.IntervalFromArrow(c.Value(r.row(i)))
		out[1][i], out[2][i] = int64(v.Months)*one, int64(v.Days)*one
		hi, lo := mulSigned(v.Micros, one)
		out[3][i], out[4][i] = int64(lo), hi
	}
}

func (*sumIntervalAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	for i := range 3 {
		addLane(dst[i], slots, src[i])
	}
	add128(dst[3], dst[4], slots, src[3], src[4])
}

func (a *sumIntervalAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	values := make([]arrow.MonthDayNanoInterval, n)
	valid := bitmap{n: n}
	for i := range n {
		if src[0][i] == 0 {
			valid.clear(i)
			continue
		}
		months, days, lo, hi := src[1][i], src[2][i], src[3][i], src[4][i]
		v := types.IntervalValue{Months: int32(months), Days: int32(days), Micros: lo}
		var err error
		if int64(v.Months) != months || int64(v.Days) != days || hi != lo>>63 {
			err = types.Errorf(types.CodeDatetimeOverflow, "interval out of range")
		} else if a.avg {
			v, err = v.Div(float64(src[0][i]))
		}
		if err == nil {
			v, err = v.Add(types.IntervalValue{}) // checks that it can be stored
		}
		if err != nil {
			fail(i, asError(err))
			valid.clear(i)
			continue
		}
		values[i] = v.Arrow()
	}
	return fixedArray(types.IntervalType.Arrow(), n, arrow.MonthDayNanoIntervalTraits.CastToBytes(values), valid.bits)
}
