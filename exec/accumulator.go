package exec

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/bitutil"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// accumulator computes one aggregate from lanes: 8-byte columns of state whose contents form a commutative monoid. Zero lanes are
// the aggregate over no rows. A partial row holds such lanes too, so one merge serves the rows of a batch, pre-aggregated
// groups, slices and sessions; where the aggregate can be retracted, a row of weight -n explodes into negated lanes.
//
// An accumulator has scratch memory: one goroutine at a time.
type accumulator interface {
	// lanes is how many columns it needs.
	lanes() int
	// explode sets out to the lanes of each row of r, one partial row each. Entries of out have room for r.n words, or may be
	// replaced by memory of the batch itself.
	explode(r *rowSet, out [][]int64)
	// merge adds partial row i to slot slots[i], for all i in order; slots may repeat.
	merge(dst []*state.I64Column, slots []uint32, src [][]int64)
	// finish returns the values of n groups from their lanes. For a group that has no value because of an error (overflow) it
	// calls fail, and the row counts as rejected.
	finish(src [][]int64, n int, fail func(i int, err *types.Error)) arrow.Array
}

// rowSet is the rows of a batch that an accumulator takes in.
type rowSet struct {
	b    *changelog.Batch
	rows []uint32 // physical rows; nil: all n
	n    int
	w    []int64 // weights, dense; nil: all 1
}

// row returns the physical row of the i-th.
func (r *rowSet) row(i int) int {
	if r.rows == nil {
		return i
	}
	return int(r.rows[i])
}

// argument reads the argument of an aggregate under its FILTER.
type argument struct {
	col    int // -1: count(*)
	filter int // -1: none
	mask   []int64
}

// used sets mask[i] to the weight of row i if the argument is not NULL and the filter holds, else 0; nil: all weights are 1
// and all rows count.
func (a *argument) used(r *rowSet) []int64 {
	var valid validity
	if a.col >= 0 {
		valid = validityOf(r.b.Cols[a.col])
	}
	if valid.bits == nil && a.filter < 0 {
		return r.w
	}
	a.mask = resize(a.mask, r.n)
	if r.w != nil {
		copy(a.mask, r.w)
	} else {
		for i := range a.mask {
			a.mask[i] = 1
		}
	}
	if valid.bits != nil {
		for i := range a.mask {
			if !bitutil.BitIsSet(valid.bits, valid.offset+r.row(i)) {
				a.mask[i] = 0
			}
		}
	}
	if a.filter >= 0 {
		f := r.b.Cols[a.filter]
		if f.DataType().ID() == arrow.NULL {
			clear(a.mask)
			return a.mask
		}
		bits, off, fv := f.Data().Buffers()[1].Bytes(), f.Data().Offset(), validityOf(f)
		for i := range a.mask {
			row := r.row(i)
			if !bitutil.BitIsSet(bits, off+row) || fv.null(row) {
				a.mask[i] = 0
			}
		}
	}
	return a.mask
}

// fillWeights sets dst to the weights, 1 where there are none.
func fillWeights(dst, w []int64) {
	if w != nil {
		copy(dst, w)
		return
	}
	for i := range dst {
		dst[i] = 1
	}
}

// addLane adds words.
func addLane(dst *state.I64Column, slots []uint32, src []int64) {
	for i, s := range slots {
		*dst.At(s) += src[i]
	}
}

// newAccumulator returns the accumulator of a call in lanes, or nil if the aggregate keeps its values instead (newMultiset).
func newAccumulator(c *planner.AggCall, agg *expr.Aggregate, in types.Schema, appendOnly bool) (accumulator, error) {
	arg := argument{col: -1, filter: c.Filter}
	var t types.Type
	if len(c.Args) > 0 {
		arg.col = c.Args[0]
		t = in[arg.col].Type
	}
	switch agg.Kind {
	case expr.CountStar, expr.Count:
		return &countAcc{arg: arg}, nil
	case expr.Sum, expr.Avg:
		avg := agg.Kind == expr.Avg
		switch {
		case t.IsInteger():
			return &sumIntAcc{arg: arg, in: t, out: c.T, avg: avg}, nil
		case t.IsFloat():
			return &sumFloatAcc{arg: arg, in: t, out: c.T, avg: avg}, nil
		case t.Kind == types.Numeric:
			return newSumNumeric(arg, t, c.T, avg, appendOnly), nil
		case t.Kind == types.Interval:
			return &sumIntervalAcc{arg: arg, avg: avg}, nil
		}
	case expr.Min, expr.Max, expr.AnyValue:
		if appendOnly && inOneWord(t) {
			return &extremeAcc{arg: arg, t: t, max: agg.Kind == expr.Max}, nil
		}
	case expr.BoolAnd, expr.BoolOr:
		return &boolAcc{arg: arg, or: agg.Kind == expr.BoolOr}, nil
	case expr.StddevSamp, expr.StddevPop, expr.VarSamp, expr.VarPop:
		v := variance{sample: agg.Kind == expr.StddevSamp || agg.Kind == expr.VarSamp,
			root: agg.Kind == expr.StddevSamp || agg.Kind == expr.StddevPop}
		switch {
		case t.IsInteger():
			return &varIntAcc{arg: arg, in: t, variance: v}, nil
		case t.IsFloat():
			return &varFloatAcc{arg: arg, in: t, variance: v}, nil
		case t.Kind == types.Numeric:
			return newVarNumeric(arg, t, v, appendOnly), nil
		}
	}
	return nil, nil
}

// countAcc counts rows. Lanes: the number.
type countAcc struct{ arg argument }

func (*countAcc) lanes() int { return 1 }

func (a *countAcc) explode(r *rowSet, out [][]int64) { fillWeights(out[0], a.arg.used(r)) }

func (*countAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	addLane(dst[0], slots, src[0])
}

func (*countAcc) finish(src [][]int64, n int, _ func(int, *types.Error)) arrow.Array {
	values := make([]int64, n)
	copy(values, src[0])
	return int64Array(types.Int8Type, values, nil)
}

// boolAcc computes bool_and and bool_or. Lanes: how many are true, how many false.
type boolAcc struct {
	arg argument
	or  bool
}

func (*boolAcc) lanes() int { return 2 }

func (a *boolAcc) explode(r *rowSet, out [][]int64) {
	w := a.arg.used(r)
	c := r.b.Cols[a.arg.col]
	if c.DataType().ID() == arrow.NULL {
		clear(out[0])
		clear(out[1])
		return
	}
	bits, off := c.Data().Buffers()[1].Bytes(), c.Data().Offset()
	for i := range r.n {
		one := int64(1)
		if w != nil {
			one = w[i]
		}
		out[0][i], out[1][i] = 0, one
		if bitutil.BitIsSet(bits, off+r.row(i)) {
			out[0][i], out[1][i] = one, 0
		}
	}
}

func (*boolAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	addLane(dst[0], slots, src[0])
	addLane(dst[1], slots, src[1])
}

func (a *boolAcc) finish(src [][]int64, n int, _ func(int, *types.Error)) arrow.Array {
	bits := make([]byte, bitutil.BytesForBits(int64(n)))
	valid := bitmap{n: n}
	for i := range n {
		yes, no := src[0][i], src[1][i]
		switch {
		case yes == 0 && no == 0:
			valid.clear(i)
		case a.or && yes != 0, !a.or && no == 0:
			bitutil.SetBit(bits, i)
		}
	}
	return fixedArray(arrow.FixedWidthTypes.Boolean, n, bits, valid.bits)
}
