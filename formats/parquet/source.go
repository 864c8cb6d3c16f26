package parquet

import (
	"strings"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"github.com/streamsql/streamsql/types"
)

// storage is what the bytes of a column of a file mean.
type storage uint8

const (
	storedNothing  storage = iota // a type that cannot be read
	storedBool                    // a byte
	storedInt                     // signed, 4 or 8 bytes
	storedUint                    // unsigned, 4 or 8 bytes
	storedFloat                   // 4 or 8 bytes
	storedHalf                    // IEEE half precision, 2 bytes
	storedDecimal                 // a coefficient: 4 or 8 bytes, or big-endian bytes of any length
	storedDate                    // days since 1970
	storedTime                    // units since midnight
	storedStamp                   // units since 1970
	storedInt96                   // nanoseconds of the day and the Julian day
	storedText                    // UTF-8
	storedBinary                  // bytes
	storedUUID                    // 16 bytes
	storedInterval                // months, days and milliseconds, 4 bytes each
)

// leaf is one top-level column of a file without nesting.
type leaf struct {
	column  *schema.Column
	index   int // among the file's leaves
	storage storage
	perUnit int64 // storedTime, storedStamp: nanoseconds of a unit
	scale   int   // storedDecimal
	typ     types.Type
	found   string // the type in the file's own words, for messages
}

// leaves lists the top-level columns of a file in order. Nested ones have no column.
func leaves(s *schema.Schema) []leaf {
	root := s.Root()
	out := make([]leaf, root.NumFields())
	next := 0
	for i := range out {
		node := root.Field(i)
		count := countLeaves(node)
		switch {
		case node.Type() == schema.Primitive && node.RepetitionType() != parquet.Repetitions.Repeated:
			out[i] = newLeaf(s.Column(next), next)
		case node.Type() == schema.Primitive:
			out[i] = leaf{found: "a repeated " + strings.ToLower(s.Column(next).PhysicalType().String())}
		default:
			out[i] = leaf{found: "a nested " + strings.ToLower(nodeName(node))}
		}
		next += count
	}
	return out
}

func nodeName(n schema.Node) string {
	if l := n.LogicalType(); l != nil && l.String() != "None" {
		return l.String()
	}
	return "struct"
}

func countLeaves(n schema.Node) int {
	g, ok := n.(*schema.GroupNode)
	if !ok {
		return 1
	}
	total := 0
	for i := range g.NumFields() {
		total += countLeaves(g.Field(i))
	}
	return total
}

func newLeaf(c *schema.Column, index int) leaf {
	l := leaf{column: c, index: index, typ: types.ByteaType}
	l.found = strings.ToLower(c.PhysicalType().String())
	logical := c.LogicalType()
	if logical != nil && logical.String() != "None" {
		l.found += " (" + logical.String() + ")"
	}
	physical := c.PhysicalType()
	switch t := logical.(type) {
	case schema.StringLogicalType, schema.EnumLogicalType:
		l.storage, l.typ = storedText, types.TextType
	case schema.JSONLogicalType:
		l.storage, l.typ = storedText, types.JSONBType
	case *schema.DecimalLogicalType:
		l.storage, l.scale = storedDecimal, int(t.Scale())
		l.typ = types.NumericType
		if t.Precision() <= 38 && t.Scale() >= 0 && t.Scale() <= t.Precision() {
			l.typ = types.Type{Kind: types.Numeric, Precision: int16(t.Precision()), Scale: int16(t.Scale())}
		}
	case schema.DateLogicalType:
		l.storage, l.typ = storedDate, types.DateType
	case *schema.TimeLogicalType:
		l.storage, l.perUnit, l.typ = storedTime, perUnit(t.TimeUnit()), types.TimeType
	case *schema.TimestampLogicalType:
		l.storage, l.perUnit, l.typ = storedStamp, perUnit(t.TimeUnit()), types.TimestampType
		if t.IsAdjustedToUTC() {
			l.typ = types.TimestampTZType
		}
	case *schema.IntLogicalType:
		l.storage, l.typ = storedInt, intType(t.BitWidth(), t.IsSigned())
		if !t.IsSigned() {
			l.storage = storedUint
		}
	case schema.UUIDLogicalType:
		l.storage, l.typ = storedUUID, types.TextType
	case schema.IntervalLogicalType:
		l.storage, l.typ = storedInterval, types.IntervalType
	case schema.Float16LogicalType:
		l.storage, l.typ = storedHalf, types.Float4Type
	default:
		switch physical {
		case parquet.Types.Boolean:
			l.storage, l.typ = storedBool, types.BoolType
		case parquet.Types.Int32:
			l.storage, l.typ = storedInt, types.Int4Type
		case parquet.Types.Int64:
			l.storage, l.typ = storedInt, types.Int8Type
		case parquet.Types.Float:
			l.storage, l.typ = storedFloat, types.Float4Type
		case parquet.Types.Double:
			l.storage, l.typ = storedFloat, types.Float8Type
		case parquet.Types.Int96:
			l.storage, l.typ = storedInt96, types.TimestampType
		case parquet.Types.ByteArray, parquet.Types.FixedLenByteArray:
			l.storage = storedBinary
		}
	}
	if !l.fits() {
		l.storage = storedNothing
	}
	return l
}

// fits reports whether the physical type can hold what the logical type says, so that decoding need not ask.
func (l *leaf) fits() bool {
	is := func(ts ...parquet.Type) bool {
		for _, t := range ts {
			if l.column.PhysicalType() == t {
				return true
			}
		}
		return false
	}
	t := parquet.Types
	switch l.storage {
	case storedInt, storedUint:
		return is(t.Int32, t.Int64)
	case storedDecimal:
		return is(t.Int32, t.Int64, t.ByteArray, t.FixedLenByteArray)
	case storedDate:
		return is(t.Int32)
	case storedTime:
		return l.perUnit > 0 && is(t.Int32, t.Int64)
	case storedStamp:
		return l.perUnit > 0 && is(t.Int64)
	case storedText:
		return is(t.ByteArray)
	case storedUUID:
		return is(t.FixedLenByteArray) && l.column.TypeLength() == 16
	case storedInterval:
		return is(t.FixedLenByteArray) && l.column.TypeLength() == 12
	case storedHalf:
		return is(t.FixedLenByteArray) && l.column.TypeLength() == 2
	}
	return l.storage != storedNothing
}

func perUnit(u schema.TimeUnitType) int64 {
	switch u {
	case schema.TimeUnitMillis:
		return 1e6
	case schema.TimeUnitMicros:
		return 1e3
	case schema.TimeUnitNanos:
		return 1
	}
	return 0
}

func intType(width int8, signed bool) types.Type {
	switch {
	case width <= 8, width == 16 && signed:
		return types.Int2Type
	case width == 16, width == 32 && signed:
		return types.Int4Type
	case width == 32, signed:
		return types.Int8Type
	}
	return types.Type{Kind: types.Numeric, Precision: 20}
}

// find returns the leaf of a wanted column: of that very name, or the only one of that name in another case. Unquoted names of SQL are
// lower case, names in files often are not.
func find(s *schema.Schema, all []leaf, name string) (int, error) {
	root := s.Root()
	found := -1
	names := make([]string, root.NumFields())
	for i := range names {
		names[i] = root.Field(i).Name()
		if names[i] == name {
			return i, nil
		}
	}
	for i, n := range names {
		if !strings.EqualFold(n, name) {
			continue
		}
		if found >= 0 {
			return 0, types.Errorf(types.CodeAmbiguousColumn, "column %q is ambiguous: the file has %q and %q", name, names[found], n)
		}
		found = i
	}
	if found >= 0 {
		return found, nil
	}
	err := types.Errorf(types.CodeUndefinedColumn, "the file has no column %q", name)
	if near := types.Nearest(name, names); near != "" {
		return 0, err.WithHint("did you mean %q?", near)
	}
	return 0, err.WithHint("it has: %s", strings.Join(names[:min(len(names), 50)], ", "))
}

// mismatch is the error of a column that cannot become the wanted type.
func (l *leaf) mismatch(f types.Field) error {
	if l.column == nil {
		return types.Errorf(types.CodeNotSupported, "not supported yet: column %q is %s in the file, wanted %s", f.Name, l.found, f.Type)
	}
	err := types.Errorf(types.CodeDatatypeMismatch, "column %q is %s in the file, wanted %s", f.Name, l.found, f.Type)
	if l.storage != storedNothing {
		return err.WithHint("declare it as %s and convert it in the query", l.typ)
	}
	return err
}

// inferred returns the columns of a file in their own types.
func inferred(s *schema.Schema) (types.Schema, error) {
	all := leaves(s)
	out := make(types.Schema, len(all))
	for i, l := range all {
		name := s.Root().Field(i).Name()
		if l.column == nil || l.storage == storedNothing {
			return nil, types.Errorf(types.CodeNotSupported, "not supported yet: column %q of the file is %s", name, l.found).
				WithHint("declare the columns that you want without it")
		}
		out[i] = types.Field{Name: name, Type: l.typ, NotNull: l.column.MaxDefinitionLevel() == 0}
	}
	return out, nil
}
