package streamsql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// explain answers EXPLAIN.
func (s *Session) explain(ctx context.Context, p *planner.Planner, stmt *sql.Explain) (Result, error) {
	var root, logical *planner.Node
	var query *planner.QueryPlan
	switch x := stmt.Stmt.(type) {
	case *sql.QueryStmt:
		plan, err := p.PlanQuery(x.Query)
		if err != nil {
			return Result{}, err
		}
		query, root, logical = plan, plan.Root, plan.Logical
	case *sql.Update, *sql.Delete:
		plan, err := p.PlanDML(x)
		if err != nil {
			return Result{}, err
		}
		root, logical = plan.Query.Root, plan.Query.Logical
	default:
		if insert, ok := x.(*sql.Insert); ok && p.IsKeptTable(insert.Table.Name) {
			plan, err := p.PlanDML(insert)
			if err != nil {
				return Result{}, err
			}
			root, logical = plan.Query.Root, plan.Query.Logical
			break
		}
		created, err := planCreation(p, s.db.connectors, stmt.Stmt)
		if err != nil {
			return Result{}, err
		}
		root, logical = created.Plan, created.Logical
	}
	if root == nil {
		return Result{}, types.Errorf(types.CodeWrongObjectType, "this statement runs no query").At(stmt.Stmt.Span())
	}
	o := planner.ExplainOptions{Properties: stmt.Verbose, Types: stmt.Verbose, IDs: stmt.Verbose}
	switch stmt.Mode {
	case sql.ExplainLogical:
		root = logical
	case sql.ExplainPhysical:
		o.Distribution, o.Properties = true, true
	case sql.ExplainState:
		root = s.viewPlan(p, root)
		o.Note = stateNotes(s.db.engine.Stats())
	}
	t := &table{names: []string{"plan"}}
	var after string
	if stmt.Analyze {
		if query == nil || !query.Snapshot {
			return Result{}, types.NotSupported(stmt.Span(), "EXPLAIN ANALYZE of a statement that does not end").
				WithHint("EXPLAIN STATE shows what a continuous query has done")
		}
		var err error
		if o.Note, after, err = s.analyze(ctx, query); err != nil {
			return Result{}, err
		}
	}
	text := strings.TrimRight(planner.Explain(root, o), "\n") + after
	for _, line := range strings.Split(text, "\n") {
		t.rows = append(t.rows, []any{line})
	}
	return t.result("EXPLAIN"), nil
}

// viewPlan returns the plan that keeps a materialized view or table, if the query only reads that; else the query's own.
func (s *Session) viewPlan(p *planner.Planner, root *planner.Node) *planner.Node {
	n := root
	for {
		if scan, ok := n.Op.(*planner.ViewScan); ok {
			if o := p.Catalog.Object(scan.Object); o != nil {
				if spec, runs := jobOf(o); runs {
					return spec.Root
				}
			}
			return root
		}
		if len(n.Inputs) != 1 {
			return root
		}
		n = n.Inputs[0]
	}
}

// stateNotes says what the running operators of a plan keep, and have done since the start.
func stateNotes(stats exec.Stats) func(n *planner.Node) []string {
	return func(n *planner.Node) []string {
		var lines []string
		for _, o := range stats.Operators {
			if o.ID != n.ID {
				continue
			}
			line := fmt.Sprintf("state: %d rows, %s; rows in %d, out %d", o.Rows, byteText(o.Bytes), o.RowsIn, o.RowsOut)
			switch w := watermarkText(o.Watermark).(type) {
			case time.Time:
				line += ", watermark " + w.UTC().Format("2006-01-02 15:04:05.999999")
			case string:
				line += ", watermark " + w
			}
			lines = append(lines, line)
			for _, t := range stats.Tables {
				if t.Operator == o.Label && o.Rows > 0 {
					lines = append(lines, fmt.Sprintf("table %s: %d rows, %s", t.Name, t.Rows, byteText(t.Bytes)))
				}
			}
			break
		}
		if bound := planner.BoundText(n); bound != "" {
			lines = append(lines, bound)
		}
		return lines
	}
}

// analyze runs a snapshot query and says what its operators did.
func (s *Session) analyze(ctx context.Context, query *planner.QueryPlan) (note func(n *planner.Node) []string, after string, err error) {
	var views map[planner.ObjectID]*state.Snapshot
	if ids := viewsOf(query.Root); len(ids) > 0 {
		pinned, err := s.db.engine.Pin(ctx, ids...)
		if err != nil {
			return nil, "", err
		}
		views = pinned.Snapshots
	}
	var stats exec.Stats
	cfg := s.db.config(nil, s.zone())
	cfg.Picture = func(p exec.Stats) { stats = p }
	began := time.Now()
	batches, err := exec.RunOnce(ctx, cfg, query.Root, views)
	if err != nil {
		return nil, "", err
	}
	rows := 0
	for _, b := range finish(batches, query) {
		rows += b.Rows()
	}
	note = func(n *planner.Node) []string {
		i := slices.IndexFunc(stats.Operators, func(o exec.OperatorStats) bool { return o.ID == n.ID })
		if i < 0 {
			return nil
		}
		o := stats.Operators[i]
		line := fmt.Sprintf("actual: rows in %d, out %d", o.RowsIn, o.RowsOut)
		if o.Rows > 0 {
			line += fmt.Sprintf("; state: %d rows, %s", o.Rows, byteText(o.Bytes))
		}
		return []string{line}
	}
	return note, fmt.Sprintf("\nRows: %d\nExecution Time: %.3f ms", rows, float64(time.Since(began).Microseconds())/1000), nil
}

// byteText prints a size for people.
func byteText(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 10<<20:
		return fmt.Sprintf("%d kB", n>>10)
	}
	return fmt.Sprintf("%d MB", n>>20)
}
