package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// What the passes over a plan need to know of TableFunc.

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

func canonicalTableFunc(op *TableFunc) string {
	calls := make([]string, len(op.Calls))
	for i, c := range op.Calls {
		calls[i] = c.Fn + " [" + canonicalExprs(c.Args) + "]"
	}
	return fmt.Sprintf("tablefunc %s ordinality %t outer %t onerror %d", strings.Join(calls, "; "), op.Ordinality, op.Outer, op.OnError)
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

func tableFuncNeeds(op *TableFunc, need []bool, out []bool) {
	copy(out, need[:len(out)])
	for _, c := range op.Calls {
		for _, a := range c.Args {
			markColumns(out, expr.Columns(a))
		}
	}
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
