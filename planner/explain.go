package planner

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// ExplainOptions say what Explain prints beside the operators.
type ExplainOptions struct {
	Distribution bool // how rows are spread over workers: EXPLAIN PHYSICAL
	Properties   bool // append-only, keys, watermarks, what grows
	IDs          bool // of operators
	Types        bool // of the columns
	// Note returns what else is said of a node, a line each; nil: nothing.
	Note func(n *Node) []string
}

// Explain prints a plan as a tree, a node per line, inputs indented below. A subplan that is used twice is printed once and then
// referred to by its number.
//
//	Project window_start, count
//	  WindowAggregate tumble(ts, 10s) by auction: count(*)
//	    Watermark ts = (ts - '00:00:04')
//	      Scan bids (auction, ts)
func Explain(root *Node, o ExplainOptions) string {
	e := &explainer{opts: o, users: map[*Node]int{}, number: map[*Node]int{}}
	root.each(func(n *Node) {
		for _, in := range n.Inputs {
			e.users[in]++
		}
	})
	e.print(root, 0)
	return e.out.String()
}

type explainer struct {
	opts   ExplainOptions
	out    strings.Builder
	users  map[*Node]int
	number map[*Node]int // of shared nodes already printed
}

func (e *explainer) print(n *Node, depth int) {
	indent := strings.Repeat("  ", depth)
	if i, ok := e.number[n]; ok {
		fmt.Fprintf(&e.out, "%ssame as (%d)\n", indent, i)
		return
	}
	e.out.WriteString(indent)
	if e.users[n] > 1 {
		e.number[n] = len(e.number) + 1
		fmt.Fprintf(&e.out, "(%d) ", e.number[n])
	}
	e.out.WriteString(describe(n))
	if e.opts.Distribution {
		if d := distribution(n); d != "" {
			e.out.WriteString(" [" + d + "]")
		}
	}
	if e.opts.IDs && n.ID != 0 {
		fmt.Fprintf(&e.out, " #%016x", uint64(n.ID))
	}
	e.out.WriteByte('\n')
	if e.opts.Types {
		fmt.Fprintf(&e.out, "%s    columns: %s\n", indent, schemaText(n.Schema))
	}
	if e.opts.Properties {
		fmt.Fprintf(&e.out, "%s    %s\n", indent, propsText(n))
	}
	if e.opts.Note != nil {
		for _, line := range e.opts.Note(n) {
			fmt.Fprintf(&e.out, "%s    %s\n", indent, line)
		}
	}
	for _, in := range n.Inputs {
		e.print(in, depth+1)
	}
}

// describe prints one operator.
func describe(n *Node) string {
	var in types.Schema
	if len(n.Inputs) > 0 {
		in = n.Inputs[0].Schema
	}
	switch op := n.Op.(type) {
	case *Scan:
		s := "Scan " + op.Name + " (" + strings.Join(schemaNames(n.Schema), ", ") + ")"
		if len(op.Prune) > 0 {
			s += " skip unless " + exprList(op.Prune, n.Schema, " AND ")
		}
		return s
	case *Watermark:
		s := "Watermark " + in[op.Time].Name + " = " + exprText(op.Expr, in)
		if op.IdleTimeout > 0 {
			s += ", idle after " + formatMicros(op.IdleTimeout)
		}
		if op.Emit {
			s += ", on rows"
		}
		return s
	case *Values:
		switch len(op.Rows) {
		case 0:
			return "Values: no rows"
		case 1, 2, 3:
			rows := make([]string, len(op.Rows))
			for i, r := range op.Rows {
				rows[i] = "(" + exprList(r, nil, ", ") + ")"
			}
			return "Values " + strings.Join(rows, ", ")
		}
		return fmt.Sprintf("Values: %d rows", len(op.Rows))
	case *ViewScan:
		if op.Lookup != nil {
			return "ViewScan " + op.Name + op.Lookup.text(n.Schema)
		}
		return "ViewScan " + op.Name
	case *TableInput:
		return "TableInput " + op.Name
	case *Filter:
		return "Filter " + exprText(op.Pred, in)
	case *Project:
		return "Project " + projectText(op, n.Schema, in)
	case *Union:
		return "Union"
	case *WindowExpand:
		return "WindowExpand " + windowText(op.Window, in)
	case *SessionExpand:
		return "SessionExpand " + windowText(op.Window, in) + byText(op.Partition, in) + latenessText(op.Lateness) + emitText(op.Emit)
	case *Aggregate:
		name := "Aggregate"
		if len(op.Aggs) == 0 && len(op.Keys) > 0 {
			name = "Distinct"
		}
		s := name + byText(op.Keys, in) + callsText(op.Aggs, in)
		if op.Close >= 0 {
			s += ", closed by " + columnText(op.Keys[op.Close], in)
			if op.CloseLag != 0 {
				s += " + " + formatMicros(op.CloseLag)
			}
		}
		if op.TTL > 0 {
			s += ", state_ttl " + formatMicros(op.TTL)
		}
		return s + emitText(op.Emit)
	case *WindowAggregate:
		return "WindowAggregate " + windowText(op.Window, in) + byText(op.Keys, in) + callsText(op.Aggs, in) + latenessText(op.Lateness) + emitText(op.Emit)
	case *Over:
		return describeOver(op, in)
	case *TopN:
		return describeTopN(op, in)
	case *TableFunc:
		return describeTableFunc(op, in)
	case *TemporalFilter:
		return describeTemporalFilter(op, in)
	case *EmitEvery:
		return "EmitEvery " + formatMicros(op.Interval)
	case *Sink:
		return "Sink " + op.Name + " (" + op.Mode.String() + keyText(op.Key, in) + ")"
	case *Materialize:
		s := "Materialize " + op.Name
		if op.Key != nil {
			s += " (" + strings.TrimPrefix(keyText(op.Key, in), ", ") + ")"
		}
		if op.Retention > 0 {
			s += ", retention " + formatMicros(op.Retention)
		}
		return s
	case *Output:
		return "Output"
	case *Join:
		return joinText(n, op)
	case *TemporalJoin:
		return temporalJoinText(n, op)
	case *AsofJoin:
		return asofJoinText(n, op)
	}
	return fmt.Sprintf("%T", n.Op)
}

// String returns how a sink's mode is written in the option type.
func (m SinkMode) String() string { return [...]string{"append-only", "upsert", "changelog"}[m] }

func keyText(key []int, in types.Schema) string {
	if key == nil {
		return ""
	}
	return ", key " + strings.Join(columnNames(key, in), ", ")
}

func columnNames(cols []int, s types.Schema) []string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = columnText(c, s)
	}
	return names
}

// columnText names a column; a name that occurs twice, or is none, gets its position.
func columnText(c int, s types.Schema) string {
	name := s[c].Name
	if name == "" {
		return "$" + strconv.Itoa(c)
	}
	for i, f := range s {
		if i != c && f.Name == name {
			return name + "#" + strconv.Itoa(c)
		}
	}
	return name
}

func byText(keys []int, in types.Schema) string {
	if len(keys) == 0 {
		return ""
	}
	return " by " + strings.Join(columnNames(keys, in), ", ")
}

func latenessText(us int64) string {
	if us == 0 {
		return ""
	}
	return ", lateness " + formatMicros(us)
}

func emitText(e Emission) string {
	if e == EmitOnClose {
		return ", final"
	}
	return ""
}

func windowText(w Window, in types.Schema) string {
	parts := []string{columnText(w.Time, in)}
	if w.ProcTime {
		parts[0] = "PROCTIME()"
	}
	switch w.Kind {
	case Hop:
		parts = append(parts, "slide "+formatMicros(w.Slide), "size "+formatMicros(w.Size))
	case Cumulate:
		parts = append(parts, "step "+formatMicros(w.Slide), "size "+formatMicros(w.Size))
	default:
		parts = append(parts, formatMicros(w.Size))
	}
	if w.Offset != 0 {
		parts = append(parts, "offset "+formatMicros(w.Offset))
	}
	if w.Zone != "" {
		parts = append(parts, w.Zone)
	}
	return w.Kind.String() + "(" + strings.Join(parts, ", ") + ")"
}

func callsText(calls []AggCall, in types.Schema) string {
	if len(calls) == 0 {
		return ""
	}
	texts := make([]string, len(calls))
	for i, c := range calls {
		texts[i] = callText(c, in)
	}
	return ": " + strings.Join(texts, ", ")
}

func callText(c AggCall, in types.Schema) string {
	name, _, _ := strings.Cut(c.Fn, "(")
	args := strings.Join(columnNames(c.Args, in), ", ")
	if c.Fn == "count(*)" {
		args = "*"
	}
	if c.Distinct {
		args = "DISTINCT " + args
	}
	if len(c.OrderBy) > 0 {
		args += " ORDER BY " + sortText(c.OrderBy, in)
	}
	s := name + "(" + args + ")"
	if c.Filter >= 0 {
		s += " FILTER (" + columnText(c.Filter, in) + ")"
	}
	return s
}

func projectText(p *Project, out, in types.Schema) string {
	texts := make([]string, len(p.Exprs))
	for i, e := range p.Exprs {
		texts[i] = exprText(e, in)
		if name := out[i].Name; name != "" && name != texts[i] && !strings.HasPrefix(texts[i], name+"#") {
			texts[i] += " AS " + name
		}
	}
	return strings.Join(texts, ", ")
}

func exprList(list []expr.Expr, s types.Schema, sep string) string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = exprText(e, s)
	}
	return strings.Join(texts, sep)
}

// exprText prints an expression with the names of columns.
func exprText(e expr.Expr, s types.Schema) string {
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		if c, ok := x.(*expr.Column); ok && c.Index < len(s) {
			return named{c, columnText(c.Index, s)}, true
		}
		return nil, false
	}).String()
}

// named is a column that prints its name.
type named struct {
	*expr.Column
	name string
}

func (n named) String() string { return n.name }

// distribution says over which workers the rows of a stateful operator's input are spread.
func distribution(n *Node) string {
	hash := func(keys []int) string {
		if len(keys) == 0 {
			return "single"
		}
		return "hash(" + strings.Join(columnNames(keys, n.in().Schema), ", ") + ")"
	}
	switch op := n.Op.(type) {
	case *Aggregate:
		return hash(op.Keys)
	case *WindowAggregate:
		if len(op.Keys) == 0 && op.Window.Kind != Session {
			return "by window"
		}
		return hash(op.Keys)
	case *SessionExpand:
		return hash(op.Partition)
	case *Over:
		return hash(op.Partition)
	case *TopN:
		return hash(op.Partition)
	case *TemporalFilter:
		return "hash(*)"
	case *Sink:
		return "single"
	case *Materialize:
		if op.Key != nil {
			return hash(op.Key)
		}
		return "hash(*)"
	case *Join:
		return joinDistribution(n, op.LeftKeys, op.RightKeys)
	case *TemporalJoin:
		return joinDistribution(n, op.LeftKeys, op.RightKeys)
	case *AsofJoin:
		return joinDistribution(n, op.LeftKeys, op.RightKeys)
	}
	return ""
}

func schemaText(s types.Schema) string {
	cols := make([]string, len(s))
	for i, f := range s {
		cols[i] = f.Name + " " + f.Type.String()
		if f.NotNull {
			cols[i] += " NOT NULL"
		}
	}
	return strings.Join(cols, ", ")
}

// propsText prints what is proved of a node's output.
func propsText(n *Node) string {
	p := n.Props
	parts := []string{"changes"}
	if p.AppendOnly {
		parts[0] = "append-only"
	}
	if p.Bounded {
		parts = append(parts, "bounded")
	}
	for _, k := range p.Keys {
		parts = append(parts, "key ("+strings.Join(columnNames(k, n.Schema), ", ")+")")
	}
	for _, w := range p.Watermarks {
		text := columnText(w.Col, n.Schema) + " >= watermark"
		if w.Lag > 0 {
			text += " - " + formatMicros(w.Lag)
		} else if w.Lag < 0 {
			text += " + " + formatMicros(-w.Lag)
		}
		parts = append(parts, text)
	}
	if p.Grows != "" {
		parts = append(parts, "grows: "+p.Grows)
	}
	return strings.Join(parts, "; ")
}

// Warning is a reason for a plan's state to grow for ever.
type Warning struct {
	Operator string // as Explain prints it
	Why      string // "it keeps every group for ever"
	Hint     string // the condition that would bound it
}

// String returns the warning as one sentence.
func (w Warning) String() string { return w.Operator + ": " + w.Why + "; " + w.Hint }

// Warnings returns what can grow for ever in a plan, sources first.
func Warnings(root *Node) []Warning {
	var list []Warning
	root.each(func(n *Node) {
		if n.Props.Grows != "" {
			list = append(list, Warning{Operator: describe(n), Why: n.Props.Grows, Hint: n.Props.GrowsHint})
		}
	})
	return list
}
