package state

import "math"

// Rows by time: lists of the rows of each bucket, which is bucketMicros long.
const (
	bucketBits = 16
	nullBucket = math.MaxInt64 // of rows whose time is NULL
)

type buckets struct {
	heads map[int64]uint32 // slot + 1
	heap  []int64          // of all buckets, the smallest first
}

func (b *buckets) init() { b.heads = map[int64]uint32{} }

func (b *buckets) bytes() int64 { return int64(len(b.heads))*24 + int64(cap(b.heap))*8 }

func (t *Multi) bucketOf(slot uint32) int64 {
	v, ok := t.Time(slot)
	if !ok {
		return nullBucket
	}
	return v >> bucketBits
}

func (t *Multi) link(slot uint32) {
	b := t.bucketOf(slot)
	head, ok := t.buckets.heads[b]
	if !ok {
		t.buckets.push(b)
	}
	p := t.mem(slot)
	*u32At(p, t.timeAt), *u32At(p, t.timeAt+4) = head, 0
	if head != 0 {
		*u32At(t.mem(head-1), t.timeAt+4) = slot + 1
	}
	t.buckets.heads[b] = slot + 1
}

func (t *Multi) unlinkTime(slot uint32) {
	p := t.mem(slot)
	if *u64At(p, multiNumber)&flagPassed != 0 {
		return
	}
	next, prev := *u32At(p, t.timeAt), *u32At(p, t.timeAt+4)
	if next != 0 {
		*u32At(t.mem(next-1), t.timeAt+4) = prev
	}
	if prev != 0 {
		*u32At(t.mem(prev-1), t.timeAt) = next
	} else {
		t.buckets.heads[t.bucketOf(slot)] = next // an empty bucket stays until its time has come
	}
}

func (b *buckets) push(id int64) {
	b.heap = append(b.heap, id)
	for i := len(b.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if b.heap[up] <= b.heap[i] {
			break
		}
		b.heap[up], b.heap[i] = b.heap[i], b.heap[up]
		i = up
	}
}

func (b *buckets) pop() {
	last := len(b.heap) - 1
	b.heap[0] = b.heap[last]
	b.heap = b.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return
		}
		if child+1 < last && b.heap[child+1] < b.heap[child] {
			child++
		}
		if b.heap[i] <= b.heap[child] {
			return
		}
		b.heap[i], b.heap[child] = b.heap[child], b.heap[i]
		i = child
	}
}

// Expire removes the rows whose time is at or below limit and returns them; their columns can be read until Delta. With
// whole it leaves those for a later call that lie in a stretch of time (65 ms) of which not all has passed. A limit of
// math.MaxInt64 takes all rows, also those whose time is NULL. Every worker expires with the same limits in the same epochs.
func (t *Multi) Expire(limit int64, whole bool) []uint32 {
	from := len(t.dead)
	b := &t.buckets
	for len(b.heap) > 0 {
		id := b.heap[0]
		if limit != math.MaxInt64 && (id == nullBucket || id > limit>>bucketBits) {
			break
		}
		all := limit == math.MaxInt64 || id < limit>>bucketBits || limit&(1<<bucketBits-1) == 1<<bucketBits-1
		if !all {
			if !whole {
				for s := b.heads[id]; s != 0; {
					slot := s - 1
					s = *u32At(t.mem(slot), t.timeAt)
					if v, _ := t.Time(slot); v <= limit {
						t.Delete(slot)
					}
				}
			}
			break
		}
		known := false
		for s := b.heads[id]; s != 0; {
			slot := s - 1
			p := t.mem(slot)
			s = *u32At(p, t.timeAt)
			known = known || *u64At(p, multiNumber)&flagFresh == 0
			t.unlink(slot)
		}
		if known {
			t.dropped = append(t.dropped, id)
		}
		delete(b.heads, id)
		b.pop()
	}
	t.byID = nil
	return t.dead[from:len(t.dead):len(t.dead)]
}

// Pass appends the rows whose time is at or below limit and that were not passed before, and leaves them where they are. A table
// whose rows are passed does not Expire.
func (t *Multi) Pass(limit int64, dst []uint32) []uint32 {
	b := &t.buckets
	for len(b.heap) > 0 {
		id := b.heap[0]
		if id == nullBucket || id > limit>>bucketBits {
			break
		}
		for s := b.heads[id]; s != 0; {
			slot := s - 1
			s = *u32At(t.mem(slot), t.timeAt)
			if v, _ := t.Time(slot); v <= limit {
				t.unlinkTime(slot)
				*u64At(t.mem(slot), multiNumber) |= flagPassed
				dst = append(dst, slot)
			}
		}
		if b.heads[id] != 0 {
			break
		}
		delete(b.heads, id)
		b.pop()
	}
	return dst
}
