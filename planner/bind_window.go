package planner

import (
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Windows are written in three ways, which give one plan:
//
//	FROM TUMBLE(bids, ts, INTERVAL '10 seconds')
//	FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
//	GROUP BY TUMBLE(ts, INTERVAL '10' SECOND), with TUMBLE_START(...), TUMBLE_END(...), TUMBLE_ROWTIME(...)

var windowKinds = map[string]WindowKind{"tumble": Tumble, "hop": Hop, "cumulate": Cumulate, "session": Session}

// String returns the name of the window function.
func (k WindowKind) String() string { return [...]string{"tumble", "hop", "cumulate", "session"}[k] }

// windowFunction splits the name of a window function or of its auxiliaries: tumble, tumble_start, hop_end ...
func windowFunction(name string) (kind WindowKind, part string, ok bool) {
	base, part, _ := strings.Cut(name, "_")
	if kind, ok = windowKinds[base]; !ok {
		return 0, "", false
	}
	switch part {
	case "", "start", "end", "rowtime", "proctime":
		return kind, part, part != "" || base == name
	}
	return 0, "", false
}

// isWindowFunction reports whether name is tumble, hop, cumulate or session.
func isWindowFunction(name string) bool {
	_, ok := windowKinds[strings.ToLower(name)]
	return ok
}

// windowParams names the parameters of the window functions behind the time column, in the order of positional arguments.
var windowParams = map[WindowKind][]string{
	Tumble:   {"size", "offset", "time_zone"},
	Hop:      {"slide", "size", "offset", "time_zone"},
	Cumulate: {"step", "size", "offset", "time_zone"},
	Session:  {"gap"},
}

// windowAliases are other names under which named arguments are known.
var windowAliases = map[string]string{
	"hop_size": "slide", "window_size": "size", "window_slide": "slide", "max_size": "size", "timezone": "time_zone", "zone": "time_zone",
	"data": "table", "time_col": "timecol", "time": "timecol",
}

// windowArgs sorts the arguments of a window function by their names.
//
// Errors: unknown or repeated names, missing and superfluous arguments.
func windowArgs(x *sql.FuncCall, kind WindowKind, leading ...string) (map[string]sql.Expr, error) {
	params := append(append([]string{}, leading...), windowParams[kind]...)
	args := map[string]sql.Expr{}
	named := false
	for i, a := range x.Args {
		name := ""
		value := a
		if n, ok := a.(*sql.NamedArg); ok {
			named = true
			name, value = strings.ToLower(n.Name.Name), n.Value
			if alias, ok := windowAliases[name]; ok {
				name = alias
			}
			if !containsString(params, name) {
				err := types.Errorf(types.CodeUndefinedFunction, "%s has no parameter %q", kind, n.Name.Name).At(n.Span())
				if near := types.Nearest(name, params); near != "" {
					return nil, err.WithHint("did you mean %q?", near)
				}
				return nil, err.WithHint("it has: %s", strings.Join(params, ", "))
			}
		} else {
			if named {
				return nil, types.Errorf(types.CodeSyntax, "positional argument cannot follow named argument").At(a.Span())
			}
			if i >= len(params) {
				return nil, types.Errorf(types.CodeUndefinedFunction, "%s takes at most %d arguments", kind, len(params)).At(a.Span()).
					WithHint("they are: %s", strings.Join(params, ", "))
			}
			name = params[i]
		}
		if args[name] != nil {
			return nil, types.Errorf(types.CodeSyntax, "argument %q is given twice", name).At(a.Span())
		}
		args[name] = value
	}
	for _, p := range params {
		if args[p] == nil && p != "offset" && p != "time_zone" {
			return nil, types.Errorf(types.CodeUndefinedFunction, "%s needs the argument %q", kind, p).At(x.Span()).
				WithHint("the arguments are: %s", strings.Join(params, ", "))
		}
	}
	return args, nil
}

// windowShape binds the constant arguments of a window over a time column of type t.
func (b *binder) windowShape(x *sql.FuncCall, kind WindowKind, args map[string]sql.Expr, t types.Type) (Window, error) {
	w := Window{Kind: kind}
	get := func(name string) (int64, error) {
		if args[name] == nil {
			return 0, nil
		}
		return b.constantInterval(args[name], "the "+name+" of "+kind.String(), name == "offset")
	}
	var err error
	switch kind {
	case Tumble:
		w.Size, err = get("size")
	case Hop:
		if w.Slide, err = get("slide"); err == nil {
			w.Size, err = get("size")
		}
	case Cumulate:
		if w.Slide, err = get("step"); err == nil {
			w.Size, err = get("size")
		}
	case Session:
		w.Size, err = get("gap")
	}
	if err != nil {
		return w, err
	}
	if kind == Hop && w.Slide > w.Size {
		return w, types.Errorf(types.CodeInvalidParameter, "the slide of hop (%s) is longer than its size (%s)", formatMicros(w.Slide), formatMicros(w.Size)).
			At(args["slide"].Span()).WithHint("the arguments are: slide, then size")
	}
	if (kind == Hop || kind == Cumulate) && w.Size/w.Slide > MaxWindowsPerRow {
		return w, types.Errorf(types.CodeInvalidParameter, "each row would be in %d windows, at most %d are possible", w.Size/w.Slide, MaxWindowsPerRow).
			At(args["size"].Span()).WithHint("make the windows of %s shorter, or let them begin further apart than %s", formatMicros(w.Size), formatMicros(w.Slide))
	}
	if kind == Cumulate && w.Size%w.Slide != 0 {
		return w, types.Errorf(types.CodeInvalidParameter, "the size of cumulate (%s) is not a multiple of its step (%s)", formatMicros(w.Size), formatMicros(w.Slide)).
			At(args["size"].Span())
	}
	if w.Offset, err = get("offset"); err != nil {
		return w, err
	}
	period := w.Size
	if kind == Hop {
		period = w.Slide
	}
	w.Offset = ((w.Offset % period) + period) % period
	return w, b.windowZone(&w, args["time_zone"], t)
}

// windowZone sets the time zone of windows of whole days over timestamptz: the one given, or the session's.
func (b *binder) windowZone(w *Window, arg sql.Expr, t types.Type) error {
	whole := w.Size%dayMicros == 0 && w.Slide%dayMicros == 0
	if arg == nil {
		if t.Kind == types.TimestampTZ && whole && w.Kind != Session && !isUTC(b.set.TimeZone) {
			w.Zone = b.set.TimeZone
		}
		return nil
	}
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "a window"}
	e, err := eb.bindTo(arg, types.TextType, expr.Implicit)
	if err != nil {
		return err
	}
	lit, ok := b.fold(e).(*expr.Literal)
	zone, isText := "", false
	if ok {
		zone, isText = lit.Value.(string)
	}
	if !isText {
		return types.Errorf(types.CodeInvalidParameter, "the time zone of a window must be a constant").At(arg.Span())
	}
	if _, err := types.ParseZone(zone); err != nil {
		return at(err, arg.Span())
	}
	if t.Kind != types.TimestampTZ {
		return types.Errorf(types.CodeDatatypeMismatch, "a time zone needs a time column of type timestamp with time zone, this one is %s", t).At(arg.Span())
	}
	if !whole {
		return types.NotSupported(arg.Span(), "a time zone for windows that are not whole days").
			WithHint("shift the windows with an offset")
	}
	if !isUTC(zone) {
		w.Zone = zone
	}
	return nil
}

func isUTC(zone string) bool {
	return zone == "" || strings.EqualFold(zone, "UTC") || strings.EqualFold(zone, "GMT") || strings.EqualFold(zone, "Etc/UTC")
}

const dayMicros = int64(24 * 3600 * 1e6)

// constantInterval reads a constant INTERVAL (or a text that is one) as microseconds; days count 24 hours.
//
// Errors: CodeInvalidParameter for NULL, months, overflow, and for what is not positive unless any is set.
func (b *binder) constantInterval(e sql.Expr, what string, any bool) (int64, error) {
	eb := &exprBinder{binder: b, sc: &scope{}, clause: "a window"}
	x, err := eb.bind(e)
	if err != nil {
		if types.CodeOf(err) == types.CodeUndefinedColumn {
			return 0, types.Errorf(types.CodeInvalidParameter, "%s must be a constant interval", what).At(e.Span())
		}
		return 0, err
	}
	if k := x.Type().Kind; k != types.Interval && k != types.Unknown {
		return 0, types.Errorf(types.CodeDatatypeMismatch, "%s must be an interval, not %s", what, x.Type()).At(e.Span()).
			WithHint("write INTERVAL '10 seconds'")
	}
	if x, err = expr.Cast(x, types.IntervalType, expr.Implicit); err != nil {
		return 0, at(err, e.Span())
	}
	lit, ok := b.fold(x).(*expr.Literal)
	if !ok {
		return 0, types.Errorf(types.CodeInvalidParameter, "%s must be a constant interval", what).At(e.Span())
	}
	v, ok := lit.Value.(types.IntervalValue)
	if !ok {
		return 0, types.Errorf(types.CodeInvalidParameter, "%s must not be NULL", what).At(e.Span())
	}
	if v.Months != 0 {
		return 0, types.Errorf(types.CodeInvalidParameter, "%s must be of fixed length: %s has months, whose length varies", what, v).At(e.Span()).
			WithHint("use days: INTERVAL '30 days'")
	}
	const limit = int64(100*365) * dayMicros
	if int64(v.Days) > limit/dayMicros || int64(v.Days) < -limit/dayMicros || v.Micros > limit || v.Micros < -limit {
		return 0, types.Errorf(types.CodeInvalidParameter, "%s is longer than 100 years", what).At(e.Span())
	}
	us := int64(v.Days)*dayMicros + v.Micros
	if us <= 0 && !any {
		return 0, types.Errorf(types.CodeInvalidParameter, "%s must be greater than zero, not %s", what, v).At(e.Span())
	}
	return us, nil
}

// timeColumn finds the column that windows are assigned by; an expression that is not a column is computed in a Project
// below. proc says that it is the epoch's clock.
func (b *binder) timeColumn(in *Node, e expr.Expr, sp types.Span) (out *Node, col int, proc bool, err error) {
	switch e.Type().Kind {
	case types.Timestamp, types.TimestampTZ:
	default:
		return nil, 0, false, types.Errorf(types.CodeDatatypeMismatch, "the time of a window must be a timestamp, not %s", e.Type()).At(sp).
			WithHint("cast it: CAST(... AS timestamp)")
	}
	if c := columnOf(e); c >= 0 {
		return in, c, isClock(in, c), nil
	}
	_, now := e.(*expr.Now)
	exprs := append(columnExprs(in.Schema), e)
	names := make([]string, 0, len(exprs))
	for _, f := range in.Schema {
		names = append(names, f.Name)
	}
	return newProject(in, exprs, append(names, "$time"), DeadLetter), len(in.Schema), now, nil
}

// isClock reports whether a column is the epoch's clock: PROCTIME().
func isClock(n *Node, col int) bool {
	type place struct {
		n   *Node
		col int
	}
	seen := map[place]bool{} // a union is the clock if all its inputs are: one already looked at says nothing new
	var walk func(n *Node, col int) bool
	walk = func(n *Node, col int) bool {
		if seen[place{n, col}] {
			return true
		}
		seen[place{n, col}] = true
		switch op := n.Op.(type) {
		case *Project:
			if _, ok := op.Exprs[col].(*expr.Now); ok {
				return true
			}
			c := columnOf(op.Exprs[col])
			return c >= 0 && walk(n.in(), c)
		case *Filter, *Watermark, *WindowExpand, *SessionExpand:
			return col < len(n.in().Schema) && walk(n.in(), col)
		case *Union:
			for _, in := range n.Inputs {
				if !walk(in, col) {
					return false
				}
			}
			return true
		}
		return false
	}
	return walk(n, col)
}

// fromWindow binds a window table function in FROM.
func (b *binder) fromWindow(t *sql.TableFunc) (*fromItem, error) {
	x := t.Call
	kind := windowKinds[strings.ToLower(x.Name.Last().Name)]
	args, err := windowArgs(x, kind, "table", "timecol")
	if err != nil {
		return nil, err
	}
	item, partitionBy, err := b.windowData(args["table"], x)
	if err != nil {
		return nil, err
	}
	if partitionBy != nil && kind != Session {
		return nil, types.Errorf(types.CodeSyntax, "PARTITION BY is allowed for session windows only").At(partitionBy[0].Span()).
			WithHint("group by the column instead")
	}
	sc := item.scope()
	eb := &exprBinder{binder: b, sc: sc, clause: "a window table function"}
	timeArg := args["timecol"]
	if d, ok := timeArg.(*sql.FuncCall); ok && sql.IsCall(d, "descriptor") {
		if len(d.Args) != 1 {
			return nil, types.Errorf(types.CodeSyntax, "DESCRIPTOR of a window takes one column").At(d.Span())
		}
		timeArg = d.Args[0]
	}
	e, err := eb.bind(timeArg)
	if err != nil {
		return nil, err
	}
	node, col, proc, err := b.timeColumn(item.node, e, timeArg.Span())
	if err != nil {
		return nil, err
	}
	w, err := b.windowShape(x, kind, args, e.Type())
	if err != nil {
		return nil, err
	}
	w.Time, w.ProcTime = col, proc
	var partition []int
	var keys []expr.Expr
	for _, p := range partitionBy {
		k, err := eb.bind(p)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if node, partition, err = asColumns(node, keys); err != nil {
		return nil, err
	}
	windowed := newWindow(node, w, partition)
	cols := append([]fromColumn{}, item.cols...)
	base := len(node.Schema)
	for i := range 3 {
		f := windowed.Schema[base+i]
		for _, c := range item.cols {
			if c.name == f.Name {
				return nil, types.NotSupported(x.Span(), "a window over an input that has a column %q", f.Name).
					WithHint("rename it in a subquery")
			}
		}
		cols = append(cols, fromColumn{name: f.Name, index: base + i})
	}
	name := item.name
	return b.aliased(&fromItem{name: name, node: windowed, cols: cols}, t.Alias)
}

// windowData binds the first argument of a window table function.
func (b *binder) windowData(arg sql.Expr, x *sql.FuncCall) (*fromItem, []sql.Expr, error) {
	switch a := arg.(type) {
	case *sql.ColumnRef:
		item, err := b.fromTable(&sql.TableName{At: a.At, Name: &sql.Name{At: a.At, Parts: a.Parts}})
		return item, nil, err
	case *sql.SubqueryExpr:
		item, err := b.fromQuery(a.Query, sql.Alias{})
		return item, nil, err
	case *sql.TableArg:
		if len(a.OrderBy) > 0 {
			return nil, nil, types.NotSupported(a.OrderBy[0].Span(), "ORDER BY of a table argument")
		}
		if a.Query != nil {
			item, err := b.fromQuery(a.Query, sql.Alias{})
			return item, a.PartitionBy, err
		}
		item, err := b.fromTable(&sql.TableName{At: a.Name.At, Name: a.Name})
		return item, a.PartitionBy, err
	}
	return nil, nil, types.Errorf(types.CodeSyntax, "the first argument of %s in FROM must be a table", strings.ToLower(x.Name.Last().Name)).At(arg.Span()).
		WithHint("write the name of a table or view, or a query in parentheses")
}

// asColumns makes expressions available as columns, in a Project above in where one is not a column already.
func asColumns(in *Node, keys []expr.Expr) (*Node, []int, error) {
	var cols []int
	exprs := columnExprs(in.Schema)
	names := make([]string, len(exprs))
	for i, f := range in.Schema {
		names[i] = f.Name
	}
	for _, k := range keys {
		if c := columnOf(k); c >= 0 {
			cols = append(cols, c)
			continue
		}
		if k.Type().Kind == types.Unknown {
			var err error
			if k, err = expr.Cast(k, types.TextType, expr.Implicit); err != nil {
				return nil, nil, err
			}
		}
		cols = append(cols, len(exprs))
		exprs, names = append(exprs, k), append(names, "$key")
	}
	if len(exprs) == len(in.Schema) {
		return in, cols, nil
	}
	return newProject(in, exprs, names, DeadLetter), cols, nil
}
