package sql

import "reflect"

var nodeType = reflect.TypeFor[Node]()

// Inspect calls f for n and, as long as f returns true, for the nodes below it, in the order of the text's clauses. It
// visits every kind of node: statements, queries, expressions, and the parts that are held by value such as Ident and OrderItem
// (which are handed over as values).
func Inspect(n Node, f func(Node) bool) {
	if n == nil {
		return
	}
	inspectValue(reflect.ValueOf(n), f)
}

func inspectValue(v reflect.Value, f func(Node) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			inspectValue(v.Elem(), f)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.Type().Implements(nodeType) && !f(v.Interface().(Node)) {
			return
		}
		inspectFields(v.Elem(), f)
	case reflect.Struct:
		if v.Type() == atType || v.Type() == spanType {
			return
		}
		if v.Type() == identType && v.FieldByName("Name").String() == "" {
			return
		}
		if v.Type().Implements(nodeType) && !f(v.Interface().(Node)) {
			return
		}
		inspectFields(v, f)
	case reflect.Slice:
		for i := range v.Len() {
			inspectValue(v.Index(i), f)
		}
	}
}

func inspectFields(v reflect.Value, f func(Node) bool) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		inspectValue(v.Field(i), f)
	}
}

// Expressions calls f for each expression at or below n, outer ones first, and does not go below those for which f returns
// false.
func Expressions(n Node, f func(Expr) bool) {
	Inspect(n, func(n Node) bool {
		if e, ok := n.(Expr); ok {
			return f(e)
		}
		return true
	})
}
