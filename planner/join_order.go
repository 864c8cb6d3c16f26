package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
)

// orderJoins gives inner joins of several inputs another order where in the written one some join has no key, so that it would keep and
// pair all rows. Each next input is the first, as written, that an equality joins to those before it; inputs that nothing joins come
// together last. Where the written order has a key everywhere it stays, and with it the operators' state.
//
//	Join On(l.o = o.id AND c.id = o.c)(Join(c, l), o)  =>  Join On(l.o = o.id)(Join On(c.id = o.c)(c, o), l)
//
// Conditions that can fail, or depend on the clock, are not moved past a join: they stay where they are if at the top, and end the
// region that is ordered if below.
func (r *rewriter) orderJoins(root *Node) *Node {
	users := map[*Node]int{}
	root.each(func(n *Node) {
		for _, in := range n.Inputs {
			users[in]++
		}
	})
	done := map[*Node]*Node{}
	var walk func(n *Node) *Node
	walk = func(n *Node) *Node {
		if d, ok := done[n]; ok {
			return d
		}
		var out *Node
		if g := r.joinGraph(n, users); g != nil {
			for i := range g.leaves {
				g.leaves[i].node = walk(g.leaves[i].node)
			}
			out = reproject(g.build(), g.restored, n.Schema, DeadLetter)
		} else {
			inputs := make([]*Node, len(n.Inputs))
			for i, in := range n.Inputs {
				inputs[i] = walk(in)
			}
			out = n.rebuild(inputs...)
		}
		done[n] = out
		return out
	}
	return walk(root)
}

// joinGraph is a tree of inner joins without its shape: the inputs, with their columns in the order written, and all conditions over
// these columns.
type joinGraph struct {
	r        *rewriter
	leaves   []joinLeaf
	conds    []joinCond
	keyless  bool // some join of the tree has no key
	restored []expr.Expr
}

type joinLeaf struct {
	node *Node
	from int // its first column
}

type joinCond struct {
	x      expr.Expr
	leaves []int // that it reads
	// left and right are the inputs that the two sides of an equality read; nil if it is none.
	left, right []int
	fixed       bool // stays at the top
	used        bool
}

// joinGraph returns the graph of the inner joins at n if another order is better, else nil.
func (r *rewriter) joinGraph(n *Node, users map[*Node]int) *joinGraph {
	if op, ok := n.Op.(*Join); !ok || op.Kind != InnerJoin {
		return nil
	}
	g := &joinGraph{r: r}
	g.collect(n, 0, users, true)
	if len(g.leaves) < 3 || !g.keyless {
		return nil
	}
	for i := range g.conds {
		g.conds[i].leaves = g.leavesOf(g.conds[i].x)
		if c, ok := g.conds[i].x.(*expr.Call); ok && len(c.Args) == 2 && !g.conds[i].fixed {
			if o := r.reg.Lookup(c.Fn); o != nil && (o.Name == "=" || o.Name == "is not distinct from") {
				g.conds[i].left, g.conds[i].right = g.leavesOf(c.Args[0]), g.leavesOf(c.Args[1])
			}
		}
	}
	return g
}

// collect adds the inputs and conditions of n, whose first column is from.
func (g *joinGraph) collect(n *Node, from int, users map[*Node]int, top bool) {
	op, ok := n.Op.(*Join)
	if !ok || op.Kind != InnerJoin || !top && users[n] > 1 || len(op.LeftKeys) > 0 || !top && op.On != nil && !g.movable(op.On) {
		g.leaves = append(g.leaves, joinLeaf{n, from})
		return
	}
	width := len(n.Inputs[0].Schema)
	g.collect(n.Inputs[0], from, users, false)
	g.collect(n.Inputs[1], from+width, users, false)
	keyed := false
	if op.On != nil {
		for _, c := range conjuncts(op.On) {
			_, key := g.r.equality(c, width)
			keyed = keyed || key
			g.conds = append(g.conds, joinCond{x: shiftExpr(c, from), fixed: !g.movable(c)})
		}
	}
	g.keyless = g.keyless || !keyed
}

func (g *joinGraph) movable(e expr.Expr) bool {
	return !g.r.reg.Fallible(e) && !volatile(g.r.reg, e) && !readsClock(e)
}

func (g *joinGraph) leavesOf(e expr.Expr) []int {
	var out []int
	eachColumn(e, func(c *expr.Column) {
		for i, l := range g.leaves {
			if c.Index >= l.from && c.Index < l.from+len(l.node.Schema) && !slices.Contains(out, i) {
				out = append(out, i)
			}
		}
	})
	return out
}

// joinPart is a part of the graph already joined.
type joinPart struct {
	node   *Node
	leaves []int
	at     map[int]int // column of the graph: column of node
}

func (g *joinGraph) leaf(i int) joinPart {
	p := joinPart{node: g.leaves[i].node, leaves: []int{i}, at: map[int]int{}}
	for c := range p.node.Schema {
		p.at[g.leaves[i].from+c] = c
	}
	return p
}

// build joins the inputs and sets restored to the columns in the order written.
func (g *joinGraph) build() *Node {
	remaining := make([]int, len(g.leaves))
	for i := range remaining {
		remaining[i] = i
	}
	var parts []joinPart
	for len(remaining) > 0 {
		part := g.leaf(remaining[0])
		remaining = remaining[1:]
		for {
			i := slices.IndexFunc(remaining, func(l int) bool { return g.connected(part.leaves, []int{l}) })
			if i < 0 {
				break
			}
			part = g.join(part, g.leaf(remaining[i]))
			remaining = slices.Delete(remaining, i, i+1)
		}
		parts = append(parts, part)
	}
	for len(parts) > 1 { // those that nothing joins to the first come in their order, unless an equality over several inputs does
		i := 1 + max(0, slices.IndexFunc(parts[1:], func(p joinPart) bool { return g.connected(parts[0].leaves, p.leaves) }))
		parts[0] = g.join(parts[0], parts[i])
		parts = slices.Delete(parts, i, i+1)
	}
	whole := parts[0]
	g.restored = nil
	for _, l := range g.leaves {
		for c, f := range l.node.Schema {
			g.restored = append(g.restored, column(whole.at[l.from+c], f))
		}
	}
	return whole.node
}

// connected reports whether an equality has one side in each of two parts.
func (g *joinGraph) connected(a, b []int) bool {
	within := func(list, part []int) bool {
		return len(list) > 0 && !slices.ContainsFunc(list, func(l int) bool { return !slices.Contains(part, l) })
	}
	return slices.ContainsFunc(g.conds, func(c joinCond) bool {
		return within(c.left, a) && within(c.right, b) || within(c.left, b) && within(c.right, a)
	})
}

// join joins two parts under all conditions that read nothing else and were not used yet. The conditions that must stay at the top come
// with the last input.
func (g *joinGraph) join(a, b joinPart) joinPart {
	width := len(a.node.Schema)
	out := joinPart{leaves: append(slices.Clone(a.leaves), b.leaves...), at: a.at}
	for c, at := range b.at {
		out.at[c] = at + width
	}
	last := len(out.leaves) == len(g.leaves)
	var on []expr.Expr
	for i := range g.conds {
		c := &g.conds[i]
		if c.used || c.fixed && !last || slices.ContainsFunc(c.leaves, func(l int) bool { return !slices.Contains(out.leaves, l) }) {
			continue
		}
		c.used = true
		on = append(on, mapExpr(c.x, func(x expr.Expr) (expr.Expr, bool) {
			col, ok := x.(*expr.Column)
			if !ok {
				return nil, false
			}
			d := *col
			d.Index = out.at[col.Index]
			return &d, true
		}))
	}
	out.node = newJoin(InnerJoin, a.node, b.node, conjunction(on))
	return out
}
