package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// rowLayout is the form of a row in a Multi, in memory as in the log:
//
//	row   := fixed blob
//	fixed := columns by falling width (16, 8, 4, 2, 1, then NUMERIC's 17 bytes), NULL bits (one a column, from the lowest)
//	blob  := the bytes of text, bytea, JSONB and arrays, one column behind the other
//
// All is little endian. A column that lies in the blob has in fixed the 4 bytes of its end there. An array is encoded by
// changelog.Encoder, exactly. What is NULL is zero (or empty), and there is one NaN, so that two rows are the same exactly if
// their bytes are.
type rowLayout struct {
	cols  []layoutColumn
	fixed int   // bytes
	nulls int   // where the NULL bits begin
	vars  []int // columns in the blob, in order
	end   int   // where the end of the blob is told; -1: there is no blob
}

type layoutColumn struct {
	t     types.Type
	dt    arrow.DataType
	kind  layoutKind
	width int // in fixed
	at    int // in fixed
	start int // of a column in the blob: where the end of the one before is told; -1: it is the first
	enc   *changelog.Encoder
}

type layoutKind uint8

const (
	layoutWord    layoutKind = iota // copied
	layoutBool                      // a byte
	layoutFloat                     // one NaN
	layoutNumeric                   // 17 bytes
	layoutBytes                     // in the blob
	layoutArray                     // in the blob, encoded
	layoutNothing                   // always NULL
)

func newRowLayout(ts []types.Type) rowLayout {
	l := rowLayout{cols: make([]layoutColumn, len(ts)), end: -1}
	for i, t := range ts {
		c := layoutColumn{t: t, dt: t.Arrow(), start: -1}
		switch t.Kind {
		case types.Bool:
			c.kind, c.width = layoutBool, 1
		case types.Float4, types.Float8:
			c.kind, c.width = layoutFloat, c.dt.(arrow.FixedWidthDataType).Bytes()
		case types.Text, types.JSONB, types.Bytea:
			c.kind, c.width = layoutBytes, 4
		case types.Array:
			c.kind, c.width = layoutArray, 4
			c.enc = changelog.NewEncoder([]types.Type{t}, []changelog.Order{{Exact: true}})
		case types.Unknown:
			c.kind = layoutNothing
		default:
			c.width = c.dt.(arrow.FixedWidthDataType).Bytes()
			if c.width == types.NumericWidth {
				c.kind = layoutNumeric
			}
		}
		l.cols[i] = c
	}
	for _, width := range []int{16, 8, 4, 2, 1, types.NumericWidth} {
		for i := range l.cols {
			c := &l.cols[i]
			if c.width != width {
				continue
			}
			c.at = l.fixed
			l.fixed += width
		}
	}
	for i := range l.cols {
		if c := &l.cols[i]; c.kind == layoutBytes || c.kind == layoutArray {
			c.start, l.end = l.end, c.at
			l.vars = append(l.vars, i)
		}
	}
	l.nulls = l.fixed
	l.fixed += (len(ts) + 7) / 8
	return l
}

// blobLen returns the length of the blob of a row.
func (l *rowLayout) blobLen(fixed []byte) int {
	if l.end < 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(fixed[l.end:]))
}

// part returns where a column lies in the blob.
func (c *layoutColumn) part(fixed []byte) (from, to uint32) {
	if c.start >= 0 {
		from = binary.LittleEndian.Uint32(fixed[c.start:])
	}
	return from, binary.LittleEndian.Uint32(fixed[c.at:])
}

func (l *rowLayout) null(fixed []byte, col int) bool { return fixed[l.nulls+col>>3]>>(col&7)&1 != 0 }

// check reports whether logged bytes are a row.
func (l *rowLayout) check(row []byte) error {
	if len(row) < l.fixed {
		return fmt.Errorf("a row of %d bytes, want at least %d", len(row), l.fixed)
	}
	last := uint32(0)
	for _, i := range l.vars {
		_, end := l.cols[i].part(row)
		if end < last {
			return fmt.Errorf("a row whose column %d ends before it begins", i)
		}
		last = end
	}
	if int(last) != len(row)-l.fixed {
		return fmt.Errorf("a row of %d bytes besides the %d fixed ones, want %d", len(row)-l.fixed, l.fixed, last)
	}
	for _, i := range l.vars {
		c := &l.cols[i]
		if c.kind != layoutArray || l.null(row, i) {
			continue
		}
		from, to := c.part(row)
		rest, err := c.enc.Skip(row[l.fixed:][from:to], 1)
		if err != nil || len(rest) > 0 {
			return fmt.Errorf("a row whose column %d is no array", i)
		}
	}
	return nil
}

// RowImages are some rows of a batch in the form in which a Multi keeps them. They belong to the layout of the table that made them.
type RowImages struct {
	l      *rowLayout
	n      int
	fixed  []byte   // n times layout.fixed
	blob   []byte   // all blobs
	blobAt []uint32 // n + 1 offsets; unused without a blob
	hashes []uint64 // of the keys
	ends   []uint32
	arrays []arrayBytes
}

// arrayBytes are the encoded arrays of a column.
type arrayBytes struct {
	data []byte
	offs []uint32
}

// Len returns the number of rows.
func (m *RowImages) Len() int { return m.n }

// MostBytes returns the bytes of text and the like of the row that has most.
func (m *RowImages) MostBytes() int {
	most := 0
	if m.l.end >= 0 {
		for i := range m.n {
			most = max(most, int(m.blobAt[i+1]-m.blobAt[i]))
		}
	}
	return most
}

func (m *RowImages) row(i int) []byte {
	at := i * m.l.fixed
	return m.fixed[at : at+m.l.fixed : at+m.l.fixed]
}

func (m *RowImages) tail(i int) []byte {
	if m.l.end < 0 {
		return nil
	}
	return m.blob[m.blobAt[i]:m.blobAt[i+1]]
}

// tag is the hash by which a table finds the row as a whole.
func rowTag(fixed, blob []byte) uint32 {
	h := xxh3.Hash(fixed)
	if len(blob) > 0 {
		h ^= xxh3.HashSeed(blob, h)
	}
	return uint32(h ^ h>>32)
}

// encode makes the images of rows of the columns (one per column of the layout), hashes being those of their keys, as dense as rows.
func (l *rowLayout) encode(m *RowImages, cols []arrow.Array, rows []uint32, hashes []uint64) {
	n := len(rows)
	m.l, m.n, m.hashes = l, n, hashes
	m.fixed = resize(m.fixed, n*l.fixed)
	clear(m.fixed)
	for i := range l.cols {
		c := &l.cols[i]
		a := cols[i]
		switch c.kind {
		case layoutWord, layoutNumeric:
			data := a.Data()
			if n > 0 {
				src := data.Buffers()[1].Bytes()[data.Offset()*c.width:]
				l.encodeFixed(m, c, src, rows)
			}
		case layoutBool:
			b := a.(*array.Boolean)
			for j, row := range rows {
				if b.Value(int(row)) {
					m.fixed[j*l.fixed+c.at] = 1
				}
			}
		case layoutFloat:
			switch f := a.(type) {
			case *array.Float64:
				vals := f.Float64Values()
				for j, row := range rows {
					v := vals[row]
					if v != v {
						v = math.NaN()
					}
					binary.LittleEndian.PutUint64(m.fixed[j*l.fixed+c.at:], math.Float64bits(v))
				}
			case *array.Float32:
				vals := f.Float32Values()
				for j, row := range rows {
					v := vals[row]
					if v != v {
						v = float32(math.NaN())
					}
					binary.LittleEndian.PutUint32(m.fixed[j*l.fixed+c.at:], math.Float32bits(v))
				}
			}
		}
		if a.NullN() > 0 {
			for j, row := range rows {
				if a.IsNull(int(row)) {
					f := m.row(j)
					f[l.nulls+i>>3] |= 1 << (i & 7)
					if c.kind != layoutBytes && c.kind != layoutArray {
						clear(f[c.at : c.at+c.width])
					}
				}
			}
		}
	}
	if l.end >= 0 {
		l.encodeBlobs(m, cols, rows)
	}
}

func (l *rowLayout) encodeFixed(m *RowImages, c *layoutColumn, src []byte, rows []uint32) {
	switch c.width {
	case 8:
		putFixed[uint64](m.fixed[c.at:], l.fixed, src, rows)
	case 4:
		putFixed[uint32](m.fixed[c.at:], l.fixed, src, rows)
	case 2:
		putFixed[uint16](m.fixed[c.at:], l.fixed, src, rows)
	case 16:
		putFixed[[16]byte](m.fixed[c.at:], l.fixed, src, rows)
	default:
		putFixed[[types.NumericWidth]byte](m.fixed[c.at:], l.fixed, src, rows)
	}
}

// putFixed writes values at a distance of stride bytes.
func putFixed[T any](dst []byte, stride int, src []byte, rows []uint32) {
	var zero T
	width := int(unsafe.Sizeof(zero))
	from := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(src))), len(src)/width)
	_ = dst[(len(rows)-1)*stride+width-1]
	at := unsafe.Pointer(unsafe.SliceData(dst))
	for j, row := range rows {
		*(*T)(unsafe.Add(at, j*stride)) = from[row]
	}
}

func (l *rowLayout) encodeBlobs(m *RowImages, cols []arrow.Array, rows []uint32) {
	n := len(rows)
	m.ends = resize(m.ends, n)
	clear(m.ends)
	if len(m.arrays) < len(l.cols) {
		m.arrays = make([]arrayBytes, len(l.cols))
	}
	for _, i := range l.vars {
		c := &l.cols[i]
		if c.kind == layoutArray {
			x := &m.arrays[i]
			x.data, x.offs = x.data[:0], append(x.offs[:0], 0)
			c.enc.Reset(cols[i : i+1])
			for _, row := range rows {
				if !cols[i].IsNull(int(row)) {
					x.data = c.enc.Append(x.data, int(row))
				}
				x.offs = append(x.offs, uint32(len(x.data)))
			}
			for j := range rows {
				m.ends[j] += x.offs[j+1] - x.offs[j]
				binary.LittleEndian.PutUint32(m.fixed[j*l.fixed+c.at:], m.ends[j])
			}
			continue
		}
		offs, _ := binaryParts(cols[i])
		hasNull := cols[i].NullN() > 0
		for j, row := range rows {
			if offs != nil && !(hasNull && cols[i].IsNull(int(row))) {
				m.ends[j] += uint32(offs[row+1] - offs[row])
			}
			binary.LittleEndian.PutUint32(m.fixed[j*l.fixed+c.at:], m.ends[j])
		}
	}
	m.blobAt = resize(m.blobAt, n+1)
	total := uint32(0)
	for j, end := range m.ends[:n] {
		m.blobAt[j] = total
		total += end
	}
	m.blobAt[n] = total
	m.blob = resize(m.blob, int(total))
	for _, i := range l.vars {
		c := &l.cols[i]
		if c.kind == layoutArray {
			x := &m.arrays[i]
			for j := range rows {
				from, _ := c.part(m.row(j))
				copy(m.blob[m.blobAt[j]+from:], x.data[x.offs[j]:x.offs[j+1]])
			}
			continue
		}
		offs, data := binaryParts(cols[i])
		if offs == nil {
			continue
		}
		for j, row := range rows {
			from, to := c.part(m.row(j))
			copy(m.blob[m.blobAt[j]+from:m.blobAt[j]+to], data[offs[row]:])
		}
	}
}

// binaryParts returns offsets and bytes of a column of text or bytes; nil: all are empty.
func binaryParts(a arrow.Array) ([]int32, []byte) {
	d := a.Data()
	b := d.Buffers()
	if b[1] == nil || b[1].Len() == 0 {
		return nil, nil
	}
	offs := arrow.Int32Traits.CastFromBytes(b[1].Bytes())[d.Offset():]
	if b[2] == nil {
		return offs, nil
	}
	return offs, b[2].Bytes()
}

// sameValue reports whether two columns of one type are equal as SQL has it, NULL being equal to NULL.
func (c *layoutColumn) sameValue(col int, l *rowLayout, fixed, blob []byte, oc *layoutColumn, ocol int, ol *rowLayout, ofixed, oblob []byte) bool {
	if n := l.null(fixed, col); n || ol.null(ofixed, ocol) {
		return n && ol.null(ofixed, ocol)
	}
	switch c.kind {
	case layoutWord, layoutBool:
		if c.t.Kind != types.Interval {
			return bytes.Equal(fixed[c.at:c.at+c.width], ofixed[oc.at:oc.at+oc.width])
		}
		return compareForms(c, fixed[c.at:c.at+c.width], ofixed[oc.at:oc.at+oc.width])
	case layoutNumeric:
		return compareForms(c, fixed[c.at:c.at+c.width], ofixed[oc.at:oc.at+oc.width])
	case layoutFloat:
		if c.width == 8 {
			return changelog.FloatWord(math.Float64frombits(binary.LittleEndian.Uint64(fixed[c.at:]))) ==
				changelog.FloatWord(math.Float64frombits(binary.LittleEndian.Uint64(ofixed[oc.at:])))
		}
		return changelog.FloatWord(float64(math.Float32frombits(binary.LittleEndian.Uint32(fixed[c.at:])))) ==
			changelog.FloatWord(float64(math.Float32frombits(binary.LittleEndian.Uint32(ofixed[oc.at:]))))
	case layoutBytes:
		from, to := c.part(fixed)
		ofrom, oto := oc.part(ofixed)
		return bytes.Equal(blob[from:to], oblob[ofrom:oto])
	case layoutArray:
		from, to := c.part(fixed)
		ofrom, oto := oc.part(ofixed)
		return bytes.Equal(blob[from:to], oblob[ofrom:oto]) || compareForms(c, blob[from:to], oblob[ofrom:oto])
	}
	return true
}

// compareForms compares values that may be equal in different forms (1.0 and 1.00) by their encodings.
func compareForms(c *layoutColumn, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	enc := changelog.NewEncoder([]types.Type{c.t}, nil)
	encoded := func(v []byte) []byte {
		bd := changelog.NewBuilder(c.t)
		switch x := bd.(type) {
		case *array.FixedSizeBinaryBuilder:
			x.Append(v)
		case *array.MonthDayNanoIntervalBuilder:
			x.Append(*(*arrow.MonthDayNanoInterval)(unsafe.Pointer(unsafe.SliceData(v))))
		default:
			if _, err := c.enc.Decode(v, nil, []array.Builder{bd}); err != nil {
				panic("state: array in memory: " + err.Error())
			}
		}
		enc.Reset([]arrow.Array{bd.NewArray()})
		return enc.Append(nil, 0)
	}
	return bytes.Equal(encoded(a), encoded(b))
}
