package exec

import (
	"fmt"
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// terminal is the root of a job: it takes all that reached it in the epoch at once, in order.
type terminal interface {
	finish(w *worker, v *vertex) error
}

// taken returns what waits at the inputs of a root.
func taken(v *vertex) []*changelog.Batch {
	var out []*changelog.Batch
	for _, e := range v.inputs {
		for _, it := range e.buf.take(0) {
			out = append(out, it.batch)
		}
	}
	return out
}

// sinkRoot turns what reached a Sink into what the sink is to publish.
type sinkRoot struct {
	op      *planner.Sink
	schema  types.Schema
	unique  bool // the plan proves that there is one row a key
	netted  bool // what comes is consolidated already
	logged  bool
	check   sinks.Checker // nil: the sink takes every row
	pub     *publisher
	changes []*changelog.Batch // of this epoch, if not logged
	body    []byte             // of this epoch, if logged
}

func (s *sinkRoot) finish(w *worker, v *vertex) error {
	s.changes, s.body = nil, nil
	batches := taken(v)
	if s.op.Mode != planner.Append {
		if !s.netted {
			batches = changelog.Consolidate(s.schema, batches)
		} else if v.check != nil {
			if err := checkNetted(v, s.schema, batches); err != nil {
				return err
			}
		}
	}
	changes, err := sinkChanges(s.op, s.schema, s.unique, batches)
	if err == nil && s.check != nil {
		changes, err = s.accepted(changes, w.run.rejecter(v, w))
	}
	if err != nil || len(changes) == 0 {
		return err
	}
	rows := 0
	for _, b := range changes {
		rows += b.Rows()
	}
	v.stats.count(0, rows)
	if !s.logged {
		s.changes = changes
		return nil
	}
	s.body, err = changelog.AppendIPC(nil, s.schema, changes)
	return err
}

// accepted rejects the rows that the sink refuses and returns the others.
func (s *sinkRoot) accepted(changes []*changelog.Batch, reject func(Rejection) error) ([]*changelog.Batch, error) {
	var out []*changelog.Batch
	for _, b := range changes {
		refused := s.check.Check(b)
		if len(refused) == 0 {
			out = append(out, b)
			continue
		}
		for _, r := range refused {
			err := reject(Rejection{Batch: b, Schema: s.schema, Row: r.Row, Reason: ReasonSink, Err: r.Err, Weight: b.Weight(r.Row)})
			if err != nil {
				return nil, err
			}
		}
		rest := make([]uint32, 0, b.Rows())
		b.Each(func(row int) {
			if len(refused) > 0 && refused[0].Row == row {
				refused = refused[1:]
				return
			}
			rest = append(rest, uint32(row))
		})
		if len(rest) > 0 {
			out = append(out, b.Select(rest))
		}
	}
	return out, nil
}

// sinkChanges brings an epoch's changes, which are consolidated unless the sink only appends, into the form that a sink
// accepts: of an append sink as they came, else all deletions before all insertions, of an upsert sink at most one of each per
// key (which is so anyhow where keys are unique).
func sinkChanges(op *planner.Sink, schema types.Schema, unique bool, batches []*changelog.Batch) ([]*changelog.Batch, error) {
	if len(batches) == 0 {
		return nil, nil
	}
	switch op.Mode {
	case planner.Append:
		for _, b := range batches {
			if b.AppendOnly() {
				continue
			}
			var bad error
			b.Each(func(row int) {
				if b.Weights[row] < 0 && bad == nil {
					bad = types.Errorf(types.CodeInternal, "sink %q only appends, and was given a deletion", op.Name)
				}
			})
			if bad != nil {
				return nil, bad
			}
		}
		return batches, nil
	case planner.Upsert:
		if unique {
			break
		}
		return upserts(op, schema, batches), nil
	}
	return deletesFirst(batches), nil
}

// provesKey reports whether a plan has at most one row per value of the columns key.
func provesKey(n *planner.Node, key []int) bool {
	for _, k := range n.Props.Keys {
		all := true
		for _, col := range k {
			all = all && slices.Contains(key, col)
		}
		if all {
			return true
		}
	}
	return false
}

// netted reports whether the output of a node is consolidated in every epoch: an aggregation gives for each changed group the
// old row and the new one, which differ, and what is above keeps different rows different.
func netted(n *planner.Node) bool {
	switch op := n.Op.(type) {
	case *planner.Aggregate:
		return op.Emit == planner.EmitChanges && op.TTL == 0 && op.Close < 0
	case *planner.WindowAggregate:
		return op.Emit == planner.EmitChanges
	case *planner.Filter:
		return netted(n.Inputs[0])
	case *planner.Project:
		kept := map[int]bool{}
		for _, x := range op.Exprs {
			if c, ok := x.(*expr.Column); ok {
				kept[c.Index] = true
			}
		}
		return len(kept) == len(n.Inputs[0].Schema) && netted(n.Inputs[0])
	}
	return false
}

// checkNetted checks the claim of netted, in test builds.
func checkNetted(v *vertex, schema types.Schema, batches []*changelog.Batch) error {
	before, after := 0, 0
	for _, b := range batches {
		before += b.Rows()
	}
	for _, b := range changelog.Consolidate(schema, batches) {
		after += b.Rows()
	}
	if before != after {
		return types.Errorf(types.CodeInternal, "check of %s: %d rows came, consolidated they are %d", v.label, before, after)
	}
	return nil
}

// deletesFirst puts all deletions before all insertions.
func deletesFirst(batches []*changelog.Batch) []*changelog.Batch {
	mixed := false
	for _, b := range batches {
		mixed = mixed || !b.AppendOnly()
	}
	if !mixed {
		return batches
	}
	var out []*changelog.Batch
	for _, sign := range []int64{-1, 1} {
		for _, b := range batches {
			sel := make([]uint32, 0, b.Rows())
			b.Each(func(row int) {
				if w := b.Weight(row); w*sign > 0 {
					sel = append(sel, uint32(row))
				}
			})
			if len(sel) > 0 {
				out = append(out, b.Select(sel))
			}
		}
	}
	return out
}

// upserts leaves at most one deletion and one insertion per key: where a key was inserted more than once, the last counts.
func upserts(op *planner.Sink, schema types.Schema, batches []*changelog.Batch) []*changelog.Batch {
	if len(batches) == 0 {
		return nil
	}
	all := changelog.Concat(schema, batches)
	ts := make([]types.Type, len(op.Key))
	cols := all.Cols[:0:0]
	for i, k := range op.Key {
		ts[i] = schema[k].Type
		cols = append(cols, all.Cols[k])
	}
	enc := changelog.NewEncoder(ts, nil)
	enc.Reset(cols)
	type change struct{ del, ins int }
	var changes []change
	byKey := map[string]int{}
	var buf []byte
	for row := range all.N {
		buf = enc.Append(buf[:0], row)
		at, ok := byKey[string(buf)]
		if !ok {
			at = len(changes)
			byKey[string(buf)] = at
			changes = append(changes, change{-1, -1})
		}
		if all.Weight(row) < 0 {
			changes[at].del = row
		} else {
			changes[at].ins = row
		}
	}
	var dels, inss []uint32
	for _, c := range changes {
		if c.del >= 0 {
			dels = append(dels, uint32(c.del))
		}
		if c.ins >= 0 {
			inss = append(inss, uint32(c.ins))
		}
	}
	var out []*changelog.Batch
	if len(dels) > 0 {
		b := changelog.Take(all, dels)
		b.Weights = repeat(-1, b.N)
		out = append(out, b)
	}
	if len(inss) > 0 {
		b := changelog.Take(all, inss)
		b.Weights = nil
		out = append(out, b)
	}
	return out
}

func repeat(w int64, n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = w
	}
	return s
}

// viewRoot keeps a Materialize up to date and hands its changes on to the ViewScans above it.
type viewRoot struct {
	op      *planner.Materialize
	schema  types.Schema
	view    *state.View
	netted  bool       // what comes is consolidated already
	keep    *retention // nil: rows stay
	changed bool
}

func (m *viewRoot) finish(w *worker, v *vertex) error {
	m.changed = false
	for _, j := range v.jobs {
		if j.failing.Load() {
			return nil
		}
	}
	batches := taken(v)
	switch {
	case !m.netted:
		batches = changelog.Consolidate(m.schema, batches)
	case v.check != nil:
		if err := checkNetted(v, m.schema, batches); err != nil {
			return err
		}
	}
	if m.keep != nil {
		var err error
		if batches, err = m.keep.update(batches, w.run.clock); err != nil {
			return err
		}
		v.nextTimer = m.keep.next()
	}
	if len(batches) == 0 {
		return nil
	}
	if err := m.view.Update(batches...); err != nil {
		return fmt.Errorf("update view %s: %w", m.op.Name, err)
	}
	m.changed = true
	for _, b := range batches {
		v.emits[w.id](b)
	}
	return nil
}

// outputRoot collects the changes of an ad-hoc query for its subscriber.
type outputRoot struct {
	schema  types.Schema
	sub     *Subscription
	changes []*changelog.Batch
}

func (o *outputRoot) finish(_ *worker, v *vertex) error {
	o.changes = deletesFirst(changelog.Consolidate(o.schema, taken(v)))
	return nil
}
