// Package stdin reads records from a stream that cannot be read again: standard input or a pipe. What was read and not yet
// committed when the process is killed is lost; after a restart the stream counts as a new one.
package stdin

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"sync"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/records"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options: none but the format's.
var Options = []types.OptionSpec{}

// maxRecord bounds a record; a longer one is rejected and skipped to the next line end. rawKept is how much of it is kept.
const (
	maxRecord = 32 << 20
	rawKept   = 64 << 10
)

// partitionName names the only partition.
const partitionName = "stdin"

// Source implements sources.Source over one stream. One reader at a time may be open; the next one goes on where the one before stopped.
type Source struct {
	name     string
	in       io.Reader
	format   formats.RecordFormat
	decoders sync.Pool

	start  sync.Once
	stop   sync.Once
	blocks chan block
	ready  chan struct{} // a block was put into blocks since it was last drained
	closed chan struct{}
	state  state
}

// New returns a source named name that reads in.
func New(name string, in io.Reader, format formats.RecordFormat) *Source {
	s := &Source{name: name, in: in, format: format,
		blocks: make(chan block, 4), ready: make(chan struct{}, 1), closed: make(chan struct{})}
	s.decoders.New = func() any { return format.NewDecoder() }
	return s
}

// Partitions returns the single partition.
func (s *Source) Partitions(context.Context) ([]string, error) {
	return []string{partitionName}, nil
}

// OpenPartition starts reading; from is not looked at, the stream begins where it begins.
func (s *Source) OpenPartition(context.Context, string, sources.Position) (sources.Reader, error) {
	s.start.Do(func() { go s.pump() })
	return &reader{src: s, state: &s.state}, nil
}

// Close ends the goroutine that reads, at the latest when the read it is in returns. Whoever opened the stream closes it.
func (s *Source) Close() error {
	s.stop.Do(func() { close(s.closed) })
	return nil
}

type block struct {
	data []byte
	err  error
}

// pump reads in a goroutine of its own, since a read of a pipe cannot be interrupted.
func (s *Source) pump() {
	for {
		buf := make([]byte, 256<<10)
		n, err := s.in.Read(buf)
		select {
		case s.blocks <- block{data: buf[:n], err: err}:
			select {
			case s.ready <- struct{}{}:
			default:
			}
		case <-s.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// state is where the stream stands.
type state struct {
	carry    []byte // read and not handed out
	offset   int64  // of carry
	last     int64  // behind what was handed out
	header   bool   // passed
	skipping bool   // behind an oversized record
	err      error  // why the stream ended: io.EOF, or what failed
}

type reader struct {
	src *Source
	*state
}

// Read implements sources.Reader.
func (r *reader) Read(ctx context.Context, maxBytes int) (sources.Chunk, sources.ReadStatus, error) {
	if err := ctx.Err(); err != nil {
		return nil, sources.ReadMore, err
	}
	if maxBytes == 0 {
		maxBytes = 64 << 10
	}
	for enough := max(maxBytes, 1<<10); r.take(enough); enough *= 2 {
		c, err := r.cut()
		if err != nil {
			return nil, sources.ReadMore, err
		}
		if c != nil {
			return c, sources.ReadMore, nil
		}
		if len(r.carry) < enough {
			break // there is no more now
		}
	}
	switch r.err {
	case nil:
		return nil, sources.ReadAtEnd, nil
	case io.EOF:
		return nil, sources.ReadEnded, nil
	}
	return nil, sources.ReadMore, types.Errorf(types.CodeIO, "read standard input: %v", r.err)
}

// take moves what was read into carry until it holds enough, and reports whether there is anything to cut.
func (r *reader) take(enough int) bool {
	for r.err == nil && (len(r.carry) < enough || r.skipping) {
		select {
		case b := <-r.src.blocks:
			r.carry, r.err = append(r.carry, b.data...), b.err
			r.skip()
			continue
		default:
		}
		break
	}
	return len(r.carry) > 0
}

// skip drops what belongs to an oversized record.
func (r *reader) skip() {
	if !r.skipping {
		return
	}
	n := bytes.IndexByte(r.carry, '\n') + 1
	r.skipping = n == 0
	if r.skipping {
		n = len(r.carry)
	}
	r.offset += int64(n)
	r.carry = r.carry[n:]
}

// cut takes the whole records off carry; nil if there is none yet. At the stream's end the rest is one.
func (r *reader) cut() (sources.Chunk, error) {
	atEOF := r.err == io.EOF
	if !r.header {
		n, ok, err := r.src.format.HeaderBytes(r.carry, atEOF)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, nil
		}
		r.header = true
		r.carry, r.offset = r.carry[n:], r.offset+int64(n)
	}
	n := r.src.format.Split(r.carry, atEOF)
	if n == 0 && len(r.carry) <= maxRecord {
		return nil, nil
	}
	c := &records.Chunk{
		Decoders: &r.src.decoders, Source: r.src.name, Partition: partitionName, Describe: describe,
		Start: r.offset, Data: r.carry[:n:n], Begin: sources.Position(describe(r.last)),
	}
	if n == 0 {
		c.Bad = []sources.BadRecord{{Partition: partitionName, Position: describe(r.offset), Raw: bytes.Clone(r.carry[:rawKept]),
			Err: types.Errorf(types.CodeInvalidText, "record is longer than the limit of %d bytes", maxRecord)}}
		n, r.skipping = len(r.carry), true
	}
	r.carry = append([]byte(nil), r.carry[n:]...)
	r.offset += int64(n)
	r.last = r.offset
	c.End = sources.Position(describe(r.last))
	return c, nil
}

// describe is a place in the stream, in bytes.
func describe(n int64) string { return strconv.FormatInt(n, 10) }

// Wait implements sources.Reader.
func (r *reader) Wait(ctx context.Context) error {
	if len(r.src.blocks) > 0 || r.err != nil {
		return nil
	}
	select {
	case <-r.src.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close implements sources.Reader. The stream stays where it is.
func (r *reader) Close() error { return nil }
