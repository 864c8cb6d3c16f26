package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// FirstUserID is the first id of objects made by users; smaller ones belong to system relations.
const FirstUserID ObjectID = 1000

// RejectedID is the id of the system relation streamsql.rejected.
const RejectedID ObjectID = 1

// Source is an external input.
type Source struct {
	External
	// Physical are the columns that the connector delivers, in the order of the declaration (with INCLUDE columns last).
	Physical types.Schema
	// Metadata holds, for each physical column, the key of the message's envelope that it is read from, or "".
	Metadata []string
	// Columns are the visible columns in the order of their declaration.
	Columns []SourceColumn
	// PrimaryKey are positions in Columns; KeyTrusted says that it was declared NOT ENFORCED: the user vouches for it.
	PrimaryKey []int
	KeyTrusted bool
	// Watermark is the declared event time, or nil.
	Watermark *SourceWatermark
	// OnError and OnLate are the policies, AllowedLateness (microseconds) the default of windows over this source.
	OnError, OnLate Policy
	AllowedLateness int64
	IdleTimeout     int64 // microseconds; 0: never idle
	MaxAhead        int64 // microseconds; 0: no limit
	RateLimit       int64 // rows per second; 0: none
	Bounded         bool  // ends by itself
}

// SourceColumn is a visible column of a source: a physical or a computed one.
type SourceColumn struct {
	types.Field
	Physical int       // index in Source.Physical, or -1
	Expr     expr.Expr // of a computed column, over Source.Physical
	Text     string    // of Expr
	ProcTime bool      // the epoch's clock: AS PROCTIME()
}

// SourceWatermark is WATERMARK FOR column AS expr.
type SourceWatermark struct {
	Column int       // position in Source.Columns
	Expr   expr.Expr // over Source.Columns, of the column's type
	Text   string
}

// Schema returns the visible columns.
func (s *Source) Schema() types.Schema {
	schema := make(types.Schema, len(s.Columns))
	for i, c := range s.Columns {
		schema[i] = c.Field
	}
	return schema
}

// View is a view or a materialized view.
type View struct {
	Schema types.Schema
	// Logical is the bound query of a view, which is expanded where the view is used.
	Logical Plan
	// Physical is the plan of a materialized view; its root is a Materialize.
	Physical Plan
	Settings Settings // that the plan was made with
}

// SinkDef is an external output.
type SinkDef struct {
	External
	Schema types.Schema // of the rows delivered
	Mode   SinkMode
	Key    []int // columns of the primary key
	// Plan delivers a query's changes; its root is a Sink. Empty for tables, which statements insert into: INSERT INTO
	// table SELECT ... makes an object of KindSink with a plan and the same External.
	Plan     Plan
	Settings Settings
	// From is the table that an INSERT writes, or 0.
	From ObjectID
	// PartitionBy are the columns of PARTITIONED BY, by name.
	PartitionBy []string
}

// System is a built-in relation.
type System struct {
	Schema types.Schema
	Doc    string
	// AppendOnly: rows are never taken back.
	AppendOnly bool
	Key        []int // a unique key, or nil
}

// RejectedSchema returns the columns of streamsql.rejected.
func RejectedSchema() types.Schema {
	return types.Schema{
		{Name: "id", Type: types.Int8Type, NotNull: true},          // unique
		{Name: "time", Type: types.TimestampTZType, NotNull: true}, // the epoch's clock
		{Name: "epoch", Type: types.Int8Type, NotNull: true},       // in which it was rejected
		{Name: "reason", Type: types.TextType, NotNull: true},      // late, decode, ahead, error, sink
		{Name: "code", Type: types.TextType},                       // SQLSTATE
		{Name: "message", Type: types.TextType},                    // what is wrong
		{Name: "source", Type: types.TextType},                     // the source's name
		{Name: "partition", Type: types.TextType},                  // of the source
		{Name: "position", Type: types.TextType},                   // in the partition
		{Name: "raw", Type: types.TextType},                        // the record; as PostgreSQL's bytea text if it is not UTF-8
		{Name: "watermark", Type: types.TimestampTZType},           // against which a late row was judged
		{Name: "operator", Type: types.TextType},                   // that rejected it
	}
}

func systemObjects() []*Object {
	return []*Object{{
		ID: RejectedID, Name: "streamsql.rejected", Kind: KindSystem,
		System: &System{Schema: RejectedSchema(), Doc: "rows that were left out: late, undecodable, refused by an expression or a sink", Key: []int{0}},
	}}
}
