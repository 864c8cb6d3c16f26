package probes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/measure"
)

// nexmarkQueries runs q0 to q22 over the built-in generator into a blackhole, with durable state, each in a directory of its own, and
// counts events of all three kinds per CPU second. The generator works in the same process; its cost is that of the first figure.
func nexmarkQueries(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	events := 20_000_000
	if env.Quick {
		events = 50_000
	}
	queries, err := filepath.Glob("../testdata/queries/nexmark/q??.sql")
	if err != nil || len(queries) != 23 {
		return nil, fmt.Errorf("%d queries in ../testdata/queries/nexmark, wanted 23 (%v); run in the folder bench", len(queries), err)
	}
	schema, err := os.ReadFile("../testdata/queries/nexmark/sources.sql")
	if err != nil {
		return nil, err
	}
	sources := strings.ReplaceAll(string(schema), "${EVENTS:-20000}", fmt.Sprint(events))
	run := func(name, query string) (time.Duration, error) {
		dir := filepath.Join(env.Dir, name)
		db, err := streamsql.Open(streamsql.Options{Dir: dir})
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		if _, err = db.Exec(ctx, sources); err != nil {
			return 0, errors.Join(err, db.Close())
		}
		before, err := measure.CPU()
		if err != nil {
			return 0, errors.Join(err, db.Close())
		}
		if _, err = db.Exec(ctx, "CREATE SINK answer WITH (connector = 'blackhole') AS "+query); err == nil {
			err = db.WaitIdle(ctx)
		}
		after, cerr := measure.CPU()
		return after - before, errors.Join(err, cerr, db.Close())
	}
	rate := func(cpu time.Duration) float64 { return float64(events) / cpu.Seconds() / 1e6 }
	alone, err := run("generator", "SELECT id FROM person WHERE id < 0 UNION ALL SELECT id FROM auction WHERE id < 0 UNION ALL SELECT auction FROM bid WHERE auction < 0")
	if err != nil {
		return nil, err
	}
	figures := []harness.Figure{{Name: "the generator of all three streams alone, one column each", Value: fmt.Sprintf("%.2f M events per CPU second", rate(alone))}}
	logs, least, slowest := 0.0, math.Inf(1), ""
	var list []string
	for _, file := range queries {
		name := strings.TrimSuffix(filepath.Base(file), ".sql")
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		cpu, err := run(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		r := rate(cpu)
		logs += math.Log(r)
		if r < least {
			least, slowest = r, name
		}
		list = append(list, fmt.Sprintf("%s %.2f", name, r))
	}
	return append(figures,
		harness.Figure{Name: "geometric mean, the generator's cost included", Value: fmt.Sprintf("%.2f M events per CPU second", math.Exp(logs/float64(len(queries))))},
		harness.Figure{Name: "slowest", Value: fmt.Sprintf("%.2f M (%s)", least, slowest)},
		harness.Figure{Name: "each, M events per CPU second", Value: strings.Join(list, ", ")}), nil
}
