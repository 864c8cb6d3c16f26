package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// leaf feeds a vertex without operator: a Scan, Values or ViewScan.
type leaf interface {
	// tasks returns the epoch's input, in order. It is called once an epoch, before the vertex's level runs.
	tasks(v *vertex) []task
	// pending reports whether an epoch would bring anything.
	pending(v *vertex) bool
	// partitions returns the partitions whose rows keep their order, nil if there are none.
	partitions() []*partition
	// watermark returns MaxWatermark when nothing more will come, else what is known.
	watermark(v *vertex) changelog.Watermark
}

// valuesLeaf gives constant rows once.
type valuesLeaf struct {
	batch *changelog.Batch
	done  bool
	given bool // in this epoch
}

func newValuesLeaf(op *planner.Values, schema types.Schema, clock int64, env *Env) (*valuesLeaf, error) {
	l := &valuesLeaf{}
	one := &changelog.Batch{N: 1}
	cols := make([][]arrow.Array, len(schema))
	rows := &changelog.Batch{N: len(op.Rows), Cols: make([]arrow.Array, len(schema))}
	for _, row := range op.Rows {
		p, err := env.functions().Compile(row)
		if err != nil {
			return nil, err
		}
		vecs, err := p.Eval(&expr.Context{Now: clock, Zone: env.zone()}, one)
		if err != nil {
			return nil, err
		}
		for i, v := range vecs {
			if v.Errs.Len() > 0 {
				return nil, v.Errs.Errs[0]
			}
			cols[i] = append(cols[i], v.Arr)
		}
	}
	var batches []*changelog.Batch
	for r := range op.Rows {
		b := &changelog.Batch{N: 1, Cols: make([]arrow.Array, len(schema))}
		for i := range schema {
			b.Cols[i] = cols[i][r]
		}
		batches = append(batches, b)
	}
	if len(batches) > 0 {
		rows = changelog.Concat(schema, batches)
	}
	l.batch = rows
	return l, nil
}

func (l *valuesLeaf) tasks(v *vertex) []task {
	if l.done {
		return nil
	}
	l.done, l.given = true, true
	if l.batch.N == 0 {
		return nil
	}
	return []task{{v: v, item: item{batch: l.batch}}}
}

func (l *valuesLeaf) pending(v *vertex) bool                { return !l.done }
func (l *valuesLeaf) partitions() []*partition              { return nil }
func (l *valuesLeaf) watermark(*vertex) changelog.Watermark { return changelog.MaxWatermark }

// viewLeaf gives what a view holds when the job begins, then the view's changes of every epoch.
type viewLeaf struct {
	op     *planner.ViewScan
	loaded bool
	given  bool // in this epoch
	// snapshot is what the view held before the first epoch; nil: nothing, or loaded.
	snapshot *state.Snapshot
	// feed are changes that came from elsewhere than a vertex (streamsql.rejected).
	feed []*changelog.Batch
	// once: nothing follows the snapshot.
	once bool
}

// viewBatch is the most rows of a batch read from a view.
const viewBatch = 32 << 10

func (l *viewLeaf) tasks(v *vertex) []task {
	var out []task
	add := func(b *changelog.Batch) { out = append(out, task{v: v, item: item{batch: narrowed(b, len(v.out))}}) }
	if !l.loaded {
		l.loaded, l.given = true, true
		if s := l.snapshot; s != nil && l.once && l.op.Lookup != nil && s.Indexed(l.op.Lookup.Cols) {
			l.snapshot = nil
			out = append(out, task{v: v, run: func(w *worker) error {
				b, err := lookUp(s, l.op.Lookup)
				if err == nil && b.N > 0 {
					v.emits[w.id](narrowed(b, len(v.out)))
				}
				return err
			}})
		} else if s != nil { // one task, so that the rows are never all in memory twice
			l.snapshot = nil
			out = append(out, task{v: v, run: func(w *worker) error {
				return s.Scan(viewBatch, func(b *changelog.Batch) error {
					v.emits[w.id](narrowed(b, len(v.out)))
					return nil
				})
			}})
		}
	}
	for _, b := range l.feed {
		add(b)
	}
	l.feed = nil
	for _, b := range taken(v) {
		add(b)
	}
	return out
}

func (l *viewLeaf) pending(*vertex) bool     { return !l.loaded || len(l.feed) > 0 }
func (l *viewLeaf) partitions() []*partition { return nil }

func (l *viewLeaf) watermark(v *vertex) changelog.Watermark {
	if l.once {
		return changelog.MaxWatermark
	}
	if len(v.inputs) == 0 {
		return changelog.MinWatermark
	}
	wm := changelog.MaxWatermark
	for _, e := range v.inputs {
		wm = min(wm, e.from.watermark)
	}
	return wm
}
