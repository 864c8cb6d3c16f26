package expr

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// arrayCasts adds the casts from texts to arrays and between arrays; those to text are among the other casts to text.
func (t *table) arrayCasts() {
	example := castExamples[types.Array]
	for _, elem := range castKinds {
		to := types.ArrayOf(elem)
		t.group("converts text to "+to.String(), example[0], example[1])
		props := []property{fallible}
		if elem.Kind == types.TimestampTZ {
			props = append(props, stable)
		}
		t.cast("cast", types.TextType, to, textToArray, props)
	}
	for _, from := range castKinds {
		for _, to := range castKinds {
			if from == to || !CanCast(from, to, Explicit) {
				continue
			}
			_, props := castKernel(from.Kind, to.Kind)
			t.group("converts the elements of "+from.String()+"[] to "+to.String(), example[0], example[1])
			t.cast("cast", types.ArrayOf(from), types.ArrayOf(to), castElements, props)
		}
	}
}

// textToArray reads PostgreSQL's text form of an array.
func textToArray(b *binding) kernel {
	return kernel{run: func(c *call) {
		a, m := column[string](c, 0)
		elem := c.node.t.ElemType()
		zone := c.ctx.zone()
		w := newListWriter(c)
		eachRow(c, func(i int) error {
			value, err := types.ParseTextIn(c.node.t, a[i&m], zone)
			if err != nil {
				return err
			}
			out := w.begin(i)
			for _, x := range value.([]any) {
				appendValue(out, elem, x)
			}
			return nil
		})
		w.done()
	}}
}

// castElements runs the elements' cast over all elements of the wanted rows at once.
func castElements(b *binding) kernel {
	var p *Program
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		from, to := a.elems.t, c.node.t.ElemType()
		if p == nil {
			var err error
			elem := &Column{Base: Base{T: from, Sp: c.node.sp}}
			p, err = c.program.registry.Compile([]Expr{&Call{Base: Base{T: to, Sp: c.node.sp}, Fn: castID(from, to, Explicit), Args: []Expr{elem}}})
			if err != nil {
				c.program.fail(err)
				c.take(constVec(c.node.t, nil, c.n).repeat())
				return
			}
		}
		var sel []uint32
		eachRow(c, func(i int) error {
			low, high := a.row(i)
			for e := low; e < high; e++ {
				sel = append(sel, uint32(e))
			}
			return nil
		})
		values := changelog.TakeArray(a.arr.ListValues(), sel)
		res, err := p.Eval(c.ctx, &changelog.Batch{Cols: []arrow.Array{values}, N: len(sel)})
		if err != nil {
			c.program.fail(err)
			c.take(constVec(c.node.t, nil, c.n).repeat())
			return
		}
		offs := make([]int32, c.n+1)
		done, k := 0, 0
		eachRow(c, func(i int) error {
			for ; done <= i; done++ {
				offs[done] = int32(k)
			}
			low, high := a.row(i)
			var failed error
			for range high - low {
				if e := res[0].Errs.At(uint32(k)); e != nil && failed == nil {
					failed = e
				}
				k++
			}
			return failed
		})
		for ; done <= c.n; done++ {
			offs[done] = int32(k)
		}
		nulls := 0
		var valid *memory.Buffer
		if c.valid != nil {
			valid = memory.NewBufferBytes(c.valid)
			nulls = c.n - countBits(c.valid, c.n)
		}
		data := array.NewData(c.node.t.Arrow(), c.n, []*memory.Buffer{valid, memory.NewBufferBytes(bytesOf(offs))}, []arrow.ArrayData{res[0].Arr.Data()}, nulls, 0)
		c.take(fromArrow(c.node.t, array.MakeFromData(data)))
	}}
}
