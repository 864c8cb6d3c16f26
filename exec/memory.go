package exec

import (
	"fmt"
	"slices"
	"strings"
)

// Memory is what the engine holds, in bytes.
type Memory struct {
	Limit  int64 // 0: none
	State  int64 // tables and views
	Queued int64 // read ahead
	Outbox int64 // to be published, or to be taken by subscribers
}

// memory adds up what is held.
func (e *Engine) memory() Memory {
	m := Memory{Limit: e.cfg.MemoryLimit, State: e.rejects.view.Bytes()}
	for _, v := range e.run.g.vertices {
		if v.dead.Load() {
			continue
		}
		m.State += v.stateBytes()
	}
	e.in.mu.Lock()
	m.Queued = e.in.queued
	e.in.mu.Unlock()
	for _, j := range e.jobs {
		if j.pub != nil {
			m.Outbox += j.pub.queued()
		}
		if j.sub != nil {
			m.Outbox += j.sub.backlog()
		}
	}
	return m
}

func (v *vertex) stateBytes() (n int64) {
	for _, t := range v.tables {
		n += t.table.Bytes()
	}
	return n
}

// checkMemory keeps the engine within its limit: read-ahead and epochs get a share of what is free; while outboxes fill the rest nothing
// is taken in; and when state alone does not fit, the job of the largest operator fails.
func (e *Engine) checkMemory() {
	if e.cfg.MemoryLimit <= 0 {
		return
	}
	m := e.memory()
	free := e.cfg.MemoryLimit - m.State - m.Outbox
	e.in.setBudget(min(e.cfg.ReadAhead, max(free/4, int64(e.cfg.ReadBytes))))
	e.epochBytes = min(e.cfg.EpochBytes, max(free/4, int64(e.cfg.ReadBytes)))
	e.tooMuch = m.State+m.Outbox >= e.cfg.MemoryLimit && m.Outbox > 0
	for m.State >= e.cfg.MemoryLimit {
		v := e.largest()
		if v == nil {
			return
		}
		err := limitError(e.cfg.MemoryLimit, "the largest states are %s", e.largestText())
		m.State -= v.stateBytes()
		v.dead.Store(true)
		for _, j := range v.jobs {
			if j.state != JobFailed {
				e.failJob(j, fmt.Errorf("%s: %w", v.label, err))
			}
		}
		v.tables = nil
		e.altered = true
	}
}

// overLimit reports whether nothing may be taken in until something was published.
func (e *Engine) overLimit() bool { return e.tooMuch && e.memory().Outbox > 0 }

// largest returns the living vertex with most state.
func (e *Engine) largest() *vertex {
	var top *vertex
	for _, v := range e.run.g.vertices {
		if !v.dead.Load() && v.stateBytes() > 0 && (top == nil || v.stateBytes() > top.stateBytes()) {
			top = v
		}
	}
	return top
}

// largestText names the three largest states.
func (e *Engine) largestText() string {
	vs := slices.Clone(e.run.g.vertices)
	slices.SortStableFunc(vs, func(a, b *vertex) int { return int(min(max(b.stateBytes()-a.stateBytes(), -1), 1)) })
	var parts []string
	for _, v := range vs[:min(3, len(vs))] {
		if n := v.stateBytes(); n > 0 {
			rows := 0
			for _, t := range v.tables {
				rows += t.table.Len()
			}
			s := fmt.Sprintf("%s with %d MiB in %d rows", v.label, n>>20, rows)
			if g := v.node.Props.Grows; g != "" {
				s += " (" + g + ")"
			}
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}
