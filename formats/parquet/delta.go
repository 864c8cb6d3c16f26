package parquet

import (
	"encoding/binary"
	"errors"
)

var errDelta = errors.New("a delta encoded page is damaged")

// decodeDelta decodes DELTA_BINARY_PACKED integers, at most limit of them, and returns what follows them. Arithmetic wraps, as the
// encoding wants it; 32-bit values are the low halves.
//
//	header: block size varint | mini blocks per block varint | count varint | first value zigzag varint
//	block:  smallest delta zigzag varint | width of every mini block, a byte each | mini blocks, bit-packed
func decodeDelta(data []byte, limit int) (values []int64, rest []byte, err error) {
	uvarint := func() uint64 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			err = errDelta
			return 0
		}
		data = data[n:]
		return v
	}
	varint := func() int64 {
		v, n := binary.Varint(data)
		if n <= 0 {
			err = errDelta
			return 0
		}
		data = data[n:]
		return v
	}
	block, minis, count, value := uvarint(), uvarint(), uvarint(), varint()
	if err != nil {
		return nil, nil, err
	}
	if minis == 0 || minis > 1<<10 || block == 0 || block > 1<<20 || block%minis != 0 || block/minis%8 != 0 || count > uint64(limit) {
		return nil, nil, errDelta
	}
	if count == 0 {
		return nil, data, nil
	}
	perMini := int(block / minis)
	values = append(make([]int64, 0, count), value)
	for uint64(len(values)) < count {
		least := varint()
		if err != nil || uint64(len(data)) < minis {
			return nil, nil, errDelta
		}
		widths := data[:minis]
		data = data[minis:]
		for _, width := range widths {
			if uint64(len(values)) == count {
				break // mini blocks without values are not stored
			}
			size := perMini / 8 * int(width)
			if width > 64 || size > len(data) {
				return nil, nil, errDelta
			}
			packed := data[:size]
			for i := range min(perMini, int(count)-len(values)) {
				value += least + int64(bitsAt(packed, i*int(width), uint(width)))
				values = append(values, value)
			}
			data = data[size:]
		}
	}
	return values, data, nil
}

// bitsAt reads width <= 64 bits at bit at.
func bitsAt(b []byte, at int, width uint) uint64 {
	if width == 0 {
		return 0
	}
	shift := uint(at & 7)
	b = b[at>>3:]
	v := tail64(b) >> shift
	if shift+width > 64 {
		v |= uint64(b[8]) << (64 - shift)
	}
	if width < 64 {
		v &= 1<<width - 1
	}
	return v
}

// varlen is a run of variable-length values: value i is data[ends[i]:ends[i+1]].
type varlen struct {
	ends []int32
	data []byte
}

func (v *varlen) len() int { return len(v.ends) - 1 }

func (v *varlen) at(i int) []byte { return v.data[v.ends[i]:v.ends[i+1]] }

// decodeDeltaLengths decodes DELTA_LENGTH_BYTE_ARRAY: the lengths, then the bytes.
func decodeDeltaLengths(data []byte, limit int) (varlen, error) {
	lengths, rest, err := decodeDelta(data, limit)
	if err != nil {
		return varlen{}, err
	}
	v := varlen{ends: make([]int32, len(lengths)+1), data: rest}
	end := int64(0)
	for i, n := range lengths {
		n = int64(int32(n))
		if end += n; n < 0 || end > int64(len(rest)) {
			return varlen{}, errDelta
		}
		v.ends[i+1] = int32(end)
	}
	return v, nil
}

// decodeDeltaStrings decodes DELTA_BYTE_ARRAY: how many bytes each value shares with the one before, then the rest of each. The result
// has at most maxBytes.
func decodeDeltaStrings(data []byte, limit, maxBytes int) (varlen, error) {
	prefixes, rest, err := decodeDelta(data, limit)
	if err != nil {
		return varlen{}, err
	}
	suffixes, err := decodeDeltaLengths(rest, limit)
	if err != nil {
		return varlen{}, err
	}
	if suffixes.len() != len(prefixes) {
		return varlen{}, errDelta
	}
	v := varlen{ends: make([]int32, 1, len(prefixes)+1)}
	var last []byte
	for i, p := range prefixes {
		p = int64(int32(p))
		if p < 0 || p > int64(len(last)) || len(v.data)+int(p)+len(suffixes.at(i)) > maxBytes {
			return varlen{}, errDelta
		}
		at := len(v.data)
		v.data = append(append(v.data, last[:p]...), suffixes.at(i)...)
		v.ends = append(v.ends, int32(len(v.data)))
		last = v.data[at:]
	}
	return v, nil
}

// unsplit undoes BYTE_STREAM_SPLIT: all first bytes, all second bytes, and so on.
func unsplit(data []byte, width int) ([]byte, error) {
	if len(data)%width != 0 {
		return nil, errTooShort
	}
	n := len(data) / width
	out := make([]byte, len(data))
	for b := range width {
		for i, c := range data[b*n : (b+1)*n] {
			out[i*width+b] = c
		}
	}
	return out, nil
}
