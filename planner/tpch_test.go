package planner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
)

// No query of TPC-H, written with commas, pairs all rows of two inputs, but those that meet the one row of a scalar subquery.
func TestTPCHHasNoCrossProducts(t *testing.T) {
	const dir = "../testdata/queries/tpch"
	s := newSession()
	run := func(t *testing.T, file string) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		stmts, err := sql.Parse(string(text))
		require.NoError(t, err)
		for _, stmt := range stmts {
			_, err := s.run(stmt, ExplainOptions{}, false)
			require.NoError(t, err)
		}
	}
	run(t, filepath.Join(dir, "schema.sql"))
	files, err := filepath.Glob(filepath.Join(dir, "q*.sql"))
	require.NoError(t, err)
	require.Len(t, files, 22)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			run(t, file)
			checkPlan(t, s.last)
			s.last.Walk(func(n *Node) {
				if j, ok := n.Op.(*Join); ok && len(j.LeftKeys) == 0 {
					one := n.Inputs[0].Props.HasKey(nil) || n.Inputs[1].Props.HasKey(nil)
					require.True(t, one, "a cross product:\n%s", Explain(s.last, ExplainOptions{}))
				}
			})
		})
	}
}
