// Package probes measures streamsql alone: what concerns a process (start, restart) through the command, as a user would see it; the rest through
// the Go API, where nothing but the engine is in the figures.
package probes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/measure"
)

// All are the probes in the order of the table.
var All = []harness.Probe{
	{Name: "file sync", Want: "-", Run: fileSync},
	{Name: "start-up", Want: "result within 150 ms, under 80 MB", Run: startUp},
	{Name: "many keys", Want: "under 120 bytes a key; at least a quarter of the speed with few keys", Run: manyKeys},
	{Name: "small epochs", Want: "10,000 of 10 million rows made dirty: prepared in under 10 ms (median)", Run: smallEpochs},
	{Name: "restart", Want: "first new result within 10 s with 10 million keys", Run: restart},
	{Name: "latency", Want: "10,000 events/s from a watched file, event in to prepared result: p99 under 15 ms", Run: latency},
	{Name: "latency with a sync of 3 ms more", Want: "the same", Run: slowSyncLatency},
	{Name: "Nexmark q0 to q22", Want: "geometric mean over 1.5 M events/s, none under 0.4 M", Run: nexmarkQueries},
	{Name: "big join", Want: "under 100 bytes a row beyond its data; at least a third of the speed with 100,000 rows", Run: bigJoin},
	{Name: "one changed row", Want: "visible within 5 ms (median) under a join, an aggregate and a Top-N over a million rows", Run: oneChange},
}

// fileSync is the disk's share in every latency.
func fileSync(_ context.Context, env harness.Env) ([]harness.Figure, error) {
	took, err := measure.Sync(env.Dir, 4096, 500)
	if err != nil {
		return nil, err
	}
	return []harness.Figure{
		{Name: "append of 4 kB and fdatasync: median", Value: milliseconds(measure.Quantile(took, 0.5))},
		{Name: "p99", Value: milliseconds(measure.Quantile(took, 0.99))},
	}, nil
}

// startUp runs a trivial query and takes the time from the start of the process to the result on its standard output.
func startUp(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	if err := os.WriteFile(filepath.Join(env.Dir, "in.ndjson"), []byte(`{"a": 41}`+"\n"), 0o600); err != nil {
		return nil, err
	}
	script, err := writeScript(env.Dir, `
		CREATE SOURCE numbers (a BIGINT) WITH (connector = 'file', path = '{dir}/in.ndjson', format = 'json');
		CREATE SINK out WITH (connector = 'console') AS SELECT 'answer ' || (a + 1) AS b FROM numbers;`)
	if err != nil {
		return nil, err
	}
	times := 20
	if env.Quick {
		times = 3
	}
	var first []time.Duration
	var resident int64
	for range times {
		u, err := run(ctx, env, "answer 42", script, "--memory", "--until-idle")
		if err != nil {
			return nil, err
		}
		first, resident = append(first, u.first), max(resident, u.peak)
	}
	slices.Sort(first)
	return []harness.Figure{
		{Name: "first result: median", Value: milliseconds(measure.Quantile(first, 0.5))},
		{Name: "slowest", Value: milliseconds(first[len(first)-1])},
		{Name: "resident at most", Value: megabytes(resident)},
	}, nil
}

// keysScript is the query of restart. It puts a key out when it comes for the second time.
const keysScript = `
	CREATE SOURCE keys (k BIGINT) WITH (connector = 'file', path = '{dir}/keys/', format = 'parquet');
	CREATE SINK twice WITH (connector = 'console') AS SELECT k, count(*) AS n, 'again' AS word FROM keys GROUP BY k HAVING count(*) > 1;`

// restart fills a state with keys, ends, and takes the time from the start of the process to the first new result.
func restart(ctx context.Context, env harness.Env) ([]harness.Figure, error) {
	keys := 10_000_000
	if env.Quick {
		keys = 100_000
	}
	if err := writeKeys(filepath.Join(env.Dir, "keys"), keys, keys); err != nil {
		return nil, err
	}
	script, err := writeScript(env.Dir, keysScript)
	if err != nil {
		return nil, err
	}
	arguments := []string{script, "--until-idle", "--data-dir", filepath.Join(env.Dir, "state")}
	filled, err := run(ctx, env, "", arguments...)
	if err != nil {
		return nil, err
	}
	if err := writeKeyFile(filepath.Join(env.Dir, "keys"), "b.parquet", 1, 1); err != nil {
		return nil, err
	}
	again, err := run(ctx, env, "again", arguments...)
	if err != nil {
		return nil, err
	}
	return []harness.Figure{
		{Name: fmt.Sprintf("first new result with %d keys", keys), Value: fmt.Sprintf("%.2f s", again.first.Seconds())},
		{Name: "resident at most", Value: megabytes(again.peak) + " (filling: " + megabytes(filled.peak) + ")"},
	}, nil
}

// writeScript writes a script whose {dir} is dir, and whose other placeholders are the pairs given.
func writeScript(dir, text string, pairs ...string) (path string, err error) {
	path = filepath.Join(dir, "script.sql")
	text = strings.NewReplacer(append(pairs, "{dir}", dir)...).Replace(text)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// usage is what one run of the command took.
type usage struct {
	first time.Duration // from the start to the expected output
	cpu   time.Duration
	peak  int64 // resident bytes
}

// run runs `streamsql run` and waits until it ends. If expect is not empty it must stand in a line of the output.
func run(ctx context.Context, env harness.Env, expect string, arguments ...string) (u usage, err error) {
	var failure bytes.Buffer
	cmd := exec.CommandContext(ctx, env.Binary, append([]string{"run"}, arguments...)...)
	cmd.Stderr = &failure
	out, err := cmd.StdoutPipe()
	if err != nil {
		return u, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return u, fmt.Errorf("%w (make build makes the command)", err)
	}
	var output bytes.Buffer
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if expect != "" && u.first == 0 && strings.Contains(lines.Text(), expect) {
			u.first = time.Since(start)
		}
		if output.Len() < 4096 {
			output.WriteString(lines.Text() + "\n")
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return u, fmt.Errorf("streamsql run: %w\n%s", err, failure.Bytes())
	}
	if expect != "" && u.first == 0 {
		return u, fmt.Errorf("streamsql run printed no %q but\n%s%s", expect, output.Bytes(), failure.Bytes())
	}
	u.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if used, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.peak = used.Maxrss << 10 // Linux counts in kB
	}
	return u, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func megabytes(n int64) string { return fmt.Sprintf("%d MB", n>>20) }
