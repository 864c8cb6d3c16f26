package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// The logical plan has the nodes of the physical one. It differs in that windows are assigned by WindowExpand and SessionExpand
// below an Aggregate, all columns are read, and properties and ids are not set; the rewrites turn the one into the other.

// Names of the columns that windows append.
const (
	windowStart = "window_start"
	windowEnd   = "window_end"
	windowTime  = "window_time"
	// hiddenWatermark is the name of the column that Watermark.Emit appends.
	hiddenWatermark = "$watermark"
)

func newNode(op Op, schema types.Schema, inputs ...*Node) *Node {
	return &Node{Op: op, Inputs: inputs, Schema: schema, Props: Props{RowWatermark: -1}}
}

// in returns the only input of a unary node.
func (n *Node) in() *Node { return n.Inputs[0] }

func newFilter(in *Node, pred expr.Expr, onError Policy) *Node {
	return newNode(&Filter{Pred: pred, OnError: onError}, in.Schema, in)
}

func newProject(in *Node, exprs []expr.Expr, names []string, onError Policy) *Node {
	schema := make(types.Schema, len(exprs))
	for i, e := range exprs {
		schema[i] = types.Field{Name: names[i], Type: e.Type(), NotNull: notNull(e, in.Schema)}
	}
	return newNode(&Project{Exprs: exprs, OnError: onError}, schema, in)
}

// reproject makes a Project whose output keeps the names of another schema.
func reproject(in *Node, exprs []expr.Expr, like types.Schema, onError Policy) *Node {
	names := make([]string, len(like))
	for i, f := range like {
		names[i] = f.Name
	}
	return newProject(in, exprs, names, onError)
}

// notNull reports whether e is never NULL, as far as that is plain to see.
func notNull(e expr.Expr, in types.Schema) bool {
	switch x := e.(type) {
	case *expr.Column:
		return in[x.Index].NotNull
	case *expr.Literal:
		return x.Value != nil
	case *expr.Now:
		return true
	}
	return false
}

// columnExprs returns one Column per field.
func columnExprs(s types.Schema) []expr.Expr {
	exprs := make([]expr.Expr, len(s))
	for i, f := range s {
		exprs[i] = column(i, f)
	}
	return exprs
}

func windowFields(timeType types.Type) types.Schema {
	t := timeType.Base()
	return types.Schema{
		{Name: windowStart, Type: t, NotNull: true},
		{Name: windowEnd, Type: t, NotNull: true},
		{Name: windowTime, Type: t, NotNull: true},
	}
}

// newWindow assigns windows: a WindowExpand or a SessionExpand.
func newWindow(in *Node, w Window, partition []int) *Node {
	schema := append(append(types.Schema{}, in.Schema...), windowFields(in.Schema[w.Time].Type)...)
	if w.Kind == Session {
		return newNode(&SessionExpand{Window: w, Partition: partition, RowWatermark: -1}, schema, in)
	}
	return newNode(&WindowExpand{Window: w}, schema, in)
}

func newAggregate(in *Node, a *Aggregate, names []string) *Node {
	schema := make(types.Schema, 0, len(a.Keys)+len(a.Aggs))
	for _, k := range a.Keys {
		schema = append(schema, in.Schema[k])
	}
	for _, c := range a.Aggs {
		schema = append(schema, types.Field{Type: c.T, NotNull: c.Fn == "count(*)" || isCount(c.Fn)})
	}
	for i := range names {
		schema[i].Name = names[i]
	}
	return newNode(a, schema, in)
}

func isCount(fn string) bool { return len(fn) > 6 && fn[:6] == "count(" }

// aggregateSchema is the output of an Aggregate or WindowAggregate with these keys, after the names given.
func windowAggregateSchema(in types.Schema, w *WindowAggregate) types.Schema {
	var schema types.Schema
	for _, k := range w.Keys {
		schema = append(schema, in[k])
	}
	schema = append(schema, windowFields(in[w.Window.Time].Type)[:2]...)
	for _, c := range w.Aggs {
		schema = append(schema, types.Field{Type: c.T, NotNull: isCount(c.Fn)})
	}
	return schema
}

// rebuild returns n over other inputs whose columns are those of the old ones.
func (n *Node) rebuild(inputs ...*Node) *Node {
	same := len(inputs) == len(n.Inputs)
	for i := range inputs {
		same = same && inputs[i] == n.Inputs[i]
	}
	if same {
		return n
	}
	c := *n
	c.Inputs = inputs
	return &c
}

// withOp returns n doing something else to the same inputs.
func (n *Node) withOp(op Op, schema types.Schema) *Node {
	c := *n
	c.Op, c.Schema = op, schema
	return &c
}

// bottomUp rewrites the inputs of every node and then the node. A node that is reached twice is rewritten once.
func bottomUp(n *Node, f func(*Node) *Node) *Node {
	done := map[*Node]*Node{}
	var walk func(n *Node) *Node
	walk = func(n *Node) *Node {
		if r, ok := done[n]; ok {
			return r
		}
		inputs := make([]*Node, len(n.Inputs))
		for i, in := range n.Inputs {
			inputs[i] = walk(in)
		}
		r := f(n.rebuild(inputs...))
		done[n] = r
		return r
	}
	return walk(n)
}

// each calls f once for every node of the plan, inputs first.
func (n *Node) each(f func(*Node)) {
	seen := map[*Node]bool{}
	var walk func(n *Node)
	walk = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, in := range n.Inputs {
			walk(in)
		}
		f(n)
	}
	walk(n)
}

// Walk calls f once for every node of the plan, inputs before the nodes that read them.
func (n *Node) Walk(f func(*Node)) { n.each(f) }

// mapNodeExprs applies f to every expression of the node's operator.
func mapNodeExprs(n *Node, f func(expr.Expr) expr.Expr) *Node {
	all := func(list []expr.Expr) []expr.Expr {
		out := make([]expr.Expr, len(list))
		for i, e := range list {
			out[i] = f(e)
		}
		return out
	}
	switch op := n.Op.(type) {
	case *Filter:
		c := *op
		c.Pred = f(op.Pred)
		return n.withOp(&c, n.Schema)
	case *Project:
		c := *op
		c.Exprs = all(op.Exprs)
		return n.withOp(&c, n.Schema)
	case *Watermark:
		c := *op
		c.Expr = f(op.Expr)
		return n.withOp(&c, n.Schema)
	case *Values:
		c := *op
		c.Rows = make([][]expr.Expr, len(op.Rows))
		for i, row := range op.Rows {
			c.Rows[i] = all(row)
		}
		return n.withOp(&c, n.Schema)
	case *Join:
		if op.On != nil {
			c := *op
			c.On = f(op.On)
			return n.withOp(&c, n.Schema)
		}
	case *TemporalJoin:
		if op.On != nil {
			c := *op
			c.On = f(op.On)
			return n.withOp(&c, n.Schema)
		}
	case *Scan:
		c := *op
		c.Prune = all(op.Prune)
		return n.withOp(&c, n.Schema)
	case *TableFunc:
		return n.withOp(mapTableCalls(op, f), n.Schema)
	}
	return n
}
