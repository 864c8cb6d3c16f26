package expr

import (
	"encoding/binary"
	"math/bits"

	"github.com/streamsql/streamsql/types"
)

// numericColumn reads NUMERIC of either storage without making values.
type numericColumn struct {
	v     *vec
	buf   []byte
	width int
	scale uint8 // of decimal128
	mask  int
}

func newNumericColumn(v *vec) numericColumn {
	n := numericColumn{v: v, buf: v.buf, width: types.NumericWidth, mask: int(int32(mask(v.konst)))}
	if v.t.IsDecimal128() {
		n.width, n.scale = 16, uint8(v.t.Scale)
	}
	return n
}

// at returns the coefficient and scale of row i.
func (n *numericColumn) at(i int) (hi int64, lo uint64, scale uint8) {
	i &= n.mask
	b := n.buf[i*n.width : (i+1)*n.width]
	lo, hi = binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint64(b[8:]))
	if n.width == 16 {
		return hi, lo, n.scale
	}
	return hi, lo, b[16]
}

func compare128(ahi int64, alo uint64, bhi int64, blo uint64) int {
	switch {
	case ahi < bhi:
		return -1
	case ahi > bhi:
		return 1
	case alo < blo:
		return -1
	case alo > blo:
		return 1
	}
	return 0
}

// compareNumerics compares coefficients where the scales are equal. A constant is brought to the scale of the column.
func compareNumerics(o comparison) binder {
	return simple(func(c *call) {
		a, b := newNumericColumn(c.args[0]), newNumericColumn(c.args[1])
		op := o
		if a.mask == 0 {
			a, b, op = b, a, o.flipped()
		}
		var answers [3]byte // by order + 1
		for k := range answers {
			answers[k] = b2u(op.holds(k - 1))
		}
		out := c.outBits()
		bhi, blo, bscale := b.at(0)
		with := types.NumericValue{Hi: bhi, Lo: blo, Scale: bscale}
		fixed := b.mask == 0
		one := func(i int) {
			ahi, alo, ascale := a.at(i)
			if !fixed {
				bhi, blo, bscale = b.at(i)
			} else if ascale != bscale && ascale <= types.MaxNumericScale && !with.IsSpecial() {
				if r, err := with.Round(int(ascale)); err == nil && r.Cmp(with) == 0 {
					bhi, blo, bscale = r.Hi, r.Lo, r.Scale
				}
			}
			order := 0
			if ascale == bscale && ascale <= types.MaxNumericScale {
				order = compare128(ahi, alo, bhi, blo)
			} else {
				order = types.NumericValue{Hi: ahi, Lo: alo, Scale: ascale}.Cmp(types.NumericValue{Hi: bhi, Lo: blo, Scale: bscale})
			}
			out[i>>3] |= answers[order+1] << (i & 7)
		}
		rows := c.list()
		if rows == nil {
			for i := range c.n {
				one(i)
			}
		}
		for _, i := range rows {
			one(int(i))
		}
	})
}

// numericOp computes with int64 coefficients where both fit; fast says whether it can.
func numericOp(
	fast func(a, b int64, as, bs uint8) (hi int64, lo uint64, scale uint8, ok bool),
	general func(a, b types.NumericValue) (types.NumericValue, error),
) binder {
	return simple(func(c *call) {
		const w = types.NumericWidth
		a, b := newNumericColumn(c.args[0]), newNumericColumn(c.args[1])
		c.buf = c.alloc(c.n * w)
		out := c.buf
		one := func(i int) {
			ahi, alo, as := a.at(i)
			bhi, blo, bs := b.at(i)
			dst := out[i*w : i*w+w]
			if ahi == int64(alo)>>63 && bhi == int64(blo)>>63 {
				if hi, lo, scale, ok := fast(int64(alo), int64(blo), as, bs); ok {
					binary.LittleEndian.PutUint64(dst, lo)
					binary.LittleEndian.PutUint64(dst[8:], uint64(hi))
					dst[16] = scale
					return
				}
			}
			v, err := general(types.NumericValue{Hi: ahi, Lo: alo, Scale: as}, types.NumericValue{Hi: bhi, Lo: blo, Scale: bs})
			if err != nil {
				c.fail(i, err)
				return
			}
			v.Put(dst)
		}
		rows := c.list()
		if rows == nil {
			for i := range c.n {
				one(i)
			}
		}
		for _, i := range rows {
			one(int(i))
		}
	})
}

func addNumerics(a, b int64, as, bs uint8) (hi int64, lo uint64, scale uint8, ok bool) {
	s := a + b
	return s >> 63, uint64(s), as, as == bs && as <= types.MaxNumericScale && (a^s)&(b^s) >= 0
}

func subNumerics(a, b int64, as, bs uint8) (hi int64, lo uint64, scale uint8, ok bool) {
	s := a - b
	return s >> 63, uint64(s), as, as == bs && as <= types.MaxNumericScale && (a^b)&(a^s) >= 0
}

// mulNumerics: a product of two int64 is below 10^38.
func mulNumerics(a, b int64, as, bs uint8) (hi int64, lo uint64, scale uint8, ok bool) {
	h, l := bits.Mul64(uint64(a), uint64(b))
	h -= uint64(a>>63)&uint64(b) + uint64(b>>63)&uint64(a)
	return int64(h), l, as + bs, int(as)+int(bs) <= types.MaxNumericScale
}
