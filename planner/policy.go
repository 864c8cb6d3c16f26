package planner

// applyPolicies gives every operator the policy for rows that fail or are late: what the session or the view says, else what the
// sources below say; a snapshot fails, as in PostgreSQL. Where sources differ, the more careful policy holds: fail, then dead_letter, then skip.
func (r *rewriter) applyPolicies(root *Node) *Node {
	type pair struct{ onError, onLate Policy }
	below := map[*Node]pair{}
	stricter := func(a, b Policy) Policy {
		rank := func(p Policy) int { return [...]int{DeadLetter: 1, Fail: 2, Skip: 0}[p] }
		if rank(a) > rank(b) {
			return a
		}
		return b
	}
	return bottomUp(root, func(n *Node) *Node {
		p := pair{}
		for i, in := range n.Inputs {
			q := below[in]
			if i == 0 {
				p = q
				continue
			}
			p = pair{stricter(p.onError, q.onError), stricter(p.onLate, q.onLate)}
		}
		if len(n.Inputs) == 0 && r.snapshot {
			p.onError = Fail
		}
		if s, ok := n.Op.(*Scan); ok {
			if o := r.cat.Object(s.Object); o != nil && o.Source != nil {
				p = pair{o.Source.OnError, o.Source.OnLate}
			}
			if r.set.OnLate != nil {
				p.onLate = *r.set.OnLate
			}
		}
		if len(n.Inputs) == 0 && r.set.OnError != nil {
			p.onError = *r.set.OnError
		}
		out := n
		set := func(op Op) { out = n.withOp(op, n.Schema) }
		switch op := n.Op.(type) {
		case *Scan:
			c := *op
			c.OnError = p.onError
			set(&c)
		case *Filter:
			c := *op
			c.OnError = p.onError
			set(&c)
		case *Project:
			c := *op
			c.OnError = p.onError
			set(&c)
		case *Watermark:
			c := *op
			c.OnLate = p.onLate
			set(&c)
		case *Aggregate:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		case *WindowAggregate:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		case *SessionExpand:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		case *Over:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		case *TopN:
			c := *op
			c.OnLate = p.onLate
			set(&c)
		case *TableFunc:
			c := *op
			c.OnError = p.onError
			set(&c)
		case *Join:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		case *TemporalJoin:
			c := *op
			c.OnError, c.OnLate = p.onError, p.onLate
			set(&c)
		}
		below[out] = p
		return out
	})
}
