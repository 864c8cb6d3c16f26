package exec

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// variance says which of stddev_samp, stddev_pop, var_samp and var_pop is wanted.
type variance struct{ sample, root bool }

// exact computes the result from N, the sum and the sum of squares, the sums being over 10^scale and 10^(2*scale), as
// PostgreSQL's numeric_stddev_internal does: (N*squares - sum^2) / (N*(N-1) or N^2), with its division's scale.
func (v variance) exact(n int64, sum, squares *big.Int, scale int) (types.NumericValue, error) {
	num := new(big.Int).Mul(big.NewInt(n), squares)
	num.Sub(num, new(big.Int).Mul(sum, sum))
	if num.Sign() <= 0 {
		return types.NumericValue{}, nil
	}
	den := big.NewInt(n)
	if v.sample {
		den.Mul(den, big.NewInt(n-1))
	} else {
		den.Mul(den, big.NewInt(n))
	}
	rscale := divisionScale(num, 2*scale, den)
	q := new(big.Int).Mul(num, pow10Big(rscale))
	q = divRound(q, new(big.Int).Mul(den, pow10Big(2*scale)))
	if v.root {
		q.Mul(q, pow10Big(rscale))
		root := new(big.Int).Sqrt(q)
		if rest := new(big.Int).Sub(q, new(big.Int).Mul(root, root)); rest.Cmp(root) > 0 {
			root.Add(root, big.NewInt(1))
		}
		q = root
	}
	return numericOfBig(q, rscale)
}

// divRound divides non-negative integers, rounding half up.
func divRound(a, b *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Lsh(r, 1).Cmp(b) >= 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// divisionScale is PostgreSQL's select_div_scale for (a / 10^scale) / b, both positive: at least 16 significant digits, reckoned in
// groups of four.
func divisionScale(a *big.Int, scale int, b *big.Int) int {
	wa, fa := leadingGroup(a, scale)
	wb, fb := leadingGroup(b, 0)
	q := wa - wb
	if fa <= fb {
		q--
	}
	return min(max(16-4*q, scale, 0), 1000)
}

// leadingGroup returns the weight and the value of the first group of four digits of x / 10^scale.
func leadingGroup(x *big.Int, scale int) (weight int, group int64) {
	digits := len(x.Text(10))
	e := digits - scale - 1 // the leading digit's power of ten
	weight = int(floorDiv(int64(e), 4))
	want := e - 4*weight + 1 // digits of the first group
	if digits <= want {
		return weight, new(big.Int).Mul(x, pow10Big(want-digits)).Int64()
	}
	return weight, new(big.Int).Quo(x, pow10Big(digits-want)).Int64()
}

// few reports whether n values are too few: the result is NULL.
func (v variance) few(n int64) bool { return n == 0 || v.sample && n == 1 }

// varIntAcc computes variances of integers exactly. Lanes: the number of values, their sum in two words, that of their squares in
// three.
type varIntAcc struct {
	arg argument
	in  types.Type
	variance
}

func (*varIntAcc) lanes() int { return 6 }

func (a *varIntAcc) explode(r *rowSet, out [][]int64) {
	vals := readInts(r.b.Cols[a.arg.col], r.rows, r.n, out[1])
	w := a.arg.used(r)
	fillWeights(out[0], w)
	var x [3]uint64
	for i, v := range vals {
		one := int64(1)
		if w != nil {
			one = w[i]
		}
		m := uint64(v)
		if v < 0 {
			m = -m
		}
		hi, lo := bits.Mul64(m, m)
		x = [3]uint64{lo, hi, 0}
		if one != 1 {
			mulWords(x[:], one)
		}
		out[3][i], out[4][i], out[5][i] = int64(x[0]), int64(x[1]), int64(x[2])
		shi, slo := mulSigned(v, one)
		out[1][i], out[2][i] = int64(slo), shi
	}
}

func (*varIntAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	addLane(dst[0], slots, src[0])
	add128(dst[1], dst[2], slots, src[1], src[2])
	for i, s := range slots {
		var carry, sum uint64
		for k := 3; k < 6; k++ {
			p := dst[k].At(s)
			sum, carry = bits.Add64(uint64(*p), uint64(src[k][i]), carry)
			*p = int64(sum)
		}
	}
}

func (a *varIntAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	out := newNumericOut(n)
	for i := range n {
		if a.few(src[0][i]) {
			out.null(i)
			continue
		}
		v, err := a.exact(src[0][i], bigLane(src, 1, 2, i), bigLane(src, 3, 3, i), 0)
		out.set(i, v, err, fail)
	}
	return out.array()
}

// varNumericAcc computes variances of NUMERIC exactly.
type varNumericAcc struct {
	numericAcc
	variance
}

func newVarNumeric(arg argument, in types.Type, v variance, _ bool) accumulator {
	return &varNumericAcc{numericAcc: numericAcc{arg: arg, in: in, squares: true}, variance: v}
}

func (a *varNumericAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	return a.finishAt(src, n, fail, src[laneScale][:n])
}

func (a *varNumericAcc) finishAt(src [][]int64, n int, fail func(int, *types.Error), scales []int64) arrow.Array {
	out := newNumericOut(n)
	for i := range n {
		count := src[0][i]
		switch {
		case a.few(count):
			out.null(i)
		case src[laneNaN][i] != 0 || src[lanePosInf][i] != 0 || src[laneNegInf][i] != 0:
			out.set(i, types.NaN, nil, fail)
		case src[laneLost][i] != 0:
			_, _, err := a.total(src, i, int(scales[i]))
			out.set(i, types.NumericValue{}, err, fail)
		default:
			sum, squares := bigLane(src, laneSum, sumWords, i), bigLane(src, laneSquares, squareWords, i)
			if cut := int(src[laneScale][i] - scales[i]); cut > 0 {
				sum.Quo(sum, pow10Big(cut))
				squares.Quo(squares, pow10Big(2*cut))
			}
			v, err := a.exact(count, sum, squares, int(scales[i]))
			out.set(i, v, err, fail)
		}
	}
	return out.array()
}

// varFloatAcc computes variances of floats from double-double sums of the values and of their squares, which can be taken
// back. Lanes: the number of values, of NaN, of Infinity, of -Infinity, sum, squares, and the number of values whose square is
// too large, with which there is no result.
type varFloatAcc struct {
	arg argument
	in  types.Type
	variance
	vals []float64
}

func (*varFloatAcc) lanes() int { return 9 }

func (a *varFloatAcc) explode(r *rowSet, out [][]int64) {
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
		case math.Abs(v) >= 0x1p480 && v-v == 0:
			out[8][i] = one
		case v-v == 0:
			hi, lo := twoProduct(v, float64(one))
			out[4][i], out[5][i] = word(hi), word(lo)
			hi, lo = twoProduct(v, v)
			phi, plo := twoProduct(hi, float64(one))
			out[6][i], out[7][i] = word(phi), word(plo+lo*float64(one))
		case v != v:
			out[1][i] = one
		case v > 0:
			out[2][i] = one
		default:
			out[3][i] = one
		}
	}
}

func (*varFloatAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	for i := range 4 {
		addLane(dst[i], slots, src[i])
	}
	addDouble(dst[4], dst[5], slots, src[4], src[5])
	addDouble(dst[6], dst[7], slots, src[6], src[7])
	addLane(dst[8], slots, src[8])
}

func (a *varFloatAcc) finish(src [][]int64, n int, fail func(int, *types.Error)) arrow.Array {
	special := func(i int) bool { return src[1][i] != 0 || src[2][i] != 0 || src[3][i] != 0 }
	return floatResults(types.Float8Type, n, fail, func(i int) (float64, bool) {
		count := src[0][i]
		if a.few(count) {
			return 0, false
		}
		if special(i) {
			return math.NaN(), true
		}
		if src[8][i] != 0 {
			return math.Inf(1), true // overflow
		}
		c := float64(count)
		shi, slo := float(src[4][i]), float(src[5][i])
		// squares - sum^2/n, in double-doubles
		p, e := twoProduct(shi, shi)
		e += 2 * shi * slo
		q := p / c
		rest := (math.FMA(-q, c, p) + e) / c
		hi, lo := addDD(float(src[6][i]), float(src[7][i]), -q, -rest)
		d := c
		if a.sample {
			d--
		}
		v := (hi + lo) / d
		if v < 0 {
			v = 0
		}
		if a.root {
			v = math.Sqrt(v)
		}
		return v, true
	}, special)
}
