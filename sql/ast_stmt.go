package sql

// QueryStmt is a query as a statement.
type QueryStmt struct {
	At
	Query *Query
}

// ObjectKind is the kind of a catalog object in DROP, ALTER and SHOW CREATE.
type ObjectKind string

// The kinds of objects.
const (
	ObjSource           ObjectKind = "SOURCE"
	ObjTable            ObjectKind = "TABLE"
	ObjView             ObjectKind = "VIEW"
	ObjMaterializedView ObjectKind = "MATERIALIZED VIEW"
	ObjSink             ObjectKind = "SINK"
	ObjIndex            ObjectKind = "INDEX"
	ObjSchema           ObjectKind = "SCHEMA"
	ObjFunction         ObjectKind = "FUNCTION"
	ObjJob              ObjectKind = "JOB"
	ObjAny              ObjectKind = "" // SHOW CREATE name
)

// Insert is [WITH ...] INSERT INTO t [AS a] [(columns)] query | DEFAULT VALUES [ON CONFLICT ...] [RETURNING ...].
type Insert struct {
	At
	With       *With
	Table      *TableName
	Columns    []Ident
	Query      *Query // nil for DEFAULT VALUES
	OnConflict *OnConflict
	Returning  []SelectItem
}

// OnConflict is ON CONFLICT [(target) [WHERE ...] | ON CONSTRAINT c] DO NOTHING | DO UPDATE SET ... [WHERE ...].
type OnConflict struct {
	At
	Target      []Expr
	TargetWhere Expr
	Constraint  Ident
	Set         []Assignment // empty for DO NOTHING
	Where       Expr
}

// Assignment is column = value, or (a, b) = row or subquery if there are several columns.
type Assignment struct {
	At
	Columns []Ident
	Multi   bool // the columns were in parentheses
	Value   Expr
}

// Update is [WITH ...] UPDATE t SET ... [FROM ...] [WHERE ...] [RETURNING ...].
type Update struct {
	At
	With      *With
	Table     *TableName
	Set       []Assignment
	From      []TableExpr
	Where     Expr
	Returning []SelectItem
}

// Delete is [WITH ...] DELETE FROM t [USING ...] [WHERE ...] [RETURNING ...].
type Delete struct {
	At
	With      *With
	Table     *TableName
	Using     []TableExpr
	Where     Expr
	Returning []SelectItem
}

// Truncate is TRUNCATE [TABLE] names [RESTART IDENTITY] [CASCADE].
type Truncate struct {
	At
	Tables          []*Name
	RestartIdentity bool
	Cascade         bool
}

// Copy is COPY t [(columns)] | (query) FROM | TO target [WITH (options)] [WHERE ...].
type Copy struct {
	At
	Table   *Name
	Columns []Ident
	Query   *Query // set instead of Table for COPY (query) TO
	From    bool   // FROM; else TO
	Stdio   bool   // STDIN or STDOUT; else Path
	Path    string
	Options []*Option
	Where   Expr
}

// ExplainMode is the word after EXPLAIN.
type ExplainMode string

// The modes of EXPLAIN.
const (
	ExplainDefault  ExplainMode = ""
	ExplainLogical  ExplainMode = "LOGICAL"
	ExplainPhysical ExplainMode = "PHYSICAL"
	ExplainState    ExplainMode = "STATE"
)

// Explain is EXPLAIN [LOGICAL|PHYSICAL|STATE] [ANALYZE] [(options)] statement.
type Explain struct {
	At
	Mode    ExplainMode
	Analyze bool
	Verbose bool
	Options []*Option // those of (options), other than the above
	Stmt    Statement
}

// Show is SHOW what.
//
//	SHOW name, SHOW a.b              What = "parameter", Parameter = the name (lower case)
//	SHOW ALL                         What = "all"
//	SHOW CREATE [kind] name          What = "create", Kind, Name
//	SHOW COLUMNS FROM name           What = "columns", Name
//	SHOW SOURCES | TABLES | VIEWS | MATERIALIZED VIEWS | SINKS | INDEXES | SCHEMAS | FUNCTIONS | TYPES | JOBS |
//	     WATERMARKS | VERSIONS | SAVEPOINTS | CONNECTORS | FORMATS | PARAMETERS | CURSORS | REJECTED | STATE | EPOCHS
//	                                 What = the words in lower case; In is a schema or object after FROM, IN or FOR
type Show struct {
	At
	What      string
	Parameter string
	Kind      ObjectKind
	Name      *Name
	In        *Name
	Like      *StringLit
}

// Describe is DESCRIBE name or DESCRIBE query; one of Name and Query is set.
type Describe struct {
	At
	Name  *Name
	Query *Query
}

// Set is SET [SESSION|LOCAL] name = value, ...  (or TO), SET TIME ZONE value (Name is timezone).
type Set struct {
	At
	Local  bool
	System bool // ALTER SYSTEM SET
	Name   string
	// Values hold *StringLit (also for bare words), *NumberLit, *BoolLit, *NullLit or *IntervalLit; empty for DEFAULT.
	Values []Expr
}

// Reset is RESET name or RESET ALL (Name is "all").
type Reset struct {
	At
	Name string
}

// SetTransaction is SET TRANSACTION modes or SET SESSION CHARACTERISTICS AS TRANSACTION modes.
type SetTransaction struct {
	At
	Session bool
	Modes   TxModes
}

// TxModes are the modes of a transaction; empty strings where not written.
type TxModes struct {
	Isolation  string // SERIALIZABLE, REPEATABLE READ, READ COMMITTED, READ UNCOMMITTED
	Access     string // READ ONLY, READ WRITE
	Deferrable string // DEFERRABLE, NOT DEFERRABLE
}

// Begin is BEGIN or START TRANSACTION.
type Begin struct {
	At
	Start bool // START TRANSACTION
	Modes TxModes
}

// Commit is COMMIT or END.
type Commit struct{ At }

// Rollback is ROLLBACK or ABORT, or ROLLBACK TO SAVEPOINT name.
type Rollback struct {
	At
	To Ident // absent for the whole transaction
}

// Savepoint is SAVEPOINT name.
type Savepoint struct {
	At
	Name Ident
}

// Release is RELEASE [SAVEPOINT] name.
type Release struct {
	At
	Name Ident
}

// Flush is FLUSH: wait until everything that was written is in the views.
type Flush struct{ At }

// Prepare is PREPARE name [(types)] AS statement.
type Prepare struct {
	At
	Name  Ident
	Types []*TypeName
	Stmt  Statement
}

// Execute is EXECUTE name [(arguments)].
type Execute struct {
	At
	Name Ident
	Args []Expr
}

// Deallocate is DEALLOCATE name, or ALL if Name is absent.
type Deallocate struct {
	At
	Name Ident
}

// Declare is DECLARE name [BINARY] [[NO] SCROLL] CURSOR [WITH HOLD] FOR query | SUBSCRIBE.
type Declare struct {
	At
	Name     Ident
	Binary   bool
	Scroll   bool
	NoScroll bool
	Hold     bool
	Stmt     Statement // *QueryStmt or *Subscribe
}

// FetchDirection is the direction of FETCH.
type FetchDirection string

// The directions of FETCH. NEXT and PRIOR are Forward and Backward with Count 1.
const (
	FetchForward  FetchDirection = "FORWARD"
	FetchBackward FetchDirection = "BACKWARD"
	FetchAbsolute FetchDirection = "ABSOLUTE"
	FetchRelative FetchDirection = "RELATIVE"
	FetchFirst    FetchDirection = "FIRST"
	FetchLast     FetchDirection = "LAST"
)

// Fetch is FETCH [direction] [count|ALL] FROM cursor, or MOVE.
type Fetch struct {
	At
	Move      bool
	Direction FetchDirection
	Count     int64
	All       bool
	Cursor    Ident
}

// Close is CLOSE cursor, or ALL if Cursor is absent.
type Close struct {
	At
	Cursor Ident
}

// Subscribe is SUBSCRIBE [TO] name | (query) [WITH (options)] [AS OF EPOCH n]: one of Name and Query is set.
type Subscribe struct {
	At
	Name    *Name
	Query   *Query
	Options []*Option
	AsOf    Expr // for Name; a query has its own
}

// Use is USE schema.
type Use struct {
	At
	Name *Name
}

// Discard is DISCARD ALL | PLANS | SEQUENCES | TEMP.
type Discard struct {
	At
	What string // ALL, PLANS, SEQUENCES, TEMP
}

func (*QueryStmt) statement()      {}
func (*Insert) statement()         {}
func (*Update) statement()         {}
func (*Delete) statement()         {}
func (*Truncate) statement()       {}
func (*Copy) statement()           {}
func (*Explain) statement()        {}
func (*Show) statement()           {}
func (*Describe) statement()       {}
func (*Set) statement()            {}
func (*Reset) statement()          {}
func (*SetTransaction) statement() {}
func (*Begin) statement()          {}
func (*Commit) statement()         {}
func (*Rollback) statement()       {}
func (*Savepoint) statement()      {}
func (*Release) statement()        {}
func (*Flush) statement()          {}
func (*Prepare) statement()        {}
func (*Execute) statement()        {}
func (*Deallocate) statement()     {}
func (*Declare) statement()        {}
func (*Fetch) statement()          {}
func (*Close) statement()          {}
func (*Subscribe) statement()      {}
func (*Use) statement()            {}
func (*Discard) statement()        {}
