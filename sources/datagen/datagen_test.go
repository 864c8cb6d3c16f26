package datagen

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

var all = types.Schema{
	{Name: "i2", Type: types.Int2Type}, {Name: "i4", Type: types.Int4Type}, {Name: "i8", Type: types.Int8Type}, {Name: "f4", Type: types.Float4Type},
	{Name: "f8", Type: types.Float8Type}, {Name: "num", Type: types.NumericType}, {Name: "dec", Type: types.Type{Kind: types.Numeric, Precision: 6, Scale: 3}},
	{Name: "txt", Type: types.TextType}, {Name: "b", Type: types.BoolType}, {Name: "d", Type: types.DateType}, {Name: "ts", Type: types.TimestampType},
	{Name: "tz", Type: types.TimestampTZType, NotNull: true}, {Name: "a.b", Type: types.TextType},
}

func given(kv ...string) map[string]string {
	m := map[string]string{"events": "1000"}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

// columns generates the wanted columns as text.
func columns(t require.TestingT, wanted types.Schema, g map[string]string) map[string][]string {
	o, err := types.ParseOptions("connector 'datagen'", Options, g)
	require.NoError(t, err)
	src, err := New("d", o, all, wanted)
	require.NoError(t, err)
	r, err := src.OpenPartition(context.Background(), "0", nil)
	require.NoError(t, err)
	out := map[string][]string{}
	for {
		c, status, err := r.Read(context.Background(), 1<<20)
		require.NoError(t, err)
		if status == sources.ReadEnded {
			return out
		}
		d, err := c.Decode()
		require.NoError(t, err)
		for i, f := range wanted {
			for row := range d[0].Batch.N {
				v := "NULL"
				if d[0].Batch.Cols[i].IsValid(row) {
					v = string(types.AppendText(nil, f.Type, d[0].Batch.Cols[i], row))
				}
				out[f.Name] = append(out[f.Name], v)
			}
		}
	}
}

func one(t require.TestingT, name string, kv ...string) []string {
	return columns(t, types.Schema{all[all.Index(name)]}, given(kv...))[name]
}

func refused(t *testing.T, want string, kv ...string) {
	o, err := types.ParseOptions("connector 'datagen'", Options, given(kv...))
	if err == nil {
		_, err = New("d", o, all, all)
	}
	require.ErrorContains(t, err, want)
}

func distinct(values []string) []string {
	m := map[string]bool{}
	for _, v := range values {
		m[v] = true
	}
	out := make([]string, 0, len(m))
	for v := range m {
		out = append(out, v)
	}
	sort.Strings(out)
	return out
}

// Without rules every type has random values of its range.
func TestDefaults(t *testing.T) {
	got := columns(t, all, given())
	for _, f := range all {
		require.Len(t, got[f.Name], 1000)
		require.NotContains(t, got[f.Name], "NULL")
		want := 900
		switch f.Name {
		case "b":
			want = 2
		case "num":
			want = 90
		case "dec":
			want = 500
		}
		require.GreaterOrEqual(t, len(distinct(got[f.Name])), want, f.Name)
	}
	for _, v := range got["txt"] {
		require.Regexp(t, "^[a-z]{10}$", v)
	}
	for _, v := range got["f8"] {
		x, err := strconv.ParseFloat(v, 64)
		require.NoError(t, err)
		require.True(t, x >= 0 && x < 1)
	}
}

func TestSequences(t *testing.T) {
	require.Equal(t, []string{"0", "1", "2"}, one(t, "i8", "fields.i8.kind", "sequence")[:3])
	require.Equal(t, []string{"5", "8", "11", "5", "8", "11", "5"}, one(t, "i4", "fields.i4.kind", "sequence", "fields.i4.start", "5", "fields.i4.end", "12", "fields.i4.step", "3")[:7])
	require.Equal(t, []string{"2020-01-01 00:00:00", "2020-01-01 00:00:01"}, one(t, "ts", "fields.ts.kind", "sequence")[:2])
	require.Equal(t, []string{"2023-12-31 23:00:00+00", "2024-01-01 00:30:00+00"},
		one(t, "tz", "fields.tz.kind", "sequence", "fields.tz.start", "2023-12-31 23:00:00+00", "fields.tz.step", "90 minutes")[:2])
	require.Equal(t, []string{"2024-02-28", "2024-02-29", "2024-03-01"}, one(t, "d", "fields.d.kind", "sequence", "fields.d.start", "2024-02-28")[:3])
	require.Equal(t, []string{"1", "1.5", "2"}, one(t, "f8", "fields.f8.kind", "sequence", "fields.f8.start", "1", "fields.f8.step", "0.5")[:3])
	require.Equal(t, []string{"0.000", "0.125", "0.250"}, one(t, "dec", "fields.dec.kind", "sequence", "fields.dec.step", "0.125")[:3])
	require.Equal(t, []string{"7", "8"}, one(t, "txt", "fields.txt.kind", "sequence", "fields.txt.start", "7")[:2])
	// What leaves the type's range begins again, or is NULL for NUMERIC.
	i2 := one(t, "i2", "fields.i2.kind", "sequence", "fields.i2.start", "32700", "fields.i2.end", "32767")
	require.Equal(t, []string{"32767", "32700"}, i2[67:69])
	dec := one(t, "dec", "fields.dec.kind", "sequence", "fields.dec.start", "998", "fields.dec.step", "1")
	require.Equal(t, []string{"998.000", "999.000", "NULL"}, dec[:3])
}

// A sequence without an end stays in its type.
func TestSequenceWraps(t *testing.T) {
	i2 := one(t, "i2", "fields.i2.kind", "sequence", "fields.i2.step", "1000")
	require.Equal(t, "32000", i2[32])
	require.Equal(t, "0", i2[33])
}

func TestRules(t *testing.T) {
	require.Equal(t, []string{"-1", "0", "1", "2"}, distinct(one(t, "i8", "fields.i8.min", "-1", "fields.i8.max", "2")))
	require.Equal(t, []string{"a", "b c", "d"}, distinct(one(t, "txt", "fields.txt.values", "a, b c,d")))
	require.Equal(t, []string{"1.500", "2.000"}, distinct(one(t, "dec", "fields.dec.values", "1.5,2")))
	require.Equal(t, []string{"2020-01-01", "2020-01-02"}, distinct(one(t, "d", "fields.d.min", "2020-01-01", "fields.d.max", "2020-01-02")))
	require.Equal(t, []string{"t"}, distinct(one(t, "b", "fields.b.values", "true")))
	for _, v := range one(t, "a.b", "fields.a.b.length", "3") {
		require.Len(t, v, 3)
	}
	nulls := 0
	for _, v := range one(t, "f4", "fields.f4.null_rate", "0.25", "fields.f4.min", "-5", "fields.f4.max", "-4") {
		if v == "NULL" {
			nulls++
			continue
		}
		require.Regexp(t, `^-[45]`, v)
	}
	require.InDelta(t, 250, nulls, 60)
	full := one(t, "i8", "fields.i8.min", "-9223372036854775808", "fields.i8.max", "9223372036854775807")
	require.Len(t, distinct(full), 1000)
}

func TestRefused(t *testing.T) {
	refused(t, `option "fields.i9.min" names no column; did you mean "fields.i2.min"?`, "fields.i9.min", "1")
	refused(t, `column 'i8' of datagen has no option "mn"; did you mean "min"?`, "fields.i8.mn", "1")
	refused(t, `option "kind" is "gaussian", wanted one of random, sequence`, "fields.i8.kind", "gaussian")
	refused(t, `max is below min`, "fields.i8.min", "5", "fields.i8.max", "4")
	refused(t, `invalid input syntax`, "fields.i8.min", "five")
	refused(t, `out of range`, "fields.i2.max", "70000")
	refused(t, `a sequence needs a step above 0`, "fields.i8.kind", "sequence", "fields.i8.step", "0")
	refused(t, `step is "fast", wanted a duration`, "fields.ts.kind", "sequence", "fields.ts.step", "fast")
	refused(t, `column "tz" is NOT NULL and has a null_rate`, "fields.tz.null_rate", "0.1")
	refused(t, `not supported yet: datagen for type boolean, kind sequence`, "fields.b.kind", "sequence")
	refused(t, `null_rate is 1.5, wanted 0 to 1`, "fields.i8.null_rate", "1.5")
	refused(t, `length is -1, wanted 0 to 1000000`, "fields.txt.length", "-1")
	refused(t, `min is "x", wanted a number`, "fields.f8.min", "x")
	refused(t, `numeric field overflow`, "fields.dec.max", "5000")
	refused(t, `option "events" is -5, wanted 0 or more`, "events", "-5")
	refused(t, `option "rate" is -5, wanted 0 or more`, "rate", "-5")
	refused(t, `max is below min`, "fields.f8.min", "2")
}

// Values depend on the seed, the column and the event alone.
func TestDeterminism(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, 3, func(f types.Field) string { return f.Name }).Draw(t, "columns")
		whole := columns(t, all, map[string]string{"events": "50", "fields.f8.null_rate": "0.5"})
		part := columns(t, some, map[string]string{"events": fmt.Sprint(rapid.IntRange(1, 50).Draw(t, "events")), "fields.f8.null_rate": "0.5"})
		for name, values := range part {
			require.Equal(t, whole[name][:len(values)], values)
		}
	})
	require.NotEqual(t, one(t, "i8"), one(t, "i8", "seed", "1"))
	require.NotEqual(t, strings.Join(one(t, "txt"), ""), strings.Join(one(t, "a.b"), ""), "columns differ")
}
