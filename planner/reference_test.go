package planner

import (
	"fmt"
	"math/rand"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// reference answers a plan in one go over whole tables: every rewrite must leave its answer as it is.
type reference struct {
	tables map[string][]refRow
	now    int64 // the epoch's clock
}

type refRow []any // values as expr.Literal has them

func (r *reference) eval(t *testing.T, n *Node) []refRow {
	value := func(e expr.Expr, s types.Schema, row refRow) (any, error) {
		e = mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
			if c, ok := x.(*expr.Column); ok {
				return &expr.Literal{Base: expr.Base{T: s[c.Index].Type}, Value: row[c.Index]}, true
			}
			return nil, false
		})
		if lit, ok := e.(*expr.Literal); ok {
			return lit.Value, nil
		}
		return expr.Const(e, &expr.Context{Now: r.now})
	}
	var in []refRow
	var schema types.Schema
	if len(n.Inputs) > 0 {
		schema = n.Inputs[0].Schema
		in = r.eval(t, n.Inputs[0])
	}
	var out []refRow
	switch op := n.Op.(type) {
	case *Scan:
		for _, row := range r.tables[op.Name] {
			var cols refRow
			for _, c := range op.Columns {
				cols = append(cols, row[c])
			}
			pruned := false
			for _, e := range op.Prune {
				v, err := value(e, n.Schema, cols)
				require.NoError(t, err)
				pruned = pruned || v != true
			}
			if !pruned {
				out = append(out, cols)
			}
		}
	case *Watermark:
		for _, row := range in {
			if op.Emit {
				row = append(slices.Clone(row), nil)
			}
			out = append(out, row)
		}
	case *Values:
		for _, exprs := range op.Rows {
			row := refRow{}
			for _, e := range exprs {
				v, err := value(e, nil, nil)
				require.NoError(t, err)
				row = append(row, v)
			}
			out = append(out, row)
		}
	case *Filter:
		for _, row := range in {
			if v, err := value(op.Pred, schema, row); err == nil && v == true {
				out = append(out, row)
			}
		}
	case *Project:
		for _, row := range in {
			cols := refRow{}
			for _, e := range op.Exprs {
				v, err := value(e, schema, row)
				require.NoError(t, err)
				cols = append(cols, v)
			}
			out = append(out, cols)
		}
	case *Union:
		out = append(out, in...)
		for _, other := range n.Inputs[1:] {
			out = append(out, r.eval(t, other)...)
		}
	case *WindowExpand:
		out = expandRows(in, op.Window)
	case *Over:
		return overRows(t, in, op)
	case *TopN:
		return topNRows(in, op)
	case *TemporalFilter:
		return temporalRows(in, op, r.now)
	case *SessionExpand:
		out = sessionRows(in, op.Window, op.Partition)
	case *Aggregate:
		return aggregateRows(t, in, op.Keys, op.Aggs)
	case *WindowAggregate:
		width := len(schema)
		var rows []refRow
		if op.Window.Kind == Session {
			rows = sessionRows(in, op.Window, op.Keys)
		} else {
			rows = expandRows(in, op.Window)
		}
		return aggregateRows(t, rows, append(slices.Clone(op.Keys), width, width+1), op.Aggs)
	default:
		return in
	}
	return out
}

func floorTo(x, step int64) int64 { return x - ((x%step)+step)%step }

func expandRows(in []refRow, w Window) []refRow {
	var out []refRow
	for _, row := range in {
		ts, ok := row[w.Time].(int64)
		if !ok {
			continue
		}
		add := func(start, end int64) {
			out = append(out, append(slices.Clone(row), start, end, end-1))
		}
		switch w.Kind {
		case Tumble:
			start := floorTo(ts-w.Offset, w.Size) + w.Offset
			add(start, start+w.Size)
		case Hop:
			for start := floorTo(ts-w.Offset, w.Slide) + w.Offset; start > ts-w.Size; start -= w.Slide {
				add(start, start+w.Size)
			}
		case Cumulate:
			start := floorTo(ts-w.Offset, w.Size) + w.Offset
			for end := start + w.Slide; end <= start+w.Size; end += w.Slide {
				if end > ts {
					add(start, end)
				}
			}
		}
	}
	return out
}

func sessionRows(in []refRow, w Window, keys []int) []refRow {
	groups := map[string][]refRow{}
	for _, row := range in {
		if _, ok := row[w.Time].(int64); ok {
			groups[refKey(keys, row)] = append(groups[refKey(keys, row)], row)
		}
	}
	var out []refRow
	for _, rows := range groups {
		sort.SliceStable(rows, func(i, j int) bool { return rows[i][w.Time].(int64) < rows[j][w.Time].(int64) })
		for i := 0; i < len(rows); {
			j := i + 1
			for j < len(rows) && rows[j][w.Time].(int64) < rows[j-1][w.Time].(int64)+w.Size {
				j++
			}
			start, end := rows[i][w.Time].(int64), rows[j-1][w.Time].(int64)+w.Size
			for _, row := range rows[i:j] {
				out = append(out, append(slices.Clone(row), start, end, end-1))
			}
			i = j
		}
	}
	return out
}

func refKey(keys []int, row refRow) string {
	s := ""
	for _, k := range keys {
		s += fmt.Sprintf("%T:%v|", row[k], row[k])
	}
	return s
}

func aggregateRows(t *testing.T, in []refRow, keys []int, calls []AggCall) []refRow {
	groups := map[string][]refRow{}
	var order []string
	for _, row := range in {
		k := refKey(keys, row)
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], row)
	}
	if len(keys) == 0 && len(in) == 0 {
		order = append(order, "")
	}
	var out []refRow
	for _, g := range order {
		row := refRow{}
		for _, k := range keys {
			row = append(row, groups[g][0][k])
		}
		for _, c := range calls {
			row = append(row, refAggregate(t, c, groups[g]))
		}
		out = append(out, row)
	}
	return out
}

func refAggregate(t *testing.T, c AggCall, rows []refRow) any {
	var values []int64
	count := int64(0)
	seen := map[any]bool{}
	for _, row := range rows {
		if c.Filter >= 0 && row[c.Filter] != true {
			continue
		}
		if c.Fn == "count(*)" {
			count++
			continue
		}
		v := row[c.Args[0]]
		if v == nil || c.Distinct && seen[v] {
			continue
		}
		seen[v] = true
		count++
		if x, ok := v.(int64); ok {
			values = append(values, x)
		}
	}
	name, _, _ := strings.Cut(c.Fn, "(")
	if name == "count" {
		return count
	}
	if len(values) == 0 {
		return nil
	}
	switch name {
	case "min":
		return slices.Min(values)
	case "max":
		return slices.Max(values)
	}
	require.Equal(t, "sum(integer)", c.Fn)
	sum := int64(0)
	for _, v := range values {
		sum += v
	}
	return sum
}

// queryMaker writes random queries whose expressions cannot fail.
type queryMaker struct{ *rand.Rand }

func (q queryMaker) pick(list ...string) string { return list[q.Intn(len(list))] }

// relation returns a query with the columns a, b (integer), c (text) and ts (timestamp).
func (q queryMaker) relation(depth int) string {
	if depth == 0 {
		return q.pick("SELECT a, b, c, ts FROM t", "SELECT * FROM t", "SELECT b AS a, a AS b, c, ts FROM t WHERE c = 'x'", "SELECT * FROM u")
	}
	in := "(" + q.relation(depth-1) + ") r" + fmt.Sprint(depth)
	where := ""
	if q.Intn(2) == 0 {
		where = " WHERE " + q.condition(2)
	}
	windows := fmt.Sprintf("%s((%s), ts, ", "%s", q.relation(depth-1))
	window := q.pick(fmt.Sprintf(windows, "TUMBLE")+"INTERVAL '10' SECOND)", fmt.Sprintf(windows, "HOP")+"INTERVAL '4' SECOND, INTERVAL '10' SECOND)",
		fmt.Sprintf(windows, "CUMULATE")+"INTERVAL '5' SECOND, INTERVAL '15' SECOND)", fmt.Sprintf(windows, "SESSION")+"INTERVAL '3' SECOND)",
		"SESSION(TABLE("+q.relation(depth-1)+") PARTITION BY a, DESCRIPTOR(ts), INTERVAL '3' SECOND)")
	bound := q.pick("window_end", "window_start", "window_time")
	switch q.Intn(15) {
	case 12, 13:
		return q.over(in)
	case 14:
		return q.first(in)
	case 9:
		return "SELECT n AS a, one AS b, c, ts FROM (SELECT count(*)::int AS n, 1 AS one, max(c) AS c, max(ts) AS ts FROM " + in + where + ") g" +
			q.pick("", " WHERE one = 2", " WHERE n > 3")
	case 10:
		return "SELECT 1 AS a, b, c, window_end AS ts FROM SESSION(TABLE(" + q.relation(depth-1) + ") PARTITION BY a, DESCRIPTOR(ts), INTERVAL '3' SECOND)" + where
	case 11:
		return "SELECT a, count(*)::int AS b, max(c) AS c, window_end AS ts FROM SESSION(TABLE(" + q.relation(depth-1) +
			") PARTITION BY a, DESCRIPTOR(ts), INTERVAL '3' SECOND)" + where + " GROUP BY a, window_start, window_end"
	case 0:
		return "SELECT " + q.pick("a, b, c, ts", "b AS a, a AS b, c, ts", "CASE WHEN a > 3 THEN b END AS a, b, c, ts") + " FROM " + in + where
	case 1:
		return q.relation(depth-1) + q.pick(" UNION ALL ", " UNION ") + "SELECT a, b, c, ts FROM " + in + where
	case 2:
		return "SELECT DISTINCT a, b, c, ts FROM " + in + where
	case 3:
		return "SELECT a, max(b) AS b, min(c) AS c, min(ts) AS ts FROM " + in + where + " GROUP BY a" + q.pick("", " HAVING count(*) > 1", " HAVING a > 2")
	case 4:
		return "SELECT a, count(*)::int AS b, c, max(ts) AS ts FROM " + in + where + " GROUP BY c, a"
	case 5:
		return fmt.Sprintf("SELECT a, count(DISTINCT b)::int AS b, '%s' AS c, %s AS ts FROM %s%s GROUP BY a, window_start, window_end%s%s",
			q.pick("x", "y"), bound, window, where, map[bool]string{true: ", window_time"}[bound == "window_time"],
			q.pick("", " HAVING window_end > TIMESTAMP '2020-01-01 00:00:10'", " HAVING count(*) > 1"))
	case 6:
		return fmt.Sprintf("SELECT a, min(b) AS b, max(c) AS c, %s AS ts FROM %s%s GROUP BY %s, a", bound, window,
			q.pick(where, " WHERE window_start >= TIMESTAMP '2020-01-01 00:00:05'", " WHERE a > 2 AND window_end <> TIMESTAMP '2020-01-01 00:00:20'"), bound)
	case 7:
		return fmt.Sprintf("SELECT a, b, c, %s AS ts FROM %s%s", bound, window, where)
	}
	return "SELECT a, max(b) FILTER (WHERE a < 4) AS b, max(c) AS c, TUMBLE_END(ts, INTERVAL '6' SECOND) AS ts FROM " + in + where +
		" GROUP BY a, TUMBLE(ts, INTERVAL '6' SECOND)"
}

func (q queryMaker) condition(depth int) string {
	if depth > 0 && q.Intn(2) == 0 {
		return "(" + q.condition(depth-1) + q.pick(" AND ", " OR ") + q.condition(depth-1) + ")"
	}
	return q.pick("a > 2", "b < 5", "a = b", "c = 'x'", "c IN ('x', 'z')", "c IS NULL", "a IS NOT NULL", "NOT b > 3", "a BETWEEN 2 AND 4",
		"ts > TIMESTAMP '2020-01-01 00:00:07'", "1 = 1", "a IS DISTINCT FROM b", "a > 1 AND b > 1")
}

// TestRewritesKeepTheAnswer answers random queries before and after the rewrites.
func TestRewritesKeepTheAnswer(t *testing.T) {
	s := newSession()
	exec(t, s, `CREATE SOURCE t (a INT, b INT, c TEXT, ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH (connector = 'file', path = 'x', format = 'json', watch = true);
		CREATE SOURCE u (a INT, b INT, c TEXT, ts TIMESTAMP) WITH (connector = 'file', path = 'x', format = 'json')`)
	base, err := types.ParseTimestamp("2020-01-01 00:00:00")
	require.NoError(t, err)
	windowed, tops := 0, 0
	for seed := range int64(300) {
		q := queryMaker{rand.New(rand.NewSource(seed))}
		ref := &reference{tables: map[string][]refRow{}}
		for _, name := range []string{"t", "u"} {
			for range 2 + q.Intn(30) {
				row := refRow{int64(q.Intn(4)), int64(q.Intn(7)), []string{"x", "y", "z"}[q.Intn(3)], base + int64(q.Intn(30))*1e6}
				for i := range row {
					if q.Intn(10) == 0 {
						row[i] = nil
					}
				}
				ref.tables[name] = append(ref.tables[name], row)
			}
		}
		text := q.relation(1 + q.Intn(3))
		query, err := sql.ParseQuery(text)
		require.NoError(t, err, text)
		plan, err := s.p.PlanQuery(query)
		if err != nil { // two window columns of one name, sessions over a time without a bound
			require.Equal(t, types.CodeNotSupported, types.CodeOf(err), "%s: %v", text, err)
			continue
		}
		checkPlan(t, plan.Root)
		plan.Root.each(func(n *Node) {
			if _, ok := n.Op.(*WindowAggregate); ok {
				windowed++
			}
			if _, ok := n.Op.(*TopN); ok {
				tops++
			}
		})
		lines := func(rows []refRow) []string {
			out := []string{}
			for _, r := range rows {
				out = append(out, fmt.Sprint([]any(r)))
			}
			slices.Sort(out)
			return out
		}
		require.Equal(t, lines(ref.eval(t, plan.Logical)), lines(ref.eval(t, plan.Root)), "seed %d: %s\n%s\n%s", seed, text,
			Explain(plan.Logical, ExplainOptions{}), Explain(plan.Root, ExplainOptions{}))
		checkKeys(t, ref, plan.Root)
	}
	require.Greater(t, windowed, 50)
	require.Greater(t, tops, 30)
}

// checkKeys checks that the keys that are proved of every node hold in the reference's answer.
func checkKeys(t *testing.T, ref *reference, root *Node) {
	root.each(func(n *Node) {
		for _, d := range n.Props.Determines {
			to := map[string]string{}
			for _, row := range ref.eval(t, n) {
				from, value := refKey([]int{d.From}, row), refKey([]int{d.To}, row)
				if have, ok := to[from]; ok {
					require.Equal(t, have, value, "column %d determines %d in %s", d.From, d.To, describe(n))
				}
				to[from] = value
			}
		}
		for _, k := range n.Props.Keys {
			seen := map[string]bool{}
			for _, row := range ref.eval(t, n) {
				require.False(t, seen[refKey(k, row)], "key %v of %s", k, describe(n))
				seen[refKey(k, row)] = true
			}
		}
	})
}
