// Package loops answers the benchmark's queries by plain Go loops over the columns: no SQL, no state on disk, one
// thread. It says how much of a figure is the price of an engine.
package loops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/bench/harness"
)

// Side is the contestant.
var Side = harness.Side{
	Name:    harness.SideLoop,
	Threads: 1,
	New:     func(int) (harness.Runner, error) { return &runner{}, nil },
	Skips:   func(c harness.Case) bool { return c.Input == harness.Parquet },
}

type runner struct {
	query   harness.Query
	file    string
	batches []batch
}

// batch is what the queries read of a record batch: slices over its buffers.
type batch struct{ auction, bidder, price, micros []int64 }

func (r *runner) Load(_ context.Context, c harness.Case, d harness.Data) error {
	r.query, r.file = c.Query, d.File
	if c.Input != harness.Arrow {
		return nil
	}
	records, err := d.Bids.Batches()
	if err != nil {
		return err
	}
	for record := range records {
		r.batches = append(r.batches, columns(record)) // never released: its buffers are Go's
	}
	return nil
}

func columns(record arrow.Record) batch {
	var b batch
	for i, field := range record.Schema().Fields() {
		switch field.Name {
		case "auction":
			b.auction = record.Column(i).(*array.Int64).Int64Values()
		case "bidder":
			b.bidder = record.Column(i).(*array.Int64).Int64Values()
		case "price":
			b.price = record.Column(i).(*array.Int64).Int64Values()
		case "ts":
			b.micros = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(
				record.Column(i).(*array.Timestamp).TimestampValues()))
		}
	}
	return b
}

func (r *runner) Close() error { return nil }

func (r *runner) Run(context.Context) (harness.Check, error) {
	switch {
	case r.file != "" && r.query == harness.TumbleCount:
		return tumbleCountNDJSON(r.file)
	case r.file == "" && r.query == harness.TumbleCount:
		return tumbleCount(r.batches), nil
	case r.file == "" && r.query == harness.HopHottest:
		return hopHottest(r.batches), nil
	case r.file == "" && r.query == harness.FilterProject:
		return filterProject(r.batches), nil
	}
	return harness.Check{}, fmt.Errorf("no loop for %s over %q", r.query, r.file)
}

func tumbleCount(batches []batch) harness.Check {
	counts := newPerWindow()
	const size = int64(harness.TumbleSize / 1000)
	for _, b := range batches {
		micros := b.micros[:len(b.auction)]
		for i, auction := range b.auction {
			counts.at(micros[i]/size).add(auction, 1)
		}
	}
	return counts.check()
}

// hopHottest counts per slice, the step of the hop, and adds the slices of each window up.
func hopHottest(batches []batch) harness.Check {
	slicesOf := newPerWindow()
	const step, per = int64(harness.HopStep / 1000), int64(harness.HopSize / harness.HopStep)
	for _, b := range batches {
		micros := b.micros[:len(b.auction)]
		for i, auction := range b.auction {
			slicesOf.at(micros[i]/step).add(auction, 1)
		}
	}
	var check harness.Check
	var merged counter
	starts := map[int64]bool{}
	for slice := range slicesOf.windows {
		for start := slice - per + 1; start <= slice; start++ {
			starts[start] = true
		}
	}
	for start := range starts {
		merged.reset()
		for slice := start; slice < start+per; slice++ {
			if c := slicesOf.windows[slice]; c != nil {
				for i, n := range c.counts {
					if n != 0 {
						merged.add(c.keys[i], n)
					}
				}
			}
		}
		hottest := slices.Max(merged.counts)
		check.Rows++
		check.Sums[0] += hottest
		check.Sums[1] += start * hottest
	}
	return check
}

func filterProject(batches []batch) harness.Check {
	var check harness.Check
	for _, b := range batches {
		auction, bidder := b.auction[:len(b.price)], b.bidder[:len(b.price)]
		for i, price := range b.price {
			if price > harness.MinPrice {
				check.Rows++
				check.Sums[0] += auction[i]
				check.Sums[1] += bidder[i]
				check.Sums[2] += price * 89 / 100
			}
		}
	}
	return check
}

// tumbleCountNDJSON finds auction and ts in each line, wherever they stand, and skips all else.
func tumbleCountNDJSON(path string) (check harness.Check, err error) {
	file, err := os.Open(path)
	if err != nil {
		return check, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	counts := newPerWindow()
	const size = int64(harness.TumbleSize / 1000)
	buffer := make([]byte, 1<<20)
	kept := 0
	for {
		n, err := file.Read(buffer[kept:])
		if err != nil && err != io.EOF {
			return check, err
		}
		rest := buffer[:kept+n]
		for {
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				break
			}
			auction, micros, ok := scanBid(rest[:end])
			if !ok {
				return check, fmt.Errorf("%s: malformed line %q", path, rest[:end])
			}
			counts.at(micros/size).add(auction, 1)
			rest = rest[end+1:]
		}
		if err == io.EOF {
			if len(rest) > 0 {
				return check, fmt.Errorf("%s: ends within a line", path)
			}
			return counts.check(), nil
		}
		kept = copy(buffer, rest)
		if kept == len(buffer) {
			return check, fmt.Errorf("%s: a line of more than %d bytes", path, kept)
		}
	}
}

// perWindow keeps a counter for each window.
type perWindow struct {
	windows map[int64]*counter
	last    int64 // the window asked for last, and its counter
	current *counter
}

func newPerWindow() *perWindow { return &perWindow{windows: map[int64]*counter{}, last: -1} }

func (p *perWindow) at(window int64) *counter {
	if window != p.last {
		c := p.windows[window]
		if c == nil {
			c = &counter{}
			c.reset()
			p.windows[window] = c
		}
		p.last, p.current = window, c
	}
	return p.current
}

func (p *perWindow) check() harness.Check {
	var check harness.Check
	for window, c := range p.windows {
		for i, n := range c.counts {
			if n != 0 {
				check.Rows++
				check.Sums[0] += n
				check.Sums[1] += c.keys[i] * n
				check.Sums[2] += window * n
			}
		}
	}
	return check
}

// counter counts by key: a hash table with open addressing, at most half full. A count of 0 is a free place.
type counter struct {
	keys, counts []int64
	used         int
	shift        uint
}

func (c *counter) reset() {
	const bits = 12
	if c.keys == nil {
		c.keys, c.counts, c.shift = make([]int64, 1<<bits), make([]int64, 1<<bits), 64-bits
	}
	clear(c.counts)
	c.used = 0
}

func (c *counter) add(key, n int64) {
	mask := len(c.keys) - 1
	counts := c.counts[:len(c.keys)]
	for at := int(uint64(key) * 0x9e3779b97f4a7c15 >> c.shift); ; at++ {
		at &= mask
		if counts[at] == 0 {
			c.insert(at, key, n)
			return
		}
		if c.keys[at] == key {
			counts[at] += n
			return
		}
	}
}

func (c *counter) insert(at int, key, n int64) {
	c.keys[at], c.counts[at] = key, n
	if c.used++; 2*c.used < len(c.keys) {
		return
	}
	old := *c
	c.keys, c.counts = make([]int64, 2*len(old.keys)), make([]int64, 2*len(old.keys))
	c.used, c.shift = 0, old.shift-1
	for i, n := range old.counts {
		if n != 0 {
			c.add(old.keys[i], n)
		}
	}
}
