package planner

import (
	"slices"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/sql"
	"github.com/streamsql/streamsql/types"
)

// temporalJoin binds a join with a table as of a time:
//
//	JOIN t FOR SYSTEM_TIME AS OF PROCTIME()   the rows of t when the left row comes; also now(), or a column AS PROCTIME()
//	JOIN t FOR SYSTEM_TIME AS OF l.ts         the version of t at the left row's event time
//
// The condition is split into keys by temporalKeys.
func (b *binder) temporalJoin(left *fromItem, t *sql.TableName, c *joinClause) (*fromItem, error) {
	if c.kind == sql.RightJoin || c.kind == sql.FullJoin || c.asof {
		return nil, types.NotSupported(t.AsOf.Span(), "FOR SYSTEM_TIME AS OF in a %s", asofName(c)).
			WithHint("it goes with JOIN and LEFT JOIN")
	}
	now := *t
	now.AsOf = nil
	right, err := b.fromTable(&now)
	if err != nil {
		return nil, err
	}
	eb := &exprBinder{binder: b, sc: left.scope(), clause: "FOR SYSTEM_TIME AS OF"}
	at, err := eb.bind(t.AsOf)
	if err != nil {
		return nil, err
	}
	op := &TemporalJoin{Kind: InnerJoin, LeftTime: -1, RightTime: -1, LeftRowWatermark: -1}
	if c.kind == sql.LeftJoin {
		op.Kind = LeftJoin
	}
	_, clock := at.(*expr.Now)
	if col := columnOf(at); !clock && col >= 0 {
		clock = isClock(left.node, col)
		op.LeftTime = col
	}
	switch {
	case clock:
		op.LeftTime = -1
	case op.LeftTime < 0:
		return nil, types.NotSupported(t.AsOf.Span(), "FOR SYSTEM_TIME AS OF an expression").
			WithHint("it takes PROCTIME(), or a column of the left side that holds its event time")
	case !isTime(at.Type()):
		return nil, types.Errorf(types.CodeDatatypeMismatch, "FOR SYSTEM_TIME AS OF needs a timestamp, not %s", at.Type()).At(t.AsOf.Span())
	default:
		if op.RightTime, err = b.versionTime(right, at.Type(), t); err != nil {
			return nil, err
		}
	}
	on, finish, err := b.bindJoin(c, left, right)
	if err != nil {
		return nil, err
	}
	op.On = on
	node := newNode(op, joinSchema(op.Kind, left.node.Schema, right.node.Schema), left.node, right.node)
	if node, err = b.temporalKeys(node, op, right, t); err != nil {
		return nil, err
	}
	return finish(node), nil
}

func asofName(c *joinClause) string {
	if c.asof {
		return "ASOF JOIN"
	}
	return string(c.kind)
}

// versionTime finds the column of a table from which its versions count: that of its watermark.
func (b *binder) versionTime(right *fromItem, want types.Type, t *sql.TableName) (int, error) {
	r := &rewriter{reg: b.reg, cat: b.p.Catalog, set: b.set}
	p := r.props(right.node)
	for _, w := range p.Watermarks {
		if right.node.Schema[w.Col].Type.Base() == want.Base() {
			return w.Col, nil
		}
	}
	e := types.Errorf(types.CodeInvalidDefinition, "FOR SYSTEM_TIME AS OF an event time needs a watermark of type %s on %q", want.Base(), t.Name).At(t.Span())
	if !p.AppendOnly {
		return 0, e.WithHint("no watermark holds for rows that are taken back: join the source whose rows are the versions, with PRIMARY KEY; or use PROCTIME() for the rows as they are")
	}
	return 0, e.WithHint("declare WATERMARK FOR the column from which a row is valid; or use PROCTIME() for the rows as they are")
}

// temporalKeys splits the condition of a temporal join. Over versions the keys are the right side's primary key: other equalities say
// which version is wanted, not which row it is a version of. A conjunct of a lookup that reads the right side only filters it.
func (b *binder) temporalKeys(n *Node, op *TemporalJoin, right *fromItem, t *sql.TableName) (*Node, error) {
	r := &rewriter{reg: b.reg, cat: b.p.Catalog, set: b.set}
	l, rn := n.Inputs[0], n.Inputs[1]
	width := len(l.Schema)
	var pairs []keyPair
	var rest []expr.Expr
	if op.On != nil {
		for _, c := range conjuncts(r.reg.Fold(op.On)) {
			if k, ok := r.equality(c, width); ok && !k.fallible && !k.nullSafe {
				pairs = append(pairs, k)
			} else {
				rest = append(rest, c)
			}
		}
	}
	if op.LeftTime >= 0 {
		p := r.props(rn)
		keys := p.Keys // rows that change: a row of a later time takes the place of the version before
		if p.AppendOnly {
			keys = append([][]int{right.primary}, p.Keys...)
		}
		key, ok := versionKey(pairs, keys)
		if !ok {
			return nil, types.Errorf(types.CodeInvalidDefinition, "FOR SYSTEM_TIME AS OF an event time needs the primary key of %q equal to something in the join's condition", t.Name).At(t.Span()).
				WithHint("declare PRIMARY KEY on %s, and join on all its columns; or use ASOF JOIN for the nearest row", t.Name)
		}
		kept := pairs[:0]
		for _, k := range pairs {
			if slices.Contains(key, columnOf(k.right)) {
				kept = append(kept, k)
			} else {
				rest = append(rest, k.conjunct)
			}
		}
		pairs = kept
	}
	var lx, rx []expr.Expr
	for _, k := range pairs {
		lx, rx = append(lx, k.left), append(rx, k.right)
	}
	wl, lcols := withColumns(l, lx)
	wr, rcols := withColumns(rn, rx)
	c := *op
	c.LeftKeys, c.RightKeys, c.On = lcols, rcols, nil
	to := make([]int, len(n.Schema))
	for i := range to {
		to[i] = i
		if i >= width {
			to[i] += len(wl.Schema) - width
		}
	}
	if on := conjunction(rest); on != nil {
		c.On = remapColumns(on, to)
	}
	join := newNode(&c, joinSchema(op.Kind, wl.Schema, wr.Schema), wl, wr)
	return onlyColumns(join, to, n.Schema), nil
}

// onlyColumns gives the columns cols of n, which are all of it or, in their order, some of it.
func onlyColumns(n *Node, cols []int, like types.Schema) *Node {
	if len(cols) == len(n.Schema) {
		return n
	}
	return columnsOf(n, cols, like)
}

// columnsOf gives the columns cols of n.
func columnsOf(n *Node, cols []int, like types.Schema) *Node {
	exprs := make([]expr.Expr, len(cols))
	for i, c := range cols {
		exprs[i] = column(c, n.Schema[c])
	}
	return reproject(n, exprs, like, DeadLetter)
}

// versionKey returns the first of the keys all of whose columns are compared.
func versionKey(pairs []keyPair, keys [][]int) ([]int, bool) {
	for _, key := range keys {
		all := len(key) > 0
		for _, c := range key {
			all = all && slices.ContainsFunc(pairs, func(k keyPair) bool { return columnOf(k.right) == c })
		}
		if all {
			return key, true
		}
	}
	return nil, false
}

// closeTemporal checks what is known of a temporal join once its inputs are planned, and sets how late its left rows may be.
func (r *rewriter) closeTemporal(n *Node, op *TemporalJoin) (*TemporalJoin, error) {
	l := r.props(n.Inputs[0])
	if !l.AppendOnly {
		return op, types.NotSupported(types.Span{}, "FOR SYSTEM_TIME AS OF for rows that can be taken back").
			WithHint("what it has looked up stays: its left side must only add rows, such as those of a source; use a plain JOIN")
	}
	if op.LeftTime < 0 {
		return op, nil
	}
	lag, ok := l.lag(op.LeftTime)
	if !ok {
		return op, types.Errorf(types.CodeInvalidDefinition, "FOR SYSTEM_TIME AS OF %q: no watermark bounds that column", n.Inputs[0].Schema[op.LeftTime].Name).
			WithHint("use the column of WATERMARK FOR, or PROCTIME() for the rows as they are")
	}
	c := *op
	c.Lateness = max(0, lag) + r.lateness(n.Inputs[0])
	return &c, nil
}

// temporalJoinProps derives the properties of a TemporalJoin, of which each left row comes out with at most one version, or with the rows
// that there are when it comes. With event time a row is held back until the watermark has passed its time; then no more such rows come,
// but those that are late by no more than is allowed. By the clock it comes out in its epoch, and the left watermark goes on as it is.
func (r *rewriter) temporalJoinProps(n *Node, op *TemporalJoin) Props {
	l, rt := n.Inputs[0].Props, n.Inputs[1].Props
	out := Props{RowWatermark: -1, Bounded: l.Bounded && rt.Bounded, AppendOnly: l.AppendOnly, Determines: slices.Clone(l.Determines)}
	if op.LeftTime >= 0 || rt.HasKey(op.RightKeys) {
		out.Keys = l.Keys
	}
	if op.LeftTime < 0 {
		out.Watermarks = slices.Clone(l.Watermarks)
		return out
	}
	if _, ok := l.lag(op.LeftTime); ok {
		out.Watermarks = []ColWatermark{{Col: op.LeftTime, Lag: op.Lateness}}
	}
	return out
}

// judgeTemporal gives a temporal join by event time the hidden column by which its late rows are judged.
func (c *watermarkCarrier) judgeTemporal(n *Node, op *TemporalJoin) *Node {
	if op.LeftTime < 0 {
		return n
	}
	in, col := c.carry(n.Inputs[0])
	if col < 0 {
		return n
	}
	join, to := widenTemporal(n, op, in)
	j := *join.Op.(*TemporalJoin)
	j.LeftRowWatermark = col
	return onlyColumns(join.withOp(&j, join.Schema), to, n.Schema)
}

// carryTemporal carries the partitions' watermarks of left rows through a lookup by the clock.
func (c *watermarkCarrier) carryTemporal(n *Node, op *TemporalJoin) (*Node, int) {
	if op.LeftTime >= 0 {
		return n, -1
	}
	in, col := c.carry(n.Inputs[0])
	if col < 0 {
		return n, -1
	}
	join, to := widenTemporal(n, op, in)
	like := append(slices.Clone(n.Schema), join.Schema[col])
	return columnsOf(join, append(slices.Clone(to), col), like), len(n.Schema)
}

func widenTemporal(n *Node, op *TemporalJoin, l *Node) (*Node, []int) {
	nl, nr := len(n.Inputs[0].Schema), len(n.Inputs[1].Schema)
	both := make([]int, nl+nr)
	right := make([]int, nr)
	for i := range both {
		both[i] = i
		if i >= nl {
			both[i] += len(l.Schema) - nl
			right[i-nl] = i - nl
		}
	}
	return newNode(remapJoin(op, both[:nl:nl], right, both), joinSchema(op.Kind, l.Schema, n.Inputs[1].Schema), l, n.Inputs[1]), both
}

// leftOnly pushes filters on left columns, which each row brings along, below a temporal or ASOF join.
//
//	Filter(p(l))(TemporalJoin(l, r))  =>  TemporalJoin(Filter(p)(l), r)
func (p *filterPusher) leftOnly(n *Node, preds []expr.Expr) *Node {
	width := len(n.Inputs[0].Schema)
	var left, above []expr.Expr
	for _, e := range preds {
		if side(e, width)&onRight == 0 && !readsClock(e) { // rows that leave as time passes are not looked up again
			left = append(left, e)
		} else {
			above = append(above, e)
		}
	}
	l, r := p.push(n.Inputs[0], left), p.push(n.Inputs[1], nil)
	return p.above(n.rebuild(l, r), above)
}
