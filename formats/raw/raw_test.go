package raw

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/formats"
	"github.com/streamsql/streamsql/types"
)

var (
	text  = types.Schema{{Name: "line", Type: types.TextType}}
	bytea = types.Schema{{Name: "line", Type: types.ByteaType}}
)

func decode(t require.TestingT, s types.Schema, chunk string) (*formats.Decoded, []string) {
	f, err := New(s)
	require.NoError(t, err)
	d, err := f.NewDecoder().Decode([]byte(chunk))
	require.NoError(t, err)
	var lines []string
	for row := range d.N {
		if len(s) == 0 {
			lines = append(lines, "")
			continue
		}
		if s[0].Type.Kind == types.Bytea {
			lines = append(lines, string(types.ValueAt(s[0].Type, d.Cols[0], row).([]byte)))
		} else {
			lines = append(lines, types.ValueAt(s[0].Type, d.Cols[0], row).(string))
		}
	}
	return d, lines
}

func TestLines(t *testing.T) {
	chunk := "one\r\n\n three, \"3\"\nlast"
	d, lines := decode(t, text, chunk)
	require.Equal(t, []string{"one", "", ` three, "3"`, "last"}, lines)
	require.Equal(t, []uint32{0, 5, 6, 18}, d.Offsets)
	require.Equal(t, "one", string(formats.Record([]byte(chunk), d, 0)))
	_, lines = decode(t, nil, chunk)
	require.Len(t, lines, 4)
}

func TestBadLines(t *testing.T) {
	chunk := "ok\n\xff\xfe\nzero\x00\nrest\n"
	d, lines := decode(t, text, chunk)
	require.Equal(t, []string{"ok", "rest"}, lines)
	require.Equal(t, []uint32{0, 12}, d.Offsets)
	require.Len(t, d.Bad, 2)
	require.Equal(t, types.CodeInvalidEncoding, d.Bad[0].Err.Code)
	require.Equal(t, []int{3, 3, 6, 6}, []int{d.Bad[0].Offset, d.Bad[0].Length, d.Bad[1].Offset, d.Bad[1].Length})
	_, lines = decode(t, bytea, chunk)
	require.Equal(t, []string{"ok", "\xff\xfe", "zero\x00", "rest"}, lines)
	d, lines = decode(t, types.Schema{{Name: "v", Type: types.Type{Kind: types.Text, Precision: 2}}}, "ab\nabc\n")
	require.Equal(t, []string{"ab"}, lines)
	require.Equal(t, types.CodeStringTruncation, d.Bad[0].Err.Code)
}

func TestSchemas(t *testing.T) {
	_, err := New(types.Schema{{Name: "n", Type: types.Int8Type}})
	require.EqualError(t, err, `column "n" of format raw is bigint, wanted text or bytea; read it as text and convert it in the query`)
	_, err = New(append(text, bytea...))
	require.Error(t, err)
	_, err = NewEncoder(nil)
	require.Error(t, err)
}

// What is written is what is read, whatever the cuts.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.StringMatching(`[a-zé日 \t,]{0,5}`)).Draw(t, "lines")
		bld := types.NewBuilder(types.TextType)
		var want []string
		b := &changelog.Batch{N: len(lines), Weights: make([]int64, len(lines))}
		for i, l := range lines {
			require.NoError(t, types.AppendValue(bld, types.TextType, l))
			b.Weights[i] = int64(rapid.IntRange(1, 2).Draw(t, "weight"))
			for range b.Weights[i] {
				want = append(want, l)
			}
		}
		b.Cols = []arrow.Array{bld.NewArray()}
		e, err := NewEncoder(text)
		require.NoError(t, err)
		data, err := e.Encode(nil, b)
		require.NoError(t, err)
		f, err := New(text)
		require.NoError(t, err)
		var got []string
		cut := rapid.IntRange(0, len(data)).Draw(t, "cut")
		n := f.Split(data[:cut], false)
		for _, part := range [][]byte{data[:n], data[n:]} {
			_, lines := decode(t, text, string(part))
			got = append(got, lines...)
		}
		require.Equal(t, want, got)
	})
}

func TestEncoder(t *testing.T) {
	one := func(typ types.Type, v any, weight int64) *changelog.Batch {
		bld := types.NewBuilder(typ)
		require.NoError(t, types.AppendValue(bld, typ, v))
		return &changelog.Batch{N: 1, Cols: []arrow.Array{bld.NewArray()}, Weights: []int64{weight}}
	}
	for _, c := range []struct {
		batch *changelog.Batch
		typ   types.Type
		want  string
	}{
		{one(types.ByteaType, []byte{0xff, 'a'}, 1), types.ByteaType, "\xffa\n"}, {one(types.TextType, nil, 1), types.TextType, "\n"},
		{one(types.Int8Type, int64(7), 3), types.Int8Type, "7\n7\n7\n"}, {one(types.ByteaType, nil, 1), types.ByteaType, "\n"},
	} {
		e, err := NewEncoder(types.Schema{{Name: "v", Type: c.typ}})
		require.NoError(t, err)
		out, err := e.Encode([]byte("x"), c.batch)
		require.NoError(t, err)
		require.Equal(t, "x"+c.want, string(out))
	}
	e, _ := NewEncoder(text)
	_, err := e.Encode(nil, one(types.TextType, "a\nb", 1))
	require.Equal(t, types.CodeBadCopyFormat, types.CodeOf(err))
	_, err = e.Encode(nil, one(types.TextType, "a", -1))
	require.Equal(t, types.CodeNotSupported, types.CodeOf(err))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("a\r\n\xff\n\n"))
	f.Fuzz(func(t *testing.T, chunk []byte) {
		d, _ := decode(t, text, string(chunk))
		want := bytes.Count(chunk, []byte("\n"))
		if len(chunk) > 0 && chunk[len(chunk)-1] != '\n' {
			want++
		}
		require.Equal(t, want, d.N+len(d.Bad))
	})
}

func BenchmarkDecode(b *testing.B) {
	chunk := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 10000))
	f, err := New(text)
	require.NoError(b, err)
	d := f.NewDecoder()
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if out, err := d.Decode(chunk); err != nil || out.N != 10000 {
			b.Fatal(err)
		}
	}
}
