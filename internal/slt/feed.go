package slt

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	formatjson "github.com/streamsql/streamsql/formats/json"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Input is what is fed to one source of a script or a test: it keeps all records, so that a restart reads on where it was. It is safe for
// concurrent use.
type Input struct {
	mu         sync.Mutex
	partitions map[string][]string // records as JSON
	order      []string
	ended      bool
	changed    chan struct{} // closed and made anew when something was added
}

// NewInput returns a feed with the empty partition "0".
func NewInput() *Input {
	return &Input{partitions: map[string][]string{"0": nil}, order: []string{"0"}, changed: make(chan struct{})}
}

// Add appends records, which are JSON objects, to a partition.
func (f *Input) Add(partition string, records []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.partitions[partition]; !ok {
		f.order = append(f.order, partition)
	}
	f.partitions[partition] = append(f.partitions[partition], records...)
	f.wake()
}

// End says that no more records come.
func (f *Input) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
	f.wake()
}

func (f *Input) wake() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// records turns the text of a feed into JSON records: lines of JSON as they are, else CSV with the columns' names in the first line, in
// which an empty or unquoted NULL value is NULL.
func records(text string) ([]string, error) {
	lines := strings.Split(text, "\n")
	if text == "" {
		return nil, nil
	}
	if first := strings.TrimSpace(lines[0]); strings.HasPrefix(first, "{") || strings.HasPrefix(first, "!") {
		for i := range lines {
			lines[i] = strings.TrimPrefix(lines[i], "!") // records that are no JSON
		}
		return lines, nil
	}
	r := csv.NewReader(strings.NewReader(text))
	r.TrimLeadingSpace = true
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, row := range rows[1:] {
		var b bytes.Buffer
		b.WriteByte('{')
		for i, cell := range row {
			if i > 0 {
				b.WriteByte(',')
			}
			name, _ := json.Marshal(strings.TrimSpace(rows[0][i]))
			b.Write(name)
			b.WriteByte(':')
			if cell = strings.TrimSpace(cell); cell == "" || cell == "NULL" {
				b.WriteString("null")
				continue
			}
			value, _ := json.Marshal(cell)
			b.Write(value)
		}
		b.WriteByte('}')
		out = append(out, b.String())
	}
	return out, nil
}

// source reads a feed with a projection.
type source struct {
	feed   *Input
	name   string
	format formats.RecordFormat
	batch  int // records per chunk; 0: all there are
}

// Source reads the feed under a name. wanted are the columns of interest; batch is the most records of a read, 0: all there are.
func (f *Input) Source(name string, wanted types.Schema, batch int) sources.Source {
	return &source{feed: f, name: name, format: formatjson.New(wanted, formatjson.Config{}), batch: batch}
}

func (s *source) Partitions(context.Context) ([]string, error) {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	return append([]string(nil), s.feed.order...), nil
}

func (s *source) OpenPartition(_ context.Context, partition string, from sources.Position) (sources.Reader, error) {
	r := &reader{src: s, partition: partition}
	if from != nil {
		n, err := strconv.Atoi(string(from))
		if err != nil {
			return nil, err
		}
		r.at = n
	}
	return r, nil
}

func (s *source) Close() error { return nil }

type reader struct {
	src       *source
	partition string
	at        int
}

func (r *reader) Read(context.Context, int) (sources.Chunk, sources.ReadStatus, error) {
	f := r.src.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	all := f.partitions[r.partition]
	if r.at >= len(all) {
		if f.ended {
			return nil, sources.ReadEnded, nil
		}
		return nil, sources.ReadAtEnd, nil
	}
	to := len(all)
	if n := r.src.batch; n > 0 {
		to = min(to, r.at+n)
	}
	c := &chunk{reader: *r, from: r.at, to: to, data: []byte(strings.Join(all[r.at:to], "\n") + "\n")}
	r.at = to
	return c, sources.ReadMore, nil
}

func (r *reader) Wait(ctx context.Context) error {
	f := r.src.feed
	f.mu.Lock()
	changed, more := f.changed, r.at < len(f.partitions[r.partition]) || f.ended
	f.mu.Unlock()
	if more {
		return nil
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reader) Close() error { return nil }

type chunk struct {
	reader
	from, to int
	data     []byte
}

func (c *chunk) From() sources.Position { return []byte(strconv.Itoa(c.from)) }
func (c *chunk) To() sources.Position   { return []byte(strconv.Itoa(c.to)) }
func (c *chunk) Bytes() int             { return len(c.data) }

func (c *chunk) Decode() ([]sources.Decoded, error) {
	d, err := c.src.format.NewDecoder().Decode(c.data)
	if err != nil {
		return nil, err
	}
	out := sources.Decoded{Batch: &changelog.Batch{Cols: d.Cols, N: d.N, Origin: &origin{c, d}}, To: c.To(), SkippedMax: changelog.MinWatermark}
	for _, b := range d.Bad {
		out.Bad = append(out.Bad, sources.BadRecord{Partition: c.partition, Position: c.position(b.Offset), Raw: formats.Record(c.data, d, b.Offset), Err: b.Err})
	}
	return []sources.Decoded{out}, nil
}

// position is the number of the record, from 1.
func (c *chunk) position(offset int) string {
	return fmt.Sprint(c.from + bytes.Count(c.data[:offset], []byte("\n")) + 1)
}

type origin struct {
	chunk *chunk
	d     *formats.Decoded
}

func (o *origin) Describe(row int) (source, partition, position string, raw []byte) {
	at := int(o.d.Offsets[row])
	return o.chunk.src.name, o.chunk.partition, o.chunk.position(at), formats.Record(o.chunk.data, o.d, at)
}
