package sql

// Query is a body with the clauses around it:
//
//	[WITH ...] body [ORDER BY ...] [LIMIT ...] [OFFSET ...] [AS OF EPOCH n] [EMIT ...]
type Query struct {
	At
	With     *With
	Body     QueryBody
	OrderBy  []OrderItem
	Limit    Expr // LIMIT n or FETCH FIRST n ROWS; nil if not written or LIMIT ALL
	WithTies bool // FETCH FIRST n ROWS WITH TIES
	Offset   Expr
	AsOf     Expr // the epoch of AS OF EPOCH n
	Emit     *Emit
}

// With is WITH [RECURSIVE] name AS (...), ...
type With struct {
	At
	Recursive bool
	CTEs      []*CTE
}

// Materialization is the hint of a CTE.
type Materialization string

// The hints of a CTE.
const (
	MaterializeDefault Materialization = ""
	MaterializeAlways  Materialization = "MATERIALIZED"
	MaterializeNever   Materialization = "NOT MATERIALIZED"
)

// CTE is one common table expression. Stmt is a *QueryStmt, or *Insert, *Update, *Delete.
type CTE struct {
	At
	Name            Ident
	Columns         []Ident
	Materialization Materialization
	Stmt            Statement
}

// EmitMode says when a continuous query puts out its changes.
type EmitMode string

// The emission modes.
const (
	EmitChanges       EmitMode = "CHANGES"
	EmitOnWindowClose EmitMode = "ON WINDOW CLOSE"
	EmitEvery         EmitMode = "EVERY"
)

// Emit is EMIT CHANGES, EMIT ON WINDOW CLOSE or EMIT EVERY interval.
type Emit struct {
	At
	Mode  EmitMode
	Every Expr // set for EmitEvery
}

// Select is SELECT ... FROM ... WHERE ... GROUP BY ... HAVING ... WINDOW ...
type Select struct {
	At
	Distinct      bool
	DistinctOn    []Expr // DISTINCT ON (...); Distinct is then false
	Items         []SelectItem
	From          []TableExpr // separated by commas
	Where         Expr
	GroupBy       []GroupItem
	GroupDistinct bool // GROUP BY DISTINCT
	Having        Expr
	Windows       []NamedWindow
}

// SelectItem is an expression with its alias; also of RETURNING.
type SelectItem struct {
	At
	X     Expr // may be *Star
	Alias Ident
}

// NamedWindow is one definition of the WINDOW clause.
type NamedWindow struct {
	At
	Name Ident
	Spec *WindowSpec
}

// GroupKind is the kind of a GroupItem.
type GroupKind string

// The kinds of grouping.
const (
	GroupExprs GroupKind = ""              // Exprs: one expression, or (a, b) as one set, or () as the empty set
	Rollup     GroupKind = "ROLLUP"        // Items, all GroupExprs
	Cube       GroupKind = "CUBE"          // Items, all GroupExprs
	GroupSets  GroupKind = "GROUPING SETS" // Items of any kind
)

// GroupItem is one element of GROUP BY.
type GroupItem struct {
	At
	Kind  GroupKind
	Exprs []Expr
	Items []GroupItem
}

// NullsOrder is NULLS FIRST or NULLS LAST.
type NullsOrder string

// The places of NULL in an order.
const (
	NullsDefault NullsOrder = "" // last if ascending, first if descending
	NullsFirst   NullsOrder = "NULLS FIRST"
	NullsLast    NullsOrder = "NULLS LAST"
)

// OrderItem is one key of ORDER BY.
type OrderItem struct {
	At
	X     Expr
	Desc  bool
	Nulls NullsOrder
}

// SetOpKind is UNION, INTERSECT or EXCEPT.
type SetOpKind string

// The set operations.
const (
	Union     SetOpKind = "UNION"
	Intersect SetOpKind = "INTERSECT"
	Except    SetOpKind = "EXCEPT"
)

// SetOp combines two bodies.
type SetOp struct {
	At
	Op   SetOpKind
	All  bool
	L, R QueryBody
}

// Values is VALUES (...), (...). In INSERT a value may be *DefaultExpr.
type Values struct {
	At
	Rows [][]Expr // all rows have the same length, at least one
}

// TableBody is the query TABLE t, the same as SELECT * FROM t.
type TableBody struct {
	At
	Table *TableName
}

// Alias is [AS] name [(columns)] after an item of FROM. It is absent if Name is absent.
type Alias struct {
	At
	Name    Ident
	Columns []Ident
}

// IsZero reports whether the alias is absent.
func (a Alias) IsZero() bool { return a.Name.IsZero() }

// TableName is a table, view, source or CTE in FROM, also the target of DML.
type TableName struct {
	At
	Name  *Name
	AsOf  Expr // FOR SYSTEM_TIME AS OF expr; nil if not written
	Alias Alias
}

// DerivedTable is (query) in FROM.
type DerivedTable struct {
	At
	Lateral bool
	Query   *Query
	Alias   Alias
}

// TableFunc is a function in FROM. f(...), LATERAL f(...) and TABLE(f(...)) give the same node.
//
// The windows are calls of tumble, hop, session and cumulate whose first argument is one of
//
//	*ColumnRef     TUMBLE(bids, ts, ...)              the name of a table
//	*TableArg      TUMBLE(TABLE bids, ...)            with PARTITION BY for SESSION
//	*SubqueryExpr  TUMBLE((SELECT ...), ts, ...)
//
// and whose second is the time column, bare or as a call of descriptor. Any argument may be a *NamedArg.
type TableFunc struct {
	At
	Lateral    bool
	Call       *FuncCall
	Ordinality bool // WITH ORDINALITY
	Alias      Alias
	ColumnDefs []*ColumnDef // f(...) AS t(a int, b text)
}

// JoinKind is the kind of a join.
type JoinKind string

// The kinds of joins.
const (
	InnerJoin JoinKind = "JOIN"
	LeftJoin  JoinKind = "LEFT JOIN"
	RightJoin JoinKind = "RIGHT JOIN"
	FullJoin  JoinKind = "FULL JOIN"
	CrossJoin JoinKind = "CROSS JOIN"
)

// Join is l JOIN r. Exactly one of Natural, On, Using is set, none for CrossJoin.
type Join struct {
	At
	Kind       JoinKind
	AsOf       bool // ASOF JOIN, ASOF LEFT JOIN: the nearest row by the inequality of the condition
	Natural    bool
	L, R       TableExpr
	On         Expr
	Using      []Ident
	UsingAlias Ident // JOIN ... USING (a) AS x
	Alias      Alias // (a JOIN b ON ...) AS j
}

func (*Select) queryBody()    {}
func (*SetOp) queryBody()     {}
func (*Values) queryBody()    {}
func (*TableBody) queryBody() {}
func (*Query) queryBody()     {}

func (*TableName) tableExpr()    {}
func (*DerivedTable) tableExpr() {}
func (*TableFunc) tableExpr()    {}
func (*Join) tableExpr()         {}
