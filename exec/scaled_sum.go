package exec

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// scaledSum computes sums, averages and variances of NUMERIC without modifiers over changing input. The result shows as many
// digits as the value with the most; so that they go when that value does, it keeps how many values have which scale: rows
// (group, window, scale) -> number of values. The sums themselves are lanes.
type scaledSum struct {
	*valueTable
	inner interface {
		accumulator
		finishAt(src [][]int64, n int, fail func(int, *types.Error), scales []int64) arrow.Array
	}
	lane, header [][]int64
}

func newScaledSum(c *planner.AggCall, agg *expr.Aggregate, s *aggShape) (*scaledSum, error) {
	acc, err := newAccumulator(c, agg, s.partial, s.appendOnly)
	if err != nil {
		return nil, err
	}
	m := newValueTable(c, s)
	m.arg.col = c.Args[0]
	group := append([]types.Type(nil), m.keyTypes...)
	if m.windowed {
		group = append(group, types.Int8Type)
	}
	m.prefix = changelog.NewEncoder(group, nil)
	key := append(group[:len(group):len(group)], types.Int2Type)
	m.enc = changelog.NewEncoder(key, nil)
	m.values = changelog.NewEncoder(key[len(group):], nil)
	m.spec = state.Spec{Key: key, Dist: m.routed, Value: []state.ColumnSpec{{Name: "count", Kind: state.Int64}}}
	sum := &scaledSum{valueTable: m}
	switch acc := acc.(type) {
	case *sumNumericAcc:
		sum.inner = acc
	case *varNumericAcc:
		sum.inner = acc
	default:
		return nil, types.Errorf(types.CodeInternal, "aggregate %s has no scale", c.Fn)
	}
	return sum, nil
}

func (s *scaledSum) lanes() int { return s.inner.lanes() }

func (s *scaledSum) open(t Tables, i int) (err error) {
	if s.table, err = t.Ordered(fmt.Sprintf("scales%d", i), s.spec); err != nil {
		return err
	}
	s.count = s.table.I64(0)
	return nil
}

func (s *scaledSum) update(r *sideRun, cols []*state.I64Column) error {
	set := *s.rows(r)
	if s.lane == nil {
		s.lane, s.header = make([][]int64, s.inner.lanes()), make([][]int64, s.inner.lanes())
	}
	for i := range s.lane {
		s.lane[i] = resize(s.lane[i], r.n)
		s.header[i] = s.lane[i]
	}
	s.inner.explode(&set, s.header)
	s.inner.merge(cols, r.slots, s.header)

	used := s.arg.used(&set)
	values := r.b.Cols[s.arg.col]
	scales := make([]int16, r.b.N)
	for i := range r.n {
		row := set.row(i)
		if !values.IsNull(row) {
			if v := readNumeric(values, 0, row); !v.IsSpecial() {
				scales[row] = int16(v.Scale)
			}
		}
	}
	s.bound = append(s.bound[:0], r.keys.Cols...)
	if s.windowed {
		s.bound = append(s.bound, int64Array(types.Int8Type, repeated(r.window, r.b.N), nil))
	}
	s.bound = append(s.bound, fixedArray(arrow.PrimitiveTypes.Int16, r.b.N, arrow.Int16Traits.CastToBytes(scales), nil))
	s.enc.Reset(s.bound)
	for i := range r.n {
		w := int64(1)
		if used != nil {
			if w = used[i]; w == 0 {
				continue
			}
		}
		s.key = s.enc.Append(s.key[:0], set.row(i))
		s.add(s.key, w)
	}
	return nil
}

func (s *scaledSum) finish(g *sideGroups, lanes [][]int64, fail func(int, *types.Error)) arrow.Array {
	s.bindGroups(g)
	scales := make([]int64, g.n)
	for i := range g.n {
		p := s.groupPrefix(i)
		c := s.table.SeekPrefixLast(p)
		for c.Valid() && c.HasPrefix(p) && *s.count.At(c.Slot()) <= 0 {
			c.Prev()
		}
		if !c.Valid() || !c.HasPrefix(p) {
			continue
		}
		out := changelog.NewBuilders([]types.Type{types.Int2Type})
		mustDecode(s.values, c.Key()[len(p):], out)
		scales[i] = readInts(out[0].NewArray(), nil, 1, make([]int64, 1))[0]
	}
	return s.inner.finishAt(lanes, g.n, fail, scales)
}
