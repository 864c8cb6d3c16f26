package parquet

import (
	"encoding/binary"
	"errors"
)

var (
	errTooShort = errors.New("a page is shorter than its contents claim")
	errNoRun    = errors.New("a run-length encoded run is damaged")
)

// hybrid decodes Parquet's mixture of run-length encoding and bit packing, of values of up to 32 bits:
//
//	run:    header varint, lowest bit 0: (header >> 1) times the value that follows in ceil(width/8) bytes
//	packed: header varint, lowest bit 1: (header >> 1) groups of eight values of width bits, lowest bits first
//
// Every failure is an error and every step makes progress, whatever the bytes.
type hybrid struct {
	data  []byte // behind the current run's header
	width uint

	run   int    // values left of a run
	value uint32 // of the run

	packed     []byte // of the current packed groups
	packedLeft int    // values left in them
	packedAt   int    // bits taken from them
}

func newHybrid(data []byte, width uint) (hybrid, error) {
	if width > 32 {
		return hybrid{}, errNoRun
	}
	return hybrid{data: data, width: width}, nil
}

// next reads a header.
func (h *hybrid) next() error {
	header, n := binary.Uvarint(h.data)
	if n <= 0 || header>>1 == 0 || header>>1 > 1<<31 {
		return errNoRun
	}
	h.data = h.data[n:]
	if header&1 == 0 {
		size := int(h.width+7) / 8
		if len(h.data) < size {
			return errTooShort
		}
		h.value = 0
		for i, b := range h.data[:size] {
			h.value |= uint32(b) << (8 * i)
		}
		h.data = h.data[size:]
		h.run = int(header >> 1)
		return nil
	}
	groups := int(header >> 1)
	size := groups * int(h.width)
	h.packedLeft, h.packedAt = groups*8, 0
	if size > len(h.data) { // some writers leave out the padding of the last group
		size = len(h.data)
		if h.width > 0 {
			h.packedLeft = min(h.packedLeft, size*8/int(h.width))
		}
		if h.packedLeft == 0 {
			return errTooShort
		}
	}
	h.packed, h.data = h.data[:size], h.data[size:]
	return nil
}

// indices fills dst.
func (h *hybrid) indices(dst []uint32) error {
	for len(dst) > 0 {
		switch {
		case h.run > 0:
			n := min(h.run, len(dst))
			for i := range dst[:n] {
				dst[i] = h.value
			}
			h.run -= n
			dst = dst[n:]
		case h.packedLeft > 0:
			n := min(h.packedLeft, len(dst))
			h.unpack(dst[:n])
			dst = dst[n:]
		default:
			if err := h.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// unpack takes len(dst) values, which are there, off the packed groups.
func (h *hybrid) unpack(dst []uint32) {
	h.packedLeft -= len(dst)
	if h.width == 0 {
		clear(dst)
		return
	}
	mask := uint64(1)<<h.width - 1
	at, width, packed := h.packedAt, int(h.width), h.packed
	i := 0
	for ; i < len(dst) && at>>3+8 <= len(packed); i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(packed[at>>3:]) >> (at & 7) & mask)
		at += width
	}
	for ; i < len(dst); i++ {
		dst[i] = uint32(tail64(packed[at>>3:]) >> (at & 7) & mask)
		at += width
	}
	h.packedAt = at
}

// tail64 reads up to eight bytes, the missing ones as zero.
func tail64(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.LittleEndian.Uint64(b)
	}
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return v
}

// levels decodes n definition levels into v, where the level top means a value, and returns how many there are.
func (h *hybrid) levels(v *validity, n int, top uint32, scratch *[]uint32) (valid int, err error) {
	before := v.nulls
	for left := n; left > 0; {
		switch {
		case h.run > 0:
			k := min(h.run, left)
			v.append(h.value == top, k)
			h.run -= k
			left -= k
		case h.packedLeft > 0 && h.width == 1:
			k := min(h.packedLeft, left, 56)
			v.appendBits(tail64(h.packed[h.packedAt>>3:])>>(h.packedAt&7), k)
			h.packedLeft -= k
			h.packedAt += k
			left -= k
		case h.packedLeft > 0:
			k := min(h.packedLeft, left)
			levels := grow(scratch, k)
			h.unpack(levels)
			for _, l := range levels {
				v.append(l == top, 1)
			}
			left -= k
		default:
			if err := h.next(); err != nil {
				return 0, err
			}
		}
	}
	return n - (v.nulls - before), nil
}

// grow returns n elements of *s, which it makes larger if need be.
func grow[T any](s *[]T, n int) []T {
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}
