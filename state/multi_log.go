package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// keyLen is the length of a logged key.
func (t *Multi) keyLen() int {
	if t.timeAt >= 0 {
		return 24
	}
	return 16
}

func (t *Multi) appendKey(dst []byte, slot uint32) []byte {
	if t.timeAt >= 0 {
		dst = appendBucket(dst, t.bucketOf(slot))
	}
	p := t.mem(slot)
	dst = binary.BigEndian.AppendUint64(dst, *u64At(p, multiNumber)&numberMask)
	return binary.BigEndian.AppendUint64(dst, *u64At(p, multiHash))
}

func appendBucket(dst []byte, id int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(id)^1<<63)
}

// Delta implements Table.
func (t *Multi) Delta() TableDelta {
	n := t.keyLen()
	b := newDeltaBuilder(&t.spec, t.schema, false, len(t.changed)+len(t.gone)/n+len(t.dropped))
	key := func(k []byte) {
		b.keys.data = append(b.keys.data, k...)
		b.keys.end()
	}
	for _, id := range t.dropped {
		b.keys.data = appendBucket(b.keys.data, id)
		b.keys.end()
	}
	b.noValues(&t.spec, len(t.dropped))
	b.op(opPrefix, len(t.dropped))
	for at := 0; at < len(t.gone); at += n {
		key(t.gone[at : at+n])
	}
	b.noValues(&t.spec, len(t.gone)/n)
	b.op(opDelete, len(t.gone)/n)

	rows, changed := 0, t.changed[:0:len(t.changed)]
	for _, slot := range t.changed {
		p := t.mem(slot)
		if number := *u64At(p, multiNumber); number&flagLive == 0 {
			if number&flagDirty != 0 {
				*u64At(p, multiNumber) &^= flagDirty
			}
			continue
		}
		rows++
		changed = append(changed, slot)
	}
	// The columns are filled one by one: weights and counts are words, the rows lie as they are logged.
	for _, slot := range changed {
		b.keys.data = t.appendKey(b.keys.data, slot)
		b.keys.end()
	}
	col := 0
	b.fixed[col] = t.appendWords(b.fixed[col], changed, multiWeight)
	if t.countAt >= 0 {
		col++
		b.fixed[col] = t.appendWords(b.fixed[col], changed, t.countAt)
	}
	s := b.blobs[col+1]
	need := len(s.data) + rows*t.layout.fixed
	if t.layout.end >= 0 {
		for _, slot := range changed {
			need += t.layout.blobLen(t.fixedOf(slot))
		}
	}
	if cap(s.data) < need {
		s.data = append(make([]byte, 0, need), s.data...)
	}
	for _, slot := range changed {
		s.data = append(s.data, t.fixedOf(slot)...)
		s.data = append(s.data, t.blobOf(slot)...)
		s.end()
	}
	b.op(opUpsert, rows)
	t.changed = changed
	t.Discard()
	return TableDelta{Table: t.spec.ID, Rows: b.record()}
}

func (t *Multi) appendWords(dst []byte, slots []uint32, at int) []byte {
	for _, slot := range slots {
		dst = binary.LittleEndian.AppendUint64(dst, *u64At(t.mem(slot), at))
	}
	return dst
}

// Discard implements Table.
func (t *Multi) Discard() {
	for _, slot := range t.changed {
		*u64At(t.mem(slot), multiNumber) &^= flagDirty | flagFresh
	}
	for _, slot := range t.dead {
		if t.blobAt >= 0 {
			if n := t.layout.blobLen(t.fixedOf(slot)); n > 0 {
				t.blobs.drop(*u64At(t.mem(slot), t.blobAt), n)
			}
		}
		*u64At(t.mem(slot), multiNumber) = 0
	}
	t.free = append(t.free, t.dead...)
	t.dead, t.changed = shrink(t.dead), shrink(t.changed)
	if t.old = t.old[:0]; cap(t.old) > 1<<18 {
		t.old = nil
	}
	if t.gone = t.gone[:0]; cap(t.gone) > 1<<20 {
		t.gone = nil
	}
	t.dropped = t.dropped[:0]
	if t.blobs.wasteful() {
		t.compact()
	}
}

// Apply implements Table.
func (t *Multi) Apply(rec arrow.Record, accept func(hash uint64) bool) error {
	l, err := readLogged(rec, t.schema, false)
	if err == nil {
		err = t.apply(l, accept)
	}
	if err != nil {
		return fmt.Errorf("load table %s: %w", t.spec.Name, err)
	}
	t.Discard()
	return nil
}

func (t *Multi) apply(l *logged, accept func(hash uint64) bool) error {
	n := t.keyLen()
	weights := l.vals[0].(*array.Int64).Int64Values()
	var counts []int64
	if t.countAt >= 0 {
		counts = l.vals[1].(*array.Int64).Int64Values()
	}
	rows := l.vals[len(l.vals)-1].(*array.Binary)
	for i := range l.n {
		key := l.keys.Value(i)
		if l.ops[i] == opPrefix {
			switch {
			case len(key) == 0:
				t.clear()
			case t.timeAt >= 0 && len(key) == 8:
				t.dropBucket(int64(binary.BigEndian.Uint64(key) ^ 1<<63))
			default:
				return fmt.Errorf("range %x: %w", key, errKey)
			}
			continue
		}
		if len(key) != n {
			return fmt.Errorf("key %x: %w", key, errKey)
		}
		number, hash := binary.BigEndian.Uint64(key[n-16:]), binary.BigEndian.Uint64(key[n-8:])
		if number == 0 || number > numberMask {
			return fmt.Errorf("key %x: %w", key, errKey)
		}
		t.number = max(t.number, number)
		if accept != nil && !accept(t.routed(hash)) {
			continue
		}
		switch l.ops[i] {
		case opDelete:
			if slot := t.numbered(hash, number); slot != NoSlot {
				t.byID.remove(idTag(hash, number), slot)
				t.unlink(slot)
			}
		case opUpsert:
			row := rows.Value(i)
			if err := t.layout.check(row); err != nil {
				return err
			}
			t.load(hash, number, row)
			slot := t.changed[0]
			t.changed = t.changed[:0]
			t.setWeight(slot, weights[i])
			if counts != nil {
				*t.Count(slot) = counts[i]
			}
		default:
			return fmt.Errorf("operation %d", l.ops[i])
		}
	}
	return nil
}

// load takes a row in under its number and leaves its slot in t.changed. The row replaces one of that number.
func (t *Multi) load(hash, number uint64, row []byte) {
	fixed, blob := row[:t.layout.fixed], row[t.layout.fixed:]
	m := &t.one
	m.l, m.n, m.fixed, m.blob = &t.layout, 1, fixed, blob
	m.blobAt, m.hashes = append(m.blobAt[:0], 0, uint32(len(blob))), append(m.hashes[:0], hash)
	if number <= t.loaded { // else it is new
		if slot := t.numbered(hash, number); slot != NoSlot {
			if bytes.Equal(t.fixedOf(slot), fixed) && bytes.Equal(t.blobOf(slot), blob) {
				t.changed = append(t.changed[:0], slot)
				return
			}
			t.byID.remove(idTag(hash, number), slot)
			t.unlink(slot)
		}
	}
	t.loaded = max(t.loaded, number)
	slot := t.insert(hash, t.find(t, m, 0), number, fixed, blob)
	if t.byID != nil {
		t.byID.insert(idTag(hash, number), slot)
	}
	if t.multi.Identity {
		t.whole.insert(rowTag(fixed, blob), slot)
	}
	t.changed = append(t.changed[:0], slot)
}

func idTag(hash, number uint64) uint32 {
	hi, lo := bits.Mul64(hash^number*0x9e3779b97f4a7c15, 0xd6e8feb86659fd93)
	return uint32(hi ^ lo)
}

// numbered returns the row of a number, or NoSlot. It makes the index by number, which lives while rows are loaded.
func (t *Multi) numbered(hash, number uint64) uint32 {
	if t.byID == nil {
		x := newIndex()
		t.byID = &x
		for slot := range t.n {
			if p := t.mem(slot); *u64At(p, multiNumber)&flagLive != 0 {
				x.insert(idTag(*u64At(p, multiHash), *u64At(p, multiNumber)&numberMask), slot)
			}
		}
	}
	tag := idTag(hash, number)
	s := t.byID.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return NoSlot
		}
		if uint32(e>>32) == tag {
			p := t.mem(uint32(e) - 1)
			if *u64At(p, multiHash) == hash && *u64At(p, multiNumber)&numberMask == number {
				return uint32(e) - 1
			}
		}
	}
}

// dropBucket forgets all rows of a bucket.
func (t *Multi) dropBucket(id int64) {
	for s := t.buckets.heads[id]; s != 0; {
		slot := s - 1
		p := t.mem(slot)
		s = *u32At(p, t.timeAt)
		if t.byID != nil {
			t.byID.remove(idTag(*u64At(p, multiHash), *u64At(p, multiNumber)&numberMask), slot)
		}
		t.unlink(slot)
	}
}

// clear removes all rows without a trace.
func (t *Multi) clear() {
	spec := t.multi
	*t = *NewMulti(spec)
}
