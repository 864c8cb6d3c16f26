package exec

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// readsValues reports whether an aggregate is computed anew from all values of a group that changed: those of JSON, of pairs
// and WITHIN GROUP. Their state is the values, so taking rows back is exact.
func readsValues(k expr.AggKind) bool { return k >= expr.JSONAgg && k <= expr.Mode }

// readValues computes an aggregate from the values of its groups in order.
type readValues struct {
	*valueTable
	distinct bool
	out      types.Type
	compute  func(v *groupValues, out array.Builder) error
}

// groupValues are the values of one group, in order: equal rows once, with how often they occur.
type groupValues struct {
	args   []arrow.Array
	counts []int64
	in     []types.Type
}

func newReadValues(m *valueTable, c *planner.AggCall, agg *expr.Aggregate, s *aggShape) *readValues {
	m.prepare(s, agg.Kind == expr.JSONAgg || agg.Kind == expr.JSONObjectAgg)
	r := &readValues{valueTable: m, distinct: c.Distinct, out: c.T}
	switch agg.Kind {
	case expr.JSONAgg:
		r.compute = jsonArray
	case expr.JSONObjectAgg:
		r.compute = jsonObject
	case expr.PercentileCont, expr.PercentileDisc:
		disc := agg.Kind == expr.PercentileDisc
		r.compute = func(v *groupValues, out array.Builder) error { return percentiles(v, c.T, disc, out) }
	case expr.Mode:
		r.compute = mode
	default:
		r.compute = func(v *groupValues, out array.Builder) error { return regression(v, agg.Kind, out) }
	}
	return r
}

func (r *readValues) finish(g *sideGroups, _ [][]int64, fail func(int, *types.Error)) arrow.Array {
	r.bindGroups(g)
	out := types.NewBuilder(r.out)
	for i := range g.n {
		parts := r.builders()
		var v groupValues
		r.eachValue(i, func(value []byte, n int64) {
			mustDecode(r.values, value, parts)
			v.counts = append(v.counts, n)
		})
		for k, b := range parts[r.nSort:] {
			v.args = append(v.args, b.NewArray())
			v.in = append(v.in, r.partial[r.call.Args[k]].Type)
		}
		if r.distinct {
			v.once()
		}
		before := out.Len()
		if err := r.compute(&v, out); err != nil {
			if out.Len() == before {
				out.AppendNull()
			}
			fail(i, types.AsError(err))
		}
	}
	return out.NewArray()
}

// once counts equal rows one time only; they stand one after the other, as an order is by the arguments.
func (v *groupValues) once() {
	for k := range v.counts {
		same := k > 0
		for _, a := range v.args {
			same = same && array.SliceEqual(a, int64(k-1), int64(k), a, int64(k), int64(k+1))
		}
		v.counts[k] = 1
		if same {
			v.counts[k] = 0
		}
	}
}

// total is how many rows the group has.
func (v *groupValues) total() int64 {
	var n int64
	for _, c := range v.counts {
		n += c
	}
	return n
}

func jsonArray(v *groupValues, out array.Builder) error {
	b := out.(*array.StringBuilder)
	if v.total() == 0 {
		b.AppendNull()
		return nil
	}
	var elems []string
	for k, n := range v.counts {
		e := "null"
		if !v.args[0].IsNull(k) {
			e = v.args[0].(*array.String).Value(k)
		}
		for range n {
			elems = append(elems, e)
		}
	}
	b.Append(string(types.AppendJSONBArray(nil, elems)))
	return nil
}

func jsonObject(v *groupValues, out array.Builder) error {
	b := out.(*array.StringBuilder)
	if v.total() == 0 {
		b.AppendNull()
		return nil
	}
	var members []types.JSONBMember
	for k := range v.counts {
		if v.args[0].IsNull(k) {
			return types.Errorf(types.CodeInvalidParameter, "field name must not be null")
		}
		m := types.JSONBMember{Key: v.args[0].(*array.String).Value(k), Value: "null"}
		if !v.args[1].IsNull(k) {
			m.Value = v.args[1].(*array.String).Value(k)
		}
		members = append(members, m)
	}
	b.Append(string(types.AppendJSONBObject(nil, members)))
	return nil
}

// percentiles computes percentile_cont and percentile_disc for one fraction or an array of them.
func percentiles(v *groupValues, t types.Type, disc bool, out array.Builder) error {
	n := v.total()
	fractions := v.args[1]
	if n == 0 {
		out.AppendNull()
		return nil
	}
	first := 0
	for v.counts[first] == 0 {
		first++
	}
	list, several := fractions.(*array.List)
	if !several {
		if fractions.IsNull(first) {
			out.AppendNull()
			return nil
		}
		return v.percentile(fractions.(*array.Float64).Value(first), n, disc, out)
	}
	if list.IsNull(first) {
		out.AppendNull()
		return nil
	}
	from, to := list.ValueOffsets(first)
	values := list.ListValues().(*array.Float64)
	for i := int(from); i < int(to); i++ { // an error must come before the array begins
		if err := checkFraction(values.Value(i)); !values.IsNull(i) && err != nil {
			return err
		}
	}
	lb := out.(*array.ListBuilder)
	lb.Append(true)
	for i := int(from); i < int(to); i++ {
		if values.IsNull(i) {
			lb.ValueBuilder().AppendNull()
			continue
		}
		if err := v.percentile(values.Value(i), n, disc, lb.ValueBuilder()); err != nil {
			lb.ValueBuilder().AppendNull()
			return err
		}
	}
	return nil
}

func checkFraction(f float64) error {
	if !(f >= 0 && f <= 1) {
		return types.Errorf(types.CodeNumericOutOfRange, "percentile value %g is not between 0 and 1", f)
	}
	return nil
}

// percentile appends the value at a fraction of n rows.
func (v *groupValues) percentile(f float64, n int64, disc bool, out array.Builder) error {
	if err := checkFraction(f); err != nil {
		return err
	}
	elem := v.in[0].Base()
	if disc {
		at := int64(math.Ceil(f*float64(n))) - 1
		return types.AppendValue(out, elem, types.ValueAt(v.in[0], v.args[0], v.row(max(at, 0))))
	}
	low := int64(math.Floor(f * float64(n-1)))
	high := int64(math.Ceil(f * float64(n-1)))
	a := types.ValueAt(v.in[0], v.args[0], v.row(low))
	b := types.ValueAt(v.in[0], v.args[0], v.row(high))
	part := f*float64(n-1) - float64(low)
	if low == high {
		return types.AppendValue(out, elem, a)
	}
	switch x := a.(type) {
	case float64:
		return types.AppendValue(out, elem, x+part*(b.(float64)-x))
	case types.IntervalValue:
		diff, err := b.(types.IntervalValue).Sub(x)
		if err == nil {
			diff, err = diff.Mul(part)
		}
		if err == nil {
			diff, err = x.Add(diff)
		}
		if err != nil {
			return err
		}
		return types.AppendValue(out, elem, diff)
	}
	return types.Errorf(types.CodeInternal, "percentile_cont of %s", elem)
}

// row returns where the i-th row of the group stands.
func (v *groupValues) row(i int64) int {
	for k, n := range v.counts {
		if i < n {
			return k
		}
		i -= n
	}
	return len(v.counts) - 1
}

// mode appends the most frequent value, the first one of several.
func mode(v *groupValues, out array.Builder) error {
	best, most := -1, int64(0)
	for k := 0; k < len(v.counts); {
		end, n := k, int64(0)
		for end < len(v.counts) && (end == k || equalRows(v, k, end)) {
			n += v.counts[end]
			end++
		}
		if n > most {
			best, most = k, n
		}
		k = end
	}
	if best < 0 {
		out.AppendNull()
		return nil
	}
	return types.AppendValue(out, v.in[0].Base(), types.ValueAt(v.in[0], v.args[0], best))
}

// equalRows reports whether two rows hold equal values, whatever their form (1.0 and 1.00).
func equalRows(v *groupValues, i, j int) bool {
	a := types.ValueAt(v.in[0], v.args[0], i)
	b := types.ValueAt(v.in[0], v.args[0], j)
	switch x := a.(type) {
	case types.NumericValue:
		return x.Cmp(b.(types.NumericValue)) == 0
	case types.IntervalValue:
		return x.Cmp(b.(types.IntervalValue)) == 0
	case float64:
		return x == b.(float64) || x != x && b != b
	}
	return array.SliceEqual(v.args[0], int64(i), int64(i+1), v.args[0], int64(j), int64(j+1))
}

// regression computes the aggregates over pairs (y, x), by PostgreSQL's method.
//
// Source: E. A. Youngs and E. M. Cramer, "Some Results Relevant to Choice of Sum and Sum-of-Product Algorithms", Technometrics 13, 1971.
func regression(v *groupValues, kind expr.AggKind, out array.Builder) error {
	ys, xs := v.args[0].(*array.Float64), v.args[1].(*array.Float64)
	var n, sx, sxx, sy, syy, sxy float64
	for k, count := range v.counts {
		if ys.IsNull(k) || xs.IsNull(k) {
			continue
		}
		x, y := xs.Value(k), ys.Value(k)
		for range count {
			n++
			sx += x
			sy += y
			if n > 1 {
				tx, ty := x*n-sx, y*n-sy
				scale := 1 / (n * (n - 1))
				sxx += tx * tx * scale
				syy += ty * ty * scale
				sxy += tx * ty * scale
				finite := !math.IsInf(x, 0) && !math.IsInf(y, 0) && x == x && y == y
				if finite && (math.IsInf(sx, 0) || math.IsInf(sxx, 0) || math.IsInf(sy, 0) || math.IsInf(syy, 0) || math.IsInf(sxy, 0)) {
					return types.Errorf(types.CodeNumericOutOfRange, "value out of range: overflow")
				}
				continue
			}
			// The sums of one infinite value are not finite either.
			if x != x || math.IsInf(x, 0) {
				sxx, sxy = math.NaN(), math.NaN()
			}
			if y != y || math.IsInf(y, 0) {
				syy, sxy = math.NaN(), math.NaN()
			}
		}
	}
	if kind == expr.RegrCount {
		out.(*array.Int64Builder).Append(int64(n))
		return nil
	}
	b := out.(*array.Float64Builder)
	null := n < 1
	var r float64
	switch kind {
	case expr.RegrAvgX:
		r = sx / n
	case expr.RegrAvgY:
		r = sy / n
	case expr.RegrSXX:
		r = sxx
	case expr.RegrSYY:
		r = syy
	case expr.RegrSXY:
		r = sxy
	case expr.CovarPop:
		r = sxy / n
	case expr.CovarSamp:
		null = n < 2
		r = sxy / (n - 1)
	case expr.Corr:
		null = null || sxx == 0 || syy == 0
		r = sxy / math.Sqrt(sxx*syy)
	case expr.RegrR2:
		null = null || sxx == 0
		if r = 1; syy != 0 {
			r = sxy * sxy / (sxx * syy)
		}
	case expr.RegrSlope:
		null = null || sxx == 0
		r = sxy / sxx
	case expr.RegrIntercept:
		null = null || sxx == 0
		r = (sy - sx*sxy/sxx) / n
	}
	if null {
		b.AppendNull()
	} else {
		b.Append(r)
	}
	return nil
}
