package parquet

import (
	"math"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/metadata"

	"github.com/streamsql/streamsql/types"
)

// prune asks Config.Prune and returns the largest event time of what is skipped.
func (b *blockFile) prune(rg *metadata.RowGroupMetaData) (skip bool, skippedMax int64) {
	s := Stats{Rows: rg.NumRows(), Columns: make([]ColumnStats, len(b.columns))}
	safe := true
	for i := range b.columns {
		c := &b.columns[i]
		var sure bool
		s.Columns[i], sure = c.stats(rg)
		safe = safe && sure
	}
	skippedMax = types.TimestampNegInf
	if t := b.cfg.TimeColumn; t >= 0 && t < len(s.Columns) && s.Columns[t].Nulls != rg.NumRows() {
		last, ok := s.Columns[t].Max.(int64)
		if !ok {
			return false, 0
		}
		skippedMax = last
	}
	return safe && b.cfg.Prune(s), skippedMax
}

// stats reads what the footer tells about the column; sure says that no row would be rejected because of it.
func (c *column) stats(rg *metadata.RowGroupMetaData) (s ColumnStats, sure bool) {
	s.Nulls = -1
	if c.column.MaxDefinitionLevel() == 0 {
		s.Nulls = 0
	}
	chunk, err := rg.ColumnChunk(c.index)
	if err != nil {
		return s, false
	}
	stats, err := chunk.Statistics()
	if err != nil || stats == nil {
		return s, !c.fallible() && (!c.field.NotNull || s.Nulls == 0)
	}
	if s.Nulls < 0 && stats.HasNullCount() && stats.NullCount() >= 0 {
		s.Nulls = stats.NullCount()
	}
	bounded := false
	if stats.HasMinMax() && c.ordered() {
		lo, ok1 := c.bound(stats.EncodeMin())
		hi, ok2 := c.bound(stats.EncodeMax())
		if bounded = ok1 && ok2; bounded {
			s.Min, s.Max = lo, hi
		}
		if f, isFloat := s.Min.(float64); isFloat {
			s.Max = nil
			if math.IsNaN(f) {
				s.Min = nil
			}
		}
	}
	sure = bounded || !c.fallible() || s.Nulls == rg.NumRows()
	return s, sure && (!c.field.NotNull || s.Nulls == 0)
}

// bound converts an encoded bound as a value of the column is converted.
func (c *column) bound(encoded []byte) (any, bool) {
	r := &raw{n: 1, validity: newValidity(1)}
	r.append(true, 1)
	if p := c.column.PhysicalType(); p != parquet.Types.ByteArray {
		size := p.ByteSize()
		if len(encoded) != size {
			return nil, false
		}
		r.width, r.fixed = size, append([]byte(nil), encoded...)
	} else {
		r.ends, r.data = []int32{0, int32(len(encoded))}, encoded
	}
	bad := badRows{}
	arr := c.convert(r, bad)
	if len(bad) > 0 {
		return nil, false
	}
	return types.ValueAt(c.field.Type, arr, 0), true
}

// ordered reports whether the order of the stored values is that of the wanted ones.
func (c *column) ordered() bool {
	switch c.storage {
	case storedInt, storedUint, storedDate, storedTime, storedStamp, storedFloat:
		return true
	case storedDecimal:
		p := c.column.PhysicalType()
		return p == parquet.Types.Int32 || p == parquet.Types.Int64
	case storedText:
		return c.field.Type == types.TextType
	}
	return false
}

// fallible reports whether a value of the column may not fit the wanted type. Strings that are not UTF-8 do not count.
func (c *column) fallible() bool {
	t := c.field.Type
	switch c.storage {
	case storedBool, storedHalf, storedUUID, storedInterval:
		return false
	case storedInt:
		wide := c.column.PhysicalType() == parquet.Types.Int64
		return t.Kind == types.Int2 || t.Kind == types.Int4 && wide || t.IsDecimal128()
	case storedFloat:
		return t.Kind == types.Float4 && c.column.PhysicalType() == parquet.Types.Double
	case storedText, storedBinary:
		return t != types.TextType && t.Kind != types.Bytea
	}
	return true
}
