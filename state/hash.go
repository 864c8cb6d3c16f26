package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Hash is a keyed table: rows are found by key through open addressing and addressed by slot from then on. A slot stays
// while its row lives. NULL equals NULL in a key.
type Hash struct {
	rows
	key    []types.Type // spec.Key, for a window's table without the window id
	enc    *changelog.Encoder
	schema *arrow.Schema // of deltas
	idx    index

	mode     keyMode
	words    [][][]uint64 // keyWord, keyWords: by word, then page
	nulls    [][]uint8    // keyWords: pages of NULL bits
	nullSlot uint32       // keyWord: the row whose key is NULL; keyNone: the row
	deadNull []uint32     // keyWord: rows with the key NULL that were deleted in this epoch
	refs     [][]uint64   // keyBytes: pages of references into the arena
	tags     [][]uint32   // keyBytes: pages of hash tags
	arena    arena

	// Scratch of one call.
	batch  [][]uint64
	masks  []uint8
	hashes []uint64
	buf    []byte
	offs   []int
}

// NewHash makes an empty table.
func NewHash(spec Spec) *Hash {
	s := spec
	return newHash(&s, s.Key)
}

func newHash(spec *Spec, key []types.Type) *Hash {
	h := &Hash{key: key, nullSlot: NoSlot, idx: newIndex()}
	h.init(spec)
	var words int
	h.mode, words = chooseKeyMode(key)
	h.words = make([][][]uint64, words)
	h.batch = make([][]uint64, words)
	h.enc = changelog.NewEncoder(key, nil)
	h.schema = deltaSchema(spec, h.enc.HasRepr())
	return h
}

// FindOrInsert sets slots[i] to the slot of the i-th selected key, making rows (all zero) for keys that are new, and returns
// added with the slots of the rows it made appended. New rows are not marked changed: see Touch.
func (h *Hash) FindOrInsert(keys KeyBatch, slots []uint32, added []uint32) []uint32 {
	n := keys.Rows()
	if n == 0 {
		return added
	}
	return h.probe(&keys, slots[:n], added, true)
}

// Find sets slots[i] to the slot of the i-th selected key, or NoSlot.
func (h *Hash) Find(keys KeyBatch, slots []uint32) {
	if n := keys.Rows(); n > 0 {
		h.probe(&keys, slots[:n], nil, false)
	}
}

func (h *Hash) probe(keys *KeyBatch, slots, added []uint32, insert bool) []uint32 {
	n := len(slots)
	hashes := keys.Hashes
	if hashes == nil && h.mode != keyNone {
		h.hashes = resize(h.hashes, n)
		changelog.Hash(keys.Cols, h.key, keys.N, keys.Sel, h.hashes)
		hashes = h.hashes
	}
	switch h.mode {
	case keyNone:
		if h.nullSlot == NoSlot && insert {
			h.nullSlot = h.newRow()
			added = append(added, h.nullSlot)
		}
		for i := range slots {
			slots[i] = h.nullSlot
		}
		return added
	case keyWord:
		var words [2][]uint64
		words[0] = h.batch[0]
		h.masks = resize(h.masks, n)
		hasNull := keys.Cols[0].NullN() > 0
		if hasNull {
			clear(h.masks)
		}
		wordsOf(keys.Cols[0], keys.Sel, n, &words, h.masks, 1)
		h.keepScratch(0, words[0], keys)
		if hasNull {
			return h.probeWordNulls(words[0], hashes, slots, added, insert)
		}
		if !insert {
			h.findWord(words[0], hashes, slots)
			return added
		}
		if h.n >= manyRows {
			return h.insertWordGroups(words[0], hashes, slots, added)
		}
		return h.insertWord(words[0], hashes, slots, added)
	case keyWords:
		h.masks = resize(h.masks, n)
		clear(h.masks)
		w := 0
		var words [4][]uint64
		for c, t := range h.key {
			var dst [2][]uint64
			k := fixedWords(t)
			copy(dst[:k], h.batch[w:])
			wordsOf(keys.Cols[c], keys.Sel, n, &dst, h.masks, 1<<c)
			for j := range k {
				words[w+j] = dst[j]
				if j > 0 || keys.Sel != nil || t.Kind != types.Int8 {
					h.batch[w+j] = dst[j]
				}
			}
			w += k
		}
		return h.probeWords(words[:w], hashes, slots, added, insert)
	}
	h.encodeKeys(keys, n)
	return h.probeBytes(hashes, slots, added, insert)
}

// keepScratch remembers a scratch slice for the next batch, unless it is the batch's own column.
func (h *Hash) keepScratch(w int, words []uint64, keys *KeyBatch) {
	if _, own := keys.Cols[0].(*array.Int64); !own || keys.Sel != nil {
		h.batch[w] = words
	}
}

// newRow makes a row; the caller sets its key and enters it into the index.
func (h *Hash) newRow() uint32 {
	slot, grown := h.alloc()
	if grown {
		for w := range h.words {
			h.words[w] = growPages(h.words[w], h.room)
		}
		switch h.mode {
		case keyWords:
			h.nulls = growPages(h.nulls, h.room)
		case keyBytes:
			h.refs = growPages(h.refs, h.room)
			h.tags = growPages(h.tags, h.room)
		}
	}
	return slot
}

// insertWord is the fast path: one key column without NULLs.
func (h *Hash) insertWord(words, hashes []uint64, slots, added []uint32) []uint32 {
	hashes, slots = hashes[:len(words)], slots[:len(words)]
	pages := h.words[0]
rows:
	for i, w := range words {
		tag := uint32(hashes[i])
		s := h.idx.segment(tag)
		at := tag & s.mask
		for {
			e := s.entries[at]
			if e == 0 {
				break
			}
			if slot := uint32(e) - 1; uint32(e>>32) == tag && pages[slot>>pageBits][slot&pageMask] == w {
				slots[i] = slot
				continue rows
			}
			at = (at + 1) & s.mask
		}
		slot := h.newRow()
		pages = h.words[0]
		pages[slot>>pageBits][slot&pageMask] = w
		if s.n < s.limit {
			s.entries[at] = uint64(tag)<<32 | uint64(slot+1)
			s.n++
		} else {
			h.idx.insert(tag, slot)
		}
		slots[i] = slot
		added = append(added, slot)
	}
	return added
}

// manyRows is how many rows make a table too large for the processor's caches, where the order of memory accesses decides.
const manyRows = 1 << 16

// insertWordGroups does the work of insertWord for a large table, where nearly each index entry and each key is far away in memory: it loads the
// entries of a group of rows first, then the keys that they lead to, so that no load waits for what another row of the group decides. What is not
// found at its first place goes the usual way, whose memory is near by then. (Filling a table of 10 million keys takes three quarters of the time.)
func (h *Hash) insertWordGroups(words, hashes []uint64, slots, added []uint32) []uint32 {
	const group = 32
	var entries, keys [group]uint64
	for len(words) > 0 {
		n := min(group, len(words))
		for i := range n {
			tag := uint32(hashes[i])
			s := h.idx.segment(tag)
			entries[i] = s.entries[tag&s.mask]
		}
		pages := h.words[0]
		for i := range n {
			slot := uint32(0) // any that exists
			if e := entries[i]; e != 0 && uint32(e>>32) == uint32(hashes[i]) {
				slot = uint32(e) - 1
			}
			keys[i] = pages[slot>>pageBits][slot&pageMask]
		}
		for i := range n {
			// A row keeps its slot and its key during the call, so what was loaded is still right after others were inserted.
			if e := entries[i]; e != 0 && uint32(e>>32) == uint32(hashes[i]) && keys[i] == words[i] {
				slots[i] = uint32(e) - 1
			} else {
				added = h.insertWord(words[i:i+1], hashes[i:i+1], slots[i:i+1], added)
			}
		}
		words, hashes, slots = words[n:], hashes[n:], slots[n:]
	}
	return added
}

func (h *Hash) findWord(words, hashes []uint64, slots []uint32) {
	pages := h.words[0]
rows:
	for i, w := range words {
		tag := uint32(hashes[i])
		s := h.idx.segment(tag)
		for at := tag & s.mask; ; at = (at + 1) & s.mask {
			e := s.entries[at]
			if e == 0 {
				slots[i] = NoSlot
				continue rows
			}
			if slot := uint32(e) - 1; uint32(e>>32) == tag && pages[slot>>pageBits][slot&pageMask] == w {
				slots[i] = slot
				continue rows
			}
		}
	}
}

// probeWordNulls is one key column with NULLs among its values, whose row is kept apart from the index.
func (h *Hash) probeWordNulls(words, hashes []uint64, slots, added []uint32, insert bool) []uint32 {
	for i := range words {
		switch {
		case h.masks[i] == 0 && insert:
			added = h.insertWord(words[i:i+1], hashes[i:i+1], slots[i:i+1], added)
			continue
		case h.masks[i] == 0:
			h.findWord(words[i:i+1], hashes[i:i+1], slots[i:i+1])
			continue
		case h.nullSlot == NoSlot && insert:
			h.nullSlot = h.newRow()
			h.words[0][h.nullSlot>>pageBits][h.nullSlot&pageMask] = 0
			added = append(added, h.nullSlot)
		}
		slots[i] = h.nullSlot
	}
	return added
}

func (h *Hash) probeWords(words [][]uint64, hashes []uint64, slots, added []uint32, insert bool) []uint32 {
rows:
	for i := range slots {
		tag := uint32(hashes[i])
		s := h.idx.segment(tag)
		at := tag & s.mask
	entries:
		for ; ; at = (at + 1) & s.mask {
			e := s.entries[at]
			if e == 0 {
				break
			}
			if uint32(e>>32) != tag {
				continue
			}
			slot := uint32(e) - 1
			if h.nulls[slot>>pageBits][slot&pageMask] != h.masks[i] {
				continue
			}
			for w := range words {
				if h.words[w][slot>>pageBits][slot&pageMask] != words[w][i] {
					continue entries
				}
			}
			slots[i] = slot
			continue rows
		}
		if !insert {
			slots[i] = NoSlot
			continue
		}
		slot := h.newRow()
		for w := range words {
			h.words[w][slot>>pageBits][slot&pageMask] = words[w][i]
		}
		h.nulls[slot>>pageBits][slot&pageMask] = h.masks[i]
		h.idx.insert(tag, slot)
		slots[i] = slot
		added = append(added, slot)
	}
	return added
}

// encodeKeys encodes the selected keys into h.buf: for the i-th, the key lies at [offs[2i], offs[2i+1]) and its representation
// at [offs[2i+1], offs[2i+2]).
func (h *Hash) encodeKeys(keys *KeyBatch, n int) {
	h.enc.Reset(keys.Cols)
	h.buf, h.offs = h.buf[:0], append(h.offs[:0], 0)
	for i := range n {
		row := i
		if keys.Sel != nil {
			row = int(keys.Sel[i])
		}
		h.buf = h.enc.Append(h.buf, row)
		h.offs = append(h.offs, len(h.buf))
		h.buf = h.enc.AppendRepr(h.buf, row)
		h.offs = append(h.offs, len(h.buf))
	}
}

func (h *Hash) probeBytes(hashes []uint64, slots, added []uint32, insert bool) []uint32 {
rows:
	for i := range slots {
		key := h.buf[h.offs[2*i]:h.offs[2*i+1]]
		tag := uint32(hashes[i])
		s := h.idx.segment(tag)
		at := tag & s.mask
		for ; ; at = (at + 1) & s.mask {
			e := s.entries[at]
			if e == 0 {
				break
			}
			if uint32(e>>32) != tag {
				continue
			}
			slot := uint32(e) - 1
			if stored, _ := h.keyBytes(slot); bytes.Equal(stored, key) {
				slots[i] = slot
				continue rows
			}
		}
		if !insert {
			slots[i] = NoSlot
			continue
		}
		slot := h.newRow()
		h.refs[slot>>pageBits][slot&pageMask] = h.storeKey(key, h.buf[h.offs[2*i+1]:h.offs[2*i+2]])
		h.tags[slot>>pageBits][slot&pageMask] = tag
		h.idx.insert(tag, slot)
		slots[i] = slot
		added = append(added, slot)
	}
	return added
}

// storeKey keeps a key and its representation: the key alone where no representation exists, else the key's length first.
func (h *Hash) storeKey(key, repr []byte) uint64 {
	if !h.enc.HasRepr() {
		return h.arena.add(key)
	}
	b := binary.AppendUvarint(make([]byte, 0, 64), uint64(len(key)))
	b = append(b, key...)
	return h.arena.add(b, repr...)
}

// keyBytes returns the encoded key and representation of a slot in keyBytes mode.
func (h *Hash) keyBytes(slot uint32) (key, repr []byte) {
	b := h.arena.get(h.refs[slot>>pageBits][slot&pageMask])
	if !h.enc.HasRepr() {
		return b, nil
	}
	n, k := binary.Uvarint(b)
	return b[k : k+int(n)], b[k+int(n):]
}

// Delete removes a live row and marks it changed. Its slot is not reused, and its columns can still be read, until Delta or
// Discard.
func (h *Hash) Delete(slot uint32) {
	if slot == h.nullSlot {
		h.nullSlot = NoSlot
		h.deadNull = append(h.deadNull, slot)
	} else {
		h.idx.remove(h.tag(slot), slot)
	}
	h.kill(slot)
}

func (h *Hash) tag(slot uint32) uint32 {
	p, at := slot>>pageBits, slot&pageMask
	switch h.mode {
	case keyWord:
		return uint32(hashWord(h.key[0], changelog.EmptyHash, h.words[0][p][at], 0, false))
	case keyWords:
		hash, w := changelog.EmptyHash, 0
		for c, t := range h.key {
			lo, hi := h.words[w][p][at], uint64(0)
			k := fixedWords(t)
			if k == 2 {
				hi = h.words[w+1][p][at]
			}
			hash = hashWord(t, hash, lo, hi, h.nulls[p][at]>>c&1 != 0)
			w += k
		}
		return uint32(hash)
	}
	return h.tags[p][at]
}

// AppendKeys appends the keys of rows to builders, one per key column (Spec.Key; for a window's Hash without the window id).
func (h *Hash) AppendKeys(slots []uint32, out []array.Builder) {
	for _, b := range out {
		b.Reserve(len(slots))
	}
	switch h.mode {
	case keyWord:
		if b, ok := out[0].(*array.Int64Builder); ok && h.nullSlot == NoSlot && len(h.deadNull) == 0 {
			for _, s := range slots {
				b.UnsafeAppend(int64(h.words[0][s>>pageBits][s&pageMask]))
			}
			return
		}
		for _, s := range slots {
			if s == h.nullSlot || slices.Contains(h.deadNull, s) {
				out[0].AppendNull()
			} else {
				appendWord(out[0], h.words[0][s>>pageBits][s&pageMask], 0)
			}
		}
	case keyWords:
		w := 0
		for c, t := range h.key {
			k := fixedWords(t)
			for _, s := range slots {
				p, at := s>>pageBits, s&pageMask
				if h.nulls[p][at]>>c&1 != 0 {
					out[c].AppendNull()
				} else {
					appendWord(out[c], h.words[w][p][at], h.words[w+k-1][p][at])
				}
			}
			w += k
		}
	case keyBytes:
		for _, s := range slots {
			key, repr := h.keyBytes(s)
			if _, err := h.enc.Decode(key, repr, out); err != nil {
				panic("state: key in memory: " + err.Error())
			}
		}
	}
}

// Keys returns the keys of rows as arrays, one per key column.
func (h *Hash) Keys(slots []uint32) []arrow.Array {
	builders := changelog.NewBuilders(h.key)
	h.AppendKeys(slots, builders)
	return finish(builders)
}

func finish(builders []array.Builder) []arrow.Array {
	out := make([]arrow.Array, len(builders))
	for i, b := range builders {
		out[i] = b.NewArray()
	}
	return out
}

// Bytes implements Table.
func (h *Hash) Bytes() int64 {
	n := h.bytes() + h.idx.bytes() + h.arena.size
	switch h.mode {
	case keyWords:
		n += int64(h.room) * int64(8*len(h.words)+1)
	case keyBytes:
		n += int64(h.room) * 12
	case keyWord:
		n += int64(h.room) * 8
	}
	return n
}

// Delta implements Table.
func (h *Hash) Delta() TableDelta {
	b := newDeltaBuilder(h.spec, h.schema, h.enc.HasRepr(), len(h.changed)+len(h.deleted))
	h.appendDelta(b, nil)
	h.Discard()
	return TableDelta{Table: h.spec.ID, Rows: b.record()}
}

// appendDelta appends the epoch's tombstones and new rows, each key after prefix.
func (h *Hash) appendDelta(b *deltaBuilder, prefix []byte) {
	h.appendEncodedKeys(b, prefix, h.deleted)
	b.noValues(h.spec, len(h.deleted))
	b.op(opDelete, len(h.deleted))

	changed := h.changed
	for _, slot := range h.changed {
		if !h.Live(slot) {
			changed = h.Changed(nil)
			break
		}
	}
	h.appendEncodedKeys(b, prefix, changed)
	b.values(&h.rows, changed)
	b.op(opUpsert, len(changed))
}

func (h *Hash) appendEncodedKeys(b *deltaBuilder, prefix []byte, slots []uint32) {
	if len(slots) == 0 {
		return
	}
	switch {
	case h.mode == keyBytes:
		for _, slot := range slots {
			key, repr := h.keyBytes(slot)
			b.keys.data = append(append(b.keys.data, prefix...), key...)
			b.keys.end()
			if b.repr != nil {
				b.repr.data = append(b.repr.data, repr...)
				b.repr.end()
			}
		}
	default:
		h.enc.Reset(h.Keys(slots))
		for i := range slots {
			b.keys.data = h.enc.Append(append(b.keys.data, prefix...), i)
			b.keys.end()
		}
	}
}

// Discard implements Table.
func (h *Hash) Discard() {
	if h.mode == keyBytes {
		for _, slot := range h.deleted {
			ref := &h.refs[slot>>pageBits][slot&pageMask]
			h.arena.drop(*ref)
			*ref = 0
		}
		if h.arena.wasteful() {
			h.arena.compact(h.refs, h.Live)
		}
	}
	h.deadNull = h.deadNull[:0]
	h.settle()
}

// Apply implements Table.
func (h *Hash) Apply(rec arrow.Record, accept func(hash uint64) bool) error {
	l, err := readLogged(rec, h.schema, h.enc.HasRepr())
	if err != nil {
		return fmt.Errorf("load table %s: %w", h.spec.Name, err)
	}
	rows := make([]uint32, l.n)
	for i := range rows {
		rows[i] = uint32(i)
	}
	for len(rows) > 0 {
		op, n := l.ops[rows[0]], 1
		for n < len(rows) && l.ops[rows[n]] == op {
			n++
		}
		if op == opPrefix {
			if key := l.keys.Value(int(rows[0])); len(key) > 0 {
				return fmt.Errorf("load table %s: range %x: %w", h.spec.Name, key, errKey)
			}
			h.clear()
		} else if err := h.applyRows(l, op, rows[:n], 0, accept); err != nil {
			return err
		}
		rows = rows[n:]
	}
	h.Discard()
	return nil
}

// applyRows takes in rows of one operation, whose keys start after skip bytes. The rows' routing hash is checked against accept if the
// whole key is the table's.
func (h *Hash) applyRows(l *logged, op uint8, from []uint32, skip int, accept func(hash uint64) bool) error {
	cols, err := h.decodeKeys(l, from, skip)
	if err != nil {
		return fmt.Errorf("load table %s: %w", h.spec.Name, err)
	}
	keys := KeyBatch{Cols: cols, N: len(from)}
	if accept != nil {
		keys.Sel = acceptRows(cols[:h.spec.Dist], h.key[:h.spec.Dist], len(from), accept)
		if len(keys.Sel) < len(from) {
			kept := make([]uint32, len(keys.Sel))
			for i, row := range keys.Sel {
				kept[i] = from[row]
			}
			from = kept
		} else {
			keys.Sel = nil
		}
	}
	slots := make([]uint32, len(from))
	switch op {
	case opUpsert:
		h.FindOrInsert(keys, slots, nil)
		h.set(l, from, slots)
	case opDelete:
		h.Find(keys, slots)
		for _, slot := range slots {
			if slot != NoSlot && h.Live(slot) {
				h.Delete(slot)
			}
		}
	default:
		return fmt.Errorf("load table %s: operation %d", h.spec.Name, op)
	}
	return nil
}

var errKey = errors.New("not a key of this table")

// decodeKeys returns the key columns of logged rows.
func (h *Hash) decodeKeys(l *logged, from []uint32, skip int) ([]arrow.Array, error) {
	builders := changelog.NewBuilders(h.key)
	for _, b := range builders {
		b.Reserve(len(from))
	}
	if h.mode == keyWord && h.key[0].Kind == types.Int8 {
		b := builders[0].(*array.Int64Builder)
		for _, row := range from {
			key := l.keys.Value(int(row))
			if len(key) < skip {
				return nil, fmt.Errorf("key of %d bytes", len(key))
			}
			v, ok := encodedInt64(key[skip:])
			if !ok {
				if !bytes.Equal(key[skip:], []byte{2}) {
					return nil, fmt.Errorf("key %x is not a bigint", key)
				}
				b.AppendNull()
				continue
			}
			b.UnsafeAppend(v)
		}
		return finish(builders), nil
	}
	for _, row := range from {
		key := l.keys.Value(int(row))
		if len(key) < skip {
			return nil, fmt.Errorf("key of %d bytes", len(key))
		}
		var repr []byte
		if l.repr != nil && len(l.repr.Value(int(row))) > 0 {
			repr = l.repr.Value(int(row))
		}
		rest, err := h.enc.Decode(key[skip:], repr, builders)
		if err != nil || len(rest) > 0 {
			return nil, fmt.Errorf("key %x: %w", key, errKey)
		}
	}
	return finish(builders), nil
}

// acceptRows returns the rows whose routing hash is accepted.
func acceptRows(dist []arrow.Array, ts []types.Type, n int, accept func(hash uint64) bool) []uint32 {
	hashes := make([]uint64, n)
	if len(dist) > 0 {
		changelog.Hash(dist, ts, n, nil, hashes)
	}
	sel := make([]uint32, 0, n)
	for i, hash := range hashes {
		if accept(hash) {
			sel = append(sel, uint32(i))
		}
	}
	return sel
}

// clear removes all rows without a trace.
func (h *Hash) clear() {
	fresh := newHash(h.spec, h.key)
	copy(h.cols, fresh.cols) // the columns' addresses stay
	fresh.cols = h.cols
	*h = *fresh
}
