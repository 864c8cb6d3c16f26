package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// decoded is a whole file as text, by column, with the rows that were rejected.
type decoded struct {
	rows    [][]string
	bad     []string
	blocks  int
	skipped []int64
}

func decodeAll(data []byte, cfg Config) (d decoded, err error) {
	f, err := New(cfg).OpenBlocks(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return d, err
	}
	d.blocks = f.Blocks()
	for i := range f.Blocks() {
		batches, skipped, err := f.DecodeBlock(i)
		if err != nil {
			return d, err
		}
		d.skipped = append(d.skipped, skipped)
		for _, b := range batches {
			if err := checkBatch(cfg.Schema, b); err != nil {
				return d, err
			}
			for row := range b.N {
				line := make([]string, len(b.Cols))
				for c, f := range cfg.Schema {
					line[c] = cell(f.Type, b, c, row)
				}
				d.rows = append(d.rows, line)
			}
			for _, bad := range b.Bad {
				d.bad = append(d.bad, fmt.Sprintf("%d: %s", bad.Offset, bad.Err.Msg))
			}
		}
	}
	return d, nil
}

// checkBatch checks what the contract promises about a batch.
func checkBatch(s types.Schema, b *formats.Decoded) error {
	if len(b.Cols) != len(s) || len(b.Offsets) != b.N || b.N > maxBatch {
		return fmt.Errorf("%d columns, %d rows, %d offsets", len(b.Cols), b.N, len(b.Offsets))
	}
	for c, col := range b.Cols {
		if col.Len() != b.N || col.DataType().String() != s[c].Type.Arrow().String() || col.Data().Offset() != 0 {
			return fmt.Errorf("column %d: %d rows of %s from %d", c, col.Len(), col.DataType(), col.Data().Offset())
		}
		nulls := 0
		for row := range b.N {
			if col.IsNull(row) {
				nulls++
			}
		}
		if nulls != col.NullN() {
			return fmt.Errorf("column %d: %d NULLs, said %d", c, nulls, col.NullN())
		}
	}
	return nil
}

func cell(t types.Type, b *formats.Decoded, col, row int) string {
	if b.Cols[col].IsNull(row) {
		return "NULL"
	}
	return string(types.AppendText(nil, t, b.Cols[col], row))
}

func readTestdata(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return data
}

// The types-*.parquet files were written by DuckDB 1.5: rows 0 to 99 of expressions of i, in both versions of the format.
func TestFilesOfDuckDB(t *testing.T) {
	for _, name := range []string{"types-v1-snappy", "types-v1-gzip", "types-v1-brotli", "types-v2-zstd"} {
		t.Run(name, func(t *testing.T) {
			data := readTestdata(t, name+".parquet")
			schema, err := Schema(bytes.NewReader(data), int64(len(data)))
			require.NoError(t, err)
			var got []string
			for _, f := range schema {
				got = append(got, f.Name+" "+f.Type.String())
			}
			require.Equal(t, strings.Split("i bigint,i8 smallint,i16 smallint,i32 integer,i64 bigint,u8 smallint,u16 integer,u32 bigint,u64 numeric(20;0),"+
				"f32 real,f64 double precision,d9 numeric(9;2),d18 numeric(18;3),d38 numeric(38;10),b boolean,s text,s2 text,bin bytea,d date,"+
				"t time without time zone,ts timestamp without time zone,tz timestamp with time zone,tms timestamp without time zone,"+
				"tns timestamp without time zone,u text,iv interval,j jsonb,e text", ","), strings.Split(strings.NewReplacer("20,0", "20;0", "9,2", "9;2", "18,3", "18;3", "38,10", "38;10").Replace(strings.Join(got, ",")), ","))
			d, err := decodeAll(data, Config{Schema: schema, TimeColumn: -1})
			require.NoError(t, err)
			require.Empty(t, d.bad)
			require.Len(t, d.rows, 100)
			for i, row := range d.rows {
				or := func(null bool, v any) string {
					if null {
						return "NULL"
					}
					return fmt.Sprint(v)
				}
				cents := i * 125
				want := map[string]string{
					"i": fmt.Sprint(i), "i8": or(i%5 == 0, i), "i16": fmt.Sprint(i), "i32": fmt.Sprint(i * 1000), "i64": fmt.Sprint(i * 1000000007),
					"u8": fmt.Sprint(i), "u16": fmt.Sprint(i), "u32": fmt.Sprint(i), "u64": fmt.Sprint(uint64(1<<64-1) - uint64(i)),
					"f32": fmt.Sprint(float64(i) * 1.5), "d9": fmt.Sprintf("%d.%02d", cents/100, cents%100), "d18": fmt.Sprintf("%d.%02d0", cents/100, cents%100),
					"d38": fmt.Sprintf("%d.%02d00000000", cents/100, cents%100), "b": map[bool]string{true: "t", false: "f"}[i%3 == 0],
					"s": or(i%7 == 0, fmt.Sprint("s", i%10)), "s2": fmt.Sprint("long common prefix ", i), "bin": fmt.Sprintf("\\x78%x", fmt.Sprint(i)),
					"t": fmt.Sprintf("12:%02d:%02d.789", 34+(56+i)/60, (56+i)%60), "u": fmt.Sprintf("00000000-0000-0000-0000-%012d", i),
					"j": fmt.Sprintf(`{"a": %d}`, i), "e": []string{"x", "y"}[i%2],
				}
				for c, f := range schema {
					if w, ok := want[f.Name]; ok {
						require.Equal(t, w, row[c], "row %d, column %s", i, f.Name)
					}
				}
				at := func(name string) string { return row[schema.Index(name)] }
				require.Equal(t, at("ts")+"+00", at("tz"))
				require.Equal(t, strings.TrimSuffix(at("ts"), ".123456"), at("tms"))
				require.Equal(t, at("tms"), at("tns"))
			}
			require.Equal(t, "2020-03-01", d.rows[2][schema.Index("d")])
			require.Equal(t, "2021-03-04 15:06:07.123456", d.rows[10][schema.Index("ts")])
			require.Equal(t, "1 year 1 mon 13 days 00:00:00.013", d.rows[13][schema.Index("iv")])
			require.Equal(t, "0.3333333333333333", d.rows[1][schema.Index("f64")])
		})
	}
}

// flights-6k.parquet holds 6,000 real flights (US Bureau of Transportation Statistics, public domain), written by DuckDB in row groups of 2,048
// rows with LZ4_RAW.
func TestRealFlights(t *testing.T) {
	data := readTestdata(t, "flights-6k.parquet")
	schema := types.Schema{
		{Name: "distance", Type: types.Int4Type}, {Name: "DELAY", Type: types.NumericType}, {Name: "origin", Type: types.TextType},
		{Name: "date", Type: types.TimestampTZType},
	}
	d, err := decodeAll(data, Config{Schema: schema, TimeColumn: 3})
	require.NoError(t, err)
	require.Equal(t, 3, d.blocks)
	require.Len(t, d.rows, 6000)
	distance, delay := 0, 0
	origins := map[string]bool{}
	for _, row := range d.rows {
		var a, b int
		fmt.Sscan(row[0], &a)
		fmt.Sscan(row[1], &b)
		distance, delay = distance+a, delay+b
		origins[row[2]] = true
	}
	require.Equal(t, 4750821, distance)
	require.Equal(t, 49788, delay)
	require.Len(t, origins, 206)
	require.Equal(t, []string{"2176", "33", "LAS", "2001-01-01 00:01:00+00"}, d.rows[0])
	require.Equal(t, "2001-01-01 12:55:00+00", d.rows[5999][3])
}

// Blocks of one file may be decoded in any goroutine, several at a time.
func TestConcurrentBlocks(t *testing.T) {
	data := readTestdata(t, "flights-6k.parquet")
	f, err := New(Config{Schema: wantedOf(t, data), TimeColumn: -1, Prune: func(Stats) bool { return false }}).OpenBlocks(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	rows := make([]int, 12)
	var wg sync.WaitGroup
	for i := range rows {
		wg.Go(func() {
			batches, _, err := f.DecodeBlock(i % f.Blocks())
			if err == nil {
				rows[i] = batches[0].N
			}
		})
	}
	wg.Wait()
	for i, n := range rows {
		require.Equal(t, []int{2048, 2048, 1904}[i%3], n)
	}
}

func TestNoColumnsWanted(t *testing.T) {
	data := readTestdata(t, "flights-6k.parquet")
	d, err := decodeAll(data, Config{TimeColumn: -1})
	require.NoError(t, err)
	require.Len(t, d.rows, 6000)
}

func TestWrongColumns(t *testing.T) {
	data := readTestdata(t, "types-v1-snappy.parquet")
	for _, c := range []struct {
		name string
		typ  types.Type
		code types.Code
		want string
	}{
		{"uu64", types.Int8Type, types.CodeUndefinedColumn, `the file has no column "uu64"; did you mean "u64"?`},
		{"s", types.Int8Type, types.CodeDatatypeMismatch, `column "s" is byte_array (String) in the file, wanted bigint; declare it as text and convert it in the query`},
		{"i", types.TimestampType, types.CodeDatatypeMismatch, `column "i" is int64 (Int(bitWidth=64, isSigned=true)) in the file, wanted timestamp without time zone; ` +
			`declare it as bigint and convert it in the query`},
		{"f64", types.Int8Type, types.CodeDatatypeMismatch, ""},
		{"ts", types.DateType, types.CodeDatatypeMismatch, ""},
		{"b", types.TextType, types.CodeDatatypeMismatch, ""},
		{"d", types.TimeType, types.CodeDatatypeMismatch, ""},
		{"d9", types.Int4Type, types.CodeDatatypeMismatch, ""},
	} {
		_, err := New(Config{Schema: types.Schema{{Name: c.name, Type: c.typ}}}).OpenBlocks(bytes.NewReader(data), int64(len(data)))
		require.Equal(t, c.code, types.CodeOf(err), c.name)
		if c.want != "" {
			require.EqualError(t, err, c.want)
		}
	}
}

func TestConversionsAndRejectedRows(t *testing.T) {
	data := readTestdata(t, "types-v2-zstd.parquet")
	column := func(name string, typ types.Type, notNull bool) ([]string, []string) {
		d, err := decodeAll(data, Config{Schema: types.Schema{{Name: name, Type: typ, NotNull: notNull}}, TimeColumn: -1})
		require.NoError(t, err, name)
		require.Equal(t, 100, len(d.rows)+len(d.bad))
		var values []string
		for _, r := range d.rows {
			values = append(values, r[0])
		}
		return values, d.bad
	}
	values, bad := column("i32", types.Int2Type, false)
	require.Equal(t, "32000", values[len(values)-1])
	require.Len(t, bad, 67)
	require.Equal(t, `33: column "i32": 33000 is out of range for type smallint`, bad[0])

	values, bad = column("s", types.TextType, true)
	require.Len(t, bad, 15)
	require.Equal(t, `7: column "s": NULL where NOT NULL is declared`, bad[1])
	require.NotContains(t, values, "NULL")

	_, bad = column("i64", types.Int4Type, false)
	require.Equal(t, `3: column "i64": 3000000021 is out of range for type integer`, bad[0])
	_, bad = column("u64", types.Int8Type, false)
	require.Len(t, bad, 100)
	values, bad = column("u64", types.NumericType, false)
	require.Empty(t, bad)
	require.Equal(t, "18446744073709551615", values[0])
	values, _ = column("i8", types.Float8Type, false)
	require.Equal(t, []string{"NULL", "1"}, values[:2])
	values, _ = column("d18", types.Type{Kind: types.Numeric, Precision: 5, Scale: 1}, false)
	require.Equal(t, []string{"0.0", "1.3", "2.5", "3.8"}, values[:4])
	_, bad = column("d18", types.Type{Kind: types.Numeric, Precision: 3, Scale: 3}, false)
	require.Len(t, bad, 99)
	values, _ = column("d38", types.Float8Type, false)
	require.Equal(t, []string{"0", "1.25", "2.5"}, values[:3])
	values, _ = column("d", types.TimestampType, false)
	require.Equal(t, "2020-02-29 00:00:00", values[1])
	values, _ = column("s2", types.Type{Kind: types.Text, Precision: 20}, false)
	require.Equal(t, "long common prefix 9", values[9])
	_, bad = column("s2", types.Type{Kind: types.Text, Precision: 20}, false)
	require.Equal(t, `10: column "s2": value too long for type character varying(20)`, bad[0])
	_, bad = column("bin", types.TextType, false)
	require.Empty(t, bad)
	_, bad = column("s2", types.JSONBType, false)
	require.Len(t, bad, 100)
	values, _ = column("j", types.TextType, false)
	require.Equal(t, `{"a":0}`, values[0])
}

func TestPruning(t *testing.T) {
	data := readTestdata(t, "flights-6k.parquet")
	schema := types.Schema{{Name: "date", Type: types.TimestampType}, {Name: "distance", Type: types.Int8Type}, {Name: "origin", Type: types.TextType}}
	var seen []Stats
	d, err := decodeAll(data, Config{Schema: schema, TimeColumn: 0, Prune: func(s Stats) bool {
		seen = append(seen, s)
		return len(seen) != 2
	}})
	require.NoError(t, err)
	require.Len(t, d.rows, 2048)
	require.Len(t, seen, 3)
	all, err := decodeAll(data, Config{Schema: schema, TimeColumn: -1})
	require.NoError(t, err)
	for i, s := range seen {
		require.EqualValues(t, min(2048, 6000-i*2048), s.Rows)
		for c, f := range schema {
			require.EqualValues(t, 0, s.Columns[c].Nulls)
			lo, hi := string(types.AppendValueText(nil, f.Type, s.Columns[c].Min)), string(types.AppendValueText(nil, f.Type, s.Columns[c].Max))
			if f.Name == "distance" {
				for _, row := range all.rows[i*2048 : min(6000, (i+1)*2048)] {
					require.LessOrEqual(t, s.Columns[c].Min, number(row[c]))
					require.GreaterOrEqual(t, s.Columns[c].Max, number(row[c]))
				}
				continue
			}
			for _, row := range all.rows[i*2048 : min(6000, (i+1)*2048)] {
				require.LessOrEqual(t, lo, row[c])
				require.GreaterOrEqual(t, hi, row[c])
			}
		}
	}
	require.Equal(t, seen[0].Columns[0].Max, d.skipped[0])
	require.Equal(t, types.TimestampNegInf, d.skipped[1])

	// A row group is read although the query does not want it, where rows of it may have to be rejected.
	narrow := types.Schema{{Name: "distance", Type: types.Int2Type}}
	d, err = decodeAll(data, Config{Schema: narrow, TimeColumn: -1, Prune: func(Stats) bool { return true }})
	require.NoError(t, err)
	require.Empty(t, d.rows, "all distances fit, as the statistics prove")
	ts := readTestdata(t, "types-v1-snappy.parquet")
	d, err = decodeAll(ts, Config{Schema: types.Schema{{Name: "i32", Type: types.Int2Type}}, TimeColumn: -1, Prune: func(Stats) bool { return true }})
	require.NoError(t, err)
	require.Len(t, d.bad, 67)
	d, err = decodeAll(ts, Config{Schema: types.Schema{{Name: "s", Type: types.TextType, NotNull: true}}, TimeColumn: -1, Prune: func(Stats) bool { return true }})
	require.NoError(t, err)
	require.Len(t, d.bad, 15)
	d, err = decodeAll(ts, Config{Schema: types.Schema{{Name: "f64", Type: types.Float8Type}}, TimeColumn: -1, Prune: func(s Stats) bool {
		require.Nil(t, s.Columns[0].Max)
		require.Equal(t, 0.0, s.Columns[0].Min)
		return true
	}})
	require.NoError(t, err)
	require.Empty(t, d.rows)
}

func number(text string) (n int64) {
	fmt.Sscan(text, &n)
	return n
}

func TestNoParquet(t *testing.T) {
	whole := readTestdata(t, "types-v2-zstd.parquet")
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("id,name\n1,a\n2,b\n3,c\n"), "magic only": []byte("PAR1PAR1PAR1"), "cut": whole[:len(whole)-1],
		"no footer": whole[:200], "tail": whole[200:],
	} {
		_, err := Schema(bytes.NewReader(data), int64(len(data)))
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err), "%s: %v", name, err)
	}
	_, err := Schema(bytes.NewReader([]byte("PARExxxxxxxxPARE")), 16)
	require.Equal(t, types.CodeNotSupported, types.CodeOf(err))
}

type failingReader struct {
	io.ReaderAt
	fails bool
}

func (f *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if f.fails {
		return 0, errors.New("the disk is on fire")
	}
	return f.ReaderAt.ReadAt(p, off)
}

// An error of the medium is not taken for damage of the file.
func TestReadError(t *testing.T) {
	data := readTestdata(t, "types-v2-zstd.parquet")
	in := &failingReader{ReaderAt: bytes.NewReader(data)}
	f, err := New(Config{Schema: types.Schema{{Name: "i", Type: types.Int8Type}}, TimeColumn: -1}).OpenBlocks(in, int64(len(data)))
	require.NoError(t, err)
	in.fails = true
	_, _, err = f.DecodeBlock(0)
	require.Equal(t, types.CodeIO, types.CodeOf(err))
	_, err = Schema(in, int64(len(data)))
	require.Equal(t, types.CodeIO, types.CodeOf(err))
}
