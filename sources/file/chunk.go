package file

import (
	"fmt"
	"os"
	"sync/atomic"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/records"
	"github.com/streamsql/streamsql/types"
)

// describe is a position as users read it.
func describe(path string, offset int64) string { return fmt.Sprintf("%s@%d", path, offset) }

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
	*records.Chunk
	path  string
	file  *blockFile
	block int
}

// Bytes implements sources.Chunk.
func (c *blockChunk) Bytes() int { return c.file.BlockBytes(c.block) }

// Decode implements sources.Chunk. Only the end of the block is a position.
func (c *blockChunk) Decode() ([]sources.Decoded, error) {
	defer c.file.release()
	batches, skipped, err := c.file.DecodeBlock(c.block)
	if err != nil && types.CodeOf(err) != types.CodeDataCorrupted {
		return nil, headerError(c.path, err)
	}
	if err != nil { // the block is rejected as a whole
		bad := sources.BadRecord{Partition: c.Partition, Position: describe(c.path, int64(c.block)), Err: types.AsError(err)}
		return []sources.Decoded{{Bad: []sources.BadRecord{bad}, To: c.End, SkippedMax: changelog.MinWatermark}}, nil
	}
	out := []sources.Decoded{{SkippedMax: changelog.Watermark(skipped)}}
	for _, d := range batches {
		dec := sources.Decoded{SkippedMax: changelog.MinWatermark}
		dec.Batch = &changelog.Batch{Cols: d.Cols, N: d.N, Origin: &blockOrigin{chunk: c, decoded: d}}
		for _, b := range d.Bad {
			dec.Bad = append(dec.Bad, sources.BadRecord{Partition: c.Partition, Position: c.row(uint32(b.Offset)), Err: b.Err})
		}
		out = append(out, dec)
	}
	out[len(out)-1].To = c.End
	return out, nil
}

// row names a row of the block.
func (c *blockChunk) row(n uint32) string { return fmt.Sprintf("%s@%d:%d", c.path, c.block, n) }

// blockOrigin names the file, block and row; the record itself has no text.
type blockOrigin struct {
	chunk   *blockChunk
	decoded *formats.Decoded
}

// Describe implements changelog.Origin.
func (o *blockOrigin) Describe(row int) (source, partition, position string, raw []byte) {
	return o.chunk.Source, o.chunk.Partition, o.chunk.row(o.decoded.Offsets[row]), nil
}
