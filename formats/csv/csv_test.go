package csv

import (
	"bytes"
	stdcsv "encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

var people = types.Schema{{Name: "id", Type: types.Int8Type}, {Name: "name", Type: types.TextType}, {Name: "ts", Type: types.TimestampType}}

func newFormat(t testing.TB, schema types.Schema, cfg Config) *Format {
	t.Helper()
	f, err := New(schema, cfg)
	require.NoError(t, err)
	return f
}

// decode reads a whole stream, header included.
func decode(t testing.TB, f *Format, text string) *formats.Decoded {
	t.Helper()
	n, ok, err := f.HeaderBytes([]byte(text), true)
	require.NoError(t, err)
	require.True(t, ok)
	return decodeRecords(t, f, []byte(text)[n:])
}

func decodeRecords(t testing.TB, f *Format, chunk []byte) *formats.Decoded {
	t.Helper()
	d, err := f.NewDecoder().Decode(chunk)
	require.NoError(t, err)
	require.Len(t, d.Cols, len(f.schema))
	require.Len(t, d.Offsets, d.N)
	for i, c := range d.Cols {
		require.Equal(t, d.N, c.Len())
		require.True(t, arrow.TypeEqual(f.schema[i].Type.Arrow(), c.DataType()))
	}
	for i, o := range d.Offsets {
		require.LessOrEqual(t, int(o), len(chunk))
		require.True(t, i == 0 || d.Offsets[i-1] < o)
	}
	for _, b := range d.Bad {
		require.LessOrEqual(t, b.Offset+b.Length, len(chunk))
		require.NotEqual(t, types.CodeInternal, b.Err.Code, b.Err.Msg)
	}
	return d
}

func rows(schema types.Schema, d *formats.Decoded) []string {
	var out []string
	for row := range d.N {
		var b []byte
		for i, c := range d.Cols {
			if i > 0 {
				b = append(b, '|')
			}
			if c.IsNull(row) {
				b = append(b, '-')
				continue
			}
			b = types.AppendText(b, schema[i].Type, c, row)
		}
		out = append(out, string(b))
	}
	return out
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  Config
		text string
		want []string
	}{
		{"by position", Config{}, "1,a,2001-01-01 00:00:00\n2,b,2001-01-02T00:00:00Z\r\n3,,\n\n4,c", []string{"1|a|2001-01-01 00:00:00", "2|b|2001-01-02 00:00:00", "3|-|-", "4|c|-"}},
		{"quotes", Config{}, "1,\"a,b\",\n2,\"a\"\"b\",\n3,\"line\nbreak\",\n4,\"\",\n5,x\"y,z\"w,\r\n6,\"tail\"\r\n", []string{"1|a,b|-", "2|a\"b|-", "3|line\nbreak|-", "4||-", "5|xy,zw|-", "6|tail|-"}},
		{"header", Config{Header: true}, "\xef\xbb\xbfts,other,ID,name\n2001-01-01,x,1,a\n,\"y,\n\",2,b\n", []string{"1|a|2001-01-01 00:00:00", "2|b|-"}},
		{"quoted header", Config{Header: true}, "\"id\",\"na\"\"me\",name,ts\r\n1,x,a,\r\n", []string{"1|a|-"}},
		{"extra fields", Config{}, "1,a,,x,y,\"z\n\"\n2,b,,\n", []string{"1|a|-", "2|b|-"}},
		{"tabs", Config{Delimiter: '\t'}, "1\ta,b\t\n", []string{"1|a,b|-"}},
		{"escape", Config{Escape: '\\'}, `1,"a\"b\\c\n",` + "\n" + `2,"x\",` + "\n" + `y",` + "\n", []string{`1|a"b\c\n|-`, "2|x\",\ny|-"}},
		{"null string", Config{Null: "NULL"}, "1,NULL,NULL\n2,\"NULL\",NULL\n3,,NULL\n", []string{"1|-|-", "2|NULL|-", "3||-"}},
		{"no quotes", Config{NoQuotes: true}, "1,a\"b,\n2,\",\n", []string{"1|a\"b|-", "2|\"|-"}},
		{"other quote", Config{Quote: '\''}, "1,'a,''b',\n", []string{"1|a,'b|-"}},
		{"projection", Config{Fields: []string{"x", "ts", "y", "name", "id", "z"}}, "1,2001-01-01,,b,5,7\n,,,,,\n", []string{"5|b|2001-01-01 00:00:00", "-|-|-"}},
		{"only a header", Config{Header: true}, "id,name,ts\n", nil},
		{"nothing", Config{Header: true}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFormat(t, people, tt.cfg)
			if tt.text == "" {
				_, ok, err := f.HeaderBytes(nil, true)
				require.NoError(t, err)
				require.True(t, ok)
				return
			}
			d := decode(t, f, tt.text)
			require.Empty(t, d.Bad)
			require.Equal(t, tt.want, rows(people, d))
		})
	}
}

func TestBadRecords(t *testing.T) {
	schema := types.Schema{{Name: "id", Type: types.Int4Type, NotNull: true}, {Name: "name", Type: types.TextType}, {Name: "ts", Type: types.TimestampType}}
	for _, tt := range []struct{ record, code, message string }{
		{"x,a,", "22P02", `column "id": invalid input syntax for type integer: "x"`},
		{`"1"",2",a,`, "22P02", `column "id": invalid input syntax for type integer: "1",2"`},
		{"99999999999,a,", "22003", `column "id": value "99999999999" is out of range for type integer`},
		{"1,a,2001-13-01", "22008", `column "ts"`},
		{",a,", "23502", `null value in column "id"`},
		{"1,\xff,", "22021", "not valid UTF-8"},
		{"1,a\x00b,", "22021", `column "name"`},
		{"1," + strings.Repeat("x", 200) + ",", "22P02", "longer than the limit of 100"},
	} {
		f := newFormat(t, schema, Config{MaxRecord: 100})
		text := "7,,\n" + tt.record + "\n8,after,\n"
		d := decode(t, f, text)
		require.Equal(t, []string{"7|-|-", "8|after|-"}, rows(schema, d), tt.record)
		require.Len(t, d.Bad, 1)
		require.Equal(t, types.Code(tt.code), d.Bad[0].Err.Code, d.Bad[0].Err)
		require.Contains(t, d.Bad[0].Err.Error(), tt.message)
		require.Equal(t, 4, d.Bad[0].Offset)
		require.Equal(t, len(tt.record), d.Bad[0].Length)
		require.Equal(t, tt.record, string(formats.Record([]byte(text), d, 4)))
	}
	f := newFormat(t, schema, Config{})
	d := decode(t, f, "1,a,\n2,\"open\n3,b,\n")
	require.Equal(t, []string{"1|a|-"}, rows(schema, d))
	require.Len(t, d.Bad, 1)
	require.Contains(t, d.Bad[0].Err.Msg, "unterminated")
}

func TestHeaders(t *testing.T) {
	f := newFormat(t, people, Config{Header: true})
	n, ok, err := f.HeaderBytes([]byte("id,nam"), false)
	require.Equal(t, []any{0, false, nil}, []any{n, ok, err})
	n, ok, err = f.HeaderBytes([]byte("\"id\n"), false)
	require.Equal(t, []any{0, false, nil}, []any{n, ok, err})
	n, ok, err = f.HeaderBytes([]byte("id,name,ts,x\n1"), false)
	require.Equal(t, []any{13, true, nil}, []any{n, ok, err})
	_, ok, err = f.HeaderBytes([]byte("id,name,ts\n"), false)
	require.NoError(t, err, "the wanted columns stand where they stood")
	require.True(t, ok)
	_, _, err = f.HeaderBytes([]byte("name,id,ts\n"), false)
	require.ErrorContains(t, err, "other places")
	_, _, err = newFormat(t, people, Config{Header: true}).HeaderBytes([]byte("id,nam,ts\n"), false)
	require.ErrorContains(t, err, `csv has no field for column "name"; did you mean "nam"?`)
	_, err = New(people, Config{Fields: []string{"id", "ts"}})
	require.ErrorContains(t, err, `no field for column "name"`)
	_, err = newFormat(t, people, Config{Header: true}).NewDecoder().Decode([]byte("1,a,\n"))
	require.ErrorContains(t, err, "before their header")
}

func TestSplit(t *testing.T) {
	for _, cfg := range []Config{{}, {Escape: '\\'}} {
		f := newFormat(t, people, cfg)
		for text, want := range map[string]int{
			"": 0, "1,a": 0, "1,a\n": 4, "1,a\n2": 4, "1,\"a\nb\"\n2": 8, "1,\"a\nb": 0, "1,a\n2,\"a\nb\nc": 4, "\"\n\"\n\"\n\"\n\"\n": 8,
		} {
			require.Equal(t, want, f.Split([]byte(text), false), "%q", text)
			require.Equal(t, len(text), f.Split([]byte(text), true))
		}
	}
	f := newFormat(t, people, Config{Escape: '\\'})
	require.Equal(t, 10, f.Split([]byte("1,\"a\\\"\nb\"\n2"), false))
}

// However a stream is cut at the places Split names, the rows are the same.
func TestAnyCut(t *testing.T) {
	text := []byte("1,\"a\n\"\"b\",\n2,x,2001-01-01\n3,\"\n\n\",\n4,\"q\"\r\n\n5,,\n")
	whole := rows(people, decodeRecords(t, newFormat(t, people, Config{}), text))
	for size := 1; size < len(text); size++ {
		f := newFormat(t, people, Config{})
		var got []string
		for rest := text; len(rest) > 0; {
			n := 0
			for window := min(size, len(rest)); n == 0; window = min(window+1, len(rest)) {
				n = f.Split(rest[:window], window == len(rest))
			}
			got = append(got, rows(people, decodeRecords(t, f, rest[:n]))...)
			rest = rest[n:]
		}
		require.Equal(t, whole, got, "size %d", size)
	}
}

// What encoding/csv writes we read, and what we write it and we read.
func TestLikeEncodingCSV(t *testing.T) {
	schema := types.Schema{{Name: "a", Type: types.TextType}, {Name: "b", Type: types.TextType}, {Name: "c", Type: types.TextType}}
	rapid.Check(t, func(rt *rapid.T) {
		delimiter := rapid.SampledFrom([]byte{',', ';', '\t'}).Draw(rt, "delimiter")
		var records [][]string
		for range rapid.IntRange(0, 6).Draw(rt, "records") {
			record := make([]string, 3)
			for i := range record {
				s := rapid.OneOf(rapid.SampledFrom([]string{"", "\"", "a\"b", "x\ny", ",", " ", "\t", ";", "\n", "#", "\\"}), rapid.String()).Draw(rt, "field")
				record[i] = strings.NewReplacer("\x00", "", "\r", "").Replace(s)
			}
			records = append(records, record)
		}
		var theirs bytes.Buffer
		w := stdcsv.NewWriter(&theirs)
		w.Comma = rune(delimiter)
		require.NoError(t, w.WriteAll(records))

		f := newFormat(t, schema, Config{Delimiter: delimiter, Null: "\x01none"})
		read := func(text []byte) *formats.Decoded {
			d := decodeRecords(t, f, text)
			require.Empty(t, d.Bad, "%q", text)
			require.Equal(t, len(records), d.N, "%q", text)
			for row, record := range records {
				for i := range record {
					require.Equal(t, record[i], types.ValueAt(types.TextType, d.Cols[i], row), "%q", text)
				}
			}
			return d
		}
		d := read(theirs.Bytes())
		e, err := NewEncoder(schema, Config{Delimiter: delimiter, Null: "\x01none"})
		require.NoError(t, err)
		ours, err := e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N})
		require.NoError(t, err)
		read(ours)
		r := stdcsv.NewReader(bytes.NewReader(ours))
		r.Comma = rune(delimiter)
		back, err := r.ReadAll()
		require.NoError(t, err, "%q", ours)
		require.Equal(t, records, back)
	})
}

func TestEncode(t *testing.T) {
	schema := types.Schema{{Name: "id", Type: types.Int8Type}, {Name: "a,b", Type: types.TextType}, {Name: "ts", Type: types.TimestampTZType}, {Name: "l", Type: types.ArrayOf(types.TextType)}}
	f := newFormat(t, schema, Config{})
	d := decode(t, f, "1,\"\",2001-01-01 00:00:00+00,\"{a,\"\"b \"\"}\"\n2,,,{}\n-3,\" x\",infinity,\n")
	require.Empty(t, d.Bad)
	e, err := NewEncoder(schema, Config{Header: true})
	require.NoError(t, err)
	require.Equal(t, "id,\"a,b\",ts,l\n", string(e.Header()))
	out, err := e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N, Sel: []uint32{0, 2}, Weights: []int64{1, 1, 2}})
	require.NoError(t, err)
	require.Equal(t, "1,\"\",2001-01-01 00:00:00+00,\"{a,\"\"b \"\"}\"\n-3,\" x\",infinity,\n-3,\" x\",infinity,\n", string(out))
	_, err = e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N, Weights: []int64{-1, 1, 2}})
	require.ErrorContains(t, err, "debezium_json")
	e, err = NewEncoder(schema, Config{NoQuotes: true, Null: `\N`})
	require.NoError(t, err)
	_, err = e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N})
	require.ErrorContains(t, err, "without quotes")
	out, err = e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N, Sel: []uint32{1, 2}})
	require.NoError(t, err)
	require.Equal(t, "2,\\N,\\N,{}\n-3, x,infinity,\\N\n", string(out))

	one := types.Schema{{Name: "t", Type: types.TextType}}
	f = newFormat(t, one, Config{})
	d = decode(t, f, "a\n\n\"\"\n")
	require.Equal(t, []string{"a", "-", ""}, rows(one, d))
	e, err = NewEncoder(one, Config{})
	require.NoError(t, err)
	out, err = e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N})
	require.NoError(t, err)
	require.Equal(t, "a\n\n\"\"\n", string(out))
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		given map[string]string
		want  Config
		err   string
	}{
		{nil, Config{Delimiter: ','}, ""},
		{map[string]string{"delimiter": `\t`, "quote": "none", "header": "true", "null": "NULL", "max_record_bytes": "1KiB"}, Config{Delimiter: '\t', NoQuotes: true, Header: true, Null: "NULL", MaxRecord: 1024}, ""},
		{map[string]string{"delimiter": ";;"}, Config{}, "wanted one single-byte character"},
		{map[string]string{"delimiter": `"`}, Config{}, "must differ"},
	} {
		o, err := types.ParseOptions("format 'csv'", SourceOptions, tt.given)
		require.NoError(t, err)
		got, err := ConfigOf(o, ',')
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err)
			continue
		}
		require.NoError(t, err)
		got.Quote = 0
		require.Equal(t, tt.want, got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("id,name,ts\n1,\"a\nb\",2001-01-01\n2,x,\n"), true, byte('"'))
	f.Add([]byte("1,\"a\\\"b\",\n,,\n\"\""), false, byte('\\'))
	f.Fuzz(func(t *testing.T, data []byte, header bool, escape byte) {
		if escape == ',' || escape == '\n' || escape == 0 {
			return
		}
		format := newFormat(t, people, Config{Header: header, Escape: escape, MaxRecord: 1000})
		n, ok, err := format.HeaderBytes(data, true)
		if err != nil || !ok || header && len(data) == 0 || n == len(data) && format.fields.Load() == nil {
			return
		}
		if format.fields.Load() == nil {
			return
		}
		body := data[n:]
		whole := decodeRecords(t, format, body)
		cut := format.Split(body, false)
		require.LessOrEqual(t, cut, len(body))
		first, second := decodeRecords(t, format, body[:cut]), decodeRecords(t, format, body[cut:])
		require.Equal(t, rows(people, whole), append(rows(people, first), rows(people, second)...))
		require.Equal(t, len(whole.Bad), len(first.Bad)+len(second.Bad))
	})
}

func cpuSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func BenchmarkDecode(b *testing.B) {
	const n = 50000
	r := rand.New(rand.NewPCG(3, 3))
	for _, quoted := range []bool{false, true} {
		var chunk []byte
		for i := range n {
			channel := "Google"
			if quoted {
				channel = `"Goo,gle"`
			}
			chunk = fmt.Appendf(chunk, "%d,%d,%d,%s,https://www.nexmark.com/item.htm?query=%d,2001-01-%02d %02d:%02d:%02d.%03d,%x\n",
				1000+r.IntN(100000), 1000+r.IntN(1000000), 100+r.IntN(10000000), channel, r.IntN(10), 1+i/86400000%28, i/3600000%24, i/60000%60, i/1000%60, i%1000, r.Uint32())
		}
		b.Run(fmt.Sprintf("columns=3/quoted=%v", quoted), func(b *testing.B) {
			schema := types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type}, {Name: "dateTime", Type: types.TimestampType}}
			dec := newFormat(b, schema, Config{Fields: []string{"auction", "bidder", "price", "channel", "url", "dateTime", "extra"}}).NewDecoder()
			d, err := dec.Decode(chunk)
			require.NoError(b, err)
			require.Equal(b, n, d.N)
			b.ReportAllocs()
			b.SetBytes(int64(len(chunk)))
			start := cpuSeconds()
			for b.Loop() {
				if _, err := dec.Decode(chunk); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(n)*float64(b.N)/(cpuSeconds()-start), "rows/cpu-s")
		})
	}
}

func TestRealAirports(t *testing.T) {
	text, err := os.ReadFile("testdata/airports.csv")
	require.NoError(t, err)
	schema := types.Schema{{Name: "name", Type: types.TextType}, {Name: "iata", Type: types.TextType, NotNull: true}, {Name: "latitude", Type: types.Float8Type}, {Name: "longitude", Type: types.NumericType}}
	d := decode(t, newFormat(t, schema, Config{Header: true}), string(text))
	require.Empty(t, d.Bad)
	records, err := stdcsv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, len(records)-1, d.N)
	for row, line := range rows(schema, d) {
		r := records[row+1]
		latitude, err := strconv.ParseFloat(r[5], 64)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%s|%s|%v|%s", r[1], r[0], latitude, r[6]), line)
	}
}
