// Package records is what the sources of byte streams share: a chunk of whole records that is decoded when the engine asks for it.
package records

import (
	"sync"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
)

// maxBatch bounds the rows of a batch.
const maxBatch = 64 << 10

// Chunk implements sources.Chunk: whole records, which may be none.
type Chunk struct {
	Decoders  *sync.Pool // of formats.RecordDecoder
	Source    string
	Partition string
	Describe  func(offset int64) string // a place in the partition as users read it
	Start     int64                     // offset of Data
	Data      []byte
	Bad       []sources.BadRecord // found while reading
	Begin     sources.Position
	End       sources.Position
}

// From implements sources.Chunk.
func (c *Chunk) From() sources.Position { return c.Begin }

// To implements sources.Chunk.
func (c *Chunk) To() sources.Position { return c.End }

// Bytes implements sources.Chunk.
func (c *Chunk) Bytes() int { return len(c.Data) }

// Decode implements sources.Chunk. Only the end of the chunk is a position.
func (c *Chunk) Decode() ([]sources.Decoded, error) {
	out := sources.Decoded{Bad: c.Bad, SkippedMax: changelog.MinWatermark}
	if len(c.Data) == 0 {
		out.To = c.End
		return []sources.Decoded{out}, nil
	}
	dec := c.Decoders.Get().(formats.RecordDecoder)
	defer c.Decoders.Put(dec)
	d, err := dec.Decode(c.Data)
	if err != nil {
		return nil, err
	}
	var undecoded []sources.BadRecord
	for _, b := range d.Bad {
		undecoded = append(undecoded, sources.BadRecord{
			Partition: c.Partition, Position: c.Describe(c.Start + int64(b.Offset)), Raw: formats.Record(c.Data, d, b.Offset), Err: b.Err,
		})
	}
	out.Bad = append(undecoded, c.Bad...)
	b := &changelog.Batch{Cols: d.Cols, N: d.N, Origin: &origin{chunk: c, decoded: d}}
	var parts []sources.Decoded
	at := 0
	for ; b.N-at > maxBatch+maxBatch/4; at += maxBatch {
		out.Batch = changelog.Slice(b, at, at+maxBatch)
		parts = append(parts, out)
		out = sources.Decoded{SkippedMax: changelog.MinWatermark}
	}
	out.Batch, out.To = changelog.Slice(b, at, b.N), c.End
	return append(parts, out), nil
}

// origin finds the record of a row in the chunk's bytes.
type origin struct {
	chunk   *Chunk
	decoded *formats.Decoded
}

// Describe implements changelog.Origin.
func (o *origin) Describe(row int) (source, partition, position string, raw []byte) {
	c, at := o.chunk, int(o.decoded.Offsets[row])
	return c.Source, c.Partition, c.Describe(c.Start + int64(at)), formats.Record(c.Data, o.decoded, at)
}
