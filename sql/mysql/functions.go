package mysql

import (
	"strconv"
	"strings"

	"github.com/xwb1989/sqlparser"

	"github.com/streamsql/streamsql/sql"
)

// renamed are the functions that mean the same under another name.
var renamed = map[string]string{
	"ifnull": "coalesce", "length": "octet_length", "log": "ln", "std": "stddev_pop", "stddev": "stddev_pop",
	"variance": "var_pop", "ucase": "upper", "lcase": "lower", "truncate": "trunc", "trim": "btrim",
	"pow": "power",
}

// extracted are the functions that take a field of a time as a whole number.
var extracted = map[string]string{"year": "year", "quarter": "quarter", "month": "month", "day": "day", "dayofmonth": "day",
	"hour": "hour", "minute": "minute"}

// refusedFunctions mean something else to PostgreSQL, in a way that cannot be translated.
var refusedFunctions = map[string]string{
	"format": "numbers", "ascii": "bytes", "bit_and": "unsigned numbers", "bit_or": "unsigned numbers",
	"bit_xor": "unsigned numbers", "encode": "a password", "decode": "a password", "char": "bytes", "utc_timestamp": "its own clock",
	"utc_date": "its own clock", "utc_time": "its own clock", "database": "a database", "week": "a mode",
	"second": "whole seconds",
}

// translated are the other functions that become something else.
var translated = map[string]bool{"concat": true, "if": true, "isnull": true, "greatest": true, "least": true, "mod": true,
	"curdate": true, "curtime": true, "localtime": true, "current_time": true, "date_add": true, "date_sub": true, "adddate": true,
	"subdate": true, "timestamp": true, "group_concat": true, "substring": true, "substr": true, "mid": true, "left": true, "right": true,
	"convert": true, "cast": true}

// differentFunction reports whether a function of MySQL is not simply the function of that name.
func differentFunction(name string) bool {
	_, other := renamed[name]
	_, field := extracted[name]
	_, refused := refusedFunctions[name]
	return other || field || refused || translated[name] || strings.HasPrefix(name, "json_") || strings.HasPrefix(name, "regexp_")
}

// args converts the arguments of a call; star reports f(*).
func (c *converter) args(list sqlparser.SelectExprs) (args []sql.Expr, star bool) {
	for _, e := range list {
		switch e := e.(type) {
		case *sqlparser.AliasedExpr:
			if !e.As.IsEmpty() {
				c.refuse(c.here(), "an alias of an argument")
			}
			args = append(args, c.expr(e.Expr))
		case *sqlparser.StarExpr:
			if !e.TableName.IsEmpty() || len(list) != 1 {
				c.refuse(c.here(), "t.* as an argument")
			}
			c.take("*")
			star = true
		default:
			c.refuse(c.here(), "this argument")
		}
	}
	return args, star
}

func (c *converter) call(e *sqlparser.FuncExpr) sql.Expr {
	name := strings.ToLower(e.Name.String())
	f := &sql.FuncCall{Name: &sql.Name{}, Distinct: e.Distinct}
	if !e.Qualifier.IsEmpty() {
		f.Name.Parts = append(f.Name.Parts, c.ident(e.Qualifier.String()))
	}
	id := c.ident(e.Name.String())
	f.Name.Parts = append(f.Name.Parts, id)
	f.Name.At = cover(f.Name.Parts[0], id)
	f.Args, f.Star = c.args(e.Exprs)
	f.At = f.Name.At
	for _, a := range f.Args {
		f.At = cover(f, a)
	}
	if c.pos < len(c.toks) && c.toks[c.pos].is(")") { // the closing parenthesis
		f.Place.End = c.toks[c.pos].end
		c.pos++
	}
	if c.err != nil || !e.Qualifier.IsEmpty() {
		return f
	}
	if kind, ok := strings.CutPrefix(name, literalMark); ok {
		return typedLiteral(f, kind)
	}
	if f.Distinct || f.Star {
		if _, ok := renamed[name]; !ok && differentFunction(name) {
			c.refuse(f.At, "%s with DISTINCT or *", name)
		}
	}
	return c.translate(f, name)
}

// typedLiteral makes DATE '...', TIME '...' and TIMESTAMP '...'.
func typedLiteral(f *sql.FuncCall, kind string) sql.Expr {
	v := f.Args[0].(*sql.StringLit)
	at := f.Name.At
	return &sql.TypedLit{At: cover(at, v), Value: v.Value,
		Type: &sql.TypeName{At: at, Name: &sql.Name{At: at, Parts: []sql.Ident{{At: at, Name: kind}}}}}
}

// translate gives a call the meaning that it has in MySQL.
func (c *converter) translate(f *sql.FuncCall, name string) sql.Expr {
	if why, ok := refusedFunctions[name]; ok {
		c.refuse(f.Name.At, "the function %s, which is about %s there,", name, why)
		return f
	}
	if strings.HasPrefix(name, "json_") || strings.HasPrefix(name, "regexp_") {
		c.refuse(f.Name.At, "the function %s", name)
		return f
	}
	if to, ok := renamed[name]; ok && !(name == "log" && len(f.Args) != 1) {
		f.Name.Parts[0].Name = to
		return f
	}
	if field, ok := extracted[name]; ok && len(f.Args) == 1 {
		at := f.Name.At
		x := function(f.At, "extract", &sql.StringLit{At: at, Value: field}, f.Args[0])
		return &sql.CastExpr{At: f.At, X: x, Type: typeName(at, "int")}
	}
	switch {
	case name == "concat" && len(f.Args) > 0:
		return concat(f)
	case name == "if" && len(f.Args) == 3:
		return &sql.CaseExpr{At: f.At, Else: f.Args[2],
			Whens: []sql.When{{At: cover(f.Args[0], f.Args[1]), Cond: f.Args[0], Result: f.Args[1]}}}
	case name == "isnull" && len(f.Args) == 1:
		return &sql.IsExpr{At: f.At, X: f.Args[0], Test: sql.IsNull}
	case name == "greatest" || name == "least":
		return nullIfAny(f)
	case name == "mod" && len(f.Args) == 2:
		r := f.Args[1]
		zero := &sql.NumberLit{At: sql.Spanned(r.Span()), Text: "0"}
		return &sql.BinaryExpr{At: f.At, Op: "%", OpSpan: f.Name.At, L: f.Args[0], R: function(sql.Spanned(r.Span()), "nullif", r, zero)}
	case (name == "date_add" || name == "date_sub" || name == "adddate" || name == "subdate") && len(f.Args) == 2:
		if _, ok := f.Args[1].(*sql.IntervalLit); !ok {
			c.refuse(f.At, "%s with other than an interval", name)
		}
		op := map[bool]string{true: "+", false: "-"}[strings.Contains(name, "add")]
		return &sql.BinaryExpr{At: f.At, Op: op, OpSpan: f.Name.At, L: f.Args[0], R: f.Args[1]}
	case name == "timestamp" && len(f.Args) == 1:
		return &sql.CastExpr{At: f.At, X: f.Args[0], Type: typeName(f.Name.At, "timestamp")}
	case (name == "left" || name == "right") && len(f.Args) == 2:
		c.wantCount(f.Args[1], 0)
	case name == "mid" && len(f.Args) >= 2:
		f.Name.Parts[0].Name = "substring"
		c.wantCount(f.Args[1], 1)
	}
	if len(f.Args) == 0 && !f.Star {
		switch name {
		case "current_timestamp", "localtimestamp", "current_date":
			return &sql.KeywordFunc{At: f.At, Name: name, Precision: -1}
		case "localtime": // MySQL's is a date with a time
			return &sql.KeywordFunc{At: f.At, Name: "localtimestamp", Precision: -1}
		case "current_time", "curtime":
			return &sql.KeywordFunc{At: f.At, Name: "localtime", Precision: -1}
		case "curdate":
			return &sql.KeywordFunc{At: f.At, Name: "current_date", Precision: -1}
		}
	}
	return f
}

func typeName(at sql.At, name string, mods ...int) *sql.TypeName {
	return &sql.TypeName{At: at, Name: &sql.Name{At: at, Parts: []sql.Ident{{At: at, Name: name}}}, Mods: mods}
}

// concat joins texts; unlike PostgreSQL's function, MySQL's is NULL if any argument is.
func concat(f *sql.FuncCall) sql.Expr {
	var out sql.Expr
	for _, a := range f.Args {
		if _, ok := a.(*sql.StringLit); !ok {
			a = &sql.CastExpr{At: sql.Spanned(a.Span()), X: a, Type: typeName(sql.Spanned(a.Span()), "text")}
		}
		if out == nil {
			out = a
			continue
		}
		out = &sql.BinaryExpr{At: f.At, Op: "||", OpSpan: f.Name.At, L: out, R: a}
	}
	return out
}

// nullIfAny makes GREATEST and LEAST NULL if any argument is, as they are in MySQL.
func nullIfAny(f *sql.FuncCall) sql.Expr {
	var tests []sql.Expr
	for _, a := range f.Args {
		tests = append(tests, &sql.IsExpr{At: sql.Spanned(a.Span()), X: a, Not: true, Test: sql.IsNull})
	}
	var cond sql.Expr = &sql.LogicalExpr{At: f.At, Op: sql.And, Args: tests}
	if len(tests) == 1 {
		cond = tests[0]
	}
	return &sql.CaseExpr{At: f.At, Whens: []sql.When{{At: f.At, Cond: cond, Result: f}}}
}

// wantCount fails unless x is a literal number of at least least: below, the functions that take parts of strings differ.
func (c *converter) wantCount(x sql.Expr, least int) {
	if n, ok := x.(*sql.NumberLit); ok {
		if v, err := strconv.Atoi(n.Text); err == nil && v >= least {
			return
		}
	}
	c.refuse(sql.Spanned(x.Span()), "a position or length that is not a positive number")
}

func (c *converter) substr(e *sqlparser.SubstrExpr) sql.Expr {
	at := c.take("substring", "substr")
	args := []sql.Expr{c.column(e.Name), c.expr(e.From)}
	c.wantCount(args[1], 1)
	if e.To != nil {
		args = append(args, c.expr(e.To))
		c.wantCount(args[2], 0)
	}
	f := function(at, "substring", args...)
	f.At = cover(at, args[len(args)-1])
	return f
}

func (c *converter) groupConcat(e *sqlparser.GroupConcatExpr) sql.Expr {
	at := c.take("group_concat")
	args, star := c.args(e.Exprs)
	if star || len(args) == 0 {
		c.refuse(at, "GROUP_CONCAT(*)")
		return &sql.NullLit{}
	}
	f := function(at, "string_agg")
	f.Distinct = e.Distinct != ""
	x := function(at, "concat", args...)
	text := concat(x)
	if len(args) == 1 {
		if _, ok := text.(*sql.StringLit); ok {
			text = args[0]
		}
	}
	separator := ","
	if e.Separator != "" {
		separator = strings.TrimSuffix(strings.TrimPrefix(e.Separator, " separator '"), "'")
	}
	f.Args = []sql.Expr{text, &sql.StringLit{At: at, Value: separator}}
	f.OrderBy = c.orderBy(e.OrderBy)
	f.At = cover(at, args[len(args)-1])
	return f
}

// convert translates CAST and CONVERT to a type.
func (c *converter) convert(e *sqlparser.ConvertExpr) sql.Expr {
	at := c.take("cast", "convert")
	x := c.expr(e.Expr)
	typeAt := c.take(strings.ToLower(e.Type.Type))
	size := func(v *sqlparser.SQLVal, otherwise int) int {
		if v == nil {
			return otherwise
		}
		n, err := strconv.Atoi(string(v.Val))
		if err != nil {
			c.refuse(typeAt, "this size of a type")
		}
		return n
	}
	out := &sql.CastExpr{At: cover(at, typeAt), X: x}
	if e.Type.Charset != "" {
		c.refuse(typeAt, "CHARACTER SET in a cast")
	}
	switch strings.ToLower(e.Type.Type) {
	case "signed":
		out.Type = typeName(typeAt, "bigint")
	case "char", "nchar":
		if e.Type.Length == nil {
			out.Type = typeName(typeAt, "text")
		} else {
			out.Type = typeName(typeAt, "varchar", size(e.Type.Length, 0))
		}
	case "date":
		out.Type = typeName(typeAt, "date")
	case "datetime":
		out.Type = typeName(typeAt, "timestamp", size(e.Type.Length, 0))
	case "time":
		out.Type = typeName(typeAt, "time", size(e.Type.Length, 0))
	case "decimal":
		out.Type = typeName(typeAt, "numeric", size(e.Type.Length, 10), size(e.Type.Scale, 0))
	default:
		c.refuse(typeAt, "a cast to %s", strings.ToUpper(e.Type.Type))
		out.Type = typeName(typeAt, "text")
	}
	return out
}
