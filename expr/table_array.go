package expr

import (
	"math"
	"strconv"

	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// maxArrayElements bounds what array_fill and generated arrays may hold.
const maxArrayElements = 1 << 27

// arrays adds the functions and operators over arrays. All arrays have one dimension with subscripts from 1.
func (t *table) arrays() {
	t.cat = CatArray
	arr, elem := types.AnyArray, types.AnyElement
	integer, text, boolean := types.Int4Type, types.TextType, types.BoolType

	t.group("an array of the arguments, in the type that they have in common (written ARRAY[...])", "ARRAY[1, NULL, 2.5]", "{1,NULL,2.5}")
	t.fn("array", sig(elem), arr, arrayConstructor, compatible, variadic, lax)
	t.group("the element with that subscript, from 1; NULL if there is none", "(ARRAY['a', 'b'])[2]", "b")
	t.op("[]", sig(arr, integer), elem, arraySubscript, matching)
	t.group("the elements from one subscript to another", "(ARRAY[1, 2, 3])[2:3]", "{2,3}")
	t.op("[:]", sig(arr, integer, integer), arr, arraySlice, matching)

	for _, d := range []struct {
		name, doc, example, answer string
		of                         func(from, to int) (int32, bool)
	}{
		{"array_upper", "the last subscript; NULL of an empty array", "array_upper(ARRAY[4, 5, 6], 1)", "3",
			func(from, to int) (int32, bool) { return int32(to - from), to > from }},
		{"array_lower", "the first subscript; NULL of an empty array", "array_lower(ARRAY[4, 5, 6], 1)", "1",
			func(from, to int) (int32, bool) { return 1, to > from }},
		{"array_length", "the number of elements; NULL of an empty array", "array_length(ARRAY[4, 5, 6], 1)", "3",
			func(from, to int) (int32, bool) { return int32(to - from), to > from }},
	} {
		t.group(d.doc+" (the second argument is the dimension, 1)", d.example, d.answer)
		t.fn(d.name, sig(arr, integer), integer, arrayMeasure(d.of), matching)
	}
	t.group("the number of elements, 0 of an empty array", "cardinality(ARRAY[4, NULL, 6])", "3")
	t.fn("cardinality", sig(arr), integer, arrayMeasure(func(from, to int) (int32, bool) { return int32(to - from), true }), matching)
	t.group("the number of dimensions, 1; NULL of an empty array", "array_ndims(ARRAY[4, 5])", "1")
	t.fn("array_ndims", sig(arr), integer, arrayMeasure(func(from, to int) (int32, bool) { return 1, to > from }), matching)
	t.group("the subscripts as text; NULL of an empty array", "array_dims(ARRAY[4, 5])", "[1:2]")
	t.fn("array_dims", sig(arr), text, arrayDims, matching)

	t.group("the elements of both arrays", "ARRAY[1, 2] || ARRAY[3]", "{1,2,3}")
	t.op("||", sig(arr, arr), arr, arrayCat, compatible, lax)
	t.fn("array_cat", sig(arr, arr), arr, arrayCat, compatible, lax)
	t.group("the array with the element behind it", "ARRAY[1, 2] || 3", "{1,2,3}")
	t.op("||", sig(arr, elem), arr, arrayAppend(0, 1), compatible, lax)
	t.fn("array_append", sig(arr, elem), arr, arrayAppend(0, 1), compatible, lax)
	t.group("the array with the element before it", "1 || ARRAY[2, 3]", "{1,2,3}")
	t.op("||", sig(elem, arr), arr, arrayAppend(1, 0), compatible, lax)
	t.fn("array_prepend", sig(elem, arr), arr, arrayAppend(1, 0), compatible, lax)

	t.group("the array without the elements that equal the second argument", "array_remove(ARRAY[1, 2, 1], 1)", "{2}")
	t.fn("array_remove", sig(arr, elem), arr, arrayReplace(false), compatible, lax)
	t.group("the array with the elements that equal the second argument replaced by the third", "array_replace(ARRAY[1, 2, 1], 1, 7)", "{7,2,7}")
	t.fn("array_replace", sig(arr, elem, elem), arr, arrayReplace(true), compatible, lax)
	t.group("the subscript of the first element that equals the second argument, from a start on; NULL if there is none",
		"array_position(ARRAY['a', 'b', 'a'], 'b')", "2")
	t.fn("array_position", sig(arr, elem), integer, arrayPosition, compatible, lax)
	t.fn("array_position", sig(arr, elem, integer), integer, arrayPosition, compatible, lax, fallible)
	t.group("the subscripts of all elements that equal the second argument", "array_positions(ARRAY['a', 'b', 'a'], 'a')", "{1,3}")
	t.fn("array_positions", sig(arr, elem), types.ArrayOf(integer), arrayPositions, compatible, lax)
	t.group("the array without its last n elements", "trim_array(ARRAY[1, 2, 3], 2)", "{1}")
	t.fn("trim_array", sig(arr, integer), arr, arrayTrim, matching, fallible)
	t.group("an array of as many times the first argument as the second, an array with one length, says", "array_fill(7, ARRAY[3])", "{7,7,7}")
	t.fn("array_fill", sig(elem, types.ArrayOf(integer)), arr, arrayFill, matching, lax, fallible)

	t.group("the texts of the elements with a delimiter between them; NULLs are left out, or the third argument stands for them",
		"array_to_string(ARRAY[1, NULL, 3], ',', '*')", "1,*,3")
	t.fn("array_to_string", sig(arr, text), text, arrayToString, matching, stable)
	t.fn("array_to_string", sig(arr, text, text), text, arrayToString, matching, lax, stable)
	t.group("the parts of a text between delimiters; without delimiter (NULL) its characters. Parts equal to the third argument are NULL",
		"string_to_array('a,b,,c', ',', '')", "{a,b,NULL,c}")
	t.fn("string_to_array", sig(text, text), types.ArrayOf(text), stringToArray, lax)
	t.fn("string_to_array", sig(text, text, text), types.ArrayOf(text), stringToArray, lax)
	t.group("the groups of a regular expression's first match, or the match where it has no groups; NULL without match",
		"regexp_match('foobarbequebaz', '(bar)(beque)')", "{bar,beque}")
	t.fn("regexp_match", sig(text, text), types.ArrayOf(text), regexMatchArray, fallible)
	t.fn("regexp_match", sig(text, text, text), types.ArrayOf(text), regexMatchArray, fallible)
	t.group("the parts of a text between the matches of a regular expression", "regexp_split_to_array('a1b22c', '[0-9]+')", "{a,b,c}")
	t.fn("regexp_split_to_array", sig(text, text), types.ArrayOf(text), regexSplitToArray, fallible)
	t.fn("regexp_split_to_array", sig(text, text, text), types.ArrayOf(text), regexSplitToArray, fallible)

	t.group("every element of the second array is in the first", "ARRAY[1, 4, 3] @> ARRAY[3, 1]", "t")
	t.op("@>", sig(arr, arr), boolean, arrayContains(0, 1, true), matching)
	t.group("every element of the first array is in the second", "ARRAY[2] <@ ARRAY[1, 2]", "t")
	t.op("<@", sig(arr, arr), boolean, arrayContains(1, 0, true), matching)
	t.group("the arrays have an element in common", "ARRAY[1, 4] && ARRAY[2, 4]", "t")
	t.op("&&", sig(arr, arr), boolean, arrayContains(0, 1, false), matching)

	t.group("the number of the bucket that the first argument falls into, by an array of lower bounds in ascending order",
		"width_bucket(35, ARRAY[10, 20, 30, 40])", "3")
	t.fn("width_bucket", sig(elem, arr), integer, arrayBucket, compatible, fallible)

	for _, d := range []struct {
		name, doc, example, answer string
		holds                      func(c int) bool
	}{
		{"=", "the arrays have equal elements in the same order; NULL equals NULL", "ARRAY[1, NULL] = ARRAY[1, NULL]", "t", func(c int) bool { return c == 0 }},
		{"<>", "the arrays differ in an element, the order or the length", "ARRAY[1, 2] <> ARRAY[2, 1]", "t", func(c int) bool { return c != 0 }},
		{"<", "arrays compare by their first elements that differ, NULL last, then by length", "ARRAY[1, 2] < ARRAY[1, 3]", "t", func(c int) bool { return c < 0 }},
		{"<=", "less than or equal, for arrays", "ARRAY[1] <= ARRAY[1, 2]", "t", func(c int) bool { return c <= 0 }},
		{">", "greater than, for arrays", "ARRAY[2] > ARRAY[1, 2]", "t", func(c int) bool { return c > 0 }},
		{">=", "greater than or equal, for arrays", "ARRAY[1] >= ARRAY[1]", "t", func(c int) bool { return c >= 0 }},
	} {
		t.group(d.doc, d.example, d.answer)
		t.op(d.name, sig(arr, arr), boolean, arrayCompare(d.holds), matching)
	}
	t.group("not equal, where NULL is a value like any other", "NULL::integer[] IS DISTINCT FROM ARRAY[1]", "t")
	t.op("is distinct from", sig(arr, arr), boolean, arrayDistinct(false), matching, lax)
	t.group("equal, where NULL is a value like any other", "ARRAY[1] IS NOT DISTINCT FROM ARRAY[1]", "t")
	t.op("is not distinct from", sig(arr, arr), boolean, arrayDistinct(true), matching, lax)
	t.quantified()
}

// NewArray builds ARRAY[...] over elements that have a type in common.
//
// Errors: CodeIndeterminateType for no elements; CodeDatatypeMismatch; CodeNotSupported for arrays of arrays.
func (r *Registry) NewArray(elems []Expr, sp types.Span) (Expr, error) {
	if len(elems) == 0 {
		return nil, types.Errorf(types.CodeIndeterminateType, "cannot determine type of empty array").At(sp).
			WithHint("say of which type it is, for example ARRAY[]::integer[]")
	}
	elems, t, err := unify("ARRAY", elems)
	if err != nil {
		return nil, positioned(err, sp)
	}
	return r.NewArrayOf(t, elems, sp)
}

// NewArrayOf builds ARRAY[...]::t[], whose elements are cast to t.
//
// Errors: CodeCannotCoerce; CodeNotSupported for arrays of arrays.
func (r *Registry) NewArrayOf(t types.Type, elems []Expr, sp types.Span) (Expr, error) {
	if t.Kind == types.Array {
		return nil, types.NotSupported(sp, "arrays of more than one dimension")
	}
	t = t.Base()
	arr := types.ArrayOf(t)
	if len(elems) == 0 {
		return &Literal{Base: Base{T: arr, Sp: sp}, Value: []any{}}, nil
	}
	cast := make([]Expr, len(elems))
	for i, e := range elems {
		var err error
		if cast[i], err = Cast(e, t, Explicit); err != nil {
			return nil, err
		}
	}
	return &Call{Base: Base{T: arr, Sp: sp}, Fn: "array(anyelement...)", Args: cast}, nil
}

// NewArray is the function of that name over the built-in registry.
func NewArray(elems []Expr, sp types.Span) (Expr, error) { return Builtin.NewArray(elems, sp) }

// subscriptArg casts a subscript to integer, as an assignment would.
func subscriptArg(e Expr) (Expr, error) {
	if !CanCast(e.Type(), types.Int4Type, Assignment) {
		return nil, types.Errorf(types.CodeDatatypeMismatch, "array subscript must have type integer, this one is of type %s", e.Type()).At(e.Span())
	}
	return Cast(e, types.Int4Type, Assignment)
}

// NewIndex builds x[i] for an array or a jsonb value.
//
// Errors: CodeDatatypeMismatch, positioned.
func (r *Registry) NewIndex(x, i Expr, sp types.Span) (Expr, error) {
	switch x.Type().Kind {
	case types.Array:
		i, err := subscriptArg(i)
		if err != nil {
			return nil, err
		}
		return r.Op("[]", []Expr{x, i}, sp)
	case types.JSONB:
		if k := i.Type().Kind; k == types.Unknown {
			var err error
			if i, err = Cast(i, types.TextType, Implicit); err != nil {
				return nil, err
			}
		} else if k != types.Text && k != types.Int4 && k != types.Int2 {
			return nil, types.Errorf(types.CodeDatatypeMismatch, "subscript type %s is not supported", i.Type()).At(i.Span()).
				WithHint("jsonb subscript must be coercible to either integer or text")
		}
		return r.Op("->", []Expr{x, i}, sp)
	}
	return nil, notSubscriptable(x)
}

func notSubscriptable(x Expr) error {
	return types.Errorf(types.CodeDatatypeMismatch, "cannot subscript type %s because it does not support subscripting", x.Type()).At(x.Span())
}

// NewSlice builds x[low:high]; a bound may be nil.
//
// Errors: CodeDatatypeMismatch, positioned.
func (r *Registry) NewSlice(x, low, high Expr, sp types.Span) (Expr, error) {
	if x.Type().Kind != types.Array {
		return nil, notSubscriptable(x)
	}
	bounds := []Expr{low, high}
	for i, open := range []int64{math.MinInt32, math.MaxInt32} {
		if bounds[i] == nil {
			bounds[i] = &Literal{Base: Base{T: types.Int4Type, Sp: sp}, Value: open}
			continue
		}
		var err error
		if bounds[i], err = subscriptArg(bounds[i]); err != nil {
			return nil, err
		}
	}
	return r.Op("[:]", []Expr{x, bounds[0], bounds[1]}, sp)
}

func arrayConstructor(*binding) kernel {
	return kernel{run: func(c *call) {
		elems := make([]func(b array.Builder, i int), len(c.args))
		for k, v := range c.args {
			elems[k] = vecCopier(v)
		}
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			b := w.begin(i)
			for _, one := range elems {
				one(b, i)
			}
			return nil
		})
		w.done()
	}}
}

// vecCopier returns a function that appends row i of v to a builder of v's storage.
func vecCopier(v *vec) func(b array.Builder, i int) {
	one := *v
	one.konst, one.n = false, v.physical()
	arr := one.arr
	if arr == nil || v.konst && arr.Len() != 1 {
		one.arr = nil
		arr = one.toArrow()
	}
	f := elementCopier(arr)
	if v.konst {
		return func(b array.Builder, _ int) { f(b, 0) }
	}
	return f
}

func arraySubscript(b *binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		at, m := column[int32](c, 1)
		one := elementCopier(a.arr.ListValues())
		out := types.NewBuilder(c.node.t)
		out.Reserve(c.n)
		next := 0
		eachRow(c, func(i int) error {
			for ; next < i; next++ {
				out.AppendNull()
			}
			next++
			from, to := a.row(i)
			if k := int(at[i&m]); k < 1 || k > to-from {
				out.AppendNull()
			} else {
				one(out, from+k-1)
			}
			return nil
		})
		for ; next < c.n; next++ {
			out.AppendNull()
		}
		c.take(fromArrow(c.node.t, out.NewArray()))
	}}
}

// sliceList makes arrays of a part of each row's elements.
func sliceList(c *call, a *lists, part func(i, size int) (from, to int, err error)) {
	one := elementCopier(a.arr.ListValues())
	w := newListWriter(c)
	eachRow(c, func(i int) error {
		from, to := a.row(i)
		low, high, err := part(i, to-from)
		if err != nil {
			return err
		}
		b := w.begin(i)
		for k := low; k < high; k++ {
			one(b, from+k)
		}
		return nil
	})
	w.done()
}

func arraySlice(*binding) kernel {
	return kernel{run: func(c *call) {
		low, lm := column[int32](c, 1)
		high, hm := column[int32](c, 2)
		sliceList(c, listArg(c, 0), func(i, size int) (int, int, error) {
			return max(int(low[i&lm])-1, 0), min(int(high[i&hm]), size), nil
		})
	}}
}

func arrayTrim(*binding) kernel {
	return kernel{run: func(c *call) {
		n, m := column[int32](c, 1)
		sliceList(c, listArg(c, 0), func(i, size int) (int, int, error) {
			if k := int(n[i&m]); k < 0 || k > size {
				return 0, 0, types.Errorf("2202E", "number of elements to trim must be between 0 and %d", size)
			}
			return 0, size - int(n[i&m]), nil
		})
	}}
}

func arrayMeasure(of func(from, to int) (int32, bool)) binder {
	return simple(func(c *call) {
		a := listArg(c, 0)
		out := outFixed[int32](c)
		dim, m := []int32{1}, 0
		if len(c.args) == 2 {
			dim, m = column[int32](c, 1)
		}
		eachRow(c, func(i int) error {
			v, ok := of(a.row(i))
			if !ok || dim[i&m] != 1 {
				c.setNull(i)
			}
			out[i] = v
			return nil
		})
	})
}

func arrayDims(*binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		texted(c, func(dst []byte, i int) ([]byte, error) {
			from, to := a.row(i)
			if from == to {
				c.setNull(i)
				return dst, nil
			}
			return append(strconv.AppendInt(append(dst, "[1:"...), int64(to-from), 10), ']'), nil
		})
	}}
}

func arrayCat(*binding) kernel {
	return kernel{run: func(c *call) {
		a, b := listArg(c, 0), listArg(c, 1)
		ones := []func(b array.Builder, i int){elementCopier(a.arr.ListValues()), elementCopier(b.arr.ListValues())}
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			if a.null(i) && b.null(i) {
				c.setNull(i)
				return nil
			}
			out := w.begin(i)
			for k, l := range []*lists{a, b} {
				if l.null(i) {
					continue
				}
				from, to := l.row(i)
				for e := from; e < to; e++ {
					ones[k](out, e)
				}
			}
			return nil
		})
		w.done()
	}}
}

// arrayAppend puts the element of argument elem behind the array of argument list, or before it if elem stands first.
func arrayAppend(list, elem int) binder {
	return func(*binding) kernel {
		return kernel{run: func(c *call) {
			a := listArg(c, list)
			many, one := elementCopier(a.arr.ListValues()), vecCopier(c.args[elem])
			w := newListWriter(c)
			eachList(c, false, func(i int) error {
				out := w.begin(i)
				if elem < list {
					one(out, i)
				}
				if !a.null(i) {
					from, to := a.row(i)
					for e := from; e < to; e++ {
						many(out, e)
					}
				}
				if elem > list {
					one(out, i)
				}
				return nil
			})
			w.done()
		}}
	}
}

// sameElement returns whether element e of a equals row i of v, NULL being equal to NULL.
func sameElement(less order, a *lists, e int, v *vec, i int) bool {
	if a.elems.null(e) || v.null(i) {
		return a.elems.null(e) && v.null(i)
	}
	return less(a.elems, e, v, i) == 0
}

func arrayReplace(with bool) binder {
	return func(b *binding) kernel {
		return kernel{run: func(c *call) {
			a := listArg(c, 0)
			less := orderOf(c.args[1].t)
			one := elementCopier(a.arr.ListValues())
			var other func(b array.Builder, i int)
			if with {
				other = vecCopier(c.args[2])
			}
			w := newListWriter(c)
			eachList(c, false, func(i int) error {
				if a.null(i) {
					c.setNull(i)
					return nil
				}
				out := w.begin(i)
				from, to := a.row(i)
				for e := from; e < to; e++ {
					switch same := sameElement(less, a, e, c.args[1], i); {
					case !same:
						one(out, e)
					case with:
						other(out, i)
					}
				}
				return nil
			})
			w.done()
		}}
	}
}

func arrayPosition(b *binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		less := orderOf(c.args[1].t)
		out := outFixed[int32](c)
		eachList(c, false, func(i int) error {
			out[i] = 0
			start := 0
			if len(c.args) == 3 {
				if c.args[2].null(i) {
					return types.Errorf(types.CodeNullNotAllowed, "initial position must not be null")
				}
				start = max(int(view[int32](c.args[2].buf)[c.args[2].at(i)])-1, 0)
			}
			if a.null(i) {
				c.setNull(i)
				return nil
			}
			from, to := a.row(i)
			for e := from + start; e < to; e++ {
				if sameElement(less, a, e, c.args[1], i) {
					out[i] = int32(e - from + 1)
					return nil
				}
			}
			c.setNull(i)
			return nil
		})
	}}
}

func arrayPositions(b *binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		less := orderOf(c.args[1].t)
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			if a.null(i) {
				c.setNull(i)
				return nil
			}
			out := w.begin(i).(*array.Int32Builder)
			from, to := a.row(i)
			for e := from; e < to; e++ {
				if sameElement(less, a, e, c.args[1], i) {
					out.Append(int32(e - from + 1))
				}
			}
			return nil
		})
		w.done()
	}}
}

func arrayFill(*binding) kernel {
	return kernel{run: func(c *call) {
		one := vecCopier(c.args[0])
		dims := listArg(c, 1)
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			if dims.null(i) {
				return types.Errorf(types.CodeNullNotAllowed, "dimension array or low bound array cannot be null")
			}
			from, to := dims.row(i)
			switch {
			case to == from:
				w.begin(i)
				return nil
			case to-from > 1:
				return types.NotSupported(types.Span{}, "arrays of more than one dimension")
			case dims.elems.null(from):
				return types.Errorf(types.CodeNullNotAllowed, "dimension values cannot be null")
			}
			n := view[int32](dims.elems.buf)[from]
			if n < 0 || n > maxArrayElements {
				return types.Errorf("54000", "array size exceeds the maximum allowed (%d)", maxArrayElements)
			}
			out := w.begin(i)
			for range n {
				one(out, i)
			}
			return nil
		})
		w.done()
	}}
}

func arrayToString(b *binding) kernel {
	return kernel{run: func(c *call) {
		a := listArg(c, 0)
		delim, dm := columnIn[string](c, 1, 1)
		elem := a.elems.t
		values := a.arr.ListValues()
		zone := c.ctx.zone()
		w := newTextWriter(c)
		eachList(c, false, func(i int) error {
			if a.null(i) || c.args[1].null(i) {
				c.setNull(i)
				return nil
			}
			dst := w.buf
			from, to := a.row(i)
			first := true
			for e := from; e < to; e++ {
				null := values.IsNull(e)
				if null && (len(c.args) < 3 || c.args[2].null(i)) {
					continue
				}
				if !first {
					dst = append(dst, delim[i&dm]...)
				}
				first = false
				if null {
					dst = append(dst, textAt(c.args[2], c.args[2].at(i))...)
				} else {
					dst = types.AppendTextIn(dst, elem, values, e, zone)
				}
			}
			w.end(i, dst)
			return nil
		})
		w.done()
	}}
}

func stringToArray(*binding) kernel {
	return kernel{run: func(c *call) {
		a, am := columnIn[string](c, 0, 0)
		d, dm := columnIn[string](c, 1, 1)
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			if c.args[0].null(i) {
				c.setNull(i)
				return nil
			}
			s := newSplitter(a[i&am], d[i&dm], !c.args[1].null(i))
			out := w.begin(i).(*array.StringBuilder)
			for part, ok := s.next(); ok; part, ok = s.next() {
				if len(c.args) == 3 && !c.args[2].null(i) && part == textAt(c.args[2], c.args[2].at(i)) {
					out.AppendNull()
				} else {
					out.Append(part)
				}
			}
			return nil
		})
		w.done()
	}}
}

// regexLists makes arrays from a text and a regular expression.
func regexLists(c *call, cache *regexCache, f func(re *regex, s string, row int, w *listWriter)) {
	a, am := column[string](c, 0)
	p, pm := column[string](c, 1)
	flags, fm := []string{""}, 0
	if len(c.args) == 3 {
		flags, fm = column[string](c, 2)
	}
	w := newListWriter(c)
	eachRow(c, func(i int) error {
		re, err := cache.get(p[i&pm], flags[i&fm], false, false)
		if err != nil {
			return err
		}
		f(re, a[i&am], i, w)
		return nil
	})
	w.done()
}

func regexMatchArray(*binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		regexLists(c, cache, func(re *regex, s string, row int, w *listWriter) {
			loc := re.re.FindStringSubmatchIndex(s)
			if loc == nil {
				c.setNull(row)
				return
			}
			appendGroups(w.begin(row).(*array.StringBuilder), s, loc)
		})
	}}
}

func regexSplitToArray(*binding) kernel {
	cache := &regexCache{}
	return kernel{run: func(c *call) {
		regexLists(c, cache, func(re *regex, s string, row int, w *listWriter) {
			out := w.begin(row).(*array.StringBuilder)
			at := 0
			for _, cut := range splitMatches(re, s) {
				out.Append(s[at:cut[0]])
				at = cut[1]
			}
			out.Append(s[at:])
		})
	}}
}

// arrayContains: argument whole holds all (or any) of the elements of argument part. NULL elements equal nothing.
func arrayContains(whole, part int, all bool) binder {
	return func(b *binding) kernel {
		return kernel{run: func(c *call) {
			a, p := listArg(c, whole), listArg(c, part)
			less := orderOf(a.elems.t)
			out := c.outBits()
			eachRow(c, func(i int) error {
				af, at := a.row(i)
				pf, pt := p.row(i)
				holds := all
				for e := pf; e < pt && holds == all; e++ {
					found := false
					for k := af; k < at && !found && !p.elems.null(e); k++ {
						found = !a.elems.null(k) && less(a.elems, k, p.elems, e) == 0
					}
					holds = found
				}
				if holds {
					out[i>>3] |= 1 << (i & 7)
				}
				return nil
			})
		}}
	}
}

func arrayBucket(b *binding) kernel {
	return kernel{run: func(c *call) {
		x, a := c.args[0], listArg(c, 1)
		less := orderOf(x.t)
		out := outFixed[int32](c)
		eachRow(c, func(i int) error {
			from, to := a.row(i)
			low, high := from, to
			for e := from; e < to; e++ {
				if a.elems.null(e) {
					return types.Errorf(types.CodeNullNotAllowed, "thresholds array must not contain NULLs")
				}
			}
			for low < high {
				mid := (low + high) / 2
				if less(x, i, a.elems, mid) < 0 {
					high = mid
				} else {
					low = mid + 1
				}
			}
			out[i] = int32(low - from)
			return nil
		})
	}}
}

func arrayCompare(holds func(c int) bool) binder {
	return func(b *binding) kernel {
		return kernel{run: func(c *call) {
			x, y := listArg(c, 0), listArg(c, 1)
			less := orderOf(x.elems.t)
			out := c.outBits()
			eachRow(c, func(i int) error {
				if holds(compareLists(less, x, i, y, i)) {
					out[i>>3] |= 1 << (i & 7)
				}
				return nil
			})
		}}
	}
}

func arrayDistinct(not bool) binder {
	return func(b *binding) kernel {
		return kernel{run: func(c *call) {
			x, y := listArg(c, 0), listArg(c, 1)
			less := orderOf(x.elems.t)
			out := c.outBits()
			eachSelected(c, func(i int) {
				same := x.null(i) && y.null(i)
				if !x.null(i) && !y.null(i) {
					same = compareLists(less, x, i, y, i) == 0
				}
				if same == not {
					out[i>>3] |= 1 << (i & 7)
				}
			})
		}}
	}
}

// extremeList is greatest or least of arrays.
func extremeList(largest bool) binder {
	return simple(func(c *call) {
		args := make([]*lists, len(c.args))
		ones := make([]func(b array.Builder, i int), len(c.args))
		for k := range args {
			args[k] = listArg(c, k)
			ones[k] = elementCopier(args[k].arr.ListValues())
		}
		less := orderOf(c.node.t.ElemType())
		w := newListWriter(c)
		eachList(c, false, func(i int) error {
			best := -1
			for k, l := range args {
				if l.null(i) {
					continue
				}
				if best < 0 {
					best = k
				} else if o := compareLists(less, l, i, args[best], i); o > 0 && largest || o < 0 && !largest {
					best = k
				}
			}
			if best < 0 {
				c.setNull(i)
				return nil
			}
			out := w.begin(i)
			from, to := args[best].row(i)
			for e := from; e < to; e++ {
				ones[best](out, e)
			}
			return nil
		})
		w.done()
	})
}
