package exec

import (
	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/streamsql/streamsql/changelog"
	"github.com/streamsql/streamsql/expr"
	"github.com/streamsql/streamsql/planner"
	"github.com/streamsql/streamsql/types"
)

// tableFunc appends to each row the rows that set-returning functions give for it.
//
// Input:  any changelog. Rows for which an argument or a function fails are rejected.
// Output: the input's columns, those of the functions side by side, and with Ordinality a number; rows in the order of the input. A
// long series leaves in batches. The origin stays.
// State:  none.
type tableFunc struct {
	stateless
	plan  *planner.TableFunc
	in    types.Schema
	max   int
	prog  *expr.Program
	ectx  expr.Context
	calls []tableCall
	out   tableRows
}

// tableCall is one function.
type tableCall struct {
	fn   *expr.TableFunction
	cols types.Schema
	args int // how many

	gen  expr.Generator // over the batch under way
	done bool           // no more rows for the row under way
	more int            // rows of the piece under way
}

// tableRows is an output batch in the making.
type tableRows struct {
	rows     []uint32 // of the input
	numbers  *array.Int64Builder
	builders [][]array.Builder // by call
}

func newTableFunc(n *planner.Node, op *planner.TableFunc, env *Env) (Operator, error) {
	t := &tableFunc{plan: op, in: n.Inputs[0].Schema, max: env.batchRows(), ectx: expr.Context{Zone: env.zone()}}
	var args []expr.Expr
	for _, c := range op.Calls {
		fn := expr.LookupTableFunction(c.Fn)
		if fn == nil {
			return nil, types.Errorf(types.CodeUndefinedFunction, "table function %s does not exist", c.Fn)
		}
		if len(c.Columns) != len(fn.Columns) || len(c.Args) != len(fn.Args) {
			return nil, types.Errorf(types.CodeInternal, "table function %s has %d columns and %d arguments, the plan %d and %d", c.Fn,
				len(fn.Columns), len(fn.Args), len(c.Columns), len(c.Args))
		}
		t.calls = append(t.calls, tableCall{fn: fn, cols: c.Columns, args: len(c.Args)})
		args = append(args, c.Args...)
	}
	var err error
	t.prog, err = env.functions().Compile(args)
	return t, err
}

func (t *tableFunc) Process(ctx *Context, _ int, b *changelog.Batch, emit Emit) error {
	t.ectx.Now = ctx.Clock
	vs, err := t.prog.Eval(&t.ectx, b)
	if err != nil {
		return err
	}
	var errs *expr.RowErrors
	args := make([]arrow.Array, len(vs))
	for i, v := range vs {
		args[i] = v.Arr
		errs = errs.Merge(v.Errs)
	}
	if err := rejectErrors(ctx, b, t.in, errs, t.plan.OnError); err != nil {
		return err
	}
	for i := range t.calls {
		c := &t.calls[i]
		c.gen = c.fn.Open(&t.ectx, args[:c.args:c.args])
		args = args[c.args:]
	}
	t.begin()
	failed := 0
	var stop error
	b.Each(func(row int) {
		for failed < errs.Len() && int(errs.Rows[failed]) < row {
			failed++
		}
		if stop != nil || failed < errs.Len() && int(errs.Rows[failed]) == row {
			return
		}
		stop = t.row(ctx, b, row, emit)
	})
	t.flush(b, emit)
	for i := range t.calls {
		t.calls[i].gen = nil
	}
	return stop
}

func (t *tableFunc) begin() {
	t.out = tableRows{builders: make([][]array.Builder, len(t.calls)), numbers: array.NewInt64Builder(memory.DefaultAllocator)}
	for i, c := range t.calls {
		for _, f := range c.cols {
			t.out.builders[i] = append(t.out.builders[i], types.NewBuilder(f.Type))
		}
	}
}

// row appends the rows that the functions give for one row.
func (t *tableFunc) row(ctx *Context, b *changelog.Batch, row int, emit Emit) error {
	for i := range t.calls {
		c := &t.calls[i]
		c.done = false
		if len(t.calls) == 1 {
			break // the first rows come with the error, or not at all
		}
		var err error
		if _, c.done, err = c.gen.Next(row, 0, t.out.builders[i]); err != nil {
			return reject(ctx, b, t.in, row, asError(err), t.plan.OnError)
		}
	}
	number := int64(0)
	for {
		if len(t.out.rows) >= t.max {
			t.flush(b, emit)
			t.begin()
			if err := ctx.Stopped(); err != nil {
				return err
			}
		}
		n, done, err := t.piece(row, t.max-len(t.out.rows))
		if err != nil {
			return reject(ctx, b, t.in, row, asError(err), t.plan.OnError)
		}
		if n == 0 && number == 0 && done && t.plan.Outer {
			t.missing(row)
		}
		for range n {
			number++
			t.out.rows = append(t.out.rows, uint32(row))
			t.out.numbers.Append(number)
		}
		if done {
			return nil
		}
	}
}

// piece appends up to most rows of all functions, the shorter ones filled up with NULLs.
func (t *tableFunc) piece(row, most int) (n int, done bool, err error) {
	done = true
	for i := range t.calls {
		c := &t.calls[i]
		for c.more = 0; c.more < most && !c.done; {
			var k int
			if k, c.done, err = c.gen.Next(row, most-c.more, t.out.builders[i]); err != nil {
				return 0, true, err
			}
			c.more += k
		}
		n, done = max(n, c.more), done && c.done
	}
	for i := range t.calls {
		for _, x := range t.out.builders[i] {
			for range n - t.calls[i].more {
				x.AppendNull()
			}
		}
	}
	return n, done, nil
}

// missing appends a row for which the functions gave none.
func (t *tableFunc) missing(row int) {
	t.out.rows = append(t.out.rows, uint32(row))
	t.out.numbers.AppendNull()
	for _, list := range t.out.builders {
		for _, x := range list {
			x.AppendNull()
		}
	}
}

// flush emits the rows so far.
func (t *tableFunc) flush(b *changelog.Batch, emit Emit) {
	n := len(t.out.rows)
	if n == 0 {
		return
	}
	o := changelog.Take(&changelog.Batch{Cols: b.Cols, N: b.N, Weights: b.Weights}, t.out.rows)
	for _, list := range t.out.builders {
		for _, x := range list {
			o.Cols = append(o.Cols, x.NewArray())
		}
	}
	if t.plan.Ordinality {
		o.Cols = append(o.Cols, t.out.numbers.NewArray())
	}
	if b.Origin != nil {
		o.Origin = movedOrigin{b.Origin, t.out.rows}
	}
	emit(o)
}
