package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/streamsql/streamsql/types"
)

// Scalar is a scalar function written in Go. Exactly one of Columns and Row is set.
//
// Functions are called from several goroutines at once. Unless Volatile is set, equal arguments must give equal results:
// what an incremental view put out is taken back by computing it again.
type Scalar struct {
	Name     string       // a lower-case identifier
	Args     []types.Type // without modifiers; types.UnknownType accepts any type
	Variadic bool         // the last of Args may occur once or more
	Result   types.Type   // without modifiers
	// CalledOnNull: NULL arguments are passed. Otherwise a NULL argument gives NULL without a call.
	CalledOnNull bool
	Volatile     bool // results may differ for equal arguments; never folded or shared
	Doc          string
	Example      string // an SQL expression
	Answer       string // the text form of its value

	// Columns computes n rows at once. args hold n values each, in the storage of their types; the result must hold n values in
	// the storage of Result. Rows that are not wanted hold anything. A *RowErrors as the error fails single rows; any other error
	// stops the query.
	Columns func(ctx *Context, args []arrow.Array, n int) (arrow.Array, error)
	// Row computes one row. Arguments and result are Go values as in Literal.Value, nil is NULL. An error fails the row; a
	// *types.Error keeps its code.
	Row func(args []any) (any, error)
}

var scalarName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// With returns a registry that knows fns too. Two functions of one name may differ in their arguments.
//
// Errors: CodeInvalidDefinition; 42723 where a function of that name and arguments exists, built in or not.
func (r *Registry) With(fns ...*Scalar) (*Registry, error) {
	list := slices.Clone(r.list)
	known := map[string]bool{}
	for _, o := range list {
		known[o.ID] = true
	}
	for _, f := range fns {
		o, err := f.overload()
		if err != nil {
			return nil, err
		}
		if known[o.ID] || slices.Contains(specialNames, f.Name) || r.IsAggregate(f.Name) {
			return nil, types.Errorf("42723", "function %s already exists", o.ID)
		}
		known[o.ID] = true
		list = append(list, o)
	}
	return newRegistry(list, r.aggs), nil
}

func (f *Scalar) overload() (*Overload, error) {
	bad := func(format string, args ...any) error {
		return types.Errorf(types.CodeInvalidDefinition, "function %q: %s", f.Name, fmt.Sprintf(format, args...))
	}
	switch {
	case !scalarName.MatchString(f.Name):
		return nil, bad("the name must be a lower-case identifier")
	case (f.Columns == nil) == (f.Row == nil):
		return nil, bad("exactly one of Columns and Row must be set")
	case f.Variadic && len(f.Args) == 0:
		return nil, bad("a variadic function needs an argument")
	case f.Result.Kind == types.Unknown || f.Result.Kind == types.Record:
		return nil, bad("the result cannot be of type %s", f.Result)
	}
	for _, t := range append([]types.Type{f.Result}, f.Args...) {
		if t != t.Base() {
			return nil, bad("the type %s has modifiers", t)
		}
	}
	o := &Overload{
		Name: f.Name, Category: CatUser, Args: slices.Clone(f.Args), Variadic: f.Variadic, Result: f.Result,
		Strict: !f.CalledOnNull, Volatile: f.Volatile, Fallible: true,
		Doc: f.Doc, Example: f.Example, Answer: f.Answer,
		ID: overloadID(f.Name, f.Args, f.Variadic),
	}
	if f.Row != nil {
		o.bind = simple(f.runRows)
	} else {
		o.bind = simple(f.runColumns)
	}
	return o, nil
}

// arrays gives the arguments as arrays of n values of their declared types.
func (f *Scalar) arrays(c *call) []arrow.Array {
	out := make([]arrow.Array, len(c.args))
	for i, v := range c.args {
		one := *v
		one.n = c.n
		if one.t.IsDecimal128() {
			one = *plainNumeric(&one)
		}
		out[i] = one.toArrow()
	}
	return out
}

// plainNumeric converts decimal128 to the storage of NUMERIC without modifiers.
func plainNumeric(v *vec) *vec {
	n := v.physical()
	out := &vec{t: types.NumericType, n: v.n, konst: v.konst, valid: v.valid, buf: make([]byte, n*types.NumericWidth)}
	for i := range n {
		v.numericAt(i).Put(out.buf[i*types.NumericWidth:])
	}
	return out
}

func (f *Scalar) runColumns(c *call) {
	arr, err := f.Columns(c.ctx, f.arrays(c), c.n)
	var rows *RowErrors
	if errors.As(err, &rows) {
		err = nil
	}
	switch {
	case err != nil:
		c.program.fail(fmt.Errorf("function %s: %w", f.Name, err))
	case arr == nil || arr.Len() != c.n || arr.DataType().ID() != f.Result.Arrow().ID():
		c.program.fail(types.Errorf(types.CodeInternal, "function %s: wanted are %d values of %s, got %s", f.Name, c.n, f.Result.Arrow(), describe(arr)))
	}
	if c.program.fatal != nil {
		arr = constVec(f.Result, nil, c.n).toArrow()
	}
	c.take(fromArrow(f.Result, arr))
	for i := range rows.Len() {
		if row := int(rows.Rows[i]); row < c.n && c.selected(row) {
			c.fail(row, rows.Errs[i])
		}
	}
}

func describe(arr arrow.Array) string {
	if arr == nil {
		return "nothing"
	}
	return fmt.Sprintf("%d of %s", arr.Len(), arr.DataType())
}

// take makes v the result, with its NULLs besides those that are there already.
func (c *call) take(v *vec) {
	c.buf, c.offs, c.arr = v.buf, v.offs, v.arr
	switch {
	case v.valid == nil:
	case c.valid == nil:
		c.valid, c.ownValid = v.valid, false
	default:
		c.valid, c.ownValid = combine(c.valid, v.valid, c.n, bitAnd), true
	}
	if c.valid != nil && width(c.node.t) != -2 {
		c.arr = nil
	}
}

func (c *call) selected(row int) bool {
	if c.sel == nil {
		return true
	}
	_, ok := slices.BinarySearch(c.sel, uint32(row))
	return ok
}

func (f *Scalar) runRows(c *call) {
	b := types.NewBuilder(f.Result)
	b.Reserve(c.n)
	args := make([]any, len(c.args))
	next := 0
	eachRow(c, func(i int) error {
		for ; next < i; next++ {
			b.AppendNull()
		}
		next = i + 1
		for k, v := range c.args {
			args[k] = v.valueAt(i)
		}
		value, err := f.call(args)
		if err == nil {
			if err = types.AppendValue(b, f.Result, value); err == nil {
				return nil
			}
		}
		b.AppendNull()
		var typed *types.Error
		if errors.As(err, &typed) {
			return typed
		}
		return types.Errorf("38000", "function %s: %s", f.Name, strings.TrimSpace(err.Error()))
	})
	for ; next < c.n; next++ {
		b.AppendNull()
	}
	c.take(fromArrow(f.Result, b.NewArray()))
}

// call turns a panic of the function into an error of the row.
func (f *Scalar) call(args []any) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return f.Row(args)
}
