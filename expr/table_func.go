package expr

import (
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"

	"github.com/streamsql/streamsql/types"
)

// TableFunction is one signature of a set-returning function. The built-in ones are immutable and shared; of those over arrays
// of any type the resolved form has the columns' types filled in, under the same ID.
type TableFunction struct {
	ID   string // unique: "generate_series(bigint,bigint)", "unnest(anyarray)"
	Name string
	// Args are the argument types; types.AnyArray accepts an array of any type.
	Args    []types.Type
	Columns types.Schema // of the rows it gives
	// Named: the columns have names of their own (jsonb_each: key, value), which an alias of the table does not change. Else the one
	// column is named as the function, or as the alias.
	Named bool
	// Strict: a NULL argument gives no rows. (Generators see to that themselves.)
	Strict   bool
	Stable   bool // depends on the session's time zone
	Fallible bool // some arguments give an error
	// Doc says in one sentence what it does, Example is a call and Answer its rows, one a line, columns between "|".
	Doc, Example, Answer string

	open func(ctx *Context, args []arrow.Array) Generator
}

// Generator gives the rows of a table function for the rows of one batch of arguments; it is for one goroutine.
type Generator interface {
	// Next appends the next rows of argument row to out, one builder a column, in bounded pieces: at most max. n is how many these
	// were; done says that there are no more. Calls with the same row go on where the last one ended; another row starts anew.
	//
	// An error concerns the row of arguments (its span is not set) and comes with the first call for it, before any row was
	// appended.
	Next(row, max int, out []array.Builder) (n int, done bool, err error)
}

// Open begins with a batch of arguments: arrays of equal length in the storage of f.Args, modifiers of NUMERIC allowed. They must
// stay valid until the last call of Next.
func (f *TableFunction) Open(ctx *Context, args []arrow.Array) Generator { return f.open(ctx, args) }

// Signature returns the function as a user would write it: "generate_series(bigint, bigint) -> setof bigint".
func (f *TableFunction) Signature() string {
	args := make([]string, len(f.Args))
	for i, t := range f.Args {
		args[i] = argName(t)
	}
	cols := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		cols[i] = argName(c.Type)
		if f.Named {
			cols[i] = c.Name + " " + cols[i]
		}
	}
	result := strings.Join(cols, ", ")
	if f.Named {
		result = "table(" + result + ")"
	} else {
		result = "setof " + result
	}
	return f.Name + "(" + strings.Join(args, ", ") + ") -> " + result
}

// tableFunctions is the table of all set-returning functions.
var tableFunctions = builtinTableFunctions()

// TableFunctions returns all set-returning functions in a stable order.
func TableFunctions() []*TableFunction { return slices.Clone(tableFunctions) }

// LookupTableFunction finds a set-returning function by its ID, or returns nil. Its Columns are those of the unresolved form.
func LookupTableFunction(id string) *TableFunction {
	for _, f := range tableFunctions {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// IsTableFunction reports whether name is the name of a set-returning function.
func IsTableFunction(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(tableFunctions, func(f *TableFunction) bool { return f.Name == name })
}

// ResolveTableFunction finds the set-returning function that PostgreSQL would call; untyped literals have the unknown type. The
// arguments must then be cast implicitly to the Args of the answer, in which types.AnyArray is filled in.
//
// Errors: CodeUndefinedFunction with the types named; CodeAmbiguousFunction.
func ResolveTableFunction(name string, args []types.Type) (*TableFunction, error) {
	name = strings.ToLower(name)
	var cands []candidate
	var known []string
	for i, f := range tableFunctions {
		if f.Name != name {
			continue
		}
		known = append(known, f.Signature())
		if len(f.Args) == len(args) {
			cands = append(cands, candidate{args: f.Args, index: i})
		}
	}
	actual := baseTypes(args)
	found, err := selectCandidate(cands, actual)
	if err != nil {
		return nil, types.Errorf(types.CodeAmbiguousFunction, "function %s is not unique", callText(name, args)).
			WithHint("add casts to the arguments, to say which of the functions is meant")
	}
	if found < 0 {
		err := types.Errorf(types.CodeUndefinedFunction, "function %s does not exist", callText(name, args))
		if len(known) > 6 {
			known = append(known[:6:6], "...")
		}
		if len(known) > 0 {
			return nil, err.WithHint("no function of that name takes these arguments; there is %s", strings.Join(known, "; "))
		}
		return nil, err
	}
	f := tableFunctions[found]
	at := slices.Index(f.Args, types.AnyArray)
	if at < 0 {
		return f, nil
	}
	if actual[at].Kind != types.Array {
		return nil, types.Errorf(types.CodeIndeterminateType, "could not determine the type of the array that %s is given", name).
			WithHint("add a cast, such as ::integer[]")
	}
	c := *f
	c.Args = slices.Clone(f.Args)
	c.Args[at] = actual[at]
	c.Columns = slices.Clone(f.Columns)
	for i, col := range c.Columns {
		if col.Type.Kind == types.Unknown {
			c.Columns[i].Type = actual[at].ElemType()
		}
	}
	return &c, nil
}

// anyNull reports whether an argument is NULL in a row.
func anyNull(args []arrow.Array, row int) bool {
	for _, a := range args {
		if a.IsNull(row) {
			return true
		}
	}
	return false
}

// generator is a Generator made of a function that starts a row and one that goes on with it.
type generator struct {
	// start readies a row; no says that it has no result rows.
	start func(row int) (no bool, err error)
	next  func(max int, out []array.Builder) (n int, done bool)
	row   int // the row under way plus one, 0: none
}

func (g *generator) Next(row, max int, out []array.Builder) (n int, done bool, err error) {
	if g.row != row+1 {
		g.row = 0
		if no, err := g.start(row); no || err != nil {
			return 0, true, err
		}
		g.row = row + 1
	}
	n, done = g.next(max, out)
	if done {
		g.row = 0
	}
	return n, done, nil
}

// builtinTableFunctions makes the table.
func builtinTableFunctions() []*TableFunction {
	t := &tableFunctionTable{}
	t.series()
	t.arrays()
	t.texts()
	t.json()
	t.system()
	return t.list
}

// tableFunctionTable collects the set-returning functions.
type tableFunctionTable struct {
	list                 []*TableFunction
	doc, example, answer string
}

func (t *tableFunctionTable) group(doc, example, answer string) {
	t.doc, t.example, t.answer = doc, example, answer
}

func (t *tableFunctionTable) add(name string, args []types.Type, cols types.Schema, open func(ctx *Context, args []arrow.Array) Generator) *TableFunction {
	f := &TableFunction{
		ID: overloadID(name, args, false), Name: name, Args: args, Columns: cols, Strict: true, Fallible: true,
		Named: len(cols) > 1 || cols[0].Name != name,
		Doc:   t.doc, Example: t.example, Answer: t.answer, open: open,
	}
	t.list = append(t.list, f)
	return f
}

// column is the schema of one column.
func oneColumn(name string, t types.Type) types.Schema { return types.Schema{{Name: name, Type: t}} }
