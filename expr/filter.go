package expr

import (
	"slices"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// CompileFilter makes a program for EvalFilter.
//
// Errors: as Compile; CodeDatatypeMismatch if pred is not boolean.
func CompileFilter(pred Expr) (*Program, error) { return Builtin.CompileFilter(pred) }

// CompileFilter is the function of that name over this registry.
func (r *Registry) CompileFilter(pred Expr) (*Program, error) {
	if pred.Type().Kind != types.Bool {
		return nil, types.Errorf(types.CodeDatatypeMismatch, "a condition must be boolean, this one is %s", pred.Type()).At(pred.Span())
	}
	p := &Program{registry: r, exprs: []Expr{pred}, filter: true, memo: map[string]*node{}}
	conjuncts := []Expr{pred}
	if l, ok := pred.(*Logic); ok && !l.Or {
		conjuncts = l.Args
	}
	var err error
	p.roots, err = p.buildAll(p.byCost(conjuncts))
	return p, err
}

// EvalFilter returns the selected rows of b for which the predicate is true, as a new selection (b.Sel itself if all
// pass, so nil may come back if b.Sel is nil), and the rows for which it fails, which are not in the selection. A conjunct that
// is false or NULL decides a row whatever the others give.
//
// Errors: what concerns no single row.
func (p *Program) EvalFilter(ctx *Context, b *changelog.Batch) (sel []uint32, errs *RowErrors, err error) {
	if b.Rows() == 0 {
		return b.Sel, nil, nil
	}
	p.start(ctx, b)
	cur := &p.root
	for _, n := range p.roots {
		if cur.rows() == 0 {
			break
		}
		rows, failed, all := p.pass(n, cur)
		if p.fatal != nil {
			return nil, nil, p.fatal
		}
		errs = errs.Merge(failed)
		if !all {
			cur = &scope{parent: cur, sel: rows, n: b.N}
		}
	}
	p.end()
	if cur == &p.root {
		sel = b.Sel
	} else {
		sel = append(make([]uint32, 0, len(cur.sel)), cur.sel...)
	}
	if errs.Len() == 0 {
		return sel, nil, nil
	}
	// A failed row went on as if the conjunct were true; it counts if nothing after rejected it.
	kept := func(row uint32) bool {
		if sel == nil {
			return true
		}
		_, in := slices.BinarySearch(sel, row)
		return in
	}
	if errs = errs.filter(kept); errs.Len() == 0 {
		return sel, nil, nil
	}
	passed := make([]uint32, 0, cur.rows())
	for k := range cur.rows() {
		row := uint32(k)
		if sel != nil {
			row = sel[k]
		}
		if errs.At(row) == nil {
			passed = append(passed, row)
		}
	}
	return passed, errs, nil
}

// pass returns the rows of s for which n is true or fails, in temporary memory; all says that these are all rows of s.
func (p *Program) pass(n *node, s *scope) (rows []uint32, errs *RowErrors, all bool) {
	if o, ok := n.op.(*callOp); ok && o.kernel.sel != nil && n.gen != p.gen {
		if rows, ok := p.passCall(n, o, s); ok {
			return rows, nil, len(rows) == s.rows()
		}
	}
	v := n.eval(p, s)
	if v.konst {
		if !v.null(0) && v.bit(0) {
			return nil, nil, true
		}
		return []uint32{}, nil, false
	}
	out := p.room(s.rows())
	k := 0
	switch {
	case s.sel == nil && v.errs.Len() == 0:
		hit := v.buf
		if v.valid != nil {
			hit = combine(v.buf, v.valid, s.n, bitAnd)
		}
		k = len(bitsToRows(hit, s.n, out))
	case v.valid == nil:
		for _, i := range s.sel {
			out[k] = i
			k += int(v.buf[i>>3] >> (i & 7) & 1)
		}
	default:
		for j := range s.rows() {
			i := uint32(j)
			if s.sel != nil {
				i = s.sel[j]
			}
			out[k] = i
			hit := v.buf[i>>3] >> (i & 7) & (v.valid[i>>3] >> (i & 7)) & 1
			if hit == 0 && v.errs.At(i) != nil {
				hit = 1
			}
			k += int(hit)
		}
	}
	return out[:k], v.errs, k == s.rows()
}

// room returns temporary memory for rows row numbers and one more; it is used again by the call after the next.
func (p *Program) room(rows int) []uint32 {
	p.turn ^= 1
	if cap(p.sel[p.turn]) < rows+1 {
		p.sel[p.turn] = make([]uint32, rows+1)
	}
	return p.sel[p.turn][:rows+1]
}

// passCall selects straight from the values of the arguments, if none of those failed and not all are constant.
func (p *Program) passCall(n *node, o *callOp, s *scope) ([]uint32, bool) {
	if done := o.prepare(p, n, s); done != nil {
		return []uint32{}, true // NULL
	}
	c := &o.c
	if c.konst || c.errs.Len() > 0 {
		return nil, false
	}
	rows := c.list()
	size := c.n
	if rows != nil {
		size = len(rows)
	}
	out := p.room(size)
	k := o.kernel.sel(c, rows, out)
	return out[:k], true
}
