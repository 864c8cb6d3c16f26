package planner

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// codeUndefinedSchema is PostgreSQL's SQLSTATE of a schema that does not exist.
const codeUndefinedSchema types.Code = "3F000"

// call binds a function call: an aggregate, a window of GROUP BY, a special form or a scalar function.
func (b *exprBinder) call(x *sql.FuncCall) (expr.Expr, error) {
	name := strings.ToLower(x.Name.Last().Name)
	if q := x.Name.Qualifier(); len(q) > 0 && q[len(q)-1].Name != "pg_catalog" {
		return nil, types.Errorf(codeUndefinedSchema, "schema %q does not exist", joinIdents(q)).At(x.Name.Span())
	}
	if x.WithinGroup != nil && (!b.reg.IsAggregate(name) || x.Over != nil) {
		if x.Over != nil {
			return nil, types.NotSupported(x.Span(), "WITHIN GROUP with OVER")
		}
		return nil, types.Errorf(types.CodeWrongObjectType, "WITHIN GROUP specified, but %s is not an aggregate function", name).At(x.Span())
	}
	if x.Variadic {
		return nil, types.NotSupported(x.Span(), "VARIADIC arguments")
	}
	if x.Over != nil {
		return b.windowFunc(name, x)
	}
	if onlyOver(name) {
		return nil, types.Errorf(types.CodeWrongObjectType, "window function %s requires an OVER clause", name).At(x.Span())
	}
	if x.Nulls != sql.DefaultNulls {
		return nil, types.NotSupported(x.Span(), "%s", x.Nulls)
	}
	if kind, part, ok := windowFunction(name); ok {
		return b.windowCall(x, kind, part)
	}
	switch {
	case name == "grouping" && b.group != nil && !x.Star:
		return b.groupingCall(x)
	case name == "proctime" && len(x.Args) == 0:
		return &expr.Now{Base: expr.Base{T: types.TimestampTZType, Sp: x.Span()}}, nil
	case b.reg.IsAggregate(name):
		return b.aggregate(name, x)
	case expr.IsTableFunction(name):
		return b.setReturning(name, x)
	}
	if err := plainCall(name, x); err != nil {
		return nil, err
	}
	if e, ok, err := b.sessionCall(name, x.Args, x.Span()); ok {
		return e, err
	}
	args, err := b.bindList(x.Args)
	if err != nil {
		return nil, err
	}
	if name == "coalesce" && slices.ContainsFunc(args, hasSet) {
		return nil, types.Errorf(types.CodeNotSupported, "set-returning functions are not allowed in COALESCE").At(x.Span())
	}
	return b.reg.Func(name, args, x.Span())
}

// plainCall refuses what only aggregates can have.
func plainCall(name string, x *sql.FuncCall) error {
	wrong := ""
	switch {
	case x.Star:
		return types.Errorf(types.CodeUndefinedFunction, "function %s() does not exist", name).At(x.Span()).
			WithHint("%s is not an aggregate function: name its arguments", name)
	case x.Distinct:
		wrong = "DISTINCT"
	case len(x.OrderBy) > 0:
		wrong = "ORDER BY"
	case x.Filter != nil:
		wrong = "FILTER"
	default:
		return nil
	}
	return types.Errorf(types.CodeWrongObjectType, "%s specified, but %s is not an aggregate function", wrong, name).At(x.Span())
}

// aggBase is where the columns begin that stand for aggregates until the Aggregate is built; no input is as wide.
const aggBase = 1 << 24

// aggCall is one aggregate of a grouping; its expressions are over the grouping's input.
type aggCall struct {
	fn       *expr.Aggregate
	args     []expr.Expr
	filter   expr.Expr // or nil
	distinct bool
	order    []aggOrder
}

type aggOrder struct {
	x                expr.Expr
	desc, nullsFirst bool
}

// key is equal for aggregates that can share one column.
func (a *aggCall) key() string {
	var s strings.Builder
	s.WriteString(a.fn.ID)
	for _, e := range a.args {
		s.WriteString("|" + exprKey(e))
	}
	if a.distinct {
		s.WriteString("|distinct")
	}
	if a.filter != nil {
		s.WriteString("|filter " + exprKey(a.filter))
	}
	for _, o := range a.order {
		s.WriteString("|order " + exprKey(o.x))
		if o.desc {
			s.WriteString(" desc")
		}
		if o.nullsFirst {
			s.WriteString(" nulls first")
		}
	}
	return s.String()
}

// ignoresDuplicates are the aggregates for which DISTINCT changes nothing.
var ignoresDuplicates = []expr.AggKind{
	expr.Min, expr.Max, expr.BoolAnd, expr.BoolOr, expr.BitAnd, expr.BitOr, expr.ApproxCountDistinct, expr.AnyValue,
}

// aggregate binds the call of an aggregate to a column that stands for it.
func (b *exprBinder) aggregate(name string, x *sql.FuncCall) (expr.Expr, error) {
	var refused error // unless it is of a query around
	switch {
	case b.inAggregate:
		return nil, types.Errorf(types.CodeGrouping, "aggregate function calls cannot be nested").At(x.Span()).
			WithHint("compute the inner one in a subquery in FROM")
	case b.group == nil:
		err := types.Errorf(types.CodeGrouping, "aggregate functions are not allowed in %s", b.clause).At(x.Span())
		if b.clause == "WHERE" {
			err = err.WithHint("conditions on aggregates stand in HAVING")
		}
		if refused = err; b.lambda == nil {
			return nil, refused
		}
	}
	inner := *b
	inner.inAggregate, inner.over, inner.srfs = true, nil, nil
	args, err := inner.bindList(x.Args)
	if err != nil {
		return nil, err
	}
	order := x.OrderBy
	if x.WithinGroup != nil {
		if args, order, err = inner.withinGroup(x, args); err != nil {
			return nil, err
		}
	}
	written := args
	fn, args, err := b.resolveAggregate(name, x, args)
	if err != nil {
		return nil, err
	}
	call := &aggCall{fn: fn, distinct: x.Distinct, args: args}
	if x.Filter != nil {
		inner.clause = "FILTER"
		if call.filter, err = inner.bindBool(x.Filter, "FILTER"); err != nil {
			return nil, err
		}
	}
	for _, o := range order {
		e, err := inner.bind(o.X)
		if err != nil {
			return nil, err
		}
		if e.Type().Kind == types.Unknown {
			if e, err = expr.Cast(e, types.TextType, expr.Implicit); err != nil {
				return nil, err
			}
		}
		if x.Distinct && !slices.ContainsFunc(slices.Concat(call.args, written), func(a expr.Expr) bool { return sameExpr(a, e) }) {
			return nil, types.Errorf(types.CodeInvalidColumnRef, "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list").At(o.Span())
		}
		call.order = append(call.order, aggOrder{x: e, desc: o.Desc, nullsFirst: nullsFirst(o)})
	}
	if slices.Contains(ignoresDuplicates, fn.Kind) {
		call.distinct = false
	}
	if !fn.Ordered {
		call.order = nil
	}
	if fn.Kind == expr.JSONAgg && len(call.order) == 0 && written[0].Type().Kind != types.JSONB && written[0].Type().Kind != types.Unknown {
		call.order = []aggOrder{{x: written[0]}} // in the order of the values, not of their JSON texts
	}
	if e, err := b.outerAggregate(call, x.Span()); e != nil || err != nil {
		return e, err
	}
	if refused != nil {
		return nil, refused
	}
	return b.group.aggregateColumn(call, x.Span()), nil
}

// checkWithinGroup: ordered-set aggregates are written with WITHIN GROUP, others are not.
func checkWithinGroup(name string, fn *expr.Aggregate, x *sql.FuncCall) error {
	switch {
	case fn.WithinGroup == (x.WithinGroup != nil):
		return nil
	case fn.WithinGroup:
		return types.Errorf(types.CodeWrongObjectType, "WITHIN GROUP is required for ordered-set aggregate %s", name).At(x.Span())
	}
	return types.Errorf(types.CodeWrongObjectType, "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP", name).At(x.Span())
}

// withinGroup returns the arguments of an ordered-set aggregate (the value that it orders by, then those in parentheses) and its order.
func (b *exprBinder) withinGroup(x *sql.FuncCall, args []expr.Expr) ([]expr.Expr, []sql.OrderItem, error) {
	name := strings.ToLower(x.Name.Last().Name)
	if !slices.ContainsFunc(b.reg.Aggregates(), func(a *expr.Aggregate) bool { return a.Name == name && a.WithinGroup }) {
		return nil, nil, checkWithinGroup(name, &expr.Aggregate{}, x)
	}
	switch {
	case len(x.WithinGroup) != 1:
		return nil, nil, types.Errorf(types.CodeUndefinedFunction, "WITHIN GROUP wants one expression to order by, not %d", len(x.WithinGroup)).At(x.Span())
	case len(x.OrderBy) > 0:
		return nil, nil, types.Errorf(types.CodeSyntax, "cannot use multiple ORDER BY clauses with WITHIN GROUP").At(x.Span())
	case x.Distinct:
		return nil, nil, types.Errorf(types.CodeSyntax, "cannot use DISTINCT with WITHIN GROUP").At(x.Span())
	}
	for _, a := range args {
		if !b.reg.IsConst(a) {
			return nil, nil, types.NotSupported(a.Span(), "a direct argument of WITHIN GROUP that is not constant")
		}
	}
	value, err := b.bind(x.WithinGroup[0].X)
	if err != nil {
		return nil, nil, err
	}
	return append([]expr.Expr{value}, args...), x.WithinGroup, nil
}

func jsonAggregate(name string) bool {
	return name == "jsonb_agg" || name == "json_agg" || name == "jsonb_object_agg" || name == "json_object_agg"
}

// jsonArgs converts the arguments of an aggregate over JSON as to_jsonb does, and keys to the text of that.
func (b *exprBinder) jsonArgs(name string, args []expr.Expr, sp types.Span) ([]expr.Expr, error) {
	out := make([]expr.Expr, len(args))
	for i, a := range args {
		key := i == 0 && strings.HasSuffix(name, "object_agg")
		t := a.Type()
		switch {
		case key && t.Kind == types.Text || !key && t.Kind == types.JSONB:
			out[i] = a
			continue
		case key && (t.Kind == types.Array || t.Kind == types.JSONB):
			return nil, types.Errorf(types.CodeInvalidParameter, "key value must be scalar, not array, composite, or json").At(a.Span())
		case t.Kind == types.Unknown:
			var err error
			if a, err = expr.Cast(a, types.TextType, expr.Implicit); err != nil {
				return nil, err
			}
			if key {
				out[i] = a
				continue
			}
		}
		e, err := b.reg.Func("to_jsonb", []expr.Expr{a}, sp)
		if err != nil {
			return nil, err
		}
		if key {
			path := &expr.Literal{Base: expr.Base{T: types.ArrayOf(types.TextType), Sp: sp}, Value: []any{}}
			if e, err = b.reg.Op("#>>", []expr.Expr{e, path}, sp); err != nil {
				return nil, err
			}
		}
		out[i] = e
	}
	return out, nil
}

// nullsFirst says where NULLs stand: last if ascending, first if descending, unless it is written.
func nullsFirst(o sql.OrderItem) bool {
	if o.Nulls == sql.NullsDefault {
		return o.Desc
	}
	return o.Nulls == sql.NullsFirst
}

func (b *exprBinder) keyword(x *sql.KeywordFunc) (expr.Expr, error) {
	switch x.Name {
	case "current_date", "localtime", "current_timestamp", "localtimestamp":
		e, err := b.reg.Func(x.Name, nil, x.Span())
		if err != nil || x.Precision < 0 || x.Precision >= 6 {
			return e, err
		}
		t := e.Type()
		t.Precision = int16(x.Precision) + 1
		return expr.Cast(e, t, expr.Explicit)
	}
	if e, ok, err := b.sessionCall(x.Name, nil, x.Span()); ok {
		return e, err
	}
	return nil, types.NotSupported(x.Span(), "%s", strings.ToUpper(x.Name))
}

func (b *exprBinder) atTimeZone(x *sql.AtTimeZoneExpr) (expr.Expr, error) {
	v, err := b.bind(x.X)
	if err != nil {
		return nil, err
	}
	var zone expr.Expr = &expr.Literal{Base: expr.Base{T: types.TextType, Sp: x.Span()}, Value: b.zone()}
	if x.Zone != nil {
		if zone, err = b.bind(x.Zone); err != nil {
			return nil, err
		}
	}
	return b.reg.Func("timezone", []expr.Expr{zone, v}, x.Span())
}

func (b *binder) zone() string {
	if b.set.TimeZone == "" {
		return "UTC"
	}
	return b.set.TimeZone
}

// likeKinds are the kinds of LIKE as expr names them.
var likeKinds = map[sql.LikeKind]expr.LikeKind{sql.Like: expr.Like, sql.ILike: expr.ILike, sql.SimilarTo: expr.SimilarTo}

func (b *exprBinder) like(x *sql.LikeExpr) (expr.Expr, error) {
	v, pattern, err := b.pair(x.X, x.Pattern)
	if err != nil {
		return nil, err
	}
	var escape expr.Expr
	if x.Escape != nil {
		if escape, err = b.bind(x.Escape); err != nil {
			return nil, err
		}
	}
	return b.reg.NewLike(likeKinds[x.Kind], v, pattern, escape, x.Not, x.Span())
}
