package exec

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// approxDistinct computes approx_count_distinct by HyperLogLog with 2^14 registers (standard error 0.8 %). The registers that
// are not zero are rows (group, window, register) -> highest rank or, over changing input, (group, window, register, rank) ->
// how many values have it, so that values can be taken back. Lanes: the number of registers that are not zero, and their
// sum of 2^-rank in units of 2^-50, so that a result needs no walk over the registers.
//
// Source: Flajolet et al., "HyperLogLog", AofA 2007; the estimate is that of Qin, Kim and Tung, "LogLog-Beta and More",
// arXiv 1612.02284, 2016.
type approxDistinct struct {
	*valueTable
	counted bool
	hashes  []uint64
}

const (
	approxBits    = 14
	approxSize    = 1 << approxBits
	approxMaxRank = 50
)

func newApproxDistinct(c *planner.AggCall, s *aggShape) *approxDistinct {
	m := newValueTable(c, s)
	m.arg.col = c.Args[0]
	group := append([]types.Type(nil), m.keyTypes...)
	if m.windowed {
		group = append(group, types.Int8Type)
	}
	m.prefix = changelog.NewEncoder(group, nil)
	a := &approxDistinct{valueTable: m, counted: !s.appendOnly}
	key := append(group[:len(group):len(group)], types.Int2Type)
	if a.counted {
		key = append(key, types.Int2Type)
	}
	m.spec = state.Spec{Key: key, Dist: m.routed, Value: []state.ColumnSpec{{Name: "rank", Kind: state.Int64}}}
	m.enc = changelog.NewEncoder(key, nil)
	return a
}

func (a *approxDistinct) lanes() int { return 2 }

func (a *approxDistinct) open(t Tables, i int) (err error) {
	if a.table, err = t.Ordered(fmt.Sprintf("registers%d", i), a.spec); err != nil {
		return err
	}
	a.count = a.table.I64(0)
	return nil
}

// approxRank is the place of the first one in the bits of a hash behind the register's number.
func approxRank(h uint64) int64 {
	return int64(min(bits.LeadingZeros64(h<<approxBits)+1, approxMaxRank))
}

// share is what a register of that rank adds to the sum; rank 0 is a register that is not there.
func share(rank int64) int64 {
	if rank == 0 {
		return 0
	}
	return 1 << (approxMaxRank - rank)
}

func (a *approxDistinct) update(r *sideRun, cols []*state.I64Column) error {
	set := a.rows(r)
	used := a.arg.used(set)
	a.hashes = resize(a.hashes, r.n)
	col := a.arg.col
	changelog.Hash([]arrow.Array{r.b.Cols[col]}, []types.Type{a.partial[col].Type}, r.b.N, r.sel, a.hashes)
	// The register and the rank are columns of their own, so that one encoder makes the keys.
	registers, ranks := make([]int16, r.b.N), make([]int16, r.b.N)
	for i, h := range a.hashes {
		row := set.row(i)
		registers[row] = int16(h >> (64 - approxBits))
		ranks[row] = int16(approxRank(h))
	}
	a.bound = append(a.bound[:0], r.keys.Cols...)
	if a.windowed {
		a.bound = append(a.bound, int64Array(types.Int8Type, repeated(r.window, r.b.N), nil))
	}
	groupCols := len(a.bound)
	a.bound = append(a.bound, fixedArray(arrow.PrimitiveTypes.Int16, r.b.N, arrow.Int16Traits.CastToBytes(registers), nil))
	if a.counted {
		a.bound = append(a.bound, fixedArray(arrow.PrimitiveTypes.Int16, r.b.N, arrow.Int16Traits.CastToBytes(ranks), nil))
	}
	a.enc.Reset(a.bound)
	register := changelog.NewEncoder(a.spec.Key[:groupCols+1], nil)
	register.Reset(a.bound[:groupCols+1])
	var prefix []byte
	for i := range r.n {
		w := int64(1)
		if used != nil {
			if w = used[i]; w == 0 {
				continue
			}
		}
		row := set.row(i)
		rank := int64(ranks[row])
		before, after := int64(0), int64(0)
		a.key = a.enc.Append(a.key[:0], row)
		if !a.counted {
			slot, _ := a.table.Insert(a.key)
			held := a.count.At(slot)
			before, after = *held, max(*held, rank)
			if after != before {
				*held = after
				a.table.Touch(slot)
			}
		} else {
			prefix = register.Append(prefix[:0], row)
			before = a.top(prefix)
			a.add(a.key, w)
			after = a.top(prefix)
		}
		if before != after {
			n, sum := cols[0].At(r.slots[i]), cols[1].At(r.slots[i])
			if before == 0 {
				*n++
			}
			if after == 0 {
				*n--
			}
			*sum += share(after) - share(before)
		}
	}
	return nil
}

// top returns the highest rank of a counted register that a value has.
func (a *approxDistinct) top(register []byte) int64 {
	c := a.table.SeekPrefixLast(register)
	for c.Valid() && c.HasPrefix(register) && *a.count.At(c.Slot()) <= 0 {
		c.Prev()
	}
	if !c.Valid() || !c.HasPrefix(register) {
		return 0
	}
	out := changelog.NewBuilders([]types.Type{types.Int2Type})
	mustDecode(changelog.NewEncoder([]types.Type{types.Int2Type}, nil), c.Key()[len(register):], out)
	return readInts(out[0].NewArray(), nil, 1, make([]int64, 1))[0]
}

func (a *approxDistinct) finish(g *sideGroups, lanes [][]int64, _ func(int, *types.Error)) arrow.Array {
	values := make([]int64, g.n)
	for i := range values {
		values[i] = approxEstimate(lanes[0][i], uint64(lanes[1][i]))
	}
	return int64Array(types.Int8Type, values, nil)
}

// approxEstimate returns the number of distinct values from the number of registers in use and their sum.
func approxEstimate(used int64, sum uint64) int64 {
	if used == 0 {
		return 0
	}
	const m = float64(approxSize)
	const alpha = 0.7213 / (1 + 1.079/m)
	zeros := m - float64(used)
	zl := math.Log(zeros + 1)
	beta := -0.370393911*zeros + zl*(0.070471823+zl*(0.17393686+zl*(0.16339839+zl*(-0.09237745+
		zl*(0.03738027+zl*(-0.005384159+zl*0.00042419))))))
	total := zeros + float64(sum)/(1<<approxMaxRank)
	return int64(alpha*m*float64(used)/(beta+total) + 0.5)
}
