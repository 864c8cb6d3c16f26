package expr

import (
	"cmp"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// orderedTypes are the types that compare.
var orderedTypes = []types.Type{
	types.Int2Type, types.Int4Type, types.Int8Type, types.NumericType, types.Float4Type, types.Float8Type, types.BoolType,
	types.TextType, types.ByteaType, types.DateType, types.TimeType, types.TimestampType, types.TimestampTZType,
	types.IntervalType,
}

func (t *table) comparison() {
	t.cat = CatComparison
	b := types.BoolType
	for _, d := range []struct {
		name                 string
		op                   comparison
		doc, example, answer string
	}{
		{"=", eq, "equal; NaN equals NaN", "2 = 2.0", "t"},
		{"<>", ne, "not equal (also written !=)", "'a' <> 'A'", "t"},
		{"<", lt, "less than", "DATE '2024-01-31' < DATE '2024-02-01'", "t"},
		{"<=", le, "less than or equal", "1 <= 1", "t"},
		{">", gt, "greater than; NaN is above all other numbers, texts compare by their bytes", "'b' > 'a'", "t"},
		{">=", ge, "greater than or equal", "INTERVAL '1 month' >= INTERVAL '30 days'", "t"},
	} {
		t.group(d.doc, d.example, d.answer)
		for _, typ := range orderedTypes {
			t.op(d.name, sig(typ, typ), b, comparer(typ)(d.op))
		}
		t.op(d.name, sig(types.Float4Type, types.Float8Type), b, compareFloats[float32, float64](d.op))
		t.op(d.name, sig(types.Float8Type, types.Float4Type), b, compareFloats[float64, float32](d.op))
		t.op(d.name, sig(types.JSONBType, types.JSONBType), b, comparer(types.JSONBType)(d.op))
	}
	for _, not := range []bool{false, true} {
		name := "is distinct from"
		t.group("not equal, where NULL is a value like any other", "NULL IS DISTINCT FROM 1", "t")
		if not {
			name = "is not distinct from"
			t.group("equal, where NULL is a value like any other", "NULL IS NOT DISTINCT FROM NULL", "t")
		}
		for _, typ := range append(orderedTypes[:len(orderedTypes):len(orderedTypes)], types.JSONBType) {
			t.op(name, sig(typ, typ), b, distinctFrom(comparer(typ), not), lax)
		}
	}
	for _, not := range []bool{false, true} {
		name, word := "is null", "NULL"
		if not {
			name, word = "is not null", "anything but NULL"
		}
		t.group("true if the argument is "+word, "NULL "+strings.ToUpper(name), text(!not))
		t.op(name, sig(types.UnknownType), b, isNull(not), lax)
	}
	t.extremes()
}

func text(b bool) string {
	if b {
		return "t"
	}
	return "f"
}

// distinctFrom is a comparison in which NULL equals NULL.
func distinctFrom(of func(o comparison) binder, not bool) binder {
	return func(b *binding) kernel {
		equal := of(ne)(&binding{args: nil, t: b.t}).run
		if not {
			equal = of(eq)(&binding{args: nil, t: b.t}).run
		}
		return kernel{run: func(c *call) {
			x, y := c.args[0], c.args[1]
			// Rows where both have a value compare; the others differ if one of the two has one.
			sel := c.sel
			c.valid, c.listed = both(x, y, c.n), false
			known := c.valid
			if x.konst && x.null(0) || y.konst && y.null(0) {
				c.buf = make([]byte, (c.n+7)/8)
			} else {
				equal(c)
			}
			c.sel, c.valid, c.listed = sel, nil, false
			if known == nil {
				return
			}
			for i := range c.n {
				if known[i>>3]>>(i&7)&1 != 0 {
					continue
				}
				differ := x.null(i) != y.null(i)
				c.buf[i>>3] = c.buf[i>>3]&^(1<<(i&7)) | b2u(differ != not)<<(i&7)
			}
		}}
	}
}

// both returns the rows in which neither is NULL; nil means all.
func both(x, y *vec, n int) []byte {
	var out []byte
	for _, v := range []*vec{x, y} {
		switch {
		case v.valid == nil:
		case v.konst:
			if v.null(0) {
				return make([]byte, (n+7)/8)
			}
		case out == nil:
			out = v.valid
		default:
			out = combine(out, v.valid, n, bitAnd)
		}
	}
	return out
}

func isNull(not bool) binder {
	return simple(func(c *call) {
		v := c.args[0]
		out := c.outBits()
		switch {
		case v.valid == nil:
			if not {
				setAll(out, c.n)
			}
			return
		case v.konst:
			if v.null(0) != not {
				setAll(out, c.n)
			}
			return
		}
		copy(out, v.valid)
		if !not {
			negate(out)
		}
	})
}

// extremes adds greatest and least, which pass over NULLs.
func (t *table) extremes() {
	t.cat = CatConditional
	for _, largest := range []bool{true, false} {
		name := "least"
		t.group("the smallest of the arguments that are not NULL", "least(3, NULL, 1)", "1")
		if largest {
			name = "greatest"
			t.group("the largest of the arguments that are not NULL", "greatest(3, NULL, 1)", "3")
		}
		for _, typ := range append(orderedTypes[:len(orderedTypes):len(orderedTypes)], types.JSONBType) {
			t.fn(name, sig(typ), typ, extreme(typ, largest), lax, variadic)
		}
		t.fn(name, sig(types.AnyArray), types.AnyArray, extremeList(largest), compatible, lax, variadic)
	}
}

func extreme(t types.Type, largest bool) binder {
	switch t.Kind {
	case types.Bool:
		return extremeOf(compareBools, largest)
	case types.Int2:
		return extremeOf(cmp.Compare[int16], largest)
	case types.Int4, types.Date:
		return extremeOf(cmp.Compare[int32], largest)
	case types.Int8, types.Time, types.Timestamp, types.TimestampTZ:
		return extremeOf(cmp.Compare[int64], largest)
	case types.Float4:
		return extremeOf(func(a, b float32) int { return compareFloat(float64(a), float64(b)) }, largest)
	case types.Float8:
		return extremeOf(compareFloat, largest)
	case types.Numeric:
		return extremeOf(types.NumericValue.Cmp, largest)
	case types.Interval:
		return extremeOf(types.IntervalValue.Cmp, largest)
	}
	if t.Kind == types.JSONB {
		return extremeText(types.CompareJSONB, largest)
	}
	return extremeText(strings.Compare, largest)
}

// extremeOf keeps the best value so far, argument by argument.
func extremeOf[T any](order func(a, b T) int, largest bool) binder {
	return simple(func(c *call) {
		best := results[T](c)
		valid := make([]byte, (c.n+7)/8)
		for k := range c.args {
			// Only one argument's temporary memory is needed at a time.
			a, m := columnIn[T](c, k, 0)
			v := c.args[k]
			eachSelected(c, func(i int) {
				if v.null(i) {
					return
				}
				x := a[i&m]
				if valid[i>>3]>>(i&7)&1 == 0 {
					valid[i>>3] |= 1 << (i & 7)
					best[i] = x
					return
				}
				if o := order(x, best[i]); o > 0 && largest || o < 0 && !largest {
					best[i] = x
				}
			})
		}
		finish(c, best)
		c.valid, c.ownValid = valid, true
	})
}

// eachSelected calls f for every selected row, whatever is NULL.
func eachSelected(c *call, f func(i int)) {
	if c.sel == nil {
		for i := range c.n {
			f(i)
		}
	}
	for _, i := range c.sel {
		f(int(i))
	}
}

func extremeText(order func(a, b string) int, largest bool) binder {
	return simple(func(c *call) {
		best := scratch[int32](c, 0, c.n)
		valid := make([]byte, (c.n+7)/8)
		eachSelected(c, func(i int) {
			best[i] = -1
			var top string
			for k, v := range c.args {
				if v.null(i) {
					continue
				}
				at := i
				if v.konst {
					at = 0
				}
				x := textAt(v, at)
				if best[i] < 0 || largest && order(x, top) > 0 || !largest && order(x, top) < 0 {
					best[i], top = int32(k), x
				}
			}
			if best[i] >= 0 {
				valid[i>>3] |= 1 << (i & 7)
			}
		})
		c.valid, c.ownValid, c.listed = valid, true, false
		texted(c, func(dst []byte, i int) ([]byte, error) {
			v := c.args[best[i]]
			if v.konst {
				i = 0
			}
			return append(dst, textAt(v, i)...), nil
		})
	})
}
