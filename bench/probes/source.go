package probes

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// keySource is a source of one partition whose only column is a BIGINT key. Row i holds key number i mod keys; the keys are spread over all of
// the type's range, without order. Rows are made when they are decoded, so that the source itself holds nothing.
//
// more lets it go on to a number of rows; it never ends.
type keySource struct {
	keys uint64

	mu   sync.Mutex
	rows uint64        // there are so many now
	grew chan struct{} // closed when there are more
}

func newKeySource(keys int) *keySource {
	return &keySource{keys: uint64(keys), grew: make(chan struct{})}
}

// more adds rows.
func (s *keySource) more(rows int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows += uint64(rows)
	close(s.grew)
	s.grew = make(chan struct{})
}

func (s *keySource) state() (rows uint64, grew <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows, s.grew
}

// factory makes it the connector's source.
func (s *keySource) factory(map[string]string, types.Schema) (sources.Source, error) { return s, nil }

// open opens a database with the source under the name keys.
func (s *keySource) open(options streamsql.Options) (*streamsql.DB, error) {
	options.Sources = map[string]streamsql.SourceFactory{"keys": s.factory}
	return streamsql.Open(options)
}

// Partitions returns the one.
func (s *keySource) Partitions(context.Context) ([]string, error) { return []string{"0"}, nil }

// OpenPartition starts behind a number of rows.
func (s *keySource) OpenPartition(_ context.Context, _ string, from sources.Position) (sources.Reader, error) {
	r := &keyReader{source: s}
	if from != nil {
		if len(from) != 8 {
			return nil, fmt.Errorf("position of %d bytes, wanted 8", len(from))
		}
		r.at = binary.BigEndian.Uint64(from)
	}
	return r, nil
}

// Close does nothing.
func (s *keySource) Close() error { return nil }

type keyReader struct {
	source *keySource
	at     uint64
	grew   <-chan struct{}
}

func (r *keyReader) Read(ctx context.Context, maxBytes int) (sources.Chunk, sources.ReadStatus, error) {
	rows, grew := r.source.state()
	r.grew = grew
	if r.at == rows {
		return nil, sources.ReadAtEnd, ctx.Err()
	}
	c := keyChunk{keys: r.source.keys, from: r.at, to: min(rows, r.at+uint64(max(maxBytes/8, 1)))}
	r.at = c.to
	if r.at == rows {
		return c, sources.ReadAtEnd, ctx.Err()
	}
	return c, sources.ReadMore, ctx.Err()
}

func (r *keyReader) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.grew:
		return nil
	}
}

func (r *keyReader) Close() error { return nil }

type keyChunk struct{ keys, from, to uint64 }

func rowsPosition(rows uint64) sources.Position { return binary.BigEndian.AppendUint64(nil, rows) }

func (c keyChunk) From() sources.Position { return rowsPosition(c.from) }
func (c keyChunk) To() sources.Position   { return rowsPosition(c.to) }
func (c keyChunk) Bytes() int             { return int(c.to-c.from) * 8 }

func (c keyChunk) Decode() (out []sources.Decoded, err error) {
	const most = 1 << 15
	for from := c.from; from < c.to; from += most {
		n := int(min(c.to-from, most))
		buffer := make([]byte, 8*n)
		keys := arrow.Int64Traits.CastFromBytes(buffer)
		for i := range keys {
			keys[i] = int64(spread((from + uint64(i)) % c.keys))
		}
		data := array.NewData(arrow.PrimitiveTypes.Int64, n, []*memory.Buffer{nil, memory.NewBufferBytes(buffer)}, nil, 0, 0)
		out = append(out, sources.Decoded{
			Batch:      &changelog.Batch{Cols: []arrow.Array{array.NewInt64Data(data)}, N: n, Origin: keyOrigin(from)},
			To:         rowsPosition(from + uint64(n)),
			SkippedMax: changelog.MinWatermark,
		})
	}
	return out, nil
}

// keyOrigin names rows by their number.
type keyOrigin uint64

func (o keyOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	return "keys", "0", fmt.Sprint(uint64(o) + uint64(row)), nil
}

// spread is a bijection that leaves no order: the finalizer of splitmix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
// OOPSLA 2014).
func spread(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}
