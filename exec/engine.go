package exec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// Config is what an engine is opened with.
type Config struct {
	// Store is the directory's log and state; nil: an engine in memory, which keeps nothing. The engine does not close it.
	Store   *state.Store
	Workers int // 0: GOMAXPROCS
	// MemoryLimit bounds state, read-ahead and outboxes, in bytes; 0: no limit.
	MemoryLimit int64
	// Clock is processing time in microseconds since 1970; nil: the machine's. It is called from any goroutine. Who moves it
	// by hand calls Engine.Wake afterwards.
	Clock  func() int64
	Logger *slog.Logger // nil: silent
	Env    *Env         // what operators are built with; nil: the defaults

	// OpenSource opens the source of a scan, OpenSink the sink of a job. They may block.
	OpenSource func(ctx context.Context, scan *planner.Scan) (Source, error)
	OpenSink   func(ctx context.Context, sink *planner.Sink) (Sink, error)

	EpochRows   int           // an epoch takes in about so many rows at most; 0: 1 << 20
	EpochBytes  int64         // and so many bytes; 0: 32 MiB
	ReadBytes   int           // a read asks for so many; 0: 1 MiB
	ReadAhead   int64         // bytes that may be read and wait for an epoch; 0: EpochBytes
	OutboxBytes int64         // a job's sources stand still while its sink's outbox holds more; 0: 64 MiB
	Trigger     time.Duration // the least time from one epoch's begin to the next's; 0: none
	// Partitions is how often sources are asked for new partitions; 0: every 10 s.
	Partitions time.Duration

	RejectedRows int           // rejected rows kept in streamsql.rejected; 0: 10,000
	RejectedAge  time.Duration // and how long by the clock; 0: 7 days

	// Check puts a checker behind every operator, which is slow and holds all rows: for tests.
	Check bool
	// Picture gets the statistics of a RunOnce at its end; nil: nobody.
	Picture func(Stats)
	// OnJob is told when a job ends or fails, from a goroutine of the engine; nil: nobody.
	OnJob func(id JobID, s JobState, err error)
}

func (c *Config) withDefaults() error {
	if c.OpenSource == nil {
		c.OpenSource = func(_ context.Context, s *planner.Scan) (Source, error) {
			return nil, types.Errorf(types.CodeNotSupported, "source %q cannot be opened here", s.Name)
		}
	}
	if c.OpenSink == nil {
		c.OpenSink = func(_ context.Context, s *planner.Sink) (Sink, error) {
			return nil, types.Errorf(types.CodeNotSupported, "sink %q cannot be opened here", s.Name)
		}
	}
	if c.Clock == nil {
		c.Clock = func() int64 { return time.Now().UnixMicro() }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Env == nil {
		c.Env = &Env{}
	}
	if c.Store == nil {
		s, err := state.Open(nil, "", state.Options{})
		if err != nil {
			return err
		}
		c.Store = s
	}
	def(&c.Workers, runtime.GOMAXPROCS(0))
	def(&c.EpochRows, 1<<20)
	def(&c.EpochBytes, 32<<20)
	def(&c.ReadBytes, 1<<20)
	def(&c.ReadAhead, c.EpochBytes)
	def(&c.OutboxBytes, 64<<20)
	def(&c.RejectedRows, 10_000)
	def(&c.RejectedAge, 7*24*time.Hour)
	def(&c.Partitions, 10*time.Second)
	return nil
}

func def[T int | int64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// Engine runs jobs: all of one data directory, in common epochs, on one graph. Its methods may be called from any goroutine.
//
// One goroutine drives: between epochs it takes requests (jobs come and go, views are pinned), then it takes in what
// sources have, runs an epoch, logs it, and hands its output to the publishers.
type Engine struct {
	cfg    Config
	store  *state.Store
	run    *runner
	in     *inputs
	opened changelog.Epoch // last prepared epoch when the engine was opened

	requests chan *request
	waker    chan struct{}
	stopped  chan struct{} // closed when the driver has ended
	running  chan struct{} // closed when the driver begins
	started  atomic.Bool
	before   sync.Mutex // held by what runs instead of the driver before Start

	// The driver's own.
	meta        *meta
	jobs        map[JobID]*job
	views       map[planner.ObjectID]*vertex // of Materialize
	rejects     *rejectLog
	epoch       changelog.Epoch // last prepared
	clock       int64           // of the last epoch
	began       time.Time       // of the last epoch
	waiting     time.Time       // when the first batch of the next epoch was seen; zero: none
	nextAdHoc   JobID
	acks        []ack
	writes      []writeAck // of the next epoch
	catalog     []byte
	altered     bool
	drops       []state.TableID
	dropSinks   []uint64
	idlers      []*idler
	stopping    *request
	snapshots   map[planner.ObjectID]*state.Snapshot // of RunOnce: what ViewScans read; nil: the engine's views
	subscribing *Subscription                        // of the ad-hoc job that is being installed
	epochBytes  int64                                // the most an epoch takes in, by what memory is free
	dropping    map[JobID]bool                       // in this alteration
	starting    []*publisher                         // of this alteration, once all is installed
	retired     sync.WaitGroup                       // publishers of dropped sinks
	tooMuch     bool                                 // the memory limit is reached: nothing is read

	mu    sync.Mutex // guards what follows
	stats Stats
	pins  map[planner.ObjectID]*pin
	err   error // why the engine ended by itself
	// Of the last prepared epoch, which pins belongs to.
	committed      changelog.Epoch
	committedClock int64
}

type ack struct {
	done chan<- error
	err  error
}

// request is something that the driver does between epochs.
type request struct {
	f    func() // on the driver's goroutine
	done chan error
}

// job is a query that runs.
type job struct {
	id      JobID
	name    string
	spec    JobSpec
	root    *vertex
	failing atomic.Bool // an operator failed in this epoch
	state   JobState
	err     error
	paused  bool
	// detached: the sink failed for good, and the output goes on into the log.
	detached bool
	since    changelog.Epoch
	sub      *Subscription
	pub      *publisher
}

// Open makes an engine on a store and takes its last record in. Nothing runs before Start.
func Open(cfg Config) (*Engine, error) {
	if err := cfg.withDefaults(); err != nil {
		return nil, err
	}
	head := cfg.Store.Last()
	m, err := decodeMeta(head.Meta)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, store: cfg.Store, run: newRunner(cfg.Workers, cfg.Check), meta: m, epoch: head.Epoch, clock: head.Clock, opened: head.Epoch,
		requests: make(chan *request), waker: make(chan struct{}, 1), stopped: make(chan struct{}), running: make(chan struct{}),
		epochBytes: cfg.EpochBytes, jobs: map[JobID]*job{}, views: map[planner.ObjectID]*vertex{}, pins: map[planner.ObjectID]*pin{}, nextAdHoc: AdHoc,
		committed: head.Epoch, committedClock: head.Clock,
	}
	for _, w := range e.run.workers {
		w.rej.most = cfg.RejectedRows
	}
	if err := e.openRejected(); err != nil {
		return nil, err
	}
	e.run.clock = e.now()
	e.in = newInputs(cfg.Workers, cfg.ReadAhead, cfg.ReadBytes, cfg.Clock, e.Wake, cfg.Logger)
	e.checkMemory()
	return e, nil
}

// Start begins to run epochs.
func (e *Engine) Start() {
	e.before.Lock()
	defer e.before.Unlock()
	if !e.started.Swap(true) {
		close(e.running)
		go e.drive()
	}
}

// later is do for the engine's own goroutines: before Start it waits for it.
func (e *Engine) later(ctx context.Context, f func()) error {
	select {
	case <-e.running:
		return e.do(ctx, f)
	case <-e.stopped:
		return e.errStopped()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wake makes the driver look at the clock and the sources again.
func (e *Engine) Wake() {
	select {
	case e.waker <- struct{}{}:
	default:
	}
}

// errStopped is what calls get after the end.
func (e *Engine) errStopped() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return e.err
	}
	return types.Errorf(types.CodeShutdown, "the engine has stopped")
}

// do runs f between epochs, by the driver if it runs, else here.
func (e *Engine) do(ctx context.Context, f func()) error {
	r := &request{f: f, done: make(chan error, 1)}
	e.before.Lock()
	if !e.started.Load() {
		defer e.before.Unlock()
		f()
		return nil
	}
	e.before.Unlock()
	select {
	case e.requests <- r:
	case <-e.stopped:
		return e.errStopped()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-e.stopped:
		return e.errStopped()
	}
}

// Stop ends the epoch that runs, publishes what is prepared, lets sinks make everything visible and closes all. When ctx ends before
// the sinks are done, what they have not published stays in the log for the next start. A sink that fails for good only now is an error.
func (e *Engine) Stop(ctx context.Context) error {
	e.before.Lock()
	if !e.started.Swap(true) {
		close(e.stopped)
		e.before.Unlock()
		return e.shut(ctx)
	}
	e.before.Unlock()
	err := e.do(context.WithoutCancel(ctx), func() { e.stopping = &request{} })
	if err == nil {
		<-e.stopped
	}
	late := e.shut(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Join(e.err, late)
}

// Done is closed when the driver has ended: after Stop, or by an error that ends everything (Err).
func (e *Engine) Done() <-chan struct{} { return e.stopped }

// Err returns the error that ended the engine, such as a log that cannot be written.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// shut closes sinks, sources and operators. The driver has ended. It returns the failures of sinks that nobody was told of.
func (e *Engine) shut(ctx context.Context) error {
	var wg sync.WaitGroup
	failures := make(chan error, len(e.jobs))
	for _, j := range e.jobs {
		if j.sub != nil {
			j.sub.end(types.Errorf(types.CodeShutdown, "the engine has stopped"))
		}
		if p := j.pub; p != nil {
			j.pub = nil
			wg.Go(func() {
				if e.Err() == nil {
					p.end()
					select {
					case <-p.done:
					case <-ctx.Done():
					}
				}
				p.stop()
				if err := p.failure(); err != nil && j.state != JobFailed {
					failures <- fmt.Errorf("sink %q: %w", p.name, err)
				}
			})
		}
	}
	wg.Wait()
	close(failures)
	e.retired.Wait()
	for _, v := range e.run.g.vertices {
		e.closeVertex(v)
	}
	e.in.close()
	e.run.g = newGraph(e.cfg.Workers)
	var all error
	for err := range failures {
		all = errors.Join(all, err)
	}
	return all
}

// idler waits until there is nothing to do.
type idler struct {
	bounded bool                 // until all jobs have ended; else until sources are confirmed at their end
	reads   map[*partition]int64 // how often each reader must have found its end
	lists   map[*scanLeaf]int64  // how often each source's partitions must have been listed
	done    chan error
}

// RunUntilIdle returns when every source has been confirmed, after the call, to stand at its end, all of it is run and prepared,
// and everything is published. It returns the first error of a job.
func (e *Engine) RunUntilIdle(ctx context.Context) error { return e.idle(ctx, false) }

// Wait returns when all jobs have ended or failed and everything is published; at once if there are none. It returns the first error
// of a job.
func (e *Engine) Wait(ctx context.Context) error { return e.idle(ctx, true) }

func (e *Engine) idle(ctx context.Context, bounded bool) error {
	if !e.started.Load() {
		return errors.New("the engine was not started")
	}
	w := &idler{bounded: bounded, done: make(chan error, 1)}
	err := e.do(ctx, func() {
		if !bounded {
			w.reads, w.lists = e.askEnds()
		}
		e.idlers = append(e.idlers, w)
	})
	if err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-e.stopped:
		select {
		case err := <-w.done:
			return err
		default:
		}
		return e.errStopped()
	case <-ctx.Done():
		_ = e.do(context.WithoutCancel(ctx), func() { e.forget(w) })
		return ctx.Err()
	}
}

// Stats returns a picture of the engine after its last epoch.
func (e *Engine) Stats() Stats {
	var s Stats
	if err := e.do(context.Background(), func() { s = e.picture() }); err != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.stats
	}
	return s
}
