package exec

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// lookUp reads the rows of a view that have one of some values.
func lookUp(s *state.Snapshot, l *planner.Lookup) (*changelog.Batch, error) {
	schema := s.Schema()
	cols := make([]arrow.Array, len(l.Cols))
	for i, c := range l.Cols {
		b := types.NewBuilder(schema[c].Type)
		for _, row := range l.Values {
			if err := types.AppendValue(b, schema[c].Type, row[i].Value); err != nil {
				return nil, err
			}
		}
		cols[i] = b.NewArray()
	}
	rows, err := s.Find(l.Cols, cols, len(l.Values))
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// setIndexes makes a view's rows be found by these sets of columns, and no others. It reads all rows for a new set.
func (e *Engine) setIndexes(id planner.ObjectID, sets [][]int) error {
	v := e.views[id]
	if v == nil || v.dead.Load() {
		return nil // its query failed: nobody reads it
	}
	if err := v.root.(*viewRoot).view.SetIndexes(sets); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pins, id)
	return nil
}
