package expr

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// specialForm binds what is written like a function and has rules of its own.
type specialForm func(r *Registry, name string, args []Expr, sp types.Span) (Expr, error)

// specialNames are the names that special knows.
var specialNames = []string{
	"coalesce", "nullif", "greatest", "least", "now", "current_timestamp", "transaction_timestamp", "statement_timestamp",
	"clock_timestamp", "localtimestamp", "current_date", "localtime", "current_time", "pg_typeof", "if", "ifnull", "nvl",
}

// special returns the special form of that name, or nil.
func special(name string) specialForm {
	switch name {
	case "coalesce":
		return bindCoalesce
	case "nullif":
		return bindNullIf
	case "greatest", "least":
		return bindExtreme
	case "now", "current_timestamp", "transaction_timestamp", "statement_timestamp", "clock_timestamp", "localtimestamp",
		"current_date", "localtime", "current_time":
		return bindNow
	case "pg_typeof":
		return bindTypeof
	case "if":
		return bindIf
	case "ifnull", "nvl":
		return bindIfNull
	}
	return nil
}

// Func binds a call of a scalar function or special form: it finds the overload and casts the arguments.
//
// Errors: as Resolve and Cast, positioned.
func Func(name string, args []Expr, sp types.Span) (Expr, error) { return Builtin.Func(name, args, sp) }

// Func is the function of that name over this registry.
func (r *Registry) Func(name string, args []Expr, sp types.Span) (Expr, error) {
	name = strings.ToLower(name)
	if f := special(name); f != nil {
		e, err := f(r, name, args, sp)
		if err != nil {
			return nil, positioned(err, sp)
		}
		return e, nil
	}
	if hasPolymorphic(r.funcs[name], args, false) {
		if e, err := polymorphic(r.funcs[name], args, sp); e != nil || err != nil {
			return e, err
		}
		if allUntyped(r.funcs[name], args) {
			return nil, undetermined(name).At(sp)
		}
	}
	if len(args) == 1 && len(r.funcs[name]) == 0 {
		if t, ok := castFunctions[name]; ok && CanCast(args[0].Type(), t, Explicit) {
			return Cast(args[0], t, Explicit)
		}
	}
	o, err := r.Resolve(name, typesOf(args), nil)
	if err != nil {
		return nil, positioned(err, sp)
	}
	return o.Apply(args, sp)
}

// Op binds an operator with one or two arguments, or "is [not] distinct from", "is [not] null | true | false | unknown".
//
// Errors: as ResolveOperator and Cast, positioned.
func Op(op string, args []Expr, sp types.Span) (Expr, error) { return Builtin.Op(op, args, sp) }

// Op is the function of that name over this registry.
func (r *Registry) Op(op string, args []Expr, sp types.Span) (Expr, error) {
	if op == "!=" {
		op = "<>"
	}
	if hasPolymorphic(r.ops[op], args, true) {
		if e, err := polymorphic(r.ops[op], args, sp); e != nil || err != nil {
			return e, err
		}
	}
	o, err := r.ResolveOperator(op, typesOf(args))
	if err != nil {
		return nil, positioned(err, sp)
	}
	return o.Apply(args, sp)
}

// Apply builds the call of o, with the arguments cast to its types.
//
// Errors: what reading an untyped literal gives.
func (o *Overload) Apply(args []Expr, sp types.Span) (Expr, error) {
	cast := make([]Expr, len(args))
	for i, a := range args {
		want := o.argType(i)
		have := a.Type()
		if want.Kind == types.Unknown {
			want = have
			if have.Kind == types.Unknown {
				want = types.TextType
			}
		}
		if have.Base() == want.Base() { // modifiers do not matter: kernels read decimal128 as NUMERIC
			cast[i] = a
			continue
		}
		c, err := Cast(a, want, Implicit)
		if err != nil {
			return nil, err
		}
		cast[i] = c
	}
	return &Call{Base: Base{T: o.Result, Sp: sp}, Fn: o.ID, Args: cast}, nil
}

func typesOf(args []Expr) []types.Type {
	out := make([]types.Type, len(args))
	for i, a := range args {
		out[i] = a.Type()
	}
	return out
}

// NewLogic builds AND or OR over conditions, cast to boolean.
//
// Errors: CodeDatatypeMismatch, positioned at the argument.
func NewLogic(or bool, args []Expr, sp types.Span) (Expr, error) {
	word := "AND"
	if or {
		word = "OR"
	}
	out := make([]Expr, len(args))
	for i, a := range args {
		c, err := boolean(a, "argument of "+word)
		if err != nil {
			return nil, err
		}
		out[i] = c
	}
	return &Logic{Base: Base{T: types.BoolType, Sp: sp}, Or: or, Args: out}, nil
}

func boolean(e Expr, what string) (Expr, error) {
	if !CanCast(e.Type(), types.BoolType, Implicit) {
		return nil, types.Errorf(types.CodeDatatypeMismatch, "%s must be boolean, this one is %s", what, e.Type()).At(e.Span())
	}
	return Cast(e, types.BoolType, Implicit)
}

// NewCase builds CASE: conditions become boolean, branches their common type. operand is nil for the searched form; else
// each condition is a value that it is compared with.
//
// Errors: CodeDatatypeMismatch, CodeUndefinedFunction (no such comparison), positioned.
func (r *Registry) NewCase(operand Expr, whens []When, els Expr, sp types.Span) (Expr, error) {
	branches := make([]Expr, 0, len(whens)+1)
	for _, w := range whens {
		branches = append(branches, w.Then)
	}
	if els != nil {
		branches = append(branches, els)
	}
	branches, t, err := unify("CASE", branches)
	if err != nil {
		return nil, positioned(err, sp)
	}
	out := &Case{Base: Base{T: t, Sp: sp}}
	if els != nil {
		out.Else = branches[len(whens)]
	}
	if operand != nil && operand.Type().Kind == types.Unknown {
		if operand, err = Cast(operand, types.TextType, Implicit); err != nil {
			return nil, err
		}
	}
	for i, w := range whens {
		cond := w.Cond
		if operand != nil {
			if cond, err = r.Op("=", []Expr{operand, cond}, cond.Span()); err != nil {
				return nil, err
			}
		}
		if cond, err = boolean(cond, "condition of CASE"); err != nil {
			return nil, err
		}
		out.Whens = append(out.Whens, When{Cond: cond, Then: branches[i]})
	}
	return out, nil
}

// NewCase is the function of that name over the built-in registry.
func NewCase(operand Expr, whens []When, els Expr, sp types.Span) (Expr, error) {
	return Builtin.NewCase(operand, whens, els, sp)
}

// NewIn builds x [NOT] IN (list): In over constants of one type, otherwise a Logic of comparisons.
//
// Errors: CodeDatatypeMismatch, CodeUndefinedFunction, positioned.
func (r *Registry) NewIn(x Expr, list []Expr, not bool, sp types.Span) (Expr, error) {
	// As in PostgreSQL, constants of one common type with x make one set; otherwise each is compared by its own operator.
	all := append([]Expr{x}, list...)
	constant := true
	for _, e := range list {
		constant = constant && r.IsConst(e)
	}
	if constant {
		if unified, t, err := unify("IN", all); err == nil && t.Kind != types.Array && t.Kind != types.JSONB {
			out := &In{Base: Base{T: types.BoolType, Sp: sp}, X: unified[0], Not: not}
			literals := true
			for _, e := range unified[1:] {
				lit, ok := r.Fold(e).(*Literal)
				literals = literals && ok
				out.List = append(out.List, lit)
			}
			if literals {
				return out, nil
			}
		}
	}
	op, or := "=", true
	if not {
		op, or = "<>", false
	}
	args := make([]Expr, len(list))
	for i, e := range list {
		c, err := r.Op(op, []Expr{x, e}, e.Span().Cover(x.Span()))
		if err != nil {
			return nil, err
		}
		args[i] = c
	}
	if len(args) == 1 {
		return args[0], nil
	}
	return NewLogic(or, args, sp)
}

// NewIn is the function of that name over the built-in registry.
func NewIn(x Expr, list []Expr, not bool, sp types.Span) (Expr, error) {
	return Builtin.NewIn(x, list, not, sp)
}

// unify casts all to their common type.
func unify(what string, exprs []Expr) ([]Expr, types.Type, error) {
	t, err := CommonType(typesOf(exprs))
	if err != nil {
		e := err.(*types.Error)
		return nil, t, &types.Error{Code: e.Code, Msg: what + " " + e.Msg}
	}
	out := make([]Expr, len(exprs))
	for i, e := range exprs {
		if out[i], err = Cast(e, t, Implicit); err != nil {
			return nil, t, err
		}
	}
	return out, t, nil
}

func bindCoalesce(r *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) == 0 {
		return nil, types.Errorf(types.CodeSyntax, "COALESCE wants at least one argument")
	}
	args, t, err := unify("COALESCE", args)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return args[0], nil
	}
	out := &Case{Base: Base{T: t, Sp: sp}, Else: args[len(args)-1]}
	for _, a := range args[:len(args)-1] {
		cond, err := r.Op("is not null", []Expr{a}, a.Span())
		if err != nil {
			return nil, err
		}
		out.Whens = append(out.Whens, When{Cond: cond, Then: a})
	}
	return out, nil
}

func bindNullIf(r *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) != 2 {
		return nil, types.Errorf(types.CodeSyntax, "NULLIF wants two arguments, not %d", len(args))
	}
	cond, err := r.Op("=", args, sp)
	if err != nil {
		return nil, err
	}
	value := cond.(*Call).Args[0]
	return &Case{
		Base:  Base{T: value.Type(), Sp: sp},
		Whens: []When{{Cond: cond, Then: &Literal{Base: Base{T: value.Type(), Sp: sp}}}},
		Else:  value,
	}, nil
}

func bindExtreme(r *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) == 0 {
		return nil, types.Errorf(types.CodeSyntax, "%s wants at least one argument", strings.ToUpper(name))
	}
	args, t, err := unify(strings.ToUpper(name), args)
	if err != nil {
		return nil, err
	}
	if t.Kind == types.Array {
		return &Call{Base: Base{T: t, Sp: sp}, Fn: overloadID(name, sig(types.AnyArray), true), Args: args}, nil
	}
	o := r.Lookup(overloadID(name, sig(t.Base()), true))
	if o == nil {
		return nil, types.Errorf(types.CodeUndefinedFunction, "could not identify a comparison function for type %s", t)
	}
	return o.Apply(args, sp)
}

func bindNow(_ *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) > 0 {
		return nil, types.Errorf(types.CodeUndefinedFunction, "function %s does not exist", callText(name, typesOf(args))).
			WithHint("%s takes no arguments", name)
	}
	if name == "current_time" {
		return nil, types.NotSupported(sp, "TIME WITH TIME ZONE, the type of current_time; use localtime")
	}
	var e Expr = &Now{Base{T: types.TimestampTZType, Sp: sp}}
	steps := map[string][]types.Type{
		"localtimestamp": {types.TimestampType},
		"current_date":   {types.DateType},
		"localtime":      {types.TimestampType, types.TimeType},
	}
	for _, t := range steps[name] {
		c, err := Cast(e, t, Explicit)
		if err != nil {
			return nil, err
		}
		e = c
	}
	return e, nil
}

func bindTypeof(_ *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) != 1 {
		return nil, types.Errorf(types.CodeUndefinedFunction, "function %s does not exist", callText(name, typesOf(args)))
	}
	return &Literal{Base: Base{T: types.TextType, Sp: sp}, Value: args[0].Type().Base().String()}, nil
}

// castFunctions are the types that are called like a function to cast to them.
var castFunctions = map[string]types.Type{
	"bool": types.BoolType, "int2": types.Int2Type, "int4": types.Int4Type, "int8": types.Int8Type, "float4": types.Float4Type,
	"float8": types.Float8Type, "numeric": types.NumericType, "text": types.TextType, "varchar": types.TextType, "bytea": types.ByteaType,
	"date": types.DateType, "time": types.TimeType, "timestamp": types.TimestampType, "timestamptz": types.TimestampTZType,
	"interval": types.IntervalType, "jsonb": types.JSONBType,
}

// bindIf binds if(condition, a, b).
func bindIf(r *Registry, _ string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) != 3 {
		return nil, types.Errorf(types.CodeSyntax, "if wants three arguments, not %d", len(args))
	}
	return r.NewCase(nil, []When{{Cond: args[0], Then: args[1]}}, args[2], sp)
}

// bindIfNull binds ifnull(a, b) and nvl(a, b), which are coalesce.
func bindIfNull(r *Registry, name string, args []Expr, sp types.Span) (Expr, error) {
	if len(args) != 2 {
		return nil, types.Errorf(types.CodeSyntax, "%s wants two arguments, not %d", name, len(args))
	}
	return bindCoalesce(r, name, args, sp)
}
