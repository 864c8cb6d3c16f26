package exec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// JobSpec is a job to be run.
type JobSpec struct {
	ID   JobID
	Name string // for messages and statistics
	Root *planner.Node
	// Restore: the job was there before; it goes on where the log says. Its sources are opened in the background, so that one
	// that cannot be reached does not keep the engine from starting.
	Restore bool
	Paused  bool
	// RateLimit is the most rows per second taken from each source; 0: no limit.
	RateLimit float64
	// OnMarker says what to do if the sink's marker does not fit the log: "" (an error), "append" or "reset".
	OnMarker string
}

// Alteration is a change of what runs. It takes effect as a whole at the boundary of an epoch.
type Alteration struct {
	Drop   []JobID
	Add    []JobSpec
	Pause  []JobID
	Resume []JobID
	// Rewrites are tables whose columns change; Writes go to tables, those of Add among them, in the same epoch.
	Rewrites []TableRewrite
	Writes   []TableWrite
	// Indexes are the sets of columns by which the rows of views and tables can be found, of those where they change.
	Indexes map[planner.ObjectID][][]int
	Catalog []byte // kept in the log's record of the epoch, for the catalog
}

// Alter makes an alteration and returns when it is logged. Before Start it takes effect at once and is logged with the first
// epoch. If a job cannot be added, nothing changes; with Restore the job fails alone.
//
// Errors: what planning left open (an operator that is not supported), 42710 for a job that is there already, 42704
// for one that is not, 55006 for pausing what others share, the connectors' errors.
func (e *Engine) Alter(ctx context.Context, a Alteration) error {
	var again []JobSpec
	if err := e.do(ctx, func() { again = e.failedJobs(a.Resume) }); err != nil {
		return err
	}
	opened, err := e.openAll(ctx, append(again, a.Add...))
	if err != nil {
		return err
	}
	logged := make(chan error, 1)
	var applied error
	running := e.started.Load()
	err = e.do(ctx, func() {
		if e.stopping != nil {
			applied = types.Errorf(types.CodeShutdown, "the engine is stopping")
			return
		}
		if applied = e.apply(a, again, opened); applied == nil && running {
			e.acks = append(e.acks, ack{done: logged})
		}
	})
	if err != nil {
		opened.close(nil)
		return err
	}
	opened.close(e)
	if applied != nil || !running {
		return applied
	}
	select {
	case err := <-logged:
		return err
	case <-e.stopped:
		select {
		case err := <-logged:
			return err
		default:
			return e.errStopped()
		}
	}
}

// AddJob is Alter with one job to add.
func (e *Engine) AddJob(ctx context.Context, spec JobSpec) error {
	return e.Alter(ctx, Alteration{Add: []JobSpec{spec}})
}

// DropJob is Alter with one job to drop.
func (e *Engine) DropJob(ctx context.Context, id JobID) error {
	return e.Alter(ctx, Alteration{Drop: []JobID{id}})
}

// Pause makes the sources of a job stand still.
func (e *Engine) Pause(ctx context.Context, id JobID) error {
	return e.Alter(ctx, Alteration{Pause: []JobID{id}})
}

// Resume lets a paused job go on. A job that failed is tried again from the last epoch that was good for it.
func (e *Engine) Resume(ctx context.Context, id JobID) error {
	return e.Alter(ctx, Alteration{Resume: []JobID{id}})
}

// SetRateLimit sets the most rows per second that are taken from each source of a job; 0: no limit.
func (e *Engine) SetRateLimit(ctx context.Context, id JobID, rows float64) error {
	var failed error
	err := e.do(ctx, func() {
		if e.jobs[id] == nil {
			failed = unknownJob(id)
			return
		}
		e.limitRate(id, rows)
	})
	if err != nil {
		return err
	}
	return failed
}

// SetTrigger sets the least time from one epoch's begin to the next's.
func (e *Engine) SetTrigger(ctx context.Context, d time.Duration) error {
	return e.do(ctx, func() { e.cfg.Trigger = d })
}

func unknownJob(id JobID) error {
	return types.Errorf(types.CodeUndefinedObject, "job %d does not run", id)
}

// openings are the connectors that an alteration opened before the driver sees it.
type openings struct {
	sources map[*planner.Node]*openSource
	sinks   map[*planner.Node]Sink
	failed  map[*planner.Node]error // sinks that could not be opened, with Restore
	used    map[any]bool
}

type openSource struct {
	source Source
	names  []string
}

func (e *Engine) openAll(ctx context.Context, specs []JobSpec) (*openings, error) {
	o := &openings{sources: map[*planner.Node]*openSource{}, sinks: map[*planner.Node]Sink{}, failed: map[*planner.Node]error{}, used: map[any]bool{}}
	for _, s := range specs {
		if s.Root == nil {
			return nil, types.Errorf(types.CodeInternal, "job %q has no plan", s.Name)
		}
		err := walk(s.Root, map[*planner.Node]bool{}, func(n *planner.Node) error {
			switch op := n.Op.(type) {
			case *planner.Scan:
				if s.Restore || o.sources[n] != nil {
					return nil // in the background; of another job too
				}
				src, err := e.cfg.OpenSource(ctx, op)
				if err != nil {
					return fmt.Errorf("open source %q: %w", op.Name, err)
				}
				os := &openSource{source: src}
				o.sources[n] = os
				if os.names, err = src.Partitions(ctx); err != nil {
					return fmt.Errorf("list the partitions of source %q: %w", op.Name, err)
				}
			case *planner.Sink:
				sink, err := e.cfg.OpenSink(ctx, op)
				if err != nil {
					err = fmt.Errorf("open sink %q: %w", op.Name, err)
				}
				switch {
				case err == nil:
					o.sinks[n] = sink
				case s.Restore:
					o.failed[n] = err
				default:
					return err
				}
			}
			return nil
		})
		if err != nil {
			o.close(nil)
			return nil, err
		}
	}
	return o, nil
}

// close closes what was not used.
func (o *openings) close(e *Engine) {
	for n, s := range o.sources {
		if e == nil || !o.used[n] {
			_ = s.source.Close()
		}
	}
	for n, s := range o.sinks {
		if e == nil || !o.used[n] {
			_ = s.Close()
		}
	}
}

func walk(n *planner.Node, seen map[*planner.Node]bool, f func(*planner.Node) error) error {
	if seen[n] {
		return nil
	}
	seen[n] = true
	for _, in := range n.Inputs {
		if err := walk(in, seen, f); err != nil {
			return err
		}
	}
	return f(n)
}

// failedJobs returns those of the jobs that have failed and can be tried again: the log has their state.
func (e *Engine) failedJobs(ids []JobID) (specs []JobSpec) {
	for _, id := range ids {
		if j := e.jobs[id]; j != nil && j.state == JobFailed && e.store.Durable() && !e.meta.Jobs[id].Stale {
			spec := j.spec
			spec.Restore, spec.Paused = true, false
			specs = append(specs, spec)
		}
	}
	return specs
}

// apply makes an alteration, all of it or nothing. It runs between epochs. again are failed jobs that are tried again.
func (e *Engine) apply(a Alteration, again []JobSpec, o *openings) error {
	dropped := map[JobID]bool{}
	for _, id := range a.Drop {
		if e.jobs[id] == nil {
			return unknownJob(id)
		}
		dropped[id] = true
	}
	for _, id := range append(a.Pause, a.Resume...) {
		if e.jobs[id] == nil {
			return unknownJob(id)
		}
	}
	for _, s := range again {
		j := e.jobs[s.ID]
		if j == nil || j.state != JobFailed {
			return unknownJob(s.ID)
		}
		if err := e.droppable(s.ID, dropped); err != nil { // its readers have edges to what would be made anew
			return err
		}
	}
	for _, id := range a.Resume {
		if j := e.jobs[id]; j.state == JobFailed && !slices.ContainsFunc(again, func(s JobSpec) bool { return s.ID == id }) {
			return types.Errorf(types.CodeObjectInUse, "%q failed and cannot go on: %v", j.name, j.err).WithHint("drop it and create it anew")
		}
	}
	for _, id := range a.Pause {
		if err := e.sharesScan(id, a.Pause); err != nil {
			return err
		}
	}
	for _, s := range a.Add {
		if e.jobs[s.ID] != nil && !dropped[s.ID] {
			return types.Errorf(types.CodeDuplicateObject, "job %q runs already", s.Name)
		}
	}
	for _, id := range a.Drop {
		if err := e.droppable(id, dropped); err != nil {
			return err
		}
	}
	var versions []*rewritten
	for _, r := range a.Rewrites {
		v, err := e.rewrite(r)
		if err != nil {
			return err
		}
		versions = append(versions, v)
	}
	var added []JobID
	for _, s := range a.Add {
		if e.jobs[s.ID] != nil {
			return types.NotSupported(types.Span{}, "replacing the query of a job under its id; drop it and add it under a new one")
		}
	}
	e.dropping = dropped
	defer func() { e.dropping = nil }()
	for _, s := range a.Add {
		if err := e.install(s, o); err != nil {
			for _, id := range added {
				e.uninstall(id)
				delete(e.meta.Jobs, id)
			}
			e.starting = nil
			return err
		}
		added = append(added, s.ID)
	}
	if err := e.queueWrites(a.Writes, nil); err != nil {
		for _, id := range added {
			e.uninstall(id)
			delete(e.meta.Jobs, id)
		}
		e.starting = nil
		return err
	}
	for _, v := range versions {
		e.place(v)
	}
	for id, sets := range a.Indexes {
		if err := e.setIndexes(id, sets); err != nil {
			return err
		}
	}
	var before []*publisher
	for _, id := range a.Drop {
		if p := e.drop(id); p != nil {
			before = append(before, p)
		}
	}
	for _, s := range again {
		e.uninstall(s.ID)
		if err := e.install(s, o); err != nil {
			return err
		}
	}
	for _, p := range e.starting {
		p.start(before)
	}
	e.starting = nil
	for _, id := range a.Pause {
		e.jobs[id].paused = true
		if e.jobs[id].state == JobRunning {
			e.jobs[id].state = JobPaused
		}
	}
	for _, id := range a.Resume {
		e.jobs[id].paused = false
		if e.jobs[id].state == JobPaused {
			e.jobs[id].state = JobRunning
		}
	}
	e.catalog = a.Catalog
	e.altered = true
	return nil
}

// sharesScan refuses to pause a job whose reader another job needs.
func (e *Engine) sharesScan(id JobID, pausing []JobID) error {
	for _, v := range e.run.g.vertices {
		if _, ok := v.leaf.(*scanLeaf); !ok || v.jobs[id] == nil {
			continue
		}
		for other, j := range v.jobs {
			stays := !j.paused
			for _, p := range pausing {
				stays = stays && other != p
			}
			if stays {
				return types.NotSupported(types.Span{}, "pausing %q, which shares the reader of source %q with %q", e.jobs[id].name, v.leaf.(*scanLeaf).op.Name, j.name)
			}
		}
	}
	return nil
}

// droppable refuses to drop a view that another job reads.
func (e *Engine) droppable(id JobID, dropped map[JobID]bool) error {
	root := e.jobs[id].root
	if root == nil {
		return nil
	}
	for _, out := range root.outputs {
		for other, j := range out.to.jobs {
			if !dropped[other] && other != id {
				return types.Errorf(types.CodeDependentObjects, "%q is read by %q", e.jobs[id].name, j.name)
			}
		}
	}
	return nil
}
