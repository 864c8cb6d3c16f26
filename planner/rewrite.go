package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// rewriter holds what the rewrites need. Every rule is a function from plan to plan that keeps the meaning of the result:
// the rows, and which rows are rejected but for errors whose value is no longer used.
type rewriter struct {
	reg *expr.Registry
	cat *Catalog
	set Settings
	// snapshot: the plan is run once, and its user waits for the answer or an error.
	snapshot bool
	// kept: the plan is kept up to date in a view, whether its input ends or not.
	kept bool
}

// emission is when the results of a query leave it.
type emission struct {
	onClose bool
	every   int64 // microseconds; 0: at each epoch's end
	span    types.Span
}

// optimize turns a logical plan into a physical one without ids.
func (b *binder) optimize(root *Node, em emission) (*Node, error) {
	r := &rewriter{reg: b.reg, cat: b.p.Catalog, set: b.set, snapshot: b.snapshot, kept: b.kept}
	root, err := r.decorrelate(root)
	if err != nil {
		return nil, err
	}
	root = r.factorConditions(r.foldConstants(root))
	root = r.pushFilters(r.simplifyOuterJoins(root))
	root = r.orderJoins(r.mergeProjects(root))
	if root, err = r.temporalFilters(root); err != nil {
		return nil, err
	}
	root = r.recogniseWindows(root)
	root = r.foldConstants(r.mergeProjects(r.pushFilters(root)))
	if top := r.recogniseTopN(root); top != root {
		root = r.mergeProjects(r.pushFilters(r.mergeProjects(r.pruneColumns(top))))
	}
	root = r.joinKeys(root)
	root = r.dropDistinct(root)
	if em.onClose {
		root = emitOnClose(root)
	}
	if root, err = r.closeGroups(root); err != nil {
		return nil, err
	}
	if em.onClose {
		if err = checkWindowed(root, em.span); err != nil {
			return nil, err
		}
	}
	if root, err = r.checkFinal(root); err != nil {
		return nil, err
	}
	if r.snapshot {
		root = r.lookups(root)
	}
	root = r.mergeProjects(r.pruneColumns(root))
	root = r.mergeProjects(r.addRowWatermark(root))
	root = r.pruneScans(root)
	root = r.applyPolicies(root)
	if em.every > 0 {
		root = newNode(&EmitEvery{Interval: em.every}, root.Schema, root)
	}
	return root, nil
}

// finish derives the properties and ids of a physical plan and shares its equal subplans.
func (b *binder) finish(root *Node) (*Node, error) {
	r := &rewriter{reg: b.reg, cat: b.p.Catalog, set: b.set}
	root = share(r.withProps(root))
	if b.snapshot {
		return root, nil
	}
	return root, r.checkClock(root)
}

// foldConstants computes what is constant, drops filters that are always true, and replaces what is filtered by FALSE by no rows.
//
//	Filter(1 = 1)(x)  =>  x        Filter(a AND FALSE)(x)  =>  Values()
func (r *rewriter) foldConstants(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		n = mapNodeExprs(n, r.reg.Fold)
		if j, ok := n.Op.(*Join); ok {
			return foldJoin(n, j)
		}
		f, ok := n.Op.(*Filter)
		switch {
		case !ok:
			return n
		case literalTrue(f.Pred):
			return n.in()
		case literalFalse(f.Pred):
			return newNode(&Values{}, n.Schema)
		}
		return n
	})
}

// mergeProjects merges a projection into the one below it, where no work is done twice, merges filters, and drops projections
// that change nothing.
//
//	Project(b + 1)(Project(a AS b)(x))  =>  Project(a + 1)(x)
//	Filter(p)(Filter(q)(x))             =>  Filter(q AND p)(x)      if p cannot fail: it would see rows that q keeps from it
func (r *rewriter) mergeProjects(root *Node) *Node {
	top := root.Schema
	root = bottomUp(root, func(n *Node) *Node {
		for {
			m := r.mergeOne(n)
			if m == n {
				return n
			}
			n = m
		}
	})
	return renamed(root, top)
}

// renamed gives the root the names that the query gave.
func renamed(n *Node, like types.Schema) *Node {
	if slices.Equal(n.Schema, like) || len(n.Schema) < len(like) {
		return n
	}
	schema := slices.Clone(n.Schema)
	for i := range like {
		schema[i].Name = like[i].Name
	}
	return n.withOp(n.Op, schema)
}

func (r *rewriter) mergeOne(n *Node) *Node {
	switch op := n.Op.(type) {
	case *Filter:
		below, ok := n.in().Op.(*Filter)
		if ok && !r.reg.Fallible(op.Pred) {
			return newFilter(n.in().in(), conjunction(append(conjuncts(below.Pred), conjuncts(op.Pred)...)), op.OnError)
		}
	case *Project:
		if isIdentity(op, n.in()) {
			return n.in()
		}
		below, ok := n.in().Op.(*Project)
		if !ok || !r.mergeable(op, below) {
			return n
		}
		exprs := make([]expr.Expr, len(op.Exprs))
		for i, e := range op.Exprs {
			exprs[i] = substitute(e, below.Exprs)
		}
		return reproject(n.in().in(), exprs, n.Schema, op.OnError)
	case *Union:
		var inputs []*Node
		for _, in := range n.Inputs {
			if _, ok := in.Op.(*Union); ok {
				inputs = append(inputs, in.Inputs...)
			} else {
				inputs = append(inputs, in)
			}
		}
		if len(inputs) > len(n.Inputs) && len(inputs) <= maxUnionInputs {
			return newNode(&Union{}, n.Schema, inputs...)
		}
	}
	return n
}

// maxUnionInputs bounds the flattening of unions: one that is used twice doubles its inputs.
const maxUnionInputs = 256

// isIdentity reports whether a projection gives its input's columns as they are.
func isIdentity(p *Project, in *Node) bool {
	if len(p.Exprs) != len(in.Schema) {
		return false
	}
	for i, e := range p.Exprs {
		if columnOf(e) != i || e.Type() != in.Schema[i].Type {
			return false
		}
	}
	return true
}

// mergeable reports whether no expression of below would be computed twice.
func (r *rewriter) mergeable(above, below *Project) bool {
	uses := make([]int, len(below.Exprs))
	for _, e := range above.Exprs {
		eachColumn(e, func(c *expr.Column) { uses[c.Index]++ })
	}
	for i, e := range below.Exprs {
		switch e.(type) {
		case *expr.Column, *expr.Literal, *expr.Now:
			continue
		}
		if uses[i] > 1 {
			return false
		}
	}
	return true
}
