package exec

import (
	"cmp"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// rangeValue is a value of the column that orders a RANGE frame, or a bound made of one. inf is -1 or 1 for bounds below or above
// all values. Of the others one holds, by the column's type: i whole numbers, times (dates as timestamps), f floats, n
// numerics, v intervals.
type rangeValue struct {
	inf int8
	i   int64
	f   float64
	n   types.NumericValue
	v   types.IntervalValue
}

// rangeOrder reads the column that orders RANGE frames.
type rangeOrder struct {
	t    types.Type
	key  planner.SortKey
	zone *time.Location
	part int // partition columns before it in a key
	enc  *changelog.Encoder
	into []array.Builder

	values []rangeValue
	valid  []bool
}

// byValue reports whether a frame has a bound by value.
func byValue(op *planner.Over) bool {
	for _, c := range op.Calls {
		if f := c.Frame; f.Mode == planner.FrameRange && (f.Start.Offset != nil || f.End.Offset != nil) {
			return true
		}
	}
	return false
}

func newRangeOrder(l *rowLayout, zone *time.Location) *rangeOrder {
	r := &rangeOrder{key: l.order[0], t: l.in[l.order[0].Col].Type, zone: zone, part: len(l.partition)}
	r.enc = changelog.NewEncoder(l.ts[:r.part+1], l.orders[:r.part+1])
	r.into = make([]array.Builder, r.part+1)
	return r
}

// value returns the value in an encoded row; ok is false for NULL.
func (r *rangeOrder) value(key []byte) (v rangeValue, ok bool) {
	b := changelog.NewBuilder(r.t)
	r.into[r.part] = b
	mustDecode(r.enc, key, r.into)
	a := b.NewArray()
	if a.IsNull(0) {
		return v, false
	}
	return rangeValueOf(r.t, types.ValueAt(r.t, a, 0)), true
}

func rangeValueOf(t types.Type, v any) rangeValue {
	switch v := v.(type) {
	case int64:
		if t.Kind == types.Date {
			return dateValue(v)
		}
		return rangeValue{i: v}
	case float64:
		return rangeValue{f: v}
	case types.NumericValue:
		return rangeValue{n: v}
	case types.IntervalValue:
		return rangeValue{v: v}
	}
	panic("exec: a RANGE frame by " + t.String())
}

// dateValue is the timestamp at which a date begins.
func dateValue(date int64) rangeValue {
	us, err := types.DateToTimestamp(int32(date))
	if err != nil { // dates reach further than timestamps
		if date < 0 {
			return rangeValue{i: math.MinInt64 + 1}
		}
		return rangeValue{i: math.MaxInt64 - 1}
	}
	return rangeValue{i: us}
}

// compare orders values as PostgreSQL does.
func (r *rangeOrder) compare(a, b *rangeValue) int {
	if a.inf != 0 || b.inf != 0 {
		return cmp.Compare(a.inf, b.inf)
	}
	switch {
	case r.t.IsFloat():
		switch an, bn := a.f != a.f, b.f != b.f; {
		case an && bn:
			return 0
		case an:
			return 1
		case bn:
			return -1
		}
		return cmp.Compare(a.f, b.f)
	case r.t.Kind == types.Numeric:
		return a.n.Cmp(b.n)
	case r.t.Kind == types.Interval:
		return a.v.Cmp(b.v)
	}
	return cmp.Compare(a.i, b.i)
}

// directed compares in the direction of the order.
func (r *rangeOrder) directed(a, b *rangeValue) int {
	if r.key.Desc {
		return -r.compare(a, b)
	}
	return r.compare(a, b)
}

// rangeOffset is what is added to or subtracted from a row's value for a bound of its frame.
type rangeOffset struct {
	t     types.Type // of the column
	minus bool
	all   float64 // where all numbers are within
	by    rangeValue
	span  types.IntervalValue // for dates and times
	zone  *time.Location
}

// newRangeOffset makes the offset of a bound, of the start or end of frames in an order.
func newRangeOffset(t types.Type, b *planner.Bound, end, desc bool, zone *time.Location) (*rangeOffset, error) {
	o := &rangeOffset{t: t, minus: (b.Kind == planner.Preceding) != desc, all: math.Inf(-1), zone: zone}
	if end != desc {
		o.all = math.Inf(1)
	}
	by := b.Offset
	ok := false
	switch {
	case t.IsInteger():
		o.by.i, ok = by.Value.(int64)
	case t.IsFloat():
		switch v := by.Value.(type) {
		case float64:
			o.by.f, ok = v, true
		case int64:
			o.by.f, ok = float64(v), true
		}
	case t.Kind == types.Numeric:
		switch v := by.Value.(type) {
		case types.NumericValue:
			o.by.n, ok = v, true
		case int64:
			o.by.n, ok = types.NumericFromInt64(v), true
		}
	case t.Kind == types.Interval || t.Kind == types.Date || t.Kind == types.Time || t.Kind == types.Timestamp || t.Kind == types.TimestampTZ:
		o.span, ok = by.Value.(types.IntervalValue)
	}
	if !ok {
		return nil, types.NotSupported(types.Span{}, "RANGE with an offset of type %s for a column of type %s", by.T, t)
	}
	return o, nil
}

// bound returns the bound for a row with that value. Sums beyond the range of the type lie below or above all values.
func (o *rangeOffset) bound(v rangeValue) rangeValue {
	beyond := rangeValue{inf: 1}
	if o.minus {
		beyond.inf = -1
	}
	switch t := o.t; {
	case t.IsInteger():
		by := o.by.i
		if o.minus {
			by = -by
		}
		sum := v.i + by
		if by < 0 && sum > v.i || by > 0 && sum < v.i {
			return beyond
		}
		return rangeValue{i: sum}
	case t.IsFloat():
		if math.IsInf(o.by.f, 1) && (o.minus && math.IsInf(v.f, 1) || !o.minus && math.IsInf(v.f, -1)) {
			return rangeValue{f: o.all}
		}
		if o.minus {
			return rangeValue{f: v.f - o.by.f}
		}
		return rangeValue{f: v.f + o.by.f}
	case t.Kind == types.Numeric:
		by := o.by.n
		if o.minus {
			by = by.Neg()
		}
		sum, err := v.n.Add(by)
		if err != nil {
			return beyond
		}
		return rangeValue{n: sum}
	case t.Kind == types.Interval:
		sum, err := v.v.Add(o.span)
		if o.minus {
			sum, err = v.v.Sub(o.span)
		}
		if err != nil {
			return beyond
		}
		return rangeValue{v: sum}
	case t.Kind == types.Time:
		if o.minus {
			return rangeValue{i: v.i - o.span.Micros}
		}
		return rangeValue{i: v.i + o.span.Micros}
	}
	if v.i == types.TimestampPosInf || v.i == types.TimestampNegInf {
		return v
	}
	var us int64
	var err error
	switch {
	case o.t.Kind == types.TimestampTZ && o.minus:
		us, err = types.SubIntervalTZ(v.i, o.span, o.zone)
	case o.t.Kind == types.TimestampTZ:
		us, err = types.AddIntervalTZ(v.i, o.span, o.zone)
	case o.minus:
		us, err = types.SubInterval(v.i, o.span)
	default:
		us, err = types.AddInterval(v.i, o.span)
	}
	if err != nil {
		return beyond
	}
	return rangeValue{i: us}
}

// anyWithin reports whether other lies, for one of the offsets, at or behind (sign 1) or at or before (sign -1) the bound of a row
// with the value base.
func (r *rangeOrder) anyWithin(offsets []*rangeOffset, base, other rangeValue, sign int) bool {
	for _, o := range offsets {
		b := o.bound(base)
		if r.directed(&other, &b)*sign >= 0 {
			return true
		}
	}
	return false
}

// read reads the values of all rows of a work, once.
func (r *rangeOrder) read(w *overWork) {
	n := len(w.slots)
	r.values, r.valid = resize(r.values, n), resize(r.valid, n)
	col := w.cols[r.key.Col]
	valid := validityOf(col)
	var plain []int64
	switch r.t.Kind {
	case types.Int2, types.Int4, types.Int8:
		plain = w.ints(r.key.Col)
	case types.Timestamp, types.TimestampTZ, types.Time:
		plain = words(col)
	}
	for i := range n {
		if r.valid[i] = !valid.null(i); !r.valid[i] {
			continue
		}
		if plain != nil {
			r.values[i] = rangeValue{i: plain[i]}
			continue
		}
		r.values[i] = rangeValueOf(r.t, types.ValueAt(r.t, col, i))
	}
}

// bounds sets out to one bound of the frames of rows from up to before s.b. Rows whose value is NULL have their peers for a frame,
// and are in the frame of no other row.
func (r *rangeOrder) bounds(w *overWork, s *overSegment, from int, o *rangeOffset, end bool, out []int32) {
	lo, hi := s.lo, s.hi
	for lo < hi && !r.valid[lo] {
		lo++
	}
	for hi > lo && !r.valid[hi-1] {
		hi--
	}
	at := lo
	for i := from; i < s.b; i++ {
		if !r.valid[i] {
			if end {
				out[i] = int32(w.groupEnd(s, i))
			} else {
				out[i] = max(w.starts[w.group[i]], int32(s.lo))
			}
			continue
		}
		b := o.bound(r.values[i])
		for at < hi {
			c := r.directed(&r.values[at], &b)
			if c > 0 || c == 0 && !end {
				break
			}
			at++
		}
		out[i] = int32(at)
	}
}
