package expr

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// benchColumns are columns as they are in a stream of bids: $1 bigint, $2 integer, $3 double precision, $4 text, $5 timestamp,
// $6 bigint with NULLs, $7 numeric(12,2), $8 numeric.
func benchColumns(t testing.TB, n int) ([]arrow.Array, []types.Type) {
	rng := rand.New(rand.NewPCG(1, 2))
	ts := []types.Type{
		types.Int8Type, types.Int4Type, types.Float8Type, types.TextType, types.TimestampType, types.Int8Type,
		{Kind: types.Numeric, Precision: 12, Scale: 2}, types.NumericType,
	}
	cols := make([]arrow.Array, len(ts))
	for k, typ := range ts {
		b := types.NewBuilder(typ)
		for range n {
			var v any
			switch k {
			case 0:
				v = rng.Int64N(1000)
			case 1:
				v = rng.Int64N(1000)
			case 2:
				v = rng.Float64() * 1000
			case 3:
				v = fmt.Sprintf("https://www.nexmark.com/%s/%d", []string{"apple", "google", "baidu"}[rng.IntN(3)], rng.IntN(100))
			case 4:
				v = 1_700_000_000_000_000 + rng.Int64N(1e12)
			case 5:
				if rng.IntN(10) > 0 {
					v = rng.Int64N(1000)
				}
			case 6, 7:
				x := types.NumericFromInt64(rng.Int64N(1e6))
				x.Scale = 2
				v = x
			}
			require.NoError(t, types.AppendValue(b, typ, v))
		}
		cols[k] = b.NewArray()
	}
	return cols, ts
}

const benchRows = 1 << 16

func benchCols(ts []types.Type) []Expr {
	out := make([]Expr, len(ts))
	for i, typ := range ts {
		out[i] = &Column{Base: Base{T: typ}, Index: i}
	}
	return out
}

func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportAllocs()
}

func BenchmarkFilter(b *testing.B) {
	cols, ts := benchColumns(b, benchRows)
	batch := &changelog.Batch{Cols: cols, N: benchRows}
	for _, text := range []string{
		"$1 > 500", "$1 = 7", "$6 > 500", "$1 % 123 = 0", "$3 > 500.0::float8", "$1 > 100 AND $2 < 900", "$1 > 900 OR $2 < 100",
		"$4 = 'https://www.nexmark.com/apple/7'", "$4 LIKE '%apple%'", "$4 LIKE 'https://www.nexmark.com/a%'",
		"$1 IN (1, 20, 300, 400)", "$7 > 5000", "$8 > 5000", "$1 + $6 > $2 * 2",
	} {
		b.Run(text, func(b *testing.B) {
			p, err := CompileFilter(Fold(bindColumns(b, text, benchCols(ts))))
			require.NoError(b, err)
			for b.Loop() {
				if _, _, err := p.EvalFilter(&Context{}, batch); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, benchRows)
		})
	}
}

func BenchmarkProject(b *testing.B) {
	cols, ts := benchColumns(b, benchRows)
	batch := &changelog.Batch{Cols: cols, N: benchRows}
	for _, text := range []string{
		"$1 + $6", "$1 + 1", "$1 * $6", "$1 * 908 / 1000", "$1 % 7", "$1 > $6", "$3 * 0.908::float8", "$3 + $3", "$7 * 0.908",
		"$8 + $8", "$7 + $7", "$1::text", "$4 || 'x'", "lower($4)", "split_part($4, '/', 4)", "$5 - INTERVAL '4 seconds'", "date_trunc('hour', $5)",
		"extract(hour FROM $5)", "$1::double precision", "$1::numeric", "CASE WHEN $1 > 500 THEN $6 ELSE 0 END", "coalesce($6, 0)",
		"to_char($5, 'YYYY-MM-DD HH24:MI')", "sqrt($3)", "power($3, 1.5)", "regexp_replace($4, '[0-9]+', '#')",
	} {
		b.Run(text, func(b *testing.B) {
			p, err := Compile([]Expr{Fold(bindColumns(b, text, benchCols(ts)))})
			require.NoError(b, err)
			for b.Loop() {
				if _, err := p.Eval(&Context{}, batch); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, benchRows)
		})
	}
}

// bindColumns binds an expression in which $i is a column.
func bindColumns(t testing.TB, text string, cols []Expr) Expr {
	e, err := bindWith(text, cols)
	require.NoError(t, err, text)
	return e
}

func sliceArray(a arrow.Array, from, to int64) arrow.Array { return array.NewSlice(a, from, to) }

type batchOf = changelog.Batch

func columnsOfTexts(values ...string) ([]arrow.Array, []types.Type) {
	cols := make([]arrow.Array, len(values))
	ts := make([]types.Type, len(values))
	for i, v := range values {
		cols[i], ts[i] = arrayOf(types.TextType, []any{v}), types.TextType
	}
	return cols, ts
}
