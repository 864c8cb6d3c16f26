package expr

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// columnsOf builds typed columns from texts, and the expressions that read them.
func columnsOf(t testing.TB, ts []types.Type, rows [][]string) ([]arrow.Array, []Expr) {
	cols := make([]arrow.Array, len(ts))
	for k, typ := range ts {
		texts := make([]string, len(rows))
		for i, r := range rows {
			texts[i] = r[k]
		}
		cols[k] = textColumn(t, typ, texts)
	}
	return cols, benchCols(ts)
}

// An error counts only in rows where the failed value is used.
func TestErrorsCountWhereUsed(t *testing.T) {
	ts := []types.Type{types.Int4Type, types.Int4Type}
	cols, refs := columnsOf(t, ts, [][]string{{"6", "2"}, {"6", "0"}, {"NULL", "0"}, {"0", "NULL"}, {"1", "5"}})
	for _, c := range []struct{ text, want string }{
		{"$2 <> 0 AND $1 / $2 > 1", "true false false NULL false"},
		{"$1 / $2 > 1 AND $2 <> 0", "true false false NULL false"},
		{"$2 = 0 OR $1 / $2 > 1", "true true true NULL false"},
		{"$1 / $2 > 1 OR $2 = 0", "true true true NULL false"},
		{"$1 / $2 > 1", "true ERROR 22012 NULL NULL false"},
		{"$1 / $2 > 1 AND $1 > 5", "true ERROR 22012 NULL false false"},
		{"$1 / $2 > 1 AND NULL", "NULL ERROR 22012 NULL NULL false"},
		{"NOT ($1 / $2 > 1)", "false ERROR 22012 NULL NULL true"},
		{"CASE WHEN $2 = 0 THEN -1 ELSE $1 / $2 END", "3 -1 -1 NULL 0"},
		{"CASE WHEN $2 <> 0 THEN $1 / $2 END", "3 NULL NULL NULL 0"},
		{"CASE $1 / $2 WHEN 3 THEN 'three' ELSE 'other' END", "three ERROR 22012 other other other"},
		{"coalesce($1, $1 / 0)", "6 6 NULL 0 1"},
		{"coalesce($1, 1 / ($2 - 0))", "6 6 ERROR 22012 0 1"},
		{"coalesce($1 / $2, -1)", "3 ERROR 22012 -1 -1 0"},
		{"nullif($1 / $2, 3)", "NULL ERROR 22012 NULL NULL 0"},
		{"$1 / $2 + NULL::integer", "NULL NULL NULL NULL NULL"},
		{"($1 / $2) IS NULL", "false ERROR 22012 true true false"},
		{"($1 / $2) IN (0, 3)", "true ERROR 22012 NULL NULL true"},
		{"greatest($1 / $2, 7)", "7 ERROR 22012 7 7 7"},
		{"concat($1 / $2, 'x')", "3x ERROR 22012 x x 0x"},
		{"$1 / $2 IS DISTINCT FROM 3", "false ERROR 22012 true true true"},
		{"1 / 0 > $1", "ERROR 22012 ERROR 22012 NULL ERROR 22012 ERROR 22012"},
		{"CASE WHEN $1 > 5 THEN 1 / 0 ELSE 2 END", "ERROR 22012 ERROR 22012 2 2 2"},
		{"false AND 1 / 0 = 1", "false false false false false"},
	} {
		for _, fold := range []bool{false, true} {
			e := bindColumns(t, c.text, refs)
			if fold {
				e = Fold(e)
			}
			p, err := Compile([]Expr{e})
			require.NoError(t, err)
			got, err := evalTexts(p, cols, 5)
			require.NoError(t, err)
			require.Equal(t, c.want, strings.Join(got, " "), "%s (folded: %v)", c.text, fold)
			// Row by row, and under a selection, the same.
			for i, want := range got {
				one, err := evalSelected(p, &changelog.Batch{Cols: cols, N: 5, Sel: []uint32{uint32(i)}})
				require.NoError(t, err)
				require.Equal(t, want, one[i], "%s row %d", c.text, i)
			}
		}
	}
}

func TestErrorsArePlaced(t *testing.T) {
	ts := []types.Type{types.Int4Type}
	cols, refs := columnsOf(t, ts, [][]string{{"1"}, {"0"}})
	text := "10 + 7 / $1"
	p, err := Compile([]Expr{bindColumns(t, text, refs)})
	require.NoError(t, err)
	out, err := p.Eval(&Context{}, &changelog.Batch{Cols: cols, N: 2})
	require.NoError(t, err)
	require.Equal(t, []uint32{1}, out[0].Errs.Rows)
	e := out[0].Errs.Errs[0]
	require.Equal(t, "7 / $1", text[e.Span.Start:e.Span.End])

	_, err = bindWith("$1 + 'abc'", refs)
	require.Equal(t, types.CodeInvalidText, types.CodeOf(err))
	require.Equal(t, types.Span{Start: 5, End: 10}, err.(*types.Error).Span)
}

func TestFilter(t *testing.T) {
	ts := []types.Type{types.Int4Type, types.Int4Type}
	cols, refs := columnsOf(t, ts, [][]string{{"6", "2"}, {"6", "0"}, {"NULL", "0"}, {"0", "NULL"}, {"1", "5"}, {"9", "0"}})
	for _, c := range []struct {
		text string
		sel  []uint32
		bad  []uint32
	}{
		{"$1 > 5", []uint32{0, 1, 5}, nil},
		{"5 < $1", []uint32{0, 1, 5}, nil},
		{"$1 <> 6", []uint32{3, 4, 5}, nil},
		{"true", nil, nil},
		{"false", []uint32{}, nil},
		{"NULL", []uint32{}, nil},
		{"$1 IS NULL OR $1 IS NOT NULL", nil, nil},
		{"$1 / $2 > 1", []uint32{0}, []uint32{1, 5}},
		{"$2 <> 0 AND $1 / $2 > 1", []uint32{0}, nil},
		{"$1 / $2 > 1 AND $2 <> 0", []uint32{0}, nil},
		{"$1 / $2 > 1 AND $1 < 9", []uint32{0}, []uint32{1}},
		{"$1 / $2 > 1 AND NULL", []uint32{}, nil}, // a conjunct that is NULL rejects the row as well as one that is false
		{"$1 BETWEEN 1 AND 6 AND $2 >= 0", []uint32{0, 1, 4}, nil},
	} {
		e := bindColumns(t, c.text, refs)
		if e.Type().Kind == types.Unknown {
			var err error
			e, err = Cast(e, types.BoolType, Implicit)
			require.NoError(t, err)
		}
		for _, folded := range []Expr{e, Fold(e)} {
			p, err := CompileFilter(folded)
			require.NoError(t, err)
			sel, errs, err := p.EvalFilter(&Context{}, &changelog.Batch{Cols: cols, N: 6})
			require.NoError(t, err)
			require.Equal(t, c.sel, sel, c.text)
			if c.bad != nil {
				require.Equal(t, c.bad, errs.Rows, c.text)
			} else {
				require.Zero(t, errs.Len(), c.text)
			}
			// Over a selection: what passes of it.
			half := []uint32{0, 2, 4}
			sel, _, err = p.EvalFilter(&Context{}, &changelog.Batch{Cols: cols, N: 6, Sel: half})
			require.NoError(t, err)
			want := []uint32{}
			for _, i := range half {
				if c.sel == nil || containsRow(c.sel, i) {
					want = append(want, i)
				}
			}
			require.ElementsMatch(t, want, sel, c.text)
		}
	}
}

func containsRow(rows []uint32, row uint32) bool {
	for _, r := range rows {
		if r == row {
			return true
		}
	}
	return false
}

// Common subexpressions are shared, also between a branch that sees few rows and one that sees all.
func TestSharedSubexpressions(t *testing.T) {
	ts := []types.Type{types.Int4Type}
	var rows [][]string
	for i := range 300 {
		rows = append(rows, []string{fmt.Sprint(i - 100)})
	}
	cols, refs := columnsOf(t, ts, rows)
	text := "CASE WHEN $1 > 0 THEN 1000 / $1 ELSE 0 END + CASE WHEN $1 <> 0 THEN 1000 / $1 ELSE 7 END"
	p, err := Compile([]Expr{bindColumns(t, text, refs), bindColumns(t, "CASE WHEN $1 < -50 THEN 1000 / $1 END", refs)})
	require.NoError(t, err)
	for range 2 { // the second batch reuses memory
		out, err := p.Eval(&Context{}, &changelog.Batch{Cols: cols, N: 300})
		require.NoError(t, err)
		require.Zero(t, out[0].Errs.Len())
		for i := range 300 {
			x := int64(i - 100)
			want := int64(7)
			if x != 0 {
				want = 1000 / x
			}
			if x > 0 {
				want += 1000 / x
			}
			require.Equal(t, want, types.ValueAt(types.Int4Type, out[0].Arr, i))
			if x < -50 {
				require.Equal(t, 1000/x, types.ValueAt(types.Int4Type, out[1].Arr, i))
			} else {
				require.True(t, out[1].Arr.IsNull(i))
			}
		}
	}
}

// Arrays that a program returned stay as they are when it runs again.
func TestResultsAreFresh(t *testing.T) {
	ts := []types.Type{types.Int8Type, types.TextType}
	first, refs := columnsOf(t, ts, [][]string{{"1", "a"}, {"2", "b"}, {"3", "NULL"}})
	second, _ := columnsOf(t, ts, [][]string{{"10", "x"}, {"NULL", "yy"}, {"30", "z"}})
	var exprs []Expr
	for _, text := range []string{"$1 + 1", "$2 || 'q'", "CASE WHEN $1 > 0 THEN $1 * 2 END", "upper(lower($2))", "($1 + 1)::bigint + $1",
		"coalesce($2, 'none')", "$1 > 1", "$1::numeric * 2", "greatest($1, 2)", "greatest($2, 'aa')", "abs($1)", "$1 IN (2, 10)", "try_abs($1)"} {
		if strings.HasPrefix(text, "try_") {
			x := bindColumns(t, strings.TrimPrefix(text, "try_"), refs)
			exprs = append(exprs, &Try{Base: Base{T: x.Type()}, X: x})
			continue
		}
		exprs = append(exprs, bindColumns(t, text, refs))
	}
	p, err := Compile(exprs)
	require.NoError(t, err)
	one, err := p.Eval(&Context{}, &changelog.Batch{Cols: first, N: 3})
	require.NoError(t, err)
	before := fmt.Sprint(one)
	_, err = p.Eval(&Context{}, &changelog.Batch{Cols: second, N: 3})
	require.NoError(t, err)
	require.Equal(t, before, fmt.Sprint(one))
}

// Batches may be slices of larger arrays.
func TestSlicedColumns(t *testing.T) {
	cols, ts := benchColumns(t, 200)
	refs := benchCols(ts)
	for _, text := range []string{"$1 + $6", "$6 IS NULL", "$4 || '!'", "$1 > $6", "lower($4)", "$7 + $8", "NOT ($6 > 5)", "coalesce($6, 0)", "$5 + INTERVAL '1 day'"} {
		p, err := Compile([]Expr{bindColumns(t, text, refs)})
		require.NoError(t, err)
		whole, err := evalTexts(p, cols, 200)
		require.NoError(t, err)
		for _, from := range []int64{0, 1, 7, 8, 63} {
			part := make([]arrow.Array, len(cols))
			for i, c := range cols {
				part[i] = sliceArray(c, from, from+100)
			}
			got, err := evalTexts(p, part, 100)
			require.NoError(t, err)
			require.Equal(t, whole[from:from+100], got, "%s from %d", text, from)
		}
	}
}

func TestTry(t *testing.T) {
	ts := []types.Type{types.TextType}
	cols, refs := columnsOf(t, ts, [][]string{{"12"}, {"x"}, {"NULL"}, {"-7"}})
	cast, err := Cast(refs[0], types.Int4Type, Explicit)
	require.NoError(t, err)
	p, err := Compile([]Expr{&Try{Base: Base{T: types.Int4Type}, X: cast}})
	require.NoError(t, err)
	got, err := evalTexts(p, cols, 4)
	require.NoError(t, err)
	require.Equal(t, []string{"12", "NULL", "NULL", "-7"}, got)
}

func TestClock(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	ctx := &Context{Now: time.Date(2024, 7, 1, 23, 30, 0, 0, time.UTC).UnixMicro(), Zone: berlin}
	for _, c := range []struct{ text, want string }{
		{"now()", "2024-07-01 23:30:00+00"},
		{"current_date", "2024-07-02"},
		{"localtimestamp", "2024-07-02 01:30:00"},
		{"localtime", "01:30:00"},
		{"now()::text", "2024-07-02 01:30:00+02"},
		{"'at ' || now()", "at 2024-07-02 01:30:00+02"},
		{"concat(now())", "2024-07-02 01:30:00+02"},
		{"TIMESTAMPTZ '2024-07-02 01:30:00' = now()", "t"},
		{"TIMESTAMP '2024-07-02 01:30:00' = now()", "t"},
		{"date_trunc('day', now())", "2024-07-01 22:00:00+00"},
		{"extract(hour FROM now())", "1"},
		{"age(TIMESTAMP '2024-07-01')", "1 day"},
		{"now() - INTERVAL '100 days'", "2024-03-24 00:30:00+00"}, // over the change of the clocks
		{"current_date + 1", "2024-07-03"},
		{"DATE '2024-01-01' < now()", "t"},
	} {
		e, err := bindText(c.text)
		require.NoError(t, err, c.text)
		e = Fold(e)
		p, err := Compile([]Expr{e})
		require.NoError(t, err)
		out, err := p.Eval(ctx, &changelog.Batch{N: 1})
		require.NoError(t, err)
		require.Zero(t, out[0].Errs.Len(), c.text)
		require.Equal(t, c.want, string(types.AppendText(nil, e.Type(), out[0].Arr, 0)), c.text)
		require.False(t, IsConst(e), c.text)
	}
}

// Expressions survive encoding/gob, and print the same after it.
func TestGob(t *testing.T) {
	for _, v := range GobTypes() {
		gob.Register(v)
	}
	ts := []types.Type{types.Int8Type, types.TextType}
	_, refs := columnsOf(t, ts, nil)
	for _, text := range []string{
		"$1 + 0", "CASE WHEN $1 > 1 THEN 'a' ELSE '' END", "$1 IN (1, NULL, 0)", "$2 LIKE 'a%' AND NOT false", "now() - INTERVAL '1 day'",
		"1.50 * $1", "'\\x00ff'::bytea", "1e300::float8", "coalesce($2, NULL)",
	} {
		e := Fold(bindColumns(t, text, refs))
		var buf bytes.Buffer
		require.NoError(t, gob.NewEncoder(&buf).Encode(&e))
		var back Expr
		require.NoError(t, gob.NewDecoder(&buf).Decode(&back))
		require.Equal(t, e.String(), back.String())
		require.Equal(t, e.Type(), back.Type())
		_, err := Compile([]Expr{back})
		require.NoError(t, err)
	}
}

// TestRandomExpressions compares random expressions over random rows with PostgreSQL.
func TestRandomExpressions(t *testing.T) {
	pg := newOracle(t)
	rng := rand.New(rand.NewPCG(7, 11))
	ts := []types.Type{types.Int4Type, types.Int8Type, types.Float8Type, types.NumericType, types.TextType, types.BoolType, types.TimestampType}
	refs := benchCols(ts)
	const rowsEach = 12
	rows := make([][]string, rowsEach)
	for i := range rows {
		for _, typ := range ts {
			s := samples[typ.Kind]
			if typ.Kind == types.Timestamp {
				s = s[:4]
			}
			rows[i] = append(rows[i], s[rng.IntN(len(s))])
		}
	}
	cols, _ := columnsOf(t, ts, rows)
	n := 400
	if testing.Short() {
		n = 60
	}
	var texts, sql []string
	var ours [][]string
	for range n {
		text := randomExpr(rng, "bool", 3)
		e, err := bindWith(text, refs)
		require.NoError(t, err, text)
		p, err := Compile([]Expr{Fold(e)})
		require.NoError(t, err)
		got, err := evalTexts(p, cols, rowsEach)
		require.NoError(t, err, text)
		f, err := CompileFilter(e)
		require.NoError(t, err)
		sel, errs, err := f.EvalFilter(&Context{}, &changelog.Batch{Cols: cols, N: rowsEach})
		require.NoError(t, err)
		for i, g := range got {
			passed := sel == nil || containsRow(sel, uint32(i))
			require.Equal(t, g == "true", passed, "%s row %d: %s", text, i, g)
			if errs.At(uint32(i)) != nil {
				require.True(t, strings.HasPrefix(g, "ERROR"), "%s row %d: %s", text, i, g)
			}
		}
		texts, ours = append(texts, text), append(ours, got)
		for _, row := range rows {
			full := text
			for k := len(ts); k > 0; k-- {
				full = strings.ReplaceAll(full, fmt.Sprintf("$%d", k), "("+sqlLiteral(ts[k-1], row[k-1])+")")
			}
			sql = append(sql, full)
		}
	}
	want := pg.answers(t, sql)
	failed, lenient := 0, 0
	for k, got := range ours {
		for i, g := range got {
			w := want[k*rowsEach+i]
			if g == w || strings.HasPrefix(g, "ERROR") && strings.HasPrefix(w, "ERROR") {
				continue
			}
			// PostgreSQL evaluates AND and OR in some order; where it fails, we may know the answer.
			if strings.HasPrefix(w, "ERROR") {
				lenient++
				continue
			}
			if failed++; failed < 10 {
				t.Errorf("%s\n  %s\n  got  %s\n  want %s", texts[k], sql[k*rowsEach+i], g, w)
			}
		}
	}
	require.Less(t, lenient, len(sql)/20)
}

// randomExpr writes an expression of a type over $1 .. $7.
func randomExpr(rng *rand.Rand, kind string, depth int) string {
	sub := func(kind string) string { return randomExpr(rng, kind, depth-1) }
	one := func(list ...string) string { return list[rng.IntN(len(list))] }
	num := func() string { return one("int", "int8", "num", "float") }
	if depth <= 0 {
		switch kind {
		case "int":
			return one("$1", "7", "0", "NULL::int")
		case "int8":
			return one("$2", "$1", "3000000000")
		case "float":
			return one("$3", "2.5::float8")
		case "num":
			return one("$4", "1.50", "0.001")
		case "text":
			return one("$5", "'abc'", "'1'")
		case "ts":
			return one("$7", "TIMESTAMP '2024-01-01 10:00:00'")
		}
		return one("$6", "true", "NULL::boolean")
	}
	switch kind {
	case "bool":
		switch rng.IntN(9) {
		case 0:
			return "(" + sub("bool") + " AND " + sub("bool") + ")"
		case 1:
			return "(" + sub("bool") + " OR " + sub("bool") + " OR " + sub("bool") + ")"
		case 2:
			return "(NOT " + sub("bool") + ")"
		case 3:
			return "(" + sub(num()) + " " + one("=", "<>", "<", "<=", ">", ">=") + " " + sub(num()) + ")"
		case 4:
			return "(" + sub("text") + " " + one("=", "<", "LIKE", "NOT LIKE") + " " + sub("text") + ")"
		case 5:
			return "(" + sub("ts") + " " + one("<", ">=") + " " + sub("ts") + ")"
		case 6:
			return "(" + sub(num()) + " IS " + one("NULL", "NOT NULL") + ")"
		case 7:
			return "(" + sub("int") + " " + one("IN", "NOT IN") + " (1, 7, " + one("NULL", "-1") + "))"
		}
		return "(" + sub(num()) + " IS " + one("", "NOT ") + "DISTINCT FROM " + sub(num()) + ")"
	case "int":
		switch rng.IntN(6) {
		case 0:
			return "(CASE WHEN " + sub("bool") + " THEN " + sub("int") + " ELSE " + sub("int") + " END)"
		case 1:
			return "coalesce(" + sub("int") + ", " + sub("int") + ")"
		case 2:
			return "length(" + sub("text") + ")"
		case 3:
			return "nullif(" + sub("int") + ", " + sub("int") + ")"
		}
		return "(" + sub("int") + " " + one("+", "-", "*", "/", "%") + " " + sub("int") + ")"
	case "int8":
		return "(" + sub("int8") + " " + one("+", "-", "*", "/") + " " + sub("int") + ")"
	case "num":
		return one("round(", "abs(", "-(") + "(" + sub("num") + ")" + one("+", "-", "*") + "(" + sub("int") + "))"
	case "float":
		return "(" + sub("float") + " " + one("+", "-", "*", "/") + " " + sub("float") + ")"
	case "text":
		switch rng.IntN(4) {
		case 0:
			return "(" + sub("text") + " || " + sub(num()) + ")"
		case 1:
			return "upper(" + sub("text") + ")"
		case 2:
			return "substr(" + sub("text") + ", 2)"
		}
		return "(" + sub("int") + ")::text"
	}
	return "(" + sub("ts") + " " + one("+", "-") + " INTERVAL '" + one("1 day", "1 month", "36 hours") + "')"
}
