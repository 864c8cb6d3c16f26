package expr

import (
	"math"
	"math/bits"
	"unsafe"

	"github.com/streamsql/streamsql/types"
)

// intKernels are the loops of one operator over the integer types.
type intKernels struct{ two, four, eight func(c *call) }

func (t *table) arithmetic() {
	t.cat = CatArithmetic
	i2, i4, i8 := types.Int2Type, types.Int4Type, types.Int8Type
	f4, f8, num := types.Float4Type, types.Float8Type, types.NumericType
	type floatKernels struct{ four, fourEight, eightFour, eight func(c *call) }
	for _, d := range []struct {
		name, doc, example, answer string
		ints                       intKernels
		floats                     floatKernels
		numeric                    binder
	}{
		{"+", "the sum; an integer that does not fit its type is an error", "2 + 3", "5",
			intKernels{addInts[int16], addInts[int32], addInts[int64]},
			floatKernels{addFloats[float32, float32, float32], addFloats[float32, float64, float64],
				addFloats[float64, float32, float64], addFloats[float64, float64, float64]},
			numericOp(addNumerics, types.NumericValue.Add)},
		{"-", "the difference", "2 - 3.5", "-1.5",
			intKernels{subInts[int16], subInts[int32], subInts[int64]},
			floatKernels{subFloats[float32, float32, float32], subFloats[float32, float64, float64],
				subFloats[float64, float32, float64], subFloats[float64, float64, float64]},
			numericOp(subNumerics, types.NumericValue.Sub)},
		{"*", "the product", "4 * 2.50", "10.00",
			intKernels{mulInts[int16], mulInts[int32], mulInts[int64]},
			floatKernels{mulFloats[float32, float32, float32], mulFloats[float32, float64, float64],
				mulFloats[float64, float32, float64], mulFloats[float64, float64, float64]},
			numericOp(mulNumerics, types.NumericValue.Mul)},
		{"/", "the quotient; of integers it is truncated towards zero", "-7 / 2", "-3",
			intKernels{divInts[int16], divInts[int32], divInts[int64]},
			floatKernels{divFloats[float32, float32, float32], divFloats[float32, float64, float64],
				divFloats[float64, float32, float64], divFloats[float64, float64, float64]},
			map2(types.NumericValue.Div)},
	} {
		t.group(d.doc, d.example, d.answer)
		t.op(d.name, sig(i2, i2), i2, simple(d.ints.two), fallible)
		t.op(d.name, sig(i4, i4), i4, simple(d.ints.four), fallible)
		t.op(d.name, sig(i8, i8), i8, simple(d.ints.eight), fallible)
		t.op(d.name, sig(f4, f4), f4, simple(d.floats.four), fallible)
		t.op(d.name, sig(f4, f8), f8, simple(d.floats.fourEight), fallible)
		t.op(d.name, sig(f8, f4), f8, simple(d.floats.eightFour), fallible)
		t.op(d.name, sig(f8, f8), f8, simple(d.floats.eight), fallible)
		t.op(d.name, sig(num, num), num, d.numeric, fallible)
	}

	t.group("the remainder of the division, with the sign of the first argument", "-7 % 3", "-1")
	for _, operator := range []bool{true, false} {
		add, name := t.op, "%"
		if !operator {
			t.group("the remainder of the division, with the sign of the first argument", "mod(7.5, 2)", "1.5")
			add, name = t.fn, "mod"
		}
		add(name, sig(i2, i2), i2, simple(modInts[int16]), fallible)
		add(name, sig(i4, i4), i4, simple(modInts[int32]), fallible)
		add(name, sig(i8, i8), i8, simple(modInts[int64]), fallible)
		add(name, sig(num, num), num, map2(types.NumericValue.Mod), fallible)
	}

	t.group("the number with the opposite sign", "- (2 - 5)", "3")
	t.op("-", sig(i2), i2, simple(negInts[int16]), fallible)
	t.op("-", sig(i4), i4, simple(negInts[int32]), fallible)
	t.op("-", sig(i8), i8, simple(negInts[int64]), fallible)
	t.op("-", sig(f4), f4, map1(func(x float32) (float32, error) { return -x, nil }))
	t.op("-", sig(f8), f8, map1(func(x float64) (float64, error) { return -x, nil }))
	t.op("-", sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) { return x.Neg(), nil }))

	t.group("the number itself", "+ 5", "5")
	for _, typ := range []types.Type{i2, i4, i8, f4, f8, num} {
		t.op("+", sig(typ), typ, identity)
	}
	for _, operator := range []bool{true, false} {
		add, name := t.op, "@"
		t.group("the absolute value", "@ -5.0", "5.0")
		if !operator {
			t.group("the absolute value", "abs(-17.4)", "17.4")
			add, name = t.fn, "abs"
		}
		add(name, sig(i2), i2, simple(absInts[int16]), fallible)
		add(name, sig(i4), i4, simple(absInts[int32]), fallible)
		add(name, sig(i8), i8, simple(absInts[int64]), fallible)
		add(name, sig(f4), f4, map1(func(x float32) (float32, error) { return float32(math.Abs(float64(x))), nil }))
		add(name, sig(f8), f8, map1(func(x float64) (float64, error) { return math.Abs(x), nil }))
		add(name, sig(num), num, map1(func(x types.NumericValue) (types.NumericValue, error) { return x.Abs(), nil }))
	}
	t.bitwise()
}

// identity is the binder of functions that return their first argument.
func identity(b *binding) kernel {
	if len(b.args) > 0 && b.args[0].Type().IsDecimal128() && !b.t.IsDecimal128() {
		return kernel{run: run1(func(x types.NumericValue) (types.NumericValue, error) { return x, nil })}
	}
	return kernel{alias: true}
}

func (t *table) bitwise() {
	addBits[int16](t, types.Int2Type)
	addBits[int32](t, types.Int4Type)
	addBits[int64](t, types.Int8Type)
}

func addBits[T integer](t *table, typ types.Type) {
	width := int32(unsafe.Sizeof(T(0))) * 8
	binary := func(name, doc, example, answer string, f func(x, y T) T) {
		t.group(doc, example, answer)
		t.op(name, sig(typ, typ), typ, map2(func(x, y T) (T, error) { return f(x, y), nil }))
	}
	binary("&", "bitwise AND", "91 & 15", "11", func(x, y T) T { return x & y })
	binary("|", "bitwise OR", "32 | 3", "35", func(x, y T) T { return x | y })
	binary("#", "bitwise exclusive OR", "17 # 5", "20", func(x, y T) T { return x ^ y })
	t.group("bitwise NOT", "~ 1", "-2")
	t.op("~", sig(typ), typ, map1(func(x T) (T, error) { return ^x, nil }))
	// The shifts of narrow integers are computed in 32 bits, where a count is taken modulo 32, and then cut.
	modulus := max(width, 32)
	t.group("bitwise shift to the left", "1 << 4", "16")
	t.op("<<", sig(typ, types.Int4Type), typ, map2(func(x T, n int32) (T, error) {
		return T(int64(x) << uint(n&(modulus-1))), nil
	}))
	t.group("bitwise shift to the right", "8 >> 2", "2")
	t.op(">>", sig(typ, types.Int4Type), typ, map2(func(x T, n int32) (T, error) {
		return x >> uint(n&(modulus-1)), nil
	}))
	if typ.Kind == types.Int8 {
		t.group("the number of set bits", `bit_count('\xff01'::bytea)`, "9")
		t.fn("bit_count", sig(types.ByteaType), types.Int8Type, map1(func(x string) (int64, error) {
			n := 0
			for i := range len(x) {
				n += bits.OnesCount8(x[i])
			}
			return int64(n), nil
		}))
	}
}
