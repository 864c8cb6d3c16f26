// Package types defines the SQL types, their Arrow storage and their PostgreSQL text forms. It is a leaf that every
// other package may import.
package types

import (
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
)

// Kind names a family of SQL types.
type Kind uint8

// The kinds, in the order of the plan's stored form: append only, never renumber.
const (
	Unknown     Kind = iota // the type of NULL and of untyped string literals before coercion; stored as arrow.Null
	Bool                    // arrow boolean
	Int2                    // int16
	Int4                    // int32
	Int8                    // int64
	Float4                  // float32
	Float8                  // float64
	Numeric                 // NUMERIC(p,s): decimal128(p,s); NUMERIC: FixedSizeBinary(17), see NumericWidth
	Text                    // utf8 (int32 offsets)
	Bytea                   // binary
	Date                    // date32: days since 1970-01-01
	Time                    // time64[us]
	Timestamp               // timestamp[us] without zone
	TimestampTZ             // timestamp[us, UTC]
	Interval                // month_day_nano
	Array                   // list<elem>; elements are nullable
	Record                  // struct; only inside expressions
	JSONB                   // utf8 holding PostgreSQL's normalised jsonb text
)

// NumericWidth is the width in bytes of one unconstrained NUMERIC value in FixedSizeBinary storage: a 16-byte
// little-endian two's complement coefficient, then one byte of display scale (0..252), or NumericNaN,
// NumericPosInf, NumericNegInf.
const NumericWidth = 17

// Infinite timestamps and dates, as PostgreSQL has them.
const (
	TimestampPosInf int64 = 1<<63 - 1
	TimestampNegInf int64 = -1 << 63
	DatePosInf      int32 = 1<<31 - 1
	DateNegInf      int32 = -1 << 31
)

// Type is one SQL type. Types are comparable with ==; use Type.Base to compare without modifiers.
type Type struct {
	Kind Kind
	// Precision is NUMERIC's precision (0: unconstrained), or VARCHAR(n)'s and CHAR(n)'s length in characters
	// (0: none), or the fractional digits plus one of TIME/TIMESTAMP(p) (0: none).
	Precision int16
	Scale     int16 // NUMERIC(p, s)
	Elem      Kind  // the element kind of an Array, without modifiers
}

// The types without modifiers.
var (
	UnknownType     = Type{Kind: Unknown}
	BoolType        = Type{Kind: Bool}
	Int2Type        = Type{Kind: Int2}
	Int4Type        = Type{Kind: Int4}
	Int8Type        = Type{Kind: Int8}
	Float4Type      = Type{Kind: Float4}
	Float8Type      = Type{Kind: Float8}
	NumericType     = Type{Kind: Numeric}
	TextType        = Type{Kind: Text}
	ByteaType       = Type{Kind: Bytea}
	DateType        = Type{Kind: Date}
	TimeType        = Type{Kind: Time}
	TimestampType   = Type{Kind: Timestamp}
	TimestampTZType = Type{Kind: TimestampTZ}
	IntervalType    = Type{Kind: Interval}
	JSONBType       = Type{Kind: JSONB}
)

// AnyArray and AnyElement stand in signatures for an array of any type and for a value of its elements' type; no value has them.
var (
	AnyArray   = Type{Kind: Array}
	AnyElement = Type{Kind: Unknown, Elem: Array}
)

// ArrayOf returns the array type over elem, whose modifiers are dropped.
func ArrayOf(elem Type) Type { return Type{Kind: Array, Elem: elem.Kind} }

// Base returns t without its modifiers.
func (t Type) Base() Type { return Type{Kind: t.Kind, Elem: t.Elem} }

// ElemType returns the element type of an array.
func (t Type) ElemType() Type { return Type{Kind: t.Elem} }

// IsInteger reports whether t is SMALLINT, INT or BIGINT.
func (t Type) IsInteger() bool { return t.Kind == Int2 || t.Kind == Int4 || t.Kind == Int8 }

// IsFloat reports whether t is REAL or DOUBLE PRECISION.
func (t Type) IsFloat() bool { return t.Kind == Float4 || t.Kind == Float8 }

// IsNumber reports whether t is an integer, a float or a NUMERIC.
func (t Type) IsNumber() bool { return t.IsInteger() || t.IsFloat() || t.Kind == Numeric }

// IsDecimal128 reports whether t is stored as decimal128, that is a NUMERIC with a precision of at most 38.
func (t Type) IsDecimal128() bool { return t.Kind == Numeric && t.Precision > 0 }

var kindNames = [...]string{
	Unknown: "unknown", Bool: "boolean", Int2: "smallint", Int4: "integer", Int8: "bigint", Float4: "real",
	Float8: "double precision", Numeric: "numeric", Text: "text", Bytea: "bytea", Date: "date",
	Time: "time without time zone", Timestamp: "timestamp without time zone",
	TimestampTZ: "timestamp with time zone", Interval: "interval", Array: "array", Record: "record", JSONB: "jsonb",
}

// String returns PostgreSQL's name of the type, as format_type does.
func (t Type) String() string {
	switch {
	case t == AnyArray:
		return "anyarray"
	case t == AnyElement:
		return "anyelement"
	case t.Kind == Array:
		return Type{Kind: t.Elem}.String() + "[]"
	case t.Kind == Numeric && t.Precision > 0:
		return fmt.Sprintf("numeric(%d,%d)", t.Precision, t.Scale)
	case t.Kind == Text && t.Precision > 0:
		return fmt.Sprintf("character varying(%d)", t.Precision)
	case (t.Kind == Time || t.Kind == Timestamp || t.Kind == TimestampTZ) && t.Precision > 0:
		name, zone, _ := strings.Cut(kindNames[t.Kind], " ")
		return fmt.Sprintf("%s(%d) %s", name, t.Precision-1, zone)
	}
	if int(t.Kind) < len(kindNames) {
		return kindNames[t.Kind]
	}
	return fmt.Sprintf("kind(%d)", t.Kind)
}

// Arrow returns the storage type of t's columns inside the engine.
func (t Type) Arrow() arrow.DataType {
	switch t.Kind {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int2:
		return arrow.PrimitiveTypes.Int16
	case Int4:
		return arrow.PrimitiveTypes.Int32
	case Int8:
		return arrow.PrimitiveTypes.Int64
	case Float4:
		return arrow.PrimitiveTypes.Float32
	case Float8:
		return arrow.PrimitiveTypes.Float64
	case Numeric:
		if t.Precision > 0 {
			return &arrow.Decimal128Type{Precision: int32(t.Precision), Scale: int32(t.Scale)}
		}
		return numericStorage
	case Text, JSONB:
		return arrow.BinaryTypes.String
	case Bytea:
		return arrow.BinaryTypes.Binary
	case Date:
		return arrow.PrimitiveTypes.Date32
	case Time:
		return arrow.FixedWidthTypes.Time64us
	case Timestamp:
		return timestampStorage
	case TimestampTZ:
		return arrow.FixedWidthTypes.Timestamp_us
	case Interval:
		return arrow.FixedWidthTypes.MonthDayNanoInterval
	case Array:
		return arrow.ListOf(Type{Kind: t.Elem}.Arrow())
	}
	return arrow.Null
}

var (
	numericStorage   arrow.DataType = &arrow.FixedSizeBinaryType{ByteWidth: NumericWidth}
	timestampStorage arrow.DataType = &arrow.TimestampType{Unit: arrow.Microsecond}
)

// Field is a named column.
type Field struct {
	Name    string
	Type    Type
	NotNull bool // no NULL occurs, proved or declared
}

// Schema is the columns of a relation, in order.
type Schema []Field

// Arrow returns the Arrow schema of s, in engine storage types.
func (s Schema) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(s))
	for i, f := range s {
		fields[i] = arrow.Field{Name: f.Name, Type: f.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// Index returns the position of the column with that exact name, or -1.
func (s Schema) Index(name string) int {
	for i, f := range s {
		if f.Name == name {
			return i
		}
	}
	return -1
}
