package pgwire

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"

	"github.com/streamsql/streamsql/types"
)

// codeBadBinary is PostgreSQL's SQLSTATE of a binary value that cannot be read.
const codeBadBinary types.Code = "22P03"

// decodeText reads a parameter's text.
func decodeText(t types.Type, text []byte, zone *time.Location) (any, error) {
	if !utf8.Valid(text) {
		return nil, invalidUTF8()
	}
	for _, c := range text {
		if c == 0 {
			return nil, types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
	}
	if t.Kind == types.TimestampTZ {
		return types.ParseTimestampTZ(string(text), zone)
	}
	return types.ParseText(t, string(text))
}

func invalidUTF8() error {
	return types.Errorf(types.CodeInvalidEncoding, "invalid byte sequence for encoding \"UTF8\"")
}

// decodeBinary reads a parameter in PostgreSQL's binary form.
//
// Errors: codeBadBinary where the length or the structure is wrong.
func decodeBinary(t types.Type, b []byte) (any, error) {
	be := binary.BigEndian
	bad := func() (any, error) {
		return nil, types.Errorf(codeBadBinary, "incorrect binary data format of a parameter of type %s", t)
	}
	want := map[types.Kind]int{types.Bool: 1, types.Int2: 2, types.Int4: 4, types.Int8: 8, types.Float4: 4, types.Float8: 8, types.Date: 4, types.Time: 8,
		types.Timestamp: 8, types.TimestampTZ: 8, types.Interval: 16}[t.Kind]
	if want > 0 && len(b) != want {
		if t.Kind == types.Int8 && len(b) == 4 { // an oid, which is a bigint here
			return int64(be.Uint32(b)), nil
		}
		return bad()
	}
	switch t.Kind {
	case types.Bool:
		return b[0] != 0, nil
	case types.Int2:
		return int64(int16(be.Uint16(b))), nil
	case types.Int4:
		return int64(int32(be.Uint32(b))), nil
	case types.Int8:
		return int64(be.Uint64(b)), nil
	case types.Float4:
		return float64(math.Float32frombits(be.Uint32(b))), nil
	case types.Float8:
		return math.Float64frombits(be.Uint64(b)), nil
	case types.Numeric:
		return decodeNumeric(b)
	case types.Text, types.Unknown:
		return decodeText(types.TextType, b, time.UTC)
	case types.JSONB:
		if len(b) == 0 {
			return bad()
		}
		if b[0] == 1 { // the version of jsonb's form; json has none
			b = b[1:]
		}
		return decodeText(t, b, time.UTC)
	case types.Bytea:
		return append([]byte{}, b...), nil
	case types.Date:
		d := int32(be.Uint32(b))
		if types.IsFiniteDate(d) {
			if d > math.MaxInt32-1-epochDays {
				return nil, types.Errorf(types.CodeDatetimeOverflow, "date out of range")
			}
			d += epochDays
		}
		return int64(d), nil
	case types.Time:
		us := int64(be.Uint64(b))
		if us < 0 || us > 86400*1e6 {
			return nil, types.Errorf(types.CodeDatetimeOverflow, "time out of range")
		}
		return us, nil
	case types.Timestamp, types.TimestampTZ:
		us := int64(be.Uint64(b))
		if types.IsFiniteTimestamp(us) {
			if us > math.MaxInt64-1-epochMicros {
				return nil, types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range")
			}
			us += epochMicros
		}
		return us, nil
	case types.Interval:
		return types.IntervalValue{Micros: int64(be.Uint64(b)), Days: int32(be.Uint32(b[8:])), Months: int32(be.Uint32(b[12:]))}, nil
	case types.Array:
		return decodeArray(t, b)
	}
	return nil, types.NotSupported(types.Span{}, "binary parameters of type %s", t)
}

// decodeArray reads what appendArray writes.
func decodeArray(t types.Type, b []byte) (any, error) {
	be := binary.BigEndian
	bad := types.Errorf(codeBadBinary, "incorrect binary data format of a parameter of type %s", t)
	if len(b) < 12 {
		return nil, bad
	}
	dimensions, b := int32(be.Uint32(b)), b[12:]
	switch {
	case dimensions == 0:
		return []any{}, nil
	case dimensions != 1:
		return nil, types.NotSupported(types.Span{}, "arrays of more than one dimension")
	case len(b) < 8:
		return nil, bad
	}
	n := int(int32(be.Uint32(b)))
	b = b[8:]
	if n < 0 || n > len(b)/4 {
		return nil, bad
	}
	values := make([]any, n)
	for i := range values {
		if len(b) < 4 {
			return nil, bad
		}
		size := int(int32(be.Uint32(b)))
		b = b[4:]
		if size == -1 {
			continue
		}
		if size < 0 || size > len(b) {
			return nil, bad
		}
		v, err := decodeBinary(t.ElemType(), b[:size])
		if err != nil {
			return nil, err
		}
		values[i], b = v, b[size:]
	}
	if len(b) > 0 {
		return nil, bad
	}
	return values, nil
}

// decodeNumeric reads what appendNumeric writes.
func decodeNumeric(b []byte) (any, error) {
	be := binary.BigEndian
	bad := types.Errorf(codeBadBinary, "invalid external \"numeric\" value")
	if len(b) < 8 {
		return nil, bad
	}
	n, weight, sign, scale := int(be.Uint16(b)), int(int16(be.Uint16(b[2:]))), be.Uint16(b[4:]), int(be.Uint16(b[6:]))
	b = b[8:]
	if len(b) != 2*n || scale > 0x3fff {
		return nil, bad
	}
	switch sign {
	case numericNaN:
		return types.ParseNumeric("NaN")
	case numericPosInf:
		return types.ParseNumeric("Infinity")
	case numericNegInf:
		return types.ParseNumeric("-Infinity")
	case 0, numericNegative:
	default:
		return nil, bad
	}
	if weight > 20 || scale > 300 { // beyond what is kept here: let the text's parser say so, without making a long text
		return types.ParseNumeric("1e100")
	}
	digit := func(g int) (uint16, error) {
		if g < 0 || g >= n {
			return 0, nil
		}
		d := be.Uint16(b[2*g:])
		if d > 9999 {
			return 0, bad
		}
		return d, nil
	}
	var text []byte
	if sign == numericNegative {
		text = append(text, '-')
	}
	four := func(d uint16) {
		text = append(text, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
	}
	if weight < 0 {
		text = append(text, '0')
	}
	for g := 0; g <= weight; g++ {
		d, err := digit(g)
		if err != nil {
			return nil, err
		}
		four(d)
	}
	if scale > 0 {
		text = append(text, '.')
		point := len(text)
		for g := weight + 1; len(text)-point < scale; g++ {
			d, err := digit(g)
			if err != nil {
				return nil, err
			}
			if g < 0 {
				d = 0
			}
			four(d)
		}
		text = text[:point+scale]
	}
	return types.ParseNumeric(string(text))
}
