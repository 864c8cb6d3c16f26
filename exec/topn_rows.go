package exec

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// rowLayout says how the rows of an operator that orders the rows of partitions (TopN, Over) lie in an ordered table:
//
//	key := partition columns by value, sort columns by value, the rest of the row exactly [, number of the copy]
//
// The rest is the columns that do not come back exactly from their place before (NUMERIC, floats, intervals) or have none there, in
// the order of the input. So rows that sort equal lie in the order of their encoded rows, and whole rows are read from the key.
type rowLayout struct {
	in        types.Schema
	partition []int // input columns; the one that closes partitions is the first
	order     []planner.SortKey

	ts     []types.Type
	orders []changelog.Order
	cols   []int // the input column of each key column
	out    []int // the input column that is read from a key column, or -1
	part   *changelog.Encoder
	rest   *changelog.Encoder
	whole  *changelog.Encoder
	bound  []arrow.Array
}

// newRowLayout lays out rows of the schema. first is the partition column that comes first, or -1.
func newRowLayout(in types.Schema, partition []int, order []planner.SortKey, first int) (*rowLayout, error) {
	l := &rowLayout{in: in, order: order, partition: partitionFirst(partition, first)}
	for _, f := range in {
		if f.Type.Kind == types.Record || f.Type.Kind == types.Array && f.Type.Elem == types.Record {
			return nil, types.NotSupported(types.Span{}, "ordering rows with column %q of type %s", f.Name, f.Type)
		}
	}
	have := make([]bool, len(in))
	add := func(col int, o changelog.Order, exact bool) {
		l.ts, l.orders, l.cols = append(l.ts, in[col].Type), append(l.orders, o), append(l.cols, col)
		from := -1
		if exact && !have[col] {
			have[col], from = true, col
		}
		l.out = append(l.out, from)
	}
	for _, c := range l.partition {
		add(c, changelog.Order{}, keepsForm(in[c].Type))
	}
	for _, k := range order {
		add(k.Col, changelog.Order{Desc: k.Desc, NullsFirst: k.NullsFirst}, keepsForm(in[k.Col].Type))
	}
	for c := range in {
		if !have[c] {
			add(c, changelog.Order{Exact: true}, true)
		}
	}
	n := len(l.partition)
	l.part = changelog.NewEncoder(l.ts[:n], l.orders[:n])
	l.rest = changelog.NewEncoder(l.ts[n:], l.orders[n:])
	l.whole = changelog.NewEncoder(l.ts, l.orders)
	return l, nil
}

// partitionFirst returns the columns with one of them moved to the front.
func partitionFirst(cols []int, first int) []int {
	i := slices.Index(cols, first)
	if i <= 0 {
		return cols
	}
	out := append([]int{first}, cols[:i]...)
	return append(out, cols[i+1:]...)
}

// keepsForm reports whether a value that is encoded by value comes back as it was.
func keepsForm(t types.Type) bool {
	switch t.Kind {
	case types.Numeric:
		return t.IsDecimal128()
	case types.Float4, types.Float8, types.Interval:
		return false
	case types.Array:
		return keepsForm(t.ElemType())
	}
	return true
}

// reset binds the layout to a batch.
func (l *rowLayout) reset(b *changelog.Batch) {
	l.bound = l.bound[:0]
	for _, c := range l.cols {
		l.bound = append(l.bound, b.Cols[c])
	}
	n := len(l.partition)
	l.part.Reset(l.bound[:n])
	l.rest.Reset(l.bound[n:])
}

// groupLen returns how much of a key the partition and the sort columns take: rows that agree in it are peers.
func (l *rowLayout) groupLen(key []byte) int {
	return l.skip(key, len(l.partition)+len(l.order))
}

// partLen returns how much of a key the partition takes.
func (l *rowLayout) partLen(key []byte) int { return l.skip(key, len(l.partition)) }

func (l *rowLayout) skip(key []byte, n int) int {
	rest, err := l.whole.Skip(key, n)
	if err != nil {
		panic(fmt.Sprintf("exec: state of ordered rows does not decode: %v", err))
	}
	return len(key) - len(rest)
}

// closesAt returns the value of the first partition column, a timestamp; ok is false for NULL.
func closesAt(key []byte) (at int64, ok bool) {
	if key[0] != 1 {
		return 0, false
	}
	return int64At(key), true
}

// orderedOut builds batches of rows from keys, with extra columns behind them.
type orderedOut struct {
	l        *rowLayout
	emit     Emit
	max      int
	all      []array.Builder // one per input column
	into     []array.Builder // one per key column, nil where the column is not wanted
	numbers  []int64
	numbered bool
	more     func() []arrow.Array // makes the columns behind those of the rows; nil: none
	weights  []int64
	ones     bool
	sizes    []int // bytes of the texts of the batch before, by column
}

func newOrderedOut(l *rowLayout, max int, numbered bool, emit Emit) *orderedOut {
	return &orderedOut{l: l, max: max, numbered: numbered, emit: emit}
}

// begin makes the builders for the next batch.
func (o *orderedOut) begin() {
	o.all = make([]array.Builder, len(o.l.in))
	for i, f := range o.l.in {
		o.all[i] = changelog.NewBuilder(f.Type)
	}
	for i, n := range o.sizes { // the next batch is likely to be like the last
		if b, ok := o.all[i].(interface{ ReserveData(int) }); ok {
			b.ReserveData(n)
		}
		o.all[i].Reserve(o.max)
	}
	o.into = make([]array.Builder, len(o.l.out))
	for i, c := range o.l.out {
		if c >= 0 {
			o.into[i] = o.all[c]
		}
	}
	o.numbers, o.weights, o.ones = nil, nil, true
}

// add appends a row; number counts only in an output that is numbered.
func (o *orderedOut) add(key []byte, number, weight int64) {
	if o.all == nil {
		o.begin()
	}
	mustDecode(o.l.whole, key, o.into)
	if o.numbered {
		o.numbers = append(o.numbers, number)
	}
	o.weights = append(o.weights, weight)
	o.ones = o.ones && weight == 1
	if len(o.weights) >= o.max {
		o.flush()
	}
}

// flush emits what was appended.
func (o *orderedOut) flush() {
	if b := o.batch(); b != nil {
		o.emit(b)
	}
}

// batch returns what was appended, nil if that is nothing.
func (o *orderedOut) batch() *changelog.Batch {
	n := len(o.weights)
	if n == 0 {
		return nil
	}
	b := &changelog.Batch{N: n}
	if !o.ones {
		b.Weights = o.weights
	}
	o.sizes = resize(o.sizes, len(o.all))
	for i, x := range o.all {
		o.sizes[i] = 0
		if d, ok := x.(interface{ DataLen() int }); ok {
			o.sizes[i] = d.DataLen()
		}
		b.Cols = append(b.Cols, x.NewArray())
	}
	if o.numbered {
		b.Cols = append(b.Cols, int64Array(types.Int8Type, o.numbers, nil))
	}
	if o.more != nil {
		b.Cols = append(b.Cols, o.more()...)
	}
	o.all, o.weights = nil, nil
	return b
}

// changeSet collects the encoded rows of an epoch and their weights.
type changeSet struct {
	whole bool // partitions are not numbered: rows are sorted by their whole keys
	arena []byte
	list  []rowChange
}

// rowChange is a row with what comes to its weight. part numbers its partition. head is the start of the key behind what the rows of
// a partition have in common, as a number; where partitions are not numbered, that of the whole key, and sub that behind the partition.
type rowChange struct {
	head uint64
	sub  uint64
	at   int
	n    uint32
	plen uint32 // length of the partition in the key
	from uint32 // where keys begin to be compared
	part uint32
	w    int64

	short bool // head has all of the partition
}

// add encodes a row that the layout is bound to.
func (s *changeSet) add(l *rowLayout, row int, part uint32, w int64) {
	at := len(s.arena)
	s.arena = l.part.Append(s.arena, row)
	plen := len(s.arena) - at
	s.arena = l.rest.Append(s.arena, row)
	c := rowChange{at: at, n: uint32(len(s.arena) - at), plen: uint32(plen), from: uint32(plen), part: part, w: w}
	c.head = headOf(s.arena[at+plen:])
	if s.whole && plen > 0 {
		c.from, c.head, c.sub = 0, headOf(s.arena[at:]), c.head
		c.short = plen <= shortPart && s.arena[at] == 1
	}
	s.list = append(s.list, c)
}

// drop takes the last row away again.
func (s *changeSet) drop() {
	last := len(s.list) - 1
	s.arena = s.arena[:s.list[last].at]
	s.list = s.list[:last]
}

// headOf returns a number that orders encoded rows as far as it differs: the 8 bytes behind the mark of a value that is not NULL.
func headOf(b []byte) uint64 {
	switch {
	case len(b) == 0 || b[0] == 0:
		return 0
	case b[0] > 1:
		return math.MaxUint64
	case len(b) > 8:
		return binary.BigEndian.Uint64(b[1:])
	}
	var buf [8]byte
	copy(buf[:], b[1:])
	return binary.BigEndian.Uint64(buf[:])
}

// shortPart is the length up to which a partition that begins with a value lies wholly in the head of its rows' keys.
const shortPart = 9

func (s *changeSet) key(c *rowChange) []byte { return s.arena[c.at : c.at+int(c.n) : c.at+int(c.n)] }

// settle sorts the rows by partition and key, and sums the weights of equal ones; those that come to nothing go.
func (s *changeSet) settle() []rowChange {
	slices.SortFunc(s.list, func(a, b rowChange) int {
		if a.part != b.part {
			return cmp.Compare(a.part, b.part)
		}
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if a.sub != b.sub && a.plen == b.plen && a.short && b.short {
			return cmp.Compare(a.sub, b.sub)
		}
		return bytes.Compare(s.arena[a.at+int(a.from):a.at+int(a.n)], s.arena[b.at+int(b.from):b.at+int(b.n)])
	})
	out := s.list[:0]
	for i := 0; i < len(s.list); {
		c := s.list[i]
		for i++; i < len(s.list) && s.list[i].part == c.part && s.list[i].head == c.head && bytes.Equal(s.key(&s.list[i]), s.key(&c)); i++ {
			c.w += s.list[i].w
		}
		if c.w != 0 {
			out = append(out, c)
		}
	}
	s.list = out
	return out
}

// reset forgets all rows, and memory that an unusually large epoch took.
func (s *changeSet) reset() {
	if cap(s.arena) > 64<<20 {
		s.arena, s.list = nil, nil
	}
	s.arena, s.list = s.arena[:0], s.list[:0]
}

// prefixEnd sets dst to the smallest key after all that start with prefix; nil if there is none.
func prefixEnd(dst, prefix []byte) []byte {
	dst = append(dst[:0], prefix...)
	for i := len(dst) - 1; i >= 0; i-- {
		if dst[i]++; dst[i] != 0 {
			return dst[:i+1]
		}
	}
	return nil
}
