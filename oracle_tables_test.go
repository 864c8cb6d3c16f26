package streamsql_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// TestRandomTables changes random tables by random INSERT, UPDATE, DELETE and TRUNCATE statements and transactions, under materialized
// views of random queries (joins, subqueries, aggregates, set operations, OVER, Top-N) and views on views. After every few statements each
// view must be PostgreSQL's answer to its query, and so must be the same query asked at once. A failing seed is shrunk to a script.
//
// SEEDS and SEED are as for TestRandomQueries.
func TestRandomTables(t *testing.T) {
	first, last, until := int64(1), int64(math.MaxInt64), time.Now().Add(8*time.Second)
	if s := os.Getenv("SEEDS"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		last, until = n, time.Now().Add(24*time.Hour)
	}
	if s := os.Getenv("SEED"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		require.NoError(t, err)
		first, last = n, n
	}
	if testing.Short() {
		until = time.Now().Add(2 * time.Second)
	}
	pg := pgtest.Open(t)
	run := &tableRun{pg: pg, refused: map[string]int{}}
	for seed := first; seed <= last && time.Now().Before(until); seed++ {
		rnd := rand.New(rand.NewPCG(uint64(seed), 7))
		script := run.script(rnd)
		opts := streamsql.Options{Workers: 1 + rnd.IntN(3), EpochRows: []int{0, 1, 5}[rnd.IntN(3)], Check: true}
		diff := run.play(t, script, opts)
		if diff == "" {
			continue
		}
		script, diff = run.shrink(t, script, diff, opts)
		t.Errorf("seed %d, %d workers, epochs of %d rows: %s\n\n%s", seed, opts.Workers, opts.EpochRows, diff, strings.Join(texts(script), ";\n")+";")
		if os.Getenv("KEEP_GOING") == "" {
			break
		}
	}
	t.Logf("%d queries compared %d times; streamsql refused %v", run.queries, run.compared, run.refused)
}

// tableStep is one statement of a script: of both systems, or a restart of ours.
type tableStep struct {
	text string
	view string // of a CREATE MATERIALIZED VIEW: its name
	// query is that of the view, with views of views written out as PostgreSQL knows them.
	query   string
	compare bool // all views afterwards
	restart bool
}

func texts(script []tableStep) []string {
	var out []string
	for _, s := range script {
		switch {
		case s.restart:
			out = append(out, "-- restart")
		case s.compare:
			out = append(out, "-- compare")
		default:
			out = append(out, s.text)
		}
	}
	return out
}

// tableRun plays scripts on both systems.
type tableRun struct {
	pg                *pgtest.DB
	queries, compared int
	refused           map[string]int
}

// script makes a random script.
func (r *tableRun) script(rnd *rand.Rand) []tableStep {
	g := &tableMaker{Rand: rnd}
	var steps []tableStep
	for _, name := range []string{"t", "u", "v"} {
		columns := "a int, b int, n numeric, s text, d date"
		g.rels = append(g.rels, tableRel{name: name, cols: tableColumns})
		steps = append(steps, tableStep{text: "CREATE TABLE " + name + " (" + columns + ")"})
	}
	steps = append(steps, tableStep{text: "CREATE TABLE p (k int PRIMARY KEY, a int, s text)"})
	g.rels = append(g.rels, tableRel{name: "p", cols: []tableColumn{{"k", 'i'}, {"a", 'i'}, {"s", 's'}}})
	for range g.IntN(4) {
		steps = append(steps, tableStep{text: g.change()})
	}
	views := 0
	for range 4 {
		q, cols := g.query(2)
		name := fmt.Sprint("mv", views)
		views++
		steps = append(steps, tableStep{text: "CREATE MATERIALIZED VIEW " + name + " AS " + q, view: name, query: q})
		if len(cols) > 0 && g.IntN(2) == 0 {
			g.rels = append(g.rels, tableRel{name: name, cols: cols})
		}
	}
	for range 6 {
		for range 1 + g.IntN(4) {
			steps = append(steps, tableStep{text: g.change()})
		}
		steps = append(steps, tableStep{compare: true})
		if g.IntN(6) == 0 {
			steps = append(steps, tableStep{restart: true}, tableStep{compare: true})
		}
	}
	return steps
}

// play runs a script and returns the first difference.
func (r *tableRun) play(t *testing.T, script []tableStep, opts streamsql.Options) string {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	opts.Dir = t.TempDir()
	db, err := streamsql.Open(opts)
	require.NoError(t, err)
	defer func() { db.Close() }()
	r.pg.MustExec(t, "DROP TABLE IF EXISTS t, u, v, p CASCADE")
	var views []tableStep
	for _, s := range script {
		switch {
		case s.restart:
			if err := db.Close(); err != nil {
				return "close: " + err.Error()
			}
			if db, err = streamsql.Open(opts); err != nil {
				db, _ = streamsql.Open(streamsql.Options{})
				return "open: " + err.Error()
			}
		case s.compare:
			if diff := r.compareAll(ctx, db, views); diff != "" {
				return diff
			}
		case s.view != "":
			r.queries++
			_, perr := r.pg.Query("CREATE VIEW " + s.view + " AS " + s.query)
			if perr != nil {
				if state := pgtest.SQLState(perr); slices.Contains([]string{"42601", "42703", "42804", "42725", "42883"}, state) {
					return fmt.Sprintf("the generator is wrong: %v\n%s", perr, s.query)
				}
				continue
			}
			if _, err := db.Exec(ctx, s.text); err != nil {
				r.pg.MustExec(t, "DROP VIEW "+s.view)
				var e *types.Error
				if errors.As(err, &e) && (strings.HasPrefix(e.Msg, "not supported yet") || strings.Contains(e.Msg, `relation "mv`)) {
					r.refused[e.Msg]++
					continue
				}
				return fmt.Sprintf("streamsql: %v\n%s", err, s.text)
			}
			views = append(views, s)
		default:
			_, perr := r.pg.Query(s.text)
			results, err := db.Exec(ctx, s.text)
			for _, x := range results {
				if x.Rows != nil {
					x.Rows.Close()
				}
			}
			if (perr == nil) != (err == nil) {
				return fmt.Sprintf("%s\nPostgreSQL: %v\nstreamsql:  %v", s.text, perr, err)
			}
			if err != nil && pgtest.SQLState(perr) != string(types.CodeOf(err)) {
				return fmt.Sprintf("%s\nPostgreSQL: %v\nstreamsql:  %v", s.text, perr, err)
			}
		}
	}
	return ""
}

func (r *tableRun) compareAll(ctx context.Context, db *streamsql.DB, views []tableStep) string {
	for _, v := range views {
		want, err := r.pg.Query("SELECT * FROM " + v.view)
		if err != nil {
			continue
		}
		floats := make([]bool, len(want.Columns))
		for _, ask := range []string{"SELECT * FROM " + v.view, v.query} {
			got, err := ours(db, ask)
			if err != nil {
				return fmt.Sprintf("streamsql: %v\n%s\n%s", err, ask, v.text)
			}
			r.compared++
			if diff := differ(want.Rows, got, floats); diff != "" && differ(unscaled(want.Rows, want.Columns), unscaled(got, want.Columns), floats) != "" {
				return fmt.Sprintf("%s\n%s\nasked: %s\n%s", diff, v.text, ask, rejectedRows(db))
			}
		}
	}
	return ""
}

// shrink leaves out statements as long as the script still fails.
func (r *tableRun) shrink(t *testing.T, script []tableStep, diff string, opts streamsql.Options) ([]tableStep, string) {
	until := time.Now().Add(40 * time.Second)
	for size := len(script) / 2; size >= 1; {
		smaller := false
		for at := 0; at+size <= len(script) && time.Now().Before(until); {
			try := slices.Delete(slices.Clone(script), at, at+size)
			if d := r.play(t, try, opts); d != "" && sameFailure(d, diff) {
				script, diff, smaller = try, d, true
				continue
			}
			at += size
		}
		if !smaller || size > 1 {
			size /= 2
		}
	}
	return script, diff
}

// sameFailure reports whether two failures are of one kind, so that leaving out a CREATE TABLE is no smaller script.
func sameFailure(a, b string) bool {
	kind := func(s string) string {
		k, _, _ := strings.Cut(s, " ")
		return k
	}
	return kind(a) == kind(b) && !strings.Contains(a, "does not exist")
}

type tableColumn struct {
	name string
	kind byte // i, n, s, d, b
}

var tableColumns = []tableColumn{{"a", 'i'}, {"b", 'i'}, {"n", 'n'}, {"s", 's'}, {"d", 'd'}}

type tableRel struct {
	name string
	cols []tableColumn
}

// tableMaker makes random statements.
type tableMaker struct {
	*rand.Rand
	rels  []tableRel
	alias int
}

func (g *tableMaker) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g *tableMaker) literal(kind byte) string {
	if g.IntN(7) == 0 {
		return "NULL"
	}
	switch kind {
	case 'i':
		return g.pick("0", "1", "2", "3", "-1", "100")
	case 'n':
		return g.pick("0", "1.5", "2.50", "-3", "0.1")
	case 's':
		return g.pick("'x'", "'y'", "''", "'xy'")
	case 'd':
		return g.pick("DATE '2024-01-01'", "DATE '2024-01-31'", "DATE '2023-12-31'")
	}
	return g.pick("true", "false")
}

// change makes a statement that changes a table.
func (g *tableMaker) change() string {
	table := g.rels[g.IntN(4)]
	cols := make([]tableCol, len(table.cols))
	for i, c := range table.cols {
		cols[i] = tableCol{table.name + "." + c.name, c.kind}
	}
	where := " WHERE " + g.predicate(cols, 1)
	values := func() string {
		var v []string
		for i, c := range table.cols {
			if table.name == "p" && i == 0 {
				v = append(v, fmt.Sprint(g.IntN(8)))
				continue
			}
			v = append(v, g.literal(c.kind))
		}
		return "(" + strings.Join(v, ", ") + ")"
	}
	switch n := g.IntN(12); {
	case n < 6:
		var rows []string
		for range 1 + g.IntN(4) {
			rows = append(rows, values())
		}
		text := "INSERT INTO " + table.name + " VALUES " + strings.Join(rows, ", ")
		if table.name == "p" && g.IntN(2) == 0 {
			if g.IntN(2) == 0 {
				return text + " ON CONFLICT (k) DO NOTHING"
			}
			if len(rows) == 1 {
				return text + " ON CONFLICT (k) DO UPDATE SET a = excluded.a, s = p.s || excluded.s"
			}
		}
		return text
	case n < 8:
		c := table.cols[len(table.cols)-1-g.IntN(2)]
		return "UPDATE " + table.name + " SET " + c.name + " = " + g.expr(c.kind, cols, 1) + where
	case n < 11:
		return "DELETE FROM " + table.name + where
	}
	other := g.rels[g.IntN(3)]
	if table.name == "p" {
		return "TRUNCATE p"
	}
	return "INSERT INTO " + table.name + " SELECT * FROM " + other.name + " WHERE a < 3"
}

// tableCol is a column in scope.
type tableCol struct {
	ref  string
	kind byte
}

func (g *tableMaker) column(kind byte, cols []tableCol) string {
	var fit []string
	for _, c := range cols {
		if c.kind == kind {
			fit = append(fit, c.ref)
		}
	}
	if len(fit) == 0 {
		return g.literalTyped(kind)
	}
	return g.pick(fit...)
}

func (g *tableMaker) literalTyped(kind byte) string {
	l := g.literal(kind)
	if l == "NULL" {
		return "NULL::" + map[byte]string{'i': "int", 'n': "numeric", 's': "text", 'd': "date", 'b': "boolean"}[kind]
	}
	return l
}

func (g *tableMaker) expr(kind byte, cols []tableCol, depth int) string {
	if depth <= 0 || g.IntN(3) == 0 {
		if g.IntN(5) == 0 {
			return g.literalTyped(kind)
		}
		return g.column(kind, cols)
	}
	sub := func(k byte) string { return g.expr(k, cols, depth-1) }
	switch g.IntN(6) {
	case 0:
		return "coalesce(" + sub(kind) + ", " + g.literalTyped(kind) + ")"
	case 1:
		return "CASE WHEN " + g.predicate(cols, depth-1) + " THEN " + sub(kind) + " ELSE " + sub(kind) + " END"
	case 2:
		return "nullif(" + sub(kind) + ", " + sub(kind) + ")"
	}
	switch kind {
	case 'i':
		return g.pick("("+sub('i')+" % 50 + "+sub('i')+" % 50)", "("+sub('i')+" % 7 - "+sub('i')+" % 7)", "length("+sub('s')+")", "abs("+sub('i')+")")
	case 'n':
		return g.pick("round("+sub('n')+", 2)", "("+sub('n')+" + "+sub('i')+")", "-"+sub('n'))
	case 's':
		return g.pick("upper("+sub('s')+")", "left("+sub('s')+" || "+sub('s')+", 3)", "("+sub('i')+")::text")
	case 'd':
		return g.pick("("+sub('d')+" + "+sub('i')+")", "greatest("+sub('d')+", "+sub('d')+")")
	}
	return g.predicate(cols, depth-1)
}

func (g *tableMaker) predicate(cols []tableCol, depth int) string {
	kind := "iinssd"[g.IntN(6)]
	x, y := g.expr(kind, cols, depth-1), g.expr(kind, cols, depth-1)
	switch g.IntN(9) {
	case 0:
		return x + " IS NULL"
	case 1:
		return x + " IS NOT NULL"
	case 2:
		return "(" + g.predicate(cols, depth-1) + g.pick(" AND ", " OR ") + x + g.pick(" = ", " < ") + y + ")"
	case 3:
		return "NOT (" + x + " = " + y + ")"
	case 4:
		return x + " IS NOT DISTINCT FROM " + y
	case 5:
		return x + " IN (" + y + ", " + g.literalTyped(kind) + ")"
	}
	return x + g.pick(" = ", " <> ", " < ", " >= ") + y
}

// from makes a FROM clause and the columns that it has.
func (g *tableMaker) from(depth int) (string, []tableCol) {
	text, cols := g.item(depth)
	for range []int{0, 0, 1, 1, 1, 2}[g.IntN(6)] {
		right, more := g.item(depth)
		all := append(slices.Clone(cols), more...)
		kind := "iis"[g.IntN(3)]
		on := g.column(kind, cols) + " = " + g.column(kind, more)
		switch g.IntN(8) {
		case 0:
			on += " AND " + g.predicate(all, 1)
		case 1:
			on = g.predicate(all, 1)
		case 2:
			on += " AND " + g.column('s', cols) + " IS NOT DISTINCT FROM " + g.column('s', more)
		}
		switch join := g.pick("JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", ",", "CROSS JOIN"); join {
		case ",", "CROSS JOIN":
			if join == "," {
				join = "CROSS JOIN"
			}
			text += " " + join + " " + right
		default:
			text += " " + join + " " + right + " ON " + on
		}
		cols = all
	}
	return text, cols
}

// item makes one item of FROM.
func (g *tableMaker) item(depth int) (string, []tableCol) {
	g.alias++
	alias := fmt.Sprint("r", g.alias)
	var cols []tableCol
	if depth > 0 && g.IntN(4) == 0 {
		q, out := g.query(depth - 1)
		for _, c := range out {
			cols = append(cols, tableCol{alias + "." + c.name, c.kind})
		}
		if len(cols) > 0 {
			return "(" + q + ") " + alias, cols
		}
	}
	rel := g.rels[g.IntN(len(g.rels))]
	for _, c := range rel.cols {
		cols = append(cols, tableCol{alias + "." + c.name, c.kind})
	}
	return rel.name + " " + alias, cols
}

// query makes a query and its columns, named c1, c2 ...
func (g *tableMaker) query(depth int) (string, []tableColumn) {
	if depth > 0 && g.IntN(8) == 0 {
		return g.setOperation(depth)
	}
	from, cols := g.from(depth)
	where := ""
	if g.IntN(2) == 0 {
		where = " WHERE " + g.condition(cols, depth)
	}
	switch g.IntN(6) {
	case 0, 1:
		return g.grouped(from+where, cols)
	case 2:
		return g.over(from+where, cols)
	case 3:
		return g.top(from+where, cols)
	}
	list, out := g.list(cols, depth)
	return "SELECT " + g.pick("", "", "", "DISTINCT ") + list + " FROM " + from + where, out
}

// list makes a select list.
func (g *tableMaker) list(cols []tableCol, depth int) (string, []tableColumn) {
	var items []string
	var out []tableColumn
	for i := range 1 + g.IntN(4) {
		kind := "iinssd"[g.IntN(6)]
		x := g.expr(kind, cols, depth)
		if depth > 0 && g.IntN(8) == 0 {
			kind, x = 'i', "("+g.scalar(cols)+")"
		}
		name := fmt.Sprint("c", i+1)
		items, out = append(items, x+" AS "+name), append(out, tableColumn{name, kind})
	}
	return strings.Join(items, ", "), out
}

// scalar makes a correlated subquery with one number.
func (g *tableMaker) scalar(outer []tableCol) string {
	item, cols := g.item(0)
	return "SELECT (" + g.pick("count(*)", "max("+g.column('i', cols)+")", "sum("+g.column('i', cols)+")") + ")::int FROM " + item +
		" WHERE " + g.column('i', cols) + g.pick(" = ", " = ", " < ") + g.column('i', outer)
}

// condition makes a predicate that may have a subquery.
func (g *tableMaker) condition(cols []tableCol, depth int) string {
	if depth <= 0 || g.IntN(3) > 0 {
		return g.predicate(cols, 2)
	}
	item, inner := g.item(0)
	x := g.column('i', inner)
	where := " WHERE " + g.predicate(append(slices.Clone(inner), cols...), 1)
	switch g.IntN(4) {
	case 0:
		return g.pick("", "NOT ") + "EXISTS (SELECT 1 FROM " + item + where + ")"
	case 1:
		return g.column('i', cols) + g.pick(" IN", " NOT IN") + " (SELECT " + x + " FROM " + item + where + ")"
	case 2:
		return g.column('i', cols) + g.pick(" > ANY", " <= ALL") + " (SELECT " + x + " FROM " + item + where + ")"
	}
	return g.column('i', cols) + g.pick(" = ", " > ") + "(" + g.scalar(cols) + ")"
}

// grouped makes an aggregation.
func (g *tableMaker) grouped(from string, cols []tableCol) (string, []tableColumn) {
	var keys, items []string
	var out []tableColumn
	add := func(x string, kind byte) {
		name := fmt.Sprint("c", len(out)+1)
		items, out = append(items, x+" AS "+name), append(out, tableColumn{name, kind})
	}
	for range g.IntN(3) {
		kind := "iisd"[g.IntN(4)]
		x := g.column(kind, cols)
		if strings.Contains(x, ".") && !strings.Contains(x, "'") && !slices.Contains(keys, x) && x[0] == 'r' {
			keys = append(keys, x)
			add(x, kind)
		}
	}
	for range 1 + g.IntN(3) {
		filter := ""
		if g.IntN(5) == 0 {
			filter = " FILTER (WHERE " + g.predicate(cols, 1) + ")"
		}
		i := g.expr('i', cols, 1)
		switch g.IntN(8) {
		case 0:
			add("count(*)"+filter, 'x')
		case 1:
			add("count("+g.pick("", "DISTINCT ")+g.expr("ins"[g.IntN(3)], cols, 1)+")"+filter, 'x')
		case 2:
			add("sum("+g.pick("", "DISTINCT ")+i+")"+filter, 'x')
		case 3:
			kind := "insd"[g.IntN(4)]
			add(g.pick("min(", "max(")+g.expr(kind, cols, 1)+")"+filter, kind)
		case 4:
			x := g.column('s', cols)
			add("string_agg("+x+", ',' ORDER BY "+x+")"+filter, 'x')
		case 5:
			add("bool_or("+g.predicate(cols, 1)+")"+filter, 'b')
		case 6:
			add("avg("+g.expr('n', cols, 1)+")"+filter, 'x')
		default:
			add("sum("+g.expr('n', cols, 1)+")"+filter, 'n')
		}
	}
	text := "SELECT " + strings.Join(items, ", ") + " FROM " + from
	if len(keys) > 0 {
		text += " GROUP BY " + strings.Join(keys, ", ")
	}
	if g.IntN(4) == 0 {
		text += " HAVING count(*) > " + fmt.Sprint(g.IntN(2))
	}
	return text, slices.DeleteFunc(out, func(c tableColumn) bool { return c.kind == 'x' })
}

// key is a column of any kind.
func (g *tableMaker) key(cols []tableCol) string { return cols[g.IntN(len(cols))].ref }

// total orders by all columns, so that the order leaves nothing open.
func (g *tableMaker) total(cols []tableCol) string {
	var keys []string
	for _, i := range g.Perm(len(cols)) {
		keys = append(keys, cols[i].ref+g.pick("", "", " DESC", " DESC NULLS LAST", " NULLS FIRST"))
	}
	return strings.Join(keys, ", ")
}

// over makes window functions.
func (g *tableMaker) over(from string, cols []tableCol) (string, []tableColumn) {
	partition := ""
	if g.IntN(3) > 0 {
		partition = "PARTITION BY " + g.key(cols) + " "
	}
	order := "ORDER BY " + g.total(cols)
	list, out := g.list(cols, 0)
	for range 1 + g.IntN(2) {
		name := fmt.Sprint("c", len(out)+1)
		i := g.column('i', cols)
		frame := g.pick("", "", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
			" ROWS BETWEEN CURRENT ROW AND 2 FOLLOWING", " GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW",
			" ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE TIES")
		peers := order
		if g.IntN(2) == 0 { // peers: functions that give them one value
			peers = "ORDER BY " + g.key(cols) + g.pick("", " DESC")
		}
		var call, over string
		switch g.IntN(7) {
		case 0:
			call, over = "row_number()", partition+order
		case 1:
			call, over = g.pick("rank()", "dense_rank()"), partition+peers
		case 2:
			call, over = g.pick("lag(", "lead(")+i+g.pick(")", ", 2)", ", 1, 7)"), partition+order
		case 3:
			call, over = g.pick("first_value(", "last_value(")+i+")", partition+order+frame
		case 4:
			call, over = g.pick("sum(", "count(", "min(", "max(")+i+")", partition+order+frame
		case 5:
			call, over = g.pick("sum(", "count(", "max(")+i+")", partition+peers
		default:
			call, over = g.pick("ntile(3)", "nth_value("+i+", 2)"), partition+order
		}
		list += ", " + call + " OVER (" + over + ") AS " + name
		out = append(out, tableColumn{name, 'x'})
	}
	return "SELECT " + list + " FROM " + from, slices.DeleteFunc(out, func(c tableColumn) bool { return c.kind == 'x' })
}

// top makes the first rows of a query, or of each group.
func (g *tableMaker) top(from string, cols []tableCol) (string, []tableColumn) {
	order := " ORDER BY " + g.total(cols)
	list, out := g.list(cols, 0)
	limit := fmt.Sprint(1 + g.IntN(3))
	switch g.IntN(4) {
	case 0:
		k := g.key(cols)
		return "SELECT DISTINCT ON (" + k + ") " + list + " FROM " + from + " ORDER BY " + k + ", " + g.total(cols), out
	case 1:
		call := g.pick("row_number()", "rank()", "dense_rank()")
		names := make([]string, len(out))
		for i, c := range out {
			names[i] = c.name
		}
		partition := g.pick("", "PARTITION BY "+g.key(cols))
		return "SELECT " + strings.Join(names, ", ") + " FROM (SELECT " + list + ", " + call + " OVER (" + partition + order + ") AS rn FROM " + from + ") x WHERE rn <= " + limit, out
	case 2:
		return "SELECT " + list + " FROM " + from + order + " LIMIT " + limit + " OFFSET " + fmt.Sprint(g.IntN(3)), out
	}
	return "SELECT " + list + " FROM " + from + order + " FETCH FIRST " + limit + " ROWS " + g.pick("ONLY", "WITH TIES"), out
}

// setOperation combines two queries of the same columns.
func (g *tableMaker) setOperation(depth int) (string, []tableColumn) {
	side := func() string {
		from, cols := g.from(depth - 1)
		return "SELECT " + g.column('i', cols) + " AS c1, " + g.expr('s', cols, 1) + " AS c2 FROM " + from
	}
	op := g.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL")
	return side() + " " + op + " " + side(), []tableColumn{{"c1", 'i'}, {"c2", 's'}}
}
