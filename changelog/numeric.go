package changelog

import (
	"encoding/binary"

	"github.com/streamsql/streamsql/types"
)

// The classes of NUMERIC values in their order.
const (
	numNegInf byte = 1 + iota
	numNeg
	numZero
	numPos
	numPosInf
	numNaN
)

// numeric is an unconstrained NUMERIC taken apart: its value is digits * 10^-scale, negated for numNeg.
type numeric struct {
	class  byte
	scale  byte // as displayed
	digits u128
}

// parseNumeric reads the storage form, types.NumericWidth bytes.
func parseNumeric(b []byte) numeric {
	_ = b[types.NumericWidth-1]
	switch b[16] {
	case types.NumericNaN:
		return numeric{class: numNaN}
	case types.NumericPosInf:
		return numeric{class: numPosInf}
	case types.NumericNegInf:
		return numeric{class: numNegInf}
	}
	v := numeric{class: numPos, scale: b[16], digits: u128{binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b)}}
	switch {
	case v.digits.isZero():
		v.class = numZero
	case int64(v.digits.hi) < 0:
		v.class, v.digits = numNeg, v.digits.negate()
	}
	return v
}

func (x u128) negate() u128 {
	lo := -x.lo
	hi := ^x.hi
	if x.lo == 0 {
		hi++
	}
	return u128{hi, lo}
}

// store writes the storage form.
func (v numeric) store(b *[types.NumericWidth]byte) {
	*b = [types.NumericWidth]byte{}
	switch v.class {
	case numNaN:
		b[16] = types.NumericNaN
		return
	case numPosInf:
		b[16] = types.NumericPosInf
		return
	case numNegInf:
		b[16] = types.NumericNegInf
		return
	}
	d := v.digits
	if v.class == numNeg {
		d = d.negate()
	}
	binary.LittleEndian.PutUint64(b[:], d.lo)
	binary.LittleEndian.PutUint64(b[8:], d.hi)
	b[16] = v.scale
}

// normal returns the value without its form: zeros at the end are gone, so that equal values are equal words.
func (v numeric) normal() (digits u128, scale int) {
	if v.class != numNeg && v.class != numPos {
		return u128{}, 0
	}
	d, n := v.digits.stripZeros()
	return d, int(v.scale) - n
}

// numericLen is the length of the encoding of a finite value other than zero: class, exponent, 38 digits, a 39th.
const numericLen = 1 + 2 + 16 + 1

// appendNumeric appends the memcomparable encoding of the value: the class, and for finite values other than zero the
// decimal exponent, the digits as a fraction of 38 and the 39th digit that the widest coefficients have; negative values inverted.
func appendNumeric(dst []byte, v numeric) []byte {
	dst = append(dst, v.class)
	if v.class != numNeg && v.class != numPos {
		return dst
	}
	nd := v.digits.digits()
	exp := nd - int(v.scale)
	m, last := v.digits, uint64(0)
	if nd > 38 {
		m, last = m.divSmall(10)
	} else {
		m = m.scaleUp(38 - nd)
	}
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(exp+1<<15))
	dst = binary.BigEndian.AppendUint64(dst, m.hi)
	dst = binary.BigEndian.AppendUint64(dst, m.lo)
	dst = append(dst, byte(last))
	if v.class == numNeg {
		invert(dst[at:])
	}
	return dst
}

// readNumeric reads an encoding whose length is known to suffice (1, or numericLen). scale < 0 asks for the shortest form.
func readNumeric(b []byte, scale int) (numeric, bool) {
	v := numeric{class: b[0]}
	if v.class < numNegInf || v.class > numNaN {
		return v, false
	}
	if v.class != numNeg && v.class != numPos {
		if v.class == numZero && scale > 0 {
			v.scale = byte(scale)
		}
		return v, true
	}
	var buf [numericLen - 1]byte
	copy(buf[:], b[1:numericLen])
	if v.class == numNeg {
		invert(buf[:])
	}
	exp := int(binary.BigEndian.Uint16(buf[:])) - 1<<15
	d := u128{binary.BigEndian.Uint64(buf[2:]), binary.BigEndian.Uint64(buf[10:])}
	nd := 38
	if buf[18] != 0 {
		d = d.mulSmall(10)
		d.lo += uint64(buf[18])
		if d.lo < uint64(buf[18]) {
			d.hi++
		}
		nd = 39
	}
	if d.isZero() || int64(d.hi) < 0 {
		return v, false
	}
	d, n := d.stripZeros()
	nd -= n
	// The value is d * 10^(exp-nd).
	have := nd - exp
	if scale < 0 {
		scale = max(have, 0)
	}
	if scale < have || scale > 252 || nd+scale-have > 39 {
		return v, false
	}
	v.digits, v.scale = d.scaleUp(scale-have), byte(scale)
	return v, true
}

func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}
