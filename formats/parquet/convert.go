package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/float16"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// badRows are the rows of a batch that a column cannot hold, with the first reason.
type badRows map[int]*types.Error

func (b badRows) add(row int, err error) {
	if _, seen := b[row]; !seen {
		b[row] = types.AsError(err)
	}
}

// converter turns a column as stored into a column of the wanted type. Rows that it cannot convert go to bad and hold anything.
type converter func(r *raw, bad badRows) arrow.Array

// The range of timestamps and dates, as in package types.
const (
	microsPerDay = 24 * 3600 * 1_000_000
	unixJulian   = 2440588 // Julian day of 1970-01-01
	minTimestamp = -unixJulian * microsPerDay
	minDate      = -unixJulian
	maxDate      = 2147483493 - unixJulian
)

// converterFor returns how l becomes a value of t, or nil if it cannot.
func (l *leaf) converterFor(t types.Type) converter {
	switch l.storage {
	case storedBool:
		if t.Kind == types.Bool {
			return bools
		}
	case storedInt:
		return l.fromInts(t, signedInts)
	case storedUint:
		if l.column.PhysicalType().ByteSize() == 4 {
			return l.fromInts(t, unsignedInts)
		}
		return l.fromUint64(t)
	case storedFloat:
		return l.fromFloat(t)
	case storedHalf:
		if t.IsFloat() {
			return perRow(t, func(r *raw, row int) (any, error) {
				return float64(float16.FromBits(binary.LittleEndian.Uint16(r.fixed[row*2:])).Float32()), nil
			})
		}
	case storedDecimal:
		return l.fromDecimal(t)
	case storedDate:
		switch t.Kind {
		case types.Date:
			return dates
		case types.Timestamp:
			return timestamps(t, func(r *raw) []int64 { return signedInts(r) }, microsPerDay*1000)
		}
	case storedTime:
		if t.Kind == types.Time {
			return l.times(t)
		}
	case storedStamp, storedInt96:
		if t.Kind == types.Timestamp || t.Kind == types.TimestampTZ {
			if l.storage == storedInt96 {
				return timestamps(t, int96Micros, 1000)
			}
			return timestamps(t, signedInts, l.perUnit)
		}
	case storedText:
		return l.fromText(t)
	case storedBinary:
		return l.fromBinary(t)
	case storedUUID:
		if t.Kind == types.Text {
			return perRow(t, func(r *raw, row int) (any, error) {
				u := r.fixed[row*16 : row*16+16]
				return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]), nil
			})
		}
	case storedInterval:
		if t.Kind == types.Interval {
			return perRow(t, func(r *raw, row int) (any, error) {
				b := r.fixed[row*12:]
				return types.IntervalValue{Months: int32(binary.LittleEndian.Uint32(b)), Days: int32(binary.LittleEndian.Uint32(b[4:])),
					Micros: int64(binary.LittleEndian.Uint32(b[8:])) * 1000}, nil
			})
		}
	}
	return nil
}

// fixedArray wraps values without copying them.
func fixedArray(t types.Type, values []byte, r *raw) arrow.Array {
	return array.MakeFromData(array.NewData(t.Arrow(), r.n, []*memory.Buffer{r.buffer(), memory.NewBufferBytes(values)}, nil, r.nulls, 0))
}

// perRow converts a row at a time: for what is rare.
func perRow(t types.Type, value func(r *raw, row int) (any, error)) converter {
	return func(r *raw, bad badRows) arrow.Array {
		b := types.NewBuilder(t)
		b.Reserve(r.n)
		for row := range r.n {
			if !r.valid(row) {
				b.AppendNull()
				continue
			}
			v, err := value(r, row)
			if err == nil {
				err = types.AppendValue(b, t, v)
			}
			if err != nil {
				bad.add(row, err)
				b.AppendNull()
			}
		}
		return b.NewArray()
	}
}

func bools(r *raw, _ badRows) arrow.Array {
	packed := make([]byte, (r.n+7)/8)
	for i, b := range r.fixed {
		packed[i>>3] |= b << (i & 7)
	}
	return fixedArray(types.BoolType, packed, r)
}

// signedInts returns 4- or 8-byte integers as int64; of 8 bytes without copying.
func signedInts(r *raw) []int64 {
	if r.width == 8 {
		return asInt64(r.fixed)
	}
	out := make([]int64, r.n)
	for i, v := range asInt32(r.fixed) {
		out[i] = int64(v)
	}
	return out
}

func unsignedInts(r *raw) []int64 {
	out := make([]int64, r.n)
	for i, v := range asUint32(r.fixed) {
		out[i] = int64(v)
	}
	return out
}

// fromInts converts integers that fit int64.
func (l *leaf) fromInts(t types.Type, ints func(*raw) []int64) converter {
	width := l.column.PhysicalType().ByteSize()
	switch {
	case t.Kind == types.Int4 && width == 4 && l.storage == storedInt:
		return func(r *raw, _ badRows) arrow.Array { return fixedArray(t, r.fixed, r) }
	case t.Kind == types.Int8:
		return func(r *raw, _ badRows) arrow.Array {
			return fixedArray(t, arrow.Int64Traits.CastToBytes(ints(r)), r)
		}
	case t.Kind == types.Int4:
		return func(r *raw, bad badRows) arrow.Array {
			return fixedArray(t, arrow.Int32Traits.CastToBytes(narrow(ints(r), math.MinInt32, math.MaxInt32, t, bad, toInt32)), r)
		}
	case t.Kind == types.Int2:
		return func(r *raw, bad badRows) arrow.Array {
			return fixedArray(t, arrow.Int16Traits.CastToBytes(narrow(ints(r), math.MinInt16, math.MaxInt16, t, bad, toInt16)), r)
		}
	case t.IsFloat():
		return func(r *raw, _ badRows) arrow.Array {
			return floatArray(t, r, ints(r), func(v int64) float64 { return float64(v) }, func(v int64) float32 { return float32(v) })
		}
	case t.Kind == types.Numeric:
		return func(r *raw, bad badRows) arrow.Array {
			values := ints(r)
			return perRow(t, func(_ *raw, row int) (any, error) { return types.NumericFromInt64(values[row]), nil })(r, bad)
		}
	}
	return nil
}

func toInt32(v int64) int32 { return int32(v) }
func toInt16(v int64) int16 { return int16(v) }

// narrow converts values, whose NULLs are zero, and reports those out of range.
func narrow[T any](values []int64, lo, hi int64, t types.Type, bad badRows, to func(int64) T) []T {
	out := make([]T, len(values))
	for i, v := range values {
		if v < lo || v > hi {
			bad.add(i, types.Errorf(types.CodeNumericOutOfRange, "%d is out of range for type %s", v, t))
			continue
		}
		out[i] = to(v)
	}
	return out
}

func floatArray[T any](t types.Type, r *raw, values []T, to64 func(T) float64, to32 func(T) float32) arrow.Array {
	if t.Kind == types.Float4 {
		out := make([]float32, len(values))
		for i, v := range values {
			out[i] = to32(v)
		}
		return fixedArray(t, arrow.Float32Traits.CastToBytes(out), r)
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = to64(v)
	}
	return fixedArray(t, arrow.Float64Traits.CastToBytes(out), r)
}

func (l *leaf) fromUint64(t types.Type) converter {
	switch {
	case t.IsInteger():
		return perRow(t, func(r *raw, row int) (any, error) {
			v := binary.LittleEndian.Uint64(r.fixed[row*8:])
			if v > math.MaxInt64 {
				return nil, types.Errorf(types.CodeNumericOutOfRange, "%d is out of range for type %s", v, t)
			}
			return int64(v), nil
		})
	case t.IsFloat():
		return func(r *raw, _ badRows) arrow.Array {
			return floatArray(t, r, asUint64(r.fixed), func(v uint64) float64 { return float64(v) }, func(v uint64) float32 { return float32(v) })
		}
	case t.Kind == types.Numeric:
		return perRow(t, func(r *raw, row int) (any, error) {
			return types.NumericFromUint64(binary.LittleEndian.Uint64(r.fixed[row*8:])), nil
		})
	}
	return nil
}

func (l *leaf) fromFloat(t types.Type) converter {
	width := l.column.PhysicalType().ByteSize()
	switch {
	case t.Kind == types.Float4 && width == 4, t.Kind == types.Float8 && width == 8:
		return func(r *raw, _ badRows) arrow.Array { return fixedArray(t, r.fixed, r) }
	case t.Kind == types.Float8:
		return func(r *raw, _ badRows) arrow.Array {
			return floatArray(t, r, asFloat32(r.fixed), func(v float32) float64 { return float64(v) }, nil)
		}
	case t.Kind == types.Float4:
		return func(r *raw, bad badRows) arrow.Array {
			for i, v := range asFloat64(r.fixed) {
				f := float32(v)
				if math.IsInf(float64(f), 0) != math.IsInf(v, 0) || f == 0 && v != 0 {
					bad.add(i, types.Errorf(types.CodeNumericOutOfRange, "%v is out of range for type %s", v, t))
				}
			}
			return floatArray(t, r, asFloat64(r.fixed), nil, func(v float64) float32 { return float32(v) })
		}
	}
	return nil
}

// fromDecimal converts coefficients of a fixed scale.
func (l *leaf) fromDecimal(t types.Type) converter {
	coefficient := func(r *raw, row int) (decimal128.Num, error) {
		switch r.width {
		case 4:
			return decimal128.FromI64(int64(asInt32(r.fixed)[row])), nil
		case 8:
			return decimal128.FromI64(asInt64(r.fixed)[row]), nil
		case 0:
			return bigEndian(r.at(row))
		}
		return bigEndian(r.fixed[row*r.width : (row+1)*r.width])
	}
	if p := l.column.PhysicalType().ByteSize(); p != 4 && p != 8 { // of bytes, also of 4 or 8 of them
		coefficient = func(r *raw, row int) (decimal128.Num, error) {
			if r.width == 0 {
				return bigEndian(r.at(row))
			}
			return bigEndian(r.fixed[row*r.width : (row+1)*r.width])
		}
	}
	value := func(r *raw, row int) (types.NumericValue, error) {
		n, err := coefficient(r, row)
		if err != nil {
			return types.NumericValue{}, err
		}
		return types.NumericFromDecimal128(n, int32(l.scale))
	}
	switch {
	case t.IsDecimal128() && int(t.Scale) == l.scale:
		limit := decimal128.GetMaxValue(int32(t.Precision))
		return func(r *raw, bad badRows) arrow.Array {
			out := make([]decimal128.Num, r.n)
			for row := range out {
				if !r.valid(row) {
					continue
				}
				n, err := coefficient(r, row)
				if err == nil && n.Abs().Greater(limit) {
					err = types.Errorf(types.CodeNumericOutOfRange, "a value is out of range for type %s", t)
				}
				if err != nil {
					bad.add(row, err)
					continue
				}
				out[row] = n
			}
			return fixedArray(t, arrow.Decimal128Traits.CastToBytes(out), r)
		}
	case t.Kind == types.Numeric:
		return perRow(t, func(r *raw, row int) (any, error) { return value(r, row) })
	case t.IsFloat():
		return perRow(t, func(r *raw, row int) (any, error) {
			v, err := value(r, row)
			return v.Float64(), err
		})
	case t.IsInteger() && l.scale == 0:
		return perRow(t, func(r *raw, row int) (any, error) {
			v, err := value(r, row)
			if err != nil {
				return nil, err
			}
			return v.ToInt(t.Kind)
		})
	}
	return nil
}

// bigEndian reads a two's complement number of any length.
func bigEndian(b []byte) (decimal128.Num, error) {
	if len(b) == 0 {
		return decimal128.Num{}, nil
	}
	sign := byte(int8(b[0]) >> 7)
	for len(b) > 16 {
		if b[0] != sign || b[1]&0x80 != sign&0x80 {
			return decimal128.Num{}, types.Errorf(types.CodeNumericOutOfRange, "a decimal of %d bytes has more than 38 digits", len(b))
		}
		b = b[1:]
	}
	var full [16]byte
	for i := range full {
		full[i] = sign
	}
	copy(full[16-len(b):], b)
	return decimal128.New(int64(binary.BigEndian.Uint64(full[:])), binary.BigEndian.Uint64(full[8:])), nil
}

func dates(r *raw, bad badRows) arrow.Array {
	for i, v := range asInt32(r.fixed) {
		if (v < minDate || v > maxDate) && types.IsFiniteDate(v) {
			bad.add(i, types.Errorf(types.CodeDatetimeOverflow, "date out of range"))
		}
	}
	return fixedArray(types.DateType, r.fixed, r)
}

// times converts units since midnight.
func (l *leaf) times(t types.Type) converter {
	return func(r *raw, bad badRows) arrow.Array {
		values, out := signedInts(r), make([]int64, r.n)
		for i, v := range values {
			if v < 0 || v > 24*3600*1e9/l.perUnit {
				bad.add(i, types.Errorf(types.CodeDatetimeOverflow, "time out of range"))
				continue
			}
			out[i] = types.RoundTime(t, v*l.perUnit/1000)
		}
		return fixedArray(t, arrow.Int64Traits.CastToBytes(out), r)
	}
}

// timestamps converts units of perUnit nanoseconds since 1970. Nanoseconds are rounded down. The largest and smallest microseconds and
// days are infinity.
func timestamps(t types.Type, units func(*raw) []int64, perUnit int64) converter {
	outOfRange := func() error { return types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range") }
	infinite := func(v int64) (int64, bool) {
		switch {
		case perUnit == 1000 && !types.IsFiniteTimestamp(v):
			return v, true
		case perUnit == microsPerDay*1000 && v == int64(types.DatePosInf):
			return types.TimestampPosInf, true
		case perUnit == microsPerDay*1000 && v == int64(types.DateNegInf):
			return types.TimestampNegInf, true
		}
		return 0, false
	}
	return func(r *raw, bad badRows) arrow.Array {
		values := units(r)
		switch {
		case perUnit == 1000:
			for i, v := range values {
				if v < minTimestamp && v != types.TimestampNegInf {
					bad.add(i, outOfRange())
				}
			}
		case perUnit > 1000:
			factor := perUnit / 1000
			lo, hi := minTimestamp/factor, (types.TimestampPosInf-1)/factor
			for i, v := range values {
				if v >= lo && v <= hi {
					values[i] = v * factor
				} else if inf, ok := infinite(v); ok {
					values[i] = inf
				} else {
					bad.add(i, outOfRange())
				}
			}
		default:
			for i, v := range values {
				us := v / 1000
				if v < us*1000 {
					us--
				}
				values[i] = us
			}
		}
		if t.Precision > 0 {
			for i, v := range values {
				values[i] = types.RoundTime(t, v)
			}
		}
		return fixedArray(t, arrow.Int64Traits.CastToBytes(values), r)
	}
}

func int96Micros(r *raw) []int64 {
	out := make([]int64, r.n)
	for i := range out {
		b := r.fixed[i*12:]
		if !r.valid(i) {
			continue
		}
		nanos, day := binary.LittleEndian.Uint64(b), int64(binary.LittleEndian.Uint32(b[8:]))-unixJulian
		if day < -unixJulian || day > types.TimestampPosInf/microsPerDay-1 || nanos > 1<<62 {
			out[i] = types.TimestampNegInf + 1 // out of range
			continue
		}
		out[i] = day*microsPerDay + int64(nanos/1000)
	}
	return out
}

// varlenArray wraps strings or bytes without copying them.
func varlenArray(t types.Type, r *raw) arrow.Array {
	ends := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(r.ends))
	return array.MakeFromData(array.NewData(t.Arrow(), r.n, []*memory.Buffer{r.buffer(), ends, memory.NewBufferBytes(r.data)}, nil, r.nulls, 0))
}

func (l *leaf) fromText(t types.Type) converter {
	switch t.Kind {
	case types.Text:
		return texts(t)
	case types.Bytea:
		return func(r *raw, _ badRows) arrow.Array { return varlenArray(t, r) }
	case types.JSONB, types.Numeric, types.Interval:
		return func(r *raw, bad badRows) arrow.Array { return parsed(t, r, bad) }
	}
	return nil
}

func (l *leaf) fromBinary(t types.Type) converter {
	fixed := l.column.TypeLength()
	if fixed > 0 {
		if t.Kind != types.Bytea {
			return nil
		}
		return perRow(t, func(r *raw, row int) (any, error) { return r.fixed[row*fixed : (row+1)*fixed], nil })
	}
	switch t.Kind {
	case types.Bytea:
		return func(r *raw, _ badRows) arrow.Array { return varlenArray(t, r) }
	case types.Text, types.JSONB: // files of old writers do not say that it is text
		return l.fromText(t)
	}
	return nil
}

// parsed reads values from their text form.
func parsed(t types.Type, r *raw, bad badRows) arrow.Array {
	b := types.NewBuilder(t)
	b.Reserve(r.n)
	for row := range r.n {
		if !r.valid(row) {
			b.AppendNull()
			continue
		}
		if err := types.FromText(b, t, r.at(row)); err != nil {
			bad.add(row, err)
			b.AppendNull()
		}
	}
	return b.NewArray()
}

// texts checks the encoding of all values at once, and one by one only where something is wrong.
func texts(t types.Type) converter {
	return func(r *raw, bad badRows) arrow.Array {
		if t.Precision > 0 {
			return parsed(t, r, bad)
		}
		ascii, clean := isASCII(r.data), bytes.IndexByte(r.data, 0) < 0
		if !ascii {
			clean = clean && utf8.Valid(r.data)
			for _, end := range r.ends {
				clean = clean && (int(end) == len(r.data) || utf8.RuneStart(r.data[end]))
			}
		}
		if !clean {
			return parsed(t, r, bad)
		}
		return varlenArray(t, r)
	}
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
