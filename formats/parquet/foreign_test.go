package parquet

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

var alloc = memory.DefaultAllocator

// testForeign writes columns that our encoder never writes and reads them.
func testForeign(t *testing.T, open func(io.Writer, *schema.GroupNode, ...file.WriteOption) *file.Writer) {
	required := parquet.Repetitions.Required
	node := func(name string, l schema.LogicalType, p parquet.Type, width int) schema.Node {
		n, err := schema.NewPrimitiveNodeLogical(name, required, l, p, width, -1)
		require.NoError(t, err)
		return n
	}
	p := parquet.Types
	nested, err := schema.NewGroupNode("Nested", required, schema.FieldList{schema.NewInt64Node("x", required, -1), schema.NewInt64Node("y", required, -1)}, -1)
	require.NoError(t, err)
	root, err := schema.NewGroupNode("schema", required, schema.FieldList{
		nested,
		node("TimeMillis", schema.NewTimeLogicalType(true, schema.TimeUnitMillis), p.Int32, -1),
		node("time_nanos", schema.NewTimeLogicalType(false, schema.TimeUnitNanos), p.Int64, -1),
		node("stamp_millis", schema.NewTimestampLogicalType(true, schema.TimeUnitMillis), p.Int64, -1),
		node("stamp_nanos", schema.NewTimestampLogicalType(false, schema.TimeUnitNanos), p.Int64, -1),
		schema.NewInt96Node("int96", required, -1),
		node("uint32", schema.NewIntLogicalType(32, false), p.Int32, -1),
		node("dec", schema.NewDecimalLogicalType(30, 2), p.ByteArray, -1),
		node("long", schema.NewDecimalLogicalType(38, 2), p.FixedLenByteArray, 20),
		node("half", schema.Float16LogicalType{}, p.FixedLenByteArray, 2),
		node("fixed", schema.NoLogicalType{}, p.FixedLenByteArray, 3),
		schema.NewByteArrayNode("latin1", required, -1),
	}, -1)
	require.NoError(t, err)
	var out bytes.Buffer
	w := open(&out, root)
	rg := w.AppendRowGroup()
	next := func() file.ColumnChunkWriter {
		c, err := rg.NextColumn()
		require.NoError(t, err)
		return c
	}
	put64 := func(v ...int64) {
		_, err := next().(*file.Int64ColumnChunkWriter).WriteBatch(v, nil, nil)
		require.NoError(t, err)
	}
	put32 := func(v ...int32) {
		_, err := next().(*file.Int32ColumnChunkWriter).WriteBatch(v, nil, nil)
		require.NoError(t, err)
	}
	putFixed := func(v ...parquet.FixedLenByteArray) {
		_, err := next().(*file.FixedLenByteArrayColumnChunkWriter).WriteBatch(v, nil, nil)
		require.NoError(t, err)
	}
	putBytes := func(v ...parquet.ByteArray) {
		_, err := next().(*file.ByteArrayColumnChunkWriter).WriteBatch(v, nil, nil)
		require.NoError(t, err)
	}
	put64(1, 2, 3)
	put64(1, 2, 3)
	put32(1, 86_400_000, -1)
	put64(1_001, 999, 86_400_000_000_001)
	put64(-1, 1_000, 9_300_000_000_000_000)
	put64(-1, 1_001, 999)
	nanos := func(day uint32, n uint64) (v parquet.Int96) {
		binary.LittleEndian.PutUint64(v[:], n)
		binary.LittleEndian.PutUint32(v[8:], day)
		return v
	}
	_, err = next().(*file.Int96ColumnChunkWriter).WriteBatch([]parquet.Int96{nanos(2440588, 1_999), nanos(2440587, 0), nanos(1<<31, 0)}, nil, nil)
	require.NoError(t, err)
	put32(-1, 0, 1)
	putBytes([]byte{0xff, 0x38}, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	minus := bytes.Repeat([]byte{0xff}, 20)
	putFixed(minus, make([]byte, 20), append([]byte{1}, make([]byte, 19)...))
	putFixed([]byte{0, 0x3c}, []byte{0, 0xc0}, []byte{0xff, 0x7b})
	putFixed([]byte("abc"), []byte{0, 1, 2}, []byte("xyz"))
	putBytes([]byte("plain"), []byte{'a', 0xe9}, []byte{'a', 0, 'b'})
	require.NoError(t, rg.Close())
	require.NoError(t, w.Close())
	data := out.Bytes()

	read := func(name string, typ types.Type) ([][]string, []string) {
		d, err := decodeAll(data, Config{Schema: types.Schema{{Name: name, Type: typ}}, TimeColumn: -1})
		require.NoError(t, err, name)
		return d.rows, d.bad
	}
	rows, bad := read("timemillis", types.TimeType)
	require.Equal(t, [][]string{{"00:00:00.001"}, {"24:00:00"}}, rows)
	require.Equal(t, []string{`2: column "timemillis": time out of range`}, bad)
	rows, bad = read("time_nanos", types.TimeType)
	require.Equal(t, [][]string{{"00:00:00.000001"}, {"00:00:00"}}, rows)
	require.Len(t, bad, 1)
	rows, bad = read("stamp_millis", types.TimestampTZType)
	require.Equal(t, [][]string{{"1969-12-31 23:59:59.999+00"}, {"1970-01-01 00:00:01+00"}}, rows, "the year 297,000 is too far")
	require.Equal(t, []string{`2: column "stamp_millis": timestamp out of range`}, bad)
	rows, _ = read("stamp_nanos", types.TimestampType)
	require.Equal(t, [][]string{{"1969-12-31 23:59:59.999999"}, {"1970-01-01 00:00:00.000001"}, {"1970-01-01 00:00:00"}}, rows)
	rows, bad = read("int96", types.TimestampType)
	require.Equal(t, [][]string{{"1970-01-01 00:00:00.000001"}, {"1969-12-31 00:00:00"}}, rows)
	require.Equal(t, []string{`2: column "int96": timestamp out of range`}, bad)
	rows, _ = read("uint32", types.Int8Type)
	require.Equal(t, [][]string{{"4294967295"}, {"0"}, {"1"}}, rows)
	rows, bad = read("uint32", types.Int4Type)
	require.Len(t, rows, 2)
	require.Equal(t, []string{`0: column "uint32": 4294967295 is out of range for type integer`}, bad)
	rows, bad = read("dec", types.Type{Kind: types.Numeric, Precision: 30, Scale: 2})
	require.Equal(t, [][]string{{"-2.00"}, {"0.07"}}, rows)
	require.Len(t, bad, 1)
	rows, bad = read("long", types.NumericType)
	require.Equal(t, [][]string{{"-0.01"}, {"0.00"}}, rows)
	require.Equal(t, []string{`2: column "long": a decimal of 20 bytes has more than 38 digits`}, bad)
	rows, _ = read("half", types.Float4Type)
	require.Equal(t, [][]string{{"1"}, {"-2"}, {"65504"}}, rows)
	rows, _ = read("fixed", types.ByteaType)
	require.Equal(t, [][]string{{`\x616263`}, {`\x000102`}, {`\x78797a`}}, rows)
	rows, bad = read("latin1", types.TextType)
	require.Equal(t, [][]string{{"plain"}}, rows)
	require.Len(t, bad, 2)
	require.Contains(t, bad[0], "invalid byte sequence")
	rows, _ = read("latin1", types.ByteaType)
	require.Len(t, rows, 3)

	_, err = decodeAll(data, Config{Schema: types.Schema{{Name: "nested", Type: types.Int8Type}}})
	require.EqualError(t, err, `not supported yet: column "nested" is a nested struct in the file, wanted bigint`)
	_, err = Schema(bytes.NewReader(data), int64(len(data)))
	require.Equal(t, types.CodeNotSupported, types.CodeOf(err))
}
