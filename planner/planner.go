package planner

import (
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// Planner turns statements into plans. It is a pure function of the statement and its fields, and safe for concurrent use.
type Planner struct {
	Catalog    *Catalog
	Registry   *expr.Registry // nil: expr.Builtin
	Settings   Settings
	Connectors Connectors
	SearchPath []string // schemas where names without one are looked for; nil: public
	Params     []Param  // the values of $1, $2 ...
	// Infer collects the types of parameters, whose values are not there yet; such a plan only tells the columns.
	Infer *ParamTypes
	// Copied are the columns of the rows that COPY FROM brings (see CopyInsert); nil else.
	Copied types.Schema
	// SessionValue answers functions whose value depends on who asks, such as current_user; nil in queries that are kept.
	SessionValue func(name string, args []Param) (v Param, ok bool, err error)
	// Live plans queries over views to be followed, not read once: SUBSCRIBE.
	Live bool
	// OrderBounded allows ORDER BY and LIMIT over sources that end: the caller applies them to the whole answer, as to a
	// snapshot.
	OrderBounded bool
}

// QueryPlan is a query ready to run: a snapshot or a live query.
type QueryPlan struct {
	// Root is an Output.
	Root *Node
	// Logical is the query before the rewrites, for EXPLAIN LOGICAL.
	Logical *Node
	// Schema are the visible columns: the first ones of Root.
	Schema types.Schema
	// Snapshot: only views and constants are read and EMIT is not written, so that the answer can be read once instead of live.
	Snapshot bool
	// Order, Limit and Offset are to be applied to the whole answer of a snapshot, or of a query that ends (see
	// Planner.OrderBounded); Order may use columns behind the visible ones.
	Order         []SortKey
	Limit, Offset *int64
	Deps          []ObjectID // objects read
	Notices       []Notice
	Warnings      []Warning
}

func (p *Planner) newBinder(set Settings) *binder {
	reg := p.Registry
	if reg == nil {
		reg = expr.Builtin
	}
	return &binder{p: p, reg: reg, set: set, deps: map[ObjectID]bool{}}
}

// PlanQuery plans an ad-hoc query, whose changes go to a subscriber.
//
// Errors: all of binding, positioned; CodeNotSupported.
func (p *Planner) PlanQuery(q *sql.Query) (*QueryPlan, error) {
	b := p.newBinder(p.Settings)
	rel, err := b.outermost(q)
	if err != nil {
		return nil, err
	}
	plan := &QueryPlan{Logical: rel.node, Schema: rel.node.Schema[:rel.visible], Deps: b.dependencies()}
	plan.Snapshot = isSnapshot(rel.node) && !p.Live && q.Emit == nil
	if !rel.ordered.IsZero() {
		r := &rewriter{reg: b.reg, cat: p.Catalog}
		ends := p.OrderBounded && !p.Live && q.Emit == nil && r.props(rel.node).Bounded
		switch {
		case plan.Snapshot || ends:
			if rel.ties { // the rows by the plan, their order by the caller
				rel.node, rel.limit, rel.offset = rel.firstRows(), nil, nil
			}
			plan.Order, plan.Limit, plan.Offset = rel.order, rel.limit, rel.offset
		case rel.isLimited():
			rel = rel.limited()
		case len(rel.order) == 0: // LIMIT ALL
		case rel.firsts:
			rel = visiblePart(rel)
			b.notice(rel.ordered, "read a materialized view with ORDER BY", "the changes of a continuous query have no order: ORDER BY chooses the rows of DISTINCT ON only")
		default:
			return nil, types.NotSupported(rel.ordered, "ORDER BY of a continuous query: its changes come in the order of time").
				WithHint("add LIMIT to follow the first rows, or read a materialized view with ORDER BY")
		}
		plan.Logical = rel.node
	}
	b.snapshot = plan.Snapshot
	em, err := b.emission(rel.emit)
	if err != nil {
		return nil, err
	}
	if em.span.IsZero() {
		em.span = q.Span()
	}
	root, err := b.optimize(rel.node, em)
	if err != nil {
		return nil, at(err, em.span)
	}
	if plan.Root, err = b.finish(newNode(&Output{}, root.Schema, root)); err != nil {
		return nil, err
	}
	plan.Notices, plan.Warnings = b.notices, Warnings(plan.Root)
	return plan, nil
}

// outermost binds a statement's query; untyped columns become text.
func (b *binder) outermost(q *sql.Query) (*relation, error) {
	rel, err := b.query(q, true)
	if err != nil {
		return nil, err
	}
	if rel, err = rel.resolved(); err != nil {
		return nil, err
	}
	return b.namedIDs(rel)
}

func (b *binder) dependencies() []ObjectID {
	var ids []ObjectID
	for _, o := range b.p.Catalog.Objects() {
		if b.deps[o.ID] {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// isSnapshot reports whether a plan reads no source.
func isSnapshot(n *Node) bool {
	snapshot := true
	n.each(func(n *Node) {
		if _, ok := n.Op.(*Scan); ok {
			snapshot = false
		}
	})
	return snapshot
}
