package state

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

var viewSchema = types.Schema{{Name: "k", Type: types.Int8Type}, {Name: "s", Type: types.TextType}, {Name: "d", Type: types.NumericType}}

type viewRow struct {
	k int64
	s string
	d string
}

func viewBatch(rows []viewRow, weights []int64) *changelog.Batch {
	bs := []array.Builder{changelog.NewBuilder(types.Int8Type), changelog.NewBuilder(types.TextType), changelog.NewBuilder(types.NumericType)}
	for _, r := range rows {
		bs[0].(*array.Int64Builder).Append(r.k)
		bs[1].(*array.StringBuilder).Append(r.s)
		v, err := types.ParseNumeric(r.d)
		if err != nil {
			panic(err)
		}
		var buf [types.NumericWidth]byte
		v.Put(buf[:])
		bs[2].(*array.FixedSizeBinaryBuilder).Append(buf[:])
	}
	return &changelog.Batch{Cols: finish(bs), N: len(rows), Weights: weights}
}

func scanRows(t *testing.T, s *Snapshot) map[viewRow]int64 {
	got := map[viewRow]int64{}
	total := int64(0)
	require.NoError(t, s.Scan(100, func(b *changelog.Batch) error {
		require.LessOrEqual(t, b.N, 100)
		b.Each(func(i int) {
			r := viewRow{b.Cols[0].(*array.Int64).Value(i), b.Cols[1].(*array.String).Value(i), types.GetNumeric(b.Cols[2].(*array.FixedSizeBinary).Value(i)).String()}
			require.Zero(t, got[r])
			got[r] = b.Weight(i)
			total += b.Weight(i)
		})
		return nil
	}))
	require.Equal(t, s.Rows(), total)
	return got
}

func TestViewModel(t *testing.T) {
	for _, key := range [][]int{nil, {0}, {2}, {2, 0}} {
		t.Run(fmt.Sprint(key), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(7, 8))
			v, copied := NewView(20, "v", viewSchema, key), NewView(20, "v", viewSchema, key)
			model := map[viewRow]int64{}
			byKey := map[string]viewRow{}
			keyOf := func(r viewRow) string {
				all := []string{fmt.Sprint(r.k), r.s, r.d}
				if strings.HasSuffix(r.d, ".10") {
					all[2] = strings.TrimSuffix(r.d, "0") // 1.10 and 1.1 are one key
				}
				s := ""
				for _, c := range key {
					s += "|" + all[c]
				}
				return s
			}
			type pinned struct {
				s    *Snapshot
				want map[viewRow]int64
			}
			var pins []pinned
			for epoch := range 40 {
				delta := map[viewRow]int64{}
				for range rnd.IntN(300) {
					r := viewRow{int64(rnd.IntN(1200)), fmt.Sprint(rnd.IntN(3)), fmt.Sprintf("%d.1%s", rnd.IntN(100), []string{"", "0"}[rnd.IntN(2)])}
					switch {
					case key == nil && rnd.IntN(3) == 0 && model[r] > 0:
						delta[r] -= model[r]
						delete(model, r)
					case key == nil:
						delta[r] += 2
						model[r] += 2
					default:
						if old, ok := byKey[keyOf(r)]; ok {
							delta[old]--
							delete(model, old)
							delete(byKey, keyOf(r))
							if rnd.IntN(2) == 0 {
								continue
							}
						}
						delta[r]++
						model[r] = 1
						byKey[keyOf(r)] = r
					}
				}
				if epoch == 25 {
					v.Clear()
					model, byKey, delta = map[viewRow]int64{}, map[string]viewRow{}, map[viewRow]int64{}
				}
				var rows []viewRow
				var weights []int64
				for r, w := range delta {
					if w != 0 {
						rows, weights = append(rows, r), append(weights, w)
					}
				}
				require.NoError(t, v.Update(viewBatch(rows, weights)))
				want := map[viewRow]int64{}
				for r, w := range model {
					want[r] = w
				}
				pins = append(pins, pinned{v.Pin(), want})
				if d := v.Delta(); d.Rows != nil {
					require.NoError(t, copied.Apply(d.Rows, nil))
				}
				require.Equal(t, want, scanRows(t, copied.Pin()))
				require.Equal(t, len(want), copied.Len())
				if i := rnd.IntN(len(pins)); true {
					require.Equal(t, pins[i].want, scanRows(t, pins[i].s))
				}
			}
			for _, p := range pins[len(pins)-5:] {
				require.Equal(t, p.want, scanRows(t, p.s))
			}
			require.Positive(t, v.Bytes())
		})
	}
}

func TestViewRefusesWhatCannotBe(t *testing.T) {
	row := viewRow{1, "a", "1"}
	v := NewView(20, "v", viewSchema, []int{0})
	require.NoError(t, v.Update(viewBatch([]viewRow{row}, nil)))
	require.ErrorContains(t, v.Update(viewBatch([]viewRow{row}, nil)), "two rows of one key")
	require.ErrorContains(t, v.Update(viewBatch([]viewRow{{1, "b", "1"}}, nil)), "two rows of one key")
	require.ErrorContains(t, v.Update(viewBatch([]viewRow{{1, "b", "1"}}, []int64{-1})), "not the one of its key")
	require.ErrorContains(t, v.Update(viewBatch([]viewRow{{2, "b", "1"}}, []int64{-1})), "not there")
	require.ErrorContains(t, v.Update(viewBatch([]viewRow{row}, []int64{-2})), "deleted 2 times")
}
