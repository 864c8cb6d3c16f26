package planner

import (
	"fmt"

	"github.com/streamsql/streamsql/types"
)

// What the passes over a plan need to know of TemporalFilter.

func describeTemporalFilter(op *TemporalFilter, in types.Schema) string {
	s := "TemporalFilter"
	if op.From >= 0 {
		s += " now() " + map[bool]string{true: ">", false: ">="}[op.FromOpen] + " " + columnText(op.From, in)
	}
	if op.Until >= 0 {
		if op.From >= 0 {
			s += " AND"
		}
		s += " now() " + map[bool]string{true: "<=", false: "<"}[op.UntilOpen] + " " + columnText(op.Until, in)
	}
	return s
}

func canonicalTemporalFilter(op *TemporalFilter) string {
	return fmt.Sprintf("temporalfilter %d %t %d %t", op.From, op.FromOpen, op.Until, op.UntilOpen)
}

// temporalFilterProps: rows come and go by the clock, whatever the watermark is. Rows that only come are never taken back.
func temporalFilterProps(op *TemporalFilter, in Props) Props {
	return Props{AppendOnly: in.AppendOnly && op.Until < 0, Keys: in.Keys, Determines: in.Determines, Bounded: in.Bounded, RowWatermark: -1}
}

func temporalFilterNeeds(op *TemporalFilter, need []bool, out []bool) {
	copy(out, need)
	for _, c := range []int{op.From, op.Until} {
		if c >= 0 {
			out[c] = true
		}
	}
}

func (c *columnPruner) temporalFilter(n *Node, op *TemporalFilter, need []bool) *pruned {
	in, to := c.exact(n.in(), inputNeeds(n, 0, need))
	o := *op
	if o.From >= 0 {
		o.From = to[o.From]
	}
	if o.Until >= 0 {
		o.Until = to[o.Until]
	}
	return &pruned{newNode(&o, in.Schema, in), to}
}

func (k nodeCheck) temporalFilter(op *TemporalFilter) {
	for _, c := range []int{op.From, op.Until} {
		if c == -1 {
			continue
		}
		k.col("a bound", c)
		if c >= 0 && c < k.width && k.n.in().Schema[c].Type.Kind != types.TimestampTZ {
			k.bad("a bound is %s", k.n.in().Schema[c].Type)
		}
	}
	if op.From < 0 && op.Until < 0 {
		k.bad("no bound")
	}
}
