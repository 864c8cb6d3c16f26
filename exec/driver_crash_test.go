package exec

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
	"github.com/streamsql/streamsql/types"
)

var errCrash = fmt.Errorf("the machine is gone: %w", vfs.ErrCrashed)

// crash counts the steps of a run that reach the world outside, the disk or a sink, and lets none through from the given one on, as
// if the process had been killed there.
type crash struct {
	mu    sync.Mutex
	at    int // 0: never
	steps int
	gone  chan struct{}
}

func newCrash(at int) *crash { return &crash{at: at, gone: make(chan struct{})} }

func (c *crash) step() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	if c.at > 0 && c.steps >= c.at {
		if c.steps == c.at {
			close(c.gone)
		}
		return errCrash
	}
	return nil
}

func (c *crash) happened() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// hook makes a file system crash with c.
func (c *crash) hook(op vfs.Op, _ string) error {
	if op < vfs.OpCreate {
		if c.happened() {
			return errCrash
		}
		return nil
	}
	return c.step()
}

// crashSink is a sink under a crash: a publication happens as a whole or not at all, and the process may be killed before it is
// told.
type crashSink struct {
	Sink
	c *crash
}

func (s crashSink) Publish(ctx context.Context, m Marker, changes []*changelog.Batch) error {
	if err := s.c.step(); err != nil {
		return err
	}
	if err := s.Sink.Publish(ctx, m, changes); err != nil {
		return err
	}
	return s.c.step()
}

// At every step that reaches the disk or a sink the process is killed, what was not synced is forgotten (or, here and there, not), and
// a new process goes on to the end: no row is lost, none comes twice, in no sink.
func TestCrashAtEveryStep(t *testing.T) {
	for at := 1; ; at++ {
		c := newCrash(at)
		f := newFeed(4, 2)
		p := newPipeline(t, 26, f)
		disk := vfs.NewMem()
		done := p.runUnder(t, c, disk, 1+at%3)
		if !done {
			require.True(t, c.happened())
			disk.Hook(nil)
			if at%2 == 0 {
				disk = disk.CrashClone()
			} else {
				disk = disk.CrashCloneRand(rand.New(rand.NewPCG(uint64(at), 1)))
			}
			require.True(t, p.runUnder(t, newCrash(0), disk, 1+(at+1)%3), "at step %d", at)
		}
		p.check(t)
		if t.Failed() {
			t.Fatalf("crashed at step %d", at)
		}
		if done {
			require.Greater(t, at, 30)
			return
		}
	}
}

// runUnder runs the pipeline until its end (true) or the crash.
func (p *pipeline) runUnder(t *testing.T, c *crash, disk *vfs.Mem, workers int) bool {
	disk.Hook(c.hook)
	st, err := state.Open(disk, "/state", state.Options{SegmentBytes: 20_000})
	if err != nil {
		require.True(t, c.happened(), "%v", err)
		return false
	}
	cfg := p.w.config()
	open := cfg.OpenSink
	cfg.OpenSink = func(ctx context.Context, s *planner.Sink) (Sink, error) {
		sink, err := open(ctx, s)
		if err != nil {
			return nil, err
		}
		return crashSink{sink, c}, nil
	}
	cfg.Store, cfg.Workers, cfg.EpochRows = st, workers, 20
	e, err := Open(cfg)
	if err != nil {
		require.True(t, c.happened(), "%v", err)
		_ = st.Close()
		return false
	}
	known := st.Last().Epoch > 0 // else the jobs were never logged, and are made anew
	err = e.Alter(context.Background(), Alteration{Add: p.restored(known)})
	require.True(t, err == nil || c.happened(), "%v", err)
	e.Start()
	ctx, cancel := context.WithCancel(testContext(t))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-c.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = e.Wait(ctx)
	if err != nil || c.happened() {
		cancel()
	}
	err = errors.Join(err, e.Stop(ctx))
	cancel()
	<-stopped
	err = errors.Join(err, st.Close())
	require.True(t, err == nil || c.happened(), "%v", err)
	return err == nil && !c.happened()
}

// A full disk ends the engine with an error that says so; with room again everything goes on, exactly once.
func TestFullDisk(t *testing.T) {
	f := newFeed(4, 2)
	p := newPipeline(t, 40, f)
	disk := vfs.NewMem()
	run := func() error {
		st, err := state.Open(disk, "/state", state.Options{})
		if err != nil {
			return err
		}
		cfg := p.w.config()
		cfg.Store, cfg.EpochRows = st, 10
		e, err := Open(cfg)
		require.NoError(t, err)
		require.NoError(t, e.Alter(context.Background(), Alteration{Add: p.restored(st.Last().Epoch > 0)}))
		e.Start()
		err = e.Wait(testContext(t))
		if err != nil {
			<-e.Done()
			require.Error(t, e.Err())
			require.Error(t, e.AddJob(context.Background(), p.jobs[0]))
		}
		_ = e.Stop(testContext(t))
		_ = st.Close()
		return err
	}
	disk.SetFree(12_000)
	err := run()
	require.Equal(t, types.CodeDiskFull, types.CodeOf(err), "%v", err)
	disk.SetFree(-1)
	require.NoError(t, run())
	p.check(t)
}
