package planner

import (
	"math"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// temporalFilters turns filters on the current time into TemporalFilters: rows come and go as the clock passes.
//
//	Filter(p AND ts > now() - '5 minutes')(x)  =>  Project *(TemporalFilter until $until(Project *, ts + '5 minutes' AS $until(Filter(p)(x))))
//
// A condition is solved for now(): what is compared with it must be an expression over columns, and now() may be shifted by intervals of
// fixed length, converted between types in UTC, and cut by date_trunc or to a date. A condition of the filter that can fail stays above, where
// it sees no row that the time keeps from it. Where all rows are read once, a snapshot or an append-only input that ends, the filter stays.
//
// Errors: CodeNotSupported for conditions that are not solved.
func (r *rewriter) temporalFilters(root *Node) (*Node, error) {
	if r.snapshot {
		return root, nil
	}
	var failed error
	convert := func(n *Node) *Node {
		f, ok := n.Op.(*Filter)
		if !ok || failed != nil || !readsClock(f.Pred) {
			return n
		}
		if in := r.props(n.in()); in.Bounded && in.AppendOnly && !r.kept {
			return n
		}
		out, err := r.temporalFilter(n.in(), f)
		if err != nil {
			failed = err
			return n
		}
		return out
	}
	root = bottomUp(bottomUp(root, r.mergeClockFilters), func(n *Node) *Node {
		j, ok := n.Op.(*Join)
		if !ok || j.On == nil || !readsClock(j.On) {
			return convert(n)
		}
		if j.Kind != InnerJoin {
			if failed == nil {
				failed = types.NotSupported(clockSpan(j.On), "the current time in the condition of this join").
					WithHint("filter its inputs in subqueries in FROM")
			}
			return n
		}
		var on, clock []expr.Expr
		for _, e := range conjuncts(j.On) {
			if readsClock(e) {
				clock = append(clock, e)
			} else {
				on = append(on, e)
			}
		}
		c := *j
		c.On = conjunction(on)
		return convert(newFilter(n.withOp(&c, n.Schema), conjunction(clock), j.OnError))
	})
	return root, failed
}

// mergeClockFilters makes one filter of two on the current time.
func (r *rewriter) mergeClockFilters(n *Node) *Node {
	above, ok := n.Op.(*Filter)
	if !ok || !readsClock(above.Pred) {
		return n
	}
	below, ok := n.in().Op.(*Filter)
	if !ok || !readsClock(below.Pred) {
		return n
	}
	for _, e := range conjuncts(below.Pred) {
		if !readsClock(e) && r.reg.Fallible(e) {
			return n
		}
	}
	return newFilter(n.in().in(), conjunction(append(conjuncts(below.Pred), conjuncts(above.Pred)...)), above.OnError)
}

func (r *rewriter) temporalFilter(in *Node, f *Filter) (*Node, error) {
	var below, above []expr.Expr
	s := &clockSolver{r: r}
	for _, e := range conjuncts(f.Pred) {
		switch {
		case readsClock(e):
			if err := s.condition(e); err != nil {
				return nil, err
			}
		case r.reg.Fallible(e):
			above = append(above, e)
		default:
			below = append(below, e)
		}
	}
	if len(below) > 0 {
		in = newFilter(in, conjunction(below), f.OnError)
	}
	op := &TemporalFilter{From: -1, Until: -1}
	var known []expr.Expr // conditions that no bound is NULL, where several are merged
	merge := func(list []clockBound, fn string) (expr.Expr, bool, error) {
		e, open, err := s.merge(list, fn)
		if err != nil || e == nil {
			return nil, false, err
		}
		for _, b := range list {
			if len(list) == 1 || notNull(b.at, in.Schema) {
				continue
			}
			k, err := r.reg.Op("is not null", []expr.Expr{b.at}, b.at.Span())
			if err != nil {
				return nil, false, err
			}
			known = append(known, k)
		}
		return e, open, nil
	}
	from, fromOpen, err := merge(s.from, "greatest")
	if err != nil {
		return nil, err
	}
	until, untilOpen, err := merge(s.until, "least")
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		in = newFilter(in, conjunction(known), f.OnError)
	}
	exprs, names := columnExprs(in.Schema), schemaNames(in.Schema)
	column := func(e expr.Expr, name string) int {
		if e == nil || columnOf(e) >= 0 {
			return columnOf(e)
		}
		exprs, names = append(exprs, e), append(names, name)
		return len(exprs) - 1
	}
	op.From, op.FromOpen = column(from, "$from"), fromOpen
	op.Until, op.UntilOpen = column(until, "$until"), untilOpen
	node := in
	if len(exprs) > len(in.Schema) {
		node = newProject(in, exprs, names, DeadLetter)
	}
	out := newNode(op, node.Schema, node)
	if len(node.Schema) > len(in.Schema) {
		out = reproject(out, columnExprs(in.Schema), in.Schema, DeadLetter)
	}
	if len(above) > 0 {
		out = newFilter(out, conjunction(above), f.OnError)
	}
	return out, nil
}

// clockSolver solves conditions for the current time.
type clockSolver struct {
	r           *rewriter
	from, until []clockBound
}

// clockBound is a bound of the time in which a row is there: a timestamptz over the columns of the row. open is that of FromOpen or UntilOpen.
type clockBound struct {
	at   expr.Expr
	open bool
}

// merge makes one bound of several: the last one to come, the first one to go.
func (s *clockSolver) merge(list []clockBound, fn string) (expr.Expr, bool, error) {
	switch len(list) {
	case 0:
		return nil, false, nil
	case 1:
		return list[0].at, list[0].open, nil
	}
	exprs := make([]expr.Expr, len(list))
	for i, b := range list {
		exprs[i] = b.at
		if b.open { // the next microsecond, as both from > x and until <= x end there
			var err error
			if exprs[i], err = s.shift("+", b.at, types.MicrosOf(1)); err != nil {
				return nil, false, err
			}
		}
	}
	e, err := s.r.reg.Func(fn, exprs, exprs[0].Span())
	return e, false, err
}

func unsolvedClock(e expr.Expr, why string) error {
	return types.NotSupported(clockSpan(e), "the current time in a condition of this form%s", why).
		WithHint("compare an expression over columns with now(), now() - INTERVAL '5 minutes', current_date or date_trunc('hour', now())")
}

// condition adds the bounds that a conjunct means.
func (s *clockSolver) condition(e expr.Expr) error {
	if l, ok := e.(*expr.Logic); ok && l.Or {
		return s.alternatives(l)
	}
	call, ok := e.(*expr.Call)
	if !ok {
		return unsolvedClock(e, "")
	}
	o := s.r.reg.Lookup(call.Fn)
	if o == nil || !o.Operator || len(call.Args) != 2 {
		return unsolvedClock(e, "")
	}
	a, b, op := call.Args[0], call.Args[1], o.Name
	if readsClock(a) {
		a, b = b, a
		op = map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}[op]
	}
	switch {
	case readsClock(a):
		return unsolvedClock(e, ": it stands on both sides")
	case volatile(s.r.reg, a):
		return unsolvedClock(e, ": the other side is not deterministic")
	}
	switch op {
	case "<", "<=", ">", ">=":
		return s.solve(e, op, a, b)
	case "=":
		if err := s.solve(e, "<=", a, b); err != nil {
			return err
		}
		return s.solve(e, ">=", a, b)
	}
	return unsolvedClock(e, "")
}

// alternatives adds the bound that an OR means, whose arguments all say when a row goes, or all say when it comes, or do not read the clock:
//
//	p OR (q AND ts > now())  =>  until greatest(CASE WHEN p THEN 'infinity' END, CASE WHEN q THEN ts END)
func (s *clockSolver) alternatives(e *expr.Logic) error {
	subs := make([]clockSolver, len(e.Args))
	plain := make([][]expr.Expr, len(e.Args))
	comes, goes := false, false
	for i, a := range e.Args {
		subs[i].r = s.r
		for _, c := range conjuncts(a) {
			if !readsClock(c) {
				plain[i] = append(plain[i], c)
			} else if err := subs[i].condition(c); err != nil {
				return err
			}
		}
		comes, goes = comes || len(subs[i].from) > 0, goes || len(subs[i].until) > 0
	}
	if comes && goes {
		return unsolvedClock(e, ": a row would come and go more than once")
	}
	always, best := int64(math.MaxInt64), "greatest"
	if comes {
		always, best = math.MinInt64, "least"
	}
	var bounds []expr.Expr
	for i, sub := range subs {
		var at expr.Expr = &expr.Literal{Base: expr.Base{T: types.TimestampTZType, Sp: e.Sp}, Value: always}
		conds := plain[i]
		if list, fn := append(sub.from, sub.until...), map[bool]string{true: "greatest", false: "least"}[comes]; len(list) > 0 {
			merged, open, err := s.merge(list, fn)
			if err == nil && open {
				merged, err = s.shift("+", merged, types.MicrosOf(1))
			}
			if err != nil {
				return err
			}
			at = merged
			for _, b := range list {
				if len(list) == 1 { // else the others would be taken for a NULL
					break
				}
				known, err := s.r.reg.Op("is not null", []expr.Expr{b.at}, b.at.Span())
				if err != nil {
					return err
				}
				conds = append(conds, known)
			}
		}
		if len(conds) > 0 {
			at = &expr.Case{Base: expr.Base{T: types.TimestampTZType, Sp: e.Sp}, Whens: []expr.When{{Cond: conjunction(conds), Then: at}}}
		}
		bounds = append(bounds, at)
	}
	bound, err := s.r.reg.Func(best, bounds, e.Sp)
	if err != nil {
		return err
	}
	if comes {
		s.from = append(s.from, clockBound{at: bound})
	} else {
		s.until = append(s.until, clockBound{at: bound})
	}
	return nil
}

// solve adds the bound that a op b means, where a is over columns and b reads the clock; whole is the condition, for errors.
func (s *clockSolver) solve(whole expr.Expr, op string, a, b expr.Expr) error {
	a, b, err := s.alike(a, b)
	if err != nil {
		return err
	}
	if _, ok := b.(*expr.Now); ok {
		switch op {
		case "<", "<=":
			s.from = append(s.from, clockBound{a, op == "<"})
		default:
			s.until = append(s.until, clockBound{a, op == ">="})
		}
		return nil
	}
	call, ok := b.(*expr.Call)
	o := (*expr.Overload)(nil)
	if ok {
		o = s.r.reg.Lookup(call.Fn)
	}
	switch {
	case o == nil:
		return unsolvedClock(whole, "")
	case o.Category == expr.CatCast:
		return s.converted(whole, op, a, call)
	case o.Name == "timezone" && len(call.Args) == 2:
		if !isUTC(constantText(call.Args[0])) || constantText(call.Args[0]) == "" {
			return unsolvedClock(whole, ": in a time zone other than UTC")
		}
		back, err := s.r.reg.Func("timezone", []expr.Expr{call.Args[0], a}, a.Span())
		if err != nil {
			return err
		}
		return s.solve(whole, op, back, call.Args[1])
	case o.Name == "date_trunc" && len(call.Args) == 2:
		unit, ok := truncLengths[strings.TrimSuffix(strings.ToLower(constantText(call.Args[0])), "s")]
		if !ok {
			return unsolvedClock(whole, "")
		}
		return s.cut(whole, op, a, call.Args[1], call.Args[0], unit)
	case (o.Name == "+" || o.Name == "-") && len(call.Args) == 2:
		return s.shifted(whole, op, a, call, o.Name)
	}
	return unsolvedClock(whole, "")
}

// alike brings both sides to one type: a timestamp with time zone if one is, else a timestamp if one is.
func (s *clockSolver) alike(a, b expr.Expr) (expr.Expr, expr.Expr, error) {
	rank := []types.Kind{types.Date, types.Timestamp, types.TimestampTZ}
	i, j := slices.Index(rank, a.Type().Kind), slices.Index(rank, b.Type().Kind)
	if i < 0 || j < 0 || i == j {
		return a, b, nil
	}
	want := []types.Type{types.DateType, types.TimestampType, types.TimestampTZType}[max(i, j)]
	var err error
	if i < j {
		a, err = expr.Cast(a, want, expr.Explicit)
	} else {
		b, err = expr.Cast(b, want, expr.Explicit)
	}
	return a, b, err
}

// converted solves a op cast(x).
func (s *clockSolver) converted(whole expr.Expr, op string, a expr.Expr, cast *expr.Call) error {
	x := cast.Args[0]
	from, to := x.Type().Kind, cast.T.Kind
	switch {
	case cast.T != cast.T.Base():
		return unsolvedClock(whole, ": it is rounded")
	case from == to:
		return s.solve(whole, op, a, x)
	case !isUTC(s.r.set.TimeZone):
		return unsolvedClock(whole, ": it depends on a time zone other than UTC")
	case to == types.Date:
		day := &expr.Literal{Base: expr.Base{T: types.TextType, Sp: cast.Sp}, Value: "day"}
		at, err := expr.Cast(a, types.TimestampType, expr.Explicit)
		if err != nil {
			return err
		}
		local, err := expr.Cast(x, types.TimestampType, expr.Explicit)
		if err != nil {
			return err
		}
		if a.Type().Kind != types.Date {
			return s.cut(whole, op, at, local, day, types.IntervalValue{Days: 1})
		}
		if op == "<" || op == ">=" { // a is the start of a day
			if at, err = s.shift("+", at, types.IntervalValue{Days: 1}); err != nil {
				return err
			}
		}
		return s.solve(whole, map[string]string{"<": "<=", "<=": "<=", ">": ">", ">=": ">"}[op], at, local)
	case from == types.Timestamp && to == types.TimestampTZ, from == types.TimestampTZ && to == types.Timestamp:
		back, err := expr.Cast(a, x.Type(), expr.Explicit)
		if err != nil {
			return err
		}
		return s.solve(whole, op, back, x)
	case from == types.Date: // the start of a day
		local, err := expr.Cast(a, types.TimestampType, expr.Explicit)
		if err != nil {
			return err
		}
		inner, ok := x.(*expr.Call)
		if !ok {
			break
		}
		if o := s.r.reg.Lookup(inner.Fn); o != nil && o.Category == expr.CatCast {
			day := &expr.Literal{Base: expr.Base{T: types.TextType, Sp: cast.Sp}, Value: "day"}
			now, err := expr.Cast(inner.Args[0], types.TimestampType, expr.Explicit)
			if err != nil {
				return err
			}
			return s.cut(whole, op, local, now, day, types.IntervalValue{Days: 1})
		}
		if days, sign, ok := s.wholeDays(inner); ok { // (day of x) + n: the day of x is local - n
			moved, err := s.shift(sign, local, days)
			if err != nil {
				return err
			}
			back, err := expr.Cast(inner.Args[0], types.TimestampType, expr.Explicit)
			if err != nil {
				return err
			}
			return s.solve(whole, op, moved, back)
		}
	}
	return unsolvedClock(whole, "")
}

// wholeDays reads a date plus or minus a constant number of days: the interval, and the operator that takes it back.
func (s *clockSolver) wholeDays(call *expr.Call) (v types.IntervalValue, back string, ok bool) {
	o := s.r.reg.Lookup(call.Fn)
	if o == nil || len(call.Args) != 2 || call.Args[0].Type().Kind != types.Date {
		return v, "", false
	}
	n, ok := integer(call.Args[1])
	if !ok || n > 1e6 || n < -1e6 {
		return v, "", false
	}
	return types.IntervalValue{Days: int32(n)}, map[string]string{"+": "-", "-": "+"}[o.Name], true
}

// shifted solves a op (x + y) and a op (x - y).
func (s *clockSolver) shifted(whole expr.Expr, op string, a expr.Expr, call *expr.Call, sign string) error {
	x, y := call.Args[0], call.Args[1]
	if sign == "+" && readsClock(y) {
		x, y = y, x
	}
	back := map[string]string{"+": "-", "-": "+"}[sign]
	switch {
	case call.T.Kind == types.Interval, call.T.Kind == types.Int4: // the time between two points: a op x - y
		return s.distance(whole, op, a, x, y)
	case !readsClock(x) || readsClock(y):
		return unsolvedClock(whole, "")
	case y.Type().Kind == types.Interval:
		lit, ok := y.(*expr.Literal)
		v, isValue := types.IntervalValue{}, false
		if ok {
			v, isValue = lit.Value.(types.IntervalValue)
		}
		switch {
		case !isValue:
			return unsolvedClock(whole, ": the interval is not a constant")
		case v.Months != 0:
			return unsolvedClock(whole, ": months are of different lengths (write days)")
		case v.Days != 0 && !isUTC(s.r.set.TimeZone):
			return unsolvedClock(whole, ": days are of different lengths in a time zone other than UTC (write hours)")
		}
		if x.Type().Kind == types.Date {
			var err error
			if x, err = expr.Cast(x, types.TimestampType, expr.Explicit); err != nil {
				return err
			}
		}
		moved, err := s.shift(back, a, v)
		if err != nil {
			return err
		}
		return s.solve(whole, op, moved, x)
	case call.T.Kind == types.Date: // by whole days
		moved, err := s.r.reg.Op(back, []expr.Expr{a, y}, a.Span())
		if err != nil {
			return err
		}
		return s.solve(whole, op, moved, x)
	}
	return unsolvedClock(whole, "")
}

// distance solves a op (x - y), where a is an interval, or a number of days between dates, and x or y reads the clock: intervals compare by their length, of days of 24 hours
// and months of 30 days.
func (s *clockSolver) distance(whole expr.Expr, op string, a, x, y expr.Expr) error {
	lit, ok := a.(*expr.Literal)
	v, isValue := types.IntervalValue{}, false
	if ok {
		v, isValue = lit.Value.(types.IntervalValue)
	}
	if days, ok := integer(a); ok && days < 1e7 && days > -1e7 { // between dates
		v, isValue = types.IntervalValue{Days: int32(days)}, true
	}
	if !isValue || v.Months > 1e5 || v.Months < -1e5 || v.Days > 1e7 || v.Days < -1e7 {
		return unsolvedClock(whole, ": the interval is not a constant")
	}
	length := types.MicrosOf((int64(v.Months)*30+int64(v.Days))*dayMicros + v.Micros)
	if readsClock(x) { // v op x - y: y + v op x
		if readsClock(y) {
			return unsolvedClock(whole, "")
		}
		at, err := s.shift("+", y, length)
		if err != nil {
			return err
		}
		return s.solve(whole, op, at, x)
	}
	at, err := s.shift("-", x, length) // v op x - y: y op x - v, and the clock on the right: x - v flipped y
	if err != nil {
		return err
	}
	return s.solve(whole, map[string]string{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[op], at, y)
}

// truncLengths are the units of date_trunc.
var truncLengths = map[string]types.IntervalValue{
	"microsecond": {Micros: 1}, "millisecond": {Micros: 1e3}, "second": {Micros: 1e6}, "minute": {Micros: 60e6}, "hour": {Micros: 3600e6},
	"day": {Days: 1}, "week": {Days: 7}, "month": {Months: 1}, "quarter": {Months: 3}, "year": {Months: 12},
}

// cut solves a op date_trunc(unit, x), with c(a) = a cut to the unit, and up(a) = the first start of a unit that is not before a:
//
//	a < cut(x): x >= c(a) + 1 unit     a <= cut(x): x >= up(a)     a > cut(x): x < up(a)     a >= cut(x): x < c(a) + 1 unit
func (s *clockSolver) cut(whole expr.Expr, op string, a, x, unit expr.Expr, length types.IntervalValue) error {
	if !isUTC(s.r.set.TimeZone) {
		return unsolvedClock(whole, ": it depends on a time zone other than UTC")
	}
	var err error
	if op == "<=" || op == ">" {
		if a, err = s.shift("-", a, types.MicrosOf(1)); err != nil {
			return err
		}
	}
	if a, err = s.r.reg.Func("date_trunc", []expr.Expr{unit, a}, a.Span()); err != nil {
		return err
	}
	if a, err = s.shift("+", a, length); err != nil {
		return err
	}
	return s.solve(whole, map[string]string{"<": "<=", "<=": "<=", ">": ">", ">=": ">"}[op], a, x)
}

// shift adds or subtracts a constant interval.
func (s *clockSolver) shift(sign string, a expr.Expr, v types.IntervalValue) (expr.Expr, error) {
	if a.Type().Kind == types.Date {
		var err error
		if a, err = expr.Cast(a, types.TimestampType, expr.Explicit); err != nil {
			return nil, err
		}
	}
	e, err := s.r.reg.Op(sign, []expr.Expr{a, &expr.Literal{Base: expr.Base{T: types.IntervalType, Sp: a.Span()}, Value: v}}, a.Span())
	if err != nil {
		return nil, err
	}
	return s.r.reg.Fold(e), nil
}
