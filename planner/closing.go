package planner

import (
	"fmt"
	"slices"

	"github.com/streamsql/streamsql/types"
)

// What Over and TopN have in common: partitions, which end when the watermark has passed them.

func closingText(c Closing, in types.Schema) string {
	if c.Close < 0 {
		return ""
	}
	s := ", closed by " + columnText(c.Close, in)
	if c.CloseLag != 0 {
		s += " + " + formatMicros(c.CloseLag)
	}
	return s + emitText(c.Emit)
}

func canonicalClosing(c Closing) string {
	return fmt.Sprintf("close %d %d emit %d rowwm %d onlate %d", c.Close, c.CloseLag, c.Emit, c.RowWatermark, c.OnLate)
}

// partitionWatermarks are the columns that the watermark bounds behind an operator that changes whole partitions: those of the
// partition only, as an older row of an open partition can come and go at any time.
func partitionWatermarks(partition []int, c Closing, in Props) []ColWatermark {
	if c.Close >= 0 && c.Emit == EmitOnClose {
		return []ColWatermark{{Col: c.Close, Lag: c.CloseLag - 1}}
	}
	var out []ColWatermark
	for _, k := range partition {
		if lag, ok := in.lag(k); ok {
			if k == c.Close {
				lag = max(lag, c.CloseLag-1)
			}
			out = append(out, ColWatermark{Col: k, Lag: lag})
		}
	}
	return out
}

func (r *rewriter) partitionHint(n *Node) string {
	if hasWatermark(n, r.cat) {
		return "partition by window_start and window_end of a window (TUMBLE, HOP, CUMULATE) over the event time"
	}
	return "declare WATERMARK FOR on the source and partition by a window"
}

func (c Closing) remap(to []int) Closing {
	if c.Close >= 0 {
		c.Close = to[c.Close]
	}
	return c
}

// closing finds the column of a partition that ends it soonest.
func (r *rewriter) closing(n *Node, partition []int, c Closing) Closing {
	c.Close = -1
	in := r.props(n.in())
	for _, k := range partition {
		lag, ok := in.lag(k)
		if ok && (c.Close < 0 || lag+1 < c.CloseLag) {
			c.Close, c.CloseLag = k, lag+1
		}
	}
	if c.Close >= 0 {
		c.CloseLag += r.lateness(n.in())
	}
	return c
}

// judgeLate gives an Over or TopN that closes partitions the hidden column that late rows are judged by, and drops it above.
func judgeLate(c *watermarkCarrier, n *Node, closing Closing, with func(Closing) Op) *Node {
	if closing.Close < 0 {
		return n
	}
	in, col := c.carry(n.in())
	if col < 0 {
		return n
	}
	closing.RowWatermark = col
	schema := append(slices.Clone(in.Schema), n.Schema[len(n.in().Schema):]...)
	exprs := columnExprs(schema)
	return reproject(newNode(with(closing), schema, in), slices.Delete(exprs, col, col+1), n.Schema, DeadLetter)
}

func (k nodeCheck) partitioned(partition []int, order []SortKey, c Closing) {
	for _, p := range partition {
		k.col("a partition key", p)
	}
	for _, o := range order {
		k.col("a sort key", o.Col)
	}
	if c.Close != -1 {
		k.col("the closing column", c.Close)
		if !slices.Contains(partition, c.Close) {
			k.bad("closed by column %d, which is none of the partition", c.Close)
		}
	} else if c.Emit == EmitOnClose {
		k.bad("final rows of partitions that do not close")
	}
	if c.RowWatermark != -1 {
		k.col("the row watermark", c.RowWatermark)
	}
}
