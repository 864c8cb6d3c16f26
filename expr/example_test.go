package expr

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// TestExamples evaluates the example of every function, and has PostgreSQL evaluate it too.
func TestExamples(t *testing.T) {
	seen := map[string]bool{}
	var examples, ours []string
	for _, o := range Functions() {
		require.NotEmpty(t, o.Doc, o.ID)
		require.NotEmpty(t, o.Example, o.ID)
		if seen[o.Example] {
			continue
		}
		seen[o.Example] = true
		e, err := bindText(o.Example)
		got := answer(e, err)
		if !ofJSON(o.Name) && o.Category != CatOther {
			examples, ours = append(examples, o.Example), append(ours, got)
		}
		if err == nil && e.Type() == types.BoolType {
			got = got[:1] // as psql shows it
		}
		assert.Equal(t, o.Answer, got, "%s: %s", o.ID, o.Example)
	}
	for i, want := range newOracle(t).answers(t, examples) {
		assert.Equal(t, want, ours[i], examples[i])
	}
}

func TestAggregatesAreDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range Aggregates() {
		require.False(t, seen[a.ID], a.ID)
		seen[a.ID] = true
		require.NotEmpty(t, a.Doc, a.ID)
		require.NotEmpty(t, a.Example, a.ID)
		require.NotEmpty(t, a.Answer, a.ID)
	}
}
