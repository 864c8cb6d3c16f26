package expr

import "math"

// double is the unevaluated sum of two floats: about 106 bits. The elementary functions below compute in it and round once, so that
// they are right to the last digit in all but a few cases in 2^40, where Go's library is off by one or two in about every tenth
// (and gives 1000.0000000000002 for 100^1.5).
//
// Source: Dekker, "A floating-point technique for extending the available precision", 1971.
type double struct{ hi, lo float64 }

func quickSum(a, b float64) double {
	s := a + b
	return double{s, b - (s - a)}
}

func twoSum(a, b float64) double {
	s := a + b
	t := s - a
	return double{s, (a - (s - t)) + (b - t)}
}

func twoProduct(a, b float64) double {
	p := a * b
	return double{p, math.FMA(a, b, -p)}
}

func (a double) add(b double) double {
	s := twoSum(a.hi, b.hi)
	t := twoSum(a.lo, b.lo)
	s = quickSum(s.hi, s.lo+t.hi)
	return quickSum(s.hi, s.lo+t.lo)
}

func (a double) mul(b double) double {
	p := twoProduct(a.hi, b.hi)
	return quickSum(p.hi, p.lo+(a.hi*b.lo+a.lo*b.hi))
}

func (a double) div(b double) double {
	q1 := a.hi / b.hi
	r := a.add(b.mul(double{-q1, 0}))
	q2 := r.hi / b.hi
	r = r.add(b.mul(double{-q2, 0}))
	q := quickSum(q1, q2)
	return q.add(double{r.hi / b.hi, 0})
}

// addQuick is add for a sum of terms of one sign, or of one term that outweighs the other.
func (a double) addQuick(b double) double {
	s := twoSum(a.hi, b.hi)
	return quickSum(s.hi, s.lo+(a.lo+b.lo))
}

// inverseFactorials are 1/0! to 1/12!.
var inverseFactorials = func() [13]double {
	var out [13]double
	out[0] = double{1, 0}
	for i := 1; i < len(out); i++ {
		out[i] = out[i-1].div(double{float64(i), 0})
	}
	return out
}()

var (
	ln2  = double{0.6931471805599453, 2.3190468138462996e-17}
	ln10 = double{2.302585092994046, -2.1707562233822494e-16}
)

// expDouble returns e^x as m * 2^k, for |x| < 1000.
func expDouble(x double) (m double, k int) {
	n := math.Round(x.hi / ln2.hi)
	r := x.add(ln2.mul(double{-n, 0}))
	// e^(r/64) by its series, then squared six times.
	r.hi, r.lo = r.hi/64, r.lo/64
	sum := inverseFactorials[len(inverseFactorials)-1]
	for i := len(inverseFactorials) - 2; i >= 0; i-- {
		sum = sum.mul(r).addQuick(inverseFactorials[i])
	}
	for range 6 {
		sum = sum.mul(sum)
	}
	return sum, int(n)
}

// logDouble returns ln(x) for a normal x > 0, by a step of Newton's method.
func logDouble(x float64) double {
	frac, k := math.Frexp(x)
	if frac < math.Sqrt2/2 {
		frac, k = frac*2, k-1
	}
	y := double{math.Log(frac), 0}
	m, e := expDouble(double{-y.hi, 0})
	scale := math.Ldexp(1, e)
	m.hi, m.lo = m.hi*scale, m.lo*scale
	d := m.mul(double{frac, 0}).add(double{-1, 0})
	// ln(1+d) = d - d*d/2 for a tiny d
	y = y.add(d).add(double{-d.hi * d.hi / 2, 0})
	return y.add(ln2.mul(double{float64(k), 0}))
}

func preciseExp(x float64) float64 {
	if !(math.Abs(x) < 700) {
		return math.Exp(x)
	}
	m, k := expDouble(double{x, 0})
	return math.Ldexp(m.hi+m.lo, k)
}

func preciseLog(x float64) float64 {
	if !(x >= 0x1p-1022 && x <= math.MaxFloat64) {
		return math.Log(x)
	}
	y := logDouble(x)
	return y.hi + y.lo
}

func preciseLog10(x float64) float64 {
	if !(x >= 0x1p-1022 && x <= math.MaxFloat64) {
		return math.Log10(x)
	}
	y := logDouble(x).div(ln10)
	return y.hi + y.lo
}

// precisePow is x^y for a y that is an integer if x is negative.
func precisePow(x, y float64) float64 {
	rough := math.Pow(x, y)
	a := math.Abs(x)
	if size := math.Abs(rough); !(size > 0x1p-1000 && size < 0x1p1000) || !(a >= 0x1p-1022 && a <= math.MaxFloat64) || isInf(y) {
		return rough
	}
	m, k := expDouble(logDouble(a).mul(double{y, 0}))
	return math.Copysign(math.Ldexp(m.hi+m.lo, k), rough)
}
