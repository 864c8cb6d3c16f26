package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// asofJoin binds ASOF JOIN and ASOF LEFT JOIN: equalities, and one inequality between the times of both sides. What the condition says of
// the right side alone chooses the rows that can be nearest; of the left side alone, of an inner join, filters it.
func (b *binder) asofJoin(left, right *fromItem, c *joinClause) (*fromItem, error) {
	if c.kind != sql.InnerJoin && c.kind != sql.LeftJoin {
		return nil, types.NotSupported(c.at, "ASOF %s", c.kind).WithHint("write ASOF JOIN or ASOF LEFT JOIN")
	}
	if c.on == nil {
		return nil, types.NotSupported(c.at, "ASOF JOIN with USING or NATURAL").
			WithHint("write the condition with ON: l.k = r.k AND l.ts >= r.ts")
	}
	on, finish, err := b.bindJoin(c, left, right)
	if err != nil {
		return nil, err
	}
	r := &rewriter{reg: b.reg, cat: b.p.Catalog, set: b.set}
	op := &AsofJoin{Kind: InnerJoin}
	if c.kind == sql.LeftJoin {
		op.Kind = LeftJoin
	}
	l, rn := left.node, right.node
	width := len(l.Schema)
	var lx, rx []expr.Expr
	var lt, rt expr.Expr
	var below [2][]expr.Expr
	for _, e := range conjuncts(on) {
		if k, ok := r.equality(e, width); ok && !k.nullSafe {
			lx, rx = append(lx, k.left), append(rx, k.right)
			continue
		}
		x, y, cmp, ok := r.inequality(e, width)
		switch {
		case ok && lt != nil:
			return nil, types.NotSupported(e.Span(), "a second inequality in the condition of ASOF JOIN").
				WithHint("filter behind the join, with WHERE")
		case ok:
			lt, rt, op.Op = x, y, cmp
		case side(e, width) == onRight:
			below[1] = append(below[1], shiftExpr(e, -width))
		case side(e, width) == onLeft && op.Kind == InnerJoin:
			below[0] = append(below[0], e)
		default:
			return nil, types.NotSupported(e.Span(), "this part of the condition of ASOF JOIN").
				WithHint("it takes equalities between the sides and one inequality: l.k = r.k AND l.ts >= r.ts")
		}
	}
	if lt == nil {
		return nil, types.Errorf(types.CodeInvalidDefinition, "ASOF JOIN needs an inequality between a column of each side in its condition").At(c.at).
			WithHint("such as l.ts >= r.ts: the last row of r that is not after l's")
	}
	if len(below[0]) > 0 {
		l = newFilter(l, conjunction(below[0]), DeadLetter)
	}
	if len(below[1]) > 0 {
		rn = newFilter(rn, conjunction(below[1]), DeadLetter)
	}
	wl, lcols := withColumns(l, append(lx, lt))
	wr, rcols := withColumns(rn, append(rx, rt))
	k := len(lx)
	op.LeftKeys, op.LeftTime = slices.Clone(lcols[:k]), lcols[k]
	op.RightKeys, op.RightTime = slices.Clone(rcols[:k]), rcols[k]
	join := newNode(op, joinSchema(op.Kind, wl.Schema, wr.Schema), wl, wr)
	to := make([]int, width+len(rn.Schema))
	for i := range to {
		to[i] = i
		if i >= width {
			to[i] += len(wl.Schema) - width
		}
	}
	like := append(slices.Clone(l.Schema), rn.Schema...)
	return finish(onlyColumns(join, to, like)), nil
}

// inequality reads a conjunct as a comparison of what the left side gives with what the right one gives, of one type.
func (r *rewriter) inequality(e expr.Expr, width int) (left, right expr.Expr, op string, ok bool) {
	call, isCall := e.(*expr.Call)
	if !isCall || len(call.Args) != 2 || volatile(r.reg, e) || readsClock(e) {
		return nil, nil, "", false
	}
	o := r.reg.Lookup(call.Fn)
	if o == nil {
		return nil, nil, "", false
	}
	turned, found := map[string]string{">=": "<=", ">": "<", "<=": ">=", "<": ">"}[o.Name]
	if !found {
		return nil, nil, "", false
	}
	left, right, op = call.Args[0], call.Args[1], o.Name
	if side(right, width) == onLeft {
		left, right, op = right, left, turned
	}
	if side(left, width) != onLeft || side(right, width) != onRight {
		return nil, nil, "", false
	}
	right = shiftExpr(right, -width)
	if left.Type() != right.Type() {
		if left.Type().Base() != right.Type().Base() {
			return nil, nil, "", false
		}
		var err, err2 error
		left, err = expr.Cast(left, left.Type().Base(), expr.Explicit)
		right, err2 = expr.Cast(right, right.Type().Base(), expr.Explicit)
		if err != nil || err2 != nil || left.Type() != right.Type() {
			return nil, nil, "", false
		}
	}
	return left, right, op, true
}
