package state

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// keyMode is how a Hash keeps its keys.
type keyMode uint8

const (
	keyNone  keyMode = iota // no key columns: one row at most
	keyWord                 // one column of up to 8 bytes: a word a row; NULL has a slot of its own
	keyWords                // up to 8 columns, 4 words: words and a byte of NULL bits a row
	keyBytes                // anything: the encoded key and its representation in an arena
)

// fixedWords returns the number of words that a key column takes in the words modes; 0: it does not go there.
func fixedWords(t types.Type) int {
	switch t.Kind {
	case types.Bool, types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Date, types.Time, types.Timestamp, types.TimestampTZ:
		return 1
	case types.Numeric:
		if t.IsDecimal128() {
			return 2
		}
	}
	return 0
}

func chooseKeyMode(ts []types.Type) (keyMode, int) {
	if len(ts) == 0 {
		return keyNone, 0
	}
	words := 0
	for _, t := range ts {
		w := fixedWords(t)
		if w == 0 {
			return keyBytes, 0
		}
		words += w
	}
	switch {
	case len(ts) == 1 && words == 1:
		return keyWord, 1
	case len(ts) <= 8 && words <= 4:
		return keyWords, words
	}
	return keyBytes, 0
}

// wordsOf returns the selected values of a column as words (two slices for decimals), equal for equal values. A plain int64 column
// without selection is returned as it lies. nulls gets bit set where the value is NULL; the words there are 0.
func wordsOf(col arrow.Array, sel []uint32, n int, dst *[2][]uint64, nulls []uint8, bit uint8) {
	switch a := col.(type) {
	case *array.Int64:
		if sel == nil && a.NullN() == 0 {
			vals := a.Int64Values()
			dst[0] = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(vals))), len(vals))
			return
		}
		dst[0] = intWords(dst[0], a.Int64Values(), sel, n)
	case *array.Int32:
		dst[0] = intWords(dst[0], a.Int32Values(), sel, n)
	case *array.Int16:
		dst[0] = intWords(dst[0], a.Int16Values(), sel, n)
	case *array.Date32:
		dst[0] = intWords(dst[0], a.Date32Values(), sel, n)
	case *array.Time64:
		dst[0] = intWords(dst[0], a.Time64Values(), sel, n)
	case *array.Timestamp:
		dst[0] = intWords(dst[0], a.TimestampValues(), sel, n)
	case *array.Float64:
		dst[0] = wordsWith(dst[0], sel, n, func(row int) uint64 { return changelog.FloatWord(a.Value(row)) })
	case *array.Float32:
		dst[0] = wordsWith(dst[0], sel, n, func(row int) uint64 { return changelog.FloatWord(float64(a.Value(row))) })
	case *array.Boolean:
		dst[0] = wordsWith(dst[0], sel, n, func(row int) uint64 {
			if a.Value(row) {
				return 1
			}
			return 0
		})
	case *array.Decimal128:
		dst[0] = wordsWith(dst[0], sel, n, func(row int) uint64 { return a.Value(row).LowBits() })
		dst[1] = wordsWith(dst[1], sel, n, func(row int) uint64 { return uint64(a.Value(row).HighBits()) })
	default:
		panic("state: key of type " + col.DataType().String())
	}
	if col.NullN() == 0 {
		return
	}
	for i := range n {
		row := i
		if sel != nil {
			row = int(sel[i])
		}
		if col.IsNull(row) {
			nulls[i] |= bit
			dst[0][i] = 0
			if _, ok := col.(*array.Decimal128); ok {
				dst[1][i] = 0
			}
		}
	}
}

func intWords[T ~int16 | ~int32 | ~int64](dst []uint64, vals []T, sel []uint32, n int) []uint64 {
	dst = resize(dst, n)
	if sel == nil {
		for i, v := range vals[:n] {
			dst[i] = uint64(int64(v))
		}
		return dst
	}
	for i, row := range sel {
		dst[i] = uint64(int64(vals[row]))
	}
	return dst
}

func wordsWith(dst []uint64, sel []uint32, n int, word func(row int) uint64) []uint64 {
	dst = resize(dst, n)
	for i := range dst {
		row := i
		if sel != nil {
			row = int(sel[i])
		}
		dst[i] = word(row)
	}
	return dst
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// appendWord appends a key's word to a builder of its column.
func appendWord(out array.Builder, lo, hi uint64) {
	switch b := out.(type) {
	case *array.Int64Builder:
		b.Append(int64(lo))
	case *array.Int32Builder:
		b.Append(int32(lo))
	case *array.Int16Builder:
		b.Append(int16(lo))
	case *array.Date32Builder:
		b.Append(arrow.Date32(lo))
	case *array.Time64Builder:
		b.Append(arrow.Time64(lo))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(lo))
	case *array.Float64Builder:
		b.Append(math.Float64frombits(lo))
	case *array.Float32Builder:
		b.Append(float32(math.Float64frombits(lo)))
	case *array.BooleanBuilder:
		b.Append(lo != 0)
	case *array.Decimal128Builder:
		b.Append(decimal128.New(int64(hi), lo))
	default:
		panic("state: key builder of type " + out.Type().String())
	}
}

// hashWord takes a key column of the words modes into a row's hash, as changelog.Hash does.
func hashWord(t types.Type, h, lo, hi uint64, null bool) uint64 {
	switch {
	case null:
		return changelog.HashNull(h)
	case t.Kind == types.Numeric:
		return changelog.HashDecimal(h, lo, hi)
	}
	return changelog.HashWord(h, lo)
}

// encodedInt64 reads the encoding of one ascending int64 that is not NULL.
func encodedInt64(key []byte) (int64, bool) {
	if len(key) != 9 || key[0] != 1 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(key[1:]) ^ 1<<63), true
}
