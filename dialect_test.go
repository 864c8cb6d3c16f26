package streamsql

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A SET dialect holds for what follows it in the same text.
func TestDialectWithinText(t *testing.T) {
	for _, c := range []struct{ text, dialect, want string }{
		{"SELECT 'a' || 'b'; SET dialect = mysql; SELECT CONCAT(`x`, 1) FROM (SELECT \"a;b\" AS `x`) AS q", "native", "a;b1"},
		{"set DIALECT to 'mysql'\n ; /* ; */ SELECT \"q\"", "native", "q"},
		{"SET dialect = mysql; SELECT `a` FROM (SELECT 1 AS `a`) AS q; SET dialect = native; SELECT 'n' || 'o' AS \"x\"", "native", "no"},
		{"SELECT \"dialect;\"; RESET dialect; SELECT \"a\" FROM (VALUES ('v')) x(a)", "mysql", "v"},
		{"SET dialect = mysql; SET dialect = mysql; SELECT \"w\"", "native", "w"},
		{"SET dialect = mysql; SET dialect = DEFAULT; SELECT 'z'::text", "native", "z"},
	} {
		stmts, err := func() (int, error) {
			db, err := Open(Options{})
			require.NoError(t, err)
			defer db.Close()
			s := db.NewSession()
			if c.dialect == "mysql" {
				_, err = s.Exec(t.Context(), "SET dialect = mysql")
				require.NoError(t, err)
			}
			results, err := s.Exec(t.Context(), c.text)
			if err != nil {
				return 0, err
			}
			last := results[len(results)-1].Rows
			require.True(t, last.Next(), c.text)
			got, _ := last.Text(0)
			require.Equal(t, c.want, got, c.text)
			require.NoError(t, last.Close())
			return len(results), nil
		}()
		require.NoError(t, err, c.text)
		require.NotZero(t, stmts)
		parsed, errs := ParseAll(c.text, c.dialect)
		require.Empty(t, errs, c.text)
		require.Len(t, parsed, stmts)
		last := parsed[len(parsed)-1].Span()
		require.Equal(t, "SELECT", c.text[last.Start:last.Start+6], "places are those of the whole text")
	}
	_, errs := ParseAll("SELECT (; SET dialect = mysql; SELECT `a` FROM; SELECT 1", "native")
	require.Len(t, errs, 2)
	require.Equal(t, 0, errs[0].Span.Start/31)
	require.Greater(t, errs[1].Span.Start, 30)
}
