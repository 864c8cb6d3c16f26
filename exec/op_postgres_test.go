package exec

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// pgColumn is a column of the differential test with the texts its values are drawn from.
type pgColumn struct {
	name   string
	t      types.Type
	values []string
}

var pgColumns = []pgColumn{
	{"k", types.Int4Type, []string{"1", "2", "3"}},
	{"i2", types.Int2Type, []string{"0", "-32768", "32767", "7", "7", "13"}},
	{"i4", types.Int4Type, []string{"0", "-2147483648", "2147483647", "5", "-5", "1000"}},
	{"i8", types.Int8Type, []string{"0", "9223372036854775807", "-9223372036854775808", "3", "-4", "100000"}},
	{"n", types.NumericType, []string{"0", "1.50", "1.5", "-2.125", "100", "0.0000001", "12345678.9", "-7.00"}},
	{"d", types.Type{Kind: types.Numeric, Precision: 12, Scale: 3}, []string{"0.000", "1.125", "-99999999.999", "2.500"}},
	{"w", types.Type{Kind: types.Numeric, Precision: 30, Scale: 5}, []string{"0.00000", "1.12500", "-9999999999.99999", "2.5"}},
	{"f8", types.Float8Type, []string{"0", "1.5", "-2.25", "1024", "0.125"}},
	{"f4", types.Float4Type, []string{"0", "1.5", "-2.25", "1024", "0.125"}},
	{"b", types.BoolType, []string{"t", "f"}},
	{"s", types.TextType, []string{"", "a", "b", "Ab", "ä", "a b"}},
	{"dt", types.DateType, []string{"1970-01-01", "1969-12-31", "2024-02-29"}},
	{"tm", types.TimeType, []string{"00:00:00", "23:59:59.999999", "12:00:00"}},
	{"ts", types.TimestampType, []string{"1970-01-01 00:00:00", "1960-05-05 05:05:05.5", "infinity"}},
	{"iv", types.IntervalType, []string{"1 mon", "30 days", "-1 day 02:00:00", "00:00:01.5", "1 year 2 mons"}},
	{"j", types.JSONBType, []string{"1", "2", `"a"`}},
	{"q", types.Float8Type, []string{"0.3"}}, // never NULL
}

// pgCalls are the calls that are compared, in PostgreSQL's text, with the column and what the call needs.
func pgCalls(in types.Schema) (sql []string, calls []planner.AggCall) {
	at := func(name string) int { return in.Index(name) }
	add := func(text string, c planner.AggCall) {
		if c.Filter >= 0 {
			text += " FILTER (WHERE b)"
		}
		sql, calls = append(sql, text), append(calls, c)
	}
	one := func(fn, col string) planner.AggCall { return callOf(in, fn, at(col)) }
	add("count(*)", callOf(in, "count"))
	for _, col := range []string{"i2", "i4", "i8", "n", "d", "w", "f8", "f4", "iv"} {
		for _, fn := range []string{"sum", "avg", "stddev", "stddev_pop", "variance", "var_pop"} {
			if col == "iv" && fn != "sum" && fn != "avg" || strings.HasPrefix(col, "f") && fn != "sum" && fn != "avg" {
				continue
			}
			add(fmt.Sprintf("%s(%s)", fn, col), one(fn, col))
		}
	}
	for _, c := range pgColumns[1:] {
		if c.name != "b" && c.name != "j" {
			for _, fn := range []string{"min", "max"} {
				call := one(fn, c.name)
				call.T = c.t
				if c.t.Kind != types.Interval { // equal intervals of different form: PostgreSQL gives the one it met first
					add(fmt.Sprintf("%s(%s)", fn, c.name), call)
				}
			}
		}
		call := one("count", c.name)
		call.Distinct = true
		add(fmt.Sprintf("count(DISTINCT %s)", c.name), call)
		call.Filter = at("b")
		add(fmt.Sprintf("count(DISTINCT %s)", c.name), call)
	}
	for _, col := range []string{"i2", "i4", "i8", "d", "f8"} {
		call := one("sum", col)
		call.Distinct = true
		add(fmt.Sprintf("sum(DISTINCT %s)", col), call)
		call.Distinct, call.Filter = false, at("b")
		add(fmt.Sprintf("sum(%s)", col), call)
	}
	for _, fn := range []string{"bool_and", "bool_or"} {
		add(fn+"(b)", one(fn, "b"))
	}
	for _, fn := range []string{"bit_and", "bit_or"} {
		add(fn+"(i4)", one(fn, "i4"))
	}
	list := callOf(in, "string_agg", at("s"), at("s"))
	list.OrderBy = []planner.SortKey{{Col: at("i4"), Desc: true}, {Col: at("s"), NullsFirst: true}}
	add("string_agg(s, s ORDER BY i4 DESC NULLS LAST, s NULLS FIRST)", list)
	arr := one("array_agg", "i2")
	arr.OrderBy = []planner.SortKey{{Col: at("i2"), NullsFirst: true}}
	add("array_agg(i2 ORDER BY i2 NULLS FIRST)", arr)
	arr = one("array_agg", "s")
	arr.Distinct = true
	add("array_agg(DISTINCT s)", arr)
	js := one("jsonb_agg", "j")
	js.OrderBy = []planner.SortKey{{Col: at("j"), NullsFirst: true}}
	add("jsonb_agg(j ORDER BY j NULLS FIRST)", js)
	js.Distinct = true
	add("jsonb_agg(DISTINCT j ORDER BY j NULLS FIRST)", js)
	js.Distinct, js.Filter = false, at("b")
	add("jsonb_agg(j ORDER BY j NULLS FIRST)", js)
	add("regr_count(f8, f8)", callOf(in, "regr_count", at("f8"), at("f8")))
	for _, col := range []string{"i2", "i4", "n", "s", "dt", "ts", "f8"} {
		for _, desc := range []bool{false, true} {
			within := func(fn string) string {
				order := ""
				if desc {
					order = " DESC"
				}
				return fmt.Sprintf("%s WITHIN GROUP (ORDER BY %s%s)", fn, col, order)
			}
			c := callOf(in, "percentile_disc", at(col), at("q"))
			c.OrderBy = []planner.SortKey{{Col: at(col), Desc: desc}}
			if col != "n" { // of equal numbers PostgreSQL gives the form that it met first
				add(within("percentile_disc(0.3)"), c)
				c = one("mode", col)
				c.OrderBy = []planner.SortKey{{Col: at(col), Desc: desc}}
				add(within("mode()"), c)
			}
			if col == "f8" {
				c = callOf(in, "percentile_cont", at(col), at("q"))
				c.OrderBy = []planner.SortKey{{Col: at(col), Desc: desc}}
				add(within("percentile_cont(0.3)"), c)
			}
		}
	}
	return sql, calls
}

// Every aggregate gives PostgreSQL's text over what is left after each epoch, with and without retractions.
func TestAggregatesAgainstPostgreSQL(t *testing.T) {
	db := pgtest.Open(t)
	var in types.Schema
	var ddl []string
	for _, c := range pgColumns {
		in = append(in, types.Field{Name: c.name, Type: c.t})
		ddl = append(ddl, c.name+" "+c.t.String())
	}
	db.MustExec(t, "CREATE TABLE t ("+strings.Join(ddl, ", ")+")")
	sql, calls := pgCalls(in)
	r, late := rand.New(rand.NewPCG(3, 5)), rand.New(rand.NewPCG(7, 11)) // variances of other extremes have more digits than NUMERIC holds
	for round := range 8 {
		changing := round%2 == 1
		op := &planner.Aggregate{Keys: []int{0}, Aggs: calls, Close: -1, RowWatermark: -1}
		node := aggNode(inputNode(in, !changing), op)
		// The names of result columns must not be those of the tests' key columns.
		c := &opCase{node: node}
		var live []testRow
		var want []string
		db.MustExec(t, "TRUNCATE t")
		for range 3 {
			ep := testEpoch{}
			for range 2 + r.IntN(8) {
				if changing && len(live) > 0 && r.IntN(3) == 0 {
					i := r.IntN(len(live))
					ep.rows = append(ep.rows, testRow{live[i].vals, -1})
					live = append(live[:i:i], live[i+1:]...)
					continue
				}
				row := testRow{vals: make([]any, len(in)), w: 1}
				for k, col := range pgColumns {
					r := r
					if col.name == "j" || col.name == "q" {
						r = late
					}
					if k > 0 && col.name != "q" && r.IntN(6) == 0 {
						continue
					}
					v, err := types.ParseText(col.t, col.values[r.IntN(len(col.values))])
					require.NoError(t, err)
					row.vals[k] = v
				}
				ep.rows = append(ep.rows, row)
				live = append(live, row)
			}
			c.epochs = append(c.epochs, ep)
			db.MustExec(t, "TRUNCATE t")
			for _, row := range live {
				vals := make([]string, len(row.vals))
				for k, v := range row.vals {
					vals[k] = "NULL"
					if v != nil {
						vals[k] = "'" + textOf(in[k].Type, v) + "'"
					}
				}
				db.MustExec(t, "INSERT INTO t VALUES ("+strings.Join(vals, ", ")+")")
			}
			res := db.MustQuery(t, "SELECT k, "+strings.Join(sql, ", ")+" FROM t GROUP BY k")
			b := bag{}
			for _, row := range res.Rows {
				cells := make([]string, len(row))
				for i, cell := range row {
					cells[i] = "NULL"
					if cell != nil {
						cells[i] = *cell
					}
				}
				b.add(strings.Join(cells, "|"), 1)
			}
			want = append(want, b.String())
		}
		run := opRuns[round%len(opRuns)]
		res := runOp(t, c, run)
		for e, w := range want {
			got := res.perEpoch[e].String()
			if got != w {
				diffCells(t, sql, w, got)
				t.Logf("rejected: %s", res.rejected)
			}
			require.Equal(t, w, got, "round %d, %s, epoch %d", round, run.name, e+1)
		}
		require.Empty(t, res.rejected)
	}
}

// diffCells logs which aggregates differ.
func diffCells(t *testing.T, sql []string, want, got string) {
	ws, gs := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(ws) != len(gs) {
		return
	}
	for i := range ws {
		w, g := strings.Split(ws[i], "|"), strings.Split(gs[i], "|")
		for k := range min(len(w), len(g)) {
			if w[k] != g[k] && k > 0 {
				t.Logf("%s: PostgreSQL gives %s, we %s", sql[k-1], w[k], g[k])
			}
		}
	}
}
