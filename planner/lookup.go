package planner

import (
	"slices"
	"strconv"
	"strings"

	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/types"
)

// Lookup says that of a view only the rows are needed that have one of some values in columns by which it can find them. Rows that have
// not may come too.
type Lookup struct {
	By     string            // what finds them, for EXPLAIN: "primary key" or an index's name
	Cols   []int             // columns of the view
	Values [][]*expr.Literal // each of the columns' types, none NULL
}

// maxLookups is the most values that rows are looked up by; with more a view is read whole.
const maxLookups = 4096

// lookups lets views be read by key or index where filters above ask for constants. The filters stay.
//
//	Filter(k = 5 AND p)(ViewScan)  =>  Filter(k = 5 AND p)(ViewScan by primary key (5))
//
// It is for queries that are run once: whoever follows a view's changes needs them all.
func (r *rewriter) lookups(root *Node) *Node {
	return bottomUp(root, func(n *Node) *Node {
		f, ok := n.Op.(*Filter)
		if !ok {
			return n
		}
		scan, ok := n.in().Op.(*ViewScan)
		if !ok || scan.Lookup != nil {
			return n
		}
		l := r.lookup(scan.Object, n.in().Schema, f.Pred)
		if l == nil {
			return n
		}
		by := *scan
		by.Lookup = l
		return n.rebuild(n.in().withOp(&by, n.in().Schema))
	})
}

// lookup finds what a view can find the rows of a condition by; nil if nothing fits.
func (r *rewriter) lookup(id ObjectID, schema types.Schema, pred expr.Expr) *Lookup {
	o := r.cat.Object(id)
	if o == nil || o.Kept() == nil {
		return nil
	}
	wanted := map[int][]*expr.Literal{}
	for _, c := range conjuncts(pred) {
		if col, values, ok := r.constants(c, schema); ok {
			if have, twice := wanted[col]; !twice || len(values) < len(have) {
				wanted[col] = values
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	if key := o.Kept().Op.(*Materialize).Key; key != nil {
		if l := combinations("primary key", key, wanted); l != nil {
			return l
		}
	}
	for _, x := range r.cat.Indexes(id) {
		if l := combinations(x.Name, x.Index.Columns, wanted); l != nil {
			return l
		}
	}
	return nil
}

// combinations are all values of several columns; nil if one of the columns has none, or they are too many.
func combinations(by string, cols []int, wanted map[int][]*expr.Literal) *Lookup {
	l := &Lookup{By: by, Cols: cols, Values: [][]*expr.Literal{nil}}
	for _, c := range cols {
		values, ok := wanted[c]
		if !ok || len(values)*len(l.Values) > maxLookups {
			return nil
		}
		var next [][]*expr.Literal
		for _, row := range l.Values {
			for _, v := range values {
				next = append(next, append(slices.Clone(row), v))
			}
		}
		l.Values = next
	}
	return l
}

// constants returns the column and the values of column = constant, column IN (constants) and several of them joined by OR.
func (r *rewriter) constants(e expr.Expr, schema types.Schema) (col int, values []*expr.Literal, ok bool) {
	switch x := e.(type) {
	case *expr.Call:
		if !strings.HasPrefix(x.Fn, "=(") || len(x.Args) != 2 {
			return 0, nil, false
		}
		for i := range x.Args {
			lit, isLit := x.Args[1-i].(*expr.Literal)
			c := plainColumn(x.Args[i])
			if !isLit || c < 0 {
				continue
			}
			return c, r.stored(nil, lit, schema[c].Type), true
		}
	case *expr.In:
		c := plainColumn(x.X)
		if x.Not || c < 0 {
			return 0, nil, false
		}
		values = []*expr.Literal{}
		for _, v := range x.List {
			lit, isLit := v.(*expr.Literal)
			if !isLit {
				return 0, nil, false
			}
			values = r.stored(values, lit, schema[c].Type)
		}
		return c, values, true
	case *expr.Logic:
		if !x.Or {
			return 0, nil, false
		}
		for i, a := range x.Args {
			c, more, ok := r.constants(a, schema)
			if !ok || i > 0 && c != col {
				return 0, nil, false
			}
			col, values = c, append(values, more...)
		}
		return col, values, len(x.Args) > 0
	}
	return 0, nil, false
}

// plainColumn is the column that an expression is, as it is or widened to a larger type of numbers or text: then equal means equal. Else -1.
func plainColumn(e expr.Expr) int {
	switch x := e.(type) {
	case *expr.Column:
		return x.Index
	case *expr.Call:
		if len(x.Args) != 1 || !strings.HasPrefix(x.Fn, "cast") {
			return -1
		}
		c, ok := x.Args[0].(*expr.Column)
		if !ok {
			return -1
		}
		from, to := c.T, x.T
		switch {
		case from.IsInteger() && (to.IsInteger() || to.Kind == types.Numeric) && width(to.Kind) >= width(from.Kind),
			from.Kind == types.Text && to.Kind == types.Text && to == types.TextType,
			from.Kind == types.Numeric && to == types.NumericType:
			return c.Index
		}
	}
	return -1
}

func width(k types.Kind) int {
	switch k {
	case types.Int2:
		return 2
	case types.Int4:
		return 4
	case types.Int8:
		return 8
	}
	return 16
}

// stored adds a constant in the type that a column is stored as. What the type cannot hold no row is equal to, nor to NULL.
func (r *rewriter) stored(list []*expr.Literal, lit *expr.Literal, t types.Type) []*expr.Literal {
	if list == nil {
		list = []*expr.Literal{}
	}
	if lit.Value == nil {
		return list
	}
	e, err := expr.Cast(&expr.Literal{Base: expr.Base{T: lit.T}, Value: lit.Value}, t, expr.Assignment)
	if err != nil {
		return list
	}
	v, ok := r.reg.Fold(e).(*expr.Literal)
	if !ok || v.Value == nil || types.AppendValue(types.NewBuilder(t), t, v.Value) != nil {
		return list
	}
	return append(list, v)
}

// text prints a lookup.
func (l *Lookup) text(schema types.Schema) string {
	s := " by " + l.By + " (" + strings.Join(columnNames(l.Cols, schema), ", ") + ")"
	switch len(l.Values) {
	case 0:
		return s + ": no values"
	case 1, 2, 3:
		var rows []string
		for _, row := range l.Values {
			var values []string
			for _, v := range row {
				values = append(values, v.String())
			}
			rows = append(rows, strings.Join(values, ", "))
		}
		return s + ": " + strings.Join(rows, "; ")
	}
	return s + ": " + strconv.Itoa(len(l.Values)) + " values"
}
