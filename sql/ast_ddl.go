package sql

// CreateSource is CREATE SOURCE name (columns, WATERMARK ...) [INCLUDE ...] WITH (...) [FORMAT ...].
type CreateSource struct {
	At
	OrReplace   bool
	Temporary   bool
	IfNotExists bool
	Name        *Name
	TableDef
}

// CreateTable is CREATE TABLE name (columns) [APPEND ONLY] [WITH (...)] [FORMAT ...] or CREATE TABLE name AS query.
type CreateTable struct {
	At
	OrReplace   bool
	Temporary   bool
	IfNotExists bool
	Name        *Name
	TableDef
	Query  *Query  // AS query
	Names  []Ident // the column names of CREATE TABLE t (a, b) AS query
	NoData bool    // WITH NO DATA
}

// TableDef is what sources and tables have in common.
type TableDef struct {
	Columns     []*ColumnDef
	Constraints []*Constraint
	Watermarks  []*Watermark
	Like        []*Name    // LIKE other
	Include     []*Include // INCLUDE key AS k ...
	AppendOnly  bool
	Partition   []Ident // PARTITIONED BY (a, b)
	Options     []*Option
	Format      *FormatSpec
	Comment     string
}

// ColumnDef is a column of a CREATE or ALTER.
//
//	ts TIMESTAMP NOT NULL                  Type, NotNull
//	cost NUMERIC GENERATED ALWAYS AS (...) Generated (cost AS price * n: Type is nil)
//	id INT GENERATED ALWAYS AS IDENTITY    Identity
//	p AS PROCTIME()                        Generated is that call
//	o BIGINT METADATA FROM 'offset'        Metadata = "offset"
type ColumnDef struct {
	At
	Name           Ident
	Type           *TypeName // nil for name AS expr
	Collation      *Name
	NotNull        bool
	Null           bool // NULL was written
	Default        Expr
	Generated      Expr
	Identity       Identity
	Stored         bool // STORED or PERSISTED was written after the generated expression
	Virtual        bool // VIRTUAL was written
	IsMetadata     bool
	Metadata       string // the key of METADATA FROM 'key'; the column's name if FROM is left out
	PrimaryKey     bool
	KeyNotEnforced bool // PRIMARY KEY NOT ENFORCED
	Unique         bool
	Checks         []Expr
	References     *References
	Comment        string
}

// Identity is GENERATED ... AS IDENTITY.
type Identity string

// The forms of identity columns.
const (
	NotIdentity       Identity = ""
	IdentityAlways    Identity = "ALWAYS"
	IdentityByDefault Identity = "BY DEFAULT"
)

// References is REFERENCES t [(columns)]; actions are not kept.
type References struct {
	At
	Table   *Name
	Columns []Ident
}

// ConstraintKind is the kind of a table constraint.
type ConstraintKind string

// The kinds of constraints.
const (
	PrimaryKey ConstraintKind = "PRIMARY KEY"
	Unique     ConstraintKind = "UNIQUE"
	Check      ConstraintKind = "CHECK"
	ForeignKey ConstraintKind = "FOREIGN KEY"
)

// Constraint is a table constraint.
type Constraint struct {
	At
	Name        Ident
	Kind        ConstraintKind
	Columns     []Ident
	Check       Expr
	NotEnforced bool
	References  *References
}

// Watermark is WATERMARK FOR column AS expr; X is nil for WATERMARK FOR column, which means the column itself.
type Watermark struct {
	At
	Column Ident
	X      Expr
}

// Include is INCLUDE what ['field'] [type] [AS alias]: a column from the message's envelope.
type Include struct {
	At
	What  string // lower case: key, partition, offset, timestamp, header, payload, file, ...
	Field string // the name of one header
	Type  *TypeName
	Alias Ident
}

// FormatSpec is FORMAT kind [ENCODE encoding] [(options)] [KEY ENCODE encoding [(options)]].
//
//	FORMAT JSON                     Kind = "json"
//	FORMAT PLAIN ENCODE JSON (...)  Kind = "plain", Encode = "json"
type FormatSpec struct {
	At
	Kind       string // lower case
	Encode     string // lower case; "" if not written
	Options    []*Option
	KeyEncode  string
	KeyOptions []*Option
}

// CreateView is CREATE [OR REPLACE] [MATERIALIZED] VIEW [IF NOT EXISTS] name [(columns)] [WITH (...)] AS query.
type CreateView struct {
	At
	OrReplace    bool
	Temporary    bool
	Materialized bool
	Recursive    bool
	IfNotExists  bool
	Name         *Name
	Columns      []Ident
	Options      []*Option
	Query        *Query
	NoData       bool
}

// CreateSink is CREATE SINK name [INTO t] FROM x | AS query WITH (...) [FORMAT ...].
type CreateSink struct {
	At
	OrReplace   bool
	IfNotExists bool
	Name        *Name
	Into        *Name
	IntoColumns []Ident
	From        *Name // one of From and Query is set
	Query       *Query
	Options     []*Option
	Format      *FormatSpec
}

// CreateIndex is CREATE [UNIQUE] INDEX [IF NOT EXISTS] [name] ON t [USING m] (keys) [INCLUDE (columns)] [WITH (...)] [WHERE ...].
type CreateIndex struct {
	At
	Unique      bool
	IfNotExists bool
	Name        *Name // nil if not given
	Table       *Name
	Using       Ident
	Keys        []OrderItem
	Include     []Ident
	Options     []*Option
	Where       Expr
}

// CreateSchema is CREATE SCHEMA [IF NOT EXISTS] name.
type CreateSchema struct {
	At
	IfNotExists bool
	Name        *Name
}

// DropBehavior is CASCADE or RESTRICT.
type DropBehavior string

// The behaviours of DROP.
const (
	DropDefault  DropBehavior = ""
	DropCascade  DropBehavior = "CASCADE"
	DropRestrict DropBehavior = "RESTRICT"
)

// Drop is DROP kind [IF EXISTS] names [CASCADE|RESTRICT].
type Drop struct {
	At
	Kind     ObjectKind
	IfExists bool
	Names    []*Name
	Behavior DropBehavior
}

// Alter is ALTER kind [IF EXISTS] name action, ...
type Alter struct {
	At
	Kind     ObjectKind
	IfExists bool
	Name     *Name
	Actions  []AlterAction // at least one
}

// AlterAction is one change of an ALTER.
type AlterAction interface {
	Node
	alterAction()
}

// AlterPause is PAUSE.
type AlterPause struct{ At }

// AlterResume is RESUME.
type AlterResume struct{ At }

// AlterSet is SET (key = value, ...), or SET key = value.
type AlterSet struct {
	At
	Options []*Option
}

// AlterReset is RESET (key, ...).
type AlterReset struct {
	At
	Keys []string
}

// AlterRename is RENAME TO name.
type AlterRename struct {
	At
	To Ident
}

// AlterSetSchema is SET SCHEMA name.
type AlterSetSchema struct {
	At
	Schema Ident
}

// AlterRenameColumn is RENAME [COLUMN] a TO b.
type AlterRenameColumn struct {
	At
	From, To Ident
}

// AlterAddColumn is ADD [COLUMN] [IF NOT EXISTS] definition.
type AlterAddColumn struct {
	At
	IfNotExists bool
	Column      *ColumnDef
}

// AlterDropColumn is DROP [COLUMN] [IF EXISTS] name [CASCADE|RESTRICT].
type AlterDropColumn struct {
	At
	IfExists bool
	Column   Ident
	Behavior DropBehavior
}

// AlterColumn is ALTER [COLUMN] name SET DEFAULT x | DROP DEFAULT | SET NOT NULL | DROP NOT NULL | TYPE t [USING x].
type AlterColumn struct {
	At
	Column      Ident
	SetDefault  Expr
	DropDefault bool
	SetNotNull  bool
	DropNotNull bool
	Type        *TypeName
	Using       Expr
}

// AlterAddConstraint is ADD constraint.
type AlterAddConstraint struct {
	At
	Constraint *Constraint
}

// AlterDropConstraint is DROP CONSTRAINT [IF EXISTS] name [CASCADE|RESTRICT].
type AlterDropConstraint struct {
	At
	IfExists bool
	Name     Ident
	Behavior DropBehavior
}

// AlterAddWatermark is ADD WATERMARK FOR ...
type AlterAddWatermark struct {
	At
	Watermark *Watermark
}

// AlterAs is [DRY RUN] AS query: a view or sink gets a new definition, or the user wants to see what that would do.
type AlterAs struct {
	At
	Query  *Query
	DryRun bool
}

func (*CreateSource) statement() {}
func (*CreateTable) statement()  {}
func (*CreateView) statement()   {}
func (*CreateSink) statement()   {}
func (*CreateIndex) statement()  {}
func (*CreateSchema) statement() {}
func (*Drop) statement()         {}
func (*Alter) statement()        {}

func (*AlterPause) alterAction()          {}
func (*AlterResume) alterAction()         {}
func (*AlterSet) alterAction()            {}
func (*AlterReset) alterAction()          {}
func (*AlterRename) alterAction()         {}
func (*AlterSetSchema) alterAction()      {}
func (*AlterRenameColumn) alterAction()   {}
func (*AlterAddColumn) alterAction()      {}
func (*AlterDropColumn) alterAction()     {}
func (*AlterColumn) alterAction()         {}
func (*AlterAddConstraint) alterAction()  {}
func (*AlterDropConstraint) alterAction() {}
func (*AlterAddWatermark) alterAction()   {}
func (*AlterAs) alterAction()             {}
