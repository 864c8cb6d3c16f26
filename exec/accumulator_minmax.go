package exec

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// inOneWord reports whether values of the type fit in a word whose integer order is theirs.
func inOneWord(t types.Type) bool {
	switch t.Kind {
	case types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Date, types.Time, types.Timestamp, types.TimestampTZ:
		return true
	}
	return t.IsDecimal128() && t.Precision <= 18
}

// extremeAcc computes min and max of append-only input of word-sized types. Lanes: the number of values and the extreme.
type extremeAcc struct {
	arg argument
	t   types.Type
	max bool
	fs  []float64
}

func (*extremeAcc) lanes() int { return 2 }

func (a *extremeAcc) explode(r *rowSet, out [][]int64) {
	fillWeights(out[0], a.arg.used(r))
	out[1] = a.values(r, out[1])
}

// values reads the argument as ordered words, into v or where they lie.
func (a *extremeAcc) values(r *rowSet, v []int64) []int64 {
	c := r.b.Cols[a.arg.col]
	switch c := c.(type) {
	case *array.Float64, *array.Float32:
		a.fs = readFloats(c, r.rows, r.n, a.fs)
		for i, f := range a.fs {
			v[i] = floatOrder(f)
		}
	case *array.Date32:
		values := c.Date32Values()
		for i := range v {
			v[i] = int64(values[r.row(i)])
		}
	case *array.Decimal128:
		for i := range v {
			v[i] = int64(c.Value(r.row(i)).LowBits())
		}
	case *array.Timestamp, *array.Time64:
		return gatherWords(v, words(c), r.rows)
	default:
		return readInts(c, r.rows, r.n, v)
	}
	return v
}

// floatOrder maps floats to integers in PostgreSQL's order: -0 = 0, NaN above everything.
func floatOrder(f float64) int64 {
	if f != f {
		return math.MaxInt64
	}
	if f == 0 {
		return 0
	}
	b := int64(math.Float64bits(f))
	if b < 0 {
		b = math.MinInt64 - b // the magnitude, negated
	}
	return b
}

func floatOfOrder(b int64) float64 {
	if b == math.MaxInt64 {
		return math.NaN()
	}
	if b < 0 {
		b = math.MinInt64 - b
	}
	return math.Float64frombits(uint64(b))
}

func (a *extremeAcc) merge(dst []*state.I64Column, slots []uint32, src [][]int64) {
	counts, values := src[0], src[1]
	for i, s := range slots {
		if counts[i] == 0 {
			continue
		}
		n, v := dst[0].At(s), dst[1].At(s)
		if *n == 0 || (values[i] < *v) != a.max && values[i] != *v {
			*v = values[i]
		}
		*n += counts[i]
	}
}

func (a *extremeAcc) finish(src [][]int64, n int, _ func(int, *types.Error)) arrow.Array {
	valid := bitmap{n: n}
	for i := range n {
		if src[0][i] == 0 {
			valid.clear(i)
		}
	}
	return wordsToArray(a.t, src[1][:n], valid.bits)
}

// wordsToArray is the inverse of extremeAcc.values.
func wordsToArray(t types.Type, values []int64, valid []byte) arrow.Array {
	n := len(values)
	var storage []byte
	switch t.Kind {
	case types.Float8:
		storage = mapWords(values, func(v int64) float64 { return floatOfOrder(v) }, arrow.Float64Traits.CastToBytes)
	case types.Float4:
		storage = mapWords(values, func(v int64) float32 { return float32(floatOfOrder(v)) }, arrow.Float32Traits.CastToBytes)
	case types.Int2:
		storage = mapWords(values, func(v int64) int16 { return int16(v) }, arrow.Int16Traits.CastToBytes)
	case types.Int4, types.Date:
		storage = mapWords(values, func(v int64) int32 { return int32(v) }, arrow.Int32Traits.CastToBytes)
	case types.Numeric:
		storage = make([]byte, 16*n)
		for i, v := range values {
			putWord(storage[16*i:], v)
			putWord(storage[16*i+8:], v>>63)
		}
	default:
		storage = mapWords(values, func(v int64) int64 { return v }, arrow.Int64Traits.CastToBytes)
	}
	return fixedArray(t.Arrow(), n, storage, valid)
}

func mapWords[T any](values []int64, f func(int64) T, bytes func([]T) []byte) []byte {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = f(v)
	}
	return bytes(out)
}
