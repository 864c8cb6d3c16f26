package exec

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

// pipeline is a set of jobs of every kind over one source, with the answers that its sinks must hold in the end.
type pipeline struct {
	w     *world
	jobs  []JobSpec
	check func(t *testing.T)
}

func newPipeline(t *testing.T, rows int, f *feed) *pipeline {
	w := newWorld()
	w.feeds[1] = f
	parts := testBids(rows)
	parts["a"][rows/2].bad = true
	f.add("a", parts["a"]...)
	f.add("b", parts["b"]...)
	f.end()
	wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true, IdleTimeout: second})
	counts := countNode(t, scanNode(1))
	p := &pipeline{w: w, jobs: []JobSpec{
		{ID: 10, Name: "windows", Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)},
		{ID: 11, Name: "window changes", Root: w.sinkNode(11, winNode(t, wm, planner.EmitChanges), planner.Changelog)},
		{ID: 12, Name: "view", Root: viewNode(12, counts, 0)},
		{ID: 13, Name: "above the view", Root: w.sinkNode(13, viewScanNode(12, counts.Schema), planner.Upsert, 0)},
		{ID: 14, Name: "rows", Root: w.sinkNode(14, scanNode(1), planner.Append)},
	}}
	windows, late := windowAnswer(parts)
	p.check = func(t *testing.T) {
		require.Equal(t, windows, w.media[10].text())
		require.Equal(t, windows, w.media[11].text())
		require.Equal(t, countAnswer(parts), w.media[13].text())
		require.Len(t, w.media[14].lines, 2*rows-1)
		require.NotZero(t, late)
	}
	return p
}

func (p *pipeline) restored(restore bool) []JobSpec {
	jobs := append([]JobSpec(nil), p.jobs...)
	for i := range jobs {
		jobs[i].Restore = restore
	}
	return jobs
}

// An engine that is stopped after every few rows, also with another number of workers, and while its sinks have not published,
// goes on where it was.
func TestRestartAfterEachEpoch(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers []int
		rows    int
		publish bool // before stopping
	}{
		{"1 worker", []int{1}, 7, true},
		{"workers come and go", []int{3, 1, 2}, 13, true},
		{"stopped before publishing", []int{2}, 11, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			const rows = 90
			f := newFeed(3, 2)
			p := newPipeline(t, rows, f)
			dir := filepath.Join(t.TempDir(), "state")
			rejected := int64(0)
			for run := 0; ; run++ {
				st, err := state.Open(vfs.OS, dir, state.Options{})
				require.NoError(t, err)
				cfg := p.w.config()
				cfg.Store, cfg.Workers = st, c.workers[run%len(c.workers)]
				f.mu.Lock()
				f.limit += c.rows
				done := f.limit >= rows+c.rows
				f.touch()
				f.mu.Unlock()
				e := startEngine(t, cfg, p.restored(run > 0)...)
				ctx, cancel := context.WithCancel(testContext(t))
				if done || c.publish {
					require.NoError(t, e.RunUntilIdle(ctx))
				} else {
					eventuallyRows(t, e, f)
				}
				s := e.Stats()
				rejected = 0
				for _, r := range s.Rejected {
					rejected += r.Rows
				}
				if done {
					require.NoError(t, e.Wait(ctx))
				} else if !c.publish {
					cancel() // so that sinks are not waited for
				}
				_ = e.Stop(ctx)
				require.NoError(t, e.Err())
				require.NoError(t, st.Close())
				cancel()
				if done {
					break
				}
			}
			p.check(t)
			parts := testBids(rows)
			parts["a"][rows/2].bad = true
			_, late := windowAnswer(parts)
			require.EqualValues(t, 2*late+1, rejected)
		})
	}
}

// eventuallyRows waits until all rows that there are have been prepared.
func eventuallyRows(t *testing.T, e *Engine, f *feed) {
	ctx := testContext(t)
	for {
		require.NoError(t, ctx.Err())
		at := map[string]int{}
		require.NoError(t, e.do(ctx, func() {
			for _, v := range e.run.g.vertices {
				if l, ok := v.leaf.(*scanLeaf); ok {
					for _, p := range l.parts {
						at[p.name] = len(p.position)
						if p.position != nil {
							at[p.name] = int(p.position[6])<<8 | int(p.position[7])
						}
					}
				}
			}
		}))
		f.mu.Lock()
		all := len(at) > 0
		for _, p := range f.parts {
			all = all && at[p.name] == min(f.limit, len(p.rows))
		}
		f.mu.Unlock()
		if all {
			return
		}
		e.Wake()
	}
}

// The log of another form, or of another engine's sink, is refused with the way out.
func TestForeignSink(t *testing.T) {
	f := newFeed(3, 2)
	p := newPipeline(t, 40, f)
	dir := filepath.Join(t.TempDir(), "state")
	p.w.media[14].ok = true
	p.w.media[14].marker = Marker{Engine: "other", Generation: 1, Epoch: 7}
	open := func(mend string) error {
		st, err := state.Open(vfs.OS, dir, state.Options{})
		require.NoError(t, err)
		defer st.Close()
		cfg := p.w.config()
		cfg.Store = st
		jobs := p.restored(true)
		jobs[4].OnMarker = mend
		e := startEngine(t, cfg, jobs...)
		err = e.Wait(testContext(t))
		stop(t, e)
		return err
	}
	err := open("")
	require.ErrorContains(t, err, "another engine")
	require.Empty(t, p.w.media[14].lines)
	require.NotEmpty(t, p.w.media[10].lines, "other sinks go on")
	require.ErrorContains(t, open("reset"), "not supported yet")
	require.NoError(t, open("append"))
	p.check(t)
	require.NoError(t, open(""))
	p.check(t)
}

// A query whose sink failed goes on at the next start where the sink is: alone its sources stood still, and where it shares them
// its output was kept in the log.
func TestFailedSinkAfterRestart(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newWorld()
		f := newFeed(1, 1)
		w.feeds[1] = f
		f.add("a", testBids(10)["a"]...)
		f.end()
		jobs := []JobSpec{{ID: 10, Name: "fails", Root: w.sinkNode(10, scanNode(1), planner.Append)}}
		if shared {
			jobs = append(jobs, JobSpec{ID: 11, Name: "other", Root: w.sinkNode(11, scanNode(1), planner.Append)})
		}
		w.media[10].fail = func(call int) error { return fmt.Errorf("broken") }
		run := w.runner(t, jobs)
		require.ErrorContains(t, run(), "broken")
		w.media[10].fail = nil
		require.NoError(t, run())
		require.Len(t, w.media[10].lines, 10)
		if shared {
			require.Len(t, w.media[11].lines, 10)
		}
	}
}

// runner runs the jobs to their end each time it is called, in one directory.
func (w *world) runner(t *testing.T, jobs []JobSpec) func() error {
	dir := filepath.Join(t.TempDir(), "state")
	return func() error {
		st, err := state.Open(vfs.OS, dir, state.Options{})
		require.NoError(t, err)
		defer st.Close()
		cfg := w.config()
		cfg.Store, cfg.EpochRows = st, 1
		e := startEngine(t, cfg, jobs...)
		err = e.Wait(testContext(t))
		stop(t, e)
		for i := range jobs {
			jobs[i].Restore = true
		}
		return err
	}
}

// A query in which an operator failed stays failed if the sources that it shares went on.
func TestFailedOperatorAfterRestart(t *testing.T) {
	int8Expr := func(v int64) expr.Expr { return &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v} }
	call := func(op string, args ...expr.Expr) expr.Expr {
		ts := make([]types.Type, len(args))
		for i, a := range args {
			ts[i] = a.Type()
		}
		o, err := expr.ResolveOperator(op, ts)
		require.NoError(t, err)
		return &expr.Call{Base: expr.Base{T: o.Result}, Fn: o.ID, Args: args}
	}
	price := &expr.Column{Base: expr.Base{T: types.Int8Type}, Index: 1, Name: "price"}
	for _, shared := range []bool{false, true} {
		w := newWorld()
		f := newFeed(1, 1)
		w.feeds[1] = f
		f.add("a", bid{1, 1, 0, false}, bid{1, 2, 0, false}, bid{1, 0, 0, false}, bid{1, 3, 0, false})
		f.end()
		scan := scanNode(1)
		filter := ident(&planner.Node{Op: &planner.Filter{Pred: call(">", call("/", int8Expr(6), price), int8Expr(0)), OnError: planner.Fail},
			Inputs: []*planner.Node{scan}, Schema: scan.Schema, Props: scan.Props})
		jobs := []JobSpec{{ID: 10, Name: "fails", Root: w.sinkNode(10, filter, planner.Append)}}
		if shared {
			jobs = append(jobs, JobSpec{ID: 11, Name: "other", Root: w.sinkNode(11, scanNode(1), planner.Append)})
		}
		run := w.runner(t, jobs)
		err := run()
		require.ErrorContains(t, err, "division by zero")
		require.ErrorContains(t, err, "Filter #")
		require.Len(t, w.media[10].lines, 2)
		err = run()
		require.ErrorContains(t, err, "division by zero")
		if shared {
			require.ErrorContains(t, err, "drop the query and create it anew")
			require.Len(t, w.media[11].lines, 4)
			continue
		}
		f.parts[0].rows[2].price = 6 // mended
		require.NoError(t, run())
		require.Len(t, w.media[10].lines, 4)
	}
}

// A query that failed goes on by Resume, without a restart, once what was wrong is mended.
func TestResumeFailedJob(t *testing.T) {
	for _, shared := range []bool{false, true} {
		w := newWorld()
		f := newFeed(3, 1)
		w.feeds[1] = f
		parts := testBids(30)
		f.add("a", parts["a"][:15]...)
		st, err := state.Open(vfs.NewMem(), "/state", state.Options{})
		require.NoError(t, err)
		cfg := w.config()
		cfg.Store, cfg.EpochRows, cfg.Workers = st, 5, 2
		jobs := []JobSpec{{ID: 10, Name: "fails", Root: w.sinkNode(10, countNode(t, scanNode(1)), planner.Upsert, 0)}}
		if shared {
			jobs = append(jobs, JobSpec{ID: 11, Name: "other", Root: w.sinkNode(11, countNode(t, scanNode(1)), planner.Upsert, 0)})
		}
		broken := false
		w.media[10].fail = func(int) error {
			if broken {
				return fmt.Errorf("broken")
			}
			return nil
		}
		e := startEngine(t, cfg, jobs...)
		ctx := testContext(t)
		require.NoError(t, e.RunUntilIdle(ctx)) // some epochs are good
		w.media[10].mu.Lock()
		broken = true
		w.media[10].mu.Unlock()
		f.add("a", parts["a"][15:]...)
		for e.Stats().Jobs[0].State != JobFailed {
			require.NoError(t, ctx.Err())
			time.Sleep(time.Millisecond)
		}
		require.ErrorContains(t, e.RunUntilIdle(ctx), "broken")
		w.media[10].mu.Lock()
		broken = false
		w.media[10].mu.Unlock()
		require.NoError(t, e.Resume(ctx, 10))
		f.add("a", parts["b"]...)
		require.NoError(t, e.RunUntilIdle(ctx))
		want := countAnswer(parts)
		require.Equal(t, want, w.media[10].text())
		if shared {
			require.Equal(t, want, w.media[11].text())
			require.EqualValues(t, 60, e.Stats().RowsIn)
		}
		stop(t, e)
		require.NoError(t, st.Close())
	}
}

// A restart does not make a quiet source young again: when its reader confirms that nothing has come, it has been quiet since the
// last epoch that took something in.
func TestIdleOverRestart(t *testing.T) {
	w := newWorld()
	f := newFeed(3, 1)
	w.feeds[1] = f
	f.add("a", bid{1, 1, 1 * second, false}, bid{1, 1, 12 * second, false})
	wm := watermarkNode(scanNode(1), planner.Watermark{Emit: true, IdleTimeout: 30 * second})
	jobs := []JobSpec{{ID: 10, Root: w.sinkNode(10, winNode(t, wm, planner.EmitOnClose), planner.Append)}}
	disk := vfs.NewMem()
	for _, c := range []struct{ clock, rows int64 }{{0, 0}, {29 * second, 0}, {2 * second, 2}} {
		w.advance(c.clock)
		st, err := state.Open(disk, "/state", state.Options{})
		require.NoError(t, err)
		cfg := w.config()
		cfg.Store = st
		e := startEngine(t, cfg, jobs...)
		require.NoError(t, e.RunUntilIdle(testContext(t)))
		require.Len(t, w.media[10].text(), int(c.rows))
		stop(t, e)
		require.NoError(t, st.Close())
		jobs[0].Restore = true
	}
}
