// Package expr holds typed expressions: their form, the table of functions and aggregates that exist, PostgreSQL's rules
// for finding an overload, and the vectorised evaluator. It is a leaf below planner (which binds and folds) and exec (which
// evaluates), so that one table feeds binding, evaluation, SHOW FUNCTIONS and the reference page.
package expr

import (
	"github.com/streamsql/streamsql/types"
)

// Expr is a bound, typed expression over the columns of one input. The implementations are pointers to Column, Literal,
// Call, Case, Logic, In, Now and Try (and, before subqueries are replaced by joins, Subquery and Outer); all are plain exported data, so that plans can be stored (encoding/gob) and compared.
// Expressions are immutable once built and may be shared.
type Expr interface {
	Type() types.Type
	Span() types.Span
	// String prints canonical SQL-like text: equal text (with equal types) means equal meaning. Columns print as $i.
	String() string
}

// Base carries what every expression has.
type Base struct {
	T  types.Type
	Sp types.Span
}

// Type returns the type of the value.
func (b Base) Type() types.Type { return b.T }

// Span returns the place in the statement's text, for errors.
func (b Base) Span() types.Span { return b.Sp }

// Column reads column Index of the input.
type Column struct {
	Base
	Index int
	Name  string // for EXPLAIN and errors only
}

// Literal is a constant. Value is nil (NULL), bool, int64 (integers, Date in days, Time/Timestamp/TimestampTZ in
// microseconds), float64 (both floats), string (Text, JSONB, and Unknown: the text of an untyped literal), []byte (Bytea),
// types.NumericValue (Numeric, decimal128 included), types.IntervalValue, or []any of such (Array).
type Literal struct {
	Base
	Value any
	// Typed, of an untyped NULL that stands for a parameter, is told the type that the literal is read as; nil else.
	Typed func(types.Type)
}

// Call applies one overload of a scalar function, operator or cast; argument types already equal the overload's up to modifiers, casts
// are Calls of their own. Fn is the overload's unique id, such as "+(integer,integer)", "cast(integer as bigint)" or
// "lower(text)"; Lookup(Fn) finds it. A cast to a type with modifiers carries them in T.
type Call struct {
	Base
	Fn   string
	Args []Expr
}

// Case is CASE with conditions (the simple form is bound to equality); Else may be nil (NULL). COALESCE and NULLIF are
// bound to Case. Branches run only on the rows that reach them.
type Case struct {
	Base
	Whens []When
	Else  Expr
}

// When is one branch of a Case.
type When struct{ Cond, Then Expr }

// Logic is an n-ary AND or OR in three-valued logic: a row whose outcome is decided by one argument is not rejected
// for an error in another, in whatever order they stand.
type Logic struct {
	Base
	Or   bool
	Args []Expr
}

// In is x [NOT] IN (constants), evaluated through a hash set; NULLs as SQL wants. Lists with non-constants are bound to Logic.
type In struct {
	Base
	X    Expr
	List []Expr // Literals of X's type
	Not  bool
}

// Now is the epoch's clock: now() and its kin (TimestampTZ). All of an epoch sees one value.
type Now struct{ Base }

// Try is X, or NULL in the rows where X fails: TRY_CAST.
type Try struct {
	Base
	X Expr
}

// GobTypes returns one value of every concrete type that occurs behind an interface in an expression, for gob.Register.
func GobTypes() []any {
	return []any{
		&Column{}, &Literal{}, &Call{}, &Case{}, &Logic{}, &In{}, &Now{}, &Try{},
		false, int64(0), float64(0), "", []byte(nil), []any(nil), types.NumericValue{}, types.IntervalValue{},
	}
}
