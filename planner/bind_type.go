package planner

import (
	"strings"

	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// typeNames are the names of types as people write them, in PostgreSQL, Flink, Spark and MySQL.
var typeNames = map[string]types.Type{
	"boolean": types.BoolType, "bool": types.BoolType,
	"smallint": types.Int2Type, "int2": types.Int2Type, "tinyint": types.Int2Type,
	"integer": types.Int4Type, "int": types.Int4Type, "int4": types.Int4Type, "mediumint": types.Int4Type,
	"bigint": types.Int8Type, "int8": types.Int8Type, "long": types.Int8Type,
	"real": types.Float4Type, "float4": types.Float4Type,
	"double precision": types.Float8Type, "double": types.Float8Type, "float8": types.Float8Type, "float": types.Float8Type,
	"numeric": types.NumericType, "decimal": types.NumericType, "dec": types.NumericType,
	"text": types.TextType, "string": types.TextType, "varchar": types.TextType, "character varying": types.TextType,
	"bytea": types.ByteaType, "bytes": types.ByteaType, "varbinary": types.ByteaType, "blob": types.ByteaType,
	"date": types.DateType, "time": types.TimeType,
	"timestamp": types.TimestampType, "datetime": types.TimestampType, "timestamptz": types.TimestampTZType,
	"timestamp_ltz": types.TimestampTZType,
	"interval":      types.IntervalType,
	"jsonb":         types.JSONBType, "json": types.JSONBType,
}

// unsupportedTypes exist elsewhere and are understood.
var unsupportedTypes = map[string]bool{
	"char": true, "character": true, "bpchar": true, "nchar": true, "uuid": true, "struct": true, "row": true, "map": true,
	"timetz": true, "bit": true, "varbit": true, "inet": true, "xml": true, "money": true, "point": true, "name": true, "oid": true,
}

// bindType resolves the name of a type.
//
// Errors: CodeUndefinedObject with the nearest name; CodeInvalidParameter for wrong modifiers; CodeNotSupported.
func bindType(t *sql.TypeName) (types.Type, error) {
	name := strings.ToLower(t.Name.Last().Name)
	if q := t.Name.Qualifier(); len(q) > 0 && !strings.EqualFold(q[len(q)-1].Name, "pg_catalog") {
		return types.Type{}, types.Errorf(types.CodeUndefinedObject, "type %q does not exist", t.Name).At(t.Span())
	}
	typ, ok := typeNames[name]
	switch {
	case unsupportedTypes[name]:
		return types.Type{}, types.NotSupported(t.Span(), "the type %s", name)
	case !ok:
		known := make([]string, 0, len(typeNames))
		for n := range typeNames {
			known = append(known, n)
		}
		err := types.Errorf(types.CodeUndefinedObject, "type %q does not exist", t.Name).At(t.Span())
		if near := types.Nearest(name, sorted(known)); near != "" {
			return types.Type{}, err.WithHint("did you mean %q?", near)
		}
		return types.Type{}, err
	}
	if t.TimeZone == sql.WithTimeZone {
		if typ.Kind == types.Time {
			return types.Type{}, types.NotSupported(t.Span(), "the type time with time zone")
		}
		typ.Kind = types.TimestampTZ
	}
	typ, err := withModifiers(t, name, typ)
	if err != nil {
		return types.Type{}, err
	}
	switch len(t.Dims) {
	case 0:
		return typ, nil
	case 1:
		if typ.Kind == types.Array {
			break
		}
		return types.ArrayOf(typ), nil
	}
	return types.Type{}, types.NotSupported(t.Span(), "arrays of more than one dimension")
}

func withModifiers(t *sql.TypeName, name string, typ types.Type) (types.Type, error) {
	mods := t.Mods
	if typ.Kind == types.Interval {
		return typ, nil // the precision of an interval type cuts nothing that is kept here
	}
	if len(mods) == 0 {
		return typ, nil
	}
	bad := func(format string, args ...any) (types.Type, error) {
		return types.Type{}, types.Errorf(types.CodeInvalidParameter, format, args...).At(t.Span())
	}
	switch typ.Kind {
	case types.Numeric:
		p, s := mods[0], 0
		if len(mods) > 1 {
			s = mods[1]
		}
		if len(mods) > 2 {
			return bad("invalid NUMERIC type modifier")
		}
		if p < 1 || p > 38 {
			return bad("NUMERIC precision %d must be between 1 and 38", p)
		}
		if s < 0 || s > p {
			return bad("NUMERIC scale %d must be between 0 and precision %d", s, p)
		}
		typ.Precision, typ.Scale = int16(p), int16(s)
	case types.Text:
		if name == "text" {
			return bad("type modifier is not allowed for type \"text\"")
		}
		if mods[0] < 1 {
			return bad("length for type varchar must be at least 1")
		}
		if mods[0] < 1<<15-1 { // longer ones, such as Flink's VARCHAR(2147483647), do not bind
			typ.Precision = int16(mods[0])
		}
	case types.Time, types.Timestamp, types.TimestampTZ:
		if mods[0] < 0 || mods[0] > 9 {
			return bad("%s(%d) precision must be between 0 and 6", strings.ToUpper(name), mods[0])
		}
		if mods[0] < 6 {
			typ.Precision = int16(mods[0]) + 1
		}
	case types.Float8:
		if name != "float" {
			return bad("type modifier is not allowed for type %q", name)
		}
		switch p := mods[0]; {
		case p < 1:
			return bad("precision for type float must be at least 1 bit")
		case p <= 24:
			return types.Float4Type, nil
		case p > 53:
			return bad("precision for type float must be less than 54 bits")
		}
	case types.Int2, types.Int4, types.Int8, types.Bytea: // MySQL's display widths
	default:
		return bad("type modifier is not allowed for type %q", name)
	}
	return typ, nil
}
