package expr

import (
	"github.com/streamsql/streamsql/types"
)

// poly is how the types of an overload's types.AnyArray and types.AnyElement arguments hang together.
type poly uint8

const (
	polyNone       poly = iota
	polySame            // PostgreSQL's anyarray, anyelement: all of one type
	polyCompatible      // anycompatiblearray, anycompatible: of the type that they have in common
)

// matching and compatible are properties of polymorphic overloads.
func matching(o *Overload)   { o.poly = polySame }
func compatible(o *Overload) { o.poly = polyCompatible }

// polymorphic binds a call of the first polymorphic overload that takes the arguments; nil if none does. Kernels of such
// overloads find the types in their binding.
//
// Errors: what reading an untyped literal gives, positioned.
func polymorphic(overloads []*Overload, args []Expr, sp types.Span) (Expr, error) {
	for _, o := range overloads {
		if o.poly == polyNone || !o.accepts(len(args)) {
			continue
		}
		elem, ok := o.elementType(args)
		if !ok {
			continue
		}
		cast := make([]Expr, len(args))
		for i, a := range args {
			var err error
			if cast[i], err = Cast(a, instance(o.argType(i), elem), Implicit); err != nil {
				return nil, err
			}
		}
		return &Call{Base: Base{T: instance(o.Result, elem), Sp: sp}, Fn: o.ID, Args: cast}, nil
	}
	return nil, nil
}

// instance fills the element type into a type of a signature.
func instance(t, elem types.Type) types.Type {
	switch t {
	case types.AnyArray:
		return types.ArrayOf(elem)
	case types.AnyElement:
		return elem
	}
	return t
}

// elementType finds the element type for which o takes the arguments.
func (o *Overload) elementType(args []Expr) (elem types.Type, ok bool) {
	var known []types.Type
	for i, a := range args {
		have := a.Type().Base()
		switch want := o.argType(i); {
		case want == types.AnyArray || want == types.AnyElement:
			switch {
			case have.Kind == types.Unknown:
			case (have.Kind == types.Array) != (want == types.AnyArray):
				return elem, false
			case want == types.AnyArray:
				known = append(known, have.ElemType())
			default:
				known = append(known, have)
			}
		case !coercible(have, want):
			return elem, false
		}
	}
	if len(known) == 0 {
		return elem, false
	}
	if o.poly == polyCompatible {
		elem, err := CommonType(known)
		return elem, err == nil
	}
	for _, k := range known[1:] {
		if k != known[0] {
			return elem, false
		}
	}
	return known[0], true
}

// hasPolymorphic reports whether the overloads of a name may be polymorphic for these arguments: for operators only where one of
// them is an array.
func hasPolymorphic(overloads []*Overload, args []Expr, operator bool) bool {
	found := false
	for _, o := range overloads {
		found = found || o.poly != polyNone
	}
	if !found || !operator {
		return found
	}
	for _, a := range args {
		if a.Type().Kind == types.Array {
			return true
		}
	}
	return false
}

// allUntyped reports whether a polymorphic overload would take the arguments, if only their types were known.
func allUntyped(overloads []*Overload, args []Expr) bool {
	for _, o := range overloads {
		if o.poly == polyNone || !o.accepts(len(args)) {
			continue
		}
		fits := true
		for i, a := range args {
			want := o.argType(i)
			if want == types.AnyArray || want == types.AnyElement {
				fits = fits && a.Type().Kind == types.Unknown
			} else {
				fits = fits && coercible(a.Type().Base(), want)
			}
		}
		if fits {
			return true
		}
	}
	return false
}

// undetermined is PostgreSQL's error of polymorphic arguments that are all untyped.
func undetermined(name string) *types.Error {
	return types.Errorf(types.CodeDatatypeMismatch, "could not determine polymorphic type because input has type unknown").
		WithHint("add a cast to an argument of %s", name)
}
