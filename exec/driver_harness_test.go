package exec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// bid is a row of the source in the driver's tests. A zero bad is a good record.
type bid struct {
	auction, price, ts int64
	bad                bool
}

var bidSchema = types.Schema{
	{Name: "auction", Type: types.Int8Type},
	{Name: "price", Type: types.Int8Type},
	{Name: "ts", Type: types.TimestampType},
	{Name: "mark", Type: types.TimestampType}, // ts less feedDelay: the watermark
}

const feedDelay = 4 * second

// feed is a source in memory that outlives engines. Rows of a partition are cut into batches of size rows and chunks of
// per batches.
type feed struct {
	size, per int
	nothing   bool          // knows no positions inside chunks
	skip      map[int]int64 // by row: the largest time of what was skipped before it
	limit     int           // rows of each partition that are there by now; 0: all

	mu      sync.Mutex
	parts   []*feedPart
	changed chan struct{}
	fail    func(part string, row int) error
	reads   int
}

type feedPart struct {
	name  string
	rows  []bid
	ended bool
}

func newFeed(size, per int) *feed {
	return &feed{size: size, per: per, changed: make(chan struct{})}
}

func (f *feed) part(name string) *feedPart {
	for _, p := range f.parts {
		if p.name == name {
			return p
		}
	}
	p := &feedPart{name: name}
	f.parts = append(f.parts, p)
	return p
}

func (f *feed) add(part string, rows ...bid) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.part(part)
	p.rows = append(p.rows, rows...)
	f.touch()
}

func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.parts {
		p.ended = true
	}
	f.touch()
}

func (f *feed) touch() {
	close(f.changed)
	f.changed = make(chan struct{})
}

type feedSource struct {
	f      *feed
	name   string
	closed bool
}

func (s *feedSource) Partitions(context.Context) ([]string, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	var names []string
	for _, p := range s.f.parts {
		names = append(names, p.name)
	}
	return names, nil
}

func (s *feedSource) OpenPartition(_ context.Context, part string, from Position) (Reader, error) {
	s.f.mu.Lock()
	defer s.f.mu.Unlock()
	r := &feedReader{f: s.f, p: s.f.part(part), source: s.name}
	if from != nil {
		r.at = int(binary.BigEndian.Uint64(from))
	}
	return r, nil
}

func (s *feedSource) Close() error { s.closed = true; return nil }

type feedReader struct {
	f      *feed
	p      *feedPart
	source string
	at     int
	wait   chan struct{}
}

func feedPos(n int) Position { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func (r *feedReader) Read(ctx context.Context, _ int) (Chunk, sources.ReadStatus, error) {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	r.f.reads++
	if r.f.fail != nil {
		if err := r.f.fail(r.p.name, r.at); err != nil {
			return nil, ReadMore, err
		}
	}
	r.wait = r.f.changed
	there := len(r.p.rows)
	if r.f.limit > 0 {
		there = min(there, r.f.limit)
	}
	n := min(there-r.at, r.f.size*r.f.per)
	var c Chunk
	if n > 0 {
		c = &feedChunk{f: r.f, source: r.source, part: r.p.name, from: r.at, rows: r.p.rows[r.at : r.at+n : r.at+n]}
		r.at += n
	}
	switch {
	case r.at < there:
		return c, ReadMore, nil
	case r.p.ended && r.at == len(r.p.rows):
		return c, ReadEnded, nil
	}
	return c, ReadAtEnd, nil
}

func (r *feedReader) Wait(ctx context.Context) error {
	select {
	case <-r.wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *feedReader) Close() error { return nil }

type feedChunk struct {
	f            *feed
	source, part string
	from         int
	rows         []bid
}

func (c *feedChunk) From() Position {
	if c.from == 0 {
		return nil
	}
	return feedPos(c.from)
}
func (c *feedChunk) To() Position { return feedPos(c.from + len(c.rows)) }
func (c *feedChunk) Bytes() int   { return 24 * len(c.rows) }

func (c *feedChunk) Decode() ([]Decoded, error) {
	var out []Decoded
	for at := 0; at < len(c.rows); at += c.f.size {
		rows := c.rows[at:min(at+c.f.size, len(c.rows))]
		d := Decoded{}
		if !c.f.nothing {
			d.To = feedPos(c.from + at + len(rows))
		}
		o := feedOrigin{c: c}
		var cols [4][]int64
		for i, r := range rows {
			if r.bad {
				d.Bad = append(d.Bad, BadRecord{
					Partition: c.part, Position: fmt.Sprint(c.from + at + i), Raw: []byte(fmt.Sprintf("bad %d", r.price)),
					Err: types.Errorf(types.CodeInvalidText, "bad record"),
				})
				continue
			}
			cols[0] = append(cols[0], r.auction)
			cols[1] = append(cols[1], r.price)
			cols[2] = append(cols[2], r.ts)
			cols[3] = append(cols[3], r.ts-feedDelay)
			o.rows = append(o.rows, c.from+at+i)
		}
		d.SkippedMax = changelog.Watermark(c.f.skip[c.from+at])
		b := &changelog.Batch{N: len(o.rows), Origin: o}
		for i, v := range cols {
			b.Cols = append(b.Cols, feedColumn(bidSchema[i].Type, v))
		}
		d.Batch = b
		out = append(out, d)
	}
	return out, nil
}

type feedOrigin struct {
	c    *feedChunk
	rows []int
}

func (o feedOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	at := o.rows[row]
	return o.c.source, o.c.part, fmt.Sprint(at), []byte(fmt.Sprint(o.c.rows[at-o.c.from]))
}

func feedColumn(t types.Type, v []int64) arrow.Array {
	b := types.NewBuilder(t)
	for _, x := range v {
		switch b := b.(type) {
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(x))
		case *array.Int64Builder:
			b.Append(x)
		}
	}
	return b.NewArray()
}

// medium is what a sink writes to; it outlives engines.
type medium struct {
	mu     sync.Mutex
	ok     bool
	marker sinks.Marker
	rows   map[string]int64
	lines  []string // appended rows in order
	calls  int
	ended  int
	fail   func(call int) error
	block  chan struct{} // not nil: Publish waits for it
}

func newMedium() *medium { return &medium{rows: map[string]int64{}} }

func (m *medium) text() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for r, n := range m.rows {
		if n != 0 {
			out = append(out, fmt.Sprintf("%s x%d", r, n))
		}
	}
	sort.Strings(out)
	return out
}

type memSink struct {
	m      *medium
	schema types.Schema
}

func (s *memSink) Open(_ context.Context, _ Marker) (Marker, bool, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.m.marker, s.m.ok, nil
}

func (s *memSink) Publish(ctx context.Context, mk Marker, changes []*changelog.Batch) error {
	s.m.mu.Lock()
	s.m.calls++
	call, block := s.m.calls, s.m.block
	s.m.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.m.fail != nil {
		if err := s.m.fail(call); err != nil {
			return err
		}
	}
	if s.m.ok && s.m.marker.Engine == mk.Engine && mk.Epoch <= s.m.marker.Epoch {
		return fmt.Errorf("epoch %d published after %d", mk.Epoch, s.m.marker.Epoch)
	}
	s.m.marker, s.m.ok = mk, true
	for _, b := range changes {
		b.Each(func(row int) {
			r := string(recordText(s.schema, b, row))
			s.m.rows[r] += b.Weight(row)
			if s.m.rows[r] < 0 {
				panic("row " + r + " taken back before it came")
			}
			s.m.lines = append(s.m.lines, fmt.Sprintf("%+d %s", b.Weight(row), r))
		})
	}
	return nil
}

func (s *memSink) Finish(context.Context) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.ended++
	return nil
}
func (s *memSink) Close() error { return nil }

// world is what surrounds the engines of a test.
type world struct {
	feeds  map[planner.ObjectID]*feed
	media  map[planner.ObjectID]*medium
	schema map[planner.ObjectID]types.Schema // of sinks

	mu    sync.Mutex
	clock int64
	made  []*feedSource
}

func newWorld() *world {
	return &world{feeds: map[planner.ObjectID]*feed{}, media: map[planner.ObjectID]*medium{}, schema: map[planner.ObjectID]types.Schema{}, clock: 1_000_000_000}
}

func (w *world) now() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(us int64) {
	w.mu.Lock()
	w.clock += us
	w.mu.Unlock()
}

func (w *world) config() Config {
	return Config{
		Workers: 1, Clock: w.now, Check: true,
		OpenSource: func(_ context.Context, s *planner.Scan) (Source, error) {
			f := w.feeds[s.Object]
			if f == nil {
				return nil, errors.New("no such feed")
			}
			src := &feedSource{f: f, name: s.Name}
			w.mu.Lock()
			w.made = append(w.made, src)
			w.mu.Unlock()
			return src, nil
		},
		OpenSink: func(_ context.Context, s *planner.Sink) (Sink, error) {
			m := w.media[s.Object]
			if m == nil {
				return nil, errors.New("no such medium")
			}
			return &memSink{m: m, schema: w.schema[s.Object]}, nil
		},
	}
}

// ident gives every node the hash of its text.
func ident(n *planner.Node) *planner.Node {
	h := fnv.New64a()
	var write func(n *planner.Node)
	write = func(n *planner.Node) {
		fmt.Fprintf(h, "%T%+v(", n.Op, n.Op)
		for _, in := range n.Inputs {
			write(in)
		}
		fmt.Fprint(h, ")")
	}
	write(n)
	n.ID = planner.OpID(h.Sum64())
	return n
}

func scanNode(object planner.ObjectID) *planner.Node {
	return ident(&planner.Node{
		Op: &planner.Scan{Object: object, Name: fmt.Sprintf("bids%d", object), Columns: []int{0, 1, 2, 3}}, Schema: bidSchema,
		Props: planner.Props{AppendOnly: true, RowWatermark: -1},
	})
}

func watermarkNode(in *planner.Node, op planner.Watermark) *planner.Node {
	op.Time = 2
	op.Expr = &expr.Column{Base: expr.Base{T: types.TimestampType}, Index: 3, Name: "mark"}
	schema := in.Schema
	row := -1
	if op.Emit {
		row = len(schema)
		schema = append(append(types.Schema{}, schema...), types.Field{Name: "_watermark", Type: types.TimestampType})
	}
	return ident(&planner.Node{Op: &op, Inputs: []*planner.Node{in}, Schema: schema, Props: planner.Props{
		AppendOnly: true, RowWatermark: row, Watermarks: []planner.ColWatermark{{Col: 2}},
	}})
}

func aggCall(t testing.TB, name string, result types.Type, args ...int) planner.AggCall {
	ts := make([]types.Type, len(args))
	for i := range ts {
		ts[i] = types.Int8Type
	}
	a, err := expr.ResolveAggregate(name, ts)
	require.NoError(t, err)
	return planner.AggCall{Fn: a.ID, Args: args, Filter: -1, T: result}
}

// winNode is count(*), max(price) per auction and 10 s.
func winNode(t testing.TB, in *planner.Node, emit planner.Emission) *planner.Node {
	return ident(&planner.Node{
		Op: &planner.WindowAggregate{
			Window: planner.Window{Kind: planner.Tumble, Time: 2, Size: 10 * second}, Keys: []int{0},
			Aggs: []planner.AggCall{aggCall(t, "count", types.Int8Type), aggCall(t, "max", types.Int8Type, 1)},
			Emit: emit, RowWatermark: in.Props.RowWatermark,
		},
		Inputs: []*planner.Node{in},
		Schema: types.Schema{
			{Name: "auction", Type: types.Int8Type}, {Name: "window_start", Type: types.TimestampType}, {Name: "window_end", Type: types.TimestampType},
			{Name: "count", Type: types.Int8Type}, {Name: "max", Type: types.Int8Type},
		},
		Props: planner.Props{AppendOnly: emit == planner.EmitOnClose, RowWatermark: -1},
	})
}

// countNode is count(*), max(price) per auction.
func countNode(t testing.TB, in *planner.Node) *planner.Node {
	return ident(&planner.Node{
		Op: &planner.Aggregate{
			Keys: []int{0}, Aggs: []planner.AggCall{aggCall(t, "count", types.Int8Type), aggCall(t, "max", types.Int8Type, 1)}, Close: -1, RowWatermark: -1,
		},
		Inputs: []*planner.Node{in},
		Schema: types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "count", Type: types.Int8Type}, {Name: "max", Type: types.Int8Type}},
		Props:  planner.Props{RowWatermark: -1, Keys: [][]int{{0}}},
	})
}

func (w *world) sinkNode(object planner.ObjectID, in *planner.Node, mode planner.SinkMode, key ...int) *planner.Node {
	if w.media[object] == nil {
		w.media[object] = newMedium()
	}
	w.schema[object] = in.Schema
	return ident(&planner.Node{Op: &planner.Sink{Object: object, Name: fmt.Sprintf("sink%d", object), Mode: mode, Key: key}, Inputs: []*planner.Node{in}, Schema: in.Schema})
}

func viewNode(object planner.ObjectID, in *planner.Node, key ...int) *planner.Node {
	return ident(&planner.Node{Op: &planner.Materialize{Object: object, Name: fmt.Sprintf("view%d", object), Key: key}, Inputs: []*planner.Node{in}, Schema: in.Schema})
}

func viewScanNode(object planner.ObjectID, schema types.Schema) *planner.Node {
	return ident(&planner.Node{Op: &planner.ViewScan{Object: object, Name: fmt.Sprintf("view%d", object)}, Schema: schema, Props: planner.Props{RowWatermark: -1}})
}

func outputNode(in *planner.Node) *planner.Node {
	return ident(&planner.Node{Op: &planner.Output{}, Inputs: []*planner.Node{in}, Schema: in.Schema})
}

// testBids makes n rows in two partitions with some disorder; the second partition runs behind the first.
func testBids(n int) map[string][]bid {
	out := map[string][]bid{}
	x := uint64(42)
	next := func(n int64) int64 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return int64(x % uint64(n))
	}
	for i := range n {
		ts := int64(i)*second/3 - next(12)*second
		out["a"] = append(out["a"], bid{auction: next(7), price: next(1000), ts: ts})
		out["b"] = append(out["b"], bid{auction: next(7), price: next(1000), ts: ts - 20*second})
	}
	return out
}

// windowAnswer is what winNode gives in the end over these rows, and how many rows are late.
func windowAnswer(parts map[string][]bid) (rows []string, late int) {
	type key struct{ auction, start int64 }
	type val struct{ count, max int64 }
	got := map[key]val{}
	for _, bids := range parts {
		wm := int64(changelog.MinWatermark)
		for _, b := range bids {
			if b.bad {
				continue
			}
			start := b.ts - ((b.ts%(10*second))+10*second)%(10*second)
			if wm >= start+10*second {
				late++
			} else {
				v, ok := got[key{b.auction, start}]
				if !ok || b.price > v.max {
					v.max = b.price
				}
				v.count++
				got[key{b.auction, start}] = v
			}
			wm = max(wm, b.ts-feedDelay)
		}
	}
	for k, v := range got {
		rows = append(rows, fmt.Sprintf("(%d,%s,%s,%d,%d) x1", k.auction, timeText(k.start), timeText(k.start+10*second), v.count, v.max))
	}
	sort.Strings(rows)
	return rows, late
}

// countAnswer is what countNode gives.
func countAnswer(parts map[string][]bid) (rows []string) {
	count, top := map[int64]int64{}, map[int64]int64{}
	for _, bids := range parts {
		for _, b := range bids {
			if b.bad {
				continue
			}
			count[b.auction]++
			top[b.auction] = max(top[b.auction], b.price)
		}
	}
	for k, n := range count {
		rows = append(rows, fmt.Sprintf("(%d,%d,%d) x1", k, n, top[k]))
	}
	sort.Strings(rows)
	return rows
}

func diffText(want, got []string) string {
	return "want:\n" + strings.Join(want, "\n") + "\ngot:\n" + strings.Join(got, "\n")
}
