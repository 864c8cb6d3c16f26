package exec

import (
	"fmt"
	"strings"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// ViewsAt returns the rows of materialized views, given by the roots of their plans, and of streamsql.rejected, as they were at a kept version of
// the state. Nothing is changed by reading them.
//
// Errors: 42P01 for a view that did not exist then; those of reading the state.
func ViewsAt(r *state.VersionReader, roots []*planner.Node, rejected bool) (map[planner.ObjectID]*state.Snapshot, error) {
	m, err := decodeMeta(r.Head().Meta)
	if err != nil {
		return nil, err
	}
	out := map[planner.ObjectID]*state.Snapshot{}
	load := func(object planner.ObjectID, view *state.View) error {
		if err := r.Load(view, nil); err != nil {
			return err
		}
		out[object] = view.Pin()
		return nil
	}
	if rejected {
		view := state.NewView(m.RejectedID, "streamsql.rejected", planner.RejectedSchema(), []int{0})
		if err := load(planner.RejectedID, view); err != nil {
			return nil, err
		}
	}
	for _, root := range roots {
		op, ok := root.Op.(*planner.Materialize)
		if !ok {
			return nil, types.Errorf(types.CodeInternal, "the root %T keeps no view", root.Op)
		}
		id, ok := m.rowsOf(root.ID, JobID(op.Object))
		if !ok {
			return nil, types.Errorf(types.CodeUndefinedTable, "view %q did not exist, as it is now, at epoch %d", op.Name, r.Head().Epoch)
		}
		if err := load(op.Object, state.NewView(id, op.Name, root.Inputs[0].Schema, op.Key)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rowsOf finds the table with the rows of a view, wherever its sources stood.
func (m *meta) rowsOf(op planner.OpID, job JobID) (state.TableID, bool) {
	before, behind := fmt.Sprintf("%x.", uint64(op)), fmt.Sprintf(".%x", uint64(job))
	for key, v := range m.Vertices {
		if id, ok := v.Tables["rows"]; ok && strings.HasPrefix(key, before) && strings.HasSuffix(key, behind) {
			return id, true
		}
	}
	return 0, false
}
