package state

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Snapshot is a view's rows at one moment. It needs no release and may be read by several goroutines.
type Snapshot struct {
	view   string
	schema types.Schema
	key    []int // nil: rows are their own key
	pages  []*viewPage
	idx    index
	pins   uint64
	rows   int64
	count  int
	// indexes are those of View.SetIndexes.
	indexes []indexSnapshot
}

// Pin returns the rows as they are now. It costs a few bytes per page; the writer copies pages that it changes later.
func (v *View) Pin() *Snapshot {
	v.pins++
	var key []int
	if v.unique {
		key = v.codec.key
	}
	idx := v.idx
	idx.dir = slices.Clone(idx.dir)
	s := &Snapshot{view: v.spec.Name, schema: v.schema, key: key, pages: slices.Clone(v.pages), idx: idx, pins: v.pins, rows: v.total, count: v.count}
	for _, x := range v.indexes {
		s.indexes = append(s.indexes, x.snapshot())
	}
	return s
}

// Fork returns a view that begins with the snapshot's rows and changes apart from the one that was pinned. It belongs to no log:
// its Delta is not to be kept.
func (s *Snapshot) Fork() *View {
	v := NewView(0, s.view, s.schema, s.key)
	v.pages, v.idx, v.pins, v.total, v.count = slices.Clone(s.pages), s.idx, s.pins, s.rows, s.count
	v.idx.dir = slices.Clone(s.idx.dir)
	v.n = uint32(len(v.pages)) << viewPageBits // free slots of the pages are left alone
	for _, x := range s.indexes {
		f := newViewIndex(s.schema, x.cols, s.pins)
		f.tags, f.pages = x.tags, slices.Clone(x.pages)
		f.tags.dir = slices.Clone(x.tags.dir)
		f.n = uint32(len(f.pages)) << bucketPageBits
		v.indexes = append(v.indexes, f)
	}
	return v
}

// Rows returns the number of rows, counting duplicates.
func (s *Snapshot) Rows() int64 { return s.rows }

// Schema returns the columns.
func (s *Snapshot) Schema() types.Schema { return s.schema }

// Key returns the columns that Get finds rows by: those of the unique key, or all.
func (s *Snapshot) Key() []int {
	if s.key != nil {
		return s.key
	}
	all := make([]int, len(s.schema))
	for i := range all {
		all[i] = i
	}
	return all
}

// Get finds rows by their key: cols are n values of each column of Key, in that order and of the columns' types. It returns the rows
// that are there, with their weights, and for each the index of the values that it was found by. Its cost depends on n alone.
func (s *Snapshot) Get(cols []arrow.Array, n int) (rows *changelog.Batch, found []uint32, err error) {
	codec := newViewCodec(s.schema, s.key)
	codec.keyEnc.Reset(cols)
	scratch := newScratch(codec)
	out := newRowBuilders(s.schema)
	var key []byte
	for i := range n {
		key = codec.keyEnc.Append(key[:0], i)
		slot := findRow(&s.idx, s.pages, uint32(changelog.HashBytes(key)), key)
		if slot == NoSlot {
			continue
		}
		if err := out.add(s, codec, scratch, slot); err != nil {
			return nil, nil, err
		}
		found = append(found, uint32(i))
	}
	return out.batch(), found, nil
}

// rowBuilders collect rows of a snapshot.
type rowBuilders struct {
	cols     []array.Builder
	weights  []int64
	weighted bool
}

func newRowBuilders(schema types.Schema) *rowBuilders {
	b := &rowBuilders{cols: make([]array.Builder, len(schema))}
	for i, f := range schema {
		b.cols[i] = changelog.NewBuilder(f.Type)
	}
	return b
}

func (b *rowBuilders) add(s *Snapshot, codec *viewCodec, scratch viewScratch, slot uint32) error {
	p, at := s.pages[slot>>viewPageBits], slot&(viewPageSize-1)
	if err := codec.decode(p.key(at), p.rest(at), b.cols, scratch.key, scratch.rest); err != nil {
		return fmt.Errorf("read view %s: %w", s.view, err)
	}
	w := p.weights[at]
	b.weights = append(b.weights, w)
	b.weighted = b.weighted || w != 1
	return nil
}

func (b *rowBuilders) batch() *changelog.Batch {
	out := &changelog.Batch{Cols: finish(b.cols), N: len(b.weights)}
	if b.weighted {
		out.Weights = b.weights
	}
	return out
}

type viewScratch struct{ key, rest []array.Builder }

func newScratch(c *viewCodec) viewScratch {
	return viewScratch{make([]array.Builder, len(c.key)), make([]array.Builder, len(c.rest))}
}

// Scan calls f with the rows in batches of at most max rows; a row held n times has weight n. The batches belong to f.
func (s *Snapshot) Scan(max int, f func(*changelog.Batch) error) error {
	codec := newViewCodec(s.schema, s.key)
	scratch := newScratch(codec)
	var out *rowBuilders
	for page, p := range s.pages {
		for i, w := range p.weights {
			if w == 0 {
				continue
			}
			if out == nil {
				out = newRowBuilders(s.schema)
			}
			if err := out.add(s, codec, scratch, uint32(page)<<viewPageBits|uint32(i)); err != nil {
				return err
			}
			if len(out.weights) >= max {
				b := out.batch()
				out = nil
				if err := f(b); err != nil {
					return err
				}
			}
		}
	}
	if out == nil {
		return nil
	}
	return f(out.batch())
}
