package sql

// subquery writes (query) on one line.
func (w *writer) subquery(q *Query) {
	w.parens(func() { w.query(q) })
}

func (w *writer) query(q *Query) {
	if q.With != nil {
		w.with(q.With)
		w.brk()
	}
	w.body(q.Body)
	if q.OrderBy != nil {
		w.brk()
		w.put("ORDER BY ")
		commas(w, q.OrderBy, w.orderItem)
	}
	if q.Limit != nil && !q.WithTies {
		w.brk()
		w.put("LIMIT ")
		w.expr(q.Limit)
	}
	if q.Offset != nil {
		w.brk()
		w.put("OFFSET ")
		w.expr(q.Offset)
	}
	if q.Limit != nil && q.WithTies {
		w.brk()
		w.put("FETCH FIRST ")
		w.above(q.Limit, precOp)
		w.put(" ROWS WITH TIES")
	}
	if q.AsOf != nil {
		w.brk()
		w.put("AS OF EPOCH ")
		w.expr(q.AsOf)
	}
	if q.Emit != nil {
		w.brk()
		w.put("EMIT ", string(q.Emit.Mode))
		if q.Emit.Every != nil {
			w.put(" ")
			w.expr(q.Emit.Every)
		}
	}
}

func (w *writer) with(c *With) {
	w.put("WITH ")
	w.flag(c.Recursive, "RECURSIVE ")
	for i, cte := range c.CTEs {
		if i > 0 {
			w.put(",")
			w.brk()
		}
		w.ident(cte.Name)
		if cte.Columns != nil {
			w.put(" ")
			w.idents(cte.Columns)
		}
		w.put(" AS ")
		if cte.Materialization != MaterializeDefault {
			w.put(string(cte.Materialization), " ")
		}
		w.parens(func() { w.statement(cte.Stmt) })
	}
}

func setOpPrec(s *SetOp) int {
	if s.Op == Intersect {
		return precIntersect
	}
	return precUnion
}

func (w *writer) body(b QueryBody) {
	switch b := b.(type) {
	case *Query:
		w.subquery(b)
	case *SetOp:
		w.setOp(b)
	case *Select:
		w.selectBody(b)
	case *Values:
		w.put("VALUES ")
		commas(w, b.Rows, func(row []Expr) { w.parens(func() { w.exprs(row) }) })
	case *TableBody:
		w.put("TABLE ")
		w.name(b.Table.Name)
	}
}

func (w *writer) setOp(s *SetOp) {
	prec := setOpPrec(s)
	if l, ok := s.L.(*SetOp); ok && setOpPrec(l) < prec {
		w.parens(func() { w.body(l) })
	} else {
		w.body(s.L)
	}
	w.brk()
	w.put(string(s.Op))
	w.flag(s.All, " ALL")
	w.brk()
	if r, ok := s.R.(*SetOp); ok && setOpPrec(r) <= prec {
		w.parens(func() { w.body(r) })
	} else {
		w.body(s.R)
	}
}

func (w *writer) selectBody(s *Select) {
	w.put("SELECT")
	switch {
	case s.DistinctOn != nil:
		w.put(" DISTINCT ON ")
		w.parens(func() { w.exprs(s.DistinctOn) })
	case s.Distinct:
		w.put(" DISTINCT")
	}
	if len(s.Items) > 0 {
		w.put(" ")
		w.selectItems(s.Items)
	}
	if s.From != nil {
		w.brk()
		w.put("FROM ")
		commas(w, s.From, w.table)
	}
	w.clause("WHERE ", s.Where)
	if s.GroupBy != nil {
		w.brk()
		w.put("GROUP BY ")
		w.flag(s.GroupDistinct, "DISTINCT ")
		commas(w, s.GroupBy, w.groupItem)
	}
	w.clause("HAVING ", s.Having)
	if s.Windows != nil {
		w.brk()
		w.put("WINDOW ")
		commas(w, s.Windows, func(n NamedWindow) {
			w.ident(n.Name)
			w.put(" AS ")
			w.window(n.Spec)
		})
	}
}

func (w *writer) clause(word string, x Expr) {
	if x == nil {
		return
	}
	w.brk()
	w.put(word)
	w.expr(x)
}

func (w *writer) selectItems(items []SelectItem) { commas(w, items, w.selectItem) }

func (w *writer) selectItem(i SelectItem) {
	w.expr(i.X)
	if !i.Alias.IsZero() {
		w.put(" AS ")
		w.ident(i.Alias)
	}
}

func (w *writer) groupItem(g GroupItem) {
	if g.Kind != GroupExprs {
		w.put(string(g.Kind), " ")
		w.parens(func() { commas(w, g.Items, w.groupItem) })
		return
	}
	if len(g.Exprs) != 1 {
		w.parens(func() { w.exprs(g.Exprs) })
		return
	}
	if row, ok := g.Exprs[0].(*RowExpr); ok { // (a, b) would be two keys
		w.put("ROW")
		w.parens(func() { w.exprs(row.Elems) })
		return
	}
	w.expr(g.Exprs[0])
}

func (w *writer) orderItem(o OrderItem) {
	w.expr(o.X)
	w.flag(o.Desc, " DESC")
	if o.Nulls != NullsDefault {
		w.put(" ", string(o.Nulls))
	}
}

func (w *writer) alias(a Alias) {
	if a.IsZero() {
		return
	}
	w.put(" AS ")
	w.ident(a.Name)
	if a.Columns != nil {
		w.put(" ")
		w.idents(a.Columns)
	}
}

func (w *writer) table(t TableExpr) {
	switch t := t.(type) {
	case *TableName:
		w.name(t.Name)
		if t.AsOf != nil {
			w.put(" FOR SYSTEM_TIME AS OF ")
			w.expr(t.AsOf)
		}
		w.alias(t.Alias)
	case *DerivedTable:
		w.flag(t.Lateral, "LATERAL ")
		w.subquery(t.Query)
		w.alias(t.Alias)
	case *TableFunc:
		w.flag(t.Lateral, "LATERAL ")
		w.plainCall(t.Call, w.name) // no special forms here
		w.flag(t.Ordinality, " WITH ORDINALITY")
		w.alias(t.Alias)
		if t.ColumnDefs != nil {
			w.flag(t.Alias.IsZero(), " AS")
			w.put(" ")
			w.parens(func() { commas(w, t.ColumnDefs, w.columnDef) })
		}
	case *Join:
		if t.Alias.IsZero() {
			w.join(t)
			return
		}
		w.parens(func() { w.join(t) })
		w.alias(t.Alias)
	}
}

func (w *writer) join(j *Join) {
	w.table(j.L)
	w.brk()
	w.flag(j.Natural, "NATURAL ")
	w.flag(j.AsOf, "ASOF ")
	w.put(string(j.Kind), " ")
	if r, ok := j.R.(*Join); ok && r.Alias.IsZero() {
		w.parens(func() { w.join(r) })
	} else {
		w.table(j.R)
	}
	switch {
	case j.On != nil:
		w.put(" ON ")
		w.expr(j.On)
	case j.Using != nil:
		w.put(" USING ")
		w.idents(j.Using)
		if !j.UsingAlias.IsZero() {
			w.put(" AS ")
			w.ident(j.UsingAlias)
		}
	}
}
