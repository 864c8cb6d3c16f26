package planner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// String returns the kind as EXPLAIN prints it.
func (k JoinKind) String() string { return [...]string{"inner", "left", "full", "semi", "anti"}[k] }

// leftOnly reports whether the output has the columns of the left side only.
func (k JoinKind) leftOnly() bool { return k == SemiJoin || k == AntiJoin }

// both returns the columns that conditions over pairs of rows read: those of the left input, then those of the right one.
func (n *Node) both() types.Schema {
	return append(slices.Clone(n.Inputs[0].Schema), n.Inputs[1].Schema...)
}

// joinText prints a Join.
func joinText(n *Node, op *Join) string {
	l, r := n.Inputs[0].Schema, n.Inputs[1].Schema
	name := map[JoinKind]string{InnerJoin: "Join", LeftJoin: "LeftJoin", FullJoin: "FullJoin", SemiJoin: "SemiJoin", AntiJoin: "AntiJoin"}[op.Kind]
	s := name + keysText(op.LeftKeys, op.RightKeys, op.NullSafe, l, r)
	if len(op.LeftKeys) == 0 && op.On == nil {
		s += " all pairs"
	}
	if op.On != nil {
		if len(op.LeftKeys) > 0 {
			s += " and"
		} else {
			s += " all pairs where"
		}
		s += " " + sidedText(op.On, l, r)
	}
	if op.LeftExpiry != nil {
		s += ", left until " + expiryText(*op.LeftExpiry, l)
	}
	if op.RightExpiry != nil {
		s += ", right until " + expiryText(*op.RightExpiry, r)
	}
	if op.Final {
		s += ", final"
	}
	return s
}

// expiryText prints how long rows are kept: until the watermark has passed this.
func expiryText(e Expiry, s types.Schema) string {
	text := columnText(e.Col, s)
	switch {
	case e.Lag > 0:
		text += " + " + formatMicros(e.Lag)
	case e.Lag < 0:
		text += " - " + formatMicros(-e.Lag)
	}
	return text
}

// keysText prints the keys of a join; a name that both sides have is qualified.
func keysText(left, right []int, nullSafe []bool, l, r types.Schema) string {
	if len(left) == 0 {
		return ""
	}
	parts := make([]string, len(left))
	for i := range left {
		op := " = "
		if nullSafe != nil && nullSafe[i] {
			op = " IS NOT DISTINCT FROM "
		}
		parts[i] = sideName(left[i], l, r, "left") + op + sideName(right[i], r, l, "right")
	}
	return " on " + strings.Join(parts, ", ")
}

// sideName names a column of one side of a join.
func sideName(c int, own, other types.Schema, side string) string {
	name := columnText(c, own)
	if own[c].Name == "" || other.Index(own[c].Name) >= 0 {
		return side + "." + name
	}
	return name
}

// sidedText prints an expression over the columns of both sides.
func sidedText(e expr.Expr, l, r types.Schema) string {
	return mapExpr(e, func(x expr.Expr) (expr.Expr, bool) {
		c, ok := x.(*expr.Column)
		switch {
		case !ok || c.Index >= len(l)+len(r):
			return nil, false
		case c.Index < len(l):
			return named{c, sideName(c.Index, l, r, "left")}, true
		}
		return named{c, sideName(c.Index-len(l), r, l, "right")}, true
	}).String()
}

func temporalJoinText(n *Node, op *TemporalJoin) string {
	l, r := n.Inputs[0].Schema, n.Inputs[1].Schema
	s := "TemporalJoin"
	if op.Kind == LeftJoin {
		s = "LeftTemporalJoin"
	}
	s += keysText(op.LeftKeys, op.RightKeys, nil, l, r)
	if op.On != nil {
		s += " and " + sidedText(op.On, l, r)
	}
	if op.LeftTime < 0 {
		return s + " as of now"
	}
	return s + " as of " + sideName(op.LeftTime, l, r, "left") + ", versions from " + sideName(op.RightTime, r, l, "right") + latenessText(op.Lateness)
}

func asofJoinText(n *Node, op *AsofJoin) string {
	l, r := n.Inputs[0].Schema, n.Inputs[1].Schema
	s := "AsofJoin"
	if op.Kind == LeftJoin {
		s = "LeftAsofJoin"
	}
	s += keysText(op.LeftKeys, op.RightKeys, nil, l, r)
	return s + " nearest " + sideName(op.LeftTime, l, r, "left") + " " + op.Op + " " + sideName(op.RightTime, r, l, "right")
}

// joinDistribution says how the rows of a join's inputs are spread.
func joinDistribution(n *Node, left, right []int) string {
	if len(left) == 0 {
		return "single"
	}
	l, r := n.Inputs[0].Schema, n.Inputs[1].Schema
	return "hash(" + strings.Join(columnNames(left, l), ", ") + "), hash(" + strings.Join(columnNames(right, r), ", ") + ")"
}

func canonicalJoin(op *Join) string {
	return fmt.Sprintf("join %d keys %v %v nullsafe %v on %s onerror %d expiry %s %s late %s %s final %t rowwm %d %d onlate %d",
		op.Kind, op.LeftKeys, op.RightKeys, op.NullSafe, canonicalOptional(op.On), op.OnError, canonicalExpiry(op.LeftExpiry), canonicalExpiry(op.RightExpiry),
		canonicalExpiry(op.LeftLate), canonicalExpiry(op.RightLate), op.Final, op.LeftRowWatermark, op.RightRowWatermark, op.OnLate)
}

func canonicalTemporalJoin(op *TemporalJoin) string {
	return fmt.Sprintf("temporaljoin %d keys %v %v on %s onerror %d time %d %d lateness %d rowwm %d onlate %d",
		op.Kind, op.LeftKeys, op.RightKeys, canonicalOptional(op.On), op.OnError, op.LeftTime, op.RightTime, op.Lateness, op.LeftRowWatermark, op.OnLate)
}

func canonicalAsofJoin(op *AsofJoin) string {
	return fmt.Sprintf("asofjoin %d keys %v %v time %d %s %d", op.Kind, op.LeftKeys, op.RightKeys, op.LeftTime, op.Op, op.RightTime)
}

func canonicalOptional(e expr.Expr) string {
	if e == nil {
		return "[]"
	}
	return "[" + exprKey(e) + "]"
}

func canonicalExpiry(e *Expiry) string {
	if e == nil {
		return "-"
	}
	return fmt.Sprintf("%d:%d", e.Col, e.Lag)
}

// validateJoin checks a join of any kind: keys of equal types, columns that exist, the output's columns.
func validateJoin(n *Node) error {
	if len(n.Inputs) != 2 {
		return fmt.Errorf("%d inputs, wanted 2", len(n.Inputs))
	}
	l, r := n.Inputs[0].Schema, n.Inputs[1].Schema
	var on expr.Expr
	var left, right []int
	var kind JoinKind
	inLeft, inRight := []int{}, []int{}
	optional := func(cols []int, c int) []int {
		if c == -1 {
			return cols
		}
		return append(cols, c)
	}
	expiry := func(cols []int, e *Expiry) []int {
		if e == nil {
			return cols
		}
		return append(cols, e.Col)
	}
	switch op := n.Op.(type) {
	case *Join:
		on, left, right, kind = op.On, op.LeftKeys, op.RightKeys, op.Kind
		inLeft = optional(expiry(expiry(inLeft, op.LeftExpiry), op.LeftLate), op.LeftRowWatermark)
		inRight = optional(expiry(expiry(inRight, op.RightExpiry), op.RightLate), op.RightRowWatermark)
		if op.NullSafe != nil && len(op.NullSafe) != len(left) {
			return fmt.Errorf("%d NULL-safe marks for %d keys", len(op.NullSafe), len(left))
		}
	case *TemporalJoin:
		on, left, right, kind = op.On, op.LeftKeys, op.RightKeys, op.Kind
		inLeft, inRight = optional(optional(inLeft, op.LeftTime), op.LeftRowWatermark), optional(inRight, op.RightTime)
	case *AsofJoin:
		left, right, kind = op.LeftKeys, op.RightKeys, op.Kind
		inLeft, inRight = append(inLeft, op.LeftTime), append(inRight, op.RightTime)
	}
	if len(left) != len(right) {
		return fmt.Errorf("%d keys on the left, %d on the right", len(left), len(right))
	}
	for _, c := range append(inLeft, left...) {
		if c < 0 || c >= len(l) {
			return fmt.Errorf("column %d of %d on the left", c, len(l))
		}
	}
	for _, c := range append(inRight, right...) {
		if c < 0 || c >= len(r) {
			return fmt.Errorf("column %d of %d on the right", c, len(r))
		}
	}
	for i := range left {
		if l[left[i]].Type != r[right[i]].Type {
			return fmt.Errorf("key %d is %s on the left and %s on the right", i, l[left[i]].Type, r[right[i]].Type)
		}
	}
	if on != nil {
		both := n.both()
		if on.Type().Kind != types.Bool {
			return fmt.Errorf("the condition is %s", on.Type())
		}
		var err error
		eachColumn(on, func(c *expr.Column) {
			switch {
			case err != nil:
			case c.Index < 0 || c.Index >= len(both):
				err = fmt.Errorf("%s reads column %d of %d", on, c.Index, len(both))
			case c.T.Base() != both[c.Index].Type.Base():
				err = fmt.Errorf("%s takes column %d for %s, it is %s", on, c.Index, c.T, both[c.Index].Type)
			}
		})
		if err != nil {
			return err
		}
	}
	want := joinSchema(kind, l, r)
	if len(n.Schema) != len(want) {
		return fmt.Errorf("%d columns, wanted %d", len(n.Schema), len(want))
	}
	for i, f := range want {
		if n.Schema[i].Type != f.Type {
			return fmt.Errorf("column %d is %s, wanted %s", i, n.Schema[i].Type, f.Type)
		}
	}
	return nil
}

// joinNeeds returns the columns of input i of a join that it reads to give the columns in need.
func joinNeeds(n *Node, i int, need []bool) []bool {
	nl := len(n.Inputs[0].Schema)
	all := make([]bool, nl+len(n.Inputs[1].Schema))
	copy(all, need)
	left := func(cols ...int) {
		for _, c := range cols {
			if c >= 0 {
				all[c] = true
			}
		}
	}
	right := func(cols ...int) {
		for _, c := range cols {
			if c >= 0 {
				all[nl+c] = true
			}
		}
	}
	expiry := func(mark func(...int), e *Expiry) {
		if e != nil {
			mark(e.Col)
		}
	}
	var on expr.Expr
	switch op := n.Op.(type) {
	case *Join:
		left(op.LeftKeys...)
		left(op.LeftRowWatermark)
		right(op.RightKeys...)
		right(op.RightRowWatermark)
		expiry(left, op.LeftExpiry)
		expiry(left, op.LeftLate)
		expiry(right, op.RightExpiry)
		expiry(right, op.RightLate)
		on = op.On
	case *TemporalJoin:
		left(op.LeftKeys...)
		left(op.LeftTime, op.LeftRowWatermark)
		right(op.RightKeys...)
		right(op.RightTime)
		on = op.On
	case *AsofJoin:
		left(op.LeftKeys...)
		left(op.LeftTime)
		right(op.RightKeys...)
		right(op.RightTime)
	}
	if on != nil {
		eachColumn(on, func(c *expr.Column) { all[c.Index] = true })
	}
	if i == 0 {
		return all[:nl]
	}
	return all[nl:]
}

// pruneJoin puts a join on inputs that have only the columns it needs.
func (c *columnPruner) pruneJoin(n *Node, need []bool) *pruned {
	nl := len(n.Inputs[0].Schema)
	l, lto := c.exact(n.Inputs[0], joinNeeds(n, 0, need))
	r, rto := c.exact(n.Inputs[1], joinNeeds(n, 1, need))
	to := slices.Clone(lto)
	for _, x := range rto {
		if x >= 0 {
			x += len(l.Schema)
		}
		to = append(to, x)
	}
	var schema types.Schema
	var kind JoinKind
	switch op := n.Op.(type) {
	case *Join:
		kind = op.Kind
	case *TemporalJoin:
		kind = op.Kind
	case *AsofJoin:
		kind = op.Kind
	}
	schema = joinSchema(kind, l.Schema, r.Schema)
	if kind.leftOnly() {
		return &pruned{newNode(remapJoin(n.Op, lto, rto, to), schema, l, r), to[:nl]}
	}
	return &pruned{newNode(remapJoin(n.Op, lto, rto, to), schema, l, r), to}
}

// remapJoin returns the join over inputs whose columns moved: left and right are of the inputs, both of the pairs.
func remapJoin(op Op, left, right, both []int) Op {
	one := func(c int, to []int) int {
		if c < 0 {
			return c
		}
		return to[c]
	}
	expiry := func(e *Expiry, to []int) *Expiry {
		if e == nil {
			return nil
		}
		return &Expiry{Col: to[e.Col], Lag: e.Lag}
	}
	condition := func(e expr.Expr) expr.Expr {
		if e == nil {
			return nil
		}
		return remapColumns(e, both)
	}
	switch op := op.(type) {
	case *Join:
		c := *op
		c.LeftKeys, c.RightKeys = remapList(op.LeftKeys, left), remapList(op.RightKeys, right)
		c.LeftExpiry, c.RightExpiry = expiry(op.LeftExpiry, left), expiry(op.RightExpiry, right)
		c.LeftLate, c.RightLate = expiry(op.LeftLate, left), expiry(op.RightLate, right)
		c.LeftRowWatermark, c.RightRowWatermark = one(op.LeftRowWatermark, left), one(op.RightRowWatermark, right)
		c.On = condition(op.On)
		return &c
	case *TemporalJoin:
		c := *op
		c.LeftKeys, c.RightKeys = remapList(op.LeftKeys, left), remapList(op.RightKeys, right)
		c.LeftTime, c.RightTime = one(op.LeftTime, left), one(op.RightTime, right)
		c.LeftRowWatermark = one(op.LeftRowWatermark, left)
		c.On = condition(op.On)
		return &c
	case *AsofJoin:
		c := *op
		c.LeftKeys, c.RightKeys = remapList(op.LeftKeys, left), remapList(op.RightKeys, right)
		c.LeftTime, c.RightTime = left[op.LeftTime], right[op.RightTime]
		return &c
	}
	return op
}
