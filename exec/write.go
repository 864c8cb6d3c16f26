package exec

import (
	"context"
	"maps"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// TableWrite is what one statement, or one transaction, changes in a table: rows with weights, of the table's columns, which
// need not be consolidated. Who writes has checked that the rows that go are there and that keys stay unique.
type TableWrite struct {
	Object  planner.ObjectID
	Batches []*changelog.Batch
	// Counters are the last values given out of identity columns, by column; they only rise.
	Counters map[int]int64
}

// tableLeaf gives what statements wrote to a table since the last epoch.
type tableLeaf struct {
	op       *planner.TableInput
	queue    []*changelog.Batch
	counters map[int]int64
}

func newTableLeaf(op *planner.TableInput, vm *vertexMeta) *tableLeaf {
	l := &tableLeaf{op: op, counters: map[int]int64{}}
	if vm != nil {
		maps.Copy(l.counters, vm.Counters)
	}
	return l
}

func (l *tableLeaf) tasks(v *vertex) []task {
	out := make([]task, len(l.queue))
	for i, b := range l.queue {
		out[i] = task{v: v, item: item{batch: b}}
	}
	l.queue = nil
	return out
}

func (l *tableLeaf) pending(*vertex) bool                  { return len(l.queue) > 0 }
func (l *tableLeaf) partitions() []*partition              { return nil }
func (l *tableLeaf) watermark(*vertex) changelog.Watermark { return changelog.MinWatermark }

// writeAck waits for the epoch of a Write.
type writeAck struct {
	tables []*vertex
	done   chan writeResult
}

type writeResult struct {
	epoch changelog.Epoch
	err   error
}

// Write takes changes of tables in, all of them in one epoch, and returns that epoch once it is prepared: from then on the changes
// outlive a crash, and every Pin sees them in the tables and in all views above. Changes of several callers share an epoch and
// its sync. When ctx ends before the changes are taken in, they are not made; afterwards it is not looked at.
//
// Errors: 42P01 for a table that this engine does not keep; what ended the table's job or the engine, in which case it is unknown
// whether the changes were kept.
func (e *Engine) Write(ctx context.Context, writes []TableWrite) (changelog.Epoch, error) {
	ack := writeAck{done: make(chan writeResult, 1)}
	var failed error
	err := e.do(ctx, func() { failed = e.queueWrites(writes, &ack) })
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	e.Wake()
	select {
	case r := <-ack.done:
		return r.epoch, r.err
	case <-e.stopped:
		select {
		case r := <-ack.done:
			return r.epoch, r.err
		default:
			return 0, e.errStopped()
		}
	}
}

// queueWrites hands changes to the leaves of their tables. It runs between epochs.
func (e *Engine) queueWrites(writes []TableWrite, ack *writeAck) error {
	if e.stopping != nil {
		return types.Errorf(types.CodeShutdown, "the engine is stopping")
	}
	leaves := make([]*tableLeaf, len(writes))
	for i, w := range writes {
		v := e.tableInput(w.Object)
		if v == nil {
			return types.Errorf(types.CodeUndefinedTable, "table %d is not kept by this engine, or its query failed", w.Object)
		}
		for _, b := range w.Batches {
			if !fits(b, v.out) {
				return types.Errorf(types.CodeObjectInUse, "the columns of table %q have changed meanwhile; try again", v.leaf.(*tableLeaf).op.Name)
			}
		}
		leaves[i] = v.leaf.(*tableLeaf)
		if ack != nil {
			ack.tables = append(ack.tables, v)
		}
	}
	for i, w := range writes {
		l := leaves[i]
		for _, b := range w.Batches {
			if b.Rows() > 0 {
				l.queue = append(l.queue, b)
			}
		}
		for col, n := range w.Counters {
			if have, ok := l.counters[col]; !ok || n > have {
				l.counters[col] = n
			}
		}
	}
	if ack != nil {
		e.writes = append(e.writes, *ack)
	}
	return nil
}

// fits reports whether a batch has the columns of a schema.
func fits(b *changelog.Batch, schema types.Schema) bool {
	if len(b.Cols) != len(schema) {
		return false
	}
	for i, f := range schema {
		if !arrow.TypeEqual(b.Cols[i].DataType(), f.Type.Arrow()) {
			return false
		}
	}
	return true
}

// tableInput returns the leaf of a table, or nil if it is not there or dead.
func (e *Engine) tableInput(id planner.ObjectID) *vertex {
	root := e.views[id]
	if root == nil || root.dead.Load() {
		return nil
	}
	for root.leaf == nil && len(root.inputs) == 1 {
		root = root.inputs[0].from
	}
	if _, ok := root.leaf.(*tableLeaf); !ok || root.dead.Load() {
		return nil
	}
	return root
}

// answerWrites tells those whose changes the prepared epoch holds.
func (e *Engine) answerWrites() {
	for _, a := range e.writes {
		r := writeResult{epoch: e.epoch}
		for _, v := range a.tables {
			for _, j := range v.jobs {
				if v.dead.Load() || j.state == JobFailed {
					r.err = types.Errorf(types.CodeInternal, "table %q cannot be written any more", v.leaf.(*tableLeaf).op.Name)
					if j.err != nil {
						r.err = j.err
					}
				}
			}
		}
		a.done <- r
	}
	e.writes = nil
}

// Counters returns the last values given out of a table's identity columns, by column.
func (e *Engine) Counters(ctx context.Context, table planner.ObjectID) (map[int]int64, error) {
	var out map[int]int64
	err := e.do(ctx, func() {
		if v := e.tableInput(table); v != nil {
			out = maps.Clone(v.leaf.(*tableLeaf).counters)
		}
	})
	return out, err
}

// atRest reports whether nothing but statements could change a job's result any more: its sources have ended, and what was written to the
// tables that it reads is in it.
func (e *Engine) atRest(j *job) bool {
	if j.state != JobRunning {
		return false
	}
	tables := false
	for _, v := range e.run.g.vertices {
		if v.jobs[j.id] == nil || v.leaf == nil {
			continue
		}
		switch v.leaf.(type) {
		case *tableLeaf, *viewLeaf: // the jobs of views are asked themselves
			tables = true
			if v.leaf.pending(v) {
				return false
			}
		default:
			if v.leaf.pending(v) || v.watermark != changelog.MaxWatermark {
				return false
			}
		}
	}
	return tables
}
