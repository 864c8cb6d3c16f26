package file

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// chunk is a whole number of records of one file.
type chunk struct {
	src       *Source
	partition string
	path      string
	start     int64 // offset of data in the decompressed file
	data      []byte
	bad       []sources.BadRecord // found while reading
	from, to  sources.Position
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
		out.Bad = append(out.Bad, sources.BadRecord{
			Partition: c.partition, Position: describe(c.path, c.start+int64(b.Offset)),
			Raw: formats.Record(c.data, d, b.Offset), Err: b.Err,
		})
	}
	return []sources.Decoded{out}, nil
}

// describe is a position as users read it.
func describe(path string, offset int64) string { return fmt.Sprintf("%s@%d", path, offset) }

// origin finds the record of a row in the chunk's bytes.
type origin struct {
	chunk *chunk
	d     *formats.Decoded
}

// Describe implements changelog.Origin.
func (o *origin) Describe(row int) (source, partition, position string, raw []byte) {
	c := o.chunk
	at := int(o.d.Offsets[row])
	return c.src.cfg.Name, c.partition, describe(c.path, c.start+int64(at)), formats.Record(c.data, o.d, at)
}

// blockFile is an open file of a block format.
type blockFile struct {
	formats.BlockFile
	file *os.File
	refs atomic.Int32 // the reader and the chunks not yet decoded; the last one closes the file
}

func (b *blockFile) release() {
	if b.refs.Add(-1) == 0 {
		b.file.Close()
	}
}

func openBlockFile(format formats.BlockFormat, path string) (*blockFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, ioError("open", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, ioError("stat", path, err)
	}
	b, err := format.OpenBlocks(f, info.Size())
	if err != nil {
		f.Close()
		return nil, headerError(path, err)
	}
	bf := &blockFile{BlockFile: b, file: f}
	bf.refs.Store(1)
	return bf, nil
}

// blockChunk is one block of a file.
type blockChunk struct {
	*chunk
	file  *blockFile
	block int
}

// Bytes implements sources.Chunk.
func (c *blockChunk) Bytes() int { return c.file.BlockBytes(c.block) }

// Decode implements sources.Chunk. Only the end of the block is a position.
func (c *blockChunk) Decode() ([]sources.Decoded, error) {
	defer c.file.release()
	batches, skipped, err := c.file.DecodeBlock(c.block)
	if err != nil {
		bad := sources.BadRecord{Partition: c.partition, Position: describe(c.path, c.start), Err: types.AsError(err)}
		return []sources.Decoded{{Bad: []sources.BadRecord{bad}, To: c.to, SkippedMax: changelog.MinWatermark}}, nil
	}
	out := []sources.Decoded{{SkippedMax: changelog.Watermark(skipped)}}
	for _, d := range batches {
		o := &blockOrigin{chunk: c, decoded: d}
		dec := sources.Decoded{Batch: &changelog.Batch{Cols: d.Cols, N: d.N, Origin: o}, SkippedMax: changelog.MinWatermark}
		for _, b := range d.Bad {
			dec.Bad = append(dec.Bad, sources.BadRecord{
				Partition: c.partition, Position: fmt.Sprintf("%s@%d:%d", c.path, c.block, b.Offset), Err: b.Err,
			})
		}
		out = append(out, dec)
	}
	out[len(out)-1].To = c.to
	return out, nil
}

// blockOrigin names the file, block and row; the record itself has no text.
type blockOrigin struct {
	chunk   *blockChunk
	decoded *formats.Decoded
}

// Describe implements changelog.Origin.
func (o *blockOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	c := o.chunk
	return c.src.cfg.Name, c.partition, fmt.Sprintf("%s@%d:%d", c.path, c.block, o.decoded.Offsets[row]), nil
}
