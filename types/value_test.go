package types_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// typeTexts are texts of each type in PostgreSQL's output form.
var typeTexts = []struct {
	t     types.Type
	texts []string
}{
	{types.BoolType, []string{"t", "f"}},
	{types.Int2Type, []string{"0", "-32768", "32767"}},
	{types.Int4Type, []string{"0", "-2147483648", "2147483647"}},
	{types.Int8Type, []string{"0", "-9223372036854775808", "9223372036854775807"}},
	{types.Float4Type, []string{"1.5", "NaN", "-Infinity", "1e+20", "-0"}},
	{types.Float8Type, []string{"1.5", "NaN", "Infinity", "1e-05", "123456.789"}},
	{types.NumericType, []string{"0", "-1.50", "NaN", "Infinity", "-Infinity", "99999999999999999999999999999999999999", "0.00000000000000000001"}},
	{types.Type{Kind: types.Numeric, Precision: 38, Scale: 4}, []string{"0.0000", "-1234567890123456789012345678901234.5678"}},
	{types.TextType, []string{"", "abc", "é\n"}},
	{types.ByteaType, []string{`\x`, `\x00ff`}},
	{types.DateType, []string{"2001-02-03", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"}},
	{types.TimeType, []string{"00:00:00", "24:00:00", "12:34:56.789"}},
	{types.TimestampType, []string{"2001-02-03 04:05:06.7", "infinity", "-infinity", "294246-12-31 23:59:59.999999"}},
	{types.TimestampTZType, []string{"2001-02-03 04:05:06+00", "0001-01-01 00:00:00+00 BC"}},
	{types.IntervalType, []string{"00:00:00", "1 year 2 mons -3 days +04:05:06.789", "-1 days"}},
	{types.ArrayOf(types.Int4Type), []string{"{}", "{1,NULL,-3}"}},
	{types.ArrayOf(types.TextType), []string{`{"a b","NULL",NULL,"","\"\\"}`}},
	{types.ArrayOf(types.NumericType), []string{"{1.50,NaN}"}},
	{types.JSONBType, []string{`{"a": [1, 2.50, null], "bb": "x"}`}},
}

func TestValuesRoundTrip(t *testing.T) {
	for _, tt := range typeTexts {
		t.Run(tt.t.String(), func(t *testing.T) {
			b := types.NewBuilder(tt.t)
			defer b.Release()
			var values []any
			for _, text := range tt.texts {
				require.NoError(t, types.FromText(b, tt.t, []byte(text)))
				v, err := types.ParseText(tt.t, text)
				require.NoError(t, err)
				require.Equal(t, text, string(types.AppendValueText(nil, tt.t, v)))
				require.NoError(t, types.AppendValue(b, tt.t, v))
				values = append(values, v)
			}
			require.NoError(t, types.AppendValue(b, tt.t, nil))
			arr := b.NewArray()
			defer arr.Release()
			require.True(t, arrow.TypeEqual(tt.t.Arrow(), arr.DataType()))
			got, ok := types.FromArrow(arr.DataType())
			require.True(t, ok)
			if tt.t.Kind != types.JSONB { // which is stored as text
				require.Equal(t, tt.t, got)
			}
			for i, text := range tt.texts {
				for _, row := range []int{2 * i, 2*i + 1} {
					require.Equal(t, text, string(types.AppendText(nil, tt.t, arr, row)))
					if f, ok := values[i].(float64); ok && math.IsNaN(f) {
						continue
					}
					require.Equal(t, values[i], types.ValueAt(tt.t, arr, row))
				}
			}
			last := arr.Len() - 1
			require.Nil(t, types.ValueAt(tt.t, arr, last))
			require.Empty(t, types.AppendText(nil, tt.t, arr, last))
			require.Equal(t, "null", string(types.AppendJSON(nil, tt.t, arr, last)))
		})
	}
}

func TestAppendValueRefusesWhatIsNoValue(t *testing.T) {
	for _, tt := range typeTexts {
		b := types.NewBuilder(tt.t)
		require.Equal(t, types.CodeDatatypeMismatch, types.CodeOf(types.AppendValue(b, tt.t, struct{}{})))
		require.Zero(t, b.Len())
		b.Release()
	}
	b := types.NewBuilder(types.Int2Type)
	defer b.Release()
	require.Equal(t, types.CodeNumericOutOfRange, types.CodeOf(types.AppendValue(b, types.Int2Type, int64(40000))))
}

func TestModifiers(t *testing.T) {
	for _, tt := range []struct {
		t          types.Type
		text, want string
	}{
		{types.Type{Kind: types.Numeric, Precision: 5, Scale: 2}, "123.455", "123.46"},
		{types.Type{Kind: types.Numeric, Precision: 5, Scale: 2}, "999.995", "22003"},
		{types.Type{Kind: types.Numeric, Precision: 5, Scale: 2}, "NaN", "22003"},
		{types.Type{Kind: types.Text, Precision: 3}, "éééé", "22001"},
		{types.Type{Kind: types.Text, Precision: 3}, "ééé ", "ééé"},
		{types.Type{Kind: types.Timestamp, Precision: 1}, "2001-01-01 00:00:00.5", "2001-01-01 00:00:01"},
		{types.Type{Kind: types.Timestamp, Precision: 4}, "2001-01-01 00:00:00.1235", "2001-01-01 00:00:00.124"},
		{types.Type{Kind: types.Time, Precision: 1}, "23:59:59.5", "24:00:00"},
		{types.TextType, "a\x00", "22021"},
		{types.TextType, "a\xff", "22021"},
	} {
		v, err := types.ParseText(tt.t, tt.text)
		if err != nil {
			require.Equal(t, tt.want, string(types.CodeOf(err)), tt.text)
			continue
		}
		require.Equal(t, tt.want, string(types.AppendValueText(nil, tt.t, v)))
	}
}

func TestNumericStorage(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	for range 2000 {
		v, err := types.ParseNumeric(randomNumeric(r, 38))
		require.NoError(t, err)
		var raw [types.NumericWidth]byte
		v.Put(raw[:])
		require.Equal(t, v, types.GetNumeric(raw[:]))
		if v.IsSpecial() {
			continue
		}
		n, err := v.Decimal128(38, int(v.Scale))
		require.NoError(t, err)
		back, err := types.NumericFromDecimal128(n, int32(v.Scale))
		require.NoError(t, err)
		require.Equal(t, v, back)
		require.Equal(t, n.ToString(int32(v.Scale)), v.String())
	}
	back, err := types.NumericFromDecimal128(decimal128.FromI64(12), -2)
	require.NoError(t, err)
	require.Equal(t, "1200", back.String())
	_, err = types.NumericFromCoefficient(math.MaxInt64, 0, 0)
	require.Equal(t, types.CodeNumericOutOfRange, types.CodeOf(err))
}

func TestJSONOutput(t *testing.T) {
	for _, tt := range []struct {
		t          types.Type
		text, want string
	}{
		{types.NumericType, "1.50", "1.50"}, {types.NumericType, "NaN", `"NaN"`}, {types.Float8Type, "-Infinity", `"-Infinity"`}, {types.Float8Type, "1e20", "1e+20"},
		{types.ByteaType, `\x00ff`, `"\\x00ff"`}, {types.TimestampType, "2001-01-01", `"2001-01-01 00:00:00"`}, {types.IntervalType, "1 day", `"1 day"`},
		{types.TextType, "a\"\\\n\x01\x7fé", `"a\"\\\n\u0001` + "\x7f" + `é"`}, {types.ArrayOf(types.TextType), `{a,NULL,"b\"c"}`, `["a",null,"b\"c"]`}, {types.JSONBType, `{"b":1,"a":[]}`, `{"a": [], "b": 1}`},
		{types.BoolType, "yes", "true"}, {types.Int8Type, "-5", "-5"},
	} {
		b := types.NewBuilder(tt.t)
		require.NoError(t, types.FromText(b, tt.t, []byte(tt.text)))
		arr := b.NewArray()
		require.Equal(t, tt.want, string(types.AppendJSON(nil, tt.t, arr, 0)))
		arr.Release()
		b.Release()
	}
}

// No text makes an input function panic, and what it reads prints as a text that reads the same.
func FuzzParseText(f *testing.F) {
	for i, tt := range typeTexts {
		for _, text := range tt.texts {
			f.Add(byte(i), text)
		}
	}
	for _, text := range datetimeTexts {
		f.Add(byte(13), text)
	}
	f.Fuzz(func(t *testing.T, kind byte, text string) {
		typ := typeTexts[int(kind)%len(typeTexts)].t
		v, err := types.ParseText(typ, text)
		if err != nil {
			require.NotEqual(t, types.CodeInternal, types.CodeOf(err), "%v", err)
			return
		}
		shown := string(types.AppendValueText(nil, typ, v))
		again, err := types.ParseText(typ, shown)
		require.NoError(t, err, "%q read as %q", text, shown)
		require.Equal(t, shown, string(types.AppendValueText(nil, typ, again)))
		b := types.NewBuilder(typ)
		defer b.Release()
		require.NoError(t, types.FromText(b, typ, []byte(text)))
		arr := b.NewArray()
		defer arr.Release()
		require.Equal(t, shown, string(types.AppendText(nil, typ, arr, 0)))
	})
}

func TestZones(t *testing.T) {
	for name, ok := range map[string]bool{"UTC": true, "america/new_york": true, "Europe/Isle_of_Man": true, "America/Port-au-Prince": true, "EST": true, "EST5EDT": true, "UTC+3": true, "-08:30": true,
		"Local": false, "": false, "../etc/passwd": false, "nowhere": false, "Europe/": false, strings.Repeat("x", 500): false} {
		loc, err := types.ParseZone(name)
		require.Equal(t, ok, err == nil, "%s: %v %v", name, loc, err)
	}
}

func BenchmarkNumeric(b *testing.B) {
	x, err := types.ParseNumeric("12345.67")
	require.NoError(b, err)
	y, err := types.ParseNumeric("7654.3")
	require.NoError(b, err)
	for name, op := range map[string]func() (types.NumericValue, error){
		"add": func() (types.NumericValue, error) { return x.Add(x) }, "add scales": func() (types.NumericValue, error) { return x.Add(y) },
		"mul": func() (types.NumericValue, error) { return x.Mul(y) }, "div": func() (types.NumericValue, error) { return x.Div(y) },
		"parse": func() (types.NumericValue, error) { return types.ParseNumeric("12345.67") },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := op(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("print", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = x.Append(buf[:0])
		}
	})
}
