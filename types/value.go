package types

import (
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// A Go value of a type is: nil (NULL), bool, int64 (integers, Date in days, Time/Timestamp/TimestampTZ in microseconds),
// float64 (both floats), string (Text, JSONB), []byte (Bytea), NumericValue (Numeric, also NUMERIC(p,s)), IntervalValue,
// []any (Array, and Record).

// NewBuilder returns a builder of t's storage, with Go's allocator.
func NewBuilder(t Type) array.Builder {
	return array.NewBuilder(memory.DefaultAllocator, t.Arrow())
}

// FromArrow returns the SQL type whose storage is dt; ok is false if there is none. Lists of such and structs count.
func FromArrow(dt arrow.DataType) (t Type, ok bool) {
	switch dt := dt.(type) {
	case *arrow.NullType:
		return UnknownType, true
	case *arrow.BooleanType:
		return BoolType, true
	case *arrow.Int16Type:
		return Int2Type, true
	case *arrow.Int32Type:
		return Int4Type, true
	case *arrow.Int64Type:
		return Int8Type, true
	case *arrow.Float32Type:
		return Float4Type, true
	case *arrow.Float64Type:
		return Float8Type, true
	case *arrow.Decimal128Type:
		return Type{Kind: Numeric, Precision: int16(dt.Precision), Scale: int16(dt.Scale)}, true
	case *arrow.FixedSizeBinaryType:
		return NumericType, dt.ByteWidth == NumericWidth
	case *arrow.StringType:
		return TextType, true
	case *arrow.BinaryType:
		return ByteaType, true
	case *arrow.Date32Type:
		return DateType, true
	case *arrow.Time64Type:
		return TimeType, dt.Unit == arrow.Microsecond
	case *arrow.TimestampType:
		if dt.TimeZone != "" {
			return TimestampTZType, dt.Unit == arrow.Microsecond
		}
		return TimestampType, dt.Unit == arrow.Microsecond
	case *arrow.MonthDayNanoIntervalType:
		return IntervalType, true
	case *arrow.ListType:
		elem, ok := FromArrow(dt.Elem())
		return ArrayOf(elem), ok && elem.Kind != Array && elem.Kind != Record
	case *arrow.StructType:
		return Type{Kind: Record}, true
	}
	return Type{}, false
}

// ValueAt returns the Go value of one row. Strings and byte slices share the array's memory.
func ValueAt(t Type, arr arrow.Array, row int) any {
	if arr.IsNull(row) {
		return nil
	}
	switch a := arr.(type) {
	case *array.Boolean:
		return a.Value(row)
	case *array.Int16:
		return int64(a.Value(row))
	case *array.Int32:
		return int64(a.Value(row))
	case *array.Int64:
		return a.Value(row)
	case *array.Float32:
		return float64(a.Value(row))
	case *array.Float64:
		return a.Value(row)
	case *array.Decimal128:
		return decimalValue(a.Value(row), a.DataType())
	case *array.FixedSizeBinary:
		return GetNumeric(a.Value(row))
	case *array.String:
		return a.Value(row)
	case *array.Binary:
		return a.Value(row)
	case *array.Date32:
		return int64(a.Value(row))
	case *array.Time64:
		return int64(a.Value(row))
	case *array.Timestamp:
		return int64(a.Value(row))
	case *array.MonthDayNanoInterval:
		return IntervalFromArrow(a.Value(row))
	case *array.List:
		from, to := a.ValueOffsets(row)
		values := make([]any, 0, to-from)
		for i := from; i < to; i++ {
			values = append(values, ValueAt(t.ElemType(), a.ListValues(), int(i)))
		}
		return values
	case *array.Struct:
		values := make([]any, a.NumField())
		for i := range values {
			ft, _ := FromArrow(a.Field(i).DataType())
			values[i] = ValueAt(ft, a.Field(i), row)
		}
		return values
	}
	return nil
}

// decimalValue converts a stored decimal128, whose digits are within bounds.
func decimalValue(n decimal128.Num, dt arrow.DataType) NumericValue {
	v, err := NumericFromDecimal128(n, dt.(*arrow.Decimal128Type).Scale)
	if err != nil {
		return NaN
	}
	return v
}

// AppendValue appends a Go value of type t to a builder of t's storage. Errors: 22003 where NUMERIC(p,s) cannot hold it;
// 42804 where v is no value of t.
func AppendValue(b array.Builder, t Type, v any) error {
	if v == nil {
		b.AppendNull()
		return nil
	}
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if x, ok := v.(bool); ok {
			b.Append(x)
			return nil
		}
	case *array.Int16Builder:
		if x, ok := v.(int64); ok {
			if x != int64(int16(x)) {
				return Errorf(CodeNumericOutOfRange, "smallint out of range")
			}
			b.Append(int16(x))
			return nil
		}
	case *array.Int32Builder:
		if x, ok := v.(int64); ok {
			if x != int64(int32(x)) {
				return Errorf(CodeNumericOutOfRange, "integer out of range")
			}
			b.Append(int32(x))
			return nil
		}
	case *array.Int64Builder:
		if x, ok := v.(int64); ok {
			b.Append(x)
			return nil
		}
	case *array.Float32Builder:
		if x, ok := v.(float64); ok {
			b.Append(float32(x))
			return nil
		}
	case *array.Float64Builder:
		if x, ok := v.(float64); ok {
			b.Append(x)
			return nil
		}
	case *array.Decimal128Builder:
		if x, ok := v.(NumericValue); ok {
			n, err := x.Decimal128(int(t.Precision), int(t.Scale))
			if err != nil {
				return err
			}
			b.Append(n)
			return nil
		}
	case *array.FixedSizeBinaryBuilder:
		if x, ok := v.(NumericValue); ok {
			var raw [NumericWidth]byte
			x.Put(raw[:])
			b.Append(raw[:])
			return nil
		}
	case *array.StringBuilder:
		if x, ok := v.(string); ok {
			b.Append(x)
			return nil
		}
	case *array.BinaryBuilder:
		if x, ok := v.([]byte); ok {
			b.Append(x)
			return nil
		}
	case *array.Date32Builder:
		if x, ok := v.(int64); ok {
			b.Append(arrow.Date32(x))
			return nil
		}
	case *array.Time64Builder:
		if x, ok := v.(int64); ok {
			b.Append(arrow.Time64(x))
			return nil
		}
	case *array.TimestampBuilder:
		if x, ok := v.(int64); ok {
			b.Append(arrow.Timestamp(x))
			return nil
		}
	case *array.MonthDayNanoIntervalBuilder:
		if x, ok := v.(IntervalValue); ok {
			if _, err := x.check(); err != nil {
				return err
			}
			b.Append(x.Arrow())
			return nil
		}
	case *array.ListBuilder:
		if values, ok := v.([]any); ok {
			b.Append(true)
			for _, x := range values {
				if err := AppendValue(b.ValueBuilder(), t.ElemType(), x); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return Errorf(CodeDatatypeMismatch, "a Go value of type %T is no %s", v, t)
}

// ParseText reads PostgreSQL's input form of any type, with its modifiers, into a Go value. TIMESTAMPTZ without a zone is in
// UTC. Errors: as the type's input function.
func ParseText(t Type, text string) (any, error) { return ParseTextIn(t, text, nil) }

// ParseTextIn is ParseText with TIMESTAMPTZ without a zone, also inside arrays, in the session's time zone; nil is UTC.
func ParseTextIn(t Type, text string, zone *time.Location) (any, error) {
	switch t.Kind {
	case Bool:
		return boxed(ParseBool(text))
	case Int2, Int4, Int8:
		return boxed(ParseInt(t.Kind, text))
	case Float4, Float8:
		return boxed(ParseFloat(t.Kind, text))
	case Numeric:
		v, err := ParseNumeric(text)
		if err == nil && t.Precision > 0 {
			v, err = v.WithModifier(int(t.Precision), int(t.Scale))
		}
		return boxed(v, err)
	case Text, Unknown:
		return boxed(checkText(t, text))
	case Bytea:
		return boxed(ParseBytea(text))
	case Date:
		days, err := ParseDate(text)
		return boxed(int64(days), err)
	case Time:
		us, err := ParseTime(text)
		return boxed(RoundTime(t, us), err)
	case Timestamp:
		us, err := ParseTimestamp(text)
		return boxed(RoundTime(t, us), err)
	case TimestampTZ:
		us, err := ParseTimestampTZ(text, zone)
		return boxed(RoundTime(t, us), err)
	case Interval:
		return boxed(ParseInterval(text))
	case Array:
		return boxed(parseArray(t, text, zone))
	case JSONB:
		norm, err := NormalizeJSONB([]byte(text))
		return boxed(string(norm), err)
	}
	return nil, NotSupported(Span{}, "reading a text as %s", t)
}

// boxed keeps a failed value from hiding in an interface.
func boxed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// RoundTime applies the modifier of TIME(p), TIMESTAMP(p) or TIMESTAMPTZ(p), if there is one.
func RoundTime(t Type, us int64) int64 {
	if t.Precision == 0 || t.Precision > 6 || !IsFiniteTimestamp(us) {
		return us
	}
	return roundMicros(us, int(t.Precision)-1)
}

// checkText applies VARCHAR(n): too long is an error unless blanks alone are cut. Errors: 22001; 22021 for bad UTF-8 and zero bytes.
func checkText(t Type, text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", Errorf(CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\"")
	}
	for i := range len(text) {
		if text[i] == 0 {
			return "", Errorf(CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
	}
	if t.Precision <= 0 || len(text) <= int(t.Precision) {
		return text, nil
	}
	n := 0
	for i := range text {
		if n == int(t.Precision) {
			for j := i; j < len(text); j++ {
				if text[j] != ' ' {
					return "", Errorf(CodeStringTruncation, "value too long for type %s", t)
				}
			}
			return text[:i], nil
		}
		n++
	}
	return text, nil
}

// FromText appends the value that text reads as to a builder of t's storage. The builder is unchanged after an error.
// Errors: as ParseText.
func FromText(b array.Builder, t Type, text []byte) error {
	switch b := b.(type) {
	case *array.BooleanBuilder:
		v, err := parseBool(text)
		if err != nil {
			return err
		}
		b.Append(v)
		return nil
	case *array.Int16Builder:
		v, err := parseInt(Int2, text)
		if err != nil {
			return err
		}
		b.Append(int16(v))
		return nil
	case *array.Int32Builder:
		v, err := parseInt(Int4, text)
		if err != nil {
			return err
		}
		b.Append(int32(v))
		return nil
	case *array.Int64Builder:
		v, err := parseInt(Int8, text)
		if err != nil {
			return err
		}
		b.Append(v)
		return nil
	case *array.TimestampBuilder:
		us, ok := fastTimestamp(text, t.Kind == TimestampTZ)
		if ok {
			b.Append(arrow.Timestamp(RoundTime(t, us)))
			return nil
		}
	case *array.Date32Builder:
		if days, ok := fastDate(text); ok {
			b.Append(arrow.Date32(days))
			return nil
		}
	case *array.StringBuilder:
		if t.Kind == Text {
			s, err := checkText(t, string(text))
			if err != nil {
				return err
			}
			b.Append(s)
			return nil
		}
	}
	v, err := ParseText(t, string(text))
	if err != nil {
		return err
	}
	return AppendValue(b, t, v)
}

// AppendText appends PostgreSQL's text output of one row of an array of t's storage; nothing for NULL. TIMESTAMPTZ is in UTC.
func AppendText(dst []byte, t Type, arr arrow.Array, row int) []byte {
	return AppendTextIn(dst, t, arr, row, nil)
}

// AppendTextIn is AppendText with TIMESTAMPTZ, also inside arrays, as it reads in the session's time zone; nil is UTC.
func AppendTextIn(dst []byte, t Type, arr arrow.Array, row int, zone *time.Location) []byte {
	if arr.IsNull(row) {
		return dst
	}
	switch a := arr.(type) {
	case *array.Boolean:
		if a.Value(row) {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case *array.Int16:
		return appendInt(dst, int64(a.Value(row)))
	case *array.Int32:
		return appendInt(dst, int64(a.Value(row)))
	case *array.Int64:
		return appendInt(dst, a.Value(row))
	case *array.Float32:
		return AppendFloat(dst, float64(a.Value(row)), 32)
	case *array.Float64:
		return AppendFloat(dst, a.Value(row), 64)
	case *array.Decimal128:
		return decimalValue(a.Value(row), a.DataType()).Append(dst)
	case *array.FixedSizeBinary:
		return GetNumeric(a.Value(row)).Append(dst)
	case *array.String:
		return append(dst, a.Value(row)...)
	case *array.Binary:
		return AppendBytea(dst, a.Value(row))
	case *array.Date32:
		return AppendDate(dst, int32(a.Value(row)))
	case *array.Time64:
		return AppendTime(dst, int64(a.Value(row)))
	case *array.Timestamp:
		if a.DataType().(*arrow.TimestampType).TimeZone != "" {
			return AppendTimestampTZ(dst, int64(a.Value(row)), zone)
		}
		return AppendTimestamp(dst, int64(a.Value(row)))
	case *array.MonthDayNanoInterval:
		return IntervalFromArrow(a.Value(row)).Append(dst)
	case *array.List:
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
			at := len(dst)
			dst = quoteElement(AppendTextIn(dst, t.ElemType(), a.ListValues(), int(i), zone), at)
		}
		return append(dst, '}')
	case *array.Struct:
		dst = append(dst, '(')
		for i := range a.NumField() {
			if i > 0 {
				dst = append(dst, ',')
			}
			ft, _ := FromArrow(a.Field(i).DataType())
			at := len(dst)
			if !a.Field(i).IsNull(row) {
				dst = quoteField(AppendTextIn(dst, ft, a.Field(i), row, zone), at)
			}
		}
		return append(dst, ')')
	}
	return dst
}

// quoteField quotes a record's field, which starts at dst[at:], where it must be.
func quoteField(dst []byte, at int) []byte {
	plain := string(dst[at:])
	quote := plain == ""
	for i := range len(plain) {
		switch c := plain[i]; c {
		case '"', '\\', '(', ')', ',':
			quote = true
		default:
			quote = quote || isSpace(c)
		}
	}
	if !quote {
		return dst
	}
	dst = append(dst[:at], '"')
	for i := range len(plain) {
		if plain[i] == '"' || plain[i] == '\\' {
			dst = append(dst, plain[i])
		}
		dst = append(dst, plain[i])
	}
	return append(dst, '"')
}

func appendInt(dst []byte, x int64) []byte {
	if x < 0 {
		dst = append(dst, '-')
	}
	return u128{0, abs64(x)}.appendDecimal(dst)
}

// AppendValueText appends PostgreSQL's text output of a Go value of type t; nothing for nil. TIMESTAMPTZ is in UTC.
func AppendValueText(dst []byte, t Type, v any) []byte { return AppendValueTextIn(dst, t, v, nil) }

// AppendValueTextIn is AppendValueText with TIMESTAMPTZ as it reads in the session's time zone; nil is UTC.
func AppendValueTextIn(dst []byte, t Type, v any, zone *time.Location) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case int64:
		switch t.Kind {
		case Date:
			return AppendDate(dst, int32(v))
		case Time:
			return AppendTime(dst, v)
		case Timestamp:
			return AppendTimestamp(dst, v)
		case TimestampTZ:
			return AppendTimestampTZ(dst, v, zone)
		}
		return appendInt(dst, v)
	case float64:
		if t.Kind == Float4 {
			return AppendFloat(dst, v, 32)
		}
		return AppendFloat(dst, v, 64)
	case string:
		return append(dst, v...)
	case []byte:
		return AppendBytea(dst, v)
	case NumericValue:
		return v.Append(dst)
	case IntervalValue:
		return v.Append(dst)
	case []any:
		dst = append(dst, '{')
		for i, x := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if x == nil {
				dst = append(dst, "NULL"...)
				continue
			}
			at := len(dst)
			dst = quoteElement(AppendValueTextIn(dst, t.ElemType(), x, zone), at)
		}
		return append(dst, '}')
	case nil:
		return dst
	}
	return fmt.Append(dst, v)
}

// AppendJSON appends one row as a JSON value: null, numbers bare (NUMERIC with all its digits), NaN and infinities as strings,
// JSONB as it is, arrays as arrays, everything else as a string of its text form.
func AppendJSON(dst []byte, t Type, arr arrow.Array, row int) []byte {
	if arr.IsNull(row) {
		return append(dst, "null"...)
	}
	switch a := arr.(type) {
	case *array.Boolean:
		if a.Value(row) {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case *array.Int16, *array.Int32, *array.Int64, *array.Decimal128:
		return AppendText(dst, t, arr, row)
	case *array.Float32:
		return appendJSONFloat(dst, float64(a.Value(row)), 32)
	case *array.Float64:
		return appendJSONFloat(dst, a.Value(row), 64)
	case *array.FixedSizeBinary:
		v := GetNumeric(a.Value(row))
		if v.IsSpecial() {
			return append(v.Append(append(dst, '"')), '"')
		}
		return v.Append(dst)
	case *array.String:
		if t.Kind == JSONB {
			return append(dst, a.Value(row)...)
		}
		return AppendJSONString(dst, a.Value(row))
	case *array.Binary:
		dst = append(dst, '"', '\\')
		return append(AppendBytea(dst, a.Value(row)), '"')
	case *array.List:
		from, to := a.ValueOffsets(row)
		dst = append(dst, '[')
		for i := from; i < to; i++ {
			if i > from {
				dst = append(dst, ',')
			}
			dst = AppendJSON(dst, t.ElemType(), a.ListValues(), int(i))
		}
		return append(dst, ']')
	case *array.Struct:
		dst = append(dst, '{')
		fields := a.DataType().(*arrow.StructType).Fields()
		for i := range a.NumField() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendJSONString(dst, fields[i].Name), ':')
			ft, _ := FromArrow(a.Field(i).DataType())
			dst = AppendJSON(dst, ft, a.Field(i), row)
		}
		return append(dst, '}')
	}
	return append(AppendText(append(dst, '"'), t, arr, row), '"') // dates, times and intervals need no escapes
}

func appendJSONFloat(dst []byte, f float64, size int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(AppendFloat(append(dst, '"'), f, size), '"')
	}
	return AppendFloat(dst, f, size)
}
