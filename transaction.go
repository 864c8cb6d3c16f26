package streamsql

import (
	"context"
	"maps"
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// writeLock makes statements that change tables by what they read serial: it is held from their snapshot until their changes are
// prepared, by a transaction from its first change to its end.
type writeLock chan struct{}

func newWriteLock() writeLock { return make(writeLock, 1) }

func (l writeLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l writeLock) unlock() { <-l }

// transaction is what a session has changed since BEGIN and not committed.
type transaction struct {
	clock    int64 // of BEGIN: now() in all its statements
	failed   bool  // until ROLLBACK
	locked   bool  // it holds the write lock
	readOnly bool
	tables   map[planner.ObjectID]*tableChanges
	done     []planner.DoneStatement // of a script
}

// tableChanges are the uncommitted changes of one table.
type tableChanges struct {
	batches  []*changelog.Batch
	counters map[int]int64
	base     *state.Snapshot // that seen was made from
	seen     *state.Snapshot // base with batches; nil: not made yet
}

// Status is the state of the session's transaction, as PostgreSQL's protocol tells it: 'I' outside of one, 'T' inside, 'E' inside of one
// that has failed and takes nothing but ROLLBACK.
func (s *Session) Status() byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.tx == nil:
		return 'I'
	case s.tx.failed:
		return 'E'
	}
	return 'T'
}

// Close rolls the session's transaction back, if there is one, and closes its cursors. The session can be used again.
func (s *Session) Close() {
	s.run.Lock()
	defer s.run.Unlock()
	s.closeCursors()
	s.endTransaction()
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	delete(s.db.sessions, s)
}

func (s *Session) setTransaction(tx *transaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tx = tx
}

// endTransaction forgets the transaction and lets other writers go on.
func (s *Session) endTransaction() {
	tx := s.tx
	s.setTransaction(nil)
	if tx != nil && tx.locked {
		s.db.writer.unlock()
	}
}

// failTransaction ends a transaction in which a statement failed but for its ROLLBACK.
func (s *Session) failTransaction() {
	if s.tx == nil || s.tx.failed {
		return
	}
	failed := &transaction{failed: true}
	if s.tx.locked {
		s.db.writer.unlock()
	}
	s.setTransaction(failed)
}

// allowed refuses what cannot run in the session's transaction.
func (s *Session) allowed(stmt sql.Statement) error {
	if s.tx == nil {
		return nil
	}
	switch stmt.(type) {
	case *sql.Commit, *sql.Rollback:
		return nil
	}
	if s.tx.failed {
		return types.Errorf(types.CodeFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	switch stmt.(type) {
	case *sql.CreateSource, *sql.CreateTable, *sql.CreateView, *sql.CreateSink, *sql.CreateIndex, *sql.CreateSchema, *sql.Drop, *sql.Alter, *sql.Subscribe:
		return types.Errorf(types.CodeActiveTransaction, "%s cannot run inside a transaction block", statementVerb(stmt))
	}
	return nil
}

// begin is BEGIN and START TRANSACTION.
func (s *Session) begin(stmt *sql.Begin) (Result, error) {
	r := Result{Tag: "BEGIN"}
	if stmt.Start {
		r.Tag = "START TRANSACTION"
	}
	if s.tx != nil {
		r.Notices = append(r.Notices, Notice{Msg: "there is already a transaction in progress", Warning: "25001"})
		return r, nil
	}
	if err := checkModes(stmt.Modes, stmt.Span()); err != nil {
		return r, err
	}
	s.setTransaction(&transaction{
		clock: s.db.opts.Clock().UnixMicro(), readOnly: stmt.Modes.Access == "READ ONLY", tables: map[planner.ObjectID]*tableChanges{},
	})
	return r, nil
}

// checkModes refuses isolation levels that are not kept.
func checkModes(m sql.TxModes, sp types.Span) error {
	if m.Isolation == "SERIALIZABLE" || m.Isolation == "REPEATABLE READ" {
		return types.NotSupported(sp, "ISOLATION LEVEL %s", m.Isolation).WithHint("READ COMMITTED is the isolation of transactions")
	}
	return nil
}

// commit writes all changes of the transaction as one record.
func (s *Session) commit(ctx context.Context) (Result, error) {
	tx := s.tx
	switch {
	case tx == nil:
		return Result{Tag: "COMMIT", Notices: []Notice{{Msg: "there is no transaction in progress", Warning: "25P01"}}}, nil
	case tx.failed:
		s.endTransaction()
		return Result{Tag: "ROLLBACK"}, nil
	}
	defer s.endTransaction()
	var writes []exec.TableWrite
	for id, t := range tx.tables {
		o := s.db.Catalog().Object(id)
		if o == nil {
			return Result{}, types.Errorf(types.CodeUndefinedTable, "a table that the transaction changed was dropped")
		}
		if batches := changelog.Consolidate(o.Schema(), t.batches); len(batches) > 0 {
			writes = append(writes, exec.TableWrite{Object: id, Batches: batches, Counters: t.counters})
		}
	}
	slices.SortFunc(writes, func(a, b exec.TableWrite) int { return int(a.Object) - int(b.Object) })
	return Result{Tag: "COMMIT"}, s.writeTables(ctx, writes, tx.done...)
}

// rollback discards the transaction.
func (s *Session) rollback(stmt *sql.Rollback) (Result, error) {
	if !stmt.To.IsZero() {
		return Result{}, types.NotSupported(stmt.Span(), "savepoints")
	}
	r := Result{Tag: "ROLLBACK"}
	if s.tx == nil {
		r.Notices = append(r.Notices, Notice{Msg: "there is no transaction in progress", Warning: "25P01"})
	}
	s.endTransaction()
	return r, nil
}

// lockWriter takes the write lock for a statement and returns what releases it; a transaction keeps it to its end.
func (s *Session) lockWriter(ctx context.Context) (unlock func(), err error) {
	if s.tx != nil && s.tx.locked {
		return func() {}, nil
	}
	if err := s.db.writer.lock(ctx); err != nil {
		return nil, err
	}
	if s.tx != nil {
		s.tx.locked = true
		return func() {}, nil
	}
	return s.db.writer.unlock, nil
}

// write makes changes of a table durable, or in a transaction keeps them until COMMIT.
func (s *Session) write(ctx context.Context, o *planner.Object, batches []*changelog.Batch, counters map[int]int64) error {
	var done []planner.DoneStatement
	if s.doing != "" {
		done = append(done, planner.DoneStatement{Text: s.doing, Table: o.ID})
	}
	var writes []exec.TableWrite
	if len(batches) > 0 {
		writes = append(writes, exec.TableWrite{Object: o.ID, Batches: batches, Counters: counters})
	}
	if s.tx == nil {
		return s.writeTables(ctx, writes, done...)
	}
	s.tx.done = append(s.tx.done, done...)
	if len(batches) == 0 {
		return nil
	}
	t := s.tx.tables[o.ID]
	if t == nil {
		t = &tableChanges{counters: map[int]int64{}}
		s.tx.tables[o.ID] = t
	}
	t.batches = changelog.Consolidate(o.Schema(), append(t.batches, batches...))
	t.seen = nil
	for col, n := range counters {
		t.counters[col] = n
	}
	return nil
}

// changed reports whether the transaction has changed an object, directly or a table that it reads.
func (s *Session) changed(c *planner.Catalog, id planner.ObjectID) bool {
	if s.tx == nil || len(s.tx.tables) == 0 {
		return false
	}
	if t := s.tx.tables[id]; t != nil {
		return len(t.batches) > 0
	}
	o := c.Object(id)
	return o != nil && slices.ContainsFunc(o.Deps, func(d planner.ObjectID) bool { return s.changed(c, d) })
}

// ownView is a plan that reads materialized views which the transaction has changed by computing them anew from its tables.
func (s *Session) ownView(c *planner.Catalog, root *planner.Node) (*planner.Node, error) {
	if s.tx == nil || len(s.tx.tables) == 0 {
		return root, nil
	}
	done := map[*planner.Node]*planner.Node{}
	var walk func(n *planner.Node) (*planner.Node, error)
	walk = func(n *planner.Node) (*planner.Node, error) {
		if have := done[n]; have != nil {
			return have, nil
		}
		out := n
		if v, ok := n.Op.(*planner.ViewScan); ok {
			o := c.Object(v.Object)
			if o != nil && o.Kind == planner.KindMaterializedView && s.changed(c, v.Object) {
				inner, err := walk(o.Kept().Inputs[0])
				if err != nil {
					return nil, err
				}
				out = inner
			}
		} else if _, ok := n.Op.(*planner.Scan); ok {
			return nil, types.NotSupported(types.Span{}, "reading a materialized view over a source in the transaction that changed a table below it").
				WithHint("COMMIT first")
		} else if len(n.Inputs) > 0 {
			c := *n
			c.Inputs = make([]*planner.Node, len(n.Inputs))
			for i, in := range n.Inputs {
				var err error
				if c.Inputs[i], err = walk(in); err != nil {
					return nil, err
				}
			}
			out = &c
		}
		done[n] = out
		return out, nil
	}
	scans := false
	root.Walk(func(n *planner.Node) { _, scan := n.Op.(*planner.Scan); scans = scans || scan })
	if scans { // a bounded source of the query itself is read as it is
		for _, id := range viewsOf(root) {
			if o := c.Object(id); o != nil && o.Kind == planner.KindMaterializedView && s.changed(c, id) {
				return nil, types.NotSupported(types.Span{}, "reading sources beside views that the transaction has changed").WithHint("COMMIT first")
			}
		}
		return root, nil
	}
	return walk(root)
}

// snapshots pins views at one prepared epoch; tables are as the session's transaction sees them.
func (s *Session) snapshots(ctx context.Context, ids []planner.ObjectID) (views map[planner.ObjectID]*state.Snapshot, err error) {
	ids, system, err := s.systemSnapshots(ids)
	if err != nil || len(ids) == 0 {
		return system, err
	}
	defer func() {
		if err == nil {
			maps.Copy(views, system)
		}
	}()
	pinned, err := s.db.engine.Pin(ctx, ids...)
	if err != nil || s.tx == nil {
		if err != nil {
			return nil, err
		}
		return pinned.Snapshots, nil
	}
	for id, t := range s.tx.tables {
		base := pinned.Snapshots[id]
		if base == nil || len(t.batches) == 0 {
			continue
		}
		if t.seen == nil || t.base != base {
			fork := base.Fork()
			if err := fork.Update(t.batches...); err != nil {
				return nil, err
			}
			t.base, t.seen = base, fork.Pin()
		}
		pinned.Snapshots[id] = t.seen
	}
	return pinned.Snapshots, nil
}

// statementVerb is the first words of a statement that cannot run in a transaction.
func statementVerb(stmt sql.Statement) string {
	switch x := stmt.(type) {
	case *sql.Drop:
		return "DROP " + string(x.Kind)
	case *sql.Alter:
		return "ALTER " + string(x.Kind)
	case *sql.CreateIndex:
		return "CREATE INDEX"
	case *sql.CreateSchema:
		return "CREATE SCHEMA"
	case *sql.Subscribe:
		return "SUBSCRIBE"
	}
	return createTag(stmt)
}
