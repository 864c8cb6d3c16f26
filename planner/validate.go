package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// Validate checks the invariants of a physical plan: every column that an operator reads exists and has the type that the
// expression says, output schemas fit, and properties name columns that exist. A violation is a bug of the planner, or a
// damaged plan.
func Validate(root *Node) error {
	var failed error
	root.each(func(n *Node) {
		if failed == nil {
			failed = validateNode(n)
		}
	})
	return failed
}

func validateNode(n *Node) error {
	bad := func(format string, args ...any) error {
		e := types.Errorf(types.CodeInternal, format, args...)
		e.Msg = describeSafely(n) + ": " + e.Msg
		return e
	}
	width := 0
	var in types.Schema
	for i, input := range n.Inputs {
		if i == 0 {
			in, width = input.Schema, len(input.Schema)
		}
	}
	var err error
	check := func(e expr.Expr, s types.Schema) expr.Expr {
		eachColumn(e, func(c *expr.Column) {
			switch {
			case err != nil:
			case c.Index < 0 || c.Index >= len(s):
				err = bad("%s reads column %d of %d", e, c.Index, len(s))
			case c.T.Base() != s[c.Index].Type.Base():
				err = bad("%s takes column %d for %s, it is %s", e, c.Index, c.T, s[c.Index].Type)
			}
		})
		return e
	}
	col := func(what string, c int) {
		if err == nil && (c < 0 || c >= width) {
			err = bad("%s is column %d of %d", what, c, width)
		}
	}
	calls := func(keys int, aggs []AggCall) {
		if err == nil && len(n.Schema) != keys+len(aggs) {
			err = bad("%d columns for %d keys and %d aggregates", len(n.Schema), keys, len(aggs))
		}
		for _, a := range aggs {
			for _, c := range a.Args {
				col("an argument", c)
			}
			if a.Filter != -1 {
				col("a filter", a.Filter)
				if err == nil && in[a.Filter].Type.Kind != types.Bool {
					err = bad("a filter is %s", in[a.Filter].Type)
				}
			}
			for _, o := range a.OrderBy {
				col("a sort key", o.Col)
			}
		}
	}
	checks := func() nodeCheck {
		return nodeCheck{n: n, width: width, col: col, expr: func(e expr.Expr) { check(e, in) }, bad: func(format string, args ...any) {
			if err == nil {
				err = bad(format, args...)
			}
		}}
	}
	inputs := 1
	switch op := n.Op.(type) {
	case *Scan:
		inputs = 0
		if len(op.Columns) != len(n.Schema) {
			err = bad("%d columns, %d in the schema", len(op.Columns), len(n.Schema))
		}
		for _, e := range op.Prune {
			check(e, n.Schema)
		}
	case *ViewScan, *TableInput:
		inputs = 0
	case *Values:
		inputs = 0
		for _, row := range op.Rows {
			if len(row) != len(n.Schema) {
				return bad("a row of %d values for %d columns", len(row), len(n.Schema))
			}
		}
	case *Watermark:
		col("the time", op.Time)
		check(op.Expr, in)
		if want := width + map[bool]int{true: 1}[op.Emit]; err == nil && len(n.Schema) != want {
			err = bad("%d columns, wanted %d", len(n.Schema), want)
		}
	case *Filter:
		check(op.Pred, in)
		if op.Pred.Type().Kind != types.Bool {
			err = bad("the condition is %s", op.Pred.Type())
		}
	case *Project:
		if len(op.Exprs) != len(n.Schema) {
			return bad("%d expressions for %d columns", len(op.Exprs), len(n.Schema))
		}
		for i, e := range op.Exprs {
			check(e, in)
			if err == nil && e.Type() != n.Schema[i].Type {
				err = bad("column %d is %s, its expression %s", i, n.Schema[i].Type, e.Type())
			}
			if err == nil && e.Type().Kind == types.Unknown {
				err = bad("column %d has no type", i)
			}
		}
	case *Union:
		inputs = len(n.Inputs)
		for _, input := range n.Inputs {
			if len(input.Schema) != len(n.Schema) {
				return bad("an input has %d columns, wanted %d", len(input.Schema), len(n.Schema))
			}
			for i, f := range input.Schema {
				if f.Type != n.Schema[i].Type {
					return bad("column %d is %s in one input and %s in another", i, f.Type, n.Schema[i].Type)
				}
			}
		}
	case *WindowExpand:
		col("the time", op.Window.Time)
		if err == nil && len(n.Schema) != width+3 {
			err = bad("%d columns, wanted %d", len(n.Schema), width+3)
		}
	case *SessionExpand:
		col("the time", op.Window.Time)
		for _, c := range op.Partition {
			col("the session key", c)
		}
	case *Aggregate:
		for _, k := range op.Keys {
			col("a key", k)
		}
		if op.Close >= len(op.Keys) {
			err = bad("closed by key %d of %d", op.Close, len(op.Keys))
		}
		if op.RowWatermark != -1 {
			col("the row watermark", op.RowWatermark)
		}
		calls(len(op.Keys), op.Aggs)
	case *WindowAggregate:
		for _, k := range op.Keys {
			col("a key", k)
		}
		col("the time", op.Window.Time)
		if op.RowWatermark != -1 {
			col("the row watermark", op.RowWatermark)
		}
		calls(len(op.Keys)+2, op.Aggs)
	case *Over:
		checks().over(op)
	case *TopN:
		checks().topN(op)
	case *TableFunc:
		checks().tableFunc(op)
	case *TemporalFilter:
		checks().temporalFilter(op)
	}
	switch n.Op.(type) {
	case *Join, *TemporalJoin, *AsofJoin:
		inputs = 2
		if e := validateJoin(n); e != nil && err == nil {
			err = bad("%v", e)
		}
	}
	if err == nil && len(n.Inputs) != inputs {
		err = bad("%d inputs, wanted %d", len(n.Inputs), inputs)
	}
	for _, k := range n.Props.Keys {
		for _, c := range k {
			if err == nil && (c < 0 || c >= len(n.Schema)) {
				err = bad("a key has column %d of %d", c, len(n.Schema))
			}
		}
	}
	for _, w := range n.Props.Watermarks {
		if err == nil && (w.Col < 0 || w.Col >= len(n.Schema)) {
			err = bad("the watermark bounds column %d of %d", w.Col, len(n.Schema))
		}
	}
	return err
}

// describeSafely names the operator of a node that may not be printable.
func describeSafely(n *Node) (s string) {
	defer func() {
		if recover() != nil {
			s = canonicalOp(n.Op)
		}
	}()
	return describe(n)
}
