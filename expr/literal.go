package expr

import (
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// NewNumber makes the literal of an unsigned number as it is written: 1, 1.50, .5, 1e5, 0x1F, 0b1, 0o7. It is an integer if
// it fits, else a bigint, else numeric, as in PostgreSQL; where NUMERIC's 38 digits are not enough (1e300), double precision.
//
// Errors: CodeNumericOutOfRange, CodeSyntax, positioned.
func NewNumber(text string, sp types.Span) (Expr, error) {
	base := 10
	digits := text
	if len(text) > 2 && text[0] == '0' {
		switch text[1] {
		case 'x', 'X':
			base, digits = 16, text[2:]
		case 'o', 'O':
			base, digits = 8, text[2:]
		case 'b', 'B':
			base, digits = 2, text[2:]
		}
	}
	digits = strings.ReplaceAll(digits, "_", "")
	if n, err := strconv.ParseInt(digits, base, 64); err == nil {
		t := types.Int8Type
		if n == int64(int32(n)) {
			t = types.Int4Type
		}
		return &Literal{Base: Base{T: t, Sp: sp}, Value: n}, nil
	}
	if base != 10 {
		return nil, types.Errorf(types.CodeNumericOutOfRange, "the number %s is too large", text).At(sp)
	}
	text = strings.ReplaceAll(text, "_", "")
	v, err := types.ParseNumeric(text)
	if types.CodeOf(err) == types.CodeNumericOutOfRange {
		if f, ferr := types.ParseFloat(types.Float8, text); ferr == nil {
			return &Literal{Base: Base{T: types.Float8Type, Sp: sp}, Value: f}, nil
		}
	}
	if err != nil {
		return nil, positioned(err, sp)
	}
	return &Literal{Base: Base{T: types.NumericType, Sp: sp}, Value: v}, nil
}

// LikeKind is the matching operator of NewLike.
type LikeKind uint8

// The matching operators.
const (
	Like LikeKind = iota
	ILike
	SimilarTo
)

// NewLike builds x [NOT] LIKE | ILIKE | SIMILAR TO pattern [ESCAPE escape]; escape may be nil.
//
// Errors: CodeUndefinedFunction, positioned.
func (r *Registry) NewLike(kind LikeKind, x, pattern, escape Expr, not bool, sp types.Span) (Expr, error) {
	op := "~~"
	switch kind {
	case ILike:
		op = "~~*"
	case SimilarTo:
		op = "~"
		args := []Expr{pattern}
		if escape != nil {
			args = append(args, escape)
		}
		var err error
		if pattern, err = r.Func("similar_to_escape", args, sp); err != nil {
			return nil, err
		}
	}
	if kind != SimilarTo && escape != nil {
		var err error
		if pattern, err = r.Func("like_escape", []Expr{pattern, escape}, sp); err != nil {
			return nil, err
		}
	}
	if not {
		op = "!" + op
	}
	e, err := r.Op(op, []Expr{x, pattern}, sp)
	if err != nil {
		return nil, err
	}
	return r.foldPattern(e), nil
}

// foldPattern computes a constant pattern, so that it is compiled once.
func (r *Registry) foldPattern(e Expr) Expr {
	c := e.(*Call)
	return &Call{Base: c.Base, Fn: c.Fn, Args: []Expr{c.Args[0], r.Fold(c.Args[1])}}
}

// NewLike is the function of that name over the built-in registry.
func NewLike(kind LikeKind, x, pattern, escape Expr, not bool, sp types.Span) (Expr, error) {
	return Builtin.NewLike(kind, x, pattern, escape, not, sp)
}
