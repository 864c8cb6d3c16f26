// Package stdin reads records from a stream that cannot be read again: standard input or a pipe. What was read and not yet
// committed when the process is killed is lost; after a restart the stream counts as a new one.
package stdin

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options: none but the format's.
var Options = []types.OptionSpec{}

// maxRecord bounds a record; a longer one is rejected and skipped to the next line end.
const maxRecord = 32 << 20

// Source implements sources.Source over one stream.
type Source struct {
	name     string
	in       io.Reader
	format   formats.RecordFormat
	decoders sync.Pool
}

// New returns a source named name that reads in.
func New(name string, in io.Reader, format formats.RecordFormat) *Source {
	s := &Source{name: name, in: in, format: format}
	s.decoders.New = func() any { return format.NewDecoder() }
	return s
}

// Partitions returns the single partition.
func (s *Source) Partitions(context.Context) ([]string, error) { return []string{"stdin"}, nil }

// OpenPartition starts reading; from is not looked at, the stream begins where it begins.
func (s *Source) OpenPartition(context.Context, string, sources.Position) (sources.Reader, error) {
	r := &reader{src: s, blocks: make(chan block, 4), stop: make(chan struct{}), ready: make(chan struct{}, 1)}
	go r.pump()
	return r, nil
}

// Close does nothing: whoever opened the stream closes it.
func (s *Source) Close() error { return nil }

type block struct {
	data []byte
	err  error
}

// reader reads in a goroutine of its own, since a read of a pipe cannot be interrupted.
type reader struct {
	src    *Source
	blocks chan block
	ready  chan struct{} // a block was put into blocks since it was last drained
	stop   chan struct{}
	once   sync.Once

	carry    []byte
	offset   int64
	header   bool
	ended    bool
	skipping bool // behind an oversized record
}

func (r *reader) pump() {
	for {
		buf := make([]byte, 256<<10)
		n, err := r.src.in.Read(buf)
		select {
		case r.blocks <- block{data: buf[:n], err: err}:
			select {
			case r.ready <- struct{}{}:
			default:
			}
		case <-r.stop:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements sources.Reader.
func (r *reader) Read(ctx context.Context, maxBytes int) (sources.Chunk, sources.ReadStatus, error) {
	buf := r.carry
	for len(buf) < max(maxBytes, 64<<10) && !r.ended {
		select {
		case b := <-r.blocks:
			buf = append(buf, b.data...)
			if b.err == io.EOF {
				r.ended = true
			} else if b.err != nil {
				return nil, sources.ReadMore, types.Errorf(types.CodeIO, "read standard input: %v", b.err)
			}
			continue
		default:
		}
		break
	}
	c, err := r.cut(buf)
	switch {
	case err != nil:
		return nil, sources.ReadMore, err
	case c != nil:
		return c, sources.ReadMore, ctx.Err()
	case r.ended:
		return nil, sources.ReadEnded, nil
	}
	return nil, sources.ReadAtEnd, ctx.Err()
}

// cut takes the whole records off buf and keeps the rest.
func (r *reader) cut(buf []byte) (sources.Chunk, error) {
	r.carry = buf
	if r.skipping {
		i := 0
		for i < len(buf) && buf[i] != '\n' {
			i++
		}
		r.offset += int64(i)
		if i == len(buf) {
			r.carry = nil
			return nil, nil
		}
		buf, r.skipping = buf[i+1:], false
		r.offset++
		r.carry = buf
	}
	start := 0
	if !r.header {
		n, ok, err := r.src.format.HeaderBytes(buf, r.ended)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, nil
		}
		start, r.header = n, true
	}
	n := r.src.format.Split(buf[start:], r.ended)
	if n == 0 && len(buf)-start <= maxRecord {
		r.offset += int64(start)
		r.carry = buf[start:]
		return nil, nil
	}
	c := &chunk{src: r.src, start: r.offset + int64(start), data: buf[start : start+n : start+n]}
	if n == 0 {
		c.bad = []sources.BadRecord{{Partition: "stdin", Position: fmt.Sprint(c.start), Raw: buf[start : start+64<<10],
			Err: types.Errorf(types.CodeInvalidText, "record is longer than the limit of %d bytes", maxRecord)}}
		n, r.skipping = len(buf)-start, true
	}
	r.carry = append([]byte(nil), buf[start+n:]...)
	c.from = position(r.offset)
	r.offset += int64(start + n)
	c.to = position(r.offset)
	return c, nil
}

func position(n int64) sources.Position { return fmt.Append(nil, n) }

// Wait implements sources.Reader.
func (r *reader) Wait(ctx context.Context) error {
	if len(r.blocks) > 0 || r.ended {
		return nil
	}
	select {
	case <-r.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements sources.Reader. The goroutine that reads ends with the stream, or after the read it is in.
func (r *reader) Close() error {
	r.once.Do(func() { close(r.stop) })
	return nil
}

type chunk struct {
	src      *Source
	start    int64
	data     []byte
	bad      []sources.BadRecord
	from, to sources.Position
}

func (c *chunk) From() sources.Position { return c.from }
func (c *chunk) To() sources.Position   { return c.to }
func (c *chunk) Bytes() int             { return len(c.data) }

// Decode implements sources.Chunk.
func (c *chunk) Decode() ([]sources.Decoded, error) {
	out := sources.Decoded{Bad: c.bad, To: c.to, SkippedMax: changelog.MinWatermark}
	if len(c.data) == 0 {
		return []sources.Decoded{out}, nil
	}
	dec := c.src.decoders.Get().(formats.RecordDecoder)
	defer c.src.decoders.Put(dec)
	d, err := dec.Decode(c.data)
	if err != nil {
		return nil, err
	}
	out.Batch = &changelog.Batch{Cols: d.Cols, N: d.N, Origin: &origin{chunk: c, d: d}}
	for _, b := range d.Bad {
		out.Bad = append(out.Bad, sources.BadRecord{Partition: "stdin", Position: fmt.Sprint(c.start + int64(b.Offset)),
			Raw: formats.Record(c.data, d, b.Offset), Err: b.Err})
	}
	return []sources.Decoded{out}, nil
}

type origin struct {
	chunk *chunk
	d     *formats.Decoded
}

// Describe implements changelog.Origin.
func (o *origin) Describe(row int) (source, partition, position string, raw []byte) {
	at := int(o.d.Offsets[row])
	return o.chunk.src.name, "stdin", fmt.Sprint(o.chunk.start + int64(at)), formats.Record(o.chunk.data, o.d, at)
}
