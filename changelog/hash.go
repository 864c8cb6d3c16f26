package changelog

import (
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/streamsql/streamsql/types"
)

// A row's hash starts at hashSeed and takes in one word per column: h = mix(rotate(h) ^ word). mix is a bijection (the
// finalizer of MurmurHash3), so that rows of one integer column never collide. Longer values become a word by xxh3 first.
const (
	hashSeed uint64 = 0x9e3779b97f4a7c15
	nullWord uint64 = 0xd6e8feb86659fd93
	nanWord  uint64 = 0x7ff8000000000001
)

// EmptyHash is the hash of a row without columns; HashWord and HashNull take in a column more.
const EmptyHash = hashSeed

// HashWord takes a column of up to 8 bytes into a row's hash: integers and the like as int64, booleans as 0 and 1, floats as FloatWord.
func HashWord(h, word uint64) uint64 { return combine(h, word) }

// HashDecimal takes a column of NUMERIC(p,s) into a row's hash.
func HashDecimal(h, lo, hi uint64) uint64 { return combine(h, combine(mix(lo), hi)) }

// HashNull takes a NULL into a row's hash.
func HashNull(h uint64) uint64 { return combine(h, nullWord) }

func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// combine needs an h that was mixed already: x and y with x ^ rotated y alike would meet.
func combine(h, word uint64) uint64 { return mix(bits.RotateLeft64(h, 23) ^ word) }

// Hash sets out[i] to the stable 64-bit hash of the i-th selected row (sel nil: all n rows) over the columns; out is dense. The
// result may be persisted: it never changes between versions, machines or numbers of workers.
//
// Rows that SQL holds equal hash alike: -0 = 0, NaN = NaN, 1.0 = 1.00, '1 month' = '30 days', NULL = NULL, and an integer hashes
// alike in every width. Zero columns hash to a constant.
func Hash(cols []arrow.Array, ts []types.Type, n int, sel []uint32, out []uint64) {
	if sel != nil {
		n = len(sel)
	}
	out = out[:n]
	for i := range out {
		out[i] = hashSeed
	}
	for _, col := range cols {
		hashColumn(col, sel, out)
	}
}

// HashBytes is the stable hash of a byte string.
func HashBytes(b []byte) uint64 { return xxh3.HashSeed(b, hashSeed) }

func hashColumn(col arrow.Array, sel []uint32, out []uint64) {
	valid := validityOf(col)
	switch a := col.(type) {
	case *array.Int64:
		hashInts(a.Int64Values(), valid, sel, out)
	case *array.Int32:
		hashInts(a.Int32Values(), valid, sel, out)
	case *array.Int16:
		hashInts(a.Int16Values(), valid, sel, out)
	case *array.Date32:
		hashInts(a.Date32Values(), valid, sel, out)
	case *array.Time64:
		hashInts(a.Time64Values(), valid, sel, out)
	case *array.Timestamp:
		hashInts(a.TimestampValues(), valid, sel, out)
	case *array.Float64:
		vals := a.Float64Values()
		hashWith(valid, sel, out, func(row int) uint64 { return FloatWord(vals[row]) })
	case *array.Float32:
		vals := a.Float32Values()
		hashWith(valid, sel, out, func(row int) uint64 { return FloatWord(float64(vals[row])) })
	case *array.Boolean:
		hashWith(valid, sel, out, func(row int) uint64 {
			if a.Value(row) {
				return 1
			}
			return 0
		})
	case *array.String:
		hashWith(valid, sel, out, func(row int) uint64 { return xxh3.HashString(a.Value(row)) })
	case *array.Binary:
		hashWith(valid, sel, out, func(row int) uint64 { return xxh3.Hash(a.Value(row)) })
	case *array.Decimal128:
		vals := a.Values()
		hashWith(valid, sel, out, func(row int) uint64 {
			return combine(mix(vals[row].LowBits()), uint64(vals[row].HighBits()))
		})
	case *array.FixedSizeBinary:
		hashWith(valid, sel, out, func(row int) uint64 {
			v := parseNumeric(a.Value(row))
			d, scale := v.normal()
			return combine(combine(mix(uint64(v.class)<<32^uint64(uint32(scale))), d.hi), d.lo)
		})
	case *array.MonthDayNanoInterval:
		hashWith(valid, sel, out, func(row int) uint64 {
			hi, lo := intervalValue(a.Value(row))
			return combine(mix(uint64(hi)), lo)
		})
	case *array.List:
		elems := a.ListValues()
		words := make([]uint64, elems.Len())
		Hash([]arrow.Array{elems}, nil, elems.Len(), nil, words)
		hashWith(valid, sel, out, func(row int) uint64 {
			from, to := a.ValueOffsets(row)
			h := hashSeed
			for _, w := range words[from:to] {
				h = combine(h, w)
			}
			return h
		})
	case *array.Null:
		for i := range out {
			out[i] = combine(out[i], nullWord)
		}
	default:
		panic("changelog: hash of " + col.DataType().String())
	}
}

func hashInts[T integers](vals []T, valid validity, sel []uint32, out []uint64) {
	switch {
	case valid.bits == nil && sel == nil:
		vals = vals[:len(out)]
		for i, v := range vals {
			out[i] = combine(out[i], uint64(int64(v)))
		}
	case valid.bits == nil:
		for i, row := range sel[:len(out)] {
			out[i] = combine(out[i], uint64(int64(vals[row])))
		}
	default:
		hashWith(valid, sel, out, func(row int) uint64 { return uint64(int64(vals[row])) })
	}
}

// hashWith takes one word a row in; the closure costs less than what it does for the types that come here.
func hashWith(valid validity, sel []uint32, out []uint64, word func(row int) uint64) {
	for i := range out {
		row := i
		if sel != nil {
			row = int(sel[i])
		}
		w := nullWord
		if valid.bits == nil || !valid.null(row) {
			w = word(row)
		}
		out[i] = combine(out[i], w)
	}
}

// FloatWord maps equal floats to equal words: 0 for both zeros, one NaN, else the IEEE bits.
func FloatWord(v float64) uint64 {
	switch {
	case v == 0:
		return 0
	case v != v:
		return nanWord
	}
	return math.Float64bits(v)
}

// intervalValue returns an interval's length as PostgreSQL compares it (a month has 30 days, a day 24 hours), in nanoseconds
// in 128 bits of two's complement.
func intervalValue(v arrow.MonthDayNanoInterval) (hi int64, lo uint64) {
	const day = 86400 * 1e9
	days := int64(v.Months)*30 + int64(v.Days)
	neg := days < 0
	if neg {
		days = -days
	}
	h, l := bits.Mul64(uint64(days), uint64(day))
	if neg {
		x := u128{h, l}.negate()
		h, l = x.hi, x.lo
	}
	sum, carry := bits.Add64(l, uint64(v.Nanoseconds), 0)
	return int64(h) + v.Nanoseconds>>63 + int64(carry), sum
}
