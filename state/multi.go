package state

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// MultiSpec describes a Multi.
type MultiSpec struct {
	ID   TableID
	Name string       // for people
	Cols []types.Type // of a row
	Keys []int        // columns by which rows are found; none: all rows have one key
	// NullSafe says that NULL may occur in a key and equals NULL. Without it rows with a NULL in the key must not come.
	NullSafe bool
	// Identity says that rows that are the same in all columns are one row, whose weights add up. Without it each row
	// that is added is a row of its own: right for rows that are never taken back.
	Identity bool
	// OnePerKey says that rows of one key are one row, whichever comes first; it includes Identity.
	OnePerKey bool
	// Sticky, with OnePerKey, says that rows are only ever added: a key that is there stays as it is.
	Sticky bool
	// Counted gives each row a count beside its weight.
	Counted bool
	// Time is a column of 8 bytes by which Expire finds rows; -1: none.
	Time int
}

// Multi is a table of many rows a key: the row store of joins. Rows are found by key through open addressing, and lie
// there in chains; a row is one stretch of memory (see rowLayout) with a weight, addressed by slot. A slot stays while its row
// lives. Adding a row changes that row alone.
//
//	logged row: _key = [bucket of its time] number of the row, hash of its key (8 bytes each, big endian); weight, [count], row
//
// Rows are numbered as they come, so that logs and snapshots are in that order. Workers number for themselves: rows of
// one hash are always on one worker, and a table that is loaded goes on above all numbers that it saw.
//
// Unlike other tables it keeps rows of any weight, zero and below too, until Prune.
type Multi struct {
	spec   Spec
	multi  MultiSpec
	layout rowLayout
	schema *arrow.Schema
	exact  bool   // equal hashes are equal keys
	number uint64 // of the row that came last
	loaded uint64 // while rows are loaded: the highest number among those that were taken in

	// A slot's memory: next and previous slot of the chain + 1 (4 bytes each), hash of the key, number and flags, weight, then
	// those of: count, [place of the blob], [next and previous slot of the bucket + 1, 4 bytes each]; and the row.
	pages    [][]byte
	stride   int
	countAt  int
	blobAt   int
	timeAt   int // links of the bucket
	rowAt    int
	timeCol  int // of the time in the row
	seenNull []bool

	n, room uint32
	count   int
	heavy   int // rows whose weight is not 1

	keys    index // the first row of each key
	whole   index // with Identity: each row
	blobs   blobs
	buckets buckets

	free    []uint32
	changed []uint32   // in this epoch, in order
	old     []MultiOld // beside changed
	dead    []uint32   // deleted in this epoch; still to be read
	gone    []byte     // their keys in the log, one behind the other
	dropped []int64    // buckets that are gone as a whole
	byID    *index     // only while rows are loaded

	// Scratch of one call.
	heads []uint32
	tags  []uint32
	one   RowImages
	sum   uint64 // keeps loads alive that are made for their sake
}

// MultiOld is how a row was before the epoch changed it. A row that is new in the epoch has no weight.
type MultiOld struct{ Weight, Count int64 }

const (
	multiNext   = 0
	multiPrev   = 4
	multiHash   = 8
	multiNumber = 16
	multiWeight = 24
	multiHeader = 32

	flagLive   = 1 << 63
	flagDirty  = 1 << 62
	flagFresh  = 1 << 61 // new in this epoch: the log does not know it
	flagPassed = 1 << 60 // in no bucket
	numberMask = 1<<56 - 1
)

// NewMulti makes an empty table.
func NewMulti(spec MultiSpec) *Multi {
	t := &Multi{multi: spec, layout: newRowLayout(spec.Cols), keys: newIndex(), whole: newIndex(), countAt: -1, blobAt: -1, timeAt: -1}
	t.spec = Spec{ID: spec.ID, Name: spec.Name, Dist: len(spec.Keys), Value: []ColumnSpec{{Name: "weight", Kind: Int64}}}
	for _, k := range spec.Keys {
		t.spec.Key = append(t.spec.Key, spec.Cols[k])
	}
	at := multiHeader
	if spec.Counted {
		t.spec.Value = append(t.spec.Value, ColumnSpec{Name: "count", Kind: Int64})
		t.countAt = at
		at += 8
	}
	t.spec.Value = append(t.spec.Value, ColumnSpec{Name: "row", Kind: Bytes})
	if t.layout.end >= 0 {
		t.blobAt = at
		at += 8
	}
	if spec.Time >= 0 {
		t.timeAt, t.timeCol = at, t.layout.cols[spec.Time].at
		at += 8
		t.buckets.init()
	}
	t.rowAt = at
	t.stride = (at + t.layout.fixed + 7) &^ 7
	t.schema = deltaSchema(&t.spec, false)
	t.seenNull = make([]bool, len(spec.Cols))
	t.exact = len(spec.Keys) == 1 && fixedWords(t.spec.Key[0]) == 1 && !spec.NullSafe
	return t
}

func (t *Multi) mem(slot uint32) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(unsafe.SliceData(t.pages[slot>>pageBits])), uintptr(slot&pageMask)*uintptr(t.stride))
}

func u32At(p unsafe.Pointer, at int) *uint32 { return (*uint32)(unsafe.Add(p, at)) }
func u64At(p unsafe.Pointer, at int) *uint64 { return (*uint64)(unsafe.Add(p, at)) }
func i64At(p unsafe.Pointer, at int) *int64  { return (*int64)(unsafe.Add(p, at)) }

func (t *Multi) fixedOf(slot uint32) []byte {
	at := int(slot&pageMask)*t.stride + t.rowAt
	return t.pages[slot>>pageBits][at : at+t.layout.fixed : at+t.layout.fixed]
}

func (t *Multi) blobOf(slot uint32) []byte {
	if t.blobAt < 0 {
		return nil
	}
	n := t.layout.blobLen(t.fixedOf(slot))
	if n == 0 {
		return nil
	}
	return t.blobs.get(*u64At(t.mem(slot), t.blobAt), n)
}

// Weight returns the weight of a row.
func (t *Multi) Weight(slot uint32) int64 { return *i64At(t.mem(slot), multiWeight) }

// Count returns the count of a row of a table that is Counted. It may be changed after Touch.
func (t *Multi) Count(slot uint32) *int64 { return i64At(t.mem(slot), t.countAt) }

// Next returns the row behind slot among those of its key, or NoSlot.
func (t *Multi) Next(slot uint32) uint32 { return *u32At(t.mem(slot), multiNext) - 1 }

// First reports whether the row is the first of its key.
func (t *Multi) First(slot uint32) bool { return *u32At(t.mem(slot), multiPrev) == 0 }

// Timed reports whether the table has a time column.
func (t *Multi) Timed() bool { return t.timeAt >= 0 }

// Fresh reports whether the row is new in this epoch.
func (t *Multi) Fresh(slot uint32) bool { return *u64At(t.mem(slot), multiNumber)&flagFresh != 0 }

// AllOnes reports whether every row has the weight 1.
func (t *Multi) AllOnes() bool { return t.heavy == 0 }

// Time returns the row's value in the time column and whether it is not NULL.
func (t *Multi) Time(slot uint32) (int64, bool) {
	f := t.fixedOf(slot)
	if t.layout.null(f, t.multi.Time) {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(f[t.timeCol:])), true
}

// Encode makes the images of rows, which are to be added or to be looked for. cols has a column for each of the table's, rows are
// physical, and hashes those of their keys (changelog.Hash).
func (t *Multi) Encode(m *RowImages, cols []arrow.Array, rows []uint32, hashes []uint64) {
	t.layout.encode(m, cols, rows, hashes)
}

// Find sets heads[i] to the first row whose key is that of image i of table own (whose key columns are of the same types),
// or NoSlot. The others of the key follow by Next.
func (t *Multi) Find(own *Multi, m *RowImages, heads []uint32) {
	const group = 32
	var entries, hashes [group]uint64
	for from := 0; from < m.n; from += group {
		n := min(group, m.n-from)
		want := m.hashes[from : from+n]
		out := heads[from : from+n]
		// The index entries of a group are loaded first, then what they lead to, so that no load waits for what another decides.
		for i, h := range want {
			s := t.keys.segment(uint32(h))
			entries[i] = s.entries[uint32(h)&s.mask]
		}
		for i, h := range want {
			if e := entries[i]; e != 0 && uint32(e>>32) == uint32(h) {
				hashes[i] = *u64At(t.mem(uint32(e)-1), multiHash)
			} else {
				hashes[i] = ^h
			}
		}
		for i, h := range want {
			switch {
			case entries[i] == 0:
				out[i] = NoSlot
			case hashes[i] == h && (t.exact || t.sameKey(own, m, from+i, uint32(entries[i])-1)):
				out[i] = uint32(entries[i]) - 1
			default:
				out[i] = t.find(own, m, from+i)
			}
		}
	}
}

// find returns the first row of the key of an image.
func (t *Multi) find(own *Multi, m *RowImages, i int) uint32 {
	h := m.hashes[i]
	tag := uint32(h)
	s := t.keys.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return NoSlot
		}
		if uint32(e>>32) != tag {
			continue
		}
		slot := uint32(e) - 1
		if *u64At(t.mem(slot), multiHash) == h && (t.exact || t.sameKey(own, m, i, slot)) {
			return slot
		}
	}
}

func (t *Multi) sameKey(own *Multi, m *RowImages, i int, slot uint32) bool {
	fixed, blob := t.fixedOf(slot), t.blobOf(slot)
	return t.sameKeys(own, m.row(i), m.tail(i), fixed, blob)
}

func (t *Multi) sameKeys(own *Multi, fixed, blob, tfixed, tblob []byte) bool {
	for j, k := range t.multi.Keys {
		ok := own.multi.Keys[j]
		if !own.layout.cols[ok].sameValue(ok, &own.layout, fixed, blob, &t.layout.cols[k], k, &t.layout, tfixed, tblob) {
			return false
		}
	}
	return true
}

// Key returns the first row of this table with the key of a row of another, or NoSlot.
func (t *Multi) Key(own *Multi, slot uint32) uint32 {
	h := *u64At(own.mem(slot), multiHash)
	tag := uint32(h)
	s := t.keys.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return NoSlot
		}
		if uint32(e>>32) != tag {
			continue
		}
		head := uint32(e) - 1
		if *u64At(t.mem(head), multiHash) == h &&
			(t.exact || t.sameKeys(own, own.fixedOf(slot), own.blobOf(slot), t.fixedOf(head), t.blobOf(head))) {
			return head
		}
	}
}

// Add adds rows with their weights (nil: 1 each), and sets slots[i] to the row that image i is now. A row that was there
// already gets the weight added; it may come to zero or below. All rows are marked changed.
func (t *Multi) Add(m *RowImages, weights []int64, slots []uint32) {
	t.byID = nil
	t.near(m)
	for i := range m.n {
		w := int64(1)
		if weights != nil {
			w = weights[i]
		}
		head := t.heads[i]
		if head == NoSlot { // an earlier row may have made it
			head = t.find(t, m, i)
		}
		slot := NoSlot
		var tag uint32
		switch {
		case t.multi.OnePerKey:
			slot = head
		case t.multi.Identity && head != NoSlot:
			tag = t.tags[i]
			slot = t.findRow(tag, m, i)
		case t.multi.Identity:
			tag = t.tags[i]
		}
		if slot != NoSlot && t.multi.Sticky {
			slots[i] = slot
			continue
		}
		if slot != NoSlot {
			t.Touch(slot)
			t.setWeight(slot, t.Weight(slot)+w)
			slots[i] = slot
			continue
		}
		t.number++
		slot = t.insert(m.hashes[i], head, t.number, m.row(i), m.tail(i))
		*u64At(t.mem(slot), multiNumber) |= flagFresh | flagDirty
		t.changed, t.old = append(t.changed, slot), append(t.old, MultiOld{})
		t.setWeight(slot, w)
		if t.multi.Identity {
			t.whole.insert(tag, slot)
		}
		slots[i] = slot
	}
}

// near finds the first rows of the keys of images, and brings what Add is going to read into the processor's caches: many loads at a
// time instead of one after the other.
func (t *Multi) near(m *RowImages) {
	t.heads = resize(t.heads, m.n)
	t.Find(t, m, t.heads)
	if t.multi.OnePerKey {
		return
	}
	sum := uint64(0)
	for i, head := range t.heads {
		if head != NoSlot {
			if next := *u32At(t.mem(head), multiNext); next != 0 {
				sum += *u64At(t.mem(next-1), multiHash)
			}
		} else {
			h := uint32(m.hashes[i])
			s := t.keys.segment(h)
			sum += s.entries[h&s.mask]
		}
	}
	if t.multi.Identity {
		t.tags = resize(t.tags, m.n)
		for i := range t.tags {
			t.tags[i] = rowTag(m.row(i), m.tail(i))
		}
		for _, tag := range t.tags {
			s := t.whole.segment(tag)
			if e := s.entries[tag&s.mask]; e != 0 && uint32(e>>32) == tag {
				sum += *u64At(t.mem(uint32(e)-1), multiNumber)
			}
		}
	}
	t.sum = sum
}

// findRow returns the row that is an image.
func (t *Multi) findRow(tag uint32, m *RowImages, i int) uint32 {
	s := t.whole.segment(tag)
	for at := tag & s.mask; ; at = (at + 1) & s.mask {
		e := s.entries[at]
		if e == 0 {
			return NoSlot
		}
		if uint32(e>>32) != tag {
			continue
		}
		if slot := uint32(e) - 1; bytes.Equal(t.fixedOf(slot), m.row(i)) && bytes.Equal(t.blobOf(slot), m.tail(i)) {
			return slot
		}
	}
}

// SetWeight changes the weight of a row that was touched.
func (t *Multi) SetWeight(slot uint32, w int64) { t.setWeight(slot, w) }

func (t *Multi) setWeight(slot uint32, w int64) {
	p := i64At(t.mem(slot), multiWeight)
	if *p != 1 {
		t.heavy--
	}
	if w != 1 {
		t.heavy++
	}
	*p = w
}

// Touch marks a row changed in this epoch, keeping how it was.
func (t *Multi) Touch(slot uint32) {
	p := t.mem(slot)
	f := u64At(p, multiNumber)
	if *f&flagDirty != 0 {
		return
	}
	*f |= flagDirty
	old := MultiOld{Weight: *i64At(p, multiWeight)}
	if t.countAt >= 0 {
		old.Count = *i64At(p, t.countAt)
	}
	t.changed, t.old = append(t.changed, slot), append(t.old, old)
}

// Changed returns the rows touched in this epoch and how they were before. The slices are good until Delta.
func (t *Multi) Changed() ([]uint32, []MultiOld) { return t.changed, t.old }

// Touched reports whether a row was touched in this epoch.
func (t *Multi) Touched(slot uint32) bool { return *u64At(t.mem(slot), multiNumber)&flagDirty != 0 }

// insert makes a row of weight zero behind head, or as the first of its key.
func (t *Multi) insert(hash uint64, head uint32, number uint64, fixed, blob []byte) uint32 {
	slot := t.alloc()
	p := t.mem(slot)
	clear(unsafe.Slice((*byte)(p), t.rowAt))
	*u64At(p, multiHash) = hash
	*u64At(p, multiNumber) = number | flagLive
	copy(unsafe.Slice((*byte)(unsafe.Add(p, t.rowAt)), t.layout.fixed), fixed)
	if len(blob) > 0 {
		*u64At(p, t.blobAt) = t.blobs.add(blob)
	}
	if head == NoSlot {
		t.keys.insert(uint32(hash), slot)
	} else {
		h := t.mem(head)
		next := *u32At(h, multiNext)
		*u32At(p, multiNext), *u32At(p, multiPrev) = next, head+1
		*u32At(h, multiNext) = slot + 1
		if next != 0 {
			*u32At(t.mem(next-1), multiPrev) = slot + 1
		}
	}
	if t.timeAt >= 0 {
		t.link(slot)
	}
	nulls := fixed[t.layout.nulls:]
	for i := range nulls {
		if bits := nulls[i]; bits != 0 {
			for col := i * 8; col < len(t.seenNull) && col < i*8+8; col++ {
				if bits>>(col&7)&1 != 0 {
					t.seenNull[col] = true
				}
			}
		}
	}
	t.count++
	t.heavy++ // of weight zero
	return slot
}

func (t *Multi) alloc() uint32 {
	if last := len(t.free) - 1; last >= 0 {
		slot := t.free[last]
		t.free = t.free[:last]
		return slot
	}
	if t.n == t.room {
		t.growRoom()
	}
	t.n++
	return t.n - 1
}

func (t *Multi) growRoom() {
	switch {
	case t.room == 0:
		t.room = minPage
	case t.room < pageSize:
		t.room *= 2
	default:
		t.room += pageSize
	}
	if t.room <= pageSize {
		page := make([]byte, int(t.room)*t.stride)
		if len(t.pages) > 0 {
			copy(page, t.pages[0])
			t.pages[0] = page
		} else {
			t.pages = append(t.pages, page)
		}
		return
	}
	t.pages = append(t.pages, make([]byte, pageSize*t.stride))
}

// Delete removes a live row. Its slot is not reused, and its columns can still be read, until Delta or Discard.
func (t *Multi) Delete(slot uint32) {
	t.byID = nil
	p := t.mem(slot)
	number := *u64At(p, multiNumber)
	t.unlink(slot)
	if number&flagFresh == 0 {
		t.gone = t.appendKey(t.gone, slot)
	}
}

// unlink takes a row out of everything that leads to it.
func (t *Multi) unlink(slot uint32) {
	p := t.mem(slot)
	hash := *u64At(p, multiHash)
	next, prev := *u32At(p, multiNext), *u32At(p, multiPrev)
	switch {
	case prev != 0:
		*u32At(t.mem(prev-1), multiNext) = next
	case next != 0:
		t.keys.replace(uint32(hash), slot, next-1)
	default:
		t.keys.remove(uint32(hash), slot)
	}
	if next != 0 {
		*u32At(t.mem(next-1), multiPrev) = prev
	}
	if t.multi.Identity {
		t.whole.remove(rowTag(t.fixedOf(slot), t.blobOf(slot)), slot)
	}
	if t.timeAt >= 0 {
		t.unlinkTime(slot)
	}
	if *i64At(p, multiWeight) != 1 {
		t.heavy--
	}
	*u64At(p, multiNumber) &^= flagLive
	t.count--
	t.dead = append(t.dead, slot)
}

// Live reports whether the slot holds a row that is not deleted.
func (t *Multi) Live(slot uint32) bool { return *u64At(t.mem(slot), multiNumber)&flagLive != 0 }

// Prune deletes the rows touched in this epoch that have come to the weight zero.
func (t *Multi) Prune() {
	for _, slot := range t.changed {
		if t.Live(slot) && t.Weight(slot) == 0 {
			t.Delete(slot)
		}
	}
}

// RowBytes returns how many bytes of text and the like a row has on average.
func (t *Multi) RowBytes() int {
	if t.count == 0 {
		return 0
	}
	return int((t.blobs.size - t.blobs.garbage) / int64(t.count))
}

// Slots appends all live rows.
func (t *Multi) Slots(dst []uint32) []uint32 {
	for slot := range t.n {
		if t.Live(slot) {
			dst = append(dst, slot)
		}
	}
	return dst
}

// Len implements Table.
func (t *Multi) Len() int { return t.count }

// Spec implements Table.
func (t *Multi) Spec() *Spec { return &t.spec }

// Bytes implements Table.
func (t *Multi) Bytes() int64 {
	n := int64(t.room)*int64(t.stride) + t.keys.bytes() + t.whole.bytes() + t.blobs.size + t.buckets.bytes()
	n += int64(cap(t.free)+cap(t.changed)+cap(t.dead))*4 + int64(cap(t.old))*16 + int64(cap(t.gone))
	if t.byID != nil {
		n += t.byID.bytes()
	}
	return n
}

// routed is the hash by which a key's worker is chosen.
func (t *Multi) routed(hash uint64) uint64 {
	if len(t.multi.Keys) == 0 {
		return 0
	}
	return hash
}

// Compare orders two rows by their bytes: any order, but the same for the same rows everywhere.
func (t *Multi) Compare(a, b uint32) int {
	if c := bytes.Compare(t.fixedOf(a), t.fixedOf(b)); c != 0 {
		return c
	}
	return bytes.Compare(t.blobOf(a), t.blobOf(b))
}
