package exec

import (
	"context"
	"errors"
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// smallRows is up to how many rows of views a query is run by one worker: starting others costs more than they save.
const smallRows = 1 << 17

// RunOnce runs a plan over bounded input to its end and returns the rows, consolidated, in no order; the root is
// planner.Output. Its ViewScans read the snapshots (of an Engine's Pin); what its Scans read must end by itself. Nothing is kept, no
// goroutine stays. Of cfg only Workers, MemoryLimit, Clock, Logger, Env, OpenSource and the epochs' limits count.
//
// Errors: the query's own, as *types.Error; ctx's.
func RunOnce(ctx context.Context, cfg Config, root *planner.Node, snapshots map[planner.ObjectID]*state.Snapshot) ([]*changelog.Batch, error) {
	var held int64
	scans := false
	_ = walk(root, map[*planner.Node]bool{}, func(n *planner.Node) error {
		switch op := n.Op.(type) {
		case *planner.Scan:
			scans = true
		case *planner.ViewScan:
			if s := snapshots[op.Object]; s != nil && op.Lookup == nil {
				held += s.Rows()
			}
		}
		return nil
	})
	if !scans && held <= smallRows {
		cfg.Workers = 1
	}
	cfg.Store, cfg.OnJob, cfg.Trigger, cfg.Check = nil, nil, 0, false
	cfg.OutboxBytes = 1 << 62 // the result is what is asked for
	e, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	defer e.Stop(context.WithoutCancel(ctx))
	e.run.stop = ctx.Done()
	e.snapshots = snapshots
	if e.snapshots == nil {
		e.snapshots = map[planner.ObjectID]*state.Snapshot{}
	}
	sub, err := e.Subscribe(ctx, "query", root)
	if err != nil {
		return nil, plain(err)
	}
	job := e.jobs[sub.id]
	for job.state == JobRunning {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		st := decide(e.look())
		if st.kind == stepRun {
			if err := e.runEpoch(); err != nil {
				return nil, plain(err)
			}
			continue
		}
		if !scans {
			return nil, types.Errorf(types.CodeInternal, "internal error: a query over bounded input does not end")
		}
		if st.wait < 0 {
			st.wait = time.Hour
		}
		t := time.NewTimer(st.wait)
		select {
		case <-e.waker:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
	}
	if job.err != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, plain(job.err)
	}
	if cfg.Picture != nil {
		cfg.Picture(e.picture())
	}
	var out []*changelog.Batch
	for _, c := range sub.queue {
		out = append(out, c.Batches...)
	}
	if len(sub.queue) > 1 {
		out = changelog.Consolidate(root.Inputs[0].Schema, out)
	}
	return out, nil
}

// plain returns the error that the user is to see of a query of her own.
func plain(err error) error {
	var e *types.Error
	if errors.As(err, &e) {
		return e
	}
	return err
}
