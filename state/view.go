package state

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// View holds the rows of a view or table as SELECT reads them. With a key there is one row per key; without one equal rows
// are kept once with their number. Snapshots may be read by any goroutine, everything else by the owner alone.
//
// A row is its encoded key (with a unique key, its columns by value; else all columns exactly) and the other columns. Rows lie in
// pages of 1024, each with bytes of its own. Pin hands out the pages as they are; from then on a page is copied before it is
// changed. The log holds weight and row bytes beside the key, as value columns.
type View struct {
	spec   *Spec
	schema types.Schema
	unique bool // it has a key
	codec  *viewCodec
	deltas *arrow.Schema

	pages []*viewPage
	n     uint32   // slots given out so far
	free  []uint32 // of earlier epochs
	idx   index
	count int
	total int64 // rows with their duplicates
	size  int64 // bytes in pages
	pins  uint64

	changed []uint32    // slots touched in this epoch, free ones among them
	dirty   []uint64    // bit per slot: is in changed
	gone    byteStrings // keys deleted in this epoch; some may be back
	cleared bool        // by Clear, in this epoch
	indexes []*viewIndex

	keyBuf, restBuf []byte
}

const (
	viewPageBits = 10
	viewPageSize = 1 << viewPageBits
	viewSegment  = 1 << 10 // entries of an index segment: what is copied when a row comes or goes after a Pin
)

// viewPage is 1024 slots. Invariant: a page with pin < View.pins is never changed.
type viewPage struct {
	pin     uint64
	weights [viewPageSize]int64 // 0: free
	at      [viewPageSize]uint32
	length  [viewPageSize]uint32
	keyLen  [viewPageSize]uint32
	bytes   []byte
	garbage int
}

// viewCodec turns rows into key and rest, and back.
type viewCodec struct {
	schema    types.Schema
	key, rest []int
	keyEnc    *changelog.Encoder
	restEnc   *changelog.Encoder
}

func newViewCodec(schema types.Schema, key []int) *viewCodec {
	c := &viewCodec{schema: schema, key: key}
	if key == nil {
		for i := range schema {
			c.key = append(c.key, i)
		}
	}
	in := make([]bool, len(schema))
	for _, i := range c.key {
		in[i] = true
	}
	for i := range schema {
		if !in[i] {
			c.rest = append(c.rest, i)
		}
	}
	enc := func(cols []int, exact bool) *changelog.Encoder {
		ts, order := make([]types.Type, len(cols)), make([]changelog.Order, len(cols))
		for i, col := range cols {
			ts[i], order[i].Exact = schema[col].Type, exact
		}
		return changelog.NewEncoder(ts, order)
	}
	c.keyEnc, c.restEnc = enc(c.key, key == nil), enc(c.rest, true)
	return c
}

func pick(cols []arrow.Array, which []int) []arrow.Array {
	out := make([]arrow.Array, len(which))
	for i, col := range which {
		out[i] = cols[col]
	}
	return out
}

func (c *viewCodec) reset(cols []arrow.Array) {
	c.keyEnc.Reset(pick(cols, c.key))
	c.restEnc.Reset(pick(cols, c.rest))
}

// appendRest appends what follows the key: the other columns exactly, then the key's representation.
func (c *viewCodec) appendRest(dst []byte, row int) []byte {
	return c.keyEnc.AppendRepr(c.restEnc.Append(dst, row), row)
}

// decode appends a row to builders of the schema.
func (c *viewCodec) decode(key, rest []byte, out, keyOut, restOut []array.Builder) error {
	for i, col := range c.key {
		keyOut[i] = out[col]
	}
	for i, col := range c.rest {
		restOut[i] = out[col]
	}
	repr, err := c.restEnc.Decode(rest, nil, restOut)
	if err != nil {
		return err
	}
	if !c.keyEnc.HasRepr() {
		repr = nil
	}
	tail, err := c.keyEnc.Decode(key, repr, keyOut)
	if err == nil && len(tail) > 0 {
		err = errKey
	}
	return err
}

// NewView makes an empty view; key are the columns of its unique key, nil if it has none.
func NewView(id TableID, name string, schema types.Schema, key []int) *View {
	spec := &Spec{ID: id, Name: name, Value: []ColumnSpec{{Name: "_weight", Kind: Int64}, {Name: "_row", Kind: Bytes}}}
	v := &View{spec: spec, schema: schema, unique: key != nil, codec: newViewCodec(schema, key), deltas: deltaSchema(spec, false)}
	for _, col := range v.codec.key {
		spec.Key = append(spec.Key, schema[col].Type)
	}
	v.reset()
	return v
}

func (v *View) reset() {
	v.pages, v.n, v.free, v.idx, v.count, v.total, v.size = nil, 0, nil, newIndex(), 0, 0, 0
	v.idx.most = viewSegment
	v.idx.dir[0].pin = v.pins
	v.changed, v.dirty = nil, nil
	v.gone = byteStrings{offs: []int32{0}}
	for i, x := range v.indexes {
		v.indexes[i] = newViewIndex(v.schema, x.cols, v.pins)
	}
}

// Schema returns the columns.
func (v *View) Schema() types.Schema { return v.schema }

// Spec implements Table.
func (v *View) Spec() *Spec { return v.spec }

// Update adds the consolidated changes of an epoch, in any order of rows. A deletion of a row that is not there, or a key
// that would come to hold two rows, is an error, after which the view must not be used.
func (v *View) Update(batches ...*changelog.Batch) error {
	for _, deletions := range [2]bool{true, false} {
		for _, b := range batches {
			if b.Weights == nil && deletions {
				continue
			}
			v.codec.reset(b.Cols)
			for _, x := range v.indexes {
				x.reset(b.Cols)
			}
			var err error
			b.Each(func(row int) {
				if w := b.Weight(row); err == nil && w != 0 && (w < 0) == deletions {
					err = v.add(row, w)
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// add changes the number of one row by w.
func (v *View) add(row int, w int64) error {
	v.keyBuf = v.codec.keyEnc.Append(v.keyBuf[:0], row)
	v.restBuf = v.codec.appendRest(v.restBuf[:0], row)
	hash := uint32(changelog.HashBytes(v.keyBuf))
	slot := v.find(hash, v.keyBuf)
	if slot == NoSlot {
		if w < 0 {
			return fmt.Errorf("view %s: a row that is not there is deleted (%d times)", v.spec.Name, -w)
		}
		slot := v.put(hash, v.keyBuf, v.restBuf, w)
		for _, x := range v.indexes {
			x.enter(row, slot, v.pins)
		}
		return nil
	}
	p, at := v.page(slot)
	if !bytes.Equal(p.rest(at), v.restBuf) {
		if w < 0 {
			return fmt.Errorf("view %s: a row is deleted that is not the one of its key", v.spec.Name)
		}
		return fmt.Errorf("view %s: two rows of one key", v.spec.Name)
	}
	sum := p.weights[at] + w
	if v.unique && sum > 1 {
		return fmt.Errorf("view %s: two rows of one key", v.spec.Name)
	}
	if sum < 0 {
		return fmt.Errorf("view %s: a row held %d times is deleted %d times", v.spec.Name, p.weights[at], -w)
	}
	if sum == 0 {
		v.gone.data = append(v.gone.data, v.keyBuf...)
		v.gone.end()
		v.remove(hash, slot)
		for _, x := range v.indexes {
			x.leave(row, slot, v.pins)
		}
		return nil
	}
	v.total += w
	v.own(slot).weights[at] = sum
	v.touch(slot)
	return nil
}

func (v *View) touch(slot uint32) {
	for len(v.dirty) <= int(slot>>6) {
		v.dirty = append(v.dirty, 0)
	}
	if m := uint64(1) << (slot & 63); v.dirty[slot>>6]&m == 0 {
		v.dirty[slot>>6] |= m
		v.changed = append(v.changed, slot)
	}
}

func (v *View) page(slot uint32) (*viewPage, uint32) {
	return v.pages[slot>>viewPageBits], slot & (viewPageSize - 1)
}

func (p *viewPage) key(at uint32) []byte { return p.bytes[p.at[at] : p.at[at]+p.keyLen[at]] }

func (p *viewPage) rest(at uint32) []byte {
	return p.bytes[p.at[at]+p.keyLen[at] : p.at[at]+p.length[at]]
}

// own returns the page of a slot, a copy if a snapshot may see it.
func (v *View) own(slot uint32) *viewPage {
	p := v.pages[slot>>viewPageBits]
	if p.pin < v.pins {
		c := *p
		c.pin = v.pins
		c.compact()
		v.size += int64(cap(c.bytes) - cap(p.bytes))
		v.pages[slot>>viewPageBits] = &c
		return &c
	}
	return p
}

// compact copies the living rows' bytes.
func (p *viewPage) compact() {
	old := p.bytes
	p.bytes = make([]byte, 0, len(old)-p.garbage+(len(old)-p.garbage)/4)
	for i, w := range p.weights {
		if w != 0 {
			from := uint32(len(p.bytes))
			p.bytes = append(p.bytes, old[p.at[i]:p.at[i]+p.length[i]]...)
			p.at[i] = from
		}
	}
	p.garbage = 0
}

func (v *View) find(tag uint32, key []byte) uint32 { return findRow(&v.idx, v.pages, tag, key) }

// findRow returns the slot of a key, or NoSlot.
func findRow(idx *index, pages []*viewPage, tag uint32, key []byte) uint32 {
	s := idx.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return NoSlot
		}
		if uint32(e>>32) == tag {
			slot := uint32(e) - 1
			if bytes.Equal(pages[slot>>viewPageBits].key(slot&(viewPageSize-1)), key) {
				return slot
			}
		}
	}
}

// put makes a row whose key is not there.
func (v *View) put(tag uint32, key, rest []byte, w int64) uint32 {
	var slot uint32
	if last := len(v.free) - 1; last >= 0 {
		slot = v.free[last]
		v.free = v.free[:last]
	} else {
		slot = v.n
		v.n++
		if slot>>viewPageBits == uint32(len(v.pages)) {
			v.pages = append(v.pages, &viewPage{pin: v.pins})
		}
	}
	p, at := v.own(slot), slot&(viewPageSize-1)
	before := cap(p.bytes)
	if p.garbage > 4096 && p.garbage > len(p.bytes)/2 {
		p.compact()
	}
	p.at[at], p.keyLen[at], p.length[at] = uint32(len(p.bytes)), uint32(len(key)), uint32(len(key)+len(rest))
	p.bytes = append(append(p.bytes, key...), rest...)
	p.weights[at] = w
	v.size += int64(cap(p.bytes) - before)
	v.idx.own(tag, v.pins)
	v.idx.insert(tag, slot)
	v.count++
	v.total += w
	v.touch(slot)
	return slot
}

func (v *View) remove(tag, slot uint32) {
	p, at := v.own(slot), slot&(viewPageSize-1)
	v.idx.own(tag, v.pins)
	v.idx.remove(tag, slot)
	v.count--
	v.total -= p.weights[at]
	p.weights[at] = 0
	p.garbage += int(p.length[at])
	v.free = append(v.free, slot)
}

// Clear removes all rows.
func (v *View) Clear() {
	v.reset()
	v.cleared = true
}

// Delta implements Table.
func (v *View) Delta() TableDelta {
	b := newDeltaBuilder(v.spec, v.deltas, false, len(v.changed)+len(v.gone.offs))
	if v.cleared {
		b.keys.end()
		b.noValues(v.spec, 1)
		b.op(opPrefix, 1)
	}
	gone := 0
	for i, end := range v.gone.offs[1:] {
		key := v.gone.data[v.gone.offs[i]:end]
		if v.find(uint32(changelog.HashBytes(key)), key) == NoSlot {
			b.keys.data = append(b.keys.data, key...)
			b.keys.end()
			gone++
		}
	}
	b.noValues(v.spec, gone)
	b.op(opDelete, gone)
	upserts := 0
	for _, slot := range v.changed {
		p, at := v.page(slot)
		if p.weights[at] == 0 {
			continue
		}
		b.keys.data = append(b.keys.data, p.key(at)...)
		b.keys.end()
		b.fixed[0] = binary.LittleEndian.AppendUint64(b.fixed[0], uint64(p.weights[at]))
		b.blobs[1].data = append(b.blobs[1].data, p.rest(at)...)
		b.blobs[1].end()
		upserts++
	}
	b.op(opUpsert, upserts)
	v.Discard()
	return TableDelta{Table: v.spec.ID, Rows: b.record()}
}

// Discard implements Table.
func (v *View) Discard() {
	for _, slot := range v.changed {
		v.dirty[slot>>6] &^= 1 << (slot & 63)
	}
	v.changed = shrink(v.changed)
	if cap(v.gone.data) > 1<<20 {
		v.gone.data = nil
	}
	v.gone.offs, v.gone.data = v.gone.offs[:1], v.gone.data[:0]
	v.cleared = false
}

// Apply implements Table.
func (v *View) Apply(rec arrow.Record, accept func(hash uint64) bool) error {
	l, err := readLogged(rec, v.deltas, false)
	if err != nil {
		return fmt.Errorf("load view %s: %w", v.spec.Name, err)
	}
	if accept != nil && !accept(0) {
		return nil
	}
	weights, rests := l.vals[0].(*array.Int64), l.vals[1].(*array.Binary)
	builders := changelog.NewBuilders(v.types())
	scratch := newScratch(v.codec)
	for i := range l.n {
		key := l.keys.Value(i)
		switch l.ops[i] {
		case opPrefix:
			if len(key) > 0 {
				return fmt.Errorf("load view %s: a range of keys", v.spec.Name)
			}
			v.reset()
			continue
		case opDelete, opUpsert:
		default:
			return fmt.Errorf("load view %s: operation %d", v.spec.Name, l.ops[i])
		}
		tag := uint32(changelog.HashBytes(key))
		if slot := v.find(tag, key); slot != NoSlot {
			v.remove(tag, slot)
		}
		if l.ops[i] == opUpsert {
			// Readers decode rows long after this: what is not sound is found here.
			if err := v.codec.decode(key, rests.Value(i), builders, scratch.key, scratch.rest); err != nil || weights.Value(i) <= 0 {
				return fmt.Errorf("load view %s: row %x with weight %d: %w", v.spec.Name, key, weights.Value(i), errKey)
			}
			v.put(tag, key, rests.Value(i), weights.Value(i))
		}
		if i%4096 == 4095 {
			builders = changelog.NewBuilders(v.types())
		}
	}
	v.Discard()
	return nil
}

func (v *View) types() []types.Type {
	ts := make([]types.Type, len(v.schema))
	for i, f := range v.schema {
		ts[i] = f.Type
	}
	return ts
}

// Len implements Table: different rows.
func (v *View) Len() int { return v.count }

// Bytes implements Table.
func (v *View) Bytes() int64 {
	var indexes int64
	for _, x := range v.indexes {
		indexes += x.bytes()
	}
	return indexes + v.size + v.idx.bytes() + int64(len(v.pages))*(viewPageSize*20+64) + int64(cap(v.free))*4
}
