package exec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// over appends to each row the results of window functions over its partition.
//
// Input:  any changelog.
// Output: per epoch the net changes of the rows and their results; see planner.Over. EMIT ON WINDOW CLOSE: inserts only.
// State:  all rows in order, equal ones as copies with a number each, with the results that they were put out with and what
// running functions carry from row to row. EMIT ON WINDOW CLOSE: the rows alone.
//
// An epoch's rows are sorted and summed up at its end. Around each change the rows are found that it may reach (see reach); they are
// computed again, from no more rows than that takes, and those whose results differ are put out. What runs from the start of a
// partition (row numbers, running sums) goes on behind a change until what it carries is what it was.
type over struct {
	plan    *planner.Over
	env     *Env
	layout  *rowLayout
	out     types.Schema
	closing *partitionClosing
	keeps   bool // results are kept, to be taken back
	calls   []overCall
	reach   reach
	inputs  []bool // input columns that the calls read
	ranges  *rangeOrder

	rows    *state.Ordered
	result  *state.BytesColumn
	lanes   []*state.I64Column
	texts   []*state.BytesColumn // by call; nil: none is carried
	results *changelog.Encoder

	set  changeSet
	key  []byte
	out1 *overOut
	work overWork
}

// overCall computes one call for the rows of a work.
type overCall interface {
	reach() reach
	// lanes is how many words a row carries on to the next one.
	lanes() int
	// eval returns the results of the rows that are to be computed. carried has the lanes of rows by slot, and lanes takes
	// those of the computed rows.
	eval(w *overWork, carried []*state.I64Column, lanes [][]int64) arrow.Array
}

// textCall is an overCall whose rows carry a byte string on as well.
type textCall interface {
	overCall
	carriesText() bool
	// setCarried gives eval the byte strings of rows by slot (nil: there are none), and the place for those of the computed rows.
	setCarried(carried *state.BytesColumn, texts [][]byte)
}

func lowerOver(n *planner.Node, op *planner.Over, env *Env) (*Lowered, error) {
	in := n.Inputs[0]
	layout, err := newRowLayout(in.Schema, op.Partition, op.Order, op.Close)
	if err != nil {
		return nil, err
	}
	closing, err := newPartitionClosing(&op.Closing, in.Schema, op.Partition)
	if err != nil {
		return nil, err
	}
	o := &over{plan: op, env: env, layout: layout, out: n.Schema, closing: closing, keeps: op.Emit == planner.EmitChanges,
		inputs: make([]bool, len(in.Schema))}
	o.set.whole = true
	for i := range op.Calls {
		c, err := newOverCall(n, op, &op.Calls[i], env)
		if err != nil {
			return nil, err
		}
		o.calls = append(o.calls, c)
		o.reach = o.reach.join(c.reach())
		for _, a := range op.Calls[i].Args {
			o.inputs[a] = true
		}
		if f := op.Calls[i].Filter; f >= 0 {
			o.inputs[f] = true
		}
	}
	if byValue(op) {
		o.ranges = newRangeOrder(layout, env.zone())
		o.inputs[op.Order[0].Col] = true
	}
	return closing.lower(o, n, layout.partition), nil
}

func appendCopy(key []byte, n int64) []byte {
	return binary.BigEndian.AppendUint32(append(key, 1), uint32(n)^1<<31)
}

func copyOf(key []byte) int64 {
	return int64(int32(binary.BigEndian.Uint32(key[len(key)-4:]) ^ 1<<31))
}

func (o *over) Open(ctx *OpenContext) (err error) {
	l := o.layout
	spec := state.Spec{Key: append(slices.Clone(l.ts), types.Int4Type), Order: append(slices.Clone(l.orders), changelog.Order{}), Dist: len(l.partition)}
	var ts []types.Type
	var orders []changelog.Order
	for _, f := range o.out[len(l.in):] {
		ts, orders = append(ts, f.Type), append(orders, changelog.Order{Exact: true})
	}
	o.results = changelog.NewEncoder(ts, orders)
	n := 0
	if o.keeps {
		spec.Value = append(spec.Value, state.ColumnSpec{Name: "result", Kind: state.Bytes})
		for _, c := range o.calls {
			n += c.lanes()
		}
		for i := range n {
			spec.Value = append(spec.Value, state.ColumnSpec{Name: fmt.Sprintf("lane%d", i), Kind: state.Int64})
		}
		for i, c := range o.calls {
			if carriesText(c) {
				spec.Value = append(spec.Value, state.ColumnSpec{Name: fmt.Sprintf("text%d", i), Kind: state.Bytes})
			}
		}
	}
	if o.rows, err = ctx.Tables.Ordered("rows", spec); err != nil {
		return err
	}
	if o.keeps {
		o.result = o.rows.Blob(0)
		for i := range n {
			o.lanes = append(o.lanes, o.rows.I64(i+1))
		}
		o.texts = make([]*state.BytesColumn, len(o.calls))
		for i, c := range o.calls {
			if carriesText(c) {
				n++
				o.texts[i] = o.rows.Blob(n)
			}
		}
	}
	o.closing.open(ctx)
	return nil
}

func carriesText(c overCall) bool {
	t, ok := c.(textCall)
	return ok && t.carriesText()
}

func (o *over) Process(ctx *Context, _ int, b *changelog.Batch, _ Emit) error {
	b, err := o.closing.admit(ctx, b, o.layout.in)
	if err != nil {
		return err
	}
	o.layout.reset(b)
	b.Each(func(row int) { o.set.add(o.layout, row, 0, b.Weight(row)) })
	return nil
}

func (o *over) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	o.out1 = newOverOut(o, emit)
	parts := o.take(o.set.settle())
	if o.keeps {
		if err := o.compute(ctx, parts); err != nil {
			return 0, err
		}
	}
	o.set.reset()
	if err := o.close(ctx); err != nil {
		return 0, err
	}
	o.out1.flush()
	return ctx.Watermark, nil
}

func (o *over) Close() error { return nil }

// take brings the rows up to date. Rows that are gone are taken back at once.
func (o *over) take(list []rowChange) (parts []overPart) {
	for i := 0; i < len(list); {
		prefix := o.set.key(&list[i])[:list[i].plen]
		j := i
		for ; j < len(list) && bytes.HasPrefix(o.set.key(&list[j]), prefix); j++ {
			o.change(o.set.key(&list[j]), list[j].w)
		}
		parts = append(parts, overPart{prefix: prefix, changes: list[i:j]})
		i = j
	}
	return parts
}

// change adds or removes copies of a row.
func (o *over) change(key []byte, w int64) {
	o.key = append(o.key[:0], key...)
	n := int64(0)
	if w > 0 {
		slot, added := o.rows.Insert(appendCopy(o.key, 0))
		if added {
			o.rows.Touch(slot)
			n, w = 1, w-1
		}
	}
	if w == 0 {
		return
	}
	if n == 0 {
		if c := o.rows.SeekPrefixLast(key); c.HasPrefix(key) {
			n = copyOf(c.Key()) + 1
		}
	}
	for ; w > 0; w, n = w-1, n+1 {
		slot, _ := o.rows.Insert(appendCopy(o.key, n))
		o.rows.Touch(slot)
	}
	for ; w < 0 && n > 0; w, n = w+1, n-1 {
		slot := o.rows.Find(appendCopy(o.key, n-1))
		if o.keeps {
			o.out1.takeBack(slot)
		}
		o.rows.Delete(slot)
	}
}

// close computes, if they are wanted then, and drops the partitions that the watermark has passed.
func (o *over) close(ctx *Context) (err error) {
	if !o.closing.passes(ctx.Watermark) {
		return nil
	}
	o.closing.each(o.rows, o.layout, nil, func(prefix []byte) {
		if !o.keeps && err == nil {
			o.work.reset(o)
			o.work.load(o.rows.Seek(prefix), prefix)
			err = o.eval(ctx)
		}
		o.rows.DeletePrefix(prefix)
	})
	return err
}

// eval computes the rows of the work and puts out what differs.
func (o *over) eval(ctx *Context) error {
	w := &o.work
	w.ready()
	results := make([]arrow.Array, len(o.calls))
	at := 0
	for i, c := range o.calls {
		n := c.lanes()
		var carried []*state.I64Column
		if o.keeps {
			carried = o.lanes[at : at+n]
		}
		for k := range n {
			w.lanes[at+k] = resize(w.lanes[at+k], len(w.eval))
		}
		if carriesText(c) {
			w.texts[i] = resize(w.texts[i], len(w.eval))
			clear(w.texts[i])
			var col *state.BytesColumn
			if o.keeps {
				col = o.texts[i]
			}
			c.(textCall).setCarried(col, w.texts[i])
		}
		results[i] = storedAs(c.eval(w, carried, w.lanes[at:at+n]), o.plan.Calls[i].T)
		at += n
	}
	o.results.Reset(results)
	return o.out1.differences(ctx, results)
}

// Results as they are kept: nothing if the row was not put out yet; else a mark with the encoded results, or with an error.
const (
	resultRow   = 1
	resultError = 2
)

// overOut puts out rows with results.
type overOut struct {
	o           *over
	minus, plus overRows
	old         []byte
}

// overRows is one batch in the making: rows and results.
type overRows struct {
	rows *orderedOut
	into []array.Builder
}

func newOverOut(o *over, emit Emit) *overOut {
	out := &overOut{o: o}
	for _, r := range []*overRows{&out.minus, &out.plus} {
		r.rows = newOrderedOut(o.layout, o.env.batchRows(), false, emit)
		r.rows.more = func() (cols []arrow.Array) {
			for _, b := range r.into {
				cols = append(cols, b.NewArray())
			}
			r.into = nil
			return cols
		}
	}
	return out
}

func (out *overOut) add(r *overRows, key, result []byte, weight int64) {
	if r.into == nil {
		for _, f := range out.o.out[len(out.o.layout.in):] {
			r.into = append(r.into, changelog.NewBuilder(f.Type))
		}
	}
	mustDecode(out.o.results, result, r.into)
	r.rows.add(key, 0, weight)
}

func (out *overOut) flush() {
	out.minus.rows.flush()
	out.plus.rows.flush()
}

// takeBack puts out that a row is gone. Rows that failed are withdrawn from the rejected ones when the row changes are computed.
func (out *overOut) takeBack(slot uint32) {
	old := out.o.result.Get(slot)
	switch {
	case len(old) == 0:
	case old[0] == resultRow:
		out.add(&out.minus, out.o.rows.Key(slot), old[1:], -1)
	default:
		out.o.work.gone = append(out.o.work.gone, goneRow{bytes.Clone(out.o.rows.Key(slot)), bytes.Clone(old)})
	}
}

// goneRow is a row that failed and is gone.
type goneRow struct{ key, result []byte }

// differences puts out the computed rows whose results are not what they were, and keeps them.
func (out *overOut) differences(ctx *Context, results []arrow.Array) error {
	o, w := out.o, &out.o.work
	w.moved = resize(w.moved, len(w.eval))
	for i, at := range w.eval {
		slot := w.slots[at]
		var now []byte
		if w.errs != nil && w.errs[i] != nil {
			now = appendResultError(append(w.now[:0], resultError), w.errs[i])
		} else {
			now = o.results.Append(append(w.now[:0], resultRow), i)
		}
		w.now = now
		if !o.keeps {
			if err := out.put(ctx, slot, now, 1); err != nil {
				return err
			}
			continue
		}
		old := o.result.Get(slot)
		moved := len(old) == 0
		for k, l := range o.lanes {
			p := l.At(slot)
			if v := w.lanes[k][i]; *p != v {
				*p, moved = v, true
			}
		}
		for k, col := range o.texts {
			if col != nil && !bytes.Equal(col.Get(slot), w.texts[k][i]) {
				col.Set(slot, w.texts[k][i])
				moved = true
			}
		}
		w.moved[i] = moved
		if bytes.Equal(old, now) {
			if moved {
				o.rows.Touch(slot)
			}
			continue
		}
		o.rows.Touch(slot)
		out.old = append(out.old[:0], old...)
		if len(old) > 0 {
			if err := out.put(ctx, slot, out.old, -1); err != nil {
				return err
			}
		}
		o.result.Set(slot, now)
		if err := out.put(ctx, slot, now, 1); err != nil {
			return err
		}
	}
	return nil
}

// put puts a row with its result out or takes it back; one that failed is rejected, or is not any more.
func (out *overOut) put(ctx *Context, slot uint32, result []byte, weight int64) error {
	key := out.o.rows.Key(slot)
	switch {
	case result[0] == resultError:
		return out.reject(ctx, key, result, weight)
	case weight < 0:
		out.add(&out.minus, key, result[1:], weight)
	default:
		out.add(&out.plus, key, result[1:], weight)
	}
	return nil
}

func (out *overOut) reject(ctx *Context, key, result []byte, weight int64) error {
	l := out.o.layout
	one := newOrderedOut(l, 2, false, nil)
	one.add(key, 0, 1)
	return ctx.Reject(Rejection{Batch: one.batch(), Schema: l.in, Reason: ReasonError, Err: resultErrorOf(result[1:]), Weight: weight,
		Policy: uint8(out.o.plan.OnError)})
}

// appendResultError appends an error: its code and its message, each ended by a zero byte.
func appendResultError(dst []byte, err *types.Error) []byte {
	dst = append(append(dst, string(err.Code)...), 0)
	return append(append(dst, err.Msg...), 0)
}

func resultErrorOf(b []byte) *types.Error {
	parts := bytes.SplitN(b, []byte{0}, 3)
	return types.Errorf(types.Code(parts[0]), "%s", parts[1])
}

// storedAs returns a column in the storage of a type: NUMERIC with a precision as one without.
func storedAs(a arrow.Array, t types.Type) arrow.Array {
	d, ok := a.(*array.Decimal128)
	if !ok || t.Kind != types.Numeric || t.IsDecimal128() {
		return a
	}
	from, _ := types.FromArrow(d.DataType())
	out := newNumericOut(d.Len())
	for i := range d.Len() {
		if d.IsNull(i) {
			out.null(i)
			continue
		}
		types.ValueAt(from, d, i).(types.NumericValue).Put(out.buf[i*types.NumericWidth:])
	}
	return out.array()
}
