package changelog

import (
	"encoding/binary"
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// Order says how one column sorts in encoded rows. The zero value is ascending, NULLS LAST, by value.
type Order struct {
	Desc       bool
	NullsFirst bool

	// Exact keeps the form beside the value (1.0 and 1.00, '1 month' and '30 days', 0 and -0 differ, in a fixed order); without it
	// they encode alike, and the form of numbers and intervals travels apart in the representation. In arrays an element's form
	// decides before the next element.
	Exact bool
}

// Encoder turns rows into bytes whose order under bytes.Compare is the rows' order in PostgreSQL, and back.
//
//	row    := column*
//	column := null | 0x01 value         null: 0x02, or 0x00 with NULLS FIRST; the value's bytes inverted if descending
//	value  := integers, dates, times    big endian, sign bit flipped
//	        | floats                    IEEE bits, all inverted if negative, else sign bit flipped; NaN largest
//	        | NUMERIC(p,s)              16 bytes big endian, sign bit flipped
//	        | NUMERIC                   see appendNumeric; if exact, the scale in one byte
//	        | text, bytea               bytes, 0x00 as 0x00 0xff, then 0x00 0x01
//	        | interval                  nanoseconds in 16 bytes, sign bit flipped; if exact, months and days in 8 bytes
//	        | array                     columns (NULLS LAST), then 0x00
//
// The representation holds, for every NUMERIC and interval that is not NULL nor exact, the scale or months and days.
//
// An encoder belongs to one goroutine.
type Encoder struct {
	cols    []columnCodec
	scratch []byte
	hasRepr bool
}

type columnCodec struct {
	t     types.Type
	order Order
	elem  *columnCodec // of an array

	valid validity
	i64   []int64
	arr   arrow.Array
}

// NewEncoder makes an encoder of columns of these types; a nil order means ascending, NULLS LAST, by value.
func NewEncoder(ts []types.Type, order []Order) *Encoder {
	e := &Encoder{cols: make([]columnCodec, len(ts))}
	for i, t := range ts {
		var o Order
		if order != nil {
			o = order[i]
		}
		e.cols[i] = newCodec(t, o)
		e.hasRepr = e.hasRepr || e.cols[i].hasRepr()
	}
	return e
}

func newCodec(t types.Type, o Order) columnCodec {
	c := columnCodec{t: t, order: o}
	switch t.Kind {
	case types.Array:
		elem := newCodec(t.ElemType(), Order{Exact: o.Exact})
		c.elem = &elem
	case types.Record:
		panic("changelog: records cannot be encoded")
	}
	return c
}

func (c *columnCodec) hasRepr() bool {
	switch c.t.Kind {
	case types.Numeric:
		return !c.t.IsDecimal128() && !c.order.Exact
	case types.Interval:
		return !c.order.Exact
	case types.Array:
		return c.elem.hasRepr()
	}
	return false
}

// Reset binds the encoder to the columns of a batch.
func (e *Encoder) Reset(cols []arrow.Array) {
	for i := range e.cols {
		e.cols[i].reset(cols[i])
	}
}

func (c *columnCodec) reset(arr arrow.Array) {
	c.arr, c.i64 = arr, nil
	c.valid = validityOf(arr)
	switch a := arr.(type) {
	case *array.Int64:
		c.i64 = a.Int64Values()
	case *array.Timestamp:
		c.i64 = asInt64(a.TimestampValues())
	case *array.Time64:
		c.i64 = asInt64(a.Time64Values())
	case *array.List:
		c.elem.reset(a.ListValues())
	}
}

// Append appends the encoding of a physical row.
func (e *Encoder) Append(dst []byte, row int) []byte {
	for i := range e.cols {
		dst = e.cols[i].append(dst, row)
	}
	return dst
}

// AppendPrefix appends the encoding of the first n columns of a physical row.
func (e *Encoder) AppendPrefix(dst []byte, row, n int) []byte {
	for i := range e.cols[:n] {
		dst = e.cols[i].append(dst, row)
	}
	return dst
}

// AppendRepr appends what Append leaves out of the row's form; nothing for most types.
func (e *Encoder) AppendRepr(dst []byte, row int) []byte {
	if !e.hasRepr {
		return dst
	}
	for i := range e.cols {
		dst = e.cols[i].appendRepr(dst, row)
	}
	return dst
}

// HasRepr reports whether AppendRepr ever appends something.
func (e *Encoder) HasRepr() bool { return e.hasRepr }

const (
	markNullFirst byte = 0
	markValue     byte = 1
	markNullLast  byte = 2

	markListEnd byte = 0 // sorts a list before its extensions
)

const signBit = 1 << 63

func (c *columnCodec) append(dst []byte, row int) []byte {
	if c.t.Kind == types.Unknown || c.valid.bits != nil && c.valid.null(row) {
		if c.order.NullsFirst {
			return append(dst, markNullFirst)
		}
		return append(dst, markNullLast)
	}
	dst = append(dst, markValue)
	at := len(dst)
	if c.i64 != nil {
		dst = binary.BigEndian.AppendUint64(dst, uint64(c.i64[row])^signBit)
	} else {
		dst = c.appendValue(dst, row)
	}
	if c.order.Desc {
		invert(dst[at:])
	}
	return dst
}

func (c *columnCodec) appendValue(dst []byte, row int) []byte {
	switch a := c.arr.(type) {
	case *array.Boolean:
		if a.Value(row) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case *array.Int16:
		return binary.BigEndian.AppendUint16(dst, uint16(a.Value(row))^1<<15)
	case *array.Int32:
		return binary.BigEndian.AppendUint32(dst, uint32(a.Value(row))^1<<31)
	case *array.Date32:
		return binary.BigEndian.AppendUint32(dst, uint32(a.Value(row))^1<<31)
	case *array.Float32:
		v := a.Value(row)
		b := math.Float32bits(v)
		if v != v {
			b = math.Float32bits(float32(math.NaN())) &^ (1 << 31)
		} else if v == 0 && !c.order.Exact {
			b = 0
		}
		if b>>31 != 0 {
			b = ^b
		} else {
			b |= 1 << 31
		}
		return binary.BigEndian.AppendUint32(dst, b)
	case *array.Float64:
		v := a.Value(row)
		b := math.Float64bits(v)
		if v != v {
			b = nanWord
		} else if v == 0 && !c.order.Exact {
			b = 0
		}
		if b>>63 != 0 {
			b = ^b
		} else {
			b |= signBit
		}
		return binary.BigEndian.AppendUint64(dst, b)
	case *array.Decimal128:
		v := a.Value(row)
		dst = binary.BigEndian.AppendUint64(dst, uint64(v.HighBits())^signBit)
		return binary.BigEndian.AppendUint64(dst, v.LowBits())
	case *array.FixedSizeBinary:
		v := parseNumeric(a.Value(row))
		dst = appendNumeric(dst, v)
		if c.order.Exact {
			dst = append(dst, v.scale)
		}
		return dst
	case *array.String:
		return appendEscaped(dst, a.Value(row))
	case *array.Binary:
		return appendEscaped(dst, a.ValueString(row))
	case *array.MonthDayNanoInterval:
		v := a.Value(row)
		hi, lo := intervalValue(v)
		dst = binary.BigEndian.AppendUint64(dst, uint64(hi)^signBit)
		dst = binary.BigEndian.AppendUint64(dst, lo)
		if c.order.Exact {
			dst = appendMonthsDays(dst, v)
		}
		return dst
	case *array.List:
		from, to := a.ValueOffsets(row)
		for i := from; i < to; i++ {
			dst = c.elem.append(dst, int(i))
		}
		return append(dst, markListEnd)
	}
	panic("changelog: encode " + c.arr.DataType().String())
}

func appendMonthsDays(dst []byte, v arrow.MonthDayNanoInterval) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(v.Months)^1<<31)
	return binary.BigEndian.AppendUint32(dst, uint32(v.Days)^1<<31)
}

func appendEscaped(dst []byte, s string) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(dst, s[from:i+1]...)
			dst = append(dst, 0xff)
			from = i + 1
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, 0, 1)
}

func (c *columnCodec) appendRepr(dst []byte, row int) []byte {
	if !c.hasRepr() || c.valid.bits != nil && c.valid.null(row) {
		return dst
	}
	switch a := c.arr.(type) {
	case *array.FixedSizeBinary:
		dst = append(dst, parseNumeric(a.Value(row)).scale)
	case *array.MonthDayNanoInterval:
		dst = appendMonthsDays(dst, a.Value(row))
	case *array.List:
		from, to := a.ValueOffsets(row)
		for i := from; i < to; i++ {
			dst = c.elem.appendRepr(dst, int(i))
		}
	}
	return dst
}
