package exec

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// runEpoch runs one epoch from intake to hand-over. An error ends the engine; errors of jobs end only them.
func (e *Engine) runEpoch() error {
	e.began = time.Now()
	e.waiting = time.Time{}
	now := e.now()
	epoch := e.epoch + 1
	rows, bytes := e.takeIn(now)

	e.run.epoch, e.run.clock = epoch, now
	e.rejectUndecoded()
	e.run.runEpoch(epoch, now)
	e.settleFailures()
	ran := time.Now()

	changed, err := e.commit(epoch, now)
	if err != nil {
		return fmt.Errorf("prepare epoch %d: %w", epoch, err)
	}
	e.clock = now
	done := time.Now()
	e.stats.RowsIn += int64(rows)
	e.stats.BytesIn += bytes
	e.stats.Epochs++
	d := &e.stats.Durations
	d.Run, d.Prepare = ran.Sub(e.began), done.Sub(ran)
	d.RunTotal += d.Run
	d.PrepareTotal += d.Prepare
	if changed {
		e.epoch = epoch
	}
	e.handOver(epoch, now, changed)
	e.checkMemory()
	return nil
}

// takeIn collects the epoch's input from the scans.
func (e *Engine) takeIn(now int64) (rows int, bytes int64) {
	for _, v := range e.run.g.vertices {
		l, ok := v.leaf.(*scanLeaf)
		if !ok || v.dead.Load() || e.blocked(v) || e.stopping != nil {
			continue
		}
		most := l.rate.allow(now, e.cfg.EpochRows-rows)
		if most <= 0 || bytes >= e.epochBytes {
			continue
		}
		r, b := l.collect(now, most, e.epochBytes-bytes)
		l.rate.tokens -= float64(r)
		rows, bytes = rows+r, bytes+b
	}
	return rows, bytes
}

// rejectUndecoded rejects the records that could not be decoded, before the rows are run.
func (e *Engine) rejectUndecoded() {
	w := e.run.workers[0]
	for _, v := range e.run.g.vertices {
		l, ok := v.leaf.(*scanLeaf)
		if !ok {
			continue
		}
		for _, bad := range l.bad {
			w.ord = ordTask(0, bad.ord)
			if l.op.OnError == planner.Fail {
				e.run.fail(v, bad.Err)
				break
			}
			row := rejected{
				ord: w.ord, reason: ReasonDecode, source: l.op.Name, partition: bad.Partition, position: bad.Position,
				operator: v.label, weight: 1, watermark: changelog.MinWatermark, raw: rawText(bad.Raw),
			}
			if bad.Err != nil {
				row.code, row.msg = string(bad.Err.Code), bad.Err.Error()
			}
			w.rej.add(row, l.op.Name, w.rej.full(uint8(l.op.OnError), 1))
		}
		l.bad = nil
	}
}

// settleFailures ends the jobs in which an operator failed. What other jobs share with them goes on.
func (e *Engine) settleFailures() {
	for _, j := range e.jobs {
		if j.detached {
			if j.pub.queued() > e.cfg.OutboxBytes || !e.shares(j) {
				e.failJob(j, j.err)
			}
		}
	}
	for _, f := range e.run.failures {
		for _, j := range f.v.jobs {
			if j.state != JobFailed || j.detached {
				e.failJob(j, fmt.Errorf("%s: %w", f.v.label, f.err))
			}
		}
	}
	e.run.failures = nil
}

// failJob makes an error final for a job.
func (e *Engine) failJob(j *job, err error) {
	j.state, j.err, j.detached = JobFailed, err, false
	j.failing.Store(true)
	if j.sub == nil { // whoever asks gets the error of an ad-hoc query
		e.cfg.Logger.Error("a query failed", "query", j.name, "epoch", uint64(e.epoch+1), "err", err)
	}
	stale := false
	for _, v := range e.run.g.vertices {
		if v.jobs[j.id] == nil {
			continue
		}
		all := true
		for _, o := range v.jobs {
			all = all && o.state == JobFailed && !o.detached
		}
		if all {
			v.dead.Store(true)
			if l, ok := v.leaf.(*scanLeaf); ok {
				l.halt()
			}
		} else {
			stale = true
		}
	}
	if m := e.meta.Jobs[j.id]; m != nil {
		m.Failed, m.Stale = err.Error(), stale
	}
	if j.sub != nil {
		j.sub.end(err)
	}
	e.tell(j)
}

func (e *Engine) tell(j *job) {
	if f := e.cfg.OnJob; f != nil {
		id, s, err := j.id, j.state, j.err
		go f(id, s, err)
	}
}

// commit builds the epoch's record and prepares it. changed is false if there was nothing to log; then the epoch's number is
// used again.
func (e *Engine) commit(epoch changelog.Epoch, now int64) (changed bool, err error) {
	durable := e.store.Durable()
	changed = e.altered
	rec := &state.Record{Epoch: epoch, Clock: now, Catalog: e.catalog, DropTable: e.drops, DropSink: e.dropSinks}
	if err := e.rejects.commit(e.run.workers, epoch, now); err != nil {
		return false, fmt.Errorf("keep rejected rows: %w", err)
	}
	changed = changed || len(e.rejects.changes) > 0
	if err := e.feedRejected(); err != nil {
		return false, err
	}

	var tables []state.Table
	for _, v := range e.run.g.vertices {
		if !v.active || v.dead.Load() {
			continue
		}
		logged := durable && v.key.Job < AdHoc
		for _, t := range v.tables {
			if logged {
				tables = append(tables, t.table)
			} else {
				t.table.Discard()
			}
		}
		switch l := v.leaf.(type) {
		case *scanLeaf:
			changed = changed || l.moved() && v.key.Job < AdHoc
		case *valuesLeaf:
			changed = changed || l.given
			l.given = false
		case *viewLeaf:
			changed = changed || l.given && v.key.Job < AdHoc
			l.given = false
		}
		switch r := v.root.(type) {
		case *sinkRoot:
			changed = changed || r.body != nil || len(r.changes) > 0
			if r.body != nil {
				rec.Outboxes = append(rec.Outboxes, state.Outbox{Sink: r.pub.id, Body: r.body})
			}
		case *viewRoot:
			changed = changed || r.changed
		}
	}
	if durable {
		tables = append(tables, e.rejects.view)
	} else {
		e.rejects.view.Discard()
	}
	rec.Tables = e.deltas(tables)
	changed = changed || len(rec.Tables) > 0
	if !changed {
		return false, nil
	}
	e.meta.NextRejected = e.rejects.nextID
	e.meta.Rejected = map[string]int64{}
	for k, n := range e.rejects.counts {
		e.meta.Rejected[string(k.Reason)+" "+k.Source] = n
	}
	if rec.Meta, err = e.meta.encode(e.run.g); err != nil {
		return false, err
	}
	if durable {
		if err := e.store.Prepare(rec); err != nil {
			return false, err
		}
	}
	return true, nil
}

// deltas takes what changed in the tables, several at a time.
func (e *Engine) deltas(tables []state.Table) []state.TableDelta {
	all := make([]state.TableDelta, len(tables))
	if len(tables) < 3 || e.cfg.Workers == 1 {
		for i, t := range tables {
			all[i] = t.Delta()
		}
	} else {
		var wg sync.WaitGroup
		for w := range e.cfg.Workers {
			wg.Go(func() {
				for i := w; i < len(tables); i += e.cfg.Workers {
					all[i] = tables[i].Delta()
				}
			})
		}
		wg.Wait()
	}
	out := all[:0]
	for _, d := range all {
		if d.Rows != nil && d.Rows.NumRows() > 0 {
			out = append(out, d)
		}
	}
	return out
}

// handOver gives the prepared epoch to publishers, readers and whoever waits for it.
func (e *Engine) handOver(epoch changelog.Epoch, now int64, changed bool) {
	views := map[planner.ObjectID]*state.View{}
	for _, v := range e.run.g.vertices {
		if v.dead.Load() {
			continue
		}
		if l, ok := v.leaf.(*scanLeaf); ok {
			l.committed()
		}
		switch r := v.root.(type) {
		case *sinkRoot:
			if r.body != nil || len(r.changes) > 0 {
				o := outbox{epoch: epoch, body: r.body, changes: r.changes, bytes: int64(len(r.body)) + batchBytes(r.changes)}
				r.pub.add(o)
				r.body, r.changes = nil, nil
			}
		case *viewRoot:
			if r.changed {
				views[r.op.Object] = r.view
			}
		case *outputRoot:
			if len(r.changes) > 0 {
				r.sub.deliver(Change{Epoch: epoch, Clock: now, Batches: r.changes})
				r.changes = nil
			}
		}
	}
	if len(e.rejects.changes) > 0 {
		views[planner.RejectedID] = e.rejects.view
	}
	if changed {
		e.refreshPins(epoch, now, views)
		e.catalog, e.drops, e.dropSinks = nil, nil, nil
	}
	e.altered = false
	e.answerWrites()
	acks := e.acks
	e.acks = nil
	for _, a := range acks {
		a.done <- a.err
	}
	e.endJobs()
}

// endJobs finds the jobs whose input has ended: their sinks finish, their subscribers get the end.
func (e *Engine) endJobs() {
	for _, j := range e.jobs {
		if j.state != JobRunning || j.root == nil || j.root.watermark != changelog.MaxWatermark || !e.exhausted(j) {
			continue
		}
		if j.pub != nil {
			j.pub.end()
			select {
			case <-j.pub.done:
			default:
				continue
			}
		}
		j.state = JobEnded
		if j.sub != nil {
			j.sub.end(nil)
		}
		e.tell(j)
	}
}

// exhausted reports whether no leaf of a job has anything left.
func (e *Engine) exhausted(j *job) bool {
	for _, v := range e.run.g.vertices {
		if v.jobs[j.id] != nil && v.leaf != nil && (v.leaf.pending(v) || v.watermark != changelog.MaxWatermark) {
			return false
		}
	}
	return true
}

// askEnds asks every source for its partitions and every reader that stands at its end to look again, and returns after how
// many looks each has answered.
func (e *Engine) askEnds() (reads map[*partition]int64, lists map[*scanLeaf]int64) {
	reads, lists = map[*partition]int64{}, map[*scanLeaf]int64{}
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	for _, v := range e.run.g.vertices {
		l, ok := v.leaf.(*scanLeaf)
		if !ok || v.dead.Load() {
			continue
		}
		if l.watermark(v) != changelog.MaxWatermark {
			lists[l] = l.listed + 1
			select {
			case l.relist <- struct{}{}:
			default:
			}
		}
		for _, p := range l.parts {
			reads[p] = p.ends + 1
			if p.nudge != nil {
				p.nudge()
			}
		}
	}
	return reads, lists
}

// answerIdle answers those who wait for an idle engine. The driver has nothing to do right now.
func (e *Engine) answerIdle() {
	e.settleFailures() // of sources that could not be opened, beside any epoch
	e.endJobs()
	if len(e.idlers) == 0 {
		return
	}
	var failed error
	ended, drained := true, true
	for _, j := range e.jobs {
		switch {
		case j.state == JobFailed:
			failed = errors.Join(failed, j.err)
		case j.state != JobEnded && !e.atRest(j):
			ended = false
		}
		if j.pub != nil { // a sink's failure that the driver has yet to be told of is an answer too: wait for it
			drained = drained && j.pub.drained() && (j.state == JobFailed || j.pub.failure() == nil)
		}
	}
	rest := e.idlers[:0]
	for _, w := range e.idlers {
		done := drained
		if w.bounded {
			done = ended && drained
		} else {
			done = done && e.settled(w)
		}
		if done {
			w.done <- failed
			continue
		}
		rest = append(rest, w)
	}
	e.idlers = rest
}

// settled reports whether all sources stand at an end confirmed after w was made, and all they gave is prepared.
func (e *Engine) settled(w *idler) bool {
	for _, v := range e.run.g.vertices {
		if v.dead.Load() {
			continue
		}
		if v.leaf != nil && v.leaf.pending(v) {
			return false
		}
		l, ok := v.leaf.(*scanLeaf)
		if !ok || e.pausedScan(v) {
			continue
		}
		if l.listed < w.lists[l] || !l.settled(w.reads) {
			return false
		}
	}
	return true
}

func (e *Engine) pausedScan(v *vertex) bool {
	for _, j := range v.jobs {
		if !j.paused {
			return false
		}
	}
	return true
}

func (e *Engine) forget(w *idler) {
	for i, o := range e.idlers {
		if o == w {
			e.idlers = append(e.idlers[:i:i], e.idlers[i+1:]...)
			return
		}
	}
}

// batchBytes estimates the memory that batches hold.
func batchBytes(batches []*changelog.Batch) int64 {
	var n int64
	for _, b := range batches {
		for _, c := range b.Cols {
			for _, buf := range c.Data().Buffers() {
				if buf != nil {
					n += int64(buf.Len())
				}
			}
		}
		n += int64(8*len(b.Weights) + 4*len(b.Sel))
	}
	return n
}

// limitError is the error of an engine whose state does not fit.
func limitError(limit int64, format string, args ...any) error {
	return types.Errorf(types.CodeOutOfMemory, "out of memory: the limit is %d MiB; %s", limit>>20, fmt.Sprintf(format, args...))
}
