package changelog

import (
	"bytes"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/types"
)

// Any bytes decode to an error or to a value that encodes again, never to a panic.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(0), false, []byte{1, 1}, []byte{})
	f.Add(uint8(7), true, []byte{1, 4, 0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, []byte{2})
	f.Add(uint8(17), false, []byte{1, 1, 3, 2, 0}, []byte{1})
	f.Add(uint8(14), false, append([]byte{1, 0x80}, make([]byte, 23)...), []byte{0x80, 0, 0, 1, 0x80, 0, 0, 0})
	f.Fuzz(func(t *testing.T, kind uint8, desc bool, key, repr []byte) {
		typ := testTypes[int(kind)%len(testTypes)]
		for _, exact := range []bool{false, true} {
			enc := NewEncoder([]types.Type{typ}, []Order{{Desc: desc, Exact: exact}})
			rest, err := enc.Skip(key, 1)
			b := NewBuilder(typ)
			after, derr := enc.Decode(key, nil, []array.Builder{b})
			require.Equal(t, err, derr)
			if err == nil {
				require.Equal(t, len(rest), len(after))
				a := b.NewArray()
				enc.Reset([]arrow.Array{a})
				once := enc.Append(nil, 0)
				b := NewBuilder(typ)
				_, err := enc.Decode(once, enc.AppendRepr([]byte{}, 0), []array.Builder{b})
				require.NoError(t, err)
				enc.Reset([]arrow.Array{b.NewArray()})
				require.True(t, bytes.Equal(once, enc.Append(nil, 0)))
			}
			_, _ = enc.Decode(key, repr, []array.Builder{NewBuilder(typ)})
		}
	})
}
