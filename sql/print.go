package sql

import (
	"fmt"
	"strconv"
	"strings"
)

// Format writes a node as SQL on one line, in canonical form: keywords in capitals, names quoted where they must be,
// only those parentheses that are needed. Parsing the result gives an equal tree (see Equal).
//
// The node is a Statement, *Query, QueryBody, TableExpr, Expr, *TypeName, *Name, Ident, *WindowSpec, OrderItem, SelectItem,
// GroupItem, AlterAction, *ColumnDef or *Option.
func Format(n Node) string {
	w := &writer{}
	w.node(n)
	return w.b.String()
}

// Pretty writes a node like Format, with the clauses of its outermost query, the columns of a table and the options each on a
// line of their own: the form of SHOW CREATE.
func Pretty(n Node) string {
	w := &writer{pretty: true}
	w.node(n)
	return w.b.String()
}

// writer prints trees. Its methods are called for what they append.
type writer struct {
	b      strings.Builder
	pretty bool
	inner  int // depth inside parentheses, where no lines are broken
	indent int
}

func (w *writer) put(parts ...string) {
	for _, s := range parts {
		w.b.WriteString(s)
	}
}

// flag appends the words if on.
func (w *writer) flag(on bool, words string) {
	if on {
		w.put(words)
	}
}

// brk separates two clauses: by a space, or by a new line in the pretty form.
func (w *writer) brk() {
	if w.pretty && w.inner == 0 {
		w.put("\n", strings.Repeat("  ", w.indent))
		return
	}
	w.put(" ")
}

// parens writes what f writes, in parentheses and on one line.
func (w *writer) parens(f func()) {
	w.put("(")
	w.inner++
	f()
	w.inner--
	w.put(")")
}

// block writes items in parentheses, each on a line of its own in the pretty form.
func (w *writer) block(n int, item func(i int)) {
	lines := w.pretty && w.inner == 0
	w.put("(")
	w.indent++
	for i := range n {
		if i > 0 {
			w.put(",")
			if !lines {
				w.put(" ")
			}
		}
		if lines {
			w.brk()
		}
		w.inner++
		item(i)
		w.inner--
	}
	w.indent--
	if lines {
		w.brk()
	}
	w.put(")")
}

func commas[T any](w *writer, items []T, item func(T)) {
	for i, x := range items {
		if i > 0 {
			w.put(", ")
		}
		item(x)
	}
}

func (w *writer) node(n Node) {
	switch n := n.(type) {
	case *Query:
		w.query(n)
	case Statement:
		w.statement(n)
	case QueryBody:
		w.body(n)
	case TableExpr:
		w.table(n)
	case Expr:
		w.expr(n)
	case AlterAction:
		w.alterAction(n)
	case *TypeName:
		w.typeName(n)
	case *Name:
		w.name(n)
	case Ident:
		w.ident(n)
	case *WindowSpec:
		w.window(n)
	case OrderItem:
		w.orderItem(n)
	case SelectItem:
		w.selectItem(n)
	case GroupItem:
		w.groupItem(n)
	case *ColumnDef:
		w.columnDef(n)
	case *Option:
		w.option(n)
	default:
		w.put(fmt.Sprintf("/* %T */", n))
	}
}

// alwaysQuoted are names that could be read as syntax in some place though they are no keywords of their class.
var alwaysQuoted = makeWordSet(`asof cube current emit filter groups if ignore match_recognize over partition prepare range
	respect rollup rows set try_cast unbounded within only qualify window semi anti by`)

// QuoteIdent writes a name as an identifier, in double quotes if it needs them.
func QuoteIdent(name string) string {
	if isBareWord(name) && wordClasses[name] <= wordFree && !alwaysQuoted[name] {
		return name
	}
	return quoteName(name)
}

// QuoteString writes a string as a literal in single quotes.
func QuoteString(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func quoteName(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// isBareWord reports whether name reads back as itself when it is not quoted, keywords aside.
func isBareWord(name string) bool {
	if name == "" {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', c == '_':
		case (isDigit(c) || c == '$') && i > 0:
		default:
			return false
		}
	}
	return true
}

func (w *writer) ident(i Ident) { w.put(QuoteIdent(i.Name)) }

func (w *writer) idents(list []Ident) {
	w.parens(func() { commas(w, list, w.ident) })
}

func (w *writer) dotted(parts []Ident) {
	for i, p := range parts {
		if i > 0 {
			w.put(".")
		}
		w.ident(p)
	}
}

func (w *writer) name(n *Name) { w.dotted(n.Parts) }

// bareFunctions are the function names that are keywords and yet stand bare in a call.
var bareFunctions = makeWordSet(`coalesce nullif greatest least grouping left right overlaps filter if range replace`)

func (w *writer) funcName(n *Name) {
	if len(n.Parts) == 1 && bareFunctions[n.Parts[0].Name] {
		w.put(n.Parts[0].Name)
		return
	}
	w.name(n)
}

func (w *writer) typeName(t *TypeName) {
	switch n := t.Name.Parts[0]; {
	case len(t.Name.Parts) > 1:
		w.name(t.Name)
	case t.Fields != nil:
		w.put("STRUCT<")
		commas(w, t.Fields, func(f StructField) {
			w.ident(f.Name)
			w.put(" ")
			w.typeName(f.Type)
		})
		w.put(">")
	case t.Args != nil:
		w.put("MAP<")
		commas(w, t.Args, w.typeName)
		w.put(">")
	case n.Name == "double precision":
		w.put("double precision")
	case !n.Quoted && isBareWord(n.Name) && wordClasses[n.Name] <= wordColumn && !mustQuoteType[n.Name]:
		w.put(n.Name)
	default:
		w.put(quoteName(n.Name))
	}
	if len(t.Mods) > 0 {
		w.parens(func() { commas(w, t.Mods, func(m int) { w.put(strconv.Itoa(m)) }) })
	}
	if t.TimeZone != NoTimeZone {
		w.put(" ", string(t.TimeZone))
	}
	w.intervalFields(t.Interval)
	for _, d := range t.Dims {
		if d >= 0 {
			w.put("[", strconv.Itoa(d), "]")
		} else {
			w.put("[]")
		}
	}
}

// mustQuoteType are names that begin other syntax where a type is expected.
var mustQuoteType = makeWordSet(`national setof nchar character between exists extract row values none`)

func (w *writer) intervalFields(f *IntervalFields) {
	if f == nil {
		return
	}
	w.put(" ", strings.ToUpper(f.From))
	if f.To != "" {
		w.put(" TO ", strings.ToUpper(f.To))
	}
	if f.Precision >= 0 {
		w.put("(", strconv.Itoa(f.Precision), ")")
	}
}

// option writes key = value.
func (w *writer) option(o *Option) {
	w.optionKey(o.Key)
	if o.Value != nil {
		w.put(" = ")
		w.expr(o.Value)
	}
}

func (w *writer) optionKey(key string) {
	for _, part := range strings.Split(key, ".") {
		if !isBareWord(part) || wordClasses[part] == wordReserved {
			w.put(QuoteString(key))
			return
		}
	}
	w.put(key)
}

func (w *writer) options(options []*Option) {
	w.block(len(options), func(i int) { w.option(options[i]) })
}

// withOptions writes WITH (...) as a clause of its own, if there are options.
func (w *writer) withOptions(options []*Option) {
	if len(options) == 0 {
		return
	}
	w.brk()
	w.put("WITH ")
	w.options(options)
}
