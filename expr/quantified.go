package expr

import (
	"strings"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// quantified adds x op ANY (array) and x op ALL (array). The third argument is the overload that compares x with an element.
func (t *table) quantified() {
	sigs := sig(types.AnyElement, types.AnyArray, types.TextType)
	t.group("true if the comparison with any element is true, NULL if none is and one is NULL (written x op ANY (array))",
		"2 = ANY (ARRAY[1, 2])", "t")
	t.op("any", sigs, types.BoolType, quantify(true), matching, lax, fallible)
	t.group("true if the comparison with every element is true, NULL if none is false and one is NULL (written x op ALL (array))",
		"2 > ALL (ARRAY[0, 1])", "t")
	t.op("all", sigs, types.BoolType, quantify(false), matching, lax, fallible)
}

// NewQuantified builds x op ANY (array), or ALL. Where op is = (ANY) or <> (ALL) and the array is constant, that is IN or NOT IN.
//
// Errors: CodeWrongObjectType if the right side is no array; CodeUndefinedFunction; CodeDatatypeMismatch if op gives no boolean.
func (r *Registry) NewQuantified(op string, anyOf bool, x, array Expr, sp types.Span) (Expr, error) {
	word := "ALL"
	if anyOf {
		word = "ANY"
	}
	if array.Type().Kind == types.Unknown { // a literal is an array of x's type
		elem := x.Type().Base()
		if elem.Kind == types.Unknown {
			elem = types.TextType
		}
		if elem.Kind == types.Array {
			return nil, types.NotSupported(sp, "arrays of more than one dimension")
		}
		var err error
		if array, err = Cast(array, types.ArrayOf(elem), Implicit); err != nil {
			return nil, err
		}
	}
	if array.Type().Kind != types.Array {
		return nil, types.Errorf(types.CodeWrongObjectType, "op %s (array) requires array on right side, not %s", word, array.Type()).At(array.Span())
	}
	switch strings.ToLower(op) {
	case "!=":
		op = "<>"
	case "like":
		op = "~~"
	case "not like":
		op = "!~~"
	case "ilike":
		op = "~~*"
	case "not ilike":
		op = "!~~*"
	}
	o, err := r.ResolveOperator(op, []types.Type{x.Type(), array.Type().ElemType()})
	if err != nil {
		return nil, positioned(err, sp)
	}
	if o.Result.Kind != types.Bool {
		return nil, types.Errorf(types.CodeWrongObjectType, "op %s (array) requires operator to yield boolean", word).At(sp)
	}
	want := o.ArgTypes(2)
	if want[0].Kind == types.Unknown || want[1].Kind == types.Unknown || want[1].Kind == types.Array {
		return nil, types.NotSupported(sp, "%s %s (array) for these types", op, word)
	}
	if x, err = Cast(x, want[0], Implicit); err != nil {
		return nil, err
	}
	if array, err = Cast(array, types.ArrayOf(want[1]), Implicit); err != nil {
		return nil, err
	}
	if want[0] == want[1] && (op == "=" && anyOf || op == "<>" && !anyOf) {
		if lit, ok := r.Fold(array).(*Literal); ok {
			if lit.Value == nil {
				return &Literal{Base: Base{T: types.BoolType, Sp: sp}}, nil
			}
			if values := lit.Value.([]any); len(values) > 0 && x.Type() == want[0] {
				in := &In{Base: Base{T: types.BoolType, Sp: sp}, X: x, Not: !anyOf}
				for _, v := range values {
					in.List = append(in.List, &Literal{Base: Base{T: want[0], Sp: sp}, Value: v})
				}
				return in, nil
			}
		}
	}
	fn := &Literal{Base: Base{T: types.TextType, Sp: sp}, Value: o.ID}
	id := overloadID(strings.ToLower(word), sig(types.AnyElement, types.AnyArray, types.TextType), false)
	return &Call{Base: Base{T: types.BoolType, Sp: sp}, Fn: id, Args: []Expr{x, array, fn}}, nil
}

// quantify runs the comparison over all pairs of a value and an element at once.
func quantify(anyOf bool) binder {
	return func(b *binding) kernel {
		fn, _ := b.constText(2)
		var p *Program
		return kernel{run: func(c *call) {
			x, a := c.args[0], listArg(c, 1)
			if p == nil {
				var err error
				pair := []Expr{&Column{Base: Base{T: x.t, Sp: c.node.sp}}, &Column{Base: Base{T: a.elems.t, Sp: c.node.sp}, Index: 1}}
				p, err = c.program.registry.Compile([]Expr{&Call{Base: Base{T: types.BoolType, Sp: c.node.sp}, Fn: fn, Args: pair}})
				if err != nil {
					c.program.fail(err)
				}
			}
			out := c.outBits()
			if c.program.fatal != nil {
				return
			}
			var xs, elems []uint32
			eachList(c, false, func(i int) error {
				if a.null(i) {
					return nil
				}
				from, to := a.row(i)
				for e := from; e < to; e++ {
					xs = append(xs, uint32(x.at(i)))
					elems = append(elems, uint32(e))
				}
				return nil
			})
			left := *x
			left.konst, left.n = false, x.physical()
			if x.konst {
				left.arr = nil
			}
			holds := &vec{n: 0}
			if len(xs) > 0 {
				batch := &changelog.Batch{N: len(xs)}
				batch.Cols = append(batch.Cols, changelog.TakeArray(left.toArrow(), xs), changelog.TakeArray(a.arr.ListValues(), elems))
				res, err := p.Eval(c.ctx, batch)
				if err != nil {
					c.program.fail(err)
					return
				}
				holds = fromArrow(types.BoolType, res[0].Arr)
				holds.errs = res[0].Errs
			}
			k := 0
			eachList(c, false, func(i int) error {
				if a.null(i) {
					c.setNull(i)
					return nil
				}
				from, to := a.row(i)
				decided, unknown := false, false
				var failed error
				for range to - from {
					switch {
					case holds.null(k):
						if e := holds.errs.At(uint32(k)); e != nil && failed == nil {
							failed = e
						}
						unknown = true
					case holds.bit(k) == anyOf:
						decided = true
					}
					k++
				}
				switch {
				case decided && anyOf, !decided && !unknown && !anyOf:
					out[i>>3] |= 1 << (i & 7)
				case decided:
				case failed != nil:
					return failed
				case unknown:
					c.setNull(i)
				}
				return nil
			})
		}}
	}
}
