package exec

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// The codes of arguments that window functions refuse.
const (
	codeInvalidNtile    types.Code = "22014"
	codeInvalidNthValue types.Code = "22016"
)

// newOverCall makes the evaluator of a call.
func newOverCall(n *planner.Node, op *planner.Over, c *planner.OverCall, env *Env) (overCall, error) {
	in := n.Inputs[0]
	switch c.Fn {
	case "row_number":
		return &numberCall{kind: planner.ByRowNumber}, nil
	case "rank":
		return &numberCall{kind: planner.ByRank}, nil
	case "dense_rank":
		return &numberCall{kind: planner.ByDenseRank}, nil
	case "percent_rank", "cume_dist":
		return &shareCall{cumulative: c.Fn == "cume_dist"}, nil
	case "ntile":
		return &tileCall{arg: c.Args[0]}, nil
	case "lag", "lead":
		return newOffsetCall(in, c), nil
	}
	f, err := newOverFrame(op, &c.Frame, in.Schema, env)
	if err != nil {
		return nil, err
	}
	switch c.Fn {
	case "first_value", "last_value", "nth_value":
		return &valueCall{fn: c.Fn, args: c.Args, ignoreNulls: c.IgnoreNulls, frame: f}, nil
	}
	return newOverAggregate(c, f, in.Schema, env)
}

// numberCall computes row_number, rank and dense_rank. Lanes: the row's number, its rank (not for row_number), its dense rank.
type numberCall struct{ kind planner.RankKind }

func (*numberCall) reach() reach { return reach{runs: true} }

func (c *numberCall) lanes() int {
	if c.kind == planner.ByRank {
		return 2
	}
	return 1
}

func (c *numberCall) eval(w *overWork, carried []*state.I64Column, lanes [][]int64) arrow.Array {
	number := lanes[0]
	result := lanes[len(lanes)-1]
	for _, s := range w.segs {
		var last, rank int64
		if at := s.carry(); at >= 0 && carried != nil {
			last = *carried[0].At(w.slots[at])
			rank = *carried[len(carried)-1].At(w.slots[at])
		}
		for i := s.a; i < s.b; i++ {
			at := s.at + i - s.a
			isNew := w.newGroup[i]
			switch c.kind {
			case planner.ByRowNumber:
				last++
			case planner.ByRank:
				last++
				if isNew {
					rank = last
				}
			default:
				if isNew {
					last++
				}
			}
			number[at] = last
			if c.kind == planner.ByRank {
				result[at] = rank
			}
		}
	}
	return int64Array(types.Int8Type, slices.Clone(result), nil)
}

// wholePartition is the reach of what depends on all rows of a partition.
func wholePartition() reach {
	all := distance{all: true}
	return reach{before: all, behind: all, back: all, ahead: all}
}

// shareCall computes percent_rank and cume_dist.
type shareCall struct{ cumulative bool }

func (*shareCall) reach() reach { return wholePartition() }
func (*shareCall) lanes() int   { return 0 }

func (c *shareCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	out := make([]float64, len(w.eval))
	for _, s := range w.segs {
		n := s.hi - s.lo
		for i := s.a; i < s.b; i++ {
			from, to := w.starts[w.group[i]], w.groupEnd(&s, i)
			at := s.at + i - s.a
			switch {
			case c.cumulative:
				out[at] = float64(to-s.lo) / float64(n)
			case n > 1:
				out[at] = float64(int(from)-s.lo) / float64(n-1)
			}
		}
	}
	return fixedArray(types.Float8Type.Arrow(), len(out), arrow.Float64Traits.CastToBytes(out), nil)
}

// groupEnd returns the row behind the group of a row.
func (w *overWork) groupEnd(s *overSegment, i int) int { return min(int(w.starts[w.group[i]+1]), s.hi) }

// tileCall computes ntile: as many tiles as the argument of the partition's first row says, the first ones a row longer.
type tileCall struct{ arg int }

func (*tileCall) reach() reach { return wholePartition() }
func (*tileCall) lanes() int   { return 0 }

func (c *tileCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	out := make([]int32, len(w.eval))
	valid := bitmap{n: len(out)}
	args := w.ints(c.arg)
	for _, s := range w.segs {
		if w.cols[c.arg].IsNull(s.lo) {
			for i := s.a; i < s.b; i++ {
				valid.clear(s.at + i - s.a)
			}
			continue
		}
		tiles, n := args[s.lo], int64(s.hi-s.lo)
		if tiles <= 0 {
			for i := s.a; i < s.b; i++ {
				valid.clear(s.at + i - s.a)
				w.fail(s.at+i-s.a, types.Errorf(codeInvalidNtile, "argument of ntile must be greater than zero"))
			}
			continue
		}
		size, longer := n/tiles, n%tiles
		for i := s.a; i < s.b; i++ {
			at := int64(i - s.lo)
			tile := int64(0)
			if at < longer*(size+1) {
				tile = at / (size + 1)
			} else {
				tile = longer + (at-longer*(size+1))/size
			}
			out[s.at+i-s.a] = int32(tile + 1)
		}
	}
	return fixedArray(types.Int4Type.Arrow(), len(out), arrow.Int32Traits.CastToBytes(out), valid.bits)
}

// ints returns the values of an integer column.
func (w *overWork) ints(col int) []int64 {
	return readInts(w.cols[col], nil, len(w.slots), make([]int64, len(w.slots)))
}

// offsetCall computes lag and lead.
type offsetCall struct {
	args        []int
	ignoreNulls bool
	sign        int64 // lag: -1
	known       bool  // the offset is a constant
	offset      int64
}

func newOffsetCall(in *planner.Node, c *planner.OverCall) *offsetCall {
	o := &offsetCall{args: c.Args, ignoreNulls: c.IgnoreNulls, sign: 1, known: true, offset: 1}
	if c.Fn == "lag" {
		o.sign = -1
	}
	if len(c.Args) > 1 {
		var v any
		if v, o.known = constantColumn(in, c.Args[1]); o.known {
			o.offset, _ = v.(int64) // NULL: the result is NULL, whatever other rows hold
		}
	}
	return o
}

// constantColumn returns the value of a column that is the same in all rows, as far as it can be seen.
func constantColumn(n *planner.Node, col int) (v any, ok bool) {
	for {
		switch op := n.Op.(type) {
		case *planner.Project:
			switch e := op.Exprs[col].(type) {
			case *expr.Literal:
				return e.Value, true
			case *expr.Column:
				col = e.Index
			default:
				return nil, false
			}
		case *planner.Filter, *planner.Over, *planner.TopN, *planner.TemporalFilter, *planner.WindowExpand:
		default:
			return nil, false
		}
		if len(n.Inputs) != 1 || col >= len(n.Inputs[0].Schema) {
			return nil, false
		}
		n = n.Inputs[0]
	}
}

func (c *offsetCall) reach() reach {
	if !c.known || c.ignoreNulls || c.offset > 1<<20 || c.offset < -1<<20 {
		return wholePartition()
	}
	d := c.sign * c.offset
	if d < 0 {
		return reach{behind: distance{rows: -d}, back: distance{rows: -d}}
	}
	return reach{before: distance{rows: d}, ahead: distance{rows: d}}
}

func (*offsetCall) lanes() int { return 0 }

func (c *offsetCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	value := w.cols[c.args[0]]
	var offsets []int64
	var offsetValid validity
	if len(c.args) > 1 {
		offsets, offsetValid = w.ints(c.args[1]), validityOf(w.cols[c.args[1]])
	}
	p := newPicker(w, value)
	for _, s := range w.segs {
		for i := s.a; i < s.b; i++ {
			d := int64(1)
			if offsets != nil {
				if offsetValid.null(i) {
					p.null()
					continue
				}
				d = offsets[i]
			}
			at := c.find(&s, value, i, c.sign*d)
			switch {
			case at >= 0:
				p.pick(value, at)
			case len(c.args) > 2:
				p.pick(w.cols[c.args[2]], i)
			default:
				p.null()
			}
		}
	}
	return p.finish()
}

// find returns the row d rows behind (before, if negative) row i, or -1 if there is none.
func (c *offsetCall) find(s *overSegment, value arrow.Array, i int, d int64) int {
	if !c.ignoreNulls || d == 0 {
		at := int64(i) + d
		if at < int64(s.lo) || at >= int64(s.hi) {
			return -1
		}
		return int(at)
	}
	step := 1
	if d < 0 {
		step, d = -1, -d
	}
	for at := i + step; at >= s.lo && at < s.hi; at += step {
		if value.IsValid(at) {
			if d--; d == 0 {
				return at
			}
		}
	}
	return -1
}

// valueCall computes first_value, last_value and nth_value.
type valueCall struct {
	fn          string
	args        []int
	ignoreNulls bool
	frame       *overFrame
}

func (c *valueCall) reach() reach {
	r := c.frame.reach()
	plain := !c.ignoreNulls && c.frame.exclude == planner.ExcludeNoOthers
	f := c.frame
	if f.start.Kind != planner.UnboundedPreceding || !plain {
		return r
	}
	switch {
	case c.fn == "first_value": // the partition's first row, unless the frame is empty
		return reach{behind: f.endBehind(), back: f.endBehind(), head: true}
	case c.fn == "last_value" && f.end.Kind != planner.UnboundedFollowing && len(f.endBehind().values) == 0: // what the frame ends with
		r.behind, r.back = f.endBehind(), f.endBehind()
	}
	return r
}

func (*valueCall) lanes() int { return 0 }

func (c *valueCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	value := w.cols[c.args[0]]
	p := newPicker(w, value)
	var nth []int64
	var nthValid validity
	if c.fn == "nth_value" {
		nth, nthValid = w.ints(c.args[1]), validityOf(w.cols[c.args[1]])
	}
	starts, ends := c.frame.bounds(w)
	for _, s := range w.segs {
		for i := s.a; i < s.b; i++ {
			k := int64(1)
			if nth != nil {
				if nthValid.null(i) {
					p.null()
					continue
				}
				if k = nth[i]; k <= 0 {
					w.fail(s.at+i-s.a, types.Errorf(codeInvalidNthValue, "argument of nth_value must be greater than zero"))
					p.null()
					continue
				}
			}
			from, to := int(starts[i]), int(ends[i])
			if c.fn == "first_value" && !s.first && c.frame.start.Kind == planner.UnboundedPreceding && c.plainHead() {
				p.pick(value, s.head)
				continue
			}
			if at := c.find(w, &s, value, i, from, to, k); at >= 0 {
				p.pick(value, at)
			} else {
				p.null()
			}
		}
	}
	return p.finish()
}

// plainHead says that first_value over a frame from the start is the partition's first row.
func (c *valueCall) plainHead() bool {
	return !c.ignoreNulls && c.frame.exclude == planner.ExcludeNoOthers
}

// find returns the k-th row of a frame (the last one for last_value), or -1.
func (c *valueCall) find(w *overWork, s *overSegment, value arrow.Array, i, from, to int, k int64) int {
	pieces, n := c.frame.pieces(w, s, i, from, to)
	if c.fn == "last_value" {
		for j := n - 1; j >= 0; j-- {
			for at := pieces[j][1] - 1; at >= pieces[j][0]; at-- {
				if !c.ignoreNulls || value.IsValid(at) {
					return at
				}
			}
		}
		return -1
	}
	for _, piece := range pieces[:n] {
		if !c.ignoreNulls {
			if size := int64(piece[1] - piece[0]); k > size {
				k -= size
				continue
			}
			return piece[0] + int(k) - 1
		}
		for at := piece[0]; at < piece[1]; at++ {
			if value.IsValid(at) {
				if k--; k == 0 {
					return at
				}
			}
		}
	}
	return -1
}

// picker builds a column of values picked from columns of one type, in runs.
type picker struct {
	g    *changelog.Gather
	dt   arrow.DataType
	from arrow.Array
	rows []uint32
	none arrow.Array
}

func newPicker(w *overWork, like arrow.Array) *picker {
	return &picker{g: changelog.NewGather(like.DataType(), len(w.eval)), dt: like.DataType()}
}

func (p *picker) pick(from arrow.Array, row int) {
	if p.from != from {
		p.flush()
		p.from = from
	}
	p.rows = append(p.rows, uint32(row))
}

func (p *picker) null() {
	if p.none == nil {
		p.none = array.MakeArrayOfNull(memory.DefaultAllocator, p.dt, 1)
	}
	p.pick(p.none, 0)
}

func (p *picker) flush() {
	if len(p.rows) > 0 {
		p.g.Append(p.from, p.rows)
		p.rows = p.rows[:0]
	}
}

func (p *picker) finish() arrow.Array {
	p.flush()
	return p.g.Finish()
}
