package exec

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// distinctHash computes an aggregate over the distinct values as distinctValue does, with the values in a hash table, (group,
// value) -> how often, that is divided and dropped by windows as the groups are. It cannot find the values of one group, and so
// cannot forget a group that is not dropped with its window.
type distinctHash struct {
	*valueTable
	inner    accumulator
	hash     *state.Hash // without windows
	windows  *state.Windowed
	last     *state.Hash
	lastID   int64
	lastCol  *state.I64Column
	keyCols  []arrow.Array
	sel      []uint32
	slots    []uint32
	weights  []int64
	groups   []uint32
	vanished []uint32
	changed  distinctChanges
}

// distinctChanges are values that came or went.
type distinctChanges struct {
	rows   []uint32
	slots  []uint32
	sign   []int64
	lane   [][]int64
	header [][]int64
}

// apply adds the changes to the lanes of an accumulator.
func (c *distinctChanges) apply(inner accumulator, b *changelog.Batch, cols []*state.I64Column) {
	n := len(c.rows)
	if n == 0 {
		return
	}
	if c.lane == nil {
		c.lane, c.header = make([][]int64, inner.lanes()), make([][]int64, inner.lanes())
	}
	for i := range c.lane {
		c.lane[i] = resize(c.lane[i], n)
		c.header[i] = c.lane[i]
	}
	inner.explode(&rowSet{b: b, rows: c.rows, n: n, w: c.sign}, c.header)
	inner.merge(cols, c.slots, c.header)
	c.rows, c.slots, c.sign = c.rows[:0], c.slots[:0], c.sign[:0]
}

// note takes a value's number before and after.
func (c *distinctChanges) note(row int, slot uint32, before, after int64) {
	if (before > 0) == (after > 0) {
		return
	}
	sign := int64(1)
	if before > 0 {
		sign = -1
	}
	c.rows, c.slots, c.sign = append(c.rows, uint32(row)), append(c.slots, slot), append(c.sign, sign)
}

func newDistinctHash(m *valueTable, inner accumulator) *distinctHash {
	m.arg.col = m.call.Args[0]
	m.cols = m.call.Args[:1]
	d := &distinctHash{valueTable: m, inner: inner}
	m.spec = state.Spec{Dist: m.routed, Windowed: m.windowed, Value: []state.ColumnSpec{{Name: "count", Kind: state.Int64}}}
	if m.windowed {
		m.spec.Key = append(m.spec.Key, types.Int8Type)
	}
	m.spec.Key = append(append(m.spec.Key, m.keyTypes...), m.partial[m.arg.col].Type)
	return d
}

func (d *distinctHash) lanes() int { return d.inner.lanes() }

func (d *distinctHash) open(t Tables, i int) (err error) {
	name := fmt.Sprintf("distinct%d", i)
	if d.windowed {
		d.windows, err = t.Windowed(name, d.spec)
		return err
	}
	if d.hash, err = t.Hash(name, d.spec); err == nil {
		d.last, d.lastCol = d.hash, d.hash.I64(0)
	}
	return err
}

// table returns the table of a window and its counts.
func (d *distinctHash) table(window int64) (*state.Hash, *state.I64Column) {
	if d.windowed && (d.last == nil || d.lastID != window) {
		d.last, d.lastID = d.windows.Window(window), window
		d.lastCol = d.last.I64(0)
	}
	return d.last, d.lastCol
}

func (d *distinctHash) update(r *sideRun, cols []*state.I64Column) error {
	set := d.rows(r)
	used := d.arg.used(set)
	d.keyCols = append(append(d.keyCols[:0], r.keys.Cols...), r.b.Cols[d.arg.col])
	sel, groups, n := r.sel, r.slots, r.n
	if used != nil {
		d.sel, d.weights, d.groups = d.sel[:0], d.weights[:0], d.groups[:0]
		for i, w := range used {
			if w != 0 {
				d.sel, d.weights, d.groups = append(d.sel, uint32(set.row(i))), append(d.weights, w), append(d.groups, r.slots[i])
			}
		}
		sel, groups, n = d.sel, d.groups, len(d.sel)
	}
	if n == 0 {
		return nil
	}
	h, count := d.table(r.window)
	d.slots = resize(d.slots, n)
	h.FindOrInsert(state.KeyBatch{Cols: d.keyCols, N: r.b.N, Sel: sel}, d.slots, nil)
	d.vanished = d.vanished[:0]
	for i, slot := range d.slots {
		w := int64(1)
		if used != nil {
			w = d.weights[i]
		}
		c := count.At(slot)
		before := *c
		*c += w
		h.Touch(slot)
		if *c == 0 {
			d.vanished = append(d.vanished, slot)
		}
		row := i
		if sel != nil {
			row = int(sel[i])
		}
		d.changed.note(row, groups[i], before, *c)
	}
	for _, slot := range d.vanished {
		if *count.At(slot) == 0 && h.Live(slot) {
			h.Delete(slot)
		}
	}
	d.changed.apply(d.inner, r.b, cols)
	return nil
}

func (d *distinctHash) finish(g *sideGroups, lanes [][]int64, fail func(int, *types.Error)) arrow.Array {
	return d.inner.finish(lanes, g.n, fail)
}

// drop does nothing: the values go with their window.
func (d *distinctHash) drop(*sideGroups) {}

func (d *distinctHash) dropWindow(id int64) {
	d.windows.Drop(id)
	if d.lastID == id {
		d.last = nil
	}
}
