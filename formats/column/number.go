package column

import (
	"encoding/binary"
	"math/bits"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

var pow10 = [9]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}

// ParseDigits reads the decimal digits at b[i:], eight at a time, and returns the index behind them; ok is false where there is no
// digit or where there are more than 18.
// Source: the parsing of eight digits is the one of D. Lemire's fast_float.
func ParseDigits(b []byte, i int) (n uint64, end int, ok bool) {
	start := i
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:]) ^ ones*'0' // digits become 0..9
		stops := ((x + ones*0x76) | x) & highs            // set where a byte is above 9; behind the first it may be wrong
		count := bits.TrailingZeros64(stops) >> 3         // 8 if all are digits
		if count > 0 {
			v := x << (64 - 8*uint(count)) // leading zeros for those that are missing
			v = v*10 + v>>8
			v = ((v&0x000000ff000000ff)*0x000f424000000064 + (v>>16&0x000000ff000000ff)*0x0000271000000001) >> 32
			n = n*pow10[count] + v
		}
		i += count
		if count < 8 || i-start > 16 {
			return n, i, i > start && i-start <= 18 && (i >= len(b) || b[i]-'0' > 9)
		}
	}
	for i < len(b) && b[i]-'0' <= 9 {
		n = n*10 + uint64(b[i]-'0')
		if i++; i-start > 18 {
			return 0, i, false
		}
	}
	return n, i, i > start
}

// ShortInt reads [-]digits with at most 18 digits.
func ShortInt(text []byte) (v int64, ok bool) {
	i := 0
	if len(text) > 0 && text[0] == '-' {
		i = 1
	}
	n, end, ok := ParseDigits(text, i)
	if !ok || end != len(text) {
		return 0, false
	}
	if i == 1 {
		return -int64(n), true
	}
	return int64(n), true
}

// ShortFloat reads [-]digits[.digits] with at most 15 digits, where one division of exact numbers gives the nearest float.
func ShortFloat(text []byte) (float64, bool) {
	i, negative := 0, len(text) > 0 && text[0] == '-'
	if negative {
		i++
	}
	var n uint64
	digits, fraction := 0, -1
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			if fraction >= 0 {
				return 0, false
			}
			fraction = 0
			continue
		}
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
		if digits++; digits > 15 {
			return 0, false
		}
		if fraction >= 0 {
			fraction++
		}
	}
	if digits == 0 {
		return 0, false
	}
	f := float64(n) / powers[max(fraction, 0)]
	if negative {
		f = -f
	}
	return f, true
}

var powers = [16]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
