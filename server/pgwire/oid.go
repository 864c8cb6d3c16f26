package pgwire

import "github.com/streamsql/streamsql/types"

// wireType is how a type is described to a client.
type wireType struct {
	oid  uint32
	size int16 // in bytes, -1: variable
	mod  int32 // -1: none
}

// oids are PostgreSQL's ids of the types, and of the arrays over them; they are fixed for ever.
var oids = map[types.Kind]struct {
	oid, array uint32
	size       int16
}{
	types.Unknown: {25, 1009, -1}, types.Bool: {16, 1000, 1}, types.Int2: {21, 1005, 2}, types.Int4: {23, 1007, 4}, types.Int8: {20, 1016, 8},
	types.Float4: {700, 1021, 4}, types.Float8: {701, 1022, 8}, types.Numeric: {1700, 1231, -1}, types.Text: {25, 1009, -1},
	types.Bytea: {17, 1001, -1}, types.Date: {1082, 1182, 4}, types.Time: {1083, 1183, 8}, types.Timestamp: {1114, 1115, 8},
	types.TimestampTZ: {1184, 1185, 8}, types.Interval: {1186, 1187, 16}, types.JSONB: {3802, 3807, -1}, types.Record: {2249, 2287, -1},
}

const oidVarchar, oidVarcharArray, oidUnknown = 1043, 1015, 705

// describe returns how a column of type t is announced.
func describe(t types.Type) wireType {
	if t.Kind == types.Array {
		return wireType{oid: oids[t.Elem].array, size: -1, mod: -1}
	}
	o := oids[t.Kind]
	w := wireType{oid: o.oid, size: o.size, mod: -1}
	if t.Precision > 0 {
		switch t.Kind {
		case types.Numeric:
			w.mod = int32(t.Precision)<<16 | int32(t.Scale)&0x7ff + 4
		case types.Text:
			w.oid, w.mod = oidVarchar, int32(t.Precision)+4
		case types.Time, types.Timestamp, types.TimestampTZ:
			w.mod = int32(t.Precision) - 1
		}
	}
	return w
}

// typeOf returns the type that a client means by an id; ok is false for one that we do not have.
func typeOf(oid uint32) (t types.Type, ok bool) {
	switch oid {
	case 0, oidUnknown: // 0: unspecified
		return types.UnknownType, true
	case oidVarchar, 1042, 18, 19: // varchar, bpchar, "char", name
		return types.TextType, true
	case oidVarcharArray, 1014, 1002, 1003:
		return types.ArrayOf(types.TextType), true
	case 114: // json
		return types.JSONBType, true
	case 26, 24, 2205, 2206: // oid, regproc, regclass, regtype
		return types.Int8Type, true
	case 1028:
		return types.ArrayOf(types.Int8Type), true
	}
	for kind, o := range oids {
		if kind == types.Unknown || kind == types.Record {
			continue
		}
		if o.oid == oid {
			return types.Type{Kind: kind}, true
		}
		if o.array == oid {
			return types.ArrayOf(types.Type{Kind: kind}), true
		}
	}
	return types.Type{}, false
}
