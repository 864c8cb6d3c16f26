// Package harness runs benchmark cases, each contestant in a process of its own, and prints what they used as a table.
//
// A Case is a query over bids in one form; a Side is a contestant; a Probe is a measurement of streamsql alone. The
// answers of all sides to a case are compared: a figure is printed only for a right answer.
package harness

import (
	"context"
	"fmt"
	"time"

	"github.com/streamsql/streamsql/bench/nexmark"
)

// Query names a question. Its sums (see Check) are what the answers are compared by.
type Query string

const (
	// TumbleCount counts the bids per auction and 10 s window.
	//
	// Rows: groups. Sums: bids; auction times bids; window (its start, in units of 10 s since 1970) times bids.
	TumbleCount Query = "tumble-count"
	// HopHottest finds for each window of 10 s, one starting every 2 s, how many bids its hottest auction got.
	//
	// Rows: windows. Sums: the hottest auctions' bids; window (its start, in units of 2 s) times those; 0.
	HopHottest Query = "hop-hottest"
	// FilterProject keeps the bids of more than 10,000 (in the price's units) and converts their price: price * 89 / 100,
	// integer division; the columns are auction, bidder, the new price and the event time.
	//
	// Rows: bids kept. Sums: of the auction, the bidder and the new price.
	FilterProject Query = "filter-project"
)

// MinPrice is FilterProject's bound; two thirds of the bids are above it.
const MinPrice = 10_000

// The windows of the queries.
const (
	TumbleSize = 10 * time.Second
	HopSize    = 10 * time.Second
	HopStep    = 2 * time.Second
)

// Input is the form in which the bids come.
type Input string

// The forms: record batches in memory (DuckDB: a table in memory, its own best form), a Parquet file of the columns
// auction, price and ts, a file of newline-delimited JSON.
const (
	Arrow   Input = "arrow"
	Parquet Input = "parquet"
	NDJSON  Input = "ndjson"
)

// Case is one line of the table.
type Case struct {
	Name    string
	Query   Query
	Input   Input
	AtLeast float64 // the ratio of streamsql to DuckDB that we want, in rows per CPU second
	Divide  int     // the rows are those of the run divided by this; 0 is 1
}

// Cases are those of the README's table.
var Cases = []Case{
	{Name: "Arrow in memory: count per auction and 10 s tumble", Query: TumbleCount, Input: Arrow, AtLeast: 1.0},
	{Name: "Arrow in memory: hottest auction per 10 s / 2 s hop", Query: HopHottest, Input: Arrow, AtLeast: 1.0},
	{Name: "Arrow in memory: filter and projection", Query: FilterProject, Input: Arrow, AtLeast: 0.5},
	{Name: "Parquet (3 columns): count per auction and 10 s tumble", Query: TumbleCount, Input: Parquet, AtLeast: 0.7},
	{Name: "NDJSON: count per auction and 10 s tumble", Query: TumbleCount, Input: NDJSON, AtLeast: 1.5, Divide: 4},
}

// config returns the bids of a case in a run of the given number of rows.
func (c Case) config(rows int) nexmark.Config {
	config := nexmark.Config{Rows: rows / max(c.Divide, 1), Seed: 1}
	if c.Input == Parquet {
		config.Columns = []string{"auction", "price", "ts"}
	}
	return config
}

// Data is the input of a case.
type Data struct {
	Bids nexmark.Config // the bids; for Arrow, to be made in memory while loading
	File string         // for Parquet and NDJSON, the file that holds them
	Dir  string         // an empty directory of the side's own, for state or scratch
}

// Check sums an answer up, so that answers can be compared.
type Check struct {
	Rows int64
	Sums [3]int64
}

// Runner answers one case. The calls come in the order Load, Run as often as there are repetitions, Close, all from
// one goroutine.
type Runner interface {
	// Load brings the data where the case wants it. It is not measured.
	Load(ctx context.Context, c Case, d Data) error
	// Run answers the query once, from the first row to the last. It is measured, alone.
	Run(ctx context.Context) (Check, error)
	// Close ends what Load began.
	Close() error
}

// Side is a contestant.
type Side struct {
	Name    string
	Threads int                               // the processors it may use; also its GOMAXPROCS
	New     func(threads int) (Runner, error) // in the side's own process
	Skips   func(c Case) bool                 // nil: it has an answer to every case
}

// The names by which the table finds the sides that it sets in relation.
const (
	SideStreamsql = "streamsql"
	SideOneWorker = "streamsql, 1 worker"
	SideDuckDB    = "DuckDB"
	SideLoop      = "plain Go loop"
)

// Figure is one number that a probe found.
type Figure struct {
	Name  string
	Value string // with its unit
}

// Probe is a measurement of streamsql alone.
type Probe struct {
	Name string
	Want string // the budget, in words
	// Run measures, in a process of its own, with an empty directory.
	Run func(ctx context.Context, env Env) ([]Figure, error)
}

// Env is what a probe finds.
type Env struct {
	Dir    string // an empty directory on the disk to be measured
	Binary string // the streamsql command
	Quick  bool   // a short run, to see that the probe works; its figures mean little
}

// Measurement is what one side used for one case.
type Measurement struct {
	Side, Case string
	Rows       int
	Threads    int
	CPU, Wall  []time.Duration // one for each repetition
	Loaded     int64           // resident bytes before the first repetition, the data in memory included
	Peak       int64           // resident bytes at most during the repetitions
	Check      Check
}

// PerCPUSecond returns rows per CPU second, by the best repetition: what disturbs a run only ever adds.
func (m Measurement) PerCPUSecond() float64 { return rate(m.Rows, m.CPU) }

// PerSecond returns rows per second of wall-clock time, by the best repetition.
func (m Measurement) PerSecond() float64 { return rate(m.Rows, m.Wall) }

func rate(rows int, took []time.Duration) float64 {
	if len(took) == 0 {
		return 0
	}
	best := took[0]
	for _, t := range took[1:] {
		best = min(best, t)
	}
	return float64(rows) / best.Seconds()
}

func (c Check) String() string { return fmt.Sprintf("%d rows, sums %v", c.Rows, c.Sums) }
