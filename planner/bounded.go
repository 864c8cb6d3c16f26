package planner

import "fmt"

// BoundText says whether the state of a node can grow for ever, and why or why not; empty for a node that keeps nothing.
func BoundText(n *Node) string {
	if !stateful(n.Op) {
		return ""
	}
	if n.Props.Grows != "" {
		return fmt.Sprintf("grows: %s; to bound it, %s", n.Props.Grows, n.Props.GrowsHint)
	}
	switch op := n.Op.(type) {
	case *Scan:
		return "bounded: a position per partition"
	case *Watermark:
		return "bounded: a watermark per partition"
	case *Sink:
		return "bounded: what is not published yet, up to a limit"
	case *EmitEvery:
		return "bounded: what changed since the last emission"
	case *WindowAggregate:
		return "bounded: a window is dropped when the watermark has passed its end" + latenessText(op.Lateness)
	case *SessionExpand:
		return "bounded: a session is dropped when the watermark has passed its end" + latenessText(op.Lateness)
	case *Aggregate:
		switch {
		case op.Close >= 0:
			return "bounded: a group is dropped when the watermark has passed its " + columnText(op.Keys[op.Close], n.in().Schema)
		case op.TTL > 0:
			return "bounded: a group is dropped " + formatMicros(op.TTL) + " after its last change"
		case len(op.Keys) == 0:
			return "bounded: one row"
		}
	case *Join:
		if op.LeftExpiry != nil && op.RightExpiry != nil {
			return "bounded: rows are dropped when the watermark has passed their last match"
		}
	case *Materialize:
		if op.Retention > 0 {
			return "bounded: a row is dropped " + formatMicros(op.Retention) + " after its last change"
		}
	}
	if n.Props.Bounded || len(n.Inputs) > 0 && n.in().Props.Bounded {
		return "bounded: its input ends"
	}
	return "as large as its input: it keeps what the tables and views below it hold"
}
