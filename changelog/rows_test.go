package changelog

import (
	"bytes"
	"math"
	"math/big"
	"testing"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/decimal128"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/streamsql/streamsql/types"
)

// testTypes are columns of every storage.
var testTypes = []types.Type{
	types.BoolType, types.Int2Type, types.Int4Type, types.Int8Type, types.Float4Type, types.Float8Type,
	{Kind: types.Numeric, Precision: 20, Scale: 3}, types.NumericType, types.TextType, types.ByteaType, types.DateType,
	types.TimeType, types.TimestampType, types.TimestampTZType, types.IntervalType, types.JSONBType,
	types.ArrayOf(types.Int8Type), types.ArrayOf(types.NumericType), types.ArrayOf(types.TextType),
}

func bigOf(d u128) *big.Int {
	x := new(big.Int).SetUint64(d.hi)
	x.Lsh(x, 64)
	return x.Or(x, new(big.Int).SetUint64(d.lo))
}

// drawValue appends a random value, often one that collides with others, to the builder.
func drawValue(t *rapid.T, typ types.Type, b array.Builder) {
	if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
		b.AppendNull()
		return
	}
	small := int64(rapid.IntRange(-2, 2).Draw(t, "small"))
	wide := rapid.SampledFrom([]int64{small, math.MaxInt64, math.MinInt64, rapid.Int64().Draw(t, "any")}).Draw(t, "wide")
	float := rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), float64(small) / 2, rapid.Float64().Draw(t, "float")}).Draw(t, "f")
	text := rapid.SampledFrom([]string{"", "a", "a\x00", "a\x00b", "a\xff", "ab", rapid.String().Draw(t, "string")}).Draw(t, "text")
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(small > 0)
	case *array.Int16Builder:
		b.Append(int16(wide))
	case *array.Int32Builder:
		b.Append(int32(wide))
	case *array.Int64Builder:
		b.Append(wide)
	case *array.Float32Builder:
		b.Append(float32(float))
	case *array.Float64Builder:
		b.Append(float)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(wide))
	case *array.FixedSizeBinaryBuilder:
		v := numeric{class: rapid.SampledFrom([]byte{numNegInf, numNeg, numZero, numPos, numPos, numPosInf, numNaN}).Draw(t, "class")}
		switch v.class {
		case numNeg, numPos:
			v.digits = rapid.SampledFrom([]u128{{0, 1}, {0, 10}, {0, 100}, {0, 15}, {0, 150}, {1<<63 - 1, math.MaxUint64}, {0, rapid.Uint64().Draw(t, "lo") | 1}, {rapid.Uint64().Draw(t, "hi") >> 1, 7}}).Draw(t, "digits")
			v.scale = byte(rapid.SampledFrom([]int{0, 1, 2, 3, 30}).Draw(t, "scale"))
		case numZero:
			v.scale = byte(rapid.IntRange(0, 2).Draw(t, "scale"))
		}
		var s [types.NumericWidth]byte
		v.store(&s)
		b.Append(s[:])
	case *array.StringBuilder:
		b.Append(text)
	case *array.BinaryBuilder:
		b.Append([]byte(text))
	case *array.Date32Builder:
		b.Append(arrow.Date32(wide))
	case *array.Time64Builder:
		b.Append(arrow.Time64(wide & (1<<36 - 1)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(wide))
	case *array.MonthDayNanoIntervalBuilder:
		day := int64(86400 * 1e9)
		b.Append(rapid.SampledFrom([]arrow.MonthDayNanoInterval{
			{Months: 1}, {Days: 30}, {Nanoseconds: 30 * day}, {Months: -1}, {Months: 1, Days: -30}, {}, {Days: -1, Nanoseconds: day},
			{Months: math.MaxInt32, Days: math.MinInt32, Nanoseconds: math.MaxInt64}, {Months: int32(small), Days: 3, Nanoseconds: wide},
		}).Draw(t, "interval"))
	case *array.ListBuilder:
		b.Append(true)
		for range rapid.IntRange(0, 3).Draw(t, "n") {
			drawValue(t, typ.ElemType(), b.ValueBuilder())
		}
	default:
		t.Fatalf("no values of %s", typ)
	}
}

func drawColumns(t *rapid.T, ts []types.Type, n int) []arrow.Array {
	cols := make([]arrow.Array, len(ts))
	for i, typ := range ts {
		b := NewBuilder(typ)
		for range n {
			drawValue(t, typ, b)
		}
		cols[i] = b.NewArray()
	}
	return cols
}

// compareValues is PostgreSQL's order of two values that are not NULL, written as plainly as possible.
func compareValues(typ types.Type, col arrow.Array, i, j int) int {
	cmp := func(a, b int64) int {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	float := func(a, b float64) int {
		switch {
		case a != a && b != b:
			return 0
		case a != a:
			return 1
		case b != b:
			return -1
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	switch a := col.(type) {
	case *array.Boolean:
		x, y := 0, 0
		if a.Value(i) {
			x = 1
		}
		if a.Value(j) {
			y = 1
		}
		return x - y
	case *array.Int16:
		return cmp(int64(a.Value(i)), int64(a.Value(j)))
	case *array.Int32:
		return cmp(int64(a.Value(i)), int64(a.Value(j)))
	case *array.Int64:
		return cmp(a.Value(i), a.Value(j))
	case *array.Date32:
		return cmp(int64(a.Value(i)), int64(a.Value(j)))
	case *array.Time64:
		return cmp(int64(a.Value(i)), int64(a.Value(j)))
	case *array.Timestamp:
		return cmp(int64(a.Value(i)), int64(a.Value(j)))
	case *array.Float32:
		return float(float64(a.Value(i)), float64(a.Value(j)))
	case *array.Float64:
		return float(a.Value(i), a.Value(j))
	case *array.Decimal128:
		return a.Value(i).Cmp(a.Value(j))
	case *array.String:
		return bytes.Compare([]byte(a.Value(i)), []byte(a.Value(j)))
	case *array.Binary:
		return bytes.Compare(a.Value(i), a.Value(j))
	case *array.FixedSizeBinary:
		x, y := parseNumeric(a.Value(i)), parseNumeric(a.Value(j))
		if x.class != y.class {
			return int(x.class) - int(y.class)
		}
		bx, by := bigOf(x.digits), bigOf(y.digits)
		bx.Mul(bx, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(y.scale)), nil))
		by.Mul(by, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(x.scale)), nil))
		if x.class == numNeg {
			return by.Cmp(bx)
		}
		return bx.Cmp(by)
	case *array.MonthDayNanoInterval:
		value := func(v arrow.MonthDayNanoInterval) *big.Int {
			days := big.NewInt(int64(v.Months)*30 + int64(v.Days))
			days.Mul(days, big.NewInt(86400*1e9))
			return days.Add(days, big.NewInt(v.Nanoseconds))
		}
		return value(a.Value(i)).Cmp(value(a.Value(j)))
	case *array.List:
		f1, t1 := a.ValueOffsets(i)
		f2, t2 := a.ValueOffsets(j)
		for f1 < t1 && f2 < t2 {
			if c := compareAt(typ.ElemType(), Order{}, a.ListValues(), int(f1), int(f2)); c != 0 {
				return c
			}
			f1, f2 = f1+1, f2+1
		}
		return cmp(t1-f1, t2-f2)
	}
	panic(typ.String())
}

func compareAt(typ types.Type, o Order, col arrow.Array, i, j int) int {
	ni, nj := col.IsNull(i), col.IsNull(j)
	switch {
	case ni && nj:
		return 0
	case ni != nj:
		if ni == o.NullsFirst {
			return -1
		}
		return 1
	}
	c := compareValues(typ, col, i, j)
	if o.Desc {
		c = -c
	}
	return c
}

func sign(x int) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

func TestEncodingOrdersAndHashes(t *testing.T) {
	for _, typ := range testTypes {
		t.Run(typ.String(), rapid.MakeCheck(func(t *rapid.T) {
			const n = 6
			cols := drawColumns(t, []types.Type{typ}, n)
			col := cols[0]
			o := Order{Desc: rapid.Bool().Draw(t, "desc"), NullsFirst: rapid.Bool().Draw(t, "first"), Exact: rapid.Bool().Draw(t, "exact")}
			enc := NewEncoder([]types.Type{typ}, []Order{o})
			enc.Reset(cols)
			hashes := make([]uint64, n)
			Hash(cols, []types.Type{typ}, n, nil, hashes)
			var keys, reprs [n][]byte
			out := NewBuilder(typ)
			for i := range n {
				keys[i] = enc.Append(nil, i)
				reprs[i] = enc.AppendRepr([]byte{}, i)
				rest, err := enc.Decode(append(bytes.Clone(keys[i]), "rest"...), reprs[i], []array.Builder{out})
				require.NoError(t, err)
				require.Equal(t, "rest", string(rest))
				for cut := range keys[i] {
					_, err := enc.Decode(keys[i][:cut], reprs[i], []array.Builder{NewBuilder(typ)})
					require.Error(t, err)
				}
			}
			back := out.NewArray()
			again := NewEncoder([]types.Type{typ}, []Order{{Exact: true}})
			exact := func(a arrow.Array, row int) []byte {
				again.Reset([]arrow.Array{a})
				return again.Append(nil, row)
			}
			for i := range n {
				if o.Exact || (typ.Kind != types.Float8 && typ.Kind != types.Float4) { // -0 comes back as 0
					require.Equal(t, exact(col, i), exact(back, i), "row %d of %s", i, col)
				}
				for j := range n {
					c := compareAt(typ, o, col, i, j)
					got := bytes.Compare(keys[i], keys[j])
					if !o.Exact || c != 0 && typ.Kind != types.Array {
						require.Equal(t, sign(c), got, "rows %d and %d of %s: %x and %x", i, j, col, keys[i], keys[j])
					}
					require.False(t, c == 0 && hashes[i] != hashes[j], "equal rows %d and %d of %s hash apart", i, j, col)
					require.False(t, c != 0 && hashes[i] == hashes[j], "rows %d and %d of %s hash alike", i, j, col)
				}
			}
		}))
	}
}

// The hashes decide where state lies on disk: they never change.
func TestHashIsStable(t *testing.T) {
	b := NewBuilders(testTypes)
	b[0].(*array.BooleanBuilder).Append(true)
	b[1].(*array.Int16Builder).Append(-3)
	b[2].(*array.Int32Builder).Append(-3)
	b[3].(*array.Int64Builder).Append(-3)
	b[4].(*array.Float32Builder).Append(1.5)
	b[5].(*array.Float64Builder).Append(1.5)
	b[6].(*array.Decimal128Builder).Append(decimal128.FromI64(1500))
	num := make([]byte, types.NumericWidth)
	num[0], num[16] = 150, 2
	b[7].(*array.FixedSizeBinaryBuilder).Append(num)
	b[8].(*array.StringBuilder).Append("stream")
	b[9].(*array.BinaryBuilder).Append([]byte("stream"))
	b[10].(*array.Date32Builder).Append(20000)
	b[11].(*array.Time64Builder).Append(1)
	b[12].(*array.TimestampBuilder).Append(1)
	b[13].(*array.TimestampBuilder).Append(2)
	b[14].(*array.MonthDayNanoIntervalBuilder).Append(arrow.MonthDayNanoInterval{Months: 1})
	b[15].AppendNull()
	b[16].(*array.ListBuilder).Append(true)
	b[16].(*array.ListBuilder).ValueBuilder().(*array.Int64Builder).Append(7)
	b[17].(*array.ListBuilder).Append(true)
	b[18].AppendNull()
	got := make([]uint64, len(b))
	cols := make([]arrow.Array, len(b))
	for i := range b {
		cols[i] = b[i].NewArray()
		Hash(cols[i:i+1], nil, 1, nil, got[i:i+1])
	}
	all := make([]uint64, 1)
	Hash(cols, testTypes, 1, []uint32{0}, all)
	require.Equal(t, got[1], got[3], "integers hash alike in every width")
	require.Equal(t, got[4], got[5])
	require.Equal(t, stableHashes, append(got, all...))
}

func TestGather(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ts := rapid.SliceOfN(rapid.SampledFrom(testTypes), 1, 3).Draw(t, "types")
		schema := make(types.Schema, len(ts))
		exact := make([]Order, len(ts))
		for i, typ := range ts {
			schema[i] = types.Field{Name: "c", Type: typ}
			exact[i].Exact = true
		}
		enc := NewEncoder(ts, exact)
		var batches []*Batch
		var want [][]byte
		var weights []int64
		for range rapid.IntRange(1, 3).Draw(t, "batches") {
			n := rapid.IntRange(0, 6).Draw(t, "n")
			b := &Batch{Cols: drawColumns(t, ts, n), N: n}
			if from := rapid.IntRange(0, n).Draw(t, "from"); from > 0 { // arrays with an offset
				for i := range b.Cols {
					b.Cols[i] = array.NewSlice(b.Cols[i], int64(from), int64(n))
				}
				b.N -= from
			}
			if rapid.Bool().Draw(t, "weighted") {
				b.Weights = make([]int64, b.N)
				for i := range b.Weights {
					b.Weights[i] = int64(rapid.SampledFrom([]int{-2, -1, 1, 3}).Draw(t, "w"))
				}
			}
			if rapid.Bool().Draw(t, "selected") {
				b.Sel = []uint32{}
				for i := range b.N {
					if rapid.Bool().Draw(t, "in") {
						b.Sel = append(b.Sel, uint32(i))
					}
				}
			}
			enc.Reset(b.Cols)
			b.Each(func(row int) {
				want = append(want, enc.Append(nil, row))
				weights = append(weights, b.Weight(row))
			})
			batches = append(batches, b)
		}
		all := Concat(schema, batches)
		require.Equal(t, len(want), all.Rows())
		rows := func(bs ...*Batch) (keys [][]byte, ws []int64) {
			for _, b := range bs {
				enc.Reset(b.Cols)
				b.Each(func(row int) { keys, ws = append(keys, enc.Append(nil, row)), append(ws, b.Weight(row)) })
			}
			return keys, ws
		}
		keys, ws := rows(all)
		require.Equal(t, want, keys)
		require.Equal(t, weights, ws)

		for _, b := range batches {
			bk, bw := rows(b)
			ck, cw := rows(Compact(b))
			require.Equal(t, bk, ck)
			require.Equal(t, bw, cw)
			from := rapid.IntRange(0, b.Rows()).Draw(t, "slice")
			to := rapid.IntRange(from, b.Rows()).Draw(t, "to")
			sk, sw := rows(Slice(b, from, to))
			require.Equal(t, append([][]byte(nil), bk[from:to]...), sk)
			require.Equal(t, append([]int64(nil), bw[from:to]...), sw)
		}

		data, err := AppendIPC([]byte("head"), schema, batches)
		require.NoError(t, err)
		back, err := ReadIPC(data[4:], schema)
		require.NoError(t, err)
		keys, ws = rows(back...)
		require.Equal(t, want, keys)
		require.Equal(t, weights, ws)

		sum := map[string]int64{}
		var order []string
		for i, k := range want {
			if _, ok := sum[string(k)]; !ok {
				order = append(order, string(k))
			}
			sum[string(k)] += weights[i]
		}
		weighted := false
		for _, b := range batches {
			weighted = weighted || b.Weights != nil
		}
		if weighted {
			keys, ws = rows(Consolidate(schema, batches)...)
			at := 0
			for _, k := range order {
				if sum[k] != 0 {
					require.Less(t, at, len(keys))
					require.Equal(t, k, string(keys[at]))
					require.Equal(t, sum[k], ws[at])
					at++
				}
			}
			require.Equal(t, at, len(keys))
		}
	})
}

// Whatever byte of a stream is damaged: an error.
func TestReadIPCDamaged(t *testing.T) {
	schema := types.Schema{{Name: "a", Type: types.Int8Type}, {Name: "b", Type: types.TextType}, {Name: "c", Type: types.ArrayOf(types.Int4Type)}}
	bs := NewBuilders([]types.Type{schema[0].Type, schema[1].Type, schema[2].Type})
	for i := range 5 {
		bs[0].(*array.Int64Builder).Append(int64(i))
		bs[1].(*array.StringBuilder).Append("text")
		bs[2].AppendNull()
	}
	b := &Batch{N: 5, Cols: []arrow.Array{bs[0].NewArray(), bs[1].NewArray(), bs[2].NewArray()}, Weights: []int64{1, 2, 3, 4, 5}}
	data, err := AppendIPC(nil, schema, []*Batch{b})
	require.NoError(t, err)
	for i := range data {
		for _, flip := range []byte{1, 0x80, 0xff} {
			damaged := bytes.Clone(data)
			damaged[i] ^= flip
			_, err := ReadIPC(damaged, schema)
			require.Error(t, err)
		}
		_, err := ReadIPC(data[:i], schema)
		require.Error(t, err)
	}
}

func BenchmarkHashInt64(b *testing.B) {
	const n = 8192
	vals := NewBuilder(types.Int8Type).(*array.Int64Builder)
	for i := range n {
		vals.Append(int64(i))
	}
	cols := []arrow.Array{vals.NewArray()}
	out := make([]uint64, n)
	b.SetBytes(0)
	for b.Loop() {
		Hash(cols, []types.Type{types.Int8Type}, n, nil, out)
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/n, "ns/row")
}

func BenchmarkConsolidate(b *testing.B) {
	const n = 8192
	schema := types.Schema{{Name: "k", Type: types.Int8Type}, {Name: "s", Type: types.TextType}}
	k, s := NewBuilder(types.Int8Type).(*array.Int64Builder), NewBuilder(types.TextType).(*array.StringBuilder)
	w := make([]int64, n)
	for i := range n {
		k.Append(int64(i / 3))
		s.Append("some text")
		w[i] = int64(i%2*2 - 1)
	}
	in := []*Batch{{Cols: []arrow.Array{k.NewArray(), s.NewArray()}, N: n, Weights: w}}
	for b.Loop() {
		Consolidate(schema, in)
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(b.N)/n, "ns/row")
}
