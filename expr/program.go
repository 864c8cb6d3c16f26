package expr

import (
	"fmt"
	"math"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/types"
)

// Context is what an evaluation may depend on besides its input: one value per epoch, recorded with it.
type Context struct {
	Now  int64          // the epoch's clock: microseconds since 1970 UTC
	Zone *time.Location // the session's time zone; nil: UTC
}

func (c *Context) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// Vector is a computed column: an array of the batch's N physical rows, and the rows that failed, which are NULL in Arr. Only
// the selected rows have a meaning.
type Vector struct {
	Arr  arrow.Array
	Errs *RowErrors
}

// Program computes expressions over batches. It holds scratch memory: one goroutine at a time; others use a Clone. Arrays
// that it returns are fresh (or the batch's own) and stay valid.
//
// Errors count where the failed value is used: AND and OR fail for a row only if no argument decides it, CASE runs a
// branch only on the rows that reach it, and a strict function with a NULL argument is NULL whatever its other arguments.
type Program struct {
	registry *Registry
	exprs    []Expr
	filter   bool
	roots    []*node
	nodes    []*node
	memo     map[string]*node

	ctx   *Context
	batch *changelog.Batch
	gen   uint64
	fatal error
	root  scope
	sel   [2][]uint32 // of filters: the selections before and after a conjunct, in turns
	turn  int
}

// Compile makes a program that computes all exprs at once; common subexpressions are computed once a batch.
//
// Errors: CodeInternal if an expression calls an unknown overload; what a constant argument gives that is wrong for any
// row, such as an invalid regular expression, is left to the rows.
func Compile(exprs []Expr) (*Program, error) { return Builtin.Compile(exprs) }

// Compile is the function of that name over this registry.
func (r *Registry) Compile(exprs []Expr) (*Program, error) {
	p := &Program{registry: r, exprs: exprs, memo: map[string]*node{}}
	for _, e := range exprs {
		n, err := p.build(e)
		if err != nil {
			return nil, err
		}
		n.markOutput()
		p.roots = append(p.roots, n)
	}
	return p, nil
}

// Clone returns a program for another goroutine.
func (p *Program) Clone() *Program {
	var c *Program
	var err error
	if p.filter {
		c, err = p.registry.CompileFilter(p.exprs[0])
	} else {
		c, err = p.registry.Compile(p.exprs)
	}
	if err != nil {
		panic(fmt.Sprintf("expr: a compiled program does not compile again: %v", err))
	}
	return c
}

// Exprs returns what the program computes.
func (p *Program) Exprs() []Expr { return p.exprs }

// Eval computes every expression for the selected rows of b.
//
// Errors: what concerns no single row, such as a column that is not stored as its type says.
func (p *Program) Eval(ctx *Context, b *changelog.Batch) ([]Vector, error) {
	out := make([]Vector, len(p.roots))
	if b.N == 0 { // kernels may look at the first row
		for i, n := range p.roots {
			out[i].Arr = constVec(n.t, nil, 0).toArrow()
		}
		return out, nil
	}
	p.start(ctx, b)
	for i, n := range p.roots {
		v := n.eval(p, &p.root)
		if p.fatal != nil {
			return nil, p.fatal
		}
		out[i] = Vector{Arr: v.toArrow(), Errs: v.errs}
	}
	p.end()
	return out, nil
}

// end lets go of the batch.
func (p *Program) end() {
	p.batch, p.ctx = nil, nil
	for _, n := range p.nodes {
		n.value, n.scope = nil, nil
		if c, ok := n.op.(*callOp); ok {
			clear(c.c.args)
		}
	}
	p.gen++
}

func (p *Program) start(ctx *Context, b *changelog.Batch) {
	p.ctx, p.batch = ctx, b
	p.gen++
	p.fatal = nil
	p.root = scope{sel: b.Sel, n: b.N}
}

// scope is the rows for which an expression is wanted: a part of its parent's.
type scope struct {
	parent *scope
	sel    []uint32 // nil: all n
	n      int      // physical rows of the batch
}

// within reports whether s is part of o.
func (s *scope) within(o *scope) bool {
	for ; s != nil; s = s.parent {
		if s == o {
			return true
		}
	}
	return false
}

func (s *scope) rows() int {
	if s.sel != nil {
		return len(s.sel)
	}
	return s.n
}

// node is one distinct expression of a program, with its value for the current batch.
type node struct {
	t      types.Type
	sp     types.Span
	op     operation
	output bool // the value leaves the program: its memory must be fresh

	gen   uint64
	scope *scope
	value *vec
}

// operation computes a node's value for the rows of a scope.
type operation interface {
	eval(p *Program, n *node, s *scope) *vec
}

// aliasing is an operation whose value may share the memory of some of its arguments.
type aliasing interface{ aliased() []*node }

// eval returns the value for at least the rows of s. Its memory stays as it is until the next batch, or until the node is asked
// for a scope that is not part of the one it was computed for. That is safe: who uses the value does so under a scope within that
// one, and all that is computed meanwhile is wanted for scopes within too; what outlives its scope (a branch of CASE) is copied.
func (n *node) eval(p *Program, s *scope) *vec {
	if n.gen == p.gen && s.within(n.scope) {
		return n.value
	}
	v := n.op.eval(p, n, s)
	n.gen, n.scope, n.value = p.gen, s, v
	return v
}

func (n *node) markOutput() {
	n.output = true
	if a, ok := n.op.(aliasing); ok {
		for _, k := range a.aliased() {
			k.markOutput()
		}
	}
}

// build returns the node of e, shared with equal expressions.
func (p *Program) build(e Expr) (*node, error) {
	key := ""
	if !p.volatile(e) {
		key = e.Type().String() + " " + e.String()
		if n, ok := p.memo[key]; ok {
			return n, nil
		}
	}
	n := &node{t: e.Type(), sp: e.Span()}
	op, err := p.operation(e)
	if err != nil {
		return nil, err
	}
	n.op = op
	p.nodes = append(p.nodes, n)
	if key != "" {
		p.memo[key] = n
	}
	return n, nil
}

func (p *Program) buildAll(exprs []Expr) ([]*node, error) {
	out := make([]*node, len(exprs))
	for i, e := range exprs {
		n, err := p.build(e)
		if err != nil {
			return nil, err
		}
		out[i] = n
	}
	return out, nil
}

func (p *Program) volatile(e Expr) bool {
	found := false
	Walk(e, func(e Expr) {
		if c, ok := e.(*Call); ok {
			o := p.registry.Lookup(c.Fn)
			found = found || o != nil && o.Volatile
		}
	})
	return found
}

func (p *Program) operation(e Expr) (operation, error) {
	switch e := e.(type) {
	case *Column:
		return &columnOp{index: e.Index, name: e.Name}, nil
	case *Literal:
		return &literalOp{value: e.Value}, nil
	case *Now:
		return &nowOp{}, nil
	case *Try:
		x, err := p.build(e.X)
		return &tryOp{x: x}, err
	case *Call:
		return p.callOperation(e)
	case *Case:
		return p.caseOperation(e)
	case *Logic:
		args, err := p.buildAll(p.byCost(e.Args))
		return &logicOp{or: e.Or, args: args}, err
	case *In:
		return p.inOperation(e)
	}
	return nil, types.Errorf(types.CodeInternal, "unknown expression %T", e)
}

func (p *Program) callOperation(e *Call) (operation, error) {
	o := p.registry.Lookup(e.Fn)
	if o == nil {
		return nil, types.Errorf(types.CodeInternal, "unknown function %q", e.Fn).At(e.Sp)
	}
	args, err := p.buildAll(e.Args)
	if err != nil {
		return nil, err
	}
	if !o.accepts(len(args)) {
		return nil, types.Errorf(types.CodeInternal, "%s is called with %d arguments", e.Fn, len(args)).At(e.Sp)
	}
	k := o.bind(&binding{args: e.Args, t: e.T})
	if k.alias {
		return &aliasOp{x: args[0]}, nil
	}
	return &callOp{o: o, kernel: k, args: args}, nil
}

type columnOp struct {
	index int
	name  string
}

func (o *columnOp) eval(p *Program, n *node, _ *scope) *vec {
	if o.index >= len(p.batch.Cols) {
		p.fail(types.Errorf(types.CodeInternal, "column $%d is wanted, the batch has %d columns", o.index, len(p.batch.Cols)))
		return constVec(n.t, nil, p.batch.N)
	}
	a := p.batch.Cols[o.index]
	if want := n.t.Arrow(); a.DataType().ID() != want.ID() && a.DataType().ID() != arrow.NULL || a.Len() != p.batch.N {
		p.fail(types.Errorf(types.CodeInternal, "column $%d (%s) holds %d values of %s, wanted are %d of %s",
			o.index, o.name, a.Len(), a.DataType(), p.batch.N, want))
		return constVec(n.t, nil, p.batch.N)
	}
	if a.DataType().ID() == arrow.NULL {
		return constVec(n.t, nil, p.batch.N)
	}
	return fromArrow(n.t, a)
}

func (p *Program) fail(err error) {
	if p.fatal == nil {
		p.fatal = err
	}
}

type literalOp struct {
	value any
	made  *vec
}

func (o *literalOp) eval(p *Program, n *node, _ *scope) *vec {
	if o.made == nil {
		o.made = constVec(n.t, o.value, p.batch.N)
	}
	if o.made.n != p.batch.N {
		c := *o.made
		c.n = p.batch.N
		o.made = &c
	}
	return o.made
}

type nowOp struct{}

func (o *nowOp) eval(p *Program, n *node, _ *scope) *vec { return constVec(n.t, p.ctx.Now, p.batch.N) }

// tryOp gives NULL where x failed.
type tryOp struct{ x *node }

func (o *tryOp) aliased() []*node { return []*node{o.x} }

func (o *tryOp) eval(p *Program, _ *node, s *scope) *vec {
	v := *o.x.eval(p, s)
	if v.errs.Len() > 0 {
		v.errs = nil
		if width(v.t) != -2 { // the array of other kinds has its NULLs
			v.arr = nil
		}
	}
	return &v
}

// aliasOp is a cast between types of one storage.
type aliasOp struct{ x *node }

func (o *aliasOp) aliased() []*node { return []*node{o.x} }

func (o *aliasOp) eval(p *Program, n *node, s *scope) *vec {
	v := *o.x.eval(p, s)
	if v.t != n.t && n.t.Kind == types.Numeric {
		v.arr = nil // the array's own type has the modifiers of the argument
	}
	v.t = n.t
	return &v
}

// callOp applies an overload.
type callOp struct {
	o      *Overload
	kernel kernel
	args   []*node
	c      call
}

func (o *callOp) eval(p *Program, n *node, s *scope) *vec {
	c := &o.c
	if done := o.prepare(p, n, s); done != nil {
		return done
	}
	o.kernel.run(c)
	return o.finish(p, n, s)
}

// prepare evaluates the arguments; it returns the value at once where that is NULL.
func (o *callOp) prepare(p *Program, n *node, s *scope) *vec {
	c := &o.c
	c.ctx, c.program, c.node, c.n, c.sel = p.ctx, p, n, p.batch.N, s.sel
	c.listed, c.ownValid, c.last = false, false, nil
	c.args = c.args[:0]
	konst := !o.o.Volatile
	failed := false
	for _, a := range o.args {
		v := a.eval(p, s)
		if v.konst && v.null(0) && o.o.Strict {
			return constVec(n.t, nil, p.batch.N)
		}
		c.args = append(c.args, v)
		konst = konst && v.konst
		failed = failed || v.errs.Len() > 0
	}
	if konst {
		c.n, c.sel = 1, nil
	}
	c.konst = konst
	c.valid, c.errs = nil, nil
	if o.o.Strict {
		for _, v := range c.args {
			switch {
			case v.konst || v.valid == nil:
			case c.valid == nil:
				c.valid = v.valid
			default:
				c.valid = combine(c.valid, v.valid, c.n, bitAnd)
			}
		}
	}
	if failed {
		c.errs = mergeArgs(c.args, o.o.Strict)
	}
	c.buf, c.offs = nil, nil
	return nil
}

// mergeArgs unites the errors of arguments, of a strict function without those in rows where another argument is NULL.
func mergeArgs(args []*vec, strict bool) *RowErrors {
	var errs *RowErrors
	for _, v := range args {
		errs = errs.Merge(v.errs)
	}
	if strict {
		errs = errs.filter(func(row uint32) bool {
			for _, v := range args {
				if v.null(int(row)) && v.errs.At(row) == nil {
					return false
				}
			}
			return true
		})
	} else {
		errs = errs.filter(func(uint32) bool { return true }) // a copy to append to
	}
	return errs
}

func (o *callOp) finish(p *Program, n *node, s *scope) *vec {
	c := &o.c
	if c.errs.Len() > 0 {
		c.errs.sort()
		for _, row := range c.errs.Rows {
			c.setNull(int(row))
		}
	}
	out := &vec{t: n.t, n: p.batch.N, konst: c.konst, valid: c.valid, buf: c.buf, offs: c.offs, errs: c.errs, arr: c.arr}
	c.arr = nil
	if out.arr != nil && out.errs.Len() > 0 && width(n.t) == -2 {
		out.arr = withValidity(out.arr, out.valid)
	}
	if len(out.buf) > math.MaxInt32 && width(n.t) == 0 {
		p.fail(types.Errorf(types.CodeTooComplex, "the texts of a batch exceed 2 GB").At(n.sp))
		return constVec(n.t, nil, p.batch.N)
	}
	if c.konst && out.errs.Len() > 0 {
		return failAll(n.t, out.errs.Errs[0], s)
	}
	return out
}

// withValidity returns an array with NULLs where valid says so.
func withValidity(a arrow.Array, valid []byte) arrow.Array {
	n := a.Len()
	bits := make([]byte, (a.Data().Offset()+n+7)/8)
	nulls := n
	for i := range n {
		if valid[i>>3]>>(i&7)&1 != 0 {
			k := a.Data().Offset() + i
			bits[k>>3] |= 1 << (k & 7)
			nulls--
		}
	}
	bufs := append([]*memory.Buffer{memory.NewBufferBytes(bits)}, a.Data().Buffers()[1:]...)
	return array.MakeFromData(array.NewData(a.DataType(), n, bufs, a.Data().Children(), nulls, a.Data().Offset()))
}

// failAll is a value that fails in every row of the scope.
func failAll(t types.Type, err *types.Error, s *scope) *vec {
	v := constVec(t, nil, s.n).repeat()
	if v.valid == nil {
		v.valid = make([]byte, (s.n+7)/8)
	}
	v.errs = &RowErrors{}
	for i := range s.rows() {
		row := uint32(i)
		if s.sel != nil {
			row = s.sel[i]
		}
		v.errs.add(row, err)
	}
	return v
}
