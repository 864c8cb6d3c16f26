package planner

import (
	"slices"
)

// DoneStatement is a statement of a script that has changed tables and is not to be run again.
type DoneStatement struct {
	Text  string   // canonical
	Table ObjectID // that it changed: the statement is forgotten when the table is dropped
}

// TimesDone returns how often a statement of a script has run.
func (c *Catalog) TimesDone(text string) int {
	n := 0
	for _, d := range c.done {
		if d.Text == text {
			n++
		}
	}
	return n
}

// WithDone returns the catalog that knows of statements which have run.
func (c *Catalog) WithDone(list ...DoneStatement) *Catalog {
	n := c.clone()
	n.done = append(slices.Clone(n.done), list...)
	return n
}
