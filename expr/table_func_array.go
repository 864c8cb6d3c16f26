package expr

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// arrays adds the set-returning functions over arrays.
func (t *tableFunctionTable) arrays() {
	t.group("the elements of an array, one a row", "unnest(ARRAY[1, NULL, 2])", "1\nNULL\n2")
	f := t.add("unnest", sig(types.AnyArray), oneColumn("unnest", types.UnknownType), unnest)
	f.Fallible = false

	const name = "generate_subscripts"
	t.group("the subscripts of an array's dimension (1: arrays have one), backwards if the third argument is true",
		"generate_subscripts(ARRAY['a', 'b'], 1)", "1\n2")
	for _, args := range [][]types.Type{sig(types.AnyArray, types.Int4Type), sig(types.AnyArray, types.Int4Type, types.BoolType)} {
		t.add(name, args, oneColumn(name, types.Int4Type), subscripts).Fallible = false
	}
}

func unnest(_ *Context, args []arrow.Array) Generator {
	list, ok := args[0].(*array.List)
	if !ok { // all NULL
		return &generator{start: func(int) (bool, error) { return true, nil }}
	}
	one := elementCopier(list.ListValues())
	var at, end int64
	return &generator{
		start: func(row int) (bool, error) {
			if list.IsNull(row) {
				return true, nil
			}
			at, end = list.ValueOffsets(row)
			return at == end, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			to := min(end, at+int64(most))
			n = int(to - at)
			out[0].Reserve(n)
			for ; at < to; at++ {
				one(out[0], int(at))
			}
			return n, at == end
		},
	}
}

// elementCopier returns a function that appends element i of a to a builder of the same storage.
func elementCopier(a arrow.Array) func(b array.Builder, i int) {
	nulls := a.NullN() > 0
	var value func(b array.Builder, i int)
	switch a := a.(type) {
	case *array.Boolean:
		value = func(b array.Builder, i int) { b.(*array.BooleanBuilder).Append(a.Value(i)) }
	case *array.Int16:
		value = func(b array.Builder, i int) { b.(*array.Int16Builder).Append(a.Value(i)) }
	case *array.Int32:
		value = func(b array.Builder, i int) { b.(*array.Int32Builder).Append(a.Value(i)) }
	case *array.Int64:
		value = func(b array.Builder, i int) { b.(*array.Int64Builder).Append(a.Value(i)) }
	case *array.Float32:
		value = func(b array.Builder, i int) { b.(*array.Float32Builder).Append(a.Value(i)) }
	case *array.Float64:
		value = func(b array.Builder, i int) { b.(*array.Float64Builder).Append(a.Value(i)) }
	case *array.FixedSizeBinary:
		value = func(b array.Builder, i int) { b.(*array.FixedSizeBinaryBuilder).Append(a.Value(i)) }
	case *array.String:
		value = func(b array.Builder, i int) { b.(*array.StringBuilder).Append(a.Value(i)) }
	case *array.Binary:
		value = func(b array.Builder, i int) { b.(*array.BinaryBuilder).Append(a.Value(i)) }
	case *array.Date32:
		value = func(b array.Builder, i int) { b.(*array.Date32Builder).Append(a.Value(i)) }
	case *array.Time64:
		value = func(b array.Builder, i int) { b.(*array.Time64Builder).Append(a.Value(i)) }
	case *array.Timestamp:
		value = func(b array.Builder, i int) { b.(*array.TimestampBuilder).Append(a.Value(i)) }
	case *array.MonthDayNanoInterval:
		value = func(b array.Builder, i int) { b.(*array.MonthDayNanoIntervalBuilder).Append(a.Value(i)) }
	case *array.Null:
		return func(b array.Builder, _ int) { b.AppendNull() }
	default:
		panic(fmt.Sprintf("expr: elements of %s", a.DataType()))
	}
	if !nulls {
		return value
	}
	return func(b array.Builder, i int) {
		if a.IsNull(i) {
			b.AppendNull()
			return
		}
		value(b, i)
	}
}

func subscripts(_ *Context, args []arrow.Array) Generator {
	list, ok := args[0].(*array.List)
	if !ok { // all NULL
		return &generator{start: func(int) (bool, error) { return true, nil }}
	}
	var at, left, step int32
	return &generator{
		start: func(row int) (bool, error) {
			if anyNull(args, row) || intAt(args[1], row) != 1 {
				return true, nil
			}
			from, to := list.ValueOffsets(row)
			at, step, left = 1, 1, int32(to-from)
			if len(args) == 3 && args[2].(*array.Boolean).Value(row) {
				at, step = left, -1
			}
			return left == 0, nil
		},
		next: func(most int, out []array.Builder) (n int, done bool) {
			b := out[0].(*array.Int32Builder)
			n = min(most, int(left))
			b.Reserve(n)
			for range n {
				b.UnsafeAppend(at)
				at += step
			}
			left -= int32(n)
			return n, left == 0
		},
	}
}
