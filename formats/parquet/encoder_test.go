package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

var everyType = types.Schema{
	{Name: "bool", Type: types.BoolType}, {Name: "int2", Type: types.Int2Type}, {Name: "int4", Type: types.Int4Type}, {Name: "int8", Type: types.Int8Type},
	{Name: "float4", Type: types.Float4Type}, {Name: "float8", Type: types.Float8Type}, {Name: "numeric", Type: types.NumericType},
	{Name: "dec9", Type: types.Type{Kind: types.Numeric, Precision: 9, Scale: 2}}, {Name: "dec18", Type: types.Type{Kind: types.Numeric, Precision: 18, Scale: 18}},
	{Name: "dec20", Type: types.Type{Kind: types.Numeric, Precision: 20}}, {Name: "dec38", Type: types.Type{Kind: types.Numeric, Precision: 38, Scale: 10}},
	{Name: "text", Type: types.TextType}, {Name: "bytea", Type: types.ByteaType}, {Name: "date", Type: types.DateType}, {Name: "time", Type: types.TimeType},
	{Name: "timestamp", Type: types.TimestampType}, {Name: "timestamptz", Type: types.TimestampTZType}, {Name: "interval", Type: types.IntervalType},
	{Name: "jsonb", Type: types.JSONBType},
}

// drawValue draws a value that every type's text form can show.
func drawValue(t *rapid.T, typ types.Type) any {
	whole := func(lo, hi int64) any {
		return rapid.OneOf(rapid.SampledFrom([]int64{lo, hi, max(lo, 0)}), rapid.Int64Range(lo, hi)).Draw(t, "n")
	}
	digits := func(p, s int) types.NumericValue {
		text := ""
		for range rapid.IntRange(1, p).Draw(t, "digits") {
			text += string(rune('0' + rapid.IntRange(0, 9).Draw(t, "digit")))
		}
		v, err := types.ParseNumeric(fmt.Sprintf("%s%se-%d", rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign"), text, s))
		require.NoError(t, err)
		return v
	}
	switch typ.Kind {
	case types.Bool:
		return rapid.Bool().Draw(t, "b")
	case types.Int2:
		return whole(math.MinInt16, math.MaxInt16)
	case types.Int4:
		return whole(math.MinInt32, math.MaxInt32)
	case types.Int8:
		return whole(math.MinInt64, math.MaxInt64)
	case types.Float4:
		return float64(rapid.Float32().Draw(t, "f"))
	case types.Float8:
		return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Copysign(0, -1)})).Draw(t, "f")
	case types.Numeric:
		if typ.Precision > 0 {
			return digits(int(typ.Precision), int(typ.Scale))
		}
		if rapid.IntRange(0, 9).Draw(t, "special") == 0 {
			return types.NaN
		}
		return digits(38, rapid.IntRange(0, 38).Draw(t, "scale"))
	case types.Text:
		return rapid.OneOf(rapid.SampledFrom([]string{"", "a", "NULL", "日本", "\n\",;"}), rapid.StringN(0, 20, 80)).
			Filter(func(s string) bool { return !bytes.ContainsRune([]byte(s), 0) }).Draw(t, "s")
	case types.Bytea:
		return rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "bytes")
	case types.Date:
		return whole(minDate, maxDate)
	case types.Time:
		return whole(0, microsPerDay)
	case types.Timestamp, types.TimestampTZ:
		return rapid.OneOf(rapid.SampledFrom([]int64{types.TimestampPosInf, types.TimestampNegInf, minTimestamp}), rapid.Int64Range(minTimestamp, types.TimestampPosInf-1)).Draw(t, "ts")
	case types.Interval:
		return types.IntervalValue{Months: rapid.Int32Range(-1e6, 1e6).Draw(t, "mon"), Days: rapid.Int32Range(-1e6, 1e6).Draw(t, "day"), Micros: rapid.Int64Range(-1e15, 1e15).Draw(t, "us")}
	case types.JSONB:
		return rapid.SampledFrom([]string{"null", `{"a": [1, 2.50, "x"]}`, `"é"`, "[]"}).Draw(t, "json")
	}
	t.Fatal(typ)
	return nil
}

func drawBatch(t *rapid.T, s types.Schema) *changelog.Batch {
	b := &changelog.Batch{N: rapid.IntRange(0, 20).Draw(t, "rows")}
	for _, f := range s {
		bld := types.NewBuilder(f.Type)
		nulls := rapid.SampledFrom([]int{0, 0, 2, 10}).Draw(t, "nulls")
		same := rapid.Bool().Draw(t, "same") // runs and dictionaries
		var last any
		for range b.N {
			if nulls > 0 && rapid.IntRange(0, 9).Draw(t, "null") < nulls {
				bld.AppendNull()
				continue
			}
			if last == nil || !same {
				last = drawValue(t, f.Type)
			}
			require.NoError(t, types.AppendValue(bld, f.Type, last))
		}
		b.Cols = append(b.Cols, bld.NewArray())
	}
	if rapid.Bool().Draw(t, "select") {
		b.Sel = []uint32{}
		for row := range b.N {
			if rapid.Bool().Draw(t, "selected") {
				b.Sel = append(b.Sel, uint32(row))
			}
		}
	}
	if rapid.Bool().Draw(t, "weights") {
		b.Weights = make([]int64, b.N)
		for row := range b.Weights {
			b.Weights[row] = int64(rapid.IntRange(1, 3).Draw(t, "weight"))
		}
	}
	return b
}

func sequence(batches ...*changelog.Batch) iter.Seq2[*changelog.Batch, error] {
	return func(yield func(*changelog.Batch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func encode(t require.TestingT, s types.Schema, o EncoderOptions, batches ...*changelog.Batch) []byte {
	e, err := NewEncoder(s, o)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, e.EncodeFile(&out, sequence(batches...)))
	return out.Bytes()
}

func rowsAsText(s types.Schema, batches ...*changelog.Batch) (rows [][]string) {
	for _, b := range batches {
		b.Each(func(row int) {
			line := make([]string, len(s))
			for c, f := range s {
				line[c] = "NULL"
				if b.Cols[c].IsValid(row) {
					line[c] = string(types.AppendText(nil, f.Type, b.Cols[c], row))
				}
			}
			for range b.Weight(row) {
				rows = append(rows, line)
			}
		})
	}
	return rows
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		everyType := rapid.SliceOfNDistinct(rapid.SampledFrom(everyType), 1, 4, func(f types.Field) string { return f.Name }).Draw(t, "schema")
		batches := make([]*changelog.Batch, rapid.IntRange(0, 3).Draw(t, "batches"))
		for i := range batches {
			batches[i] = drawBatch(t, everyType)
		}
		data := encode(t, everyType, EncoderOptions{
			Compression:  rapid.SampledFrom([]string{"", "zstd", "snappy", "gzip", "none"}).Draw(t, "codec"),
			RowGroupRows: rapid.SampledFrom([]int{0, 2, 7, 50}).Draw(t, "group"),
		}, batches...)
		d, err := decodeAll(data, Config{Schema: everyType, TimeColumn: -1})
		require.NoError(t, err)
		require.Empty(t, d.bad)
		require.Equal(t, rowsAsText(everyType, batches...), d.rows)

		// A file's own types are those that were written but for what has none there.
		inferred, err := Schema(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		for i, f := range everyType {
			want := f.Type
			if want.Kind == types.Interval || want.Kind == types.JSONB || want == types.NumericType {
				want = types.TextType
			}
			require.Equal(t, want, inferred[i].Type, f.Name)
		}
		// Statistics are bounds.
		_, err = decodeAll(data, Config{Schema: everyType, TimeColumn: -1, Prune: func(s Stats) bool {
			for c, f := range everyType {
				if s.Columns[c].Min == nil {
					continue
				}
				require.NotEqual(t, types.Bytea, f.Type.Kind)
			}
			return false
		}})
		require.NoError(t, err)
	})
}

func TestStatisticsOfOurFiles(t *testing.T) {
	s := types.Schema{{Name: "n", Type: types.Int8Type}, {Name: "s", Type: types.TextType}, {Name: "d", Type: types.Type{Kind: types.Numeric, Precision: 10, Scale: 2}}}
	b := &changelog.Batch{N: 10}
	for _, f := range s {
		bld := types.NewBuilder(f.Type)
		for i := range 10 {
			text := []byte(fmt.Sprint(i*3 - 5))
			if i == 4 {
				bld.AppendNull()
				continue
			}
			require.NoError(t, types.FromText(bld, f.Type, text))
		}
		b.Cols = append(b.Cols, bld.NewArray())
	}
	var got []Stats
	_, err := decodeAll(encode(t, s, EncoderOptions{RowGroupRows: 5}, b), Config{Schema: s, TimeColumn: -1, Prune: func(st Stats) bool { got = append(got, st); return false }})
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, ColumnStats{Min: int64(-5), Max: int64(4), Nulls: 1}, got[0].Columns[0])
	require.Equal(t, ColumnStats{Min: "-2", Max: "4", Nulls: 1}, got[0].Columns[1])
	require.Equal(t, "-5.00", got[0].Columns[2].Min.(types.NumericValue).String())
	require.Equal(t, ColumnStats{Min: int64(10), Max: int64(22), Nulls: 0}, got[1].Columns[0])
}

func TestEncoderRefuses(t *testing.T) {
	_, err := NewEncoder(types.Schema{{Name: "a", Type: types.ArrayOf(types.Int8Type)}}, EncoderOptions{})
	require.EqualError(t, err, `not supported yet: column "a" of type bigint[] in parquet`)
	_, err = NewEncoder(types.Schema{{Name: "a", Type: types.Int8Type}}, EncoderOptions{Compression: "lzo"})
	require.Equal(t, types.CodeInvalidParameter, types.CodeOf(err))
	_, err = NewEncoder(nil, EncoderOptions{})
	require.Error(t, err)
	s := types.Schema{{Name: "n", Type: types.Int8Type}}
	e, err := NewEncoder(s, EncoderOptions{})
	require.NoError(t, err)
	bld := types.NewBuilder(types.Int8Type)
	bld.AppendNull()
	err = e.EncodeFile(io.Discard, sequence(&changelog.Batch{Cols: []arrow.Array{bld.NewArray()}, N: 1, Weights: []int64{-1}}))
	require.ErrorContains(t, err, "cannot take one back")
	boom := errors.New("boom")
	err = e.EncodeFile(io.Discard, func(yield func(*changelog.Batch, error) bool) { yield(nil, boom) })
	require.ErrorIs(t, err, boom)
}

// Arrow's writer loses errors: none may be lost here, wherever the medium fails.
func TestWriteErrors(t *testing.T) {
	s := types.Schema{{Name: "n", Type: types.Int8Type}, {Name: "s", Type: types.TextType}}
	b := manyRows(t, s, 10)
	data := encode(t, s, EncoderOptions{RowGroupRows: 3}, b)
	e, err := NewEncoder(s, EncoderOptions{RowGroupRows: 3})
	require.NoError(t, err)
	for room := 0; room < len(data); room += 7 {
		err := e.EncodeFile(&fullWriter{room: room}, sequence(b))
		require.ErrorIs(t, err, os.ErrClosed, "room for %d of %d bytes", room, len(data))
	}
	require.NoError(t, e.EncodeFile(&fullWriter{room: len(data)}, sequence(b)))
}

type fullWriter struct{ room int }

func (w *fullWriter) Write(p []byte) (int, error) {
	if len(p) > w.room {
		return w.room, os.ErrClosed
	}
	w.room -= len(p)
	return len(p), nil
}

// encodings are the ways in which Arrow's writer can lay a file out, beside those of our encoder.
func encodings() map[string][]parquet.WriterProperty {
	out := map[string][]parquet.WriterProperty{}
	for name, p := range map[string][]parquet.WriterProperty{
		"plain": {parquet.WithDictionaryDefault(false)},
		"delta": {parquet.WithDictionaryDefault(false), parquet.WithEncodingFor("int4", parquet.Encodings.DeltaBinaryPacked), parquet.WithEncodingFor("int8", parquet.Encodings.DeltaBinaryPacked),
			parquet.WithEncodingFor("text", parquet.Encodings.DeltaByteArray), parquet.WithEncodingFor("bytea", parquet.Encodings.DeltaLengthByteArray),
			parquet.WithEncodingFor("bool", parquet.Encodings.RLE)},
		"dictionary": {parquet.WithDictionaryDefault(true)},
		"lz4":        {parquet.WithCompression(lz4RawCodec)},
		"brotli":     {parquet.WithCompression(compress.Codecs.Brotli)},
		"none":       {parquet.WithCompression(compress.Codecs.Uncompressed)},
		"fallback":   {parquet.WithDictionaryPageSizeLimit(64)},
	} {
		out[name+"-v1"] = append([]parquet.WriterProperty{parquet.WithDataPageSize(300), parquet.WithBatchSize(16)}, p...)
		out[name+"-v2"] = append([]parquet.WriterProperty{parquet.WithDataPageSize(300), parquet.WithBatchSize(16), parquet.WithDataPageVersion(parquet.DataPageV2)}, p...)
	}
	return out
}

// encodeWith writes a batch with other properties of Arrow's writer.
func encodeWith(t require.TestingT, s types.Schema, props []parquet.WriterProperty, b *changelog.Batch) []byte {
	e, err := NewEncoder(s, EncoderOptions{RowGroupRows: 100})
	require.NoError(t, err)
	registerCodecs()
	e.props = parquet.NewWriterProperties(props...)
	var out bytes.Buffer
	require.NoError(t, e.EncodeFile(&out, sequence(b)))
	return out.Bytes()
}

// manyRows is a batch of n rows of every type, with NULLs and repetitions.
func manyRows(t require.TestingT, s types.Schema, n int) *changelog.Batch {
	b := &changelog.Batch{N: n}
	for c, f := range s {
		bld := types.NewBuilder(f.Type)
		for i := range n {
			k := int64(i*(c+1)%37 - 5)
			if i%(c+3) == 1 && c%3 != 0 || i > 40 && i < 90 && c == 5 {
				bld.AppendNull()
				continue
			}
			var v any = k
			switch f.Type.Kind {
			case types.Bool:
				v = k > 3
			case types.Float4, types.Float8:
				v = float64(k) / 4
			case types.Numeric:
				n := types.NumericFromInt64(k)
				n.Scale = 2
				if f.Type.Scale == 0 && f.Type.Precision > 0 {
					n.Scale = 0
				}
				v = n
			case types.Text:
				v = fmt.Sprint("text ", k)
			case types.JSONB:
				v = fmt.Sprintf(`{"k": %d}`, k)
			case types.Bytea:
				v = []byte(fmt.Sprint(k))
			case types.Time:
				v = k*1000 + 5000
			case types.Interval:
				v = types.IntervalValue{Days: int32(k)}
			}
			require.NoError(t, types.AppendValue(bld, f.Type, v))
		}
		b.Cols = append(b.Cols, bld.NewArray())
	}
	return b
}

func TestEncodings(t *testing.T) {
	b := manyRows(t, everyType, 230)
	want := rowsAsText(everyType, b)
	for name, props := range encodings() {
		t.Run(name, func(t *testing.T) {
			d, err := decodeAll(encodeWith(t, everyType, props, b), Config{Schema: everyType, TimeColumn: -1})
			require.NoError(t, err)
			require.Empty(t, d.bad)
			require.Equal(t, want, d.rows)
		})
	}
}

// Batches are cut within pages and pages within batches.
func TestLargeRowGroup(t *testing.T) {
	s := types.Schema{{Name: "n", Type: types.Int8Type}, {Name: "s", Type: types.TextType}}
	n := 3*maxBatch + 17
	ints, texts := array.NewInt64Builder(alloc), array.NewStringBuilder(alloc)
	for i := range n {
		if i%1000 == 7 {
			ints.AppendNull()
		} else {
			ints.Append(int64(i))
		}
		texts.Append(fmt.Sprint(i % 5000))
	}
	data := encode(t, s, EncoderOptions{RowGroupRows: n}, &changelog.Batch{N: n, Cols: []arrow.Array{ints.NewArray(), texts.NewArray()}})
	f, err := New(Config{Schema: s, TimeColumn: -1}).OpenBlocks(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	require.Equal(t, 1, f.Blocks())
	batches, _, err := f.DecodeBlock(0)
	require.NoError(t, err)
	require.Len(t, batches, 4)
	at := 0
	for _, b := range batches {
		for row := range b.N {
			i := at + row
			if b.Offsets[row] != uint32(i) || b.Cols[0].IsNull(row) != (i%1000 == 7) || b.Cols[0].IsValid(row) && b.Cols[0].(*array.Int64).Value(row) != int64(i) ||
				b.Cols[1].(*array.String).Value(row) != fmt.Sprint(i%5000) {
				t.Fatalf("row %d", i)
			}
		}
		at += b.N
	}
	require.Equal(t, n, at)
}

// A file that our encoder did not write: required columns, other cases of names, units and physical types.
func TestUnitsAndPhysicalTypes(t *testing.T) {
	testForeign(t, file.NewParquetWriter)
}
