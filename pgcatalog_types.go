package streamsql

import (
	"fmt"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// pgType is a type as pg_type has it.
type pgType struct {
	oid, array int64
	name       string
	kind       types.Kind // Unknown: it is known by name only
	size       int
	category   string
	preferred  bool
}

// pgTypes are PostgreSQL's types that exist here, and those that its catalog needs.
var pgTypes = []pgType{
	{16, 1000, "bool", types.Bool, 1, "B", true}, {17, 1001, "bytea", types.Bytea, -1, "U", false}, {18, 1002, "char", 0, 1, "Z", false},
	{19, 1003, "name", 0, 64, "S", false}, {20, 1016, "int8", types.Int8, 8, "N", false}, {21, 1005, "int2", types.Int2, 2, "N", false},
	{23, 1007, "int4", types.Int4, 4, "N", false}, {24, 1008, "regproc", 0, 4, "N", false}, {25, 1009, "text", types.Text, -1, "S", true},
	{26, 1028, "oid", 0, 4, "N", true}, {700, 1021, "float4", types.Float4, 4, "N", false}, {701, 1022, "float8", types.Float8, 8, "N", true},
	{705, 0, "unknown", 0, -2, "X", false}, {1042, 1014, "bpchar", 0, -1, "S", false}, {1043, 1015, "varchar", 0, -1, "S", false},
	{1082, 1182, "date", types.Date, 4, "D", false}, {1083, 1183, "time", types.Time, 8, "D", false},
	{1114, 1115, "timestamp", types.Timestamp, 8, "D", false}, {1184, 1185, "timestamptz", types.TimestampTZ, 8, "D", true},
	{1186, 1187, "interval", types.Interval, 16, "T", true}, {1700, 1231, "numeric", types.Numeric, -1, "N", false},
	{2205, 2210, "regclass", 0, 4, "N", true}, {2206, 2211, "regtype", 0, 4, "N", true}, {2249, 2287, "record", types.Record, -1, "P", false},
	{2276, 0, "any", 0, 4, "P", false}, {2277, 0, "anyarray", 0, -1, "P", false}, {3802, 3807, "jsonb", types.JSONB, -1, "U", false},
}

func typeByOID(oid int64) (t pgType, array, ok bool) {
	for _, t := range pgTypes {
		if t.oid == oid {
			return t, false, true
		}
		if t.array == oid && oid != 0 {
			return t, true, true
		}
	}
	return pgType{}, false, false
}

// typeOID returns the id and modifier of a type.
func typeOID(t types.Type) (oid, mod int64) {
	if t.Kind == types.Array {
		for _, p := range pgTypes {
			if p.kind == t.Elem && t.Elem != types.Unknown {
				return p.array, -1
			}
		}
		return 2277, -1
	}
	if t.Kind == types.Text && t.Precision > 0 {
		return 1043, int64(t.Precision) + 4
	}
	mod = -1
	if t.Precision > 0 {
		switch t.Kind {
		case types.Numeric:
			mod = int64(t.Precision)<<16 | int64(t.Scale)&0x7ff + 4
		case types.Time, types.Timestamp, types.TimestampTZ:
			mod = int64(t.Precision) - 1
		}
	}
	for _, p := range pgTypes {
		if p.kind == t.Kind && t.Kind != types.Unknown {
			return p.oid, mod
		}
	}
	return 2276, -1
}

// sqlNames are the names of types as format_type prints them, where they differ from pg_type's.
var sqlNames = map[string]string{"bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real", "float8": "double precision",
	"varchar": "character varying", "bpchar": "character", "char": `"char"`, "time": "time without time zone", "timestamp": "timestamp without time zone",
	"timestamptz": "timestamp with time zone", "any": `"any"`}

// formatType is format_type(oid, typmod); mod -1: none.
func formatType(oid, mod int64) string {
	t, array, ok := typeByOID(oid)
	switch {
	case oid == 0:
		return "-"
	case !ok:
		return "???"
	}
	name := t.name
	if n := sqlNames[name]; n != "" {
		name = n
	}
	if mod >= 0 {
		switch t.name {
		case "numeric":
			name = fmt.Sprintf("numeric(%d,%d)", (mod-4)>>16, (mod-4)&0x7ff)
		case "varchar", "bpchar":
			name = fmt.Sprintf("%s(%d)", name, mod-4)
		case "time", "timestamp", "timestamptz":
			word, rest, _ := strings.Cut(name, " ")
			name = fmt.Sprintf("%s(%d) %s", word, mod, rest)
		}
	}
	if array {
		name += "[]"
	}
	return name
}

// typeByName finds a type by any of its names.
func typeByName(name string) (int64, bool) {
	name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "pg_catalog.")
	base, array := strings.CutSuffix(name, "[]")
	aliases := map[string]string{"int": "int4", "decimal": "numeric", "timestamp with time zone": "timestamptz", "float": "float8", "string": "text"}
	for _, t := range pgTypes {
		if t.name == base || sqlNames[t.name] == base || aliases[base] == t.name {
			if array {
				return t.array, true
			}
			return t.oid, true
		}
		if "_"+t.name == base && t.array != 0 {
			return t.array, true
		}
	}
	return 0, false
}

func pgTypeRows(*systemView) []systemRow {
	var rows []systemRow
	for _, t := range pgTypes {
		kind := "b"
		if t.category == "P" || t.category == "X" {
			kind = "p"
		}
		io := t.name
		if strings.HasPrefix(io, "timestamp") || io == "date" || io == "time" || io == "interval" || io == "numeric" || io == "record" || io == "jsonb" ||
			io == "any" || io == "anyarray" {
			io += "_"
		}
		rows = append(rows, systemRow{"oid": t.oid, "typname": t.name, "typnamespace": oidPgCatalog, "typowner": oidSuperuser, "typlen": t.size,
			"typbyval": t.size > 0 && t.size <= 8, "typtype": kind, "typcategory": t.category, "typispreferred": t.preferred, "typisdefined": true,
			"typdelim": ",", "typarray": t.array, "typinput": io + "in", "typoutput": io + "out", "typreceive": io + "recv", "typsend": io + "send",
			"typmodin": "-", "typmodout": "-", "typanalyze": "-", "typsubscript": "-", "typalign": "i", "typstorage": "p", "typtypmod": -1,
			"typcollation": collationOf(t.category)})
		if t.array != 0 {
			rows = append(rows, systemRow{"oid": t.array, "typname": "_" + t.name, "typnamespace": oidPgCatalog, "typowner": oidSuperuser, "typlen": -1,
				"typtype": "b", "typcategory": "A", "typisdefined": true, "typdelim": ",", "typelem": t.oid, "typinput": "array_in",
				"typoutput": "array_out", "typreceive": "array_recv", "typsend": "array_send", "typmodin": "-", "typmodout": "-",
				"typanalyze": "array_typanalyze", "typsubscript": "array_subscript_handler", "typalign": "i", "typstorage": "x", "typtypmod": -1,
				"typcollation": collationOf(t.category)})
		}
	}
	return rows
}

func collationOf(category string) int64 {
	if category == "S" {
		return oidCollation
	}
	return 0
}
