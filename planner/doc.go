// Package planner turns statements into plans: it is a pure function of syntax tree, catalog and settings.
//
//	sql.Query  ->  bind  ->  logical plan  ->  rewrites  ->  properties, ids  ->  physical plan
//
// The binder (bind_*.go) resolves names and types as PostgreSQL does and raises every error there is, with its place. Its
// result is the logical plan: the same nodes as the physical one, written down as the query says it. The rewrites, one per
// file (rewrite.go lists them in order), keep its meaning; a reference evaluator in the tests answers random queries before and
// after them. Then every node gets its properties (props.go) and its id (canonical.go), and equal subplans become one.
//
// Entry points are the Plan methods of Planner; the catalog (catalog.go) is an immutable snapshot that they return changed.
package planner
