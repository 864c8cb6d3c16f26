package sql

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestGolden runs the scripts of testdata. Commands:
//
//	parse    SQL in, each statement in canonical form out; what is printed must read back as the same tree
//	pretty   the same in the form of SHOW CREATE
//	errors   SQL in, the drawn errors out, with the number of statements that could be read
//	tree     an expression in, the same with every operator in parentheses out: shows precedence
//	complete a text in, whether it is a complete statement out
//
// Run with -rewrite to update the expected output.
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			t.Skip("no script")
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "parse", "pretty":
				return printed(t, d)
			case "errors":
				return drawnErrors(d)
			case "tree":
				x, err := ParseExpr(d.Input)
				if err != nil {
					return Render(err, "", d.Input)
				}
				return tree(x)
			case "complete":
				return fmt.Sprint(Complete(d.Input))
			}
			t.Fatalf("unknown command %q", d.Cmd)
			return ""
		})
	})
}

func printed(t *testing.T, d *datadriven.TestData) string {
	stmts, err := Parse(d.Input)
	if err != nil {
		return Render(err, "", d.Input)
	}
	requireRoundTrip(t, d.Input)
	print := Format
	if d.Cmd == "pretty" {
		print = Pretty
	}
	var out []string
	for _, s := range stmts {
		requireSpans(t, d.Input, s)
		out = append(out, print(s))
	}
	return strings.Join(out, "\n")
}

func drawnErrors(d *datadriven.TestData) string {
	stmts, errs := ParseAll(d.Input)
	var out []string
	for _, e := range errs {
		out = append(out, fmt.Sprintf("%s %s", e.Code, Render(e, "q.sql", d.Input)))
	}
	if len(stmts) > 0 {
		out = append(out, fmt.Sprintf("%d read", len(stmts)))
	}
	return strings.Join(out, "\n")
}

// requireSpans checks that the expressions and queries that were read have a place, inside that of the statement.
func requireSpans(t *testing.T, text string, s Statement) {
	t.Helper()
	outer := s.Span()
	Inspect(s, func(n Node) bool {
		if _, ok := n.(Alias); ok {
			return true
		}
		sp := n.Span()
		require.GreaterOrEqual(t, sp.Start, 0)
		require.LessOrEqual(t, sp.Start, sp.End)
		require.LessOrEqual(t, sp.End, len(text))
		switch n.(type) {
		case *ColumnRef, *BinaryExpr, *LogicalExpr, *FuncCall, *Select, *Query, *TableName, *CastExpr, *Join:
			require.False(t, sp.IsZero(), "%T has no place in %s", n, text)
			require.GreaterOrEqual(t, sp.Start, outer.Start)
			require.LessOrEqual(t, sp.End, outer.End)
		}
		return true
	})
}

// tree writes an expression with every operator in parentheses.
func tree(x Expr) string {
	switch x := x.(type) {
	case *LogicalExpr:
		parts := make([]string, len(x.Args))
		for i, a := range x.Args {
			parts[i] = tree(a)
		}
		return "(" + strings.Join(parts, " "+string(x.Op)+" ") + ")"
	case *NotExpr:
		return "(NOT " + tree(x.X) + ")"
	case *UnaryExpr:
		return "(" + x.Op + " " + tree(x.X) + ")"
	case *BinaryExpr:
		return "(" + tree(x.L) + " " + x.Op + " " + tree(x.R) + ")"
	case *IsExpr:
		return fmt.Sprintf("(%s IS %s%s)", tree(x.X), not(x.Not), x.Test)
	case *DistinctExpr:
		return fmt.Sprintf("(%s IS %sDISTINCT FROM %s)", tree(x.L), not(x.Not), tree(x.R))
	case *BetweenExpr:
		return fmt.Sprintf("(%s %sBETWEEN %s AND %s)", tree(x.X), not(x.Not), tree(x.Low), tree(x.High))
	case *LikeExpr:
		return fmt.Sprintf("(%s %s%s %s)", tree(x.X), not(x.Not), x.Kind, tree(x.Pattern))
	case *InExpr:
		parts := make([]string, len(x.List))
		for i, a := range x.List {
			parts[i] = tree(a)
		}
		return fmt.Sprintf("(%s %sIN [%s])", tree(x.X), not(x.Not), strings.Join(parts, ", "))
	case *QuantifiedExpr:
		return fmt.Sprintf("(%s %s %s ...)", tree(x.X), x.Op, x.Quant)
	case *AtTimeZoneExpr:
		return fmt.Sprintf("(%s AT TIME ZONE %s)", tree(x.X), tree(x.Zone))
	case *CollateExpr:
		return fmt.Sprintf("(%s COLLATE %s)", tree(x.X), x.Collation)
	case *CastExpr:
		return fmt.Sprintf("(%s :: %s)", tree(x.X), Format(x.Type))
	case *IndexExpr:
		return fmt.Sprintf("(%s [ %s ])", tree(x.X), tree(x.Index))
	case *FieldExpr:
		return fmt.Sprintf("(%s . %s)", tree(x.X), x.Field)
	}
	return Format(x)
}

func not(n bool) string {
	if n {
		return "NOT "
	}
	return ""
}
