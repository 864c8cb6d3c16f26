package exec

import (
	"fmt"
	"maps"
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// TableRewrite changes the columns of a table: ALTER TABLE. Who reads the table goes on: to them it has the columns that it had, which
// must be the first ones of the new version.
type TableRewrite struct {
	Object planner.ObjectID
	Root   *planner.Node // keeps the new version
	// Rows gives the new version of rows, one for each, with the weights as they are.
	Rows    func(*changelog.Batch) (*changelog.Batch, error)
	Indexes [][]int // of the new version
	// From says for each new column which old one it is, or -1.
	From []int
}

// rewritten is a table's new version, made and not yet in its place.
type rewritten struct {
	TableRewrite
	root, input *vertex
	view        *state.View
	queue       []*changelog.Batch
}

// rewrite makes a table's new version beside the old one. It changes nothing, but that the number of rows in memory doubles.
func (e *Engine) rewrite(r TableRewrite) (*rewritten, error) {
	out := &rewritten{TableRewrite: r, root: e.views[r.Object], input: e.tableInput(r.Object)}
	if out.input == nil {
		return nil, types.Errorf(types.CodeUndefinedTable, "table %d is not kept by this engine, or its query failed", r.Object)
	}
	old := out.root.root.(*viewRoot)
	op := r.Root.Op.(*planner.Materialize)
	out.view = state.NewView(e.meta.NextTable, op.Name, r.Root.Schema, op.Key)
	e.meta.NextTable++
	if err := out.view.SetIndexes(r.Indexes); err != nil {
		return nil, err
	}
	err := old.view.Pin().Scan(viewBatch, func(b *changelog.Batch) error {
		rows, err := r.Rows(b)
		if err != nil {
			return err
		}
		return out.view.Update(rows)
	})
	if err != nil {
		return nil, err
	}
	for _, b := range out.input.leaf.(*tableLeaf).queue { // acknowledged with this epoch
		rows, err := r.Rows(b)
		if err != nil {
			return nil, err
		}
		out.queue = append(out.queue, rows)
	}
	return out, nil
}

// place puts a table's new version in the place of the old one.
func (e *Engine) place(r *rewritten) {
	root := r.root.root.(*viewRoot)
	e.drops = append(e.drops, root.view.Spec().ID)
	e.meta.vertex(r.root.key).Tables["rows"] = r.view.Spec().ID
	root.op, root.schema, root.view = r.Root.Op.(*planner.Materialize), r.Root.Schema, r.view
	r.root.tables[0].table = r.view
	leaf := r.input.leaf.(*tableLeaf)
	leaf.op, leaf.queue = r.Root.Inputs[0].Op.(*planner.TableInput), r.queue
	counters := map[int]int64{}
	for i, from := range r.From {
		if n, ok := leaf.counters[from]; ok {
			counters[i] = n
		}
	}
	leaf.counters = counters
	e.rename(r.input, r.Root.Inputs[0])
	e.rename(r.root, r.Root)
	r.root.in = r.Root.Inputs[0].Schema
	r.root.fresh = true // so that the epoch logs it
	e.mu.Lock()
	delete(e.pins, r.Object)
	e.mu.Unlock()
}

// rename makes a vertex that of another node: its part of meta goes with it.
func (e *Engine) rename(v *vertex, n *planner.Node) {
	old := v.key
	v.key.Op = n.ID
	v.node, v.out, v.label = n, n.Schema, fmt.Sprintf("%s #%06x", opName(n.Op), uint64(n.ID)&0xffffff)
	if old == v.key {
		return
	}
	delete(e.run.g.byKey, old)
	e.run.g.byKey[v.key] = v
	if vm := e.meta.Vertices[old.String()]; vm != nil {
		delete(e.meta.Vertices, old.String())
		e.meta.Vertices[v.key.String()] = vm
	}
	for id := range v.jobs {
		if m := e.meta.Jobs[id]; m != nil {
			if p, ok := m.Places[old.Op]; ok {
				m.Places = maps.Clone(m.Places)
				delete(m.Places, old.Op)
				m.Places[n.ID] = p
			}
		}
	}
	if v.check != nil {
		v.check = newChecker(v, true)
	}
}

// readable reports whether rows of one schema can be read as those of another: its columns are the first ones.
func readable(have, want types.Schema) bool {
	return len(have) >= len(want) && slices.EqualFunc(have[:len(want)], want, func(a, b types.Field) bool { return a.Type == b.Type })
}

// narrowed leaves the first n columns of a batch.
func narrowed(b *changelog.Batch, n int) *changelog.Batch {
	if len(b.Cols) == n {
		return b
	}
	return b.With(b.Cols[:n])
}
