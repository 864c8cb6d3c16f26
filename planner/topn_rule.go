package planner

import (
	"math"
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// recogniseTopN turns a filter that keeps the first rows by their number or rank into a TopN, which keeps no others.
//
//	Filter(n <= 3 AND p)                                    Filter(p)
//	  Over by k order by o: row_number() AS n, f(x)   =>      TopN 3 by k order by o, numbered
//	                                                            Over by k order by o: f(x)
//
// It is sound because the rows that TopN leaves out are those that the filter drops, and the other functions are computed below
// over all rows. It fires for n <= c, n < c, n = c, c >= n, n BETWEEN a AND b and n IN (constants), also several of them, where n is
// row_number(), rank() or dense_rank() itself. A lower bound of row_number is an offset; else it stays in the filter.
func (r *rewriter) recogniseTopN(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		var filters []*Node // from the top
		below := n
		for {
			if _, ok := below.Op.(*Filter); !ok {
				break
			}
			filters = append(filters, below)
			below = below.in()
		}
		if len(filters) == 0 {
			return n
		}
		if s := stackOfOvers(below); len(s.overs) > 0 {
			return r.topNOf(n, filters, s)
		}
		return n
	})
}

// overStack is Over nodes on top of each other of which none reads what another computes, so that their order does not matter.
type overStack struct {
	base  *Node
	overs []*Over // from the bottom
	first []int   // of each: the column of its first call
	width int     // of base
	top   *Node
}

func stackOfOvers(n *Node) overStack {
	s := overStack{top: n}
	most := -1 // the last column that the stack reads
	for {
		op, ok := n.Op.(*Over)
		if !ok {
			break
		}
		if most >= len(n.in().Schema) { // an upper one reads what this one computes
			break
		}
		most = slices.Max(append(overReads(op), most))
		s.overs = append(s.overs, op)
		n = n.in()
	}
	s.base, s.width = n, len(n.Schema)
	slices.Reverse(s.overs)
	at := s.width
	for _, op := range s.overs {
		s.first = append(s.first, at)
		at += len(op.Calls)
	}
	return s
}

// overReads are the columns that an Over reads.
func overReads(op *Over) []int {
	cols := slices.Clone(op.Partition)
	for _, o := range op.Order {
		cols = append(cols, o.Col)
	}
	for _, c := range op.Calls {
		cols = append(cols, c.Args...)
		if c.Filter >= 0 {
			cols = append(cols, c.Filter)
		}
	}
	return cols
}

// call returns the Over and the call that compute a column.
func (s overStack) call(col int) (over, call int) {
	for i, op := range s.overs {
		if j := col - s.first[i]; j >= 0 && j < len(op.Calls) {
			return i, j
		}
	}
	return -1, -1
}

// numberRange is the range that filters leave of a row's number.
type numberRange struct{ low, high int64 }

func (r *rewriter) topNOf(n *Node, filters []*Node, s overStack) *Node {
	fn := func(col int) string {
		i, j := s.call(col)
		if i < 0 {
			return ""
		}
		return s.overs[i].Calls[j].Fn
	}
	ranges := map[int]numberRange{}
	for _, f := range filters {
		for _, e := range conjuncts(f.Op.(*Filter).Pred) {
			col, add, _ := r.numberBound(e)
			if k := fn(col); k != "row_number" && k != "rank" && k != "dense_rank" {
				continue
			}
			have, ok := ranges[col]
			if !ok {
				have = numberRange{1, math.MaxInt64}
			}
			ranges[col] = numberRange{max(have.low, add.low), min(have.high, add.high)}
		}
	}
	chosen := -1
	for col := s.width; col < len(s.top.Schema); col++ { // a row number leaves the fewest rows
		if g, ok := ranges[col]; ok && g.high < math.MaxInt64 && (chosen < 0 || fn(col) == "row_number" && fn(chosen) != "row_number") {
			chosen = col
		}
	}
	if chosen < 0 {
		return n
	}
	bounds := ranges[chosen]
	if bounds.high < bounds.low {
		return newNode(&Values{}, n.Schema)
	}
	exact := fn(chosen) == "row_number"
	which, _ := s.call(chosen)
	top := newTopNOp(bounds.high)
	top.Partition, top.Order, top.Number = s.overs[which].Partition, s.overs[which].Order, true
	switch fn(chosen) {
	case "row_number":
		top.Offset, top.Limit = bounds.low-1, bounds.high-bounds.low+1
	case "rank":
		top.Rank = ByRank
	case "dense_rank":
		top.Rank = ByDenseRank
	}
	node := s.without(chosen, top)
	for _, f := range slices.Backward(filters) {
		op := f.Op.(*Filter)
		var stay []expr.Expr
		for _, e := range conjuncts(op.Pred) {
			col, g, whole := r.numberBound(e)
			if col == chosen && whole && (exact || g.low <= 1) {
				continue
			}
			stay = append(stay, e)
		}
		if len(stay) > 0 {
			node = newFilter(node, conjunction(stay), op.OnError)
		}
	}
	return node
}

// without rebuilds the stack without the call that computes a column, which a TopN on top computes instead; the columns keep their places.
func (s overStack) without(col int, top *TopN) *Node {
	node := s.base
	to := make([]int, len(s.top.Schema))
	for i := range s.width {
		to[i] = i
	}
	for i, op := range s.overs {
		o := *op
		o.Calls = nil
		schema := slices.Clone(node.Schema)
		for j, c := range op.Calls {
			if at := s.first[i] + j; at != col {
				to[at] = len(schema)
				o.Calls, schema = append(o.Calls, c), append(schema, s.top.Schema[at])
			}
		}
		if len(o.Calls) > 0 {
			node = newNode(&o, schema, node)
		}
	}
	to[col] = len(node.Schema)
	node = newTopN(node, top)
	exprs := make([]expr.Expr, len(to))
	for i, c := range to {
		exprs[i] = column(c, node.Schema[c])
	}
	return reproject(node, exprs, s.top.Schema, DeadLetter)
}

// numberBound reads a conjunct that bounds an integer column by constants. whole says that the bounds are all that it says. The column
// is -1 if e is no such conjunct.
func (r *rewriter) numberBound(e expr.Expr) (col int, g numberRange, whole bool) {
	g = numberRange{math.MinInt64, math.MaxInt64}
	switch x := e.(type) {
	case *expr.In:
		if x.Not || columnOf(x.X) < 0 {
			return -1, g, false
		}
		g = numberRange{math.MaxInt64, math.MinInt64}
		for _, e := range x.List {
			v, ok := integer(e)
			if !ok {
				return -1, g, false
			}
			g = numberRange{min(g.low, v), max(g.high, v)}
		}
		return columnOf(x.X), g, len(x.List) == 1
	case *expr.Call:
		o := r.reg.Lookup(x.Fn)
		if o == nil || !o.Operator || len(x.Args) != 2 {
			return -1, g, false
		}
		name := o.Name
		left, right := x.Args[0], x.Args[1]
		if columnOf(left) < 0 {
			left, right = right, left
			name = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}[name]
		}
		v, ok := integer(right)
		if columnOf(left) < 0 || !ok {
			return -1, g, false
		}
		switch {
		case name == "=":
			g = numberRange{v, v}
		case name == "<=":
			g.high = v
		case name == "<" && v > math.MinInt64:
			g.high = v - 1
		case name == ">=":
			g.low = v
		case name == ">" && v < math.MaxInt64:
			g.low = v + 1
		default:
			return -1, g, false
		}
		return columnOf(left), g, true
	}
	return -1, g, false
}

// integer returns the value of an integer constant.
func integer(e expr.Expr) (int64, bool) {
	lit, ok := e.(*expr.Literal)
	if !ok {
		return 0, false
	}
	switch lit.T.Kind {
	case types.Int2, types.Int4, types.Int8:
		v, ok := lit.Value.(int64)
		return v, ok
	}
	return 0, false
}
