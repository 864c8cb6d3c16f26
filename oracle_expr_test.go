package streamsql_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes random expressions and queries as text that streamsql and PostgreSQL both understand.
type generator struct {
	rnd  *rand.Rand
	cols []column // in scope
}

func (g *generator) pick(list ...string) string { return list[g.rnd.IntN(len(list))] }

func (g *generator) pickKind(list ...kind) kind { return list[g.rnd.IntN(len(list))] }

func (g *generator) chance(oneIn int) bool { return g.rnd.IntN(oneIn) == 0 }

// columnsOf returns the columns of a kind in scope, with or without extreme ones.
func (g *generator) columnsOf(k kind, extreme bool) []column {
	var list []column
	for _, c := range g.cols {
		if c.kind == k && !c.inexact && (extreme || !c.extreme) {
			list = append(list, c)
		}
	}
	return list
}

// expr makes an expression of a kind. It has no extreme columns below arithmetic.
func (g *generator) expr(k kind, depth int) string {
	cols := g.columnsOf(k, false)
	if len(cols) > 0 && (depth <= 0 || g.chance(2)) {
		return cols[g.rnd.IntN(len(cols))].name
	}
	if depth <= 0 {
		return g.literal(k)
	}
	if g.chance(6) {
		return g.general(k, depth)
	}
	e := func(k kind) string { return g.expr(k, depth-1) }
	switch k {
	case kInt2:
		return g.pick("("+e(kBool)+")::int::smallint", "(-"+e(kInt2)+")", "least("+e(kInt2)+", "+e(kInt2)+")")
	case kInt4:
		switch g.rnd.IntN(8) {
		case 0:
			return "(" + e(kInt4) + g.pick(" + ", " - ") + e(kInt4) + ")"
		case 1:
			return "(" + e(kInt4) + g.pick(" % ", " / ") + g.pick("7", "3", "-2", "nullif("+e(kInt4)+", 0)") + ")"
		case 2:
			return "length(" + e(kText) + ")"
		case 3:
			return "abs(" + e(kInt4) + ")"
		case 4:
			return "(" + e(kInt2) + " * 3::smallint + 1)"
		case 5:
			return "extract(" + g.pick("year", "month", "day", "hour", "dow") + " from " + e(kTimestamp) + ")::int"
		case 6:
			return "position(" + g.pick("'l'", "'z'", "''") + " in " + e(kText) + ")"
		default:
			return "sign(" + e(kInt4) + ")::int"
		}
	case kInt8:
		switch g.rnd.IntN(4) {
		case 0:
			return "(" + e(kInt8) + g.pick(" + ", " - ") + e(kInt4) + ")"
		case 1:
			return "(" + e(kInt8) + " % " + g.pick("10", "1000") + ")"
		case 2:
			return e(kInt4) + "::bigint"
		default:
			return "mod(" + e(kInt8) + ", 13)"
		}
	case kNumeric:
		switch g.rnd.IntN(6) {
		case 0:
			return "(" + e(kNumeric) + g.pick(" + ", " - ") + e(kNumeric) + ")"
		case 1:
			return "round(" + e(kNumeric) + ", " + g.pick("0", "1", "2") + ")"
		case 2:
			return g.pick("trunc", "floor", "ceil", "abs") + "(" + e(kNumeric) + ")"
		case 3:
			return "(" + e(kInt4) + " * 1.10)"
		case 4:
			return "(" + e(kInt4) + " / 4.0)"
		default:
			return e(kInt8) + "::numeric(20,2)"
		}
	case kFloat8:
		switch g.rnd.IntN(4) {
		case 0:
			return "(" + e(kFloat8) + g.pick(" + ", " - ") + e(kFloat8) + ")"
		case 1:
			return "(" + e(kFloat8) + " * 0.5::float8)"
		case 2:
			return g.pick("abs", "floor", "ceil") + "(" + e(kFloat8) + ")"
		default:
			return e(kInt4) + "::float8"
		}
	case kText:
		switch g.rnd.IntN(10) {
		case 0:
			return "(" + e(kText) + " || " + e(kText) + ")"
		case 1:
			return g.pick("upper", "lower", "trim", "reverse", "initcap") + "(" + e(kText) + ")"
		case 2:
			return "substr(" + e(kText) + ", " + g.pick("1", "2", "-1") + ", " + g.pick("1", "3", "5") + ")"
		case 3:
			return g.pick("left", "right") + "(" + e(kText) + ", " + g.pick("2", "-1", "0") + ")"
		case 4:
			return "replace(" + e(kText) + ", 'l', '.')"
		case 5:
			return g.expr(g.pickKind(kInt4, kNumeric, kBool, kDate, kTimestamp, kFloat8, kInterval), depth-1) + "::text"
		case 6:
			return g.pick("lpad", "rpad") + "(" + e(kText) + ", 6, '*')"
		case 7:
			return "concat(" + e(kText) + ", '-', " + e(kInt4) + ")"
		case 8:
			return "split_part(" + e(kText) + ", ' ', " + g.pick("1", "2", "-1") + ")"
		default:
			return "repeat(" + e(kText) + ", 2)"
		}
	case kBool:
		return g.predicate(depth)
	case kDate:
		return g.pick("("+e(kDate)+" + "+g.pick("1", "-40")+")", e(kTimestamp)+"::date")
	case kTimestamp:
		return g.pick("("+e(kTimestamp)+" + "+e(kInterval)+")", "date_trunc("+g.pick("'hour'", "'month'", "'week'", "'minute'")+", "+e(kTimestamp)+")",
			e(kDate)+"::timestamp", "("+e(kTimestamp)+" - interval '1 day 01:00')")
	case kInterval:
		return g.pick("("+e(kTimestamp)+" - "+e(kTimestamp)+")", "("+e(kInterval)+" + interval '1 hour')", "("+e(kInterval)+" * 2)")
	case kTZ, kTime:
		return g.literal(k)
	}
	panic(k)
}

// general is an expression that every kind has.
func (g *generator) general(k kind, depth int) string {
	e := func() string { return g.expr(k, depth-1) }
	switch g.rnd.IntN(5) {
	case 0:
		return "CASE WHEN " + g.predicate(depth-1) + " THEN " + e() + " WHEN " + g.predicate(depth-1) + " THEN " + e() + g.pick("", " ELSE "+e()) + " END"
	case 1:
		return "coalesce(" + e() + ", " + e() + ")"
	case 2:
		return "nullif(" + e() + ", " + e() + ")"
	case 3:
		return g.pick("greatest", "least") + "(" + e() + ", " + e() + ")"
	default:
		return "CASE " + g.expr(kInt4, 0) + " WHEN 1 THEN " + e() + " ELSE " + e() + " END"
	}
}

func (g *generator) literal(k kind) string {
	if g.chance(8) {
		return "NULL::" + string(k)
	}
	switch k {
	case kInt2:
		return g.pick("1", "0", "(-5)") + "::smallint"
	case kInt4:
		return g.pick("0", "1", "2", "42", "(-7)")
	case kInt8:
		return g.pick("1", "0", "8589934592") + "::bigint"
	case kNumeric:
		return g.pick("0.5", "1.25", "100.001", "(-3.0)")
	case kFloat8:
		return g.pick("0.5", "1", "(-2.25)", "1024") + "::float8"
	case kBool:
		return g.pick("true", "false")
	case kText:
		return g.pick("'a'", "'x'", "'hello world'", "''", "'ä%'")
	case kDate:
		return g.pick("date '2020-02-29'", "date '2000-01-01'")
	case kTimestamp:
		return g.pick("timestamp '2020-01-01'", "timestamp '1970-01-01 00:00:05'")
	case kTZ:
		return "timestamptz '2020-01-01 00:00:00+00'"
	case kInterval:
		return g.pick("interval '1 hour'", "interval '10 seconds'", "interval '1 day'")
	case kTime:
		return "time '12:00'"
	}
	panic(k)
}

var comparable = []kind{kInt2, kInt4, kInt8, kNumeric, kFloat8, kText, kDate, kTimestamp, kTZ, kInterval, kTime, kBool}

func (g *generator) predicate(depth int) string {
	if depth <= 0 {
		k := comparable[g.rnd.IntN(len(comparable))]
		if cols := g.columnsOf(k, true); len(cols) > 0 {
			c := cols[g.rnd.IntN(len(cols))]
			return "(" + c.name + g.pick(" = ", " <> ", " < ", " >= ", " IS DISTINCT FROM ") + g.literal(k) + ")"
		}
		return g.pick("true", "false", "NULL::boolean")
	}
	e := func(k kind) string { return g.expr(k, depth-1) }
	switch g.rnd.IntN(9) {
	case 0:
		return "(" + g.predicate(depth-1) + g.pick(" AND ", " OR ") + g.predicate(depth-1) + ")"
	case 1:
		return "(NOT " + g.predicate(depth-1) + ")"
	case 2:
		k := comparable[g.rnd.IntN(len(comparable))]
		return "(" + e(k) + " IS " + g.pick("", "NOT ") + "NULL)"
	case 3:
		return "(" + e(kText) + g.pick(" LIKE ", " NOT LIKE ", " ILIKE ") + g.pick("'%l%'", "'h%'", "'_'", "'%'", "'100\\%'") + ")"
	case 4:
		k := comparable[g.rnd.IntN(len(comparable))]
		return "(" + e(k) + g.pick(" IN ", " NOT IN ") + "(" + g.literal(k) + ", " + g.literal(k) + ", " + e(k) + "))"
	case 5:
		k := comparable[g.rnd.IntN(len(comparable))]
		return "(" + e(k) + g.pick(" BETWEEN ", " NOT BETWEEN ") + e(k) + " AND " + e(k) + ")"
	case 6:
		return "(" + e(kBool) + " IS " + g.pick("TRUE", "NOT TRUE", "FALSE", "UNKNOWN") + ")"
	default:
		k := comparable[g.rnd.IntN(len(comparable))]
		return "(" + e(k) + g.pick(" = ", " <> ", " < ", " <= ", " > ", " >= ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + e(k) + ")"
	}
}

// call is an aggregate call in both languages.
type call struct {
	ours, pg string
	kind     kind
	inexact  bool
	extreme  bool
}

// aggregate makes a random call. inexact allows aggregates of floats whose last digits depend on the order.
func (g *generator) aggregate(inexact bool) call {
	filter := ""
	if g.chance(4) {
		filter = " FILTER (WHERE " + g.predicate(1) + ")"
	}
	same := func(text string, k kind) call { return call{ours: text + filter, pg: text + filter, kind: k} }
	distinct := g.pick("", "", "", "DISTINCT ")
	numbers := []kind{kInt2, kInt4, kInt8, kNumeric, kFloat8}
	switch g.rnd.IntN(11) {
	case 0:
		return same("count(*)", kInt8)
	case 1:
		return same("count("+distinct+g.expr(comparable[g.rnd.IntN(len(comparable))], 1)+")", kInt8)
	case 2, 3:
		k := numbers[g.rnd.IntN(len(numbers))]
		c := same("sum("+distinct+g.expr(k, 1)+")", map[kind]kind{kInt2: kInt8, kInt4: kInt8, kInt8: kNumeric, kNumeric: kNumeric, kFloat8: kFloat8}[k])
		return c
	case 4:
		k := numbers[g.rnd.IntN(len(numbers))]
		if k == kFloat8 && !inexact {
			k = kInt4
		}
		c := same("avg("+distinct+g.expr(k, 1)+")", kNumeric)
		if k == kFloat8 {
			c.kind, c.inexact = kFloat8, true
		}
		return c
	case 5, 6:
		k := comparable[g.rnd.IntN(len(comparable)-1)] // there is no min of booleans
		arg := g.expr(k, 1)
		extreme := false
		if cols := g.columnsOf(k, true); len(cols) > 0 && g.chance(2) {
			c := cols[g.rnd.IntN(len(cols))]
			arg, extreme = c.name, c.extreme
		}
		c := same(g.pick("min", "max")+"("+distinct+arg+")", k)
		c.extreme = extreme
		return c
	case 7:
		return same(g.pick("bool_and", "bool_or", "every")+"("+g.predicate(1)+")", kBool)
	case 8:
		if !inexact {
			return same("count(*)", kInt8)
		}
		k := numbers[g.rnd.IntN(len(numbers))]
		c := same(g.pick("stddev", "stddev_pop", "variance", "var_pop", "var_samp", "stddev_samp")+"("+distinct+g.expr(k, 1)+")", kNumeric)
		if k == kFloat8 {
			c.kind, c.inexact = kFloat8, true
		}
		return c
	case 9:
		x := g.expr(kText, 1)
		if g.chance(2) {
			return same("string_agg(DISTINCT "+x+", ',' ORDER BY "+x+g.pick("", " DESC")+")", kText)
		}
		y := g.expr(comparable[g.rnd.IntN(len(comparable))], 1)
		return same("string_agg("+x+", ',' ORDER BY "+y+g.pick("", " DESC", " DESC NULLS LAST", " NULLS FIRST")+", "+x+")", kText)
	default:
		k := comparable[g.rnd.IntN(len(comparable))]
		x, y := g.expr(k, 1), g.expr(comparable[g.rnd.IntN(len(comparable))], 1)
		dir, back := " ASC NULLS LAST", " DESC NULLS FIRST"
		if g.chance(2) {
			dir, back = " DESC NULLS FIRST", " ASC NULLS LAST"
		}
		name := g.pick("first_value", "last_value")
		c := call{ours: name + "(" + x + " ORDER BY " + y + dir + ", " + x + dir + ")" + filter, kind: k}
		if name == "last_value" {
			dir = back
		}
		c.pg = "(array_agg(" + x + " ORDER BY " + y + dir + ", " + x + dir + ")" + filter + ")[1]"
		return c
	}
}

// item is a select item in both languages.
type item struct {
	ours, pg string
	column
}

func both(text string, k kind) item { return item{ours: text, pg: text, column: column{kind: k}} }

func selectList(items []item, ours bool) string {
	var list []string
	for i := range items {
		text := items[i].pg
		if ours {
			text = items[i].ours
		}
		list = append(list, fmt.Sprintf("%s AS c%d", text, i+1))
	}
	return strings.Join(list, ", ")
}
