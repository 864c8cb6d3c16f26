package exec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// pgOverColumns are the columns of the differential test of Over, with the offsets of RANGE frames by them. Equal values have one form.
var pgOverColumns = []struct {
	pgColumn
	offsets []string // of type offset
	offset  types.Type
}{
	{pgColumn{"k", types.Int4Type, []string{"1", "2"}}, nil, types.Type{}},
	{pgColumn{"id", types.Int4Type, nil}, nil, types.Type{}},
	{pgColumn{"i2", types.Int2Type, []string{"0", "1", "2", "5", "-3", "32767", "-32768"}}, []string{"0", "1", "3"}, types.Int2Type},
	{pgColumn{"i4", types.Int4Type, []string{"0", "1", "2", "5", "-3", "2147483647"}}, []string{"0", "2", "7"}, types.Int4Type},
	{pgColumn{"i8", types.Int8Type, []string{"0", "1", "2", "9223372036854775807", "-9223372036854775808", "9223372036854775806"}}, []string{"0", "1", "9223372036854775807"}, types.Int8Type},
	{pgColumn{"n", types.NumericType, []string{"0", "1.50", "2.50", "-2.125", "100", "1", "3"}}, []string{"0", "1", "1.5"}, types.NumericType},
	{pgColumn{"d", types.Type{Kind: types.Numeric, Precision: 12, Scale: 2}, []string{"0.00", "1.25", "-9.99", "2.50"}}, []string{"1.5"}, types.NumericType},
	{pgColumn{"f8", types.Float8Type, []string{"0", "1.5", "-2.25", "NaN", "Infinity", "-Infinity", "0.125"}}, []string{"0", "1.5", "Infinity"}, types.Float8Type},
	{pgColumn{"f4", types.Float4Type, []string{"0", "1.5", "-2.25", "0.125"}}, []string{"0", "1.5"}, types.Float8Type},
	{pgColumn{"b", types.BoolType, []string{"t", "f"}}, nil, types.Type{}},
	{pgColumn{"s", types.TextType, []string{"", "a", "b", "Ab", "a b"}}, nil, types.Type{}},
	{pgColumn{"dt", types.DateType, []string{"1970-01-01", "1970-01-31", "1970-02-28", "1970-03-31"}}, []string{"0 days", "1 mon", "30 days"}, types.IntervalType},
	{pgColumn{"tm", types.TimeType, []string{"00:00:00", "23:59:59.999999", "12:00:00", "12:30:00"}}, []string{"00:30:00", "12:00:00", "1 day"}, types.IntervalType},
	{pgColumn{"ts", types.TimestampType, []string{"1970-01-01 00:00:00", "1970-01-31 05:05:05.5", "infinity", "-infinity", "1970-02-28 05:05:05.5"}}, []string{"0 s", "1 mon", "28 days 01:00:00"}, types.IntervalType},
	{pgColumn{"tz", types.TimestampTZType, []string{"1970-01-01 00:00:00+00", "1970-01-31 05:05:05.5+00", "1970-02-28 05:05:05.5+00"}}, []string{"1 mon", "28 days 01:00:00"}, types.IntervalType},
	{pgColumn{"iv", types.IntervalType, []string{"1 mon", "-1 day -02:00:00", "00:00:01.5", "1 year 2 mons"}}, []string{"1 day", "1 mon"}, types.IntervalType},
	{pgColumn{"two", types.Int4Type, []string{"2"}}, nil, types.Type{}},
	{pgColumn{"m", types.Int4Type, []string{"1", "2", "3"}}, nil, types.Type{}},
}

// pgOverCall is a call with its text before OVER.
type pgOverCall struct {
	text    string
	call    planner.OverCall
	framed  bool
	ordered bool // depends on the order of peers
}

func pgOverCalls(in types.Schema) (out []pgOverCall) {
	at := func(names ...string) (cols []int) {
		for _, n := range names {
			cols = append(cols, in.Index(n))
		}
		return cols
	}
	add := func(framed, ordered bool, fn string, args ...string) {
		c := overFn(in, fn, at(args...)...)
		text := fmt.Sprintf("%s(%s)", fn, strings.Join(args, ", "))
		if fn == "count" && len(args) == 0 {
			text = "count(*)"
		}
		out = append(out, pgOverCall{text, c, framed, ordered})
	}
	for _, fn := range []string{"rank", "dense_rank", "percent_rank", "cume_dist"} {
		add(false, false, fn)
	}
	add(false, true, "row_number")
	add(false, true, "ntile", "two")
	for _, fn := range []string{"lag", "lead"} {
		for _, col := range []string{"s", "n", "d", "iv"} {
			add(false, true, fn, col)
		}
		add(false, true, fn, "i4", "two")
		add(false, true, fn, "i4", "m", "two")
	}
	for _, col := range []string{"s", "d", "f8", "ts"} {
		add(true, true, "first_value", col)
		add(true, true, "last_value", col)
		add(true, true, "nth_value", col, "two")
		add(true, true, "nth_value", col, "m")
	}
	add(true, false, "count")
	for _, col := range []string{"i2", "i4", "i8", "n", "d", "iv"} {
		for _, fn := range []string{"sum", "avg", "count"} {
			add(true, false, fn, col)
		}
	}
	for _, col := range []string{"i2", "i4", "i8", "n", "d"} {
		for _, fn := range []string{"stddev", "var_pop"} {
			add(true, false, fn, col)
		}
	}
	for _, c := range pgOverColumns {
		if c.name != "b" && c.name != "k" {
			add(true, false, "min", c.name)
			add(true, false, "max", c.name)
		}
	}
	add(true, false, "bool_and", "b")
	add(true, false, "bool_or", "b")
	add(true, false, "bit_and", "i4")
	add(true, true, "string_agg", "s", "s")
	add(true, true, "array_agg", "i2")
	for _, c := range out {
		if strings.HasPrefix(c.text, "sum(") || strings.HasPrefix(c.text, "max(") {
			c.text += " FILTER (WHERE b)"
			c.call.Filter = in.Index("b")
			out = append(out, c)
		}
	}
	return out
}

// pgFrame draws a frame and its text. column is the ordering column that RANGE may have offsets by, or -1.
func pgFrame(r *rand.Rand, column int) (planner.Frame, string) {
	modes := []string{"RANGE", "ROWS", "GROUPS"}
	f := planner.Frame{Mode: planner.FrameMode(r.IntN(3))}
	offset := func() (string, *expr.Literal) {
		if f.Mode != planner.FrameRange {
			n := r.Int64N(4)
			return fmt.Sprint(n), &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: n}
		}
		c := pgOverColumns[column]
		text := c.offsets[r.IntN(len(c.offsets))]
		v, err := types.ParseText(c.offset, text)
		if err != nil {
			panic(err)
		}
		return fmt.Sprintf("'%s'::%s", text, c.offset), &expr.Literal{Base: expr.Base{T: c.offset}, Value: v}
	}
	offsets := f.Mode != planner.FrameRange || column >= 0 && pgOverColumns[column].offsets != nil
	bound := func(least, most planner.BoundKind) (planner.Bound, string) {
		b := planner.Bound{Kind: least + planner.BoundKind(r.IntN(int(most-least)+1))}
		if !offsets && (b.Kind == planner.Preceding || b.Kind == planner.Following) {
			b.Kind = planner.CurrentRow
		}
		switch b.Kind {
		case planner.Preceding, planner.Following:
			text, l := offset()
			b.Offset = l
			return b, text + map[planner.BoundKind]string{planner.Preceding: " PRECEDING", planner.Following: " FOLLOWING"}[b.Kind]
		case planner.UnboundedPreceding:
			return b, "UNBOUNDED PRECEDING"
		case planner.UnboundedFollowing:
			return b, "UNBOUNDED FOLLOWING"
		}
		return b, "CURRENT ROW"
	}
	var start, end string
	f.Start, start = bound(planner.UnboundedPreceding, planner.Following)
	f.End, end = bound(max(f.Start.Kind, planner.Preceding), planner.UnboundedFollowing)
	f.Exclude = planner.FrameExclusion(max(0, r.IntN(8)-4))
	return f, fmt.Sprintf("%s BETWEEN %s AND %s %s", modes[f.Mode], start, end,
		[]string{"EXCLUDE NO OTHERS", "EXCLUDE CURRENT ROW", "EXCLUDE GROUP", "EXCLUDE TIES"}[f.Exclude])
}

// Every window function over every kind of frame gives PostgreSQL's text over what is left after each epoch.
func TestOverAgainstPostgreSQL(t *testing.T) {
	db := pgtest.Open(t)
	db.MustExec(t, "SET timezone = 'UTC'")
	var in types.Schema
	var ddl []string
	for _, c := range pgOverColumns {
		in = append(in, types.Field{Name: c.name, Type: c.t})
		ddl = append(ddl, c.name+" "+c.t.String())
	}
	db.MustExec(t, "CREATE TABLE o ("+strings.Join(ddl, ", ")+")")
	all := pgOverCalls(in)
	r := rand.New(rand.NewPCG(7, 5))
	id := 0
	rounds := 40 // 400 were run
	if testing.Short() {
		rounds = 12
	}
	for round := range rounds {
		op := &planner.Over{Partition: []int{0}, Closing: noClosing}
		column := 2 + r.IntN(len(pgOverColumns)-4)
		desc, nullsFirst := r.IntN(2) == 0, r.IntN(2) == 0
		op.Order = []planner.SortKey{{Col: column, Desc: desc, NullsFirst: nullsFirst}}
		order := pgOverColumns[column].name + map[bool]string{true: " DESC", false: " ASC"}[desc] + map[bool]string{true: " NULLS FIRST", false: " NULLS LAST"}[nullsFirst]
		total := r.IntN(2) == 0
		if total {
			op.Order = append(op.Order, planner.SortKey{Col: 1})
			order += ", id"
		}
		var sql []string
		for len(op.Calls) < 12 {
			c := all[r.IntN(len(all))]
			if c.ordered && !total {
				continue
			}
			window := "PARTITION BY k ORDER BY " + order
			if c.framed {
				by := column
				if total {
					by = -1
				}
				f, text := pgFrame(r, by)
				if f.Mode == planner.FrameRows && !total {
					continue
				}
				c.call.Frame = f
				window += " " + text
			}
			op.Calls = append(op.Calls, c.call)
			sql = append(sql, fmt.Sprintf("%s OVER (%s)", c.text, window))
		}
		node := overNode(inputNode(in, false), op)
		for i := range op.Calls { // as the planner says: without the precision of an argument
			if f := &node.Schema[len(in)+i]; op.Calls[i].T.Kind == types.Numeric {
				op.Calls[i].T, f.Type = types.NumericType, types.NumericType
			}
		}
		c := &opCase{node: node}
		var live []testRow
		var want []string
		for range 3 {
			ep := testEpoch{}
			for range 1 + r.IntN(12) {
				if len(live) > 0 && r.IntN(3) == 0 {
					i := r.IntN(len(live))
					ep.rows = append(ep.rows, testRow{live[i].vals, -1})
					live = append(live[:i:i], live[i+1:]...)
					continue
				}
				row := testRow{vals: make([]any, len(in)), w: 1}
				for k, col := range pgOverColumns {
					switch {
					case col.name == "id":
						id++
						row.vals[k] = int64(id)
					case k > 0 && col.name != "two" && col.name != "m" && r.IntN(6) == 0:
					default:
						v, err := types.ParseText(col.t, col.values[r.IntN(len(col.values))])
						require.NoError(t, err)
						row.vals[k] = v
					}
				}
				ep.rows = append(ep.rows, row)
				live = append(live, row)
			}
			c.epochs = append(c.epochs, ep)
			db.MustExec(t, "TRUNCATE o")
			var tuples []string
			for _, row := range live {
				vals := make([]string, len(row.vals))
				for k, v := range row.vals {
					vals[k] = "NULL"
					if v != nil {
						vals[k] = "'" + textOf(in[k].Type, v) + "'"
					}
				}
				tuples = append(tuples, "("+strings.Join(vals, ", ")+")")
			}
			if len(tuples) > 0 {
				db.MustExec(t, "INSERT INTO o VALUES "+strings.Join(tuples, ", "))
			}
			res := db.MustQuery(t, "SELECT id, "+strings.Join(sql, ", ")+" FROM o")
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
			b := bag{}
			for line, n := range res.perEpoch[e] {
				cells := strings.Split(line, "|")
				b.add(strings.Join(slices.Insert(cells[len(in):], 0, cells[1]), "|"), n)
			}
			got := b.String()
			if got != w {
				diffCells(t, sql, w, got)
				t.Logf("rejected: %s", res.rejected)
			}
			require.Equal(t, w, got, "round %d, %s, epoch %d, ORDER BY %s", round, run.name, e+1, order)
		}
		require.Empty(t, res.rejected)
	}
}
