package expr

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// oracle evaluates many expressions in PostgreSQL, each in a subtransaction of its own.
type oracle struct{ db *pgtest.DB }

func newOracle(t testing.TB) *oracle {
	db := pgtest.Open(t)
	db.MustExec(t, `CREATE FUNCTION try(e text) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE r text; BEGIN
			EXECUTE 'SELECT (' || e || ')::text' INTO r;
			RETURN coalesce(r, 'NULL');
		EXCEPTION WHEN OTHERS THEN RETURN 'ERROR ' || SQLSTATE; END $$`)
	return &oracle{db}
}

// answers returns for each expression the text of its value, NULL or ERROR code.
func (o *oracle) answers(t testing.TB, exprs []string) []string {
	t.Helper()
	var out []string
	for part := range slices.Chunk(exprs, 2000) {
		quoted := make([]string, len(part))
		for i, e := range part {
			quoted[i] = "($q$" + e + "$q$)"
		}
		rows := o.db.MustQuery(t, "SELECT try(column1) FROM (VALUES "+strings.Join(quoted, ",")+") v").Rows
		for _, r := range rows {
			out = append(out, *r[0])
		}
	}
	require.Len(t, out, len(exprs))
	return out
}

// evalTexts runs a program of one expression over columns and gives each row's text, NULL or ERROR code.
func evalTexts(p *Program, cols []arrow.Array, n int) ([]string, error) {
	return evalSelected(p, &changelog.Batch{Cols: cols, N: n})
}

func evalSelected(p *Program, b *changelog.Batch) ([]string, error) {
	out, err := p.Eval(&Context{}, b)
	if err != nil {
		return nil, err
	}
	v := out[0]
	typ := p.Exprs()[0].Type()
	if v.Arr.Len() != b.N {
		return nil, fmt.Errorf("%d values for %d rows", v.Arr.Len(), b.N)
	}
	rows := make([]string, b.N)
	b.Each(func(i int) { rows[i] = rowText(v, typ, i) })
	return rows, nil
}

// rowText is the text of a row, NULL or ERROR code.
func rowText(v Vector, typ types.Type, i int) string {
	switch e := v.Errs.At(uint32(i)); {
	case e != nil && !v.Arr.IsNull(i):
		return "a failed row that is not NULL"
	case e != nil:
		return "ERROR " + string(e.Code)
	case v.Arr.IsNull(i):
		return "NULL"
	case typ.Kind == types.Bool:
		return fmt.Sprint(types.ValueAt(typ, v.Arr, i))
	}
	return string(types.AppendText(nil, typ, v.Arr, i))
}

// samples are texts of typical and extreme values, by type; the fewer the arguments, the more are combined.
var samples = map[types.Kind][]string{
	types.Bool:   {"NULL", "t", "f"},
	types.Int2:   {"NULL", "0", "7", "-1", "1", "32767", "-32768", "3"},
	types.Int4:   {"NULL", "0", "7", "-1", "1", "2147483647", "-2147483648", "3", "-10"},
	types.Int8:   {"NULL", "0", "7", "-1", "1", "9223372036854775807", "-9223372036854775808", "3", "3000000000"},
	types.Float4: {"NULL", "0", "1.5", "-2.5", "0.5", "-0", "NaN", "Infinity", "-Infinity", "3e38", "1e-40", "2"},
	types.Float8: {"NULL", "0", "1.5", "-2.5", "0.5", "-0", "NaN", "Infinity", "-Infinity", "1e308", "1e-310", "2", "2147483647.5", "100"},
	types.Numeric: {"NULL", "0", "1.50", "-2.5", "NaN", "Infinity", "-Infinity", "0.000", "123456789.987654321", "2", "-7",
		"99999999999999", "0.5", "10"},
	types.Text:  {"NULL", "", "abc", "Hello, World", "äöü€ñ", "a%b_c", "  pad ", "123", "-4.5", "true", "2024-02-29", "x"},
	types.Bytea: {"NULL", `\x`, `\x00ff10`, `\x616263`, `\x6162`},
	types.Date:  {"NULL", "2024-02-29", "1969-12-31", "2000-01-01", "infinity", "-infinity", "0044-03-15 BC", "294246-12-31", "5874897-12-31"},
	types.Time:  {"NULL", "00:00:00", "04:05:06.789", "23:59:59.999999", "24:00:00"},
	types.Timestamp: {"NULL", "2024-02-29 12:34:56.789", "1969-12-31 23:59:59.999999", "2000-01-01", "infinity", "-infinity",
		"0044-03-15 BC", "294246-12-31 23:59:59", "2024-03-31 02:30:00"},
	types.TimestampTZ: {"NULL", "2024-02-29 12:34:56.789+00", "1969-12-31 23:59:59.999999+00", "2000-01-01 00:00:00+00",
		"infinity", "-infinity", "0044-03-15 00:00:00+00 BC", "2024-07-01 02:30:00+05:30"},
	types.Interval: {"NULL", "0", "1 day", "1 month -1 day 02:03:04.5", "-1 year", "30 days", "36:00:00", "-00:00:01.5",
		"178000000 years", "1 mon"},
	types.JSONB: {"NULL", `{"a": 1}`, `[1, 2]`, `"x"`, "12.50", "true", "null", `{"a": [1, null, {"b": "x"}], "c\"": 2}`},
	types.Array: {"NULL", "{}", "{a}", "{a,b}", "{a,1}", "{NULL,0}", "{a,2,b}"}, // of texts
}

// combine returns rows of argument texts: all combinations if few, else a deterministic spread of at most limit.
func combinations(args []types.Type, own map[int][]string, limit int) [][]string {
	lists := make([][]string, len(args))
	total := 1
	for i, a := range args {
		kind := a.Kind
		if kind == types.Unknown {
			kind = types.Int4
		}
		lists[i] = samples[kind]
		if o, ok := own[i]; ok {
			lists[i] = o
		}
		total *= len(lists[i])
	}
	var out [][]string
	step := 1
	if total > limit {
		step = total/limit | 1
		for gcdInt(step, total) != 1 {
			step += 2
		}
	}
	for k, at := 0, 0; k < min(total, limit); k, at = k+1, (at+step)%total {
		row := make([]string, len(args))
		x := at
		for i := range args {
			row[i] = lists[i][x%len(lists[i])]
			x /= len(lists[i])
		}
		out = append(out, row)
	}
	return out
}

func gcdInt(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// column builds an array from texts.
func textColumn(t testing.TB, typ types.Type, texts []string) arrow.Array {
	b := types.NewBuilder(typ)
	for _, s := range texts {
		if s == "NULL" {
			b.AppendNull()
			continue
		}
		require.NoError(t, types.FromText(b, typ, []byte(s)), "%s %q", typ, s)
	}
	return b.NewArray()
}

// callText writes a call of o over argument texts as SQL.
func (o *Overload) sqlText(args []string) string {
	lits := make([]string, len(args))
	for i, a := range args {
		typ := o.argType(i)
		if typ.Kind == types.Unknown {
			typ = types.Int4Type
		}
		lits[i] = sqlLiteral(typ, a)
	}
	switch {
	case o.Category == CatCast:
		return "(" + lits[0] + ")::" + o.Result.String()
	case strings.HasPrefix(o.Name, "is ") && len(lits) == 1:
		return "(" + lits[0] + ") " + o.Name
	case o.Operator && len(lits) == 1:
		return o.Name + " (" + lits[0] + ")"
	case o.Operator:
		return "(" + lits[0] + ") " + o.Name + " (" + lits[1] + ")"
	case o.Name == "extract":
		return "extract('" + args[0] + "' FROM " + lits[1] + ")"
	case o.Name == "position":
		return "position((" + lits[1] + ") IN (" + lits[0] + "))"
	case o.Name == "not":
		return "NOT " + lits[0]
	}
	return o.Name + "(" + strings.Join(lits, ", ") + ")"
}

// TestPostgresOverloads compares every overload with PostgreSQL over combinations of typical and extreme arguments: as a
// column-wise batch, as the same batch under a selection, and folded from literals.
func TestPostgresOverloads(t *testing.T) {
	pg := newOracle(t)
	type job struct {
		o    *Overload
		args [][]string
		at   int
	}
	var jobs []job
	var exprs []string
	limit := 400
	if testing.Short() {
		limit = 30
	}
	for _, o := range Functions() {
		if why, skip := notCompared[o.Name]; skip || ofJSON(o.Name) || o.Category == CatOther {
			require.True(t, why != "" || !skip)
			continue
		}
		if o.Name == "assign" || o.poly != polyNone || len(o.Args) > 0 && o.Args[0].Kind == types.Array || o.Result.Kind == types.Array && o.Category == CatCast { // see TestPostgresArrays
			continue
		}
		args := o.Args
		if o.Variadic {
			args = o.ArgTypes(len(o.Args) + 1)
		}
		j := job{o: o, args: combinations(args, samplesFor(o), limit), at: len(exprs)}
		if len(args) == 0 {
			j.args = [][]string{{}}
		}
		for _, row := range j.args {
			exprs = append(exprs, o.sqlText(row))
		}
		jobs = append(jobs, j)
	}
	want := pg.answers(t, exprs)
	bad := map[string]int{}
	for _, j := range jobs {
		wanted := want[j.at : j.at+len(j.args)]
		ok := true
		report := func(how, sql, got, want string) {
			if got == want || excused(j.o, sql, got, want) {
				return
			}
			ok = false
			if bad[j.o.ID]++; bad[j.o.ID] <= 3 {
				t.Errorf("%s: %s\n  %s\n  got  %s\n  want %s", j.o.ID, how, sql, got, want)
			}
		}
		// Column-wise.
		n := len(j.args)
		cols := make([]arrow.Array, len(j.args[0]))
		call := &Call{Base: Base{T: j.o.Result}, Fn: j.o.ID}
		for i := range cols {
			typ := j.o.argType(i)
			if typ.Kind == types.Unknown {
				typ = types.Int4Type
			}
			texts := make([]string, n)
			for k, row := range j.args {
				texts[k] = row[i]
			}
			cols[i] = textColumn(t, typ, texts)
			call.Args = append(call.Args, &Column{Base: Base{T: typ}, Index: i})
		}
		p, err := Compile([]Expr{call})
		require.NoError(t, err)
		got, err := evalTexts(p, cols, n)
		require.NoError(t, err, j.o.ID)
		for k := range got {
			report("columns", exprs[j.at+k], got[k], wanted[k])
			// What planning relies on.
			require.False(t, strings.HasPrefix(got[k], "ERROR") && !j.o.Fallible, "%s fails and is not marked: %s", j.o.ID, exprs[j.at+k])
			hasNull := slices.Contains(j.args[k], "NULL")
			require.False(t, j.o.Strict && hasNull && got[k] != "NULL", "%s is strict: %s", j.o.ID, exprs[j.at+k])
		}
		none := make([]arrow.Array, len(cols))
		for i := range cols {
			none[i] = sliceArray(cols[i], 0, 0)
		}
		got0, err := evalTexts(p, none, 0)
		require.NoError(t, err)
		require.Empty(t, got0)
		elsewhere, err := p.Eval(&Context{Zone: time.FixedZone("", 9*3600)}, &changelog.Batch{Cols: cols, N: n})
		require.NoError(t, err)
		for k := range got {
			same := got[k] == rowText(elsewhere[0], j.o.Result, k)
			require.True(t, same || j.o.Stable, "%s depends on the time zone and is not marked: %s", j.o.ID, exprs[j.at+k])
		}
		// The same under a selection of every third row.
		var sel []uint32
		for k := 0; k < n; k += 3 {
			sel = append(sel, uint32(k))
		}
		got, err = evalSelected(p, &changelog.Batch{Cols: cols, N: n, Sel: sel})
		require.NoError(t, err, j.o.ID)
		for _, k := range sel {
			report("selected columns", exprs[j.at+int(k)], got[k], wanted[k])
		}
		// From literals: the last argument constant, then all.
		for k, row := range j.args {
			if !ok {
				break
			}
			lits := make([]Expr, len(row))
			for i, a := range row {
				lits[i], err = Cast(literalOrNull(a), call.Args[i].Type(), Explicit)
				require.NoError(t, err)
			}
			folded := &Call{Base: call.Base, Fn: call.Fn, Args: lits}
			report("constants", exprs[j.at+k], answer(Fold(folded), nil), wanted[k])
			if k%5 != 0 || len(row) < 2 {
				continue
			}
			half := &Call{Base: call.Base, Fn: call.Fn, Args: append(call.Args[:1:1], lits[1:]...)}
			hp, err := Compile([]Expr{half})
			require.NoError(t, err)
			one := make([]arrow.Array, len(cols))
			for i := range cols {
				one[i] = textColumn(t, call.Args[i].Type(), []string{row[i]})
			}
			got, err := evalTexts(hp, one, 1)
			require.NoError(t, err)
			report("constant last", exprs[j.at+k], got[0], wanted[k])
		}
	}
	t.Logf("%d overloads, %d expressions, %d overloads differ", len(jobs), len(exprs), len(bad))
}

func literalOrNull(text string) Expr {
	if text == "NULL" {
		return &Literal{Base: Base{T: types.UnknownType}}
	}
	return textLiteral(text)
}

func samplesFor(o *Overload) map[int][]string {
	if own, ok := ownSamples[o.ID]; ok {
		return own
	}
	return ownSamples[o.Name]
}
