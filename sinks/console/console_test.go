package console

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/sinks"
	"github.com/streamsql/streamsql/types"
)

var schema = types.Schema{{Name: "city", Type: types.TextType}, {Name: "n", Type: types.Int8Type}, {Name: "note", Type: types.TextType}}

func batch(t *testing.T, s types.Schema, weights []int64, rows ...[]any) *changelog.Batch {
	b := &changelog.Batch{N: len(rows), Weights: weights}
	for c, f := range s {
		bld := types.NewBuilder(f.Type)
		for _, r := range rows {
			require.NoError(t, types.AppendValue(bld, f.Type, r[c]))
		}
		b.Cols = append(b.Cols, bld.NewArray())
	}
	return b
}

func publish(t *testing.T, s *Sink, batches ...*changelog.Batch) {
	require.NoError(t, s.Publish(t.Context(), sinks.Marker{Epoch: 1}, batches))
}

func TestTable(t *testing.T) {
	var out strings.Builder
	s := New(&out, schema, 12)
	_, ok, err := s.Open(t.Context(), sinks.Marker{})
	require.NoError(t, err)
	require.False(t, ok, "a terminal remembers nothing")
	publish(t, s)
	publish(t, s, &changelog.Batch{N: 1, Sel: []uint32{}, Cols: batch(t, schema, nil, []any{"x", int64(1), nil}).Cols})
	require.Empty(t, out.String(), "nothing to say")
	publish(t, s, batch(t, schema, nil, []any{"Oslo", int64(7), "a"}, []any{nil, nil, nil}))
	publish(t, s, batch(t, schema, []int64{-1, 2}, []any{"Oslo", int64(7), "a"}, []any{"Rio", int64(-12), ""}))
	publish(t, s, batch(t, schema, nil, []any{"Llanfairpwllgwyn", int64(123), "b"}))
	require.Equal(t, `  | city |    n | note
--+------+------+-----
+ | Oslo |    7 | a
+ | NULL | NULL | NULL
- | Oslo |    7 | a
+ | Rio  |  -12 | 
+ | Rio  |  -12 | 
  | city         |    n | note
--+--------------+------+-----
+ | Llanfairpwl… |  123 | b
`, out.String())
	require.NoError(t, s.Finish(t.Context()))
	require.NoError(t, s.Close())
}

// Wide, combined and joined characters take the columns that a terminal gives them.
func TestWideCharacters(t *testing.T) {
	var out strings.Builder
	s := New(&out, types.Schema{{Name: "都市", Type: types.TextType}, {Name: "x", Type: types.TextType}}, 8)
	publish(t, s, batch(t, types.Schema{{Type: types.TextType}, {Type: types.TextType}}, nil,
		[]any{"東京", "1"}, []any{"e\u0301a", "2"}, []any{"👩‍👩‍👧", "3"}, []any{"日本日本日本", "4"}, []any{"abc", "5"}))
	require.Equal(t, `  | 都市    | x
--+---------+--
+ | 東京    | 1
+ | éa      | 2
+ | 👩‍👩‍👧      | 3
+ | 日本日… | 4
+ | abc     | 5
`, strings.ReplaceAll(out.String(), "e\u0301", "é"))
}

// What a value holds cannot act upon the terminal.
func TestControlCharacters(t *testing.T) {
	var out strings.Builder
	s := New(&out, types.Schema{{Name: "a\nb", Type: types.TextType}}, 60)
	publish(t, s, batch(t, types.Schema{{Type: types.TextType}}, nil, []any{"\x1b[2J\r\n\t\x07\u0085\u202etxt"}))
	require.Equal(t, "  | a\\nb\n--+-------------------------------\n+ | \\x1b[2J\\r\\n\\t\\x07\\x85\\x202etxt\n", out.String())
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errClosed }

var errClosed = errors.New("closed")

func TestWriteError(t *testing.T) {
	s := New(closedPipe{}, schema, 10)
	require.ErrorIs(t, s.Publish(t.Context(), sinks.Marker{}, []*changelog.Batch{batch(t, schema, nil, []any{"a", int64(1), "b"})}), errClosed)
}
