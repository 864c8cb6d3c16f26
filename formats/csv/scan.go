package csv

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// scanner cuts records and fields with quotes. data is the whole chunk for recordEnd, and one record without its line end for next.
type scanner struct {
	cfg    *Config
	data   []byte
	at     int
	ended  bool // the last field was taken
	field  []byte
	quoted bool
	buf    []byte
}

// recordEnd returns the index of the line feed that ends the record starting at i, or the length of the data; closed is false
// where a quote is open there.
func (s *scanner) recordEnd(i int) (end int, closed bool) {
	if s.cfg.NoQuotes {
		if n := bytes.IndexByte(s.data[i:], '\n'); n >= 0 {
			return i + n, true
		}
		return len(s.data), true
	}
	if s.cfg.Escape == s.cfg.Quote { // a line feed ends the record if the quotes before it are even in number
		quote := [1]byte{s.cfg.Quote}
		odd := 0
		for {
			n := bytes.IndexByte(s.data[i:], '\n')
			if n < 0 {
				odd += bytes.Count(s.data[i:], quote[:])
				return len(s.data), odd%2 == 0
			}
			if odd += bytes.Count(s.data[i:i+n], quote[:]); odd%2 == 0 {
				return i + n, true
			}
			i += n + 1
		}
	}
	quoted := false
	for ; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case quoted && c == s.cfg.Escape && c != s.cfg.Quote:
			i++
		case c == s.cfg.Quote:
			quoted = !quoted
		case c == '\n' && !quoted:
			return i, true
		}
	}
	return len(s.data), !quoted
}

// next reads the next field of the record; false behind the last.
func (s *scanner) next() bool {
	if s.ended {
		s.ended, s.at = false, 0
		return false
	}
	s.quoted = false
	cfg, b := s.cfg, s.data
	start := s.at
	if start < len(b) && b[start] == cfg.Quote && !cfg.NoQuotes { // usually one quoted part is the whole field
		if n := bytes.IndexByte(b[start+1:], cfg.Quote); n >= 0 {
			end := start + 1 + n
			if (end+1 == len(b) || b[end+1] == cfg.Delimiter) && (cfg.Escape == cfg.Quote || bytes.IndexByte(b[start+1:end], cfg.Escape) < 0) {
				s.quoted = true
				s.field = b[start+1 : end]
				s.end(end + 1)
				return true
			}
		}
		return s.nextQuoted(start, start)
	}
	end := indexDelimiter(b, start, ones*uint64(cfg.Delimiter))
	if !cfg.NoQuotes {
		if n := bytes.IndexByte(b[start:end], cfg.Quote); n >= 0 {
			return s.nextQuoted(start, start+n)
		}
	}
	s.field = b[start:end]
	s.end(end)
	return true
}

func (s *scanner) end(i int) {
	s.at = i + 1
	if i >= len(s.data) {
		s.ended = true
		if n := len(s.field); n > 0 && !s.quoted && s.field[n-1] == '\r' {
			s.field = s.field[:n-1]
		}
	}
}

// nextQuoted reads a field that starts at start and has its first quote at i. Quoted and plain parts may follow each other.
func (s *scanner) nextQuoted(start, i int) bool {
	cfg, b := s.cfg, s.data
	s.quoted = true
	s.buf = append(s.buf[:0], b[start:i]...)
	inside := false
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case inside && c == cfg.Escape && i+1 < len(b) && (b[i+1] == cfg.Quote || b[i+1] == cfg.Escape):
			i++
			s.buf = append(s.buf, b[i])
		case c == cfg.Quote:
			inside = !inside
		case c == cfg.Delimiter && !inside:
			s.field = s.buf
			s.end(i)
			return true
		case c == '\r' && !inside && i == len(b)-1:
		default:
			s.buf = append(s.buf, c)
		}
	}
	s.field = s.buf
	s.end(len(b))
	return true
}

// text is the content of the field that next read, valid until the next call.
func (s *scanner) text() []byte { return s.field }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// indexDelimiter returns the index of the first delimiter in b from i on, or len(b).
func indexDelimiter(b []byte, i int, pattern uint64) int {
	for i+8 <= len(b) {
		x := binary.LittleEndian.Uint64(b[i:]) ^ pattern
		if stops := (x - ones) &^ x & highs; stops != 0 {
			return i + bits.TrailingZeros64(stops)>>3
		}
		i += 8
	}
	for i < len(b) && b[i] != byte(pattern) {
		i++
	}
	return i
}
