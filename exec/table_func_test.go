package exec

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

var seriesInput = schemaOf("a", types.Int8Type, "b", types.Int8Type, "c", types.Int8Type)

// seriesCall is generate_series over columns.
func seriesCall(cols ...int) planner.TableCall {
	c := planner.TableCall{Fn: "generate_series(bigint,bigint)", Columns: schemaOf("generate_series", types.Int8Type)}
	if len(cols) == 3 {
		c.Fn = "generate_series(bigint,bigint,bigint)"
	}
	for _, col := range cols {
		c.Args = append(c.Args, colExpr(seriesInput, col))
	}
	return c
}

func tableFuncNode(in *planner.Node, op *planner.TableFunc) *planner.Node {
	n := &planner.Node{Op: op, Inputs: []*planner.Node{in}, Schema: append(types.Schema(nil), in.Schema...), Props: planner.Props{RowWatermark: -1}}
	for _, c := range op.Calls {
		n.Schema = append(n.Schema, c.Columns...)
	}
	if op.Ordinality {
		n.Schema = append(n.Schema, types.Field{Name: "ordinality", Type: types.Int8Type})
	}
	return n
}

func TestTableFunc(t *testing.T) {
	epochs := []testEpoch{
		{rows: []testRow{ins(int64(1), int64(3), int64(2)), ins(int64(5), int64(4), int64(1)), ins(int64(1), nil, int64(1)), ins(int64(1), int64(2), int64(0))}},
		{rows: []testRow{del(int64(1), int64(3), int64(2)), {[]any{int64(7), int64(8), int64(1)}, 2}, del(int64(1), int64(2), int64(0))}},
	}
	cases := []struct {
		name     string
		op       planner.TableFunc
		want     []string
		rejected string
	}{
		{"one", planner.TableFunc{Calls: []planner.TableCall{seriesCall(0, 1)}}, []string{
			"+1 1|2|0|1\n+1 1|2|0|2\n+1 1|3|2|1\n+1 1|3|2|2\n+1 1|3|2|3",
			"+2 7|8|1|7\n+2 7|8|1|8"}, ""},
		{"step", planner.TableFunc{Calls: []planner.TableCall{seriesCall(0, 1, 2)}, Ordinality: true}, []string{
			"+1 1|3|2|1|1\n+1 1|3|2|3|2",
			"+2 7|8|1|7|1\n+2 7|8|1|8|2"}, "error: step size cannot equal zero"},
		{"outer", planner.TableFunc{Calls: []planner.TableCall{seriesCall(0, 1)}, Outer: true, Ordinality: true}, []string{
			"+1 1|2|0|1|1\n+1 1|2|0|2|2\n+1 1|3|2|1|1\n+1 1|3|2|2|2\n+1 1|3|2|3|3\n+1 1|NULL|1|NULL|NULL\n+1 5|4|1|NULL|NULL",
			"+1 1|NULL|1|NULL|NULL\n+1 5|4|1|NULL|NULL\n+2 7|8|1|7|1\n+2 7|8|1|8|2"}, ""},
		{"several", planner.TableFunc{Calls: []planner.TableCall{seriesCall(2, 0), seriesCall(0, 1, 2)}, Ordinality: true}, []string{
			"+1 1|3|2|NULL|1|1\n+1 1|3|2|NULL|3|2\n+1 1|NULL|1|1|NULL|1\n+1 5|4|1|1|NULL|1\n+1 5|4|1|2|NULL|2\n+1 5|4|1|3|NULL|3\n+1 5|4|1|4|NULL|4\n+1 5|4|1|5|NULL|5",
			"+1 1|NULL|1|1|NULL|1\n+1 5|4|1|1|NULL|1\n+1 5|4|1|2|NULL|2\n+1 5|4|1|3|NULL|3\n+1 5|4|1|4|NULL|4\n+1 5|4|1|5|NULL|5\n" +
				"+2 7|8|1|1|7|1\n+2 7|8|1|2|8|2\n+2 7|8|1|3|NULL|3\n+2 7|8|1|4|NULL|4\n+2 7|8|1|5|NULL|5\n+2 7|8|1|6|NULL|6\n+2 7|8|1|7|NULL|7"},
			"error: step size cannot equal zero"},
	}
	for _, c := range cases {
		n := tableFuncNode(inputNode(seriesInput, false), &c.op)
		for _, run := range opRuns {
			for e := range epochs { // errors of rows are taken back with them
				res := runOp(t, &opCase{node: n, epochs: epochs[:e+1]}, run)
				require.Equal(t, c.want[e], res.sum.String(), "%s, %s", c.name, run.name)
				want := ""
				if e == 0 && c.rejected != "" {
					want = "+1 " + c.rejected
				}
				require.Equal(t, want, res.rejected.String(), "%s, %s", c.name, run.name)
			}
		}
	}
}

// Arguments that fail reject their row.
func TestTableFuncArgumentsFail(t *testing.T) {
	c := seriesCall(0, 1)
	c.Args[1] = call(types.Int8Type, "/(bigint,bigint)", colExpr(seriesInput, 1), colExpr(seriesInput, 2))
	n := tableFuncNode(inputNode(seriesInput, false), &planner.TableFunc{Calls: []planner.TableCall{c}})
	res := runOp(t, &opCase{node: n, epochs: []testEpoch{{rows: []testRow{ins(int64(1), int64(4), int64(0)), ins(int64(1), int64(4), int64(2))}}}}, opRuns[2])
	require.Equal(t, "+1 1|4|2|1\n+1 1|4|2|2", res.sum.String())
	require.Equal(t, "+1 error: division by zero", res.rejected.String())
}

// Arrays are unnested.
func TestTableFuncUnnest(t *testing.T) {
	in := schemaOf("k", types.Int8Type, "v", types.Type{Kind: types.Array, Elem: types.Text})
	op := &planner.TableFunc{Ordinality: true, Calls: []planner.TableCall{{Fn: "unnest(anyarray)", Args: []expr.Expr{colExpr(in, 1)}, Columns: schemaOf("unnest", types.TextType)}}}
	n := tableFuncNode(inputNode(in, false), op)
	c := &opCase{node: n, epochs: []testEpoch{{rows: []testRow{ins(int64(1), []any{"a", nil, "b"}), ins(int64(2), nil), ins(int64(3), []any{})}}}}
	for _, run := range opRuns {
		require.Equal(t, "+1 1|{a,NULL,b}|NULL|2\n+1 1|{a,NULL,b}|a|1\n+1 1|{a,NULL,b}|b|3", runOp(t, c, run).sum.String(), run.name)
	}
}

// A long series leaves in batches, and none is kept.
func TestTableFuncStreams(t *testing.T) {
	op := &planner.TableFunc{Calls: []planner.TableCall{seriesCall(0, 1)}, Ordinality: true}
	o, err := NewOperator(tableFuncNode(inputNode(seriesInput, true), op), &Env{})
	require.NoError(t, err)
	next := int64(1)
	b := makeBatch(t, seriesInput, []testRow{ins(int64(1), int64(10_000_000), int64(0)), ins(int64(10_000_001), int64(10_000_002), int64(0))}, false)
	require.NoError(t, o.Process(&Context{}, 0, b, func(b *changelog.Batch) {
		require.LessOrEqual(t, b.N, 32<<10)
		v := words(b.Cols[3])
		require.Equal(t, next, v[0])
		next += int64(b.N)
	}))
	require.Equal(t, int64(10_000_003), next)
}

func BenchmarkTableFunc(b *testing.B) {
	rows := make([]testRow, 1000)
	for i := range rows {
		rows[i] = ins(int64(1), int64(100), int64(i))
	}
	in := makeBatch(b, seriesInput, rows, false)
	o, err := NewOperator(tableFuncNode(inputNode(seriesInput, true), &planner.TableFunc{Calls: []planner.TableCall{seriesCall(0, 1)}}), &Env{})
	require.NoError(b, err)
	n := 0
	b.ReportAllocs()
	for range b.N {
		require.NoError(b, o.Process(&Context{}, 0, in, func(x *changelog.Batch) { n += x.N }))
	}
	require.Equal(b, 100_000*b.N, n)
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mrows/s")
}
