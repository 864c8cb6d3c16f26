package expr

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// The precise functions agree with PostgreSQL's C library, which is right to a little more than half a unit in the last place, in
// nearly all cases.
func TestPreciseMath(t *testing.T) {
	require.Equal(t, 1000.0, precisePow(100, 1.5))
	require.Equal(t, 8.0, precisePow(2, 3))
	require.Equal(t, -8.0, precisePow(-2, 3))
	require.Equal(t, 3.0, preciseLog10(1000))
	require.Equal(t, 0.0, preciseLog(1))
	pg := newOracle(t)
	rng := rand.New(rand.NewPCG(3, 5))
	var sql []string
	var ours []float64
	for range 500 {
		x, y := rng.Float64()*1000, rng.NormFloat64()*5
		sx, sy := strconv.FormatFloat(x, 'g', -1, 64), strconv.FormatFloat(y, 'g', -1, 64)
		sql = append(sql, fmt.Sprintf("power('%s'::float8, '%s'::float8)", sx, sy), "exp('"+sy+"'::float8)", "ln('"+sx+"'::float8)", "log('"+sx+"'::float8)")
		ours = append(ours, precisePow(x, y), preciseExp(y), preciseLog(x), preciseLog10(x))
	}
	differ := map[int]int{}
	for i, want := range pg.answers(t, sql) {
		f, err := strconv.ParseFloat(want, 64)
		require.NoError(t, err)
		require.InEpsilon(t, f, ours[i], 4e-16, sql[i])
		if f != ours[i] {
			differ[i%4]++
		}
	}
	t.Logf("of 500 differ: power %d, exp %d, ln %d, log %d", differ[0], differ[1], differ[2], differ[3])
	require.Less(t, differ[0]+differ[1]+differ[2], 15)
}
