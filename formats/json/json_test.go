package json

import (
	stdjson "encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

// everyType has a column of each type.
var everyType = types.Schema{
	{Name: "b", Type: types.BoolType}, {Name: "i2", Type: types.Int2Type}, {Name: "i4", Type: types.Int4Type}, {Name: "i8", Type: types.Int8Type},
	{Name: "f4", Type: types.Float4Type}, {Name: "f8", Type: types.Float8Type}, {Name: "n", Type: types.NumericType},
	{Name: "d", Type: types.Type{Kind: types.Numeric, Precision: 10, Scale: 2}}, {Name: "t", Type: types.TextType}, {Name: "x", Type: types.ByteaType},
	{Name: "day", Type: types.DateType}, {Name: "clock", Type: types.TimeType}, {Name: "ts", Type: types.TimestampType},
	{Name: "tz", Type: types.TimestampTZType}, {Name: "iv", Type: types.IntervalType}, {Name: "a", Type: types.ArrayOf(types.Int8Type)},
	{Name: "ta", Type: types.ArrayOf(types.TextType)}, {Name: "j", Type: types.JSONBType}, {Name: "v", Type: types.Type{Kind: types.Text, Precision: 3}},
}

func decode(t testing.TB, schema types.Schema, cfg Config, chunk string) *formats.Decoded {
	t.Helper()
	d, err := New(schema, cfg).NewDecoder().Decode([]byte(chunk))
	require.NoError(t, err)
	check(t, schema, []byte(chunk), d)
	return d
}

// check holds every answer to the contract.
func check(t testing.TB, schema types.Schema, chunk []byte, d *formats.Decoded) {
	t.Helper()
	require.Len(t, d.Cols, len(schema))
	require.Len(t, d.Offsets, d.N)
	for i, c := range d.Cols {
		require.Equal(t, d.N, c.Len())
		require.True(t, arrow.TypeEqual(schema[i].Type.Arrow(), c.DataType()), "%v %v", schema[i], c.DataType())
	}
	for i, o := range d.Offsets {
		require.Less(t, int(o), len(chunk))
		require.True(t, i == 0 || d.Offsets[i-1] < o)
	}
	for _, b := range d.Bad {
		require.LessOrEqual(t, b.Offset+b.Length, len(chunk))
		require.NotNil(t, b.Err)
		require.NotEqual(t, types.CodeInternal, b.Err.Code, b.Err.Msg)
	}
}

// rows shows what was decoded: text forms, NULL as "-".
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
	schema := types.Schema{{Name: "id", Type: types.Int8Type}, {Name: "name", Type: types.TextType}, {Name: "ts", Type: types.TimestampType}}
	d := decode(t, schema, Config{}, strings.Join([]string{
		`{"id":1,"name":"a","ts":"2001-01-01 00:47:00"}`,
		`{"ts":"2001-01-01T00:47:00.5Z","name":"b","id":2}`,
		``,
		`  {  "id" : 3 , "extra" : { "id" : [ 4 , "}" ] } , "name" : null }  ` + "\r",
		`{}`,
		`{"id":"4","name":5}`,
		`{"ID":5,"Name":"x"}`,
		`{"ID":5,"id":6,"iD":7}`,
		`{"id":1,"id":8,"name":"long","name":"s"}`,
		`{"name":"caf\u00e9 \ud83d\ude00 \"\\\n","id":-9}`,
		`{"name":{"a": [1, 2]},"id":10}`,
		`{"id":null,"id":11}`,
		`{"id":12,"id":null,"name":true}`,
	}, "\n"))
	require.Empty(t, d.Bad)
	require.Equal(t, []string{
		"1|a|2001-01-01 00:47:00", "2|b|2001-01-01 00:47:00.5", "3|-|-", "-|-|-", "4|5|-", "5|x|-", "6|-|-", "8|s|-",
		"-9|café 😀 \"\\\n|-", `10|{"a": [1, 2]}|-`, "11|-|-", "-|true|-",
	}, rows(schema, d))
}

func TestBadRecords(t *testing.T) {
	schema := types.Schema{{Name: "id", Type: types.Int8Type, NotNull: true}, {Name: "name", Type: types.TextType}, {Name: "ts", Type: types.TimestampType}}
	for _, tt := range []struct{ line, code, message string }{
		{`[1]`, "22032", "found '[', wanted an object"},
		{`1`, "22032", "wanted an object"},
		{`{"id":1`, "22032", "the record ends"},
		{`{"id":1}x`, "22032", "wanted the end of the record"},
		{`{"id":1,}`, "22032", "wanted a name in quotes"},
		{`{"id" 1}`, "22032", `wanted ":"`},
		{`{"id":}`, "22032", "wanted a value"},
		{`{"id":01}`, "22032", "wanted a number"},
		{`{"id":1.}`, "22032", "wanted a number"},
		{`{"id":1,"x":tru}`, "22032", "wanted a value"},
		{`{"id":1,"x":"\q"}`, "22032", "wanted a value"},
		{`{"id":1,"x":"` + "\t" + `"}`, "22032", "wanted a value"},
		{`{"id":1,"x":[1,]}`, "22032", "wanted a value"},
		{`{"id":1,"x":` + strings.Repeat("[", 5000) + `}`, "22032", "wanted a value"},
		{`{"id":1.5}`, "22P02", `column "id": invalid input syntax for type bigint: "1.5"`},
		{`{"id":"abc"}`, "22P02", `column "id": invalid input syntax for type bigint: "abc"`},
		{`{"id":true}`, "22P02", `column "id": invalid input syntax for type bigint: "true"`},
		{`{"id":{}}`, "22P02", `column "id"`},
		{`{"id":9223372036854775808}`, "22003", `column "id": value "9223372036854775808" is out of range for type bigint`},
		{`{"id":1,"ts":"2001-02-30 00:00:00"}`, "22008", `column "ts": date/time field value out of range: "2001-02-30 00:00:00"`},
		{`{"id":1,"ts":"yesterday"}`, "0A000", `column "ts"`},
		{`{"id":1,"ts":978307200}`, "22008", `column "ts"`},
		{`{"id":1,"name":"\u0000"}`, "22P05", `column "name"`},
		{`{"id":1,"name":"\ud800"}`, "22032", "surrogates"},
		{"{\"id\":1,\"x\":\"\xff\"}", "22021", "not valid UTF-8 at byte 13"},
		{`{"name":"no id"}`, "23502", `null value in column "id"`},
		{`{"id":null}`, "23502", `null value in column "id"`},
		{`{"id":1,"name":"` + strings.Repeat("x", 300) + `"}`, "22P02", "longer than the limit of 200"},
	} {
		cfg := Config{}
		if strings.Contains(tt.message, "limit") {
			cfg.MaxRecord = 200
		}
		d := decode(t, schema, cfg, `{"id":7}`+"\n"+tt.line+"\n"+`{"id":8,"name":"after"}`+"\n")
		require.Equal(t, []string{"7|-|-", "8|after|-"}, rows(schema, d), tt.line)
		require.Len(t, d.Bad, 1, tt.line)
		require.Equal(t, types.Code(tt.code), d.Bad[0].Err.Code, "%s: %v", tt.line, d.Bad[0].Err)
		require.Contains(t, d.Bad[0].Err.Error(), tt.message)
		require.Equal(t, 9, d.Bad[0].Offset)
		require.Equal(t, len(tt.line), d.Bad[0].Length)
	}
}

func TestEveryTypeRoundTrips(t *testing.T) {
	lines := []string{
		`{"b":true,"i2":-5,"i4":70000,"i8":9223372036854775807,"f4":1.5,"f8":-1e+20,"n":123456789012345678901234.50,"d":-1.25,"t":"a\"b\n","x":"\\x00ff","day":"2001-02-03","clock":"04:05:06.7","ts":"2001-02-03 04:05:06","tz":"2001-02-03 04:05:06+00","iv":"1 year 2 days 03:00:00","a":[1,null,3],"ta":["x","NULL",null,"a,b"],"j":{"a": [1, {"b": null}]},"v":"abc"}`,
		`{"b":null,"i2":null,"i4":null,"i8":null,"f4":"NaN","f8":"-Infinity","n":"NaN","d":0.00,"t":"","x":"\\x","day":"infinity","clock":"24:00:00","ts":"-infinity","tz":"0044-03-15 00:00:00+00 BC","iv":"-00:00:01","a":[],"ta":[""],"j":"text","v":""}`,
	}
	text := strings.Join(lines, "\n") + "\n"
	d := decode(t, everyType, Config{}, text)
	require.Empty(t, d.Bad)
	out, err := NewEncoder(everyType).Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N})
	require.NoError(t, err)
	require.Equal(t, text, string(out))

	again := decode(t, everyType, Config{}, `{"a":"{1,2}","ta":[1.50,true],"n":"1.50","i8":" 5 ","b":"yes","j":"\u0041","d":1.005,"v":"abc   ","f8":5,"tz":"2001-02-03T04:05:06+02:00"}`)
	require.Empty(t, again.Bad)
	require.Equal(t, []string{`t|-|-|5|-|5|1.50|1.01|-|-|-|-|-|2001-02-03 02:05:06+00|-|{1,2}|{1.50,true}|"A"|abc`}, rows(everyType, again))
}

func TestEncodeSelectionAndWeights(t *testing.T) {
	schema := types.Schema{{Name: "i", Type: types.Int8Type}}
	d := decode(t, schema, Config{}, `{"i":1}`+"\n"+`{"i":2}`+"\n"+`{"i":3}`)
	e := NewEncoder(schema)
	out, err := e.Encode([]byte("x"), &changelog.Batch{Cols: d.Cols, N: d.N, Sel: []uint32{0, 2}, Weights: []int64{1, -1, 2}})
	require.NoError(t, err)
	require.Equal(t, "x{\"i\":1}\n{\"i\":3}\n{\"i\":3}\n", string(out))
	_, err = e.Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N, Weights: []int64{1, -1, 2}})
	require.ErrorContains(t, err, "debezium_json")
}

func TestSplitAndHeader(t *testing.T) {
	f := New(nil, Config{})
	require.Equal(t, 6, f.Split([]byte("{}\n{}\n{"), false))
	require.Equal(t, 7, f.Split([]byte("{}\n{}\n{"), true))
	require.Equal(t, 0, f.Split([]byte("{}"), false))
	n, ok, err := f.HeaderBytes([]byte("\xef\xbb\xbf{}"), false)
	require.Equal(t, []any{3, true, nil}, []any{n, ok, err})
	n, ok, err = f.HeaderBytes([]byte("\xef\xbb"), false)
	require.Equal(t, []any{0, false, nil}, []any{n, ok, err})
	n, ok, err = f.HeaderBytes([]byte("{}"), false)
	require.Equal(t, []any{0, true, nil}, []any{n, ok, err})
}

// What encoding/json reads, we read alike, whatever the order of the members, the blanks and the escapes.
func TestLikeEncodingJSON(t *testing.T) {
	schema := types.Schema{{Name: "i", Type: types.Int8Type}, {Name: "f", Type: types.Float8Type}, {Name: "s", Type: types.TextType}, {Name: "b", Type: types.BoolType}, {Name: "long name", Type: types.TextType}}
	shared := New(schema, Config{}).NewDecoder() // what it expects must not change what it says
	rapid.Check(t, func(rt *rapid.T) {
		type field struct {
			name  string
			value any
		}
		var want []map[string]any
		var text []byte
		for range rapid.IntRange(0, 5).Draw(rt, "records") {
			record := map[string]any{}
			var fields []field
			for _, f := range schema {
				if rapid.IntRange(0, 5).Draw(rt, "given") == 0 {
					continue
				}
				var v any
				switch f.Type.Kind {
				case types.Int8:
					v = rapid.Int64().Draw(rt, "int")
				case types.Float8:
					v = rapid.Float64().Draw(rt, "float")
				case types.Bool:
					v = rapid.Bool().Draw(rt, "bool")
				default:
					v = strings.ReplaceAll(rapid.String().Draw(rt, "string"), "\x00", "")
				}
				if rapid.IntRange(0, 9).Draw(rt, "null") == 0 {
					v = nil
				}
				record[f.Name] = v
				fields = append(fields, field{f.Name, v})
			}
			for range rapid.IntRange(0, 2).Draw(rt, "others") {
				fields = append(fields, field{"x" + rapid.StringN(0, 5, 20).Draw(rt, "name"), rapid.SampledFrom([]any{1, "}{\"", nil, []any{1, map[string]any{"i": 3}}, -1.5e-9}).Draw(rt, "other")})
			}
			fields = rapid.Permutation(fields).Draw(rt, "order")
			blank := rapid.SampledFrom([]string{"", " ", "\t "}).Draw(rt, "blank")
			text = append(text, '{')
			for i, f := range fields {
				if i > 0 {
					text = append(text, ',')
				}
				name, err := stdjson.Marshal(f.name)
				require.NoError(t, err)
				value, err := stdjson.Marshal(f.value)
				require.NoError(t, err)
				text = append(text, blank...)
				text = append(text, name...)
				text = append(text, blank...)
				text = append(text, ':')
				text = append(text, blank...)
				text = append(text, value...)
				text = append(text, blank...)
			}
			text = append(text, "}\n"...)
			want = append(want, record)
		}
		for _, dec := range []formats.RecordDecoder{shared, New(schema, Config{}).NewDecoder()} {
			d, err := dec.Decode(text)
			require.NoError(t, err)
			check(t, schema, text, d)
			require.Empty(t, d.Bad, "%s", text)
			require.Equal(t, len(want), d.N)
			for row, record := range want {
				for i, f := range schema {
					require.Equal(t, record[f.Name], types.ValueAt(f.Type, d.Cols[i], row), "%s of %s", f.Name, text)
				}
			}
		}
	})
}

// A line is malformed exactly where encoding/json says so.
func TestSyntaxLikeEncodingJSON(t *testing.T) {
	seeds := []string{`{"a":1,"b":[1,2,{"c":"d\u00e9"}],"e":null,"f":-1.5e+10,"g":true}`, `{"a":"\"","b":{}}`, `{"abcdefghijkl":123456789012345,"b":""}`}
	r := rand.New(rand.NewPCG(1, 1))
	const alphabet = `{}[]",:\0123456789.eE+-tfnu abc`
	schema := types.Schema{{Name: "e", Type: types.TextType}, {Name: "a", Type: types.JSONBType}}
	for range 60000 {
		b := []byte(seeds[r.IntN(len(seeds))])
		for range r.IntN(3) + 1 {
			i := r.IntN(len(b))
			switch r.IntN(3) {
			case 0:
				b[i] = alphabet[r.IntN(len(alphabet))]
			case 1:
				b = append(b[:i], b[i+1:]...)
			default:
				b = append(b[:i], append([]byte{alphabet[r.IntN(len(alphabet))]}, b[i:]...)...)
			}
		}
		var object map[string]any
		valid := stdjson.Unmarshal(b, &object) == nil && object != nil
		d := decode(t, schema, Config{}, string(b))
		if !valid && stdjson.Valid(b) && len(b) > 0 && b[0] == '{' {
			valid = true // a number out of float64's range
		}
		if strings.TrimSpace(string(b)) == "" {
			continue
		}
		malformed := len(d.Bad) == 1 && d.Bad[0].Err.Code == types.CodeInvalidJSON
		require.Equal(t, valid, !malformed, "%s: %v", b, d.Bad)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"b":true,"i8":1,"t":"x","ts":"2001-01-01 00:00:00","a":[1],"j":{"x":1}}` + "\n{}\n\n[}"))
	f.Add([]byte("{\"t\":\"\\ud83d\\ude00\"}\n{\"n\":1e400,\"j\":1e999}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		format := New(everyType, Config{MaxRecord: 4096})
		n := format.Split(data, true)
		require.Equal(t, len(data), n)
		d, err := format.NewDecoder().Decode(data)
		require.NoError(t, err)
		check(t, everyType, data, d)
		for i, c := range d.Cols {
			if s, ok := c.(interface{ Value(int) string }); ok && everyType[i].Type.Kind != types.Bytea {
				for row := range d.N {
					require.True(t, utf8.ValidString(s.Value(row)))
				}
			}
		}
		out, err := NewEncoder(everyType).Encode(nil, &changelog.Batch{Cols: d.Cols, N: d.N})
		require.NoError(t, err)
		again, err := format.NewDecoder().Decode(out)
		require.NoError(t, err)
		if len(out) < 4096 {
			require.Empty(t, again.Bad, "%s", out)
			require.Equal(t, rows(everyType, d), rows(everyType, again))
		}
	})
}

// bids makes lines of about 170 bytes.
func bids(n int) []byte {
	r := rand.New(rand.NewPCG(3, 3))
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, `{"auction":%d,"bidder":%d,"price":%d,"channel":"%s","url":"https://www.nexmark.com/item.htm?query=%d","dateTime":"2001-01-%02d %02d:%02d:%02d.%03d","extra":"%x"}`+"\n",
			1000+r.IntN(100000), 1000+r.IntN(1000000), 100+r.IntN(10000000), []string{"Google", "Apple", "Facebook", "Baidu"}[r.IntN(4)], r.IntN(10), 1+i/86400000%28, i/3600000%24, i/60000%60, i/1000%60, i%1000, r.Uint32())
	}
	return b
}

// cpuSeconds is the processor time of this process: what counts on a machine that is shared.
func cpuSeconds() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func BenchmarkDecode(b *testing.B) {
	const n = 50000
	chunk := bids(n)
	for _, bm := range []struct {
		name   string
		schema types.Schema
	}{
		{"columns=3", types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type}, {Name: "dateTime", Type: types.TimestampType}}},
		{"columns=7", types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "bidder", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type}, {Name: "channel", Type: types.TextType},
			{Name: "url", Type: types.TextType}, {Name: "dateTime", Type: types.TimestampType}, {Name: "extra", Type: types.TextType}}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			dec := New(bm.schema, Config{}).NewDecoder()
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

func BenchmarkEncode(b *testing.B) {
	schema := types.Schema{{Name: "auction", Type: types.Int8Type}, {Name: "price", Type: types.Int8Type}, {Name: "channel", Type: types.TextType}, {Name: "dateTime", Type: types.TimestampType}}
	d := decode(b, schema, Config{}, string(bids(10000)))
	e := NewEncoder(schema)
	batch := &changelog.Batch{Cols: d.Cols, N: d.N}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buf, err = e.Encode(buf[:0], batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(d.N)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func TestRealFlights(t *testing.T) {
	text, err := os.ReadFile("testdata/flights.ndjson")
	require.NoError(t, err)
	schema := types.Schema{{Name: "flight", Type: types.Int4Type, NotNull: true}, {Name: "scheduled", Type: types.TimestampType}, {Name: "delay", Type: types.Int2Type},
		{Name: "distance", Type: types.NumericType}, {Name: "origin", Type: types.Type{Kind: types.Text, Precision: 3}}, {Name: "reported", Type: types.TimestampTZType}}
	d := decode(t, schema, Config{}, string(text))
	require.Empty(t, d.Bad)
	require.Equal(t, 200, d.N)
	for row, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var want struct {
			Flight, Delay               int64
			Scheduled, Origin, Reported string
			Distance                    stdjson.Number
		}
		require.NoError(t, stdjson.Unmarshal([]byte(line), &want))
		require.Equal(t, fmt.Sprintf("%d|%s|%d|%s|%s|%s+00", want.Flight, want.Scheduled, want.Delay, want.Distance, want.Origin, want.Reported), rows(schema, d)[row])
		if row == 20 {
			break // rows shows all rows each time
		}
	}
}
