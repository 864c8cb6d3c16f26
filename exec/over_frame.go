package exec

import (
	"math"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// overFrame computes the frames of a call.
type overFrame struct {
	mode       planner.FrameMode
	start, end frameBound
	exclude    planner.FrameExclusion

	starts, ends []int32
}

// frameBound is one end of a frame.
type frameBound struct {
	planner.Bound
	n     int64        // rows or groups
	value *rangeOffset // RANGE with an offset
}

func newOverFrame(op *planner.Over, f *planner.Frame, in types.Schema, env *Env) (*overFrame, error) {
	o := &overFrame{mode: f.Mode, start: frameBound{Bound: f.Start}, end: frameBound{Bound: f.End}, exclude: f.Exclude}
	if f.Start.Kind == planner.UnboundedFollowing || f.End.Kind == planner.UnboundedPreceding {
		return nil, types.Errorf(types.CodeInternal, "a frame from %d to %d", f.Start.Kind, f.End.Kind)
	}
	for _, b := range []*frameBound{&o.start, &o.end} {
		if b.Kind != planner.Preceding && b.Kind != planner.Following {
			continue
		}
		if b.Offset == nil || b.Offset.Value == nil {
			return nil, types.Errorf(types.CodeInternal, "a frame without its offset")
		}
		if f.Mode != planner.FrameRange {
			n, ok := b.Offset.Value.(int64)
			if !ok || n < 0 {
				return nil, types.Errorf(types.CodeInternal, "a frame's offset is %v", b.Offset.Value)
			}
			b.n = min(n, math.MaxInt32)
			continue
		}
		if len(op.Order) != 1 {
			return nil, types.Errorf(types.CodeWindowing, "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column")
		}
		key := op.Order[0]
		v, err := newRangeOffset(in[key.Col].Type, &b.Bound, b == &o.end, key.Desc, env.zone())
		if err != nil {
			return nil, err
		}
		b.value = v
	}
	return o, nil
}

// distance is how far a bound lies from the current row on the side of the kind: nothing if it lies on the other one.
func (f *overFrame) distance(b *frameBound, side planner.BoundKind) distance {
	unbounded := planner.UnboundedPreceding
	if side == planner.Following {
		unbounded = planner.UnboundedFollowing
	}
	s := distance{peers: f.mode != planner.FrameRows || f.exclude == planner.ExcludeGroup || f.exclude == planner.ExcludeTies}
	switch {
	case b.Kind == unbounded:
		s.all = true
	case b.Kind != side:
	case b.value != nil:
		s.values = []*rangeOffset{b.value}
	case f.mode == planner.FrameGroups:
		s.groups = b.n
	default:
		s.rows = b.n
	}
	return s
}

// endBehind is how far the end of the frame lies before the current row.
func (f *overFrame) endBehind() distance { return f.distance(&f.end, planner.Preceding) }

// reach is that of a call which looks at all rows of its frame.
func (f *overFrame) reach() reach {
	before, behind := f.distance(&f.end, planner.Following), f.distance(&f.start, planner.Preceding)
	return reach{before: before, behind: behind, back: behind, ahead: before}
}

// running is the reach of a call that carries what it knows of a frame from the partition's start on to the next row.
func (f *overFrame) running() reach {
	ahead := f.distance(&f.end, planner.Following)
	return reach{before: ahead, behind: f.endBehind(), back: f.endBehind(), ahead: ahead, runs: true}
}

// runs reports whether frames only grow, from the partition's start.
func (f *overFrame) runs() bool {
	return f.start.Kind == planner.UnboundedPreceding && f.end.Kind != planner.UnboundedFollowing && f.exclude == planner.ExcludeNoOthers
}

// bounds returns the first row of each row's frame and the row behind its last one, exclusions aside; by row number in the work, for the
// rows that are computed and the ones that these go on from.
func (f *overFrame) bounds(w *overWork) (starts, ends []int32) {
	f.starts, f.ends = resize(f.starts, len(w.slots)), resize(f.ends, len(w.slots))
	for k := range w.segs {
		s := &w.segs[k]
		from := s.a
		if s.carry() >= 0 {
			from--
		}
		f.bound(w, s, from, &f.start, false, f.starts)
		f.bound(w, s, from, &f.end, true, f.ends)
		for i := from; i < s.b; i++ {
			f.ends[i] = max(f.ends[i], f.starts[i])
		}
	}
	return f.starts, f.ends
}

// bound sets out to one bound of the frames of rows from up to before s.b.
func (f *overFrame) bound(w *overWork, s *overSegment, from int, b *frameBound, end bool, out []int32) {
	switch b.Kind {
	case planner.UnboundedPreceding:
		for i := from; i < s.b; i++ {
			out[i] = int32(s.lo)
		}
		return
	case planner.UnboundedFollowing:
		for i := from; i < s.b; i++ {
			out[i] = int32(s.hi)
		}
		return
	}
	n := b.n
	if b.Kind == planner.Preceding {
		n = -n
	}
	plus := int64(0)
	if end {
		plus = 1
	}
	switch {
	case b.value != nil:
		w.o.ranges.bounds(w, s, from, b.value, end, out)
	case f.mode == planner.FrameRows:
		for i := from; i < s.b; i++ {
			out[i] = int32(min(max(int64(i)+n+plus, int64(s.lo)), int64(s.hi)))
		}
	default: // groups, and the current row by value
		first, last := int64(w.group[s.lo]), int64(w.group[s.hi-1])
		for i := from; i < s.b; i++ {
			g := int64(w.group[i]) + n + plus
			switch {
			case g <= first:
				out[i] = int32(s.lo)
			case g > last:
				out[i] = int32(s.hi)
			default:
				out[i] = w.starts[g]
			}
		}
	}
}

// pieces returns the parts of a frame that its exclusion leaves, up to three, in order.
func (f *overFrame) pieces(w *overWork, s *overSegment, i, from, to int) (out [3][2]int, n int) {
	add := func(a, b int) {
		if a, b = max(a, from), min(b, to); a < b {
			out[n] = [2]int{a, b}
			n++
		}
	}
	if f.exclude == planner.ExcludeNoOthers {
		add(from, to)
		return out, n
	}
	if f.exclude == planner.ExcludeCurrentRow {
		add(from, i)
		add(i+1, to)
		return out, n
	}
	add(from, max(int(w.starts[w.group[i]]), s.lo))
	if f.exclude == planner.ExcludeTies {
		add(i, i+1)
	}
	add(w.groupEnd(s, i), to)
	return out, n
}
