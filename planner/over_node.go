package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// What the passes over a plan need to know of Over, TopN, TableFunc and TemporalFilter.

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

func describeTableFunc(op *TableFunc, in types.Schema) string {
	calls := make([]string, len(op.Calls))
	for i, c := range op.Calls {
		name, _, _ := strings.Cut(c.Fn, "(")
		calls[i] = name + "(" + exprList(c.Args, in, ", ") + ")"
	}
	s := "TableFunc " + strings.Join(calls, ", ")
	if op.Ordinality {
		s += " with ordinality"
	}
	if op.Outer {
		s += ", outer"
	}
	return s
}

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

func canonicalClosing(c Closing) string {
	return fmt.Sprintf("close %d %d emit %d rowwm %d onlate %d", c.Close, c.CloseLag, c.Emit, c.RowWatermark, c.OnLate)
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

func canonicalTopN(op *TopN) string {
	return fmt.Sprintf("topn %v order %v offset %d limit %d rank %d number %t %s", op.Partition, op.Order, op.Offset, op.Limit, op.Rank,
		op.Number, canonicalClosing(op.Closing))
}

func canonicalTableFunc(op *TableFunc) string {
	calls := make([]string, len(op.Calls))
	for i, c := range op.Calls {
		calls[i] = c.Fn + " [" + canonicalExprs(c.Args) + "]"
	}
	return fmt.Sprintf("tablefunc %s ordinality %t outer %t onerror %d", strings.Join(calls, "; "), op.Ordinality, op.Outer, op.OnError)
}

func canonicalTemporalFilter(op *TemporalFilter) string {
	return fmt.Sprintf("temporalfilter %d %t %d %t", op.From, op.FromOpen, op.Until, op.UntilOpen)
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

func (r *rewriter) partitionHint(n *Node) string {
	if hasWatermark(n, r.cat) {
		return "partition by window_start and window_end of a window (TUMBLE, HOP, CUMULATE) over the event time"
	}
	return "declare WATERMARK FOR on the source and partition by a window"
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

func tableFuncProps(n *Node, op *TableFunc, in Props) Props {
	out := in // rows are appended to, columns stay where they are
	out.Keys = nil
	if op.Ordinality && !op.Outer {
		for _, k := range in.Keys {
			out.Keys = append(out.Keys, append(slices.Clone(k), len(n.Schema)-1))
		}
	}
	return out
}

// temporalFilterProps: rows come and go by the clock, whatever the watermark is. Rows that only come are never taken back.
func temporalFilterProps(op *TemporalFilter, in Props) Props {
	return Props{AppendOnly: in.AppendOnly && op.Until < 0, Keys: in.Keys, Determines: in.Determines, Bounded: in.Bounded, RowWatermark: -1}
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

func topNNeeds(op *TopN, need []bool, out []bool) {
	copy(out, need[:len(out)])
	markColumns(out, op.Partition)
	markOrder(out, op.Order)
}

func tableFuncNeeds(op *TableFunc, need []bool, out []bool) {
	copy(out, need[:len(out)])
	for _, c := range op.Calls {
		for _, a := range c.Args {
			markColumns(out, expr.Columns(a))
		}
	}
}

func temporalFilterNeeds(op *TemporalFilter, need []bool, out []bool) {
	copy(out, need)
	for _, c := range []int{op.From, op.Until} {
		if c >= 0 {
			out[c] = true
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

func (c Closing) remap(to []int) Closing {
	if c.Close >= 0 {
		c.Close = to[c.Close]
	}
	return c
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

func (c *columnPruner) tableFunc(n *Node, op *TableFunc, need []bool) *pruned {
	in, to := c.exact(n.in(), inputNeeds(n, 0, need))
	width := len(n.in().Schema)
	o := mapTableCalls(op, func(e expr.Expr) expr.Expr { return remapColumns(e, to) })
	kept := make([]int, len(n.Schema)-width)
	for i := range kept {
		kept[i] = i
	}
	return &pruned{newNode(o, append(slices.Clone(in.Schema), n.Schema[width:]...), in), behind(n, in, to, kept)}
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

func mapTableCalls(op *TableFunc, f func(expr.Expr) expr.Expr) *TableFunc {
	o := *op
	o.Calls = slices.Clone(op.Calls)
	for i, call := range o.Calls {
		args := make([]expr.Expr, len(call.Args))
		for j, a := range call.Args {
			args[j] = f(a)
		}
		o.Calls[i].Args = args
	}
	return &o
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

// carryTableFunc carries the hidden column through a TableFunc.
func (c *watermarkCarrier) carryTableFunc(n *Node, op *TableFunc) (*Node, int) {
	in, col := c.carry(n.in())
	if col < 0 {
		return n, -1
	}
	width := len(n.in().Schema)
	node := newNode(op, append(slices.Clone(in.Schema), n.Schema[width:]...), in)
	exprs := columnExprs(node.Schema)
	exprs = append(slices.Delete(exprs, col, col+1), column(col, in.Schema[col]))
	return reproject(node, exprs, append(slices.Clone(n.Schema), in.Schema[col]), DeadLetter), len(n.Schema)
}

// nodeCheck is what Validate offers to the checks of one operator.
type nodeCheck struct {
	n     *Node
	width int
	col   func(what string, c int)
	bad   func(format string, args ...any)
	expr  func(e expr.Expr)
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

func (k nodeCheck) tableFunc(op *TableFunc) {
	want := k.width
	for _, c := range op.Calls {
		fn := expr.LookupTableFunction(c.Fn)
		switch {
		case fn == nil:
			k.bad("there is no table function %s", c.Fn)
		case len(c.Args) != len(fn.Args):
			k.bad("%s has %d arguments", c.Fn, len(c.Args))
		}
		for _, a := range c.Args {
			k.expr(a)
		}
		want += len(c.Columns)
	}
	if op.Ordinality {
		want++
	}
	if len(k.n.Schema) != want || len(op.Calls) == 0 {
		k.bad("%d columns, wanted %d", len(k.n.Schema), want)
	}
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
