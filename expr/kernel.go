package expr

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// binding is a call being compiled: kernels are chosen here, once, by the constant arguments.
type binding struct {
	args []Expr
	t    types.Type // of the result, with modifiers
}

// binder chooses the kernel of a call.
type binder func(b *binding) kernel

// kernel computes a function over the rows of a call.
type kernel struct {
	run func(c *call)
	// sel writes the rows among rows (nil: all c.n) for which a boolean function is true to out, which has room, and
	// returns how many; nil where there is no such shortcut. Such a function never fails.
	sel   func(c *call, rows, out []uint32) int
	alias bool // the result is the first argument
}

// simple is the binder of a kernel that does not depend on constants.
func simple(run func(c *call)) binder {
	return func(*binding) kernel { return kernel{run: run} }
}

// constant returns the value of a literal argument.
func (b *binding) constant(i int) (any, bool) {
	if i < len(b.args) {
		if lit, ok := b.args[i].(*Literal); ok {
			return lit.Value, true
		}
	}
	return nil, false
}

// constText returns the value of argument i if it is a constant text.
func (b *binding) constText(i int) (string, bool) {
	v, _ := b.constant(i)
	s, ok := v.(string)
	return s, ok
}

// call is one evaluation of a function over a batch, with scratch memory that is kept between batches.
type call struct {
	ctx     *Context
	program *Program
	node    *node
	args    []*vec
	n       int      // physical rows to give (1 if all arguments are constant)
	sel     []uint32 // rows wanted; nil: all
	konst   bool

	// The result: valid comes in as the AND of the arguments' for strict functions.
	valid    []byte
	ownValid bool
	buf      []byte
	offs     []int32
	arr      arrow.Array
	errs     *RowErrors

	listed bool
	rows   []uint32
	rowBuf []uint32
	memory []byte
	tmp    [6]any
	last   error
	placed *types.Error
}

// list returns the rows wanted that have no NULL argument; nil means all c.n.
func (c *call) list() []uint32 {
	if c.listed {
		return c.rows
	}
	c.listed = true
	if c.valid == nil {
		c.rows = c.sel
		return c.rows
	}
	if cap(c.rowBuf) < c.n {
		c.rowBuf = make([]uint32, c.n)
	}
	if c.sel == nil {
		c.rows = bitsToRows(c.valid, c.n, c.rowBuf[:c.n])
		return c.rows
	}
	out, k := c.rowBuf[:c.n], 0
	for _, i := range c.sel {
		out[k] = i
		k += int(c.valid[i>>3] >> (i & 7) & 1)
	}
	c.rows = out[:k]
	return c.rows
}

// dense reports whether a cheap loop should run over all physical rows rather than over the list.
func (c *call) dense() bool { return c.sel == nil || len(c.sel)*3 >= c.n }

// bitsToRows writes the numbers of the set bits among the first n to out and returns them.
func bitsToRows(b []byte, n int, out []uint32) []uint32 {
	k, i := 0, 0
	for ; i+64 <= n; i += 64 {
		w := binary.LittleEndian.Uint64(b[i>>3:])
		if w == ^uint64(0) {
			for j := range uint32(64) {
				out[k+int(j)] = uint32(i) + j
			}
			k += 64
			continue
		}
		for ; w != 0; w &= w - 1 {
			out[k] = uint32(i + bits.TrailingZeros64(w))
			k++
		}
	}
	for ; i < n; i++ {
		if b[i>>3]>>(i&7)&1 != 0 {
			out[k] = uint32(i)
			k++
		}
	}
	return out[:k]
}

// setNull makes row i NULL.
func (c *call) setNull(i int) {
	if !c.ownValid {
		valid := make([]byte, (c.n+7)/8)
		if c.valid == nil {
			setAll(valid, c.n)
		} else {
			copy(valid, c.valid)
		}
		c.valid, c.ownValid = valid, true
	}
	c.valid[i>>3] &^= 1 << (i & 7)
}

// fail gives row i an error, placed at the call.
func (c *call) fail(i int, err error) {
	if c.last != err || c.placed == nil {
		e, ok := err.(*types.Error)
		if !ok {
			e = types.Errorf(types.CodeInternal, "%v", err)
		}
		c.last, c.placed = err, e.At(c.node.sp)
	}
	if c.errs == nil {
		c.errs = &RowErrors{}
	}
	c.errs.add(uint32(i), c.placed)
	c.setNull(i)
}

// failed reports whether row i has got an error.
func (c *call) failed(i int) bool {
	return c.errs != nil && slices.Contains(c.errs.Rows, uint32(i))
}

// alloc returns size bytes for the result: fresh if the result leaves the program, else kept for the next batch. They may
// hold anything.
func (c *call) alloc(size int) []byte {
	if c.node.output {
		return make([]byte, size)
	}
	if cap(c.memory) < size {
		c.memory = make([]byte, size, size+size/8)
	}
	return c.memory[:size]
}

// outFixed makes the result's values of a fixed width.
func outFixed[T any](c *call) []T {
	var zero T
	c.buf = c.alloc(c.n * sizeOf(zero))
	return view[T](c.buf)
}

// outBits makes the result's booleans, all false.
func (c *call) outBits() []byte {
	c.buf = make([]byte, (c.n+7)/8)
	return c.buf
}

// scratch returns n values of temporary memory; a slot has one element type for a kernel's life.
func scratch[T any](c *call, slot, n int) []T {
	s, ok := c.tmp[slot].(*[]T)
	if !ok {
		s = new([]T)
		c.tmp[slot] = s
	}
	if cap(*s) < n {
		*s = make([]T, n)
	}
	return (*s)[:n]
}

// column returns the values of argument i and a mask for the row number: 0 if the argument is constant, else -1. T is the Go
// form: the fixed-width type, string (texts and bytes, sharing memory), bool, types.NumericValue or types.IntervalValue.
// Values of rows that are not in the list may be missing.
func column[T any](c *call, i int) ([]T, int) { return columnIn[T](c, i, i) }

// columnIn is column with its temporary memory in a given slot.
func columnIn[T any](c *call, arg, i int) ([]T, int) {
	v := c.args[arg]
	mask := -1
	rows := c.list()
	if v.konst {
		mask, rows = 0, nil
	}
	n := v.physical()
	var out any
	switch any((*T)(nil)).(type) {
	case *string:
		s := scratch[string](c, i, n)
		if rows != nil && len(rows)*4 < n {
			for _, r := range rows {
				s[r] = textAt(v, int(r))
			}
		} else {
			s = texts(v, s)
		}
		out = s
	case *bool:
		s := scratch[bool](c, i, n)
		for r := range s {
			s[r] = v.buf[r>>3]>>(r&7)&1 != 0
		}
		out = s
	case *types.NumericValue:
		s := scratch[types.NumericValue](c, i, n)
		if rows == nil {
			for r := range s {
				s[r] = v.numericAt(r)
			}
		}
		for _, r := range rows {
			s[r] = v.numericAt(int(r))
		}
		out = s
	case *types.IntervalValue:
		s := scratch[types.IntervalValue](c, i, n)
		if rows == nil {
			for r := range s {
				s[r] = getInterval(v.buf[r*16:])
			}
		}
		for _, r := range rows {
			s[r] = getInterval(v.buf[int(r)*16:])
		}
		out = s
	default:
		return view[T](v.buf), mask
	}
	return out.([]T), mask
}

// textAt returns the text of physical row i.
func textAt(v *vec, i int) string {
	b := v.buf[v.offs[i]:v.offs[i+1]]
	return unsafeString(b)
}

// results makes room for the result's values in their Go form; give them to finish.
func results[T any](c *call) []T {
	switch any((*T)(nil)).(type) {
	case *bool, *types.NumericValue, *types.IntervalValue:
		return scratch[T](c, len(c.tmp)-1, c.n)
	}
	return outFixed[T](c)
}

// finish stores results that are not in Arrow's form yet. Rows that are not in the list are ignored.
func finish[T any](c *call, r []T) {
	rows := c.list()
	switch s := any(r).(type) {
	case []bool:
		out := c.outBits()
		if rows == nil {
			packBools(out, s)
		}
		for _, i := range rows {
			if s[i] {
				out[i>>3] |= 1 << (i & 7)
			}
		}
	case []types.NumericValue:
		if c.node.t.IsDecimal128() {
			storeDecimal(c, s)
			return
		}
		const w = types.NumericWidth
		c.buf = c.alloc(c.n * w)
		if rows == nil {
			for i := range s {
				s[i].Put(c.buf[i*w:])
			}
		}
		for _, i := range rows {
			s[i].Put(c.buf[i*w:])
		}
	case []types.IntervalValue:
		c.buf = c.alloc(c.n * 16)
		if rows == nil {
			for i := range s {
				putInterval(c.buf[i*16:], s[i])
			}
		}
		for _, i := range rows {
			putInterval(c.buf[int(i)*16:], s[i])
		}
	}
}

// packBools sets the bits of out, which is clear.
func packBools(out []byte, s []bool) {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		x := s[i : i+8 : i+8]
		out[i>>3] = b2u(x[0]) | b2u(x[1])<<1 | b2u(x[2])<<2 | b2u(x[3])<<3 | b2u(x[4])<<4 | b2u(x[5])<<5 | b2u(x[6])<<6 | b2u(x[7])<<7
	}
	for ; i < len(s); i++ {
		out[i>>3] |= b2u(s[i]) << (i & 7)
	}
}

// b2u is 1 for true, without a branch.
func b2u(b bool) byte {
	var x byte
	if b {
		x = 1
	}
	return x
}

// textWriter collects the texts of a result in row order.
type textWriter struct {
	c    *call
	buf  []byte
	offs []int32
	next int // the next row whose end is not known
}

func newTextWriter(c *call) *textWriter {
	w := &textWriter{c: c}
	if c.node.output {
		w.offs = make([]int32, c.n+1)
		// Results are mostly as long as the first text.
		for _, v := range c.args {
			if len(v.offs) == c.n+1 {
				w.buf = make([]byte, 0, min(int(v.offs[c.n]-v.offs[0])+c.n, 1<<26))
				break
			}
		}
	} else {
		w.offs = scratch[int32](c, len(c.tmp)-1, c.n+1)
		w.offs[0] = 0
		w.buf = c.memory[:0]
	}
	return w
}

// end says that the text of row i ends here; rows that were passed over are empty.
func (w *textWriter) end(i int, buf []byte) {
	for ; w.next < i; w.next++ {
		w.offs[w.next+1] = int32(len(w.buf))
	}
	w.buf = buf
	w.offs[i+1] = int32(len(buf))
	w.next = i + 1
}

func (w *textWriter) done() {
	for ; w.next < w.c.n; w.next++ {
		w.offs[w.next+1] = int32(len(w.buf))
	}
	w.c.buf, w.c.offs = w.buf, w.offs
	if !w.c.node.output {
		w.c.memory = w.buf
	}
}
