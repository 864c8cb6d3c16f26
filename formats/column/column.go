// Package column holds the buffers that decoders write rows into: one typed slice per column, turned into Arrow arrays at
// the end without copying. A row is written column by column in any order and then committed or dropped.
package column

import (
	"bytes"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/types"
)

// Set is the columns of a batch that is being built. It is for one goroutine.
//
// Invariant: every slice of every column has room for capacity rows.
type Set struct {
	Cols     []Column
	offsets  []uint32
	row      int // the row being written; as many are committed
	set      int // columns written in this row
	capacity int
}

// Column is the buffer of one column. Only the slice of its type's storage is used. Decoders on a hot path write it
// directly at the current row and then call Mark; others call the Set and FromText methods.
type Column struct {
	Field types.Field

	Int64    []int64 // BIGINT, TIME, TIMESTAMP, TIMESTAMPTZ
	Int32    []int32 // INT, DATE
	Int16    []int16
	Float64  []float64
	Float32  []float32
	decimals []decimal128.Num
	numerics []byte
	interval []arrow.MonthDayNanoInterval
	bools    []byte // bitmap
	data     []byte // TEXT, BYTEA, JSONB: values one after the other
	ends     []int32
	lists    []any

	written int    // 1 + the last row written
	valid   []byte // bitmap; nil while no NULL was written
	scratch []byte
	perRow  float64 // bytes of text in a row of the last batch
}

// NewSet returns buffers for the columns of a schema. Begin comes first.
func NewSet(schema types.Schema) *Set {
	s := &Set{Cols: make([]Column, len(schema))}
	for i, f := range schema {
		s.Cols[i].Field = f
	}
	return s
}

// Begin starts a new batch with room for about rows rows that come from size bytes, and for as much text a row as the last batch
// had.
func (s *Set) Begin(rows, size int) {
	before := s.row
	s.row, s.set, s.capacity = 0, 0, max(rows, 16)
	s.offsets = make([]uint32, s.capacity)
	variable := 0
	for i := range s.Cols {
		if s.Cols[i].isVariable() {
			variable++
		}
	}
	for i := range s.Cols {
		c := &s.Cols[i]
		perRow := c.perRow
		if before > 0 {
			perRow = float64(len(c.data)) / float64(before)
		}
		*c = Column{Field: c.Field, scratch: c.scratch, perRow: perRow}
		c.grow(s.capacity)
		switch {
		case c.isVariable() && perRow > 0:
			c.data = make([]byte, 0, min(int(perRow*float64(s.capacity)), size))
		case c.isVariable():
			c.data = make([]byte, 0, size/4/variable)
		}
	}
}

func (c *Column) isVariable() bool {
	k := c.Field.Type.Kind
	return k == types.Text || k == types.Bytea || k == types.JSONB
}

func resize[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	t := make([]T, n)
	copy(t, s)
	return t
}

// grow makes room for n rows.
func (c *Column) grow(n int) {
	switch c.Field.Type.Kind {
	case types.Bool:
		c.bools = resize(c.bools, (n+7)/8)
	case types.Int2:
		c.Int16 = resize(c.Int16, n)
	case types.Int4, types.Date:
		c.Int32 = resize(c.Int32, n)
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		c.Int64 = resize(c.Int64, n)
	case types.Float4:
		c.Float32 = resize(c.Float32, n)
	case types.Float8:
		c.Float64 = resize(c.Float64, n)
	case types.Numeric:
		if c.Field.Type.IsDecimal128() {
			c.decimals = resize(c.decimals, n)
		} else {
			c.numerics = resize(c.numerics, n*types.NumericWidth)
		}
	case types.Text, types.Bytea, types.JSONB:
		c.ends = resize(c.ends, n)
	case types.Interval:
		c.interval = resize(c.interval, n)
	case types.Array:
		c.lists = resize(c.lists, n)
	}
	if c.valid != nil {
		old := len(c.valid)
		c.valid = resize(c.valid, (n+7)/8)
		for i := old; i < len(c.valid); i++ {
			c.valid[i] = 0xff
		}
	}
}

// Row returns the number of the row being written, which is the number of rows committed.
func (s *Set) Row() int { return s.row }

// Mark notes that column c of the current row was written directly, as a value.
func (s *Set) Mark(c *Column) {
	row := s.row
	if c.written != row+1 {
		c.written = row + 1
		s.set++
	}
	if c.valid != nil {
		c.valid[row>>3] |= 1 << (row & 7)
	}
}

// Written reports whether column c of the current row was written.
func (s *Set) Written(c *Column) bool { return c.written == s.row+1 }

// SetNull writes NULL.
func (s *Set) SetNull(c *Column) {
	row := s.row
	if c.written != row+1 {
		c.written = row + 1
		s.set++
	}
	if c.valid == nil {
		c.valid = make([]byte, (s.capacity+7)/8)
		for i := range c.valid {
			c.valid[i] = 0xff
		}
	}
	c.valid[row>>3] &^= 1 << (row & 7)
	if c.ends != nil {
		c.ends[row] = c.start(row)
	}
	if c.numerics != nil {
		clear(c.numerics[row*types.NumericWidth:][:types.NumericWidth])
	}
	if c.lists != nil {
		c.lists[row] = nil
	}
}

// start returns where the text of a row begins.
func (c *Column) start(row int) int32 {
	if row == 0 {
		return 0
	}
	return c.ends[row-1]
}

// SetText writes the bytes of a TEXT, BYTEA or JSONB value, unchecked.
func (s *Set) SetText(c *Column, text []byte) {
	row := s.row
	c.data = append(c.data[:c.start(row)], text...)
	c.ends[row] = int32(len(c.data))
	s.Mark(c)
}

// SetBool writes a boolean.
func (s *Set) SetBool(c *Column, v bool) {
	bit := byte(1) << (s.row & 7)
	if v {
		c.bools[s.row>>3] |= bit
	} else {
		c.bools[s.row>>3] &^= bit
	}
	s.Mark(c)
}

// SetValue writes a Go value of the column's type, as types.ParseText returns it. Errors: 22003 where NUMERIC(p,s) cannot hold it.
func (s *Set) SetValue(c *Column, v any) error {
	row := s.row
	switch v := v.(type) {
	case nil:
		s.SetNull(c)
		return nil
	case bool:
		s.SetBool(c, v)
	case int64:
		switch {
		case c.Int64 != nil:
			c.Int64[row] = v
		case c.Int32 != nil:
			c.Int32[row] = int32(v)
		default:
			c.Int16[row] = int16(v)
		}
	case float64:
		if c.Float64 != nil {
			c.Float64[row] = v
		} else {
			c.Float32[row] = float32(v)
		}
	case types.NumericValue:
		return s.SetNumeric(c, v)
	case types.IntervalValue:
		c.interval[row] = v.Arrow()
	case string:
		c.data = append(c.data[:c.start(row)], v...)
		c.ends[row] = int32(len(c.data))
	case []byte:
		s.SetText(c, v)
	case []any:
		c.lists[row] = v
	}
	s.Mark(c)
	return nil
}

// SetNumeric writes a NUMERIC. Errors: 22003 where NUMERIC(p,s) cannot hold it.
func (s *Set) SetNumeric(c *Column, v types.NumericValue) error {
	if t := c.Field.Type; t.IsDecimal128() {
		n, err := v.Decimal128(int(t.Precision), int(t.Scale))
		if err != nil {
			return err
		}
		c.decimals[s.row] = n
	} else {
		v.Put(c.numerics[s.row*types.NumericWidth:])
	}
	s.Mark(c)
	return nil
}

// FromText writes the value that PostgreSQL's input function of the column's type reads in text, which must be valid UTF-8.
// Errors: as types.ParseText.
func (s *Set) FromText(c *Column, text []byte) error {
	row := s.row
	switch t := c.Field.Type; t.Kind {
	case types.Int8, types.Int4, types.Int2:
		v, ok := ShortInt(text)
		if !ok || t.Kind == types.Int4 && v != int64(int32(v)) || t.Kind == types.Int2 && v != int64(int16(v)) {
			var err error
			if v, err = types.ParseIntBytes(t.Kind, text); err != nil {
				return err
			}
		}
		switch t.Kind {
		case types.Int8:
			c.Int64[row] = v
		case types.Int4:
			c.Int32[row] = int32(v)
		default:
			c.Int16[row] = int16(v)
		}
	case types.Float8:
		f, ok := ShortFloat(text)
		if !ok {
			return s.parse(c, text)
		}
		c.Float64[row] = f
	case types.Timestamp, types.TimestampTZ:
		var us int64
		var err error
		if t.Kind == types.Timestamp {
			us, err = types.ParseTimestampBytes(text)
		} else {
			us, err = types.ParseTimestampTZBytes(text)
		}
		if err != nil {
			return err
		}
		c.Int64[row] = types.RoundTime(t, us)
	case types.Date:
		days, err := types.ParseDateBytes(text)
		if err != nil {
			return err
		}
		c.Int32[row] = days
	case types.Numeric:
		v, err := types.ParseNumericBytes(text)
		if err != nil {
			return err
		}
		return s.SetNumeric(c, v)
	case types.Text:
		if t.Precision == 0 && bytes.IndexByte(text, 0) < 0 {
			s.SetText(c, text)
			return nil
		}
		return s.parse(c, text)
	case types.JSONB:
		norm, err := types.AppendJSONB(c.scratch[:0], text)
		if err != nil {
			return err
		}
		if c.scratch = norm; int(c.start(row))+len(norm) > math.MaxInt32 {
			return types.Errorf(types.CodeTooComplex, "more than 2 GiB of json in one batch")
		}
		s.SetText(c, norm)
	default:
		return s.parse(c, text)
	}
	s.Mark(c)
	return nil
}

// parse takes the way through a Go value.
func (s *Set) parse(c *Column, text []byte) error {
	v, err := types.ParseText(c.Field.Type, string(text))
	if err != nil {
		return err
	}
	return s.SetValue(c, v)
}

// Commit ends the row, whose record began at offset: columns not written are NULL. Errors: 23502 for a NULL in a NotNull
// column; the row is dropped then.
func (s *Set) Commit(offset int) *types.Error {
	if s.set < len(s.Cols) {
		for i := range s.Cols {
			if c := &s.Cols[i]; c.written != s.row+1 {
				s.SetNull(c)
			}
		}
	}
	for i := range s.Cols {
		c := &s.Cols[i]
		if c.valid != nil && c.Field.NotNull && c.valid[s.row>>3]&(1<<(s.row&7)) == 0 {
			s.Drop()
			return types.Errorf(types.CodeNotNullViolation, "null value in column \"%s\" violates not-null constraint", c.Field.Name)
		}
	}
	s.offsets[s.row] = uint32(offset)
	s.row++
	s.set = 0
	if s.row == s.capacity {
		s.capacity *= 2
		s.offsets = resize(s.offsets, s.capacity)
		for i := range s.Cols {
			s.Cols[i].grow(s.capacity)
		}
	}
	return nil
}

// Drop forgets what was written of the row.
func (s *Set) Drop() {
	s.set = 0
	for i := range s.Cols {
		s.Cols[i].written = 0
	}
}

// Finish returns the rows as arrays of the columns' storage types, and the offsets given to Commit. The set must Begin anew.
func (s *Set) Finish() (cols []arrow.Array, offsets []uint32, err error) {
	cols = make([]arrow.Array, len(s.Cols))
	for i := range s.Cols {
		if cols[i], err = s.Cols[i].finish(s.row); err != nil {
			return nil, nil, err
		}
	}
	return cols, s.offsets[:s.row], nil
}

// nulls counts the NULLs of the first n rows.
func (c *Column) nulls(n int) int {
	if c.valid == nil {
		return 0
	}
	count := 0
	for _, b := range c.valid[:n/8] {
		count += bits.OnesCount8(b)
	}
	if r := n % 8; r > 0 {
		count += bits.OnesCount8(c.valid[n/8] & (1<<r - 1))
	}
	return n - count
}

func (c *Column) finish(n int) (arrow.Array, error) {
	dt := c.Field.Type.Arrow()
	nulls := c.nulls(n)
	var valid *memory.Buffer
	if nulls > 0 {
		valid = memory.NewBufferBytes(c.valid[:(n+7)/8])
	}
	var buffers []*memory.Buffer
	one := func(raw []byte) { buffers = []*memory.Buffer{valid, memory.NewBufferBytes(raw)} }
	switch c.Field.Type.Kind {
	case types.Bool:
		one(c.bools[:(n+7)/8])
	case types.Int2:
		one(arrow.Int16Traits.CastToBytes(c.Int16[:n]))
	case types.Int4, types.Date:
		one(arrow.Int32Traits.CastToBytes(c.Int32[:n]))
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		one(arrow.Int64Traits.CastToBytes(c.Int64[:n]))
	case types.Float4:
		one(arrow.Float32Traits.CastToBytes(c.Float32[:n]))
	case types.Float8:
		one(arrow.Float64Traits.CastToBytes(c.Float64[:n]))
	case types.Numeric:
		if c.Field.Type.IsDecimal128() {
			one(arrow.Decimal128Traits.CastToBytes(c.decimals[:n]))
		} else {
			one(c.numerics[:n*types.NumericWidth])
		}
	case types.Interval:
		one(arrow.MonthDayNanoIntervalTraits.CastToBytes(c.interval[:n]))
	case types.Text, types.Bytea, types.JSONB:
		offsets := make([]int32, n+1)
		copy(offsets[1:], c.ends[:n])
		buffers = []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)),
			memory.NewBufferBytes(c.data[:offsets[n]])}
	default:
		b := types.NewBuilder(c.Field.Type)
		defer b.Release()
		for row := range n {
			var v any
			if c.lists != nil {
				v = c.lists[row]
			}
			if err := types.AppendValue(b, c.Field.Type, v); err != nil {
				return nil, err
			}
		}
		return b.NewArray(), nil
	}
	return array.MakeFromData(array.NewData(dt, n, buffers, nil, nulls, 0)), nil
}
