package expr

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// lists is an argument that holds arrays.
type lists struct {
	v     *vec
	arr   *array.List
	elems *vec // of all rows, one after the other
}

// listArg returns argument i, which is of an array type.
func listArg(c *call, i int) *lists {
	v := c.args[i]
	arr := v.arr.(*array.List)
	return &lists{v: v, arr: arr, elems: fromArrow(v.t.ElemType(), arr.ListValues())}
}

// row returns where the elements of row i stand in elems.
func (l *lists) row(i int) (from, to int) {
	if l.v.konst {
		i = 0
	}
	a, b := l.arr.ValueOffsets(i)
	return int(a), int(b)
}

// null reports whether row i is NULL.
func (l *lists) null(i int) bool { return l.v.null(i) }

// listWriter collects the arrays of a result in row order.
type listWriter struct {
	c    *call
	b    *array.ListBuilder
	next int
}

func newListWriter(c *call) *listWriter {
	return &listWriter{c: c, b: types.NewBuilder(c.node.t).(*array.ListBuilder)}
}

// begin starts the array of row i and returns the builder of its elements; rows that were passed over are NULL.
func (w *listWriter) begin(i int) array.Builder {
	for ; w.next < i; w.next++ {
		w.b.AppendNull()
	}
	w.next = i + 1
	w.b.Append(true)
	return w.b.ValueBuilder()
}

func (w *listWriter) done() {
	for ; w.next < w.c.n; w.next++ {
		w.b.AppendNull()
	}
	w.c.take(fromArrow(w.c.node.t, w.b.NewArray()))
}

// eachList calls f for every row that has no NULL argument (strict), or every selected row in which no argument failed (not strict).
func eachList(c *call, strict bool, f func(i int) error) {
	if strict {
		eachRow(c, f)
		return
	}
	bad := &RowErrors{}
	if c.errs != nil { // errors that are added now stand behind those of the arguments
		*bad = *c.errs
	}
	eachSelected(c, func(i int) {
		if bad.At(uint32(i)) != nil {
			return
		}
		if err := f(i); err != nil {
			c.fail(i, err)
		}
	})
}

// order compares element i of a with element j of b, neither of which is NULL, as < does; nil for types without order.
type order func(a *vec, i int, b *vec, j int) int

func orderOf(t types.Type) order {
	switch t.Kind {
	case types.Bool:
		return func(a *vec, i int, b *vec, j int) int { return compareBools(a.bit(i), b.bit(j)) }
	case types.Int2:
		return orderFixed(func(x, y int16) int { return cmp.Compare(x, y) })
	case types.Int4, types.Date:
		return orderFixed(func(x, y int32) int { return cmp.Compare(x, y) })
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		return orderFixed(func(x, y int64) int { return cmp.Compare(x, y) })
	case types.Float4:
		return orderFixed(func(x, y float32) int { return compareFloat(float64(x), float64(y)) })
	case types.Float8:
		return orderFixed(compareFloat)
	case types.Numeric:
		return func(a *vec, i int, b *vec, j int) int { return a.numericAt(a.at(i)).Cmp(b.numericAt(b.at(j))) }
	case types.Interval:
		return func(a *vec, i int, b *vec, j int) int {
			return getInterval(a.buf[a.at(i)*16:]).Cmp(getInterval(b.buf[b.at(j)*16:]))
		}
	case types.Text, types.Bytea:
		return func(a *vec, i int, b *vec, j int) int { return strings.Compare(textAt(a, a.at(i)), textAt(b, b.at(j))) }
	case types.JSONB:
		return func(a *vec, i int, b *vec, j int) int {
			return types.CompareJSONB(textAt(a, a.at(i)), textAt(b, b.at(j)))
		}
	}
	panic(fmt.Sprintf("expr: order of %s", t))
}

// at returns the physical row that stands for row i.
func (v *vec) at(i int) int {
	if v.konst {
		return 0
	}
	return i
}

func orderFixed[T any](f func(x, y T) int) order {
	return func(a *vec, i int, b *vec, j int) int { return f(view[T](a.buf)[a.at(i)], view[T](b.buf)[b.at(j)]) }
}

// compareLists compares two arrays as PostgreSQL does: element by element, NULL above everything and equal to NULL, then by length.
func compareLists(less order, a *lists, i int, b *lists, j int) int {
	af, at := a.row(i)
	bf, bt := b.row(j)
	for ; af < at && bf < bt; af, bf = af+1, bf+1 {
		an, bn := a.elems.null(af), b.elems.null(bf)
		switch {
		case an && bn:
		case an:
			return 1
		case bn:
			return -1
		default:
			if c := less(a.elems, af, b.elems, bf); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(int64(at-af), int64(bt-bf))
}
