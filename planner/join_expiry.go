package planner

import (
	"fmt"
	"math"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// When a join may forget rows.
//
// Let W be the join's input watermark, the minimum of both sides'. Of a column that a side's watermark bounds with lag g, a row that is
// not late brings no value below w - g, where w is its own partition's watermark before it, and w >= W as W never goes back. With an
// allowed lateness a it may be a lower: T = g + a. So with LateRight = (d, T+1) no right row that is still taken has d < W - T.
//
// Say each pair that the join can match has r.d <= l.c + p, by its condition or because d and c are equal keys (p = 0). A left row whose
// c + p < W - T finds no match any more among rows to come, and no right row that it matched changes any more, as changes are rows too. It
// can be forgotten when c <= W - (T + p + 1). It must not be forgotten while it may change itself: unless the left side only adds rows,
// c must be bounded too, with T', and the lag of the expiry is at least T' + 1. The same holds with the sides exchanged.
//
// Lateness is judged by T, not by the expiry: were rows taken until their own expiry, each side would have to wait for the other's.
//
// A right side that ends and has no watermark of its own holds W back until it has ended. After that no left row is needed.

// timeBound says that in each pair that matches the later side's column is at most the other's plus Plus: r.Right <= l.Left + Plus, or
// with LeftLater l.Left <= r.Right + Plus.
type timeBound struct {
	left, right int
	leftLater   bool
	plus        int64 // microseconds
}

// maxShift bounds the distances that are taken for bounds: those beyond are no practical ones, and sums stay far from overflow.
const maxShift = int64(1) << 58

// timeBounds returns what the keys and the condition of a join say of the times of its pairs.
func (r *rewriter) timeBounds(n *Node, op *Join) []timeBound {
	var out []timeBound
	in := n.Inputs[0].Schema
	width := len(in)
	for i, k := range op.LeftKeys {
		if isTime(in[k].Type) {
			out = append(out, timeBound{left: k, right: op.RightKeys[i]}, timeBound{left: k, right: op.RightKeys[i], leftLater: true})
		}
	}
	if op.On == nil {
		return out
	}
	for _, c := range conjuncts(op.On) {
		call, ok := c.(*expr.Call)
		if !ok || len(call.Args) != 2 {
			continue
		}
		o := r.reg.Lookup(call.Fn)
		if o == nil {
			continue
		}
		a, b, ok := r.comparedTimes(call.Args[0], call.Args[1])
		if !ok {
			continue
		}
		switch o.Name {
		case "<":
			out = addBound(out, a, b, 1, width)
		case "<=":
			out = addBound(out, a, b, 0, width)
		case ">":
			out = addBound(out, b, a, 1, width)
		case ">=":
			out = addBound(out, b, a, 0, width)
		case "=":
			out = addBound(addBound(out, a, b, 0, width), b, a, 0, width)
		}
	}
	return out
}

// addBound adds a + strict <= b, if one is of the left and the other of the right side.
func addBound(list []timeBound, a, b timeTerm, strict int64, width int) []timeBound {
	plus := b.shift - a.shift - strict + a.fuzz + b.fuzz
	switch {
	case a.col >= width && b.col < width:
		return append(list, timeBound{left: b.col, right: a.col - width, plus: plus})
	case a.col < width && b.col >= width:
		return append(list, timeBound{left: a.col, right: b.col - width, leftLater: true, plus: plus})
	}
	return list
}

// timeTerm is a column of type timestamp or timestamptz and a distance; the sum is right to within fuzz.
type timeTerm struct {
	col         int
	shift, fuzz int64
}

// comparedTimes reads the two sides of a comparison as times: both may be shifted columns, or the left one the difference of two and the
// right one an interval: a - b < '5 seconds' is a < b + '5 seconds'.
func (r *rewriter) comparedTimes(x, y expr.Expr) (a, b timeTerm, ok bool) {
	if x.Type().Kind == types.Interval {
		if lit, isLit := x.(*expr.Literal); isLit {
			b, a, ok = r.comparedTimes(y, lit)
			return a, b, ok
		}
		call, isCall := x.(*expr.Call)
		lit, isLit := y.(*expr.Literal)
		if !isCall || !isLit || len(call.Args) != 2 {
			return a, b, false
		}
		v, isInterval := lit.Value.(types.IntervalValue)
		if o := r.reg.Lookup(call.Fn); o == nil || o.Name != "-" || !isInterval {
			return a, b, false
		}
		var okA, okB bool
		a, okA = r.timeTerm(call.Args[0])
		b, okB = r.timeTerm(call.Args[1])
		b.shift += (int64(v.Months)*30+int64(v.Days))*dayMicros + v.Micros // as intervals compare
		return a, b, okA && okB && within(b.shift)
	}
	a, okA := r.timeTerm(x)
	b, okB := r.timeTerm(y)
	return a, b, okA && okB
}

func (r *rewriter) timeTerm(e expr.Expr) (timeTerm, bool) {
	if !isTime(e.Type()) {
		return timeTerm{}, false
	}
	switch x := e.(type) {
	case *expr.Column:
		return timeTerm{col: x.Index}, true
	case *expr.Call:
		o := r.reg.Lookup(x.Fn)
		if o == nil || len(x.Args) != 2 || o.Name != "+" && o.Name != "-" {
			return timeTerm{}, false
		}
		at, by := x.Args[0], x.Args[1]
		if o.Name == "+" && at.Type().Kind == types.Interval {
			at, by = by, at
		}
		lit, ok := by.(*expr.Literal)
		if !ok {
			return timeTerm{}, false
		}
		v, ok := lit.Value.(types.IntervalValue)
		if !ok || v.Months != 0 {
			return timeTerm{}, false
		}
		t, ok := r.timeTerm(at)
		us := int64(v.Days)*dayMicros + v.Micros
		if o.Name == "-" {
			us = -us
		}
		t.shift += us
		if v.Days != 0 && e.Type().Kind == types.TimestampTZ { // a day there may have a clock change
			t.fuzz += dayMicros
		}
		return t, ok && within(t.shift)
	}
	return timeTerm{}, false
}

func within(us int64) bool { return us > -maxShift && us < maxShift }

func isTime(t types.Type) bool { return t.Kind == types.Timestamp || t.Kind == types.TimestampTZ }

// timeliness is how far below the watermark rows of a join's input may come.
type timeliness struct {
	props    Props
	lateness int64 // allowed
	late     bool  // rows can be late: they come from a source
}

func (r *rewriter) timeliness(n *Node) timeliness {
	return timeliness{props: n.Props, lateness: r.lateness(n), late: r.canBeLate(n)}
}

// lag returns T of a column: no row that is taken has a value below W - T.
func (t timeliness) lag(col int) (int64, bool) {
	lag, ok := t.props.lag(col)
	if !ok || !within(lag) || !within(t.lateness) {
		return 0, false
	}
	return lag + t.lateness, true
}

// expireJoin sets when the rows of a join are forgotten. Properties of the inputs are derived here.
func (r *rewriter) expireJoin(n *Node, op *Join) *Node {
	n = r.withProps(n)
	c := *op
	c.LeftExpiry, c.RightExpiry, c.LeftLate, c.RightLate = nil, nil, nil, nil
	l, rt := r.timeliness(n.Inputs[0]), r.timeliness(n.Inputs[1])
	for _, b := range r.timeBounds(n, op) {
		if b.leftLater {
			considerExpiry(&c.RightExpiry, &c.LeftLate, b.right, rt, b.left, l, b.plus)
		} else {
			considerExpiry(&c.LeftExpiry, &c.RightLate, b.left, l, b.right, rt, b.plus)
		}
	}
	if c.LeftExpiry == nil && r.endsSilently(n.Inputs[1]) {
		c.LeftExpiry = ownExpiry(l)
	}
	if c.RightExpiry == nil && r.endsSilently(n.Inputs[0]) {
		c.RightExpiry = ownExpiry(rt)
	}
	return n.withOp(&c, n.Schema)
}

// considerExpiry takes a bound: rows of one side, whose column col is at least the other side's column minus plus, are forgotten behind the
// other side's watermark. It replaces an expiry that is later.
func considerExpiry(expiry, late **Expiry, col int, own timeliness, otherCol int, other timeliness, plus int64) {
	t, ok := other.lag(otherCol)
	if !ok || !within(plus) {
		return
	}
	lag := t + plus + 1
	if ownLag, bounded := own.lag(col); bounded {
		if !own.props.AppendOnly {
			lag = max(lag, ownLag+1)
		}
	} else if !own.props.AppendOnly {
		return
	}
	if *expiry != nil && (*expiry).Lag <= lag {
		return
	}
	*expiry = &Expiry{Col: col, Lag: lag}
	*late = nil
	if other.late {
		*late = &Expiry{Col: otherCol, Lag: t + 1}
	}
}

// endsSilently reports whether an input ends and holds the watermark back until it has.
func (r *rewriter) endsSilently(n *Node) bool { return r.ends(n) && !hasWatermark(n, r.cat) }

// ends reports whether all sources of a plan end by themselves.
func (r *rewriter) ends(n *Node) bool {
	all := true
	n.each(func(n *Node) {
		if len(n.Inputs) == 0 {
			all = all && r.derive(n).Bounded
		}
	})
	return all
}

// canBeLate reports whether rows of a plan come from a source that declares event time, and were not judged yet.
func (r *rewriter) canBeLate(n *Node) bool {
	_, col := (&watermarkCarrier{r: r, done: map[*Node]carried{}}).carry(n)
	return col >= 0
}

// constantRows reports whether an input reads nothing but constants, which come at once.
func constantRows(n *Node) bool {
	only := true
	n.each(func(n *Node) {
		if _, isValues := n.Op.(*Values); len(n.Inputs) == 0 && !isValues {
			only = false
		}
	})
	return only
}

// ownExpiry forgets the rows of a side once its own watermark has passed them.
func ownExpiry(own timeliness) *Expiry {
	var best *Expiry
	for _, w := range own.props.Watermarks {
		if t, ok := own.lag(w.Col); ok && (best == nil || t+1 < best.Lag) {
			best = &Expiry{Col: w.Col, Lag: t + 1}
		}
	}
	return best
}

// joinWatermarks returns which columns of a join's output its watermark bounds. Rows of the output are made of new rows and of those that
// are kept: of a side's column that its expiry is by, no row is left at or below W - Lag, and no new one comes below W - T. What equals
// such a column in all rows is bounded alike.
//
// Where the right side ends silently, all output after that is made of new left rows.
func (r *rewriter) joinWatermarks(n *Node, op *Join) []ColWatermark {
	width := len(n.Inputs[0].Schema)
	if r.static(n, op) {
		return n.Inputs[0].Props.Watermarks
	}
	var out []ColWatermark
	side := func(x, late *Expiry, t timeliness, shift int) {
		if x == nil || t.late && (late == nil || late.Col != x.Col) {
			return
		}
		if own, ok := t.lag(x.Col); ok {
			out = append(out, ColWatermark{Col: x.Col + shift, Lag: max(own, x.Lag-1)})
		}
	}
	side(op.LeftExpiry, op.LeftLate, r.timeliness(n.Inputs[0]), 0)
	if op.Kind.leftOnly() {
		return out
	}
	side(op.RightExpiry, op.RightLate, r.timeliness(n.Inputs[1]), width)
	for i, k := range op.LeftKeys { // of outer joins the right column is NULL or equal
		to := width + op.RightKeys[i]
		if op.Kind == InnerJoin {
			out = sameBound(out, to, k)
		}
		if op.Kind == InnerJoin || op.Kind == LeftJoin {
			out = sameBound(out, k, to)
		}
	}
	return out
}

// sameBound gives column to the bound of column from, if it has a higher one or none.
func sameBound(list []ColWatermark, from, to int) []ColWatermark {
	lag, at := int64(math.MaxInt64), -1
	for i, w := range list {
		switch w.Col {
		case from:
			lag = w.Lag
		case to:
			at = i
		}
	}
	switch {
	case lag == math.MaxInt64:
	case at < 0:
		list = append(list, ColWatermark{Col: to, Lag: lag})
	case list[at].Lag > lag:
		list[at].Lag = lag
	}
	return list
}

// static reports whether a join looks its left rows up in a right side that ends, so that it is linear from then on: its left rows may be
// late, and carry their partitions' watermarks through.
func (r *rewriter) static(n *Node, op *Join) bool {
	return op.Kind != FullJoin && op.RightExpiry == nil && r.endsSilently(n.Inputs[1])
}

// joinGrows says why a join's own state grows for ever, and what would bound it. Rows of a side that changes are kept elsewhere too, and
// counted there.
func (r *rewriter) joinGrows(n *Node, op *Join) (why, hint string) {
	l, rt := n.Inputs[0], n.Inputs[1]
	grows := func(in *Node, x *Expiry) bool { return in.Props.AppendOnly && !in.Props.Bounded && x == nil }
	left, right := grows(l, op.LeftExpiry), grows(rt, op.RightExpiry)
	if left && constantRows(rt) { // nothing comes any more for what is kept
		left = false
	}
	if right && constantRows(l) {
		right = false
	}
	switch {
	case left && right:
		why = "it keeps every row of both sides for ever"
	case left:
		why = "it keeps every row of its left side for ever"
	case right:
		why = "it keeps every row of its right side for ever"
	default:
		return "", ""
	}
	switch lw, rw := firstTime(l), firstTime(rt); {
	case lw != "" && rw != "":
		if lw == rw {
			lw, rw = "left."+lw, "right."+rw
		}
		hint = fmt.Sprintf("bound the time between the rows, as in %s BETWEEN %s - INTERVAL '1 hour' AND %s + INTERVAL '1 hour'", lw, rw, rw)
	case !rt.Props.AppendOnly && left:
		hint = "to look the right side up as it is when a left row comes, join it FOR SYSTEM_TIME AS OF PROCTIME()"
	case !l.Props.AppendOnly && right:
		hint = "exchange the sides, and join the changing one FOR SYSTEM_TIME AS OF PROCTIME() to look it up as it is when a row comes"
	default:
		hint = "declare WATERMARK FOR on both sources, and bound the time between the rows in the join's condition"
	}
	return why, hint
}

// firstTime returns the name of a column that the watermark bounds, or of the event time of a source below; "" if there is none.
func firstTime(n *Node) string {
	for _, w := range n.Props.Watermarks {
		if isTime(n.Schema[w.Col].Type) {
			return columnText(w.Col, n.Schema)
		}
	}
	name := ""
	n.each(func(n *Node) {
		if w, ok := n.Op.(*Watermark); ok && name == "" {
			name = n.in().Schema[w.Time].Name
		}
	})
	return name
}

// carryJoin carries the partitions' watermarks of the left rows through a static join.
func (c *watermarkCarrier) carryJoin(n *Node, op *Join) (*Node, int) {
	if !c.r.static(n, op) {
		return n, -1
	}
	in, col := c.carry(n.Inputs[0])
	if col < 0 {
		return n, -1
	}
	join, to := widenJoin(n, op, in, n.Inputs[1])
	exprs := make([]expr.Expr, 0, len(n.Schema)+1)
	for i := range n.Schema {
		exprs = append(exprs, column(to[i], join.Schema[to[i]]))
	}
	exprs = append(exprs, column(col, join.Schema[col]))
	return reproject(join, exprs, append(n.Schema[:len(n.Schema):len(n.Schema)], join.Schema[col]), DeadLetter), len(n.Schema)
}

// widenJoin puts a join on inputs with further columns behind their own, and says where its output's columns are.
func widenJoin(n *Node, op *Join, l, r *Node) (*Node, []int) {
	nl, nr := len(n.Inputs[0].Schema), len(n.Inputs[1].Schema)
	both := make([]int, nl+nr)
	left, right := both[:nl:nl], make([]int, nr)
	for i := range both {
		both[i] = i
		if i >= nl {
			both[i] += len(l.Schema) - nl
			right[i-nl] = i - nl
		}
	}
	return newNode(remapJoin(op, left, right, both), joinSchema(op.Kind, l.Schema, r.Schema), l, r), both
}

// judgeJoin gives a join the hidden columns by which its late rows are judged.
func (c *watermarkCarrier) judgeJoin(n *Node, op *Join) *Node {
	l, r := n.Inputs[0], n.Inputs[1]
	lcol, rcol := -1, -1
	if op.LeftLate != nil {
		l, lcol = c.carry(l)
	}
	if op.RightLate != nil {
		r, rcol = c.carry(r)
	}
	if lcol < 0 && rcol < 0 {
		return n
	}
	join, to := widenJoin(n, op, l, r)
	j := *join.Op.(*Join)
	j.LeftRowWatermark, j.RightRowWatermark = lcol, rcol
	join = join.withOp(&j, join.Schema)
	exprs := make([]expr.Expr, len(n.Schema))
	for i := range exprs {
		exprs[i] = column(to[i], join.Schema[to[i]])
	}
	return reproject(join, exprs, n.Schema, DeadLetter)
}

// waits reports whether a join has rows without a match to hold back until they can find none.
func (j *Join) waits() bool { return j.Kind == LeftJoin || j.Kind == FullJoin || j.Kind == AntiJoin }

// final marks an outer or anti join for final rows only.
func (j *Join) final() *Join {
	c := *j
	c.Final = j.waits()
	return &c
}

// expires reports whether all rows that wait for a match are forgotten one day.
func (j *Join) expires() bool {
	return j.LeftExpiry != nil && (j.Kind != FullJoin || j.RightExpiry != nil)
}

// What is wrong with a join that shall be final and never is.
const (
	openJoinText = "a row of an outer join without a match may find one at any later time"
	openJoinHint = "bound the time between the rows in the join's condition, over the event times of both sides, or use EMIT CHANGES"
)

// openJoin says what is wrong with a join of a plan that shall be final and never is; "" if there is none.
func openJoin(root *Node) string {
	text := ""
	root.each(func(n *Node) {
		if j, ok := n.Op.(*Join); ok && j.Final && j.waits() && !j.expires() {
			text = openJoinText
		}
	})
	return text
}
