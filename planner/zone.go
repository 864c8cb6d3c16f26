package planner

import "github.com/streamsql/streamsql/expr"

// DependsOnZone reports whether a plan computes something that depends on the session's time zone, such as the text of a timestamptz.
func DependsOnZone(root *Node, reg *expr.Registry) bool {
	found := false
	root.each(func(n *Node) {
		mapNodeExprs(n, func(e expr.Expr) expr.Expr {
			expr.Walk(e, func(e expr.Expr) {
				if c, ok := e.(*expr.Call); ok {
					o := reg.Lookup(c.Fn)
					found = found || o != nil && o.Stable
				}
			})
			return e
		})
	})
	return found
}
