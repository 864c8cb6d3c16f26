package expr

// Children returns the direct arguments of e, in the order of evaluation.
func Children(e Expr) []Expr {
	switch e := e.(type) {
	case *Call:
		return e.Args
	case *Logic:
		return e.Args
	case *In:
		return append([]Expr{e.X}, e.List...)
	case *Try:
		return []Expr{e.X}
	case *Subquery:
		return e.children()
	case *Case:
		var out []Expr
		for _, w := range e.Whens {
			out = append(out, w.Cond, w.Then)
		}
		if e.Else != nil {
			out = append(out, e.Else)
		}
		return out
	}
	return nil
}

// Walk calls f for e and everything below it, parents first.
func Walk(e Expr, f func(Expr)) {
	f(e)
	for _, k := range Children(e) {
		Walk(k, f)
	}
}

// Rewrite returns e with f applied to every expression below it and to itself, arguments first. What does not change is
// shared with e.
func Rewrite(e Expr, f func(Expr) Expr) Expr {
	switch x := e.(type) {
	case *Call:
		if args, changed := rewriteAll(x.Args, f); changed {
			c := *x
			c.Args = args
			e = &c
		}
	case *Logic:
		if args, changed := rewriteAll(x.Args, f); changed {
			c := *x
			c.Args = args
			e = &c
		}
	case *In:
		if inner := Rewrite(x.X, f); inner != x.X {
			c := *x
			c.X = inner
			e = &c
		}
	case *Try:
		if inner := Rewrite(x.X, f); inner != x.X {
			c := *x
			c.X = inner
			e = &c
		}
	case *Subquery:
		if args, changed := rewriteAll(x.children(), f); changed {
			e = x.WithChildren(args)
		}
	case *Case:
		if args, changed := rewriteAll(Children(x), f); changed {
			c := &Case{Base: x.Base}
			for len(args) > 1 {
				c.Whens = append(c.Whens, When{Cond: args[0], Then: args[1]})
				args = args[2:]
			}
			if len(args) == 1 {
				c.Else = args[0]
			}
			e = c
		}
	}
	return f(e)
}

func rewriteAll(args []Expr, f func(Expr) Expr) ([]Expr, bool) {
	out := make([]Expr, len(args))
	changed := false
	for i, a := range args {
		out[i] = Rewrite(a, f)
		changed = changed || out[i] != a
	}
	return out, changed
}

// Columns returns the indices of the columns that e reads, ascending, each once.
func Columns(e Expr) []int {
	seen := map[int]bool{}
	most := -1
	Walk(e, func(e Expr) {
		if c, ok := e.(*Column); ok {
			seen[c.Index] = true
			most = max(most, c.Index)
		}
	})
	out := make([]int, 0, len(seen))
	for i := 0; i <= most; i++ {
		if seen[i] {
			out = append(out, i)
		}
	}
	return out
}

// IsConst reports whether e reads no column, depends on no clock or session, and has one value for all rows.
func (r *Registry) IsConst(e Expr) bool {
	constant := true
	Walk(e, func(e Expr) {
		switch e := e.(type) {
		case *Column, *Now, *Subquery, *Outer:
			constant = false
		case *Call:
			o := r.Lookup(e.Fn)
			constant = constant && o != nil && !o.Stable && !o.Volatile
		}
	})
	return constant
}

// IsConst is the function of that name over the built-in registry.
func IsConst(e Expr) bool { return Builtin.IsConst(e) }

// Fallible reports whether some row may make e fail: no such expression may be moved past a filter or join.
func (r *Registry) Fallible(e Expr) bool {
	switch e := e.(type) {
	case *Try:
		return false
	case *Subquery:
		return true
	case *Call:
		if o := r.Lookup(e.Fn); o == nil || o.Fallible && !harmless(e) {
			return true
		}
	}
	for _, k := range Children(e) {
		if r.Fallible(k) {
			return true
		}
	}
	return false
}

// Fallible is the function of that name over the built-in registry.
func Fallible(e Expr) bool { return Builtin.Fallible(e) }
