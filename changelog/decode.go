package changelog

import (
	"encoding/binary"
	"errors"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/streamsql/streamsql/types"
)

// errEncoded is the error of bytes that no encoder made.
var errEncoded = errors.New("damaged row: not a sound encoding of its columns")

// Decode appends one row to the builders (one per column) from the start of key and returns what follows it. Without a
// representation (nil) values come out in their shortest form. After an error the builders differ in length.
func (e *Encoder) Decode(key, repr []byte, out []array.Builder) (rest []byte, err error) {
	d := decoder{key: key, repr: repr, shortest: repr == nil, scratch: e.scratch[:0]}
	for i := range e.cols {
		d.column(&e.cols[i], out[i])
		if d.failed {
			return nil, errEncoded
		}
	}
	e.scratch = d.scratch
	return d.key, nil
}

// Skip returns what follows the first n columns in key.
func (e *Encoder) Skip(key []byte, n int) ([]byte, error) {
	d := decoder{key: key, shortest: true, scratch: e.scratch[:0]}
	for i := range e.cols[:n] {
		d.column(&e.cols[i], nil)
		if d.failed {
			return nil, errEncoded
		}
	}
	e.scratch = d.scratch
	return d.key, nil
}

type decoder struct {
	key, repr []byte
	shortest  bool
	failed    bool
	scratch   []byte
}

// take returns the next n bytes, upright. They are good until the next call.
func (d *decoder) take(n int, desc bool) []byte {
	if len(d.key) < n {
		d.failed = true
		d.scratch = append(d.scratch[:0], make([]byte, numericLen)...)
		return d.scratch
	}
	b := d.key[:n]
	d.key = d.key[n:]
	if desc {
		d.scratch = append(d.scratch[:0], b...)
		invert(d.scratch)
		b = d.scratch
	}
	return b
}

func (d *decoder) takeRepr(n int) []byte {
	if len(d.repr) < n {
		d.failed = true
		return make([]byte, n)
	}
	b := d.repr[:n]
	d.repr = d.repr[n:]
	return b
}

// escaped returns the next byte string.
func (d *decoder) escaped(desc bool) []byte {
	var flip byte
	if desc {
		flip = 0xff
	}
	d.scratch = d.scratch[:0]
	for i := 0; i+1 < len(d.key); i++ {
		b := d.key[i] ^ flip
		if b != 0 {
			d.scratch = append(d.scratch, b)
			continue
		}
		i++
		switch d.key[i] ^ flip {
		case 0xff:
			d.scratch = append(d.scratch, 0)
		case 1:
			d.key = d.key[i+1:]
			return d.scratch
		default:
			d.failed = true
			return nil
		}
	}
	d.failed = true
	return nil
}

// column decodes one column into out; a nil builder skips it.
func (d *decoder) column(c *columnCodec, out array.Builder) { d.value(c, out, c.order.Desc) }

func (d *decoder) value(c *columnCodec, out array.Builder, desc bool) {
	if len(d.key) == 0 {
		d.failed = true
		return
	}
	mark := d.key[0]
	d.key = d.key[1:]
	if desc && !c.order.Desc { // an element of a descending array
		mark = ^mark
	}
	if mark != markValue {
		null := markNullLast
		if c.order.NullsFirst {
			null = markNullFirst
		}
		if mark != null {
			d.failed = true
		} else if out != nil {
			out.AppendNull()
		}
		return
	}
	switch c.t.Kind {
	case types.Bool:
		v := d.take(1, desc)[0]
		if b, ok := out.(*array.BooleanBuilder); ok {
			b.Append(v != 0)
		}
	case types.Int2:
		v := int16(binary.BigEndian.Uint16(d.take(2, desc)) ^ 1<<15)
		if b, ok := out.(*array.Int16Builder); ok {
			b.Append(v)
		}
	case types.Int4, types.Date:
		v := int32(binary.BigEndian.Uint32(d.take(4, desc)) ^ 1<<31)
		switch b := out.(type) {
		case *array.Int32Builder:
			b.Append(v)
		case *array.Date32Builder:
			b.Append(arrow.Date32(v))
		}
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		v := int64(binary.BigEndian.Uint64(d.take(8, desc)) ^ signBit)
		switch b := out.(type) {
		case *array.Int64Builder:
			b.Append(v)
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(v))
		case *array.Time64Builder:
			b.Append(arrow.Time64(v))
		}
	case types.Float4:
		v := binary.BigEndian.Uint32(d.take(4, desc))
		if v>>31 != 0 {
			v &^= 1 << 31
		} else {
			v = ^v
		}
		if b, ok := out.(*array.Float32Builder); ok {
			b.Append(math.Float32frombits(v))
		}
	case types.Float8:
		v := binary.BigEndian.Uint64(d.take(8, desc))
		if v>>63 != 0 {
			v &^= signBit
		} else {
			v = ^v
		}
		if b, ok := out.(*array.Float64Builder); ok {
			b.Append(math.Float64frombits(v))
		}
	case types.Numeric:
		if c.t.IsDecimal128() {
			v := d.take(16, desc)
			if b, ok := out.(*array.Decimal128Builder); ok {
				b.Append(decimal128.New(int64(binary.BigEndian.Uint64(v)^signBit), binary.BigEndian.Uint64(v[8:])))
			}
			return
		}
		d.numeric(c, out, desc)
	case types.Text, types.JSONB:
		v := d.escaped(desc)
		if b, ok := out.(*array.StringBuilder); ok && !d.failed {
			b.BinaryBuilder.Append(v)
		}
	case types.Bytea:
		v := d.escaped(desc)
		if b, ok := out.(*array.BinaryBuilder); ok && !d.failed {
			b.Append(v)
		}
	case types.Interval:
		d.interval(c, out, desc)
	case types.Array:
		b, _ := out.(*array.ListBuilder)
		var elem array.Builder
		if b != nil {
			b.Append(true)
			elem = b.ValueBuilder()
		}
		end := markListEnd
		if desc {
			end = ^end
		}
		for !d.failed {
			if len(d.key) == 0 {
				d.failed = true
				return
			}
			if d.key[0] == end {
				d.key = d.key[1:]
				return
			}
			d.value(c.elem, elem, desc)
		}
	default:
		d.failed = true
	}
}

func (d *decoder) numeric(c *columnCodec, out array.Builder, desc bool) {
	if len(d.key) == 0 {
		d.failed = true
		return
	}
	class := d.key[0]
	if desc {
		class = ^class
	}
	n := 1
	if class == numNeg || class == numPos {
		n = numericLen
	}
	var buf [numericLen]byte
	copy(buf[:], d.take(n, desc))
	scale := -1
	if c.order.Exact {
		scale = int(d.take(1, desc)[0])
	} else if !d.shortest {
		scale = int(d.takeRepr(1)[0])
	}
	if d.failed {
		return
	}
	v, ok := readNumeric(buf[:], scale)
	if !ok {
		d.failed = true
		return
	}
	if b, ok := out.(*array.FixedSizeBinaryBuilder); ok {
		var stored [types.NumericWidth]byte
		v.store(&stored)
		b.Append(stored[:])
	}
}

func (d *decoder) interval(c *columnCodec, out array.Builder, desc bool) {
	var buf [16]byte
	copy(buf[:], d.take(16, desc))
	hi, lo := int64(binary.BigEndian.Uint64(buf[:])^signBit), binary.BigEndian.Uint64(buf[8:])
	var v arrow.MonthDayNanoInterval
	var form []byte
	switch {
	case c.order.Exact:
		form = d.take(8, desc)
	case !d.shortest:
		form = d.takeRepr(8)
	}
	if d.failed {
		return
	}
	if form != nil {
		v.Months = int32(binary.BigEndian.Uint32(form) ^ 1<<31)
		v.Days = int32(binary.BigEndian.Uint32(form[4:]) ^ 1<<31)
	} else {
		v.Months, v.Days = shortestInterval(hi, lo)
	}
	// What months and days leave of the value.
	rest := v
	rest.Nanoseconds = 0
	mh, ml := intervalValue(rest)
	x := u128{uint64(mh), ml}.negate()
	sum := u128{hi: uint64(hi) + x.hi, lo: lo + x.lo}
	if sum.lo < lo {
		sum.hi++
	}
	v.Nanoseconds = int64(sum.lo)
	if int64(sum.hi) != v.Nanoseconds>>63 {
		d.failed = true
		return
	}
	if b, ok := out.(*array.MonthDayNanoIntervalBuilder); ok {
		b.Append(v)
	}
}

// shortestInterval splits a value into months and days of one sign, the rest being less than a day.
func shortestInterval(hi int64, lo uint64) (months, days int32) {
	x, neg := u128{uint64(hi), lo}, hi < 0
	if neg {
		x = x.negate()
	}
	x, _ = x.divSmall(86400 * 1e9)
	total := int64(x.lo)
	if neg {
		total = -total
	}
	return int32(total / 30), int32(total % 30)
}

// asInt64 views values stored in 8 bytes as integers.
func asInt64[T ~int64](vals []T) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(vals))), len(vals))
}
