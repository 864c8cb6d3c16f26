package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// mapExpr rebuilds e from the top: where f returns a replacement, that is taken as it is; elsewhere the arguments are mapped.
// Unchanged parts are shared.
func mapExpr(e expr.Expr, f func(expr.Expr) (expr.Expr, bool)) expr.Expr {
	if r, ok := f(e); ok {
		return r
	}
	switch x := e.(type) {
	case *expr.Call:
		if args, changed := mapExprs(x.Args, f); changed {
			c := *x
			c.Args = args
			return &c
		}
	case *expr.Logic:
		if args, changed := mapExprs(x.Args, f); changed {
			c := *x
			c.Args = args
			return &c
		}
	case *expr.Case:
		c := *x
		c.Whens = make([]expr.When, len(x.Whens))
		changed := false
		for i, w := range x.Whens {
			c.Whens[i] = expr.When{Cond: mapExpr(w.Cond, f), Then: mapExpr(w.Then, f)}
			changed = changed || c.Whens[i] != w
		}
		if x.Else != nil {
			c.Else = mapExpr(x.Else, f)
			changed = changed || c.Else != x.Else
		}
		if changed {
			return &c
		}
	case *expr.In:
		if inner := mapExpr(x.X, f); inner != x.X {
			c := *x
			c.X = inner
			return &c
		}
	case *expr.Try:
		if inner := mapExpr(x.X, f); inner != x.X {
			c := *x
			c.X = inner
			return &c
		}
	case *expr.Subquery:
		if args, changed := mapExprs(expr.Children(x), f); changed {
			return x.WithChildren(args)
		}
	}
	return e
}

func mapExprs(list []expr.Expr, f func(expr.Expr) (expr.Expr, bool)) ([]expr.Expr, bool) {
	out := make([]expr.Expr, len(list))
	changed := false
	for i, a := range list {
		out[i] = mapExpr(a, f)
		changed = changed || out[i] != a
	}
	return out, changed
}

// remapColumns replaces column i by column to[i]; -1 must not occur.
func remapColumns(e expr.Expr, to []int) expr.Expr {
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		if !ok {
			return nil, false
		}
		if to[c.Index] == c.Index {
			return c, true
		}
		d := *c
		d.Index = to[c.Index]
		return &d, true
	})
}

// substitute replaces column i by exprs[i].
func substitute(e expr.Expr, exprs []expr.Expr) expr.Expr {
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		if c, ok := x.(*expr.Column); ok {
			return exprs[c.Index], true
		}
		return nil, false
	})
}

// eachColumn calls f for every column that e reads.
func eachColumn(e expr.Expr, f func(*expr.Column)) {
	expr.Walk(e, func(x expr.Expr) {
		if c, ok := x.(*expr.Column); ok {
			f(c)
		}
	})
}

// readsOnly reports whether all columns that e reads satisfy ok.
func readsOnly(e expr.Expr, ok func(col int) bool) bool {
	all := true
	eachColumn(e, func(c *expr.Column) { all = all && ok(c.Index) })
	return all
}

// anyExpr reports whether f holds for e or anything inside.
func anyExpr(e expr.Expr, f func(expr.Expr) bool) bool {
	found := false
	expr.Walk(e, func(x expr.Expr) { found = found || f(x) })
	return found
}

// volatile reports whether two evaluations of e on one row may differ.
func volatile(reg *expr.Registry, e expr.Expr) bool {
	return anyExpr(e, func(x expr.Expr) bool {
		c, ok := x.(*expr.Call)
		if !ok {
			return false
		}
		o := reg.Lookup(c.Fn)
		return o == nil || o.Volatile
	})
}

// readsClock reports whether e depends on the epoch's clock.
func readsClock(e expr.Expr) bool {
	return anyExpr(e, func(x expr.Expr) bool { _, ok := x.(*expr.Now); return ok })
}

// conjuncts splits e at its top ANDs.
func conjuncts(e expr.Expr) []expr.Expr {
	if l, ok := e.(*expr.Logic); ok && !l.Or {
		var out []expr.Expr
		for _, a := range l.Args {
			out = append(out, conjuncts(a)...)
		}
		return out
	}
	return []expr.Expr{e}
}

// conjunction joins what conjuncts split; nil for none.
func conjunction(list []expr.Expr) expr.Expr {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	sp := list[0].Span()
	for _, e := range list[1:] {
		sp = sp.Cover(e.Span())
	}
	return &expr.Logic{Base: expr.Base{T: types.BoolType, Sp: sp}, Args: list}
}

// sameExpr reports whether two expressions mean the same.
func sameExpr(a, b expr.Expr) bool { return exprKey(a) == exprKey(b) }

// exprKey is equal for equal expressions of equal types.
func exprKey(e expr.Expr) string { return e.Type().String() + " " + e.String() }

func column(i int, f types.Field) *expr.Column {
	return &expr.Column{Base: expr.Base{T: f.Type}, Index: i, Name: f.Name}
}

// columnOf returns the column that e is, or -1.
func columnOf(e expr.Expr) int {
	if c, ok := e.(*expr.Column); ok {
		return c.Index
	}
	return -1
}

// literalTrue reports whether e is the constant TRUE; literalFalse whether it is FALSE or NULL.
func literalTrue(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && l.Value == true
}

func literalFalse(e expr.Expr) bool {
	l, ok := e.(*expr.Literal)
	return ok && (l.Value == false || l.Value == nil)
}

// withoutSpans clears the places in e: they are of another text.
func withoutSpans(e expr.Expr) expr.Expr {
	switch x := e.(type) {
	case *expr.Column:
		c := *x
		c.Sp = types.Span{}
		return &c
	case *expr.Literal:
		c := *x
		c.Sp = types.Span{}
		return &c
	case *expr.Call:
		c := *x
		c.Sp = types.Span{}
		c.Args = withoutSpansAll(x.Args)
		return &c
	case *expr.Case:
		c := *x
		c.Sp = types.Span{}
		c.Whens = make([]expr.When, len(x.Whens))
		for i, w := range x.Whens {
			c.Whens[i] = expr.When{Cond: withoutSpans(w.Cond), Then: withoutSpans(w.Then)}
		}
		if x.Else != nil {
			c.Else = withoutSpans(x.Else)
		}
		return &c
	case *expr.Logic:
		c := *x
		c.Sp = types.Span{}
		c.Args = withoutSpansAll(x.Args)
		return &c
	case *expr.In:
		c := *x
		c.Sp = types.Span{}
		c.X, c.List = withoutSpans(x.X), withoutSpansAll(x.List)
		return &c
	case *expr.Now:
		c := *x
		c.Sp = types.Span{}
		return &c
	case *expr.Try:
		c := *x
		c.Sp = types.Span{}
		c.X = withoutSpans(x.X)
		return &c
	}
	return e
}

func withoutSpansAll(list []expr.Expr) []expr.Expr {
	out := make([]expr.Expr, len(list))
	for i, e := range list {
		out[i] = withoutSpans(e)
	}
	return out
}
