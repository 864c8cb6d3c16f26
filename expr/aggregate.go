package expr

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// AggKind says what an aggregate computes; exec holds one accumulator per kind and argument type.
type AggKind uint8

// The kinds of aggregates, in the order of the plan's stored form: append only, never renumber.
const (
	CountStar AggKind = iota
	Count
	Sum
	Avg
	Min
	Max
	BoolAnd
	BoolOr
	StddevSamp
	StddevPop
	VarSamp
	VarPop
	StringAgg
	ArrayAgg
	FirstValue
	LastValue
	ApproxCountDistinct
	BitAnd
	BitOr
	BitXor
	AnyValue
	JSONAgg
	JSONObjectAgg
	Corr
	CovarPop
	CovarSamp
	RegrAvgX
	RegrAvgY
	RegrCount
	RegrIntercept
	RegrR2
	RegrSlope
	RegrSXX
	RegrSXY
	RegrSYY
	PercentileCont
	PercentileDisc
	Mode
)

// Aggregate is one signature of an aggregate function. The built-in ones are immutable and shared.
type Aggregate struct {
	ID   string // unique: "sum(bigint)", "count(*)"
	Name string
	Kind AggKind
	// Args are the argument types; types.UnknownType accepts any. first_value, last_value, any_value, array_agg
	// and count take any type, and their resolved form has the argument's type filled in (with its ID).
	Args   []types.Type
	Result types.Type
	// Ordered: the value depends on the order of the rows (ORDER BY inside the call matters).
	Ordered bool
	// WithinGroup: written f(fraction) WITHIN GROUP (ORDER BY x). Args are x, which the call orders by too, and then the fraction.
	WithinGroup          bool
	Doc, Example, Answer string
}

// Signature returns the aggregate as a user would write it: "sum(bigint) -> numeric".
func (a *Aggregate) Signature() string {
	if a.Kind == CountStar {
		return "count(*) -> bigint"
	}
	args := make([]string, len(a.Args))
	for i, t := range a.Args {
		args[i] = argName(t)
	}
	if a.WithinGroup {
		return a.Name + "(" + strings.Join(args[1:], ", ") + ") WITHIN GROUP (ORDER BY " + args[0] + ") -> " + argName(a.Result)
	}
	result := a.Result.String()
	switch {
	case a.Result.Kind == types.Unknown:
		result = "any"
	case a.Result == types.AnyArray:
		result = "any[]"
	}
	return a.Name + "(" + strings.Join(args, ", ") + ") -> " + result
}

// Aggregates returns all aggregates in a stable order.
func Aggregates() []*Aggregate { return Builtin.Aggregates() }

// Aggregates returns all aggregates in a stable order.
func (r *Registry) Aggregates() []*Aggregate { return slices.Clone(r.aggs) }

// IsAggregate reports whether name is the name of an aggregate.
func (r *Registry) IsAggregate(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(r.aggs, func(a *Aggregate) bool { return a.Name == name })
}

// LookupAggregate finds an aggregate by the ID of its resolved form, or returns nil.
func LookupAggregate(id string) *Aggregate { return Builtin.LookupAggregate(id) }

// LookupAggregate finds an aggregate by the ID of its resolved form, or returns nil.
func (r *Registry) LookupAggregate(id string) *Aggregate {
	name, rest, ok := strings.Cut(id, "(")
	if !ok {
		return nil
	}
	for _, a := range r.aggs {
		if a.ID == id {
			return a
		}
		if a.Name != name || !a.generic() {
			continue
		}
		texts := strings.Split(strings.TrimSuffix(rest, ")"), ",")
		args := make([]types.Type, 0, len(texts))
		for _, text := range texts {
			if t, ok := typeByName(text); ok {
				args = append(args, t)
			}
		}
		if len(args) == len(a.Args) && len(args) == len(texts) {
			if f := a.with(args); f.ID == id {
				return f
			}
		}
	}
	return nil
}

// generic reports whether arguments of any type are taken.
func (a *Aggregate) generic() bool { return slices.Contains(a.Args, types.UnknownType) }

// with fills the types of the arguments in where any is taken.
func (a *Aggregate) with(args []types.Type) *Aggregate {
	c := *a
	c.Args = slices.Clone(a.Args)
	for i, t := range a.Args {
		if t.Kind == types.Unknown {
			c.Args[i] = args[i].Base()
		}
	}
	switch {
	case a.Result == types.AnyArray:
		c.Result = types.ArrayOf(args[0])
	case a.Result.Kind == types.Unknown:
		c.Result = args[0].Base()
	}
	c.ID = overloadID(a.Name, c.Args, false)
	return &c
}

func typeByName(name string) (types.Type, bool) {
	elem, isArray := strings.CutSuffix(name, "[]")
	for k := types.Bool; k <= types.JSONB; k++ {
		if k != types.Array && (types.Type{Kind: k}).String() == elem {
			if isArray {
				return types.ArrayOf(types.Type{Kind: k}), true
			}
			return types.Type{Kind: k}, true
		}
	}
	return types.Type{}, false
}

// ResolveAggregate finds the aggregate that PostgreSQL would call; count(*) is asked for with the name "count" and
// no arguments. Arguments must be cast to the Args of the answer.
//
// Errors: CodeUndefinedFunction, CodeAmbiguousFunction.
func ResolveAggregate(name string, args []types.Type) (*Aggregate, error) {
	return Builtin.ResolveAggregate(name, args)
}

// ResolveAggregate is the function of that name over this registry.
func (r *Registry) ResolveAggregate(name string, args []types.Type) (*Aggregate, error) {
	name = strings.ToLower(name)
	var cands []candidate
	for i, a := range r.aggs {
		if a.Name == name && len(a.Args) == len(args) {
			cands = append(cands, candidate{args: a.Args, index: i})
		}
	}
	found, err := selectCandidate(cands, args)
	if err != nil {
		return nil, err.(*types.Error).WithHint("add casts to the arguments of %s", name)
	}
	if found < 0 {
		return nil, r.undefinedFunction(name, args)
	}
	a := r.aggs[found]
	if a.generic() {
		given := slices.Clone(args)
		for i, t := range given {
			if t.Kind == types.Unknown {
				given[i] = types.TextType
			}
		}
		return a.with(given), nil
	}
	return a, nil
}

func builtinAggregates() []*Aggregate {
	var list []*Aggregate
	add := func(kind AggKind, name string, args []types.Type, result types.Type, doc, example, answer string) {
		list = append(list, &Aggregate{
			ID: overloadID(name, args, false), Name: name, Kind: kind, Args: args, Result: result,
			Ordered: kind == StringAgg || kind == ArrayAgg || kind == FirstValue || kind == LastValue || kind == JSONAgg || kind == JSONObjectAgg ||
				kind >= PercentileCont,
			WithinGroup: kind >= PercentileCont,
			Doc:         doc, Example: example, Answer: answer,
		})
	}
	anyType := types.UnknownType
	list = append(list, &Aggregate{
		ID: "count(*)", Name: "count", Kind: CountStar, Result: types.Int8Type,
		Doc: "the number of rows", Example: "count(*) over (1), (2), (NULL)", Answer: "3",
	})
	add(Count, "count", sig(anyType), types.Int8Type, "the number of rows in which the argument is not NULL",
		"count(x) over (1), (2), (NULL)", "2")

	for _, p := range [][2]types.Type{
		{types.Int2Type, types.Int8Type}, {types.Int4Type, types.Int8Type}, {types.Int8Type, types.NumericType},
		{types.NumericType, types.NumericType}, {types.Float4Type, types.Float4Type},
		{types.Float8Type, types.Float8Type}, {types.IntervalType, types.IntervalType},
	} {
		add(Sum, "sum", sig(p[0]), p[1], "the sum of the values that are not NULL, or NULL if there is none",
			"sum(x) over (1), (2), (NULL)", "3")
	}
	for _, p := range [][2]types.Type{
		{types.Int2Type, types.NumericType}, {types.Int4Type, types.NumericType}, {types.Int8Type, types.NumericType},
		{types.NumericType, types.NumericType}, {types.Float4Type, types.Float8Type},
		{types.Float8Type, types.Float8Type}, {types.IntervalType, types.IntervalType},
	} {
		add(Avg, "avg", sig(p[0]), p[1], "the arithmetic mean of the values that are not NULL",
			"avg(x) over (1), (2), (NULL)", "1.5000000000000000")
	}
	ordered := []types.Type{
		types.Int2Type, types.Int4Type, types.Int8Type, types.NumericType, types.Float4Type, types.Float8Type,
		types.TextType, types.DateType, types.TimeType, types.TimestampType, types.TimestampTZType, types.IntervalType,
	}
	for _, t := range ordered {
		add(Min, "min", sig(t), t, "the smallest of the values that are not NULL", "min(x) over (1), (2), (NULL)", "1")
	}
	for _, t := range ordered {
		add(Max, "max", sig(t), t, "the largest of the values that are not NULL", "max(x) over (1), (2), (NULL)", "2")
	}
	for _, n := range []string{"bool_and", "every"} {
		add(BoolAnd, n, sig(types.BoolType), types.BoolType, "true if all values that are not NULL are true",
			n+"(x) over (true), (false)", "f")
	}
	add(BoolOr, "bool_or", sig(types.BoolType), types.BoolType, "true if any value is true",
		"bool_or(x) over (true), (false)", "t")
	for _, s := range []struct {
		kind                 AggKind
		name, doc, exampleOf string
	}{
		{StddevSamp, "stddev_samp", "the sample standard deviation", "0.70710678118654752440"},
		{StddevSamp, "stddev", "the sample standard deviation (the same as stddev_samp)", "0.70710678118654752440"},
		{StddevPop, "stddev_pop", "the population standard deviation", "0.50000000000000000000"},
		{VarSamp, "var_samp", "the sample variance", "0.50000000000000000000"},
		{VarSamp, "variance", "the sample variance (the same as var_samp)", "0.50000000000000000000"},
		{VarPop, "var_pop", "the population variance", "0.25000000000000000000"},
	} {
		for _, p := range [][2]types.Type{
			{types.Int2Type, types.NumericType}, {types.Int4Type, types.NumericType},
			{types.Int8Type, types.NumericType}, {types.NumericType, types.NumericType},
			{types.Float4Type, types.Float8Type}, {types.Float8Type, types.Float8Type},
		} {
			add(s.kind, s.name, sig(p[0]), p[1], s.doc, s.name+"(x) over (1), (2)", s.exampleOf)
		}
	}
	add(StringAgg, "string_agg", sig(types.TextType, types.TextType), types.TextType,
		"the values that are not NULL, one after the other with the second argument between them",
		"string_agg(x, ',') over ('a'), ('b')", "a,b")
	add(StringAgg, "string_agg", sig(types.ByteaType, types.ByteaType), types.ByteaType,
		"the values that are not NULL, one after the other with the second argument between them",
		"string_agg(x, ',') over ('a'), ('b')", "a,b")
	for _, t := range []types.Type{types.Int2Type, types.Int4Type, types.Int8Type} {
		add(BitAnd, "bit_and", sig(t), t, "the bitwise AND of the values that are not NULL", "bit_and(x) over (6), (3)", "2")
		add(BitOr, "bit_or", sig(t), t, "the bitwise OR of the values that are not NULL", "bit_or(x) over (6), (3)", "7")
		add(BitXor, "bit_xor", sig(t), t, "the bitwise exclusive OR of the values that are not NULL",
			"bit_xor(x) over (6), (3)", "5")
	}
	add(ArrayAgg, "array_agg", sig(anyType), types.Type{Kind: types.Array}, "all values, NULLs included, as an array",
		"array_agg(x) over (1), (NULL)", "{1,NULL}")
	add(FirstValue, "first_value", sig(anyType), anyType, "the first value by the ORDER BY of the call",
		"first_value(x ORDER BY x) over (1), (2)", "1")
	add(LastValue, "last_value", sig(anyType), anyType, "the last value by the ORDER BY of the call",
		"last_value(x ORDER BY x) over (1), (2)", "2")
	add(AnyValue, "any_value", sig(anyType), anyType, "some value that is not NULL", "any_value(x) over (1), (NULL)", "1")
	add(ApproxCountDistinct, "approx_count_distinct", sig(anyType), types.Int8Type,
		"about how many different values that are not NULL there are (HyperLogLog, about 1 % off)",
		"approx_count_distinct(x) over (1), (1), (2)", "2")
	text, jsonb, f8 := types.TextType, types.JSONBType, types.Float8Type
	for _, prefix := range []string{"jsonb", "json"} {
		add(JSONAgg, prefix+"_agg", sig(jsonb), jsonb, "all values, NULLs included, as a JSON array; arguments of any type become JSON as with to_jsonb",
			prefix+"_agg(x) over (1), (NULL)", "[1, null]")
		add(JSONObjectAgg, prefix+"_object_agg", sig(text, jsonb), jsonb, "the keys and values of all rows as a JSON object; arguments of any type become text and JSON",
			prefix+"_object_agg(x, x) over (1), (2)", `{"1": 1, "2": 2}`)
	}
	for _, d := range []struct {
		kind              AggKind
		name, doc, answer string
	}{
		{Corr, "corr", "the correlation coefficient", "1"},
		{CovarPop, "covar_pop", "the population covariance", "1.25"},
		{CovarSamp, "covar_samp", "the sample covariance", "1.6666666666666667"},
		{RegrAvgX, "regr_avgx", "the mean of the second argument", "2.5"},
		{RegrAvgY, "regr_avgy", "the mean of the first argument", "2.5"},
		{RegrIntercept, "regr_intercept", "where the line of least squares meets the y axis", "0"},
		{RegrR2, "regr_r2", "the square of the correlation coefficient", "1"},
		{RegrSlope, "regr_slope", "the slope of the line of least squares", "1"},
		{RegrSXX, "regr_sxx", "the sum of squares of the second argument about its mean", "5"},
		{RegrSXY, "regr_sxy", "the sum of products of both arguments about their means", "5"},
		{RegrSYY, "regr_syy", "the sum of squares of the first argument about its mean", "5"},
	} {
		add(d.kind, d.name, sig(f8, f8), f8, d.doc+" of the pairs (y, x) of which none is NULL", d.name+"(x, x) over (1), (2), (3), (4)", d.answer)
	}
	add(RegrCount, "regr_count", sig(f8, f8), types.Int8Type, "how many pairs (y, x) there are of which none is NULL", "regr_count(x, x) over (1), (NULL)", "1")
	fractions := types.ArrayOf(f8)
	for _, v := range []types.Type{f8, types.IntervalType} {
		add(PercentileCont, "percentile_cont", sig(v, f8), v, "the value at a fraction of the order, interpolated between neighbours",
			"percentile_cont(0.5) WITHIN GROUP (ORDER BY x) over (1), (2)", "1.5")
		add(PercentileCont, "percentile_cont", sig(v, fractions), types.ArrayOf(v), "the values at several fractions of the order, interpolated between neighbours",
			"percentile_cont(ARRAY[0, 0.5]) WITHIN GROUP (ORDER BY x) over (1), (2)", "{1,1.5}")
	}
	add(PercentileDisc, "percentile_disc", sig(anyType, f8), anyType, "the first value at or above a fraction of the order",
		"percentile_disc(0.5) WITHIN GROUP (ORDER BY x) over (1), (2)", "1")
	add(PercentileDisc, "percentile_disc", sig(anyType, fractions), types.AnyArray, "the first values at or above several fractions of the order",
		"percentile_disc(ARRAY[0.5, 1]) WITHIN GROUP (ORDER BY x) over (1), (2)", "{1,2}")
	add(Mode, "mode", sig(anyType), anyType, "the most frequent value, of several the first in order",
		"mode() WITHIN GROUP (ORDER BY x) over (1), (2), (2)", "2")
	return list
}
