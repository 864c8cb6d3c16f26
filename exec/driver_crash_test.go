package exec

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/state/vfs"
)

var errCrash = errors.New("the machine is gone")

// crash counts the steps of a run that reach the world outside, and lets none through from the given one on, as if the process had
// been killed there. A write that is the step gets through by half.
type crash struct {
	mu    sync.Mutex
	at    int  // 0: never
	armed bool // steps count
	steps int
	gone  chan struct{}
}

func newCrash(at int) *crash { return &crash{at: at, gone: make(chan struct{})} }

func (c *crash) step() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed {
		return nil
	}
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

// crashFS is a file system under a crash. What was written and not synced stays: state's own tests forget it.
type crashFS struct {
	vfs.FS
	c *crash
}

func (f crashFS) file(file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return crashFile{file, f.c}, nil
}

func (f crashFS) Create(name string) (vfs.File, error) {
	if err := f.c.step(); err != nil {
		return nil, err
	}
	return f.file(f.FS.Create(name))
}

func (f crashFS) OpenAppend(name string) (vfs.File, error) {
	if err := f.c.step(); err != nil {
		return nil, err
	}
	return f.file(f.FS.OpenAppend(name))
}

func (f crashFS) OpenRead(name string) (vfs.File, error) { return f.file(f.FS.OpenRead(name)) }

func (f crashFS) Rename(a, b string) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.Rename(a, b)
}

func (f crashFS) Remove(name string) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f crashFS) Link(a, b string) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.Link(a, b)
}

func (f crashFS) MkdirAll(dir string) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir)
}

func (f crashFS) Truncate(name string, size int64) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.Truncate(name, size)
}

func (f crashFS) SyncDir(dir string) error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

func (f crashFS) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

func (f crashFS) Stat(name string) (fs.FileInfo, error) { return f.FS.Stat(name) }

type crashFile struct {
	vfs.File
	c *crash
}

func (f crashFile) Write(p []byte) (int, error) {
	if err := f.c.step(); err != nil {
		f.c.mu.Lock()
		torn := f.c.steps == f.c.at
		f.c.mu.Unlock()
		if torn {
			n, _ := f.File.Write(p[:len(p)/2])
			return n, err
		}
		return 0, err
	}
	return f.File.Write(p)
}

func (f crashFile) Sync() error {
	if err := f.c.step(); err != nil {
		return err
	}
	return f.File.Sync()
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

// At every step that reaches the disk or a sink the process is killed, recovered, and goes on to the end: no row is lost, none
// comes twice, in no sink.
func TestCrashAtEveryStep(t *testing.T) {
	for at := 1; ; at++ {
		c := newCrash(at)
		f := newFeed(4, 2)
		p := newPipeline(t, 26, f)
		dir := filepath.Join(t.TempDir(), "state")
		done := p.runUnder(t, c, dir, 1+at%3, false)
		if !done {
			require.True(t, c.happened())
			c = newCrash(0)
			require.True(t, p.runUnder(t, c, dir, 1+(at+1)%3, true), "at step %d", at)
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
func (p *pipeline) runUnder(t *testing.T, c *crash, dir string, workers int, again bool) bool {
	st, err := state.Open(crashFS{vfs.OS, c}, dir, state.Options{SegmentBytes: 20_000})
	require.NoError(t, err)
	c.mu.Lock()
	c.armed = true // crashes in Open are state's to test
	c.mu.Unlock()
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
	require.NoError(t, err)
	known := again && st.Last().Epoch > 0 // else the catalog was not logged, and the jobs are made anew
	require.NoError(t, e.Alter(context.Background(), Alteration{Add: p.restored(known)}))
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
	ended := err == nil && !c.happened()
	if ended {
		err = e.Stop(ctx)
		ended = err == nil && !c.happened()
	} else {
		cancel()
		_ = e.Stop(ctx)
	}
	cancel()
	<-stopped
	if err := st.Close(); err != nil && ended {
		ended = false
	}
	return ended && !c.happened()
}
