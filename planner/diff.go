package planner

import (
	"fmt"
	"strings"
)

// Change is what becomes of an operator's state when a plan takes the place of another.
type Change uint8

// The changes.
const (
	Keep Change = iota // the operator is in both plans: its state stays
	New                // it begins empty
	Drop               // its state is deleted
)

// String returns the change as Diff prints it.
func (c Change) String() string { return [...]string{"keep", "new", "drop"}[c] }

// OpChange is one line of a difference.
type OpChange struct {
	Change   Change
	ID       OpID
	Operator string // as Explain prints it
	Stateful bool   // it has state that is kept, built or dropped
	Depth    int    // in its plan
}

// Diff compares two plans by the ids of their operators: first the operators of the new plan from the root, then what only the old one
// has. Either may be nil.
func Diff(from, to *Node) []OpChange {
	ids := func(n *Node) map[OpID]bool {
		m := map[OpID]bool{}
		if n != nil {
			n.each(func(n *Node) { m[n.ID] = true })
		}
		return m
	}
	before, after := ids(from), ids(to)
	var list []OpChange
	walk := func(root *Node, want func(n *Node) (Change, bool)) {
		seen := map[*Node]bool{}
		var visit func(n *Node, depth int)
		visit = func(n *Node, depth int) {
			if seen[n] {
				return
			}
			seen[n] = true
			if c, ok := want(n); ok {
				list = append(list, OpChange{Change: c, ID: n.ID, Operator: describe(n), Stateful: stateful(n.Op), Depth: depth})
			}
			for _, in := range n.Inputs {
				visit(in, depth+1)
			}
		}
		if root != nil {
			visit(root, 0)
		}
	}
	walk(to, func(n *Node) (Change, bool) {
		if before[n.ID] {
			return Keep, true
		}
		return New, true
	})
	walk(from, func(n *Node) (Change, bool) { return Drop, !after[n.ID] })
	return list
}

// FormatDiff prints a difference, an operator per line.
func FormatDiff(changes []OpChange) string {
	var s strings.Builder
	for _, c := range changes {
		mark := ""
		if c.Stateful {
			mark = "  (state)"
		}
		fmt.Fprintf(&s, "%-4s  %s%s%s\n", c.Change, strings.Repeat("  ", c.Depth), c.Operator, mark)
	}
	return s.String()
}

// stateful reports whether an operator keeps rows or groups between epochs, or, as a source, positions.
func stateful(op Op) bool {
	switch op.(type) {
	case *Scan, *Watermark, *SessionExpand, *Aggregate, *WindowAggregate, *EmitEvery, *Materialize, *Sink,
		*Join, *TemporalJoin, *AsofJoin, *Over, *TopN, *TemporalFilter:
		return true
	}
	return false
}
