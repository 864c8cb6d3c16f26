package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// Table is a table that is kept here and changed by INSERT, UPDATE and DELETE.
type Table struct {
	Columns []TableColumn
	// PrimaryKey are positions in Columns, in the order of the key; nil: equal rows may be there several times.
	PrimaryKey []int
	// KeyName is the name of the primary key's constraint, in messages.
	KeyName string
	Checks  []TableCheck
	// AppendOnly: rows are only inserted.
	AppendOnly bool
	// Physical keeps the table: a Materialize over a TableInput.
	Physical Plan
}

// TableColumn is a column of a Table.
type TableColumn struct {
	types.Field
	// Default is what INSERT puts where no value is given, of the column's type and without columns; nil: NULL.
	Default     expr.Expr
	DefaultText string
	// Generated computes the column from the others, over Table.Columns; nil: it is given.
	Generated     expr.Expr
	GeneratedText string
	// Identity: a counter gives the values that INSERT does not.
	Identity Identity
}

// Identity says whether a column counts up by itself.
type Identity uint8

// The kinds of identity.
const (
	NotIdentity Identity = iota
	IdentityByDefault
	IdentityAlways // INSERT must not give a value
)

// extra says for DESCRIBE where a column's values come from.
func (c *TableColumn) extra() string {
	switch {
	case c.Generated != nil:
		return "generated as " + c.GeneratedText
	case c.Default != nil:
		return "default " + c.DefaultText
	case c.Identity == IdentityAlways:
		return "identity"
	case c.Identity == IdentityByDefault:
		return "identity by default"
	}
	return ""
}

// TableCheck is a CHECK constraint: a row is refused where Expr is false.
type TableCheck struct {
	Name string
	Expr expr.Expr // boolean, over Table.Columns
	Text string
}

// Schema returns the columns.
func (t *Table) Schema() types.Schema {
	schema := make(types.Schema, len(t.Columns))
	for i, c := range t.Columns {
		schema[i] = c.Field
	}
	return schema
}

// HasGenerated reports whether a column is computed from others.
func (t *Table) HasGenerated() bool {
	return slices.ContainsFunc(t.Columns, func(c TableColumn) bool { return c.Generated != nil })
}
