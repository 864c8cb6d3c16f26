// Package engine is streamsql's side of the benchmarks.
package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/bench/nexmark"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// Memory is a source of record batches that lie in memory: reading and decoding them costs next to nothing. Its
// partitions are bounded; a position is the number of batches read.
type Memory struct {
	partitions [][]*changelog.Batch
	sizes      [][]int
}

// Load makes the bids in memory and deals their batches to the partitions in turn, so that each keeps the order of event time.
func Load(bids nexmark.Config, partitions int) (*Memory, error) {
	m := &Memory{partitions: make([][]*changelog.Batch, partitions), sizes: make([][]int, partitions)}
	records, err := bids.Batches()
	if err != nil {
		return nil, err
	}
	next := 0
	var outside arena
	for record := range records {
		cols := make([]arrow.Array, record.NumCols())
		for i, c := range record.Columns() {
			if cols[i], err = outside.column(c); err != nil {
				return nil, err
			}
		}
		p := next % partitions
		next++
		m.partitions[p] = append(m.partitions[p], &changelog.Batch{
			Cols:   cols,
			N:      int(record.NumRows()),
			Origin: origin{partition: p, batch: len(m.partitions[p])},
		})
		m.sizes[p] = append(m.sizes[p], bytesOf(cols))
		record.Release()
	}
	return m, nil
}

func bytesOf(columns []arrow.Array) (n int) {
	for _, c := range columns {
		for _, b := range c.Data().Buffers() {
			if b != nil {
				n += b.Len()
			}
		}
	}
	return n
}

// Project returns the same batches with only the wanted columns of bids, by name.
func (m *Memory) Project(bids nexmark.Config, wanted types.Schema) (*Memory, error) {
	names, err := bids.Project()
	if err != nil {
		return nil, err
	}
	p := &Memory{}
	for _, batches := range m.partitions {
		projected := make([]*changelog.Batch, len(batches))
		for i, b := range batches {
			cols := make([]arrow.Array, len(wanted))
			for j, f := range wanted {
				at := names.FieldIndices(f.Name)
				if len(at) != 1 {
					return nil, fmt.Errorf("no column %q", f.Name)
				}
				cols[j] = b.Cols[at[0]]
			}
			projected[i] = b.With(cols)
		}
		sizes := make([]int, len(projected)) // what a scan reads, by which reads and epochs are bounded
		for i, b := range projected {
			sizes[i] = bytesOf(b.Cols)
		}
		p.partitions, p.sizes = append(p.partitions, projected), append(p.sizes, sizes)
	}
	return p, nil
}

// Partitions returns their numbers, from 0.
func (m *Memory) Partitions(context.Context) (names []string, err error) {
	for i := range m.partitions {
		names = append(names, strconv.Itoa(i))
	}
	return names, nil
}

// OpenPartition starts after the position.
//
// Errors: a partition or position that there is not.
func (m *Memory) OpenPartition(_ context.Context, partition string, from sources.Position) (sources.Reader, error) {
	p, err := strconv.Atoi(partition)
	if err != nil || p < 0 || p >= len(m.partitions) {
		return nil, fmt.Errorf("no partition %q", partition)
	}
	at := 0
	if from != nil {
		if len(from) != 8 {
			return nil, fmt.Errorf("position of %d bytes, expected 8", len(from))
		}
		at = int(binary.BigEndian.Uint64(from))
	}
	if at > len(m.partitions[p]) {
		return nil, fmt.Errorf("position %d is behind the end of partition %d, %d batches", at, p, len(m.partitions[p]))
	}
	return &memoryReader{batches: m.partitions[p], sizes: m.sizes[p], at: at}, nil
}

// Close does nothing: the batches may be read again.
func (m *Memory) Close() error { return nil }

type memoryReader struct {
	batches []*changelog.Batch
	sizes   []int
	at      int
}

func (r *memoryReader) Read(ctx context.Context, maxBytes int) (sources.Chunk, sources.ReadStatus, error) {
	c := memoryChunk{first: r.at}
	for ; r.at < len(r.batches); r.at++ {
		if len(c.batches) > 0 && c.bytes+r.sizes[r.at] > maxBytes {
			return c, sources.ReadMore, ctx.Err()
		}
		c.batches = append(c.batches, r.batches[r.at])
		c.bytes += r.sizes[r.at]
	}
	if len(c.batches) == 0 {
		return nil, sources.ReadEnded, ctx.Err()
	}
	return c, sources.ReadEnded, ctx.Err()
}

// Wait is never needed: there is more at once, or the partition has ended.
func (r *memoryReader) Wait(ctx context.Context) error { return ctx.Err() }

func (r *memoryReader) Close() error { return nil }

type memoryChunk struct {
	batches []*changelog.Batch
	first   int // the number of batches before
	bytes   int
}

func position(batches int) sources.Position {
	return binary.BigEndian.AppendUint64(nil, uint64(batches))
}

func (c memoryChunk) From() sources.Position { return position(c.first) }
func (c memoryChunk) To() sources.Position   { return position(c.first + len(c.batches)) }
func (c memoryChunk) Bytes() int             { return c.bytes }

func (c memoryChunk) Decode() ([]sources.Decoded, error) {
	decoded := make([]sources.Decoded, len(c.batches))
	for i, b := range c.batches {
		decoded[i] = sources.Decoded{Batch: b, To: position(c.first + i + 1), SkippedMax: changelog.MinWatermark}
	}
	return decoded, nil
}

// origin names a row by partition, batch and row.
type origin struct{ partition, batch int }

func (o origin) Describe(row int) (source, partition, position string, raw []byte) {
	return "bids", strconv.Itoa(o.partition), fmt.Sprintf("%d/%d", o.batch, row), nil
}
