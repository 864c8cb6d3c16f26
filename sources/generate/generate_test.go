package generate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/types"
)

// evens makes a row of every even event.
type evens struct{}

func (evens) Generate(from, to int64) ([]arrow.Array, int, error) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	for n := from; n < to; n++ {
		if n%2 == 0 {
			b.Append(n)
		}
	}
	a := b.NewArray()
	return []arrow.Array{a}, a.Len(), nil
}

var schema = types.Schema{{Name: "n", Type: types.Int8Type}}

func open(t *testing.T, cfg Config, from sources.Position) sources.Reader {
	cfg.Gen, cfg.Schema, cfg.Name = evens{}, schema, "gen"
	src := New(cfg)
	parts, err := src.Partitions(t.Context())
	require.NoError(t, err)
	r, err := src.OpenPartition(t.Context(), parts[0], from)
	require.NoError(t, err)
	return r
}

func values(t *testing.T, c sources.Chunk) []int64 {
	d, err := c.Decode()
	require.NoError(t, err)
	require.Len(t, d, 1)
	require.Equal(t, c.To(), d[0].To)
	return d[0].Batch.Cols[0].(*array.Int64).Int64Values()
}

func TestBounded(t *testing.T) {
	const events = 3*perChunk + 5
	r := open(t, Config{Events: events}, nil)
	var positions []sources.Position
	n := int64(0)
	for {
		c, status, err := r.Read(t.Context(), 1)
		require.NoError(t, err)
		if status == sources.ReadEnded {
			require.Nil(t, c)
			break
		}
		require.Positive(t, c.Bytes())
		for _, v := range values(t, c) {
			require.Equal(t, n, v)
			n += 2
		}
		positions = append(positions, c.To())
	}
	require.EqualValues(t, events+1, n)
	require.Len(t, positions, 4)
	c, _, err := open(t, Config{Events: events}, positions[1]).Read(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, positions[1], c.From())
	require.EqualValues(t, 2*perChunk, values(t, c)[0])
	_, status, err := open(t, Config{Events: events}, positions[3]).Read(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, sources.ReadEnded, status)
}

func TestDamagedPosition(t *testing.T) {
	for _, p := range []string{"", "x", "-1"} {
		_, err := New(Config{Name: "g", Gen: evens{}}).OpenPartition(t.Context(), "0", sources.Position(p))
		require.Equal(t, types.CodeDataCorrupted, types.CodeOf(err))
	}
}

// The rate bounds how many events there are at any moment; Wait returns when the next is due.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		r := open(t, Config{Rate: 4, Events: 10}, sources.Position("2"))
		ctx := context.Background()
		total := int64(2)
		for {
			c, status, err := r.Read(ctx, 1)
			require.NoError(t, err)
			if status == sources.ReadEnded {
				break
			}
			if status == sources.ReadAtEnd {
				require.NoError(t, r.Wait(ctx))
				continue
			}
			last := values(t, c)
			if len(last) > 0 {
				total = last[len(last)-1] + 1
			}
			require.LessOrEqual(t, float64(total-2), 4*time.Since(begin).Seconds()+0.001)
		}
		require.InDelta(t, 2, time.Since(begin).Seconds(), 0.01, "8 events at 4 a second")
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		r = open(t, Config{Rate: 0.001}, nil)
		require.ErrorIs(t, r.Wait(cancelled), context.Canceled)
		_, _, err := r.Read(cancelled, 1)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestDescribe(t *testing.T) {
	c, _, err := open(t, Config{Events: 10}, sources.Position("4")).Read(t.Context(), 1)
	require.NoError(t, err)
	d, err := c.Decode()
	require.NoError(t, err)
	source, partition, position, raw := d[0].Batch.Origin.Describe(1)
	require.Equal(t, []string{"gen", "0", "4+1", `{"n":6}`}, []string{source, partition, position, string(raw)})
}

func TestRandom(t *testing.T) {
	a, b, c := RandomFor(1, 7), RandomFor(1, 7), RandomFor(1, 8)
	require.Equal(t, a.Uint64(), b.Uint64())
	require.NotEqual(t, a.Uint64(), c.Uint64())
	var sum float64
	counts := make([]int, 10)
	for i := range int64(20000) {
		r := RandomFor(3, i)
		counts[r.Int64n(10)]++
		sum += r.Float64()
	}
	require.InDelta(t, 0.5, sum/20000, 0.02)
	for _, n := range counts {
		require.InDelta(t, 2000, n, 250)
	}
	require.Zero(t, a.Int64n(0))
}
