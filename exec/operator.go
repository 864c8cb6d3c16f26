// Package exec runs physical plans: the epoch driver, the operators and the exchange between workers. It sees plans and
// batches, never text or trees.
package exec

import (
	"context"
	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/state"
	"github.com/streamsql/streamsql/types"
)

// Operator is one node of a running plan on one worker. The driver calls it as
//
//	New  ->  Open  ->  { Process*  EndEpoch }*  ->  Close
//
// always from one goroutine at a time. Within an epoch the stages run one after another: an operator gets all batches of all
// its inputs (Process) before its EndEpoch, and its EndEpoch before any operator above it gets EndEpoch. Batches arrive in a
// deterministic order. A keyed operator sees, on every worker, all rows of the keys that the worker owns and no others
// (Distribution).
//
// A batch is immutable and borrowed for the call: an operator copies what it keeps, and may pass on the batch or
// share its columns in what it emits. Operators neither sync files, nor start goroutines, nor read the clock.
//
// The law of batching: however the input is cut into batches and epochs, the sum of what was emitted is the same.
// After an error from any method only Close is called. Close is safe at any moment, and twice.
type Operator interface {
	// Open declares the state tables and restores them at the store's version.
	Open(ctx *OpenContext) error
	// Process takes one batch of input number in.
	Process(ctx *Context, in int, b *changelog.Batch, emit Emit) error
	// EndEpoch takes the epoch's end: changes are emitted, windows that ctx.Watermark has passed are closed.
	// It returns the output watermark: ctx.Watermark, or less when the operator holds rows back.
	EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error)
	Close() error
}

// Emit hands an output batch on. The batch must not change afterwards.
type Emit func(b *changelog.Batch)

// OpenContext gives an operator its place and its tables.
type OpenContext struct {
	Worker, Workers int
	Tables          Tables
	// Watermark is what EndEpoch returned last at the restored version; MinWatermark if there is none.
	Watermark changelog.Watermark
}

// Tables opens an operator's state tables restored to the current version, holding the keys this worker owns. name is
// unique within the operator; the driver collects the tables' deltas at each epoch's end.
type Tables interface {
	Hash(name string, spec state.Spec) (*state.Hash, error)
	Windowed(name string, spec state.Spec) (*state.Windowed, error)
	Ordered(name string, spec state.Spec) (*state.Ordered, error)
	Multi(name string, spec state.MultiSpec) (*state.Multi, error)
}

// Context is what an operator knows of the epoch.
type Context struct {
	Epoch changelog.Epoch
	Clock int64 // the epoch's processing time, microseconds since 1970, one value per epoch, never going back
	// Watermark is the input watermark at the epoch's end: the minimum over inputs. It is set for EndEpoch only and never goes
	// back. MaxWatermark: the input has ended.
	Watermark changelog.Watermark
	// Reject records a row that is left out; see Rejection. It returns an error when the policy is to fail.
	Reject func(r Rejection) error
	// Timer asks for an epoch at that clock (microseconds), even without input. Call it in EndEpoch.
	Timer func(clock int64)
	// Stop is closed when nobody wants the result any more; nil: never. See Stopped.
	Stop <-chan struct{}
}

// Stopped returns context.Canceled once nobody wants the result any more. Operators ask in loops that may run for long without an end of their input or
// of a batch, and return it as their error.
func (c *Context) Stopped() error {
	select {
	case <-c.Stop:
		return context.Canceled
	default:
		return nil
	}
}

// Rejection is a row that an operator leaves out, with its reason.
type Rejection struct {
	Batch  *changelog.Batch // of the operator's input, to find the origin or print the row
	Schema types.Schema     // of Batch
	Row    int              // physical row
	Reason Reason
	Err    *types.Error // what is wrong; for late rows the window and the watermark
	Weight int64        // -1 when a rejected row was taken back or repaired
	// Watermark the row was judged against, for late rows.
	Watermark changelog.Watermark
	Policy    uint8 // planner.Policy
}

// Reason classifies rejected rows.
type Reason string

// The reasons.
const (
	ReasonLate   Reason = "late"
	ReasonDecode Reason = "decode" // undecodable or wrongly typed input
	ReasonAhead  Reason = "ahead"  // event time too far ahead of the clock
	ReasonError  Reason = "error"  // an expression failed
	ReasonSink   Reason = "sink"   // refused by a sink
)

// Distribution says how the rows of one input must be spread over workers.
type Distribution struct {
	Kind DistKind
	Cols []int // for ByHash
}

// DistKind is the kind of a Distribution.
type DistKind uint8

// The kinds of distributions.
const (
	Any    DistKind = iota // stateless: runs where the batch is, fused with what is below, batches stay in order
	ByHash                 // rows of equal columns on one worker
	Single                 // all rows on worker 0
)
