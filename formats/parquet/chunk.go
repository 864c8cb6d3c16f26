package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// byteStreamSplit is the encoding that Arrow's list of encodings leaves out.
const byteStreamSplit = parquet.Encoding(9)

// raw is a column of a batch as the file stores it, NULLs in place as zeros or empty values.
type raw struct {
	n     int
	width int    // bytes of a value; 0: variable length
	fixed []byte // n values of width bytes
	varlen
	validity
}

// chunkReader decodes the pages of one column of one row group. Arrow's reader cuts the file into pages and decompresses them; the rest is
// ours, because Arrow v17's decoders loop for ever or panic on damaged pages.
//
// Invariant: every call makes progress or fails, and no buffer is larger than what the pages hold or the batch needs.
type chunkReader struct {
	pages file.PageReader
	top   uint32 // definition level of a value; 0: there are no NULLs
	width int    // bytes of a value; 0: variable length
	bool  bool
	rows  int // of the row group

	// The current page.
	left   int // rows
	levels hybrid
	source func(r *raw, at, n int) error // decodes n values to the dense place at

	dict    []byte // values of the dictionary, if width > 0
	strings varlen
	hasDict bool
	scratch []uint32
}

func newChunkReader(pages file.PageReader, col *schema.Column, rows int) (*chunkReader, error) {
	c := &chunkReader{pages: pages, top: uint32(col.MaxDefinitionLevel()), rows: rows}
	switch col.PhysicalType() {
	case parquet.Types.Boolean:
		c.width, c.bool = 1, true
	case parquet.Types.Int32, parquet.Types.Float:
		c.width = 4
	case parquet.Types.Int64, parquet.Types.Double:
		c.width = 8
	case parquet.Types.Int96:
		c.width = 12
	case parquet.Types.FixedLenByteArray:
		if c.width = col.TypeLength(); c.width <= 0 {
			return nil, fmt.Errorf("a fixed length of %d bytes", c.width)
		}
	}
	return c, nil
}

// read decodes the next n rows.
func (c *chunkReader) read(n int) (*raw, error) {
	r := &raw{n: n, width: c.width, validity: newValidity(n)}
	if c.width > 0 {
		if n > math.MaxInt32/c.width {
			return nil, errors.New("values are too long")
		}
		r.fixed = make([]byte, n*c.width)
	} else {
		r.ends = make([]int32, n+1)
	}
	for at := 0; at < n; {
		if c.left == 0 {
			if err := c.nextPage(); err != nil {
				return nil, err
			}
			continue
		}
		k := min(n-at, c.left)
		dense := k
		if c.top > 0 {
			var err error
			if dense, err = c.levels.levels(&r.validity, k, c.top, &c.scratch); err != nil {
				return nil, err
			}
		} else {
			r.append(true, k)
		}
		if dense > 0 {
			if err := c.source(r, at, dense); err != nil {
				return nil, err
			}
		}
		switch {
		case dense == k:
		case c.width > 0:
			r.spread(r.fixed[at*c.width:], at, k, dense, c.width)
		default:
			r.spreadEnds(r.ends[at:], at, k, dense)
		}
		at += k
		c.left -= k
	}
	return r, nil
}

// nextPage moves to the next page with rows.
func (c *chunkReader) nextPage() error {
	for c.pages.Next() {
		data := c.pages.Page().Data()
		switch p := c.pages.Page().(type) {
		case *file.DictionaryPage:
			if err := c.setDict(int(p.NumValues()), data); err != nil {
				return err
			}
			continue
		case *file.DataPageV1:
			if p.NumValues() == 0 {
				continue
			}
			c.left = int(p.NumValues())
			if c.top > 0 {
				if p.DefinitionLevelEncoding() != parquet.Encodings.RLE {
					return fmt.Errorf("not supported yet: definition levels in encoding %s", p.DefinitionLevelEncoding())
				}
				if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
					return errTooShort
				}
				size := int(binary.LittleEndian.Uint32(data))
				if err := c.setLevels(data[4 : 4+size]); err != nil {
					return err
				}
				data = data[4+size:]
			}
			return c.setValues(parquet.Encoding(p.Encoding()), data)
		case *file.DataPageV2:
			if p.NumValues() == 0 {
				continue
			}
			c.left = int(p.NumValues())
			skip, size := int(p.RepetitionLevelByteLen()), int(p.DefinitionLevelByteLen())
			if skip < 0 || size < 0 || skip+size > len(data) {
				return errTooShort
			}
			if c.top > 0 {
				if err := c.setLevels(data[skip : skip+size]); err != nil {
					return err
				}
			}
			return c.setValues(parquet.Encoding(p.Encoding()), data[skip+size:])
		}
	}
	if err := c.pages.Err(); err != nil {
		return err
	}
	return errors.New("a column has fewer values than its row group has rows")
}

func (c *chunkReader) setLevels(data []byte) (err error) {
	c.levels, err = newHybrid(data, uint(bits.Len32(c.top)))
	return err
}

func (c *chunkReader) setDict(n int, data []byte) error {
	if c.hasDict {
		return errors.New("a column has two dictionaries")
	}
	c.hasDict = true
	if c.width > 0 {
		if n > len(data)/c.width {
			return errTooShort
		}
		c.dict = data[:n*c.width]
		return nil
	}
	if n > len(data)/4 {
		return errTooShort
	}
	c.strings.ends = make([]int32, 1, n+1)
	c.strings.data = make([]byte, 0, len(data)-4*n)
	_, err := appendPlain(&c.strings.ends, &c.strings.data, data, n)
	return err
}

// setValues chooses the decoder of the page's values.
func (c *chunkReader) setValues(enc parquet.Encoding, data []byte) error {
	limit := min(c.left, c.rows)
	switch {
	case enc == parquet.Encodings.PlainDict || enc == parquet.Encodings.RLEDict:
		return c.setIndices(data)
	case enc == parquet.Encodings.Plain && c.bool:
		c.source = plainBools(data)
	case enc == parquet.Encodings.RLE && c.bool:
		if len(data) < 4 {
			return errTooShort
		}
		h, err := newHybrid(data[4:], 1)
		c.source = c.runBools(&h)
		return err
	case enc == parquet.Encodings.Plain && c.width > 0:
		c.source = plainFixed(data)
	case enc == parquet.Encodings.Plain:
		c.source = plainStrings(data)
	case enc == byteStreamSplit && c.width > 1:
		data, err := unsplit(data, c.width)
		c.source = plainFixed(data)
		return err
	case enc == parquet.Encodings.DeltaBinaryPacked && (c.width == 4 || c.width == 8):
		values, _, err := decodeDelta(data, limit)
		c.source = plainFixed(packInts(values, c.width))
		return err
	case enc == parquet.Encodings.DeltaLengthByteArray && c.width == 0:
		v, err := decodeDeltaLengths(data, limit)
		c.source = listed(v)
		return err
	case enc == parquet.Encodings.DeltaByteArray:
		v, err := decodeDeltaStrings(data, limit, max(c.width*limit, 1<<30))
		if err == nil && c.width > 0 {
			c.source = plainFixed(v.data)
			for i := range v.len() {
				if len(v.at(i)) != c.width {
					return errDelta
				}
			}
			return nil
		}
		c.source = listed(v)
		return err
	default:
		return fmt.Errorf("not supported yet: encoding %d of values of %d bytes", enc, c.width)
	}
	return nil
}

func packInts(values []int64, width int) []byte {
	out := make([]byte, len(values)*width)
	if width == 8 {
		copy(asInt64(out), values)
		return out
	}
	for i, v := range values {
		asInt32(out)[i] = int32(v)
	}
	return out
}

func plainFixed(data []byte) func(*raw, int, int) error {
	return func(r *raw, at, n int) error {
		size := n * r.width
		if size > len(data) {
			return errTooShort
		}
		copy(r.fixed[at*r.width:], data[:size])
		data = data[size:]
		return nil
	}
}

func plainBools(data []byte) func(*raw, int, int) error {
	next := 0
	return func(r *raw, at, n int) error {
		if next+n > len(data)*8 {
			return errTooShort
		}
		for i := range n {
			r.fixed[at+i] = data[(next+i)>>3] >> ((next + i) & 7) & 1
		}
		next += n
		return nil
	}
}

func (c *chunkReader) runBools(h *hybrid) func(*raw, int, int) error {
	return func(r *raw, at, n int) error {
		values := grow(&c.scratch, n)
		if err := h.indices(values); err != nil {
			return err
		}
		for i, v := range values {
			r.fixed[at+i] = byte(v & 1)
		}
		return nil
	}
}

func plainStrings(data []byte) func(*raw, int, int) error {
	return func(r *raw, at, n int) (err error) {
		ends := r.ends[:at+1]
		if r.data == nil {
			r.data = make([]byte, 0, min(len(data), 16*r.n))
		}
		data, err = appendPlain(&ends, &r.data, data, n)
		return err
	}
}

// appendPlain reads n values, each behind its length in four bytes, and returns what follows them.
func appendPlain(ends *[]int32, dst *[]byte, data []byte, n int) ([]byte, error) {
	e, d := *ends, *dst
	for range n {
		if len(data) < 4 {
			return nil, errTooShort
		}
		size := int(binary.LittleEndian.Uint32(data))
		if size > len(data)-4 || size > math.MaxInt32-len(d) {
			return nil, errTooShort
		}
		d = append(d, data[4:4+size]...)
		e = append(e, int32(len(d)))
		data = data[4+size:]
	}
	*ends, *dst = e, d
	return data, nil
}

// listed hands out values that are decoded already.
func listed(v varlen) func(*raw, int, int) error {
	next := 0
	return func(r *raw, at, n int) error {
		if n > v.len()-next {
			return errTooShort
		}
		from := v.ends[next]
		moved := v.data[from:v.ends[next+n]]
		shift := int32(len(r.data)) - from
		if len(moved) > math.MaxInt32-len(r.data) {
			return errTooShort
		}
		r.data = append(r.data, moved...)
		for i := range n {
			r.ends[at+1+i] = v.ends[next+1+i] + shift
		}
		next += n
		return nil
	}
}

// setIndices prepares a page of indices into the dictionary: a byte with their width, then the indices.
func (c *chunkReader) setIndices(data []byte) error {
	if !c.hasDict {
		return errors.New("a column has no dictionary")
	}
	if len(data) == 0 { // all NULL
		data = []byte{0}
	}
	h, err := newHybrid(data[1:], uint(data[0]))
	if err != nil {
		return err
	}
	c.source = func(r *raw, at, n int) error {
		idx := grow(&c.scratch, n)
		if err := h.indices(idx); err != nil {
			return err
		}
		switch c.width {
		case 0:
			return c.takeStrings(r, at, idx)
		case 4:
			return take(asUint32(r.fixed)[at:], asUint32(c.dict), idx)
		case 8:
			return take(asUint64(r.fixed)[at:], asUint64(c.dict), idx)
		}
		for i, ix := range idx {
			if int(ix) >= len(c.dict)/c.width {
				return errIndex
			}
			copy(r.fixed[(at+i)*c.width:(at+i+1)*c.width], c.dict[int(ix)*c.width:])
		}
		return nil
	}
	return nil
}

var errIndex = errors.New("an index lies outside of the dictionary")

func take[T any](dst, dict []T, idx []uint32) error {
	dst = dst[:len(idx)]
	for i, ix := range idx {
		if int(ix) >= len(dict) {
			return errIndex
		}
		dst[i] = dict[ix]
	}
	return nil
}

func (c *chunkReader) takeStrings(r *raw, at int, idx []uint32) error {
	ends, dict, data := c.strings.ends, c.strings.data, r.data
	if data == nil && len(ends) > 1 {
		data = make([]byte, 0, min(r.n*(len(dict)/(len(ends)-1)+1), 1<<26))
	}
	out := r.ends[at+1 : at+1+len(idx)]
	for i, ix := range idx {
		if int(ix) >= len(ends)-1 {
			return errIndex
		}
		data = append(data, dict[ends[ix]:ends[ix+1]]...)
		if len(data) > math.MaxInt32 {
			return errors.New("the strings of a batch are longer than 2 GiB")
		}
		out[i] = int32(len(data))
	}
	r.data = data
	return nil
}

// The views of bytes as values of their size: Parquet and Arrow store them alike, lowest byte first.
func asInt32(b []byte) []int32     { return arrow.Int32Traits.CastFromBytes(b) }
func asInt64(b []byte) []int64     { return arrow.Int64Traits.CastFromBytes(b) }
func asUint32(b []byte) []uint32   { return arrow.Uint32Traits.CastFromBytes(b) }
func asUint64(b []byte) []uint64   { return arrow.Uint64Traits.CastFromBytes(b) }
func asFloat32(b []byte) []float32 { return arrow.Float32Traits.CastFromBytes(b) }
func asFloat64(b []byte) []float64 { return arrow.Float64Traits.CastFromBytes(b) }
