package json

import (
	"encoding/binary"
	"math/bits"

	"github.com/streamsql/streamsql/types"
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// maxDepth bounds nesting.
const maxDepth = 1000

// load reads eight bytes, of which the first is the lowest.
func load(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// stringStops returns a mask whose lowest set bit lies in the first byte of w that is a quote, a backslash or a control
// character; 0 if there is none.
//
// Flipping bit 1 swaps the quote (0x22) with the blank (0x20), so that one comparison finds quotes and control characters.
func stringStops(w uint64) uint64 {
	low := w ^ ones*2
	slash := w ^ ones*'\\'
	return ((low-ones*0x21)&^low | (slash-ones)&^slash) & highs
}

// scanString finds the end of the string whose opening quote is at b[i]: the index behind the closing quote, and whether there
// are escapes, which it checks; end is -1 where the string is malformed.
func scanString(b []byte, i int) (end int, escaped bool) {
	i++
	for i+8 <= len(b) {
		stops := stringStops(load(b[i:]))
		if stops == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(stops) >> 3
		if b[i] == '"' {
			return i + 1, false
		}
		return scanStringSlow(b, i)
	}
	return scanStringSlow(b, i)
}

func scanStringSlow(b []byte, i int) (end int, escaped bool) {
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped
		case c < ' ':
			return -1, false
		case c == '\\':
			escaped = true
			i++
			if i == len(b) {
				return -1, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if i+4 >= len(b) {
					return -1, false
				}
				for _, h := range b[i+1 : i+5] {
					if h-'0' > 9 && (h|0x20)-'a' > 5 {
						return -1, false
					}
				}
				i += 4
			default:
				return -1, false
			}
		}
	}
	return -1, false
}

// space returns the index of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// scanValue returns the index behind the JSON value that starts at b[i], and -1 where there is none.
func scanValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		end, _ := scanString(b, i)
		return end
	case '{', '[':
		return scanNested(b, i, depth)
	case 't':
		return scanWord(b, i, "true")
	case 'f':
		return scanWord(b, i, "false")
	case 'n':
		return scanWord(b, i, "null")
	}
	return scanNumber(b, i)
}

func scanWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func scanNumber(b []byte, i int) int {
	n := types.ScanJSONNumber(b[i:])
	if n == 0 {
		return -1
	}
	return i + n
}

// scanNested reads an object or an array.
func scanNested(b []byte, i, depth int) int {
	if depth >= maxDepth {
		return -1
	}
	object := b[i] == '{'
	last := byte(']')
	if object {
		last = '}'
	}
	i = space(b, i+1)
	if i < len(b) && b[i] == last {
		return i + 1
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return -1
			}
			if i, _ = scanString(b, i); i < 0 {
				return -1
			}
			if i = space(b, i); i >= len(b) || b[i] != ':' {
				return -1
			}
			i = space(b, i+1)
		}
		if i = scanValue(b, i, depth+1); i < 0 {
			return -1
		}
		if i = space(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ',':
			i = space(b, i+1)
		case last:
			return i + 1
		default:
			return -1
		}
	}
}
