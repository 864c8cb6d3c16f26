// Package generate is the part that generated sources share: a single partition of numbered events, made a range at a time in any
// goroutine, paced by a rate. The position is the number of the next event.
package generate

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Generator makes rows of numbered events.
type Generator interface {
	// Generate returns the wanted columns of the rows among events [from, to); not every event is a row. It is safe in any
	// goroutine and gives the same rows for the same events.
	Generate(from, to int64) (cols []arrow.Array, rows int, err error)
}

// Config is one generated source.
type Config struct {
	Name   string
	Schema types.Schema // of the generated columns
	Events int64        // total number of events; 0: endless
	Rate   float64      // events per second of processing time; 0: as fast as they are taken
	Gen    Generator
}

// CheckLimits checks the options "events" and "rate" that generated sources share.
func CheckLimits(o types.Options) error {
	if n := o.Int("events"); n < 0 {
		return types.Errorf(types.CodeInvalidParameter, `option "events" is %d, wanted 0 or more`, n)
	}
	if r := o.Float("rate"); !(r >= 0) {
		return types.Errorf(types.CodeInvalidParameter, `option "rate" is %v, wanted 0 or more`, r)
	}
	return nil
}

// perChunk bounds the events of one chunk, so that chunks make batches of a good size.
const perChunk = 32 << 10

// Source implements sources.Source.
type Source struct{ cfg Config }

// New returns the source.
func New(cfg Config) *Source { return &Source{cfg: cfg} }

// Partitions returns the single partition.
func (s *Source) Partitions(context.Context) ([]string, error) { return []string{"0"}, nil }

// OpenPartition starts at the event number in from.
func (s *Source) OpenPartition(_ context.Context, partition string, from sources.Position) (sources.Reader, error) {
	r := &reader{src: s}
	if from != nil {
		n, err := strconv.ParseInt(string(from), 10, 64)
		if err != nil || n < 0 {
			return nil, types.Errorf(types.CodeDataCorrupted, "stored position %q of source %q is no event number", from, s.cfg.Name)
		}
		r.next = n
	}
	r.first, r.start = r.next, time.Now()
	return r, nil
}

// Close does nothing.
func (s *Source) Close() error { return nil }

type reader struct {
	src         *Source
	next, first int64
	start       time.Time
}

// due returns the number of the first event whose time has not come.
func (r *reader) due() int64 {
	due := int64(1<<63 - 1)
	if rate := r.src.cfg.Rate; rate > 0 {
		due = r.first + int64(time.Since(r.start).Seconds()*rate)
	}
	if e := r.src.cfg.Events; e > 0 {
		due = min(due, e)
	}
	return due
}

// Read implements sources.Reader.
func (r *reader) Read(ctx context.Context, _ int) (sources.Chunk, sources.ReadStatus, error) {
	if err := ctx.Err(); err != nil {
		return nil, sources.ReadMore, err
	}
	if e := r.src.cfg.Events; e > 0 && r.next >= e {
		return nil, sources.ReadEnded, nil
	}
	to := min(r.due(), r.next+perChunk)
	if to <= r.next {
		return nil, sources.ReadAtEnd, nil
	}
	c := &chunk{src: r.src, from: r.next, to: to}
	r.next = to
	return c, sources.ReadMore, nil
}

// Wait implements sources.Reader: until the next event is due.
func (r *reader) Wait(ctx context.Context) error {
	wait := r.start.Add(time.Duration(float64(r.next+1-r.first) / r.src.cfg.Rate * float64(time.Second)))
	timer := time.NewTimer(max(time.Until(wait), time.Millisecond))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Close implements sources.Reader.
func (r *reader) Close() error { return nil }

type chunk struct {
	src      *Source
	from, to int64
}

func position(n int64) sources.Position { return sources.Position(strconv.FormatInt(n, 10)) }

func (c *chunk) From() sources.Position { return position(c.from) }
func (c *chunk) To() sources.Position   { return position(c.to) }
func (c *chunk) Bytes() int             { return int(c.to-c.from) * 8 * max(1, len(c.src.cfg.Schema)) }

// Decode implements sources.Chunk.
func (c *chunk) Decode() ([]sources.Decoded, error) {
	cols, rows, err := c.src.cfg.Gen.Generate(c.from, c.to)
	if err != nil {
		return nil, err
	}
	b := &changelog.Batch{Cols: cols, N: rows}
	b.Origin = &origin{chunk: c, batch: b}
	return []sources.Decoded{{Batch: b, To: c.To(), SkippedMax: changelog.MinWatermark}}, nil
}

// origin prints the generated row, since there is no raw record.
type origin struct {
	chunk *chunk
	batch *changelog.Batch
}

// Describe implements changelog.Origin.
func (o *origin) Describe(row int) (source, partition, pos string, raw []byte) {
	raw = append(raw, '{')
	for i, f := range o.chunk.src.cfg.Schema {
		if i > 0 {
			raw = append(raw, ',')
		}
		name, _ := json.Marshal(f.Name)
		raw = append(append(raw, name...), ':')
		raw = types.AppendJSON(raw, f.Type, o.batch.Cols[i], row)
	}
	return o.chunk.src.cfg.Name, "0", string(position(o.chunk.from)) + "+" + strconv.Itoa(row), append(raw, '}')
}

// Random is a small generator of random numbers for one event: splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom
// number generators", OOPSLA 2014), so that any event can be made without those before it.
type Random uint64

// RandomFor returns the generator of event n under a seed.
func RandomFor(seed, n int64) Random {
	r := Random(uint64(seed)*0x9e3779b97f4a7c15 + uint64(n))
	return Random(r.Uint64())
}

// Uint64 returns the next 64 random bits.
func (r *Random) Uint64() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Int64n returns a number in [0, n).
func (r *Random) Int64n(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(r.Uint64() % uint64(n))
}

// Float64 returns a number in [0, 1).
func (r *Random) Float64() float64 { return float64(r.Uint64()>>11) / (1 << 53) }
