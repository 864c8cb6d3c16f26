package state

import (
	"bytes"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
)

// rowOrder decides, among rows met in the order of their keys (newer rank first for equal keys), which are still there.
type rowOrder struct {
	prefixes []activePrefix
	last     []byte // key met last, of a row
	any      bool
}

// activePrefix takes away the rows below it that are of a lower rank.
type activePrefix struct {
	prefix []byte
	rank   uint64
}

// keep reports whether a row counts. Ranks rise with age falling; a range of rank r takes rows of ranks below r.
func (o *rowOrder) keep(key []byte, op uint8, rank uint64) bool {
	for n := len(o.prefixes); n > 0 && !bytes.HasPrefix(key, o.prefixes[n-1].prefix); n-- {
		o.prefixes = o.prefixes[:n-1]
	}
	for _, p := range o.prefixes {
		if rank < p.rank {
			return false
		}
	}
	if op == opPrefix {
		// Of two equal ranges the newer came first and the older was dropped just now.
		for _, p := range o.prefixes {
			if rank == p.rank && len(p.prefix) == len(key) {
				return false
			}
		}
		o.prefixes = append(o.prefixes, activePrefix{bytes.Clone(key), rank})
		return true
	}
	if o.any && bytes.Equal(o.last, key) {
		return false
	}
	o.last, o.any = append(o.last[:0], key...), true
	return true
}

// rowCopier gathers rows from batches into new batches of a run.
type rowCopier struct {
	schema *arrow.Schema
	out    func(arrow.Record) error
	recs   []arrow.Record
	from   []uint32 // row i of the output is row rows[i] of recs[from[i]]
	rows   []uint32
	size   int // bytes of the rows, about
}

// add takes a row; full says that it is time to flush. size is that of the row.
func (c *rowCopier) add(source, row uint32, size int) (full bool) {
	c.from, c.rows = append(c.from, source), append(c.rows, row)
	c.size += size
	return len(c.rows) == runRows || c.size >= runBytes
}

// rowSizes returns a function for the about sizes of a batch's rows.
func rowSizes(rec arrow.Record) func(row uint32) int {
	var bins []*array.Binary
	for _, c := range rec.Columns() {
		if b, ok := c.(*array.Binary); ok {
			bins = append(bins, b)
		}
	}
	return func(row uint32) int {
		n := 16
		for _, b := range bins {
			n += b.ValueLen(int(row))
		}
		return n
	}
}

// source registers a batch and returns its number, good until the next flush.
func (c *rowCopier) source(rec arrow.Record) uint32 {
	c.recs = append(c.recs, rec)
	return uint32(len(c.recs) - 1)
}

// whole takes all rows of a batch as they are, in pieces that fit.
func (c *rowCopier) whole(rec arrow.Record, size func(row uint32) int) error {
	if err := c.flush(); err != nil {
		return err
	}
	n := rec.NumRows()
	for from := int64(0); from < n; {
		to, bytes := from, 0
		for to < n && to-from < runRows && bytes < runBytes {
			bytes += size(uint32(to))
			to++
		}
		if err := c.out(rec.NewSlice(from, to)); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (c *rowCopier) flush() error {
	if len(c.rows) == 0 {
		c.recs = c.recs[:0]
		return nil
	}
	cols := make([]arrow.Array, c.schema.NumFields())
	for i, f := range c.schema.Fields() {
		arrs := make([]arrow.Array, len(c.recs))
		for j, rec := range c.recs {
			arrs[j] = rec.Column(i)
		}
		cols[i] = gatherFrom(f.Type, arrs, c.from, c.rows)
	}
	rec := array.NewRecord(c.schema, cols, int64(len(c.rows)))
	c.recs, c.from, c.rows, c.size = nil, c.from[:0], c.rows[:0], 0
	return c.out(rec)
}

// gatherFrom builds an array from rows of several.
func gatherFrom(dt arrow.DataType, arrs []arrow.Array, from, rows []uint32) arrow.Array {
	n := len(rows)
	fixed := func(b []byte) arrow.Array {
		return array.MakeFromData(array.NewData(dt, n, []*memory.Buffer{nil, memory.NewBufferBytes(b)}, nil, 0, 0))
	}
	switch dt.ID() {
	case arrow.UINT8:
		vals := make([][]uint8, len(arrs))
		for i, a := range arrs {
			vals[i] = a.(*array.Uint8).Uint8Values()
		}
		return fixed(pickFrom(vals, from, rows))
	case arrow.INT64:
		vals := make([][]int64, len(arrs))
		for i, a := range arrs {
			vals[i] = a.(*array.Int64).Int64Values()
		}
		return fixed(arrow.Int64Traits.CastToBytes(pickFrom(vals, from, rows)))
	case arrow.FLOAT64:
		vals := make([][]float64, len(arrs))
		for i, a := range arrs {
			vals[i] = a.(*array.Float64).Float64Values()
		}
		return fixed(arrow.Float64Traits.CastToBytes(pickFrom(vals, from, rows)))
	case arrow.BINARY:
		var s byteStrings
		s.offs = append(make([]int32, 0, n+1), 0)
		bins := make([]*array.Binary, len(arrs))
		for i, a := range arrs {
			bins[i] = a.(*array.Binary)
		}
		for i, row := range rows {
			s.data = append(s.data, bins[from[i]].Value(int(row))...)
			s.end()
		}
		return s.array()
	}
	g := changelog.NewGather(dt, n)
	for i, row := range rows {
		g.Append(arrs[from[i]], []uint32{row})
	}
	return g.Finish()
}

func pickFrom[T any](vals [][]T, from, rows []uint32) []T {
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = vals[from[i]][row]
	}
	return out
}

// runMerge merges runs, newest first.
type runMerge struct {
	readers []*runReader
	batch   []arrow.Record
	keys    []*array.Binary
	ops     [][]uint8
	at      []int
	size    []func(row uint32) int
	heap    []int // readers that have rows, smallest key first; of equal keys the newest
}

// load reads the next batch of a reader and reports whether there is one.
func (m *runMerge) load(i int) (bool, error) {
	rec, err := m.readers[i].next()
	if err != nil || rec == nil {
		m.batch[i] = nil
		return false, err
	}
	m.batch[i], m.keys[i], m.ops[i], m.at[i] = rec, rec.Column(keyColumn).(*array.Binary), rec.Column(opColumn).(*array.Uint8).Uint8Values(), 0
	m.size[i] = rowSizes(rec)
	return true, nil
}

func (m *runMerge) less(a, b int) bool {
	ka, kb := m.keys[a].Value(m.at[a]), m.keys[b].Value(m.at[b])
	if c := bytes.Compare(ka, kb); c != 0 {
		return c < 0
	}
	// A range comes before the row of the same key, so that it is active there; then the newer.
	if pa, pb := m.ops[a][m.at[a]] == opPrefix, m.ops[b][m.at[b]] == opPrefix; pa != pb {
		return pa
	}
	return a < b
}

func (m *runMerge) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if child+1 < len(m.heap) && m.less(m.heap[child+1], m.heap[child]) {
			child++
		}
		if !m.less(m.heap[child], m.heap[i]) {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}

// start reads the first batch of every run and returns their columns; same says that all have the same.
func (m *runMerge) start() (schema *arrow.Schema, same bool, err error) {
	n := len(m.readers)
	m.batch, m.keys, m.ops, m.at = make([]arrow.Record, n), make([]*array.Binary, n), make([][]uint8, n), make([]int, n)
	m.size = make([]func(uint32) int, n)
	for i := range m.readers {
		ok, err := m.load(i)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			continue
		}
		if schema == nil {
			schema = m.batch[i].Schema()
		}
		if !m.batch[i].Schema().Equal(schema) {
			return nil, false, nil
		}
		m.heap = append(m.heap, i)
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return schema, schema != nil, nil
}

// merge writes what is left of the runs, newest first, to out. oldest says that there are no older runs, so that what says "gone" can go
// too. start was called.
func (m *runMerge) merge(out *rowCopier, oldest bool) error {
	n := len(m.readers)
	source := make([]uint32, n)
	for _, i := range m.heap {
		source[i] = out.source(m.batch[i])
	}
	var order rowOrder
	for len(m.heap) > 0 {
		i := m.heap[0]
		at := m.at[i]
		if at == 0 && len(order.prefixes) == 0 && m.alone(i, &order) {
			if err := out.whole(m.batch[i], m.size[i]); err != nil {
				return err
			}
			last := len(m.ops[i]) - 1
			order.last, order.any = append(order.last[:0], m.keys[i].Value(last)...), true
			m.at[i] = last + 1
			if err := m.advance(i, out, source); err != nil {
				return err
			}
			for _, j := range m.heap { // flushing forgot the batches
				source[j] = out.source(m.batch[j])
			}
			continue
		}
		op := m.ops[i][at]
		if order.keep(m.keys[i].Value(at), op, uint64(n-i)) && !(oldest && op != opUpsert) {
			if out.add(source[i], uint32(at), m.size[i](uint32(at))) {
				if err := out.flush(); err != nil {
					return err
				}
				for _, j := range m.heap {
					source[j] = out.source(m.batch[j])
				}
			}
		}
		m.at[i]++
		if err := m.advance(i, out, source); err != nil {
			return err
		}
	}
	return out.flush()
}

// advance loads the next batch of the first reader of the heap if its batch is used up, and puts it in its place.
func (m *runMerge) advance(i int, out *rowCopier, source []uint32) error {
	if m.at[i] == len(m.ops[i]) {
		ok, err := m.load(i)
		if err != nil {
			return err
		}
		if ok {
			if !m.batch[i].Schema().Equal(out.schema) {
				return m.readers[i].damaged("the columns change within the file")
			}
			source[i] = out.source(m.batch[i])
		} else {
			last := len(m.heap) - 1
			m.heap[0] = m.heap[last]
			m.heap = m.heap[:last]
		}
	}
	if len(m.heap) > 0 {
		m.down(0)
	}
	return nil
}

// alone reports whether all rows of a reader's batch are there and come before those of the other readers.
func (m *runMerge) alone(i int, order *rowOrder) bool {
	keys := m.keys[i]
	if order.any && bytes.Equal(order.last, keys.Value(0)) {
		return false
	}
	last := keys.Value(keys.Len() - 1)
	for child := 1; child <= 2 && child < len(m.heap); child++ { // the heap's next is one of these
		j := m.heap[child]
		if bytes.Compare(last, m.keys[j].Value(m.at[j])) >= 0 {
			return false
		}
	}
	for _, op := range m.ops[i] {
		if op != opUpsert {
			return false
		}
	}
	return true
}
