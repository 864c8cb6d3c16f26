package expr

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
	"github.com/streamsql/streamsql/types"
)

// TestCastContexts compares which casts exist, and in which context, with PostgreSQL's catalog.
func TestCastContexts(t *testing.T) {
	db := pgtest.Open(t)
	rows := db.MustQuery(t, `SELECT castsource::regtype::text, casttarget::regtype::text, castcontext FROM pg_cast WHERE castsource <> casttarget`).Rows
	catalog := map[[2]string]string{}
	for _, r := range rows {
		catalog[[2]string{*r[0], *r[1]}] = *r[2]
	}
	for _, from := range castKinds {
		for _, to := range castKinds {
			if from == to {
				continue
			}
			want := catalog[[2]string{from.String(), to.String()}]
			switch { // every type converts to text for a column, and from text when asked to
			case want == "" && to.Kind == types.Text:
				want = "a"
			case want == "" && from.Kind == types.Text:
				want = "e"
			}
			got := ""
			switch {
			case CanCast(from, to, Implicit):
				got = "i"
			case CanCast(from, to, Assignment):
				got = "a"
			case CanCast(from, to, Explicit):
				got = "e"
			}
			require.Equal(t, want, got, "%s to %s", from, to)
		}
	}
}

func TestCommonTypeAgainstPostgres(t *testing.T) {
	pg := newOracle(t)
	kinds := castKinds[:len(castKinds)-1]
	var sql []string
	var ours []string
	for _, a := range kinds {
		for _, b := range append(kinds, types.UnknownType) {
			text := "NULL"
			if b.Kind != types.Unknown {
				text = "NULL::" + b.String()
			}
			sql = append(sql, "pg_typeof(CASE WHEN true THEN NULL::"+a.String()+" ELSE "+text+" END)")
			c, err := CommonType([]types.Type{a, b})
			if err != nil {
				ours = append(ours, "ERROR "+string(types.CodeOf(err)))
			} else {
				ours = append(ours, c.String())
			}
		}
	}
	for i, want := range pg.answers(t, sql) {
		require.Equal(t, want, ours[i], sql[i])
	}
}

func TestModifiers(t *testing.T) {
	ts := []types.Type{types.TextType, types.NumericType, types.TimestampType}
	cols, refs := columnsOf(t, ts, [][]string{
		{"abc", "1.005", "2024-01-01 10:00:00.123456"}, {"abc   ", "99.994", "2024-01-01 10:00:00.9999"}, {"abcdef", "99.996", "infinity"}, {"äöü", "NaN", "NULL"},
	})
	varchar := types.Type{Kind: types.Text, Precision: 3}
	numeric := types.Type{Kind: types.Numeric, Precision: 4, Scale: 2}
	millis := types.Type{Kind: types.Timestamp, Precision: 4}
	for _, c := range []struct {
		col  int
		to   types.Type
		ctx  CastContext
		want []string
	}{
		{0, varchar, Explicit, []string{"abc", "abc", "abc", "äöü"}},
		{0, varchar, Assignment, []string{"abc", "abc", "ERROR 22001", "äöü"}},
		{1, numeric, Explicit, []string{"1.01", "99.99", "ERROR 22003", "ERROR 22003"}}, // NaN: decimal128 has none
		{1, varchar, Assignment, []string{"ERROR 22001", "ERROR 22001", "ERROR 22001", "NaN"}},
		{1, varchar, Explicit, []string{"1.0", "99.", "99.", "NaN"}},
		{2, millis, Explicit, []string{"2024-01-01 10:00:00.123", "2024-01-01 10:00:01", "infinity", "NULL"}},
	} {
		e, err := Cast(refs[c.col], c.to, c.ctx)
		require.NoError(t, err)
		require.Equal(t, c.to, e.Type())
		p, err := Compile([]Expr{e})
		require.NoError(t, err)
		got, err := evalTexts(p, cols, 4)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s", e)
		// Back to the type without modifiers.
		back, err := Cast(e, c.to.Base(), Implicit)
		require.NoError(t, err)
		p, err = Compile([]Expr{back, e})
		require.NoError(t, err)
		got, err = evalTexts(p, cols, 4)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s", back)
	}
}
