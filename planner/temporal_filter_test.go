package planner

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// temporalRows are the rows that are there at a time.
func temporalRows(in []refRow, op *TemporalFilter, now int64) []refRow {
	var out []refRow
	for _, row := range in {
		there := true
		if op.From >= 0 {
			from, ok := row[op.From].(int64)
			there = ok && (now > from || now == from && !op.FromOpen)
		}
		if op.Until >= 0 && there {
			until, ok := row[op.Until].(int64)
			there = ok && (now < until || now == until && op.UntilOpen)
		}
		if there {
			out = append(out, row)
		}
	}
	return out
}

// TestTemporalFilterIsTheFilter compares, at many times, the rows that are there with those for which the condition holds then.
func TestTemporalFilterIsTheFilter(t *testing.T) {
	s := newSession()
	exec(t, s, "CREATE SOURCE b (tz TIMESTAMPTZ, ts TIMESTAMP, d DATE, tz2 TIMESTAMPTZ) WITH (connector = 'file', path = 'x', format = 'json', watch = true)")
	conditions := []string{
		"tz > now() - INTERVAL '5 minutes'", "tz >= now() - INTERVAL '5 minutes'", "tz < now()", "tz <= now() + INTERVAL '1 day 1 hour'",
		"now() - INTERVAL '1 hour' = tz", "tz BETWEEN now() - INTERVAL '1 day' AND now()", "ts > localtimestamp - INTERVAL '2 days'",
		"ts >= now()", "d > now()", "d = current_date", "d < current_date", "d <= current_date", "d > current_date", "d >= current_date",
		"d >= current_date - 2", "d + 3 > current_date", "d < current_date + 1", "ts >= current_date", "ts < current_date", "ts > current_date", "ts <= current_date",
		"ts >= current_date - 1 AND ts < current_date", "tz > current_date - 1", "current_date - d < 2", "current_date - d >= 1", "d - current_date <= 1",
		"tz >= date_trunc('hour', now())", "tz < date_trunc('hour', now())", "tz <= date_trunc('hour', now())", "tz > date_trunc('hour', now())",
		"tz = date_trunc('hour', now())", "ts < date_trunc('month', localtimestamp)", "ts >= date_trunc('week', now() - INTERVAL '1 day') - INTERVAL '2 hours'",
		"now() - tz < INTERVAL '1 day'", "now() - tz >= INTERVAL '1 day 3 hours'", "tz - now() > INTERVAL '-1 hour'", "localtimestamp - ts <= INTERVAL '1 month'",
		"ts > (now() AT TIME ZONE 'UTC') - INTERVAL '10 minutes'", "tz > now() - INTERVAL '1 day' AND tz2 > now() - INTERVAL '1 hour'",
		"tz < now() AND tz2 <= now() AND ts > now() - INTERVAL '3 days' AND tz2 >= now() - INTERVAL '2 days'",
		"tz > now() OR ts > now() - INTERVAL '1 hour'", "d = DATE '2024-02-29' OR tz > now()", "(d = DATE '2024-02-29' AND tz >= now()) OR (tz2 > now() AND ts >= now()) OR d IS NULL",
		"(tz < now() OR d > DATE '2024-03-01') AND tz2 > now()", "tz <= now() OR (tz2 < now() AND ts <= now() - INTERVAL '1 hour')",
		"greatest(tz, tz2) > now()", "ts + INTERVAL '1 month' > now()", "current_date - INTERVAL '1 hour' < ts",
	}
	const hour, day = int64(3600e6), int64(86400e6)
	base, err := types.ParseTimestamp("2024-02-28 00:00:00")
	require.NoError(t, err)
	r := rand.New(rand.NewSource(1))
	moment := func() int64 { // often on the hour or the day, or next to it
		v := base + r.Int63n(5*day)
		switch r.Intn(4) {
		case 0:
			v -= v % hour
		case 1:
			v -= v % day
		}
		return v + int64(r.Intn(3)-1)*int64(r.Intn(2))
	}
	for _, cond := range conditions {
		q, err := sql.ParseQuery("SELECT * FROM b WHERE " + cond)
		require.NoError(t, err)
		plan, err := s.p.PlanQuery(q)
		require.NoError(t, err, cond)
		checkPlan(t, plan.Root)
		kept := 0
		for range 50 {
			ref := &reference{tables: map[string][]refRow{}, now: moment()}
			for range 8 {
				row := refRow{moment(), moment(), moment() / day, moment()}
				if r.Intn(3) == 0 {
					row[0] = ref.now + []int64{-300e6, -hour, -day, 0}[r.Intn(4)]
				}
				if r.Intn(5) == 0 {
					row[r.Intn(4)] = nil
				}
				ref.tables["b"] = append(ref.tables["b"], row)
			}
			want := ref.eval(t, plan.Logical)
			kept += len(want)
			require.Equal(t, fmt.Sprint(want), fmt.Sprint(ref.eval(t, plan.Root)), "%s at %d\n%s", cond, ref.now, Explain(plan.Root, ExplainOptions{}))
		}
		require.Positive(t, kept, cond)
	}
}
