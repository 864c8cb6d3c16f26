package exec

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/streamsql/streamsql/types"
)

// view of the driver: what it decides on.
type situation struct {
	stopping bool
	altered  bool          // the graph changed, and somebody waits for that to be logged
	ready    bool          // input is decoded
	full     bool          // enough for an epoch at its limits
	more     bool          // a source is being read or decoded right now
	due      bool          // a timer, an end of input or a moving watermark wants an epoch
	hurry    bool          // somebody waits for the sources to be drained
	written  bool          // somebody waits for changes of tables to be prepared
	waited   time.Duration // since the first batch was ready
	sinceRun time.Duration // since the last epoch began
	trigger  time.Duration
	timer    time.Duration // until the next timer; negative: none
}

// stepKind is what the driver does next.
type stepKind uint8

const (
	stepRun stepKind = iota
	stepWait
	stepStop
)

type step struct {
	kind stepKind
	wait time.Duration // at most, for stepWait; negative: until something happens
}

// gatherTime is the most that an epoch waits for more input.
const gatherTime = 10 * time.Millisecond

// decide is the driver's whole policy. An epoch begins as soon as there is something to do and all sources have given what
// they had; it waits at most gatherTime for them, or until the trigger.
func decide(s situation) step {
	switch {
	case s.altered:
		return step{kind: stepRun}
	case s.stopping:
		return step{kind: stepStop}
	}
	if s.written {
		return step{kind: stepRun}
	}
	wait := s.timer
	atMost := func(d time.Duration) step {
		if wait < 0 || d < wait {
			wait = d
		}
		return step{kind: stepWait, wait: max(wait, 0)}
	}
	if !s.ready && !s.due {
		return step{kind: stepWait, wait: wait}
	}
	if s.trigger > 0 && s.sinceRun < s.trigger && !s.hurry {
		return atMost(s.trigger - s.sinceRun)
	}
	if s.ready && !s.full && s.more && s.waited < gatherTime {
		return atMost(gatherTime - s.waited)
	}
	return step{kind: stepRun}
}

// drive is the driver's loop: a thin shell around decide.
func (e *Engine) drive() {
	defer close(e.stopped)
	defer func() {
		if p := recover(); p != nil {
			e.end(types.Errorf(types.CodeInternal, "internal error in the driver: %v\n%s", p, debug.Stack()))
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select { // requests first
		case r := <-e.requests:
			e.serve(r)
			continue
		default:
		}
		st := decide(e.look())
		switch st.kind {
		case stepStop:
			e.keepStats()
			return
		case stepRun:
			if err := e.runEpoch(); err != nil {
				e.end(err)
				return
			}
			continue
		}
		e.answerIdle()
		var c <-chan time.Time
		if st.wait >= 0 {
			timer.Reset(st.wait)
			c = timer.C
		}
		select {
		case r := <-e.requests:
			e.serve(r)
		case <-e.waker:
		case <-c:
		}
	}
}

func (e *Engine) serve(r *request) {
	r.f()
	r.done <- nil
}

// end keeps the error that ends the engine and tells everybody who waits.
func (e *Engine) end(err error) {
	e.cfg.Logger.Error("the engine ends", "epoch", uint64(e.epoch+1), "err", err)
	e.mu.Lock()
	if e.err == nil {
		e.err = err
	}
	e.mu.Unlock()
	for _, a := range e.acks {
		a.done <- err
	}
	e.acks = nil
	for _, w := range e.idlers {
		w.done <- err
	}
	e.idlers = nil
	e.keepStats()
}

func (e *Engine) keepStats() {
	s := e.picture()
	e.mu.Lock()
	e.stats = s
	e.mu.Unlock()
}

// now is the clock, which never goes back.
func (e *Engine) now() int64 { return max(e.clock, e.cfg.Clock()) }

// look finds out where everything stands.
func (e *Engine) look() situation {
	now := e.now()
	s := situation{stopping: e.stopping != nil, altered: e.altered, trigger: e.cfg.Trigger, sinceRun: time.Since(e.began), timer: -1}
	s.hurry, s.written = len(e.idlers) > 0, len(e.writes) > 0
	if e.began.IsZero() {
		s.sinceRun = e.cfg.Trigger
	}
	rows, bytes := 0, int64(0)
	next := noTimer
	for _, v := range e.run.g.vertices {
		if v.dead.Load() {
			continue
		}
		if l, ok := v.leaf.(*scanLeaf); ok {
			if err := l.refresh(now); err != nil {
				e.run.fail(v, fmt.Errorf("source %q: %w", l.op.Name, err))
				s.due = true
				continue
			}
			if !e.blocked(v) {
				if l.rate.allow(now, 1) > 0 {
					r, b, more := l.ready()
					rows, bytes = rows+r, bytes+b
					s.more = s.more || more
				} else {
					next = min(next, l.rate.next(now))
				}
			}
		}
		switch {
		case v.leaf != nil:
			s.due = s.due || v.leaf.pending(v)
		case v.wm != nil:
			s.due = s.due || v.wm.moves(now)
		}
		next = min(next, v.nextTimer)
	}
	s.ready = rows > 0
	s.full = rows >= e.cfg.EpochRows || bytes >= e.epochBytes/2
	if next != noTimer {
		if next <= now {
			s.due = true
		} else {
			s.timer = time.Duration(min(next-now, int64(time.Hour/time.Microsecond))) * time.Microsecond
		}
	}
	switch {
	case !s.ready:
		e.waiting = time.Time{}
	case e.waiting.IsZero():
		e.waiting = time.Now()
	default:
		s.waited = time.Since(e.waiting)
	}
	return s
}

// blocked reports whether a scan may not be taken from now: its jobs are paused, or one of them has more output waiting than it
// may, or the engine is at its memory limit.
func (e *Engine) blocked(v *vertex) bool {
	paused := len(v.jobs) > 0
	for _, j := range v.jobs {
		paused = paused && j.paused
		if j.pub != nil && !j.detached {
			if j.pub.queued() > e.cfg.OutboxBytes {
				return true
			}
		}
		if j.sub != nil && j.sub.backlog() > e.cfg.OutboxBytes {
			return true
		}
	}
	return paused || e.overLimit()
}
