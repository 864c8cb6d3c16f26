package exec

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

func rowsOf(t *testing.T, schema types.Schema, s *state.Snapshot) (rows []string) {
	require.NoError(t, s.Scan(100, func(b *changelog.Batch) error {
		b.Each(func(row int) { rows = append(rows, fmt.Sprintf("%s x%d", recordText(schema, b, row), b.Weight(row))) })
		return nil
	}))
	sort.Strings(rows)
	return rows
}

func stop(t *testing.T, e *Engine) { require.NoError(t, e.Stop(testContext(t))) }

// decide is the driver's whole policy.
func TestDecide(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		s    situation
		want step
	}{
		{"nothing to do", situation{timer: -1}, step{stepWait, -1}},
		{"nothing to do before a timer", situation{timer: 7 * ms}, step{stepWait, 7 * ms}},
		{"input, all drained", situation{ready: true, timer: -1}, step{stepRun, 0}},
		{"input, more on its way", situation{ready: true, more: true, waited: 4 * ms, timer: -1}, step{stepWait, 6 * ms}},
		{"input, more on its way, long enough", situation{ready: true, more: true, waited: gatherTime, timer: -1}, step{stepRun, 0}},
		{"input, more on its way, full", situation{ready: true, more: true, full: true, timer: -1}, step{stepRun, 0}},
		{"input before the trigger", situation{ready: true, full: true, trigger: 50 * ms, sinceRun: 20 * ms, timer: -1}, step{stepWait, 30 * ms}},
		{"input before the trigger, somebody waits", situation{ready: true, hurry: true, trigger: 50 * ms, sinceRun: 20 * ms, timer: -1}, step{stepRun, 0}},
		{"a timer is due", situation{due: true, timer: -1}, step{stepRun, 0}},
		{"stop", situation{stopping: true, ready: true, timer: -1}, step{stepStop, 0}},
		{"stop after a change of the catalog", situation{stopping: true, altered: true, timer: -1}, step{stepRun, 0}},
	} {
		require.Equal(t, c.want, decide(c.s), c.name)
	}
}

func TestCheckMarker(t *testing.T) {
	self := Marker{Engine: "me", Generation: 3, Epoch: 20} // 20 epochs were prepared when generation 3 began
	for _, c := range []struct {
		name      string
		published changelog.Epoch
		m         Marker
		ok        bool
		want      string // part of the error; "": none
	}{
		{"a new sink", 0, Marker{}, false, ""},
		{"as published", 17, Marker{Engine: "me", Generation: 2, Epoch: 17}, true, ""},
		{"published, and killed before that was logged", 17, Marker{Engine: "me", Generation: 2, Epoch: 20}, true, ""},
		{"this run went on", 17, Marker{Engine: "me", Generation: 3, Epoch: 25}, true, ""},
		{"foreign", 0, Marker{Engine: "other", Generation: 1, Epoch: 4}, true, "another engine"},
		{"ahead of the log", 17, Marker{Engine: "me", Generation: 2, Epoch: 21}, true, "ahead of the log's 20"},
		{"a later run", 17, Marker{Engine: "me", Generation: 4, Epoch: 18}, true, "a later run"},
		{"lost", 17, Marker{}, false, "holds no marker any more"},
		{"set back", 17, Marker{Engine: "me", Generation: 2, Epoch: 12}, true, "holds only epoch 12"},
	} {
		err := checkMarker(self, c.published, c.m, c.ok)
		if c.want == "" {
			require.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, c.want, c.name)
		require.ErrorContains(t, err, "'append'", c.name)
	}
}

// A quiet partition holds the watermark until its reader has confirmed for idle_timeout that it stands at its end; when all are
// idle the watermark moves on with the clock.
func TestIdlePartitions(t *testing.T) {
	w := newWorld()
	f := newFeed(10, 1)
	w.feeds[1] = f
	f.add("a", bid{1, 1, 1 * second, false}, bid{1, 1, 30 * second, false})
	f.add("b", bid{1, 1, 2 * second, false})
	wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true, IdleTimeout: 5 * second})
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Empty(t, w.media[10].text(), "b holds the watermark at -2 s")
	s := e.Stats()
	require.Len(t, s.Watermarks, 2)
	require.False(t, s.Watermarks[0].Holds)
	require.True(t, s.Watermarks[1].Holds)
	require.EqualValues(t, -2*second, s.Watermarks[1].SourceWM)

	// a goes on, b does not: after 5 s b is idle and a's watermark counts.
	w.advance(3 * second)
	f.add("a", bid{1, 1, 31 * second, false})
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Empty(t, w.media[10].text())
	w.advance(3 * second)
	eventually(t, e, func() bool { return len(w.media[10].text()) == 1 })
	require.Equal(t, []string{"(1,1970-01-01 00:00:00,1970-01-01 00:00:10,2,1) x1"}, w.media[10].text())
	require.EqualValues(t, 27*second, e.Stats().Watermarks[0].SourceWM)

	// All idle: the watermark, 27 s, moves on by the 23 s since a fell quiet.
	w.advance(20 * second)
	eventually(t, e, func() bool { return len(w.media[10].text()) == 2 })
	require.EqualValues(t, 50*second, e.Stats().Watermarks[0].SourceWM)

	// What b brings now is behind the source's watermark: late, though b's own watermark is far behind.
	f.add("b", bid{1, 1, 3 * second, false})
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Len(t, w.media[10].text(), 2)
	require.Equal(t, map[Reason]int64{ReasonLate: 1}, rejectedCounts(e))
}

// eventually wakes the engine until f holds; the context of the test ends it.
func eventually(t *testing.T, e *Engine, f func() bool) {
	ctx := testContext(t)
	for !f() {
		require.NoError(t, ctx.Err())
		e.Wake()
		require.NoError(t, e.RunUntilIdle(ctx))
	}
}

func rejectedCounts(e *Engine) map[Reason]int64 {
	out := map[Reason]int64{}
	for _, r := range e.Stats().Rejected {
		out[r.Reason] += r.Rows
	}
	return out
}

func TestRejectedRows(t *testing.T) {
	w := newWorld()
	f := newFeed(2, 2)
	w.feeds[1] = f
	now := w.now()
	f.add("a", bid{1, 1, 100 * second, false}, bid{2, 2, 5 * second, false}, bid{3, 3, 0, true}, bid{4, 4, now + 61*second, false}, bid{5, 5, now, false})
	wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true, MaxAhead: 60 * second})
	cfg := w.config()
	cfg.RejectedRows = 4
	e := startEngine(t, cfg, JobSpec{ID: 10, Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Equal(t, map[Reason]int64{ReasonAhead: 1, ReasonDecode: 1, ReasonLate: 1}, rejectedCounts(e))
	p, err := e.Pin(ctx, planner.RejectedID)
	require.NoError(t, err)
	rows := rowsOf(t, planner.RejectedSchema(), p.Snapshots[planner.RejectedID])
	require.Len(t, rows, 3)
	all := fmt.Sprint(rows)
	require.Contains(t, all, "bad record,bids1,a,2,bad 3,")
	require.Contains(t, all, "bids1,a,1,{2 2 5000000 false},1970-01-01 00:01:36+00,")
	require.Contains(t, all, "ahead of the clock")

	// The oldest go when there are more than are kept; the count stays.
	f.add("a", bid{1, 7, 0, true}, bid{1, 8, 0, true}, bid{1, 9, 0, true})
	require.NoError(t, e.RunUntilIdle(ctx))
	p, err = e.Pin(ctx, planner.RejectedID)
	require.NoError(t, err)
	require.EqualValues(t, 4, p.Snapshots[planner.RejectedID].Rows())
	require.EqualValues(t, 4, rejectedCounts(e)[ReasonDecode])
	for _, r := range e.Stats().Rejected {
		if r.Reason == ReasonDecode {
			require.Equal(t, RejectedStats{ReasonDecode, "bids1", 4, "2", "bad record"}, r, "with the first one's place and reason, whatever was kept")
		}
	}

	// Old ones go by the clock.
	w.advance((8 * 24 * time.Hour).Microseconds())
	f.add("a", bid{1, 10, 0, true})
	require.NoError(t, e.RunUntilIdle(ctx))
	p, err = e.Pin(ctx, planner.RejectedID)
	require.NoError(t, err)
	require.EqualValues(t, 1, p.Snapshots[planner.RejectedID].Rows())
}

// A continuous query over streamsql.rejected sees what is rejected and what retention takes away.
func TestQueryOverRejected(t *testing.T) {
	w := newWorld()
	f := newFeed(2, 2)
	w.feeds[1] = f
	cfg := w.config()
	cfg.RejectedRows = 2
	scan := ident(&planner.Node{Op: &planner.ViewScan{Object: planner.RejectedID, Name: "streamsql.rejected"}, Schema: planner.RejectedSchema()})
	f.add("a", bid{1, 1, 0, true})
	e := startEngine(t, cfg,
		JobSpec{ID: 10, Root: w.sinkNode(10, scanNode(1), planner.Append)},
		JobSpec{ID: 11, Root: w.sinkNode(11, scan, planner.Changelog)})
	defer stop(t, e)
	require.NoError(t, e.RunUntilIdle(testContext(t)))
	require.Len(t, w.media[11].text(), 1)
	f.add("a", bid{1, 2, 0, true}, bid{1, 3, 0, true})
	require.NoError(t, e.RunUntilIdle(testContext(t)))
	require.Len(t, w.media[11].text(), 2)
	require.Contains(t, fmt.Sprint(w.media[11].text()), "bad 3")
}

func TestPolicyFail(t *testing.T) {
	w := newWorld()
	f := newFeed(1, 1)
	w.feeds[1] = f
	f.add("a", bid{1, 1, 0, false}, bid{2, 2, 0, true}, bid{3, 3, 0, false})
	f.end()
	strict := scanNode(1)
	strict.Op.(*planner.Scan).OnError = planner.Fail
	ident(strict)
	failed := make(chan JobID, 1)
	cfg := w.config()
	cfg.EpochRows = 1
	cfg.OnJob = func(id JobID, s JobState, err error) {
		if s == JobFailed {
			failed <- id
		}
	}
	e := startEngine(t, cfg,
		JobSpec{ID: 10, Name: "strict", Root: w.sinkNode(10, strict, planner.Append)},
		JobSpec{ID: 11, Name: "lenient", Root: w.sinkNode(11, scanNode(1), planner.Append)})
	defer stop(t, e)
	err := e.Wait(testContext(t))
	require.ErrorContains(t, err, "bad record")
	require.Equal(t, types.CodeInvalidText, types.CodeOf(err))
	require.Equal(t, JobID(10), <-failed)
	require.Len(t, w.media[10].text(), 1)
	require.Len(t, w.media[11].text(), 2, "the other query goes on")
}

type temporary struct{ error }

func (temporary) Temporary() bool { return true }

// A sink that fails now and then is tried again; one that is stuck holds back nobody; one that fails for good ends its own query.
func TestSinksAtTheirOwnPace(t *testing.T) {
	w := newWorld()
	f := newFeed(3, 1)
	w.feeds[1] = f
	parts := map[string][]bid{"a": testBids(20)["a"]}
	f.add("a", parts["a"]...)
	jobs := []JobSpec{}
	for i := range 4 {
		id := JobID(10 + i)
		jobs = append(jobs, JobSpec{ID: id, Name: fmt.Sprint("q", i), Root: w.sinkNode(planner.ObjectID(id), countNode(t, scanNode(1)), planner.Upsert, 0)})
	}
	w.media[10].fail = func(call int) error {
		if call%3 != 0 {
			return temporary{fmt.Errorf("call %d", call)}
		}
		return nil
	}
	w.media[11].fail = func(call int) error { return fmt.Errorf("no such table") }
	w.media[12].block = make(chan struct{})
	cfg := w.config()
	cfg.EpochRows = 3
	e := startEngine(t, cfg, jobs...)
	ctx := testContext(t)
	want := countAnswer(parts)
	for len(w.media[13].text()) != len(want) || fmt.Sprint(w.media[13].text()) != fmt.Sprint(want) || fmt.Sprint(w.media[10].text()) != fmt.Sprint(want) {
		require.NoError(t, ctx.Err(), "the healthy sink got %v", w.media[13].text())
		time.Sleep(time.Millisecond)
	}
	require.Empty(t, w.media[12].text())
	close(w.media[12].block)
	require.ErrorContains(t, e.RunUntilIdle(ctx), "no such table")
	require.Equal(t, want, w.media[12].text())
	s := e.Stats()
	require.Equal(t, JobFailed, s.Jobs[1].State)
	require.Equal(t, JobRunning, s.Jobs[0].State)
	stop(t, e)
}

// While the outbox of a dead sink is full, its sources stand still; others do not.
func TestBackPressure(t *testing.T) {
	w := newWorld()
	for i := planner.ObjectID(1); i <= 2; i++ {
		w.feeds[i] = newFeed(10, 1)
		w.feeds[i].add("a", testBids(500)["a"]...)
		w.feeds[i].end()
	}
	cfg := w.config()
	cfg.EpochRows, cfg.OutboxBytes = 10, 2000
	dead := w.sinkNode(10, scanNode(1), planner.Append)
	w.media[10].block = make(chan struct{})
	e := startEngine(t, cfg, JobSpec{ID: 10, Root: dead}, JobSpec{ID: 11, Root: w.sinkNode(11, scanNode(2), planner.Append)})
	ctx := testContext(t)
	for {
		s := e.Stats()
		require.NoError(t, ctx.Err())
		if s.Jobs[1].State == JobEnded {
			require.Less(t, s.Operators[0].RowsOut, int64(200))
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(w.media[10].block)
	require.NoError(t, e.Wait(ctx))
	require.Len(t, w.media[10].lines, 500)
	stop(t, e)
}

// Views are read at one epoch, feed queries above them, and a query that comes later begins with what they hold.
func TestViewsOnViews(t *testing.T) {
	for _, workers := range []int{1, 3} {
		w := newWorld()
		f := newFeed(5, 1)
		w.feeds[1] = f
		parts := testBids(50)
		f.add("a", parts["a"]...)
		cfg := w.config()
		cfg.Workers, cfg.EpochRows = workers, 20
		counts := countNode(t, scanNode(1))
		e := startEngine(t, cfg, JobSpec{ID: 10, Name: "v10", Root: viewNode(10, counts, 0)})
		ctx := testContext(t)
		require.NoError(t, e.RunUntilIdle(ctx))
		want := countAnswer(map[string][]bid{"a": parts["a"]})
		p, err := e.Pin(ctx, 10)
		require.NoError(t, err)
		require.Equal(t, want, rowsOf(t, counts.Schema, p.Snapshots[10]))

		// A view above, and a live query, made while the first one runs.
		above := countNode(t, viewScanNode(10, counts.Schema)) // count and max of count by auction
		require.NoError(t, e.AddJob(ctx, JobSpec{ID: 11, Name: "v11", Root: viewNode(11, above, 0)}))
		sub, err := e.Subscribe(ctx, "live", outputNode(viewScanNode(10, counts.Schema)))
		require.NoError(t, err)
		f.add("b", parts["b"]...)
		require.NoError(t, e.RunUntilIdle(ctx))
		want = countAnswer(parts)
		now, err := e.Pin(ctx, 10, 11)
		require.NoError(t, err)
		require.Equal(t, want, rowsOf(t, counts.Schema, now.Snapshots[10]))
		require.NotEqual(t, want, rowsOf(t, counts.Schema, p.Snapshots[10]), "what was pinned stays")
		var wantAbove []string
		for _, r := range want {
			var a, n, top int
			_, err := fmt.Sscanf(r, "(%d,%d,%d) x1", &a, &n, &top)
			require.NoError(t, err)
			wantAbove = append(wantAbove, fmt.Sprintf("(%d,1,%d) x1", a, n))
		}
		require.Equal(t, wantAbove, rowsOf(t, above.Schema, now.Snapshots[11]))

		got := map[string]int64{}
		for len(got) != len(want) || fmt.Sprint(texts(got)) != fmt.Sprint(want) {
			c, ok, err := sub.Next(ctx)
			require.NoError(t, err)
			require.True(t, ok)
			for _, b := range c.Batches {
				b.Each(func(row int) {
					r := string(recordText(counts.Schema, b, row))
					if got[r] += b.Weight(row); got[r] == 0 {
						delete(got, r)
					}
				})
			}
		}
		require.NoError(t, sub.Close())

		err = e.DropJob(ctx, 10)
		require.ErrorContains(t, err, "is read by")
		require.Equal(t, types.CodeDependentObjects, types.CodeOf(err))
		require.NoError(t, e.Alter(ctx, Alteration{Drop: []JobID{11, 10}}))
		_, err = e.Pin(ctx, 10)
		require.Equal(t, types.CodeUndefinedTable, types.CodeOf(err))
		require.Empty(t, e.run.g.vertices)
		stop(t, e)
	}
}

func texts(m map[string]int64) (out []string) {
	for r, n := range m {
		out = append(out, fmt.Sprintf("%s x%d", r, n))
	}
	sort.Strings(out)
	return out
}

// Jobs share a reader when both begin at the same place; a later one reads from the start with its own.
func TestSharingReaders(t *testing.T) {
	w := newWorld()
	f := newFeed(5, 1)
	w.feeds[1] = f
	parts := testBids(30)
	f.add("a", parts["a"]...)
	e := startEngine(t, w.config(),
		JobSpec{ID: 10, Root: w.sinkNode(10, countNode(t, scanNode(1)), planner.Upsert, 0)},
		JobSpec{ID: 11, Root: w.sinkNode(11, countNode(t, scanNode(1)), planner.Upsert, 0)})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.EqualValues(t, 30, e.Stats().RowsIn)
	require.NoError(t, e.AddJob(ctx, JobSpec{ID: 12, Root: w.sinkNode(12, countNode(t, scanNode(1)), planner.Upsert, 0)}))
	require.NoError(t, e.RunUntilIdle(ctx))
	require.EqualValues(t, 60, e.Stats().RowsIn)
	f.add("a", parts["b"]...)
	require.NoError(t, e.RunUntilIdle(ctx))
	want := countAnswer(parts)
	for id := planner.ObjectID(10); id <= 12; id++ {
		require.Equal(t, want, w.media[id].text())
	}
	err := e.AddJob(ctx, JobSpec{ID: 12, Root: w.sinkNode(12, scanNode(1), planner.Append)})
	require.Equal(t, types.CodeDuplicateObject, types.CodeOf(err))
	require.NoError(t, e.DropJob(ctx, 10))
	f.add("a", bid{1, 1, 1, false})
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Equal(t, want, w.media[10].text())
	require.NotEqual(t, want, w.media[11].text())
}

func TestPauseAndRate(t *testing.T) {
	w := newWorld()
	f := newFeed(1, 1)
	w.feeds[1] = f
	f.add("a", testBids(30)["a"]...)
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, scanNode(1), planner.Append), Paused: true})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Empty(t, w.media[10].lines)
	require.Equal(t, JobPaused, e.Stats().Jobs[0].State)
	require.NoError(t, e.SetRateLimit(ctx, 10, 10))
	require.NoError(t, e.Resume(ctx, 10))
	for i := 1; i <= 3; i++ {
		for len(e.Stats().Sinks) == 0 || e.Stats().RowsIn < int64(10*(i-1))+1 {
			require.NoError(t, ctx.Err())
			e.Wake()
		}
		require.LessOrEqual(t, e.Stats().RowsIn, int64(10*(i-1)+1))
		w.advance(second)
	}
	require.NoError(t, e.SetRateLimit(ctx, 10, 0))
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Len(t, w.media[10].lines, 30)
}

// At the memory limit the query with the largest state fails with 53200 and is named; others go on.
func TestMemoryLimit(t *testing.T) {
	w := newWorld()
	f := newFeed(1000, 1)
	w.feeds[1] = f
	for i := range int64(40_000) {
		f.add("a", bid{auction: i, price: i, ts: i})
	}
	f.end()
	cfg := w.config()
	cfg.Check = false
	cfg.MemoryLimit, cfg.EpochRows = 1<<20, 1000
	pass := scanNode(1)
	e := startEngine(t, cfg,
		JobSpec{ID: 10, Name: "big", Root: w.sinkNode(10, countNode(t, scanNode(1)), planner.Upsert, 0)},
		JobSpec{ID: 11, Name: "small", Root: w.sinkNode(11, pass, planner.Append)})
	defer stop(t, e)
	err := e.Wait(testContext(t))
	require.Equal(t, types.CodeOutOfMemory, types.CodeOf(err), err)
	require.ErrorContains(t, err, "Aggregate")
	require.Len(t, w.media[11].lines, 40_000)
	require.Less(t, e.Stats().Memory.State, int64(1<<20))
}

func TestRunOnce(t *testing.T) {
	w := newWorld()
	f := newFeed(7, 2)
	w.feeds[1] = f
	parts := testBids(100)
	f.add("a", parts["a"]...)
	f.add("b", parts["b"]...)
	f.end()
	ctx := testContext(t)
	counts := countNode(t, scanNode(1))
	collect := func(schema types.Schema, batches []*changelog.Batch) (rows []string) {
		for _, b := range batches {
			b.Each(func(row int) { rows = append(rows, fmt.Sprintf("%s x%d", recordText(schema, b, row), b.Weight(row))) })
		}
		sort.Strings(rows)
		return rows
	}
	for _, workers := range []int{1, 3} {
		cfg := w.config()
		cfg.Workers, cfg.EpochRows = workers, 50
		got, err := RunOnce(ctx, cfg, outputNode(counts), nil)
		require.NoError(t, err)
		require.Equal(t, countAnswer(parts), collect(counts.Schema, got))
	}

	lit := func(v int64) expr.Expr { return &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v} }
	values := ident(&planner.Node{Op: &planner.Values{Rows: [][]expr.Expr{{lit(1), lit(2), lit(3), lit(4)}, {lit(1), lit(5), lit(3), lit(4)}}}, Schema: types.Schema{
		{Name: "a", Type: types.Int8Type}, {Name: "b", Type: types.Int8Type}, {Name: "c", Type: types.Int8Type}, {Name: "d", Type: types.Int8Type}}})
	got, err := RunOnce(ctx, Config{}, outputNode(countNode(t, values)), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"(1,2,5) x1"}, collect(counts.Schema, got))

	view := state.NewView(20, "v", values.Schema, nil)
	require.NoError(t, view.Update(got0(t, values)...))
	got, err = RunOnce(ctx, Config{}, outputNode(countNode(t, viewScanNode(9, values.Schema))), map[planner.ObjectID]*state.Snapshot{9: view.Pin()})
	require.NoError(t, err)
	require.Equal(t, []string{"(1,2,5) x1"}, collect(counts.Schema, got))

	_, err = RunOnce(ctx, Config{}, outputNode(viewScanNode(8, values.Schema)), nil)
	require.Equal(t, types.CodeUndefinedTable, types.CodeOf(err))
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = RunOnce(canceled, Config{}, outputNode(values), nil)
	require.ErrorIs(t, err, context.Canceled)
}

func got0(t *testing.T, n *planner.Node) []*changelog.Batch {
	b, err := RunOnce(context.Background(), Config{}, outputNode(n), nil)
	require.NoError(t, err)
	return b
}

// A source that fails for a while is opened again where it stopped; one that fails for good ends its query.
func TestSourceErrors(t *testing.T) {
	w := newWorld()
	f := newFeed(2, 1)
	w.feeds[1] = f
	f.add("a", testBids(20)["a"]...)
	f.end()
	failed := map[int]bool{}
	f.fail = func(_ string, row int) error {
		if row%6 == 4 && !failed[row] {
			failed[row] = true
			return types.Errorf(types.CodeConnectionException, "connection lost")
		}
		if row >= 16 {
			return types.Errorf(types.CodeInsufficientRights, "permission denied")
		}
		return nil
	}
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, scanNode(1), planner.Append)})
	defer stop(t, e)
	err := e.Wait(testContext(t))
	require.ErrorContains(t, err, "permission denied")
	require.ErrorContains(t, err, "bids1")
	require.Len(t, failed, 3)
	require.Error(t, e.RunUntilIdle(testContext(t)), "what was read before is published")
	require.Len(t, w.media[10].lines, 16)
}

func TestCheckerFindsBadOutput(t *testing.T) {
	c := newChecker(&vertex{node: &planner.Node{}, out: types.Schema{{Name: "a", Type: types.Int8Type}}, watermark: 5}, false)
	v := &vertex{label: "op", watermark: 5}
	one := func(w int64) *changelog.Batch {
		return &changelog.Batch{Cols: got0(t, ident(&planner.Node{Op: &planner.Values{Rows: [][]expr.Expr{{
			&expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: int64(1)}}}}, Schema: types.Schema{{Name: "a", Type: types.Int8Type}}}))[0].Cols, N: 1, Weights: []int64{w}}
	}
	require.NoError(t, c.emitted(v, one(1)))
	require.NoError(t, c.ended(v))
	require.NoError(t, c.emitted(v, one(-2)))
	require.NoError(t, c.emitted(v, one(1)), "within an epoch a total may be negative")
	require.NoError(t, c.ended(v))
	require.NoError(t, c.emitted(v, one(-1)))
	require.ErrorContains(t, c.ended(v), "taken back 1 times more often")
	v.watermark = 4
	require.ErrorContains(t, c.ended(v), "went back from 5 to 4")
	require.ErrorContains(t, c.emitted(v, &changelog.Batch{N: 1}), "a batch of 0 columns")
	require.ErrorContains(t, c.emitted(v, one(0)), "weight zero")
}

// A sink whose query is replaced by one with the same stateful operators goes on where the old one stood; one with other state
// begins anew.
func TestReplaceSinkQuery(t *testing.T) {
	w := newWorld()
	f := newFeed(2, 1)
	w.feeds[1] = f
	parts := testBids(40)
	f.add("a", parts["a"]...)
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, countNode(t, scanNode(1)), planner.Changelog)})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	counts := countNode(t, scanNode(1))
	all := ident(&planner.Node{Op: &planner.Filter{Pred: &expr.Literal{Base: expr.Base{T: types.BoolType}, Value: true}}, Inputs: []*planner.Node{counts}, Schema: counts.Schema})
	require.NoError(t, e.Alter(ctx, Alteration{Drop: []JobID{10}, Add: []JobSpec{{ID: 20, Root: w.sinkNode(20, all, planner.Changelog)}}}))
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Empty(t, w.media[20].lines, "nothing is read again")
	w.media[20].rows = w.media[10].rows // the new sink goes on behind the old one
	f.add("a", parts["b"]...)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Equal(t, countAnswer(parts), w.media[20].text())
	require.EqualValues(t, 80, e.Stats().RowsIn)
	require.Len(t, e.Stats().Tables, 1)

	require.NoError(t, e.Alter(ctx, Alteration{Drop: []JobID{20}, Add: []JobSpec{{ID: 30, Root: w.sinkNode(30, winNode(t, scanNode(1), planner.EmitChanges), planner.Changelog)}}}))
	require.NoError(t, e.RunUntilIdle(ctx))
	require.EqualValues(t, 160, e.Stats().RowsIn)
	require.Equal(t, 1, w.media[20].ended, "the dropped sink finished")

	err := e.Alter(ctx, Alteration{Drop: []JobID{99}})
	require.Equal(t, types.CodeUndefinedObject, types.CodeOf(err))
}

// A job that cannot be installed leaves nothing behind.
func TestAddJobFails(t *testing.T) {
	w := newWorld()
	w.feeds[1] = newFeed(1, 1)
	e := startEngine(t, w.config())
	defer stop(t, e)
	ctx := testContext(t)
	bad := ident(&planner.Node{Op: &planner.ViewScan{Object: 77, Name: "nothing"}, Schema: bidSchema})
	both := ident(&planner.Node{Op: &planner.Union{}, Inputs: []*planner.Node{scanNode(1), bad}, Schema: bidSchema})
	require.ErrorContains(t, e.AddJob(ctx, JobSpec{ID: 10, Name: "bad", Root: w.sinkNode(10, both, planner.Append)}), `view "nothing" is not kept`)
	require.ErrorContains(t, e.AddJob(ctx, JobSpec{ID: 10, Name: "bad", Root: w.sinkNode(10, scanNode(5), planner.Append)}), "no such feed")
	_, err := e.Subscribe(ctx, "bad", outputNode(bad))
	require.ErrorContains(t, err, `view "nothing" is not kept`)
	require.Empty(t, e.run.g.vertices)
	require.Empty(t, e.Stats().Jobs)
	require.NoError(t, e.AddJob(ctx, JobSpec{ID: 10, Name: "good", Root: w.sinkNode(10, scanNode(1), planner.Append)}))
}

// Epochs begin no oftener than the trigger says.
func TestTrigger(t *testing.T) {
	w := newWorld()
	f := newFeed(1, 1)
	w.feeds[1] = f
	cfg := w.config()
	cfg.Trigger = time.Hour
	e := startEngine(t, cfg, JobSpec{ID: 10, Root: w.sinkNode(10, scanNode(1), planner.Append)})
	defer stop(t, e)
	ctx := testContext(t)
	for range 5 {
		f.add("a", bid{1, 1, 1, false})
		e.Wake()
		_ = e.Stats()
	}
	require.LessOrEqual(t, e.Stats().Epochs, int64(2))
	require.NoError(t, e.RunUntilIdle(ctx), "who waits is not kept waiting")
	require.Len(t, w.media[10].lines, 5)
	require.NoError(t, e.SetTrigger(ctx, 0))
}

// Rows leave a view with a retention when they have not changed for so long, in memory and after restarts; what is taken back after
// that is ignored.
func TestViewRetention(t *testing.T) {
	w := newWorld()
	f := newFeed(2, 1)
	w.feeds[1] = f
	counts := countNode(t, scanNode(1))
	keep := viewNode(10, counts, 0)
	keep.Op.(*planner.Materialize).Retention = 60 * second
	ident(keep)
	jobs := []JobSpec{{ID: 10, Root: keep}, {ID: 11, Root: w.sinkNode(11, viewScanNode(10, counts.Schema), planner.Changelog)}}
	dir := filepath.Join(t.TempDir(), "state")
	var e *Engine
	var st *state.Store
	restart := func() {
		if e != nil {
			stop(t, e)
			require.NoError(t, st.Close())
		}
		var err error
		st, err = state.Open(vfs.OS, dir, state.Options{})
		require.NoError(t, err)
		cfg := w.config()
		cfg.Store = st
		e = startEngine(t, cfg, jobs...)
		for i := range jobs {
			jobs[i].Restore = true
		}
	}
	ctx := testContext(t)
	step := func(us int64, rows ...bid) []string {
		restart()
		w.advance(us)
		f.add("a", rows...)
		require.NoError(t, e.RunUntilIdle(ctx))
		p, err := e.Pin(ctx, 10)
		require.NoError(t, err)
		got := rowsOf(t, counts.Schema, p.Snapshots[10])
		require.Equal(t, w.media[11].text(), append([]string(nil), got...))
		return got
	}
	require.Equal(t, []string{"(1,1,5) x1", "(2,1,6) x1"}, step(0, bid{1, 5, 0, false}, bid{2, 6, 0, false}))
	require.Equal(t, []string{"(1,2,7) x1", "(2,1,6) x1"}, step(40*second, bid{1, 7, 0, false}))
	require.Equal(t, []string{"(1,2,7) x1"}, step(40*second))
	require.Equal(t, []string{"(1,2,7) x1", "(2,2,6) x1"}, step(0, bid{2, 1, 0, false}))
	require.Empty(t, step(60*second))
	stop(t, e)
	require.NoError(t, st.Close())
}

// What pruning skipped moves the watermark as if it had been read.
func TestSkippedRowsMoveTheWatermark(t *testing.T) {
	w := newWorld()
	f := newFeed(1, 1)
	f.skip = map[int]int64{1: 50 * second}
	w.feeds[1] = f
	f.add("a", bid{1, 1, 1 * second, false}, bid{1, 1, 45 * second, false}, bid{1, 1, 2 * second, false})
	timeOnly := scanNode(1)
	wm := watermarkNode(timeOnly, planner.Watermark{Emit: true})
	wm.Op.(*planner.Watermark).Expr = &expr.Column{Base: expr.Base{T: types.TimestampType}, Index: 2}
	ident(wm)
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)})
	defer stop(t, e)
	require.NoError(t, e.RunUntilIdle(testContext(t)))
	require.Equal(t, []string{"(1,1970-01-01 00:00:00,1970-01-01 00:00:10,1,1) x1"}, w.media[10].text())
	require.EqualValues(t, 50*second, e.Stats().Watermarks[0].SourceWM)
	require.Equal(t, map[Reason]int64{ReasonLate: 2}, rejectedCounts(e))
}

// An aggregation without keys has put its first row out before a second job comes: that job gets its own.
func TestNoSharingAfterFirstOutput(t *testing.T) {
	w := newWorld()
	w.feeds[1] = newFeed(1, 1)
	total := func() *planner.Node {
		return ident(&planner.Node{Op: &planner.Aggregate{Aggs: []planner.AggCall{aggCall(t, "count", types.Int8Type)}, Close: -1, RowWatermark: -1},
			Inputs: []*planner.Node{scanNode(1)}, Schema: types.Schema{{Name: "count", Type: types.Int8Type}}})
	}
	e := startEngine(t, w.config(), JobSpec{ID: 10, Root: w.sinkNode(10, total(), planner.Changelog)})
	defer stop(t, e)
	ctx := testContext(t)
	require.NoError(t, e.RunUntilIdle(ctx))
	require.NoError(t, e.AddJob(ctx, JobSpec{ID: 11, Root: w.sinkNode(11, total(), planner.Changelog)}))
	require.NoError(t, e.RunUntilIdle(ctx))
	require.Equal(t, []string{"(0) x1"}, w.media[10].text())
	require.Equal(t, []string{"(0) x1"}, w.media[11].text())
}

// Where the plan does not prove the sink's key, the last row of each key counts, and where it does, deletions still come first.
func TestUpserts(t *testing.T) {
	schema := types.Schema{{Name: "k", Type: types.Int8Type}, {Name: "v", Type: types.Int8Type}}
	b := &changelog.Batch{N: 6, Weights: []int64{1, -1, 1, 1, -1, 1},
		Cols: []arrow.Array{feedColumn(types.Int8Type, []int64{1, 1, 1, 2, 3, 4}), feedColumn(types.Int8Type, []int64{7, 5, 6, 1, 1, 1})}}
	text := func(unique bool) (rows []string) {
		out, err := sinkChanges(&planner.Sink{Mode: planner.Upsert, Key: []int{0}}, schema, unique, []*changelog.Batch{b})
		require.NoError(t, err)
		for _, b := range out {
			b.Each(func(row int) { rows = append(rows, fmt.Sprintf("%+d%s", b.Weight(row), recordText(schema, b, row))) })
		}
		return rows
	}
	require.Equal(t, []string{"-1(1,5)", "-1(3,1)", "+1(1,6)", "+1(2,1)", "+1(4,1)"}, text(false))
	require.Equal(t, []string{"-1(1,5)", "-1(3,1)", "+1(1,7)", "+1(1,6)", "+1(2,1)", "+1(4,1)"}, text(true))
	require.True(t, provesKey(&planner.Node{Props: planner.Props{Keys: [][]int{{2}, {0, 1}}}}, []int{1, 0}))
	require.False(t, provesKey(&planner.Node{Props: planner.Props{Keys: [][]int{{2}, {0, 1}}}}, []int{1}))
	_, err := sinkChanges(&planner.Sink{Mode: planner.Append, Name: "s"}, schema, false, []*changelog.Batch{b})
	require.ErrorContains(t, err, "only appends")
}

// Whoever waits for the end of a query that failed is answered when its sink, which was still being opened, is ready.
func TestWaitForSlowSink(t *testing.T) {
	w := newWorld()
	f := newFeed(10, 1)
	w.feeds[1] = f
	f.add("a", bid{1, 1, 1 * second, false})
	f.fail = func(string, int) error { return fmt.Errorf("no rights") }
	cfg := w.config()
	cfg.Partitions = time.Hour // nothing else wakes the driver
	root := w.sinkNode(10, scanNode(1), planner.Append)
	w.media[10].mu.Lock() // the sink cannot be opened
	e := startEngine(t, cfg, JobSpec{ID: 10, Root: root})
	defer stop(t, e)
	open := sync.OnceFunc(w.media[10].mu.Unlock)
	defer open()
	ctx := testContext(t)
	done := make(chan error, 1)
	go func() { done <- e.Wait(ctx) }()
	for waiting := false; !waiting; {
		require.NoError(t, ctx.Err())
		require.NoError(t, e.do(ctx, func() { waiting = len(e.idlers) == 1 && e.jobs[10].state == JobFailed }))
	}
	open()
	require.ErrorContains(t, <-done, "no rights")
}

// A query with a rate limit asks its sources for small pieces, since a chunk is taken as a whole.
func TestRateLimitAsksForLittle(t *testing.T) {
	in := newInputs(0, 1<<20, 1<<20, func() int64 { return 0 }, func() {}, nil)
	defer in.close()
	known := &partition{}
	l := &scanLeaf{in: in, parts: []*partition{known}}
	for _, c := range []struct {
		rows float64
		want int
	}{{0, 1 << 20}, {1, 10}, {10_000, 100_000}, {1e9, 1 << 20}} {
		l.limitRate(c.rows)
		require.Equal(t, c.want, in.pieceOf(known), "%v rows per second", c.rows)
		require.Equal(t, c.want, in.pieceOf(&partition{piece: l.piece}))
	}
}
