// Command bench compares streamsql with DuckDB and with plain Go loops on the same data in one run, in processor time,
// and prints Markdown tables. See `go run . -help`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"

	"github.com/streamsql/streamsql/bench/engine"
	"github.com/streamsql/streamsql/bench/harness"
	"github.com/streamsql/streamsql/bench/loops"
	"github.com/streamsql/streamsql/bench/probes"
	"github.com/streamsql/streamsql/internal/collector"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	collector.Tune(ctx) // as the command does
	bench := harness.Bench{
		Cases:  harness.Cases,
		Sides:  slices.Concat(engine.Sides, []harness.Side{loops.Side}, optionalSides),
		Probes: probes.All,
	}
	if isChild, err := bench.Child(ctx); isChild {
		return err
	}

	var o harness.Options
	flag.IntVar(&o.Rows, "rows", 10_000_000, "bids in a case (NDJSON: a quarter of them)")
	flag.IntVar(&o.Repeat, "repeat", 5, "repetitions of each case; the best counts")
	flag.BoolVar(&o.Quick, "quick", false, "a short run, to see that everything works; its figures mean little")
	flag.StringVar(&o.Dir, "dir", "", "where data and state are kept meanwhile (default: the system's place for such)")
	flag.StringVar(&o.Binary, "binary", "../bin/streamsql", "the streamsql command")
	flag.StringVar(&o.Profiles, "profiles", "", "directory for a CPU profile of each case and side and each probe, loading included")
	only := flag.String("run", "", "only the `regexp` of cases, sides (\"case / side\") and probes")
	flag.Parse()
	if o.Quick {
		o.Rows, o.Repeat = min(o.Rows, 200_000), 1
	}
	if *only != "" {
		pattern, err := regexp.Compile(*only)
		if err != nil {
			return fmt.Errorf("-run: %w", err)
		}
		o.Only = pattern
	}
	o.Log = os.Stderr
	result, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	if err := bench.WriteMarkdown(os.Stdout, result); err != nil {
		return err
	}
	if len(result.Failed) > 0 {
		return fmt.Errorf("%d failed", len(result.Failed))
	}
	return nil
}
