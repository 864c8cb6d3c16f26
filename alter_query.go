package streamsql

import (
	"context"
	"strings"

	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// alterQuery gives a view another query, as CREATE OR REPLACE with the settings that it was made with, or says what that would do to the
// state of its operators.
func (s *Session) alterQuery(ctx context.Context, p *planner.Planner, stmt *sql.Alter, as *sql.AlterAs) (Result, error) {
	r := Result{Tag: "ALTER " + string(stmt.Kind)}
	o, err := p.Find(stmt.Name)
	if err != nil {
		if stmt.IfExists {
			r.Notices = append(r.Notices, Notice{Msg: types.AsError(err).Msg + ", skipping"})
			return r, nil
		}
		return r, err
	}
	if o.Kind != planner.KindView && o.Kind != planner.KindMaterializedView {
		return r, types.NotSupported(as.Span(), "another query for a %s", o.Kind).WithHint("DROP it and create it anew")
	}
	p.Settings = o.View.Settings
	create := &sql.CreateView{At: as.At, OrReplace: true, Materialized: o.Kind == planner.KindMaterializedView, Name: stmt.Name, Query: as.Query}
	if !as.DryRun {
		made, err := s.create(ctx, p, create)
		made.Tag = r.Tag
		return made, err
	}
	created, err := p.PlanCreateView(create)
	if err != nil {
		return r, err
	}
	t := &table{names: []string{"change"}}
	if created.Plan == nil {
		t.rows = [][]any{{"a view keeps no state"}}
		return t.result(r.Tag), nil
	}
	for _, line := range strings.Split(strings.TrimRight(planner.FormatDiff(planner.Diff(o.View.Physical.Root, created.Plan)), "\n"), "\n") {
		t.rows = append(t.rows, []any{line})
	}
	return t.result(r.Tag), nil
}
