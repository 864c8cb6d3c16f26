package types

import (
	"bytes"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// AppendJSONBOf appends one row of a column as to_jsonb makes it, normalised: null, booleans and numbers bare (NaN and infinities
// as strings), jsonb as it is, times in ISO 8601 (TIMESTAMPTZ in zone; nil is UTC), arrays as arrays, all others as strings of their text.
// Errors: 22003 where a number is beyond NUMERIC's range.
func AppendJSONBOf(dst []byte, t Type, arr arrow.Array, row int, zone *time.Location) ([]byte, error) {
	if arr.IsNull(row) {
		return append(dst, "null"...), nil
	}
	switch a := arr.(type) {
	case *array.Boolean, *array.Int16, *array.Int32, *array.Int64, *array.Decimal128, *array.FixedSizeBinary:
		return AppendJSON(dst, t, arr, row), nil
	case *array.Float32, *array.Float64:
		text := AppendText(nil, t, arr, row)
		if c := text[len(text)-1]; !isDigit(c) {
			return AppendJSONString(dst, text), nil
		}
		return AppendJSONB(dst, text)
	case *array.String:
		if t.Kind == JSONB {
			return append(dst, a.Value(row)...), nil
		}
		return AppendJSONString(dst, a.Value(row)), nil
	case *array.List:
		from, to := a.ValueOffsets(row)
		dst = append(dst, '[')
		for i := from; i < to; i++ {
			if i > from {
				dst = append(dst, ", "...)
			}
			var err error
			if dst, err = AppendJSONBOf(dst, t.ElemType(), a.ListValues(), int(i), zone); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	}
	return AppendJSONString(dst, isoTime(t, AppendTextIn(nil, t, arr, row, zone))), nil
}

// isoTime rewrites the text of a timestamp with T, and with minutes in the zone.
func isoTime(t Type, text []byte) []byte {
	if t.Kind != Timestamp && t.Kind != TimestampTZ {
		return text
	}
	at := bytes.IndexByte(text, ' ')
	if at < 0 { // infinity
		return text
	}
	text[at] = 'T'
	if t.Kind == Timestamp {
		return text
	}
	text, bc := bytes.CutSuffix(text, []byte(" BC"))
	if i := bytes.LastIndexAny(text, "+-"); i > at && bytes.IndexByte(text[i:], ':') < 0 {
		text = append(text[:len(text):len(text)], ":00"...)
	}
	if bc {
		text = append(text[:len(text):len(text)], " BC"...)
	}
	return text
}

// AppendJSONBKey appends one row of a column as the content of an object's key. Errors: 22023 for NULL, arrays and jsonb.
func AppendJSONBKey(dst []byte, t Type, arr arrow.Array, row int, zone *time.Location) ([]byte, error) {
	switch {
	case arr.IsNull(row):
		return dst, Errorf(CodeInvalidParameter, "key must not be null")
	case t.Kind == Array || t.Kind == JSONB || t.Kind == Record:
		return dst, Errorf(CodeInvalidParameter, "key value must be scalar, not array, composite, or json")
	case t.Kind == Bool:
		return AppendJSON(dst, t, arr, row), nil
	}
	return append(dst, isoTime(t, AppendTextIn(nil, t, arr, row, zone))...), nil
}
