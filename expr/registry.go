package expr

import (
	"slices"
	"strings"

	"github.com/streamsql/streamsql/types"
)

// Registry is an immutable table of scalar functions, operators, casts and aggregates: Builtin, or Builtin with a layer
// of user functions from With. It is safe for concurrent use.
type Registry struct {
	list  []*Overload
	byID  map[string]*Overload
	funcs map[string][]*Overload
	ops   map[string][]*Overload
	aggs  []*Aggregate
}

// Builtin is the table of everything that exists without user functions.
var Builtin = newBuiltin()

func newBuiltin() *Registry {
	t := &table{}
	t.comparison()
	t.logic()
	t.arithmetic()
	t.math()
	t.text()
	t.pattern()
	t.bytes()
	t.datetime()
	t.format()
	t.arrays()
	t.json()
	t.more()
	t.other()
	t.casts()
	return newRegistry(t.list, builtinAggregates())
}

func newRegistry(list []*Overload, aggs []*Aggregate) *Registry {
	r := &Registry{
		list: list, aggs: aggs,
		byID:  make(map[string]*Overload, len(list)),
		funcs: map[string][]*Overload{},
		ops:   map[string][]*Overload{},
	}
	for _, o := range internalOverloads() {
		r.byID[o.ID] = o
	}
	for _, o := range list {
		if _, twice := r.byID[o.ID]; twice {
			panic("expr: two overloads " + o.ID)
		}
		r.byID[o.ID] = o
		switch {
		case o.Category == CatCast:
		case o.Operator:
			r.ops[o.Name] = append(r.ops[o.Name], o)
		default:
			r.funcs[o.Name] = append(r.funcs[o.Name], o)
		}
	}
	return r
}

// Lookup finds a built-in overload by its id, or returns nil.
func Lookup(id string) *Overload { return Builtin.Lookup(id) }

// Lookup finds an overload by its id, or returns nil.
func (r *Registry) Lookup(id string) *Overload { return r.byID[id] }

// Functions returns all built-in scalar functions, operators and casts, by category and in the order of the table.
func Functions() []*Overload { return Builtin.Functions() }

// Functions returns all scalar functions, operators and casts, by category and in the order of the table.
func (r *Registry) Functions() []*Overload { return slices.Clone(r.list) }

// HasFunction reports whether a scalar function, special form or aggregate of that name exists.
func (r *Registry) HasFunction(name string) bool {
	name = strings.ToLower(name)
	return slices.Contains(specialNames, name) || len(r.funcs[name]) > 0 || r.IsAggregate(name)
}

// table collects the built-in overloads; the doc of the group in hand goes to each overload added.
type table struct {
	list                 []*Overload
	cat                  Category
	doc, example, answer string
}

// group starts a group of overloads with one doc and example: an SQL expression and the text form of its value.
func (t *table) group(doc, example, answer string) { t.doc, t.example, t.answer = doc, example, answer }

type property func(o *Overload)

func fallible(o *Overload) { o.Fallible = true }
func stable(o *Overload)   { o.Stable = true }
func variadic(o *Overload) { o.Variadic = true }
func lax(o *Overload)      { o.Strict = false } // sees NULL arguments

func (t *table) add(operator bool, name string, args []types.Type, result types.Type, b binder, props []property) {
	o := &Overload{
		Name: name, Operator: operator, Category: t.cat, Args: args, Result: result, Strict: true,
		Doc: t.doc, Example: t.example, Answer: t.answer, bind: b,
	}
	for _, p := range props {
		p(o)
	}
	o.ID = overloadID(name, args, o.Variadic)
	t.list = append(t.list, o)
}

// fn adds an overload of a function, strict unless a property says otherwise.
func (t *table) fn(name string, args []types.Type, result types.Type, b binder, props ...property) {
	t.add(false, name, args, result, b, props)
}

// op adds an overload of an operator, strict unless a property says otherwise.
func (t *table) op(name string, args []types.Type, result types.Type, b binder, props ...property) {
	t.add(true, name, args, result, b, props)
}

// sig is a list of argument types.
func sig(ts ...types.Type) []types.Type { return ts }
