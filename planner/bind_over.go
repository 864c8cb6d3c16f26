package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// overBase is where the columns begin that stand for window functions until the Over nodes are built; no input is as wide.
const overBase = aggBase << 2

// windowCalls collects the window functions of one SELECT while its expressions are bound, and then makes the Over nodes.
//
// While binding, a window function is the column overBase+i. Its own expressions are over the input of the SELECT, with aggregates
// in them if that is grouped.
type windowCalls struct {
	calls []*windowFuncCall
	index map[string]int
	named map[string]*windowDef // of the WINDOW clause
	// inOrder are the named windows by their place: one may be based on earlier ones only.
	names []string
}

// windowFuncCall is one call with OVER.
type windowFuncCall struct {
	call   OverCall // without Args and Filter
	args   []expr.Expr
	filter expr.Expr // or nil
	over   *windowDef
}

// windowDef is what stands behind OVER or in the WINDOW clause, bound.
type windowDef struct {
	partition []expr.Expr
	order     []aggOrder
	frame     *sql.Frame
}

// key is equal for windows that one Over can serve.
func (w *windowDef) key() string {
	var s strings.Builder
	for _, e := range w.partition {
		s.WriteString("|" + exprKey(e))
	}
	s.WriteString("|order")
	for _, o := range w.order {
		s.WriteString("|" + exprKey(o.x))
		if o.desc {
			s.WriteString(" desc")
		}
		if o.nullsFirst {
			s.WriteString(" nulls first")
		}
	}
	return s.String()
}

func (c *windowFuncCall) key() string {
	a := aggCall{fn: &expr.Aggregate{ID: c.call.Fn}, args: c.args, filter: c.filter}
	return a.key() + "|over" + c.over.key() + "|" + canonicalOverCall(c.call)
}

// rankingFunctions are the window functions without arguments, with their results.
var rankingFunctions = map[string]types.Type{
	"row_number": types.Int8Type, "rank": types.Int8Type, "dense_rank": types.Int8Type,
	"percent_rank": types.Float8Type, "cume_dist": types.Float8Type,
}

// onlyOver reports whether name is a window function that is no aggregate as well.
func onlyOver(name string) bool {
	switch name {
	case "ntile", "lag", "lead", "nth_value":
		return true
	}
	_, ok := rankingFunctions[name]
	return ok
}

// isOffsetFunction reports whether a function gives a value of another row, so that it may ignore NULLs.
func isOffsetFunction(name string) bool {
	switch name {
	case "lag", "lead", "first_value", "last_value", "nth_value":
		return true
	}
	return false
}

// windowRefused is the error for a window function where none may stand.
func (b *exprBinder) windowRefused(sp types.Span) error {
	switch {
	case b.inAggregate:
		return types.Errorf(types.CodeGrouping, "aggregate function calls cannot contain window function calls").At(sp).
			WithHint("compute the inner one in a subquery in FROM")
	case b.inWindow:
		return types.Errorf(types.CodeWindowing, "window function calls cannot be nested").At(sp).
			WithHint("compute the inner one in a subquery in FROM")
	}
	err := types.Errorf(types.CodeWindowing, "window functions are not allowed in %s", b.clause).At(sp)
	if b.clause == "WHERE" || b.clause == "HAVING" {
		return err.WithHint("filter in an outer SELECT: SELECT * FROM (SELECT ..., row_number() OVER (...) AS n FROM ...) WHERE n <= 10")
	}
	return err
}

// windowFunc binds a call with OVER to the column that stands for it.
func (b *exprBinder) windowFunc(name string, x *sql.FuncCall) (expr.Expr, error) {
	if b.over == nil {
		return nil, b.windowRefused(x.Span())
	}
	isAggregate := b.reg.IsAggregate(name) && name != "first_value" && name != "last_value"
	if !isAggregate && !onlyOver(name) && !isOffsetFunction(name) {
		if b.reg.HasFunction(name) || expr.IsTableFunction(name) {
			return nil, types.Errorf(types.CodeWrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", name).At(x.Span())
		}
		return nil, unknownWindowFunction(b.reg, name, x)
	}
	if err := checkWindowCall(name, x, isAggregate); err != nil {
		return nil, err
	}
	inner := *b
	inner.over, inner.inWindow = nil, true
	inner.srfs = nil
	args, err := inner.bindList(x.Args)
	if err != nil {
		return nil, err
	}
	c := &windowFuncCall{call: OverCall{Fn: name, Filter: -1, IgnoreNulls: x.Nulls == sql.IgnoreNulls}}
	framed := true
	if isAggregate {
		err = b.windowAggregateCall(name, x, args, c)
	} else {
		framed = name == "first_value" || name == "last_value" || name == "nth_value"
		c.args, c.call.T, err = windowArguments(name, args)
	}
	if err != nil {
		return nil, at(err, x.Span())
	}
	if x.Filter != nil {
		inner.clause = "FILTER"
		if c.filter, err = inner.bindBool(x.Filter, "FILTER"); err != nil {
			return nil, err
		}
	}
	if c.over, err = b.windowOf(x.Over); err != nil {
		return nil, err
	}
	frame, err := b.frame(c.over) // checked for all functions, used by some
	if err != nil {
		return nil, err
	}
	if framed {
		c.call.Frame = frame
	}
	return b.over.column(c, name, x.Span()), nil
}

func unknownWindowFunction(reg *expr.Registry, name string, x *sql.FuncCall) error {
	known := []string{"ntile", "lag", "lead", "first_value", "last_value", "nth_value"}
	for n := range rankingFunctions {
		known = append(known, n)
	}
	for _, a := range reg.Aggregates() {
		known = append(known, a.Name)
	}
	err := types.Errorf(types.CodeUndefinedFunction, "function %s does not exist", name).At(x.Name.Span())
	if near := types.Nearest(name, sorted(known)); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

// checkWindowCall refuses what a call with OVER cannot have.
func checkWindowCall(name string, x *sql.FuncCall, isAggregate bool) error {
	switch {
	case x.Distinct:
		return types.Errorf(types.CodeNotSupported, "DISTINCT is not implemented for window functions").At(x.Span())
	case len(x.OrderBy) > 0:
		return types.Errorf(types.CodeNotSupported, "aggregate ORDER BY is not implemented for window functions").At(x.Span())
	case x.Filter != nil && !isAggregate:
		return types.Errorf(types.CodeNotSupported, "FILTER is not implemented for non-aggregate window functions").At(x.Span())
	case x.Nulls != sql.DefaultNulls && !isOffsetFunction(name):
		return types.Errorf(types.CodeWrongObjectType, "%s is for lag, lead, first_value, last_value and nth_value, not for %s", x.Nulls, name).At(x.Span())
	case x.Star && !isAggregate:
		return types.Errorf(types.CodeWrongObjectType, "%s(*) specified, but %s is not an aggregate function", name, name).At(x.Span())
	}
	return nil
}

// windowAggregateCall binds an aggregate with OVER.
func (b *exprBinder) windowAggregateCall(name string, x *sql.FuncCall, args []expr.Expr, c *windowFuncCall) error {
	fn, args, err := b.resolveAggregate(name, x, args)
	if err != nil {
		return err
	}
	c.call.Fn, c.call.T, c.args = fn.ID, fn.Result, args
	return nil
}

// resolveAggregate finds the aggregate of that name for arguments that are bound, and casts these.
func (b *exprBinder) resolveAggregate(name string, x *sql.FuncCall, args []expr.Expr) (*expr.Aggregate, []expr.Expr, error) {
	if jsonAggregate(name) && !x.Star {
		var err error
		if args, err = b.jsonArgs(name, args, x.Span()); err != nil {
			return nil, nil, err
		}
	}
	ts := make([]types.Type, len(args))
	for i, a := range args {
		ts[i] = a.Type().Base()
	}
	if !x.Star && len(args) == 0 || x.Star && name != "count" {
		return nil, nil, types.Errorf(types.CodeUndefinedFunction, "function %s() does not exist", name).At(x.Span()).
			WithHint("write the argument: %s(x)%s", name, map[bool]string{true: ", or count(*) to count rows"}[name == "count"])
	}
	fn, err := b.reg.ResolveAggregate(name, ts)
	if err != nil {
		return nil, nil, at(err, x.Span())
	}
	if err := checkWithinGroup(name, fn, x); err != nil {
		return nil, nil, err
	}
	cast := make([]expr.Expr, len(args))
	for i, a := range args {
		if cast[i], err = expr.Cast(a, fn.Args[i], expr.Implicit); err != nil {
			return nil, nil, at(err, a.Span())
		}
	}
	return fn, cast, nil
}

// windowArguments casts the arguments of a window function that is no aggregate to those of its signature, and returns its result type.
//
//	row_number() rank() dense_rank() percent_rank() cume_dist()    ntile(integer)
//	lag(any [, integer [, any]]) lead(...)    first_value(any) last_value(any) nth_value(any, integer)
//
// Errors: CodeUndefinedFunction, CodeDatatypeMismatch.
func windowArguments(name string, args []expr.Expr) ([]expr.Expr, types.Type, error) {
	undefined := func() error {
		texts := make([]string, len(args))
		for i, a := range args {
			texts[i] = a.Type().Base().String()
		}
		return types.Errorf(types.CodeUndefinedFunction, "function %s(%s) does not exist", name, strings.Join(texts, ", ")).
			WithHint("there is %s", windowSignatures[name])
	}
	integer := func(i int) error {
		if !expr.CanCast(args[i].Type(), types.Int4Type, expr.Implicit) && args[i].Type().Kind != types.Unknown {
			return undefined()
		}
		e, err := expr.Cast(args[i], types.Int4Type, expr.Implicit)
		if err != nil {
			return at(err, args[i].Span())
		}
		args[i] = e
		return nil
	}
	args = slices.Clone(args)
	least, most := 0, 0
	switch name {
	case "ntile", "first_value", "last_value":
		least, most = 1, 1
	case "nth_value":
		least, most = 2, 2
	case "lag", "lead":
		least, most = 1, 3
	}
	if len(args) < least || len(args) > most {
		return nil, types.Type{}, undefined()
	}
	switch {
	case most == 0:
		return nil, rankingFunctions[name], nil
	case name == "ntile":
		return args, types.Int4Type, integer(0)
	}
	if len(args) == 3 {
		common, err := expr.CommonType([]types.Type{args[0].Type(), args[2].Type()})
		if err != nil {
			return nil, types.Type{}, undefined()
		}
		if common.Kind == types.Unknown {
			common = types.TextType
		}
		for _, i := range []int{0, 2} {
			e, err := expr.Cast(args[i], common.Base(), expr.Implicit)
			if err != nil {
				return nil, types.Type{}, at(err, args[i].Span())
			}
			args[i] = e
		}
	}
	if args[0].Type().Kind == types.Unknown {
		return nil, types.Type{}, types.Errorf(types.CodeDatatypeMismatch, "could not determine polymorphic type because input has type unknown").
			At(args[0].Span()).WithHint("add a cast, such as ::text")
	}
	if len(args) > 1 {
		if err := integer(1); err != nil {
			return nil, types.Type{}, err
		}
	}
	return args, args[0].Type().Base(), nil
}

var windowSignatures = map[string]string{
	"row_number": "row_number()", "rank": "rank()", "dense_rank": "dense_rank()", "percent_rank": "percent_rank()", "cume_dist": "cume_dist()",
	"ntile": "ntile(integer)", "lag": "lag(value [, offset integer [, default]])", "lead": "lead(value [, offset integer [, default]])",
	"first_value": "first_value(value)", "last_value": "last_value(value)", "nth_value": "nth_value(value, integer)",
}

// column returns the column that stands for a call; equal calls share one.
func (w *windowCalls) column(c *windowFuncCall, name string, sp types.Span) expr.Expr {
	k := c.key()
	i, ok := w.index[k]
	if !ok {
		i = len(w.calls)
		w.index[k] = i
		w.calls = append(w.calls, c)
	}
	return &expr.Column{Base: expr.Base{T: c.call.T, Sp: sp}, Index: overBase + i, Name: name}
}

func newWindowCalls() *windowCalls {
	return &windowCalls{index: map[string]int{}, named: map[string]*windowDef{}}
}

// bindWindows binds the WINDOW clause.
//
// Errors: CodeWindowing for a name that is defined twice.
func (b *exprBinder) bindWindows(list []sql.NamedWindow) error {
	for _, w := range list {
		if b.over.named[w.Name.Name] != nil {
			return types.Errorf(types.CodeWindowing, "window %q is already defined", w.Name.Name).At(w.Name.Span())
		}
		def, err := b.windowOf(w.Spec)
		if err != nil {
			return err
		}
		if _, err := b.frame(def); err != nil {
			return err
		}
		b.over.named[w.Name.Name] = def
		b.over.names = append(b.over.names, w.Name.Name)
	}
	return nil
}

// windowOf binds a window: OVER w, OVER (...), or one of the WINDOW clause. What is based on another window takes its partition and,
// unless it has its own, its order, but no frame.
//
// Errors: CodeUndefinedObject, CodeWindowing.
func (b *exprBinder) windowOf(spec *sql.WindowSpec) (*windowDef, error) {
	find := func(name sql.Ident) (*windowDef, error) {
		if w := b.over.named[name.Name]; w != nil {
			return w, nil
		}
		err := types.Errorf(types.CodeUndefinedObject, "window %q does not exist", name.Name).At(name.Span())
		if near := types.Nearest(name.Name, b.over.names); near != "" {
			return nil, err.WithHint("did you mean %q?", near)
		}
		return nil, err
	}
	if !spec.Ref.IsZero() {
		return find(spec.Ref)
	}
	w := &windowDef{frame: spec.Frame}
	if !spec.Base.IsZero() {
		base, err := find(spec.Base)
		if err != nil {
			return nil, err
		}
		name := spec.Base.Name
		switch {
		case len(spec.PartitionBy) > 0:
			return nil, types.Errorf(types.CodeWindowing, "cannot override PARTITION BY clause of window %q", name).At(spec.Base.Span())
		case len(spec.OrderBy) > 0 && len(base.order) > 0:
			return nil, types.Errorf(types.CodeWindowing, "cannot override ORDER BY clause of window %q", name).At(spec.Base.Span())
		case base.frame != nil:
			err := types.Errorf(types.CodeWindowing, "cannot copy window %q because it has a frame clause", name).At(spec.Base.Span())
			if len(spec.OrderBy) == 0 && spec.Frame == nil {
				return nil, err.WithHint("omit the parentheses in this OVER clause")
			}
			return nil, err
		}
		w.partition, w.order = base.partition, base.order
	}
	inner := *b
	inner.over, inner.srfs, inner.clause = nil, nil, "window definitions"
	for _, p := range spec.PartitionBy {
		e, err := inner.bindTyped(p)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(w.partition, func(have expr.Expr) bool { return sameExpr(have, e) }) {
			w.partition = append(w.partition, e)
		}
	}
	for _, o := range spec.OrderBy {
		e, err := inner.bindTyped(o.X)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(w.order, func(have aggOrder) bool { return sameExpr(have.x, e) }) {
			w.order = append(w.order, aggOrder{x: e, desc: o.Desc, nullsFirst: nullsFirst(o)})
		}
	}
	return w, nil
}

// bindTyped binds an expression; an untyped literal becomes text.
func (b *exprBinder) bindTyped(e sql.Expr) (expr.Expr, error) {
	x, err := b.bind(e)
	if err != nil || x.Type().Kind != types.Unknown {
		return x, err
	}
	x, err = expr.Cast(x, types.TextType, expr.Implicit)
	return x, at(err, e.Span())
}

// mapAll replaces every expression of the calls.
func (w *windowCalls) mapAll(f func(expr.Expr) (expr.Expr, error)) error {
	var failed error
	apply := func(e expr.Expr) expr.Expr {
		out, err := f(e)
		if err != nil && failed == nil {
			failed = err
		}
		return out
	}
	for i, c := range w.calls {
		d := *c
		d.args = slices.Clone(c.args)
		for j, e := range d.args {
			d.args[j] = apply(e)
		}
		if d.filter != nil {
			d.filter = apply(d.filter)
		}
		over := &windowDef{partition: slices.Clone(c.over.partition), order: slices.Clone(c.over.order), frame: c.over.frame}
		for j, e := range over.partition {
			over.partition[j] = apply(e)
		}
		for j, o := range over.order {
			over.order[j].x = apply(o.x)
		}
		d.over = over
		w.calls[i] = &d
	}
	return failed
}

// build puts the window functions above a node, an Over for each window, and what they read that is no column in a Project below.
// place moves an expression over the node, with window functions in it, onto the result.
//
//	Over [p | o] f(a)(Over [q] g(b + 1)(Project *, b + 1(in)))
func (w *windowCalls) build(in *Node) (node *Node, place func(expr.Expr) expr.Expr) {
	if len(w.calls) == 0 {
		return in, func(e expr.Expr) expr.Expr { return e }
	}
	exprs, names := columnExprs(in.Schema), schemaNames(in.Schema)
	computed := map[string]int{}
	add := func(e expr.Expr) int {
		if c := columnOf(e); c >= 0 {
			return c
		}
		k := exprKey(e)
		i, ok := computed[k]
		if !ok {
			i = len(exprs)
			computed[k] = i
			exprs, names = append(exprs, e), append(names, "$arg")
		}
		return i
	}
	var ops []*Over
	members := map[*Over][]int{} // positions in w.calls
	byKey := map[string]*Over{}
	for i, c := range w.calls {
		k := c.over.key()
		op := byKey[k]
		if op == nil {
			op = &Over{Closing: Closing{Close: -1, RowWatermark: -1}}
			for _, e := range c.over.partition {
				op.Partition = append(op.Partition, add(e))
			}
			for _, o := range c.over.order {
				op.Order = append(op.Order, SortKey{Col: add(o.x), Desc: o.desc, NullsFirst: o.nullsFirst})
			}
			byKey[k] = op
			ops = append(ops, op)
		}
		call := c.call
		for _, e := range c.args {
			call.Args = append(call.Args, add(e))
		}
		if c.filter != nil {
			call.Filter = add(c.filter)
		}
		op.Calls = append(op.Calls, call)
		members[op] = append(members[op], i)
	}
	node = in
	if len(exprs) > len(in.Schema) {
		node = newProject(in, exprs, names, DeadLetter)
	}
	columns := make([]int, len(w.calls))
	for _, op := range ops {
		for j, i := range members[op] {
			columns[i] = len(node.Schema) + j
		}
		node = newOver(node, op)
	}
	return node, func(e expr.Expr) expr.Expr {
		return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			c, ok := x.(*expr.Column)
			if !ok || c.Index < overBase || c.Index >= srfBase {
				return nil, false
			}
			d := *c
			d.Index = columns[c.Index-overBase]
			return &d, true
		})
	}
}

// newOver puts an Over above a node.
func newOver(in *Node, op *Over) *Node {
	schema := slices.Clone(in.Schema)
	for _, c := range op.Calls {
		name, _, _ := strings.Cut(c.Fn, "(")
		_, ranking := rankingFunctions[name]
		schema = append(schema, types.Field{Name: name, Type: c.T, NotNull: ranking || name == "count"})
	}
	return newNode(op, schema, in)
}
