package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// windowExpand appends window_start, window_end and window_time to each row, once per window the row is in.
//
// Input:  any changelog. Rows whose time is NULL, infinite or too near the end of time are rejected.
// Output: the input's columns and three timestamps; rows in the order of the input, windows ascending. The origin stays.
// State:  none.
type windowExpand struct {
	stateless
	in     types.Schema
	win    planner.Window
	slicer *slicer
	t      types.Type
}

func newWindowExpand(n *planner.Node, op *planner.WindowExpand, _ *Env) (Operator, error) {
	s, err := newSlicer(op.Window)
	if err != nil {
		return nil, err
	}
	return &windowExpand{in: n.Inputs[0].Schema, win: op.Window, slicer: s, t: n.Schema[len(n.Schema)-1].Type}, nil
}

func (w *windowExpand) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	rows := make([]uint32, 0, b.Rows())
	var starts, ends, times []int64
	add := func(row int, e int64) {
		start, end := w.slicer.bound(w.slicer.first(e)), w.slicer.bound(e)
		rows = append(rows, uint32(row))
		starts, ends, times = append(starts, start), append(ends, end), append(times, end-1)
	}
	var failed error
	times0 := newTimes(w.win, b, ctx.Clock)
	b.Each(func(row int) {
		if failed != nil {
			return
		}
		k, err := times0.slice(w.slicer, row)
		if err != nil {
			failed = reject(ctx, b, w.in, row, err.(*types.Error), planner.DeadLetter)
			return
		}
		e, ok := w.slicer.firstEnd(k)
		if !ok {
			return
		}
		for last := w.slicer.lastEnd(k); e <= last; e += w.slicer.step {
			add(row, e)
		}
	})
	if failed != nil || len(rows) == 0 {
		return failed
	}
	cols := make([]arrow.Array, 0, len(b.Cols)+3)
	all := len(rows) == b.N && rows[0] == 0 && rows[len(rows)-1] == uint32(b.N-1) && w.slicer.per == 1
	out := &changelog.Batch{N: len(rows), Weights: b.Weights, Origin: b.Origin}
	if all {
		cols = append(cols, b.Cols...)
	} else {
		for _, c := range b.Cols {
			cols = append(cols, changelog.TakeArray(c, rows))
		}
		if b.Weights != nil {
			out.Weights = make([]int64, len(rows))
			for i, r := range rows {
				out.Weights[i] = b.Weights[r]
			}
		}
		if b.Origin != nil {
			out.Origin = movedOrigin{b.Origin, rows}
		}
	}
	out.Cols = append(cols, int64Array(w.t, starts, nil), int64Array(w.t, ends, nil), int64Array(w.t, times, nil))
	emit(out)
	return nil
}

// movedOrigin finds the raw record of rows that were moved or repeated.
type movedOrigin struct {
	of   changelog.Origin
	rows []uint32
}

func (m movedOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	return m.of.Describe(int(m.rows[row]))
}
