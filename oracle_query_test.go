package streamsql_test

import (
	"fmt"
	"strings"
)

// query is a random query in both languages. windowed: EMIT ON WINDOW CLOSE may follow it.
type query struct {
	ours, pg string
	cols     []column
	windowed bool
}

// relation is something in FROM.
type relation struct {
	ours, pg string
	cols     []column
	// keys must all be among the keys of GROUP BY, if it is a window of a session; windows are any of these.
	window bool
}

func (g *generator) seconds() int { return []int{5, 10, 15, 30, 60}[g.rnd.IntN(5)] }

// pgWindows spells a window function out: rows is what is in the windows, w and we are the start and the end of a window.
func pgWindows(rows, lateral string) string {
	return "(SELECT x.*, w.window_start, w.window_end, w.window_end - interval '1 microsecond' AS window_time FROM " + rows + " x CROSS JOIN LATERAL (" + lateral + ") w)"
}

// window puts a window over a base source.
func (g *generator) window(rel relation, alias string) relation {
	out := relation{window: true, cols: append(append([]column{}, rel.cols...), column{name: "window_start", kind: kTimestamp}, column{name: "window_end", kind: kTimestamp})}
	size := g.seconds()
	iv := func(n int) string { return fmt.Sprintf("INTERVAL '%d seconds'", n) }
	origin := "timestamp '1970-01-01'"
	offset, offsetArg := 0, ""
	if g.chance(3) {
		offset = g.rnd.IntN(9) - 4
		offsetArg = ", " + iv(offset)
		origin = "(" + origin + " + " + iv(offset) + ")"
	}
	syntax := g.rnd.IntN(2)
	table := rel.ours
	from := func(name, args string) string {
		if syntax == 0 {
			return name + "(" + table + ", ts, " + args + ") " + alias
		}
		return "TABLE(" + name + "(TABLE " + table + ", DESCRIPTOR(ts), " + args + ")) " + alias
	}
	if strings.HasPrefix(table, "(") {
		syntax = 0
	}
	switch g.rnd.IntN(4) {
	case 0:
		out.ours = from("TUMBLE", iv(size)+offsetArg)
		out.pg = pgWindows(rel.pg, fmt.Sprintf("SELECT s AS window_start, s + %s AS window_end FROM date_bin(%s, x.ts, %s) s", iv(size), iv(size), origin))
	case 1:
		slide := []int{2, 5, 3, 10}[g.rnd.IntN(4)]
		size = max(size, slide)
		out.ours = from("HOP", iv(slide)+", "+iv(size)+offsetArg)
		out.pg = pgWindows(rel.pg, fmt.Sprintf("SELECT s - j * %s AS window_start, s - j * %s + %s AS window_end FROM date_bin(%s, x.ts, %s) s, generate_series(0, %d) j WHERE s - j * %s + %s > x.ts",
			iv(slide), iv(slide), iv(size), iv(slide), origin, size/slide+1, iv(slide), iv(size)))
	case 2:
		step := []int{5, 1, 2}[g.rnd.IntN(3)]
		size = step * (1 + g.rnd.IntN(5))
		out.ours = from("CUMULATE", iv(step)+", "+iv(size)+offsetArg)
		out.pg = pgWindows(rel.pg, fmt.Sprintf("SELECT s AS window_start, s + j * %s AS window_end FROM date_bin(%s, x.ts, %s) s, generate_series(1, %d) j WHERE s + j * %s > x.ts",
			iv(step), iv(size), origin, size/step, iv(step)))
	default:
		key := []string{"", "k", "g"}[g.rnd.IntN(3)]
		if key != "" && !strings.HasPrefix(table, "(") {
			out.ours = "TABLE(SESSION(TABLE " + table + " PARTITION BY " + key + ", DESCRIPTOR(ts), " + iv(size) + ")) " + alias
		} else {
			key = ""
			out.ours = "SESSION(" + table + ", ts, " + iv(size) + ") " + alias
		}
		by := ""
		if key != "" {
			by = "PARTITION BY " + key + " "
		}
		var names []string
		for _, c := range rel.cols {
			names = append(names, c.name)
		}
		list := strings.Join(names, ", ")
		over := "OVER (" + by + "ORDER BY ts)"
		out.pg = fmt.Sprintf(`(SELECT %s, min(ts) OVER s AS window_start, max(ts) OVER s + %s AS window_end, max(ts) OVER s + %s - interval '1 microsecond' AS window_time FROM (
SELECT *, sum(fresh) %s AS session FROM (SELECT *, CASE WHEN ts - lag(ts) %s < %s THEN 0 ELSE 1 END AS fresh FROM %s x) x) x WINDOW s AS (PARTITION BY %s))`,
			list, iv(size), iv(size), over, over, iv(size), rel.pg, strings.TrimPrefix(key+", session", ", "))
	}
	out.pg += " " + alias
	return out
}

// base is a source, or rows of a source that still have the event time.
func (g *generator) base(depth int) relation {
	name := g.pick("t", "t", "u")
	rel := relation{ours: name, pg: name, cols: baseColumns}
	switch {
	case depth > 0 && g.chance(6):
		return g.retold(depth)
	case g.chance(5):
		g.cols = baseColumns
		where := g.predicate(2)
		text := "(SELECT * FROM " + name + " WHERE " + where + ")"
		rel.ours, rel.pg = text, text
	case g.chance(8):
		text := "(SELECT * FROM t UNION ALL SELECT * FROM u)"
		rel.ours, rel.pg = text, text
	}
	return rel
}

// retold is an aggregation whose rows have an event time again: the window's, or the newest of the rows, which changes.
func (g *generator) retold(depth int) relation {
	rel := g.base(depth - 1)
	key := rel.cols[1].name
	if len(rel.cols) == len(baseColumns) {
		key = g.pick("k", "g")
	}
	time, by := "max(ts)", key
	if g.chance(2) {
		rel = g.window(rel, "r")
		time, by = "window_time", key+", window_start, window_end, window_time"
	} else {
		rel.ours, rel.pg = rel.ours+" r", rel.pg+" r"
	}
	g.cols = rel.cols
	kinds := map[string]kind{"k": kInt4, "g": kText}
	a := g.aggregate(false)
	text := func(agg, from string) string {
		return "(SELECT " + time + " AS ts, " + key + ", " + agg + " AS a, count(*) AS n FROM " + from + " GROUP BY " + by + ")"
	}
	cols := []column{{name: "ts", kind: kTimestamp}, {name: key, kind: kinds[key]}, {name: "a", kind: a.kind, extreme: a.extreme}, {name: "n", kind: kInt8}}
	return relation{ours: text(a.ours, rel.ours), pg: text(a.pg, rel.pg), cols: cols}
}

// from makes something to select from. depth bounds the nesting of queries.
func (g *generator) from(depth int) relation {
	switch {
	case depth > 0 && g.chance(2):
		q := g.query(depth - 1)
		return relation{ours: "(" + q.ours + ") q", pg: "(" + q.pg + ") q", cols: q.cols}
	case g.chance(2):
		return g.window(g.base(depth), "q")
	}
	rel := g.base(depth)
	return relation{ours: rel.ours + " q", pg: rel.pg + " q", cols: rel.cols}
}

// query makes a random query of inner depth.
func (g *generator) query(depth int) query { return g.queryOf(depth, false) }

// queryOf makes a random query; outermost ones may put out inexact floats.
func (g *generator) queryOf(depth int, outermost bool) query {
	rel := g.from(depth)
	g.cols = rel.cols
	switch n := g.rnd.IntN(10); {
	case n < 2:
		return g.project(rel)
	case n < 3:
		return g.distinct(rel)
	case n < 4 && !rel.window:
		return g.setOp(rel, depth)
	}
	return g.group(rel, outermost)
}

func (g *generator) where(depth int) string {
	if g.chance(2) {
		return ""
	}
	return " WHERE " + g.predicate(depth)
}

// named turns items into the columns of a query.
func named(items []item) []column {
	cols := make([]column, len(items))
	for i, it := range items {
		cols[i] = column{name: fmt.Sprintf("c%d", i+1), kind: it.kind, extreme: it.extreme, inexact: it.inexact}
	}
	return cols
}

func (g *generator) items(n int) []item {
	var items []item
	for range n {
		if len(g.cols) > 0 && g.chance(3) {
			c := g.cols[g.rnd.IntN(len(g.cols))]
			items = append(items, item{ours: c.name, pg: c.name, column: c})
			continue
		}
		k := comparable[g.rnd.IntN(len(comparable))]
		items = append(items, both(g.expr(k, 3), k))
	}
	return items
}

func (g *generator) project(rel relation) query {
	items := g.items(1 + g.rnd.IntN(4))
	where := g.where(3)
	return query{cols: named(items),
		ours: "SELECT " + selectList(items, true) + " FROM " + rel.ours + where,
		pg:   "SELECT " + selectList(items, false) + " FROM " + rel.pg + where}
}

func (g *generator) distinct(rel relation) query {
	q := g.project(rel)
	for i := range q.cols {
		if q.cols[i].inexact {
			return q
		}
	}
	q.ours, q.pg = "SELECT DISTINCT"+strings.TrimPrefix(q.ours, "SELECT"), "SELECT DISTINCT"+strings.TrimPrefix(q.pg, "SELECT")
	return q
}

// setOp joins two projections of the same types.
func (g *generator) setOp(rel relation, depth int) query {
	var kinds []kind
	for range 1 + g.rnd.IntN(3) {
		kinds = append(kinds, comparable[g.rnd.IntN(len(comparable))])
	}
	side := func(rel relation) query {
		g.cols = rel.cols
		var items []item
		for _, k := range kinds {
			items = append(items, both(g.expr(k, 2), k))
		}
		where := g.where(2)
		return query{cols: named(items),
			ours: "SELECT " + selectList(items, true) + " FROM " + rel.ours + where,
			pg:   "SELECT " + selectList(items, false) + " FROM " + rel.pg + where}
	}
	l, r := side(rel), side(g.from(depth-1))
	op := g.pick(" UNION ALL ", " UNION ", " EXCEPT ", " INTERSECT ")
	return query{cols: l.cols, ours: l.ours + op + r.ours, pg: l.pg + op + r.pg}
}

// group aggregates, by the window if there is one.
func (g *generator) group(rel relation, outermost bool) query {
	var items []item
	q := query{}
	if rel.window && !g.chance(6) {
		q.windowed = true
		for _, w := range [][]string{{"window_start"}, {"window_end"}, {"window_start", "window_end"}, {"window_start", "window_end"}}[g.rnd.IntN(4)] {
			items = append(items, both(w, kTimestamp))
		}
	}
	for range g.rnd.IntN(3) {
		k := comparable[g.rnd.IntN(len(comparable))]
		for _, want := range []string{"k", "g", "b"} {
			if len(g.columnsOf(kInt4, false)) > 0 && g.chance(3) {
				for _, c := range rel.cols {
					if c.name == want {
						items = append(items, item{ours: want, pg: want, column: c})
						k = ""
					}
				}
				break
			}
		}
		if k != "" {
			items = append(items, both(g.expr(k, 1), k))
		}
	}
	keys := len(items)
	for range 1 + g.rnd.IntN(3) {
		a := g.aggregate(outermost)
		items = append(items, item{ours: a.ours, pg: a.pg, column: column{kind: a.kind, inexact: a.inexact, extreme: a.extreme}})
	}
	where, by := g.where(2), ""
	if keys > 0 {
		var list []string
		for i := range keys {
			list = append(list, fmt.Sprint(i+1))
		}
		by = " GROUP BY " + strings.Join(list, ", ")
	}
	ours, pg := "", ""
	if keys > 0 && g.chance(3) {
		a := g.aggregate(false)
		op := g.pick(" IS NOT NULL", " IS NULL", " > "+g.literal(a.kind), " <> "+g.literal(a.kind), " <= "+g.literal(a.kind))
		ours, pg = " HAVING "+a.ours+op, " HAVING "+a.pg+op
	}
	q.cols = named(items)
	q.ours = "SELECT " + selectList(items, true) + " FROM " + rel.ours + where + by + ours
	q.pg = "SELECT " + selectList(items, false) + " FROM " + rel.pg + where + by + pg
	return q
}
