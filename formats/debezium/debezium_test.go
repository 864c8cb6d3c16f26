package debezium

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

var schema = types.Schema{{Name: "k", Type: types.Int8Type}, {Name: "v", Type: types.TextType}}

type change struct {
	k, v   any
	weight int64
}

func batch(t require.TestingT, changes ...change) *changelog.Batch {
	ks, vs := types.NewBuilder(types.Int8Type), types.NewBuilder(types.TextType)
	b := &changelog.Batch{N: len(changes), Weights: []int64{}}
	for _, c := range changes {
		require.NoError(t, types.AppendValue(ks, types.Int8Type, c.k))
		require.NoError(t, types.AppendValue(vs, types.TextType, c.v))
		b.Weights = append(b.Weights, c.weight)
	}
	b.Cols = append(b.Cols, ks.NewArray(), vs.NewArray())
	return b
}

func TestEvents(t *testing.T) {
	b := batch(t, change{int64(1), "old", -1}, change{int64(2), "new\"", 2}, change{int64(1), "now", 1}, change{int64(3), nil, -1}, change{nil, "a", -1}, change{nil, "b", 1})
	out, err := NewEncoder(Config{Schema: schema, Key: []int{0}}).Encode(nil, b)
	require.NoError(t, err)
	require.Equal(t, `{"before":{"k":3,"v":null},"after":null,"op":"d"}
{"before":null,"after":{"k":2,"v":"new\""},"op":"c"}
{"before":null,"after":{"k":2,"v":"new\""},"op":"c"}
{"before":{"k":1,"v":"old"},"after":{"k":1,"v":"now"},"op":"u"}
{"before":{"k":null,"v":"a"},"after":{"k":null,"v":"b"},"op":"u"}
`, string(out))
	b = batch(t, change{int64(1), "now", 1}, change{int64(1), "old", -1})
	out, err = NewEncoder(Config{Schema: schema, Source: `my "sink"`}).Encode(nil, b)
	require.NoError(t, err)
	require.Equal(t, `{"before":{"k":1,"v":"old"},"after":null,"source":{"connector":"streamsql","name":"my \"sink\""},"op":"d"}
{"before":null,"after":{"k":1,"v":"now"},"source":{"connector":"streamsql","name":"my \"sink\""},"op":"c"}
`, string(out))
	b.Weights = nil
	b.Sel = []uint32{1}
	out, err = NewEncoder(Config{Schema: schema, Key: []int{0}}).Encode([]byte("x"), b)
	require.NoError(t, err)
	require.Equal(t, `x{"before":null,"after":{"k":1,"v":"old"},"op":"c"}`+"\n", string(out))
}

// Applied in order, to a table by key or to a bag of rows, the events give what the changelog gives.
func TestEventsSumUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keyed := rapid.Bool().Draw(t, "keyed")
		var key []int
		if keyed {
			key = []int{0}
		}
		e := NewEncoder(Config{Schema: schema, Key: key})
		state, applied := map[[2]string]int64{}, map[[2]string]int64{}
		table := map[string]string{}
		for range rapid.IntRange(1, 5).Draw(t, "epochs") {
			var changes []change
			for k := range int64(4) {
				if !rapid.Bool().Draw(t, "touch") {
					continue
				}
				for v, n := range state {
					if v[0] == fmt.Sprint(k) && n > 0 {
						changes = append(changes, change{k, v[1], -n})
						state[v] = 0
					}
				}
				if rapid.Bool().Draw(t, "insert") {
					v, n := fmt.Sprint("v", rapid.IntRange(0, 3).Draw(t, "v")), int64(1)
					if !keyed {
						n = int64(rapid.IntRange(1, 2).Draw(t, "n"))
					}
					changes = append(changes, change{k, v, n})
					state[[2]string{fmt.Sprint(k), v}] += n
				}
			}
			changes = rapid.Permutation(changes).Draw(t, "order")
			b := batch(t, changes...)
			out, err := e.Encode(nil, b)
			require.NoError(t, err)
			again, err := e.Encode(nil, b)
			require.NoError(t, err)
			require.Equal(t, out, again)
			dec := json.NewDecoder(bytes.NewReader(out))
			for dec.More() {
				var ev struct {
					Before, After *struct {
						K json.Number
						V string
					}
					Op string
				}
				require.NoError(t, dec.Decode(&ev))
				require.Equal(t, ev.Op, map[[2]bool]string{{true, false}: "d", {false, true}: "c", {true, true}: "u"}[[2]bool{ev.Before != nil, ev.After != nil}])
				if ev.Before != nil {
					applied[[2]string{ev.Before.K.String(), ev.Before.V}]--
					delete(table, ev.Before.K.String())
				}
				if ev.After != nil {
					applied[[2]string{ev.After.K.String(), ev.After.V}]++
					table[ev.After.K.String()] = ev.After.V
				}
			}
		}
		for row, n := range state {
			require.Equal(t, n, applied[row])
			if keyed && n > 0 {
				require.Equal(t, row[1], table[row[0]])
			}
		}
	})
}
