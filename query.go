package streamsql

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// query runs a query: a snapshot of views and constants, an answer over inputs that end, or the changes of one that goes on.
func (s *Session) query(ctx context.Context, p *planner.Planner, q *sql.Query) (Result, error) {
	if q.AsOf != nil {
		return s.queryAsOf(ctx, p, q)
	}
	p.OrderBounded = q.Emit == nil // an answer that is collected can be sorted
	plan, err := s.plans.query(p, q)
	if err != nil {
		return Result{}, err
	}
	r := Result{Tag: "SELECT", Notices: notices(plan.Notices)}
	switch {
	case plan.Snapshot:
		r.Rows, err = s.snapshot(ctx, p.Catalog, plan)
	default:
		// With EMIT the user wants to see the changes, also of an input that ends.
		r.Rows, err = s.live(ctx, plan, q.Emit == nil && plan.Root.Props.Bounded)
	}
	return r, err
}

// queryAsOf answers a query over views as they were at a kept version.
func (s *Session) queryAsOf(ctx context.Context, p *planner.Planner, q *sql.Query) (Result, error) {
	number, ok := q.AsOf.(*sql.NumberLit)
	epoch, err := uint64(0), error(nil)
	if ok {
		epoch, err = strconv.ParseUint(number.Text, 10, 64)
	}
	if !ok || err != nil {
		return Result{}, types.Errorf(types.CodeInvalidParameter, "AS OF EPOCH wants the number of an epoch").At(q.AsOf.Span())
	}
	now := *q
	now.AsOf = nil
	plan, err := p.PlanQuery(&now)
	if err != nil {
		return Result{}, err
	}
	if !plan.Snapshot {
		return Result{}, types.NotSupported(q.AsOf.Span(), "AS OF EPOCH over sources").WithHint("materialized views keep versions")
	}
	if !s.db.store.Durable() {
		return Result{}, types.Errorf(types.CodeInvalidParameter, "a database in memory keeps no versions").At(q.AsOf.Span())
	}
	version, err := s.db.store.OpenAt(changelog.Epoch(epoch))
	if err != nil {
		return Result{}, types.Errorf(types.CodeInvalidParameter, "%v", err).At(q.AsOf.Span()).WithHint("SHOW VERSIONS lists the kept ones")
	}
	defer version.Close()
	var roots []*planner.Node
	rejected := false
	for _, id := range viewsOf(plan.Root) {
		if id == planner.RejectedID {
			rejected = true
			continue
		}
		spec, _ := jobOf(p.Catalog.Object(id))
		roots = append(roots, spec.Root)
	}
	views, err := exec.ViewsAt(version, roots, rejected)
	if err != nil {
		return Result{}, err
	}
	rows, err := s.answer(ctx, plan, views)
	return Result{Tag: "SELECT", Rows: rows, Notices: notices(plan.Notices)}, err
}

// subscribe streams the changes of a query or relation.
func (s *Session) subscribe(ctx context.Context, p *planner.Planner, stmt *sql.Subscribe) (Result, error) {
	q, err := subscribedQuery(stmt)
	if err != nil {
		return Result{}, err
	}
	p.Live = true
	plan, err := p.PlanQuery(q)
	if err != nil {
		return Result{}, err
	}
	rows, err := s.live(ctx, plan, false)
	return Result{Tag: "SUBSCRIBE", Rows: rows, Notices: notices(plan.Notices)}, err
}

// subscribedQuery returns the query that SUBSCRIBE follows.
func subscribedQuery(stmt *sql.Subscribe) (*sql.Query, error) {
	if stmt.AsOf != nil || len(stmt.Options) > 0 {
		return nil, types.NotSupported(stmt.Span(), "options of SUBSCRIBE")
	}
	if stmt.Query != nil {
		return stmt.Query, nil
	}
	return sql.ParseQuery("TABLE " + sql.Format(stmt.Name))
}

func columnsOf(schema types.Schema) []Column {
	columns := make([]Column, len(schema))
	for i, f := range schema {
		columns[i] = Column{Name: f.Name, Type: f.Type}
	}
	return columns
}

// viewsOf returns the views and system relations that a plan reads.
func viewsOf(n *planner.Node) []planner.ObjectID {
	var ids []planner.ObjectID
	if v, ok := n.Op.(*planner.ViewScan); ok {
		ids = append(ids, v.Object)
	}
	for _, in := range n.Inputs {
		ids = append(ids, viewsOf(in)...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// live subscribes to a query. A query over sources alone runs in an engine of its own, which keeps nothing and disturbs nobody; one that reads
// views runs in the epochs of the DB. whole: the answer is collected until the input has ended.
func (s *Session) live(ctx context.Context, plan *planner.QueryPlan, whole bool) (*Rows, error) {
	if planner.ReadsVirtual(plan.Root) {
		return nil, types.NotSupported(types.Span{}, "a continuous query over pg_catalog or information_schema")
	}
	engine := s.db.engine
	if s.tx != nil && len(viewsOf(plan.Root)) > 0 {
		return nil, types.NotSupported(types.Span{}, "a live query over views in a transaction").WithHint("COMMIT first")
	}
	if len(viewsOf(plan.Root)) == 0 {
		private, err := exec.Open(s.db.config(nil, s.zone()))
		if err != nil {
			return nil, err
		}
		engine = private
		engine.Start()
	}
	stop := func() error {
		if engine != s.db.engine {
			return engine.Stop(context.Background())
		}
		return nil
	}
	sub, err := engine.Subscribe(ctx, "query", plan.Root)
	if err != nil {
		stop()
		return nil, err
	}
	visible := len(plan.Schema)
	collected := whole && (!plan.Root.Props.AppendOnly || ordered(plan))
	rows := &Rows{columns: columnsOf(plan.Schema), live: !whole, engine: engine, private: engine != s.db.engine, ctx: ctx, close: func() error {
		sub.Close()
		return stop()
	}}
	next := func(ctx context.Context) (Changes, error) {
		c, ok, err := sub.Next(ctx)
		if err != nil {
			return Changes{}, err
		}
		if !ok {
			return Changes{}, io.EOF
		}
		if !collected {
			c.Batches = visibleColumns(c.Batches, visible)
		}
		return Changes{Epoch: c.Epoch, Batches: c.Batches}, nil
	}
	rows.next = next
	if collected {
		rows.next = collect(next, plan)
	}
	return rows, nil
}

// collect turns changes that end into one final answer.
func collect(next func(context.Context) (Changes, error), plan *planner.QueryPlan) func(context.Context) (Changes, error) {
	done := false
	schema := plan.Root.Inputs[0].Schema
	return func(ctx context.Context) (Changes, error) {
		if done {
			return Changes{}, io.EOF
		}
		var all []*changelog.Batch
		merge := 256
		for {
			c, err := next(ctx)
			if err == io.EOF {
				done = true
				return Changes{Batches: finish(changelog.Consolidate(schema, all), plan)}, nil
			}
			if err != nil {
				return Changes{}, err
			}
			all = append(all, c.Batches...)
			if len(all) >= merge {
				all = changelog.Consolidate(schema, all)
				merge = max(256, 2*len(all))
			}
		}
	}
}

func visibleColumns(batches []*changelog.Batch, n int) []*changelog.Batch {
	out := make([]*changelog.Batch, len(batches))
	for i, b := range batches {
		out[i] = b.With(b.Cols[:n])
	}
	return out
}

// snapshot answers a query over views and constants at one committed epoch.
func (s *Session) snapshot(ctx context.Context, c *planner.Catalog, plan *planner.QueryPlan) (*Rows, error) {
	own := *plan
	var err error
	if own.Root, err = s.ownView(c, plan.Root); err != nil {
		return nil, err
	}
	views, err := s.snapshots(ctx, viewsOf(own.Root))
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, &own, views)
}

// answer runs a query over views that do not change.
func (s *Session) answer(ctx context.Context, plan *planner.QueryPlan, views map[planner.ObjectID]*state.Snapshot) (*Rows, error) {
	batches, err := exec.RunOnce(ctx, s.onceConfig(), plan.Root, views)
	if err != nil {
		return nil, err
	}
	return answerRows(ctx, plan.Schema, finish(batches, plan)), nil
}

func ordered(plan *planner.QueryPlan) bool {
	return len(plan.Order) > 0 || plan.Limit != nil || plan.Offset != nil
}

// finish makes the answer that the user sees of consolidated rows.
func finish(batches []*changelog.Batch, plan *planner.QueryPlan) []*changelog.Batch {
	if ordered(plan) {
		batches = sortAndCut(plan.Root.Inputs[0].Schema, batches, plan)
	}
	return visibleColumns(batches, len(plan.Schema))
}

// sortAndCut applies ORDER BY, OFFSET and LIMIT. Ties are ordered by the encoded rows, so that the answer is the same every time.
func sortAndCut(schema types.Schema, batches []*changelog.Batch, plan *planner.QueryPlan) []*changelog.Batch {
	if len(batches) == 0 {
		return nil
	}
	all := changelog.Concat(schema, batches)
	var rows []uint32
	for i := range all.N {
		for range all.Weight(i) {
			rows = append(rows, uint32(i))
		}
	}
	var ts []types.Type
	var order []changelog.Order
	cols := all.Cols[:0:0]
	for _, k := range plan.Order {
		ts, cols = append(ts, schema[k.Col].Type), append(cols, all.Cols[k.Col])
		order = append(order, changelog.Order{Desc: k.Desc, NullsFirst: k.NullsFirst})
	}
	for i, f := range schema {
		ts, cols, order = append(ts, f.Type), append(cols, all.Cols[i]), append(order, changelog.Order{})
	}
	enc := changelog.NewEncoder(ts, order)
	enc.Reset(cols)
	keys := make([]string, all.N)
	for i := range keys {
		keys[i] = string(enc.Append(nil, i))
	}
	slices.SortStableFunc(rows, func(a, b uint32) int { return cmp.Compare(keys[a], keys[b]) })
	if o := plan.Offset; o != nil {
		rows = rows[min(*o, int64(len(rows))):]
	}
	if l := plan.Limit; l != nil {
		rows = rows[:min(*l, int64(len(rows)))]
	}
	out := changelog.Take(all, rows)
	out.Weights = nil
	return []*changelog.Batch{out}
}

// RowsOf returns changes row by row.
func RowsOf(columns []Column, c Changes) *Rows {
	given := false
	return &Rows{columns: columns, live: true, ctx: context.Background(), next: func(context.Context) (Changes, error) {
		if given {
			return Changes{}, io.EOF
		}
		given = true
		return c, nil
	}}
}

// Subscription streams a query's changes.
type Subscription struct{ rows *Rows }

// Subscribe runs a query whose changes are taken one epoch at a time. Over views it begins with what they hold.
func (db *DB) Subscribe(ctx context.Context, query string, args ...any) (*Subscription, error) {
	return db.session.Subscribe(ctx, query, args...)
}

// Subscribe is DB.Subscribe with the session's settings.
func (s *Session) Subscribe(ctx context.Context, query string, args ...any) (*Subscription, error) {
	stmts, err := s.Parse(query)
	if err != nil {
		return nil, err
	}
	q, ok := (*sql.QueryStmt)(nil), false
	if len(stmts) == 1 {
		q, ok = stmts[0].(*sql.QueryStmt)
	}
	if !ok {
		return nil, types.Errorf(types.CodeSyntax, "only one query can be subscribed to")
	}
	r, err := s.ExecStatement(ctx, &sql.Subscribe{At: q.At, Query: q.Query}, query, args...)
	if err != nil {
		return nil, err
	}
	return &Subscription{rows: r.Rows}, nil
}

// Columns describes the result.
func (s *Subscription) Columns() []Column { return s.rows.columns }

// Next waits for the next epoch that changes the result. It returns io.EOF when the input has ended and all its changes were taken.
func (s *Subscription) Next(ctx context.Context) (Changes, error) { return s.rows.Changes(ctx) }

// Idle returns when every source of the query was found, after the call, to stand at its end, so that Next has all that there is.
func (s *Subscription) Idle(ctx context.Context) error { return s.rows.engine.RunUntilIdle(ctx) }

// Close ends the query.
func (s *Subscription) Close() error { return s.rows.Close() }
