package planner

import (
	"fmt"
	"slices"

	"github.com/streamsql/streamsql/types"
)

// What the passes over a plan need to know of TopN.

func describeTopN(op *TopN, in types.Schema) string {
	s := "TopN"
	if op.Limit >= 0 {
		s += fmt.Sprintf(" %d", op.Limit)
	}
	if op.Offset > 0 {
		s += fmt.Sprintf(" offset %d", op.Offset)
	}
	s += [...]string{"", " with ties", " dense ranks"}[op.Rank] + byText(op.Partition, in) + orderText(op.Order, in)
	if op.Number {
		s += ", numbered"
	}
	return s + closingText(op.Closing, in)
}

func canonicalTopN(op *TopN) string {
	return fmt.Sprintf("topn %v order %v offset %d limit %d rank %d number %t %s", op.Partition, op.Order, op.Offset, op.Limit, op.Rank,
		op.Number, canonicalClosing(op.Closing))
}

// fewRows reports whether a node never has more rows than a constant: the first ones of all.
func fewRows(n *Node) bool {
	switch op := n.Op.(type) {
	case *TopN:
		return len(op.Partition) == 0 && op.Limit >= 0 && op.Rank == ByRowNumber
	case *Project, *Filter, *Over:
		return fewRows(n.in())
	}
	return false
}

func (r *rewriter) topNProps(n *Node, op *TopN, in Props) Props {
	out := Props{Bounded: in.Bounded, RowWatermark: -1, Determines: in.Determines, Keys: slices.Clone(in.Keys)}
	out.AppendOnly = op.Close >= 0 && op.Emit == EmitOnClose
	out.Watermarks = partitionWatermarks(op.Partition, op.Closing, in)
	if op.Rank == ByRowNumber {
		if op.Limit == 1 {
			out.Keys = append(out.Keys, slices.Clone(op.Partition))
		}
		if op.Number {
			out.Keys = append(out.Keys, append(slices.Clone(op.Partition), len(n.in().Schema)))
		}
	}
	if op.Close >= 0 || in.Bounded || in.HasKey(op.Partition) && len(op.Partition) == 0 {
		return out
	}
	switch {
	case !in.AppendOnly:
		out.Grows = "it keeps every row, as the first ones can be taken back"
	case op.Limit < 0:
		out.Grows = "it keeps every row for ever"
	case len(op.Partition) > 0:
		out.Grows = "it keeps the first rows of every partition for ever"
	case op.Rank != ByRowNumber:
		out.Grows = "it keeps every row that is equal to the last one in the order"
	default: // the first rows
		return out
	}
	out.GrowsHint = r.partitionHint(n.in())
	return out
}

func topNNeeds(op *TopN, need []bool, out []bool) {
	copy(out, need[:len(out)])
	markColumns(out, op.Partition)
	markOrder(out, op.Order)
}

func (c *columnPruner) topN(n *Node, op *TopN, need []bool) *pruned {
	in, to := c.exact(n.in(), inputNeeds(n, 0, need))
	width := len(n.in().Schema)
	o := *op
	o.Partition, o.Order, o.Closing = remapList(op.Partition, to), remapOrder(op.Order, to), op.Closing.remap(to)
	o.Number = op.Number && need[width]
	schema := in.Schema
	var kept []int
	if o.Number {
		schema, kept = append(slices.Clone(schema), n.Schema[width]), []int{0}
	}
	return &pruned{newNode(&o, schema, in), behind(n, in, to, kept)}
}

func (k nodeCheck) topN(op *TopN) {
	k.partitioned(op.Partition, op.Order, op.Closing)
	want := k.width
	if op.Number {
		want++
	}
	if len(k.n.Schema) != want {
		k.bad("%d columns, wanted %d", len(k.n.Schema), want)
	}
	if op.Limit < -1 || op.Offset < 0 || op.Rank == ByDenseRank && op.Offset != 0 {
		k.bad("limit %d offset %d rank %d", op.Limit, op.Offset, op.Rank)
	}
}
