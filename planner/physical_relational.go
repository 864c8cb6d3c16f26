package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// JoinKind is the kind of a join. RIGHT joins are planned as LEFT ones with exchanged inputs.
type JoinKind uint8

// The kinds of joins.
const (
	InnerJoin JoinKind = iota
	LeftJoin           // left rows without a match come with NULLs
	FullJoin           // rows of both sides without a match come with NULLs
	SemiJoin           // left rows with at least one match; output: the left columns
	AntiJoin           // left rows without a match; output: the left columns
)

// Join pairs the rows of its two inputs, both of which may change. Output: the left columns, then (not Semi, Anti) the right
// columns; weights multiply. State: the rows of both sides by key, and for all kinds but Inner how many matches each row has.
type Join struct {
	Kind JoinKind
	// LeftKeys and RightKeys are columns of equal types that must be equal, position by position. None: all pairs, on worker 0.
	LeftKeys, RightKeys []int
	// NullSafe marks the keys of which NULL equals NULL (IS NOT DISTINCT FROM); nil: NULL matches nothing.
	NullSafe []bool
	// On is what pairs must satisfy besides, over left columns ++ right columns; nil: nothing. A pair for which it fails is
	// rejected under OnError and does not match.
	On      expr.Expr
	OnError Policy
	// LeftExpiry and RightExpiry say when rows of a side can find no further match; nil: never.
	LeftExpiry, RightExpiry *Expiry
	// Final: rows without a match are put out only once they have expired, so that the output of append-only inputs is append-only.
	Final bool
	// LeftRowWatermark and RightRowWatermark are the hidden input columns that late rows are judged by, or -1. A row is late, and
	// rejected under OnLate, when LeftLate (RightLate), with the row's own watermark for W, holds of it: rows of the other side that it
	// matches may be forgotten. It holds later than the watermark passes the row, and has nothing to do with the row's own expiry. nil:
	// no row of the side is late.
	LeftRowWatermark, RightRowWatermark int
	LeftLate, RightLate                 *Expiry
	OnLate                              Policy
}

// Expiry says that a row whose column Col is at or below W - Lag, W being the operator's input watermark, can be forgotten.
type Expiry struct {
	Col int
	Lag int64 // microseconds
}

// TemporalJoin looks up, for each row of the append-only left input, the rows of the right one as they are, or were: FOR
// SYSTEM_TIME AS OF. What it has put out is not taken back when the right side changes later. Output: left columns ++ right columns.
//
// With LeftTime < 0 (processing time) a left row meets the right rows as of the end of its epoch. Else (event time) it meets
// the right rows whose version is valid at its LeftTime, once the watermark has passed that.
type TemporalJoin struct {
	Kind                JoinKind // InnerJoin or LeftJoin
	LeftKeys, RightKeys []int
	On                  expr.Expr
	OnError             Policy
	LeftTime, RightTime int // columns, or -1: processing time; a right row is valid from its RightTime to the next one of its key
	// A left row is late, and rejected under OnLate, when its LeftTime is below its own RowWatermark less Lateness. A row that is late by
	// less comes out at once.
	Lateness         int64 // microseconds
	LeftRowWatermark int
	OnLate           Policy
}

// AsofJoin gives each left row the one right row of equal keys that is nearest in order: the last with RightTime <= LeftTime
// (or <, or the first with >=, >). Both inputs may change. Output: left columns ++ right columns.
type AsofJoin struct {
	Kind                JoinKind // InnerJoin or LeftJoin
	LeftKeys, RightKeys []int
	LeftTime, RightTime int    // columns of one type
	Op                  string // how LeftTime compares with RightTime: ">=", ">", "<=", "<"
}

// Over appends to each row one column per call, computed over the rows of its partition: OVER. Rows are changed when others
// that their result depends on come or go. Output: the input columns (the hidden one of RowWatermark too), then one per call.
type Over struct {
	Partition []int
	Order     []SortKey // ties are decided by the total order of the encoded rows
	Calls     []OverCall
	OnError   Policy
	Closing
}

// Closing says when the partitions of an Over or TopN are final: as Aggregate does for its groups.
type Closing struct {
	// Close is an input column, one of Partition, that the input's watermark bounds: partitions whose value the watermark has
	// passed (value <= W - CloseLag) are final, and their state is dropped. -1: partitions stay. A row whose RowWatermark has
	// passed its own partition in that sense is late: it is given to OnLate and changes nothing.
	Close    int
	CloseLag int64 // microseconds
	// Emit is EmitOnClose only if Close >= 0: the rows of a partition leave once, when it is final.
	Emit         Emission
	RowWatermark int // hidden input column (timestamp), or -1
	OnLate       Policy
}

// OverCall is one window function.
type OverCall struct {
	// Fn is the name of a ranking or offset function (row_number, rank, dense_rank, percent_rank, cume_dist, ntile, lag, lead,
	// first_value, last_value, nth_value), or an expr.Aggregate.ID.
	Fn string
	// Args are input columns: of an aggregate, of its types. ntile(integer): the value of the partition's first row counts, NULL
	// gives NULL, less than one fails. lag, lead: the value; then the offset (integer; absent: 1; NULL gives NULL); then the default, of T.
	// nth_value: the value; the number (integer; NULL gives NULL, less than one fails).
	Args        []int
	Filter      int   // boolean input column, or -1; of aggregates only
	IgnoreNulls bool  // of lag, lead, first_value, last_value, nth_value
	Frame       Frame // of aggregates and first_value, last_value, nth_value; zero for others, which see the whole partition
	T           types.Type
}

// FrameMode is the unit of a frame's bounds.
type FrameMode uint8

// The modes of frames.
const (
	FrameRange FrameMode = iota
	FrameRows
	FrameGroups
)

// BoundKind is the kind of a frame's bound.
type BoundKind uint8

// The kinds of bounds, in the order of the rows.
const (
	UnboundedPreceding BoundKind = iota
	Preceding
	CurrentRow
	Following
	UnboundedFollowing
)

// FrameExclusion is what a frame leaves out.
type FrameExclusion uint8

// The exclusions.
const (
	ExcludeNoOthers FrameExclusion = iota
	ExcludeCurrentRow
	ExcludeGroup
	ExcludeTies
)

// Frame is the rows that a call sees, of its partition in its order.
type Frame struct {
	Mode       FrameMode
	Start, End Bound
	Exclude    FrameExclusion
}

// Bound is one end of a frame. Offset is a constant, neither NULL nor negative: a bigint for ROWS and GROUPS; for RANGE a value that is added
// to or subtracted from the only ordering column: a bigint for integers of any width, double precision for floats, a numeric, or an
// interval for dates, times, timestamps and intervals.
type Bound struct {
	Kind   BoundKind
	Offset *expr.Literal
}

// TopN keeps the first rows of each partition in an order; the output changes as rows come and go. Output: the input columns (the
// hidden one of RowWatermark too), and with Number the row's row_number, rank or dense_rank, as Rank says, behind them (bigint, from 1, the
// rows that Offset skips counted).
//
//	ByRowNumber  rows with row_number > Offset and row_number <= Offset + Limit
//	ByRank       rows with row_number > Offset and rank <= Offset + Limit
//	ByDenseRank  rows with dense_rank <= Limit; Offset is 0
type TopN struct {
	Partition []int
	Order     []SortKey // ties are decided by the total order of the encoded rows
	Offset    int64
	Limit     int64    // -1: no limit
	Rank      RankKind // how rows are counted
	Number    bool
	Closing
}

// RankKind is how a TopN counts rows.
type RankKind uint8

// The kinds of ranks.
const (
	ByRowNumber RankKind = iota
	ByRank               // rows equal in Order count as the first of them: LIMIT ... WITH TIES, RANK() <= n
	ByDenseRank
)

// TableFunc appends to each row the rows that a set-returning function gives for it: output are the input columns, then those of the
// function, then with Ordinality the number (bigint, from 1). A row for which it gives none is left out, or with Outer comes with NULLs.
// Several functions run side by side, the shorter ones filled up with NULLs, as in ROWS FROM and in a select list.
type TableFunc struct {
	Calls      []TableCall
	Ordinality bool
	Outer      bool
	OnError    Policy
}

// TableCall is one set-returning function with its arguments over the input columns.
type TableCall struct {
	Fn      string // such as "generate_series(bigint,bigint)"
	Args    []expr.Expr
	Columns types.Schema
}

// TemporalFilter keeps each row from the epoch whose clock has reached From until the one that has reached Until: filters on now().
// Columns are of type timestamptz; -1: always; a NULL: never. Rows leave, and come, as the clock passes.
type TemporalFilter struct {
	From, Until         int
	FromOpen, UntilOpen bool // From itself is not within; Until itself is within
}

// TableInput is what statements write to a table: the changes of INSERT, UPDATE and DELETE, made elsewhere and handed to the engine.
type TableInput struct {
	Object     ObjectID
	Name       string
	Key        []int // the primary key, which those who write have checked; nil: none
	AppendOnly bool
}

func (*Join) op()           {}
func (*TemporalJoin) op()   {}
func (*AsofJoin) op()       {}
func (*Over) op()           {}
func (*TopN) op()           {}
func (*TableFunc) op()      {}
func (*TemporalFilter) op() {}
func (*TableInput) op()     {}
