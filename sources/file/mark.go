package file

import (
	"bytes"
	"encoding/json"
	"os"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/streamsql/streamsql/types"
)

// markWindow is how many bytes before an offset tell a file from one that took its place.
const markWindow = 1 << 10

// mark is how far a file was read, and what tells that it is still that file.
//
// As JSON it is [offset, n, sum, node, modified], or only the offset where nothing else is known.
type mark struct {
	offset   int64  // in decompressed bytes or blocks; done
	n        int64  // how many bytes before the offset sum covers, at most markWindow; 0: none
	sum      uint64 // xxh3 of them
	node     uint64 // the file's number in its file system; 0: unknown
	modified int64  // when it had last been written to as it was read, in ns since 1970
}

// newMark is the place behind the bytes of tail in an open file; info may be nil.
func newMark(offset int64, tail []byte, info os.FileInfo) mark {
	m := mark{offset: offset}
	if len(tail) > 0 {
		m.n, m.sum = int64(len(tail)), xxh3.Hash(tail)
	}
	if info != nil {
		m.node, m.modified = nodeOf(info), info.ModTime().UnixNano()
	}
	return m
}

// fits reports whether before, the bytes before the offset (markWindow of them where there are so many), are those that were read.
func (m mark) fits(before []byte) bool {
	n := int64(len(before))
	return m.n == 0 || n >= m.n && xxh3.Hash(before[n-m.n:]) == m.sum
}

// untouched reports whether info is of the file as it was when the mark was made.
func (m mark) untouched(info os.FileInfo) bool {
	return m.node != 0 && m.node == nodeOf(info) && m.modified == info.ModTime().UnixNano()
}

func (m mark) append(dst []byte) []byte {
	if m.n == 0 && m.node == 0 {
		return strconv.AppendInt(dst, m.offset, 10)
	}
	dst = append(dst, '[')
	for i, v := range [...]int64{m.offset, m.n, int64(m.sum), int64(m.node), m.modified} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, v, 10)
	}
	return append(dst, ']')
}

// MarshalJSON implements json.Marshaler.
func (m mark) MarshalJSON() ([]byte, error) { return m.append(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (m *mark) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		*m = mark{}
		return json.Unmarshal(b, &m.offset)
	}
	var v []int64
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	if len(v) != 5 {
		return types.Errorf(types.CodeDataCorrupted, "a file's mark has %d parts and not 5", len(v))
	}
	*m = mark{offset: v[0], n: v[1], sum: uint64(v[2]), node: uint64(v[3]), modified: v[4]}
	return nil
}

// readBefore returns what stands before offset in a plain file: markWindow bytes, or all there are.
func readBefore(f *os.File, offset int64) ([]byte, error) {
	b := make([]byte, min(offset, markWindow))
	n, err := f.ReadAt(b, offset-int64(len(b)))
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}

// holds reports whether the plain file begins with what was read when the mark was made.
func (m mark) holds(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	before, err := readBefore(f, m.offset)
	return err == nil && m.fits(before)
}
