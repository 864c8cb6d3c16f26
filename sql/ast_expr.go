package sql

import "strings"

// ColumnRef names a column: a, t.a, s.t.a (or a field of a composite column; the planner decides).
type ColumnRef struct {
	At
	Parts []Ident
}

// Star is * or t.* in a select list or RETURNING list.
type Star struct {
	At
	Qualifier []Ident // empty for a bare *
}

// NumberLit is an unsigned number; Text keeps the digits as written, without underscores: 1, 1.50, .5, 1e5, 0x1F, 0b1, 0o7.
type NumberLit struct {
	At
	Text string
}

// StringLit is a character string, whatever quotes it was written in ('...', E'...', U&'...', $$...$$).
type StringLit struct {
	At
	Value string
}

// BitLit is a bit string B'0101' or X'1F'; Digits keeps the digits.
type BitLit struct {
	At
	Hex    bool
	Digits string
}

// BoolLit is TRUE or FALSE.
type BoolLit struct {
	At
	Value bool
}

// NullLit is NULL.
type NullLit struct{ At }

// TypedLit is a type name before a string: DATE '2020-01-01', numeric(10, 2) '1.5'. INTERVAL gives an IntervalLit.
type TypedLit struct {
	At
	Type  *TypeName
	Value string
}

// IntervalLit is INTERVAL '10 seconds', INTERVAL '10' SECOND or INTERVAL '1-2' YEAR TO MONTH
// (INTERVAL 10 SECOND is read as INTERVAL '10' SECOND).
type IntervalLit struct {
	At
	Value     string
	Fields    *IntervalFields // nil if no unit words were written
	Precision int             // of INTERVAL(p) '...'; -1 if none
}

// Text returns the value with its single unit word, if it has one: "10 second".
func (l *IntervalLit) Text() string {
	if l.Fields != nil && l.Fields.To == "" {
		return l.Value + " " + l.Fields.From
	}
	return l.Value
}

// Param is $1, $2, ...
type Param struct {
	At
	Number int // from 1
}

// DefaultExpr is the word DEFAULT as a value in INSERT ... VALUES and UPDATE ... SET.
type DefaultExpr struct{ At }

// UnaryExpr is a prefix operator: + - ~ @ |/ ||/ and other operator symbols. NOT is NotExpr.
type UnaryExpr struct {
	At
	Op     string
	OpSpan At
	X      Expr
}

// NotExpr is NOT x.
type NotExpr struct {
	At
	X Expr
}

// LogicalOp is AND or OR.
type LogicalOp string

// The logical operators.
const (
	And LogicalOp = "AND"
	Or  LogicalOp = "OR"
)

// LogicalExpr is a chain a AND b AND c, or with OR, of at least two arguments. An argument that is a chain of the
// same operator stood in parentheses.
type LogicalExpr struct {
	At
	Op   LogicalOp
	Args []Expr
}

// BinaryExpr is an infix operator with a symbol: + - * / % ^ = <> < <= > >= || -> ->> #> @> ~ ~* !~ and so on.
// != is read as <>.
type BinaryExpr struct {
	At
	Op     string
	OpSpan At
	L, R   Expr
}

// IsTest is what IS asks for.
type IsTest string

// The tests of IS.
const (
	IsNull    IsTest = "NULL"
	IsTrue    IsTest = "TRUE"
	IsFalse   IsTest = "FALSE"
	IsUnknown IsTest = "UNKNOWN"
)

// IsExpr is x IS [NOT] NULL | TRUE | FALSE | UNKNOWN (also x ISNULL, x NOTNULL).
type IsExpr struct {
	At
	X    Expr
	Not  bool
	Test IsTest
}

// DistinctExpr is l IS [NOT] DISTINCT FROM r.
type DistinctExpr struct {
	At
	L, R Expr
	Not  bool
}

// BetweenExpr is x [NOT] BETWEEN [SYMMETRIC] low AND high.
type BetweenExpr struct {
	At
	X, Low, High Expr
	Not          bool
	Symmetric    bool
}

// LikeKind is the matching operator of a LikeExpr.
type LikeKind string

// The matching operators.
const (
	Like      LikeKind = "LIKE"
	ILike     LikeKind = "ILIKE"
	SimilarTo LikeKind = "SIMILAR TO"
)

// LikeExpr is x [NOT] LIKE | ILIKE | SIMILAR TO pattern [ESCAPE escape].
type LikeExpr struct {
	At
	Kind       LikeKind
	X, Pattern Expr
	Escape     Expr // nil if not written
	Not        bool
}

// InExpr is x [NOT] IN (list) or x [NOT] IN (query); exactly one of List and Query is set.
type InExpr struct {
	At
	X     Expr
	Not   bool
	List  []Expr
	Query *Query
}

// Quantifier is ANY (also written SOME) or ALL.
type Quantifier string

// The quantifiers.
const (
	Any Quantifier = "ANY"
	All Quantifier = "ALL"
)

// QuantifiedExpr is x op ANY|ALL (query) or x op ANY|ALL (array); exactly one of Query and Array is set.
// Op is an operator symbol, or LIKE, NOT LIKE, ILIKE, NOT ILIKE.
type QuantifiedExpr struct {
	At
	X     Expr
	Op    string
	Quant Quantifier
	Query *Query
	Array Expr
}

// ExistsExpr is EXISTS (query).
type ExistsExpr struct {
	At
	Query *Query
}

// SubqueryExpr is a query in parentheses used as a value (or as the input of a window table function).
type SubqueryExpr struct {
	At
	Query *Query
}

// ArrayExpr is ARRAY[...]; inner brackets of ARRAY[[1,2],[3,4]] are ArrayExpr too.
type ArrayExpr struct {
	At
	Elems []Expr
}

// ArrayQueryExpr is ARRAY(query).
type ArrayQueryExpr struct {
	At
	Query *Query
}

// RowExpr is ROW(a, b) or (a, b). One element or none must have been written with the word ROW.
type RowExpr struct {
	At
	Elems []Expr
}

// IndexExpr is x[i].
type IndexExpr struct {
	At
	X, Index Expr
}

// SliceExpr is x[low:high]; either bound may be nil.
type SliceExpr struct {
	At
	X, Low, High Expr
}

// FieldExpr is (x).field, or (x).* if Field is absent.
type FieldExpr struct {
	At
	X     Expr
	Field Ident
}

// CastExpr is CAST(x AS t) or x::t; Try for TRY_CAST, which gives NULL where the cast fails.
type CastExpr struct {
	At
	X    Expr
	Type *TypeName
	Try  bool
}

// CollateExpr is x COLLATE name.
type CollateExpr struct {
	At
	X         Expr
	Collation *Name
}

// AtTimeZoneExpr is x AT TIME ZONE zone, or x AT LOCAL if Zone is nil.
type AtTimeZoneExpr struct {
	At
	X, Zone Expr
}

// CaseExpr is CASE [operand] WHEN ... THEN ... [ELSE ...] END.
type CaseExpr struct {
	At
	Operand Expr // nil for the searched form
	Whens   []When
	Else    Expr // nil if not written
}

// When is one arm of CASE.
type When struct {
	At
	Cond, Result Expr
}

// KeywordFunc is a function written as a bare word: current_date, current_time, current_timestamp, localtime,
// localtimestamp, current_user, session_user, user, current_role, current_catalog, current_schema.
type KeywordFunc struct {
	At
	Name      string // lower case
	Precision int    // of current_timestamp(p); -1 if none
}

// FuncCall is a call of a function, aggregate, window function or table function.
//
// The special forms of the standard are calls too, in the order in which PostgreSQL's functions take them:
//
//	EXTRACT(year FROM x)              extract('year', x)
//	SUBSTRING(x FROM a FOR b)         substring(x, a, b)       SUBSTRING(x FOR b) is substring(x, 1, b)
//	SUBSTRING(x SIMILAR p ESCAPE e)   substring(x, p, e)
//	POSITION(a IN b)                  position(b, a)
//	OVERLAY(x PLACING y FROM a FOR b) overlay(x, y, a, b)
//	TRIM(BOTH c FROM x)               btrim(x, c)              LEADING is ltrim, TRAILING is rtrim
//	COALESCE, NULLIF, GREATEST, LEAST, GROUPING, TUMBLE(ts, ...), DESCRIPTOR(ts): as they stand
type FuncCall struct {
	At
	Name     *Name
	Args     []Expr // may hold *NamedArg, *TableArg
	Star     bool   // f(*)
	Distinct bool   // f(DISTINCT ...)
	Variadic bool   // the last argument was marked VARIADIC
	OrderBy  []OrderItem
	// WithinGroup is the ORDER BY of WITHIN GROUP (...); nil if not written.
	WithinGroup []OrderItem
	Filter      Expr // FILTER (WHERE ...); nil if not written
	Nulls       NullTreatment
	Over        *WindowSpec // nil if not a window function call
}

// NullTreatment is IGNORE NULLS or RESPECT NULLS of a window function.
type NullTreatment string

// The null treatments.
const (
	DefaultNulls NullTreatment = ""
	IgnoreNulls  NullTreatment = "IGNORE NULLS"
	RespectNulls NullTreatment = "RESPECT NULLS"
)

// NamedArg is an argument name => value (or name := value) of a function call.
type NamedArg struct {
	At
	Name  Ident
	Value Expr
}

// TableArg is an argument TABLE t [PARTITION BY ...] [ORDER BY ...] of a table function; Query is set instead of Name for
// TABLE(SELECT ...) with such clauses or without.
type TableArg struct {
	At
	Name        *Name
	Query       *Query
	PartitionBy []Expr
	OrderBy     []OrderItem
}

// WindowSpec is what follows OVER, or a definition of the WINDOW clause.
//
//	OVER w               Ref = w, all else empty
//	OVER (w ORDER BY x)  Base = w
type WindowSpec struct {
	At
	Ref         Ident
	Base        Ident
	PartitionBy []Expr
	OrderBy     []OrderItem
	Frame       *Frame // nil if not written
}

// FrameUnit is ROWS, RANGE or GROUPS.
type FrameUnit string

// The frame units.
const (
	Rows   FrameUnit = "ROWS"
	Range  FrameUnit = "RANGE"
	Groups FrameUnit = "GROUPS"
)

// FrameExclude is the EXCLUDE of a frame.
type FrameExclude string

// The exclusions. EXCLUDE NO OTHERS is ExcludeNone.
const (
	ExcludeNone    FrameExclude = ""
	ExcludeCurrent FrameExclude = "CURRENT ROW"
	ExcludeGroup   FrameExclude = "GROUP"
	ExcludeTies    FrameExclude = "TIES"
)

// Frame is ROWS|RANGE|GROUPS start, or BETWEEN start AND end.
type Frame struct {
	At
	Unit    FrameUnit
	Start   FrameBound
	End     *FrameBound // nil if BETWEEN was not written (the end is then the current row)
	Exclude FrameExclude
}

// BoundKind is the kind of a FrameBound.
type BoundKind string

// The kinds of frame bounds.
const (
	UnboundedPreceding BoundKind = "UNBOUNDED PRECEDING"
	Preceding          BoundKind = "PRECEDING"
	CurrentRow         BoundKind = "CURRENT ROW"
	Following          BoundKind = "FOLLOWING"
	UnboundedFollowing BoundKind = "UNBOUNDED FOLLOWING"
)

// FrameBound is one end of a frame; Offset is set for Preceding and Following.
type FrameBound struct {
	At
	Kind   BoundKind
	Offset Expr
}

// IsCall reports whether e is a plain call of the unqualified function name (lower case).
func IsCall(e Expr, name string) bool {
	f, ok := e.(*FuncCall)
	return ok && len(f.Name.Parts) == 1 && strings.EqualFold(f.Name.Parts[0].Name, name)
}

func (*ColumnRef) expr()      {}
func (*Star) expr()           {}
func (*NumberLit) expr()      {}
func (*StringLit) expr()      {}
func (*BitLit) expr()         {}
func (*BoolLit) expr()        {}
func (*NullLit) expr()        {}
func (*TypedLit) expr()       {}
func (*IntervalLit) expr()    {}
func (*Param) expr()          {}
func (*DefaultExpr) expr()    {}
func (*UnaryExpr) expr()      {}
func (*NotExpr) expr()        {}
func (*LogicalExpr) expr()    {}
func (*BinaryExpr) expr()     {}
func (*IsExpr) expr()         {}
func (*DistinctExpr) expr()   {}
func (*BetweenExpr) expr()    {}
func (*LikeExpr) expr()       {}
func (*InExpr) expr()         {}
func (*QuantifiedExpr) expr() {}
func (*ExistsExpr) expr()     {}
func (*SubqueryExpr) expr()   {}
func (*ArrayExpr) expr()      {}
func (*ArrayQueryExpr) expr() {}
func (*RowExpr) expr()        {}
func (*IndexExpr) expr()      {}
func (*SliceExpr) expr()      {}
func (*FieldExpr) expr()      {}
func (*CastExpr) expr()       {}
func (*CollateExpr) expr()    {}
func (*AtTimeZoneExpr) expr() {}
func (*CaseExpr) expr()       {}
func (*KeywordFunc) expr()    {}
func (*FuncCall) expr()       {}
func (*NamedArg) expr()       {}
func (*TableArg) expr()       {}
