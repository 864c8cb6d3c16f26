package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// grouping collects the keys and aggregates of one SELECT while its expressions are bound over the input, and then makes
// the Aggregate and turns those expressions into ones over its output.
//
// While binding, an aggregate is the column aggBase+i and a call of GROUPING the column groupingBase+i.
type grouping struct {
	in       *Node
	sc       *scope
	keys     []expr.Expr
	index    map[string]int // of keys, by exprKey
	aggs     []*aggCall
	aggIndex map[string]int
	window   *groupWindow
	sets     [][]int // grouping sets as positions in keys; nil: one set with all of them
	calls    [][]int // the arguments of each GROUPING, as positions in keys
	srfs     *setCalls
}

const groupingBase = aggBase << 1

// groupWindow is the window of GROUP BY TUMBLE(...).
type groupWindow struct {
	kind             WindowKind
	time             string // exprKey of the time column
	window           Window
	start, end, rowt int // columns of the grouping's input
	proc             bool
}

func newGrouping(in *Node, sc *scope) *grouping {
	return &grouping{in: in, sc: sc, index: map[string]int{}, aggIndex: map[string]int{}, srfs: newSetCalls()}
}

// addKey adds a group key, unless it is there, and returns its position.
func (g *grouping) addKey(e expr.Expr) int {
	k := exprKey(e)
	if i, ok := g.index[k]; ok {
		return i
	}
	g.index[k] = len(g.keys)
	g.keys = append(g.keys, e)
	return len(g.keys) - 1
}

func (g *grouping) aggregateColumn(c *aggCall, sp types.Span) expr.Expr {
	k := c.key()
	i, ok := g.aggIndex[k]
	if !ok {
		i = len(g.aggs)
		g.aggIndex[k] = i
		g.aggs = append(g.aggs, c)
	}
	return &expr.Column{Base: expr.Base{T: c.fn.Result, Sp: sp}, Index: aggBase + i, Name: c.fn.Name}
}

// groupingCall binds GROUPING(a, b): a bit per argument that is not in the row's grouping set.
func (b *exprBinder) groupingCall(x *sql.FuncCall) (expr.Expr, error) {
	var call []int
	for _, a := range x.Args {
		e, err := b.bind(a)
		if err != nil {
			return nil, err
		}
		i, ok := b.group.index[exprKey(e)]
		if !ok {
			return nil, types.Errorf(types.CodeGrouping, "arguments to GROUPING must be grouping expressions of the associated query level").At(a.Span())
		}
		call = append(call, i)
	}
	b.group.calls = append(b.group.calls, call)
	return &expr.Column{Base: expr.Base{T: types.Int4Type, Sp: x.Span()}, Index: groupingBase + len(b.group.calls) - 1, Name: "grouping"}, nil
}

// windowCall binds TUMBLE_START(...) and its kin outside of GROUP BY.
func (b *exprBinder) windowCall(x *sql.FuncCall, kind WindowKind, part string) (expr.Expr, error) {
	name := strings.ToLower(x.Name.Last().Name)
	if part == "" {
		return nil, types.Errorf(types.CodeWrongObjectType, "%s is a window and not a value", name).At(x.Span()).
			WithHint("use it in FROM or in GROUP BY; %s_start(...) and %s_end(...) are its bounds", kind, kind)
	}
	if b.inAggregate || b.group == nil || b.group.window == nil {
		return nil, types.Errorf(types.CodeGrouping, "%s needs GROUP BY %s with the same arguments", name, kind).At(x.Span())
	}
	g := b.group.window
	args, err := windowArgs(x, kind, "timecol")
	if err != nil {
		return nil, err
	}
	t, err := b.bind(args["timecol"])
	if err != nil {
		return nil, err
	}
	w, err := b.windowShape(x, kind, args, t.Type())
	if err != nil {
		return nil, err
	}
	w.Time, w.ProcTime = g.window.Time, g.window.ProcTime
	if kind != g.kind || exprKey(t) != g.time || w != g.window {
		return nil, types.Errorf(types.CodeGrouping, "%s does not have the arguments of the %s in GROUP BY", name, g.kind).At(x.Span())
	}
	col := map[string]int{"start": g.start, "end": g.end, "rowtime": g.rowt, "proctime": -1}[part]
	if col < 0 {
		return &expr.Now{Base: expr.Base{T: types.TimestampTZType, Sp: x.Span()}}, nil
	}
	f := b.group.in.Schema[col]
	return &expr.Column{Base: expr.Base{T: f.Type, Sp: x.Span()}, Index: col, Name: f.Name}, nil
}

// groupBy binds the elements of GROUP BY. The input grows by the columns of a window.
func (b *binder) groupBy(sel *sql.Select, g *grouping, items []selectItem) error {
	simple := true
	for _, it := range sel.GroupBy {
		simple = simple && it.Kind == sql.GroupExprs && len(it.Exprs) == 1
	}
	if err := b.groupWindowOf(sel, g, items); err != nil {
		return err
	}
	if simple {
		for _, it := range sel.GroupBy {
			if _, err := b.groupKey(it.Exprs[0], g, items); err != nil {
				return err
			}
		}
		return nil
	}
	sets := [][]int{{}}
	for _, it := range sel.GroupBy {
		alternatives, err := b.groupSets(it, g, items)
		if err != nil {
			return err
		}
		var next [][]int
		for _, s := range sets {
			for _, a := range alternatives {
				next = append(next, union(s, a))
			}
		}
		if len(next) > maxGroupingSets {
			return types.Errorf(types.CodeTooComplex, "too many grouping sets present (maximum %d)", maxGroupingSets).At(it.Span())
		}
		sets = next
	}
	if sel.GroupDistinct {
		sets = distinctSets(sets)
	}
	g.sets = sets
	return nil
}

// maxGroupingSets bounds how many aggregations one GROUP BY can become.
const maxGroupingSets = 4096

func union(a, b []int) []int {
	out := append([]int{}, a...)
	for _, x := range b {
		found := false
		for _, y := range out {
			found = found || x == y
		}
		if !found {
			out = append(out, x)
		}
	}
	return out
}

func distinctSets(sets [][]int) [][]int {
	seen := map[string]bool{}
	var out [][]int
	for _, s := range sets {
		ordered := slices.Clone(s)
		slices.Sort(ordered)
		if k := fmt.Sprint(ordered); !seen[k] {
			seen[k] = true
			out = append(out, s)
		}
	}
	return out
}

// groupSets returns the alternatives of one element: several for ROLLUP, CUBE and GROUPING SETS.
func (b *binder) groupSets(it sql.GroupItem, g *grouping, items []selectItem) ([][]int, error) {
	keys := func(list []sql.Expr) ([]int, error) {
		set := []int{}
		for _, e := range list {
			k, err := b.groupKey(e, g, items)
			if err != nil {
				return nil, err
			}
			set = union(set, k)
		}
		return set, nil
	}
	if it.Kind == sql.GroupExprs {
		set, err := keys(it.Exprs)
		return [][]int{set}, err
	}
	var parts [][]int
	var sets [][]int
	for _, sub := range it.Items {
		if it.Kind == sql.GroupSets {
			s, err := b.groupSets(sub, g, items)
			if err != nil {
				return nil, err
			}
			sets = append(sets, s...)
			continue
		}
		set, err := keys(sub.Exprs)
		if err != nil {
			return nil, err
		}
		parts = append(parts, set)
	}
	switch it.Kind {
	case sql.Rollup:
		for n := len(parts); n >= 0; n-- {
			set := []int{}
			for _, p := range parts[:n] {
				set = union(set, p)
			}
			sets = append(sets, set)
		}
	case sql.Cube:
		if len(parts) > 12 {
			return nil, types.Errorf(types.CodeTooComplex, "CUBE is limited to 12 elements").At(it.Span())
		}
		for mask := 1<<len(parts) - 1; mask >= 0; mask-- {
			set := []int{}
			for i, p := range parts {
				if mask>>(len(parts)-1-i)&1 == 1 {
					set = union(set, p)
				}
			}
			sets = append(sets, set)
		}
	}
	return sets, nil
}

// groupWindowOf finds the window function among the elements of GROUP BY and puts the window below the grouping.
func (b *binder) groupWindowOf(sel *sql.Select, g *grouping, items []selectItem) error {
	var calls []*sql.FuncCall
	var others []sql.Expr
	var collect func(it sql.GroupItem)
	collect = func(it sql.GroupItem) {
		for _, e := range it.Exprs {
			if c := b.windowIn(e, g, items); c != nil {
				calls = append(calls, c)
			} else {
				others = append(others, e)
			}
		}
		for _, s := range it.Items {
			collect(s)
		}
	}
	for _, it := range sel.GroupBy {
		collect(it)
	}
	if len(calls) == 0 {
		return nil
	}
	x := calls[0]
	kind := windowKinds[strings.ToLower(x.Name.Last().Name)]
	args, err := windowArgs(x, kind, "timecol")
	if err != nil {
		return err
	}
	eb := &exprBinder{binder: b, sc: g.sc, clause: "GROUP BY"}
	t, err := eb.bind(args["timecol"])
	if err != nil {
		return err
	}
	node, col, proc, err := b.timeColumn(g.in, t, args["timecol"].Span())
	if err != nil {
		return err
	}
	w, err := b.windowShape(x, kind, args, t.Type())
	if err != nil {
		return err
	}
	w.Time, w.ProcTime = col, proc
	var partition []int
	if kind == Session { // the sessions of each group
		var keys []expr.Expr
		for _, e := range others {
			k, err := b.bindGroupExpr(e, g, items)
			if err != nil {
				return err
			}
			keys = append(keys, k)
		}
		if node, partition, err = asColumns(node, keys); err != nil {
			return err
		}
	}
	base := len(node.Schema)
	g.in = newWindow(node, w, partition)
	g.window = &groupWindow{kind: kind, time: exprKey(t), window: w, start: base, end: base + 1, rowt: base + 2, proc: proc}
	for _, other := range calls[1:] {
		if err := b.sameWindow(other, g); err != nil {
			return err
		}
	}
	return nil
}

func (b *binder) sameWindow(x *sql.FuncCall, g *grouping) error {
	kind := windowKinds[strings.ToLower(x.Name.Last().Name)]
	args, err := windowArgs(x, kind, "timecol")
	if err != nil {
		return err
	}
	eb := &exprBinder{binder: b, sc: g.sc, clause: "GROUP BY"}
	t, err := eb.bind(args["timecol"])
	if err != nil {
		return err
	}
	w, err := b.windowShape(x, kind, args, t.Type())
	if err != nil {
		return err
	}
	w.Time, w.ProcTime = g.window.window.Time, g.window.window.ProcTime
	if w != g.window.window || exprKey(t) != g.window.time {
		return types.NotSupported(x.Span(), "two different windows in one GROUP BY")
	}
	return nil
}

// windowIn returns the window function that an element of GROUP BY is, or names by position or alias.
func (b *binder) windowIn(e sql.Expr, g *grouping, items []selectItem) *sql.FuncCall {
	if it := groupReference(e, g, items); it != nil {
		e = it.x
	}
	if c, ok := e.(*sql.FuncCall); ok && len(c.Name.Parts) == 1 && isWindowFunction(c.Name.Parts[0].Name) && c.Over == nil {
		return c
	}
	return nil
}

// groupReference returns the item of the select list that e names, by position or by alias, or nil. An input column goes before
// an alias.
func groupReference(e sql.Expr, g *grouping, items []selectItem) *selectItem {
	switch x := e.(type) {
	case *sql.NumberLit:
		if n, ok := ordinal(x); ok && n >= 1 && n <= len(items) {
			return &items[n-1]
		}
	case *sql.ColumnRef:
		if len(x.Parts) != 1 {
			return nil
		}
		for _, c := range g.sc.cols {
			if c.name == x.Parts[0].Name {
				return nil
			}
		}
		for i := range items {
			if items[i].alias && items[i].name == x.Parts[0].Name {
				return &items[i]
			}
		}
	}
	return nil
}

// groupKey binds one expression of GROUP BY and returns the positions of its keys: two for a window.
func (b *binder) groupKey(e sql.Expr, g *grouping, items []selectItem) ([]int, error) {
	if b.windowIn(e, g, items) != nil {
		in := g.in.Schema
		return []int{g.addKey(column(g.window.start, in[g.window.start])), g.addKey(column(g.window.end, in[g.window.end]))}, nil
	}
	x, err := b.bindGroupExpr(e, g, items)
	if err != nil {
		return nil, err
	}
	return []int{g.addKey(x)}, nil
}

func (b *binder) bindGroupExpr(e sql.Expr, g *grouping, items []selectItem) (expr.Expr, error) {
	source := e
	if it := groupReference(e, g, items); it != nil {
		if it.col != nil {
			return it.col, nil
		}
		source = it.x
	} else {
		switch n := e.(type) {
		case *sql.NumberLit:
			if _, ok := ordinal(n); ok {
				return nil, types.Errorf(types.CodeInvalidColumnRef, "GROUP BY position %s is not in select list", n.Text).At(e.Span())
			}
			return nil, types.Errorf(types.CodeSyntax, "non-integer constant in GROUP BY").At(e.Span())
		case *sql.StringLit, *sql.BoolLit:
			return nil, types.Errorf(types.CodeSyntax, "non-integer constant in GROUP BY").At(e.Span())
		}
	}
	eb := &exprBinder{binder: b, sc: g.sc, clause: "GROUP BY", srfs: g.srfs}
	x, err := eb.bind(source)
	if err != nil {
		return nil, err
	}
	if x.Type().Kind == types.Unknown {
		return expr.Cast(x, types.TextType, expr.Implicit)
	}
	return x, nil
}

// lift turns an expression over the grouping's input, with aggregates in it, into one over its output. Aggregates keep their
// provisional columns until build.
//
// Errors: CodeGrouping for a column that is neither grouped nor inside an aggregate.
func (g *grouping) lift(e expr.Expr) (expr.Expr, error) {
	var failed error
	out := mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		c, isColumn := x.(*expr.Column)
		if i, ok := g.index[exprKey(x)]; ok {
			if _, literal := x.(*expr.Literal); !literal {
				return &expr.Column{Base: expr.Base{T: x.Type(), Sp: x.Span()}, Index: i, Name: keyName(x)}, true
			}
		}
		if isColumn && c.Index >= aggBase {
			return x, true
		}
		if !isColumn {
			return nil, false
		}
		if g.window != nil && c.Index == g.window.rowt || g.dependent(c.Index) {
			i := g.addKey(c)
			return &expr.Column{Base: c.Base, Index: i, Name: c.Name}, true
		}
		if failed == nil && isArgument(e, c) {
			failed = ungroupedOuter(g.sc.qualified(c), c.Sp)
		}
		if failed == nil {
			failed = types.Errorf(types.CodeGrouping, "column %q must appear in the GROUP BY clause or be used in an aggregate function",
				g.sc.qualified(c)).At(c.Sp)
		}
		return x, true
	})
	return out, failed
}

func keyName(e expr.Expr) string {
	if c, ok := e.(*expr.Column); ok {
		return c.Name
	}
	return ""
}

// qualified names a column with its relation, as PostgreSQL's message does.
func (s *scope) qualified(c *expr.Column) string {
	for _, sc := range s.cols {
		if sc.index == c.Index && sc.rel >= 0 && s.rels[sc.rel].name != "" {
			return s.rels[sc.rel].name + "." + sc.name
		}
	}
	return c.Name
}

// dependent reports whether a column belongs to a relation whose key is grouped by.
func (g *grouping) dependent(col int) bool {
	if g.sets != nil {
		return false
	}
	for _, sc := range g.sc.cols {
		if sc.index != col || sc.rel < 0 {
			continue
		}
		key := g.sc.rels[sc.rel].key
		if key == nil {
			return false
		}
		for _, k := range key {
			if _, ok := g.index[exprKey(column(k, g.in.Schema[k]))]; !ok {
				return false
			}
		}
		return true
	}
	return false
}

// build makes the aggregation. Its output is the keys, the aggregates and the calls of GROUPING; place moves an expression of lift
// onto it.
func (g *grouping) build() (node *Node, place func(expr.Expr) expr.Expr) {
	var exprs []expr.Expr
	var names []string
	at := map[string]int{}
	add := func(e expr.Expr) int {
		k := exprKey(e)
		i, ok := at[k]
		if !ok {
			i = len(exprs)
			at[k] = i
			exprs, names = append(exprs, e), append(names, keyName(e))
		}
		return i
	}
	keys := make([]int, len(g.keys))
	for i, k := range g.keys {
		keys[i] = add(k)
	}
	calls := make([]AggCall, len(g.aggs))
	outNames := make([]string, 0, len(keys)+len(calls))
	for _, k := range g.keys {
		outNames = append(outNames, keyName(k))
	}
	for i, a := range g.aggs {
		c := AggCall{Fn: a.fn.ID, Filter: -1, Distinct: a.distinct, T: a.fn.Result}
		for _, e := range a.args {
			c.Args = append(c.Args, add(e))
		}
		if a.filter != nil {
			c.Filter = add(a.filter)
		}
		for _, o := range a.order {
			c.OrderBy = append(c.OrderBy, SortKey{Col: add(o.x), Desc: o.desc, NullsFirst: o.nullsFirst})
		}
		calls[i] = c
		outNames = append(outNames, a.fn.Name)
	}
	in, placeSets := g.srfs.build(g.in, g.keys, func(call int) []expr.Expr { return g.srfs.calls[call].args })
	for i, e := range exprs {
		exprs[i] = placeSets(e)
	}
	below := newProject(in, exprs, names, DeadLetter)
	if g.sets == nil {
		node = newAggregate(below, newAggregateOp(keys, calls), outNames)
	} else {
		node = g.buildSets(below, keys, calls, outNames)
	}
	return node, func(e expr.Expr) expr.Expr {
		return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			c, ok := x.(*expr.Column)
			if !ok || c.Index < aggBase || c.Index >= overBase {
				return nil, false
			}
			d := *c
			d.Index = len(keys) + c.Index - aggBase
			if c.Index >= groupingBase {
				d.Index = len(keys) + len(calls) + c.Index - groupingBase
			}
			return &d, true
		})
	}
}

func newAggregateOp(keys []int, calls []AggCall) *Aggregate {
	return &Aggregate{Keys: keys, Aggs: calls, Close: -1, RowWatermark: -1}
}

// buildSets makes one aggregation per grouping set, laid out alike with NULL for the keys that are not in the set.
func (g *grouping) buildSets(below *Node, keys []int, calls []AggCall, names []string) *Node {
	var branches []*Node
	for _, set := range g.sets {
		sub := make([]int, len(set))
		subNames := make([]string, len(set))
		position := map[int]int{}
		for i, k := range set {
			sub[i], subNames[i], position[k] = keys[k], names[k], i
		}
		agg := newAggregate(below, newAggregateOp(sub, calls), append(subNames, names[len(keys):]...))
		var exprs []expr.Expr
		for i, k := range g.keys {
			if p, ok := position[i]; ok {
				exprs = append(exprs, column(p, agg.Schema[p]))
			} else {
				exprs = append(exprs, &expr.Literal{Base: expr.Base{T: k.Type()}})
			}
		}
		for i := range calls {
			exprs = append(exprs, column(len(set)+i, agg.Schema[len(set)+i]))
		}
		for _, call := range g.calls {
			bits := int64(0)
			for _, k := range call {
				bits <<= 1
				if _, ok := position[k]; !ok {
					bits |= 1
				}
			}
			exprs = append(exprs, &expr.Literal{Base: expr.Base{T: types.Int4Type}, Value: bits})
		}
		all := append([]string{}, names...)
		for range g.calls {
			all = append(all, "grouping")
		}
		branches = append(branches, newProject(agg, exprs, all, DeadLetter))
	}
	return newUnion(branches)
}

func newUnion(branches []*Node) *Node {
	if len(branches) == 1 {
		return branches[0]
	}
	schema := append(types.Schema{}, branches[0].Schema...)
	for i := range schema {
		for _, br := range branches[1:] {
			schema[i].NotNull = schema[i].NotNull && br.Schema[i].NotNull
		}
	}
	return newNode(&Union{}, schema, branches...)
}
