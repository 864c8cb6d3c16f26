package parquet

import (
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow/memory"
)

// validity builds the NULL bitmap of a batch of a known capacity. There is none before the first NULL.
type validity struct {
	bits  []byte // lowest bit first, 1 is a value; nil: no NULL yet
	n     int    // rows so far
	nulls int
	rows  int // capacity
}

func newValidity(rows int) validity { return validity{rows: rows} }

func (v *validity) start() {
	v.bits = make([]byte, (v.rows+7)/8+8) // appendBits writes whole words
	setBits(v.bits, 0, v.n)
}

// append adds k rows that are all values or all NULL.
func (v *validity) append(valid bool, k int) {
	if !valid {
		if v.bits == nil {
			v.start()
		}
		v.nulls += k
	} else if v.bits != nil {
		setBits(v.bits, v.n, k)
	}
	v.n += k
}

// appendBits adds the k <= 56 lowest bits of word.
func (v *validity) appendBits(word uint64, k int) {
	word &= 1<<k - 1
	if v.bits == nil {
		if bits.OnesCount64(word) == k {
			v.n += k
			return
		}
		v.start()
	}
	v.nulls += k - bits.OnesCount64(word)
	word <<= v.n & 7
	for at := v.n >> 3; word != 0; at++ {
		v.bits[at] |= byte(word)
		word >>= 8
	}
	v.n += k
}

func setBits(b []byte, from, n int) {
	for ; n > 0 && from&7 != 0; n-- {
		b[from>>3] |= 1 << (from & 7)
		from++
	}
	for ; n >= 8; n -= 8 {
		b[from>>3] = 0xff
		from += 8
	}
	for ; n > 0; n-- {
		b[from>>3] |= 1 << (from & 7)
		from++
	}
}

func (v *validity) valid(row int) bool { return v.bits == nil || v.bits[row>>3]>>(row&7)&1 == 1 }

// buffer returns the bitmap as Arrow wants it, nil without NULLs.
func (v *validity) buffer() *memory.Buffer {
	if v.bits == nil {
		return nil
	}
	return memory.NewBufferBytes(v.bits[:(v.n+7)/8])
}

// spread moves the dense values at the beginning of dst, width bytes each, to the places of rows [from, from+n) that are values, and
// zeroes the others. dst holds n values' room.
func (v *validity) spread(dst []byte, from, n, dense, width int) {
	switch width {
	case 1:
		spreadTyped(dst[:n], v, from, dense)
	case 4:
		spreadTyped(asUint32(dst)[:n], v, from, dense)
	case 8:
		spreadTyped(asUint64(dst)[:n], v, from, dense)
	default:
		zero := make([]byte, width)
		j := dense - 1
		for i := n - 1; i > j; i-- {
			if v.valid(from + i) {
				copy(dst[i*width:(i+1)*width], dst[j*width:])
				j--
			} else {
				copy(dst[i*width:], zero)
			}
		}
	}
}

func spreadTyped[T any](dst []T, v *validity, from, dense int) {
	var zero T
	j := dense - 1
	for i := len(dst) - 1; i > j; i-- {
		if v.valid(from + i) {
			dst[i] = dst[j]
			j--
		} else {
			dst[i] = zero
		}
	}
}

// spreadEnds does the same for the ends of variable-length values: ends[0] is the end before row from, dense ends follow.
func (v *validity) spreadEnds(ends []int32, from, n, dense int) {
	j := dense
	for i := n; i > j; i-- {
		ends[i] = ends[j]
		if v.valid(from + i - 1) {
			j--
		}
	}
}
