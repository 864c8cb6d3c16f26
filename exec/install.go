package exec

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// installation is a job on its way into the graph.
type installation struct {
	e    *Engine
	spec JobSpec
	o    *openings
	job  *job
	meta *jobMeta
	done map[*planner.Node]*vertex
	byID map[planner.OpID]*vertex
	was  bool // the log knows the job
}

// install builds the vertices of a job, sharing those that compute the same from the same place.
func (e *Engine) install(spec JobSpec, o *openings) error {
	j := &job{id: spec.ID, name: spec.Name, spec: spec, paused: spec.Paused, since: e.epoch + 1, sub: e.subscribing}
	if j.paused {
		j.state = JobPaused
	}
	jm := e.meta.Jobs[spec.ID]
	if jm != nil && jm.Stale {
		j.state, j.err = JobFailed, types.Errorf(types.CodeInternal, "the query failed before and the sources that it shares went on: %s", jm.Failed).
			WithHint("drop the query and create it anew")
		e.jobs[j.id] = j
		return nil
	}
	in := &installation{e: e, spec: spec, o: o, job: j, meta: jm, was: jm != nil, done: map[*planner.Node]*vertex{}, byID: map[planner.OpID]*vertex{}}
	if jm == nil {
		in.meta = &jobMeta{Places: map[planner.OpID]uint64{}}
	}
	in.meta.Failed = ""
	e.jobs[j.id] = j
	if spec.ID < AdHoc {
		e.meta.Jobs[spec.ID] = in.meta
	} else if j.sub == nil {
		return types.Errorf(types.CodeInternal, "job %d: ids from %d on are the engine's", spec.ID, AdHoc)
	}
	root, err := in.build(spec.Root)
	if err == nil && root.root == nil {
		err = types.Errorf(types.CodeInternal, "the root of job %q is %T", spec.Name, spec.Root.Op)
	}
	if err != nil {
		for _, k := range e.uninstall(spec.ID) {
			if jm == nil {
				delete(e.meta.Vertices, k.String())
			}
		}
		if spec.Restore {
			j.state, j.err = JobFailed, err
			if jm != nil {
				e.meta.Jobs[spec.ID] = jm
			}
			e.jobs[j.id] = j
			e.tell(j)
			return nil
		}
		if jm == nil {
			delete(e.meta.Jobs, spec.ID)
		}
		return err
	}
	j.root = root
	e.run.g.arrange()
	e.limitRate(j.id, spec.RateLimit)
	return nil
}

// installAdHoc installs an ad-hoc job.
func (e *Engine) installAdHoc(s *Subscription, name string, root *planner.Node, o *openings) error {
	e.subscribing = s
	defer func() { e.subscribing = nil }()
	return e.install(JobSpec{ID: s.id, Name: name, Root: root}, o)
}

// uninstall takes a job out of the graph again and returns the keys of the vertices that are gone.
func (e *Engine) uninstall(id JobID) (gone []vertexKey) {
	for _, v := range e.run.g.remove(id) {
		gone = append(gone, v.key)
		e.closeVertex(v)
		if m, ok := v.root.(*viewRoot); ok {
			delete(e.views, m.op.Object)
			e.mu.Lock()
			delete(e.pins, m.op.Object)
			e.mu.Unlock()
		}
	}
	if j := e.jobs[id]; j != nil {
		if j.pub != nil {
			j.pub.stop()
			e.starting = slices.DeleteFunc(e.starting, func(p *publisher) bool { return p == j.pub })
			j.pub = nil
		}
		if j.sub != nil {
			j.sub.end(nil)
		}
	}
	delete(e.jobs, id)
	return gone
}

// drop ends a job for ever: its tables and its outbox go. What its sink has not published yet is published in the background, if
// that goes within a few seconds; the publisher that does it is returned.
func (e *Engine) drop(id JobID) (ending *publisher) {
	keys := map[string]bool{}
	for _, v := range e.run.g.vertices {
		if v.jobs[id] != nil && len(v.jobs) == 1 {
			keys[v.key.String()] = true
		}
	}
	if j := e.jobs[id]; j.pub != nil {
		e.dropSinks = append(e.dropSinks, j.pub.id)
		ending = j.pub
		j.pub = nil
		e.retire(ending)
	}
	e.uninstall(id)
	delete(e.meta.Jobs, id)
	for k := range keys {
		if vm := e.meta.Vertices[k]; vm != nil {
			for _, t := range vm.Tables {
				e.drops = append(e.drops, t)
			}
			delete(e.meta.Vertices, k)
		}
	}
	return ending
}

// retireTime is how long the publisher of a dropped sink may take to publish the rest.
const retireTime = 5 * time.Second

// retire lets a publisher finish in the background.
func (e *Engine) retire(p *publisher) {
	p.end()
	e.retired.Go(func() {
		t := time.NewTimer(retireTime)
		defer t.Stop()
		select {
		case <-p.done:
		case <-t.C:
		}
		p.stop()
	})
}

func (e *Engine) closeVertex(v *vertex) {
	v.close()
	if l, ok := v.leaf.(*scanLeaf); ok {
		l.close(e.cfg.Logger)
	}
}

func (e *Engine) limitRate(id JobID, rows float64) {
	for _, v := range e.run.g.vertices {
		if l, ok := v.leaf.(*scanLeaf); ok && v.jobs[id] != nil {
			l.limitRate(rows)
		}
	}
}

// build returns the vertex of a node, made or shared.
func (in *installation) build(n *planner.Node) (*vertex, error) {
	if v := in.done[n]; v != nil {
		return v, nil
	}
	var inputs []*vertex
	for _, c := range n.Inputs {
		v, err := in.build(c)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, v)
	}
	v, err := in.vertex(n, inputs)
	if err != nil {
		return nil, err
	}
	in.done[n] = v
	return v, nil
}

func (in *installation) vertex(n *planner.Node, inputs []*vertex) (*vertex, error) {
	key := vertexKey{Op: n.ID}
	if in.spec.ID >= AdHoc {
		key.Job = in.spec.ID
	}
	switch n.Op.(type) {
	case *planner.Sink, *planner.Materialize, *planner.Output:
		key.Job = in.spec.ID
	}
	if len(n.Inputs) == 0 {
		key.Place = in.place(n, key)
	} else {
		key.Place = inputs[0].key.Place
		for _, i := range inputs[1:] {
			if i.key.Place != key.Place {
				key.Place = mixPlaces(inputs)
				break
			}
		}
	}
	if v := in.e.run.g.byKey[key]; v != nil {
		in.use(v)
		return v, nil
	}
	v := &vertex{key: key, node: n, out: n.Schema, label: fmt.Sprintf("%s #%06x", opName(n.Op), uint64(n.ID)&0xffffff)}
	if len(inputs) > 0 {
		v.in = inputs[0].out
	}
	if op, ok := n.Op.(*planner.TemporalJoin); ok {
		v.leftAlone = op.LeftTime < 0
	}
	if err := in.make(v, inputs); err != nil {
		return nil, fmt.Errorf("%s: %w", v.label, err)
	}
	return v, nil
}

// use marks a shared vertex, and its local part, as used by the job.
func (in *installation) use(v *vertex) {
	v.jobs[in.job.id] = in.job
	for _, e := range v.inputs {
		if e.from.local {
			e.from.jobs[in.job.id] = in.job
		}
	}
}

func mixPlaces(inputs []*vertex) uint64 {
	h := uint64(14695981039346656037)
	for _, v := range inputs {
		for i := range 8 {
			h = (h ^ v.key.Place>>(8*i)&0xff) * 1099511628211
		}
	}
	return h
}

// place numbers a leaf: as the log says, or that of an equal leaf that has given nothing yet, or a new one.
func (in *installation) place(n *planner.Node, key vertexKey) uint64 {
	if p, ok := in.meta.Places[n.ID]; ok {
		return p
	}
	p := in.inherited(n)
	in.was = in.was || p != 0
	for _, v := range in.e.run.g.vertices {
		if p == 0 && v.leaf != nil && v.key.Op == n.ID && v.key.Job == key.Job && !v.dead.Load() && untouched(v) && in.silent(v.key.Place) {
			p = v.key.Place
		}
	}
	if p == 0 {
		p = in.e.meta.NextPlace
		in.e.meta.NextPlace++
	}
	in.meta.Places[n.ID] = p
	return p
}

// inherited is the place of an equal leaf of a job that is dropped in the same alteration, if the new job can go on there: it
// writes a sink, and each operator with state that it has between the leaf and the sink is there with its state.
func (in *installation) inherited(n *planner.Node) uint64 {
	if _, sink := in.spec.Root.Op.(*planner.Sink); !sink {
		return 0
	}
	for id := range in.e.dropping {
		m := in.e.meta.Jobs[id]
		if m == nil || m.Places[n.ID] == 0 {
			continue
		}
		place := m.Places[n.ID]
		all := true
		_ = walk(in.spec.Root, map[*planner.Node]bool{}, func(x *planner.Node) error {
			switch x.Op.(type) {
			case *planner.Filter, *planner.Project, *planner.Union, *planner.WindowExpand, *planner.Sink:
				return nil
			}
			if len(x.Inputs) > 1 {
				all = false
			}
			all = all && in.e.run.g.byKey[vertexKey{Op: x.ID, Place: place}] != nil
			return nil
		})
		if all {
			return place
		}
	}
	return 0
}

// silent reports whether no vertex of a place has put anything out yet: an aggregation without keys does so before its first row.
func (in *installation) silent(place uint64) bool {
	for _, v := range in.e.run.g.vertices {
		if v.key.Place == place && v.stats.rows.Load() > 0 {
			return false
		}
	}
	return true
}

// untouched reports whether a leaf has given nothing yet, in this process or before.
func untouched(v *vertex) bool {
	if v.restored {
		return false
	}
	switch l := v.leaf.(type) {
	case *scanLeaf:
		for _, p := range l.parts {
			if p.position != nil || p.ended {
				return false
			}
		}
		return !l.opening
	case *valuesLeaf:
		return !l.done
	case *viewLeaf:
		return !l.loaded
	}
	return false
}

// make fills a new vertex and puts it into the graph above its inputs.
func (in *installation) make(v *vertex, inputs []*vertex) error {
	e, g := in.e, in.e.run.g
	n := v.node
	dists := make([]Distribution, len(inputs))
	var vm *vertexMeta
	if v.key.Job < AdHoc || v.root != nil {
		vm = e.meta.Vertices[v.key.String()]
		v.restored = vm != nil
	}
	switch op := n.Op.(type) {
	case *planner.Scan:
		if err := in.scan(v, op, n, vm); err != nil {
			return err
		}
	case *planner.Values:
		l, err := newValuesLeaf(op, n.Schema, e.now(), e.cfg.Env)
		if err != nil {
			return err
		}
		l.done = vm != nil && vm.Done
		v.leaf = l
	case *planner.TableInput:
		v.leaf = newTableLeaf(op, vm)
	case *planner.ViewScan:
		l := &viewLeaf{op: op, loaded: vm != nil && vm.Done}
		v.leaf = l
		view := e.rejects.view
		if e.snapshots != nil {
			l.once = true
			if l.snapshot = e.snapshots[op.Object]; l.snapshot == nil {
				return types.Errorf(types.CodeUndefinedTable, "view %q is not kept by this engine", op.Name)
			}
			if !readable(l.snapshot.Schema(), n.Schema) {
				return types.Errorf(types.CodeObjectInUse, "the columns of table %q have changed meanwhile; try again", op.Name)
			}
			break
		}
		if op.Object == planner.RejectedID {
			if l.loaded && len(e.meta.Feed) > 0 {
				feed, err := changelog.ReadIPC(e.meta.Feed, planner.RejectedSchema())
				if err != nil {
					return fmt.Errorf("read what streamsql.rejected has to give: %w", err)
				}
				l.feed = feed
			}
		} else if below := e.views[op.Object]; below != nil {
			inputs = []*vertex{below}
			dists = make([]Distribution, 1)
			view = below.root.(*viewRoot).view
			v.in = below.out
			if !readable(view.Schema(), n.Schema) {
				return types.Errorf(types.CodeObjectInUse, "the columns of table %q have changed meanwhile; try again", op.Name)
			}
		} else {
			return types.Errorf(types.CodeUndefinedTable, "view %q is not kept by this engine", op.Name)
		}
		if len(inputs) > 0 && inputs[0].dead.Load() {
			return types.Errorf(types.CodeObjectInUse, "the query of view %q has failed", op.Name).WithHint("drop it and create it anew")
		}
		if !l.loaded {
			l.snapshot = view.Pin()
		}
	case *planner.Watermark:
		below := inputs[0]
		for len(below.inputs) == 1 && below.leaf == nil {
			below = below.inputs[0].from
		}
		if below.leaf == nil {
			return types.NotSupported(types.Span{}, "a watermark above %s", below.label)
		}
		m, err := newWatermarker(op, inputs[0].out, g.workers, below, e.cfg.Env)
		if err != nil {
			return err
		}
		v.wm = m
		if vm != nil {
			for name, wm := range vm.Marks {
				m.parts[name] = &partMark{wm: wm}
			}
			m.source = max(m.source, vm.Watermark)
		}
		if l, ok := below.leaf.(*scanLeaf); ok && op.IdleTimeout > 0 && (l.idleAfter == 0 || op.IdleTimeout < l.idleAfter) {
			l.idleAfter = op.IdleTimeout
		}
	case *planner.Sink:
		if err := in.sink(v, op, n); err != nil {
			return err
		}
	case *planner.Materialize:
		if err := in.view(v, op, n); err != nil {
			return err
		}
	case *planner.Output:
		if in.job.sub == nil {
			return types.Errorf(types.CodeInternal, "an ad-hoc query without a subscriber")
		}
		v.root = &outputRoot{schema: n.Schema, sub: in.job.sub}
	default:
		return in.operator(v, inputs, vm)
	}
	in.put(v, inputs, dists)
	if vm != nil {
		v.watermark = vm.Watermark
	}
	return nil
}

// put adds a vertex to the graph and makes what workers need of it.
func (in *installation) put(v *vertex, inputs []*vertex, dists []Distribution) {
	r := in.e.run
	r.g.add(v)
	v.jobs[in.job.id] = in.job
	for i, from := range inputs {
		r.g.connect(from, v, i, dists[i])
		if i == 0 {
			v.source = from.source
		} else if v.source != from.source {
			v.source = ""
		}
	}
	switch op := v.node.Op.(type) {
	case *planner.Scan:
		v.source = op.Name
	case *planner.ViewScan:
		v.source = op.Name
	}
	if r.check {
		v.check = newChecker(v, in.was)
	}
	for _, w := range r.workers {
		v.emits = append(v.emits, r.emitter(v, w))
		if v.leaf == nil && v.root == nil {
			v.ctxs = append(v.ctxs, &Context{
				Reject: r.rejecter(v, w),
				Timer:  func(clock int64) { v.timers[w.id] = min(v.timers[w.id], clock) },
				Stop:   r.stop,
			})
		}
	}
}

// operator makes the instances of an operator: of both its parts where its rows are spread over several workers.
func (in *installation) operator(v *vertex, inputs []*vertex, vm *vertexMeta) error {
	e := in.e
	workers := e.cfg.Workers
	var local *vertex
	var dists []Distribution
	for range workers {
		l, err := Lower(v.node, e.cfg.Env)
		if err != nil {
			return err
		}
		if workers == 1 || l.Local == nil {
			v.ops = append(v.ops, Join(l))
			dists = l.Dists
			continue
		}
		if local == nil {
			local = &vertex{key: v.key, node: v.node, local: true, in: v.in, out: l.Partial, label: v.label + " (local)"}
			dists = l.Dists
		}
		local.locals = append(local.locals, l.Local)
		v.ops = append(v.ops, l.Global)
	}
	if len(dists) != len(inputs) {
		dists = Distributions(v.node)
	}
	if local != nil {
		in.put(local, inputs, make([]Distribution, len(inputs)))
		inputs = []*vertex{local}
		v.in = local.out
	}
	in.put(v, inputs, dists)
	if vm != nil {
		v.watermark = vm.Watermark
		for w := range v.outWM {
			v.outWM[w] = vm.Watermark
		}
		if local != nil {
			local.watermark = changelog.MinWatermark
		}
	}
	return in.openTables(v)
}

// openTables opens an operator on all workers, which brings its state back.
func (in *installation) openTables(v *vertex) error {
	e := in.e
	errs := make([]error, len(v.ops))
	var mu sync.Mutex
	open := func(w int) {
		t := &tableOpener{mu: &mu, v: v, worker: w, workers: e.cfg.Workers, meta: e.meta}
		if e.store.Durable() && v.key.Job < AdHoc {
			t.store = e.store
		}
		errs[w] = v.ops[w].Open(&OpenContext{Worker: w, Workers: e.cfg.Workers, Tables: t, Watermark: v.watermark})
	}
	open(0) // numbers the tables
	if errs[0] == nil {
		var wg sync.WaitGroup
		for w := range len(v.ops) - 1 {
			wg.Go(func() { open(w + 1) })
		}
		wg.Wait()
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// scan makes the leaf of a source.
func (in *installation) scan(v *vertex, op *planner.Scan, n *planner.Node, vm *vertexMeta) error {
	e := in.e
	l := &scanLeaf{op: op, in: e.in, stops: map[*partition]func(){}, calls: &sync.Mutex{}, relist: make(chan struct{}, 1)}
	v.leaf = l
	l.limitRate(in.spec.RateLimit)
	known := map[string]*partMeta{}
	if vm != nil {
		known = vm.Parts
	}
	if o := in.o.sources[n]; o != nil {
		in.o.used[n] = true
		l.source = o.source
		l.discover(o.names, known)
		l.watch(e, v, false, known)
		return nil
	}
	l.opening = true
	l.watch(e, v, true, known)
	return nil
}

// sink makes the root of a job that writes a sink, and its publisher.
func (in *installation) sink(v *vertex, op *planner.Sink, n *planner.Node) error {
	e := in.e
	s := in.o.sinks[n]
	if err := in.o.failed[n]; err != nil {
		return err
	}
	if s == nil {
		return types.Errorf(types.CodeInternal, "sink %q was not opened", op.Name)
	}
	id := uint64(op.Object)
	for _, j := range e.jobs {
		if j.pub != nil && j.pub.id == id && !e.dropping[j.id] {
			return types.Errorf(types.CodeObjectInUse, "sink %q is written by %q already", op.Name, j.name)
		}
	}
	in.o.used[n] = true
	_, unlogged := s.(sinks.Unlogged)
	j := in.job
	p := newPublisher(&publisher{
		id: id, name: op.Name, schema: n.Inputs[0].Schema, sink: s, store: e.store, log: e.cfg.Logger, mend: in.spec.OnMarker,
		opened: e.opened, since: e.epoch, logged: e.store.Durable() && !unlogged, wake: e.Wake,
	})
	p.failed = func(err error) { go e.sinkFailed(j, err) }
	check, _ := s.(sinks.Checker)
	v.root = &sinkRoot{op: op, schema: p.schema, unique: provesKey(n.Inputs[0], op.Key), netted: netted(n.Inputs[0]), logged: p.logged, check: check, pub: p}
	j.pub = p
	e.starting = append(e.starting, p)
	return nil
}

// sinkFailed fails the job of a sink for good. What it shares with other jobs goes on, and the job's own part with it: its
// output is kept in the log, so that the next start can publish it once the sink is mended; until it is more than an outbox may
// hold.
func (e *Engine) sinkFailed(j *job, err error) {
	_ = e.later(context.Background(), func() {
		if e.jobs[j.id] != j || j.state == JobFailed {
			return
		}
		err := fmt.Errorf("sink %q: %w", j.pub.name, err)
		if j.pub.logged && e.shares(j) {
			e.cfg.Logger.Error("a sink failed; its output is kept in the log", "query", j.name, "err", err)
			j.state, j.err, j.detached = JobFailed, err, true
			e.tell(j)
			return
		}
		e.failJob(j, err)
	})
}

// shares reports whether a job has a vertex together with another one that runs.
func (e *Engine) shares(j *job) bool {
	for _, v := range e.run.g.vertices {
		if v.jobs[j.id] == nil {
			continue
		}
		for _, o := range v.jobs {
			if o != j && o.state != JobFailed {
				return true
			}
		}
	}
	return false
}

// view makes the root of a materialized view and brings its rows back.
func (in *installation) view(v *vertex, op *planner.Materialize, n *planner.Node) error {
	e := in.e
	vm := e.meta.vertex(v.key)
	id, known := vm.Tables["rows"]
	if !known {
		id = e.meta.NextTable
		e.meta.NextTable++
		if vm.Tables == nil {
			vm.Tables = map[string]state.TableID{}
		}
		vm.Tables["rows"] = id
	}
	schema := n.Inputs[0].Schema
	view := state.NewView(id, op.Name, schema, op.Key)
	if known && e.store.Durable() {
		if err := e.store.Load(view, nil); err != nil {
			return fmt.Errorf("load view %s: %w", op.Name, err)
		}
	}
	root := &viewRoot{op: op, schema: schema, view: view, netted: netted(n.Inputs[0])}
	v.root = root
	v.tables = []vertexTable{{name: "rows", table: view}}
	if op.Retention > 0 {
		t := &tableOpener{mu: &sync.Mutex{}, v: v, workers: 1, meta: e.meta}
		if e.store.Durable() {
			t.store = e.store
		}
		var err error
		if root.keep, err = newRetention(op.Retention, schema, t); err != nil {
			return err
		}
		v.nextTimer = root.keep.next()
	}
	e.views[op.Object] = v
	return nil
}
