package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compareValues orders values of one type; NULLs are greatest.
func compareValues(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	switch x := a.(type) {
	case int64:
		return cmp.Compare(x, b.(int64))
	case string:
		return cmp.Compare(x, b.(string))
	case bool:
		return cmp.Compare(fmt.Sprint(x), fmt.Sprint(b))
	}
	panic(fmt.Sprintf("%T", a))
}

// compareRows orders rows by sort keys; peers are equal.
func compareRows(keys []SortKey, a, b refRow) int {
	for _, k := range keys {
		x, y := a[k.Col], b[k.Col]
		switch {
		case (x == nil) != (y == nil):
			if (x == nil) == k.NullsFirst {
				return -1
			}
			return 1
		case k.Desc:
			x, y = y, x
		}
		if c := compareValues(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// partitionsOf splits rows into partitions, each in its order; ties are decided by the whole row.
func partitionsOf(rows []refRow, partition []int, order []SortKey) [][]refRow {
	byKey := map[string][]refRow{}
	var keys []string
	for _, row := range rows {
		k := refKey(partition, row)
		if byKey[k] == nil {
			keys = append(keys, k)
		}
		byKey[k] = append(byKey[k], row)
	}
	var out [][]refRow
	for _, k := range keys {
		list := byKey[k]
		slices.SortStableFunc(list, func(a, b refRow) int {
			if c := compareRows(order, a, b); c != 0 {
				return c
			}
			for i := range a {
				if c := compareValues(a[i], b[i]); c != 0 {
					return c
				}
			}
			return 0
		})
		out = append(out, list)
	}
	return out
}

// numbersOf returns row_number, rank and dense_rank of row i of a partition in order.
func numbersOf(rows []refRow, order []SortKey, i int) (number, rank, dense int64) {
	number, rank, dense = int64(i+1), 1, 1
	for j := 1; j <= i; j++ {
		if compareRows(order, rows[j-1], rows[j]) != 0 {
			rank, dense = int64(j+1), dense+1
		}
	}
	return number, rank, dense
}

// overRows computes ranking functions, lag, and aggregates over the default frame and the whole partition.
func overRows(t *testing.T, in []refRow, op *Over) []refRow {
	var out []refRow
	for _, rows := range partitionsOf(in, op.Partition, op.Order) {
		for i, row := range rows {
			res := slices.Clone(row)
			number, rank, dense := numbersOf(rows, op.Order, i)
			for _, c := range op.Calls {
				switch c.Fn {
				case "row_number":
					res = append(res, number)
				case "rank":
					res = append(res, rank)
				case "dense_rank":
					res = append(res, dense)
				case "lag":
					if i == 0 {
						res = append(res, nil)
					} else {
						res = append(res, rows[i-1][c.Args[0]])
					}
				default:
					require.Equal(t, FrameRange, c.Frame.Mode)
					require.Equal(t, UnboundedPreceding, c.Frame.Start.Kind)
					end := len(rows)
					if c.Frame.End.Kind == CurrentRow {
						for end = i + 1; end < len(rows) && compareRows(op.Order, row, rows[end]) == 0; end++ {
						}
					}
					res = append(res, refAggregate(t, AggCall{Fn: c.Fn, Args: c.Args, Filter: c.Filter}, rows[:end]))
				}
			}
			out = append(out, res)
		}
	}
	return out
}

func topNRows(in []refRow, op *TopN) []refRow {
	var out []refRow
	for _, rows := range partitionsOf(in, op.Partition, op.Order) {
		for i, row := range rows {
			number, rank, dense := numbersOf(rows, op.Order, i)
			counted := [...]int64{number, rank, dense}[op.Rank]
			if number <= op.Offset || op.Limit >= 0 && counted > op.Offset+op.Limit {
				continue
			}
			res := slices.Clone(row)
			if op.Number {
				res = append(res, counted)
			}
			out = append(out, res)
		}
	}
	return out
}

// over returns a query with window functions and conditions on them. Their windows are ordered by all columns, so that ties are
// between equal rows only.
func (q queryMaker) over(in string) string {
	order := q.pick("a, b, c, ts", "b DESC, a, c, ts", "c NULLS FIRST, ts, a, b DESC")
	w := q.pick("", "PARTITION BY a ", "PARTITION BY c, b ") + "ORDER BY " + order
	peers := q.pick("", "PARTITION BY a ", "PARTITION BY b ") + "ORDER BY " + q.pick("b", "c", "a DESC")
	inner := "SELECT *, row_number() OVER (" + w + ") AS n, rank() OVER (" + peers + ") AS r, dense_rank() OVER (" + peers + ") AS d, max(b) OVER (" + peers +
		") AS m, lag(b) OVER (" + w + ") AS l, count(*) OVER (PARTITION BY a) AS k FROM " + in
	where := ""
	if q.Intn(8) > 0 {
		where = " WHERE " + strings.Join([]string{q.pick("n <= 3", "n < 4 AND n > 1", "n = 1", "3 >= n AND r <= 2", "r <= 2", "r = 2", "d < 3 AND n <= 5",
			"n BETWEEN 2 AND 3", "n IN (1, 2, 5)", "n <= 2 OR r = 1", "r <= 3 AND d >= 2", "n > 1", "n <= 0", "l > 2 AND n <= 4", "k > 1 AND n < 3"), q.condition(1)},
			q.pick(" AND ", " AND ", " OR "))
	}
	return "SELECT " + q.pick("a, m AS b, c, ts", "a, n::int AS b, c, ts", "k::int AS a, l AS b, c, ts", "d::int AS a, r::int AS b, c, ts", "a, b, c, ts") +
		" FROM (" + inner + ") o" + where
}

// first returns a query with LIMIT or DISTINCT ON.
func (q queryMaker) first(in string) string {
	order := q.pick("a, b, c, ts", "b DESC, a, c, ts", "c NULLS FIRST, ts, a, b DESC")
	switch q.Intn(3) {
	case 0:
		return "(SELECT a, b, c, ts FROM " + in + " ORDER BY " + order + " LIMIT 5" + q.pick("", " OFFSET 2") + ")"
	case 1:
		return "(SELECT a, b, c, ts FROM " + in + " ORDER BY " + q.pick("a", "b DESC", "c, a") + " FETCH FIRST 3 ROWS WITH TIES)"
	}
	return "SELECT * FROM (SELECT DISTINCT ON (a, b) a, b, c, ts FROM " + in + " ORDER BY b, a, c, ts) d"
}
