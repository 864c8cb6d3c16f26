// Package datagen generates rows by a rule per column: for load tests, demonstrations and trials.
package datagen

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/sources"
	"github.com/streamsql/streamsql/sources/generate"
	"github.com/streamsql/streamsql/types"
)

// Options are the connector's options. A rule of a column is given as 'fields.<column>.<property>'.
var Options = []types.OptionSpec{
	{Name: "rate", Kind: types.OptFloat, Default: "0", Doc: "rows per second; 0: as fast as they are taken"},
	{Name: "events", Kind: types.OptInt, Default: "0", Doc: "number of rows after which the source ends; 0: endless"},
	{Name: "seed", Kind: types.OptInt, Default: "0", Doc: "another seed gives other random values"},
	{Name: "fields.*", Doc: "the rule of a column: fields.<column>.kind = 'random' (the default) or 'sequence', with start, end and step (sequence; " +
		"a time steps by a duration), min and max (random), length (text), values = 'a,b,c' (one of these), null_rate (0 to 1)"},
}

var properties = []types.OptionSpec{
	{Name: "kind", Kind: types.OptEnum, Enum: []string{"random", "sequence"}, Default: "random"},
	{Name: "start"}, {Name: "end"}, {Name: "step"}, {Name: "min"}, {Name: "max"}, {Name: "values"},
	{Name: "length", Kind: types.OptInt, Default: "10"},
	{Name: "null_rate", Kind: types.OptFloat, Default: "0"},
}

// New returns a source of the wanted columns. all are the declared columns: a rule for another column is an error.
func New(name string, o types.Options, all, wanted types.Schema) (sources.Source, error) {
	byColumn := map[string]map[string]string{}
	for key, v := range o.WithPrefix("fields.") {
		column, property, ok := cutLast(key)
		if !ok || all.Index(column) < 0 {
			names := make([]string, len(all))
			for i, f := range all {
				names[i] = f.Name
			}
			err := types.Errorf(types.CodeInvalidParameter, "option %q names no column", "fields."+key)
			if near := types.Nearest(column, names); near != "" {
				err = err.WithHint("did you mean %q?", "fields."+near+"."+property)
			}
			return nil, err
		}
		if byColumn[column] == nil {
			byColumn[column] = map[string]string{}
		}
		byColumn[column][property] = v
	}
	if err := generate.CheckLimits(o); err != nil {
		return nil, err
	}
	g := &generator{}
	for _, f := range all {
		given, err := types.ParseOptions("column '"+f.Name+"' of datagen", properties, byColumn[f.Name])
		if err != nil {
			return nil, err
		}
		rule, err := newRule(f, given)
		if err != nil {
			return nil, types.Errorf(types.CodeOf(err), "column %q of datagen: %s", f.Name, err)
		}
		rule.nullRate = given.Float("null_rate")
		if !(rule.nullRate >= 0 && rule.nullRate <= 1) {
			return nil, types.Errorf(types.CodeInvalidParameter, "column %q of datagen: null_rate is %v, wanted 0 to 1", f.Name, rule.nullRate)
		}
		if rule.nullRate > 0 && f.NotNull {
			return nil, types.Errorf(types.CodeInvalidParameter, "column %q is NOT NULL and has a null_rate", f.Name)
		}
		rule.typ, rule.seed = f.Type, o.Int("seed")^int64(len(g.rules)+1)<<48
		g.rules = append(g.rules, rule)
	}
	picked := make([]rule, len(wanted))
	for i, f := range wanted {
		picked[i] = g.rules[all.Index(f.Name)]
	}
	g.rules = picked
	return generate.New(generate.Config{Name: name, Schema: wanted, Events: o.Int("events"), Rate: o.Float("rate"), Gen: g}), nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// rule makes the value of event n in the form of types.AppendValue.
type rule struct {
	typ      types.Type
	seed     int64
	nullRate float64
	value    func(n int64, r *generate.Random) any
}

type generator struct{ rules []rule }

// Generate implements generate.Generator.
func (g *generator) Generate(from, to int64) ([]arrow.Array, int, error) {
	cols := make([]arrow.Array, len(g.rules))
	for i, rule := range g.rules {
		b := types.NewBuilder(rule.typ)
		b.Reserve(int(to - from))
		for n := from; n < to; n++ {
			r := generate.RandomFor(rule.seed, n)
			if rule.nullRate > 0 && r.Float64() < rule.nullRate {
				b.AppendNull()
				continue
			}
			if err := types.AppendValue(b, rule.typ, rule.value(n, &r)); err != nil {
				return nil, 0, err
			}
		}
		cols[i] = b.NewArray()
	}
	return cols, int(to - from), nil
}

func newRule(f types.Field, o types.Options) (rule, error) {
	if o.Has("values") {
		return newChoice(f, o.String("values"))
	}
	sequence := o.String("kind") == "sequence"
	switch t := f.Type; {
	case t.IsInteger(), t.Kind == types.Timestamp, t.Kind == types.TimestampTZ, t.Kind == types.Date:
		return newWhole(t, o, sequence)
	case t.IsFloat(), t.Kind == types.Numeric:
		return newNumber(t, o, sequence)
	case t.Kind == types.Text && !sequence:
		length := o.Int("length")
		if length < 0 || length > 1_000_000 {
			return rule{}, types.Errorf(types.CodeInvalidParameter, "length is %d, wanted 0 to 1000000", length)
		}
		return rule{value: func(_ int64, r *generate.Random) any { return letters(r, length) }}, nil
	case t.Kind == types.Text:
		start, err := whole(types.Int8Type, o, "start", 0)
		return rule{value: func(n int64, _ *generate.Random) any { return strconv.FormatInt(start+n, 10) }}, err
	case t.Kind == types.Bool && !sequence:
		return rule{value: func(_ int64, r *generate.Random) any { return r.Uint64()&1 == 1 }}, nil
	}
	return rule{}, types.NotSupported(types.Span{}, "datagen for type %s, kind %s", f.Type, o.String("kind"))
}

// newChoice picks one of the comma-separated values.
func newChoice(f types.Field, list string) (rule, error) {
	var choices []any
	for _, text := range strings.Split(list, ",") {
		v, err := types.ParseText(f.Type, strings.TrimSpace(text))
		if err != nil {
			return rule{}, err
		}
		choices = append(choices, v)
	}
	return rule{value: func(_ int64, r *generate.Random) any { return choices[r.Int64n(int64(len(choices)))] }}, nil
}

// whole reads a bound of an integer or time column in its storage form.
func whole(t types.Type, o types.Options, name string, otherwise int64) (int64, error) {
	if !o.Has(name) {
		return otherwise, nil
	}
	v, err := types.ParseText(t, o.String(name))
	if err != nil {
		return 0, err
	}
	return v.(int64), nil
}

func newWhole(t types.Type, o types.Options, sequence bool) (rule, error) {
	lo, hi, step := int64(0), int64(math.MaxInt16), int64(1)
	last := int64(math.MaxInt16) // of the type
	switch t.Kind {
	case types.Int4:
		hi, last = math.MaxInt32, math.MaxInt32
	case types.Int8:
		hi, last = math.MaxInt32, math.MaxInt64
	case types.Date:
		hi, last = 36524, int64(types.DatePosInf)-1 // 2069-12-31
	case types.Timestamp, types.TimestampTZ:
		lo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		hi, step, last = lo+int64(10*365*24*time.Hour/time.Microsecond), 1_000_000, types.TimestampPosInf-1
	}
	if sequence {
		start, err := whole(t, o, "start", lo)
		if err != nil {
			return rule{}, err
		}
		if o.Has("step") {
			if step, err = parseStep(t, o.String("step")); err != nil {
				return rule{}, err
			}
		}
		end, err := whole(t, o, "end", last)
		if err != nil {
			return rule{}, err
		}
		if step <= 0 || end < start {
			return rule{}, types.Errorf(types.CodeInvalidParameter, "a sequence needs a step above 0 and an end not before its start")
		}
		count := (end-start)/step + 1 // the sequence begins again behind its end
		if count <= 0 {
			count = math.MaxInt64
		}
		return rule{value: func(n int64, _ *generate.Random) any { return start + n%count*step }}, nil
	}
	lo, err := whole(t, o, "min", lo)
	if err != nil {
		return rule{}, err
	}
	if hi, err = whole(t, o, "max", max(hi, lo)); err != nil {
		return rule{}, err
	}
	if hi < lo {
		return rule{}, types.Errorf(types.CodeInvalidParameter, "max is below min")
	}
	span := uint64(hi-lo) + 1
	return rule{value: func(_ int64, r *generate.Random) any {
		if span == 0 {
			return int64(r.Uint64())
		}
		return lo + int64(r.Uint64()%span)
	}}, nil
}

func parseStep(t types.Type, text string) (int64, error) {
	if t.Kind == types.Timestamp || t.Kind == types.TimestampTZ {
		d, ok := types.ParseDuration(text)
		if !ok {
			return 0, types.Errorf(types.CodeInvalidParameter, "step is %q, wanted a duration such as '1 second'", text)
		}
		return d.Microseconds(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, types.Errorf(types.CodeInvalidParameter, "step is %q, wanted a whole number", text)
	}
	return n, nil
}

func newNumber(t types.Type, o types.Options, sequence bool) (rule, error) {
	bound := map[string]float64{"min": 0, "max": 1, "start": 0, "step": 1}
	for name := range bound {
		if o.Has(name) {
			v, err := strconv.ParseFloat(o.String(name), 64)
			if err != nil {
				return rule{}, types.Errorf(types.CodeInvalidParameter, "%s is %q, wanted a number", name, o.String(name))
			}
			bound[name] = v
		}
	}
	if !sequence && bound["max"] < bound["min"] {
		return rule{}, types.Errorf(types.CodeInvalidParameter, "max is below min")
	}
	draw := func(n int64, r *generate.Random) float64 {
		return bound["min"] + r.Float64()*(bound["max"]-bound["min"])
	}
	if sequence {
		draw = func(n int64, _ *generate.Random) float64 { return bound["start"] + float64(n)*bound["step"] }
	}
	if t.IsFloat() {
		return rule{value: func(n int64, r *generate.Random) any { return draw(n, r) }}, nil
	}
	scale := 2
	if t.Precision > 0 {
		scale = int(t.Scale)
	}
	if _, err := types.ParseText(t, strconv.FormatFloat(math.Max(math.Abs(bound["min"]), math.Abs(bound["max"])), 'f', scale, 64)); err != nil {
		return rule{}, err
	}
	return rule{value: func(n int64, r *generate.Random) any {
		v, err := types.ParseText(t, strconv.FormatFloat(draw(n, r), 'f', scale, 64))
		if err != nil { // a sequence that has left the type's range
			return nil
		}
		return v
	}}, nil
}

func letters(r *generate.Random, n int64) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(r.Uint64()%26)
	}
	return string(b)
}
