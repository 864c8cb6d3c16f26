// Package nexmark generates the events of the Nexmark benchmark: people who open auctions and bid on them, after Tucker, Tufte,
// Papadimos and Maier, "NEXMark - A Benchmark for Queries over Data Streams", 2008, with the proportions, the order and
// the distributions of the generator that Apache Beam and Apache Flink use: of 50 events one is a person, three are auctions
// and 46 are bids; half of the bids go to the hottest auction, three quarters come from the hottest bidder.
package nexmark

import (
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/generate"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options.
var Options = []types.OptionSpec{
	{Name: "table", Kind: types.OptEnum, Enum: []string{"person", "auction", "bid"}, Required: true, Doc: "which of the three streams: person, auction or bid"},
	{Name: "events", Kind: types.OptInt, Default: "0", Doc: "number of events of all three kinds after which the source ends; 0: endless"},
	{Name: "rate", Kind: types.OptFloat, Default: "0", Doc: "events of all kinds per second; 0: as fast as they are taken"},
	{Name: "event_rate", Kind: types.OptFloat, Default: "10000", Doc: "events per second of event time; by default rate, if it is given"},
	{Name: "seed", Kind: types.OptInt, Default: "0", Doc: "another seed gives other values; numbers and times stay"},
	{Name: "start_time", Default: "2015-07-15 00:00:00", Doc: "the event time of the first event"},
}

// The proportions and identifiers of the public generator.
const (
	personShare  = 1
	auctionShare = 3
	share        = 50 // of all kinds

	firstPerson, firstAuction, firstCategory = 1000, 1000, 10
	idLead                                   = 10
	inFlightAuctions, activePeople           = 100, 1000
	hotStep                                  = 100
	categories                               = 5
)

var schemas = map[string]types.Schema{
	"person": {
		{Name: "id", Type: types.Int8Type}, {Name: "name", Type: types.TextType}, {Name: "email_address", Type: types.TextType},
		{Name: "credit_card", Type: types.TextType}, {Name: "city", Type: types.TextType}, {Name: "state", Type: types.TextType},
		{Name: "date_time", Type: types.TimestampType}, {Name: "extra", Type: types.TextType},
	},
	"auction": {
		{Name: "id", Type: types.Int8Type}, {Name: "item_name", Type: types.TextType}, {Name: "description", Type: types.TextType},
		{Name: "initial_bid", Type: types.Int8Type}, {Name: "reserve", Type: types.Int8Type}, {Name: "date_time", Type: types.TimestampType},
		{Name: "expires", Type: types.TimestampType}, {Name: "seller", Type: types.Int8Type}, {Name: "category", Type: types.Int8Type},
		{Name: "extra", Type: types.TextType},
	},
	"bid": {
		{Name: "auction", Type: types.Int8Type}, {Name: "bidder", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type},
		{Name: "channel", Type: types.TextType}, {Name: "url", Type: types.TextType}, {Name: "date_time", Type: types.TimestampType},
		{Name: "extra", Type: types.TextType},
	},
}

// Schema returns the columns of one of the three tables.
func Schema(table string) types.Schema {
	s := append(types.Schema(nil), schemas[table]...)
	for i := range s {
		s[i].NotNull = true
	}
	return s
}

// New returns a source of the wanted columns, given by name and in their own types.
func New(name string, o types.Options, wanted types.Schema) (sources.Source, error) {
	table := o.String("table")
	g := &generator{table: table, seed: o.Int("seed")}
	for _, f := range wanted {
		i := schemas[table].Index(f.Name)
		if i < 0 {
			names := make([]string, len(schemas[table]))
			for i, c := range schemas[table] {
				names[i] = c.Name
			}
			return nil, types.Errorf(types.CodeUndefinedColumn, "nexmark's %s has no column %q", table, f.Name).WithHint("it has: %s", fmt.Sprint(names))
		}
		if want := schemas[table][i].Type; f.Type.Base() != want {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "nexmark's column %q of %s is %s, not %s", f.Name, table, want, f.Type)
		}
		g.cols = append(g.cols, f.Name)
	}
	rate := o.Float("event_rate")
	if r := o.Float("rate"); r > 0 && !o.Has("event_rate") {
		rate = r
	}
	if err := generate.CheckLimits(o); err != nil {
		return nil, err
	}
	if !(rate > 0) {
		return nil, types.Errorf(types.CodeInvalidParameter, `option "event_rate" is %v, wanted more than 0`, rate)
	}
	g.step = 1e6 / rate
	start, err := types.ParseText(types.TimestampType, o.String("start_time"))
	if err != nil {
		return nil, err
	}
	g.start = start.(int64)
	if !types.IsFiniteTimestamp(g.start) {
		return nil, types.Errorf(types.CodeInvalidParameter, `option "start_time" is %s, wanted a finite time`, o.String("start_time"))
	}
	return generate.New(generate.Config{Name: name, Schema: wanted, Events: o.Int("events"), Rate: o.Float("rate"), Gen: g}), nil
}

type generator struct {
	table string
	seed  int64
	start int64   // microseconds
	step  float64 // microseconds of event time between events
	cols  []string
}

// kindOf returns the table of event n.
func kindOf(n int64) string {
	switch rem := n % share; {
	case rem < personShare:
		return "person"
	case rem < personShare+auctionShare:
		return "auction"
	}
	return "bid"
}

func (g *generator) time(n int64) int64 { return g.start + int64(float64(n)*g.step) }

// lastPerson and lastAuction are the newest ids, from 0, when event n happens.
func lastPerson(n int64) int64 {
	return n/share*personShare + min(n%share, personShare-1)
}

func lastAuction(n int64) int64 {
	epoch, off := n/share, n%share
	switch {
	case off < personShare:
		epoch, off = epoch-1, auctionShare-1
	case off >= personShare+auctionShare:
		off = auctionShare - 1
	default:
		off -= personShare
	}
	return epoch*auctionShare + off
}

func somePerson(n int64, r *generate.Random) int64 {
	people := lastPerson(n) + 1
	active := min(people, activePeople)
	return people - active + r.Int64n(active+idLead)
}

func someAuction(n int64, r *generate.Random) int64 {
	last := lastAuction(n)
	first := max(last-inFlightAuctions, 0)
	return first + r.Int64n(last-first+1+idLead)
}

func price(r *generate.Random) int64 { return int64(math.Round(math.Pow(10, r.Float64()*6) * 100)) }

// The value of a column is drawn from a generator of its own, so that a column is the same whatever others are read.
func (g *generator) random(n int64, column int64) generate.Random {
	return generate.RandomFor(g.seed^column<<56, n)
}

// Generate implements generate.Generator.
func (g *generator) Generate(from, to int64) ([]arrow.Array, int, error) {
	rows := make([]int64, 0, to-from)
	for n := from; n < to; n++ {
		if kindOf(n) == g.table {
			rows = append(rows, n)
		}
	}
	cols := make([]arrow.Array, len(g.cols))
	for i, name := range g.cols {
		cols[i] = g.column(name, rows)
	}
	return cols, len(rows), nil
}

func (g *generator) column(name string, rows []int64) arrow.Array {
	switch name {
	case "date_time", "expires":
		b := array.NewTimestampBuilder(memory.DefaultAllocator, types.TimestampType.Arrow().(*arrow.TimestampType))
		b.Reserve(len(rows))
		for _, n := range rows {
			t := g.time(n)
			if name == "expires" {
				t += g.auctionLength(n)
			}
			b.UnsafeAppend(arrow.Timestamp(t))
		}
		return b.NewArray()
	}
	if f := g.integer(name); f != nil {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		b.Reserve(len(rows))
		for _, n := range rows {
			b.UnsafeAppend(f(n))
		}
		return b.NewArray()
	}
	f := g.text(name)
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Reserve(len(rows))
	var buf []byte
	for _, n := range rows {
		buf = f(buf[:0], n)
		b.BinaryBuilder.Append(buf)
	}
	return b.NewArray()
}

// auctionLength is one to twice the time in which the auctions in flight are replaced, in microseconds.
func (g *generator) auctionLength(n int64) int64 {
	horizon := g.time(n+inFlightAuctions*share/auctionShare) - g.time(n)
	r := g.random(n, 9)
	return 1000 + r.Int64n(max(horizon*2, 1))
}

// integer returns the maker of a BIGINT column, or nil.
func (g *generator) integer(name string) func(n int64) int64 {
	switch g.table + "." + name {
	case "person.id":
		return func(n int64) int64 { return firstPerson + lastPerson(n) }
	case "auction.id":
		return func(n int64) int64 { return firstAuction + lastAuction(n) }
	case "auction.initial_bid":
		return func(n int64) int64 { r := g.random(n, 3); return price(&r) }
	case "auction.reserve":
		return func(n int64) int64 {
			r, add := g.random(n, 3), g.random(n, 4)
			return price(&r) + price(&add)
		}
	case "auction.seller":
		return func(n int64) int64 {
			r := g.random(n, 5)
			if r.Int64n(4) > 0 {
				return firstPerson + lastPerson(n)/hotStep*hotStep
			}
			return firstPerson + somePerson(n, &r)
		}
	case "auction.category":
		return func(n int64) int64 { r := g.random(n, 6); return firstCategory + r.Int64n(categories) }
	case "bid.auction":
		return func(n int64) int64 {
			r := g.random(n, 1)
			if r.Int64n(2) > 0 {
				return firstAuction + lastAuction(n)/hotStep*hotStep
			}
			return firstAuction + someAuction(n, &r)
		}
	case "bid.bidder":
		return func(n int64) int64 {
			r := g.random(n, 2)
			if r.Int64n(4) > 0 {
				return firstPerson + lastPerson(n)/hotStep*hotStep + 1
			}
			return firstPerson + somePerson(n, &r)
		}
	case "bid.price":
		return func(n int64) int64 { r := g.random(n, 3); return price(&r) }
	}
	return nil
}

var (
	states      = []string{"AZ", "CA", "ID", "OR", "WA", "WY"}
	cities      = []string{"Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"}
	firstNames  = []string{"Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"}
	lastNames   = []string{"Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"}
	hotChannels = []string{"Google", "Facebook", "Baidu", "Apple"}
)

// text returns the maker of a TEXT column, which appends to dst.
func (g *generator) text(name string) func(dst []byte, n int64) []byte {
	pick := func(column int64, from []string) func(dst []byte, n int64) []byte {
		return func(dst []byte, n int64) []byte {
			r := g.random(n, column)
			return append(dst, from[r.Int64n(int64(len(from)))]...)
		}
	}
	switch g.table + "." + name {
	case "person.name":
		return func(dst []byte, n int64) []byte {
			r := g.random(n, 1)
			dst = append(dst, firstNames[r.Int64n(int64(len(firstNames)))]...)
			return append(append(dst, ' '), lastNames[r.Int64n(int64(len(lastNames)))]...)
		}
	case "person.email_address":
		return func(dst []byte, n int64) []byte {
			r := g.random(n, 2)
			return append(appendLetters(append(appendLetters(dst, &r, 7), '@'), &r, 5), ".com"...)
		}
	case "person.credit_card":
		return func(dst []byte, n int64) []byte {
			r := g.random(n, 3)
			for i := range 4 {
				if i > 0 {
					dst = append(dst, ' ')
				}
				dst = fmt.Appendf(dst, "%04d", r.Int64n(10000))
			}
			return dst
		}
	case "person.city":
		return pick(4, cities)
	case "person.state":
		return pick(5, states)
	case "auction.item_name":
		return func(dst []byte, n int64) []byte {
			r := g.random(n, 1)
			return appendLetters(dst, &r, 3+r.Int64n(18))
		}
	case "auction.description":
		return func(dst []byte, n int64) []byte {
			r := g.random(n, 2)
			return appendLetters(dst, &r, 3+r.Int64n(98))
		}
	case "bid.channel":
		return func(dst []byte, n int64) []byte { dst, _ = g.channel(dst, n); return dst }
	case "bid.url":
		return func(dst []byte, n int64) []byte {
			_, id := g.channel(nil, n)
			r := generate.RandomFor(g.seed^8<<56, id)
			dst = append(dst, "https://www.nexmark.com/"...)
			for range 3 {
				dst = append(appendLetters(dst, &r, 5), '/')
			}
			dst = append(dst, "item.htm?query=1"...)
			if id >= 0 && r.Int64n(10) > 0 {
				dst = strconv.AppendInt(append(dst, "&channel_id="...), r.Int64n(1<<31), 10)
			}
			return dst
		}
	}
	// extra fills the records up to the public generator's average sizes.
	size := map[string]int64{"person": 90, "auction": 140, "bid": 50}[g.table]
	return func(dst []byte, n int64) []byte {
		r := g.random(n, 7)
		return appendLetters(dst, &r, size-size/5+r.Int64n(2*size/5))
	}
}

// channel appends the channel of bid n: half are hot. id is negative for hot ones.
func (g *generator) channel(dst []byte, n int64) ([]byte, int64) {
	r := g.random(n, 4)
	if r.Int64n(2) > 0 {
		i := r.Int64n(int64(len(hotChannels)))
		return append(dst, hotChannels[i]...), -1 - i
	}
	id := r.Int64n(10000)
	return strconv.AppendInt(append(dst, "channel-"...), id, 10), id
}

// appendLetters appends n random lower-case letters, drawing 64 bits for twelve of them.
func appendLetters(dst []byte, r *generate.Random, n int64) []byte {
	for n > 0 {
		bits := r.Uint64()
		for range min(n, 12) {
			dst = append(dst, 'a'+byte(bits%26))
			bits /= 26
		}
		n -= 12
	}
	return dst
}
