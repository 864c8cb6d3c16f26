package column

import (
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// Rows that are dropped, written twice, left out or NULL leave no trace in others, across the growth of all buffers.
func TestRows(t *testing.T) {
	var schema types.Schema
	for _, typ := range []types.Type{types.BoolType, types.Int2Type, types.Int4Type, types.Int8Type, types.Float4Type, types.Float8Type, types.NumericType,
		{Kind: types.Numeric, Precision: 9, Scale: 2}, types.TextType, types.ByteaType, types.DateType, types.TimeType, types.TimestampType, types.TimestampTZType,
		types.IntervalType, types.ArrayOf(types.Int4Type), types.JSONBType} {
		schema = append(schema, types.Field{Name: typ.String(), Type: typ})
	}
	texts := map[types.Kind][]string{
		types.Bool: {"t", "f"}, types.Int2: {"1", "-2"}, types.Int4: {"3", "-4"}, types.Int8: {"5", "-6"}, types.Float4: {"1.5", "NaN"}, types.Float8: {"2.5", "-Infinity"},
		types.Numeric: {"1.25", "-3.50"}, types.Text: {"one", ""}, types.Bytea: {`\x00`, `\xff01`}, types.Date: {"2001-02-03", "infinity"}, types.Time: {"01:02:03", "24:00:00"},
		types.Timestamp: {"2001-02-03 04:05:06", "-infinity"}, types.TimestampTZ: {"2001-02-03 04:05:06+00", "infinity"}, types.Interval: {"1 day", "-00:00:01"},
		types.Array: {"{1,NULL}", "{}"}, types.JSONB: {`{"a": 1}`, "[]"},
	}
	s := NewSet(schema)
	for range 2 { // buffers of the first batch must not show in the second
		s.Begin(1, 10)
		const n = 100
		var want [][]string
		for row := range n {
			var line []string
			for i := range s.Cols {
				c := &s.Cols[i]
				pair := texts[schema[i].Type.Kind]
				write := func(k int) { require.NoError(t, s.FromText(c, []byte(pair[k]))) }
				switch (row + i) % 7 {
				case 0:
					write(0)
					line = append(line, pair[0])
				case 1:
					write(1)
					write(0)
					line = append(line, pair[0])
				case 2:
					s.SetNull(c)
					line = append(line, "-")
				case 3: // left out
					line = append(line, "-")
				case 4:
					write(0)
					s.SetNull(c)
					line = append(line, "-")
				case 5:
					s.SetNull(c)
					write(1)
					line = append(line, pair[1])
				default:
					write(1)
					line = append(line, pair[1])
				}
			}
			if row%5 == 4 {
				s.Drop()
				continue
			}
			require.Nil(t, s.Commit(row))
			want = append(want, line)
		}
		cols, offsets, err := s.Finish()
		require.NoError(t, err)
		require.Len(t, offsets, len(want))
		for i, c := range cols {
			require.Equal(t, len(want), c.Len())
			require.True(t, arrow.TypeEqual(schema[i].Type.Arrow(), c.DataType()))
			nulls := 0
			for row := range want {
				if c.IsNull(row) {
					nulls++
					require.Equal(t, "-", want[row][i])
					continue
				}
				require.Equal(t, want[row][i], string(types.AppendText(nil, schema[i].Type, c, row)), "%v row %d", schema[i].Type, row)
			}
			require.Equal(t, nulls, c.NullN())
		}
	}
}

func TestNotNull(t *testing.T) {
	schema := types.Schema{{Name: "a", Type: types.Int8Type, NotNull: true}, {Name: "b", Type: types.TextType}}
	s := NewSet(schema)
	s.Begin(1, 1)
	require.NoError(t, s.FromText(&s.Cols[1], []byte("x")))
	err := s.Commit(0)
	require.NotNil(t, err)
	require.Equal(t, types.CodeNotNullViolation, err.Code)
	require.NoError(t, s.FromText(&s.Cols[0], []byte("1")))
	require.Nil(t, s.Commit(5))
	cols, offsets, ferr := s.Finish()
	require.NoError(t, ferr)
	require.Equal(t, []uint32{5}, offsets)
	require.Equal(t, []int{1, 1}, []int{cols[0].Len(), cols[1].NullN()})
}
