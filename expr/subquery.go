package expr

import (
	"strconv"
	"strings"
)

// SubqueryKind says what a subquery is used as.
type SubqueryKind uint8

// The kinds of subqueries.
const (
	// ScalarSubquery is the value of the only column of the only row; NULL if there is no row, error 21000 if there are several.
	ScalarSubquery SubqueryKind = iota
	// ExistsSubquery is TRUE if there is a row.
	ExistsSubquery
	// AnySubquery is the OR of Cond over all rows, in three-valued logic: x IN (...), x < ANY (...). ALL is NOT ANY NOT.
	AnySubquery
	// ArraySubquery is the array of the values of the only column.
	ArraySubquery
)

// Subplan is the plan of a subquery. Its String is canonical: equal text means equal meaning.
type Subplan interface{ String() string }

// Subquery is a query inside of an expression. It occurs in logical plans only, is never evaluated, and is replaced by joins.
//
// It is a function of its arguments: the plan refers to the row around it by Outer{i} only, which is the value of Args[i]. Args and
// Test are expressions over the input of the expression around it, where that stands in a subquery itself also Outer references
// of that one; so rewrites treat them as the arguments of any call.
type Subquery struct {
	Base
	Kind SubqueryKind
	Args []Expr
	Test []Expr // AnySubquery: what the rows are compared with
	// Cond is the condition of an AnySubquery: column i is Test[i], the columns behind those are the plan's.
	Cond Expr
	// Order is the order of the values of an ArraySubquery.
	Order []SubqueryOrder
	Plan  Subplan
}

// SubqueryOrder orders the rows of an ArraySubquery by a column of its plan.
type SubqueryOrder struct {
	Col              int
	Desc, NullsFirst bool
}

// Outer refers to argument Index of the subquery, or of the LATERAL item, in whose plan it stands.
type Outer struct {
	Base
	Index int
	Name  string // for EXPLAIN and errors only
}

// String prints the kind, the arguments and the plan.
func (e *Subquery) String() string {
	var b strings.Builder
	b.WriteString([...]string{"SCALAR", "EXISTS", "ANY", "ARRAY"}[e.Kind])
	b.WriteString("(" + joinExprs(e.Args, ", "))
	if e.Cond != nil {
		b.WriteString(" TEST " + joinExprs(e.Test, ", ") + " BY " + e.Cond.String())
	}
	for _, o := range e.Order {
		b.WriteString(" ORDER " + strconv.Itoa(o.Col))
		if o.Desc {
			b.WriteString(" DESC")
		}
		if o.NullsFirst {
			b.WriteString(" NULLS FIRST")
		}
	}
	b.WriteString(" OF " + e.Plan.String() + ")")
	return b.String()
}

// String prints outer$i.
func (e *Outer) String() string { return "outer$" + strconv.Itoa(e.Index) }

// children returns Args and Test.
func (e *Subquery) children() []Expr {
	return append(append(make([]Expr, 0, len(e.Args)+len(e.Test)), e.Args...), e.Test...)
}

// WithChildren returns the subquery with other Args and Test, as Children lists them.
func (e *Subquery) WithChildren(list []Expr) *Subquery {
	c := *e
	c.Args, c.Test = list[:len(e.Args):len(e.Args)], list[len(e.Args):]
	return &c
}
