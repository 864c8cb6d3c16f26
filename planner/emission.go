package planner

import (
	"github.com/streamsql/streamsql/sql"
)

// emission reads an EMIT clause; nil is EMIT CHANGES.
func (b *binder) emission(e *sql.Emit) (emission, error) {
	if e == nil {
		return emission{}, nil
	}
	em := emission{span: e.Span()}
	switch e.Mode {
	case sql.EmitOnWindowClose:
		em.onClose = true
	case sql.EmitEvery:
		us, err := b.constantInterval(e.Every, "the interval of EMIT EVERY", false)
		if err != nil {
			return em, err
		}
		em.every = us
	}
	return em, nil
}

// dropDistinct removes what removes duplicates where there are none.
//
//	Distinct(x)  =>  x    if x has a unique key
func (r *rewriter) dropDistinct(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		op, ok := n.Op.(*Aggregate)
		if !ok || len(op.Aggs) > 0 || len(op.Keys) != len(n.in().Schema) {
			return n
		}
		in := r.props(n.in())
		if !in.HasKey(op.Keys) || len(in.Keys) == 0 {
			return n
		}
		exprs := columnExprs(n.in().Schema)
		for i, k := range op.Keys {
			exprs[i] = column(k, n.in().Schema[k])
		}
		return reproject(n.in(), exprs[:len(op.Keys)], n.Schema, DeadLetter)
	})
}
