package streamsql

import (
	"context"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/exec"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// alterTable changes columns and constraints of a table that is kept here, at the boundary of an epoch. Its rows change with it. The
// caller holds db.ddl.
func (s *Session) alterTable(ctx context.Context, o *planner.Object, action sql.AlterAction) ([]Notice, error) {
	db := s.db
	unlock, err := s.lockWriter(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	db.blind.Lock()
	defer db.blind.Unlock()
	p, err := s.planner(nil)
	if err != nil {
		return nil, err
	}
	o = p.Catalog.Object(o.ID)
	altered, err := p.PlanAlterTable(o, action)
	if err != nil {
		return nil, err
	}
	said := notices(altered.Notices)
	if altered.Object == o {
		return said, nil
	}
	d := &change{s: s, catalog: altered.Catalog, object: altered.Object, table: altered.Object.Table, schema: altered.Object.Schema()}
	// What refuses a row is said of the table, as the row is not new.
	refused := func(err error) error {
		e, ok := err.(*types.Error)
		if !ok || altered.Rewrite && !isAdded(action) {
			return err
		}
		switch e.Code {
		case types.CodeNotNullViolation:
			return types.Errorf(e.Code, "column %q of relation %q contains null values", e.Column, o.Name)
		case types.CodeCheckViolation:
			return types.Errorf(e.Code, "check constraint %q of relation %q is violated by some row", e.Constraint, o.Name)
		}
		return err
	}
	rows := func(b *changelog.Batch) (*changelog.Batch, error) {
		b = changelog.Compact(b)
		vecs, err := d.evaluate(altered.Values, b)
		if err != nil {
			return nil, err
		}
		out := b.With(nil)
		for _, v := range vecs {
			if err := firstError(v); err != nil {
				return nil, err
			}
			out.Cols = append(out.Cols, v.Arr)
		}
		if out, err = d.complete(out); err != nil {
			return nil, refused(err)
		}
		return out, nil
	}
	var change exec.Alteration
	switch {
	case altered.Rewrite:
		change.Rewrites = append(change.Rewrites, exec.TableRewrite{
			Object: o.ID, Root: altered.Object.Kept(), Rows: rows, From: altered.From,
			Indexes: altered.Catalog.IndexedColumns(o.ID),
		})
		db.counting.Lock()
		delete(db.counters, o.ID) // by column, which has another number now
		db.counting.Unlock()
	case altered.Check:
		for _, x := range altered.Catalog.Indexes(o.ID) {
			if x.Index.Unique && p.Catalog.Object(x.ID) == nil {
				if err := s.checkUnique(ctx, altered.Catalog, x); err != nil {
					return nil, err
				}
			}
		}
		views, err := s.snapshots(ctx, []planner.ObjectID{o.ID})
		if err != nil {
			return nil, err
		}
		err = views[o.ID].Scan(32<<10, func(b *changelog.Batch) error {
			_, err := rows(b)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if s.doing != "" {
		altered.Catalog = altered.Catalog.WithDone(planner.DoneStatement{Text: s.doing, Table: o.ID})
	}
	return said, db.changeCatalog(ctx, altered.Catalog, change)
}

// fill computes the rows that a new table begins with.
func (s *Session) fill(ctx context.Context, c *planner.Catalog, created *planner.Created) ([]exec.TableWrite, int64, error) {
	if created.Fill == nil {
		return nil, 0, nil
	}
	batches, err := s.runOnce(ctx, c, created.Fill, nil)
	if err != nil {
		return nil, 0, err
	}
	var rows int64
	for _, b := range batches {
		rows += total(b)
	}
	return []exec.TableWrite{{Object: created.Object.ID, Batches: batches}}, rows, nil
}

// altersTable reports whether an action concerns the columns or constraints of a table.
func altersTable(action sql.AlterAction) bool {
	switch action.(type) {
	case *sql.AlterAddColumn, *sql.AlterDropColumn, *sql.AlterRenameColumn, *sql.AlterColumn, *sql.AlterAddConstraint, *sql.AlterDropConstraint:
		return true
	}
	return false
}

// noPause refuses to pause what has no sources.
func noPause(o *planner.Object) error {
	if o.Table == nil {
		return nil
	}
	return types.Errorf(types.CodeWrongObjectType, "table %q is written by statements and cannot be paused", o.Name)
}

// isAdded reports whether an action adds a column.
func isAdded(action sql.AlterAction) bool {
	_, ok := action.(*sql.AlterAddColumn)
	return ok
}
