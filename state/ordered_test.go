package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// checkTree verifies the invariants of an Ordered table's tree.
func checkTree(t *testing.T, o *Ordered) {
	t.Helper()
	rows := 0
	var last []byte
	var lastLeaf = noNode
	var walk func(id uint32, level int) (first uint32)
	walk = func(id uint32, level int) uint32 {
		n := o.tree.at(id)
		require.True(t, n.n > 0 || id == o.tree.root && level == 0)
		if level == 0 {
			require.Equal(t, lastLeaf, n.prev)
			if lastLeaf != noNode {
				require.Equal(t, id, o.tree.at(lastLeaf).next)
			}
			lastLeaf = id
		}
		for i := range n.n {
			require.Equal(t, prefixOf(o.Key(n.slot[i])), n.prefix[i])
			if level > 0 {
				require.Equal(t, n.slot[i], walk(n.child[i], level-1))
				continue
			}
			key := o.Key(n.slot[i])
			require.True(t, rows == 0 || bytes.Compare(last, key) < 0)
			last = bytes.Clone(key)
			rows++
		}
		return n.slot[0]
	}
	walk(o.tree.root, o.tree.height)
	require.Equal(t, noNode, o.tree.at(lastLeaf).next)
	require.Equal(t, o.Len(), rows)
}

func TestOrderedModel(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			spec := Spec{ID: 20, Name: "sorted", Key: []types.Type{types.ByteaType}, Value: []ColumnSpec{{Kind: Int64}, {Kind: Bytes}}}
			o, copied := NewOrdered(spec), NewOrdered(spec)
			type row struct {
				n int64
				s string
			}
			model := map[string]row{}
			draw := func() []byte {
				switch seed % 3 {
				case 0: // long common prefixes
					return fmt.Appendf(nil, "group-%04d-%d", rnd.IntN(40), rnd.IntN(100))
				case 1:
					return binary.BigEndian.AppendUint32(nil, rnd.Uint32N(5000))
				}
				b := make([]byte, rnd.IntN(4))
				for i := range b {
					b[i] = byte(rnd.IntN(4)) - 1
				}
				return b
			}
			for epoch := range 8 {
				grow := epoch%4 < 2
				for range 1500 {
					key := draw()
					if rnd.IntN(10) < 7 == grow {
						slot, added := o.Insert(key)
						_, had := model[string(key)]
						require.Equal(t, !had, added)
						o.Touch(slot)
						r := row{rnd.Int64(), fmt.Sprint(rnd.IntN(1 << rnd.IntN(30)))}
						*o.I64(0).At(slot) = r.n
						o.Blob(1).Set(slot, []byte(r.s))
						model[string(key)] = r
						continue
					}
					slot := o.Find(key)
					_, had := model[string(key)]
					require.Equal(t, had, slot != NoSlot)
					if had {
						o.Delete(slot)
						delete(model, string(key))
					}
				}
				checkTree(t, o)
				if d := o.Delta(); d.Rows != nil {
					require.NoError(t, copied.Apply(d.Rows, nil))
				}
				keys := make([]string, 0, len(model))
				for k := range model {
					keys = append(keys, k)
				}
				sort.Strings(keys)
				for _, table := range []*Ordered{o, copied} {
					require.Equal(t, len(model), table.Len())
					c := table.First()
					for _, k := range keys {
						require.True(t, c.Valid())
						require.Equal(t, k, string(c.Key()))
						require.Equal(t, model[k].n, *table.I64(0).At(c.Slot()))
						require.Equal(t, model[k].s, string(table.Blob(1).Get(c.Slot())))
						c.Next()
					}
					require.False(t, c.Valid())
					c = table.Last()
					for i := len(keys) - 1; i >= 0; i-- {
						require.Equal(t, keys[i], string(c.Key()))
						c.Prev()
					}
					require.False(t, c.Valid())
				}
				for range 50 {
					k := string(draw())
					at := sort.SearchStrings(keys, k)
					c := o.Seek([]byte(k))
					require.Equal(t, at < len(keys), c.Valid())
					if c.Valid() {
						require.Equal(t, keys[at], string(c.Key()))
					}
					c = o.SeekBefore([]byte(k))
					require.Equal(t, at > 0, c.Valid())
					if c.Valid() {
						require.Equal(t, keys[at-1], string(c.Key()))
					}
					last := -1
					for i := range keys {
						if keys[i] < k || bytes.HasPrefix([]byte(keys[i]), []byte(k)) {
							last = i
						}
					}
					c = o.SeekPrefixLast([]byte(k))
					require.Equal(t, last >= 0, c.Valid())
					if c.Valid() {
						require.Equal(t, keys[last], string(c.Key()))
					}
				}
			}
			require.Positive(t, o.Bytes())
		})
	}
}

func TestOrderedAcceptsByHash(t *testing.T) {
	ts := []types.Type{types.Int8Type, types.TextType}
	spec := Spec{ID: 20, Name: "sorted", Key: ts, Value: []ColumnSpec{{Kind: Int64}}, Dist: 1}
	o := NewOrdered(spec)
	var key []byte
	vals := make([]int64, 100)
	for i := range vals {
		vals[i] = int64(i)
	}
	col := int64Array(vals)
	enc := changelog.NewEncoder(ts[:1], nil)
	hashes := make([]uint64, len(vals))
	enc.Reset(columns(col))
	changelog.Hash(columns(col), ts[:1], len(vals), nil, hashes)
	for i := range vals {
		key = append(enc.Append(key[:0], i), "rest"...)
		slot, _ := o.Insert(key)
		o.Touch(slot)
	}
	d := o.Delta()
	total := 0
	for part := range uint64(3) {
		p := NewOrdered(spec)
		accept := func(h uint64) bool { return h%3 == part }
		require.NoError(t, p.Apply(d.Rows, accept))
		for i := range vals {
			key = append(enc.Append(key[:0], i), "rest"...)
			require.Equal(t, accept(hashes[i]), p.Find(key) != NoSlot)
		}
		total += p.Len()
	}
	require.Equal(t, len(vals), total)
}

func BenchmarkOrderedInsert(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 2))
	o := NewOrdered(Spec{ID: 20, Name: "sorted", Value: []ColumnSpec{{Kind: Int64}}})
	var key []byte
	for b.Loop() {
		key = binary.BigEndian.AppendUint64(key[:0], rnd.Uint64N(1_000_000))
		o.Insert(key)
	}
}
