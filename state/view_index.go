package state

import (
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// viewIndex finds the rows of a view by columns that are not its key: a hash of the columns leads to the slots of all rows that have it.
// It lives in memory alone and is made anew when the view is loaded. Rows with a NULL in one of the columns are not in it. Like the
// view's pages its parts are copied before they change after a Pin.
type viewIndex struct {
	cols  []int
	enc   *changelog.Encoder
	rows  []arrow.Array // of the batch at hand
	buf   []byte
	tags  index // tag: number of its bucket
	pages []*bucketPage
	n     uint32   // buckets given out so far
	free  []uint32 // empty buckets
}

const (
	bucketPageBits = 8
	bucketPageSize = 1 << bucketPageBits
	chunkSlots     = 512
)

// bucketPage holds buckets. Invariant: one with a pin < View.pins is never changed, nor what it points to.
type bucketPage struct {
	pin     uint64
	buckets [bucketPageSize]bucket
}

// bucket is the slots of one tag, ascending: one alone, or several in chunks.
type bucket struct {
	one    uint32 // if chunks is nil and n is 1
	n      uint32
	chunks []*slotChunk
}

// slotChunk is up to chunkSlots slots, ascending.
type slotChunk struct {
	pin   uint64
	slots []uint32
}

func newViewIndex(schema types.Schema, cols []int, pin uint64) *viewIndex {
	x := &viewIndex{cols: cols, enc: columnEncoder(schema, cols), tags: newIndex()}
	x.tags.most = viewSegment
	x.tags.dir[0].pin = pin
	return x
}

func columnEncoder(schema types.Schema, cols []int) *changelog.Encoder {
	ts := make([]types.Type, len(cols))
	for i, c := range cols {
		ts[i] = schema[c].Type
	}
	return changelog.NewEncoder(ts, nil)
}

// SetIndexes makes Snapshot.Find answer for these sets of columns, and for no others. It reads all rows for those that are new.
func (v *View) SetIndexes(sets [][]int) error {
	var keep []*viewIndex
	var fresh []*viewIndex
	for _, cols := range sets {
		i := slices.IndexFunc(v.indexes, func(x *viewIndex) bool { return slices.Equal(x.cols, cols) })
		if i >= 0 {
			keep = append(keep, v.indexes[i])
			continue
		}
		fresh = append(fresh, newViewIndex(v.schema, cols, v.pins))
	}
	v.indexes = append(keep, fresh...)
	if len(fresh) == 0 {
		return nil
	}
	scratch := newScratch(v.codec)
	var out []array.Builder
	var slots []uint32
	flush := func() {
		cols := make([]arrow.Array, len(out))
		for i, b := range out {
			cols[i] = b.NewArray()
		}
		for _, x := range fresh {
			x.reset(cols)
			for row, slot := range slots {
				x.enter(row, slot, v.pins)
			}
		}
		out, slots = nil, nil
	}
	for slot := range v.n {
		p, at := v.page(slot)
		if p.weights[at] == 0 {
			continue
		}
		if out == nil {
			for _, f := range v.schema {
				out = append(out, changelog.NewBuilder(f.Type))
			}
		}
		if err := v.codec.decode(p.key(at), p.rest(at), out, scratch.key, scratch.rest); err != nil {
			return err
		}
		if slots = append(slots, slot); len(slots) == 4096 {
			flush()
		}
	}
	if out != nil {
		flush()
	}
	return nil
}

// reset gives the index the rows that come or go next.
func (x *viewIndex) reset(cols []arrow.Array) {
	x.rows = pick(cols, x.cols)
	x.enc.Reset(x.rows)
}

// tag hashes a row's columns; ok is false if one is NULL.
func (x *viewIndex) tag(row int) (tag uint32, ok bool) {
	for _, c := range x.rows {
		if c.IsNull(row) {
			return 0, false
		}
	}
	x.buf = x.enc.Append(x.buf[:0], row)
	return uint32(changelog.HashBytes(x.buf)), true
}

func (x *viewIndex) enter(row int, slot uint32, pin uint64) {
	tag, ok := x.tag(row)
	if !ok {
		return
	}
	number, found := x.find(tag)
	if !found {
		if last := len(x.free) - 1; last >= 0 {
			number = x.free[last]
			x.free = x.free[:last]
		} else {
			number = x.n
			x.n++
			if number>>bucketPageBits == uint32(len(x.pages)) {
				x.pages = append(x.pages, &bucketPage{pin: pin})
			}
		}
		x.tags.own(tag, pin)
		x.tags.insert(tag, number)
	}
	x.own(number, pin).add(slot, pin)
}

func (x *viewIndex) leave(row int, slot uint32, pin uint64) {
	tag, ok := x.tag(row)
	if !ok {
		return
	}
	number, found := x.find(tag)
	if !found {
		panic("state: row is not in its view's index")
	}
	b := x.own(number, pin)
	b.remove(slot, pin)
	if b.n == 0 {
		x.tags.own(tag, pin)
		x.tags.remove(tag, number)
		x.free = append(x.free, number)
	}
}

// find returns the bucket of a tag. Tags are entered once, whatever keys have them.
func (x *viewIndex) find(tag uint32) (number uint32, ok bool) { return findBucket(&x.tags, tag) }

func findBucket(tags *index, tag uint32) (number uint32, ok bool) {
	s := tags.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return 0, false
		}
		if uint32(e>>32) == tag {
			return uint32(e) - 1, true
		}
	}
}

// own returns a bucket that no snapshot of an earlier pin sees.
func (x *viewIndex) own(number uint32, pin uint64) *bucket {
	p := x.pages[number>>bucketPageBits]
	if p.pin < pin {
		c := *p
		c.pin = pin
		for i := range c.buckets {
			if c.buckets[i].chunks != nil {
				c.buckets[i].chunks = slices.Clone(c.buckets[i].chunks)
			}
		}
		p = &c
		x.pages[number>>bucketPageBits] = p
	}
	return &p.buckets[number&(bucketPageSize-1)]
}

func (b *bucket) add(slot uint32, pin uint64) {
	b.n++
	if b.n == 1 {
		b.one = slot
		return
	}
	if b.chunks == nil {
		b.chunks = []*slotChunk{{pin: pin, slots: []uint32{b.one}}}
	}
	i := b.chunk(slot)
	c := b.ownChunk(i, pin)
	at, _ := slices.BinarySearch(c.slots, slot)
	c.slots = slices.Insert(c.slots, at, slot)
	if len(c.slots) > chunkSlots {
		half := &slotChunk{pin: pin, slots: slices.Clone(c.slots[chunkSlots/2:])}
		c.slots = c.slots[:chunkSlots/2]
		b.chunks = slices.Insert(b.chunks, i+1, half)
	}
}

func (b *bucket) remove(slot uint32, pin uint64) {
	b.n--
	if b.chunks == nil {
		if b.one != slot {
			panic("state: row is not in its view's index")
		}
		return
	}
	i := b.chunk(slot)
	c := b.ownChunk(i, pin)
	at, ok := slices.BinarySearch(c.slots, slot)
	if !ok {
		panic("state: row is not in its view's index")
	}
	c.slots = slices.Delete(c.slots, at, at+1)
	if len(c.slots) == 0 {
		b.chunks = slices.Delete(b.chunks, i, i+1)
	}
	if b.n == 1 {
		b.one, b.chunks = b.chunks[0].slots[0], nil
	}
}

// chunk is the index of the chunk that a slot belongs into.
func (b *bucket) chunk(slot uint32) int {
	i, found := slices.BinarySearchFunc(b.chunks, slot, func(c *slotChunk, s uint32) int { return int(int64(c.slots[0]) - int64(s)) })
	if !found && i > 0 {
		i--
	}
	return i
}

func (b *bucket) ownChunk(i int, pin uint64) *slotChunk {
	c := b.chunks[i]
	if c.pin < pin {
		c = &slotChunk{pin: pin, slots: slices.Clone(c.slots)}
		b.chunks[i] = c
	}
	return c
}

// each calls f with the slots, ascending.
func (b *bucket) each(f func(slot uint32)) {
	if b.chunks == nil {
		if b.n == 1 {
			f(b.one)
		}
		return
	}
	for _, c := range b.chunks {
		for _, s := range c.slots {
			f(s)
		}
	}
}

// bytes estimates the memory of an index.
func (x *viewIndex) bytes() int64 {
	return x.tags.bytes() + int64(len(x.pages))*bucketPageSize*32
}

// indexSnapshot is an index at one moment.
type indexSnapshot struct {
	cols  []int
	tags  index
	pages []*bucketPage
}

func (x *viewIndex) snapshot() indexSnapshot {
	s := indexSnapshot{cols: x.cols, tags: x.tags, pages: slices.Clone(x.pages)}
	s.tags.dir = slices.Clone(s.tags.dir)
	return s
}

// Indexed reports whether Find answers for these columns.
func (s *Snapshot) Indexed(cols []int) bool {
	return slices.Equal(cols, s.key) || slices.ContainsFunc(s.indexes, func(x indexSnapshot) bool { return slices.Equal(x.cols, cols) })
}

// Find finds rows by the values of columns: values are n of each of cols, of the columns' types. It returns all rows that have one of
// them, each once, and perhaps others: callers compare. Where the columns are not indexed (see Indexed) it returns all rows.
func (s *Snapshot) Find(cols []int, values []arrow.Array, n int) (*changelog.Batch, error) {
	out := newRowBuilders(s.schema)
	codec := newViewCodec(s.schema, s.key)
	scratch := newScratch(codec)
	if slices.Equal(cols, s.key) {
		codec.keyEnc.Reset(values)
		var slots []uint32
		var key []byte
		for i := range n {
			key = codec.keyEnc.Append(key[:0], i)
			if slot := findRow(&s.idx, s.pages, uint32(changelog.HashBytes(key)), key); slot != NoSlot {
				slots = append(slots, slot)
			}
		}
		slices.Sort(slots)
		for _, slot := range slices.Compact(slots) { // two values may be equal
			if err := out.add(s, codec, scratch, slot); err != nil {
				return nil, err
			}
		}
		return out.batch(), nil
	}
	for _, x := range s.indexes {
		if !slices.Equal(x.cols, cols) {
			continue
		}
		enc := columnEncoder(s.schema, cols)
		enc.Reset(values)
		var numbers []uint32
		for i := range n {
			if number, ok := findBucket(&x.tags, uint32(changelog.HashBytes(enc.Append(nil, i)))); ok {
				numbers = append(numbers, number)
			}
		}
		slices.Sort(numbers)
		var failed error
		for _, number := range slices.Compact(numbers) {
			x.pages[number>>bucketPageBits].buckets[number&(bucketPageSize-1)].each(func(slot uint32) {
				if failed == nil {
					failed = out.add(s, codec, scratch, slot)
				}
			})
		}
		return out.batch(), failed
	}
	var all []*changelog.Batch
	err := s.Scan(32<<10, func(b *changelog.Batch) error { all = append(all, b); return nil })
	return changelog.Concat(s.schema, all), err
}
