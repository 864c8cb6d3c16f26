package types_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// oracle collects SQL expressions with our answers, and compares them with PostgreSQL's in one query per thousand.
type oracle struct {
	t     *testing.T
	db    *pgtest.DB
	cases []oracleCase
	// allow excuses a known difference.
	allow func(sql, ours, theirs string) bool
}

type oracleCase struct{ sql, ours string }

func newOracle(t *testing.T) *oracle {
	db := pgtest.Open(t)
	db.MustExec(t, `CREATE FUNCTION try(e text) RETURNS text LANGUAGE plpgsql AS $$
		DECLARE r text;
		BEGIN
			EXECUTE 'SELECT (' || e || ')::text' INTO r;
			RETURN coalesce(r, 'NULL');
		EXCEPTION WHEN OTHERS THEN RETURN 'ERR ' || SQLSTATE;
		END $$`)
	return &oracle{t: t, db: db}
}

// add records that our answer to sql is text or err.
func (o *oracle) add(sql, text string, err error) {
	if err != nil {
		text = "ERR " + string(types.CodeOf(err))
	}
	o.cases = append(o.cases, oracleCase{sql, text})
	if len(o.cases) == 1000 {
		o.flush()
	}
}

func (o *oracle) flush() {
	o.t.Helper()
	if len(o.cases) == 0 {
		return
	}
	quoted := make([]string, len(o.cases))
	for i, c := range o.cases {
		quoted[i] = quote(c.sql)
	}
	answer := o.db.MustQuery(o.t, "SELECT try(e) FROM unnest(ARRAY["+strings.Join(quoted, ",")+"]::text[]) WITH ORDINALITY AS u(e, n) ORDER BY n")
	require.Len(o.t, answer.Rows, len(o.cases))
	failures := 0
	for i, c := range o.cases {
		theirs := *answer.Rows[i][0]
		if theirs == c.ours || (o.allow != nil && o.allow(c.sql, c.ours, theirs)) {
			continue
		}
		if failures++; failures <= 25 {
			o.t.Errorf("%s\n  ours:       %s\n  PostgreSQL: %s", c.sql, c.ours, theirs)
		}
	}
	if failures > 25 {
		o.t.Errorf("and %d more", failures-25)
	}
	o.cases = o.cases[:0]
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// tooLong excuses an overflow of ours, and fewer zeros at the end, where PostgreSQL's answer has more than 38 digits.
func tooLong(_, ours, theirs string) bool {
	digits := 0
	for _, c := range strings.TrimLeft(theirs, "-0.") {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if rest, ok := strings.CutPrefix(theirs, ours); ok && strings.Contains(theirs, ".") && strings.Trim(rest, "0") == strings.Repeat(".", strings.Count(rest, ".")) {
		return digits > types.MaxNumericDigits || strings.Count(theirs, "0") > 200
	}
	return ours == "ERR 22003" && (digits > types.MaxNumericDigits || strings.Count(theirs, "0") > 200)
}

// randomNumeric makes texts of all sizes, with zeros and nines at the edges of base-10000 digits.
func randomNumeric(r *rand.Rand, maxDigits int) string {
	switch r.IntN(60) {
	case 0:
		return "NaN"
	case 1:
		return "Infinity"
	case 2:
		return "-Infinity"
	case 3:
		return "0"
	}
	whole, fraction := r.IntN(maxDigits)+1, 0
	if r.IntN(3) > 0 {
		fraction = r.IntN(whole + 1)
		whole -= fraction
	}
	var b strings.Builder
	if r.IntN(2) == 0 {
		b.WriteByte('-')
	}
	style := r.IntN(6)
	digit := func() {
		switch style {
		case 0:
			b.WriteByte('0')
		case 1:
			b.WriteByte('9')
		default:
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		if r.IntN(5) == 0 {
			style = r.IntN(6)
		}
	}
	if whole == 0 {
		b.WriteByte('0')
	}
	for range whole {
		digit()
	}
	if fraction > 0 {
		b.WriteByte('.')
		for range fraction {
			digit()
		}
	}
	return b.String()
}

func TestNumericLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	o.allow = tooLong
	r := rand.New(rand.NewPCG(1, 2))
	show := func(v types.NumericValue, err error) (string, error) { return v.String(), err }
	for range 1000 {
		digits := []int{4, 9, 19, 30, 38}[r.IntN(5)]
		x, y := randomNumeric(r, digits), randomNumeric(r, digits)
		a, err := types.ParseNumeric(x)
		require.NoError(t, err)
		b, err := types.ParseNumeric(y)
		require.NoError(t, err)
		left, right := "'"+x+"'::numeric", "'"+y+"'::numeric"
		binary := func(op string, v types.NumericValue, err error) {
			text, err := show(v, err)
			o.add(fmt.Sprintf(op, left, right), text, err)
		}
		v, err := a.Add(b)
		binary("%s + %s", v, err)
		v, err = a.Sub(b)
		binary("%s - %s", v, err)
		v, err = a.Mul(b)
		binary("%s * %s", v, err)
		v, err = a.Div(b)
		binary("%s / %s", v, err)
		v, err = a.Mod(b)
		binary("%s %% %s", v, err)
		v, err = a.DivTrunc(b)
		binary("div(%s, %s)", v, err)
		o.add(fmt.Sprintf("CASE WHEN %[1]s < %[2]s THEN -1 WHEN %[1]s > %[2]s THEN 1 ELSE 0 END", left, right), fmt.Sprint(a.Cmp(b)), nil)

		unary := func(op string, v types.NumericValue, err error) {
			text, err := show(v, err)
			o.add(fmt.Sprintf(op, left), text, err)
		}
		scale := r.IntN(20) - 6
		v, err = a.Round(scale)
		unary(fmt.Sprintf("round(%%s, %d)", scale), v, err)
		v, err = a.Trunc(scale)
		unary(fmt.Sprintf("trunc(%%s, %d)", scale), v, err)
		v, err = a.Ceil()
		unary("ceil(%s)", v, err)
		v, err = a.Floor()
		unary("floor(%s)", v, err)
		unary("-%s", a.Neg(), nil)
		unary("abs(%s)", a.Abs(), nil)
		i, err := a.Int64()
		o.add(left+"::bigint", fmt.Sprint(i), err)
		i, err = a.ToInt(types.Int4)
		o.add(left+"::int", fmt.Sprint(i), err)
		o.add(left+"::float8", string(types.AppendFloat(nil, a.Float64(), 64)), nil)
		f, err := a.Float32()
		o.add(left+"::float4", string(types.AppendFloat(nil, float64(f), 32)), err)
		p := r.IntN(20) + 1
		s := r.IntN(p + 1)
		if !a.IsSpecial() {
			v, err = a.WithModifier(p, s)
			unary(fmt.Sprintf("%%s::numeric(%d,%d)", p, s), v, err)
		}
		n := a.Normalize()
		require.Zero(t, n.Cmp(a))
		require.Equal(t, a.Cmp(b) == 0, n == b.Normalize())
	}
	o.flush()
}

func TestNumericFunctionsLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	o.allow = tooLong
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		x, y := randomNumeric(r, []int{3, 6, 12, 20}[r.IntN(4)]), randomNumeric(r, 3)
		a, err := types.ParseNumeric(x)
		require.NoError(t, err)
		b, err := types.ParseNumeric(y)
		require.NoError(t, err)
		left, right := "'"+x+"'::numeric", "'"+y+"'::numeric"
		v, err := a.Sqrt()
		o.add("sqrt("+left+")", v.String(), err)
		v, err = a.Ln()
		o.add("ln("+left+")", v.String(), err)
		v, err = a.Log10()
		o.add("log("+left+")", v.String(), err)
		v, err = a.Log(b)
		o.add("log("+right+", "+left+")", v.String(), err)
		v, err = b.Exp()
		o.add("exp("+right+")", v.String(), err)
		small, err := types.ParseNumeric(fmt.Sprintf("%d.%d", r.IntN(40)-20, r.IntN(100)))
		require.NoError(t, err)
		if r.IntN(2) == 0 {
			small, err = small.Trunc(0)
			require.NoError(t, err)
		}
		v, err = b.Power(small)
		o.add("power("+right+", "+small.String()+"::numeric)", v.String(), err)
		v, err = b.Power(a)
		if len(x) < 6 {
			o.add("power("+right+", "+left+")", v.String(), err)
		}
	}
	o.flush()
}

func TestNumericTextLikePostgreSQL(t *testing.T) {
	o := newOracle(t)
	o.allow = tooLong
	for _, text := range []string{"", " ", "1", " 1 ", "+1", "-0", "-0.00", "1.", ".5", ".", "1e5", "1e-5", "1.5e3", "1e", "1e+", "e5", "1 2",
		"0001.10", "nan", "NaN ", "-nan", "inf", "+Inf", "-inf", "infinity", "infinit", "1_000", "0x10", "12abc", "--1", "1e10", "1.50e1",
		"99999999999999999999999999999999999999", "100000000000000000000000000000000000000", "1e37", "1e38", "0e500", "1e-200",
		"0.00000000000000000000000000000000000000000000001", "1,5", "1e1000000000000"} {
		v, err := types.ParseNumeric(text)
		o.add(quote(text)+"::numeric", v.String(), err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		f := randomFloat(r)
		v, err := types.NumericFromFloat64(f)
		text := string(types.AppendFloat(nil, f, 64))
		o.add(quote(text)+"::float8::numeric", v.String(), err)
		v, err = types.NumericFromFloat32(float32(f))
		o.add(quote(string(types.AppendFloat(nil, float64(float32(f)), 32)))+"::float4::numeric", v.String(), err)
	}
	o.flush()
}
