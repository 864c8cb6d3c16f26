package exec

import (
	"context"
	"strings"
	"sync"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// Pinned is the rows of some views at one prepared epoch. It needs no release and never changes.
type Pinned struct {
	Epoch     changelog.Epoch
	Clock     int64
	Snapshots map[planner.ObjectID]*state.Snapshot
}

// pin is a snapshot of a view at the last prepared epoch.
type pin struct {
	snapshot *state.Snapshot // nil: taken when it is asked for
	used     bool
}

// Pin returns views, or streamsql.rejected, at the last prepared epoch, all at the same one.
//
// A view that is read often is pinned anew at every epoch that changes it, and Pin does not wait; else Pin waits for the epoch that
// runs.
//
// Errors: 42P01 for a view that this engine does not keep.
func (e *Engine) Pin(ctx context.Context, objects ...planner.ObjectID) (*Pinned, error) {
	if p := e.pinned(objects); p != nil {
		return p, nil
	}
	var out *Pinned
	var failed error
	err := e.do(ctx, func() {
		e.mu.Lock()
		for _, o := range objects {
			p := e.pins[o]
			if p == nil {
				p = &pin{}
				e.pins[o] = p
			}
			if p.snapshot != nil {
				continue
			}
			switch v := e.views[o]; {
			case o == planner.RejectedID:
				p.snapshot = e.rejects.view.Pin()
			case v != nil && !v.dead.Load():
				p.snapshot = v.root.(*viewRoot).view.Pin()
			default:
				delete(e.pins, o)
				failed = types.Errorf(types.CodeUndefinedTable, "view %d is not kept by this engine, or its query failed", o)
			}
		}
		e.mu.Unlock()
		if failed == nil {
			out = e.pinned(objects)
		}
	})
	if err == nil {
		err = failed
	}
	return out, err
}

// pinned returns what is pinned already, or nil.
func (e *Engine) pinned(objects []planner.ObjectID) *Pinned {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := &Pinned{Epoch: e.committed, Clock: e.committedClock, Snapshots: map[planner.ObjectID]*state.Snapshot{}}
	for _, o := range objects {
		p := e.pins[o]
		if p == nil || p.snapshot == nil {
			return nil
		}
		p.used = true
		out.Snapshots[o] = p.snapshot
	}
	return out
}

// refreshPins takes a changed epoch in: views that were read since the last one are pinned anew, the others when they are
// asked for.
func (e *Engine) refreshPins(epoch changelog.Epoch, clock int64, changed map[planner.ObjectID]*state.View) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.committed, e.committedClock = epoch, clock
	for o, v := range changed {
		p := e.pins[o]
		switch {
		case p == nil:
		case p.used:
			p.snapshot, p.used = v.Pin(), false
		default:
			p.snapshot = nil
		}
	}
}

// openRejected brings streamsql.rejected back.
func (e *Engine) openRejected() error {
	known := e.meta.RejectedID != 0
	if !known {
		e.meta.RejectedID = e.meta.NextTable
		e.meta.NextTable++
	}
	view := state.NewView(e.meta.RejectedID, "streamsql.rejected", planner.RejectedSchema(), []int{0})
	if known && e.store.Durable() {
		if err := e.store.Load(view, nil); err != nil {
			return err
		}
	}
	e.rejects = newRejectLog(view, e.cfg.RejectedRows, e.cfg.RejectedAge.Microseconds())
	e.rejects.nextID = max(1, e.meta.NextRejected)
	for k, n := range e.meta.Rejected {
		reason, source, _ := strings.Cut(k, " ")
		e.rejects.counts[rejectKey{Reason(reason), source}] = n
	}
	return e.rejects.restore()
}

// feedRejected hands the epoch's rejected rows to the continuous queries over streamsql.rejected, which see them in the
// next epoch; until then they stand in meta.
func (e *Engine) feedRejected() error {
	var feed []*changelog.Batch
	for _, v := range e.run.g.vertices {
		l, ok := v.leaf.(*viewLeaf)
		if !ok || l.op.Object != planner.RejectedID || v.dead.Load() || !l.loaded {
			continue
		}
		l.feed = append(l.feed, e.rejects.changes...)
		feed = l.feed
	}
	e.meta.Feed = nil
	if len(feed) == 0 {
		return nil
	}
	var err error
	e.meta.Feed, err = changelog.AppendIPC(nil, planner.RejectedSchema(), feed)
	return err
}

// Change is what an epoch changed in the result of an ad-hoc query: consolidated, deletions first.
type Change struct {
	Epoch   changelog.Epoch
	Clock   int64
	Batches []*changelog.Batch
}

// Subscription is the running result of an ad-hoc query.
type Subscription struct {
	e  *Engine
	id JobID

	mu     sync.Mutex
	queue  []Change
	bytes  int64
	ended  bool
	err    error
	signal chan struct{} // holds one token when something changed
}

// Subscribe runs an ad-hoc query, whose root is planner.Output: it keeps nothing in the log, and begins where its sources are
// declared to begin and with what its views hold. While more than Config.OutboxBytes wait to be taken, its sources stand
// still.
func (e *Engine) Subscribe(ctx context.Context, name string, root *planner.Node) (*Subscription, error) {
	s := &Subscription{e: e, signal: make(chan struct{}, 1)}
	if err := e.do(ctx, func() { s.id = e.nextAdHoc; e.nextAdHoc++ }); err != nil {
		return nil, err
	}
	opened, err := e.openAll(ctx, []JobSpec{{ID: s.id, Name: name, Root: root}})
	if err != nil {
		return nil, err
	}
	var failed error
	err = e.do(ctx, func() {
		if e.stopping != nil {
			failed = types.Errorf(types.CodeShutdown, "the engine is stopping")
			return
		}
		failed = e.installAdHoc(s, name, root, opened)
	})
	opened.close(e)
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	e.Wake()
	return s, nil
}

// Next returns the next change. ok is false when there is none any more: with err nil because the input has ended or Close was
// called, else because of err.
func (s *Subscription) Next(ctx context.Context) (c Change, ok bool, err error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			c = s.queue[0]
			s.queue[0] = Change{}
			s.queue = s.queue[1:]
			before := s.bytes
			s.bytes -= batchBytes(c.Batches)
			s.mu.Unlock()
			if before > s.e.cfg.OutboxBytes {
				s.e.Wake()
			}
			return c, true, nil
		}
		ended, err := s.ended, s.err
		s.mu.Unlock()
		if ended {
			s.notify() // for other callers
			return Change{}, false, err
		}
		select {
		case <-s.signal:
		case <-ctx.Done():
			return Change{}, false, ctx.Err()
		}
	}
}

// Close ends the query. It may be called more than once.
func (s *Subscription) Close() error {
	s.end(nil)
	_ = s.e.do(context.Background(), func() {
		if j := s.e.jobs[s.id]; j != nil && j.sub == s {
			s.e.uninstall(s.id)
		}
	})
	return nil
}

func (s *Subscription) deliver(c Change) {
	s.mu.Lock()
	if !s.ended {
		s.queue = append(s.queue, c)
		s.bytes += batchBytes(c.Batches)
	}
	s.mu.Unlock()
	s.notify()
}

func (s *Subscription) end(err error) {
	s.mu.Lock()
	if !s.ended {
		s.ended, s.err = true, err
	}
	s.mu.Unlock()
	s.notify()
}

func (s *Subscription) notify() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *Subscription) backlog() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bytes
}
