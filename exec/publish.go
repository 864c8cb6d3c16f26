package exec

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// publisher drains one sink's outbox, epoch by epoch, at the sink's own pace. Neither the epochs nor other sinks wait for it, up to
// the outbox's limit in bytes.
type publisher struct {
	id     uint64
	name   string
	schema types.Schema
	sink   Sink
	store  *state.Store
	log    *slog.Logger
	mend   string          // the way out chosen for a marker that does not fit: "", "append" or "reset"
	opened changelog.Epoch // last prepared epoch when this generation began
	since  changelog.Epoch // last prepared epoch when this publisher was made: older output is in the log, newer comes by add
	logged bool
	wake   func()
	failed func(error)

	cancel context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	cond      *sync.Cond
	queue     []outbox
	bytes     int64
	prepared  changelog.Epoch // newest that was queued
	published changelog.Epoch
	ready     bool // opened: what an earlier run left is in the queue
	finish    bool // Finish when drained, then end
	err       error
	trouble   error // the last error that may pass
	spent     time.Duration
}

// outbox is what a sink is to publish of one epoch.
type outbox struct {
	epoch   changelog.Epoch
	body    []byte // logged
	changes []*changelog.Batch
	bytes   int64
}

// publishBytes is about how much is given to a sink in one call.
const publishBytes = 16 << 20

// newPublisher makes a publisher ready for add; nothing happens before start.
func newPublisher(p *publisher) *publisher {
	p.cond = sync.NewCond(&p.mu)
	p.done = make(chan struct{})
	return p
}

// start begins to publish once those before, which may write to the same medium, are done.
func (p *publisher) start(before []*publisher) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		p.cond.Broadcast()
		p.mu.Unlock()
	})
	go func() {
		for _, b := range before {
			select {
			case <-b.done:
			case <-ctx.Done():
			}
		}
		p.loop(ctx)
	}()
}

// stop ends the publisher at once; what is not published stays in the log.
func (p *publisher) stop() {
	if p.cancel == nil { // never started
		if err := p.sink.Close(); err != nil {
			p.log.Warn("close a sink", "sink", p.name, "err", err)
		}
		return
	}
	p.cancel()
	<-p.done
}

// add queues an epoch's output; it is prepared already.
func (p *publisher) add(o outbox) {
	p.mu.Lock()
	if p.err != nil {
		o.body, o.changes = nil, nil // in the log, for the next start
	}
	p.queue = append(p.queue, o)
	p.bytes += o.bytes
	p.prepared = o.epoch
	p.cond.Broadcast()
	p.mu.Unlock()
}

// end asks for Finish when everything is published; no add follows.
func (p *publisher) end() {
	p.mu.Lock()
	p.finish = true
	p.cond.Broadcast()
	p.mu.Unlock()
}

// drained reports whether nothing more will be published of what was added.
func (p *publisher) drained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue) == 0 && p.ready || p.err != nil
}

// failure is the error with which the sink failed for good.
func (p *publisher) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// queued returns how many bytes wait.
func (p *publisher) queued() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// state returns what Stats shows.
func (p *publisher) state() (published, prepared changelog.Epoch, bytes int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err = p.err
	if err == nil {
		err = p.trouble
	}
	return p.published, p.prepared, p.bytes, err
}

func (p *publisher) loop(ctx context.Context) {
	defer close(p.done)
	err := p.retry(ctx, p.open)
	for err == nil {
		var work []outbox
		finish := false
		p.mu.Lock()
		for len(p.queue) == 0 && !p.finish && ctx.Err() == nil {
			p.cond.Wait()
		}
		var size int64
		for _, o := range p.queue {
			if len(work) > 0 && size+o.bytes > publishBytes {
				break
			}
			work = append(work, o)
			size += o.bytes
		}
		finish = p.finish && len(p.queue) == 0
		p.mu.Unlock()
		if ctx.Err() != nil {
			break
		}
		if finish {
			err = p.retry(ctx, p.sink.Finish)
			break
		}
		began := time.Now()
		err = p.retry(ctx, func(ctx context.Context) error { return p.give(ctx, work) })
		if err != nil {
			break
		}
		last := work[len(work)-1].epoch
		p.mu.Lock()
		p.queue = p.queue[len(work):]
		p.bytes -= size
		p.published = last
		p.spent += time.Since(began)
		p.mu.Unlock()
		if p.logged {
			p.store.Published(p.id, last)
		}
		p.wake()
	}
	if e := p.sink.Close(); err == nil {
		err = e
	}
	if err != nil && ctx.Err() == nil {
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		p.failed(err)
	}
	p.wake()
}

// retry calls f until it succeeds, fails for good, or ctx ends.
func (p *publisher) retry(ctx context.Context, f func(context.Context) error) error {
	again := backoff{}
	for {
		err := protected(ctx, f)
		p.mu.Lock()
		p.trouble = err
		p.mu.Unlock()
		if err == nil || ctx.Err() != nil || !Transient(err) {
			return err
		}
		p.log.Warn("a sink failed, trying again", "sink", p.name, "err", err)
		if !again.wait(ctx) {
			return ctx.Err()
		}
	}
}

func protected(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = types.Errorf(types.CodeInternal, "internal error in a sink: %v\n%s", r, debug.Stack())
		}
	}()
	return f(ctx)
}

func (p *publisher) give(ctx context.Context, work []outbox) error {
	var changes []*changelog.Batch
	for _, o := range work {
		if o.body == nil {
			changes = append(changes, o.changes...)
			continue
		}
		batches, err := changelog.ReadIPC(o.body, p.schema)
		if err != nil {
			return fmt.Errorf("read the outbox of epoch %d: %w", o.epoch, err)
		}
		changes = append(changes, batches...)
	}
	return p.sink.Publish(ctx, p.self(work[len(work)-1].epoch), changes)
}

func (p *publisher) self(epoch changelog.Epoch) Marker {
	return Marker{Engine: p.store.EngineID(), Generation: p.store.Generation(), Epoch: epoch}
}

// open opens the sink, compares its marker with the log, and queues what was prepared and is not in the sink. It runs before
// anything is published; what was queued meanwhile is newer.
func (p *publisher) open(ctx context.Context) error {
	m, ok, err := p.sink.Open(ctx, p.self(p.opened))
	if err != nil {
		return err
	}
	after := p.store.LastPublished(p.id)
	if !p.logged {
		p.mu.Lock()
		p.ready = true
		p.mu.Unlock()
		p.wake()
		return nil
	}
	if _, unmarked := p.sink.(sinks.Unmarked); !unmarked {
		err := checkMarker(p.self(p.opened), after, m, ok)
		switch {
		case err == nil && ok:
			after = max(after, m.Epoch)
		case err == nil:
		case p.mend == "append":
			p.log.Warn("going on behind what the sink holds", "sink", p.name, "err", err)
		case p.mend == "reset":
			r, can := p.sink.(sinks.Resetter)
			if !can {
				return types.Errorf(types.CodeNotSupported, "not supported yet: reset of sink %q", p.name).WithHint("%s", err.Error())
			}
			p.log.Warn("emptying the sink", "sink", p.name, "err", err)
			if err := r.Reset(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
	var old []outbox
	for e, err := range p.store.Outbox(p.id, after) {
		if err != nil {
			return err
		}
		if e.Epoch > p.since {
			break // queued by add
		}
		old = append(old, outbox{epoch: e.Epoch, body: e.Body, bytes: int64(len(e.Body))})
	}
	p.mu.Lock()
	for _, o := range old {
		p.bytes += o.bytes
		p.prepared = max(p.prepared, o.epoch)
	}
	p.queue = append(old, p.queue...)
	p.published = max(p.published, after)
	p.ready = true
	p.mu.Unlock()
	p.wake()
	if after > 0 {
		p.store.Published(p.id, after)
	}
	return nil
}

// checkMarker compares the marker that a sink holds with the log. self carries the last epoch that was prepared when
// this generation began; published is the last epoch that the log knows to be published.
func checkMarker(self Marker, published changelog.Epoch, m Marker, ok bool) error {
	way := func(format string, args ...any) error {
		return types.Errorf(types.CodeObjectInUse, format, args...).
			WithHint("choose by the sink's option on_marker: 'append' goes on behind what it holds, 'reset' empties it first")
	}
	switch {
	case !ok && published > 0:
		return way("epoch %d was published to it, and it holds no marker any more", published)
	case !ok:
		return nil
	case m.Engine != self.Engine:
		return way("it was written by another engine (%s, up to epoch %d)", m.Engine, m.Epoch)
	case m.Generation > self.Generation:
		return way("it was written by a later run of this engine (generation %d, this one is %d)", m.Generation, self.Generation)
	case m.Generation < self.Generation && m.Epoch > self.Epoch:
		return way("it holds epoch %d, which is ahead of the log's %d: the engine was rolled back, or its directory is an old copy", m.Epoch, self.Epoch)
	case m.Epoch < published:
		return way("epoch %d was published to it, and it holds only epoch %d", published, m.Epoch)
	}
	return nil
}
