package exec

import (
	"time"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// Env is what operators are built with: everything they need besides the plan.
type Env struct {
	Functions *expr.Registry // nil: expr.Builtin
	Zone      *time.Location // the session's time zone; nil: UTC
	// BatchRows is the most rows of a batch that an operator builds itself; 0: 32768.
	BatchRows int
}

func (e *Env) batchRows() int {
	if e == nil || e.BatchRows <= 0 {
		return 32 << 10
	}
	return e.BatchRows
}

func (e *Env) functions() *expr.Registry {
	if e == nil || e.Functions == nil {
		return expr.Builtin
	}
	return e.Functions
}

func (e *Env) zone() *time.Location {
	if e == nil {
		return nil
	}
	return e.Zone
}

// LocalOp is the part of a keyed operator that runs before the exchange, fused with the stage below, on whatever worker has the
// batch. It judges late rows and refuses bad ones while Batch.Origin still exists, and pre-aggregates where that pays. It
// keeps nothing between epochs and has no tables. Each worker has its own.
//
// Within an epoch: Process for each batch of the stage, then Flush once, also when no batch came; then the exchange
// takes what was emitted, in order, spreads it as Lowered.Dists[0] says, and the global operator gets it as its input 0.
// Emitted batches carry no Origin and do not change afterwards.
type LocalOp interface {
	Process(ctx *Context, b *changelog.Batch, emit Emit) error
	Flush(ctx *Context, emit Emit) error
}

// Lowered is an operator as one worker runs it.
type Lowered struct {
	// Local is nil when the global operator takes the node's input as it is; else it is for the node's only input.
	Local LocalOp
	// Partial is the schema of what Local emits; nil without Local.
	Partial types.Schema
	// Global has one input per input of the node. It is opened, fed and closed as Operator says.
	Global Operator
	// Dists says how the rows of each of Global's inputs must lie: columns are those of the partial rows where there is a Local.
	// A ByHash row belongs to the worker that owns state.HashRows of these columns, which is also how the state tables of
	// Global are divided.
	Dists []Distribution
}

// Lower builds one worker's instance of an operator in its two parts. It knows every operator that is neither a source nor a root:
// Filter, Project, Union, WindowExpand, SessionExpand, Aggregate, WindowAggregate and EmitEvery.
//
// With one worker the two parts may be joined without an exchange (Join).
func Lower(n *planner.Node, env *Env) (*Lowered, error) {
	switch op := n.Op.(type) {
	case *planner.Filter:
		return linear(newFilter(n, op, env))
	case *planner.Project:
		return linear(newProject(n, op, env))
	case *planner.Union:
		l := &Lowered{Global: union{}, Dists: make([]Distribution, len(n.Inputs))}
		return l, nil
	case *planner.WindowExpand:
		return linear(newWindowExpand(n, op, env))
	case *planner.SessionExpand:
		return lowerSessionExpand(n, op, env)
	case *planner.Aggregate:
		return lowerAggregate(n, op, env)
	case *planner.WindowAggregate:
		return lowerWindowAggregate(n, op, env)
	case *planner.EmitEvery:
		return lowerEmitEvery(n, op, env)
	case *planner.TopN:
		return lowerTopN(n, op, env)
	case *planner.Over:
		return lowerOver(n, op, env)
	case *planner.TableFunc:
		return linear(newTableFunc(n, op, env))
	case *planner.TemporalFilter:
		return lowerTemporalFilter(n, op, env)
	case *planner.Join:
		return lowerJoin(n, op, env)
	case *planner.TemporalJoin:
		return lowerTemporalJoin(n, op, env)
	case *planner.AsofJoin:
		return lowerAsofJoin(n, op, env)
	}
	return nil, types.NotSupported(types.Span{}, "operator %T", n.Op)
}

func linear(op Operator, err error) (*Lowered, error) {
	if err != nil {
		return nil, err
	}
	return &Lowered{Global: op, Dists: []Distribution{{Kind: Any}}}, nil
}

// NewOperator builds one worker's instance of an operator as a whole, both parts in one, for an input that already lies as
// Distributions says (always so with one worker).
func NewOperator(n *planner.Node, env *Env) (Operator, error) {
	l, err := Lower(n, env)
	if err != nil {
		return nil, err
	}
	return Join(l), nil
}

// Distributions says how the rows of each input of the operator that NewOperator builds must lie.
func Distributions(n *planner.Node) []Distribution {
	dists := make([]Distribution, len(n.Inputs))
	switch op := n.Op.(type) {
	case *planner.Aggregate:
		dists[0] = byKeys(op.Keys)
	case *planner.WindowAggregate:
		dists[0] = byKeys(op.Keys)
	case *planner.SessionExpand:
		dists[0] = byKeys(op.Partition)
	case *planner.EmitEvery:
		dists[0] = byKeys(allColumns(n.Inputs[0].Schema))
	case *planner.Join:
		dists[0], dists[1] = byKeys(op.LeftKeys), byKeys(op.RightKeys)
	case *planner.TemporalJoin:
		dists[0], dists[1] = byKeys(op.LeftKeys), byKeys(op.RightKeys)
	case *planner.AsofJoin:
		dists[0], dists[1] = byKeys(op.LeftKeys), byKeys(op.RightKeys)
	case *planner.TopN:
		dists[0] = byKeys(partitionFirst(op.Partition, op.Close))
	case *planner.Over:
		dists[0] = byKeys(partitionFirst(op.Partition, op.Close))
	case *planner.TemporalFilter:
		dists[0] = temporalDist(op)
	}
	return dists
}

func byKeys(cols []int) Distribution {
	if len(cols) == 0 {
		return Distribution{Kind: Single}
	}
	return Distribution{Kind: ByHash, Cols: cols}
}

func allColumns(s types.Schema) []int {
	cols := make([]int, len(s))
	for i := range cols {
		cols[i] = i
	}
	return cols
}

// Join makes one operator of the two parts: what the local part emits goes straight into the global one.
func Join(l *Lowered) Operator {
	if l.Local == nil {
		return l.Global
	}
	return &joined{local: l.Local, global: l.Global}
}

type joined struct {
	local  LocalOp
	global Operator
}

func (j *joined) Open(ctx *OpenContext) error { return j.global.Open(ctx) }

// into feeds the global part, keeping the first error.
func (j *joined) into(ctx *Context, emit Emit, err *error) Emit {
	return func(b *changelog.Batch) {
		if *err == nil {
			*err = j.global.Process(ctx, 0, b, emit)
		}
	}
}

func (j *joined) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	var inner error
	if err := j.local.Process(ctx, b, j.into(ctx, emit, &inner)); err != nil {
		return err
	}
	return inner
}

func (j *joined) EndEpoch(ctx *Context, emit Emit) (changelog.Watermark, error) {
	var inner error
	if err := j.local.Flush(ctx, j.into(ctx, emit, &inner)); err != nil {
		return 0, err
	}
	if inner != nil {
		return 0, inner
	}
	return j.global.EndEpoch(ctx, emit)
}

func (j *joined) Close() error { return j.global.Close() }
