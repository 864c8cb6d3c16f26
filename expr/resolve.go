package expr

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// candidate is one signature in an overload resolution, with its arguments expanded to the length of the call.
type candidate struct {
	args  []types.Type
	index int // of the caller
}

// Resolve finds the built-in overload that PostgreSQL would call for name with arguments of these types. An argument is
// an untyped literal if its type is unknown or untyped[i] is set (untyped may be nil). The call's arguments must then be
// cast implicitly to the types ArgTypes gives. Special forms (coalesce, greatest, now, ...) are not overloads: see Func.
//
// Errors: CodeUndefinedFunction with the types named and the nearest name as a hint; CodeAmbiguousFunction.
func Resolve(name string, args []types.Type, untyped []bool) (*Overload, error) {
	return Builtin.Resolve(name, args, untyped)
}

// Resolve is the function of that name over this registry.
func (r *Registry) Resolve(name string, args []types.Type, untyped []bool) (*Overload, error) {
	name = strings.ToLower(name)
	actual := baseTypes(args)
	for i := range actual {
		if i < len(untyped) && untyped[i] {
			actual[i] = types.UnknownType
		}
	}
	o, err := pick(r.funcs[name], actual)
	if err != nil {
		e := err.(*types.Error)
		return nil, types.Errorf(e.Code, "function %s is not unique", callText(name, args)).
			WithHint("add casts to the arguments, to say which of the functions is meant")
	}
	if o == nil {
		return nil, r.undefinedFunction(name, args)
	}
	return o, nil
}

// ResolveOperator finds the built-in overload of a prefix (one argument) or infix operator (two arguments): a symbol, or
// "is distinct from", "is not distinct from". Untyped literals have the unknown type.
//
// Errors: CodeUndefinedFunction with the types named; CodeAmbiguousFunction.
func ResolveOperator(op string, args []types.Type) (*Overload, error) {
	return Builtin.ResolveOperator(op, args)
}

// ResolveOperator is the function of that name over this registry.
func (r *Registry) ResolveOperator(op string, args []types.Type) (*Overload, error) {
	op = strings.ToLower(op)
	if op == "!=" {
		op = "<>"
	}
	actual := baseTypes(args)
	cands := r.ops[op]
	// A binary operator with one untyped literal is first tried with both sides of the known type.
	if len(actual) == 2 {
		same := slices.Clone(actual)
		for i, t := range same {
			if t.Kind == types.Unknown {
				same[i] = same[1-i]
			}
		}
		for _, o := range cands {
			if slices.Equal(o.Args, same) && same[0].Kind != types.Unknown {
				return o, nil
			}
		}
	}
	o, err := pick(cands, actual)
	if err != nil {
		e := err.(*types.Error)
		return nil, types.Errorf(e.Code, "operator is not unique: %s", operatorText(op, args)).
			WithHint("add casts, to say which of the operators is meant")
	}
	if o == nil {
		return nil, types.Errorf(types.CodeUndefinedFunction, "operator does not exist: %s", operatorText(op, args)).
			WithHint("no operator matches the argument types; you might need to add casts")
	}
	return o, nil
}

// ArgTypes returns the types to which the arguments of a call of o with n arguments are cast; unknown means as it is.
func (o *Overload) ArgTypes(n int) []types.Type {
	args := make([]types.Type, n)
	for i := range args {
		args[i] = o.argType(i)
	}
	return args
}

func baseTypes(ts []types.Type) []types.Type {
	out := make([]types.Type, len(ts))
	for i, t := range ts {
		out[i] = t.Base()
	}
	return out
}

// pick returns the overload chosen, nil if none fits, or the ambiguity.
func pick(overloads []*Overload, actual []types.Type) (*Overload, error) {
	var cands []candidate
	for i, o := range overloads {
		if o.poly != polyNone {
			continue // see polymorphic
		}
		if o.accepts(len(actual)) {
			cands = append(cands, candidate{args: o.ArgTypes(len(actual)), index: i})
		}
	}
	index, err := selectCandidate(cands, actual)
	if err != nil || index < 0 {
		return nil, err
	}
	return overloads[index], nil
}

// selectCandidate is PostgreSQL's function type resolution over base types. It returns the index of the candidate
// chosen, -1 if none fits, or an error CodeAmbiguousFunction.
//
// Source: PostgreSQL's documentation, chapter 10.3, and func_select_candidate by behaviour.
func selectCandidate(cands []candidate, actual []types.Type) (int, error) {
	for _, c := range cands {
		if slices.Equal(c.args, actual) && !slices.Contains(actual, types.UnknownType) {
			return c.index, nil
		}
	}
	// Those that can be called at all.
	cands = keep(cands, func(c candidate) bool {
		for i, t := range actual {
			if !coercible(t, c.args[i]) {
				return false
			}
		}
		return true
	})
	if len(cands) <= 1 {
		return only(cands), nil
	}
	// Those with the most exact matches; then those with the most exact matches or preferred types.
	cands = best(cands, actual, func(have, want types.Type) bool { return have == want })
	if len(cands) == 1 {
		return cands[0].index, nil
	}
	cands = best(cands, actual, func(have, want types.Type) bool {
		return have == want || categoryOf(have) == categoryOf(want) && preferred(want)
	})
	if len(cands) == 1 {
		return cands[0].index, nil
	}
	if !slices.Contains(actual, types.UnknownType) {
		return -1, types.Errorf(types.CodeAmbiguousFunction, "not unique")
	}
	// Untyped literals: a category per position, text before anything else.
	cands = byCategory(cands, actual)
	if len(cands) == 1 {
		return cands[0].index, nil
	}
	// If all the known types are the same, suppose that the unknown ones are of that type too.
	known := types.UnknownType
	for _, t := range actual {
		if t.Kind == types.Unknown {
			continue
		}
		if known.Kind != types.Unknown && known != t {
			return -1, types.Errorf(types.CodeAmbiguousFunction, "not unique")
		}
		known = t
	}
	if known.Kind != types.Unknown {
		fits := keep(slices.Clone(cands), func(c candidate) bool {
			return !slices.ContainsFunc(c.args, func(want types.Type) bool { return !coercible(known, want) })
		})
		if len(fits) == 1 {
			return fits[0].index, nil
		}
	}
	return -1, types.Errorf(types.CodeAmbiguousFunction, "not unique")
}

func only(cands []candidate) int {
	if len(cands) == 0 {
		return -1
	}
	return cands[0].index
}

func keep(cands []candidate, f func(candidate) bool) []candidate {
	return slices.DeleteFunc(cands, func(c candidate) bool { return !f(c) })
}

// best keeps the candidates with the most positions of known type for which f holds.
func best(cands []candidate, actual []types.Type, f func(have, want types.Type) bool) []candidate {
	counts := make([]int, len(cands))
	top := 0
	for i, c := range cands {
		for j, have := range actual {
			if have.Kind != types.Unknown && f(have, c.args[j]) {
				counts[i]++
			}
		}
		top = max(top, counts[i])
	}
	var out []candidate
	for i, c := range cands {
		if counts[i] == top {
			out = append(out, c)
		}
	}
	return out
}

// byCategory decides the category of each untyped position and keeps the candidates that have it, with preferred types
// where one of them has those.
func byCategory(cands []candidate, actual []types.Type) []candidate {
	type choice struct {
		cat           category
		needPreferred bool
	}
	choices := make([]choice, len(actual))
	for i, have := range actual {
		if have.Kind != types.Unknown {
			continue
		}
		ch := choice{cat: categoryOf(cands[0].args[i]), needPreferred: preferred(cands[0].args[i])}
		conflict := false
		for _, c := range cands[1:] {
			cat, pref := categoryOf(c.args[i]), preferred(c.args[i])
			switch {
			case cat == ch.cat:
				ch.needPreferred = ch.needPreferred || pref
			case cat == catString:
				ch = choice{cat: catString, needPreferred: pref}
				conflict = false
			case ch.cat != catString:
				conflict = true
			}
		}
		if conflict && ch.cat != catString {
			return cands // no category can be chosen
		}
		choices[i] = ch
	}
	kept := keep(slices.Clone(cands), func(c candidate) bool {
		for i, have := range actual {
			if have.Kind != types.Unknown {
				continue
			}
			if categoryOf(c.args[i]) != choices[i].cat || choices[i].needPreferred && !preferred(c.args[i]) {
				return false
			}
		}
		return true
	})
	if len(kept) == 0 {
		return cands
	}
	return kept
}

// category is PostgreSQL's type category.
type category byte

const (
	catUnknown  category = 'X'
	catNumber   category = 'N'
	catString   category = 'S'
	catBoolean  category = 'B'
	catDate     category = 'D'
	catTimespan category = 'T'
	catArray    category = 'A'
	catOther    category = 'U'
)

func categoryOf(t types.Type) category {
	switch t.Kind {
	case types.Unknown:
		return catUnknown
	case types.Bool:
		return catBoolean
	case types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Numeric:
		return catNumber
	case types.Text:
		return catString
	case types.Date, types.Time, types.Timestamp, types.TimestampTZ:
		return catDate
	case types.Interval:
		return catTimespan
	case types.Array:
		return catArray
	}
	return catOther
}

// preferred reports whether t is the preferred type of its category.
func preferred(t types.Type) bool {
	switch t.Kind {
	case types.Bool, types.Float8, types.Text, types.TimestampTZ, types.Interval:
		return true
	}
	return false
}

// coercible reports whether an argument of type have can be given, by an implicit cast, where want is declared.
func coercible(have, want types.Type) bool {
	if want == types.AnyArray {
		return have.Kind == types.Array || have.Kind == types.Unknown
	}
	return have.Kind == types.Unknown || want.Kind == types.Unknown || CanCast(have, want, Implicit)
}

func callText(name string, args []types.Type) string {
	texts := make([]string, len(args))
	for i, t := range args {
		texts[i] = t.Base().String()
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}

func operatorText(op string, args []types.Type) string {
	if len(args) == 1 {
		return op + " " + args[0].Base().String()
	}
	return args[0].Base().String() + " " + op + " " + args[1].Base().String()
}

// undefinedFunction says that no function or aggregate of that name takes these arguments, and what may be meant.
func (r *Registry) undefinedFunction(name string, args []types.Type) *types.Error {
	e := types.Errorf(types.CodeUndefinedFunction, "function %s does not exist", callText(name, args))
	if known := r.signatures(name); len(known) > 0 {
		const most = 6
		if len(known) > most {
			known = append(known[:most:most], "...")
		}
		return e.WithHint("no function of that name takes these arguments; there is %s", strings.Join(known, "; "))
	}
	if near := r.nearest(name); near != "" {
		return e.WithHint("did you mean %q?", near)
	}
	return e
}

func (r *Registry) signatures(name string) []string {
	var known []string
	for _, o := range r.funcs[name] {
		known = append(known, o.Signature())
	}
	for _, a := range r.aggs {
		if a.Name == name {
			known = append(known, a.Signature())
		}
	}
	return known
}

// nearest returns the name of a function closest to name, or "" if none is close.
func (r *Registry) nearest(name string) string {
	best, distance := "", 1+len(name)/3
	try := func(have string) {
		if d := editDistance(name, have); d < distance || d == distance && best != "" && have < best {
			best, distance = have, d
		}
	}
	for have := range r.funcs {
		try(have)
	}
	for _, have := range specialNames {
		try(have)
	}
	for _, a := range r.aggs {
		try(a.Name)
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours between a and b.
func editDistance(a, b string) int {
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}
