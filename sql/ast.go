// Package sql reads and writes the SQL of streamsql: text to tree, tree to text, and the drawing of errors.
//
// It is PostgreSQL's SELECT and DML with the streaming statements around it. The package knows text and trees only:
// names, types and functions are resolved by the planner.
//
// Conventions of the tree:
//
//   - Every node embeds At, so node.Span() says where it stood in the text given to Parse (byte offsets).
//   - The sums are closed: Statement, QueryBody, TableExpr, Expr and AlterAction are implemented by pointers to the
//     structs of this package and by nothing else.
//   - An optional Ident is absent when its Name is empty (SQL has no empty identifier); other optional nodes are nil.
//   - Unquoted identifiers are folded to lower case when they are read.
//   - Parentheses are not kept; the printer puts back those that are needed.
//   - Enumerations are strings that hold the SQL words, so that a dumped tree can be read.
package sql

import (
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Node is any part of a syntax tree.
type Node interface {
	// Span returns the place of the node in the source text; zero for a node that was made, not read.
	Span() types.Span
}

// At is the place of a node in its source text; every node embeds it.
type At struct{ Place types.Span }

// Span returns the place of the node.
func (a At) Span() types.Span { return a.Place }

// Spanned makes the At of a node that stands at s.
func Spanned(s types.Span) At { return At{Place: s} }

// Statement is one SQL statement.
type Statement interface {
	Node
	statement()
}

// Expr is a scalar expression (also the arguments of table functions and the * of a select list or of count(*)).
type Expr interface {
	Node
	expr()
}

// QueryBody is what stands between WITH and ORDER BY: *Select, *SetOp, *Values, *TableBody, or a *Query in
// parentheses that has clauses of its own.
type QueryBody interface {
	Node
	queryBody()
}

// TableExpr is an item of FROM: *TableName, *DerivedTable, *TableFunc or *Join.
type TableExpr interface {
	Node
	tableExpr()
}

// Ident is an identifier, folded to lower case unless it was quoted. The zero Ident stands for an absent name.
type Ident struct {
	At
	Name   string
	Quoted bool // it was written in quotes (" or `); Equal ignores it
}

// IsZero reports whether the identifier is absent.
func (i Ident) IsZero() bool { return i.Name == "" }

// String returns the bare name, without quotes.
func (i Ident) String() string { return i.Name }

// Name is a possibly qualified name such as schema.table.
type Name struct {
	At
	Parts []Ident // at least one
}

// Last returns the rightmost part: the object's own name.
func (n *Name) Last() Ident { return n.Parts[len(n.Parts)-1] }

// Qualifier returns the parts before the last one.
func (n *Name) Qualifier() []Ident { return n.Parts[:len(n.Parts)-1] }

// String returns the bare parts joined by dots, without quotes; for messages, not for SQL.
func (n *Name) String() string {
	parts := make([]string, len(n.Parts))
	for i, p := range n.Parts {
		parts[i] = p.Name
	}
	return strings.Join(parts, ".")
}

// TypeName is the name of a type as it was written; it is resolved by the planner.
//
// Names of several words are one part: "double precision". CHARACTER VARYING is read as varchar, CHARACTER as char,
// BIT VARYING as varbit; TIMESTAMP WITH TIME ZONE is timestamp with TimeZone = WithTimeZone. All other names (int4,
// bigint, timestamptz, string ...) are left alone. t ARRAY[3], t[3] and ARRAY<t> are all dimensions of t.
type TypeName struct {
	At
	Name     *Name
	Mods     []int           // the numbers in parentheses: NUMERIC(10, 2), TIMESTAMP(3)
	Dims     []int           // array dimensions, outermost first; -1 where no size was given
	TimeZone TimeZone        // of TIME and TIMESTAMP
	Interval *IntervalFields // INTERVAL DAY TO SECOND
	Fields   []StructField   // of ROW<...> or STRUCT<...>, whose Name is "struct"
	Args     []*TypeName     // of MAP<k, v>
}

// TimeZone says whether WITH or WITHOUT TIME ZONE was written.
type TimeZone string

// The forms of TimeZone.
const (
	NoTimeZone      TimeZone = ""
	WithTimeZone    TimeZone = "WITH TIME ZONE"
	WithoutTimeZone TimeZone = "WITHOUT TIME ZONE"
)

// StructField is one field of a STRUCT type.
type StructField struct {
	At
	Name Ident
	Type *TypeName
}

// IntervalFields are the unit words after an interval literal or type: From alone (SECOND), or From TO To.
type IntervalFields struct {
	At
	From, To  string // lower case singular: year month week day hour minute second millisecond microsecond
	Precision int    // of SECOND(p); -1 if none
}

// Option is one key = value of a WITH list, of format options, of EXPLAIN or COPY options.
type Option struct {
	At
	Key     string // unquoted keys are in lower case; may hold dots: fields.id.kind
	KeySpan types.Span
	// Value is *StringLit (also for a bare word, as it was written), *NumberLit (with its sign), *BoolLit, *NullLit or
	// *IntervalLit; nil if the key stood alone.
	Value Expr
}

// Text returns the value as text: the string, the number's digits, true or false, the text of an interval
// ("10 second"); "" if there is no value.
func (o *Option) Text() string {
	switch v := o.Value.(type) {
	case *StringLit:
		return v.Value
	case *NumberLit:
		return v.Text
	case *BoolLit:
		if v.Value {
			return "true"
		}
		return "false"
	case *IntervalLit:
		return v.Text()
	}
	return ""
}
