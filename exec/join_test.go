package exec

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// joinNode makes a join of two inputs.
func joinNode(left, right *planner.Node, op *planner.Join) *planner.Node {
	schema := slices.Clone(left.Schema)
	if op.Kind != planner.SemiJoin && op.Kind != planner.AntiJoin {
		schema = append(schema, right.Schema...)
	}
	only := left.Props.AppendOnly && right.Props.AppendOnly && (op.Kind == planner.InnerJoin || op.Kind == planner.SemiJoin || op.Final)
	return &planner.Node{Op: op, Inputs: []*planner.Node{left, right}, Schema: schema, Props: planner.Props{AppendOnly: only, RowWatermark: -1}}
}

// refJoin is a join the slow way; match judges a pair.
func refJoin(n *planner.Node, sides [2][]testRow, match func(l, r []any) bool) bag {
	op := n.Op.(*planner.Join)
	out := bag{}
	leftNulls, rightNulls := make([]any, len(n.Inputs[0].Schema)), make([]any, len(n.Inputs[1].Schema))
	matched := make([]bool, len(sides[1]))
	for _, l := range sides[0] {
		found := false
		for i, r := range sides[1] {
			if !match(l.vals, r.vals) {
				continue
			}
			found, matched[i] = true, true
			if op.Kind <= planner.FullJoin {
				out.add(rowText(n.Schema, slices.Concat(l.vals, r.vals)), l.w*r.w)
			}
		}
		switch {
		case op.Kind == planner.SemiJoin && found, op.Kind == planner.AntiJoin && !found:
			out.add(rowText(n.Schema, l.vals), l.w)
		case (op.Kind == planner.LeftJoin || op.Kind == planner.FullJoin) && !found:
			out.add(rowText(n.Schema, slices.Concat(l.vals, rightNulls)), l.w)
		}
	}
	for i, r := range sides[1] {
		if op.Kind == planner.FullJoin && !matched[i] {
			out.add(rowText(n.Schema, slices.Concat(leftNulls, r.vals)), r.w)
		}
	}
	return out
}

// sameKeys reports whether keys match.
func sameKeys(op *planner.Join, l, r []any) bool {
	for i := range op.LeftKeys {
		x, y := l[op.LeftKeys[i]], r[op.RightKeys[i]]
		if x == nil || y == nil {
			if x != nil || y != nil || op.NullSafe == nil || !op.NullSafe[i] {
				return false
			}
			continue
		}
		if compareKeys(x, y) != 0 {
			return false
		}
	}
	return true
}

func compareKeys(x, y any) int {
	if a, ok := x.([]any); ok {
		b := y.([]any)
		for i := range min(len(a), len(b)) {
			if c := compareValues(a[i], b[i]); c != 0 {
				return c
			}
		}
		return len(a) - len(b)
	}
	return compareValues(x, y)
}

func num(s string) types.NumericValue {
	v, err := types.ParseNumeric(s)
	if err != nil {
		panic(err)
	}
	return v
}

// joinKeyKinds are key columns with values that meet in them, some of them equal in different forms.
var joinKeyKinds = []struct {
	types  []types.Type
	values [][]any
}{
	{[]types.Type{types.Int8Type}, [][]any{{int64(1), int64(2), int64(-3), nil}}},
	{[]types.Type{types.Int4Type, types.Int4Type}, [][]any{{int64(1), int64(2), nil}, {int64(5), int64(6)}}},
	{[]types.Type{types.TextType}, [][]any{{"", "a", "b\x00c", "a long text that lies somewhere else", nil}}},
	{[]types.Type{types.NumericType, types.BoolType}, [][]any{{num("1.0"), num("1.00"), num("-7"), num("NaN"), nil}, {true, false, nil}}},
	{[]types.Type{types.Float8Type}, [][]any{{0.0, math.Copysign(0, -1), math.NaN(), 1.5, math.Inf(1), nil}}},
	{[]types.Type{types.IntervalType}, [][]any{{types.IntervalValue{Months: 1}, types.IntervalValue{Days: 30}, types.IntervalValue{Micros: 5}, nil}}},
	{nil, nil},
}

// lessThan is a condition on two bigint columns of a pair, with an error where the left one is 7.
func lessThan(left types.Schema, l, r int) expr.Expr {
	col := func(i int) expr.Expr { return &expr.Column{Base: expr.Base{T: types.Int8Type}, Index: i} }
	lit := func(v int64) expr.Expr { return &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v} }
	call := func(fn string, t types.Type, args ...expr.Expr) expr.Expr {
		return &expr.Call{Base: expr.Base{T: t}, Fn: fn, Args: args}
	}
	// l + 0 / (l - 7) < r
	zero := call("/(bigint,bigint)", types.Int8Type, lit(0), call("-(bigint,bigint)", types.Int8Type, col(l), lit(7)))
	return call("<(bigint,bigint)", types.BoolType, call("+(bigint,bigint)", types.Int8Type, col(l), zero), col(len(left)+r))
}

// Every kind of join over changing and growing inputs, by keys of many types, with and without a condition besides, is what it would
// be over all rows so far, after each epoch.
func TestJoinRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(joinKeyKinds).Draw(t, "keys")
		op := &planner.Join{Kind: planner.JoinKind(rapid.IntRange(0, 4).Draw(t, "kind")), LeftRowWatermark: -1, RightRowWatermark: -1}
		var ls, rs types.Schema
		rs = append(rs, types.Field{Name: "extra", Type: types.TextType})
		for i, kt := range kind.types {
			op.LeftKeys, op.RightKeys = append(op.LeftKeys, i), append(op.RightKeys, len(kind.types)-i)
			ls = append(ls, types.Field{Name: "lk", Type: kt})
		}
		for i := range kind.types {
			rs = append(rs, types.Field{Name: "rk", Type: kind.types[len(kind.types)-1-i]})
		}
		if len(kind.types) > 0 && rapid.Bool().Draw(t, "null safe") {
			op.NullSafe = make([]bool, len(kind.types))
			for i := range op.NullSafe {
				op.NullSafe[i] = rapid.Bool().Draw(t, "safe")
			}
		}
		ls = append(ls, schemaOf("lv", types.Int8Type, "la", types.ArrayOf(types.NumericType))...)
		rs = append(rs, schemaOf("rv", types.Int8Type)...)
		lv, rv := len(kind.types), len(rs)-1
		if rapid.Bool().Draw(t, "condition") {
			op.On = lessThan(ls, lv, rv)
		}
		match := func(l, r []any) bool {
			if !sameKeys(op, l, r) {
				return false
			}
			if op.On == nil {
				return true
			}
			a, b := l[lv], r[rv]
			return a != nil && b != nil && a.(int64) != 7 && a.(int64) < b.(int64)
		}
		grows := [2]bool{rapid.Bool().Draw(t, "left grows"), rapid.Bool().Draw(t, "right grows")}
		c := &sidedCase{node: joinNode(inputNode(ls, grows[0]), inputNode(rs, grows[1]), op)}
		row := func(in int) []any {
			var vals []any
			var keys []any
			for i := range kind.types {
				keys = append(keys, rapid.SampledFrom(kind.values[i]).Draw(t, "key"))
			}
			v := any(int64(rapid.IntRange(5, 8).Draw(t, "v")))
			if rapid.IntRange(0, 9).Draw(t, "v null") == 0 {
				v = nil
			}
			if in == 0 {
				vals = append(append(vals, keys...), v, rapid.SampledFrom([]any{nil, []any{}, []any{num("1.0"), nil}, []any{num("1.00"), nil}}).Draw(t, "a"))
				return vals
			}
			vals = append(vals, rapid.SampledFrom([]any{"x", "yy", nil}).Draw(t, "s"))
			slices.Reverse(keys)
			return append(append(vals, keys...), v)
		}
		live := [2][]testRow{}
		for range rapid.IntRange(1, 4).Draw(t, "epochs") {
			var ep sidedEpoch
			for range rapid.IntRange(0, 12).Draw(t, "rows") {
				in := rapid.IntRange(0, 1).Draw(t, "side")
				switch what := rapid.IntRange(0, 5).Draw(t, "what"); {
				case what < 2 && !grows[in] && len(live[in]) > 0:
					i := rapid.IntRange(0, len(live[in])-1).Draw(t, "which")
					r := live[in][i]
					live[in] = slices.Delete(live[in], i, i+1)
					ep.rows = append(ep.rows, sidedRow{in, testRow{r.vals, -r.w}})
				case what == 2 && !grows[in]: // gone before it comes
					vals := row(in)
					ep.rows = append(ep.rows, sidedRow{in, testRow{vals, -1}}, sidedRow{in, ins(row(in)...)}, sidedRow{in, testRow{vals, 2}})
					live[in] = append(live[in], ins(vals...), ep.rows[len(ep.rows)-2].testRow)
				default:
					r := testRow{row(in), int64(rapid.SampledFrom([]int{1, 1, 1, 3}).Draw(t, "weight"))}
					live[in] = append(live[in], r)
					ep.rows = append(ep.rows, sidedRow{in, r})
				}
			}
			c.epochs = append(c.epochs, ep)
		}
		checkSided(t, t, c, func(epochs []sidedEpoch) bag { return refJoin(c.node, sidesOf(epochs), match) }, -1)
	})
}

// What comes of a row alone changes once an epoch, whatever happened in between.
func TestJoinPutsOutNetChanges(t *testing.T) {
	s := schemaOf("k", types.Int8Type)
	op := &planner.Join{Kind: planner.LeftJoin, LeftKeys: []int{0}, RightKeys: []int{0}, LeftRowWatermark: -1, RightRowWatermark: -1}
	one := int64(1)
	c := &sidedCase{node: joinNode(inputNode(s, false), inputNode(s, false), op), epochs: []sidedEpoch{
		{rows: []sidedRow{onLeft(ins(one)), onRight(ins(one)), onRight(del(one))}},
		{rows: []sidedRow{onRight(ins(one)), onRight(del(one)), onLeft(del(one)), onLeft(ins(one))}},
		{rows: []sidedRow{onRight(ins(one))}},
		{rows: []sidedRow{onRight(del(one)), onRight(ins(one))}},
		{rows: []sidedRow{onLeft(ins(one))}},
		{rows: []sidedRow{onRight(del(one))}},
	}}
	for _, run := range opRuns {
		require.Equal(t, []string{"+1 1|NULL", "+1 1|NULL", "+1 1|1", "+1 1|1", "+2 1|1", "+2 1|NULL"}, bagTexts(runSided(t, c, run).perEpoch), run.name)
	}
	op2, err := NewOperator(c.node, nil)
	require.NoError(t, err)
	tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, op2.Open(&OpenContext{Workers: 1, Tables: tables}))
	ctx := &Context{}
	for i, want := range []int{1, 0, 1, 0, 0, 2} {
		nulls := 0
		emit := func(b *changelog.Batch) {
			b.Each(func(row int) {
				if b.Cols[1].IsNull(row) {
					nulls++
				}
			})
		}
		for _, r := range c.epochs[i].rows {
			require.NoError(t, op2.Process(ctx, r.in, makeBatch(t, s, []testRow{r.testRow}, false), emit))
		}
		_, err := op2.EndEpoch(ctx, emit)
		require.NoError(t, err)
		for _, x := range tables.live {
			x.Delta()
		}
		require.LessOrEqual(t, nulls, want+1, fmt.Sprint(i))
		if want == 0 {
			require.Zero(t, nulls, fmt.Sprint(i))
		}
	}
}

// A pair for which the condition fails is rejected as long as it is there.
func TestJoinConditionFails(t *testing.T) {
	ls, rs := schemaOf("k", types.Int8Type, "v", types.Int8Type), schemaOf("k", types.Int8Type, "v", types.Int8Type)
	one, seven, nine := int64(1), int64(7), int64(9)
	for _, kind := range []planner.JoinKind{planner.InnerJoin, planner.FullJoin, planner.AntiJoin} {
		op := &planner.Join{Kind: kind, LeftKeys: []int{0}, RightKeys: []int{0}, On: lessThan(ls, 1, 1), LeftRowWatermark: -1, RightRowWatermark: -1}
		c := &sidedCase{node: joinNode(inputNode(ls, false), inputNode(rs, false), op), epochs: []sidedEpoch{
			{rows: []sidedRow{onLeft(ins(one, seven)), onRight(testRow{[]any{one, nine}, 3})}},
			{rows: []sidedRow{onRight(testRow{[]any{one, nine}, -2})}},
			{rows: []sidedRow{onLeft(del(one, seven))}},
		}}
		for _, run := range opRuns {
			for n, want := range []string{"+3 error: division by zero", "+1 error: division by zero", ""} {
				part := *c
				part.epochs = c.epochs[:n+1]
				require.Equal(t, want, runSided(t, &part, run).rejected.String(), run.name)
			}
		}
	}
}

// lessThanConst is column < v over bigint.
func lessThanConst(column int, v int64) expr.Expr {
	return &expr.Call{Base: expr.Base{T: types.BoolType}, Fn: "<(bigint,bigint)", Args: []expr.Expr{
		&expr.Column{Base: expr.Base{T: types.Int8Type}, Index: column}, &expr.Literal{Base: expr.Base{T: types.Int8Type}, Value: v}}}
}

// A row of much text with very many matches comes out in batches of a size that can be kept.
func TestJoinOfLongRows(t *testing.T) {
	s := schemaOf("k", types.Int8Type, "s", types.TextType)
	op := &planner.Join{LeftKeys: []int{0}, RightKeys: []int{0}, LeftRowWatermark: -1, RightRowWatermark: -1}
	o, err := NewOperator(joinNode(inputNode(s, true), inputNode(s, true), op), nil)
	require.NoError(t, err)
	tables := &workerTables{of: &testTables{}, workers: 1, live: map[string]stateTable{}}
	require.NoError(t, o.Open(&OpenContext{Workers: 1, Tables: tables}))
	var many []testRow
	for range 300 {
		many = append(many, ins(int64(1), "x"))
	}
	require.NoError(t, o.Process(&Context{}, 1, makeBatch(t, s, many, false), nil))
	rows, largest := 0, 0
	long := strings.Repeat("long ", 1<<18)
	require.NoError(t, o.Process(&Context{}, 0, makeBatch(t, s, []testRow{ins(int64(1), long)}, false), func(b *changelog.Batch) {
		rows, largest = rows+b.Rows(), max(largest, b.N)
	}))
	require.Equal(t, 300, rows)
	require.LessOrEqual(t, largest, joinBytes/len(long)+1)
}
