package exec

import (
	"bytes"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// extremeCall computes min and max of any type. The candidates of a sliding frame are in a queue, each better than those behind it.
// Frames from the partition's start carry the encoded extreme from row to row; empty: no value yet.
type extremeCall struct {
	frame       *overFrame
	arg, filter int
	max         bool
	t           types.Type
	enc         *changelog.Encoder
	mask        argument

	carried *state.BytesColumn
	texts   [][]byte

	// Of the work under way.
	arena []byte
	ends  []int
	used  []int64
}

func newExtremeCall(c *planner.OverCall, agg *expr.Aggregate, f *overFrame, in types.Schema) *extremeCall {
	t := in[c.Args[0]].Type
	return &extremeCall{frame: f, arg: c.Args[0], filter: c.Filter, max: agg.Kind == expr.Max, mask: argument{col: c.Args[0], filter: c.Filter},
		t: t, enc: changelog.NewEncoder([]types.Type{t}, []changelog.Order{{Exact: true}})}
}

func (c *extremeCall) reach() reach {
	if c.frame.runs() {
		return c.frame.running()
	}
	return c.frame.reach()
}

func (*extremeCall) lanes() int          { return 0 }
func (c *extremeCall) carriesText() bool { return c.frame.runs() }
func (c *extremeCall) setCarried(carried *state.BytesColumn, texts [][]byte) {
	c.carried, c.texts = carried, texts
}

func (c *extremeCall) eval(w *overWork, _ []*state.I64Column, _ [][]int64) arrow.Array {
	value := w.cols[c.arg]
	c.used = c.mask.used(&rowSet{b: w.batch, n: len(w.slots)})
	c.enc.Reset([]arrow.Array{value})
	c.arena = nil // what is carried on lies in it
	c.ends = append(c.ends[:0], 0)
	for i := range w.slots {
		if c.counts(i) {
			c.arena = c.enc.Append(c.arena, i)
		}
		c.ends = append(c.ends, len(c.arena))
	}
	p := newPicker(w, value)
	from, to := c.frame.bounds(w)
	for k := range w.segs {
		if c.frame.runs() {
			c.run(w, &w.segs[k], to, value, p)
		} else {
			c.slide(&w.segs[k], from, to, value, p)
		}
	}
	return p.finish()
}

func (c *extremeCall) counts(i int) bool { return c.used == nil || c.used[i] != 0 }

func (c *extremeCall) key(i int) []byte { return c.arena[c.ends[i]:c.ends[i+1]] }

// better reports whether a takes the place of b.
func (c *extremeCall) better(a, b []byte) bool {
	o := bytes.Compare(a, b)
	return o > 0 == c.max && o != 0
}

// slide computes the frames of a stretch.
func (c *extremeCall) slide(s *overSegment, from, to []int32, value arrow.Array, p *picker) {
	var queue []int
	head, next := 0, s.lo
	for i := s.a; i < s.b; i++ {
		a, b := int(from[i]), int(to[i])
		for next = max(next, a); next < b; next++ {
			if !c.counts(next) {
				continue
			}
			for len(queue) > head && !c.better(c.key(queue[len(queue)-1]), c.key(next)) {
				queue = queue[:len(queue)-1]
			}
			queue = append(queue, next)
		}
		for head < len(queue) && queue[head] < a {
			head++
		}
		if head < len(queue) && a < b {
			p.pick(value, queue[head])
		} else {
			p.null()
		}
	}
}

// run computes frames that begin with the partition.
func (c *extremeCall) run(w *overWork, s *overSegment, to []int32, value arrow.Array, p *picker) {
	var best []byte
	from, at, next := value, -1, s.lo
	if row := s.carry(); row >= 0 && c.carried != nil {
		next = int(to[row])
		if best = bytes.Clone(c.carried.Get(w.slots[row])); len(best) > 0 {
			b := []array.Builder{changelog.NewBuilder(c.t)}
			mustDecode(c.enc, best, b)
			from, at = b[0].NewArray(), 0
		}
	}
	for i := s.a; i < s.b; i++ {
		for ; next < int(to[i]); next++ {
			if c.counts(next) && (at < 0 || c.better(c.key(next), best)) {
				best, from, at = c.key(next), value, next
			}
		}
		c.texts[s.at+i-s.a] = best
		if at < 0 {
			p.null()
		} else {
			p.pick(from, at)
		}
	}
}
