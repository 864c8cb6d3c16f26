package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// addRowWatermark lets the rows of sources carry their partition's watermark to the operators that judge lateness: as a hidden last
// column, through linear operators only. Rows of stateful operators are never late and carry none.
//
//	WindowAggregate(Project a, ts(Watermark(x)))  =>  WindowAggregate(Project a, ts, $watermark(Watermark emit(x)))
func (r *rewriter) addRowWatermark(root *Node) *Node {
	c := &watermarkCarrier{r: r, done: map[*Node]carried{}}
	return bottomUp(root, func(n *Node) *Node {
		switch op := n.Op.(type) {
		case *WindowAggregate:
			if in, col := c.carry(n.in()); col >= 0 && !op.Window.ProcTime {
				w := *op
				w.RowWatermark = col
				return newNode(&w, n.Schema, in)
			}
		case *SessionExpand:
			if in, col := c.carry(n.in()); col >= 0 && !op.Window.ProcTime {
				s := *op
				s.RowWatermark = col
				width := len(n.in().Schema)
				schema := append(slices.Clone(in.Schema), n.Schema[width:]...)
				session := newNode(&s, schema, in)
				var exprs []expr.Expr // without the hidden column
				for i, f := range schema {
					if i != col {
						exprs = append(exprs, column(i, f))
					}
				}
				return reproject(session, exprs, n.Schema, DeadLetter)
			}
		case *Join:
			return c.judgeJoin(n, op)
		case *TemporalJoin:
			return c.judgeTemporal(n, op)
		case *Over:
			return judgeLate(c, n, op.Closing, func(k Closing) Op { o := *op; o.Closing = k; return &o })
		case *TopN:
			return judgeLate(c, n, op.Closing, func(k Closing) Op { o := *op; o.Closing = k; return &o })
		case *Aggregate:
			if op.Close < 0 {
				break
			}
			if in, col := c.carry(n.in()); col >= 0 {
				a := *op
				a.RowWatermark = col
				return newNode(&a, n.Schema, in)
			}
		}
		return n
	})
}

// watermarkCarrier remembers what carry made of the nodes that several use.
type watermarkCarrier struct {
	r    *rewriter
	done map[*Node]carried
}

type carried struct {
	node *Node
	col  int
}

// carry returns n with the hidden column behind its others, and its position; -1 if no row of n can be late.
func (c *watermarkCarrier) carry(n *Node) (*Node, int) {
	if d, ok := c.done[n]; ok {
		return d.node, d.col
	}
	node, col := c.build(n)
	c.done[n] = carried{node, col}
	return node, col
}

func (c *watermarkCarrier) build(n *Node) (*Node, int) {
	switch op := n.Op.(type) {
	case *Watermark:
		w := *op
		w.Emit = true
		schema := append(slices.Clone(n.Schema), types.Field{Name: hiddenWatermark, Type: types.TimestampType})
		return newNode(&w, schema, n.in()), len(n.Schema)
	case *Filter:
		in, col := c.carry(n.in())
		if col < 0 {
			return n, -1
		}
		return newFilter(in, op.Pred, op.OnError), col
	case *Project:
		in, col := c.carry(n.in())
		if col < 0 {
			return n, -1
		}
		exprs := append(slices.Clone(op.Exprs), column(col, in.Schema[col]))
		like := append(slices.Clone(n.Schema), in.Schema[col])
		return reproject(in, exprs, like, op.OnError), len(n.Schema)
	case *WindowExpand:
		in, col := c.carry(n.in())
		if col < 0 {
			return n, -1
		}
		width := len(n.in().Schema)
		expanded := newNode(op, append(slices.Clone(in.Schema), n.Schema[width:]...), in)
		exprs := columnExprs(expanded.Schema)
		exprs = append(slices.Delete(exprs, col, col+1), column(col, in.Schema[col]))
		return reproject(expanded, exprs, append(slices.Clone(n.Schema), in.Schema[col]), DeadLetter), len(n.Schema)
	case *TableFunc:
		return c.carryTableFunc(n, op)
	case *Union:
		return c.union(n)
	case *Join:
		return c.carryJoin(n, op)
	case *TemporalJoin:
		return c.carryTemporal(n, op)
	}
	return n, -1
}

// union carries the column through all inputs; where rows cannot be late it is NULL.
func (c *watermarkCarrier) union(n *Node) (*Node, int) {
	inputs := make([]*Node, len(n.Inputs))
	found := false
	for i, in := range n.Inputs {
		carried, col := c.carry(in)
		found = found || col >= 0
		if col < 0 {
			exprs := append(columnExprs(in.Schema), &expr.Literal{Base: expr.Base{T: types.TimestampType}})
			carried = reproject(in, exprs, append(slices.Clone(in.Schema), types.Field{Name: hiddenWatermark}), DeadLetter)
		}
		inputs[i] = carried
	}
	if !found {
		return n, -1
	}
	schema := append(slices.Clone(n.Schema), types.Field{Name: hiddenWatermark, Type: types.TimestampType})
	return newNode(&Union{}, schema, inputs...), len(n.Schema)
}
