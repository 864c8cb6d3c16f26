package expr

import (
	"github.com/streamsql/streamsql/types"
)

func (t *table) logic() {
	t.cat = CatLogic
	b := types.BoolType
	t.group("the opposite; NULL stays NULL", "NOT true", "f")
	t.fn("not", sig(b), b, simple(func(c *call) {
		out := c.outBits()
		copy(out, c.args[0].buf)
		negate(out)
	}))
	for _, d := range []struct {
		name, doc, example, answer string
		test                       func(known, value bool) bool
	}{
		{"is true", "true if the argument is true, false otherwise, also for NULL", "NULL::boolean IS TRUE", "f",
			func(known, value bool) bool { return known && value }},
		{"is not true", "true if the argument is false or NULL", "NULL::boolean IS NOT TRUE", "t",
			func(known, value bool) bool { return !known || !value }},
		{"is false", "true if the argument is false, false otherwise, also for NULL", "false IS FALSE", "t",
			func(known, value bool) bool { return known && !value }},
		{"is not false", "true if the argument is true or NULL", "NULL::boolean IS NOT FALSE", "t",
			func(known, value bool) bool { return !known || value }},
		{"is unknown", "true if the argument is NULL", "NULL::boolean IS UNKNOWN", "t",
			func(known, _ bool) bool { return !known }},
		{"is not unknown", "true if the argument is not NULL", "true IS NOT UNKNOWN", "t",
			func(known, _ bool) bool { return known }},
	} {
		t.group(d.doc, d.example, d.answer)
		t.op(d.name, sig(b), b, simple(func(c *call) {
			v := c.args[0]
			out := c.outBits()
			for i := range c.n {
				out[i>>3] |= b2u(d.test(!v.null(i), v.bit(i))) << (i & 7)
			}
		}), lax)
	}
}
