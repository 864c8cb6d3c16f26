package state

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
)

// logRow is a row of the log to be sorted.
type logRow struct {
	prefix uint64 // of its key, behind what all keys have in common
	rec    uint32
	row    uint32
}

// sortedRows are the rows of records in the order of their keys; of one key ranges first, then newer before older.
type sortedRows struct {
	rows   []logRow
	keys   []*array.Binary // by record
	ops    [][]uint8       // by record
	ranges bool            // there are ranges among them
}

func (s *sortedRows) key(r logRow) []byte { return s.keys[r.rec].Value(int(r.row)) }

// sortRows sorts the rows of records, which are given oldest first: by the prefixes of their keys digit by digit, which keeps
// the order newest first in which they are taken in, and then what is equal in that.
func sortRows(recs []arrow.Record) *sortedRows {
	s := &sortedRows{}
	n := 0
	for _, rec := range recs {
		s.keys = append(s.keys, rec.Column(keyColumn).(*array.Binary))
		ops := rec.Column(opColumn).(*array.Uint8).Uint8Values()
		s.ops = append(s.ops, ops)
		s.ranges = s.ranges || slices.Contains(ops, opPrefix)
		n += len(ops)
	}
	if n == 0 {
		return s
	}
	same := sharedPrefix(s.keys)
	s.rows = make([]logRow, 0, n)
	all, any := ^uint64(0), uint64(0)
	for i := len(s.keys) - 1; i >= 0; i-- {
		k := s.keys[i]
		for row := k.Len() - 1; row >= 0; row-- {
			r := logRow{prefix: firstWord(k.Value(row)[same:]), rec: uint32(i), row: uint32(row)}
			all, any = all&r.prefix, any|r.prefix
			s.rows = append(s.rows, r)
		}
	}
	s.rows = radixSort(s.rows, all^any)
	for i := 0; i < n; {
		j := i + 1
		for j < n && s.rows[j].prefix == s.rows[i].prefix {
			j++
		}
		if j-i > 1 {
			slices.SortStableFunc(s.rows[i:j], s.compare)
		}
		i = j
	}
	return s
}

// plain reports whether the rows came in the order of their keys, each key once, and none is gone.
func (s *sortedRows) plain() bool {
	for i, r := range s.rows {
		if s.ops[r.rec][r.row] != opUpsert {
			return false
		}
		if i == 0 {
			if r.rec != 0 || r.row != 0 {
				return false
			}
			continue
		}
		before := s.rows[i-1]
		if next := r.rec == before.rec && r.row == before.row+1 || r.rec > before.rec && r.row == 0; !next {
			return false
		}
		if r.prefix == before.prefix && bytes.Equal(s.key(r), s.key(before)) {
			return false
		}
	}
	return true
}

// compare orders rows of equal prefixes that are in the order newest first.
func (s *sortedRows) compare(a, b logRow) int {
	if c := bytes.Compare(s.key(a), s.key(b)); c != 0 || !s.ranges {
		return c
	}
	rank := func(r logRow) int {
		if s.ops[r.rec][r.row] == opPrefix {
			return 0
		}
		return 1
	}
	return cmp.Compare(rank(a), rank(b))
}

// keep returns a function that tells, asked for one row after the other, which of them are still there.
func (s *sortedRows) keep(places []place) func(i int) bool {
	if s.ranges {
		var order rowOrder
		return func(i int) bool {
			r := s.rows[i]
			return order.keep(s.key(r), s.ops[r.rec][r.row], uint64(places[r.rec].epoch))
		}
	}
	return func(i int) bool {
		return i == 0 || s.rows[i].prefix != s.rows[i-1].prefix || !bytes.Equal(s.key(s.rows[i]), s.key(s.rows[i-1]))
	}
}

// radixSort sorts rows by prefix, keeping the order of equal ones. differ has the bits in which prefixes differ: only these are
// looked at, eleven at a time.
func radixSort(rows []logRow, differ uint64) []logRow {
	if len(rows) < 256 {
		slices.SortStableFunc(rows, func(a, b logRow) int { return cmp.Compare(a.prefix, b.prefix) })
		return rows
	}
	const digit = 11
	other := make([]logRow, len(rows))
	for shift := 0; shift < 64; shift += digit {
		if differ>>shift&(1<<digit-1) == 0 {
			continue
		}
		var at [1 << digit]int
		for _, r := range rows {
			at[r.prefix>>shift&(1<<digit-1)]++
		}
		sum := 0
		for i, n := range at {
			at[i] = sum
			sum += n
		}
		for _, r := range rows {
			d := r.prefix >> shift & (1<<digit - 1)
			other[at[d]] = r
			at[d]++
		}
		rows, other = other, rows
	}
	return rows
}

// firstWord returns the first eight bytes, so that words compare as the bytes do.
func firstWord(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}

// sharedPrefix returns how many bytes all keys have in common.
func sharedPrefix(keys []*array.Binary) int {
	var first []byte
	same := -1
	for _, k := range keys {
		for row := range k.Len() {
			key := k.Value(row)
			switch {
			case same < 0:
				first, same = key, min(len(key), 1<<10)
			case len(key) < same || !bytes.Equal(key[:same], first[:same]):
				same = commonPrefix(key, first[:same])
			}
		}
	}
	return max(same, 0)
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
