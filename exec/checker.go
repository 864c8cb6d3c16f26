package exec

import (
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// checker stands behind a vertex in test builds and judges what it puts out: the columns are of the schema, at an epoch's end no
// row has a negative total (so each retraction matches an earlier insertion), of append-only outputs none is
// ever taken back, and the watermark never goes back.
type checker struct {
	types  []types.Type
	arrow  []arrow.DataType
	append bool
	totals bool // sums are known: the vertex has been watched since it was made

	mu      sync.Mutex
	rows    map[string]int64
	touched map[string]bool
	last    changelog.Watermark
}

func newChecker(v *vertex, restored bool) *checker {
	c := &checker{totals: !restored && !v.local, rows: map[string]int64{}, touched: map[string]bool{}, last: changelog.MinWatermark}
	for _, f := range v.out {
		c.types = append(c.types, f.Type)
		c.arrow = append(c.arrow, f.Type.Arrow())
	}
	c.append = !v.local && v.node.Props.AppendOnly
	return c
}

// emitted checks a batch.
func (c *checker) emitted(v *vertex, b *changelog.Batch) error {
	bad := func(format string, args ...any) error {
		return types.Errorf(types.CodeInternal, "check of %s: %s", v.label, fmt.Sprintf(format, args...))
	}
	if len(b.Cols) != len(c.types) {
		return bad("a batch of %d columns, the schema has %d", len(b.Cols), len(c.types))
	}
	for i, col := range b.Cols {
		if col.Len() != b.N {
			return bad("column %d has %d rows, the batch %d", i, col.Len(), b.N)
		}
		if !arrow.TypeEqual(col.DataType(), c.arrow[i]) {
			return bad("column %d is %s, the schema says %s", i, col.DataType(), c.arrow[i])
		}
	}
	if b.Weights != nil && len(b.Weights) != b.N {
		return bad("%d weights for %d rows", len(b.Weights), b.N)
	}
	last := -1
	for _, row := range b.Sel {
		if int(row) <= last || int(row) >= b.N {
			return bad("the selection is not ascending below %d: %d after %d", b.N, row, last)
		}
		last = int(row)
	}
	var err error
	enc := changelog.NewEncoder(c.types, exact(len(c.types)))
	enc.Reset(b.Cols)
	c.mu.Lock()
	defer c.mu.Unlock()
	var buf []byte
	b.Each(func(row int) {
		w := b.Weight(row)
		switch {
		case w == 0:
			err = bad("a selected row of weight zero")
		case w < 0 && c.append:
			err = bad("a deletion from an append-only output")
		case c.totals:
			buf = enc.Append(buf[:0], row)
			c.rows[string(buf)] += w
			c.touched[string(buf)] = true
		}
	})
	return err
}

func exact(n int) []changelog.Order {
	o := make([]changelog.Order, n)
	for i := range o {
		o[i].Exact = true
	}
	return o
}

// ended checks the epoch's end.
func (c *checker) ended(v *vertex) error {
	defer clear(c.touched)
	if v.watermark < c.last {
		return types.Errorf(types.CodeInternal, "check of %s: the watermark went back from %d to %d", v.label, c.last, v.watermark)
	}
	c.last = v.watermark
	for row := range c.touched {
		switch n := c.rows[row]; {
		case n < 0:
			return types.Errorf(types.CodeInternal, "check of %s: a row was taken back %d times more often than it was put out: %q", v.label, -n, row)
		case n == 0:
			delete(c.rows, row)
		}
	}
	return nil
}
