package planner

import (
	"github.com/streamsql/streamsql/types"
)

// closeGroups lets the watermark end what it can: groups of an aggregation by a column that the watermark bounds, windows and
// sessions. It sets how long after that rows are still taken.
//
//	Aggregate [k, window_end]  =>  same with Close = window_end: a group is final when W has passed window_end
//
// Errors: sessions over a time column that the watermark does not bound, though there is one.
func (r *rewriter) closeGroups(root *Node) (*Node, error) {
	var failed error
	root = bottomUp(root, func(n *Node) *Node {
		switch op := n.Op.(type) {
		case *Aggregate:
			if c := r.closingKey(n, op); c.Close >= 0 {
				return n.withOp(c, n.Schema)
			}
			if r.set.StateTTL > 0 && len(op.Keys) > 0 {
				c := *op
				c.TTL = r.set.StateTTL
				return n.withOp(&c, n.Schema)
			}
		case *Join:
			return r.expireJoin(n, op)
		case *TemporalJoin:
			c, err := r.closeTemporal(n, op)
			if err != nil && failed == nil {
				failed = err
			}
			return n.withOp(c, n.Schema)
		case *Over:
			c := *op
			c.Closing = r.closing(n, op.Partition, op.Closing)
			return n.withOp(&c, n.Schema)
		case *TopN:
			c := *op
			c.Closing = r.closing(n, op.Partition, op.Closing)
			return n.withOp(&c, n.Schema)
		case *WindowAggregate:
			c := *op
			lag, _ := r.lag(n.in(), op.Window.Time)
			c.Lateness = max(0, lag) + r.lateness(n.in())
			if op.Window.ProcTime {
				c.Lateness = 0
			}
			return n.withOp(&c, n.Schema)
		case *SessionExpand:
			if !op.Window.ProcTime && !r.windowsClose(n.in(), op.Window.Time) && failed == nil {
				failed = types.NotSupported(types.Span{}, "sessions over the column %q, which the watermark does not bound", n.in().Schema[op.Window.Time].Name).
					WithHint("use the column of WATERMARK FOR")
			}
			c := *op
			lag, _ := r.lag(n.in(), op.Window.Time)
			c.Lateness = max(0, lag) + r.lateness(n.in())
			if op.Window.ProcTime {
				c.Lateness = 0
			}
			return n.withOp(&c, n.Schema)
		}
		return n
	})
	return root, failed
}

// closingKey finds the key that ends groups soonest.
func (r *rewriter) closingKey(n *Node, op *Aggregate) *Aggregate {
	c := *op
	c.Close = -1
	in := r.props(n.in())
	for i, k := range op.Keys {
		lag, ok := in.lag(k)
		if ok && (c.Close < 0 || lag+1 < c.CloseLag) {
			c.Close, c.CloseLag = i, lag+1
		}
	}
	if c.Close >= 0 {
		c.CloseLag += r.lateness(n.in())
	}
	return &c
}

// lateness returns the allowed lateness of rows that come from sources through linear operators; rows of stateful operators are never
// late.
func (r *rewriter) lateness(n *Node) int64 {
	most := int64(0)
	seen := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		switch op := n.Op.(type) {
		case *Watermark, *Filter, *Project, *WindowExpand, *Union, *TableFunc:
			for _, in := range n.Inputs {
				walk(in)
			}
		case *Join:
			if r.static(n, op) {
				walk(n.Inputs[0])
			}
		case *TemporalJoin:
			if op.LeftTime < 0 {
				walk(n.Inputs[0])
			}
		case *Scan:
			late := r.set.AllowedLateness
			if o := r.cat.Object(op.Object); late == 0 && o != nil && o.Source != nil {
				late = o.Source.AllowedLateness
			}
			most = max(most, late)
		}
	}
	walk(n)
	return most
}

// emitOnClose marks the aggregations and sessions of a query for final rows only.
func emitOnClose(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		switch op := n.Op.(type) {
		case *Aggregate:
			c := *op
			c.Emit = EmitOnClose
			return n.withOp(&c, n.Schema)
		case *WindowAggregate:
			c := *op
			c.Emit = EmitOnClose
			return n.withOp(&c, n.Schema)
		case *SessionExpand:
			c := *op
			c.Emit = EmitOnClose
			return n.withOp(&c, n.Schema)
		case *Join:
			return n.withOp(op.final(), n.Schema)
		case *Over:
			c := *op
			c.Emit = EmitOnClose
			return n.withOp(&c, n.Schema)
		case *TopN:
			c := *op
			c.Emit = EmitOnClose
			return n.withOp(&c, n.Schema)
		}
		return n
	})
}

// checkWindowed checks that EMIT ON WINDOW CLOSE has something to wait for.
//
// Errors: CodeInvalidDefinition where the query has no window that closes.
func checkWindowed(root *Node, sp types.Span) error {
	windowed := false
	root.each(func(n *Node) {
		switch op := n.Op.(type) {
		case *Aggregate:
			windowed = windowed || op.Close >= 0
		case *WindowAggregate, *SessionExpand:
			windowed = true
		case *Join:
			windowed = windowed || op.Final && op.waits() && op.expires()
		case *Over:
			windowed = windowed || op.Close >= 0
		case *TopN:
			windowed = windowed || op.Close >= 0
		}
	})
	if !windowed {
		if open := openJoin(root); open != "" {
			return types.Errorf(types.CodeInvalidDefinition, "EMIT ON WINDOW CLOSE: %s", open).At(sp).WithHint(openJoinHint)
		}
		return types.Errorf(types.CodeInvalidDefinition, "EMIT ON WINDOW CLOSE needs a query that aggregates in windows").At(sp).
			WithHint("group by TUMBLE, HOP, CUMULATE or SESSION over the source's event time, or use EMIT CHANGES")
	}
	return nil
}

// checkFinal checks what EMIT ON WINDOW CLOSE was asked for: everything in it must close, but for DISTINCT of final rows, which only
// adds and goes back to emitting at once.
func (r *rewriter) checkFinal(root *Node) (*Node, error) {
	var failed error
	fail := func(format, hint string, args ...any) {
		if failed == nil {
			failed = types.Errorf(types.CodeInvalidDefinition, format, args...).WithHint("%s", hint)
		}
	}
	root.each(func(n *Node) {
		switch op := n.Op.(type) {
		case *Aggregate:
			if op.Emit == EmitOnClose && op.Close < 0 && !(len(op.Aggs) == 0 && len(op.Keys) > 0) {
				fail("EMIT ON WINDOW CLOSE: an aggregation in the query has no window, its rows would change for ever",
					"group by a window over the source's event time there too, or use EMIT CHANGES")
			}
		case *Join:
			if op.Final && op.waits() && !op.expires() && !r.props(n).Bounded {
				fail("EMIT ON WINDOW CLOSE: %s", openJoinHint, openJoinText)
			}
		case *Over:
			checkPartitionCloses(op.Closing, "OVER", fail)
		case *TopN:
			checkPartitionCloses(op.Closing, "a Top-N", fail)
		case *WindowAggregate:
			r.checkCloses(op.Emit, op.Window, n.in(), fail)
		case *SessionExpand:
			r.checkCloses(op.Emit, op.Window, n.in(), fail)
		}
	})
	if failed != nil {
		return nil, failed
	}
	return bottomUp(root, func(n *Node) *Node {
		op, ok := n.Op.(*Aggregate)
		if !ok || op.Emit != EmitOnClose || op.Close >= 0 {
			return n
		}
		c := *op
		c.Emit = EmitChanges
		return n.withOp(&c, n.Schema)
	}), nil
}

func checkPartitionCloses(c Closing, what string, fail func(format, hint string, args ...any)) {
	if c.Emit == EmitOnClose && c.Close < 0 {
		fail("EMIT ON WINDOW CLOSE: %s in the query has no window in its partition, its rows would change for ever",
			"partition by window_start and window_end too, or use EMIT CHANGES", what)
	}
}

func (r *rewriter) checkCloses(em Emission, w Window, in *Node, fail func(format, hint string, args ...any)) {
	if em != EmitOnClose || w.ProcTime {
		return
	}
	p := r.props(in)
	if _, ok := p.lag(w.Time); !ok && !p.Bounded {
		fail("EMIT ON WINDOW CLOSE: nothing closes the windows over %q", "declare WATERMARK FOR the time column on the source",
			in.Schema[w.Time].Name)
	}
}
