package expr

import (
	"math"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

func stepZero() error {
	return types.Errorf(types.CodeInvalidParameter, "step size cannot equal zero")
}

// series adds generate_series.
func (t *tableFunctionTable) series() {
	const name = "generate_series"
	t.group("the numbers from the first argument to the second, by steps of the third (or 1)", "generate_series(1, 5, 2)", "1\n3\n5")
	for _, x := range []types.Type{types.Int4Type, types.Int8Type} {
		for _, args := range [][]types.Type{sig(x, x), sig(x, x, x)} {
			t.add(name, args, oneColumn(name, x), intSeries)
		}
	}
	x := types.NumericType
	t.group("the numbers from the first argument to the second, by steps of the third (or 1)", "generate_series(1, 2, 0.5)", "1\n1.5\n2.0")
	for _, args := range [][]types.Type{sig(x, x), sig(x, x, x)} {
		t.add(name, args, oneColumn(name, x), numericSeries)
	}
	t.group("the times from the first argument to the second, by steps of an interval",
		"generate_series(TIMESTAMP '2024-01-31', TIMESTAMP '2024-03-31', INTERVAL '1 month')",
		"2024-01-31 00:00:00\n2024-02-29 00:00:00\n2024-03-29 00:00:00")
	t.add(name, sig(types.TimestampType, types.TimestampType, types.IntervalType), oneColumn(name, types.TimestampType),
		func(_ *Context, args []arrow.Array) Generator {
			return timeSeries(args, types.AddInterval)
		})
	f := t.add(name, sig(types.TimestampTZType, types.TimestampTZType, types.IntervalType), oneColumn(name, types.TimestampTZType),
		func(ctx *Context, args []arrow.Array) Generator {
			zone := ctx.zone()
			return timeSeries(args, func(us int64, v types.IntervalValue) (int64, error) { return types.AddIntervalTZ(us, v, zone) })
		})
	f.Stable = true
}

// intAt reads an integer of any width.
func intAt(a arrow.Array, row int) int64 {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(row)
	case *array.Int32:
		return int64(a.Value(row))
	}
	return int64(a.(*array.Int16).Value(row))
}

// intSeries counts in bigint; as in PostgreSQL the series ends where the type does.
func intSeries(_ *Context, args []arrow.Array) Generator {
	var at, stop, step int64
	var over bool
	limitLow, limitHigh := int64(math.MinInt64), int64(math.MaxInt64)
	if _, narrow := args[0].(*array.Int32); narrow {
		limitLow, limitHigh = math.MinInt32, math.MaxInt32
	}
	g := &generator{}
	g.start = func(row int) (bool, error) {
		if anyNull(args, row) {
			return true, nil
		}
		at, stop, step, over = intAt(args[0], row), intAt(args[1], row), 1, false
		if len(args) == 3 {
			step = intAt(args[2], row)
		}
		if step == 0 {
			return true, stepZero()
		}
		return step > 0 && at > stop || step < 0 && at < stop, nil
	}
	g.next = func(most int, out []array.Builder) (n int, done bool) {
		out[0].Reserve(most)
		wide, _ := out[0].(*array.Int64Builder)
		narrow, _ := out[0].(*array.Int32Builder)
		for n < most {
			if over || step > 0 && at > stop || step < 0 && at < stop {
				return n, true
			}
			if wide != nil {
				wide.UnsafeAppend(at)
			} else {
				narrow.UnsafeAppend(int32(at))
			}
			n++
			if step > 0 && at > limitHigh-step || step < 0 && at < limitLow-step {
				over = true
				continue
			}
			at += step
		}
		return n, over || step > 0 && at > stop || step < 0 && at < stop
	}
	return g
}

// numericSeries adds up NUMERICs; the series ends where one has more digits than NUMERIC holds.
func numericSeries(_ *Context, args []arrow.Array) Generator {
	var at, stop, step types.NumericValue
	var over bool
	ended := func() bool {
		c := at.Cmp(stop)
		return over || step.Sign() > 0 && c > 0 || step.Sign() < 0 && c < 0
	}
	g := &generator{}
	g.start = func(row int) (bool, error) {
		if anyNull(args, row) {
			return true, nil
		}
		over = false
		step = types.NumericFromInt64(1)
		for i, p := range []struct {
			name string
			to   *types.NumericValue
		}{{"start", &at}, {"stop", &stop}, {"step size", &step}} {
			if i >= len(args) {
				break
			}
			*p.to = types.ValueAt(types.NumericType, args[i], row).(types.NumericValue)
			what := p.name
			if i < 2 {
				what += " value"
			}
			switch {
			case p.to.IsNaN():
				return true, types.Errorf(types.CodeInvalidParameter, "%s cannot be NaN", what)
			case p.to.IsSpecial():
				return true, types.Errorf(types.CodeInvalidParameter, "%s cannot be infinity", what)
			}
		}
		if step.Sign() == 0 {
			return true, stepZero()
		}
		return ended(), nil
	}
	g.next = func(most int, out []array.Builder) (n int, done bool) {
		b := out[0].(*array.FixedSizeBinaryBuilder)
		b.Reserve(most)
		var raw [types.NumericWidth]byte
		for n < most && !ended() {
			at.Put(raw[:])
			b.Append(raw[:])
			n++
			next, err := at.Add(step)
			if over = err != nil; !over {
				at = next
			}
		}
		return n, ended()
	}
	return g
}

// timeSeries adds an interval again and again, as PostgreSQL does; the series ends where the type does.
func timeSeries(args []arrow.Array, add func(us int64, v types.IntervalValue) (int64, error)) Generator {
	var at, stop int64
	var step types.IntervalValue
	var up, over bool
	ended := func() bool { return over || up && at > stop || !up && at < stop }
	g := &generator{}
	g.start = func(row int) (bool, error) {
		if anyNull(args, row) {
			return true, nil
		}
		at = int64(args[0].(*array.Timestamp).Value(row))
		stop = int64(args[1].(*array.Timestamp).Value(row))
		step = types.IntervalFromArrow(args[2].(*array.MonthDayNanoInterval).Value(row))
		over = false
		if step.Sign() == 0 {
			return true, stepZero()
		}
		up = step.Sign() > 0
		if ended() {
			return true, nil
		}
		if !types.IsFiniteTimestamp(at) || !types.IsFiniteTimestamp(stop) {
			return true, types.Errorf(types.CodeDatetimeOverflow, "timestamp out of range").
				WithHint("a series from or to infinity has no end")
		}
		return false, nil
	}
	g.next = func(most int, out []array.Builder) (n int, done bool) {
		b := out[0].(*array.TimestampBuilder)
		b.Reserve(most)
		for n < most && !ended() {
			b.UnsafeAppend(arrow.Timestamp(at))
			n++
			next, err := add(at, step)
			if over = err != nil || next == at || next > at != up; !over { // a step such as '1 month -29 days' may get stuck
				at = next
			}
		}
		return n, ended()
	}
	return g
}
