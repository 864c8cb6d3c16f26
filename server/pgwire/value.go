package pgwire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// appendText appends PostgreSQL's text of a value that is not NULL; timestamps with zone are written in zone.
func appendText(dst []byte, t types.Type, arr arrow.Array, row int, zone *time.Location) []byte {
	if a, ok := arr.(*array.Timestamp); ok && t.Kind == types.TimestampTZ {
		return types.AppendTimestampTZ(dst, int64(a.Value(row)), zone)
	}
	if a, ok := arr.(*array.List); ok && t.Elem == types.TimestampTZ && zone != time.UTC { // dates need quotes only where there is a blank
		from, to := a.ValueOffsets(row)
		dst = append(dst, '{')
		for i := from; i < to; i++ {
			if i > from {
				dst = append(dst, ',')
			}
			if a.ListValues().IsNull(int(i)) {
				dst = append(dst, "NULL"...)
				continue
			}
			dst = append(dst, '"')
			dst = appendText(dst, t.ElemType(), a.ListValues(), int(i), zone)
			dst = append(dst, '"')
		}
		return append(dst, '}')
	}
	return types.AppendText(dst, t, arr, row)
}

// PostgreSQL counts binary dates and timestamps from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86400 * 1e6
)

// appendBinary appends PostgreSQL's binary form of a value that is not NULL.
func appendBinary(dst []byte, t types.Type, arr arrow.Array, row int) []byte {
	be := binary.BigEndian
	switch a := arr.(type) {
	case *array.Boolean:
		if a.Value(row) {
			return append(dst, 1)
		}
		return append(dst, 0)
	case *array.Int16:
		return be.AppendUint16(dst, uint16(a.Value(row)))
	case *array.Int32:
		return be.AppendUint32(dst, uint32(a.Value(row)))
	case *array.Int64:
		return be.AppendUint64(dst, uint64(a.Value(row)))
	case *array.Float32:
		return be.AppendUint32(dst, math.Float32bits(a.Value(row)))
	case *array.Float64:
		return be.AppendUint64(dst, math.Float64bits(a.Value(row)))
	case *array.Decimal128, *array.FixedSizeBinary:
		return appendNumeric(dst, types.ValueAt(t, arr, row).(types.NumericValue))
	case *array.String:
		if t.Kind == types.JSONB {
			dst = append(dst, 1) // version of the binary form
		}
		return append(dst, a.Value(row)...)
	case *array.Binary:
		return append(dst, a.Value(row)...)
	case *array.Date32:
		d := int32(a.Value(row))
		if types.IsFiniteDate(d) {
			d -= epochDays
		}
		return be.AppendUint32(dst, uint32(d))
	case *array.Time64:
		return be.AppendUint64(dst, uint64(a.Value(row)))
	case *array.Timestamp:
		us := int64(a.Value(row))
		if types.IsFiniteTimestamp(us) {
			us -= epochMicros
		}
		return be.AppendUint64(dst, uint64(us))
	case *array.MonthDayNanoInterval:
		v := types.IntervalFromArrow(a.Value(row))
		dst = be.AppendUint64(dst, uint64(v.Micros))
		dst = be.AppendUint32(dst, uint32(v.Days))
		return be.AppendUint32(dst, uint32(v.Months))
	case *array.List:
		return appendArray(dst, t, a, row)
	}
	return types.AppendText(dst, t, arr, row) // a record has no other form here
}

// appendArray appends an array: dimensions, whether there are NULLs, the elements' type; per dimension its length and lower bound; the
// elements, each with its length.
func appendArray(dst []byte, t types.Type, a *array.List, row int) []byte {
	be := binary.BigEndian
	from, to := a.ValueOffsets(row)
	values, elem := a.ListValues(), t.ElemType()
	dimensions, nulls := uint32(1), uint32(0)
	if from == to {
		dimensions = 0
	}
	for i := from; i < to; i++ {
		if values.IsNull(int(i)) {
			nulls = 1
		}
	}
	dst = be.AppendUint32(dst, dimensions)
	dst = be.AppendUint32(dst, nulls)
	dst = be.AppendUint32(dst, describe(elem).oid)
	if dimensions == 0 {
		return dst
	}
	dst = be.AppendUint32(dst, uint32(to-from))
	dst = be.AppendUint32(dst, 1)
	for i := from; i < to; i++ {
		if values.IsNull(int(i)) {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = append(dst, 0, 0, 0, 0)
		at := len(dst)
		dst = appendBinary(dst, elem, values, int(i))
		be.PutUint32(dst[at-4:], uint32(len(dst)-at))
	}
	return dst
}

// Signs of binary numerics.
const (
	numericNegative = 0x4000
	numericNaN      = 0xC000
	numericPosInf   = 0xD000
	numericNegInf   = 0xF000
)

// appendNumeric appends a numeric: the number of digits to base 10,000, the weight of the first, the sign, the display scale, the digits.
func appendNumeric(dst []byte, v types.NumericValue) []byte {
	be := binary.BigEndian
	head := func(n int, weight int16, sign, scale uint16) {
		dst = be.AppendUint16(dst, uint16(n))
		dst = be.AppendUint16(dst, uint16(weight))
		dst = be.AppendUint16(dst, sign)
		dst = be.AppendUint16(dst, scale)
	}
	if v.IsSpecial() {
		sign := uint16(numericNaN)
		if !v.IsNaN() {
			sign = numericPosInf
			if v.Sign() < 0 {
				sign = numericNegInf
			}
		}
		head(0, 0, sign, 0)
		return dst
	}
	var text [320]byte
	b := v.Append(text[:0])
	sign := uint16(0)
	if b[0] == '-' {
		sign, b = numericNegative, b[1:]
	}
	whole, scale := len(b), 0 // digits before and behind the point
	for i, c := range b {
		if c == '.' {
			whole, scale = i, len(b)-i-1
			b = append(b[:i], b[i+1:]...)
			break
		}
	}
	// Groups of four begin at the point: pad in front, read groups, and pad behind.
	groups := (whole + 3) / 4
	weight := groups - 1
	digit := func(i int) uint16 { // of the digits padded in front to whole groups
		i -= groups*4 - whole
		if i < 0 || i >= len(b) {
			return 0
		}
		return uint16(b[i] - '0')
	}
	all := groups + (scale+3)/4
	var list [90]uint16
	digits := list[:0]
	for g := range all {
		digits = append(digits, digit(4*g)*1000+digit(4*g+1)*100+digit(4*g+2)*10+digit(4*g+3))
	}
	for len(digits) > 0 && digits[0] == 0 {
		digits, weight = digits[1:], weight-1
	}
	for len(digits) > 0 && digits[len(digits)-1] == 0 {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 {
		weight, sign = 0, 0
	}
	head(len(digits), int16(weight), sign, uint16(scale))
	for _, d := range digits {
		dst = be.AppendUint16(dst, d)
	}
	return dst
}
