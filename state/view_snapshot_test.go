package state

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// keysOf are the columns of rows that Get of a snapshot wants.
func keysOf(s *Snapshot, rows []viewRow) []arrow.Array {
	return pick(viewBatch(rows, nil).Cols, s.Key())
}

// Snapshots find rows by key as they were, whatever the view and forks of it became afterwards.
func TestSnapshotGet(t *testing.T) {
	for _, key := range [][]int{nil, {0}} {
		t.Run(fmt.Sprint(key), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			v := NewView(20, "v", viewSchema, key)
			require.NoError(t, v.SetIndexes([][]int{{1}, {2, 1}}))
			model := map[int64]viewRow{}
			type pinned struct {
				s    *Snapshot
				want map[int64]viewRow
			}
			var pins []pinned
			change := func(v *View, model map[int64]viewRow, n int) {
				var rows []viewRow
				var weights []int64
				changed := map[int64]bool{}
				for range n {
					k := int64(rnd.IntN(5000))
					if changed[k] {
						continue
					}
					changed[k] = true
					if old, ok := model[k]; ok {
						rows, weights = append(rows, old), append(weights, -1)
						delete(model, k)
						if rnd.IntN(2) == 0 {
							continue
						}
					}
					model[k] = viewRow{k, fmt.Sprint(min(rnd.IntN(20), 10)), "1.50"}
					rows, weights = append(rows, model[k]), append(weights, 1)
				}
				require.NoError(t, v.Update(viewBatch(rows, weights)))
			}
			for range 12 {
				change(v, model, 1+rnd.IntN(800))
				want := map[int64]viewRow{}
				for k, r := range model {
					want[k] = r
				}
				pins = append(pins, pinned{v.Pin(), want})
				fork, forked := pins[rnd.IntN(len(pins))], map[int64]viewRow{}
				for k, r := range fork.want {
					forked[k] = r
				}
				f := fork.s.Fork()
				change(f, forked, 50)
				pins = append(pins, pinned{f.Pin(), maps.Clone(forked)})
				change(f, forked, 50)
			}
			for i, p := range pins {
				if i%3 == 0 {
					checkFind(t, p.s, p.want)
					fork := p.s.Fork()
					require.NoError(t, fork.SetIndexes(nil))
					require.NoError(t, fork.SetIndexes([][]int{{2, 1}, {1}})) // made of the rows that are there
					checkFind(t, fork.Pin(), p.want)
				}
				var asked []viewRow
				found := map[int64]bool{}
				for k := range int64(5000) {
					r, ok := p.want[k]
					if !ok {
						r = viewRow{k, "none", "0"}
					}
					asked = append(asked, r)
				}
				rows, from, err := p.s.Get(keysOf(p.s, asked), len(asked))
				require.NoError(t, err)
				require.Len(t, from, len(p.want))
				for i := range rows.N {
					k := rows.Cols[0].(*array.Int64).Value(i)
					require.Equal(t, int64(from[i]), k)
					require.Equal(t, p.want[k].s, rows.Cols[1].(*array.String).Value(i))
					require.Equal(t, int64(1), rows.Weight(i))
					found[k] = true
				}
				require.Len(t, found, len(p.want))
				require.EqualValues(t, len(p.want), p.s.Rows())
			}
		})
	}
}

// checkFind compares what the indexes of a snapshot give with its rows.
func checkFind(t *testing.T, s *Snapshot, want map[int64]viewRow) {
	byText := map[string]map[int64]bool{}
	for k, r := range want {
		if byText[r.s] == nil {
			byText[r.s] = map[int64]bool{}
		}
		byText[r.s][k] = true
	}
	require.True(t, s.Indexed([]int{1}))
	require.True(t, s.Indexed([]int{2, 1}))
	require.False(t, s.Indexed([]int{1, 2}))
	for text := range 12 {
		asked := viewBatch([]viewRow{{0, fmt.Sprint(text), "1.5"}, {0, fmt.Sprint(text), "1.500"}}, nil)
		for _, cols := range [][]int{{1}, {2, 1}} {
			rows, err := s.Find(cols, pick(asked.Cols, cols), 2)
			require.NoError(t, err)
			found := map[int64]bool{}
			for i := range rows.N {
				if rows.Cols[1].(*array.String).Value(i) == fmt.Sprint(text) { // others are allowed
					found[rows.Cols[0].(*array.Int64).Value(i)] = true
				}
			}
			require.Equal(t, len(byText[fmt.Sprint(text)]), len(found))
			for k := range byText[fmt.Sprint(text)] {
				require.True(t, found[k])
			}
		}
	}
}

func BenchmarkSnapshotGet(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			schema := types.Schema{{Name: "k", Type: types.Int8Type}, {Name: "v", Type: types.Int8Type}}
			v := NewView(20, "v", schema, []int{0})
			k := changelog.NewBuilder(types.Int8Type).(*array.Int64Builder)
			for i := range n {
				k.Append(int64(i))
			}
			col := k.NewArray()
			require.NoError(b, v.Update(&changelog.Batch{Cols: []arrow.Array{col, col}, N: n}))
			s := v.Pin()
			k.Append(int64(n / 2))
			one := []arrow.Array{k.NewArray()}
			b.ReportAllocs()
			for b.Loop() {
				rows, _, err := s.Get(one, 1)
				if err != nil || rows.N != 1 {
					b.Fatal(err, rows)
				}
			}
		})
	}
}
