package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// srfBase is where the columns begin that stand for set-returning functions until the TableFunc nodes are built; no input is as wide.
const srfBase = aggBase << 3

// setCalls collects the set-returning functions of a select list, GROUP BY and ORDER BY while they are bound, and then makes
// TableFunc nodes.
//
// While binding, a call is the column srfBase+i. Those of one level of nesting run side by side; the arguments of a call may hold calls
// of lower levels.
type setCalls struct {
	calls []setCall
	index map[string]int
}

// setCall is one call of a set-returning function.
type setCall struct {
	fn    *expr.TableFunction
	args  []expr.Expr
	level int // 0: no other call in its arguments
}

func newSetCalls() *setCalls { return &setCalls{index: map[string]int{}} }

// setReturning binds a set-returning function outside of FROM to the column that stands for it.
//
// Errors: CodeNotSupported where none is allowed; CodeUndefinedFunction.
func (b *exprBinder) setReturning(name string, x *sql.FuncCall) (expr.Expr, error) {
	refused := func(format string, args ...any) error {
		return types.Errorf(types.CodeNotSupported, format, args...).At(x.Span()).WithHint("move the function into FROM: FROM t, LATERAL %s(...)", name)
	}
	switch {
	case b.inAggregate:
		return nil, refused("aggregate function calls cannot contain set-returning function calls")
	case b.inWindow:
		return nil, refused("window function calls cannot contain set-returning function calls")
	case b.srfs == nil:
		return nil, refused("set-returning functions are not allowed in %s", b.clause)
	}
	if err := plainCall(name, x); err != nil {
		return nil, err
	}
	if name == "unnest" && len(x.Args) > 1 {
		return nil, types.Errorf(types.CodeUndefinedFunction, "unnest of several arrays is possible in FROM only").At(x.Span())
	}
	args, err := b.bindList(x.Args)
	if err != nil {
		return nil, err
	}
	fn, args, err := resolveTableFunction(name, args, x.Span())
	if err != nil {
		return nil, err
	}
	if len(fn.Columns) != 1 {
		return nil, types.NotSupported(x.Span(), "%s as a value: its rows have several columns", name).
			WithHint("move the function into FROM: FROM t, LATERAL %s(...)", name)
	}
	return b.srfs.column(b.reg, setCall{fn: fn, args: args}, x.Span()), nil
}

// resolveTableFunction finds the set-returning function of that name and casts its arguments.
func resolveTableFunction(name string, args []expr.Expr, sp types.Span) (*expr.TableFunction, []expr.Expr, error) {
	ts := make([]types.Type, len(args))
	for i, a := range args {
		ts[i] = a.Type()
	}
	fn, err := expr.ResolveTableFunction(name, ts)
	if err != nil {
		return nil, nil, at(err, sp)
	}
	cast := make([]expr.Expr, len(args))
	for i, a := range args {
		cast[i] = a
		if a.Type().Base() == fn.Args[i].Base() {
			continue
		}
		if cast[i], err = expr.Cast(a, fn.Args[i], expr.Implicit); err != nil {
			return nil, nil, at(err, a.Span())
		}
	}
	return fn, cast, nil
}

func isSetColumn(e expr.Expr) bool { return columnOf(e) >= srfBase }

// hasSet reports whether e holds a set-returning function.
func hasSet(e expr.Expr) bool { return anyExpr(e, isSetColumn) }

// column returns the column that stands for a call; equal calls share one, unless they are volatile.
func (s *setCalls) column(reg *expr.Registry, c setCall, sp types.Span) expr.Expr {
	key := c.fn.ID
	shared := true
	for _, a := range c.args {
		key += "|" + exprKey(a)
		shared = shared && !volatile(reg, a)
		expr.Walk(a, func(x expr.Expr) {
			if isSetColumn(x) {
				c.level = max(c.level, s.calls[columnOf(x)-srfBase].level+1)
			}
		})
	}
	i, ok := s.index[key]
	if !ok || !shared {
		i = len(s.calls)
		s.index[key] = i
		s.calls = append(s.calls, c)
	}
	f := c.fn.Columns[0]
	return &expr.Column{Base: expr.Base{T: f.Type, Sp: sp}, Index: srfBase + i, Name: f.Name}
}

// used returns the positions of the calls in expressions, and in the arguments of these, in their order.
func (s *setCalls) used(exprs []expr.Expr) []int {
	var list []int
	var walk func(e expr.Expr)
	walk = func(e expr.Expr) {
		expr.Walk(e, func(x expr.Expr) {
			if !isSetColumn(x) {
				return
			}
			if i := columnOf(x) - srfBase; !slices.Contains(list, i) {
				list = append(list, i)
				for _, a := range s.calls[i].args {
					walk(a)
				}
			}
		})
	}
	for _, e := range exprs {
		walk(e)
	}
	slices.Sort(list)
	return list
}

// build puts the calls that are used in exprs above a node, a TableFunc for each level of nesting; args gives the arguments of a call
// over the node. place moves an expression over the node, with such calls in it, onto the result.
func (s *setCalls) build(in *Node, exprs []expr.Expr, args func(call int) []expr.Expr) (node *Node, place func(expr.Expr) expr.Expr) {
	columns := map[int]int{}
	place = func(e expr.Expr) expr.Expr {
		return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			if !isSetColumn(x) {
				return nil, false
			}
			i, ok := columns[columnOf(x)-srfBase]
			if !ok {
				return x, true
			}
			d := *x.(*expr.Column)
			d.Index = i
			return &d, true
		})
	}
	node = in
	left := s.used(exprs)
	for level := 0; len(left) > 0; level++ {
		op := &TableFunc{}
		added := map[int]int{}
		var later []int
		for _, i := range left {
			c := s.calls[i]
			if c.level != level {
				later = append(later, i)
				continue
			}
			call := TableCall{Fn: c.fn.ID, Columns: c.fn.Columns}
			for _, a := range args(i) {
				call.Args = append(call.Args, place(a))
			}
			added[i] = len(node.Schema) + len(op.Calls)
			op.Calls = append(op.Calls, call)
		}
		left = later
		if len(op.Calls) > 0 {
			node = newTableFunc(node, op)
		}
		for i, c := range added {
			columns[i] = c
		}
	}
	return node, place
}

// newTableFunc puts a TableFunc above a node.
func newTableFunc(in *Node, op *TableFunc) *Node {
	schema := slices.Clone(in.Schema)
	for _, c := range op.Calls {
		for _, f := range c.Columns {
			f.NotNull = f.NotNull && len(op.Calls) == 1 && !op.Outer
			schema = append(schema, f)
		}
	}
	if op.Ordinality {
		schema = append(schema, types.Field{Name: "ordinality", Type: types.Int8Type, NotNull: !op.Outer})
	}
	return newNode(op, schema, in)
}

// refuseRows refuses window functions and set-returning functions, subqueries aside, in a clause that gives one row for each of its
// input.
func refuseRows(e sql.Node, clause string) error {
	var failed error
	sql.Inspect(e, func(n sql.Node) bool {
		switch x := n.(type) {
		case *sql.Query:
			return false
		case *sql.FuncCall:
			switch {
			case failed != nil:
			case x.Over != nil:
				failed = types.Errorf(types.CodeWindowing, "window functions are not allowed in %s", clause).At(x.Span())
			case expr.IsTableFunction(x.Name.Last().Name):
				failed = types.Errorf(types.CodeNotSupported, "set-returning functions are not allowed in %s", clause).At(x.Span())
			}
		}
		return failed == nil
	})
	return failed
}

// tableFunction binds a set-returning function in FROM: f(...) [WITH ORDINALITY] [AS name (columns)]. unnest of several arrays is
// several functions side by side. Its arguments are over no relation; those that refer to others are expr.Outer where that is
// allowed. The item's node has the columns of the function only.
//
// Errors: CodeUndefinedFunction; CodeInvalidColumnRef for too many column aliases.
func (b *binder) tableFunction(x *sql.TableFunc) (*fromItem, error) {
	call := x.Call
	name := strings.ToLower(call.Name.Last().Name)
	if q := call.Name.Qualifier(); len(q) > 0 && q[len(q)-1].Name != "pg_catalog" {
		return nil, types.Errorf(codeUndefinedSchema, "schema %q does not exist", joinIdents(q)).At(call.Name.Span())
	}
	if len(x.ColumnDefs) > 0 {
		return nil, types.Errorf(types.CodeSyntax, "a column definition list is only allowed for functions returning \"record\"").At(x.ColumnDefs[0].Span())
	}
	if err := plainCall(name, call); err != nil {
		return nil, err
	}
	if call.Over != nil {
		return nil, types.Errorf(types.CodeWindowing, "window functions are not allowed in functions in FROM").At(call.Span())
	}
	if onlyOver(name) {
		return nil, types.Errorf(types.CodeWrongObjectType, "window function %s requires an OVER clause", name).At(call.Span())
	}
	if !expr.IsTableFunction(name) && !b.reg.HasFunction(name) {
		return nil, unknownTableFunction(name, call.Name.Span())
	}
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "functions in FROM"}
	args, err := eb.bindList(call.Args)
	if err != nil {
		return nil, err
	}
	op := &TableFunc{Ordinality: x.Ordinality}
	lists := [][]expr.Expr{args}
	if name == "unnest" && len(args) > 1 {
		lists = nil
		for _, a := range args {
			lists = append(lists, []expr.Expr{a})
		}
	}
	if !expr.IsTableFunction(name) && b.reg.HasFunction(name) {
		return b.scalarInFrom(x, eb)
	}
	named := false
	for _, list := range lists {
		c, isSet, err := b.tableCall(name, list, call.Span())
		if err != nil {
			return nil, err
		}
		named = named || isSet
		op.Calls = append(op.Calls, c)
	}
	node := newTableFunc(newNode(&Values{Rows: [][]expr.Expr{{}}}, nil), op)
	item := newFromItem(name, node, len(node.Schema))
	if !x.Alias.Name.IsZero() && len(lists) == 1 && !named {
		item.cols[0].name = x.Alias.Name.Name
	}
	return b.aliased(item, x.Alias)
}

// scalarInFrom binds a function in FROM that gives one value: one row.
func (b *binder) scalarInFrom(x *sql.TableFunc, eb *exprBinder) (*fromItem, error) {
	e, err := eb.bindTyped(x.Call)
	if err != nil {
		return nil, err
	}
	name := outputName(x.Call)
	exprs, names := []expr.Expr{e}, []string{name}
	if x.Ordinality {
		exprs = append(exprs, &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: int64(1)})
		names = append(names, "ordinality")
	}
	item := newFromItem(name, newProject(newNode(&Values{Rows: [][]expr.Expr{{}}}, nil), exprs, names, DeadLetter), len(exprs))
	if !x.Alias.Name.IsZero() {
		item.cols[0].name = x.Alias.Name.Name
	}
	return b.aliased(item, x.Alias)
}

// tableCall binds one function of a TableFunc. named says that its columns have names of their own.
func (b *binder) tableCall(name string, args []expr.Expr, sp types.Span) (call TableCall, named bool, err error) {
	fn, args, err := resolveTableFunction(name, args, sp)
	if err != nil {
		return TableCall{}, false, err
	}
	columns := slices.Clone(fn.Columns)
	return TableCall{Fn: fn.ID, Args: args, Columns: columns}, fn.Named, nil
}

// unknownTableFunction is the error for a function in FROM that there is not.
func unknownTableFunction(name string, sp types.Span) error {
	known := []string{"tumble", "hop", "session", "cumulate"}
	for _, f := range expr.TableFunctions() {
		known = append(known, f.Name)
	}
	err := types.Errorf(types.CodeUndefinedFunction, "table function %q does not exist", name).At(sp)
	if near := types.Nearest(name, known); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}
