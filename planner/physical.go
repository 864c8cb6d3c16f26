package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// ObjectID identifies a catalog object for ever: ids are never reused.
type ObjectID uint64

// OpID identifies an operator's state: the hash of the canonical text of its subtree (operators, expressions, catalog
// object ids), so that a changed query keeps the state of the subtrees that remain. See Node.ID.
type OpID uint64

// Node is one operator of a physical plan: plain data, stored in the catalog with encoding/gob and executed by exec.
// A plan is a DAG of nodes; equal subtrees have equal IDs and are run once.
type Node struct {
	ID     OpID
	Op     Op
	Inputs []*Node
	Schema types.Schema // the columns of the output
	Props  Props
}

// Props are the proved properties of a node's output.
type Props struct {
	// AppendOnly: all weights are positive, no row is ever taken back.
	AppendOnly bool
	// Keys are the known unique keys, each a set of output columns; rows of weight one, at most one row a key.
	Keys [][]int
	// Determines are columns of which each value goes with one value of another: window_end and window_start, a column and
	// what is computed from it alone.
	Determines []Dependency
	// Watermarks are the columns that the operator's output watermark W bounds.
	Watermarks []ColWatermark
	// RowWatermark is the hidden column holding, for each row, the watermark of its own partition just before the row
	// (timestamp, see Watermark.Emit), or -1 when rows cannot be late any more.
	RowWatermark int
	// Grows says why this operator's own state can grow for ever and what would bound it; empty: bounded.
	Grows, GrowsHint string
	// Bounded: all sources below end by themselves (a file that is not watched, VALUES, events = n).
	Bounded bool
}

// Dependency says that rows that are equal in column From are equal in column To.
type Dependency struct{ From, To int }

// ColWatermark says that no further output row has a value of column Col below W - Lag, where W is the operator's output
// watermark. Operators hand W on as it is: what they hold back for lateness is in Lag. The window_end of closed windows is
// above W: its Lag is -1.
type ColWatermark struct {
	Col int
	Lag int64 // microseconds
}

// Op is what a node does. The implementations are the structs below.
type Op interface{ op() }

// Scan reads an external source: the wanted columns of its physical (not computed) columns, in order.
type Scan struct {
	Object  ObjectID
	Name    string // for EXPLAIN and messages
	Columns []int  // indices into the source's physical schema; may be empty (only row counts matter)
	// Prune are conjuncts over the output columns that the Filters above apply too; a source may use them to skip data
	// that cannot match, but reports what it skipped for the watermark.
	Prune []expr.Expr
	// Instance tells apart two scans of one source that must not share a reader (0 for the first).
	Instance int
	OnError  Policy // of records that cannot be decoded
}

// Watermark follows a source (after its computed columns): it rejects rows whose time is ahead of the epoch's clock by more
// than MaxAhead, advances the partition's watermark, and with Emit appends the hidden column of Props.RowWatermark.
type Watermark struct {
	Time        int       // the event time column: timestamp or timestamptz
	Expr        expr.Expr // the watermark of a row, over the input columns, of Time's type
	MaxAhead    int64     // microseconds; 0: no limit
	IdleTimeout int64     // microseconds; 0: a quiet partition holds the watermark for ever
	OnLate      Policy
	Emit        bool
}

// Policy says what happens with a late or bad row.
type Policy uint8

// The policies of on_error and on_late.
const (
	DeadLetter Policy = iota // keep it in streamsql.rejected
	Fail                     // stop the query with the row's error
	Skip                     // count it only
)

// Values produces constant rows once, in the first epoch.
type Values struct{ Rows [][]expr.Expr }

// ViewScan reads the rows of a materialized view or system relation (streamsql.rejected): first what it holds, then its changes.
type ViewScan struct {
	Object ObjectID
	Name   string
	Lookup *Lookup // of a plan that is run once: which rows are needed; nil: all
}

// Filter keeps the rows for which Pred is true. A row for which Pred fails is rejected under OnError.
type Filter struct {
	Pred    expr.Expr
	OnError Policy
}

// Project computes one output column per expression. A row in which one fails is rejected under OnError.
type Project struct {
	Exprs   []expr.Expr
	OnError Policy
}

// Union passes the rows of all inputs (UNION ALL); the output watermark is the inputs' minimum.
type Union struct{}

// WindowKind is the kind of a window.
type WindowKind uint8

// The kinds of windows.
const (
	Tumble WindowKind = iota
	Hop
	Cumulate
	Session
)

// MaxWindowsPerRow bounds the work that one row can make.
const MaxWindowsPerRow = 100_000

// Window assigns rows to windows by a time column.
type Window struct {
	Kind     WindowKind
	Time     int    // column of type timestamp or timestamptz, not null (rows with NULL are rejected)
	Size     int64  // microseconds: window size; Cumulate: maximum size; Session: gap
	Slide    int64  // Hop: slide; Cumulate: step
	Offset   int64  // microseconds, shifts the window boundaries from 1970-01-01 (in Zone)
	Zone     string // IANA name for windows of whole days over timestamptz; "": UTC
	ProcTime bool   // Time is the epoch's clock; windows close by it
}

// WindowExpand appends window_start, window_end and window_time (window_end less one microsecond), all of the time column's
// type, to each row, once per window the row is in (Tumble, Hop, Cumulate). It is used where an aggregation on the window
// could not be recognised.
type WindowExpand struct{ Window Window }

// SessionExpand appends window_start, window_end and window_time of the row's session to all its input columns (a hidden
// RowWatermark column too, as any other). As sessions grow and merge, rows are taken back and put out again. State: the rows
// of open sessions.
type SessionExpand struct {
	Window       Window
	Partition    []int // columns; the session key
	Lateness     int64 // allowed lateness, microseconds
	Emit         Emission
	RowWatermark int // hidden input column, or -1
	OnLate       Policy
	OnError      Policy
}

// AggCall is one aggregate of an Aggregate or WindowAggregate.
type AggCall struct {
	Fn       string // expr.Aggregate.ID
	Args     []int  // input columns (computed by a Project below), already of the overload's types
	Filter   int    // boolean input column of FILTER (WHERE ...), or -1
	Distinct bool
	OrderBy  []SortKey   // ORDER BY inside the call, for string_agg, array_agg, first_value, last_value
	Extra    []expr.Expr // constant arguments (string_agg's separator when constant is still an Args column)
	T        types.Type  // result type
}

// SortKey orders by an input column.
type SortKey struct {
	Col        int
	Desc       bool
	NullsFirst bool
}

// Emission says when results leave an aggregation.
type Emission uint8

// The emissions.
const (
	EmitChanges Emission = iota // at each epoch's end, as retractions and insertions
	EmitOnClose                 // once, when the watermark has passed the window's end (plus allowed lateness)
)

// Aggregate groups by columns. Output: the keys in order, then one column per aggregate. Without keys there is always exactly one
// row, as in PostgreSQL. Aggs may be empty (DISTINCT).
type Aggregate struct {
	Keys []int
	Aggs []AggCall
	// Close is the index in Keys of a column that the input's watermark bounds: groups whose value the watermark has
	// passed (value <= W - CloseLag) are final and dropped. -1: groups stay. A row whose RowWatermark has passed its own
	// group in that sense is late.
	Close        int
	CloseLag     int64
	Emit         Emission
	TTL          int64 // microseconds of the epoch's clock since a group's last change until it is forgotten; 0: never
	RowWatermark int   // hidden input column, or -1
	OnLate       Policy
	OnError      Policy
}

// WindowAggregate groups by Keys and a window of rows that are not expanded: HOP and CUMULATE aggregate slices once and merge
// them. Output: the keys in order, window_start, window_end (of the time column's type), then one column per aggregate.
// A row is late for a window when its RowWatermark has reached the window's end plus Lateness.
type WindowAggregate struct {
	Window       Window
	Keys         []int
	Aggs         []AggCall
	Emit         Emission
	Lateness     int64 // allowed lateness, microseconds
	RowWatermark int   // hidden input column, or -1
	OnLate       Policy
	OnError      Policy
}

// EmitEvery holds back the consolidated changes of its input until the epoch's clock has passed a multiple of Interval
// (microseconds) since the last emission, or the input has ended.
type EmitEvery struct{ Interval int64 }

// Sink delivers its input to an external sink. Key is the sink's key (upsert), nil for append and changelog sinks.
type Sink struct {
	Object ObjectID
	Name   string
	Mode   SinkMode
	Key    []int
}

// SinkMode is what a sink accepts of a changelog.
type SinkMode uint8

// The modes of sinks.
const (
	Append    SinkMode = iota // append-only changelogs
	Upsert                    // the last row per key, deletes before inserts
	Changelog                 // weighted rows
)

// Materialize keeps its input as a view table that SELECT reads. Key is a unique key, or nil (a multiset).
type Materialize struct {
	Object    ObjectID
	Name      string
	Key       []int
	Retention int64 // microseconds of the epoch's clock that a row is kept after its last change; 0: for ever
}

// Output is the root of an ad-hoc query: its changes go to the subscriber.
type Output struct{}

func (*Scan) op()            {}
func (*Watermark) op()       {}
func (*Values) op()          {}
func (*ViewScan) op()        {}
func (*Filter) op()          {}
func (*Project) op()         {}
func (*Union) op()           {}
func (*WindowExpand) op()    {}
func (*SessionExpand) op()   {}
func (*Aggregate) op()       {}
func (*WindowAggregate) op() {}
func (*EmitEvery) op()       {}
func (*Sink) op()            {}
func (*Materialize) op()     {}
func (*Output) op()          {}
