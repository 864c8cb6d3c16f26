package expr

import (
	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// arrayOf builds an array from values in the form of Literal.Value.
func arrayOf(t types.Type, values []any) arrow.Array {
	b := types.NewBuilder(t)
	for _, v := range values {
		appendValue(b, t, v)
	}
	return b.NewArray()
}

// inOp is x [NOT] IN (constants).
type inOp struct {
	x       *node
	not     bool
	hasNull bool // the list has a NULL: what is not found is unknown
	found   func(v *vec, rows []uint32, out []byte)
	rows    []uint32
}

func (p *Program) inOperation(e *In) (operation, error) {
	x, err := p.build(e.X)
	if err != nil {
		return nil, err
	}
	o := &inOp{x: x, not: e.Not}
	var values []any
	for _, l := range e.List {
		lit, ok := l.(*Literal)
		if !ok {
			return nil, types.Errorf(types.CodeInternal, "IN over %s is no list of constants", l).At(l.Span())
		}
		if lit.Value == nil {
			o.hasNull = true
			continue
		}
		values = append(values, lit.Value)
	}
	o.found = finder(e.X.Type(), values)
	return o, nil
}

func (o *inOp) eval(p *Program, n *node, s *scope) *vec {
	x := o.x.eval(p, s)
	if x.konst {
		return o.konst(p, n, x)
	}
	rows := p.batch.N
	out := &vec{t: n.t, n: rows, errs: x.errs, valid: x.valid, buf: make([]byte, (rows+7)/8)}
	list := s.sel
	if x.valid != nil { // values under NULL may be anything
		if cap(o.rows) < rows {
			o.rows = make([]uint32, rows)
		}
		list = bitsToRows(x.valid, rows, o.rows[:rows])
	}
	o.found(x, list, out.buf)
	if o.hasNull {
		if out.valid == nil {
			out.valid = out.buf
		} else {
			out.valid = combine(out.valid, out.buf, rows, bitAnd)
		}
	}
	if o.not {
		out.buf = combine(out.buf, out.buf, rows, func(x, _ uint64) uint64 { return ^x })
	}
	return out
}

func (o *inOp) konst(p *Program, n *node, x *vec) *vec {
	if x.null(0) {
		return constVec(n.t, nil, p.batch.N)
	}
	one := *x
	one.n, one.konst = 1, false
	bits := []byte{0}
	o.found(&one, nil, bits)
	switch {
	case bits[0] != 0:
		return constVec(n.t, !o.not, p.batch.N)
	case o.hasNull:
		return constVec(n.t, nil, p.batch.N)
	}
	return constVec(n.t, o.not, p.batch.N)
}

// finder returns what sets the bits of the rows (nil: all) whose value is in the set.
func finder(t types.Type, values []any) func(v *vec, rows []uint32, out []byte) {
	switch t.Kind {
	case types.Int2:
		return findInts[int16](values)
	case types.Int4, types.Date:
		return findInts[int32](values)
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		return findInts[int64](values)
	case types.Text, types.Bytea, types.JSONB:
		return findTexts(values)
	case types.Bool:
		return findAny(values, func(v *vec, i int) any { return v.bit(i) })
	}
	return findAny(values, func(v *vec, i int) any { return hashable(v.valueAt(i)) })
}

// hashable returns a key that is equal for values that are equal in SQL.
func hashable(value any) any {
	switch x := value.(type) {
	case types.NumericValue:
		return x.Normalize()
	case types.IntervalValue:
		return x.Normalize()
	case float64:
		if x != x {
			return "NaN"
		}
		return x + 0 // -0 is 0
	case []byte:
		return string(x)
	}
	return value
}

func findAny(values []any, at func(v *vec, i int) any) func(v *vec, rows []uint32, out []byte) {
	set := make(map[any]struct{}, len(values))
	for _, x := range values {
		set[hashable(x)] = struct{}{}
	}
	return func(v *vec, rows []uint32, out []byte) {
		if rows == nil {
			for i := range v.n {
				if _, ok := set[at(v, i)]; ok {
					out[i>>3] |= 1 << (i & 7)
				}
			}
		}
		for _, i := range rows {
			if _, ok := set[at(v, int(i))]; ok {
				out[i>>3] |= 1 << (i & 7)
			}
		}
	}
}

// findInts looks values up in a bitmap if they lie close together, by comparing if they are few, else in a hash set.
func findInts[T int16 | int32 | int64](values []any) func(v *vec, rows []uint32, out []byte) {
	list := make([]T, len(values))
	for i, x := range values {
		list[i] = T(x.(int64))
	}
	if len(list) == 0 {
		return func(*vec, []uint32, []byte) {}
	}
	lo, hi := list[0], list[0]
	for _, x := range list {
		lo, hi = min(lo, x), max(hi, x)
	}
	const widest = 1 << 16
	if span := uint64(hi) - uint64(lo); span < widest {
		bitmap := make([]uint64, span/64+1)
		for _, x := range list {
			d := uint64(x) - uint64(lo)
			bitmap[d>>6] |= 1 << (d & 63)
		}
		return func(v *vec, rows []uint32, out []byte) {
			vals := view[T](v.buf)
			if rows == nil {
				for i, x := range vals {
					if d := uint64(x) - uint64(lo); d <= span {
						out[i>>3] |= byte(bitmap[d>>6]>>(d&63)&1) << (i & 7)
					}
				}
			}
			for _, i := range rows {
				if d := uint64(vals[i]) - uint64(lo); d <= span {
					out[i>>3] |= byte(bitmap[d>>6]>>(d&63)&1) << (i & 7)
				}
			}
		}
	}
	const few = 8
	if len(list) <= few {
		return func(v *vec, rows []uint32, out []byte) {
			vals := view[T](v.buf)
			test := func(i uint32, x T) {
				hit := byte(0)
				for _, y := range list {
					hit |= b2u(x == y)
				}
				out[i>>3] |= hit << (i & 7)
			}
			if rows == nil {
				for i, x := range vals {
					test(uint32(i), x)
				}
			}
			for _, i := range rows {
				test(i, vals[i])
			}
		}
	}
	set := make(map[T]struct{}, len(list))
	for _, x := range list {
		set[x] = struct{}{}
	}
	return func(v *vec, rows []uint32, out []byte) {
		vals := view[T](v.buf)
		if rows == nil {
			for i, x := range vals {
				if _, ok := set[x]; ok {
					out[i>>3] |= 1 << (i & 7)
				}
			}
		}
		for _, i := range rows {
			if _, ok := set[vals[i]]; ok {
				out[i>>3] |= 1 << (i & 7)
			}
		}
	}
}

func findTexts(values []any) func(v *vec, rows []uint32, out []byte) {
	set := make(map[string]struct{}, len(values))
	for _, x := range values {
		switch x := x.(type) {
		case string:
			set[x] = struct{}{}
		case []byte:
			set[string(x)] = struct{}{}
		}
	}
	return func(v *vec, rows []uint32, out []byte) {
		if rows == nil {
			for i := range v.n {
				if _, ok := set[string(v.buf[v.offs[i]:v.offs[i+1]])]; ok {
					out[i>>3] |= 1 << (i & 7)
				}
			}
		}
		for _, i := range rows {
			if _, ok := set[string(v.buf[v.offs[i]:v.offs[i+1]])]; ok {
				out[i>>3] |= 1 << (i & 7)
			}
		}
	}
}
