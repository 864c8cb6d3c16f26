package streamsql

import (
	"cmp"
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/formats/parquet"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// pruner turns the conjuncts of a scan into a test of a row group's statistics: a group is pruned if one conjunct column op constant is true
// for no value between the column's bounds. It is nil where nothing can be pruned.
//
// Sound, because the Filter above applies all conjuncts again, NULL satisfies none, and the bounds hold all values.
func pruner(scan *planner.Scan) func(parquet.Stats) bool {
	var tests []func(parquet.Stats) bool
	for _, e := range scan.Prune {
		if t := pruneTest(e); t != nil {
			tests = append(tests, t)
		}
	}
	if len(tests) == 0 {
		return nil
	}
	return func(s parquet.Stats) bool {
		return slices.ContainsFunc(tests, func(t func(parquet.Stats) bool) bool { return t(s) })
	}
}

func pruneTest(e expr.Expr) func(parquet.Stats) bool {
	call, ok := e.(*expr.Call)
	if !ok || len(call.Args) != 2 {
		return nil
	}
	f := expr.Lookup(call.Fn)
	if f == nil || !f.Operator {
		return nil
	}
	op := f.Name
	col, isCol := call.Args[0].(*expr.Column)
	lit, isLit := call.Args[1].(*expr.Literal)
	if !isCol || !isLit {
		if col, isCol = call.Args[1].(*expr.Column); !isCol {
			return nil
		}
		if lit, isLit = call.Args[0].(*expr.Literal); !isLit {
			return nil
		}
		op = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}[op]
	}
	if lit.Value == nil || col.T.Base() != lit.T.Base() || col.T.Kind == types.Interval {
		return nil
	}
	// none reports whether op holds for no value of [lo, hi], as far as these are known.
	none := map[string]func(lo, hi, c any) bool{
		"<":  func(lo, _, c any) bool { return known(lo, c) && order(lo, c) >= 0 },
		"<=": func(lo, _, c any) bool { return known(lo, c) && order(lo, c) > 0 },
		">":  func(_, hi, c any) bool { return known(hi, c) && order(hi, c) <= 0 },
		">=": func(_, hi, c any) bool { return known(hi, c) && order(hi, c) < 0 },
		"=":  func(lo, hi, c any) bool { return known(lo, c) && order(lo, c) > 0 || known(hi, c) && order(hi, c) < 0 },
	}[op]
	if none == nil {
		return nil
	}
	return func(s parquet.Stats) bool { return none(s.Columns[col.Index].Min, s.Columns[col.Index].Max, lit.Value) }
}

// known reports whether a bound and a constant can be compared by order.
func known(bound, c any) bool {
	switch bound.(type) {
	case int64:
		_, ok := c.(int64)
		return ok
	case string:
		_, ok := c.(string)
		return ok
	}
	return false
}

func order(a, b any) int {
	if x, ok := a.(int64); ok {
		return cmp.Compare(x, b.(int64))
	}
	return cmp.Compare(a.(string), b.(string))
}

// timeColumn finds the event time among the wanted columns of a scan: -1 if the source has none; ok is false if it has one that is not read
// as it is.
func timeColumn(s *planner.Source, scan *planner.Scan) (col int, ok bool) {
	if s.Watermark == nil {
		return -1, true
	}
	physical := s.Columns[s.Watermark.Column].Physical
	i := slices.Index(scan.Columns, physical)
	return i, physical >= 0 && i >= 0
}
