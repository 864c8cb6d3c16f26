package planner

import (
	"slices"

	"github.com/streamsql/streamsql/types"
)

// joinProps derives the properties of a Join.
//
// Append-only: pairs of rows that stay. A row of an outer or anti join that has no match yet is taken back when one comes, unless it waited
// until none can come (Final).
//
// Keys: a key of one side and a key of the other; the left key alone where the right side has at most one row for each value of the
// join keys, and the other way round.
//
// Watermarks: see joinWatermarks.
func (r *rewriter) joinProps(n *Node, op *Join) Props {
	l, rt := n.Inputs[0].Props, n.Inputs[1].Props
	width := len(n.Inputs[0].Schema)
	out := Props{RowWatermark: -1, Bounded: l.Bounded && rt.Bounded}
	both := l.AppendOnly && rt.AppendOnly
	switch op.Kind {
	case InnerJoin, SemiJoin:
		out.AppendOnly = both
	default:
		out.AppendOnly = both && op.Final && (op.expires() || out.Bounded)
	}
	out.Determines = joinDependencies(n, op, l, rt, width)
	if op.Kind.leftOnly() {
		out.Keys = slices.Clone(l.Keys)
	} else {
		out.Keys = joinedKeys(op.Kind, l.Keys, rt.Keys, rt.HasKey(op.RightKeys), l.HasKey(op.LeftKeys), width, out.Determines)
	}
	out.Watermarks = r.joinWatermarks(n, op)
	if !out.Bounded {
		out.Grows, out.GrowsHint = r.joinGrows(n, op)
	}
	return out
}

// maxJoinKeys bounds how many keys are told of a join: their number would multiply with every one.
const maxJoinKeys = 8

// joinedKeys returns the keys of a join's output. oneRight: each left row has at most one match; oneLeft: each right one.
func joinedKeys(kind JoinKind, left, right [][]int, oneRight, oneLeft bool, width int, deps []Dependency) [][]int {
	var keys [][]int
	add := func(k []int) {
		for _, less := range reducedKeys(k, deps) {
			covered := slices.ContainsFunc(keys, func(have []int) bool {
				return !slices.ContainsFunc(have, func(c int) bool { return !slices.Contains(less, c) })
			})
			if !covered && len(keys) < maxJoinKeys {
				keys = append(keys, less)
			}
		}
	}
	if oneRight && kind != FullJoin {
		for _, k := range left {
			add(k)
		}
	}
	if oneLeft && kind == InnerJoin {
		for _, k := range right {
			add(shiftColumns(k, width))
		}
	}
	for _, l := range left {
		for _, r := range right {
			add(append(slices.Clone(l), shiftColumns(r, width)...))
		}
	}
	return keys
}

// joinDependencies returns what columns tell of others: what they do in the inputs, and the keys of each other. In a side that is filled
// with NULLs, a column tells of others only if it is NULL in no row of its own.
func joinDependencies(n *Node, op *Join, l, r Props, width int) []Dependency {
	var deps []Dependency
	for _, d := range l.Determines {
		if op.Kind != FullJoin || n.Inputs[0].Schema[d.From].NotNull {
			deps = append(deps, d)
		}
	}
	if op.Kind.leftOnly() {
		return deps
	}
	for _, d := range r.Determines {
		if op.Kind == InnerJoin || n.Inputs[1].Schema[d.From].NotNull {
			deps = append(deps, Dependency{d.From + width, d.To + width})
		}
	}
	if op.Kind != InnerJoin {
		return deps
	}
	for i, lk := range op.LeftKeys {
		if identical(n.Inputs[0].Schema[lk].Type) {
			deps = append(deps, Dependency{lk, op.RightKeys[i] + width}, Dependency{op.RightKeys[i] + width, lk})
		}
	}
	return deps
}

func asofJoinProps(n *Node, op *AsofJoin) Props {
	l, r := n.Inputs[0].Props, n.Inputs[1].Props
	out := Props{RowWatermark: -1, Bounded: l.Bounded && r.Bounded, Keys: l.Keys, Determines: slices.Clone(l.Determines)}
	if !out.Bounded {
		out.Grows = "it keeps every row of both sides for ever: a row may come that is nearer"
		out.GrowsHint = "join a bounded part of the inputs, or use FOR SYSTEM_TIME AS OF with a versioned table"
	}
	return out
}

// joinClock refuses the current time, and functions that are not deterministic, in the condition of a join: a pair is judged when its second row
// comes, and would be judged otherwise when it is taken back or later.
func (r *rewriter) joinClock(n *Node) error {
	j, ok := n.Op.(*Join)
	if !ok || j.On == nil || n.Props.Bounded && n.Inputs[0].Props.AppendOnly && n.Inputs[1].Props.AppendOnly {
		return nil
	}
	switch {
	case readsClock(j.On):
		return types.NotSupported(clockSpan(j.On), "the current time in a join's condition over columns of both sides").
			WithHint("filter with WHERE behind the join")
	case volatile(r.reg, j.On):
		return types.NotSupported(j.On.Span(), "a function that is not deterministic in a join's condition")
	}
	return nil
}
