package exec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

func instant(t *testing.T, s string) int64 {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, s)
	require.NoError(t, err)
	return at.UnixMicro()
}

const second = int64(1e6)

// windowsOf lists the windows of a time as a slow reader would: every start that could be.
func windowsOf(w planner.Window, t int64) (out [][2]int64) {
	switch w.Kind {
	case planner.Tumble:
		w.Slide = w.Size
		fallthrough
	case planner.Hop:
		n := w.Size/w.Slide + 2
		for j := floorDiv(t-w.Offset, w.Slide) - n; j <= floorDiv(t-w.Offset, w.Slide)+1; j++ {
			start := j*w.Slide + w.Offset
			if start <= t && t < start+w.Size {
				out = append(out, [2]int64{start, start + w.Size})
			}
		}
	case planner.Cumulate:
		start := floorDiv(t-w.Offset, w.Size)*w.Size + w.Offset
		for end := start + w.Slide; end <= start+w.Size; end += w.Slide {
			if t < end {
				out = append(out, [2]int64{start, end})
			}
		}
	}
	return out
}

func slicerWindows(t require.TestingT, s *slicer, at int64) (out [][2]int64) {
	k, err := s.slice(at)
	require.NoError(t, err)
	e, ok := s.firstEnd(k)
	if !ok {
		return nil
	}
	for ; e <= s.lastEnd(k); e += s.step {
		out = append(out, [2]int64{s.bound(s.first(e)), s.bound(e)})
	}
	return out
}

func TestSlicerAgainstList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := planner.Window{Kind: planner.WindowKind(rapid.IntRange(0, 2).Draw(t, "kind"))}
		w.Slide = rapid.Int64Range(1, 20).Draw(t, "slide")
		w.Size = rapid.Int64Range(1, 60).Draw(t, "size")
		if w.Kind == planner.Cumulate {
			w.Size = w.Slide * rapid.Int64Range(1, 5).Draw(t, "steps")
		}
		w.Offset = rapid.Int64Range(-100, 100).Draw(t, "offset")
		s, err := newSlicer(w)
		require.NoError(t, err)
		for range 10 {
			at := rapid.Int64Range(-200, 200).Draw(t, "time")
			want := windowsOf(w, at)
			got := slicerWindows(t, s, at)
			require.Equal(t, want, got, "%+v at %d", w, at)
			limit := rapid.Int64Range(-250, 250).Draw(t, "limit")
			k, _ := s.slice(at)
			e, ok := s.firstEndAfter(k, limit)
			var after [][2]int64
			for _, x := range want {
				if x[1] > limit {
					after = append(after, x)
				}
			}
			require.Equal(t, len(after) > 0, ok)
			if ok {
				require.Equal(t, after[0][1], s.bound(e))
			}
		}
	})
}

func TestSlicerDaysOfAZone(t *testing.T) {
	const day = 24 * 3600 * second
	for _, c := range []struct{ zone, at, from, to string }{
		// spring forward: a day of 23 hours
		{"Europe/Berlin", "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"},
		// back: 25 hours
		{"Europe/Berlin", "2024-10-27T22:30:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"},
		// midnight does not exist: the day starts at 01:00
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
		// the last hour of a day occurs twice: both belong to it
		{"America/Sao_Paulo", "2018-02-18T02:30:00Z", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z"},
		// before 1970
		{"America/New_York", "1961-07-04T03:59:59.999999Z", "1961-07-03T04:00:00Z", "1961-07-04T04:00:00Z"},
		// a day that the calendar left out is an empty window: Samoa skipped 2011-12-30
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"},
	} {
		s, err := newSlicer(planner.Window{Kind: planner.Tumble, Size: day, Zone: c.zone})
		require.NoError(t, err)
		got := slicerWindows(t, s, instant(t, c.at))
		require.Equal(t, [][2]int64{{instant(t, c.from), instant(t, c.to)}}, got, "%s %s: %s to %s", c.zone, c.at,
			time.UnixMicro(got[0][0]).UTC(), time.UnixMicro(got[0][1]).UTC())
	}
}

func TestSlicerPartitionsTimeInAnyZone(t *testing.T) {
	zones := []string{"Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"}
	rapid.Check(t, func(t *rapid.T) {
		w := planner.Window{Kind: planner.Tumble, Size: rapid.Int64Range(1, 3).Draw(t, "days") * 24 * 3600 * second,
			Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
		s, err := newSlicer(w)
		require.NoError(t, err)
		at := rapid.Int64Range(-3e15, 2e15).Draw(t, "time")
		k, err := s.slice(at)
		require.NoError(t, err)
		require.LessOrEqual(t, s.bound(k), at)
		require.Less(t, at, s.bound(k+1))
		require.LessOrEqual(t, s.bound(k-1), s.bound(k))
	})
}

func TestSlicerEndsOfTime(t *testing.T) {
	s, err := newSlicer(planner.Window{Kind: planner.Tumble, Size: 10 * second})
	require.NoError(t, err)
	for _, at := range []int64{types.TimestampPosInf, types.TimestampNegInf, types.TimestampPosInf - 1, types.TimestampNegInf + 1, minTimestamp} {
		_, err := s.slice(at)
		require.Equal(t, types.CodeDatetimeOverflow, types.CodeOf(err), "%d", at)
	}
	k, err := s.slice(-1)
	require.NoError(t, err)
	require.Equal(t, -10*second, s.bound(k))
	_, err = newSlicer(planner.Window{Kind: planner.Cumulate, Size: 10, Slide: 3})
	require.Equal(t, types.CodeInvalidParameter, types.CodeOf(err))
	_, err = newSlicer(planner.Window{Kind: planner.Hop, Size: 1 << 40, Slide: 1})
	require.ErrorContains(t, err, "a row would be in 1099511627776 windows")
	_, err = newSlicer(planner.Window{Kind: planner.Tumble, Size: 10, Zone: "Mars/Olympus"})
	require.Equal(t, types.CodeInvalidParameter, types.CodeOf(err))
}
