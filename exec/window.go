package exec

import (
	"math"
	"sort"
	"time"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// minTimestamp is the first timestamp that exists, 4714-11-24 BC, in microseconds since 1970.
const minTimestamp = -209920118400000000

// slicer divides event time into slices, the smallest disjoint parts of windows, and knows which windows a slice is part of.
//
// Slices are numbered: slice k is [bound(k), bound(k+1)), and slice 0 starts at 1970-01-01 plus the offset. A window is named by its
// end e, a slice number too: it covers the slices [first(e), e). So TUMBLE has windows of one slice, HOP of size/gcd(size,
// slide) slices, CUMULATE of 1 to size/step slices of one step each.
//
// With a zone, slices are cut on the wall clock: bound(k) is the first instant at which the wall clock shows slice k's start or
// more, so a day may have 23 or 25 hours, and a slice that the clock skips is empty.
//
// Source: slicing as in Li et al., "No Pane, No Gain", SIGMOD Record 34(1), 2005.
type slicer struct {
	kind     planner.WindowKind
	width    int64 // of a slice, microseconds
	offset   int64
	per      int64 // slices in the largest window
	step     int64 // slices between two windows' starts (Hop), 1 else
	loc      *time.Location
	safeLo   int64 // times in [safeLo, safeHi] are in windows whose bounds all exist
	safeHi   int64
	lastK    int64 // the slice found last and its bounds
	lastFrom int64
	lastTo   int64
}

// maxWindowsPerRow bounds the work that one row can make.
const maxWindowsPerRow = planner.MaxWindowsPerRow

func newSlicer(w planner.Window) (*slicer, error) {
	s := &slicer{kind: w.Kind, step: 1, per: 1, width: w.Size, lastFrom: 1, lastTo: 0}
	if w.Size <= 0 {
		return nil, types.Errorf(types.CodeInvalidParameter, "window size must be positive, found %s", formatDuration(w.Size))
	}
	switch w.Kind {
	case planner.Tumble:
	case planner.Hop:
		if w.Slide <= 0 {
			return nil, types.Errorf(types.CodeInvalidParameter, "window slide must be positive, found %s", formatDuration(w.Slide))
		}
		s.width = gcd(w.Size, w.Slide)
		s.per, s.step = w.Size/s.width, w.Slide/s.width
	case planner.Cumulate:
		if w.Slide <= 0 || w.Size%w.Slide != 0 {
			return nil, types.Errorf(types.CodeInvalidParameter, "maximum window size %s must be a multiple of the step %s",
				formatDuration(w.Size), formatDuration(w.Slide))
		}
		s.width, s.per = w.Slide, w.Size/w.Slide
	default:
		return nil, types.Errorf(types.CodeInternal, "window kind %d has no slices", w.Kind)
	}
	if n := s.windowsPerSlice(); n > maxWindowsPerRow {
		return nil, types.Errorf(types.CodeInvalidParameter, "a row would be in %d windows of %s, at most %d are possible", n,
			formatDuration(w.Size), maxWindowsPerRow)
	}
	margin := 2*w.Size + 2*s.step*s.width
	if w.Size > math.MaxInt64/8 || s.step > math.MaxInt64/8/s.width {
		return nil, types.Errorf(types.CodeInvalidParameter, "window of %s is too long", formatDuration(w.Size))
	}
	if w.Zone != "" && w.Zone != "UTC" {
		loc, err := time.LoadLocation(w.Zone)
		if err != nil {
			return nil, types.Errorf(types.CodeInvalidParameter, "time zone \"%s\" not recognized", w.Zone)
		}
		s.loc = loc
		margin += 4 * 24 * 3600 * 1e6
	}
	s.offset = floorMod(w.Offset, max(w.Size, s.step*s.width))
	if w.Kind == planner.Hop {
		s.offset = floorMod(w.Offset, s.step*s.width)
	}
	margin += s.offset
	s.safeLo, s.safeHi = minTimestamp+margin, types.TimestampPosInf-1-margin
	return s, nil
}

// slice returns the number of the slice that t is in, or an error (22008) when t is infinite or a window around it
// does not fit in the range of timestamps.
func (s *slicer) slice(t int64) (int64, error) {
	if t >= s.lastFrom && t < s.lastTo {
		return s.lastK, nil
	}
	if t < s.safeLo || t > s.safeHi {
		return s.edge(t)
	}
	s.find(t)
	return s.lastK, nil
}

// find sets lastK, lastFrom and lastTo for a time in the safe range.
func (s *slicer) find(t int64) {
	if s.loc == nil {
		k := floorDiv(t-s.offset, s.width)
		s.lastK, s.lastFrom = k, k*s.width+s.offset
		s.lastTo = s.lastFrom + s.width
		return
	}
	_, off := time.UnixMicro(t).In(s.loc).Zone()
	k := floorDiv(t+int64(off)*1e6-s.offset, s.width)
	from, to := s.bound(k), s.bound(k+1)
	for t < from {
		k--
		from, to = s.bound(k), from
	}
	for t >= to {
		k++
		from, to = to, s.bound(k+1)
	}
	s.lastK, s.lastFrom, s.lastTo = k, from, to
}

func (s *slicer) edge(t int64) (int64, error) {
	if t == types.TimestampPosInf || t == types.TimestampNegInf {
		return 0, types.Errorf(types.CodeDatetimeOverflow, "infinite timestamp is in no window")
	}
	return 0, types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range: a window of %s around it has no bounds",
		formatDuration(s.per*s.width))
}

// bound returns the instant at which slice k starts.
func (s *slicer) bound(k int64) int64 {
	local := k*s.width + s.offset
	if s.loc == nil {
		return local
	}
	// The first instant whose wall clock shows local or more: walk the zone's intervals from a day before, when it showed less.
	at := time.UnixMicro(local - 24*3600*1e6).In(s.loc)
	for {
		_, off := at.Zone()
		from, to := at.ZoneBounds()
		c := local - int64(off)*1e6
		if !from.IsZero() && c < from.UnixMicro() {
			return from.UnixMicro()
		}
		if to.IsZero() || c < to.UnixMicro() {
			return c
		}
		at = to
	}
}

// firstEnd returns the end of the first window that slice k is part of; ok is false when k lies between windows.
func (s *slicer) firstEnd(k int64) (e int64, ok bool) {
	if s.kind != planner.Hop {
		return k + 1, true
	}
	// e = j*step + per with the smallest e > k
	e = k + 1 + floorMod(s.per-(k+1), s.step)
	return e, e-s.per <= k
}

// lastEnd returns the end of the last window that slice k is part of, if it is part of any.
func (s *slicer) lastEnd(k int64) int64 {
	switch s.kind {
	case planner.Hop:
		return floorDiv(k, s.step)*s.step + s.per
	case planner.Cumulate:
		return floorDiv(k, s.per)*s.per + s.per
	}
	return k + 1
}

// first returns the first slice of the window that ends with slice number e.
func (s *slicer) first(e int64) int64 {
	switch s.kind {
	case planner.Hop:
		return e - s.per
	case planner.Cumulate:
		return floorDiv(e-1, s.per) * s.per
	}
	return e - 1
}

// firstEndAfter returns the first window end e >= from of slice k whose instant is after the limit (a row watermark less
// the allowed lateness); ok is false when there is none up to the last.
func (s *slicer) firstEndAfter(k, limit int64) (e int64, ok bool) {
	e, ok = s.firstEnd(k)
	if !ok {
		return 0, false
	}
	last := s.lastEnd(k)
	if s.bound(e) > limit {
		return e, true
	}
	n := (last - e) / s.step
	i := sort.Search(int(n)+1, func(i int) bool { return s.bound(e+int64(i)*s.step) > limit })
	return e + int64(i)*s.step, int64(i) <= n
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// formatDuration prints microseconds for messages.
func formatDuration(us int64) string { return (time.Duration(us) * time.Microsecond).String() }

// subSat returns a-b, and the end of the range where that does not fit.
func subSat(a, b int64) int64 {
	if d := a - b; (d < a) == (b > 0) {
		return d
	}
	if b > 0 {
		return math.MinInt64
	}
	return math.MaxInt64
}

// addSat returns a+b, and the end of the range where that does not fit.
func addSat(a, b int64) int64 {
	if s := a + b; (s > a) == (b > 0) {
		return s
	}
	if b > 0 {
		return math.MaxInt64
	}
	return math.MinInt64
}
