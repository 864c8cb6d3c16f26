package planner

import (
	"fmt"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/streamsql/streamsql/expr"
)

// share gives every node its id and makes one node of equal subplans.
func share(root *Node) *Node {
	byID := map[OpID]*Node{}
	return bottomUp(root, func(n *Node) *Node {
		c := *n
		c.ID = OpID(xxh3.HashString(canonical(n)))
		if have, ok := byID[c.ID]; ok {
			return have
		}
		byID[c.ID] = &c
		return &c
	})
}

// canonical returns the text that a node's id is the hash of: what it does, by column positions and object ids, over which
// inputs, by their ids. It must stay the same from release to release: state is found by it. Names of columns and places in
// the text do not count; types do.
func canonical(n *Node) string {
	var s strings.Builder
	s.WriteString("v1 ")
	s.WriteString(canonicalOp(n.Op))
	s.WriteString(" :")
	for _, f := range n.Schema {
		s.WriteString(" " + f.Type.String())
	}
	for _, in := range n.Inputs {
		fmt.Fprintf(&s, " <%016x>", uint64(in.ID))
	}
	return s.String()
}

func canonicalOp(op Op) string {
	switch op := op.(type) {
	case *Scan:
		return fmt.Sprintf("scan %d cols %v prune [%s] instance %d", op.Object, op.Columns, canonicalExprs(op.Prune), op.Instance)
	case *Watermark:
		return fmt.Sprintf("watermark %d as %s ahead %d idle %d late %d emit %t", op.Time, exprKey(op.Expr), op.MaxAhead, op.IdleTimeout, op.OnLate, op.Emit)
	case *Values:
		rows := make([]string, len(op.Rows))
		for i, r := range op.Rows {
			rows[i] = "(" + canonicalExprs(r) + ")"
		}
		return "values " + strings.Join(rows, " ")
	case *ViewScan:
		if l := op.Lookup; l != nil { // of a plan that is not kept
			rows := make([]string, len(l.Values))
			for i, row := range l.Values {
				for _, v := range row {
					rows[i] += exprKey(v) + ","
				}
			}
			return fmt.Sprintf("viewscan %d by %v %v", op.Object, l.Cols, rows)
		}
		return fmt.Sprintf("viewscan %d", op.Object)
	case *TableInput:
		return fmt.Sprintf("tableinput %d key %v appendonly %t", op.Object, op.Key, op.AppendOnly)
	case *Filter:
		return fmt.Sprintf("filter %s onerror %d", exprKey(op.Pred), op.OnError)
	case *Project:
		return fmt.Sprintf("project [%s] onerror %d", canonicalExprs(op.Exprs), op.OnError)
	case *Union:
		return "union"
	case *WindowExpand:
		return "windowexpand " + canonicalWindow(op.Window)
	case *SessionExpand:
		return fmt.Sprintf("sessionexpand %s by %v late %d emit %d rowwm %d onlate %d onerror %d",
			canonicalWindow(op.Window), op.Partition, op.Lateness, op.Emit, op.RowWatermark, op.OnLate, op.OnError)
	case *Aggregate:
		return fmt.Sprintf("aggregate %v [%s] close %d %d emit %d ttl %d rowwm %d onlate %d onerror %d",
			op.Keys, canonicalCalls(op.Aggs), op.Close, op.CloseLag, op.Emit, op.TTL, op.RowWatermark, op.OnLate, op.OnError)
	case *WindowAggregate:
		return fmt.Sprintf("windowaggregate %s %v [%s] emit %d late %d rowwm %d onlate %d onerror %d",
			canonicalWindow(op.Window), op.Keys, canonicalCalls(op.Aggs), op.Emit, op.Lateness, op.RowWatermark, op.OnLate, op.OnError)
	case *Over:
		return canonicalOver(op)
	case *TopN:
		return canonicalTopN(op)
	case *TableFunc:
		return canonicalTableFunc(op)
	case *TemporalFilter:
		return canonicalTemporalFilter(op)
	case *EmitEvery:
		return fmt.Sprintf("emitevery %d", op.Interval)
	case *Sink:
		return fmt.Sprintf("sink %d mode %d key %v", op.Object, op.Mode, op.Key)
	case *Materialize:
		return fmt.Sprintf("materialize %d key %v retention %d", op.Object, op.Key, op.Retention)
	case *Apply:
		return canonicalApply(op)
	case *Output:
		return "output"
	case *Join:
		return canonicalJoin(op)
	case *TemporalJoin:
		return canonicalTemporalJoin(op)
	case *AsofJoin:
		return canonicalAsofJoin(op)
	}
	return fmt.Sprintf("%T", op)
}

func canonicalWindow(w Window) string {
	return fmt.Sprintf("%s time %d size %d slide %d offset %d zone %q proc %t", w.Kind, w.Time, w.Size, w.Slide, w.Offset, w.Zone, w.ProcTime)
}

func canonicalExprs(list []expr.Expr) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = exprKey(e)
	}
	return strings.Join(texts, "; ")
}

func canonicalCalls(calls []AggCall) string {
	texts := make([]string, len(calls))
	for i, c := range calls {
		texts[i] = fmt.Sprintf("%s %v filter %d distinct %t order %v extra [%s] as %s", c.Fn, c.Args, c.Filter, c.Distinct, c.OrderBy, canonicalExprs(c.Extra), c.T)
	}
	return strings.Join(texts, "; ")
}
