package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

func newTopNOp(limit int64) *TopN {
	return &TopN{Limit: limit, Closing: Closing{Close: -1, RowWatermark: -1}}
}

// newTopN puts a TopN above a node.
func newTopN(in *Node, op *TopN) *Node {
	schema := in.Schema
	if op.Number {
		name := [...]string{"row_number", "rank", "dense_rank"}[op.Rank]
		schema = append(slices.Clone(schema), types.Field{Name: name, Type: types.Int8Type, NotNull: true})
	}
	return newNode(op, schema, in)
}

// isLimited reports whether the query has LIMIT or OFFSET.
func (r *relation) isLimited() bool { return r.limit != nil || r.offset != nil }

// limited makes LIMIT and OFFSET a part of the plan: the relation then has the rows that they leave, in no order, and no hidden
// columns.
//
//	ORDER BY o LIMIT n  =>  Project visible(TopN o limit n(x))
func (r *relation) limited() *relation {
	c := *r
	c.order, c.limit, c.offset, c.ordered, c.ties = nil, nil, nil, types.Span{}, false
	c.node = visibleOnly(&relation{node: r.firstRows(), visible: r.visible})
	return &c
}

// visiblePart drops the order and the hidden columns.
func visiblePart(r *relation) *relation {
	c := *r
	c.node, c.order = visibleOnly(r), nil
	return &c
}

// firstRows is the TopN of LIMIT and OFFSET.
func (r *relation) firstRows() *Node {
	if !r.isLimited() {
		return r.node
	}
	op := newTopNOp(-1)
	op.Order = r.order
	if r.limit != nil {
		op.Limit = *r.limit
	}
	if r.offset != nil {
		op.Offset = *r.offset
	}
	switch {
	case op.Limit == 0:
		return newNode(&Values{}, r.node.Schema)
	case op.Limit < 0 && op.Offset == 0:
		return r.node
	}
	if r.ties {
		op.Rank = ByRank
	}
	return newTopN(r.node, op)
}

// partitioned moves filters on the columns of the partition of an Over or TopN below it: whole partitions stay or go.
func (p *filterPusher) partitioned(n *Node, preds []expr.Expr, partition []int) *Node {
	var down, stay []expr.Expr
	for _, e := range preds {
		if len(partition) > 0 && len(expr.Columns(e)) > 0 && readsOnly(e, func(c int) bool { return slices.Contains(partition, c) }) && p.movable(e) {
			down = append(down, e)
		} else {
			stay = append(stay, e)
		}
	}
	return p.above(n.rebuild(p.push(n.in(), down)), stay)
}
