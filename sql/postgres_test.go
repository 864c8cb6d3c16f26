package sql

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/internal/pgtest"
)

// TestPrecedenceIsPostgreSQLs writes expressions at random without parentheses, lets PostgreSQL print them with all
// parentheses (as the definition of a view), and reads both: the trees must be equal. What PostgreSQL calls a syntax error
// must be one here.
func TestPrecedenceIsPostgreSQLs(t *testing.T) {
	db := pgtest.Open(t)
	db.MustExec(t, "CREATE TABLE t (a int, b int, c int, p boolean, q boolean, r boolean, j jsonb, x text, y text)")
	rounds := 600
	if testing.Short() {
		rounds = 100
	}
	rnd := rand.New(rand.NewPCG(11, 12))
	compared, refused := 0, 0
	for range rounds {
		text := randomCondition(rnd)
		_, err := db.Query("CREATE OR REPLACE TEMP VIEW v AS SELECT " + text + " AS result FROM t")
		mine, mineErr := ParseExpr(text)
		if err != nil {
			if isSyntaxError(err) {
				refused++
				require.Error(t, mineErr, "PostgreSQL refuses %s: %v", text, err)
			}
			continue // operands of wrong types
		}
		require.NoError(t, mineErr, text)
		def := *db.MustQuery(t, "SELECT pg_get_viewdef('v')").Rows[0][0]
		stmts, err := Parse(def)
		require.NoError(t, err, def)
		theirs := stmts[0].(*QueryStmt).Query.Body.(*Select).Items[0].X
		compared++
		// PostgreSQL writes the types of literals.
		want := strings.NewReplacer("('k' :: text)", "'k'", "('l' :: text)", "'l'").Replace(tree(unqualified(theirs)))
		require.Equal(t, want, tree(mine), "%s\nPostgreSQL: %s", text, def)
	}
	require.Greater(t, compared, rounds/4)
	require.NotZero(t, refused)
}

// unqualified takes the table's name off the columns; PostgreSQL writes it or not, depending on its version.
func unqualified(x Expr) Expr {
	Inspect(x, func(n Node) bool {
		if c, ok := n.(*ColumnRef); ok {
			c.Parts = c.Parts[len(c.Parts)-1:]
		}
		return true
	})
	return x
}

func isSyntaxError(err error) bool {
	return pgtest.SQLState(err) == "42601" && strings.Contains(err.Error(), "syntax error")
}

func pick(rnd *rand.Rand, words string) string {
	list := strings.Fields(words)
	return strings.ReplaceAll(list[rnd.IntN(len(list))], "_", " ")
}

func randomNumber(rnd *rand.Rand) string {
	var b strings.Builder
	for n := 1 + rnd.IntN(4); n > 0; n-- {
		for rnd.IntN(4) == 0 {
			b.WriteString(pick(rnd, "- ~ + @") + " ")
		}
		b.WriteString(pick(rnd, "a b c"))
		if n > 1 {
			b.WriteString(" " + pick(rnd, "+ - * / % & | # << >>") + " ")
		}
	}
	return b.String()
}

func randomCondition(rnd *rand.Rand) string {
	var b strings.Builder
	for n := 1 + rnd.IntN(4); n > 0; n-- {
		for rnd.IntN(5) == 0 {
			b.WriteString("NOT ")
		}
		switch rnd.IntN(6) {
		case 0, 1:
			b.WriteString(pick(rnd, "p q r"))
		case 2:
			b.WriteString("x || y " + pick(rnd, "= < <> >=") + " x")
		case 3:
			b.WriteString("j -> 'k' ->> 'l' " + pick(rnd, "= < ||") + " y")
			if rnd.IntN(2) == 0 {
				b.WriteString(" COLLATE \"C\"")
			}
		default:
			b.WriteString(randomNumber(rnd) + " " + pick(rnd, "= < <> >= <= >") + " " + randomNumber(rnd))
		}
		for rnd.IntN(3) == 0 {
			b.WriteString(" " + pick(rnd, "IS_NULL IS_NOT_NULL IS_TRUE IS_NOT_FALSE IS_UNKNOWN ISNULL IS_DISTINCT_FROM_p IS_DISTINCT_FROM_q =_r <_p"))
		}
		if n > 1 {
			b.WriteString(" " + pick(rnd, "AND OR AND OR = <>") + " ")
		}
	}
	return b.String()
}

// TestGrammarIsPostgreSQLs sends the queries of the golden scripts to PostgreSQL, whole and with one token changed. Except for
// what is ours (streaming clauses and a few liberties), both must agree on what can be read.
func TestGrammarIsPostgreSQLs(t *testing.T) {
	db := pgtest.Open(t)
	var pool []string
	var queries [][]string
	for _, name := range []string{"select", "expr", "precedence"} {
		b, err := os.ReadFile(fmt.Sprintf("testdata/%s.txt", name))
		require.NoError(t, err)
		for _, line := range strings.Split(string(b), "\n") {
			stmts, err := Parse(line)
			if err != nil || len(stmts) != 1 || !strings.HasPrefix(line, "SELECT") {
				continue
			}
			var words []string
			for _, tok := range scan(line) {
				if tok.kind != tokEOF {
					words = append(words, line[tok.start:tok.end])
				}
			}
			queries, pool = append(queries, words), append(pool, words...)
		}
	}
	rounds := 4000
	if testing.Short() {
		rounds = 200
	}
	rnd := rand.New(rand.NewPCG(21, 22))
	for n := range rounds {
		words := append([]string(nil), queries[n%len(queries)]...)
		if n >= len(queries) {
			switch i := rnd.IntN(len(words)); rnd.IntN(3) {
			case 0:
				words[i] = pool[rnd.IntN(len(pool))]
			case 1:
				words = append(words[:i:i], append([]string{pool[rnd.IntN(len(pool))]}, words[i:]...)...)
			case 2:
				words = append(words[:i:i], words[i+1:]...)
			}
		}
		text := strings.Join(words, " ")
		if !strings.HasPrefix(text, "SELECT ") || ours(text) {
			continue
		}
		_, mine := Parse(text)
		_, theirs := db.Query("EXPLAIN " + text)
		if mine == nil {
			require.False(t, isSyntaxError(theirs), "PostgreSQL refuses %s: %v", text, theirs)
		}
	}
}

// ours reports whether a text holds what this grammar has and PostgreSQL's has not.
func ours(text string) bool {
	for _, w := range strings.Fields(`EMIT EPOCH SYSTEM_TIME ASOF LOCAL IGNORE RESPECT STRUCT MAP WEEK TRY_CAST try_cast TABLE
		SESSION STRUCT< ARRAY< MAP< SECONDS HOURS BETWEEN_NOT := emit asof 0x1F 0b101 0o17 1_000_000`) {
		if strings.Contains(text, w) {
			return true
		}
	}
	for _, w := range []string{") [", ") .", "] .", "BETWEEN NOT", "SYMMETRIC NOT", "INTERVAL 10", "INTERVAL 1.5", "INTERVAL -", "over ", "OVER BY",
		"`", "CURRENT_", "USER [", "LOCALTIME", "AT ,", "DEFAULT", " ROW ",
		"least ( )", "greatest ( )", "extract ( ", "( 3 , 1 )"} {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}
