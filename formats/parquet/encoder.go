package parquet

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// SinkOptions are the options of the format in a sink; a source has none.
var SinkOptions = []types.OptionSpec{
	{Name: "compression", Kind: types.OptEnum, Enum: []string{"zstd", "snappy", "gzip", "none"}, Default: "zstd", Doc: "the codec of the column chunks"},
	{Name: "row_group_rows", Kind: types.OptInt, Default: "131072", Doc: "rows of a row group"},
}

// EncoderOptions say how files are written; the zero value is good.
type EncoderOptions struct {
	Compression  string // zstd (also ""), snappy, gzip, none
	RowGroupRows int    // 0: 131,072
}

// EncoderOptionsOf reads the options.
func EncoderOptionsOf(o types.Options) EncoderOptions {
	return EncoderOptions{Compression: o.String("compression"), RowGroupRows: int(o.Int("row_group_rows"))}
}

// Encoder writes whole Parquet files; it is safe for concurrent use. Types become:
//
//	BOOLEAN, SMALLINT, INT, BIGINT, REAL, DOUBLE  the same (SMALLINT as INT(16) in int32)
//	NUMERIC(p,s)   decimal in int32 (p <= 9), int64 (p <= 18) or the fewest bytes
//	NUMERIC        string, since every value has its own scale
//	TEXT, JSONB, INTERVAL  string
//	BYTEA          byte array without a logical type
//	DATE           date
//	TIME, TIMESTAMP, TIMESTAMPTZ  microseconds; the last one adjusted to UTC
type Encoder struct {
	schema  types.Schema
	root    *schema.GroupNode
	props   *parquet.WriterProperties
	perRow  int
	columns []encodeColumn
}

// encodeColumn writes the rows of a batch, which may come twice, to a column; defs is scratch for definition levels.
type encodeColumn func(w file.ColumnChunkWriter, arr arrow.Array, rows []uint32, defs []int16) error

// NewEncoder checks that the types can be written. Errors: CodeNotSupported for arrays and records; CodeInvalidParameter.
func NewEncoder(s types.Schema, o EncoderOptions) (*Encoder, error) {
	codec, ok := map[string]compress.Compression{
		"": compress.Codecs.Zstd, "zstd": compress.Codecs.Zstd, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip,
		"none": compress.Codecs.Uncompressed,
	}[o.Compression]
	if !ok {
		return nil, types.Errorf(types.CodeInvalidParameter, "parquet compression is %q, wanted zstd, snappy, gzip or none", o.Compression)
	}
	if o.RowGroupRows < 0 {
		return nil, types.Errorf(types.CodeInvalidParameter, "row_group_rows is %d, wanted more than 0", o.RowGroupRows)
	}
	if len(s) == 0 {
		return nil, types.Errorf(types.CodeInvalidParameter, "a parquet file needs a column")
	}
	e := &Encoder{schema: s, perRow: o.RowGroupRows}
	if e.perRow == 0 {
		e.perRow = 128 << 10
	}
	props := []parquet.WriterProperty{parquet.WithCompression(codec)}
	nodes := make(schema.FieldList, len(s))
	seen := map[string]bool{}
	for i, f := range s {
		if seen[f.Name] {
			return nil, types.Errorf(types.CodeDuplicateColumn, "column %q appears twice", f.Name)
		}
		seen[f.Name] = true
		node, write, err := encoderFor(f)
		if err != nil {
			return nil, err
		}
		nodes[i] = node
		e.columns = append(e.columns, write)
		if node.PhysicalType() != parquet.Types.ByteArray {
			// Arrow v17's dictionaries of numbers allocate for every value.
			props = append(props, parquet.WithDictionaryFor(f.Name, false))
		}
		if node.PhysicalType() == parquet.Types.FixedLenByteArray {
			// Arrow v17 compares bytes here as if they were unsigned.
			props = append(props, parquet.WithStatsFor(f.Name, false))
		}
	}
	var err error
	if e.root, err = schema.NewGroupNode("schema", parquet.Repetitions.Required, nodes, -1); err != nil {
		return nil, types.Errorf(types.CodeInvalidParameter, "parquet schema: %v", err)
	}
	e.props = parquet.NewWriterProperties(props...)
	return e, nil
}

// EncodeFile implements formats.FileEncoder. A row of weight n is written n times. Errors: those of batches and w; a negative weight is one,
// since a Parquet file holds rows, not changes.
func (e *Encoder) EncodeFile(w io.Writer, batches iter.Seq2[*changelog.Batch, error]) (err error) {
	out := &stickyWriter{w: w}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write parquet file: %v", p)
		}
		if out.err != nil { // Arrow's writer loses some errors and turns others into panics
			err = out.err
		}
	}()
	registerCodecs()
	f := file.NewParquetWriter(out, e.root, file.WithWriterProps(e.props))
	var group file.BufferedRowGroupWriter
	inGroup := 0
	endGroup := func() error {
		if group == nil {
			return nil
		}
		g := group
		group, inGroup = nil, 0
		return g.Close()
	}
	var rows []uint32
	var defs []int16
	for b, err := range batches {
		if err != nil {
			return err
		}
		if rows, err = rowsOf(rows[:0], b); err != nil {
			return err
		}
		for left := rows; len(left) > 0; {
			if group == nil {
				group = f.AppendBufferedRowGroup()
			}
			n := min(len(left), e.perRow-inGroup)
			for i, write := range e.columns {
				cw, err := group.Column(i)
				if err != nil {
					return err
				}
				if err := write(cw, b.Cols[i], left[:n], grow(&defs, n)); err != nil {
					return fmt.Errorf("write parquet column %q: %w", e.schema[i].Name, err)
				}
			}
			left = left[n:]
			if inGroup += n; inGroup == e.perRow {
				if err := endGroup(); err != nil {
					return err
				}
			}
		}
		if out.err != nil {
			return out.err
		}
	}
	if err := endGroup(); err != nil {
		return err
	}
	if err := f.FlushWithFooter(); err != nil {
		return err
	}
	return f.Close()
}

// rowsOf lists the physical rows of a batch, each as often as it weighs.
func rowsOf(dst []uint32, b *changelog.Batch) ([]uint32, error) {
	var err error
	b.Each(func(row int) {
		w := b.Weight(row)
		if w < 0 && err == nil {
			err = types.Errorf(types.CodeInvalidParameter, "parquet files hold rows and cannot take one back")
		}
		for range w {
			dst = append(dst, uint32(row))
		}
	})
	return dst, err
}

// stickyWriter keeps the first error.
type stickyWriter struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (s *stickyWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(p)
	s.err = err
	return n, err
}

// encoderFor returns the node of a field and how its values are written.
func encoderFor(f types.Field) (*schema.PrimitiveNode, encodeColumn, error) {
	p := parquet.Types
	var logical schema.LogicalType = schema.NoLogicalType{}
	physical, width := p.ByteArray, -1
	var write encodeColumn
	switch t := f.Type; t.Kind {
	case types.Bool:
		physical = p.Boolean
		write = writer(func(a *array.Boolean) func(int) bool { return a.Value }, (*file.BooleanColumnChunkWriter).WriteBatch)
	case types.Int2:
		physical, logical = p.Int32, schema.NewIntLogicalType(16, true)
		write = writer(func(a *array.Int16) func(int) int32 { return func(i int) int32 { return int32(a.Value(i)) } }, (*file.Int32ColumnChunkWriter).WriteBatch)
	case types.Int4:
		physical = p.Int32
		write = writer(func(a *array.Int32) func(int) int32 { return a.Value }, (*file.Int32ColumnChunkWriter).WriteBatch)
	case types.Date:
		physical, logical = p.Int32, schema.DateLogicalType{}
		write = writer(func(a *array.Date32) func(int) int32 { return func(i int) int32 { return int32(a.Value(i)) } }, (*file.Int32ColumnChunkWriter).WriteBatch)
	case types.Int8:
		physical = p.Int64
		write = writer(func(a *array.Int64) func(int) int64 { return a.Value }, (*file.Int64ColumnChunkWriter).WriteBatch)
	case types.Time:
		physical, logical = p.Int64, schema.NewTimeLogicalType(false, schema.TimeUnitMicros)
		write = writer(func(a *array.Time64) func(int) int64 { return func(i int) int64 { return int64(a.Value(i)) } }, (*file.Int64ColumnChunkWriter).WriteBatch)
	case types.Timestamp, types.TimestampTZ:
		physical, logical = p.Int64, schema.NewTimestampLogicalType(t.Kind == types.TimestampTZ, schema.TimeUnitMicros)
		write = writer(func(a *array.Timestamp) func(int) int64 { return func(i int) int64 { return int64(a.Value(i)) } }, (*file.Int64ColumnChunkWriter).WriteBatch)
	case types.Float4:
		physical = p.Float
		write = writer(func(a *array.Float32) func(int) float32 { return a.Value }, (*file.Float32ColumnChunkWriter).WriteBatch)
	case types.Float8:
		physical = p.Double
		write = writer(func(a *array.Float64) func(int) float64 { return a.Value }, (*file.Float64ColumnChunkWriter).WriteBatch)
	case types.Text, types.JSONB:
		logical = schema.StringLogicalType{}
		write = writer(func(a *array.String) func(int) parquet.ByteArray {
			return func(i int) parquet.ByteArray { return parquet.ByteArray(a.Value(i)) }
		}, (*file.ByteArrayColumnChunkWriter).WriteBatch)
	case types.Bytea:
		write = writer(func(a *array.Binary) func(int) parquet.ByteArray {
			return func(i int) parquet.ByteArray { return a.Value(i) }
		}, (*file.ByteArrayColumnChunkWriter).WriteBatch)
	case types.Interval:
		logical, write = schema.StringLogicalType{}, writeAsText(t)
	case types.Numeric:
		switch {
		case t.Precision == 0:
			logical, write = schema.StringLogicalType{}, writeAsText(t)
		case t.Precision <= 9:
			physical = p.Int32
			write = writer(func(a *array.Decimal128) func(int) int32 {
				return func(i int) int32 { return int32(a.Value(i).LowBits()) }
			}, (*file.Int32ColumnChunkWriter).WriteBatch)
		case t.Precision <= 18:
			physical = p.Int64
			write = writer(func(a *array.Decimal128) func(int) int64 {
				return func(i int) int64 { return int64(a.Value(i).LowBits()) }
			}, (*file.Int64ColumnChunkWriter).WriteBatch)
		default:
			physical, width = p.FixedLenByteArray, decimalWidth(int(t.Precision))
			write = writeDecimals(width)
		}
		if t.Precision > 0 {
			logical = schema.NewDecimalLogicalType(int32(t.Precision), int32(t.Scale))
		}
	default:
		return nil, nil, types.NotSupported(types.Span{}, "column %q of type %s in parquet", f.Name, t)
	}
	node, err := schema.NewPrimitiveNodeLogical(f.Name, parquet.Repetitions.Optional, logical, physical, width, -1)
	if err != nil {
		return nil, nil, types.Errorf(types.CodeInvalidParameter, "parquet column %q: %v", f.Name, err)
	}
	return node, write, nil
}

// decimalWidth is the fewest bytes that hold every number of p digits.
func decimalWidth(p int) int {
	limit, n := decimal128.GetMaxValue(int32(p)).BigInt().BitLen()+1, 1
	for n*8 < limit {
		n++
	}
	return n
}

// writer makes the loop over a column's values from how one is read and how many are written.
func writer[A arrow.Array, W file.ColumnChunkWriter, P any](get func(A) func(int) P, put func(W, []P, []int16, []int16) (int64, error)) encodeColumn {
	return func(w file.ColumnChunkWriter, arr arrow.Array, rows []uint32, defs []int16) error {
		value := get(arr.(A))
		values := make([]P, 0, len(rows))
		return writeValues(w.(W), put, arr, rows, defs, values, func(values []P, row int) []P { return append(values, value(row)) })
	}
}

func writeValues[W file.ColumnChunkWriter, P any](w W, put func(W, []P, []int16, []int16) (int64, error), arr arrow.Array, rows []uint32,
	defs []int16, values []P, add func(values []P, row int) []P) error {
	noNulls := arr.NullN() == 0
	for i, row := range rows {
		if noNulls || arr.IsValid(int(row)) {
			defs[i] = 1
			values = add(values, int(row))
		} else {
			defs[i] = 0
		}
	}
	_, err := put(w, values, defs[:len(rows)], nil)
	return err
}

// writeAsText writes values in their text form.
func writeAsText(t types.Type) encodeColumn {
	return func(w file.ColumnChunkWriter, arr arrow.Array, rows []uint32, defs []int16) error {
		return writeValues(w.(*file.ByteArrayColumnChunkWriter), (*file.ByteArrayColumnChunkWriter).WriteBatch, arr, rows, defs, nil,
			func(values []parquet.ByteArray, row int) []parquet.ByteArray {
				return append(values, types.AppendText(nil, t, arr, row))
			})
	}
}

// writeDecimals writes coefficients as width big-endian bytes.
func writeDecimals(width int) encodeColumn {
	return func(w file.ColumnChunkWriter, arr arrow.Array, rows []uint32, defs []int16) error {
		a := arr.(*array.Decimal128)
		buf := make([]byte, 0, len(rows)*width)
		return writeValues(w.(*file.FixedLenByteArrayColumnChunkWriter), (*file.FixedLenByteArrayColumnChunkWriter).WriteBatch, arr, rows, defs, nil,
			func(values []parquet.FixedLenByteArray, row int) []parquet.FixedLenByteArray {
				var full [16]byte
				binary.BigEndian.PutUint64(full[:], uint64(a.Value(row).HighBits()))
				binary.BigEndian.PutUint64(full[8:], a.Value(row).LowBits())
				at := len(buf)
				buf = append(buf, full[16-width:]...)
				return append(values, buf[at:len(buf):len(buf)])
			})
	}
}
