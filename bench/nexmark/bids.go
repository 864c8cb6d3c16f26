// Package nexmark makes the bids of the Nexmark benchmark: the same ones for every contestant.
//
// Proportions and distributions are those of the public Nexmark generator: of 50 events 1 is a person, 3 are auctions
// and 46 bids; half of the bids go to the one hot auction of the last hundred, three quarters come from the hot bidder;
// prices are 10^(2..8), evenly spread in the logarithm; half of the bids came through one of four hot channels and the
// others through one of ten thousand. Only the bids are made. Event time rises steadily.
package nexmark

import (
	"fmt"
	"iter"
	"math"
	"math/bits"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// The public generator's constants.
const (
	personShare  = 1
	auctionShare = 3
	bidShare     = 46
	totalShare   = personShare + auctionShare + bidShare

	firstAuction    = 1000
	firstPerson     = 1000
	hotAuctionEvery = 100
	hotBidderEvery  = 100
	inFlight        = 100  // auctions a cold bid chooses from
	activePeople    = 1000 // people a cold bid comes from
	lead            = 10   // ids not yet born that a bid may name
	channels        = 10_000
)

// Start is the event time of event 0.
var Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Schema is that of the batches: event time is a timestamp without time zone.
var Schema = arrow.NewSchema([]arrow.Field{
	{Name: "auction", Type: arrow.PrimitiveTypes.Int64},
	{Name: "bidder", Type: arrow.PrimitiveTypes.Int64},
	{Name: "price", Type: arrow.PrimitiveTypes.Int64},
	{Name: "channel", Type: arrow.BinaryTypes.String},
	{Name: "url", Type: arrow.BinaryTypes.String},
	{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
}, nil)

// Config says which bids. The same config makes the same bids.
type Config struct {
	Rows       int      // bids in all
	BatchRows  int      // rows a batch; 0 is 8192
	EventsRate int      // events (not bids) a second of event time; 0 is 10,000, the public default
	Seed       uint64   //
	Columns    []string // those wanted, in the order wanted; empty is all
}

// Project returns the schema of the columns wanted.
func (c Config) Project() (*arrow.Schema, error) {
	if len(c.Columns) == 0 {
		return Schema, nil
	}
	var fields []arrow.Field
	for _, name := range c.Columns {
		at := Schema.FieldIndices(name)
		if len(at) == 0 {
			return nil, fmt.Errorf("bids have no column %q", name)
		}
		fields = append(fields, Schema.Field(at[0]))
	}
	return arrow.NewSchema(fields, nil), nil
}

// Bid is one bid.
type Bid struct {
	Auction, Bidder, Price int64
	Channel, URL           string
	Micros                 int64 // event time in microseconds since 1970
}

// Bids makes the bids in the order of their event time.
func (c Config) Bids() iter.Seq2[int, Bid] {
	rate := c.EventsRate
	if rate == 0 {
		rate = 10_000
	}
	start := Start.UnixMicro()
	names, urls := channelTable()
	return func(yield func(int, Bid) bool) {
		for i := range c.Rows {
			random := source(c.Seed<<32 ^ uint64(i))
			round := int64(i / bidShare)
			event := round*totalShare + personShare + auctionShare + int64(i%bidShare)
			lastAuction := round*auctionShare + auctionShare - 1
			lastPerson := round * personShare

			var b Bid
			if random.below(2) > 0 {
				b.Auction = lastAuction / hotAuctionEvery * hotAuctionEvery
			} else {
				oldest := max(lastAuction-inFlight, 0)
				b.Auction = oldest + random.below(lastAuction-oldest+1+lead)
			}
			b.Auction += firstAuction
			if random.below(4) > 0 {
				b.Bidder = lastPerson/hotBidderEvery*hotBidderEvery + 1
			} else {
				active := min(lastPerson+1, activePeople)
				b.Bidder = lastPerson + 1 - active + random.below(active+lead)
			}
			b.Bidder += firstPerson
			b.Price = int64(math.Round(math.Pow(10, random.float()*6) * 100))
			var channel int64
			if random.below(2) > 0 {
				channel = random.below(hotChannels)
			} else {
				channel = hotChannels + random.below(channels)
			}
			b.Channel, b.URL = names[channel], urls[channel]
			b.Micros = start + event*1_000_000/int64(rate)
			if !yield(i, b) {
				return
			}
		}
	}
}

// Batches makes the bids as Arrow record batches, which the receiver releases.
func (c Config) Batches() (iter.Seq[arrow.Record], error) {
	schema, err := c.Project()
	if err != nil {
		return nil, err
	}
	size := c.BatchRows
	if size == 0 {
		size = 8192
	}
	return func(yield func(arrow.Record) bool) {
		builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer builder.Release()
		builder.Reserve(size)
		appenders := make([]func(Bid), schema.NumFields())
		for i, field := range schema.Fields() {
			appenders[i] = appender(builder.Field(i), field.Name)
		}
		rows := 0
		for i, bid := range c.Bids() {
			for _, add := range appenders {
				add(bid)
			}
			if rows++; rows == size || i == c.Rows-1 {
				if !yield(builder.NewRecord()) {
					return
				}
				rows = 0
				builder.Reserve(size)
			}
		}
	}, nil
}

func appender(to array.Builder, column string) func(Bid) {
	switch column {
	case "auction":
		b := to.(*array.Int64Builder)
		return func(bid Bid) { b.UnsafeAppend(bid.Auction) }
	case "bidder":
		b := to.(*array.Int64Builder)
		return func(bid Bid) { b.UnsafeAppend(bid.Bidder) }
	case "price":
		b := to.(*array.Int64Builder)
		return func(bid Bid) { b.UnsafeAppend(bid.Price) }
	case "channel":
		b := to.(*array.StringBuilder)
		return func(bid Bid) { b.Append(bid.Channel) }
	case "url":
		b := to.(*array.StringBuilder)
		return func(bid Bid) { b.Append(bid.URL) }
	default: // Project let no other name through
		b := to.(*array.TimestampBuilder)
		return func(bid Bid) { b.UnsafeAppend(arrow.Timestamp(bid.Micros)) }
	}
}

// hotChannels come first in the table of channels.
const hotChannels = 4

// channelTable returns the names of all channels and the address that bids through each carry.
func channelTable() (names, urls []string) {
	random := source(0x6e65786d61726b)
	address := func() string {
		word := func() string {
			var w [5]byte
			for i := range w {
				w[i] = "abcdefghijklmnopqrstuvwxyz_"[random.below(27)]
			}
			return string(w[:])
		}
		return fmt.Sprintf("https://www.nexmark.com/%s/%s/%s/item.htm?query=1", word(), word(), word())
	}
	for _, hot := range [hotChannels]string{"Google", "Facebook", "Baidu", "Apple"} {
		names, urls = append(names, hot), append(urls, address())
	}
	for i := range uint32(channels) {
		url := address()
		if random.below(10) > 0 {
			url += fmt.Sprintf("&channel_id=%d", bits.Reverse32(i)&math.MaxInt32)
		}
		names, urls = append(names, fmt.Sprintf("channel-%d", i)), append(urls, url)
	}
	return names, urls
}

// source is a splitmix64 stream of random numbers (Steele, Lea, Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014). Each bid has its own, so that a bid depends on its number alone.
type source uint64

func (s *source) next() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n).
func (s *source) below(n int64) int64 {
	high, _ := bits.Mul64(s.next(), uint64(n))
	return int64(high)
}

// float returns a number in [0, 1).
func (s *source) float() float64 { return float64(s.next()>>11) / (1 << 53) }
