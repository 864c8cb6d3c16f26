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
	return bottomUp(root, func(n *Node) *Node {
		switch op := n.Op.(type) {
		case *WindowAggregate:
			if in, col := carryWatermark(n.in()); col >= 0 && !op.Window.ProcTime {
				c := *op
				c.RowWatermark = col
				return newNode(&c, n.Schema, in)
			}
		case *SessionExpand:
			if in, col := carryWatermark(n.in()); col >= 0 && !op.Window.ProcTime {
				c := *op
				c.RowWatermark = col
				width := len(n.in().Schema)
				schema := append(slices.Clone(in.Schema), n.Schema[width:]...)
				session := newNode(&c, schema, in)
				var exprs []expr.Expr // without the hidden column
				for i, f := range schema {
					if i != col {
						exprs = append(exprs, column(i, f))
					}
				}
				return reproject(session, exprs, n.Schema, DeadLetter)
			}
		case *Aggregate:
			if op.Close < 0 {
				break
			}
			if in, col := carryWatermark(n.in()); col >= 0 {
				c := *op
				c.RowWatermark = col
				return newNode(&c, n.Schema, in)
			}
		}
		return n
	})
}

// carryWatermark returns n with the hidden column behind its others, and its position; -1 if no row of n can be late.
func carryWatermark(n *Node) (*Node, int) {
	switch op := n.Op.(type) {
	case *Watermark:
		c := *op
		c.Emit = true
		schema := append(slices.Clone(n.Schema), types.Field{Name: hiddenWatermark, Type: types.TimestampType})
		return newNode(&c, schema, n.in()), len(n.Schema)
	case *Filter:
		in, col := carryWatermark(n.in())
		if col < 0 {
			return n, -1
		}
		return newFilter(in, op.Pred, op.OnError), col
	case *Project:
		in, col := carryWatermark(n.in())
		if col < 0 {
			return n, -1
		}
		exprs := append(slices.Clone(op.Exprs), column(col, in.Schema[col]))
		like := append(slices.Clone(n.Schema), in.Schema[col])
		return reproject(in, exprs, like, op.OnError), len(n.Schema)
	case *WindowExpand:
		in, col := carryWatermark(n.in())
		if col < 0 {
			return n, -1
		}
		width := len(n.in().Schema)
		expanded := newNode(op, append(slices.Clone(in.Schema), n.Schema[width:]...), in)
		exprs := columnExprs(expanded.Schema)
		exprs = append(slices.Delete(exprs, col, col+1), column(col, in.Schema[col]))
		return reproject(expanded, exprs, append(slices.Clone(n.Schema), in.Schema[col]), DeadLetter), len(n.Schema)
	case *Union:
		return carryUnion(n)
	}
	return n, -1
}

// carryUnion carries the column through all inputs; where rows cannot be late it is NULL.
func carryUnion(n *Node) (*Node, int) {
	inputs := make([]*Node, len(n.Inputs))
	found := false
	for i, in := range n.Inputs {
		carried, col := carryWatermark(in)
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
