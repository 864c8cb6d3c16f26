package expr

import (
	"github.com/streamsql/streamsql/types"
)

// CastContext says who asks for a cast: PostgreSQL allows some casts only when written out.
type CastContext uint8

// The contexts, each allowing what those before it allow.
const (
	Implicit   CastContext = iota // an argument of a function or operator
	Assignment                    // a value for a column of a table or sink
	Explicit                      // CAST(x AS t), x::t
)

// castRule returns the weakest context in which a cast between different base types exists.
func castRule(from, to types.Kind) (CastContext, bool) {
	switch from {
	case types.Bool:
		switch to {
		case types.Int4:
			return Explicit, true
		case types.Text:
			return Assignment, true
		}
	case types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Numeric:
		switch to {
		case types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Numeric:
			if numberRank(from) < numberRank(to) {
				return Implicit, true
			}
			return Assignment, true
		case types.Bool:
			return Explicit, from == types.Int4
		case types.Text:
			return Assignment, true
		}
	case types.Text:
		switch to {
		case types.Unknown, types.Record:
			return 0, false
		}
		return Explicit, true
	case types.Bytea:
		return Assignment, to == types.Text
	case types.JSONB:
		switch to {
		case types.Bool, types.Int2, types.Int4, types.Int8, types.Float4, types.Float8, types.Numeric:
			return Explicit, true
		}
		return Assignment, to == types.Text
	case types.Date:
		switch to {
		case types.Timestamp, types.TimestampTZ:
			return Implicit, true
		case types.Text:
			return Assignment, true
		}
	case types.Time:
		switch to {
		case types.Interval:
			return Implicit, true
		case types.Text:
			return Assignment, true
		}
	case types.Timestamp:
		switch to {
		case types.TimestampTZ:
			return Implicit, true
		case types.Date, types.Time, types.Text:
			return Assignment, true
		}
	case types.TimestampTZ:
		switch to {
		case types.Date, types.Time, types.Timestamp, types.Text:
			return Assignment, true
		}
	case types.Interval:
		switch to {
		case types.Time, types.Text:
			return Assignment, true
		}
	case types.Array:
		return Assignment, to == types.Text
	}
	return 0, false
}

// numberRank orders the number types by their implicit casts.
func numberRank(k types.Kind) int {
	switch k {
	case types.Int2:
		return 1
	case types.Int4:
		return 2
	case types.Int8:
		return 3
	case types.Numeric:
		return 4
	case types.Float4:
		return 5
	}
	return 6
}

// CanCast reports whether a value of type from can become one of type to in that context. Modifiers do not matter. The
// unknown type can become anything.
func CanCast(from, to types.Type, ctx CastContext) bool {
	if from.Kind == types.Unknown || from.Base() == to.Base() {
		return true
	}
	if from.Kind == types.Array && to.Kind == types.Array { // as the elements
		return CanCast(from.ElemType(), to.ElemType(), ctx)
	}
	weakest, ok := castRule(from.Kind, to.Kind)
	return ok && weakest <= ctx
}

// Cast returns e as a value of type to, or e itself if it is that already. An untyped literal is read at once.
//
// Errors: CodeCannotCoerce (explicit) or CodeDatatypeMismatch (otherwise) where there is no such cast; and what reading an
// untyped literal gives (CodeInvalidText ...), positioned at the literal.
func Cast(e Expr, to types.Type, ctx CastContext) (Expr, error) {
	from := e.Type()
	if to.Kind == types.Unknown || from == to {
		return e, nil
	}
	if from.Kind == types.Unknown {
		return castUnknown(e, to, ctx)
	}
	if from.Base() == to.Base() {
		return castModifier(e, to, ctx)
	}
	if !CanCast(from, to, ctx) {
		return nil, castError(from, to, ctx).At(e.Span())
	}
	fn := castID(from, to, ctx)
	return &Call{Base: Base{T: to, Sp: e.Span()}, Fn: fn, Args: []Expr{e}}, nil
}

func castError(from, to types.Type, ctx CastContext) *types.Error {
	if ctx == Explicit || ctx == Implicit {
		return types.Errorf(types.CodeCannotCoerce, "cannot cast type %s to %s", from.Base(), to.Base())
	}
	e := types.Errorf(types.CodeDatatypeMismatch, "a value of type %s is wanted, this one is of type %s", to.Base(), from.Base())
	if CanCast(from, to, Explicit) {
		return e.WithHint("write CAST(... AS %s)", to)
	}
	return e
}

// castUnknown reads an untyped literal as a value of type to. An untyped expression that is no literal can only be NULL.
func castUnknown(e Expr, to types.Type, ctx CastContext) (Expr, error) {
	lit, ok := e.(*Literal)
	if ok && lit.Typed != nil {
		lit.Typed(to)
	}
	if !ok || lit.Value == nil {
		return &Literal{Base: Base{T: to, Sp: e.Span()}}, nil
	}
	text := lit.Value.(string)
	value, err := parseLiteral(to, text, ctx)
	if err != nil {
		return nil, positioned(err, e.Span())
	}
	if value == nil { // depends on the session: read when run
		from := &Literal{Base: Base{T: types.TextType, Sp: e.Span()}, Value: text}
		return &Call{Base: Base{T: to, Sp: e.Span()}, Fn: castID(types.TextType, to, Explicit), Args: []Expr{from}}, nil
	}
	return &Literal{Base: Base{T: to, Sp: e.Span()}, Value: value}, nil
}

// castModifier applies the modifiers of to. Dropping modifiers is free but for decimal128, whose storage changes.
func castModifier(e Expr, to types.Type, ctx CastContext) (Expr, error) {
	from := e.Type()
	free := to.Precision == 0 && !from.IsDecimal128()
	switch to.Kind {
	case types.Text:
		free = to.Precision == 0 || from.Precision > 0 && from.Precision <= to.Precision
	case types.Time, types.Timestamp, types.TimestampTZ:
		free = to.Precision == 0 || from.Precision > 0 && from.Precision <= to.Precision
	case types.Numeric:
	default:
		free = true
	}
	if free {
		return retype(e, to), nil
	}
	return &Call{Base: Base{T: to, Sp: e.Span()}, Fn: castID(from, to, ctx), Args: []Expr{e}}, nil
}

// retype returns e under another type of the same storage.
func retype(e Expr, to types.Type) Expr {
	switch x := e.(type) {
	case *Literal:
		c := *x
		c.T = to
		return &c
	}
	return &Call{Base: Base{T: to, Sp: e.Span()}, Fn: castID(e.Type(), to, Explicit), Args: []Expr{e}}
}

// castID names the overload of a cast. Assignment differs from the rest only where a text may be too long.
func castID(from, to types.Type, ctx CastContext) string {
	name := "cast"
	if ctx == Assignment && to.Kind == types.Text {
		name = "assign"
	}
	return name + "(" + from.Base().String() + " as " + to.Base().String() + ")"
}

func positioned(err error, sp types.Span) error {
	if e, ok := err.(*types.Error); ok {
		return e.At(sp)
	}
	return types.Errorf(types.CodeInternal, "%v", err).At(sp)
}

// CommonType finds the type of a UNION column, of CASE, COALESCE, GREATEST, VALUES, IN or ARRAY over values of these
// types, as PostgreSQL does: untyped literals alone give text. Modifiers stay only if all agree.
//
// Errors: CodeDatatypeMismatch, CodeCannotCoerce.
func CommonType(ts []types.Type) (types.Type, error) {
	if len(ts) == 0 {
		return types.TextType, nil
	}
	same := true
	for _, t := range ts[1:] {
		same = same && t == ts[0]
	}
	if same && ts[0].Kind != types.Unknown {
		return ts[0], nil
	}
	common := types.UnknownType
	for _, full := range ts {
		t := full.Base()
		switch {
		case t.Kind == types.Unknown || t == common:
		case common.Kind == types.Unknown:
			common = t
		case categoryOf(t) != categoryOf(common):
			return types.Type{}, types.Errorf(types.CodeDatatypeMismatch, "types %s and %s cannot be matched", common, t)
		case !preferred(common) && CanCast(common, t, Implicit) && !CanCast(t, common, Implicit):
			common = t
		}
	}
	if common.Kind == types.Unknown {
		return types.TextType, nil
	}
	for _, t := range ts {
		if !CanCast(t, common, Implicit) {
			return types.Type{}, types.Errorf(types.CodeCannotCoerce, "could not convert type %s to %s", t.Base(), common)
		}
	}
	return common, nil
}
