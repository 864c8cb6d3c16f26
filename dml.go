package streamsql

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// dml runs INSERT, UPDATE or DELETE on a table that is kept here: it finds the rows in the newest committed epoch, checks what they
// become, and writes the changes. A statement that fails has changed nothing.
func (s *Session) dml(ctx context.Context, p *planner.Planner, stmt sql.Statement) (Result, error) {
	if s.tx != nil && s.tx.readOnly {
		return Result{}, types.Errorf(types.CodeReadOnlyTransaction, "cannot execute %s in a read-only transaction", strings.TrimSuffix(dmlTag(stmt), " 0"))
	}
	for attempt := 1; ; attempt++ {
		r, err := s.dmlOnce(ctx, p, stmt)
		now := s.db.Catalog()
		if types.CodeOf(err) != types.CodeObjectInUse || attempt == 10 {
			return r, err
		}
		p.Catalog = now // the table was altered under a statement that does not hold the lock
	}
}

func (s *Session) dmlOnce(ctx context.Context, p *planner.Planner, stmt sql.Statement) (Result, error) {
	plan, err := p.PlanDML(stmt)
	if err != nil {
		return Result{}, err
	}
	if !plan.Reads && s.tx == nil {
		s.db.blind.RLock()
		defer s.db.blind.RUnlock()
		if now := s.db.Catalog(); now != p.Catalog {
			p.Catalog = now
			if plan, err = p.PlanDML(stmt); err != nil {
				return Result{}, err
			}
			if plan.Reads {
				return Result{}, types.Errorf(types.CodeObjectInUse, "the constraints of table %q have changed meanwhile; try again", plan.Table.Name)
			}
		}
	} else {
		unlock, err := s.lockWriter(ctx)
		if err != nil {
			return Result{}, err
		}
		defer unlock()
		if now := s.db.Catalog(); now != p.Catalog { // it may have changed while the lock was waited for
			p.Catalog = now
			if plan, err = p.PlanDML(stmt); err != nil {
				return Result{}, err
			}
		}
	}
	d := &change{s: s, catalog: p.Catalog, plan: plan, object: plan.Table, table: plan.Table.Table, schema: plan.Table.Schema(),
		unique: p.Catalog.UniqueKeys(plan.Table)}
	switch plan.Kind {
	case planner.InsertRows:
		err = d.insert(ctx)
	case planner.UpdateRows:
		err = d.update(ctx)
	case planner.DeleteRows:
		err = d.remove(ctx)
	}
	if err != nil {
		return Result{}, err
	}
	r := Result{Notices: notices(plan.Notices), Tag: fmt.Sprintf("%s %d", dmlTag(stmt), d.count)}
	if plan.Returning != nil { // before the write: what it refuses must not be written
		if r.Rows, err = d.returning(ctx); err != nil {
			return Result{}, err
		}
	}
	return r, s.write(ctx, d.object, changelog.Consolidate(d.schema, d.changes), d.counters)
}

func dmlTag(stmt sql.Statement) string {
	switch stmt.(type) {
	case *sql.Insert:
		return "INSERT 0"
	case *sql.Update:
		return "UPDATE"
	case *sql.Truncate:
		return "TRUNCATE TABLE"
	}
	return "DELETE"
}

// change is one statement's change of a table on its way.
type change struct {
	s       *Session
	catalog *planner.Catalog
	plan    *planner.DML
	object  *planner.Object
	table   *planner.Table
	schema  types.Schema
	unique  []planner.UniqueKey

	changes  []*changelog.Batch
	counters map[int]int64
	count    int64
	rows     *changelog.Batch // that RETURNING sees, in order, each once
}

// run runs a plan once over snapshots of the views that it reads, and those given.
func (s *Session) runOnce(ctx context.Context, c *planner.Catalog, plan *planner.QueryPlan, given map[planner.ObjectID]*state.Snapshot) ([]*changelog.Batch, error) {
	root, err := s.ownView(c, plan.Root)
	if err != nil {
		return nil, err
	}
	var ids []planner.ObjectID
	for _, id := range viewsOf(root) {
		if given[id] == nil {
			ids = append(ids, id)
		}
	}
	views, err := s.snapshots(ctx, ids)
	if err != nil {
		return nil, err
	}
	for id, snap := range given {
		views[id] = snap
	}
	batches, err := exec.RunOnce(ctx, s.onceConfig(), root, views)
	if err != nil {
		return nil, err
	}
	return finish(batches, plan), nil
}

// onceConfig is how queries of the session are run once: in a transaction its clock stands.
func (s *Session) onceConfig() exec.Config {
	cfg := s.db.config(nil, s.zone())
	if tx := s.tx; tx != nil {
		cfg.Clock = func() int64 { return tx.clock }
	}
	return cfg
}

// query runs the statement's query. Its rows are each there once, with their weights.
func (d *change) query(ctx context.Context, given map[planner.ObjectID]*state.Snapshot) (*changelog.Batch, error) {
	schema := d.plan.Query.Schema
	if b := constantRows(d.plan.Query); b != nil {
		return b, nil
	}
	batches, err := d.s.runOnce(ctx, d.catalog, d.plan.Query, given)
	if err != nil {
		return nil, err
	}
	return changelog.Concat(schema, changelog.Consolidate(schema, batches)), nil
}

// constantRows evaluates a plan that is constants alone; nil if there is more to it.
func constantRows(plan *planner.QueryPlan) *changelog.Batch {
	n := plan.Root.Inputs[0]
	values, ok := n.Op.(*planner.Values)
	if !ok || plan.Limit != nil || plan.Offset != nil || len(plan.Order) > 0 {
		return nil
	}
	cols := make([]array.Builder, len(plan.Schema))
	for i, f := range plan.Schema {
		cols[i] = changelog.NewBuilder(f.Type)
	}
	for _, row := range values.Rows {
		for i := range cols {
			lit, ok := row[i].(*expr.Literal)
			if !ok || types.AppendValue(cols[i], plan.Schema[i].Type, lit.Value) != nil {
				return nil
			}
		}
	}
	b := &changelog.Batch{N: len(values.Rows), Cols: make([]arrow.Array, len(cols))}
	for i, c := range cols {
		b.Cols[i] = c.NewArray()
	}
	return b
}

// own is the table as the statement finds it.
func (d *change) own(ctx context.Context) (*state.Snapshot, error) {
	views, err := d.s.snapshots(ctx, []planner.ObjectID{d.object.ID})
	return views[d.object.ID], err
}

// expanded repeats rows by their weights.
func expanded(b *changelog.Batch) *changelog.Batch {
	if b.Weights == nil {
		return changelog.Compact(b)
	}
	var rows []uint32
	b.Each(func(row int) {
		for range b.Weights[row] {
			rows = append(rows, uint32(row))
		}
	})
	out := changelog.Take(b, rows)
	out.Weights = nil
	return out
}

func weights(b *changelog.Batch, sign int64) *changelog.Batch {
	c := *b
	c.Weights = make([]int64, b.N)
	for i := range c.Weights {
		c.Weights[i] = sign * b.Weight(i)
	}
	return &c
}

func (d *change) insert(ctx context.Context) error {
	rows, err := d.query(ctx, nil)
	if err != nil {
		return err
	}
	rows = expanded(rows)
	if rows, err = d.number(ctx, rows); err != nil {
		return err
	}
	if rows, err = d.complete(rows); err != nil {
		return err
	}
	if len(d.unique) == 0 {
		d.changes, d.rows, d.count = []*changelog.Batch{rows}, rows, int64(rows.N)
		return nil
	}
	table, err := d.own(ctx)
	if err != nil {
		return err
	}
	if d.plan.Conflict != nil {
		return d.insertOrElse(ctx, table, rows)
	}
	if err := d.checkKeys(table, nil, rows); err != nil {
		return err
	}
	d.changes, d.rows, d.count = []*changelog.Batch{rows}, rows, int64(rows.N)
	return nil
}

// number fills the identity columns that the statement gives no values.
func (d *change) number(ctx context.Context, rows *changelog.Batch) (*changelog.Batch, error) {
	if len(d.plan.Auto) == 0 || rows.N == 0 {
		return rows, nil
	}
	cols := slices.Clone(rows.Cols)
	d.counters = map[int]int64{}
	for _, col := range d.plan.Auto {
		first, err := d.s.db.count(ctx, d.object.ID, col, int64(rows.N))
		if err != nil {
			return nil, err
		}
		b := changelog.NewBuilder(d.schema[col].Type)
		for i := range rows.N {
			if err := types.AppendValue(b, d.schema[col].Type, first+int64(i)); err != nil {
				return nil, types.Errorf(types.CodeSequenceLimit, "nextval: reached maximum value of sequence \"%s_%s_seq\"", d.object.Name, d.schema[col].Name)
			}
		}
		cols[col] = b.NewArray()
		d.counters[col] = first + int64(rows.N) - 1
	}
	return rows.With(cols), nil
}

// count takes n values of an identity column and returns the first.
func (db *DB) count(ctx context.Context, table planner.ObjectID, col int, n int64) (int64, error) {
	db.counting.Lock()
	defer db.counting.Unlock()
	if db.counters[table] == nil {
		last, err := db.engine.Counters(ctx, table)
		if err != nil {
			return 0, err
		}
		if last == nil {
			last = map[int]int64{}
		}
		db.counters[table] = last
	}
	first := db.counters[table][col] + 1
	db.counters[table][col] += n
	return first, nil
}

// complete computes the generated columns and checks NOT NULL and CHECK.
func (d *change) complete(rows *changelog.Batch) (*changelog.Batch, error) {
	if rows.N == 0 {
		return rows, nil
	}
	var exprs []expr.Expr
	var at []int
	for i, c := range d.table.Columns {
		if c.Generated != nil {
			exprs, at = append(exprs, c.Generated), append(at, i)
		}
	}
	if len(exprs) > 0 {
		vecs, err := d.evaluate(exprs, rows)
		if err != nil {
			return nil, err
		}
		cols := slices.Clone(rows.Cols)
		for i, v := range vecs {
			if err := firstError(v); err != nil {
				return nil, err
			}
			cols[at[i]] = v.Arr
		}
		rows = rows.With(cols)
	}
	for i, c := range d.table.Columns {
		if !c.NotNull || rows.Cols[i].NullN() == 0 {
			continue
		}
		for row := range rows.N {
			if rows.Cols[i].IsNull(row) {
				return nil, types.Errorf(types.CodeNotNullViolation, "null value in column %q of relation %q violates not-null constraint", c.Name, d.object.Name).
					WithDetail("Failing row contains (%s).", d.rowText(rows, row)).Of(c.Name, "")
			}
		}
	}
	if len(d.table.Checks) == 0 {
		return rows, nil
	}
	exprs = nil
	for _, c := range d.table.Checks {
		exprs = append(exprs, c.Expr)
	}
	vecs, err := d.evaluate(exprs, rows)
	if err != nil {
		return nil, err
	}
	for i, v := range vecs {
		if err := firstError(v); err != nil {
			return nil, err
		}
		ok := v.Arr.(*array.Boolean)
		for row := range rows.N {
			if !ok.IsNull(row) && !ok.Value(row) {
				return nil, types.Errorf(types.CodeCheckViolation, "new row for relation %q violates check constraint %q", d.object.Name, d.table.Checks[i].Name).
					WithDetail("Failing row contains (%s).", d.rowText(rows, row)).Of("", d.table.Checks[i].Name)
			}
		}
	}
	return rows, nil
}

func (d *change) evaluate(exprs []expr.Expr, rows *changelog.Batch) ([]expr.Vector, error) {
	registry := d.s.db.registry
	if registry == nil {
		registry = expr.Builtin
	}
	p, err := registry.Compile(exprs)
	if err != nil {
		return nil, err
	}
	return p.Eval(&expr.Context{Now: d.s.onceConfig().Clock(), Zone: d.s.zone()}, rows)
}

// firstError is the error of the first row that failed.
func firstError(v expr.Vector) error {
	if v.Errs.Len() == 0 {
		return nil
	}
	return v.Errs.Errs[0]
}

// rowText prints a row as PostgreSQL does in the details of errors.
func (d *change) rowText(rows *changelog.Batch, row int) string {
	var out []byte
	for i, f := range d.schema {
		if i > 0 {
			out = append(out, ", "...)
		}
		if rows.Cols[i].IsNull(row) {
			out = append(out, "null"...)
			continue
		}
		text := []rune(string(types.AppendText(nil, f.Type, rows.Cols[i], row)))
		if len(text) > 64 {
			text = append(text[:64], '.', '.', '.')
		}
		out = append(out, string(text)...)
	}
	return string(out)
}

// numbered makes a snapshot of rows with a number each, which a plan can read.
func numbered(schema types.Schema, rows *changelog.Batch, numbers []uint32) (*state.Snapshot, error) {
	b := changelog.NewBuilder(types.Int8Type).(*array.Int64Builder)
	for i := range rows.N {
		n := int64(i)
		if numbers != nil {
			n = int64(numbers[i])
		}
		b.Append(n)
	}
	schema = append(slices.Clone(schema), types.Field{Name: "$ordinal", Type: types.Int8Type, NotNull: true})
	v := state.NewView(0, "rows", schema, []int{len(schema) - 1})
	err := v.Update(&changelog.Batch{Cols: append(slices.Clone(rows.Cols), b.NewArray()), N: rows.N})
	return v.Pin(), err
}

// affected runs the query of UPDATE and DELETE and leaves each row of the table that it found once, with the number of times that the
// table holds it. Of several values that a join gives for one row the first in their order count.
func (d *change) affected(ctx context.Context) (*changelog.Batch, *state.Snapshot, error) {
	table, err := d.own(ctx)
	if err != nil {
		return nil, nil, err
	}
	rows, err := d.query(ctx, map[planner.ObjectID]*state.Snapshot{d.object.ID: table})
	if err != nil || !d.plan.Joined || rows.N == 0 {
		return rows, table, err
	}
	n := len(d.schema)
	ts := make([]types.Type, len(d.plan.Query.Schema))
	for i, f := range d.plan.Query.Schema {
		ts[i] = f.Type
	}
	old := encoded(ts[:n], rows.Cols[:n], rows.N, true)
	values := encoded(ts[n:], rows.Cols[n:], rows.N, true)
	best := map[string]int{}
	var order []string
	for i, k := range old {
		have, ok := best[k]
		if !ok {
			order = append(order, k)
		}
		if !ok || values[i] < values[have] {
			best[k] = i
		}
	}
	take := make([]uint32, len(order))
	for i, k := range order {
		take[i] = uint32(best[k])
	}
	rows = changelog.Take(rows, take)
	keys := make([]arrow.Array, 0, n)
	for _, k := range table.Key() {
		keys = append(keys, rows.Cols[k])
	}
	held, found, err := table.Get(keys, rows.N)
	if err != nil {
		return nil, nil, err
	}
	if len(found) != rows.N {
		return nil, nil, types.Errorf(types.CodeInternal, "%d rows of %q were found, %d are there", rows.N, d.object.Name, len(found))
	}
	rows.Weights = make([]int64, rows.N)
	for i := range rows.N {
		rows.Weights[i] = held.Weight(i)
	}
	return rows, table, nil
}

func (d *change) update(ctx context.Context) error {
	rows, table, err := d.affected(ctx)
	if err != nil || rows.N == 0 {
		d.rows = rows
		return err
	}
	n := len(d.schema)
	old := rows.With(rows.Cols[:n])
	cols := slices.Clone(rows.Cols[:n])
	for i, col := range d.plan.Set {
		cols[col] = rows.Cols[n+i]
	}
	new, err := d.complete(rows.With(cols))
	if err != nil {
		return err
	}
	if err := d.checkKeys(table, old, new); err != nil {
		return err
	}
	d.changes = []*changelog.Batch{weights(old, -1), new}
	d.rows = new.With(append(slices.Clone(new.Cols), rows.Cols[n+len(d.plan.Set):]...))
	d.count = total(new)
	return nil
}

func total(b *changelog.Batch) int64 {
	var n int64
	b.Each(func(row int) { n += b.Weight(row) })
	return n
}

func (d *change) remove(ctx context.Context) error {
	rows, _, err := d.affected(ctx)
	if err != nil {
		return err
	}
	old := rows.With(rows.Cols[:len(d.schema)])
	if old.N > 0 {
		d.changes = []*changelog.Batch{weights(old, -1)}
	}
	d.rows, d.count = rows, total(old)
	return nil
}

// returning computes RETURNING.
func (d *change) returning(ctx context.Context) (*Rows, error) {
	schema := append(slices.Clone(d.schema), d.plan.Extra...)
	snap, err := numbered(schema, expanded(d.rows), nil)
	if err != nil {
		return nil, err
	}
	batches, err := d.s.runOnce(ctx, d.catalog, d.plan.Returning, map[planner.ObjectID]*state.Snapshot{planner.RowsID: snap})
	if err != nil {
		return nil, err
	}
	return answerRows(ctx, d.plan.Returning.Schema, batches), nil
}

// answerRows is an answer that is complete.
func answerRows(ctx context.Context, schema types.Schema, batches []*changelog.Batch) *Rows {
	given := false
	return &Rows{columns: columnsOf(schema), ctx: ctx, next: func(context.Context) (Changes, error) {
		if given {
			return Changes{}, io.EOF
		}
		given = true
		return Changes{Batches: batches}, nil
	}}
}

// truncate removes all rows of tables, all at once.
func (s *Session) truncate(ctx context.Context, p *planner.Planner, stmt *sql.Truncate) (Result, error) {
	if s.tx != nil && s.tx.readOnly {
		return Result{}, types.Errorf(types.CodeReadOnlyTransaction, "cannot execute TRUNCATE TABLE in a read-only transaction")
	}
	if stmt.RestartIdentity {
		return Result{}, types.NotSupported(stmt.Span(), "RESTART IDENTITY")
	}
	unlock, err := s.lockWriter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	p.Catalog = s.db.Catalog()
	var writes []exec.TableWrite
	for _, name := range stmt.Tables {
		o, err := p.Find(name)
		switch {
		case err != nil:
			return Result{}, err
		case o.Table == nil:
			return Result{}, types.Errorf(types.CodeWrongObjectType, "%q is not a table that is kept here", o.Name).At(name.Span())
		case o.Table.AppendOnly:
			return Result{}, types.Errorf(types.CodeWrongObjectType, "%q is APPEND ONLY and cannot be truncated", o.Name).At(name.Span())
		}
		if slices.ContainsFunc(writes, func(w exec.TableWrite) bool { return w.Object == o.ID }) {
			continue
		}
		views, err := s.snapshots(ctx, []planner.ObjectID{o.ID})
		if err != nil {
			return Result{}, err
		}
		w := exec.TableWrite{Object: o.ID}
		err = views[o.ID].Scan(32<<10, func(b *changelog.Batch) error {
			w.Batches = append(w.Batches, weights(b, -1))
			return nil
		})
		if err != nil {
			return Result{}, err
		}
		writes = append(writes, w)
	}
	if s.tx == nil {
		var done []planner.DoneStatement
		if s.doing != "" && len(writes) > 0 {
			done = append(done, planner.DoneStatement{Text: s.doing, Table: writes[0].Object})
		}
		writes = slices.DeleteFunc(writes, func(w exec.TableWrite) bool { return len(w.Batches) == 0 })
		return Result{Tag: "TRUNCATE TABLE"}, s.writeTables(ctx, writes, done...)
	}
	for _, w := range writes {
		if err := s.write(ctx, p.Catalog.Object(w.Object), w.Batches, nil); err != nil {
			return Result{}, err
		}
	}
	return Result{Tag: "TRUNCATE TABLE"}, nil
}
