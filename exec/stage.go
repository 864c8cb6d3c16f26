package exec

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// worker is one lane of execution: it runs its own instance of every operator. Between levels it is idle and the driver may
// touch everything in it.
type worker struct {
	id   int
	run  *runner
	ord  uint64     // the place of what is being emitted, see ordTask
	part *partition // the partition of the task's rows
	rej  rejections
}

// task is one piece of work of a level that any worker may do.
type task struct {
	v    *vertex
	item item
	// skipped is the largest event time of data that a source skipped before the batch; 0 or MinWatermark: none.
	skipped changelog.Watermark
	run     func(w *worker) error // of roots and marked batches; nil: emit the item as v's output
}

// runner runs the graph epoch by epoch. It knows neither sources nor logs: what goes in and what came out are data.
type runner struct {
	g       *graph
	workers []*worker
	check   bool
	stop    <-chan struct{} // closed when nobody wants the result any more; nil: never

	epoch       changelog.Epoch
	clock       int64
	sourceTasks []task // of level 0, in this epoch

	mu       sync.Mutex
	failures []failure
}

// failure is an error of a vertex. It is final for all jobs of the vertex.
type failure struct {
	v   *vertex
	err error
}

func newRunner(workers int, check bool) *runner {
	r := &runner{g: newGraph(workers), check: check}
	for i := range workers {
		r.workers = append(r.workers, &worker{id: i, run: r})
	}
	return r
}

// fail ends a vertex and with it its jobs; the epoch goes on without them.
func (r *runner) fail(v *vertex, err error) {
	if v.dead.Swap(true) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, failure{v, err})
	for _, j := range v.jobs {
		j.failing.Store(true)
	}
}

// protect runs f and turns a panic, which is a bug of ours, into an error of v.
func (r *runner) protect(v *vertex, f func() error) {
	defer func() {
		if p := recover(); p != nil {
			r.fail(v, types.Errorf(types.CodeInternal, "internal error in %s: %v\n%s", v.label, p, debug.Stack()))
		}
	}()
	if err := f(); err != nil {
		r.fail(v, err)
	}
}

// emitter makes the Emit of v on worker w.
func (r *runner) emitter(v *vertex, w *worker) Emit {
	return func(b *changelog.Batch) {
		rows := b.Rows()
		if rows == 0 || v.dead.Load() || r.stopped(v) {
			return
		}
		v.stats.count(w.id, rows)
		if v.check != nil {
			if err := v.check.emitted(v, b); err != nil {
				r.fail(v, err)
				return
			}
		}
		for _, e := range v.outputs {
			switch {
			case e.kind == fused:
				r.process(e.to, w, e.in, b)
			case e.to.wm != nil:
				r.protect(e.to, func() error {
					m, err := e.to.wm.evaluate(e.to.ctxs[w.id], w, b)
					if err == nil && m.batch.Rows() > 0 {
						e.to.wm.send(w, m)
					}
					return err
				})
			default:
				e.buf.send(w, b, e.from.out, e.cols)
			}
		}
	}
}

// stopped ends v if nobody wants its result any more.
func (r *runner) stopped(v *vertex) bool {
	select {
	case <-r.stop:
		r.fail(v, context.Canceled)
		return true
	default:
		return false
	}
}

// process gives a batch to v on worker w.
func (r *runner) process(v *vertex, w *worker, in int, b *changelog.Batch) {
	if v.dead.Load() || r.stopped(v) {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			r.fail(v, types.Errorf(types.CodeInternal, "internal error in %s: %v\n%s", v.label, p, debug.Stack()))
		}
	}()
	var err error
	if v.local {
		err = v.locals[w.id].Process(v.ctxs[w.id], b, v.emits[w.id])
	} else {
		err = v.ops[w.id].Process(v.ctxs[w.id], in, b, v.emits[w.id])
	}
	if err != nil {
		r.fail(v, err)
	}
}

// end gives v its end of the epoch on worker w.
func (r *runner) end(v *vertex, w *worker) {
	if v.dead.Load() || v.ctxs == nil || r.stopped(v) {
		return
	}
	r.protect(v, func() error {
		ctx := v.ctxs[w.id]
		ctx.Watermark = v.inputWatermark(w.id)
		if v.local {
			v.outWM[w.id] = ctx.Watermark
			return v.locals[w.id].Flush(ctx, v.emits[w.id])
		}
		v.timers[w.id] = noTimer
		wm, err := v.ops[w.id].EndEpoch(ctx, v.emits[w.id])
		if err != nil {
			return err
		}
		if wm > ctx.Watermark {
			return fmt.Errorf("the output watermark %d is ahead of the input's %d", wm, ctx.Watermark)
		}
		v.outWM[w.id] = max(v.outWM[w.id], wm)
		return nil
	})
}

// level is what runs between two exchanges.
type level struct {
	index int
	tasks []task
	next  atomic.Int64
	heads []*vertex // with input from an exchange
	ends  []*vertex // active, in topological order
	items int
}

// small is how many batches a level may have to be run by the calling goroutine alone: starting others costs more.
const small = 1

// runLevel runs a level on all workers and returns when all are done.
func (r *runner) runLevel(l *level) {
	if len(l.tasks)+l.items <= small || len(r.workers) == 1 {
		for _, w := range r.workers {
			w.level(l)
		}
		return
	}
	var wg sync.WaitGroup
	for _, w := range r.workers[1:] {
		wg.Go(func() { w.level(l) })
	}
	r.workers[0].level(l)
	wg.Wait()
}

// level is one worker's part of a level.
func (w *worker) level(l *level) {
	r := w.run
	for {
		i := int(l.next.Add(1)) - 1
		if i >= len(l.tasks) {
			break
		}
		t := &l.tasks[i]
		w.ord, w.part = ordTask(l.index, i), t.item.part
		switch {
		case t.v.dead.Load():
		case t.run != nil:
			r.protect(t.v, func() error { return t.run(w) })
		case t.item.batch != nil:
			t.v.emits[w.id](t.item.batch)
		}
		t.item.batch = nil // let it go as soon as it is used
	}
	w.ord, w.part = ordEnd(l.index, w.id), nil
	for _, v := range l.heads {
		for _, e := range v.inputs {
			if e.kind != spread {
				continue
			}
			items := e.buf.take(w.id)
			for i := range items {
				r.process(v, w, e.in, items[i].batch)
				items[i].batch = nil
			}
		}
	}
	for _, v := range l.ends {
		r.end(v, w)
	}
}

// runEpoch runs one epoch through the graph, with what the leaves have to give. The order of work is: level by level; in
// a level first tasks, then what waits at exchanges, then the ends of the level's vertices from the sources up.
func (r *runner) runEpoch(epoch changelog.Epoch, clock int64) {
	r.epoch, r.clock = epoch, clock
	r.activate()
	for i := range r.g.levels {
		l := &level{index: i}
		for _, v := range r.g.vertices {
			if v.level != i || !v.active {
				continue
			}
			switch {
			case v.dead.Load():
				for _, e := range v.inputs {
					e.buf.drop()
				}
			case v.wm != nil:
				l.tasks = append(l.tasks, v.wm.assign(r, v)...)
				v.watermark = max(v.watermark, v.wm.source)
			case v.root != nil:
				root := v.root
				l.tasks = append(l.tasks, task{v: v, run: func(w *worker) error { return root.finish(w, v) }})
			case v.leaf != nil:
				l.tasks = append(l.tasks, v.leaf.tasks(v)...)
				v.watermark = max(v.watermark, v.leaf.watermark(v))
			default:
				l.ends = append(l.ends, v)
				head := false
				for _, e := range v.inputs {
					if e.kind == spread {
						head = true
						for _, list := range e.buf.lists {
							l.items += len(list)
						}
					}
				}
				if head {
					l.heads = append(l.heads, v)
				}
			}
		}
		if i == 0 {
			r.sourceTasks = l.tasks
		}
		r.runLevel(l)
		r.settle(i)
	}
	r.sourceTasks = nil
	for _, v := range r.g.vertices {
		if !v.active || v.dead.Load() {
			continue
		}
		v.fresh = false
		if v.check != nil {
			if err := v.check.ended(v); err != nil {
				r.fail(v, err)
			}
		}
	}
}

// activate finds the vertices that this epoch reaches; all others cost nothing.
func (r *runner) activate() {
	for _, v := range r.g.vertices {
		v.active = v.fresh || v.nextTimer <= r.clock
		switch {
		case v.leaf != nil:
			v.active = v.active || v.leaf.pending(v)
		case v.wm != nil:
			v.active = v.active || v.wm.moves(r.clock)
		}
		for _, e := range v.inputs {
			v.active = v.active || e.from.active
		}
		if v.active {
			for _, c := range v.ctxs {
				c.Epoch, c.Clock = r.epoch, r.clock
			}
		}
	}
}

// settle takes the output watermarks and timers of a level's vertices.
func (r *runner) settle(level int) {
	for _, v := range r.g.vertices {
		if v.level != level || !v.active || v.dead.Load() {
			continue
		}
		switch {
		case v.leaf != nil || v.wm != nil:
		case v.root != nil:
			v.watermark = max(v.watermark, v.inputWatermark(0))
		default:
			wm := changelog.MaxWatermark
			v.nextTimer = noTimer
			for w := range r.workers {
				wm = min(wm, v.outWM[w])
				v.nextTimer = min(v.nextTimer, v.timers[w])
			}
			v.watermark = max(v.watermark, wm)
		}
	}
}
