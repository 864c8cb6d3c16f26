package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// pruneColumns lets every operator compute, and every source deliver, only the columns that are used above.
//
//	Aggregate [auction] count(*)(Scan (auction, bidder, price, ts))  =>  ...(Scan (auction))
func (r *rewriter) pruneColumns(root *Node) *Node {
	c := &columnPruner{users: map[*Node][]bool{}, out: map[*Node]*pruned{}}
	c.mark(root, allOf(len(root.Schema)))
	out, _ := c.exact(root, allOf(len(root.Schema)))
	return out
}

// columnPruner first collects, over all users of a shared node, which columns are needed, and then rebuilds the plan.
type columnPruner struct {
	users map[*Node][]bool
	out   map[*Node]*pruned
}

type pruned struct {
	node *Node
	to   []int // old column: new column, or -1
}

func allOf(n int) []bool {
	need := make([]bool, n)
	for i := range need {
		need[i] = true
	}
	return need
}

// mark adds the columns of n that are needed, and what follows for its inputs.
func (c *columnPruner) mark(n *Node, need []bool) {
	have, seen := c.users[n]
	if !seen {
		have = make([]bool, len(n.Schema))
	}
	changed := !seen
	for i, x := range need {
		if x && !have[i] {
			have[i], changed = true, true
		}
	}
	c.users[n] = have
	if !changed {
		return
	}
	for i, in := range n.Inputs {
		c.mark(in, inputNeeds(n, i, have))
	}
}

// inputNeeds returns the columns of input i that n reads to give the columns in need.
func inputNeeds(n *Node, i int, need []bool) []bool {
	width := len(n.Inputs[i].Schema)
	out := make([]bool, width)
	reads := func(e expr.Expr) { eachColumn(e, func(c *expr.Column) { out[c.Index] = true }) }
	switch op := n.Op.(type) {
	case *Filter:
		copy(out, need)
		reads(op.Pred)
	case *Watermark:
		copy(out, need)
		out[op.Time] = true
		reads(op.Expr)
	case *Project:
		for j, e := range op.Exprs {
			if need[j] {
				reads(e)
			}
		}
	case *WindowExpand:
		copy(out, need[:width])
		out[op.Window.Time] = true
	case *SessionExpand:
		copy(out, need[:width])
		out[op.Window.Time] = true
		for _, c := range op.Partition {
			out[c] = true
		}
	case *Aggregate:
		for _, k := range op.Keys {
			out[k] = true
		}
		markCalls(out, op.Aggs, need[len(op.Keys):])
	case *WindowAggregate:
		for _, k := range op.Keys {
			out[k] = true
		}
		out[op.Window.Time] = true
		markCalls(out, op.Aggs, need[len(op.Keys)+2:])
	case *Union:
		copy(out, need)
	case *Over:
		overNeeds(op, need, out)
	case *TopN:
		topNNeeds(op, need, out)
	case *TableFunc:
		tableFuncNeeds(op, need, out)
	case *TemporalFilter:
		temporalFilterNeeds(op, need, out)
	case *Join, *TemporalJoin, *AsofJoin:
		return joinNeeds(n, i, need)
	default:
		return allOf(width)
	}
	return out
}

func markCalls(out []bool, calls []AggCall, need []bool) {
	for i, c := range calls {
		if !need[i] {
			continue
		}
		for _, a := range c.Args {
			out[a] = true
		}
		if c.Filter >= 0 {
			out[c.Filter] = true
		}
		for _, o := range c.OrderBy {
			out[o.Col] = true
		}
	}
}

// exact rebuilds n and projects it to the columns in need, in their order.
func (c *columnPruner) exact(n *Node, need []bool) (*Node, []int) {
	p := c.rebuild(n)
	to := make([]int, len(need))
	var exprs []expr.Expr
	var names []string
	same := true
	for i, x := range need {
		to[i] = -1
		if !x {
			continue
		}
		to[i] = len(exprs)
		same = same && p.to[i] == len(exprs)
		f := p.node.Schema[p.to[i]]
		exprs, names = append(exprs, column(p.to[i], f)), append(names, f.Name)
	}
	if same && len(exprs) == len(p.node.Schema) {
		return p.node, to
	}
	return newProject(p.node, exprs, names, DeadLetter), to
}

func (c *columnPruner) rebuild(n *Node) *pruned {
	if p, ok := c.out[n]; ok {
		return p
	}
	p := c.build(n)
	c.out[n] = p
	return p
}

func (c *columnPruner) build(n *Node) *pruned {
	need := c.users[n]
	switch op := n.Op.(type) {
	case *Scan:
		s := *op
		s.Columns = nil
		to, schema := keepColumns(n.Schema, need)
		for i, x := range need {
			if x {
				s.Columns = append(s.Columns, op.Columns[i])
			}
		}
		return &pruned{newNode(&s, schema), to}
	case *Values:
		to, schema := keepColumns(n.Schema, need)
		v := &Values{Rows: make([][]expr.Expr, len(op.Rows))}
		for i, row := range op.Rows {
			for j, x := range need {
				if x {
					v.Rows[i] = append(v.Rows[i], row[j])
				}
			}
		}
		return &pruned{newNode(v, schema), to}
	case *Filter:
		in := c.rebuild(n.in())
		return &pruned{newNode(&Filter{Pred: remapColumns(op.Pred, in.to), OnError: op.OnError}, in.node.Schema, in.node), in.to}
	case *Watermark:
		in := c.rebuild(n.in())
		w := *op
		w.Time, w.Expr = in.to[op.Time], remapColumns(op.Expr, in.to)
		return &pruned{newNode(&w, in.node.Schema, in.node), in.to}
	case *Project:
		in := c.rebuild(n.in())
		to, schema := keepColumns(n.Schema, need)
		q := &Project{OnError: op.OnError}
		for i, x := range need {
			if x {
				q.Exprs = append(q.Exprs, remapColumns(op.Exprs[i], in.to))
			}
		}
		return &pruned{newNode(q, schema, in.node), to}
	case *Union:
		to, schema := keepColumns(n.Schema, need)
		inputs := make([]*Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i], _ = c.exact(in, need)
		}
		return &pruned{newNode(&Union{}, schema, inputs...), to}
	case *WindowExpand:
		in := c.rebuild(n.in())
		w := *op
		w.Window.Time = in.to[op.Window.Time]
		return windowColumnsAfter(n, &w, in.node, in.to)
	case *SessionExpand:
		node, to := c.exact(n.in(), inputNeeds(n, 0, need))
		s := *op
		s.Window.Time = to[op.Window.Time]
		s.Partition = remapList(op.Partition, to)
		return windowColumnsAfter(n, &s, node, to)
	case *Aggregate:
		node, to := c.exact(n.in(), inputNeeds(n, 0, need))
		a := *op
		a.Keys = remapList(op.Keys, to)
		var keep []int
		a.Aggs, keep = remapCalls(op.Aggs, need[len(op.Keys):], to)
		schema := slices.Clone(n.Schema[:len(op.Keys)])
		return aggregated(n, &a, node, schema, keep)
	case *WindowAggregate:
		node, to := c.exact(n.in(), inputNeeds(n, 0, need))
		a := *op
		a.Keys, a.Window.Time = remapList(op.Keys, to), to[op.Window.Time]
		var keep []int
		a.Aggs, keep = remapCalls(op.Aggs, need[len(op.Keys)+2:], to)
		schema := slices.Clone(n.Schema[:len(op.Keys)+2])
		return aggregated(n, &a, node, schema, keep)
	case *Over:
		return c.over(n, op, need)
	case *TopN:
		return c.topN(n, op, need)
	case *TableFunc:
		return c.tableFunc(n, op, need)
	case *TemporalFilter:
		return c.temporalFilter(n, op, need)
	}
	switch n.Op.(type) {
	case *Join, *TemporalJoin, *AsofJoin:
		return c.pruneJoin(n, need)
	}
	// All other operators pass all columns on, or read what cannot be cut.
	inputs := make([]*Node, len(n.Inputs))
	for i, in := range n.Inputs {
		inputs[i], _ = c.exact(in, allOf(len(in.Schema)))
	}
	to := make([]int, len(n.Schema))
	for i := range to {
		to[i] = i
	}
	return &pruned{n.rebuild(inputs...), to}
}

func keepColumns(s types.Schema, need []bool) (to []int, out types.Schema) {
	to = make([]int, len(s))
	for i, x := range need {
		to[i] = -1
		if x {
			to[i] = len(out)
			out = append(out, s[i])
		}
	}
	return to, out
}

// windowColumnsAfter puts an operator that appends window columns on a narrower input.
func windowColumnsAfter(n *Node, op Op, in *Node, to []int) *pruned {
	width := len(n.in().Schema)
	out := append(slices.Clone(to[:width]), len(in.Schema), len(in.Schema)+1, len(in.Schema)+2)
	schema := append(slices.Clone(in.Schema), n.Schema[width:]...)
	return &pruned{newNode(op, schema, in), out}
}

// aggregated puts an aggregation on a narrower input; keep are the aggregates that remain, by their old positions.
func aggregated(n *Node, op Op, in *Node, schema types.Schema, keep []int) *pruned {
	base := len(schema)
	to := make([]int, len(n.Schema))
	for i := range to {
		to[i] = i
		if i >= base {
			to[i] = -1
		}
	}
	for _, k := range keep {
		to[base+k] = len(schema)
		schema = append(schema, n.Schema[base+k])
	}
	return &pruned{newNode(op, schema, in), to}
}

func remapList(cols, to []int) []int {
	if cols == nil {
		return nil
	}
	out := make([]int, len(cols))
	for i, c := range cols {
		out[i] = to[c]
	}
	return out
}

func remapCalls(calls []AggCall, need []bool, to []int) (out []AggCall, keep []int) {
	for i, c := range calls {
		if !need[i] {
			continue
		}
		c.Args = remapList(c.Args, to)
		if c.Filter >= 0 {
			c.Filter = to[c.Filter]
		}
		c.OrderBy = slices.Clone(c.OrderBy)
		for j := range c.OrderBy {
			c.OrderBy[j].Col = to[c.OrderBy[j].Col]
		}
		out, keep = append(out, c), append(keep, i)
	}
	return out, keep
}
