package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// What the passes over a plan need to know of Over, and what it shares with the other operators that append columns.

// sortText prints ORDER BY keys.
func sortText(keys []SortKey, in types.Schema) string {
	texts := make([]string, len(keys))
	for i, o := range keys {
		texts[i] = columnText(o.Col, in)
		if o.Desc {
			texts[i] += " DESC"
		}
		if o.NullsFirst != o.Desc {
			texts[i] += map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[o.NullsFirst]
		}
	}
	return strings.Join(texts, ", ")
}

func orderText(keys []SortKey, in types.Schema) string {
	if len(keys) == 0 {
		return ""
	}
	return " order by " + sortText(keys, in)
}

func describeOver(op *Over, in types.Schema) string {
	calls := make([]string, len(op.Calls))
	for i, c := range op.Calls {
		calls[i] = overCallText(c, in)
	}
	return "Over" + byText(op.Partition, in) + orderText(op.Order, in) + ": " + strings.Join(calls, ", ") + closingText(op.Closing, in)
}

func overCallText(c OverCall, in types.Schema) string {
	name, _, _ := strings.Cut(c.Fn, "(")
	args := strings.Join(columnNames(c.Args, in), ", ")
	if c.Fn == "count(*)" {
		args = "*"
	}
	s := name + "(" + args + ")"
	if c.IgnoreNulls {
		s += " IGNORE NULLS"
	}
	if c.Filter >= 0 {
		s += " FILTER (" + columnText(c.Filter, in) + ")"
	}
	if c.Frame != (Frame{}) {
		s += " " + c.Frame.String()
	}
	return s
}

// String prints the frame; "" for the default one, RANGE UNBOUNDED PRECEDING.
func (f Frame) String() string {
	if f == (Frame{Start: Bound{Kind: UnboundedPreceding}, End: Bound{Kind: CurrentRow}}) {
		return "RANGE UNBOUNDED PRECEDING"
	}
	s := [...]string{"RANGE", "ROWS", "GROUPS"}[f.Mode] + " BETWEEN " + f.Start.String() + " AND " + f.End.String()
	return s + [...]string{"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"}[f.Exclude]
}

// String prints the bound.
func (b Bound) String() string {
	s := [...]string{"UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING"}[b.Kind]
	if b.Offset != nil {
		return b.Offset.String() + " " + s
	}
	return s
}

func canonicalOver(op *Over) string {
	calls := make([]string, len(op.Calls))
	for i, c := range op.Calls {
		calls[i] = canonicalOverCall(c)
	}
	return fmt.Sprintf("over %v order %v [%s] %s onerror %d", op.Partition, op.Order, strings.Join(calls, "; "), canonicalClosing(op.Closing), op.OnError)
}

func canonicalOverCall(c OverCall) string {
	bound := func(b Bound) string {
		if b.Offset == nil {
			return fmt.Sprint(b.Kind)
		}
		return fmt.Sprintf("%d %s", b.Kind, exprKey(b.Offset))
	}
	return fmt.Sprintf("%s %v filter %d ignore %t frame %d %s to %s exclude %d as %s", c.Fn, c.Args, c.Filter, c.IgnoreNulls,
		c.Frame.Mode, bound(c.Frame.Start), bound(c.Frame.End), c.Frame.Exclude, c.T)
}

func (r *rewriter) overProps(n *Node, op *Over, in Props) Props {
	out := Props{Bounded: in.Bounded, RowWatermark: -1, Determines: in.Determines, Keys: slices.Clone(in.Keys)}
	out.AppendOnly = op.Close >= 0 && op.Emit == EmitOnClose
	out.Watermarks = partitionWatermarks(op.Partition, op.Closing, in)
	for i, c := range op.Calls {
		if c.Fn == "row_number" {
			out.Keys = append(out.Keys, append(slices.Clone(op.Partition), len(n.in().Schema)+i))
			break
		}
	}
	if op.Close < 0 && !in.Bounded && !in.HasKey(nil) && !fewRows(n.in()) {
		out.Grows = "it keeps every row for ever"
		out.GrowsHint = r.partitionHint(n.in())
	}
	return out
}

func markColumns(out []bool, cols []int) {
	for _, c := range cols {
		out[c] = true
	}
}

func markOrder(out []bool, keys []SortKey) {
	for _, k := range keys {
		out[k.Col] = true
	}
}

func overNeeds(op *Over, need []bool, out []bool) {
	copy(out, need[:len(out)])
	if !slices.Contains(need[len(out):], true) { // it will be dropped
		return
	}
	markColumns(out, op.Partition)
	markOrder(out, op.Order)
	for i, c := range op.Calls {
		if need[len(out)+i] {
			markColumns(out, c.Args)
			if c.Filter >= 0 {
				out[c.Filter] = true
			}
		}
	}
}

func remapOrder(keys []SortKey, to []int) []SortKey {
	out := slices.Clone(keys)
	for i := range out {
		out[i].Col = to[out[i].Col]
	}
	return out
}

// behind are the new positions of n's columns, when an operator that appends columns is put on a narrower input.
func behind(n *Node, in *Node, to []int, kept []int) []int {
	width := len(n.in().Schema)
	out := make([]int, len(n.Schema))
	copy(out, to[:width])
	for i := width; i < len(out); i++ {
		out[i] = -1
	}
	for i, k := range kept {
		out[width+k] = len(in.Schema) + i
	}
	return out
}

func (c *columnPruner) over(n *Node, op *Over, need []bool) *pruned {
	in, to := c.exact(n.in(), inputNeeds(n, 0, need))
	width := len(n.in().Schema)
	o := &Over{Partition: remapList(op.Partition, to), Order: remapOrder(op.Order, to), OnError: op.OnError, Closing: op.Closing.remap(to)}
	var kept []int
	for i, call := range op.Calls {
		if !need[width+i] {
			continue
		}
		call.Args = remapList(call.Args, to)
		if call.Filter >= 0 {
			call.Filter = to[call.Filter]
		}
		o.Calls, kept = append(o.Calls, call), append(kept, i)
	}
	if len(kept) == 0 {
		return &pruned{in, behind(n, in, to, nil)}
	}
	schema := slices.Clone(in.Schema)
	for _, k := range kept {
		schema = append(schema, n.Schema[width+k])
	}
	return &pruned{newNode(o, schema, in), behind(n, in, to, kept)}
}

// nodeCheck is what Validate offers to the checks of one operator.
type nodeCheck struct {
	n     *Node
	width int
	col   func(what string, c int)
	bad   func(format string, args ...any)
	expr  func(e expr.Expr)
}

func (k nodeCheck) over(op *Over) {
	k.partitioned(op.Partition, op.Order, op.Closing)
	if len(op.Calls) == 0 || len(k.n.Schema) != k.width+len(op.Calls) {
		k.bad("%d columns for %d of the input and %d calls", len(k.n.Schema), k.width, len(op.Calls))
		return
	}
	for i, c := range op.Calls {
		for _, a := range c.Args {
			k.col("an argument", a)
		}
		if c.Filter != -1 {
			k.col("a filter", c.Filter)
		}
		if k.n.Schema[k.width+i].Type != c.T {
			k.bad("column %d is %s, its call %s", k.width+i, k.n.Schema[k.width+i].Type, c.T)
		}
	}
}
