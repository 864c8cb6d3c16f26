package exec

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// JobID names a job for ever: the catalog object that the query keeps (a sink, a materialized view). Ad-hoc jobs are numbered by the
// engine from AdHoc on.
type JobID uint64

// AdHoc is where the ids of jobs without a catalog object begin.
const AdHoc JobID = 1 << 63

// vertexKey identifies a running node and its state: what it computes and where its inputs stand. Two jobs share a vertex when
// both are equal.
type vertexKey struct {
	Op    planner.OpID
	Place uint64 // of a leaf: its number; above: a hash of the places below
	Job   JobID  // roots and ad-hoc vertices belong to one job; else 0
}

// String prints the key as it stands in the log's meta.
func (k vertexKey) String() string {
	return fmt.Sprintf("%x.%x.%x", uint64(k.Op), k.Place, uint64(k.Job))
}

// vertex is one node of the running graph. Fields without another remark belong to the driver's goroutine between stages;
// what a worker uses is indexed by worker.
type vertex struct {
	key   vertexKey
	label string // "Aggregate #3f2a", for statistics and errors
	node  *planner.Node
	local bool // the part of an operator before its exchange; node is the operator's
	in    types.Schema
	out   types.Schema // of what it emits
	// source is the name of the only source below, for counting rejected rows; empty if there are several or none.
	source string

	inputs  []*edge
	outputs []*edge
	jobs    map[JobID]*job
	level   int
	// fresh: EndEpoch must run in the next epoch whatever comes, because the vertex was just opened.
	fresh bool
	// restored: an earlier process left state.
	restored bool
	// active: this epoch reaches the vertex.
	active bool
	// leftAlone: only input 0 moves the watermark. A join with the right side as it is at the moment waits for nothing.
	leftAlone bool
	// dead: an error ended it; nothing goes in or out any more.
	dead atomic.Bool

	ops    []Operator // per worker; nil for leaves and roots
	locals []LocalOp  // per worker, if local
	ctxs   []*Context // per worker
	emits  []Emit     // per worker
	tables []vertexTable

	leaf leaf         // what feeds a leaf
	wm   *watermarker // for Watermark
	root terminal     // for Sink, Materialize, Output

	watermark changelog.Watermark   // of the output
	outWM     []changelog.Watermark // per worker
	timers    []int64               // per worker: the clock of the next wanted epoch, or noTimer
	nextTimer int64

	stats vertexStats
	check *checker
}

const noTimer = int64(1<<63 - 1)

// edgeKind is how batches pass an edge.
type edgeKind uint8

const (
	fused  edgeKind = iota // at once, on the same worker
	spread                 // by key hash to the owner, in the next level
	gather                 // in order, to whoever handles the target as a whole, in the next level
)

type edge struct {
	kind edgeKind
	from *vertex
	to   *vertex
	in   int   // input number of to
	cols []int // for spread: key columns of from.out; none: all to worker 0
	buf  exchange
}

// graph is all vertices of an engine, in topological order.
type graph struct {
	workers  int
	vertices []*vertex
	byKey    map[vertexKey]*vertex
	levels   int
}

func newGraph(workers int) *graph {
	return &graph{workers: workers, byKey: map[vertexKey]*vertex{}}
}

func (g *graph) connect(from, to *vertex, in int, d Distribution) {
	e := &edge{from: from, to: to, in: in}
	switch {
	case to.root != nil || to.wm != nil || to.leaf != nil:
		e.kind = gather
	case d.Kind == Any || g.workers == 1:
		e.kind = fused
	default:
		e.kind = spread
		if d.Kind == ByHash {
			e.cols = d.Cols
		}
	}
	e.buf.open(g.workers, e.kind == spread)
	from.outputs = append(from.outputs, e)
	to.inputs = append(to.inputs, e)
}

// add appends a vertex whose inputs are in the graph already.
func (g *graph) add(v *vertex) {
	g.vertices = append(g.vertices, v)
	if !v.local {
		g.byKey[v.key] = v
	}
	v.jobs = map[JobID]*job{}
	v.fresh = true
	v.watermark = changelog.MinWatermark
	v.outWM = make([]changelog.Watermark, g.workers)
	v.timers = make([]int64, g.workers)
	if v.nextTimer == 0 {
		v.nextTimer = noTimer
	}
	for w := range g.workers {
		v.outWM[w] = changelog.MinWatermark
		v.timers[w] = noTimer
	}
}

// arrange sets the levels: a level is what runs between two exchanges.
func (g *graph) arrange() {
	g.levels = 0
	for _, v := range g.vertices {
		v.level = 0
		for _, e := range v.inputs {
			l := e.from.level
			if e.kind != fused {
				l++
			}
			v.level = max(v.level, l)
		}
		g.levels = max(g.levels, v.level+1)
	}
}

// remove takes out the vertices that no job uses any more and returns them.
func (g *graph) remove(id JobID) []*vertex {
	var gone []*vertex
	for _, v := range g.vertices {
		delete(v.jobs, id)
		if len(v.jobs) == 0 {
			gone = append(gone, v)
		}
	}
	for _, v := range gone {
		for _, e := range v.inputs {
			e.from.outputs = slices.DeleteFunc(e.from.outputs, func(x *edge) bool { return x == e })
		}
		if g.byKey[v.key] == v {
			delete(g.byKey, v.key)
		}
	}
	g.vertices = slices.DeleteFunc(g.vertices, func(v *vertex) bool { return len(v.jobs) == 0 })
	g.arrange()
	return gone
}

// close closes the operators of a vertex.
func (v *vertex) close() {
	for _, op := range v.ops {
		if op != nil {
			_ = op.Close()
		}
	}
}

// inputWatermark is the minimum over the inputs as worker w may see it: a fused input of the same level by its worker,
// everything else by the minimum of all workers.
func (v *vertex) inputWatermark(w int) changelog.Watermark {
	wm := changelog.MaxWatermark
	for _, e := range v.inputs {
		if e.in > 0 && v.leftAlone {
			continue
		}
		if e.kind == fused && e.from.level == v.level && e.from.ctxs != nil && e.from.wm == nil {
			wm = min(wm, e.from.outWM[w])
		} else {
			wm = min(wm, e.from.watermark)
		}
	}
	return wm
}

func opName(op planner.Op) string {
	name := fmt.Sprintf("%T", op)
	if i := lastDot(name); i >= 0 {
		name = name[i+1:]
	}
	switch op := op.(type) {
	case *planner.Scan:
		name += " " + op.Name
	case *planner.ViewScan:
		name += " " + op.Name
	case *planner.Sink:
		name += " " + op.Name
	case *planner.Materialize:
		name += " " + op.Name
	}
	return name
}

func lastDot(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '.' {
			return i
		}
	}
	return -1
}
